"""What a file says of its nodes: a number, a spacing h(x), or a file; checked without JAX.

`nodes = 2000` is a number, `nodes = load("nodes.csv")` reads them, and `spacing = 0.05` or a
formula in the coordinates, `spacing = 0.01 + 0.1 x²`, takes the place of a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.system import System
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace
from pdesl.symbolic.options import Loaded, option
from pdesl.symbolic.problem import Choice

if TYPE_CHECKING:
    from pdesl.lowering.node_file import NodeFile
    from pdesl.symbolic.geometry import Region, Spacing

__all__ = [
    "MOST_NODES",
    "NODES",
    "NodeOptions",
    "count_nodes",
    "load_nodes",
    "spacing_function",
    "without_default_count",
]

MOST_NODES = 10_000_000
#: What the option `nodes` means.
NODES = 'interior and boundary nodes together, or `load("nodes.csv")`: those of a file'

Values = Mapping[sympy.Symbol, float]


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Where nodes come from, in the options of a method."""

    nodes: int | Loaded | None = option(1000, NODES, least=4, most=MOST_NODES)
    spacing: float | sympy.Expr | None = option(
        None,
        "in place of `nodes`, the distance between neighbours: a number, or a formula in the "
        "coordinates, `spacing = 0.01 + 0.1 x²`",
        above=0.0,
    )


def without_default_count(options: Any, choice: Choice) -> Any:
    """The options with no number of nodes where a spacing is given and a number is not."""
    if not isinstance(options, NodeOptions) or options.spacing is None:
        return options
    return replace(options, nodes=None) if choice.get("nodes") is None else options


def count_nodes(system: System, choice: Choice, options: NodeOptions) -> float:
    """The number of interior and boundary nodes that the options ask for, about that for a spacing.

    Raises:
        ProblemError: E530 a number and a spacing at once, or neither; E531 a spacing that is no
            function of the spatial coordinates; E532 one that is not positive and finite
            somewhere; E533 one that needs more nodes than can be; E534 to E539 a file that cannot
            be used; or a region that cannot be.
    """
    nodes, spacing = options.nodes, options.spacing
    span = choice.spans.get("spacing" if spacing is not None else "nodes", choice.span)

    def refuse(code: str, message: str, remedy: str) -> ProblemError:
        return ProblemError([Diagnostic(code, message, span, helps=(remedy,))])

    if (nodes is None) == (spacing is None):
        raise refuse(
            "E530",
            "neither the number of nodes nor their spacing is given"
            if nodes is None
            else "the number of nodes and their spacing are given at once",
            "give one of the two: `nodes=2000`, or `spacing=0.05`",
        )
    if isinstance(nodes, Loaded):
        return load_nodes(system, nodes, ghost=False).cloud.evaluation_count
    if nodes is not None:
        return nodes
    assert spacing is not None
    from pdesl.lowering.cloud_place import expected_count

    region = _region(system)
    local = spacing_function(system, spacing)
    if callable(local) and region.dimension > 3:
        raise refuse(
            "E531",
            f"a spacing that varies is not possible in {region.dimension} dimensions",
            "give the number of nodes, `nodes=2000`",
        )
    if not callable(local) and local > region.size:
        return 0.0
    with _located(span), np.errstate(over="ignore"):
        count = expected_count(region, local)
    if count > MOST_NODES:
        raise refuse(
            "E533",
            f"this spacing needs about {count:.1e} nodes, and at most {MOST_NODES:,} can be placed",
            "take a larger spacing, at least where it is smallest",
        )
    return count


def spacing_function(system: System, spacing: float | sympy.Expr) -> Spacing:
    """A spacing as a number, or as a function of points (n, d) to (n,) that checks its values.

    Raises:
        ProblemError: E531, it holds a field, the time or what has no value; E532, from the
            function: it is not positive and finite at a point.
    """
    if not isinstance(spacing, sympy.Expr):
        return float(spacing)
    span = _place(system, "spacing")
    values = system.problem.parameter_values()
    known = {*system.space_symbols, *values}
    strange = sorted(spacing.atoms(AppliedUndef) | (spacing.free_symbols - known), key=str)
    if strange:
        part = strange[0]
        name = part.func.__name__ if isinstance(part, AppliedUndef) else str(part)
        axes = ", ".join(f"`{s}`" for s in system.space_symbols)
        raise ProblemError(
            [
                Diagnostic(
                    "E531", f"a spacing depends on the place alone, and this one on `{name}`",
                    span, helps=(f"write it with {axes}, numbers and parameters",),
                )
            ]
        )  # fmt: skip
    symbols = [*system.space_symbols, *values]
    try:
        evaluate = make_function([spacing], symbols, numpy_namespace())
    except UnsupportedExpression as error:
        message = f"`{error.part}` cannot be evaluated: {error.reason}"
        raise ProblemError([Diagnostic("E531", message, span)]) from None

    def function(points: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            (found,) = evaluate(*points.T, *values.values())
        local = np.broadcast_to(np.asarray(found, dtype=float), (len(points),))
        wrong = ~(np.isfinite(local) & (local > 0.0))
        if wrong.any():
            at = points[int(np.argmax(wrong))]
            place = ", ".join(
                f"{s} = {x:.4g}" for s, x in zip(system.space_symbols, at, strict=True)
            )
            amount = local[int(np.argmax(wrong))]
            raise ProblemError(
                [
                    Diagnostic(
                        "E532", f"the spacing is {amount:.3g} at {place}, and must be positive "
                        "and finite", span, helps=("add a smallest spacing, `0.01 + …`",),
                    )
                ]
            )  # fmt: skip
        return local

    return function


def load_nodes(system: System, loaded: Loaded, *, ghost: bool) -> NodeFile:
    """The nodes of a file that a problem names, relative to the problem's own file.

    Raises:
        ProblemError: E534 to E539, the file cannot be used, at its name.
    """
    from pdesl.lowering.node_file import read_nodes

    source = system.problem.source
    with _located(_place(system, "nodes")):
        return read_nodes(
            loaded.path,
            _region(system),
            [s.name for s in system.space_symbols],
            folder=source.folder if source is not None else "",
            ghost=ghost,
        )


def _region(system: System) -> Region:
    assert system.problem.shape is not None
    values = system.problem.parameter_values()
    return make_region(system.problem.shape, system.space_symbols, values)


def _place(system: System, name: str) -> Span | None:
    """Where an option of the solver, or of a choice inside its options, is given."""
    choice = system.problem.solver
    if choice is None:
        return None
    inner = [value for _, value in choice.options if isinstance(value, Choice)]
    spans = (own.spans[name] for own in (choice, *inner) if own.spans.get(name) is not None)
    return next(spans, choice.span)


class _located:  # noqa: N801, a context manager
    """Errors of geometry as located diagnostics."""

    def __init__(self, span: Span | None):
        self.span = span

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from pdesl.symbolic.geometry import GeometryError

        if isinstance(error, GeometryError):
            helps = (error.help,) if error.help else ("check the nodes that are asked for",)
            raise ProblemError(
                [Diagnostic(error.code, error.message, self.span, helps=helps)]
            ) from None
