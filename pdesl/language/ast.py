"""The syntax tree of a `.pde` file: frozen values, equal when they mean the same text.

Both spellings of a form give the same tree (`∇²u` and `lap(u)`, `x²` and `x^2`, `∂x²u` and
`dx(u, 2)`), so a tree has no spelling of its own; the printer chooses one. Spans and comments
take no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pdesl.diagnostics import Span

__all__ = [
    "Binary", "Block", "BoundaryOf", "Call", "Comparison", "Declaration", "Derivative",
    "Expression", "IndexDerivative", "Indexed", "IndexedField", "Keyword", "ListLiteral",
    "Membership", "Module", "Name", "Negate", "Number", "Relation", "Schedule", "Statement",
    "String", "Subscript", "TupleLiteral", "Unit",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unit(Node):
    """A physical unit, as canonical text: products `*`, quotients `/`, powers `^`.

    Names of units are those of the file after NFKC; `um` is `μm`, `ohm` is `Ω`, `°C` is `degC`.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal, kept as it was written so that nothing is rounded; a unit may follow."""

    text: str
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """An identifier in its canonical form (`names.canonical_name`): NFKC, Greek letters for
    their names (`alpha_1` is `α_1`, `pi` is `π`), dots for members of data sets (`runs.u`).
    `∞` is `inf`.
    """

    identifier: str


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`f(a, b, key=c)`.

    Prefix operators are calls under their ASCII names: `grad div curl lap box dn advect
    integral`; so is `∇⁴u`, which is `lap(lap(u))`. `sin²(x)` is a power of a call. Along a family
    of coordinates, `∇_x·v`, `∇_x×v`, `∇_x²u` and `(v·∇_x)u` carry the keyword `along=x`. The
    functions `gamma`, `beta` and `zeta` keep these names unless the file declares γ, β or ζ.
    """

    function: str
    arguments: tuple[Expression, ...]
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivative(Node):
    """`∂x²∂y u`: partial derivatives along named coordinates, `(("x", 2), ("y", 1))`.

    The operand of a derivative is never itself one: `∂x(∂x u)` is `(("x", 2),)`.
    """

    variables: tuple[tuple[str, int], ...]
    operand: Expression


@dataclass(frozen=True, slots=True)
class IndexDerivative(Node):
    """`∂_μ φ` (kind `partial`) or `∇_μ φ` (kind `covariant`); also `∇_x u` along a family.

    `side` is `up` for `∂^μ φ` and `∇^μ φ`.
    """

    kind: str
    index: str
    operand: Expression
    side: str = "down"


@dataclass(frozen=True, slots=True)
class Indexed(Node):
    """`g^{μν}`, `Γ^σ_{μν}`: indices in order, each `("up" | "down", name)`."""

    name: str
    indices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class IndexedField(Node):
    """`A_{μ}(t, x)` in a declaration: a field with indices, and its coordinates."""

    name: str
    indices: tuple[tuple[str, str], ...]
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Subscript(Node):
    """`v[1]`: a component, counted from 1."""

    base: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Negate(Node):
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`operator` is one of `+ - * / ^ dot cross ±`; a juxtaposition is `*`.

    Products associate to the left. `a·b` and `dot(a, b)` are `dot`, whether the sides are vectors
    or numbers; `a×b` and `cross(a, b)` are `cross`, also of regions.
    """

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`operator` is one of `= < <= > >=`; only in regions, `when` and `verify`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class TupleLiteral(Node):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class BoundaryOf(Node):
    """`∂Ω`."""

    region: str


Expression = (
    Number | String | Name | Call | Derivative | IndexDerivative | Indexed | Subscript | Negate
    | Binary | Comparison | IndexedField | TupleLiteral | ListLiteral | BoundaryOf
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Node):
    """What every statement has: the comment lines above it and the comment behind it.

    A blank line among the comments, or above the statement, is an empty string.
    """

    comments: tuple[str, ...] = field(default=(), compare=False, repr=False)
    comment: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Relation(Line):
    """`left OP right [on REGION, …]`; OP is one of `= ~= < <= > >=`."""

    left: Expression
    operator: str
    right: Expression
    regions: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Membership(Line):
    """`x, y ∈ Ω`."""

    members: tuple[Expression, ...]
    set: Expression


@dataclass(frozen=True, slots=True)
class Declaration(Line):
    """`u(t, x), v(t, x) : scalar [K]`; a type may take arguments, `vector(3)`."""

    names: tuple[Expression, ...]
    type: Expression
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class Schedule(Line):
    """`every 0.1: u, E -> "run.h5"`; kind is `every`, `at` or `when`; no target for `stop`."""

    kind: str
    trigger: Expression
    outputs: tuple[Expression, ...]
    target: str | None = None


Statement = Relation | Membership | Declaration | Schedule


@dataclass(frozen=True, slots=True)
class Block(Line):
    """`name "argument":` and its statements; `ending` are the indented comments behind them."""

    name: str
    statements: tuple[Statement, ...]
    argument: str | None = None
    name_span: Span | None = field(default=None, compare=False, repr=False)
    ending: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Module(Node):
    """A file: the language version it names, if any, and its blocks in order.

    `comments` stand above the version, `ending` are those behind the last statement.
    """

    blocks: tuple[Block, ...]
    version: int | None = None
    comments: tuple[str, ...] = field(default=(), compare=False, repr=False)
    ending: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def block(self, name: str) -> tuple[Statement, ...]:
        """All statements of the blocks of that name, in order."""
        return tuple(s for block in self.blocks if block.name == name for s in block.statements)
