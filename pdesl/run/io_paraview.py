"""Files for ParaView: `.vtu` (VTK's unstructured grid) and `.xdmf` (a series in time).

Both are XML that holds its arrays: nothing else has to lie beside them. Points have three
coordinates, zero where the problem has fewer, at most three of more. The nodes are joined to
segments, triangles or tetrahedra where the result has such cells, else each is a vertex.
"""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from pdesl.run.result_data import ResultData

__all__ = ["write_vtu", "write_xdmf"]

# By nodes of a cell: VTK's number of its type and XDMF's name of it.
_CELLS = {
    1: (1, "Polyvertex"),
    2: (3, "Polyline"),
    3: (5, "Triangle"),
    4: (10, "Tetrahedron"),
}
_TYPES = {"f": "Float64", "i": "Int64", "u": "UInt8"}


def _points(data: ResultData) -> NDArray:
    found = np.zeros((len(data.kind), 3))
    for axis, column in enumerate(list(data.coordinates.values())[:3]):
        found[:, axis] = column
    return found


def _cells(data: ResultData) -> NDArray:
    if data.cells is not None and len(data.cells):
        return np.asarray(data.cells, np.int64)
    return np.arange(len(data.kind), dtype=np.int64)[:, None]


def _columns(data: ResultData) -> dict[str, NDArray]:
    """What is drawn: nodal quantities that are no coordinate; coordinates beyond the third are."""
    drawn = set(list(data.coordinates)[:3])
    return {
        name: np.asarray(column, float if column.dtype.kind == "f" else np.int64)
        for name, column in data.columns().items()
        if name not in drawn
    }


def write_vtu(path: Path, data: ResultData) -> None:
    """VTK's XML file of an unstructured grid, arrays in base64, numbers of the result as fields.

    Raises:
        ValueError: a result at several times; `.xdmf` holds a series.
    """
    if data.times is not None and len(data.times) > 1:
        raise ValueError("a file .vtu holds one time")
    points, cells = _points(data), _cells(data)
    root = Element(
        "VTKFile", type="UnstructuredGrid", version="1.0", byte_order="LittleEndian",
        header_type="UInt64",
    )  # fmt: skip
    grid = SubElement(root, "UnstructuredGrid")
    values = SubElement(grid, "FieldData")
    numbers = {n: np.atleast_1d(v.values) for n, v in data.numbers.items()}
    time = data.attributes.get("time") if data.times is None else data.times[0]
    if time is not None:
        numbers["TimeValue"] = np.array([time])
    for name, value in numbers.items():
        _vtk_array(values, name, np.asarray(value, float)).set("NumberOfTuples", str(len(value)))
    piece = SubElement(
        grid, "Piece", NumberOfPoints=str(len(points)), NumberOfCells=str(len(cells))
    )
    of_points = SubElement(piece, "PointData")
    for name, column in _columns(data).items():
        _vtk_array(of_points, name, column[0] if column.ndim == 2 else column)
    _vtk_array(SubElement(piece, "Points"), "Points", points)
    topology = SubElement(piece, "Cells")
    _vtk_array(topology, "connectivity", cells.ravel())
    _vtk_array(topology, "offsets", cells.shape[1] * np.arange(1, len(cells) + 1))
    kind = np.full(len(cells), _CELLS[cells.shape[1]][0], np.uint8)
    _vtk_array(topology, "types", kind)
    _write(path, root)


def _vtk_array(parent: Element, name: str, values: NDArray) -> Element:
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    head = np.array([little.nbytes], "<u8").tobytes()
    array = SubElement(
        parent, "DataArray", type=_TYPES[values.dtype.kind], Name=name, format="binary"
    )
    if values.ndim == 2:
        array.set("NumberOfComponents", str(values.shape[1]))
    array.text = (base64.b64encode(head) + base64.b64encode(little.tobytes())).decode()
    return array


def write_xdmf(path: Path, data: ResultData) -> None:
    """XDMF 3 with its numbers in the file; a collection of grids where there are several times."""
    points, cells = _points(data), _cells(data)
    columns = _columns(data)
    root = Element("Xdmf", Version="3.0")
    domain = SubElement(root, "Domain")
    if data.times is None:
        given = data.attributes.get("time")
        moments = [(0, None if given is None else float(given))]
        parent = domain
    else:
        moments = [(k, float(t)) for k, t in enumerate(data.times)]
        parent = SubElement(
            domain, "Grid", Name=data.title, GridType="Collection", CollectionType="Temporal"
        )
    for number, time in moments:
        grid = SubElement(parent, "Grid", Name=data.title, GridType="Uniform")
        if time is not None:
            SubElement(grid, "Time", Value=repr(time))
        kind = _CELLS[cells.shape[1]][1]
        topology = SubElement(grid, "Topology", TopologyType=kind, NumberOfElements=str(len(cells)))
        if cells.shape[1] < 3:
            topology.set("NodesPerElement", str(cells.shape[1]))
        _xdmf_item(topology, cells)
        geometry = SubElement(grid, "Geometry", GeometryType="XYZ")
        _xdmf_item(geometry, points)
        for name, column in columns.items():
            own = column[number] if column.ndim == 2 else column
            attribute = SubElement(
                grid, "Attribute", Name=name, AttributeType="Scalar", Center="Node"
            )
            _xdmf_item(attribute, own)
        for name, value in data.numbers.items():
            SubElement(
                grid,
                "Information",
                Name=name,
                Value=repr(float(np.atleast_1d(value.values)[number])),
            )
    _write(path, root)


def _xdmf_item(parent: Element, values: NDArray) -> None:
    whole = values.dtype.kind != "f"
    item = SubElement(
        parent, "DataItem", Format="XML", Precision="8",
        DataType="Int" if whole else "Float",
        Dimensions=" ".join(str(n) for n in values.shape),
    )  # fmt: skip
    rows = values.reshape(len(values), -1).tolist()
    item.text = "\n" + "\n".join(" ".join(repr(v) for v in row) for row in rows) + "\n"


def _write(path: Path, root: Element) -> None:
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
