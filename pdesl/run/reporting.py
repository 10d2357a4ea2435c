"""How methods tell an observer what they do."""

from __future__ import annotations

from contextlib import contextmanager

from pdesl.run.progress import Observer, SilentObserver, TrainingProgress
from pdesl.run.progress import stage as observed
from pdesl.solvers.base import Reporter, TrainingReport

__all__ = ["make_reporter", "silent_reporter"]


def make_reporter(observer: Observer, timings: dict[str, float]) -> Reporter:
    """A reporter that tells an observer, and adds the seconds of stages to `timings`."""

    @contextmanager
    def stage(name: str):
        with observed(observer, name, timings) as note:
            yield note

    def train(report: TrainingReport) -> None:
        observer.train(
            TrainingProgress(
                report.iteration,
                report.loss,
                report.elapsed,
                report.iterations,
                report.seconds_limit,
                report.phase,
                report.quantity,
            )
        )

    return Reporter(stage, train, observer.say)


def silent_reporter() -> Reporter:
    """A reporter that nobody listens to."""
    return make_reporter(SilentObserver(), {})
