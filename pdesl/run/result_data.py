"""What is saved of a solution: one plain value, whatever the format of the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pdesl.diagnostics import OutputError

__all__ = ["NODE_KINDS", "FieldData", "Number", "ResultData", "check_names"]

NODE_KINDS = ("interior", "boundary")
"""Names of the values 0 and 1 of `node_kind`."""


@dataclass(frozen=True, slots=True)
class FieldData:
    """Nodal values (n,) of a field, or (T, n) at T times; exact values where known; its unit.

    The unit is None where it is not known, as of an expression.
    """

    values: NDArray
    exact: NDArray | None = None
    unit: str | None = "1"
    long_name: str = ""

    @property
    def error(self) -> NDArray | None:
        """values − exact, where the exact values are known."""
        return None if self.exact is None else self.values - self.exact


@dataclass(frozen=True, slots=True)
class Number:
    """A number (), or one at each of T times (T,); its unit where it is known.

    `error` estimates that of the integrals in it, from a coarser rule.
    """

    values: NDArray
    unit: str | None = None
    long_name: str = ""
    error: float | None = None


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
    numbers: name → Number, what is no function of the place.
    cells: (k, d + 1) nodes of segments, triangles or tetrahedra that fill the region.
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
    numbers: Mapping[str, Number] = field(default_factory=dict)
    cells: NDArray | None = None

    def __post_init__(self) -> None:
        axes = self.coordinates if self.times is None else (*self.coordinates, self.time_name)
        check_names(axes, (*self.fields, *self.numbers))
        count = (len(self.kind),)
        whole = count if self.times is None else (len(self.times), *count)
        shapes: dict[str, tuple[NDArray | None, tuple[int, ...]]] = {
            name: (column, count) for name, column in self.coordinates.items()
        }
        shapes["part"] = self.part, count
        for name, values in self.fields.items():
            shapes[name], shapes[f"{name}_exact"] = (values.values, whole), (values.exact, whole)
        moments = () if self.times is None else (len(self.times),)
        shapes |= {name: (number.values, moments) for name, number in self.numbers.items()}
        for name, (column, shape) in shapes.items():
            if column is not None and np.shape(column) != shape:
                raise ValueError(f"{name} has shape {np.shape(column)}, not {shape}")
        if self.normals is not None and self.normals.shape != (*count, len(self.coordinates)):
            raise ValueError(f"normals have shape {self.normals.shape}")

    def select(self, names: tuple[str, ...]) -> ResultData:
        """The same result with only these fields."""
        return replace(self, fields={name: self.fields[name] for name in names})

    def adding(self, columns: Mapping[str, FieldData], numbers: Mapping[str, Number]) -> ResultData:
        """The same result with further nodal quantities, and numbers."""
        return replace(self, fields={**self.fields, **columns}, numbers={**self.numbers, **numbers})

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
                unit = {} if values.unit is None else {"units": values.unit}
                return {"long_name": titles[column], **unit, "coordinates": place}
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
