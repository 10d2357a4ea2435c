"""MathML from the LaTeX that pdesl prints, so that a page shows formulas without any network.

It reads the part of LaTeX's mathematics that `symbolic.latex` and SymPy's printer write: names,
numbers, signs, fractions, roots, scripts, brackets that grow, `aligned` and matrices.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

__all__ = ["UnknownLatexError", "to_mathml"]

_TOKEN = re.compile(r"\s+|\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|.", re.DOTALL)

_SIGNS = {
    "cdot": "·", "times": "×", "otimes": "⊗", "partial": "∂", "nabla": "∇", "Box": "□", "in": "∈",
    "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "approx": "≈", "pm": "±",
    "int": "∫", "iint": "∬", "sum": "∑", "to": "→", "infty": "∞", "lfloor": "⌊", "rfloor": "⌋",
    "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩", "ldots": "…", "dots": "…", "mid": "|",
    "vee": "∨", "wedge": "∧", "neg": "¬", "colon": ":", "Delta": "Δ", "circ": "∘", "lt": "<",
    "gt": ">", "cup": "∪", "cap": "∩", "setminus": "∖", "lVert": "‖", "rVert": "‖", "lvert": "|",
    "rvert": "|", "vert": "|", "Vert": "‖", "prime": "′", "ell": "ℓ", "hbar": "ħ", "top": "⊤",
}  # fmt: skip
_NAMES = frozenset(
    ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch",
     "arcsin", "arccos", "arctan", "asin", "acos", "atan", "asinh", "acosh", "atanh", "log", "ln",
     "exp", "min", "max", "det", "lim", "arg", "sign", "sgn", "erf", "Re", "Im")
)  # fmt: skip
_SPACES = {"\\ ": 0.3, "\\,": 0.17, "\\;": 0.28, "\\:": 0.22, "\\quad": 1.0, "\\qquad": 2.0}
_STYLES = {"mathrm": "normal", "operatorname": "normal", "mathit": "italic", "mathbf": "bold"}
_GREEK = {
    "varepsilon": "ε", "epsilon": "ϵ", "varphi": "φ", "phi": "ϕ", "vartheta": "ϑ", "varsigma": "ς",
    "varrho": "ϱ", "lambda": "λ",
}  # fmt: skip
_TABLES = {
    "matrix": "",
    "array": "",
    "smallmatrix": "",
    "pmatrix": "(",
    "bmatrix": "[",
    "cases": "{",
}


class UnknownLatexError(ValueError):
    """Something that is outside of the part of LaTeX that is read."""


def to_mathml(latex: str, *, display: bool = True) -> str:
    """A `<math>` element for a formula, with or without dollar signs around it.

    Raises:
        UnknownLatexError: a command or an environment that is not known.
    """
    text = latex.strip().strip("$").strip()
    reader = _Reader(_TOKEN.findall(text), text)
    body = reader.row(lambda: reader.done)
    style = ' display="block"' if display else ""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"{style}>{body}</math>'


def _greek(name: str) -> str | None:
    if name in _GREEK:
        return _GREEK[name]
    case = "CAPITAL" if name[:1].isupper() else "SMALL"
    words = name.upper().replace("LAMBDA", "LAMDA")
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {words}")
    except KeyError:
        return None


@dataclass(slots=True)
class _Reader:
    tokens: list[str]
    text: str
    place: int = 0

    @property
    def done(self) -> bool:
        while self.place < len(self.tokens) and self.tokens[self.place].isspace():
            self.place += 1
        return self.place >= len(self.tokens)

    @property
    def next(self) -> str:
        return "" if self.done else self.tokens[self.place]

    def take(self, wanted: str = "") -> str:
        if self.done or (wanted and self.next != wanted):
            raise UnknownLatexError(f"`{wanted or 'something'}` is missing in {self.text!r}")
        self.place += 1
        return self.tokens[self.place - 1]

    def row(self, end: Callable[[], bool]) -> str:
        """Atoms with their scripts up to an end, as one element."""
        parts: list[str] = []
        while not self.done and not end():
            parts.append(self.scripted())
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    def scripted(self) -> str:
        base = "<mrow></mrow>" if self.next in ("^", "_") else self.atom()
        scripts: dict[str, str] = {}
        while self.next in ("^", "_", "'"):
            sign = self.take()
            if sign == "'":
                scripts["^"] = "<mo>′</mo>"
            else:
                scripts[sign] = self.argument()
        if set(scripts) == {"^", "_"}:
            return f"<msubsup>{base}{scripts['_']}{scripts['^']}</msubsup>"
        if "^" in scripts:
            return f"<msup>{base}{scripts['^']}</msup>"
        if "_" in scripts:
            return f"<msub>{base}{scripts['_']}</msub>"
        return base

    def argument(self) -> str:
        if self.next != "{":
            return self.atom()
        self.take("{")
        inside = self.row(lambda: self.next == "}")
        self.take("}")
        return inside

    def words(self) -> str:
        """The text of a group, with the spaces that were written."""
        self.take("{")
        depth, parts = 1, []
        while True:
            if self.place >= len(self.tokens):
                raise UnknownLatexError(f"`}}` is missing in {self.text!r}")
            token = self.tokens[self.place]
            self.place += 1
            depth += {"{": 1, "}": -1}.get(token, 0)
            if not depth:
                return "".join(parts)
            if token not in "{}":
                parts.append(
                    "\u00a0" if token in ("\\ ", "~") or token.isspace() else token.lstrip("\\")
                )

    def atom(self) -> str:
        token = self.take()
        if token == "{":
            self.place -= 1
            return self.argument()
        if token in _SPACES:
            return f'<mspace width="{_SPACES[token]}em"></mspace>'
        if token.startswith("\\"):
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        if token == "~":
            return '<mspace width="0.3em"></mspace>'
        if token in "()[]|":
            return f'<mo stretchy="false">{token}</mo>'
        return f"<mo>{escape({'-': '−', '*': '∗'}.get(token, token))}</mo>"

    def command(self, name: str) -> str:
        if name in ("frac", "dfrac", "tfrac"):
            above, below = self.argument(), self.argument()
            return f"<mfrac>{above}{below}</mfrac>"
        if name == "sqrt":
            return self.root()
        if name == "left":
            return self.brackets()
        if name == "begin":
            return self.environment(self.words())
        if name in ("text", "textbf", "textrm"):
            return f"<mtext>{escape(self.words())}</mtext>"
        if name in _STYLES:
            variant = _STYLES[name]
            style = ' mathvariant="normal"' if variant == "normal" else ""
            return f"<mi{style}>{escape(self.words())}</mi>"
        if name in ("overline", "bar"):
            return f'<mover accent="true">{self.argument()}<mo>¯</mo></mover>'
        if name in ("hat", "tilde", "dot", "ddot", "vec"):
            sign = {"hat": "^", "tilde": "~", "dot": "˙", "ddot": "¨", "vec": "→"}[name]
            return f'<mover accent="true">{self.argument()}<mo>{sign}</mo></mover>'
        if name in ("limits", "displaystyle", "nolimits"):
            return ""
        if name in _SIGNS:
            tag = "mi" if name in ("infty", "ell", "hbar") else "mo"
            return f"<{tag}>{escape(_SIGNS[name])}</{tag}>"
        if name in _NAMES:
            return f"<mi>{name}</mi>"
        if name in ("{", "}", "|", "_", "%", "#", "&", "!"):
            return "" if name == "!" else f"<mo>{escape({'|': '‖'}.get(name, name))}</mo>"
        letter = _greek(name)
        if letter is None:
            raise UnknownLatexError(f"`\\{name}` in {self.text!r}")
        variant = ' mathvariant="normal"' if name[:1].isupper() else ""
        return f"<mi{variant}>{letter}</mi>"

    def root(self) -> str:
        if self.next != "[":
            return f"<msqrt>{self.argument()}</msqrt>"
        self.take("[")
        degree = self.row(lambda: self.next == "]")
        self.take("]")
        return f"<mroot>{self.argument()}{degree}</mroot>"

    def bracket(self) -> str:
        token = self.take().removeprefix("\\")
        sign = {".": "", "|": "|"}.get(token, _SIGNS.get(token, token))
        return f'<mo stretchy="true">{escape(sign)}</mo>' if sign else ""

    def brackets(self) -> str:
        opening = self.bracket()
        inside = self.row(lambda: self.next == "\\right")
        self.take("\\right")
        return f"<mrow>{opening}{inside}{self.bracket()}</mrow>"

    def environment(self, name: str) -> str:
        if name not in _TABLES and name not in ("aligned", "align*", "gathered"):
            raise UnknownLatexError(f"the environment `{name}` in {self.text!r}")
        if name == "array":
            self.words()
        ends = ("&", "\\\\", "\\end")
        rows: list[list[str]] = [[]]
        while True:
            rows[-1].append(self.row(lambda: self.next in ends))
            token = self.take()
            if token == "\\\\":
                if self.next == "\\end":
                    self.take()
                    break
                rows.append([])
            elif token == "\\end":
                break
        self.words()
        aligned = name not in _TABLES
        table = "".join(
            "<mtr>" + "".join(_cell(c, k, aligned=aligned) for k, c in enumerate(row)) + "</mtr>"
            for row in rows
        )
        body = f'<mtable displaystyle="{"true" if aligned else "false"}">{table}</mtable>'
        opening = _TABLES.get(name, "")
        closing = {"(": ")", "[": "]"}.get(opening, "")
        around = [f'<mo stretchy="true">{b}</mo>' if b else "" for b in (opening, closing)]
        return f"<mrow>{around[0]}{body}{around[1]}</mrow>" if opening else body


def _cell(content: str, column: int, *, aligned: bool) -> str:
    if not aligned:
        return f"<mtd>{content}</mtd>"
    side = "right" if column == 0 else "left"
    before = 1.0 if column >= 2 else 0.25 if column else 0.0
    return f'<mtd style="text-align: {side}; padding: 0.15em 0 0.15em {before}em">{content}</mtd>'
