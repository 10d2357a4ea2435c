"""Which quantities Taylor propagation carries through the layers, decided from the requests.

Pure bookkeeping on multi-indices, without arrays: a `Form` Σ c_α ∂^α of one order is carried as
one quantity; `lay_out` chooses the forms for a list of requests, closed under what the activation
formula of each (see `pdesl.lowering.taylor`) refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import comb, prod

from pdesl.lowering.activations import HIGHEST_ORDER

__all__ = [
    "ONE",
    "CollapsedSum",
    "Derivative",
    "Form",
    "Key",
    "Layout",
    "MultiIndex",
    "Output",
    "Request",
    "axis_form",
    "contracted",
    "lay_out",
    "lowered",
    "monomial",
    "pairs",
]

MultiIndex = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Derivative:
    """∂^index of one field; the index runs over all inputs of the network, time included."""

    index: MultiIndex
    field: int = 0


@dataclass(frozen=True, slots=True)
class CollapsedSum:
    """Σ_k c_k(x) ∂^terms[k] of one field; the coefficients come with the evaluation."""

    terms: tuple[MultiIndex, ...]
    field: int = 0


Request = Derivative | CollapsedSum


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A coefficient as the layout sees it: factor × coefficient array number `slot` (−1: one)."""

    slot: int = -1
    factor: float = 1.0

    def times(self, factor: float) -> Key:
        return Key(self.slot, self.factor * factor)


ONE = Key()


@dataclass(frozen=True, slots=True)
class Form:
    """A homogeneous differential form Σ c ∂^α, all |α| = order, carried as one quantity."""

    order: int
    terms: tuple[tuple[MultiIndex, Key], ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The inputs that it differentiates by."""
        count = len(self.terms[0][0])
        return tuple(i for i in range(count) if any(index[i] for index, _ in self.terms))


def monomial(index: MultiIndex) -> Form:
    return Form(sum(index), ((index, ONE),))


def axis_form(i: int, count: int) -> Form:
    return monomial(tuple(int(i == j) for j in range(count)))


def lowered(index: MultiIndex, i: int) -> MultiIndex:
    return (*index[:i], index[i] - 1, *index[i + 1 :])


def pairs(index: MultiIndex) -> list[tuple[MultiIndex, int]]:
    """Every β ≤ index with |β| = 2, and in how many ways it is chosen, C(index, β)."""
    ranges = [range(min(a, 2) + 1) for a in index]
    return [
        (beta, prod(comb(a, b) for a, b in zip(index, beta, strict=True)))
        for beta in product(*ranges)
        if sum(beta) == 2
    ]


def normal_form(order: int, terms: Mapping[MultiIndex, Key]) -> tuple[Form, Key]:
    """A form and the factor in front of it, such that equal operators give equal forms."""
    ordered = sorted((index, key) for index, key in terms.items() if key.factor)
    if len(ordered) == 1:
        return monomial(ordered[0][0]), ordered[0][1]
    if len({key.slot for _, key in ordered}) == 1:
        first = ordered[0][1]
        scaled = ((index, Key(-1, key.factor / first.factor)) for index, key in ordered)
        return Form(order, tuple(scaled)), first
    return Form(order, tuple(ordered)), ONE


def contracted(form: Form, i: int) -> tuple[Form, Key] | None:
    """G_i = Σ_α c_α α_i ∂^(α − e_i)."""
    terms = {lowered(a, i): key.times(a[i]) for a, key in form.terms if a[i]}
    return normal_form(form.order - 1, terms) if terms else None


def needed_by(form: Form) -> list[Form]:
    """The forms of lower order that the activation formula for this one refers to."""
    if form.order < 2:
        return []
    count = len(form.terms[0][0])
    needed = [axis_form(i, count) for i in form.inputs]
    if form.order == 3:
        needed += [monomial(beta) for a, _ in form.terms for beta, _ in pairs(a)]
    if form.order == 4:
        needed += [monomial(beta) for a, _ in form.terms for beta, _ in pairs(a)]
        found = [contracted(form, i) for i in form.inputs]
        needed += [pair[0] for pair in found if pair is not None]
    return needed


@dataclass(frozen=True, slots=True)
class Output:
    """One request as Σ key × form over the carried forms; the empty index is the value itself."""

    field: int
    parts: tuple[tuple[Form | None, Key], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    forms: tuple[Form, ...]
    outputs: tuple[Output, ...]


class _Carried:
    """The set of forms under construction, closed under `needed_by`."""

    def __init__(self) -> None:
        self.forms: dict[Form, None] = {}

    def add(self, form: Form) -> Form:
        if form not in self.forms:
            for lower in needed_by(form):
                self.add(lower)
            self.forms[form] = None
        return form

    def has(self, index: MultiIndex) -> bool:
        return monomial(index) in self.forms


def _by_order(request: Request, keys: tuple[Key, ...]) -> dict[int, dict[MultiIndex, list[Key]]]:
    terms = (request.index,) if isinstance(request, Derivative) else request.terms
    groups: dict[int, dict[MultiIndex, list[Key]]] = {}
    for index, key in zip(terms, keys, strict=True):
        if key.factor:
            groups.setdefault(sum(index), {}).setdefault(index, []).append(key)
    return groups


@lru_cache(maxsize=256)
def lay_out(requests: tuple[Request, ...], keys: tuple[tuple[Key, ...], ...]) -> Layout:
    """Choose the carried forms: single derivatives first, then what sums still lack."""
    carried = _Carried()
    groups = [_by_order(request, k) for request, k in zip(requests, keys, strict=True)]

    def single(group: dict[MultiIndex, list[Key]]) -> bool:
        return len(group) == 1

    for by_order in groups:
        for order, group in by_order.items():
            if order and single(group):
                carried.add(monomial(next(iter(group))))
    parts: list[list[tuple[Form | None, Key]]] = [[] for _ in groups]
    # From the highest order down: what a high order carries anyway serves the lower ones.
    for order in range(HIGHEST_ORDER, -1, -1):
        for by_order, mine in zip(groups, parts, strict=True):
            group = by_order.get(order, {})
            repeated = any(len(listed) > 1 for listed in group.values())
            if order == 0:
                mine += [(None, key) for listed in group.values() for key in listed]
            elif single(group) or repeated or all(carried.has(index) for index in group):
                for index, listed in group.items():
                    form = carried.add(monomial(index))
                    mine += [(form, key) for key in listed]
            elif group:
                form, key = normal_form(order, {a: listed[0] for a, listed in group.items()})
                mine.append((carried.add(form), key))
    outputs = tuple(
        Output(request.field, tuple(mine)) for request, mine in zip(requests, parts, strict=True)
    )
    return Layout(tuple(carried.forms), outputs)
