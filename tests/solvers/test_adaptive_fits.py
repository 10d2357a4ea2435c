"""Fits and predictions whose steps are chosen by error estimates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pdesl.diagnostics import ProblemError, SolverError
from pdesl.run import pipeline
from pdesl.run.predict import predict
from tests.solvers.fits import prepared_of, source_of

RELAXATION = """
domain:
    t ∈ [0, 2]
parameters:
    k = unknown(start=80)
fields:
    u(t) : scalar
    v(t) : scalar
equations:
    ∂t u = stiff(-k u) + k v
    ∂t v = -u v
initial:
    u = 0
    v = 1
data:
    d = load("data.npz")
fit:
    d.u ≈ u
solver:
    method = sinode(time=SCHEME)
"""


TIMES = np.array([0.01, 0.02, 0.04, 0.4, 0.8, 1.2, 1.6, 2.0])


def course(k: float, t: np.ndarray = TIMES) -> dict[str, Any]:
    found = solve_ivp(
        lambda _, y: [-k * y[0] + k * y[1], -y[0] * y[1]], (0, 2), [0, 1], "Radau", t,
        rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    return {"t": t, "u": found.y[0]}


def source(folder: Path, scheme: str) -> Any:
    return source_of(RELAXATION.replace("SCHEME", scheme), folder, **course(40.0))


def test_a_fast_start_is_fitted_and_predicted(tmp_path: Path):
    own = source(tmp_path, "imex_rk4(steps=adaptive, dt=0.2, rtol=1e-7)")
    run = pipeline.run(own, output=tmp_path / "run")
    metrics: Any = run.metrics
    assert metrics["unknowns"]["k"]["value"] == pytest.approx(40.0, rel=1e-4)
    # Equal steps as small as the smallest would be thousands.
    assert metrics["counts"]["steps_taken"] < 600
    found = predict(tmp_path / "run", until=2.0).prediction
    known = course(40.0, found.times[1:])["u"]
    assert np.max(np.abs(found.values["u"][1:, 0] - known)) < 1e-4
    # Other steps than those of the fit.
    other = predict(tmp_path / "run", until=2.0, overrides=["solver.time=imex_rk3(dt=0.002)"])
    assert other.metrics["settings"] == {"scheme": "imex_rk3", "step": 0.002, "adaptive": False}
    assert np.max(np.abs(other.prediction.values["u"][-1] - found.values["u"][-1])) < 1e-4


@pytest.mark.parametrize(
    ("scheme", "subject"),
    [
        ("sbdf2(steps=adaptive, dt=0.1)", "does not estimate its error"),
        ("dopri5(steps=equal)", "chooses its steps itself"),
        ("automatic(steps=adaptive)", "of an integrator that estimates"),
    ],
)
def test_steps_that_cannot_be_chosen_are_refused(tmp_path: Path, scheme: str, subject: str):
    own = source(tmp_path, scheme)
    with pytest.raises(ProblemError) as error:
        pipeline.run(own, output=tmp_path / "run")
    (found,) = error.value.diagnostics
    assert found.code == "E545"
    assert subject in found.message
    assert found.span is not None


@pytest.mark.parametrize(
    ("scheme", "subject"),
    [
        ("imex_rk3(steps=adaptive, rtol=1e-7, most_steps=5)", "within 5 steps of"),
        ("imex_rk3(dt=0.001, most_steps=100)", "a window takes 2,000 steps"),
    ],
)
def test_too_many_steps_are_refused(tmp_path: Path, scheme: str, subject: str):
    with pytest.raises(SolverError, match=subject) as error:
        prepared_of(source(tmp_path, scheme))
    assert error.value.code == "E755"
