"""Values of a network at a batch of points, and Jacobians row by row, against plain AD."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.lowering.activations import ACTIVATIONS
from pdesl.lowering.batch import batch_jet
from pdesl.lowering.rows import row_jacobian
from pdesl.solvers.networks import NetworkOptions, make_network


def network_of(activation="tanh", depth=3):
    options = NetworkOptions(7, depth, activation)
    return make_network(options, [-1.0, 0.0, 2.0], [1.0, 5.0, 3.0], 2, seed=1)


def points_of(count):
    return jnp.asarray(np.random.default_rng(0).uniform([-1, 0, 2], [1, 5, 3], (count, 3)))


def plain_jet(network, points, axis):
    if axis is None:
        return (network(points).T,)
    direction = jnp.zeros_like(points).at[:, axis].set(1.0)
    return tuple(o.T for o in jax.jvp(network, (points,), (direction,)))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize(("depth", "count", "chunk"), [(1, 10, 4), (3, 23, 8)])
@pytest.mark.parametrize("axis", [None, 0, 2])
def test_values_slopes_and_gradients(activation, depth, count, chunk, axis):
    network, points = network_of(activation, depth), points_of(count)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(2, 2, count)))

    def total(outputs):
        return sum(jnp.sum(jnp.sin(o) * w) for o, w in zip(outputs, weights, strict=False))

    ours = jax.jit(
        jax.value_and_grad(lambda net: total(batch_jet(net, points, axis, chunk=chunk)))
    )(network)
    known = jax.value_and_grad(lambda net: total(plain_jet(net, points, axis)))(network)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(known), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("axis", [None, 1])
def test_gradients_against_differences(axis):
    network, points = network_of(), points_of(9)

    def loss(net):
        return sum(jnp.sum(o**2) for o in batch_jet(net, points, axis, chunk=4))

    gradient = jax.grad(loss)(network)
    generator = np.random.default_rng(2)
    direction = jax.tree.map(lambda leaf: jnp.asarray(generator.normal(size=leaf.shape)), network)

    def along(h):
        return loss(jax.tree.map(lambda p, d: p + h * d, network, direction))

    pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
    slope = sum(float(jnp.sum(g * d)) for g, d in pairs)
    assert (along(1e-5) - along(-1e-5)) / 2e-5 == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("chunk", [3, 256])
def test_row_jacobian(chunk):
    network, points = network_of(), points_of(10)

    def function(net, rows):
        return jnp.sin(net(rows["x"])) * rows["scale"][:, None]

    rows = {"x": points, "scale": jnp.arange(10.0)}
    ours = row_jacobian(function, network, rows, chunk=chunk)
    whole = jax.jacrev(lambda net: function(net, rows))(network)
    expected = np.concatenate(
        [np.asarray(leaf).reshape(10, 2, -1) for leaf in jax.tree.leaves(whole)], axis=2
    )
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)
    single = row_jacobian(lambda net, r: function(net, r)[:, 0], network, rows, chunk=chunk)
    np.testing.assert_allclose(single, expected[:, 0], rtol=1e-12, atol=1e-14)
