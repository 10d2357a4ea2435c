"""Before a fit begins: discretised in space, windows read off the data, steps and start values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.evolution import to_evolution
from pdesl.ir.fitting import entering_factors, evolved_expression
from pdesl.lowering.learned import Learned
from pdesl.lowering.learned_system import LearnedSystem
from pdesl.lowering.measurements import Measurements
from pdesl.lowering.to_learned import Lowered
from pdesl.solvers.base import Reporter, Task
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.fit_choices import (
    FitChoices,
    adaptive_steps,
    fit_choices,
    space_choices,
)
from pdesl.solvers.fit_model import FitModel, Priors, make_batch
from pdesl.solvers.fit_states import measured_states, states_at_cuts
from pdesl.solvers.fit_steps import (
    Prepared,
    course_of,
    is_adaptive,
    refuse_steps,
    replaced,
    tolerances_of,
    with_changes,
    with_right_grid,
    with_right_steps,
)
from pdesl.solvers.fit_windows import (
    Steps,
    WindowSet,
    course_windows,
    make_steps,
    measured_windows,
)
from pdesl.solvers.learned_lines import discretise, first_networks, implicit_operator
from pdesl.solvers.options import SinodeOptions
from pdesl.solvers.rollout import prefactored
from pdesl.solvers.rollout_names import SCHEMES
from pdesl.symbolic.domain import numeric_value
from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.problem import FitTerm

__all__ = [
    "build_model",
    "deviation_of",
    "prepare",
    "scheme_of",
]

# Bytes of the stages of a batch's steps, beyond which some are computed again.
MOST_BYTES = 256 * 2**20

PROBES = 8


def build_model(
    lowered: Lowered,
    *,
    scheme: str,
    dt: float,
    count: int,
    rtol: float = 1e-6,
    adaptive: bool = False,
    most_steps: int | None = None,
) -> FitModel:
    """A model without data, to be stepped."""
    operator = implicit_operator(lowered)
    return FitModel(
        system=lowered.learned, operator=operator, observations=(),
        jump=jnp.ones(lowered.learned.size), priors=Priors((), (), ()), sets=(), deviations=(),
        scheme=scheme, dt=dt, count=count, exact=True, gradient="discrete_adjoint",
        absolute=False, penalty=0.0, tolerances=tolerances_of(rtol),
        adaptive=adaptive, most_steps=most_steps,
    )  # fmt: skip


def scheme_of(options: SinodeOptions, lowered: Lowered, values: Any) -> tuple[str, Any]:
    """The integrator's name and its options."""
    own = bind_nested("sinode.time", options.time, values)
    name = options.time.name
    if name == "automatic":
        name = "rk4" if lowered.stiff.is_zero else "imex_rk3"
    return name, own


def prepare(task: Task, data: Mapping[str, Measurements], reporter: Reporter) -> Prepared:
    """Discretise, read windows off the data, choose steps and start values.

    Raises:
        ProblemError: data that do not fit the discretisation (E544), formulas without values.
        SolverError: nodes that cannot be made, or a course that cannot be stepped through (E750).
    """
    options: SinodeOptions = task.options
    problem = task.system.problem
    system = to_evolution(task.system)
    choices = fit_choices(problem, dict(task.values))
    span = task.time_span
    assert span is not None
    lines = space_choices(options, system, dict(task.values))
    lowered = discretise(task, system, lines, span[0], reporter)
    terms = tuple(t for t in problem.fit if "." in t.data)
    pairs = tuple((t.data.split(".", 1)[0], t.data.split(".", 1)[1]) for t in terms)
    sets = tuple(dict.fromkeys(d for d, _ in pairs))
    own = {name: data[name] for name in sets}
    _refuse_places(lowered, own, problem)
    fit = choices.fit
    with reporter.stage("windows") as note:
        if choices.starts_measured:
            main, states = measured_states(lowered, terms, own)
            windows = measured_windows(own, states, main, fit.window or 1, fit.validation)
            if not len(windows.starts) or windows.held_out.all():
                raise ProblemError(
                    [Diagnostic("E544", "no window of the data starts at a complete state",
                                terms[0].span, helps=("measure every field at some times",))]
                )  # fmt: skip
        else:
            windows = course_windows(own, span[0], fit.windows)
        note.text = f"{len(windows.starts):,}"
        if windows.held_out.any():
            note.text += f", {int(windows.held_out.sum()):,} held out"
    scheme, time_options = scheme_of(options, lowered, dict(task.values))
    scales = _scales(lowered, windows, own, choices, options.seed)
    networks = first_networks(lowered, choices, options.seed, scales)
    learned = Learned(
        jnp.asarray(lowered.learned.unknowns.to_free(lowered.learned.unknowns.start)), networks
    )
    dt = time_options.dt
    chosen = adaptive_steps(scheme, time_options)
    steps = make_steps(
        windows, dt or windows.length / max(_intervals(windows), 1), divided=chosen
    )  # fmt: skip
    observations = tuple(
        lowered.observation(t.model, own[d].places, t.span)
        for t, (d, _) in zip(terms, pairs, strict=True)
    )
    model = FitModel(
        system=lowered.learned,
        operator=implicit_operator(lowered),
        observations=observations,
        jump=jnp.asarray(_jump(lowered, terms, pairs, own) * fit.continuity),
        priors=_priors(problem.fit, lowered, task),
        sets=tuple(sets.index(d) for d, _ in pairs),
        deviations=tuple(deviation_of(t, task) or 1.0 for t in terms),
        scheme=scheme,
        dt=steps.dt,
        count=steps.count,
        exact=steps.exact,
        gradient=options.gradient,
        absolute=fit.loss == "absolute",
        penalty=fit.penalty,
        tolerances=tolerances_of(time_options.rtol),
        devices=1 if windows.states is None else task.devices,
        regularisers=choices.regularisers,
        seed=options.seed,
        adaptive=chosen and not is_adaptive(scheme),
        most_steps=time_options.most_steps,
    )
    found = Prepared(
        task, system, choices, lowered, model, learned, windows, steps, terms, pairs, sets, own,
        scales,
        dt is not None or bool(problem.learned_closures) or chosen,
        time_options.rtol,
    )  # fmt: skip
    if not found.is_step_given:
        found, _ = with_right_steps(found, learned)
    if chosen:
        found = with_right_grid(found)
    found = replaced(found, model=with_changes(found.model, checkpoints=_checkpoints(found)))
    refuse_steps(found)
    if fit.windows > 1:
        start = states_at_cuts(found.lowered, terms, own, windows)
        if start is None:
            start = _simulated(found)
        found = replaced(
            found, learned=eqx.tree_at(lambda p: p.states, learned, jnp.asarray(start),
                                       is_leaf=lambda x: x is None)
        )  # fmt: skip
    operator = found.model.operator
    if operator is not None and not operator.learned and not is_adaptive(scheme):
        operator = prefactored(
            operator, scheme, found.model.dt, adaptive=found.model.adaptive
        )  # fmt: skip
        found = replaced(found, model=with_changes(found.model, operator=operator))
    return found


def _checkpoints(prepared: Prepared) -> str | None:
    """What the gradient of a batch keeps of its steps, for `rollout`."""
    model, options = prepared.model, prepared.task.options
    if model.adaptive:
        return None
    if model.gradient == "continuous_adjoint" or options.checkpoints == "none":
        return None
    if is_adaptive(model.scheme) and model.gradient == "backpropagation":
        return None
    if options.checkpoints == "sqrt":
        return "sqrt"
    windows = int((~prepared.windows.held_out).sum())
    batch = min(getattr(prepared.choices.optimiser_options, "batch", None) or windows, windows)
    stages = SCHEMES[model.scheme].stages or 1
    size = np.dtype(options.precision).itemsize * model.system.size
    return "sqrt" if stages * model.count * batch * size > MOST_BYTES else None


def _intervals(windows: WindowSet) -> int:
    """How often the smallest distance of measured times fits into the longest window."""
    offsets = np.unique(np.concatenate([t.offsets.ravel() for t in windows.targets.values()]))
    gaps = np.diff(np.append(0.0, offsets[offsets > 1e-9 * windows.length]))
    gaps = gaps[gaps > 1e-6 * windows.length]
    return int(np.ceil(windows.length / gaps.min() - 1e-6)) if len(gaps) else 1


def _refuse_places(lowered: Lowered, data: Mapping[str, Measurements], problem: Any) -> None:
    """Data without places are at the points of the grid, which must be as many."""
    if lowered.points is None:
        return
    for own in data.values():
        if own.places is not None:
            continue
        count = next(iter(own.values.values())).shape[2]
        span = next((d.span for d in problem.data if d.name == own.name), None)
        if lowered.grid_order is None:
            message, remedy = "it names no places", "add the coordinates to the file"
        elif count != len(lowered.points):
            message = f"it has {count:,} places, and the grid has {len(lowered.points):,} points"
            remedy = f"add the coordinates to the file, or set `space` to {count:,} points"
        else:
            continue
        raise ProblemError(
            [Diagnostic("E544", f"the data of `{own.path}` cannot be used: {message}", span,
                        helps=(remedy,))]
        )  # fmt: skip


def deviation_of(term: FitTerm, task: Task) -> float | None:
    if term.deviation is None:
        return None
    found = numeric_value(term.deviation, task.values, term.span, "a standard deviation")
    if found <= 0:
        raise ProblemError(
            [Diagnostic("E504", "a standard deviation must be greater than 0", term.span,
                        helps=("write `data.u ≈ u ± 0.1`",))]
        )  # fmt: skip
    return found


def _priors(terms: Sequence[FitTerm], lowered: Lowered, task: Task) -> Priors:
    names = lowered.learned.unknowns.names
    index, means, deviations = [], [], []
    for term in terms:
        if term.data in names:
            mean = constant_value(term.model, dict(task.values))
            index.append(names.index(term.data))
            means.append(0.0 if mean is None else mean)
            deviations.append(deviation_of(term, task) or 1.0)
    return Priors(tuple(index), tuple(means), tuple(deviations))


def _scales(
    lowered: Lowered, windows: WindowSet, data: Mapping[str, Measurements], choices: FitChoices,
    seed: int,
) -> dict[str, tuple[float, ...]]:  # fmt: skip
    """Root mean squares of the closures' inputs over measured states, or at the start.

    The last entry is that of the rates at which the measured values change, over the size that
    the right-hand side gets from a closure of size one.
    """
    system = lowered.learned
    if not system.closures:
        return {}
    empty = Learned(jnp.asarray(system.unknowns.to_free(system.unknowns.start)))
    if windows.states is None:
        # What networks start from is not known before they are.
        learned = system.start_is_learned
        states = jnp.zeros((1, system.size)) if learned else system.initial(empty)
        times = jnp.full((1, 1), system.first_time)
    else:
        chosen = np.flatnonzero(~windows.held_out)
        chosen = np.random.default_rng(seed).permutation(chosen)[:512]
        states = jnp.asarray(windows.states[chosen])
        times = jnp.asarray(windows.starts[chosen][:, None])
    unknowns = system.values_of_unknowns(empty)
    tables = system.tables(states, times, empty)
    found = {}
    for name, (function, columns) in zip(system.closures, system.inputs, strict=True):
        jets = system.jets(tables, function.jets, system.given)
        shape = (len(states), system.places)
        values = np.asarray(function(jets, list(columns), times, unknowns, shape))
        size = np.sqrt(np.mean(values**2, axis=(1, 2)))
        sizes = [*size, _rate(data)]
        found[name] = tuple(float(s) if s > 0 and np.isfinite(s) else 1.0 for s in sizes)
    for name in sorted(entering_factors(lowered.system)):
        unit = {n: (*sizes[:-1], 1.0) for n, sizes in found.items()}
        networks = first_networks(lowered, choices, seed, unit)
        own = Learned(empty.free, networks)
        gain = float(_gain(system, own, states, times, system.closures.index(name)))
        if gain > 0 and np.isfinite(gain):
            found[name] = (*found[name][:-1], found[name][-1] / gain)
    return found


@eqx.filter_jit
def _gain(
    system: LearnedSystem, learned: Learned, states: Array, times: Array, number: int
) -> Array:
    """The size of what a closure adds to the right-hand side, over its own."""
    silent = jax.tree.map(
        lambda leaf: 0.0 * leaf if eqx.is_inexact_array(leaf) else leaf, learned.networks[number]
    )
    others = eqx.tree_at(lambda p: p.networks[number], learned, silent)
    change = system.explicit(times, states, learned) - system.explicit(times, states, others)
    values = system.closure_values(states, times, learned)[system.closures[number]]
    return jnp.sqrt(jnp.mean(change**2) / jnp.mean(values**2))


def _rate(data: Mapping[str, Measurements]) -> float:
    """The root mean square of differences of measured values over those of their times."""
    squares = []
    for own in data.values():
        steps = np.diff(own.times, axis=1)[:, :, None]
        for values in own.values.values():
            rates = np.diff(values, axis=1) / steps
            squares.append(rates[np.isfinite(rates)] ** 2)
    every = np.concatenate(squares)
    return float(np.sqrt(np.mean(every))) if len(every) else 1.0


def _jump(
    lowered: Lowered, terms: Sequence[FitTerm], pairs: Sequence[tuple[str, str]],
    data: Mapping[str, Measurements],
) -> np.ndarray:  # fmt: skip
    """The size of the field of each value of the state, from the data where it is measured."""
    system = lowered.learned
    sizes = {}
    for term, (name, column) in zip(terms, pairs, strict=True):
        model = evolved_expression(term.model, lowered.system, term.span, "a model")
        for own in system.fields:
            if model == lowered.system.space.symbol(lowered.system.space.jet(own)):
                values = data[name].values[column]
                sizes[own] = float(np.sqrt(np.nanmean(values**2))) or 1.0
    per_field = np.array([sizes.get(f, 1.0) for f in system.fields])
    flat = np.repeat(per_field, system.places)
    return flat if system.keep is None else flat[np.asarray(system.keep)]


def _simulated(prepared: Prepared) -> np.ndarray:
    """States at the cuts, by one course through all windows at the start values."""
    windows = prepared.windows
    one = WindowSet(
        windows.starts[:1], windows.ends[-1:], None,
        {n: type(t)(t.offsets[:1], {c: v[:1] for c, v in t.values.items()})
         for n, t in windows.targets.items()}, windows.held_out[:1],
    )  # fmt: skip
    dt = prepared.model.dt
    count = int(np.ceil((one.ends[0] - one.starts[0]) / dt - 1e-9))
    model = with_changes(prepared.model, count=count)
    batch = make_batch(one, Steps(dt, count, exact=False), prepared.pairs, prepared.sets)
    course = course_of(model, prepared.learned, batch)[:, 0]
    cuts = np.round((windows.starts[1:] - windows.starts[0]) / dt).astype(int)
    return course[np.clip(cuts, 0, count)]
