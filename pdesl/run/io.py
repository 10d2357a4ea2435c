"""Result files: one plain value, written in the format that its suffix names.

To add a format: write `write_FORMAT(path, data)` and add one line to `WRITERS`. A writer is given
a path in the staging folder of `pdesl.run.folder`, so it need not care for half-written files.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pdesl import __version__
from pdesl.diagnostics import OutputError
from pdesl.run.metrics import versions

__all__ = [
    "LAYOUT",
    "NODE_KINDS",
    "WRITERS",
    "FieldData",
    "ResultData",
    "check_suffix",
    "read_hdf5",
    "write_csv",
    "write_hdf5",
    "write_npz",
    "writer_for",
]

LAYOUT = 1
"""Version of the HDF5 layout, kept in the root attribute `pdesl_layout`."""

NODE_KINDS = ("interior", "boundary")
"""Names of the values 0 and 1 of `node_kind`."""


@dataclass(frozen=True, slots=True)
class FieldData:
    """Nodal values (n,) of a field, or (T, n) at T times; exact values where known; its unit."""

    values: NDArray
    exact: NDArray | None = None
    unit: str = "1"
    long_name: str = ""

    @property
    def error(self) -> NDArray | None:
        """values − exact, where the exact values are known."""
        return None if self.exact is None else self.values - self.exact


@dataclass(frozen=True, slots=True)
class ResultData:
    """What is saved of a solution, as plain arrays over n nodes.

    coordinates: name → (n,), in the order of the space axes; coordinate_units: name → unit.
    fields: name → FieldData.
    kind: (n,) index into `NODE_KINDS`; part: (n,) index into part_names, −1 in the interior;
    normals: (n, d) outward unit vectors, NaN in the interior.
    network: path such as `layers/0/weight` → array; network_attributes: what rebuilds the network.
    history: name → (k,); `iteration` is the axis of the others.
    attributes: further root attributes, text or numbers: the text of the problem, its hash, ….
    times: (T,) where fields are given at several times; time_name: the name of that coordinate.
    """

    title: str
    coordinates: Mapping[str, NDArray]
    fields: Mapping[str, FieldData]
    kind: NDArray
    part: NDArray | None = None
    part_names: tuple[str, ...] = ()
    normals: NDArray | None = None
    coordinate_units: Mapping[str, str] = field(default_factory=dict)
    network: Mapping[str, NDArray] = field(default_factory=dict)
    network_attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    history: Mapping[str, NDArray] = field(default_factory=dict)
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    times: NDArray | None = None
    time_name: str = "t"

    def __post_init__(self) -> None:
        axes = self.coordinates if self.times is None else (*self.coordinates, self.time_name)
        check_names(axes, self.fields)
        count = (len(self.kind),)
        whole = count if self.times is None else (len(self.times), *count)
        shapes: dict[str, tuple[NDArray | None, tuple[int, ...]]] = {
            name: (column, count) for name, column in self.coordinates.items()
        }
        shapes["part"] = self.part, count
        for name, values in self.fields.items():
            shapes[name], shapes[f"{name}_exact"] = (values.values, whole), (values.exact, whole)
        for name, (column, shape) in shapes.items():
            if column is not None and np.shape(column) != shape:
                raise ValueError(f"{name} has shape {np.shape(column)}, not {shape}")
        if self.normals is not None and self.normals.shape != (*count, len(self.coordinates)):
            raise ValueError(f"normals have shape {self.normals.shape}")

    def select(self, names: tuple[str, ...]) -> ResultData:
        """The same result with only these fields."""
        return replace(self, fields={name: self.fields[name] for name in names})

    def columns(self) -> dict[str, NDArray]:
        """Every nodal quantity under the name it has in a file, of shape (n,) or (T, n)."""
        found: dict[str, NDArray] = dict(self.coordinates)
        for name, values in self.fields.items():
            found[name] = values.values
            if values.exact is not None and values.error is not None:
                found[f"{name}_exact"] = values.exact
                found[f"{name}_error"] = values.error
        found["node_kind"] = np.asarray(self.kind, np.int8)
        if self.part is not None:
            found["boundary_part"] = np.asarray(self.part, np.int32)
        if self.normals is not None:
            for axis, name in enumerate(self.coordinates):
                found[f"normal_{name}"] = self.normals[:, axis]
        return found

    def describe(self, column: str) -> dict[str, object]:
        """CF attributes of a nodal quantity."""
        place = " ".join(self.coordinates)
        if column in self.coordinates:
            return {
                "long_name": f"coordinate {column}",
                "units": self.coordinate_units.get(column, "1"),
            }
        for name, values in self.fields.items():
            described = values.long_name or name
            titles = {
                name: described,
                f"{name}_exact": f"exact {described}",
                f"{name}_error": f"{described} minus exact {described}",
            }
            if column in titles:
                return {"long_name": titles[column], "units": values.unit, "coordinates": place}
        if column == "node_kind":
            return _flags("kind of node", NODE_KINDS, first=0) | {"coordinates": place}
        if column == "boundary_part":
            names = ("interior", *self.part_names)
            return _flags("part of the boundary", names, first=-1) | {"coordinates": place}
        return {
            "long_name": f"component {column.removeprefix('normal_')} of the outward unit normal",
            "units": "1",
            "coordinates": place,
        }


def _flags(long_name: str, names: tuple[str, ...], first: int) -> dict[str, object]:
    values = np.arange(first, first + len(names), dtype=np.int32)
    meanings = " ".join(name.replace(" ", "_") for name in names)
    return {"long_name": long_name, "flag_values": values, "flag_meanings": meanings}


def check_names(coordinates: Iterable[str], fields: Iterable[str]) -> None:
    """Prove that every field has a name of its own in a file.

    Raises:
        OutputError: E817 where it clashes with another column, such as fields `u` and `u_exact`.
    """
    axes, names = tuple(coordinates), tuple(fields)
    taken = {"node", "network", "history", "node_kind", "boundary_part", *axes}
    taken |= {f"normal_{axis}" for axis in axes}
    taken |= {f"{name}_{suffix}" for name in names for suffix in ("exact", "error")}
    for name in names:
        if name in taken:
            raise OutputError(
                f"the field `{name}` cannot be saved: result files use this name otherwise",
                code="E817",
                advice="give the field another name",
            )


def write_hdf5(path: Path, data: ResultData) -> None:
    """Write the layout that `docs/pages/results.md` describes; xarray opens it as it is.

    The file is made in memory and written at once: HDF5 does not survive a disk that is full.
    """
    import h5py

    # Attributes above 64 KiB (the text of a long problem) need the format of HDF5 1.8 or later.
    with h5py.File(
        path.name, "w", driver="core", backing_store=False, libver=("v108", "v110")
    ) as file:
        attributes: dict[str, object] = {
            "Conventions": "CF-1.11",
            "title": data.title,
            "source": f"pdesl {__version__}",
            "pdesl_layout": LAYOUT,
            "versions": json.dumps(versions()),
            **data.attributes,
        }
        for name, value in attributes.items():
            file.attrs[name] = value
        nodes = file.create_dataset("node", data=np.arange(len(data.kind), dtype=np.int64))
        nodes.make_scale("node")
        nodes.attrs["long_name"] = "number of the node"
        clock = None
        if data.times is not None:
            clock = file.create_dataset(data.time_name, data=data.times)
            clock.make_scale(data.time_name)
            clock.attrs["long_name"] = "time"
            clock.attrs["units"] = "1"
        for name, column in data.columns().items():
            dataset = file.create_dataset(name, data=column)
            dataset.dims[column.ndim - 1].attach_scale(nodes)
            if clock is not None and column.ndim == 2:
                dataset.dims[0].attach_scale(clock)
            for key, value in data.describe(name).items():
                dataset.attrs[key] = value
        if data.network:
            group = file.create_group("network")
            for key, value in data.network_attributes.items():
                group.attrs[key] = value
            for name, array in data.network.items():
                group.create_dataset(name, data=array)
        if data.history:
            _write_history(file.create_group("history"), data.history)
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


def _write_history(group, history: Mapping[str, NDArray]) -> None:
    length = len(next(iter(history.values())))
    iterations = history.get("iteration", np.arange(length))
    axis = group.create_dataset("iteration", data=iterations)
    axis.make_scale("iteration")
    axis.attrs["long_name"] = "iteration of the optimiser"
    for name, values in history.items():
        if name != "iteration":
            dataset = group.create_dataset(name, data=values)
            dataset.dims[0].attach_scale(axis)
            dataset.attrs["long_name"] = name.replace("_", " ")


def read_hdf5(path: Path) -> ResultData:
    """Read back what `write_hdf5` wrote.

    Raises:
        OutputError: E816 where the file cannot be read or is no such result.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _read_layout(file)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise OutputError(
            f"`{path}` is no result of pdesl that can be read: {error}",
            code="E816",
            advice="give the solution file that `pdesl run` wrote",
        ) from error


def _read_layout(file) -> ResultData:
    root = dict(file.attrs)
    if int(root.pop("pdesl_layout")) != LAYOUT:
        raise ValueError(f"its layout is not {LAYOUT}")
    title = str(root.pop("title"))
    for name in ("Conventions", "source", "versions"):
        root.pop(name)
    clock = next((n for n in file if str(_attribute(file[n], "long_name")) == "time"), None)
    names = [n for n in file if n not in ("node", "network", "history", clock)]
    columns = {n: file[n][...] for n in names}
    kind, part = columns.pop("node_kind"), columns.pop("boundary_part", None)
    part_names: tuple[str, ...] = ()
    if part is not None:
        part_names = tuple(str(file["boundary_part"].attrs["flag_meanings"]).split(" ")[1:])
    place = str(file["node_kind"].attrs["coordinates"]).split()
    normals = [columns.pop(f"normal_{n}", None) for n in place]
    fields = {}
    for name in columns:
        base = name.rpartition("_")[0] if name.endswith(("_exact", "_error")) else ""
        if name in place or base in columns:
            continue
        attributes = file[name].attrs
        described = str(attributes["long_name"])
        fields[name] = FieldData(
            columns[name],
            columns.get(f"{name}_exact"),
            str(attributes["units"]),
            "" if described == name else described,
        )
    network: dict[str, NDArray] = {}
    if "network" in file:
        file["network"].visititems(
            lambda name, item: network.update({name: item[...]}) if hasattr(item, "shape") else None
        )
    return ResultData(
        title=title,
        coordinates={n: columns[n] for n in place},
        fields=fields,
        kind=kind,
        part=part,
        part_names=part_names,
        normals=None if normals[0] is None else np.stack(list(normals), axis=1),
        coordinate_units={n: str(file[n].attrs["units"]) for n in place},
        network=network,
        network_attributes=dict(file["network"].attrs) if network else {},
        history={n: file["history"][n][...] for n in file["history"]} if "history" in file else {},
        attributes=root,
        times=None if clock is None else file[clock][...],
        time_name=clock or "t",
    )


def _attribute(item, name: str) -> object:
    return item.attrs.get(name, "")


def write_csv(path: Path, data: ResultData) -> None:
    """A table with one line for each node, numbers with 17 digits so that none is rounded.

    With several times, one line for each node at each time, the time in the first column.
    """
    columns = data.columns()
    columns["node_kind"] = np.asarray(NODE_KINDS, object)[data.kind]
    if data.part is not None:
        columns["boundary_part"] = np.asarray([*data.part_names, ""], object)[data.part]
    if data.times is not None:
        count, moments = len(data.kind), len(data.times)
        columns = {
            name: column.ravel() if column.ndim == 2 else np.tile(column, moments)
            for name, column in columns.items()
        }
        columns = {data.time_name: np.repeat(data.times, count), **columns}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for row in zip(*(column.tolist() for column in columns.values()), strict=True):
            writer.writerow(
                ("" if value != value else repr(value)) if isinstance(value, float) else value
                for value in row
            )


def write_npz(path: Path, data: ResultData) -> None:
    """NumPy's archive: the nodal arrays by name, `network/…`, `history/…` and `attributes`."""
    arrays: dict[str, NDArray] = data.columns()
    if data.times is not None:
        arrays[data.time_name] = data.times
    arrays |= {f"network/{name}": np.asarray(array) for name, array in data.network.items()}
    arrays |= {f"history/{name}": np.asarray(values) for name, values in data.history.items()}
    attributes = {"title": data.title, **data.attributes, "network": dict(data.network_attributes)}
    arrays["attributes"] = np.asarray(json.dumps(attributes, ensure_ascii=False))
    with path.open("wb") as stream:
        np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]


WRITERS: Mapping[str, Callable[[Path, ResultData], None]] = MappingProxyType(
    {".csv": write_csv, ".h5": write_hdf5, ".npz": write_npz}
)
"""Writers by suffix."""


def check_suffix(name: str) -> str:
    """The suffix of an output file, lower case, where a writer knows it.

    Raises:
        OutputError: E814 for any other suffix.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in WRITERS:
        raise OutputError(
            f"no format is known for the output file `{name}`",
            code="E814",
            advice="end its name in one of " + ", ".join(sorted(WRITERS)),
        )
    return suffix


def writer_for(name: str, data: ResultData) -> Callable[[Path], None]:
    """What `OutputFolder.write` needs to write `data` in the format that `name` asks for."""
    write = WRITERS[check_suffix(name)]
    return lambda path: write(path, data)
