"""Files of measurements: every format gives the same numbers, and every mistake has its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import ProblemError, Source
from pdesl.lowering.measurements import Measurements, read_measurements
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.problem import Problem

TEXT = """
domain:
    {space}t ∈ [0, 10]
fields:
    u({arguments}) : scalar
parameters:
    k = unknown(start=1)
equations:
    ∂t u = -k u
data:
    obs = load("{file}"{options})
fit:
    obs.u ≈ u
solver:
    method = sinode
"""


def problem(folder: Path, file: str, dimension: int = 0, options: str = "") -> Problem:
    names = ("x", "y")[:dimension]
    space = f"{', '.join(names)} ∈ [0, 1]\n    " if names else ""
    text = TEXT.format(space=space, arguments=", ".join(("t", *names)), file=file, options=options)
    return elaborate_source(Source("data.pde", text, str(folder)))


def read(own: Problem, columns: tuple[str, ...] = ("u",)) -> Measurements:
    return read_measurements(own, own.data[0], columns, (0.0, 10.0))


def codes(own: Problem, columns: tuple[str, ...] = ("u",)) -> list[str]:
    with pytest.raises(ProblemError) as caught:
        read(own, columns)
    for diagnostic in caught.value.diagnostics:
        assert diagnostic.span is not None
        assert diagnostic.helps
    return [d.code for d in caught.value.diagnostics]


def write_table(path: Path, t: Any, x: Any, u: Any) -> None:
    """Rows in a random order, NaN as an empty entry."""
    lines = [
        f"{r},{t[k]:.17g},{x[p]:.17g},{'' if np.isnan(v) else format(v, '.17g')}"
        for r, run in enumerate(u) for k, row in enumerate(run) for p, v in enumerate(row)
    ]  # fmt: skip
    np.random.default_rng(0).shuffle(lines)
    path.write_text("run,t,x,u\n" + "\n".join(lines) + "\n", encoding="utf-8")


@given(
    runs=st.integers(1, 3), times=st.integers(1, 4), places=st.integers(1, 4),
    missing=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_every_format_gives_the_same(tmp_path_factory, runs, times, places, missing, seed):
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(seed)
    t = np.sort(random.uniform(0, 10, times))
    x = np.sort(random.uniform(0, 1, places))
    u = random.normal(size=(runs, times, places))
    if missing and u.size > 1:
        u.flat[0] = np.nan
    np.savez(folder / "a.npz", t=t, x=x, u=u if runs > 1 else u[0])
    with h5py.File(folder / "a.h5", "w") as file:
        for name, array in (("t", np.tile(t, (runs, 1))), ("x", x), ("u", u)):
            file[name] = array
    write_table(folder / "a.csv", t, x, u)
    for name in ("a.npz", "a.h5", "a.csv"):
        found = read(problem(folder, name, 1))
        assert found.times == pytest.approx(np.tile(t, (runs, 1)))
        assert found.places is not None
        assert found.places[:, 0] == pytest.approx(x)
        assert np.array_equal(found.values["u"], u, equal_nan=True)
        assert found.count == np.isfinite(u).sum()


def test_a_grid_has_its_axes_or_its_points(tmp_path: Path):
    t, x, y = np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0]), np.array([0.2, 0.4])
    u = np.arange(12.0).reshape(2, 3, 2)
    np.savez(tmp_path / "axes.npz", t=t, x=x, y=y, u=u)
    px, py = (a.ravel() for a in np.meshgrid(x, y, indexing="ij"))
    np.savez(tmp_path / "points.npz", t=t, x=px, y=py, u=u.reshape(2, 6))
    first = read(problem(tmp_path, "axes.npz", 2))
    second = read(problem(tmp_path, "points.npz", 2))
    assert first.places == pytest.approx(second.places)
    assert np.array_equal(first.values["u"], second.values["u"])


def test_columns_may_have_other_names(tmp_path: Path):
    (tmp_path / "a.csv").write_text("year,u\n1,2\n3,4\n", encoding="utf-8")
    found = read(problem(tmp_path, "a.csv", options=', t="year"'))
    assert found.times == pytest.approx(np.array([[1.0, 3.0]]))
    assert codes(problem(tmp_path, "a.csv")) == ["E541"]
    with pytest.raises(ProblemError, match="no option"):
        read(problem(tmp_path, "a.csv", options=', time="year"'))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("t,u\n0,1\n0,2\n", "E542"),
        ("t,u\n0,1,3\n", "E542"),
        ("t,u\n,1\n", "E542"),
        ("t,u\n", "E542"),
        ("t,t\n0,1\n", "E540"),
        ("t,u\n0,inf\n", "E542"),
        ("t,u\n0,\n", "E542"),
        ("t,u\n11,1\n", "E543"),
        ("t,u,run\n0,1,0\n1,1,0\n0,1,1\n", "E542"),
    ],
)
def test_a_table_that_cannot_be(tmp_path: Path, text: str, code: str):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert codes(problem(tmp_path, "a.csv")) == [code]


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"t": [0.0, 1.0], "u": [1.0, 2.0, 3.0]}, "E542"),
        ({"t": [1.0, 0.0], "u": [1.0, 2.0]}, "E543"),
        ({"t": [0.0, 1.0], "v": [1.0, 2.0]}, "E541"),
        ({"t": [[0.0, 1.0], [0.0, 1.0]], "u": [[1.0, 2.0]] * 3}, "E542"),
    ],
)
def test_arrays_that_cannot_be(tmp_path: Path, arrays: dict[str, Any], code: str):
    own: Any = {k: np.array(v) for k, v in arrays.items()}
    np.savez(tmp_path / "a.npz", **own)
    assert codes(problem(tmp_path, "a.npz")) == [code]


def test_nothing_is_read_outside_of_the_folder(tmp_path: Path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "a.csv").write_text("t,u\n0,1\n", encoding="utf-8")
    for name in ("../a.csv", str(tmp_path / "a.csv"), "~/a.csv", "b.csv", "a.txt"):
        assert codes(problem(inner, name)) == ["E540"]
    with h5py.File(tmp_path / "far.h5", "w") as file:
        file["u"] = np.ones(1)
    with h5py.File(inner / "a.h5", "w") as file:
        file["t"] = np.zeros(1)
        file["u"] = h5py.ExternalLink("../far.h5", "u")
    assert codes(problem(inner, "a.h5")) == ["E541"]
    (inner / "b.npz").write_bytes(b"PK no archive")
    assert codes(problem(inner, "b.npz")) == ["E540"]
