"""Commands that look things up: `explain` a code, `list` what pdesl knows."""

from __future__ import annotations

import re
import sys

import click

from pdesl.run.catalogue import KINDS
from pdesl.run.cli_options import as_json as as_json_flag
from pdesl.run.cli_options import codes_like, say_json

__all__ = ["explain", "list_"]


@click.command(short_help="Explain the code of a message.")
@click.argument("code", metavar="CODE", shell_complete=codes_like)
def explain(code: str) -> None:
    """Explain a code of a message, such as E201: why it is an error and how to mend it."""
    from difflib import get_close_matches

    from pdesl.codes import CODES
    from pdesl.codes import explain as page

    wanted = code.strip("[] ").upper()
    if wanted not in CODES:
        near = get_close_matches(wanted, CODES, n=3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise click.UsageError(f"there is no code {code!r}{hint}; `pdesl list codes` shows all")
    click.echo(_wrap(page(wanted)))


def _wrap(text: str) -> str:
    """Paragraphs filled to 88 columns; indented lines (examples) stay as they are."""
    from textwrap import fill

    paragraphs = []
    for paragraph in text.strip().split("\n\n"):
        example = any(line.startswith((" ", "\t")) for line in paragraph.split("\n"))
        paragraphs.append(paragraph if example else fill(" ".join(paragraph.split()), 88))
    return "\n\n".join(paragraphs)


@click.command("list", short_help="List problems, operators, functions, metrics and more.")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name", required=False)
@as_json_flag
def list_(kind: str, name: str | None, as_json: bool) -> None:
    """List what pdesl knows: problems, operators, metrics, solvers with their options, and more.

    With a name, that entry and its options alone.

    \b
    pdesl list solvers
    pdesl list solvers rbf_fd
    pdesl list metrics schwarzschild --json
    """
    from pdesl.run.catalogue import rows

    found = rows(kind)
    if name is not None:
        found = tuple(row for row in found if re.split(r"[.(]", row[0])[0] == name)
        if not found:
            from pdesl.language.names import suggest

            known = [re.split(r"[.(]", row[0])[0] for row in rows(kind)]
            guess = suggest(name, known) or next((k for k in known if k.startswith(name)), None)
            hint = f"did you mean {guess!r}?" if guess else f"`pdesl list {kind}` shows all"
            raise click.UsageError(f"there is no {name!r} among the {kind}; {hint}")
    if as_json:
        say_json([{"name": entry, "description": words} for entry, words in found])
        return
    from shutil import get_terminal_size
    from textwrap import fill

    indent = min(max((len(entry) for entry, _ in found), default=0), 32) + 2
    width = max(get_terminal_size().columns, indent + 40) if sys.stdout.isatty() else 10_000
    for entry, words in found:
        click.echo(fill(f"{entry:<{indent}}{words}", width, subsequent_indent=" " * indent))
