"""Figure 1 of Finzi et al. (2023): how the linear systems of the parameters' dynamics degrade.

    python benchmarks/neural_ivp/figure1.py            # some minutes
    python benchmarks/neural_ivp/figure1.py --quick    # few steps, coarse fits

Left, the eigenvalues of M = JᵀJ/n at the start; middle, the largest over time; right, iterations
of conjugate gradients with the Gaussian Nyström preconditioner to a relative residual of 1e-7.
Curves: the advection of a bump and the wave equation (as a system of two fields, one network each)
in three dimensions, and the wave equation where the networks are fitted to the exact solution at
each time by Adam instead of following the dynamics. Of the two networks of the wave the worse one
counts. The dynamics are integrated by the classical Runge-Kutta method with exact linear solves,
on fresh samples every step.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import optax
from jax import Array
from linear_solve import DIMENSIONS, FREQUENCIES, RESULTS, embedding, factor
from output import write_figure, write_table

from pdesl.solvers.gram import one_blas_thread
from pdesl.solvers.networks import Network, NetworkOptions, make_network
from pdesl.solvers.tangent import layered_rows
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_solve import solve_tangent

mpl.use("Agg")
WIDTH, SIZE, LAST = 24, 0.2, 0.4
SAMPLES = 1500
EXACT = TangentOptions(solver="gram", regularisation=1e-8)
MEASURED = TangentOptions(
    solver="gaussian_nystrom_cg", rank=200, regularisation=1e-8, tolerance=1e-7, iterations=1000
)
Networks = tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Equation:
    """`rate` gives ∂t of the fields at a point, `exact` the fields; both (fields,)."""

    name: str
    fields: int
    rate: Callable[[Networks, Array], Array]
    exact: Callable[[Array, Array], Array]


def value(network: Network, point: Array) -> Array:
    row = point[None]
    return (factor(row) * network(embedding(row))[:, 0])[0]


def advection_rate(networks: Networks, point: Array) -> Array:
    return jnp.sum(jax.grad(value, 1)(networks[0], point))[None]


def advection_exact(point: Array, t: Array) -> Array:
    return jnp.exp(-jnp.sum((point + t) ** 2) / (2.0 * SIZE**2))[None]


def wave_rate(networks: Networks, point: Array) -> Array:
    laplacian = jnp.trace(jax.hessian(value, 1)(networks[0], point))
    return jnp.stack([value(networks[1], point), laplacian])


def wave_exact(point: Array, t: Array) -> Array:
    """u = [(r−t) f(r−t) + (r+t) f(r+t)]/(2r) with f a Gaussian, and ∂t u."""

    def bump(t: Array) -> Array:
        r = jnp.sqrt(jnp.sum(point**2) + 1e-12)
        near, far = (r - t) * gaussian(r - t), (r + t) * gaussian(r + t)
        return (near + far) / (2.0 * r)

    def gaussian(r: Array) -> Array:
        return jnp.exp(-(r**2) / (2.0 * SIZE**2))

    return jnp.stack(jax.jvp(bump, (t,), (jnp.ones_like(t),)))


ADVECTION = Equation("advection", 1, advection_rate, advection_exact)
WAVE = Equation("wave", 2, wave_rate, wave_exact)


def start(fields: int) -> Networks:
    size = 2 * DIMENSIONS * FREQUENCIES
    options = NetworkOptions(WIDTH, 3, "swish")
    corners = ([-1.0] * size, [1.0] * size)
    return tuple(make_network(options, *corners, seed=seed) for seed in range(fields))


def uniform(key: Array, count: int) -> Array:
    return jax.random.uniform(key, (count, DIMENSIONS), minval=-1.0, maxval=1.0)


@partial(jax.jit, static_argnames=("equation", "iterations"))
def fitted(networks: Networks, t: Array, key: Array, equation: Equation, iterations: int) -> Any:
    """The networks after Adam on the exact solution at a time."""
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, iterations))

    def loss(networks: Networks, points: Array) -> Array:
        wanted = jax.vmap(equation.exact, (0, None))(points, t)
        found = [factor(points) * network(embedding(points))[:, 0] for network in networks]
        # Each field in its own unit: ∂t u is larger than u.
        unit = jnp.mean(wanted**2, axis=0) + 1e-3
        return jnp.sum(jnp.mean((jnp.stack(found, axis=1) - wanted) ** 2, axis=0) / unit)

    def advance(number: int, carry: Any) -> Any:
        networks, state = carry
        gradient = jax.grad(loss)(networks, uniform(jax.random.fold_in(key, number), 1024))
        update, state = optimiser.update(gradient, state)
        return optax.apply_updates(networks, update), state

    state = optimiser.init(networks)  # pyright: ignore[reportArgumentType]
    return jax.lax.fori_loop(0, iterations, advance, (networks, state))[0]


def solves(
    networks: Networks, points: Array, key: Array, equation: Equation, options: TangentOptions
) -> list[Any]:
    rates = jax.vmap(equation.rate, (None, 0))(networks, points)
    features, scale = embedding(points), factor(points)[:, None]
    return [
        solve_tangent(network, features, scale, rates[:, k : k + 1], options, key)
        for k, network in enumerate(networks)
    ]


@partial(jax.jit, static_argnames="equation")
def stepped(networks: Networks, h: Array, key: Array, equation: Equation) -> Networks:
    """One step of the classical Runge-Kutta method."""
    points = uniform(key, SAMPLES)

    def moved(slopes: list[Any], size: Array) -> Networks:
        pairs = zip(networks, slopes, strict=True)
        return tuple(jax.tree.map(lambda a, d: a + size * d, n, s) for n, s in pairs)

    def slope(at: Networks) -> list[Any]:
        return [found.direction for found in solves(at, points, key, equation, EXACT)]

    first = slope(networks)
    second = slope(moved(first, h / 2))
    third = slope(moved(second, h / 2))
    fourth = slope(moved(third, h))
    mean = [
        jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, *stages)
        for stages in zip(first, second, third, fourth, strict=True)
    ]
    return moved(mean, h)


@partial(jax.jit, static_argnames="equation")
def measured(networks: Networks, key: Array, equation: Equation) -> tuple[Array, Array]:
    """The largest λ₁ and the most iterations of the fields."""
    found = solves(networks, uniform(key, SAMPLES), key, equation, MEASURED)
    largest = jnp.max(jnp.stack([f.report.largest for f in found]))
    return largest, jnp.max(jnp.stack([f.report.iterations for f in found]))


@partial(jax.jit, static_argnames="equation")
def relative_error(networks: Networks, t: Array, equation: Equation) -> Array:
    points = uniform(jax.random.PRNGKey(99), 4000)
    wanted = jax.vmap(equation.exact, (0, None))(points, t)[:, 0]
    found = factor(points) * networks[0](embedding(points))[:, 0]
    return jnp.linalg.norm(found - wanted) / jnp.linalg.norm(wanted)


@jax.jit
def spectrum(network: Network) -> Array:
    """Eigenvalues of M, falling."""
    points = uniform(jax.random.PRNGKey(5), SAMPLES)
    rows = layered_rows(network, embedding(points), factor(points)[:, None] / SAMPLES**0.5)
    table = rows.matrix()
    return jnp.linalg.eigvalsh(table.T @ table)[::-1]


def course(
    equation: Equation, networks: Networks, steps: int, refit: int | None
) -> list[tuple[str, float, float, int, float]]:
    """Curve, time, λ₁, iterations and error at every step; `refit`: iterations of Adam instead."""
    curve = equation.name if refit is None else f"{equation.name} (Adam)"
    rows = []
    h = jnp.asarray(LAST / steps)
    for number in range(steps + 1):
        t, key = number * h, jax.random.PRNGKey(number)
        largest, iterations = measured(networks, key, equation)
        error = relative_error(networks, t, equation)
        rows.append((curve, float(t), float(largest), int(iterations), float(error)))
        if number == steps or not np.isfinite(float(largest)):
            break
        if refit is None:
            networks = stepped(networks, h, key, equation)
        else:
            networks = fitted(networks, t + h, key, equation, refit)
    print(f"{curve}: relative error {rows[0][-1]:.1e} at first, {rows[-1][-1]:.1e} at last")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few steps, coarse fits")
    quick = parser.parse_args().quick
    steps, first, again = (10, 600, 60) if quick else (20, 3000, 300)
    rows, spectra = [], {}
    with one_blas_thread():
        for equation in (ADVECTION, WAVE):
            networks = fitted(
                start(equation.fields), jnp.zeros(()), jax.random.PRNGKey(1), equation, first
            )
            spectra[equation.name] = np.asarray(spectrum(networks[0]))
            rows += course(equation, networks, steps, None)
            if equation is WAVE:
                rows += course(equation, networks, steps, again)
    write_table(
        RESULTS,
        "figure1",
        f"Largest eigenvalue and iterations to 1e-7, {SAMPLES} samples, networks of 3 x {WIDTH}",
        ["curve", "t", "largest eigenvalue", "iterations", "relative error of u"],
        rows,
    )
    draw(rows, spectra)


def draw(rows: list[tuple[str, float, float, int, float]], spectra: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    for name, values in spectra.items():
        axes[0].semilogy(np.maximum(values, 1e-20), label=name)
    axes[0].set(xlabel="index", ylabel="eigenvalues of M at t = 0")
    for column, (axis, label) in enumerate(
        zip(axes[1:], ("largest eigenvalue", "CG iterations"), strict=True), start=2
    ):
        for curve in dict.fromkeys(row[0] for row in rows):
            own = [row for row in rows if row[0] == curve]
            axis.semilogy([r[1] for r in own], [r[column] for r in own], label=curve)  # type: ignore[misc]
        axis.set(xlabel="t", ylabel=label)
    for axis in axes:
        axis.legend()
    write_figure(RESULTS, "figure1", figure)


if __name__ == "__main__":
    main()
