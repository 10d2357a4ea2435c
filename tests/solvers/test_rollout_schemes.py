"""Rollouts: the order of every scheme, gradients of the stepwise ones, counts, invariants."""

from functools import lru_cache
from math import log2
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.solvers.implicit_operators import (
    Combination,
    DenseOperator,
    DiagonalOperator,
    FourierOperator,
    stencil_operator,
)
from pdesl.solvers.rollout import count_evaluations, prefactored, rollout
from pdesl.solvers.rollout_names import SCHEMES

POINTS = 16
NODES = 2 * np.pi * np.arange(POINTS) / POINTS


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def explicit(t: Any, state: Any, parameters: Any) -> Any:
    return parameters["rate"] * jnp.sin(state) * jnp.cos(t)


def forcing(t: Any, parameters: Any) -> Any:
    return jnp.sin(parameters["rate"] * t + jnp.asarray(NODES))


def spectrum(parameters: Any) -> Any:
    """Diffusion and drift, and decay of short waves by a rate that makes the equation stiff."""
    k = jnp.arange(POINTS // 2 + 1)
    drift = jnp.where(k == POINTS // 2, 0, k)
    return -0.1 * k**2 + 0.3j * drift - parameters["decay"] * (k > 3)


OPERATOR = FourierOperator(spectrum, (POINTS,))


@eqx.filter_jit
def run(scheme: str, decay: Any, dt: Any, steps: int = 8) -> Any:
    state = jnp.asarray(np.stack([np.sin(NODES), np.cos(NODES) + 0.5]))
    parameters = {"rate": jnp.asarray(0.9), "decay": decay}
    return rollout(
        explicit, OPERATOR, state, parameters, steps, dt, scheme, forcing=forcing, keep_every=steps
    ).states[-1]


@lru_cache
def truth(decay: float, end: float) -> Any:
    return np.asarray(run("imex_rk5", jnp.asarray(decay), jnp.asarray(end / 1200), 1200))


@pytest.mark.parametrize(
    "scheme",
    ["imex_rk2", "imex_rk3", "imex_rk4", "imex_rk5", "rk4", "crank_nicolson", "cnab2", "sbdf4"]
    + ["etd1", "etdrk2", "etdrk4", "epi2"],
)
def test_orders(scheme: str):
    """The error after eight steps falls by 2^(p+1) when the step is halved.

    Where waves that decay at once are driven by slow ones, additive methods have the order of
    their stages in those waves; the others keep their own.
    """
    own = SCHEMES[scheme]
    for decay in (0.0,) if scheme == "rk4" else (0.0, 3000.0):
        errors = [
            float(np.max(np.abs(run(scheme, jnp.asarray(decay), dt) - truth(decay, 8 * dt))))
            for dt in (0.04, 0.02)
        ]
        rate = log2(errors[0] / errors[1])
        reduced = decay > 0 and (own.kind == "additive" or scheme == "etdrk4")
        assert rate > (1.3 if reduced else own.order + 1 - 0.25 - 0.3 * (own.order == 5))
        assert errors[0] < (4e-4 if reduced else 1.2e-2)


def test_a_linear_invariant_is_kept():
    """Terms that add up to zero over the grid leave the sum of the state alone."""

    def swap(t: Any, state: Any, parameters: Any) -> Any:
        del t, parameters
        flux = jnp.sin(state) * jnp.roll(state, 1, axis=1)
        return 5 * (jnp.roll(flux, -1, axis=1) - flux)

    diffusion = stencil_operator(((-1,), (0,), (1,)), [50.0, -100.0, 50.0], (POINTS,))
    state = jnp.asarray(np.random.default_rng(0).normal(size=(3, POINTS)))
    for scheme in ("imex_rk4", "sbdf3", "etdrk4"):
        states = rollout(swap, diffusion, state, None, 20, 0.02, scheme).states
        drift = jnp.max(jnp.abs(states.sum(axis=2) - state.sum(axis=1)))
        assert float(drift) < 2e-13
        assert float(jnp.max(jnp.abs(states[-1] - state))) > 0.1


def test_kept_factors_are_those_made_anew():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(POINTS, POINTS)) - 9 * np.eye(POINTS)
    state = jnp.asarray(rng.normal(size=(2, POINTS)))
    parameters = {"rate": jnp.asarray(0.9)}
    for operator in (DenseOperator(matrix), FourierOperator(-(np.arange(9.0) ** 4), (POINTS,))):
        kept = prefactored(operator, "imex_rk3", 0.1)
        assert len(kept.stored) == 1

        @eqx.filter_jit
        def last(operator: Any) -> Any:
            return rollout(explicit, operator, state, parameters, 5, 0.1, "imex_rk3").states[-1]

        assert float(jnp.max(jnp.abs(last(kept) - last(operator)))) < 1e-14
    learned = DenseOperator(lambda p: p["matrix"])
    with pytest.raises(ValueError, match="depends on parameters"):
        prefactored(learned, "imex_rk3", 0.1)


@pytest.mark.parametrize("scheme", ["etdrk4", "sbdf3", "crank_nicolson", "epi2"])
def test_stepwise_adjoints(scheme: str):
    """Against differences, in the state and in coefficients of J."""
    state = jnp.asarray(np.random.default_rng(2).normal(size=(2, POINTS)))
    parameters = {"rate": jnp.asarray(0.9), "decay": jnp.asarray(20.0)}

    @eqx.filter_jit
    def loss(pair: Any) -> Any:
        run = rollout(
            explicit, OPERATOR, pair[0], pair[1], 4, 0.05, scheme,
            forcing=forcing, checkpoints="sqrt", keep_every=2, krylov=6,
        )  # fmt: skip
        return jnp.sum(jnp.sin(run.states))

    found = eqx.filter_jit(jax.grad(loss))((state, parameters))
    away = (jnp.cos(jnp.arange(state.size) + 0.0).reshape(state.shape), parameters)
    ends = [
        float(loss(jax.tree.map(lambda a, b, s=s: a + s * b, (state, parameters), away)))
        for s in (1e-5, -1e-5)
    ]
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(away), strict=True)
    slope = sum(float(jnp.vdot(a, b)) for a, b in pairs)
    # A Krylov space of six dimensions is exact here to the digits that differences have.
    assert abs((ends[0] - ends[1]) / 2e-5 - slope) < 1e-6 * (1 + abs(slope))


def test_evaluations_as_the_paper_counts_them():
    """Tables 1 and 2 of H. Zhang, Y. Liu and R. Maulik, 2024."""
    pairs = [f"imex_rk{order}" for order in (2, 3, 4, 5)]
    kuramoto = [count_evaluations(name, 1, batches=3999 // 256).total for name in pairs]
    burgers = [count_evaluations(name, 2, batches=80 * 49 // 200).total for name in pairs]
    assert kuramoto == [60, 120, 180, 240]
    assert burgers == [152, 304, 456, 608]
    assert count_evaluations("rk4", 200, batches=15).total == 24_000
    assert count_evaluations("rk4", 100, batches=19).total == 15_200


@pytest.mark.parametrize(
    ("scheme", "checkpoints"), [("imex_rk3", None), ("imex_rk2", "sqrt"), ("imex_rk2", 2)]
)
def test_evaluations_are_those_of_the_run(scheme: str, checkpoints: Any):
    seen = []

    def counting(t: Any, state: Any, parameters: Any) -> Any:
        jax.debug.callback(lambda: seen.append(1))
        return explicit(t, state, parameters)

    parameters = {"rate": jnp.asarray(0.9), "decay": jnp.asarray(20.0)}
    state = jnp.ones((1, POINTS))

    def loss(parameters: Any) -> Any:
        run = rollout(
            counting, OPERATOR, state, parameters, 5, 0.05, scheme, checkpoints=checkpoints
        )
        return jnp.sum(run.states**2)

    jax.grad(loss)(parameters)
    jax.effects_barrier()
    assert len(seen) == count_evaluations(scheme, 5, checkpoints=checkpoints).total


def test_what_a_function_closes_over_is_differentiated():
    state = jnp.ones((1, POINTS))

    def loss(rate: Any, how: str) -> Any:
        def inner(t: Any, state: Any, parameters: Any) -> Any:
            del parameters
            return explicit(t, state, {"rate": rate})

        decay = DiagonalOperator(-1.0)
        return jnp.sum(rollout(inner, decay, state, None, 3, 0.1, gradient=how).states)

    def twice(rate: Any, how: str) -> Any:
        total, _ = jax.lax.scan(lambda c, _: (c + loss(rate, how), None), 0.0, None, 2)
        return total

    known = jax.grad(twice)(0.9, "backpropagation")
    found = jax.grad(twice)(0.9, "discrete_adjoint")
    assert abs(float(known)) > 0.1
    assert abs(float(found - known)) < 1e-13


def test_several_fields_on_a_grid_of_two_axes():
    """A block symbol acts as the same matrix does, and so do its solves and its φ functions."""
    rng = np.random.default_rng(3)
    grid, fields = (4, 6), 2
    real = rng.normal(size=(fields, fields, *grid))
    symbol = np.fft.rfftn(real, axes=(2, 3))
    operator = FourierOperator(symbol, grid, fields)
    size = fields * 24
    matrix = np.asarray(operator.apply(None, jnp.eye(size))).T
    dense = DenseOperator(matrix)
    rows = jnp.asarray(rng.normal(size=(3, size)))
    for act in (
        lambda o: o.apply(None, rows),
        lambda o: o.apply_table_transposed(o.table(None), rows),
        lambda o: o.solve(None, 0.01, rows),
        lambda o: o.solve_transposed(None, 0.01, rows),
        lambda o: o.apply_phi(o.phi_tables(o.table(None), 0.01)[2], rows),
    ):
        assert float(jnp.max(jnp.abs(act(operator) - act(dense)))) < 1e-12
    assert float(jnp.max(jnp.abs(rows @ (matrix - matrix.T)))) > 1


def test_unknown_diffusion_is_a_combination():
    parts = np.stack([-(np.arange(9.0) ** 2), -(np.arange(9.0) ** 4)])
    operator = FourierOperator(Combination(lambda p: jnp.stack([p, p**2]), parts), (POINTS,))
    rows = jnp.asarray(np.stack([np.sin(2 * NODES)]))
    found = operator.apply(jnp.asarray(0.5), rows)
    assert np.max(np.abs(found - (-4 * 0.5 - 16 * 0.25) * rows)) < 1e-12


def test_a_scheme_that_the_operator_does_not_allow():
    with pytest.raises(SolverError, match="φ functions") as caught:
        rollout(explicit, None, jnp.ones((1, POINTS)), {"rate": 1.0}, 1, 0.1, "etd1")
    assert caught.value.code == "E760"
