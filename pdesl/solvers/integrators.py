"""One step of every time integrator: additive, implicit, explicit, exponential and multistep.

An integrator advances a `Stepping` system; one-step methods with embedded weights also give an
estimate of the step's error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.linalg

from pdesl.solvers.explicit_pairs import PAIRS, ExplicitPair
from pdesl.solvers.spectral_stepping import SpectralStepping
from pdesl.solvers.stepping import Stepping
from pdesl.solvers.tableaux import ADDITIVE, IMPLICIT, AdditiveTableau

__all__ = [
    "EXPONENTIAL",
    "MULTISTEP",
    "AdditiveRungeKutta",
    "ExplicitRungeKutta",
    "Exponential",
    "Integrator",
    "Multistep",
    "Step",
    "make_integrator",
    "phi_functions",
]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The state after a step; `error` estimates its local error, `slope` is ∂t u at its start."""

    state: np.ndarray
    error: np.ndarray | None
    slope: np.ndarray | None


class Integrator(Protocol):
    """A method for u' = E + A u."""

    @property
    def order(self) -> int: ...

    @property
    def adaptive(self) -> bool:
        """Whether its steps estimate their error and may change in size at any time."""
        ...

    def step(self, system: Stepping, t: float, state: np.ndarray, dt: float) -> Step: ...

    def restart(self) -> None:
        """Forget earlier steps."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What it remembers of earlier steps."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Remember what `to_arrays` told."""
        ...


class _OneStep:
    """A method that remembers nothing of earlier steps."""

    __slots__ = ()

    def restart(self) -> None:
        return None

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        del arrays


@dataclass(slots=True)
class AdditiveRungeKutta(_OneStep):
    """A pair of the table; `fully` puts every term into the implicit part."""

    tableau: AdditiveTableau
    fully: bool = False

    @property
    def order(self) -> int:
        return self.tableau.order

    @property
    def adaptive(self) -> bool:
        return self.tableau.order > 1

    def step(self, system: Stepping, t: float, state: np.ndarray, dt: float) -> Step:
        """Equations of `tableaux`; H_i = (U_i − r_i)/(Δt γ) in place of another product."""
        table = self.tableau
        explicit: list[np.ndarray] = []
        implicit: list[np.ndarray] = []
        slope: np.ndarray | None = None
        value = state
        for i in range(table.stages):
            right = state
            for j in range(i):
                if table.explicit[i, j] and not self.fully:
                    right = right + dt * table.explicit[i, j] * explicit[j]
                if table.implicit[i, j]:
                    right = right + dt * table.implicit[i, j] * implicit[j]
            clock = t + table.implicit_nodes[i] * dt
            diagonal = table.implicit[i, i]
            if diagonal:
                gamma = dt * diagonal
                if self.fully:
                    value = system.solve_fully(gamma, clock, right, state)
                else:
                    value = system.solve(gamma, clock, right, value)
                implicit.append(system.masked((value - right) / gamma))
            else:
                value = state if i == 0 else system.complete(clock, right)
                own = system.implicit(clock, value)
                implicit.append(own + system.explicit(clock, value) if self.fully else own)
            if not self.fully:
                explicit.append(system.explicit(t + table.explicit_nodes[i] * dt, value))
            if i == 0 and not diagonal:
                slope = implicit[0] if self.fully else explicit[0] + implicit[0]
        change, error = 0.0, 0.0
        for j in range(table.stages):
            both = implicit[j] if self.fully else explicit[j] + implicit[j]
            change = change + table.weights[j] * both
            error = error + (table.weights[j] - table.error[j]) * both
        new = system.complete(t + dt, state + dt * change, near=value)
        return Step(new, system.projected(t + dt, np.asarray(dt * error)), slope)


@dataclass(slots=True)
class ExplicitRungeKutta(_OneStep):
    """An embedded pair in which every term is explicit: no linear solves but for conditions."""

    pair: ExplicitPair
    # Times and states whose slopes are known: a step that is refused starts from the same one,
    # and the next step, where the last stage is the first, from the one that was reached.
    _known: list[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=list)

    def to_arrays(self) -> dict[str, np.ndarray]:
        if not self._known:
            return {}
        times, states, slopes = zip(*self._known, strict=True)
        return {
            "known/times": np.array(times),
            "known/states": np.stack(states),
            "known/slopes": np.stack(slopes),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        if "known/times" in arrays:
            tables = (arrays[f"known/{name}"] for name in ("times", "states", "slopes"))
            self._known = [(float(t), u, k) for t, u, k in zip(*tables, strict=True)]

    @property
    def order(self) -> int:
        return self.pair.order

    @property
    def adaptive(self) -> bool:
        return True

    def _slope(self, system: Stepping, t: float, state: np.ndarray) -> np.ndarray:
        for clock, known, slope in self._known:
            if clock == t and (known is state or np.array_equal(known, state)):
                return slope
        return system.explicit(t, state) + system.implicit(t, state)

    def step(self, system: Stepping, t: float, state: np.ndarray, dt: float) -> Step:
        """k_i = f(t + c_i Δt, U_i), U_i = u + Δt Σ a_ij k_j with its algebraic values set."""
        pair = self.pair
        slopes = [self._slope(system, t, state)]
        self._known = [(t, state, slopes[0])]
        value = state
        for row, node in zip(pair.matrix[1:], pair.nodes[1:], strict=True):
            inner = sum(a * k for a, k in zip(row, slopes, strict=False) if a)
            value = system.complete(t + node * dt, state + dt * inner)
            slopes.append(self._slope(system, t + node * dt, value))
        if pair.first_is_last:
            new = value
            self._known.append((t + dt, new, slopes[-1]))
        else:
            change = sum(b * k for b, k in zip(pair.weights, slopes, strict=True) if b)
            new = system.complete(t + dt, state + dt * change)
        gaps = pair.weights - pair.embedded
        error = sum(gap * k for gap, k in zip(gaps, slopes, strict=True) if gap)
        return Step(new, system.projected(t + dt, np.asarray(dt * error)), slopes[0])


# -- multistep -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Formula:
    """Σ_j α_j u_{n+1−j} = Δt (Σ_j β_j E_{n−j} + Σ_j γ_j A u_{n+1−j}), j from 0."""

    order: int
    past: tuple[float, ...]
    explicit: tuple[float, ...]
    implicit: tuple[float, ...]


#: U. M. Ascher, S. J. Ruuth and B. T. R. Wetton, SIAM J. Numer. Anal. 32, 1995, sections 2 and 4.
MULTISTEP: dict[str, _Formula] = {
    "cnab2": _Formula(2, (1.0, -1.0), (1.5, -0.5), (0.5, 0.5)),
    "sbdf2": _Formula(2, (1.5, -2.0, 0.5), (2.0, -1.0), (1.0,)),
    "sbdf3": _Formula(3, (11 / 6, -3.0, 1.5, -1 / 3), (3.0, -3.0, 1.0), (1.0,)),
    "sbdf4": _Formula(4, (25 / 12, -4.0, 3.0, -4 / 3, 0.25), (4.0, -6.0, 4.0, -1.0), (1.0,)),
}


@dataclass(slots=True)
class Multistep:
    """A linear multistep method of constant steps, started by an additive Runge-Kutta pair."""

    formula: _Formula
    _states: deque[np.ndarray] = field(default_factory=deque)
    _explicit: deque[np.ndarray] = field(default_factory=deque)
    _dt: float = 0.0

    @property
    def order(self) -> int:
        return self.formula.order

    @property
    def adaptive(self) -> bool:
        return False

    def restart(self) -> None:
        self._states.clear()
        self._explicit.clear()

    def to_arrays(self) -> dict[str, np.ndarray]:
        found = {"past/dt": np.array(self._dt)}
        if self._states:
            found["past/states"] = np.stack(self._states)
            found["past/explicit"] = np.stack(self._explicit)
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.restart()
        self._dt = float(arrays["past/dt"])
        self._states.extend(arrays.get("past/states", ()))
        self._explicit.extend(arrays.get("past/explicit", ()))

    def step(self, system: Stepping, t: float, state: np.ndarray, dt: float) -> Step:
        formula = self.formula
        needed = max(len(formula.past) - 1, len(formula.explicit))
        if not np.isclose(dt, self._dt, rtol=1e-9, atol=0.0):
            self.restart()
            self._dt = dt
        own = system.explicit(t, state)
        self._states.appendleft(state)
        self._explicit.appendleft(own)
        if len(self._states) < needed:
            # Of order 3 at least: the pair of order 2 is not stiffly accurate, and what it leaves
            # of stiff modes would spoil the slopes of the first steps.
            start = AdditiveRungeKutta(ADDITIVE[f"imex_rk{max(formula.order, 3)}"])
            return Step(start.step(system, t, state, dt).state, None, None)
        right: Any = 0.0
        for weight, past in zip(formula.past[1:], self._states, strict=False):
            right = right - weight * past
        for weight, past in zip(formula.explicit, self._explicit, strict=False):
            right = right + dt * weight * past
        for j, weight in enumerate(formula.implicit[1:]):
            right = right + dt * weight * system.implicit(t - j * dt, self._states[j])
        lead = formula.past[0]
        new = system.solve(dt * formula.implicit[0] / lead, t + dt, right / lead, state)
        if len(self._states) == needed:
            self._states.pop()
            self._explicit.pop()
        return Step(new, None, None)


# -- exponential ---------------------------------------------------------------------------

#: Exponential methods for a diagonal stiff part, with their orders: S. M. Cox and P. C. Matthews,
#: J. Comput. Phys. 176, 2002, equations (4), (22) and (26) to (29).
EXPONENTIAL: dict[str, int] = {"etd1": 1, "etdrk2": 2, "etdrk4": 4}

_CONTOUR = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)


def phi_functions(z: np.ndarray) -> tuple[np.ndarray, ...]:
    """exp(z), φ1(z), φ2(z), φ3(z), with φ_k(z) = (φ_{k−1}(z) − 1/(k − 1)!)/z.

    The quotients lose all digits near zero; they are means over a circle around z instead
    (A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26, 2005, section 2).
    """
    first, second, third = (np.zeros(z.shape, dtype=complex) for _ in range(3))
    for shift in _CONTOUR:
        w = z + shift
        exponential = np.exp(w)
        first += (exponential - 1) / w
        second += (exponential - 1 - w) / w**2
        third += (exponential - 1 - w - w**2 / 2) / w**3
    count = len(_CONTOUR)
    return np.exp(z), first / count, second / count, third / count


def _matrix_phi_functions(table: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same for small matrices (…, F, F), from the exponential of a block matrix.

    The first row of blocks of exp([[Z, I, 0, 0], [0, 0, I, 0], [0, 0, 0, I], [0, 0, 0, 0]]) is
    (exp Z, φ1, φ2, φ3) (R. B. Sidje, ACM Trans. Math. Softw. 24, 1998, theorem 1).
    """
    size = table.shape[-1]
    big = np.zeros((*table.shape[:-2], 4 * size, 4 * size), dtype=complex)
    big[..., :size, :size] = table
    for block in range(3):
        where = slice(block * size, (block + 1) * size)
        after = slice((block + 1) * size, (block + 2) * size)
        big[..., where, after] = np.eye(size)
    whole = scipy.linalg.expm(big)
    return tuple(whole[..., :size, k * size : (k + 1) * size] for k in range(4))


@dataclass(slots=True)
class Exponential(_OneStep):
    """Exponential time differencing; the system's stiff part is diagonal or in small blocks."""

    name: str
    _known: dict[float, list[Any]] = field(default_factory=dict)

    @property
    def order(self) -> int:
        return EXPONENTIAL[self.name]

    @property
    def adaptive(self) -> bool:
        return False

    def _functions(self, system: SpectralStepping, dt: float) -> list[Any]:
        """Operators exp(z), φ1, φ2, φ3 for z = Δt L, then exp and φ1 for z/2."""
        if dt in self._known:
            return self._known[dt]
        if len(self._known) > 3:
            self._known.clear()
        inner = system.system
        if inner.coupled:
            table = np.moveaxis(inner.stiff, (0, 1), (-2, -1))
            both = (*_matrix_phi_functions(dt * table), *_matrix_phi_functions(dt * table / 2))
            tables = [np.moveaxis(m, (-2, -1), (0, 1)) for m in both]
            made = [lambda v, m=m: np.einsum("fg...,g...->f...", m, v) for m in tables]
        else:
            whole, half = dt * inner.diagonal, dt * inner.diagonal / 2
            arrays = (*phi_functions(whole), *phi_functions(half))
            made = [lambda v, m=m: m * v for m in arrays]
        self._known[dt] = made
        return made

    def step(self, system: Stepping, t: float, state: np.ndarray, dt: float) -> Step:
        assert isinstance(system, SpectralStepping)
        e, p1, p2, p3, e_half, p1_half, _, _ = self._functions(system, dt)

        def nonstiff(t: float, state: np.ndarray) -> np.ndarray:
            return system.explicit(t, state) + system.forcing(t)

        first = nonstiff(t, state)
        slope = system.slope(t, state)
        if self.name == "etd1":
            return Step(e(state) + dt * p1(first), None, slope)
        if self.name == "etdrk2":
            a = e(state) + dt * p1(first)
            return Step(a + dt * p2(nonstiff(t + dt, a) - first), None, slope)
        middle = t + dt / 2
        moved = e_half(state)
        a = moved + dt / 2 * p1_half(first)
        at_a = nonstiff(middle, a)
        b = moved + dt / 2 * p1_half(at_a)
        at_b = nonstiff(middle, b)
        c = e_half(a) + dt / 2 * p1_half(2 * at_b - first)
        at_c = nonstiff(t + dt, c)
        both = at_a + at_b
        new = e(state) + dt * (
            p1(first) + p2(-3 * first + 2 * both - at_c) + p3(4 * first - 4 * both + 4 * at_c)
        )
        return Step(new, None, slope)


def make_integrator(name: str) -> Integrator:
    """The integrator of a name in one of the tables."""
    if name in ADDITIVE:
        return AdditiveRungeKutta(ADDITIVE[name])
    if name in IMPLICIT:
        return AdditiveRungeKutta(IMPLICIT[name], fully=True)
    if name in PAIRS:
        return ExplicitRungeKutta(PAIRS[name])
    if name in MULTISTEP:
        return Multistep(MULTISTEP[name])
    return Exponential(name)
