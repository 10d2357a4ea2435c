"""Derivatives of a solution in time, and penalties that make dynamics easy to solve.

The solution of z′ = f(t, z) has the Taylor coefficients z_{k+1} = f_k/(k + 1), where f_k is
coefficient k of f(t, z(t)), which needs z up to z_k alone. The propagation takes one coefficient
at a time, so the recursion runs inside it: K coefficients cost K products with every matrix of f
and O(K²) elementwise work, where a fresh series for each order takes K(K + 1)/2 products.

Source: J. Kelly et al., Learning differential equations that are easy to solve, 2020, equation 1
and section 4; C. Finlay et al., How to train your neural ODE, 2020 (equations 3 and 4 of Kelly
et al.).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.jets.program import trace

__all__ = [
    "Dynamics",
    "Integrand",
    "flow_coefficients",
    "flow_derivatives",
    "jacobian_penalty",
    "kinetic_penalty",
    "speed_regulariser",
    "with_integrals",
]

Dynamics = Callable[[Any, Any], Any]
"""(t, state) → d state/dt, pytrees of one structure."""

Integrand = Callable[[Any, Any], Array]
"""(t, state) → a number, to be integrated beside the state."""


def flow_coefficients(dynamics: Dynamics, time: Any, state: Any, order: int) -> list[Any]:
    """[z₀, …, z_K] with z(t + h) = Σₖ zₖ hᵏ + O(h^(K+1)) along the flow of z′ = f(t, z).

    Args:
        dynamics: f(t, z), traced once; what it closes over is constant.
        time: t, a number.
        state: z(t), a pytree of floating-point arrays.
        order: K ≥ 0.

    Returns:
        K + 1 pytrees as the state. Exact to rounding; differentiable in all modes.

    Raises:
        ValueError: a negative order, or a right-hand side of another structure than the state.
        UnsupportedPrimitive: an operation without a series.
    """
    if order < 0:
        raise ValueError(f"the order of a derivative is not negative, {order} was given")
    state = jax.tree.map(jnp.asarray, state)
    leaves, tree = jax.tree.flatten(state)
    time = jnp.asarray(time, jnp.result_type(float, *leaves) if leaves else float)
    if order == 0:
        return [state]
    program, found = trace(dynamics, (time, state), [True] * (1 + len(leaves)))
    shapes = [aval.shape for aval in program.avals_out]
    if found != tree or shapes != [leaf.shape for leaf in leaves]:
        raise ValueError("the right-hand side has another structure than the state")
    frame = program.begin()
    coefficients = [leaves]
    for k in range(order):
        clock = time if k == 0 else jnp.ones_like(time) if k == 1 else None
        slopes = program.advance(frame, k, [clock, *coefficients[k]])
        coefficients.append(
            [
                None if slope is None else (slope / (k + 1) if k else slope).astype(leaf.dtype)
                for slope, leaf in zip(slopes, leaves, strict=True)
            ]
        )
    return [
        jax.tree.unflatten(
            tree,
            [
                jnp.zeros_like(leaf) if value is None else value
                for value, leaf in zip(some, leaves, strict=True)
            ],
        )
        for some in coefficients
    ]


def flow_derivatives(dynamics: Dynamics, time: Any, state: Any, order: int) -> list[Any]:
    """[z, dz/dt, …, dᴷz/dtᴷ] along the flow of z′ = f(t, z); see `flow_coefficients`."""
    return [
        jax.tree.map(lambda leaf, k=k: leaf * float(factorial(k)) if k > 1 else leaf, value)
        for k, value in enumerate(flow_coefficients(dynamics, time, state, order))
    ]


def _squares(tree: Any) -> Array:
    return sum((jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(tree)), start=_zero(tree))


def _zero(tree: Any) -> Array:
    """A zero in the precision of the leaves."""
    return jnp.zeros((), jnp.result_type(*jax.tree.leaves(tree) or [float]))


def speed_regulariser(dynamics: Dynamics, order: int) -> Integrand:
    """The integrand of R_K = ∫ ‖dᴷz/dtᴷ‖² dt (equation 1).

    Args:
        dynamics: f(t, z).
        order: K ≥ 1. K = 1 is Finlay's kinetic term; a method of order m has a local error of
            order m + 1, which is the K to penalise.

    Returns:
        (t, z) → ‖dᴷz/dtᴷ‖², the sum over all components (and samples, where the state is a
        batch). The published code takes the mean over the D components: its weight is D times
        the weight of equation 2.

    Raises:
        ValueError: an order below 1.
    """
    if order < 1:
        raise ValueError(f"a speed regulariser has an order of at least 1, not {order}")

    def integrand(time: Any, state: Any) -> Array:
        last = flow_coefficients(dynamics, time, state, order)[order]
        return _squares(last) * float(factorial(order)) ** 2

    return integrand


def kinetic_penalty(dynamics: Dynamics) -> Integrand:
    """The integrand of Finlay's K = ∫ ‖f(t, z)‖² dt (equation 3)."""
    return lambda time, state: _squares(dynamics(time, state))


def jacobian_penalty(dynamics: Dynamics, probe: Any = None, *, batched: bool = False) -> Integrand:
    """The integrand of Finlay's B = ∫ ‖εᵀ ∇_z f(t, z)‖² dt (equation 4).

    Args:
        dynamics: f(t, z).
        probe: ε, a pytree as the state with independent entries of mean 0 and variance 1; the
            expectation over ε is the exact value ‖∇_z f‖²_F. With normal entries the variance
            of one probe is 2 ‖J Jᵀ‖²_F. None takes the exact value, by one product with the
            Jacobian for each component of the state.
        batched: the first axis of every leaf numbers independent samples; the exact value then
            takes one product for each component of a sample.

    Returns:
        (t, z) → the squared norm, summed over samples.
    """

    def integrand(time: Any, state: Any) -> Array:
        _, pull = jax.vjp(lambda z: dynamics(time, z), state)
        if probe is not None:
            return _squares(pull(probe)[0])
        leaves, tree = jax.tree.flatten(state)
        result = _zero(state)
        for number, leaf in enumerate(leaves):
            shape = leaf.shape[1:] if batched else leaf.shape
            size = int(np.prod(shape))
            basis = jnp.eye(size, dtype=leaf.dtype).reshape(size, *shape)

            def row(unit: Array, number: int = number) -> Array:
                cotangent = [jnp.zeros_like(other) for other in leaves]
                cotangent[number] = jnp.broadcast_to(unit, cotangent[number].shape)
                return _squares(pull(jax.tree.unflatten(tree, cotangent))[0])

            result = result + jnp.sum(jax.vmap(row)(basis))
        return result

    return integrand


def with_integrals(
    dynamics: Dynamics, integrands: Mapping[str, Integrand]
) -> tuple[Dynamics, Callable[[Any], Any]]:
    """The state with integrals beside it, for one call of any solver.

    Args:
        dynamics: f(t, z).
        integrands: by name, such as {"R3": speed_regulariser(f, 3)}.

    Returns:
        (augmented, initial): the dynamics of (z, {name: ∫ integrand dt}), and the function that
        gives the augmented initial state of z.
    """

    def augmented(time: Any, both: Any) -> Any:
        state, _ = both
        values = {name: integrand(time, state) for name, integrand in integrands.items()}
        return dynamics(time, state), values

    def initial(state: Any) -> Any:
        dtype = jnp.result_type(float, *jax.tree.leaves(state))
        return state, {name: jnp.zeros((), dtype) for name in integrands}

    return augmented, initial
