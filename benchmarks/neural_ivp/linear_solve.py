"""Time of the least-squares solve for θ̇ by each solver, and of one product with JᵀJ.

    python benchmarks/neural_ivp/linear_solve.py            # n = 10,000 and 4,000, some minutes
    python benchmarks/neural_ivp/linear_solve.py 10000      # one of them
    python benchmarks/neural_ivp/linear_solve.py --quick    # n = 2,000

One instant of advection and diffusion of a bump and a wave in three dimensions, represented by the
network of Finzi et al. (2023), appendix C: 3 layers of 100 units, swish, the embedding of
equation 6 with α = 1 (L = 4: 22,801 parameters), times ∏(1 − x²). Seconds are CPU seconds of all
threads, the lesser of two calls of the compiled function (one where a solve takes over 10 s).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from pdesl.solvers.gram import one_blas_thread
from pdesl.solvers.networks import Network, NetworkOptions, count_parameters, make_network
from pdesl.solvers.tangent import layered_rows, linearised_rows
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_report import CONVERGED, STATUS_WORDS
from pdesl.solvers.tangent_solve import solve_tangent

sys.path.append(str(Path(__file__).resolve().parent.parent / "dt_pinn"))
from output import write_table

RESULTS = Path(__file__).parent / "results"
DIMENSIONS, FREQUENCIES = 3, 4
#: Calls of more CPU seconds are not repeated.
LONG = 10.0


def embedding(points: Array) -> Array:
    """1.5 [sin(2ᵏ π/2 x) 2⁻ᵏ, cos(2ᵏ π/2 x) 2⁻ᵏ] (n, 2 d L)."""
    powers = 2.0 ** np.arange(FREQUENCIES)
    phase = (points[:, :, None] * (0.5 * np.pi * powers)).reshape(len(points), -1)
    weight = 1.5 / np.tile(powers, points.shape[1])
    return jnp.concatenate([weight * jnp.sin(phase), weight * jnp.cos(phase)], axis=1)


def factor(points: Array) -> Array:
    return jnp.prod(1.0 - points**2, axis=1)


def initial(points: Array) -> Array:
    bump = jnp.exp(-30.0 * jnp.sum((points - 0.3) ** 2, axis=1))
    return factor(points) * (bump + 0.5 * jnp.prod(jnp.sin(np.pi * points), axis=1))


def fitted(iterations: int) -> Network:
    """The network after Adam on the initial condition."""
    size = 2 * DIMENSIONS * FREQUENCIES
    network = make_network(NetworkOptions(100, 3, "swish"), [-1.0] * size, [1.0] * size, seed=0)
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, iterations))

    def loss(network: Network, points: Array) -> Array:
        value = factor(points) * network(embedding(points))[:, 0]
        return jnp.mean((value - initial(points)) ** 2)

    @jax.jit
    def advance(network: Any, state: Any, key: Array) -> tuple[Any, Any]:
        points = jax.random.uniform(key, (512, DIMENSIONS), minval=-1.0, maxval=1.0)
        gradient = jax.grad(loss)(network, points)
        update, state = optimiser.update(gradient, state)
        return optax.apply_updates(network, update), state

    state = optimiser.init(network)  # pyright: ignore[reportArgumentType]
    for number in range(iterations):
        network, state = advance(network, state, jax.random.PRNGKey(number))
    points = jax.random.uniform(jax.random.PRNGKey(1), (4000, DIMENSIONS), minval=-1, maxval=1)
    error = factor(points) * network(embedding(points))[:, 0] - initial(points)
    relative = float(jnp.linalg.norm(error) / jnp.linalg.norm(initial(points)))
    print(f"{count_parameters(network)} parameters, relative error of the fit {relative:.1e}")
    return network


def instant(network: Network, count: int) -> tuple[Array, Array, Array]:
    """Features, factors and rates of advection and diffusion at random points."""
    points = jax.random.uniform(jax.random.PRNGKey(7), (count, DIMENSIONS), minval=-1.0, maxval=1.0)

    def value(network: Network, point: Array) -> Array:
        row = point[None]
        return (factor(row) * network(embedding(row))[:, 0])[0]

    def rate(network: Network, point: Array) -> Array:
        slope = jax.grad(value, 1)(network, point)
        second = jnp.trace(jax.hessian(value, 1)(network, point))
        return 0.02 * second - slope @ jnp.array([1.0, 0.5, -0.3])

    rates = jax.jit(jax.vmap(rate, (None, 0)))(network, points)
    return embedding(points), factor(points)[:, None], rates[:, None]


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, of all threads, and what it returned."""
    start = time.process_time()
    value = jax.block_until_ready(call())
    return time.process_time() - start, value


def products(network: Network, features: Array, scale: Array) -> dict[str, float]:
    """Milliseconds of v → JᵀJ v: traced afresh, linearised once, by layers."""
    point, shape = ravel_pytree(network)
    vector = jax.random.normal(jax.random.PRNGKey(3), point.shape)

    def values(flat: Array, features: Array, scale: Array) -> Array:
        return (scale * shape(flat)(features)).reshape(-1)

    @jax.jit
    def again(point, vector, features, scale):
        _, image = jax.jvp(lambda p: values(p, features, scale), (point,), (vector,))
        return jax.vjp(lambda p: values(p, features, scale), point)[1](image)[0]

    linear = jax.jit(
        lambda point, features, scale: linearised_rows(lambda p: values(p, features, scale), point)
    )(point, features, scale)
    layers = jax.jit(layered_rows)(network, features, scale)
    apply = jax.jit(lambda rows, vector: rows.transpose(rows.forward(vector)))
    calls = {
        "jvp and vjp, traced afresh": lambda: again(point, vector, features, scale),
        "linearised once": lambda: apply(linear, vector),
        "by layers": lambda: apply(layers, vector),
    }
    expected = np.asarray(calls["jvp and vjp, traced afresh"]())
    for name, call in calls.items():
        np.testing.assert_allclose(
            np.asarray(call()),
            expected,
            rtol=1e-8,
            atol=1e-10 * float(np.abs(expected).max()),
            err_msg=name,
        )
    # Interleaved, so that a busy moment meets all of them.
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(9):
        for name, call in calls.items():
            best[name] = min(best[name], 1e3 * seconds(call)[0])
    return best


def solvers() -> list[tuple[str, int | None]]:
    """Solver and rank; the last two choose for themselves or need no rank."""
    gaussian = [("gaussian_nystrom_cg", rank) for rank in (200, 500)]
    landmark = [("landmark_nystrom_cg", rank) for rank in (512, 1024, 2048, None)]
    return [("cg", None), *gaussian, *landmark, ("gram", None)]


def solved(network: Network, count: int, most: int) -> None:
    """The table of products and that of solves at one number of points."""
    features, scale, rates = instant(network, count)
    times = products(network, features, scale)
    write_table(
        RESULTS,
        f"product_{count}",
        f"One product with JᵀJ, {count} points",
        ["product", "ms", "ratio to layers"],
        [(name, value, value / times["by layers"]) for name, value in times.items()],
    )
    solve = jax.jit(solve_tangent, static_argnames="options")
    key = jax.random.PRNGKey(0)
    rows: list[tuple[Any, ...]] = []
    for regularisation in (1e-6, 1e-9):
        found: list[tuple[str, int | None, float, Any]] = []
        for solver, rank in solvers():
            options = TangentOptions(
                solver=solver,
                rank=rank,
                regularisation=regularisation,
                tolerance=1e-6,
                iterations=most,
                memory=4.0,
            )
            arguments = (network, features, scale, rates)
            compiled = solve.lower(*arguments, options, key).compile()
            with one_blas_thread():
                spent, solution = seconds(lambda c=compiled, a=arguments: c(*a, key))
                if spent < LONG:
                    again, _ = seconds(lambda c=compiled, a=arguments: c(*a, key))
                    spent = min(spent, again)
            found.append((solver, rank, spent, solution.report))
            print(f"  {regularisation:g} {solver} {rank}: {spent:.2f} s", flush=True)
        reference = min(
            spent
            for solver, _, spent, report in found
            if solver == "gaussian_nystrom_cg" and int(report.status) == CONVERGED
        )
        for solver, rank, spent, report in found:
            rows.append(
                (
                    f"{regularisation:g}",
                    solver,
                    "chosen" if rank is None and solver.startswith("landmark") else rank,
                    int(report.rank),
                    int(report.iterations),
                    spent,
                    reference / spent,
                    float(report.normal_residual),
                    float(report.residual),
                    float(report.effective_dimension),
                    STATUS_WORDS[int(report.status)],
                )
            )
    write_table(
        RESULTS,
        f"linear_solve_{count}",
        f"Solves to a relative residual of 1e-6, {count} points, CPU seconds",
        [
            "μ/λ₁",
            "solver",
            "rank asked",
            "rank",
            "iterations",
            "CPU s",
            "faster than the best Gaussian",
            "normal residual",
            "‖Jθ̇−F‖/‖F‖",
            "d_eff",
            "status",
        ],
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="2,000 points, 100 iterations of cg")
    parser.add_argument("points", nargs="*", type=int, help="numbers of points")
    given = parser.parse_args()
    quick = given.quick
    network = fitted(500 if quick else 4000)
    for count in given.points or ((2000,) if quick else (4000, 10_000)):
        solved(network, count, 100 if quick else 600)


if __name__ == "__main__":
    main()
