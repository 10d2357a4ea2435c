"""Interpolants of nodal values: exact on polynomials, of their order, against fresh weights."""

import numpy as np
import pytest

from pdesl.diagnostics import SolverError
from pdesl.lowering.cloud import make_cloud
from pdesl.lowering.interpolant import NodalInterpolant
from pdesl.lowering.rbffd import make_weights
from pdesl.symbolic.geometry import Ball, Box, Disk, Interval

REGIONS = {
    1: Interval(0.0, 2.0),
    2: Disk((0.0, 0.0), 1.0),
    3: Ball((0.0, 0.0, 0.0), 1.0),
}


def places_in(dimension: int, count: int = 300) -> np.ndarray:
    places = np.random.default_rng(3).uniform(-0.5, 0.5, (count, dimension))
    return places + 1.0 if dimension == 1 else places


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_polynomials_are_reproduced_with_their_derivatives(dimension: int):
    cloud = make_cloud(REGIONS[dimension], nodes=60 if dimension == 1 else 600, ghost=True)
    coefficients = np.random.default_rng(1).standard_normal((2, dimension, 4))

    def polynomial(x: np.ndarray, derivative: int = 0) -> np.ndarray:
        """Two cubics, and their derivatives along the first axis."""
        found = []
        for own in coefficients:
            parts = [np.poly1d(c)(x[:, i]) for i, c in enumerate(own)]
            first = np.poly1d(own[0]).deriv(derivative)(x[:, 0]) if derivative else sum(parts)
            found.append(first)
        return np.array(found)

    function = NodalInterpolant(
        cloud.points, polynomial(cloud.points), degree=3, centres=len(cloud.evaluation)
    )
    places = places_in(dimension)
    assert np.abs(function(places) - polynomial(places)).max() < 1e-11
    for derivative, bound in ((1, 1e-10), (2, 1e-8)):
        alpha = (derivative,) + (0,) * (dimension - 1)
        found = function(places, alpha)
        assert np.abs(found - polynomial(places, derivative)).max() < bound


def smooth(x: np.ndarray) -> np.ndarray:
    return np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1])


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_order_of_values_and_gradients(degree: int):
    errors, places = [], places_in(2, 2000)
    counts = (400, 1600, 6400)
    for nodes in counts:
        points = make_cloud(REGIONS[2], nodes=nodes).points
        function = NodalInterpolant(points, smooth(points)[None], degree=degree)
        slope = 3 * np.cos(3 * places[:, 0]) * np.cos(2 * places[:, 1])
        errors.append(
            [
                np.abs(function(places)[0] - smooth(places)).max(),
                np.abs(function(places, (1, 0))[0] - slope).max(),
            ]
        )
    slopes = np.polyfit(np.log(np.sqrt(counts)), np.log(errors), 1)[0]
    assert -slopes[0] > degree + 0.6
    assert -slopes[1] > degree - 0.4


def test_as_accurate_as_a_fresh_interpolant_at_every_place():
    cloud = make_cloud(REGIONS[2], nodes=1663)
    values, places = smooth(cloud.points)[None], places_in(2, 5000)
    function = NodalInterpolant(cloud.points, values, degree=4, centres=len(cloud.evaluation))
    fresh = make_weights(cloud.points, places, [{(0, 0): 1.0}], order=5)
    old = np.einsum("ns,ns->n", values[0][fresh.indices], fresh.values[:, :, 0])
    here = function(places)[0]
    exact = smooth(places)
    assert np.linalg.norm(here - exact) < 2 * np.linalg.norm(old - exact)
    more = NodalInterpolant(cloud.points, values, degree=5, centres=len(cloud.evaluation))
    assert np.linalg.norm(more(places)[0] - exact) < 0.2 * np.linalg.norm(old - exact)


def test_nodes_keep_their_values_and_coefficients_are_kept():
    points = make_cloud(REGIONS[2], nodes=500).points
    values = np.stack([smooth(points), points[:, 0] ** 2])
    function = NodalInterpolant(points, values, degree=4)
    assert np.abs(function(points) - values).max() < 1e-11
    before = function(points[:50] + 1e-3)
    again = NodalInterpolant.rebuild(function.arrays(), degree=4, centres=len(points))
    assert np.array_equal(again(points[:50] + 1e-3), before)
    assert function(np.empty((0, 2))).shape == (2, 0)


def test_periodic_directions_are_met_on_both_sides():
    cloud = make_cloud(Box((0.0, 0.0), (2 * np.pi, 1.0), periodic=(True, False)), nodes=1500)
    function = NodalInterpolant(
        cloud.points, np.sin(cloud.points[:, 0])[None], degree=4, periods=[2 * np.pi, None]
    )
    places = np.array([[0.001, 0.5], [2 * np.pi - 0.001, 0.5], [2 * np.pi + 0.3, 0.2], [-9.0, 0.1]])
    assert np.abs(function(places)[0] - np.sin(places[:, 0])).max() < 1e-5
    again = NodalInterpolant.rebuild(function.arrays(), degree=4, centres=len(cloud.points))
    assert np.array_equal(again(places), function(places))


def test_arguments_that_do_not_fit_are_refused():
    points = make_cloud(REGIONS[2], nodes=300).points
    with pytest.raises(SolverError, match="at least") as caught:
        NodalInterpolant(points[:20], np.zeros((1, 20)), degree=4)
    assert caught.value.code == "E710"
    with pytest.raises(SolverError) as caught:
        NodalInterpolant(points, np.zeros((1, 7)), degree=4)
    assert caught.value.code == "E713"
    function = NodalInterpolant(points, np.zeros((1, len(points))), degree=4)
    for derivative in ((1,), (-1, 0), (9, 9)):
        with pytest.raises(SolverError) as caught:
            function(points, derivative)
        assert caught.value.code == "E713"
    doubled = np.concatenate([points, points[:1]])
    function = NodalInterpolant(doubled, np.zeros((1, len(doubled))), degree=4)
    with pytest.raises(SolverError) as caught:
        function(points[:1])
    assert caught.value.code == "E711"
