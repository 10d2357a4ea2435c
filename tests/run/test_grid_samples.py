"""Solutions kept on a grid are right between its points, at walls and in corners too."""

from __future__ import annotations

import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.run.grid_samples import on_grid


def _points(*axes: np.ndarray) -> np.ndarray:
    mesh = np.meshgrid(*axes, indexing="ij")
    points = np.stack([m.ravel() for m in mesh], axis=1)
    return points[np.random.default_rng(0).permutation(len(points))]


@pytest.mark.parametrize("counts", [(33, 33), (17, 65), (13, 12, 14)])
def test_values_and_derivatives_near_walls(counts: tuple[int, ...]):
    upper = (2.0, 1.0, 1.5)[: len(counts)]
    points = _points(*(np.linspace(0.0, b, n) for b, n in zip(upper, counts, strict=True)))
    found = on_grid(
        points, np.stack([np.exp(points[:, 0]) * np.cos(points[:, 1])]), [None] * len(counts)
    )
    assert found is not None
    places = np.random.default_rng(1).uniform(0.0, upper, (400, len(counts)))
    places[:200] *= np.where(np.arange(200)[:, None] % len(counts) == np.arange(len(counts)), 0, 1)
    x, y = places[:, 0], places[:, 1]
    rest = (0,) * (len(counts) - 2)
    tight = 1e-6 if len(counts) == 2 else 1e-5
    assert found(places, (0, 0, *rest))[0] == pytest.approx(np.exp(x) * np.cos(y), abs=tight)
    slope = -np.exp(x) * np.sin(y)
    assert found(places, (1, 1, *rest))[0] == pytest.approx(slope, abs=1e3 * tight)


def test_a_periodic_axis_goes_on():
    x, y = np.arange(48) / 48, np.linspace(-1, 1, 20)
    points = _points(x, y)
    values = np.stack([np.sin(2 * np.pi * points[:, 0]) * points[:, 1] ** 3])
    found = on_grid(points, values, [1.0, None])
    assert found is not None
    places = np.array([[0.999, 0.3], [0.001, -1.0], [1.25, 1.0], [-0.25, 1.0]])
    wanted = np.sin(2 * np.pi * places[:, 0]) * places[:, 1] ** 3
    assert found(places, (0, 0))[0] == pytest.approx(wanted, abs=1e-9)


def test_what_is_no_grid_is_none_and_too_high_orders_are_refused():
    grid = _points(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
    assert on_grid(grid[:-1], np.zeros((1, 80)), [None, None]) is None
    assert on_grid(np.random.default_rng(0).uniform(size=(81, 2)), np.zeros((1, 81)), []) is None
    found = on_grid(grid, np.zeros((1, 81)), [None, None])
    assert found is not None
    with pytest.raises(SolverError):
        found(grid, (8, 0))
