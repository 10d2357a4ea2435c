"""Formulas in LaTeX: names with their Greek letters and subscripts, operators as on paper.

Only plain LaTeX mathematics and `\\operatorname`, `\\text` are used, so that notebooks, MathJax
and KaTeX can show the result; `aligned` is the one environment.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import sympy
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.modes import MODES
from pdesl.symbolic.operators import NORMAL, OPERATORS, scaled_gradient, split_arguments
from pdesl.symbolic.problem import Condition, Equation, Problem, RegionSpec
from pdesl.symbolic.tensor_components import component_parts

__all__ = ["MathPrinter", "equation_latex", "latex_name", "to_latex"]

_PREFIXED = {"grad", "div", "curl", "lap", "box", "dn", "advect"}
# Greek letters whose LaTeX name is not that of Unicode, or that look like Latin ones.
_LETTERS = {
    "ε": r"\varepsilon", "φ": r"\varphi", "λ": r"\lambda", "ο": "o", "ς": r"\varsigma",
    "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N",
    "Ο": "O", "Ρ": "P", "Τ": "T", "Χ": "X",
}  # fmt: skip
_PART = re.compile(r"(\d+)")


def _letters(text: str) -> str:
    """One part of a name: `u`, `θ`, `12`, `out`."""
    if text.isdigit():
        return text
    if len(text) == 1:
        return _letter(text)
    if len(text) == 2 and text[0] == "d" and not text.isascii():
        return f"d{_letter(text[1])}"
    if all(c.isascii() for c in text):
        return rf"\mathrm{{{text}}}"
    return "".join(_letter(c) for c in text)


def _letter(character: str) -> str:
    if character in _LETTERS:
        return _LETTERS[character]
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        name = words[-1].lower().replace("lamda", "lambda")
        return "\\" + (name.capitalize() if "CAPITAL" in words else name)
    return character if character.isascii() else rf"\text{{{character}}}"


def latex_name(name: str) -> str:
    """`κ_1` as `\\kappa_{1}`, `x12` as `x_{12}`, `hare` as `\\mathrm{hare}`."""
    if name.startswith(f"{NORMAL}[") and name.endswith("]"):
        return f"n_{{{latex_name(name[len(NORMAL) + 1 : -1])}}}"
    parts = [p for piece in re.split(r"[_.]", name) for p in _PART.split(piece) if p]
    if not parts:
        return rf"\text{{{name}}}"
    head, *rest = parts
    if not rest:
        return _letters(head)
    return f"{_letters(head)}_{{{' '.join(_letters(p) for p in rest)}}}"


def _wrapped(text: str) -> str:
    return rf"\left({text}\right)"


class MathPrinter(LatexPrinter):
    """Operators as mathematicians write them, fields without their arguments, jets as ∂_x u.

    Args:
        space: the names of the spatial coordinates, for the components of gradients.
        vectors: the components of each vector field with its name, for `∇·v`.
        jets: the jet space where expressions hold jets.
    """

    def __init__(
        self,
        space: Sequence[str] = (),
        vectors: dict[tuple[sympy.Expr, ...], str] | None = None,
        jets: JetSpace | None = None,
    ):
        super().__init__({"fold_short_frac": False})
        self.space = list(space)
        self.vectors = vectors or {}
        self.jets = jets

    # -- names and powers -----------------------------------------------------------------

    def _print_Symbol(self, expr, style="plain"):  # noqa: N802
        jet = self.jets.jet_of(expr) if self.jets is not None else None
        if jet is None or self.jets is None:
            return latex_name(expr.name)
        pairs = zip(self.jets.coordinates, jet.orders, strict=True)
        partials = "".join(self._partial(c, n) for c, n in pairs if n)
        return f"{partials} {latex_name(jet.field)}".strip()

    def _partial(self, coordinate: sympy.Basic, order: int) -> str:
        power = f"^{{{order}}}" if order > 1 else ""
        return rf"\partial_{{{self._print(coordinate)}}}{power}"

    def _is_prefixed(self, node: sympy.Basic) -> bool:
        """Whether a node prints with an operator in front, which binds less than a power."""
        if isinstance(node, sympy.Derivative):
            return True
        if isinstance(node, AppliedUndef):
            return node.func.__name__ in _PREFIXED
        jet = self.jets.jet_of(node) if self.jets is not None else None
        return jet is not None and jet.order > 0

    def parenthesize(self, item, level, is_neg=False, strict=False):
        if self._is_prefixed(item) and level >= PRECEDENCE["Pow"]:
            return _wrapped(self._print(item))
        return super().parenthesize(item, level, is_neg=is_neg, strict=strict)

    def _needs_mul_brackets(self, expr, first=False, last=False):
        if self._is_prefixed(expr):
            return not last
        return super()._needs_mul_brackets(expr, first=first, last=last)

    # -- operators ------------------------------------------------------------------------

    def _print_Function(self, expr, exp=None):  # noqa: N802
        if not isinstance(expr, AppliedUndef):
            return super()._print_Function(expr, exp)
        return self._print_AppliedUndef(expr, exp)

    def _print_AppliedUndef(self, expr, exp=None):  # noqa: N802
        name = expr.func.__name__
        parts = component_parts(expr)
        if parts is not None:
            inner = self._component_of(parts, expr.args)
            return inner if exp is None else f"{_wrapped(inner)}^{{{exp}}}"
        if name in OPERATORS or name in (
            "exact",
            "integral",
            "average",
            "minimum",
            "maximum",
            "norm",
        ):
            inner = self._operator(name, expr.args)
            return inner if exp is None else f"{_wrapped(inner)}^{{{exp}}}"
        inner = latex_name(name)
        mode = MODES.get(name)
        if mode is not None and len(expr.args) == len(mode.degrees) + len(mode.angles):
            count = len(mode.degrees)
            degrees = ",".join(self._print(a) for a in expr.args[:count])
            angles = ", ".join(self._print(a) for a in expr.args[count:])
            letter = mode.latex or inner
            inner = rf"{letter}_{{{degrees}}}\left({angles}\right)"
            return inner if exp is None else f"{_wrapped(inner)}^{{{exp}}}"
        return inner if exp is None else f"{inner}^{{{exp}}}"

    def _component_of(
        self, parts: tuple[str, tuple[str, ...], tuple[int, ...]], arguments: Sequence[Any]
    ) -> str:
        """`g^{tt}`, `Γ^{r}{}_{tt}`, with runs of indices on one side together."""
        name, sides, positions = parts
        text = latex_name(name)
        previous = ""
        for side, position in zip(sides, positions, strict=True):
            letter = latex_name(arguments[position].name)
            if side != previous:
                text += ("}{}" if previous else "") + ("^{" if side == "up" else "_{")
            else:
                text += " "
            text += letter
            previous = side
        return text + "}"

    def _operand(self, node: sympy.Basic) -> str:
        text = self._print(node)
        return _wrapped(text) if isinstance(node, sympy.Add | sympy.Mul) else text

    def _operator(self, name: str, arguments: tuple[Any, ...]) -> str:
        match name:
            case "grad" | "lap" | "dn" | "advect" | "div" if self._of_vector(name, arguments):
                return self._component_of_vector(name, arguments)
            case "grad" if len(arguments) == 2 and arguments[1].is_Integer:
                return (
                    rf"\partial_{{{self._coordinate(arguments[1])}}} {self._operand(arguments[0])}"
                )
            case "div":
                return rf"\nabla\cdot {self._vector(arguments)}"
            case "curl" if len(arguments) == 4:
                inner = rf"\nabla\times {self._vector(arguments[:3])}"
                return rf"\left({inner}\right)_{{{self._coordinate(arguments[3])}}}"
            case "curl":
                return rf"\nabla\times {self._vector(arguments)}"
            case "advect":
                velocity = self._vector(arguments[:-1])
                return rf"\left({velocity}\cdot\nabla\right) {self._operand(arguments[-1])}"
            case "lap":
                inner = arguments[0]
                if isinstance(inner, AppliedUndef) and inner.func.__name__ == "lap":
                    return rf"\nabla^{{4}} {self._operand(inner.args[0])}"
                return rf"\nabla^{{2}} {self._operand(inner)}"
            case "integral":
                return rf"\int_\Omega {self._operand(arguments[0])}"
        operator = OPERATORS.get(name)
        if operator is not None and operator.latex:
            return f"{operator.latex} {self._operand(arguments[0])}"
        return rf"\operatorname{{{name}}}{_wrapped(', '.join(self._print(a) for a in arguments))}"

    def _of_vector(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Whether an operator of a vector gives one component, as it does with a metric."""
        operands, numbers = split_arguments(name, arguments, len(self.space))
        return bool(numbers) and len(operands[-1]) > 1

    def _component_of_vector(self, name: str, arguments: tuple[Any, ...]) -> str:
        operands, numbers = split_arguments(name, arguments, len(self.space))
        texts = [self._vector(parts) for parts in operands]
        sign = OPERATORS[name].latex
        if name == "advect":
            sign = rf"\left({texts[0]}\cdot\nabla\right)"
        places = " ".join(self._coordinate(n) for n in numbers)
        return rf"\left({sign} {texts[-1]}\right)^{{{places}}}"

    def _coordinate(self, number: Any) -> str:
        position = int(number) - 1
        return latex_name(self.space[position]) if position < len(self.space) else str(number)

    def _vector(self, parts: tuple[Any, ...]) -> str:
        """A vector by its name, as κ ∇e, or by its components."""
        if parts in self.vectors:
            return rf"\mathbf{{{self.vectors[parts]}}}"
        scaled = self._gradient(parts)
        if scaled is not None:
            return scaled
        return _wrapped(r",\ ".join(self._print(p) for p in parts))

    def _gradient(self, parts: tuple[Any, ...]) -> str | None:
        """`(κ ∇e)` for components κ grad(e, i), None for any other vector."""
        found = scaled_gradient(parts)
        if found is None or len(parts) != len(self.space):
            return None
        factor, field = found
        gradient = rf"\nabla {self._operand(field)}"
        if factor == 1:
            return gradient
        text = self._print(factor)
        if isinstance(factor, sympy.Add) or self._is_prefixed(factor):
            text = _wrapped(text)
        return _wrapped(f"{text} {gradient}")

    def _print_Derivative(self, expr):  # noqa: N802
        partials = "".join(self._partial(v, int(n)) for v, n in expr.variable_count)
        return f"{partials} {self._operand(expr.expr)}"

    def _print_Heaviside(self, expr, exp=None):  # noqa: N802
        inner = rf"\operatorname{{step}}{_wrapped(self._print(expr.args[0]))}"
        return inner if exp is None else f"{inner}^{{{exp}}}"


def _region(spec: RegionSpec, printer: MathPrinter) -> str:
    match spec.kind:
        case "all":
            return r"\partial\Omega"
        case "part":
            return rf"\text{{{spec.name}}}".replace("_", r"\_")
        case "shape":
            return rf"\partial {latex_name(spec.name)}"
    left, right = spec.sides()
    return f"{printer.doprint(left)} {spec.operator} {printer.doprint(right)}"


def _problem_printer(problem: Problem) -> MathPrinter:
    """A printer that knows the vectors and coordinates of a problem."""
    vectors: dict[tuple[sympy.Expr, ...], str] = {
        tuple(f.applied(i) for i in range(len(f.components))): latex_name(f.name)
        for f in problem.fields
        if f.rank and not f.indices
    }
    return MathPrinter([c.name for c in problem.space], vectors)


def equation_latex(problem: Problem, equation: Equation) -> str:
    """One equation or condition of a problem, without dollar signs."""
    printer = _problem_printer(problem)
    left, right, where = _equation(problem, equation, printer)
    return f"{left} = {right}" + where.replace(" &&", r"\quad")


def _equation(problem: Problem, equation: Equation, printer: MathPrinter) -> tuple[str, str, str]:
    """Both sides, and where a condition holds."""
    time, where = problem.time, ""
    if isinstance(equation, Condition) and equation.regions:
        where = r" && \text{on }\ " + r",\ ".join(_region(r, printer) for r in equation.regions)
    elif isinstance(equation, Condition) and time is not None and time.lower is not None:
        start = f"{printer.doprint(time.symbol)} = {printer.doprint(time.lower)}"
        where = rf" && \text{{at }}\ {start}"
    return printer.doprint(equation.lhs), printer.doprint(equation.rhs), where


def to_latex(problem: Problem) -> str:
    """The equations and conditions of a problem, aligned, as display mathematics."""
    printer = _problem_printer(problem)
    lines = []
    names = {
        f.components[i]: f.applied(i) for f in problem.fields for i in range(len(f.components))
    }
    for equation in problem.equations:
        lines.append(f"{printer.doprint(equation.lhs)} &= {printer.doprint(equation.rhs)}")
    for given in problem.reduction:
        lines.append(f"{printer.doprint(names[given.field])} &= {printer.doprint(given.value)}")
    for equation in (*problem.boundary, *problem.integrals, *problem.initial):
        left, right, where = _equation(problem, equation, printer)
        lines.append(f"{left} &= {right}{where}")
    body = " \\\\\n".join(lines)
    return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"
