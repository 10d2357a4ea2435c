"""The method of lines: error and processor time of integrators on problems of the catalogue.

    python benchmarks/method_of_lines.py [ks] [disk] [heat]

Each case prints the integrator, the error against the known solution or the reference, and the CPU
seconds of nodes, operators and steps.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from pdesl.run.pipeline import Solution, load_source, solve


def measured(name: str, space: str, integrator: str) -> tuple[Solution, float]:
    settings = [f"solver.space={space}", f"solver.time={integrator}"]
    begin = time.process_time()
    found = solve(load_source(name), solver="method_of_lines", overrides=settings)
    return found, time.process_time() - begin


def kuramoto_sivashinsky() -> None:
    """u at t = 10 against a fine run of ETDRK4."""
    reference, _ = measured("kuramoto_sivashinsky", "fourier(256)", "etdrk4(dt=0.001)")
    x = np.linspace(0.0, 22.0, 201)
    exact = reference(10.0, x)
    for integrator in (
        "etdrk4(dt=0.02)", "imex_rk5(dt=0.02)", "imex_rk4(dt=0.02)", "imex_rk3(dt=0.02)",
        "imex_rk2(dt=0.02)", "sbdf4(dt=0.02)", "sbdf2(dt=0.02)", "imex_rk4(rtol=1e-8)",
    ):  # fmt: skip
        found, seconds = measured("kuramoto_sivashinsky", "fourier(64)", integrator)
        error = np.abs(found(10.0, x) - exact).max()
        print(f"kuramoto_sivashinsky, fourier(64), {integrator}: {error:.1e}, {seconds:.2f} s")


def disk(name: str, nodes: int, integrators: tuple[str, ...]) -> None:
    for integrator in integrators:
        found, seconds = measured(name, f"rbf_fd(nodes={nodes}, order=4)", integrator)
        error = found.errors["u"].relative_l2
        steps = found.result.counts["iterations"]
        print(f"{name}, {nodes:,} nodes, {integrator}: {error:.1e}, {steps} steps, {seconds:.1f} s")


def main() -> None:
    cases = sys.argv[1:] or ["ks", "disk", "heat"]
    if "ks" in cases:
        kuramoto_sivashinsky()
    if "disk" in cases:
        fine = ("imex_rk3(dt=0.001)", "imex_rk2(dt=0.001)", "sbdf2(dt=0.001)", "imex_rk4(dt=0.01)")
        disk("reaction_diffusion_disk", 20_000, fine)
    if "heat" in cases:
        disk("heat_disk", 2_000, ("imex_rk4(rtol=1e-6)", "imex_rk4(dt=0.02)", "imex_rk5(dt=0.05)"))


if __name__ == "__main__":
    main()
