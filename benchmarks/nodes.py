"""Quality and speed of node generation, and a comparison of generators.

    python benchmarks/nodes.py [--large]

For every region: seconds (the best of three), nodes, the smallest distance between neighbours
and the largest hole in spacings, and how good the nodes are for RBF-FD of order 3: the largest
and the median Σ|w| h² of the Laplacian's weights (large where a stencil is nearly unusable) and
the root mean square error for a smooth function. The second table compares ways to fill the
disk and the ball: the library's lattice with repulsion, its tree of cells with Lloyd's
iteration (which serves variable spacings), and, written here, Poisson disk sampling (dart
throwing), alone and followed by Lloyd's iteration.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial import KDTree

from pdesl.lowering.cloud import Cloud, make_cloud
from pdesl.lowering.rbffd import laplacian, make_weights
from pdesl.symbolic.geometry import (
    Annulus,
    Ball,
    Box,
    Curve,
    Difference,
    Disk,
    Interval,
    LevelSet,
    Polygon,
    Product,
    Region,
    Spacing,
)
from pdesl.symbolic.geometry.sampling import packing


def star(theta: np.ndarray) -> np.ndarray:
    radius = 1.0 + 0.1 * (np.sin(6.0 * theta) + np.sin(3.0 * theta))
    return np.column_stack([radius * np.cos(theta), radius * np.sin(theta)])


def torus(x: np.ndarray) -> np.ndarray:
    return (np.hypot(x[:, 0], x[:, 1]) - 1.0) ** 2 + x[:, 2] ** 2 - 0.16


def finer(x: np.ndarray) -> np.ndarray:
    """Spacing that grows sevenfold from the middle of the unit disk or ball to its edge."""
    return 1.0 + 6.0 * np.linalg.norm(x, axis=1)


REGIONS: dict[str, tuple[Region, int, Spacing | None]] = {
    "disk": (Disk((0, 0), 1), 1663, None),
    "disk, fine": (Disk((0, 0), 1), 20000, None),
    "disk, variable": (Disk((0, 0), 1), 20000, finer),
    "star": (Curve(star, 2 * np.pi), 2180, None),
    "corner": (Polygon(((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2))), 2000, None),
    "annulus": (Annulus((0, 0), 0.5, 1), 2000, None),
    "holes": (
        Difference([Box((0, 0), (2, 1)), Disk((0.5, 0.5), 0.2), Disk((1.4, 0.4), 0.25)]),
        2000,
        None,
    ),
    "ball": (Ball((0, 0, 0), 1), 5000, None),
    "ball, variable": (Ball((0, 0, 0), 1), 5000, finer),
    "cube": (Box((0, 0, 0), (1, 1, 1)), 5000, None),
    "cylinder": (Product([Disk((0, 0), 1), Interval(0, 2)]), 5000, None),
    "torus": (LevelSet(torus, (-1.5, -1.5, -0.5), (1.5, 1.5, 0.5)), 5000, None),
}
LARGE: dict[str, tuple[Region, int, Spacing | None]] = {
    "disk, 100,000": (Disk((0, 0), 1), 100_000, None),
    "star, 100,000": (Curve(star, 2 * np.pi), 100_000, None),
    "disk, variable, 100,000": (Disk((0, 0), 1), 100_000, finer),
    "cube, 100,000": (Box((0, 0, 0), (1, 1, 1)), 100_000, None),
}


def hole(region: Region, nodes: np.ndarray, spacing: Callable[[np.ndarray], np.ndarray]) -> float:
    uniform = np.random.default_rng(1).random((100_000, region.interior_parameters))
    points, keep = region.interior_chart(uniform)
    distance = np.asarray(KDTree(nodes).query(points[keep], workers=-1)[0])
    return float(np.max(distance / spacing(points[keep])))


def suitability(
    points: np.ndarray, centres: np.ndarray, h: np.ndarray
) -> tuple[float, float, float]:
    """Largest and median Σ|w| h², and the error, of the Laplacian at order 3."""
    some = np.random.default_rng(2).permutation(len(centres))[:3000]
    dimension = points.shape[1]
    weights = make_weights(points, centres[some], [laplacian(dimension)], order=3)
    values = weights.values[:, :, 0]
    sizes = np.sum(np.abs(values), axis=1) * h[some] ** 2
    exact = -4.0 * dimension * np.prod(np.sin(2.0 * centres[some] + 1.0), axis=1)
    field = np.prod(np.sin(2.0 * points + 1.0), axis=1)
    error = np.sum(values * field[weights.indices], axis=1) - exact
    return float(sizes.max()), float(np.median(sizes)), float(np.sqrt(np.mean(error**2)))


def report(name: str, region: Region, cloud: Cloud, seconds: float) -> None:
    nodes, h = cloud.evaluation, cloud.spacing
    scale = h[0] / finer(nodes[:1])[0]
    varies = np.ptp(h) > 0.0
    nearest = np.asarray(KDTree(nodes).query(nodes, k=2)[0])[:, 1] / h
    gap = hole(region, nodes, lambda x: scale * finer(x) if varies else np.full(len(x), h[0]))
    largest, middle, error = suitability(cloud.points, nodes, h)
    print(
        f"{name:26s}{len(nodes):8,d}{cloud.boundary_count:7,d}{seconds:9.2f}{nearest.min():8.2f}"
        f"{nearest.mean():7.2f}{gap:7.2f}{largest:10.1f}{middle:8.1f}{error:10.1e}",
        flush=True,
    )


def timed(make: Callable[[], Cloud], repetitions: int = 3) -> tuple[Cloud, float]:
    best, made = np.inf, None
    for _ in range(repetitions):
        start = time.perf_counter()
        made = make()
        best = min(best, time.perf_counter() - start)
    assert made is not None
    return made, best


def thrown(region: Region, like: Cloud, lloyd: int) -> Cloud:
    """Poisson disk sampling of the inside: places in random order, each kept if it has room."""
    h, random = float(like.spacing[0]), np.random.default_rng(0)
    count = int(40 * like.interior_count)
    points, keep = region.interior_chart(random.random((count, region.interior_parameters)))
    points = points[keep]
    places = points
    points = points[np.asarray(KDTree(like.boundary).query(points)[0]) > 0.7 * h]
    near = KDTree(points).query_ball_point(points, 0.78 * h, workers=-1)
    kept, free = [], np.ones(len(points), dtype=bool)
    for k in range(len(points)):
        if free[k]:
            kept.append(k)
            free[near[k]] = False
    interior = points[kept]
    for _ in range(lloyd):
        owner = np.asarray(KDTree(np.concatenate([interior, like.boundary])).query(places)[1])
        size = np.bincount(owner, minlength=len(interior) + len(like.boundary))[: len(interior)]
        for axis in range(points.shape[1]):
            total = np.bincount(owner, places[:, axis], minlength=len(interior))[: len(interior)]
            interior[:, axis] = np.where(size > 0, total / np.maximum(size, 1), interior[:, axis])
    spacing = (region.measure / packing(like.dimension) / len(interior)) ** (1.0 / like.dimension)
    return Cloud(
        interior,
        like.boundary,
        like.ghost,
        like.normals,
        like.part,
        like.part_names,
        np.full(len(interior) + like.boundary_count, min(h, spacing)),
        like.periods,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--large", action="store_true", help="also 100,000 nodes")
    large = parser.parse_args().large
    heads = ("nodes", "edge", "seconds", "min/h", "mean", "hole", "max Σ|w|", "median", "error")
    widths = (8, 7, 9, 8, 7, 7, 10, 8, 10)
    title = " " * 26 + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True))
    print(title)
    for name, (region, nodes, spacing) in (REGIONS | (LARGE if large else {})).items():
        cloud, seconds = timed(
            lambda r=region, n=nodes, s=spacing: make_cloud(r, nodes=n, spacing=s)
        )
        report(name, region, cloud, seconds)
    print("\nGenerators\n" + title)
    for name, region, nodes in (
        ("disk", Disk((0, 0), 1), 5000),
        ("ball", Ball((0, 0, 0), 1), 5000),
    ):
        made, seconds = timed(lambda r=region, n=nodes: make_cloud(r, nodes=n))
        report(f"{name}, lattice", region, made, seconds)
        h = float(made.spacing[0])
        tree, seconds = timed(
            lambda r=region, s=h: make_cloud(r, spacing=lambda x: np.full(len(x), s))
        )
        report(f"{name}, tree and Lloyd", region, tree, seconds)
        darts, seconds = timed(lambda r=region, m=made: thrown(r, m, 0), 1)
        report(f"{name}, darts", region, darts, seconds)
        darts, seconds = timed(lambda r=region, m=made: thrown(r, m, 20), 1)
        report(f"{name}, darts and Lloyd", region, darts, seconds)


if __name__ == "__main__":
    main()
