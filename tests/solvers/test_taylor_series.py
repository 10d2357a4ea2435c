"""Integration by Taylor series: known answers, orders, failures, gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.solvers.taylor_series import taylor_series, taylor_steps

ECCENTRICITY = 0.6
KEPLER_START = (
    jnp.asarray([1.0 - ECCENTRICITY, 0.0]),
    jnp.asarray([0.0, np.sqrt((1.0 + ECCENTRICITY) / (1.0 - ECCENTRICITY))]),
)


def kepler(t: Any, state: Any) -> Any:
    place, momentum = state
    return momentum, -place / jnp.sum(place**2) ** 1.5


def kepler_exact(times: np.ndarray) -> np.ndarray:
    """Places on the ellipse; Kepler's equation by Newton's method."""
    anomaly = times.copy()
    for _ in range(50):
        anomaly -= (anomaly - ECCENTRICITY * np.sin(anomaly) - times) / (
            1.0 - ECCENTRICITY * np.cos(anomaly)
        )
    side = np.sqrt(1.0 - ECCENTRICITY**2)
    return np.stack([np.cos(anomaly) - ECCENTRICITY, side * np.sin(anomaly)], axis=1)


def test_kepler_orbits_reach_the_tolerance() -> None:
    times = np.linspace(0.0, 6.0 * np.pi, 13)
    errors, evaluations = [], []
    for rtol, orders in ((1e-6, (6, 10)), (1e-11, (10, 16))):
        run = lambda s, rtol=rtol, orders=orders: taylor_series(  # noqa: E731
            kepler, s, times, rtol=rtol, atol=1e-3 * rtol, orders=orders
        )
        found = jax.jit(run)(KEPLER_START)
        assert bool(found.success)
        errors.append(float(jnp.abs(found.states[0] - kepler_exact(times)).max()))
        evaluations.append(int(found.evaluations))
        assert errors[-1] < 300.0 * rtol
    assert errors == sorted(errors, reverse=True)
    # Five digits more cost little: the order grows with the tolerance.
    assert evaluations[1] < 3 * evaluations[0]


def test_van_der_pol_and_dense_output() -> None:
    from scipy.integrate import solve_ivp

    times = np.array([0.0, 0.1, 5.0, 5.001, 12.0])
    found = jax.jit(
        lambda z: taylor_series(
            lambda t, z: jnp.stack([z[1], 5.0 * (1.0 - z[0] ** 2) * z[1] - z[0]]),
            z, times, rtol=1e-10, orders=(12,),
        )
    )(jnp.asarray([2.0, 0.0]))  # fmt: skip
    reference = solve_ivp(
        lambda t, z: [z[1], 5.0 * (1.0 - z[0] ** 2) * z[1] - z[0]], (0.0, 12.0), [2.0, 0.0],
        method="DOP853", rtol=1e-13, atol=1e-13, t_eval=times,
    )  # fmt: skip
    np.testing.assert_allclose(found.states, reference.y.T, atol=2e-9)
    assert int(found.last_order) == 12


@pytest.mark.parametrize("order", [2, 4, 7])
def test_fixed_steps_have_the_order_of_the_series(order: int) -> None:
    """z′ = −t z², z(0) = 2: z = 2/(1 + t²)."""
    counts = np.array([8, 12, 18])
    errors = []
    for count in counts:
        states = jax.jit(
            lambda z, count=count: taylor_steps(
                lambda t, z: -t * z * z, z, 0.0, 1.0 / count, int(count), order
            )
        )(jnp.asarray(2.0))
        assert states.shape == (count + 1,)
        errors.append(abs(float(states[-1]) - 1.0))
    observed = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert observed > order - 0.4


def test_fixed_steps_are_differentiable_in_reverse() -> None:
    def last(rate: Any) -> Any:
        return taylor_steps(lambda t, z: -rate * z, jnp.asarray(1.0), 0.0, 0.1, 10, 8)[-1]

    assert float(jax.jit(jax.grad(last))(2.0)) == pytest.approx(-np.exp(-2.0), rel=1e-7)


def test_forward_derivatives_pass_through_the_adaptive_integrator() -> None:
    def last(rate: Any) -> Any:
        times = np.array([0.0, 1.0])
        found = taylor_series(lambda t, z: -rate * z, jnp.asarray(1.0), times, orders=(10,))
        return found.states[-1]

    slope = jax.jit(lambda r: jax.jvp(last, (r,), (1.0,))[1])(2.0)
    assert float(slope) == pytest.approx(-np.exp(-2.0), rel=1e-7)


def test_a_solution_that_ends_is_a_result_not_an_endless_loop() -> None:
    """z′ = z², z(0) = 1 has a pole at t = 1."""
    found = jax.jit(
        lambda z: taylor_series(
            lambda t, z: z * z, z, np.array([0.0, 0.5, 0.9, 1.1]), orders=(8,), most_steps=3000
        )
    )(jnp.asarray(1.0))
    assert not bool(found.success)
    np.testing.assert_allclose(found.states[:3], [1.0, 2.0, 10.0], rtol=1e-7)
    assert np.isnan(found.states[3])


def test_kinks_shorten_the_steps_and_polynomials_do_not() -> None:
    times = np.array([0.0, 1.0, 2.0 * np.pi])
    run = jax.jit(
        lambda z: taylor_series(
            lambda t, z: jnp.abs(jnp.sin(t)) + 0.0 * z, z, times, rtol=1e-8, orders=(8,)
        )
    )
    found = run(jnp.asarray(0.0))
    np.testing.assert_allclose(found.states, [0.0, 1.0 - np.cos(1.0), 4.0], atol=1e-5)
    assert int(found.rejected) > 0
    cubic = jax.jit(
        lambda z: taylor_series(lambda t, z: 3.0 * t**2 + 0.0 * z, z, times, orders=(6,))
    )(0.0)
    assert float(cubic.states[-1]) == pytest.approx((2.0 * np.pi) ** 3, rel=1e-11)
    assert int(cubic.steps) <= 4


def test_misuse_is_refused() -> None:
    right = lambda t, z: z  # noqa: E731
    with pytest.raises(ValueError, match="increase"):
        taylor_series(right, 1.0, np.array([0.0, 0.0]))
    with pytest.raises(ValueError, match="at least 3"):
        taylor_series(right, 1.0, np.array([0.0, 1.0]), orders=(2,))
    with pytest.raises(ValueError, match="never be met"):
        taylor_series(right, 1.0, np.array([0.0, 1.0]), rtol=0.0, atol=0.0)
    with pytest.raises(ValueError, match="no integration"):
        taylor_steps(right, 1.0, 0.0, 0.1, 0, 4)
