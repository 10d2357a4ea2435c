"""Every mistake in a region or in a request for nodes is refused in plain words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pdesl.codes import CODES
from pdesl.diagnostics import PdeslError
from pdesl.lowering.cloud import Cloud, make_cloud, make_test_points
from pdesl.symbolic.geometry import (
    Annulus,
    Ball,
    Box,
    Curve,
    Difference,
    Disk,
    Ellipse,
    GeometryError,
    Intersection,
    Interval,
    LevelSet,
    Polygon,
    Product,
    Union,
)

UNIT = Disk((0, 0), 1)
SQUARE = Box((0, 0), (1, 1))
NAN = float("nan")


def figure_eight(theta: np.ndarray) -> np.ndarray:
    return np.column_stack([np.sin(2 * theta), np.sin(theta)])


def limacon(theta: np.ndarray) -> np.ndarray:
    radius = 1.0 + 2.0 * np.cos(theta)
    return np.column_stack([radius * np.cos(theta), radius * np.sin(theta)])


def circle(theta: np.ndarray) -> np.ndarray:
    return np.column_stack([np.cos(theta), np.sin(theta)])


WRONG: list[tuple[str, str, Callable[[], object], str]] = [
    ("reversed interval", "E443", lambda: Interval(1, 0), "is not below"),
    ("interval of no length", "E443", lambda: Interval(1, 1), "is not below"),
    ("infinite interval", "E442", lambda: Interval(0, np.inf), "finite"),
    ("reversed box", "E443", lambda: Box((0, 2), (1, 1)), "coordinate 2"),
    ("uneven box", "E441", lambda: Box((0, 0), (1, 1, 1)), "needs 2 numbers, not 3"),
    ("periodicity flags", "E441", lambda: Box((0, 0), (1, 1), (True,)), "2 periodicity flags"),
    ("radius zero", "E442", lambda: Disk((0, 0), 0), "radius of a disk must be positive"),
    ("negative radius", "E442", lambda: Ball((0, 0, 0), -1), "radius of a ball"),
    ("radius NaN", "E442", lambda: Disk((0, 0), NAN), "not nan"),
    ("centre NaN", "E442", lambda: Disk((0, NAN), 1), "centre of a disk must be finite"),
    ("centre in space", "E441", lambda: Disk((0, 0, 0), 1), "needs 2 numbers, not 3"),
    ("ball on the line", "E441", lambda: Ball((0,), 1), "two or more dimensions"),
    ("annulus inside out", "E443", lambda: Annulus((0, 0), 2, 1), "inner radius 2"),
    ("flat ellipse", "E442", lambda: Ellipse((0, 0), (1, 0)), "semi-axis"),
    ("two vertices", "E441", lambda: Polygon(((0, 0), (1, 0))), "3 vertices or more, not 2"),
    ("bow tie", "E444", lambda: Polygon(((0, 0), (1, 1), (1, 0), (0, 1))), "edge 1 and edge 3"),
    ("spike", "E444", lambda: Polygon(((0, 0), (2, 0), (1, 0), (1, 1))), "edge 1 and edge 2"),
    (
        "touching vertex",
        "E444",
        lambda: Polygon(((0, 0), (2, 0), (2, 2), (1, 0), (0, 2))),
        "cross or touch",
    ),
    ("vertex twice", "E444", lambda: Polygon(((0, 0), (1, 0), (1, 0), (0, 1))), "vertices 2 and 3"),
    ("figure eight", "E444", lambda: Curve(figure_eight, 2 * np.pi), "meets itself near"),
    ("limaçon", "E444", lambda: Curve(limacon, 2 * np.pi), "meets itself near"),
    ("open curve", "E444", lambda: Curve(circle, np.pi), "does not close"),
    ("curve twice", "E444", lambda: Curve(circle, 4 * np.pi), "meets itself"),
    ("period", "E442", lambda: Curve(circle, -1.0), "period"),
    ("point curve", "E443", lambda: Curve(lambda t: np.zeros((len(t), 2)), 1.0), "single point"),
    ("curve of a shape", "E441", lambda: Curve(np.sin, 2 * np.pi), "shape (4097,)"),
    (
        "curve with a pole",
        "E442",
        lambda: Curve(lambda t: np.column_stack([np.where(t > 3, NAN, t), t]), 6.0),
        "not finite at the parameter 3",
    ),
    (
        "empty level set",
        "E443",
        lambda: LevelSet(lambda x: x[:, 0] ** 2 + 1.0, (-1, -1), (1, 1)),
        "is not negative anywhere",
    ),
    (
        "empty level set in space",
        "E443",
        lambda: LevelSet(lambda x: x[:, 0] ** 2 + 1.0, (-1,) * 3, (1,) * 3),
        "is not negative anywhere",
    ),
    (
        "level set NaN",
        "E442",
        lambda: LevelSet(lambda x: np.where(x[:, 0] < 0, NAN, 1.0), (-1, -1), (1, 1)),
        "level-set function is not finite",
    ),
    (
        "level set of a shape",
        "E441",
        lambda: LevelSet(lambda x: x, (-1, -1), (1, 1)),
        "one number a point",
    ),
    (
        "flat level set",
        "E445",
        lambda: LevelSet(
            lambda x: x[:, 0], (-1, -1), (1, 1), lambda x: np.zeros_like(x)
        ).sample_boundary(0.1),
        "gradient of the level-set function vanishes",
    ),
    ("disjoint", "E443", lambda: Intersection([UNIT, Disk((5, 0), 1)]), "do not overlap"),
    ("disjoint corners", "E443", lambda: Intersection([UNIT, Disk((1.6, 1.6), 1)]), "is empty"),
    ("all cut away", "E443", lambda: Difference([UNIT, Disk((0, 0), 2)]), "difference is empty"),
    ("itself cut away", "E443", lambda: Difference([UNIT, UNIT]), "difference is empty"),
    ("no regions", "E441", lambda: Union([]), "one region at least"),
    ("no factors", "E441", lambda: Product([]), "one region at least"),
    ("mixed dimensions", "E441", lambda: Union([UNIT, Interval(0, 1)]), "dimensions: 2, 1"),
    (
        "periodic union",
        "E446",
        lambda: Union([Box((0, 0), (1, 1), (True, False)), UNIT]),
        "periodic direction",
    ),
    (
        "hole across a period",
        "E446",
        lambda: Difference([Box((0, 0), (1, 1), (True, False)), Disk((0, 0.5), 0.2)]),
        "crosses the end of a period",
    ),
    ("nothing asked", "E447", lambda: make_cloud(UNIT), "number of nodes or their spacing"),
    (
        "both asked",
        "E447",
        lambda: make_cloud(UNIT, nodes=100, spacing=0.1),
        "cannot both be chosen",
    ),
    ("spacing zero", "E447", lambda: make_cloud(UNIT, spacing=0.0), "positive and finite"),
    ("spacing NaN", "E447", lambda: UNIT.sample_boundary(NAN), "positive and finite"),
    (
        "negative spacing somewhere",
        "E447",
        lambda: make_cloud(UNIT, spacing=lambda x: x[:, 0]),
        "positive and finite",
    ),
    (
        "spacing of a shape",
        "E447",
        lambda: make_cloud(UNIT, spacing=lambda x: x),
        "one number a point",
    ),
    ("ghost distance", "E447", lambda: make_cloud(UNIT, nodes=50, ghost_distance=0.0), "ghost"),
    ("one node", "E449", lambda: make_cloud(UNIT, nodes=1), "too few"),
    ("few nodes", "E449", lambda: make_cloud(SQUARE, nodes=4), "use more nodes"),
    ("two on a line", "E449", lambda: make_cloud(Interval(0, 1), nodes=2), "no node fits between"),
    ("spacing too large", "E449", lambda: make_cloud(UNIT, spacing=5.0), "larger than the region"),
    (
        "no room inside",
        "E449",
        lambda: make_cloud(Box((0, 0), (1, 0.01)), spacing=0.1),
        "no node fits inside",
    ),
    (
        "thin ring",
        "E449",
        lambda: make_cloud(Annulus((0, 0), 0.999, 1), nodes=200),
        "no node fits inside",
    ),
    (
        "slit",
        "E449",
        lambda: make_cloud(Difference([SQUARE, Box((0.3, 0.5), (0.7, 0.501))]), nodes=500),
        "far narrower than the node spacing",
    ),
    (
        "pinhole",
        "E449",
        lambda: make_cloud(Difference([SQUARE, Disk((0.5, 0.5), 1e-4)]), nodes=500),
        "far narrower than the node spacing",
    ),
    ("very fine", "E448", lambda: make_cloud(UNIT, spacing=1e-6), "nodes"),
    ("very many", "E448", lambda: make_cloud(UNIT, nodes=10**9), "too many"),
    ("very fine surface", "E448", lambda: Ball((0,) * 3, 1).sample_boundary(1e-5), "nodes"),
    ("fine line", "E448", lambda: make_cloud(Interval(0, 1), spacing=1e-9), "nodes"),
    (
        "variable spacing in many dimensions",
        "E447",
        lambda: make_cloud(Box((0,) * 5, (1,) * 5), spacing=lambda x: 0.1 + 0.0 * x[:, 0]),
        "5 dimensions",
    ),
    (
        "fine in many dimensions",
        "E448",
        lambda: make_cloud(Box((0,) * 8, (1,) * 8), spacing=0.01),
        "8 dimensions",
    ),
    ("no test points", "E449", lambda: make_test_points(UNIT, 0, 0), "positive"),
]


@pytest.mark.parametrize(
    ("code", "make", "words"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_is_refused(code: str, make: Callable[[], object], words: str) -> None:
    with pytest.raises(GeometryError) as caught:
        make()
    assert caught.value.code == code
    assert words in str(caught.value)
    assert isinstance(caught.value, PdeslError)


def test_every_code_is_explained_and_used() -> None:
    used = {wrong[1] for wrong in WRONG}
    assert used <= set(CODES)
    assert {code for code in CODES if "E441" <= code <= "E449"} == used


INNER = np.random.default_rng(0).uniform(-0.5, 0.5, (30, 2))
OUTER = np.column_stack([np.cos(np.arange(12.0)), np.sin(np.arange(12.0))])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"normals": OUTER[:5]}, "12 boundary nodes have 5 normals"),
        ({"normals": 0.0 * OUTER}, "normal of boundary node 0 is zero"),
        ({"interior": np.where(INNER > 0.4, NAN, INNER)}, "node is not finite"),
        ({"interior": np.concatenate([INNER, INNER[:1]])}, "nodes 0 and 30 are the same point"),
        ({"part": np.ones(12)}, "one integer"),
        ({"part": np.ones(12, dtype=int)}, "1 names are given"),
        ({"ghost": OUTER[:3]}, "3 ghost nodes for 12"),
        ({"interior": INNER[:1], "boundary": OUTER[:0], "normals": OUTER[:0]}, "two nodes"),
    ],
)
def test_arrays_that_are_no_cloud(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"interior": INNER, "boundary": OUTER, "normals": OUTER} | change
    interior, boundary, normals = (arguments.pop(k) for k in ("interior", "boundary", "normals"))
    with pytest.raises(GeometryError, match=words):
        Cloud.from_arrays(interior, boundary, normals, **arguments)


def test_points_of_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        UNIT.level(np.zeros((3, 3)))
