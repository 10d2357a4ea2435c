"""What each form of the language is in the tree: golden parses, twins, precedence."""

from __future__ import annotations

import pytest

from pdesl.diagnostics import ProblemError, Source, render_all
from pdesl.language import ast
from pdesl.language.ast import (
    Binary,
    BoundaryOf,
    Call,
    Comparison,
    Declaration,
    Derivative,
    IndexDerivative,
    Indexed,
    IndexedField,
    Keyword,
    ListLiteral,
    Membership,
    Module,
    Name,
    Negate,
    Number,
    Relation,
    Schedule,
    String,
    Subscript,
    TupleLiteral,
    Unit,
)  # fmt: skip
from pdesl.language.blocks import BLOCKS
from pdesl.language.parser import parse, parse_expression
from pdesl.language.printer import format_expression
from tests.helpers import EXAMPLES

a, b, c, u, v, x, y, k = (Name(n) for n in "abcuvxyk")
one, two, three = (Number(n) for n in "123")


def read(text: str) -> Module:
    result = parse(Source("text.pde", text))
    assert result.module is not None, render_all(result.diagnostics)
    return result.module


def expression(text: str) -> ast.Expression:
    return parse_expression(text, coordinates=("x", "y", "t", "θ"))


def statement(text: str, block: str = "equations") -> ast.Statement:
    return read(f"{block}:\n    {text}\n").blocks[0].statements[0]


def times(*factors: ast.Expression) -> ast.Expression:
    product = factors[0]
    for factor in factors[1:]:
        product = Binary("*", product, factor)
    return product


def dx(order: int, operand: ast.Expression, name: str = "x") -> Derivative:
    return Derivative(((name, order),), operand)


PRECEDENCE = {
    "a + b c": Binary("+", a, times(b, c)),
    "a - b - c": Binary("-", Binary("-", a, b), c),
    "a b c": times(a, b, c),
    "a * b c": times(a, b, c),
    "a/b/c": Binary("/", Binary("/", a, b), c),
    "a/b * c": times(Binary("/", a, b), c),
    "a b/c": Binary("/", times(a, b), c),
    "2 k a/b": Binary("/", times(two, k, a), b),
    "4k": times(Number("4"), k),
    "32π": times(Number("32"), Name("π")),
    "-a b": Negate(times(a, b)),
    "-a + b": Binary("+", Negate(a), b),
    "+a": a,
    "-a²": Negate(Binary("^", a, two)),
    "a * -b": times(a, Negate(b)),
    "a^2 b": times(Binary("^", a, two), b),
    "a^-2": Binary("^", a, Negate(two)),
    "a⁻²": Binary("^", a, Negate(two)),
    "a^b": Binary("^", a, b),
    "a**2": Binary("^", a, two),
    "a^(b + c)": Binary("^", a, Binary("+", b, c)),
    "2^x": Binary("^", two, x),
    "a²³": Binary("^", a, Number("23")),
    "k (3 + x)": times(k, Binary("+", three, x)),
    "k(3 + x)": Call("k", (Binary("+", three, x),)),
    "(a)(b)": times(a, b),
    "2(a)": times(two, a),
    "∇²u v": times(Call("lap", (u,)), v),
    "∇u²": Call("grad", (Binary("^", u, two),)),
    "u ∂x u": times(u, dx(1, u)),
    "k ∇²u": times(k, Call("lap", (u,))),
    "∂x u/2": Binary("/", dx(1, u), two),
    "∂x(u²/2)": dx(1, Binary("/", Binary("^", u, two), two)),
    "-∂x²u - ∂x⁴u": Binary("-", Negate(dx(2, u)), dx(4, u)),
    "∇·(k ∇u)": Call("div", (times(k, Call("grad", (u,))),)),
    "v·∇u": Binary("dot", v, Call("grad", (u,))),
    "a b·c": Binary("dot", times(a, b), c),
    "a × b": Binary("cross", a, b),
    "sin²(x) a": times(Binary("^", Call("sin", (x,)), two), a),
    "sin^2(x)": Binary("^", Call("sin", (x,)), two),
    "x²(1 - x)": times(Binary("^", x, two), Binary("-", one, x)),
    "u ± 3": Binary("±", u, three),
    "a + b ± c d": Binary("±", Binary("+", a, b), times(c, Name("d"))),
    "exp(-x/a)": Call("exp", (Negate(Binary("/", x, a)),)),
}


@pytest.mark.parametrize("text", PRECEDENCE)
def test_precedence(text: str) -> None:
    assert expression(text) == PRECEDENCE[text]


TWINS = {
    "∂t u": ("dt(u)", dx(1, u, "t")),
    "∂x²u": ("dx(u, 2)", dx(2, u)),
    "∂x^2 u": ("∂x²u", dx(2, u)),
    "∂x²∂y u": ("dx(dy(u), 2)", Derivative((("x", 2), ("y", 1)), u)),
    "∂x ∂x u": ("dx(dx(u))", dx(2, u)),
    "∂_x u": ("∂x u", dx(1, u)),
    "∂θ u": ("dtheta(u)", dx(1, u, "θ")),
    "∂n u": ("dn(u)", Call("dn", (u,))),
    "∇u": ("grad(u)", Call("grad", (u,))),
    "∇·v": ("div(v)", Call("div", (v,))),
    "∇ · v": ("div(v)", Call("div", (v,))),
    "∇×v": ("curl(v)", Call("curl", (v,))),
    "∇²u": ("lap(u)", Call("lap", (u,))),
    "∇^2 u": ("lap(u)", Call("lap", (u,))),
    "∇⁴u": ("lap(lap(u))", Call("lap", (Call("lap", (u,)),))),
    "□u": ("box(u)", Call("box", (u,))),
    "(v·∇)u": ("advect(v, u)", Call("advect", (v, u))),
    "∫(u²)": ("integral(u^2)", Call("integral", (Binary("^", u, two),))),
    "a·b": ("dot(a, b)", Binary("dot", a, b)),
    "a×b": ("cross(a, b)", Binary("cross", a, b)),
    "α_1 + Γ": ("alpha_1 + Gamma", Binary("+", Name("α_1"), Name("Γ"))),
    "x₁": ("x1", Name("x1")),
    "∞": ("inf", Name("inf")),
    "a ± b": ("a +/- b", Binary("±", a, b)),
    "∂Ω": ("boundary(Omega)", BoundaryOf("Ω")),
    "∂_μ u": ("partial(mu, u)", IndexDerivative("partial", "μ", u)),
    "∇_μ u": ("covariant(mu, u)", IndexDerivative("covariant", "μ", u)),
    "∂^μ u": ("partial_up(mu, u)", IndexDerivative("partial", "μ", u, "up")),
    "∇^{μ} u": ("covariant_up(mu, u)", IndexDerivative("covariant", "μ", u, "up")),
    "∇^x ∂_ν u": (
        "covariant_up(x, partial(nu, u))",
        IndexDerivative("covariant", "x", IndexDerivative("partial", "ν", u), "up"),
    ),
    "∇_x u": ("covariant(x, u)", IndexDerivative("covariant", "x", u)),
    "∇_x·v": ("div(v, along=x)", Call("div", (v,), (Keyword("along", x),))),
    "∇_x²u": ("lap(u, along=x)", Call("lap", (u,), (Keyword("along", x),))),
    "g^{μν}": ("g^{mu nu}", Indexed("g", (("up", "μ"), ("up", "ν")))),
    "Γ^σ_{μν}": (
        "Gamma^{sigma}_{mu nu}", Indexed("Γ", (("up", "σ"), ("down", "μ"), ("down", "ν")))
    ),
    "9.81 [m/s²]": ("9.81 [m/s^2]", Number("9.81", Unit("m/s^2"))),
    "1 [kg m² / s²]": ("1 [kg*m**2/s**2]", Number("1", Unit("kg*m^2/s^2"))),
    "1 [W/(m K)]": ("1 [W/(m*K)]", Number("1", Unit("W/(m*K)"))),
    "1 [µm]": ("1 [um]", Number("1", Unit("μm"))),
    "1 [s⁻¹]": ("1 [s^-1]", Number("1", Unit("s^-1"))),
    "20 [°C]": ("20 [degC]", Number("20", Unit("degC"))),
}  # fmt: skip


@pytest.mark.parametrize("text", TWINS)
def test_both_spellings_of_a_form_are_one_tree(text: str) -> None:
    other, tree = TWINS[text]
    assert expression(text) == tree
    assert expression(other) == tree


FORMS = {
    "f()": Call("f", ()),
    "f(a, k=b,)": Call("f", (a,), (Keyword("k", b),)),
    "f(a < b)": Call("f", (Comparison("<", a, b),)),
    "f(a ≥ b)": Call("f", (Comparison(">=", a, b),)),
    "u(x=50)": Call("u", (), (Keyword("x", Number("50")),)),
    "unknown(start=0.5, bounds=(0, 3))": Call("unknown", (), (
        Keyword("start", Number("0.5")),
        Keyword("bounds", TupleLiteral((Number("0"), three))),
    )),
    'load("a b.h5")': Call("load", (String("a b.h5"),)),
    "(1, 2)": TupleLiteral((one, two)),
    "(a,)": TupleLiteral((a,)),
    "[-1, 1]": ListLiteral((Negate(one), one)),
    "[-1, 1]^8": Binary("^", ListLiteral((Negate(one), one)), Number("8")),
    "v[1]": Subscript(v, one),
    "f(x)[2]": Subscript(Call("f", (x,)), two),
    "a[1, 2]": Subscript(a, TupleLiteral((one, two))),
    "runs.u": Name("runs.u"),
    "1.5e-3": Number("1.5e-3"),
    ".5": Number(".5"),
    "1.": Number("1."),
    "2e": times(two, Name("e")),
}  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_forms(text: str) -> None:
    assert expression(text) == FORMS[text]


STATEMENTS = {
    "-k ∇²u = a on ∂Ω": Relation(
        Negate(times(k, Call("lap", (u,)))), "=", a, (BoundaryOf("Ω"),)
    ),
    "u = 0 on x = 0, y = 1": Relation(
        u, "=", Number("0"), (Comparison("=", x, Number("0")), Comparison("=", y, one))
    ),
    "u = 0 on outer": Relation(u, "=", Number("0"), (Name("outer"),)),
    "obs.u ≈ u ± 3": Relation(Name("obs.u"), "~=", Binary("±", u, three)),
    "obs.u ~= u": Relation(Name("obs.u"), "~=", u),
    "order(u) ≥ 3.5": Relation(Call("order", (u,)), ">=", Number("3.5")),
    "a < b": Relation(a, "<", b),
    "solver.order = 3": Relation(Name("solver.order"), "=", three),
    "x, y ∈ Ω": Membership((x, y), Name("Ω")),
    "x in [0, 1]^2": Membership((x,), Binary("^", ListLiteral((Number("0"), one)), two)),
    "p(x, y), q : scalar [K]": Declaration(
        (Call("p", (x, y)), Name("q")), Name("scalar"), Unit("K")
    ),
    "A_{μ}(t, x), B^{i}(x) : tensor(symmetric)": Declaration(
        (
            IndexedField("A", (("down", "μ"),), (Name("t"), x)),
            IndexedField("B", (("up", "i"),), (x,)),
        ),
        Call("tensor", (Name("symmetric"),)),
    ),
    "w(x) : vector(3)": Declaration((Call("w", (x,)),), Call("vector", (three,))),
    'every 0.1: u, v -> "a.h5"': Schedule("every", Number("0.1"), (u, v), "a.h5"),
    'every 5 [s]: u → "a.h5"': Schedule("every", Number("5", Unit("s")), (u,), "a.h5"),
    'every 500 steps: state -> "c/"': Schedule(
        "every", times(Number("500"), Name("steps")), (Name("state"),), "c/"
    ),
    'at end: u -> "a.h5"': Schedule("at", Name("end"), (u,), "a.h5"),
    "when max(u) > 1e3: stop": Schedule(
        "when", Comparison(">", Call("max", (u,)), Number("1e3")), (Name("stop"),)
    ),
    "ds² = -dt² + dr²": Relation(
        Binary("^", Name("ds"), two), "=",
        Binary("+", Negate(Binary("^", Name("dt"), two)), Binary("^", Name("dr"), two)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text: str) -> None:
    assert statement(text) == STATEMENTS[text]


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_takes_every_statement(name: str) -> None:
    argument = ' "quick"' if name == "profile" else ""
    text = f"{name}{argument}:\n" + "".join(f"    {line}\n" for line in STATEMENTS)
    (block,) = read(text).blocks
    assert (block.name, block.argument) == (name, "quick" if argument else None)
    assert len(block.statements) == len(STATEMENTS)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.pde")), ids=lambda p: p.stem)
def test_examples_are_read_without_a_message(path) -> None:
    result = parse(Source(path.name, path.read_text(encoding="utf-8")))
    assert result.module is not None
    assert result.diagnostics == ()


def test_an_example_in_full() -> None:
    module = read((EXAMPLES / "nonlinear_poisson_disk.pde").read_text(encoding="utf-8"))
    assert module.version == 1
    assert [block.name for block in module.blocks] == [
        "domain", "fields", "equations", "boundary", "manufactured", "solver", "output",
    ]  # fmt: skip
    f = Name("f")
    exact = Call("exact", (u,))
    assert module.block("equations") == (
        Relation(Call("lap", (u,)), "=", Binary("+", Call("exp", (u,)), f)),
    )
    assert module.block("boundary") == (
        Relation(
            Binary("+", Call("dn", (u,)), u), "=", Binary("+", Call("dn", (exact,)), exact),
            (BoundaryOf("Ω"),),
        ),
    )  # fmt: skip


def test_spans_are_on_every_node() -> None:
    text = "equations:\n    ∂t u = k ∇²(u v) + [1, 2]\n"
    relation = read(text).blocks[0].statements[0]
    assert isinstance(relation, Relation)
    assert relation.span is not None
    assert relation.span.text == "∂t u = k ∇²(u v) + [1, 2]"
    right = relation.right
    assert isinstance(right, Binary)
    assert isinstance(right.left, Binary)
    spans = [relation.left, right, right.left, right.left.right, right.right]
    assert [node.span.text for node in spans if node.span] == [
        "∂t u", "k ∇²(u v) + [1, 2]", "k ∇²(u v)", "∇²(u v)", "[1, 2]",
    ]  # fmt: skip
    assert (right.span.line, right.span.column) == (2, 12) if right.span else False


def test_names_are_declared_before_they_are_read() -> None:
    """Whether `dx` is a derivative hangs on the whole file, not on what stands above."""
    module = read("equations:\n    dx(u) + dz(u) = 0\n\ndomain:\n    x ∈ [0, 1]\n")
    (relation,) = module.block("equations")
    assert isinstance(relation, Relation)
    assert relation.left == Binary("+", dx(1, u), Call("dz", (u,)))


def test_members_of_a_family_are_coordinates() -> None:
    module = read("domain:\n    x ∈ [-1, 1]^8\n\nlet:\n    a = dx8(u) + dx9(u)\n")
    (relation,) = module.block("let")
    assert isinstance(relation, Relation)
    assert relation.right == Binary("+", dx(1, u, "x8"), Call("dx9", (u,)))


def test_coordinates_of_fields_are_coordinates() -> None:
    module = read("fields:\n    ψ(t, θ) : scalar\n\nlet:\n    a = dtheta(psi)\n")
    (relation,) = module.block("let")
    assert isinstance(relation, Relation)
    assert relation.right == dx(1, Name("ψ"), "θ")


def test_the_boundary_of_a_declared_region() -> None:
    module = read("domain:\n    D = disk()\n\nboundary:\n    u = 0 on ∂D\n")
    (relation,) = module.block("boundary")
    assert isinstance(relation, Relation)
    assert relation.regions == (BoundaryOf("D"),)


def test_the_gamma_function_and_a_field_named_gamma() -> None:
    assert expression("gamma(x)") == Call("gamma", (x,))
    assert expression("γ(x)") == Call("γ", (x,))
    module = read("fields:\n    γ(x) : scalar\n\nlet:\n    a = gamma(x)\n")
    (relation,) = module.block("let")
    assert isinstance(relation, Relation)
    assert relation.right == Call("γ", (x,))


def test_names_are_normalised_and_texts_are_not() -> None:
    assert expression("ℏ + µ") == Binary("+", Name("ħ"), Name("μ"))
    assert expression('f("x²")') == Call("f", (String("x²"),))
    assert expression("u\u0302") == Name("û")


def test_values_of_fields_are_calls() -> None:
    text = "fields:\n    u(t, x), w(t) : scalar\n\nlet:\n    a = u(0, x) + w(t - 1) + u(x=1)\n"
    assert len(read(text).block("let")) == 1


def test_the_empty_file() -> None:
    assert read("") == Module(())
    assert read("# only a comment\n") == Module(())


@pytest.mark.parametrize(
    ("text", "code", "helps"),
    [
        ("1/2 b u", "E140", ("write `(1/2) b u`", "or `1/(2 b u)`")),
        ("∂x u c", "E141", ("write `(∂x u) c`", "or `∂x(u c)`")),
        ("a ∂x u ∂y v", "E141", ("write `(∂x u) ∂y v`", "or `∂x(u ∂y v)`")),
        ("x(4 + y)", "E142", ("write `x (4 + y)` for the product",
                              "or declare a function, `x(x) = …`, under `let:`")),
        ("a^b^c", "E146", ("write `a^(b^c)`", "or `(a^b)^c`")),
        ("f(a)^2^c", "E146", ("write `f(a)^(2^c)`", "or `(f(a)^2)^c`")),
        ("a·b c", "E147", ("write `(a · b) c`", "or `a · (b c)`")),
        ("∂u/∂t", "E145", ("write `∂t u` or `dt(u)`",)),
        ("∂²u/∂x²", "E145", ("write `∂x²u` or `dx(u, 2)`",)),
        ("sin⁻¹(x)", "E148", ("write `asin(x)`", "or `1/sin(x)`")),
        ("sin x", "E167", ("write `sin(x)`",)),
        ("∂x¹⁰⁰u", "E160", ("write `∂x u` for the first derivative, `∂x²u` for the second",)),
        ("dx(u, 0)", "E160", ("write `∂x u` for the first derivative, `∂x²u` for the second",)),
        ("dx(u, c)", "E160", ("write `dx(u)` or, for the second derivative, `dx(u, 2)`",)),
    ],
)  # fmt: skip
def test_what_paper_leaves_open_is_refused_with_readings(
    text: str, code: str, helps: tuple[str, ...]
) -> None:
    with pytest.raises(ProblemError) as raised:
        expression(text)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.helps) == (code, helps)


@pytest.mark.parametrize("text", ["1/2 b u", "∂x u c", "a^b^c", "a·b c", "sin⁻¹(x)"])
def test_the_readings_offered_can_be_read(text: str) -> None:
    with pytest.raises(ProblemError) as raised:
        expression(text)
    readings = [remedy.split("`")[1] for remedy in raised.value.diagnostics[0].helps]
    trees = [expression(reading) for reading in readings]
    assert len(trees) == 2
    assert trees[0] != trees[1]


PRINTED = {
    "2k a/b": "2 k a/b",
    "(1/2) a b": "(1/2) a b",
    "(∂x u) c": "(∂x u) c",
    "∂x(u)": "∂x u",
    "∂x(u^2)": "∂x(u²)",
    "lap(u) v": "∇²u v",
    "(a + (b c))": "a + b c",
    "a - (b - c)": "a - (b - c)",
    "a * 2": "a * 2",
    "2 * a": "2 a",
    "sin(x)^2": "sin²(x)",
    "x^-2": "x⁻²",
    "x^(1/2)": "x^(1/2)",
    "(-a) b": "(-a) b",
    "f(a)*(b)": "f(a) b",
    "k*(b + c)": "k (b + c)",
    "lap(lap(u))": "∇⁴u",
    "a/(b c)": "a/(b c)",
    "exp(-50*((x-0.2)**2+y**2))": "exp(-50 ((x - 0.2)² + y²))",
    "1 [kg*m^2/s^2]": "1 [kg m²/s²]",
}


@pytest.mark.parametrize("text", PRINTED)
def test_canonical_text(text: str) -> None:
    assert format_expression(expression(text)) == PRINTED[text]


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(ValueError, match="no style `latex`"):
        format_expression(a, "latex")


def test_an_expression_from_outside_must_be_one() -> None:
    for text in ("", "a = 2", "a\nb", "2 +"):
        with pytest.raises(ProblemError):
            parse_expression(text)
