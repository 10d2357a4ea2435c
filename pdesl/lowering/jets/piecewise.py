"""Series rules of functions with kinks and jumps.

A function with a kink is expanded to the right: the branch is the one that holds for small
t > 0. At a kink met exactly, |x₁ t| = |x₁| t, so the sign is that of the first coefficient that
is not zero, and a smooth function made of such pieces (a softplus as max(x, 0) + log1p(exp(−|x|)))
gets its true series there. JAX's first derivatives choose 0 or the mean instead. A jump (sign,
floor, a comparison) has a series of order 0 alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from pdesl.lowering.jets.program import Memory, Rule, Step
from pdesl.lowering.jets.series import Coefficient, Series, negated, total

__all__ = ["CONSTANT", "PIECEWISE"]

#: Primitives whose results have derivative zero wherever they have one.
CONSTANT = frozenset(
    {
        "sign",
        "floor",
        "ceil",
        "round",
        "is_finite",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "eq_to",
        "lt_to",
        "le_to",
        "argmax",
        "argmin",
        "stop_gradient",
        "bitcast_convert_type",
        "nextafter",
        "iota",
        "random_bits",
        "random_seed",
        "random_wrap",
        "random_unwrap",
        "random_fold_in",
        "random_split",
        "threefry2x32",
        "population_count",
        "clz",
        "and",
        "or",
        "xor",
        "not",
        "reduce_and",
        "reduce_or",
        "reduce_xor",
        "shift_left",
        "shift_right_logical",
        "shift_right_arithmetic",
    }
)


def _leading_sign(signs: Series, difference: Coefficient, k: int) -> Any:
    """The sign of the first nonzero coefficient among the first k + 1, kept in `signs`."""
    if k == 0:
        signs.append(jnp.sign(difference))
    elif difference is None:
        signs.append(signs[-1])
    else:
        signs.append(jnp.where(signs[-1] == 0, jnp.sign(difference), signs[-1]))
    return signs[-1]


def _difference(a: Series, b: Series, k: int) -> Coefficient:
    return total((a[k], negated(b[k])))


def _extreme(a: Series, b: Series, signs: Series, k: int, largest: bool) -> Coefficient:
    """Coefficient k of the greater (or lesser) of two series."""
    while len(signs) <= k:
        m = len(signs)
        _leading_sign(signs, _difference(a, b, m), m)
    if a[k] is None and b[k] is None:
        return None
    first = signs[k] >= 0 if largest else signs[k] <= 0
    zero = jnp.zeros((), (a[k] if a[k] is not None else b[k]).dtype)
    return jnp.where(first, zero if a[k] is None else a[k], zero if b[k] is None else b[k])


def _memory(memory: Memory, count: int) -> list[Series]:
    while len(memory) < count:
        memory.append([])
    return memory


def _absolute(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    (x,) = inputs
    (signs,) = _memory(memory, 1)
    while len(signs) <= k:
        m = len(signs)
        _leading_sign(signs, x[m], m)
    return (None if x[k] is None else signs[k] * x[k],)


def _maximum(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    a, b = inputs
    return (_extreme(a, b, _memory(memory, 1)[0], k, True),)


def _minimum(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    a, b = inputs
    return (_extreme(a, b, _memory(memory, 1)[0], k, False),)


def _clamp(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    """min(max(x, low), high)."""
    low, x, high = inputs
    below, above, middle = _memory(memory, 3)
    while len(middle) <= k:
        m = len(middle)
        if m == 0:
            middle.append(jnp.maximum(x[0], low[0]))
        else:
            middle.append(_extreme(x, low, below, m, True))
    return (_extreme(middle, high, above, k, False),)


def _reduction(largest: bool) -> Rule:
    """The greatest element along axes: among equal ones, the one with the greatest series."""

    def advance(
        step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
    ) -> Sequence[Coefficient]:
        (x,), (y,) = inputs, outputs
        axes = tuple(step.params["axes"])
        (masks,) = _memory(memory, 1)
        while len(masks) < k:
            m = len(masks)
            here = True if m == 0 else masks[-1]
            if x[m] is not None:
                here = here & (x[m] == jnp.expand_dims(y[m], axes))
            masks.append(here)
        if x[k] is None:
            return (None,)
        bottom = -jnp.inf if largest else jnp.inf
        masked = jnp.where(masks[k - 1], x[k], bottom)
        return ((jnp.max if largest else jnp.min)(masked, axis=axes),)

    return Rule(advance)


PIECEWISE: dict[str, Rule] = {
    "abs": Rule(_absolute),
    "max": Rule(_maximum),
    "min": Rule(_minimum),
    "clamp": Rule(_clamp),
    "reduce_max": _reduction(True),
    "reduce_min": _reduction(False),
}
