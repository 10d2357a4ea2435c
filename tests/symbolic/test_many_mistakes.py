"""Every mistake of a file comes in one run, once, and without what only follows from it."""

from __future__ import annotations

import pytest

from pdesl.diagnostics import Source
from pdesl.language.names import suggest
from tests.symbolic.test_malformed import diagnostics_of

MANY = """\
domain:
    Ω = disk(radius=1, centre=(0, 0))
    x, y ∈ Ω
    t ∈ [1, 0]

parameters:
    κ = 2 [furlog]
    c = d + 1

fields:
    ψ(t, x, θ, φ) : scalar
    u(t, x, y) : scalar
    v(t, x, y) : vektor

equations:
    □ψ = ψ³ + κ ψ
    ∂t u = κ ∇²u + ψ + q u + q + c
    ∂t v = ∇²v + ∇u
    ∂t u = sinn(x) + zeta0

boundary:
    u = h      on ∂Ω, x = u
    ψ = q
    v = (0, 0)   on ∂Ω

initial:
    u = 0   on left
    v = (0, 0)

solver:
    method = dt_pinn(ordr=4, width="a", optimiser=adam(rate=1))
    nodes = many
"""


def found_in(text: str) -> list[tuple[str, int, str]]:
    return [
        (d.code, d.span.line, d.span.text)
        for d in diagnostics_of(Source("many.pde", text))
        if d.span
    ]


def test_all_mistakes_in_one_run():
    assert found_in(MANY) == [
        ("E414", 2, "centre=(0, 0)"),
        ("E416", 4, "[1, 0]"),
        ("E332", 7, "[furlog]"),
        ("E201", 8, "d"),
        ("E402", 11, "θ"),
        ("E402", 11, "φ"),
        ("E318", 13, "vektor"),
        ("E201", 17, "q"),
        ("E202", 19, "sinn(x)"),
        ("E201", 19, "zeta0"),
        ("E201", 22, "h"),
        ("E430", 22, "x = u"),
        ("E421", 23, "ψ = q"),
        ("E418", 27, "left"),
        ("E502", 31, "ordr=4"),
        ("E503", 31, 'width="a"'),
        ("E502", 31, "rate=1"),
        ("E503", 32, "nodes = many"),
    ]


PLAIN = """\
domain:
    x, y ∈ [0, 1]

parameters:
    κ = 2

fields:
    u(x, y) : scalar

equations:
    κ ∇²u = x

boundary:
    u = 0    on ∂Ω
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        # A syntax error and mistakes in meaning; what the bad line declares is not missed.
        ("κ = 2", "κ = = 2", [("E105", "= =")]),
        ("κ = 2\n", "κ = (2\n\nlet:\n    a = b\n", [("E111", "("), ("E201", "b")]),
        ("x, y ∈ [0, 1]", "x, y ∈∈ [0, 1]", None),
        # One wrong name in many places.
        ("κ ∇²u = x", "κ ∇²u = q + q x + sin(q)", [("E201", "q")]),
        # A wrong field, parameter, region or coordinate takes nothing with it.
        ("u(x, y) : scalar", "u(x, z) : scalar", [("E402", "z")]),
        ("κ = 2", "κ = 2/(1 - 1)", [("E312", "1 - 1")]),
        ("x, y ∈ [0, 1]", "x, y ∈ [0, 1, 2]", [("E416", "[0, 1, 2]")]),
        ("x, y ∈ [0, 1]", "x, y ∈ disc(radius=1)", [("E413", "disc(radius=1)")]),
        ("x, y ∈ [0, 1]", "x, y ∈ [0, 1]^0", [("E420", "0")]),
        ("κ = 2", "κ = 2\n    κ = 3", [("E203", "κ")]),
        ("κ = 2", "κ = 2\n    x = 3", [("E203", "x")]),
        ("κ = 2", "κ = log(1 - 2)", [("E312", "log(1 - 2)")]),
        # Mistakes in the conditions and in the options at once.
        (
            "u = 0    on ∂Ω\n",
            "u = 0    on left\n\nsolver:\n    method = dt_pinn(ordr=4)\n",
            [("E404", "u(x, y)"), ("E502", "ordr=4")],
        ),
        # A condition on a wrong part does not count as missing, too.
        ("on ∂Ω", "on lft, right", [("E403", "lft")]),
        # Two mistakes in one line.
        ("κ ∇²u = x", "∇²q = w + sin(1, 2)", [("E201", "q"), ("E201", "w"), ("E302", "sin(1, 2)")]),
    ],
)
def test_no_mistake_makes_others(old: str, new: str, expected: list[tuple[str, str]] | None):
    found = [(code, text) for code, _, text in found_in(PLAIN.replace(old, new, 1))]
    if expected is None:  # the first line is what matters here: nothing follows from it
        assert len(found) == 1
        assert found[0][0].startswith("E1")
    else:
        assert found == expected


def test_unknown_names_take_what_uses_them_along():
    text = PLAIN.replace("κ = 2", "κ = missing").replace("u = 0 ", "u = κ ")
    assert found_in(text) == [("E201", 5, "missing")]


def test_a_spoilt_definition_is_reported_once():
    text = PLAIN.replace("fields:", "let:\n    a = missing + 1\n    b = a + 1\n\nfields:")
    assert [code for code, _, _ in found_in(text.replace("= x", "= a + b"))] == ["E201"]


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("ψ", ["π", "pi", "φ", "p"], None),
        ("ψ_1", ["φ_1"], None),
        ("psi", ["π", "pi"], None),
        ("kappa", ["κ"], "κ"),
        ("alpah", ["α"], "α"),
        ("velocty", ["velocity", "x"], "velocity"),
        ("T_left", ["T_right", "T_lft"], "T_lft"),
    ],
)
def test_did_you_mean(name: str, candidates: list[str], expected: str | None):
    assert suggest(name, candidates) == expected


def test_guesses_are_names_of_the_right_kind():
    def helps(old: str, new: str) -> tuple[str, ...]:
        (found,) = diagnostics_of(Source("guess.pde", PLAIN.replace(old, new, 1)))
        return found.helps

    # A function is no guess for a name, nor a name for a function.
    assert helps("κ ∇²u = x", "κ ∇²u = cosx + u") == (
        "declare it: a number under `parameters:`, an unknown under `fields:`, a formula under "
        "`let:`",
    )
    assert helps("on ∂Ω", "on botom, left, right, top") == ("did you mean `bottom`?",)
