"""Neural-IVP: a network for every field, whose parameters follow an ordinary differential equation.

u(t, x) = lift(t, x) + factor(x) N(γ(x); θ(t)), one network a field. The parameters start where the
networks fit the initial data, and move so that ∂t u comes as near as it can to L[u],

    θ̇ = argmin Σ_i (J(x_i) θ̇ − L[u](x_i))²/n + μ‖θ̇‖²,

on points drawn anew at every step (M. Finzi, A. Potapczynski, M. Choptuik and A. G. Wilson, "A
stable and scalable method for solving initial value PDEs with neural networks", ICLR 2023).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.ir.ansatz import ansatz_lines
from pdesl.lowering.cloud import Cloud
from pdesl.solvers.base import Reporter, SolverResult, Task, TrainingReport
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.explicit_pairs import PAIRS
from pdesl.solvers.gram import one_blas_thread
from pdesl.solvers.keeping import Keeper
from pdesl.solvers.marching import Recording
from pdesl.solvers.network_fit import FitReport
from pdesl.solvers.networks import count_parameters
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions, PairOptions
from pdesl.solvers.neural_march import Course, StepControl, march
from pdesl.solvers.neural_method import NeuralMethod, new_networks
from pdesl.solvers.neural_precision import mixed_error
from pdesl.solvers.neural_prepare import initial_targets, prepare
from pdesl.solvers.neural_solution import make_evaluate, solution_arrays
from pdesl.solvers.sampling import Purpose, draw_boundary
from pdesl.solvers.schedule import output_times
from pdesl.solvers.tangent_report import STATUS_WORDS
from pdesl.solvers.velocity import (
    pack,
)

__all__ = ["solve"]

#: Samples of Finzi et al. (appendix C), by the root of which their code divides its residual.
PUBLISHED_SAMPLES = 10_000


def _start(method: NeuralMethod, reporter: Reporter) -> tuple[np.ndarray, list[FitReport]]:
    """The parameters of the initial fit.

    Raises:
        SolverError: E770, a fit above its budget.
    """
    options = method.options
    begin = time.perf_counter()
    limit = getattr(method.fit, "iterations", None)

    def progress(iteration: int, error: float) -> None:
        reporter.train(
            TrainingReport(
                iteration, error, time.perf_counter() - begin, limit, None, options.fit.name,
                "relative error",
            )
        )  # fmt: skip

    with reporter.stage("initial fit") as note:
        moving = [i for i, r in enumerate(method.neural.references) if r is None]
        networks, reports = method.fitted(
            tuple(new_networks(method.task, method.neural, 0)), initial_targets(method),
            method.span[0], 0, head=True, fields=moving, progress=progress,
        )  # fmt: skip
        networks, rates = method.at_rest(networks, progress)
        words = [f"{n} {r.error:.1e}" for n, r in zip(method.system.fields, reports, strict=True)]
        note.text = f"relative error of {', '.join(words)}"
        if rates:
            worst_rate = max(r.error for r in rates)
            note.text += f"; of first rates of fields at rest {worst_rate:.1e}"
    worst = max(range(len(reports)), key=lambda i: reports[i].error)
    if not reports[worst].error <= options.fit_budget:
        raise SolverError(
            f"the network of `{method.system.fields[worst]}` fits its initial values to a relative "
            f"error of {reports[worst].error:.1e}, and `fit_budget` is {options.fit_budget:g}",
            code="E770",
            advice="take a larger `width`, more `frequencies` or `samples`, or more iterations of "
            "the fit; initial values that jump, or that miss the boundary condition, cannot be "
            "fitted better (`boundary = penalty` lets them miss it)",
        )
    return pack(networks)[0].astype(np.float64), reports


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Solve an evolution problem by networks whose parameters move.

    Args:
        task: a system that `neural_ivp_mistakes` finds nothing against; `options` are
            `NeuralIvpOptions`.
        reporter: hears of stages and steps.

    Returns:
        The solution up to the time that was reached.

    Raises:
        SolverError: E740 numbers that are not finite, E741 a step that vanishes, E770 an initial
            fit above its budget, E771 a residual above its budget at the start.
        ProblemError: data that are not finite at a point (E326).
    """
    with one_blas_thread():
        return _solve(task, reporter)


def _solve(task: Task, reporter: Reporter) -> SolverResult:
    options: NeuralIvpOptions = task.options
    method = prepare(task)
    pair = PAIRS[options.integrator.name]
    own: PairOptions = bind_nested("integrator", options.integrator, task.values)
    control = StepControl(own.dt, own.rtol, own.atol, own.control == "parameters", own.redraw)
    first, last = method.span
    stops = output_times(method.system.problem, task.values, method.span)
    for line in ansatz_lines(method.ansatz, method.system):
        reporter.say(line)
    held = None if task.memory is None else task.memory.load()
    if not held:
        state, reports = _start(method, reporter)
        first_state = state
        method.tune(state, first, 0)
        size = control.fixed or 0.2 * (last - first) * control.rtol ** (1.0 / pair.power)
        course = Course(
            first, state, size, Recording(frozenset((first, *stops))),
            method.first_sizes(state, first), method.regularisation, last_restart=first,
        )  # fmt: skip
    else:
        course = Course.from_arrays(held)
        reports = [FitReport(float(e), int(n)) for e, n in held["fits"]]
        first_state = held["first"]
        method.set_references(method.velocity_of.networks(first_state))
        reporter.say(f"resumed at t = {course.t:g}, after {course.step:,} steps")
    cost = None
    if options.precision == "mixed":
        cost = mixed_error(method, first_state, first)
    begin, since = time.perf_counter(), course.t
    keeper = Keeper(task.memory, options.checkpoint)

    def arrays() -> dict[str, np.ndarray]:
        fits = np.array([[r.error, r.iterations] for r in reports])
        return {**course.to_arrays(), "fits": fits, "first": first_state}

    def keep(must: bool) -> None:
        keeper.offer(arrays, must=must)

    keep(True)

    def progress(now: Course, dt: float) -> None:
        log = now.log
        elapsed = time.perf_counter() - begin
        left = elapsed * (last - now.t) / max(now.t - since, 1e-300)
        words = f"{pair.name}, Δt {dt:.2g}, residual {log.residual[-1]:.1e}"
        if log.iterations[-1]:
            words += f", {log.iterations[-1]:.0f} iterations"
        reporter.train(TrainingReport(now.step, now.t, elapsed, None, elapsed + left, words, "t"))

    with reporter.stage("steps") as note:
        course, reason, interrupted = march(
            method, pair, control, course, last, stops, budget=options.residual_budget,
            keep=keep, progress=progress, halt=_halting(method),
        )  # fmt: skip
        note.text = f"{course.step:,} of {pair.name}, {course.evaluations:,} evaluations"
    if not course.step:
        if interrupted:
            raise KeyboardInterrupt
        raise SolverError(
            reason,
            code="E771",
            advice="take a wider network, more samples or frequencies, or raise `residual_budget`",
        )
    found = _result(method, course, reports, reason, interrupted)
    if cost is None:
        return found
    note = f"mixed precision: the first velocity differs from that of float64 by {cost:.1e}"
    return replace(
        found, notes=(*found.notes, note), quality={**found.quality, "mixed_precision_error": cost}
    )


def _halting(method: NeuralMethod) -> Callable[[float, np.ndarray], bool] | None:
    """Whether a state is the last one, as the task says."""
    task, halt = method.task, method.task.halt
    if halt is None:
        return None

    def halted(t: float, state: np.ndarray) -> bool:
        held = Recording(frozenset(), times=[t], states=[state], slopes=[np.zeros_like(state)])
        return halt(make_evaluate(task, method.system, method.velocity_of, held), t)

    return halted


def _result(
    method: NeuralMethod, course: Course, reports: list[FitReport], reason: str, interrupted: bool
) -> SolverResult:
    task, log, options = method.task, course.log, method.options
    points = method.draw(Purpose.CHECK, 1, min(4000, 4 * options.samples))
    boundary = draw_boundary(task.region, 256, seed=options.seed, number=0)
    cloud = Cloud(
        points, boundary.points, np.zeros((0, points.shape[1])), boundary.normals, boundary.part,
        task.region.part_names, np.full(len(points) + len(boundary.points), np.nan),
        tuple(float(p) for p in task.region.periods),
    )  # fmt: skip
    residuals, passed = np.array(log.residual), np.diff(log.time)
    mean = float(residuals[0])
    if passed.sum() > 0.0:
        mean = float(np.sum(passed * (residuals[1:] + residuals[:-1]) / 2) / passed.sum())
    published = residuals / PUBLISHED_SAMPLES**0.5
    notes = [*ansatz_lines(method.ansatz, method.system)]
    fits = ", ".join(
        f"{n} {r.error:.1e}" for n, r in zip(method.system.fields, reports, strict=True)
    )
    notes.append(f"initial fit, relative error on points apart: {fits}")
    notes.append(
        f"residual of the equations, sqrt(Σ r²/Σ (∂t u)²) on {options.residual_samples:,} fresh "
        f"points: {residuals[0]:.1e} at first, {residuals.max():.1e} at most, {mean:.1e} on "
        f"average over time, {residuals[-1]:.1e} at last; in the measure of the published code, "
        f"divided by the root of its {PUBLISHED_SAMPLES:,} samples: {published.max():.1e} at most, "
        f"{published[-1]:.1e} at last"
    )
    conditions = np.array(log.condition)
    own_words = ", ".join(f"{mu:.0e}" for mu in course.regularisation)
    notes.append(
        f"linear solves: {course.evaluations:,}, {course.cg_iterations:,} iterations, condition "
        f"estimate {conditions[0]:.0e} to {conditions.max():.0e}, μ {own_words} λmax; "
        f"{len(log.restarts)} restarts"
    )
    notes += [STATUS_WORDS[s] for s in sorted(method.statuses) if s]
    times = np.array(course.recording.times)
    return SolverResult(
        method="neural_ivp",
        evaluate=make_evaluate(method.task, method.system, method.velocity_of, course.recording),
        cloud=cloud,
        arrays=solution_arrays(method.neural, method.velocity_of, course),
        attributes={"activation": options.activation},
        history={
            "iteration": np.arange(1, len(log.time) + 1),
            "time": np.array(log.time),
            "step": np.array(log.step),
            "residual": residuals,
            "condition": conditions,
            "iterations": np.array(log.iterations),
        },
        losses={},
        counts={
            "parameters": sum(
                count_parameters(n) for n in method.velocity_of.networks(course.state)
            ),
            "samples": options.samples,
            "iterations": course.step,
            "rejected_steps": course.rejected,
            "evaluations": course.evaluations,
            "linear_iterations": course.cg_iterations,
            "restarts": len(log.restarts),
            "kept_times": len(times),
        },
        stop_reason=reason or "the last time is reached",
        interrupted=interrupted,
        compile_seconds=0.0,
        precision=options.precision,
        times=times,
        reached=course.t if course.t < method.span[1] else None,
        notes=tuple(notes),
        quality={
            "initial_error": max(r.error for r in reports),
            "largest_residual": float(residuals.max()),
            "mean_residual": mean,
            "last_residual": float(residuals[-1]),
            "largest_residual_published_measure": float(published.max()),
            "last_residual_published_measure": float(published[-1]),
        },
    )
