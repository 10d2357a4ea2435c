"""A solution as a function of its coordinates that a file can hold and another process rebuild.

Three kinds keep what the method itself evaluates, and lose nothing: `layers` (a network),
`features` (random features), `interpolant` (nodal values with local interpolants). What any other
method gives is kept as `samples`: nodal values at many times, interpolated in space by polyharmonic
splines and in time by local polynomials; how far that is from the values of the method is measured
when it is made.

Every kind gives derivatives of the fields, as NumPy arrays and through JAX.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from pdesl.lowering.interpolant import NodalInterpolant
from pdesl.lowering.rbffd import stencil_nodes
from pdesl.run.grid_samples import GridSamples, on_grid
from pdesl.run.time_samples import MOST_MOMENTS, MOST_TIMES, sample_times, time_weights
from pdesl.solvers.features import Features
from pdesl.solvers.networks import Network

if TYPE_CHECKING:
    from pdesl.ir.system import System
    from pdesl.solvers.base import Evaluate, SolverResult, Task

__all__ = ["KINDS", "Representation", "Samples", "at_times", "rebuild", "represent"]

Orders = tuple[int, ...]
"""How often each coordinate is differentiated."""

CHUNK = 8192  # points evaluated at once
DEGREES = {1: 9, 2: 6, 3: 5}  # of the polynomials of samples, by dimension of space
TOGETHER = 400_000  # points at which a method is evaluated at once
CHECKED = 2000  # points at which samples are compared with the method's own values


class Representation(ABC):
    """Fields u_f of D coordinates, those of the problem in its order."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """A name in `KINDS`."""

    @abstractmethod
    def arrays(self) -> Mapping[str, NDArray]:
        """What `rebuild` needs, by path."""

    @abstractmethod
    def attributes(self) -> Mapping[str, str | int | float]:
        """What `rebuild` needs beside the arrays."""

    @abstractmethod
    def derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        """∂^orders of every field at inputs (n, D), as (fields, n).

        Raises:
            SolverError: E713 a derivative beyond the smoothness of an interpolant.
        """

    @abstractmethod
    def traced(self, inputs: Array) -> Array:
        """Values (…, fields) at inputs (…, D), to be transformed by JAX."""

    def values(self, inputs: NDArray) -> NDArray:
        """Every field at inputs (n, D), as (fields, n)."""
        return self.derivative(inputs, (0,) * inputs.shape[1])


def _in_chunks(function: Callable[[NDArray], NDArray], inputs: NDArray, fields: int) -> NDArray:
    found = np.empty((fields, len(inputs)))
    for start in range(0, len(inputs), CHUNK):
        part = slice(start, start + CHUNK)
        found[:, part] = function(inputs[part])
    return found


# -- networks ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layers(Representation):
    """A network, u = network(x)."""

    weights: tuple[NDArray, ...]
    biases: tuple[NDArray, ...]
    activation: str
    center: tuple[float, ...]
    scale: tuple[float, ...]

    @property
    def kind(self) -> str:
        return "layers"

    def arrays(self) -> Mapping[str, NDArray]:
        found: dict[str, NDArray] = {}
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found[f"layers/{number}/weight"] = weight
            found[f"layers/{number}/bias"] = bias
        return found | {"center": np.array(self.center), "scale": np.array(self.scale)}

    def attributes(self) -> Mapping[str, str | int | float]:
        return {"activation": self.activation}

    def network(self) -> Network:
        return Network(
            tuple(jnp.asarray(w) for w in self.weights),
            tuple(jnp.asarray(b) for b in self.biases),
            self.activation,
            self.center,
            self.scale,
        )

    def derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        dtype = self.weights[0].dtype
        # A file of float64 weights is evaluated in float64 whatever JAX is set to.
        with jax.enable_x64(dtype == np.float64):
            network = self.network()

            def function(part: NDArray) -> NDArray:
                size = min(CHUNK, 1 << max(len(part) - 1, 0).bit_length())
                padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
                values = _network_derivative(network, padded.astype(dtype), orders)
                return np.asarray(values, float)[: len(part)].T

            return _in_chunks(function, inputs, self.weights[-1].shape[1])

    def traced(self, inputs: Array) -> Array:
        return self.network()(inputs)


@eqx.filter_jit
def _network_derivative(network: Network, points: NDArray, orders: Orders) -> Array:
    """∂^orders of a network at points (n, D), one forward derivative inside the other."""
    function: Callable[[Array], Array] = network
    for axis, order in enumerate(orders):
        for _ in range(order):
            function = partial(_along, function, axis)
    return function(jnp.asarray(points))


def _along(function: Callable[[Array], Array], axis: int, x: Array) -> Array:
    direction = jnp.zeros_like(x).at[:, axis].set(1.0)
    return jax.jvp(function, (x,), (direction,))[1]


@dataclass(frozen=True)
class FeatureWindows(Representation):
    """Random features, one set for each window of time.

    weights (W, D, M), biases (W, M), coefficients (W, fields, M), centres (W, D), ends (W,).
    """

    weights: NDArray
    biases: NDArray
    coefficients: NDArray
    centres: NDArray
    ends: NDArray
    activation: str
    time_axis: int

    @property
    def kind(self) -> str:
        return "features"

    def arrays(self) -> Mapping[str, NDArray]:
        return {
            "weights": self.weights,
            "biases": self.biases,
            "coefficients": self.coefficients,
            "centres": self.centres,
            "window_ends": self.ends,
        }

    def attributes(self) -> Mapping[str, str | int | float]:
        return {"activation": self.activation}

    def derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        windows = (
            np.zeros(len(inputs), dtype=int)
            if self.time_axis < 0
            else self.ends[:-1].searchsorted(inputs[:, self.time_axis])
        )
        found = np.empty((self.coefficients.shape[1], len(inputs)))
        for number in range(len(self.ends)):
            members = np.flatnonzero(windows == number)
            features = Features(
                self.weights[number], self.biases[number], self.centres[number], self.activation
            )
            powers = features.powers(orders)
            for start in range(0, len(members), CHUNK):
                part = members[start : start + CHUNK]
                table = features.derivatives(inputs[part], sum(orders))[-1] * powers
                found[:, part] = self.coefficients[number] @ table.T
        return found

    def traced(self, inputs: Array) -> Array:
        sigma = {"tanh": jnp.tanh, "sin": jnp.sin}[self.activation]
        arrays = (self.weights, self.biases, self.coefficients, self.centres)
        weights, biases, coefficients, centres = (jnp.asarray(a) for a in arrays)
        if len(self.ends) == 1:
            hidden = sigma((inputs - centres[0]) @ weights[0] + biases[0])
            return hidden @ coefficients[0].T
        own = jnp.searchsorted(jnp.asarray(self.ends[:-1]), inputs[..., self.time_axis])
        shifted = inputs - centres[own]
        hidden = sigma(jnp.einsum("...d,...dm->...m", shifted, weights[own]) + biases[own])
        return jnp.einsum("...m,...fm->...f", hidden, coefficients[own])


# -- nodal values --------------------------------------------------------------------------


@dataclass(frozen=True)
class Interpolant(Representation):
    """Nodal values of a steady solution with the interpolants that `rbf_fd` evaluates."""

    function: NodalInterpolant

    @property
    def kind(self) -> str:
        return "interpolant"

    def arrays(self) -> Mapping[str, NDArray]:
        return self.function.arrays()

    def attributes(self) -> Mapping[str, str | int | float]:
        return {"degree": self.function.degree, "centres": self.function.centres}

    def derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        return self.function(inputs, orders)

    def traced(self, inputs: Array) -> Array:
        return _called_back(self, len(self.function.values), (0,) * inputs.shape[-1], inputs)


@dataclass(frozen=True)
class Samples(Representation):
    """Nodal values (T, fields, M) at times (T,) and points (M, d); one time for a steady problem.

    Between the points the polynomials of `GridSamples` on a grid, else the splines of
    `NodalInterpolant`; between the times the polynomial through the nearest
    `run.time_samples.TIME_STENCIL` of them.
    """

    points: NDArray
    table: NDArray
    times: NDArray
    periods: tuple[float | None, ...]
    degree: int
    time_axis: int

    @property
    def kind(self) -> str:
        return "samples"

    def arrays(self) -> Mapping[str, NDArray]:
        return {
            "samples/points": self.points,
            "samples/values": self.table,
            "samples/times": self.times,
            "samples/periods": np.array([math.inf if p is None else p for p in self.periods]),
        }

    def attributes(self) -> Mapping[str, str | int | float]:
        return {"degree": self.degree}

    @cached_property
    def function(self) -> NodalInterpolant | GridSamples:
        values = self.table.reshape(-1, len(self.points))
        grid = on_grid(self.points, values, self.periods)
        if grid is not None:
            return grid
        return NodalInterpolant(self.points, values, degree=self.degree, periods=self.periods)

    def derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        return _in_chunks(partial(self._derivative, orders=orders), inputs, self.table.shape[1])

    def _derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        if self.time_axis < 0:
            return self.function(inputs, orders)
        axis = self.time_axis
        places = np.delete(inputs, axis, axis=1)
        own, back = np.unique(places, axis=0, return_inverse=True)
        table = self.table  # of a problem in time alone: at the one place that there is
        if places.shape[1]:
            table = self.function(own, tuple(np.delete(orders, axis).tolist()))
            table = table.reshape(*self.table.shape[:2], len(own))
        first, weights = time_weights(self.times, inputs[:, axis], int(orders[axis]))
        found = np.zeros((self.table.shape[1], len(inputs)))
        for k in range(weights.shape[1]):
            found += weights[:, k] * table[first + k, :, back.ravel()].T
        return found

    def traced(self, inputs: Array) -> Array:
        return _called_back(self, self.table.shape[1], (0,) * inputs.shape[-1], inputs)


def _called_back(function: Representation, fields: int, orders: Orders, inputs: Array) -> Array:
    """A derivative that NumPy computes, with its own derivatives for JAX."""

    @jax.custom_jvp
    def value(x: Array) -> Array:
        def compute(array: Any) -> NDArray:
            rows = np.asarray(array, float).reshape(-1, array.shape[-1])
            found = function.derivative(rows, orders).T
            return found.reshape(*array.shape[:-1], fields).astype(array.dtype)

        shape = jax.ShapeDtypeStruct((*x.shape[:-1], fields), x.dtype)
        return jax.pure_callback(compute, shape, x, vmap_method="expand_dims")

    @value.defjvp
    def slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), (direction,) = primals, tangents
        total = 0.0
        for axis in range(x.shape[-1]):
            raised = tuple(order + (axis == k) for k, order in enumerate(orders))
            part = _called_back(function, fields, raised, x)
            total = total + part * direction[..., axis : axis + 1]
        return value(x), total  # pyright: ignore[reportReturnType]

    return value(inputs)


@dataclass(frozen=True)
class Shifted(Representation):
    """Another representation with constants (fields,) added to its fields."""

    inner: Representation
    constants: NDArray

    @property
    def kind(self) -> str:
        return self.inner.kind

    def arrays(self) -> Mapping[str, NDArray]:
        return {**self.inner.arrays(), "constants": self.constants}

    def attributes(self) -> Mapping[str, str | int | float]:
        return self.inner.attributes()

    def derivative(self, inputs: NDArray, orders: Orders) -> NDArray:
        found = self.inner.derivative(inputs, orders)
        return found if any(orders) else found + self.constants[:, None]

    def traced(self, inputs: Array) -> Array:
        return self.inner.traced(inputs) + jnp.asarray(self.constants)


# -- making and rebuilding -----------------------------------------------------------------


def _layers(arrays: Mapping[str, NDArray], own: Mapping[str, Any], axis: int) -> Layers:
    count = len({name.split("/")[1] for name in arrays if name.startswith("layers/")})
    return Layers(
        tuple(np.asarray(arrays[f"layers/{k}/weight"]) for k in range(count)),
        tuple(np.asarray(arrays[f"layers/{k}/bias"]) for k in range(count)),
        str(own["activation"]),
        tuple(float(c) for c in arrays["center"]),
        tuple(float(s) for s in arrays["scale"]),
    )


def _features(arrays: Mapping[str, NDArray], own: Mapping[str, Any], axis: int) -> FeatureWindows:
    return FeatureWindows(
        weights=np.asarray(arrays["weights"]),
        biases=np.asarray(arrays["biases"]),
        coefficients=np.asarray(arrays["coefficients"]),
        centres=np.asarray(arrays["centres"]),
        ends=np.asarray(arrays["window_ends"]),
        activation=str(own["activation"]),
        time_axis=axis,
    )


def _interpolant(arrays: Mapping[str, NDArray], own: Mapping[str, Any], axis: int) -> Interpolant:
    return Interpolant(
        NodalInterpolant.rebuild(arrays, degree=int(own["degree"]), centres=int(own["centres"]))
    )


def _samples(arrays: Mapping[str, NDArray], own: Mapping[str, Any], axis: int) -> Samples:
    return Samples(
        np.asarray(arrays["samples/points"]),
        np.asarray(arrays["samples/values"]),
        np.asarray(arrays["samples/times"]),
        tuple(float(p) if np.isfinite(p) else None for p in arrays["samples/periods"]),
        int(own["degree"]),
        axis,
    )


Rebuild = Callable[[Mapping[str, NDArray], Mapping[str, Any], int], Representation]

KINDS: Mapping[str, Rebuild] = MappingProxyType(
    {
        "layers": _layers,
        "features": _features,
        "interpolant": _interpolant,
        "samples": _samples,
    }
)
"""How each kind is rebuilt from its arrays, its attributes and the axis of time, or −1."""


def rebuild(
    kind: str, arrays: Mapping[str, NDArray], attributes: Mapping[str, Any], time_axis: int
) -> Representation:
    """The function that arrays and attributes describe, `time_axis` −1 without time.

    Raises:
        KeyError: an unknown kind, or something that is missing.
    """
    made = KINDS[kind](arrays, attributes, time_axis)
    if "constants" in arrays:
        return Shifted(made, np.asarray(arrays["constants"]))
    return made


def represent(task: Task, result: SolverResult) -> tuple[Representation, dict[str, float]]:
    """The function of a result, and by field how far it is from the result's own values.

    The distance is max |difference| over the largest value, at random points of the domain; it is
    zero for the kinds that keep what the method evaluates.
    """
    axis = task.system.frame.time_axis
    kind = result.attributes.get("kind")
    exact = dict.fromkeys(task.system.fields, 0.0)
    if kind in KINDS:
        return rebuild(
            str(kind), result.arrays, result.attributes, -1 if axis is None else axis
        ), exact
    from pdesl.lowering.cloud import make_test_points
    from pdesl.lowering.places import join_time

    made = _sampled(task, result)
    points = np.asarray(make_test_points(task.region, CHECKED, task.options.seed + 5))
    span = task.time_span
    random = np.random.default_rng(task.options.seed + 5)
    times = None if span is None else random.uniform(*span, len(points))
    inputs = join_time(task.system, points, times)
    own, kept = result.evaluate(inputs), made.values(inputs)
    for number, name in enumerate(task.system.fields):
        size = float(np.max(np.abs(own[name])))
        exact[name] = float(np.max(np.abs(kept[number] - own[name]))) / (size or 1.0)
    return made, exact


def at_times(
    evaluate: Evaluate, system: System, points: NDArray, times: NDArray
) -> dict[str, NDArray]:
    """Fields at points (n, d) and times (T,), each (T, n), many times at once.

    A method of lines interpolates in space once for all of the times that it is asked for.
    """
    from pdesl.lowering.places import join_time

    together = max(1, TOGETHER // len(points))
    parts: dict[str, list[NDArray]] = {name: [] for name in system.fields}
    for start in range(0, len(times), together):
        some = times[start : start + together]
        inputs = join_time(system, np.tile(points, (len(some), 1)), np.repeat(some, len(points)))
        for name, values in evaluate(inputs).items():
            parts[name].append(values.reshape(len(some), len(points)))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def _sampled(task: Task, result: SolverResult) -> Samples:
    system, span, points = task.system, task.time_span, result.cloud.evaluation
    count, dimension = points.shape
    fields = len(system.fields)
    most = MOST_TIMES if dimension else MOST_MOMENTS
    times = np.zeros(1) if span is None else sample_times(result.times, span, count * fields, most)
    if span is None:
        known = result.evaluate(points)
        table = np.stack([known[name] for name in system.fields])[None]
    else:
        found = at_times(result.evaluate, system, points, times)
        table = np.stack([found[name] for name in system.fields], axis=1)
    degree = DEGREES.get(dimension, 3)
    while dimension and degree > 1 and stencil_nodes(degree, dimension) > count / 2:
        degree -= 1
    periods = tuple(task.periods or [None] * dimension)
    axis = system.frame.time_axis
    return Samples(points, table, times, periods, degree, -1 if axis is None else axis)
