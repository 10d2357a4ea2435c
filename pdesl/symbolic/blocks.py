"""The blocks behind the equations: metric, data, fit, solver, verify, output, sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

import sympy

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.language.printer import format_expression
from pdesl.symbolic.expressions import Translator
from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.options import option_value
from pdesl.symbolic.problem import (
    Choice,
    Coordinate,
    DataSet,
    FitTerm,
    Given,
    MetricSpec,
    OptionValue,
    OutputRule,
    Verification,
)  # fmt: skip
from pdesl.symbolic.scope import Scope, components, mistake

__all__ = [
    "data_sets", "fit_block", "metric_block", "output_rules", "refuse_regions", "solver_block",
    "states_a_solution", "sweep_block", "verify_block",
]  # fmt: skip

Guard = Callable[..., AbstractContextManager[None]]
Statements = Iterable[ast.Statement]


def refuse_regions(statement: ast.Relation) -> None:
    """Raises `Mistake` for `on …` behind what is no boundary condition."""
    if statement.regions:
        raise mistake(
            "E418", "only a boundary condition says where it holds", statement.regions[0].span,
            "leave out `on …`, or move the line to `boundary:`",
        )  # fmt: skip


def _setting(statement: ast.Statement, block: str) -> tuple[str, ast.Expression, Span | None]:
    """A line `name = value`."""
    if (
        isinstance(statement, ast.Relation)
        and statement.operator == "="
        and isinstance(statement.left, ast.Name)
    ):
        refuse_regions(statement)
        return statement.left.identifier, statement.right, statement.span
    raise mistake("E330", f"a line of `{block}:` gives a name its value", statement.span,
                  "write `name = value`")  # fmt: skip


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
            spans[name] = span
            found[name] = option_value(value, translator())
    return tuple(found.items()), spans


# -- metric --------------------------------------------------------------------------------


def metric_block(
    statements: Statements, translator: Translator, coordinates: tuple[Coordinate, ...]
) -> MetricSpec | None:
    """`ds² = …` as a matrix, or `g = name(…)`, or `g = [[…]]`. Raises `Mistake`."""
    found = list(statements)
    if not found:
        return None
    form = ("a metric is a line element, a matrix or a name", (
        "ds² = -dt² + dx²", "g = [[-1, 0], [0, 1]]", "g = schwarzschild(mass=M)"))  # fmt: skip
    if len(found) > 1:
        raise mistake("E322", "a problem has one metric", found[1].span, "keep one of the lines")
    (statement,) = found
    if not isinstance(statement, ast.Relation) or statement.operator != "=":
        raise mistake("E322", form[0], statement.span, *form[1])
    refuse_regions(statement)
    text = statement.span.text if statement.span else ""
    right = statement.right
    if isinstance(right, ast.ListLiteral | ast.TupleLiteral):
        translator.scope.refuse_unknown_space()
        value = translator.value(right)
        size = len(coordinates)
        space = sum(c.kind == "space" for c in coordinates)  # time may be left apart
        shape = value.shape if isinstance(value, sympy.MatrixBase) else ()
        if not isinstance(value, sympy.MatrixBase) or shape not in ((size, size), (space, space)):
            raise mistake(
                "E335", f"the metric is no {size}×{size} matrix", right.span,
                f"write a row for each of {', '.join(c.name for c in coordinates)}",
            )  # fmt: skip
        size = value.rows
        if value != value.T:
            raise mistake("E335", "the metric is not symmetric", right.span,
                          "write the same in row i, column j and in row j, column i")  # fmt: skip
        rows = tuple(tuple(value.row(i)) for i in range(size))
        return MetricSpec("matrix", rows, (), text, span=statement.span)
    if _is_line_element(statement.left):
        rows = _line_element(right, translator, coordinates)
        return MetricSpec("line element", rows, (), text, span=statement.span)
    choice = option_value(right, translator)
    if not isinstance(choice, Choice):
        raise mistake("E322", form[0], right.span, *form[1])
    if choice.positional:
        raise mistake("E322", f"the options of `{choice.name}` are given by name", choice.span,
                      f"{choice.name}(chart=…)")  # fmt: skip
    spans = choice.spans
    return MetricSpec(choice.name, None, choice.options, text, spans, span=statement.span)


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
    differentials = [sympy.Symbol(f"d{c.name}", real=True) for c in coordinates]
    inner = Translator(translator.scope.inner({d.name: d for d in differentials}))
    form = inner.scalar(node, "a line element")
    rows = tuple(tuple(sympy.diff(form, a, b) / 2 for b in differentials) for a in differentials)
    again = sympy.Add(
        *(
            rows[i][j] * a * b
            for i, a in enumerate(differentials)
            for j, b in enumerate(differentials)
        )
    )
    quadratic = not any(e.has(*differentials) for row in rows for e in row)
    if not quadratic or not vanishes(form - again):
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
                raise mistake("E505", "data come from a file", value.span, 'load("runs.h5")')
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
            refuse_regions(statement)
            left = statement.left
            identifier = left.identifier if isinstance(left, ast.Name) else ""
            scope = translator().scope
            is_prior = scope.kinds.get(identifier) == "parameter" and identifier not in names
            if is_prior and not _has_deviation(statement.right):
                raise mistake(
                    "E511", f"what is known of `{identifier}` beforehand has a standard deviation",
                    statement.span, f"{identifier} ≈ 1 ± 0.1",
                )  # fmt: skip
            if not is_prior and identifier.split(".")[0] not in names:
                scope.refuse_poisoned(identifier.split(".")[0])
                guess = suggest(identifier.split(".")[0], names)
                raise mistake(
                    "E511", "the left of `≈` is a column of a data set, `obs.u`", left.span,
                    f"did you mean `{guess}`?" if guess else
                    f"data sets: {', '.join(sorted(names)) or 'none; add a `data:` block'}",
                )  # fmt: skip
            scope.used.add(identifier.split(".")[0])
            model, deviation = statement.right, None
            if isinstance(model, ast.Binary) and model.operator == "±":
                deviation = translator().number(model.right, "a standard deviation")
                model = model.left
            terms.append(
                FitTerm(identifier, translator().scalar(model), deviation, span=statement.span)
            )
    options, _ = _settings(settings, "fit", translator, guarded)
    return tuple(terms), options


def _has_deviation(node: ast.Expression) -> bool:
    return isinstance(node, ast.Binary) and node.operator == "±"


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
            raise mistake("E509", "a method is a name with options", spans["method"],
                          "method = dt_pinn(order=4)")  # fmt: skip
        return None
    own = dict(method.options)
    for name in options:
        if name in own:
            with guarded():
                raise mistake(
                    "E506", f"`{name}` is given twice", spans[name], "keep one of the two"
                )
    return Choice(
        method.name,
        tuple((own | options).items()),
        method.positional,
        dict(spans) | dict(method.spans),
        span=method.span,
    )


def states_a_solution(statement: ast.Statement, kinds: Mapping[str, str]) -> bool:
    """Whether a line of `verify:` gives the solution of a field, and no setting or bound."""
    if not (isinstance(statement, ast.Relation) and statement.operator == "="):
        return False
    left = statement.left
    name = left.identifier if isinstance(left, ast.Name) else ""
    return isinstance(left, ast.Call) or "field" in kinds.get(name, "")


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
                raise mistake("E330", "a line of `verify:` is a known solution or a bound",
                              statement.span, "u = sin(x)", "relative_l2(u) ≤ 1e-4")  # fmt: skip
            refuse_regions(statement)
            if statement.operator == "=":
                left = statement.left
                scope = translator().scope
                scope.refuse_poisoned(left.identifier if isinstance(left, ast.Name) else "")
                if states_a_solution(statement, scope.kinds):
                    exact.extend(given(statement))
                else:
                    settings.append(statement)
                continue
            quantity = statement.left
            if not (
                isinstance(quantity, ast.Call)
                and quantity.function in ("order", "error", "relative_l2", "linf", "residual")
                and quantity.arguments
                and statement.operator in ("<", "<=", ">", ">=")
            ):
                raise mistake(
                    "E323", "a bound compares a measured quantity with a number", statement.span,
                    "relative_l2(u) ≤ 1e-4", "order(u) ≥ 3.5",
                    "there are order, error, relative_l2, linf and residual",
                )  # fmt: skip
            values = translator().each(quantity.arguments)
            parts = tuple(c for value in values for c in components(value))
            bounds.append(
                Verification(
                    Choice(quantity.function, (), parts, span=quantity.span),
                    statement.operator.rstrip("=") + "=",
                    translator().number(statement.right, "the bound"),
                    span=statement.span,
                )
            )
    options, _ = _settings(settings, "verify", translator, guarded)
    return tuple(exact), tuple(bounds), options


def output_rules(
    statements: Statements,
    translator: Callable[[], Translator],
    guarded: Guard,
    unit_of: Callable[[ast.Expression], str | None] | None,
) -> tuple[OutputRule, ...]:
    found: list[OutputRule] = []
    for statement in statements:
        with guarded():
            if not isinstance(statement, ast.Schedule):
                raise mistake("E330", "a line of `output:` says when to write what to which file",
                              statement.span, 'at end: u -> "u.h5"')  # fmt: skip
            outputs = tuple(_output(node, translator) for node in statement.outputs)
            trigger = _trigger(statement.trigger, translator)
            found.append(
                OutputRule(
                    statement.kind,
                    trigger,
                    outputs,
                    statement.target,
                    tuple(format_expression(node) for node in statement.outputs),
                    tuple(map(unit_of, statement.outputs)) if unit_of is not None else (),
                    _condition_text(statement.trigger),
                    span=statement.span,
                )
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
        return tuple(value)  # pyright: ignore[reportArgumentType]
    return value


def _trigger(node: ast.Expression, translator: Callable[[], Translator]) -> OptionValue:
    match node:
        case ast.Name("end"):
            return Choice("end", span=node.span)
        case ast.Comparison(operator, left, right):
            sides = (_number(left, translator), _number(right, translator))
            return Choice(operator, (), sides, span=node.span)
        case ast.Binary("*", count, ast.Name("steps" | "step")):
            return Choice("steps", (), (option_value(count, translator()),), span=node.span)
    return option_value(node, translator())


def _condition_text(node: ast.Expression) -> str:
    if not isinstance(node, ast.Comparison):
        return ""
    return f"{format_expression(node.left)} {node.operator} {format_expression(node.right)}"


def _number(node: ast.Expression, translator: Callable[[], Translator]) -> OptionValue:
    """A side of a condition: a probe `u(x=50)`, or a scalar expression."""
    found = _output(node, translator)
    return found if isinstance(found, Choice) and found.options else translator().scalar(node)


def sweep_block(
    statements: Statements, translator: Callable[[], Translator], guarded: Guard
) -> tuple[tuple[str, OptionValue], ...]:
    found: list[tuple[str, OptionValue]] = []
    for statement in statements:
        with guarded():
            if (
                isinstance(statement, ast.Membership)
                and len(statement.members) == 1
                and isinstance(statement.members[0], ast.Name)
            ):
                name, node = statement.members[0].identifier, statement.set
            else:
                name, node, _ = _setting(statement, "sweep")
            scope = translator().scope
            if "." not in name and scope.kinds.get(name) != "parameter":
                names = [n for n, kind in scope.kinds.items() if kind == "parameter"]
                raise mistake(
                    "E523", f"`{name}` is no parameter", statement.span,
                    f"there are the parameters {', '.join(names)}" if names else
                    "name an option with its block, `solver.order = [2, 4]`",
                )  # fmt: skip
            scope.used.add(name)
            if not isinstance(node, ast.ListLiteral):
                raise mistake("E523", "a sweep is over a list of values", statement.span,
                              f"{name} ∈ [1, 2, 4]")  # fmt: skip
            found.append((name, option_value(node, translator())))
    return tuple(found)
