"""Observers: stages with their times, training with an estimate, and silence."""

import io

import pytest

from pdesl.run.progress import (
    PlainObserver,
    RemainingTime,
    SilentObserver,
    TerminalObserver,
    TrainingProgress,
    format_seconds,
    make_observer,
    stage,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0.00 s"), (0.412, "0.41 s"), (0.996, "1.0 s"), (9.94, "9.9 s"), (12.3, "12 s"),
     (59.6, "1 min 00 s"), (63, "1 min 03 s"), (7500, "2 h 05 min")],
)  # fmt: skip
def test_format_seconds(seconds: float, words: str):
    assert format_seconds(seconds) == words


def test_remaining_time_ignores_the_compilation():
    remaining = RemainingTime()
    assert remaining.update(TrainingProgress(0, 1.0, 20.0, iterations=100)) is None
    assert remaining.update(TrainingProgress(10, 1.0, 30.0, iterations=100)) == pytest.approx(90)
    assert remaining.update(
        TrainingProgress(20, 1.0, 40.0, iterations=100, seconds_limit=50)
    ) == pytest.approx(10)
    assert remaining.update(TrainingProgress(0, 1.0, 1.0, iterations=100)) is None


def test_plain_lines():
    stream = io.StringIO()
    timings: dict[str, float] = {}
    with make_observer(stream) as observer:
        assert isinstance(observer, PlainObserver)
        with stage(observer, "nodes", timings) as note:
            note.text = "1,663 nodes"
        for k in range(200):
            observer.train(TrainingProgress(k, 0.5**k, 0.1 * k, iterations=200, phase="lbfgs"))
        observer.say("by the way")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("nodes: 0.00 s (1,663 nodes)")
    assert lines[1].startswith("  iteration 20 of at most 200 (lbfgs), loss 9.537e-07, 2.0 s")
    assert "at most 18 s left" in lines[1]
    assert 3 < len(lines) < 12
    assert lines[-1] == "by the way"
    assert timings["nodes"] >= 0
    assert "\x1b" not in stream.getvalue()


def test_a_failed_stage_is_not_reported_as_ended():
    stream = io.StringIO()
    with make_observer(stream) as observer, pytest.raises(ZeroDivisionError):
        with stage(observer, "nodes"):
            raise ZeroDivisionError
    assert stream.getvalue() == ""


def test_terminal_shows_stages_and_restores_the_cursor():
    stream = Terminal()
    observer = make_observer(stream)
    assert isinstance(observer, TerminalObserver)
    with observer:
        with stage(observer, "nodes") as note:
            note.text = "[red]1,663[/red] nodes"
        observer.begin("training")
        observer.train(TrainingProgress(5, 1e-3, 1.0, iterations=10))
        observer.end("training", 2.0)
        observer.say("by the way")
    text = stream.getvalue()
    assert "[red]1,663[/red] nodes" in text  # no markup is read from what the pipeline says
    assert "by the way" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_silence():
    stream = Terminal()
    with make_observer(stream, quiet=True) as observer:
        assert isinstance(observer, SilentObserver)
        with stage(observer, "nodes"):
            observer.train(TrainingProgress(1, 1.0, 100.0))
        observer.say("by the way")
    assert stream.getvalue() == ""
