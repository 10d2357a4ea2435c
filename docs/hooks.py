"""Pages and tables that MkDocs makes from the compiler's own tables when it builds."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.structure.files import File, Files

from pdesl.codes import CODES, explain
from pdesl.run.catalogue import KINDS, rows

_ROOT = Path(__file__).resolve().parent.parent
_TABLE = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)
_RANGES = (
    ("E0", "The file and its characters"),
    ("E1", "Syntax"),
    ("E2", "Names"),
    ("E3", "The meaning of expressions"),
    ("E4", "Domains, regions and conditions"),
    ("E5", "Data, fits, options and output"),
    ("E6", "Problems that a method cannot solve"),
    ("E7", "Numerical failures"),
    ("E8", "Files and folders"),
    ("W9", "Warnings"),
)


def on_files(files: Files, config) -> Files:
    """Add the page of codes and the page for contributors."""
    files.append(File.generated(config, "codes.md", content=codes_page()))
    contributing = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "contributing.md", content=contributing))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put tables in the place of comments such as `<!-- table: operators -->`."""
    return _TABLE.sub(lambda match: table(match[1]), markdown)


def codes_page() -> str:
    """Every code with its reason and its remedy."""
    lines = ["# Codes", "", "`pdesl explain CODE` prints the same on the terminal.", ""]
    for prefix, title in _RANGES:
        codes = [code for code in sorted(CODES) if code.startswith(prefix)]
        if codes:
            lines += [f"## {title}", ""]
        for name in codes:
            heading, _, body = explain(name).partition("\n")
            lines += [f"### {_escape(heading)}", "", _paragraphs(body), ""]
    return "\n".join(lines)


def table(kind: str) -> str:
    """What the compiler knows of a kind, as a Markdown table."""
    if kind not in KINDS:
        raise ValueError(f"there is no table of {kind}")
    lines = ["| name | meaning |", "|---|---|"]
    for name, words in rows(kind):
        lines.append(f"| {_cell(name)} | {_escape(words)} |")
    return "\n".join(lines)


def _cell(name: str) -> str:
    return "`" + re.sub(r"\s{2,}", "` `", name.strip()) + "`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _paragraphs(text: str) -> str:
    """Paragraphs of plain text as Markdown; indented ones are an example."""
    lines: list[str] = []
    for line in text.strip("\n").split("\n"):
        is_example = line.startswith("    ")
        lines.append(line if is_example else _escape(line))
    return "\n".join(lines)
