"""RBF-FD operators on scattered nodes of your own, without any problem file.

    python examples/rbffd_on_your_nodes.py

Weights of the Laplacian and of ∂x at random nodes in the unit square, checked on a function whose
derivatives are known, for growing numbers of nodes.
"""

import numpy as np
from scipy.stats import qmc

from pdesl.lowering.rbffd import laplacian, make_weights, to_csr


def errors(nodes: int, order: int) -> tuple[float, float]:
    """Relative l2 errors of Δ and ∂x away from the edge of the square."""
    points = qmc.Halton(2, scramble=False).random(nodes)
    weights = make_weights(points, points, [laplacian(2), {(1, 0): 1.0}], order=order)
    x, y = points.T
    u = np.sin(3 * x) * np.cos(2 * y)
    known = (-13 * u, 3 * np.cos(3 * x) * np.cos(2 * y))
    inside = np.all((points > 0.1) & (points < 0.9), axis=1)
    found = (to_csr(weights, 0) @ u, to_csr(weights, 1) @ u)
    return tuple(  # type: ignore[return-value]
        float(np.linalg.norm((a - b)[inside]) / np.linalg.norm(b[inside]))
        for a, b in zip(found, known, strict=True)
    )


def main() -> None:
    print(f"{'nodes':>6} {'order':>6} {'error of Δ':>12} {'error of ∂x':>12}")
    for order in (2, 4):
        for nodes in (500, 2000, 8000):
            first, second = errors(nodes, order)
            print(f"{nodes:6d} {order:6d} {first:12.1e} {second:12.1e}")


if __name__ == "__main__":
    main()
