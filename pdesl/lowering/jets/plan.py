"""Which derivatives the rows of a problem need of a network, and the cheapest way to them.

For every row and field, three ways are counted and priced:

- layers: collapsed propagation written out for layered networks (`pdesl.lowering.taylor`), which
  carries the partial derivatives that the formula of Faà di Bruno refers to;
- directions: collapsed series along the least set of directions (`directions`, `collapsed`),
  for any function;
- nested: derivatives of derivatives, a Hessian for each two orders.

The price is that of a loss's gradient, in units of one quantity carried through the layers. Per
carried quantity it is a constant for each order of the row, as measured by
`benchmarks/taylor/spatial.py` (orders 2 and 4; orders 1 and 3 interpolated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy

from pdesl.diagnostics import ProblemError
from pdesl.ir.system import LinearTerm, Row, System
from pdesl.lowering.activations import HIGHEST_ORDER
from pdesl.lowering.jet_layout import CollapsedSum, Derivative, Key, MultiIndex, Request, lay_out
from pdesl.lowering.jets.directions import DirectionPlan, Operator, directions_for
from pdesl.symbolic.functions import constant_value
from pdesl.symbolic.jets import Jet, format_jet

__all__ = ["JetPlan", "Way", "format_jets", "plan_jets"]

# Price of one carried quantity by order, relative to order 2 of `layers`.
_LAYERS = {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.5, 4: 2.1}
_DIRECTIONS = {0: 1.05, 1: 1.05, 2: 1.05, 3: 1.5, 4: 2.1}


def _nested(order: int, inputs: int) -> float:
    """Price of nested derivatives in so many inputs: measured as affine and as quadratic."""
    second, fourth = 2.7 + 4.0 * inputs, 41.0 * inputs**2
    prices = {0: 1.0, 1: 2.0, 2: second, 3: (second * fourth) ** 0.5, 4: fourth}
    return prices.get(order, fourth * 8.0 ** (order - 4))


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a row's derivatives: how many quantities it carries, and its price."""

    name: str
    carried: int | None
    price: float


@dataclass(frozen=True, slots=True)
class JetPlan:
    """What one row needs of one field. `sums` are collapsed sums of the linear part; `single`
    derivatives stand in the nonlinear part; `ways` come cheapest first."""

    row: str
    field: str
    order: int
    sums: tuple[tuple[Jet, ...], ...]
    single: tuple[Jet, ...]
    directions: DirectionPlan | None
    ways: tuple[Way, ...]


def plan_jets(system: System) -> tuple[JetPlan, ...]:
    """The plans of all rows, fields that a row lacks left out."""
    try:
        values: Mapping[sympy.Symbol, float] = system.problem.parameter_values()
    except ProblemError:  # a parameter without a value is as good as a varying coefficient
        values = {}
    plans = []
    for row in system.all_rows:
        for field in system.fields:
            found = _plan(row, field, system, values)
            if found is not None:
                plans.append(found)
    return tuple(plans)


def _plan(
    row: Row, field: str, system: System, values: Mapping[sympy.Symbol, float]
) -> JetPlan | None:
    terms = [t for t in (*row.mass, *row.linear) if t.jet.field == field]
    single = tuple(j for j in system.space.jets(row.nonlinear) if j.field == field)
    if not terms and not single:
        return None
    constants = [_constant(term, values) for term in terms]
    requests: list[Request] = []
    keys: list[tuple[Key, ...]] = []
    if terms:
        requests.append(CollapsedSum(tuple(term.jet.orders for term in terms)))
        keys.append(tuple(Key(n) if c is None else Key(-1, c) for n, c in enumerate(constants)))
    requests += [Derivative(jet.orders) for jet in single]
    keys += [(Key(),)] * len(single)
    order = max(sum(jet.orders) for jet in (*(t.jet for t in terms), *single))
    operators = _operators(terms, constants, single)
    directions = directions_for(operators) if order else None
    moving = {i for operator in operators for index in operator for i, a in enumerate(index) if a}
    ways: list[Way] = []
    if order <= HIGHEST_ORDER:
        carried = 1 + len(lay_out(tuple(requests), tuple(keys)).forms)
        ways.append(Way("layers", carried, carried * _LAYERS[order]))
    if directions is not None:
        # The sum is one quantity, be its coefficients constant or not.
        tops = any(sum(t.jet.orders) == order for t in terms)
        tops += sum(sum(jet.orders) == order for jet in single)
        carried = 1 + len(directions) * (order - 1) + tops
        price = _DIRECTIONS.get(order, 2.1 * 1.4 ** (order - 4))
        ways.append(Way("directions", carried, carried * price))
    ways.append(Way("nested", None, _nested(order, max(1, len(moving)))))
    return JetPlan(
        row.name,
        field,
        order,
        (tuple(term.jet for term in terms),) if terms else (),
        single,
        directions,
        tuple(sorted(ways, key=lambda way: way.price)),
    )


def _constant(term: LinearTerm, values: Mapping[sympy.Symbol, float]) -> float | None:
    """The coefficient of a term where it is a number."""
    if term.coefficient.free_symbols - set(values):
        return None
    return constant_value(term.coefficient, values)


def _operators(
    terms: Sequence[LinearTerm], constants: Sequence[float | None], single: Sequence[Jet]
) -> list[Operator]:
    """Homogeneous operators: one for the constant terms of each order, one for each other."""
    groups: dict[int, dict[MultiIndex, float]] = {}
    alone: dict[MultiIndex, None] = {jet.orders: None for jet in single}
    for term, constant in zip(terms, constants, strict=True):
        index = term.jet.orders
        if constant is None:
            alone[index] = None
        elif constant:
            group = groups.setdefault(sum(index), {})
            group[index] = group.get(index, 0.0) + constant
    return [*groups.values(), *({index: 1.0} for index in alone)]


def format_jets(plans: Sequence[JetPlan], system: System) -> str:
    """The plans as text: what `pdesl show --stage jets` prints."""
    coordinates = system.space.coordinates

    def written(jet: Jet) -> str:
        return format_jet(jet, coordinates)

    lines = [f"coordinates  {', '.join(s.name for s in coordinates)}"]
    for plan in plans:
        lines += ["", f"{plan.row}, {plan.field}: order {plan.order}"]
        for jets in plan.sums:
            lines.append(f"    sum         {', '.join(map(written, jets))}")
        if plan.single:
            lines.append(f"    nonlinear   {', '.join(map(written, plan.single))}")
        if plan.directions is not None and len(plan.directions):
            vectors = (
                "(" + ", ".join(f"{c:.4g}" for c in v) + ")" for v in plan.directions.directions
            )
            lines.append(f"    along       {', '.join(vectors)}")
        for number, way in enumerate(plan.ways):
            carried = "" if way.carried is None else f"carries {way.carried}"
            chosen = "  chosen" if number == 0 else ""
            lines.append(f"    {way.name:<11} {carried:<12} price {way.price:6.1f}{chosen}")
    lines += ["", "price: of a gradient; 1 is one quantity through the layers of a network"]
    return "\n".join(lines)
