"""Learned systems: unknown numbers, right-hand sides, closures, gradients of a misfit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from pdesl.ir.evolution import to_evolution
from pdesl.ir.fitting import diffusing_terms
from pdesl.ir.imex import to_imex
from pdesl.lowering.closures import make_closure_network
from pdesl.lowering.imex_spectral import to_spectral_imex
from pdesl.lowering.learned import Unknowns
from pdesl.lowering.periodic_grid import make_periodic_grid
from pdesl.lowering.products import product
from pdesl.lowering.to_learned import trigonometric_interpolation
from pdesl.run.reporting import silent_reporter
from pdesl.solvers.fit_choices import read_data
from pdesl.solvers.fit_model import in_precision, make_batch
from pdesl.solvers.sinode import fit
from tests.solvers.fits import (
    FIT,
    HEAD,
    perturbed,
    prepared_of,
    source_of,
    task_of,
    waves,
)

# -- unknown numbers -----------------------------------------------------------------------


@given(
    low=st.floats(-1e3, 1e3),
    width=st.floats(1e-2, 1e3),
    share=st.floats(0.01, 0.99),
    kind=st.sampled_from(["both", "lower", "upper", "none"]),
)
@settings(max_examples=40, deadline=None)
def test_an_unknown_comes_back_from_its_free_number(low, width, share, kind):
    start = low + share * width
    lower = low if kind in ("both", "lower") else -np.inf
    upper = low + width if kind in ("both", "upper") else np.inf
    unknowns = Unknowns(("a",), (start,), (lower,), (upper,))
    free = unknowns.to_free([start])
    assert np.asarray(unknowns.to_values(jnp.asarray(free))) == pytest.approx([start], rel=1e-9)
    for z in (-40.0, -1.0, 3.0, 40.0):
        (value,) = np.asarray(unknowns.to_values(jnp.array([z])))
        assert lower <= value <= upper


# -- right-hand sides ----------------------------------------------------------------------


@pytest.mark.parametrize("space", ["fourier(16)", "finite_difference(16, order=4)"])
def test_on_a_grid_the_right_hand_side_is_that_of_the_method_of_lines(tmp_path: Path, space: str):
    text = HEAD + "parameters:\n    a = unknown(start=0.7)\n    b = 2\nequations:\n"
    text += "    ∂t u = stiff(a ∂x²u) - b u ∂x u + sin(π x) cos(t) u - u³\n" + FIT
    text += f"solver:\n    method = sinode(space={space}, time=imex_rk2(dt=0.05))\n"
    data = waves(16)
    prepared = prepared_of(source_of(text, tmp_path, **data))
    task = prepared.task
    system = to_evolution(task.system)
    order = None if space.startswith("fourier") else 4
    grid = make_periodic_grid(task.region, (16,), degree=3, difference_order=order)
    spectral = to_spectral_imex(
        dataclasses.replace(system, initial=()), to_imex(system), grid, task.values, 0.0
    )
    model, learned = prepared.model, prepared.learned
    for state, t in zip(data["u"], (0.0, 0.3, 0.9), strict=True):
        modes = grid.to_modes(state[None])
        modes[..., -1] = 0.0
        whole = grid.to_values(spectral.explicit(t, modes) + spectral.implicit(t, modes))[0]
        own = model.system.explicit(t, jnp.asarray(state[None]), learned)
        assert model.operator is not None
        own = own + model.operator.apply(learned, jnp.asarray(state[None]))
        found = np.asarray(own[0])
        assert found == pytest.approx(whole, abs=1e-9 * np.abs(whole).max() + 1e-9)


@pytest.mark.parametrize("space", ["finite_difference(41)", "rbf_fd(nodes=40)"])
def test_on_nodes_a_fit_finds_what_made_the_data(tmp_path: Path, space: str):
    """A known solution, sin(π x) exp(−k t) + x t, with boundary data that change in time."""
    text = (
        """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
parameters:
    k = unknown(start=2)
    g = unknown(start=0.3)
fields:
    u(t, x) : scalar
equations:
    ∂t u = stiff((k/10) ∂x²u) + x
boundary:
    u = 0       on x = 0
    ∂x u = g t - π exp(-π² t/10)    on x = 1
initial:
    u = sin(π x)
"""
        + FIT
        + f"solver:\n    method = sinode(space={space}, time=imex_rk3(dt=0.02))\n"
    )
    x, t = np.linspace(0.05, 0.95, 7), np.array([0.1, 0.33, 0.7, 1.0])
    u = np.sin(np.pi * x) * np.exp(-(np.pi**2) / 10 * t[:, None]) + x * t[:, None]
    task = task_of(source_of(text, tmp_path, t=t, x=x, u=u))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    assert found.values["k"] == pytest.approx(1.0, abs=2e-3)
    assert found.values["g"] == pytest.approx(1.0, abs=5e-3)


def test_values_between_the_points_of_a_grid_are_those_of_the_polynomial():
    class Grid:
        counts, lower, periods = (7, 5), np.array([0.5, -1.0]), np.array([2.0, 3.0])

    axes = [low + p * np.arange(n) / n
            for low, p, n in zip(Grid.lower, Grid.periods, Grid.counts, strict=True)]  # fmt: skip

    def wave(x: Any, y: Any) -> Any:
        return np.cos(2 * np.pi * (x - 0.1)) * np.sin(4 * np.pi / 3 * y) + np.sin(np.pi * x)

    places = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    matrix = trigonometric_interpolation(Grid, places)  # type: ignore[arg-type]
    values = wave(*np.meshgrid(*axes, indexing="ij")).ravel()
    assert matrix @ values == pytest.approx(wave(*places.T), abs=1e-12)


def test_a_closure_that_multiplies_a_derivative_starts_as_small_as_the_data_say(tmp_path: Path):
    text = HEAD + "closure:\n    K = mlp(sin(π x), hidden=(8,))\nequations:\n"
    text += "    ∂t u = ∂x(K ∂x u)\n" + FIT
    text += "solver:\n    method = sinode(space=fourier(16), time=rk4(dt=0.05))\n"
    data = waves(16)
    data["u"] = data["u"][:1] * np.exp(-0.1 * data["t"])[:, None]
    prepared = prepared_of(source_of(text, tmp_path, **data))
    states = jnp.asarray(data["u"])
    change = prepared.model.system.explicit(0.0, states, prepared.learned)
    rate = np.sqrt(np.mean((np.diff(data["u"], axis=0) / 0.05) ** 2))
    values = prepared.model.system.closure_values(states, 0.0, prepared.learned)["K"]
    assert float(jnp.sqrt(jnp.mean(change**2))) == pytest.approx(
        rate * float(jnp.sqrt(jnp.mean(values**2))) / prepared.scales["K"][-1], rel=0.05
    )
    assert diffusing_terms(prepared.lowered.system) == ("K*∂x² u",)


# -- closures ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12,), (4, 5)])
def test_a_convolution_moves_with_its_input(shape: tuple[int, ...]):
    network = make_closure_network("convolution", 2, (3,), "tanh", shape=shape, width=3, seed=0)
    places = int(np.prod(shape))
    inputs = np.random.default_rng(0).normal(size=(2, *shape, 2))
    first = np.asarray(network(jnp.asarray(inputs.reshape(2, places, 2)))).reshape(2, *shape)
    moved = np.roll(inputs, 2, axis=1).reshape(2, places, 2)
    second = np.asarray(network(jnp.asarray(moved))).reshape(2, *shape)
    assert second == pytest.approx(np.roll(first, 2, axis=1), abs=1e-13)


@pytest.mark.parametrize(("shape", "width"), [((24,), 5), ((6, 8), 3), ((24,), 21), ((6, 8), 5)])
def test_a_convolution_is_the_sum_over_its_window(shape: tuple[int, ...], width: int):
    """Narrow windows are summed, wide ones are products of transforms."""
    network = make_closure_network("convolution", 2, (), "tanh", shape=shape, width=width, seed=1)
    inputs = np.random.default_rng(0).normal(size=(3, *shape, 2))
    (weight,) = (np.asarray(w).reshape(*(width,) * len(shape), 2) for w in network.weights)
    wanted = np.zeros((3, *shape))
    for offset in np.ndindex(*(width,) * len(shape)):
        moved = np.roll(inputs, [width // 2 - o for o in offset], tuple(range(1, 1 + len(shape))))
        wanted += moved @ weight[offset]
    found = network(jnp.asarray(inputs.reshape(3, -1, 2)))
    assert np.asarray(found).reshape(wanted.shape) == pytest.approx(wanted, abs=1e-11)


CLOSURES = {
    "point": "mlp(u, ∂x u, x, hidden=(5,))",
    "grid": 'mlp(u, scope="grid", hidden=(6,), activation="gelu")',
    "convolution": "convolution(u, hidden=(4,), width=3)",
}


@pytest.mark.parametrize("kind", CLOSURES)
def test_the_gradient_is_that_of_backpropagation_and_of_differences(tmp_path: Path, kind: str):
    text = HEAD + "parameters:\n    a = unknown(start=0.02, bounds=(0, 1))\n"
    text += f"closure:\n    N = {CLOSURES[kind]}\nequations:\n"
    text += (
        "    ∂t u = stiff(a ∂x²u) + ∂x N - u N + a u\n"
        + FIT
        + "    window = 2\n    penalty = 0.1\n"
    )
    text += "solver:\n    method = sinode(space=fourier(12), time=imex_rk3(dt=0.05))\n"
    prepared = prepared_of(source_of(text, tmp_path, **waves(12, 5)))
    model, learned = prepared.model, perturbed(prepared)
    batch = make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)
    arrays, static = eqx.partition(learned, eqx.is_inexact_array)
    flat, restore = ravel_pytree(arrays)

    @eqx.filter_jit
    def gradient_of(vector: Any, gradient: str, model: Any, batch: Any) -> Any:
        def loss(v: Any) -> Any:
            own = dataclasses.replace(model, gradient=gradient)
            return own.loss(eqx.combine(restore(v), static), batch)

        return jax.value_and_grad(loss)(vector)

    _, exact = gradient_of(flat, "backpropagation", model, batch)
    _, adjoint = gradient_of(flat, "discrete_adjoint", model, batch)
    size = float(np.linalg.norm(exact))
    assert float(np.linalg.norm(adjoint - exact)) < 1e-11 * size
    direction = np.random.default_rng(3).normal(size=flat.shape)
    h = 1e-6
    above, _ = gradient_of(flat + h * direction, "discrete_adjoint", model, batch)
    below, _ = gradient_of(flat - h * direction, "discrete_adjoint", model, batch)
    assert float(above - below) / (2 * h) == pytest.approx(float(exact @ direction), rel=1e-6)


def test_gradients_with_checkpoints_and_in_float32(tmp_path: Path):
    text = HEAD + 'closure:\n    N = mlp(u, scope="grid", hidden=(20,))\nequations:\n'
    text += "    ∂t u = stiff(-∂x⁴u) + N\n" + FIT + "    window = 4\n"
    text += "solver:\n    method = sinode(space=finite_difference(32), time=imex_rk3(dt=0.01))\n"
    prepared = prepared_of(source_of(text, tmp_path, **waves(32, 6)))
    batch = make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)

    def gradient(precision: str, checkpoints: str | None) -> np.ndarray:
        learned, own = in_precision((prepared.learned, batch), precision)
        model = in_precision(
            dataclasses.replace(prepared.model, checkpoints=checkpoints), precision
        )
        arrays, static = eqx.partition(learned, eqx.is_inexact_array)
        slope = eqx.filter_jit(
            jax.grad(lambda a, m, b: m.loss(eqx.combine(a, static), b))
        )(arrays, model, own)  # fmt: skip
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(slope)} == {precision}
        return np.asarray(ravel_pytree(slope)[0], float)

    exact = gradient("float64", None)
    size = float(np.linalg.norm(exact))
    assert np.linalg.norm(gradient("float64", "sqrt") - exact) < 1e-12 * size
    # A stencil rounded to float32 would spoil small waves; states are rounded in every step.
    assert np.linalg.norm(gradient("float32", None) - exact) < 1e-4 * size


def test_the_product_with_weights_is_differentiated_both_ways():
    random = np.random.default_rng(0)
    h, w, dh, dw = (jnp.asarray(random.normal(size=s)) for s in ((5, 3), (3, 4), (5, 3), (3, 4)))
    value, tangent = jax.jvp(product, (h, w), (dh, dw))
    assert np.asarray(value) == pytest.approx(np.asarray(h @ w), rel=1e-14)
    assert np.asarray(tangent) == pytest.approx(np.asarray(dh @ w + h @ dw), rel=1e-14)
    back = jax.grad(lambda a, b: jnp.sum(product(a, b) ** 2), argnums=(0, 1))(h, w)
    wanted = jax.grad(lambda a, b: jnp.sum((a @ b) ** 2), argnums=(0, 1))(h, w)
    for own, other in zip(back, wanted, strict=True):
        assert np.asarray(own) == pytest.approx(np.asarray(other), rel=1e-13)
