"""Result files: every format has the same columns, HDF5 reads back and opens in xarray."""

import csv
import json
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest

from pdesl.diagnostics import OutputError
from pdesl.run.file_names import FORMATS
from pdesl.run.folder import OutputFolder
from pdesl.run.io import (
    WRITERS,
    FieldData,
    ResultData,
    check_names,
    check_suffix,
    read_hdf5,
    writer_for,
)

COUNT = 50


@pytest.fixture
def data() -> ResultData:
    generator = np.random.default_rng(0)
    kind = (np.arange(COUNT) >= 40).astype(int)
    normals = np.full((COUNT, 2), np.nan)
    normals[kind == 1] = [0.6, 0.8]
    part = np.where(kind == 1, 1, -1)
    part[-1] = 0
    return ResultData(
        title="test",
        coordinates={"x": generator.random(COUNT), "y": generator.random(COUNT)},
        coordinate_units={"x": "m", "y": "m"},
        fields={
            "T": FieldData(generator.random(COUNT), generator.random(COUNT), "K", "temperature"),
            "φ": FieldData(generator.random(COUNT)),
        },
        kind=kind,
        part=part,
        part_names=("inner", "outer"),
        normals=normals,
        network={"layers/0/weight": generator.random((3, 2)), "layers/0/bias": np.zeros(3)},
        network_attributes={"activation": "tanh", "width": 3},
        history={"iteration": np.array([0, 5, 10]), "loss": np.array([1.0, 0.1, 0.01])},
        attributes={"problem_text": "∇²u = f\n" * 20_000, "seed": 3},
    )


def test_hdf5_reads_back(tmp_path: Path, data: ResultData):
    path = tmp_path / "u.h5"
    WRITERS[".h5"](path, data)
    back = read_hdf5(path)
    for name, column in data.columns().items():
        np.testing.assert_array_equal(back.columns()[name], column)
    assert list(back.fields) == ["T", "φ"]
    assert back.fields["T"].unit == "K"
    assert back.fields["T"].long_name == "temperature"
    assert back.fields["φ"].exact is None
    assert back.part_names == ("inner", "outer")
    assert dict(back.attributes) == dict(data.attributes)
    assert dict(back.network_attributes) == dict(data.network_attributes)
    for name, array in data.network.items():
        np.testing.assert_array_equal(back.network[name], array)
    np.testing.assert_array_equal(back.history["loss"], data.history["loss"])


def test_hdf5_is_the_same_each_time(tmp_path: Path, data: ResultData):
    for name in ("a.h5", "b.h5"):
        WRITERS[".h5"](tmp_path / name, data)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_hdf5_opens_in_xarray(tmp_path: Path, data: ResultData):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    path = tmp_path / "u.h5"
    WRITERS[".h5"](path, data)
    with xarray.open_dataset(path, engine="h5netcdf") as found:
        assert set(found.coords) == {"node", "x", "y"}
        assert found["T"].dims == ("node",)
        assert found["T"].attrs == {"long_name": "temperature", "units": "K"}
        assert found.attrs["Conventions"].startswith("CF-")
        np.testing.assert_array_equal(found["φ"].values, data.fields["φ"].values)
    with xarray.open_dataset(path, engine="h5netcdf", group="history") as found:
        assert found["loss"].dims == ("iteration",)


def test_hdf5_attributes_follow_cf(tmp_path: Path, data: ResultData):
    path = tmp_path / "u.h5"
    WRITERS[".h5"](path, data)
    with h5py.File(path) as file:
        kind = file["boundary_part"].attrs
        assert kind["flag_meanings"] == "interior inner outer"
        assert list(np.asarray(kind["flag_values"])) == [-1, 0, 1]
        assert file["T_error"].attrs["coordinates"] == "x y"
        assert file["normal_x"].attrs["units"] == "1"


def test_csv_loses_no_digit(tmp_path: Path, data: ResultData):
    path = tmp_path / "u.csv"
    WRITERS[".csv"](path, data)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [title.partition(" [")[0] for title in rows[0]] == list(data.columns())
    assert {"x [m]", "T [K]", "φ", "normal_x"} <= set(rows[0])
    assert [float(r["T [K]"]) for r in rows] == data.fields["T"].values.tolist()
    assert rows[0]["normal_x"] == ""
    assert (rows[0]["node_kind"], rows[0]["boundary_part"]) == ("interior", "")
    assert (rows[-1]["node_kind"], rows[-1]["boundary_part"]) == ("boundary", "inner")


def test_npz_needs_no_pickle(tmp_path: Path, data: ResultData):
    path = tmp_path / "u.npz"
    WRITERS[".npz"](path, data)
    with np.load(path, allow_pickle=False) as found:
        np.testing.assert_array_equal(found["T_exact"], data.fields["T"].exact)
        np.testing.assert_array_equal(found["network/layers/0/bias"], np.zeros(3))
        assert json.loads(str(found["attributes"]))["seed"] == 3


@pytest.mark.parametrize("suffix", sorted(WRITERS))
def test_every_format_goes_through_the_folder(tmp_path: Path, data: ResultData, suffix: str):
    with OutputFolder(tmp_path) as folder:
        folder.write(f"u{suffix}", writer_for(f"u{suffix}", data.select(("T",))))
        files = folder.commit({})
    assert files[0].name == f"u{suffix}"
    assert files[0].stat().st_size > 0


@pytest.mark.parametrize("suffix", sorted(WRITERS))
def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path, data: ResultData, suffix: str):
    name = f"u{suffix}"
    (tmp_path / name).write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with OutputFolder(tmp_path) as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OutputError) as caught:
                folder.write(name, writer_for(name, data))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == "E815"
    assert (tmp_path / name).read_text() == "old"


def test_unknown_suffix():
    assert check_suffix("a/u.H5") == ".h5"
    assert set(FORMATS) == set(WRITERS)
    with pytest.raises(OutputError) as caught:
        check_suffix("u.xls")
    assert caught.value.code == "E814"
    assert ".csv, .h5, .npz" in caught.value.advice


@pytest.mark.parametrize("names", [("node",), ("u", "u_exact"), ("x",), ("network",)])
def test_names_that_clash(names: tuple[str, ...]):
    with pytest.raises(OutputError) as caught:
        check_names(("x", "y"), names)
    assert caught.value.code == "E817"
    check_names(("x", "y"), ("u", "v_exact"))


def test_wrong_shapes_are_refused(data: ResultData):
    with pytest.raises(ValueError, match="shape"):
        ResultData("t", {"x": np.zeros(3)}, {"u": FieldData(np.zeros(2))}, kind=np.zeros(3, int))


@pytest.mark.parametrize("content", [b"", b"not HDF5", None])
def test_reading_something_else(tmp_path: Path, content: bytes | None):
    path = tmp_path / "u.h5"
    if content is None:
        with h5py.File(path, "w") as file:
            file["u"] = np.zeros(3)
    else:
        path.write_bytes(content)
    with pytest.raises(OutputError) as caught:
        read_hdf5(path)
    assert caught.value.code == "E816"
