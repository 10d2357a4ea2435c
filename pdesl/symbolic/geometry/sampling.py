"""Quasi-uniform points on the pieces of a boundary.

Arcs are divided evenly in the measure ds/h, with half a step at their ends. Patches are first
covered by many points uniform in area, on which Lloyd's iteration spreads the nodes; they are
projected to the surface at the end. So the nodes of a patch keep half a spacing from its edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdesl.symbolic.geometry.pieces import (
    Arc,
    Array,
    BoundarySample,
    EndPoint,
    GeometryError,
    Patch,
    Piece,
    Spacing,
    evaluate_spacing,
    low_discrepancy,
    low_discrepancy_step,
)

__all__ = ["morton_order", "packing", "quadrature", "sample_pieces", "scatter"]

TABLE = 1024  # intervals in the arc-length table of an arc, at least
CANDIDATES = 20  # points of a patch for each node that is chosen among them
FEWEST = 2048  # points of a patch that gets nodes of its own, at least
LLOYD_STEPS = 12
OVERRELAXATION = 1.8
SEPARATIONS = 12
CLOSE = 0.75  # spacings
MOST_POINTS = 40_000_000


def packing(dimension: int) -> float:
    """Volume that a node takes in units of h^d when nodes lie evenly at distance h.

    Hexagonal lattice in the plane, body-centred cubic lattice in space, cubic above.
    """
    return {1: 1.0, 2: np.sqrt(3.0) / 2.0, 3: 4.0 / np.sqrt(27.0)}.get(dimension, 1.0)


def sample_pieces(
    pieces: Sequence[Piece], dimension: int, spacing: Spacing, seed: int
) -> BoundarySample:
    """Points at a spacing on all the pieces of a boundary in `dimension` coordinates."""
    if not callable(spacing):
        evaluate_spacing(spacing, np.zeros((1, dimension)))
    samples = [_sample_end_points([p for p in pieces if isinstance(p, EndPoint)])]
    samples += _sample_arcs([p for p in pieces if isinstance(p, Arc)], spacing)
    samples += _sample_patches([p for p in pieces if isinstance(p, Patch)], spacing, seed)
    return _join(samples, dimension)


def quadrature(pieces: Sequence[Piece], dimension: int) -> BoundarySample:
    """Fine points on a boundary whose weights integrate over it."""
    samples = [_sample_end_points([p for p in pieces if isinstance(p, EndPoint)])]
    for piece in pieces:
        if isinstance(piece, Arc):
            intervals = 1 if piece.straight else TABLE
            ends = np.linspace(0.0, 1.0, intervals + 1)
            middle = (ends[1:] + ends[:-1]) / 2.0
            lengths = np.linalg.norm(np.diff(piece.position(ends), axis=0), axis=1)
            part = np.full(intervals, piece.part)
            samples.append(
                BoundarySample(piece.position(middle), piece.normal(middle), part, lengths)
            )
        elif isinstance(piece, Patch):
            # A chart that hits its surface rarely needs more numbers for the same accuracy.
            few = max(1 << 8, min(1 << 14, (1 << 18) // len(pieces)))
            for count in (few, 16 * few):
                uniform = low_discrepancy(count, piece.parameters, np.zeros(piece.parameters))
                points, normals, keep = piece.chart(uniform)
                if keep.mean() > 0.1:
                    break
            weights = np.full(int(keep.sum()), piece.area / count)
            part = np.full(len(weights), piece.part)
            samples.append(BoundarySample(points[keep], normals[keep], part, weights))
    return _join(samples, dimension)


def scatter(
    pieces: Sequence[Piece], dimension: int, count: int, random: np.random.Generator
) -> BoundarySample:
    """About `count` points spread at random, evenly in length or area, over a boundary."""
    whole = quadrature(pieces, dimension)
    total = float(whole.weights.sum())
    samples = [_sample_end_points([p for p in pieces if isinstance(p, EndPoint)])]
    for piece in pieces:
        if isinstance(piece, Arc):
            table = _make_table(piece, total / count)
            number = max(1, round(table.steps[-1]))
            places = (np.arange(number) + random.random()) / number * table.steps[-1]
            s = np.interp(places, table.steps, table.s)
            weights = np.full(number, table.length[-1] / number)
            part = np.full(number, piece.part)
            samples.append(BoundarySample(piece.position(s), piece.normal(s), part, weights))
        elif isinstance(piece, Patch):
            number = max(1, int(np.ceil(count * piece.area / total)))
            shift = random.random(piece.parameters)
            points, normals, keep = piece.chart(low_discrepancy(number, piece.parameters, shift))
            weights = np.full(int(keep.sum()), piece.area / number)
            part = np.full(len(weights), piece.part)
            samples.append(BoundarySample(points[keep], normals[keep], part, weights))
    return _join(samples, dimension)


def _join(samples: Iterable[BoundarySample], dimension: int) -> BoundarySample:
    kept = [sample for sample in samples if len(sample.points)]
    if not kept:
        empty = np.empty((0, dimension))
        return BoundarySample(empty, empty.copy(), np.empty(0, dtype=np.int64), np.empty(0))
    return BoundarySample(
        np.concatenate([sample.points for sample in kept]),
        np.concatenate([sample.normals for sample in kept]),
        np.concatenate([sample.part for sample in kept]).astype(np.int64),
        np.concatenate([sample.weights for sample in kept]),
    )


def _sample_end_points(pieces: Sequence[EndPoint]) -> BoundarySample:
    return BoundarySample(
        np.array([[p.position] for p in pieces]).reshape(-1, 1),
        np.array([[p.normal] for p in pieces]).reshape(-1, 1),
        np.array([p.part for p in pieces], dtype=np.int64),
        np.ones(len(pieces)),
    )


# Arcs


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Along an arc: parameters s, length, and length measured in spacings, from its start."""

    arc: Arc
    s: Array
    length: Array
    steps: Array


def _make_table(arc: Arc, spacing: Spacing) -> _Table:
    # A first table finds how many spacings the arc is long; a second resolves every one of them.
    intervals = 1 if arc.straight and not callable(spacing) else TABLE
    while True:
        s = np.linspace(0.0, 1.0, intervals + 1)
        points = arc.position(s)
        chords = np.linalg.norm(np.diff(points, axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(chords)])
        density = 1.0 / evaluate_spacing(spacing, points)
        steps = np.concatenate([[0.0], np.cumsum(chords * (density[1:] + density[:-1]) / 2.0)])
        if steps[-1] > MOST_POINTS:
            raise GeometryError(
                f"the boundary would need {steps[-1]:.1e} nodes at this spacing",
                code="E448",
                help="use a larger spacing",
            )
        enough = intervals == 1 or intervals >= min(8.0 * steps[-1], 1 << 21)
        if enough:
            return _Table(arc, s, length, steps)
        intervals = int(2 ** np.ceil(np.log2(8.0 * steps[-1])))


def _sample_arcs(arcs: Sequence[Arc], spacing: Spacing) -> list[BoundarySample]:
    samples = []
    run: list[_Table] = []
    for arc in arcs:
        table = _make_table(arc, spacing)
        # Consecutive arcs shorter than a spacing share nodes: a polygon with many small edges
        # must not get one node for each.
        if arc.closed or table.steps[-1] >= 1.0:
            if run:
                samples.append(_divide(run))
                run = []
            samples.append(_divide([table]))
            continue
        if run and not _follows(run[-1].arc, arc, run[-1].length[-1]):
            samples.append(_divide(run))
            run = []
        run.append(table)
        if sum(member.steps[-1] for member in run) >= 8.0:
            samples.append(_divide(run))
            run = []
    if run:
        samples.append(_divide(run))
    return samples


def _follows(first: Arc, second: Arc, length: float) -> bool:
    gap = first.position(np.ones(1)) - second.position(np.zeros(1))
    return bool(np.linalg.norm(gap) <= 1e-6 * length)


def _divide(tables: Sequence[_Table]) -> BoundarySample:
    """Even division, in spacings, of arcs that follow one another."""
    starts = np.cumsum([0.0] + [table.steps[-1] for table in tables])
    count = max(3 if tables[0].arc.closed else 1, round(starts[-1]))
    places = starts[-1] * (np.arange(count) + 0.5) / count
    borders = starts[-1] * np.arange(count + 1) / count
    lengths = np.cumsum([0.0] + [table.length[-1] for table in tables])
    steps = np.concatenate([b + t.steps for b, t in zip(starts, tables, strict=False)])
    length = np.concatenate([b + t.length for b, t in zip(lengths, tables, strict=False)])
    weights = np.diff(np.interp(borders, steps, length))
    owner = np.clip(np.searchsorted(starts, places, side="right") - 1, 0, len(tables) - 1)
    points, normals, part = np.empty((count, 2)), np.empty((count, 2)), np.empty(count, np.int64)
    for k in np.unique(owner):
        table, mine = tables[k], owner == k
        s = np.interp(places[mine] - starts[k], table.steps, table.s)
        if len(tables) > 1:
            # Between facets the normal is ambiguous; a node keeps away from them a little.
            s = np.clip(s, 0.1, 0.9)
        points[mine] = table.arc.position(s)
        normals[mine] = table.arc.normal(s)
        part[mine] = table.arc.part
    return BoundarySample(points, normals, part, weights)


# Patches


def morton_order(points: Array) -> Array:
    """Indices that sort points (n, d) along a space-filling Z curve (Morton 1966)."""
    count, dimension = points.shape
    if count == 0:
        return np.empty(0, dtype=np.int64)
    bits = min(21, 63 // dimension)
    lower = points.min(axis=0)
    extent = float(np.max(points.max(axis=0) - lower))
    scale = (2**bits - 1) / extent if extent > 0.0 else 0.0
    cells = ((points - lower) * scale).astype(np.uint64)
    code = np.zeros(count, dtype=np.uint64)
    for bit in range(bits):
        for axis in range(dimension):
            one = (cells[:, axis] >> np.uint64(bit)) & np.uint64(1)
            code |= one << np.uint64(bit * dimension + axis)
    return np.argsort(code, kind="stable")


@dataclass(frozen=True, slots=True, eq=False)
class _Cover:
    """Candidates on one or several patches, their own patch, and how many nodes they deserve."""

    candidates: BoundarySample
    h: Array
    patch: Array
    wanted: float


def _sample_patches(patches: Sequence[Patch], spacing: Spacing, seed: int) -> list[BoundarySample]:
    random = np.random.default_rng(seed)
    covers = [_cover(patch, k, spacing, random) for k, patch in enumerate(patches)]
    covers = [cover for cover in covers if len(cover.h)]
    # Patches that deserve hardly a node share theirs: the facets of a finely faceted surface.
    small = [cover for cover in covers if cover.wanted < 1.5]
    groups = [cover for cover in covers if cover.wanted >= 1.5]
    if small:
        groups.append(
            _Cover(
                _join([cover.candidates for cover in small], small[0].candidates.points.shape[1]),
                np.concatenate([cover.h for cover in small]),
                np.concatenate([cover.patch for cover in small]),
                sum(cover.wanted for cover in small),
            )
        )
    samples, owners, carry = [], [], 0.0
    for cover in groups:
        count = min(max(int(np.floor(cover.wanted + carry + 0.5)), 1), len(cover.h))
        carry = float(np.clip(carry + cover.wanted - count, -1.0, 1.0))
        sample, owner = _spread(patches, cover, count)
        samples.append(sample)
        owners.append(owner)
    if not samples or samples[0].points.shape[1] != 3:
        return samples
    return [_separate(patches, _join(samples, 3), np.concatenate(owners), spacing)]


def _project(patches: Sequence[Patch], owner: Array, points: Array) -> tuple[Array, Array]:
    """Points on the surfaces of their patches, and the normals there (either way round)."""
    on_surface, normals = np.empty_like(points), np.empty_like(points)
    order = np.argsort(owner, kind="stable")
    for mine in np.split(order, np.nonzero(np.diff(owner[order]))[0] + 1):
        if len(mine):
            on_surface[mine], normals[mine] = patches[int(owner[mine[0]])].project(points[mine])
    return on_surface, normals


def _turned(normals: Array, like: Array) -> Array:
    """Normals turned round where they point against those of `like`."""
    return np.where(np.sum(normals * like, axis=1, keepdims=True) < 0.0, -normals, normals)


def _separate(
    patches: Sequence[Patch], whole: BoundarySample, owner: Array, spacing: Spacing
) -> BoundarySample:
    """The same nodes in space, moved apart along their surfaces where they are too close.

    Mostly over an edge between two patches. No node moves by more than 0.3 spacings, which is
    less than its distance from an edge.
    """
    from scipy.spatial import KDTree

    points, normals = whole.points.copy(), whole.normals.copy()
    if len(points) < 2:
        return whole
    h = evaluate_spacing(spacing, points)
    for _ in range(SEPARATIONS):
        tree: Any = KDTree(points)
        distance, index = tree.query(points, k=min(5, len(points)), workers=-1)
        ratio = distance[:, 1:] / h[:, None]
        moving = np.nonzero(ratio[:, 0] < CLOSE)[0]
        if len(moving) == 0:
            break
        away = points[moving, None] - points[index[moving, 1:]]
        push = np.maximum(CLOSE - ratio[moving], 0.0) / np.maximum(ratio[moving], 1e-3)
        move = 0.5 * np.sum(push[..., None] * away, axis=1)
        move -= np.sum(move * normals[moving], axis=1, keepdims=True) * normals[moving]
        total = points[moving] + move - whole.points[moving]
        length = np.linalg.norm(total, axis=1) / h[moving]
        total *= np.minimum(1.0, 0.3 / np.maximum(length, 1e-300))[:, None]
        points[moving], found = _project(patches, owner[moving], whole.points[moving] + total)
        normals[moving] = _turned(found, normals[moving])
    return BoundarySample(points, normals, whole.part, whole.weights)


def _cover(patch: Patch, number: int, spacing: Spacing, random: np.random.Generator) -> _Cover:
    """Candidates on a patch."""
    shift = random.random(patch.parameters)
    uniform = low_discrepancy(4096 if callable(spacing) else 256, patch.parameters, shift)
    points, normals, keep = patch.chart(uniform)
    if not keep.all() and keep.sum() < 1024:
        uniform = low_discrepancy(1 << 17, patch.parameters, shift)
        points, normals, keep = patch.chart(uniform)
    dimension = points.shape[1]
    if not keep.any():
        empty = BoundarySample(points[:0], normals[:0], np.empty(0, np.int64), np.empty(0))
        return _Cover(empty, np.empty(0), np.empty(0, np.int64), 0.0)
    h = evaluate_spacing(spacing, points[keep])
    power = dimension - 1
    wanted = patch.area / len(keep) / packing(power) * float(np.sum(h**-power))
    finest = float(h.min())
    each = CANDIDATES if dimension == 3 else CANDIDATES // 6
    draws = each * patch.area / packing(power) * finest**-power
    if max(draws, wanted) > MOST_POINTS:
        raise GeometryError(
            f"the boundary would need about {wanted:.1e} nodes, as fine as {finest:.3g}",
            code="E448",
            help="use a larger spacing",
        )
    least = FEWEST if wanted > 1.5 else 32
    draws = max(int(draws), least * len(keep) // int(keep.sum()))
    candidates = _draw_candidates(patch, spacing, random, shift, draws, finest)
    h = evaluate_spacing(spacing, candidates.points)
    wanted = float(candidates.weights @ h**-power) / packing(power)
    return _Cover(candidates, h, np.full(len(h), number), wanted)


def _draw_candidates(
    patch: Patch,
    spacing: Spacing,
    random: np.random.Generator,
    shift: Array,
    draws: int,
    finest: float,
) -> BoundarySample:
    """Points of a patch with the density of the nodes, many times as many."""
    kept = []
    chunk = 1 << 18
    uniform = low_discrepancy(min(draws, chunk), patch.parameters, shift)
    stride = chunk * low_discrepancy_step(patch.parameters)
    for start in range(0, draws, chunk):
        block = uniform[: min(chunk, draws - start)]
        points, normals, keep = patch.chart(block)
        points, normals = points[keep], normals[keep]
        weights = np.full(len(points), patch.area / draws)
        if callable(spacing) and len(points):
            thin = (finest / evaluate_spacing(spacing, points)) ** (points.shape[1] - 1)
            chance = random.random(len(points)) < thin
            weights = weights[chance] / np.minimum(thin[chance], 1.0)
            points, normals = points[chance], normals[chance]
        kept.append(BoundarySample(points, normals, np.full(len(points), patch.part), weights))
        uniform = np.mod(uniform + stride, 1.0)
    return _join(kept, kept[0].points.shape[1])


def _spread(patches: Sequence[Patch], cover: _Cover, count: int) -> tuple[BoundarySample, Array]:
    """`count` nodes spread evenly over what the candidates cover, and the patch of each.

    Lloyd's iteration, over-relaxed, on the candidates with the density h^-(k+2), k = d - 1,
    whose centroidal Voronoi tessellation has the local spacing h (Du, Faber and Gunzburger
    1999, section 6); the candidates' own density is h^-k. The centroids go back to the surface
    at the end. Above three dimensions, where nothing is quasi-uniform, nodes are candidates.
    """
    from scipy.spatial import KDTree

    points = cover.candidates.points
    order = morton_order(points)
    sites = points[order[((np.arange(count) + 0.5) * len(points) / count).astype(np.int64)]]
    mass = cover.h**-2.0
    for _ in range(LLOYD_STEPS if points.shape[1] == 3 else 0):
        owner = KDTree(sites).query(points, workers=-1)[1]
        total = np.bincount(owner, mass, minlength=count)
        filled = total > 0.0
        for axis in range(points.shape[1]):
            centre = np.bincount(owner, mass * points[:, axis], minlength=count)
            centre = np.divide(centre, total, out=sites[:, axis].copy(), where=filled)
            sites[:, axis] += OVERRELAXATION * (centre - sites[:, axis])
    tree: Any = KDTree(points)
    nearest = tree.query(sites, workers=-1)[1]
    patch = cover.patch[nearest]
    on_surface, normals = _project(patches, patch, sites)
    normals = _turned(normals, cover.candidates.normals[nearest])
    # A centroid beyond the patch, as beside a hole, gives way to the nearest candidate.
    stray = np.linalg.norm(on_surface - points[nearest], axis=1) > 0.4 * cover.h[nearest]
    on_surface[stray] = points[nearest[stray]]
    normals[stray] = cover.candidates.normals[nearest[stray]]
    owner = KDTree(on_surface).query(points, workers=-1)[1]
    weights = np.bincount(owner, cover.candidates.weights, minlength=count)
    part = cover.candidates.part[nearest]
    return BoundarySample(on_surface, normals, part, weights), patch
