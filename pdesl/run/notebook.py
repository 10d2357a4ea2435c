"""Jupyter: the cell magic `%%pde`, and how problems and solutions show themselves.

    %load_ext pdesl

    %%pde u --solver rbf_fd --set solver.order=4
    domain:
        …

checks and solves the problem in the cell, shows its formulas, its picture and its accuracy, and
leaves the solution in the variable `u`. `--check` solves nothing and leaves the problem.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pdesl.diagnostics import Diagnostic, PdeslError, ProblemError, Severity, Source, render

if TYPE_CHECKING:
    from pdesl.run.solution import FieldFunction
    from pdesl.symbolic import problem as symbolic

__all__ = [
    "diagnostics_html",
    "load_ipython_extension",
    "problem_html",
    "run_cell",
    "solution_html",
]

_COLOURS = {Severity.ERROR: "#b3261e", Severity.WARNING: "#8a5a00", Severity.NOTE: "#1a5fb4"}


def load_ipython_extension(shell: Any) -> None:
    """Register `%%pde`; called by `%load_ext pdesl`."""

    def pde(line: str, cell: str) -> Any:
        return run_cell(shell, line, cell)

    shell.register_magic_function(pde, magic_kind="cell", magic_name="pde")


def problem_html(problem: symbolic.Problem) -> str:
    """The equations and conditions of a problem as MathML."""
    from pdesl.run.html_report import formula_html

    return formula_html(problem._repr_latex_())


def diagnostics_html(found: Sequence[Diagnostic]) -> str:
    """Messages with their lines, as in the terminal."""
    parts = []
    for diagnostic in found:
        colour = _COLOURS[diagnostic.severity]
        style = f"border-left: 3px solid {colour}; padding-left: .6em; white-space: pre-wrap"
        parts.append(f'<pre style="{style}">{escape(render(diagnostic))}</pre>')
    return "".join(parts)


def solution_html(solution: FieldFunction) -> str:
    """What a solution is of, its range, and its errors where they are known."""
    rows = [
        f"<tr><td>{escape(axis.name)}</td><td>{axis.lower:g} to {axis.upper:g}"
        f"{', periodic' if axis.periodic else ''}</td></tr>"
        for axis in solution.axes
    ]
    errors = getattr(solution, "errors", {})
    for name, error in errors.items():
        size = getattr(error, "relative_l2", None)
        if size is not None:
            rows.append(
                f"<tr><td>{escape(name)}</td><td>relative l2 error {size:.2e} against "
                f"{escape(error.against)}</td></tr>"
            )
    words = f"{', '.join(solution.fields)} as a function of "
    words += ", ".join(axis.name for axis in solution.axes)
    return f"<div><b>{escape(words)}</b><table>{''.join(rows)}</table></div>"


def run_cell(shell: Any, line: str, cell: str) -> Any:
    """What `%%pde` does with the words behind it and the text of the cell.

    Raises:
        UsageError: words that are no options.
    """
    from IPython.display import HTML, display

    from pdesl.api import Problem

    name, options = _options(line)
    source = Source(name or "cell", cell if cell.endswith("\n") else cell + "\n")
    from pdesl.run import pipeline

    try:
        report = pipeline.check(source, options["set"], options["profile"])
        shown = [d for d in report.diagnostics if d.severity is not Severity.NOTE]
        if shown:
            display(HTML(diagnostics_html(shown)))
        if any(d.severity is Severity.ERROR for d in shown):
            return None
        problem = Problem.from_source(source, options["set"], options["profile"])
        display(HTML(problem_html(problem)))
        if options["check"]:
            display(HTML(f"<pre>{escape(chr(10).join(report.summary))}</pre>"))
            found: Any = problem
        else:
            found = _solved(source, options)
    except ProblemError as error:
        display(HTML(diagnostics_html(error.diagnostics)))
        return None
    except PdeslError as error:
        display(HTML(f"<pre>{escape(str(error))}</pre>"))
        return None
    if name:
        shell.user_ns[name] = found
        return None
    return found


def _solved(source: Source, options: dict[str, Any]) -> Any:
    from IPython.display import HTML, display

    from pdesl.run.accelerator import configure_jax

    configure_jax()
    from pdesl.run import pipeline
    from pdesl.run.results import closing_lines, solution_picture

    solution = pipeline.solve(
        source,
        solver=options["solver"],
        overrides=options["set"],
        profile=options["profile"],
        seed=options["seed"],
    )
    picture = base64.b64encode(solution_picture(solution)).decode()
    lines = closing_lines(solution.result, solution.errors, (), solution.known)
    display(
        HTML(
            f'<img alt="the solution" style="max-width: 100%" '
            f'src="data:image/png;base64,{picture}">'
            f"<pre>{escape(chr(10).join(lines))}</pre>"
        )
    )
    return solution


def _options(line: str) -> tuple[str | None, dict[str, Any]]:
    """The variable and the options behind `%%pde`."""
    from argparse import ArgumentParser

    from IPython.core.error import UsageError

    class Parser(ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"%%pde: {message}; {self.format_usage().strip()}")

    parser = Parser(prog="%%pde", add_help=False)
    parser.add_argument("variable", nargs="?")
    parser.add_argument("--solver")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--profile")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--check", action="store_true")
    found = vars(parser.parse_args(shlex.split(line)))
    name = found.pop("variable")
    if name is not None and not name.isidentifier():
        raise UsageError(f"%%pde: {name!r} is no name of a variable")
    return name, found
