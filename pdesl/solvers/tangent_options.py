"""How the velocity of a network's parameters is solved for: options and choice, without JAX.

The problem is (1/n)‖J θ̇ − F‖² + μ‖θ̇‖² → min, with the Jacobian J of N = n·outputs rows (and those
of penalties) and p columns. What it costs to solve follows from N, p and the layers of the
network, so that the choice of a solver can be made, and explained, before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pdesl.symbolic.options import option

__all__ = ["TANGENT_SOLVERS", "TangentChoice", "TangentOptions", "choose_tangent_solver"]

#: Names of the solvers with what each does.
TANGENT_SOLVERS: dict[str, str] = {
    "dense": "the matrix JᵀJ of p rows, factored (evolutional deep neural networks)",
    "gram": "the Gram matrix JJᵀ of one row a sample, by layers, factored",
    "landmark_nystrom_cg": "conjugate gradients over samples, preconditioned from chosen samples",
    "gaussian_nystrom_cg": "conjugate gradients over parameters, preconditioned from random "
    "directions (Neural-IVP)",
    "cg": "conjugate gradients without a preconditioner",
}

#: Ranks at which the landmark preconditioner may stop when it is free to choose.
LANDMARK_RANKS = (256, 512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class TangentOptions:
    """Options of the least-squares problem for θ̇.

    Defaults follow Finzi et al., "A stable and scalable method for solving initial value PDEs
    with neural networks", 2023, appendix C, except for the solver.
    """

    solver: str = option(
        "auto", "how the velocity is solved for", choices=("auto", *TANGENT_SOLVERS)
    )
    regularisation: float = option(
        1e-6, "μ as a fraction of the largest eigenvalue of JᵀJ/n", least=0.0, most=1.0
    )
    rank: int | None = option(
        None,
        "rank of the preconditioner; none: 300 random directions, or as many samples as the "
        "problem asks for",
        least=1,
    )
    tolerance: float = option(
        1e-6,
        "relative residual of the normal equations at which conjugate gradients stop",
        above=0.0,
        most=1.0,
    )
    iterations: int = option(1000, "most iterations of conjugate gradients", least=1)
    memory: float = option(2.0, "most memory of one solve, GiB", above=0.0)
    devices: int = option(1, "devices that the rows are divided among", least=1)
    mixed: bool = option(False, "matrices and preconditioners in float32, refined in float64")


@dataclass(frozen=True, slots=True)
class TangentChoice:
    """The solver of a problem of given size, why it was taken, and its memory in bytes."""

    solver: str
    reason: str
    memory: float


def choose_tangent_solver(
    sizes: Sequence[int],
    points: int,
    options: TangentOptions,
    *,
    extra: int = 0,
    layered: bool = True,
) -> TangentChoice:
    """The solver of one least-squares problem, by cost and memory, and the reason in words.

    Args:
        sizes: units of each layer of the network, inputs and outputs included, (k, …, outputs).
        points: sample points n.
        options: a solver other than `auto` is taken as it is.
        extra: further rows (penalties).
        layered: whether the rows have the structure of a layered network; a Gram matrix of any
            other network needs J itself.

    Costs are counted in floating-point operations; matrices count 8 bytes an entry.
    """
    outputs = sizes[-1]
    rows = points * outputs + extra
    parameters = sum((a + 1) * b for a, b in pairwise(sizes))
    costs = _costs(sizes, points, rows, parameters, layered)
    memory = {
        name: 8.0 * entries
        for name, entries in _entries(sizes, points, rows, parameters, extra, layered).items()
    }
    size = f"{rows} rows, {parameters} parameters"
    if options.solver != "auto":
        return TangentChoice(options.solver, f"as asked for ({size})", memory[options.solver])
    limit = options.memory * 2.0**30
    names: list[str] = ["gram", "dense", "landmark_nystrom_cg"]
    fitting = [name for name in names if memory[name] <= limit]
    if not fitting:
        return TangentChoice(
            "gaussian_nystrom_cg",
            f"{size}: no matrix over samples or parameters fits into {options.memory:g} GiB",
            memory["gaussian_nystrom_cg"],
        )
    best = min(fitting, key=lambda name: costs[name])
    others = ", ".join(
        f"{name} {costs[name] / 1e9:.3g}" + ("" if name in fitting else " (memory)")
        for name in names
        if name != best
    )
    reason = f"{size}: {best} {costs[best] / 1e9:.3g} Gflop, {others}"
    return TangentChoice(best, reason, memory[best])


def guessed_rank(rows: int, parameters: int) -> int:
    """A typical rank of the landmark preconditioner: what the cost of it is reckoned with."""
    return max(1, min(rows // 4, parameters // 2, 1024))


def _costs(
    sizes: Sequence[int], points: int, rows: int, parameters: int, layered: bool
) -> dict[str, float]:
    """Floating-point operations of one solve."""
    rank = guessed_rank(rows, parameters)
    # An entry of the Gram matrix by layers costs the widths, one of J Jᵀ costs p.
    entry = float(sum(a + b for a, b in pairwise(sizes))) if layered else float(parameters)
    product = 4.0 * points * parameters + 4.0 * rows * rank
    # About 30 iterations, half of them for the choice of the rank.
    landmark = 2.0 * rows * rank * entry + 4.0 * rows * rank**2 + 30.0 * product
    return {
        "gram": rows**2 * entry + rows**3 / 3.0,
        "dense": rows * parameters**2 + parameters**3 / 3.0,
        # An exact solve, whose cost is sure, is preferred to half of a guessed cost.
        "landmark_nystrom_cg": 2.0 * landmark,
    }


def _entries(
    sizes: Sequence[int], points: int, rows: int, parameters: int, extra: int, layered: bool
) -> dict[str, float]:
    """Numbers that each solver holds at a time."""
    outputs = sizes[-1]
    rank = guessed_rank(rows, parameters)
    base = float(points * sum(a + outputs * b for a, b in pairwise(sizes)) + extra * parameters)
    table = 0.0 if layered else float(rows * parameters)
    return {
        "gram": base + table + 4.25 * rows**2,
        "dense": base + table + 3.25 * parameters**2,
        "landmark_nystrom_cg": base + table + 3.0 * rows * rank,
        "gaussian_nystrom_cg": base + 3.0 * parameters * 300,
        "cg": base + 6.0 * parameters,
    }
