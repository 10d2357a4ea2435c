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


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": FLAGS}
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(folder), *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-4000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The solutions on one and eight virtual devices, and those of two processes."""
    found = tmp_path_factory.mktemp("devices")
    times = np.linspace(0.0, 4.0, 38)
    table = np.column_stack([times, 1.5 + np.sin(times), 1.0 + 0.5 * np.cos(times)])
    np.savetxt(
        found / "courses.csv", table, delimiter=",", header="t,hare,lynx", comments="", fmt="%.6f"
    )
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
