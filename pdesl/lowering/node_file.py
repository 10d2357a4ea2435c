"""Nodes read from a file: coordinates, kind, part of the boundary, outward normals.

A file is a table with one row for each node, as CSV with a header, as NumPy's NPZ with one array
for each column, or as HDF5 with one data set for each:

| column | holds |
|---|---|
| the coordinates, `x`, `y`, `z` | numbers |
| `kind` (or `node_kind`) | `interior` or `boundary`, or 0 and 1 |
| `nx`, `ny`, `nz` (or `normal_x`, …) | the outward normal at boundary nodes |
| `part` (or `boundary_part`), not needed | the part of the boundary, by name or number |

So the files that `pdesl run` writes can be read as well. Other columns are left alone. Ghost
nodes are made, one outside every boundary node.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pdesl.lowering.cloud import Cloud, FileOrigin
from pdesl.lowering.cloud_boundary import ghost_nodes
from pdesl.lowering.cloud_interior import periodic_tree
from pdesl.symbolic.geometry import GeometryError, Region
from pdesl.symbolic.geometry.pieces import Array, format_point
from pdesl.symbolic.geometry.sampling import morton_order

__all__ = ["NodeFile", "read_nodes"]

MOST_BYTES = 400_000_000
MOST_ROWS = 2_000_000
# A boundary node may lie so many spacings off the boundary, and an interior one outside of it:
# nodes of a mesh lie on chords.
TOLERANCE = 0.25
_KINDS = {"interior": 0, "boundary": 1, "0": 0, "1": 1, "0.0": 0, "1.0": 1}
_SUFFIXES = (".csv", ".npz", ".h5", ".hdf5")

Table = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class NodeFile:
    """What was read: the nodes, and remarks on them."""

    cloud: Cloud
    notes: tuple[str, ...]


def read_nodes(
    path: str, region: Region, coordinates: Sequence[str], *, folder: str = "", ghost: bool = True
) -> NodeFile:
    """The nodes of a file, in the region that they are said to fill.

    Args:
        path: relative to `folder`; its suffix, .csv, .npz or .h5, tells the format.
        region: checks the nodes and names the parts of the boundary.
        coordinates: names of the columns of coordinates, as many as dimensions.
        folder: where relative paths start; the working folder by default.
        ghost: whether every boundary node gets a node at one local spacing outside.

    Returns:
        Nodes in the order of a space-filling curve, with what was noticed.

    Raises:
        GeometryError: E534 a file that cannot be read or is too large, E535 a column or all
            boundary nodes missing, E536 a value that is no finite number or no kind, E537 a
            normal that is zero or points inside, E538 nodes outside, off the boundary, or twice
            the same, E539 an unknown part of the boundary.
    """
    data = _read_bytes(path, folder)
    suffix = PurePosixPath(path).suffix.lower()
    table = {".csv": _from_csv, ".npz": _from_npz}.get(suffix, _from_hdf5)(path, data)
    rows = {len(column) for column in table.values()}
    if len(rows) > 1:
        raise _wrong("E535", path, f"its columns have {min(rows)} to {max(rows)} rows",
                     "give every column one value for each node")  # fmt: skip
    points = np.stack([_numbers(table, path, (c,)) for c in coordinates], axis=1)
    boundary = _kinds(table, path) == 1
    if not points.size or boundary.all():
        raise _wrong("E535", path, "it has no interior node", "add rows of kind `interior`")
    if region.pieces() and not boundary.any():
        raise _wrong("E535", path, "it has no boundary node", "add rows of kind `boundary`")
    _check_finite(path, points, coordinates, np.arange(len(points)))
    _check_distinct(path, points, region)
    notes: list[str] = []
    outer = np.flatnonzero(boundary)
    normals = _normals(table, path, coordinates, outer, notes)
    part = _parts(table, path, region, points[outer], outer, notes)
    inner = np.flatnonzero(~boundary)
    inner = inner[morton_order(points[inner])]
    order = morton_order(points[outer]) if len(outer) else np.empty(0, dtype=np.intp)
    cloud = Cloud.from_arrays(
        points[inner],
        points[outer[order]],
        normals[order],
        part=part[order],
        part_names=region.part_names or ("boundary",),
        ghost=False,
        periods=region.periods,
    )
    rank = np.concatenate([inner, outer[order]])
    _check_places(path, cloud, region, rank)
    if ghost and len(outer):
        local = cloud.spacing[len(inner) :]
        outside = ghost_nodes(region, cloud.boundary, cloud.normals, local, 1.0)
        cloud = replace(cloud, ghost=outside)
    origin = FileOrigin(path, len(data), hashlib.sha256(data).hexdigest())
    return NodeFile(replace(cloud, origin=origin), tuple(notes))


def _wrong(code: str, path: str, what: str, remedy: str) -> GeometryError:
    return GeometryError(f"the nodes of `{path}` cannot be used: {what}", code, remedy)


# -- tables --------------------------------------------------------------------------------


def _read_bytes(path: str, folder: str) -> bytes:
    pure = PurePosixPath(path)
    if pure.is_absolute() or "\\" in path or not path:
        raise _wrong("E534", path, "its path is not relative to the problem's file",
                     'write `load("nodes.csv")` for a file beside it')  # fmt: skip
    if pure.suffix.lower() not in _SUFFIXES:
        raise _wrong("E534", path, f"its format is none of {', '.join(_SUFFIXES)}",
                     "give it the suffix of its format")  # fmt: skip
    place = Path(folder) / pure
    try:
        if not place.is_file():
            reason = "it is no file" if place.exists() else "there is no such file"
            where = f" in `{folder}`" if folder not in ("", ".") else ""
            raise _wrong("E534", path, reason + where,
                         "paths are relative to the problem's file")  # fmt: skip
        size = place.stat().st_size
        if size > MOST_BYTES:
            raise _wrong("E534", path, f"it has {size:,} bytes, and {MOST_BYTES:,} can be read",
                         "take fewer nodes")  # fmt: skip
        with place.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise _wrong("E534", path, reason, "check its permissions") from None


def _too_long(path: str) -> GeometryError:
    return _wrong("E534", path, f"it has more than {MOST_ROWS:,} rows", "take fewer nodes")


def _from_csv(path: str, data: bytes) -> Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong("E534", path, "it is no UTF-8 text", "save it as plain CSV") from None
    lines = (line for line in io.StringIO(text, newline="") if not line.startswith("#"))
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header or len(set(header)) < len(header):
            raise _wrong("E535", path, "its first line does not name every column once",
                         "write a header such as `x,y,kind,nx,ny`")  # fmt: skip
        rows: list[list[str]] = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise _wrong(
                    "E535", path, f"row {len(rows) + 1} has {len(row)} values for "
                    f"{len(header)} columns", "give every row one value a column",
                )  # fmt: skip
            rows.append(row)
            if len(rows) > MOST_ROWS:
                raise _too_long(path)
    except csv.Error as error:
        raise _wrong("E534", path, f"it is no CSV: {error}", "save it as plain CSV") from None
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    return {
        n: np.array([v.strip() for v in c], dtype=np.str_)
        for n, c in zip(header, columns, strict=True)
    }


def _from_npz(path: str, data: bytes) -> Table:
    found: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        # What is compressed may be far larger than the file.
        if unpacked <= MOST_BYTES:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                for name in arrays.files:
                    array = arrays[name]
                    if array.ndim == 1 and array.dtype.kind in "fiubUS":
                        found[name] = array
    # A damaged archive ends in errors of zipfile, zlib, struct, NumPy and its parser of headers.
    except Exception:
        raise _wrong("E534", path, "it is no NPZ archive of plain arrays",
                     "write it by `numpy.savez`") from None  # fmt: skip
    if unpacked > MOST_BYTES:
        raise _too_long(path)
    return _nodal(path, found)


def _from_hdf5(path: str, data: bytes) -> Table:
    import h5py

    found: dict[str, Array] = {}
    long = False
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            for name in map(str, file):
                # A link to elsewhere is not followed.
                if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                    continue
                item: Any = file[name]
                if not isinstance(item, h5py.Dataset) or item.ndim != 1:
                    continue
                if item.external or item.is_virtual:
                    continue
                if len(item) > MOST_ROWS:
                    long = True
                    break
                if item.dtype.kind in "fiub":
                    found[name] = np.asarray(item[()])
                    if name == "boundary_part":
                        found[name] = _named_parts(found[name], item.attrs.get("flag_meanings"))
                elif h5py.check_string_dtype(item.dtype) is not None:
                    found[name] = np.asarray(item.asstr()[()], dtype=np.str_)
    # As above: a damaged file ends in errors of any kind.
    except Exception:
        raise _wrong("E534", path, "it is no HDF5 file of plain data sets",
                     "write one data set for each column") from None  # fmt: skip
    if long:
        raise _too_long(path)
    return _nodal(path, found)


def _named_parts(numbers: Array, meanings: object) -> Array:
    """Parts by name, where the file says what its numbers mean as result files do."""
    if not isinstance(meanings, str):
        return numbers
    words = np.array(["", *meanings.split(" ")[1:]], dtype=np.str_)
    places = numbers.astype(np.int64) + 1
    known = len(places) == 0 or (places.min() >= 0 and places.max() < len(words))
    return words[places] if known else numbers


def _nodal(path: str, found: Mapping[str, Array]) -> Table:
    """Only the columns that are looked at: an archive may hold other arrays too."""
    rows = next((len(v) for n, v in found.items() if n in ("kind", "node_kind")), None)
    if rows is None:
        raise _missing(path, "kind", tuple(found))
    if rows > MOST_ROWS:
        raise _too_long(path)
    return {name: column for name, column in found.items() if len(column) == rows}


# -- columns -------------------------------------------------------------------------------


def _missing(path: str, name: str, there: Sequence[str]) -> GeometryError:
    known = ", ".join(f"`{n}`" for n in there[:12]) or "none"
    return _wrong("E535", path, f"the column `{name}` is missing",
                  f"its columns are {known}")  # fmt: skip


def _column(table: Table, path: str, names: Sequence[str]) -> Array:
    for name in names:
        if name in table:
            return table[name]
    raise _missing(path, names[0], tuple(table))


def _numbers(table: Table, path: str, names: Sequence[str], rows: Array | None = None) -> Array:
    """A column as floats, NaN for an empty entry; only `rows` of it where they are given."""
    column = _column(table, path, names)
    column = column if rows is None else column[rows]
    if column.dtype.kind not in "US":
        return column.astype(np.float64)
    texts = column.astype(np.str_)
    values = np.full(len(texts), np.nan)
    for place, text in enumerate(texts.tolist()):
        try:
            values[place] = float(text) if text else np.nan
        except ValueError:
            row = place if rows is None else int(rows[place])
            raise _wrong(
                "E536", path, f"`{names[0]}` in row {row + 1} is no number",
                "write numbers with a decimal point",
            ) from None  # fmt: skip
    return values


def _kinds(table: Table, path: str) -> Array:
    column = _column(table, path, ("kind", "node_kind"))
    texts = column.astype(np.str_).tolist()
    kinds = np.empty(len(texts), dtype=np.int8)
    for row, text in enumerate(texts):
        kind = _KINDS.get(text.lower())
        if kind is None:
            raise _wrong(
                "E536", path, f"the kind in row {row + 1} is neither `interior` nor `boundary`",
                "ghost nodes are left out: they are made",
            )  # fmt: skip
        kinds[row] = kind
    return kinds


def _check_finite(path: str, values: Array, names: Sequence[str], rows: Array) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(i[0]) for i in np.nonzero(bad))
        raise _wrong(
            "E536", path, f"`{names[column]}` in row {rows[row] + 1} is no finite number",
            "give every node its coordinates, and every boundary node its normal",
        )  # fmt: skip


def _normals(
    table: Table, path: str, coordinates: Sequence[str], outer: Array, notes: list[str]
) -> Array:
    """Unit normals of the boundary rows."""
    if len(outer) == 0:
        return np.zeros((0, len(coordinates)))
    columns = [_numbers(table, path, (f"n{c}", f"normal_{c}"), outer) for c in coordinates]
    normals = np.stack(columns, axis=1)
    _check_finite(path, normals, [f"n{c}" for c in coordinates], outer)
    length = np.linalg.norm(normals, axis=1)
    if not (length > 0.0).all():
        row = int(outer[int(np.argmin(length))])
        raise _wrong("E537", path, f"the normal in row {row + 1} is zero",
                     "give the outward direction")  # fmt: skip
    uneven = int(np.sum(np.abs(length - 1.0) > 1e-6))
    if uneven:
        notes.append(f"{uneven:,} normals of `{path}` were no unit vectors and are made so")
    return normals / length[:, None]


def _parts(
    table: Table, path: str, region: Region, points: Array, outer: Array, notes: list[str]
) -> Array:
    """The number of the boundary part of every boundary row; the nearest part without a column."""
    names = region.part_names
    if "part" not in table and "boundary_part" not in table:
        if len(names) < 2 or len(points) == 0:
            return np.zeros(len(points), dtype=np.int64)
        notes.append(f"`{path}` names no parts of the boundary: every node belongs to the nearest")
        return _nearest_parts(region, points)
    column = _column(table, path, ("part", "boundary_part"))[outer]
    found = np.empty(len(outer), dtype=np.int64)
    for place, entry in enumerate(column.astype(np.str_).tolist()):
        number = entry.removesuffix(".0")
        if entry in names:
            found[place] = names.index(entry)
        elif number.isdecimal() and len(number) < 6 and int(number) < max(len(names), 1):
            found[place] = int(number)
        else:
            raise _wrong(
                "E539", path, f"row {outer[place] + 1} lies on the part `{entry[:40]}`, "
                "which the boundary does not have",
                f"its parts are {', '.join(f'`{n}`' for n in names)}",
            )  # fmt: skip
    return found


def _nearest_parts(region: Region, points: Array) -> Array:
    spacing = region.size / 400.0 if region.dimension < 3 else region.size / 60.0
    sample = region.sample_boundary(spacing)
    lower, _ = region.bounding_box()
    tree, wrap = periodic_tree(sample.points, lower, np.array(region.periods))
    return sample.part[tree.query(wrap(points.copy()))[1]]


# -- places --------------------------------------------------------------------------------


def _check_distinct(path: str, points: Array, region: Region) -> None:
    lower, _ = region.bounding_box()
    if len(points) < 2:
        raise _wrong("E535", path, "it has a single node", "add nodes")
    tree, wrap = periodic_tree(points, lower, np.array(region.periods))
    distance, index = tree.query(wrap(points.copy()), k=2)
    if not (distance[:, 1] > 1e-10 * region.size).all():
        one = int(np.argmin(distance[:, 1]))
        others = index[one][index[one] != one]
        pair = sorted((one, int(others[0])))
        raise _wrong(
            "E538", path, f"rows {pair[0] + 1} and {pair[1] + 1} are the same node at "
            f"{format_point(points[one])}", "leave one of them out",
        )  # fmt: skip


def _check_places(path: str, cloud: Cloud, region: Region, rows: Array) -> None:
    first = len(cloud.interior)
    level = region.level(cloud.evaluation)
    outside = level[:first] > TOLERANCE * cloud.spacing[:first]
    off = np.abs(level[first:]) > TOLERANCE * cloud.spacing[first:]
    for wrong, start, what in ((outside, 0, "outside of the region"), (off, first, "off its "
                               "boundary")):  # fmt: skip
        if wrong.any():
            one = start + int(np.argmax(wrong))
            words = "the interior node" if start == 0 else "the boundary node"
            raise _wrong(
                "E538", path, f"{words} of row {rows[one] + 1} at "
                f"{format_point(cloud.evaluation[one])} lies {what} by {abs(level[one]):.2g}",
                "check the region of `domain:` against the file",
            )  # fmt: skip
    reach = 0.1 * cloud.spacing[first:, None] * cloud.normals
    inward = region.level(cloud.boundary + reach) <= region.level(cloud.boundary - reach)
    if inward.any():
        one = int(np.argmax(inward))
        raise _wrong(
            "E537", path, f"the normal in row {rows[first + one] + 1} at "
            f"{format_point(cloud.boundary[one])} does not point outside",
            "normals point out of the region",
        )  # fmt: skip
