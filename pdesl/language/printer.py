"""From syntax tree to text, in one canonical form, with Unicode signs or in ASCII.

Every tree that `parse` makes is printed so that reading the text gives an equal tree. A product
is a juxtaposition wherever that can be read in one way only, and brackets stand where precedence
asks for them or where paper would leave a doubt.
"""

from __future__ import annotations

from collections.abc import Sequence

from pdesl.diagnostics import display_width
from pdesl.language import ast
from pdesl.language.declared import Declared, declared_names
from pdesl.language.tree_text import INDENT, TreePrinter

__all__ = ["format_expression", "format_module", "format_statement"]

WIDTH = 100


def format_expression(
    expression: ast.Expression, style: str = "unicode", declared: Declared | None = None
) -> str:
    """The canonical text of an expression.

    Arguments:
        expression: the tree.
        style: `unicode` or `ascii`.
        declared: the names of the file that it stands in. Without them every variable of a
            derivative counts as a coordinate, and `∂Ω` is written for names that start with Ω.

    Raises:
        ValueError: the style is no style, or the tree holds what no file can say.
    """
    return TreePrinter(style, declared).expression(expression)


def format_statement(
    statement: ast.Statement, style: str = "unicode", declared: Declared | None = None
) -> str:
    """The canonical text of a statement, without its comments; see `format_expression`."""
    return TreePrinter(style, declared).statement(statement)


def format_module(module: ast.Module, style: str = "unicode") -> str:
    """The canonical text of a file, with its comments; see `format_expression`."""
    printer = TreePrinter(style, declared_names(module))
    lines: list[str] = list(module.comments)
    if module.version is not None:
        lines.append(f"pdesl {module.version}")
    for index, block in enumerate(module.blocks):
        comments = block.comments
        if index:
            comments = ("", *comments[1:]) if comments[:1] == ("",) else ("", *comments)
        elif not lines and comments[:1] == ("",):
            comments = comments[1:]
        lines += comments
        argument = "" if block.argument is None else f' "{block.argument}"'
        lines.append(_with_comment(f"{block.name}{argument}:", block.comment))
        lines += _block_lines(printer, block)
    if module.ending:
        ending = module.ending
        if lines and ending[0]:
            ending = ("", *ending)
        lines += ending
    return "\n".join(lines) + "\n" if lines else ""


def _with_comment(text: str, comment: str | None) -> str:
    return text if comment is None else f"{text}    {comment}"


def _block_lines(printer: TreePrinter, block: ast.Block) -> list[str]:
    """The lines of a block; the regions and comments of neighbouring lines are aligned."""
    rows: list[tuple[str, str, str]] = []
    for index, statement in enumerate(block.statements):
        comments = statement.comments
        if index == 0 and comments[:1] == ("",):
            comments = comments[1:]
        rows += [(f"{INDENT}{line}" if line else "", "", "") for line in comments]
        text, region = printer.parts(statement)
        text = INDENT + text
        if display_width(text + region) > WIDTH:
            broken = printer.broken_statement(statement)
            text, region = (broken, "") if broken is not None else (text, region)
        *above, last = text.split("\n")
        rows += [(line, "", "") for line in above]
        rows.append((last, region, statement.comment or ""))
    rows += [(f"{INDENT}{line}" if line else "", "", "") for line in block.ending]
    aligned = _aligned([(text, region) for text, region, _ in rows])
    return _aligned([(line, row[2]) for line, row in zip(aligned, rows, strict=True)])


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Lines whose second parts stand below one another in each run of lines that have one."""
    lines: list[str] = []
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and rows[end][1]:
            end += 1
        column = max((display_width(text) for text, _ in rows[start:end]), default=0) + 4
        for text, second in rows[start:end]:
            lines.append(f"{text}{' ' * (column - display_width(text))}{second}")
        if end < len(rows):
            lines.append(rows[end][0])
        start = end + 1
    return lines
