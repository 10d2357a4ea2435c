"""Settings of the whole test suite: float64 in JAX, deterministic properties, GPU tests."""

import os

import pytest
from hypothesis import settings

os.environ["JAX_ENABLE_X64"] = "1"  # before anything imports JAX

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
