"""Whatever a file holds, reading it ends soon and with nothing but diagnostics."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdesl.codes import CODES
from pdesl.diagnostics import Source, render_all
from pdesl.language.parser import parse, parse_expression
from pdesl.language.printer import format_module
from tests.helpers import EXAMPLES

relaxed = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
VALID = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.pde"))]
SIGNS = "(){}[]^*/+-=<>≈≤≥∈±·×∂∇□∫²⁻³_.,:;#\"'\\\t\n\r\x00\ufeff∆µ√%°∞~!?|"
WORDS = [
    "∂x", "∇²", "∇·", "sin²(", " on ", " in ", "every ", "at end: ", "\n    ", "\ndomain:\n",
    "^{μ", "_{μν}", "1e999", "->", "**", "d u/dt", "pdesl 1\n", 'profile "a":\n',
]  # fmt: skip
PIECES = sorted(set("".join(VALID)) | set(SIGNS)) + WORDS


def check(text: str) -> None:
    """Read a text: a module or errors come of it, each with a code and a place in the text."""
    result = parse(Source("text.pde", text))
    for diagnostic in result.diagnostics:
        assert diagnostic.code in CODES
        assert diagnostic.span is not None
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
    render_all(result.diagnostics[:3])
    if result.module is not None:
        for style in ("unicode", "ascii"):
            printed = format_module(result.module, style)
            again = parse(Source("printed.pde", printed))
            assert again.module == result.module, printed


@relaxed
@given(st.text())
def test_random_text(text: str) -> None:
    check(text)


@relaxed
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_random_pieces(text: str) -> None:
    check("equations:\n    " + text)


def mutated(seed: int) -> str:
    """A valid file with some characters deleted, doubled, moved or replaced."""
    source = random.Random(seed)
    text = source.choice(VALID)
    for _ in range(source.randint(1, 6)):
        start = source.randrange(len(text) + 1)
        end = min(len(text), start + source.choice([0, 1, 1, 2, 5, 30]))
        other = source.randrange(len(text) + 1)
        new = source.choice(["", "", source.choice(PIECES), text[other : other + 8]])
        text = text[:start] + new + text[end:]
    return text


@pytest.mark.parametrize("batch", range(10))
def test_mutated_files(batch: int) -> None:
    for seed in range(40):
        check(mutated(batch * 1000 + seed))


def lines(count: int, line: str) -> str:
    return "domain:\n    x ∈ [0, 1]\n\nequations:\n" + f"    {line}\n" * count


HOSTILE = {
    "brackets": "let:\n    a = " + "(" * 10**6,
    "balanced brackets": "let:\n    a = " + "(" * 400_000 + "1" + ")" * 400_000,
    "square brackets": "let:\n    a = " + "[" * 10**6,
    "towers": "let:\n    a = " + "^".join("x" * 100_000),
    "bracketed tower": "let:\n    a = " + "9^(" * 90 + "9" + ")" * 90,
    "a giant number": "let:\n    a = " + "9" * 900_000,
    "a giant exponent": "let:\n    a = 1e" + "9" * 900_000,
    "a giant superscript": "let:\n    a = x" + "⁹" * 900_000,
    "a giant order": "domain:\n    x ∈ [0, 1]\nlet:\n    a = ∂x" + "⁹" * 900_000 + " u",
    "a giant name": "let:\n    " + "a" * 900_000 + " = 1",
    "a giant unit": "let:\n    a = 1 [" + "m " * 300_000 + "]",
    "signs": "let:\n    a = " + "-" * 900_000 + "1",
    "derivatives": "domain:\n    x ∈ [0, 1]\nlet:\n    a = " + "∂x" * 400_000 + " u",
    "nablas": "let:\n    a = " + "∇" * 900_000 + "u",
    "a long sum": "let:\n    a = " + "+".join(["x"] * 300_000),
    "a long product": "let:\n    a = " + "x " * 300_000,
    "a long list": "let:\n    a = [" + "1," * 300_000 + "1]",
    "quotes": "let:\n    a = " + '"' * 900_000,
    "open quotes": lines(60_000, 'a = "b'),
    "open brackets": lines(60_000, "a = (b"),
    "open brackets without relations": lines(60_000, "(b"),
    "unknown characters": lines(60_000, "a = §"),
    "semicolons": lines(60_000, "a;"),
    "tabs": "let:\n" + "\ta = 1\n" * 60_000,
    "invisible characters": "\u200b\n" * 300_000,
    "headers": "let:\n" * 150_000,
    "profiles": "".join(f'profile "{i}":\n    a = 1\n' for i in range(20_000)),
    "good lines": lines(60_000, "u = 1"),
    "words": "a " * 400_000,
    "families": "domain:\n" + "    x ∈ [0, 1]^99999999\n" * 20_000,
    "comments": "# a\n" * 240_000,
    "blank lines": "\n" * 900_000,
    "closing": "let:\n    a = " + ")" * 900_000,
    "indices": "let:\n    a = g" + "^{μν}" * 150_000,
    "regions": "boundary:\n    u = 0 on " + ", ".join(["x = 1"] * 100_000),
    "leibniz": "let:\n    a = " + "d/" * 2_400 + "1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_read_soon(name: str) -> None:
    text = HOSTILE[name]
    start = time.process_time()
    check(text) if len(text) < 100_000 else parse(Source("hostile.pde", text))
    # Two seconds on an idle machine; the margin is for a busy one.
    assert time.process_time() - start < 6


def test_the_deepest_tree_can_be_handled() -> None:
    """Equality, hashing, printing and reading again need no deep recursion of Python."""
    depth = 148
    forms = [
        "(" * 90 + "x" + " + 1)" * 90,
        "+".join(["x"] * depth),
        "∂_μ " * depth + "u",
        "f(" * 99 + "x" + ")" * 99,
        "x " * depth,
    ]
    for form in forms:
        tree = parse_expression(form)
        assert tree == parse_expression(form)
        assert hash(tree) == hash(parse_expression(form))
        check(f"let:\n    a = {form}\n")
