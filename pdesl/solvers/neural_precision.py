"""What mixed precision costs a velocity, measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdesl.solvers.neural_method import NeuralMethod

__all__ = ["mixed_error"]


def mixed_error(method: NeuralMethod, flat: np.ndarray, t: float) -> float:
    """‖θ̇ − θ̇₆₄‖/‖θ̇₆₄‖ at parameters and a time, with θ̇₆₄ all in float64 on the same sample.

    The solves are not counted among those of the run.
    """
    sample, key = method.sample(0, flat, t), method.key(0, 0)
    mixed = replace(method.velocity_of)
    exact = replace(mixed, options=replace(mixed.options, mixed=False))
    own, reference = (velocity(flat, t, sample, key)[0] for velocity in (mixed, exact))
    return float(np.linalg.norm(own - reference) / max(np.linalg.norm(reference), 1e-300))
