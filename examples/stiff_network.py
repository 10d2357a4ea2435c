"""A stiff neural network stepped by exponential steps and by Dormand and Prince's pair.

    python examples/stiff_network.py [--stiffness 2000]

u' = -s u + W tanh(V u), a network with fast decay in half of its states. EPI2 takes the exponential
of the Jacobian of the whole right-hand side at every step, by products with it alone (H. Zhang,
Y. Liu and R. Maulik, Semi-implicit neural ordinary differential equations, 2024, section 5); Dopri5
is explicit, and its steps follow the fastest decay, however loose the tolerance. The error at the
end is that against a solution of high accuracy.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from pdesl.solvers.rollout import rollout

SIZE, END = 16, 1.0
RUNS = [("EPI2", "epi2", 50), ("EPI2", "epi2", 200), ("Dopri5", "dopri5", 1)]


def dynamics(t, u, parameters):
    rates, w, v = parameters
    return -rates * u + jnp.tanh(u @ v.T) @ w.T


def course(parameters, u, scheme, steps, tolerance=1e-5):
    return rollout(
        dynamics, None, u, parameters, steps, END / steps, scheme, krylov=SIZE,
        tolerances=(tolerance, tolerance * 1e-2), most_steps=100_000,
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stiffness", type=float, default=2000.0)
    stiffness = parser.parse_args().stiffness
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        rates = np.where(np.arange(SIZE) < SIZE // 2, 1.0, stiffness)
        w, v = (random.normal(size=(SIZE, SIZE)) / 4 for _ in range(2))
        w[SIZE // 2 :] *= stiffness
        parameters = tuple(map(jnp.asarray, (rates, w, v)))
        u = jnp.asarray(random.normal(size=(1, SIZE)))
        own = jax.jit(lambda u: dynamics(0.0, u[None], parameters)[0])
        exact = solve_ivp(
            lambda t, u: np.asarray(own(u)), (0.0, END), np.asarray(u[0]), "Radau", rtol=1e-10,
            atol=1e-12, jac=lambda t, u: np.asarray(jax.jacfwd(own)(u)),
        ).y[:, -1]  # fmt: skip
        for name, scheme, steps in RUNS:
            run = jax.jit(lambda p, u, s=scheme, n=steps: course(p, u, s, n))(parameters, u)
            error = np.abs(np.asarray(run.states[-1, 0]) - exact).max()
            if run.counted is None:
                work = f"{steps} steps of at most {SIZE} products with the Jacobian"
            else:
                work = f"{int(run.counted):,} evaluations"
            print(f"{name:7s} {work:50s} error {error:.1e}")


if __name__ == "__main__":
    main()
