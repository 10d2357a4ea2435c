"""`pdesl report`: one page of HTML that holds everything it shows, formulas as MathML.

It needs no network and no file beside it, and prints well: equations, what the compiler chose and
why, the accuracy and how it was measured, pictures, and the manifest of the run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pdesl import __version__
from pdesl.diagnostics import OutputError, PdeslError, Source
from pdesl.run.mathml import UnknownLatexError, to_mathml
from pdesl.run.plots import Result, pictures, render_picture
from pdesl.run.study_pictures import study_pictures, study_tables
from pdesl.symbolic.elaborate import elaborate_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["formula_html", "make_report", "make_study_report"]

DOTS_PER_INCH = 130
_TITLES = {
    "nodes": "Nodes",
    "training": "Course of the solver",
    "errors_over_time": "Error over time",
}
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 "Source Serif 4", Charter, Georgia, serif; color: #1c1c1c; max-width: 60rem;
  margin: 2rem auto; padding: 0 1.25rem; background: #fff; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; border-bottom: 1px solid #ccc;
  padding-bottom: .2rem; }
.kind { color: #555; margin-top: 0; }
.formula { overflow-x: auto; margin: 1rem 0; font-size: 1.1rem; }
table { border-collapse: collapse; margin: .6rem 0; font-size: .92rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid #e4e4e4; }
th { font-weight: 600; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font: .85rem/1.45 "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: #f6f6f4; padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap; }
figure { margin: 1rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; color: #444; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
.pictures figure { flex: 1 1 24rem; max-width: 100%; }
.met { font-weight: 600; } .missed { font-weight: 700; text-decoration: underline; }
details { margin: .6rem 0; } summary { cursor: pointer; }
ul { padding-left: 1.2rem; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } details { display: block; }
  h2 { break-after: avoid; } pre { font-size: 8pt; } a { color: inherit; } }
"""


def make_report(result: Result) -> str:
    """The page of a result, complete in itself."""
    from pdesl.run.pipeline import check

    metrics, solution = result.metrics, result.solution
    attributes = solution.nodal.attributes
    text = str(attributes["problem"])
    overrides = json.loads(str(attributes.get("overrides", "[]")))
    profile = str(attributes.get("profile", "")) or None
    name = str(metrics.get("problem", solution.nodal.title))
    summary = check(Source(name, text), overrides, profile).summary
    kind = summary[0].partition(": ")[2] if summary else ""
    return _page(
        name,
        kind,
        [
            _section("Problem", [*_comment(text), *_equations(result)]),
            _section("Accuracy", _accuracy(metrics)),
            _section("Pictures", _pictures(pictures(result))),
            _section("What the compiler found and chose", _choices(metrics, summary[1:])),
            _section("The file", [f"<pre>{escape(text)}</pre>", *_changes(overrides, profile)]),
            _section("Manifest", _manifest(metrics)),
        ],
    )


def make_study_report(metrics: Mapping[str, Any]) -> str:
    """The page of a study of several runs, from its `metrics.json` alone.

    Raises:
        OutputError: E816, the problem's text is not in it.
    """
    from pdesl.run.pipeline import check

    if "text" not in metrics:
        raise OutputError(
            "this study was written without the text of its problem", code="E816",
            advice="run it again, or draw it by `pdesl plot`",
        )  # fmt: skip
    name, text = str(metrics["problem"]), str(metrics["text"])
    overrides, profile = metrics.get("overrides", []), metrics.get("profile")
    source = Source(name, text)
    summary = check(source, overrides, profile).summary
    kind = summary[0].partition(": ")[2] if summary else ""
    problem = elaborate_source(source, overrides, profile)
    formulas = [formula_html(problem._repr_latex_())]
    numbers = [_table(rows, heading) for heading, rows in study_tables(metrics)]
    return _page(
        name,
        kind,
        [
            _section("Problem", [*_comment(text), *formulas]),
            _section("What was measured", [*numbers, *_bounds(metrics.get("bounds", []))]),
            _section("Pictures", _pictures(study_pictures(metrics))),
            _section("The file", [f"<pre>{escape(text)}</pre>", *_changes(overrides, profile)]),
            _section("Manifest", _manifest(metrics)),
        ],
    )


def _page(name: str, kind: str, sections: Iterable[str]) -> str:
    heading = f'<h1>{escape(name)}</h1>\n<p class="kind">{escape(kind)}</p>'
    body = "\n".join((heading, *sections))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="pdesl {__version__}">\n'
        f"<title>{escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def formula_html(latex: str) -> str:
    """A formula as MathML; as its LaTeX where that has something unusual."""
    try:
        return f'<div class="formula">{to_mathml(latex)}</div>'
    except UnknownLatexError:
        return f"<pre>{escape(latex)}</pre>"


def _section(title: str, parts: Iterable[str]) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def _comment(text: str) -> list[str]:
    from pdesl.run.catalogue import first_comment

    words = first_comment(text)
    return [f"<p>{escape(words)}</p>"] if words else []


def _equations(result: Result) -> list[str]:
    from pdesl.ir.text import latex_system

    task = result.solution.task
    found = [formula_html(task.system.problem._repr_latex_())]
    try:
        rows = formula_html(latex_system(task.system))
    except PdeslError:
        return found
    return [
        *found,
        "<details><summary>The same as rows on jet space, as it is solved</summary>",
        rows,
        "</details>",
    ]


def _number(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "—" if value is None else ("yes" if value else "no")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.2e}"
    if isinstance(value, list | tuple):
        return ", ".join(_number(v) for v in value)
    return str(value)


def _table(rows: Sequence[Sequence[Any]], heading: Sequence[str] = ()) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in heading)
    lines = [f"<tr>{head}</tr>"] if heading else []
    for row in rows:
        cells = []
        for value in row:
            kind = ' class="number"' if isinstance(value, int | float) else ""
            cells.append(f"<td{kind}>{escape(_number(value))}</td>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"


def _accuracy(metrics: Mapping[str, Any]) -> list[str]:
    errors = metrics.get("errors", {})
    if not errors:
        return [
            "<p>No solution is known to compare with. A line <code>reference = METHOD(…)</code> in "
            "<code>verify:</code> names another method to measure an error against.</p>"
        ]
    rows = [(name, e["relative_l2"], e["linf"]) for name, e in errors.items()]
    found = [_table(rows, ("field", "relative l2 error", "largest error"))]
    first = next(iter(errors.values()))
    words = f"Measured on {first['measured_on']}, against {first['against']}."
    if first.get("reference_error") is not None:
        words += f" The error of the reference itself is about {_number(first['reference_error'])}."
    found.append(f"<p>{escape(words)}</p>")
    found += _bounds(metrics.get("bounds", []))
    if metrics.get("numbers"):
        found.append(_table(list(metrics["numbers"].items()), ("quantity at the end", "value")))
    if metrics.get("drift"):
        keys = ("first", "last", "largest", "quadrature")
        rows = [(n, *(d[k] for k in keys)) for n, d in metrics["drift"].items()]
        heading = (
            "quantity", "at the start", "at the end", "largest relative drift",
            "error of quadrature",
        )  # fmt: skip
        found.append(_table(rows, heading))
    return found


def _bounds(bounds: Iterable[Mapping[str, Any]]) -> list[str]:
    found = []
    for bound in bounds:
        verdict = "met" if bound["met"] else "missed"
        found.append(
            f"<p>{escape(bound['quantity'])} {escape(bound['operator'])} "
            f'{_number(bound["bound"])}: <span class="{verdict}">{verdict}</span>, '
            f"measured {_number(bound['measured'])}</p>"
        )
    return found


def _pictures(drawn: Mapping[str, Callable[[Figure], None]]) -> list[str]:
    found = ['<div class="pictures">']
    for name, draw in drawn.items():
        data = base64.b64encode(render_picture(draw, "png", DOTS_PER_INCH)).decode()
        caption = _TITLES.get(name) or name.replace("_", " ")
        found.append(
            f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return [*found, "</div>"]


def _choices(metrics: Mapping[str, Any], summary: Sequence[str]) -> list[str]:
    lines = [*(line.strip() for line in summary), *metrics.get("notes", [])]
    found = ["<ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>"]
    found.append(f"<p>Ended: {escape(str(metrics.get('stop_reason', '')))}.</p>")
    rows = list(metrics.get("settings", {}).items())
    title = f"Options of {metrics.get('solver', 'the method')}, defaults included"
    return [
        *found,
        f"<details><summary>{escape(title)}</summary>",
        _table(rows, ("option", "value")),
        "</details>",
    ]


def _changes(overrides: Sequence[str], profile: str | None) -> list[str]:
    words = [f"profile {profile}"] if profile else []
    words += [f"--set {setting}" for setting in overrides]
    return (
        [f"<p>Changed by {', '.join(f'<code>{escape(w)}</code>' for w in words)}.</p>"]
        if words
        else []
    )


def _manifest(metrics: Mapping[str, Any]) -> list[str]:
    plain = ("problem_hash", "solver", "seed", "device", "precision", "compile_seconds")
    found = [_table([(key.replace("_", " "), metrics[key]) for key in plain if key in metrics])]
    tables = (
        ("timings", "Seconds by stage", ("stage", "seconds")),
        ("counts", "Counts", ("of", "number")),
        ("quality", "Quality of the discretisation", ("measure", "value")),
        ("versions", "Versions", ("package", "version")),
    )
    for key, title, heading in tables:
        rows = list(metrics.get(key, {}).items())
        if rows:
            found += [f"<h3>{title}</h3>", _table(rows, heading)]
    files = [(n, e["bytes"], e["sha256"]) for n, e in metrics.get("files", {}).items()]
    if files:
        found += ["<h3>Files</h3>", _table(files, ("file", "bytes", "SHA-256"))]
    return found
