"""Hyperviscosity: spectra without and with it, what it leaves alone, its order, its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import expm_multiply

from pdesl.diagnostics import SolverError
from pdesl.lowering.cloud import make_cloud
from pdesl.lowering.hyperviscosity import hyperviscosity
from pdesl.lowering.rbffd import make_weights, to_csr, total_degree
from pdesl.symbolic.geometry import Annulus, Box, Disk, Region

REGIONS: dict[str, Region] = {
    "disk": Disk((0, 0), 1),
    "annulus": Annulus((0, 0), 0.5, 1),
    "periodic box": Box((0, 0), (1, 1), (True, True)),
}


def advection(name: str, nodes: int, order: int):
    """Nodes, velocities, periods and the matrix of a·∇: a rotation, or an oblique flow in a box.

    The nodes of the box are moved at random by a fifth of their spacing.
    """
    cloud = make_cloud(REGIONS[name], nodes=nodes, seed=1, ghost=False)
    points, periods = cloud.evaluation, None
    velocity = np.stack([-points[:, 1], points[:, 0]], axis=1)
    if name == "periodic box":
        shift = np.random.default_rng(1).uniform(-0.2, 0.2, points.shape)
        points, periods = np.mod(points + cloud.spacing[:, None] * shift, 1.0), [1.0, 1.0]
        velocity = np.tile([1.0, 0.5], (len(points), 1))
    operator = {(1, 0): velocity[:, 0], (0, 1): velocity[:, 1]}
    matrix = to_csr(make_weights(points, points, [operator], order=order, periods=periods))
    return points, velocity, periods, matrix


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("disk", 2),
        ("disk", 4),
        ("disk", 6),
        ("annulus", 5),
        ("periodic box", 2),
        ("periodic box", 4),
    ],
)
def test_spectrum(name: str, order: int):
    """Growth at rates of order one without it, none beyond 1e-6 of the spectral radius with it.

    What may be left is the truncation error of waves that the nodes resolve.
    """
    points, velocity, periods, matrix = advection(name, 500, order)
    speed = np.linalg.norm(velocity, axis=1)
    damping = hyperviscosity(points, speed, order=order, periods=periods)
    before = np.linalg.eigvals(-matrix.toarray())
    after = np.linalg.eigvals((damping - matrix).toarray())
    radius = np.abs(before).max()
    assert before.real.max() > 0.1
    assert after.real.max() <= 1e-6 * radius
    assert np.abs(after).max() <= 1.35 * radius


@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("name", ["disk", "periodic box"])
def test_the_order_of_advection_is_kept(name: str, order: int):
    """A smooth field is carried along until t = 1; relative l2 error at the nodes."""
    errors, spacings = [], []
    for nodes in (500, 900, 1600):
        points, velocity, periods, matrix = advection(name, nodes, order)
        damping = hyperviscosity(points, 1.2, order=order, periods=periods)

        def field(x: np.ndarray) -> np.ndarray:
            if name == "disk":
                return np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1])
            return 1 + np.sin(2 * np.pi * x[:, 0]) * np.cos(2 * np.pi * x[:, 1])

        found = expm_multiply(damping - matrix, field(points))
        if name == "disk":
            c, s = np.cos(1.0), np.sin(1.0)
            origin = points @ np.array([[c, -s], [s, c]])
        else:
            origin = points - velocity
        exact = field(origin)
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        spacings.append(len(points) ** -0.5)
    assert np.polyfit(np.log(spacings), np.log(errors), 1)[0] >= order - 0.3
    assert errors[-1] <= 1e-3


@settings(max_examples=20, deadline=None)
@given(
    dimension=st.integers(1, 3),
    order=st.integers(1, 3),
    seed=st.integers(0, 2**16),
    wrapped=st.booleans(),
)
def test_it_is_symmetric_semidefinite_and_leaves_polynomials_alone(
    dimension: int, order: int, seed: int, wrapped: bool
):
    """On any nodes, random ones here. Where directions repeat, constants are left alone."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 1, (300, dimension))
    speed = generator.uniform(0, 2, 300)
    periods = [1.0] * dimension if wrapped and dimension < 3 else None
    matrix = hyperviscosity(points, speed, order=order, periods=periods)
    scale = abs(matrix).max()
    assert abs(matrix - matrix.T).max() <= 1e-14 * scale
    for _ in range(5):
        vector = generator.normal(size=300)
        assert vector @ (matrix @ vector) < 0
    for powers in total_degree(order if periods is None else 0, dimension):
        polynomial = np.prod((points - 0.5) ** powers, axis=1)
        assert np.abs(matrix @ polynomial).max() <= 1e-11 * scale


def test_it_scales_with_speed_strength_and_length():
    points = make_cloud(REGIONS["disk"], nodes=200, ghost=False).evaluation
    one = hyperviscosity(points, 1.0, order=2)
    assert abs(hyperviscosity(points, -3.0, order=2) - 3 * one).max() <= 1e-10
    assert abs(hyperviscosity(points, 1.0, order=2, strength=0.5) - 0.5 * one).max() <= 1e-10
    assert abs(hyperviscosity(2 * points, 2.0, order=2) - one).max() <= 1e-10
    assert hyperviscosity(points, 0.0, order=2).nnz == 0 or not np.any(
        hyperviscosity(points, 0.0, order=2).data
    )


def test_arguments_that_do_not_fit():
    points = make_cloud(REGIONS["disk"], nodes=40, ghost=False).evaluation
    with pytest.raises(SolverError, match="at least 46 nodes; there are 40") as raised:
        hyperviscosity(points, 1.0, order=4)
    assert raised.value.code == "E710"
    for wrong in ({"patch": 6}, {"strength": 0.0}, {"order": 0}, {"speed": np.ones(3)}):
        with pytest.raises(SolverError) as raised:
            hyperviscosity(points, **{"speed": 1.0, "order": 2, **wrong})
        assert raised.value.code == "E713"
    with pytest.raises(SolverError, match="nodes 3 and 40 coincide") as raised:
        hyperviscosity(np.concatenate([points, points[3:4]]), 1.0, order=2)
    assert raised.value.code == "E711"
