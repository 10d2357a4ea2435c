"""Adaptive samples: probabilities, weights, spread, determinism."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdesl.solvers.samples_adaptive import (
    adaptive_samples,
    inclusion_probabilities,
    morton_order,
)


@st.composite
def draws(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    dimension, size = draw(st.integers(1, 8)), draw(st.integers(1, 60))
    density = generator.random(size) ** draw(st.sampled_from([0, 1, 30, 400]))
    density[generator.random(size) < draw(st.sampled_from([0.0, 0.5, 1.0]))] = 0.0
    count = draw(st.integers(1, size))
    share = draw(st.sampled_from([0.0, 0.3, 0.9, 0.999]))
    return generator.normal(size=(size, dimension)), density, count, share, seed


@given(draws())
def test_points_are_distinct_candidates_with_their_weights(case):
    candidates, density, count, share, seed = case
    probability = inclusion_probabilities(density, count, share)
    assert np.all((probability > 0.0) & (probability <= 1.0))
    assert probability.sum() == pytest.approx(count)
    points, weights = adaptive_samples(density, candidates, count, share, seed)
    assert points.shape == (count, candidates.shape[1])
    numbers = [int(np.flatnonzero((candidates == p).all(axis=1))[0]) for p in points]
    assert len(set(numbers)) == count
    np.testing.assert_allclose(weights, count / (len(candidates) * probability[numbers]))
    # A candidate's probability is at least its share of the uniform part.
    certain = probability == 1.0
    least = (1.0 - share) * (count - certain.sum()) / len(candidates)
    assert np.all(probability[~certain] >= least * (1.0 - 1e-9))
    again, _ = adaptive_samples(density, candidates, count, share, [seed])
    np.testing.assert_array_equal(points, again)


def test_means_are_unbiased_and_better_than_uniform():
    """The mean of a bump over 4,000 candidates from 200 of them, 200 times."""
    generator = np.random.default_rng(1)
    candidates = generator.uniform(-1.0, 1.0, (4000, 2))
    bump = np.exp(-np.sum(candidates**2, axis=1) / 0.1**2)
    deviation = {}
    for share in (0.0, 0.7):
        found = []
        for number in range(200):
            points, weights = adaptive_samples(bump, candidates, 200, share, [5, number])
            value = np.mean(weights * np.exp(-np.sum(points**2, axis=1) / 0.1**2))
            found.append(value / bump.mean() - 1.0)
        deviation[share] = np.std(found)
        assert abs(np.mean(found)) < 4.0 * deviation[share] / np.sqrt(len(found))
    assert deviation[0.7] < 0.2 * deviation[0.0]


def test_points_gather_where_the_density_is():
    candidates = np.random.default_rng(0).uniform(-1.0, 1.0, (20_000, 3))
    near = np.sum((candidates - 0.5) ** 2, axis=1) < 0.1**2
    density = near.astype(float)
    points, weights = adaptive_samples(density, candidates, 1000, 0.05, 3)
    inside = np.sum((points - 0.5) ** 2, axis=1) < 0.1**2
    wanted = inclusion_probabilities(density, 1000, 0.05)[near].sum()
    assert near.sum() < 20
    assert inside.sum() == pytest.approx(wanted, abs=1.5)
    assert weights.mean() == pytest.approx(1.0, abs=0.05)


def test_a_uniform_choice_is_spread_evenly():
    """On a line, systematic sampling leaves no gap of more than two strides."""
    candidates = np.random.default_rng(0).random((1000, 1))
    points, weights = adaptive_samples(np.zeros(1000), candidates, 100, 0.5, 7)
    ranks = np.searchsorted(np.sort(candidates[:, 0]), np.sort(points[:, 0]))
    assert np.diff(ranks).max() <= 20
    np.testing.assert_allclose(weights, 1.0)


def test_order_follows_the_curve():
    corners = np.array([[0.0, 0.0], [0.9, 0.0], [0.0, 0.9], [0.9, 0.9], [0.1, 0.1]])
    order = morton_order(corners, np.zeros(2)).tolist()
    assert abs(order.index(0) - order.index(4)) == 1
    many = np.random.default_rng(0).random((50, 100))
    assert sorted(morton_order(many, np.zeros(100))) == list(range(50))


def test_values_that_are_not_finite_are_looked_at():
    candidates = np.random.default_rng(0).random((100, 1))
    density = np.full(100, 0.01)
    density[3], density[5] = 1.0, np.nan
    points, _ = adaptive_samples(density, candidates, 20, 0.9, 0)
    assert candidates[5] in points


@pytest.mark.parametrize(
    ("density", "count", "share", "words"),
    [
        (np.ones(9), 3, 0.5, "every candidate"),
        (np.ones(10), 11, 0.5, "cannot be kept"),
        (np.ones(10), 3, 1.0, "share"),
        (-np.ones(10), 3, 0.5, "negative"),
    ],
)
def test_what_cannot_be_drawn(density, count, share, words):
    with pytest.raises(ValueError, match=words):
        adaptive_samples(density, np.zeros((10, 2)), count, share, 0)
