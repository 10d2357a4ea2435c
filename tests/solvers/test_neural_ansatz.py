"""Forms of a field around its network: exponentials, exact starts, what they cannot take."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import Source
from pdesl.ir.ansatz import make_ansatz, start_mistakes
from pdesl.ir.compatibility import layer_lines
from pdesl.lowering.embedding import make_embedding
from pdesl.lowering.neural_system import to_neural_system
from pdesl.run import pipeline
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.velocity import heights_at
from pdesl.symbolic.geometry import Box, Interval

HEAT = """
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = ∂y²u + ∂x²(∂y u) + u ∂x(∂y u)

boundary:
    u = {data}    on ∂Ω

initial:
    u = {data} + {rest}
"""
REGION = Box((0.0, 0.0), (1.0, 1.0))


def evolved(data: str, rest: str):
    source = Source("heat.pde", HEAT.format(data=data, rest=rest))
    return pipeline.compile(source, "evolution")


@pytest.mark.parametrize(("exponential", "exact"), [(False, True), (True, False), (True, True)])
def test_jets_of_every_form_are_those_of_nested_differentiation(exponential: bool, exact: bool):
    """Jets up to order three, and the slope ∂u/∂N."""
    system = evolved("1 + x y + t", "sin(3 x) x (1 - x) y (1 - y)")
    ansatz = make_ansatz(system, REGION, {}, exponential=exponential, exact=exact)
    embedding = make_embedding([0.0, 0.0], [1.0, 1.0], [False, False], frequencies=1, layers=1)
    neural = to_neural_system(system, ansatz, embedding, {})
    size = embedding.outputs
    network = make_network(NetworkOptions(4, 1, "swish"), [-1.0] * size, [1.0] * size, seed=3)
    points = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, (5, 2)))
    t = jnp.asarray(0.3)

    def value(x, shift=0.0):
        moved = eqx.tree_at(lambda n: n.biases[-1], network, network.biases[-1] + shift)
        return neural.values((moved,), x[None], t)[0, 0]

    def nested(index):
        function = value
        for axis, count in enumerate(index):
            for _ in range(count):
                function = (lambda f, a: lambda x: jax.grad(f)(x)[a])(function, axis)
        return jax.vmap(function)(points)

    (found,) = neural.jets_at((network,), points, t, [neural.parts[0].wanted])
    assert set(found) == {(0, 0), (1, 1), (2, 1), (0, 2)}
    for index, own in found.items():
        np.testing.assert_allclose(own, nested(index), rtol=1e-9, atol=1e-9)
    slopes = jax.vmap(jax.grad(value, argnums=1), in_axes=(0, None))(points, 0.0)
    np.testing.assert_allclose(neural.slopes((network,), points)[0], slopes, rtol=1e-10)
    # What annealed samples follow: u² and |∇u|² in half-widths.
    gradients = jnp.stack([nested((1, 0)), nested((0, 1))]) / 2
    expected = [nested((0, 0)) ** 2, jnp.sum(gradients**2, axis=0)]
    np.testing.assert_allclose(heights_at(neural, (network,), points, t)[0], expected, rtol=1e-9)


@pytest.mark.parametrize("exponential", [False, True])
def test_an_exact_start_is_the_initial_values_where_the_network_is_zero(exponential: bool):
    system = evolved("1 + x y + t", "exp(x) x (1 - x) y (1 - y)")
    ansatz = make_ansatz(system, REGION, {}, exponential=exponential, exact=True)
    embedding = make_embedding([0.0, 0.0], [1.0, 1.0], [False, False], frequencies=1)
    neural = to_neural_system(system, ansatz, embedding, {})
    points = np.random.default_rng(0).uniform(0.0, 1.0, (20, 2))
    x, y = points.T
    expected = 1 + x * y + np.exp(x) * x * (1 - x) * y * (1 - y)
    np.testing.assert_allclose(neural.bases(jnp.asarray(points), 0.0)[0], expected, rtol=1e-12)
    # Later the boundary values hold still.
    edge = jnp.asarray([[0.0, 0.4], [1.0, 0.3], [0.6, 1.0]])
    network = make_network(NetworkOptions(4, 1, "tanh"), [-1.0] * 4, [1.0] * 4, seed=0)
    later = neural.values((network,), edge, 0.7)[0]
    np.testing.assert_allclose(later, 1.7 + edge[:, 0] * edge[:, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("rest", "options", "words"),
    [
        ("sin(7 x) x (1 - x) y (1 - y)", {"exponential": True}, "exponential ansatz"),
        ("x (1 - x)", {"exact": True}, "exact start"),
        ("x (1 - x)", {"exact": True, "hard": False}, ""),
        ("x (1 - x) y (1 - y)", {"exact": True, "exponential": True}, ""),
    ],
)
def test_initial_values_that_a_form_cannot_take(rest: str, options: Any, words: str):
    system = evolved("x", rest)
    ansatz = make_ansatz(system, REGION, {}, **options)
    found = start_mistakes(ansatz, system, REGION, {})
    assert [d.code for d in found] == (["E638"] if words else [])
    assert not found or words in found[0].message


DECAY = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 0.02]

fields:
    u(t, x) : scalar

equations:
    ∂t u = ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = exact(u)

solver:
    method = neural_ivp(ansatz="exponential", {more}, width=10, depth=1, frequencies=2, samples=120,
        residual_samples=100, linear=gram(regularisation=1e-10), integrator=rk23(rtol=1e-5),
        fit=levenberg_marquardt(iterations=15))

verify:
    u = exp(-π² t) sin(π x) + 0.2 exp(-9 π² t) sin(3 π x)
"""


@pytest.mark.parametrize(
    ("more", "start"),
    [('start="exact", sampling=annealed(share=0.7)', 0.0), ("alpha=0.5", 1e-3)],
)
def test_a_density_that_decays(more: str, start: float):
    solution = pipeline.solve(Source("decay.pde", DECAY.format(more=more)))
    assert solution.errors["u"].relative_l2 < 2e-3  # type: ignore[operator]
    assert solution.result.quality["initial_error"] <= start
    assert solution.result.quality["largest_residual"] < 0.05


@pytest.mark.parametrize(("data", "jumps"), [("x (1 - x)", True), ("sin(π x)", False)])
def test_a_rate_that_jumps_at_the_boundary_is_told(data: str, jumps: bool):
    """∂x²u is −2 at both ends of a parabola, where u = 0 keeps ∂t u = 0; of a sine it is 0."""
    text = DECAY.format(more="alpha=1").replace("exact(u)", data)
    system, region = pipeline.compile(Source("decay.pde", text), "evolution"), Interval(0.0, 1.0)
    found = layer_lines(make_ansatz(system, region, {}), system, region, {})
    assert len(found) == jumps
    assert not found or "by 1 of its size" in found[0]
