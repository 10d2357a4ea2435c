"""What the commands of `pdesl` share: statuses, arguments, and answers in JSON."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "JSON",
    "Status",
    "answer",
    "as_json",
    "problem",
    "profile",
    "say_json",
    "settings",
    "solver",
]


class Status(IntEnum):
    """Exit statuses of `pdesl`."""

    DONE = 0
    WRONG_PROBLEM = 1
    WRONG_COMMAND = 2
    CAPABILITY = 3
    NUMERICS = 4
    OUTPUT = 5
    BOUND = 6
    DEFECT = 70
    INTERRUPTED = 130


JSON = "pdesl.json"  # key in the context of click: this command answers in JSON


def say_json(value: object) -> None:
    from pdesl.run.metrics import to_json

    click.echo(to_json(value), nl=False)


class Report(Protocol):
    """What a command that writes a folder answers with."""

    @property
    def metrics(self) -> dict[str, object]: ...
    @property
    def files(self) -> tuple[Path, ...]: ...
    @property
    def lines(self) -> tuple[str, ...]: ...


def answer(report: Report, *, as_json: bool, quiet: bool) -> None:
    """Write the metrics as JSON, or the files and the closing lines."""
    if as_json:
        say_json(report.metrics)
        return
    if not quiet:
        for file in report.files:
            click.echo(f"wrote {file}")
    for line in report.lines:
        click.echo(line)


def _checked(_: click.Context, parameter: click.Parameter, values: Sequence[str]) -> Any:
    for value in values:
        name, equals, setting = value.partition("=")
        if not (name.strip() and equals and setting.strip()):
            raise click.BadParameter(
                f"{value!r} is not of the form NAME=VALUE, such as solver.order=5",
                param=parameter,
            )
    return tuple(values)


problem = click.argument("problem", metavar="NAME_OR_FILE")
settings = click.option(
    "--set",
    "overrides",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_checked,
    help="Set an option or a parameter, such as solver.order=5 or parameters.κ=2; repeatable.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON on standard output.")
profile = click.option("--profile", metavar="NAME", help="Apply a `profile` block of the file.")
solver = click.option(
    "--solver", metavar="NAME", help="Another method than the file's, such as pinn."
)
