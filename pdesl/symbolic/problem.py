"""`Problem`: what a scientist states, symbolic and immutable.

Text and Python meet here. A problem holds SymPy expressions in real symbols for coordinates and
parameters, applied functions for fields (`u(t, x)`, a vector field as its components `v_x`,
`v_y`), `Derivative`s, and the markers of `operators` (`lap(u(x, y))`, `stiff(…)`, `exact(…)`).
Vectors are already resolved into components, `let` names into their definitions; parameters are
still symbols, and numbers are in SI base units. Two problems are equal when they state the same
thing: spans, definitions, and the units that numbers were written in take no part.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, ProblemError, Source, Span
from pdesl.symbolic.domain import Shape
from pdesl.symbolic.functions import constant_value

__all__ = [
    "Choice", "Closure", "Condition", "Coordinate", "DataSet", "Definition", "Equation", "Field",
    "FitTerm", "Given", "MetricSpec", "OptionValue", "OutputRule", "Parameter", "Problem",
    "RegionSpec", "Unknown", "Verification",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Something stated at a place of a text."""

    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Coordinate(Stated):
    """A coordinate: `kind` is `space` or `time`; a range where the file gives one.

    `unit` is that of its values, in SI base units, where the file names any.

    One that is `separated` stands in no line of `domain:`, since an ansatz of `reduce:` takes
    it out of the problem.
    """

    name: str
    kind: str
    lower: sympy.Expr | None = None
    upper: sympy.Expr | None = None
    periodic: bool = False
    family: str | None = None
    separated: bool = False
    unit: str | None = field(default=None, compare=False)

    @property
    def symbol(self) -> sympy.Symbol:
        return sympy.Symbol(self.name, real=True)


@dataclass(frozen=True, slots=True)
class Unknown(Stated):
    """A number to be found: start value and bounds."""

    start: sympy.Expr
    lower: sympy.Expr | None = None
    upper: sympy.Expr | None = None


@dataclass(frozen=True, slots=True)
class Parameter(Stated):
    name: str
    value: sympy.Expr | Unknown
    unit: str | None = field(default=None, compare=False)

    @property
    def symbol(self) -> sympy.Symbol:
        return sympy.Symbol(self.name, real=True)


@dataclass(frozen=True, slots=True)
class Definition(Stated):
    """A `let` name and what it stands for; vectors as tuples of components."""

    name: str
    arguments: tuple[str, ...]
    value: sympy.Expr | tuple[sympy.Expr, ...]


@dataclass(frozen=True, slots=True)
class Field(Stated):
    """A field: `kind` is `unknown` (solved for) or `source` (data, perhaps derived).

    `components` are the names of the scalar fields that it is made of: its own name for a
    scalar, `v_x`, `v_y` for a vector v over x, y. `indices` are those of a tensor, each with its
    side, `up` or `down`; `symmetry` is `symmetric`, `antisymmetric` or nothing.
    """

    name: str
    coordinates: tuple[str, ...]
    rank: int = 0
    kind: str = "unknown"
    components: tuple[str, ...] = ()
    unit: str | None = field(default=None, compare=False)
    indices: tuple[tuple[str, str], ...] = ()
    symmetry: str = ""

    def applied(self, component: int = 0) -> AppliedUndef:
        symbols = [sympy.Symbol(c, real=True) for c in self.coordinates]
        return sympy.Function(self.components[component])(*symbols)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class MetricSpec(Stated):
    """The metric as stated: a matrix, the matrix of a line element, or a name with options.

    A line element's matrix is over all coordinates; another may be over those of space alone.
    """

    name: str
    matrix: tuple[tuple[sympy.Expr, ...], ...] | None = None
    arguments: tuple[tuple[str, OptionValue], ...] = ()
    statement: str = field(default="", compare=False)
    spans: Mapping[str, Span | None] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Equation(Stated):
    """lhs = rhs in the interior. `terms` tells where a subexpression was written.

    `component` says which one this is of an equation with free indices, `μ = t`.
    """

    lhs: sympy.Expr
    rhs: sympy.Expr
    terms: Mapping[sympy.Expr, Span] = field(default_factory=dict, compare=False, repr=False)
    component: str = field(default="", compare=False, kw_only=True)

    def span_of(self, part: sympy.Basic) -> Span | None:
        """The place of a subexpression: where it, or what it is made of, was written.

        Signs and number factors take no part, since they move when terms are collected. What
        has no place of its own has that of the whole equation.
        """
        waiting = [part]
        while waiting:
            node = waiting.pop(0)
            forms = [node]
            if isinstance(node, sympy.Expr):
                forms += [-node, node.as_coeff_Mul()[1]]
            for form in forms:
                span = self.terms.get(form)  # type: ignore[arg-type]
                if span is not None and form.free_symbols:
                    return span
            waiting += [a for a in node.args if a.free_symbols]
        return self.span


@dataclass(frozen=True, slots=True)
class RegionSpec(Stated):
    """Where a boundary condition holds: `all` of ∂Ω, a named `part`, a `relation`, or a `shape`.

    A relation is `expression operator 0`, with operator one of `= < >`; `shape` is the boundary of
    a region of that name, as far as it bounds the domain.
    """

    kind: str
    name: str = ""
    expression: sympy.Expr = sympy.S.Zero
    operator: str = "="
    shape: Shape | None = None
    text: str = field(default="", compare=False)

    def sides(self) -> tuple[sympy.Expr, sympy.Expr]:
        """The two sides of a relation, a symbol on the left where that is possible: `x = 2`."""
        for symbol in sympy.Add.make_args(self.expression):
            if isinstance(symbol, sympy.Symbol):
                right = symbol - self.expression
                if symbol - right == self.expression and not right.has(symbol):
                    return symbol, right
        return self.expression, sympy.S.Zero


@dataclass(frozen=True, slots=True)
class Condition(Equation):
    """lhs = rhs on boundary regions; with no region, an initial condition."""

    regions: tuple[RegionSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Given(Stated):
    """A field's component and an expression for it (manufactured, exact)."""

    field: str
    value: sympy.Expr


@dataclass(frozen=True, slots=True)
class Choice(Stated):
    """A named choice with options, `dt_pinn(nodes=1663, order=4)`."""

    name: str
    options: tuple[tuple[str, OptionValue], ...] = ()
    positional: tuple[OptionValue, ...] = ()
    spans: Mapping[str, Span | None] = field(default_factory=dict, compare=False, repr=False)

    def get(self, name: str) -> OptionValue | None:
        return dict(self.options).get(name)


OptionValue = int | float | bool | str | sympy.Expr | Choice | tuple["OptionValue", ...]


@dataclass(frozen=True, slots=True)
class Closure(Stated):
    """A learned term, or given values: its name, its kind of network, inputs and options."""

    name: str
    network: Choice
    inputs: tuple[sympy.Expr, ...]

    @property
    def is_table(self) -> bool:
        """Whether it is values at the nodes of a graph, read from a file: nothing to learn."""
        return self.network.name == "load"


@dataclass(frozen=True, slots=True)
class DataSet(Stated):
    name: str
    path: str
    options: tuple[tuple[str, OptionValue], ...] = ()


@dataclass(frozen=True, slots=True)
class FitTerm(Stated):
    """`data ≈ model ± deviation`."""

    data: str
    model: sympy.Expr
    deviation: sympy.Expr | None = None


@dataclass(frozen=True, slots=True)
class Verification(Stated):
    """`order(u) ≥ 3.5`: a quantity, a comparison, a bound."""

    quantity: Choice
    operator: str
    bound: sympy.Expr

    @property
    def fields(self) -> tuple[str, ...]:
        """The components that the bound is for: all of a vector's."""
        parts = self.quantity.positional
        return tuple(getattr(getattr(p, "func", None), "__name__", "") for p in parts)


@dataclass(frozen=True, slots=True)
class OutputRule(Stated):
    """What to write when, to which file; no target for `stop`.

    `labels` are the outputs as they were written, `units` those of their values in SI base units,
    where they are known, and `condition` is what stands behind `when`.
    """

    kind: str
    trigger: OptionValue
    outputs: tuple[OptionValue, ...]
    target: str | None
    labels: tuple[str, ...] = field(default=(), compare=False)
    units: tuple[str | None, ...] = field(default=(), compare=False)
    condition: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The whole statement; attributes have the names of a file's blocks.

    `integrals` are the lines of `boundary:` on integrals over the domain, as `∫(u) = 0`.
    """

    coordinates: tuple[Coordinate, ...]
    fields: tuple[Field, ...]
    equations: tuple[Equation, ...]
    shape: Shape | None = None
    parameters: tuple[Parameter, ...] = ()
    definitions: tuple[Definition, ...] = field(default=(), compare=False)
    metric: MetricSpec | None = None
    closures: tuple[Closure, ...] = ()
    manufactured: tuple[Given, ...] = ()
    exact: tuple[Given, ...] = ()
    boundary: tuple[Condition, ...] = ()
    integrals: tuple[Equation, ...] = ()
    initial: tuple[Condition, ...] = ()
    data: tuple[DataSet, ...] = ()
    fit: tuple[FitTerm, ...] = ()
    fit_options: tuple[tuple[str, OptionValue], ...] = ()
    solver: Choice | None = None
    verify: tuple[Verification, ...] = ()
    verify_options: tuple[tuple[str, OptionValue], ...] = ()
    reduction: tuple[Given, ...] = ()
    output: tuple[OutputRule, ...] = ()
    sweep: tuple[tuple[str, OptionValue], ...] = ()
    name: str = field(default="problem", compare=False)
    source: Source | None = field(default=None, compare=False, repr=False)
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)

    @property
    def learned_closures(self) -> tuple[Closure, ...]:
        """The closures that are networks."""
        return tuple(c for c in self.closures if not c.is_table)

    def __eq__(self, other: object) -> bool:
        """Whether two problems state the same thing."""
        if not isinstance(other, Problem):
            return NotImplemented
        return self._stated() == other._stated()

    def __hash__(self) -> int:
        return hash((self.coordinates, self.equations, self.boundary, self.initial))

    def _stated(self) -> tuple[object, ...]:
        return tuple(getattr(self, f.name) for f in dataclasses.fields(Problem) if f.compare)

    def to_pde(self, style: str = "unicode") -> str:
        """The problem as the text of a `.pde` file; reading it again gives an equal problem."""
        from pdesl.symbolic.to_text import to_pde

        return to_pde(self, style)

    @property
    def hash(self) -> str:
        """SHA-256 of what the problem states, in its canonical text."""
        from pdesl.symbolic.to_text import to_pde

        return hashlib.sha256(to_pde(self, "ascii", definitions=False).encode()).hexdigest()

    @property
    def time(self) -> Coordinate | None:
        return next((c for c in self.coordinates if c.kind == "time"), None)

    @property
    def space(self) -> tuple[Coordinate, ...]:
        return tuple(c for c in self.coordinates if c.kind == "space")

    @property
    def unknown_fields(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.kind == "unknown")

    @property
    def known_solution(self) -> tuple[Given, ...]:
        """The manufactured solution, else the verifying one, else nothing."""
        return self.manufactured or self.exact

    def parameter_values(self) -> dict[sympy.Symbol, float]:
        """A number for each parameter; an unknown one counts with its start value.

        Raises:
            ProblemError: a value that is no finite real number (E310).
        """
        values: dict[sympy.Symbol, float] = {}
        found: list[Diagnostic] = []
        for parameter in self.parameters:
            value = parameter.value
            expression = value.start if isinstance(value, Unknown) else value
            number = constant_value(expression, values)
            if number is not None:
                values[parameter.symbol] = number
            elif not any(math.isnan(values.get(s, 0.0)) for s in expression.free_symbols):  # type: ignore[call-overload]
                found.append(
                    Diagnostic(
                        "E310", f"the parameter `{parameter.name}` is no finite real number",
                        parameter.span,
                        helps=("check what is divided by, and the arguments of roots and "
                               "logarithms",),
                    )
                )  # fmt: skip
            if number is None:
                values[parameter.symbol] = math.nan  # reported, or made of what is
        if found:
            raise ProblemError(found)
        return values

    def _repr_latex_(self) -> str:
        from pdesl.symbolic.latex import to_latex

        return to_latex(self)
