"""Recover a rate of decay from noisy data through a stiff solver, and what stepping back does.

    python examples/exponential_decay.py [--rate 100]

The state y' = −λ (y − cos t) is observed at ten times. The rate λ is fitted by Gauss-Newton through
implicit steps that are far longer than 1/λ, with the exact gradient of the computed solution; the
gradient of the continuous adjoint equation is printed beside it.
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.solvers.implicit_operators import DiagonalOperator
from pdesl.solvers.rollout import rollout

STEPS, EVERY, END = 200, 20, 2.0


def forcing(t: Array, log_rate: Array) -> Array:
    """λ cos t, part of the implicit terms."""
    return jnp.exp(log_rate) * jnp.cos(t)[None]


def observed(log_rate: Array, gradient: str) -> Array:
    """y at the ten times."""
    decay = DiagonalOperator(lambda p: -jnp.exp(p))
    run = rollout(
        None, decay, jnp.zeros((1, 1)), log_rate, STEPS, END / STEPS, "dirk3",
        forcing=forcing, gradient=gradient, keep_every=EVERY,
    )  # fmt: skip
    return run.states[1:, 0, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0)
    rate = parser.parse_args().rate
    with jax.enable_x64(True):
        # The solution after its first decay: (λ² cos t + λ sin t)/(λ² + 1).
        times = np.linspace(END / 10, END, 10)
        exact = (rate**2 * np.cos(times) + rate * np.sin(times)) / (rate**2 + 1)
        noise = 1e-4 / rate * np.random.default_rng(0).normal(size=10)
        data = jnp.asarray(exact - np.exp(-rate * times) * rate**2 / (rate**2 + 1) + noise)

        def loss(log_rate: Any, gradient: str = "discrete_adjoint") -> Array:
            return 0.5 * jnp.sum((observed(log_rate, gradient) - data) ** 2)

        slopes = jax.jit(jax.jacfwd(lambda p: observed(p, "backpropagation")))
        found = jnp.log(jnp.asarray(rate / 3))
        for _ in range(12):
            miss = observed(found, "discrete_adjoint") - data
            slope = slopes(found)
            found = found - jnp.clip(slope @ miss / (slope @ slope), -1.0, 1.0)
        off = abs(float(jnp.exp(found)) / rate - 1)
        print(f"λ = {float(jnp.exp(found)):.5g}, true {rate:g}: off by {off:.1e}")
        start = jnp.log(jnp.asarray(rate / 3))
        step = 1e-5
        difference = (loss(start + step) - loss(start - step)) / (2 * step)
        print(f"errors of the gradient at λ = {rate / 3:.4g}, from a central difference:")
        for gradient in ("discrete_adjoint", "backpropagation", "continuous_adjoint"):
            slope = jax.grad(loss)(start, gradient)
            print(f"    {gradient}: {abs(float(slope / difference) - 1):.1e}")


if __name__ == "__main__":
    main()
