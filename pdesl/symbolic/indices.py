"""Index notation: from syntax such as `g^{μν} ∂_μ ∂_ν φ` to components.

Greek letters run over all coordinates, Latin ones over space; the name of a coordinate picks one
component, and so does a number (0 is time, 1 the first coordinate of space). An index that
stands twice in a product is summed over. Indices are moved by the metric to where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import sympy

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic.index_values import (
    MAXIMUM_CURVED,
    IndexedValue,
    Slot,
    Work,
    add,
    along,
    differentiate,
    differing,
    is_latin,
    is_letter,
    letters_of,
    matched,
    moved,
    multiply,
    selected,
    settled,
    summed,
    thrice,
)  # fmt: skip
from pdesl.symbolic.operators import NORMAL, marker
from pdesl.symbolic.scope import Mistake, Scope, TensorEntry, components, mistake
from pdesl.symbolic.tensor_components import GEOMETRIC, Geometry
from pdesl.symbolic.tensor_fields import matrix_entry, normal_entry
from pdesl.symbolic.tensors import DOWN, UP

if TYPE_CHECKING:
    from pdesl.symbolic.expressions import Translator

__all__ = ["IndexReader", "free_letters", "slot_of"]

_SUMS = frozenset(("+", "-"))
_EACH = frozenset(("stiff", "nonstiff", "exact"))
_EACH_FLAT = frozenset(("lap", "box", "dn"))


def slot_of(side: str, name: str, scope: Scope, geometry: Geometry, span: Span | None) -> Slot:
    """The index of a name; the name of a coordinate or a number picks one. Raises `Mistake`."""
    names = [c.name for c in geometry.coordinates]
    if name in names:
        scope.used.add(name)
        return Slot(name, side, names.index(name))
    if name.isdecimal():
        time, number = geometry.time, int(name)
        own = [time] if time is not None and number == 0 else list(geometry.space)[number - 1 :]
        if not own or (number == 0 and time is None):
            raise mistake(
                "E355", f"there is no coordinate number {name}", span,
                f"the coordinates are {', '.join(names)}"
                + ("; 0 is time" if time is not None else "; they are counted from 1"),
            )  # fmt: skip
        return Slot(name, side, own[0])
    scope.refuse_poisoned(name)
    if not is_letter(name):
        guess = suggest(name, names)
        raise mistake(
            "E355", f"`{name}` is no index: neither a letter nor a coordinate", span,
            f"did you mean `{guess}`?" if guess else "an index is a letter, `μ` or `i`, or the "
            "name of a coordinate",
        )  # fmt: skip
    kind = "the outward normal" if name == NORMAL else scope.kinds.get(name, "")
    if name in scope.families:
        kind = "family of coordinates"
    if kind:
        article = "" if name == NORMAL else "an " if kind[0] in "aeiou" else "a "
        raise mistake(
            "E355", f"`{name}` is {article}{kind}, so it cannot be an index too", span,
            "use a letter that the file does not declare",
        )  # fmt: skip
    return Slot(name, side)


def free_letters(indices: Sequence[tuple[str, str]], known: Sequence[str]) -> list[str]:
    """The letters among indices, in order, without the names of coordinates and numbers."""
    return [name for _, name in indices if name not in known and not name.isdecimal()]


class IndexReader:
    """Reads the parts of an expression that hold indices, for a `Translator`."""

    def __init__(self, translator: Translator):
        self.translator = translator
        self.scope = translator.scope
        self.work = Work()
        self._known: dict[int, tuple[bool, ast.Expression]] = {}

    # -- what holds indices ---------------------------------------------------------------

    def is_indexed(self, node: ast.Expression) -> bool:
        """Whether a value with indices stands in an expression, outside of functions."""
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = self._is_indexed(node), node
        return known[0]

    def _is_indexed(self, node: ast.Expression) -> bool:
        match node:
            case ast.Indexed():
                return True
            case ast.IndexDerivative(kind, index):
                return not (kind == "covariant" and index in self.scope.families)
            case ast.Binary(operator, left, right) if operator in "+-*/" or operator == "dot":
                return self.is_indexed(left) or self.is_indexed(right)
            case ast.Negate(operand) | ast.Derivative(_, operand):
                return self.is_indexed(operand)
            case ast.Call(function, arguments) if function in _EACH | _EACH_FLAT:
                return len(arguments) == 1 and self.is_indexed(arguments[0])
            case ast.Call("advect", (_, operand)):
                return self.is_indexed(operand)
        return False

    # -- results --------------------------------------------------------------------------

    def scalar(self, node: ast.Expression) -> sympy.Expr:
        """The value of an expression whose indices are all summed over. Raises `Mistake`."""
        value = self.value(node)
        if value.slots:
            raise mistake(
                "E354", f"a scalar is needed here, and this has the free indices "
                f"{letters_of(value.slots)}", node.span,
                "sum over them, or name one component by its coordinate, `V^{x}`",
            )  # fmt: skip
        return value.entries.get((), sympy.S.Zero)

    def value(self, node: ast.Expression) -> IndexedValue:
        """The value of an expression, components picked. Raises `Mistake`."""
        return self._read(node)

    def equations(
        self, left: ast.Expression, right: ast.Expression, span: Span | None
    ) -> list[tuple[sympy.Expr, sympy.Expr, str]]:
        """The two sides for each value of the free indices, with words for that value.

        Equations that say nothing, and those that say what another one does up to a sign (by a
        symmetry), are left out. Raises `Mistake`.
        """
        geometry = self.scope.geometry()
        one, other = self._sides(left), self._sides(right)
        order = matched(one.slots, other.slots, geometry)
        if order is None and not other.slots and not other.entries:
            order, other = list(range(len(one.slots))), IndexedValue(one.slots, {})
        elif order is None and not one.slots and not one.entries:
            order, one = list(range(len(other.slots))), IndexedValue(other.slots, {})
        if order is None:
            raise differing(one.slots, other.slots, span, "equal")
        names = [c.name for c in geometry.coordinates]
        ranges = [
            geometry.space if s.spatial or is_latin(s.name) or other.slots[i].spatial
            else geometry.everywhere
            for s, i in zip(one.slots, order, strict=True)
        ]  # fmt: skip
        found: list[tuple[sympy.Expr, sympy.Expr, str]] = []
        seen: set[sympy.Expr] = set()
        back = [order.index(i) for i in range(len(order))]
        for positions in product(*ranges):
            lhs = one.entries.get(positions, sympy.S.Zero)
            rhs = other.entries.get(tuple(positions[i] for i in back), sympy.S.Zero)
            if one.slots:
                rest: Any = sympy.expand(lhs - rhs, deep=False)
                if rest == 0 or rest in seen or -rest in seen:
                    continue
                seen.update((rest, sympy.expand(-rest, deep=False)))
            word = ", ".join(
                f"{s.name} = {names[p]}" for s, p in zip(one.slots, positions, strict=True)
            )
            found.append((lhs, rhs, word))
        if not found:
            raise mistake("E321", "every component of this says 0 = 0", span,
                          "write an equation for the field")  # fmt: skip
        return found

    def _sides(self, node: ast.Expression) -> IndexedValue:
        """One side of an equation, which may be a plain scalar."""
        value = self.value(node)
        for entry in value.entries.values():
            self.translator.limits.check(entry, node.span)
            if node.span is not None:
                self.translator.places.setdefault(entry, node.span)
        return value

    def tensor(self, letters: Sequence[Slot], node: ast.Expression) -> TensorEntry:
        """The components of `F_{μν} = …`, in the order of the letters. Raises `Mistake`."""
        geometry = self.scope.geometry()
        value = self._sides(node)
        order = matched(letters, value.slots, geometry)
        if order is None:
            raise differing(letters, value.slots, node.span, "equal")
        spatial = [
            (value.slots[i].spatial or is_latin(s.name)) and geometry.time is not None
            for s, i in zip(letters, order, strict=True)
        ]  # fmt: skip
        entries = {}
        for positions, entry in value.entries.items():
            place = tuple(positions[i] for i in order)
            if all(p in geometry.space for p, own in zip(place, spatial, strict=True) if own):
                entries[place] = entry
        return TensorEntry(tuple(s.side for s in letters), tuple(spatial), entries)

    # -- syntax ---------------------------------------------------------------------------

    def _read(self, node: ast.Expression) -> IndexedValue:
        value = selected(self._visit(node))
        if node.span is not None:
            for entry in value.entries.values():
                self.translator.places.setdefault(entry, node.span)
        return value

    def _visit(self, node: ast.Expression) -> IndexedValue:
        if not self.is_indexed(node):
            plain = self.translator.scalar(node, "a factor or term beside indices")
            return IndexedValue((), {(): plain} if plain != 0 else {})
        geometry = self.scope.geometry()
        match node:
            case ast.Indexed() | ast.IndexDerivative():
                return settled(self._pending(node, geometry), geometry, self.work, node.span)
            case ast.Derivative(variables, operand):
                return self._along(node, variables, self._read(operand), geometry)
            case ast.Negate(operand):
                return self._each(self._read(operand), lambda e: -e)
            case ast.Call(function, arguments):
                return self._call(node, function, arguments)
            case ast.Binary(operator, left, right) if operator in _SUMS:
                one, other = self._read(left), self._read(right)
                if operator == "-":
                    other = self._each(other, lambda e: -e)
                return add(one, other, geometry, node.span)
            case ast.Binary("/", left, right):
                below = self.translator.scalar(right, "a divisor")
                if below == 0:
                    raise mistake("E312", "this divides by zero", right.span,
                                  "write another divisor")  # fmt: skip
                return self._each(self._read(left), lambda e: e / below)
            case ast.Binary(_, left, right):
                return multiply(self._read(left), self._read(right), geometry, self.work, node.span)
        raise AssertionError(f"{node} was found to hold indices")

    def _pending(self, node: ast.Expression, geometry: Geometry) -> IndexedValue:
        """A value whose indices may still have to be moved, for covariant derivatives."""
        if isinstance(node, ast.Indexed):
            value = self._indexed(node, geometry)
        elif isinstance(node, ast.IndexDerivative):
            covariant = node.kind == "covariant"
            slot = slot_of(node.side, node.index, self.scope, geometry, node.span)
            inner = self._pending(node.operand, geometry) if covariant else self._read(node.operand)
            if slot.fixed is None and slot.name in inner.bound:
                raise thrice(slot.name, node.span)
            value = differentiate(inner, slot, covariant, geometry, self.work, node.span)
        else:
            return self._read(node)
        letters = [s.name for s in value.free]
        if len(set(letters)) < len(letters):
            value = summed(settled(value, geometry, self.work, node.span), geometry, node.span)
        return value

    def _each(self, value: IndexedValue, function: Any) -> IndexedValue:
        return IndexedValue(
            value.slots, {p: function(e) for p, e in value.entries.items()}, value.bound
        )

    def _call(
        self, node: ast.Call, function: str, arguments: Sequence[ast.Expression]
    ) -> IndexedValue:
        value = self._read(arguments[-1])
        if value.slots and self.scope.curved and function not in _EACH:
            raise mistake(
                "E602", f"`{function}` of one component has no meaning with a metric", node.span,
                "write ∇^{μ} ∇_{μ} V^{ν}, with covariant derivatives",
            )  # fmt: skip
        if function == "exact" and not self.scope.exact:
            raise mistake(
                "E308", "`exact(…)` needs a known solution, and the file states none", node.span,
                "add a `manufactured:` block, or `verify:` with the exact solution",
            )  # fmt: skip
        if function == "advect":
            velocity = components(self.translator.value(arguments[0]))
            return self._each(value, lambda e: marker("advect")(*velocity, e))
        return self._each(value, lambda e: marker(function)(e))

    def _along(
        self, node: ast.Expression, variables: Sequence[tuple[str, int]], value: IndexedValue,
        geometry: Geometry,
    ) -> IndexedValue:  # fmt: skip
        """`∂t V^{x}`: each component along a coordinate."""
        names = {c.name: c for c in geometry.coordinates}
        for name, order in variables:
            if name not in names:
                self.translator.value(ast.Derivative(((name, order),), ast.Number("1"),
                                                     span=node.span))  # fmt: skip
            self.scope.used.add(name)
            for _ in range(order):
                value = self._each(
                    value, lambda e, s=names[name]: along(e, s, geometry.coordinates)
                )
        return IndexedValue(
            value.slots, {p: e for p, e in value.entries.items() if e != 0}, value.bound
        )

    # -- tensors --------------------------------------------------------------------------

    def _indexed(self, node: ast.Indexed, geometry: Geometry) -> IndexedValue:
        slots = tuple(
            slot_of(side, name, self.scope, geometry, node.span) for side, name in node.indices
        )
        self.scope.refuse_poisoned(node.name)
        entry = self.scope.tensors.get(node.name)
        value = self.scope.values.get(node.name)
        if entry is None and node.name == NORMAL:
            entry = normal_entry(slots[0].side, geometry)
        elif entry is None and isinstance(value, sympy.MatrixBase):
            entry = matrix_entry(value, geometry)
        if entry is not None:
            self.scope.used.add(node.name)
            found = self._declared(node, entry, slots, geometry)
        elif node.name in GEOMETRIC and node.name not in self.scope.values:
            found = self._geometric(node, slots, geometry)
        else:
            raise self._unknown(node)
        return found

    def _unknown(self, node: ast.Indexed) -> Mistake:
        scope = self.scope
        kind = scope.kinds.get(node.name)
        if kind is not None:
            article = "an" if kind[0] in "aeiou" else "a"
            return mistake(
                "E604", f"`{node.name}` is {article} {kind} without indices", node.span,
                f"declare it as a tensor, `{node.name}_{{μ}}(t, x) : tensor`, or leave out the "
                "indices",
            )  # fmt: skip
        guess = suggest(node.name, [*scope.tensors, *GEOMETRIC])
        words = ", ".join(f"`{n}`" for n in GEOMETRIC if n != NORMAL)
        return mistake(
            "E604", f"no tensor is named `{node.name}`", node.span,
            f"did you mean `{guess}`?" if guess else
            f"a metric gives {words}; declare others under "
            "`fields:` or `let:`",
        )  # fmt: skip

    def _declared(
        self, node: ast.Indexed, entry: TensorEntry, slots: tuple[Slot, ...], geometry: Geometry
    ) -> IndexedValue:
        if len(slots) != len(entry.sides):
            raise _number_of_indices(node, len(entry.sides))
        own = []
        for slot, side, spatial in zip(slots, entry.sides, entry.spatial, strict=True):
            if spatial and slot.fixed is None and not is_latin(slot.name):
                raise mistake(
                    "E355", f"`{node.name}` is a tensor of space, and `{slot.name}` runs over "
                    "time too", node.span, "use a Latin letter, `i`",
                )  # fmt: skip
            own.append(Slot(slot.name, side, slot.fixed, spatial, slot.side))
        return IndexedValue(tuple(own), entry.entries)

    def _geometric(
        self, node: ast.Indexed, slots: tuple[Slot, ...], geometry: Geometry
    ) -> IndexedValue:
        name, wanted = node.name, tuple(s.side for s in slots)
        if len(slots) not in GEOMETRIC[name][0]:
            raise _number_of_indices(node, *GEOMETRIC[name][0])
        over_space = all(
            is_latin(s.name) if s.fixed is None else s.fixed in geometry.space for s in slots
        )
        flat = geometry.metric is None
        if flat and name in "RG":
            raise mistake(
                "E356", f"`{name}` is that of a metric, and the file states none", node.span,
                "add it, for example `metric:` with the line `ds² = -dt² + dx²`",
            )  # fmt: skip
        if flat and name == "g" and not over_space and geometry.time is not None:
            raise mistake(
                "E356", "the metric of time and space is not stated", node.span,
                "add it, for example `metric:` with the line `ds² = -dt² + dx²`",
            )  # fmt: skip
        if name == "Γ" and wanted[1:] != (DOWN, DOWN):
            raise mistake(
                "E351", "the last two indices of `Γ` stand below", node.span, "Γ^σ_{μν}"
            )  # fmt: skip
        if name == "δ" and not flat and len(set(wanted)) == 1:
            raise mistake(
                "E353", "`δ` has one index above and one below", node.span,
                "with both on one side it is the metric, `g_{μν}`",
            )  # fmt: skip
        places: Sequence[int] = geometry.everywhere
        if name == "ε":
            dimension = len(geometry.space) if len(slots) == len(geometry.space) else len(places)
            if len(slots) == len(geometry.space) and over_space:
                places = geometry.space
            elif len(slots) != len(places) or flat:
                raise _number_of_indices(node, dimension)
        if name in "RG" and len(geometry.coordinates) > MAXIMUM_CURVED:
            raise mistake(
                "E306", f"the curvature of more than {MAXIMUM_CURVED} coordinates is not worked "
                "out", node.span, "write the components that are wanted",
            )  # fmt: skip
        self.work.ask(len(places) ** len(slots), node.span)
        natural = wanted
        if name == "Γ":
            natural = (UP, DOWN, DOWN)
        elif name == "ε" and len(set(wanted)) > 1:
            natural = (DOWN,) * len(wanted)
        entries = {}
        for positions in product(places, repeat=len(slots)):
            component = geometry.component(name, natural, positions)
            if component != 0:
                entries[positions] = component
        spatial = len(places) < len(geometry.everywhere)
        value = IndexedValue(
            tuple(Slot(s.name, side, s.fixed, spatial)
                  for s, side in zip(slots, natural, strict=True)), entries,
        )  # fmt: skip
        for number, side in enumerate(wanted):
            value = moved(value, number, side, geometry, self.work, node.span)
        return value


def _number_of_indices(node: ast.Indexed, *numbers: int) -> Mistake:
    words = " or ".join(str(n) for n in numbers)
    plural = "index" if numbers == (1,) else "indices"
    return mistake(
        "E351", f"`{node.name}` has {words} {plural}, and {len(node.indices)} "
        f"{'stands' if len(node.indices) == 1 else 'stand'} here", node.span,
        f"write {words} {plural}",
    )  # fmt: skip
