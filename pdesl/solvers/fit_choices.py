"""What a fit was asked for, bound to options, and what cannot be fitted. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.evolution import to_evolution
from pdesl.ir.fitting import evolved_expression, stiff_parts, unknown_symbols
from pdesl.ir.imex import imex_mistakes, to_imex
from pdesl.ir.system import System
from pdesl.lowering.measurements import Measurements, read_measurements
from pdesl.lowering.node_tables import table_mistakes, without_graph
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.fit_options import FitOptions
from pdesl.solvers.line_choices import LineChoices, line_choices, line_mistakes
from pdesl.solvers.options import LearnedStepOptions, MethodOfLinesOptions, SinodeOptions
from pdesl.solvers.rollout_names import SCHEMES
from pdesl.symbolic.domain import make_region, numeric_value
from pdesl.symbolic.options import bind
from pdesl.symbolic.problem import Choice, DataSet, Problem

__all__ = [
    "FitChoices",
    "adaptive_steps",
    "data_mistakes",
    "fit_choices",
    "fit_mistakes",
    "read_data",
    "space_choices",
]

_PLAIN = Choice("imex_rk4")
_EXPONENTIAL = tuple(n for n, s in SCHEMES.items() if s.kind in ("exponential", "rosenbrock"))


@dataclass(frozen=True, slots=True)
class FitChoices:
    """Options of `fit:`, its optimiser, the network of every closure by name, regularisers."""

    fit: FitOptions
    optimiser: str
    optimiser_options: Any
    networks: Mapping[str, tuple[str, Any]]
    regularisers: tuple[Any, ...]
    starts_measured: bool


def _located(error: ProblemError, span: Span | None) -> list[Diagnostic]:
    return [d if d.span is not None else replace(d, span=span) for d in error.diagnostics]


def fit_choices(problem: Problem, values: Mapping[sympy.Symbol, float]) -> FitChoices:
    """The settings of a problem's fit and closures.

    Raises:
        ProblemError: unknown settings, kinds, types or ranges (E502 to E504, E515), and settings
            that exclude one another (E545), all at once.
    """
    found: list[Diagnostic] = []
    span = problem.fit[0].span if problem.fit else None
    given = tuple(("optimizer" if n == "optimiser" else n, v) for n, v in problem.fit_options)
    fit, name, own = FitOptions(), "automatic", None
    try:
        fit = bind(FitOptions, Choice("fit", given, span=span), values=values, what="block")
        name = fit.optimizer.name
        if name == "automatic":
            name = "adam" if problem.learned_closures else "levenberg_marquardt"
        place = fit.optimizer.span or span
        own = bind_nested("optimizer", replace(fit.optimizer, name=name), values, place)
    except ProblemError as error:
        found += _located(error, span)
    chosen = fit.regularise if isinstance(fit.regularise, tuple) else (fit.regularise,)
    regularisers = []
    for term in chosen:
        if term is None:
            continue
        try:
            regularisers.append(bind_nested("regularise", term, values, term.span or span))
        except ProblemError as error:
            found += _located(error, term.span or span)
        found += _regulariser_mistakes(problem, term, name, span)
    networks = {}
    for closure in problem.learned_closures:
        try:
            network = bind_nested("closure", closure.network, values, closure.span)
            networks[closure.name] = closure.network.name, network
            if getattr(network, "width", 1) % 2 == 0:
                message = "`width` must be odd, so that the window has a middle"
                raise ProblemError(
                    [Diagnostic("E504", message, closure.network.spans.get("width"),
                                helps=("its default is `width=5`",))]
                )  # fmt: skip
        except ProblemError as error:
            found += _located(error, closure.span)
    starts_measured = any("." in t.data for t in problem.fit) and not problem.initial
    if fit.windows > 1 and starts_measured:
        found.append(
            Diagnostic(
                "E545", "`windows` cuts the course from given initial conditions, and there are "
                "none", span, helps=("set `window`, the length of windows from measured states",),
            )
        )  # fmt: skip
    if fit.window is not None and not starts_measured:
        found.append(
            Diagnostic(
                "E545", "`window` is the length of windows from measured states, and `initial:` "
                "gives the start", span, helps=("set `windows`, their number",),
            )
        )  # fmt: skip
    if name == "levenberg_marquardt" and fit.loss != "squares":
        found.append(
            Diagnostic("E545", "`levenberg_marquardt` minimises squares", span,
                       helps=("choose `loss = squares`, or another optimizer",))
        )  # fmt: skip
    unknown = {s.name for s in unknown_symbols(problem)}
    for term in problem.fit:
        if "." not in term.data and (term.data not in unknown or term.model.free_symbols - set(
            values
        )):  # fmt: skip
            found.append(
                Diagnostic("E545", f"`{term.data} ≈ …` is what is known of an unknown beforehand, "
                           "a number with its deviation", term.span,
                           helps=(f"declare `{term.data} = unknown(start=1)`, or remove the line",))
            )  # fmt: skip
    if found:
        raise ProblemError(found)
    return FitChoices(fit, name, own, networks, tuple(regularisers), starts_measured)


def _regulariser_mistakes(
    problem: Problem, term: Choice, optimiser: str, span: Span | None
) -> list[Diagnostic]:
    place = term.span or span
    if not problem.closures:
        message = f"`{term.name}` makes learned dynamics easy to solve, and there is no closure"
        return [Diagnostic("E545", message, place, helps=("remove `regularise`, or learn a term, "
                           "`closure:` with `N = mlp(u)`",))]  # fmt: skip
    if optimiser == "levenberg_marquardt":
        message = "`levenberg_marquardt` minimises residuals, and a regulariser is an integral"
        return [Diagnostic("E545", message, place, helps=("choose `optimizer = adam(…)`",))]
    return []


def space_choices(
    options: SinodeOptions, system: System, values: Mapping[sympy.Symbol, float]
) -> LineChoices | None:
    """The discretisation in space; None for a problem without space. See `line_choices`."""
    if not system.frame.space_axes:
        return None
    return line_choices(MethodOfLinesOptions(options.space, _PLAIN, options.seed), system, values)


# -- what cannot be fitted -----------------------------------------------------------------


def fit_mistakes(system: System, options: SinodeOptions) -> list[Diagnostic]:
    """Why a problem cannot be fitted by `sinode`; `system` is the problem's.

    Nothing to fit or to learn (E640), no start (E641), formulas that the state does not give
    (E642), a stiff part that is not linear with constant factors (E643), a boundary condition with
    an unknown coefficient (E644), a closure without a grid (E645), and what `line_mistakes` says.

    Raises:
        ProblemError: see `line_choices` and `fit_choices`.
    """
    problem = system.problem
    found: list[Diagnostic] = []
    first = problem.equations[0].span if problem.equations else None
    if problem.time is None:
        return [
            Diagnostic("E630", "`sinode` steps in time, and this problem has no time coordinate",
                       problem.coordinates[0].span, helps=("add `t ∈ [0, 1]` to `domain:`",))
        ]  # fmt: skip
    if not any("." in term.data for term in problem.fit):
        found.append(
            Diagnostic("E640", "`sinode` fits a model to data, and this problem states no fit",
                       first, helps=("add `data:` and `fit:`, `obs.u ≈ u`",))
        )  # fmt: skip
    if not problem.learned_closures and not unknown_symbols(problem):
        found.append(
            Diagnostic("E640", "there is nothing to learn: no closure and no unknown number", first,
                       helps=("declare one, `parameters:` with `κ = unknown(start=1)`",))
        )  # fmt: skip
    if found:
        return found
    values = problem.parameter_values()
    choices = fit_choices(problem, values)
    found += _step_mistakes(options, values, first)
    if options.precision == "float32" and choices.optimiser == "levenberg_marquardt":
        found.append(
            Diagnostic("E545", "`levenberg_marquardt` works in float64",
                       problem.solver.span if problem.solver else first,
                       helps=("choose `optimizer = adam(…)` or `lbfgs(…)` for float32",))
        )  # fmt: skip
    try:
        evolved = to_evolution(system)
        rows = to_imex(evolved)
        stiff = stiff_parts(evolved, rows)
        if not stiff and options.time.name in _EXPONENTIAL:
            found.append(
                Diagnostic("E636", f"`{options.time.name}` needs a stiff part", options.time.span,
                           helps=("mark one, `stiff(…)`, or choose `time = rk4`",))
            )  # fmt: skip
        learned = {c.name for c in problem.learned_closures}
        for closure in problem.learned_closures:
            for own in closure.inputs:
                inner = evolved_expression(own, evolved, closure.span, "the input of a closure")
                if any(j.field in learned for j in evolved.space.jets(inner)):
                    found.append(
                        Diagnostic("E645", f"the input of `{closure.name}` holds another closure",
                                   closure.span, helps=("let one network take all the inputs",))
                    )  # fmt: skip
        for term in problem.fit:
            evolved_expression(term.model, evolved, term.span, "a model")
    except ProblemError as error:
        return list(error.diagnostics)
    found += _condition_mistakes(evolved)
    own_choices = None
    if system.frame.space_axes:
        lines = MethodOfLinesOptions(options.space, _PLAIN, options.seed)
        found += line_mistakes(system, lines, values)
        if not found:
            own_choices = line_choices(lines, evolved, values)
    if found:
        return found
    found += _closure_mistakes(evolved, choices, own_choices)
    if choices.starts_measured:
        found += _start_mistakes(evolved)
    else:
        held = {j.field for row in evolved.initial for j in row.jets(evolved.space)}
        for name in evolved.fields:
            if name not in held:
                found.append(_no_start(evolved, name))
    return found


def adaptive_steps(scheme: str, own: LearnedStepOptions) -> bool:
    """Whether the steps of a bound choice of `time` are by error estimates."""
    return own.steps == "adaptive" or SCHEMES[scheme].kind == "adaptive"


def _step_mistakes(
    options: SinodeOptions, values: Mapping[sympy.Symbol, float], first: Span | None
) -> list[Diagnostic]:
    """Settings that steps by error estimates exclude."""
    time = options.time
    place = time.span or first
    try:
        own = bind_nested("sinode.time", time, values, place)
    except ProblemError as error:
        return _located(error, place)
    scheme = SCHEMES.get(time.name)
    where = time.spans.get("steps", place)
    if own.steps == "equal" and scheme is not None and scheme.kind == "adaptive":
        return [Diagnostic("E545", f"`{time.name}` chooses its steps itself", where,
                           helps=("leave out `steps`, or choose `rk4`",))]  # fmt: skip
    if own.steps != "adaptive" or (scheme is not None and scheme.kind == "adaptive"):
        return []
    found = []
    if scheme is None:
        found.append(
            Diagnostic("E545", "`steps = adaptive` is of an integrator that estimates its error",
                       where, helps=("choose one, `time = imex_rk3(steps=adaptive)`",))
        )  # fmt: skip
    elif not scheme.estimates_error:
        found.append(
            Diagnostic("E545", f"a step of `{time.name}` does not estimate its error, and cannot "
                       "be chosen by it", where,
                       helps=("choose `imex_rk2` to `imex_rk5`, `explicit_rk2` to `explicit_rk5`, "
                              "or `dirk2` to `dirk5`", "or leave out `steps`, and give `dt`"))
        )  # fmt: skip
    if options.gradient == "continuous_adjoint":
        found.append(
            Diagnostic("E545", f"the continuous adjoint of `{time.name}` takes equal steps", where,
                       helps=("leave out `gradient`, or choose `time = dopri5`",))
        )  # fmt: skip
    if options.checkpoints != "automatic":
        found.append(
            Diagnostic("E545", "`checkpoints` are of equal steps: adaptive ones keep a state in "
                       "√`most_steps`", where, helps=("leave out `checkpoints`",))
        )  # fmt: skip
    if options.precision == "float32" and own.rtol < 1e-5:
        found.append(
            Diagnostic("E545", f"rounding in float32 is more than an error of {own.rtol:g} a step",
                       time.spans.get("rtol", where),
                       helps=("choose `rtol=1e-4`", "or `precision = float64`"))
        )  # fmt: skip
    return found


def _condition_mistakes(system: System) -> list[Diagnostic]:
    unknown = set(unknown_symbols(system.problem))
    found = []
    for row in system.boundary:
        if any(t.coefficient.free_symbols & unknown for t in row.linear):
            found.append(
                Diagnostic(
                    "E644", "a boundary condition has an unknown coefficient, and unknowns may "
                    "stand in its data alone", row.equation.span,
                    helps=("divide by it, so that it stands beside the data",),
                )
            )  # fmt: skip
        if any(j.field in system.closures for j in row.jets(system.space)):
            found.append(
                Diagnostic("E644", "a boundary condition holds a closure", row.equation.span,
                           helps=("let the closure stand in an equation",))
            )  # fmt: skip
    return [*found, *(imex_mistakes(system) if not found else [])]


def _closure_mistakes(
    system: System, choices: FitChoices, lines: LineChoices | None
) -> list[Diagnostic]:
    found = [*without_graph(system.problem)]
    spectral = lines is not None and lines.spectral
    neighbours = spectral or system.frame.is_graph
    for closure in system.problem.learned_closures:
        kind, network = choices.networks[closure.name]
        if kind == "attention":
            if not system.frame.is_graph:
                found.append(
                    Diagnostic(
                        "E645", f"`{closure.name}` is attention over the neighbours of a node, and "
                        "there is no graph", closure.span,
                        helps=('declare `i ∈ graph("edges.csv")`', "or choose `mlp(…)`"),
                    )
                )  # fmt: skip
            continue
        grid = kind != "mlp" and not spectral
        if grid or (lines is None and getattr(network, "scope", "point") == "grid"):
            what = "a convolution" if grid else "a network on a grid"
            found.append(
                Diagnostic(
                    "E645", f"`{closure.name}` is {what}, and there is no periodic grid",
                    closure.span, helps=("choose `mlp(…)`, the same network at every place",),
                )
            )  # fmt: skip
    for row in system.rows:
        for jet in row.jets(system.space):
            if jet.field not in system.closures:
                continue
            if system.time_order(jet) or (system.space_order(jet) and not neighbours):
                found.append(
                    Diagnostic(
                        "E645", f"a derivative of the closure `{jet.field}` needs a periodic grid",
                        row.equation.span,
                        helps=("give the closure the derivatives as inputs",),
                    )
                )  # fmt: skip
    return list(dict.fromkeys(found))


def _start_mistakes(system: System) -> list[Diagnostic]:
    """Without initial conditions every field is measured itself."""
    measured = set()
    for term in system.problem.fit:
        model = evolved_expression(term.model, system, term.span, "a model")
        for name in system.fields:
            if model == system.space.symbol(system.space.jet(name)):
                measured.add(name)
    return [_no_start(system, name) for name in system.fields if name not in measured]


def _no_start(system: System, name: str) -> Diagnostic:
    spans = {c: f.span for f in system.problem.fields for c in f.components}
    first = system.problem.fit[0].span if system.problem.fit else None
    return Diagnostic(
        "E641", f"the start of `{name}` is neither given nor measured", spans.get(name, first),
        helps=(f"add `{name} = …` to `initial:`, perhaps `unknown(start=1)`",
               f"or measure it, `data.{name} ≈ {name}`"),
    )  # fmt: skip


# -- data ----------------------------------------------------------------------------------


def read_data(problem: Problem, values: Mapping[sympy.Symbol, float]) -> dict[str, Measurements]:
    """The data sets that `fit:` uses, by name. Raises `ProblemError`; see `read_measurements`."""
    time = problem.time
    assert time is not None
    assert time.lower is not None
    assert time.upper is not None
    span = tuple(numeric_value(b, values, time.span, "a time") for b in (time.lower, time.upper))
    found: dict[str, Measurements] = {}
    wrong: list[Diagnostic] = []
    for data in problem.data:
        columns = _columns(problem, data)
        if not columns:
            continue
        try:
            found[data.name] = read_measurements(problem, data, columns, (span[0], span[1]))
        except ProblemError as error:
            wrong += error.diagnostics
    if wrong:
        raise ProblemError(wrong)
    return found


def _columns(problem: Problem, data: DataSet) -> list[str]:
    names = [t.data.split(".", 1) for t in problem.fit]
    return list(dict.fromkeys(n[1] for n in names if len(n) == 2 and n[0] == data.name))


def data_mistakes(problem: Problem) -> list[Diagnostic]:
    """What is wrong with the files of data that a fit uses (E540 to E544); reads them."""
    if problem.time is None or problem.time.lower is None or problem.time.upper is None:
        return []
    try:
        values = problem.parameter_values()
        found = read_data(problem, values)
    except ProblemError as error:
        return list(error.diagnostics)
    wrong = table_mistakes(problem)
    if wrong:
        return list(wrong)
    return [m for data in problem.data if data.name in found
            for m in _place_mistakes(problem, data, found[data.name], values)]  # fmt: skip


def _place_mistakes(
    problem: Problem, data: DataSet, own: Measurements, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    if own.places is None or problem.shape is None:
        return []
    symbols = tuple(c.symbol for c in problem.space)
    try:
        region = make_region(problem.shape, symbols, values)
    except ProblemError:
        return []  # reported where the domain is checked
    lower, upper = (np.asarray(b, float) for b in region.bounding_box())
    periodic = np.array([c.periodic for c in problem.space])
    outside = (own.places < lower - 1e-9) | (own.places > upper + 1e-9)
    outside &= ~periodic
    wrong = outside.any(axis=1) | (region.level(own.places) > 1e-6 * region.size) & ~periodic.any()
    if not wrong.any():
        return []
    place = own.places[int(np.argmax(wrong))]
    text = ", ".join(f"{c.name} = {v:g}" for c, v in zip(problem.space, place, strict=True))
    return [
        Diagnostic("E544", f"the data of `{own.path}` cannot be used: {text} lies outside of the "
                   "domain", data.span, helps=("leave it out, or enlarge the domain",))
    ]  # fmt: skip
