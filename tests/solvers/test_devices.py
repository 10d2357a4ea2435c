"""The same solutions on one device, on eight, and in two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree

from pdesl.diagnostics import CapabilityError, SolverError
from pdesl.lowering.devices import kept, make_mesh, parts
from pdesl.lowering.halo import divide_nodes
from pdesl.lowering.nodal import NodalRow, NodalSystem, NodalTerm
from pdesl.run import pipeline
from pdesl.run.accelerator import Processes, configure_jax

WORKER = Path(__file__).with_name("devices_worker.py")
EVERYWHERE = ("dt_pinn", "pinn", "neural_ivp", "sinode", "lines")
CASES = [(name, 2) for name in EVERYWHERE]
ALONE = ("dt_pinn_slices", "sinode_damped", "lines_implicit")
CASES += [(name, 8) for name in (*EVERYWHERE, *ALONE)]
# Compiled fast: what is compiled is the same on any number of devices.
FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def start(folder: Path, *arguments: str, platform: str = "cpu") -> subprocess.Popen[str]:
    environment = {**os.environ, "JAX_PLATFORMS": platform, "XLA_FLAGS": FLAGS}
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(folder), *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def write_courses(folder: Path) -> None:
    """The data of the fits."""
    times = np.linspace(0.0, 4.0, 38)
    table = np.column_stack([times, 1.5 + np.sin(times), 1.0 + 0.5 * np.cos(times)])
    names = {"header": "t,hare,lynx", "comments": ""}
    np.savetxt(folder / "courses.csv", table, delimiter=",", fmt="%.6f", **names)


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-4000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The solutions on one and eight virtual devices, and those of two processes."""
    found = tmp_path_factory.mktemp("devices")
    write_courses(found)
    finish(start(found, "virtual", "1,8"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    pair = [start(found, f"{address},{number}/2", "2") for number in range(2)]
    for process in pair:
        finish(process)
    return found


@pytest.mark.parametrize(("case", "devices"), CASES)
def test_devices_change_nothing(folder: Path, case: str, devices: int) -> None:
    one = np.load(folder / f"{case}-1.npy")
    several = np.load(folder / f"{case}-{devices}.npy")
    assert np.max(np.abs(several - one)) <= 1e-10 * np.max(np.abs(one))


def test_more_devices_than_there_are() -> None:
    with pytest.raises(SolverError, match="are asked for") as caught:
        make_mesh(4096)
    assert caught.value.code == "E780"
    assert "XLA_FLAGS" in caught.value.advice or "JAX_PLATFORMS=cpu" in caught.value.advice


@pytest.mark.parametrize(
    ("name", "solver", "settings", "part"),
    [
        ("linear_poisson_disk", "rbf_fd", (), "factored"),
        ("linear_poisson_disk", "random_features", (), "least-squares"),
        ("kuramoto_sivashinsky", None, (), "fourier"),
        ("heat_disk", "method_of_lines", ("solver.time=taylor_series",), "taylor_series"),
    ],
)
def test_what_cannot_be_divided_says_why(
    name: str, solver: str | None, settings: tuple[str, ...], part: str
) -> None:
    source = pipeline.load_source(name)
    with pytest.raises(CapabilityError, match=part) as caught:
        pipeline.solve(source, solver=solver, overrides=settings, devices=2)
    (refusal,) = caught.value.diagnostics
    assert refusal.code == "E646"
    assert refusal.span is not None


def test_processes_are_read() -> None:
    assert Processes.parse("host:9911", "1/4") == Processes("host:9911", 1, 4)
    for coordinator, process in (("host", "0/2"), ("host:x", "0/2"), ("h:1", "2/2"), ("h:1", "2")):
        with pytest.raises(ValueError, match="such as"):
            Processes.parse(coordinator, process)


def test_virtual_devices_are_asked_for_once() -> None:
    environment = {"JAX_COMPILATION_CACHE_DIR": "", "XLA_FLAGS": "--xla_dump_to=x"}
    configure_jax(environment, devices=8)
    first = environment["XLA_FLAGS"]
    assert first == "--xla_dump_to=x --xla_force_host_platform_device_count=8"
    configure_jax(environment, devices=4)
    assert environment["XLA_FLAGS"] == first


def test_parts_hold_every_row_once() -> None:
    table = np.arange(22.0).reshape(11, 2)
    found, flags = parts(table, 4), kept(11, 4)
    assert found.shape == (4, 3, 2)
    assert np.array_equal(found[flags], table)


def test_nodes_are_divided_along_a_curve() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (403, 2))
    near = np.asarray(KDTree(points).query(points, 9)[1])
    matrix = csr_matrix((np.ones(near.size), near.ravel(), np.arange(0, near.size + 1, 9)))
    term = NodalTerm(matrix, 0, 0)
    row = NodalRow(
        "row", "interior", np.arange(403), (term,), (), None, None, np.zeros((0, 403)),
        np.zeros(403),
    )  # fmt: skip
    found = divide_nodes(NodalSystem(points, (row,), (), ()), 5)
    own = np.concatenate([found.rows[0][d][found.kept[0][d]] for d in range(5)])
    assert np.array_equal(np.sort(own), np.arange(403))
    for device, received in enumerate(found.halo):
        needed = np.unique(near[found.owner == device])
        outside = needed[found.owner[needed] != device]
        assert np.array_equal(np.sort(np.concatenate(list(received.values()))), outside)
        # A compact part of 80 nodes has a rim of a stencil's width.
        assert len(outside) < 80


@pytest.mark.gpu
def test_a_gpu_finds_what_the_processor_finds(tmp_path: Path) -> None:
    for platform in ("cpu", "cuda"):
        (tmp_path / platform).mkdir()
        write_courses(tmp_path / platform)
        finish(start(tmp_path / platform, "virtual", "1", platform=platform))
    for case in {name for name, _ in CASES}:
        found = [np.load(tmp_path / p / f"{case}-1.npy") for p in ("cpu", "cuda")]
        assert np.max(np.abs(found[1] - found[0])) <= 1e-8 * np.max(np.abs(found[0]))
