"""Layered networks that represent fields: construction, evaluation, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.diagnostics import SolverError
from pdesl.lowering.activations import activation_named

__all__ = ["Network", "NetworkOptions", "count_parameters", "make_network"]


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Shape of a multilayer perceptron.

    Attributes:
        width: units of a hidden layer.
        depth: hidden layers (Sharma and Shankar, "Accelerated training of physics-informed
            neural networks using meshless discretizations", 2022, use 4 layers of 50).
        activation: a name in `pdesl.lowering.activations.ACTIVATIONS`.
    """

    width: int = 50
    depth: int = 4
    activation: str = "tanh"

    def __post_init__(self) -> None:
        for name in ("width", "depth"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(
                    f"network {name} must be a whole number of at least 1, not {value!r}"
                )
        activation_named(self.activation)


class Network(eqx.Module):
    """u(x) = (… σ(x̂ W₀ + b₀) W₁ + …) W_L + b_L with x̂ = (x − center)·scale.

    The normalisation is part of the structure and is not trained. `weights[k]` has the shape
    (inputs, outputs) of its layer, so that a batch is multiplied from the right.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activation: str = eqx.field(static=True)
    center: tuple[float, ...] = eqx.field(static=True)
    scale: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, points: Array) -> Array:
        """Values (n, fields) at points (n, inputs)."""
        sigma = activation_named(self.activation)
        dtype = self.weights[0].dtype
        h = points
        # Products with zeros and ones would cost a pass over the points for nothing.
        if any(self.center):
            h = h - np.asarray(self.center, dtype)
        if any(s != 1.0 for s in self.scale):
            h = h * np.asarray(self.scale, dtype)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = sigma(h @ weight + bias)
        return h @ self.weights[-1] + self.biases[-1]

    @property
    def inputs(self) -> int:
        return self.weights[0].shape[0]

    @property
    def fields(self) -> int:
        return self.weights[-1].shape[1]


def make_network(
    options: NetworkOptions,
    lower: Sequence[float],
    upper: Sequence[float],
    fields: int = 1,
    *,
    seed: int,
    dtype: type[np.floating] | np.dtype = np.float64,
) -> Network:
    """A network with Glorot's initial weights and zero biases.

    W ~ N(0, 2/(inputs + outputs)) for each layer (X. Glorot, Y. Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", 2010, in its normal form).

    Args:
        options: width, depth, activation.
        lower, upper: bounding box of the inputs, mapped to [−1, 1] in every input.
        fields: number of outputs.
        seed: the same seed gives the same bits, on any machine.
        dtype: numpy.float32 or numpy.float64.

    Raises:
        ValueError: an empty box, no field, or another dtype.
        SolverError: E720 when float64 is asked for while JAX works in float32.
    """
    low, high = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
    if low.shape != high.shape or low.ndim != 1 or not low.size:
        raise ValueError(
            f"the box of a network needs two equally long corners, not {lower!r} and {upper!r}"
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ValueError(f"the box of a network must not be empty: {lower!r} to {upper!r}")
    if fields < 1:
        raise ValueError(f"a network has at least one field, not {fields}")
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"networks work in float32 or float64, not {kind}")
    if jax.dtypes.canonicalize_dtype(kind) != kind:
        raise SolverError(
            "a float64 network needs JAX to work in float64",
            code="E720",
            advice="set the environment variable JAX_ENABLE_X64=1 before Python starts",
        )
    # NumPy draws: no compilation, and float32 gets the rounded float64 weights of its seed.
    generator = np.random.default_rng(seed)
    sizes = [low.size, *[options.width] * options.depth, fields]
    weights, biases = [], []
    for inputs, outputs in pairwise(sizes):
        draw = generator.standard_normal((inputs, outputs)) * np.sqrt(2.0 / (inputs + outputs))
        weights.append(jnp.asarray(draw.astype(kind)))
        biases.append(jnp.asarray(np.zeros(outputs, kind)))
    return Network(
        weights=tuple(weights),
        biases=tuple(biases),
        activation=options.activation,
        center=tuple(float(c) for c in (low + high) / 2.0),
        scale=tuple(float(s) for s in 2.0 / (high - low)),
    )


def count_parameters(parameters: object) -> int:
    """How many numbers a pytree of arrays holds."""
    return sum(int(np.prod(np.shape(leaf))) for leaf in jax.tree.leaves(parameters))
