"""Each malformed file gives its codes at its places, and each code has a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pdesl.codes import CODES, explain
from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source, render_all
from pdesl.language.layout import MAXIMUM_SIZE
from pdesl.language.parser import MAXIMUM_ERRORS, parse, parse_or_raise, read_source
from pdesl.symbolic.elaborate import attempt_source
from tests.helpers import Expectation, expectations

CASES = expectations("parse")
#: Codes that no file in a repository can show.
WITHOUT_FILE = {"E001", "E008", "E099"}


def diagnostics_of(path: Path) -> tuple[Diagnostic, ...]:
    try:
        return parse(read_source(path)).diagnostics
    except ProblemError as error:
        return error.diagnostics


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_codes_and_places(case: Expectation) -> None:
    found = diagnostics_of(case.path)
    places = [(d.code, d.span.line, d.span.column) for d in found if d.span is not None]
    assert places == list(case.places), render_all(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_messages_speak_to_the_user(case: Expectation) -> None:
    for diagnostic in diagnostics_of(case.path):
        assert diagnostic.code in CODES
        words = [diagnostic.message, diagnostic.label, *diagnostic.helps]
        for text in words:
            assert not re.search(r"\b[A-Z]{4,}\b|__ANON|Token|Unexpected|Traceback|None", text), (
                text
            )
        warning = diagnostic.severity is Severity.WARNING
        assert warning == diagnostic.code.startswith("W")


def test_every_code_of_the_parser_has_a_file() -> None:
    raised = {
        code for code in CODES if code[:2] in ("E0", "E1") or (code < "W905" and code[0] == "W")
    }
    shown = {code for case in CASES for code, _, _ in case.places}
    assert shown == raised - WITHOUT_FILE


def test_every_code_in_the_source_of_the_parser_is_in_the_table() -> None:
    import pdesl.language

    folder = Path(pdesl.language.__path__[0])
    used = set()
    for file in folder.glob("*.py"):
        used |= set(re.findall(r'"([EW]\d{3})"', file.read_text(encoding="utf-8")))
    assert used <= set(CODES)
    parser_codes = {code for code in CODES if code[:2] in ("E0", "E1", "W9")}
    assert {c for c in parser_codes if c < "W905"} <= used


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_page(code: str) -> None:
    page = explain(code)
    assert page.startswith(f"{code}: ")
    assert CODES[code].fix in page
    assert "# expect" not in page


def test_pages_show_a_wrong_example() -> None:
    assert "∂t u = 1/2 κ ∇²u" in explain("E140")


def test_all_mistakes_of_a_file_are_reported_at_once() -> None:
    text = """\
domain:
    x ∈ [0, 1
    y ∈ [0, 1]

feilds:
    u(x, y) : scalar

equations:
    ∂x²u = = 1
    1/2 y u = 3
    ∂y²u = 0
    sin(x = 3
"""
    result = parse(Source("text.pde", text))
    assert result.module is None
    assert [(d.code, d.span.line) for d in result.diagnostics if d.span] == [
        ("E111", 2), ("E120", 5), ("E105", 9), ("E140", 10), ("E111", 12),
    ]  # fmt: skip
    equations = result.partial.block("equations")
    assert len(equations) == 1


def test_a_missing_file() -> None:
    with pytest.raises(ProblemError) as raised:
        read_source("/no/such/file.pde")
    assert raised.value.diagnostics[0].code == "E001"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as raised:
        read_source(tmp_path)
    assert raised.value.diagnostics[0].code == "E001"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    text = "# " + "x" * MAXIMUM_SIZE
    file = tmp_path / "large.pde"
    file.write_text(text)
    with pytest.raises(ProblemError) as raised:
        read_source(file)
    assert raised.value.diagnostics[0].code == "E008"
    assert [d.code for d in parse(Source("large.pde", text)).diagnostics] == ["E008"]


def test_utf16_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "wide.pde"
    file.write_bytes("domain:\n".encode("utf-16"))
    with pytest.raises(ProblemError) as raised:
        read_source(file)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E002"
    assert "UTF-16" in diagnostic.helps[0]


def test_a_file_that_is_no_text_is_named_for_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "article.pde"
    file.write_bytes(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    with pytest.raises(ProblemError) as raised:
        read_source(file)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E002"
    assert "a PDF" in diagnostic.message


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("u_xxy = 0", "∂x²∂y u"),
        ("uyy = 0", "∂y² u"),
        ("diff(u, y) = 0", "∂y u"),
        ("u = 2 m", "1 [m]"),
        ("u = e^x", "exp(x)"),
        ("u ＝ 0", "write `=`"),
        ("\\frac{u}{x} = 0", "LaTeX"),
        ("u =", "the other side"),
    ],
)
def test_what_other_programs_write_is_answered_in_the_words_of_the_language(
    line: str, remedy: str
) -> None:
    text = f"domain:\n    x, y ∈ [0, 1]\nfields:\n    u(x, y) : scalar\nequations:\n    {line}\n"
    found = attempt_source(Source("text.pde", text)).diagnostics
    assert any(remedy in words for d in found for words in d.helps), render_all(found)


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "windows.pde"
    file.write_bytes(b"domain:\r\n    x in [0,\r\n        1]  # width\r\n")
    module = parse_or_raise(read_source(file))
    assert module.blocks[0].statements[0].comment == "# width"


def test_too_many_mistakes_end_the_list() -> None:
    text = "equations:\n" + "    u ==\n" * 1000
    diagnostics = parse(Source("text.pde", text)).diagnostics
    assert len(diagnostics) == MAXIMUM_ERRORS + 1
    assert diagnostics[-1].code == "E099"
