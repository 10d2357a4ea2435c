"""The velocity θ̇ of a network's parameters: least squares over samples, regularised.

With the Jacobian J (N, p) of the weighted outputs and the wanted rates F (N,), over n points,

    θ̇ = argmin (1/n)‖J θ̇ − F‖² + μ‖θ̇‖²,    (M + μI) θ̇ = Jᵀ F/n,    M = JᵀJ/n,

μ as a fraction of the largest eigenvalue of M. (Finzi et al., "A stable and scalable method for
solving initial value PDEs with neural networks", 2023, equation 2 and Algorithm 1, whose factor
1/(2n) of F must read 1/n: with it the solution would move at half its speed.) By duality

    θ̇ = Jᵀ α/n,    (K + μI) α = F,    K = JJᵀ/n,

so that the smaller matrix may be factored. Everything below works with the rows of J and F
divided by √n.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from pdesl.lowering.devices import make_mesh, whole
from pdesl.solvers.networks import Network
from pdesl.solvers.tangent import DenseRows, GramRows, Rows, StackedRows, layered_rows
from pdesl.solvers.tangent_devices import divided_rows
from pdesl.solvers.tangent_direct import solve_dense, solve_gram
from pdesl.solvers.tangent_iterative import solve_gaussian, solve_landmarks, solve_plain
from pdesl.solvers.tangent_options import TangentChoice, TangentOptions, choose_tangent_solver
from pdesl.solvers.tangent_report import (
    BREAKDOWN,
    CONVERGED,
    NOT_CONVERGED,
    NOT_FINITE,
    TangentReport,
)

__all__ = [
    "ExtraRows",
    "TangentSolution",
    "solve_rows",
    "solve_tangent",
    "tangent_choice",
]

# How far the true residual may be above the tolerance at which the recursive one stopped.
SLACK = 10.0

_SOLVERS = {
    "dense": solve_dense,
    "gram": solve_gram,
    "landmark_nystrom_cg": solve_landmarks,
    "gaussian_nystrom_cg": solve_gaussian,
    "cg": solve_plain,
}


class ExtraRows(eqx.Module):
    """Rows of penalties: Σ_k weight_k (jacobian_k · θ̇ − right_k)² is added to the objective.

    `jacobian` (m, p) has its columns in the order of `ravel_pytree(network)`; `right` (m,) and
    `weights` (m,), not negative.
    """

    jacobian: Array
    right: Array
    weights: Array


class TangentSolution(eqx.Module):
    """θ̇ in the shape of the network (its `weights` and `biases`), and what was done for it."""

    direction: Network
    report: TangentReport


def tangent_choice(
    network: Network, points: int, options: TangentOptions, *, extra: int = 0
) -> TangentChoice:
    """The solver that `solve_tangent` takes for this network and so many points and penalties."""
    sizes = [network.inputs, *(weight.shape[1] for weight in network.weights)]
    return choose_tangent_solver(sizes, points, options, extra=extra)


def solve_tangent(
    network: Network,
    features: Array,
    scale: Array,
    right_hand_side: Array,
    options: TangentOptions,
    key: Array,
    *,
    extra_rows: ExtraRows | None = None,
) -> TangentSolution:
    """θ̇ with scale · ∂N(features)/∂θ θ̇ ≈ right_hand_side in the mean over the points.

    Args:
        network: N at the present parameters.
        features: inputs of the network (n, inputs).
        scale: factor of each output at each point (n, outputs), or (n, 1) for all outputs. With
            importance weights w of the samples, multiply it and `right_hand_side` by √w.
        right_hand_side: F (n, outputs).
        options: of the solve; static under `jit`, as the shapes are.
        key: of the random choices; the same key gives the same bits.
        extra_rows: penalties.

    Returns:
        The direction as a network (θ + h θ̇ is a `jax.tree.map`) and the report. Nothing that
        failed is silent: see `TangentReport.status`.

    Under `jit` nothing of it is traced again for the same shapes and options. The factorisations
    are LAPACK's on a CPU: call the compiled function inside `gram.one_blas_thread()`.
    """
    choice = tangent_choice(
        network,
        features.shape[0],
        options,
        extra=0 if extra_rows is None else extra_rows.right.shape[0],
    )
    points = features.shape[0]
    root = jnp.sqrt(jnp.asarray(points, features.dtype))
    factor = jnp.broadcast_to(scale, (points, network.fields)) / root
    mesh = make_mesh(options.devices)
    rows: GramRows = (
        layered_rows(network, features, factor)
        if mesh is None
        else divided_rows(network, features, factor, mesh)
    )
    right = (right_hand_side / root).reshape(-1)
    if extra_rows is not None:
        weight = jnp.sqrt(extra_rows.weights)
        rows = StackedRows(rows, DenseRows(weight[:, None] * extra_rows.jacobian))
        right = jnp.concatenate([right, weight * extra_rows.right])
    direction, report = whole(solve_rows(rows, right, choice, options, key), mesh)
    _, shape = ravel_pytree(network)
    return TangentSolution(shape(direction), report)


def solve_rows(
    rows: Rows, right: Array, choice: TangentChoice, options: TangentOptions, key: Array
) -> tuple[Array, TangentReport]:
    """argmin ‖J v − f‖² + μ‖v‖² for rows of any kind: v (p,) and the report.

    Args:
        rows: J (N, p), already divided by √n.
        right: f (N,), likewise.
        choice: the solver, from `choose_tangent_solver`.
    """
    if choice.solver in ("gram", "landmark_nystrom_cg") and not isinstance(rows, GramRows):
        rows = DenseRows(rows.matrix())
    found = _SOLVERS[choice.solver](rows, right, options, key)
    direction = found.direction
    gradient = rows.transpose(right)
    image = rows.forward(direction)
    left = rows.transpose(image - right) + found.regularisation * direction
    normal = _ratio(_norm(left), _norm(gradient))
    residual = _ratio(_norm(image - right), _norm(right))
    given = jnp.all(jnp.isfinite(right)) & jnp.all(jnp.isfinite(gradient))
    solved = jnp.isfinite(normal) & jnp.all(jnp.isfinite(direction))
    # Conjugate gradients stop by a residual that they carry along: the true one decides.
    missed = (found.iterations > 0) & (normal > SLACK * options.tolerance)
    status = jnp.where(missed & (found.status == CONVERGED), NOT_CONVERGED, found.status)
    status = jnp.where(solved, status, BREAKDOWN)
    status = jnp.where(given, status, NOT_FINITE).astype(jnp.int32)
    return direction, TangentReport(
        status=status,
        normal_residual=normal,
        residual=residual,
        iterations=found.iterations,
        largest=found.largest,
        regularisation=found.regularisation,
        condition=found.condition,
        effective_dimension=found.effective_dimension,
        rank=found.rank,
        solver=choice.solver,
        reason=choice.reason,
    )


def _norm(vector: Array) -> Array:
    return jnp.sqrt(jnp.sum(vector**2))


def _ratio(size: Array, whole: Array) -> Array:
    """size/whole, 0 where both vanish."""
    return jnp.where(whole > 0.0, size / jnp.where(whole > 0.0, whole, 1.0), size)
