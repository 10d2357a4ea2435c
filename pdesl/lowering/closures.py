"""Networks of closures: pointwise, on a whole grid, or convolutional with circular padding.

Every network maps inputs (batch, places, channels) to values (batch, places):

- `mlp(…)`: the same perceptron at every place;
- `mlp(…, scope="grid")`: one perceptron on all places at once (H. Zhang, Y. Liu and R. Maulik,
  "Semi-implicit neural ordinary differential equations", 2024, section 5.2);
- `convolution(…)`: a stack of circular convolutions, the same at every point of a periodic grid.

Each input is divided by a fixed scale, its root mean square over the data, and the result is
multiplied by that of the rates of change, over what a closure of size one adds to them.
"""

from __future__ import annotations

import itertools
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.activations import activation_named
from pdesl.lowering.attention import Edges
from pdesl.lowering.products import product

__all__ = ["ClosureNetwork", "make_closure_network"]

# Convolutions with so many points are sums over neighbours, wider ones products in Fourier space.
WIDEST_SUM = 16


class ClosureNetwork(eqx.Module):
    """Layers W, b of a network, with what is not trained.

    `kind` is `point`, `grid` or `convolution`; `scale` divides the inputs, and its last entry
    multiplies the result, (channels + 1,); `shape` are the points along every axis of the grid,
    `width` those of a convolution's window.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    kind: str = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    scale: tuple[float, ...] = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    width: int = eqx.field(static=True)

    def __call__(self, inputs: Array, edges: Edges | None = None) -> Array:
        """Values (batch, places) of inputs (batch, places, channels); `edges` serve attention."""
        del edges
        dtype = self.weights[0].dtype
        h = inputs / np.asarray(self.scale[:-1], dtype)
        if self.kind == "grid":
            h = jnp.swapaxes(h, 1, 2).reshape(len(h), -1)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self.kind == "grid":
                h = product(h, weight) + bias
            elif self.kind != "convolution":
                h = h @ weight + bias
            elif self.width ** len(self.shape) <= WIDEST_SUM:
                h = self._windows(h) @ weight + bias
            else:
                h = self._in_fourier_space(h, weight) + bias
            if number + 1 < len(self.weights):
                h = _activate(self.activation, h)
        return self.scale[-1] * (h if self.kind == "grid" else h[..., 0])

    def _offsets(self) -> list[tuple[int, ...]]:
        reach = self.width // 2
        return list(itertools.product(range(-reach, reach + 1), repeat=len(self.shape)))

    def _in_fourier_space(self, h: Array, weight: Array) -> Array:
        """Σ_o h_{i + o} W_o as a product of transforms, for wide windows."""
        batch, _, channels = h.shape
        axes = tuple(range(1, 1 + len(self.shape)))
        modes = jnp.fft.rfftn(h.reshape(batch, *self.shape, channels), axes=axes)
        places = tuple(np.array([-o for o in line]) for line in zip(*self._offsets(), strict=True))
        kernel = jnp.zeros((*self.shape, channels, weight.shape[-1]), weight.dtype)
        # Of a window wider than the grid, several weights meet at one place.
        places = tuple(p % n for p, n in zip(places, self.shape, strict=True))
        kernel = kernel.at[places].add(weight.reshape(-1, channels, weight.shape[-1]))
        table = jnp.fft.rfftn(kernel, axes=tuple(range(len(self.shape))))
        found = jnp.einsum("b...c,...cd->b...d", modes, table)
        values = jnp.fft.irfftn(found, s=self.shape, axes=axes)
        return values.reshape(batch, -1, weight.shape[-1])

    def _windows(self, h: Array) -> Array:
        """Every place with its neighbours, (batch, places, widthᵈ · channels)."""
        batch, _, channels = h.shape
        table = h.reshape(batch, *self.shape, channels)
        axes = tuple(range(1, 1 + len(self.shape)))
        moved = [jnp.roll(table, tuple(-o for o in offset), axes) for offset in self._offsets()]
        return jnp.concatenate(moved, axis=-1).reshape(batch, h.shape[1], -1)


def _activate(name: str, h: Array) -> Array:
    return jax.nn.relu(h) if name == "relu" else activation_named(name)(h)


def make_closure_network(
    kind: str,
    channels: int,
    hidden: tuple[int, ...],
    activation: str,
    *,
    shape: tuple[int, ...],
    width: int = 5,
    deviation: float | None = None,
    scale: tuple[float, ...] | None = None,
    seed: int,
) -> ClosureNetwork:
    """A network with random weights and zero biases.

    W ~ N(0, deviation²), by default He's 2/inputs of each layer (K. He et al., "Delving deep into
    rectifiers", 2015), the last layer's a tenth of that, so that the closure starts small.

    Args:
        kind: `point`, `grid` or `convolution`.
        channels: inputs at every place.
        hidden: units of the hidden layers.
        shape: points along every axis of the grid; (places,) where there is no grid.
        width: points of a convolution's window along each axis, odd.
        deviation: of the weights; None: by their number.
        scale: divides the inputs, and multiplies the result, (channels + 1,); None: ones.
        seed: the same seed gives the same bits.
    """
    places = int(np.prod(shape))
    first, last = (channels * places, places) if kind == "grid" else (channels, 1)
    window = width ** len(shape) if kind == "convolution" else 1
    random = np.random.default_rng(seed)
    weights: list[Any] = []
    sizes = (first, *hidden, last)
    for number, (a, b) in enumerate(pairwise(sizes)):
        inputs = a * window
        size = np.sqrt(2.0 / inputs) if deviation is None else deviation
        if deviation is None and number + 2 == len(sizes):
            size *= 0.1
        weights.append(jnp.asarray(random.normal(0.0, size, (inputs, b))))
    biases = tuple(jnp.zeros(b) for b in sizes[1:])
    own = (1.0,) * (channels + 1) if scale is None else tuple(scale)
    return ClosureNetwork(tuple(weights), biases, kind, activation, own, tuple(shape), width)
