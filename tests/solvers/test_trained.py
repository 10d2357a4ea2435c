"""`dt_pinn` and `pinn`: they solve, they repeat, they stop by the loss, and they refuse by name."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import CapabilityError, ProblemError, SolverError, Source
from pdesl.run.checkpoint import CHECKPOINT
from pdesl.run.pipeline import Solution, load_source, run, solve
from pdesl.solvers.base import Monitor
from tests.helpers import RING

SMALL = ["solver.nodes=300", "solver.width=20", "solver.depth=2"]

FLOW = """
domain:
    x, y ∈ [0, 1]
fields:
    v(x, y) : vector
    f(x, y), g(x, y) : source
equations:
    (v·∇)v - 0.1 ∇²v = (f, g)
boundary:
    v = exact(v)    on ∂Ω
manufactured:
    v = (1 + sin(x) cos(y), cos(x) sin(y))
"""

HIGH = """
domain:
    x ∈ [0, 1]^4
fields:
    u(x) : scalar
    f(x) : source
equations:
    ∇²u + u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = sin(sum(x)/2)
"""

ROD = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 0.5]
fields:
    u(t, x) : scalar
    f(t, x) : source
equations:
    ∂t u = 0.2 ∂x²u - u² + f
boundary:
    u = exact(u)    on ∂Ω
initial:
    u = exact(u)
manufactured:
    u = exp(-t) sin(2x)
"""

SIXTH = """
domain:
    x ∈ [0, 1]
fields:
    u(x) : scalar
equations:
    ∂x⁶u + u = 720 + exact(u)
boundary:
    u = 0    on ∂Ω
    ∂x u = 0    on ∂Ω
    ∂x²u = 0    on ∂Ω
verify:
    u = x³ (x - 1)³
"""
TENTH = """
domain:
    x ∈ [0, 1]
fields:
    u(x) : scalar
equations:
    ∂x¹⁰u = 1
boundary:
    u = 0    on ∂Ω
    ∂x u = 0    on ∂Ω
    ∂x²u = 0    on ∂Ω
    ∂x³u = 0    on ∂Ω
    ∂x⁴u = 0    on ∂Ω
"""


def solved(source: Source, method: str, *settings: str) -> Solution:
    return solve(source, solver=method, overrides=list(settings))


def size(solution: Solution) -> float:
    return max(e.relative_l2 or 0.0 for e in solution.errors.values())


@pytest.mark.parametrize("method", ["dt_pinn", "pinn"])
def test_a_small_network_solves_the_nonlinear_problem(method: str):
    settings = [*SMALL, "solver.iterations=600", "solver.boundary_weight=2"]
    found = solved(load_source("nonlinear_poisson_disk"), method, *settings)
    assert size(found) < 2e-3
    assert found.result.history["loss"][-1] < 1e-3 * found.result.history["loss"][0]
    parts = found.result.losses
    assert parts["total"] == pytest.approx(parts["equations"] + 2 * parts["boundary"])


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    source = load_source("linear_poisson_disk")
    settings = [*SMALL, "solver.iterations=60"]
    points = np.linspace(-0.5, 0.5, 7)
    first = solved(source, "dt_pinn", *settings)(points, points)
    again = solved(source, "dt_pinn", *settings)(points, points)
    other = solved(source, "dt_pinn", *settings, "solver.seed=5")(points, points)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_training_stops_at_the_error_of_the_operators():
    settings = [*SMALL, "solver.order=2", "solver.iterations=800"]
    found = solved(load_source("linear_poisson_disk"), "dt_pinn", *settings)
    assert "RBF-FD operators" in found.result.stop_reason
    assert found.result.counts["iterations"] < 800
    assert found.result.losses["total"] <= found.result.losses["discretisation"]
    # Longer training fits the error of the operators: the solution gains nothing from it.
    longer = solved(load_source("linear_poisson_disk"), "dt_pinn", *settings, "solver.floor=0")
    assert size(found) < 2 * size(longer)


@pytest.mark.parametrize("optimiser", ["lbfgs(history=20)", "adam(learning_rate=3e-3)"])
def test_other_optimisers_lower_the_loss(optimiser: str):
    settings = [*SMALL, "solver.iterations=300", "solver.boundary_weight=1"]
    settings.append(f"solver.optimiser={optimiser}")
    found = solved(load_source("linear_poisson_disk"), "dt_pinn", *settings)
    assert found.result.history["loss"][-1] < 0.05 * found.result.history["loss"][0]


def test_single_precision_is_single_throughout():
    settings = [*SMALL, "solver.iterations=200", "solver.precision=float32"]
    found = solved(load_source("linear_poisson_disk"), "dt_pinn", *settings)
    assert found.result.arrays["layers/0/weight"].dtype == np.float32
    assert size(found) < 5e-2


@pytest.mark.parametrize(
    ("text", "method", "bound", "settings"),
    [
        (FLOW, "dt_pinn", 2e-3, ["solver.nodes=400"]),
        (FLOW, "pinn", 2e-3, ["solver.nodes=400"]),
        (HIGH, "pinn", 2e-2, ["solver.nodes=600"]),
        (ROD, "dt_pinn", 2e-3, ["solver.nodes=30", "solver.slices=11"]),
        (ROD, "pinn", 2e-3, ["solver.nodes=30", "solver.slices=11"]),
        (RING, "dt_pinn", 2e-2, ["solver.nodes=600"]),
    ],
    ids=["flow-dt", "flow-pinn", "four-dimensions", "rod-dt", "rod-pinn", "periodic"],
)
def test_systems_dimensions_time_and_periods(
    text: str, method: str, bound: float, settings: list[str]
):
    own = ["solver.width=20", "solver.depth=2", "solver.iterations=800", *settings]
    assert size(solved(Source("test.pde", text), method, *own)) < bound


def test_an_equation_of_order_six():
    own = ["solver.width=20", "solver.depth=2", "solver.iterations=600", "solver.nodes=30"]
    assert size(solved(Source("test.pde", SIXTH), "pinn", *own)) < 1e-3


@pytest.mark.parametrize(
    ("text", "method", "code"),
    [
        (HIGH, "dt_pinn", "E615"),
        (RING, "pinn", "E616"),
        (TENTH, "pinn", "E618"),
    ],
    ids=["dimension", "period", "order"],
)
def test_what_a_method_cannot_do_it_says_with_the_place(text: str, method: str, code: str):
    with pytest.raises(CapabilityError) as caught:
        solved(Source("test.pde", text), method)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.span is not None


def test_options_are_checked_before_any_work():
    with pytest.raises(ProblemError) as caught:
        solved(load_source("linear_poisson_disk"), "dt_pinn", "solver.ordr=5", "solver.nodes=1.5")
    assert {d.code for d in caught.value.diagnostics} == {"E502", "E503"}
    assert any("order" in h for d in caught.value.diagnostics for h in d.helps)


def test_a_loss_that_is_not_finite_names_its_part():
    text = HIGH.replace("^4", "^2").replace("∇²u + u = f", "∇²u + log(u - 5) = f")
    text = text.replace("sin(sum(x)/2)", "6 + sin(sum(x)/2)")
    with pytest.raises(SolverError, match="equations") as caught:
        solved(Source("test.pde", text), "dt_pinn", *SMALL)
    assert caught.value.code == "E701"


def test_a_condition_without_nodes_says_so():
    text = FLOW.replace("v = exact(v)    on ∂Ω", "v = exact(v)    on x > 0.002\n"
                        "    v = exact(v)    on x < 0.002")  # fmt: skip
    text = text.replace("x, y ∈ [0, 1]", "Ω = disk(center=(1, 0), radius=1)\n    x, y ∈ Ω")
    with pytest.raises(SolverError) as caught:
        solved(Source("test.pde", text), "dt_pinn", "solver.nodes=100", "solver.order=2")
    assert caught.value.code == "E702"
    assert "x < 0.002" in str(caught.value)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path):
    """Ctrl-C leaves the best network and a checkpoint, which leads to the same bits."""
    from pdesl.run.progress import SilentObserver

    class Impatient(SilentObserver):
        def train(self, progress: object) -> None:
            raise KeyboardInterrupt

    source = load_source("linear_poisson_disk")
    settings = (
        "solver.nodes=100", "solver.width=8", "solver.depth=2", "solver.iterations=8",
        "solver.order=2", "solver.checkpoint=0",
    )  # fmt: skip
    whole = run(source, output=tmp_path / "whole", overrides=settings)
    folder = tmp_path / "parts"
    first = run(source, output=folder, overrides=settings, observer=Impatient())
    assert first.interrupted
    assert (folder / "poisson.h5").is_file()
    assert 0 < first.metrics["counts"]["iterations"] < 8  # type: ignore[index]
    again = run(source, output=folder, overrides=settings, resume=True)
    assert again.metrics["counts"] == whole.metrics["counts"]
    assert (folder / "poisson.h5").read_bytes() == (tmp_path / "whole/poisson.h5").read_bytes()
    assert not (folder / CHECKPOINT).exists()


@pytest.mark.parametrize("method", ["dt_pinn", "pinn"])
def test_a_monitor_sees_the_errors_of_the_present_network(method):
    seen = []

    def look(snapshot):
        seen.append((snapshot.iteration, snapshot.loss, snapshot.errors()["u"].relative_l2))
        return snapshot.iteration == 120

    settings = [*SMALL, "solver.iterations=200"]
    source = load_source("linear_poisson_disk")
    solution = solve(source, solver=method, overrides=settings, monitor=Monitor(look, every=40))
    assert [iteration for iteration, _, _ in seen] == [40, 80, 120]
    assert solution.result.counts["iterations"] == 120
    assert solution.result.stop_reason == "stopped by the caller"
    assert seen[0][1] > seen[1][1] >= seen[2][1] == solution.result.losses["total"]
    assert seen[2][2] == solution.errors["u"].relative_l2


def test_a_monitor_is_refused_where_nothing_trains():
    with pytest.raises(ValueError, match="`rbf_fd` does not train"):
        solve(load_source("linear_poisson_disk"), solver="rbf_fd", monitor=Monitor(print))
    wrong: list[Any] = [0, -1, 1.5, True]
    for every in wrong:
        with pytest.raises(ValueError, match="every 1, 2"):
            Monitor(print, every=every)


SECOND_IN_TIME = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 0.5]
fields:
    u(t, x) : scalar
    f(t, x) : source
equations:
    ∂t²u = ∂x²u + f
boundary:
    u = exact(u)    on ∂Ω
initial:
    u = exact(u)
    ∂t u = ∂t exact(u)
manufactured:
    u = exp(-t) sin(2x)
"""


class _Caught(Exception):
    pass


@pytest.mark.parametrize(
    ("method", "text", "more"),
    [
        ("dt_pinn", FLOW, []),
        ("pinn", FLOW, []),
        ("dt_pinn", ROD, []),
        ("dt_pinn", ROD, ["solver.time_derivative=stencils"]),
        ("pinn", ROD, []),
        ("dt_pinn", SECOND_IN_TIME, []),
        ("dt_pinn", SECOND_IN_TIME, ["solver.time_derivative=stencils"]),
    ],
)
def test_the_loss_is_the_sum_of_squares_of_its_residuals(method, text, more, monkeypatch):
    """Values and gradients agree, and the Jacobian is that of automatic differentiation."""
    caught = {}

    def catch(task, network, loss, data, cloud, *, residuals, **_):
        caught.update(network=network, loss=loss, data=data, residuals=residuals)
        raise _Caught

    module = import_module(f"pdesl.solvers.{method}")
    monkeypatch.setattr(module, "train", catch)
    settings = ["solver.nodes=90", "solver.slices=4", "solver.width=6", "solver.depth=2", *more]
    with pytest.raises(_Caught):
        solve(Source("test", text), solver=method, overrides=settings)
    network, data, residuals = caught["network"], caught["data"], caught["residuals"]

    value, gradient = jax.value_and_grad(lambda n: caught["loss"](n, data)[0])(network)
    vector = residuals.vector(network, data)
    assert float(vector @ vector) == pytest.approx(float(value), rel=1e-12)
    jacobian = residuals.jacobian(network, data)
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])
    scale = np.max(np.abs(flat))
    np.testing.assert_allclose(2.0 * vector @ jacobian, flat, atol=1e-11 * scale)
    generator = np.random.default_rng(0)
    direction = jax.tree.map(lambda p: jnp.asarray(generator.normal(size=p.shape)), network)
    step = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(direction)])
    slope = jax.jvp(lambda n: residuals.vector(n, data), (network,), (direction,))[1]
    np.testing.assert_allclose(jacobian @ step, slope, atol=1e-11 * np.max(np.abs(slope)))


def test_derivatives_in_time_by_differences():
    settings = [
        "solver.nodes=40", "solver.width=12", "solver.depth=2", "solver.iterations=600",
        "solver.slices=15",
    ]  # fmt: skip
    errors = []
    for choice in ("exact", "stencils"):
        chosen = [*settings, f"solver.time_derivative={choice}"]
        solution = solve(Source("rod", ROD), overrides=chosen)
        errors.append(solution.errors["u"].relative_l2)
    assert max(errors) < 2e-3


def test_differences_in_time_need_slices():
    settings = ["solver.time_derivative=stencils", "solver.slices=2", "solver.nodes=90"]
    solve_it = partial(solve, Source("wave", SECOND_IN_TIME), overrides=settings)
    with pytest.raises(ProblemError) as caught:
        solve_it()
    (found,) = caught.value.diagnostics
    assert found.code == "E514"
    assert "order 2 in time needs 3 time slices" in found.message


@pytest.mark.parametrize("method", ["dt_pinn", "pinn"])
def test_levenberg_marquardt(method):
    settings = [
        "solver.nodes=200", "solver.width=10", "solver.depth=2", "solver.iterations=80",
        "solver.optimiser=levenberg_marquardt(damping=1e-3)",
    ]  # fmt: skip
    solution = solve(load_source("linear_poisson_disk"), solver=method, overrides=settings)
    assert (solution.errors["u"].relative_l2 or 1.0) < 2e-3
