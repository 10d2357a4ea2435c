"""Optimisers: known minima, stopping, failures, determinism."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.solvers import broyden
from pdesl.solvers.broyden import BroydenMemory
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.training import (
    CHECK,
    LBFGS,
    OPTIMISERS,
    Adam,
    SSBroyden,
    Stopping,
    StopReason,
    minimise,
)

QUASI_NEWTON = [LBFGS(), SSBroyden()]


def rosenbrock(p, factor):
    return jnp.sum(factor * (p[1:] - p[:-1] ** 2) ** 2 + (1.0 - p[:-1]) ** 2), {"first": p[0]}


def quadratic(p, data):
    return 0.5 * jnp.sum(data["a"] * (p["x"] - data["b"]) ** 2) + 0.5 * p["y"] ** 2, ()


def fit(network, data):
    r = network(data["x"])[:, 0] - data["y"]
    return jnp.mean(r**2), {"largest": jnp.max(jnp.abs(r))}


def fit_data(dtype=np.float64):
    x = np.linspace(-1.0, 1.0, 60)[:, None].astype(dtype)
    return {"x": x, "y": np.sin(3.0 * x[:, 0]).astype(dtype)}


def small_network(dtype=np.float64):
    return make_network(NetworkOptions(8, 2), [-1.0], [1.0], seed=0, dtype=dtype)


@pytest.mark.parametrize("optimiser", QUASI_NEWTON)
def test_rosenbrock(optimiser):
    result = minimise(
        rosenbrock, jnp.zeros(10), np.asarray(100.0), optimiser=optimiser,
        stopping=Stopping(1000, decrease=0.0, loss=1e-20),
    )  # fmt: skip
    assert result.stop_reason is StopReason.LOSS
    np.testing.assert_allclose(result.parameters, np.ones(10), atol=1e-9)
    assert result.iterations <= 200
    np.testing.assert_allclose(result.aux["first"], result.parameters[0])


@pytest.mark.parametrize(("optimiser", "limit"), [(LBFGS(), 3000), (SSBroyden(), 700)])
def test_ill_conditioned_quadratic(optimiser, limit):
    data = {"a": np.logspace(0, 5, 200), "b": np.linspace(-1, 1, 200)}
    result = minimise(
        quadratic, {"x": jnp.zeros(200), "y": jnp.asarray(1.0)}, data, optimiser=optimiser,
        stopping=Stopping(limit, decrease=0.0, loss=1e-16),
    )  # fmt: skip
    assert result.stop_reason is StopReason.LOSS
    np.testing.assert_allclose(result.parameters["x"], data["b"], atol=1e-7)


@pytest.mark.parametrize(
    ("optimiser", "dtype"),
    [(LBFGS(), np.float32), (SSBroyden(), np.float32), (SSBroyden(), np.float64),
     (Adam(1e-2), np.float32)],
)  # fmt: skip
def test_regression_in_both_precisions(optimiser, dtype):
    result = minimise(
        fit, small_network(dtype), fit_data(dtype), optimiser=optimiser, stopping=Stopping(600)
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(result.parameters)} == {np.dtype(dtype)}
    limit = 1e-3 if isinstance(optimiser, Adam) else 2e-5
    assert result.loss < limit
    value, aux = fit(result.parameters, fit_data(dtype))
    np.testing.assert_allclose(value, result.loss, rtol=2e-2 if dtype == np.float32 else 1e-8)
    np.testing.assert_allclose(aux["largest"], result.aux["largest"], rtol=2e-2)


def test_history_counts_every_iteration():
    result = minimise(
        rosenbrock, jnp.zeros(10), np.asarray(100.0), stopping=Stopping(61, decrease=0.0)
    )
    history = result.history
    assert result.stop_reason is StopReason.ITERATIONS
    assert result.iterations == 61 == len(history.loss) == len(history.gradient_norm)
    assert history.loss[0] == rosenbrock(jnp.zeros(10), 100.0)[0]
    assert history.evaluations[-1] == result.evaluations >= 61
    assert np.all(np.diff(history.evaluations) > 0)
    assert np.all(np.diff(history.seconds) >= 0.0)
    assert history.seconds[-1] <= result.seconds
    assert 0.0 < result.compile_seconds < result.seconds
    assert result.loss == np.min(history.loss)


@pytest.mark.parametrize("optimiser", QUASI_NEWTON)
def test_the_same_seed_gives_the_same_bits_at_any_pace(optimiser):
    runs = [
        minimise(
            fit, small_network(), fit_data(), optimiser=optimiser,
            stopping=Stopping(120), report_seconds=pace,
        )
        for pace in (1e-9, 10.0)
    ]  # fmt: skip
    np.testing.assert_array_equal(runs[0].history.loss, runs[1].history.loss)
    for a, b in zip(*(jax.tree.leaves(r.parameters) for r in runs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_monitor_looks_at_set_iterations_and_is_on_no_clock():
    seen = []

    def look(progress):
        begin = time.perf_counter()
        while time.perf_counter() - begin < 0.2:
            pass
        seen.append(progress)

    whole = time.perf_counter()
    watched = minimise(
        rosenbrock, jnp.zeros(10), np.asarray(100.0), stopping=Stopping(61, decrease=0.0),
        monitor=look, every=7,
    )  # fmt: skip
    whole = time.perf_counter() - whole
    alone = minimise(
        rosenbrock, jnp.zeros(10), np.asarray(100.0), stopping=Stopping(61, decrease=0.0)
    )
    np.testing.assert_array_equal(watched.history.loss, alone.history.loss)
    assert [p.iteration for p in seen] == [*range(7, 61, 7), 61]
    assert watched.seconds < whole - 0.2 * len(seen)
    assert watched.history.seconds[-1] <= watched.seconds
    for progress, later in zip(seen, [*seen[1:], None], strict=True):
        best = np.min(watched.history.loss[: progress.iteration])
        assert progress.best_loss == best
        np.testing.assert_allclose(rosenbrock(progress.parameters(), 100.0)[0], best)
        assert 0.0 < progress.training_seconds < progress.seconds
        assert progress.cpu_seconds > 0.0
        assert later is None or progress.training_seconds <= later.training_seconds


def test_a_monitor_can_stop():
    result = minimise(
        rosenbrock, jnp.zeros(10), np.asarray(100.0), monitor=lambda p: p.best_loss < 1.0, every=3
    )
    assert result.stop_reason is StopReason.CALLBACK
    assert result.loss < 1.0
    assert result.iterations % 3 == 0


def test_it_stops_when_the_loss_hardly_falls():
    result = minimise(
        lambda p, d: (1.0 + jnp.sum((p - d) ** 2), ()), jnp.zeros(3), np.ones(3),
        optimiser=Adam(1e-2), stopping=Stopping(100_000, decrease=0.01, window=100),
    )  # fmt: skip
    assert result.stop_reason is StopReason.DECREASE
    assert result.iterations % CHECK == 0
    assert 100 < result.iterations < 5000
    loss = np.minimum.accumulate(result.history.loss)
    assert loss[-1] > 0.99 * loss[-101]


def test_it_stops_when_the_loss_is_a_small_fraction_of_the_first():
    result = minimise(
        rosenbrock, jnp.zeros(4), np.asarray(1.0), stopping=Stopping(reduction=1e-4, decrease=0.0)
    )
    assert result.stop_reason is StopReason.LOSS
    assert result.loss <= 1e-4 * result.history.loss[0]


def test_it_stops_at_a_vanishing_gradient():
    result = minimise(
        rosenbrock, jnp.zeros(4), np.asarray(1.0), stopping=Stopping(gradient=1e-6, decrease=0.0)
    )
    assert result.stop_reason is StopReason.GRADIENT
    assert result.history.gradient_norm[-1] <= 1e-6
    at_minimum = minimise(
        rosenbrock, jnp.ones(4), np.asarray(1.0), stopping=Stopping(gradient=1e-6)
    )
    assert at_minimum.stop_reason is StopReason.GRADIENT
    assert at_minimum.loss == 0.0


def test_it_stops_at_the_time_limit_and_at_the_callers_wish():
    slow = minimise(fit, small_network(), fit_data(), stopping=Stopping(seconds=1e-9))
    assert slow.stop_reason is StopReason.SECONDS
    seen = []

    def callback(progress):
        seen.append(progress)
        return progress.iteration >= 30

    result = minimise(
        fit, small_network(), fit_data(), callback=callback, report_seconds=1e-9,
        stopping=Stopping(10_000, decrease=0.0),
    )  # fmt: skip
    assert result.stop_reason is StopReason.CALLBACK
    assert result.iterations == seen[-1].iteration >= 30 > seen[-2].iteration
    assert seen[-1].best_loss == result.loss
    assert not result.interrupted
    for a, b in zip(
        jax.tree.leaves(seen[-1].parameters()), jax.tree.leaves(result.parameters), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_an_interrupt_returns_the_best_so_far():
    def callback(progress):
        if progress.iteration >= 20:
            raise KeyboardInterrupt

    result = minimise(
        fit, small_network(), fit_data(), callback=callback, report_seconds=1e-9,
        stopping=Stopping(10_000, decrease=0.0),
    )  # fmt: skip
    assert result.interrupted
    assert 20 <= result.iterations < 200
    assert result.loss == np.min(result.history.loss)
    np.testing.assert_allclose(fit(result.parameters, fit_data())[0], result.loss, rtol=1e-10)


@pytest.mark.parametrize("optimiser", [LBFGS(), Adam()])
def test_a_loss_that_is_not_finite_is_reported(optimiser):
    with pytest.raises(SolverError, match=r"not finite for the initial parameters") as caught:
        minimise(lambda p, d: (jnp.sum(jnp.log(p)), ()), -jnp.ones(3), None, optimiser=optimiser)
    assert caught.value.code == "E701"
    assert caught.value.advice


def test_a_rate_that_explodes_is_reported_with_its_iteration():
    with pytest.raises(SolverError, match=r"not finite in iteration \d+"):
        minimise(lambda p, d: (jnp.sum(jnp.sqrt(p)), ()), jnp.ones(3), None, optimiser=Adam(0.3))


@pytest.mark.parametrize("optimiser", QUASI_NEWTON)
def test_steps_into_undefined_regions_are_shortened(optimiser):
    """−log has its minimum at the end of a region where the loss is NaN."""
    result = minimise(
        lambda p, d: (jnp.sum(p - jnp.log(p)), ()), jnp.asarray([40.0, 1e-3]), None,
        optimiser=optimiser, stopping=Stopping(200, decrease=0.0, gradient=1e-8),
    )  # fmt: skip
    np.testing.assert_allclose(result.parameters, [1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("optimiser", QUASI_NEWTON)
def test_at_round_off_it_restarts_and_then_stops(optimiser):
    result = minimise(
        lambda p, d: (1.0 + jnp.sum(jnp.abs(p) ** 1.2), ()), jnp.full(4, 3.0), None,
        optimiser=optimiser, stopping=Stopping(5000, decrease=0.0),
    )  # fmt: skip
    assert result.stop_reason is StopReason.LINE_SEARCH
    assert result.restarts >= 1
    assert result.loss < 1.0 + 1e-3


def test_every_optimiser_has_a_name_and_defaults():
    assert set(OPTIMISERS) == {"lbfgs", "ssbroyden", "adam", "levenberg_marquardt"}
    for options in OPTIMISERS.values():
        assert options() == options()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: LBFGS(0), lambda: Adam(0.0), lambda: Adam(decay=2.0), lambda: Adam(beta1=1.0),
        lambda: Adam(epsilon=0.0), lambda: Stopping(0), lambda: Stopping(seconds=0.0),
        lambda: Stopping(decrease=1.0), lambda: Stopping(window=0),
        lambda: Stopping(gradient=-1.0), lambda: Stopping(reduction=1.0),
    ],
)  # fmt: skip
def test_wrong_options(wrong):
    with pytest.raises(ValueError, match=r"must|not"):
        wrong()


def test_parameters_must_be_floating_point():
    for wrong in ({"n": 3}, jnp.arange(3), ()):
        with pytest.raises(TypeError, match="parameters"):
            minimise(lambda p, d: (jnp.zeros(()), ()), wrong, None)


def test_broyden_refuses_too_many_parameters():
    with pytest.raises(SolverError, match="100 × 100"):
        minimise(rosenbrock, jnp.zeros(100), 1.0, optimiser=SSBroyden(largest=99))


@pytest.mark.parametrize(("size", "steps", "dense"), [(100, 40, False), (24, 22, True)])
def test_low_rank_broyden_equals_the_dense_formula(size, steps, dense, monkeypatch):
    """The carried H·g equals that of the matrix, through closing, enlarging and summing up."""
    monkeypatch.setattr(broyden, "SEGMENT", 4)
    generator = np.random.default_rng(0)
    hessian = np.diag(np.logspace(0, 3, size))
    memory: BroydenMemory = SSBroyden().make_memory(size, jnp.dtype(np.float64))
    update = jax.jit(
        lambda m, s, y, g, valid, hg, length, old: m.update(
            s, y, g, valid, product=hg, length=length, previous=old
        )
    )
    x = generator.normal(size=size)
    g = hessian @ x
    zero = jnp.zeros(size)
    memory, product = update(memory, zero, zero, g, False, zero, 1.0, g)
    np.testing.assert_allclose(product, g)
    matrix = np.eye(size)
    for k in range(steps):
        d = -np.asarray(product)
        length = -(g @ d) / (d @ hessian @ d) * generator.uniform(0.5, 1.2)
        s = length * d
        y = hessian @ s
        ys = y @ s
        initial = ys / (y @ y) if k == 0 else 1.0
        matrix *= initial
        w = matrix @ y
        tau, phi = broyden._scaling(
            size, *map(jnp.asarray, (-(length / initial) * (s @ g), ys, y @ w))
        )
        v = np.sqrt(y @ w) * (s / ys - w / (y @ w))
        matrix = matrix - np.outer(w, w) / (y @ w) + float(phi) * np.outer(v, v)
        matrix = matrix / float(tau) + np.outer(s, s) / ys
        if bool(memory.is_full):
            memory = memory.enlarged()
        memory, product = update(memory, s, y, g + y, True, product, length, g)
        x, g = x + s, g + y
        scale = np.linalg.norm(matrix @ g)
        np.testing.assert_allclose(product, matrix @ g, rtol=0.0, atol=1e-11 * scale)  # pyright: ignore[reportArgumentType, reportCallIssue]
        np.testing.assert_allclose(matrix @ y, s, rtol=0.0, atol=1e-9 * np.linalg.norm(s))  # pyright: ignore[reportArgumentType, reportCallIssue]
        if k % 15 == 14:  # away from convergence
            g = hessian @ generator.normal(size=size)
            product = memory.product(jnp.asarray(g))
    assert (memory.dense is not None) == dense


PROGRAM = """
import numpy as np, jax
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.training import OPTIMISERS, Stopping, minimise
hits = []
jax.monitoring.register_event_listener(
    lambda name, **_: hits.append(name) if "compilation_cache/cache_hits" in name else None)
x = np.linspace(-1, 1, 40)[:, None]
loss = lambda n, d: (((n(d["x"])[:, 0] - d["y"]) ** 2).mean(), ())
network = make_network(NetworkOptions(5, 2), [-1.0], [1.0], seed=0)
before = len(hits)
minimise(loss, network, {"x": x, "y": np.sin(x[:, 0]) * %s}, stopping=Stopping(20),
         optimiser=OPTIMISERS["%s"]())
print(len(hits) - before)
"""


@pytest.mark.parametrize("name", ["ssbroyden"])
def test_other_data_find_the_program_in_the_cache(name, tmp_path):
    """A second process with other data compiles nothing anew: data are arguments."""
    environment = {
        **os.environ, "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }  # fmt: skip
    found = []
    for factor in (1.0, 2.0):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM % (factor, name)], env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append((int(done.stdout), len(list(tmp_path.glob("jit_*-cache")))))
    (first, entries), (second, entries_after) = found
    assert first == 0
    assert second >= 1
    assert entries_after == entries
