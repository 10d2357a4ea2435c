"""What the commands of `pdesl` share: statuses, arguments, and answers in JSON."""

from __future__ import annotations

import importlib
import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "JSON",
    "StageType",
    "Status",
    "answer",
    "as_json",
    "codes_like",
    "import_numpy",
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


class StageType(click.ParamType):
    """A stage of the compiler; the names come from the pipeline, when one is asked for."""

    name = "stage"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pdesl.run.pipeline import STAGES

        if value not in STAGES:
            self.fail(f"{value!r} is none of {', '.join(STAGES)}", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from pdesl.run.pipeline import STAGES

        return [CompletionItem(stage) for stage in STAGES if stage.startswith(incomplete)]


def import_numpy() -> None:
    """NumPy for a command that works out no linear algebra.

    OpenBLAS starts its threads when NumPy is imported: a tenth of a check, more on many cores.
    """
    if "numpy" in sys.modules or _THREADS in os.environ:
        return
    os.environ[_THREADS] = "1"
    try:
        importlib.import_module("numpy")
    finally:
        del os.environ[_THREADS]


_THREADS = "OPENBLAS_NUM_THREADS"
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


def answer(report: Report, *, as_json: bool, quiet: bool, verbose: bool = False) -> None:
    """Write the metrics as JSON, or the files and the closing lines.

    With `verbose` also every option of the method, and the seconds of every stage.
    """
    if as_json:
        say_json(report.metrics)
        return
    if not quiet:
        for file in report.files:
            click.echo(f"wrote {file}")
    if verbose:
        for title, key in (("option", "settings"), ("seconds", "timings"), ("count", "counts")):
            table = report.metrics.get(key)
            for name, value in table.items() if isinstance(table, dict) else ():
                shown = f"{value:.4g}" if isinstance(value, float) else value
                click.echo(f"{title} {name} = {shown}")
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


def _problems(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of the catalogue that begin so; the shell itself completes files."""
    from pdesl.resources import problems_folder

    known = sorted(path.stem for path in problems_folder().glob("*.pde"))
    found = [CompletionItem(name) for name in known if name.startswith(incomplete)]
    return [*found, CompletionItem(incomplete, type="file")]


def _methods(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from pdesl.solvers.methods import METHODS

    return [name for name in METHODS if name.startswith(incomplete)]


def codes_like(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Codes of messages that begin so, for completion by a shell."""
    from pdesl.codes import CODES

    return [code for code in CODES if code.startswith(incomplete.upper())]


problem = click.argument("problem", metavar="NAME_OR_FILE", shell_complete=_problems)
optional_problem = click.argument(
    "problem", metavar="[NAME_OR_FILE]", required=False, shell_complete=_problems
)
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
    "--solver",
    metavar="NAME",
    shell_complete=_methods,
    help="Another method than the file's, such as pinn.",
)
