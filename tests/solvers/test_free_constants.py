"""Steady problems that leave constants free, and the conditions on integrals that fix them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from pdesl.diagnostics import SolverError, Source
from pdesl.run.pipeline import load_source, run, solve
from pdesl.run.solution import load_solution
from pdesl.solvers.free_constants import PinnedSolver
from pdesl.solvers.linear import LinearSolver

FLUXES = """
domain:
    Ω = {shape}
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇·((2 + x) ∇u) = {source}

boundary:
    ∂n u = ∂n exact(u)    on ∂Ω
    ∫(u) = ∫(exact(u))

verify:
    u = sin(x) exp(y) + 3
"""
SOURCE = "cos(x) exp(y)"
DISK = "disk(radius=1)"


def error(text: str, method: str, *settings: str) -> float:
    solution = solve(Source("fluxes.pde", text), solver=method, overrides=settings)
    places = np.random.default_rng(0).uniform(-0.6, 0.6, (300, 2))
    truth = np.sin(places[:, 0]) * np.exp(places[:, 1]) + 3
    return float(np.abs(solution(*places.T) - truth).max())


@pytest.mark.parametrize("shape", [DISK, "rectangle((-1, 1), (-1, 1))"])
def test_fluxes_all_around(shape: str):
    text = FLUXES.format(shape=shape, source=SOURCE)
    errors = [error(text, "rbf_fd", f"solver.nodes={n}") for n in (300, 1200)]
    assert errors[1] < 2e-4
    assert np.log2(errors[0] / errors[1]) > 2.5  # of halved spacing, with operators of order 4


def test_a_network_takes_the_constant_afterwards():
    text = FLUXES.format(shape=DISK, source=SOURCE)
    assert error(text, "random_features") < 1e-3


def test_data_that_no_solution_fits():
    text = FLUXES.format(shape=DISK, source=f"{SOURCE} + 1").split("verify:")[0]
    text = text.replace("∂n exact(u)", "0").replace("∫(exact(u))", "0")
    with pytest.raises(SolverError) as caught:
        solve(Source("fluxes.pde", text), solver="rbf_fd", overrides=["solver.nodes=300"])
    assert caught.value.code == "E708"


def test_flow_between_walls_and_its_file(tmp_path: Path):
    run(load_source("kovasznay_flow"), output=tmp_path, overrides=["solver.nodes=800"])
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["counts"]["iterations"] < 10
    assert {b["quantity"] for b in metrics["bounds"]} == {
        "relative_l2(v_x)", "relative_l2(v_y)", "relative_l2(p)"
    }  # fmt: skip
    loaded = load_solution(tmp_path)
    rate = 20 - np.sqrt(400 + 4 * np.pi**2)
    x, y = np.random.default_rng(1).uniform((-0.4, -0.4), (0.9, 0.4), (200, 2)).T
    pressure = (1 - np.exp(2 * rate * x)) / 2
    assert np.abs(loaded(x, y)["p"] - pressure).max() < 0.02
    along = 1 - np.exp(rate * x) * np.cos(2 * np.pi * y)
    assert np.abs(loaded(x, y)["v_x"] - along).max() < 2e-3


def test_a_singular_matrix_is_solved_but_for_a_part():
    """A chain of fluxes, whose rows sum to zero: the part is the mean of the data."""
    count = 40
    steps = np.diff(np.eye(count), axis=0)
    matrix = scipy.sparse.csr_matrix(-steps.T @ steps)
    points, nodes = np.linspace(0, 1, count)[:, None], np.arange(count)
    solver = PinnedSolver(LinearSolver(points, nodes, nodes), (0,), count)
    data = np.random.default_rng(2).normal(size=count)
    solution, factors = solver.solve_matrix(matrix, data)
    assert matrix @ solution == pytest.approx(data - data.mean(), abs=1e-10)
    again = solver.solve(lambda v: matrix @ v, factors, data, tolerance=1e-12, iterations=5)
    assert again.converged
    assert again.solution == pytest.approx(solution, abs=1e-9)
    assert solver.reduced(np.ones(count)) == pytest.approx(np.zeros(count), abs=1e-12)
    assert solver.defect(matrix @ solution - data, data) == pytest.approx(
        abs(data.mean()) / np.abs(data).mean()
    )


def test_the_face_in_python():
    import sympy as sp

    import pdesl as pd

    x, y = sp.symbols("x y")
    u = sp.Function("u")(x, y)
    problem = pd.Problem(
        domain={(x, y): pd.disk(radius=1)},
        fields={u: "scalar"},
        equations=[sp.Eq(pd.lap(u), 0)],
        boundary=[pd.on("∂Ω", sp.Eq(pd.dn(u), x)), sp.Eq(pd.integral(u), 0)],
    )
    assert "∫(u) = 0" in problem.to_pde()
