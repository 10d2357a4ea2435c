"""Operators on vectors and tensors of space in a metric, by contravariant components.

Each takes the metric of space, its Christoffel symbols, and the rule by which an expression is
differentiated along the axis of a position in space; a vector is its components v^i, a tensor the
rows of its components T^{ij}.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from pdesl.symbolic.metric import Metric
from pdesl.symbolic.tensors import (
    DOWN,
    UP,
    Derivative,
    Symbols,
    Tensor,
    contract,
    covariant_derivative,
    raised,
)  # fmt: skip

__all__ = ["along_vector", "tensor_divergence", "unit_normal", "vector_gradient",
           "vector_laplacian"]  # fmt: skip

Scalar = sympy.Expr


def vector_gradient(
    metric: Metric, symbols: Symbols, vector: Sequence[Scalar], derivative: Derivative
) -> Tensor:
    """(∇v)^{ij} = g^{jk} ∇_k v^i, the row i of component i."""
    own = Tensor.of((UP,), vector, len(vector))
    slope = covariant_derivative(own, symbols, derivative)
    return raised(slope, 0, metric).transposed((1, 0))


def vector_laplacian(
    metric: Metric, symbols: Symbols, vector: Sequence[Scalar], derivative: Derivative
) -> tuple[Scalar, ...]:
    """∇_j ∇^j v^i, the Laplacian of the connection."""
    own = Tensor.of((UP,), vector, len(vector))
    slope = covariant_derivative(own, symbols, derivative)
    second = covariant_derivative(slope, symbols, derivative)
    result = contract(raised(second, 0, metric), 0, 1)
    return tuple(result[i] for i in range(len(vector)))


def tensor_divergence(
    symbols: Symbols, rows: Sequence[Sequence[Scalar]], derivative: Derivative
) -> tuple[Scalar, ...]:
    """∇_j T^{ij}."""
    own = Tensor.of((UP, UP), rows, len(rows))
    result = contract(covariant_derivative(own, symbols, derivative), 0, 2)
    return tuple(result[i] for i in range(len(rows)))


def along_vector(
    symbols: Symbols, direction: Sequence[Scalar], vector: Sequence[Scalar], derivative: Derivative
) -> tuple[Scalar, ...]:
    """w^j ∇_j v^i."""
    own = Tensor.of((UP,), vector, len(vector))
    slope = covariant_derivative(own, symbols, derivative)
    size = range(len(vector))
    return tuple(sympy.Add(*(direction[j] * slope[j, i] for j in size)) for i in size)


def unit_normal(metric: Metric, normal: Sequence[Scalar], side: str = UP) -> tuple[Scalar, ...]:
    """n^i or n_i of unit length in a metric, along the covector of the chart's normal."""
    size = range(len(normal))
    square = sympy.Add(*(metric.inverse[i, j] * normal[i] * normal[j] for i in size for j in size))
    length = sympy.sqrt(square)
    if side == DOWN:
        return tuple(part / length for part in normal)
    return tuple(
        sympy.Add(*(metric.inverse[i, j] * normal[j] for j in size)) / length for i in size
    )
