"""Series through networks and operations that nobody has written a rule for, by nested `jvp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import gammaln, logsumexp

from pdesl import taylor

RANDOM = np.random.default_rng(0)
W = [0.5 * RANDOM.normal(size=(6, 6)) for _ in range(4)]
KERNEL: Any = 0.5 * RANDOM.normal(size=(2, 1, 3))
ORDER = 3


def convolutions(x: Any) -> Any:
    rows = jax.lax.conv_general_dilated(x.reshape(1, 1, -1), KERNEL, (1,), "SAME")
    rows = jax.nn.gelu(rows)
    return jax.lax.reduce_window(rows, -jnp.inf, jax.lax.max, (1, 1, 2), (1, 1, 2), "VALID")


def attention(x: Any) -> Any:
    tokens = jnp.outer(x, jnp.arange(1.0, 7.0)) / 6
    scores = tokens @ W[0] @ (tokens @ W[1]).T
    causal = jnp.where(jnp.tril(jnp.ones((6, 6), bool)), scores, -jnp.inf)
    return jax.nn.softmax(causal) @ tokens @ W[2]


def normalised(x: Any) -> Any:
    hidden = jax.nn.silu(x @ W[0])
    return x + (hidden - hidden.mean()) / jnp.sqrt(hidden.var() + 1e-5)


def recurrent(x: Any) -> Any:
    def cell(memory: Any, entry: Any) -> tuple[Any, Any]:
        keep = jax.nn.sigmoid(entry * W[0][0] + memory @ W[1])
        new = jnp.tanh(entry * W[0][2] + (keep * memory) @ W[3])
        memory = (1 - keep) * new + keep * memory
        return memory, jnp.sum(memory)

    return jax.lax.scan(cell, jnp.zeros(6), x)


def loops(x: Any) -> Any:
    counted = jax.lax.fori_loop(0, 3, lambda i, y: jnp.tanh(y @ W[0]) + 0.1 * i * x, x)
    return jax.lax.while_loop(lambda s: s[1] < 2, lambda s: (jnp.sin(s[0]), s[1] + 1), (counted, 0))


def branches(x: Any) -> Any:
    chosen = jax.lax.switch(jnp.int32(1), [jnp.sin, lambda y: jnp.tanh(y @ W[1])], x)
    return jax.lax.cond(x[0] > -5, jnp.exp, jnp.cos, chosen) + jnp.where(x > 0, x**3, x)


def orders(x: Any) -> Any:
    ranked = jnp.sort(jnp.sin(3 * x)), jnp.exp(x[jnp.argsort(x)]), jax.lax.top_k(x, 3)[0]
    return *ranked, jnp.median(jnp.exp(x))


def places(x: Any) -> Any:
    spread = jnp.zeros(6).at[jnp.array([0, 2, 2])].add(jnp.sin(x[:3])).at[1].set(x[1] ** 2)
    window = jax.lax.dynamic_slice(jnp.exp(x), (jnp.argmax(x) // 3,), (3,))
    return spread * x, window, jnp.tanh(x[jnp.array([3, 1, 1, 0])]), jnp.roll(x, 2) * jnp.flip(x)


def products(x: Any) -> Any:
    scanned = jax.lax.associative_scan(lambda a, b: a * b + jnp.tanh(b), x)
    return scanned, jnp.cumprod(1 + x**2), jnp.einsum("i,ij,jk,k->ik", x, W[0], W[1], jnp.tanh(x))


def matrices(x: Any) -> Any:
    matrix = 3 * jnp.eye(6) + jnp.outer(x, x)
    factor = jnp.linalg.cholesky(matrix)
    return jnp.linalg.solve(matrix, jnp.sin(x)), factor, jnp.linalg.slogdet(matrix)[1]


def sums(x: Any) -> Any:
    spectrum = jnp.abs(jnp.fft.rfft(jnp.tanh(x))) ** 2
    return logsumexp(x @ W[0]), jnp.logaddexp(x, x[::-1]), gammaln(1 + x**2), spectrum


def inner(x: Any) -> Any:
    energy = lambda y: jnp.sum(jnp.tanh(y @ W[0]) ** 3)  # noqa: E731
    again = jax.checkpoint(lambda y: jnp.tanh(y @ W[1]))
    return jax.grad(energy)(x), jax.vmap(lambda a: again(a * x))(x)


@pytest.mark.parametrize(
    "function",
    [convolutions, attention, normalised, recurrent, loops, branches, orders, places, products,
     matrices, sums, inner],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_a_network_is_differentiated_as_by_nested_derivatives(function: Callable[[Any], Any]):
    random = np.random.default_rng(1)
    x, v = (jnp.asarray(random.normal(size=6)) for _ in range(2))

    def floats(y: Any) -> list[Any]:
        leaves = jax.tree.leaves(function(y))
        return [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def nested(x: Any, v: Any) -> list[Any]:
        current = lambda t: floats(x + t * v)  # noqa: E731
        found = [current(0.0)]
        for _ in range(ORDER):
            current = lambda t, f=current: jax.jvp(f, (t,), (1.0,))[1]  # noqa: E731
            found.append(current(0.0))
        return found

    own, known = jax.jit(
        lambda x, v: (taylor.directional_derivatives(floats, x, v, ORDER), nested(x, v))
    )(x, v)  # fmt: skip
    for order in range(ORDER + 1):
        for found, wanted in zip(own[order], known[order], strict=True):
            scale = max(float(jnp.abs(wanted).max()), 1e-12)
            assert np.asarray(found) == pytest.approx(np.asarray(wanted), abs=1e-11 * scale)


def test_an_operation_without_derivative_is_named():
    with pytest.raises(taylor.UnsupportedPrimitive, match="scatter-mul"):
        taylor.directional_derivatives(
            lambda x: jnp.ones(3).at[jnp.array([0, 2])].multiply(x), jnp.ones(2), jnp.ones(2), 2
        )
