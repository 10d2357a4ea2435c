"""Last-layer fits: the coefficients of given features by linear least squares or Gauss-Newton.

Every row is divided by the size of its own line in the matrix and by the root of the number of
rows of its condition, so that an equation of any units and order weighs as much as a value on the
boundary. A nonlinear problem is linearised at the jets of a state,

    r(u) + Σ_j ∂r/∂u_j (ũ_j − u_j) = 0,

and solved for the new function ũ instead of a step: so the state may come from other features. A
step within one set of features is halved until the norm of the residual falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.solvers.feature_rows import CollocationRow, State, Term, as_state
from pdesl.solvers.features import Features
from pdesl.solvers.least_squares import Factorisation, factorise

__all__ = ["Fit", "fit", "refit", "relative_residual"]

# A row is not scaled up by more than this against the others of its condition.
LARGEST_SCALING = 1e3
# The square of this change is rounding, and Gauss-Newton's error is the square of its last change.
SMALL_CHANGE = 1e-7
# A step that promises no more than the rest of this share of the residual ends the iteration.
STATIONARY = 0.99
MAXIMUM_HALVINGS = 12


@dataclass(frozen=True, slots=True)
class Fit:
    """Features with their coefficients (fields, M).

    `history` are the norms of the weighted residual, the start's first; `converged` whether the
    last change was small; `factorisation` and `weights` (n,) belong to the last matrix.
    """

    features: Features
    coefficients: np.ndarray
    history: tuple[float, ...]
    converged: bool
    factorisation: Factorisation
    weights: np.ndarray

    @property
    def state(self) -> State:
        return as_state(self.features, self.coefficients)


def fit(
    rows: Sequence[CollocationRow],
    features: Features,
    fields: int,
    *,
    guess: State | None,
    iterations: int,
) -> Fit:
    """The coefficients that minimise the weighted residual of the rows.

    Args:
        rows: conditions at their points.
        features: the hidden layer that all fields share.
        fields: number of fields.
        guess: where a nonlinear problem is first linearised; None for fields that are zero.
        iterations: most linearisations.

    Raises:
        SolverError: E701, a row that is not finite for the guess.
    """
    linear = all(row.nonlinear is None for row in rows)
    coefficients = np.zeros((fields, len(features)))
    own = guess is None
    state = guess or as_state(features, coefficients)
    jets = [_jets(row, state) for row in rows]
    residual = _residual(rows, jets)
    _refuse_infinite(rows, residual)
    weights: np.ndarray | None = None
    history: list[float] = []
    while True:
        slopes = [row.linearised(own_jets) for row, own_jets in zip(rows, jets, strict=True)]
        matrix, sizes = _matrix(rows, features, fields, slopes)
        if weights is None:
            weights = 1.0 / sizes
            history.append(_norm(weights * residual))
        matrix *= weights[:, None]
        if not np.all(np.isfinite(matrix)):
            _refuse_infinite(rows, np.sum(matrix, axis=1))
        factorisation = factorise(matrix)
        # The linearised rows, of the new function instead of a step.
        right = _applied(slopes, jets) - residual
        target = factorisation.solve(weights * right).reshape(fields, -1)
        step, scale, stationary = target - coefficients, 1.0, False
        for _ in range(MAXIMUM_HALVINGS):
            trial = coefficients + scale * step
            moved = [_jets(row, as_state(features, trial)) for row in rows]
            changed = _residual(rows, moved)
            size = _norm(weights * changed)
            if own and scale == 1.0:
                # What the linearisation promises: nothing more, at a minimum of the residual.
                promised = _norm(weights * (_applied(slopes, moved) - right))
                stationary = promised > STATIONARY * history[-1]
            if linear or (np.isfinite(size) and (not own or size < history[-1])):
                break
            scale /= 2.0
        else:
            # No shorter step helps: at rounding, or Gauss-Newton stalls.
            stationary = stationary or _change(rows, jets, moved) / scale <= np.sqrt(SMALL_CHANGE)
            return Fit(features, coefficients, tuple(history), stationary, factorisation, weights)
        change = _change(rows, jets, moved)
        coefficients, jets, residual = trial, moved, changed
        history.append(size)
        small = stationary or (own and scale == 1.0 and change <= SMALL_CHANGE)
        if linear or small or len(history) > iterations:
            return Fit(
                features, coefficients, tuple(history), linear or small, factorisation, weights
            )
        own = True


def refit(known: Fit, features: Features, rows: Sequence[CollocationRow]) -> Fit:
    """A fit of linear rows whose matrix over `features` is that of `known`."""
    residual = np.concatenate([row.forcing for row in rows])
    weighted = known.weights * residual
    coefficients = known.factorisation.solve(-weighted).reshape(known.coefficients.shape)
    found = replace(known, features=features, coefficients=coefficients)
    jets = [_jets(row, found.state) for row in rows]
    left = float(np.linalg.norm(known.weights * _residual(rows, jets)))
    return replace(found, history=(float(np.linalg.norm(weighted)), left))


def _jets(row: CollocationRow, state: State) -> dict[Term, np.ndarray]:
    terms = row.terms
    return dict(zip(terms, state(row.inputs, terms), strict=True))


def _residual(rows: Sequence[CollocationRow], jets: Sequence[dict[Term, np.ndarray]]) -> np.ndarray:
    return np.concatenate([row.residual(own) for row, own in zip(rows, jets, strict=True)])


def _refuse_infinite(rows: Sequence[CollocationRow], residual: np.ndarray) -> None:
    start = 0
    for row in rows:
        if not np.all(np.isfinite(residual[start : start + len(row)])):
            raise SolverError(
                f"{row.name} is not finite for the fields that the solution starts from",
                code="E701",
                advice="rewrite the equation so that it is defined at zero, or choose `dt_pinn`",
            )
        start += len(row)


def _matrix(
    rows: Sequence[CollocationRow],
    features: Features,
    fields: int,
    slopes: Sequence[dict[Term, float | np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (n, fields · M) in Fortran order, and the sizes (n,) that its rows have."""
    count = sum(len(row) for row in rows)
    matrix = np.empty((count, fields * len(features)), order="F")
    sizes = np.empty(count)
    start = 0
    for row, own in zip(rows, slopes, strict=True):
        part = slice(start, start + len(row))
        block = row.matrix(features, fields, own)
        lengths = np.linalg.norm(block, axis=1)
        typical = float(np.sqrt(np.mean(lengths**2))) or 1.0
        matrix[part] = block
        sizes[part] = np.maximum(lengths, typical / LARGEST_SCALING) * np.sqrt(len(row))
        start += len(row)
    return matrix, sizes


def _applied(
    slopes: Sequence[dict[Term, float | np.ndarray]], jets: Sequence[dict[Term, np.ndarray]]
) -> np.ndarray:
    """Σ slope · jet of every row, (n,)."""
    return np.concatenate(
        [
            sum((slope * values[term] for term, slope in own.items()), start=np.zeros(count))
            for own, values in zip(slopes, jets, strict=True)
            for count in (len(next(iter(values.values()))),)
        ]
    )


def _change(
    rows: Sequence[CollocationRow],
    before: Sequence[dict[Term, np.ndarray]],
    after: Sequence[dict[Term, np.ndarray]],
) -> float:
    """The largest relative change of a jet that a nonlinear part takes."""
    found = 0.0
    for row, old, new in zip(rows, before, after, strict=True):
        for term in row.jets:
            size = float(np.linalg.norm(new[term]))
            if size > 0.0:
                found = max(found, float(np.linalg.norm(new[term] - old[term])) / size)
    return found


def relative_residual(state: State, rows: Sequence[CollocationRow]) -> float:
    """How far a state is from solving rows, against the size of their terms.

    The root mean square over all rows of rms(residual) / (Σ rms(terms) + rms(forcing)), where a
    term counts with the size that its jet has in the whole domain: a condition u = 0 is measured
    against u inside.
    """
    inside = rows[0].inputs
    terms = tuple(dict.fromkeys(t for row in rows for t in row.terms))
    sizes = dict(zip(terms, (_rms(v) for v in state(inside, terms)), strict=True))
    squares = []
    for row in rows:
        jets = _jets(row, state)
        residual = row.residual(jets)
        whole = _rms(row.forcing)
        whole += sum(_rms(np.asarray(a)) * sizes[t] for t, a in row.linear)
        if row.nonlinear is not None:
            plain = sum((a * jets[t] for t, a in row.linear), start=row.forcing)
            whole += _rms(residual - plain)
        size = _rms(residual)
        squares.append((size / whole if whole > 0.0 else 0.0) ** 2)
    value = float(np.sqrt(np.mean(squares)))
    return value if np.isfinite(value) else float("inf")


def _norm(values: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.linalg.norm(values))


def _rms(values: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(values))))
