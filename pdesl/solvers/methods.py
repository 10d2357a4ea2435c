"""The table of methods: name, options, what each requires of a problem, where it lives.

Nothing here imports JAX, so that a problem can be checked against a method without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from math import comb
from typing import TYPE_CHECKING, Any

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.system import Row, System
from pdesl.language.names import suggest
from pdesl.lowering.node_tables import table_mistakes, without_graph
from pdesl.solvers.binding import bind_options
from pdesl.solvers.fit_choices import data_mistakes, fit_choices, fit_mistakes
from pdesl.solvers.line_choices import line_mistakes, scattered
from pdesl.solvers.neural_choices import HIGHEST_ORDER, neural_mistakes
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions
from pdesl.solvers.node_options import NodeOptions, count_nodes
from pdesl.solvers.options import (
    DtPinnOptions,
    MethodOfLinesOptions,
    PinnOptions,
    RandomFeaturesOptions,
    RbfFdOptions,
    SinodeOptions,
    TrainedOptions,
)
from pdesl.symbolic.options import describe_options
from pdesl.symbolic.problem import Choice, Problem, Unknown

if TYPE_CHECKING:
    from pdesl.solvers.base import Reporter, SolverResult, Task

__all__ = [
    "METHODS",
    "Method",
    "choose_method",
    "method_named",
    "requirements",
    "size_mistakes",
    "smallest_stencil",
]

HIGHEST_STENCIL_DIMENSION = 3
# Weights of a network, and places it is evaluated at in a training, beyond which no machine's
# memory suffices.
MOST_WEIGHTS, MOST_PLACES = 100_000_000, 50_000_000


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    `stencils` tells whether spatial derivatives are RBF-FD products (else exact, of the network);
    `steady` whether only steady problems can be solved, `evolving` whether only those with time;
    `direct` whether it solves discretised equations, so that a coarser run tells of its error;
    `trains` whether it is iterative training that a `Monitor` can watch;
    `exact_order` the highest derivative of its network that it takes (None: any);
    `periodic` whether its network can be periodic;
    `fits` whether it fits closures and unknown numbers to data, and solves nothing else;
    `ordinary` whether it solves problems in time alone;
    `undivided` why its work cannot be divided among devices, empty where it can;
    `module` is where its `solve(task, reporter)` is.
    """

    name: str
    words: str
    options: type
    module: str
    stencils: bool
    steady: bool = False
    evolving: bool = False
    direct: bool = False
    trains: bool = False
    exact_order: int | None = HIGHEST_ORDER
    periodic: bool = False
    fits: bool = False
    ordinary: bool = False
    undivided: str = ""

    def solve(self, task: Task, reporter: Reporter) -> SolverResult:
        """Run the method, and meet the conditions on integrals; imports JAX."""
        solve: Callable[[Task, Reporter], SolverResult] = import_module(self.module).solve
        meet = import_module("pdesl.solvers.free_constants").with_constants
        return meet(task, solve(task, reporter))


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "dt_pinn",
            "a network trained on RBF-FD derivatives (Sharma and Shankar, 2022)",
            DtPinnOptions,
            "pdesl.solvers.dt_pinn",
            stencils=True,
            trains=True,
        ),
        Method(
            "pinn",
            "a network trained on its own exact derivatives (Raissi et al., 2019)",
            PinnOptions,
            "pdesl.solvers.pinn",
            stencils=False,
            trains=True,
        ),
        Method(
            "rbf_fd",
            "RBF-FD collocation, solved directly: the fastest way to a trusted answer",
            RbfFdOptions,
            "pdesl.solvers.rbf_fd",
            stencils=True,
            steady=True,
            direct=True,
            undivided="one sparse matrix is factored on the processor",
        ),
        Method(
            "random_features",
            "one hidden layer of random features, its last layer solved by least squares",
            RandomFeaturesOptions,
            "pdesl.solvers.random_features",
            stencils=False,
            exact_order=None,
            periodic=True,
            undivided="one dense least-squares problem is solved on the processor",
        ),
        Method(
            "method_of_lines",
            "discretised in space, then stepped in time by an IMEX method: the fastest way to a "
            "trusted answer with time",
            MethodOfLinesOptions,
            "pdesl.solvers.method_of_lines",
            stencils=True,
            evolving=True,
            direct=True,
            ordinary=True,
        ),
        Method(
            "sinode",
            "closures and unknown numbers fitted to data, stepped with the stiff part implicit "
            "(Zhang, Liu and Maulik, 2024)",
            SinodeOptions,
            "pdesl.solvers.sinode",
            stencils=True,
            evolving=True,
            fits=True,
        ),
        Method(
            "neural_ivp",
            "networks whose parameters move in time, in any dimension (Finzi et al., 2023)",
            NeuralIvpOptions,
            "pdesl.solvers.neural_ivp",
            stencils=False,
            evolving=True,
            periodic=True,
        ),
    )
}


def method_named(name: str, span: Span | None = None) -> Method:
    """The method of a name.

    Raises:
        ProblemError: there is none (E501).
    """
    if name not in METHODS:
        guess = suggest(name, list(METHODS))
        raise ProblemError(
            [
                Diagnostic(
                    "E501",
                    f"there is no method `{name}`",
                    span,
                    helps=(
                        f"did you mean `{guess}`?" if guess else f"there are: {', '.join(METHODS)}",
                    ),
                )
            ]
        )
    return METHODS[name]


#: Methods in the order in which a file without one is offered to them: direct ones, whose answer
#: can be trusted and comes first, then those that train.
PREFERENCE = ("rbf_fd", "method_of_lines", "dt_pinn", "neural_ivp", "pinn")


def choose_method(problem: Problem, system: System | None = None) -> tuple[Method, Choice]:
    """The method that the file names, else the first of `PREFERENCE` that can solve the problem.

    `system` is the problem's; without it only time and dimension decide. A method that lacks an
    option that the file gives is passed over.

    Raises:
        ProblemError: the file names one that does not exist (E501).
    """
    choice = problem.solver or Choice("")
    if choice.name:
        return method_named(choice.name, choice.span), choice
    if problem.fit:
        return METHODS["sinode"], choice
    given = {name for name, _ in choice.options}
    suited = [
        method
        for method in (METHODS[name] for name in PREFERENCE)
        if given <= {name for name, _, _ in describe_options(method.options)}
        and not (method.steady and problem.time is not None)
        and not (method.evolving and problem.time is None)
        and not (method.stencils and len(problem.space) > HIGHEST_STENCIL_DIMENSION)
    ]
    if system is not None:
        for method in suited:
            if _is_able(method, system, choice):
                return method, choice
    return (suited or [METHODS["dt_pinn"]])[0], choice


def _is_able(method: Method, system: System, choice: Choice) -> bool:
    try:
        options = bind_options(method, choice, system.problem.parameter_values())
    except ProblemError:
        return False
    return not requirements(method, system, options)


def size_mistakes(
    method: Method, system: System, choice: Choice, options: Any
) -> tuple[Diagnostic, ...]:
    """Nodes, sizes and orders that cannot be, one with another.

    Nodes asked for in a way that cannot be (E530 to E539); fewer nodes than a stencil of the order
    has, or fewer points than features (E514); features that are not periodic where a coordinate
    is (E616); a training that no memory can hold (E518).

    A stencil has n = 2 C(ℓ + d, d) + 1 nodes with ℓ = p + θ − 1, for order p, derivatives up to
    order θ and d dimensions (R. Sharma and V. Shankar, 2022, section 2.1), from two dimensions on
    at least 3 C(2 + d, d) + 1.
    """
    dimension = len(system.frame.space_axes)
    wrong = table_mistakes(system.problem)
    if wrong and not isinstance(options, SinodeOptions):
        return wrong
    if isinstance(options, RandomFeaturesOptions):
        return tuple(_feature_mistakes(system, choice, options))
    if isinstance(options, SinodeOptions):
        return tuple(_fit_sizes(system))
    own: Any = options
    stated = choice
    if isinstance(options, MethodOfLinesOptions):
        own, stated = scattered(options, system.problem.parameter_values()), options.space
    if system.problem.shape is None or not isinstance(own, NodeOptions):
        return ()
    if isinstance(options, TrainedOptions):
        large = _too_large(system, choice, options)
        if large:
            return tuple(large)
    if isinstance(options, DtPinnOptions) and options.time_derivative == "stencils":
        orders = (system.time_order(j) for row in system.all_rows for j in row.jets(system.space))
        highest = max(orders, default=0)
        if options.slices <= highest:
            return (
                Diagnostic(
                    "E514",
                    f"a derivative of order {highest} in time needs {highest + 1} time slices, "
                    f"and there are {options.slices}",
                    choice.spans.get("slices", choice.span),
                    helps=("take more, `slices=25`", "or `time_derivative=exact`"),
                ),
            )
    try:
        count = round(count_nodes(system, stated, own))
    except ProblemError as error:
        return error.diagnostics
    if not method.stencils or not 1 <= dimension <= HIGHEST_STENCIL_DIMENSION:
        return ()
    theta = max(
        (system.space_order(j) for row in system.all_rows for j in row.jets(system.space)),
        default=0,
    )
    if theta == 0:
        return ()
    order: int = getattr(own, "order")  # noqa: B009, every method on stencils has one
    least = smallest_stencil(order + theta - 1, dimension)
    if count >= least:
        return ()
    places = (stated.spans.get(name) for name in ("nodes", "spacing", "order"))
    return (
        Diagnostic(
            "E514",
            f"order {order} for derivatives of order {theta} in {dimension} "
            f"dimension{'s' if dimension != 1 else ''} needs {least} nodes for a single stencil, "
            f"and there are {count}",
            next((s for s in places if s), choice.span),
            helps=(f"choose a lower order, or many more nodes, `nodes={10 * least}`",),
        ),
    )


def smallest_stencil(degree: int, dimension: int) -> int:
    """The nodes of a stencil, as `lowering.rbffd.stencil_nodes`, without SciPy's start."""
    size = 2 * comb(degree + dimension, dimension) + 1
    return size if dimension < 2 else max(size, 3 * comb(2 + dimension, dimension) + 1)


def _fit_sizes(system: System) -> Iterable[Diagnostic]:
    """Settings of the fit and of closures, and the files of data."""
    values = system.problem.parameter_values()
    try:
        fit_choices(system.problem, values)
    except ProblemError as error:
        yield from error.diagnostics
    yield from data_mistakes(system.problem)


def _feature_mistakes(
    system: System, choice: Choice, options: RandomFeaturesOptions
) -> Iterable[Diagnostic]:
    if options.features and options.points and options.points < options.features:
        yield Diagnostic(
            "E514",
            f"{options.features} features need as many collocation points, and there are "
            f"{options.points}",
            choice.spans.get("points", choice.span),
            helps=(f"give none, or `points={3 * options.features}`",),
        )
    for coordinate in system.problem.space:
        if coordinate.periodic and options.kind == "tanh":
            yield Diagnostic(
                "E616",
                f"tanh features are not periodic, and `{coordinate.name}` is",
                choice.spans.get("kind", choice.span),
                helps=("choose `kind=sin`, or leave the choice to the method",),
            )


def requirements(method: Method, system: System, options: Any = None) -> tuple[Diagnostic, ...]:
    """Why a method cannot solve a system, each reason at the term at fault; empty when it can.

    `options` are the method's, where what it can do depends on them.
    """
    if isinstance(options, SinodeOptions):
        return tuple(fit_mistakes(system, options))
    found: list[Diagnostic] = []
    problem = system.problem

    def refuse(code: str, message: str, span: Span | None, *helps: str) -> None:
        found.append(Diagnostic(code, f"`{method.name}` {message}", span, helps=helps))

    for parameter in problem.parameters:
        if isinstance(parameter.value, Unknown):
            refuse(
                "E611",
                f"does not find unknown parameters, and `{parameter.name}` is one",
                parameter.span,
                f"give it a value, `--set parameters.{parameter.name}=…`",
            )
    found += without_graph(problem)
    if system.integrals and not system.is_steady and not isinstance(options, MethodOfLinesOptions):
        refuse("E629", "meets conditions on integrals in steady problems alone",
               system.integrals[0].row.equation.span, "choose `method_of_lines`")  # fmt: skip
    for closure in problem.learned_closures:
        refuse(
            "E612",
            f"does not learn closures, and `{closure.name}` is one",
            closure.span,
            "write the term as a formula",
        )
    for term in problem.fit:
        refuse("E613", "does not fit data", term.span, "remove the blocks `fit:` and `data:`")
    if not method.ordinary and (not system.frame.space_axes or problem.shape is None):
        refuse(
            "E614",
            "solves problems in space, and this one has time alone",
            problem.time.span if problem.time else None,
            "choose `method_of_lines`, or add a spatial coordinate to `domain:`",
        )
        return tuple(found)
    if method.steady and problem.time is not None:
        refuse(
            "E619",
            "solves steady problems, and this one has a time coordinate",
            problem.time.span,
            "choose `method_of_lines`, `dt_pinn` or `pinn`",
        )
    if method.evolving and problem.time is None:
        refuse(
            "E630",
            "steps in time, and this problem has no time coordinate",
            problem.space[0].span,
            "choose `rbf_fd`, or add `t ∈ [0, 1]` to `domain:`",
        )
        return tuple(found)
    dimension = len(system.frame.space_axes)
    if system.frame.is_graph and not isinstance(options, MethodOfLinesOptions):
        (node,) = problem.space
        refuse("E633", f"works in continuous space, and `{node.name}` numbers a graph's nodes",
               node.span, "choose `method_of_lines`, or `sinode` with data")  # fmt: skip
        return tuple(found)
    if method.stencils and dimension > HIGHEST_STENCIL_DIMENSION:
        span = problem.space[-1].span
        refuse(
            "E615",
            f"works in up to {HIGHEST_STENCIL_DIMENSION} dimensions, and there are {dimension}",
            span,
            "choose `pinn`, `--solver pinn`",
        )
    for coordinate in problem.space:
        if coordinate.periodic and not (method.stencils or method.periodic):
            refuse(
                "E616",
                "has no periodic networks",
                coordinate.span,
                "choose `dt_pinn`, whose stencils wrap around",
            )
    for field in problem.unknown_fields:
        if len(field.coordinates) != len(problem.coordinates):
            names = ", ".join(c.name for c in problem.coordinates)
            refuse(
                "E617",
                f"needs every field to depend on every coordinate, and `{field.name}` does not",
                field.span,
                f"declare it as `{field.name}({names})`",
            )
    if isinstance(options, MethodOfLinesOptions):
        found += [] if found else line_mistakes(system, options, problem.parameter_values())
        return tuple(found)
    if isinstance(options, NeuralIvpOptions):
        found += [] if found else neural_mistakes(system, options, problem.parameter_values())
        return tuple(found)
    for row in system.all_rows:
        for jet in row.jets(system.space):
            order = jet.order if not method.stencils else system.time_order(jet)
            if method.exact_order is not None and order > method.exact_order:
                refuse(
                    "E618",
                    f"differentiates networks up to order {method.exact_order}, "
                    f"and this term has order {order}",
                    _place(row, order),
                    "introduce a field for a time derivative of lower order"
                    if method.stencils
                    else "choose `dt_pinn`",
                )
                break
    return tuple(found)


def _too_large(system: System, choice: Choice, options: TrainedOptions) -> list[Diagnostic]:
    """What of a training is too large to be held."""
    width, ends = options.width, len(system.problem.coordinates) + len(system.fields)
    weights = width * (ends + (options.depth - 1) * width)
    nodes = options.nodes if isinstance(options.nodes, int) else 1
    places = nodes * (1 if system.problem.time is None else options.slices)
    found: list[Diagnostic] = []
    for name, count, most, words in (
        ("width", weights, MOST_WEIGHTS, "weights of the network"),
        ("slices", places, MOST_PLACES, "places where the network is evaluated"),
    ):
        if count > most:
            span = choice.spans.get(name) or choice.span
            message = f"{count:,} {words}, and {most:,} are the most"
            found.append(Diagnostic("E518", message, span, helps=(f"take a smaller `{name}`",)))
    return found


def _place(row: Row, order: int) -> Span | None:
    """Where the row has a derivative of that order, else the row."""
    for part, span in row.equation.terms.items():
        if isinstance(part, sympy.Derivative) and part.derivative_count >= order:
            return span
    return row.equation.span
