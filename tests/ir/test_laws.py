"""Laws of rows: their parts sum up, their classes agree with derivatives, splittings add up."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import ProblemError
from pdesl.ir.counting import surplus, wanting
from pdesl.ir.facts import facts, verify
from pdesl.ir.normalise import normalise, parts_agree
from pdesl.ir.split import split
from pdesl.ir.system import LinearTerm, System
from pdesl.language.printer import format_expression
from pdesl.symbolic.expression_text import expression_to_syntax
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.operators import marker
from pdesl.symbolic.problem import Coordinate, Equation, Field, Parameter, Problem
from tests.strategies_symbolic import EXAMPLES, expressions, read, system_of

t, x, y, a = sympy.symbols("t x y a", real=True)
FIELDS = (
    Field("u", ("t", "x", "y"), components=("u",)),
    Field("w", ("t", "x", "y"), components=("w",)),
)
u, w = (f.applied() for f in FIELDS)
operands = expressions([x, y, u, w, a], 4)
slopes = st.sampled_from(
    [
        marker("lap"), lambda e: sympy.Derivative(e, x, evaluate=False),
        lambda e: sympy.Derivative(e, t, evaluate=False), lambda e: marker("grad")(e, 2),
        lambda e: marker("div")(x * e, w * e), lambda e: e,
    ]
)  # fmt: skip
terms = st.builds(lambda f, e: f(e), slopes, operands)
sums = st.lists(terms, min_size=1, max_size=3).map(lambda s: sympy.Add(*s))


def _problem(*equations: Equation) -> Problem:
    zero, one = sympy.S.Zero, sympy.S.One
    return Problem(
        tuple(
            Coordinate(n, k, zero, one) for n, k in (("t", "time"), ("x", "space"), ("y", "space"))
        ),
        FIELDS,
        equations,
        parameters=(Parameter("a", sympy.Rational(3, 4)),),
    )


def _normalised(left: sympy.Expr, right: sympy.Expr) -> System:
    return normalise(_problem(Equation(left, right)))


@settings(max_examples=40)
@given(sums, sums)
def test_the_parts_of_a_row_sum_to_its_equation(left: sympy.Expr, right: sympy.Expr) -> None:
    system = _normalised(left, right)
    (row,) = system.rows
    assert parts_agree(system, row)
    for term in row.mass:
        assert system.time_order(term.jet) > 0
    for term in row.linear:
        assert system.time_order(term.jet) == 0
    for term in (*row.mass, *row.linear):
        assert not system.space.jets(term.coefficient)
    assert not system.space.jets(row.forcing)


@settings(max_examples=25)
@given(sums, sums, st.integers(0, 4))
def test_a_tampered_part_is_noticed(left: sympy.Expr, right: sympy.Expr, what: int) -> None:
    system = _normalised(left, right)
    (row,) = system.rows
    first = row.linear[:1] or (LinearTerm(sympy.S.Zero, system.space.jet("u")),)
    changed = dataclasses.replace(first[0], coefficient=first[0].coefficient + 1)
    extra = LinearTerm(x + 2, system.space.jet("u").raised(0))
    tampered = [
        {"linear": (changed, *row.linear[1:])},
        {"mass": (*row.mass, extra)},
        {"nonlinear": row.nonlinear + sympy.exp(x) * u.func(t, x, y).xreplace({u: sympy.S.Half})},
        {"forcing": row.forcing - 1},
        {"residual": row.residual + x},
    ][what]
    assert not parts_agree(system, dataclasses.replace(row, **tampered))  # type: ignore[arg-type]


def _slopes_vary(system: System, residual: sympy.Expr) -> bool:
    """Whether some ∂(residual)/∂(jet) differs between two random points of jet space."""
    jets = [system.space.symbol(j) for j in system.space.jets(residual)]
    others: list[Any] = sorted(residual.free_symbols - set(jets), key=str)
    generator = np.random.default_rng(1)
    fixed = generator.uniform(0.2, 0.9, len(others))
    function = make_function(
        [sympy.diff(residual, j) for j in jets], [*jets, *others], numpy_namespace()
    )
    one, two = (np.array(function(*generator.uniform(-1, 1, len(jets)), *fixed)) for _ in range(2))
    return not np.allclose(one, two, rtol=1e-9, atol=1e-11)


@settings(max_examples=40)
@given(sums, sums)
def test_linear_means_that_slopes_do_not_vary(left: sympy.Expr, right: sympy.Expr) -> None:
    system = _normalised(left, right)
    (row,) = system.rows
    assume(system.space.jets(row.residual))
    assert row.is_linear != _slopes_vary(system, row.residual)


@pytest.mark.parametrize(
    ("text", "linear"),
    [
        ("(u + 1)² - u²", True), ("(u + x)(u - x) - u²", True),
        ("(1 + ∂x u)(u - 2) - u ∂x u", True),
        ("(u + 1)³ - u³", False), ("abs(u) + max(u, 100)", False), ("x u + y ∂x u", True),
        ("u ∂x u", False), ("∂x(u²/2) - u ∂x u", True), ("sqrt(u²)", False), ("exp(x) ∇²u", True),
        ("sin(u)² + cos(u)²", False),
    ],
)  # fmt: skip
def test_terms_that_cancel_leave_a_linear_row(text: str, linear: bool) -> None:
    text = text.replace(")(", ") (")
    system = system_of(
        "domain:\n    x, y ∈ [0, 1]\n\nfields:\n    u(x, y) : scalar\n\n"
        f"equations:\n    {text} = ∇²u\n"
    )
    (row,) = system.rows
    assert row.is_linear is linear
    assert facts(system).linear is linear
    assert parts_agree(system, row)


# -- splittings ----------------------------------------------------------------------------


def _sum_to_zero(system: System, *parts: sympy.Expr) -> bool:
    symbols = sorted(set().union(*(p.free_symbols for p in parts)), key=str)
    values = np.random.default_rng(2).uniform(0.2, 0.9, len(symbols))
    found = np.array(make_function(parts, symbols, numpy_namespace())(*values), dtype=float)  # type: ignore[arg-type]
    return bool(abs(found.sum()) <= 1e-10 * (1e-30 + np.abs(found).sum()))


@settings(max_examples=30)
@given(operands, expressions([x, y, a], 3), st.booleans())
def test_stiff_nonstiff_and_mass_sum_to_the_residual(
    e: sympy.Expr, coefficient: sympy.Expr, marked: bool
) -> None:
    part = coefficient * marker("lap")(u) + x * sympy.Derivative(w, x)
    stiff = marker("stiff")(part) if marked else part
    system = _normalised(sympy.Derivative(u, t), stiff + marker("nonstiff")(e) + sympy.sin(x * y))
    (splitting,) = split(system)
    row = splitting.row
    assert _sum_to_zero(system, splitting.mass, splitting.stiff, splitting.nonstiff, -row.residual)
    for jet in system.space.jets(splitting.stiff):
        assert not system.time_order(jet)
        assert not system.space.jets(sympy.diff(splitting.stiff, system.space.symbol(jet)))
    assert (splitting.chosen_by == "the file") is marked


@pytest.mark.parametrize(
    "equation",
    [
        "∂t u = stiff(u ∂x u)",
        "stiff(∂t u) = ∂x²u",
        "∂t u = sin(stiff(u))",
        "∂t u = stiff(u) stiff(x)",
    ],
)
def test_a_wrong_stiff_part_is_refused_with_its_place(equation: str) -> None:
    with pytest.raises(ProblemError) as caught:
        split(
            system_of(
                "domain:\n    x ∈ periodic(0, 1)\n    t ∈ [0, 1]\n\n"
                "fields:\n    u(t, x) : scalar\n\n"
                f"equations:\n    {equation}\n\ninitial:\n    u = 0\n"
            )
        )
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E316"
    assert diagnostic.span is not None


# -- sources and known solutions -----------------------------------------------------------


def _with_solution(
    equation: str, boundary: str = "u = exact(u)", solution: str = "sin(x) exp(y)"
) -> str:
    return (
        "domain:\n    x, y ∈ [0, 1]\n\nfields:\n    u(x, y) : scalar\n    f(x, y) : source\n\n"
        f"equations:\n    {equation}\n\nboundary:\n    {boundary} on ∂Ω\n\n"
        f"manufactured:\n    u = {solution}\n"
    )


@settings(max_examples=20)
@given(expressions([x, y], 4))
def test_a_derived_source_makes_the_solution_exact(e: sympy.Expr) -> None:
    text = format_expression(expression_to_syntax(e))
    system = system_of(_with_solution("∇²u + u ∂x u = f", solution=text))
    assert not [d for d in verify(system) if d.code == "E408"]


def test_exact_takes_operators() -> None:
    system = system_of(_with_solution("∇²u = exact(∇²u)", "∂n u = exact(∂n u)")
                       .replace("    f(x, y) : source\n", ""))  # fmt: skip
    assert [d.code for d in verify(system)] == ["W940"]  # with slopes alone, u is free
    assert parts_agree(system, system.rows[0])


def test_data_that_vanish_on_the_boundary_count_as_satisfied() -> None:
    head = "domain:\n    Ω = disk(radius=1)\n    x, y ∈ Ω\n\nfields:\n    u(x, y) : scalar\n\n"
    tail = (
        "equations:\n    ∇²u = -4\n\nboundary:\n    u = 0 on ∂Ω\n\nverify:\n    u = 1 - x² - y²\n"
    )
    assert not verify(system_of(head + tail))
    wrong = verify(system_of(head + tail.replace("u = 0", "u = 1/1000")))
    assert [d.code for d in wrong] == ["E408"]


@pytest.mark.parametrize("equation", ["∇²u = f²", "∇²u = u f", "∇²u = f + ∂x f", "∇²u = 1"])
def test_a_source_that_cannot_be_derived_is_refused(equation: str) -> None:
    with pytest.raises(ProblemError) as caught:
        system_of(_with_solution(equation))
    assert caught.value.diagnostics[0].code == "E333"
    assert caught.value.diagnostics[0].span is not None


def test_a_given_source_is_put_in_with_its_derivatives() -> None:
    text = _with_solution(
        "∇²u + ∂x f = f + cos(x) exp(y) - sin(x) exp(y)", solution="sin(x) exp(y)"
    )
    system = system_of(text + "    f = sin(x) exp(y)\n")
    assert not system.rows[0].residual.has(sympy.Symbol("f{1,0}", real=True))
    assert parts_agree(system, system.rows[0])
    assert not verify(system)


@pytest.mark.parametrize(
    ("equation", "code", "place"),
    [
        ("∇²abs(u) = 1", "E606", "∇²abs(u)"),
        ("∇²u = ∂x step(u - 1/2)", "E606", "∂x step(u - 1/2)"),
        ("∇²u + ∂y floor(u) = 0", "E606", "∂y floor(u)"),
        ("∇²u = ∂n u", "E426", ""),
        ("∇²u = n[1] u", "E426", ""),
        ("□u = 0", "E311", "□u"),
        ("∇²u = ∫(u)", "E603", "∫(u)"),
        ("∇²u = norm(u) u", "E603", "norm(u)"),
        ("∇²u = max(u)", "E603", "max(u)"),
    ],
)
def test_what_has_no_row_is_refused_where_it_stands(equation: str, code: str, place: str) -> None:
    head = "domain:\n    x, y ∈ [0, 1]\n\nfields:\n    u(x, y) : scalar\n\n"
    text = f"{head}equations:\n    {equation}\n"
    with pytest.raises(ProblemError) as caught:
        system_of(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.span is not None
    assert diagnostic.span.text == place or not place


CURVED = (
    "domain:\n    r ∈ [1, 2]\n    θ ∈ [0, 1]\n\nmetric:\n    ds² = dr² + r² dθ²\n\n"
    "fields:\n    u(r, θ) : scalar\n    v(r, θ) : vector\n\nequations:\n    EQUATION\n"
)


@pytest.mark.parametrize(
    ("equation", "rows"),
    [("∇u·∇u = 1", 1), ("∇²v = 0", 2), ("∇·v = 0", 1), ("∇×v = 0", 1), ("(v·∇)u = 0", 1),
     ("∇·(u v) = 0", 1), ("norm(v) = 1", 1), ("∇u = 0", 2), ("v·v = 1", 1),
     ("∇·(∇u + v) = 0", 1), ("trace(outer(v, v)) = 0", 1)],
)  # fmt: skip
def test_vectors_with_a_metric_have_rows(equation: str, rows: int) -> None:
    system = system_of(CURVED.replace("EQUATION", equation))
    assert len(system.rows) == rows
    assert all(parts_agree(system, row) for row in system.rows)


@pytest.mark.parametrize(
    ("equation", "code"), [("□v = 0", "E602"), ("∇²(∇v) = 0", "E602"), ("∂n v = 0", "E426")]
)
def test_what_a_metric_gives_no_meaning(equation: str, code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        system_of(CURVED.replace("EQUATION", equation))
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert all(d.span is not None for d in caught.value.diagnostics)


@pytest.mark.parametrize(
    "equation", ["∇·(u ∇u) = 0", "∇·(r ∇u - θ ∇(u²)) = ∇²u", "∇·(exp(u) ∇u) = 1"]
)
def test_divergences_of_gradients_with_a_metric_are_rows(equation: str) -> None:
    system = system_of(CURVED.replace("EQUATION", equation))
    assert parts_agree(system, system.rows[0])


# -- numbers of conditions -----------------------------------------------------------------

names = st.sampled_from("abc")
choices = st.lists(st.sets(names, min_size=1).map(sorted), max_size=5)
rooms = st.fixed_dictionaries({n: st.integers(0, 2) for n in "abc"})


def _assignments(left: list[list[str]]) -> Any:
    if not left:
        yield []
        return
    for rest in _assignments(left[1:]):
        for name in left[0]:
            yield [name, *rest]


@settings(max_examples=150)
@given(choices, rooms)
def test_counting_agrees_with_trying_every_assignment(
    held: list[list[str]], room: dict[str, int]
) -> None:
    every = list(_assignments(held))
    fits = any(all(one.count(n) <= room[n] for n in room) for one in every)
    fills = any(all(one.count(n) >= room[n] for n in room) for one in every)
    assert fits == (not surplus(held, room))
    assert fills == (not wanting(held, room))


BOX = "domain:\n    x, y ∈ [0, 1]\n\nfields:\n    v(x, y) : vector\n    p(x, y) : scalar\n\n"
STOKES = (
    BOX + "equations:\n    ∇²v = ∇p\n    ∇·v = 0\n\nboundary:\n    v = 0 on x = 0, y = 0, y = 1\n"
)


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("∂n v - p n = 0 on x = 1", []),
        ("v = 0 on x = 1", ["W940"]),  # the pressure is free by a constant
        ("p = 0 on x = 1", ["E404", "E404"]),
        ("v·n = 0 on x = 1", ["E404"]),
        ("v = 0 on x = 1\n    p = 0 on x = 1", []),
        ("v = 0 on x = 1\n    ∂n v = 0 on x = 1", ["E405", "E405"]),
        ("v = 0 on x = 1\n    ∂n v - p n = 0 on x = 1", ["E405"]),
    ],
)
def test_conditions_that_couple_fields_are_counted_once(line: str, codes: list[str]) -> None:
    found = verify(system_of(STOKES + f"    {line}\n"))
    assert [d.code for d in found] == codes


def test_no_row_of_any_file_is_guessed_twice() -> None:
    """Normalising is a pure function: the same problem gives equal systems."""
    for path in EXAMPLES[::5]:
        problem = read(path)
        assert normalise(problem) == normalise(problem)
