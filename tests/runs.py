"""Runs as several test modules need them: by the method of lines, and up to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pdesl.diagnostics import Source
from pdesl.run.checkpoint import CheckpointFile
from pdesl.run.pipeline import Solution, solve


def solved(text: str, time: str = "", *more: str) -> Solution:
    """A problem by its own method, or by the method of lines with an integrator."""
    settings = ["solver.method=method_of_lines", f"solver.time={time}"] if time else []
    return solve(Source("course", text), overrides=[*settings, *more])


@contextmanager
def ended_by_checkpoint(number: int, error: type[BaseException]) -> Iterator[None]:
    """Within it, runs end by an error as soon as so many checkpoints are written."""
    save, saved = CheckpointFile.save, 0

    def last(self: CheckpointFile, arrays: dict) -> None:
        nonlocal saved
        save(self, arrays)
        saved += 1
        if saved == number:
            raise error

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CheckpointFile, "save", last)
        yield
