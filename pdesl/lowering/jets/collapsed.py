"""Sums of derivatives along many directions: coefficients of the highest order are carried once.

    F u = Σ_r w_r ∂_{v_r}^K u

Along x + t v_r, the coefficient of order K of every operation is linear in the coefficients of
order K of its operands, and the factor of that linear part depends on the point alone. So the
weighted sum over the directions is propagated in the place of R separate coefficients:

    Σ_r w_r y_K^r = f′(x₀) Σ_r w_r x_K^r + Σ_r w_r g(x₁^r, …, x_{K−1}^r),

where g is the series rule of the operation with x_K = 0. A Laplacian carries 1 + d + 1
quantities, whatever the function is made of. `directions.directions_for` finds the directions
and weights of a given operator; `pdesl.lowering.taylor` is the same idea written out for layered
networks.

Source: F. Dangel et al., Collapsing Taylor mode automatic differentiation, 2025.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.jets.coefficients import directional_derivatives
from pdesl.lowering.jets.program import Step, propagate, start, trace
from pdesl.lowering.jets.series import Coefficient, Series, total

__all__ = ["Probe", "directional_sum", "estimate_laplacian", "laplacian"]

Probe = Literal["gaussian", "rademacher", "axes"]


class _Jets:
    """What is known of one quantity: its value, coefficients 1 … K−1 along each direction with
    the directions as first axis, and the weighted sum of the coefficients K."""

    __slots__ = ("lower", "top", "value")

    def __init__(self, value: Any, lower: list[Coefficient], top: Coefficient) -> None:
        self.value = value
        self.lower = lower
        self.top = top

    @property
    def moves(self) -> bool:
        return self.top is not None or any(c is not None for c in self.lower)


def _weighted(weights: np.ndarray | Array | None, value: Coefficient) -> Coefficient:
    if value is None:
        return None
    if weights is None:
        return jnp.sum(value, axis=0)
    return jnp.tensordot(jnp.asarray(weights, value.dtype), value, axes=1)


def _series(jets: list[_Jets], coefficients: list[list[Coefficient]]) -> list[Series]:
    return [[j.value, *rest] for j, rest in zip(jets, coefficients, strict=True)]


def _through(
    step: Step, jets: list[_Jets], order: int, weights: np.ndarray | Array | None
) -> list[_Jets]:
    """The jets of the results of one step."""
    lower: list[list[Coefficient]]
    top: list[Coefficient]
    count = len(step.outputs)
    values = start(step, [j.value for j in jets], [])
    none: list[Coefficient] = [None] * (order - 1)
    if step.rule is None or not any(j.moves for j in jets):
        return [_Jets(value, none, None) for value in values]

    def linear(coefficients: list[Coefficient]) -> list[Coefficient]:
        """f′(x₀) c for one coefficient of each operand."""
        if all(c is None for c in coefficients):
            return [None] * count
        return [s[1] for s in propagate(step, _series(jets, [[c] for c in coefficients]), 1)]

    top = linear([j.top for j in jets])
    if not step.rule.history:
        every = []
        for k in range(order - 1):
            coefficients = [j.lower[k] for j in jets]
            empty = all(c is None for c in coefficients)
            every.append([None] * count if empty else jax.vmap(linear)(coefficients))
        lower = [[some[i] for some in every] for i in range(count)]
        return [_Jets(v, low, t) for v, low, t in zip(values, lower, top, strict=True)]

    def along(coefficients: list[list[Coefficient]]) -> list[list[Coefficient]]:
        found = propagate(step, _series(jets, [[*c, None] for c in coefficients]), order)
        return [series[1:] for series in found]

    coefficients = [j.lower for j in jets]
    if all(c is None for some in coefficients for c in some):
        return [_Jets(v, none, t) for v, t in zip(values, top, strict=True)]
    found = jax.vmap(along)(coefficients)
    return [
        _Jets(v, series[:-1], total((t, _weighted(weights, series[-1]))))
        for v, series, t in zip(values, found, top, strict=True)
    ]


def directional_sum(
    function: Callable[[Array], Any],
    point: Array,
    directions: np.ndarray | Array,
    weights: np.ndarray | Array | None,
    order: int,
) -> tuple[Any, Any]:
    """f(x) and Σ_r w_r ∂_{v_r}^K f(x) at one point.

    Args:
        function: of one array; use `jax.vmap` around this function for many points, in row chunks
            (`pdesl.lowering.rows`) for gradients.
        point: x, of any shape.
        directions: v, (R, …) with the shape of the point behind the first axis.
        weights: w, (R,); None for ones.
        order: K ≥ 1.

    Returns:
        Two pytrees as the function returns them. Exact to rounding, differentiable in all modes.

    Raises:
        ValueError: an order below 1, or directions that do not fit the point.
        UnsupportedPrimitive: an operation without a series.
    """
    if order < 1:
        raise ValueError(f"a derivative along a direction has an order of at least 1, not {order}")
    point = jnp.asarray(point)
    directions = jnp.asarray(directions, point.dtype)
    if directions.shape[1:] != point.shape:
        raise ValueError(f"directions {directions.shape} do not fit a point {point.shape}")
    program, tree = trace(function, (point,), [True])
    known: list[Any] = [None] * program.slots
    none: list[Coefficient] = [None] * (order - 1)
    for slot, value in program.constants:
        known[slot] = _Jets(value, none, None)
    if order == 1:
        known[program.inputs[0]] = _Jets(point, [], _weighted(weights, directions))
    else:
        known[program.inputs[0]] = _Jets(point, [directions, *none[1:]], None)
    for step in program.steps:
        found = _through(step, [known[slot] for slot in step.inputs], order, weights)
        for slot, jets in zip(step.outputs, found, strict=True):
            known[slot] = jets
    results = [known[slot] for slot in program.outputs]
    scale = float(factorial(order))
    sums = [
        jnp.zeros(a.shape, a.dtype) if j.top is None else scale * j.top if order > 1 else j.top
        for j, a in zip(results, program.avals_out, strict=True)
    ]
    return (
        jax.tree.unflatten(tree, [j.value for j in results]),
        jax.tree.unflatten(tree, sums),
    )


def laplacian(function: Callable[[Array], Any], point: Array) -> tuple[Any, Any]:
    """f(x) and Δf(x) = Σᵢ ∂ᵢ² f(x) at a point (d,): 1 + d + 1 carried quantities."""
    return directional_sum(function, point, np.eye(point.shape[-1]), None, 2)


def estimate_laplacian(
    function: Callable[[Array], Array],
    point: Array,
    key: Array,
    count: int,
    probe: Probe = "rademacher",
    power: int = 1,
) -> tuple[Array, Array]:
    """An unbiased estimate of Δ^m f(x) from random directions, and its standard error.

    For m = 1 and one direction v, with H the Hessian, vᵀHv has the mean Δf and

    - "gaussian", v ~ N(0, I): variance 2‖H‖²_F;
    - "rademacher", v = ±1: variance 2(‖H‖²_F − Σᵢ Hᵢᵢ²), zero for a diagonal Hessian (Hutchinson);
    - "axes", √d eᵢ with distinct random i: no variance at all where `count` = d (STDE).

    For m > 1 only Gaussian directions serve: E ∂_v^{2m} f = (2m − 1)!! Δ^m f.

    Args:
        function: of one point (d,), with an array as its result.
        point: (d,).
        key: a JAX key.
        count: directions, R ≥ 2; at most d for "axes".
        probe: the distribution of the directions.
        power: m.

    Returns:
        (estimate, standard error of the estimate), each as the function's result.

    Raises:
        ValueError: a count that the distribution does not allow, or a power without estimator.

    Sources: M. Hutchinson, 1989; Z. Hu et al., Stochastic Taylor derivative estimator, 2024.
    """
    dimension = point.shape[-1]
    if power < 1 or (power > 1 and probe != "gaussian"):
        raise ValueError(f"no estimate of power {power} of the Laplacian by {probe} directions")
    if count < 2 or (probe == "axes" and count > dimension):
        raise ValueError(f"{count} directions do not do for an estimate in {dimension} dimensions")
    if probe == "axes":
        chosen = jax.random.permutation(key, dimension)[:count]
        directions = jnp.sqrt(float(dimension)) * jnp.eye(dimension, dtype=point.dtype)[chosen]
    elif probe == "gaussian":
        directions = jax.random.normal(key, (count, dimension), point.dtype)
    else:
        directions = jax.random.rademacher(key, (count, dimension), point.dtype)
    mean = float(np.prod(np.arange(2 * power - 1, 0, -2)))
    values = jax.vmap(
        lambda v: directional_derivatives(function, point, v, 2 * power)[2 * power] / mean
    )(directions)
    spread = jnp.var(values, axis=0, ddof=1) / count
    if probe == "axes":  # drawn without replacement
        spread = spread * (1.0 - count / dimension)
    return jnp.mean(values, axis=0), jnp.sqrt(spread)
