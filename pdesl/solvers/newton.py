"""Newton's method for collocated equations, with as few factorisations as it needs.

A step solves J δ = −F. The first Jacobian is factorised; later ones are only multiplied with
vectors, and GMRES is preconditioned by the factors of the last factorised one, until that takes
too many products (the chord method as preconditioner: D. A. Knoll and D. E. Keyes, J. Comput.
Phys. 193 (2004) 357, section 3). Steps are damped: a step is halved until the norm of the
residual falls (P. Deuflhard, Newton Methods for Nonlinear Problems, 2004, section 3.1, with the
simple monotonicity test).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.solvers.assembly import Assembly
from pdesl.solvers.base import Reporter, TrainingReport
from pdesl.solvers.free_constants import PinnedSolver
from pdesl.solvers.linear import Factors, LinearSolver
from pdesl.solvers.options import RbfFdOptions

__all__ = ["NewtonResult", "newton"]

# A step is halved so often before Newton gives up.
MAXIMUM_HALVINGS = 12
# Relative residual of a step from old factors: the steps still converge almost quadratically.
STEP_TOLERANCE = 1e-6
# Products with which old factors are still cheaper than new ones: exact, incomplete.
MOST_PRODUCTS = {True: 20, False: 100}


@dataclass(frozen=True, slots=True)
class NewtonResult:
    """Nodal values (fields, M), the root mean square residuals met on the way, the factors."""

    values: np.ndarray
    history: list[float]
    factors: Factors


def newton(
    assembly: Assembly,
    solver: LinearSolver | PinnedSolver,
    options: RbfFdOptions,
    reporter: Reporter,
    start: np.ndarray | None = None,
) -> NewtonResult:
    """Nodal values with a vanishing residual.

    Converged when a step is below `tolerance` of the solution, or when the residual has fallen
    to rounding and does not fall any more. A linear system takes one step.

    Args:
        assembly: the equations.
        solver: of linear equations with their pattern.
        options: `iterations`, `tolerance`.
        reporter: hears of every step.
        start: nodal values (fields, M), zero by default.

    Raises:
        SolverError: E701 a residual that is not finite at the start, E704 a singular Jacobian,
            E705 no convergence, E709 too little memory.
    """
    begin = time.perf_counter()
    values = np.zeros((assembly.fields, len(assembly.system.points))) if start is None else start
    residual = _finite(assembly, values)
    history = [_size(residual)]
    linear = assembly.is_linear
    factors: Factors | None = None
    for iteration in range(1, options.iterations + 1):
        step, factors = _step(assembly, solver, values, residual, factors)
        step = step.reshape(values.shape)
        scale, accepted = 1.0, None
        for _ in range(1 if linear else MAXIMUM_HALVINGS):
            trial = values + scale * step
            changed = solver.reduced(assembly.residual(trial))
            if np.all(np.isfinite(changed)) and (linear or _size(changed) < history[-1]):
                accepted = trial, changed
                break
            scale /= 2
        small = np.linalg.norm(step) <= options.tolerance * max(np.linalg.norm(values), 1e-300)
        if accepted is None:
            if small:  # at rounding: no step helps any more
                return NewtonResult(values, history, factors)
            worst = max(assembly.spans(), key=lambda s: _size(residual[s[1]]))
            raise SolverError(
                f"Newton's method stalls in step {iteration} at a residual of {history[-1]:.1e}; "
                f"the largest part is {worst[0]}",
                code="E705",
                advice="start nearer to the solution by lowering the nonlinear parameter in steps, "
                "take more nodes, or choose `dt_pinn`",
            )
        values, residual = accepted
        history.append(_size(residual))
        reporter.train(
            TrainingReport(
                iteration,
                history[-1] ** 2,
                time.perf_counter() - begin,
                options.iterations,
                None,
                "newton",
            )
        )
        if linear or (small and scale == 1.0):
            return NewtonResult(values, history, factors)
    raise SolverError(
        f"Newton's method has not converged in {options.iterations} steps; the residual is "
        f"{history[-1]:.1e}",
        code="E705",
        advice="raise `iterations`, or choose `dt_pinn`",
    )


def _step(
    assembly: Assembly,
    solver: LinearSolver | PinnedSolver,
    values: np.ndarray,
    residual: np.ndarray,
    factors: Factors | None,
) -> tuple[np.ndarray, Factors]:
    """Newton's step, from the factors of an earlier Jacobian where they serve."""
    if factors is not None:
        found = solver.solve(
            assembly.product(values),
            factors,
            -residual,
            tolerance=STEP_TOLERANCE,
            iterations=MOST_PRODUCTS[factors.exact],
        )
        if found.converged:
            return found.solution, factors
    return solver.solve_matrix(assembly.jacobian(values), -residual)


def _size(residual: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(residual**2)))


def _finite(assembly: Assembly, values: np.ndarray) -> np.ndarray:
    residual = assembly.residual(values)
    for name, where in assembly.spans():
        if not np.all(np.isfinite(residual[where])):
            raise SolverError(
                f"{name} is not finite for fields that are zero everywhere",
                code="E701",
                advice="rewrite the equation so that it is defined at zero, or choose `dt_pinn`",
            )
    return residual
