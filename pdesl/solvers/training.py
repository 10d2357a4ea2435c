"""Minimise a loss over the parameters of a network, in compiled blocks of iterations.

A block is one compiled program of up to `CHECK` iterations; between blocks Python reports,
listens and decides. What decides about stopping is looked at every `CHECK` iterations only, so
that a result never depends on how fast the machine is (unless a time limit asks for that).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from pdesl.diagnostics import SolverError
from pdesl.lowering.devices import agreed, everywhere, replicated
from pdesl.solvers.adam import Adam, make_adam_block, start_adam
from pdesl.solvers.broyden import SSBroyden
from pdesl.solvers.gauss_newton import (
    LevenbergMarquardt,
    Residuals,
    make_damped_block,
    start_damped,
)
from pdesl.solvers.keeping import held_interrupts
from pdesl.solvers.lbfgs import LBFGS
from pdesl.solvers.quasi_newton import (
    MEMORY_FULL,
    NOT_FINITE,
    RUNNING,
    QuasiNewtonState,
    make_block,
    restarted,
    start_state,
)
from pdesl.solvers.training_log import Clock, History, Log
from pdesl.solvers.training_state import best_of, state_of_arrays, state_to_arrays

__all__ = [
    "CHECK",
    "OPTIMISERS",
    "Adam",
    "History",
    "LBFGS",
    "LevenbergMarquardt",
    "Optimiser",
    "Progress",
    "Residuals",
    "SSBroyden",
    "StopReason",
    "Stopping",
    "TrainingResult",
    "check_interval",
    "minimise",
]

#: Iterations between two decisions about stopping; the most of one block.
CHECK = 50
#: The same for Levenberg-Marquardt, whose iterations are few and each worth many.
DAMPED_CHECK = 5

Optimiser = LBFGS | SSBroyden | Adam | LevenbergMarquardt
Loss = Callable[[Any, Any], tuple[Array, Any]]

#: Every optimiser by the name that files and commands use, with the class of its options.
OPTIMISERS: dict[str, type[LBFGS] | type[SSBroyden] | type[Adam] | type[LevenbergMarquardt]] = {
    "lbfgs": LBFGS,
    "ssbroyden": SSBroyden,
    "adam": Adam,
    "levenberg_marquardt": LevenbergMarquardt,
}


def check_interval(optimiser: Optimiser) -> int:
    """Iterations between two decisions about stopping."""
    return DAMPED_CHECK if isinstance(optimiser, LevenbergMarquardt) else CHECK


class StopReason(StrEnum):
    """Why a training ended; the value is the sentence for the user."""

    LOSS = "the loss reached its target"
    DECREASE = "the loss hardly decreases any more"
    GRADIENT = "the gradient vanishes"
    ITERATIONS = "all iterations are used"
    SECONDS = "the time is used up"
    LINE_SEARCH = "no step along the search direction decreases the loss"
    CALLBACK = "stopped by the caller"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a training ends, by the loss alone.

    Attributes:
        iterations: most iterations.
        seconds: most wall-clock seconds, compilation included; None sets no limit. With a limit
            the result depends on the speed of the machine.
        decrease: stop when the best loss fell by less than this fraction of itself during the
            last `window` iterations; 0 switches that off.
        window: iterations over which `decrease` is measured.
        gradient: stop when the norm of the gradient is at most this.
        loss: stop when the loss is at most this; None sets no target.
        reduction: stop when the loss is at most this fraction of the first one; 0 switches that
            off. A residual 1e-5 of its start is a loss of 1e-10.
    """

    iterations: int = 20_000
    seconds: float | None = None
    decrease: float = 0.1
    window: int = 500
    gradient: float = 0.0
    loss: float | None = None
    reduction: float = 0.0

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f"iterations must be at least 1, not {self.iterations!r}")
        if self.seconds is not None and not self.seconds > 0.0:
            raise ValueError(f"the time limit must be positive, not {self.seconds!r}")
        if not 0.0 <= self.decrease < 1.0:
            raise ValueError(f"the decrease must lie in [0, 1), not {self.decrease!r}")
        if self.window < 1:
            raise ValueError(f"the window must be at least 1 iteration, not {self.window!r}")
        if not 0.0 <= self.reduction < 1.0:
            raise ValueError(f"the reduction must lie in [0, 1), not {self.reduction!r}")
        if not self.gradient >= 0.0:
            raise ValueError(f"the norm of a gradient is not negative: {self.gradient!r}")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a callback learns between two blocks; `parameters()` are the best ones so far.

    `seconds` is wall-clock time, compilation included; `training_seconds` and `cpu_seconds` (of
    all threads) leave compilation out. None of them counts time spent in a monitor.
    """

    iteration: int
    evaluations: int
    loss: float
    best_loss: float
    gradient_norm: float
    seconds: float
    training_seconds: float
    cpu_seconds: float
    parameters: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The parameters with the lowest loss met, and how they were found.

    Attributes:
        parameters: a pytree like the one given.
        loss, aux: of these parameters.
        iterations, evaluations: how many were done; one evaluation is a loss with its gradient.
        stop_reason: why it ended.
        seconds: wall-clock time, compilation included, a monitor's own time left out.
        compile_seconds: the part that went into compilation.
        restarts: how often curvature was forgotten after a failed line search.
    """

    parameters: Any
    loss: float
    aux: Any
    history: History
    iterations: int
    evaluations: int
    stop_reason: StopReason
    seconds: float
    compile_seconds: float
    restarts: int

    @property
    def interrupted(self) -> bool:
        return self.stop_reason is StopReason.INTERRUPTED


class _Flattening:
    """A pytree of floating-point arrays as one vector, and back."""

    def __init__(self, tree: Any) -> None:
        leaves, self.structure = jax.tree.flatten(tree)
        for leaf in leaves:
            if not eqx.is_inexact_array_like(leaf):
                raise TypeError(f"parameters are floating-point arrays, not {leaf!r}")
        if not leaves:
            raise TypeError("there are no parameters to train")
        arrays = [np.asarray(leaf) for leaf in leaves]
        self.shapes = [a.shape for a in arrays]
        self.dtypes = [a.dtype for a in arrays]
        self.dtype = np.result_type(*self.dtypes)
        self.start = np.concatenate([a.astype(self.dtype).ravel() for a in arrays])
        self.ends = np.cumsum([a.size for a in arrays])

    def tree(self, vector: Any) -> Any:
        leaves = [
            vector[end - math.prod(shape) : end].reshape(shape).astype(dtype)
            for end, shape, dtype in zip(self.ends.tolist(), self.shapes, self.dtypes, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)


class _Program:
    """Compiled blocks of one optimiser; a state of another shape compiles another one."""

    def __init__(
        self, block: Callable[[Any, Any, Array], Any], data: Any, mesh: Mesh | None = None
    ) -> None:
        self.mesh = mesh
        self.data, static = eqx.partition(jax.tree.map(_on_device, data), eqx.is_array)
        self.block = lambda state, arrays, stop_at: block(
            state, eqx.combine(arrays, static), stop_at
        )
        self.compiled: dict[Any, Any] = {}
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def __call__(self, state: Any, stop_at: int) -> Any:
        end = jnp.asarray(np.int32(stop_at))
        state, end = replicated((state, end), self.mesh)
        leaves, structure = jax.tree.flatten(state)
        key = (structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves))
        if key not in self.compiled:
            clock = Clock()
            # The state is donated: its large arrays are updated in place.
            out: Any = {} if self.mesh is None else {"out_shardings": everywhere(self.mesh)}
            jitted = jax.jit(self.block, donate_argnums=0, **out)
            self.compiled[key] = jitted.lower(state, self.data, end).compile()
            self.seconds += clock.seconds()
            self.cpu_seconds += clock.cpu_seconds()
        return jax.block_until_ready(self.compiled[key](state, self.data, end))


def _on_device(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf


def minimise(
    loss: Loss,
    parameters: Any,
    data: Any,
    *,
    optimiser: Optimiser | None = None,
    stopping: Stopping | None = None,
    callback: Callable[[Progress], bool | None] | None = None,
    report_seconds: float = 0.25,
    monitor: Callable[[Progress], bool | None] | None = None,
    every: int = CHECK,
    residuals: Residuals | None = None,
    mesh: Mesh | None = None,
    held: Mapping[str, np.ndarray] | None = None,
    keep: Callable[[Callable[[], dict[str, np.ndarray]], bool], None] | None = None,
) -> TrainingResult:
    """Minimise loss(parameters, data).

    Args:
        loss: returns (scalar, aux), where aux is a pytree of arrays for reports. Whatever large
            it reads belongs into `data`: arrays that it captures instead are compiled into the
            program, which then is found in no compilation cache.
        parameters: pytree of float32 or float64 arrays.
        data: pytree; its arrays are arguments of the compiled program.
        optimiser: options of one of `OPTIMISERS`; L-BFGS when left out.
        stopping: see `Stopping`.
        callback: called between blocks; returning True stops the training.
        report_seconds: about how long a block may last, as far as one iteration allows. It has
            no influence on the result.
        monitor: called every `every` iterations and at the end; its time counts nowhere.
            Returning True stops the training.
        every: iterations between two calls of the monitor.
        residuals: of the loss, for Levenberg-Marquardt.
        mesh: the devices that the data lie on, where there are several.
        held: arrays of a training that this one goes on from, to the same bits.
        keep: called between blocks with a function that returns such arrays, and whether they
            have to be saved now.

    Returns:
        The best parameters by loss. An interrupt from the keyboard ends the training at the end
        of its block with the best parameters and `interrupted` set; the caller decides.

    Raises:
        SolverError: E701 when the loss or its gradient is not finite, with the iteration.
        TypeError: parameters that are no floating-point arrays; Levenberg-Marquardt without
            residuals.
    """
    clock = Clock()
    optimiser = LBFGS() if optimiser is None else optimiser
    stopping = Stopping() if stopping is None else stopping
    flat = _Flattening(parameters)
    # From NumPy, and not from the caller's array: the state is donated.
    point = jnp.asarray(flat.start)

    def valued(point: Array, data: Any) -> tuple[Array, Any]:
        value, aux = loss(flat.tree(point), data)
        return value.astype(point.dtype), jax.lax.stop_gradient(aux)

    def evaluate(point: Array, data: Any) -> tuple[Array, Any, Array]:
        (value, aux), gradient = jax.value_and_grad(valued, has_aux=True)(point, data)
        return value, aux, gradient

    shapes = eqx.filter_eval_shape(lambda p, d: loss(p, d)[1], parameters, data)
    aux = jax.tree.map(lambda s: jnp.asarray(np.zeros(s.shape, s.dtype)), shapes)
    check = check_interval(optimiser)
    if isinstance(optimiser, LevenbergMarquardt):
        if residuals is None:
            raise TypeError("Levenberg-Marquardt needs the residuals of the loss")
        block = make_damped_block(
            optimiser,
            valued,
            lambda point, data: residuals.vector(flat.tree(point), data).astype(flat.dtype),
            lambda point, data: residuals.jacobian(flat.tree(point), data).astype(flat.dtype),
            check,
        )
        program = _Program(block, data, mesh)
        state: Any = start_damped(point, aux)
    elif isinstance(optimiser, Adam):
        program = _Program(make_adam_block(optimiser, evaluate, CHECK), data, mesh)
        state = start_adam(point, aux)
    else:
        program = _Program(make_block(evaluate, CHECK), data, mesh)
        memory = optimiser.make_memory(flat.start.size, jnp.dtype(flat.dtype))
        state = start_state(point, memory, aux)

    log = Log()
    safe = (flat.start, jax.tree.map(np.asarray, aux), math.inf)
    iteration = evaluations = restarts = 0
    last_restart = math.inf
    length = 1
    reason: StopReason | None = None
    if held:
        state, log = state_of_arrays(state, held), Log.from_arrays(held)
        iteration, evaluations, restarts = map(int, held["counts"])
        last_restart, *used = map(float, held["numbers"])
        clock.set_back(*used)
        safe = best_of(state)

    def arrays() -> dict[str, np.ndarray]:
        return {
            **state_to_arrays(state),
            **log.to_arrays(),
            "counts": np.array([iteration, evaluations, restarts]),
            "numbers": np.array([last_restart, clock.seconds(), clock.cpu_seconds()]),
        }

    def progress() -> Progress:
        best = safe[0]
        return Progress(
            iteration,
            evaluations,
            float(log.rows[-1][-1, 0]),
            safe[2],
            float(log.rows[-1][-1, 1]),
            clock.seconds(),
            clock.seconds() - program.seconds,
            clock.cpu_seconds() - program.cpu_seconds,
            lambda: flat.tree(best),
        )

    def monitored() -> bool:
        """Let the monitor look; whether it asks to stop."""
        nonlocal seen
        if monitor is None or iteration == seen:
            return False
        seen = iteration
        now = progress()
        with clock.paused():
            return bool(monitor(now))

    seen = iteration
    with held_interrupts() as asked:
        try:
            while reason is None:
                goal = min(
                    (iteration // check + 1) * check, iteration + length, stopping.iterations
                )
                if monitor is not None:
                    goal = min(goal, (iteration // every + 1) * every)
                before, compiling = clock.seconds(), program.seconds
                state, records = program(state, goal)
                after = clock.seconds()
                before += program.seconds - compiling
                done = int(state.iteration) - iteration
                log.append(np.asarray(records)[:done].astype(np.float64), before, after)
                iteration += done
                evaluations = int(state.evaluations)
                status = int(state.status)
                safe = best_of(state)
                if status == NOT_FINITE:
                    raise _not_finite(iteration - 1)
                # Faster or slower blocks change when Python is asked, never what is computed.
                pace = agreed(report_seconds / max(after - before, 1e-6), mesh)
                length = max(1, min(check, int(done * min(pace, 8.0))))
                if callback is not None and done and callback(progress()):
                    reason = StopReason.CALLBACK
                if iteration % every == 0 and monitored():
                    reason = reason or StopReason.CALLBACK
                if status == MEMORY_FULL:
                    state = eqx.tree_at(
                        lambda s: (s.memory, s.status), state,
                        (state.memory.enlarged(), jnp.full((), RUNNING, jnp.int32)),
                    )  # fmt: skip
                elif status != RUNNING:
                    reason = reason or _target_met(stopping, log)
                    again = isinstance(state, QuasiNewtonState) and safe[2] < 0.99 * last_restart
                    if reason is None and again:
                        last_restart = safe[2]
                        restarts += 1
                        state = restarted(state)
                    else:
                        reason = reason or StopReason.LINE_SEARCH
                elapsed = clock.seconds()
                if stopping.seconds is not None:
                    elapsed = agreed(elapsed, mesh)
                reason = reason or _decision(stopping, log, iteration, elapsed, check)
                if reason is None:
                    if keep is not None:
                        keep(arrays, False)
                    asked.catch_up()
            monitored()
        except KeyboardInterrupt:
            reason = StopReason.INTERRUPTED
            if keep is not None and iteration and not asked.repeated:
                keep(arrays, True)

    assert reason is not None
    return TrainingResult(
        parameters=jax.tree.map(jnp.asarray, flat.tree(safe[0])),
        loss=safe[2],
        aux=safe[1],
        history=log.history(),
        iterations=iteration,
        evaluations=evaluations,
        stop_reason=reason,
        seconds=clock.seconds(),
        compile_seconds=program.seconds,
        restarts=restarts,
    )


def _decision(
    stopping: Stopping, log: Log, iteration: int, seconds: float, check: int
) -> StopReason | None:
    if iteration >= stopping.iterations:
        return StopReason.ITERATIONS
    if stopping.seconds is not None and seconds >= stopping.seconds:
        return StopReason.SECONDS
    if iteration % check or not log.best:
        return None
    met = _target_met(stopping, log)
    if met is None and stopping.decrease and iteration > stopping.window:
        earlier = log.best[-1 - stopping.window]
        if earlier - log.best[-1] < stopping.decrease * abs(earlier):
            return StopReason.DECREASE
    return met


def _target_met(stopping: Stopping, log: Log) -> StopReason | None:
    lowest = log.best[-1]
    if stopping.loss is not None and lowest <= stopping.loss:
        return StopReason.LOSS
    if stopping.reduction and lowest <= stopping.reduction * log.best[0]:
        return StopReason.LOSS
    if log.rows[-1][-1, 1] <= stopping.gradient:
        return StopReason.GRADIENT
    return None


def _not_finite(iteration: int) -> SolverError:
    where = "for the initial parameters" if iteration == 0 else f"in iteration {iteration}"
    return SolverError(
        f"the loss or its gradient is not finite {where}",
        code="E701",
        advice="look for expressions of the problem that are undefined at some point or value"
        " (a quotient by zero, a root or logarithm of a negative number), or lower the"
        " learning rate",
    )
