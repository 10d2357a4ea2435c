"""Activation functions of networks with their derivatives up to the fourth order.

Taylor propagation needs σ, σ′, …, σ⁽⁴⁾ at the same point; each entry of the table shares what the
derivatives have in common (one `tanh`, one `exp`) and uses closed forms, so that a gradient with
respect to the parameters differentiates polynomials instead of nested rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["ACTIVATIONS", "HIGHEST_ORDER", "Activation", "activation_named"]

HIGHEST_ORDER = 4


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation by name; `derivatives(z, order)` returns (σ(z), σ′(z), …, σ⁽ᵒʳᵈᵉʳ⁾(z)).

    `from_value(σ(z), order)` returns the same where the value determines the derivatives.
    """

    name: str
    derivatives: Callable[[Array, int], tuple[Array, ...]]
    from_value: Callable[[Array, int], tuple[Array, ...]] | None = None

    def __call__(self, z: Array) -> Array:
        return self.derivatives(z, 0)[0]


def _tanh(z: Array, order: int) -> tuple[Array, ...]:
    return _tanh_from_value(jnp.tanh(z), order)


def _tanh_from_value(t: Array, order: int) -> tuple[Array, ...]:
    if order == 0:
        return (t,)
    first = 1.0 - t * t
    result = (
        t,
        first,
        -2.0 * t * first,
        first * (6.0 * t * t - 2.0),
        t * first * (16.0 - 24.0 * t * t),
    )
    return result[: order + 1]


def _sin(z: Array, order: int) -> tuple[Array, ...]:
    s = jnp.sin(z)
    if order == 0:
        return (s,)
    c = jnp.cos(z)
    return (s, c, -s, -c, s)[: order + 1]


def _logistic(z: Array) -> tuple[Array, ...]:
    """The logistic function g and its first four derivatives; g′ = g(1 − g)."""
    g = jax.nn.sigmoid(z)
    first = g * (1.0 - g)
    second = first * (1.0 - 2.0 * g)
    return g, first, second, first * (1.0 - 6.0 * first), second * (1.0 - 12.0 * first)


def _softplus(z: Array, order: int) -> tuple[Array, ...]:
    value = jnp.logaddexp(z, 0.0)
    if order == 0:
        return (value,)
    return (value, *_logistic(z)[:order])


def _silu(z: Array, order: int) -> tuple[Array, ...]:
    g = _logistic(z)
    # Leibniz: (z g)⁽ᵏ⁾ = z g⁽ᵏ⁾ + k g⁽ᵏ⁻¹⁾
    return (z * g[0], *(z * g[k] + k * g[k - 1] for k in range(1, order + 1)))


def _gelu(z: Array, order: int) -> tuple[Array, ...]:
    # Φ by erfc keeps its relative accuracy where z is far below zero.
    cumulative = 0.5 * jax.lax.erfc(-sqrt(0.5) * z)
    if order == 0:
        return (z * cumulative,)
    density = jnp.exp(-0.5 * z * z) / sqrt(2.0 * pi)
    square = z * z
    result = (
        z * cumulative,
        cumulative + z * density,
        density * (2.0 - square),
        density * z * (square - 4.0),
        density * (square * (7.0 - square) - 4.0),
    )
    return result[: order + 1]


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation("tanh", _tanh, _tanh_from_value),
    "sin": Activation("sin", _sin),
    "silu": Activation("silu", _silu),
    "swish": Activation("swish", _silu),
    "gelu": Activation("gelu", _gelu),
    "softplus": Activation("softplus", _softplus),
}


def activation_named(name: str) -> Activation:
    """The activation of that name.

    Raises:
        ValueError: no such activation; the message lists those that exist.
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"unknown activation `{name}`; there are {known}") from None
