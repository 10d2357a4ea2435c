"""The commands that solve one problem several times: `verify` and `compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pdesl.run.cli_options import JSON, Status, answer, as_json, problem, settings, solver

if TYPE_CHECKING:
    from pdesl.run.checkpoint import Started

__all__ = ["compare", "resume_study", "verify"]

_output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the results.",
)
_quiet = click.option("-q", "--quiet", is_flag=True, help="Only the table.")


@click.command(short_help="Measure convergence on a ladder; judge the bounds of the file.")
@problem
@_output
@solver
@settings
@_quiet
@as_json
@click.pass_context
def verify(
    ctx: click.Context,
    problem: str,
    output: Path | None,
    solver: str | None,
    overrides: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure convergence on the ladder of a file's `verify:` block, and judge its bounds.

    The ladder is an option with several values, `nodes = [400, 800, 1600]`; without one, a
    quarter, half and all of the file's nodes. Status 6 when a stated bound, `order(u) ≥ 3.5` or
    `relative_l2(u) ≤ 1e-4`, is missed.

    \b
    pdesl verify heat.pde
    pdesl verify linear_poisson_disk --solver rbf_fd
    """
    from pdesl.run.accelerator import configure_jax
    from pdesl.run.progress import make_observer
    from pdesl.run.terminal import wants_colour

    ctx.meta[JSON] = as_json
    configure_jax()
    from pdesl.run import studies
    from pdesl.run.pipeline import load_source

    source = load_source(problem)
    with make_observer(sys.stderr, quiet=quiet, colour=wants_colour(sys.stderr)) as observer:
        report = studies.verify(
            source, output=output, solver=solver, overrides=overrides, observer=observer
        )
    answer(report, as_json=as_json, quiet=quiet)
    ctx.exit(Status.DONE if report.met else Status.BOUND)


@click.command(short_help="Run several methods on one problem; error, time and memory.")
@problem
@click.option(
    "--solvers",
    required=True,
    metavar="NAME,NAME",
    help="Methods to compare, such as dt_pinn,rbf_fd.",
)
@_output
@settings
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every run.")
@_quiet
@as_json
@click.pass_context
def compare(
    ctx: click.Context,
    problem: str,
    solvers: str,
    output: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run several methods on one problem, each in a process of its own.

    The table has the error, the seconds and the peak memory of each; the folder gets every
    method's result, a picture and metrics.json.

    \b
    pdesl compare linear_poisson_disk --solvers dt_pinn,pinn,rbf_fd
    """
    from pdesl.run.accelerator import configure_jax
    from pdesl.run.progress import make_observer
    from pdesl.run.terminal import wants_colour

    ctx.meta[JSON] = as_json
    configure_jax()
    from pdesl.run import studies

    names = [name.strip() for name in solvers.split(",") if name.strip()]
    if not names:
        raise click.UsageError("name at least one method, --solvers dt_pinn,rbf_fd")
    with make_observer(sys.stderr, quiet=quiet, colour=wants_colour(sys.stderr)) as observer:
        report = studies.compare(
            problem, names, output=output, overrides=overrides, seed=seed, observer=observer
        )
    answer(report, as_json=as_json, quiet=quiet)


def resume_study(
    ctx: click.Context, start: Started, folder: Path, *, quiet: bool, as_json: bool
) -> NoReturn:
    """Go on with a `sweep`, `verify` or `compare` that was interrupted or killed."""
    from pdesl.run import studies, sweeps
    from pdesl.run.progress import make_observer
    from pdesl.run.terminal import wants_colour

    given: dict[str, Any] = {"output": folder, "overrides": start.overrides, "resume": True}
    with make_observer(sys.stderr, quiet=quiet, colour=wants_colour(sys.stderr)) as observer:
        given["observer"] = observer
        if start.command == "sweep":
            given |= {"solver": start.solver, "profile": start.profile, "seed": start.seed}
            report = sweeps.sweep(start.source, **given)
        elif start.command == "verify":
            report = studies.verify(start.source, solver=start.solver, **given)
        else:
            names = (start.solver or "").split(",")
            report = studies.compare(start.name, names, seed=start.seed, **given)
    answer(report, as_json=as_json, quiet=quiet)
    ctx.exit(Status.DONE if report.met else Status.BOUND)
