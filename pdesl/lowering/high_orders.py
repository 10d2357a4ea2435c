"""Derivatives of networks of order five and more, by series along directions.

Taylor propagation through layers (`taylor`) has its formulas written out up to order 4. Above, a
homogeneous operator Σ c_α ∂^α is a sum of derivatives along directions (`jets.directions`), each of
which is one series through the network: K products with every matrix and O(K²) elementwise work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
from jax import Array

from pdesl.lowering.activations import HIGHEST_ORDER
from pdesl.lowering.jet_layout import CollapsedSum, Derivative, Key, MultiIndex, Request
from pdesl.lowering.jets.coefficients import directional_derivatives
from pdesl.lowering.jets.directions import DirectionPlan, directions_for

__all__ = ["high_parts", "without_high"]

Operator = tuple[tuple[MultiIndex, float], ...]


def _is_high(index: MultiIndex) -> bool:
    """Whether the formulas written out end below this order."""
    return sum(index) > HIGHEST_ORDER


def _pairs(request: Request, keys: Sequence[Key]) -> list[tuple[MultiIndex, Key]]:
    terms = (request.index,) if isinstance(request, Derivative) else request.terms
    return list(zip(terms, keys, strict=True))


def without_high(
    requests: tuple[Request, ...], keys: tuple[tuple[Key, ...], ...]
) -> tuple[tuple[Request, ...], tuple[tuple[Key, ...], ...]]:
    """The requests, and the coefficients of their terms, up to order 4."""
    low: list[Request] = []
    kept: list[tuple[Key, ...]] = []
    for request, own in zip(requests, keys, strict=True):
        pairs = _pairs(request, own)
        terms = [pair for pair in pairs if not _is_high(pair[0])]
        same = len(terms) == len(pairs)
        low.append(request if same else CollapsedSum(tuple(a for a, _ in terms), request.field))
        kept.append(tuple(key for _, key in terms))
    return tuple(low), tuple(kept)


@lru_cache(maxsize=256)
def _operators(
    requests: tuple[Request, ...], keys: tuple[tuple[Key, ...], ...]
) -> tuple[tuple[tuple[int, Key, int], ...], DirectionPlan]:
    """(request, coefficient, operator) of the parts above order 4, and directions for all.

    Terms of one order whose coefficients are numbers are one operator.
    """
    known: dict[Operator, int] = {}
    parts: list[tuple[int, Key, int]] = []
    for number, (request, own) in enumerate(zip(requests, keys, strict=True)):
        fixed: dict[int, dict[MultiIndex, float]] = {}
        for index, key in _pairs(request, own):
            if not _is_high(index) or not key.factor:
                continue
            if key.slot < 0:
                group = fixed.setdefault(sum(index), {})
                group[index] = group.get(index, 0.0) + key.factor
            else:
                parts.append((number, key, known.setdefault(((index, 1.0),), len(known))))
        for group in fixed.values():
            operator = tuple(sorted(group.items()))
            parts.append((number, Key(), known.setdefault(operator, len(known))))
    if not known:
        return (), directions_for([{(0,): 1.0}])
    return tuple(parts), directions_for([dict(operator) for operator in known])


def high_parts(
    function: Callable[[Array], Array],
    points: Array,
    requests: tuple[Request, ...],
    keys: tuple[tuple[Key, ...], ...],
    arrays: Sequence[Array],
) -> Mapping[int, Array]:
    """The parts above order 4 of every request that has some, (n,) by its number.

    Args:
        function: values (n, fields) at points (n, inputs), every row by itself.
        points: where.
        requests, keys, arrays: what is asked for, and with which coefficients.
    """
    parts, plan = _operators(requests, keys)
    found: dict[int, Array] = {}
    if not parts:
        return found
    highest = max(plan.orders)

    def along(direction: Array) -> Array:
        """Derivatives (highest + 1, n, fields)."""
        own = jnp.broadcast_to(direction, points.shape)
        return jnp.stack(directional_derivatives(function, points, own, highest))

    series = jax.vmap(along)(jnp.asarray(plan.directions, points.dtype))
    for number, key, operator in parts:
        weights = jnp.asarray(plan.weights[operator], points.dtype)
        own = weights @ series[:, plan.orders[operator], :, requests[number].field]
        own = key.factor * own
        if key.slot >= 0:
            own = arrays[key.slot] * own
        found[number] = found[number] + own if number in found else own
    return found
