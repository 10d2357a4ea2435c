"""Derivatives along a flow, against solutions in closed form and nested derivatives."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.lowering.jets.flow import (
    flow_coefficients,
    flow_derivatives,
    jacobian_penalty,
    kinetic_penalty,
    speed_regulariser,
    with_integrals,
)


def network(parameters: Any, t: Any, z: Any) -> Any:
    a, b, c = parameters
    return jnp.tanh(z @ a + t * c) @ b


def parameters_of(seed: int = 0, width: int = 5, size: int = 3) -> Any:
    generator = np.random.default_rng(seed)
    shapes = [(size, width), (width, size), (width,)]
    return tuple(jnp.asarray(generator.normal(size=s) / 2) for s in shapes)


def test_the_logistic_equation_has_its_closed_form() -> None:
    """z′ = z(1 − z), z(0) = 1/2: z = 1/(1 + e⁻ᵗ), coefficients of the logistic function at 0."""
    found = flow_coefficients(lambda t, z: z * (1.0 - z), 0.0, jnp.asarray(0.5), 7)
    expected = [1 / 2, 1 / 4, 0, -1 / 48, 0, 1 / 480, 0, -17 / 80640]
    np.testing.assert_allclose(found, expected, atol=1e-16)


def test_time_enters_and_a_state_is_a_tree() -> None:
    """p′ = q, q′ = −p + t: p = t + a cos t + b sin t."""
    state = {"p": jnp.asarray(1.0), "q": jnp.asarray(3.0)}
    found = flow_derivatives(
        lambda t, s: {"p": s["q"], "q": t - s["p"]}, jnp.asarray(0.0), state, 6
    )
    expected = [1.0, 3.0, -1.0, -2.0, 1.0, 2.0, -1.0]
    np.testing.assert_allclose([s["p"] for s in found], expected, atol=1e-14)


@pytest.mark.parametrize("order", [1, 3, 6])
def test_a_network_equals_nested_derivatives(order: int) -> None:
    parameters = parameters_of()
    state = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3)))

    def nested(t: Any, z: Any) -> Any:
        function = lambda t, z: network(parameters, t, z)  # noqa: E731

        def along(inner: Any) -> Any:
            return lambda t, z: jax.jvp(inner, (t, z), (jnp.ones_like(t), function(t, z)))[1]

        current = function
        for _ in range(order - 1):
            current = along(current)
        return current(t, z)

    mine = jax.jit(
        lambda t, z: flow_derivatives(lambda t, z: network(parameters, t, z), t, z, order)[order]
    )(0.3, state)
    theirs = jax.jit(nested)(jnp.asarray(0.3), state)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-10 * float(jnp.abs(theirs).max()))


def test_derivatives_agree_with_a_trajectory_of_high_order() -> None:
    """Differences of a solution to 1e-14 by 200 steps of order 12 in the same equation."""
    parameters = parameters_of(2)
    dynamics = lambda t, z: network(parameters, t, z)  # noqa: E731
    z = jnp.asarray([0.2, -0.4, 0.9])

    def at(h: float) -> Any:
        return np.asarray(scipy_solution(dynamics, z, h))

    found = flow_derivatives(dynamics, 0.0, z, 4)
    h = 0.05
    values = {k: at(k * h) for k in (-3, -2, -1, 1, 2, 3)}
    # Central differences of sixth and fourth order.
    first = (45 * (values[1] - values[-1]) - 9 * (values[2] - values[-2])
             + values[3] - values[-3]) / (60 * h)  # fmt: skip
    np.testing.assert_allclose(first, found[1], atol=1e-7)
    third = (
        13 * (values[-1] - values[1]) - 8 * (values[-2] - values[2]) + values[-3] - values[3]
    ) / (8 * h**3)
    np.testing.assert_allclose(third, found[3], atol=1e-4)


def scipy_solution(dynamics: Any, z: Any, time: float) -> Any:
    from scipy.integrate import solve_ivp

    run = jax.jit(dynamics)
    solution = solve_ivp(
        lambda t, s: np.asarray(run(t, jnp.asarray(s))), (0.0, time), np.asarray(z),
        method="DOP853", rtol=1e-13, atol=1e-14,
    )  # fmt: skip
    return solution.y[:, -1]


def test_a_series_predicts_the_solution() -> None:
    parameters = parameters_of(2)
    dynamics = lambda t, z: network(parameters, t, z)  # noqa: E731
    z, h = jnp.asarray([0.2, -0.4, 0.9]), 0.1
    series = flow_coefficients(dynamics, 0.0, z, 10)
    sum_ = sum(c * h**k for k, c in enumerate(series))
    np.testing.assert_allclose(sum_, scipy_solution(dynamics, z, h), rtol=0, atol=1e-12)


def test_the_speed_regulariser_vanishes_on_polynomials_of_lower_order() -> None:
    """z = t³: the third derivative is 6, the fourth vanishes (section 3 of the paper)."""
    dynamics = lambda t, z: 3.0 * t * t * jnp.ones_like(z)  # noqa: E731
    state = jnp.zeros(2)
    values = [float(speed_regulariser(dynamics, k)(0.5, state)) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(values, [2 * 0.75**2, 2 * 3.0**2, 2 * 36.0, 0.0], atol=1e-14)
    assert float(kinetic_penalty(dynamics)(0.5, state)) == pytest.approx(values[0])


def test_gradients_of_the_speed_regulariser_equal_differences() -> None:
    state = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3)))

    def value(parameters: Any) -> Any:
        return speed_regulariser(lambda t, z: network(parameters, t, z), 3)(0.2, state)

    parameters = parameters_of()
    gradient = jax.jit(jax.grad(value))(parameters)
    run = jax.jit(value)
    for position in range(3):
        for index in [(0,) * parameters[position].ndim]:
            shift = [jnp.zeros_like(p) for p in parameters]
            shift[position] = shift[position].at[index].set(1e-5)
            up = run(jax.tree.map(jnp.add, parameters, tuple(shift)))
            down = run(jax.tree.map(jnp.subtract, parameters, tuple(shift)))
            assert float(gradient[position][index]) == pytest.approx(
                float(up - down) / 2e-5, rel=1e-6, abs=1e-9
            )


def test_the_jacobian_penalty_and_its_estimate() -> None:
    parameters = parameters_of()
    dynamics = lambda t, z: network(parameters, t, z)  # noqa: E731
    state = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3)))
    jacobians = jax.jit(jax.vmap(jax.jacobian(lambda z: dynamics(0.1, z))))(state)
    exact = float(jnp.sum(jacobians**2))
    for batched in (False, True):
        found = jax.jit(jacobian_penalty(dynamics, batched=batched))(0.1, state)
        assert float(found) == pytest.approx(exact, rel=1e-12)
    probes = jnp.asarray(np.random.default_rng(5).normal(size=(4000, 2, 3)))
    one = lambda e: jacobian_penalty(dynamics, e)(0.1, state)  # noqa: E731
    estimates = jax.jit(jax.vmap(one))(probes)
    gram = jnp.einsum("nij,nkj->nik", jacobians, jacobians)
    deviation = math.sqrt(float(2 * jnp.sum(gram**2)) / len(probes))
    assert abs(float(estimates.mean()) - exact) < 4 * deviation
    assert float(estimates.var()) == pytest.approx(deviation**2 * len(probes), rel=0.2)


def test_integrals_run_beside_the_state() -> None:
    """∫ ‖z″‖² dt of z = e⁻ᵗ over [0, 1] is (1 − e⁻²)/2, by classical Runge-Kutta steps."""
    dynamics = lambda t, z: -z  # noqa: E731
    augmented, initial = with_integrals(
        dynamics, {"R2": speed_regulariser(dynamics, 2), "B": jacobian_penalty(dynamics)}
    )
    h, steps = 0.05, 20

    def step(both: Any, t: Any) -> tuple[Any, None]:
        move = lambda d, s: jax.tree.map(lambda u, v: u + d * v, both, s)  # noqa: E731
        a = augmented(t, both)
        b = augmented(t + h / 2, move(h / 2, a))
        c = augmented(t + h / 2, move(h / 2, b))
        d = augmented(t + h, move(h, c))
        return jax.tree.map(
            lambda u, a, b, c, d: u + h / 6 * (a + 2 * b + 2 * c + d), both, a, b, c, d
        ), None

    (state, integrals), _ = jax.lax.scan(step, initial(jnp.asarray(1.0)), h * jnp.arange(steps))
    assert float(state) == pytest.approx(math.exp(-1.0), rel=1e-6)
    assert float(integrals["R2"]) == pytest.approx((1 - math.exp(-2.0)) / 2, rel=1e-6)
    assert float(integrals["B"]) == pytest.approx(1.0)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="structure"):
        flow_coefficients(lambda t, z: z[:1], 0.0, jnp.ones(2), 2)
    with pytest.raises(ValueError, match="at least 1"):
        speed_regulariser(lambda t, z: z, 0)
    with pytest.raises(ValueError, match="not negative"):
        flow_coefficients(lambda t, z: z, 0.0, jnp.ones(2), -1)
