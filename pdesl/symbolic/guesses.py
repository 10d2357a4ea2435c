"""Names without a meaning: what was probably meant by them, in the words of the language."""

from __future__ import annotations

from itertools import groupby

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.language.names import ELSEWHERE, suggest
from pdesl.symbolic.scope import Mistake, Scope, mistake

__all__ = ["unknown_call", "unknown_name"]

# What other programs call a derivative.
_DERIVATIVES = frozenset(("diff", "derivative", "deriv", "partial", "pdiff", "d"))
_UNITS = frozenset(
    ("m", "cm", "mm", "km", "s", "ms", "h", "kg", "g", "K", "Pa", "kPa", "MPa", "N", "J", "W", "V",
     "A", "mol", "Hz", "C", "T", "rad")
)  # fmt: skip
_POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def unknown_name(name: str, span: Span | None, scope: Scope, candidates: list[str]) -> Mistake:
    """A name that nothing declares (E201); it is reported once, wherever else it stands."""
    scope.poison((name,))
    guess = suggest(name, candidates)
    base, _, index = name.partition("_")
    if base in scope.tensors and index:
        guess = f"{base}_{{{index}}}"
    helps = (
        f"did you mean `{guess}`?"
        if guess
        else "declare it: a number under `parameters:`, an unknown under `fields:`, "
        "a formula under `let:`",
    )
    derivative = _derivative(name, scope)
    if derivative and not guess:
        helps = (f"a derivative is written `{derivative}`",)
    elif name in ("e", "E"):
        helps = ("write `exp(1)` for the number, and `exp(x)` for its powers",)
    elif name in _UNITS and not guess:
        helps = (f"a unit stands in square brackets, `1 [{name}]`", *helps)
    return mistake("E201", f"`{name}` is not declared", span, *helps)


def unknown_call(node: ast.Call, scope: Scope, candidates: list[str]) -> Mistake:
    """A function that nothing defines (E202); it is reported once, wherever else it stands."""
    name = node.function
    scope.poison((name,))
    guess = ELSEWHERE.get(name.lower()) or suggest(name, candidates)
    words = (
        f"did you mean `{guess}`?"
        if guess
        else "`pdesl list functions` shows them all; "
        f"define `{name}(…) = …` under `let:`, or write a product with a space, `{name} (…)`"
    )
    if name.lower() in _DERIVATIVES and not guess:
        along = node.arguments[1] if len(node.arguments) > 1 else None
        known = scope.names("coordinate") or ["x"]
        named = isinstance(along, ast.Name) and along.identifier in known
        coordinate = along.identifier if named else known[0]  # type: ignore[union-attr]
        what = node.arguments[0].span.text if node.arguments and node.arguments[0].span else "u"
        words = f"write `∂{coordinate} {what}` or `d{coordinate}({what})`"
    return mistake("E202", f"`{name}` is no known function", node.span, words)


def _derivative(name: str, scope: Scope) -> str:
    """`∂x²∂y u` for `u_xxy` or `uxxy`, where u has a value and x and y are coordinates."""
    coordinates = scope.names("coordinate")
    for place in range(len(name) - 1, 0, -1):
        base, rest = name[:place].rstrip("_"), name[place:].lstrip("_")
        if scope.kinds.get(base) not in ("field", "quantity") or not rest:
            continue
        signs = []
        for coordinate, group in groupby(rest):
            if coordinate not in coordinates:
                break
            order = len(list(group))
            signs.append(f"∂{coordinate}" + (str(order).translate(_POWERS) if order > 1 else ""))
        else:
            return f"{''.join(signs)} {base}"
    return ""
