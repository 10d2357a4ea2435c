"""The folder of a result: taken by one run at a time, and written whole or not at all.

Files are first written into a hidden staging folder inside the output folder. `commit` flushes
them to disk, leaves a note that lists them, and moves each into its place. A run that is killed
before the note exists has changed nothing; one killed after it is completed by whoever opens the
folder next. `metrics.json` comes last and lists size and SHA-256 of every other file, so that a
reader can tell a complete result.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Self

from pdesl.diagnostics import OutputError
from pdesl.run.file_names import METRICS, safe_name

__all__ = ["METRICS", "OutputFolder", "default_folder", "replace_file", "replace_text", "safe_name"]

_LOCK = ".pdesl-lock"
_STAGING = ".pdesl-staging"
_NOTE = "commit.json"
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def default_folder(problem_name: str) -> Path:
    """Where a result goes unless `-o` says otherwise: `results/NAME` in the current folder."""
    return Path("results") / PurePosixPath(problem_name).stem


def _words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _cannot_use(folder: Path, error: OSError) -> OutputError:
    code = "E811" if error.errno in _REFUSED else "E810"
    return OutputError(
        f"the output folder `{folder}` cannot be used: {_words(error)}",
        code=code,
        advice="choose another folder with -o FOLDER",
    )


@contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = getattr(error, "errno", None) in _FULL
        raise OutputError(
            f"`{name}` could not be written: {_words(error)}; nothing was replaced",
            code="E815",
            advice="free some space, or choose a folder on another disk with -o FOLDER"
            if full
            else "choose another folder with -o FOLDER",
        ) from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_lock(path: Path) -> int:
    """An exclusive lock on a file, which ends with the process however that ends.

    Whoever holds the lock may remove the file; the inode is compared afterwards so that two
    processes never hold locks on a removed file and on its successor.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


class OutputFolder:
    """An output folder held by this run, as a context manager.

    Entering creates the folder, takes it, completes or clears away what a killed run left, and
    proves that it can be written: everything that can fail early does so before any training.
    Leaving without `commit` changes no file, and removes the folder if entering made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).expanduser()
        self._staging = self.path / _STAGING
        self._lock: int | None = None
        self._made: list[Path] = []
        self._names: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._make()
            self.path = self.path.resolve()
            self._staging = self.path / _STAGING
            self._lock = _take_lock(self.path / _LOCK)
        except BlockingIOError:
            self._release()
            raise OutputError(
                f"another run is writing into the output folder `{self.path}`",
                code="E812",
                advice="wait for it to end, or choose another folder with -o FOLDER",
            ) from None
        except OSError as error:
            self._release()
            raise _cannot_use(self.path, error) from error
        try:
            self._recover()
            self._staging.mkdir()
            probe = self._staging / "probe"
            probe.write_bytes(b"p")
            _flush(probe)
            probe.unlink()
        except OSError as error:
            if not (self._staging / _NOTE).exists():
                shutil.rmtree(self._staging, ignore_errors=True)
            self._release()
            raise _cannot_use(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if not (self._staging / _NOTE).exists():
            shutil.rmtree(self._staging, ignore_errors=True)
        self._release()

    def check(self, name: str) -> Path:
        """The place of an output file, proved to lie inside the folder.

        Raises:
            OutputError: E813 where the name or a symbolic link would lead out of it.
        """
        target = self.path.joinpath(*safe_name(name).parts)
        if not target.resolve().is_relative_to(self.path):
            raise OutputError(
                f"`{name}` cannot be an output file: a symbolic link leads out of the folder",
                code="E813",
                advice="remove the link, or choose another folder with -o FOLDER",
            )
        if target.is_dir():
            raise OutputError(
                f"`{name}` cannot be an output file: there is a folder of this name",
                code="E813",
                advice="choose another name for the file",
            )
        return target

    def write(self, name: str, writer: Callable[[Path], None]) -> None:
        """Let `writer` write one file of the result; it gets a path in the staging folder.

        The path has the name's suffix. Nothing appears under `name` before `commit`.

        Raises:
            OutputError: E813 for a bad name, E815 where the file cannot be written.
        """
        self.check(name)
        staged = self._staging / "files" / safe_name(name)
        with _writing(name):
            staged.parent.mkdir(parents=True, exist_ok=True)
            writer(staged)
            _flush(staged)
        if name not in self._names:
            self._names.append(name)

    def digests(self) -> dict[str, dict[str, object]]:
        """Size in bytes and SHA-256 of every file written so far, by name."""
        found: dict[str, dict[str, object]] = {}
        for name in self._names:
            staged = self._staging / "files" / name
            with staged.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[name] = {"bytes": staged.stat().st_size, "sha256": digest}
        return found

    def commit(self, metrics: Mapping[str, object]) -> tuple[Path, ...]:
        """Put the whole result in its place, `metrics.json` last; returns the files.

        `files` (see `digests`) is added to the metrics.

        Raises:
            OutputError: E815 where something cannot be written.
        """
        from pdesl.run.metrics import to_json

        text = to_json({**metrics, "files": self.digests()})
        with _writing(METRICS):
            (self._staging / "files").mkdir(exist_ok=True)
            (self._staging / "files" / METRICS).write_text(text, encoding="utf-8")
            _flush(self._staging / "files" / METRICS)
            names = [*self._names, METRICS]
            draft = self._staging / "draft.json"
            draft.write_text(json.dumps(names), encoding="utf-8")
            _flush(draft)
            _flush(self._staging / "files")
            os.replace(draft, self._staging / _NOTE)
            _flush(self._staging)
            self._complete(names)
        self._made.clear()
        self._names.clear()
        return tuple(self.path / name for name in names)

    def _make(self) -> None:
        missing = [self.path, *self.path.parents]
        for folder in reversed([folder for folder in missing if not folder.exists()]):
            folder.mkdir(exist_ok=True)
            self._made.append(folder)
        if not self.path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder")

    def _recover(self) -> None:
        if self._staging.is_symlink():
            self._staging.unlink()
        if not self._staging.exists():
            return
        note = self._staging / _NOTE
        if note.is_file():
            names = json.loads(note.read_text(encoding="utf-8"))
            self._complete([METRICS if name == METRICS else str(safe_name(name)) for name in names])
        else:
            shutil.rmtree(self._staging)

    def _complete(self, names: list[str]) -> None:
        for name in names:
            staged, target = self._staging / "files" / name, self.path / name
            if not staged.exists():
                continue  # moved already, before the run that wrote it was killed
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(self.path):
                raise OSError(errno.ELOOP, "a symbolic link leads out of the output folder")
            os.replace(staged, target)
            _flush(target.parent)
        shutil.rmtree(self._staging)

    def _release(self) -> None:
        if self._lock is not None:
            with suppress(OSError):
                (self.path / _LOCK).unlink()
            os.close(self._lock)
            self._lock = None
        for folder in reversed(self._made):
            with suppress(OSError):  # not empty: something in it is worth keeping
                folder.rmdir()
        self._made.clear()


def replace_text(path: Path, text: str) -> None:
    """Replace one text file as a whole, keeping its permissions.

    Raises:
        OutputError: E815 where it cannot be written.
    """
    replace_file(path, lambda draft: draft.write_text(text, encoding="utf-8", newline=""))


def replace_file(path: Path, writer: Callable[[Path], object]) -> None:
    """Replace one file as a whole by what `writer` writes, keeping its permissions.

    Raises:
        OutputError: E815 where it cannot be written.
    """
    target = path.resolve()
    draft = target.with_name(f".{os.getpid()}.pdesl-{target.name}")
    try:
        with _writing(str(path)):
            writer(draft)
            if target.exists():
                shutil.copymode(target, draft)
            _flush(draft)
            os.replace(draft, target)
            _flush(target.parent)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
