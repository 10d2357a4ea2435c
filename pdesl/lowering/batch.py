"""Values of a layered network at a whole batch of points, with the gradient by hand.

What a loss of nodal values needs: u at every node and, with time, ∂t u, and after the loss the
gradient with respect to the parameters. Compared with differentiating the evaluation itself,

- activations are laid out (width, points), the layout in which all three products of a layer,
  W ᵀh, W z̄ and h z̄ᵀ, are the fast kind on a CPU (with points first the last one takes twice as
  long), for which each weight matrix is transposed once and not in every product;
- points are taken in chunks that stay in cache, and only σ(z) and ∂t z of each layer are kept
  for the way back, where no product is done again.

Layer by layer, with z the input of an activation and a dot for the derivative along one input:

    h = σ(z),  ḣ = σ′(z) ż;    z̄ = σ′(z) h̄ + σ″(z) ż ḣ̄,  ż̄ = σ′(z) ḣ̄   (bars: cotangents).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.activations import activation_named
from pdesl.lowering.taylor import LayeredNetwork

__all__ = ["BATCH_CHUNK", "batch_jet"]

#: Points at a time; 192 to 256 measure best for widths of 30 to 50.
BATCH_CHUNK = 256


def batch_jet(
    network: LayeredNetwork, points: Array, axis: int | None = None, *, chunk: int = BATCH_CHUNK
) -> tuple[Array, ...]:
    """Values of the fields and, with an axis, their derivatives along that input.

    Args:
        network: a layered network (see `taylor.LayeredNetwork`) with at least one hidden layer.
        points: (n, inputs), constants: no derivative with respect to them is taken.
        axis: which input to differentiate along; None gives the values alone.
        chunk: most points at a time.

    Returns:
        (values,) or (values, derivatives), each (fields, n). Differentiable once, in reverse
        mode, with respect to the network.
    """
    count = points.shape[0]
    chunks = -(-count // chunk)
    size = -(-count // chunks)
    center = np.asarray(network.center).astype(points.dtype)
    scale = np.asarray(network.scale).astype(points.dtype)
    table = ((points - center) * scale).T
    padding = chunks * size - count
    if padding:
        table = jnp.concatenate([table, jnp.repeat(table[:, -1:], padding, axis=1)], axis=1)
    inputs = jnp.moveaxis(table.reshape(-1, chunks, size), 1, 0)
    slope = None if axis is None else (axis, float(network.scale[axis]))
    free = (tuple(network.weights), tuple(network.biases))
    outputs = _jet(network.activation, slope, free, jax.lax.stop_gradient(inputs))
    return tuple(jnp.moveaxis(o, 0, 1).reshape(o.shape[1], -1)[:, :count] for o in outputs)


Parameters = tuple[tuple[Array, ...], tuple[Array, ...]]
Slope = tuple[int, float] | None


def _forward(
    activation: str, slope: Slope, parameters: Parameters, inputs: Array
) -> tuple[tuple[Array, ...], Any]:
    """Outputs (chunks, fields, size), and z (or σ(z), see `from_value`) and ż of every layer."""
    weights, biases = parameters
    sigma = activation_named(activation).derivatives
    known = activation_named(activation).from_value
    # Behind a barrier, since the compiler otherwise folds a transposition into each product.
    turned = [jax.lax.optimization_barrier(weight.T) for weight in weights]

    def one_chunk(_: None, x: Array) -> tuple[None, Any]:
        z = turned[0] @ x + biases[0][:, None]
        dz = _first_slope(slope, weights[0])
        saved = []
        for k in range(1, len(weights)):
            h, *first = sigma(z, 0 if slope is None else 1)
            saved.append((z if known is None else h, dz))
            z = turned[k] @ h + biases[k][:, None]
            if first:
                dz = turned[k] @ (first[0] * dz)
        outputs = (z,) if slope is None else (z, dz)
        return None, (outputs, saved if slope is not None else [(z,) for z, _ in saved])

    return jax.lax.scan(one_chunk, None, inputs)[1]


def _first_slope(slope: Slope, weight: Array) -> Array:
    """ż of the first layer, the same at all points: (width, 1)."""
    return (
        jnp.zeros((1, 1), weight.dtype) if slope is None else (weight[slope[0]] * slope[1])[:, None]
    )


def _jet_value(
    activation: str, slope: Slope, parameters: Parameters, inputs: Array
) -> tuple[Array, ...]:
    return _forward(activation, slope, parameters, inputs)[0]


def _jet_forward(
    activation: str, slope: Slope, parameters: Parameters, inputs: Array
) -> tuple[tuple[Array, ...], Any]:
    outputs, saved = _forward(activation, slope, parameters, inputs)
    return outputs, (parameters, inputs, saved)


def _jet_backward(
    activation: str, slope: Slope, kept: Any, cotangents: tuple[Array, ...]
) -> tuple[Parameters, Array]:
    (weights, biases), inputs, saved = kept
    sigma = activation_named(activation).derivatives
    known = activation_named(activation).from_value
    ones = jnp.ones(inputs.shape[2], inputs.dtype)
    first_slope = _first_slope(slope, weights[0])

    def one_chunk(totals: Any, item: Any) -> tuple[Any, None]:
        x, layers, bars = item
        bar, dbar = bars[0], bars[-1]  # the same without slope, and the second then unused
        total_weights, total_biases, total_slope = totals
        for k in range(len(weights) - 1, 0, -1):
            kept_value = layers[k - 1][0]
            order = 1 if slope is None else 2
            h, s1, *s2 = (known or sigma)(kept_value, order)
            gradient = h @ bar.T
            total_biases[k] = total_biases[k] + bar @ ones
            back = s1 * (weights[k] @ bar)
            if s2:
                dz = first_slope if k == 1 else layers[k - 1][1]
                gradient = gradient + (s1 * dz) @ dbar.T
                dback = weights[k] @ dbar
                back, dbar = back + s2[0] * dz * dback, s1 * dback
            total_weights[k] = total_weights[k] + gradient
            bar = back
        total_weights[0] = total_weights[0] + x @ bar.T
        total_biases[0] = total_biases[0] + bar @ ones
        if slope is not None:
            total_slope = total_slope + dbar @ ones
        return (total_weights, total_biases, total_slope), None

    zeros = (
        [jnp.zeros_like(weight) for weight in weights],
        [jnp.zeros_like(bias) for bias in biases],
        jnp.zeros_like(biases[0]),
    )
    items = (inputs, saved, cotangents)
    (total_weights, total_biases, total_slope), _ = jax.lax.scan(one_chunk, zeros, items)
    if slope is not None:
        total_weights[0] = total_weights[0].at[slope[0]].add(slope[1] * total_slope)
    return (tuple(total_weights), tuple(total_biases)), jnp.zeros_like(inputs)


_jet = jax.custom_vjp(_jet_value, nondiff_argnums=(0, 1))
_jet.defvjp(_jet_forward, _jet_backward)
