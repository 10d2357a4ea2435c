"""Linear operators, regions and spacings from the language, for those who state no problem.

An operator is written as in a file, `κ ∇²u + ∂x∂y u` or `n·∇u + u`; its derivatives are worked
out by the same compiler, so that coefficients may vary and conservative forms may be used. What
RBF-FD needs of it are multi-indices with coefficients at the centres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import sympy

from pdesl.diagnostics import Source
from pdesl.ir.normalise import normalise
from pdesl.ir.system import Row, System
from pdesl.language.names import is_name
from pdesl.language.printer import format_expression
from pdesl.lowering.emit import evaluate_at
from pdesl.lowering.places import Places
from pdesl.lowering.rbffd import MultiIndex
from pdesl.lowering.stencils import FloatArray, misuse
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.operators import NORMAL
from pdesl.symbolic.problem import Problem
from pdesl.symbolic.to_text import expression_to_syntax

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["COORDINATES", "StatedOperator", "state_function", "state_operator", "state_region"]

#: The coordinates of a text, unless others are named.
COORDINATES = {1: ("x",), 2: ("x", "y"), 3: ("x", "y", "z")}


@dataclass(frozen=True, slots=True)
class StatedOperator:
    """A linear operator that was read from an expression: L u = Σ_α c_α(x, n) ∂^α u."""

    text: str
    system: System
    row: Row
    values: Mapping[sympy.Symbol, float]

    @property
    def multi_indices(self) -> tuple[MultiIndex, ...]:
        """The derivatives in it, as multi-indices over the coordinates."""
        return tuple(term.jet.orders for term in self.row.linear)

    @property
    def has_normals(self) -> bool:
        """Whether it is an operator on a boundary, `n·∇u` or `∂n u`."""
        return any(
            symbol.name.startswith(f"{NORMAL}[")  # type: ignore[attr-defined]
            for term in self.row.linear
            for symbol in term.coefficient.free_symbols
        )

    def at(
        self, centres: FloatArray, normals: FloatArray | None = None
    ) -> dict[MultiIndex, float | FloatArray]:
        """Multi-indices with coefficients, numbers or arrays (N,), at centres (N, d).

        Args:
            centres: where the operator is applied.
            normals: the outward unit normals there (N, d), for an operator with `n`.

        Raises:
            SolverError: E713, normals are missing or of another shape.
            ProblemError: a coefficient that is not finite at a centre (E326).
        """
        dimension = len(self.system.space_symbols)
        if centres.ndim != 2 or centres.shape[1] != dimension:
            raise misuse(f"`{self.text}` needs centres of shape (N, {dimension})")
        if self.has_normals and (normals is None or normals.shape != centres.shape):
            raise misuse(f"`{self.text}` needs the normals at its centres, {centres.shape}")
        terms = self.row.linear
        coefficients = evaluate_at(
            [t.coefficient for t in terms],
            self.system,
            Places(centres, normals),
            self.values,
            self.row,
        )
        found: dict[MultiIndex, float | FloatArray] = {}
        for term, coefficient in zip(terms, coefficients, strict=True):
            found[term.jet.orders] = found.get(term.jet.orders, 0.0) + coefficient
        return found


def state_operator(
    expression: str | sympy.Expr,
    coordinates: Sequence[str],
    parameters: Mapping[str, float] | None = None,
    field: str = "u",
) -> StatedOperator:
    """A linear operator from an expression in the language, or in SymPy.

    Args:
        expression: `∇²u + k² u`, `∇·((1 + x²) ∇u)`, `n·∇u + u`, … in one line, or a SymPy
            expression of the applied function `u(x, y)` with the markers of `pdesl`.
        coordinates: names of the coordinates, in the order of the points' columns.
        parameters: numbers for other names in it.
        field: the name of what the operator is applied to.

    Raises:
        ProblemError: the expression cannot be read; every mistake is in it.
        SolverError: E713, it is no scalar, not linear in the field, or has a part without it.
    """
    text = _one_line(expression, coordinates, field)
    problem = _problem(
        coordinates, parameters, f"{', '.join(coordinates)} ∈ [0, 1]", condition=text, field=field
    )
    system = normalise(problem)
    if len(system.boundary) != 1:
        raise misuse(f"`{text}` is a vector; give its components one by one")
    (row,) = system.boundary
    if row.nonlinear != 0 or row.forcing != 0 or not row.linear:
        reason = (
            f"not linear in `{field}`"
            if row.nonlinear != 0
            else f"a part without `{field}`"
            if row.linear
            else f"no term in `{field}`"
        )
        verb = "is" if row.nonlinear != 0 else "has"
        raise misuse(f"`{text}` {verb} {reason}; formulas exist for linear operators")
    return StatedOperator(text, system, row, problem.parameter_values())


def state_region(
    text: str, coordinates: Sequence[str], parameters: Mapping[str, float] | None = None
) -> Region:
    """The region that a text describes: `disk(radius=1)`, `difference(…)`, `[0, 1]` for a box.

    Raises:
        ProblemError: the text is no shape in these coordinates.
    """
    line = _one_line(text, coordinates, "u")
    lines = f"{', '.join(coordinates)} ∈ {line}"
    if not line.startswith(("[", "periodic")):
        lines = f"Ω = {line}\n    {', '.join(coordinates)} ∈ Ω"
    problem = _problem(coordinates, parameters, lines)
    assert problem.shape is not None
    symbols = tuple(c.symbol for c in problem.space)
    return make_region(problem.shape, symbols, problem.parameter_values())


def state_function(
    expression: str | sympy.Expr,
    coordinates: Sequence[str],
    parameters: Mapping[str, float] | None = None,
) -> Callable[[npt.NDArray], npt.NDArray]:
    """A function of points (n, d) to (n,) from an expression in the coordinates.

    Raises:
        ProblemError: the expression cannot be read, or has no finite value at a point (E326).
    """
    text = _one_line(expression, coordinates, "u")
    problem = _problem(
        coordinates, parameters, f"{', '.join(coordinates)} ∈ [0, 1]", condition=f"u + ({text})"
    )
    system = normalise(problem)
    if len(system.boundary) != 1 or [t.jet.order for t in system.boundary[0].linear] != [0]:
        raise misuse(f"`{text}` is no scalar function of {', '.join(coordinates)}")
    (row,) = system.boundary
    if row.nonlinear != 0 or row.linear[0].coefficient != 1:
        raise misuse(f"`{text}` is no function of {', '.join(coordinates)} alone")
    values = problem.parameter_values()

    def function(points: npt.NDArray) -> npt.NDArray:
        (found,) = evaluate_at([row.forcing], system, Places(points), values, row)
        return np.broadcast_to(np.asarray(found, dtype=float), (len(points),)).copy()

    return function


def _one_line(expression: str | sympy.Expr, coordinates: Sequence[str], field: str) -> str:
    if not isinstance(expression, str):
        symbols = {name: sympy.Symbol(name) for name in coordinates}
        plain = expression.xreplace(
            {s: symbols[s.name] for s in expression.free_symbols if s.name in symbols}  # type: ignore[attr-defined]
        )
        known = {field: tuple(symbols.values())}
        return format_expression(expression_to_syntax(plain, coordinates, known))
    if len(expression.splitlines()) != 1 or "#" in expression:
        raise misuse("an expression is one line without comments")
    return expression.strip()


def _problem(
    coordinates: Sequence[str],
    parameters: Mapping[str, float] | None,
    domain: str,
    condition: str = "u",
    field: str = "u",
) -> Problem:
    """A problem whose boundary condition holds the expression."""
    names = ", ".join(coordinates)
    for name in (*coordinates, *(parameters or {}), field):
        if not is_name(name):
            raise misuse(f"`{name}` cannot be a name: letters, digits and _, a letter first")
    lines = ["domain:", f"    {domain}"]
    if parameters:
        lines += ["parameters:", *(f"    {n} = {float(v)!r}" for n, v in parameters.items())]
    lines += ["fields:", f"    {field}({names}) : scalar"]
    lines += ["equations:", f"    ∇²{field} = 0"]
    lines += ["boundary:", f"    {condition} = 0    on ∂Ω"]
    return elaborate_source(Source("<expression>", "\n".join(lines) + "\n"))
