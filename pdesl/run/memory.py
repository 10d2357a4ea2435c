"""The memory of the devices that a run works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["device_memory", "free_memory", "graphics"]

# Where Linux says what a container may have.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def graphics() -> Iterator[str]:
    """Names of the graphics processors that a program may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        yield from (name for name in visible.split(",") if name.strip())
        return
    yield from (str(k) for k in range(64) if os.path.exists(f"/dev/nvidia{k}"))


def free_memory() -> float:
    """Bytes that programs can have without others being moved out; infinite where none can say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    except (OSError, ValueError):
        pass
    return _physical()


def device_memory(devices: int) -> float:
    """Bytes of each device: of a graphics processor, else of the machine's memory an equal share.

    Infinite where none can say.
    """
    if any(graphics()):
        from pdesl.lowering import devices as layout

        held = layout.device_memory()
        if held is not None:
            return held
    return _physical() / devices


def _physical() -> float:
    try:
        found = os.sysconf("SC_PHYS_PAGES") * float(os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        return float("inf")
    for place in _LIMITS:
        try:
            found = min(found, float(Path(place).read_text()))
        except (OSError, ValueError):  # no such file, or `max`
            continue
    return found
