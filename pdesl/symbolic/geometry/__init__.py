"""Numeric regions: level functions, bounding boxes, named boundary parts, boundary samples."""

from pdesl.symbolic.geometry.combine import Difference, Intersection, Product, Union
from pdesl.symbolic.geometry.curves import Curve, Polygon
from pdesl.symbolic.geometry.graph import Graph, read_graph
from pdesl.symbolic.geometry.levelset import LevelSet
from pdesl.symbolic.geometry.pieces import BoundarySample, GeometryError, Spacing
from pdesl.symbolic.geometry.point import Point
from pdesl.symbolic.geometry.region import Region
from pdesl.symbolic.geometry.shapes import Annulus, Ball, Box, Disk, Ellipse, Interval

__all__ = [
    "Annulus",
    "Ball",
    "BoundarySample",
    "Box",
    "Curve",
    "Difference",
    "Disk",
    "Ellipse",
    "GeometryError",
    "Graph",
    "Intersection",
    "Interval",
    "LevelSet",
    "Point",
    "Polygon",
    "Product",
    "Region",
    "Spacing",
    "Union",
    "read_graph",
]
