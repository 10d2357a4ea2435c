"""Ten thousand random texts, from the grammar and by changes; `tests.fuzz` takes more."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import Source
from pdesl.language.grammar import line_parser
from pdesl.language.parser import parse
from tests.fuzz import BLOCKS, derived, examine, mutated, texts

seeds = st.integers(0, 2**64 - 1)


@settings(max_examples=320)
@given(seeds, st.sampled_from(BLOCKS))
def test_statements_of_the_grammar(seed: int, block: str):
    """25 statements each: 8,000."""
    chance = random.Random(seed)
    for _ in range(25):
        text = f"{block}:\n    {derived(chance, deepest=chance.randint(2, 9))}\n"
        examine(text, printed=chance.random() < 0.3)


@settings(max_examples=200)
@given(seeds, st.sampled_from(texts()))
def test_changed_texts(seed: int, text: str):
    """Ten changes each: 2,000."""
    chance = random.Random(seed)
    for _ in range(10):
        examine(mutated(chance, text), printed=chance.random() < 0.1)


def test_what_the_grammar_derives_is_read():
    """Most derived statements pass the grammar, so that what is behind it is reached."""
    chance = random.Random(0)
    lines = [derived(chance, deepest=6) for _ in range(200)]
    read = 0
    for line in lines:
        found = parse(Source("derived.pde", f"equations:\n    {line}\n")).diagnostics
        read += not any(d.code.startswith("E10") for d in found)
    assert read > 100
    assert {str(r.origin.name) for r in line_parser().rules} > {"statement", "unit", "list"}
