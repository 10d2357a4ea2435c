"""`parse ∘ print` is the identity, in both styles, on random trees and on every example."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import Source, render_all
from pdesl.language import ast
from pdesl.language.parser import parse
from pdesl.language.printer import format_module
from pdesl.resources import problems_folder
from tests.helpers import EXAMPLES
from tests.strategies import PREAMBLE, statements

STYLES = ("unicode", "ascii")
relaxed = settings(
    max_examples=200, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                           HealthCheck.filter_too_much],
)  # fmt: skip


def read(text: str) -> ast.Module:
    result = parse(Source("text.pde", text))
    assert result.module is not None, f"{text}\n{render_all(result.diagnostics)}"
    return result.module


BLOCKS = read(PREAMBLE).blocks


def with_comments(module: ast.Module) -> list[object]:
    """Everything of a tree, comments too, that equality leaves out."""
    return [
        (line.comments, line.comment)
        for block in module.blocks
        for line in (block, *block.statements)
    ]


@relaxed
@given(st.lists(statements, min_size=1, max_size=3), st.sampled_from(STYLES))
def test_random_trees_are_read_as_they_were_printed(lines: list[ast.Statement], style: str) -> None:
    module = ast.Module((*BLOCKS, ast.Block("equations", tuple(lines))), 1)
    text = format_module(module, style)
    again = read(text)
    assert again == module, text
    assert format_module(again, style) == text


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.pde")), ids=lambda p: p.stem)
def test_examples_are_read_as_they_were_printed(path, style: str) -> None:
    module = read(path.read_text(encoding="utf-8"))
    text = format_module(module, style)
    again = read(text)
    assert again == module
    assert format_module(again, style) == text
    assert with_comments(again) == with_comments(module)
    if style == "ascii":
        code = "\n".join(line.partition("#")[0] for line in text.splitlines())
        assert code.isascii()


def test_problems_of_the_catalogue_are_read_as_they_were_printed() -> None:
    for path in sorted(problems_folder().glob("*.pde")):
        module = read(path.read_text(encoding="utf-8"))
        for style in STYLES:
            assert read(format_module(module, style)) == module, path


def test_styles_are_two_spellings_of_one_tree() -> None:
    for path in sorted(EXAMPLES.glob("*.pde")):
        module = read(path.read_text(encoding="utf-8"))
        assert read(format_module(module, "ascii")) == read(format_module(module, "unicode"))


def test_comments_and_blank_lines_are_kept() -> None:
    text = """\
# head

pdesl 1
# of the domain
domain:    # behind the block
    # above x
    x ∈ [0, 1]     # behind x
    ty ∈ [0, 1]    # behind ty

    # after a blank line
    t ∈ [0, 1]
    # at the end of the block

# of the parameters

parameters:
    κ = 2
    # the last

# the end
"""
    assert format_module(read(text)) == text


def test_the_inside_of_brackets_keeps_its_comments() -> None:
    text = "solver:\n    method = dt_pinn(   # first\n        nodes=3,  # second\n    )   # third\n"
    assert format_module(read(text)) == (
        "solver:\n    # first\n    # second\n    method = dt_pinn(nodes=3)    # third\n"
    )


def test_a_long_call_is_broken_over_lines() -> None:
    call = ", ".join(f"option_number_{i}={i}" for i in range(6))
    text = format_module(read(f"solver:\n    method = dt_pinn({call})  # why\n"))
    assert text.splitlines()[1:3] == ["    method = dt_pinn(", "        option_number_0=0,"]
    assert text.splitlines()[-1] == "    )    # why"
    assert format_module(read(text)) == text


def test_regions_of_neighbouring_lines_are_aligned() -> None:
    text = """\
boundary:
    u = 0         on x = 0    # left
    ∂n u = a u    on x = 1, y = 0
    u = 2         on ∂Ω    # elsewhere
"""
    assert format_module(read(text)) == text
