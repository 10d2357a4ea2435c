"""Drifts of what is measured over the domain, in the metrics and in the last lines of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pdesl.diagnostics import Source
from pdesl.run import pipeline

HEAT = """
domain:
    x ∈ periodic(0, 2 π)
    t ∈ [0, 0.5]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

initial:
    u = 2 + cos(x)

solver:
    method = method_of_lines(space=fourier(16), time=imex_rk4(dt=0.02))

output:
    every 0.1: u, ∫(u), ∫(u²), ∫(u cos(x)) - π, u(x=0) -> "u.h5"
"""


def test_drifts_of_integrals(tmp_path: Path):
    report = pipeline.run(Source("heat.pde", HEAT), output=tmp_path / "heat")
    drift: dict[str, dict[str, float]] = report.metrics["drift"]  # type: ignore[assignment]
    kept, square, from_zero = drift.values()
    assert len(drift) == 3, "a value at a place has no drift"
    assert kept["first"] == pytest.approx(4 * np.pi)
    assert kept["largest"] < 1e-12
    assert kept["quadrature"] < 1e-12
    assert square["last"] == pytest.approx(8 * np.pi + np.pi * np.exp(-1), rel=1e-6)
    assert square["largest"] == pytest.approx((1 - np.exp(-1)) / 9, rel=1e-5)
    # From zero, relative to the largest.
    assert from_zero["last"] == pytest.approx(np.pi * (np.exp(-0.5) - 1), rel=1e-6)
    assert from_zero["largest"] == pytest.approx(1.0)
    lines = [line for line in report.lines if "largest relative drift" in line]
    assert len(lines) == 3


def test_a_steady_problem_has_no_drift(tmp_path: Path):
    text = """
domain:
    x ∈ [0, 1]
fields:
    u(x) : scalar
equations:
    ∂x²u = 2
boundary:
    u = x    on ∂Ω
solver:
    method = rbf_fd(nodes=20)
output:
    at end: u, ∫(u) -> "u.h5"
"""
    report = pipeline.run(Source("steady.pde", text), output=tmp_path / "steady")
    assert "drift" not in report.metrics
