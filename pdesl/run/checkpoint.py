"""A long run's state on disk, from which `pdesl run --resume FOLDER` goes on.

One hidden file in the output folder, replaced as a whole, holds the problem as it was started and
the arrays that its method needs: none at first, and for methods that take no time never. A run
that reaches its end removes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from pdesl import __version__
from pdesl.diagnostics import OutputError, Source

__all__ = ["CHECKPOINT", "CheckpointFile", "Started", "read_start"]

CHECKPOINT = ".pdesl-checkpoint.npz"
_START, _MARK = "start", "mark"


@dataclass(frozen=True, slots=True)
class Started:
    """How a run was started: what makes the same run again.

    `command` is that of the command line, `solver` for `compare` the names with commas between.
    """

    name: str
    text: str
    folder: str
    solver: str | None
    overrides: tuple[str, ...]
    profile: str | None
    seed: int | None
    command: str = "run"
    version: str = __version__

    @property
    def source(self) -> Source:
        return Source(self.name, self.text, self.folder)


@dataclass(slots=True)
class CheckpointFile:
    """What a method saves to and resumes from (`solvers.base.Memory`), as a context manager.

    Entering leaves a note of how the run was started, so that it can be resumed before there is
    anything to go on from. A run that fails takes it back, unless something was saved. Of several
    processes one writes; the others read what it left.

    A run goes on from what was started in the same way, or, where both have a `mark`, from what
    has the same one.

    Raises:
        OutputError: E815, the disk does not take the note; E831, nothing can be resumed.
    """

    folder: Path
    start: Started
    resume: bool = False
    mark: str = ""
    writes: bool = True
    saved: bool = field(default=False, init=False)

    @property
    def path(self) -> Path:
        return self.folder / CHECKPOINT

    def __enter__(self) -> Self:
        if self.resume:
            self._check()
        else:
            self._write({})
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None and not self.saved and not self.resume:
            self.remove()

    def load(self) -> Mapping[str, np.ndarray] | None:
        """The arrays that were saved, for a run that resumes; else None.

        Raises:
            OutputError: E831, the file cannot be read, or is of another run.
        """
        if not self.resume:
            return None
        self._check()
        with _reading(self.folder), np.load(self.path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name not in (_START, _MARK)}

    def _check(self) -> None:
        found = read_start(self.folder)
        if self.mark:
            with _reading(self.folder), np.load(self.path, allow_pickle=False) as file:
                same = str(file[_MARK]) == self.mark
        else:
            same = found == self.start
        if not same:
            raise OutputError(
                f"the checkpoint in `{self.folder}` is of another run: other settings, or another "
                "text",
                code="E831",
                advice="give the folder alone, `pdesl run --resume FOLDER`, or start the run anew",
            )

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Replace the checkpoint by these arrays, or leave it as it was.

        Raises:
            OutputError: E815, the disk does not take it.
        """
        self._write(arrays)
        self.saved = True

    def _write(self, arrays: Mapping[str, np.ndarray]) -> None:
        if not self.writes:
            return
        draft = self.path.with_name(f"{CHECKPOINT}.draft")
        start = np.asarray(json.dumps(asdict(self.start), ensure_ascii=False))
        try:
            with draft.open("wb") as stream:
                notes: Any = {_START: start, _MARK: np.asarray(self.mark)}
                np.savez(stream, **{**arrays, **notes})
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self.path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise OutputError(
                f"the checkpoint could not be written: {error.strerror or error}",
                code="E815",
                advice="free some space, or choose a folder on another disk with -o FOLDER",
            ) from error

    def remove(self) -> None:
        """Nothing is left to resume."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


class _reading:  # noqa: N801, a context manager
    """Turns what can be wrong with a checkpoint into one error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise OutputError(
                f"there is no unfinished run in `{self.folder}`",
                code="E831",
                advice="give the folder of a run that was interrupted; a run that reached its end "
                "leaves nothing to resume",
            ) from error
        # A damaged archive ends in errors of zipfile, zlib, struct, NumPy, and its parser.
        if isinstance(error, Exception) and not isinstance(error, OutputError):
            reason = getattr(error, "strerror", None) or "it is damaged"
            raise OutputError(
                f"the checkpoint in `{self.folder}` cannot be read: {reason}",
                code="E831",
                advice="start the run anew, without --resume",
            ) from error


def read_start(folder: Path) -> Started:
    """How the unfinished run in a folder was started.

    Raises:
        OutputError: E831, there is none, or it cannot be read or is of another version.
    """
    folder = Path(folder).expanduser()
    with _reading(folder), np.load(folder / CHECKPOINT, allow_pickle=False) as file:
        given = json.loads(str(file[_START]))
        found = Started(**{**given, "overrides": tuple(given["overrides"])})
    if found.version != __version__:
        raise OutputError(
            f"the checkpoint in `{folder}` was written by pdesl {found.version}, and this is "
            f"{__version__}",
            code="E831",
            advice="resume it with the version that began it, or start the run anew",
        )
    return found
