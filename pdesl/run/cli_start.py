"""Commands around a problem: `new` starts one, `sweep` varies one, `completion` helps to type."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pdesl.run.cli_devices import devices as devices_option
from pdesl.run.cli_options import (
    JSON,
    Status,
    answer,
    as_json,
    problem,
    profile,
    say_json,
    settings,
    solver,
)

__all__ = ["completion", "new", "sweep"]


def _templates(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from pdesl.run.templates import TEMPLATES

    return [name for name in TEMPLATES if name.startswith(incomplete)]


@click.command(short_help="Start a problem from a template.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-t", "--template", default="poisson", show_default=True, metavar="NAME",
    shell_complete=_templates,
    help="What to start from; `pdesl list templates` shows all.",
)  # fmt: skip
@click.option("--ascii", "ascii_", is_flag=True, help="Only characters of a keyboard.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@as_json
@click.pass_context
def new(
    ctx: click.Context, file: Path, template: str, ascii_: bool, force: bool, as_json: bool
) -> None:
    """Write a problem that runs as it is, to be changed.

    \b
    pdesl new heat.pde --template heat
    pdesl check heat.pde
    pdesl run heat.pde
    """
    ctx.meta[JSON] = as_json
    from pdesl.diagnostics import Source
    from pdesl.language.parser import parse_or_raise
    from pdesl.language.printer import format_module
    from pdesl.run.folder import replace_text
    from pdesl.run.templates import TEMPLATES

    if template not in TEMPLATES:
        raise click.UsageError(
            f"there is no template {template!r}; there are {', '.join(TEMPLATES)}"
        )
    target = file if file.suffix == ".pde" else file.with_name(f"{file.name}.pde")
    if target.exists() and not force:
        raise click.UsageError(f"{target} exists; --force replaces it")
    text = TEMPLATES[template].text
    if ascii_:
        text = format_module(parse_or_raise(Source(str(target), text)), "ascii")
    replace_text(target, text)
    if as_json:
        say_json({"ok": True, "file": str(target), "template": template})
        return
    click.echo(f"wrote {target}: {TEMPLATES[template].words}")
    click.echo(f"next: pdesl check {target}, pdesl run {target}")


@click.command(short_help="Solve a problem for all values of its block `sweep`.")
@problem
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Folder for the results.  [default: results/NAME_sweep]",
)  # fmt: skip
@solver
@settings
@profile
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of every run.")
@click.option(
    "--processes", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N",
    help="Runs at a time, each in a process with its share of cores and GPUs.",
)  # fmt: skip
@devices_option
@click.option("-q", "--quiet", is_flag=True, help="Only the table.")
@as_json
@click.pass_context
def sweep(
    ctx: click.Context,
    problem: str,
    output: Path | None,
    solver: str | None,
    overrides: tuple[str, ...],
    profile: str | None,
    seed: int | None,
    processes: int,
    devices: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Solve a problem for every combination of the values of its block `sweep`.

    The folder gets a whole result for each run, the table sweep.csv and a picture. Status 6 when
    a stated bound is missed by a run.

    \b
    sweep:
        κ ∈ [0.1, 1, 10]
        solver.order = [2, 4]
    \b
    pdesl sweep heat.pde
    pdesl sweep heat.pde --set "sweep.κ=[1, 2]" -o out
    pdesl sweep heat.pde --processes 4 --devices 2
    """
    from pdesl.run.accelerator import configure_jax
    from pdesl.run.progress import make_observer
    from pdesl.run.terminal import wants_colour

    ctx.meta[JSON] = as_json
    configure_jax(devices=devices or 1)
    from pdesl.run import sweeps
    from pdesl.run.pipeline import load_source

    source = load_source(problem)
    with make_observer(sys.stderr, quiet=quiet, colour=wants_colour(sys.stderr)) as observer:
        report = sweeps.sweep(
            source,
            output=output,
            solver=solver,
            overrides=overrides,
            profile=profile,
            seed=seed,
            observer=observer,
            processes=processes,
            devices=devices or 1,
        )
    answer(report, as_json=as_json, quiet=quiet)
    ctx.exit(Status.DONE if report.met else Status.BOUND)


@click.command(short_help="Print what makes a shell complete commands and names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets the TAB key complete commands, options, problems and methods.

    \b
    eval "$(pdesl completion bash)"              in ~/.bashrc
    eval "$(pdesl completion zsh)"               in ~/.zshrc
    pdesl completion fish > ~/.config/fish/completions/pdesl.fish
    """
    from click.shell_completion import get_completion_class

    from pdesl.run.cli import commands

    kind = get_completion_class(shell)
    assert kind is not None, "click knows these shells"
    click.echo(kind(commands, {}, "pdesl", "_PDESL_COMPLETE").source())
