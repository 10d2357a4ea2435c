"""What a training keeps of its course: losses by iteration, and clocks that can be stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Clock", "History", "Log"]


@dataclass(frozen=True, slots=True)
class History:
    """One entry for each iteration, the evaluation of the start included.

    `seconds` is interpolated within a block and counts from the start, compilation included and
    a monitor's time left out.
    """

    loss: np.ndarray
    gradient_norm: np.ndarray
    evaluations: np.ndarray
    seconds: np.ndarray


@dataclass(slots=True)
class Log:
    """Records of the blocks as they come, for the history and the decisions."""

    rows: list[np.ndarray] = field(default_factory=list)
    times: list[np.ndarray] = field(default_factory=list)
    #: best loss after every iteration so far
    best: list[float] = field(default_factory=list)

    def append(self, rows: np.ndarray, begin: float, end: float) -> None:
        if len(rows):
            self.rows.append(rows)
            self.times.append(begin + (end - begin) * np.arange(1, len(rows) + 1) / len(rows))
            lowest = self.best[-1] if self.best else math.inf
            self.best += np.minimum.accumulate(np.fmin(rows[:, 0], lowest)).tolist()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything, exactly."""
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, 3))
        times = np.concatenate(self.times) if self.times else np.zeros(0)
        return {"log/rows": rows, "log/times": times, "log/best": np.array(self.best)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Log:
        """The log that `to_arrays` told."""
        return cls([arrays["log/rows"]], [arrays["log/times"]], arrays["log/best"].tolist())

    def history(self) -> History:
        table = np.concatenate(self.rows) if self.rows else np.zeros((0, 3))
        times = np.concatenate(self.times) if self.times else np.zeros(0)
        return History(table[:, 0], table[:, 1], table[:, 2].astype(np.int64), times)


class Clock:
    """Wall-clock and CPU seconds since the start, without what was spent within `paused`."""

    def __init__(self) -> None:
        self.wall = time.perf_counter()
        self.cpu = time.process_time()

    def set_back(self, seconds: float, cpu_seconds: float) -> None:
        """Count what an earlier part of the run took."""
        self.wall -= seconds
        self.cpu -= cpu_seconds

    def seconds(self) -> float:
        return time.perf_counter() - self.wall

    def cpu_seconds(self) -> float:
        return time.process_time() - self.cpu

    @contextmanager
    def paused(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
