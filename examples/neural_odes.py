"""What the examples of neural ODEs share: networks, steps, a training loop, and counting work.

Two things make a speed regulariser R_K = ∫ |dᴷz/dtᴷ|² dt worth its price:

- The grid of the steps is shifted at random for every step of the optimiser (`shifted_grid`), and
  R_K is the trapezoidal rule over the states that the steps pass (`speed`). That is one
  evaluation of the derivative for each step in place of one for each stage, and no grid is left
  between whose points the dynamics could hide what they do.
- The weight falls by decades while the network learns (`falling`): easy dynamics are found first,
  and what the weight costs in loss is given back.
"""

import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.integrate import solve_ivp

from pdesl import taylor


def layers(sizes: list[int], seed: int, dtype: Any = float) -> list[tuple[Any, Any]]:
    """Weights of variance 1/m and zero shifts of a network with layers of these sizes."""
    random = np.random.default_rng(seed)
    return [
        (jnp.asarray(random.normal(0.0, m**-0.5, (m, n)), dtype), jnp.zeros(n, dtype))
        for m, n in itertools.pairwise(sizes)
    ]


def network(parameters: list[tuple[Any, Any]], x: Any) -> Any:
    """The network at rows x, tanh between the layers."""
    for weight, shift in parameters[:-1]:
        x = jnp.tanh(x @ weight + shift)
    weight, shift = parameters[-1]
    return x @ weight + shift


def with_time(t: Any, z: Any) -> Any:
    """Rows (z, t)."""
    return jnp.concatenate([z, jnp.broadcast_to(t, (len(z), 1)).astype(z.dtype)], axis=1)


def runge_kutta(f: Callable[..., Any], state: Any, times: Any) -> Any:
    """The states of z' = f(t, z) at all times, classical steps between them; any pytrees."""

    def step(state: Any, times: Any) -> tuple[Any, Any]:
        t, h = times[0], times[1] - times[0]

        def ahead(share: Any, slope: Any) -> Any:
            return jax.tree.map(lambda a, b: a + share * h * b, state, slope)

        k1 = f(t, state)
        k2 = f(t + h / 2, ahead(0.5, k1))
        k3 = f(t + h / 2, ahead(0.5, k2))
        k4 = f(t + h, ahead(1.0, k3))
        slope = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
        state = ahead(1.0, slope)
        return state, state

    times = jnp.asarray(times)
    _, states = jax.lax.scan(step, state, jnp.stack([times[:-1], times[1:]], axis=1))
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), state, states)


def shifted_grid(steps: int, share: Any) -> Any:
    """Times from 0 to 1 with steps of 1/steps, the first cut to that share of its length."""
    share = jnp.asarray(share)
    inner = (jnp.arange(steps) + share) / steps
    return jnp.concatenate([jnp.zeros(1), inner, jnp.ones(1)]).astype(share.dtype)


def penalty(integrand: Callable[..., Any], times: Any, states: Any) -> Any:
    """The integral of a penalty along states (times, samples, ...); the mean over the samples."""
    rates = jax.vmap(integrand)(jnp.asarray(times), states)
    return jnp.trapezoid(rates, jnp.asarray(times)) / states.shape[1]


def speed(f: Callable[..., Any], order: int, times: Any, states: Any) -> Any:
    """R_K, K = order, of states of z' = f(t, z); see `penalty`."""
    return penalty(taylor.speed_regulariser(f, order), times, states)


def falling(weight: float, count: int, decades: float = 3.0) -> np.ndarray:
    """A weight for every step of the optimiser, falling by decades."""
    return weight * 10.0 ** (-decades * np.arange(count) / count)


def train(
    loss: Callable[..., Any], parameters: Any, items: Any, data: Any, rate: float
) -> tuple[Any, float]:
    """Adam with a cosine schedule on loss(parameters, item, data), one step for each of the items.

    Returns what is learned, and the seconds of processor time without those of the compiler.
    """
    count = len(jax.tree.leaves(items)[0])
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, count))

    def run(parameters: Any, items: Any, data: Any) -> Any:
        def step(carry: Any, item: Any) -> tuple[Any, None]:
            parameters, state = carry
            gradient = jax.grad(loss)(parameters, item, data)
            updates, state = optimiser.update(gradient, state)
            return (optax.apply_updates(parameters, updates), state), None

        return jax.lax.scan(step, (parameters, optimiser.init(parameters)), items)[0][0]

    compiled = jax.jit(run).lower(parameters, items, data).compile()
    begun = time.process_time()
    found = jax.block_until_ready(compiled(parameters, items, data))
    return found, time.process_time() - begun


def solved(
    f: Callable[..., Any], state: Any, method: str, tolerance: float, span: Any = (0.0, 1.0)
) -> tuple[int, np.ndarray]:
    """Evaluations of f(t, z) by an adaptive solver of SciPy, rows as one system; and the end."""
    shape, dtype = np.shape(state), jnp.asarray(state).dtype
    own = jax.jit(f)

    def slope(t: float, flat: np.ndarray) -> np.ndarray:
        value = own(jnp.asarray(t, dtype), jnp.asarray(flat.reshape(shape), dtype))
        return np.asarray(value, float).ravel()

    begun = np.asarray(state, float).ravel()
    found = solve_ivp(slope, span, begun, method=method, rtol=tolerance, atol=tolerance)
    return found.nfev, found.y[:, -1].reshape(shape)
