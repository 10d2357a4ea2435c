"""How integrals and other measures of the whole domain drift over a run in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdesl.run.observables import Observer
from pdesl.run.outputs import Quantity

__all__ = ["Drift", "drifts"]

# Equidistant times at which a quantity is looked at, the first and the last included.
MOMENTS = 9


@dataclass(frozen=True, slots=True)
class Drift:
    """A quantity q at the first and the last time, and its largest relative drift.

    The drift is max |q(t) − q(t₀)| / |q(t₀)|; where q starts at zero it is relative to max |q|.
    `quadrature` is the largest difference of q to a coarser rule of integration, against the same.
    """

    first: float
    last: float
    largest: float
    quadrature: float


def drifts(
    observer: Observer, quantities: Sequence[Quantity], times: NDArray | None
) -> dict[str, Drift]:
    """The drifts by label of what is measured over the whole domain at each time.

    Args:
        observer: of the solution.
        quantities: of a file; fields, columns and values at a place have no drift.
        times: further times that are looked at. A steady problem has no drifts.
    """
    span = observer.task.time_span
    if span is None:
        return {}
    moments = np.linspace(*span, MOMENTS)
    if times is not None:
        moments = np.union1d(moments, times)
    found: dict[str, Drift] = {}
    for quantity in quantities:
        if not (quantity.is_number and quantity.measures) or quantity.place:
            continue
        number = observer.number(quantity, moments)
        values = np.asarray(number.values, dtype=float)
        whole = float(np.max(np.abs(values)))
        size = abs(float(values[0])) if abs(values[0]) > 1e-12 * whole else whole
        changes = float(np.max(np.abs(values - values[0]))), number.error or 0.0
        found[quantity.label] = Drift(
            float(values[0]), float(values[-1]), *(c / size if size > 0.0 else 0.0 for c in changes)
        )
    return found
