"""The same solutions on one device, on eight, and in two processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WORKER = Path(__file__).with_name("devices_worker.py")
EVERYWHERE = ("dt_pinn", "pinn", "neural_ivp", "sinode")
CASES = [(name, 2) for name in EVERYWHERE]
CASES += [(name, 8) for name in (*EVERYWHERE, "dt_pinn_slices", "sinode_damped")]
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


@pytest.mark.gpu
def test_a_gpu_finds_what_the_processor_finds(tmp_path: Path) -> None:
    for platform in ("cpu", "cuda"):
        (tmp_path / platform).mkdir()
        write_courses(tmp_path / platform)
        finish(start(tmp_path / platform, "virtual", "1", platform=platform))
    for case in {name for name, _ in CASES}:
        found = [np.load(tmp_path / p / f"{case}-1.npy") for p in ("cpu", "cuda")]
        assert np.max(np.abs(found[1] - found[0])) <= 1e-8 * np.max(np.abs(found[0]))
