"""Order conditions of every tableau, by all coloured rooted trees, and stability far left."""

from functools import lru_cache
from math import prod

import numpy as np
import pytest

from pdesl.solvers.tableaux import ADDITIVE, IMPLICIT, AdditiveTableau

EXPLICIT, STIFF = 0, 1
Tree = tuple[int, tuple["Tree", ...]]


@lru_cache
def trees(nodes: int) -> tuple[Tree, ...]:
    """Rooted trees with that many nodes, every node of one of two colours."""

    def forests(total: int) -> set[tuple[Tree, ...]]:
        if total == 0:
            return {()}
        return {
            tuple(sorted((first, *rest)))
            for size in range(1, total + 1)
            for first in trees(size)
            for rest in forests(total - size)
        }

    return tuple((c, f) for f in sorted(forests(nodes - 1)) for c in (EXPLICIT, STIFF))


def size(tree: Tree) -> int:
    return 1 + sum(size(t) for t in tree[1])


def density(tree: Tree) -> int:
    return size(tree) * prod(density(t) for t in tree[1])


def stage_weights(tree: Tree, table: AdditiveTableau) -> np.ndarray:
    found = np.ones(table.stages)
    for colour, inner in tree[1]:
        matrix = table.implicit if colour == STIFF else table.explicit
        found = found * (matrix @ stage_weights((colour, inner), table))
    return found


def misses(table: AdditiveTableau, weights: np.ndarray, order: int, *, stiff: bool) -> float:
    """The largest error of a condition of an order; of the implicit part alone where asked."""
    found = []
    for tree in trees(order):
        if not stiff or str(tree).count(f"({EXPLICIT},") == 0:
            found.append(abs(weights @ stage_weights(tree, table) - 1 / density(tree)))
    return max(found)


@pytest.mark.parametrize("table", ADDITIVE.values(), ids=ADDITIVE)
def test_additive_pairs_have_their_order(table: AdditiveTableau):
    for order in range(1, table.order + 1):
        assert misses(table, table.weights, order, stiff=False) < 2e-15
    assert misses(table, table.weights, table.order + 1, stiff=False) > 1e-4
    for order in range(1, table.order):
        assert misses(table, table.error, order, stiff=False) < 2e-15
    assert misses(table, table.error, table.order, stiff=False) > 1e-4


@pytest.mark.parametrize("table", IMPLICIT.values(), ids=IMPLICIT)
def test_implicit_methods_have_their_order(table: AdditiveTableau):
    for order in range(1, table.order + 1):
        assert misses(table, table.weights, order, stiff=True) < 2e-15
    assert misses(table, table.weights, table.order + 1, stiff=True) > 1e-4


@pytest.mark.parametrize(
    "table", [*ADDITIVE.values(), *IMPLICIT.values()], ids=[*ADDITIVE, *IMPLICIT]
)
def test_the_implicit_part_damps_what_is_stiff(table: AdditiveTableau):
    """R(z) = 1 + z bᵀ (I − z Ã)⁻¹ 1 at large −z: zero but for Crank-Nicolson, whose limit is −1."""

    def growth(z: complex) -> complex:
        system = np.eye(table.stages) - z * table.implicit
        return complex(1 + z * table.weights @ np.linalg.solve(system, np.ones(table.stages)))

    limit = 1.0 if table.name == "crank_nicolson" else 0.0
    assert abs(abs(growth(-1e7)) - limit) < 1e-5
    imaginary = [abs(growth(1j * y)) for y in np.logspace(-2, 3, 60)]
    assert max(imaginary) <= 1 + 1e-12


@pytest.mark.parametrize("table", ADDITIVE.values(), ids=ADDITIVE)
def test_one_factor_serves_all_stages(table: AdditiveTableau):
    diagonal = np.diag(table.implicit)
    assert set(np.round(diagonal[diagonal != 0], 15)) == {round(table.diagonal, 15)}
    assert np.allclose(np.triu(table.explicit), 0)
    assert np.allclose(np.triu(table.implicit, 1), 0)
