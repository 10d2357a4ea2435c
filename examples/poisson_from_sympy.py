"""A problem from SymPy expressions, solved in memory by two methods.

    python examples/poisson_from_sympy.py

A conductivity that varies in space, on a disk with a hole: the temperature is prescribed on the
outer circle, and the hole is insulated. The solution is made up, so that the error is known.
"""

import os

os.environ["JAX_ENABLE_X64"] = "1"  # before JAX starts

import numpy as np
import sympy as sp

from pdesl import Problem, annulus, div, dn, exact, grad, on, rbf_fd

x, y = sp.symbols("x y")
u, f = sp.Function("u")(x, y), sp.Function("f")(x, y)
kappa = 1 + x**2 / 2

problem = Problem(
    domain={(x, y): annulus(inner=0.4, outer=1)},
    fields={u: "scalar", f: "source"},
    equations=[sp.Eq(-div(kappa * grad(u)), f)],
    boundary=[
        on("outer", sp.Eq(u, exact(u))),
        on("inner", sp.Eq(kappa * dn(u), kappa * dn(exact(u)))),
    ],
    manufactured={u: sp.exp(x) * sp.cos(y)},
    solver=rbf_fd(nodes=1500, order=4),
    name="ring",
)


def main() -> None:
    print(problem.to_pde())
    print(problem.explain(), end="\n\n")
    direct = problem.solve()
    print(f"rbf_fd   relative l2 error {direct.errors['u'].relative_l2:.1e}")
    settings = ["solver.width=20", "solver.depth=2", "solver.iterations=400"]
    network = problem.solve(solver="dt_pinn", overrides=settings)
    print(f"dt_pinn  relative l2 error {network.errors['u'].relative_l2:.1e}")
    line = np.linspace(0.4, 1.0, 4)
    for name, solution in (("rbf_fd", direct), ("dt_pinn", network)):
        print(f"{name:<8} u(x, 0) at x = {line}: {np.round(solution(line, 0.0), 5)}")


if __name__ == "__main__":
    main()
