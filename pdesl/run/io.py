"""Result files: one plain value, written in the format that its suffix names.

To add a format: write `write_FORMAT(path, data)`, and add one line to `WRITERS` and its suffix to
`FORMATS` (`file_names`). A writer is given
a path in the staging folder of `pdesl.run.folder`, so it need not care for half-written files.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pdesl.run.file_names import check_suffix
from pdesl.run.io_hdf5 import LAYOUT, read_hdf5, write_hdf5
from pdesl.run.io_paraview import write_vtu, write_xdmf
from pdesl.run.result_data import NODE_KINDS, FieldData, Number, ResultData, check_names

__all__ = [
    "LAYOUT",
    "NODE_KINDS",
    "WRITERS",
    "FieldData",
    "Number",
    "ResultData",
    "check_names",
    "check_suffix",
    "read_hdf5",
    "write_csv",
    "write_hdf5",
    "write_npz",
    "writer_for",
]


def write_csv(path: Path, data: ResultData) -> None:
    """A table with one line for each node, numbers with 17 digits so that none is rounded.

    With several times, one line for each node at each time, the time in the first column. Without
    fields, one line for each time. What is one number at a time is the same on all of its lines.
    A unit stands behind the name of a column, `T [K]`.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        columns = _table(data)
        writer.writerow(_titled(name, data) for name in columns)
        for row in zip(*(column.tolist() for column in columns.values()), strict=True):
            writer.writerow(
                ("" if value != value else repr(value)) if isinstance(value, float) else value
                for value in row
            )


def _titled(name: str, data: ResultData) -> str:
    """The name of a column with its unit, where it has one."""
    if name in data.numbers:
        unit = data.numbers[name].unit
    elif data.times is not None and name == data.time_name:
        unit = data.coordinate_units.get(name)
    else:
        unit = data.describe(name).get("units")
    return name if unit in (None, "1") else f"{name} [{unit}]"


def _table(data: ResultData) -> dict[str, NDArray]:
    moments = 1 if data.times is None else len(data.times)
    numbers = {n: np.atleast_1d(np.asarray(v.values, float)) for n, v in data.numbers.items()}
    clock = {} if data.times is None else {data.time_name: np.asarray(data.times, float)}
    if not data.fields:
        return clock | numbers
    columns = data.columns()
    if data.coordinates:
        columns["node_kind"] = np.asarray(NODE_KINDS, object)[data.kind]
    else:
        del columns["node_kind"]  # a table over time
    if data.part is not None:
        columns["boundary_part"] = np.asarray([*data.part_names, ""], object)[data.part]
    count = len(data.kind)
    columns = {
        name: column.ravel() if column.ndim == 2 else np.tile(column, moments)
        for name, column in columns.items()
    }
    repeated = {name: np.repeat(values, count) for name, values in (clock | numbers).items()}
    return {n: repeated.pop(n) for n in clock} | columns | repeated


def write_npz(path: Path, data: ResultData) -> None:
    """NumPy's archive: the nodal arrays by name, `network/…`, `history/…` and `attributes`."""
    arrays: dict[str, NDArray] = data.columns()
    if data.times is not None:
        arrays[data.time_name] = data.times
    arrays |= {name: np.asarray(number.values) for name, number in data.numbers.items()}
    arrays |= {f"network/{name}": np.asarray(array) for name, array in data.network.items()}
    arrays |= {f"history/{name}": np.asarray(values) for name, values in data.history.items()}
    attributes = {"title": data.title, **data.attributes, "network": dict(data.network_attributes)}
    arrays["attributes"] = np.asarray(json.dumps(attributes, ensure_ascii=False))
    with path.open("wb") as stream:
        np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]


WRITERS: Mapping[str, Callable[[Path, ResultData], None]] = MappingProxyType(
    {
        ".csv": write_csv,
        ".h5": write_hdf5,
        ".npz": write_npz,
        ".vtu": write_vtu,
        ".xdmf": write_xdmf,
    }
)
"""Writers by suffix."""


def writer_for(name: str, data: ResultData) -> Callable[[Path], None]:
    """What `OutputFolder.write` needs to write `data` in the format that `name` asks for."""
    write = WRITERS[check_suffix(name)]
    return lambda path: write(path, data)
