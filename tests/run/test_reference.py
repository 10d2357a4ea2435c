"""Pages that follow from the compiler's tables: each code, each method with all of its options."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pdesl.codes import CODES
from pdesl.language.blocks import BLOCKS
from pdesl.run.editor.vocabulary import BLOCK_WORDS
from pdesl.solvers.methods import METHODS
from pdesl.symbolic.operators import OPERATORS
from pdesl.symbolic.options import describe_options

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(hooks: ModuleType) -> dict[str, str]:
    return dict(hooks.generated_pages())


def test_every_code_has_a_page(pages: dict[str, str]):
    for code in CODES.values():
        page = pages[f"codes/{code.code}.md"]
        assert page.startswith(f"# {code.code}: ")
        assert "What to do: " in page
        assert f"codes/{code.code}.md" in pages["codes.md"]


@pytest.mark.parametrize("name", METHODS)
def test_every_solver_has_a_page_with_its_options(name: str, pages: dict[str, str]):
    page = pages[f"solvers/{name}.md"]
    assert page.startswith(f"# {name}\n")
    for option, default, words in describe_options(METHODS[name].options):
        row = f"| `{option}` | {default} | {words} |"
        assert row in page.replace("\\|", "|").replace("&lt;", "<"), option
    assert f"({name}.md)" in pages["solvers/index.md"]


def test_a_section_of_the_methods_heads_its_page(pages: dict[str, str]):
    text = (ROOT / "docs" / "pages" / "methods.md").read_text(encoding="utf-8")
    first = text.partition("## rbf_fd\n")[2].strip().partition("\n")[0]
    assert first in pages["solvers/rbf_fd.md"]
    assert "<!-- table" not in pages["solvers/rbf_fd.md"]


def test_the_reference_has_every_word(pages: dict[str, str]):
    page = pages["reference.md"]
    for name in (*BLOCK_WORDS, *OPERATORS):
        assert f"`{name}`" in page
    assert "?statement: relation" in page
    assert set(BLOCK_WORDS) == set(BLOCKS)
