"""Settings of the whole test suite: float64 in JAX, deterministic properties, GPU tests."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Before anything imports JAX; the processes of a parallel run, and those that tests start, share
# one cache of compiled programs, which ends with the run.
os.environ["JAX_ENABLE_X64"] = "1"
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    folder = tempfile.mkdtemp(prefix="pdesl-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

settings.register_profile("pdesl", deadline=None, derandomize=True)
settings.load_profile("pdesl")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where JAX finds none; JAX is asked only if such a test was chosen."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import jax

    if not any(device.platform == "gpu" for device in jax.devices()):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="JAX finds no GPU"))


@pytest.fixture(autouse=True, scope="module")
def _no_programs_of_other_modules() -> Iterator[None]:
    """Compiled programs are let go module by module: they would fill gigabytes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
