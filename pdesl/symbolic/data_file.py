"""Tables of measurements as plain arrays: CSV with a header, NumPy's NPZ, HDF5.

Nothing is followed out of the folder of the problem's file: paths are relative and do not climb,
archives hold plain numbers, links and external storage of HDF5 are left alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import zipfile
from array import array
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.symbolic.units import UnitError, parse_unit

__all__ = ["DataFile", "data_mistake", "read_data_file"]

#: Most bytes of a file, and of its numbers as float64.
MOST_BYTES = 2_000_000_000
#: What is far larger than its file holds nothing of worth: all above so many bytes that is so many
#: times as large.
SMALL_BYTES, MOST_TIMES = 50_000_000, 100
MOST_COLUMNS = 10_000
_SUFFIXES = (".csv", ".npz", ".h5", ".hdf5")


@dataclass(frozen=True, slots=True, eq=False)
class DataFile:
    """The arrays of a file by name, float64; `is_table` where they are columns of rows (CSV)."""

    path: str
    arrays: dict[str, np.ndarray]
    is_table: bool
    size: int
    sha256: str


def data_mistake(code: str, path: str, what: str, span: Span | None, remedy: str) -> ProblemError:
    """The exception for something that is wrong with a file of data, at the line that names it."""
    message = f"the data of `{path}` cannot be used: {what}"
    return ProblemError([Diagnostic(code, message, span, helps=(remedy,))])


def read_data_file(path: str, folder: str, span: Span | None = None) -> DataFile:
    """The numbers of a file.

    Args:
        path: relative to `folder`; its suffix, .csv, .npz or .h5, tells the format.
        folder: the folder of the problem's file.
        span: where the problem names the file.

    Raises:
        ProblemError: E540, a file that cannot be read; E542, a value that is no number.
    """
    place, pure = _place(path, folder, span)
    try:
        if not place.is_file():
            reason = "it is no file" if place.exists() else "there is no such file"
            where = f" in `{folder}`" if folder not in ("", ".") else ""
            raise data_mistake("E540", path, reason + where, span,
                               "paths are relative to the problem's file")  # fmt: skip
        size = place.stat().st_size
        if size > MOST_BYTES:
            raise data_mistake("E540", path, f"it has {size:,} bytes, and {MOST_BYTES:,} can be "
                               "read", span, "take a part of it")  # fmt: skip
        data = place.read_bytes()
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise data_mistake("E540", path, reason, span, "check its permissions") from None
    suffix = pure.suffix.lower()
    read = {".csv": _from_csv, ".npz": _from_npz}.get(suffix, _from_hdf5)
    arrays = read(path, data, span)
    return DataFile(path, arrays, suffix == ".csv", len(data), hashlib.sha256(data).hexdigest())


def _place(path: str, folder: str, span: Span | None) -> tuple[Path, PurePosixPath]:
    pure = PurePosixPath(path)
    climbs = ".." in pure.parts or pure.is_absolute() or "\\" in path or path.startswith("~")
    if climbs or not path:
        raise data_mistake("E540", path, "its path leads out of the folder of the problem's file",
                           span, 'write `load("data.h5")` for a file beside it')  # fmt: skip
    if pure.suffix.lower() not in _SUFFIXES:
        raise data_mistake("E540", path, f"its format is none of {', '.join(_SUFFIXES)}", span,
                           "give it the suffix of its format")  # fmt: skip
    return Path(folder) / pure, pure


def _from_csv(path: str, data: bytes, span: Span | None) -> dict[str, np.ndarray]:
    # Line by line into one array: as text, numbers take many times the room.
    numbers, count = array("d"), 0
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    try:
        rows = (r for r in csv.reader(line for line in lines if not line.startswith("#")) if r)
        header = [_without_unit(name.strip(), path, span) for name in next(rows, [])]
        if not header or len(set(header)) < len(header) or not all(header):
            raise data_mistake("E540", path, "its first line does not name every column once", span,
                               "write a header such as `t,u,v`")  # fmt: skip
        if len(header) > MOST_COLUMNS:
            raise data_mistake("E540", path, f"it has {len(header):,} columns, and "
                               f"{MOST_COLUMNS:,} can be read", span,
                               "write arrays as NPZ or HDF5")  # fmt: skip
        for count, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise data_mistake(
                    "E542", path, f"row {count} has {len(row)} values for {len(header)} columns",
                    span, "give every row one value a column; leave what is missing empty",
                )  # fmt: skip
            for name, entry in zip(header, row, strict=True):
                entry = entry.strip()
                try:
                    numbers.append(float(entry) if entry else math.nan)
                except ValueError:
                    raise data_mistake(
                        "E542", path, f"`{name}` in row {count} is no number", span,
                        "write numbers with a decimal point; leave what is missing empty",
                    ) from None  # fmt: skip
    except (UnicodeDecodeError, csv.Error):
        raise data_mistake("E540", path, "it is no CSV in UTF-8", span,
                           "save it as plain CSV") from None  # fmt: skip
    if not count:
        raise data_mistake("E542", path, "it has no row", span, "write a row for each time")
    table = np.frombuffer(numbers).reshape(count, len(header))
    return {name: table[:, k].copy() for k, name in enumerate(header)}


def _without_unit(title: str, path: str, span: Span | None) -> str:
    """The name of a column `T [K]`; what is not in an SI base unit is refused."""
    name, bracket, unit = title.partition(" [")
    if not bracket or not unit.endswith("]"):
        return title
    try:
        is_base = parse_unit(unit[:-1])[0] == 1
    except UnitError:
        return title  # brackets that hold something else
    if not is_base:
        raise data_mistake(
            "E542", path, f"`{name}` is in {unit[:-1]}, and numbers of data are in SI base units",
            span, "convert the column, and its unit in the header",
        )  # fmt: skip
    return name.strip()


def _refuse_bomb(path: str, unpacked: int, packed: int, span: Span | None) -> None:
    """Refuse data that take more memory than can be had, or so much more than their file."""
    if unpacked > MOST_BYTES or unpacked > max(SMALL_BYTES, MOST_TIMES * packed):
        raise data_mistake(
            "E540", path, f"its {packed:,} bytes unpack to {unpacked:,}, which is too much", span,
            "take a part of it, or save it without compression",
        )  # fmt: skip


def _from_npz(path: str, data: bytes, span: Span | None) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    try:
        total = 0
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                name, suffix = entry.filename[:-4], entry.filename[-4:]
                if suffix != ".npy":
                    continue
                with archive.open(entry) as stream:
                    count, kind = _header(stream)
                    # An entry may tell one size in its header and another in the archive.
                    total += max(8 * count if kind in "fiub" else 0, entry.file_size)
                    _refuse_bomb(path, total, len(data), span)
                if kind in "fiub":
                    with archive.open(entry) as stream:
                        values: Any = np.lib.format.read_array(stream, allow_pickle=False)
                    found[name] = np.asarray(values, dtype=np.float64)
    except ProblemError:
        raise
    # A damaged archive ends in errors of zipfile, zlib, struct, NumPy and its parser of headers.
    except Exception:
        raise data_mistake("E540", path, "it is no NPZ archive of plain arrays", span,
                           "write it by `numpy.savez`") from None  # fmt: skip
    return found


def _header(stream: Any) -> tuple[int, str]:
    """How many numbers an array in NumPy's format has, and the kind of its type.

    Raises:
        ValueError: no such array.
    """
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version}")
    shape, _, kind = read(stream)
    return math.prod(shape), kind.kind


def _from_hdf5(path: str, data: bytes, span: Span | None) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}
    total = 0
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            for name in map(str, file):
                # A link to elsewhere is not followed.
                if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                    continue
                item: Any = file[name]
                if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                    continue
                if item.dtype.kind in "fiub":
                    total += 8 * (item.size or 0)
                    # Parts of a data set that were never written take no room in the file.
                    _refuse_bomb(path, total, len(data), span)
                    found[name] = np.asarray(item[()], dtype=np.float64)
    except ProblemError:
        raise
    # As above: a damaged file ends in errors of any kind.
    except Exception:
        raise data_mistake("E540", path, "it is no HDF5 file of plain data sets", span,
                           "write one data set for each quantity") from None  # fmt: skip
    return found
