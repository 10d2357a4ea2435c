"""Completion and hover: what may stand at a place of a text, and what stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pdesl.language.names import canonical_name
from pdesl.run.editor.document import Document
from pdesl.run.editor.vocabulary import Word, signs, vocabulary
from pdesl.symbolic.problem import Problem, Unknown

__all__ = ["Completion", "complete", "hover"]

_WORD = re.compile(r"[^\W\d]\w*$")
_SIGN = re.compile(r"\\(\^?\w*|\^-)$")
_CALL = re.compile(r"([^\W\d]\w*)\($")
_SETTING = re.compile(r"^\s*([^\W\d]\w*)\s*=\s*[^()]*$")
# Kinds of words that stand in expressions.
_EXPRESSIONS = ("operator", "function", "form")


@dataclass(frozen=True, slots=True)
class Completion:
    """A text in place of characters `start` to the cursor; `kind` is that of the word or name."""

    label: str
    text: str
    kind: str
    words: str
    start: int


def complete(document: Document, offset: int) -> list[Completion]:
    """What may stand before a character, the likely first."""
    text = document.source.text
    begin = text.rfind("\n", 0, offset) + 1
    before = text[begin:offset]
    if "#" in before and not before.count('"', 0, before.index("#")) % 2:
        return []
    sign = _SIGN.search(before)
    if sign is not None:
        start = offset - len(sign[0])
        return [
            Completion(f"\\{name}", symbol, "sign", f"{symbol}", start)
            for name, symbol in signs().items()
            if name.startswith(sign[1])
        ]
    word = _WORD.search(before)
    start = offset - len(word[0]) if word else offset
    found = _candidates(document, offset, before, before[: len(before) - (offset - start)])
    return [Completion(label, new, kind, words, start) for label, new, kind, words in found]


def _candidates(
    document: Document, offset: int, before: str, ahead: str
) -> Iterator[tuple[str, str, str, str]]:
    words = vocabulary()
    if not ahead.strip() and not before[:1].isspace():
        for word in words:
            if word.kind == "block":
                yield word.name, f"{word.name}:\n    ", "block", word.words
        return
    block = document.block_at(offset)
    if ahead.count('"') % 2:
        return
    called = _open_call(ahead)
    if called is not None:
        options = [w for w in words if w.owner == called and w.kind == "option"]
        for word in options:
            yield word.name, f"{word.name}=", "option", word.words
        if options and block in ("solver", "verify", "metric", "domain"):
            yield from _choices(words, ahead)
            return
    if block == "solver":
        yield from _solver(document, words, ahead)
        return
    if block == "metric":
        yield from _of_kind(words, "metric")
    if block == "domain":
        yield from _of_kind(words, "shape")
        yield "periodic", "periodic(", "form", "a coordinate that closes on itself"
        yield "∈", "∈ ", "sign", "the coordinates run over"
    if block == "fields" and ":" in ahead:
        yield from _of_kind(words, "type")
        return
    if block == "output":
        for name, insert in (("at end:", "at end: "), ("every", "every "), ("at", "at ")):
            yield name, insert, "keyword", "when to write"
    if block == "boundary":
        yield "on", "on ", "keyword", "where the condition holds"
    for name, kind in document.declared.kinds.items():
        yield name, name, kind, _declared_words(document, name)
    for word in words:
        if word.kind in _EXPRESSIONS and not word.owner:
            yield word.name, f"{word.name}(", word.kind, word.words


def _of_kind(words: tuple[Word, ...], kind: str) -> Iterator[tuple[str, str, str, str]]:
    for word in words:
        if word.kind == kind:
            end = "(" if kind in ("shape", "metric", "method") else ""
            yield word.name, word.name + end, kind, word.words


def _solver(
    document: Document, words: tuple[Word, ...], ahead: str
) -> Iterator[tuple[str, str, str, str]]:
    setting = _SETTING.match(ahead)
    if setting is not None and setting[1] == "method":
        yield from _of_kind(words, "method")
        return
    if setting is not None:
        yield from _choices(words, ahead)
        return
    yield "method", "method = ", "option", "the method that solves the problem"
    problem = document.problem
    method = problem.solver.name if problem is not None and problem.solver is not None else ""
    for word in words:
        if word.kind == "option" and word.owner == method:
            yield word.name, f"{word.name} = ", "option", word.words


def _choices(words: tuple[Word, ...], ahead: str) -> Iterator[tuple[str, str, str, str]]:
    """The choices of an option that stands right before, `optimiser=`."""
    name = re.search(r"([^\W\d]\w*)\s*=\s*$", ahead)
    for word in words:
        if word.kind == "choice" and name is not None and word.owner == name[1]:
            yield word.name, word.name, "choice", word.words


def _open_call(ahead: str) -> str | None:
    """The function whose brackets are still open at the end of a text."""
    depth = 0
    for index in range(len(ahead) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(ahead[index], 0)
        if depth < 0:
            name = _CALL.search(ahead[: index + 1])
            return None if name is None else name[1]
    return None


def _declared_words(document: Document, name: str) -> str:
    span = document.declared.places.get(name)
    if span is None:
        return document.declared.kinds[name]
    return f"{document.declared.kinds[name]}: {span.source.line_text(span.line).strip()}"


# -- hover ---------------------------------------------------------------------------------


def hover(document: Document, offset: int) -> tuple[str, int, int] | None:
    """Markdown about what stands at a character, and the characters it is about."""
    found = document.occurrence_at(offset)
    if found is not None:
        return _about_name(document, found.name, offset), found.start, found.end
    text = document.source.text
    for match in re.finditer(r"[^\W\d]\w*|∇²|∇·|∇×|∇⁴|∇|□|∫|∂", text):
        if match.start() <= offset <= match.end():
            words = _about_word(match[0], text, match.start())
            if words is not None:
                return words, match.start(), match.end()
    latex = document.latex_at(offset)
    line = document.line_at(offset)
    if latex is not None and line is not None:
        return f"$${latex}$$", line.start, line.end
    return None


_SIGN_WORDS = {"∇²": "lap", "∇": "grad", "∇·": "div", "∇×": "curl", "□": "box", "∫": "integral"}


def _about_word(text: str, whole: str, start: int) -> str | None:
    name = _SIGN_WORDS.get(text, text)
    words = [word for word in vocabulary() if word.name == name]
    owner = _open_call(whole[whole.rfind("\n", 0, start) + 1 : start])
    own = [word for word in words if word.owner == owner] if owner else []
    plain = [word for word in words if not word.owner or word.kind == "choice"]
    chosen = own or plain or words
    if not chosen:
        return None
    word = chosen[0]
    head = f"**{word.signature or word.name}** · {word.kind}"
    of = f" of `{word.owner}`" if word.owner else ""
    return f"{head}{of}\n\n{word.words}"


def _about_name(document: Document, name: str, offset: int) -> str:
    kind = document.declared.kinds[name]
    span = document.declared.places.get(name)
    parts = [f"**{name}** · {kind}"]
    if span is not None:
        parts.append(f"```pde\n{span.source.line_text(span.line).strip()}\n```")
    problem = document.problem
    if problem is not None:
        parts += _facts(problem, name)
    latex = document.latex_at(offset)
    if latex is not None:
        parts.append(f"$${latex}$$")
    return "\n\n".join(parts)


def _facts(problem: Problem, name: str) -> list[str]:
    found: list[str] = []
    for parameter in problem.parameters:
        if parameter.name == name:
            unit = f" in {parameter.unit} (kept in SI base units)" if parameter.unit else ""
            value = parameter.value
            if isinstance(value, Unknown):
                found.append(f"to be found, from {value.start}{unit}")
            else:
                found.append(f"value {value}{unit}")
    for field in problem.fields:
        if field.name == name or name in field.components:
            rank = {0: "scalar", 1: "vector"}.get(field.rank, f"tensor of rank {field.rank}")
            unit = f", in {field.unit}" if field.unit else ""
            what = "derived source" if field.kind == "source" else "solved for"
            found.append(f"{rank} over {', '.join(field.coordinates)}, {what}{unit}")
    for coordinate in problem.coordinates:
        if canonical_name(coordinate.name) == name and coordinate.lower is not None:
            end = ", periodic" if coordinate.periodic else ""
            found.append(f"{coordinate.kind}, from {coordinate.lower} to {coordinate.upper}{end}")
    return found
