"""RBF-FD operators on scattered nodes of your own, without any problem file.

    python examples/rbffd_on_your_nodes.py

Weights of two operators, one with a variable coefficient, at random nodes in the unit square,
checked on a function whose derivatives are known, for growing numbers of nodes.
"""

import numpy as np
from scipy.stats import qmc

from pdesl import rbffd


def errors(nodes: int, order: int) -> tuple[float, float]:
    """Relative l2 errors of Δ and of ∇·((1 + x²)∇) away from the edge of the square."""
    points = qmc.Halton(2, scramble=False).random(nodes)
    operators = ["∇²u", "∇·((1 + x²) ∇u)"]
    weights = rbffd.weights(points, points, operators, order=order)
    x, y = points.T
    u = np.sin(3 * x) * np.cos(2 * y)
    known = (-13 * u, -13 * (1 + x**2) * u + 6 * x * np.cos(3 * x) * np.cos(2 * y))
    inside = np.all((points > 0.1) & (points < 0.9), axis=1)
    first, second = (
        float(np.linalg.norm((rbffd.to_csr(weights, k) @ u - exact)[inside]))
        / float(np.linalg.norm(exact[inside]))
        for k, exact in enumerate(known)
    )
    return first, second


def main() -> None:
    print(f"{'nodes':>6} {'order':>6} {'error of Δ':>12} {'of ∇·((1+x²)∇)':>16}")
    for order in (2, 4):
        for nodes in (500, 2000, 8000):
            first, second = errors(nodes, order)
            print(f"{nodes:6d} {order:6d} {first:12.1e} {second:16.1e}")


if __name__ == "__main__":
    main()
