"""Weights of the terms of a loss: every row counts by the size of its operator.

A residual r of a row B u = g measures the error of u in the units and size of B: on a disk of
radius 1 the same error is seen about ten times larger by Δ than by the condition u = g. With one
weight for all, a loss is a poor measure of the error and slow to minimise. The size of a linear
row with the symbol P(x, ik) is taken as

    s² = mean over points x and wave vectors k of |P(x, ik)|²,

with waves of one period across the bounding box, |k_j (b_j − a_j)/2| = π in space (every
direction) and in time: B applied to waves of amplitude √2 has the mean square s². A nonlinear
part is linearised about a wave between 1/2 and 3/2. The terms of conditions get the weight
s²(equations)/s²(condition), so that all parts of the loss measure the error of u alike; a change
of units or of the scaling of an equation or condition leaves the minimiser where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jax import Array

from pdesl.ir.system import Row
from pdesl.lowering.cloud import Cloud
from pdesl.lowering.emit import lower_row
from pdesl.lowering.places import Places, boundary_indices, on_slices
from pdesl.solvers.base import Task, input_box
from pdesl.symbolic.functions import numpy_namespace

__all__ = ["Term", "describe_weights", "make_terms", "operator_size", "row_places", "weighted_sum"]

#: Wave vectors, and the most points of a row, that its size is averaged over.
WAVES = 32
POINTS = 256


@dataclass(frozen=True, slots=True)
class Term:
    """The part that a row has in a loss: weight · Σ r² / count.

    Attributes:
        part: `equations`, `boundary` or `initial`; the loss is reported by part, unweighted.
        weight: what the mean square is multiplied by.
        count: what the sum of squares is divided by.
    """

    part: str
    weight: float
    count: int

    @property
    def factor(self) -> float:
        """√(weight/count): residuals times it have the term as their sum of squares."""
        return float(np.sqrt(self.weight / self.count))


def weighted_sum(
    terms: Sequence[Term], squares: Sequence[Array]
) -> tuple[Array, Mapping[str, Array]]:
    """The loss from the sums of squares of its rows, and the mean squares by part for reports."""
    total: Array | None = None
    parts: dict[str, Array] = {}
    for term, square in zip(terms, squares, strict=True):
        mean = square / term.count
        parts[term.part] = parts[term.part] + mean if term.part in parts else mean
        weighted = mean if term.weight == 1.0 else term.weight * mean
        total = weighted if total is None else total + weighted
    assert total is not None
    return total, parts


def row_places(
    task: Task, cloud: Cloud, times: np.ndarray | None, interior: np.ndarray
) -> list[tuple[Row, Places, int]]:
    """Every row of the loss with where it holds and the count of its mean.

    Args:
        interior: the points (n, d) where the equations hold.

    Raises:
        SolverError: E702, a condition that holds at no node.
    """
    system = task.system
    found = [(row, on_slices(interior, None, times)) for row in system.rows]
    placed = [(row, places, len(places)) for row, places in found]
    # Every boundary node weighs the same, whatever part it lies on.
    count = len(cloud.boundary) * (1 if times is None else len(times))
    for row in system.boundary:
        own = boundary_indices(row, system, cloud, task.region, task.values)
        where = on_slices(cloud.boundary[own], cloud.normals[own], times)
        placed.append((row, where, count))
    start = on_slices(cloud.evaluation, None, None if times is None else times[:1])
    placed += [(row, start, len(start)) for row in system.initial]
    return placed


def make_terms(task: Task, rows: Sequence[tuple[Row, Places, int]]) -> tuple[Term, ...]:
    """The terms of the loss of a trained method.

    Args:
        task: its options may set the weight of all boundary or all initial terms.
        rows: each with where it holds and the count of its mean.

    Raises:
        ProblemError: see `lower_row`.
    """
    parts = {"interior": "equations", "boundary": "boundary", "initial": "initial"}
    given = {
        "equations": 1.0,
        "boundary": task.options.boundary_weight,
        "initial": task.options.initial_weight,
    }
    waves = wave_vectors(task)
    sizes: dict[int, float] = {}
    for number, (row, places, _) in enumerate(rows):
        if row.kind == "interior" or given[parts[row.kind]] is None:
            sizes[number] = operator_size(row, task, places, waves)
    equations = [sizes[n] for n, (row, _, _) in enumerate(rows) if row.kind == "interior"]
    reference = float(np.mean(equations))
    terms = []
    for number, (row, _, count) in enumerate(rows):
        weight = given[parts[row.kind]]
        if weight is None:
            weight = reference / sizes[number] if reference and sizes[number] else 1.0
        terms.append(Term(parts[row.kind], weight, count))
    return tuple(terms)


def describe_weights(terms: Sequence[Term]) -> str:
    """The weights of the conditions in words, `weights: boundary 97.4, initial 1.2e+03`.

    Empty where there are no conditions.
    """
    found: dict[str, list[str]] = {}
    for term in terms:
        if term.part != "equations":
            texts = found.setdefault(term.part, [])
            text = f"{term.weight:.3g}"
            if text not in texts:
                texts.append(text)
    words = ", ".join(f"{part} {' and '.join(texts)}" for part, texts in found.items())
    return f"weights: {words}" if words else ""


def wave_vectors(task: Task) -> np.ndarray:
    """(WAVES, coordinates): one period across the bounding box, all directions of space."""
    lower, upper = (np.asarray(b) for b in input_box(task))
    frame = task.system.frame
    generator = np.random.default_rng(0)
    vectors = np.zeros((WAVES, len(lower)))
    space = list(frame.space_axes)
    directions = generator.standard_normal((WAVES, len(space)))
    vectors[:, space] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    if frame.time_axis is not None:
        vectors[:, frame.time_axis] = generator.choice([-1.0, 1.0], WAVES)
    return np.pi * vectors * (2.0 / (upper - lower))


def operator_size(row: Row, task: Task, places: Places, waves: np.ndarray) -> float:
    """s² of a row, the mean of |P(x, ik)|² over its points and the waves, summed over fields.

    Raises:
        ProblemError: see `lower_row`.
    """
    some = _thinned(places, POINTS)
    arrays = lower_row(row, task.system, some, task.values, numpy_namespace())
    count = len(some)

    def power(orders: tuple[int, ...]) -> np.ndarray:
        return np.prod((1j * waves) ** np.asarray(orders), axis=1)

    symbols: dict[int, np.ndarray] = {}

    def add(field: int, orders: tuple[int, ...], coefficient: float | np.ndarray) -> None:
        column = np.asarray(coefficient, float)
        column = column[:, None] if column.ndim == 1 else column
        term = np.broadcast_to(column * power(orders), (count, len(waves)))
        symbols[field] = symbols.get(field, 0.0) + term

    for terms in arrays.linear:
        for orders, coefficient in terms.terms.items():
            add(terms.field, orders, coefficient)
    if arrays.slopes is not None:
        phase = some.inputs(task.system) @ waves.T
        reference = [
            (not any(orders)) + 0.5 * np.imag(power(orders) * np.exp(1j * phase))
            for _, orders in arrays.jets
        ]
        with np.errstate(all="ignore"):
            slopes = arrays.slopes(*reference, *(column[:, None] for column in arrays.columns))
        # Where the wave is no value that the nonlinear part allows, the linear part decides.
        if all(np.all(np.isfinite(slope)) for slope in slopes):
            for (field, orders), slope in zip(arrays.jets, slopes, strict=True):
                add(field, orders, np.broadcast_to(slope, (count, len(waves))))
    return float(sum(np.mean(np.abs(symbol) ** 2) for symbol in symbols.values()))


def _thinned(places: Places, most: int) -> Places:
    """At most so many of the places, evenly among them."""
    if len(places) <= most:
        return places
    chosen = np.unique(np.linspace(0, len(places) - 1, most).astype(int))
    return Places(
        places.points[chosen],
        None if places.normals is None else places.normals[chosen],
        None if places.times is None else places.times[chosen],
    )
