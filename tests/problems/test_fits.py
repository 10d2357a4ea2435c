"""Every problem of the catalogue that is fitted to data: what it finds, against what is true."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from pdesl.resources import problems_folder
from pdesl.run.pipeline import check, load_source, run
from pdesl.run.predict import predict


def test_the_rates_of_predators_and_prey(tmp_path: Path):
    """The data are made with these rates, see benchmarks/sinode/make_data.py."""
    source = load_source("lotka_volterra")
    assert not check(source).diagnostics
    run(source, output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    truth = {"α": 0.55, "β": 0.028, "γ": 0.84, "δ": 0.026}
    for name, value in truth.items():
        found = metrics["unknowns"][name]
        assert found["value"] == pytest.approx(value, rel=0.03)
        assert abs(found["value"] - value) < 2.5 * found["standard_error"]
        assert found["standard_error"] < 0.03 * value
    report = predict(tmp_path, overrides=("initial.hare=30", "initial.lynx=4"), until=1915.0)
    assert report.prediction.times[-1] == pytest.approx(1915.0)
    table = np.loadtxt(tmp_path / "prediction" / "prediction.csv", delimiter=",", skiprows=1)
    assert table[0, 1:] == pytest.approx([30.0, 4.0])


def test_a_learned_term_of_kuramoto_and_sivashinsky(tmp_path: Path):
    source = load_source("ks_sinode")
    assert not check(source).diagnostics
    report = run(source, output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["losses"]["validation"] < 1e-5
    assert metrics["counts"]["function_evaluations_per_epoch"] == 14 * 2
    assert {p.name for p in report.files} >= {"model.h5", "ks_sinode.png", "metrics.json"}
    # Beyond the data the model stays on the attractor, whose mean square is near 1.4.
    found = predict(tmp_path, until=299.6).prediction
    with h5py.File(tmp_path / "prediction" / "prediction.h5") as file:
        values = np.asarray(file["u"])
    assert values.shape == found.values["u"].shape
    energy = np.mean(values[values.shape[0] // 3 :] ** 2)
    assert 0.8 < energy < 1.8
    assert np.abs(values).max() < 4.0


def test_the_speed_and_the_diffusion_of_a_pulse(tmp_path: Path):
    source = load_source("advection_diffusion_inverse")
    assert not check(source).diagnostics
    run(source, output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    for name, value in {"c": 0.6, "κ": 0.015}.items():
        found = metrics["unknowns"][name]
        assert found["value"] == pytest.approx(value, rel=0.02)
        assert abs(found["value"] - value) < 2.5 * found["standard_error"]
        assert found["standard_error"] < 0.02 * value
    assert 0.8 < metrics["losses"]["chi_squared_per_degree_of_freedom"] < 1.2


def test_a_learned_term_of_burgers(tmp_path: Path):
    source = load_source("burgers_sinode")
    assert not check(source).diagnostics
    run(source, overrides=("fit.optimizer.epochs=20",), output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["terms"]["runs.u"]["relative"] < 0.1
    assert metrics["losses"]["validation"] < 5 * metrics["losses"]["training"]


def test_the_classes_of_a_graph(tmp_path: Path):
    """Nine in ten of the nodes whose class is not told are given their class."""
    source = load_source("graph_diffusion")
    assert not check(source).diagnostics
    report = run(source, output=tmp_path)
    assert report.metrics["counts"]["function_evaluations_per_epoch"] == 16  # type: ignore[index]
    found = predict(tmp_path, until=4.0, every=4.0).prediction.values
    with h5py.File(problems_folder() / "graph_diffusion.h5") as file:
        classes, told = np.asarray(file["classes"]), np.isfinite(np.asarray(file["y1"])[0])
    scores = np.stack([found[f"p{k}"][-1] for k in range(1, 5)])
    right = scores.argmax(axis=0) == classes
    assert right[~told].mean() > 0.9
