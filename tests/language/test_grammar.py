"""The grammar: free of conflicts, cached, and found from a checkout and from a wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pdesl import resources
from pdesl.language.grammar import cache_folder, line_parser, make_line_parser
from pdesl.resources import grammar_path, malformed_folder, problems_folder


def test_the_grammar_has_no_conflicts_and_no_colliding_terminals() -> None:
    pytest.importorskip("interegular")
    parser = make_line_parser(grammar_path().read_text(encoding="utf-8"), strict=True)
    assert parser.options.strict


def test_the_cache_is_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "grammar.pickle"
    text = grammar_path().read_text(encoding="utf-8")
    first = make_line_parser(text, cache_file=file)
    assert file.stat().st_size > 10_000
    again = make_line_parser(text, cache_file=file)
    tree = [parser.parse("pdesl 1", start="version") for parser in (first, again)]
    assert tree[0] == tree[1]


def test_a_spoiled_cache_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "grammar.pickle"
    file.write_bytes(b"nonsense")
    parser = make_line_parser(grammar_path().read_text(encoding="utf-8"), cache_file=file)
    assert parser.parse("pdesl 1", start="version")


def test_the_cache_lies_in_the_folder_of_the_user(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "pdesl"


def test_without_a_writable_folder_there_is_no_cache(tmp_path, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert cache_folder() is None
    line_parser.cache_clear()
    try:
        assert line_parser().parse("pdesl 1", start="version")
    finally:
        line_parser.cache_clear()


def test_data_is_found_inside_an_installed_package(tmp_path, monkeypatch) -> None:
    package = tmp_path / "pdesl"
    grammars = package / "_data" / "grammars"
    (grammars / "malformed").mkdir(parents=True)
    (grammars / "pde.lark").write_text("")
    (package / "_data" / "problems").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert grammar_path() == grammars / "pde.lark"
    assert malformed_folder() == grammars / "malformed"
    assert problems_folder() == package / "_data" / "problems"


def test_a_broken_installation_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "pdesl")
    with pytest.raises(FileNotFoundError, match="not installed completely"):
        grammar_path()


def test_reading_a_file_needs_no_numerical_package() -> None:
    program = (
        "import sys; from pdesl.language.parser import parse; "
        "from pdesl.language.printer import format_module; "
        "from pdesl.diagnostics import Source; "
        "loaded = {'numpy', 'scipy', 'sympy', 'jax'} & set(sys.modules); "
        "before = 'built' if 'lark.load_grammar' in sys.modules and "
        "__import__('pdesl.language.grammar').language.grammar.line_parser.cache_info().currsize "
        "else 'lazy'; "
        "print(format_module(parse(Source('', 'let:\\n    a = 2')).module), loaded, before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["let:", "a", "=", "2", "set()", "lazy"]
