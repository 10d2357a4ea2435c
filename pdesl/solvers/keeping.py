"""What keeps a long run's work: when its state is saved, and Ctrl-C that waits for whole steps."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pdesl.solvers.base import Memory

__all__ = ["Interrupt", "Keeper", "held_interrupts"]

# Saving takes at most one part in so many of a run.
REST = 20.0


class Keeper:
    """Saves the state of a run to its memory every `seconds`, more seldom if that takes long.

    With `seconds` zero every state that it is offered is saved.
    """

    def __init__(self, memory: Memory | None, seconds: float) -> None:
        self._memory, self._seconds = memory, seconds
        self._due = time.perf_counter() + seconds

    def offer(self, arrays: Callable[[], Mapping[str, np.ndarray]], *, must: bool = False) -> None:
        """Save what `arrays` returns if it is time for it, or if it `must` be.

        Raises:
            OutputError: E815, it cannot be written.
        """
        begin = time.perf_counter()
        if self._memory is None or not (must or begin >= self._due):
            return
        self._memory.save(arrays())
        end = time.perf_counter()
        self._due = end + (self._seconds and max(self._seconds, REST * (end - begin)))


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was heard, and whether it was repeated, which does not wait."""

    heard: bool = False
    repeated: bool = False

    def catch_up(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was heard."""
        if self.heard:
            raise KeyboardInterrupt


@contextmanager
def held_interrupts() -> Iterator[Interrupt]:
    """What is inside hears of Ctrl-C by the value, once; a second one raises KeyboardInterrupt.

    Python raises in its main thread only, so that in others there is nothing to hold.
    """
    found = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return

    def hear(number: int, frame: object) -> None:
        del number, frame
        if found.heard:
            found.repeated = True
            raise KeyboardInterrupt
        found.heard = True

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)
