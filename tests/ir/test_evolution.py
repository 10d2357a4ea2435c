"""Evolution form: golden texts, the law R = A E against the rows as stated, and every refusal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import ProblemError
from pdesl.ir.evolution import to_evolution
from pdesl.ir.facts import facts, verify
from pdesl.ir.normalise import exact_jets, normalise, parts_agree
from pdesl.ir.system import System
from pdesl.ir.text import format_system, latex_system
from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.operators import marker
from pdesl.symbolic.problem import Coordinate, Equation, Field, Problem
from tests.strategies_symbolic import ALL_FILES, EXAMPLES, concrete, number, read, system_of

FOLDER = Path(__file__).parent / "golden_evolution"
NAMES = ("spherical_wave", "maxwell_2d", "heat")
FILES = {path.stem: path for path in ALL_FILES}

DOMAIN = "domain:\n    x ∈ [0, 1]\n    t ∈ [0, 1]\n\n"


def _stated(fields: str, equations: str, rest: str = "") -> System:
    lines = "\n".join(f"    {line}" for line in equations.split("; "))
    return system_of(f"{DOMAIN}fields:\n    {fields} : scalar\n\nequations:\n{lines}\n{rest}")


def _right_hand_sides(system: System) -> dict[str, str]:
    """∂t f as a text, by field, with every coefficient as it is."""
    space = system.space
    found = {}
    for name, row in zip(system.fields, system.rows, strict=True):
        (mass,) = row.mass
        assert mass.coefficient == 1
        assert mass.jet == space.jet(name).raised(system.frame.time_axis or 0)
        rest = row.parts(space) - mass.expression(space)
        assert not any(system.time_order(j) for j in space.jets(rest))
        found[name] = str(sympy.expand(-rest))
    return found


@pytest.mark.parametrize("form", ["text", "latex"])
@pytest.mark.parametrize("name", NAMES)
def test_the_evolution_form_prints_as_it_did(name: str, form: str) -> None:
    system = to_evolution(normalise(read(FILES[name])))
    text = (format_system(system) if form == "text" else latex_system(system)) + "\n"
    golden = FOLDER / f"{name}.{'txt' if form == 'text' else 'tex'}"
    if os.environ.get("PDESL_UPDATE_GOLDEN") == "1":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_no_golden_text_is_left_over() -> None:
    assert {p.stem for p in FOLDER.iterdir()} == set(NAMES)


# -- the law -------------------------------------------------------------------------------

t, x = sympy.symbols("t x", real=True)
U, W = Field("u", ("t", "x"), components=("u",)), Field("w", ("t", "x"), components=("w",))
u, w = U.applied(), W.applied()


def _derivative(e: sympy.Expr, *along: Any) -> sympy.Expr:
    return sympy.Derivative(e, *along, evaluate=False)


LOWER = [
    u, w, x, t, _derivative(u, x), _derivative(u, t), _derivative(u, t, x),
    _derivative(u, t, (x, 2)), _derivative(u, (x, 2)), _derivative(w, x), _derivative(w, (x, 3)),
]  # fmt: skip
_numbers = st.builds(sympy.Rational, st.integers(-4, 4), st.integers(1, 3))
_coefficients = st.one_of(
    _numbers,
    st.sampled_from([1 + x**2, x, t + 2, 1 + u**2, u + 3, 1 / (1 + x), 1 - 2 / (x + 3)]),
)
_terms = st.builds(
    lambda c, a, b, n: c * a * b**n,
    _numbers, st.sampled_from(LOWER), st.sampled_from(LOWER), st.integers(0, 2),
)  # fmt: skip
_rest = st.lists(_terms, max_size=4).map(lambda terms: sympy.Add(*terms))


def _problem(*equations: sympy.Expr) -> Problem:
    zero, one = sympy.S.Zero, sympy.S.One
    return Problem(
        (Coordinate("t", "time", zero, one), Coordinate("x", "space", zero, one)),
        (U, W),
        tuple(Equation(e, zero) for e in equations),
    )


@settings(max_examples=40)
@given(st.lists(_coefficients, min_size=4, max_size=4), _rest, _rest, st.data())
def test_the_rows_as_stated_are_the_mass_matrix_times_the_evolution_rows(
    a: list[sympy.Expr], first: sympy.Expr, second: sympy.Expr, data: st.DataObject
) -> None:
    """R = A E for any fields: solving for the highest derivatives loses and adds nothing."""
    assume(a[0] * a[3] - a[1] * a[2] != 0 and not vanishes(a[0] * a[3] - a[1] * a[2]))
    highest = _derivative(u, (t, 2)), _derivative(w, t)
    stated = normalise(
        _problem(
            a[0] * highest[0] + a[1] * highest[1] + first,
            a[2] * highest[0] + a[3] * highest[1] + second,
        )
    )
    assume(all(row.jets(stated.space) for row in stated.rows))
    system = to_evolution(stated)
    assert system.fields == ("u", "w", "u_t")
    _right_hand_sides(system)
    fields = {name: concrete(i, (t, x)) for i, name in enumerate(("u", "w"))}
    extended = fields | {"u_t": sympy.diff(fields["u"], t)}
    place = {t: sympy.Rational(3, 7), x: sympy.Rational(5, 11)}
    old = [number(exact_jets(r.residual, stated.space, fields), place) for r in stated.rows]
    new = {
        name: number(exact_jets(row.residual, system.space, extended), place)
        for name, row in zip(system.fields, system.rows, strict=True)
    }
    assert abs(new["u"]) < 1e-14
    matrix = [number(e.xreplace({u: fields["u"]}), place) for e in a]  # type: ignore[arg-type]
    for value, (b, c) in zip(old, (matrix[:2], matrix[2:]), strict=True):
        size = abs(value) + abs(b * new["u_t"]) + abs(c * new["w"])
        assert abs(b * new["u_t"] + c * new["w"] - value) < 1e-9 * (1 + size)


@settings(max_examples=20)
@given(st.lists(_coefficients, min_size=4, max_size=4), _rest, _rest)
def test_the_rows_state_what_their_equations_do(
    a: list[sympy.Expr], first: sympy.Expr, second: sympy.Expr
) -> None:
    assume(a[0] * a[3] - a[1] * a[2] != 0 and not vanishes(a[0] * a[3] - a[1] * a[2]))
    highest = _derivative(u, (t, 2)), _derivative(w, t)
    equations = (
        a[0] * highest[0] + a[1] * highest[1] + first,
        a[2] * highest[0] + a[3] * highest[1] + second,
    )
    system = to_evolution(normalise(_problem(*equations)))
    for row in system.rows:
        assert parts_agree(system, row)
    again = to_evolution(system)
    assert again.fields == system.fields
    for one, other in zip(system.rows, again.rows, strict=True):
        assert vanishes(one.residual - other.residual)
    assert facts(system).order_in_time == 1


# -- cases ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "equations", "expected"),
    [
        ("u(t, x)", "∂t²u + 2 ∂t∂x u = 3 ∂x²u",
         {"u": "u_t{0,0}", "u_t": "-2*u_t{0,1} + 3*u{0,2}"}),
        ("u(t, x)", "2 ∂t³u = ∂x u + ∂t²∂x u",
         {"u": "u_t{0,0}", "u_t": "u_tt{0,0}", "u_tt": "u_tt{0,1}/2 + u{0,1}/2"}),
        ("u(t, x), u_t(t, x)", "∂t²u = u_t; ∂t u_t = ∂x u",
         {"u": "u_t_{0,0}", "u_t": "u{0,1}", "u_t_": "u_t{0,0}"}),
        ("u(t, x), w(t, x)", "∂t u = ∂x w; ∂t w = ∂t∂x u",
         {"u": "w{0,1}", "w": "w{0,2}"}),
        ("c(t, x), μ(t, x)", "∂t c = ∂x²μ; μ = c³ - ∂x²c",
         {"c": "3*c{0,0}**2*c{0,2} + 6*c{0,0}*c{0,1}**2 - c{0,4}"}),
        ("u(t, x)", "(1 + u²) ∂t u = u ∂x u", {"u": "u{0,0}*u{0,1}/(u{0,0}**2 + 1)"}),
        ("u(t, x), w(t, x)", "∂t u + ∂t w = ∂x u; ∂t u - ∂t w = ∂x w",
         {"u": "u{0,1}/2 + w{0,1}/2", "w": "u{0,1}/2 - w{0,1}/2"}),
        ("u(t), v(t)", "t ∂t u + ∂t v = 0; ∂t u = v", {"u": "v{0,0}", "v": "-t*v{0,0}"}),
    ],
)  # fmt: skip
def test_right_hand_sides(fields: str, equations: str, expected: dict[str, str]) -> None:
    assert _right_hand_sides(to_evolution(_stated(fields, equations))) == expected


def test_an_eliminated_field_is_told_by_the_others() -> None:
    system = to_evolution(
        _stated("c(t, x), μ(t, x)", "∂t c = ∂x²μ; μ = c³ - ∂x²c",
                "\nboundary:\n    ∂x μ = 0 on ∂Ω\n    ∂x c = 0 on ∂Ω\n\ninitial:\n    c = x\n")
    )  # fmt: skip
    assert system.fields == ("c",)
    assert str(system.eliminated["μ"]) == "c{0,0}**3 - c{0,2}"
    assert "-c{0,3}" in str(system.boundary[0].residual).replace(" ", "")


def test_conditions_follow_the_fields() -> None:
    system = to_evolution(
        _stated(
            "u(t, x)", "∂t²u = ∂x²u",
            "\nboundary:\n    u = sin(t)    on x = 0\n    ∂t u = -∂n u  on x = 1\n"
            "\ninitial:\n    u = x²\n    ∂t u = ∂x u\n",
        )
    )  # fmt: skip
    names = [row.name for row in system.boundary]
    assert names[:2] == ["boundary condition 1", "boundary condition 2"]
    assert names[2:] == ["∂t of boundary condition 1"]
    dirichlet, outgoing, derived = (str(row.residual) for row in system.boundary)
    assert dirichlet == "u{0,0} - sin(t)"
    assert outgoing == "n[x]*u{0,1} + u_t{0,0}"
    assert derived == "u_t{0,0} - cos(t)"
    assert [r.regions for r in system.boundary][2] == system.boundary[0].regions


def test_initial_data_are_solved_for() -> None:
    text = "\nboundary:\n    u = 0 on ∂Ω\n\ninitial:\n    u + 2 ∂t u = x²\n    u - ∂t u = sin(x)\n"
    system = to_evolution(_stated("u(t, x)", "∂t²u = ∂x²u", text))
    data = {j.jet.field: -row.forcing for row in system.initial for j in row.linear}
    assert list(data) == ["u", "u_t"]
    assert vanishes(data["u"] - (x**2 + 2 * sympy.sin(x)) / 3)
    assert vanishes(data["u_t"] - (x**2 - sympy.sin(x)) / 3)


def test_initial_data_may_hold_derivatives_of_others() -> None:
    text = "\nboundary:\n    u = 0 on ∂Ω\n\ninitial:\n    u = x³\n    ∂t u = -∂x u + u\n"
    system = to_evolution(_stated("u(t, x)", "∂t²u = ∂x²u", text))
    assert [str(sympy.expand(-row.forcing)) for row in system.initial] == ["x**3", "x**3 - 3*x**2"]


def test_a_known_solution_solves_the_evolution_form_too() -> None:
    text = (
        "\nboundary:\n    u = exact(u) on ∂Ω\n\ninitial:\n    u = exact(u)\n"
        "    ∂t u = exact(∂t u)\n\nverify:\n    u = sin(x - 2 t) + (x + 2 t)³\n"
    )
    stated = _stated("u(t, x)", "∂t²u = 4 ∂x²u", text)
    assert not verify(stated)
    system = to_evolution(stated)
    assert set(system.exact) == {"u", "u_t"}
    for row in (*system.rows, *system.boundary):
        assert vanishes(sympy.expand(exact_jets(row.residual, system.space, system.exact)))
    for row in system.initial:
        rest = exact_jets(row.residual, system.space, system.exact).xreplace({t: sympy.S.Zero})
        assert rest == 0 or vanishes(sympy.expand(rest))


def test_a_marked_part_stays_marked() -> None:
    system = to_evolution(
        _stated("u(t, x)", "2 ∂t²u = stiff(∂x²u + ∂t∂x²u) + nonstiff(u²)")
    )  # fmt: skip
    stiff = system.rows[1].stiff
    assert stiff is not None
    assert str(sympy.expand(stiff)) == "-u_t{0,2}/2 - u{0,2}/2"


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "equations", "code", "place"),
    [
        ("u(t, x), p(t, x)", "∂t u = ∂x p; ∂x u = 0", "E626", "∂x u = 0"),
        ("u(t, x), w(t, x)", "∂t u + ∂t w = ∂x u; ∂t u + ∂t w = ∂x w", "E626",
         "∂t u + ∂t w = ∂x u"),
        ("u(t, x)", "(∂t u)² = ∂x²u", "E627", "∂t u"),
        ("u(t, x)", "sin(∂t²u) + ∂t u = ∂x²u", "E627", "∂t²u"),
        ("u(t, x)", "∂t u = ∂t∂x²u + ∂x u", "E628", "∂t∂x²u"),
        ("u(t, x), p(t, x)", "∂t u = ∂x p; p - ∇²p = u", "E628", "∇²p"),
        ("u(x)", "∂x²u = 1", "E626", "∂x²u = 1"),
    ],
)  # fmt: skip
def test_what_does_not_evolve_is_told_at_the_term(
    fields: str, equations: str, code: str, place: str
) -> None:
    stated = _stated(fields, equations)
    with pytest.raises(ProblemError) as caught:
        to_evolution(stated)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.helps
    assert diagnostic.span is not None
    assert diagnostic.span.text == place


def test_a_steady_problem_does_not_evolve() -> None:
    steady = system_of(
        "domain:\n    x ∈ [0, 1]\n\nfields:\n    u(x) : scalar\n\nequations:\n    ∂x²u = 1\n"
    )
    with pytest.raises(ProblemError, match="no time"):
        to_evolution(steady)


def test_boundary_data_that_jump_in_time_are_refused() -> None:
    text = "\nboundary:\n    u = step(t - 0.5) on ∂Ω\n\ninitial:\n    u = 0\n    ∂t u = 0\n"
    with pytest.raises(ProblemError) as caught:
        to_evolution(_stated("u(t, x)", "∂t²u = ∂x²u", text))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E606"
    assert diagnostic.span is not None
    assert diagnostic.span.text.startswith("u = step")


def test_every_example_evolves_or_says_why() -> None:
    """Unit mass, no other time derivative, wherever there is an evolution form."""
    count, refused = 0, set()
    for path in EXAMPLES:
        stated = normalise(read(path))
        try:
            system = to_evolution(stated)
        except ProblemError as error:
            refused |= {d.code for d in error.diagnostics}
            continue
        count += 1
        _right_hand_sides(system)
    assert count >= 15
    assert refused <= {"E626", "E628"}


def test_operators_of_space_and_time_mix() -> None:
    assert marker("box")(u).func.__name__ == "box"
    system = to_evolution(normalise(_problem(marker("box")(u) + w, _derivative(w, t) - u)))
    assert _right_hand_sides(system)["u_t"] == "u{0,2} + w{0,0}"
