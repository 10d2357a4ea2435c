"""Values at the nodes of a graph in `closure:`, `ω = load("oscillators.csv")`, as they are stated.

The file holds the quantity of that name, or of `name`; `columns=8` makes a vector of the columns of
a table (nodes, 8), `column=3` takes one of them.
"""

from __future__ import annotations

from pdesl.language import ast
from pdesl.symbolic.problem import Choice, Closure
from pdesl.symbolic.scope import mistake

__all__ = ["read_table", "table_members"]

MOST_COLUMNS = 10_000
_EXAMPLE = 'ω = load("oscillators.csv")'


def table_members(name: str, call: ast.Call) -> tuple[str, ...]:
    """The names of the closures that a declaration makes: its own, or one for each column.

    Raises `Mistake` for a number of columns that cannot be.
    """
    columns = _count(call, "columns") if call.function == "load" else None
    return (name,) if columns is None else tuple(f"{name}_{k + 1}" for k in range(columns))


def read_table(name: str, relation: ast.Relation, call: ast.Call) -> list[Closure]:
    """The closures of `name = load("file", name=…, column=…)`. Raises `Mistake`."""
    given = [k for k in call.keywords if k.name not in ("name", "column", "columns")]
    if given:
        raise mistake("E502", f"`load` has no option `{given[0].name}` here", given[0].span,
                      "it has `name`, `column` and `columns`")  # fmt: skip
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], ast.String):
        raise mistake("E505", "values of nodes come from a file", call.span, _EXAMPLE)
    quantity = name
    for keyword in call.keywords:
        if keyword.name == "name":
            if not isinstance(keyword.value, ast.String):
                raise mistake("E503", "`name` must be the name of a quantity, in quotes",
                              keyword.span, 'name="features"')  # fmt: skip
            quantity = keyword.value.value
    first = _count(call, "column") or 1
    spans = {k.name: k.span for k in call.keywords}
    found = []
    for number, member in enumerate(table_members(name, call)):
        options = (
            ("file", call.arguments[0].value), ("name", quantity), ("column", first + number)
        )  # fmt: skip
        network = Choice("load", options, (), spans, span=call.span)
        found.append(Closure(member, network, (), span=relation.span))
    return found


def _count(call: ast.Call, name: str) -> int | None:
    for keyword in call.keywords:
        if keyword.name == name:
            text = keyword.value.text if isinstance(keyword.value, ast.Number) else ""
            if not text.isdigit() or not 1 <= int(text) <= MOST_COLUMNS:
                raise mistake("E503", f"`{name}` is a whole number from 1 to {MOST_COLUMNS:,}",
                              keyword.span, f"{name}=8")  # fmt: skip
            return int(text)
    return None
