"""Observed orders of RBF-FD formulas over operators, dimensions and p = 2 … 6.

    python benchmarks/rbffd_orders.py

Nodes of an interval, a disk and a ball, moved at random by up to a tenth of their spacing, with
ghosts; the error of L u for a product of sines, in the relative l2 norm over centres spread over
the region and its boundary; the order by least squares over five sets of nodes. After it stands
the error on the finest set.
"""

from __future__ import annotations

import numpy as np

from pdesl import rbffd
from pdesl.lowering.rbffd import stencil_nodes

REGIONS = {1: "interval(-1, 1)", 2: "disk(radius=1)", 3: "ball(center=(0, 0, 0), radius=1)"}
COORDINATES = {1: "x", 2: "x, y", 3: "x, y, z"}
OPERATORS = {
    1: ("∂x u", "∂x²u", "∂x⁴u", "2 u + n·∇u"),
    2: ("∂x u", "∇²u", "∂x∂y u", "∇²(∇²u)", "∂x³∂y u", "2 u + n·∇u"),
    3: ("∂x u", "∇²u", "∂x∂z u", "∇²(∇²u)", "2 u + n·∇u"),
}
WAVE = {1: 6.0, 2: 2.5, 3: 2.0}
FACTORS = {1: (4, 5.5, 7.5, 10, 14), 2: (4, 6, 9, 13, 18), 3: (4, 7, 12, 20, 32)}
CENTRES = {1: 200, 2: 200, 3: 60}


def wave(x: np.ndarray, index: tuple[int, ...], number: float) -> np.ndarray:
    """∂^α of Π_i sin(k_i x_i + φ_i)."""
    result = np.ones(len(x))
    for axis, times in enumerate(index):
        k, phase = number * (1.0, 0.8, 0.9)[axis], (0.3, 1.7, -0.2)[axis]
        result *= k**times * np.sin(k * x[:, axis] + phase + times * np.pi / 2)
    return result


def measure(dimension: int, text: str, order: int) -> tuple[float, float]:
    """Observed order, and the error on the finest nodes."""
    probe = np.zeros((1, dimension))
    theta = max(map(sum, rbffd.operator(text, probe, normals=probe)))
    size = stencil_nodes(order + theta - 1, dimension)
    on_boundary = "n·" in text
    spacings, errors = [], []
    for factor in FACTORS[dimension]:
        wrong, known = [], []
        for seed in range(8 if dimension == 1 and on_boundary else 1):
            cloud = rbffd.nodes(
                REGIONS[dimension], int(factor * size), coordinates=COORDINATES[dimension]
            )
            random = np.random.default_rng([int(factor * size), seed])
            points = cloud.points
            moved = slice(0, cloud.interior_count)
            points[moved] += 0.1 * cloud.spacing[0] * random.uniform(-1, 1, points[moved].shape)
            places = points[cloud.interior_count : cloud.evaluation_count]
            if not on_boundary:
                places = points[: cloud.evaluation_count]
            stride = max(1, len(places) // CENTRES[dimension])
            centres = places[::stride]
            normals = cloud.normals[::stride] if on_boundary else None
            operator = rbffd.operator(text, centres, normals=normals)
            matrix = rbffd.matrix(points, centres, operator, order=order)
            exact = np.zeros(len(centres))
            for index, coefficient in operator.items():
                exact += coefficient * wave(centres, index, WAVE[dimension])
            known.append(exact)
            wrong.append(matrix @ wave(points, (0,) * dimension, WAVE[dimension]) - exact)
        spacings.append(cloud.evaluation_count ** (-1 / dimension))
        errors.append(np.linalg.norm(wrong) / np.linalg.norm(known))
    return float(np.polyfit(np.log(spacings), np.log(errors), 1)[0]), float(errors[-1])


def main() -> None:
    print(f"{'d':>2} {'operator':<12}" + "".join(f"{f'p = {p}':>14}" for p in range(2, 7)))
    for dimension, operators in OPERATORS.items():
        for text in operators:
            line = f"{dimension:>2} {text:<12}"
            for order in range(2, 7):
                if dimension == 3 and text == "∇²(∇²u)" and order > 4:
                    line += f"{'':>14}"  # stencils of 441 nodes and more
                    continue
                slope, error = measure(dimension, text, order)
                line += f"{slope:>6.1f} {error:.0e} "
            print(line, flush=True)


if __name__ == "__main__":
    main()
