"""Random syntax trees, as `parse` could have made them from a file that starts with PREAMBLE."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pdesl.language import ast

PREAMBLE = """\
domain:
    D = disk(center=(0, 0), radius=1)
    x, y ∈ D
    t ∈ [0, 1]
    θ ∈ periodic(0, 2 π)
    z ∈ [-1, 1]³

parameters:
    κ = 2
    α_1 = 3

fields:
    u(t, x, y), ψ : scalar
"""

COORDINATES = ("x", "y", "t", "θ", "z1", "z3")
UNITS = (
    "m", "m/s", "m/s^2", "kg*m^2/s^2", "W/(m^2*K)", "1/s", "K", "μm", "kΩ", "m^-1",
    "m^(1/2)", "percent", "degC", "a/b*c", "(a*b)^2/c", "W/m/K",
)  # fmt: skip

names = st.sampled_from(
    ["x", "y", "u", "ψ", "κ", "α_1", "π", "inf", "runs.u", "r0", "größe", "αx", "z2", "E", "sin"]
).map(ast.Name)
functions = st.sampled_from(["f", "g2", "sin", "exp", "exact", "gamma", "Y", "max", "cosh", "γ"])
indices = st.lists(
    st.tuples(st.sampled_from(["up", "down"]), st.sampled_from(["μ", "ν", "1", "i", "x2", "foo"])),
    min_size=1, max_size=4,
).map(tuple)  # fmt: skip
units = st.sampled_from(UNITS).map(ast.Unit)
number_texts = st.one_of(
    st.integers(0, 10**12).map(str),
    st.sampled_from(["1.", ".5", "1e-3", "2.50", "1E5", "3.0e+10", "007"]),
)
numbers = st.builds(ast.Number, number_texts, st.one_of(st.none(), st.none(), units))
strings = st.text("abc /.λ#;{(\\'", max_size=8).map(ast.String)
powers = st.one_of(
    st.integers(0, 30).map(lambda n: ast.Number(str(n))),
    st.integers(1, 30).map(lambda n: ast.Negate(ast.Number(str(n)))),
    st.just(ast.Number("2.5")),
    st.just(ast.Number("2", ast.Unit("m"))),
    names.filter(lambda name: name.identifier != "sin"),
    names.map(ast.Negate),
    st.builds(lambda f, x: ast.Call(f, (x,)), functions, names),
    st.builds(lambda a, b: ast.Binary("+", a, b), names, numbers),
    st.builds(lambda a: ast.Indexed("g", (("up", "μ"),)), st.none()),
)


@st.composite
def _variables(draw: Any) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(COORDINATES))
        if not found or found[-1][0] != name:
            found.append((name, draw(st.integers(1, 4))))
    return tuple(found)


def _call(function: str, arguments: list[Any], keywords: dict[str, Any]) -> ast.Call:
    pairs = tuple(ast.Keyword(name, value) for name, value in keywords.items())
    return ast.Call(function, tuple(arguments), pairs)


def _extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    values = st.one_of(inner, inner, strings, st.builds(
        ast.Comparison, st.sampled_from(["<", "<=", ">", ">="]), inner, inner
    ))  # fmt: skip
    options = st.dictionaries(
        st.sampled_from(["a", "rate", "x", "β", "θ_0"]), st.one_of(inner, strings), max_size=2
    )
    lists = st.lists(inner, min_size=1, max_size=3).map(tuple)
    along = st.sampled_from([(), (ast.Keyword("along", ast.Name("x")),)])
    return st.one_of(
        st.builds(ast.Binary, st.sampled_from(["+", "-", "*", "*", "*", "/", "dot", "cross", "±"]),
                  inner, inner),
        st.builds(ast.Binary, st.just("^"), inner, powers),
        st.builds(ast.Negate, inner),
        st.builds(_call, functions, st.lists(values, max_size=3), options),
        st.builds(lambda f, x, k: ast.Call(f, (x,), k),
                  st.sampled_from(["div", "curl", "lap"]), inner, along),
        st.builds(lambda f, x: ast.Call(f, (x,)),
                  st.sampled_from(["grad", "box", "dn", "integral", "lap"]), inner),
        st.builds(lambda v, x, k: ast.Call("advect", (v, x), k), inner, inner, along),
        st.builds(
            ast.Derivative, _variables(), inner.filter(lambda n: not isinstance(n, ast.Derivative))
        ),
        st.builds(ast.IndexDerivative, st.just("partial"), st.sampled_from(["μ", "ν1"]), inner),
        st.builds(
            ast.IndexDerivative, st.sampled_from(["partial", "covariant"]),
            st.sampled_from(["μ", "x", "i"]), inner, st.just("up"),
        ),
        st.builds(
            ast.IndexDerivative, st.just("covariant"), st.sampled_from(["μ", "x", "z"]), inner
        ),
        st.builds(ast.Subscript, inner, inner),
        lists.map(ast.TupleLiteral),
        lists.map(ast.ListLiteral),
    )  # fmt: skip


leaves = st.one_of(
    names,
    numbers,
    st.builds(ast.Indexed, st.sampled_from(["g", "Γ", "F1"]), indices),
    st.sampled_from(["D", "Ω", "Ω_2", "G"]).map(ast.BoundaryOf),
)
expressions = st.recursive(leaves, _extend, max_leaves=25)

conditions = st.one_of(
    expressions,
    st.builds(
        ast.Comparison, st.sampled_from(["=", "<", "<=", ">", ">="]), expressions, expressions
    ),
)
comments = st.one_of(st.none(), st.sampled_from(["# first", "#second λ", "# a; b {"]))
comment_lines = st.lists(st.sampled_from(["", "# above", "# another"]), max_size=3).map(
    lambda lines: tuple(line for i, line in enumerate(lines) if line or i == 0 or lines[i - 1])
)

relations = st.builds(
    ast.Relation,
    expressions,
    st.sampled_from(["=", "~=", "<", "<=", ">", ">="]),
    st.one_of(expressions, strings),
    st.lists(conditions, max_size=2).map(tuple),
    comments=comment_lines,
    comment=comments,
)
declarations = st.builds(
    ast.Declaration,
    st.lists(
        st.one_of(
            names,
            st.builds(lambda f, x: ast.Call(f, (x,)), st.just("w"), names),
            st.builds(lambda i, x: ast.IndexedField("A", i, (x,)), indices, names),
        ),
        min_size=1, max_size=2,
    ).map(tuple),
    st.one_of(st.just(ast.Name("scalar")), st.just(ast.Call("vector", (ast.Number("3"),)))),
    st.one_of(st.none(), units),
    comments=comment_lines,
    comment=comments,
)  # fmt: skip
memberships = st.builds(
    ast.Membership,
    st.lists(names, min_size=1, max_size=3).map(tuple),
    expressions,
    comments=comment_lines,
    comment=comments,
)
_items = st.lists(expressions, min_size=1, max_size=3).map(tuple)
schedules = st.one_of(
    st.builds(
        ast.Schedule, st.sampled_from(["every", "at", "when"]), conditions, _items,
        st.sampled_from(["u.h5", "a folder/", "λ.png"]), comment=comments,
    ),
    st.builds(
        lambda c: ast.Schedule("when", c, (ast.Name("stop"),)), conditions
    ),
)  # fmt: skip
statements = st.one_of(relations, relations, declarations, memberships, schedules)
