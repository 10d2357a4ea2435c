"""Level functions, boundaries and measures of every region."""

import numpy as np
import pytest

from pdesl.symbolic.geometry import (
    Annulus,
    Ball,
    Box,
    Curve,
    Difference,
    Disk,
    Ellipse,
    Intersection,
    Interval,
    LevelSet,
    Polygon,
    Product,
    Union,
)
from tests.geometry.shapes import CASES, HIGH, Case, star

ALL = pytest.mark.parametrize("case", [*CASES, *HIGH], ids=lambda case: case.name)
LOW = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
LOOSE = {"ring", "level5"}  # surfaces that are found by throwing needles


def spacing_of(case: Case) -> float:
    region = case.region
    return (region.measure / 400.0) ** (1.0 / region.dimension)


@ALL
def test_boundary_points_are_on_the_boundary_with_outward_normals(case: Case) -> None:
    region = case.region
    sample = region.sample_boundary(spacing_of(case))
    if any(region.periods) and not region.part_names:
        assert len(sample.points) == 0
        return
    assert len(sample.points) > 0
    np.testing.assert_allclose(np.linalg.norm(sample.normals, axis=1), 1.0, rtol=1e-12)
    lower, upper = region.bounding_box()
    rounding = 1e-15 * np.max(np.abs([lower, upper])) / region.size
    assert np.abs(region.level(sample.points)).max() <= (1e-11 + rounding) * region.size
    step = 1e-4 * region.size * sample.normals
    assert (region.level(sample.points + step) > 0.0).all()
    assert (region.level(sample.points - step) < 0.0).all()
    assert not region.contains(sample.points + step).any()
    assert region.contains(sample.points - step).all()


@ALL
def test_normals_are_gradients_of_the_level_function(case: Case) -> None:
    region = case.region
    sample = region.sample_boundary(spacing_of(case))
    step = 1e-6 * region.size
    shifts = step * np.eye(region.dimension)
    gradient = np.column_stack(
        [
            (region.level(sample.points + s) - region.level(sample.points - s)) / (2.0 * step)
            for s in shifts
        ]
    )
    # A signed distance near the boundary: the gradient is the unit normal itself, but for the
    # few points (vertices between facets, edges in many dimensions) beside which it has a kink.
    off = np.abs(gradient - sample.normals).max(axis=1, initial=0.0) > 2e-4
    assert off.sum() <= 0.02 * len(off)


@ALL
def test_parts_are_named_and_found(case: Case) -> None:
    region = case.region
    names = region.part_names
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
    sample = region.sample_boundary(spacing_of(case))
    assert set(sample.part) <= set(range(len(names)))


@ALL
def test_measures_by_quadrature(case: Case) -> None:
    region = case.region
    tolerance = 0.04 if case.name in LOOSE else 5e-3
    if case.measure is not None:
        assert region.measure == pytest.approx(case.measure, rel=tolerance)
    if case.boundary is not None:
        assert region.boundary_measure == pytest.approx(case.boundary, rel=tolerance)
    sample = region.sample_boundary(spacing_of(case))
    assert sample.weights.sum() == pytest.approx(region.boundary_measure, rel=2 * tolerance)
    if case.name not in LOOSE:
        # The normals of a closed boundary integrate to zero.
        total = np.abs(sample.weights @ sample.normals).max()
        assert total <= 0.02 * max(sample.weights.sum(), 1e-300)


@ALL
def test_members_lie_in_the_bounding_box(case: Case) -> None:
    region = case.region
    lower, upper = region.bounding_box()
    random = np.random.default_rng(0)
    points = lower + random.random((4000, region.dimension)) * (upper - lower)
    inside = region.contains(points)
    np.testing.assert_array_equal(inside, region.level(points) < 0.0)
    if case.measure is not None and region.dimension <= 3:
        share = case.measure / float(np.prod(upper - lower))
        assert inside.mean() == pytest.approx(share, abs=4.0 * np.sqrt(0.25 / 4000))
    if not any(region.periods):
        beyond = points + 1.001 * (upper - lower)
        assert not region.contains(beyond).any()
    uniform = random.random((500, region.interior_parameters))
    filled, keep = region.interior_chart(uniform)
    np.testing.assert_array_equal(region.contains(filled[keep]), True)


@LOW
def test_boundary_spacing_is_even(case: Case) -> None:
    region = case.region
    h = spacing_of(case)
    sample = region.sample_boundary(h)
    if region.dimension == 1 or len(sample.points) < 3:
        return
    gaps = np.linalg.norm(sample.points[:, None] - sample.points[None], axis=2)
    nearest = np.sort(gaps, axis=1)[:, 1]
    assert nearest.min() >= 0.1 * h  # at the sharp corner of the wedge
    assert nearest.max() <= 1.25 * h
    expected = region.boundary_measure / h ** (region.dimension - 1)
    packing = 1.0 if region.dimension == 2 else np.sqrt(3.0) / 2.0
    assert len(sample.points) == pytest.approx(expected / packing, rel=0.06)


@LOW
def test_no_boundary_point_on_a_corner(case: Case) -> None:
    corners = {"square": SQUARE_CORNERS, "corner": np.array([(1.0, 1.0), (2.0, 0.0), (0.0, 2.0)])}
    if case.name not in corners:
        return
    h = spacing_of(case)
    points = case.region.sample_boundary(h).points
    for corner in corners[case.name]:
        assert np.linalg.norm(points - corner, axis=1).min() == pytest.approx(h / 2.0, rel=0.2)


SQUARE_CORNERS = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_faces_of_a_box_are_hit_exactly(dimension: int) -> None:
    lower, upper = 0.1 + 0.7 * np.arange(dimension), 1.3 + 0.9 * np.arange(dimension)
    box = Box(tuple(lower), tuple(upper))
    sample = box.sample_boundary(0.3 if dimension < 4 else 1.0)
    for part in range(2 * dimension):
        axis, face = part // 2, (lower, upper)[part % 2]
        mine = sample.points[sample.part == part]
        assert len(mine) > 0
        assert (mine[:, axis] == face[axis]).all()


def test_names_of_parts() -> None:
    assert Interval(0, 1).part_names == ("left", "right")
    assert Box((0, 0), (1, 1)).part_names == ("left", "right", "bottom", "top")
    assert Box((0,) * 3, (1,) * 3).part_names[4:] == ("back", "front")
    assert Box((0,) * 4, (1,) * 4).part_names[:2] == ("axis1_lower", "axis1_upper")
    assert Box((0, 0), (1, 1), (True, False)).part_names == ("bottom", "top")
    assert Annulus((0, 0), 1, 2).part_names == ("inner", "outer")
    assert Polygon(((0, 0), (1, 0), (0, 1))).part_names == ("edge1", "edge2", "edge3")
    assert Ball((0, 0, 0), 1).part_names == ("sphere",)
    assert Disk((0, 0), 1).part_names == Ball((0, 0), 1).part_names == ("circle",)
    holes = Difference([Box((0, 0), (2, 1)), Disk((0.5, 0.5), 0.2), Disk((1.4, 0.4), 0.25)])
    assert holes.part_names[4:] == ("region2_circle", "region3_circle")
    can = Product([Disk((0, 0), 1), Interval(0, 2)])
    assert can.part_names == ("circle", "left", "right")


def test_edges_of_a_polygon_keep_their_numbers_in_both_orientations() -> None:
    square = ((0, 0), (1, 0), (1, 1), (0, 1))
    for vertices, bottom in ((square, 0), (square[::-1], 2)):
        sample = Polygon(vertices).sample_boundary(0.1)
        mine = sample.points[sample.part == bottom]
        assert len(mine) == 10
        assert (mine[:, 1] == 0.0).all()


def test_level_functions_measure_distance() -> None:
    x = np.array([[3.0, 0.0], [0.0, 0.0], [0.25, 0.0]])
    np.testing.assert_allclose(Disk((0, 0), 1).level(x), [2.0, -1.0, -0.75])
    np.testing.assert_allclose(Annulus((0, 0), 0.5, 1).level(x), [2.0, 0.5, 0.25])
    np.testing.assert_allclose(Box((0, -1), (1, 1)).level(x), [2.0, 0.0, -0.25])
    diamond = Polygon(((1, 0), (0, 1), (-1, 0), (0, -1)))
    np.testing.assert_allclose(diamond.level(x[1:2]), [-np.sqrt(0.5)])
    np.testing.assert_allclose(Ellipse((0, 0), (2, 1)).level(x[1:2]), [-1.0])


def test_a_curve_measures_distance_like_the_disk_that_it_is() -> None:
    def circle(theta: np.ndarray) -> np.ndarray:
        return np.column_stack([2.0 + np.cos(theta), np.sin(theta)])

    curve, disk = Curve(circle, 2 * np.pi), Disk((2, 0), 1)
    points = np.random.default_rng(1).uniform((0, -2), (4, 2), (2000, 2))
    np.testing.assert_allclose(curve.level(points), disk.level(points), atol=1e-5)
    near = np.abs(disk.level(points)) < 0.05
    np.testing.assert_allclose(curve.level(points[near]), disk.level(points[near]), atol=1e-11)


def test_a_curve_with_corners_tells_inside_from_outside() -> None:
    def square(theta: np.ndarray) -> np.ndarray:
        raw = np.column_stack([np.cos(theta), np.sin(theta)])
        return raw / np.abs(raw).max(axis=1, keepdims=True)

    points = np.random.default_rng(2).uniform(-1.5, 1.5, (4000, 2))
    inside = np.abs(points).max(axis=1) < 1.0
    np.testing.assert_array_equal(Curve(square, 2 * np.pi).contains(points), inside)


def test_shapes_do_not_depend_on_where_and_how_large_they_are() -> None:
    small = Curve(lambda t: 1e-6 * star(t), 2 * np.pi).sample_boundary(5e-8)
    large = Curve(lambda t: 1e6 * star(t) + 3e6, 2 * np.pi).sample_boundary(5e4)
    np.testing.assert_allclose(small.points * 1e12 + 3e6, large.points, rtol=1e-7)
    np.testing.assert_allclose(small.normals, large.normals, atol=1e-6)


def test_variable_spacing_along_a_boundary() -> None:
    def spacing(x: np.ndarray) -> np.ndarray:
        return 0.02 + 0.05 * (1.0 + x[:, 0])

    for region in (Disk((0, 0), 1), Box((-1, -1), (1, 1)), Ball((0, 0, 0), 1)):
        factor = 1.0 if region.dimension == 2 else 2.0
        sample = region.sample_boundary(lambda x, f=factor: f * spacing(x))
        gaps = np.linalg.norm(sample.points[:, None] - sample.points[None], axis=2)
        ratio = np.sort(gaps, axis=1)[:, 1] / (factor * spacing(sample.points))
        assert ratio.min() >= 0.5
        assert ratio.max() <= 1.3
        assert 0.75 <= ratio.mean() <= 1.05


def test_a_level_set_with_a_gradient_and_one_without_agree() -> None:
    def value(x: np.ndarray) -> np.ndarray:
        return np.sum(x**2, axis=1) ** 2 - 1.0

    def gradient(x: np.ndarray) -> np.ndarray:
        return 4.0 * np.sum(x**2, axis=1, keepdims=True) * x

    for dimension in (1, 2, 3):
        box = (-1.4,) * dimension, (1.4,) * dimension
        one = LevelSet(value, *box, gradient).sample_boundary(0.2)
        two = LevelSet(value, *box).sample_boundary(0.2)
        np.testing.assert_allclose(one.points, two.points, atol=1e-8)
        np.testing.assert_allclose(one.normals, two.normals, atol=1e-7)
        np.testing.assert_allclose(np.linalg.norm(one.points, axis=1), 1.0, atol=1e-12)


def test_a_level_set_that_reaches_its_box_gets_its_faces() -> None:
    region = LevelSet(lambda x: x[:, 0] + x[:, 1] - 1.2, (0, 0), (1, 1))
    assert region.part_names == ("surface", "left", "right", "bottom", "top")
    sample = region.sample_boundary(0.05)
    slanted = sample.points[sample.part == 0]
    np.testing.assert_allclose(slanted.sum(axis=1), 1.2, atol=1e-12)
    assert (sample.points[sample.part == 1][:, 0] == 0.0).all()
    whole = LevelSet(lambda x: x[:, 0] - 5.0, (0, 0), (1, 1))
    assert whole.part_names == ("left", "right", "bottom", "top")


def test_identities_of_set_operations() -> None:
    one, two = Disk((0, 0), 1), Disk((0.7, 0.2), 0.8)
    union, both = Union([one, two]), Intersection([one, two])
    rest, other = Difference([one, two]), Difference([two, one])
    assert union.measure + both.measure == pytest.approx(one.measure + two.measure, rel=1e-4)
    assert rest.measure + both.measure == pytest.approx(one.measure, rel=1e-4)
    total = one.boundary_measure + two.boundary_measure
    assert union.boundary_measure + both.boundary_measure == pytest.approx(total, rel=1e-4)
    points = np.random.default_rng(3).uniform(-1.5, 2.0, (3000, 2))
    a, b = one.contains(points), two.contains(points)
    np.testing.assert_array_equal(union.contains(points), a | b)
    np.testing.assert_array_equal(both.contains(points), a & b)
    np.testing.assert_array_equal(rest.contains(points), a & ~b)
    symmetric = Union([rest, other])
    np.testing.assert_array_equal(symmetric.contains(points), a ^ b)
    assert symmetric.measure == pytest.approx(union.measure - both.measure, rel=1e-3)


def test_a_region_combined_with_itself() -> None:
    disk = Disk((0, 0), 1)
    for same in (Union([disk, disk]), Intersection([disk, disk]), Union([disk])):
        assert same.measure == pytest.approx(np.pi, rel=1e-4)
        assert same.boundary_measure == pytest.approx(2 * np.pi, rel=1e-4)


def test_the_shared_side_of_two_boxes_is_no_boundary() -> None:
    region = Union([Box((0, 0), (1, 1)), Box((1, 0), (2, 1))])
    points = region.sample_boundary(0.05).points
    inner = (np.abs(points[:, 0] - 1.0) < 1e-9) & (points[:, 1] > 0.01) & (points[:, 1] < 0.99)
    assert not inner.any()
    solid = Union([Box((0, 0, 0), (1, 1, 1)), Box((1, 0, 0), (2, 1, 1))])
    assert solid.measure == pytest.approx(2.0, rel=1e-6)
    assert solid.boundary_measure == pytest.approx(10.0, rel=1e-6)


def test_nested_operations_keep_parts_apart() -> None:
    inner = Intersection([Disk((1, 0.5), 0.3), Box((0.8, 0), (2, 1))])
    region = Difference([Union([Box((0, 0), (2, 1)), Disk((2, 0.5), 0.5)]), inner])
    assert region.measure == pytest.approx(2 + np.pi / 8 - inner.measure, rel=1e-3)
    sample = region.sample_boundary(0.02)
    flat = sample.points[sample.part == region.part_names.index("region2_left")]
    assert len(flat) > 0
    assert (flat[:, 0] == 0.8).all()


def test_the_same_seed_gives_the_same_bits() -> None:
    for region in (Ball((0, 0, 0), 1), Product([Disk((0, 0), 1), Interval(0, 1)])):
        one, two = region.sample_boundary(0.2, seed=4), region.sample_boundary(0.2, seed=4)
        assert one.points.tobytes() == two.points.tobytes()
        assert one.normals.tobytes() == two.normals.tobytes()
        assert one.points.tobytes() != region.sample_boundary(0.2, seed=5).points.tobytes()
