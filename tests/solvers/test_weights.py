"""Weights of the loss: the size of an operator is what it does to a wave."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import Source
from pdesl.lowering.cloud import make_cloud
from pdesl.run.pipeline import load_source, solve
from pdesl.run.preparing import make_ready
from pdesl.run.progress import SilentObserver
from pdesl.solvers.weights import (
    Term,
    describe_weights,
    make_terms,
    row_places,
    wave_vectors,
    weighted_sum,
)

TEXT = """
domain:
    Ω = disk(center=(3, -1), radius={radius})
    x, y ∈ Ω
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    {equation}
boundary:
    {condition}    on ∂Ω
manufactured:
    u = 2 + x y/9
solver:
    method = dt_pinn(nodes=300{options})
"""

TIME = """
domain:
    x ∈ [0, 2]
    t ∈ [0, 0.5]
fields:
    u(t, x) : scalar
    v(t, x) : scalar
    f(t, x), g(t, x) : source
equations:
    ∂t u = 0.2 ∂x²u - u² + f
    ∂t v = 3 ∂x u + ∂x²v + g
boundary:
    u = exact(u)    on ∂Ω
    ∂n v + v = ∂n exact(v) + exact(v)    on ∂Ω
initial:
    u = exact(u)
    5 v = 5 exact(v)
manufactured:
    u = exp(-t) sin(2x)
    v = x t
solver:
    method = dt_pinn(nodes=60, slices=5)
"""


def terms_of(text):
    task = make_ready(Source("test", text), None, [], None, None, SilentObserver(), {}).task
    cloud = make_cloud(task.region, nodes=task.options.nodes, spacing=None, seed=0, ghost=True)
    span = task.time_span
    times = None if span is None else np.linspace(*span, task.options.slices)
    return make_terms(task, row_places(task, cloud, times, cloud.evaluation)), task


def disk_terms(equation="∇²u = f", condition="u = exact(u)", radius=1, options=""):
    text = TEXT.format(equation=equation, condition=condition, radius=radius, options=options)
    return terms_of(text)[0]


def test_laplace_and_dirichlet():
    equation, condition = disk_terms()
    assert (equation.part, equation.weight) == ("equations", 1.0)
    assert condition.part == "boundary"
    assert condition.weight == pytest.approx(np.pi**4)


def test_robin_condition():
    """|i k·n + 1|² = (k·n)² + 1, whose mean over all directions is π²/2 + 1."""
    _, condition = disk_terms(condition="∂n u + u = ∂n exact(u) + exact(u)")
    assert condition.weight == pytest.approx(np.pi**4 / (np.pi**2 / 2 + 1), rel=0.1)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(0.1, 10.0))
def test_units_and_scalings_do_not_matter(equation_factor, condition_factor, radius):
    """The loss of an equation times a, a condition times b and lengths times c."""
    equation, condition = disk_terms(
        f"{equation_factor:.17g} ∇²u = f",
        f"{condition_factor:.17g} u = {condition_factor:.17g} exact(u)",
        radius,
    )
    loss_ratio = condition.weight * condition_factor**2 / (equation.weight * equation_factor**2)
    assert loss_ratio == pytest.approx((np.pi / radius) ** 4)


def test_weights_that_are_given_win():
    assert disk_terms(options=", boundary_weight=7")[1].weight == 7.0


def test_a_nonlinear_part_counts_by_its_slope():
    """About u = 1 + sin(·)/2 the slope of u³ has the mean square 9·<(1 + s/2)⁴> = 16.1."""
    alone = disk_terms("∇²u = f")[1].weight
    cubed = disk_terms("∇²u = 30 u³ + f")[1].weight
    # |−π² − 30·3 (1 + s/2)²|², averaged over the phase
    s = np.sin(np.linspace(0, 2 * np.pi, 400, endpoint=False))
    assert cubed / alone == pytest.approx(
        np.mean((np.pi**2 + 90 * (1 + s / 2) ** 2) ** 2) / np.pi**4, rel=0.1
    )


def test_a_nonlinear_part_that_the_wave_does_not_allow_is_left_out():
    assert disk_terms("∇²u = sqrt(u - 1) + f")[1].weight == pytest.approx(np.pi**4)


def test_systems_with_time():
    (first, second, u, v, start_u, start_v), task = terms_of(TIME)
    waves = wave_vectors(task)
    np.testing.assert_allclose(np.abs(waves), [[4 * np.pi, np.pi]] * len(waves))
    assert [t.part for t in (first, second, u, v, start_u, start_v)] == [
        "equations", "equations", "boundary", "boundary", "initial", "initial",
    ]  # fmt: skip
    reference = u.weight
    assert v.weight == pytest.approx(reference / (np.pi**2 + 1))
    assert start_u.weight == pytest.approx(reference)
    assert start_v.weight == pytest.approx(reference / 25)
    second_size = (4 * np.pi) ** 2 + np.pi**4 + 9 * np.pi**2
    first_size = (4 * np.pi) ** 2 + 0.04 * np.pi**4 + 0.8 * np.pi**2 + 4.5
    assert reference == pytest.approx((first_size + second_size) / 2, rel=0.02)
    assert describe_weights((first, second, u, v)).startswith("weights: boundary ")


def test_the_sum_and_its_parts():
    terms = (Term("equations", 1.0, 4), Term("boundary", 3.0, 2), Term("boundary", 5.0, 2))
    total, parts = weighted_sum(terms, [jnp.array(8.0), jnp.array(2.0), jnp.array(4.0)])
    assert parts == {"equations": 2.0, "boundary": 3.0}
    assert total == 2.0 + 3.0 * 1.0 + 5.0 * 2.0
    assert sum(t.factor**2 * s for t, s in zip(terms, (8.0, 2.0, 4.0), strict=True)) == (
        pytest.approx(total)
    )
    assert describe_weights((Term("equations", 1.0, 4),)) == ""


def test_dirichlet_data_are_met_as_well_as_the_equation():
    """The error of a Dirichlet problem is below that with weights of one, at equal iterations."""
    problem = load_source("poisson_ball")
    settings = ["solver.nodes=400", "solver.width=16", "solver.depth=2", "solver.iterations=150"]
    ours = solve(problem, overrides=settings)
    assert ours.result.notes == ("weights: boundary 97.4",)
    plain = solve(problem, overrides=[*settings, "solver.boundary_weight=1"])
    better, worse = (s.errors["u"].relative_l2 for s in (ours, plain))
    assert better is not None
    assert worse is not None
    assert 2 * better < worse
