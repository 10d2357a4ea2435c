"""Jet space: a derivative of a field at a point is a plain symbol.

The jet of a field u over coordinates x₁…x_d is the family of its partial derivatives u_α, with
α a multi-index. `JetSpace` maps each (field, α) to one SymPy symbol and back, and knows the
total derivative

    D_i F(x, u_α) = ∂F/∂x_i + Σ_{u, α} ∂F/∂u_α · u_{α+e_i},

by which an operator applied to any expression becomes an expression in jets
(P. J. Olver, Applications of Lie Groups to Differential Equations, equation 2.35).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from pdesl.diagnostics import PdeslError

__all__ = [
    "Jet", "JetSpace", "NotDifferentiable", "TooLarge", "derivative", "differentiate",
    "format_jet", "refuse_large",
]  # fmt: skip

# The work that a file can ask for: nodes of an expression's tree and operations inside one
# another. Beyond some 100 of these SymPy reaches the end of Python's stack.
MAXIMUM_SIZE = 10_000
# An expression of few distinct parts, such as a metric, may be larger as a tree, since equal parts
# are worked on once: by this factor where its derivative holds at most so many terms and factors,
# counted for each distinct part. What a metric makes of a whole equation may be larger still.
MAXIMUM_WORK = 2_000
SHARED = 3
WHOLE_WORK, WHOLE_SHARED = 6_000, 40
MAXIMUM_DEPTH = 80

# Functions of one argument with a derivative everywhere that they have a value.
_SMOOTH = (
    sympy.exp | sympy.log | sympy.sin | sympy.cos | sympy.tan | sympy.sinh | sympy.cosh
    | sympy.tanh | sympy.asin | sympy.acos | sympy.atan | sympy.asinh | sympy.acosh | sympy.atanh
    | sympy.erf
)  # fmt: skip

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NAME = re.compile(r"^(?P<field>.+)\{(?P<orders>\d+(?:,\d+)*)\}$")


class NotDifferentiable(PdeslError):
    """The derivative of a jump; `part` is the function that jumps."""

    def __init__(self, part: sympy.Basic):
        self.part = part
        super().__init__(f"`{part}` jumps, and a jump has no derivative")


class TooLarge(PdeslError):
    """An expression that would ask for too much work."""


def refuse_large(expression: sympy.Expr, *, derivative: bool = False, whole: bool = False) -> None:
    """Raises `TooLarge` for an expression (or one whose derivative) is too large to work with.

    The size of a derivative is foreseen by the rules of differentiation, without computing it.
    `whole` is for the sides of an equation, which no further derivative is taken of but in jets.
    """
    work = 0
    most, factor = (WHOLE_WORK, WHOLE_SHARED) if whole else (MAXIMUM_WORK, SHARED)
    measures: dict[sympy.Basic, tuple[int, int, int]] = {}  # size, of the derivative, depth
    stack: list[sympy.Basic] = [expression]
    while stack:
        node = stack[-1]
        if node in measures:
            stack.pop()
            continue
        missing = [a for a in node.args if a not in measures]
        if missing:
            stack.extend(missing)
            continue
        inner = [measures[a] for a in node.args]
        size = 1 + sum(m[0] for m in inner)
        work += len(inner) ** 2 if isinstance(node, sympy.Mul) else len(inner)
        slope = 1 + sum(m[1] for m in inner)
        if isinstance(node, sympy.Mul):
            slope += (len(inner) - 1) * (size - 1)
        elif inner and not isinstance(node, sympy.Add):
            slope += size
        depth = 1 + max((m[2] for m in inner), default=0)
        tree = max(size, slope if derivative else 0)
        is_large = tree > MAXIMUM_SIZE and (work > most or tree > factor * MAXIMUM_SIZE)
        if is_large or depth > MAXIMUM_DEPTH:
            raise TooLarge("this would grow beyond what can be worked with")
        measures[node] = (size, slope, depth)
        stack.pop()


def differentiate(expression: sympy.Expr, symbol: sympy.Symbol) -> sympy.Expr:
    """∂(expression)/∂(symbol), where it exists almost everywhere and holds no δ distribution.

    A product e δ(g) in which e vanishes with g is zero (as in the second derivative of |g|³),
    and is left out.

    Raises:
        NotDifferentiable: a jump is differentiated, as in the second derivative of |g|.
        TooLarge: the derivative would have too many terms.
    """
    if not expression.has(symbol):
        return sympy.S.Zero
    refuse_large(expression, derivative=True)
    result = _slope(expression, symbol)
    for rough in result.atoms(sympy.Derivative, sympy.Subs):  # SymPy's answer for floor(g)
        raise NotDifferentiable(rough.args[0])
    for delta in result.atoms(sympy.DiracDelta):
        jump: Any = delta.args[0]
        share = sympy.Dummy(real=True)
        marked: Any = result.xreplace({delta: share})
        factor = sympy.diff(marked, share)
        at_jump = factor.xreplace({jump: sympy.S.Zero, -jump: sympy.S.Zero})
        if len(delta.args) > 1 or factor.has(share) or at_jump != 0:
            raise NotDifferentiable(sympy.Heaviside(jump))
        result = marked.xreplace({share: sympy.S.Zero})
    return result


def _slope(expression: sympy.Expr, symbol: sympy.Symbol) -> sympy.Expr:
    """SymPy's derivative, with W′(g) = exp(−W)/(1 + W) for SymPy's W/(g (1 + W)), 0/0 at g = 0.

    Of W(exp(h)) it is W/(1 + W) h′, in which nothing can overflow.
    """
    branches: set[Any] = expression.atoms(sympy.LambertW)
    if not branches:
        return derivative(expression, symbol)
    plain = {w: sympy.Dummy(real=True) for w in branches}
    back = {dummy: w for w, dummy in plain.items()}
    outer: Any = expression.xreplace(plain)
    terms = [derivative(outer, symbol)]
    for w, dummy in plain.items():
        argument: Any = w.args[0]
        if isinstance(argument, sympy.exp):
            exponent: Any = argument.args[0]
            inner = _slope(exponent, symbol) if outer.has(dummy) else sympy.S.Zero
            terms.append(derivative(outer, dummy) * dummy / (1 + dummy) * inner)
            continue
        inner = _slope(argument, symbol) if outer.has(dummy) else sympy.S.Zero
        terms.append(derivative(outer, dummy) * sympy.exp(-dummy) / (1 + dummy) * inner)
    return sympy.Add(*terms).xreplace(back)  # type: ignore[return-value]


def derivative(expression: sympy.Expr, symbol: sympy.Symbol) -> sympy.Expr:
    """SymPy's derivative, in the same form, with the rules for common nodes applied directly.

    Each of the equal parts is worked on once. SymPy makes and checks a `Derivative` for every
    part, multiplies the factors of a product one by one, and takes the logarithm of the base of
    every power, which together is most of the time of a curved metric's equations.
    """
    known: dict[sympy.Basic, Any] = {}
    stack: list[Any] = [expression]
    while stack:
        node = stack[-1]
        if node in known:
            stack.pop()
            continue
        if node.is_Atom:
            known[node] = sympy.S.One if node == symbol else sympy.S.Zero
            continue
        if not isinstance(node, sympy.Add | sympy.Mul | sympy.Pow | _SMOOTH):
            known[node] = sympy.diff(node, symbol)
            continue
        missing = [a for a in node.args if a not in known]
        if missing:
            stack.extend(missing)
            continue
        slopes = [known[a] for a in node.args]
        known[node] = _combined(node, slopes) if any(d != 0 for d in slopes) else sympy.S.Zero
    return known[expression]


def _combined(node: Any, slopes: Sequence[Any]) -> Any:
    """The derivative of a node by those of its parts."""
    if isinstance(node, sympy.Add):
        return sympy.Add(*slopes)
    if isinstance(node, sympy.Mul):
        parts = list(enumerate(slopes))
        return sympy.Add(
            *(sympy.Mul(*node.args[:i], d, *node.args[i + 1 :]) for i, d in parts if d != 0)
        )
    if isinstance(node, sympy.Pow):
        base, exponent = node.args
        by_base = slopes[0] * exponent / base
        return node * (by_base if slopes[1] == 0 else slopes[1] * sympy.log(base) + by_base)
    return node.fdiff(1) * slopes[0]


def _symbols(expression: sympy.Basic) -> set[sympy.Symbol]:
    """The symbols of an expression, with a look at each of its equal parts once.

    SymPy's `free_symbols` looks at every occurrence, which in a curved metric are thousands.
    """
    seen: set[sympy.Basic] = set()
    found: set[sympy.Symbol] = set()
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, sympy.Symbol):
            found.add(node)
        elif node.args and node not in seen:
            seen.add(node)
            waiting.extend(node.args)
    return found


def replaced(expression: sympy.Expr, values: Mapping[sympy.Basic, sympy.Basic]) -> sympy.Expr:
    """SymPy's `xreplace`, which here works on each of the equal parts once."""
    known: dict[sympy.Basic, sympy.Basic] = dict(values)

    def visit(node: sympy.Basic) -> sympy.Basic:
        if not node.args:
            return known.get(node, node)
        if node not in known:
            arguments = [visit(a) for a in node.args]
            same = all(a is b for a, b in zip(arguments, node.args, strict=True))
            known[node] = node if same else node.func(*arguments)
        return known[node]

    return visit(expression)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True, slots=True)
class Jet:
    """The derivative of a field with `orders[i]` differentiations along coordinate i."""

    field: str
    orders: tuple[int, ...]

    @property
    def order(self) -> int:
        return sum(self.orders)

    def raised(self, axis: int, times: int = 1) -> Jet:
        orders = list(self.orders)
        orders[axis] += times
        return Jet(self.field, tuple(orders))


@dataclass(frozen=True, slots=True)
class JetSpace:
    """Coordinates, and for each field the positions of the coordinates that it depends on."""

    coordinates: tuple[sympy.Symbol, ...]
    fields: tuple[tuple[str, tuple[int, ...]], ...]

    @staticmethod
    def over(
        coordinates: Sequence[sympy.Symbol], fields: Mapping[str, Iterable[sympy.Symbol]]
    ) -> JetSpace:
        places = {symbol: position for position, symbol in enumerate(coordinates)}
        return JetSpace(
            tuple(coordinates),
            tuple((name, tuple(places[c] for c in own)) for name, own in fields.items()),
        )

    def depends(self, field: str, axis: int) -> bool:
        return axis in dict(self.fields)[field]

    def jet(self, field: str, orders: Sequence[int] | None = None) -> Jet:
        return Jet(field, tuple(orders) if orders else (0,) * len(self.coordinates))

    def symbol(self, jet: Jet) -> sympy.Symbol:
        return sympy.Symbol(f"{jet.field}{{{','.join(map(str, jet.orders))}}}", real=True)

    def jet_of(self, symbol: sympy.Basic) -> Jet | None:
        """The jet that a symbol stands for, None for any other symbol."""
        match = _NAME.match(symbol.name) if isinstance(symbol, sympy.Symbol) else None
        if match is None:
            return None
        return Jet(match["field"], tuple(int(n) for n in match["orders"].split(",")))

    def jets(self, expression: sympy.Basic) -> tuple[Jet, ...]:
        """The jets in an expression, in a fixed order."""
        found = (self.jet_of(symbol) for symbol in _symbols(expression))
        return tuple(sorted((j for j in found if j is not None), key=lambda j: (j.field, j.orders)))

    def applied(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression in jets as one in derivatives of applied fields, as a problem holds it."""
        values: dict[sympy.Basic, sympy.Basic] = {}
        places = dict(self.fields)
        for jet in self.jets(expression):
            own = (self.coordinates[i] for i in places[jet.field])
            field: Any = sympy.Function(jet.field)(*own)
            counts = [(c, n) for c, n in zip(self.coordinates, jet.orders, strict=True) if n]
            values[self.symbol(jet)] = (
                sympy.Derivative(field, *counts, evaluate=False) if counts else field
            )
        return replaced(expression, values)

    def total_derivative(self, expression: sympy.Expr, axis: int) -> sympy.Expr:
        """D_i of an expression in coordinates and jets. Raises `NotDifferentiable`."""
        terms = [differentiate(expression, self.coordinates[axis])]
        for jet in self.jets(expression):
            if self.depends(jet.field, axis):
                slope = differentiate(expression, self.symbol(jet))
                terms.append(slope * self.symbol(jet.raised(axis)))
        return sympy.Add(*terms)


def format_jet(jet: Jet, coordinates: Sequence[sympy.Symbol]) -> str:
    """`∂t u`, `∂x²∂y u`, as a file has it."""
    parts = []
    for coordinate, order in zip(coordinates, jet.orders, strict=True):
        if order:
            power = "" if order == 1 else str(order).translate(_SUPERSCRIPTS)
            parts.append(f"∂{coordinate.name}{power}")
    return f"{''.join(parts)} {jet.field}" if parts else jet.field
