"""Quality, counts, ghosts and reproducibility of nodes."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import KDTree

from pdesl.lowering.cloud import Cloud, make_cloud, make_test_points
from pdesl.symbolic.geometry import Ball, Box, Disk, Interval, Polygon, Region, Union
from tests.geometry.shapes import CASES, HIGH, Case

ALL = pytest.mark.parametrize("case", [*CASES, *HIGH], ids=lambda case: case.name)
LOW = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cache
def cloud_of(case: Case) -> Cloud:
    return make_cloud(case.region, nodes=case.nodes, seed=3)


def tree_of(region: Region, points: np.ndarray) -> tuple[KDTree, np.ndarray]:
    """A tree over points and their images by the periods, with the index of the original."""
    images, source = points, np.arange(len(points))
    for axis, period in enumerate(region.periods):
        if period:
            shifts = [np.eye(region.dimension)[axis] * s * period for s in (-1, 0, 1)]
            images = np.concatenate([images + s for s in shifts])
            source = np.tile(source, 3)
    return KDTree(images), source


def largest_hole(region: Region, nodes: np.ndarray, h) -> float:
    uniform = np.random.default_rng(9).random((20000, region.interior_parameters))
    points, keep = region.interior_chart(uniform)
    distance = tree_of(region, nodes)[0].query(points[keep])[0]
    local = h(points[keep]) if callable(h) else h
    return float(np.max(distance / local))


@ALL
def test_counts_and_membership(case: Case) -> None:
    region, cloud = case.region, cloud_of(case)
    assert abs(cloud.evaluation_count - case.nodes) <= max(1, 0.01 * case.nodes)
    assert cloud.dimension == region.dimension
    assert cloud.interior_count > 0
    assert region.contains(cloud.interior).all()
    assert len(cloud.normals) == len(cloud.part) == cloud.boundary_count == cloud.ghost_count
    assert len(cloud.spacing) == cloud.evaluation_count
    assert cloud.part_names == region.part_names
    if cloud.boundary_count:
        away = 1e-3 * cloud.spacing[cloud.interior_count :, None] * cloud.normals
        assert region.contains(cloud.boundary - away).all()
        assert not region.contains(cloud.boundary + away).any()


@LOW
def test_nodes_are_quasi_uniform(case: Case) -> None:
    cloud = cloud_of(case)
    h = float(cloud.spacing[0])
    nodes = cloud.evaluation
    tree, _ = tree_of(case.region, nodes)
    nearest = tree.query(nodes, k=2)[0][:, 1] / h
    assert nearest.min() >= 0.5
    assert 0.8 <= nearest.mean() <= 1.02
    assert largest_hole(case.region, nodes, h) <= 1.0


@LOW
def test_ghosts_are_outside_and_apart(case: Case) -> None:
    region, cloud = case.region, cloud_of(case)
    if cloud.boundary_count == 0:
        return
    h = float(cloud.spacing[0])
    assert not region.contains(cloud.ghost).any()
    own = np.linalg.norm(cloud.ghost - cloud.boundary, axis=1) / h
    assert own.min() >= 0.4
    assert own.max() <= 1.6
    assert np.median(own) == pytest.approx(1.0, abs=0.1)
    tree, source = tree_of(region, np.concatenate([cloud.boundary, cloud.ghost]))
    distance, index = tree.query(cloud.ghost, k=3)
    owner, first = source[index], cloud.boundary_count
    mine = np.arange(first)[:, None]
    others = (owner != mine) & (owner != mine + first)
    assert np.where(others, distance, np.inf).min() >= 0.5 * h


@ALL
def test_the_same_seed_gives_the_same_bits(case: Case) -> None:
    again = make_cloud(case.region, nodes=case.nodes, seed=3)
    for name in ("interior", "boundary", "ghost", "normals", "part", "spacing"):
        assert getattr(cloud_of(case), name).tobytes() == getattr(again, name).tobytes()


def test_another_seed_gives_other_nodes() -> None:
    one, two = (make_cloud(Disk((0, 0), 1), nodes=300, seed=seed) for seed in (0, 1))
    assert one.interior.tobytes() != two.interior.tobytes()


@ALL
def test_test_points(case: Case) -> None:
    region = case.region
    points = make_test_points(region, 3000, 3)
    assert len(points) >= 3000
    level = region.level(points)
    on_boundary = np.abs(level) <= 1e-9 * region.size
    inside = region.contains(points)
    assert (inside | on_boundary).all()
    assert inside.sum() > 1000
    if region.part_names:
        assert on_boundary.sum() >= 2
    assert points.tobytes() == make_test_points(region, 3000, 3).tobytes()
    assert points.tobytes() != make_test_points(region, 3000, 4).tobytes() or region.dimension == 0
    assert KDTree(cloud_of(case).interior).query(points[inside])[0].min() > 0.0


@pytest.mark.parametrize("nodes", [12, 20, 45, 101, 1663])
def test_small_and_odd_numbers_of_nodes(nodes: int) -> None:
    for region in (Disk((0, 0), 1), Box((0, 0), (1, 1)), Box((0, 0), (1, 1), (True, True))):
        cloud = make_cloud(region, nodes=nodes)
        assert abs(cloud.evaluation_count - nodes) <= max(1, 0.01 * nodes)


def test_a_given_spacing_is_kept() -> None:
    for region, h in ((Disk((0, 0), 1), 0.07), (Ball((0, 0, 0), 1), 0.2), (Interval(0, 1), 0.1)):
        cloud = make_cloud(region, spacing=h)
        np.testing.assert_array_equal(cloud.spacing, h)
        nearest = KDTree(cloud.evaluation).query(cloud.evaluation, k=2)[0][:, 1]
        assert 0.6 * h <= nearest.min()
        assert nearest.mean() == pytest.approx(0.95 * h, rel=0.07)
    assert make_cloud(Interval(0, 1), spacing=0.1).evaluation_count == 11


@pytest.mark.parametrize(
    "region",
    [
        Disk((0, 0), 1),
        Box((-1, -1), (1, 1)),
        Polygon(((-1, -1), (1, -1), (1, 0), (0, 0), (0, 1), (-1, 1))),
        Box((-1, -1, -1), (1, 1, 1)),
        Ball((0, 0, 0), 1),
        Interval(-1, 1),
    ],
    ids=["disk", "square", "corner", "cube", "ball", "interval"],
)
def test_variable_spacing_is_honoured(region: Region) -> None:
    def shape(x: np.ndarray) -> np.ndarray:
        return 1.0 + 4.0 * np.linalg.norm(x - 0.3, axis=1)

    cloud = make_cloud(region, nodes=1200, spacing=shape)
    assert abs(cloud.evaluation_count - 1200) <= 12
    nodes = cloud.evaluation
    scale = cloud.spacing[0] / shape(nodes[:1])[0]
    np.testing.assert_allclose(cloud.spacing, scale * shape(nodes), rtol=1e-12)
    ratio = KDTree(nodes).query(nodes, k=2)[0][:, 1] / cloud.spacing
    assert ratio.min() >= 0.4
    assert 0.75 <= ratio.mean() <= 1.02
    assert largest_hole(region, nodes, lambda x: scale * shape(x)) <= 1.1
    again = make_cloud(region, spacing=lambda x: scale * shape(x))
    assert again.evaluation_count == pytest.approx(1200, rel=0.05)


def test_nodes_are_sorted_along_a_curve() -> None:
    cloud = make_cloud(Disk((0, 0), 1), nodes=4000)
    jumps = np.linalg.norm(np.diff(cloud.interior, axis=0), axis=1)
    assert np.median(jumps) <= 1.5 * cloud.spacing[0]
    assert jumps.mean() <= 3.0 * cloud.spacing[0]


def test_order_of_the_groups() -> None:
    cloud = make_cloud(Disk((0, 0), 1), nodes=200)
    first, second = cloud.interior_count, cloud.evaluation_count
    assert (cloud.points[:first] == cloud.interior).all()
    assert (cloud.points[first:second] == cloud.boundary).all()
    assert (cloud.points[second:] == cloud.ghost).all()
    assert (cloud.points[:second] == cloud.evaluation).all()


def test_ghosts_on_demand() -> None:
    region = Disk((0, 0), 1)
    bare = make_cloud(region, nodes=200, ghost=False)
    assert bare.ghost_count == 0
    assert bare.points.shape == (200, 2)
    near = make_cloud(region, nodes=200, ghost_distance=0.25)
    distance = np.linalg.norm(near.ghost - near.boundary, axis=1)
    np.testing.assert_allclose(distance, 0.25 * near.spacing[0], rtol=1e-9)


def test_a_mirror_image_of_a_union_that_is_apart_gets_nodes_in_both() -> None:
    cloud = make_cloud(Union([Disk((-2, 0), 1), Disk((2, 0), 1)]), nodes=500)
    left = int((cloud.evaluation[:, 0] < 0).sum())
    assert left == pytest.approx(250, abs=15)


def test_periodic_images() -> None:
    cloud = make_cloud(Box((0, 0), (1, 1), (True, True)), nodes=100)
    images, source = cloud.periodic_images(0.2)
    assert len(images) == len(source)
    shift = images - cloud.points[source]
    np.testing.assert_allclose(shift, np.round(shift), atol=1e-12)
    assert (np.abs(shift).max(axis=1) > 0.5).all()
    whole = np.concatenate([cloud.points, images])
    # Every node sees all its periodic neighbours within the reach.
    tree, _ = tree_of(Box((0, 0), (1, 1), (True, True)), cloud.points)
    for centre in cloud.points:
        within = KDTree(whole).query_ball_point(centre, 0.15, return_length=True)
        assert within == tree.query_ball_point(centre, 0.15, return_length=True)
    assert len(make_cloud(Disk((0, 0), 1), nodes=50).periodic_images(0.5)[0]) == 0


def test_a_cloud_from_arrays() -> None:
    made = make_cloud(Disk((0, 0), 1), nodes=400)
    cloud = Cloud.from_arrays(
        made.interior, made.boundary, 3.0 * made.normals, part=made.part, part_names=("circle",)
    )
    assert (cloud.interior == made.interior).all()
    np.testing.assert_allclose(cloud.normals, made.normals, atol=1e-15)
    np.testing.assert_allclose(cloud.spacing, made.spacing, rtol=0.25)
    assert cloud.ghost_count == cloud.boundary_count
    assert (np.linalg.norm(cloud.ghost, axis=1) > 1.0).all()
    given = Cloud.from_arrays(made.interior, made.boundary, made.normals, ghost=made.ghost)
    assert (given.ghost == made.ghost).all()
    assert given.part_names == ("boundary",)
    without = Cloud.from_arrays(made.interior, made.boundary, made.normals, ghost=False)
    assert without.ghost_count == 0
