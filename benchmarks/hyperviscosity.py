"""Spectra of RBF-FD advection without hyperviscosity, with powers of Δ, and with pdesl's.

    python benchmarks/hyperviscosity.py [--nodes 450] [--picture benchmarks/hyperviscosity.png]

Rotation of a disk and an annulus, whose boundaries are streamlines, and an oblique flow through a
periodic square whose nodes are moved at random by a fifth of their spacing. Prints the largest
real part of the eigenvalues of −A + damping, the growth per unit of time, and their largest
modulus, which bounds the step of an explicit method. The power of Δ is γ h^(2k−1) Δ^k with the
least 2k − 1 ≥ p, on stencils of degree 2k, and the best of seven strengths γ for each line.
"""

from __future__ import annotations

import argparse
import itertools
import math

import numpy as np
import numpy.typing as npt

from pdesl import rbffd

ORDERS = (2, 3, 4, 5, 6)
STRENGTHS = tuple(10.0 ** np.arange(-4.0, -0.9, 0.5))


def setting(name: str, count: int):
    """Nodes, velocities at them, periods, spacing."""
    text = {"disk": "disk(radius=1)", "annulus": "annulus(inner=0.5, outer=1)"}.get(name)
    cloud = rbffd.nodes(text or "periodic(0, 1)", count, seed=1, ghost=False)
    points, h = cloud.evaluation, float(cloud.spacing[0])
    if text:
        return points, np.stack([-points[:, 1], points[:, 0]], axis=1), None, h
    shift = np.random.default_rng(1).uniform(-0.2, 0.2, points.shape)
    return np.mod(points + h * shift, 1.0), np.tile([1.0, 0.5], (len(points), 1)), [1.0, 1.0], h


def laplacian_power(k: int) -> dict[tuple[int, ...], float]:
    """Δ^k in the plane."""
    return {(2 * i, 2 * (k - i)): float(math.comb(k, i)) for i in range(k + 1)}


def spectra(name: str, order: int, count: int) -> dict[str, npt.NDArray[np.complex128]]:
    """Eigenvalues by the kind of damping."""
    points, velocity, periods, h = setting(name, count)
    speed = np.linalg.norm(velocity, axis=1)
    operator = {(1, 0): velocity[:, 0], (0, 1): velocity[:, 1]}
    advection = rbffd.matrix(points, points, operator, order=order, periods=periods).toarray()
    damping = rbffd.hyperviscosity(points, speed, order=order, periods=periods).toarray()
    k = (order + 2) // 2
    made = rbffd.weights(points, points, laplacian_power(k), order=1, degree=2 * k, periods=periods)
    power = (-1) ** (k + 1) * h ** (2 * k - 1) * speed.max() * rbffd.to_csr(made).toarray()
    tried = [np.linalg.eigvals(s * 4.0**-k * power - advection) for s in STRENGTHS]
    return {
        "none": np.linalg.eigvals(-advection),
        "power of Δ": min(tried, key=lambda values: values.real.max()),
        "hyperviscosity": np.linalg.eigvals(damping - advection),
    }


def draw(path: str, found: dict[str, npt.NDArray[np.complex128]], title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.8), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    for axes, (name, values) in zip(figure.subplots(1, 3, sharey=True), found.items(), strict=True):
        axes.axvline(0.0, color="black", linewidth=0.6)
        stable = values.real <= 1e-6 * np.abs(values).max()
        for part, colour in ((stable, "#4477aa"), (~stable, "#cc3311")):
            axes.plot(values.real[part], values.imag[part], ".", markersize=2, color=colour)
        axes.set_title(f"{name}: max Re = {values.real.max():.0e}", fontsize=9)
        axes.set_xlabel("Re λ")
    figure.axes[0].set_ylabel("Im λ")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="spectra of advection on scattered nodes")
    parser.add_argument("--nodes", type=int, default=450)
    parser.add_argument("--picture", default="benchmarks/hyperviscosity.png")
    options = parser.parse_args()
    names = ("without", "best power of Δ", "hyperviscosity")
    print(f"{'nodes on':<14} {'p':>2}" + "".join(f"{name:>18}" for name in names))
    print(" " * 17 + f"{'max Re':>11} radius" * 3)
    for name, order in itertools.product(("disk", "annulus", "periodic box"), ORDERS):
        found = spectra(name, order, options.nodes)
        line = f"{name:<14} {order:>2}"
        for values in found.values():
            line += f"{values.real.max():>11.0e} {np.abs(values).max():>6.0f}"
        print(line, flush=True)
        if (name, order) == ("disk", 4):
            title = f"advection by rotation of a disk, {options.nodes} nodes, order 4"
            draw(options.picture, found, title)


if __name__ == "__main__":
    main()
