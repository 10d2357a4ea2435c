"""What a run will need of memory, before it starts and without JAX.

Every part is counted from sizes that the options state: p parameters, n points, the entries of
stencils, Jacobians and Gram matrices. The constants are those of the compiled programs
(`tests/solvers/test_memory_estimate.py` holds them to a factor of two).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, Span
from pdesl.ir.evolution import to_evolution
from pdesl.ir.system import System
from pdesl.solvers.binding import bind_nested
from pdesl.solvers.line_choices import GRAPH, NO_SPACE, line_choices
from pdesl.solvers.memory_direct import (
    collocation_parts,
    feature_count,
    feature_parts,
    line_parts,
)
from pdesl.solvers.methods import Method, smallest_stencil
from pdesl.solvers.neural_choices import network_sizes, tangent_options
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions
from pdesl.solvers.node_options import count_nodes
from pdesl.solvers.options import (
    DtPinnOptions,
    LbfgsOptions,
    LevenbergMarquardtOptions,
    MethodOfLinesOptions,
    PinnOptions,
    RandomFeaturesOptions,
    SinodeOptions,
    SsbroydenOptions,
    TrainedOptions,
)
from pdesl.solvers.tangent_options import choose_tangent_solver
from pdesl.symbolic.problem import Choice

__all__ = [
    "MemoryPart",
    "estimate_memory",
    "largest_fitting",
    "memory_line",
    "memory_mistake",
    "size_of",
]

#: Python, JAX and the compiler, in bytes.
PROCESS = 0.6e9
# Fewer nodes or samples than these are no solution.
SMALLEST = 8
# Arrays that a derivative by Taylor propagation holds for each unit of a layer and coefficient.
TAYLOR_COPIES = 2
# Rows from which the last layer of a fit is solved for, at most.
MOST_HEAD_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """A part of the memory of each device, in bytes."""

    name: str
    size: float


@dataclass(frozen=True, slots=True)
class SizeOption:
    """The option that the memory of a method grows with, its value and its place."""

    name: str
    value: int
    span: Span | None


def size_option(
    system: System, choice: Choice, options: Any, values: Mapping[sympy.Symbol, float]
) -> SizeOption | None:
    """What could be smaller; None for a run without an estimate: a fit, or no points in space."""
    if isinstance(options, SinodeOptions):
        return None
    name, own, value = "nodes", choice, 0
    if isinstance(options, MethodOfLinesOptions):
        choices = line_choices(options, to_evolution(system, constraints=True), values)
        own = options.space
        if choices.space in (NO_SPACE, GRAPH):
            return None
        if choices.points:
            name, value = "points", max(choices.points)
        else:
            value = round(count_nodes(system, own, choices.space_options))
    elif isinstance(options, RandomFeaturesOptions):
        name, value = feature_count(system, options)
    elif isinstance(options, NeuralIvpOptions):
        name, value = "samples", options.samples
    else:
        value = round(count_nodes(system, choice, options))
    return SizeOption(name, value, own.spans.get(name, own.span or choice.span))


def estimate_memory(
    method: Method,
    system: System,
    choice: Choice,
    options: Any,
    values: Mapping[sympy.Symbol, float],
    devices: int = 1,
    size: int | None = None,
) -> list[MemoryPart]:
    """The parts of the memory of each device; empty for a method without an estimate.

    Args:
        method, choice, options: as bound.
        system: the problem's, which the method can solve.
        values: a number for every parameter.
        devices: what scales with points is divided among them.
        size: another value of the size option.

    Raises:
        ProblemError: nodes that cannot be counted, or no evolution form.
    """
    if size is None:
        stated = size_option(system, choice, options, values)
        if stated is None:
            return []
        size = stated.value
    if isinstance(options, NeuralIvpOptions):
        found = _moving(system, replace(options, samples=size), values, devices)
    elif isinstance(options, TrainedOptions):
        found = _trained(method, system, options, values, size, devices)
    else:
        if isinstance(options, MethodOfLinesOptions):
            evolved = to_evolution(system, constraints=True)
            own = line_parts(evolved, line_choices(options, evolved, values), size, devices)
        elif isinstance(options, RandomFeaturesOptions):
            own = feature_parts(system, options, size)
        else:
            own = collocation_parts(system, options, size)
        found = [MemoryPart(name, value) for name, value in own]
    return [MemoryPart("Python and JAX", PROCESS), *found]


def largest_fitting(
    method: Method, system: System, choice: Choice, options: Any,
    values: Mapping[sympy.Symbol, float], limit: float, devices: int = 1,
) -> int:  # fmt: skip
    """The largest value of the size option with which a run fits into `limit` bytes; 0: none."""
    stated = size_option(system, choice, options, values)
    assert stated is not None

    def fits(value: int) -> bool:
        parts = estimate_memory(method, system, choice, options, values, devices, value)
        return sum(part.size for part in parts) <= limit

    low, high = 0, stated.value
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


# -- trained on points ---------------------------------------------------------------------


def _trained(
    method: Method, system: System, options: TrainedOptions,
    values: Mapping[sympy.Symbol, float], nodes: int, devices: int,
) -> list[MemoryPart]:  # fmt: skip
    dimension = len(system.frame.space_axes)
    timed = system.frame.time_axis is not None
    number = 8 if options.precision == "float64" else 4
    slices = options.slices if timed else 1
    boundary = min(nodes, 2 * dimension * nodes ** ((dimension - 1) / dimension))
    layers = [dimension + timed, *[options.width] * options.depth, len(system.fields)]
    parameters = sum((a + 1) * b for a, b in pairwise(layers))
    jets = {j for row in system.all_rows for j in row.jets(system.space)}
    order = max((system.space_order(j) for j in jets), default=0)
    rows = ceil((nodes + boundary) * slices / devices)
    found: list[MemoryPart] = []
    if isinstance(options, DtPinnOptions):
        ghosts = boundary if options.ghost else 0.0
        points = ceil((nodes + ghosts) * slices / devices)
        # σ(z) and, with time, ∂t z of every layer are kept for the way back.
        kept = options.width * options.depth * (1 + timed)
        found.append(MemoryPart("network at all nodes", points * kept * number))
        stencil = smallest_stencil(options.order + order - 1, dimension)
        matrices = len({j for j in jets if system.space_order(j)})
        # A matrix and its transpose with their indices, and the rows that they were made from.
        entries = nodes * stencil * matrices * (2 * (number + 4) / devices + 12)
        found.append(MemoryPart("RBF-FD operators", entries))
    elif isinstance(options, PinnOptions):
        coefficients = 1 + dimension * order
        chunk = min(options.chunk, rows)
        size = chunk * options.width * options.depth * coefficients * TAYLOR_COPIES * number
        found.append(MemoryPart("derivatives of a chunk of points", size))
    table = rows * (dimension + timed + 2 + len(jets)) * number
    found.append(MemoryPart("data of the rows", table))
    name, size = _optimiser(options.optimiser, values, parameters, rows, number)
    return [*found, MemoryPart(name, size)]


def _optimiser(
    choice: Choice, values: Mapping[sympy.Symbol, float], parameters: int, rows: int, number: int
) -> tuple[str, float]:
    own = bind_nested("optimiser", choice, values)
    if isinstance(own, SsbroydenOptions):
        return "inverse Hessian of ssbroyden", 2.0 * number * parameters**2
    if isinstance(own, LbfgsOptions):
        return "history of lbfgs", 4.0 * number * own.history * parameters
    if isinstance(own, LevenbergMarquardtOptions) and min(rows, parameters) <= own.largest:
        small = min(rows, parameters)
        return "Jacobian and its square", number * (2.0 * rows * parameters + 3.0 * small**2)
    return f"state of {choice.name}", 6.0 * number * parameters


# -- moving parameters ---------------------------------------------------------------------


def _moving(
    system: System, options: NeuralIvpOptions, values: Mapping[sympy.Symbol, float], devices: int
) -> list[MemoryPart]:
    evolved = to_evolution(system)
    own = tangent_options(options, values)
    sizes = network_sizes(evolved, options)
    number = 8 if options.numbers == "float64" else 4
    parameters = sum((a + 1) * b for a, b in pairwise(sizes))
    extra = 0
    if system.boundary and options.boundary != "hard":
        extra = options.boundary_samples or max(options.samples // 8, 2)
    fit = bind_nested("fit", options.fit, values)
    # A fit solves the same least-squares problem on other points.
    fitted = getattr(fit, "samples", None) or 2 * options.samples
    found = []
    for name, points, more in (("velocity", options.samples, extra), ("initial fit", fitted, 0)):
        choice = choose_tangent_solver(sizes, points, own, extra=more)
        share = 1.0 if choice.solver in ("gram", "dense") else 1.0 / devices
        found.append((f"{name} by {choice.solver}", choice.memory * share * number / 8))
    name, size = max(found, key=lambda entry: entry[1])
    head = min(8 * fitted, MOST_HEAD_ROWS) * (sizes[0] + 3 * options.width) * number
    check = 4 * fitted * (sizes[0] + options.width * options.depth) * number
    return [
        MemoryPart(name, size),
        MemoryPart("last layer of a fit", head),
        MemoryPart("points that a fit is judged on", check),
        MemoryPart("networks kept in time", 64 * parameters * len(evolved.fields) * number),
    ]


# -- for a person --------------------------------------------------------------------------


def memory_line(parts: Sequence[MemoryPart], devices: int = 1) -> str:
    """The whole and its largest parts."""
    total = sum(part.size for part in parts)
    largest = sorted(parts, key=lambda part: -part.size)
    shown = [f"{part.name} {size_words(part.size)}" for part in largest if part.size > 0.02 * total]
    each = f" on each of {devices} devices" if devices > 1 else ""
    return f"memory: about {size_words(total)}{each}: {', '.join(shown)}"


def memory_mistake(
    method: Method, system: System, choice: Choice, options: Any,
    values: Mapping[sympy.Symbol, float], limit: float, devices: int = 1,
) -> Diagnostic | None:  # fmt: skip
    """E647, a run that does not fit into `limit` bytes of each device, with the largest that does.

    Raises:
        ProblemError: as `estimate_memory`.
    """
    parts = estimate_memory(method, system, choice, options, values, devices)
    total = sum(part.size for part in parts)
    size = size_option(system, choice, options, values)
    if size is None or total <= limit:
        return None
    worst = max(parts[1:], key=lambda part: part.size)
    fitting = largest_fitting(method, system, choice, options, values, limit, devices)
    remedy = (
        f"`{size.name}={fitting}` is about the largest that fits"
        + ("" if method.undivided else ", else more devices")
        if fitting >= SMALLEST
        else f"no number of {size.name} fits: take a smaller network, a lower order or another "
        "optimiser"
    )
    return Diagnostic(
        "E647",
        f"`{method.name}` with {size.name} = {size.value:,} needs about {size_words(total)}, most "
        f"of it beside Python for the {worst.name}, and there are {size_words(limit)}",
        size.span,
        helps=(remedy,),
    )


def size_words(size: float) -> str:
    """Bytes, `1.4 GB`."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"


def size_of(text: str) -> float:
    """Bytes from `16GB`, `512 MB` or a number of bytes.

    Raises:
        ValueError: it is neither.
    """
    found = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kMGT]?)(i?)B?\s*", text)
    if found is None:
        raise ValueError(f"a size of memory is such as 16GB: {text!r}")
    number, unit, binary = found.groups()
    return float(number) * (1024 if binary else 1000) ** ("kMGT".find(unit) + 1 if unit else 0)
