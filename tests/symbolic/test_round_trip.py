"""`Problem` → text → `Problem` is the identity, in both spellings, for files and at random."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import pdesl
from pdesl.diagnostics import ProblemError, Source
from pdesl.ir.facts import verify
from pdesl.ir.normalise import normalise
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.problem import Problem
from tests.strategies_symbolic import ALL_FILES, EXAMPLES, expressions, from_text, read, x, y

BY_NAME = {path.stem: path for path in ALL_FILES}


def _same(first: Problem, second: Problem) -> None:
    for entry in dataclasses.fields(Problem):
        if entry.compare:
            assert getattr(first, entry.name) == getattr(second, entry.name), entry.name
    assert first == second
    assert hash(first) == hash(second)
    assert first.hash == second.hash


@pytest.mark.parametrize("style", ["unicode", "ascii"])
@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: f"{p.parent.parent.name}-{p.stem}")
def test_files_come_back(path: Path, style: str) -> None:
    problem = read(path)
    text = problem.to_pde(style)
    # Names in quotes are those of files and of what is in them.
    assert style == "unicode" or re.sub(r'"[^"\n]*"', "", text).isascii()
    again = from_text(text, problem.name)
    _same(problem, again)
    assert again.to_pde(style) == text
    assert [d.message for d in again.warnings] == [d.message for d in problem.warnings]


def test_the_text_of_a_problem_states_the_same_rows() -> None:
    for path in EXAMPLES[::4]:
        problem = read(path)
        again = normalise(from_text(problem.to_pde()))
        rows = zip(normalise(problem).all_rows, again.all_rows, strict=True)
        for row, same in rows:  # the text has no letters that a component could be named by
            assert dataclasses.replace(row, name=same.name) == same


def test_the_hash_tells_problems_apart() -> None:
    hashes = {read(path).hash for path in EXAMPLES}
    assert len(hashes) == len(EXAMPLES)


def test_names_of_definitions_units_and_layout_take_no_part() -> None:
    first = (
        "let:\n    κ = 1 + x\n\ndomain:\n    x ∈ [0, 2]\n\nfields:\n    u(x) : scalar\n\n"
        "equations:\n    ∂x(κ ∂x u) = 0\n\nboundary:\n    u = 1 on ∂Ω\n"
    )
    second = first.replace("κ", "stiffness").replace("[0, 2]", "[0, 4/2]").replace("1 + x", "x + 1")
    _same(from_text(first), from_text(second))
    assert "stiffness" in from_text(second).to_pde()
    assert from_text(first) != from_text(first.replace("u = 1", "u = 2"))


def test_definitions_keep_their_names_where_formulas_stand_whole() -> None:
    text = read(BY_NAME["schroedinger"]).to_pde()
    assert "let:" not in text or "V" in text
    assert "EI" not in read(BY_NAME["heat"]).to_pde()


# -- random problems -----------------------------------------------------------------------

u, w = sympy.Function("u")(x, y), sympy.Function("w")(x, y)
numbers = st.one_of(
    st.integers(-5, 5), st.fractions(-3, 3, max_denominator=9).map(lambda f: sympy.Rational(f)),
    st.floats(-9, 9, allow_nan=False),
)  # fmt: skip
operands = expressions([x, y, u, w, sympy.Symbol("a")], 4)
operators = st.sampled_from(
    [
        pdesl.lap, lambda e: pdesl.div(pdesl.grad(e)), lambda e: pdesl.grad(e, 1),
        lambda e: sympy.Derivative(e, x, evaluate=False), lambda e: pdesl.stiff(pdesl.lap(u)) + e,
        lambda e: pdesl.advect(y, -x, e), lambda e: pdesl.curl(e, x * w),
        lambda e: sympy.Derivative(e, (x, 2), y, evaluate=False),
    ]
)  # fmt: skip
terms = st.builds(lambda f, e, c: c * f(e), operators, operands, numbers.map(sympy.Rational))
sides = st.lists(st.one_of(terms, operands), min_size=1, max_size=3).map(lambda t: sympy.Add(*t))
domains = st.sampled_from(
    [
        {(x, y): pdesl.disk(radius=2)}, {x: (0, 1), y: pdesl.periodic(0, 2)},
        {(x, y): pdesl.difference(pdesl.disk(radius=2), pdesl.ellipse(semi_axes=(1, 0.5)))},
        {(x, y): pdesl.polygon([(0, 0), (1, 0), (0, 1.5)])}, {(x, y): pdesl.polar(2)},
    ]
)  # fmt: skip


@settings(max_examples=40)
@given(domains, sides, sides, numbers, st.booleans())
def test_random_problems_come_back(
    domain: Any, left: sympy.Expr, right: sympy.Expr, a: Any, boundary: bool
) -> None:
    equation = sympy.Eq(pdesl.lap(u) + left, right, evaluate=False)
    conditions = [pdesl.on("∂Ω", sympy.Eq(u, a)), pdesl.on("∂Ω", sympy.Eq(pdesl.dn(w), x - u * a))]
    problem = pdesl.Problem(
        domain=domain,
        fields={u: "scalar", w: "scalar"},
        parameters={"a": a},
        equations=[equation, sympy.Eq(pdesl.lap(w), 1)],
        boundary=conditions if boundary else [],
    )
    for style in ("unicode", "ascii"):
        again = elaborate_source(Source("problem", problem.to_pde(style)))
        _same(problem, again)


# -- places --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_term_has_its_place(path: Path) -> None:
    """The place of a term lies inside that of its equation, and within a line's width."""
    problem = read(path)
    for equation in (*problem.equations, *problem.boundary, *problem.initial):
        assert equation.span is not None
        for side in (equation.lhs, equation.rhs):
            for term in sympy.Add.make_args(side):
                span = equation.span_of(term)
                assert span is not None
                assert equation.span.start <= span.start < span.end <= equation.span.end


def test_a_term_is_found_whatever_its_sign_and_factor() -> None:
    problem = from_text(
        "domain:\n    x, y ∈ [0, 1]\n\nfields:\n    u(x, y) : scalar\n\n"
        "equations:\n    ∇²u - 3 sin(u) = 2 (x u + exp(y)) - ∂x(u²)\n"
    )
    (equation,) = problem.equations
    words = {
        getattr(equation.span_of(term), "text", "")
        for term in sympy.Add.make_args(equation.lhs - equation.rhs)
    }
    assert {"∇²u", "∂x(u²)", "x u", "exp(y)"} < words
    assert words & {"sin(u)", "3 sin(u)"}


# -- overrides -----------------------------------------------------------------------------


def _changed(path: Path, *overrides: str) -> tuple[Problem, Problem, set[str]]:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    before, after = elaborate_source(source), elaborate_source(source, overrides)
    names = {
        e.name for e in dataclasses.fields(Problem)
        if e.compare and getattr(before, e.name) != getattr(after, e.name)
    }  # fmt: skip
    return before, after, names


def test_an_override_changes_what_it_says_and_nothing_else() -> None:
    _, after, names = _changed(BY_NAME["heat"], "parameters.κ=7")
    assert names == {"parameters"}
    assert {p.name: p.value for p in after.parameters} == {
        "κ": 7, "h": 3, "T0": 1,
    }  # fmt: skip
    _, after, names = _changed(BY_NAME["nonlinear_poisson_disk"], "solver.order=5")
    assert names == {"solver"}
    before = read(BY_NAME["nonlinear_poisson_disk"]).solver
    assert before is not None
    assert after.solver is not None
    assert dict(after.solver.options) == {**dict(before.options), "order": 5}
    _, after, names = _changed(
        BY_NAME["anisotropic_diffusion_square"], "let.κ=2", "parameters.a=0.1"
    )
    assert names == {"parameters", "equations", "boundary"}


@pytest.mark.parametrize(
    "text", ["parameters.kapa=1", "nothing.x=1", "solver", "parameters.κ", "equations.u=3", "=", ""]
)
def test_an_override_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(ProblemError) as caught:
        _changed(BY_NAME["heat"], text)
    assert caught.value.diagnostics[0].code in ("E507", "E508")


# -- a problem that is put together in Python ----------------------------------------------


def test_both_faces_give_one_problem() -> None:
    f = sympy.Function("f")(x, y)
    problem = pdesl.Problem(
        domain={(x, y): pdesl.disk(center=(0, 0), radius=1)},
        fields={u: "scalar", f: "source"},
        equations=[sympy.Eq(pdesl.lap(u), sympy.exp(u) + f)],
        boundary=[pdesl.on("∂Ω", sympy.Eq(
            pdesl.dn(u) + u, pdesl.dn(pdesl.exact(u)) + pdesl.exact(u)))],
        manufactured={u: 1 + sympy.sin(sympy.pi * x) * sympy.cos(sympy.pi * y)},
    )  # fmt: skip
    file = read(BY_NAME["nonlinear_poisson_disk"])
    for name in ("coordinates", "fields", "equations", "boundary", "manufactured", "shape"):
        assert getattr(problem, name) == getattr(file, name), name
    assert not verify(normalise(problem))
