"""Canonical names, their ASCII twins, and "did you mean"."""

from __future__ import annotations

import pytest

from pdesl.language.names import GREEK, ascii_name, canonical_name, index_names, is_name, suggest


@pytest.mark.parametrize(("name", "letter"), GREEK.items())
def test_greek_letters_and_their_names_are_twins(name: str, letter: str) -> None:
    assert canonical_name(name) == canonical_name(letter) == letter
    assert ascii_name(letter) == name
    assert canonical_name(f"{name}_1.{name}2") == f"{letter}_1.{letter}2"
    assert ascii_name(f"{letter}_1.{letter}2") == f"{name}_1.{name}2"


@pytest.mark.parametrize("name", ["alphabet", "x", "dpi", "Alpha", "betax", "mass", "index"])
def test_other_names_stay(name: str) -> None:
    assert canonical_name(name) == name == ascii_name(name)


def test_differentials_have_twins() -> None:
    assert canonical_name("dtheta") == "dθ"
    assert ascii_name("dθ") == "dtheta"


@pytest.mark.parametrize("name", ["αx", "größe", "Δt", "速度"])
def test_names_without_a_twin(name: str) -> None:
    assert ascii_name(name) is None


@pytest.mark.parametrize(
    ("written", "name"), [("µ", "μ"), ("ϵ", "ε"), ("∆t", "Δt"), ("x₁", "x1"), ("u\u0302", "û")]
)
def test_look_alikes_are_one_name(written: str, name: str) -> None:
    assert canonical_name(written) == name


def test_the_name_of_a_function_stays_unless_the_letter_is_declared() -> None:
    assert canonical_name("gamma", function=True) == "gamma"
    assert canonical_name("gamma", function=True, declared=("γ",)) == "γ"
    assert canonical_name("psi", function=True) == "ψ"


@pytest.mark.parametrize(
    ("name", "candidates", "guess"),
    [
        ("sover", ["solver", "output"], "solver"),
        ("alpha", ["α", "β"], "α"),
        ("κ", ["kappa", "k"], "kappa"),
        ("sign", ["sin", "cos"], "sin"),
        ("ndoes", ["nodes", "order"], "nodes"),
        ("Temperature", ["temperature"], "temperature"),
        ("q", ["x", "y"], None),
        ("velocity", ["pressure"], None),
        ("а", ["a"], "a"),
        ("x" * 1000, ["x"], None),
    ],
)
def test_did_you_mean(name: str, candidates: list[str], guess: str | None) -> None:
    assert suggest(name, candidates) == guess


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("μν", ["μ", "ν"]), ("mu nu", ["μ", "ν"]), ("mu", ["μ"]), ("x1", ["x1"]),
        ("01", ["0", "1"]),
        ("foo,", ["foo"]), ("x1 t", ["x1", "t"]), ("-x", []), ("", []), ("a+b", []),
    ],
)  # fmt: skip
def test_indices(text: str, names: list[str]) -> None:
    assert index_names(text) == names


def test_what_is_a_name() -> None:
    assert is_name("κ_1")
    assert is_name("x₁")
    assert not is_name("x²")
    assert not is_name("2x")
    assert not is_name("a b")
    assert not is_name("")
