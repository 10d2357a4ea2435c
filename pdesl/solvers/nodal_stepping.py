"""Semi-discrete systems on nodes as time integrators see them, solved by sparse factorisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdesl.lowering.imex_nodal import NodalImex
from pdesl.solvers.implicit_solves import CONDITIONS, NodalSolves, SparseFactor
from pdesl.solvers.stepping import NEWTON_ITERATIONS, NEWTON_TOLERANCE, SLOPE_SHARE

__all__ = ["NodalStepping"]


@dataclass(frozen=True, slots=True, eq=False)
class _NewtonFactor:
    """A factor of Newton's matrix, with the γ, time and state that it was made at."""

    gamma: float
    t: float
    state: np.ndarray
    factor: SparseFactor


@dataclass(frozen=True, slots=True, eq=False)
class _Equations:
    """matrix · u + rest(u) = right, and the slope of the rest."""

    matrix: Any
    rest: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], Any]
    what: str


# The kinds of equations, each with a factor of its own: those of algebraic values alone, of
# implicit stages, and of stages in which every term is implicit.
CONDITION, STAGE, WHOLE = "condition", "stage", "whole"
# A factor is made anew when Newton's corrections shrink by less than this.
SLOW = 0.2


@dataclass(slots=True)
class NodalStepping:
    """A system on nodes, solved by sparse factorisation on the host.

    Algebraic values u_a follow from the others, u_d, by B u + N(t, u) = g. A multiplier p, which
    no constraint holds, stands in u_d' = F(t, u) + A_p p, so that it follows from the derivative
    of the constraints in time: u_d is first projected along A_p onto them, with
    K = [[I, −A_p], [B + N']],

        K (u, ·) = (u_d, g − N),        K (u', p) = (F, g' − ∂N/∂t),

    (U. M. Ascher and L. R. Petzold, SIAM J. Numer. Anal. 28, 1991, section 3).
    """

    system: NodalImex
    span: tuple[float, float]
    explicit_evaluations: int = 0
    newton_iterations: int = 0
    solves: NodalSolves = field(init=False)
    _newton: dict[str, _NewtonFactor] = field(default_factory=dict)

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

    def masked(self, state: np.ndarray) -> np.ndarray:
        return np.where(self.system.differential, state, 0.0)

    def slope(self, t: float, state: np.ndarray) -> np.ndarray:
        inner = self.explicit(t, state) + self.implicit(t, state)
        if np.all(self.system.differential):
            return inner
        # Algebraic values follow data in time and the other values; both are differentiated.
        step = self._difference()
        ahead, behind = t + step, t - step
        difference = self.complete(ahead, state + step * inner)
        difference = difference - self.complete(behind, state - step * inner)
        return np.where(self.system.differential, inner, difference / (ahead - behind))

    def _difference(self) -> float:
        first, last = self.span
        return SLOPE_SHARE * (last - first)

    # -- algebraic values ------------------------------------------------------------------

    def complete(self, t: float, state: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        system = self.system
        if not system.constraint_rows and not system.multipliers:
            return self.solves.complete(t, state)
        if not np.all(np.isfinite(state)):
            return np.full_like(state, np.nan)
        guess = np.where(system.differential, state, state if near is None else near)
        data = system.constraint_data(t)
        if not system.multipliers:
            return self._completed(t, state, data, guess)
        tied, mixed = self.solves.tied, self.solves.mixed
        # Here the multipliers' own values do not count, nor what they are at the boundary.
        data = np.where(self.solves.held, 0.0, data) - mixed @ guess
        found = self._completed(t, state, data, guess)
        if mixed.nnz and near is not None:
            # The slopes at the boundary would hold that of the multiplier.
            found[tied] = near[tied]
        else:
            found[tied] = self._multipliers(t, np.where(tied, 0.0, found))[tied]
        return found

    def linearised(self, t: float) -> Callable[[np.ndarray], np.ndarray]:
        """A state to one with algebraic values, affine: by their equations' slope at the start."""
        if not self.system.constraint_rows:
            return lambda state: self.solves.complete(t, state)
        slope = self.system.constraint_jacobian(t, self.start)
        factor = self.solves.make_factor(self.solves.projection(t) + slope, CONDITIONS)
        none = np.zeros(self.system.size)
        return lambda state: self.solves.correct(factor, self.masked(state), none, t)

    def projected(self, t: float, change: np.ndarray) -> np.ndarray:
        if not self.system.multipliers:
            return change
        none = np.zeros_like(change)
        moved = self.solves.project(t, change, none) - self.solves.project(t, none, none)
        return self.masked(moved)

    def _completed(
        self, t: float, state: np.ndarray, data: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        if not self.system.constraint_rows:
            return self.solves.project(t, state, data)
        right = np.where(self.system.differential, state, data)
        return self._solved(CONDITION, 0.0, t, right, guess)

    def _multipliers(self, t: float, state: np.ndarray) -> np.ndarray:
        """Slopes, with the multipliers in place of theirs, at a state where these are zero."""
        system, step = self.system, self._difference()
        ahead, behind = (
            system.constraint_data(c) - system.constraint_rest(c, state)
            for c in (t + step, t - step)
        )
        rates = (ahead - behind) / (2 * step)
        rates = np.where(self.solves.held, system.constraint_data(t), rates)
        whole = self.explicit(t, state) + self.implicit(t, state)
        if not system.constraint_rows:
            return self.solves.project(t, whole, rates)
        matrix = self.solves.projection(t) + system.constraint_jacobian(t, state)
        factor = self.solves.make_factor(matrix, CONDITIONS)
        right = np.where(system.differential, whole, rates)
        return self.solves.correct(factor, right, np.zeros_like(right), t)

    # -- implicit stages -------------------------------------------------------------------

    def solve(self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray) -> np.ndarray:
        system, known = self.system, right + gamma * self.forcing(t)
        if not system.constraint_rows:
            return self.solves.solve(gamma, t, known)
        whole = np.where(system.differential, known, system.constraint_data(t))
        return self._solved(STAGE, gamma, t, whole, guess)

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        system, known = self.system, right + gamma * self.forcing(t)
        whole = np.where(system.differential, known, system.constraint_data(t))
        start = guess if system.multipliers else self.complete(t, guess)
        return self._solved(WHOLE, gamma, t, whole, start)

    def _equations(self, kind: str, gamma: float, t: float) -> _Equations:
        system = self.system
        bent = bool(system.constraint_rows)

        def rest(u: np.ndarray) -> np.ndarray:
            found = system.constraint_rest(t, u) if bent else np.zeros_like(u)
            return found - gamma * self.explicit(t, u) if kind == WHOLE else found

        def slope(u: np.ndarray) -> Any:
            found: Any = system.constraint_jacobian(t, u) if bent else 0.0 * system.constraints
            return found - gamma * system.explicit_jacobian(t, u) if kind == WHOLE else found

        if kind == CONDITION:
            return _Equations(self.solves.projection(t), rest, slope, CONDITIONS)
        what = "the equations of an implicit stage"
        return _Equations(self.solves.matrix(gamma, t), rest, slope, what)

    def _solved(
        self, kind: str, gamma: float, t: float, right: np.ndarray, state: np.ndarray
    ) -> np.ndarray:
        """Newton's method, with the factor of earlier equations for as long as that is quick."""
        equations = self._equations(kind, gamma, t)
        size = np.linalg.norm(state) + 1e-300
        last = np.inf
        for count in range(NEWTON_ITERATIONS):
            residual = equations.matrix @ state + equations.rest(state) - right
            known = self._newton.get(kind)
            moved = last == np.inf and self.system.has_moving_matrix
            if known is None or known.gamma != gamma or moved:
                known = self._newton_factor(equations, kind, gamma, t, state)
            step = self.solves.correct(known.factor, -residual, state, t)
            self.newton_iterations += 1
            norm = float(np.linalg.norm(step))
            if not np.isfinite(norm):
                return np.full_like(state, np.nan)
            state = state + step
            if norm <= NEWTON_TOLERANCE * size:
                return state
            rate = min(norm / last, 1.0)
            left = NEWTON_ITERATIONS - count - 1
            if rate > SLOW or norm * rate**left > NEWTON_TOLERANCE * size:
                self._newton_factor(equations, kind, gamma, t, state)
            last = norm
        return np.full_like(state, np.nan)

    def _newton_factor(
        self, equations: _Equations, kind: str, gamma: float, t: float, state: np.ndarray
    ) -> _NewtonFactor:
        matrix = equations.matrix + equations.slope(state)
        self.solves.factorisations += 1
        factor = self.solves.make_factor(matrix, equations.what)
        self._newton[kind] = made = _NewtonFactor(gamma, t, state, factor)
        return made

    def values(self, state: np.ndarray) -> np.ndarray:
        return self.system.table(state)

    def culprit(self, t: float, state: np.ndarray) -> str:
        return self.system.largest_part(t, state)

    def to_arrays(self) -> dict[str, np.ndarray]:
        found = {
            "evaluations": np.array([self.explicit_evaluations, self.newton_iterations]),
            **self.solves.to_arrays(),
        }
        for kind, known in self._newton.items():
            found[f"newton/{kind}"] = np.array([known.gamma, known.t])
            found[f"newton/{kind}_state"] = known.state
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        # Factors are made again from what they were made from: Newton's steps depend on theirs.
        self.solves.restore_order(arrays)
        for kind in (CONDITION, STAGE, WHOLE):
            if f"newton/{kind}" in arrays:
                gamma, t = map(float, arrays[f"newton/{kind}"])
                equations = self._equations(kind, gamma, t)
                self._newton_factor(equations, kind, gamma, t, arrays[f"newton/{kind}_state"])
        self.solves.restore_factors(arrays, self.span[0])
        self.explicit_evaluations, self.newton_iterations = map(int, arrays["evaluations"])
