"""Pages and tables that MkDocs makes from the compiler's own tables when it builds.

Beside the tables in the pages: the codes, a page for each of them, a page for each method, the
reference of the language, and the style of coloured code.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from pdesl.codes import CODES, explain
from pdesl.language.parser import read_source
from pdesl.resources import grammar_path, problems_folder
from pdesl.run.catalogue import KINDS, first_comment, rows
from pdesl.run.editor.vocabulary import nested_options
from pdesl.run.html_report import formula_html
from pdesl.solvers.methods import METHODS, Method
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.options import describe_options

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
    """Add the pages that are made here and the page for contributors."""
    for path, content in generated_pages():
        files.append(File.generated(config, path, content=content))
    for picture in sorted(gallery_folder().glob("*.png")):
        place = f"gallery/{picture.name}"
        files.append(File.generated(config, place, abs_src_path=str(picture)))
    contributing = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "contributing.md", content=contributing))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put tables in the place of comments such as `<!-- table: operators -->`."""
    return _TABLE.sub(lambda match: table(match[1]), markdown)


def generated_pages() -> Iterator[tuple[str, str]]:
    """Every page that is made from tables: its path and its content."""
    yield "codes.md", codes_page()
    for name in CODES:
        yield f"codes/{name}.md", code_page(name)
    yield "solvers/index.md", solvers_page()
    for method in METHODS.values():
        yield f"solvers/{method.name}.md", method_page(method)
    yield "reference.md", reference_page()
    yield "gallery.md", gallery_page()
    yield "pygments.css", _colours()


def code_page(name: str) -> str:
    """A code with its reason, its remedy and an example."""
    heading, _, body = explain(name).partition("\n")
    return f"# {_escape(heading)}\n\n{_paragraphs(body)}\n\n[All codes](../codes.md)\n"


def solvers_page() -> str:
    """The methods, each with its page."""
    lines = ["# Solvers", "", "| method | what it is | for |", "|---|---|---|"]
    for method in METHODS.values():
        lines.append(
            f"| [`{method.name}`]({method.name}.md) | {_escape(method.words)} | {_scope(method)} |"
        )
    return "\n".join([*lines, "", "[How to choose](../methods.md)", ""])


def _scope(method: Method) -> str:
    if method.steady:
        return "steady problems"
    return "problems with time" if method.evolving else "steady problems and those with time"


def method_page(method: Method) -> str:
    """What a method does and costs, its options with their defaults, and where it comes from."""
    lines = [f"# {method.name}", "", f"{_escape(method.words)}. For {_scope(method)}.", ""]
    section = _section_of_methods(method.name)
    lines += [section or _docstring(method.module), ""]
    lines += ["## Options", "", *_options(method.options), ""]
    names = {name for name, _, _ in describe_options(method.options)}
    for option, choices in nested_options().items():
        if option not in names:
            continue
        lines += [f"## Choices of `{option}`", ""]
        for choice, kind in choices.items():
            lines += [f"### {choice}", "", *_options(kind), ""]
    if section:
        lines += ["## In the source", "", _docstring(method.module), ""]
    return "\n".join([*lines, f"The file is `{method.module.replace('.', '/')}.py`.", ""])


def _options(options: type) -> list[str]:
    described = describe_options(options)
    if not described:
        return ["It has no options."]
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for name, default, words in described:
        lines.append(f"| `{name}` | {_escape(default)} | {_escape(words)} |")
    return lines


def _section_of_methods(name: str) -> str:
    """The section of the page on methods that has this name, headings a level lower."""
    text = (_ROOT / "docs" / "pages" / "methods.md").read_text(encoding="utf-8")
    match = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        return ""
    body = on_page_markdown(match[1].strip())
    return re.sub(r"\]\((?!http|#)(\w[^)\s]*\.md)", r"](../\1", body)


def _docstring(module: str) -> str:
    """The docstring of a module, which is read and not run; its formulas as code."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return _paragraphs(ast.get_docstring(tree) or "")


def reference_page() -> str:
    """The words of the language from the compiler's tables, and its grammar."""
    lines = ["# Reference of the language", ""]
    parts = (
        ("Blocks", "blocks"),
        ("Operators", "operators"),
        ("Functions", "functions"),
        ("Shapes", "shapes"),
        ("Metrics and their charts", "metrics"),
        ("Formats of `output:`", "formats"),
        ("Signs and the names that editors know them by", "signs"),
    )
    for title, kind in parts:
        lines += [f"## {title}", "", table(kind), ""]
    grammar = grammar_path().read_text(encoding="utf-8")
    return "\n".join([*lines, "## Grammar", "", "```text", grammar.rstrip(), "```", ""])


def gallery_folder() -> Path:
    """Where `gallery.py` keeps the pictures and numbers of the problems."""
    return Path(os.environ.get("PDESL_GALLERY") or _ROOT / "docs" / "gallery")


def gallery_page() -> str:
    """Every problem of the catalogue: its equations, its command, what was reached, its picture."""
    lines = [
        "# Gallery",
        "",
        "The problems that come with pdesl, with what their commands printed and drew when this "
        "page was made. `python docs/gallery.py` makes it again; any of them is a start for a "
        "problem of your own, `pdesl list problems` shows all, and `pdesl show NAME` prints one.",
        "",
    ]
    for path in sorted(problems_folder().glob("*.pde")):
        record = gallery_folder() / f"{path.stem}.json"
        known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None
        lines += [f"## {path.stem}", "", *_gallery_entry(path, known), ""]
    return "\n".join(lines)


def _gallery_entry(path: Path, known: dict[str, Any] | None) -> list[str]:
    source = read_source(path)
    problem = elaborate_source(source)
    lines = [_escape(first_comment(source.text)), "", formula_html(problem._repr_latex_()), ""]
    if known is None:
        return [*lines, f"`pdesl run {path.stem}`"]
    lines += [f"```sh\n{known['command']}\n```", "", _reached(known)]
    if (gallery_folder() / f"{path.stem}.png").exists():
        lines += ["", f"![{path.stem}](gallery/{path.stem}.png)"]
    return lines


def _reached(known: dict[str, Any]) -> str:
    """The accuracy in a sentence."""
    found = [
        f"`{field}`: relative l2 error {error['relative_l2']:.1e}"
        for field, error in known["errors"].items()
        if error["relative_l2"] is not None
    ]
    against = {error["against"] for error in known["errors"].values()}
    words = "; ".join(found) + (f", against {', '.join(sorted(against))}" if against else "")
    solver = f"[`{known['solver']}`](solvers/{known['solver']}.md)"
    took = f"{known['seconds']:g} s of CPU time with {solver}"
    return f"{words or 'Nothing is known to compare with'}; {took}."


def _colours() -> str:
    """The style sheet of coloured code; empty without Pygments."""
    try:
        from pygments.formatters import HtmlFormatter
    except ImportError:
        return ""
    return str(HtmlFormatter(style="friendly").get_style_defs(".codehilite")) + "\n"


def codes_page() -> str:
    """Every code with its reason and its remedy."""
    lines = ["# Codes", "", "`pdesl explain CODE` prints the same on the terminal.", ""]
    for prefix, title in _RANGES:
        codes = [code for code in sorted(CODES) if code.startswith(prefix)]
        if codes:
            lines += [f"## {title}", ""]
        for name in codes:
            heading, _, body = explain(name).partition("\n")
            more = f"[Page of its own](codes/{name}.md)"
            lines += [f"### {_escape(heading)}", "", _paragraphs(body), "", more, ""]
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
