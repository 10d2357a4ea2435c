"""`pdesl predict`: a fitted model from a new initial state."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pdesl.run.cli_options import JSON, answer, settings
from pdesl.run.cli_options import as_json as as_json_flag

__all__ = ["predict"]


@click.command(short_help="Run a fitted model forwards from a new initial state.")
@click.argument("model", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--initial",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV, NPZ or HDF5 with the fields at the points of the model; its last time starts.",
)
@settings
@click.option("--until", type=float, metavar="T", help="Last time.  [default: the domain's]")
@click.option(
    "--every",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="DT",
    help="Distance of the times that are kept.  [default: 200 times in all]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the prediction.  [default: FOLDER/prediction]",
)
@click.option("-q", "--quiet", is_flag=True, help="Only the closing lines.")
@as_json_flag
@click.pass_context
def predict(
    ctx: click.Context,
    model: Path,
    initial: Path | None,
    overrides: tuple[str, ...],
    until: float | None,
    every: float | None,
    output: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the model that `pdesl run` fitted into FOLDER forwards.

    It starts from --initial, from --set initial.FIELD=FORMULA, from the initial conditions of the
    problem, or where the data ended, in this order.

    \b
    pdesl predict results/ks_sinode --until 300
    pdesl predict results/lotka_volterra --set initial.hare=20 --set initial.lynx=9 --until 1940
    """
    from pdesl.run.accelerator import configure_jax
    from pdesl.run.progress import make_observer
    from pdesl.run.terminal import wants_colour

    ctx.meta[JSON] = as_json
    configure_jax()
    from pdesl.run.predict import predict as run_forwards

    with make_observer(sys.stderr, quiet=quiet, colour=wants_colour(sys.stderr)) as observer:
        report = run_forwards(
            model,
            initial=initial,
            overrides=overrides,
            until=until,
            every=every,
            output=output,
            observer=observer,
        )
    answer(report, as_json=as_json, quiet=quiet)
