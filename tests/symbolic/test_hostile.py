"""Whatever a file asks for, it gets an answer in short time, and nothing but `ProblemError`."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import Diagnostic, ProblemError, Severity, Source
from pdesl.resources import problems_folder
from pdesl.run.pipeline import check
from pdesl.symbolic.jets import MAXIMUM_SIZE, TooLarge, refuse_large

#: Processor seconds for one check; none of those below takes a tenth of it on a free machine,
#: but for the last few.
LIMIT = 5.0


def outcome(text: str, overrides: tuple[str, ...] = ()) -> set[str]:
    """The codes of a text's errors. Fails where the check does not end soon or breaks down."""
    start = time.process_time()
    found: tuple[Diagnostic, ...]
    try:
        found = check(Source("hostile.pde", text), overrides).diagnostics
    except ProblemError as error:
        found = error.diagnostics
        assert any(d.severity is Severity.ERROR for d in found)
    assert time.process_time() - start < LIMIT
    for diagnostic in found:
        assert diagnostic.message
        assert len(diagnostic.message) < 1000
    return {d.code for d in found if d.severity is Severity.ERROR}


def problem(
    *, domain: str = "", parameters: str = "", let: str = "", fields: str = "", rhs: str = "κ",
    equations: str = "", where: str = "∂Ω", solver: str = "", behind: str = "",
) -> str:  # fmt: skip
    """A problem that is right, with something added."""
    blocks = {
        "domain": f"x, y ∈ [0, 1]\n{domain}",
        "parameters": f"κ = 2\n{parameters}",
        "let": f"zero = 0 κ\n{let}",
        "fields": f"u(x, y) : scalar\n{fields}",
        "equations": f"∇²u = {rhs}\n{equations}",
        "boundary": f"u = zero    on {where}",
        "solver": f"method = dt_pinn(nodes=500)\n{solver}",
    }
    lines = []
    for name, text in blocks.items():
        lines += [f"{name}:", *(f"    {line}" for line in text.split("\n") if line.strip()), ""]
    return "\n".join(lines) + behind


def tower(step: str, count: int, start: str = "x + 2") -> str:
    """`a0 = start`, then each name by the one before, which stands for @."""
    lines = [f"a0 = {start}"]
    lines += [f"a{i + 1} = {step.replace('@', f'a{i}')}" for i in range(count)]
    return "\n".join(lines)


def nested(function: str, count: int, inner: str) -> str:
    return f"{function}(" * count + inner + ")" * count


def test_the_problem_that_is_changed_below_is_right():
    assert outcome(problem()) == set()


@pytest.mark.parametrize(
    "text",
    [
        problem(let=tower("@ + 2 @ y", 60), rhs="a60"),
        problem(let=tower("@ @ + y", 60), rhs="a60"),
        problem(let=tower("sin(@) cos(@)", 60), rhs="a60"),
        problem(let=tower("[@[1] @[2], @[1] + @[2]]", 60, "[x, y]"), rhs="a60[1]"),
        problem(let=tower("exp(@)", 400), rhs="a400"),
        problem(
            let="f0(s) = s + s y\n" + "\n".join(f"f{i + 1}(s) = f{i}(f{i}(s))" for i in range(30)),
            rhs="f30(x)",
        ),
        problem(rhs=nested("sin", 90, "u")),
        problem(rhs="dx(exp(sin(exp(x u))), 12)"),
        problem(rhs=nested("lap", 20, "exp(u x)")),
        problem(rhs=" * ".join(f"(u + x + {i})" for i in range(100))),
        problem(behind=f"manufactured:\n    u = {nested('sin', 36, 'x')}\n"),
    ],
)
def test_expressions_that_grow(text: str):
    assert "E306" in outcome(text)


@pytest.mark.parametrize(
    ("rhs", "code"),
    [
        ("gamma(10^9)", "E305"),
        ("10^400", "E305"),
        ("((((2^100)^100)^100)^100)", "E305"),
        ("(x + 2)^(2^100)", "E011"),
        ("(x + 2)^(κ^100)", "E326"),
        ("1e300*1e300", "E305"),
        ("1e300 u * 1e300", "E327"),
        ("floor(exp(exp(20)))", "E312"),
        ("sqrt(exp(exp(exp(20))) - 1)", "E312"),
        ("max(exp(exp(exp(20))), exp(exp(exp(21))) - exp(exp(20)))", "E312"),
        ("log(0) + tan(π/2)", "E312"),
        ("(-8)^(1/3)", "E312"),
        ("gamma(-1)", "E312"),
        ("atan2(0, 0) + asin(2)", "E312"),
        ("0^(-1)", "E312"),
        ("[[[[x]]]]", "E301"),
        ("dx(dx(u, 9), 9)", "E160"),
        ("(x^1000)^1000", ""),
        ("(x + u)^999", ""),
        ("2^(1/3) u", ""),
        ("abs(abs(abs(u))) + min(u, x, max(u, y)) + sign(u) + step(u)", ""),
    ],
)
def test_numbers_and_powers(rhs: str, code: str):
    found = outcome(problem(rhs=rhs))
    assert found == {code} if code else found <= {"E404", "E309", "E514"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (problem(let="f(s) = sqrt(exp(exp(exp(s))) - exp(exp(s)))", rhs="f(20)"), "E312"),
        (
            problem(parameters="a = 20\nb = exp(a)\nc = exp(b)\nd = exp(c)", solver="order = d"),
            "E310",
        ),
        (problem(parameters=tower("@*@", 60, "3")), "E310"),
        (problem(domain="z ∈ [0, exp(exp(exp(20))) - exp(exp(exp(21)))]"), "E312"),
        (problem(parameters="\n".join(f"p{i} = {i}" for i in range(10_000))), "E008"),
        (problem(parameters=tower("@ + 1", 3000, "1")), ""),
        (
            problem(parameters="p3000 = 1\n" + "\n".join(f"p{i} = p{i + 1}" for i in range(3000))),
            "",
        ),
        (problem(let="a = b\nb = c\nc = a + 1", rhs="a"), "E206"),
        (problem(let="a = a", rhs="a"), "E206"),
        (problem(parameters="a = a"), "E206"),
        (problem(domain="A = B - C\nB = A - C\nC = C\nz ∈ A"), "E206"),
        (
            problem(
                domain="A0 = disk(radius=1)\n"
                + "\n".join(f"A{i + 1} = union(A{i}, A{i})" for i in range(40))
            ),
            "E427",
        ),
        (problem(domain="z ∈ [1, 1]"), "E416"),
        (problem(domain="z ∈ [κ, κ]"), "E416"),
        (problem(domain="z ∈ [0, 0*κ]"), "E416"),
        (problem(domain="t ∈ [κ, 1]", fields="w(t, x) : scalar", equations="∂t w = 0"), "E416"),
        (problem(domain="z ∈ [0, 1/0]"), "E312"),
        (problem(domain="z ∈ [0, 1]^65"), "E420"),
        (problem(domain="\n".join(f"z{i}q ∈ [0, 1]^64" for i in range(40))), "E420"),
        (problem(rhs="__class__ + __import__"), "E201"),
        (problem(rhs="__import__(x)"), "E202"),
        (problem(parameters="__class__ = 2\n__init__ = 3", rhs="__class__ __init__"), ""),
        (problem(fields="__dict__(x, y) : scalar", equations="∇²__dict__ = u",
                 behind="boundary:\n    __dict__ = 0 on ∂Ω\n"), ""),
        (problem(solver="__class__ = 3\n__init__ = dt_pinn()"), "E502"),
    ],
)  # fmt: skip
def test_definitions_and_domains(text: str, code: str):
    found = outcome(text)
    assert code in found if code else found == set()


def unit(domain: str, fields: str, rest: str = "") -> str:
    return (
        f"domain:\n    {domain}\n\nfields:\n    {fields} : scalar\n\nequations:\n    ∇²u = 1\n\n"
        f"boundary:\n    u = 0    on ∂Ω\n{rest}"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (unit("x ∈ [0, 1]^64", "u(x)"), ""),
        (unit("x ∈ [0, 1]^64", "u(x)", "\nmanufactured:\n    u = exp(-x·x)\n"), "E408"),
        (unit("x, y ∈ level_set(function=1/(x - x), lower=(-1,-1), upper=(1,1))", "u(x, y)"),
         "E312"),
        (unit("x, y ∈ level_set(function=log(x), lower=(-1,-1), upper=(1,1))", "u(x, y)"), "E442"),
        (unit("x, y ∈ level_set(function=sin(900 x) sin(900 y), lower=(-1,-1), upper=(1,1))",
              "u(x, y)"), ""),
        (unit("x, y ∈ polar(radius=sin(1000 θ) + log(θ - 1))", "u(x, y)"), "E442"),
        (unit("x, y ∈ polar(radius=θ)", "u(x, y)"), "E444"),
        (unit("x, y ∈ polygon(vertices=["
              + ", ".join(f"({i / 50}, {i * i % 7})" for i in range(500)) + "])", "u(x, y)"),
         "E444"),
        (unit("x, y ∈ disk(radius=1, center=(1, 2, 3))", "u(x, y)"), "E415"),
        (unit("x, y ∈ disk(radius=disk(radius=1))", "u(x, y)"), "E202"),
        (unit("x, y ∈ product(disk(radius=1))", "u(x, y)"), "E414"),
        (unit("x, y ∈ disk(1, 2, 3, 4)", "u(x, y)"), "E414"),
        (unit("x, y ∈ product(7, [0, 1])", "u(x, y)"), "E429"),
        (unit("x, y ∈ box(lower=(0, 0, 0), upper=(1, 1))", "u(x, y)"), "E415"),
        (unit("x, y ∈ box(lower=(0, 0), upper=(1,))", "u(x, y)"), "E441"),
        (unit("x, y ∈ rectangle(x=[0, 1], y=1)", "u(x, y)"), "E414"),
        (unit("x, y ∈ [0, 1]", "u(x, y)", "\nmetric:\n    ds² = (dx + dy)^1000\n"), "E322"),
        (
            unit("q ∈ [0, 1]^10", "u(q)", "\nmetric:\n    g = [" + ", ".join(
                "[" + ", ".join(f"{1 + (i == j)}" for i in range(10)) + "]" for j in range(10)
            ) + "]\n"),
            "E335",
        ),
    ],
)  # fmt: skip
def test_regions_and_metrics(text: str, code: str):
    found = outcome(text)
    assert code in found if code else found == set()


@pytest.mark.parametrize(
    "where",
    [
        "5", '"x"', "x", "x + y = 1", "u = 0", "t = 0", "x = u", "x < y < 1", "∂∂Ω", "∂nowhere",
        "[0, 1]", "(x, y) = (0, 0)", "x = 1/0", "x = log(-1)", "x = sin(y) + 9", "nowhere",
        "__class__", "x ∈ [0, 1]", "∇u = 0", "κ = 2", "norm([x, y]) = 9", "n = 1", "x = n[1]",
        "disk(radius=1)", "x = exact(u)", "dx(u) = 0", "gamma(x) = 1e9", "x = 0*y + 1e300*1e300",
        "u", "∂u", "sin", "x = step(u)", "x = ∫(u)", "", "on ∂Ω", "x = load(\"y\")",
    ],
)  # fmt: skip
def test_parts_of_the_boundary_that_are_none(where: str):
    assert outcome(problem(where=where))


VALUES = (
    '"x"', "u", "x", "(1, 2)", "[1]", "[]", "1.5", "-1", "1e300", "1/0", "exp(exp(20))", "true",
    "none", "dt_pinn()", "adam(rate=(1, 2))", "∂Ω", "π", "κ", "sin", "∇u", "__class__", "10^400",
    "unknown(start=1)", 'load("x")', "1 [m]", "1 [furlog]", "∫(u)", "g^{μν}", "x < 1", "κ ± 1",
    "adam", "u(0, 0)", "f(x)", "-π", "[[1, 2], [3, 4]]",
)  # fmt: skip
OPTIONS = ("nodes", "order", "optimiser", "activation", "seconds", "ghost", "precision", "seed")


@pytest.mark.parametrize("option", [*OPTIONS, "method", "wrong"])
def test_options_of_every_type(option: str):
    for value in VALUES:
        text = problem()
        if option == "method":
            text = text.replace("dt_pinn(nodes=500)", value)
        else:
            text = text.replace("nodes=500", f"{option}={value}")
        found = outcome(text)
        if option == "wrong" and "E1" not in "".join(found):
            assert found


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("", "E508"), ("=", "E508"), ("solver", "E508"), ("solver=", "E508"), ("=3", "E508"),
        ("solver.order", "E508"), ("solver.order=", "E508"), ("solver.order==3", "E508"),
        ("solver.order=3; x", "E508"), ("solver.order=3\n    solver.order=4", "E508"),
        ("solver.order=3\nequations:\n    u = 0", "E508"), ("solver..order=3", "E508"),
        ("order=3", "E508"), ("solver.order ∈ [0, 1]", "E508"), ("solver.order≈3", "E508"),
        ("solver.order=3 on ∂Ω", "E508"), ("\x00", "E508"), ("solver.order=(((", "E508"),
        ("solve.order=3", "E507"), ("parameters.λ=3", "E507"), ("parameters.κ.x=3", "E507"),
        ("domain.Ω.radius=3", "E507"), ("equations.u=3", "E507"), ("__class__.x=3", "E507"),
        ("parameters.κ=κ", "E206"), ("parameters.κ=x", "E205"), ("parameters.κ=1/0", "E312"),
        ("parameters.κ=exp(exp(exp(20)))", "E312"), ("solver.order=u", "E503"),
        ("solver.order=∂Ω", "E304"), ("solver.method=3", "E509"), ("solver.method=pin", "E501"),
        ("solver.wrong=3", "E502"), ("solver.seed=-1", "E504"), ("verify.wrong=3", ""),
        ("solver.order=3", ""), ("parameters.kappa=3", ""), ("solver.order = 2 ", ""),
    ],
)  # fmt: skip
def test_settings_of_every_form(setting: str, code: str):
    found = outcome(problem(), (setting,))
    assert found == ({code} if code else set())


def test_wrong_settings_come_together():
    settings = ("solver.order", "parameters.λ=2", "solver.wrong=3")
    assert outcome(problem(), settings) == {"E507", "E508"}


def test_nesting_up_to_the_limits_of_the_parser():
    for count in (20, 90, 140):
        found = outcome(problem(rhs="(" * count + "u" + ")" * count))
        assert found == set() or found <= {"E007", "E009"}
        outcome(problem(rhs="-(" * count + "u" + ")" * count))
        outcome(problem(rhs="u + (" * count + "u" + ")" * count))
        outcome(problem(rhs="[" * count + "u" + "]" * count))
        outcome(problem(where="x = " + "(" * count + "0" + ")" * count))


def test_the_size_of_a_derivative_is_foreseen():
    import sympy

    x = sympy.Symbol("x", real=True)
    product = sympy.Mul(*(sympy.sin(x + i) for i in range(200)))
    refuse_large(product)
    with pytest.raises(TooLarge):
        refuse_large(product, derivative=True)
    doubled: sympy.Expr = x
    with pytest.raises(TooLarge):
        for _ in range(MAXIMUM_SIZE):  # it doubles each time, so this ends soon
            doubled = sympy.sin(doubled) * sympy.cos(doubled)
            refuse_large(doubled)


def test_three_hundred_coupled_equations():
    count = 300
    fields = "\n".join(f"    u{i}(x) : scalar" for i in range(count))
    equations = "\n".join(f"    ∇²u{i} = u{(i + 1) % count}" for i in range(count))
    conditions = "\n".join(f"    u{i} = 0 on ∂Ω" for i in range(count))
    text = (
        f"domain:\n    x ∈ [0, 1]\nfields:\n{fields}\nequations:\n{equations}\n"
        f"boundary:\n{conditions}\n"
    )
    assert outcome(text) == set()


# -- mutations -----------------------------------------------------------------------------

TEXTS = [path.read_text(encoding="utf-8") for path in sorted(problems_folder().glob("*.pde"))]
TEXTS += [
    path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parent / "examples").glob("*.pde"))
]
PIECES = (
    "u", "x", "y", "f", "κ", "Ω", "∂Ω", "∇²", "∇·", "∂n ", "∂x ", "∂t ", "∂x²", "exact(u)", "(x)",
    "[0, 1]", "^64", "²", " on x = 0", "0", "1/0", "-1", "1e300", "sin(", ")", "(", " = ", " ∈ ",
    ": scalar", ": vector", "t", "disk(radius=0)", "periodic(0, 1)", "exp(exp(u))", "∇×", "□", "n",
    "unknown(start=1)", "[m]", "stiff(u²)", "gamma(1e9)", "\n    u = u", "\n    a = b", "·", "norm",
    "[1]", "u(0, 0)", "\ninitial:\n    u = 0", "\nparameters:\n    x = 2", "level_set", "order=99",
)  # fmt: skip


NUMBERS = ("0", "1", "3", "0.5", "1000", "1e-300", "1e300", "(1/3)", "π", "64")
SIGNS = (" + ", " - ", " / ", " ")


def put(line: str, match: re.Match[str], text: str) -> str:
    return line[: match.start()] + text + line[match.end() :]


def mutate(text: str, seed: int) -> str:
    """A text with some words and statements of it changed."""
    choose = random.Random(seed)
    for _ in range(choose.randint(1, 2)):
        lines = text.split("\n")
        inner = [i for i, line in enumerate(lines) if line.startswith("    ")] or [0]
        number = choose.choice(inner)
        words = lines[number].split(" ")
        filled = [i for i, word in enumerate(words) if word]
        # Half of the changes are gentle, so that many texts stay problems of some kind.
        match choose.randrange(12):
            case 6 | 7:
                numbers = list(re.finditer(r"\d+(\.\d+)?", lines[number]))
                if numbers:
                    lines[number] = put(
                        lines[number], choose.choice(numbers), choose.choice(NUMBERS)
                    )
            case 8 | 9 | 10:
                names = list(re.finditer(r"[^\W\d]\w*", lines[number]))
                known = re.findall(r"[^\W\d]\w*", lines[choose.choice(inner)])
                if names and known:
                    lines[number] = put(lines[number], choose.choice(names), choose.choice(known))
            case 11:
                signs = list(re.finditer(r" [-+/*] ", lines[number]))
                if signs:
                    lines[number] = put(lines[number], choose.choice(signs), choose.choice(SIGNS))
            case 0:
                del lines[number]
            case 1:
                lines.insert(number, lines[choose.choice(inner)])
            case 2:
                words[choose.choice(filled)] = choose.choice(PIECES)
                lines[number] = " ".join(words)
            case 3:
                other = lines[choose.choice(inner)].split()
                words[choose.choice(filled)] = choose.choice(other)
                lines[number] = " ".join(words)
            case 4:
                place = choose.randrange(4, len(lines[number]) + 1)
                lines[number] = (
                    lines[number][:place] + choose.choice(PIECES) + lines[number][place:]
                )
            case _:
                place = choose.randrange(4, len(lines[number]) + 1)
                lines[number] = (
                    lines[number][:place] + lines[number][place + choose.randint(1, 3) :]
                )
        text = "\n".join(lines)
    return text


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(TEXTS), st.integers(0, 2**32))
def test_mutated_problems(text: str, seed: int):
    outcome(mutate(text, seed))
