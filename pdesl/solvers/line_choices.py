"""What `method_of_lines` was asked for: its discretisation in space and its integrator in time.

Nothing here imports JAX, so that a problem can be checked against the choice without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.evolution import to_evolution
from pdesl.ir.imex import imex_mistakes, is_bent, neat, stiff_terms
from pdesl.ir.samples import evaluate, interior_sample
from pdesl.ir.split import split
from pdesl.ir.system import Row, System
from pdesl.ir.text import format_expression
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.explicit_pairs import PAIRS
from pdesl.solvers.node_options import count_nodes
from pdesl.solvers.options import (
    SERIES,
    SPACE_OPTIONS,
    FourierOptions,
    GridOptions,
    MethodOfLinesOptions,
    ScatteredOptions,
)
from pdesl.symbolic.domain import make_region, numeric_value
from pdesl.symbolic.functions import WITHOUT_JAX

__all__ = [
    "GRAPH",
    "NO_SPACE",
    "LineChoices",
    "line_choices",
    "StiffEstimate",
    "line_mistakes",
    "scattered",
    "stiff_estimate",
]

BOXES = ("box", "interval", "rectangle")
#: What stands for the discretisation in space of a problem in time alone.
NO_SPACE = "none"
#: What stands for it on a graph, which is discrete as it is.
GRAPH = "graph"
EXPONENTIAL_NAMES = ("etd1", "etdrk2", "etdrk4")


@dataclass(frozen=True, slots=True)
class LineChoices:
    """The choices, bound: names and their options; `points` along every coordinate of a grid.

    `spectral` tells whether the state lives in Fourier space: on a periodic box, where every
    stiff coefficient is constant. `space` is `NO_SPACE` for a problem in time alone, `GRAPH` on a
    graph.
    """

    space: str
    space_options: Any
    points: tuple[int, ...]
    spectral: bool
    time: str
    time_options: Any


def line_choices(
    options: MethodOfLinesOptions, system: System, values: Mapping[sympy.Symbol, float]
) -> LineChoices:
    """The choices of a problem's options, `automatic` decided by the domain.

    `system` is in evolution form.

    Raises:
        ProblemError: `points` do not fit the dimension (E521), fixed steps without their size
            (E520), or a choice that is wrong (E515, …).
    """
    name = options.space.name
    own = bind_nested("space", options.space, values)
    if not system.frame.space_axes:
        name = NO_SPACE  # `line_mistakes` refuses any other choice
    elif system.frame.is_graph:
        name = GRAPH  # the same
    elif name == "automatic":
        name = _suited(system)
        own = SPACE_OPTIONS[name]()
    dimension = len(system.frame.space_axes)
    points: tuple[int, ...] = ()
    if name not in (NO_SPACE, GRAPH) and isinstance(own, GridOptions | FourierOptions):
        given = own.points
        points = given if isinstance(given, tuple) else (given,) * dimension
        if len(points) != dimension:
            raise ProblemError(
                [
                    Diagnostic(
                        "E521",
                        f"{len(points)} numbers of points are given for {dimension} "
                        f"coordinate{'s' if dimension > 1 else ''}",
                        options.space.spans.get("points", options.space.span),
                        helps=("give one number, or one for every spatial coordinate",),
                    )
                ]
            )
    time_options = bind_nested("time", options.time, values)
    if time_options.dt is None and not hasattr(time_options, "rtol"):
        name_of_time = options.time.name
        raise ProblemError(
            [
                Diagnostic(
                    "E520",
                    f"`{name_of_time}` takes fixed steps, and their size is not given",
                    options.time.span or options.space.span,
                    helps=(
                        f"give it, `time = {name_of_time}(dt=0.01)`",
                        "or choose `time = imex_rk4`",
                    ),
                )
            ]
        )
    time = options.time.name
    if time == "automatic":
        time = _suited_time(system)
    spectral = bool(points) and _is_periodic_box(system)
    if spectral and name == "finite_difference":
        spectral = not _varying(system)
    return LineChoices(
        name,
        own,
        points,
        spectral,
        time,
        time_options,
    )


def _suited(system: System) -> str:
    if not _is_box(system):
        return "rbf_fd"
    if _is_periodic_box(system) and not _varying(system):
        return "fourier"
    # Central differences do not see a multiplier that alternates from node to node.
    if system.multipliers:
        return "rbf_fd"
    high = any(system.order_in_space(f) > 2 for f in system.fields)
    return "rbf_fd" if high and not _is_periodic_box(system) else "finite_difference"


def _suited_time(system: System) -> str:
    """All terms implicit where those that an IMEX method leaves explicit may be stiff.

    They are in time alone, where rates say nothing of themselves, and where a field's own highest
    derivatives are among them, of order two or more.
    """
    if not system.frame.space_axes:
        return "dirk4"
    for name, part in zip(system.fields, split(system), strict=True):
        if not part.row.mass:
            continue
        bent, stiff = (
            max((system.space_order(j) for j in system.space.jets(e) if j.field == name), default=0)
            for e in (part.row.nonlinear, part.stiff)
        )
        if bent >= 2 and bent >= stiff and part.row.stiff is None:
            return "dirk4"
    return "imex_rk4"


def _is_box(system: System) -> bool:
    shape = system.problem.shape
    return shape is not None and shape.kind in BOXES


def _is_periodic_box(system: System) -> bool:
    return _is_box(system) and all(c.periodic for c in system.problem.space)


def _varying(system: System) -> list[Row]:
    """Rows whose stiff part has a coefficient that depends on place or time."""
    moving = {*system.space_symbols, system.time_symbol}
    return [
        part.row
        for part in split(system)
        if any(neat(t.coefficient).free_symbols & moving for t in stiff_terms(system, part))
    ]


def line_mistakes(
    system: System, options: MethodOfLinesOptions, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """Why a problem cannot be solved with these options.

    `system` is the problem's. Equations that cannot be solved for their time derivatives (E626 to
    E628), boundary conditions of another form (E632), a discretisation that the domain does not
    allow (E633), equations in space that an integrator does not keep (E634), coefficients that
    Fourier's method has no diagonal for (E635), an exponential integrator without a diagonal
    (E636).

    Raises:
        ProblemError: see `line_choices`.
    """
    first = next((row.equation.span for row in system.rows), None)
    try:
        system = to_evolution(system, short=False, constraints=True)
    except ProblemError as error:
        return list(error.diagnostics)
    if not system.fields:
        helps = ("give a field an equation with its time derivative",)
        return [Diagnostic("E626", "no equation holds a time derivative", first, helps=helps)]
    found = imex_mistakes(system, bent=True)
    if found:
        return found
    choices = line_choices(options, system, values)
    span = options.space.span
    if choices.space == NO_SPACE and options.space.name != "automatic":
        message = f"`{options.space.name}` discretises space, and this problem has time alone"
        found.append(Diagnostic("E633", message, span, helps=("remove `space = …`",)))
    if choices.space == GRAPH and options.space.name != "automatic":
        message = f"`{options.space.name}` discretises space, and the nodes of a graph are given"
        found.append(Diagnostic("E633", message, span, helps=("remove `space = …`",)))
    if choices.space == "fourier" and not _is_periodic_box(system):
        found.append(_domain("`fourier` needs a box that is periodic in every direction", span))
    if choices.space == "finite_difference":
        if not _is_box(system):
            found.append(_domain("`finite_difference` needs a box", span))
        elif not _is_periodic_box(system):
            for name in system.fields:
                if system.order_in_space(name) > 2:
                    message = (
                        f"`finite_difference` has no place for two boundary conditions of "
                        f"`{name}`, which has order {system.order_in_space(name)}"
                    )
                    found.append(_domain(message, span))
    if choices.space == "fourier" and _is_periodic_box(system):
        for row in _varying(system):
            found.append(
                Diagnostic(
                    "E635",
                    "the stiff part has a coefficient that is not constant, so it is not diagonal "
                    "in Fourier space",
                    row.equation.span,
                    helps=(
                        "choose `space = finite_difference(…)`",
                        "mark a constant part, `stiff(c ∇²u) + nonstiff((κ - c) ∇²u)`",
                    ),
                )
            )
    if not found:
        found += _constraint_mistakes(system, options, choices)
    if choices.time == SERIES and not found:
        found += _series_mistakes(system, options, choices.time_options, values)
    if choices.time in EXPONENTIAL_NAMES and not choices.spectral and not found:
        found.append(
            Diagnostic(
                "E636",
                f"`{choices.time}` needs a stiff part that is diagonal: constant coefficients on a "
                "periodic box",
                options.time.span,
                helps=("choose `time = imex_rk4(…)`",),
            )
        )
    return found


def _constraint_mistakes(
    system: System, options: MethodOfLinesOptions, choices: LineChoices
) -> list[Diagnostic]:
    """Equations that hold at every moment, beside integrators and terms that do not keep them."""
    found: list[Diagnostic] = []
    explicit = choices.time == SERIES or choices.time in EXPONENTIAL_NAMES
    wrong = [(row, "this equation in space") for row in system.rows if not row.mass]
    wrong += [
        (row, "this condition, which is not linear") for row in system.boundary
        if is_bent(system, row)
    ]  # fmt: skip
    for row, what in wrong if explicit else ():
        found.append(
            Diagnostic(
                "E634", f"`{choices.time}` does not solve {what} along with its steps",
                row.equation.span, helps=("choose `time = imex_rk3`",),
            )
        )  # fmt: skip
    tied = set(system.multipliers)
    for row in system.rows:
        held = sorted({j.field for j in system.space.jets(row.nonlinear)} & tied)
        if held and row.mass:
            found.append(
                Diagnostic(
                    "E634", f"`{held[0]}` stands in no equation in space, and nonlinearly in this "
                    "one: it cannot be found along with a step", row.equation.span,
                    helps=("choose `dt_pinn` or `pinn`",),
                )
            )  # fmt: skip
    for row in system.boundary:
        fields = {t.jet.field for t in row.linear}
        if fields & tied and fields - tied and choices.time in PAIRS:
            found.append(
                Diagnostic(
                    "E634", f"`{choices.time}` does not give `{sorted(fields & tied)[0]}`, which "
                    "this condition holds", row.equation.span, helps=("choose `time = imex_rk3`",),
                )
            )  # fmt: skip
    if tied and choices.space == "finite_difference":
        name = system.multipliers[0]
        found.append(
            Diagnostic(
                "E634", f"central differences do not see parts of `{name}` that alternate from "
                "node to node", options.space.span, helps=("choose `space = rbf_fd(…)`",),
            )
        )  # fmt: skip
    return found


def _series_mistakes(
    system: System, options: MethodOfLinesOptions, own: Any, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """What no series goes through, and stiff parts that no explicit method gets through."""
    found = [
        Diagnostic(
            "E327",
            f"`{format_expression(part, system)}` has no Taylor series: JAX lacks the function",
            row.equation.span_of(part), helps=("choose `time = imex_rk4`",),
        )
        for row in system.all_rows
        for part in sorted(row.residual.atoms(*WITHOUT_JAX), key=str)
    ]  # fmt: skip
    time = system.problem.time
    assert time is not None
    assert time.lower is not None
    assert time.upper is not None
    try:
        estimate = stiff_estimate(system, options, values)
        first, last = (numeric_value(b, values, None, "a time") for b in (time.lower, time.upper))
    except ProblemError:
        return found  # reported where nodes and domain are checked
    limit = SERIES_LIMIT[0] + SERIES_LIMIT[1] * (own.order or MOST_SERIES_ORDER)
    steps = (last - first) * estimate.largest / limit
    if steps > MOST_SERIES_STEPS:
        found.append(
            Diagnostic(
                "E648", f"`{SERIES}` is explicit, and the stiff part would have it take about "
                f"{steps:.0e} steps", options.time.span, helps=("choose `time = imex_rk4`",),
            )
        )  # fmt: skip
    return found


def _domain(message: str, span: Span | None) -> Diagnostic:
    return Diagnostic("E633", message, span, helps=("choose `space = rbf_fd(…)`",))


@dataclass(frozen=True, slots=True)
class StiffEstimate:
    """Roughly how far the spectrum of the stiff part reaches, and the step that `dt` asks for."""

    largest: float
    dt: float | None

    @property
    def explicit_step(self) -> float:
        """Where an explicit Runge-Kutta method of order 4 becomes unstable."""
        return EXPLICIT_LIMIT / self.largest if self.largest else float("inf")


# exp truncated at order K is bounded by one on the negative axis to about 1.4 + K/3 (K ≤ 40).
SERIES_LIMIT = (1.4, 1.0 / 3.0)
MOST_SERIES_ORDER = 20
MOST_SERIES_STEPS = 100_000
# The stability limit of classical Runge-Kutta methods of order 4 on the negative axis.
EXPLICIT_LIMIT = 2.785


def stiff_estimate(
    system: System, options: MethodOfLinesOptions, values: Mapping[sympy.Symbol, float]
) -> StiffEstimate:
    """The spectral radius of S_ij = max Σ |s_ij| Π (π/h)^m, h the distance of the nodes.

    The sum goes over the stiff terms of equation i with field j. No eigenvalue of a matrix is
    larger than that of its absolute values (O. Perron and G. Frobenius), and the largest symbol of
    a central difference is within a factor of three of (π/h)^m, as is that of RBF-FD operators.
    `system` is in evolution form.

    Raises:
        ProblemError: see `line_choices`.
    """
    choices = line_choices(options, system, values)
    region = make_region(system.problem.shape, system.space_symbols, values)
    lower, upper = region.bounding_box()
    if choices.space == NO_SPACE:
        steps = []
    elif choices.space == GRAPH:
        # The Laplacian's eigenvalues reach to twice the largest degree (F. R. K. Chung, 1997).
        degree = float(np.max(region.degrees))  # pyright: ignore[reportAttributeAccessIssue]
        steps = [np.pi / np.sqrt(2 * degree)]
    elif choices.points:
        steps = [float(b - a) / n for a, b, n in zip(lower, upper, choices.points, strict=True)]
    else:
        nodes = max(count_nodes(system, options.space, choices.space_options), 1.0)
        steps = [(region.measure / nodes) ** (1.0 / len(lower))] * len(lower)
    inside = interior_sample(region)
    start = numeric_value(system.problem.time.lower, values, None, "a time")  # type: ignore[union-attr]
    order = {name: number for number, name in enumerate(system.fields)}
    reach = np.zeros((len(order), len(order)))
    for part in split(system):
        if not part.row.mass:
            continue
        (mass,) = part.row.mass
        for term in stiff_terms(system, part):
            if term.jet.field in system.multipliers:
                continue
            sizes = evaluate([term.coefficient], system, inside, values, start)
            size = float(np.max(np.abs(sizes)[np.isfinite(sizes)], initial=0.0))
            orders = zip(system.space_orders(term.jet), steps, strict=True)
            reach[order[mass.jet.field], order[term.jet.field]] += size * float(
                np.prod([(np.pi / h) ** m for m, h in orders])
            )
    if not np.all(np.isfinite(reach)):
        return StiffEstimate(float("inf"), choices.time_options.dt)
    largest = float(np.max(np.abs(np.linalg.eigvals(reach)), initial=0.0))
    return StiffEstimate(largest, choices.time_options.dt)


def scattered(options: MethodOfLinesOptions, values: Mapping[sympy.Symbol, float]) -> Any:
    """The options of RBF-FD nodes where those are chosen by name, else None."""
    if options.space.name != "rbf_fd":
        return None
    own = bind_nested("space", options.space, values)
    return own if isinstance(own, ScatteredOptions) else None
