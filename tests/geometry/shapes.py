"""Every kind of region once, with its measures where they are known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    Region,
    Union,
)


@dataclass(frozen=True)
class Case:
    """A region with its exact measure and boundary measure (None where not known)."""

    name: str
    region: Region
    measure: float | None = None
    boundary: float | None = None
    nodes: int = 600


def star(theta: np.ndarray) -> np.ndarray:
    """The star-shaped curve of the DT-PINN paper, r = 1 + (sin 6θ + sin 3θ)/10."""
    radius = 1.0 + 0.1 * (np.sin(6.0 * theta) + np.sin(3.0 * theta))
    return np.column_stack([radius * np.cos(theta), radius * np.sin(theta)])


def torus(x: np.ndarray) -> np.ndarray:
    return (np.hypot(x[:, 0], x[:, 1]) - 1.0) ** 2 + x[:, 2] ** 2 - 0.16


CORNER = ((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2))
ANGLES = np.linspace(0.0, 2.0 * np.pi, 300, endpoint=False)
FACETED = tuple(zip(np.cos(ANGLES), np.sin(ANGLES), strict=True))
SQUARE = Box((0, 0), (1, 1))
STAR_AREA = np.pi * (1.0 + 0.01)  # ∫ r²/2 dθ with orthogonal sines
LENS = 2.0 * (np.arccos(0.4) - 0.4 * np.sqrt(1.0 - 0.16))

CASES = (
    Case("interval", Interval(-1, 2), 3, 2, 50),
    Case("periodic_interval", Interval(0, 22, True), 22, 0, 50),
    Case("two_intervals", Union([Interval(0, 1), Interval(1.5, 3)]), 2.5, 4, 50),
    Case("interval_level", LevelSet(lambda x: np.cos(x[:, 0]), (0,), (7,)), None, None, 60),
    Case("disk", Disk((0, 0), 1), np.pi, 2 * np.pi),
    Case("micrometre_disk", Disk((3e-3, -1e-2), 1e-6), np.pi * 1e-12, 2 * np.pi * 1e-6),
    Case("huge_disk", Disk((4e6, 0), 1e6), np.pi * 1e12, 2 * np.pi * 1e6),
    Case("square", SQUARE, 1, 4),
    Case("channel", Box((0, 0), (10, 1)), 10, 22),
    Case("periodic_channel", Box((0, 0), (2, 1), (True, False)), 2, 4),
    Case("torus", Box((0, 0), (1, 1), (True, True)), 1, 0),
    Case("ellipse", Ellipse((1, 2), (2, 0.5), 0.7), np.pi, None),
    Case("annulus", Annulus((0, 0), 0.5, 1), np.pi * 0.75, 3 * np.pi),
    Case("thin_annulus", Annulus((5, 5), 0.9, 1), np.pi * 0.19, 3.8 * np.pi, 900),
    Case("star", Curve(star, 2 * np.pi), STAR_AREA, None),
    Case("star_clockwise", Curve(lambda t: star(-t), 2 * np.pi), STAR_AREA, None),
    Case("corner", Polygon(CORNER), 3, 8),
    Case("corner_clockwise", Polygon(CORNER[::-1]), 3, 8),
    Case("wedge", Polygon(((0, 0), (3, 0), (0, 0.8))), 1.2, 3.8 + np.hypot(3, 0.8)),
    Case("faceted", Polygon(FACETED), 150 * np.sin(ANGLES[1]), 600 * np.sin(np.pi / 300)),
    Case("oval", LevelSet(lambda x: x[:, 0] ** 4 + x[:, 1] ** 2 - 1, (-1.5,) * 2, (1.5,) * 2)),
    Case("cut_corner", LevelSet(lambda x: x[:, 0] + x[:, 1] - 1.2, (0, 0), (1, 1)), 0.68),
    Case("overlap", Union([Box((0, 0), (2, 1)), Box((0, 0), (1, 2))]), 3, 8),
    Case("touching_boxes", Union([SQUARE, Box((1, 0), (2, 1))]), 2, 6),
    Case("two_disks", Union([Disk((0, 0), 1), Disk((3, 0), 0.7)]), 1.49 * np.pi, 3.4 * np.pi),
    Case("bite", Difference([Disk((0, 0), 1), Disk((1, 0), 0.6)])),
    Case(
        "lens",
        Intersection([Disk((-0.4, 0), 1), Disk((0.4, 0), 1)]),
        LENS,
        4 * np.arccos(0.4),
    ),
    Case(
        "holes",
        Difference([Box((0, 0), (2, 1)), Disk((0.5, 0.5), 0.2), Disk((1.4, 0.4), 0.25)]),
        2 - np.pi * 0.1025,
        6 + 0.9 * np.pi,
    ),
    Case(
        "periodic_hole",
        Difference([Box((0, 0), (2, 1), (True, True)), Disk((1, 0.5), 0.25)]),
        2 - np.pi / 16,
        np.pi / 2,
    ),
    Case("rectangle", Product([Interval(0, 1), Interval(0, 2)]), 2, 6),
    Case("ball", Ball((0, 0, 0), 1), 4 * np.pi / 3, 4 * np.pi),
    Case("cube", Box((0, 0, 0), (1, 1, 1)), 1, 6),
    Case("slab", Box((0, 0, 0), (1, 1, 0.5), (True, True, False)), 0.5, 2),
    Case("shell", Annulus((1, 0, 0), 0.5, 1), 3.5 * np.pi / 3, 5 * np.pi, 1000),
    Case("cylinder", Product([Disk((0, 0), 1), Interval(0, 2)]), 2 * np.pi, 6 * np.pi),
    Case(
        "ring",
        LevelSet(torus, (-1.5, -1.5, -0.5), (1.5, 1.5, 0.5)),
        0.32 * np.pi**2,
        1.6 * np.pi**2,
    ),
    Case(
        "cavity",
        Difference([Box((0, 0, 0), (1, 1, 1)), Ball((0.5, 0.5, 0.5), 0.3)]),
        1 - 0.036 * np.pi,
        6 + 0.36 * np.pi,
        1000,
    ),
    Case("two_balls", Union([Ball((0, 0, 0), 1), Ball((1, 0, 0), 1)]), 2.25 * np.pi, 6 * np.pi),
)
HIGH = (
    Case("box8", Box((-1,) * 8, (1,) * 8), 256, 2048),
    Case("ball6", Ball((0,) * 6, 2), np.pi**3 / 6 * 64, np.pi**3 * 32),
    Case("level5", LevelSet(lambda x: np.sum(x**2, axis=1) - 1, (-1.2,) * 5, (1.2,) * 5)),
    Case("duct4", Product([Disk((0, 0), 1), Box((0, 0), (1, 2))]), 2 * np.pi, 10 * np.pi),
)
PARAMETERS = [(case.name, case) for case in (*CASES, *HIGH)]
