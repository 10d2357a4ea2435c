"""Kills `pdesl run` at random moments, resumes it, and compares with a run that was left alone.

    python -m tests.run.kill PROBLEM [--kills 50] [--seed 0] [--set NAME=VALUE …]

Every run is a process of its own, forked from this one so that nothing is imported twice, and is
ended by SIGKILL. A run that was killed is resumed, and killed again, until one reaches its end;
then the next begins in a new folder. After every kill the visible files of the folder must be a
whole result or none, and at the end HDF5 files must hold the bits of the run that was left alone,
apart from the seconds that a fit keeps of its course.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "kill_and_resume"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: kills, runs that reached their end, and how many of the kills left no
    checkpoint, a note of the start, a state, or a whole result."""

    kills: int
    ends: int
    without: int
    started: int
    kept: int
    whole: int


def kill_and_resume(
    arguments: Sequence[str], place: Path, *, kills: int, seed: int = 0, results: str = "*.h5"
) -> Outcome:
    """Run `pdesl run ARGUMENTS` with so many kills.

    Args:
        arguments: the problem and its settings.
        place: an empty folder.
        kills: at random moments.
        seed: of the moments.
        results: the files that must have the same bits.

    Raises:
        AssertionError: a torn file, a resumed run that fails, or other bits.
    """
    # JAX is imported but not started: its threads would not survive a fork.
    import pdesl.run.checkpoint
    import pdesl.run.cli
    import pdesl.run.pipeline
    import pdesl.run.results
    from pdesl.run.accelerator import configure_jax

    configure_jax()
    import pdesl.solvers.trained

    checkpoint = pdesl.run.checkpoint.CHECKPOINT
    log = place / "log.txt"
    alone = place / "alone"
    for _ in range(2):  # the second one finds its programs compiled: it tells how long a run is
        begin = time.perf_counter()
        status = _wait(_start(["run", *arguments, "-o", str(alone)], log))
        length = time.perf_counter() - begin
        assert status == 0, log.read_text()
    expected = _digests(alone, results)
    assert expected, f"no {results} in {alone}"
    chance = random.Random(seed)
    done = ends = without = started = kept = whole = 0
    while done < kills or not ends:
        folder = place / f"run_{ends}"
        while True:
            command = ["run", *arguments, "-o", str(folder)]
            if (folder / checkpoint).exists():
                command = ["run", "--resume", str(folder)]
            child = _start(command, log)
            if done >= kills:
                assert _wait(child) == 0, log.read_text()
                break
            time.sleep(chance.uniform(0.0, 1.25 * length))
            os.kill(child, signal.SIGKILL)
            status = _wait(child)
            if status == 0:
                break
            assert status == -signal.SIGKILL, log.read_text()
            done += 1
            state = _check_whole(folder)
            whole += state
            if state:
                break  # killed between its last file and its end
            if not (folder / checkpoint).exists():
                without += 1
            elif _kept(folder / checkpoint):
                kept += 1
            else:
                started += 1
        ends += 1
        assert _digests(folder, results) == expected, f"other bits in {folder}"
    return Outcome(done, ends, without, started, kept, whole)


def _start(command: list[str], log: Path) -> int:
    """A process that runs one command of pdesl."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        from pdesl.run.cli import commands

        status = commands(command, standalone_mode=False) or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 70
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    """A digest of every file: of its bytes, or of all of an HDF5 file but how long it took."""
    return {path.name: _digest(path) for path in sorted(folder.glob(pattern))}


def _digest(path: Path) -> str:
    if path.suffix != ".h5":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    import h5py
    import numpy as np

    found = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        if name == "history/seconds":
            return
        own = sorted((k, v) for k, v in item.attrs.items() if not k.endswith("_LIST"))
        found.update(repr((name, [(k, np.asarray(v).tolist()) for k, v in own])).encode())
        if isinstance(item, h5py.Dataset):
            values = np.asarray(item[()])
            found.update(repr((values.dtype.str, values.shape)).encode())
            found.update(repr(values.tolist()).encode() if values.dtype.kind == "O"
                         else values.tobytes())  # fmt: skip

    with h5py.File(path) as file:
        add("/", file)
        file.visititems(add)
    return found.hexdigest()


def _check_whole(folder: Path) -> bool:
    """Whether there is a result; all its files are then as `metrics.json` tells."""
    metrics = folder / "metrics.json"
    if not metrics.exists():
        return False
    for name, told in json.loads(metrics.read_text(encoding="utf-8"))["files"].items():
        found = (folder / name).read_bytes()
        assert len(found) == told["bytes"], f"{name} is torn"
        assert hashlib.sha256(found).hexdigest() == told["sha256"], f"{name} is torn"
    return True


def _kept(path: Path) -> bool:
    """Whether a checkpoint, which can always be read, has more than the note of the start."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return len([file[name] for name in file.files]) > 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    given = parser.parse_args()
    arguments = [given.problem, *(part for text in given.settings for part in ("--set", text))]
    with tempfile.TemporaryDirectory() as place:
        begin = time.process_time(), os.times().children_user
        found = kill_and_resume(arguments, Path(place), kills=given.kills, seed=given.seed)
        spent = os.times().children_user - begin[1]
    sys.stdout.write(f"{given.problem}: {found}, {spent:.0f} s of CPU\n")


if __name__ == "__main__":
    main()
