"""Products of SparseOperator: values, derivatives, batches, types, and awkward matrices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.lowering.rbffd import laplacian, make_weights, to_csr
from pdesl.lowering.sparse import SparseOperator
from tests.rbffd.clouds import make_disk


def random_matrix(rows: int, columns: int, density: float, seed: int) -> scipy.sparse.csr_matrix:
    generator = np.random.default_rng(seed)
    used = generator.uniform(size=(rows, columns)) < density
    return scipy.sparse.csr_matrix(used * generator.uniform(0.1, 1.0, (rows, columns)))


def awkward_matrices() -> dict[str, Any]:
    """Empty rows, one full row, one full column, nothing at all, more than 96 entries a row."""
    full_row = scipy.sparse.lil_matrix(random_matrix(300, 200, 0.02, 1))
    full_row[7] = np.arange(1.0, 201.0)
    full_column = scipy.sparse.lil_matrix(random_matrix(300, 200, 0.02, 2))
    full_column[:, 11] = np.arange(1.0, 301.0)[:, None]
    gaps = scipy.sparse.lil_matrix(random_matrix(50, 80, 0.1, 3))
    gaps[10:20] = 0
    return {
        "wide": random_matrix(40, 300, 0.05, 0),
        "tall": random_matrix(300, 40, 0.05, 0),
        "full row": full_row.tocsr(),
        "full column": full_column.tocsr(),
        "empty rows": gaps.tocsr(),
        "zero": scipy.sparse.csr_matrix((5, 6)),
        "stencils of 40": random_matrix(80, 80, 0.5, 4),
        "dense": random_matrix(110, 105, 0.95, 5),
    }


AWKWARD = awkward_matrices()


@pytest.fixture(params=AWKWARD)
def matrix(request) -> scipy.sparse.csr_matrix:
    return AWKWARD[request.param]


def vectors(count: int, batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, batch))


def test_products_and_transposes(matrix):
    operator = SparseOperator.from_csr(matrix)
    rows, columns = matrix.shape
    right, left = vectors(columns, 3), vectors(rows, 3)
    assert operator.shape == matrix.shape
    assert operator.T.shape == (columns, rows)
    np.testing.assert_allclose(operator @ right[:, 0], matrix @ right[:, 0], atol=1e-12)
    np.testing.assert_allclose(operator @ right, matrix @ right, atol=1e-12)
    np.testing.assert_allclose(operator.T @ left[:, 0], matrix.T @ left[:, 0], atol=1e-12)
    np.testing.assert_allclose(operator.T @ left, matrix.T @ left, atol=1e-12)
    assert abs(operator.to_csr() - matrix).sum() == 0


def test_derivatives(matrix):
    operator = SparseOperator.from_csr(matrix)
    u, v = vectors(matrix.shape[1], 2).T
    value, tangent = jax.jvp(lambda x: operator @ x, (u,), (v,))
    np.testing.assert_allclose(value, matrix @ u, atol=1e-12)
    np.testing.assert_allclose(tangent, matrix @ v, atol=1e-12)
    w = vectors(matrix.shape[0], 1, 1)[:, 0]
    _, pull = jax.vjp(lambda x: operator @ x, u)
    np.testing.assert_allclose(pull(w)[0], matrix.T @ w, atol=1e-12)
    _, push_of_pull = jax.jvp(lambda y: pull(y)[0], (w,), (w,))
    np.testing.assert_allclose(push_of_pull, matrix.T @ w, atol=1e-12)


def nonlinear(operator: SparseOperator, u: jax.Array) -> jax.Array:
    return jnp.sum(jnp.sin(operator @ u) ** 2) + jnp.sum(operator @ jnp.exp(0.1 * u))


def test_gradient_against_finite_differences():
    operator = SparseOperator.from_csr(AWKWARD["full column"])
    u, direction = vectors(operator.shape[1], 2).T * 0.01
    gradient = jax.grad(nonlinear, argnums=1)(operator, u)
    step = 1e-5
    difference = (
        nonlinear(operator, u + step * direction) - nonlinear(operator, u - step * direction)
    ) / (2 * step)
    assert float(gradient @ direction) == pytest.approx(float(difference), rel=1e-6)


def test_second_derivatives_are_those_of_the_dense_matrix():
    sparse = random_matrix(7, 9, 0.4, 6)
    operator, dense = SparseOperator.from_csr(sparse), jnp.asarray(sparse.toarray())
    u = jnp.asarray(vectors(9, 1)[:, 0])

    def with_dense(x):
        return jnp.sum(jnp.sin(dense @ x) ** 2) + jnp.sum(dense @ jnp.exp(0.1 * x))

    exact = jax.hessian(with_dense)(u)
    forward = jax.hessian(lambda x: nonlinear(operator, x))(u)
    np.testing.assert_allclose(forward, exact, rtol=1e-9, atol=1e-11)
    gradient = jax.grad(lambda x: nonlinear(operator, x))
    backward = jax.grad(lambda x: gradient(x) @ u)(u)
    np.testing.assert_allclose(backward, exact @ u, rtol=1e-9, atol=1e-11)


def test_vmap_is_one_product_with_many_sides():
    sparse = AWKWARD["full row"]
    operator, batch = SparseOperator.from_csr(sparse), jnp.asarray(vectors(200, 5).T)
    mapped = jax.vmap(lambda u: operator @ u)
    np.testing.assert_allclose(mapped(batch), (sparse @ batch.T).T, atol=1e-12)
    gathers = str(jax.make_jaxpr(mapped)(batch)).count("gather[")
    assert gathers == str(jax.make_jaxpr(lambda u: operator @ u)(batch.T)).count("gather[")
    twice = jax.vmap(jax.vmap(lambda u: operator @ u))(jnp.stack([batch, 2 * batch]))
    np.testing.assert_allclose(twice[1], 2 * mapped(batch), rtol=1e-12)
    columns = jax.vmap(lambda u: operator @ u, in_axes=2)(jnp.stack([batch.T, -batch.T], axis=2))
    np.testing.assert_allclose(columns[1], -(sparse @ batch.T), atol=1e-12)
    gradient = jax.vmap(jax.grad(lambda u: nonlinear(operator, u)))(0.01 * batch)
    single = jax.grad(lambda u: nonlinear(operator, u))(0.01 * batch[2])
    np.testing.assert_allclose(gradient[2], single, rtol=1e-9)


@pytest.mark.parametrize("count", [3000, 5000])
def test_vmap_in_blocks_of_rows(count: int):
    sparse = scipy.sparse.lil_matrix(scipy.sparse.eye(count) - 2 * scipy.sparse.eye(count, k=3))
    sparse[5] = 1.0
    sparse = sparse.tocsr()
    operator, batch = SparseOperator.from_csr(sparse), jnp.asarray(vectors(count, 4).T)
    results = jax.vmap(lambda u: operator @ u)(batch)
    np.testing.assert_allclose(results, (sparse @ batch.T).T, atol=1e-10)
    pulled = jax.vmap(lambda u: jax.vjp(lambda x: operator @ x, u)[1](u)[0])(batch)
    np.testing.assert_allclose(pulled, (sparse.T @ batch.T).T, atol=1e-10)


def test_vmap_over_operators():
    matrices = [random_matrix(30, 30, 1.0, seed) for seed in (0, 1)]
    operators = [SparseOperator.from_csr(m) for m in matrices]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *operators)
    u = vectors(30, 2).T
    results = jax.vmap(lambda o, x: o @ x)(stacked, jnp.asarray(u))
    for result, m, x in zip(results, matrices, u, strict=True):
        np.testing.assert_allclose(result, m @ x, rtol=1e-12)
    results = jax.vmap(lambda o: o @ jnp.asarray(u[0]))(stacked)
    np.testing.assert_allclose(results[1], matrices[1] @ u[0], rtol=1e-12)


def test_scan_and_jit_take_the_operator_as_an_argument():
    interior, boundary, _ = make_disk(0.15)
    points = np.concatenate([interior, boundary])
    sparse = to_csr(make_weights(points, points, [laplacian(2)], order=2))
    operator = SparseOperator.from_csr(sparse)

    @jax.jit
    def march(operator, u):
        def step(u, _):
            return u + 1e-5 * (operator @ u), None

        return jax.lax.scan(step, u, None, length=20)[0]

    u = points[:, 0] ** 2
    expected = u.copy()
    for _ in range(20):
        expected = expected + 1e-5 * (sparse @ expected)
    np.testing.assert_allclose(march(operator, u), expected, rtol=1e-12)
    v = vectors(len(u), 1)[:, 0]
    pulled = jax.vjp(lambda x: march(operator, x), u)[1](v)[0]
    forward = jax.jvp(lambda x: march(operator, x), (u,), (u,))[1]
    assert float(pulled @ u) == pytest.approx(float(forward @ v), rel=1e-10)
    constants = jax.make_jaxpr(march)(operator, u).consts
    assert all(np.size(constant) < 10 for constant in constants)


def test_number_types():
    sparse = AWKWARD["wide"]
    double = SparseOperator.from_csr(sparse)
    single = SparseOperator.from_csr(sparse, np.float32)
    assert double.dtype == np.float64
    assert single.dtype == np.float32
    assert all(
        leaf.dtype in (np.float32, np.int32) for leaf in jax.tree.leaves(double.astype(np.float32))
    )
    u = vectors(300, 1)[:, 0]
    assert (single @ u.astype(np.float32)).dtype == np.float32
    assert (single @ u).dtype == np.float64
    assert (double @ u.astype(np.float32)).dtype == np.float64
    assert (double @ np.arange(300)).dtype == np.float64
    np.testing.assert_allclose(single @ u.astype(np.float32), sparse @ u, atol=1e-5)
    gradient = jax.grad(lambda x: jnp.sum(single @ x))(jnp.asarray(u, jnp.float32))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(double @ (1j * u), 1j * (sparse @ u), atol=1e-12)
    assert SparseOperator.from_csr(scipy.sparse.eye(3, dtype=int)).dtype == np.float64


def test_entries_are_constants_for_differentiation():
    operator = SparseOperator.from_csr(AWKWARD["wide"])
    u = jnp.asarray(vectors(300, 1)[:, 0])
    gradient = jax.grad(lambda o: nonlinear(o, u), allow_int=True)(operator)
    floats = [leaf for leaf in jax.tree.leaves(gradient) if leaf.dtype == np.float64]
    assert floats
    assert all(not np.any(leaf) for leaf in floats)


def test_a_long_row_does_not_pad_the_others():
    count = 20_000
    star = scipy.sparse.lil_matrix(scipy.sparse.eye(count))
    star[:, 0] = 1.0
    star[0] = 1.0
    operator = SparseOperator.from_csr(star.tocsr())
    stored = sum(leaf.size for leaf in jax.tree.leaves(operator))
    assert stored <= 20 * count
    u = vectors(count, 1)[:, 0]
    np.testing.assert_allclose(operator @ u, star.tocsr() @ u, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(operator.T @ u, star.tocsr().T @ u, rtol=1e-9, atol=1e-9)


def test_duplicate_entries_are_summed_and_the_input_is_left_alone():
    matrix = scipy.sparse.csr_matrix(([1.0, 2.0, 3.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    operator = SparseOperator.from_csr(matrix)
    assert matrix.nnz == 3
    np.testing.assert_array_equal(operator @ np.array([1.0, 10.0]), [30.0, 3.0])
    same = SparseOperator.from_stencils([[1.0, 2.0], [3.0, 4.0]], [[0, 2], [1, 1]], 3)
    np.testing.assert_array_equal(same @ np.array([1.0, 10.0, 100.0]), [201.0, 70.0])


def test_nan_reaches_only_the_rows_that_use_it():
    matrix = scipy.sparse.csr_matrix(np.array([[1.0, 0, 0], [0, 1.0, 1.0]]))
    u = np.array([np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(SparseOperator.from_csr(matrix) @ u, [np.nan, 3.0])


def test_wrong_shapes_and_types():
    operator = SparseOperator.from_csr(AWKWARD["wide"])
    for wrong in (np.zeros(40), np.zeros((40, 300)), np.zeros((300, 2, 2)), np.float64(1.0)):
        with pytest.raises(ValueError, match="cannot multiply"):
            _ = operator @ wrong
    with pytest.raises(ValueError, match="floating-point"):
        SparseOperator.from_csr(AWKWARD["wide"], np.int32)
    with pytest.raises(ValueError, match="equal"):
        SparseOperator.from_stencils(np.zeros((2, 3)), np.zeros((2, 4), int), 5)
    with pytest.raises(ValueError, match="outside the 3 columns"):
        SparseOperator.from_stencils(np.zeros((1, 1)), np.array([[3]]), 3)


@settings(max_examples=6)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 1000), st.booleans())
def test_law_of_the_transpose(rows, columns, density, seed, batched):
    """⟨L u, v⟩ = ⟨u, Lᵀ v⟩, with Lᵀ from the derivative and from `.T`."""
    sparse = random_matrix(rows, columns, density, seed)
    operator = SparseOperator.from_csr(sparse)
    u, v = vectors(columns, 2, seed), vectors(rows, 2, seed + 1)
    if not batched:
        u, v = u[:, 0], v[:, 0]
    forward = np.sum((operator @ u) * v)
    pulled = jax.vjp(lambda x: operator @ x, jnp.asarray(u))[1](jnp.asarray(v))[0]
    scale = 1e-12 * (1 + abs(sparse).sum() * np.abs(u).max() * np.abs(v).max())
    assert abs(forward - np.sum(u * pulled)) <= scale
    assert abs(forward - np.sum(u * (operator.T @ v))) <= scale
