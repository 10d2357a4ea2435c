"""Sparse equations of collocation: orders of elimination, matching, GMRES, ways that fail."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import SolverError
from pdesl.solvers import linear
from pdesl.solvers.dissection import dissect
from pdesl.solvers.krylov import gmres
from pdesl.solvers.linear import LinearSolver
from pdesl.solvers.matching import match_at_nodes


def grid(side: int, dimension: int = 2) -> tuple[np.ndarray, scipy.sparse.csr_matrix]:
    """Nodes of a grid and the 5-point (7-point) matrix of 2 d u - Σ neighbours + u/10."""
    axes = np.meshgrid(*[np.arange(side)] * dimension, indexing="ij")
    points = np.stack([a.ravel() for a in axes], axis=1).astype(float)
    beside = scipy.sparse.csr_matrix(np.eye(side, k=1) + np.eye(side, k=-1))
    line = 2.0 * scipy.sparse.eye_array(side) - beside
    one = scipy.sparse.eye_array(side)
    total = scipy.sparse.csr_matrix((side**dimension,) * 2)
    for axis in range(dimension):
        parts = [line if i == axis else one for i in range(dimension)]
        product = parts[0]
        for part in parts[1:]:
            product = scipy.sparse.kron(product, part)
        total = total + product
    matrix = total + 0.1 * scipy.sparse.eye_array(side**dimension)
    return points, scipy.sparse.csr_matrix(matrix)


def node_solver(points: np.ndarray, copies: int = 1) -> LinearSolver:
    nodes = np.tile(np.arange(len(points)), copies)
    return LinearSolver(points, nodes, nodes)


@given(st.integers(1, 400), st.integers(1, 3), st.integers(1, 30), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_dissection_is_a_permutation_whose_separators_part(count, dimension, leaf, seed):
    random = np.random.default_rng(seed)
    points = random.random((count, dimension))
    pairs = random.integers(0, count, (2, 3 * count))
    near = np.linalg.norm(points[pairs[0]] - points[pairs[1]], axis=1) < 0.3
    ones = np.ones(int(near.sum()))
    graph = scipy.sparse.csr_matrix((ones, tuple(pairs[:, near])), (count, count))
    graph = scipy.sparse.csr_matrix(graph + graph.T)
    found = dissect(points, graph, np.ones(count, int), leaf)
    assert np.array_equal(np.sort(found.order), np.arange(count))
    # Cholesky's fill of the permuted pattern is no more than was promised.
    pattern = (graph[found.order][:, found.order].toarray() != 0) | np.eye(count, dtype=bool)
    for k in range(count):
        below = np.flatnonzero(pattern[k + 1 :, k]) + k + 1
        pattern[np.ix_(below, below)] = True
    assert pattern.sum() <= found.fill
    assert found.operations > 0


def test_dissection_fills_less_than_natural_order():
    points, matrix = grid(60)
    found = dissect(points, matrix, np.ones(len(points), int), 8)
    assert found.fill < 0.4 * (2 * 60 + 1) * 3600  # a band of the natural order


@given(st.integers(1, 6), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_matching_finds_the_assignment_that_was_hidden(size, seed):
    random = np.random.default_rng(seed)
    nodes = 7
    owner = np.repeat(np.arange(nodes), size)
    blocks = np.full((nodes * size, nodes * size), 1e-3) * random.random((nodes * size,) * 2)
    hidden = np.concatenate([random.permutation(size) + n * size for n in range(nodes)])
    blocks[np.arange(nodes * size), hidden] = 1.0
    shuffle = random.permutation(nodes * size)
    found = match_at_nodes(scipy.sparse.csr_matrix(blocks[shuffle]), owner[shuffle], owner)
    assert found is not None
    rows, columns, starts = found
    assert np.array_equal(starts, size * np.arange(nodes + 1))
    assert np.all(blocks[shuffle][rows, columns] == 1.0)


def test_matching_refuses_nodes_with_more_rows_than_unknowns():
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    assert match_at_nodes(matrix, np.array([0, 0, 1]), np.array([0, 1, 1])) is None


def test_gmres_restarts_and_stops_where_nothing_is_won():
    random = np.random.default_rng(0)
    matrix = np.eye(120) * 3 + random.standard_normal((120, 120)) / np.sqrt(120)
    right = random.standard_normal(120)
    found = gmres(lambda v: matrix @ v, lambda v: v, right, tolerance=1e-10, iterations=300)
    assert found.converged
    assert np.linalg.norm(matrix @ found.solution - right) <= 1e-10
    matrix[0] = matrix[1]  # no solution for this right-hand side
    found = gmres(lambda v: matrix @ v, lambda v: v, right, tolerance=1e-10, iterations=300)
    assert not found.converged
    assert found.iterations < 300
    nothing = gmres(lambda v: 0 * v, lambda v: v, right, tolerance=1e-10, iterations=300)
    assert not nothing.converged
    assert np.all(nothing.solution == 0)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("most", [0.0, 1e99], ids=["incomplete", "exact"])
def test_solutions_are_exact_to_rounding(dimension: int, most: float, monkeypatch):
    monkeypatch.setattr(linear, "MOST_OPERATIONS", dict.fromkeys((2, 3), most))
    points, matrix = grid(20 if dimension == 2 else 9, dimension)
    # Two fields in units of very different size, in rows of any size.
    one, random = scipy.sparse.eye_array(len(points)), np.random.default_rng(0)
    rows = scipy.sparse.diags_array(10.0 ** random.uniform(-6, 6, 2 * len(points)))
    columns = scipy.sparse.diags_array(np.repeat([1e8, 1e-4], len(points)))
    both = scipy.sparse.block_array([[matrix, 0.05 * one], [-0.05 * one, matrix]])
    scaled = scipy.sparse.csr_matrix(rows @ both @ columns)
    known = random.standard_normal(2 * len(points)) / columns.diagonal()
    found, factors = node_solver(points, 2).solve_matrix(scaled, scaled @ known)
    assert factors.exact == (most > 0)
    assert factors.words in ("LU (nested dissection)", "GMRES with incomplete LU")
    assert np.allclose(found, known, rtol=1e-9)


def test_old_factors_serve_a_matrix_nearby():
    points, matrix = grid(20)
    solver = node_solver(points)
    right = np.ones(len(points))
    _, factors = solver.solve_matrix(matrix, right)
    other = scipy.sparse.csr_matrix(matrix + 0.1 * scipy.sparse.eye_array(len(points)))
    found = solver.solve(lambda v: other @ v, factors, right, tolerance=1e-10, iterations=30)
    assert found.converged
    assert solver.factorisations == 1
    assert np.linalg.norm(other @ found.solution - right) < 1e-9
    stopped = solver.solve(lambda v: other @ v, factors, right, tolerance=1e-10, iterations=2)
    assert not stopped.converged


def test_a_useless_incomplete_factorisation_gives_way_to_an_exact_one(monkeypatch):
    monkeypatch.setattr(linear, "MOST_OPERATIONS", dict.fromkeys((2, 3), 0.0))
    monkeypatch.setattr(linear, "DROP_SHARES", (0.9, 0.5))
    points, matrix = grid(40)
    # Indefinite, as in the Helmholtz equation: dropped entries leave nothing to iterate with.
    shifted = scipy.sparse.csr_matrix(matrix - 2.1 * scipy.sparse.eye_array(len(points)))
    right = np.random.default_rng(0).standard_normal(len(points))
    found, factors = node_solver(points).solve_matrix(shifted, right)
    assert factors.exact
    assert np.linalg.norm(shifted @ found - right) < 1e-9 * np.linalg.norm(right)


def test_rows_that_belong_to_no_node_are_left_to_another_order():
    points, matrix = grid(12)
    wrong = np.zeros(len(points), int)
    solver = LinearSolver(points, wrong, np.arange(len(points)))
    found, factors = solver.solve_matrix(matrix, np.ones(len(points)))
    assert factors.words == "LU (COLAMD)"
    assert np.allclose(matrix @ found, 1.0)


@pytest.mark.parametrize("most", [0.0, 1e99], ids=["incomplete", "exact"])
def test_singular_matrices_are_told(most: float, monkeypatch):
    monkeypatch.setattr(linear, "MOST_OPERATIONS", dict.fromkeys((2, 3), most))
    side = 15
    points, matrix = grid(side)
    free = matrix.tolil()
    free.setdiag(0.0)
    free.setdiag(-np.asarray(free.sum(axis=1)).ravel())  # constants are left undetermined
    right = np.random.default_rng(0).standard_normal(side**2)
    with pytest.raises(SolverError) as caught:
        node_solver(points).solve_matrix(scipy.sparse.csr_matrix(free), right)
    assert caught.value.code == "E704"
    empty = matrix.tolil()
    empty[3] = 0.0
    with pytest.raises(SolverError) as caught:
        node_solver(points).solve_matrix(scipy.sparse.csr_matrix(empty), right)
    assert caught.value.code == "E704"


def test_too_little_memory_is_told(monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(scipy.sparse.linalg, "splu", full)
    points, matrix = grid(10)
    with pytest.raises(SolverError, match="memory") as caught:
        node_solver(points).solve_matrix(matrix, np.ones(len(points)))
    assert caught.value.code == "E709"
