"""Whatever is given to a command, it is refused where it is wrong: soon, and in little memory."""

from __future__ import annotations

import io
import os
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from pdesl.run.checkpoint import CHECKPOINT
from pdesl.run.cli import commands
from pdesl.run.cli_options import Status
from pdesl.symbolic.data_file import read_data_file

#: Processor seconds of a refusal, and bytes that it may add to the memory.
SECONDS, BYTES = 2.0, 1e9

POISSON = """
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
equations:
    ∇²u = 1
boundary:
    u = 0    on ∂Ω
solver:
    method = rbf_fd(nodes=100)
"""
HEAT = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = ∇²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(π x)
solver:
    method = method_of_lines
"""
FIT = """
domain:
    t ∈ [0, 2]
fields:
    u(t) : scalar
parameters:
    k = unknown(start=1)
equations:
    ∂t u = -k u
data:
    d = load("NAME")
fit:
    d.u ≈ u
solver:
    method = sinode(time=rk4(dt=0.1))
"""


@pytest.fixture(autouse=True, scope="module")
def imported() -> None:
    """What commands load is no part of a refusal."""
    import pdesl.run.pipeline
    import pdesl.run.results
    import pdesl.solvers.method_of_lines
    import pdesl.solvers.sinode  # noqa: F401


def refused(code: str, *arguments: str, given: bytes | None = None) -> str:
    """Give a command, and see that it is refused by this code."""
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    result = CliRunner().invoke(commands, list(arguments), input=given)
    assert time.process_time() - begin < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES
    assert result.exit_code not in (Status.DONE, Status.DEFECT), result.output
    assert code in result.output, result.output
    return result.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("poisson", POISSON), ("heat", HEAT)):
        (tmp_path / f"{name}.pde").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("problem", "setting", "code"),
    [
        ("poisson", "solver.nodes=1000000000", "E504"),
        ("poisson", "solver.order=1000000", "E504"),
        ("poisson", "solver.spacing=1e-9", "E533"),
        ("poisson", "solver.method=dt_pinn(width=10000, depth=100)", "E518"),
        ("heat", "solver.method=dt_pinn(nodes=50, slices=1000000000)", "E504"),
        ("heat", "solver.method=dt_pinn(nodes=5000, slices=90000)", "E518"),
        ("heat", "solver.space=finite_difference(points=1000000000)", "E504"),
        ("heat", "solver.time=imex_rk3(dt=1e-300)", "E741"),
        ("heat", "solver.time=imex_rk3(dt=0)", "E504"),
        ("heat", "solver.time=imex_rk3(dt=nan)", "E503"),
        ("heat", "solver.time=imex_rk3(dt=inf)", "E503"),
        ("heat", "solver.time=imex_rk3(rtol=0)", "E504"),
        ("heat", "solver.time=imex_rk3(rtol=1e-300)", "E741"),
        ("heat", "solver.time=imex_rk3(rtol=1e300)", "E504"),
        ("heat", "solver.time=imex_rk3(rtol=10^400)", "E305"),
        ("heat", "solver.checkpoint=-1", "E504"),
        ("heat", "solver.__class__=1", "E502"),
        ("heat", "solver.order=" + "(" * 100_000, "E508"),
        ("heat", "x" * 100_000 + "=1", "E508"),
    ],
)  # fmt: skip
def test_settings_beyond_all_measure(folder: Path, problem: str, setting: str, code: str):
    out = ("-o", str(folder / "out"))
    refused(code, "run", f"{problem}.pde", "--set", setting, *out)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (POISSON.replace("= 1", "= " + "(" * 450_000 + "1" + ")" * 450_000), "E007"),
        (POISSON.replace("= 1", "= " + "9" * 900_000), "E010"),
        (POISSON.replace("= 1", "= " + "+".join("u" * 400_000)), "E009"),
        (POISSON.replace("= 1", "= " + "2^" * 200 + "2"), "E146"),
        (POISSON.replace("= 1", "= " + "sum(" * 60 + "u" + ")" * 60), "E306"),
        (POISSON.replace("x, y ∈ [0, 1]", "x ∈ [0, 1]^1000000000"), "E011"),
        (POISSON.replace("u", "u.__class__"), "E204"),
        (POISSON + "output:\n    at end: u -> \"/etc/u.h5\"\n", "E813"),
        (POISSON + "output:\n    at end: u -> \"a/../../u.h5\"\n", "E813"),
        (POISSON + "output:\n    at end: u -> \"inside/u.h5\"\n", "E813"),
        (HEAT + "output:\n    every 1e-12: u -> \"u.h5\"\n", "E620"),
        (HEAT.replace("t ∈ [0, 1]", "t ∈ [0, 1e308]"), "E74"),
        (HEAT.replace("x ∈ [0, 1]", "x ∈ [0, 1e-300]"), "E74"),
        (POISSON.replace("∇²", "∇\x00²"), "E006"),
        (POISSON.replace("\n", "\r"), "E1"),
        ("\n".join(" " * i + "a:" for i in range(1000)), "E1"),
    ],
    ids=range(16),
)  # fmt: skip
def test_texts_beyond_all_measure(folder: Path, text: str, code: str):
    out = folder / "out"
    out.mkdir()
    (out / "inside").symlink_to("/tmp", target_is_directory=True)
    (folder / "hostile.pde").write_text(text, encoding="utf-8", newline="")
    with np.errstate(all="ignore"):
        refused(code, "run", "hostile.pde", "-o", str(out))
    assert [p.name for p in out.iterdir()] == ["inside"]


def test_sweeps_of_very_many_runs(folder: Path):
    block = "".join(f"    solver.{n} = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" for n in "abcdefghi")
    (folder / "swept.pde").write_text(POISSON + "sweep:\n" + block, encoding="utf-8")
    assert "1,000,000,000 runs" in refused("E523", "sweep", "swept.pde")


@pytest.mark.parametrize("command", ["check", "fmt", "show", "run"])
def test_what_is_no_file(folder: Path, command: str):
    os.mkfifo(folder / "pipe.pde")
    (folder / "bytes.pde").write_bytes(bytes(range(256)) * 40)
    (folder / "vast.pde").write_bytes(b"# " + b"a" * 10_000_000)
    for name in ("/dev/zero", "pipe.pde", "./", "/dev/full"):
        refused("E001", command, name)
    refused("E002", command, "bytes.pde")
    refused("E008", command, "vast.pde")


def test_standard_input_that_is_no_text():
    refused("E002", "fmt", "-", given=b"\xff\xfe")
    refused("E008", "fmt", "-", given=b"a" * 10_000_000)


@pytest.mark.parametrize("content", [b"", b"x" * 1000, b"[" * 100_000, b'{"files": 3}'])
def test_folders_that_hold_no_result(folder: Path, content: bytes):
    for name in ("metrics.json", "solution.h5", "model.h5", CHECKPOINT):
        (folder / name).write_bytes(content)
    for command in ("plot", "report"):
        refused("E816", command, str(folder))
    refused("E830", "predict", str(folder))
    refused("E831", "run", "--resume", str(folder))


# -- data ----------------------------------------------------------------------------------


def header(shape: tuple[int, ...], kind: str) -> bytes:
    stream = io.BytesIO()
    told = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, told)
    return stream.getvalue()


def archive(name: str, first: bytes, zeros: int = 0) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
            file.open(name, "w") as stream,
        ):
            stream.write(first)
            for _ in range(zeros // 10_000_000):
                stream.write(bytes(10_000_000))

    return write


def hdf5(fill: Callable[[h5py.File], object]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            fill(file)

    return write


def many(file: h5py.File) -> None:
    for k in range(100):
        file.create_dataset(f"u{k}", shape=(10**5, 10), chunks=(1000, 10), dtype="f8")


def elsewhere(file: h5py.File) -> None:
    """Nothing of it lies in the file itself."""
    file["p"] = h5py.ExternalLink("/etc/passwd", "/")
    file["s"] = h5py.SoftLink("/q")
    file.create_dataset("e", shape=(10,), dtype="u1", external=[("/etc/passwd", 0, 10)])
    layout = h5py.VirtualLayout(shape=(10,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(10,))
    file.create_virtual_dataset("v", layout)


def plain(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


HOSTILE = {
    "bomb.npz": (archive("u.npy", header((100_000_000,), "|b1"), 100_000_000), "E540"),
    "lie.npz": (archive("u.npy", header((10**13,), "<f8")), "E540"),
    "cut.npz": (plain(b"PK\x03\x04" + bytes(30)), "E540"),
    "none.npz": (plain(b""), "E540"),
    "huge.h5": (
        hdf5(lambda f: f.create_dataset("u", shape=(10**6, 10**6), chunks=(99, 99), dtype="f8")),
        "E540",
    ),
    "many.h5": (hdf5(many), "E540"),
    "none.h5": (plain(b""), "E540"),
    "elsewhere.h5": (hdf5(elsewhere), "E54"),
    "columns.csv": (plain((",".join(f"c{i}" for i in range(10**6)) + "\n").encode()), "E540"),
    "field.csv": (plain(b"t,u\n1," + b"9" * 10**6 + b"\n"), "E540"),
    "quote.csv": (plain(b't,u\n"' + b"1,2\n" * 10**5), "E540"),
    "nul.csv": (plain(b"t,u\n1,\x002\n"), "E54"),
    "wide.csv": (plain("t,u\n1,2\n".encode("utf-16")), "E540"),
    "ragged.csv": (plain(b"t,u\n1\n"), "E542"),
    "infinite.csv": (plain(b"t,u\n0,1\n1,inf\n"), "E542"),
    "nothing.csv": (plain(b"t,u\n0,nan\n1,nan\n"), "E542"),
    "never.csv": (plain(b"t,u\nnan,1\n1,2\n"), "E542"),
    "same.csv": (plain(b"t,u\n1,1\n1,2\n"), "E542"),
    "pipe.csv": (os.mkfifo, "E540"),
    "device.csv": (lambda path: path.symlink_to("/dev/zero"), "E540"),
    "folder.h5": (Path.mkdir, "E540"),
    "../up.csv": (None, "E540"),
    "/dev/zero.h5": (None, "E540"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_data_that_cannot_be_used(folder: Path, name: str):
    write, code = HOSTILE[name]
    if write is not None:
        write(folder / name)
    (folder / "fit.pde").write_text(FIT.replace("NAME", name), encoding="utf-8")
    shown = refused(code, "run", "fit.pde", "-o", str(folder / "out"))
    assert "fit.pde:11:5" in shown  # the line that names the file
    assert not (folder / "out").exists()


def test_data_are_read_as_before(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(50, 2))
    np.savez_compressed(tmp_path / "a.npz", u=values, n=np.arange(3), word=np.array(["a"]))
    text = "# a remark\nt,u\n" + "".join(f"{a!r},{b!r}\r\n" for a, b in values.tolist()) + "3,\n"
    (tmp_path / "a.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    found = read_data_file("a.npz", str(tmp_path)).arrays
    assert found.keys() == {"u", "n"}
    np.testing.assert_array_equal(found["u"], values)
    table = read_data_file("a.csv", str(tmp_path)).arrays
    np.testing.assert_array_equal(table["t"], [*values[:, 0], 3.0])
    np.testing.assert_array_equal(table["u"], [*values[:, 1], np.nan])
