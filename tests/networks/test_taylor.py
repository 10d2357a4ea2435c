"""Laws of Taylor propagation: jets = nested automatic differentiation, sums = their parts."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from pdesl.lowering.activations import ACTIVATIONS, HIGHEST_ORDER, activation_named
from pdesl.lowering.jet_layout import Key, lay_out
from pdesl.lowering.taylor import CollapsedSum, Derivative, plan
from pdesl.solvers.networks import NetworkOptions, make_network


def network_of(dimension, activation="tanh", width=4, depth=2, fields=2, seed=1):
    return make_network(
        NetworkOptions(width, depth, activation), [-1.0] * dimension, [2.0] * dimension, fields,
        seed=seed,
    )  # fmt: skip


def points_in(dimension, count=7, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 2, (count, dimension)))


def indices_up_to(dimension, order):
    every = itertools.product(range(order + 1), repeat=dimension)
    return [index for index in every if sum(index) <= order]


def nested(network, points, index, field):
    """∂^index by nested forward mode, the definition to compare with."""
    function = lambda x: network(x[None])[0, field]  # noqa: E731  # pyright: ignore[reportAssignmentType]
    for axis, count in enumerate(index):
        for _ in range(count):

            def function(x, inner=function, axis=axis):
                return jax.jvp(inner, (x,), (jnp.zeros_like(x).at[axis].set(1.0),))[1]

    return jax.vmap(function)(points)


def assert_equal(found, expected, tolerance=1e-10):
    scale = float(jnp.max(jnp.abs(expected))) or 1.0
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=tolerance * scale)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_derivatives_are_those_of_automatic_differentiation(name):
    z = jnp.linspace(-6.0, 6.0, 41)
    found = ACTIVATIONS[name].derivatives(z, HIGHEST_ORDER)
    assert len(found) == HIGHEST_ORDER + 1

    def reference(z):
        function, values = ACTIVATIONS[name], []
        for _ in range(HIGHEST_ORDER + 1):
            values.append(jax.vmap(function)(z))
            function = jax.grad(function)
        return values

    for order, (values, expected) in enumerate(zip(found, jax.jit(reference)(z), strict=True)):
        assert_equal(values, expected, 1e-12)
        assert len(ACTIVATIONS[name].derivatives(z, order)) == order + 1


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("tanh", jnp.tanh), ("sin", jnp.sin), ("silu", jax.nn.silu), ("swish", jax.nn.silu),
        ("softplus", jax.nn.softplus), ("gelu", lambda z: jax.nn.gelu(z, approximate=False)),
    ],
)  # fmt: skip
def test_activations_are_those_of_their_names(name, reference):
    z = jnp.linspace(-30.0, 30.0, 61)
    np.testing.assert_allclose(activation_named(name)(z), reference(z), rtol=1e-13, atol=1e-300)


def test_unknown_activation_lists_the_known():
    with pytest.raises(ValueError, match=r"`relu`; there are tanh, sin"):
        activation_named("relu")


@pytest.mark.parametrize(
    ("dimension", "name"),
    [(1, "tanh"), (3, "tanh"), *((2, name) for name in ACTIVATIONS if name != "swish")],
)
def test_every_derivative_equals_nested_differentiation(dimension, name):
    network, points = network_of(dimension, name), points_in(dimension)
    indices = indices_up_to(dimension, 4 if dimension < 3 else 2)
    if dimension == 3:
        indices += [(1, 1, 1), (2, 0, 1), (2, 2, 0), (1, 1, 2), (0, 0, 4)]
    requests = [Derivative(index, number % 2) for number, index in enumerate(indices)]
    found = jax.jit(plan(requests).evaluate)(network, points)
    expected = jax.jit(lambda net, x: tuple(nested(net, x, r.index, r.field) for r in requests))(
        network, points
    )
    for one, other in zip(found, expected, strict=True):
        assert one.shape == (len(points),)
        assert_equal(one, other)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_sums_equal_their_parts(data):
    """Σ c_α ∂^α, collapsed, equals the combination of single derivatives, whatever the c are."""
    dimension = data.draw(st.integers(1, 3))
    width = data.draw(st.sampled_from([1, 5]))
    depth = data.draw(st.integers(1, 2))
    name = data.draw(st.sampled_from(list(ACTIVATIONS)))
    network = network_of(dimension, name, width, depth, seed=data.draw(st.integers(0, 99)))
    points = points_in(dimension, 5)
    generator = np.random.default_rng(3)
    requests, coefficients = [], []
    for _ in range(data.draw(st.integers(1, 3))):
        terms = data.draw(
            st.lists(st.sampled_from(indices_up_to(dimension, 4)), min_size=1, max_size=6)
        )
        requests.append(CollapsedSum(tuple(terms), data.draw(st.integers(0, 1))))
        kinds = [data.draw(st.sampled_from(["one", "float", "scalar", "rows"])) for _ in terms]
        make = {
            "one": lambda: 1.0,
            "float": lambda: float(generator.normal()),
            "scalar": lambda: jnp.asarray(generator.normal()),
            "rows": lambda: jnp.asarray(generator.normal(size=5)),
        }
        coefficients.append([make[kind]() for kind in kinds])
    found = plan(requests).evaluate(network, points, coefficients)
    for request, given_, values in zip(requests, coefficients, found, strict=True):
        single = [Derivative(index, request.field) for index in request.terms]
        parts = plan(single).evaluate(network, points)
        expected = sum(c * part for c, part in zip(given_, parts, strict=True))
        size = sum(float(jnp.max(jnp.abs(c * p))) for c, p in zip(given_, parts, strict=True))
        np.testing.assert_allclose(values, expected, rtol=0.0, atol=1e-12 * (1.0 + size))


def test_shared_coefficients_of_two_fields():
    network, points = network_of(2), points_in(2)
    kappa = jnp.exp(points[:, 0])
    laplacians = [CollapsedSum(((2, 0), (0, 2)), f) for f in (0, 1)]
    found = plan(laplacians).evaluate(network, points, [(kappa, kappa), (2.0, 2.0)])
    for field, factor in ((0, kappa), (1, 2.0)):
        parts = plan([Derivative((2, 0), field), Derivative((0, 2), field)])
        assert_equal(found[field], factor * sum(parts.evaluate(network, points)))


def carried(requests, keys):
    return sorted(form.order for form in lay_out(tuple(requests), tuple(keys)).forms)


def test_number_of_carried_quantities():
    one = Key()
    laplacian = CollapsedSum(((2, 0), (0, 2)))
    assert carried([laplacian], [(one, one)]) == [1, 1, 2]
    # κ(x)Δ costs no more, nor does the same sum of another field with another factor
    other = CollapsedSum(((2, 0), (0, 2)), 1)
    double = (Key(0, 1.0), Key(0, 1.0))
    assert carried([laplacian, other], [double, (Key(-1, 3.0), Key(-1, 3.0))]) == [1, 1, 2]
    # single second derivatives that are carried anyway make up a sum
    singles = [Derivative((2, 0)), Derivative((0, 2)), laplacian]
    assert carried(singles, [(one,), (one,), (one, one)]) == [1, 1, 2, 2]
    # a directional derivative with coefficients is one quantity
    normal = CollapsedSum(((1, 0), (0, 1)))
    assert carried([normal], [(Key(0), Key(1))]) == [1]
    # biharmonic: gradient, Hessian, contracted third order, one fourth order
    terms = ((4, 0), (2, 2), (0, 4))
    assert carried([CollapsedSum(terms)], [(one, Key(-1, 2.0), one)]) == [1, 1, 2, 2, 2, 3, 3, 4]
    # zero terms vanish
    assert carried([laplacian], [(one, Key(-1, 0.0))]) == [1, 2]


@pytest.mark.parametrize("chunk", [1, 4, 11])
def test_chunks_change_nothing(chunk):
    network, points = network_of(2), points_in(2, 11)
    kappa = jnp.cos(points[:, 1])
    requests = plan([Derivative((0, 1)), CollapsedSum(((2, 0), (1, 1), (0, 0)), 1)])

    def loss(network, points, kappa, chunk):
        first, second = requests.evaluate(
            network, points, [(), (kappa, 2.0, jnp.asarray(0.5))], chunk=chunk
        )
        assert first.shape == second.shape == (11,)
        return jnp.sum(first**2) + jnp.sum(jnp.sin(second))

    grad = jax.jit(jax.value_and_grad(loss, (0, 1, 2)), static_argnums=3)
    for one, other in zip(
        jax.tree.leaves(grad(network, points, kappa, chunk)),
        jax.tree.leaves(grad(network, points, kappa, None)),
        strict=True,
    ):
        assert_equal(one, other, 1e-12)


def test_gradient_against_finite_differences():
    network, points = network_of(2, "tanh", 5, 2, 1), points_in(2, 6)
    requests = plan([CollapsedSum(((2, 0), (0, 2), (1, 0)))])
    flat, unflatten = ravel_pytree(network)

    def loss(vector):
        coefficients = [(1.0, 1.0, points[:, 0])]
        (values,) = requests.evaluate(unflatten(vector), points, coefficients, chunk=4)
        return jnp.mean(values**2)

    direction = jnp.asarray(np.random.default_rng(5).normal(size=flat.size))
    step = 1e-5
    difference = (loss(flat + step * direction) - loss(flat - step * direction)) / (2 * step)
    gradient = jax.jit(jax.grad(loss))
    slope = gradient(flat) @ direction
    assert abs(difference - slope) < 1e-7 * abs(slope)
    # forward over reverse works through the chunks
    product = jax.jvp(gradient, (flat,), (direction,))[1]
    gradients = gradient(flat + step * direction), gradient(flat - step * direction)
    assert_equal(product, (gradients[0] - gradients[1]) / (2 * step), 1e-6)


def test_float32_stays_float32():
    network = make_network(NetworkOptions(6, 2), [0.0], [1.0], seed=0, dtype=np.float32)
    points = jnp.asarray([[0.2], [0.7]], jnp.float32)
    requests = plan([Derivative((1,)), CollapsedSum(((4,), (2,), (0,)))])
    found = requests.evaluate(network, points, [(), (1.0, 2.0, 0.5)])
    assert [values.dtype for values in found] == [jnp.float32] * 2
    assert network(points).dtype == jnp.float32


def test_memory_of_the_gradient_is_that_of_a_chunk():
    network = make_network(NetworkOptions(50, 4), [-1, -1], [1, 1], seed=0)
    points = jnp.zeros((8192, 2))
    laplacian = plan([CollapsedSum(((2, 0), (0, 2)))])

    def loss(network, points):
        return jnp.mean(laplacian.evaluate(network, points, [(1.0, 1.0)])[0] ** 2)

    compiled = jax.jit(jax.grad(loss)).lower(network, points).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 6e6  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "at least one request"),
        ([Derivative((1,)), Derivative((1, 0))], "different lengths"),
        ([Derivative((-1, 2))], "no multi-index"),
        ([Derivative(())], "no multi-index"),
        ([CollapsedSum(())], "no terms"),
        ([Derivative((1, 0), -1)], "counted from 0"),
    ],
)
def test_wrong_requests(requests, message):
    with pytest.raises(ValueError, match=message):
        plan(requests)


def test_wrong_evaluations():
    network, points = network_of(2), points_in(2)
    laplacian = plan([CollapsedSum(((2, 0), (0, 2)))])
    cases = [
        (network, points, None, "0 coefficients for the 2 terms"),
        (network, points, [(1.0, 1.0), ()], "2 groups of coefficients for 1 requests"),
        (network, points, [(1.0, jnp.ones(3))], r"has the shape \(7,\)"),
        (network, points[:, :1], [(1.0, 1.0)], r"shape \(n, 2\)"),
        (network_of(3), points, [(1.0, 1.0)], "3 inputs"),
        (network, points[:0], [(1.0, jnp.ones(0))], "no rows"),
    ]
    for net, x, coefficients, message in cases:
        with pytest.raises(ValueError, match=message):
            laplacian.evaluate(net, x, coefficients)
    with pytest.raises(ValueError, match="2 fields, the requests need 3"):
        plan([Derivative((1, 0), 2)]).evaluate(network, points)
    with pytest.raises(ValueError, match="takes no coefficients"):
        plan([Derivative((1, 0))]).evaluate(network, points, [(1.0,)])
    bare = eqx.tree_at(lambda n: (n.weights, n.biases), network,
                       (network.weights[:1], network.biases[:1]))  # fmt: skip
    with pytest.raises(ValueError, match="at least one hidden layer"):
        plan([Derivative((1, 0))]).evaluate(bare, points)
    assert laplacian.order == 2
    assert plan([Derivative((1, 0), 2)]).fields == 3


def test_request_without_effect_is_zero():
    network, points = network_of(2), points_in(2)
    (found,) = plan([CollapsedSum(((2, 0), (0, 2)))]).evaluate(network, points, [(0.0, 0)])
    np.testing.assert_array_equal(found, np.zeros(7))


def test_above_order_four_series_along_directions_take_over():
    network, points = network_of(2), points_in(2)
    varying = jnp.exp(points[:, 0])
    requests = [
        Derivative((5, 1), 1),
        CollapsedSum(((6, 0), (4, 2), (2, 4), (0, 6), (1, 0)), 0),
        CollapsedSum(((2, 3), (4, 0), (0, 0), (3, 2)), 1),
    ]
    values = [(), (1.0, 3.0, 3.0, 1.0, -2.0), (varying, 2.0, varying, 1.5)]
    found = plan(requests).evaluate(network, points, values, chunk=3)
    for request, own, result in zip(requests, values, found, strict=True):
        terms = (request.index,) if isinstance(request, Derivative) else request.terms
        parts = zip(terms, own or (1.0,), strict=True)
        expected = sum(c * nested(network, points, a, request.field) for a, c in parts)
        assert_equal(result, expected, 1e-9)


def test_high_orders_of_a_network_behind_features_are_those_of_the_whole():
    class Waves:
        dimension, outputs = 1, 2

        def features(self, points):
            return jnp.concatenate([jnp.sin(points), jnp.cos(points)], axis=1)

        def derivative(self, points, axis, order):
            shift = order * jnp.pi / 2
            return jnp.concatenate([jnp.sin(points + shift), jnp.cos(points + shift)], axis=1)

        def own(self, axis):
            return slice(0, 2)

    network = make_network(NetworkOptions(5, 2, "tanh"), [-1.0, -1.0], [1.0, 1.0], 1, seed=3)
    points = points_in(1)
    requests = [CollapsedSum(((6,), (2,))), Derivative((7,))]
    found = plan(requests).evaluate(network, points, [(1.0, 4.0), ()], embedding=Waves())
    whole = lambda x: network(Waves().features(x))  # noqa: E731
    sixth = nested(whole, points, (6,), 0) + 4 * nested(whole, points, (2,), 0)
    assert_equal(found[0], sixth, 1e-9)
    assert_equal(found[1], nested(whole, points, (7,), 0), 1e-9)
