"""Steps of Neural-IVP alone, on an equation without networks."""

from __future__ import annotations

import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.solvers.explicit_pairs import PAIRS
from pdesl.solvers.marching import Recording
from pdesl.solvers.neural_march import Course, Solve, StepControl, march


class Falling:
    """u' = −50 u, whose right-hand side has no value where u < 0."""

    regularisation = np.zeros(1)

    def sample(self, number: int, flat: np.ndarray, t: float) -> None:
        return None

    def velocity(
        self, flat: np.ndarray, t: float, sample: None, number: int
    ) -> tuple[np.ndarray, Solve]:
        finite = bool(flat[0] >= 0.0)
        return -50.0 * flat if finite else np.full(1, np.nan), Solve(0, 1.0, finite=finite)

    def culprit(self, flat: np.ndarray, t: float, sample: None) -> str:
        return "no value below zero"

    def values(self, flat: np.ndarray, t: float, sample: None) -> np.ndarray:
        return flat[None]

    def residual(self, flat: np.ndarray, slope: np.ndarray, t: float, step: int) -> float:
        return 0.0

    def restarted(self, flat: np.ndarray, t: float, number: int) -> tuple[np.ndarray, float]:
        return flat, 0.0

    def tune(self, flat: np.ndarray, t: float, number: int, *, near: bool = False) -> None:
        return None

    def wants_restart(self, last: float, t: float, solve: Solve | None) -> str:
        return ""


@pytest.mark.parametrize("fixed", [None, 0.1])
def test_a_stage_without_finite_values_makes_a_smaller_step(fixed: float | None):
    course = Course(
        0.0, np.ones(1), 0.08, Recording(frozenset((0.0, 0.1))), np.zeros(1), np.zeros(1)
    )
    control = StepControl(fixed, 1e-4, 0.0, False, 1)

    def advance() -> Course:
        return march(
            Falling(), PAIRS["rk23"], control, course, 0.1, [0.1], budget=None,
            keep=lambda must: None, progress=lambda now, size: None,
        )[0]  # fmt: skip

    if fixed is None:
        assert advance().state[0] == pytest.approx(np.exp(-5.0), rel=1e-2)
        assert course.rejected > 0
    else:
        with pytest.raises(SolverError, match="no value"):
            advance()
