"""The HDF5 layout that `docs/pages/results.md` describes, written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdesl import __version__
from pdesl.diagnostics import OutputError
from pdesl.run.metrics import versions
from pdesl.run.result_data import FieldData, Number, ResultData

__all__ = ["LAYOUT", "holds_function", "read_hdf5", "write_hdf5"]

LAYOUT = 1
"""Version of the HDF5 layout, kept in the root attribute `pdesl_layout`."""


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
            clock.attrs["units"] = data.coordinate_units.get(data.time_name, "1")
        for name, column in data.columns().items():
            dataset = file.create_dataset(name, data=column)
            dataset.dims[column.ndim - 1].attach_scale(nodes)
            if clock is not None and column.ndim == 2:
                dataset.dims[0].attach_scale(clock)
            for key, value in data.describe(name).items():
                dataset.attrs[key] = value
        for name, number in data.numbers.items():
            dataset = file.create_dataset(name, data=np.asarray(number.values, float))
            if clock is not None:
                dataset.dims[0].attach_scale(clock)
            dataset.attrs["long_name"] = number.long_name or name
            if number.unit is not None:
                dataset.attrs["units"] = number.unit
            if number.error is not None:
                dataset.attrs["quadrature_error"] = number.error
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


def holds_function(path: Path) -> bool:
    """Whether a file holds a solution as a function, not its nodal values alone."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "kind" in file["network"].attrs
    except (OSError, KeyError):
        return False


def _read_layout(file) -> ResultData:
    root = dict(file.attrs)
    if int(root.pop("pdesl_layout")) != LAYOUT:
        raise ValueError(f"its layout is not {LAYOUT}")
    title = str(root.pop("title"))
    for name in ("Conventions", "source", "versions"):
        root.pop(name)
    clock = next((n for n in file if str(_attribute(file[n], "long_name")) == "time"), None)
    names = [n for n in file if n not in ("node", "network", "history", clock)]
    numbers = {n: _number(file[n]) for n in names if not _is_nodal(file[n])}
    columns = {n: file[n][...] for n in names if n not in numbers}
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
            str(attributes["units"]) if "units" in attributes else None,
            "" if described == name else described,
        )
    network: dict[str, NDArray] = {}
    own: dict[str, str | int | float] = {}
    if "network" in file:
        own = {n: v.item() if hasattr(v, "item") else v for n, v in file["network"].attrs.items()}
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
        normals=np.stack(list(normals), axis=1) if normals and normals[0] is not None else None,
        coordinate_units={
            n: str(file[n].attrs["units"]) for n in (*place, *([clock] if clock else []))
        },
        network=network,
        network_attributes=own,
        history={n: file["history"][n][...] for n in file["history"]} if "history" in file else {},
        attributes=root,
        times=None if clock is None else file[clock][...],
        time_name=clock or "t",
        numbers=numbers,
    )


def _is_nodal(item) -> bool:
    return item.ndim > 0 and "node" in item.dims[item.ndim - 1]


def _number(item) -> Number:
    unit, error = item.attrs.get("units"), item.attrs.get("quadrature_error")
    return Number(
        item[...],
        None if unit is None else str(unit),
        str(item.attrs["long_name"]),
        None if error is None else float(error),
    )


def _attribute(item, name: str) -> object:
    return item.attrs.get(name, "")
