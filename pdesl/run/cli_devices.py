"""Options about devices, processes and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pdesl.run.accelerator import Processes

__all__ = ["MemorySize", "coordinator", "devices", "free_memory", "process", "processes_of"]

devices = click.option(
    "--devices",
    type=click.IntRange(1, 65_536),
    metavar="N",
    help="Divide the work among N devices.  [default: one of each process]",
)
coordinator = click.option(
    "--coordinator", metavar="HOST:PORT", help="Where the first of several processes listens."
)
process = click.option("--process", metavar="I/N", help="This is process I of N, the first is 0.")


def processes_of(coordinator: str | None, process: str | None) -> Processes | None:
    """The processes of a run; None for one."""
    from pdesl.run.accelerator import Processes

    if coordinator is None and process is None:
        return None
    if coordinator is None or process is None:
        raise click.UsageError("several processes need both --coordinator and --process")
    try:
        return Processes.parse(coordinator, process)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


class MemorySize(click.ParamType):
    """Bytes, from a text such as 16GB."""

    name = "memory"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from pdesl.solvers.memory_estimate import size_of

        try:
            return size_of(value)
        except ValueError as error:
            return self.fail(str(error), param, ctx)


def free_memory() -> float:
    """Bytes that programs can have without others being moved out; infinite where none can say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
        return os.sysconf("SC_PHYS_PAGES") * float(os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        return float("inf")
