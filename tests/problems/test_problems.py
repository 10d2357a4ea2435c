"""Every problem of the catalogue, end to end: solved, within its own error budget, written."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.optimize import least_squares

from pdesl.resources import problems_folder
from pdesl.run.known import reference_choice
from pdesl.run.pipeline import check, compile, load_source, run, solve
from pdesl.symbolic.elaborate import elaborate_source

#: Problems without a known solution: they are checked alone, or judged in another way.
CHECKED = ("regge_wheeler", "wave_kerr_schild")
#: Problems in more dimensions than anything else reaches: judged by the residual of the equations.
RESIDUAL = {"fokker_planck_8d": 0.15, "vlasov_6d": 0.1}
NAMES = sorted(path.stem for path in problems_folder().glob("*.pde"))
#: Problems that are fitted to data; their answers are judged in `test_fits`.
FITTED = [n for n in NAMES if elaborate_source(load_source(n)).fit]
PROBLEMS = [name for name in NAMES if name not in (*CHECKED, *FITTED, *RESIDUAL)]


@pytest.mark.parametrize("name", [*CHECKED, "wave_flrw", "wave_maps_schwarzschild"])
def test_a_wave_is_correct_and_has_an_evolution_form(name: str):
    source = load_source(name)
    assert not check(source).diagnostics
    system = compile(source, "evolution")
    (field,) = system.problem.unknown_fields
    assert system.fields == (field.name, f"{field.name}_t")
    assert all(row.is_linear for row in system.rows)
    assert len(system.initial) == 2


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_correct_and_states_a_budget(name: str):
    source = load_source(name)
    report = check(source)
    assert not report.diagnostics
    problem = elaborate_source(source)
    fields = {c for f in problem.unknown_fields for c in f.components}
    bounded = {name for v in problem.verify for name in v.fields}
    trusted = problem.known_solution or reference_choice(problem)
    assert trusted, "a problem of the catalogue has a known solution or a reference"
    assert fields == bounded, "a problem of the catalogue has a budget for every field"


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_meets_its_budget(name: str, tmp_path: Path):
    report = run(load_source(name), output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["bounds"], "nothing was measured"
    assert all(bound["met"] for bound in metrics["bounds"]), metrics["bounds"]
    for error in metrics["errors"].values():
        assert error["points"] >= 20_000
    names = {path.name for path in report.files}
    assert f"{name}.png" in names
    solutions = [path for path in report.files if path.suffix == ".h5"]
    assert solutions
    for solution in solutions:
        with h5py.File(solution) as file:
            assert set(metrics["errors"]) <= set(file)
            assert file.attrs["problem_hash"] == metrics["problem_hash"]


@pytest.mark.parametrize("name", RESIDUAL)
def test_a_problem_in_many_dimensions_reaches_its_end(name: str, tmp_path: Path):
    report = run(load_source(name), output=tmp_path)
    assert not report.stopped
    quality = report.metrics["quality"]
    assert quality["initial_error"] < 0.1  # type: ignore[index]
    assert quality["last_residual"] < RESIDUAL[name]  # type: ignore[index]


def test_the_ringdown_of_a_black_hole_has_its_known_frequency():
    """M ω = 0.4836 − 0.0968 i for the fundamental scalar mode of degree 2, at a fixed place."""
    solution = solve(load_source("regge_wheeler"))
    moments = np.linspace(70, 110, 400)
    values = solution(moments, np.full_like(moments, 30.0))

    def modes(frequency: np.ndarray) -> np.ndarray:
        decay = np.exp(-frequency[1] * (moments - moments[0]))
        phase = frequency[0] * moments
        return np.stack([decay * np.cos(phase), decay * np.sin(phase)], axis=1)

    def misfit(frequency: np.ndarray) -> np.ndarray:
        basis = modes(frequency)
        return basis @ np.linalg.lstsq(basis, values, rcond=None)[0] - values

    real, imaginary = least_squares(misfit, [0.5, 0.1]).x
    assert real == pytest.approx(0.4836, abs=1e-3)
    assert imaginary == pytest.approx(0.0968, abs=1e-3)
