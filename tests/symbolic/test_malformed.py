"""Each file that is wrong in meaning gives its codes at its places, and each code has a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pdesl import codes
from pdesl.codes import CODES, explain
from pdesl.codes_meaning import MEANING
from pdesl.codes_methods import METHODS
from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, render_all
from pdesl.language.parser import read_source
from pdesl.run.pipeline import check
from pdesl.symbolic.elaborate import attempt_source
from tests.helpers import Expectation, expectations

CASES = expectations("check")
#: Codes that no check of a file can show: a defect of pdesl, convergence studies, failures
#: while a problem is solved, and a file that does not exist.
WITHOUT_FILE = {"E399", "E516", "E517", "E646", "E647", "E801"} | {
    c for c in CODES if c.startswith("E7")
}
#: Codes of geometry and of output that a check meets, beside those that only a run meets.
MET = {"E441", "E442", "E443", "E444", "E445", "E446", "E813", "E814"}


def diagnostics_of(
    source: Source, settings: tuple[str, ...] = (), profile: str | None = None
) -> tuple[Diagnostic, ...]:
    if profile is not None:
        return attempt_source(source, settings, profile).diagnostics
    try:
        return check(source, settings).diagnostics
    except ProblemError as error:
        return error.diagnostics


def places_of(found: tuple[Diagnostic, ...]) -> list[tuple[str, int, int]]:
    assert all(d.span is not None for d in found), render_all(found)
    return [(d.code, d.span.line, d.span.column) for d in found if d.span is not None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_codes_and_places(case: Expectation):
    found = diagnostics_of(read_source(case.path), case.settings, case.profile)
    assert places_of(found) == list(case.places), render_all(found)
    for diagnostic in found:
        assert diagnostic.code in CODES
        assert diagnostic.helps, f"it is not said what to do: {render_all([diagnostic])}"
        assert all(text.strip() for text in diagnostic.helps)
        assert case.path.stem.startswith(diagnostic.code)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_messages_are_in_the_words_of_the_user(case: Expectation):
    found = diagnostics_of(read_source(case.path), case.settings, case.profile)
    for diagnostic in found:
        text = " ".join((diagnostic.message, diagnostic.label, *diagnostic.helps))
        assert not re.search(r"sympy|Symbol|Traceback|NoneType|\*\*|<class|\{\d", text), text
        assert not diagnostic.message.endswith("."), text
        assert diagnostic.message[0] == "`" or not diagnostic.message[0].isupper(), text


def test_every_code_has_a_file():
    shown = {code for case in CASES for code, _, _ in case.places}
    wanted = {code.code for code in (*MEANING, *METHODS)} - WITHOUT_FILE | MET
    assert shown == wanted


def test_every_code_is_explained():
    for code in (*MEANING, *METHODS):
        page = explain(code.code)
        assert page.startswith(f"{code.code}: ")
        assert "What to do: " in page
        if code.code not in WITHOUT_FILE:
            assert "For example" in page


def test_what_a_method_cannot_do_is_a_note():
    for case in CASES:
        for diagnostic in diagnostics_of(read_source(case.path), case.settings, case.profile):
            kind = {"W": Severity.WARNING}.get(diagnostic.code[0], Severity.ERROR)
            is_note = diagnostic.code[:3] in ("E61", "E62", "E63", "E64")
            assert diagnostic.severity is (Severity.NOTE if is_note else kind)


def test_no_code_is_given_twice():
    stated: list[str] = []
    for path in Path(codes.__file__).parent.glob("codes*.py"):
        stated += re.findall(r'Code\(\s*"([EW]\d{3})"', path.read_text(encoding="utf-8"))
    assert sorted(stated) == sorted(CODES)
