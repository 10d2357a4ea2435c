"""Nodes from files: every format, what is checked, and hostile files."""

import csv
import io
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdesl.lowering import node_file
from pdesl.lowering.cloud import Cloud, make_cloud
from pdesl.lowering.node_file import MOST_BYTES, read_nodes
from pdesl.symbolic.geometry import Annulus, Box, Disk, GeometryError, Interval, Region

RING = Annulus((0, 0), 0.5, 1)


def columns_of(cloud: Cloud, names: str) -> dict[str, np.ndarray]:
    """The columns of a cloud without ghosts, its rows in a random order."""
    first, count = cloud.interior_count, cloud.evaluation_count
    normals = np.full((count, cloud.dimension), np.nan)
    normals[first:] = cloud.normals
    part = np.full(count, -1)
    part[first:] = cloud.part
    order = np.random.default_rng(0).permutation(count)
    found = {c: cloud.evaluation[order, i] for i, c in enumerate(names)}
    found["kind"] = np.where(np.arange(count) < first, "interior", "boundary")[order]
    found |= {f"n{c}": normals[order, i] for i, c in enumerate(names)}
    return found | {"part": part[order], "temperature": np.ones(count)}


def write(path: Path, columns: dict[str, np.ndarray]) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in zip(*(c.tolist() for c in columns.values()), strict=True):
                writer.writerow("" if v != v else repr(v) if isinstance(v, float) else v
                                for v in row)  # fmt: skip
    elif path.suffix == ".npz":
        np.savez_compressed(path, **columns)  # pyright: ignore[reportArgumentType]
    else:
        with h5py.File(path, "w") as file:
            for name, column in columns.items():
                is_text = column.dtype.kind == "U"
                file[name] = column.astype(h5py.string_dtype()) if is_text else column


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".h5"])
@pytest.mark.parametrize(
    ("region", "names"),
    [(Interval(0, 2), "x"), (RING, "xy"), (Box((0, 0, 0), (1, 1, 1)), "xyz")],
    ids=["interval", "annulus", "cube"],
)
def test_what_was_written_is_read(suffix: str, region: Region, names: str, tmp_path: Path):
    made = make_cloud(region, nodes=300, seed=1, ghost=False)
    write(tmp_path / f"nodes{suffix}", columns_of(made, names))
    read = read_nodes(f"nodes{suffix}", region, names, folder=str(tmp_path))
    cloud = read.cloud
    for group in ("interior", "boundary"):
        ours, theirs = getattr(cloud, group), getattr(made, group)
        assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))
    for point, normal, part in zip(made.boundary, made.normals, made.part, strict=True):
        (row,) = np.flatnonzero((cloud.boundary == point).all(axis=1))
        np.testing.assert_allclose(cloud.normals[row], normal, atol=1e-15)
        assert cloud.part[row] == part
    assert cloud.ghost_count == cloud.boundary_count
    assert not region.contains(cloud.ghost).any()
    assert read.notes == ()
    assert cloud.origin is not None
    assert cloud.origin.size == (tmp_path / f"nodes{suffix}").stat().st_size


def test_normals_are_made_unit_vectors_and_parts_found(tmp_path: Path):
    made = make_cloud(RING, nodes=300, ghost=False)
    columns = columns_of(made, "xy")
    columns["nx"], columns["ny"] = 3 * columns["nx"], 3 * columns["ny"]
    del columns["part"]
    write(tmp_path / "nodes.csv", columns)
    read = read_nodes("nodes.csv", RING, "xy", folder=str(tmp_path))
    np.testing.assert_allclose(np.linalg.norm(read.cloud.normals, axis=1), 1.0, atol=1e-15)
    radius = np.linalg.norm(read.cloud.boundary, axis=1)
    names = np.array(read.cloud.part_names)[read.cloud.part]
    assert (names == np.where(radius > 0.75, "outer", "inner")).all()
    assert len(read.notes) == 2
    assert "no unit vectors" in read.notes[0]
    assert "nearest" in read.notes[1]


def test_nodes_on_chords_are_near_enough_and_others_are_not(tmp_path: Path):
    made = make_cloud(Disk((0, 0), 1), nodes=300, ghost=False)
    columns = columns_of(made, "xy")
    edge = columns["kind"] == "boundary"
    for share, accepted in ((0.01, True), (0.2, False)):
        moved = dict(columns)
        for name in "xy":
            moved[name] = np.where(edge, (1 - share) * columns[name], columns[name])
        write(tmp_path / "nodes.csv", moved)
        if accepted:
            read_nodes("nodes.csv", Disk((0, 0), 1), "xy", folder=str(tmp_path))
        else:
            with pytest.raises(GeometryError, match="lies off its boundary by") as raised:
                read_nodes("nodes.csv", Disk((0, 0), 1), "xy", folder=str(tmp_path))
            assert raised.value.code == "E538"


def test_periodic_images_are_the_same_node(tmp_path: Path):
    region = Box((0, 0), (1, 1), (True, False))
    made = make_cloud(region, nodes=200, ghost=False)
    columns = columns_of(made, "xy")
    write(tmp_path / "nodes.npz", columns)
    read_nodes("nodes.npz", region, "xy", folder=str(tmp_path))
    inner = np.flatnonzero(columns["kind"] == "interior")[:2]
    columns["x"][inner], columns["y"][inner] = (0.0, 1.0), (0.5, 0.5)
    write(tmp_path / "nodes.npz", columns)
    with pytest.raises(GeometryError, match="are the same node") as raised:
        read_nodes("nodes.npz", region, "xy", folder=str(tmp_path))
    assert raised.value.code == "E538"


def refused(tmp_path: Path, name: str, data: bytes | None = None) -> GeometryError:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(GeometryError) as raised:
        read_nodes(name, RING, "xy", folder=str(tmp_path))
    assert raised.value.help
    return raised.value


def test_files_that_cannot_be_read(tmp_path: Path):
    assert refused(tmp_path, "none.csv").code == "E534"
    assert refused(tmp_path, "/etc/hostname").code == "E534"
    assert refused(tmp_path, "nodes.txt", b"x,y").code == "E534"
    assert refused(tmp_path, "latin.csv", b"x,y,kind\n\xe9,1,interior\n").code == "E534"
    assert refused(tmp_path, "nodes.npz", b"PK no archive").code == "E534"
    assert refused(tmp_path, "nodes.h5", b"no such file").code == "E534"
    assert refused(tmp_path, "two.csv", b"x,x,kind\n").code == "E535"
    assert refused(tmp_path, "ragged.csv", b"x,y,kind\n1,2\n").code == "E535"
    (tmp_path / "folder.csv").mkdir()
    assert refused(tmp_path, "folder.csv").code == "E534"
    os.mkfifo(tmp_path / "pipe.csv")  # would block whoever opens it
    assert refused(tmp_path, "pipe.csv").code == "E534"
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert "bytes" in refused(tmp_path, "huge.csv").message
    (tmp_path / "huge.csv").unlink()


def test_archives_do_not_unpack_to_more_than_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Small files that stand for many zeros, one of Python objects, one that links elsewhere."""
    monkeypatch.setattr(node_file, "MOST_BYTES", 4_000_000)
    header = io.BytesIO()
    count = 1_000_000
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (count,)}
    )
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("kind.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(0, 8 * count, 1 << 22):
                member.write(bytes(1 << 22))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    assert "rows" in refused(tmp_path, "bomb.npz").message
    np.savez(tmp_path / "objects.npz", kind=np.array([{}], dtype=object))
    assert refused(tmp_path, "objects.npz").code == "E534"
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("kind", shape=(1 << 40,), dtype="f8", chunks=(1 << 20,))
    assert "rows" in refused(tmp_path, "bomb.h5").message
    (tmp_path / "secret.h5").write_bytes(b"")
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["kind"] = h5py.ExternalLink("secret.h5", "/kind")
    assert refused(tmp_path, "linked.h5").code == "E535"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suffix=st.sampled_from([".csv", ".npz", ".h5"]),
    place=st.integers(0, 10_000),
    noise=st.binary(min_size=1, max_size=8),
)
def test_damaged_files_are_refused_or_read(suffix: str, place: int, noise: bytes, tmp_path: Path):
    """No file ends in another error than a located one."""
    path = tmp_path / f"nodes{suffix}"
    write(path, columns_of(make_cloud(RING, nodes=60, ghost=False), "xy"))
    data = bytearray(path.read_bytes())
    start = place % len(data)
    data[start : start + len(noise)] = noise
    path.write_bytes(data)
    try:
        read = read_nodes(path.name, RING, "xy", folder=str(tmp_path))
    except GeometryError as error:
        code = error.code
    else:
        assert read.cloud.evaluation_count > 0
        code = "E534"
    assert code in {f"E53{k}" for k in range(4, 10)}
