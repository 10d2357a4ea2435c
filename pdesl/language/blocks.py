"""The blocks of a file: their names, what belongs to which, and how it is indented."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from lark import Token

from pdesl.diagnostics import Diagnostic, Source, Span
from pdesl.language import ast
from pdesl.language.layout import TextLine
from pdesl.language.names import suggest

__all__ = ["BLOCKS", "ONCE", "VERSION", "BlockReader"]

#: The blocks in the order of a file in print.
BLOCKS = (
    "domain", "parameters", "let", "metric", "fields", "closure", "equations", "manufactured",
    "boundary", "initial", "data", "fit", "solver", "verify", "output", "sweep", "reduce",
    "profile",
)  # fmt: skip

#: Blocks of which a file has at most one.
ONCE = frozenset(("domain", "metric", "manufactured", "fit", "solver", "sweep", "reduce"))

VERSION = 1


class _Open:
    """A block while its statements are being read."""

    def __init__(
        self, name: str, argument: str | None, text: TextLine, name_span: Span, known: bool
    ):
        self.name = name
        self.argument = argument
        self.text = text
        self.name_span = name_span
        self.known = known
        self.indent: int | None = None
        self.items: list[int] = []
        self.unindented = False
        self.comments = _stripped(text.comments)
        self.ending: tuple[str, ...] = ()


class BlockReader:
    """Sorts the lines of a file into blocks, reports what does not fit, and makes the module."""

    def __init__(self, source: Source, report: Callable[[Diagnostic], None]):
        self.source = source
        self.report = report
        self.texts: list[TextLine] = []
        self.blocks: list[_Open] = []
        self.version: int | None = None
        self.head: tuple[str, ...] = ()
        self.trees: dict[int, ast.Statement] = {}
        self.first: dict[tuple[str, str | None], _Open] = {}
        self.openers: set[int] = set()
        self.homeless = False

    # ---- reading -----------------------------------------------------------------------

    def add(self, text: TextLine, tokens: Sequence[Token]) -> None:
        """Take the next line, with its tokens (none where it is reported already)."""
        index = len(self.texts)
        self.texts.append(text)
        if index == 0 and tokens and tokens[0] == "pdesl" and not _is(tokens, 1, "COLON"):
            self._version(text, tokens)
        elif self._is_header(text, tokens):
            self._header(text, tokens)
        elif not self.blocks:
            if not self.homeless and not text.bad:
                self._outside(text, tokens)
            self.homeless = True
        else:
            self._statement(index, text)

    def statements(self) -> Iterator[tuple[int, str]]:
        """The number of each statement's line, with the name of its block."""
        for block in self.blocks:
            for index in block.items:
                yield index, block.name

    def is_readable(self, index: int) -> bool:
        return not self.texts[index].bad

    def place(self, index: int, statement: ast.Statement) -> None:
        text = self.texts[index]
        comments = _stripped(text.comments)
        if index in self.openers and comments[:1] == ("",):
            comments = comments[1:]
        self.trees[index] = dataclasses.replace(statement, comments=comments, comment=text.comment)

    def _say(self, code: str, message: str, span: Span, *helps: str) -> None:
        self.report(Diagnostic(code, message, span, helps=helps))

    def _span(self, first: Token, last: Token | None = None) -> Span:
        return Span(self.source, first.start_pos or 0, (last or first).end_pos or 0)

    def _version(self, text: TextLine, tokens: Sequence[Token]) -> None:
        self.head = _stripped(text.comments)
        number = tokens[1] if len(tokens) == 2 and tokens[1].type == "NUMBER" else None
        if text.indent:
            self._say("E123", "the line `pdesl 1` is indented", self._span(tokens[0]),
                      "start it in the first column")  # fmt: skip
        if number is None or not number.isdecimal():
            span = self._span(tokens[0], tokens[-1])
            self._say("E129", "the version of the language is a whole number", span,
                      f"write `pdesl {VERSION}`")  # fmt: skip
        elif int(number[:6]) != VERSION:
            self._say(
                "E129", f"version {number[:20]} of the language is not known", self._span(number),
                f"this pdesl reads version {VERSION}; write `pdesl {VERSION}` or update pdesl",
            )  # fmt: skip
        else:
            self.version = VERSION

    def _is_header(self, text: TextLine, tokens: Sequence[Token]) -> bool:
        """Whether a line is, or was meant as, the first line of a block."""
        if not tokens or tokens[0].type != "NAME":
            return False
        name = str(tokens[0])
        behind = tokens[2:] if _is(tokens, 1, "STRING") else tokens[1:]
        colon = bool(behind) and behind[0].type == "COLON"
        if colon and len(behind) == 1:
            return text.indent == 0 or name in BLOCKS
        if text.indent:
            return False
        if name in BLOCKS and tokens[-1].type == "COLON":
            return True
        if colon:
            return name in BLOCKS or (_nearest(name) is not None and not _is(behind, 1, "NAME"))
        if not behind:
            return name in BLOCKS or _nearest(name) is not None
        return len(tokens) == 2 and tokens[1].type == "STRING"

    def _header(self, text: TextLine, tokens: Sequence[Token]) -> None:
        name = str(tokens[0])
        span = self._span(tokens[0])
        argument = str(tokens[1])[1:-1] if _is(tokens, 1, "STRING") else None
        place = 1 if argument is None else 2
        known = name in BLOCKS
        block = _Open(name, argument, text, span, known)
        guess = None if known else _nearest(name)
        if guess is not None:
            # The statements are read as those of the block that was meant.
            block.name = guess
        if self.blocks:
            self.blocks[-1].ending, block.comments = _split(text.comments)
        self.blocks.append(block)
        if not known:
            if guess is not None:
                self._say("E120", f"there is no block `{name}`", span, f"did you mean `{guess}:`?")
            else:
                self._say("E120", f"there is no block `{name}`", span,
                          f"the blocks are {', '.join(BLOCKS)}")  # fmt: skip
        elif _is(tokens, len(tokens) - 1, "COLON") and len(tokens) > place + 1:
            self._say(
                "E128", f"only a name in quotes can stand between `{name}` and the colon",
                self._span(tokens[place], tokens[-2]),
                'write `profile "quick":`' if name == "profile" else f"write `{name}:`",
            )  # fmt: skip
        elif not _is(tokens, place, "COLON"):
            self._say("E121", f"a colon is missing behind `{name}`",
                      self._span(tokens[0], tokens[-1]), f"write `{name}:`")  # fmt: skip
        elif len(tokens) > place + 1:
            self._say(
                "E125", f"the statements of a block stand below `{name}:`",
                self._span(tokens[place + 1], tokens[-1]),
                "put this on the next line, indented by four spaces",
            )  # fmt: skip
            block.unindented = True
        elif text.indent:
            self._say("E123", f"the block `{name}` is indented", span,
                      "start the name of a block in the first column")  # fmt: skip
        else:
            self._check_argument(block, tokens)

    def _check_argument(self, block: _Open, tokens: Sequence[Token]) -> None:
        name = block.name
        if name == "profile":
            if not block.argument:
                self._say("E127", "a profile needs a name", block.name_span,
                          'write `profile "quick":`')  # fmt: skip
                return
        elif block.argument is not None:
            self._say("E128", f"the block `{name}` takes no name", self._span(tokens[1]),
                      f"write `{name}:`")  # fmt: skip
            return
        if name not in ONCE and name != "profile":
            return
        first = self.first.setdefault((name, block.argument), block)
        if first is not block:
            which = f"`{name}`" if block.argument is None else f'`{name} "{block.argument}"`'
            self.report(Diagnostic(
                "E126", f"a second block {which}", block.name_span,
                related=((first.name_span, "the first one"),),
                helps=("put all its lines into one block",),
            ))  # fmt: skip

    def _outside(self, text: TextLine, tokens: Sequence[Token]) -> None:
        span = Span(self.source, text.start, text.end)
        if tokens and tokens[0] == "pdesl" and len(self.texts) > 1:
            self._say("E130", "the version of the language is not on the first line", span,
                      "put `pdesl 1` on the first line")  # fmt: skip
            return
        self._say("E124", "a statement that belongs to no block", span,
                  "put it below the name of a block, such as `equations:`, indented")  # fmt: skip

    def _statement(self, index: int, text: TextLine) -> None:
        block = self.blocks[-1]
        if not block.items:
            self.openers.add(index)
        block.items.append(index)
        span = Span(self.source, text.start, text.end)
        if text.indent == 0:
            is_version = self.source.text.startswith("pdesl", text.start)
            if is_version and self.source.text[text.start + 5 : text.end].strip().isdecimal():
                block.items.pop()
                self._say("E130", "the version of the language is not on the first line", span,
                          "put `pdesl 1` on the first line")  # fmt: skip
            elif not block.unindented and not text.bad:
                block.unindented = True
                self._say("E124", "a statement that is not indented", span,
                          f"indent it by four spaces below `{block.name}:`")  # fmt: skip
        elif block.indent is None:
            block.indent = text.indent
        elif text.indent != block.indent and not text.bad:
            self._say(
                "E123", f"indented by {text.indent} instead of {block.indent} spaces",
                Span(self.source, text.start, text.start + 1),
                "indent all the statements of a block alike; a line goes on only in brackets",
            )  # fmt: skip

    # ---- the module --------------------------------------------------------------------

    def module(self, ending: tuple[str, ...]) -> ast.Module:
        """The module of what could be read; blocks without statements are reported here."""
        if self.blocks:
            self.blocks[-1].ending, ending = _split(ending)
        blocks: list[ast.Block] = []
        for block in self.blocks:
            if not block.items and not block.unindented:
                self._say("E122", f"the block `{block.name}` is empty", block.name_span,
                          "write its statements below it, indented, or delete it")  # fmt: skip
            if not block.known:
                continue
            statements = tuple(self.trees[i] for i in block.items if i in self.trees)
            last = self.texts[block.items[-1]] if block.items else block.text
            blocks.append(ast.Block(
                block.name, statements, block.argument,
                comments=block.comments, comment=block.text.comment, ending=block.ending,
                name_span=block.name_span, span=Span(self.source, block.text.start, last.end),
            ))  # fmt: skip
        span = Span(self.source, 0, len(self.source.text))
        return ast.Module(tuple(blocks), self.version, comments=self.head, ending=ending, span=span)


def _stripped(comments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(comment.strip() for comment in comments)


def _split(comments: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Indented comments, which end the block above, and those that belong to what follows."""
    count = max((i + 1 for i, c in enumerate(comments) if c[:1] in (" ", "\t")), default=0)
    return _stripped(comments[:count]), _stripped(comments[count:])


def _is(tokens: Sequence[Token], index: int, kind: str) -> bool:
    return len(tokens) > index and tokens[index].type == kind


def _nearest(name: str) -> str | None:
    return suggest(name, BLOCKS)
