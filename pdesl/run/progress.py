"""What a run says while it works: stages with their times, and the course of the training.

The pipeline reports to an `Observer` and knows nothing of terminals. Three observers are final:
`SilentObserver`, `PlainObserver` (whole lines, for logs and pipes) and `TerminalObserver` (a live
line with a bar).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = [
    "Observer",
    "PlainObserver",
    "RemainingTime",
    "SilentObserver",
    "StageNote",
    "TerminalObserver",
    "TrainingProgress",
    "format_seconds",
    "make_observer",
    "stage",
]


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training stands.

    `iterations` and `seconds_limit` are the limits that end it at the latest (None: no limit);
    the loss usually ends it earlier. `elapsed` counts seconds since the training began.
    `phase` names the optimiser at work; `quantity` what the number `loss` is: the time in a course
    of steps.
    """

    iteration: int
    loss: float
    elapsed: float
    iterations: int | None = None
    seconds_limit: float | None = None
    phase: str = ""
    quantity: str = "loss"

    @property
    def value(self) -> str:
        """The quantity with its value."""
        if self.quantity == "loss":
            return f"loss {self.loss:.3e}"
        return f"{self.quantity} = {self.loss:.4g}"


class Observer(Protocol):
    """Whoever wants to know how a run goes on."""

    def begin(self, name: str) -> None:
        """The stage `name` begins."""

    def end(self, name: str, seconds: float, note: str = "") -> None:
        """The stage `name` ended after so many seconds; `note` says what it made."""

    def train(self, progress: TrainingProgress) -> None:
        """The training has come this far."""

    def say(self, line: str) -> None:
        """A line that a person should read (a choice the compiler made, a warning)."""


@dataclass(slots=True)
class StageNote:
    """What a stage made, in a few words; set inside the `with` block of `stage`."""

    text: str = ""


@contextmanager
def stage(
    observer: Observer, name: str, timings: MutableMapping[str, float] | None = None
) -> Iterator[StageNote]:
    """Tell the observer that a stage begins and ends, and add its seconds to `timings`.

    A stage that fails is not reported as ended.
    """
    note = StageNote()
    observer.begin(name)
    start = time.perf_counter()
    yield note
    seconds = time.perf_counter() - start
    if timings is not None:
        timings[name] = timings.get(name, 0.0) + seconds
    observer.end(name, seconds, note.text)


def format_seconds(seconds: float) -> str:
    """A duration as a person writes it: `0.41 s`, `12 s`, `1 min 03 s`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class RemainingTime:
    """An upper estimate of the seconds left, from the pace of the last few reports.

    The first report is only a starting point: it contains the compilation.
    """

    def __init__(self, window: int = 20) -> None:
        self._reports: deque[tuple[int, float]] = deque(maxlen=window)

    def update(self, progress: TrainingProgress) -> float | None:
        """Seconds left until the nearest limit; None while that cannot be known."""
        if self._reports and progress.iteration < self._reports[-1][0]:
            self._reports.clear()
        self._reports.append((progress.iteration, progress.elapsed))
        limits = []
        if progress.seconds_limit is not None:
            limits.append(max(progress.seconds_limit - progress.elapsed, 0.0))
        first_iteration, first_elapsed = self._reports[0]
        done = progress.iteration - first_iteration
        if progress.iterations is not None and done > 0:
            pace = (progress.elapsed - first_elapsed) / done
            limits.append(max(progress.iterations - progress.iteration, 0) * pace)
        return min(limits) if limits else None


def _describe(progress: TrainingProgress, remaining: float | None) -> str:
    limit = f" of at most {progress.iterations:,}" if progress.iterations is not None else ""
    left = f", at most {format_seconds(remaining)} left" if remaining is not None else ""
    phase = f" ({progress.phase})" if progress.phase else ""
    return (
        f"iteration {progress.iteration:,}{limit}{phase}, {progress.value}, "
        f"{format_seconds(progress.elapsed)}{left}"
    )


def _describe_briefly(progress: TrainingProgress, remaining: float | None) -> str:
    left = f", at most {format_seconds(remaining)} left" if remaining is not None else ""
    return (
        f"iteration {progress.iteration:,}, {progress.value}, "
        f"{format_seconds(progress.elapsed)}{left}"
    )


class SilentObserver:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def begin(self, name: str) -> None:
        return None

    def end(self, name: str, seconds: float, note: str = "") -> None:
        return None

    def train(self, progress: TrainingProgress) -> None:
        return None

    def say(self, line: str) -> None:
        return None


class PlainObserver:
    """Whole lines: one for each stage that ended, and some during training, ever more rarely."""

    def __init__(self, stream: TextIO, *, first: float = 2.0, longest: float = 30.0) -> None:
        self._stream = stream
        self._next = first
        self._interval = first
        self._longest = longest
        self._remaining = RemainingTime()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def begin(self, name: str) -> None:
        return None

    def end(self, name: str, seconds: float, note: str = "") -> None:
        self._line(f"{name}: {format_seconds(seconds)}{' (' + note + ')' if note else ''}")

    def train(self, progress: TrainingProgress) -> None:
        remaining = self._remaining.update(progress)
        if progress.elapsed < self._next:
            return
        self._line("  " + _describe(progress, remaining))
        self._interval = min(self._interval * 1.5, self._longest)
        self._next = progress.elapsed + self._interval

    def say(self, line: str) -> None:
        self._line(line)


class TerminalObserver:
    """A line for each stage that ended, and a live line below for the one at work."""

    def __init__(self, stream: TextIO, *, colour: bool = True) -> None:
        self._stream = stream
        self._colour = colour
        self._live: Progress | None = None
        self._remaining = RemainingTime()

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        console = Console(
            file=self._stream, no_color=not self._colour, highlight=False, soft_wrap=True
        )
        self._live = live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=4,
        )
        live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def begin(self, name: str) -> None:
        if self._live is not None:
            self._clear(self._live)
            self._live.add_task(name, total=None, words="")

    def end(self, name: str, seconds: float, note: str = "") -> None:
        from rich.text import Text

        if self._live is None:
            return
        self._clear(self._live)
        line = Text()
        line.append("✓ ", style="green")
        line.append(f"{name:<20}")
        line.append(f"{format_seconds(seconds):>12}", style="cyan")
        line.append(f"   {note}" if note else "")
        self._live.console.print(line)

    def train(self, progress: TrainingProgress) -> None:
        if self._live is None or not self._live.task_ids:
            return
        self._live.update(
            self._live.task_ids[0],
            total=progress.iterations,
            completed=progress.iteration,
            words=_describe_briefly(progress, self._remaining.update(progress)),
        )

    def say(self, line: str) -> None:
        from rich.text import Text

        if self._live is not None:
            self._live.console.print(Text(line))

    @staticmethod
    def _clear(live: Progress) -> None:
        for task in live.task_ids:
            live.remove_task(task)
        live.refresh()


def make_observer(
    stream: TextIO, *, quiet: bool = False, colour: bool = True
) -> SilentObserver | PlainObserver | TerminalObserver:
    """The observer that suits a stream: live on a terminal, whole lines when piped."""
    if quiet:
        return SilentObserver()
    if stream.isatty():
        return TerminalObserver(stream, colour=colour)
    return PlainObserver(stream)
