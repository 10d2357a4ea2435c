"""What a metric is on its domain: its signature, and where its chart degenerates.

A chart degenerates where an entry of g_{μν} or g^{μν} grows without bound: at a horizon in
Schwarzschild's coordinates, on the axis of polar ones, at a singularity. Such places are looked
for numerically on the domain and its boundary, since they may have any measure: a pattern search
(R. Hooke, T. A. Jeeves, Journal of the ACM 8, 212 (1961)) climbs the size of the entries from
points of the domain, in a bounded number of steps; what grows on without bound close to where it
ends is such a place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic, Severity
from pdesl.ir.samples import Sample
from pdesl.ir.system import System
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace
from pdesl.symbolic.metric import Metric

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["Box", "ChartFacts", "Place", "chart_diagnostics", "chart_facts", "place_words"]

STARTS = 24
ROUNDS = 120
# Decades by which entries grow on the last thousandth of the way where they are unbounded.
GROWTH = 2.0


@dataclass(frozen=True, slots=True)
class Box:
    """The domain and the range of time, for points (m, n) of all coordinates in their order."""

    system: System
    region: Region
    span: tuple[float, float] | None

    def points(self, inside: Sample, seed: int = 1) -> np.ndarray:
        """Points of the domain at random times."""
        return self.at(inside.points, seed)

    def at(self, points: np.ndarray, seed: int = 1) -> np.ndarray:
        table = np.empty((len(points), len(self.system.space.coordinates)))
        table[:, list(self.system.frame.space_axes)] = points
        axis = self.system.frame.time_axis
        if axis is not None:
            low, high = self.span or (0.0, 1.0)
            table[:, axis] = np.random.default_rng(seed).uniform(low, high, len(points))
        return table

    @property
    def extent(self) -> np.ndarray:
        """The length of the domain along each coordinate."""
        lower, upper = self.region.bounding_box()
        result = np.ones(len(self.system.space.coordinates))
        result[list(self.system.frame.space_axes)] = np.asarray(upper) - np.asarray(lower)
        if self.system.frame.time_axis is not None and self.span is not None:
            result[self.system.frame.time_axis] = self.span[1] - self.span[0]
        return result

    def holds(self, table: np.ndarray, slack: float = 1e-12) -> np.ndarray:
        """Whether points lie in the domain or on its boundary, at a time of the range."""
        space = table[:, list(self.system.frame.space_axes)]
        keep = self.region.level(space) <= slack * self.region.size
        axis = self.system.frame.time_axis
        if axis is not None and self.span is not None:
            width = slack * (self.span[1] - self.span[0])
            keep &= (table[:, axis] >= self.span[0] - width) & (
                table[:, axis] <= self.span[1] + width
            )
        return keep

    def is_inside(self, point: np.ndarray) -> bool:
        """Whether a point keeps a distance from the boundary, and from the ends of time."""
        return bool(self.holds(point[None, :], -1e-6)[0])


@dataclass(frozen=True, slots=True)
class Place:
    """A point (n,) where a chart degenerates: what is there in words, and whether it is inside."""

    point: np.ndarray
    words: str
    inside: bool


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """`signatures`: numbers of negative and positive eigenvalues, each with a point of it."""

    signatures: Mapping[tuple[int, int], np.ndarray]
    places: tuple[Place, ...]
    extent: np.ndarray

    def at(self, point: np.ndarray, system: System) -> str:
        """A point in words."""
        metric = system.frame.metric
        return place_words(point, system, [metric.matrix] if metric else [], self.extent)


def place_words(
    point: np.ndarray, system: System, expressions: Iterable[sympy.Basic], scale: np.ndarray
) -> str:  # fmt: skip
    """`x = -1, y = 0`: the spatial coordinates, at most four, and time where expressions hold it.

    What is small against the size of the domain along its coordinate is zero.
    """
    symbols = system.space.coordinates
    time = system.frame.time_axis
    timeless = time is not None and not any(e.has(symbols[time]) for e in expressions)
    shown = [
        f"{s.name} = {0.0 if abs(v) <= 1e-6 * size else v:.4g}"
        for i, (s, v, size) in enumerate(zip(symbols, point, scale, strict=True))
        if not (timeless and i == time)
    ]
    return ", ".join(shown[:4])


def chart_facts(
    system: System, region: Region, inside: Sample, values: Mapping[sympy.Symbol, float],
    span: tuple[float, float] | None,
) -> ChartFacts | None:  # fmt: skip
    """The facts of the metric on the domain; None without one, or without numbers for it."""
    metric = system.frame.metric
    if metric is None or not len(inside):
        return None
    box = Box(system, region, span)
    try:
        tensor = _Entries(metric, system.space.coordinates, values)
    except UnsupportedExpression:
        return None
    table = box.points(inside)
    with np.errstate(all="ignore"):
        signatures = _signatures(tensor, table)
        places = _degenerate(tensor, box, table)
    return ChartFacts(signatures, places, box.extent)


class _Entries:
    """The entries of g and of its inverse as functions of points."""

    def __init__(
        self, metric: Metric, coordinates: tuple[sympy.Symbol, ...],
        values: Mapping[sympy.Symbol, float],
    ):  # fmt: skip
        self.metric = metric
        self.coordinates = coordinates
        self.size = metric.matrix.rows
        self.values = values
        pairs = [(i, j) for i in range(self.size) for j in range(i, self.size)]
        self.pairs = [p for p in pairs if metric.matrix[p] != 0 or metric.inverse[p] != 0]
        entries: list[Any] = [m[p] for m in (metric.matrix, metric.inverse) for p in self.pairs]
        self._function = make_function(entries, [*coordinates, *values], numpy_namespace())

    def __call__(self, table: np.ndarray) -> np.ndarray:
        """Entries of g, then of its inverse, for points (m, n): (2 · pairs, m)."""
        found = self._function(*table.T, *self.values.values())
        return np.array([np.broadcast_to(np.asarray(v, float), len(table)) for v in found])

    def matrices(self, table: np.ndarray) -> np.ndarray:
        """g at points (m, n): (m, n, n)."""
        entries = self(table)
        result = np.zeros((len(table), self.size, self.size))
        for (i, j), entry in zip(self.pairs, entries, strict=False):
            result[:, i, j] = result[:, j, i] = entry
        return result

    def magnitude(self, table: np.ndarray) -> np.ndarray:
        """The decimal logarithm of the largest entry of g or its inverse; inf where not finite."""
        sizes = np.max(np.abs(self(table)), axis=0)
        return np.where(np.isfinite(sizes), np.log10(np.maximum(sizes, 1e-300)), np.inf)


def signature_at(matrices: np.ndarray) -> np.ndarray:
    """Numbers of negative eigenvalues of symmetric matrices (m, n, n); -1 where not finite."""
    finite = np.isfinite(matrices).all(axis=(1, 2))
    counts = np.full(len(matrices), -1)
    if finite.any():
        counts[finite] = np.sum(np.linalg.eigvalsh(matrices[finite]) < 0.0, axis=1)
    return counts


def _signatures(tensor: _Entries, table: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    counts = signature_at(tensor.matrices(table))
    return {
        (int(n), tensor.size - int(n)): table[int(np.argmax(counts == n))]
        for n in np.unique(counts[counts >= 0])
    }


# -- where a chart degenerates -------------------------------------------------------------


def _degenerate(tensor: _Entries, box: Box, table: np.ndarray) -> tuple[Place, ...]:
    finite = tensor.magnitude(table)
    start = table[np.isfinite(finite)]
    sizes = finite[np.isfinite(finite)]
    if not len(start):
        return ()
    order = np.argsort(-sizes, kind="stable")
    chosen = np.concatenate([order[: STARTS // 2], order[STARTS // 2 :: max(
        (len(order) - STARTS // 2) // (STARTS // 2), 1)]])[:STARTS]  # fmt: skip
    first = start[chosen]
    ends, heights = _climb(tensor, box, first)
    away = first - ends
    length = np.linalg.norm(away / box.extent, axis=1, keepdims=True)
    near = ends + 1e-3 * away / np.where(length > 0, length, 1.0)
    growth = heights - tensor.magnitude(near)
    found: dict[str, Place] = {}
    for end, height, rise in zip(ends, heights, growth, strict=True):
        if height < np.inf and not rise >= GROWTH:
            continue
        words = _words(tensor, end, box)
        place = Place(end, words, box.is_inside(end))
        known = found.get(words)
        if known is None or (place.inside and not known.inside):
            found[words] = place
    return tuple(list(found.values())[:4])


def _climb(tensor: _Entries, box: Box, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of greatest entries, and these; from each start by steps along the coordinates."""
    count, size = start.shape
    points, heights = start.copy(), tensor.magnitude(start)
    steps = np.full(count, 0.25)
    moves = np.concatenate([np.eye(size), -np.eye(size)]) * box.extent
    for _ in range(ROUNDS):
        active = (steps > 1e-14) & (heights < np.inf)
        if not active.any():
            break
        rows = np.flatnonzero(active)
        tried = points[rows, None, :] + steps[rows, None, None] * moves[None, :, :]
        flat = tried.reshape(-1, size)
        value = np.where(box.holds(flat), tensor.magnitude(flat), -np.inf)
        value = value.reshape(len(rows), len(moves))
        best = np.argmax(value, axis=1)
        top = value[np.arange(len(rows)), best]
        better = top > heights[rows]
        gained = rows[better]
        points[gained] = tried[better, best[better]]
        heights[gained] = top[better]
        steps[rows[~better]] /= 2
    return points, heights


def _words(tensor: _Entries, point: np.ndarray, box: Box) -> str:
    """What is at a place: a landmark of the chart, else the entry that is unbounded there."""
    scale = 1.0 + float(np.max(np.abs(point)))
    for landmark in tensor.metric.landmarks:
        wanted = [landmark.level, landmark.value or sympy.S.Zero]
        try:
            function = make_function(wanted, [*tensor.coordinates, *tensor.values],
                                     numpy_namespace())  # fmt: skip
        except UnsupportedExpression:
            continue
        level, value = function(*point, *tensor.values.values())
        if abs(level) <= 1e-5 * scale:
            return landmark.words + (f" {float(value):.4g}" if landmark.value is not None else "")
    entries = np.abs(tensor(point[None, :])[:, 0])
    worst = int(np.argmax(np.where(np.isfinite(entries), entries, np.inf)))
    i, j = tensor.pairs[worst % len(tensor.pairs)]
    names = "".join(tensor.coordinates[k].name for k in (i, j))
    form = f"g_{{{names}}}" if worst < len(tensor.pairs) else f"g^{{{names}}}"
    return f"a place where {form} has no bound"


# -- messages ------------------------------------------------------------------------------


def sign_words(signature: tuple[int, int]) -> str:
    negative, positive = signature
    return "(" + " ".join(["−"] * negative + ["+"] * positive) + ")"


def chart_diagnostics(system: System, facts: ChartFacts) -> list[Diagnostic]:
    """A signature that changes (E337), a chart that degenerates inside the domain (W930)."""
    spec = system.problem.metric
    assert spec is not None
    found = []
    if len(facts.signatures) > 1:
        shown = [f"{sign_words(s)} at {facts.at(p, system)}"
                 for s, p in list(facts.signatures.items())[:2]]  # fmt: skip
        found.append(
            Diagnostic(
                "E337", f"the signature of this metric changes in the domain: it is "
                f"{' and '.join(shown)}", spec.span,
                helps=("correct a sign, or choose a domain in which the determinant keeps its "
                       "sign",),
            )
        )  # fmt: skip
    for place in facts.places:
        if place.inside and not found:
            where = facts.at(place.point, system)
            found.append(
                Diagnostic(
                    "W930", f"the chart degenerates inside the domain, near {where}: this is "
                    f"{place.words}", spec.span, severity=Severity.WARNING,
                    helps=("choose a chart that is regular there, or a domain that leaves the "
                           "place out",),
                )
            )  # fmt: skip
    return found


def chart_lines(system: System, facts: ChartFacts) -> list[str]:
    """What `pdesl check` says of a metric."""
    signs = ", ".join(sign_words(s) for s in facts.signatures)
    lines = [f"metric: signature {signs}"]
    for place in facts.places:
        where = "inside the domain" if place.inside else "at the boundary"
        point = facts.at(place.point, system)
        lines.append(f"the chart degenerates {where} near {point}: {place.words}")
    return lines
