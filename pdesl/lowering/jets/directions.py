"""Directions along which univariate series give partial derivatives (polarisation).

The derivative of order K along v is Σ_α (K!/α!) v^α ∂^α over the multi-indices of order K. A
homogeneous operator F = Σ_α c_α ∂^α is a combination of such derivatives,

    F = Σ_r w_r ∂_{v_r}^K    ⇔    Σ_r w_r (K!/α!) v_r^α = c_α  for all α of order K,

so every mixed partial has directions and weights. Fewer directions are cheaper: order 2 takes
the eigenvectors of the matrix of c (as many as its rank, which is least), powers of the Laplacian
take the directions of a spherical design; for other operators the least set of lattice directions
is searched.

Source: A. Griewank, J. Utke, A. Walther, Evaluating higher derivative tensors by forward
propagation of univariate Taylor series, Mathematics of Computation 69, 2000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, factorial, pi, prod, sqrt

import numpy as np

__all__ = ["DirectionPlan", "Operator", "directions_for"]

MultiIndex = tuple[int, ...]
Operator = Mapping[MultiIndex, float]
"""Σ c_α ∂^α with all |α| equal, as α → c_α."""

# Sets of directions that are tried one by one before the search turns to removing directions.
_MOST_SETS = 5_000
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class DirectionPlan:
    """Directions (R, d), and for each operator its order and its weights (R,)."""

    directions: np.ndarray
    orders: tuple[int, ...]
    weights: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.directions)


def directions_for(operators: Sequence[Operator]) -> DirectionPlan:
    """The least set of directions found for some homogeneous operators with constant coefficients.

    Args:
        operators: multi-indices of one length with their coefficients; each operator has one
            order, different operators may differ. Order 0 is the value and takes no direction.

    Raises:
        ValueError: no operators, an operator without terms, or terms of different orders.
    """
    orders = tuple(_order(operator) for operator in operators)
    lengths = {len(index) for operator in operators for index in operator}
    if len(lengths) != 1:
        raise ValueError("a plan needs operators with multi-indices of one length")
    (inputs,) = lengths
    moving = [n for n, order in enumerate(orders) if order]
    candidates = _candidates([operators[n] for n in moving], inputs)
    targets = [(orders[n], _coefficients(operators[n])) for n in moving]
    chosen = _least(candidates, targets) if moving else candidates[:0]
    solved = iter([_weights(chosen, *target)[0] for target in targets])
    weights = tuple(next(solved) if order else np.zeros(len(chosen)) for order in orders)
    return DirectionPlan(chosen, orders, weights)


def _order(operator: Operator) -> int:
    orders = {sum(index) for index in operator}
    if len(orders) != 1:
        raise ValueError("an operator needs terms, all of one order")
    return orders.pop()


def _coefficients(operator: Operator) -> dict[MultiIndex, float]:
    return {index: float(value) for index, value in operator.items() if value}


def _active(operator: Operator) -> tuple[int, ...]:
    return tuple(i for i in range(len(next(iter(operator)))) if any(a[i] for a in operator))


def _candidates(operators: Sequence[Operator], inputs: int) -> np.ndarray:
    """Directions to choose from; they always suffice."""
    found: dict[tuple[float, ...], None] = {}

    def add(vector: np.ndarray) -> None:
        size = np.abs(vector).max()
        if size < 1e-14:
            return
        first = vector[np.flatnonzero(np.abs(vector) > 1e-12 * size)[0]]
        vector = vector if first > 0 else -vector  # ∂_{−v} = ±∂_v
        found.setdefault(tuple(np.round(vector, 14) + 0.0))

    for operator in operators:
        order, active = _order(operator), _active(operator)
        for i in active:
            add(np.eye(inputs)[i])
        if order == 1:
            add(np.array([operator.get(tuple(e), 0.0) for e in np.eye(inputs, dtype=int)]))
        if order == 2:
            _, vectors = np.linalg.eigh(_matrix(operator, inputs))
            for vector in vectors.T:
                add(vector)
        for design in _designs(order, len(active)):
            vector = np.zeros(inputs)
            vector[list(active)] = design
            add(vector)
        supports = {tuple(i for i, a in enumerate(index) if a) for index in operator}
        for support in supports:
            for entries in product(range(-1, 2), repeat=len(support)):
                add(_placed(entries, support, inputs))
            # The lattice points of a simplex, which determine every polynomial of the order.
            for entries in product(range(order + 1), repeat=len(support)):
                if sum(entries) == order:
                    add(_placed(entries, support, inputs) / np.gcd.reduce(entries))
    return np.array(list(found), dtype=float).reshape(-1, inputs)


def _placed(entries: Sequence[int], support: Sequence[int], inputs: int) -> np.ndarray:
    vector = np.zeros(inputs)
    vector[list(support)] = entries
    return vector


def _matrix(operator: Operator, inputs: int) -> np.ndarray:
    """The symmetric matrix C of Σ C_ij ∂_i ∂_j."""
    matrix = np.zeros((inputs, inputs))
    for index, value in operator.items():
        places = [i for i, a in enumerate(index) for _ in range(a)]
        matrix[places[0], places[1]] += value / 2
        matrix[places[1], places[0]] += value / 2
    return matrix


def _designs(order: int, dimension: int) -> list[np.ndarray]:
    """Directions whose even moments are those of the sphere."""
    if dimension == 2 and order > 2:
        count = order // 2 + 1
        return [np.array([np.cos(pi * k / count), np.sin(pi * k / count)]) for k in range(count)]
    if dimension == 3 and order == 4:  # the six axes of an icosahedron
        golden = (1 + sqrt(5)) / 2
        scale = 1 / sqrt(1 + golden**2)
        pattern = [(0.0, 1.0, golden), (0.0, 1.0, -golden)]
        return [scale * np.roll(vector, shift) for vector in pattern for shift in range(3)]
    return []


def _multi_indices(order: int, inputs: int) -> list[MultiIndex]:
    if inputs == 1:
        return [(order,)]
    return [
        (first, *rest)
        for first in range(order + 1)
        for rest in _multi_indices(order - first, inputs - 1)
    ]


def _moments(directions: np.ndarray, indices: Sequence[MultiIndex]) -> np.ndarray:
    """(K!/α!) v^α, rows for α and columns for v."""
    rows = []
    for index in indices:
        factor = factorial(sum(index)) / prod(factorial(a) for a in index)
        rows.append(factor * np.prod(directions ** np.array(index), axis=1))
    return np.array(rows).reshape(len(indices), len(directions))


def _weights(
    directions: np.ndarray, order: int, coefficients: Mapping[MultiIndex, float]
) -> tuple[np.ndarray, float]:
    """Least-squares weights of an operator, and how far they are from exact."""
    # Only monomials in variables that some direction or term has can differ from zero.
    used = np.flatnonzero(np.abs(directions).max(axis=0, initial=0.0))
    used = np.union1d(used, [i for index in coefficients for i in np.flatnonzero(index)])
    inputs = directions.shape[1]
    indices = []
    for small in _multi_indices(order, len(used)):
        index = np.zeros(inputs, int)
        index[used.astype(int)] = small
        indices.append(tuple(int(a) for a in index))
    matrix = _moments(directions, indices)
    target = np.array([coefficients.get(index, 0.0) for index in indices])
    weights = np.linalg.lstsq(matrix, target, rcond=1e-12)[0]
    weights[np.abs(weights) < 1e-14 * max(1.0, np.abs(weights).max(initial=0.0))] = 0.0
    error = np.abs(matrix @ weights - target).max() / max(np.abs(target).max(), 1e-300)
    return weights, float(error)


def _suffices(
    directions: np.ndarray, targets: Sequence[tuple[int, Mapping[MultiIndex, float]]]
) -> bool:
    return all(_weights(directions, *target)[1] < _TOLERANCE for target in targets)


def _least(
    candidates: np.ndarray, targets: Sequence[tuple[int, Mapping[MultiIndex, float]]]
) -> np.ndarray:
    """The smallest sufficient subset, by trial where there are few, else by removal."""
    kept = list(range(len(candidates)))
    # Long lattice directions go first, plain axes last.
    for n in sorted(kept, key=lambda n: -float(np.abs(candidates[n]).sum())):
        rest = [m for m in kept if m != n]
        if rest and _suffices(candidates[rest], targets):
            kept = rest
    for size in range(1, len(kept)):
        if comb(len(candidates), size) > _MOST_SETS:
            break
        for subset in combinations(range(len(candidates)), size):
            if _suffices(candidates[list(subset)], targets):
                return candidates[list(subset)]
    return candidates[kept]
