"""Windows, steps and standard errors of fits, and what they find."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pdesl.diagnostics import ProblemError
from pdesl.run.reporting import silent_reporter
from pdesl.solvers.fit_choices import read_data
from pdesl.solvers.fit_descent import batches_of
from pdesl.solvers.fit_model import make_batch
from pdesl.solvers.fit_windows import make_steps
from pdesl.solvers.rollout import count_evaluations
from pdesl.solvers.sinode import fit
from tests.solvers.fits import (
    FIT,
    HEAD,
    decay,
    oscillator,
    prepared_of,
    source_of,
    task_of,
    waves,
)

# -- ordinary differential equations -------------------------------------------------------

LINE = """
domain:
    t ∈ [0, 4]
fields:
    u(t) : scalar
parameters:
    b = unknown(start=0.1)
equations:
    ∂t u = b
initial:
    u = unknown(start=0)
data:
    d = load("data.npz")
fit:
    d.u ≈ u{sigma}
solver:
    method = sinode(time=rk4(dt=0.5))
"""


@pytest.mark.parametrize("sigma", [None, 0.2])
def test_standard_errors_are_those_of_a_straight_line(tmp_path: Path, sigma: float | None):
    """u = a + b t: the covariance of linear regression, s² (XᵀX)⁻¹."""
    t = np.array([0.0, 0.5, 1.0, 2.0, 2.5, 4.0])
    u = 1 + 2 * t + np.array([0.1, -0.2, 0.15, 0.05, -0.1, 0.02])
    text = LINE.format(sigma="" if sigma is None else f" ± {sigma}")
    task = task_of(source_of(text, tmp_path, t=t, u=u))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    X = np.stack([t, np.ones_like(t)], axis=1)
    best, squares, _, _ = np.linalg.lstsq(X, u, rcond=None)
    variance = float(squares[0]) / (len(t) - 2) if sigma is None else sigma**2
    errors = np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X)))
    assert list(found.values.values()) == pytest.approx(list(best), rel=1e-8)
    assert list(found.errors.values()) == pytest.approx(list(errors), rel=1e-6)
    assert found.correlation is not None
    inverse = np.linalg.inv(X.T @ X)
    wanted = inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert found.correlation[0, 1] == pytest.approx(wanted, rel=1e-6)


def test_what_is_known_beforehand_counts_as_a_measurement(tmp_path: Path):
    t = np.array([0.0, 1.0, 2.0])
    text = LINE.format(sigma=" ± 1").replace("solver:", "    b ≈ 5 ± 0.5\nsolver:")
    task = task_of(source_of(text, tmp_path, t=t, u=1 + 2 * t))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    X = np.array([[0, 1], [1, 1], [2, 1], [2, 0]], float)
    best = np.linalg.lstsq(X, np.array([1, 3, 5, 10.0]), rcond=None)[0]
    assert list(found.values.values()) == pytest.approx(list(best), rel=1e-7)


@pytest.mark.parametrize("missing", [False, True])
def test_several_windows_find_a_frequency_that_one_course_does_not(tmp_path: Path, missing: bool):
    """From a start out of phase, the misfit of one long course has a minimum in between."""
    found = {}
    for windows in (1, 8):
        task = task_of(oscillator(tmp_path, windows, missing))
        own = fit(task, read_data(task.system.problem, task.values), silent_reporter())
        found[windows] = own.values["w"]
    assert found[8] == pytest.approx(2.1, abs=1e-4)
    assert abs(found[1] - 2.1) > 0.05


def test_measured_times_between_steps_are_interpolated_to_fourth_order(tmp_path: Path):
    errors = []
    for dt in (0.1, 0.05):
        source = oscillator(tmp_path, 1)
        prepared = prepared_of(source, (f"solver.time.dt={dt}", "parameters.w=unknown(start=2.1)"))
        assert not prepared.steps.exact
        batch = make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)
        residuals, _, _ = prepared.model.parts(prepared.learned, batch)
        errors.append(max(float(jnp.abs(r).max()) for r in residuals))
    assert 3.5 < np.log2(errors[0] / errors[1]) < 4.6


@given(
    gaps=st.lists(st.integers(1, 6), min_size=1, max_size=5), dt=st.floats(0.01, 1.0),
    unit=st.floats(0.05, 0.5),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_steps_meet_measured_times_that_are_multiples(gaps: list[int], dt: float, unit: float):
    from pdesl.solvers.fit_windows import Targets, WindowSet

    offsets = unit * np.cumsum(gaps)[None]
    windows = WindowSet(
        np.zeros(1), offsets[:, -1], None, {"d": Targets(offsets, {})}, np.zeros(1, bool)
    )
    steps = make_steps(windows, dt)
    assert steps.dt <= dt * (1 + 1e-9)
    assert steps.dt * steps.count == pytest.approx(float(offsets[0, -1]))
    share = offsets / steps.dt
    if steps.exact:
        assert share == pytest.approx(np.round(share), abs=1e-5)


@pytest.mark.parametrize(
    ("windows", "batch", "steps", "wanted"),
    [(3999, 256, 1, (60, 120, 180, 240)), (80 * 49, 200, 2, (152, 304, 456, 608))],
)
def test_evaluations_are_those_of_the_paper(windows: int, batch: int, steps: int, wanted: tuple):
    """Table 2 of Zhang, Liu and Maulik: KS, and Burgers."""
    batches, _ = batches_of(windows, batch)
    schemes = [f"imex_rk{order}" for order in (2, 3, 4, 5)]
    found = [count_evaluations(s, steps, batches=batches).total for s in schemes]
    assert tuple(found) == wanted


def test_windows_are_held_out_by_runs(tmp_path: Path):
    prepared = prepared_of(decay(tmp_path))
    held = prepared.windows.held_out
    assert held.sum() == 30
    assert prepared.windows.states is not None
    assert prepared.windows.states[held].max() > 1.5
    assert prepared.windows.states[~held].max() <= 1.0


def test_data_without_places_are_at_the_points_of_the_grid(tmp_path: Path):
    text = HEAD + "parameters:\n    a = unknown(start=1)\nequations:\n    ∂t u = a ∂x²u\n" + FIT
    text += "solver:\n    method = sinode(space=fourier(12), time=imex_rk2(dt=0.05))\n"
    data = waves(12)
    del data["x"]
    prepared = prepared_of(source_of(text, tmp_path, **data))
    assert prepared.windows.states is not None
    assert np.asarray(prepared.windows.states[0]) == pytest.approx(data["u"][0])
    with pytest.raises(ProblemError, match="12 places, and the grid has 16 points"):
        prepared_of(source_of(text.replace("12", "16"), tmp_path, **data))


def test_states_on_more_points_are_those_of_the_measured_waves(tmp_path: Path):
    text = HEAD + "parameters:\n    a = unknown(start=1)\nequations:\n    ∂t u = a ∂x²u\n" + FIT
    text += "solver:\n    method = sinode(space=fourier(30), time=imex_rk2(dt=0.05))\n"
    data = waves(12)
    order = np.random.default_rng(0).permutation(12)
    mixed = {"t": data["t"], "x": data["x"][order], "u": data["u"][:, order]}
    prepared = prepared_of(source_of(text, tmp_path, **mixed))
    assert prepared.windows.states is not None
    fine = waves(30)["u"]
    assert np.asarray(prepared.windows.states) == pytest.approx(fine[:2], abs=1e-12)
    with pytest.raises(ProblemError, match="not measured at all 30 points"):
        short = {"t": data["t"], "x": data["x"][:11], "u": data["u"][:, :11]}
        prepared_of(source_of(text, tmp_path, **short))


def test_two_numbers_of_a_chaotic_system_are_found_from_one_of_its_fields(tmp_path: Path):
    """E. N. Lorenz's equations, of which x alone is measured: jumps are driven out in stages."""
    text = """
domain:
    t ∈ [0, 2]
parameters:
    r = unknown(start=25, bounds=(10, 50))
    b = unknown(start=2)
fields:
    x(t), y(t), z(t) : scalar
equations:
    ∂t x = 10 (y - x)
    ∂t y = x (r - z) - y
    ∂t z = x y - b z
initial:
    x = 1
    y = 1
    z = 20
data:
    d = load("data.npz")
fit:
    d.x ≈ x
    windows = 3
solver:
    method = sinode(time=rk4(dt=0.0125))
"""
    t = np.linspace(0, 2, 41)

    def rate(_: float, u: np.ndarray) -> list[float]:
        x, y, z = u
        return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]

    x = solve_ivp(rate, (0, 2), [1.0, 1, 20], t_eval=t, rtol=1e-10, atol=1e-10).y[0]
    task = task_of(source_of(text, tmp_path, t=t, x=x))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    assert found.values == pytest.approx({"r": 28, "b": 8 / 3}, rel=1e-3)
