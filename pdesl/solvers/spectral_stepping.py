"""Semi-discrete systems in Fourier space as time integrators see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse.linalg

from pdesl.lowering.imex_spectral import SpectralImex
from pdesl.solvers.stepping import NEWTON_ITERATIONS, NEWTON_TOLERANCE, SLOPE_SHARE

__all__ = ["SpectralStepping"]

# Iterations for what is not linear in constraints.
MOST_ITERATIONS = 40


@dataclass(slots=True)
class SpectralStepping:
    """A system in Fourier space, solved by one division or small matrix for each wave number."""

    system: SpectralImex
    span: tuple[float, float]
    explicit_evaluations: int = 0
    newton_iterations: int = 0
    _inverses: dict[float | None, np.ndarray] = field(default_factory=dict)

    @property
    def start(self) -> np.ndarray:
        return self.complete(self.span[0], self.system.start)

    @property
    def words(self) -> str:
        grid = self.system.grid
        points = " × ".join(str(n) for n in grid.counts)
        kind = "Fourier" if grid.difference_order is None else "circulant differences by FFT"
        blocks = self.system.coupled or self.system.constrained
        solves = "2-by-2 or larger blocks" if blocks else "diagonal"
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

    def solve(self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray) -> np.ndarray:
        known = right + gamma * self.forcing(t)
        if not self.system.constrained:
            return self._solve_linear(gamma, known)
        return self._constrained(gamma, t, known, guess)

    def _solve_linear(self, gamma: float | None, right: np.ndarray) -> np.ndarray:
        """U − γ L U = right; where a field is constrained L U = right; without γ, K of
        `NodalStepping` in place of I − γ L."""
        system = self.system
        if not system.coupled and not system.constrained:
            return right / (1.0 - gamma * system.diagonal)
        if gamma not in self._inverses:
            if len(self._inverses) > 4:
                self._inverses.clear()
            self._inverses[gamma] = self._inverse(gamma)
        return np.einsum("fg...,g...->f...", self._inverses[gamma], right)

    def _inverse(self, gamma: float | None) -> np.ndarray:
        system, count = self.system, len(self.system.fields)
        held = list(system.constrained)
        if gamma is None:
            table = np.zeros_like(system.stiff)
            own = list(system.multipliers)
            table[:, own] = -system.stiff[:, own]
        else:
            table = -gamma * system.stiff
        table[held] = system.stiff[held]
        for f in range(count):
            if f not in held:
                table[f, f] += 1.0
        for f in held:
            # Modes of which no equation holds the field: its mean, and the end of the spectrum.
            table[f, f] += ~np.any(table[:, f], axis=0)
        blocks = np.moveaxis(table, (0, 1), (-2, -1))
        return np.moveaxis(np.linalg.inv(blocks), (-2, -1), (0, 1))

    def _constrained(
        self, gamma: float | None, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        """The same with L U + N(t, U) + g(t) = 0 for constrained fields, N by iteration."""
        system = self.system
        bent = any(r.products or r.nonlinear is not None for r in system.constraint_rows)
        state = guess
        for _ in range(MOST_ITERATIONS):
            rest = system.constraint_rest(t, state)
            new = self._solve_linear(gamma, system.masked(right) - rest)
            if system.means is not None:
                new = new + system.means(t, new)
            change = float(np.linalg.norm(new - state))
            state = new
            if not bent or change <= NEWTON_TOLERANCE * np.linalg.norm(state):
                return state
            if not np.isfinite(change):
                break
        return np.full_like(state, np.nan)

    def complete(self, t: float, state: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        """As `NodalStepping`: a projection onto the constraints, then multipliers from slopes."""
        system = self.system
        if not system.constrained:
            return state
        found = self._constrained(None, t, state, state if near is None else near)
        own = list(system.multipliers)
        if own:
            found[own] = 0.0
            slope = self.explicit(t, found) + self.implicit(t, found)
            step = SLOPE_SHARE * (self.span[1] - self.span[0])
            rates = (
                system.constraint_rest(t + step, found) - system.constraint_rest(t - step, found)
            ) / (2 * step)
            whole = self._solve_linear(None, system.masked(slope) - rates)
            found[own] = whole[own]
            if system.means is not None:
                found = found + system.means(t, found)
        return found

    def projected(self, t: float, change: np.ndarray) -> np.ndarray:
        del t
        if not self.system.multipliers:
            return change
        return self.masked(self._solve_linear(None, self.masked(change)))

    def masked(self, state: np.ndarray) -> np.ndarray:
        return self.system.masked(state)

    def slope(self, t: float, state: np.ndarray) -> np.ndarray:
        inner = self.explicit(t, state) + self.implicit(t, state)
        held = list(self.system.constrained)
        if held:
            step = SLOPE_SHARE * (self.span[1] - self.span[0])
            ahead = self.complete(t + step, state + step * inner)
            behind = self.complete(t - step, state - step * inner)
            inner[held] = (ahead - behind)[held] / (2 * step)
        return inner

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        state, system = guess, self.system
        size = np.linalg.norm(state) + 1e-300
        for _ in range(NEWTON_ITERATIONS):
            whole = self.explicit(t, state) + self.implicit(t, state)
            residual = state - gamma * whole - right
            if system.constrained:
                rest = system.constraint_rest(t, state) + system.held(state)
                residual = system.masked(residual) + rest
            step = self._krylov(gamma, system.linearised(t, state), -residual)
            self.newton_iterations += 1
            norm = float(np.linalg.norm(step))
            if not np.isfinite(norm):
                return np.full_like(state, np.nan)
            state = state + step
            if norm <= NEWTON_TOLERANCE * size:
                return state if system.means is None else state + system.means(t, state)
        return np.full_like(state, np.nan)

    def _krylov(
        self,
        gamma: float,
        change: Callable[[np.ndarray], np.ndarray],
        right: np.ndarray,
    ) -> np.ndarray:
        """GMRES on the linearised equations, preconditioned by the stiff part."""
        shape, held = right.shape, list(self.system.constrained)
        if not np.all(np.isfinite(right)):
            return np.full_like(right, np.nan)

        def apply(flat: np.ndarray) -> np.ndarray:
            own = flat.view(complex).reshape(shape)
            bent = change(own)
            explicit = gamma * bent
            explicit[held] = -bent[held]
            moved = own - self._solve_linear(gamma, explicit)
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
