"""Plans of derivatives: what a row needs, what each way carries, which way is cheapest."""

from __future__ import annotations

import pytest

from pdesl.lowering.jets.plan import format_jets, plan_jets
from tests.strategies_symbolic import ALL_FILES, read, system_of

FRAME = """pdesl 1
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    {}

boundary:
    u = 0    on ∂Ω
"""


def plan_of(equation: str):
    system = system_of(FRAME.format(equation))
    return plan_jets(system)[0], system


def carried(plan) -> dict[str, int | None]:
    return {way.name: way.carried for way in plan.ways}


def test_a_laplacian_is_one_sum_along_two_directions() -> None:
    plan, _ = plan_of("∇²u + u^3 = 1")
    assert plan.order == 2
    assert len(plan.sums[0]) == 2
    assert [jet.orders for jet in plan.single] == [(0, 0)]
    assert plan.directions is not None
    assert len(plan.directions) == 2
    # The value, two slopes, the sum.
    assert carried(plan) == {"layers": 4, "directions": 4, "nested": None}


def test_the_biharmonic_operator_takes_three_directions() -> None:
    plan, system = plan_of("∇²(∇²u) = 1")
    assert plan.directions is not None
    assert len(plan.directions) == 3
    assert carried(plan)["directions"] == 1 + 3 * 3 + 1
    assert plan.ways[0].name == "layers"
    assert plan.ways[-1].name == "nested"
    text = format_jets([plan], system)
    assert "order 4" in text
    assert "layers" in text.split("chosen")[0]


def test_a_mixed_partial_is_polarised_and_variable_coefficients_stay_apart() -> None:
    plan, _ = plan_of("∂x∂y u = 1")
    assert plan.directions is not None
    assert len(plan.directions) == 2
    plan, _ = plan_of("(1 + x) ∂x² u + ∂y² u = 1")
    assert plan.directions is not None
    assert len(plan.directions.orders) == 2
    assert carried(plan)["directions"] == 1 + 2 + 1  # the sum is one all the same


def test_an_order_beyond_the_layers_leaves_the_directions() -> None:
    plan, _ = plan_of("∂x²∂x²∂x² u + u = 1")
    assert plan.order == 6
    assert set(carried(plan)) == {"directions", "nested"}
    assert plan.ways[0].name == "directions"


@pytest.mark.parametrize("path", ALL_FILES[::4], ids=lambda path: path.stem)
def test_every_problem_has_a_plan(path) -> None:
    from pdesl.ir.normalise import normalise

    system = normalise(read(path))
    plans = plan_jets(system)
    assert {plan.row for plan in plans} <= {row.name for row in system.all_rows}
    for plan in plans:
        prices = [way.price for way in plan.ways]
        assert prices == sorted(prices)
    assert format_jets(plans, system).count("chosen") == len(plans)
