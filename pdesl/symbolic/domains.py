"""The `domain:` block: coordinates, their ranges, the shape they live in, and boundary parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic.blocks import refuse_regions
from pdesl.symbolic.domain import SHAPES, Shape
from pdesl.symbolic.expressions import Translator
from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.operators import NORMAL
from pdesl.symbolic.problem import Coordinate, RegionSpec
from pdesl.symbolic.scope import FollowUp, Mistake, Scope, components, mistake

__all__ = ["TIME_NAMES", "Domains"]

TIME_NAMES = ("t", "time", "τ")
MAXIMUM_DIMENSION = 64
MAXIMUM_SHAPES = 50  # that one region is made of, counted as often as they occur
# The variable of a closed curve's formula.
_CURVE_VARIABLES = {"polar": ("θ", "theta"), "curve": ("s",)}


@dataclass(slots=True)
class Domains:
    """Reads the block in two steps: coordinates first, since shapes may name them."""

    scope: Scope
    guarded: Callable[..., AbstractContextManager[None]]
    # Values of parameters by name, for the dimension of a family.
    numbers: Mapping[str, sympy.Expr] = field(default_factory=dict)
    regions: dict[str, ast.Relation] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    # None stands for a set that is wrong.
    spatial: list[tuple[tuple[str, ...], Shape | ast.Expression | None]] = field(
        default_factory=list
    )

    # -- coordinates ----------------------------------------------------------------------

    def coordinates(self, statements: Iterable[ast.Statement]) -> tuple[Coordinate, ...]:
        """Every coordinate, time first, and their names in the scope."""
        found: list[Coordinate] = []
        memberships: list[ast.Membership] = []
        for statement in statements:
            if isinstance(statement, ast.Relation) and isinstance(statement.left, ast.Name):
                name = statement.left.identifier
                with self.guarded(name):
                    if statement.operator != "=":
                        raise mistake("E330", "a region is defined with `=`", statement.span,
                                      f"{name} = disk(radius=1)")  # fmt: skip
                    refuse_regions(statement)
                    self.scope.declare(name, "region", statement.left.span)
                    self.regions[name] = statement
            elif isinstance(statement, ast.Membership):
                memberships.append(statement)
            else:
                with self.guarded():
                    raise mistake(
                        "E330", "a line of `domain:` declares coordinates or defines a region",
                        statement.span, "x ∈ [0, 1]", "Ω = disk(radius=1)",
                    )  # fmt: skip
        for membership in memberships:
            found.extend(self._membership(membership))
        found.sort(key=lambda c: c.kind != "time")
        space = [c for c in found if c.kind == "space"]
        if len(space) > MAXIMUM_DIMENSION:
            with self.guarded():
                raise mistake(
                    "E420", f"there are {len(space)} spatial coordinates, and at most "
                    f"{MAXIMUM_DIMENSION} can be worked with", space[MAXIMUM_DIMENSION].span,
                    "declare fewer coordinates",
                )  # fmt: skip
        self.scope.space = tuple(c.name for c in space)
        times = [c for c in found if c.kind == "time"]
        for second in times[1:]:
            with self.guarded():
                raise mistake(
                    "E401", f"`{second.name}` would be a second time coordinate", second.span,
                    f"{', '.join(f'`{n}`' for n in TIME_NAMES)} name time; choose one of them",
                    related=((times[0].span, "the first one"),) if times[0].span else (),
                )  # fmt: skip
        return tuple(found)

    def _membership(self, statement: ast.Membership) -> list[Coordinate]:
        """The coordinates of `x, y ∈ …`; a wrong set leaves them declared, without a shape."""
        names: list[tuple[str, Span | None]] = []
        for member in statement.members:
            with self.guarded():
                if not isinstance(member, ast.Name):
                    self.scope.space_known = False
                    raise mistake("E171", "only names of coordinates stand in front of `∈`",
                                  member.span, "write `x, y ∈ Ω`")  # fmt: skip
                names.append((member.identifier, member.span))
        where: ast.Expression | None = None
        count: int | None = None
        bounds: tuple[sympy.Expr, sympy.Expr] | None = None
        periodic = False
        with self.guarded():
            where, count = self._family(statement.set)
            periodic = isinstance(where, ast.Call) and where.function == "periodic"
            bounds = self._interval(where)
        if where is None:  # the number of dimensions is not known
            self.scope.space_known = False
            self.scope.poison(name for name, _ in names)
            return []
        failed = bounds is None and (periodic or isinstance(where, ast.ListLiteral))
        found: list[Coordinate] = []
        for name, span in names:
            own: list[Coordinate] = []
            with self.guarded():
                own = self._coordinates(name, span, count, bounds, periodic, where, failed)
            if not own:  # the name is taken: what uses it may mean either
                self.scope.space_known = False
                self.scope.poisoned.add(name)
            found.extend(own)
        if failed:
            self.spatial.append((tuple(c.name for c in found), None))
        elif bounds is None:
            self.spatial.append((tuple(c.name for c in found), where))
        return found

    def _family(self, node: ast.Expression) -> tuple[ast.Expression, int | None]:
        """`[-1, 1]^8` as the interval and 8; any other set as itself and None. Raises `Mistake`.

        The dimension may be a parameter, whose value is a whole number.
        """
        if not (isinstance(node, ast.Binary) and node.operator == "^"):
            return node, None
        exponent = node.right
        text = exponent.text if isinstance(exponent, ast.Number) else ""
        if isinstance(exponent, ast.Name) and exponent.identifier in self.numbers:
            text = str(self.numbers[exponent.identifier])
            self.scope.used.add(exponent.identifier)
        if not text.isdigit() or not 1 <= int(text) <= MAXIMUM_DIMENSION:
            raise mistake("E420", f"the dimension is a whole number from 1 to {MAXIMUM_DIMENSION}",
                          exponent.span, "x ∈ [0, 1]^3 declares x1, x2 and x3")  # fmt: skip
        return node.left, int(text)

    def _interval(self, where: ast.Expression) -> tuple[sympy.Expr, sympy.Expr] | None:
        """The bounds of an interval, None for another set. Raises `Mistake`."""
        if isinstance(where, ast.ListLiteral):
            items, words = where.items, "an interval is a pair, `[0, 1]`"
        elif isinstance(where, ast.Call) and where.function == "periodic":
            items, words = where.arguments, "a periodic interval is a pair, `periodic(0, 1)`"
            if where.keywords:
                raise mistake("E416", words, where.keywords[0].span, "write the bounds alone")
        else:
            return None
        if len(items) != 2:
            raise mistake("E416", words, where.span, "write the lower and the upper bound")
        translator = Translator(self.scope)
        lower, upper = (translator.number(i, "a bound") for i in items)
        length = constant_value(upper - lower) if not (upper - lower).free_symbols else None
        if length is not None and length <= 0:
            words = "[" + ", ".join(i.span.text if i.span else "" for i in items) + "]"
            raise mistake("E416", f"the interval {words} holds no point", where.span,
                          "the lower bound comes first, and the upper one is greater")  # fmt: skip
        return lower, upper

    def _coordinates(
        self, name: str, span: Span | None, count: int | None,
        bounds: tuple[sympy.Expr, sympy.Expr] | None, periodic: bool, where: ast.Expression,
        failed: bool,
    ) -> list[Coordinate]:  # fmt: skip
        """One name on the left of `∈`. Raises `Mistake`."""
        is_time = count is None and name in TIME_NAMES and (bounds is not None or failed)
        if count is None:
            members: tuple[str, ...] = (name,)
        else:
            members = tuple(f"{name}{i + 1}" for i in range(count))
            symbols = [sympy.Symbol(m, real=True) for m in members]
            self.scope.declare(name, "family of coordinates", span,
                               sympy.ImmutableDenseMatrix(symbols))  # fmt: skip
            self.scope.families[name] = members
        for member in members:
            self._declare(member, span)
        if is_time and periodic:
            with self.guarded():
                raise mistake("E428", "time cannot be periodic", where.span,
                              "write an interval, `t ∈ [0, 1]`")  # fmt: skip
        lower, upper = bounds if bounds is not None else (None, None)
        if not is_time and bounds is not None:
            self.spatial.append((members, _box(members, bounds, periodic, where.span)))
        kind = "time" if is_time else "space"
        family = name if count is not None else None
        return [Coordinate(m, kind, lower, upper, periodic, family, span=span) for m in members]

    def _declare(self, name: str, span: Span | None) -> None:
        self.scope.declare(name, "coordinate", span, sympy.Symbol(name, real=True))

    # -- shapes ---------------------------------------------------------------------------

    def shape(self, coordinates: tuple[Coordinate, ...]) -> Shape | None:
        """The shape over all spatial coordinates, in their order; None without any."""
        found: list[tuple[tuple[str, ...], Shape]] = []
        for names, where in self.spatial:
            if where is None:
                continue
            with self.guarded():
                shape = where if isinstance(where, Shape) else self._shape(where, len(names))
                found.append((names, shape))
        for name, relation in self.regions.items():  # those not used are checked as well
            if name not in self.shapes and name not in self._wrong:
                with self.guarded():
                    self._named(ast.Name(name, span=relation.left.span), None)
        if len(found) != len(self.spatial) or not found:
            return None
        for _, shape in found:
            if _holds_graph(shape) and (len(found) > 1 or shape.shapes):
                with self.guarded():
                    raise mistake(
                        "E414", "a graph is a space of its own, and no part of a product",
                        shape.span,
                        "give every place of the other domain a field, or unite both in one graph",
                    )  # fmt: skip
                return None
        if all(shape.kind == "box" for _, shape in found):
            return _merged([shape for _, shape in found])
        if len(found) == 1:
            return found[0][1]
        return Shape("product", (), tuple(shape for _, shape in found), span=found[0][1].span)

    def _shape(self, node: ast.Expression, dimension: int | None) -> Shape:
        """The shape of an expression. Raises `Mistake`, or `FollowUp` for a wrong region."""
        if isinstance(node, ast.Name):
            shape = self._named(node, dimension)
            self.scope.used.add(node.identifier)
        elif isinstance(node, ast.Call):
            shape = self._call(node, dimension)
        elif isinstance(node, ast.Binary) and node.operator == "-":
            parts = (self._shape(node.left, dimension), self._shape(node.right, dimension))
            shape = Shape("difference", (), parts, span=node.span)
        elif isinstance(node, ast.Binary) and node.operator == "cross":
            parts = (self._shape(node.left, None), self._shape(node.right, None))
            boxes = all(part.kind == "box" for part in parts)
            shape = _merged(list(parts)) if boxes else Shape("product", (), parts, span=node.span)
        elif isinstance(node, ast.ListLiteral) and (bounds := self._interval(node)) is not None:
            shape = _box(("",), bounds, False, node.span)
        else:
            pair = isinstance(node, ast.TupleLiteral) and len(node.items) == 2
            raise mistake(
                "E429", "this is no region", node.span,
                "an interval has square brackets, `[0, 1]`" if pair else
                "an interval `[0, 1]`, `disk(radius=1)`, … (`pdesl list shapes`)",
            )  # fmt: skip
        if _count(shape) > MAXIMUM_SHAPES:
            raise mistake(
                "E427", f"this region is made of more than {MAXIMUM_SHAPES} shapes", node.span,
                "describe it by one function, `level_set(function=…, lower=…, upper=…)`",
            )  # fmt: skip
        if dimension is not None:
            self._fits(shape, dimension, node.span)
        return shape

    def _named(self, node: ast.Name, dimension: int | None) -> Shape:
        """The shape of a named region."""
        name = node.identifier
        if name in self.shapes:
            return self.shapes[name]
        self.scope.refuse_poisoned(name)
        if name in self._wrong:
            raise FollowUp
        if name not in self.regions:
            guess = suggest(name, list(self.regions))
            self.scope.poison((name,))
            raise mistake(
                "E207", f"the region `{name}` is not declared", node.span,
                f"did you mean `{guess}`?" if guess else f"add a line `{name} = disk(radius=1)`",
            )  # fmt: skip
        relation = self.regions[name]
        if name in self._open:
            raise mistake("E206", f"`{name}` is made of itself", relation.left.span,
                          "define it by other regions")  # fmt: skip
        self._open.add(name)
        try:
            shape = self._shape(relation.right, dimension)
        except Mistake:
            self._wrong.add(name)
            raise
        finally:
            self._open.discard(name)
        self.shapes[name] = shape
        return shape

    _wrong: set[str] = field(default_factory=set)
    _open: set[str] = field(default_factory=set)

    def _fits(self, shape: Shape, dimension: int, span: Span | None) -> None:
        kind = SHAPES[shape.kind]
        given = dict(shape.arguments)
        for name in ("center", "lower", "semi_axes"):
            value = given.get(name)
            if isinstance(value, tuple) and len(value) != dimension:
                raise mistake(
                    "E415", f"`{name}` has {len(value)} components, and {dimension} "
                    f"coordinate{'s are' if dimension != 1 else ' is'} named on the left of `∈`",
                    span, "write one number for each coordinate",
                )  # fmt: skip
        if kind.dimensions is not None and dimension not in kind.dimensions:
            words = " or ".join(str(d) for d in kind.dimensions)
            raise mistake(
                "E415", f"`{shape.kind}` has {words} dimension{'s' if words != '1' else ''}, and "
                f"{dimension} coordinate{'s are' if dimension != 1 else ' is'} named on the left "
                "of `∈`", span, "name as many coordinates as the shape has dimensions",
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
                raise mistake("E414", f"`{kind.name}` takes two or more regions", node.span,
                              f"{kind.name}(disk(radius=1), disk(radius=0.5))")  # fmt: skip
            inner = None if kind.name == "product" else dimension
            parts = tuple(self._shape(a, inner) for a in node.arguments)
            if kind.name == "product" and all(part.kind == "box" for part in parts):
                return _merged(list(parts))
            return Shape(kind.name, (), parts, span=node.span)
        given: dict[str, object] = {}
        names = list(kind.arguments)
        if len(node.arguments) > len(names):
            extra = node.arguments[len(names)]
            raise mistake("E414", f"`{kind.name}` has {len(names)} arguments", extra.span,
                          f"they are {', '.join(names)}")  # fmt: skip
        pairs = [(n, a, a.span) for n, a in zip(names, node.arguments, strict=False)]
        pairs += [(k.name, k.value, k.span) for k in node.keywords]
        for name, value, span in pairs:
            if name not in kind.arguments:
                guess = suggest(name, names)
                raise mistake(
                    "E414", f"`{kind.name}` has no argument `{name}`", span,
                    f"did you mean `{guess}`?" if guess else f"it has: {', '.join(names)}",
                )  # fmt: skip
            if name in given:
                raise mistake("E414", f"`{name}` is given twice", span, "keep one of the two")
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
            value = translator.scalar(node, f"`{name}`")
            space = {sympy.Symbol(n, real=True) for n in self.scope.space}
            others = {str(s) for s in value.free_symbols - space}
            if value.atoms(AppliedUndef) or others & set(self.scope.names("coordinate")):
                raise mistake(
                    "E412", "a region is described by spatial coordinates and numbers alone",
                    node.span, "function = x² + y² - 1",
                )  # fmt: skip
            return value
        if sort == "file":
            if not isinstance(node, ast.String):
                raise mistake("E414", f"`{name}` is the name of a file, in quotes", node.span,
                              f'{shape}("edges.csv")')  # fmt: skip
            return node.value
        if sort == "number":
            return translator.number(node, f"`{name}`")
        if sort == "points":
            if not isinstance(node, ast.ListLiteral | ast.TupleLiteral):
                raise mistake("E414", "`vertices` is a list of points", node.span,
                              "[(0, 0), (1, 0), (0, 1)]")  # fmt: skip
            return tuple(self._point(item, translator) for item in node.items)
        point = self._point(node, translator)
        if sort == "interval" and len(point) != 2:
            raise mistake(
                "E416", f"`{name}` is an interval, a pair of numbers", node.span, "[0, 1]"
            )
        return point

    def _point(self, node: ast.Expression, translator: Translator) -> tuple[sympy.Expr, ...]:
        value = translator.value(node)
        if not isinstance(value, sympy.MatrixBase) or value.cols != 1:
            raise mistake("E414", "this is a point, one number a dimension", node.span, "(0, 0)")
        translator.require_number(value, node.span, "a point")
        return components(value)

    def _curve(self, shape: str, node: ast.Expression) -> tuple[sympy.Symbol, sympy.Expr]:
        names = _CURVE_VARIABLES[shape]
        symbol = sympy.Symbol(names[0], real=True)
        inner = self.scope.inner(dict.fromkeys(names, symbol))
        return symbol, Translator(inner).number(node, "a curve")

    # -- boundary parts -------------------------------------------------------------------

    def boundary_region(self, node: ast.Expression, translator: Translator) -> RegionSpec:
        """Where a condition holds. Raises `Mistake`."""
        text = node.span.text if node.span else ""
        match node:
            case ast.BoundaryOf(region):
                self.scope.refuse_poisoned(region)
                if self.regions and region not in self.regions:
                    guess = suggest(region, list(self.regions)) or next(iter(self.regions))
                    self.scope.poison((region,))
                    raise mistake("E207", f"the region `{region}` is not declared", node.span,
                                  f"did you mean `∂{guess}`?")  # fmt: skip
                if region in self.regions and len(self.regions) > 1 and not self._whole(region):
                    if region not in self.shapes:
                        raise FollowUp
                    self.scope.used.add(region)
                    shape = self.shapes[region]
                    return RegionSpec("shape", region, shape=shape, span=node.span, text=text)
                return RegionSpec("all", span=node.span, text=text)
            case ast.Name(identifier):
                return RegionSpec("part", identifier, span=node.span, text=text)
            case ast.Comparison(operator, left, right):
                difference = translator.scalar(left) - translator.scalar(right)
                self._check_relation(difference, node.span)
                strict = {"=": "=", "<": "<", "<=": "<", ">": ">", ">=": ">"}[operator]
                return RegionSpec("relation", "", difference, strict, span=node.span, text=text)
        raise mistake(
            "E403", "this is no part of the boundary", node.span,
            "`on ∂Ω`, a named part `on outer`, or a relation `on x = 0`",
        )  # fmt: skip

    def _check_relation(self, difference: sympy.Expr, span: Span | None) -> None:
        """Raises `Mistake` unless spatial coordinates, and nothing else that varies, are in it."""
        symbols = {sympy.Symbol(n, real=True) for n in self.scope.space}
        others = {str(s) for s in difference.free_symbols - symbols}
        varies = difference.atoms(AppliedUndef) or any(
            n.startswith(f"{NORMAL}[") or self.scope.kinds.get(n) == "coordinate" for n in others
        )
        if varies or not difference.free_symbols & symbols:
            raise mistake(
                "E430", "a part of the boundary is told by spatial coordinates and numbers alone",
                span, f"on {self.scope.space[0] if self.scope.space else 'x'} = 0",
            )  # fmt: skip

    def _whole(self, region: str) -> bool:
        """Whether a named region is (all of) the domain of the spatial coordinates."""
        return any(
            isinstance(where, ast.Name) and where.identifier == region for _, where in self.spatial
        )


def _count(shape: Shape) -> int:
    """How many elementary shapes a shape is made of, each as often as it occurs."""
    return sum(_count(part) for part in shape.shapes) if shape.shapes else 1


def _holds_graph(shape: Shape) -> bool:
    return shape.kind == "graph" or any(_holds_graph(part) for part in shape.shapes)


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
