"""Diagnostics on a terminal: the plain text of `pdesl.diagnostics.render`, coloured by role."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TextIO

import click

from pdesl.diagnostics import Diagnostic, Severity, render

__all__ = ["count_lines", "format_diagnostics", "wants_colour"]

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_SOURCE = re.compile(r"(\s*\d+ \| )(.*)", re.DOTALL)
_CARET = re.compile(r"(\s+\| )(.*)", re.DOTALL)
# Control characters of a file would act on the terminal: each is shown as its picture instead.
_CONTROLS = {code: 0x2400 + code for code in range(0x20) if chr(code) != "\n"} | {0x7F: 0x2421}
_HELP = re.compile(r"(\s+= )(help:)(.*)", re.DOTALL)


def wants_colour(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream gets colour: a terminal does, unless `NO_COLOR` is set and not empty.

    `FORCE_COLOR`, set and not empty, colours a pipe too. See https://no-color.org.
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def _colour_line(line: str, colour: str) -> str:
    if match := _SOURCE.fullmatch(line):
        return click.style(match[1], fg="blue") + match[2]
    if match := _CARET.fullmatch(line):
        return click.style(match[1], fg="blue") + click.style(match[2], fg=colour, bold=True)
    if match := _HELP.fullmatch(line):
        return click.style(match[1], fg="blue") + click.style(match[2], fg="green") + match[3]
    return line


def _plain_diagnostic(diagnostic: Diagnostic) -> str:
    return render(diagnostic).translate(_CONTROLS)


def _colour_diagnostic(diagnostic: Diagnostic) -> str:
    colour = _COLOURS[diagnostic.severity]
    first, *rest = _plain_diagnostic(diagnostic).split("\n")
    severity = f"{diagnostic.severity.value}[{diagnostic.code}]"
    place, _, message = first.partition(severity)
    heading = click.style(place, bold=True) + click.style(severity, fg=colour, bold=True) + message
    return "\n".join([heading, *(_colour_line(line, colour) for line in rest)])


def format_diagnostics(diagnostics: Iterable[Diagnostic], *, colour: bool) -> str:
    """Every diagnostic, an empty line between two of them."""
    one = _colour_diagnostic if colour else _plain_diagnostic
    return "\n\n".join(one(diagnostic) for diagnostic in diagnostics)


def count_lines(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; empty where there is neither."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    words = []
    for severity in (Severity.ERROR, Severity.WARNING):
        if count := severities.count(severity):
            words.append(f"{count} {severity.value}{'s' if count > 1 else ''}")
    return ", ".join(words)
