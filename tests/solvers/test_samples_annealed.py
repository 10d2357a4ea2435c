"""Annealed samples: where the density is, what their weights estimate, determinism."""

from __future__ import annotations

import numpy as np
import pytest

from pdesl.solvers.samples_annealed import annealed_samples

WIDTH, CENTER, DIMENSION = 0.15, 0.2, 12


def density(points: np.ndarray) -> np.ndarray:
    return np.exp(-np.sum((points - CENTER) ** 2, axis=1) / (2 * WIDTH**2))


def inside(points: np.ndarray) -> np.ndarray:
    return np.all(np.abs(points) < 1.0, axis=1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    start = np.random.default_rng(seed).uniform(-1.0, 1.0, (2000, DIMENSION))
    return annealed_samples(density, start, inside, 0.8, seed)


def test_a_bump_in_many_dimensions_is_found_and_weighed():
    """The bump fills 2e-9 of the box: of uniform points none is near it."""
    points, weights = drawn(0)
    assert inside(points).all()
    near = points[:1600]
    assert abs(near.mean() - CENTER) < 0.01
    assert near.std() == pytest.approx(WIDTH, rel=0.06)
    # ∫ x₁² g / ∫ g over the box, from all points and their weights.
    own = weights * density(points)
    second = np.sum(own * points[:, 0] ** 2) / np.sum(own)
    assert second == pytest.approx(CENTER**2 + WIDTH**2, rel=0.1)
    # The mean of g over the box itself, to within the noise of a product of twenty means.
    whole = (WIDTH * np.sqrt(2 * np.pi) / 2) ** DIMENSION
    assert np.mean(own) == pytest.approx(whole, rel=0.7)


def test_the_same_key_gives_the_same_points():
    first, second, other = drawn(1), drawn(1), drawn(2)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_points_of_a_periodic_coordinate_stay_in_their_period():
    start = np.random.default_rng(0).uniform(1.0, 3.0, (800, 1))
    points, weights = annealed_samples(
        lambda x: np.exp(20 * np.cos(np.pi * (x[:, 0] - 1.0))), start,
        lambda x: np.ones(len(x), dtype=bool), 0.9, 3, periods=[2.0], lower=[1.0],
    )  # fmt: skip
    assert points.min() >= 1.0
    assert points.max() <= 3.0
    # The density peaks where the period closes, on both of its sides.
    assert 0.3 < np.mean(points[:720] < 2.0) < 0.7
    assert np.all(weights > 0.0)


def test_a_density_of_zeros_leaves_uniform_points():
    start = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 2))
    points, weights = annealed_samples(
        lambda x: np.zeros(len(x)), start, inside, 0.5, 0
    )  # fmt: skip
    assert np.array_equal(points, start)
    assert np.all(weights == 1.0)
