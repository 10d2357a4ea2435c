"""The direct solver: orders, Newton, systems, fourth order, and matrices that are singular."""

import numpy as np
import pytest

from pdesl.diagnostics import CapabilityError, SolverError, Source
from pdesl.lowering.interpolant import NodalInterpolant
from pdesl.run.pipeline import Solution, load_source, solve
from pdesl.solvers import linear, rbf_fd
from tests.helpers import NEUMANN, RING

PLATE = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
fields:
    w(x, y) : scalar
    q(x, y) : source
equations:
    ∇⁴w = q
boundary:
    w = exact(w)    on ∂Ω
    ∂n w = ∂n exact(w)    on ∂Ω
manufactured:
    w = sin(x) cos(y) + x²
"""

SYSTEM = """
domain:
    x, y ∈ [0, 1]
fields:
    a(x, y), b(x, y) : scalar
    f(x, y), g(x, y) : source
equations:
    ∇²a - a b = f
    ∇²b + a² ∂x b = g
boundary:
    a = exact(a)    on ∂Ω
    b = exact(b)    on x = 0, x = 1
    ∂n b = ∂n exact(b)    on y = 0, y = 1
manufactured:
    a = 1 + sin(x + y)
    b = cos(x - y)
"""

QUASILINEAR = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇·((1 + u²) ∇u) = f
boundary:
    u = exact(u)    on x > 0
    ∂n u = ∂n exact(u)    on x ≤ 0
manufactured:
    u = sin(x) cos(2 y)
"""

BALL = """
domain:
    Ω = ball(radius=1)
    x, y, z ∈ Ω
fields:
    a(x, y, z), b(x, y, z) : scalar
    f(x, y, z), g(x, y, z) : source
equations:
    ∇²a - b = f
    ∇²b + a = g
boundary:
    a = exact(a)    on ∂Ω
    ∂n b + b = ∂n exact(b) + exact(b)    on ∂Ω
manufactured:
    a = sin(x) cos(2 y) + z
    b = cos(x z)
"""

TORUS = """
domain:
    x, y ∈ periodic(0, 2π)
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇²u - u = f
manufactured:
    u = sin(x) cos(2 y)
"""


def size(solution: Solution) -> float:
    """The largest relative error of a field."""
    return max(e.relative_l2 or 0.0 for e in solution.errors.values())


def error(text: str, **options: object) -> float:
    overrides = [f"solver.{name}={value}" for name, value in options.items()]
    solution = solve(Source("test.pde", text), solver="rbf_fd", overrides=overrides)
    return size(solution)


def test_catalogue_problem_reaches_the_floor_of_its_operators():
    solution = solve(load_source("linear_poisson_disk"), solver="rbf_fd")
    assert size(solution) < 1e-5
    solution = solve(
        load_source("linear_poisson_disk"), solver="rbf_fd", overrides=["solver.order=5"]
    )
    assert size(solution) < 1e-6


@pytest.mark.parametrize("order", [2, 3, 4])
def test_order_of_convergence(order: int):
    source = load_source("linear_poisson_disk")
    sizes = []
    for nodes in (400, 800, 1600, 3200):
        settings = [f"solver.nodes={nodes}", f"solver.order={order}"]
        found = solve(source, solver="rbf_fd", overrides=settings)
        sizes.append(size(found))
    slope = np.polyfit(np.log(np.sqrt([400, 800, 1600, 3200])), np.log(sizes), 1)[0]
    assert -slope > order - 0.3, sizes


def test_newton_converges_quadratically():
    solution = solve(load_source("nonlinear_poisson_disk"), solver="rbf_fd")
    assert size(solution) < 1e-5
    residuals = solution.result.history["residual"]
    assert len(residuals) < 10
    assert residuals[-1] < 1e-9


@pytest.mark.parametrize(
    ("text", "bound"),
    [(PLATE, 1e-5), (SYSTEM, 1e-6), (RING, 1e-5), (TORUS, 1e-4), (QUASILINEAR, 1e-6)],
    ids=["plate", "system", "periodic", "torus", "quasilinear"],
)
def test_other_problems(text: str, bound: float):
    assert error(text, nodes=1500, order=4) < bound


def test_a_solution_is_a_function_of_the_coordinates():
    solution = solve(Source("test.pde", SYSTEM), solver="rbf_fd")
    found = solution(np.linspace(0.1, 0.9, 5)[:, None], np.linspace(0.2, 0.8, 3))
    assert found["a"].shape == (5, 3)
    exact = 1 + np.sin(np.linspace(0.1, 0.9, 5)[:, None] + np.linspace(0.2, 0.8, 3))
    assert np.abs(found["a"] - exact).max() < 1e-4
    with pytest.raises(TypeError, match="x, y"):
        solution(0.5)


def test_a_singular_problem_says_so():
    with pytest.raises(SolverError, match="`u` is free by a constant") as caught:
        solve(Source("test.pde", NEUMANN), solver="rbf_fd")
    assert caught.value.code == "E704"
    assert "Neumann" in caught.value.advice
    # An eigenvalue of the discrete problem, which no symbol tells: zero to rounding.
    text = NEUMANN.replace("∇²u = x - 1/2", "∇²u + 1e-14 u = x - 1/2")
    with pytest.raises(SolverError, match="singular") as caught:
        solve(Source("test.pde", text), solver="rbf_fd")
    assert caught.value.code == "E704"


def test_a_hopeless_newton_names_the_row():
    text = SYSTEM.replace("a b = f", "exp(a²) = f").replace("1 + sin(x + y)", "2 + sin(x + y)")
    with pytest.raises(SolverError, match="Newton") as caught:
        solve(Source("test.pde", text), solver="rbf_fd", overrides=["solver.iterations=2"])
    assert caught.value.code == "E705"


def test_time_is_refused_with_a_reason():
    text = NEUMANN.replace("    x, y ∈ [0, 1]", "    x, y ∈ [0, 1]\n    t ∈ [0, 1]")
    text = text.replace("u(x, y)", "u(t, x, y)").replace("∇²u = ", "∂t u = ∇²u + ")
    text += "initial:\n    u = 0\n"
    with pytest.raises(CapabilityError, match="steady"):
        solve(Source("test.pde", text), solver="rbf_fd")


def test_many_nodes_in_space_are_iterated(monkeypatch):
    settings = ["solver.order=3", "solver.nodes=1200"]
    exact = solve(Source("test.pde", BALL), solver="rbf_fd", overrides=settings)
    monkeypatch.setattr(linear, "MOST_OPERATIONS", {3: 1e6})
    found = solve(Source("test.pde", BALL), solver="rbf_fd", overrides=settings)
    assert "LU (nested dissection)" in exact.result.stop_reason
    assert "incomplete LU" in found.result.stop_reason
    assert found.result.counts["factor_entries"] < exact.result.counts["factor_entries"] / 2
    difference = np.abs(found.result.arrays["values"] - exact.result.arrays["values"])
    assert difference.max() < 1e-9
    assert size(found) < 1e-3


def test_newton_starts_from_fewer_nodes_and_factorises_once(monkeypatch):
    source = load_source("nonlinear_poisson_disk")
    plain = solve(source, solver="rbf_fd")
    monkeypatch.setattr(rbf_fd, "FEW_NODES", 1000)
    started = solve(source, solver="rbf_fd")
    assert plain.result.counts["factorisations"] == 1
    assert started.result.counts["factorisations"] == 1
    assert started.result.counts["iterations"] < plain.result.counts["iterations"]
    assert "207 nodes" in started.result.stop_reason
    difference = np.abs(started.result.arrays["values"] - plain.result.arrays["values"])
    assert difference.max() < 1e-9


def test_a_start_that_fails_is_done_without(monkeypatch):
    monkeypatch.setattr(rbf_fd, "FEW_NODES", 100)
    settings = ["solver.nodes=150", "solver.order=4"]  # 18 nodes hold no stencil
    source = load_source("nonlinear_poisson_disk")
    found = solve(source, solver="rbf_fd", overrides=settings)
    assert "started" not in found.result.stop_reason
    assert size(found) < 1e-2


def test_the_solution_is_rebuilt_from_its_arrays():
    solution = solve(Source("test.pde", RING), solver="rbf_fd")
    result = solution.result
    again = NodalInterpolant.rebuild(
        result.arrays,
        degree=int(result.attributes["degree"]),
        centres=int(result.attributes["centres"]),
    )
    places = np.random.default_rng(0).uniform(0.0, 1.0, (50, 2))
    assert np.array_equal(again(places)[0], solution(*places.T))
    slope = again(places, (1, 0))[0]
    assert np.abs(slope - np.cos(places[:, 0]) * np.exp(places[:, 1])).max() < 1e-4
