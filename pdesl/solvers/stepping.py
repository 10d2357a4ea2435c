"""Semi-discrete systems as time integrators see them: u' = E(t, u) + H(t, u), H = A(t) u + f(t).

Terms f without fields belong to the implicit part: where they balance stiff terms, stages would
else be of order one, and boundary data, which every stage meets exactly, would not fit them.

`NodalStepping` and `SpectralStepping` bring a system together with its linear solves. A state is
one array; integrators add states and multiply them by numbers and do nothing else with them. Its
algebraic values obey conditions at the boundary, or equations in space that hold at every moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from pdesl.diagnostics import SolverError

__all__ = ["NEWTON_ITERATIONS", "NEWTON_TOLERANCE", "SLOPE_SHARE", "Stepping", "failed_solve"]

NEWTON_ITERATIONS = 12
# Newton's steps end at this share of the state.
NEWTON_TOLERANCE = 1e-11
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

    def solve(self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """U with U − γ H(t, U) = right, algebraic values at time t."""
        ...

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        """U with U − γ (E(t, U) + H(t, U)) = right, algebraic values at time t."""
        ...

    def complete(self, t: float, state: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        """The state with its algebraic values set for time t; `near` holds some close to them."""
        ...

    def projected(self, t: float, change: np.ndarray) -> np.ndarray:
        """A change of the state without what the next projection onto constraints removes."""
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


def failed_solve(t: float) -> SolverError:
    """The error for an implicit stage whose Newton iteration has no end."""
    return SolverError(
        f"Newton's method has not converged in an implicit stage at t = {t:g}",
        code="E740",
        advice="take a smaller step `dt`, or an IMEX method",
    )
