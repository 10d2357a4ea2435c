"""Where a text comes from, what is wrong with it, and how that is shown.

One type, `Diagnostic`, feeds the terminal, JSON, notebooks and editors; one small tree of
exceptions carries diagnostics to the user of Python.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

__all__ = [
    "CapabilityError",
    "Diagnostic",
    "OutputError",
    "PdeslError",
    "ProblemError",
    "Severity",
    "SolverError",
    "Source",
    "Span",
    "render",
    "render_all",
]


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, eq=False)
class Source:
    """A text and the name under which messages cite it (a path, or `<python>`).

    `folder` is where the paths in the text start: that of the file, or the working folder.
    """

    name: str
    text: str
    folder: str = ""

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        starts = [0]
        starts.extend(i + 1 for i, character in enumerate(self.text) if character == "\n")
        return tuple(starts)

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both counted from 1."""
        from bisect import bisect_right

        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        start = self.line_starts[line - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.line_column(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.line_column(self.start)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of another of the same source."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message about one mistake.

    `label` is the few words under the caret; `related` are other places that belong to the
    mistake, each with its own words; `helps` are fixes, to paste where that is possible.
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    related: tuple[tuple[Span, str], ...] = ()
    helps: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR

    def to_json(self) -> dict[str, object]:
        place: dict[str, object] | None = None
        if self.span is not None:
            end = self.span.source.line_column(self.span.end)
            place = {
                "file": self.span.source.name,
                "line": self.span.line,
                "column": self.span.column,
                "end_line": end[0],
                "end_column": end[1],
            }
        return {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "place": place,
            "label": self.label,
            "related": [
                {"file": s.source.name, "line": s.line, "column": s.column, "message": words}
                for s, words in self.related
            ],
            "helps": list(self.helps),
        }


class PdeslError(Exception):
    """Root of every exception that pdesl raises on purpose."""


class ProblemError(PdeslError):
    """A problem that is wrong as written; carries every diagnostic found."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__(render_all(self.diagnostics))

    def __reduce__(self) -> tuple[type[ProblemError], tuple[tuple[Diagnostic, ...]]]:
        """What another process makes the error from."""
        return type(self), (self.diagnostics,)


class CapabilityError(ProblemError):
    """A correct problem that the chosen method cannot solve."""


class SolverError(PdeslError):
    """A solver that could not finish: what happened, at which step, and what to try."""

    def __init__(self, message: str, *, code: str = "E700", advice: str = ""):
        self.code = code
        self.message = message
        self.advice = advice
        super().__init__(f"{message}\n  help: {advice}" if advice else message)


class OutputError(PdeslError):
    """A result that could not be written."""

    def __init__(self, message: str, *, code: str = "E800", advice: str = ""):
        self.code = code
        self.message = message
        self.advice = advice
        super().__init__(f"{message}\n  help: {advice}" if advice else message)


def display_width(text: str) -> int:
    """Terminal columns that a text takes (combining marks none, wide characters two)."""
    width = 0
    for character in text:
        if unicodedata.combining(character):
            continue
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width


def _excerpt(span: Span, label: str, margin: int, mark: str) -> list[str]:
    line, column = span.line, span.column
    text = span.source.line_text(line).replace("\t", " ")
    inside = text[column - 1 : column - 1 + max(span.end - span.start, 1)]
    carets = mark * max(display_width(inside), 1)
    pad = " " * display_width(text[: column - 1])
    return [
        f"{line:>{margin}} | {text}",
        f"{'':>{margin}} | {pad}{carets}{' ' + label if label else ''}",
    ]


def render(diagnostic: Diagnostic) -> str:
    """Plain text of a diagnostic: place, message, source line, caret, related places, fixes."""
    span = diagnostic.span
    place = f"{span.source.name}:{span.line}:{span.column}: " if span is not None else ""
    lines = [f"{place}{diagnostic.severity.value}[{diagnostic.code}]: {diagnostic.message}"]
    places = [s for s in (span, *(s for s, _ in diagnostic.related)) if s is not None]
    margin = max((len(str(s.line)) for s in places), default=1) + 1
    if span is not None:
        lines += _excerpt(span, diagnostic.label, margin, "^")
    for other, words in diagnostic.related:
        lines += _excerpt(other, words, margin, "-")
    lines += [f"{'':>{margin}} = help: {text}" for text in diagnostic.helps]
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic]) -> str:
    return "\n\n".join(render(diagnostic) for diagnostic in diagnostics)
