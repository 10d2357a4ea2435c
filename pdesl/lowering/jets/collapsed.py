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
from pdesl.lowering.jets.program import Program, Step, propagate, start, trace
from pdesl.lowering.jets.rules import is_elementwise
from pdesl.lowering.jets.series import (
    Coefficient,
    Series,
    convolution,
    inner_square,
    square,
    total,
)

__all__ = ["Probe", "directional_sum", "estimate_laplacian", "laplacian"]

Probe = Literal["gaussian", "rademacher", "axes"]


class _Jets:
    """What is known of one quantity: its value, coefficients 1 … K−1 along each direction with
    the directions as first axis, and the weighted sum of the coefficients K."""

    __slots__ = ("lower", "powers", "top", "value")

    def __init__(self, value: Any, lower: list[Coefficient], top: Coefficient) -> None:
        self.value = value
        self.lower = lower
        self.top = top
        self.powers: dict[int, list[Coefficient]] = {}

    @property
    def moves(self) -> bool:
        return self.top is not None or any(c is not None for c in self.lower)


class _Chain:
    """A quantity that is an elementwise function of one other: f(x), with its Taylor coefficients
    f⁽ᵐ⁾(x₀)/m!, which know no direction."""

    __slots__ = ("root", "series")

    def __init__(self, root: int, series: Series) -> None:
        self.root = root
        self.series = series


class _Propagation:
    """One pass of the jets through a program.

    Elementwise functions of one quantity are first chained without directions, and only their
    result is expanded along them (formula of Faà di Bruno), so an activation, however many
    operations it is made of, costs what its Taylor coefficients cost, and the sum over the
    directions is taken of powers of x alone.
    """

    def __init__(self, program: Program, order: int, weights: np.ndarray | Array | None) -> None:
        self.order = order
        self.weights = weights
        self.none: list[Coefficient] = [None] * (order - 1)
        self.known: list[_Jets | None] = [None] * program.slots
        self.chains: dict[int, _Chain] = {}

    def jets(self, slot: int) -> _Jets:
        """The jets of a slot, expanded if they were left as a chain."""
        known = self.known[slot]
        if known is None:
            chain = self.chains[slot]
            known = self._expanded(self.jets(chain.root), chain.series)
            self.known[slot] = known
        return known

    def weighted(self, value: Coefficient) -> Coefficient:
        """Σ_r w_r of an array with the directions as first axis."""
        if value is None:
            return None
        if self.weights is None:
            return jnp.sum(value, axis=0)
        return jnp.tensordot(jnp.asarray(self.weights, value.dtype), value, axes=1)

    def _powers(self, x: _Jets, m: int) -> list[Coefficient]:
        """Coefficients of (x − x₀)^m: 1 … K−1 along the directions, and the weighted sum at K."""
        if m not in x.powers:
            size = self.order
            increment = [None, *x.lower]
            if m == 1:
                x.powers[1] = [*x.lower, x.top]
            elif m == 2:
                x.powers[2] = [square(increment, k) for k in range(1, size)]
                x.powers[2].append(self.weighted(inner_square(increment + [None], size)))
            else:
                before = [None, *self._powers(x, m - 1)[:-1]]
                x.powers[m] = [convolution(increment, before, k) for k in range(1, size)]
                last = convolution([*increment, None], [*before, None], size)
                x.powers[m].append(self.weighted(last))
        return x.powers[m]

    def _expanded(self, x: _Jets, series: Series) -> _Jets:
        terms: list[list[Coefficient]] = [[] for _ in range(self.order)]
        for m in range(1, self.order + 1):
            if series[m] is not None:
                for found, power in zip(terms, self._powers(x, m), strict=True):
                    found.append(None if power is None else series[m] * power)
        sums = [total(found) for found in terms]
        return _Jets(series[0], sums[:-1], sums[-1])

    def step(self, step: Step) -> None:
        if self._chained(step):
            return
        found = self._through(step, [self.jets(slot) for slot in step.inputs])
        for slot, jets in zip(step.outputs, found, strict=True):
            self.known[slot] = jets

    def _chained(self, step: Step) -> bool:
        """Whether the result could be left as a function of one quantity."""
        if step.rule is None or not is_elementwise(step):
            return False
        moving = [
            slot
            for slot, varies in zip(step.inputs, step.varies, strict=True)
            if varies and (slot in self.chains or self.jets(slot).moves)
        ]
        roots = {self.chains[s].root if s in self.chains else s for s in moving}
        if len(roots) != 1:
            return False
        root = roots.pop()
        x = self.jets(root).value
        if any(aval.shape != jnp.shape(x) for aval in step.avals_out):
            # Under an outer batch the shapes of values are those of their quantities.
            return False
        identity: Series = [x, jnp.ones_like(x), *[None] * (self.order - 1)]
        inputs: list[Series] = []
        for slot in step.inputs:
            if slot in self.chains and slot in moving:
                inputs.append(self.chains[slot].series)
            elif slot == root:
                inputs.append(identity)
            else:
                inputs.append([self.jets(slot).value, *[None] * self.order])
        for slot, series in zip(step.outputs, propagate(step, inputs, self.order), strict=True):
            self.chains[slot] = _Chain(root, series)
        return True

    def _through(self, step: Step, jets: list[_Jets]) -> list[_Jets]:
        """The jets of the results of one step that mixes quantities."""
        lower: list[list[Coefficient]]
        count = len(step.outputs)
        values = start(step, [j.value for j in jets], [])
        if step.rule is None or not any(j.moves for j in jets):
            return [_Jets(value, self.none, None) for value in values]

        def linear(coefficients: list[Coefficient]) -> list[Coefficient]:
            """f′(x₀) c for one coefficient of each operand."""
            if all(c is None for c in coefficients):
                return [None] * count
            return [s[1] for s in propagate(step, _series(jets, [[c] for c in coefficients]), 1)]

        top = linear([j.top for j in jets])
        if not step.rule.history:
            every = []
            for k in range(self.order - 1):
                coefficients = [j.lower[k] for j in jets]
                empty = all(c is None for c in coefficients)
                every.append([None] * count if empty else jax.vmap(linear)(coefficients))
            lower = [[some[i] for some in every] for i in range(count)]
            return [_Jets(v, low, t) for v, low, t in zip(values, lower, top, strict=True)]

        def along(coefficients: list[list[Coefficient]]) -> list[list[Coefficient]]:
            padded = [[*c, None] for c in coefficients]
            return [series[1:] for series in propagate(step, _series(jets, padded), self.order)]

        coefficients = [j.lower for j in jets]
        if all(c is None for some in coefficients for c in some):
            return [_Jets(v, self.none, t) for v, t in zip(values, top, strict=True)]
        found = jax.vmap(along)(coefficients)
        return [
            _Jets(v, series[:-1], total((t, self.weighted(series[-1]))))
            for v, series, t in zip(values, found, top, strict=True)
        ]


def _series(jets: list[_Jets], coefficients: list[list[Coefficient]]) -> list[Series]:
    return [[j.value, *rest] for j, rest in zip(jets, coefficients, strict=True)]


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
    propagation = _Propagation(program, order, weights)
    known, none = propagation.known, propagation.none
    for slot, value in program.constants:
        known[slot] = _Jets(value, none, None)
    if order == 1:
        first = _Jets(point, [], propagation.weighted(directions))
    else:
        first = _Jets(point, [directions, *none[1:]], None)
    known[program.inputs[0]] = first
    for step in program.steps:
        propagation.step(step)
    results = [propagation.jets(slot) for slot in program.outputs]
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
