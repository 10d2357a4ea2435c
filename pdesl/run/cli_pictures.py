"""The commands that show a result: `plot` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pdesl.run.cli_options import JSON, as_json, say_json

__all__ = ["plot", "report"]

_folder = click.argument(
    "folder", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False)
)


def _numbers(_: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no list of numbers such as 0,0.5,1", param=parameter
        ) from None
    return sorted(found)


@click.command(short_help="Draw pictures and movies of a result.")
@_folder
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Folder for the pictures.  [default: FOLDER/pictures]",
)  # fmt: skip
@click.option(
    "--format", "kind", type=click.Choice(["png", "svg", "pdf"]), default="png", show_default=True,
    help="Format of the pictures.",
)  # fmt: skip
@click.option(
    "--field", "fields", multiple=True, metavar="NAME", help="Only this field; repeatable."
)
@click.option(
    "--only", multiple=True, metavar="PICTURE", help="Only this picture, such as nodes; repeatable."
)
@click.option("--times", callback=_numbers, metavar="T,T", help="Times of the snapshots of maps.")
@click.option("--movie", is_flag=True, help="Make movies of the fields over time too.")
@click.option(
    "--movie-format",
    type=click.Choice(["gif", "mp4"]),
    default="gif",
    show_default=True,
    help="mp4 needs ffmpeg.",
)
@click.option(
    "--frames",
    type=click.IntRange(2, 2000),
    default=60,
    show_default=True,
    help="Frames of a movie.",
)
@click.option(
    "--dpi", type=click.IntRange(30, 1200), default=200, show_default=True, help="Dots per inch."
)
@as_json
@click.pass_context
def plot(
    ctx: click.Context,
    folder: Path,
    output: Path | None,
    kind: str,
    fields: tuple[str, ...],
    only: tuple[str, ...],
    times: list[float] | None,
    movie: bool,
    movie_format: str,
    frames: int,
    dpi: int,
    as_json: bool,
) -> None:
    """Draw every picture that the folder of a run or a study allows, each in a file of its own.

    Lines and maps over space and time in one dimension; maps on the true domain, snapshots and
    streamlines in two; slices in three and more; errors where the solution is known; nodes; the
    course of the training and of the error. Of `verify`, `compare` and `sweep`: convergence, errors
    against time, methods side by side, numbers over parameters, and the table.

    \b
    pdesl plot results/heat_disk
    pdesl plot results/heat_disk --format pdf --times 0,0.1,0.5 --only u_times
    pdesl plot results/heat_disk --movie --frames 100
    """
    ctx.meta[JSON] = as_json
    from pdesl.run.accelerator import configure_jax

    configure_jax()
    from pdesl.run.folder import replace_file
    from pdesl.run.plots import make_movie, pictures, read_metrics, read_result, render_picture
    from pdesl.run.study_pictures import is_study, study_pictures

    metrics, result = read_metrics(folder), None
    if is_study(metrics):
        if fields or times is not None or movie:
            raise click.UsageError(
                "a study of several runs has no fields, times and movies; its runs have"
            )
        found = study_pictures(metrics)
    else:
        result = read_result(folder)
        _known("field", fields, result.solution.fields)
        _check_times(times, result.solution.task.time_span)
        found = pictures(result, fields, times)
    _known("picture", only, tuple(found))
    target = output if output is not None else folder / "pictures"
    _make_folder(target)
    written = []
    for name, draw in found.items():
        if only and name not in only:
            continue
        content = render_picture(draw, kind, dpi)
        path = target / f"{name}.{kind}"
        replace_file(path, lambda draft, content=content: draft.write_bytes(content))
        written.append(path)
    if movie and result is not None:
        for name in fields or result.solution.fields:
            path = target / f"{name}.{movie_format}"
            replace_file(path, lambda draft, name=name: make_movie(draft, result, name, frames))
            written.append(path)
    _say(written, as_json=as_json)


@click.command(short_help="Write one page of HTML about a result.")
@_folder
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="The page.  [default: FOLDER/report.html]",
)  # fmt: skip
@as_json
@click.pass_context
def report(ctx: click.Context, folder: Path, output: Path | None, as_json: bool) -> None:
    """Write one page about a result that needs no network and no other file.

    It has the equations, the accuracy and how it was measured, pictures, what the compiler found
    and chose, the problem's text and the manifest of the run; for `verify`, `compare` and `sweep`
    the tables and pictures of all runs.

    \b
    pdesl report results/heat_disk
    """
    ctx.meta[JSON] = as_json
    from pdesl.run.accelerator import configure_jax

    configure_jax()
    from pdesl.run.folder import replace_text
    from pdesl.run.html_report import make_report, make_study_report
    from pdesl.run.plots import read_metrics, read_result
    from pdesl.run.study_pictures import is_study

    metrics = read_metrics(folder)
    page = make_study_report(metrics) if is_study(metrics) else make_report(read_result(folder))
    path = output if output is not None else folder / "report.html"
    replace_text(path, page)
    _say([path], as_json=as_json)


def _check_times(times: list[float] | None, span: tuple[float, float] | None) -> None:
    if times is None:
        return
    if span is None:
        raise click.UsageError("the problem has no time, so --times has no meaning")
    if times[0] < span[0] or times[-1] > span[1]:
        raise click.UsageError(f"times lie between {span[0]:g} and {span[1]:g}")


def _known(what: str, given: tuple[str, ...], names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            raise click.UsageError(f"there is no {what} {name!r}; there are {', '.join(names)}")


def _make_folder(path: Path) -> None:
    from pdesl.diagnostics import OutputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder `{path}` cannot be used: {error.strerror}",
            code="E810",
            advice="choose another folder with -o FOLDER",
        ) from error


def _say(written: list[Path], *, as_json: bool) -> None:
    if as_json:
        say_json({"ok": True, "files": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")
