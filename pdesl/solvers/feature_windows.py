"""Windows of time for random features: one after the other, each from the state before it.

The first window is as long as the aim allows: the whole interval is tried first, and halved as
long as that helps. The other windows keep its shape of features, and are cut in two where they
miss what it reached. Windows of one length share a factorisation if the rows are linear and their
coefficients do not change in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pdesl.solvers.base import Reporter, Task
from pdesl.solvers.feature_fit import Fit, fit, refit
from pdesl.solvers.feature_points import Slab
from pdesl.solvers.feature_rows import State, Term
from pdesl.solvers.feature_search import Candidate, Search, Shape
from pdesl.solvers.options import RandomFeaturesOptions

__all__ = ["March", "Window"]

# Windows of time are as long as this residual on held-out points allows.
WINDOW_AIM = 1e-8
# Features of a window by number of coordinates, time included: with more, two windows are cheaper.
WINDOW_FEATURES = {2: 400, 3: 1000}
WINDOW_FEATURES_BEYOND = 1600
# A window may miss what the first one reached by this factor before it is cut in two.
WINDOW_SLACK = 30.0
# Halving that gains less than this (or than SOME_GAIN, where a search was given up early) is given
# up after so many times, once the residual is below COARSE; a window is no shorter than this share
# of the interval.
LEAST_GAIN = 4.0
SOME_GAIN = 2.0
PATIENCE = 2
COARSE = 0.03
SHORTEST = 2.0**-10
# A window twice as long is tried after one this far below the limit, and then, where it fails, not
# before so many others.
EASY = 100.0
WAIT = 6
# Times that differ by less than this share of the interval are the same.
SAME_TIME = 1e-9


@dataclass(frozen=True, slots=True)
class Window:
    """The solution for times in [first, last]; the whole of a steady problem."""

    first: float
    last: float
    candidate: Candidate


@dataclass(slots=True)
class March:
    """Windows found so far, the trials they took, and factorisations by length.

    `model` is the candidate for a window of `model_length` whose features the next ones take;
    `limit` is the residual that they may have; `waiting` counts windows until a longer one is
    tried again.
    """

    task: Task
    reporter: Reporter
    windows: list[Window] = field(default_factory=list)
    trials: list[tuple[int, float]] = field(default_factory=list)
    factored: dict[str, Fit] = field(default_factory=dict)
    model: Candidate | None = None
    model_length: float = 0.0
    limit: float = 0.0
    waiting: int = 0

    def run(self) -> tuple[Window, ...]:
        """Solve the task, window by window.

        Raises:
            SolverError: E701, E705; see `Search.run`.
        """
        options, span = self._options, self.task.time_span
        if span is None:
            best = self._search(Slab(self.task)).run(self._most(), options.tolerance)
            return (Window(0.0, 0.0, best),)
        first, last = span
        if options.windows is None and options.features is None:
            length, best = self._first(first, last)
        else:
            length = (last - first) / (options.windows or 1)
            slab = Slab(self.task, first, first + length)
            best = self._search(slab).run(self._most(), max(options.tolerance, WINDOW_AIM))
        self.windows.append(Window(first, first + length, best))
        self._adopt(length, best)
        while last - self.windows[-1].last > SAME_TIME * (last - first):
            self.windows.append(self._next(last))
        return tuple(self.windows)

    def points(self, features: int) -> int:
        """Collocation points inside a window for so many features."""
        return self._search(Slab(self.task)).points(features)

    @property
    def _options(self) -> RandomFeaturesOptions:
        return self.task.options

    def _most(self, *, window: bool = False) -> int:
        """The most features of one set: all fields together within `largest`."""
        options = self._options
        if options.features is not None:
            return options.features
        most = max(options.largest // len(self.task.system.fields), 16)
        if options.points is not None:
            most = min(most, max(options.points // 2, 8))
        dimension = len(self.task.system.space.coordinates)
        limit = WINDOW_FEATURES.get(dimension, WINDOW_FEATURES_BEYOND)
        return min(most, limit) if window else most

    def _search(self, slab: Slab) -> Search:
        return Search(slab, self._options, self.reporter, self._guess(), self.trials)

    def _guess(self) -> State | None:
        """The last state held fixed in time: where the next window is linearised first."""
        if not self.windows:
            return None
        end, state = self.windows[-1].last, self.windows[-1].candidate.fit.state
        axis = self.task.system.frame.time_axis
        assert axis is not None

        def held(inputs: np.ndarray, terms: Sequence[Term]) -> list[np.ndarray]:
            moved = inputs.copy()
            moved[:, axis] = end
            found = state(moved, terms)
            return [
                np.zeros(len(inputs)) if orders[axis] else values
                for values, (_, orders) in zip(found, terms, strict=True)
            ]

        return held

    def _first(self, first: float, last: float) -> tuple[float, Candidate]:
        """The length of the first window and its solution."""
        aim = max(self._options.tolerance, WINDOW_AIM)
        length = last - first
        most = self._most(window=True)
        known: tuple[float, Candidate] | None = None
        wasted = 0
        while wasted < PATIENCE and length > SHORTEST * (last - first):
            slab = Slab(self.task, first, first + length)
            best = self._search(slab).run(most, aim, patient=False)
            if known is not None and best.held_out < COARSE:
                # A search that was given up early says little of what halving gains.
                least = LEAST_GAIN if best.count == most else SOME_GAIN
                wasted = wasted + 1 if best.held_out > known[1].held_out / least else 0
            if known is None or best.held_out < known[1].held_out:
                known = length, best
            if best.held_out <= aim:
                return known
            # Where nothing is resolved the next half would not be either.
            length /= 4.0 if best.held_out > COARSE else 2.0
        assert known is not None
        slab = Slab(self.task, first, first + known[0])
        best = self._search(slab).run(self._most(), aim)
        return known[0], min(best, known[1], key=lambda c: c.held_out)

    def _next(self, last: float) -> Window:
        """The window after the last one, as long as the aim allows."""
        before = self.windows[-1]
        end, fixed = before.last, self._options.windows is not None
        length = before.last - before.first
        if not fixed and self.waiting == 0 and before.candidate.held_out < self.limit / EASY:
            length *= 2.0
        elif self.waiting:
            self.waiting -= 1
        # The rest in equal parts, so that no window is a sliver.
        length = (last - end) / np.ceil((last - end) / length - SAME_TIME)
        found = self._solve(length)
        if fixed or found.held_out <= self.limit:
            return Window(end, end + length, found)
        self.waiting = WAIT
        if length > self.model_length / 1.5:
            length /= 2.0
            found = self._solve(length)
        return Window(end, end + length, found) if found.held_out <= self.limit else self._fresh(
            length, found
        )  # fmt: skip

    def _fresh(self, length: float, found: Candidate) -> Window:
        """The next window where the features of the model suit no longer: others are looked for."""
        end, aim = self.windows[-1].last, max(self._options.tolerance, WINDOW_AIM)
        shortest = SHORTEST * (end - self.windows[0].first)
        best = length, found
        while length > shortest:
            slab = Slab(self.task, end, end + length, self._before)
            fresh = self._search(slab).run(self._most(window=True), aim, patient=False)
            gained = fresh.held_out < best[1].held_out / LEAST_GAIN
            if fresh.held_out < best[1].held_out:
                best = length, fresh
            if fresh.held_out <= WINDOW_SLACK * aim or not gained:
                break
            length /= 2.0
        if best[1].held_out > WINDOW_SLACK * aim:
            slab = Slab(self.task, end, end + best[0], self._before)
            fresh = self._search(slab).run(self._most(), aim, patient=False)
            if fresh.held_out < best[1].held_out:
                best = best[0], fresh
        self._adopt(*best)
        return Window(end, end + best[0], best[1])

    def _adopt(self, length: float, model: Candidate) -> None:
        """The features of the next windows, and the residual that they may have."""
        self.model, self.model_length = model, length
        self.limit = WINDOW_SLACK * max(model.held_out, self._options.tolerance, WINDOW_AIM)
        self.factored.clear()

    @property
    def _before(self) -> State:
        return self.windows[-1].candidate.fit.state

    def _solve(self, length: float) -> Candidate:
        """The window of a length after the last one, with the features of the model."""
        end, model = self.windows[-1].last, self.model
        assert model is not None
        search = self._search(Slab(self.task, end, end + length, self._before))
        rows, held_out = search.sets(model.count)
        shape = self._shape(length, model.shape)
        features = search.features(shape, model.count)
        key = f"{length:.9e}"
        if key in self.factored:
            found = refit(self.factored[key], features, rows)
        else:
            found = fit(
                rows,
                features,
                search.fields,
                guess=search.guess,
                iterations=self._options.iterations,
            )
            if self._is_autonomous:
                self.factored[key] = found
        return search.judge(shape, found, held_out)

    def _shape(self, length: float, shape: Shape) -> Shape:
        """The shape for a window of another length than the model's: the same rates in time."""
        axis = self.task.system.frame.time_axis
        assert axis is not None
        factor = max(length / self.model_length, min(1.0, 1.0 / shape.scales[axis]))
        return shape if abs(factor - 1.0) < SAME_TIME else shape.moved((axis,), factor)

    @property
    def _is_autonomous(self) -> bool:
        """Whether the matrix of a window depends on its length alone."""
        system = self.task.system
        assert system.time_symbol is not None
        return all(
            row.is_linear
            and not any(t.coefficient.has(system.time_symbol) for t in (*row.mass, *row.linear))
            for row in (*system.rows, *system.boundary)
        )
