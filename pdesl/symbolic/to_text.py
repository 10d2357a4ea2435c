"""A `Problem` as text: a `.pde` file that states the same problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from pdesl.language import ast
from pdesl.language.names import is_name
from pdesl.language.printer import format_module
from pdesl.symbolic.domain import SHAPES, Shape, shape_dimension
from pdesl.symbolic.functions import FUNCTIONS
from pdesl.symbolic.modes import MODES
from pdesl.symbolic.operators import NORMAL, OPERATORS, scaled_gradient
from pdesl.symbolic.problem import (
    Choice,
    Condition,
    Coordinate,
    Equation,
    Given,
    OptionValue,
    Parameter,
    Problem,
    RegionSpec,
    Unknown,
)  # fmt: skip

__all__ = ["expression_to_syntax", "to_module", "to_pde"]

_BY_CLASS = {f.symbolic: f.name for f in FUNCTIONS.values() if isinstance(f.symbolic, type)}
_BY_CLASS |= {sympy.log: "log", sympy.cot: "cot", sympy.sec: "sec", sympy.csc: "csc",
              sympy.sech: "sech"}  # fmt: skip
_OBSERVABLES = {"integral": "integral", "minimum": "min", "maximum": "max", "average": "mean",
                "norm": "norm"}  # fmt: skip


def _number(value: sympy.Rational) -> ast.Expression:
    """A rational as a decimal where it is a finite one, else as a quotient."""
    if value < 0:
        return ast.Negate(_number(-value))  # type: ignore[arg-type]
    numerator, denominator = int(value.p), int(value.q)
    if denominator == 1:
        text = str(numerator)
        digits = text.rstrip("0")
        if len(text) - len(digits) > 12:
            return ast.Number(f"{digits}e{len(text) - len(digits)}")
        return ast.Number(text)
    powers = {2: 0, 5: 0}
    rest = denominator
    for prime in powers:
        while rest % prime == 0:
            rest //= prime
            powers[prime] += 1
    places = max(powers.values())
    if rest == 1:
        digits = str(numerator * 10**places // denominator)
        if len(digits) <= 20 and places <= 12:
            digits = digits.zfill(places + 1)
            return ast.Number(f"{digits[:-places]}.{digits[-places:]}")
        if len(digits) <= 20:
            return ast.Number(f"{digits}e-{places}")
    return ast.Binary("/", ast.Number(str(numerator)), ast.Number(str(denominator)))


def expression_to_syntax(
    expression: sympy.Basic,
    space: Sequence[str] = (),
    known: Mapping[str, tuple[sympy.Basic, ...]] | None = None,
) -> ast.Expression:
    """The syntax of a SymPy expression.

    Args:
        expression: what to write.
        space: the names of the spatial coordinates, for components of the normal.
        known: the arguments of each declared function; a function at other arguments is written
            with them. None: every function that is no operator is a field at its own coordinates.

    Raises:
        TypeError: a part that the language cannot state.
    """

    def visit(node: sympy.Basic) -> ast.Expression:
        if isinstance(node, sympy.Rational):
            return _number(node)
        if isinstance(node, sympy.Float):
            return _number(sympy.Rational(repr(float(node))))  # type: ignore[arg-type]
        if node is sympy.pi:
            return ast.Name("π")
        if node is sympy.E:
            return ast.Call("exp", (ast.Number("1"),))
        if isinstance(node, sympy.Symbol):
            if node.name.startswith(f"{NORMAL}["):
                position = list(space).index(node.name[2:-1]) + 1
                return ast.Subscript(ast.Name(NORMAL), ast.Number(str(position)))
            return named(node.name)
        if isinstance(node, sympy.Add):
            first, *rest = sorted(node.args, key=_is_negative)
            result = visit(first)
            for term in rest:
                if _is_negative(term):
                    result = ast.Binary("-", result, visit(-term))
                else:
                    result = ast.Binary("+", result, visit(term))
            return result
        if isinstance(node, sympy.Mul):
            return product(node)
        if isinstance(node, sympy.exp):
            return ast.Call("exp", (visit(node.args[0]),))
        if isinstance(node, sympy.Pow):
            if node.exp == sympy.Rational(1, 2):
                return ast.Call("sqrt", (visit(node.base),))
            if node.exp.is_Rational and node.exp.is_negative:
                return ast.Binary("/", ast.Number("1"), visit(node.base**-node.exp))
            return ast.Binary("^", visit(node.base), visit(node.exp))
        if isinstance(node, sympy.Derivative):
            counts: Any = node.variable_count
            if not all(isinstance(v, sympy.Symbol) and n.is_Integer for v, n in counts):
                raise TypeError(f"`{node}` cannot be stated: derivatives are along coordinates")
            variables = tuple((v.name, int(n)) for v, n in counts)
            return ast.Derivative(variables, visit(node.expr))
        if isinstance(node, AppliedUndef):
            return applied(node)
        if isinstance(node, sympy.Heaviside):
            return ast.Call("step", (visit(node.args[0]),))
        name = _BY_CLASS.get(type(node))
        if name is None:
            raise TypeError(f"`{node}` cannot be stated in a .pde file")
        return ast.Call(name, tuple(visit(a) for a in node.args))

    def named(name: str) -> ast.Expression:
        if not is_name(name):
            raise TypeError(f"`{name}` cannot be a name: letters, digits and _, a letter first")
        return ast.Name(name)

    def product(node: sympy.Mul) -> ast.Expression:
        if _is_negative(node):
            return ast.Negate(visit(-node))
        above: list[ast.Expression] = []
        below: list[ast.Expression] = []
        for factor in node.as_ordered_factors():
            if isinstance(factor, sympy.Pow) and factor.exp.is_Rational and factor.exp.is_negative:
                below.append(visit(factor.base**-factor.exp))
            elif isinstance(factor, sympy.Rational) and factor.q != 1:
                decimal = _number(factor)
                if factor.q > 100 and isinstance(decimal, ast.Number):
                    above.append(decimal)
                    continue
                if factor.p != 1:
                    above.append(ast.Number(str(factor.p)))
                below.append(ast.Number(str(factor.q)))
            else:
                above.append(visit(factor))
        result = above[0] if above else ast.Number("1")
        for factor in above[1:]:
            result = ast.Binary("*", result, factor)
        for factor in below:
            result = ast.Binary("/", result, factor)
        return result

    def applied(node: AppliedUndef) -> ast.Expression:
        name = node.func.__name__
        if name in _OBSERVABLES or name == "exact":
            return ast.Call(_OBSERVABLES.get(name, name), (visit(node.args[0]),))
        mode = MODES.get(name)
        if mode is not None and len(node.args) == len(mode.degrees) + len(mode.angles):
            return ast.Call(name, tuple(visit(a) for a in node.args))
        operator = OPERATORS.get(name)
        if operator is None and (known is None or known.get(name) == node.args):
            return named(name)
        if operator is None:
            named(name)
            return ast.Call(name, tuple(visit(a) for a in node.args))
        arguments = list(node.args)
        component = None
        if (name == "grad" and len(arguments) == 2) or (name == "curl" and len(arguments) == 4):
            component = visit(arguments.pop())
        size = len(arguments) - (len(operator.takes) - 1)
        # In Python a vector may stand whole, as in `div(grad(u))`.
        scaled = scaled_gradient(arguments) if name == "div" else None
        if scaled is not None and size == len(space):
            factor, field = scaled
            gradient: ast.Expression = ast.Call("grad", (visit(field),))
            if factor != 1:
                gradient = ast.Binary("*", visit(factor), gradient)
            call = ast.Call(name, (gradient,))
        elif operator.takes[0] == "vector" and (size > 1 or len(space) == 1):
            vector = ast.TupleLiteral(tuple(visit(a) for a in arguments[:size]))
            call = ast.Call(name, (vector, *(visit(a) for a in arguments[size:])))
        else:
            call = ast.Call(name, tuple(visit(a) for a in arguments))
        return call if component is None else ast.Subscript(call, component)

    return visit(expression)


def _is_negative(term: sympy.Basic) -> bool:
    coefficient = term.as_coeff_Mul()[0] if isinstance(term, sympy.Mul) else term
    return isinstance(coefficient, sympy.Rational) and bool(coefficient < 0)


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
            (ast.Call(f.name, tuple(ast.Name(c) for c in f.coordinates)),),
            ast.Name("source" if f.kind == "source" else "vector" if f.rank else "scalar"),
        )
        for f in problem.fields
    ]))  # fmt: skip
    blocks.append(("closure", [
        ast.Relation(
            ast.Name(c.name), "=",
            ast.Call(c.network.name, tuple(syntax(i) for i in c.inputs),
                     tuple(ast.Keyword(n, option(v)) for n, v in c.network.options)),
        )
        for c in problem.closures
    ]))  # fmt: skip
    blocks.append(("equations", [equation(e) for e in problem.equations]))
    blocks.append(("reduce", [given(g) for g in problem.reduction]))
    blocks.append(("manufactured", [given(g) for g in problem.manufactured]))
    blocks.append(("boundary", [equation(c) for c in problem.boundary]))
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
    sides = [s for e in (*problem.equations, *problem.boundary, *problem.initial)
             for s in (e.lhs, e.rhs)]  # fmt: skip
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
    if isinstance(value, tuple):
        return ast.ListLiteral(tuple(_point(v, syntax) for v in value))
    return syntax(value)


# -- results -------------------------------------------------------------------------------


def to_pde(problem: Problem, style: str = "unicode", definitions: bool = True) -> str:
    """The text of a file that states the problem, in `unicode` or `ascii` spelling.

    With `definitions`, formulas that were named under `let:` stand there and go by their names.
    """
    return format_module(to_module(problem, definitions), style)  # type: ignore[arg-type]
