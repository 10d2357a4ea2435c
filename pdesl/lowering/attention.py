"""Attention over the neighbours of a graph's node as a closure.

    value_i = mean over heads of Σ_j a_ij u_j,
    a_ij = w_ij exp(q_i·k_j/√h) / Σ_l w_il exp(q_i·k_l/√h),     q = Q v, k = K v,

over the neighbours j of i and i itself, w_ii = 1. The vector v_i holds all inputs of the closure at
the node, divided by their scales, u is the first of them; h is the size of a head. The rows of a
sum to one, so that a u − u is a diffusion with learned rates (B. P. Chamberlain et al., "GRAND:
graph neural diffusion", 2021, equations 4 and 8; H. Zhang, Y. Liu and R. Maulik, "Semi-implicit
neural ordinary differential equations", 2024, equation 19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import Array

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Graph

__all__ = ["AttentionNetwork", "Edges", "make_attention"]


class Edges(eqx.Module):
    """Edges of a graph of `nodes` nodes, both ways and with loops, from senders to receivers."""

    senders: Array
    receivers: Array
    weights: Array
    nodes: int = eqx.field(static=True)

    @classmethod
    def of(cls, graph: Graph) -> Edges:
        table: Any = (graph.weights + scipy.sparse.identity(graph.nodes)).tocoo()
        senders, receivers, weights = map(jnp.asarray, (table.col, table.row, table.data))
        return cls(senders, receivers, weights, graph.nodes)


class AttentionNetwork(eqx.Module):
    """`weights` are Q and K, (channels, heads · h) each.

    `scale` divides the inputs, (channels + 1,), its last entry unused: what is averaged keeps its
    unit.
    """

    weights: tuple[Array, ...]
    heads: int = eqx.field(static=True)
    scale: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, inputs: Array, edges: Edges | None) -> Array:
        """Values (batch, nodes) of inputs (batch, nodes, channels)."""
        assert edges is not None, "attention without a graph is refused before"
        own = inputs / np.asarray(self.scale[:-1], inputs.dtype)
        # Edges come first: sums over them are sums over the leading axis.
        queries, keys = (jnp.moveaxis(self._split(own @ w), 1, 0) for w in self.weights)
        size = np.sqrt(queries.shape[-1])
        scores = jnp.sum(queries[edges.receivers] * keys[edges.senders], axis=-1) / size
        scores = scores + jnp.log(edges.weights)[:, None, None]
        top = jax.ops.segment_max(jax.lax.stop_gradient(scores), edges.receivers, edges.nodes)
        shares = jnp.exp(scores - top[edges.receivers])
        values = inputs[..., 0].T[:, :, None]
        total = jax.ops.segment_sum(shares, edges.receivers, edges.nodes)
        mixed = jax.ops.segment_sum(shares * values[edges.senders], edges.receivers, edges.nodes)
        return jnp.mean(mixed / total, axis=-1).T

    def _split(self, values: Array) -> Array:
        return values.reshape(*values.shape[:2], self.heads, -1)


def make_attention(
    channels: int,
    *,
    size: int,
    heads: int,
    deviation: float | None,
    scale: tuple[float, ...] | None,
    seed: int,
) -> AttentionNetwork:
    """Attention with random weights.

    Args:
        channels: inputs at every node.
        size, heads: h, and how many of them.
        deviation: of the weights; None: 1/√channels.
        scale: divides the inputs, (channels + 1,); None: ones.
        seed: the same seed gives the same bits.
    """
    random = np.random.default_rng(seed)
    spread = 1 / np.sqrt(channels) if deviation is None else deviation
    weights = tuple(
        jnp.asarray(random.normal(0.0, spread, (channels, heads * size))) for _ in range(2)
    )
    own = (1.0,) * (channels + 1) if scale is None else tuple(scale)
    return AttentionNetwork(weights, heads, own)
