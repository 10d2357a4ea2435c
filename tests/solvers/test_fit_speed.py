"""Regularisers that any fit may name: their integrals, gradients and what refuses them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pdesl.diagnostics import ProblemError
from pdesl.lowering.learned import Learned
from pdesl.solvers.fit_choices import fit_choices
from pdesl.solvers.fit_model import Batch, FitModel, make_batch
from pdesl.solvers.fit_options import JacobianOptions
from pdesl.solvers.fit_speed import count_adaptive, integrands, probes_of
from pdesl.solvers.fit_steps import Prepared
from pdesl.symbolic.elaborate import elaborate_source
from tests.solvers.fits import prepared_of, source_of

PLANE = """
domain:
    t ∈ [0, 2]
fields:
    x(t), y(t) : scalar
closure:
    N = mlp(x, y, hidden=(6,))
equations:
    ∂t x = y + {force}
    ∂t y = -x + N
data:
    d = load("data.npz")
fit:
    d.x ≈ x
    d.y ≈ y
    regularise = {terms}
solver:
    method = sinode(time={time})
"""
LINE = """
domain:
    s ∈ {domain}
    t ∈ [0, 1]
fields:
    u(t, s) : scalar
closure:
    N = mlp(u, hidden=(4,))
equations:
    ∂t u = stiff((1/20) ∂s²u) + N
{boundary}
data:
    d = load("data.npz")
fit:
    d.u ≈ u
    regularise = {terms}
solver:
    method = sinode(space={space}, time={time})
"""
BOUNDARY = "boundary:\n    u = sin(t)    on left\n    u = sin(t)    on right"
EVERY = "[speed(order=3, weight=0.1), kinetic(weight=0.2), jacobian(weight=0.3)]"


def plane(folder: Path, time: str, terms: str = EVERY, force: str = "0") -> Prepared:
    t = np.linspace(0.0, 2.0, 5)
    text = PLANE.format(time=time, terms=terms, force=force)
    return prepared_of(source_of(text, folder, t=t, x=np.cos(t), y=-np.sin(t)))


def line(folder: Path, kind: str, time: str, terms: str = EVERY) -> Prepared:
    periodic = kind == "fourier(12)"
    text = LINE.format(
        domain="periodic(0, 2)" if periodic else "[0, 2]",
        boundary="" if periodic else BOUNDARY,
        space=kind, time=time, terms=terms,
    )  # fmt: skip
    grid = 2.0 * np.arange(12) / 12 if periodic else np.linspace(0.0, 2.0, 12)
    t = np.linspace(0.0, 0.5, 3)
    values = np.cos(np.pi * grid) * np.exp(-t[:, None]) + np.sin(t)[:, None] * (not periodic)
    return prepared_of(source_of(text, folder, t=t, s=grid, u=values))


def batch_of(prepared: Prepared) -> Batch:
    return make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)


def by_quadrature(model: FitModel, learned: Learned, batch: Batch) -> np.ndarray:
    """The integrals from nested derivatives along a course of small steps, by Simpson's rule."""
    fine = dataclasses.replace(
        model, dt=model.dt / 64, count=64 * model.count, regularisers=(), gradient="backpropagation"
    )
    first = model.first_states(learned, batch)
    course = fine.course(learned, first, batch.starts)
    scale = len(model.system.fields) / first.shape[1]

    def of(state: Any, time: Any) -> Any:
        """The integrands at one state (n,) of one window."""

        def velocity(t: Any, u: Any) -> Any:
            return model.slopes(learned, u[None], t)[0]

        def along(inner: Any) -> Any:
            return lambda t, u: jax.jvp(inner, (t, u), (jnp.ones_like(t), velocity(t, u)))[1]

        third = along(along(velocity))(time, state)
        jacobian = jax.jacfwd(lambda u: velocity(time, u))(state)
        squares = [jnp.sum(v**2) for v in (third, velocity(time, state), jacobian)]
        return scale * jnp.stack(squares)

    clock = batch.starts[None] + fine.dt * jnp.arange(len(course))[:, None]
    values = jax.jit(jax.vmap(jax.vmap(of)))(course, clock)
    weights = np.array([1.0, *[4.0, 2.0] * (len(values) // 2)])
    weights[-1] = 1.0
    return np.asarray(jnp.tensordot(fine.dt / 3 * weights, values, axes=1))


@pytest.mark.parametrize(
    ("kind", "time", "tolerance"),
    [
        ("plane", "rk4(dt=0.05)", 1e-5),
        ("fourier(12)", "etdrk4(dt=0.025)", 2e-4),
        ("finite_difference(12)", "imex_rk4(dt=0.0125)", 2e-3),
    ],
)
def test_the_integrals_are_those_of_nested_derivatives(
    tmp_path: Path, kind: str, time: str, tolerance: float
):
    if kind == "plane":
        prepared = plane(tmp_path, time, force="sin(3 t)")
    else:
        prepared = line(tmp_path, kind, time)
    batch, model = batch_of(prepared), prepared.model

    @eqx.filter_jit
    def of(model: FitModel, learned: Learned) -> Any:
        first = model.first_states(learned, batch)
        plain = dataclasses.replace(model, regularisers=())
        difference = model.loss(learned, batch) - plain.loss(learned, batch)
        return model.course_and_integrals(learned, first, batch.starts)[1], difference

    found, difference = of(model, prepared.learned)
    known = by_quadrature(model, prepared.learned, batch)
    assert found.shape == known.shape
    assert np.asarray(found) == pytest.approx(known, rel=tolerance)
    extra = np.mean(np.asarray(found), axis=0) @ [0.1, 0.2, 0.3]
    assert float(difference) == pytest.approx(float(extra), rel=1e-9)


@pytest.mark.parametrize("kind", ["plane", "fourier(12)"])
def test_the_gradient_is_that_of_the_loss(tmp_path: Path, kind: str):
    terms = EVERY.replace("order=3", "order=2")
    if kind == "plane":
        prepared = plane(tmp_path, "rk4(dt=0.5)", terms, force="sin(3 t)")
    else:
        prepared = line(tmp_path, kind, "imex_rk2(dt=0.125)", terms)
    batch, model = batch_of(prepared), prepared.model
    arrays, static = eqx.partition(prepared.learned, eqx.is_inexact_array)
    start, restore = ravel_pytree(arrays)

    @eqx.filter_jit
    def of(vector: Any, model: FitModel) -> Any:
        return jax.value_and_grad(
            lambda v: model.loss(eqx.combine(restore(v), static), batch)
        )(vector)  # fmt: skip

    _, slope = of(start, model)
    _, other = of(start, dataclasses.replace(model, gradient="backpropagation"))
    assert np.asarray(slope) == pytest.approx(np.asarray(other), abs=1e-11 * np.abs(other).max())
    direction, h = np.random.default_rng(0).normal(size=start.shape), 1e-5
    ahead, behind = (of(start + sign * h * direction, model)[0] for sign in (1, -1))
    assert float(slope @ direction) == pytest.approx(float(ahead - behind) / (2 * h), rel=1e-7)


def test_directions_at_random_estimate_the_jacobian():
    random = np.random.default_rng(0)
    matrix = jnp.asarray(random.normal(size=(5, 5)))
    states = jnp.asarray(random.normal(size=(2_000, 5)))
    velocity = lambda t, u: jnp.tanh(u) @ matrix.T  # noqa: E731
    found = {}
    for probes in (0, 1):
        term = JacobianOptions(probes=probes)
        drawn = probes_of([term], len(states), 5, 0)
        found[probes] = np.asarray(integrands([term], velocity, 0.0, states, drawn, 5))[:, 0]
    exact = np.sum((np.asarray(matrix) * (1 - np.tanh(np.asarray(states)) ** 2)[:, None]) ** 2,
                   axis=(1, 2))  # fmt: skip
    assert found[0] == pytest.approx(exact, rel=1e-12)
    error = (found[1] - found[0]).mean() / (found[1] - found[0]).std() * np.sqrt(len(states))
    assert abs(error) < 4.0
    assert (found[1] - found[0]).std() > 0.1


def test_evaluations_are_counted_and_limited():
    decay = lambda t, u: -u  # noqa: E731
    stiff = lambda t, u: -1e5 * u  # noqa: E731
    few = count_adaptive(decay, np.ones((3, 2)), 1.0, (1e-4, 1e-7))
    many = count_adaptive(decay, np.ones((3, 2)), 1.0, (1e-8, 1e-11))
    assert few is not None
    assert many is not None
    assert 8 <= few < many
    assert count_adaptive(stiff, np.ones((1, 1)), 1.0, (1e-4, 1e-7)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("N = mlp(x, y, hidden=(6,))\n", "N = mlp(x, y, hidden=(6,))\n"), ""),
        (("fit:\n", "fit:\n    optimizer = levenberg_marquardt\n"), "minimises residuals"),
        (("speed(order=3", "sped(order=3"), "no regulariser `sped`"),
        (("order=3", "order=0"), "at least 1"),
    ],
)
def test_a_regulariser_that_cannot_be_is_refused(tmp_path: Path, change, words: str):
    text = PLANE.format(time="rk4(dt=0.1)", terms=EVERY, force="0").replace(*change)
    problem = elaborate_source(source_of(text, tmp_path, t=[0.0]), ())
    if not words:
        assert [t.label for t in fit_choices(problem, {}).regularisers] == [
            "speed_3",
            "kinetic",
            "jacobian",
        ]
        return
    with pytest.raises(ProblemError, match=words):
        fit_choices(problem, {})
