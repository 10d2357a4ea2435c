"""From a syntax tree to a `Problem`: every block, every mistake, in one pass.

Blocks are read in the order of what they need, not of the file: parameters, coordinates, fields,
definitions, shapes, metric, closures, equations, conditions, data, solver, output. A statement
with a mistake is reported and left out, and the next one is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.language.parser import parse
from pdesl.symbolic import units
from pdesl.symbolic.blocks import (
    data_sets, fit_block, metric_block, output_rules, solver_block, sweep_block, verify_block,
)  # fmt: skip
from pdesl.symbolic.domains import Domains
from pdesl.symbolic.expressions import (
    Mistake, Scope, Translator, UserFunction, Value, components, mistake, rank_words,
)  # fmt: skip
from pdesl.symbolic.options import option_value
from pdesl.symbolic.overrides import apply_overrides
from pdesl.symbolic.problem import (
    Choice, Closure, Condition, Coordinate, Definition, Equation, Field, Given, Parameter, Problem,
    RegionSpec, Unknown,
)  # fmt: skip

__all__ = ["elaborate", "elaborate_source"]

_FIELD_TYPES = ("scalar", "vector", "source")


def elaborate_source(
    source: Source, overrides: Sequence[str] = (), profile: str | None = None
) -> Problem:
    """Parse and elaborate a text; overrides are `block.name=value` texts.

    Raises:
        ProblemError: with every mistake of the text.
    """
    result = parse(source)
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    if result.module is None or errors:
        raise ProblemError(result.diagnostics)
    module = apply_overrides(result.module, overrides, profile)
    return elaborate(module, source, result.diagnostics)


def elaborate(
    module: ast.Module, source: Source | None = None, earlier: Sequence[Diagnostic] = ()
) -> Problem:
    """The problem that a syntax tree states.

    Args:
        module: the tree.
        source: its text, kept with the problem.
        earlier: warnings of the parser, kept with the problem.

    Raises:
        ProblemError: with every mistake found.
    """
    state = _Elaboration(module, source)
    state.diagnostics.extend(earlier)
    return state.run()


@dataclass(slots=True)
class _Elaboration:
    module: ast.Module
    source: Source | None
    scope: Scope = field(default_factory=Scope)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)

    @contextmanager
    def guarded(self):
        """Record a mistake and go on behind the statement."""
        try:
            yield
        except Mistake as error:
            self.diagnostics.append(error.diagnostic)
        except ProblemError as error:
            self.diagnostics.extend(error.diagnostics)

    def translator(self) -> Translator:
        return Translator(self.scope, self._anonymous)

    def _anonymous(self, call: ast.Call) -> sympy.Symbol:
        """A parameter for an `unknown(…)` that stands inside a formula."""
        count = sum(p.name.startswith("unknown_") for p in self.parameters)
        name = f"unknown_{count + 1}"
        parameter = Parameter(name, _unknown(call, self.translator()), span=call.span)
        self.scope.declare(name, "parameter", call.span, parameter.symbol)
        self.scope.used.add(name)
        self.parameters.append(parameter)
        return parameter.symbol

    def run(self) -> Problem:
        block = self.module.block
        self.scope.exact = bool(block("manufactured")) or any(
            isinstance(s, ast.Relation) and s.operator == "=" and not isinstance(s.right, ast.ListLiteral)
            for s in block("verify")
        )
        self._parameters(block("parameters"))
        domains = Domains(self.scope, self.guarded)
        coordinates = domains.coordinates(block("domain"))
        self._fields(block("fields"), coordinates)
        named = self._closure_names(block("closure"), coordinates)
        self._definitions(block("let"))
        shape = domains.shape(coordinates)
        with self.guarded():
            units.check_module(self.module, self.diagnostics.append)
        metric = None
        with self.guarded():
            metric = metric_block(block("metric"), self.translator(), coordinates)
        closures = self._closures(named)
        equations = self._equations(block("equations"), "equations")
        if not block("equations") and not any(d.severity is Severity.ERROR for d in self.diagnostics):
            self.diagnostics.append(
                Diagnostic(
                    "E317", "the file states no equation", None,
                    helps=("add a block, for example `equations:` with the line `∇²u = 0`",),
                )
            )  # fmt: skip
        manufactured = self._givens(block("manufactured"))
        boundary = self._conditions(block("boundary"), domains, where=True)
        initial = self._conditions(block("initial"), domains, where=False)
        data = data_sets(block("data"), self.scope, self.guarded)
        reduction = self._givens(block("reduce"))
        fit, fit_options = fit_block(block("fit"), self.translator, data, self.guarded)
        solver = solver_block(block("solver"), self.translator, self.guarded)
        exact, verify, verify_options = verify_block(
            block("verify"), self.translator, self._given, self.guarded
        )
        output = output_rules(block("output"), self.translator, self.guarded)
        sweep = sweep_block(block("sweep"), self.translator, self.guarded)
        errors = [d for d in self.diagnostics if d.severity is Severity.ERROR]
        if not errors:
            self._unused()
        problem = Problem(
            coordinates=coordinates,
            fields=tuple(self.fields),
            equations=tuple(equations),
            shape=shape,
            parameters=tuple(self.parameters),
            definitions=tuple(self.definitions),
            metric=metric,
            closures=closures,
            manufactured=manufactured,
            exact=exact,
            boundary=tuple(boundary),
            initial=tuple(initial),
            data=data,
            fit=fit,
            fit_options=fit_options,
            solver=solver,
            verify=verify,
            verify_options=verify_options,
            reduction=reduction,
            output=output,
            sweep=sweep,
            name=_stem(self.source.name) if self.source else "problem",
            source=self.source,
            warnings=tuple(d for d in self.diagnostics if d.severity is not Severity.ERROR),
        )
        if errors:
            raise ProblemError(sorted(self.diagnostics, key=_place))
        return problem

    # -- names ----------------------------------------------------------------------------

    def _in_order(
        self, relations: list[tuple[str, ast.Relation]], read: Callable[[str, ast.Relation], None]
    ) -> None:
        """Read definitions so that each comes after those it uses."""
        waiting = dict(relations)
        while waiting:
            ready = [n for n, r in waiting.items() if not (_names(r.right) & set(waiting))]
            if not ready:
                name, relation = next(iter(waiting.items()))
                chain = ", ".join(f"`{n}`" for n in waiting)
                self.diagnostics.append(
                    Diagnostic(
                        "E206", f"`{name}` is defined by itself: {chain} depend on each other",
                        relation.span,
                    )
                )  # fmt: skip
                return
            for name in ready:
                with self.guarded():
                    read(name, waiting[name])
                del waiting[name]

    def _parameters(self, statements: Iterable[ast.Statement]) -> None:
        relations: list[tuple[str, ast.Relation]] = []
        seen: dict[str, Span | None] = {}
        for statement in statements:
            with self.guarded():
                name = _defined_name(statement, "parameters")
                if name in seen:
                    raise mistake("E203", f"`{name}` is already declared as a parameter",
                                  statement.span, "keep one of the two")  # fmt: skip
                seen[name] = statement.span
                relations.append((name, statement))  # type: ignore[arg-type]
        self._in_order(relations, self._parameter)

    def _parameter(self, name: str, relation: ast.Relation) -> None:
        right = relation.right
        if isinstance(right, ast.Call) and right.function == "unknown":
            value: sympy.Expr | Unknown = _unknown(right, self.translator())
            self.scope.declare(name, "parameter", relation.left.span)
        else:
            translated = self.translator().value(right)
            if isinstance(translated, sympy.MatrixBase):
                self.scope.declare(name, "parameter", relation.left.span, translated)
                self.definitions.append(
                    Definition(name, (), _as_tuple(translated), span=relation.span)
                )
                return
            value = self.translator().number(right, f"the value of `{name}`")
            self.scope.declare(name, "parameter", relation.left.span)
        unit = right.unit.text if isinstance(right, ast.Number) and right.unit else None
        parameter = Parameter(name, value, unit, span=relation.span)
        self.scope.values[name] = parameter.symbol
        self.parameters.append(parameter)

    def _fields(self, statements: Iterable[ast.Statement], known: Sequence[Coordinate]) -> None:
        names = {c.name for c in known}
        families = self.scope.families
        for statement in statements:
            with self.guarded():
                if not isinstance(statement, ast.Declaration):
                    raise mistake("E304", "a field is declared as `u(t, x) : scalar`", statement.span)
                sort = statement.type
                word = sort.identifier if isinstance(sort, ast.Name) else ""
                if word not in _FIELD_TYPES:
                    guess = suggest(word, _FIELD_TYPES) if word else None
                    raise mistake(
                        "E318", "a field is a `scalar`, a `vector` or a `source`", sort.span,
                        f"did you mean `{guess}`?" if guess else "",
                    )  # fmt: skip
                for declared in statement.names:
                    with self.guarded():
                        self._field(declared, word, statement, names, families)

    def _field(
        self, node: ast.Expression, sort: str, statement: ast.Declaration, names: set[str],
        families: dict[str, tuple[str, ...]],
    ) -> None:  # fmt: skip
        if isinstance(node, ast.Name):
            raise mistake(
                "E319", f"the field `{node.identifier}` needs its coordinates", node.span,
                f"{node.identifier}({', '.join(sorted(names))}) : {sort}",
            )  # fmt: skip
        if not isinstance(node, ast.Call) or node.keywords:
            raise mistake("E304", "a field is declared as `u(t, x) : scalar`", node.span)
        own: list[str] = []
        for argument in node.arguments:
            name = argument.identifier if isinstance(argument, ast.Name) else ""
            if name in families:
                own.extend(families[name])
            elif name in names:
                own.append(name)
            else:
                guess = suggest(name, [*names, *families]) if name else None
                raise mistake(
                    "E402", f"`{name or 'this'}` is no coordinate of the domain", argument.span,
                    f"did you mean `{guess}`?" if guess else f"add `{name} ∈ [0, 1]` to `domain:`",
                )  # fmt: skip
            self.scope.used.update(own)
        if len(set(own)) != len(own):
            raise mistake("E402", "a coordinate is named twice", node.span)
        name = node.function
        kind = "source" if sort == "source" else "unknown"
        rank = 1 if sort == "vector" else 0
        space = self.scope.space
        parts = tuple(f"{name}_{c}" for c in space) if rank else (name,)
        entry = Field(name, tuple(own), rank, kind, parts,
                      statement.unit.text if statement.unit else None, span=node.span)  # fmt: skip
        applied = [entry.applied(i) for i in range(len(parts))]
        value: Value = sympy.ImmutableDenseMatrix(applied) if rank else applied[0]
        self.scope.declare(name, "field", node.span, value)
        if rank:
            for part, component in zip(parts, applied, strict=True):
                self.scope.declare(part, "component of a field", node.span, component)
        self.fields.append(entry)

    def _definitions(self, statements: Iterable[ast.Statement]) -> None:
        relations: list[tuple[str, ast.Relation]] = []
        for statement in statements:
            with self.guarded():
                relations.append((_defined_name(statement, "let"), statement))  # type: ignore[arg-type]
        self._in_order(relations, self._definition)

    def _definition(self, name: str, relation: ast.Relation) -> None:
        left = relation.left
        if isinstance(left, ast.Call):
            symbols: list[sympy.Symbol] = []
            inner = Scope(
                dict(self.scope.values), dict(self.scope.functions), dict(self.scope.declared),
                dict(self.scope.kinds), self.scope.used, self.scope.space, self.scope.families,
                self.scope.exact,
            )  # fmt: skip
            for argument in left.arguments:
                if not isinstance(argument, ast.Name):
                    raise mistake("E304", "a definition is `f(x) = …` with names", left.span)
                symbol = sympy.Symbol(argument.identifier, real=True)
                inner.values[argument.identifier] = symbol
                symbols.append(symbol)
            value = Translator(inner).value(relation.right)
            self.scope.declare(name, "function", left.span)
            self.scope.functions[name] = UserFunction(tuple(symbols), value)
            arguments = tuple(s.name for s in symbols)
            coordinates = {n for n, k in self.scope.kinds.items() if k == "coordinate"}
            if set(arguments) <= coordinates:  # `r(x)` of a coordinate may also stand as `r`
                self.scope.values[name] = value
        else:
            value = self.translator().value(relation.right)
            self.scope.declare(name, "definition", left.span, value)
            arguments = ()
        stored = _as_tuple(value) if isinstance(value, sympy.MatrixBase) else value
        self.definitions.append(Definition(name, arguments, stored, span=relation.span))

    def _closure_names(
        self, statements: Iterable[ast.Statement], coordinates: Sequence[Coordinate]
    ) -> list[tuple[str, ast.Relation]]:
        """Closures are declared first, since equations name them and they name fields."""
        found = []
        symbols = [c.symbol for c in coordinates]
        for statement in statements:
            with self.guarded():
                name = _defined_name(statement, "closure")
                assert isinstance(statement, ast.Relation)
                right = statement.right
                if not isinstance(right, ast.Call):
                    raise mistake(
                        "E320", "a closure is a network, `c = mlp(u, hidden=(64, 64))`", right.span
                    )
                applied = sympy.Function(name)(*symbols)
                self.scope.declare(name, "closure", statement.left.span, applied)  # type: ignore[arg-type]
                found.append((name, statement))
        return found

    def _closures(self, found: list[tuple[str, ast.Relation]]) -> tuple[Closure, ...]:
        closures = []
        for name, relation in found:
            with self.guarded():
                call = relation.right
                assert isinstance(call, ast.Call)
                translator = self.translator()
                inputs = [e for a in call.arguments for e in components(translator.value(a))]
                options = []
                for keyword in call.keywords:
                    if keyword.name == "inputs":
                        inputs.extend(components(translator.value(keyword.value)))
                    else:
                        options.append((keyword.name, option_value(keyword.value, translator)))
                if not inputs:
                    raise mistake("E320", f"the closure `{name}` has no inputs", call.span,
                                  f"{call.function}(u, …)")  # fmt: skip
                spans = {k.name: k.value.span for k in call.keywords}
                network = Choice(call.function, tuple(options), (), spans, span=call.span)
                closures.append(Closure(name, network, tuple(inputs), span=relation.span))
        return tuple(closures)

    # -- statements -----------------------------------------------------------------------

    def _sides(self, statement: ast.Statement, block: str) -> tuple[Translator, list, ast.Relation]:
        """The component equations of a relation: (lhs, rhs) pairs."""
        if not isinstance(statement, ast.Relation) or statement.operator != "=":
            raise mistake("E304", f"a line of `{block}:` is an equation, `left = right`", statement.span)
        translator = self.translator()
        left, right = translator.value(statement.left), translator.value(statement.right)
        parts = components(left), components(right)
        vector_left = isinstance(left, sympy.MatrixBase)
        if vector_left != isinstance(right, sympy.MatrixBase):
            scalar, count = (right, len(parts[0])) if vector_left else (left, len(parts[1]))
            if scalar != 0:
                raise mistake(
                    "E301", f"the left is {rank_words(left)} and the right is {rank_words(right)}",
                    statement.span,
                )  # fmt: skip
            zeros = (sympy.S.Zero,) * count
            parts = (parts[0], zeros) if vector_left else (zeros, parts[1])
        if len(parts[0]) != len(parts[1]):
            raise mistake(
                "E301", f"the left is {rank_words(left)} and the right is {rank_words(right)}",
                statement.span,
            )  # fmt: skip
        return translator, list(zip(*parts, strict=True)), statement

    def _equations(self, statements: Iterable[ast.Statement], block: str) -> list[Equation]:
        found = []
        for statement in statements:
            with self.guarded():
                translator, pairs, relation = self._sides(statement, block)
                if relation.regions:
                    raise mistake(
                        "E304", "an equation holds in the whole domain; `on …` belongs to a "
                        "boundary condition", relation.regions[0].span,
                        "move the line to `boundary:`",
                    )  # fmt: skip
                for lhs, rhs in pairs:
                    if lhs == rhs:
                        raise mistake("E321", "both sides are the same, so this says nothing",
                                      relation.span)  # fmt: skip
                    found.append(Equation(lhs, rhs, translator.places, span=relation.span))
        return found

    def _conditions(
        self, statements: Iterable[ast.Statement], domains: Domains, where: bool
    ) -> list[Condition]:
        found = []
        block = "boundary" if where else "initial"
        for statement in statements:
            with self.guarded():
                translator, pairs, relation = self._sides(statement, block)
                regions: tuple[RegionSpec, ...] = ()
                if where:
                    if not relation.regions:
                        raise mistake(
                            "E403", "a boundary condition says where it holds", relation.span,
                            "add `on ∂Ω` for the whole boundary, or a part, `on x = 0`",
                        )  # fmt: skip
                    regions = tuple(domains.boundary_region(r, translator) for r in relation.regions)
                elif relation.regions:
                    raise mistake("E403", "an initial condition holds everywhere at the start",
                                  relation.regions[0].span, "leave out `on …`")  # fmt: skip
                for lhs, rhs in pairs:
                    found.append(
                        Condition(lhs, rhs, translator.places, regions, span=relation.span)
                    )
        return found

    def _given(self, relation: ast.Relation) -> list[Given]:
        translator = self.translator()
        left, right = translator.value(relation.left), translator.value(relation.right)
        names, values = components(left), components(right)
        applied = {f.applied(i) for f in self.fields for i in range(len(f.components))}
        if not set(names) <= applied:
            raise mistake("E315", "a known solution is `field = formula`", relation.left.span)
        if len(names) != len(values):
            raise mistake("E301", f"the left is {rank_words(left)} and the right is "
                          f"{rank_words(right)}", relation.span)  # fmt: skip
        return [
            Given(n.func.__name__, v, span=relation.span)
            for n, v in zip(names, values, strict=True)
        ]

    def _givens(self, statements: Iterable[ast.Statement]) -> tuple[Given, ...]:
        found: list[Given] = []
        for statement in statements:
            with self.guarded():
                if not isinstance(statement, ast.Relation) or statement.operator != "=":
                    raise mistake("E315", "a known solution is `field = formula`", statement.span)
                for given in self._given(statement):
                    if any(given.field == other.field for other in found):
                        raise mistake("E203", f"`{given.field}` is given twice", statement.span)
                    found.append(given)
        return tuple(found)

    def _unused(self) -> None:
        words = {"parameter": "parameter", "definition": "definition", "closure": "closure",
                 "function": "definition"}  # fmt: skip
        for name, kind in self.scope.kinds.items():
            if kind in words and name not in self.scope.used and not self._is_shown(name):
                self.diagnostics.append(
                    Diagnostic(
                        "W910", f"{words[kind]} `{name}` is never used", self.scope.declared[name],
                        severity=Severity.WARNING, helps=("remove it, or use it",),
                    )
                )  # fmt: skip

    def _is_shown(self, name: str) -> bool:
        return name.startswith("_")


def _unknown(call: ast.Call, translator: Translator) -> Unknown:
    """`unknown(start=1, bounds=(0, 3))`. Raises `Mistake`."""
    start: sympy.Expr | None = None
    bounds: tuple[sympy.Expr, ...] = ()
    if call.arguments:
        raise mistake("E302", "`unknown` takes named arguments", call.span,
                      "unknown(start=1, bounds=(0, 3))")  # fmt: skip
    for keyword in call.keywords:
        if keyword.name == "start":
            start = translator.number(keyword.value, "the start")
        elif keyword.name == "bounds":
            bounds = components(translator.value(keyword.value))
            if len(bounds) != 2:
                raise mistake("E302", "`bounds` is a pair, `bounds=(0, 3)`", keyword.span)
        else:
            raise mistake("E302", f"`unknown` has no argument `{keyword.name}`", keyword.span,
                          "it has `start` and `bounds`")  # fmt: skip
    if start is None:
        if not bounds:
            raise mistake("E302", "`unknown` needs a start value", call.span, "unknown(start=1)")
        start = (bounds[0] + bounds[1]) / 2
    lower, upper = bounds if bounds else (None, None)
    if lower is not None and upper is not None and (start - lower).is_negative:
        raise mistake("E302", "the start lies below the bounds", call.span)
    if upper is not None and (start - upper).is_positive:
        raise mistake("E302", "the start lies above the bounds", call.span)
    return Unknown(start, lower, upper, span=call.span)


def _defined_name(statement: ast.Statement, block: str) -> str:
    if isinstance(statement, ast.Relation) and statement.operator == "=":
        if isinstance(statement.left, ast.Name):
            return statement.left.identifier
        if isinstance(statement.left, ast.Call) and block == "let":
            return statement.left.function
    raise mistake("E304", f"a line of `{block}:` defines a name, `name = value`", statement.span)


def _names(node: object) -> set[str]:
    """Every identifier in a syntax tree."""
    found: set[str] = set()
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Name):
            found.add(item.identifier)
        elif isinstance(item, ast.Call):
            found.add(item.function)
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, ast.Node):
            stack.extend(getattr(item, name) for name in item.__match_args__)
    return found


def _as_tuple(matrix: sympy.MatrixBase) -> tuple:
    if matrix.cols == 1:
        return tuple(matrix)
    return tuple(tuple(matrix.row(i)) for i in range(matrix.rows))


def _stem(name: str) -> str:
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return base.removesuffix(".pde") or "problem"


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    span = diagnostic.span
    return (0, 0) if span is None else (1, span.start)
