"""Fields without a time derivative, and conditions that are not linear, by the method of lines."""

import numpy as np
import pytest

from pdesl.diagnostics import CapabilityError, Source
from pdesl.ir.evolution import to_evolution
from pdesl.run.pipeline import compile, solve

# An exact solution of the Navier-Stokes equations (G. I. Taylor and A. E. Green, 1937) that is
# carried along, so that its pressure changes in time at every place.
VORTICES = """
parameters:
    ν = 0.1
domain:
    x, y ∈ periodic(0, 2 π)
    t ∈ [0, 0.5]
fields:
    v(t, x, y) : vector
    p(t, x, y) : scalar
equations:
    ∂t v + (v·∇)v + ∇p = ν ∇²v
    ∇·v = 0
boundary:
    ∫(p) = sin(t)
initial:
    v = exact(v)
verify:
    v = [1 + cos(x - t) sin(y) exp(-2 ν t), -sin(x - t) cos(y) exp(-2 ν t)]
    p = sin(t)/(4 π²) - (cos(2 (x - t)) + cos(2 y)) exp(-4 ν t)/4
"""

# The same in a box with walls, through which it flows.
BOX = """
parameters:
    ν = 0.1
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 0.2]
fields:
    v(t, x, y) : vector
    p(t, x, y) : scalar
equations:
    ∂t v + (v·∇)v + ∇p = ν ∇²v
    ∇·v = 0
boundary:
    v = exact(v)    on ∂Ω
    ∫(p) = ∫(exact(p))
initial:
    v = exact(v)
verify:
    v = [cos(π x) sin(π y) exp(-2 π² ν t), -sin(π x) cos(π y) exp(-2 π² ν t)]
    p = -(cos(2 π x) + cos(2 π y)) exp(-4 π² ν t)/4
"""

# Ions in their own field (W. Nernst, M. Planck): a Poisson equation at every moment, nonlinear in
# the others, and a condition that is not linear and changes in time.
IONS = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 0.2]
fields:
    a(t, x, y), φ(t, x, y) : scalar
    f(t, x, y), h(t, x, y) : source
equations:
    ∂t a = ∇·(∇a + a ∇φ) + f
    (1 + t) ∇²φ = -a³ + h
boundary:
    ∂n a + (1 + t) a² = ∂n exact(a) + (1 + t) exact(a)²    on ∂Ω
    φ = exact(φ)    on ∂Ω
initial:
    a = exact(a)
manufactured:
    a = 1 + x exp(-t)/2
    φ = sin(x + t) cos(y)
"""

STREAM = """
domain:
    x, y ∈ periodic(0, 2 π)
    t ∈ [0, 1]
fields:
    ω(t, x, y), ψ(t, x, y) : scalar
equations:
    ∂t ω + ∂y(ψ) ∂x(ω) - ∂x(ψ) ∂y(ω) = ∇²ω/20
    ∇²ψ = -ω
initial:
    ω = exact(ω)
verify:
    ω = 2 sin(x) sin(y) exp(-t/10)
    ψ = sin(x) sin(y) exp(-t/10)
"""


def errors(text: str, solver: str) -> dict[str, float]:
    text += f"solver:\n    method = method_of_lines({solver})\n"
    found = solve(Source("test.pde", text))
    return {name: e.relative_l2 or 0.0 for name, e in found.errors.items()}


@pytest.mark.parametrize(
    ("time", "order"), [("imex_rk2", 2), ("imex_rk3", 3), ("sbdf2", 2), ("dirk3", 3)]
)
def test_pressure_and_velocity_have_the_order_of_the_pair(time, order):
    coarse, fine = (
        errors(VORTICES, f"space=fourier(8), time={time}(dt={dt})") for dt in (0.05, 0.025)
    )
    for name in ("v_x", "v_y", "p"):
        assert np.log2(coarse[name] / fine[name]) > order - 0.4, name
        assert fine[name] < 2e-3


def test_steps_of_explicit_pairs_and_chosen_ones_end_on_the_constraint():
    found = errors(VORTICES, "space=fourier(8), time=rk45(rtol=1e-8)")
    assert max(found.values()) < 1e-6
    found = errors(VORTICES, "space=fourier(8), time=imex_rk4(rtol=1e-8)")
    assert max(found.values()) < 1e-6
    assert max(errors(STREAM, "time=imex_rk4(rtol=1e-8)").values()) < 1e-7


def test_flow_in_a_box_on_scattered_nodes():
    found = errors(BOX, "space=rbf_fd(nodes=400, order=4), time=imex_rk3(dt=0.02)")
    assert found["v_x"] < 2e-4
    assert found["v_y"] < 2e-4
    assert found["p"] < 3e-2


def test_what_is_not_linear_in_constraints_and_conditions_has_the_order_of_the_pair():
    coarse, fine = (
        errors(IONS, f"space=rbf_fd(nodes=250, order=5), time=imex_rk3(dt={dt})")
        for dt in (0.1, 0.05)
    )
    for name in ("a", "φ"):
        assert np.log2(coarse[name] / fine[name]) > 2.2, name
        assert fine[name] < 1e-4
    whole = errors(IONS, "space=rbf_fd(nodes=250, order=5), time=dirk3(dt=0.05)")
    assert max(whole.values()) < 1e-4


def test_fields_are_eliminated_where_they_are_given_and_kept_where_not():
    text = """
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 1]
fields:
    c(t, x), μ(t, x), q(t, x) : scalar
equations:
    ∂t c = ∂x²μ + q
    μ = c³ - c - ∂x²c
    q - ∂x²q = c
initial:
    c = sin(2 π x)
"""
    system = compile(Source("test.pde", text))
    evolved = to_evolution(system, constraints=True)
    assert evolved.fields == ("c", "q")
    assert evolved.constrained == ("q",)
    assert not evolved.multipliers
    assert tuple(evolved.eliminated) == ("μ",)
    with pytest.raises(CapabilityError, match="an equation in space"):
        to_evolution(system)


def test_a_free_pressure_has_no_mean_and_is_warned_of():
    text = VORTICES.replace("    ∫(p) = sin(t)\n", "").replace("boundary:\n", "")
    found = solve(
        Source("test.pde", text + "solver:\n    method = method_of_lines(space=fourier(8))\n")
    )
    grid = np.stack(
        np.meshgrid(0.5, *[np.arange(8) * np.pi / 4] * 2, indexing="ij"), axis=-1
    ).reshape(-1, 3)
    assert abs(np.mean(found.result.evaluate(grid)["p"])) < 1e-12


def test_conditions_on_integrals_refuse_methods_that_do_not_meet_them_in_time():
    text = VORTICES + "solver:\n    method = pinn\n"
    with pytest.raises(CapabilityError) as caught:
        solve(Source("test.pde", text))
    assert {d.code for d in caught.value.diagnostics} >= {"E629"}
