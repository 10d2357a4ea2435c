"""Names: their canonical form, their Greek and ASCII twins, look-alikes, and "did you mean".

The canonical form of a name is its NFKC form in which every part that spells a Greek letter is
that letter: `kappa_1` and `κ_1` are one name, `κ_1`. A part is a run of ASCII letters, so
`alphabet` stays as it is; `dtheta` and `dφ` (as in `ds² = … + dφ²`) are twins too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = [
    "ELSEWHERE",
    "CYRILLIC_TWINS",
    "ELEMENTARY_FUNCTIONS",
    "GREEK",
    "LOOKALIKES",
    "ascii_name",
    "canonical_name",
    "index_names",
    "is_name",
    "suggest",
]

# What other programs call operators and functions, in lower case.
ELSEWHERE = {
    "laplacian": "lap", "laplace": "lap", "del2": "lap", "gradient": "grad", "nabla": "grad",
    "divergence": "div", "rot": "curl", "dalembertian": "box", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "heaviside": "step", "normal_derivative": "dn",
}  # fmt: skip

#: ASCII name to Greek letter. Omicron is left out: it cannot be told from a Latin o.
GREEK: dict[str, str] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ",
    "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ",
    "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip

# `dpi` is left out because it is the resolution of a picture far more often than dπ.
_DIFFERENTIALS = {f"d{name}": f"d{letter}" for name, letter in GREEK.items() if name != "pi"}
_TO_GREEK = {**GREEK, **_DIFFERENTIALS}
_TO_ASCII = {letter: name for name, letter in _TO_GREEK.items()}

#: Characters that look like one of the language, and the one that is meant.
LOOKALIKES: dict[str, str] = {
    "\u00b5": "μ",  # micro sign
    "\u03f5": "ε",  # lunate epsilon
    "\u2206": "Δ",  # increment
    "\u2126": "Ω",  # ohm sign
    "\u22c5": "·",  # dot operator
    "\u2219": "·",  # bullet operator
    "\u2022": "·",  # bullet
    "\u2027": "·",  # hyphenation point
    "\u30fb": "·",  # katakana middle dot
    "\u0387": "·",  # Greek ano teleia
    "\u2217": "*",  # asterisk operator
    "\u2013": "-",  # en dash
    "\u2010": "-",  # hyphen
    "\u2011": "-",  # no-break hyphen
    "\u2a2f": "×",  # vector product
    "\u2215": "/",  # division slash
    "\u2044": "/",  # fraction slash
    "\u2208\ufe00": "∈",
    "\u220a": "∈",  # small element of
    "\u03f1": "ρ",
    "\u03d5": "φ",
    "\u03d1": "θ",
    "\u03d6": "π",
}

#: Cyrillic letters that cannot be told from a Latin or a Greek one.
CYRILLIC_TWINS: dict[str, str] = dict(
    zip("аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅ", "aeopcyxijsdhqwABEKMHOPCTXIJS", strict=True)
)

#: Functions that no file has to declare and that paper writes without brackets or with a power.
ELEMENTARY_FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "sech",
        "asinh",
        "acosh",
        "atanh",
        "exp",
        "log",
        "ln",
        "log10",
        "log2",
        "sqrt",
        "cbrt",
        "abs",
        "sign",
        "erf",
        "erfc",
        "gamma",
        "max",
        "min",
        "norm",
    ]
)

# Functions whose name spells a Greek letter: where the file declares no such letter, a call
# keeps the name of the function.
_GREEK_FUNCTIONS = frozenset({"gamma", "beta", "zeta"})

_WORD = re.compile(r"[A-Za-z]+")
_INDEX = re.compile(r"[^\W\d_]\d*|\d")


def _greek_part(match: re.Match[str]) -> str:
    return _TO_GREEK.get(match.group(), match.group())


def canonical_name(text: str, *, function: bool = False, declared: Iterable[str] = ()) -> str:
    """The one spelling of a name that the tree holds.

    Arguments:
        text: the name as written, with dots for members.
        function: the name stands before the bracket of a call.
        declared: the canonical names that the file declares.
    """
    name = text
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name).replace("\u2206", "Δ")
    if function and name in _GREEK_FUNCTIONS and GREEK[name] not in declared:
        return name
    return _WORD.sub(_greek_part, name)


def ascii_name(name: str) -> str | None:
    """The ASCII twin of a canonical name, or None where there is none that reads back as it."""
    if name.isascii():
        return name
    parts = re.split(r"([._]|\d+)", name)
    twin = "".join(_TO_ASCII.get(part, part) for part in parts)
    return twin if twin.isascii() and canonical_name(twin) == name else None


def index_names(text: str) -> list[str]:
    """The indices that stand in braces: `μν` and `mu nu` are two, `x1` is one, `foo,` is one.

    An empty list where something else stands there.
    """
    text = text.strip()
    if "," in text or " " in text:
        names = [canonical_name(part) for part in re.split(r"[\s,]+", text) if part]
        return names if all(re.fullmatch(r"\w+", name) for name in names) else []
    plain = canonical_name(text)
    if re.fullmatch(r"[^\W\d_]\d*", plain):
        return [plain]
    names = _INDEX.findall(plain)
    return names if "".join(names) == plain else []


def is_name(text: str) -> bool:
    """Whether a text is one name without dots (superscripts are no part of names)."""
    plain = unicodedata.normalize("NFKC", text)
    return plain.isidentifier() and not any(c in "⁰¹²³⁴⁵⁶⁷⁸⁹ªº" for c in text)


def _distance(a: str, b: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap of neighbours) from a to b, at most `limit` + 1."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return previous[-1]


def _fold(name: str) -> str:
    """A name without what is easily confused: Greek letters by name, case, underscores."""
    plain = canonical_name(name)
    plain = "".join(CYRILLIC_TWINS.get(c, c) for c in plain)
    return "".join(_TO_ASCII.get(c, c) for c in plain).replace("_", "").casefold()


def _without_marks(name: str) -> str:
    return name.replace("_", "").casefold()


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant by an unknown name, or None.

    First the twins (Greek or ASCII, case, underscores, look-alikes), then the nearest by edits:
    one in names of three to five letters, two in longer ones, three from nine letters on.
    """
    if len(name) > 100:
        return None
    # A Greek letter counts as one: ψ is as far from π as from any other letter.
    plain = canonical_name(name)
    written = _fold if plain.isascii() else _without_marks
    folded, own = _fold(name), written(plain)
    best: tuple[int, str] | None = None
    for candidate in dict.fromkeys(candidates):
        if _fold(candidate) == folded:
            return candidate
        other = written(canonical_name(candidate))
        length = max(len(own), len(other))
        limit = 0 if length < 3 else 1 if length <= 5 else 2 if length <= 8 else 3
        distance = _distance(own, other, limit)
        if distance <= limit and (best is None or distance < best[0]):
            best = (distance, candidate)
    return best[1] if best else None
