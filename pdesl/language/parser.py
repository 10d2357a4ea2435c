"""From text to syntax tree: `parse` finds every mistake of a file in one run.

1. `layout`   lines, comments, brackets, indentation; characters that have no place in a file
2. `tokens`   each line cut into tokens; the names that the file declares
3. Lark       each line by the grammar in `grammars/pde.lark`; a bad one is reported and left out
4. `ambiguity`, `builder`   what paper leaves open is refused; the tree of `ast.py`
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lark import Lark, TextSlice, Token, Tree, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, Span
from pdesl.language import ast
from pdesl.language.ambiguity import check_ambiguities
from pdesl.language.blocks import BlockReader
from pdesl.language.builder import build
from pdesl.language.declared import Declared, collect
from pdesl.language.grammar import line_parser
from pdesl.language.layout import MAXIMUM_SIZE, TextLine, lay_out
from pdesl.language.messages import explain_syntax
from pdesl.language.tokens import Mistake, classify, tokenise

__all__ = [
    "MAXIMUM_BYTES",
    "MAXIMUM_ERRORS",
    "ParseResult",
    "parse",
    "parse_expression",
    "parse_or_raise",
    "read_source",
    "source_of_bytes",
]

MAXIMUM_ERRORS = 100
#: What is read of a file: enough to see that it is too large.
MAXIMUM_BYTES = 4 * MAXIMUM_SIZE + 1
MAXIMUM_TOKENS_OF_FILE = 60_000
_TOKENS_OF_LINE = 5


@dataclass(frozen=True, slots=True)
class ParseResult:
    """What a text says: its tree (None where an error was found), and all messages.

    `partial` is the tree of the lines that could be read; without errors it is `module`.
    """

    module: ast.Module | None
    diagnostics: tuple[Diagnostic, ...]
    partial: ast.Module = field(default_factory=lambda: ast.Module(()))


class _Enough(Exception):
    """So many mistakes that a further one would help nobody."""


@dataclass(slots=True)
class _Line:
    """A line of the file on its way from text to tree."""

    text: TextLine
    parser: InteractiveParser
    tokens: list[Token]
    mistake: Mistake | None


def read_source(path: str | Path) -> Source:
    """The text of a file.

    Raises:
        ProblemError: the file cannot be read (E001), is not UTF-8 (E002) or too large (E008).
    """
    name = str(path)
    try:
        # A pipe or a device may have no end, and opening one may have none either.
        if not stat.S_ISREG(os.stat(path).st_mode):
            folder = os.path.isdir(path)
            reason = "it is a folder" if folder else "it is no plain file"
            remedy = (
                f"name the files in it, `{name.rstrip('/')}/*.pde`" if folder else "copy it to one"
            )
            raise ProblemError([Diagnostic("E001", f"{name}: {reason}", helps=(remedy,))])
        with open(path, "rb") as file:
            data = file.read(MAXIMUM_BYTES)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it cannot be read").lower()
        missing = isinstance(error, FileNotFoundError)
        remedy = "check its path" if missing else "check its name and its permissions"
        raise ProblemError([Diagnostic("E001", f"{name}: {reason}", helps=(remedy,))]) from None
    return source_of_bytes(name, data, str(Path(path).parent))


def source_of_bytes(name: str, data: bytes, folder: str = "") -> Source:
    """The text of the first bytes of a file, `MAXIMUM_BYTES` of them at most.

    Raises:
        ProblemError: it is not UTF-8 (E002) or too large (E008).
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) >= MAXIMUM_BYTES and error.start >= len(data) - 4:
            text = data[: error.start].decode("utf-8")
        else:
            raise ProblemError([_not_utf8(name, data, error.start)]) from None
    plain = text.replace("\r\n", "\n") if "\r\n" in text else text
    source = Source(name, plain, folder)
    if len(source.text) > MAXIMUM_SIZE:
        raise ProblemError([_too_large(source)])
    return source


# How files of other programs begin.
_NO_TEXT = {
    b"%PDF": "a PDF", b"PK\x03\x04": "an archive, or a document of an office program",
    b"\x89HDF": "a file of data, HDF5", b"\x89PNG": "a picture", b"\xff\xd8": "a picture",
    b"\x7fELF": "a program", b"\x1f\x8b": "a compressed file",
}  # fmt: skip


def _not_utf8(name: str, data: bytes, offset: int) -> Diagnostic:
    readable = data[:offset].decode("utf-8")
    source = Source(name, (readable + data[offset : offset + 200].decode("utf-8", "replace")))
    kind = next((k for start, k in _NO_TEXT.items() if data.startswith(start)), "")
    if kind:
        return Diagnostic(
            "E002", f"the file is no text: it looks like {kind}", Span(source, 0, 0),
            helps=("give the file with the text of the problem",),
        )  # fmt: skip
    guess = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "Latin-1 or Windows-1252"
    return Diagnostic(
        "E002",
        f"the file is not UTF-8: byte {offset + 1} is 0x{data[offset]:02X}",
        Span(source, len(readable), len(readable) + 1),
        helps=(f"save it as UTF-8; it looks like {guess}",),
    )


def _too_large(source: Source) -> Diagnostic:
    return Diagnostic(
        "E008",
        f"the file has {len(source.text):,} characters; the limit is {MAXIMUM_SIZE:,}",
        Span(source, 0, 1),
        helps=('keep numbers in a data file and read it with `load("file")`',),
    )


def parse(source: Source) -> ParseResult:
    """Read a file; nothing but diagnostics comes of a wrong one, whatever it holds."""
    return _Parse(source).run()


def parse_or_raise(source: Source) -> ast.Module:
    """The tree of a file.

    Raises:
        ProblemError: with every mistake of the file.
    """
    result = parse(source)
    if result.module is None:
        raise ProblemError(result.diagnostics)
    return result.module


def parse_expression(
    text: str, *, coordinates: Iterable[str] = (), name: str = "<expression>"
) -> ast.Expression:
    """One expression, such as the value of `--set parameters.κ=2`.

    Arguments:
        text: the expression.
        coordinates: names along which `dx(u)` differentiates.
        name: what messages call the text.

    Raises:
        ProblemError: the text is no expression.
    """
    run = _Parse(Source(name, text))
    for coordinate in coordinates:
        run.declared.add(coordinate, "coordinate", Span(run.source, 0, 0))
    tree = run.expression()
    errors = [d for d in run.diagnostics if d.severity is Severity.ERROR]
    if tree is None or errors:
        raise ProblemError(errors)
    return tree


class _Parse:
    def __init__(self, source: Source):
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.errors = 0
        self.declared = Declared()
        self.tokens_left = MAXIMUM_TOKENS_OF_FILE

    def report(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)
        if diagnostic.severity is Severity.ERROR:
            self.errors += 1
            if self.errors >= MAXIMUM_ERRORS:
                raise _Enough

    def run(self) -> ParseResult:
        partial = ast.Module(())
        with suppress(_Enough):
            partial = self.module()
        ordered = sorted(self.diagnostics, key=lambda d: d.span.start if d.span else -1)
        if self.errors >= MAXIMUM_ERRORS:
            ordered.append(Diagnostic(
                "E099", f"more than {MAXIMUM_ERRORS - 1} mistakes: the rest is not shown",
                ordered[-1].span,
            ))  # fmt: skip
        module = None if self.errors else partial
        return ParseResult(module, tuple(ordered), partial)

    def module(self) -> ast.Module:
        source = self.source
        if len(source.text) > MAXIMUM_SIZE:
            self.report(_too_large(source))
            return ast.Module(())
        texts, ending = lay_out(source, self.report)
        parser = line_parser()
        lines = [self.start(parser, text) for text in texts]
        reader = BlockReader(source, self.report)
        for line in lines:
            reader.add(line.text, line.tokens)
        self.declared = collect(
            ((block, lines[i].tokens) for i, block in reader.statements()), source
        )
        for index, _ in reader.statements():
            if reader.is_readable(index):
                statement = self.read(lines[index], "statement")
                if statement is not None:
                    reader.place(index, statement)
        return reader.module(ending)

    def expression(self) -> ast.Expression | None:
        texts, _ = lay_out(self.source, self.report)
        if not texts:
            place = Span(self.source, 0, len(self.source.text))
            self.report(Diagnostic("E101", "an expression is missing", place))
            return None
        if len(texts) > 1:
            place = Span(self.source, texts[1].start, texts[1].end)
            self.report(Diagnostic("E106", "more than one line", place))
            return None
        return self.read(self.start(line_parser(), texts[0], "expression"), "expression")

    def start(self, parser: Lark, text: TextLine, rule: str = "statement") -> _Line:
        """Cut a line into tokens, unless it is reported already."""
        piece = TextSlice(self.source.text, text.start, text.end)
        interactive = parser.parse_interactive(piece, start=rule)
        if text.bad:
            return _Line(text, interactive, [], None)
        tokens, mistake = tokenise(interactive, self.source, text.end)
        self.tokens_left -= len(tokens) + _TOKENS_OF_LINE
        if self.tokens_left < 0:
            span = Span(self.source, text.start, text.start + 1)
            self.report(Diagnostic(
                "E008", f"the file has more than {MAXIMUM_TOKENS_OF_FILE:,} words and signs",
                span, helps=('keep numbers in a data file and read it with `load("file")`',),
            ))  # fmt: skip
            raise _Enough
        return _Line(text, interactive, tokens, mistake)

    def read(self, line: _Line, rule: str) -> Any:
        """The tree of a line, or None where it is wrong; the mistake is reported."""
        if line.text.bad:
            return None
        try:
            tokens = classify(line.tokens, self.declared, self.source, line.text.end)
            tree = self.feed(line, tokens)
            check_ambiguities(tree, self.source, self.declared)
            return build(tree, self.source, self.declared)
        except Mistake as mistake:
            self.report(mistake.diagnostic)
        return None

    def feed(self, line: _Line, tokens: list[Token]) -> Tree[Token]:
        """Lark's tree of the tokens.

        Raises:
            Mistake: a token does not fit, or one could not be read at all.
        """
        index = 0
        try:
            for index, token in enumerate(tokens):  # noqa: B007
                line.parser.feed_token(token)
            if line.mistake is not None:
                raise line.mistake
            index = len(tokens)
            tree = line.parser.feed_eof(tokens[-1] if tokens else None)
        except UnexpectedToken:
            if line.mistake is not None and index == len(tokens):
                raise line.mistake from None
            raise Mistake(explain_syntax(tokens, index, self.source, line.text.end)) from None
        return tree
