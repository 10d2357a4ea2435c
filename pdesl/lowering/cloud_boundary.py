"""Boundary nodes that are not too close to one another, and ghost nodes outside them."""

from __future__ import annotations

import numpy as np

from pdesl.lowering.cloud_interior import periodic_tree
from pdesl.symbolic.geometry import BoundarySample, GeometryError, Region
from pdesl.symbolic.geometry.pieces import Array, format_point

__all__ = ["ghost_nodes", "thin_out"]

TOO_CLOSE = 0.5  # spacings between boundary nodes with the region between them
HOPELESS = 0.2  # spacings across a gap outside the region


def thin_out(region: Region, sample: BoundarySample, h: Array) -> BoundarySample:
    """The sample without nodes that crowd in a sharp corner of the region.

    Of two nodes closer than half a spacing with the region between them one is dropped. Across a
    gap outside the region both are needed, but at the tip of a notch, where neither can have a
    ghost, both go.

    Raises `GeometryError` where such a gap, or a hole, is far narrower than the spacing.
    """
    if len(sample.points) < 2:
        return sample
    lower, _ = region.bounding_box()
    periods = np.array(region.periods)
    tree, wrap = periodic_tree(sample.points, lower, periods)
    count = min(7, len(sample.points))
    distance, index = tree.query(wrap(sample.points), k=count, workers=-1)
    ratio = distance / np.minimum(h[:, None], h[index])
    first, column = np.nonzero((ratio < TOO_CLOSE) & (index != np.arange(len(h))[:, None]))
    second = index[first, column]
    gap = sample.points[second] - sample.points[first]
    for axis in np.nonzero(periods)[0]:
        gap[:, axis] -= periods[axis] * np.round(gap[:, axis] / periods[axis])
    faces = np.sum(gap * sample.normals[first], axis=1) > 0.0
    faces &= np.sum(gap * sample.normals[second], axis=1) < 0.0
    blind = faces & (ratio[first, column] < HOPELESS)
    # How far a node sees along its normal; where regions touch, it may see no outside at all.
    sight = np.full(len(h), np.inf)
    for far in np.array([1.0, 0.6, 0.3, 0.05, 0.005]) * HOPELESS:
        ahead = sample.points + (far * h)[:, None] * sample.normals
        sight[region.contains(ahead)] = far
    np.minimum.at(sight, first[blind], ratio[first, column][blind])
    dropped = np.isfinite(sight)
    _check_gaps(sample, h, sight)
    crowded = ~faces
    for one, two in zip(first[crowded], second[crowded], strict=True):
        if not (dropped[one] or dropped[two]):
            dropped[max(one, two)] = True
    keep = ~dropped
    return BoundarySample(
        sample.points[keep], sample.normals[keep], sample.part[keep], sample.weights[keep]
    )


def _check_gaps(sample: BoundarySample, h: Array, sight: Array) -> None:
    """Refuse a gap or a hole that is too narrow along half of a part, not only at its tip."""
    blind = np.isfinite(sight)
    for part in np.unique(sample.part[blind]):
        mine = np.nonzero(blind & (sample.part == part))[0]
        if len(mine) > np.sum(sample.part == part) / 2.0:
            one = int(mine[0])
            raise GeometryError(
                f"a gap or a hole near {format_point(sample.points[one])} is far narrower than "
                f"the node spacing {h[one]:.3g} there",
                code="E449",
                help=f"use more nodes: a spacing of {2.0 * sight[one] * h[one]:.2g} or less there",
            )


def ghost_nodes(region: Region, points: Array, normals: Array, h: Array, distance: float) -> Array:
    """One node outside the region for each boundary node, at `distance` spacings on its normal.

    Nearer where that is needed: a third of the way over a gap to another part of the boundary,
    and as near as 0.8 of the distance where ghosts of a reentrant corner or a small hole would
    come within half a spacing of each other or of another boundary node. Those that still do
    are pushed apart, off their normals, but stay outside.
    """
    if len(points) == 0:
        return np.empty_like(points)
    reach = np.full(len(points), distance)
    clear = np.ones(len(points), dtype=bool)
    for share in np.arange(1, 37) / 12.0:
        # Walking out along the normals: the first place inside again ends the gap.
        ahead = points + (share * distance * h)[:, None] * normals
        hit = clear & region.contains(ahead)
        reach[hit] = np.minimum(reach[hit], (share - 1.0 / 24.0) * distance / 3.0)
        clear &= ~hit
    if region.dimension <= 3:
        _shrink_conflicts(region, points, normals, h, reach, distance)
    for _ in range(20):
        inside = region.contains(points + (reach * h)[:, None] * normals)
        if not inside.any():
            break
        reach[inside] /= 2.0
    ghosts = points + (reach * h)[:, None] * normals
    if region.dimension in (2, 3):
        ghosts = _spread_ghosts(region, points, ghosts, h, reach, distance)
    return ghosts


def _spread_ghosts(
    region: Region, points: Array, ghosts: Array, h: Array, reach: Array, distance: float
) -> Array:
    """Ghosts that are still too close pushed apart, as in a crease where normals converge."""
    lower, _ = region.bounding_box()
    periods = np.array(region.periods)
    count, wanted = min(6, 2 * len(points)), 0.55 * min(distance, 1.0)
    for _ in range(30):
        everything = np.concatenate([ghosts, points])
        tree, wrap = periodic_tree(everything, lower, periods)
        near, index = tree.query(wrap(ghosts.copy()), k=count, workers=-1)
        near, index = near[:, 1:], index[:, 1:]
        own = index == np.arange(len(points))[:, None] + len(points)
        limit = np.where(own, np.minimum(0.8 * reach, wanted)[:, None], wanted) * h[:, None]
        lack = np.maximum(limit - near, 0.0)
        if not lack.any():
            break
        away = ghosts[:, None] - everything[index]
        for axis in np.nonzero(periods)[0]:
            away[..., axis] -= periods[axis] * np.round(away[..., axis] / periods[axis])
        push = np.divide(lack, near, out=np.zeros_like(lack), where=near > 0.0)
        moved = ghosts + 0.5 * np.einsum("nk,nkd->nd", push, away)
        outside = ~region.contains(moved)
        ghosts = np.where(outside[:, None], moved, ghosts)
    return ghosts


def _shrink_conflicts(
    region: Region, points: Array, normals: Array, h: Array, reach: Array, distance: float
) -> None:
    """Shorten `reach` (n,) in place, step by step, where ghosts come too close."""
    lower, _ = region.bounding_box()
    periods = np.array(region.periods)
    own, closest = np.arange(len(points)), 0.5 * min(distance, 1.0)
    least = np.minimum(0.8 * distance, reach)
    for _ in range(12):
        ghosts = points + (reach * h)[:, None] * normals
        crowded = np.zeros(len(points), dtype=bool)
        for others in (ghosts, points):
            tree, wrap = periodic_tree(others, lower, periods)
            near, index = tree.query(wrap(ghosts.copy()), k=min(3, len(points)), workers=-1)
            near, index = near.reshape(len(points), -1), index.reshape(len(points), -1)
            too_near = (near < closest * h[:, None]) & (index != own[:, None])
            crowded |= too_near.any(axis=1)
        crowded &= reach > least
        if not crowded.any():
            return
        reach[crowded] = np.maximum(0.85 * reach[crowded], least[crowded])
