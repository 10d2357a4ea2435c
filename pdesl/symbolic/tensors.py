"""Tensor calculus on a metric: Christoffel symbols, covariant derivatives, curvature.

Every function takes the rule by which an expression is differentiated along an axis,
`derivative(expression, axis)`, so that one definition serves explicit expressions in the
coordinates (`partial_derivative`) and jets (`JetSpace.total_derivative`). Nothing is simplified:
entries that are zero by their structure are left out, and symmetric entries are computed once.

Conventions are those of C. W. Misner, K. S. Thorne, J. A. Wheeler, Gravitation (1973), written
MTW below: Γ^σ_{μν} with the lower pair symmetric, [∇_μ, ∇_ν] V^ρ = R^ρ_{σμν} V^σ, and
R_{μν} = R^λ_{μλν}. In an array, the first index of Γ is the upper one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import sympy

from pdesl.symbolic.jets import derivative
from pdesl.symbolic.metric import Metric

__all__ = [
    "DOWN", "UP", "Derivative", "Tensor", "christoffel", "christoffel_of_first_kind", "contract",
    "covariant_derivative", "curl", "divergence", "einstein", "gradient", "laplace_beltrami",
    "lie_derivative", "lowered", "partial_derivative", "raised", "ricci", "riemann",
    "scalar_curvature", "volume_factor", "with_indices",
]  # fmt: skip

Scalar = sympy.Expr
Derivative = Callable[[Scalar, int], Scalar]
Indices = tuple[int, ...]
Symbols = tuple[tuple[tuple[Scalar, ...], ...], ...]  # Γ^σ_{μν} as [σ][μ][ν]

UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True)
class Tensor:
    """The components of a tensor that are not zero, by their indices from 0.

    `sides` says of each index whether it is `UP` (contravariant) or `DOWN` (covariant); `size`
    is the number of coordinates. A scalar has no index: its entry is that of `()`.
    """

    sides: tuple[str, ...]
    size: int
    entries: Mapping[Indices, Scalar]

    @staticmethod
    def of(sides: Sequence[str], array: Any, size: int) -> Tensor:
        """From nested sequences, a vector, a matrix or a scalar. Raises `ValueError`."""
        entries: dict[Indices, Scalar] = {}
        for indices in product(range(size), repeat=len(sides)):
            entry: Any = array
            if isinstance(array, sympy.MatrixBase) and len(sides) == 2:
                entry = array[indices[0], indices[1]]
            else:
                for index in indices:
                    if len(entry) != size:
                        raise ValueError(f"an index of this array does not run over {size} values")
                    entry = entry[index]
            if entry != 0:
                entries[indices] = sympy.Integer(entry) if isinstance(entry, int) else entry
        return Tensor(tuple(sides), size, entries)

    def __getitem__(self, indices: int | Indices) -> Scalar:
        key = indices if isinstance(indices, tuple) else (indices,)
        return self.entries.get(key, sympy.S.Zero)

    @property
    def rank(self) -> int:
        return len(self.sides)

    def nested(self) -> Any:
        """The components as nested tuples, zeros included; a scalar as itself."""

        def level(indices: Indices) -> Any:
            if len(indices) == self.rank:
                return self[indices]
            return tuple(level((*indices, i)) for i in range(self.size))

        return level(())

    def transposed(self, order: Sequence[int]) -> Tensor:
        """The same tensor with its indices in another order: index i was index order[i]."""
        return Tensor(
            tuple(self.sides[i] for i in order),
            self.size,
            {tuple(key[i] for i in order): e for key, e in self.entries.items()},
        )


class _Sum:
    """Sums of terms by index, added up once at the end."""

    def __init__(self) -> None:
        self.terms: dict[Indices, list[Scalar]] = {}

    def add(self, indices: Indices, term: Scalar) -> None:
        if term != 0:
            self.terms.setdefault(indices, []).append(term)

    def tensor(self, sides: Sequence[str], size: int) -> Tensor:
        sums = {indices: sympy.Add(*terms) for indices, terms in self.terms.items()}
        return Tensor(tuple(sides), size, {i: e for i, e in sums.items() if e != 0})


def partial_derivative(coordinates: Sequence[sympy.Symbol]) -> Derivative:
    """The rule for explicit expressions: ∂e/∂x_axis."""
    return lambda expression, axis: derivative(expression, coordinates[axis])


# -- indices -------------------------------------------------------------------------------


def contract(tensor: Tensor, first: int, second: int) -> Tensor:
    """The sum over two indices, T^{…μ…}_{…μ…}.

    Raises:
        ValueError: both are up or both are down.
    """
    if tensor.sides[first] == tensor.sides[second]:
        raise ValueError("a contraction needs one index up and one down")
    kept = [i for i in range(tensor.rank) if i not in (first, second)]
    total = _Sum()
    for indices, entry in tensor.entries.items():
        if indices[first] == indices[second]:
            total.add(tuple(indices[i] for i in kept), entry)
    return total.tensor([tensor.sides[i] for i in kept], tensor.size)


def _moved(tensor: Tensor, slot: int, matrix: Any, side: str) -> Tensor:
    total = _Sum()
    for indices, entry in tensor.entries.items():
        for row in range(tensor.size):
            factor = matrix[row, indices[slot]]
            if factor != 0:
                total.add((*indices[:slot], row, *indices[slot + 1 :]), factor * entry)
    sides = (*tensor.sides[:slot], side, *tensor.sides[slot + 1 :])
    return total.tensor(sides, tensor.size)


def raised(tensor: Tensor, slot: int, metric: Metric) -> Tensor:
    """g^{μν} T_{…ν…}: the index at a position moved up; one that is up stays."""
    if tensor.sides[slot] == UP:
        return tensor
    return _moved(tensor, slot, metric.inverse, UP)


def lowered(tensor: Tensor, slot: int, metric: Metric) -> Tensor:
    """g_{μν} T^{…ν…}: the index at a position moved down; one that is down stays."""
    if tensor.sides[slot] == DOWN:
        return tensor
    return _moved(tensor, slot, metric.matrix, DOWN)


def with_indices(tensor: Tensor, sides: Sequence[str], metric: Metric) -> Tensor:
    """The tensor with each index where `sides` wants it, moved by the metric."""
    for slot, side in enumerate(sides):
        move = raised if side == UP else lowered
        tensor = move(tensor, slot, metric)
    return tensor


# -- derivatives ---------------------------------------------------------------------------


def _first_kind(metric: Metric, derivative: Derivative) -> dict[Indices, Scalar]:
    """Γ_{σμν} for μ ≤ ν that are not zero; each entry of g is differentiated once."""
    size = metric.matrix.rows
    slopes: dict[Indices, Scalar] = {}  # ∂_λ g_{μν} for μ ≤ ν
    for i in range(size):
        for j in range(i, size):
            entry: Any = metric.matrix[i, j]
            if entry != 0 and not entry.is_Number:
                for axis in range(size):
                    slope = derivative(entry, axis)
                    if slope != 0:
                        slopes[axis, i, j] = slope

    def slope_of(axis: int, i: int, j: int) -> Scalar:
        return slopes.get((axis, min(i, j), max(i, j)), sympy.S.Zero)

    found = {}
    for upper in range(size):
        for i in range(size):
            for j in range(i, size):
                terms = slope_of(i, upper, j) + slope_of(j, upper, i) - slope_of(upper, i, j)
                if terms != 0:
                    found[upper, i, j] = terms / 2
    return found


def _second_kind(metric: Metric, first: Mapping[Indices, Scalar]) -> dict[Indices, Scalar]:
    """Γ^σ_{μν} for μ ≤ ν that are not zero."""
    size = metric.matrix.rows
    total = _Sum()
    for (lower, i, j), entry in first.items():
        for upper in range(size):
            factor = metric.inverse[upper, lower]
            if factor != 0:
                total.add((upper, i, j), factor * entry)
    return dict(total.tensor((UP, DOWN, DOWN), size).entries)


def _symmetric_array(found: Mapping[Indices, Scalar], size: int) -> Symbols:
    zero = sympy.S.Zero
    return tuple(
        tuple(
            tuple(found.get((upper, min(i, j), max(i, j)), zero) for j in range(size))
            for i in range(size)
        )
        for upper in range(size)
    )


def christoffel_of_first_kind(
    metric: Metric, coordinates: Sequence[sympy.Symbol], derivative: Derivative | None = None
) -> Symbols:
    """Γ_{σμν} = ½ (∂_μ g_{σν} + ∂_ν g_{σμ} − ∂_σ g_{μν}), as [σ][μ][ν] (MTW equation 8.24b)."""
    rule = derivative or partial_derivative(coordinates)
    return _symmetric_array(_first_kind(metric, rule), metric.matrix.rows)


def christoffel(
    metric: Metric, coordinates: Sequence[sympy.Symbol], derivative: Derivative | None = None
) -> Symbols:
    """Γ^σ_{μν} = g^{σλ} Γ_{λμν}, as [σ][μ][ν] (MTW equation 8.24a).

    Args:
        metric: g over these coordinates.
        coordinates: in the order of the metric's rows.
        derivative: how to differentiate; by the coordinates where it is left out.
    """
    rule = derivative or partial_derivative(coordinates)
    found = _second_kind(metric, _first_kind(metric, rule))
    return _symmetric_array(found, metric.matrix.rows)


def covariant_derivative(
    tensor: Tensor, symbols: Symbols, derivative: Derivative, axes: Iterable[int] | None = None
) -> Tensor:
    """∇_λ T^{…}_{…}, with λ as the first index of the result (MTW equation 10.18).

    ∂_λ T + Γ^μ_{λκ} T^{…κ…} for each upper index μ − Γ^κ_{λν} T_{…κ…} for each lower index ν.

    Args:
        tensor: of any rank.
        symbols: Γ^σ_{μν} as `christoffel` gives it.
        derivative: how to differentiate the entries.
        axes: the values of λ that are wanted; all where it is left out.
    """
    total = _Sum()
    wanted = tuple(range(tensor.size) if axes is None else axes)
    for indices, entry in tensor.entries.items():
        for axis in wanted:
            total.add((axis, *indices), derivative(entry, axis))
            for slot, side in enumerate(tensor.sides):
                own = indices[slot]
                for other in range(tensor.size):
                    up = side == UP
                    factor = symbols[other][axis][own] if up else -symbols[own][axis][other]
                    if factor != 0:
                        place = (axis, *indices[:slot], other, *indices[slot + 1 :])
                        total.add(place, factor * entry)
    return total.tensor((DOWN, *tensor.sides), tensor.size)


def lie_derivative(vector: Sequence[Scalar], tensor: Tensor, derivative: Derivative) -> Tensor:
    """ℒ_V T = V^λ ∂_λ T − T^{…λ…} ∂_λ V^μ + T_{…λ…} ∂_ν V^λ for each index; needs no metric.

    R. M. Wald, General Relativity (1984), equation C.2.14.
    """
    size = tensor.size
    slopes = [[derivative(component, axis) for axis in range(size)] for component in vector]
    total = _Sum()
    for indices, entry in tensor.entries.items():
        for axis, component in enumerate(vector):
            if component != 0:
                total.add(indices, component * derivative(entry, axis))
        for slot, side in enumerate(tensor.sides):
            own = indices[slot]
            for other in range(size):
                factor = -slopes[other][own] if side == UP else slopes[own][other]
                if factor != 0:
                    place = (*indices[:slot], other, *indices[slot + 1 :])
                    total.add(place, factor * entry)
    return total.tensor(tensor.sides, size)


def gradient(metric: Metric, scalar: Scalar, derivative: Derivative) -> tuple[Scalar, ...]:
    """g^{μν} ∂_ν e: the contravariant components of the gradient of a scalar."""
    size = metric.matrix.rows
    slopes = [derivative(scalar, axis) for axis in range(size)]
    return tuple(
        sympy.Add(*(metric.inverse[row, column] * s for column, s in enumerate(slopes)))
        for row in range(size)
    )


def divergence(metric: Metric, vector: Sequence[Scalar], derivative: Derivative) -> Scalar:
    """∂_μ(√|g| V^μ)/√|g| = ∂_μ V^μ + V^μ ∂_μ(det g)/(2 det g), of contravariant components."""
    determinant = metric.determinant
    terms = []
    for axis, component in enumerate(vector):
        if component != 0:
            terms.append(derivative(component, axis))
            slope = derivative(determinant, axis)
            if slope != 0:
                terms.append(component * (slope / (2 * determinant)))
    return sympy.Add(*terms)


def laplace_beltrami(metric: Metric, scalar: Scalar, derivative: Derivative) -> Scalar:
    """∂_μ(√|g| g^{μν} ∂_ν e)/√|g|: □e where the metric has a time, ∇²e where it has none."""
    return divergence(metric, gradient(metric, scalar, derivative), derivative)


def volume_factor(metric: Metric) -> Scalar:
    """√|det g|, in the closed form that the ranges of the coordinates allow."""
    return metric.density


def curl(
    metric: Metric, vector: Sequence[Scalar], derivative: Derivative
) -> tuple[Scalar, Scalar, Scalar]:
    """(∇×V)^i = ε^{ijk} ∂_j (g_{kl} V^l) in three dimensions, with ε^{123} = 1/√(det g).

    The coordinates in their order are right-handed; components are contravariant.

    Raises:
        ValueError: the metric is not one of three dimensions.
    """
    if metric.matrix.rows != 3 or len(vector) != 3:
        raise ValueError("a curl is a vector in three dimensions")
    lower = lowered(Tensor.of((UP,), vector, 3), 0, metric)
    factor = volume_factor(metric)
    parts = []
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        parts.append((derivative(lower[k], j) - derivative(lower[j], k)) / factor)
    return parts[0], parts[1], parts[2]


# -- curvature -----------------------------------------------------------------------------


def riemann(
    metric: Metric, coordinates: Sequence[sympy.Symbol], derivative: Derivative | None = None
) -> Tensor:
    """R_{ρσμν} of a metric, all indices down (MTW equation 14.6).

    ½ (∂_σ∂_μ g_{ρν} + ∂_ρ∂_ν g_{σμ} − ∂_σ∂_ν g_{ρμ} − ∂_ρ∂_μ g_{σν})
    + Γ^λ_{σμ} Γ_{λρν} − Γ^λ_{σν} Γ_{λρμ}

    The inverse is not differentiated, and of the components that the symmetries relate (pairs
    antisymmetric, their exchange symmetric, the first Bianchi identity) one is computed.
    """
    rule = derivative or partial_derivative(coordinates)
    size = metric.matrix.rows
    first = _first_kind(metric, rule)
    second = _second_kind(metric, first)
    curvatures: dict[Indices, Scalar] = {}
    zero = sympy.S.Zero

    def curvature(i: int, j: int, row: int, column: int) -> Scalar:
        """∂_i ∂_j g_{row column}."""
        key = (min(i, j), max(i, j), min(row, column), max(row, column))
        if key not in curvatures:
            entry: Any = metric.matrix[key[2], key[3]]
            slope = rule(entry, key[0])
            curvatures[key] = rule(slope, key[1]) if slope != 0 else zero
        return curvatures[key]

    def pair(a: int, b: int, c: int, d: int) -> list[Scalar]:
        """Γ^λ_{ab} Γ_{λcd}."""
        up, down = (min(a, b), max(a, b)), (min(c, d), max(c, d))
        return [
            second[k, *up] * first[k, *down]
            for k in range(size)
            if (k, *up) in second and (k, *down) in first
        ]

    def component(p: int, s: int, m: int, n: int) -> Scalar:
        linear = (
            curvature(s, m, p, n) + curvature(p, n, s, m)
            - curvature(s, n, p, m) - curvature(p, m, s, n)
        )  # fmt: skip
        products = [*pair(s, m, p, n), *(-e for e in pair(s, n, p, m))]
        return sympy.Add(linear / 2, *products)

    entries: dict[Indices, Scalar] = {}

    def store(p: int, s: int, m: int, n: int, value: Scalar) -> None:
        if value == 0:
            return
        for a, b, c, d in ((p, s, m, n), (m, n, p, s)):
            entries[a, b, c, d] = entries[b, a, d, c] = value
            entries[b, a, c, d] = entries[a, b, d, c] = -value

    pairs = list(combinations(range(size), 2))
    for number, (p, s) in enumerate(pairs):
        for m, n in pairs[number:]:
            if p < m and s > n and len({p, s, m, n}) == 4:  # R_{psmn} = −R_{pmns} − R_{pnsm}
                value = -entries.get((p, m, n, s), zero) - entries.get((p, n, s, m), zero)
            else:
                value = component(p, s, m, n)
            store(p, s, m, n, value)
    return Tensor((DOWN,) * 4, size, entries)


def ricci(metric: Metric, curvature: Tensor) -> Tensor:
    """R_{μν} = g^{ρσ} R_{ρμσν} of a Riemann tensor with its indices down (MTW equation 8.47)."""
    size = curvature.size
    total = _Sum()
    for (p, m, s, n), entry in curvature.entries.items():
        factor = metric.inverse[p, s]
        if factor != 0 and m <= n:
            total.add((m, n), factor * entry)
    upper = total.tensor((DOWN, DOWN), size).entries
    lower = {(n, m): e for (m, n), e in upper.items()}
    return Tensor((DOWN, DOWN), size, {**lower, **upper})


def scalar_curvature(metric: Metric, ricci_tensor: Tensor) -> Scalar:
    """R = g^{μν} R_{μν}."""
    return contract(raised(ricci_tensor, 0, metric), 0, 1)[()]


def einstein(metric: Metric, ricci_tensor: Tensor) -> Tensor:
    """G_{μν} = R_{μν} − ½ R g_{μν} (MTW equation 8.50)."""
    scalar = scalar_curvature(metric, ricci_tensor)
    total = _Sum()
    size = ricci_tensor.size
    for indices in product(range(size), repeat=2):
        total.add(indices, ricci_tensor[indices])
        total.add(indices, -scalar * metric.matrix[indices] / 2)
    return total.tensor((DOWN, DOWN), size)
