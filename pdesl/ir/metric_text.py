"""A metric as text and LaTeX: what `pdesl show --stage metric` prints.

Matrix, inverse, determinant, √|det g| and the Christoffel symbols that do not vanish. Long
expressions share their parts, which are named q1, q2, … and listed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from pdesl.ir.system import System
from pdesl.ir.text import make_text_printer
from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.latex import MathPrinter, latex_name
from pdesl.symbolic.metric import Metric
from pdesl.symbolic.tensors import christoffel

__all__ = ["format_metric", "latex_metric", "metric_of_system"]

# Expressions of more operations than this are written with shared parts.
LONG = 60
# Expressions of at most so many operations, without higher powers than this, are brought over
# one denominator.
SHORT, HIGHEST = 40, 4

Part = tuple[sympy.Symbol, sympy.Expr]
Entry = tuple[str, str, sympy.Expr]  # its name in text and in LaTeX, and what it is


def metric_of_system(system: System) -> Metric:
    """The metric over all coordinates; flat and Cartesian where the file states none."""
    if system.frame.metric is not None:
        return system.frame.metric
    size = len(system.space.coordinates)
    entries = [-sympy.S.One if i == system.frame.time_axis else sympy.S.One for i in range(size)]
    return Metric.diagonal(*entries)


def format_metric(system: System) -> str:
    """The metric of a system as text, one entry a line."""
    metric = metric_of_system(system)
    coordinates = system.space.coordinates
    printer = make_text_printer(JetSpace.over(coordinates, {}))

    def text(expression: sympy.Basic) -> str:
        return printer.doprint(expression).replace("**", "^")

    lines = [f"coordinates  {', '.join(s.name for s in coordinates)}"]
    if system.frame.metric is None:
        lines.append("flat space with Cartesian coordinates: the file states no metric")
    roots, named = _roots(metric, system)
    lines += [f"{name.name} = {text(value)}" for name, value in roots]
    for title, entries in _groups(metric, coordinates):
        lines += ["", title]
        parts, shown = _shared(entries, named)
        lines += [f"    with {name.name} = {text(value)}" for name, value in parts]
        width = max((len(name) for name, _, _ in shown), default=0)
        lines += [f"    {name:<{width}} = {text(value)}" for name, _, value in shown]
        if not entries:
            lines.append("    none")
    return "\n".join(lines)


def latex_metric(system: System) -> str:
    """The metric of a system as display mathematics, one entry a line."""
    metric = metric_of_system(system)
    write = MathPrinter().doprint
    roots, named = _roots(metric, system)
    rows = [f"{write(name)} &= {write(value)}" for name, value in roots]
    for _, entries in _groups(metric, system.space.coordinates):
        parts, shown = _shared(entries, named)
        rows += [f"{write(name)} &= {write(value)}" for name, value in parts]
        rows += [f"{name} &= {write(value)}" for _, name, value in shown]
    body = " \\\\\n".join(rows)
    return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"


def _roots(metric: Metric, system: System) -> tuple[list[Part], dict[sympy.Expr, sympy.Expr]]:
    """The named roots of a metric with what they are, and what is written by their names."""
    taken = {s.name for s in system.space.coordinates}
    taken |= {p.name for p in system.problem.parameters}
    if any(name in taken for name, _ in metric.roots):
        return [], {}
    parts: list[Part] = []
    named: dict[Any, Any] = {}
    for name, square in metric.roots:
        if isinstance(name, str):
            symbol = sympy.Symbol(name, positive=True)
            root: Any = sympy.sqrt(square).xreplace(named)
            parts.append((symbol, root))
            named[square] = symbol**2
        else:
            named[square] = name
    return parts, named


def _groups(metric: Metric, coordinates: Sequence[sympy.Symbol]) -> list[tuple[str, list[Entry]]]:
    """The entries that do not vanish, under their titles."""
    size = range(len(coordinates))
    names = [c.name for c in coordinates]
    marks = [latex_name(n) for n in names]
    symbols = christoffel(metric, coordinates)
    matrix: Any = metric.matrix
    inverse: Any = metric.inverse
    pairs = [(i, j) for i in size for j in size if i <= j]

    def both(i: int, j: int) -> str:
        return names[i] + ("" if _is_short(names) else " ") + names[j]

    return [
        ("metric", [
            (f"g_{{{both(i, j)}}}", f"g_{{{marks[i]} {marks[j]}}}", matrix[i, j])
            for i, j in pairs if matrix[i, j] != 0
        ]),
        ("inverse", [
            (f"g^{{{both(i, j)}}}", f"g^{{{marks[i]} {marks[j]}}}", inverse[i, j])
            for i, j in pairs if inverse[i, j] != 0
        ]),
        ("volume", [
            ("det g", r"\det g", metric.determinant),
            ("√|det g|", r"\sqrt{\left|\det g\right|}", metric.density),
        ]),
        ("Christoffel symbols that do not vanish", [
            (f"Γ^{names[k]}_{{{both(i, j)}}}",
             rf"\Gamma^{{{marks[k]}}}_{{{marks[i]} {marks[j]}}}", symbols[k][i][j])
            for k in size for i, j in pairs if symbols[k][i][j] != 0
        ]),
    ]  # fmt: skip


def _shared(
    entries: list[Entry], named: dict[sympy.Expr, sympy.Expr]
) -> tuple[list[Part], list[Entry]]:
    """Entries by the names of roots, and the parts that they share where they are long."""
    values: list[Any] = [_tidy(value.xreplace(named)) for _, _, value in entries]
    parts: list[Any] = []
    if max((_work(v) for v in values), default=0) > LONG:
        taken = {s.name for v in values for s in v.free_symbols}
        fresh = (sympy.Symbol(f"q{i}", real=True) for i in range(1, 10_000) if f"q{i}" not in taken)
        found: Any = sympy.cse(values, symbols=fresh, order="none")
        parts, values = found
    shown = [(name, mark, value) for (name, mark, _), value in zip(entries, values, strict=True)]
    return parts, shown


def _is_short(names: Sequence[str]) -> bool:
    return all(len(n) == 1 for n in names)


def _work(expression: Any) -> int:
    return int(sympy.count_ops(expression))


def _tidy(expression: Any) -> Any:
    """A short expression over one denominator, where that makes it shorter."""
    if _work(expression) > SHORT or any(
        not p.exp.is_Rational or abs(p.exp) > HIGHEST for p in expression.atoms(sympy.Pow)
    ):
        return expression
    shorter = sympy.cancel(expression)
    factored = sympy.factor_terms(shorter)
    return min((expression, shorter, factored), key=_work)
