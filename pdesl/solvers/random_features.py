"""Random features with a solved last layer: one hidden layer, linear least squares, Gauss-Newton.

Every field is a network of one hidden layer that all fields share,

    u_f(x) = Σ_j c_fj σ(w_j · x + b_j),

with w_j and b_j drawn at random. The last layer c minimises the residuals of all rows at
collocation points: by linear least squares for linear rows (S. Dong and Z. Li, Comput. Methods
Appl. Mech. Engrg. 387, 2021; J. Chen, X. Chi, W. E and Z. Yang, J. Machine Learning 1, 2022), by
Gauss-Newton for others. Time is one more coordinate (see `feature_windows`), the features are
chosen by the residual on held-out points (see `feature_search`). It is no trained deep network,
and its results say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from pdesl.diagnostics import SolverError
from pdesl.ir.invariance import free_constants
from pdesl.lowering.cloud import make_cloud
from pdesl.solvers.base import Evaluate, Reporter, SolverResult, Task
from pdesl.solvers.feature_points import Slab
from pdesl.solvers.feature_search import Candidate
from pdesl.solvers.feature_windows import March, Window
from pdesl.solvers.linear import singular
from pdesl.solvers.options import RandomFeaturesOptions

__all__ = ["solve"]

# The residual on held-out points from which a solution has not converged.
CONVERGED = 1e-4
# Functions of this size for data of size one are not determined by the equations. Rounding, the
# least that Tikhonov's term lets through, is at 1e13 and more.
UNDETERMINED = 1e10
SENSITIVITY_POINTS = 400
EVALUATION_CHUNK = 8192


def solve(task: Task, reporter: Reporter) -> SolverResult:
    """Solve a system on random features.

    Args:
        task: any system in space, steady or with time; `options` are `RandomFeaturesOptions`.
        reporter: hears of stages and of every candidate.

    Returns:
        The network with the smallest residual on held-out points. A note says what was chosen,
        another one warns of a solution that has not converged.

    Raises:
        SolverError: E701 a row that is not finite, E702 no point on a part of the boundary, E704
            equations that do not determine the solution, E705 no convergence of Gauss-Newton.
        ProblemError: coefficients or data that are not finite at a point (E326).
    """
    options: RandomFeaturesOptions = task.options
    system = task.system
    march = March(task, reporter)
    with reporter.stage("solve") as note:
        # Threads of BLAS wait by spinning: on a busy machine two took 80 times as long as one.
        with threadpool_limits(1, user_api="blas"):
            windows = march.run()
        _refuse_undetermined(task, windows[0])
        worst = max(windows, key=lambda w: w.candidate.held_out).candidate
        _refuse_divergence(worst)
        found = windows[0].candidate
        note.text = (
            f"{found.count:,} {found.shape.kind} features, residual {worst.held_out:.1e} on "
            "held-out points"
        )
    # The nodes of the collocation points: a steady problem's own, with time those in space.
    points = march.points(found.count)
    cloud = make_cloud(task.region, nodes=points, seed=options.seed, ghost=False)
    rank = found.fit.factorisation.rank()
    notes = _notes(system.fields, windows, worst, rank)
    sizes = np.array([size for _, size in march.trials])
    training = max(w.candidate.fit.history[-1] for w in windows)
    return SolverResult(
        method="random_features",
        evaluate=make_evaluate(task, windows),
        cloud=cloud,
        arrays=_arrays(windows),
        attributes={
            "kind": "features",
            "network": _network(system.fields, found),
            "activation": found.shape.kind,
            "hidden_layers": 1,
        },
        history={
            "iteration": np.arange(1, len(sizes) + 1),
            "held_out_residual": sizes,
            "features": np.array([count for count, _ in march.trials]),
        },
        losses={"total": training**2, "held_out": worst.held_out**2},
        counts={
            "interior_nodes": len(cloud.interior),
            "boundary_nodes": len(cloud.boundary),
            "hidden_layers": 1,
            "features": max(w.candidate.count for w in windows),
            "parameters": sum(w.candidate.fit.coefficients.size for w in windows),
            "collocation_rows": len(found.fit.weights),
            "rank": round(rank),
            "windows": len(windows),
            "trials": len(sizes),
            "iterations": sum(len(w.candidate.fit.history) - 1 for w in windows),
        },
        stop_reason=_reason(worst, options),
        interrupted=False,
        compile_seconds=0.0,
        precision="float64",
        times=None if task.time_span is None else np.array([windows[0].first, *_ends(windows)]),
        notes=notes,
    )


def make_evaluate(task: Task, windows: Sequence[Window]) -> Evaluate:
    """The fields at inputs in the problem's order, each from the window of its time."""
    axis = task.system.frame.time_axis
    ends = np.array(_ends(windows)[:-1])

    def evaluate(inputs: np.ndarray) -> dict[str, np.ndarray]:
        inputs = np.atleast_2d(np.asarray(inputs, dtype=float))
        table = np.empty((len(task.system.fields), len(inputs)))
        own = np.zeros(len(inputs), dtype=int) if axis is None else ends.searchsorted(
            inputs[:, axis]
        )  # fmt: skip
        for number, window in enumerate(windows):
            members = np.flatnonzero(own == number)
            known = window.candidate.fit
            for start in range(0, len(members), EVALUATION_CHUNK):
                part = members[start : start + EVALUATION_CHUNK]
                table[:, part] = known.coefficients @ known.features.values(inputs[part]).T
        return {name: table[i] for i, name in enumerate(task.system.fields)}

    return evaluate


def _ends(windows: Sequence[Window]) -> list[float]:
    return [window.last for window in windows]


def _network(fields: Sequence[str], found: Candidate) -> str:
    outputs = "" if len(fields) == 1 else f", {len(fields)} outputs"
    return (
        f"one hidden layer of {found.count:,} random {found.shape.kind} features{outputs}, last "
        "layer solved by least squares (not a trained deep network)"
    )


def _notes(
    fields: Sequence[str], windows: Sequence[Window], worst: Candidate, rank: float
) -> tuple[str, ...]:
    """The class of network, what was chosen, and a warning where it is due."""
    found = windows[0].candidate
    fit = found.fit
    scales = ", ".join(f"{scale:.3g}" for scale in found.shape.scales)
    lines = [
        f"network: {_network(fields, found)}",
        f"chosen on held-out points: {found.shape.kind}, scales ({scales}), {found.count:,} "
        f"features on {len(fit.weights):,} rows, effective rank {rank:.0f} of "
        f"{fit.coefficients.size:,}, condition {fit.factorisation.condition():.1e}",
    ]
    if len(windows) > 1:
        lengths = [w.last - w.first for w in windows]
        lines.append(
            f"{len(windows):,} windows of time, {min(lengths):.3g} to {max(lengths):.3g} long"
        )
    if worst.held_out > CONVERGED:
        lines.append(
            f"warning: not converged, the residual on held-out points is {worst.held_out:.1e} of "
            "the terms of the equations; raise `largest` or `points`, or choose `rbf_fd`, whose "
            "nodes follow steep solutions"
        )
    return tuple(lines)


def _reason(worst: Candidate, options: RandomFeaturesOptions) -> str:
    size = f"the residual on held-out points is {worst.held_out:.1e} of the terms"
    if worst.held_out > CONVERGED:
        return f"not converged: {size}"
    if options.features is not None:
        return f"{size}, with the number of features that was asked for"
    return size


def _refuse_undetermined(task: Task, window: Window) -> None:
    """Refuse equations that leave a function free, such as Neumann conditions alone."""
    found = window.candidate.fit
    rows = _points_of(task, window)
    values = found.features.values(rows) / np.sqrt(len(rows))
    fields = len(task.system.fields)
    table = np.kron(np.eye(fields), values)
    if task.system.integrals:  # they fix constants, which count for nothing here
        free = free_constants(task.system, task.values)
        shares = [[float(c.get(f, 0)) for f in task.system.fields] for c in free]
        basis, _ = np.linalg.qr(np.repeat(np.array(shares).T, len(values), axis=0))
        table = table - basis @ (basis.T @ table)
    if found.factorisation.sensitivity(table) > UNDETERMINED:
        raise singular()


def _points_of(task: Task, window: Window) -> np.ndarray:
    """Points of a window that a sensitivity is measured at."""
    slab = Slab(task, window.first, window.last)
    return slab.rows(SENSITIVITY_POINTS, task.options.seed)[0].inputs


def _refuse_divergence(worst: Candidate) -> None:
    if worst.fit.converged or worst.held_out <= CONVERGED:
        return
    raise SolverError(
        f"Gauss-Newton has not converged in {len(worst.fit.history) - 1} steps; the residual on "
        f"held-out points is {worst.held_out:.1e} of the terms of the equations",
        code="E705",
        advice="start nearer to the solution by lowering the nonlinear parameter in steps, raise "
        "`iterations`, or choose `dt_pinn`",
    )


def _arrays(windows: Sequence[Window]) -> dict[str, np.ndarray]:
    """Weights, biases and coefficients, one row of each for every window."""
    fits = [window.candidate.fit for window in windows]
    most = max(len(f.features) for f in fits)

    def stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
        # Windows with fewer features are filled up with features of coefficient zero.
        widths = [(0, 0)] * (arrays[0].ndim - 1)
        return np.stack([np.pad(a, [*widths, (0, most - a.shape[-1])]) for a in arrays])

    return {
        "weights": stack([f.features.weights for f in fits]),
        "biases": stack([f.features.biases for f in fits]),
        "coefficients": stack([f.coefficients for f in fits]),
        "centres": np.stack([f.features.centre for f in fits]),
        "window_ends": np.array(_ends(windows)),
    }
