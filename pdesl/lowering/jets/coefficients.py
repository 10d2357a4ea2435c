"""Taylor coefficients of functions along curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial
from typing import Any

import jax
import jax.numpy as jnp

from pdesl.lowering.jets.program import trace

__all__ = ["directional_derivatives", "taylor_coefficients"]


def taylor_coefficients(
    function: Callable[..., Any], series: Sequence[Sequence[Any]], order: int
) -> list[Any]:
    """The Taylor coefficients of f(x(t), …) from those of its arguments.

        x(t) = Σₖ xₖ tᵏ,   f(x(t)) = Σₖ yₖ tᵏ + O(t^(K+1)).

    Args:
        function: of as many positional arguments as there are series, pytrees of arrays; it
            returns a pytree of arrays. What it closes over is constant.
        series: for each argument its coefficients [x₀, x₁, …], pytrees of one structure;
            coefficients that are left out are zero. An argument with x₀ alone is constant. They
            are normalised (xₖ = x⁽ᵏ⁾(0)/k!), so no factorial is multiplied or divided.
        order: K.

    Returns:
        [y₀, …, y_K], pytrees as the function returns them. Every operation of the function is
        done once for each order: O(K) products of matrices with constants, O(K²) elementwise
        work. Works under `jit`, `vmap`, and differentiation in both modes.

    Raises:
        ValueError: a negative order, or an argument without a coefficient.
        UnsupportedPrimitive: an operation with neither a rule nor a derivative.

    At kinks (abs, max) the expansion is the one to the right, see `piecewise`.
    """
    if order < 0:
        raise ValueError(f"the order of a series is not negative, {order} was given")
    if any(not len(one) for one in series):
        raise ValueError("every argument needs its coefficient of order 0")
    arguments = [jax.tree.map(jnp.asarray, one[0]) for one in series]
    flags: list[bool] = []
    for one, argument in zip(series, arguments, strict=True):
        flags += [len(one) > 1] * len(jax.tree.leaves(argument))
    program, tree = trace(function, arguments, flags)
    frame = program.begin()
    results = []
    for k in range(order + 1):
        leaves: list[Any] = []
        for one, argument in zip(series, arguments, strict=True):
            count = len(jax.tree.leaves(argument))
            inner = jax.tree.leaves(one[k]) if k < len(one) else [None] * count
            if len(inner) != count:
                raise ValueError(f"coefficient {k} of an argument has another structure")
            leaves += inner
        found = program.advance(frame, k, leaves)
        zeros = [
            jnp.zeros(a.shape, a.dtype) if v is None else jnp.asarray(v)
            for v, a in zip(found, program.avals_out, strict=True)
        ]
        results.append(jax.tree.unflatten(tree, zeros))
    return results


def directional_derivatives(
    function: Callable[[Any], Any], point: Any, direction: Any, order: int
) -> list[Any]:
    """[f, ∂_v f, ∂_v² f, …, ∂_v^K f] at a point along v = `direction`.

    ∂_v^k f = Σ_α (k!/α!) v^α ∂^α f over the multi-indices α of order k; see `directions` for
    combinations of them.
    """
    coefficients = taylor_coefficients(function, [[point, direction]], order)
    return [
        jax.tree.map(lambda leaf, k=k: leaf * float(factorial(k)) if k > 1 else leaf, value)
        for k, value in enumerate(coefficients)
    ]
