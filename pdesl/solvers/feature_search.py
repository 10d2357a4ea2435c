"""The search for features: their kind, the scale of every coordinate, their number.

Nothing is tuned by hand: a candidate is judged by its residual on points that it was not fitted
to (`relative_residual`). The search begins with few features and a geometric grid of scales for
each kind, moves the scale of one coordinate or of all in ever smaller factors, and doubles the
number of features, each time trying the best candidates so far and their neighbours, until the
residual meets the tolerance, stands at rounding, or the features are as many as may be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pdesl.diagnostics import SolverError
from pdesl.solvers.base import Reporter, TrainingReport
from pdesl.solvers.feature_fit import Fit, fit, relative_residual
from pdesl.solvers.feature_points import Slab
from pdesl.solvers.feature_rows import CollocationRow, State
from pdesl.solvers.features import FEATURE_KINDS, Features, draw_features
from pdesl.solvers.options import RandomFeaturesOptions

__all__ = ["Candidate", "Search", "Shape"]

# Collocation points for each feature, and held-out points for each collocation point.
POINTS_PER_FEATURE = 3.0
HELD_OUT_SHARE = 0.3
HELD_OUT_SEED = 0x4E1D
LEAST_HELD_OUT = 40
# Scales of the first grid, from one bend in the box to as many as few features resolve.
GRID = {
    "tanh": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    "sin": (1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
}
# Features at the start by number of coordinates; doubled from level to level while that is cheap,
# then half as many again.
FIRST_FEATURES = {1: 24, 2: 100, 3: 200}
FIRST_FEATURES_BEYOND = 300
DOUBLED_UP_TO = 800
# Trials of a level, the first levels being cheap; factors by which scales move.
TRIALS = (40, 24, 10, 4, 2)
FACTORS = (2.0, 2.0, 1.41, 1.41)
# A box shorter than this in one direction of space is also tried with scales in proportion.
LONG = 0.5
# A residual above this resolves nothing: the whole grid is tried again with more features.
UNRESOLVED = 0.1
# From this level on only the better kind is refined.
SINGLE_KIND = 3
# A doubling that gains less than this, from a residual below ROUNDING, stands at rounding.
LEAST_GAIN = 10.0
ROUNDING = 1e-9
# Coordinates are moved one by one up to this number.
MOST_SEPARATE = 4
# Linearisations for a candidate of a nonlinear problem that starts from the best so far.
WARM_STEPS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """What features look like: their kind and the scale of every coordinate."""

    kind: str
    scales: tuple[float, ...]

    def moved(self, axes: Sequence[int], factor: float) -> Shape:
        scales = [s * factor if i in axes else s for i, s in enumerate(self.scales)]
        return Shape(self.kind, tuple(scales))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fit of one shape, with its residual on held-out points."""

    shape: Shape
    fit: Fit
    held_out: float

    @property
    def count(self) -> int:
        return len(self.fit.features)


@dataclass(slots=True)
class Search:
    """A search on one slab.

    `guess` is where a nonlinear problem is first linearised, None for zero; `trials` records
    (features, held-out residual) of every candidate.
    """

    slab: Slab
    options: RandomFeaturesOptions
    reporter: Reporter
    guess: State | None = None
    trials: list[tuple[int, float]] = field(default_factory=list)
    begin: float = field(default_factory=time.perf_counter)

    @property
    def fields(self) -> int:
        return len(self.slab.task.system.fields)

    @property
    def linear(self) -> bool:
        return all(row.is_linear for row in self.slab.task.system.all_rows)

    @property
    def periodic(self) -> list[bool]:
        system = self.slab.task.system
        flags = {c.symbol: c.periodic for c in system.problem.space}
        return [flags.get(symbol, False) for symbol in system.space.coordinates]

    def points(self, features: int) -> int:
        """Collocation points for so many features, the held-out ones apart."""
        return self.options.points or int(np.ceil(POINTS_PER_FEATURE * features))

    def levels(self, most: int) -> list[int]:
        """Numbers of features, the last one the largest."""
        dimension = len(self.slab.box[0])
        count = FIRST_FEATURES.get(dimension, FIRST_FEATURES_BEYOND)
        found = []
        while count < most:
            found.append(count)
            count = 2 * count if count < DOUBLED_UP_TO else 3 * count // 2
        return [*found, most]

    def sets(self, features: int) -> tuple[tuple[CollocationRow, ...], tuple[CollocationRow, ...]]:
        """Rows at the collocation points for so many features, and at the held-out points."""
        points, seed = self.points(features), self.options.seed
        held_out = max(int(HELD_OUT_SHARE * points), LEAST_HELD_OUT)
        return self.slab.rows(points, seed), self.slab.rows(held_out, seed + HELD_OUT_SEED)

    def run(self, most: int, aim: float, *, patient: bool = True) -> Candidate:
        """The best candidate with up to `most` features, the first that meets the aim.

        A search that is not patient ends as soon as the aim looks out of reach.

        Raises:
            SolverError: E701, a row that is not finite at the start; E705, no candidate is finite.
        """
        best: Candidate | None = None
        ranked: list[Candidate] = []
        fixed = self.options.features is not None
        for level, count in enumerate(self.levels(most)):
            previous = best
            ranked = self._level(level, count, *self.sets(count), ranked, aim)
            best = ranked[0]
            if fixed:
                continue
            if previous is not None and previous.held_out < best.held_out:
                best = previous
            if best.held_out <= aim:
                break
            if previous is not None:
                gain = previous.held_out / best.held_out
                if previous.held_out < ROUNDING and gain < LEAST_GAIN:
                    break
                # Convergence speeds up as a solution is resolved, but hardly beyond squares.
                left = np.log(most / count) / np.log(count / previous.count)
                hope = max(gain, LEAST_GAIN) ** (2.0 * left)
                if not patient and best.held_out > aim * hope:
                    break
        assert best is not None
        return best if best.fit.converged else self._polished(best)

    def _polished(self, best: Candidate) -> Candidate:
        """A candidate of a nonlinear problem with all the steps that it is allowed."""
        rows, held_out = self.sets(best.count)
        found = fit(
            rows,
            best.fit.features,
            self.fields,
            guess=best.fit.state,
            iterations=self.options.iterations,
        )
        polished = self.judge(best.shape, found, held_out)
        return polished if polished.held_out <= best.held_out or found.converged else best

    def _level(
        self,
        level: int,
        count: int,
        rows: Sequence[CollocationRow],
        held_out: Sequence[CollocationRow],
        ranked: list[Candidate],
        aim: float,
    ) -> list[Candidate]:
        """Candidates with `count` features, the best first; one that meets the aim is the last."""
        tried: dict[Shape, Candidate] = {}
        budget = TRIALS[min(level, len(TRIALS) - 1)]
        start = ranked[0] if ranked else None

        def attempt(shape: Shape) -> Candidate | None:
            source = min(tried.values(), key=_rank, default=start)
            met = bool(tried) and source is not None and source.held_out <= aim
            if shape in tried or len(tried) >= budget or met:
                return None
            tried[shape] = found = self.attempt(shape, count, rows, held_out, source)
            return found

        if ranked and ranked[0].held_out <= UNRESOLVED:
            for candidate in _leaders(ranked):
                attempt(candidate.shape)
        else:
            for shape in [*(c.shape for c in _leaders(ranked)), *self._grid()]:
                attempt(shape)
        if self.options.scale is None:
            factor = FACTORS[min(level, len(FACTORS) - 1)]
            kinds = {c.shape.kind: None for c in sorted(tried.values(), key=_rank)}
            # Later levels are too dear to refine what has fallen behind.
            for number, kind in enumerate(list(kinds)[: 2 if level < SINGLE_KIND else 1]):
                limit = budget if number else max((budget + len(tried)) // 2, len(tried) + 2)
                self._refine(tried, kind, factor, limit, attempt)
        best = min(tried.values(), key=_rank)
        if not np.isfinite(best.held_out):
            raise SolverError(
                f"no set of {count:,} random features gives a finite residual",
                code="E705",
                advice="choose `dt_pinn`, or lower the nonlinear parameter in steps",
            )
        return sorted(tried.values(), key=_rank)

    def _refine(
        self,
        tried: Mapping[Shape, Candidate],
        kind: str,
        factor: float,
        limit: int,
        attempt: Callable[[Shape], Candidate | None],
    ) -> None:
        """Move the scales of the best candidate of a kind as long as that helps."""
        best = min((c for s, c in tried.items() if s.kind == kind), key=_rank)
        improved = True
        while improved:
            improved = False
            for axes, power in self._moves():
                if len(tried) >= limit:
                    return
                found = attempt(best.shape.moved(axes, factor**power))
                if found is not None and found.held_out < best.held_out:
                    best, improved = found, True
                    break

    def attempt(
        self,
        shape: Shape,
        count: int,
        rows: Sequence[CollocationRow],
        held_out: Sequence[CollocationRow],
        start: Candidate | None,
    ) -> Candidate:
        """Fit one shape; `start` is where a nonlinear problem is first linearised."""
        steps, guess = self.options.iterations, self.guess
        if start is not None and np.isfinite(start.held_out):
            steps, guess = min(WARM_STEPS, steps), start.fit.state
        features = self.features(shape, count)
        found = fit(rows, features, self.fields, guess=guess, iterations=steps)
        return self.judge(shape, found, held_out)

    def features(self, shape: Shape, count: int) -> Features:
        """The features of a shape on this slab."""
        lower, upper = self.slab.box
        return draw_features(
            count,
            shape.scales,
            lower,
            upper,
            kind=shape.kind,
            periodic=self.periodic,
            seed=self.options.seed,
        )

    def judge(self, shape: Shape, found: Fit, held_out: Sequence[CollocationRow]) -> Candidate:
        """A fit with its residual on held-out points; reported and recorded."""
        size = relative_residual(found.state, held_out)
        self.trials.append((len(found.features), size))
        self.reporter.train(
            TrainingReport(
                len(self.trials),
                size**2,
                time.perf_counter() - self.begin,
                None,
                None,
                f"{len(found.features):,} {shape.kind} features",
            )
        )
        return Candidate(shape, found, size)

    def _grid(self) -> list[Shape]:
        """The first shapes: equal scales in the box, and equal sizes in space where it is long."""
        lower, upper = (np.asarray(bound) for bound in self.slab.box)
        ratio = np.ones(len(lower))
        space = [i for i in range(len(lower)) if i in self.slab.task.system.frame.space_axes]
        ratio[space] = (upper - lower)[space] / np.max((upper - lower)[space])
        kinds = FEATURE_KINDS if self.options.kind == "best" else (self.options.kind,)
        if any(self.periodic):
            kinds = ("sin",)
        own = self.options.scale
        found = []
        for kind in kinds:
            for scale in GRID[kind] if own is None else (own,):
                found.append(Shape(kind, (scale,) * len(ratio)))
                if own is None and ratio.min() < LONG:
                    found.append(Shape(kind, tuple(float(r) * scale for r in ratio)))
        return found

    def _moves(self) -> list[tuple[tuple[int, ...], int]]:
        """(coordinates, ±1): all coordinates together, then one by one."""
        dimension = len(self.slab.box[0])
        whole = tuple(range(dimension))
        sets = [whole]
        if 1 < dimension <= MOST_SEPARATE:
            sets += [(axis,) for axis in whole]
        return [(axes, power) for axes in sets for power in (1, -1)]


def _leaders(ranked: Sequence[Candidate]) -> list[Candidate]:
    """The best of each kind and the second of all: kinds gain unequally from more features."""
    found = list(ranked[:2])
    kinds = {c.shape.kind for c in found}
    for candidate in ranked[2:]:
        if candidate.shape.kind not in kinds:
            kinds.add(candidate.shape.kind)
            found.append(candidate)
    return found


def _rank(candidate: Candidate) -> float:
    return candidate.held_out
