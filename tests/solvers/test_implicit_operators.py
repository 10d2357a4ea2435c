"""Linear parts of every kind against the matrix they stand for, in solves and in gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.solvers.implicit_operators import (
    DenseOperator,
    FourierOperator,
    ImplicitOperator,
    phi_of_diagonal,
    phi_of_matrix,
)
from pdesl.solvers.implicit_sparse import (
    BandedOperator,
    KrylovOperator,
    SparseOperator,
    operator_of_matrix,
)
from pdesl.solvers.rollout import rollout

SIZE = 9


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def band(rng: np.random.Generator, lower: int, upper: int) -> tuple[np.ndarray, np.ndarray]:
    """A banded matrix, and its diagonals as SciPy has them."""
    matrix = np.triu(np.tril(rng.normal(size=(SIZE, SIZE)), upper), -lower) - 4 * np.eye(SIZE)
    table = np.zeros((lower + 1 + upper, SIZE))
    for i, j in zip(*np.nonzero(matrix), strict=True):
        table[upper + i - j, j] = matrix[i, j]
    return matrix, table


def kinds(seed: int) -> list[tuple[ImplicitOperator, Any, np.ndarray]]:
    """Operators whose values are the parameters, those values, and their matrix."""
    rng = np.random.default_rng(seed)
    found: list[tuple[ImplicitOperator, Any, np.ndarray]] = []
    for lower, upper in ((1, 1), (2, 2), (0, 1), (2, 1)):
        matrix, table = band(rng, lower, upper)
        found.append((BandedOperator(lambda p: p, lower, upper), jnp.asarray(table), matrix))
    matrix, _ = band(rng, 3, 4)
    rows, columns = np.nonzero(matrix)
    values = jnp.asarray(matrix[rows, columns])
    found.append((SparseOperator(lambda p: p, rows, columns, SIZE), values, matrix))
    product = KrylovOperator(lambda p: p, lambda table, u: u @ table.T)
    found.append((product, jnp.asarray(matrix), matrix))
    return found


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_products_and_solves_are_those_of_the_matrix(seed: int):
    rows = jnp.asarray(np.random.default_rng(seed).normal(size=(3, SIZE)))
    for operator, values, matrix in kinds(seed):
        whole = np.eye(SIZE) - 0.3 * matrix
        pairs = (
            (operator.apply(values, rows), rows @ matrix.T),
            (operator.apply_table_transposed(values, rows), rows @ matrix),
            (operator.solve(values, 0.3, rows), np.linalg.solve(whole, rows.T).T),
            (operator.solve_transposed(values, 0.3, rows), np.linalg.solve(whole.T, rows.T).T),
        )
        for found, known in pairs:
            assert np.max(np.abs(found - known)) < 1e-10 * (1 + np.max(np.abs(known)))


@pytest.mark.parametrize("index", [1, 4, 5], ids=["banded", "sparse", "krylov"])
def test_gradients_reach_the_numbers_of_every_kind(index: int):
    operator, values, matrix = kinds(7)[index]
    state = jnp.asarray(np.random.default_rng(0).normal(size=(2, SIZE)))

    def loss(operator: Any, values: Any, state: Any) -> Any:
        run = rollout(lambda t, u, p: jnp.sin(u), operator, state, values, 3, 0.1, "imex_rk3")
        return jnp.sum(run.states**2)

    dense = DenseOperator(lambda p: p)
    found = jax.jit(jax.grad(lambda v, u: loss(operator, v, u), (0, 1)))(values, state)
    known = jax.jit(jax.grad(lambda v, u: loss(dense, v, u), (0, 1)))(jnp.asarray(matrix), state)
    assert float(jnp.max(jnp.abs(found[1] - known[1]))) < 1e-10
    # The gradient in the values is that in the matrix, read at the places of the values.
    _, pull = jax.vjp(lambda v: operator.apply(v, jnp.eye(SIZE)).T, values)
    assert float(jnp.max(jnp.abs(pull(known[0])[0] - found[0]))) < 1e-9


def test_a_sparse_operator_factors_once():
    rng = np.random.default_rng(1)
    matrix, _ = band(rng, 3, 3)
    rows, columns = np.nonzero(matrix)
    operator = SparseOperator(matrix[rows, columns], rows, columns, SIZE)
    state = jnp.asarray(rng.normal(size=(2, SIZE)))

    @jax.jit
    @jax.grad
    def gradient(state: Any) -> Any:
        return jnp.sum(rollout(None, operator, state, None, 6, 0.1, "dirk3").states ** 2)

    for _ in range(3):
        gradient(state).block_until_ready()
    assert operator.host.made == 1


def test_a_singular_step_is_not_a_number():
    operator = SparseOperator(np.ones(2), np.arange(2), np.arange(2), 2)
    found = operator.solve(None, 1.0, jnp.ones((1, 2)))
    assert np.all(np.isnan(found))


def test_structure_is_recognised():
    rng = np.random.default_rng(2)
    row = rng.normal(size=SIZE)
    circulant = np.stack([np.roll(row, i) for i in range(SIZE)])
    bands = np.stack([np.ones(3000), np.full(3000, -2.0), np.ones(3000)])
    three = scipy.sparse.dia_array((bands, np.array([-1, 0, 1])), shape=(3000, 3000))
    far = scipy.sparse.eye_array(3000) + scipy.sparse.eye_array(3000, k=900)
    examples = {
        "diagonal": np.diag(row),
        "circulant, diagonal in Fourier space on 9 points": circulant,
        "dense, one prefactored inverse for each shift": rng.normal(size=(SIZE, SIZE)),
        "banded (3 diagonals), LU by substitution": three,
        "sparse LU on the host, 3,000 unknowns, 5,100 entries": far,
    }
    for words, matrix in examples.items():
        operator = operator_of_matrix(matrix)
        assert operator.words == words
        size = matrix.shape[0]
        rows = jnp.asarray(rng.normal(size=(2, size)))
        assert np.max(np.abs(operator.apply(None, rows) - (matrix @ rows.T).T)) < 1e-12
    assert isinstance(operator_of_matrix(circulant + circulant.T), FourierOperator)


def test_phi_functions_near_zero_and_far_left():
    z = np.array([0.0, 1e-9, -1e-3, -0.7, -1.0, 2.5, -40.0, -1e5])
    found = phi_of_diagonal(z)
    # The same from the exponential of a matrix, where no quotient occurs.
    for k in range(1, 4):
        known = np.array([phi_of_matrix(np.array([[value]]))[k][0, 0] for value in z[:-1]])
        assert np.max(np.abs(found[k][:-1] - known) / np.abs(known)) < 3e-12
    assert np.allclose([f[-1] for f in found[1:]], [1e-5, 1e-5 - 1e-10, 0.5e-5 - 1e-10], rtol=1e-9)
    traced = jax.jit(phi_of_diagonal)(jnp.asarray(z))
    for a, b in zip(traced, found, strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-15)
