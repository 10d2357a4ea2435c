"""Jupyter: `%%pde` solves a cell, mistakes are shown with their lines, values show themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

from pdesl.api import Problem

pytest.importorskip("IPython")
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

CELL = """domain:
    x ∈ [0, 1]
fields:
    u(x) : scalar
    f(x) : source
equations:
    ∂x²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = x³
solver:
    method = rbf_fd(nodes=20, order=4)
profile "fine":
    solver.nodes = 30
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    found = InteractiveShell.instance()
    found.run_line_magic("load_ext", "pdesl")
    yield found
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, line: str, cell: str = CELL) -> tuple[Any, str, str]:
    """What a cell gives, the HTML that it shows, and what it writes."""
    with capture_output() as captured:
        result = shell.run_cell(f"%%pde {line}\n{cell}")
    shown = "".join(output.data.get("text/html", "") for output in captured.outputs)
    return result.result, shown, captured.stdout + captured.stderr


def test_a_cell_is_solved_into_a_variable(shell: InteractiveShell):
    _, shown, _ = run(shell, "w --profile fine")
    assert "<math" in shown
    assert "data:image/png;base64," in shown
    assert "relative l2 error" in shown
    solution = shell.user_ns["w"]
    assert solution(0.5) == pytest.approx(0.125, abs=1e-8)
    assert solution.task.options.nodes == 30
    assert "relative l2 error" in solution._repr_html_()
    assert "0 to 1" in solution._repr_html_()
    assert r"\partial_{x}^{2} u" in solution._repr_latex_()


def test_a_cell_is_checked_alone(shell: InteractiveShell):
    found, shown, _ = run(shell, "--check")
    assert isinstance(found, Problem)
    assert "<math" in found._repr_html_()
    assert "steady, linear" in shown


def test_a_mistake_is_shown_with_its_line(shell: InteractiveShell):
    found, shown, _ = run(shell, "", CELL.replace("∂x²u", "∂x²q"))
    assert found is None
    assert "E201" in shown
    assert "cell:7:" in shown
    assert "<script>" not in run(shell, "", CELL.replace("∂x²u", "<script>"))[1]


@pytest.mark.parametrize("line", ["--nothing", "2w"])
def test_words_that_are_no_options(shell: InteractiveShell, line: str):
    assert "UsageError: %%pde" in run(shell, line)[2]
