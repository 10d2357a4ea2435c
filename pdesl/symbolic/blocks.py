"""The blocks behind the equations: metric, data, fit, solver, verify, output, sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import sympy

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.symbolic.expressions import Scope, Translator, components, mistake
from pdesl.symbolic.options import option_value
from pdesl.symbolic.problem import (
    Choice, Coordinate, DataSet, FitTerm, Given, MetricSpec, OptionValue, OutputRule, Verification,
)  # fmt: skip

__all__ = [
    "data_sets", "fit_block", "metric_block", "output_rules", "solver_block", "sweep_block",
    "verify_block",
]  # fmt: skip

Guard = Callable[[], AbstractContextManager[None]]
Statements = Iterable[ast.Statement]


def _setting(statement: ast.Statement, block: str) -> tuple[str, ast.Expression, Span | None]:
    """A line `name = value`."""
    if (
        isinstance(statement, ast.Relation)
        and statement.operator == "="
        and isinstance(statement.left, ast.Name)
    ):
        return statement.left.identifier, statement.right, statement.span
    raise mistake("E304", f"a line of `{block}:` is `name = value`", statement.span)


def _settings(
    statements: Statements, block: str, translator: Callable[[], Translator], guarded: Guard
) -> tuple[tuple[tuple[str, OptionValue], ...], dict[str, Span | None]]:
    found: dict[str, OptionValue] = {}
    spans: dict[str, Span | None] = {}
    for statement in statements:
        with guarded():
            name, value, span = _setting(statement, block)
            if name in found:
                raise mistake("E506", f"`{name}` is given twice", span, "keep one of the two")
            found[name] = option_value(value, translator())
            spans[name] = span
    return tuple(found.items()), spans


# -- metric --------------------------------------------------------------------------------


def metric_block(
    statements: Statements, translator: Translator, coordinates: tuple[Coordinate, ...]
) -> MetricSpec | None:
    """`ds² = …` as a matrix, or `g = name(…)`, or `g = [[…]]`. Raises `Mistake`."""
    found = list(statements)
    if not found:
        return None
    if len(found) > 1:
        raise mistake("E322", "a problem has one metric", found[1].span)
    (statement,) = found
    if not isinstance(statement, ast.Relation) or statement.operator != "=":
        raise mistake("E322", "a metric is `ds² = …` or `g = schwarzschild(mass=M)`", statement.span)
    text = statement.span.text if statement.span else ""
    right = statement.right
    if isinstance(right, ast.ListLiteral | ast.TupleLiteral):
        value = translator.value(right)
        size = len(coordinates)
        if not isinstance(value, sympy.MatrixBase) or value.shape != (size, size):
            raise mistake("E322", f"the metric here is a {size}×{size} matrix", right.span)
        if value != value.T:
            raise mistake("E322", "a metric is symmetric", right.span)
        rows = tuple(tuple(value.row(i)) for i in range(size))
        return MetricSpec("matrix", rows, (), text, span=statement.span)
    if _is_line_element(statement.left):
        rows = _line_element(right, translator, coordinates)
        return MetricSpec("line element", rows, (), text, span=statement.span)
    choice = option_value(right, translator)
    if not isinstance(choice, Choice):
        raise mistake("E322", "a metric is `ds² = …` or `g = schwarzschild(mass=M)`", right.span)
    return MetricSpec(choice.name, None, choice.options, text, span=statement.span)


def _is_line_element(node: ast.Expression) -> bool:
    return (
        isinstance(node, ast.Binary)
        and node.operator == "^"
        and isinstance(node.left, ast.Name)
        and node.left.identifier == "ds"
    )


def _line_element(
    node: ast.Expression, translator: Translator, coordinates: tuple[Coordinate, ...]
) -> tuple[tuple[sympy.Expr, ...], ...]:
    """The matrix of a quadratic form in dx, dy, …: g_ij = ½ ∂²(ds²)/∂(dx_i)∂(dx_j)."""
    scope = translator.scope
    differentials = []
    values = dict(scope.values)
    for coordinate in coordinates:
        symbol = sympy.Symbol(f"d{coordinate.name}", real=True)
        values[f"d{coordinate.name}"] = symbol
        differentials.append(symbol)
    inner = Scope(values, scope.functions, scope.declared, scope.kinds, scope.used, scope.space,
                  scope.families, scope.exact)  # fmt: skip
    form = Translator(inner).scalar(node, "a line element")
    rows = tuple(
        tuple(sympy.diff(form, a, b) / 2 for b in differentials) for a in differentials
    )
    again = sympy.Add(
        *(
            rows[i][j] * a * b
            for i, a in enumerate(differentials)
            for j, b in enumerate(differentials)
        )
    )
    left_over = sympy.expand(form - again)
    if left_over != 0 or any(e.has(*differentials) for row in rows for e in row):
        raise mistake(
            "E322", "a line element is a sum of products of two differentials", node.span,
            "ds² = -dt² + dx² + dy²",
        )  # fmt: skip
    return rows


# -- data and fit --------------------------------------------------------------------------


def data_sets(statements: Statements, scope: Scope, guarded: Guard) -> tuple[DataSet, ...]:
    found: list[DataSet] = []
    for statement in statements:
        with guarded():
            name, value, span = _setting(statement, "data")
            if not (
                isinstance(value, ast.Call)
                and value.function == "load"
                and len(value.arguments) == 1
                and isinstance(value.arguments[0], ast.String)
            ):
                raise mistake("E505", "data come from a file, `load(\"runs.h5\")`", value.span)
            scope.declare(name, "data set", span)
            options = tuple(
                (k.name, option_value(k.value, Translator(scope))) for k in value.keywords
            )
            found.append(DataSet(name, value.arguments[0].value, options, span=span))
    return tuple(found)


def fit_block(
    statements: Statements,
    translator: Callable[[], Translator],
    data: tuple[DataSet, ...],
    guarded: Guard,
) -> tuple[tuple[FitTerm, ...], tuple[tuple[str, OptionValue], ...]]:
    terms: list[FitTerm] = []
    settings: list[ast.Statement] = []
    names = {d.name for d in data}
    for statement in statements:
        if not (isinstance(statement, ast.Relation) and statement.operator == "~="):
            settings.append(statement)
            continue
        with guarded():
            left = statement.left
            identifier = left.identifier if isinstance(left, ast.Name) else ""
            if identifier.split(".")[0] not in names:
                raise mistake(
                    "E505", "the left of `≈` is a column of a data set, `obs.u`", left.span,
                    f"data sets: {', '.join(sorted(names)) or 'none; add a `data:` block'}",
                )  # fmt: skip
            model, deviation = statement.right, None
            if isinstance(model, ast.Binary) and model.operator == "±":
                deviation = translator().number(model.right, "a standard deviation")
                model = model.left
            terms.append(
                FitTerm(identifier, translator().scalar(model), deviation, span=statement.span)
            )
    options, _ = _settings(settings, "fit", translator, guarded)
    return tuple(terms), options


# -- solver, verify, output, sweep ---------------------------------------------------------


def solver_block(
    statements: Statements, translator: Callable[[], Translator], guarded: Guard
) -> Choice | None:
    """One choice: the method with its options and those of the other lines."""
    found = list(statements)
    if not found:
        return None
    settings, spans = _settings(found, "solver", translator, guarded)
    options = dict(settings)
    method = options.pop("method", None)
    if method is None:
        return Choice("", tuple(options.items()), (), spans, span=found[0].span)
    if isinstance(method, str):
        method = Choice(method, span=spans["method"])
    if not isinstance(method, Choice):
        with guarded():
            raise mistake("E501", "a method is a name, `method = dt_pinn(order=4)`", spans["method"])
        return None
    own = dict(method.options)
    for name in options:
        if name in own:
            with guarded():
                raise mistake("E506", f"`{name}` is given twice", spans[name], "keep one of the two")
    return Choice(
        method.name,
        tuple((own | options).items()),
        method.positional,
        dict(spans) | dict(method.spans),
        span=method.span,
    )


def verify_block(
    statements: Statements,
    translator: Callable[[], Translator],
    given: Callable[[ast.Relation], list[Given]],
    guarded: Guard,
) -> tuple[tuple[Given, ...], tuple[Verification, ...], tuple[tuple[str, OptionValue], ...]]:
    """Exact solutions, bounds to be met, and settings (a ladder of nodes, …)."""
    exact: list[Given] = []
    bounds: list[Verification] = []
    settings: list[ast.Statement] = []
    for statement in statements:
        with guarded():
            if not isinstance(statement, ast.Relation):
                raise mistake("E304", "a line of `verify:` is `u = …` or `order(u) ≥ 3.5`",
                              statement.span)  # fmt: skip
            if statement.operator == "=":
                left = statement.left
                kind = translator().scope.kinds.get(
                    left.identifier if isinstance(left, ast.Name) else "", ""
                )
                if "field" in kind or isinstance(left, ast.Call):
                    exact.extend(given(statement))
                else:
                    settings.append(statement)
                continue
            quantity = statement.left
            if not (
                isinstance(quantity, ast.Call)
                and quantity.function in ("order", "error", "relative_l2", "linf", "residual")
                and len(quantity.arguments) == 1
                and statement.operator in ("<", "<=", ">", ">=")
            ):
                raise mistake(
                    "E323", "a bound is `order(u) ≥ 3.5` or `error(u) ≤ 1e-4`", statement.span,
                    "quantities: order, error, relative_l2, linf, residual",
                )  # fmt: skip
            inner = translator().value(quantity.arguments[0])
            bounds.append(
                Verification(
                    Choice(quantity.function, (), tuple(components(inner)), span=quantity.span),
                    statement.operator.rstrip("=") + "=",
                    translator().number(statement.right, "the bound"),
                    span=statement.span,
                )
            )
    options, _ = _settings(settings, "verify", translator, guarded)
    return tuple(exact), tuple(bounds), options


def output_rules(
    statements: Statements, translator: Callable[[], Translator], guarded: Guard
) -> tuple[OutputRule, ...]:
    found: list[OutputRule] = []
    for statement in statements:
        with guarded():
            if not isinstance(statement, ast.Schedule):
                raise mistake("E304", 'a line of `output:` is `at end: u -> "u.h5"`', statement.span)
            outputs = tuple(_output(node, translator) for node in statement.outputs)
            trigger = _trigger(statement.trigger, translator)
            found.append(
                OutputRule(statement.kind, trigger, outputs, statement.target, span=statement.span)
            )
    return tuple(found)


def _output(node: ast.Expression, translator: Callable[[], Translator]) -> OptionValue:
    """What is written: an expression, a probe `u(x=50)`, or `state`, `stop`."""
    match node:
        case ast.Call(function, (), keywords) if keywords:
            scope = translator().scope
            if function in scope.values:
                scope.used.add(function)
                at = tuple((k.name, option_value(k.value, translator())) for k in keywords)
                return Choice(function, at, span=node.span)
        case ast.Name(identifier) if identifier in ("state", "stop"):
            return Choice(identifier, span=node.span)
    value = translator().value(node)
    if isinstance(value, sympy.MatrixBase):
        return tuple(value)
    return value


def _trigger(node: ast.Expression, translator: Callable[[], Translator]) -> OptionValue:
    match node:
        case ast.Name("end"):
            return Choice("end", span=node.span)
        case ast.Comparison(operator, left, right):
            sides = translator().scalar(left), translator().scalar(right)
            return Choice(operator, (), sides, span=node.span)
        case ast.Binary("*", count, ast.Name("steps" | "step")):
            return Choice("steps", (), (option_value(count, translator()),), span=node.span)
    return option_value(node, translator())


def sweep_block(
    statements: Statements, translator: Callable[[], Translator], guarded: Guard
) -> tuple[tuple[str, OptionValue], ...]:
    found: list[tuple[str, OptionValue]] = []
    for statement in statements:
        with guarded():
            if isinstance(statement, ast.Membership) and len(statement.members) == 1:
                (member,) = statement.members
                if isinstance(member, ast.Name):
                    found.append((member.identifier, option_value(statement.set, translator())))
                    continue
            name, value, _ = _setting(statement, "sweep")
            found.append((name, option_value(value, translator())))
    return tuple(found)
