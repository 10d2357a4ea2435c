"""The partition for time stepping sums to the equation, and its stiff part is linear."""

from __future__ import annotations

import pytest
import sympy

from pdesl.diagnostics import CapabilityError, ProblemError
from pdesl.ir.evolution import to_evolution
from pdesl.ir.imex import imex_mistakes, to_imex
from pdesl.ir.normalise import normalise
from pdesl.symbolic.functions import vanishes
from tests.strategies_symbolic import ALL_FILES, read

# A chart of Kerr's metric takes seconds, and shows nothing that a simpler one does not.
FILES = {path.stem: path for path in ALL_FILES if path.stem != "wave_kerr_schild"}


@pytest.mark.parametrize("name", FILES)
def test_the_parts_sum_to_the_equation(name: str):
    try:
        system = to_evolution(normalise(read(FILES[name])))
    except (CapabilityError, ProblemError):
        pytest.skip("no evolution equation")
    rows = to_imex(system)
    assert [row.field for row in rows] == list(system.fields)
    for row in rows:
        symbol = system.space.symbol
        slope = symbol(system.space.jet(row.field).raised(system.frame.time_axis or 0))
        assert vanishes(row.row.residual - slope + row.expression(system)), row.row.name
        for term in (*row.stiff, *row.linear):
            assert not system.space.jets(term.coefficient)
        if row.row.stiff is not None:
            marked = sympy.Add(*(t.expression(system.space) for t in row.stiff))
            jets = {symbol(j): 0 for j in system.space.jets(row.row.stiff)}
            assert vanishes(row.row.stiff - row.row.stiff.xreplace(jets) + marked)


def test_what_is_marked_and_subtracted_again_is_explicit():
    text = """
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = stiff(3 ∂x²u + u) + nonstiff((u² - 3) ∂x²u + sin(t))
initial:
    u = 1
"""
    from pdesl.diagnostics import Source
    from pdesl.run.pipeline import compile

    (row,) = to_imex(to_evolution(compile(Source("t.pde", text))))
    assert {(t.coefficient, t.jet.order) for t in row.stiff} == {(3, 2), (1, 0)}
    assert {(t.coefficient, t.jet.order) for t in row.linear} == {(-3, 2)}
    assert len(row.nonlinear.free_symbols) == 2
    assert row.forcing.has(sympy.sin)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("∂n u + u² = 0", "not linear"),
        ("∂t u + ∂n u = 0", "time derivative"),
        ("∂n u + t u = 0", "changes in time"),
    ],
)
def test_conditions_that_are_no_linear_equations(condition: str, words: str):
    text = f"""
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = ∂x²u
boundary:
    {condition}    on ∂Ω
initial:
    u = 0
"""
    from pdesl.diagnostics import Source
    from pdesl.run.pipeline import compile

    (found,) = imex_mistakes(to_evolution(compile(Source("t.pde", text))))
    assert found.code == "E632"
    assert words in found.message
