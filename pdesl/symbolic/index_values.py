"""Values with indices: sums over repeated indices, worked out in components.

A value holds the components that are not zero, by the positions of its indices among all
coordinates. Its slots say what each index is called, on which side it stands, and whether it is
a letter, summed over or free, or a coordinate that picks one component.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from pdesl.diagnostics import Span
from pdesl.symbolic.scope import Mistake, mistake
from pdesl.symbolic.tensor_components import Geometry
from pdesl.symbolic.tensors import DOWN, UP

__all__ = [
    "MAXIMUM_CURVED", "IndexedValue", "Positions", "Slot", "Work", "add", "along", "differentiate",
    "index_word", "is_latin", "letters_of", "moved", "multiply", "selected", "settled", "summed",
]  # fmt: skip

Positions = tuple[int, ...]
# Products of components that one statement may ask for, and coordinates of a curvature.
MAXIMUM_TERMS = 200_000
MAXIMUM_CURVED = 8
_LETTER = re.compile(r"[^\W\d_]\d*")


@dataclass(frozen=True, slots=True)
class Slot:
    """One index of a value.

    `name` is its letter, or that of a coordinate, whose position is then `fixed`. The tensor of
    a slot that is `spatial` has no component along time. An index with a `wanted` side is still to
    be moved there: covariant derivatives come first, which ∇g = 0 allows.
    """

    name: str
    side: str
    fixed: int | None = None
    spatial: bool = False
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class IndexedValue:
    """Components by position; `bound` are the letters that were summed over inside."""

    slots: tuple[Slot, ...]
    entries: Mapping[Positions, sympy.Expr]
    bound: frozenset[str] = frozenset()

    @property
    def free(self) -> tuple[Slot, ...]:
        return tuple(s for s in self.slots if s.fixed is None)


@dataclass(slots=True)
class Work:
    """The products that a statement has asked for so far."""

    terms: int = 0
    span: Span | None = field(default=None)

    def ask(self, number: int, span: Span | None) -> None:
        """Raises `Mistake` beyond what a statement may ask for."""
        self.terms += number
        if self.terms > MAXIMUM_TERMS:
            raise mistake(
                "E306", f"these sums have more than {MAXIMUM_TERMS:,} terms", span,
                "name parts of them under `let:`, or sum fewer indices at once",
            )  # fmt: skip


def is_latin(letter: str) -> bool:
    """Whether an index runs over space alone: `i`, `j2`; Greek letters run over everything."""
    return letter[0].isascii()


def index_word(slot: Slot) -> str:
    return f"{'^' if slot.side == UP else '_'}{{{slot.name}}}"


def letters_of(slots: Sequence[Slot]) -> str:
    return ", ".join(f"`{index_word(s)}`" for s in slots) or "none"


def is_letter(name: str) -> bool:
    return _LETTER.fullmatch(name) is not None


class Summation:
    """Terms by position, added up once."""

    def __init__(self) -> None:
        self.terms: dict[Positions, list[sympy.Expr]] = {}

    def add(self, positions: Positions, term: sympy.Expr) -> None:
        if term != 0:
            self.terms.setdefault(positions, []).append(term)

    def entries(self) -> dict[Positions, sympy.Expr]:
        sums = {p: sympy.Add(*terms) for p, terms in self.terms.items()}
        return {p: e for p, e in sums.items() if e != 0}


def _range(slot: Slot, geometry: Geometry) -> Sequence[int]:
    if slot.spatial or is_latin(slot.name):
        return geometry.space
    return geometry.everywhere


# -- sums and products ---------------------------------------------------------------------


def summed(value: IndexedValue, geometry: Geometry, span: Span | None) -> IndexedValue:
    """A value with its repeated indices summed over. Raises `Mistake`."""
    names = [s.name for s in value.slots if s.fixed is None]
    for name in dict.fromkeys(names):
        if names.count(name) > 2 or (names.count(name) > 1 and name in value.bound):
            raise thrice(name, span)
    repeated = [n for n in dict.fromkeys(names) if names.count(n) == 2]
    for name in repeated:
        places = [i for i, s in enumerate(value.slots) if s.name == name and s.fixed is None]
        first, second = (value.slots[i] for i in places)
        if first.side == second.side and geometry.metric is not None:
            raise mistake(
                "E353", f"`{name}` is summed over, and stands "
                f"{'above' if first.side == UP else 'below'} both times", span,
                "with a metric, a sum takes one index above and one below",
            )  # fmt: skip
        check_flat_pair(first, second, geometry, span)
        allowed = frozenset(_range(first, geometry)) & frozenset(_range(second, geometry))
        total = Summation()
        for positions, entry in value.entries.items():
            a, b = (positions[i] for i in places)
            if a == b and a in allowed:
                total.add(tuple(p for i, p in enumerate(positions) if i not in places), entry)
        value = IndexedValue(
            tuple(s for i, s in enumerate(value.slots) if i not in places),
            total.entries(),
            value.bound | {name},
        )
    return value


def check_flat_pair(first: Slot, second: Slot, geometry: Geometry, span: Span | None) -> None:
    """Both indices on one side need the metric of space, δ_ij, which time has no part in."""
    over_time = geometry.time is not None and not is_latin(first.name)
    if first.side == second.side and over_time:
        raise mistake(
            "E356", f"`{first.name}` runs over time and space, whose metric is not stated", span,
            "sum with one index above and one below, or add `metric:`",
            "an index over space alone is a Latin letter, `i`",
        )  # fmt: skip


def thrice(name: str, span: Span | None) -> Mistake:
    return mistake(
        "E352", f"the index `{name}` stands more than twice in one product", span,
        "use another letter for one of the sums",
    )  # fmt: skip


def multiply(
    left: IndexedValue, right: IndexedValue, geometry: Geometry, work: Work, span: Span | None
) -> IndexedValue:
    """The product, with the indices that the two share summed over. Raises `Mistake`."""
    for one, other in ((left, right), (right, left)):
        for name in one.bound:
            if name in other.bound or any(s.name == name for s in other.free):
                raise thrice(name, span)
    shared = {s.name for s in left.free} & {s.name for s in right.free}
    pairs = [
        (i, j)
        for i, a in enumerate(left.slots)
        for j, b in enumerate(right.slots)
        if a.fixed is None and b.fixed is None and a.name == b.name and a.name in shared
    ]
    # Only components at equal positions of a shared index meet.
    groups: dict[Positions, list[tuple[Positions, sympy.Expr]]] = {}
    for positions, entry in right.entries.items():
        key = tuple(positions[j] for _, j in pairs)
        groups.setdefault(key, []).append((positions, entry))
    entries: dict[Positions, sympy.Expr] = {}
    for positions, entry in left.entries.items():
        partners = groups.get(tuple(positions[i] for i, _ in pairs), [])
        work.ask(4 * len(partners), span)
        for others, factor in partners:
            entries[positions + others] = entry * factor
    value = IndexedValue(left.slots + right.slots, entries, left.bound | right.bound)
    return summed(value, geometry, span)


def add(
    left: IndexedValue, right: IndexedValue, geometry: Geometry, span: Span | None
) -> IndexedValue:
    """The sum of two values with the same free indices. Raises `Mistake`."""
    order = matched(left.slots, right.slots, geometry)
    if order is None:
        if not left.entries and not left.slots:
            return right
        if not right.entries and not right.slots:
            return left
        raise differing(left.slots, right.slots, span, "added")
    total = Summation()
    for positions, entry in left.entries.items():
        total.add(positions, entry)
    for positions, entry in right.entries.items():
        total.add(tuple(positions[i] for i in order), entry)
    slots = tuple(
        replace(a, spatial=a.spatial or right.slots[i].spatial)
        for a, i in zip(left.slots, order, strict=True)
    )
    return IndexedValue(slots, total.entries(), left.bound | right.bound)


def differing(left: Sequence[Slot], right: Sequence[Slot], span: Span | None, verb: str) -> Mistake:
    return mistake(
        "E354", f"free indices differ: {letters_of(left)} against {letters_of(right)}", span,
        f"what is {verb} has the same letters, each on the same side",
    )  # fmt: skip


def matched(left: Sequence[Slot], right: Sequence[Slot], geometry: Geometry) -> list[int] | None:
    """For each slot on the left the one on the right that it goes with; None where they differ.

    In Cartesian coordinates of space, where no metric is stated, sides make no difference.
    """
    if len(left) != len(right):
        return None
    waiting = list(range(len(right)))
    order = []
    for slot in left:
        flat = geometry.metric is None and (geometry.time is None or is_latin(slot.name))
        found = next(
            (
                i for i in waiting
                if (right[i].name, right[i].fixed) == (slot.name, slot.fixed)
                and (flat or right[i].side == slot.side)
            ),
            None,
        )  # fmt: skip
        if found is None:
            return None
        waiting.remove(found)
        order.append(found)
    return order


def selected(value: IndexedValue) -> IndexedValue:
    """A value with the components picked that its fixed indices name."""
    fixed = [(i, s.fixed) for i, s in enumerate(value.slots) if s.fixed is not None]
    if not fixed:
        return value
    kept = [i for i, s in enumerate(value.slots) if s.fixed is None]
    entries = {
        tuple(positions[i] for i in kept): entry
        for positions, entry in value.entries.items()
        if all(positions[i] == place for i, place in fixed)
    }
    return IndexedValue(tuple(value.slots[i] for i in kept), entries, value.bound)


# -- the metric ----------------------------------------------------------------------------


def moved(
    value: IndexedValue, number: int, side: str, geometry: Geometry, work: Work, span: Span | None
) -> IndexedValue:
    """A value with one index moved up or down by the metric. Raises `Mistake`."""
    slot = value.slots[number]
    there = replace(slot, side=side, wanted="")
    slots = (*value.slots[:number], there, *value.slots[number + 1 :])
    if slot.side == side:
        return IndexedValue(slots, value.entries, value.bound)
    if geometry.metric is None:
        if not slot.spatial and geometry.time is not None and not is_latin(slot.name):
            raise mistake(
                "E356", f"moving the index `{slot.name}` needs a metric, and none is stated", span,
                "add it, for example `metric:` with the line `ds² = -dt² + dx²`",
            )  # fmt: skip
        return IndexedValue(slots, value.entries, value.bound)
    if slot.spatial and geometry.is_shifted():
        raise _no_space(span)
    total = Summation()
    work.ask(len(value.entries) * len(geometry.coordinates), span)
    for positions, entry in value.entries.items():
        for row in geometry.space if slot.spatial else geometry.everywhere:
            factor = geometry.component("g", (side, side), (row, positions[number]))
            if factor != 0:
                total.add((*positions[:number], row, *positions[number + 1 :]), factor * entry)
    return IndexedValue(slots, total.entries(), value.bound)


def settled(value: IndexedValue, geometry: Geometry, work: Work, span: Span | None) -> IndexedValue:
    """A value with its indices where they are wanted. Raises `Mistake`."""
    for number, slot in enumerate(value.slots):
        if slot.wanted:
            value = moved(value, number, slot.wanted, geometry, work, span)
    return value


def refuse_mixed_time(geometry: Geometry, span: Span | None) -> None:
    """Raises `Mistake` where space has no geometry of its own (E356)."""
    if geometry.mixes_time():
        raise _no_space(span)


def _no_space(span: Span | None) -> Mistake:
    return mistake(
        "E356", "in this metric space changes with time or is mixed with it, so a tensor of "
        "space has no derivative and no other index position of its own", span,
        "declare the tensor over all coordinates, with Greek indices",
    )  # fmt: skip


# -- derivatives ---------------------------------------------------------------------------


def along(expression: sympy.Expr, symbol: sympy.Symbol, order: Sequence[sympy.Symbol]) -> Any:
    """∂e/∂x, unevaluated, of sums term by term, with derivatives in the order of coordinates."""
    if isinstance(expression, sympy.Add):
        return sympy.Add(*(along(e, symbol, order) for e in expression.args))  # type: ignore[arg-type]
    number, rest = expression.as_coeff_Mul()
    if number != 1:
        return number * along(rest, symbol, order)
    if isinstance(rest, sympy.Derivative):
        counts: dict[Any, int] = {v: int(n) for v, n in rest.variable_count}  # type: ignore[misc]
        if all(v in order for v in counts):
            counts[symbol] = counts.get(symbol, 0) + 1
            pairs = sorted(counts.items(), key=lambda pair: order.index(pair[0]))
            return sympy.Derivative(rest.expr, *pairs, evaluate=False)
    if not rest.free_symbols:
        return sympy.S.Zero
    return sympy.Derivative(rest, symbol, evaluate=False)


def differentiate(
    value: IndexedValue, slot: Slot, covariant: bool, geometry: Geometry, work: Work,
    span: Span | None,
) -> IndexedValue:  # fmt: skip
    """∂_μ or ∇_μ of a value, with the new index in front; where it is up, that is wanted.

    ∇_μ T^{…}_{…} = ∂_μ T + Γ^λ_{μκ} T^{…κ…} − Γ^κ_{μν} T_{…κ…}, one term for each index.
    Raises `Mistake`.
    """
    curved = covariant and geometry.metric is not None
    if curved and any(s.spatial for s in value.slots):
        refuse_mixed_time(geometry, span)
        over_space = slot.fixed in geometry.space if slot.fixed is not None else (
            is_latin(slot.name) or geometry.time is None
        )  # fmt: skip
        if not over_space:
            raise mistake(
                "E356", "a tensor of space has covariant derivatives along space alone", span,
                "use a Latin letter for the derivative, or ∂ along time",
                "or declare the tensor over all coordinates, with Greek indices",
            )  # fmt: skip
    axes: Sequence[int] = geometry.everywhere
    if slot.fixed is not None and slot.side == DOWN and not curved:
        axes = (slot.fixed,)
    total = Summation()
    for positions, entry in value.entries.items():
        for axis in axes:
            work.ask(1 + len(value.slots) * len(geometry.coordinates) * curved, span)
            symbol = geometry.coordinates[axis]
            total.add((axis, *positions), along(entry, symbol, geometry.coordinates))
            if not curved:
                continue
            for number, own in enumerate(value.slots):
                here = positions[number]
                for other in geometry.space if own.spatial else geometry.everywhere:
                    place = (axis, *positions[:number], other, *positions[number + 1 :])
                    if own.side == UP:
                        factor = geometry.component("Γ", (UP, DOWN, DOWN), (other, axis, here))
                    else:
                        factor = -geometry.component("Γ", (UP, DOWN, DOWN), (here, axis, other))
                    if factor != 0:
                        total.add(place, factor * entry)
    front = replace(slot, side=DOWN, wanted=slot.side if slot.side == UP else "")
    return IndexedValue((front, *value.slots), total.entries(), value.bound)
