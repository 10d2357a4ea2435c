"""From syntax to SymPy: one expression at a time, with ranks checked and work bounded.

A value is a scalar (`sympy.Expr`), a vector (a column matrix) or a rank-two tensor (a square
matrix). Every numeral becomes an exact rational, every name is looked up in a `Scope`, and no
text ever reaches a SymPy or Python parser. `Limits` keep SymPy's automatic evaluation from doing
unbounded work on a hostile file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic import units
from pdesl.symbolic.functions import FUNCTIONS
from pdesl.symbolic.guesses import unknown_call, unknown_name
from pdesl.symbolic.indices import IndexReader
from pdesl.symbolic.limits import MAXIMUM_BITS, Limits, too_large
from pdesl.symbolic.operators import NORMAL, OPERATORS, marker
from pdesl.symbolic.scope import (
    Mistake,
    Scope,
    UserFunction,
    Value,
    components,
    mistake,
    misused,
    rank_words,
)  # fmt: skip
from pdesl.symbolic.vectors import (
    apply_operator,
    apply_reduction,
    cross,
    identity,
    is_along_family,
    multiply,
    normal,
    rank_help,
)  # fmt: skip

__all__ = ["Translator"]

MAXIMUM_ORDER = 12  # differentiations in one derivative

_REDUCTIONS = {"norm", "sum", "prod", "mean", "dot", "cross", "outer", "transpose", "trace"}
# Functions that SymPy evaluates by unbounded numerics when their argument is a constant.
_EAGER = {"floor", "ceil", "min", "max", "sign", "abs", "step", "cbrt"}
_FACTORIAL = {"gamma", "loggamma"}


def _is_vector(value: Value) -> bool:
    return isinstance(value, sympy.MatrixBase) and value.cols == 1


class Translator:
    """Turns syntax into values within a scope; remembers where each scalar was written."""

    def __init__(self, scope: Scope, unknown: Callable[[ast.Call], sympy.Symbol] | None = None):
        self.scope = scope
        self.unknown = unknown
        self.places: dict[sympy.Expr, Span] = {}
        self.limits = Limits()
        self.indices = IndexReader(self)

    # -- entry points ---------------------------------------------------------------------

    def value(self, node: ast.Expression) -> Value:
        """The value of an expression. Raises `Mistake`."""
        result = self._visit(node)
        for scalar in components(result):
            self.limits.check(scalar, node.span)
            if node.span is not None:
                self.places.setdefault(scalar, node.span)
        return result

    def each(self, nodes: Iterable[ast.Expression]) -> list[Value]:
        """The values of several expressions. Raises `Mistake` with the mistakes of all."""
        values: list[Value] = []
        found: list[Diagnostic] = []
        failed = False
        for node in nodes:
            try:
                values.append(self.value(node))
            except Mistake as error:
                failed = True
                found += error.diagnostics
        if failed:
            raise Mistake(*found)
        return values

    def scalar(self, node: ast.Expression, what: str = "this") -> sympy.Expr:
        result = self.value(node)
        if isinstance(result, sympy.MatrixBase):
            raise mistake(
                "E301", f"{what} must be a scalar, and is {rank_words(result)}", node.span
            )
        return result

    def number(self, node: ast.Expression, what: str = "this") -> sympy.Expr:
        """A scalar without fields or coordinates (parameters allowed)."""
        result = self.scalar(node, what)
        self.require_number(result, node.span, what)
        return result

    def require_number(self, value: Value, span: Span | None, what: str = "this") -> None:
        """Raises `Mistake` for what depends on a field or a coordinate."""
        for part in components(value):
            if part.atoms(AppliedUndef):
                raise mistake(
                    "E303", f"{what} must be a number, and depends on a field", span,
                    "write it with numbers and parameters alone",
                )  # fmt: skip
            for symbol in sorted(part.free_symbols, key=str):
                if self.scope.kinds.get(str(symbol)) == "coordinate":
                    raise mistake(
                        "E303", f"{what} must be a number, and depends on the coordinate "
                        f"`{symbol}`", span, "write it with numbers and parameters alone",
                    )  # fmt: skip

    # -- syntax ---------------------------------------------------------------------------

    def _visit(self, node: ast.Expression) -> Value:
        if self.indices.is_indexed(node):
            return self.indices.scalar(node)
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
            case ast.IndexDerivative(_, index, operand):
                return self._family_gradient(index, operand)
            case ast.Subscript(base, index):
                return self._subscript(node, base, index)
            case ast.TupleLiteral(items) | ast.ListLiteral(items):
                return self._vector(node, items)
            case ast.BoundaryOf():
                raise mistake("E304", "a region cannot stand in a formula", node.span,
                              "say where a condition holds behind it: `on ∂Ω`")  # fmt: skip
            case ast.String():
                raise mistake("E304", "a text cannot stand in a formula", node.span,
                              "write a name without quotes")  # fmt: skip
            case ast.Comparison():
                raise mistake(
                    "E304", "a comparison cannot stand in a formula", node.span,
                    "`step(x)` is 1 where x is positive, and 0 where it is negative",
                )  # fmt: skip
        raise mistake("E304", "this cannot stand in a formula", node.span, "write a formula")

    def _number(self, node: ast.Number) -> sympy.Expr:
        number = sympy.Rational(node.text)
        if node.unit is None:
            return number
        try:
            scale = units.factor(node.unit.text)
        except units.UnitError as error:
            raise mistake("E332", str(error), node.unit.span, error.help) from None
        return number * sympy.Rational(scale.numerator, scale.denominator)

    def _name(self, node: ast.Name) -> Value:
        name = node.identifier
        scope = self.scope
        scope.refuse_poisoned(name)
        if name in scope.values:
            scope.used.add(name)
            return scope.values[name]
        if name in ("pi", "π"):
            return sympy.pi
        if name == "identity" and scope.space:
            scope.refuse_unknown_space()
            return identity(scope, node.span)
        if name == NORMAL and scope.space:
            scope.refuse_unknown_space()
            return normal(scope)
        if name in scope.functions or name in FUNCTIONS:
            raise mistake("E209", f"`{name}` is a function and needs its arguments", node.span,
                          f"{name}(…)")  # fmt: skip
        kind = scope.kinds.get(name) if name in scope.declared else scope.later.get(name)
        if kind is not None:
            raise misused(name, kind, node.span)
        raise unknown_name(name, node.span, scope, [*scope.values, "pi"])

    def _vector(self, node: ast.Expression, items: tuple[ast.Expression, ...]) -> Value:
        rows = self.each(items)
        if all(not isinstance(r, sympy.MatrixBase) for r in rows):
            return sympy.ImmutableDenseMatrix(rows)
        if all(_is_vector(r) and len(components(r)) == len(rows) for r in rows):
            return sympy.ImmutableDenseMatrix([list(components(r)) for r in rows])
        raise mistake(
            "E301", "the rows of a tensor must have one length, as many as rows", node.span,
            "write a square matrix, [[1, 0], [0, 2]]",
        )  # fmt: skip

    # -- arithmetic -----------------------------------------------------------------------

    def _binary(self, node: ast.Binary) -> Value:
        left, right = self.each((node.left, node.right))
        matrix_left = isinstance(left, sympy.MatrixBase)
        matrix_right = isinstance(right, sympy.MatrixBase)
        match node.operator:
            case "+" | "-":
                if matrix_left != matrix_right or (matrix_left and left.shape != right.shape):  # type: ignore[union-attr]
                    raise mistake(
                        "E301",
                        f"{rank_words(left)} and {rank_words(right)} cannot be added",
                        node.span,
                        rank_help(left, right),
                    )
                return left + right if node.operator == "+" else left - right  # type: ignore[operator]
            case "*" | "dot":
                return multiply(node, left, right, self.scope)
            case "cross":
                if matrix_left and matrix_right:
                    return cross(node, left, right, self.scope)
                return multiply(node, left, right, self.scope)
            case "/":
                if matrix_right:
                    raise mistake(
                        "E301", f"cannot divide by {rank_words(right)}", node.right.span,
                        "divide by its length, `norm(v)`, or by a component, `v[1]`",
                    )  # fmt: skip
                if right == 0:
                    raise mistake("E312", "this divides by zero", node.right.span,
                                  "write another divisor")  # fmt: skip
                return left / right  # type: ignore[operator]
            case "^":
                return self._power(node, left, right)
        raise mistake(
            "E304", f"`{node.operator}` cannot stand in this formula", node.span,
            "`±` gives the deviation of a measurement: `obs.u ≈ u ± 0.1` in `fit:`",
        )  # fmt: skip

    def _power(self, node: ast.Binary, base: Value, exponent: Value) -> sympy.Expr:
        if isinstance(base, sympy.MatrixBase) or isinstance(exponent, sympy.MatrixBase):
            raise mistake(
                "E301", "a power needs scalars", node.span, "the square of a vector is `v · v`"
            )
        if base.is_Rational and exponent.is_Rational:
            bits = max(int(base.p).bit_length(), int(base.q).bit_length())  # type: ignore[attr-defined]
            if abs(exponent) * bits > MAXIMUM_BITS:
                raise too_large(node.span)
        elif exponent.is_Rational and abs(exponent) > 1000:
            raise mistake("E305", "an exponent beyond ±1000 is surely a slip", node.right.span,
                          "write an exponential")  # fmt: skip
        if base == 0 and exponent.is_Rational and exponent.is_negative:
            raise mistake("E312", "this divides by zero", node.span, "write another base")
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
        self.scope.refuse_poisoned(name)
        if name in self.scope.functions:
            return self._user_function(node)
        if name in FUNCTIONS:
            return self._function(node)
        if name in self.scope.values:
            return self._applied_field(node)
        candidates = [*FUNCTIONS, *OPERATORS, *self.scope.functions, *_REDUCTIONS]
        raise unknown_call(node, self.scope, candidates)

    def _arguments(self, node: ast.Call, least: int, most: int | None) -> list[Value]:
        if node.keywords:
            raise mistake(
                "E302", f"`{node.function}` takes no named arguments", node.keywords[0].span,
                f"write the values alone, `{node.function}(…)`",
            )  # fmt: skip
        count = len(node.arguments)
        if count < least or (most is not None and count > most):
            wanted = (
                f"{least}"
                if least == most
                else f"{least} to {most}"
                if most
                else f"{least} or more"
            )
            raise mistake(
                "E302",
                f"`{node.function}` takes {wanted} argument{'' if wanted == '1' else 's'}, "
                f"and has {count}",
                node.span,
                f"write `{node.function}({', '.join('abcdefgh'[: most or least] or 'a')})`",
            )
        return self.each(node.arguments)

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
            values = [self.limits.folded(v, node.span) for v in values]
        if node.function in _FACTORIAL and values[0].is_Number and abs(values[0]) > 170:
            raise too_large(node.span)
        return entry.symbolic(*values)

    def _user_function(self, node: ast.Call) -> Value:
        entry = self.scope.functions[node.function]
        count = len(entry.arguments)
        given = self._arguments(node, count, count)
        self.scope.used.add(node.function)
        if count == 1 and _is_vector(given[0]):  # of every component
            return sympy.ImmutableDenseMatrix(
                [self._applied(node, entry, [c]) for c in components(given[0])]
            )
        return self._applied(node, entry, self._scalars(node, given))

    def _applied(
        self, node: ast.Call, entry: UserFunction, values: Sequence[sympy.Expr]
    ) -> sympy.Expr:
        replaced = dict(zip(entry.arguments, values, strict=True))
        if any(self.limits.is_constant(v, node.span) for v in values):
            # A constant may make parts of the definition constant that SymPy would evaluate.
            return self.limits.substitute(entry.value, replaced, node.span)
        return entry.value.xreplace(replaced)  # pyright: ignore[reportReturnType]

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
                f"write `{node.function}` alone; where a condition holds stands behind `on`",
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
            value.rows,
            value.cols,
            [function(e, i) for i, e in enumerate(value)],  # pyright: ignore[reportArgumentType]
        )

    def _operator(self, node: ast.Call) -> Value:
        operator = OPERATORS[node.function]
        count = len(operator.takes)
        bare = dataclasses.replace(node, keywords=()) if is_along_family(node) else node
        if operator.name in ("div", "curl") and len(node.arguments) > 1:
            scalars = self._scalars(node, self._arguments(bare, 1, None))
            values: list[Value] = [sympy.ImmutableDenseMatrix(scalars)]
        else:
            values = self._arguments(bare, count, count)
        return apply_operator(node, values, self.scope)

    def _reduction(self, node: ast.Call) -> Value:
        name = node.function
        if name in ("dot", "cross"):
            left, right = self._arguments(node, 2, 2)
            pair = ast.Binary(name, *node.arguments, span=node.span)
            return (
                cross(node, left, right, self.scope)
                if name == "cross"
                else multiply(pair, left, right, self.scope)
            )
        count = 2 if name == "outer" else 1
        return apply_reduction(node, self._arguments(node, count, count), self.scope)

    # -- derivatives ----------------------------------------------------------------------

    def _derivative(self, node: ast.Derivative) -> Value:
        pairs = []
        for name, order in node.variables:
            self.scope.refuse_poisoned(name)
            symbol = self.scope.values.get(name)
            if self.scope.kinds.get(name) != "coordinate" or symbol is None:
                known = self.scope.names("coordinate")
                guess = suggest(name, known)
                raise mistake(
                    "E208", f"`{name}` is no coordinate, so nothing can be differentiated along it",
                    node.span, f"did you mean `∂{guess}`?" if guess else
                    f"the coordinates are {', '.join(known)}" if known else
                    f"add `{name} ∈ [0, 1]` to `domain:`",
                )  # fmt: skip
            self.scope.used.add(name)
            pairs.append((symbol, order))
        if sum(order for _, order in pairs) > MAXIMUM_ORDER:
            raise mistake(
                "E309", f"derivatives go up to order {MAXIMUM_ORDER}", node.span,
                "introduce a field for a derivative of lower order, with an equation of its own",
            )  # fmt: skip
        return self._each(self.value(node.operand), lambda e, _: self._along(e, pairs, node))

    def _along(
        self, e: sympy.Expr, pairs: Sequence[tuple[sympy.Expr, int]], node: ast.Derivative
    ) -> sympy.Expr:
        known = e.free_symbols
        without = next((s for s, _ in pairs if s not in known), None)
        field = next((str(f.func) for f in e.atoms(AppliedUndef)
                      if self.scope.kinds.get(str(f.func)) == "field"), None)  # fmt: skip
        if without is not None and field is not None:
            raise mistake(
                "E210", f"`{field}` does not depend on `{without}`, so that this derivative is "
                "zero", node.span, f"name `{without}` among its coordinates under `fields:`, or "
                "drop the term",
            )  # fmt: skip
        return sympy.Derivative(e, *pairs, evaluate=False)

    def _family_gradient(self, index: str, operand: ast.Expression) -> Value:
        """`∇_x u`, with x a family of coordinates."""
        value = self.value(operand)
        symbols = [self.scope.values[name] for name in self.scope.families[index]]
        if isinstance(value, sympy.MatrixBase):
            raise mistake("E301", "a gradient along a family needs a scalar", operand.span,
                          "differentiate a component, `v[1]`")  # fmt: skip
        return sympy.ImmutableDenseMatrix(
            [sympy.Derivative(value, s, evaluate=False) for s in symbols]
        )

    def _subscript(self, node: ast.Subscript, base: ast.Expression, index: ast.Expression) -> Value:
        value = self.value(base)
        if not isinstance(value, sympy.MatrixBase):
            raise mistake("E301", "only a vector has components, and this is a scalar", base.span,
                          "leave out the bracket, or write a product with a space")  # fmt: skip
        number = self.scalar(index)
        if not (number.is_Integer and 1 <= int(number) <= value.rows):
            written = index.span.text if index.span else number
            raise mistake("E329", f"there is no component `{written}`", index.span,
                          f"components are counted from 1 to {value.rows}")  # fmt: skip
        if value.cols == 1:
            return components(value)[int(number) - 1]
        return sympy.ImmutableDenseMatrix(list(value.row(int(number) - 1)))
