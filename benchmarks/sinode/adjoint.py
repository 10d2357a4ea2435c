"""Stepping back through stiff equations: the three gradients of decay and relaxation.

    python benchmarks/sinode/adjoint.py

First y' = −λ y, y(0) = 1: the state at t = 0 that stepping back from the end gives (it should be 1)
and the error of d y(T)/dλ. Then the relaxation of y to tanh(ω t), linear and with a cubic term,
y' = −λ (d + d³), d = y − tanh(ω t): the error of d y(1)/dω, which is of order one. The truth is a
central difference of a solution of high accuracy; "of the computed" compares with a difference of
the computed solution itself.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.integrate import solve_ivp

from pdesl.solvers.implicit_operators import DiagonalOperator
from pdesl.solvers.rollout import rollout

jax.config.update("jax_enable_x64", True)

RATES = (1.0, 100.0, 1e4)
WAYS = ("discrete_adjoint", "backpropagation", "continuous_adjoint")


def decay() -> None:
    operator = DiagonalOperator(lambda rate: -rate)

    def growth(t: Array, state: Array, rate: Array) -> Array:
        del t
        return -rate * state

    cases = {
        "imex_rk3, 100 steps": (None, operator, "imex_rk3", 100),
        "backward_euler, 100 steps": (None, operator, "backward_euler", 100),
        "rk4, 100 steps": (growth, None, "rk4", 100),
        "rk4, 10,000 steps": (growth, None, "rk4", 10_000),
        "dopri5, 1e-8 and 1e-10": (growth, None, "dopri5", 1),
    }
    print("y' = -λ y to T = 1")
    for rate in RATES:
        truth = -np.exp(-rate)
        for name, (explicit, implicit, scheme, steps) in cases.items():

            def end(
                rate: Any, sign: float = 1.0, start: Any = 1.0, how: str = WAYS[0], case: Any = None
            ) -> Any:
                explicit, implicit, scheme, steps = case
                return rollout(
                    explicit, implicit, jnp.full((1, 1), start), sign * rate, steps, 1.0 / steps,
                    scheme, gradient=how, keep_every=steps, tolerances=(1e-8, 1e-10),
                    most_steps=100_000,
                ).states[-1, 0, 0]  # fmt: skip

            case = explicit, implicit, scheme, steps
            last = end(rate, case=case)
            back = end(rate, -1.0, last, case=case)
            errors = []
            for how in WAYS:
                # Reverse mode of adaptive steps is in reach of every way but costs most here.
                if scheme == "dopri5" and how == "backpropagation":
                    continue
                slope = float(jax.grad(lambda r, h=how, c=case: end(r, how=h, case=c))(rate))
                errors.append(f"{how} {slope:.3e}")
            print(
                f"  λ = {rate:g}, {name}: y(1) = {float(last):.2e} ({-truth:.2e}), back to y(0) = "
                f"{float(back):.3g}; dy(1)/dλ ({truth:.2e}): {', '.join(errors)}",
                flush=True,
            )


def relaxation() -> None:
    frequency, steps = 1.3, 200

    def reference(rate: float, cubic: float, frequency: float) -> float:
        def slope(t: float, y: np.ndarray) -> np.ndarray:
            d = y - np.tanh(frequency * t)
            return -rate * (d + cubic * d**3)

        found = solve_ivp(slope, (0, 1), [0.0], method="Radau", rtol=1e-12, atol=1e-14)
        return float(found.y[0, -1])

    print("y' = -λ (d + κ d³), d = y - tanh(ω t), imex_rk3 with 200 steps; d y(1)/dω")
    for rate in RATES[1:]:
        for cubic in (0.0, 1.0):

            def explicit(t: Array, state: Array, p: Any, size: Any = cubic * rate) -> Array:
                return -size * (state - jnp.tanh(p * t)) ** 3

            def forcing(t: Array, p: Any, rate: float = rate) -> Array:
                return rate * jnp.tanh(p * t)[None]

            def end(
                p: Any, how: str, functions: Any = (explicit, forcing), rate: float = rate
            ) -> Any:
                operator = DiagonalOperator(-rate)
                return rollout(
                    functions[0], operator, jnp.zeros((1, 1)), p, steps, 1.0 / steps, "imex_rk3",
                    forcing=functions[1], gradient=how, keep_every=steps,
                ).states[-1, 0, 0]  # fmt: skip

            step = 1e-3
            ends = [reference(rate, cubic, frequency + s) for s in (step, -step)]
            truth = (ends[0] - ends[1]) / (2 * step)
            own = [float(end(frequency + s, WAYS[0])) for s in (1e-5, -1e-5)]
            computed = (own[0] - own[1]) / 2e-5
            parts = []
            for how in WAYS:
                slope = float(jax.grad(end)(frequency, how))
                parts.append(
                    f"{how} {abs(slope / truth - 1):.1e} (of the computed "
                    f"{abs(slope / computed - 1):.1e})"
                )
            print(f"  λ = {rate:g}, κ = {cubic:g}: {truth:.6f}; errors {', '.join(parts)}")


if __name__ == "__main__":
    relaxation()
    decay()
