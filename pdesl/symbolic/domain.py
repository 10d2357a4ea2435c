"""Domains as a problem states them: a tree of named shapes with symbolic arguments.

`SHAPES` is the one table of shapes: what each is called, what arguments it takes, and how it
becomes a numeric `Region` once parameters have values. A `Shape` is what a file says
(`disk(center=(0, 0), radius=R)`), a `Region` (see `geometry`) is what nodes are made in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["SHAPES", "Shape", "ShapeKind", "make_region", "numeric_value"]

#: A number, several of them, or (a shape that is read) the name of a file.
Value = sympy.Expr | str | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape: its kind, its arguments by name, and the shapes it is made of."""

    kind: str
    arguments: tuple[tuple[str, Value], ...] = ()
    shapes: tuple[Shape, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ShapeKind:
    """One entry of `SHAPES`.

    `arguments` maps a name to what it holds: `number`, `point` (one number a dimension),
    `points` (a list of points), `interval` (a pair), `curve` (expressions in one variable),
    `level` (an expression in the coordinates) or `file` (its name). `optional` are those with a
    default.
    """

    name: str
    arguments: Mapping[str, str]
    build: Callable[..., Any]
    optional: Mapping[str, Value] = field(default_factory=dict)
    dimensions: tuple[int, ...] | None = None
    compound: bool = False
    words: str = ""


def _geometry() -> Any:
    from pdesl.symbolic import geometry

    return geometry


def _rectangle(x: Any, y: Any) -> Region:
    return _geometry().Box((x[0], y[0]), (x[1], y[1]))


def _box(lower: Any, upper: Any, periodic: Any) -> Region:
    return _geometry().Box(lower, upper, periodic=periodic)


def _polar(radius: Any, center: Any) -> Region:
    def position(angle: np.ndarray) -> np.ndarray:
        r = np.broadcast_to(radius(angle), np.shape(angle))
        return np.stack([center[0] + r * np.cos(angle), center[1] + r * np.sin(angle)], axis=-1)

    return _geometry().Curve(position, 2 * np.pi)


def _parametric(x: Any, y: Any, period: float) -> Region:
    def position(s: np.ndarray) -> np.ndarray:
        return np.stack([np.broadcast_to(f(s), np.shape(s)) for f in (x, y)], axis=-1)

    return _geometry().Curve(position, period)


SHAPES: dict[str, ShapeKind] = {
    kind.name: kind
    for kind in (
        ShapeKind(
            "interval", {"lower": "number", "upper": "number"},
            lambda lower, upper: _geometry().Interval(lower, upper),
            dimensions=(1,), words="the interval [lower, upper]",
        ),
        ShapeKind(
            "box", {"lower": "point", "upper": "point", "periodic": "flags"}, _box,
            {"periodic": ()}, words="a box in any dimension, some directions periodic",
        ),
        ShapeKind(
            "rectangle", {"x": "interval", "y": "interval"}, _rectangle,
            dimensions=(2,), words="the rectangle x × y",
        ),
        ShapeKind(
            "disk", {"center": "point", "radius": "number"},
            lambda center, radius: _geometry().Disk(center, radius),
            {"center": (sympy.S.Zero, sympy.S.Zero)}, (2,), words="a disk",
        ),
        ShapeKind(
            "ball", {"center": "point", "radius": "number"},
            lambda center, radius: _geometry().Ball(center, radius),
            {"center": (sympy.S.Zero,) * 3}, words="a ball in two or more dimensions",
        ),
        ShapeKind(
            "ellipse", {"center": "point", "semi_axes": "point", "angle": "number"},
            lambda center, semi_axes, angle: _geometry().Ellipse(center, semi_axes, angle),
            {"center": (sympy.S.Zero, sympy.S.Zero), "angle": sympy.S.Zero}, (2,),
            words="an ellipse, its first axis turned by an angle",
        ),
        ShapeKind(
            "annulus", {"center": "point", "inner": "number", "outer": "number"},
            lambda center, inner, outer: _geometry().Annulus(center, inner, outer),
            {"center": (sympy.S.Zero, sympy.S.Zero)}, (2, 3),
            words="a ring (a shell when the centre has three coordinates), "
            "boundary parts `inner` and `outer`",
        ),
        ShapeKind(
            "polygon", {"vertices": "points"}, lambda vertices: _geometry().Polygon(vertices),
            dimensions=(2,), words="a simple polygon, boundary parts `edge1`, `edge2`, …",
        ),
        ShapeKind(
            "polar", {"radius": "curve", "center": "point"}, _polar,
            {"center": (sympy.S.Zero, sympy.S.Zero)}, (2,),
            words="inside the closed curve r(θ), 0 ≤ θ ≤ 2π",
        ),
        ShapeKind(
            "curve", {"x": "curve", "y": "curve", "period": "number"}, _parametric,
            {"period": 2 * sympy.pi}, (2,), words="inside the closed curve (x(s), y(s))",
        ),
        ShapeKind(
            "level_set", {"function": "level", "lower": "point", "upper": "point"},
            lambda function, lower, upper: _geometry().LevelSet(function, lower, upper, None),
            words="where a function of the coordinates is negative, inside a box",
        ),
        ShapeKind(
            "graph", {"file": "file"}, lambda file: file, dimensions=(1,),
            words="the nodes of a graph, numbered from 0, with its weighted edges from a file",
        ),
        ShapeKind(
            "union", {}, lambda regions: _geometry().Union(regions), compound=True,
            words="in one shape or the other",
        ),
        ShapeKind(
            "intersection", {}, lambda regions: _geometry().Intersection(regions), compound=True,
            words="in every shape",
        ),
        ShapeKind(
            "difference", {}, lambda regions: _geometry().Difference(regions), compound=True,
            words="in the first shape and in none of the others",
        ),
        ShapeKind(
            "product", {}, lambda regions: _geometry().Product(regions), compound=True,
            words="the Cartesian product of shapes",
        ),
    )
}  # fmt: skip


def numeric_value(
    value: Value, values: Mapping[sympy.Symbol, float], span: Span | None, what: str
) -> Any:
    """Floats of a symbolic number or tuple, parameters replaced by their values."""
    if isinstance(value, tuple):
        return tuple(numeric_value(item, values, span, what) for item in value)
    assert not isinstance(value, str), "the name of a file stands for no number"
    try:
        symbols = sorted(values, key=lambda s: s.name)
        (number,) = make_function([value], symbols, numpy_namespace())(
            *(values[s] for s in symbols)
        )
    except UnsupportedExpression as error:
        raise ProblemError(
            [
                Diagnostic(
                    "E412",
                    f"{what} must be a number, and `{error.part}` has no value here",
                    span,
                    helps=("write a number or a parameter with a value",),
                )
            ]
        ) from None
    return float(number)


def _function_of(
    expression: Value,
    variables: tuple[sympy.Symbol, ...],
    values: Mapping[sympy.Symbol, float],
    span: Span | None,
) -> Callable[..., np.ndarray]:
    known = sorted(values, key=lambda s: s.name)
    try:
        evaluate = make_function([expression], [*variables, *known], numpy_namespace())  # type: ignore[list-item]
    except UnsupportedExpression as error:
        raise ProblemError(
            [
                Diagnostic(
                    "E412",
                    f"`{error.part}` has no value in this shape: {error.reason}",
                    span,
                    helps=("write numbers, parameters with a value, and spatial coordinates",),
                )
            ]
        ) from None
    constants = [values[s] for s in known]

    def function(*arrays: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            (result,) = evaluate(*arrays, *constants)
        return np.broadcast_to(np.asarray(result, dtype=float), np.shape(arrays[0]))

    return function


def make_region(
    shape: Shape | None,
    coordinates: tuple[sympy.Symbol, ...],
    values: Mapping[sympy.Symbol, float],
) -> Region:
    """The numeric region of a shape.

    Args:
        shape: the tree of shapes; None for a problem in time alone, whose region is a point.
        coordinates: the spatial coordinates, in the order of a point's columns.
        values: a value for each parameter.

    Raises:
        ProblemError: an argument without a value, or a shape that cannot be (E4xx).
    """
    if shape is None:
        return _geometry().Point()
    # Numbers out of range end in an error of their own, without NumPy's warnings.
    with np.errstate(all="ignore"):
        return _make_region(shape, coordinates, values)


def _make_region(
    shape: Shape, coordinates: tuple[sympy.Symbol, ...], values: Mapping[sympy.Symbol, float]
) -> Region:
    geometry = _geometry()
    kind = SHAPES[shape.kind]
    try:
        if kind.compound:
            if shape.kind == "product":
                parts, start = [], 0
                for part in shape.shapes:
                    size = shape_dimension(part, len(coordinates))
                    parts.append(make_region(part, coordinates[start : start + size], values))
                    start += size
                return kind.build(tuple(parts))
            return kind.build(tuple(make_region(s, coordinates, values) for s in shape.shapes))
        given = dict(shape.arguments)
        arguments: dict[str, Any] = {}
        for name, sort in kind.arguments.items():
            value = given.get(name, kind.optional.get(name))
            assert value is not None, name
            if sort == "curve":
                parameter, expression = value  # type: ignore[misc]
                arguments[name] = _function_of(expression, (parameter,), values, shape.span)  # pyright: ignore[reportArgumentType]
            elif sort == "level":
                inner = _function_of(value, coordinates, values, shape.span)
                arguments[name] = lambda x, f=inner: f(*np.asarray(x).T)
            elif sort == "file":
                folder = shape.span.source.folder if shape.span is not None else ""
                arguments[name] = geometry.read_graph(str(value), folder, shape.span)
            elif sort == "flags":
                arguments[name] = tuple(bool(flag) for flag in value)  # type: ignore[union-attr]
            else:
                arguments[name] = numeric_value(value, values, shape.span, f"`{name}`")
        if shape.kind == "box" and not arguments["periodic"]:
            arguments["periodic"] = (False,) * len(arguments["lower"])
        return kind.build(**arguments)
    except ArithmeticError:
        raise ProblemError(
            [
                Diagnostic(
                    "E442", "the numbers of this region are too large or too small to compute "
                    "with", shape.span, helps=("choose units in which they are nearer to 1",),
                )
            ]
        ) from None  # fmt: skip
    except geometry.GeometryError as error:
        raise ProblemError(
            [
                Diagnostic(
                    error.code,
                    error.message,
                    shape.span,
                    helps=(error.help or "check the numbers that describe the region",),
                )
            ]
        ) from None


def shape_dimension(shape: Shape, available: int) -> int:
    """How many coordinates a shape takes, out of those still unassigned."""
    kind = SHAPES[shape.kind]
    if shape.kind == "product":
        return sum(shape_dimension(s, available) for s in shape.shapes)
    if kind.compound:
        return shape_dimension(shape.shapes[0], available)
    given = dict(shape.arguments)
    for name in ("lower", "center"):
        value = given.get(name, kind.optional.get(name))
        if isinstance(value, tuple):
            return len(value)
    return kind.dimensions[0] if kind.dimensions else available
