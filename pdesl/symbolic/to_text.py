"""A `Problem` as text: a `.pde` file that states the same problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from pdesl.language import ast
from pdesl.language.printer import format_module
from pdesl.symbolic.domain import SHAPES, Shape, shape_dimension
from pdesl.symbolic.expression_text import expression_to_syntax
from pdesl.symbolic.problem import (
    Choice,
    Closure,
    Condition,
    Coordinate,
    Equation,
    Field,
    Given,
    OptionValue,
    Parameter,
    Problem,
    RegionSpec,
    Unknown,
)  # fmt: skip

__all__ = ["to_module", "to_pde"]

# -- blocks --------------------------------------------------------------------------------


def to_module(problem: Problem, definitions: bool = True) -> ast.Module:
    """The syntax tree of a file that states the problem."""
    space = [c.name for c in problem.space]
    named = _named_formulas(problem) if definitions else {}

    def syntax(value: sympy.Basic) -> ast.Expression:
        return expression_to_syntax(value, space)

    def formula(value: sympy.Expr) -> ast.Expression:
        return syntax(value.xreplace(named))

    def option(value: OptionValue) -> ast.Expression:
        if isinstance(value, bool):
            return ast.Name("true" if value else "false")
        if isinstance(value, int | float):
            number = ast.Number(f"{abs(value)!r}")
            return ast.Negate(number) if value < 0 else number
        if isinstance(value, str):
            return ast.String(value)
        if isinstance(value, tuple):
            return ast.ListLiteral(tuple(option(v) for v in value))
        if isinstance(value, Choice):
            return choice(value)
        return syntax(value)

    def choice(value: Choice) -> ast.Expression:
        if not value.options and not value.positional:
            return ast.Name(value.name)
        keywords = tuple(ast.Keyword(n, option(v)) for n, v in value.options)
        return ast.Call(value.name, tuple(option(p) for p in value.positional), keywords)

    def settings(pairs: Sequence[tuple[str, OptionValue]]) -> list[ast.Statement]:
        return [ast.Relation(ast.Name(n), "=", option(v)) for n, v in pairs]

    def equation(e: Equation) -> ast.Statement:
        regions: tuple[ast.Expression, ...] = ()
        if isinstance(e, Condition):
            regions = tuple(_region(r, syntax) for r in e.regions)
        return ast.Relation(formula(e.lhs), "=", formula(e.rhs), regions)

    def given(g: Given) -> ast.Statement:
        return ast.Relation(ast.Name(g.field), "=", formula(g.value))

    blocks: list[tuple[str, list[ast.Statement]]] = []
    blocks.append(("parameters", [_parameter(p, syntax) for p in problem.parameters]))
    blocks.append(("domain", _domain(problem, syntax)))
    lets: list[ast.Statement] = [
        ast.Relation(ast.Name(name.name), "=", syntax(value)) for value, name in named.items()
    ]
    blocks.append(("let", lets))
    blocks.append(("metric", _metric(problem, option, syntax)))
    blocks.append(("fields", [
        ast.Declaration(
            (_field_name(f),),
            _field_type(f),
        )
        for f in problem.fields
    ]))  # fmt: skip
    blocks.append(("closure", [
        ast.Relation(ast.Name(c.name), "=", _closure(c, syntax, option)) for c in problem.closures
    ]))  # fmt: skip
    blocks.append(("equations", [equation(e) for e in problem.equations]))
    blocks.append(("reduce", [given(g) for g in problem.reduction]))
    blocks.append(("manufactured", [given(g) for g in problem.manufactured]))
    blocks.append(("boundary", [equation(c) for c in (*problem.boundary, *problem.integrals)]))
    blocks.append(("initial", [equation(c) for c in problem.initial]))
    blocks.append(("data", [
        ast.Relation(
            ast.Name(d.name), "=",
            ast.Call("load", (ast.String(d.path),),
                     tuple(ast.Keyword(n, option(v)) for n, v in d.options)),
        )
        for d in problem.data
    ]))  # fmt: skip
    fits: list[ast.Statement] = []
    for term in problem.fit:
        model = syntax(term.model)
        if term.deviation is not None:
            model = ast.Binary("±", model, syntax(term.deviation))
        fits.append(ast.Relation(ast.Name(term.data), "~=", model))
    blocks.append(("fit", fits + settings(problem.fit_options)))
    solver: list[ast.Statement] = []
    if problem.solver is not None:
        if problem.solver.name:
            solver.append(ast.Relation(ast.Name("method"), "=", choice(problem.solver)))
        else:
            solver.extend(settings(problem.solver.options))
    blocks.append(("solver", solver))
    checks: list[ast.Statement] = [given(g) for g in problem.exact]
    checks += settings(problem.verify_options)
    for v in problem.verify:
        quantity = ast.Call(v.quantity.name, tuple(option(p) for p in v.quantity.positional))
        checks.append(ast.Relation(quantity, v.operator, syntax(v.bound)))
    blocks.append(("verify", checks))
    blocks.append(("output", [_rule(rule, option) for rule in problem.output]))
    blocks.append(("sweep", settings(problem.sweep)))
    return ast.Module(
        tuple(ast.Block(name, tuple(lines)) for name, lines in blocks if lines), version=1
    )


def _named_formulas(problem: Problem) -> dict[sympy.Basic, sympy.Symbol]:
    """Formulas under `let:` that equations, conditions or known solutions hold as they stand.

    Two definitions that hold one another are left out but for the first, so that reading the
    text gives back the same expressions.
    """
    conditions = (*problem.boundary, *problem.integrals, *problem.initial)
    sides = [s for e in (*problem.equations, *conditions) for s in (e.lhs, e.rhs)]
    sides += [g.value for g in (*problem.manufactured, *problem.exact, *problem.reduction)]
    found: dict[sympy.Basic, sympy.Symbol] = {}
    for definition in problem.definitions:
        value = definition.value
        if definition.arguments or isinstance(value, tuple) or not value.args or value.is_number:
            continue
        if any(value.has(other) or other.has(value) for other in found):
            continue
        if any(side.has(value) for side in sides):
            symbol = sympy.Symbol(definition.name, real=True)
            left = [side.xreplace({value: symbol}) for side in sides]
            if any(e.has(symbol) for e in left):
                found[value] = symbol
    return found


def _field_name(f: Field) -> ast.Expression:
    arguments = tuple(ast.Name(c) for c in f.coordinates)
    if f.indices:
        return ast.IndexedField(f.name, f.indices, arguments)
    return ast.Call(f.name, arguments)


def _field_type(f: Field) -> ast.Expression:
    if f.symmetry:
        return ast.Call("tensor", (ast.Name(f.symmetry),))
    if f.kind == "source" and f.rank:
        return ast.Call("source", (ast.Name("vector"),))
    kinds = "source" if f.kind == "source" else "vector" if f.rank else "scalar"
    return ast.Name("tensor" if f.indices else kinds)


def _vector(value, syntax) -> ast.Expression:
    if isinstance(value, tuple):
        return ast.ListLiteral(tuple(_vector(v, syntax) for v in value))
    return syntax(value)


def _parameter(p: Parameter, syntax) -> ast.Statement:
    if isinstance(p.value, Unknown):
        keywords = [ast.Keyword("start", syntax(p.value.start))]
        if p.value.lower is not None and p.value.upper is not None:
            bounds = ast.TupleLiteral((syntax(p.value.lower), syntax(p.value.upper)))
            keywords.append(ast.Keyword("bounds", bounds))
        right: ast.Expression = ast.Call("unknown", (), tuple(keywords))
    else:
        right = syntax(p.value)
    return ast.Relation(ast.Name(p.name), "=", right)


def _region(spec: RegionSpec, syntax) -> ast.Expression:
    if spec.kind == "all":
        return ast.BoundaryOf("Ω")
    if spec.kind == "part":
        return ast.Name(spec.name)
    if spec.kind == "shape":
        return ast.BoundaryOf(spec.name)
    left, right = spec.sides()
    return ast.Comparison(spec.operator, syntax(left), syntax(right))


def _metric(problem: Problem, option, syntax) -> list[ast.Statement]:
    metric = problem.metric
    if metric is None:
        return []
    if metric.matrix is None:
        call = ast.Call(
            metric.name, (), tuple(ast.Keyword(n, option(v)) for n, v in metric.arguments)
        )
        return [ast.Relation(ast.Name("g"), "=", call)]
    if metric.name == "matrix":
        return [ast.Relation(ast.Name("g"), "=", _vector(metric.matrix, syntax))]
    symbols = [sympy.Symbol(f"d{c.name}", real=True) for c in problem.coordinates]
    form = sympy.Add(
        *(metric.matrix[i][j] * a * b for i, a in enumerate(symbols) for j, b in enumerate(symbols))
    )
    return [ast.Relation(ast.Binary("^", ast.Name("ds"), ast.Number("2")), "=", syntax(form))]


def _rule(rule, option) -> ast.Statement:
    trigger = rule.trigger
    if isinstance(trigger, Choice) and trigger.name == "steps":
        node: ast.Expression = ast.Binary("*", option(trigger.positional[0]), ast.Name("steps"))
    elif isinstance(trigger, Choice) and trigger.name in ("=", "<", "<=", ">", ">="):
        node = ast.Comparison(trigger.name, *(option(p) for p in trigger.positional))
    else:
        node = option(trigger)
    return ast.Schedule(rule.kind, node, tuple(option(o) for o in rule.outputs), rule.target)


# -- domains -------------------------------------------------------------------------------


def _domain(problem: Problem, syntax) -> list[ast.Statement]:
    lines: list[ast.Statement] = []
    for condition in problem.boundary:
        for spec in condition.regions:
            if spec.shape is not None:
                line = ast.Relation(ast.Name(spec.name), "=", _shape(spec.shape, syntax))
                if line not in lines:
                    lines.append(line)
    remaining = [c for c in problem.coordinates if not c.separated]
    shapes = _shapes(problem)
    while remaining:
        first = remaining[0]
        if first.lower is not None and first.upper is not None:
            own = [c for c in remaining if first.family is not None and c.family == first.family]
            own = own or [first]
            lines.append(_interval(first, len(own), syntax))
            remaining = [c for c in remaining if c not in own]
            continue
        own, shape = shapes.pop(0)
        name = "Ω" if not shapes and not any(_is_region(line, "Ω") for line in lines) else None
        where: ast.Expression = _shape(shape, syntax)
        if name is not None:
            lines.append(ast.Relation(ast.Name(name), "=", where))
            where = ast.Name(name)
        lines.append(ast.Membership(tuple(ast.Name(c.name) for c in own), where))
        remaining = [c for c in remaining if c not in own]
    return lines


def _is_region(line: ast.Statement, name: str) -> bool:
    return isinstance(line, ast.Relation) and line.left == ast.Name(name)


def _shapes(problem: Problem) -> list[tuple[list[Coordinate], Shape]]:
    """The shapes of the coordinates that have no interval of their own, in order."""
    shape, space = problem.shape, [c for c in problem.space if not c.separated]
    if shape is None:
        return []
    if shape.kind == "box" and all(c.lower is not None for c in space):
        return []
    if shape.kind == "box":
        free = [i for i, c in enumerate(space) if c.lower is None]
        given: dict[str, Any] = dict(shape.arguments)
        part = Shape("box", tuple((k, tuple(v[i] for i in free)) for k, v in given.items()))
        return [([space[i] for i in free], part)]
    if shape.kind != "product" or (space[0].lower is None and not any(c.lower for c in space)):
        return [(space, shape)]
    found, start = [], 0
    for part in shape.shapes:
        size = shape_dimension(part, len(space) - start)
        own = space[start : start + size]
        start += size
        if own[0].lower is None:
            found.append((own, part))
    return found


def _interval(coordinate: Coordinate, count: int, syntax) -> ast.Statement:
    ends = (syntax(coordinate.lower), syntax(coordinate.upper))
    where: ast.Expression = (
        ast.Call("periodic", ends) if coordinate.periodic else ast.ListLiteral(ends)
    )
    name = coordinate.name
    if coordinate.family is not None:
        name = coordinate.family
        where = ast.Binary("^", where, ast.Number(str(count)))
    return ast.Membership((ast.Name(name),), where)


def _closure(closure: Closure, syntax, option) -> ast.Call:
    network = closure.network
    if closure.is_table:
        given = dict(network.options)
        keywords = [ast.Keyword("name", ast.String(str(given["name"])))]
        if given["column"] != 1:
            keywords.append(ast.Keyword("column", ast.Number(str(given["column"]))))
        return ast.Call("load", (ast.String(str(given["file"])),), tuple(keywords))
    keywords = [ast.Keyword(n, option(v)) for n, v in network.options]
    return ast.Call(network.name, tuple(syntax(i) for i in closure.inputs), tuple(keywords))


def _shape(shape: Shape, syntax) -> ast.Expression:
    if SHAPES[shape.kind].compound:
        return ast.Call(shape.kind, tuple(_shape(s, syntax) for s in shape.shapes))
    keywords = []
    for name, value in shape.arguments:
        if SHAPES[shape.kind].arguments[name] == "curve":
            value = value[1]  # type: ignore[index]
        keywords.append(ast.Keyword(name, _point(value, syntax)))
    return ast.Call(shape.kind, (), tuple(keywords))


def _point(value, syntax) -> ast.Expression:
    if isinstance(value, str):
        return ast.String(value)
    if isinstance(value, tuple):
        return ast.ListLiteral(tuple(_point(v, syntax) for v in value))
    return syntax(value)


# -- results -------------------------------------------------------------------------------


def to_pde(problem: Problem, style: str = "unicode", definitions: bool = True) -> str:
    """The text of a file that states the problem, in `unicode` or `ascii` spelling.

    With `definitions`, formulas that were named under `let:` stand there and go by their names.
    """
    return format_module(to_module(problem, definitions), style)  # type: ignore[arg-type]
