"""From a syntax tree to a `Problem`: every block, every mistake, in one pass.

Blocks are read in the order of what they need, not of the file: parameters, coordinates, fields,
definitions, shapes, metric, closures, equations, conditions, data, solver, output. A statement
with a mistake is reported and left out, and the next one is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, Span
from pdesl.language import ast
from pdesl.language.declared import declared_names
from pdesl.language.names import canonical_name
from pdesl.language.parser import parse
from pdesl.language.queries import calls
from pdesl.symbolic import units
from pdesl.symbolic.blocks import (
    data_sets,
    fit_block,
    metric_block,
    output_rules,
    refuse_regions,
    solver_block,
    states_a_solution,
    sweep_block,
    verify_block,
)  # fmt: skip
from pdesl.symbolic.declarations import Declarations
from pdesl.symbolic.domain import Shape
from pdesl.symbolic.domains import Domains
from pdesl.symbolic.expressions import Translator
from pdesl.symbolic.metric import metric_of
from pdesl.symbolic.modes import MODES, Mode
from pdesl.symbolic.overrides import apply_overrides
from pdesl.symbolic.problem import (
    Condition,
    Coordinate,
    Equation,
    Given,
    MetricSpec,
    Problem,
    RegionSpec,
)  # fmt: skip
from pdesl.symbolic.scope import (
    FollowUp,
    UserFunction,
    Value,
    components,
    mistake,
    rank_words,
)  # fmt: skip
from pdesl.symbolic.tensor_components import Geometry

__all__ = ["Attempt", "attempt_source", "elaborate", "elaborate_source"]

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What could be read of a text.

    `problem` leaves out the statements with mistakes; it is None where not even the overrides
    could be applied. `complete` tells whether all the statements are there that make its rows.
    """

    problem: Problem | None
    diagnostics: tuple[Diagnostic, ...]
    complete: bool

    @property
    def is_wrong(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.diagnostics)


def attempt_source(
    source: Source, overrides: Sequence[str] = (), profile: str | None = None
) -> Attempt:
    """Parse and elaborate a text as far as it goes; every mistake is in the diagnostics."""
    result = parse(source)
    found = list(result.diagnostics)
    module = result.partial
    wrong = any(d.severity is Severity.ERROR for d in found)
    try:
        module = apply_overrides(module, overrides, profile, partial=wrong)
    except ProblemError as error:
        return Attempt(None, _ordered([*found, *error.diagnostics]), complete=False)
    state = _Elaboration(module, source, complete=not wrong)
    if wrong:
        state.lose(_left_out(source, module))
    problem = state.run()
    return Attempt(problem, _ordered([*found, *state.diagnostics]), state.complete)


def elaborate_source(
    source: Source, overrides: Sequence[str] = (), profile: str | None = None
) -> Problem:
    """Parse and elaborate a text; overrides are `block.name=value` texts.

    Raises:
        ProblemError: with every mistake of the text.
    """
    attempt = attempt_source(source, overrides, profile)
    if attempt.problem is None or attempt.is_wrong:
        raise ProblemError(attempt.diagnostics)
    return replace(attempt.problem, warnings=attempt.diagnostics)


def elaborate(module: ast.Module, source: Source | None = None) -> Problem:
    """The problem that a syntax tree states.

    Args:
        module: the tree.
        source: its text, kept with the problem.

    Raises:
        ProblemError: with every mistake found.
    """
    state = _Elaboration(module, source)
    problem = state.run()
    found = _ordered(state.diagnostics)
    if any(d.severity is Severity.ERROR for d in found):
        raise ProblemError(found)
    return replace(problem, warnings=found)


def _ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """In the order of the text, and each once."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=_place))


def _left_out(source: Source, module: ast.Module) -> set[str]:
    """The names in the lines of a text that did not make it into the tree."""
    text = list(re.sub(r"#[^\n]*", lambda match: " " * len(match.group()), source.text))
    for block in module.blocks:
        for statement in block.statements:
            if statement.span is not None and statement.span.source is source:
                start, end = statement.span.start, statement.span.end
                text[start:end] = " " * (end - start)
    return {canonical_name(name) for name in _NAME.findall("".join(text))}


class _Elaboration(Declarations):
    """Reads a whole module, block by block."""

    def run(self) -> Problem:
        """The problem of what could be read; mistakes are in `diagnostics`."""
        read = self.statements
        self.scope.later = declared_names(self.module).kinds
        self.scope.exact = bool(read("manufactured")) or any(
            states_a_solution(s, self.scope.later) for s in read("verify")
        )
        self.scope.curved = bool(read("metric"))
        self.read_parameters(read("parameters"))
        given = {p.name: p.value for p in self.parameters if isinstance(p.value, sympy.Expr)}
        domains = Domains(self.scope, self.guarded, given)
        coordinates = domains.coordinates(read("domain"))
        coordinates = self._with_separated(coordinates)
        self.read_fields(read("fields"), coordinates)
        named = self.read_closure_names(read("closure"), coordinates)
        self.read_definitions(read("let"))
        self.block = "domain"
        shape = domains.shape(coordinates)
        self.block = ""
        known_units = units.check_module(self.module, self.diagnostics.append)
        if known_units is not None:
            coordinates = tuple(
                replace(c, unit=known_units.of_name(c.family or c.name)) for c in coordinates
            )
        metric = None
        statements = read("metric")
        with self.guarded():
            metric = metric_block(statements, self.translator(), coordinates)
        self.scope.geometry = self._geometry(metric, shape)
        self.block = "let"
        self.read_late_definitions()
        self.block = "closure"
        closures = self.read_closures(named)
        equations = self._equations(read("equations"), "equations")
        if not self.module.block("equations") and self.complete:
            self.complete = False
            self.diagnostics.append(
                Diagnostic(
                    "E317", "the file states no equation", self._first_line(),
                    helps=("add a block, for example `equations:` with the line `∇²u = 0`",),
                )
            )  # fmt: skip
        manufactured = self._givens(read("manufactured"))
        on_boundary = tuple(read("boundary"))
        boundary = self._conditions(
            [s for s in on_boundary if not _is_integral(s)], domains, where=True
        )
        integrals = self._equations([s for s in on_boundary if _is_integral(s)], "boundary")
        initial = self._conditions(read("initial"), domains, where=False)
        data = data_sets(read("data"), self.scope, self.guarded)
        reduction = self._givens(read("reduce"), self._ansatz)
        fit, fit_options = fit_block(read("fit"), self.translator, data, self.guarded)
        solver = solver_block(read("solver"), self.translator, self.guarded)
        exact, verify, verify_options = verify_block(
            read("verify"), self.translator, self._given, self.guarded
        )
        output = output_rules(
            read("output"), self.translator, self.guarded, known_units and known_units.of_output
        )
        sweep = sweep_block(read("sweep"), self.translator, self.guarded)
        if not any(d.severity is Severity.ERROR for d in self.diagnostics) and self.complete:
            self._unused()
        return Problem(
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
            integrals=tuple(integrals),
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
        )

    def _first_line(self) -> Span | None:
        """The name of the first block, for what is wrong with the file as a whole."""
        whole = None if self.source is None else Span(self.source, 0, 0)
        return next((b.name_span for b in self.module.blocks), whole)

    def _geometry(self, spec: MetricSpec | None, shape: Shape | None) -> Callable[[], Geometry]:
        """Coordinates and metric for index notation, worked out when it is first asked for."""
        found: list[Geometry] = []

        def geometry() -> Geometry:
            self.scope.refuse_unknown_space()
            if self.scope.curved and spec is None:
                raise FollowUp  # the metric could not be read
            if not found:
                plain = self.plain_geometry()
                stated = Problem(
                    self.coordinates, (), (), shape, tuple(self.parameters), metric=spec
                )
                found.append(replace(plain, metric=metric_of(stated)))
            return found[0]

        return geometry

    # -- statements -----------------------------------------------------------------------

    def _sides(
        self, statement: ast.Statement, block: str, translator: Translator | None = None
    ) -> tuple[Translator, list[tuple[sympy.Expr, sympy.Expr, str]], ast.Relation]:
        """The component equations of a relation: left, right, and which component it is."""
        if not isinstance(statement, ast.Relation) or statement.operator != "=":
            raise mistake("E330", f"a line of `{block}:` is an equation", statement.span,
                          "write `left = right`")  # fmt: skip
        translator = translator or self.translator()
        indices = translator.indices
        if indices.is_indexed(statement.left) or indices.is_indexed(statement.right):
            found = indices.equations(statement.left, statement.right, statement.span)
            return translator, found, statement
        left, right = translator.each((statement.left, statement.right))
        pairs = self._pairs(statement, left, right)
        return translator, [(lhs, rhs, "") for lhs, rhs in pairs], statement

    def _pairs(
        self, statement: ast.Relation, left: Value, right: Value
    ) -> list[tuple[sympy.Expr, sympy.Expr]]:
        """Component by component; a zero stands for a vector of zeros. Raises `Mistake`."""
        parts = components(left), components(right)
        if isinstance(left, sympy.MatrixBase) != isinstance(right, sympy.MatrixBase):
            if left == 0:
                parts = ((sympy.S.Zero,) * len(parts[1]), parts[1])
            elif right == 0:
                parts = (parts[0], (sympy.S.Zero,) * len(parts[0]))
        if len(parts[0]) != len(parts[1]) or (
            left != 0 != right
            and isinstance(left, sympy.MatrixBase) != isinstance(right, sympy.MatrixBase)
        ):
            raise mistake(
                "E301", f"the left is {rank_words(left)} and the right is {rank_words(right)}",
                _both_sides(statement), "write both sides as scalars or both as vectors",
            )  # fmt: skip
        return list(zip(*parts, strict=True))

    def _equations(self, statements: Iterable[ast.Statement], block: str) -> list[Equation]:
        found = []
        for statement in statements:
            with self.guarded():
                translator, pairs, relation = self._sides(statement, block)
                refuse_regions(relation)
                for lhs, rhs, component in pairs:
                    if lhs == rhs:
                        raise mistake(
                            "E321", "both sides are the same, so this says nothing",
                            _both_sides(relation), "write an equation for the field",
                        )  # fmt: skip
                    found.append(
                        Equation(
                            lhs, rhs, translator.places, span=relation.span, component=component
                        )
                    )
        return found

    def _conditions(
        self, statements: Iterable[ast.Statement], domains: Domains, where: bool
    ) -> list[Condition]:
        found = []
        block = "boundary" if where else "initial"
        for statement in statements:
            with self.guarded():
                regions = self._regions(statement, domains, where)
                translator, pairs, relation = self._sides(statement, block)
                if regions is None:
                    raise FollowUp
                for lhs, rhs, component in pairs:
                    found.append(
                        Condition(
                            lhs, rhs, translator.places, regions=regions, span=relation.span,
                            component=component,
                        )
                    )  # fmt: skip
        return found

    def _regions(
        self, statement: ast.Statement, domains: Domains, where: bool
    ) -> tuple[RegionSpec, ...] | None:
        """Where a condition holds; None where that is wrong, which is reported."""
        if not isinstance(statement, ast.Relation):
            return None
        with self.guarded():
            if where and not statement.regions:
                raise mistake(
                    "E421", "a boundary condition says where it holds", _both_sides(statement),
                    "add `on ∂Ω` for the whole boundary, or a part, `on x = 0`",
                )  # fmt: skip
            if not where:
                refuse_regions(statement)
            regions = []
            for region in statement.regions:
                with self.guarded():
                    regions.append(domains.boundary_region(region, self.translator()))
            return tuple(regions) if len(regions) == len(statement.regions) else None
        return None

    def _given(
        self, relation: ast.Relation, translator: Translator | None = None
    ) -> list[Given]:  # fmt: skip
        """`u = formula`, for each component. Raises `Mistake`."""
        _, sides, _ = self._sides(relation, "manufactured", translator)
        applied = {f.applied(i) for f in self.fields for i in range(len(f.components))}
        if not {lhs for lhs, _, _ in sides} <= applied:
            raise mistake("E315", "the left of a known solution, or an ansatz, is a field",
                          relation.left.span,
                          "write `u = …`, with u declared under `fields:`")  # fmt: skip
        return [
            Given(name.func.__name__, value, span=relation.span)  # type: ignore[attr-defined]
            for name, value, _ in sides
        ]

    def _ansatz(self, relation: ast.Relation) -> list[Given]:
        """`ψ = u(t, x) Y(ℓ, m, θ, φ)/r`: a known solution that may hold eigenfunctions."""
        inner = self.scope.inner({})
        inner.functions = {
            name: _mode_function(mode) for name, mode in MODES.items()
            if name not in self.scope.declared
        } | self.scope.functions  # fmt: skip
        return self._given(relation, Translator(inner, self._anonymous))

    def _with_separated(self, coordinates: tuple[Coordinate, ...]) -> tuple[Coordinate, ...]:
        """The coordinates of the domain and those that fields with an ansatz have beside them."""
        replaced = {
            s.left.identifier for s in self.module.block("reduce")
            if isinstance(s, ast.Relation) and isinstance(s.left, ast.Name)
        }  # fmt: skip
        known = {c.name for c in coordinates} | set(self.scope.families) | self.scope.poisoned
        found: list[Coordinate] = []
        for statement in self.module.block("fields"):
            for node in statement.names if isinstance(statement, ast.Declaration) else ():
                if not isinstance(node, ast.Call) or node.function not in replaced:
                    continue
                for argument in node.arguments:
                    if isinstance(argument, ast.Name) and argument.identifier not in known:
                        name = argument.identifier
                        known.add(name)
                        with self.guarded(name):
                            symbol = sympy.Symbol(name, real=True)
                            self.scope.declare(name, "coordinate", argument.span, symbol)
                            found.append(
                                Coordinate(name, "space", separated=True, span=argument.span)
                            )
        self.scope.space += tuple(c.name for c in found)
        return (*coordinates, *found)

    def _givens(
        self,
        statements: Iterable[ast.Statement],
        read: Callable[[ast.Relation], list[Given]] | None = None,
    ) -> tuple[Given, ...]:
        found: list[Given] = []
        for statement in statements:
            with self.guarded():
                if not isinstance(statement, ast.Relation) or statement.operator != "=":
                    raise mistake("E330", "a line here gives a field by a formula", statement.span,
                                  "write `u = …`")  # fmt: skip
                refuse_regions(statement)
                for given in (read or self._given)(statement):
                    if any(given.field == other.field for other in found):
                        raise mistake("E211", f"`{given.field}` is given twice",
                                      statement.left.span, "keep one of the two")  # fmt: skip
                    found.append(given)
        return tuple(found)

    def _unused(self) -> None:
        words = {"parameter": "parameter", "definition": "definition", "closure": "closure",
                 "function": "definition", "coordinate": "coordinate", "region": "region",
                 "data set": "data set"}  # fmt: skip
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


def _mode_function(mode: Mode) -> UserFunction:
    """A mode as a function of a formula, which stands for itself."""
    symbols = tuple(sympy.Symbol(f"{mode.name}.{n}", real=True) for n in
                    (*mode.degrees, *mode.angles))  # fmt: skip
    value: sympy.Expr = sympy.Function(mode.name)(*symbols)  # type: ignore[assignment]
    return UserFunction(symbols, value)


def _both_sides(relation: ast.Relation) -> Span | None:
    """A relation without its regions."""
    left, right = relation.left.span, relation.right.span
    return left.to(right) if left is not None and right is not None else relation.span


def _is_integral(statement: ast.Statement) -> bool:
    """Whether a line of `boundary:` is one on an integral over the domain, `∫(u) = 0`."""
    return (
        isinstance(statement, ast.Relation)
        and not statement.regions
        and any(calls(s, {"integral", "mean"}) for s in (statement.left, statement.right))
    )


def _stem(name: str) -> str:
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return base.removesuffix(".pde") or "problem"


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    span = diagnostic.span
    return (0, 0) if span is None else (1, span.start)
