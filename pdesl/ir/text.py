"""A system as text and LaTeX: what `pdesl show` and `pdesl check` print."""

from __future__ import annotations

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from pdesl.ir.system import Row, System
from pdesl.symbolic.jets import format_jet

__all__ = ["format_expression", "format_system", "latex_system"]


def format_expression(expression: sympy.Expr, system: System) -> str:
    """An expression in jets, jets written as derivatives: `∂x²u`."""
    names = {}
    for jet in system.space.jets(expression):
        text = format_jet(jet, system.space.coordinates)
        names[system.space.symbol(jet)] = sympy.Symbol(text)
    return StrPrinter().doprint(expression.xreplace(names)).replace("**", "^")


def _terms(row: Row, system: System) -> list[tuple[str, str]]:
    lines = []
    for label, terms in (("mass", row.mass), ("linear", row.linear)):
        for term in terms:
            jet = format_jet(term.jet, system.space.coordinates)
            lines.append((label, f"({format_expression(term.coefficient, system)}) · {jet}"))
    for label, part in (("nonlinear", row.nonlinear), ("forcing", row.forcing)):
        if part != 0:
            lines.append((label, format_expression(part, system)))
    return lines


def format_system(system: System) -> str:
    """Every row with its parts, one a line."""
    lines = [
        f"coordinates  {', '.join(s.name for s in system.space.coordinates)}",
        f"fields       {', '.join(system.fields)}",
    ]
    for name, expression in system.sources.items():
        lines.append(f"source       {name} = {format_expression(expression, system)}")
    for row in system.all_rows:
        where = " on " + ", ".join(r.text or r.name or "∂Ω" for r in row.regions) if row.regions else ""
        lines += ["", f"{row.name}{where}:  sum = 0"]
        lines += [f"    {label:<10} {text}" for label, text in _terms(row, system)]
        if row.stiff is not None:
            lines.append(f"    {'stiff':<10} {format_expression(row.stiff, system)}")
    return "\n".join(lines)


def latex_system(system: System) -> str:
    """Every row as a displayed equation."""
    printer = LatexPrinter({"fold_short_frac": False})
    lines = []
    for row in system.all_rows:
        names = {}
        for jet in row.jets(system.space):
            indices = "".join(
                printer.doprint(c) * n
                for c, n in zip(system.space.coordinates, jet.orders, strict=True)
            )
            field = printer.doprint(sympy.Symbol(jet.field))
            names[system.space.symbol(jet)] = sympy.Symbol(
                f"{field}_{{{indices}}}" if indices else field
            )
        expression = row.parts(system.space).xreplace(names)
        lines.append(rf"{printer.doprint(expression)} &= 0 && \text{{{row.name}}} \\")
    return "\\begin{aligned}\n" + "\n".join(lines) + "\n\\end{aligned}"
