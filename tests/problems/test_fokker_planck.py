"""The Fokker-Planck equation of particles that do not attract each other, against a product."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import eye_array

from pdesl.run.pipeline import load_source, solve

CELLS = 800


def one_particle(last: float, diffusion: float, pull: float) -> tuple[np.ndarray, np.ndarray]:
    """Places and density of one particle at a time, by fluxes between the cells of a fine grid."""
    x = np.linspace(-1.0, 1.0, CELLS + 1)
    width, middle = x[1] - x[0], 0.5 * (x[1:] + x[:-1])

    def rate(t: float, inner: np.ndarray) -> np.ndarray:
        u = np.concatenate([[0.0], inner, [0.0]])
        flux = -diffusion * np.diff(u) / width + (pull - middle) * 0.5 * (u[1:] + u[:-1])
        return -np.diff(flux) / width

    pattern = sum(eye_array(CELLS - 1, k=k) for k in (-1, 0, 1))
    found = solve_ivp(
        rate, (0.0, last), 0.75 * (1 - x[1:-1] ** 2), method="BDF", rtol=1e-7, atol=1e-10,
        jac_sparsity=pattern,
    )  # fmt: skip
    return x, np.concatenate([[0.0], found.y[:, -1], [0.0]])


def test_independent_particles_have_the_product_of_their_densities():
    last = 0.1
    overrides = [
        "parameters.d=3", "parameters.α=0", f"parameters.T={last}", "solver.samples=400",
        "solver.residual_samples=400",
    ]  # fmt: skip
    solution = solve(load_source("fokker_planck_8d"), overrides=overrides)
    x, density = one_particle(last, 0.01, 0.2)
    # Points drawn from the square of the product, each coordinate alone.
    ends = np.cumsum(density**2) / np.sum(density**2)
    points = np.interp(np.random.default_rng(0).random((2000, 3)), ends, x)
    exact = np.prod(np.interp(points, x, density), axis=1)
    found = np.asarray(solution(np.full(2000, last), *points.T))
    assert np.sqrt(np.mean((found / exact - 1.0) ** 2)) < 0.08
    assert np.mean(found / exact) < 1.02
    assert np.mean(found / exact) > 0.98
