"""Small questions about syntax trees."""

from __future__ import annotations

import math
from typing import Any

from pdesl.language import ast

__all__ = ["calls", "constant_value", "mentions", "shortened"]


def constant_value(node: Any) -> float | None:
    """The value of an expression of numbers alone, infinite where it overflows."""
    try:
        if isinstance(node, ast.Number):
            return float(node.text)
        if isinstance(node, ast.Negate):
            value = constant_value(node.operand)
            return None if value is None else -value
        if isinstance(node, ast.Binary):
            left, right = constant_value(node.left), constant_value(node.right)
            if left is None or right is None:
                return None
            value = {
                "+": lambda: left + right,
                "-": lambda: left - right,
                "*": lambda: left * right,
                "/": lambda: left / right,
                "^": lambda: left**right,
            }.get(node.operator, lambda: None)()
            return value if isinstance(value, float) else None
    except OverflowError:
        return math.inf
    except ZeroDivisionError:
        return None
    return None


def mentions(node: Any, names: set[str]) -> bool:
    """Whether one of the names stands in an expression."""
    if isinstance(node, ast.Name):
        return node.identifier in names
    return any(mentions(child, names) for child in _children(node))


def calls(node: Any, names: set[str]) -> bool:
    """Whether a function of one of the names is called in an expression."""
    if isinstance(node, ast.Call) and node.function in names:
        return True
    return any(calls(child, names) for child in _children(node))


def _children(node: Any) -> list[Any]:
    children: list[Any] = []
    if isinstance(node, ast.Binary | ast.Comparison):
        children = [node.left, node.right]
    elif isinstance(node, ast.Negate | ast.Derivative | ast.IndexDerivative):
        children = [node.operand]
    elif isinstance(node, ast.Call):
        children = [*node.arguments, *(k.value for k in node.keywords)]
    elif isinstance(node, ast.TupleLiteral | ast.ListLiteral):
        children = list(node.items)
    elif isinstance(node, ast.Subscript):
        children = [node.base, node.index]
    return children


def shortened(text: str) -> str:
    """A text on one line, with its middle left out where it is long."""
    plain = " ".join(text.split())
    return plain if len(plain) <= 60 else f"{plain[:40]} … {plain[-15:]}"
