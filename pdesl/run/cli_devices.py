"""Options about devices, processes and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pdesl.run.accelerator import Processes

__all__ = ["coordinator", "devices", "memory_limit", "process", "processes_of"]

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


memory_limit = click.option(
    "--memory-limit", type=MemorySize(), metavar="SIZE",
    help="Fit into SIZE on each device, as 16GB.",
)  # fmt: skip
