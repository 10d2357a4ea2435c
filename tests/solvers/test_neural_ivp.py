"""Neural-IVP: its parts against definitions, its solutions against known ones, resumed runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import OutputError, SolverError, Source
from pdesl.ir.ansatz import make_ansatz
from pdesl.ir.boundary_factors import part_factors
from pdesl.ir.samples import boundary_sample
from pdesl.lowering.embedding import make_embedding
from pdesl.lowering.taylor import Derivative, plan
from pdesl.run import pipeline
from pdesl.run.checkpoint import CHECKPOINT, read_start
from pdesl.run.progress import SilentObserver, TrainingProgress
from pdesl.solvers.explicit_pairs import PAIRS
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.neural_method import NeuralMethod
from pdesl.solvers.sampling import Purpose, draw_boundary, draw_inside
from pdesl.solvers.velocity import pack
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.geometry import (
    Annulus,
    Ball,
    Box,
    Difference,
    Disk,
    Ellipse,
    Interval,
    Polygon,
    Product,
)

TRAVEL = """
domain:
    x, y ∈ [-1, 1]
    t ∈ [0, 0.1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∂x u + ∂y u

boundary:
    u = exact(u)    on ∂Ω

initial:
    u = exact(u)

solver:
    method = neural_ivp(width=8, depth=2, frequencies=1, samples=150, checkpoint=0,
        linear=gram(regularisation=1e-9), integrator=rk23(rtol=1e-3), residual_samples=100,
        fit=levenberg_marquardt(iterations=10))

verify:
    u = exp(-4 ((x + t)² + (y + t)²))
"""


# -- explicit pairs ------------------------------------------------------------------------

END = 2.0


def integrated(pair, steps: int, weights: np.ndarray) -> float:
    """The error at the end of y' = i y cos t, by steps of one size."""

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        return np.array([y[1] * np.cos(t), -y[0] * np.cos(t)])

    y, h = np.array([0.0, 1.0]), END / steps
    for n in range(steps):
        stages: list[np.ndarray] = []
        for row, node in zip(pair.matrix, pair.nodes, strict=True):
            inner = sum((h * a * k for a, k in zip(row, stages, strict=False)), np.zeros(2))
            stages.append(slope((n + node) * h, y + inner))
        y = y + h * sum(b * k for b, k in zip(weights, stages, strict=True))
    return float(np.linalg.norm(y - [np.sin(np.sin(END)), np.cos(np.sin(END))]))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=lambda pair: pair.name)
def test_pairs_have_their_orders(pair):
    for weights, order in ((pair.weights, pair.order), (pair.embedded, None)):
        wanted = order or 2 * pair.power - 1 - pair.order
        coarse, fine = (integrated(pair, n, weights) for n in (10, 20))
        assert np.log2(coarse / fine) == pytest.approx(wanted, abs=0.5)
        assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert pair.first_is_last == (pair.name != "rk78")


# -- features and jets ---------------------------------------------------------------------


def nested(first, points, index):
    function = first
    for axis, count in enumerate(index):
        for _ in range(count):

            def derived(x, inner=function, axis=axis):
                return jax.jvp(inner, (x,), (jnp.zeros_like(x).at[axis].set(1.0),))[1]

            function = derived
    return jax.vmap(function)(points)


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.integers(0, 3),
    st.floats(0.0, 2.0),
    st.booleans(),
    st.integers(0, 2),
)
def test_jets_of_an_embedded_network_are_those_of_nested_differentiation(
    index, frequencies, alpha, periodic, layers
):
    embedding = make_embedding(
        [-1.0, 0.0], [1.0, 3.0], [False, periodic and frequencies > 0],
        frequencies=frequencies, alpha=alpha, layers=layers,
    )  # fmt: skip
    size = embedding.outputs
    assert embedding.features(jnp.zeros((3, 2))).shape == (3, size)
    network = make_network(NetworkOptions(5, 2, "swish"), [-1.0] * size, [1.0] * size, seed=3)
    points = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (6, 2)))
    (found,) = plan([Derivative(index)]).evaluate(network, points, embedding=embedding)
    expected = nested(lambda x: network(embedding.features(x[None]))[0, 0], points, index)
    scale = float(jnp.max(jnp.abs(expected))) or 1.0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * scale)


def test_features_of_a_periodic_coordinate_are_periodic():
    embedding = make_embedding([2.0], [5.0], [True], frequencies=3)
    points = jnp.asarray([[2.1], [3.7]])
    np.testing.assert_allclose(
        embedding.features(points), embedding.features(points + 3.0), atol=1e-12
    )
    with pytest.raises(ValueError, match="at least one frequency"):
        make_embedding([0.0], [1.0], [True], frequencies=0)


# -- boundaries ----------------------------------------------------------------------------

x, y, z = sympy.symbols("x y z", real=True)
REGIONS = {
    "interval": Interval(-1.0, 2.0),
    "box": Box((0.0, -1.0, 2.0), (1.0, 1.0, 5.0)),
    "disk": Disk((1.0, 2.0), 3.0),
    "ball": Ball((1.0, 0.0, 2.0), 0.5),
    "ellipse": Ellipse((1.0, 0.0), (2.0, 1.0), 0.7),
    "annulus": Annulus((0.0, 1.0), 1.0, 2.0),
    "triangle": Polygon(((0.0, 0.0), (0.5, 2.0), (2.0, 0.0))),
    "cylinder": Product((Disk((0.0, 0.0), 1.0), Interval(0.0, 2.0))),
    "holed": Difference((Box((-1.0, -1.0), (1.0, 1.0)), Disk((0.0, 0.0), 0.5))),
}


@pytest.mark.parametrize("name", REGIONS)
def test_factors_vanish_on_their_part_alone(name: str):
    region = REGIONS[name]
    symbols = (x, y, z)[: region.dimension]
    factors = part_factors(region, symbols)
    assert set(factors) == set(range(len(region.part_names)))
    sample = boundary_sample(region)
    inside = draw_inside(region, 400, seed=1, purpose=Purpose.CHECK, number=0)
    for part, factor in factors.items():
        (function,) = [make_function([factor], symbols, numpy_namespace())]
        own = sample.points[sample.part == part]
        assert np.abs(function(*own.T)[0]).max() < 1e-9
        values = function(*inside.T)[0]
        assert np.min(values) > 0
        assert np.max(values) <= 1.5


def test_what_has_no_smooth_distance_has_no_factor():
    corner = Polygon(((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (1.0, 0.5)))
    assert part_factors(corner, (x, y)) == {}
    hole = Difference((Box((-1.0, -1.0), (1.0, 1.0)), Box((-0.5, -0.5), (0.5, 0.5))))
    assert set(part_factors(hole, (x, y))) == {0, 1, 2, 3}


HEAT = """
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∇²u

boundary:
    {conditions}

initial:
    u = x + 2 y
"""


def ansatz_of(conditions: str):
    source = Source("heat.pde", HEAT.format(conditions=conditions))
    system = pipeline.compile(source, "evolution")
    return make_ansatz(system, Box((0.0, 0.0), (1.0, 1.0)), {})


def test_data_on_a_box_are_lifted_by_transfinite_interpolation():
    found = ansatz_of("u = x + 2 y + t x y    on ∂Ω")
    (entry,) = found.fields
    own: Any = {str(s): s for s in entry.lift.free_symbols}
    for point in ((0, 0.3), (1, 0.7), (0.2, 0), (0.9, 1)):
        at: Any = {own["x"]: point[0], own["y"]: point[1], own["t"]: 0.5}
        wanted = point[0] + 2 * point[1] + 0.5 * point[0] * point[1]
        assert float(entry.lift.subs(at)) == pytest.approx(wanted, abs=1e-12)
        assert float(entry.factor.subs(at)) == 0.0
    assert not found.penalties


def test_conditions_on_derivatives_are_penalties():
    found = ansatz_of("u = 0    on left, right\n    ∂n u + u = 0    on bottom, top")
    (entry,) = found.fields
    assert {str(s) for s in entry.factor.free_symbols} == {"x"}
    assert [p.reason for p in found.penalties] == ["it holds derivatives"]


def test_draws_depend_on_their_number_alone():
    region = Annulus((0.0, 0.0), 1.0, 2.0)
    draws = [draw_inside(region, 50, seed=3, purpose=Purpose.STEP, number=k) for k in (0, 1, 0)]
    assert np.array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], draws[1])
    assert all(region.contains(d).all() for d in draws)
    places = draw_boundary(region, 60, seed=3, number=0)
    assert np.abs(region.level(places.points)).max() < 1e-12
    # Twice as many on the circle of twice the radius.
    assert np.mean(places.part == 1) == pytest.approx(2 / 3, abs=0.05)


# -- whole runs ----------------------------------------------------------------------------


WAVE = """
domain:
    x ∈ periodic(0, 2 π)
    t ∈ [0, 0.5]

fields:
    u(t, x) : scalar

equations:
    ∂t²u = ∂x²u

initial:
    u = sin(x)
    ∂t u = 0

solver:
    method = neural_ivp(width=8, depth=2, frequencies=2, samples=100, residual_samples=200,
        fit=levenberg_marquardt(iterations=15), integrator=rk45(rtol=1e-4), {more})

verify:
    u = sin(x) cos(t)
"""


class Interrupting(SilentObserver):
    """Ctrl-C after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def train(self, progress: TrainingProgress) -> None:
        if progress.quantity == "t" and progress.iteration == self.steps:
            raise KeyboardInterrupt


# A small problem whose course has everything: a field at rest, adaptive samples, μ that is chosen
# and looked at again, a restart.
COURSE = WAVE.format(
    more="sampling=adaptive(share=0.3), restarts=refit(count=1), checkpoint=0"
).replace("0.5]", "0.2]")


# Samples that are particles with weights.
PARTICLES = TRAVEL.replace("samples=150", "samples=150, sampling=annealed(share=0.5)")


@pytest.mark.parametrize("text", [PARTICLES, COURSE], ids=["particles", "at rest"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, text: str):
    source = Source("travel.pde", text)
    whole = pipeline.run(source, output=tmp_path / "whole")
    assert whole.metrics["errors"]["u"].relative_l2 < 2e-2  # type: ignore[index]
    assert not (tmp_path / "whole" / CHECKPOINT).exists()

    folder = tmp_path / "parts"
    first = pipeline.run(source, output=folder, observer=Interrupting(3))
    assert first.interrupted
    assert 0.0 < first.metrics["reached"] < 0.2  # type: ignore[operator]
    assert first.metrics["errors"]["u"].relative_l2 < 2e-2  # type: ignore[index]
    start = read_start(folder)
    again = pipeline.run(start.source, output=folder, overrides=start.overrides, resume=True)
    assert not again.interrupted
    assert (folder / "solution.h5").read_bytes() == (
        tmp_path / "whole" / "solution.h5"
    ).read_bytes()
    with pytest.raises(OutputError, match="no unfinished run"):
        read_start(folder)
    (folder / CHECKPOINT).write_bytes(b"no archive")
    with pytest.raises(OutputError, match="cannot be read"):
        read_start(folder)


def test_runs_killed_at_random_moments(tmp_path: Path):
    """SIGKILL, in processes of their own; `python -m tests.run.kill` does it as often as asked."""
    (tmp_path / "course.pde").write_text(COURSE, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "tests.run.kill"]
    result = subprocess.run(
        [*command, str(tmp_path / "course.pde"), "--kills", "2"],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "kills=2" in result.stdout


LOGARITHM = """
domain:
    x ∈ periodic(0, 2 π)
    t ∈ [0, 2]

fields:
    u(t, x) : scalar

equations:
    ∂t u = log(u) - 2 + sin(x)/10

initial:
    u = 1

solver:
    method = neural_ivp(width=4, depth=1, frequencies=1, samples=32, residual_samples=16,
        linear=gram(regularisation=1e-9), fit=levenberg_marquardt(iterations=5))
"""


@pytest.mark.parametrize(("pair", "step"), [("dt=0.2", "step 1 "), ("rtol=1e-3", "step [2-9]")])
def test_a_term_without_a_value_is_named(pair: str, step: str):
    """u falls to zero and below; steps chosen by `rtol` are shortened before they give up."""
    source = Source("log.pde", LOGARITHM)
    with pytest.raises(SolverError, match=step + r".*`log\(u\)` in equation 1 is not finite") as e:
        pipeline.solve(source, overrides=[f"solver.integrator=rk23({pair})"])
    assert e.value.code == "E740"
    assert "rtol" in e.value.advice


def test_mixed_precision_says_what_it_costs():
    text = TRAVEL.replace("rtol=1e-3", "dt=0.01").replace("0.1]", "0.02]")
    text = text.replace("regularisation=1e-9", "regularisation=1e-5")
    source = Source("travel.pde", text.replace("samples=150", "samples=150, precision=mixed"))
    solution = pipeline.solve(source)
    error = solution.errors["u"].relative_l2
    assert error is not None
    assert error < 2e-2
    assert 0.0 < solution.result.quality["mixed_precision_error"] < 1e-7
    assert any("mixed precision" in note for note in solution.result.notes)


def test_a_fit_above_its_budget_ends_the_run():
    settings = ("solver.fit_budget=1e-9",)
    with pytest.raises(SolverError, match="relative error of") as caught:
        pipeline.solve(Source("travel.pde", TRAVEL), overrides=settings)
    assert caught.value.code == "E770"


def test_a_residual_above_its_budget_ends_the_run_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, settings = Source("travel.pde", TRAVEL), ("solver.residual_budget=0.5",)
    residuals = iter([1.0, 0.1, 0.1, 0.9, 0.9])
    monkeypatch.setattr(NeuralMethod, "residual", lambda *_: next(residuals))
    chosen = (*settings, "solver.linear=gram(regularisation=1e-9)")
    with pytest.raises(SolverError, match="left its budget") as caught:
        pipeline.run(source, output=tmp_path, overrides=chosen)
    assert caught.value.code == "E771"
    report = pipeline.run(source, output=tmp_path, overrides=chosen)
    assert report.stopped
    assert 0.0 < report.metrics["reached"] < 0.1  # type: ignore[operator]
    assert "left its budget" in str(report.metrics["stop_reason"])


@pytest.mark.parametrize(
    "more", ["sampling=adaptive(share=0.3)", "restarts=refit(count=2)", "linear=dense()"]
)
def test_a_standing_wave_that_starts_at_rest(more: str):
    """∂t u = 0 at the start, and the hidden layers of its network move all the same."""
    solution = pipeline.solve(Source("wave.pde", WAVE.format(more=more)))
    assert solution.errors["u"].relative_l2 < 1e-2  # type: ignore[operator]
    assert solution.result.counts["restarts"] == (2 if "refit" in more else 0)
    assert solution.result.quality["largest_residual"] < 0.05


def test_a_field_at_rest_sets_out_by_its_last_layer(monkeypatch: pytest.MonkeyPatch):
    """N₀ is T ∂t u at the start: its last layer over T is a rate that solves the equation."""
    found: list[Any] = []
    at_rest = NeuralMethod.at_rest

    def watched(self: NeuralMethod, *given: Any) -> Any:
        found.append((self, *at_rest(self, *given)))
        return found[0][1:]

    monkeypatch.setattr(NeuralMethod, "at_rest", watched)
    pipeline.solve(Source("course.pde", COURSE))
    method, networks, (report,) = found[0]
    assert report.error < 0.02
    still, moving = jax.tree.map(jnp.zeros_like, networks)
    last = [v[-1] / 0.2 for v in (networks[1].weights, networks[1].biases)]
    rates = eqx.tree_at(lambda n: [n.weights[-1], n.biases[-1]], moving, last)
    state, slope = pack(networks)[0], pack((still, rates))[0]
    assert method.residual(state, slope, 0.0, 0) < 0.02


ROBIN = """
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
    t ∈ [0, 0.1]

fields:
    u(t, x, y) : scalar
    f(t, x, y) : source

equations:
    ∂t u = ∇²u - u³ + f

boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω

initial:
    u = exact(u)

manufactured:
    u = exp(-t) cos(x) cos(y)

solver:
    method = neural_ivp(width=12, depth=2, frequencies=1, samples=300, residual_samples=200,
        linear=gram(regularisation=1e-8), fit=levenberg_marquardt(iterations=15),
        integrator=rk23(rtol=1e-3))
"""


def test_a_robin_condition_by_penalty_on_a_nonlinear_equation():
    solution = pipeline.solve(Source("robin.pde", ROBIN))
    assert solution.errors["u"].relative_l2 < 1e-2  # type: ignore[operator]
    angles = np.linspace(0, 6, 40)
    places, outward = np.cos(angles), np.sin(angles)
    h, t = 1e-4, np.full(40, 0.1)

    def values(radius: float) -> np.ndarray:
        return np.asarray(solution(t, radius * places, radius * outward))

    slope = (values(1.0) - values(1.0 - h)) / h
    exact = np.exp(-0.1) * np.cos(places) * np.cos(outward)
    normal = -np.exp(-0.1) * (
        places * np.sin(places) * np.cos(outward) + outward * np.cos(places) * np.sin(outward)
    )
    error = slope + values(1.0) - normal - exact
    assert np.sqrt(np.mean(error**2)) < 0.05
