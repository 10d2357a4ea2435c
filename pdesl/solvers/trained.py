"""What `dt_pinn` and `pinn` share: a network, a loss made of rows, an optimiser, a result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from pdesl.diagnostics import SolverError
from pdesl.lowering.cloud import Cloud
from pdesl.solvers.base import (
    Evaluate,
    Reporter,
    Snapshot,
    SolverResult,
    Task,
    TrainingReport,
    input_box,
)
from pdesl.solvers.keeping import Keeper
from pdesl.solvers.networks import Network, NetworkOptions, count_parameters, make_network
from pdesl.solvers.options import TrainedOptions
from pdesl.solvers.training import (
    CHECK,
    OPTIMISERS,
    Progress,
    Residuals,
    Stopping,
    StopReason,
    check_interval,
    minimise,
)
from pdesl.symbolic.options import bind

__all__ = ["make_evaluate", "new_network", "time_slices", "train"]

# Points evaluated at a time; one size, so that one program is compiled.
EVALUATION_CHUNK = 8192


def time_slices(task: Task) -> np.ndarray | None:
    """Equidistant times, both ends included; None for a steady problem."""
    span = task.time_span
    return None if span is None else np.linspace(*span, task.options.slices)


def new_network(task: Task) -> Network:
    """The untrained network of a task: one input a coordinate, one output a field."""
    options: TrainedOptions = task.options
    lower, upper = input_box(task)
    return make_network(
        NetworkOptions(options.width, options.depth, options.activation),
        lower,
        upper,
        len(task.system.fields),
        seed=options.seed,
        dtype=np.dtype(options.precision),
    )


@eqx.filter_jit
def _values(network: Network, points: Array) -> Array:
    return network(points)


def make_evaluate(network: Network, fields: tuple[str, ...]) -> Evaluate:
    """The network as a function of NumPy arrays, in chunks of one size."""
    dtype = network.weights[0].dtype

    def evaluate(inputs: np.ndarray) -> dict[str, np.ndarray]:
        inputs = np.atleast_2d(np.asarray(inputs, dtype=float))
        size = min(EVALUATION_CHUNK, max(1, 1 << (len(inputs) - 1).bit_length()))
        parts = []
        for start in range(0, len(inputs), size):
            part = inputs[start : start + size]
            padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            values = np.asarray(_values(network, jnp.asarray(padded, dtype)), dtype=float)
            parts.append(values[: len(part)])
        table = np.concatenate(parts) if parts else np.zeros((0, len(fields)))
        return {name: table[:, i] for i, name in enumerate(fields)}

    return evaluate


def train(
    task: Task,
    network: Network,
    loss: Callable[[Any, Any], tuple[Array, Mapping[str, Array]]],
    data: Any,
    cloud: Cloud,
    *,
    method: str,
    counts: Mapping[str, int],
    times: np.ndarray | None,
    reporter: Reporter,
    residuals: Residuals,
    notes: tuple[str, ...] = (),
    floor: Callable[[Network], float] | None = None,
    quality: Mapping[str, float] | None = None,
    mesh: Mesh | None = None,
) -> SolverResult:
    """Minimise the loss and put the result together.

    `residuals` are what the loss sums the squares of; `mesh` holds the data. `floor` gives, for a
    network, the loss below which training fits the error of the discretisation and not the
    solution; training ends there.

    Raises:
        ProblemError: an unknown optimiser option (E502 to E504).
        SolverError: a loss that is not finite (E701).
    """
    options: TrainedOptions = task.options
    choice = options.optimiser
    optimiser = bind(OPTIMISERS[choice.name], choice, values=task.values, what="optimiser")
    stopping = Stopping(
        iterations=options.iterations,
        seconds=options.seconds,
        decrease=options.decrease,
        window=options.window,
    )

    held = None if task.memory is None else task.memory.load()
    latest: Callable[[], Any] = lambda: network  # noqa: E731
    floors: list[float] = held["floors"].tolist() if held else []
    asked_at = float(held["asked_at"]) if held else math.inf
    keeper = Keeper(task.memory, options.checkpoint)
    if held:
        reporter.say(f"resumed after {int(held['counts'][0]):,} iterations")

    def keep(arrays: Callable[[], dict[str, np.ndarray]], must: bool) -> None:
        own = {"floors": np.array(floors), "asked_at": np.array(asked_at)}
        keeper.offer(lambda: {**arrays(), **own}, must=must)

    def callback(progress: Progress) -> bool:
        nonlocal asked_at, latest
        latest = progress.parameters
        reporter.train(
            TrainingReport(
                progress.iteration,
                progress.best_loss,
                progress.seconds,
                options.iterations,
                options.seconds,
                choice.name,
            )
        )
        # Only at fixed iterations, so that the result does not depend on the machine's speed.
        interval = check_interval(optimiser)
        if floor is None or progress.iteration % interval or progress.best_loss > 0.7 * asked_at:
            return False
        asked_at = progress.best_loss
        floors.append(floor(progress.parameters()))
        return progress.best_loss <= floors[-1]

    def monitor(progress: Progress) -> bool | None:
        assert task.monitor is not None
        present = make_evaluate(progress.parameters(), task.system.fields)
        return task.monitor.function(
            Snapshot(
                progress.iteration,
                progress.evaluations,
                progress.training_seconds,
                progress.cpu_seconds,
                progress.best_loss,
                present,
            )
        )

    with reporter.stage("training") as note:
        compiling = 0.0
        if floor is not None:
            begin = time.perf_counter()
            floor(network)  # compiled here, so that no clock of the training counts it
            compiling = time.perf_counter() - begin
        try:
            result = minimise(
                loss,
                network,
                data,
                optimiser=optimiser,
                stopping=stopping,
                callback=callback,
                monitor=None if task.monitor is None else monitor,
                every=CHECK if task.monitor is None else task.monitor.every,
                residuals=residuals,
                mesh=mesh,
                held=held,
                keep=keep,
            )
        except SolverError as error:
            raise _named(error, loss(network, data)[1], loss(latest(), data)[1]) from None
        if result.interrupted and not result.iterations:
            raise KeyboardInterrupt
        reason = str(result.stop_reason)
        if result.stop_reason is StopReason.CALLBACK and floors and result.loss <= floors[-1]:
            reason = "the residual has fallen to the error of the RBF-FD operators"
        note.text = f"{result.iterations:,} iterations, {reason}"
    trained: Network = result.parameters
    parts = {name: float(value) for name, value in result.aux.items()}
    steps = np.arange(len(result.history.loss))
    arrays: dict[str, np.ndarray] = {}
    for number, (weight, bias) in enumerate(zip(trained.weights, trained.biases, strict=True)):
        arrays[f"layers/{number}/weight"] = np.asarray(weight)
        arrays[f"layers/{number}/bias"] = np.asarray(bias)
    attributes: dict[str, str | int | float] = {"kind": "layers", "activation": trained.activation}
    for name in ("center", "scale"):
        arrays[name] = np.asarray(getattr(trained, name))
    return SolverResult(
        method=method,
        evaluate=make_evaluate(trained, task.system.fields),
        cloud=cloud,
        arrays=arrays,
        attributes=attributes,
        history={
            "iteration": steps,
            "loss": result.history.loss,
            "gradient_norm": result.history.gradient_norm,
        },
        losses={
            "total": float(result.loss),
            **parts,
            **({"discretisation": floors[-1]} if floors else {}),
        },
        counts={
            "interior_nodes": len(cloud.interior),
            "boundary_nodes": len(cloud.boundary),
            "ghost_nodes": len(cloud.ghost),
            "parameters": count_parameters(eqx.filter(network, eqx.is_array)),
            "iterations": result.iterations,
            "evaluations": result.evaluations,
            "restarts": result.restarts,
            **counts,
        },
        stop_reason=reason,
        interrupted=result.interrupted,
        compile_seconds=result.compile_seconds + compiling,
        precision=options.precision,
        times=times,
        notes=notes,
        quality=quality or {},
    )


def _named(
    error: SolverError, first: Mapping[str, Array], best: Mapping[str, Array]
) -> SolverError:
    """An error of the training, with the parts of the loss that are not finite from the start.

    Where all were finite at first, the largest part of the best loss so far is named.
    """
    if error.code != "E701" or not first:
        return error
    wrong = [name for name, value in first.items() if not np.isfinite(float(value))]
    if wrong:
        message = f"{error.message}, in the part: {', '.join(wrong)}"
    else:
        largest = max(best, key=lambda name: float(best[name]))
        message = f"{error.message}; before it the part `{largest}` of the loss was largest"
    return SolverError(message, code=error.code, advice=error.advice)
