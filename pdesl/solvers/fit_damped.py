"""Levenberg and Marquardt's method for few learned numbers, with their standard errors.

A step solves (JᵀJ + μ D) δ = −Jᵀ r with D the largest diagonal of JᵀJ met so far (J. J. Moré,
"The Levenberg-Marquardt algorithm: implementation and theory", 1978); μ follows the ratio of the
fall of the loss to the one predicted (H. B. Nielsen, "Damping parameter in Marquardt's method",
1999). At the end the covariance of the numbers is s² (JᵀJ)⁻¹, with s² = |r|²/(N − p), or 1 where
every measurement has its standard deviation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pdesl.diagnostics import SolverError
from pdesl.lowering.devices import agreed, make_mesh, replicated, whole
from pdesl.lowering.learned import Learned
from pdesl.solvers.fit_model import Batch, FitModel
from pdesl.solvers.keeping import held_interrupts

__all__ = ["DampedResult", "covariance", "minimise_damped"]

MOST_NUMBERS = 3_000
MOST_DAMPING = 1e16
# Relative fall of the loss that ends a loosened problem.
LOOSE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class DampedResult:
    """Where the iteration ended: J is (N, p) and r (N,), at the result."""

    learned: Learned
    losses: list[float]
    jacobian: np.ndarray
    residuals: np.ndarray
    evaluations: int
    stop_reason: str
    interrupted: bool


def minimise_damped(
    model: FitModel,
    learned: Learned,
    batch: Batch,
    *,
    iterations: int,
    damping: float,
    tolerance: float,
    seconds: float | None,
    report: Callable[[int, float, float], None],
    loosened: Sequence[float] = (),
    held: Mapping[str, np.ndarray] | None = None,
    keep: Callable[[Callable[[], dict[str, np.ndarray]], bool], None] | None = None,
) -> DampedResult:
    """Minimise the squares of the residuals.

    Args:
        report: hears of iterations: number, loss, seconds.
        loosened: factors of the jumps that count as one between windows, for problems that are
            solved first, one after the other, each with so many iterations at most.
        held: arrays of an iteration that this one goes on from, to the same bits.
        keep: called between iterations with a function that returns such arrays, and whether
            they have to be saved now.

    Raises:
        SolverError: E751 too many numbers for a full Jacobian, E750 a start that is not finite.
    """
    start, restore = ravel_pytree(eqx.filter(learned, eqx.is_inexact_array))
    static = eqx.filter(learned, eqx.is_inexact_array, inverse=True)
    count = start.size
    if count > MOST_NUMBERS:
        raise SolverError(
            f"{count:,} numbers are learned, and `levenberg_marquardt` takes up to "
            f"{MOST_NUMBERS:,}",
            code="E751",
            advice="choose `optimizer = adam(…)` or `lbfgs`",
        )

    def residuals(vector: Any, parts: Any) -> Any:
        own = eqx.combine(restore(vector), static)
        return whole(parts[0].residual_vector(own, parts[1]), mesh)

    mesh = make_mesh(model.devices)
    value = eqx.filter_jit(residuals)

    @eqx.filter_jit
    def linearised(vector: Any, parts: Any) -> Any:
        # Tangents one after the other where there are many, so that memory stays bounded.
        push = jax.linearize(lambda v: residuals(v, parts), vector)[1]
        rows = jax.lax.map(push, jnp.eye(count), batch_size=min(count, 16))
        return whole(rows.T, mesh)

    parts = replicated((model, batch), mesh)
    begin = time.perf_counter()
    vector = np.asarray(start) if not held else held["vector"]
    r = np.asarray(value(vector, parts))
    size = _count(batch)
    if not np.all(np.isfinite(r)):
        raise SolverError(
            "the course at the start values is not finite",
            code="E750",
            advice="choose other start values, a smaller step `dt`, or several `windows`",
        )
    evaluations, losses = 1, [float(r @ r) / size]
    reason, interrupted = "all iterations are used", False
    J, scale = np.zeros((len(r), count)), np.zeros(count)
    stages, stage, taken, mu, growth = (*loosened, 1.0), 0, 0, damping, 2.0
    if held:
        scale, losses = held["scale"], held["losses"].tolist()
        mu, growth, used = map(float, held["numbers"])
        begin = begin - used
        evaluations, stage, taken = map(int, held["counts"])

    def arrays() -> dict[str, np.ndarray]:
        return {
            "vector": vector,
            "scale": scale,
            "losses": np.array(losses),
            "numbers": np.array([mu, growth, time.perf_counter() - begin]),
            "counts": np.array([evaluations, stage, taken]),
        }

    with held_interrupts() as asked:
        try:
            while True:
                factor = stages[stage]
                # Of a loosened problem a start is wanted, and not the last digit.
                own, least = parts, tolerance if factor == 1.0 else LOOSE_TOLERANCE
                if factor != 1.0:
                    own = eqx.tree_at(lambda p: p[0].jump, parts, factor * parts[0].jump)
                if loosened:
                    r = np.asarray(value(vector, own))
                J = np.asarray(linearised(vector, own))
                if held:
                    held = None
                else:
                    evaluations += 1
                    scale = np.maximum(np.sum(J**2, axis=0), 1e-300)
                    mu, growth, taken = damping, 2.0, 0
                reason = "all iterations are used"
                while taken < iterations:
                    if keep is not None:
                        keep(arrays, False)
                    asked.catch_up()
                    report(len(losses) - 1, losses[-1], time.perf_counter() - begin)
                    if seconds is not None and agreed(time.perf_counter() - begin, mesh) > seconds:
                        reason = "the time is used up"
                        break
                    gradient, normal = J.T @ r, J.T @ J
                    scale = np.maximum(scale, np.diag(normal))
                    accepted = False
                    while mu < MOST_DAMPING:
                        step = -_solve(normal + mu * np.diag(scale), gradient)
                        trial = vector + step
                        new = np.asarray(value(trial, own))
                        evaluations += 1
                        fall = r @ r - new @ new if np.all(np.isfinite(new)) else -np.inf
                        promised = -step @ (2 * gradient + normal @ step)
                        if math.isfinite(fall) and fall > 0 and promised > 0:
                            ratio = fall / promised
                            mu *= max(1 / 3, 1 - (2 * ratio - 1) ** 3)
                            growth, accepted = 2.0, True
                            break
                        if abs(promised) <= 1e-15 * (r @ r):
                            break
                        mu, growth = mu * growth, growth * 2
                    if not accepted:
                        reason = "the loss is at its least to rounding"
                        break
                    moved = np.linalg.norm(step) / max(float(np.linalg.norm(vector)), 1e-300)
                    before = float(r @ r) / size
                    vector, r = trial, new
                    losses.append(float(r @ r) / size)
                    J = np.asarray(linearised(vector, own))
                    evaluations, taken = evaluations + 1, taken + 1
                    if before - losses[-1] <= least * before or moved <= least:
                        reason = "the loss falls no more"
                        break
                if stage + 1 == len(stages):
                    break
                stage += 1
        except KeyboardInterrupt:
            if asked.repeated:  # in the middle of an iteration
                raise
            reason, interrupted = "interrupted", True
            if keep is not None:
                keep(arrays, True)
    found = eqx.combine(restore(jnp.asarray(vector)), static)
    return DampedResult(found, losses, J, r, evaluations, reason, interrupted)


def _count(batch: Batch) -> int:
    return int(sum(float(np.sum(mask)) for mask in batch.masks))


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]


def covariance(
    result: DampedResult, model: FitModel, rows: int, *, absolute: bool
) -> tuple[np.ndarray, float]:
    """The covariance (p, p) of the unknowns, and χ² per degree of freedom.

    Args:
        rows: numbers in the sum of squares: measurements, jumps, priors.
        absolute: every measurement has its standard deviation, so that s² = 1.

    Directions in which the residuals do not move at all have no finite error: NaN.
    """
    J, r = result.jacobian, result.residuals
    reduced = float(r @ r) / max(rows - J.shape[1], 1)
    free = jnp.asarray(result.learned.free)
    p = len(free)
    scale = np.linalg.norm(J, axis=0)
    scale[scale == 0] = 1.0
    _, sizes, axes = np.linalg.svd(J / scale, full_matrices=False)
    kept = sizes > 1e-10 * sizes.max(initial=0.0)
    inverse = (axes[kept].T / sizes[kept] ** 2) @ axes[kept]
    lost = (axes[~kept] ** 2).sum(axis=0) > 1e-6
    table = inverse / np.outer(scale, scale)
    table[lost], table[:, lost] = np.nan, np.nan
    # The free numbers of the unknowns come first in the vector; θ depends on its own one alone.
    own = table[:p, :p] * (1.0 if absolute else reduced)
    to_values = model.system.unknowns.to_values
    slope = np.asarray(jax.jvp(to_values, (free,), (jnp.ones_like(free),))[1])
    return own * np.outer(slope, slope), reduced
