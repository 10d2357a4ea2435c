"""A text as an editor sees it: its mistakes, its names and where they stand.

A `Document` finds in three stages, each with the mistakes of those before: what reading finds (0.2
ms a line), what elaborating finds (twice that), and the full check, which works with the equations.
A server runs at a keystroke as many of them as are quick, the others when the keys are still.
Offsets count characters of the text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lark import Token

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, Span
from pdesl.language import ast
from pdesl.language.declared import Declared, collect
from pdesl.language.grammar import line_parser
from pdesl.language.layout import lay_out
from pdesl.language.names import canonical_name
from pdesl.language.parser import ParseResult, parse
from pdesl.language.printer import format_module
from pdesl.language.tokens import tokenise
from pdesl.symbolic.elaborate import Attempt, attempt_source
from pdesl.symbolic.latex import equation_latex
from pdesl.symbolic.problem import Problem

__all__ = ["Document", "Occurrence", "RenameError"]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A declared name at characters `start` to `end`, in its canonical form."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the text: its tokens and the block that it stands in."""

    start: int
    end: int
    block: str
    tokens: tuple[Token, ...]


class RenameError(ValueError):
    """A name that cannot be given; says why."""


@dataclass(frozen=True)
class Document:
    """One version of a text."""

    source: Source
    settings: tuple[str, ...] = ()
    _timings: dict[str, float] = field(default_factory=dict, compare=False)

    # -- what is wrong --------------------------------------------------------------------

    @cached_property
    def parsed(self) -> ParseResult:
        return parse(self.source)

    @cached_property
    def attempt(self) -> Attempt:
        begin = time.thread_time()
        found = attempt_source(self.source, self.settings)
        self._timings["elaborate"] = time.thread_time() - begin
        return found

    @property
    def problem(self) -> Problem | None:
        return self.attempt.problem

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What reading and elaborating finds: quick enough for every keystroke."""
        return tuple(self.attempt.diagnostics)

    @cached_property
    def full_check(self) -> tuple[Diagnostic, ...]:
        """Everything that `pdesl check` finds."""
        from pdesl.run.pipeline import check

        begin = time.thread_time()
        try:
            found = check(self.source, self.settings).diagnostics
        except ProblemError as error:
            found = error.diagnostics
        self._timings["check"] = time.thread_time() - begin
        return tuple(found)

    def seconds(self, stage: str) -> float:
        """CPU seconds of `elaborate` or `check`; zero before they have run."""
        return self._timings.get(stage, 0.0)

    # -- names ----------------------------------------------------------------------------

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all statements, wrong ones included."""
        texts, _ = lay_out(self.source, lambda diagnostic: None)
        parser = line_parser()
        found, block = [], ""
        for text in texts:
            from lark import TextSlice

            piece = TextSlice(self.source.text, text.start, text.end)
            tokens: list[Token] = []
            if not text.bad:
                run = parser.parse_interactive(piece, start="statement")
                tokens, _ = tokenise(run, self.source, text.end)
            if text.indent == 0 and tokens and tokens[0].type == "NAME":
                header = len(tokens) > 1 and tokens[-1].type == "COLON"
                block = str(tokens[0]) if header else block
                if header or tokens[0] == "pdesl":
                    found.append(Line(text.start, text.end, "", tuple(tokens)))
                    continue
            found.append(Line(text.start, text.end, block, tuple(tokens)))
        return tuple(found)

    @cached_property
    def declared(self) -> Declared:
        return collect(
            ((line.block, line.tokens) for line in self.lines if line.block), self.source
        )

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """Every place where a declared name stands, in the order of the text."""
        found: list[Occurrence] = []
        for line in self.lines:
            if line.block:
                found += _occurrences(line, self.declared)
        return tuple(found)

    def occurrence_at(self, offset: int) -> Occurrence | None:
        """The declared name at a character, or right before it."""
        return next((o for o in self.occurrences if o.start <= offset <= o.end), None)

    def definition(self, offset: int) -> Span | None:
        """Where the name at a character is declared."""
        found = self.occurrence_at(offset)
        return None if found is None else self.declared.places.get(found.name)

    def references(self, offset: int) -> tuple[Occurrence, ...]:
        """Every place of the name at a character."""
        found = self.occurrence_at(offset)
        if found is None:
            return ()
        return tuple(o for o in self.occurrences if o.name == found.name)

    def rename(self, offset: int, new: str) -> list[tuple[int, int, str]]:
        """Replacements (start, end, text) that give the name at a character another one.

        Raises:
            RenameError: no declared name stands there, the new one cannot be a name or is taken,
                or the text would become wrong or mean something else.
        """
        from pdesl.language.names import is_name

        found = self.occurrence_at(offset)
        if found is None:
            raise RenameError("no name of this file stands here")
        if not is_name(new):
            raise RenameError(f"`{new}` cannot be a name: letters, digits and _, a letter first")
        wanted = canonical_name(new)
        if wanted == found.name:
            return []
        if wanted in self.declared.kinds:
            raise RenameError(f"`{new}` is a name of this file already")
        places = [o for o in self.occurrences if o.name == found.name]
        edits = [(o.start, o.end, new) for o in places]
        text = _replaced(self.source.text, edits)
        other = Document(Source(self.source.name, text, self.source.folder), self.settings)
        before, after = (_wrong(d.diagnostics) for d in (self, other))
        if len(after) > len(before):
            raise RenameError(f"with `{new}` the file would be wrong: {after[0].message}")
        if (
            self.problem is not None
            and other.problem is not None
            and len(other.problem.equations) != len(self.problem.equations)
        ):
            raise RenameError(f"with `{new}` the file would mean something else")
        return edits

    # -- words ----------------------------------------------------------------------------

    def line_at(self, offset: int) -> Line | None:
        return next((line for line in self.lines if line.start <= offset <= line.end), None)

    def block_at(self, offset: int) -> str:
        """The block that a character stands in, empty before the first."""
        block = ""
        for line in self.lines:
            if line.start > offset:
                break
            header = not line.block and line.tokens and line.tokens[0] != "pdesl"
            block = str(line.tokens[0]) if header else line.block or block
        return block

    def latex_at(self, offset: int) -> str | None:
        """The equation or condition that a character stands in, as LaTeX."""
        problem = self.problem
        if problem is None:
            return None
        stated = (
            *problem.equations, *problem.boundary, *problem.integrals, *problem.initial
        )  # fmt: skip
        for equation in stated:
            span = equation.span
            if span is not None and span.start <= offset <= span.end:
                return equation_latex(problem, equation)
        return None

    def formatted(self, style: str | None = None) -> str | None:
        """The canonical form of the text; None where it cannot be read.

        The style is that of the text: ASCII where all of its statements are.
        """
        module = self.parsed.module
        if module is None:
            return None
        return format_module(module, style or self.style)

    @property
    def style(self) -> str:
        plain = all(self.source.text[line.start : line.end].isascii() for line in self.lines)
        return "ascii" if plain else "unicode"

    def outline(self) -> Iterator[tuple[ast.Block, Span]]:
        """The blocks with their places."""
        for block in self.parsed.partial.blocks:
            if block.span is not None:
                yield block, block.span


def _wrong(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [d for d in found if d.severity is Severity.ERROR]


def _replaced(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


# Blocks whose lines set options: a name before `=` is no name of the file there.
_SETTINGS = ("solver", "fit", "profile")


def _occurrences(line: Line, declared: Declared) -> Iterator[Occurrence]:
    tokens = line.tokens
    calls: list[str] = []  # the function of each bracket that is open
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.type in ("LPAR", "CALL"):
            before = tokens[index - 1] if index else None
            called = (
                before is not None and before.type == "NAME" and before.end_pos == token.start_pos
            )
            calls.append(canonical_name(str(before)) if called else "")
        elif token.type == "RPAR" and calls:
            calls.pop()
        if token.type == "NAME":
            setting = after is not None and after.type == "EQUALS"
            if setting and calls and not _is_place(calls[-1], token, declared):
                continue
            if setting and not calls and index == 0 and line.block in _SETTINGS:
                yield from _behind_block(token, declared)
                continue
            differential = line.block == "metric" or _touches(token, after)
            yield from _names(
                token, declared, called=_touches(token, after), differential=differential
            )
        elif token.type in ("DERIVATIVE", "NABLA"):
            yield from _behind_sign(token, declared)


def _behind_block(token: Token, declared: Declared) -> Iterator[Occurrence]:
    """The name in a setting of a profile, `parameters.s` or `initial.u`; none in `solver.order`."""
    block, dot, rest = str(token).partition(".")
    first = rest.split(".")[0]
    if dot and block not in _SETTINGS and canonical_name(first) in declared.kinds:
        start = (token.start_pos or 0) + len(block) + 1
        yield Occurrence(canonical_name(first), start, start + len(first))


def _is_place(function: str, token: Token, declared: Declared) -> bool:
    """Whether `x=` in brackets names a coordinate, as in `u(x=0)`."""
    return function in declared.kinds and declared.is_coordinate(canonical_name(str(token)))


def _touches(token: Token, after: Token | None) -> bool:
    return after is not None and after.type in ("LPAR", "CALL") and after.start_pos == token.end_pos


def _names(
    token: Token, declared: Declared, *, called: bool, differential: bool
) -> Iterator[Occurrence]:
    """The names in `u`, `runs.u`, `v_x`, `dx(u)`, and in the `dx` of a line element."""
    start = token.start_pos or 0
    first = str(token).split(".")[0]
    name = canonical_name(first, function=called, declared=declared.kinds)
    if name in declared.kinds:
        yield Occurrence(name, start, start + len(first))
        return
    if differential and first.startswith("d") and declared.is_coordinate(canonical_name(first[1:])):
        yield Occurrence(canonical_name(first[1:]), start + 1, start + len(first))
        return
    head, underscore, component = first.rpartition("_")
    if underscore and canonical_name(head) in declared.kinds:
        yield Occurrence(canonical_name(head), start, start + len(head))
        if declared.is_coordinate(canonical_name(component)):
            yield Occurrence(canonical_name(component), start + len(head) + 1, start + len(first))


def _behind_sign(token: Token, declared: Declared) -> Iterator[Occurrence]:
    """The name in `∂x²`, `∂_{x}`, `∇_x` or `∂Ω`."""
    text = str(token)
    inner = text[1:].lstrip("_^{").rstrip("}⁰¹²³⁴⁵⁶⁷⁸⁹")
    name = canonical_name(inner)
    if inner and name in declared.kinds:
        start = (token.start_pos or 0) + text.index(inner, 1)
        yield Occurrence(name, start, start + len(inner))
