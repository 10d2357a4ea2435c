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

from collections.abc import Callable, Sequence
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
    scaled,
    square,
    total,
)

__all__ = ["Probe", "directional_sum", "estimate_laplacian", "laplacian"]

Probe = Literal["gaussian", "rademacher", "axes"]


#: Most directions that are carried one by one. More share an axis: their program is shorter, but
#: products over that axis and the points cost transpositions (benchmarks/taylor/spatial.py).
_ONE_BY_ONE = 12

_Block = list[Coefficient]
"""Coefficients 1 … K−1 along one direction, or along all of them with the directions as first
axis."""


class _Jets:
    """What is known of one quantity: its value, `lower` for each block of directions, and the
    weighted sum of the coefficients K over all directions."""

    __slots__ = ("lower", "powers", "top", "value")

    def __init__(self, value: Any, lower: list[_Block], top: Coefficient) -> None:
        self.value = value
        self.lower = lower
        self.top = top
        self.powers: dict[int, tuple[list[_Block], Coefficient]] = {1: (lower, top)}

    @property
    def moves(self) -> bool:
        return self.top is not None or any(c is not None for block in self.lower for c in block)


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

    def __init__(
        self, program: Program, order: int, directions: Array, weights: np.ndarray | Array | None
    ) -> None:
        self.order = order
        self.weights = weights
        self.stacked = len(directions) > _ONE_BY_ONE
        self.directions = [directions] if self.stacked else list(directions)
        self.none: list[_Block] = [[None] * (order - 1) for _ in self.directions]
        self.known: list[_Jets | None] = [None] * program.slots
        self.chains: dict[int, _Chain] = {}

    def first(self, point: Array) -> _Jets:
        """The jets of the point itself."""
        if self.order == 1:
            return _Jets(point, self.none, self.weighted(self.directions))
        rest: _Block = [None] * (self.order - 2)
        return _Jets(point, [[v, *rest] for v in self.directions], None)

    def jets(self, slot: int) -> _Jets:
        """The jets of a slot, expanded if they were left as a chain."""
        known = self.known[slot]
        if known is None:
            chain = self.chains[slot]
            known = self._expanded(self.jets(chain.root), chain.series)
            self.known[slot] = known
        return known

    def weighted(self, values: Sequence[Coefficient]) -> Coefficient:
        """Σ_r w_r of one array for each block."""
        if not self.stacked:
            weights = [1.0] * len(values) if self.weights is None else self.weights
            return total(_weighted(w, v) for w, v in zip(weights, values, strict=True))
        (value,) = values
        if value is None or self.weights is None:
            return None if value is None else jnp.sum(value, axis=0)
        return jnp.tensordot(jnp.asarray(self.weights, value.dtype), value, axes=1)

    def each(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A function of the coefficients along one direction, for a block."""
        return jax.vmap(function) if self.stacked else function

    def _powers(self, x: _Jets, m: int) -> tuple[list[_Block], Coefficient]:
        """Coefficients of (x − x₀)^m: 1 … K−1 of each block, and the weighted sum at K."""
        if m not in x.powers:
            size = self.order
            factors = x.lower if m == 2 else self._powers(x, m - 1)[0]
            lower: list[_Block] = []
            last: list[Coefficient] = []
            for own, other in zip(x.lower, factors, strict=True):
                a, b = [None, *own, None], [None, *other, None]
                if m == 2:
                    lower.append([square(a, k) for k in range(1, size)])
                    last.append(inner_square(a, size))
                else:
                    lower.append([convolution(a, b, k) for k in range(1, size)])
                    last.append(convolution(a, b, size))
            x.powers[m] = lower, self.weighted(last)
        return x.powers[m]

    def _expanded(self, x: _Jets, series: Series) -> _Jets:
        terms = [
            (factor, self._powers(x, m))
            for m, factor in enumerate(series)
            if m and factor is not None
        ]
        lower = [
            [
                total(_product(factor, power[0][block][k]) for factor, power in terms)
                for k in range(self.order - 1)
            ]
            for block in range(len(self.directions))
        ]
        return _Jets(series[0], lower, total(_product(factor, power[1]) for factor, power in terms))

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
        count = len(step.outputs)
        values = start(step, [j.value for j in jets], [])
        if step.rule is None or not any(j.moves for j in jets):
            return [_Jets(value, self.none, None) for value in values]

        def linear(coefficients: list[Coefficient]) -> list[Coefficient]:
            """f′(x₀) c for one coefficient of each operand."""
            return [s[1] for s in propagate(step, _series(jets, [[c] for c in coefficients]), 1)]

        def along(coefficients: list[list[Coefficient]]) -> list[list[Coefficient]]:
            padded = [[*c, None] for c in coefficients]
            return [series[1:] for series in propagate(step, _series(jets, padded), self.order)]

        nothing: list[Coefficient] = [None] * count
        top = nothing
        if any(j.top is not None for j in jets):
            top = linear([j.top for j in jets])
        lower: list[list[_Block]] = [[] for _ in range(count)]
        last: list[list[Coefficient]] = [[] for _ in range(count)]
        for number in range(len(self.directions)):
            blocks = [j.lower[number] for j in jets]
            if all(c is None for block in blocks for c in block):
                found = [[None] * self.order for _ in range(count)]
            elif step.rule.history:
                found = self.each(along)(blocks)
            else:
                orders = [
                    nothing if all(c is None for c in some) else self.each(linear)(list(some))
                    for some in zip(*blocks, strict=True)
                ]
                found = [[*some, None] for some in zip(*orders, strict=True)]
            for own, rest, series in zip(lower, last, found, strict=True):
                own.append(list(series[:-1]))
                rest.append(series[-1])
        return [
            _Jets(v, own, total((t, self.weighted(rest))))
            for v, own, t, rest in zip(values, lower, top, last, strict=True)
        ]


def _product(a: Coefficient, b: Coefficient) -> Coefficient:
    return None if a is None or b is None else a * b


def _weighted(weight: Any, value: Coefficient) -> Coefficient:
    if isinstance(weight, float):  # those of NumPy too
        return scaled(float(weight), value)
    return _product(jnp.asarray(weight, None if value is None else value.dtype), value)


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
    propagation = _Propagation(program, order, directions, weights)
    for slot, value in program.constants:
        propagation.known[slot] = _Jets(value, propagation.none, None)
    propagation.known[program.inputs[0]] = propagation.first(point)
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
