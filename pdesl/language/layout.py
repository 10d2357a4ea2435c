"""A text laid out in lines: comments set aside, lines joined in brackets, indentation counted.

What is wrong with the characters of a file (tabs, `;`, braces, open strings and brackets) is
found here, before any grammar is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pdesl.diagnostics import Diagnostic, Severity, Source, Span
from pdesl.language.names import CYRILLIC_TWINS, LOOKALIKES

__all__ = ["MAXIMUM_BRACKETS", "MAXIMUM_SIZE", "TextLine", "lay_out"]

MAXIMUM_SIZE = 1_000_000
# Twice the depth of a tree: what fits in Unicode signs fits in ASCII calls.
MAXIMUM_BRACKETS = 300
MAXIMUM_STATEMENTS = 10_000
_TAB = 4

_PIECES = re.compile(r'"[^"\n]*"?|#[^\n]*|[\^_]\{[^{}\n]*\}|[()\[\]{};\t]')
_HEADER = re.compile(r'[^\W\d]\w*[ \t]*("[^"\n]*")?[ \t]*:[ \t\r]*(#|$)')
_RELATION = re.compile(r'[ \t]*[^\s#"()\[\]=][^#"=]*([=≈∈≤≥]|->)')
_CLOSING = {")": "(", "]": "["}
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f]"
    "|(?<!^)\ufeff"
)
_SUSPECTS = re.compile(
    "[" + "".join(c for c in LOOKALIKES if len(c) == 1) + "".join(CYRILLIC_TWINS) + "]"
)
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_LATEX = re.compile(r"\\[A-Za-z]+[ \t]*$")  # a command in front of a brace
_QUIET = re.compile(r'"[^"\n]*"|#[^\n]*')

Report = Callable[[Diagnostic], None]


@dataclass(frozen=True, slots=True)
class TextLine:
    """One statement's text: characters `start` to `end`, and the comments that belong to it.

    `comments` are the comment lines above with their indentation, an empty one for a blank
    line; `comment` stands behind. A line that is already reported is `bad` and is not read any
    further.
    """

    start: int
    end: int
    indent: int
    bad: bool
    comments: tuple[str, ...]
    comment: str | None


def lay_out(source: Source, report: Report) -> tuple[list[TextLine], tuple[str, ...]]:
    """The lines of a text, and the comments after the last of them."""
    return _Layout(source, report).run()


class _Layout:
    def __init__(self, source: Source, report: Report):
        self.source = source
        self.text = source.text
        self.report = report
        self.pending: list[str] = []
        self.starts = source.line_starts
        self.bad_lines = self._invisible()
        # Characters that may be read again behind brackets that turn out to be never closed;
        # it keeps the time linear in the size of the file.
        self.budget = 2 * MAXIMUM_SIZE

    def run(self) -> tuple[list[TextLine], tuple[str, ...]]:
        self._tabs()
        self._suspects()
        lines: list[TextLine] = []
        number = 0
        while number < len(self.starts):
            number = self._one(number, lines)
            if len(lines) > MAXIMUM_STATEMENTS:
                self._error(
                    "E008", f"the file has more than {MAXIMUM_STATEMENTS:,} statements",
                    lines[-1].start, lines[-1].end,
                    helps=('keep numbers in a data file and read it with `load("file")`',),
                )  # fmt: skip
                break
        return lines, self._take_pending(last=True)

    def _error(self, code: str, message: str, start: int, end: int, **more: object) -> None:
        self.report(Diagnostic(code, message, Span(self.source, start, end), **more))  # type: ignore[arg-type]

    def _invisible(self) -> set[int]:
        """Report characters that cannot be seen; the lines (from 0) that hold one."""
        found: set[int] = set()
        for match in _INVISIBLE.finditer(self.text):
            line = self.source.line_column(match.start())[0] - 1
            if line not in found:
                self._error(
                    "E006",
                    f"an invisible character, U+{ord(match.group()):04X}",
                    match.start(),
                    match.end(),
                    label="here",
                    helps=("delete it",),
                )
            found.add(line)
        return found

    def _tabs(self) -> None:
        if "\t" not in self.text:
            return
        quiet = _QUIET.sub(lambda m: " " * len(m.group()), self.text)
        first = quiet.find("\t")
        if first >= 0:
            count = sum("\t" in line for line in quiet.split("\n"))
            lines = (
                "one line of the file has one"
                if count == 1
                else (f"{count} lines of the file have one")
            )
            self._error(
                "E003", f"a tab ({lines})", first, first + 1,
                helps=("indent with four spaces, and put spaces between words",),
            )  # fmt: skip

    def _suspects(self) -> None:
        """Warn once of each look-alike outside strings and comments."""
        if self.text.isascii():
            return
        if self.text.startswith("\ufeff"):
            self._warn("W904", "the file starts with a byte order mark, which is ignored", 0,
                       "save the file as UTF-8 without a byte order mark")  # fmt: skip
        if not (_SUSPECTS.search(self.text) or _SPACES.search(self.text)):
            return
        quiet = _QUIET.sub(lambda m: " " * len(m.group()), self.text)
        seen: set[str] = set()
        for match in _SUSPECTS.finditer(quiet):
            character = match.group()
            if character in seen:
                continue
            seen.add(character)
            if character in CYRILLIC_TWINS:
                twin = CYRILLIC_TWINS[character]
                self._warn(
                    "W902",
                    f"`{character}` is the Cyrillic letter U+{ord(character):04X}, which looks "
                    f"like `{twin}` and makes another name",
                    match.start(),
                    f"write `{twin}`",
                )
            else:
                meant = LOOKALIKES[character]
                self._warn(
                    "W901",
                    f"`{character}` (U+{ord(character):04X}) is read as `{meant}` "
                    f"(U+{ord(meant):04X})",
                    match.start(),
                    f"write `{meant}`; `pdesl fmt` does it for the whole file",
                )
        space = _SPACES.search(quiet)
        if space:
            self._warn(
                "W903",
                f"a special space, U+{ord(space.group()):04X}, is read as a plain one",
                space.start(),
                "write a plain space",
            )

    def _warn(self, code: str, message: str, start: int, remedy: str) -> None:
        span = Span(self.source, start, start + 1)
        self.report(Diagnostic(code, message, span, helps=(remedy,), severity=Severity.WARNING))

    def _bounds(self, number: int) -> tuple[int, int]:
        start = self.starts[number]
        last = number + 1 >= len(self.starts)
        return start, len(self.text) if last else self.starts[number + 1] - 1

    def _take_pending(self, last: bool = False) -> tuple[str, ...]:
        """The comments so far, without blank lines at the start (or at the end of the file)."""
        comments = self.pending
        self.pending = []
        while last and comments and not comments[-1]:
            comments.pop()
        return tuple(comments)

    def _one(self, number: int, lines: list[TextLine]) -> int:
        """Read the statement that starts in a line of the file; the line to go on with."""
        start, end = self._bounds(number)
        whole = self.text[start:end]
        content = whole.strip("\ufeff \t\r\f\u00a0\u2007\u3000")
        if not content:
            if self.pending[-1] if self.pending else lines:
                self.pending.append("")
            return number + 1
        if content.startswith("#"):
            self.pending.append(whole.rstrip() if whole[0] in " \t" else content)
            return number + 1
        prefix = whole[: len(whole) - len(whole.lstrip("\ufeff \t\u00a0\u3000"))]
        indent = len(prefix.lstrip("\ufeff").expandtabs(_TAB))
        scan = _Scan(self, number, indent)
        after, finish = scan.run(start + len(prefix))
        bad = scan.bad or not self.bad_lines.isdisjoint(range(number, after))
        comments = (*self._take_pending(), *scan.comments)
        lines.append(TextLine(start + len(prefix), finish, indent, bad, comments, scan.comment))
        return after

    def is_header(self, number: int) -> bool:
        start, end = self._bounds(number)
        return _HEADER.match(self.text[start:end]) is not None


class _Scan:
    """Follows one statement through its brackets to the line where it ends."""

    def __init__(self, layout: _Layout, number: int, indent: int):
        self.layout = layout
        self.number = number
        self.indent = indent
        self.bad = False
        self.comments: list[str] = []
        self.comment: str | None = None
        self.stack: list[tuple[str, int]] = []

    def run(self, start: int) -> tuple[int, int]:
        """The number of the line behind the statement, and the offset at which it ends."""
        layout = self.layout
        line_start, line_end = start, layout._bounds(self.number)[1]
        number = self.number
        first: tuple[int, str | None] | None = None
        while True:
            finish = self._line(line_start, line_end)
            first = first or (finish, self.comment)
            if self.bad or not self.stack:
                return number + 1, finish
            ended = number + 1 >= len(layout.starts) or layout.budget < 0
            if ended or layout.is_header(number + 1) or self.is_statement(number + 1):
                layout.budget -= finish - first[0]
                bracket, offset = self.stack[-1]
                self._mistake(
                    "E111",
                    f"the bracket `{bracket}` is never closed",
                    offset,
                    helps=(f"close it with `{')' if bracket == '(' else ']'}`",),
                )
                self.comment, self.comments = first[1], []
                return self.number + 1, first[0]
            if self.comment is not None:
                self.comments.append(self.comment)
                self.comment = None
            number += 1
            line_start, line_end = layout._bounds(number)

    def is_statement(self, number: int) -> bool:
        """Whether a line that should go on in brackets is rather the next statement."""
        start, end = self.layout._bounds(number)
        line = self.layout.text[start:end]
        indent = len(line) - len(line.lstrip())
        return indent <= self.indent and _RELATION.match(line) is not None

    def _mistake(self, code: str, message: str, offset: int, **more: object) -> None:
        if not self.bad:
            self.layout._error(code, message, offset, offset + 1, **more)
        self.bad = True

    def _line(self, start: int, end: int) -> int:
        """Read one line of the file; the offset behind its last character of text."""
        finish = end
        for match in _PIECES.finditer(self.layout.text, start, end):
            if self.bad:
                break
            piece, offset = match.group(), match.start()
            if piece[0] == "#":
                self.comment = piece.rstrip()
                finish = offset
            elif piece[0] == '"':
                if len(piece) < 2 or piece[-1] != '"':
                    self._mistake("E113", "the text in quotes is not ended", offset,
                                  helps=('end it with `"` on the same line',))  # fmt: skip
            elif piece in "([":
                self.stack.append((piece, offset))
                if len(self.stack) > MAXIMUM_BRACKETS:
                    self._mistake(
                        "E007", f"more than {MAXIMUM_BRACKETS} brackets inside one another",
                        offset, helps=("name parts of the expression under `let:`",),
                    )  # fmt: skip
                    return finish
            elif piece in ")]":
                self._close(piece, offset)
            elif piece == ";":
                self._mistake(
                    "E004", "a semicolon: every line is one statement", offset,
                    helps=("put what follows it on a line of its own",),
                )  # fmt: skip
            elif piece in "{}":
                self._mistake(
                    "E005", f"a brace `{piece}`: blocks are indented, not braced", offset,
                    helps=(
                        "LaTeX is not read: write `∂t u = κ ∇²u`, `√(x)` as `sqrt(x)`, `a/b`"
                        if _LATEX.search(self.layout.text[max(offset - 40, 0) : offset]) else
                        "group with `( )`; braces hold indices only, as in `g^{μν}`",
                    ),
                )  # fmt: skip
        return start + len(self.layout.text[start:finish].rstrip())

    def _close(self, piece: str, offset: int) -> None:
        wanted = _CLOSING[piece]
        if not self.stack:
            self._mistake("E112", f"`{piece}` closes no bracket", offset,
                          helps=(f"delete it, or open it with `{wanted}`",))  # fmt: skip
        elif self.stack[-1][0] != wanted:
            opened, place = self.stack[-1]
            self._mistake(
                "E112",
                f"`{piece}` closes a bracket that was opened with `{opened}`",
                offset,
                related=((Span(self.layout.source, place, place + 1), "opened here"),),
            )
        else:
            self.stack.pop()
