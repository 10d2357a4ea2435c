"""How the nodes of a cloud are placed: on a line, in the plane and in space, and above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdesl.lowering.cloud_boundary import thin_out
from pdesl.lowering.cloud_interior import (
    CELLS,
    DEEP,
    LATTICE,
    Candidates,
    choose_along_curve,
    lattice_candidates,
    layer,
    periodic_tree,
    relax,
    spread,
    tree_candidates,
)
from pdesl.symbolic.geometry import BoundarySample, GeometryError, Region, Spacing
from pdesl.symbolic.geometry.pieces import (
    Array,
    evaluate_spacing,
    low_discrepancy,
    low_discrepancy_step,
)
from pdesl.symbolic.geometry.region import line_stretches
from pdesl.symbolic.geometry.sampling import packing, quadrature, scatter

__all__ = [
    "expected_count",
    "fill",
    "first_scale",
    "place_in_many_dimensions",
    "place_in_space",
    "place_on_line",
]

BOUNDARY_SHARE = 0.25  # of the nodes above three dimensions
ATTEMPTS = {2: 8, 3: 5}  # at the scale that gives the number of nodes
MOST_NODES = 20_000_000


# One dimension


def place_on_line(
    region: Region, nodes: int | None, spacing: Spacing | None
) -> tuple[Array, BoundarySample, Spacing]:
    """Even division, in the measure dx/h, of the intervals of a region on the line."""
    sample = quadrature(region.pieces(), 1)
    shape: Spacing = 1.0 if spacing is None else spacing
    whole = len(sample.points) == 0
    tables = []
    for low, high in line_stretches(region):
        x = np.linspace(low, high, 4097)
        density = 1.0 / evaluate_spacing(shape, x[:, None])
        steps = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
        tables.append((x, steps * (x[1] - x[0])))
    lengths = np.array([steps[-1] for _, steps in tables])
    if nodes is None:
        parts = np.maximum(np.round(lengths), 1.0).astype(np.int64)
        scale = 1.0
    else:
        total = nodes if whole else nodes - len(sample.points) + len(tables)
        exact = lengths * max(total, 0) / lengths.sum()
        parts = np.floor(exact).astype(np.int64)
        rest = total - parts.sum()
        parts[np.argsort(parts - exact, kind="stable")[: max(rest, 0)]] += 1
        scale = lengths.sum() / max(total, 1)
    if parts.sum() > MOST_NODES:
        raise GeometryError(f"this spacing needs {parts.sum():.1e} nodes", "E448")
    if (parts < (3 if whole else 2)).any():
        x, _ = tables[int(np.argmin(parts))]
        raise GeometryError(
            f"no node fits between {x[0]:g} and {x[-1]:g} at this number or spacing of nodes",
            code="E449",
            help="use more nodes or a smaller spacing",
        )
    interior = [
        np.interp(np.arange(0 if whole else 1, n) * (steps[-1] / n), steps, x)
        for n, (x, steps) in zip(parts, tables, strict=True)
    ]
    return np.concatenate(interior)[:, None], sample, _scaled(shape, scale)


def _scaled(shape: Spacing, scale: float) -> Spacing:
    if callable(shape):
        return lambda points: scale * np.asarray(shape(points))
    return scale * shape


# Two and three dimensions


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """Boundary and candidates at one scale; `miss` is how far the count is from the natural."""

    spacing: Spacing
    sample: BoundarySample
    candidates: Candidates
    wanted: int
    miss: int


def place_in_space(
    region: Region,
    nodes: int | None,
    spacing: Spacing | None,
    seed: int,
    random: np.random.Generator,
) -> tuple[Array, BoundarySample, Spacing]:
    shape: Spacing = 1.0 if spacing is None else spacing
    scale = 1.0 if nodes is None else first_scale(region, shape, nodes)
    if nodes is None:
        expected = expected_count(region, shape)
        if expected > MOST_NODES:
            raise GeometryError(f"this spacing needs about {expected:.1e} nodes", "E448")
    state = random.bit_generator.state
    best: _Attempt | None = None
    for attempt in range(ATTEMPTS[region.dimension]):
        random.bit_generator.state = state
        h = _scaled(shape, scale)
        sample = region.sample_boundary(h, seed)
        sample = _thinned(region, sample, h, final=nodes is None)
        if callable(h):
            candidates = tree_candidates(region, sample.points, h, random)
        else:
            candidates = lattice_candidates(region, sample.points, h, random)
        natural = _natural_count(region, candidates)
        wanted = natural if nodes is None else nodes - len(sample.points)
        tried = _Attempt(h, sample, candidates, wanted, abs(wanted - natural))
        if best is None or (tried.wanted > 0, -tried.miss) > (best.wanted > 0, -best.miss):
            best = tried
        if nodes is None or _suits(tried, natural, attempt):
            break
        found = max(natural, 1) + len(sample.points)
        scale *= float(np.clip((found / nodes) ** (1.0 / region.dimension), 0.5, 2.0))
    assert best is not None
    h, sample, candidates, wanted = best.spacing, best.sample, best.candidates, best.wanted
    if any(region.periods) and not callable(h) and best.miss > max(1.0, 0.02 * wanted):
        # Whole numbers of rows in periodic directions do not give every number of nodes.
        candidates = tree_candidates(region, sample.points, h, random)
    if nodes is not None:
        # Raises what the search put up with.
        thin_out(region, sample, evaluate_spacing(h, sample.points))
        if callable(h) or (candidates.share == 1.0).all():
            wanted = min(wanted, int(np.sum(candidates.clearance > 0.2)))
    interior, active = _choose_interior(region, candidates, wanted)
    on_lattice = (candidates.share == 1.0).all()
    if len(interior) and not on_lattice:
        interior = spread(interior, sample.points, region, h, candidates)
    repulsion = LATTICE if on_lattice else CELLS
    interior = relax(interior, sample.points, sample.normals, region, h, active, repulsion)
    interior = _uncrowded(region, interior, sample.points, h)
    if len(interior) == 0:
        chosen = "this spacing" if nodes is None else f"{nodes} nodes"
        raise GeometryError(
            f"with {chosen} no node fits inside the region besides those on its boundary",
            code="E449",
            help="use more nodes or a smaller spacing",
        )
    if nodes is not None and abs(len(interior) + len(sample.points) - nodes) > max(1, nodes / 50):
        raise GeometryError(
            f"the region cannot hold {nodes} evenly spaced nodes: "
            f"{len(interior) + len(sample.points)} is the nearest number",
            code="E449",
            help="use more nodes, or choose the spacing instead",
        )
    return interior, sample, h


def _thinned(region: Region, sample: BoundarySample, h: Spacing, *, final: bool) -> BoundarySample:
    """The sample thinned out; a search for a scale may pass one that a gap does not allow."""
    try:
        return thin_out(region, sample, evaluate_spacing(h, sample.points))
    except GeometryError:
        if final:
            raise
        return sample


def _densities(region: Region, shape: Spacing) -> tuple[float, float]:
    """∫ h^-d dV and ∫ h^-(d-1) dA in units of nodes."""
    dimension = region.dimension
    edge = quadrature(region.pieces(), dimension)
    on_edge = float(edge.weights @ evaluate_spacing(shape, edge.points) ** (1.0 - dimension))
    if callable(shape):
        parameters = region.interior_parameters
        points, keep = region.interior_chart(
            low_discrepancy(1 << 15, parameters, np.zeros(parameters))
        )
        local = evaluate_spacing(shape, points[keep])
        share = region.interior_chart_measure / len(keep)
        inside = share * float(np.sum(local**-dimension))
    else:
        inside = region.measure * float(shape) ** -dimension
    return inside / packing(dimension), on_edge / packing(dimension - 1)


def expected_count(region: Region, shape: Spacing) -> float:
    """About how many interior and boundary nodes a spacing gives, without placing any.

    Raises `GeometryError` (E447) for a spacing that is not positive and finite.
    """
    dimension = region.dimension
    if dimension == 1:
        stretches = line_stretches(region)
        parts = [np.linspace(low, high, 4097)[:, None] for low, high in stretches]
        lengths = [np.trapezoid(1.0 / evaluate_spacing(shape, x), x[:, 0]) for x in parts]
        return float(sum(lengths)) + (0 if not region.pieces() else len(stretches))
    if dimension > 3:
        lower, upper = region.bounding_box()
        local = evaluate_spacing(shape, ((lower + upper) / 2.0)[None])[0]
        return float(region.measure / local**dimension)
    # A boundary node takes half a cell, so half of them come on top of the region's content.
    inside, on_edge = _densities(region, shape)
    return inside + on_edge / 2.0


def first_scale(region: Region, shape: Spacing, nodes: int) -> float:
    """The scale s at which inside/s^d + edge/(2 s^(d-1)) is the number of nodes."""
    inside, on_edge = _densities(region, shape)
    dimension = region.dimension
    low, high = 0.0, 1.0
    for grow in (True, False):
        for _ in range(200):
            middle = high if grow else (low + high) / 2.0
            found = inside / middle**dimension + on_edge / 2.0 / middle ** (dimension - 1)
            if grow:
                if found < nodes:
                    break
                high *= 4.0
            elif found > nodes:
                low = middle
            else:
                high = middle
    return high


def _natural_count(region: Region, candidates: Candidates) -> int:
    """How many interior nodes give the same density up to the boundary."""
    return round(float(candidates.share[candidates.clearance > layer(region.dimension)].sum()))


def _suits(tried: _Attempt, natural: int, attempt: int) -> bool:
    """Whether the wanted number of interior nodes is near enough to the natural one.

    The distance kept from the boundary absorbs a difference of a share of the boundary nodes.
    What is near enough grows with the attempts: few nodes cannot have every number.
    """
    absorbed = 0.08 * len(tried.sample.points)
    slack = max(0.01 * 1.5**attempt * natural, absorbed, 1.0 + attempt / 2.0)
    return tried.wanted > 0 and tried.miss <= slack


def _choose_interior(region: Region, candidates: Candidates, wanted: int) -> tuple[Array, Array]:
    """Interior nodes before relaxation, and which of them are to move."""
    if wanted <= 0:
        return candidates.points[:0], np.empty(0, dtype=bool)
    if (candidates.share == 1.0).all():
        deepest = np.argsort(-candidates.clearance, kind="stable")
        if wanted == len(deepest) or candidates.clearance[deepest[wanted]] < DEEP:
            deepest = deepest[:wanted]
            return candidates.points[deepest], candidates.clearance[deepest] < DEEP
        # Without a boundary at which to take the surplus away, it goes everywhere evenly.
        return choose_along_curve(candidates, wanted), np.ones(wanted, dtype=bool)
    keep = candidates.clearance > layer(region.dimension)
    chosen = choose_along_curve(
        Candidates(candidates.points[keep], candidates.clearance[keep], candidates.share[keep]),
        wanted,
    )
    return chosen, np.ones(len(chosen), dtype=bool)


def _uncrowded(region: Region, interior: Array, boundary: Array, h: Spacing) -> Array:
    """The interior nodes without those that relaxation could not part from their neighbours."""
    lower, _ = region.bounding_box()
    periods = np.array(region.periods)
    for _ in range(6):
        everything = np.concatenate([interior, boundary])
        if len(interior) == 0 or len(everything) < 2:
            break
        tree, wrap = periodic_tree(everything, lower, periods)
        distance, index = tree.query(wrap(interior.copy()), k=2, workers=-1)
        near = distance[:, 1] < 0.5 * evaluate_spacing(h, interior)
        if not near.any():
            break
        # Of two interior nodes only one goes.
        partner, own = index[:, 1], np.arange(len(interior))
        mutual = (partner < own) & near[np.minimum(partner, len(interior) - 1)]
        interior = interior[~(near & ~mutual)]
    return interior


# More dimensions


def place_in_many_dimensions(
    region: Region, nodes: int | None, spacing: Spacing | None, random: np.random.Generator
) -> tuple[Array, BoundarySample, Spacing]:
    if callable(spacing):
        raise GeometryError(
            f"a spacing that varies is not possible in {region.dimension} dimensions",
            code="E447",
            help="choose the number of nodes",
        )
    measure = region.measure
    if nodes is None:
        assert spacing is not None
        wished = measure / spacing**region.dimension
        if not 2 <= wished <= MOST_NODES:
            raise GeometryError(
                f"the spacing {spacing:g} gives {wished:.1e} nodes in "
                f"{region.dimension} dimensions",
                code="E449" if wished < 2 else "E448",
                help="choose the number of nodes",
            )
        nodes = round(wished)
    on_edge = round(BOUNDARY_SHARE * nodes) if region.pieces() else 0
    sample = scatter(region.pieces(), region.dimension, on_edge, random) if on_edge else None
    if sample is None or len(sample.points) > on_edge:
        sample = sample or quadrature((), region.dimension)
        some = np.sort(random.permutation(len(sample.points))[:on_edge])
        sample = BoundarySample(
            sample.points[some], sample.normals[some], sample.part[some], sample.weights[some]
        )
    interior = fill(region, nodes - len(sample.points), random)
    return interior, sample, (measure / nodes) ** (1.0 / region.dimension)


def fill(region: Region, count: int, random: np.random.Generator) -> Array:
    """Exactly `count` low-discrepancy points inside a region."""
    parameters = region.interior_parameters
    shift, found, tried, kept = random.random(parameters), 0, 0, []
    stride = (1 << 16) * low_discrepancy_step(parameters)
    uniform = low_discrepancy(1 << 16, parameters, shift)
    while found < count:
        points, keep = region.interior_chart(uniform)
        kept.append(points[keep])
        found, tried = found + int(keep.sum()), tried + len(keep)
        uniform = np.mod(uniform + stride, 1.0)
        if tried > 1 << 24 and found < tried * 1e-4:
            raise GeometryError(
                "hardly any place of its bounding box lies inside the region",
                code="E448",
                help="describe it by shapes that fill their boxes better",
            )
    return np.concatenate(kept)[:count]
