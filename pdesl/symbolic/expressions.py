"""From syntax to SymPy: one expression at a time, with ranks checked and work bounded.

A value is a scalar (`sympy.Expr`), a vector (a column matrix) or a rank-two tensor (a square
matrix). Every numeral becomes an exact rational, every name is looked up in a `Scope`, and no
text ever reaches a SymPy or Python parser. The limits below keep SymPy's automatic evaluation
from doing unbounded work on a hostile file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic import units
from pdesl.symbolic.functions import FUNCTIONS, UnsupportedExpression, make_function, numpy_namespace
from pdesl.symbolic.operators import NORMAL, OPERATORS, marker

__all__ = ["Mistake", "Scope", "Translator", "Value", "components"]

Value = sympy.Expr | sympy.ImmutableDenseMatrix

MAXIMUM_BITS = 1 << 12  # of a numerator or denominator
MAXIMUM_SIZE = 100_000  # nodes of an expression's tree
MAXIMUM_ORDER = 12  # differentiations in one derivative

_REDUCTIONS = {"norm", "sum", "mean", "dot", "cross", "transpose", "trace"}
# Functions that SymPy evaluates by unbounded numerics when their argument is a constant.
_EAGER = {"floor", "ceil", "min", "max", "sign", "abs", "step", "cbrt"}
_FACTORIAL = {"gamma", "loggamma"}


class Mistake(Exception):
    """One located mistake on the way from syntax to symbols."""

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


def mistake(
    code: str,
    message: str,
    span: Span | None,
    *helps: str,
    label: str = "",
    related: tuple[tuple[Span, str], ...] = (),
) -> Mistake:
    return Mistake(Diagnostic(code, message, span, label, related, tuple(h for h in helps if h)))


@dataclass(frozen=True, slots=True)
class UserFunction:
    """`r(x) = …` of a `let` block."""

    arguments: tuple[sympy.Symbol, ...]
    value: Value


@dataclass(slots=True)
class Scope:
    """What names mean; filled block by block while a module is elaborated."""

    values: dict[str, Value] = field(default_factory=dict)
    functions: dict[str, UserFunction] = field(default_factory=dict)
    declared: dict[str, Span | None] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    space: tuple[str, ...] = ()
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exact: bool = False

    def declare(self, name: str, kind: str, span: Span | None, value: Value | None = None) -> None:
        if name in self.declared:
            first = self.declared[name]
            raise mistake(
                "E203",
                f"`{name}` is already declared as a {self.kinds[name]}",
                span,
                "give one of the two another name",
                related=((first, "first declared here"),) if first else (),
            )
        if name in OPERATORS or name in FUNCTIONS or name in ("pi", "exact", "unknown", "integral"):
            raise mistake(
                "E204", f"`{name}` has a meaning in the language and cannot be redefined", span,
                f"another name, `{name}_0` for one",
            )  # fmt: skip
        self.declared[name] = span
        self.kinds[name] = kind
        if value is not None:
            self.values[name] = value


def components(value: Value) -> tuple[sympy.Expr, ...]:
    """The components of a vector; a scalar is its own only component."""
    return tuple(value) if isinstance(value, sympy.MatrixBase) else (value,)


def _is_vector(value: Value) -> bool:
    return isinstance(value, sympy.MatrixBase) and value.cols == 1


def rank_words(value: Value) -> str:
    if not isinstance(value, sympy.MatrixBase):
        return "a scalar"
    if value.cols == 1:
        return f"a vector of {value.rows} components"
    return f"a {value.rows}×{value.cols} tensor"


class Translator:
    """Turns syntax into values within a scope; remembers where each scalar was written."""

    def __init__(
        self, scope: Scope, unknown: Callable[[ast.Call], sympy.Symbol] | None = None
    ):
        self.scope = scope
        self.unknown = unknown
        self.places: dict[sympy.Expr, Span] = {}
        self._sizes: dict[sympy.Basic, int] = {}

    # -- entry points ---------------------------------------------------------------------

    def value(self, node: ast.Expression) -> Value:
        """The value of an expression. Raises `Mistake`."""
        result = self._visit(node)
        for scalar in components(result):
            self._bound(scalar, node.span)
            if node.span is not None:
                self.places.setdefault(scalar, node.span)
        return result

    def scalar(self, node: ast.Expression, what: str = "this") -> sympy.Expr:
        result = self.value(node)
        if isinstance(result, sympy.MatrixBase):
            raise mistake("E301", f"{what} must be a scalar, and is {rank_words(result)}", node.span)
        return result

    def number(self, node: ast.Expression, what: str = "this") -> sympy.Expr:
        """A scalar without fields or coordinates (parameters allowed)."""
        result = self.scalar(node, what)
        if result.atoms(AppliedUndef):
            raise mistake("E303", f"{what} must be a number, and depends on a field", node.span)
        return result

    # -- limits ---------------------------------------------------------------------------

    def _bound(self, expression: sympy.Expr, span: Span | None) -> None:
        if self._size(expression) > MAXIMUM_SIZE:
            raise mistake(
                "E306",
                f"this expression has more than {MAXIMUM_SIZE:,} terms and factors",
                span,
                "split the problem into fields of its own, or simplify the definition",
            )
        if isinstance(expression, sympy.Rational):
            bits = max(int(expression.p).bit_length(), int(expression.q).bit_length())
            if bits > MAXIMUM_BITS:
                raise mistake("E305", "this number has too many digits to work with", span)
        if expression.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
            raise mistake("E312", "this divides by zero or is infinite", span)

    def _size(self, expression: sympy.Basic) -> int:
        # Trees share subtrees, so sizes are added bottom-up and kept.
        stack = [expression]
        while stack:
            node = stack[-1]
            if node in self._sizes:
                stack.pop()
                continue
            missing = [a for a in node.args if a not in self._sizes]
            if missing:
                stack.extend(missing)
                continue
            self._sizes[node] = 1 + sum(self._sizes[a] for a in node.args)
            stack.pop()
        return self._sizes[expression]

    # -- syntax ---------------------------------------------------------------------------

    def _visit(self, node: ast.Expression) -> Value:
        match node:
            case ast.Number():
                return self._number(node)
            case ast.Name():
                return self._name(node)
            case ast.Negate(operand):
                return -self.value(operand)  # type: ignore[return-value]
            case ast.Binary():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
            case ast.Derivative():
                return self._derivative(node)
            case ast.IndexDerivative(kind, index, operand):
                return self._family_gradient(node, kind, index, operand)
            case ast.Subscript(base, index):
                return self._subscript(node, base, index)
            case ast.TupleLiteral(items) | ast.ListLiteral(items):
                return self._vector(node, items)
            case ast.Indexed():
                raise mistake(
                    "E604", "index notation belongs to metrics and tensors of the `metric` block",
                    node.span, "write the components, `v[1]`, or use ∇·, ∇×, □",
                )  # fmt: skip
            case ast.BoundaryOf():
                raise mistake("E304", "a region cannot stand in a formula", node.span)
            case ast.String():
                raise mistake("E304", "a text cannot stand in a formula", node.span)
            case ast.Comparison():
                raise mistake("E304", "a comparison cannot stand in a formula", node.span)
        raise mistake("E304", "this cannot stand in a formula", node.span)

    def _number(self, node: ast.Number) -> sympy.Expr:
        number = sympy.Rational(node.text)
        if node.unit is None:
            return number
        try:
            scale = units.factor(node.unit.text)
        except units.UnitError as error:
            raise mistake("E307", str(error), node.unit.span) from None
        return number * sympy.Rational(scale.numerator, scale.denominator)

    def _name(self, node: ast.Name) -> Value:
        name = node.identifier
        scope = self.scope
        if name in scope.values:
            scope.used.add(name)
            return scope.values[name]
        if name in ("pi", "π"):
            return sympy.pi
        if name == NORMAL and scope.space:
            return sympy.ImmutableDenseMatrix(
                [sympy.Symbol(f"{NORMAL}[{c}]", real=True) for c in scope.space]
            )
        if name in scope.functions or name in FUNCTIONS:
            raise mistake("E202", f"`{name}` is a function and needs arguments", node.span, f"{name}(…)")
        if name in scope.declared:
            raise mistake(
                "E205", f"`{name}` is a {scope.kinds[name]} and cannot be used here", node.span
            )
        raise self._unknown_name(name, node.span, [*scope.values, "pi"])

    def _unknown_name(self, name: str, span: Span | None, candidates: list[str]) -> Mistake:
        guess = suggest(name, candidates)
        return mistake(
            "E201",
            f"`{name}` is not declared",
            span,
            f"did you mean `{guess}`?" if guess else
            f"declare it: a number under `parameters:`, an unknown under `fields:`, "
            f"a formula under `let:`",
        )  # fmt: skip

    def _vector(self, node: ast.Expression, items: tuple[ast.Expression, ...]) -> Value:
        rows = [self.value(item) for item in items]
        if all(not isinstance(r, sympy.MatrixBase) for r in rows):
            return sympy.ImmutableDenseMatrix(rows)
        if all(_is_vector(r) and len(components(r)) == len(rows) for r in rows):
            return sympy.ImmutableDenseMatrix([list(components(r)) for r in rows])
        raise mistake("E301", "the rows of a tensor must have one length, as many as rows", node.span)

    # -- arithmetic -----------------------------------------------------------------------

    def _binary(self, node: ast.Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        matrix_left = isinstance(left, sympy.MatrixBase)
        matrix_right = isinstance(right, sympy.MatrixBase)
        match node.operator:
            case "+" | "-":
                if matrix_left != matrix_right or (matrix_left and left.shape != right.shape):  # type: ignore[union-attr]
                    raise mistake(
                        "E301",
                        f"{rank_words(left)} and {rank_words(right)} cannot be added",
                        node.span,
                    )
                return left + right if node.operator == "+" else left - right  # type: ignore[operator]
            case "*" | "dot":
                return self._product(node, left, right)
            case "cross":
                if matrix_left and matrix_right:
                    return self._cross(node, left, right)
                return self._product(node, left, right)
            case "/":
                if matrix_right:
                    raise mistake("E301", f"cannot divide by {rank_words(right)}", node.span)
                if right == 0:
                    raise mistake("E312", "this divides by zero", node.span)
                return left / right  # type: ignore[operator]
            case "^":
                return self._power(node, left, right)
        raise mistake("E304", f"`{node.operator}` cannot stand in this formula", node.span)

    def _product(self, node: ast.Binary, left: Value, right: Value) -> Value:
        if not (isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase)):
            return left * right  # type: ignore[operator,return-value]
        if _is_vector(left) and _is_vector(right):
            if node.operator == "*":
                raise mistake(
                    "E301", "the product of two vectors is not defined", node.span,
                    "a scalar product is `a · b` or `dot(a, b)`",
                )  # fmt: skip
            if left.rows == right.rows:
                return sympy.Add(*(a * b for a, b in zip(left, right, strict=True)))
        elif not _is_vector(left) and left.cols == right.rows:
            return sympy.ImmutableDenseMatrix(left * right)
        raise mistake(
            "E301", f"{rank_words(left)} and {rank_words(right)} cannot be multiplied", node.span
        )

    def _cross(self, node: ast.Expression, left: Value, right: Value) -> Value:
        if not (_is_vector(left) and _is_vector(right) and left.rows == right.rows == 3):  # type: ignore[union-attr]
            raise mistake("E301", "a vector product needs two vectors of three components", node.span)
        return sympy.ImmutableDenseMatrix(left.cross(right))  # type: ignore[union-attr]

    def _power(self, node: ast.Binary, base: Value, exponent: Value) -> sympy.Expr:
        if isinstance(base, sympy.MatrixBase) or isinstance(exponent, sympy.MatrixBase):
            raise mistake(
                "E301", "a power needs scalars", node.span, "the square of a vector is `v · v`"
            )
        if base.is_Number and exponent.is_Number:
            bits = max(int(base.p).bit_length(), int(base.q).bit_length())  # type: ignore[attr-defined]
            if abs(exponent) * bits > MAXIMUM_BITS:
                raise mistake("E305", "this power has too many digits to work with", node.span)
        elif exponent.is_Number and abs(exponent) > 1000:
            raise mistake("E305", "an exponent beyond ±1000 is surely a slip", node.span)
        if base == 0 and exponent.is_negative:
            raise mistake("E312", "this divides by zero", node.span)
        return sympy.Pow(base, exponent)

    # -- calls ----------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        name = node.function
        if name in OPERATORS:
            return self._operator(node)
        if name == "exact":
            return self._exact(node)
        if name == "integral":
            (argument,) = self._arguments(node, 1, 1)
            return marker("integral")(argument)
        if name in _REDUCTIONS:
            return self._reduction(node)
        if name == "unknown" and self.unknown is not None:
            return self.unknown(node)
        if name in ("unknown", "load"):
            raise mistake(
                "E304", f"`{name}(…)` must stand alone on the right of `=`", node.span,
                "name it under `parameters:` or `data:` and use the name",
            )  # fmt: skip
        if name in self.scope.functions:
            return self._user_function(node)
        if name in FUNCTIONS:
            return self._function(node)
        if name in self.scope.values:
            return self._applied_field(node)
        candidates = [*FUNCTIONS, *OPERATORS, *self.scope.functions, *_REDUCTIONS]
        guess = suggest(name, candidates)
        raise mistake(
            "E202",
            f"`{name}` is no known function",
            node.span,
            f"did you mean `{guess}`?" if guess else f"`pdesl list functions` shows them all; "
            f"define `{name}(…) = …` under `let:`, or write a product with a space, `{name} (…)`",
        )

    def _arguments(self, node: ast.Call, least: int, most: int | None) -> list[Value]:
        if node.keywords:
            raise mistake(
                "E302", f"`{node.function}` takes no named arguments", node.keywords[0].span
            )
        count = len(node.arguments)
        if count < least or (most is not None and count > most):
            wanted = f"{least}" if least == most else f"{least} to {most}" if most else f"{least} or more"
            raise mistake(
                "E302",
                f"`{node.function}` takes {wanted} argument{'' if wanted == '1' else 's'}, "
                f"and has {count}",
                node.span,
            )
        return [self.value(a) for a in node.arguments]

    def _scalars(self, node: ast.Call, values: list[Value]) -> list[sympy.Expr]:
        for argument, value in zip(node.arguments, values, strict=True):
            if isinstance(value, sympy.MatrixBase):
                raise mistake(
                    "E301", f"`{node.function}` needs scalars, and this is {rank_words(value)}",
                    argument.span, "use a component, `v[1]`, or `norm(v)`",
                )  # fmt: skip
        return values  # type: ignore[return-value]

    def _function(self, node: ast.Call) -> sympy.Expr:
        entry = FUNCTIONS[node.function]
        values = self._arguments(node, *entry.arity)
        if node.function in ("min", "max") and len(values) == 1:
            values = list(components(values[0]))
            if len(values) == 1:  # of a field over its domain, an observable
                return marker(f"{node.function}imum")(values[0])
        else:
            values = list(self._scalars(node, values))
        if node.function in _EAGER:
            values = [self._folded(v, node.span) for v in values]
        if node.function in _FACTORIAL and values[0].is_Number and abs(values[0]) > 170:
            raise mistake("E305", "this is too large for a floating-point number", node.span)
        if any(v.has(sympy.I) for v in values):
            raise mistake("E312", "this is not a real number", node.span)
        return entry.symbolic(*values)

    def _folded(self, value: Value, span: Span | None) -> sympy.Expr:
        """A constant as a rational of 53 bits, so that comparing it is cheap."""
        assert not isinstance(value, sympy.MatrixBase)
        if value.is_Rational or value.free_symbols or value.atoms(AppliedUndef):
            return value
        try:
            (number,) = make_function([value], [], numpy_namespace())()
            return sympy.Rational(float(number))
        except (UnsupportedExpression, OverflowError, ValueError, ZeroDivisionError, TypeError):
            raise mistake("E312", "this constant is not a finite real number", span) from None

    def _user_function(self, node: ast.Call) -> Value:
        entry = self.scope.functions[node.function]
        count = len(entry.arguments)
        values = self._scalars(node, self._arguments(node, count, count))
        self.scope.used.add(node.function)
        return entry.value.xreplace(dict(zip(entry.arguments, values, strict=True)))

    def _applied_field(self, node: ast.Call) -> Value:
        """`u(t, x)`: the field itself, written with its arguments."""
        value = self.scope.values[node.function]
        sample = components(value)[0]
        if not isinstance(sample, AppliedUndef):
            text = node.span.text if node.span else f"{node.function}(…)"
            raise mistake(
                "E202", f"`{node.function}` is a {self.scope.kinds.get(node.function, 'value')}, "
                "not a function", node.span,
                f"for a product write a space: `{text.replace('(', ' (', 1)}`",
            )  # fmt: skip
        given = tuple(self._arguments(node, 1, None))
        if given != sample.args:
            raise mistake(
                "E603", f"`{node.function}` at another point than its own coordinates; "
                "equations are local", node.span,
            )  # fmt: skip
        self.scope.used.add(node.function)
        return value

    def _exact(self, node: ast.Call) -> Value:
        (argument,) = self._arguments(node, 1, 1)
        if not self.scope.exact:
            raise mistake(
                "E308", "`exact(…)` needs a known solution, and the file states none", node.span,
                "add a `manufactured:` block, or `verify:` with the exact solution",
            )  # fmt: skip
        return self._each(argument, lambda e, _: marker("exact")(e))

    def _each(self, value: Value, function: Callable[[sympy.Expr, int], sympy.Expr]) -> Value:
        if not isinstance(value, sympy.MatrixBase):
            return function(value, 0)
        return sympy.ImmutableDenseMatrix(
            value.rows, value.cols, [function(e, i) for i, e in enumerate(value)]
        )

    def _operator(self, node: ast.Call) -> Value:
        operator = OPERATORS[node.function]
        function = marker(operator.name)
        count = len(operator.takes)
        if operator.name in ("div", "curl") and len(node.arguments) > 1:
            values: list[Value] = [sympy.ImmutableDenseMatrix(
                self._scalars(node, self._arguments(node, 1, None)))]  # fmt: skip
        else:
            values = self._arguments(node, count, count)
        dimension = len(self.scope.space)
        if dimension == 0 and operator.name not in ("stiff", "nonstiff"):
            raise mistake("E311", f"`{operator.name}` needs spatial coordinates", node.span)
        for kind, value, argument in zip(operator.takes, values, node.arguments, strict=False):
            if kind == "vector" and not (
                isinstance(value, sympy.MatrixBase) and value.rows == dimension
            ):
                raise mistake(
                    "E301",
                    f"`{operator.symbol or operator.name}` acts on a vector of {dimension} "
                    f"components, and this is {rank_words(value)}",
                    argument.span,
                )
        match operator.name:
            case "grad":
                (value,) = values
                if not isinstance(value, sympy.MatrixBase):
                    parts = [function(value, i + 1) for i in range(dimension)]
                    return sympy.ImmutableDenseMatrix(parts)
                rows = [[function(e, i + 1) for i in range(dimension)] for e in components(value)]
                return sympy.ImmutableDenseMatrix(rows)
            case "div":
                (value,) = values
                assert isinstance(value, sympy.MatrixBase)
                if value.cols == 1:
                    return function(*value)
                rows = [function(*value.row(i)) for i in range(value.rows)]
                return sympy.ImmutableDenseMatrix(rows)
            case "curl":
                parts = components(values[0])
                if dimension == 3:
                    return sympy.ImmutableDenseMatrix([function(*parts, i + 1) for i in range(3)])
                if dimension == 2:
                    return function(*parts)
                raise mistake("E311", "a curl needs two or three dimensions", node.span)
            case "advect":
                velocity = components(values[0])
                return self._each(values[1], lambda e, _: function(*velocity, e))
        return self._each(values[0], lambda e, _: function(e))

    def _reduction(self, node: ast.Call) -> Value:
        name = node.function
        if name in ("dot", "cross"):
            left, right = self._arguments(node, 2, 2)
            pair = ast.Binary(name, *node.arguments, span=node.span)
            return self._cross(node, left, right) if name == "cross" else self._product(pair, left, right)
        (value,) = self._arguments(node, 1, 1)
        if name in ("transpose", "trace"):
            if not isinstance(value, sympy.MatrixBase) or _is_vector(value):
                raise mistake("E301", f"`{name}` needs a rank-two tensor", node.span)
            return value.T if name == "transpose" else value.trace()
        if isinstance(value, sympy.MatrixBase):
            entries = list(value)
            if name == "norm":
                return sympy.sqrt(sympy.Add(*(e**2 for e in entries)))
            total = sympy.Add(*entries)
            return total if name == "sum" else total / len(entries)
        # Of a scalar field over its domain: an observable.
        return marker({"norm": "norm", "sum": "integral", "mean": "average"}[name])(value)

    # -- derivatives ----------------------------------------------------------------------

    def _derivative(self, node: ast.Derivative) -> Value:
        pairs = []
        for name, order in node.variables:
            symbol = self.scope.values.get(name)
            if self.scope.kinds.get(name) != "coordinate" or symbol is None:
                guess = suggest(name, [n for n, k in self.scope.kinds.items() if k == "coordinate"])
                raise mistake(
                    "E201", f"`{name}` is no coordinate, so nothing can be differentiated along it",
                    node.span, f"did you mean `∂{guess}`?" if guess else "",
                )  # fmt: skip
            self.scope.used.add(name)
            pairs.append((symbol, order))
        if sum(order for _, order in pairs) > MAXIMUM_ORDER:
            raise mistake("E309", f"derivatives go up to order {MAXIMUM_ORDER}", node.span)
        return self._each(
            self.value(node.operand), lambda e, _: sympy.Derivative(e, *pairs, evaluate=False)
        )

    def _family_gradient(
        self, node: ast.IndexDerivative, kind: str, index: str, operand: ast.Expression
    ) -> Value:
        family = self.scope.families.get(index)
        if kind != "covariant" or family is None:
            raise mistake(
                "E604", "index notation belongs to metrics and tensors of the `metric` block",
                node.span, "a gradient along one family of coordinates is `∇_x u`, with x the family",
            )  # fmt: skip
        value = self.value(operand)
        symbols = [self.scope.values[name] for name in family]
        if isinstance(value, sympy.MatrixBase):
            raise mistake("E301", "a gradient along a family needs a scalar", operand.span)
        return sympy.ImmutableDenseMatrix(
            [sympy.Derivative(value, s, evaluate=False) for s in symbols]
        )

    def _subscript(self, node: ast.Subscript, base: ast.Expression, index: ast.Expression) -> Value:
        value = self.value(base)
        if not isinstance(value, sympy.MatrixBase):
            raise mistake("E301", "only a vector has components", node.span)
        number = self.scalar(index)
        if not (number.is_Integer and 1 <= int(number) <= value.rows):
            raise mistake("E302", f"components are counted from 1 to {value.rows}", index.span)
        if value.cols == 1:
            return value[int(number) - 1]
        return sympy.ImmutableDenseMatrix(list(value.row(int(number) - 1)))
