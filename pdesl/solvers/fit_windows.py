"""Windows of measured courses: where they start, which measurements lie in them, which steps.

A fit compares the model with the data along windows. Where every field is measured, each window
starts at a measured state and spans `window` intervals between measurements; where initial
conditions are given, there is one course, cut into `windows` parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdesl.lowering.measurements import Measurements

__all__ = ["Steps", "Targets", "WindowSet", "course_windows", "make_steps", "measured_windows"]

# Offsets are multiples of a step when they are so close to them, in steps.
COMMENSURATE = 1e-6
# A step is made so many times smaller at most to meet the measured times.
MOST_DIVISION = 16


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Measurements of one data set in windows.

    `offsets` (W, K) are times from the starts of the windows; `values` are (W, K, P) by column,
    NaN where nothing was measured.
    """

    offsets: np.ndarray
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class WindowSet:
    """Windows with their data.

    Attributes:
        starts: times (W,).
        ends: times (W,).
        states: measured states (W, n) at the starts, or None.
        targets: by data set.
        held_out: (W,) flags of windows that are for validation.
    """

    starts: np.ndarray
    ends: np.ndarray
    states: np.ndarray | None
    targets: Mapping[str, Targets]
    held_out: np.ndarray

    @property
    def length(self) -> float:
        """The longest window."""
        return float(np.max(self.ends - self.starts))

    def subset(self, chosen: np.ndarray) -> WindowSet:
        return WindowSet(
            self.starts[chosen],
            self.ends[chosen],
            None if self.states is None else self.states[chosen],
            {
                name: Targets(t.offsets[chosen], {c: v[chosen] for c, v in t.values.items()})
                for name, t in self.targets.items()
            },
            self.held_out[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Equal steps that cover every window.

    `exact` tells whether every measured time is the end of a step; else the course is
    interpolated in between.
    """

    dt: float
    count: int
    exact: bool


def make_steps(windows: WindowSet, dt: float, *, divided: bool = False) -> Steps:
    """Steps of about `dt`, a little smaller where measured times are then met.

    Steps that are `divided` where they have to be meet measured times at any distance.
    """
    length = windows.length
    offsets = np.unique(np.concatenate([t.offsets.ravel() for t in windows.targets.values()]))
    offsets = np.unique(np.append(offsets, windows.ends - windows.starts))
    offsets = offsets[offsets > 1e-9 * length]
    gap = float(np.min(np.diff(np.append(0.0, offsets)), initial=length))
    # Measured times that agree to rounding are one.
    if gap < 1e-6 * length:
        gaps = np.diff(np.append(0.0, offsets))
        gap = float(np.min(gaps[gaps > 1e-6 * length], initial=length))
    for division in range(1, MOST_DIVISION + 1):
        base = gap / division
        step = base / max(1, round(np.ceil(base / dt - 1e-9)))
        if step < dt / MOST_DIVISION and not divided:
            break
        share = offsets / step
        if np.max(np.abs(share - np.round(share))) < COMMENSURATE * max(1.0, share.max()):
            return Steps(step, max(1, round(length / step)), exact=True)
    count = max(1, int(np.ceil(length / dt - 1e-9)))
    return Steps(length / count, count, exact=False)


def measured_windows(
    data: Mapping[str, Measurements],
    states: np.ndarray,
    main: str,
    window: int,
    validation: float,
) -> WindowSet:
    """Windows from measured states.

    Args:
        data: by name; all data sets have the times of the main one.
        states: (R, T, n), NaN where a field is missing.
        main: the data set whose times are those of the states.
        window: intervals of a window.
        validation: share that is held out: whole runs, or the end of a single run.
    """
    times = data[main].times
    runs, count = times.shape
    first = np.arange(count - window)
    run, index = (a.ravel() for a in np.meshgrid(np.arange(runs), first, indexing="ij"))
    whole = np.isfinite(states[run, index]).all(axis=1)
    run, index = run[whole], index[whole]
    held = np.zeros(len(run), dtype=bool)
    if validation and runs > 1:
        kept = runs - max(1, round(validation * runs))
        held = run >= max(kept, 1)
    elif validation:
        cut = round((1 - validation) * (count - 1))
        held = index >= cut
    within = index[:, None] + 1 + np.arange(window)
    starts = times[run, index]
    offsets = times[run[:, None], within] - starts[:, None]
    targets = {
        name: Targets(offsets, {c: v[run[:, None], within] for c, v in own.values.items()})
        for name, own in data.items()
    }
    # Windows of training end before what is held out begins.
    if validation and runs == 1:
        straddling = ~held & (index + window > round((1 - validation) * (count - 1)))
        found = WindowSet(starts, starts + offsets[:, -1], states[run, index], targets, held)
        return found.subset(~straddling)
    return WindowSet(starts, starts + offsets[:, -1], states[run, index], targets, held)


def course_windows(
    data: Mapping[str, Measurements], start: float, windows: int
) -> WindowSet:  # fmt: skip
    """One course from the first time on, in parts of equal numbers of measured times."""
    every = np.unique(np.concatenate([m.times.ravel() for m in data.values()]))
    every = every[every >= start - 1e-9 * max(1.0, abs(start))]
    cuts = [every[(len(every) * k) // windows - 1] for k in range(1, windows)]
    starts = np.array([start, *cuts])
    ends = np.array([*cuts, every[-1]])
    targets: dict[str, Targets] = {}
    for name, own in data.items():
        parts: list[list[tuple[float, int, int]]] = [[] for _ in starts]
        for run, line in enumerate(own.times):
            for place, time in enumerate(line):
                # A time on a cut belongs to the window that it ends.
                number = int(np.searchsorted(ends[:-1], time - 1e-9 * max(1.0, abs(time))))
                parts[number].append((time - starts[number], run, place))
        most = max(len(p) for p in parts)
        offsets = np.zeros((len(starts), most))
        values = {
            column: np.full((len(starts), most, array.shape[2]), np.nan)
            for column, array in own.values.items()
        }
        for number, entries in enumerate(parts):
            for k, (offset, run, place) in enumerate(entries):
                offsets[number, k] = offset
                for column, array in own.values.items():
                    values[column][number, k] = array[run, place]
        targets[name] = Targets(offsets, values)
    return WindowSet(starts, ends, None, targets, np.zeros(len(starts), dtype=bool))


def rows_of(windows: WindowSet, wanted: Sequence[tuple[str, str]]) -> list[Any]:
    """For each pair (data set, column): offsets (W, K) and values (W, K, P)."""
    return [(windows.targets[d].offsets, windows.targets[d].values[c]) for d, c in wanted]
