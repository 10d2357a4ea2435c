"""What tests of the symbolic core and the IR share: example files, concrete fields, expressions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sympy
from hypothesis import strategies as st

from pdesl.diagnostics import Source
from pdesl.ir.normalise import exact_jets, normalise
from pdesl.ir.system import Row, System
from pdesl.resources import problems_folder
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.functions import FUNCTIONS
from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.operators import Frame
from pdesl.symbolic.problem import Problem

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE / "symbolic" / "examples").glob("*.pde"))
ALL_FILES = [
    *EXAMPLES,
    *sorted((HERE / "language" / "examples").glob("*.pde")),
    *sorted(problems_folder().glob("*.pde")),
]

x, y, z, t = sympy.symbols("x y z t", real=True)
COORDINATES = (t, x, y, z)
PLANE = Frame(JetSpace.over((x, y), {"u": (x, y), "w": (x, y)}), (0, 1))
SPACE_TIME = Frame(
    JetSpace.over((t, x, y, z), {"u": (t, x, y, z), "w": (t, x, y, z)}), (1, 2, 3), 0
)


def read(path: Path) -> Problem:
    text = path.read_text(encoding="utf-8")
    return elaborate_source(Source(path.name, text, str(path.parent)))


def from_text(text: str, name: str = "t") -> Problem:
    return elaborate_source(Source(name, text))


def system_of(text: str) -> System:
    return normalise(from_text(text))


def concrete(name_index: int, symbols: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """A smooth positive function without symmetry, another one for each index."""
    phase = sympy.Add(
        *(sympy.Rational(3 + 2 * j + name_index, 10) * s for j, s in enumerate(symbols))
    )
    product = sympy.Mul(*symbols[:3])
    return (
        sympy.Rational(27, 10) + name_index + sympy.sin(phase) + sympy.cos(product + phase / 3) / 2
    )


def concrete_fields(system: System) -> dict[str, sympy.Expr]:
    """A concrete function for every field of a system, closures included."""
    symbols = system.space.coordinates
    return {
        name: concrete(i, tuple(symbols[p] for p in own))
        for i, (name, own) in enumerate(system.space.fields)
    }


def values_of(symbols: Any) -> dict[sympy.Symbol, Any]:
    """A rational number for each symbol, the same on every call."""
    return {
        s: sympy.Rational(7 + 3 * i % 11, 13) for i, s in enumerate(sorted(symbols, key=str), 1)
    }


def number(expression: sympy.Expr, values: Mapping[sympy.Symbol, Any]) -> float:
    return float(sympy.N(expression.xreplace(dict(values)), 30))


def row_value(system: System, row: Row, fields: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """The sum of a row's parts with concrete functions in place of its fields."""
    return exact_jets(row.parts(system.space), system.space, fields)


# -- random expressions --------------------------------------------------------------------

_rationals = st.builds(sympy.Rational, st.integers(-6, 6), st.integers(1, 5))
_smooth = st.sampled_from(
    [sympy.sin, sympy.cos, sympy.exp, sympy.tanh, sympy.atan, sympy.sinh, sympy.asinh, sympy.erf]
)


def expressions(leaves: list[sympy.Expr], depth: int = 8) -> st.SearchStrategy[sympy.Expr]:
    """Smooth expressions of some leaves: sums, products, powers, quotients, functions."""
    base = st.one_of(st.sampled_from(leaves), st.sampled_from(leaves), _rationals)

    def extend(inner: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
        return st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, b: a - b, inner, inner),
            st.builds(lambda a, n: a**n, inner, st.integers(1, 3)),
            st.builds(lambda a, b: a / (1 + b**2), inner, inner),
            st.builds(lambda f, a: f(a), _smooth, inner),
        )

    return st.recursive(base, extend, max_leaves=depth).filter(
        lambda e: not e.has(sympy.nan, sympy.zoo, sympy.oo, sympy.I)
    )


@st.composite
def table_expressions(draw: Any, symbols: tuple[sympy.Symbol, ...]) -> sympy.Expr:
    """A function of the language's table at an argument in its domain, combined with another."""
    entry = FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]
    a, b = (draw(st.sampled_from(symbols)) for _ in range(2))
    inside = sympy.tanh(a) / 2  # within (-1/2, 1/2): every function but a few takes it
    match entry.name:
        case "acosh":
            arguments = [2 + inside]
        case "log" | "ln" | "log10" | "log2" | "sqrt" | "gamma" | "loggamma" | "cot" | "csc":
            arguments = [1 + inside]
        case "lambertw":
            arguments = [inside / 2]
        case "besselj":
            arguments = [sympy.Integer(draw(st.integers(0, 3))), a]
        case "atan2":
            arguments = [a, 1 + b**2]
        case "min" | "max":
            arguments = [a, b, inside]
        case _:
            arguments = [inside]
    value = entry.symbolic(*arguments)
    return value * draw(_rationals) + b * sympy.sqrt(2)
