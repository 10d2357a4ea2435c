"""From a task to a `NeuralMethod`: ansatz, features, penalties, and the first networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from pdesl.ir.evolution import to_evolution
from pdesl.lowering.devices import device_memory
from pdesl.lowering.embedding import make_embedding
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.neural_system import to_neural_system
from pdesl.lowering.places import Places
from pdesl.solvers.base import Task
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.networks import Network
from pdesl.solvers.neural_choices import chosen_ansatz, tangent_options
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions, RestartOptions
from pdesl.solvers.neural_method import ZERO, NeuralMethod, new_networks, root_mean_square
from pdesl.solvers.penalties import make_penalty
from pdesl.solvers.sampling import Purpose
from pdesl.solvers.velocity import (
    Velocity,
    bases_at,
    pack,
)

__all__ = ["initial_targets", "prepare"]

# Of a graphics processor's memory, for one linear solve.
SHARE = 0.25


def prepare(task: Task) -> NeuralMethod:
    options: NeuralIvpOptions = task.options
    span = task.time_span
    assert span is not None
    system = to_evolution(task.system)
    ansatz = chosen_ansatz(system, task.region, task.values, options)
    lower, upper = task.region.bounding_box()
    embedding = make_embedding(
        lower.tolist(), upper.tolist(), [c.periodic for c in system.problem.space],
        frequencies=options.frequencies, alpha=options.alpha, scale=options.scale,
        layers=options.layers,
    )  # fmt: skip
    rate = options.relaxation if options.relaxation is not None else 10.0 / (span[1] - span[0])
    penalties = tuple(
        make_penalty(p, system, task.values, weight=options.penalty, rate=rate)
        for p in ansatz.penalties
    )
    more = [(p.field, index) for p in penalties for index in p.jets]
    neural = to_neural_system(system, ansatz, embedding, task.values, more)
    neural = replace(neural, devices=task.devices)
    tangent = replace(tangent_options(options, task.values), devices=task.devices)
    held = device_memory()
    if held is not None and bind_nested("linear", options.linear, task.values).memory is None:
        tangent = replace(tangent, memory=max(tangent.memory, SHARE * held / 2.0**30))
    restarts = bind_nested("restarts", options.restarts, task.values)
    flat_shape = pack(new_networks(task, neural, 0))[1]
    velocity = Velocity(
        neural,
        penalties,
        flat_shape,
        tangent,
        np.dtype(options.numbers),
        np.full(len(neural.fields), tangent.regularisation),
    )
    found = NeuralMethod(
        task, system, ansatz, neural, velocity,
        restarts if isinstance(restarts, RestartOptions) else None, options.restarts.name,
        bind_nested("fit", options.fit, task.values), tangent, span,
        bind_nested("linear", options.linear, task.values).regularisation is not None,
        getattr(bind_nested("sampling", options.sampling, task.values), "share", None),
        options.sampling.name == "annealed",
    )  # fmt: skip
    found.neural = velocity.system = neural.with_references(_references(found))
    return found


def _references(method: NeuralMethod) -> list[Network | None]:
    """The first network of every field that a network of zero starts, None for the others."""
    points = method.draw(Purpose.CHECK, 0, 4 * method.options.samples)
    places, clock = jnp.asarray(points, method.dtype), method.velocity_of.clock(method.span[0])
    bases = np.asarray(bases_at(method.neural, places, clock), dtype=float)
    values = [np.asarray(target(points)) for target in initial_targets(method)]
    whole = max(map(root_mean_square, values)) or 1.0
    first = new_networks(method.task, method.neural, 0)
    return [
        network if entry.exact or root_mean_square(value - base) <= ZERO * whole else None
        for entry, network, value, base in zip(
            method.ansatz.fields, first, values, bases, strict=True
        )
    ]


def initial_targets(method: NeuralMethod) -> list[Callable[[np.ndarray], np.ndarray]]:
    """The initial values of every field of the evolution system."""
    system, task = method.system, method.task
    targets = []
    for name in system.fields:
        row = next(r for r in system.initial if r.linear[0].jet.field == name)

        def values(points: np.ndarray, row: Any = row) -> np.ndarray:
            times = np.full(len(points), method.span[0])
            (data,) = evaluate_at(
                [-row.forcing], system, Places(points, None, times), task.values, row
            )
            return np.broadcast_to(np.asarray(data, dtype=float), (len(points),))

        targets.append(values)
    return targets
