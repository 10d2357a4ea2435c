"""Parts of boundary pieces on which a condition holds, and which way their normals point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pdesl.symbolic.geometry.pieces import Arc, Array, EndPoint, Patch, Piece

__all__ = ["clip_piece"]

SAMPLES = 1024  # places on an arc at which the condition is looked at
BISECTIONS = 52


def clip_piece(piece: Piece, sign: Callable[[Array, Array], Array]) -> list[Piece]:
    """What is left of a piece where `sign(points, normals)` is not 0.

    A sign of -1 turns the normal round. Arcs are cut at the places where the sign changes,
    found by bisection; patches get a mask. Stretches shorter than 1/1000 of an arc may be missed.
    """
    if isinstance(piece, EndPoint):
        value = float(sign(np.array([[piece.position]]), np.array([[piece.normal]]))[0])
        return [replace(piece, normal=value * piece.normal)] if value else []
    if isinstance(piece, Arc):
        return list(_clip_arc(piece, sign))
    return [_clip_patch(piece, sign)]


def _clip_patch(patch: Patch, sign: Callable[[Array, Array], Array]) -> Patch:
    def chart(uniform: Array) -> tuple[Array, Array, Array]:
        points, normals, keep = patch.chart(uniform)
        keep = keep.copy()
        value = sign(points[keep], normals[keep])
        normals[keep] *= value[:, None]
        keep[keep] = value != 0.0
        return points, normals, keep

    return replace(patch, chart=chart)


def _clip_arc(arc: Arc, sign: Callable[[Array, Array], Array]) -> list[Arc]:
    def at(s: Array) -> Array:
        inner = np.mod(s, 1.0) if arc.closed else s
        return sign(arc.position(inner), arc.normal(inner))

    places = (np.arange(SAMPLES) + 0.5) / SAMPLES
    values = at(places)
    if (values == values[0]).all():
        if values[0] == 0.0:
            return []
        return [arc if values[0] > 0.0 else _sub_arc(arc, 0.0, 1.0, -1.0)]
    following = np.append(places[1:], places[0] + 1.0) if arc.closed else places[1:]
    next_values = np.roll(values, -1) if arc.closed else values[1:]
    change = np.nonzero(values[: len(next_values)] != next_values)[0]
    low, high, before = places[change], following[change].copy(), values[change]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        same = at(middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    cuts = (low + high) / 2.0
    after = next_values[change]
    if arc.closed:
        stretches = zip(cuts, np.append(cuts[1:], cuts[0] + 1.0), after, strict=True)
    else:
        stretches = zip(
            np.concatenate([[0.0], cuts]),
            np.concatenate([cuts, [1.0]]),
            np.concatenate([values[:1], after]),
            strict=True,
        )
    return [_sub_arc(arc, float(a), float(b), float(v)) for a, b, v in stretches if v != 0.0]


def _sub_arc(arc: Arc, start: float, end: float, sign: float) -> Arc:
    whole = start == 0.0 and end == 1.0

    def inner(t: Array) -> Array:
        s = t if whole else start + t * (end - start)
        return np.mod(s, 1.0) if arc.closed and not whole else s

    return Arc(
        lambda t: arc.position(inner(t)),
        lambda t: sign * arc.normal(inner(t)),
        arc.part,
        closed=arc.closed and whole,
        straight=arc.straight,
    )
