"""Semi-discrete systems as time integrators see them: u' = E(t, u) + H(t, u), H = A(t) u + f(t).

Terms f without fields belong to the implicit part: where they balance stiff terms, stages would
else be of order one, and boundary data, which every stage meets exactly, would not fit them.

`NodalStepping` and `SpectralStepping` bring a system together with its linear solves. A state is
one array; integrators add states and multiply them by numbers and do nothing else with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from pdesl.diagnostics import SolverError
from pdesl.lowering.imex_nodal import NodalImex
from pdesl.lowering.imex_spectral import SpectralImex
from pdesl.solvers.implicit_solves import NodalSolves, SparseFactor

__all__ = ["NodalStepping", "SpectralStepping", "Stepping"]

NEWTON_ITERATIONS = 12
# Newton's steps end at this share of the state.
NEWTON_TOLERANCE = 1e-11
# A factor is made anew when Newton's corrections shrink by less than this.
SLOW = 0.2
# A slope of algebraic values is a difference over this share of the time span.
SLOPE_SHARE = 1e-5


class Stepping(Protocol):
    """What integrators need of a system."""

    explicit_evaluations: int

    @property
    def start(self) -> np.ndarray:
        """The initial state, its algebraic values included."""
        ...

    @property
    def words(self) -> str:
        """What the linear solves are, and how many there were."""
        ...

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """E(t, u), zero at algebraic values."""
        ...

    def implicit(self, t: float, state: np.ndarray) -> np.ndarray:
        """H(t, u), zero at algebraic values."""
        ...

    def forcing(self, t: float) -> np.ndarray:
        """f(t), zero at algebraic values."""
        ...

    def solve(self, gamma: float, t: float, right: np.ndarray) -> np.ndarray:
        """U with U − γ H(t, U) = right, algebraic values at time t."""
        ...

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        """U with U − γ (E(t, U) + H(t, U)) = right, algebraic values at time t."""
        ...

    def complete(self, t: float, state: np.ndarray) -> np.ndarray:
        """The state with its algebraic values set for time t."""
        ...

    def masked(self, state: np.ndarray) -> np.ndarray:
        """The state with zeros at algebraic values."""
        ...

    def slope(self, t: float, state: np.ndarray) -> np.ndarray:
        """∂t u, at algebraic values too."""
        ...

    def values(self, state: np.ndarray) -> np.ndarray:
        """Nodal values (fields, nodes)."""
        ...

    def culprit(self, t: float, state: np.ndarray) -> str:
        """The explicit part that is not finite, or largest, at a state."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What later steps depend on, and the counts."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what `to_arrays` told."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _NewtonFactor:
    """A factor of Newton's matrix, with the γ, time and state that it was made at."""

    gamma: float
    t: float
    state: np.ndarray
    factor: SparseFactor


@dataclass(slots=True)
class NodalStepping:
    """A system on nodes, solved by sparse factorisation on the host."""

    system: NodalImex
    span: tuple[float, float]
    explicit_evaluations: int = 0
    newton_iterations: int = 0
    solves: NodalSolves = field(init=False)
    _newton: _NewtonFactor | None = None

    def __post_init__(self) -> None:
        self.solves = NodalSolves(self.system)

    @property
    def start(self) -> np.ndarray:
        return self.complete(self.span[0], self.system.start)

    @property
    def words(self) -> str:
        return self.solves.words

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        self.explicit_evaluations += 1
        return self.system.explicit(t, state)

    def implicit(self, t: float, state: np.ndarray) -> np.ndarray:
        return self.system.implicit(t, state) + self.forcing(t)

    def forcing(self, t: float) -> np.ndarray:
        return self.system.forcing(t)

    def solve(self, gamma: float, t: float, right: np.ndarray) -> np.ndarray:
        return self.solves.solve(gamma, t, right + gamma * self.forcing(t))

    def complete(self, t: float, state: np.ndarray) -> np.ndarray:
        return self.solves.complete(t, state)

    def masked(self, state: np.ndarray) -> np.ndarray:
        return np.where(self.system.differential, state, 0.0)

    def slope(self, t: float, state: np.ndarray) -> np.ndarray:
        inner = self.explicit(t, state) + self.implicit(t, state)
        if np.all(self.system.differential):
            return inner
        # Algebraic values follow data in time and the other values; both are differentiated.
        first, last = self.span
        step = SLOPE_SHARE * (last - first)
        ahead, behind = t + step, t - step
        difference = self.complete(ahead, state + step * inner)
        difference = difference - self.complete(behind, state - step * inner)
        return np.where(self.system.differential, inner, difference / (ahead - behind))

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        system = self.system
        matrix = self.solves.matrix(gamma, t)
        known = right + gamma * self.forcing(t)
        whole = np.where(system.differential, known, system.constraint_data(t))
        state = self.complete(t, guess)
        size = np.linalg.norm(state) + 1e-300
        last = np.inf
        for _ in range(NEWTON_ITERATIONS):
            residual = matrix @ state - gamma * self.explicit(t, state) - whole
            if (
                self._newton is None
                or self._newton.gamma != gamma
                or (last == np.inf and (system.has_moving_matrix))
            ):
                self._newton = self._newton_factor(matrix, gamma, t, state)
            step = self._newton.factor.solve(-residual)
            self.newton_iterations += 1
            norm = float(np.linalg.norm(step))
            if not np.isfinite(norm):
                return np.full_like(state, np.nan)
            state = state + step
            if norm <= NEWTON_TOLERANCE * size:
                return state
            if norm > SLOW * last:
                self._newton = self._newton_factor(matrix, gamma, t, state)
            last = norm
        return np.full_like(state, np.nan)

    def _newton_factor(
        self, matrix: Any, gamma: float, t: float, state: np.ndarray
    ) -> _NewtonFactor:
        jacobian = matrix - gamma * self.system.explicit_jacobian(t, state)
        self.solves.factorisations += 1
        order = self.solves.order_of(jacobian)
        made = SparseFactor(jacobian, "the equations of an implicit stage", order)
        self.solves.nonzeros = made.nonzeros
        return _NewtonFactor(gamma, t, state, made)

    def values(self, state: np.ndarray) -> np.ndarray:
        return self.system.table(state)

    def culprit(self, t: float, state: np.ndarray) -> str:
        return self.system.largest_part(t, state)

    def to_arrays(self) -> dict[str, np.ndarray]:
        found = {
            "evaluations": np.array([self.explicit_evaluations, self.newton_iterations]),
            **self.solves.to_arrays(),
        }
        if self._newton is not None:
            found["newton"] = np.array([self._newton.gamma, self._newton.t])
            found["newton_state"] = self._newton.state
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        # Factors are made again from what they were made from: Newton's steps depend on theirs.
        self.solves.restore_order(arrays)
        if "newton" in arrays:
            gamma, t = map(float, arrays["newton"])
            matrix, state = self.solves.matrix(gamma, t), arrays["newton_state"]
            self._newton = self._newton_factor(matrix, gamma, t, state)
        self.solves.restore_factors(arrays, self.span[0])
        self.explicit_evaluations, self.newton_iterations = map(int, arrays["evaluations"])


@dataclass(slots=True)
class SpectralStepping:
    """A system in Fourier space, solved by one division or small matrix for each wave number."""

    system: SpectralImex
    span: tuple[float, float]
    explicit_evaluations: int = 0
    newton_iterations: int = 0
    _inverses: dict[float, np.ndarray] = field(default_factory=dict)

    @property
    def start(self) -> np.ndarray:
        return self.system.start

    @property
    def words(self) -> str:
        grid = self.system.grid
        points = " × ".join(str(n) for n in grid.counts)
        kind = "Fourier" if grid.difference_order is None else "circulant differences by FFT"
        solves = "2-by-2 or larger blocks" if self.system.coupled else "diagonal"
        fine = " × ".join(str(n) for n in grid.fine)
        products = f", products on {fine}" if grid.fine != grid.counts else ""
        return f"{kind}, {points} points{products}, implicit solves {solves}"

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        self.explicit_evaluations += 1
        return self.system.explicit(t, state)

    def implicit(self, t: float, state: np.ndarray) -> np.ndarray:
        return self.system.implicit(t, state) + self.forcing(t)

    def forcing(self, t: float) -> np.ndarray:
        return self.system.forcing(t)

    def solve(self, gamma: float, t: float, right: np.ndarray) -> np.ndarray:
        return self._solve_linear(gamma, right + gamma * self.forcing(t))

    def _solve_linear(self, gamma: float, right: np.ndarray) -> np.ndarray:
        """U − γ L U = right."""
        if not self.system.coupled:
            return right / (1.0 - gamma * self.system.diagonal)
        if gamma not in self._inverses:
            count = len(self.system.fields)
            table = np.moveaxis(self.system.stiff, (0, 1), (-2, -1))
            if len(self._inverses) > 3:
                self._inverses.clear()
            self._inverses[gamma] = np.moveaxis(
                np.linalg.inv(np.eye(count) - gamma * table), (-2, -1), (0, 1)
            )
        return np.einsum("fg...,g...->f...", self._inverses[gamma], right)

    def complete(self, t: float, state: np.ndarray) -> np.ndarray:
        del t
        return state

    def masked(self, state: np.ndarray) -> np.ndarray:
        return state

    def slope(self, t: float, state: np.ndarray) -> np.ndarray:
        return self.explicit(t, state) + self.implicit(t, state)

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        state = guess
        size = np.linalg.norm(state) + 1e-300
        for _ in range(NEWTON_ITERATIONS):
            whole = self.explicit(t, state) + self.implicit(t, state)
            residual = state - gamma * whole - right
            change = self.system.linearised(t, state)
            step = self._krylov(gamma, change, -residual)
            self.newton_iterations += 1
            norm = float(np.linalg.norm(step))
            if not np.isfinite(norm):
                return np.full_like(state, np.nan)
            state = state + step
            if norm <= NEWTON_TOLERANCE * size:
                return state
        return np.full_like(state, np.nan)

    def _krylov(
        self,
        gamma: float,
        change: Callable[[np.ndarray], np.ndarray],
        right: np.ndarray,
    ) -> np.ndarray:
        """GMRES on the linearised equations, preconditioned by the stiff part."""
        shape = right.shape
        if not np.all(np.isfinite(right)):
            return np.full_like(right, np.nan)

        def apply(flat: np.ndarray) -> np.ndarray:
            own = flat.view(complex).reshape(shape)
            moved = own - self._solve_linear(gamma, gamma * change(own))
            return np.ascontiguousarray(moved).view(float).ravel()

        count = 2 * right.size
        make_operator: Any = scipy.sparse.linalg.LinearOperator
        operator = make_operator((count, count), matvec=apply, dtype=float)
        known = np.ascontiguousarray(self._solve_linear(gamma, right)).view(float).ravel()
        found, status = scipy.sparse.linalg.gmres(operator, known, rtol=1e-10, restart=60)
        if status:
            return np.full_like(right, np.nan)
        return found.view(complex).reshape(shape)

    def values(self, state: np.ndarray) -> np.ndarray:
        table = self.system.grid.to_values(state)
        return table.reshape(len(table), -1)

    def culprit(self, t: float, state: np.ndarray) -> str:
        return self.system.largest_part(t, state)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"evaluations": np.array([self.explicit_evaluations, self.newton_iterations])}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.explicit_evaluations, self.newton_iterations = map(int, arrays["evaluations"])


def failed_solve(t: float) -> SolverError:
    """The error for an implicit stage whose Newton iteration has no end."""
    return SolverError(
        f"Newton's method has not converged in an implicit stage at t = {t:g}",
        code="E740",
        advice="take a smaller step `dt`, or an IMEX method",
    )
