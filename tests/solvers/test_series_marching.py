"""`time = taylor_series(…)`: orders, tolerances, kinds of space, and where it has no business."""

from __future__ import annotations

import numpy as np
import pytest

from pdesl.diagnostics import Diagnostic, SolverError, Source
from pdesl.run.pipeline import Solution, check
from pdesl.solvers.series_marching import order_for
from tests.runs import solved
from tests.solvers.test_time_alone import DRIVEN, PREY

WAVE = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
    f(t, x) : source
equations:
    ∂t²u = ∂x²u - u³ + f
boundary:
    u = exact(u)    on left
    ∂x u = ∂x exact(u)    on right
initial:
    u = exact(u)
    ∂t u = ∂t exact(u)
manufactured:
    u = 1 + x² t + x t³
solver:
    method = method_of_lines(space=finite_difference(12, order=4), time=taylor_series(rtol=1e-9))
"""
PERIODIC = """
domain:
    x ∈ periodic(0, 1)
    y ∈ periodic(0, 1)
    t ∈ [0, 0.5]
fields:
    u(t, x, y) : scalar
    f(t, x, y) : source
equations:
    ∂t u + u ∂x u + 0.5 ∂y u = stiff(0.001 ∇²u) + f
initial:
    u = exact(u)
manufactured:
    u = 2 + sin(2 π (x - t)) cos(2 π y)
solver:
    method = method_of_lines(space=fourier(8), time=taylor_series(rtol=1e-9))
"""
DISK = """
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
    t ∈ [0, 0.5]
fields:
    u(t, x, y) : scalar
    f(t, x, y) : source
equations:
    ∂t u - y ∂x u + x ∂y u = f
boundary:
    u = exact(u)    on ∂Ω
initial:
    u = exact(u)
manufactured:
    u = exp(-x² - y²) sin(x + 2 t)
solver:
    method = method_of_lines(space=rbf_fd(nodes=1100, order=3), time=taylor_series(rtol=1e-6))
"""


def worst(solution: Solution) -> float:
    return max(error.relative_l2 or error.linf for error in solution.errors.values())


def notes(text: str, *settings: str) -> list[Diagnostic]:
    return list(check(Source("course", text), settings).diagnostics)


@pytest.mark.parametrize("order", [3, 6])
def test_order_of_fixed_steps(order: int):
    steps = (0.1, 0.05)
    coarse, fine = (worst(solved(DRIVEN, f"taylor_series(order={order}, dt={d})")) for d in steps)
    assert order - 0.25 < np.log2(coarse / fine) < order + 0.75


@pytest.mark.parametrize("rtol", [1e-4, 1e-10])
def test_controlled_steps_follow_the_tolerance(rtol: float):
    solution = solved(DRIVEN, f"taylor_series(rtol={rtol})")
    assert worst(solution) < 10 * rtol
    assert solution.result.counts["evaluations"] < 120
    assert f"order {order_for(rtol)}" in " ".join(solution.result.notes)


def test_fewer_evaluations_than_steps_of_order_five():
    one, other = (solved(PREY, f"{name}(rtol=1e-9)") for name in ("taylor_series", "imex_rk5"))
    times = np.linspace(0, 10, 101)
    for name in "xy":
        assert one(times)[name] == pytest.approx(other(times)[name], abs=1e-7)
    assert 3 * one.result.counts["evaluations"] < other.result.counts["evaluations"]


def test_waves_on_a_grid_with_data_that_move():
    """The solution is a polynomial, exact in space."""
    assert worst(solved(WAVE)) < 1e-8


def test_advection_in_fourier_space():
    solution = solved(PERIODIC)
    assert worst(solution) < 1e-8
    assert "order 12" in " ".join(solution.result.notes)


def test_hyperviscosity_on_nodes_is_not_forgotten():
    one = solved(DISK)
    other = solved(DISK, "imex_rk4(rtol=1e-7)", "solver.space=rbf_fd(nodes=1100, order=3)")
    assert any("hyperviscosity" in note for note in one.result.notes)
    places = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2))
    inputs = np.column_stack([np.full(50, 0.5), places])
    gap = one.result.evaluate(inputs)["u"] - other.result.evaluate(inputs)["u"]
    assert np.abs(gap).max() < 1e-3 * worst(one)


STOPS = """
domain:
    t ∈ [0, 2]
fields:
    x(t) : scalar
equations:
    ∂t x = {}
initial:
    x = 1
solver:
    method = method_of_lines(time=taylor_series)
"""


@pytest.mark.parametrize("right", ["x²", "-sqrt(x)"])
def test_a_solution_without_a_series_ends_with_a_located_time(right: str):
    with pytest.raises(SolverError, match="t = ") as caught:
        solved(STOPS.format(right))
    assert caught.value.code in ("E740", "E741")


def test_a_jump_is_crossed_by_short_steps():
    solution = solved(STOPS.format("sign(1/2 - t) x"))
    assert float(solution(2.0)) == pytest.approx(np.exp(-1.0), rel=2e-5)
    assert solution.result.counts["rejected_steps"] > 3


def test_a_stiff_part_and_a_function_without_series_are_refused():
    text = WAVE.replace("∂t²u = ∂x²u", "∂t u = 10⁶ ∂x²u").replace("    ∂t u = ∂t exact(u)\n", "")
    (found,) = notes(text)
    assert found.code == "E648"
    (found,) = notes(STOPS.format("besselj(0, x)"))
    assert found.code == "E327"
    assert not notes(STOPS.format("besselj(0, x)"), "solver.time=imex_rk4")
