"""A finished course as a function of time and place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from pdesl.ir.system import System
from pdesl.lowering.neural_system import NeuralSystem
from pdesl.lowering.taylor import MultiIndex
from pdesl.solvers.base import Evaluate, Task
from pdesl.solvers.dense_output import DenseOutput
from pdesl.solvers.marching import Recording
from pdesl.solvers.neural_march import Course
from pdesl.solvers.velocity import Velocity, jets_at, rates_at
from pdesl.symbolic.functions import make_function, numpy_namespace

__all__ = ["make_evaluate", "solution_arrays"]

# Points evaluated at a time, in two sizes, so that few programs are compiled.
SMALL, CHUNK = 256, 4096


def make_evaluate(task: Task, system: System, velocity: Velocity, recording: Recording) -> Evaluate:
    """The fields of the problem at any time up to the last kept one.

    Between kept times values are interpolated, by Hermite's formula from u and ∂t u at their
    ends; parameters are not, since nothing controls them where the fields do not feel them.
    """
    axis = system.frame.time_axis
    assert axis is not None
    stated = task.system.fields
    number = {name: i for i, name in enumerate(system.fields)}
    eliminated = [name for name in stated if name not in number]
    formulas = [system.eliminated[name] for name in eliminated]
    needed = [j for j in system.space.jets(sympy.Tuple(*formulas)) if j.field in number]
    none = (0,) * len(system.space_symbols)
    jets = [(number[name], none) for name in stated if name in number]
    kept = len(jets)
    jets += [(number[j.field], system.space_orders(j)) for j in needed]
    symbols = [*system.space.coordinates, *(system.space.symbol(j) for j in needed)]
    function = make_function(formulas, [*symbols, *task.values], numpy_namespace())
    states: list[Any] = [
        (state, None, t) for state, t in zip(recording.states, recording.times, strict=True)
    ]
    slopes: list[Any] = [
        (state, slope, t)
        for state, slope, t in zip(recording.states, recording.slopes, recording.times, strict=True)
    ]
    solution = DenseOutput(np.array(recording.times), states, slopes)

    def evaluate(inputs: np.ndarray) -> dict[str, np.ndarray]:
        inputs = np.atleast_2d(np.asarray(inputs, dtype=float))
        places, times = np.delete(inputs, axis, axis=1), inputs[:, axis]

        def interpolate(rows: np.ndarray, chosen: Sequence[Any]) -> np.ndarray:
            return np.stack([_table(velocity, own, places[rows], jets) for own in chosen])

        table = np.zeros((len(jets), len(inputs)))
        if len(inputs):
            table = solution.evaluate(times, interpolate, len(jets))
        known = iter(table[:kept])
        with np.errstate(all="ignore"):
            made = function(*inputs.T, *table[kept:], *task.values.values())
        rest = iter(np.broadcast_to(np.asarray(m, float), times.shape) for m in made)
        return {name: next(known if name in number else rest) for name in stated}

    return evaluate


def _table(
    velocity: Velocity, own: tuple[np.ndarray, np.ndarray | None, float], points: np.ndarray,
    jets: Sequence[tuple[int, MultiIndex]],
) -> np.ndarray:  # fmt: skip
    """Jets (k, n) of a state, or of its rate of change where it comes with a slope."""
    state, slope, t = own
    networks, clock = velocity.networks(state), velocity.clock(t)
    directions = None if slope is None else velocity.networks(slope)
    parts = []
    for start in range(0, len(points), CHUNK):
        part = points[start : start + CHUNK]
        size = SMALL if len(part) <= SMALL else CHUNK
        padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        places = jnp.asarray(padded, velocity.dtype)
        if directions is None:
            found = jets_at(velocity.system, networks, places, clock, tuple(jets))
        else:
            found = rates_at(velocity.system, networks, directions, places, clock, tuple(jets))
        parts.append(np.asarray(found, dtype=float)[:, : len(part)])
    return np.concatenate(parts, axis=1)


def solution_arrays(
    system: NeuralSystem, velocity: Velocity, course: Course
) -> dict[str, np.ndarray]:
    """The networks at the end, by field and layer, and the log: what a result file keeps."""
    arrays: dict[str, np.ndarray] = {}
    for name, network in zip(system.fields, velocity.networks(course.state), strict=True):
        for number, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
            arrays[f"{name}/layers/{number}/weight"] = np.asarray(w)
            arrays[f"{name}/layers/{number}/bias"] = np.asarray(b)
    return arrays
