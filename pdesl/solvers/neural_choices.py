"""What `neural_ivp` makes of a problem, decided without JAX: refusals, the ansatz, sizes."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.ansatz import Ansatz, ansatz_lines, make_ansatz, start_mistakes
from pdesl.ir.compatibility import layer_lines
from pdesl.ir.evolution import to_evolution
from pdesl.ir.system import System
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions
from pdesl.solvers.tangent_options import TangentOptions, choose_tangent_solver
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.geometry import Region
from pdesl.symbolic.problem import Choice

__all__ = [
    "HIGHEST_ORDER",
    "chosen_ansatz",
    "network_sizes",
    "neural_lines",
    "neural_mistakes",
    "tangent_options",
]

# Orders up to which networks are differentiated; rules of series know no bound, this is a choice.
HIGHEST_ORDER = 8
# The least μ of mixed precision: a matrix of float32 has rounding errors of 1e-7 of it.
LEAST_MIXED = 1e-6
# GiB of a linear solve where nothing else is known.
LEAST_MEMORY = 2.0
# Where μ is chosen by the method, until it is.
FIRST_REGULARISATION = 1e-9


def tangent_options(
    options: NeuralIvpOptions, values: Mapping[sympy.Symbol, float]
) -> TangentOptions:
    """The options of the linear solver, from the choice by name."""
    own = bind_nested("linear", options.linear, values)
    chosen = FIRST_REGULARISATION if own.regularisation is None else own.regularisation
    return TangentOptions(
        options.linear.name, chosen, own.rank, own.tolerance, own.iterations,
        LEAST_MEMORY if own.memory is None else own.memory,
        mixed=options.precision == "mixed",
    )  # fmt: skip


def _mixed_mistakes(
    options: NeuralIvpOptions, values: Mapping[sympy.Symbol, float], choice: Choice | None
) -> list[Diagnostic]:
    """Linear solves that float32 does not help (E649)."""
    if options.precision != "mixed":
        return []
    own = bind_nested("linear", options.linear, values)
    span = options.linear.span or (choice.spans.get("precision", choice.span) if choice else None)
    remedy = "or choose `precision = float64`"
    if options.linear.name == "cg":
        message = "`cg` has neither a matrix nor a preconditioner that float32 could hold"
        return [Diagnostic("E649", message, span, helps=(f"choose `linear = gram(…)`, {remedy}",))]
    if own.regularisation is not None and own.regularisation >= LEAST_MIXED:
        return []
    stated = "one is chosen on the way" if own.regularisation is None else f"{own.regularisation:g}"
    message = (
        f"a matrix in float32 resolves a `regularisation` of {LEAST_MIXED:g} of its largest "
        f"eigenvalue, and no smaller one: {stated}"
    )
    name = options.linear.name
    helps = f"give one, `linear = {name}(regularisation=1e-5)`", remedy
    return [Diagnostic("E649", message, span, helps=helps)]


def chosen_ansatz(
    evolved: System,
    region: Region,
    values: Mapping[sympy.Symbol, float],
    options: NeuralIvpOptions,
) -> Ansatz:
    """The ansatz that the options ask for, of a system in evolution form."""
    return make_ansatz(
        evolved, region, values, hard=options.boundary == "hard",
        exponential=options.ansatz == "exponential", exact=options.start == "exact",
    )  # fmt: skip


def network_sizes(system: System, options: NeuralIvpOptions) -> list[int]:
    """Units of every layer of the network of a field, inputs and output included."""
    ends = sum(2 * options.layers for c in system.problem.space if not c.periodic)
    inputs = len(system.frame.space_axes) * (2 * options.frequencies or 1) + ends
    return [inputs, *[options.width] * options.depth, 1]


def neural_mistakes(
    system: System, options: NeuralIvpOptions, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """Why a problem cannot be solved with these options.

    `system` is the problem's. Equations without an evolution form (E626 to E628), derivatives of
    too high an order in space (E618), a periodic direction without an embedding (E616), a boundary
    condition that couples fields (E637), initial values that the ansatz cannot take (E638).
    """
    try:
        evolved = to_evolution(system, short=False)
    except ProblemError as error:
        return list(error.diagnostics)
    found: list[Diagnostic] = []
    for row in (*evolved.rows, *evolved.boundary):
        order = max((evolved.space_order(j) for j in row.jets(evolved.space)), default=0)
        if order > HIGHEST_ORDER:
            found.append(
                Diagnostic(
                    "E618",
                    f"`neural_ivp` differentiates networks up to order {HIGHEST_ORDER}, and this "
                    f"term has order {order}",
                    row.equation.span,
                    helps=("introduce a field for a derivative of lower order",),
                )
            )
    for coordinate in system.problem.space:
        if coordinate.periodic and not options.frequencies:
            found.append(
                Diagnostic(
                    "E616",
                    f"a network without frequencies is not periodic, and `{coordinate.name}` is",
                    coordinate.span,
                    helps=("give it some, `frequencies=3`",),
                )
            )
    for row in evolved.boundary:
        fields = {j.field for j in row.jets(evolved.space)}
        if len(fields) > 1:
            names = ", ".join(f"`{name}`" for name in evolved.fields if name in fields)
            found.append(
                Diagnostic(
                    "E637",
                    f"every field has a network of its own, and this condition couples {names}",
                    row.equation.span,
                    helps=("write conditions on one field each, or choose `method_of_lines`",),
                )
            )
    found += _mixed_mistakes(options, values, system.problem.solver)
    shape = evolved.problem.shape
    if not found and shape is not None and (options.ansatz, options.start) != ("linear", "fit"):
        region = make_region(shape, evolved.space_symbols, values)
        ansatz = chosen_ansatz(evolved, region, values, options)
        found += start_mistakes(ansatz, evolved, region, values)
    return list(dict.fromkeys(found))


def neural_lines(system: System, options: NeuralIvpOptions) -> list[str]:
    """What conditions are exact and which are penalties, and how velocities are solved for."""
    values = system.problem.parameter_values()
    shape = system.problem.shape
    try:
        evolved = to_evolution(system, short=False)
    except ProblemError:
        return []  # reported as what the method cannot do
    if shape is None:
        return []
    region = make_region(shape, system.space_symbols, values)
    ansatz = chosen_ansatz(evolved, region, values, options)
    lines = ansatz_lines(ansatz, evolved) + layer_lines(ansatz, evolved, region, values)
    sizes = network_sizes(evolved, options)
    choice = choose_tangent_solver(sizes, options.samples, tangent_options(options, values))
    layers = " - ".join(map(str, sizes))
    lines.append(f"network of each field: {layers} units, {options.activation}")
    lines.append(f"linear solves: {choice.solver}; {choice.reason}")
    return lines
