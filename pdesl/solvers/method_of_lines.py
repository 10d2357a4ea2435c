"""The method of lines: discretised in space, then stepped in time with the stiff part implicit.

    u_t = F(t, x, jets of u)   →   u' = E(t, u) + A u,   B u = g(t)

A holds the stiff linear terms (marked in the file, else chosen by `ir.split`), E all others, and
B u = g the boundary conditions. In space: RBF-FD on scattered nodes, finite differences on a
box, Fourier's method on a periodic box, nothing for a problem in time alone or on a graph; in time:
`integrators`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from pdesl.ir.evolution import to_evolution
from pdesl.ir.imex import ImexRow, to_imex
from pdesl.ir.invariance import free_constants
from pdesl.ir.system import System
from pdesl.lowering.border import make_border
from pdesl.lowering.cloud import Cloud
from pdesl.lowering.conditions_at_nodes import assign_conditions
from pdesl.lowering.damping import with_hyperviscosity
from pdesl.lowering.imex_nodal import NodalImex
from pdesl.lowering.imex_spectral import (
    SpectralImex,
    degree_of_nonlinearity,
    to_spectral_imex,
)
from pdesl.lowering.periodic_grid import PeriodicGrid, make_periodic_grid
from pdesl.lowering.space import NodalSpace, RbfSpace, make_graph, make_grid, make_point
from pdesl.lowering.to_nodal_imex import to_nodal_imex
from pdesl.solvers.base import Evaluate, Reporter, SolverResult, Task, TrainingReport
from pdesl.solvers.dense_output import DenseOutput
from pdesl.solvers.integrators import Integrator, make_integrator
from pdesl.solvers.keeping import Keeper
from pdesl.solvers.line_choices import GRAPH, NO_SPACE, LineChoices, line_choices
from pdesl.solvers.marching import Control, Course, Recording, first_course, march
from pdesl.solvers.nodal_stepping import NodalStepping
from pdesl.solvers.nodes import make_nodes
from pdesl.solvers.options import (
    AdaptiveOptions,
    MethodOfLinesOptions,
    ScatteredOptions,
    SeriesOptions,
)
from pdesl.solvers.schedule import output_times
from pdesl.solvers.spectral_stepping import SpectralStepping
from pdesl.solvers.spectrum import Spectrum, stiff_spectrum
from pdesl.solvers.stepping import Stepping
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.geometry import Graph

if TYPE_CHECKING:
    from pdesl.solvers.series_lines import SeriesLines

__all__ = ["solve"]


#: A field and the orders of its derivative along every spatial coordinate.
SpaceJet = tuple[int, tuple[int, ...]]
#: Rows (m,) and k states to values (k, jets, m) at the places of those rows.
Interpolate = Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """A semi-discrete system with its nodes, and jets of its states at any places (n, d)."""

    stepping: Stepping
    cloud: Cloud
    counts: dict[str, int]
    words: str
    interpolation: Callable[[np.ndarray, Sequence[SpaceJet]], Interpolate]
    series: Callable[[], SeriesLines]


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Solve an evolution problem by the method of lines.

    Args:
        task: a system that `line_mistakes` finds nothing against; `options` are
            `MethodOfLinesOptions`.
        reporter: hears of stages and steps.

    Returns:
        The solution at the kept times, interpolated between them and between the nodes.

    Raises:
        SolverError: E740, E741 a state that is not finite or a step that vanishes; E742, E743
            conditions that do not fix the values at the boundary; or nodes and stencils that
            cannot be made.
        ProblemError: coefficients or data that are not finite at a node (E326).
    """
    options: MethodOfLinesOptions = task.options
    span = task.time_span
    assert span is not None
    system = to_evolution(task.system, constraints=True)
    choices = line_choices(options, system, dict(task.values))
    rows = to_imex(system)
    lines = _discretise(task, system, rows, choices, span, reporter)
    stepping = lines.stepping
    own = choices.time_options
    control = Control(own.dt)
    if isinstance(own, AdaptiveOptions):
        control = Control(own.dt, own.rtol, own.atol)
    spectrum = stiff_spectrum(stepping)
    notes = _notes(rows, lines, spectrum, control, isinstance(own, SeriesOptions))
    stops = output_times(system.problem, task.values, span)
    begin = time.perf_counter()

    def progress(steps: int, now: float, dt: float) -> None:
        total = None if control.dt is None else int(np.ceil((span[1] - span[0]) / control.dt))
        reporter.train(
            TrainingReport(
                steps, now, time.perf_counter() - begin, total, None,
                f"{choices.time}, step {dt:.2g}", "t",
            )
        )  # fmt: skip

    series: SeriesLines | None = None
    integrator: Integrator | None = None
    series_order = 0
    if isinstance(own, SeriesOptions):
        from pdesl.solvers.series_marching import order_for

        series, series_order = lines.series(), own.order or order_for(own.rtol)
    else:
        integrator = make_integrator(choices.time)
    held = None if task.memory is None else task.memory.load()
    if held:
        course = Course.from_arrays(held)
        stepping.restore(held)
        if integrator is not None:
            integrator.restore(held)
        reporter.say(f"resumed at t = {course.t:g}, after {course.steps:,} steps")
    elif integrator is not None:
        course = first_course(stepping, integrator.order, control, span, stops)
    else:
        assert series is not None
        course = Course(span[0], series.start, 0.0, np.zeros(0), Recording(frozenset(span)))
    keeper = Keeper(task.memory, options.checkpoint)
    halt = _halting(task, system, lines)

    def arrays() -> dict[str, np.ndarray]:
        remembered = {} if integrator is None else integrator.to_arrays()
        return {**course.to_arrays(), **stepping.to_arrays(), **remembered}

    def keep(must: bool) -> None:
        keeper.offer(arrays, must=must)

    with reporter.stage("steps") as note:
        if series is None:
            assert integrator is not None
            interrupted = march(
                stepping, integrator, control, course, span, stops, progress=progress,
                keep=keep, halt=halt,
            )  # fmt: skip
            evaluations = stepping.explicit_evaluations
            notes.append(stepping.words)
        else:
            from pdesl.solvers.series_marching import march_by_series

            interrupted = march_by_series(
                series.system, series_order, control, course, span, series.as_state,
                progress=progress, keep=keep, halt=halt,
            )  # fmt: skip
            evaluations = series_order * (1 + course.steps + course.rejected)
            notes.append(f"explicit, by series of order {series_order}")
        note.text = f"{course.steps:,} of {choices.time}"
        if course.rejected:
            note.text += f", {course.rejected:,} rejected"
    kept = course.recording
    solution = DenseOutput(np.array(kept.times), kept.states, kept.slopes)
    evaluate = _make_evaluate(task, system, solution, lines)
    return SolverResult(
        method="method_of_lines",
        evaluate=evaluate,
        cloud=lines.cloud,
        arrays={},
        attributes={"space": choices.space, "time": choices.time},
        history={
            "iteration": np.arange(1, course.steps + 1),
            "time": np.array(course.times),
            "step": np.array(course.sizes),
        },
        losses={},
        counts={
            **lines.counts,
            "iterations": course.steps,
            "rejected_steps": course.rejected,
            "evaluations": evaluations,
            "kept_times": len(solution.times),
        },
        stop_reason=f"interrupted at t = {course.t:g}"
        if interrupted
        else "the last time is reached",
        interrupted=interrupted,
        reached=course.t if course.t < span[1] else None,
        compile_seconds=0.0,
        precision="float64",
        times=solution.times,
        notes=tuple(notes),
    )


# -- in space ------------------------------------------------------------------------------


def _discretise(
    task: Task,
    system: System,
    rows: Sequence[ImexRow],
    choices: LineChoices,
    span: tuple[float, float],
    reporter: Reporter,
) -> _Lines:
    if choices.spectral:
        return _spectral(task, system, rows, choices, span, reporter)
    ghosts = False
    known: NodalSpace | None = None
    if choices.space == NO_SPACE:
        known = make_point()
        cloud = known.cloud
    elif isinstance(task.region, Graph):
        with reporter.stage("nodes") as note:
            known = make_graph(task.region)
            cloud = known.cloud
            note.text = f"{known.graph.nodes:,}, {known.graph.weights.nnz // 2:,} edges"
    elif choices.space == "rbf_fd":
        own: ScatteredOptions = choices.space_options
        cloud = make_nodes(task, ghost=own.ghost, reporter=reporter, options=own)
        ghosts = own.ghost and len(cloud.ghost) == len(cloud.boundary)
    else:
        with reporter.stage("nodes") as note:
            known = make_grid(task.region, choices.points, choices.space_options.order)
            cloud = known.cloud
            note.text = f"{len(cloud.interior):,} interior, {len(cloud.boundary):,} boundary"
    assignment = assign_conditions(system, cloud, task.region, task.values, ghosts=ghosts)
    space: NodalSpace = known or RbfSpace(
        cloud, choices.space_options.order, task.periods, assignment.ghosts
    )
    with reporter.stage("operators") as note:
        nodal = to_nodal_imex(system, rows, space, assignment, task.values, span[0])
        free = free_constants(task.system, task.values)
        border = make_border(system, free, space, nodal.differential, task.region, task.values)
        nodal = plain = replace(nodal, border=border)
        damping = ""
        if isinstance(space, RbfSpace):
            nodal, damping = with_hyperviscosity(
                nodal, system, rows, space, task.values, span[0],
                choices.space_options.hyperviscosity, NodalStepping(nodal, span).start,
            )  # fmt: skip
        words, note.text = "", f"{nodal.stiff.nnz:,} nonzeros in the stiff part"
        if choices.space not in (NO_SPACE, GRAPH):
            order = choices.space_options.order
            words = f"in space: {choices.space} of order {order}" + (damping and f"; {damping}")
            note.text += f", order {order}"
    stepping = _stepping(nodal, span, task.devices)

    def series() -> SeriesLines:
        from pdesl.solvers.series_lines import series_on_nodes

        own = None if choices.space == NO_SPACE else space
        return series_on_nodes(
            system, rows, own, assignment, plain, nodal, task.values, stepping.start, span[0]
        )

    return _Lines(
        stepping,
        cloud,
        {
            "interior_nodes": len(cloud.interior),
            "boundary_nodes": len(cloud.boundary),
            "ghost_nodes": len(assignment.ghosts),
            "unknowns": nodal.size,
            "operator_nonzeros": int(nodal.stiff.nnz),
        },
        words,
        lambda places, jets: _nodal_interpolation(nodal, places, jets),
        series,
    )


def _stepping(nodal: NodalImex, span: tuple[float, float], devices: int) -> NodalStepping:
    if devices == 1:
        return NodalStepping(nodal, span)
    from pdesl.solvers.divided_stepping import DividedStepping

    return DividedStepping(nodal, span, devices=devices)


def _nodal_interpolation(
    nodal: NodalImex, places: np.ndarray, jets: Sequence[SpaceJet]
) -> Interpolate:
    # The same places at many times are met once.
    own, inverse = np.unique(places, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    plain: Any = nodal.space.interpolation(own)
    matrices = {index: plain for _, index in jets}
    derived = [index for index in matrices if any(index)]
    if derived:
        nodes = np.arange(len(nodal.space.cloud.evaluation))
        inner: Any = nodal.space.without_ghosts().interpolation(own)
        made = nodal.space.operators(nodes, [{index: 1.0} for index in derived])
        matrices |= {index: inner @ d for index, d in zip(derived, made, strict=True)}

    def interpolate(rows: np.ndarray, states: Sequence[np.ndarray]) -> np.ndarray:
        chosen, back = np.unique(inverse[rows], return_inverse=True)
        found = np.empty((len(states), len(jets), len(rows)))
        for number, (field, index) in enumerate(jets):
            matrix = matrices[index]
            part = matrix if len(chosen) == matrix.shape[0] else matrix[chosen]
            table = np.stack([nodal.table(s)[field] for s in states], axis=1)
            found[:, number] = (part @ table).T[:, back.ravel()]
        return found

    return interpolate


def _spectral(
    task: Task,
    system: System,
    rows: Sequence[ImexRow],
    choices: LineChoices,
    span: tuple[float, float],
    reporter: Reporter,
) -> _Lines:
    degree, is_polynomial = degree_of_nonlinearity(system, rows)
    order = choices.space_options.order if choices.space == "finite_difference" else None
    with reporter.stage("operators") as note:
        grid = make_periodic_grid(
            task.region, choices.points, degree=degree, difference_order=order
        )
        free = free_constants(task.system, task.values)
        spectral = to_spectral_imex(system, rows, grid, task.values, span[0], free)
        note.text = " × ".join(str(n) for n in grid.counts) + " points"
    if order is None and not is_polynomial:
        reporter.say(
            "a nonlinear term is no polynomial: products are formed on 3/2 times the points, which "
            "does not remove every alias"
        )
    points = grid.points()
    cloud = _grid_cloud(grid, points)

    def series() -> SeriesLines:
        from pdesl.solvers.series_lines import series_on_grid

        return series_on_grid(system, rows, grid, task.values, spectral.start, span[0])

    return _Lines(
        SpectralStepping(spectral, span),
        cloud,
        {"interior_nodes": len(points), "boundary_nodes": 0, "unknowns": spectral.size},
        f"in space: {choices.space}",
        lambda places, jets: _spectral_interpolation(spectral, places, jets),
        series,
    )


def _grid_cloud(grid: PeriodicGrid, points: np.ndarray) -> Cloud:
    dimension = points.shape[1]
    none = np.zeros((0, dimension))
    spacing = min(p / n for p, n in zip(grid.periods, grid.counts, strict=True))
    return Cloud(
        points, none, none, none, np.zeros(0, dtype=int), (), np.full(len(points), spacing),
        tuple(float(p) for p in grid.periods),
    )  # fmt: skip


def _spectral_interpolation(
    spectral: SpectralImex, places: np.ndarray, jets: Sequence[SpaceJet]
) -> Interpolate:
    grid = spectral.grid
    symbols = [grid.symbol(index) for _, index in jets]

    nodes = grid.nodes_at(places)
    phases = [] if nodes is not None else grid.phases(places)

    def interpolate(rows: np.ndarray, states: Sequence[np.ndarray]) -> np.ndarray:
        table = np.stack(
            [symbol * s[f] for s in states for (f, _), symbol in zip(jets, symbols, strict=True)]
        )
        if nodes is not None:
            values = grid.to_values(table).reshape(len(table), -1)[:, nodes[rows]]
        else:
            # Bounded memory: as many places at a time as fit with all modes.
            size = max(1, int(4e6 / table[..., 0].size))
            some = [rows[k : k + size] for k in range(0, len(rows), size)]
            parts = [grid.interpolate(table, [own[at[r]] for own, at in phases]) for r in some]
            values = np.concatenate(parts, axis=1)
        return values.reshape(len(states), len(jets), len(rows))

    return interpolate


# -- in time -------------------------------------------------------------------------------


def _make_evaluate(task: Task, system: System, solution: DenseOutput, lines: _Lines) -> Evaluate:
    """The fields of the problem, those among them that were eliminated by their formulas."""
    axis = system.frame.time_axis
    assert axis is not None
    plain = (0,) * len(system.frame.space_axes)
    number = {name: i for i, name in enumerate(system.fields)}
    stated = task.system.fields
    eliminated = [name for name in stated if name not in number]
    formulas = [system.eliminated[name] for name in eliminated]
    needed = [j for j in system.space.jets(sympy.Tuple(*formulas)) if j.field in number]
    kept = [(number[name], plain) for name in stated if name in number]
    jets = [*kept, *((number[j.field], system.space_orders(j)) for j in needed)]
    symbols = [*system.space.coordinates, *(system.space.symbol(j) for j in needed)]
    function = make_function(formulas, [*symbols, *task.values], numpy_namespace())

    def evaluate(inputs: np.ndarray) -> dict[str, np.ndarray]:
        inputs = np.atleast_2d(np.asarray(inputs, dtype=float))
        places, times = np.delete(inputs, axis, axis=1), inputs[:, axis]
        table = np.zeros((len(jets), 0))
        if len(times):
            table = solution.evaluate(times, lines.interpolation(places, jets), len(jets))
        known = iter(table[: len(kept)])
        with np.errstate(all="ignore"):
            made = function(*inputs.T, *table[len(kept) :], *task.values.values())
        rest = iter(np.broadcast_to(np.asarray(m, float), times.shape) for m in made)
        return {name: next(known if name in number else rest) for name in stated}

    return evaluate


def _halting(
    task: Task, system: System, lines: _Lines
) -> Callable[[float, np.ndarray], bool] | None:
    """Whether a state is the last one, as the task says."""
    halt = task.halt
    if halt is None:
        return None

    known: dict[tuple[bytes, tuple[SpaceJet, ...]], Interpolate] = {}

    def interpolation(places: np.ndarray, jets: Sequence[SpaceJet]) -> Interpolate:
        key = places.tobytes(), tuple(jets)  # the same places after every step
        if key not in known:
            known[key] = lines.interpolation(places, jets)
        return known[key]

    own = replace(lines, interpolation=interpolation)

    def halted(t: float, state: np.ndarray) -> bool:
        held = DenseOutput(np.array([t]), [state], [np.zeros_like(state)])
        return halt(_make_evaluate(task, system, held, own), t)

    return halted


def _count(terms: Sequence[object]) -> str:
    return "1 term" if len(terms) == 1 else f"{len(terms)} terms"


def _notes(
    rows: Sequence[ImexRow], lines: _Lines, spectrum: Spectrum, control: Control, explicit: bool
) -> list[str]:
    found = [
        f"∂t {row.field}: stiff by {row.chosen_by}, {_count(row.stiff)} "
        + ("explicit all the same" if explicit else "implicit")
        for row in rows
        if not row.is_constraint and (row.stiff or not explicit)
    ]
    found += [f"{r.field}: from {r.row.name}, at every moment" for r in rows if r.is_constraint]
    parts = (lines.words, spectrum.words(control.dt))
    found.append("; ".join(part for part in parts if part))
    return found
