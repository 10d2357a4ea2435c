"""Right-hand sides that the compiler emits for wave operators, against code written by hand.

    python benchmarks/wave_operator.py [--points 50000] [--repetitions 40]

The scalar wave on a Schwarzschild black hole in the Cartesian-like chart (wave_maps_schwarzschild)
is stated as □φ = 0; the compiler finds √|g|, the connection and the reduction to first order in
time. By hand, with r = |x − c|, n = (x − c)/r, s = 2M and H the Hessian,

    ∂t²φ = (1 − s/r) [Δφ − (s/r) nᵀHn − (s/r²) n·∇φ],

the jets of φ at random points given in both cases. Printed are milliseconds of CPU time (median of
interleaved repetitions on one thread each), the ratio, the largest difference relative to the sum
of the sizes of the terms, and the seconds that the compiler takes from text to function.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import argparse
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pdesl.ir.evolution import to_evolution
from pdesl.ir.normalise import normalise
from pdesl.lowering.right_hand_side import to_right_hand_side
from pdesl.run.pipeline import load_source
from pdesl.symbolic.elaborate import elaborate_source

CENTER, MASS = (-2.0, 0.0, 0.0), 0.5


def by_hand(jets: dict[tuple[int, ...], Any], points: Any) -> Any:
    """The formula above; jets by multi-index over t, x, y, z."""
    s = 2 * MASS
    arms = [x - c for x, c in zip(points, CENTER, strict=True)]
    r = jnp.sqrt(arms[0] ** 2 + arms[1] ** 2 + arms[2] ** 2)
    n = [a / r for a in arms]
    hessian = {(i, j): jets[0, *(int(i == k) + int(j == k) for k in range(3))]
               for i in range(3) for j in range(i, 3)}  # fmt: skip
    laplacian = hessian[0, 0] + hessian[1, 1] + hessian[2, 2]
    along = n[0] ** 2 * hessian[0, 0] + n[1] ** 2 * hessian[1, 1] + n[2] ** 2 * hessian[2, 2]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        along = along + 2 * n[i] * n[j] * hessian[i, j]
    slope = n[0] * jets[0, 1, 0, 0] + n[1] * jets[0, 0, 1, 0] + n[2] * jets[0, 0, 0, 1]
    return (1 - s / r) * (laplacian - s / r * along - s / r**2 * slope)


def main() -> None:
    parser = argparse.ArgumentParser(description="Emitted right-hand sides against hand-written")
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--repetitions", type=int, default=40)
    options = parser.parse_args()

    problem = elaborate_source(load_source("wave_maps_schwarzschild"))
    start = time.process_time()
    system = to_evolution(normalise(problem))
    symbolic = time.process_time() - start
    right = to_right_hand_side(system, problem.parameter_values())
    whole = time.process_time() - start

    generator = np.random.default_rng(0)
    jets = jnp.asarray(generator.normal(size=(len(right.jets), options.points)))
    points = jnp.asarray(generator.uniform(-0.95, 1, (3, options.points)))
    place = {jet.orders: i for i, jet in enumerate(right.jets) if jet.field == "φ"}
    velocity = next(i for i, jet in enumerate(right.jets) if jet.field != "φ")

    def hand(right: Any, jets: Any, points: Any) -> Any:
        values = {orders: jets[i] for orders, i in place.items()}
        return jnp.stack([jets[velocity], by_hand(values, points)])

    functions = [jax.jit(lambda right, jets, points: right(jets, points)), jax.jit(hand)]
    emitted, written = (np.asarray(f(right, jets, points)) for f in functions)
    size = np.asarray(hand(right, jnp.abs(jets), points))
    difference = float(np.max(np.abs(emitted - written) / np.abs(size)))

    seconds: list[list[float]] = [[], []]
    for _ in range(options.repetitions):
        for taken, function in zip(seconds, functions, strict=True):
            start = time.process_time()
            for _ in range(10):
                function(right, jets, points).block_until_ready()
            taken.append((time.process_time() - start) / 10)
    mine, other = (1e3 * statistics.median(s) for s in seconds)
    print(f"points {options.points:,}; fields {', '.join(right.fields)}; jets {len(right.jets)}")
    print(f"{'emitted':<24} {mine:8.3f} ms")
    print(f"{'by hand':<24} {other:8.3f} ms")
    print(f"{'ratio':<24} {mine / other:8.2f}")
    print(f"{'largest difference':<24} {difference:8.1e}")
    print(f"{'text to evolution form':<24} {symbolic:8.2f} s")
    print(f"{'text to function':<24} {whole:8.2f} s")


if __name__ == "__main__":
    main()
