"""Fields with indices: `A_{μ}(t, x, y, z) : tensor`, `h_{ij}(t, x, y) : tensor(symmetric)`.

The letters of a declaration say which way an index stands and whether it runs over all
coordinates (Greek) or over space (Latin). A field has a scalar function for each component that
its symmetry leaves independent, `A_t`, `A_x`, …, `h_xx`, `h_xy`, `h_yy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import sympy

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.symbolic.index_values import is_latin, is_letter
from pdesl.symbolic.operators import NORMAL
from pdesl.symbolic.problem import Field
from pdesl.symbolic.scope import TensorEntry, mistake
from pdesl.symbolic.tensor_components import Geometry
from pdesl.symbolic.tensors import UP

__all__ = [
    "declared_symmetry", "index_letters", "matrix_entry", "normal_entry", "tensor_entry",
    "tensor_field",
]  # fmt: skip

_SYMMETRIES = {"symmetric": 1, "antisymmetric": -1}
MAXIMUM_COMPONENTS = 256


def declared_symmetry(node: ast.Expression) -> str | None:
    """The symmetry in `tensor` or `tensor(symmetric)`, None for another type. Raises `Mistake`."""
    if node == ast.Name("tensor"):
        return ""
    if not isinstance(node, ast.Call) or node.function != "tensor":
        return None
    words = [a.identifier for a in node.arguments if isinstance(a, ast.Name)]
    if len(words) != 1 or words[0] not in _SYMMETRIES or node.keywords or len(node.arguments) > 1:
        raise mistake("E318", "a tensor is `symmetric`, `antisymmetric`, or neither", node.span,
                      "h_{ij}(x, y) : tensor(symmetric)", "F_{ij}(x, y) : tensor")  # fmt: skip
    return words[0]


def tensor_field(
    node: ast.IndexedField,
    own: Sequence[str],
    symmetry: str,
    unit: str | None,
    geometry: Geometry,
) -> tuple[Field, TensorEntry]:
    """The field of a declaration, and its components by their indices. Raises `Mistake`."""
    names = [c.name for c in geometry.coordinates]
    letters = [name for _, name in node.indices]
    for letter in letters:
        if not is_letter(letter) or letter in names:
            raise mistake(
                "E355", f"`{letter}` is no letter of an index", node.span,
                "a Greek letter runs over all coordinates, a Latin one over space, "
                f"`{node.name}_{{μ}}`",
            )  # fmt: skip
    if len(set(letters)) < len(letters):
        raise mistake("E352", "an index of a declaration stands twice", node.span,
                      "give each index a letter of its own")  # fmt: skip
    alike = len({(side, is_latin(name)) for side, name in node.indices}) == 1
    if symmetry and not (len(letters) == 2 and alike):
        raise mistake(
            "E318", f"a tensor that is {symmetry} has two indices of one kind on one side",
            node.span, f"{node.name}_{{ij}}(t, x, y) : tensor({symmetry})",
        )  # fmt: skip
    ranges = [geometry.space if is_latin(name) else geometry.everywhere for name in letters]
    places = _independent(ranges, symmetry)
    if len(places) > MAXIMUM_COMPONENTS:
        raise mistake("E306", f"`{node.name}` has {len(places)} components", node.span,
                      f"write a tensor of at most {MAXIMUM_COMPONENTS}")  # fmt: skip
    glue = "" if all(len(n) == 1 and n.isascii() for n in names) else "_"
    parts = tuple(f"{node.name}_{glue.join(names[p] for p in positions)}" for positions in places)
    entry = Field(
        node.name, tuple(own), len(letters), "unknown", parts, unit, node.indices, symmetry,
        span=node.span,
    )  # fmt: skip
    return entry, tensor_entry(entry, geometry)


def _independent(ranges: Sequence[Sequence[int]], symmetry: str) -> list[tuple[int, ...]]:
    found = product(*ranges)
    if symmetry == "symmetric":
        return [p for p in found if p[0] <= p[1]]
    if symmetry == "antisymmetric":
        return [p for p in found if p[0] < p[1]]
    return list(found)


def tensor_entry(entry: Field, geometry: Geometry) -> TensorEntry:
    """The components of a field with indices, those that follow by symmetry included."""
    over_space = [is_latin(name) for _, name in entry.indices]
    ranges = [geometry.space if own else geometry.everywhere for own in over_space]
    entries: dict[tuple[int, ...], sympy.Expr] = {}
    for number, positions in enumerate(_independent(ranges, entry.symmetry)):
        applied = entry.applied(number)
        entries[positions] = applied
        if entry.symmetry and positions[0] != positions[1]:
            entries[positions[::-1]] = _SYMMETRIES[entry.symmetry] * applied
    sides = tuple(side for side, _ in entry.indices)
    apart = geometry.time is not None
    return TensorEntry(sides, tuple(own and apart for own in over_space), entries)


def matrix_entry(value: sympy.MatrixBase, geometry: Geometry) -> TensorEntry | None:
    """A vector or a square matrix over space: contravariant components; None for another size."""
    space, apart = geometry.space, geometry.time is not None
    if value.rows != len(space) or value.cols not in (1, len(space)):
        return None
    rank = 1 if value.cols == 1 else 2
    entries: dict[tuple[int, ...], sympy.Expr] = {}
    for i, j in product(range(value.rows), range(value.cols)):
        component: Any = value[i, j]
        if component != 0:
            entries[(space[i], space[j])[:rank]] = component
    return TensorEntry((UP,) * rank, (apart,) * rank, entries)


def normal_entry(side: str, geometry: Geometry) -> TensorEntry:
    """The outward normal n_i or n^i, of unit length in the metric of space."""
    entries = {(p,): geometry.component(NORMAL, (side,), (p,)) for p in geometry.space}
    return TensorEntry((side,), (geometry.time is not None,), entries)


def index_letters(node: ast.Indexed, span: Span | None) -> list[tuple[str, str]]:
    """The indices on the left of a definition, each a letter of its own. Raises `Mistake`."""
    letters = [name for _, name in node.indices]
    if len(set(letters)) < len(letters):
        raise mistake("E352", "an index on the left of a definition stands twice", span,
                      "give each index a letter of its own")  # fmt: skip
    return list(node.indices)
