"""A system as text and LaTeX: what `pdesl show` and `pdesl check` print."""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from pdesl.ir.system import Row, System
from pdesl.symbolic.jets import JetSpace, format_jet
from pdesl.symbolic.latex import MathPrinter, latex_name

__all__ = ["format_expression", "format_system", "latex_system", "make_text_printer"]

_NAMES = {"Max": "max", "Min": "min", "Abs": "abs", "LambertW": "lambertw", "ceiling": "ceil"}


class _TextPrinter(StrPrinter):
    """Jets as derivatives, `(∂x u)^2`; functions under the names that a file has for them."""

    def __init__(self, space: JetSpace):
        super().__init__()
        self.space = space

    def _print_Symbol(self, expr):  # noqa: N802
        jet = self.space.jet_of(expr)
        return expr.name if jet is None else format_jet(jet, self.space.coordinates)

    def _print_Function(self, expr):  # noqa: N802
        name = expr.func.__name__
        return f"{_NAMES.get(name, name)}({self.stringify(expr.args, ', ')})"

    _print_Abs = _print_LatticeOp = _print_Function  # noqa: N815

    def _print_Pi(self, expr):  # noqa: N802
        return "π"

    def _print_Heaviside(self, expr):  # noqa: N802
        return f"step({self._print(expr.args[0])})"

    def _print_ExpBase(self, expr):  # noqa: N802
        return f"exp({self._print(expr.args[0])})"

    def parenthesize(self, item, level, strict=False):
        jet = self.space.jet_of(item)
        if jet is not None and jet.order and level >= PRECEDENCE["Pow"]:
            return f"({self._print(item)})"
        return super().parenthesize(item, level, strict)


def make_text_printer(space: JetSpace) -> StrPrinter:
    """A printer of expressions with jets over some coordinates."""
    return _TextPrinter(space)


def format_expression(expression: sympy.Expr, system: System) -> str:
    """An expression in jets, jets written as derivatives: `∂x² u`."""
    return _TextPrinter(system.space).doprint(expression).replace("**", "^")


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
    for name, jet in system.derivatives.items():
        lines.append(f"derivative   {name} = {format_jet(jet, system.space.coordinates)}")
    for name, expression in system.eliminated.items():
        lines.append(f"eliminated   {name} = {format_expression(expression, system)}")
    for name, expression in system.sources.items():
        lines.append(f"source       {name} = {format_expression(expression, system)}")
    for row in system.all_rows:
        where = (
            " on " + ", ".join(r.text or r.name or "∂Ω" for r in row.regions) if row.regions else ""
        )
        lines += ["", f"{row.name}{where}:  sum = 0"]
        lines += [f"    {label:<10} {text}" for label, text in _terms(row, system)]
        if row.stiff is not None:
            lines.append(f"    {'stiff':<10} {format_expression(row.stiff, system)}")
    return "\n".join(lines)


def _latex_terms(row: Row, printer: MathPrinter, space: JetSpace) -> Iterable[str]:
    for term in (*row.mass, *row.linear):
        jet = printer.doprint(space.symbol(term.jet))
        factor = printer.doprint(term.coefficient)
        if term.coefficient == 1 or term.coefficient == -1:
            yield jet if term.coefficient == 1 else f"- {jet}"
        elif isinstance(term.coefficient, sympy.Add):
            yield rf"\left({factor}\right) {jet}"
        else:
            yield f"{factor} {jet}"
    yield from (printer.doprint(p) for p in (row.nonlinear, row.forcing) if p != 0)


def _label(name: str) -> str:
    """`equation 1 (μ = t)`, with its letters as mathematics."""
    head, bracket, tail = name.partition(" (")
    if not bracket:
        return rf"\text{{{name}}}".replace("_", r"\_")
    pairs = [pair.split(" = ") for pair in tail.removesuffix(")").split(", ")]
    letters = r",\ ".join(" = ".join(latex_name(n) for n in pair) for pair in pairs)
    return rf"\text{{{head}}}\ ({letters})"


def latex_system(system: System) -> str:
    """Every row as a displayed equation, its parts in the order mass, linear, rest."""
    printer = MathPrinter(jets=system.space)
    lines = []
    for name, jet in system.derivatives.items():
        symbols = (system.space.jet(name), jet)
        new, old = (printer.doprint(system.space.symbol(j)) for j in symbols)
        lines.append(rf"{new} &= {old} && \text{{new field}}")
    for name, expression in system.eliminated.items():
        lines.append(rf"{latex_name(name)} &= {printer.doprint(expression)} && \text{{eliminated}}")
    for row in system.all_rows:
        text = ""
        for part in _latex_terms(row, printer, system.space):
            sign = "-" if part.startswith("-") else "+"
            text += part if not text else f" {sign} {part.removeprefix('-').lstrip()}"
        lines.append(rf"{text or '0'} &= 0 && {_label(row.name)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"
