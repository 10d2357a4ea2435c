"""The `domain:` block: coordinates, their ranges, the shape they live in, and boundary parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import sympy

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic.domain import SHAPES, Shape
from pdesl.symbolic.expressions import Scope, Translator, components, mistake
from pdesl.symbolic.problem import Coordinate, RegionSpec

__all__ = ["TIME_NAMES", "Domains"]

TIME_NAMES = ("t", "time", "τ")
MAXIMUM_DIMENSION = 64
# The variable of a closed curve's formula.
_CURVE_VARIABLES = {"polar": ("θ", "theta"), "curve": ("s",)}


@dataclass(slots=True)
class Domains:
    """Reads the block in two steps: coordinates first, since shapes may name them."""

    scope: Scope
    guarded: Callable[[], AbstractContextManager[None]]
    regions: dict[str, ast.Relation] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    spatial: list[tuple[tuple[str, ...], Shape | ast.Expression]] = field(default_factory=list)

    # -- coordinates ----------------------------------------------------------------------

    def coordinates(self, statements: Iterable[ast.Statement]) -> tuple[Coordinate, ...]:
        """Every coordinate, time first, and their names in the scope."""
        found: list[Coordinate] = []
        memberships: list[ast.Membership] = []
        for statement in statements:
            with self.guarded():
                if isinstance(statement, ast.Relation) and isinstance(statement.left, ast.Name):
                    name = statement.left.identifier
                    self.scope.declare(name, "region", statement.left.span)
                    self.regions[name] = statement
                elif isinstance(statement, ast.Membership):
                    memberships.append(statement)
                else:
                    raise mistake(
                        "E304", "a line of `domain:` is `x ∈ [0, 1]` or `Ω = disk(radius=1)`",
                        statement.span,
                    )  # fmt: skip
        for membership in memberships:
            with self.guarded():
                found.extend(self._membership(membership))
        found.sort(key=lambda c: c.kind != "time")
        names = tuple(c.name for c in found if c.kind == "space")
        self.scope.space = names
        times = [c for c in found if c.kind == "time"]
        if len(times) > 1:
            with self.guarded():
                raise mistake("E401", "there are two time coordinates", times[1].span)
        return tuple(found)

    def _membership(self, statement: ast.Membership) -> list[Coordinate]:
        names: list[tuple[str, Span | None]] = []
        for member in statement.members:
            if not isinstance(member, ast.Name):
                raise mistake("E401", "the left of `∈` names coordinates", member.span)
            names.append((member.identifier, member.span))
        where, count = _family(statement.set)
        translator = Translator(self.scope)
        bounds: tuple[sympy.Expr, ...] | None = None
        periodic = False
        if isinstance(where, ast.ListLiteral):
            if len(where.items) != 2:
                raise mistake("E416", "an interval is a pair, `[0, 1]`", where.span)
            bounds = tuple(translator.number(i, "a bound") for i in where.items)
        elif isinstance(where, ast.Call) and where.function == "periodic":
            if len(where.arguments) != 2:
                raise mistake("E416", "a periodic interval is a pair, `periodic(0, 1)`", where.span)
            bounds = tuple(translator.number(i, "a bound") for i in where.arguments)
            periodic = True
        if bounds is not None and (bounds[1] - bounds[0]).is_nonpositive:
            raise mistake(
                "E416", f"the interval [{bounds[0]}, {bounds[1]}] holds no point", where.span,
                "the lower bound comes first",
            )  # fmt: skip
        found: list[Coordinate] = []
        for name, span in names:
            if count is None:
                members = (name,)
                self._declare(name, span)
            else:
                members = tuple(f"{name}{i + 1}" for i in range(count))
                symbols = [sympy.Symbol(m, real=True) for m in members]
                self.scope.declare(name, "family of coordinates", span,
                                   sympy.ImmutableDenseMatrix(symbols))  # fmt: skip
                self.scope.families[name] = members
                for member in members:
                    self._declare(member, span)
            kind = "time" if count is None and name in TIME_NAMES and bounds is not None else "space"
            if kind == "time" and periodic:
                raise mistake("E401", "time cannot be periodic", where.span)
            family = name if count is not None else None
            lower, upper = bounds if bounds is not None else (None, None)
            found.extend(
                Coordinate(m, kind, lower, upper, periodic, family, span=span) for m in members
            )
            if kind == "space" and bounds is not None:
                shape = _box(members, bounds, periodic, where.span)
                self.spatial.append((members, shape))
        if bounds is None:
            self.spatial.append((tuple(c.name for c in found), where))
        return found

    def _declare(self, name: str, span: Span | None) -> None:
        self.scope.declare(name, "coordinate", span, sympy.Symbol(name, real=True))

    # -- shapes ---------------------------------------------------------------------------

    def shape(self, coordinates: tuple[Coordinate, ...]) -> Shape | None:
        """The shape over all spatial coordinates, in their order; None without any."""
        found: list[tuple[tuple[str, ...], Shape]] = []
        for names, where in self.spatial:
            with self.guarded():
                shape = where if isinstance(where, Shape) else self._shape(where, len(names))
                found.append((names, shape))
        for name in self.regions:  # shapes that are named and not used are checked as well
            if name not in self.shapes:
                with self.guarded():
                    self.shapes[name] = self._shape(self.regions[name].right, None)
        if len(found) != len(self.spatial) or not found:
            return None
        if all(shape.kind == "box" for _, shape in found):
            return _merged([shape for _, shape in found])
        if len(found) == 1:
            return found[0][1]
        return Shape("product", (), tuple(shape for _, shape in found), span=found[0][1].span)

    def _shape(self, node: ast.Expression, dimension: int | None) -> Shape:
        if isinstance(node, ast.Name):
            if node.identifier in self.shapes:
                shape = self.shapes[node.identifier]
            elif node.identifier in self.regions:
                relation = self.regions[node.identifier]
                if node.identifier in self._open:
                    raise mistake("E206", f"`{node.identifier}` is made of itself", relation.span)
                self._open.add(node.identifier)
                try:
                    shape = self._shape(relation.right, dimension)
                finally:
                    self._open.discard(node.identifier)
                self.shapes[node.identifier] = shape
            else:
                guess = suggest(node.identifier, list(self.regions))
                raise mistake(
                    "E201", f"the region `{node.identifier}` is not declared", node.span,
                    f"did you mean `{guess}`?" if guess
                    else f"add a line `{node.identifier} = disk(radius=1)`",
                )  # fmt: skip
            self.scope.used.add(node.identifier)
        elif isinstance(node, ast.Call):
            shape = self._call(node, dimension)
        elif isinstance(node, ast.Binary) and node.operator == "-":
            parts = (self._shape(node.left, dimension), self._shape(node.right, dimension))
            shape = Shape("difference", (), parts, span=node.span)
        else:
            raise mistake(
                "E413", "this is no region", node.span,
                "an interval `[0, 1]`, `disk(radius=1)`, … (`pdesl list shapes`)",
            )  # fmt: skip
        if dimension is not None:
            self._fits(shape, dimension, node.span)
        return shape

    _open: set[str] = field(default_factory=set)

    def _fits(self, shape: Shape, dimension: int, span: Span | None) -> None:
        kind = SHAPES[shape.kind]
        given = dict(shape.arguments)
        for name in ("center", "lower", "semi_axes"):
            value = given.get(name)
            if isinstance(value, tuple) and len(value) != dimension:
                raise mistake(
                    "E415", f"`{shape.kind}` has {len(value)} coordinates, and {dimension} are "
                    "named on the left of `∈`", span,
                )  # fmt: skip
        if kind.dimensions is not None and dimension not in kind.dimensions:
            words = " or ".join(str(d) for d in kind.dimensions)
            raise mistake(
                "E415", f"`{shape.kind}` has {words} dimension{'s' if words != '1' else ''}, and "
                f"{dimension} coordinate{'s are' if dimension != 1 else ' is'} named on the left "
                "of `∈`", span,
            )  # fmt: skip

    def _call(self, node: ast.Call, dimension: int | None) -> Shape:
        kind = SHAPES.get(node.function)
        if kind is None:
            guess = suggest(node.function, list(SHAPES))
            raise mistake(
                "E413", f"`{node.function}` is no known shape", node.span,
                f"did you mean `{guess}`?" if guess else f"there are: {', '.join(SHAPES)}",
            )  # fmt: skip
        if kind.compound:
            if len(node.arguments) < 2 or node.keywords:
                raise mistake("E414", f"`{kind.name}` takes two or more regions", node.span)
            inner = None if kind.name == "product" else dimension
            parts = tuple(self._shape(a, inner) for a in node.arguments)
            return Shape(kind.name, (), parts, span=node.span)
        given: dict[str, object] = {}
        names = list(kind.arguments)
        if len(node.arguments) > len(names):
            raise mistake("E414", f"`{kind.name}` has {len(names)} arguments", node.span)
        pairs = [(n, a) for n, a in zip(names, node.arguments, strict=False)]
        pairs += [(k.name, k.value) for k in node.keywords]
        for name, value in pairs:
            if name not in kind.arguments:
                guess = suggest(name, names)
                raise mistake(
                    "E414", f"`{kind.name}` has no argument `{name}`", value.span,
                    f"did you mean `{guess}`?" if guess else f"it has: {', '.join(names)}",
                )  # fmt: skip
            if name in given:
                raise mistake("E414", f"`{name}` is given twice", value.span)
            given[name] = self._argument(kind.name, name, kind.arguments[name], value)
        missing = [n for n in names if n not in given and n not in kind.optional]
        if missing:
            raise mistake(
                "E414", f"`{kind.name}` needs `{missing[0]}`", node.span,
                f"{kind.name}({', '.join(f'{n}=…' for n in names)})",
            )  # fmt: skip
        if kind.name == "ball" and "center" not in given and dimension is not None:
            given["center"] = (sympy.S.Zero,) * dimension
        return Shape(kind.name, tuple(sorted(given.items())), span=node.span)  # type: ignore[arg-type]

    def _argument(self, shape: str, name: str, sort: str, node: ast.Expression) -> object:
        if sort == "curve":
            return self._curve(shape, node)
        translator = Translator(self.scope)
        if sort == "level":
            return translator.scalar(node, f"`{name}`")
        if sort == "number":
            return translator.number(node, f"`{name}`")
        if sort == "points":
            if not isinstance(node, ast.ListLiteral | ast.TupleLiteral):
                raise mistake("E414", "`vertices` is a list of points", node.span,
                              "[(0, 0), (1, 0), (0, 1)]")  # fmt: skip
            return tuple(self._point(item, translator) for item in node.items)
        point = self._point(node, translator)
        if sort == "interval" and len(point) != 2:
            raise mistake("E416", f"`{name}` is an interval, `[0, 1]`", node.span)
        return point

    def _point(self, node: ast.Expression, translator: Translator) -> tuple[sympy.Expr, ...]:
        value = translator.value(node)
        if not isinstance(value, sympy.MatrixBase) or value.cols != 1:
            raise mistake("E414", "this is a point, one number a dimension", node.span, "(0, 0)")
        return components(value)

    def _curve(self, shape: str, node: ast.Expression) -> tuple[sympy.Symbol, sympy.Expr]:
        names = _CURVE_VARIABLES[shape]
        symbol = sympy.Symbol(names[0], real=True)
        inner = Scope(dict(self.scope.values), self.scope.functions, self.scope.declared,
                      self.scope.kinds, self.scope.used)  # fmt: skip
        inner.values.update(dict.fromkeys(names, symbol))
        return symbol, Translator(inner).number(node, "a curve")

    # -- boundary parts -------------------------------------------------------------------

    def boundary_region(self, node: ast.Expression, translator: Translator) -> RegionSpec:
        """Where a condition holds. Raises `Mistake`."""
        text = node.span.text if node.span else ""
        match node:
            case ast.BoundaryOf(region):
                others = [n for n in self.regions if n != region]
                if region in self.regions and others and not self._whole(region):
                    if region not in self.shapes:
                        raise mistake("E403", f"the region `{region}` is wrong", node.span)
                    shape = self.shapes[region]
                    return RegionSpec("shape", region, shape=shape, span=node.span, text=text)
                if self.regions and region not in self.regions:
                    guess = suggest(region, list(self.regions)) or next(iter(self.regions))
                    raise mistake("E403", f"there is no region `{region}`", node.span,
                                  f"did you mean `∂{guess}`?")  # fmt: skip
                return RegionSpec("all", span=node.span, text=text)
            case ast.Name(identifier):
                return RegionSpec("part", identifier, span=node.span, text=text)
            case ast.Comparison(operator, left, right):
                difference = translator.scalar(left) - translator.scalar(right)
                symbols = {sympy.Symbol(n, real=True) for n in self.scope.space}
                if not difference.free_symbols & symbols:
                    raise mistake("E403", "a part of the boundary is told by spatial coordinates",
                                  node.span, "on x = 0")  # fmt: skip
                strict = {"=": "=", "<": "<", "<=": "<", ">": ">", ">=": ">"}[operator]
                return RegionSpec("relation", "", difference, strict, span=node.span, text=text)
        raise mistake(
            "E403", "this is no part of the boundary", node.span,
            "`on ∂Ω`, a named part `on outer`, or a relation `on x = 0`",
        )  # fmt: skip

    def _whole(self, region: str) -> bool:
        """Whether a named region is (all of) the domain of the spatial coordinates."""
        return any(
            isinstance(where, ast.Name) and where.identifier == region for _, where in self.spatial
        )


def _family(node: ast.Expression) -> tuple[ast.Expression, int | None]:
    """`[-1, 1]^8` as the interval and 8; any other set as itself and None."""
    if isinstance(node, ast.Binary) and node.operator == "^":
        exponent = node.right
        text = exponent.text if isinstance(exponent, ast.Number) else ""
        if not text.isdigit() or not 1 <= int(text) <= MAXIMUM_DIMENSION:
            raise mistake("E401", f"the dimension is a whole number from 1 to {MAXIMUM_DIMENSION}",
                          exponent.span)  # fmt: skip
        return node.left, int(text)
    return node, None


def _box(
    names: tuple[str, ...], bounds: tuple[sympy.Expr, ...], periodic: bool, span: Span | None
) -> Shape:
    count = len(names)
    return Shape(
        "box",
        (
            ("lower", (bounds[0],) * count),
            ("periodic", (sympy.Integer(periodic),) * count),
            ("upper", (bounds[1],) * count),
        ),
        span=span,
    )


def _merged(boxes: list[Shape]) -> Shape:
    merged: dict[str, list[sympy.Expr]] = {"lower": [], "periodic": [], "upper": []}
    for box in boxes:
        given: dict = dict(box.arguments)
        given.setdefault("periodic", (sympy.S.Zero,) * len(given["lower"]))
        for key, values in merged.items():
            values.extend(given[key])
    arguments = tuple((key, tuple(values)) for key, values in merged.items())
    return Shape("box", arguments, span=boxes[0].span)


