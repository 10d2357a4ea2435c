"""Units in result files: values are in SI base units, and files say which."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pdesl.diagnostics import ProblemError, Source
from pdesl.run.pipeline import run
from pdesl.symbolic.data_file import read_data_file
from pdesl.symbolic.units import base_unit, parse_unit

TEXT = """
domain:
    x ∈ [0 [km], 2 [km]]
    t ∈ [0 [h], 1 [h]]
fields:
    h(t, x) : scalar [mm]
equations:
    ∂t h = 0.1 [m²/s] ∂x²h
boundary:
    h = 1 [mm]    on ∂Ω
initial:
    h = 1 [mm]
solver:
    method = method_of_lines(space=finite_difference(15), time=imex_rk2(dt=600 [s]))
output:
    every 0.5 [h]: h, ∂x h, h², ∫(h), mean(h), h(x=1 [km]), sqrt(∫(h²)) -> "h.h5"
    at end: h -> "h.csv"
sweep:
    solver.seed ∈ [1, 2]
"""
UNITS = {
    "h": "m", "dx_h": "1", "h2": "m^2", "integral_h": "m^2", "mean_h": "m", "h_x_1_km": "m",
    "x": "m", "t": "s",
}  # fmt: skip


def test_files_say_the_units_that_their_numbers_are_in(tmp_path: Path):
    report = run(Source("layer.pde", TEXT), output=tmp_path)
    assert report.lines[-1] == "this is one run; `pdesl sweep` solves for all values of solver.seed"
    with h5py.File(tmp_path / "h.h5") as file:
        found = {name: str(file[name].attrs.get("units")) for name in UNITS}
        assert np.asarray(file["h"][:]) == pytest.approx(1e-3)  # type: ignore[index]
        assert float(file["t"][-1]) == 3600.0  # type: ignore[index,arg-type]
        assert np.asarray(file["integral_h"][:]) == pytest.approx(2.0)  # type: ignore[index]
        root = next(str(name) for name in file if str(name).startswith("sqrt"))
        assert "units" not in file[root].attrs  # m^(3/2) is no unit that files can say
    assert found == UNITS
    title = (tmp_path / "h.csv").read_text(encoding="utf-8").splitlines()[0]
    assert title == "x [m],h [m],node_kind,boundary_part,normal_x"


def test_columns_of_data_are_in_base_units(tmp_path: Path):
    (tmp_path / "b.csv").write_text("t [s],h [m],n [7]\n0,1,2\n", encoding="utf-8")
    assert set(read_data_file("b.csv", str(tmp_path)).arrays) == {"t", "h", "n [7]"}
    (tmp_path / "a.csv").write_text("t [s],h [mm]\n0,1\n", encoding="utf-8")
    with pytest.raises(ProblemError, match="in mm"):
        read_data_file("a.csv", str(tmp_path))


@pytest.mark.parametrize(
    ("declared", "kept"),
    [("mm", "m"), ("W/(m K)", "W/(m K)"), ("km/h", "m s^-1"), ("hPa", "kg m^-1 s^-2")],
)
def test_a_unit_that_is_no_base_unit_becomes_one(declared: str, kept: str):
    assert base_unit(declared) == kept
    assert parse_unit(kept)[1] == parse_unit(declared)[1]
    assert parse_unit(kept)[0] == 1
