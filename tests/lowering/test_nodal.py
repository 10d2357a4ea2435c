"""Rows on nodes: consistent with exact jets, the Jacobian with differences, JAX with NumPy."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.diagnostics import Source
from pdesl.ir.normalise import normalise
from pdesl.lowering.cloud import make_cloud
from pdesl.lowering.emit import evaluate_at, jax_namespace
from pdesl.lowering.nodal import to_nodal
from pdesl.lowering.places import Places, on_slices
from pdesl.solvers.rbf_fd import Assembly
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.functions import numpy_namespace

NONLINEAR = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
parameters:
    κ = 0.7
fields:
    u(x, y), w(x, y) : scalar
    f(x, y), g(x, y) : source
equations:
    ∇·((1 + κ x²) ∇u) + u ∂x w - exp(u) = f
    ∇²w + sin(w) ∂y u + x u = g
boundary:
    ∂n u + (2 + y) u = ∂n exact(u) + (2 + y) exact(u)    on ∂Ω
    w + u = exact(w) + exact(u)    on ∂Ω
manufactured:
    u = sin(x) cos(2y)
    w = exp(x y/2)
"""

TIMED = """
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x, y) : scalar
    f(t, x, y) : source
equations:
    ∂t²u + (1 + t) ∂x u = ∇²u - u³ + f
boundary:
    u = exact(u)    on ∂Ω
initial:
    u = exact(u)
    ∂t u = ∂t exact(u)
manufactured:
    u = cos(t) sin(x + 2y)
"""


def build(text: str, nodes: int, order: int, times: np.ndarray | None = None):
    problem = elaborate_source(Source("test.pde", text))
    system = normalise(problem)
    values = problem.parameter_values()
    assert problem.shape is not None
    region = make_region(problem.shape, system.space_symbols, values)
    cloud = make_cloud(region, nodes=nodes, spacing=None, seed=1, ghost=True)
    return system, cloud, region, values


def exact_values(system, points, values, times=None, order=0):
    """∂t^order of the known solution at nodes, (fields, M) or (fields, M, S)."""
    import sympy

    where = on_slices(points, None, times)
    expressions = []
    for name in system.fields:
        expression = system.exact[name]
        if order:
            expression = sympy.diff(expression, system.time_symbol, order)
        expressions.append(expression)
    found = evaluate_at(expressions, system, where, values)
    shape = (len(points),) if times is None else (len(points), len(times))
    return np.stack([np.broadcast_to(v, (len(where),)).reshape(shape) for v in found])


@cache
def residual_size(nodes: int) -> float:
    system, cloud, region, values = build(NONLINEAR, nodes, 4)
    nodal = to_nodal(system, cloud, region, values, order=4, namespace=numpy_namespace())
    residual = Assembly(nodal, 2).residual(exact_values(system, cloud.points, values))
    return float(np.sqrt(np.mean(residual**2)))


def test_residuals_of_the_known_solution_vanish_with_the_order():
    coarse, fine = residual_size(400), residual_size(1600)
    order = np.log2(coarse / fine)  # the spacing is halved
    assert fine < 1e-3
    assert order > 3.5


def test_jacobian_is_the_derivative_of_the_residual():
    system, cloud, region, values = build(NONLINEAR, 300, 3)
    nodal = to_nodal(system, cloud, region, values, order=3, namespace=numpy_namespace())
    assembly = Assembly(nodal, 2)
    rng = np.random.default_rng(0)
    point = exact_values(system, cloud.points, values)
    direction = rng.standard_normal(point.shape)
    step = 1e-5
    difference = (
        assembly.residual(point + step * direction) - assembly.residual(point - step * direction)
    ) / (2 * step)
    product = assembly.jacobian(point) @ direction.ravel()
    assert np.linalg.norm(difference - product) < 1e-7 * np.linalg.norm(product)
    assert assembly.jacobian(point).shape == assembly.shape


def test_jax_operators_give_the_residuals_of_numpy():
    from pdesl.lowering.discrete import to_discrete

    system, cloud, region, values = build(NONLINEAR, 300, 3)
    point = exact_values(system, cloud.points, values) * 1.1
    plain = to_nodal(system, cloud, region, values, order=3, namespace=numpy_namespace())
    expected = Assembly(plain, 2).residual(point)
    nodal = to_nodal(system, cloud, region, values, order=3, namespace=jax_namespace())
    rows = to_discrete(nodal)
    found = np.concatenate(
        [np.asarray(r([list(jnp.asarray(point))])) for r in (*rows.interior, *rows.boundary)]
    )
    assert np.allclose(found, expected, rtol=1e-10, atol=1e-9)


def test_time_slices_are_many_steady_problems_at_once():
    from pdesl.lowering.discrete import to_discrete

    times = np.linspace(0, 1, 5)
    sizes = []
    for nodes in (300, 1200):
        system, cloud, region, values = build(TIMED, nodes, 4, times)
        nodal = to_nodal(
            system, cloud, region, values, order=4, namespace=jax_namespace(), times=times
        )
        rows = to_discrete(nodal)
        fields = [
            list(jnp.asarray(exact_values(system, cloud.points, values, times, k)))
            for k in range(3)
        ]
        interior = np.asarray(rows.interior[0](fields))
        assert interior.shape == (len(cloud.evaluation), 5)
        sizes.append(np.sqrt(np.mean(interior**2)))
        for row in rows.initial:
            assert np.asarray(row(fields)).shape == (len(cloud.evaluation), 1)
            assert np.abs(np.asarray(row(fields))).max() < 1e-12
        for row in rows.boundary:
            assert np.abs(np.asarray(row(fields))).max() < 1e-12
    assert sizes[1] < 1e-4
    assert np.log2(sizes[0] / sizes[1]) > 3.5


def test_operators_that_rows_share_are_built_once():
    system, cloud, region, values = build(NONLINEAR, 300, 3)
    nodal = to_nodal(system, cloud, region, values, order=3, namespace=numpy_namespace())
    # ∂x w and ∂y u are jets of nonlinear parts, the rest of each row is one matrix a field.
    first, second = nodal.interior
    assert [len(first.linear), len(second.linear)] == [1, 2]
    assert [len(first.jets), len(second.jets)] == [2, 2]


def test_a_coefficient_that_is_not_finite_is_reported_with_its_place():
    from pdesl.diagnostics import ProblemError

    text = NONLINEAR.replace("+ x u = g", "+ u/abs(x + 2 - 2 - x) = g")
    with pytest.raises(ProblemError) as caught:
        system, cloud, region, values = build(text, 300, 3)
        to_nodal(system, cloud, region, values, order=3, namespace=numpy_namespace())
    assert caught.value.diagnostics


def test_places_on_slices_repeat_points_and_tile_times():
    points = np.array([[0.0, 1.0], [2.0, 3.0]])
    where = on_slices(points, None, np.array([0.0, 0.5, 1.0]))
    assert where.points.shape == (6, 2)
    assert where.times is not None
    assert where.times.tolist() == [0.0, 0.5, 1.0] * 2
    assert on_slices(points, None, None) == Places(points, None)
