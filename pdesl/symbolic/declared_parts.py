"""Questions about the syntax of declarations: what they name, and what they need."""

from __future__ import annotations

import sympy

from pdesl.language import ast
from pdesl.symbolic.blocks import refuse_regions
from pdesl.symbolic.scope import mistake

__all__ = ["as_tuple", "declared_name", "defined_name", "has_indices", "names"]


def defined_name(statement: ast.Statement, block: str) -> tuple[str, ast.Relation]:
    if isinstance(statement, ast.Relation) and statement.operator == "=":
        refuse_regions(statement)
        if isinstance(statement.left, ast.Name):
            return statement.left.identifier, statement
        if isinstance(statement.left, ast.Call) and block == "let":
            return statement.left.function, statement
        if isinstance(statement.left, ast.Indexed) and block == "let":
            return statement.left.name, statement
    raise mistake("E330", f"a line of `{block}:` defines a name", statement.span,
                  "write `name = value`")  # fmt: skip


def declared_name(node: ast.Expression) -> str:
    """The name of `u(t, x)`, or of `u`; empty for anything else."""
    if isinstance(node, ast.Call):
        return node.function
    if isinstance(node, ast.Indexed | ast.IndexedField):
        return node.name
    return node.identifier if isinstance(node, ast.Name) else ""


def names(node: object) -> set[str]:
    """Every identifier in a syntax tree."""
    found: set[str] = set()
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Name):
            found.add(item.identifier)
        elif isinstance(item, ast.Call):
            found.add(item.function)
        elif isinstance(item, ast.Indexed):
            found.add(item.name)
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, ast.Node):
            stack.extend(getattr(item, name) for name in item.__match_args__)
    return found


def has_indices(relation: ast.Relation) -> bool:
    """Whether index notation stands in a definition."""
    stack: list[object] = [relation.left, relation.right]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Indexed | ast.IndexDerivative):
            return True
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, ast.Node):
            stack.extend(getattr(item, name) for name in item.__match_args__)
    return False


def as_tuple(matrix: sympy.MatrixBase) -> tuple:
    if matrix.cols == 1:
        return tuple(matrix)  # pyright: ignore[reportArgumentType]
    return tuple(tuple(matrix.row(i)) for i in range(matrix.rows))
