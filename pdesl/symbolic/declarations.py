"""The declarations of a module: parameters, fields, definitions and closures.

`Declarations` is what the reading of a module knows at any time; the rest of the reading is in
`elaborate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError, Source
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic.declared_parts import (
    as_tuple,
    declared_name,
    defined_name,
    has_indices,
    names,
)  # fmt: skip
from pdesl.symbolic.expressions import Translator
from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.indices import slot_of
from pdesl.symbolic.options import option_value
from pdesl.symbolic.problem import (
    Choice,
    Closure,
    Coordinate,
    Definition,
    Field,
    Parameter,
    Unknown,
)  # fmt: skip
from pdesl.symbolic.scope import (
    FollowUp,
    Mistake,
    Scope,
    UserFunction,
    Value,
    components,
    mistake,
)  # fmt: skip
from pdesl.symbolic.tables import read_table, table_members
from pdesl.symbolic.tensor_components import Geometry
from pdesl.symbolic.tensor_fields import (
    declared_symmetry,
    index_letters,
    tensor_field,
)  # fmt: skip

__all__ = ["Declarations"]

_FIELD_TYPES = ("scalar", "vector", "tensor", "source")
# What to write in place of a type with arguments that takes none, or others.
_TYPE_IN_PLACE = {
    "vector": "write `v(x, y) : vector`: it has a component for every spatial coordinate",
    "source": "write `f(x, y) : source`, or `f(x, y) : source(vector)`",
}
# Blocks whose statements make the rows of a problem: where one of them is wrong, nothing can be
# said about too few or too many conditions.
_ESSENTIAL = frozenset(
    ("parameters", "domain", "fields", "let", "closure", "metric", "equations", "manufactured",
     "boundary", "initial", "reduce", "verify")
)  # fmt: skip


@dataclass(slots=True)
class Declarations:
    """What is known while a module is read, and the reading of its declarations."""

    module: ast.Module
    source: Source | None
    complete: bool = True
    scope: Scope = field(default_factory=Scope)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    coordinates: tuple[Coordinate, ...] = ()
    block: str = ""
    _late: list[tuple[str, ast.Relation]] = field(default_factory=list)

    @contextmanager
    def guarded(self, *names: str) -> Iterator[None]:
        """Record a mistake and go on behind the statement, which would have declared `names`."""
        try:
            yield
        except (Mistake, ProblemError) as error:
            self.diagnostics.extend(error.diagnostics)
        else:
            return
        self.scope.poison(names)
        if self.block in _ESSENTIAL:
            self.complete = False

    def lose(self, names: set[str]) -> None:
        """Lines could not be read, with these names in them: what uses those is left out."""
        self.scope.poisoned |= names
        self.scope.space_known = False

    def statements(self, block: str) -> tuple[ast.Statement, ...]:
        """The statements of a block, which from now on is the one being read."""
        self.block = block
        return self.module.block(block)

    def translator(self) -> Translator:
        return Translator(self.scope, self._anonymous)

    def _anonymous(self, call: ast.Call) -> sympy.Symbol:
        """A parameter for an `unknown(…)` that stands inside a formula."""
        field = self._started_by(call)
        name = f"{field}_start" if field else "unknown_1"
        count = 1
        while name in self.scope.declared:
            count += 1
            name = f"{field}_start_{count}" if field else f"unknown_{count}"
        parameter = Parameter(name, _unknown(call, self.translator()), span=call.span)
        self.scope.declare(name, "parameter", call.span, parameter.symbol)
        self.scope.used.add(name)
        self.parameters.append(parameter)
        return parameter.symbol

    def _started_by(self, call: ast.Call) -> str:
        """The field of `hare = unknown(…)` in the block `initial`, nothing for another unknown."""
        for statement in self.module.block("initial"):
            if isinstance(statement, ast.Relation) and statement.right is call:
                return statement.left.identifier if isinstance(statement.left, ast.Name) else ""
        return ""

    def _in_order(
        self,
        relations: Sequence[tuple[str, ast.Relation]],
        read: Callable[[str, ast.Relation], None],
    ) -> None:
        """Read definitions so that each comes after those it uses."""
        waiting = dict(relations)
        needs = {name: (names(r.right) & waiting.keys()) for name, r in waiting.items()}
        while True:
            try:
                order = list(TopologicalSorter(needs).static_order())
                break
            except CycleError as error:
                cycle: list[str] = list(dict.fromkeys(error.args[1]))
                name = min(cycle, key=list(waiting).index)
                others = [f"`{n}`" for n in cycle if n != name]
                words = f" through {', '.join(others)}" if others else ""
                self.diagnostics.append(
                    Diagnostic(
                        "E206", f"`{name}` is defined by itself{words}", waiting[name].left.span,
                        helps=("define one of them by other names",),
                    )
                )  # fmt: skip
                self.complete = False
                self.scope.poison(cycle)
                needs = {n: own - set(cycle) for n, own in needs.items() if n not in cycle}
        # Names without needs of their own keep the order of the file.
        place = {name: i for i, name in enumerate(waiting)}
        if all(not own for own in needs.values()):
            order.sort(key=place.__getitem__)
        for name in order:
            with self.guarded(name):
                read(name, waiting[name])

    def _defined(
        self, statements: Iterable[ast.Statement], block: str
    ) -> list[tuple[str, ast.Relation]]:
        """The definitions of a block, each name once."""
        found: dict[str, ast.Relation] = {}
        for statement in statements:
            with self.guarded():
                name, relation = defined_name(statement, block)
                if name in found:
                    first = found[name].left.span
                    raise mistake(
                        "E203", f"`{name}` is already defined", relation.left.span,
                        "keep one of the two",
                        related=((first, "first defined here"),) if first else (),
                    )  # fmt: skip
                found[name] = relation
        return list(found.items())

    def read_parameters(self, statements: Iterable[ast.Statement]) -> None:
        self._in_order(self._defined(statements, "parameters"), self._parameter)

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
                    Definition(name, (), as_tuple(translated), span=relation.span)
                )
                return
            self.translator().require_number(translated, right.span, f"the value of `{name}`")
            value = translated
            self.scope.declare(name, "parameter", relation.left.span)
        unit = right.unit.text if isinstance(right, ast.Number) and right.unit else None
        parameter = Parameter(name, value, unit, span=relation.span)
        self.scope.values[name] = parameter.symbol
        self.parameters.append(parameter)

    def read_fields(self, statements: Iterable[ast.Statement], known: Sequence[Coordinate]) -> None:
        names = [c.name for c in known]
        self.coordinates = tuple(known)
        for statement in statements:
            with self.guarded():
                if not isinstance(statement, ast.Declaration):
                    raise mistake("E330", "a line of `fields:` declares fields", statement.span,
                                  "u(t, x) : scalar")  # fmt: skip
                sort = statement.type
                word = sort.identifier if isinstance(sort, ast.Name) else ""
                with self._names_lost(statement):
                    symmetry = declared_symmetry(sort)
                word = word if symmetry is None else "tensor"
                is_vector_source = _is_vector_source(sort)
                if word not in _FIELD_TYPES and not is_vector_source:
                    guess = suggest(word, _FIELD_TYPES) if word else None
                    self.scope.poison(declared_name(node) for node in statement.names)
                    raise mistake(
                        "E318", "a field is a `scalar`, a `vector`, a `tensor`, a `source`, or a "
                        "`source(vector)`", sort.span,
                        f"did you mean `{guess}`?" if guess else _TYPE_IN_PLACE.get(
                            sort.function if isinstance(sort, ast.Call) else "", "u(t, x) : scalar"
                        ),
                    )  # fmt: skip
                word = "source(vector)" if is_vector_source else word
                for declared in statement.names:
                    with self.guarded(declared_name(declared)):
                        self._field(declared, word, statement, names, symmetry or "")

    def _field(
        self, node: ast.Expression, sort: str, statement: ast.Declaration, names: list[str],
        symmetry: str,
    ) -> None:  # fmt: skip
        tensor = isinstance(node, ast.IndexedField)
        if tensor != (sort == "tensor"):
            name = declared_name(node) or "A"
            raise mistake(
                "E318", "a tensor is declared with its indices, and only a tensor is", node.span,
                f"{name}_{{μ}}({', '.join(names) or 'x'}) : tensor",
            )  # fmt: skip
        if isinstance(node, ast.Name):
            raise mistake(
                "E319", f"the field `{node.identifier}` needs its coordinates", node.span,
                f"{node.identifier}({', '.join(names) or 'x'}) : {sort}",
            )  # fmt: skip
        if not isinstance(node, ast.IndexedField) and (
            not isinstance(node, ast.Call) or node.keywords
        ):
            raise mistake("E330", "a field is declared by its name and its coordinates", node.span,
                          "u(t, x) : scalar")  # fmt: skip
        families = self.scope.families
        own: list[str] = []
        failed = False
        for argument in node.arguments:
            name = argument.identifier if isinstance(argument, ast.Name) else ""
            if name in families:
                own.extend(families[name])
            elif name in names:
                own.append(name)
            elif name in self.scope.poisoned:
                failed = True
            else:
                failed = True
                guess = suggest(name, [*names, *families]) if name else None
                self.diagnostics.append(
                    Diagnostic(
                        "E402", f"`{name}` is no coordinate of the domain" if name else
                        "this is no coordinate", argument.span,
                        helps=(f"did you mean `{guess}`?" if guess else
                               f"add `{name or 'x'} ∈ [0, 1]` to `domain:`",),
                    )
                )  # fmt: skip
                self.scope.poison((name, f"d{name}"))
        self.scope.used.update(own)
        if failed:
            raise FollowUp
        rank = 1 if sort in ("vector", "source(vector)") else 0
        if rank:
            self.scope.refuse_unknown_space()
            if not self.scope.space:
                raise mistake("E311", "a vector field needs spatial coordinates", node.span,
                              "add `x, y ∈ [0, 1]` to `domain:`")  # fmt: skip
        if len(set(own)) != len(own):
            once = ", ".join(dict.fromkeys(own))
            raise mistake("E417", "a coordinate is named twice", node.span,
                          f"{declared_name(node)}({once}) : {sort}")  # fmt: skip
        unit = statement.unit.text if statement.unit else None
        if isinstance(node, ast.IndexedField):
            self.scope.refuse_unknown_space()
            entry, tensor_value = tensor_field(node, own, symmetry, unit, self.plain_geometry())
            self.scope.declare(entry.name, "tensor", node.span)
            self.scope.tensors[entry.name] = tensor_value
            self._declare_components(entry)
            return
        name = node.function
        kind = "source" if sort.startswith("source") else "unknown"
        space = self.scope.space
        parts = tuple(f"{name}_{c}" for c in space) if rank else (name,)
        entry = Field(name, tuple(own), rank, kind, parts,
                      unit, span=node.span)  # fmt: skip
        applied = [entry.applied(i) for i in range(len(parts))]
        value: Value = sympy.ImmutableDenseMatrix(applied) if rank else applied[0]
        self.scope.declare(name, "field", node.span, value)
        if rank:
            self._declare_components(entry)
        else:
            self.fields.append(entry)

    def _declare_components(self, entry: Field) -> None:
        for number, part in enumerate(entry.components):
            self.scope.declare(part, "component of a field", entry.span, entry.applied(number))
        self.fields.append(entry)

    def plain_geometry(self) -> Geometry:
        """The coordinates, without a metric."""
        symbols = tuple(c.symbol for c in self.coordinates)
        space = tuple(i for i, c in enumerate(self.coordinates) if c.kind == "space")
        return Geometry(symbols, space)

    @contextmanager
    def _names_lost(self, statement: ast.Declaration) -> Iterator[None]:
        """What a wrong type declares has no meaning."""
        try:
            yield
        except Mistake:
            self.scope.poison(declared_name(node) for node in statement.names)
            raise

    def read_definitions(self, statements: Iterable[ast.Statement]) -> None:
        """Definitions that need no metric; the others wait for `read_late_definitions`."""
        found = self._defined(statements, "let")
        late = {name for name, r in found if has_indices(r)}
        while True:
            more = {name for name, r in found if name not in late and names(r.right) & late}
            if not more:
                break
            late |= more
        self._late = [(name, r) for name, r in found if name in late]
        self._in_order([(name, r) for name, r in found if name not in late], self._definition)

    def read_late_definitions(self) -> None:
        """Definitions with indices, and those that need them, once the metric is known."""
        self._in_order(self._late, self._definition)

    def _definition(self, name: str, relation: ast.Relation) -> None:
        left = relation.left
        if isinstance(left, ast.Indexed):
            self._tensor_definition(left, relation)
            return
        if isinstance(left, ast.Call):
            symbols: list[sympy.Symbol] = []
            if left.keywords:
                place = left.keywords[0].span
                raise mistake("E331", "the arguments of a definition are names", place,
                              f"{name}(x) = …")  # fmt: skip
            for argument in left.arguments:
                if not isinstance(argument, ast.Name):
                    raise mistake("E331", "the arguments of a definition are names", argument.span,
                                  f"{name}(x) = …")  # fmt: skip
                symbol = sympy.Symbol(argument.identifier, real=True)
                if symbol in symbols:
                    raise mistake("E331", f"the argument `{symbol}` is named twice", argument.span,
                                  "give one of the two another name")  # fmt: skip
                symbols.append(symbol)
            inner = self.scope.inner({s.name: s for s in symbols})
            value = Translator(inner).value(relation.right)
            self.scope.declare(name, "function", left.span)
            self.scope.functions[name] = UserFunction(tuple(symbols), value)
            arguments = tuple(s.name for s in symbols)
            coordinates = set(self.scope.names("coordinate"))
            if set(arguments) <= coordinates:  # `r(x)` of a coordinate may also stand as `r`
                self.scope.values[name] = value
        else:
            value = self.translator().value(relation.right)
            self.scope.declare(name, "definition", left.span, value)
            arguments = ()
        stored = as_tuple(value) if isinstance(value, sympy.MatrixBase) else value
        self.definitions.append(Definition(name, arguments, stored, span=relation.span))

    def _tensor_definition(self, left: ast.Indexed, relation: ast.Relation) -> None:
        """`F_{μν} = …`: a name for components."""
        geometry = self.scope.geometry()
        slots = [
            slot_of(side, name, self.scope, geometry, left.span)
            for side, name in index_letters(left, left.span)
        ]
        fixed = [s.name for s in slots if s.fixed is not None]
        if fixed:
            raise mistake("E355", f"`{fixed[0]}` picks one component, and a definition gives all",
                          left.span, f"{left.name}_{{μ}} = …")  # fmt: skip
        entry = self.translator().indices.tensor(slots, relation.right)
        self.scope.declare(left.name, "tensor", left.span)
        self.scope.tensors[left.name] = entry

    def read_closure_names(
        self, statements: Iterable[ast.Statement], coordinates: Sequence[Coordinate]
    ) -> list[tuple[str, ast.Relation]]:
        """Closures are declared first, since equations name them and they name fields."""
        found = []
        symbols = [c.symbol for c in coordinates]
        for name, relation in self._defined(statements, "closure"):
            with self.guarded(name):
                if not isinstance(relation.right, ast.Call):
                    raise mistake("E320", "a closure is a network", relation.right.span,
                                  f"{name} = mlp(u, hidden=(64, 64))")  # fmt: skip
                members = table_members(name, relation.right)
                own = [sympy.Function(m)(*symbols) for m in members]
                applied: Any = own[0] if members == (name,) else sympy.ImmutableDenseMatrix(own)
                self.scope.declare(name, "closure", relation.left.span, applied)
                found.append((name, relation))
        return found

    def read_closures(self, found: list[tuple[str, ast.Relation]]) -> tuple[Closure, ...]:
        closures = []
        for name, relation in found:
            with self.guarded():
                call = relation.right
                assert isinstance(call, ast.Call)
                if call.function == "load":
                    closures += read_table(name, relation, call)
                    continue
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
                                  f"{name} = {call.function}(u)")  # fmt: skip
                spans = {k.name: k.span for k in call.keywords}
                network = Choice(call.function, tuple(options), (), spans, span=call.span)
                closures.append(Closure(name, network, tuple(inputs), span=relation.span))
        return tuple(closures)


def _is_vector_source(sort: ast.Expression) -> bool:
    return (
        isinstance(sort, ast.Call)
        and sort.function == "source"
        and sort.arguments == (ast.Name("vector"),)
        and not sort.keywords
    )


def _unknown(call: ast.Call, translator: Translator) -> Unknown:
    """`unknown(start=1, bounds=(0, 3))`. Raises `Mistake`."""
    example = "unknown(start=1, bounds=(0, 3))"
    given: dict[str, ast.Expression] = {}
    if call.arguments:
        raise mistake("E328", "`unknown` takes named arguments", call.arguments[0].span, example)
    for keyword in call.keywords:
        if keyword.name not in ("start", "bounds"):
            raise mistake("E328", f"`unknown` has no argument `{keyword.name}`", keyword.span,
                          "it has `start` and `bounds`")  # fmt: skip
        given[keyword.name] = keyword.value
    lower: sympy.Expr | None = None
    upper: sympy.Expr | None = None
    if "bounds" in given:
        value = translator.value(given["bounds"])
        translator.require_number(value, given["bounds"].span, "a bound")
        if len(components(value)) != 2:
            raise mistake("E328", "`bounds` is a pair", given["bounds"].span, "bounds=(0, 3)")
        lower, upper = components(value)
    if "start" in given:
        start = translator.number(given["start"], "the start")
    elif lower is not None and upper is not None:
        start = (lower + upper) / 2
    else:
        raise mistake("E328", "`unknown` needs a start value", call.span, "unknown(start=1)")
    place = given.get("start", given.get("bounds", call)).span
    for low, high in ((lower, start), (start, upper), (lower, upper)):
        if low is not None and high is not None:
            gap = constant_value(high - low)
            if gap is not None and gap < 0:
                raise mistake("E328", "the bounds come in order, and the start lies between them",
                              place, example)  # fmt: skip
    return Unknown(start, lower, upper, span=call.span)
