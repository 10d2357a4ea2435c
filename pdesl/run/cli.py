"""The command `pdesl`.

Exit statuses: 0 done, 1 the problem is wrong, 2 the command is wrong, 3 the method cannot solve
this problem, 4 the solver failed numerically, 5 a result could not be written, 6 a bound of
`verify:` is missed, 70 a defect of pdesl, 130 interrupted.

Everything but click is imported by the command that needs it, so that help comes at once and
only `run` loads JAX.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pdesl import __version__
from pdesl.diagnostics import (
    CapabilityError,
    Diagnostic,
    OutputError,
    PdeslError,
    ProblemError,
    Severity,
    SolverError,
    Source,
)
from pdesl.run import cli_devices
from pdesl.run.cli_catalogue import explain, list_
from pdesl.run.cli_editor import lsp
from pdesl.run.cli_options import (
    JSON,
    StageType,
    Status,
    answer,
    import_numpy,
    optional_problem,
    say_json,
    settings,
)
from pdesl.run.cli_options import as_json as as_json_flag
from pdesl.run.cli_options import problem as problem_argument
from pdesl.run.cli_options import profile as profile_option
from pdesl.run.cli_options import solver as solver_option
from pdesl.run.cli_pictures import plot, report
from pdesl.run.cli_predict import predict
from pdesl.run.cli_start import completion, new, sweep
from pdesl.run.cli_studies import compare, resume_study, verify
from pdesl.run.memory import free_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Status", "commands", "main"]


def _report(diagnostics: Sequence[Diagnostic]) -> None:
    """Write diagnostics to standard error."""
    from pdesl.run.terminal import format_diagnostics, wants_colour

    if diagnostics:
        colour = wants_colour(sys.stderr)
        click.echo(format_diagnostics(diagnostics, colour=colour), err=True, color=colour)


def _as_diagnostics(error: PdeslError) -> tuple[Diagnostic, ...]:
    if isinstance(error, ProblemError):
        return error.diagnostics
    code = getattr(error, "code", "E700")
    message = getattr(error, "message", None) or str(error)
    helps = tuple(
        text for name in ("advice", "help") if isinstance(text := getattr(error, name, ""), str)
    )
    return (Diagnostic(code, message, helps=tuple(text for text in helps if text)),)


def _status(error: PdeslError) -> Status:
    if isinstance(error, CapabilityError):
        return Status.CAPABILITY
    if isinstance(error, ProblemError):
        return Status.WRONG_PROBLEM
    if isinstance(error, OutputError):
        return Status.OUTPUT
    code = getattr(error, "code", "E700")
    if code.startswith("E6"):
        return Status.CAPABILITY
    return Status.NUMERICS if code.startswith("E7") else Status.WRONG_PROBLEM


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


class Commands(click.Group):
    """The group of commands; turns every exception into a message and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except PdeslError as error:
            status = self._known(ctx, error, _status(error))
        except KeyboardInterrupt:
            click.echo("\ninterrupted: no part of a result was written", err=True)
            status = Status.INTERRUPTED
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe has gone: click ends quietly
            if isinstance(error, OSError) and error.errno in _FULL:
                failure = OutputError(
                    f"the answer cannot be written: {(error.strerror or '').lower()}",
                    code="E815", advice="make room, or send it elsewhere",
                )  # fmt: skip
                status = self._known(ctx, failure, Status.OUTPUT)
            else:
                status = self._unknown(ctx, error)
        return ctx.exit(status)

    @staticmethod
    def _known(ctx: click.Context, error: PdeslError, status: Status) -> Status:
        diagnostics = _as_diagnostics(error)
        if ctx.meta.get(JSON):
            say_json({"ok": False, "status": status, "diagnostics": _jsons(diagnostics)})
        else:
            _report(diagnostics)
        return status

    def _unknown(self, ctx: click.Context, error: Exception) -> Status:
        if _out_of_memory(error):
            failure = SolverError(
                "the machine's memory did not suffice",
                advice="take fewer nodes or a smaller network",
            )
            return self._known(ctx, failure, Status.NUMERICS)
        if os.environ.get("PDESL_TRACEBACK"):
            raise error
        click.echo(
            f"pdesl: this is a defect of pdesl, not of your problem: "
            f"{type(error).__name__}: {error}\n"
            f"  help: please report it with your file and the output of the same command "
            f"after `export PDESL_TRACEBACK=1`",
            err=True,
        )
        return Status.DEFECT


def _jsons(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    return [diagnostic.to_json() for diagnostic in diagnostics]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Statuses: 0 done, 1 wrong problem, 2 wrong command, 3 beyond the method, "
    "4 numerical failure, 5 result not written, 6 bound missed, 130 interrupted.",
)
@click.version_option(__version__, "-V", "--version", prog_name="pdesl")
def commands() -> None:
    """Solve partial differential equations that are written as on paper.

    \b
    pdesl list problems                        what there is to try
    pdesl check heat.pde                       is it right, and what is it?
    pdesl run heat.pde -o out                  solve it; results go to out/
    pdesl run nonlinear_poisson_disk --set solver.order=5 --seed 3
    """


@commands.command(short_help="Find every mistake in a problem; say what kind it is.")
@click.argument("problems", metavar="NAME_OR_FILE...", nargs=-1, required=True)
@settings
@profile_option
@click.option("--memory", is_flag=True, help="What a run needs, and whether that is free here.")
@cli_devices.memory_limit
@cli_devices.devices
@as_json_flag
@click.pass_context
def check(
    ctx: click.Context,
    problems: tuple[str, ...],
    overrides: tuple[str, ...],
    profile: str | None,
    memory: bool,
    memory_limit: float | None,
    devices: int | None,
    as_json: bool,
) -> None:
    """Find every mistake in a problem, and say what kind of problem it is.

    Mistakes go to standard error with their place and a fix; the exit status is 1 where there
    is one.

    \b
    pdesl check heat.pde
    pdesl check problems/*.pde --json
    pdesl check heat.pde --memory-limit 16GB --devices 4
    """
    import_numpy()
    from pdesl.run import pipeline

    ctx.meta[JSON] = as_json
    if memory and memory_limit is None:
        memory_limit = free_memory()
    found = []
    for name in problems:
        try:
            report = pipeline.check(
                pipeline.load_source(name), overrides, profile, memory=memory_limit,
                devices=devices or 1,
            )  # fmt: skip
            diagnostics, summary = tuple(report.diagnostics), tuple(report.summary)
        except ProblemError as error:
            diagnostics, summary = error.diagnostics, ()
        ok = not any(d.severity is Severity.ERROR for d in diagnostics)
        found.append(
            {"file": name, "ok": ok, "diagnostics": _jsons(diagnostics), "summary": summary}
        )
        if not as_json:
            _show_check(name, diagnostics, summary, ok=ok, many=len(problems) > 1)
    ok = all(entry["ok"] for entry in found)
    if as_json:
        say_json({"ok": ok, "files": found})
    ctx.exit(Status.DONE if ok else Status.WRONG_PROBLEM)


def _show_check(
    name: str,
    diagnostics: tuple[Diagnostic, ...],
    summary: tuple[str, ...],
    *,
    ok: bool,
    many: bool,
) -> None:
    from pdesl.run.terminal import count_lines

    _report(diagnostics)
    count = count_lines(diagnostics)
    if not ok:
        click.echo(f"\n{name}: {count}", err=True)
        return
    if many:
        click.echo(f"{name}: correct{', ' + count if count else ''}")
        return
    for line in summary:
        click.echo(line)


@commands.command(short_help="Solve a problem; write solution, metrics and picture.")
@optional_problem
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the results.  [default: results/NAME]",
)
@solver_option
@settings
@profile_option
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every random number.")
@click.option("-q", "--quiet", is_flag=True, help="Only the closing lines.")
@click.option("-v", "--verbose", is_flag=True, help="Options, seconds and counts too.")
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Go on with the interrupted or killed run or study in this folder, as it was started.",
)  # fmt: skip
@cli_devices.devices
@cli_devices.coordinator
@cli_devices.process
@cli_devices.memory_limit
@as_json_flag
@click.pass_context
def run(
    ctx: click.Context,
    problem: str | None,
    output: Path | None,
    solver: str | None,
    overrides: tuple[str, ...],
    profile: str | None,
    seed: int | None,
    quiet: bool,
    verbose: bool,
    resume: Path | None,
    devices: int | None,
    coordinator: str | None,
    process: str | None,
    memory_limit: float | None,
    as_json: bool,
) -> None:
    """Solve a problem: a file, or a name from `pdesl list problems`.

    The folder gets the solution (HDF5), metrics.json and a picture; the closing lines say how
    accurate the solution is and how that was measured. With --json, standard output is the
    content of metrics.json.

    \b
    pdesl run nonlinear_poisson_disk
    pdesl run heat.pde -o out --solver pinn --set solver.width=30 --set parameters.κ=2 --seed 3
    pdesl run heat.pde --devices 8
    """
    if resume is None and problem is None:
        raise click.UsageError("give NAME_OR_FILE, or a folder to --resume")
    if resume is not None and output is not None:
        raise click.UsageError("a run that is resumed goes on in its own folder: leave out -o")
    from pdesl.run.accelerator import configure_jax, join_processes
    from pdesl.run.progress import make_observer
    from pdesl.run.terminal import wants_colour

    ctx.meta[JSON] = as_json
    processes = cli_devices.processes_of(coordinator, process)
    count = 1 if processes is None else processes.count
    devices = count if devices is None else devices
    if devices % count:
        raise click.UsageError(f"--devices {devices} is no multiple of the {count} processes")
    configure_jax(devices=devices // count)
    if processes is not None:
        join_processes(processes)
    writes = processes is None or processes.number == 0
    quiet = quiet or not writes
    from pdesl.run import pipeline

    output = output or resume
    if resume is not None and problem is None:
        from pdesl.run.checkpoint import read_start

        start = read_start(resume)
        if start.command != "run":
            if solver or overrides or profile or seed is not None:
                raise click.UsageError(f"a `{start.command}` goes on as it was started")
            resume_study(ctx, start, resume, quiet=quiet, as_json=as_json)
        source, solver = start.source, solver or start.solver
        overrides, profile = (*start.overrides, *overrides), profile or start.profile
        seed = start.seed if seed is None else seed
    else:
        source = pipeline.load_source(problem or "")
    with make_observer(sys.stderr, quiet=quiet, colour=wants_colour(sys.stderr)) as observer:
        report = pipeline.run(
            source,
            output=output,
            solver=solver,
            overrides=overrides,
            profile=profile,
            seed=seed,
            observer=observer,
            resume=resume is not None,
            devices=devices,
            memory=memory_limit,
            writes=writes,
        )
    if writes:
        answer(report, as_json=as_json, quiet=quiet, verbose=verbose)
    if report.stopped or report.interrupted:
        ctx.exit(Status.INTERRUPTED if report.interrupted else Status.NUMERICS)


@commands.command(short_help="Print what the compiler makes of a problem.")
@problem_argument
@click.option(
    "--stage",
    type=StageType(),
    default="problem",
    show_default=True,
    help="Where to stop: module, problem, metric, system and further; a wrong name lists all.",
)
@click.option("--latex", is_flag=True, help="Print LaTeX in place of text.")
def show(problem: str, stage: str, latex: bool) -> None:
    """Print what the compiler makes of a problem, at any stage.

    \b
    pdesl show --stage system nonlinear_poisson_disk
    pdesl show --stage problem --latex heat.pde
    """
    import_numpy()
    from pdesl.run import pipeline

    text = pipeline.show(pipeline.load_source(problem), stage, "latex" if latex else "text")
    click.echo(text.rstrip("\n"))


@commands.command(short_help="Rewrite a file in its canonical form.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--ascii", "spelling", flag_value="ascii", help="Only characters of a keyboard.")
@click.option(
    "--unicode",
    "spelling",
    flag_value="unicode",
    default=True,
    help="Signs of paper.  [default]",
)
@click.option("--check", "only_check", is_flag=True, help="Change nothing; status 1 if it would.")
@click.option("-w", "--write", is_flag=True, help="Rewrite the files.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write another file."
)
@click.pass_context
def fmt(
    ctx: click.Context,
    files: tuple[str, ...],
    spelling: str,
    only_check: bool,
    write: bool,
    output: Path | None,
) -> None:
    """Rewrite a file in its canonical form; print it unless told where to write it.

    `-` stands for standard input.

    \b
    pdesl fmt heat.pde --ascii
    pdesl fmt --check problems/*.pde
    """
    from pdesl.run.folder import replace_text

    if sum((only_check, write, output is not None)) > 1:
        raise click.UsageError("give one of --check, --write and --output")
    if len(files) > 1 and not (only_check or write):
        raise click.UsageError("several files need --check or --write")
    if write and "-" in files:
        raise click.UsageError("standard input cannot be rewritten")
    changed = []
    for name in files:
        source = _read_text(name)
        text = _canonical(source, spelling)
        if text != source.text:
            changed.append(name)
        if output is not None:
            replace_text(output, text)
        elif write and text != source.text:
            replace_text(Path(name), text)
        elif not (only_check or write):
            click.echo(text, nl=False)
    if only_check and changed:
        for name in changed:
            click.echo(f"{name}: not in canonical form; `pdesl fmt --write` rewrites it", err=True)
        ctx.exit(Status.WRONG_PROBLEM)


def _read_text(name: str) -> Source:
    from pdesl.run import pipeline

    if name == "-":
        from pdesl.language.parser import MAXIMUM_BYTES, source_of_bytes

        return source_of_bytes("<stdin>", sys.stdin.buffer.read(MAXIMUM_BYTES))
    return pipeline.load_source(name)


def _canonical(source: Source, style: str) -> str:
    from pdesl.language.parser import parse_or_raise
    from pdesl.language.printer import format_module

    return format_module(parse_or_raise(source), style)


for command in (
    explain,
    list_,
    predict,
    verify,
    compare,
    plot,
    report,
    new,
    sweep,
    completion,
    lsp,
):
    commands.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    # The compiler and what it imports make many small objects that live to the end; to look
    # through them every 700 of them, as Python does, would be a sixth of the time of a check.
    gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):  # a terminal without Greek letters does not fail
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    commands(prog_name="pdesl")
