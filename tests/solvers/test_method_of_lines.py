"""The method of lines: orders in time and space, conditions of every kind, invariants, failures."""

import numpy as np
import pytest

from pdesl.diagnostics import CapabilityError, ProblemError, SolverError, Source
from pdesl.run.pipeline import Solution, load_source, solve
from pdesl.solvers.options import TIME_OPTIONS

# Reaction and diffusion of two species, periodic: nonlinear, nonstiff and stiff parts, forcing.
SPECIES = """
parameters:
    D = 0.05
domain:
    x ∈ periodic(0, 2π)
    t ∈ [0, 1]
fields:
    u(t, x), v(t, x) : scalar
    f(t, x), g(t, x) : source
equations:
    ∂t u = D ∂x²u - u v + f
    ∂t v = D ∂x²v + u ∂x v + g
initial:
    u = exact(u)
    v = exact(v)
manufactured:
    u = 2 + sin(x - t)
    v = cos(x) exp(sin(2 t))
"""

# Every kind of condition with data that change in time, coefficients that vary, two fields.
ROD = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x), v(t, x) : scalar
    f(t, x), g(t, x) : source
equations:
    2 ∂t u = ∂x²u - u v + f
    ∂t v = (1 + x) ∂x²v/10 + ∂x u + v² + g
boundary:
    u = exact(u)    on x = 0
    ∂n u + 2 u = ∂n exact(u) + 2 exact(u)    on x = 1
    ∂n v = ∂n exact(v)    on x = 0
    v = exact(v)    on x = 1
initial:
    u = exact(u)
    v = exact(v)
manufactured:
    u = 1 + sin(2 x + t)
    v = cos(x) exp(-t)
"""

SQUARE = """
domain:
    x, y ∈ [0, 1]
    t ∈ [0, 0.4]
fields:
    u(t, x, y) : scalar
    f(t, x, y) : source
equations:
    ∂t u + y ∂x u = ∇·((1 + x y) ∇u) + cos(t) ∂x u - u³ + f
boundary:
    u = exact(u)    on x = 0, x = 1
    ∂n u = ∂n exact(u)    on y = 0
    ∂n u + u = ∂n exact(u) + exact(u)    on y = 1
initial:
    u = exact(u)
manufactured:
    u = sin(x + y) exp(-t)
"""

PLATE = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 0.2]
fields:
    w(t, x, y) : scalar
    q(t, x, y) : source
equations:
    ∂t w = -∇⁴w/50 + q
boundary:
    w = exact(w)    on ∂Ω
    ∂n w = ∂n exact(w)    on ∂Ω
initial:
    w = exact(w)
manufactured:
    w = (sin(x) cos(y) + x²) cos(t)
"""

DRUM = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 1]
fields:
    w(t, x, y) : scalar
    f(t, x, y) : source
equations:
    ∂t²w = ∇²w + f
boundary:
    w = exact(w)    on ∂Ω
initial:
    w = exact(w)
    ∂t w = ∂t exact(w)
manufactured:
    w = sin(x + 2 y) cos(3 t)
"""

MOVING = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
    f(t, x) : source
equations:
    ∂t u = (1 + t/2) ∂x²u + f
boundary:
    u = exact(u)    on ∂Ω
initial:
    u = exact(u)
manufactured:
    u = sin(2 x) cos(t)
"""

KS = """
domain:
    x ∈ periodic(0, 22)
    t ∈ [0, 10]
fields:
    u(t, x) : scalar
equations:
    ∂t u = stiff(-∂x²u - ∂x⁴u) - u ∂x u
initial:
    u = cos(2 π x / 22) (1 + sin(2 π x / 22))
"""


def lines(text: str, space: str = "", time: str = "", *more: str) -> Solution:
    settings = [f"solver.{n}={v}" for n, v in (("space", space), ("time", time)) if v]
    return solve(Source("test.pde", text), solver="method_of_lines", overrides=[*settings, *more])


def size(solution: Solution) -> float:
    return max(e.relative_l2 or 0.0 for e in solution.errors.values())


def order_of(text: str, space: str, integrator: str, steps: tuple[float, float]) -> float:
    errors = [size(lines(text, space, f"{integrator}(dt={dt})")) for dt in steps]
    return float(np.log(errors[0] / errors[1]) / np.log(steps[0] / steps[1]))


# -- in time -------------------------------------------------------------------------------

ORDERS = {
    "imex_rk2": 2, "imex_rk3": 3, "imex_rk4": 4, "imex_rk5": 5, "dirk2": 2, "dirk3": 3, "dirk4": 4,
    "dirk5": 5, "crank_nicolson": 2, "backward_euler": 1, "sbdf2": 2, "sbdf3": 3, "sbdf4": 4,
    "cnab2": 2, "rk23": 3, "rk45": 5, "rk78": 8, "etd1": 1, "etdrk2": 2, "etdrk4": 4,
}  # fmt: skip


def test_every_integrator_has_an_order_here():
    """That of series, of any order, is in `test_series_marching`."""
    assert set(ORDERS) == set(TIME_OPTIONS) - {"taylor_series", "automatic"}


@pytest.mark.parametrize("name", ORDERS)
def test_order_in_time(name: str):
    """Nonstiff: D k² is at most 13, and the steps resolve it."""
    coarse = 0.04 if name == "sbdf4" else {8: 0.2, 5: 0.1, 4: 0.1, 3: 0.05}.get(ORDERS[name], 0.025)
    found = order_of(SPECIES, "fourier(24)", name, (coarse, coarse / 2))
    assert found > ORDERS[name] - 0.25, found


@pytest.mark.parametrize("name", ["imex_rk2", "imex_rk3", "imex_rk4", "imex_rk5", "sbdf3"])
def test_order_in_time_where_it_is_stiff(name: str):
    """D k² up to 25,600: an explicit method would need steps 50 times as small."""
    text = SPECIES.replace("D = 0.05", "D = 100")
    found = order_of(text, "fourier(32)", name, (0.05, 0.025))
    # Stages have order two on stiff terms, which the damped ones do not show in full.
    assert found > min(ORDERS[name], 3) - 0.6, found


def test_steps_that_are_controlled_keep_the_tolerance():
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        found = lines(SPECIES, "fourier(32)", f"imex_rk4(rtol={rtol})")
        errors.append(size(found))
        assert found.result.counts["iterations"] < 400
    assert errors[0] < 1e-3
    assert errors[1] < 1e-5
    assert errors[2] < 1e-7


# -- in space ------------------------------------------------------------------------------


# Data that are linear in time leave the error of space alone: the stages meet them exactly.
LINEAR_ROD = ROD.replace("1 + sin(2 x + t)", "1 + t sin(5 x)/2").replace("exp(-t)", "(1 - t/2)")


@pytest.mark.parametrize("order", [2, 4, 6])
def test_order_in_space_of_differences(order: int):
    errors = [
        size(lines(LINEAR_ROD, f"finite_difference({n}, order={order})", "imex_rk5(dt=0.02)"))
        for n in (13, 25)
    ]
    assert np.log2(errors[0] / errors[1]) > order - 0.5, errors


@pytest.mark.parametrize("order", [2, 3, 4])
def test_order_in_space_of_scattered_nodes(order: int):
    source = load_source("reaction_diffusion_disk")
    errors = []
    for nodes in (250, 1000):
        space = f"solver.space=rbf_fd(nodes={nodes}, order={order})"
        found = solve(source, overrides=[space, "solver.time=imex_rk4(dt=0.1)"])
        errors.append(size(found))
    assert np.log2(errors[0] / errors[1]) > order - 0.5, errors


def test_a_spectrum_converges_at_once():
    reference = lines(KS, "fourier(96)", "etdrk4(dt=0.005)")
    x = np.linspace(0, 22, 100)
    for space, time, bound in (
        ("fourier(48)", "etdrk4(dt=0.02)", 1e-6),
        ("fourier(64)", "imex_rk4(dt=0.02)", 1e-6),
        ("finite_difference(192, order=8)", "imex_rk4(rtol=1e-6)", 2e-4),
    ):
        found = lines(KS, space, time)
        assert np.abs(found(10.0, x) - reference(10.0, x)).max() < bound, space


@pytest.mark.parametrize(
    ("text", "space", "bound"),
    [
        (ROD, "rbf_fd(nodes=60, order=5)", 1e-5),
        (ROD, "finite_difference(41)", 1e-5),
        (SQUARE, "finite_difference([21, 17])", 2e-5),
        (SQUARE, "rbf_fd(nodes=600)", 2e-5),
        (PLATE, "rbf_fd(nodes=600)", 1e-4),
        (DRUM, "rbf_fd(nodes=600)", 1e-5),
        (MOVING, "finite_difference(31)", 1e-5),
    ],
    ids=["rod-rbf", "rod-fd", "square-fd", "square-rbf", "plate", "drum", "moving"],
)
def test_conditions_and_coefficients(text: str, space: str, bound: float):
    found = lines(text, space, "imex_rk4(dt=0.02)")
    assert size(found) < bound


def test_explicit_pairs_meet_conditions_without_linear_solves():
    found = lines(SQUARE, "finite_difference([21, 17])", "rk45(rtol=1e-6)")
    assert size(found) < 2e-5
    assert "no linear solves" in found.result.notes[-1]
    counts = lines(SPECIES, "fourier(24)", "rk45(rtol=1e-6)").result.counts
    # The last stage of a step is the first of the next: six evaluations a step, not seven.
    assert counts["evaluations"] < 6.5 * (counts["iterations"] + counts["rejected_steps"])


@pytest.mark.parametrize("time", ["dirk3(dt=0.02)", "crank_nicolson(dt=0.005)"])
def test_implicit_methods_solve_nonlinear_stages(time: str):
    assert size(lines(ROD, "finite_difference(41)", time)) < 2e-5


def test_coupled_stiff_parts_in_fourier_space():
    text = """
domain:
    x ∈ periodic(0, 2 π)
    t ∈ [0, 2]
fields:
    a(t, x), b(t, x) : scalar
equations:
    ∂t a = -∂x²b/2
    -∂t b = -∂x²a/2
initial:
    a = cos(x)
    b = 0
verify:
    a = cos(x) cos(t/2)
    b = -cos(x) sin(t/2)
"""
    assert size(lines(text, "fourier(16)", "etdrk4(dt=0.1)")) < 1e-13
    assert size(lines(text, "fourier(16)", "imex_rk4(dt=0.02)")) < 1e-8


def test_a_field_that_is_eliminated_is_given_all_the_same():
    text = """
domain:
    x ∈ periodic(0, 1)
    t ∈ [0, 0.01]
fields:
    c(t, x), m(t, x) : scalar
equations:
    ∂t c = ∂x²m/10
    m = c³ - c - ∂x²c/100
initial:
    c = cos(2 π x)/5
"""
    for space in ("fourier(32)", "rbf_fd(nodes=60, order=4)"):
        found = lines(text, space, "imex_rk4(dt=1e-3)")
        x = np.linspace(0, 1, 50)
        values = found(0.0, x)
        c = np.cos(2 * np.pi * x) / 5
        exact = c**3 - c + (2 * np.pi) ** 2 * c / 100
        assert np.abs(values["m"] - exact).max() < 2e-4, space


# -- laws ----------------------------------------------------------------------------------


@pytest.mark.parametrize("time", ["imex_rk4(dt=0.05)", "sbdf3(dt=0.05)", "etdrk4(dt=0.05)"])
def test_the_mean_is_conserved_to_rounding(time: str):
    """∂t u = ∂x(…) keeps ∫u; products without aliases keep the mean of u ∂x u at zero."""
    text = KS.replace("u = cos", "u = 0.3 + cos")
    found = lines(text, "fourier(64)", time)
    x = 22 * np.arange(64) / 64
    assert abs(np.mean(found(10.0, x)) - np.mean(found(0.0, x))) < 1e-13


def test_a_factor_that_is_kept_gives_the_numbers_of_a_new_one(monkeypatch: pytest.MonkeyPatch):
    from pdesl.solvers import implicit_solves

    kept = lines(ROD, "finite_difference(31)", "imex_rk3(dt=0.05)")
    assert "1 factorisations" in kept.result.notes[-1]
    monkeypatch.setattr(implicit_solves, "KEPT_FACTORS", 0)
    anew = lines(ROD, "finite_difference(31)", "imex_rk3(dt=0.05)")
    assert "1 factorisations" not in anew.result.notes[-1]
    x = np.linspace(0, 1, 40)
    for name in "uv":
        assert np.array_equal(kept(1.0, x)[name], anew(1.0, x)[name])


def test_transposed_solves_are_those_of_the_transposed_matrix():
    from scipy.sparse import csr_matrix, random_array

    from pdesl.solvers.implicit_solves import SparseFactor

    random = np.random.default_rng(0)
    matrix = csr_matrix(random_array((30, 30), density=0.2, rng=random).toarray() + 3 * np.eye(30))
    factor = SparseFactor(matrix, "the test")
    a, b = random.normal(size=(2, 30))
    assert abs(factor.solve(a) @ b - a @ factor.solve_transposed(b)) < 1e-12
    assert np.allclose(matrix @ factor.solve(a), a)


def test_boundary_values_hold_at_every_time():
    found = lines(ROD, "finite_difference(31)", "imex_rk3(dt=0.05)")
    for t in (0.0, 0.35, 0.371, 1.0):
        assert abs(found(t, 0.0)["u"] - (1 + np.sin(t))) < (1e-13 if t != 0.371 else 1e-6)


def test_times_of_output_are_met_exactly():
    text = ROD + '\noutput:\n    every 0.3: u -> "u.h5"\n    at 0.55: v -> "v.h5"\n'
    times = lines(text, "finite_difference(31)", "imex_rk3(dt=0.07)").result.times
    assert times is not None
    assert set(np.round([0.0, 0.3, 0.6, 0.9, 0.55, 1.0], 12)) <= set(np.round(times, 12))


def test_the_same_seed_gives_the_same_bits():
    first, second = (lines(SQUARE, "rbf_fd(nodes=150, order=2)", "imex_rk2(dt=0.1)") for _ in "ab")
    assert np.array_equal(first(0.3, 0.4, 0.5), second(0.3, 0.4, 0.5))


# -- failures ------------------------------------------------------------------------------


def test_a_step_that_is_too_large_names_step_term_and_remedy():
    text = KS.replace("stiff(-∂x²u - ∂x⁴u)", "stiff(-∂x²u) - ∂x⁴u")
    with pytest.raises(SolverError, match="not finite after step") as caught:
        lines(text, "fourier(64)", "imex_rk3(dt=0.1)")
    assert caught.value.code == "E740"
    assert "linear terms of equation 1 were largest" in str(caught.value)
    assert "dt = 0.1" in caught.value.advice


def test_a_blow_up_is_met_by_vanishing_steps():
    text = KS.replace("stiff(-∂x²u - ∂x⁴u) - u ∂x u", "∂x²u + u²").replace("cos(2", "9 + cos(2")
    with pytest.raises(
        SolverError, match=r"step [\d,]+, at t = .* cannot be small enough"
    ) as caught:
        lines(text, "fourier(16)", "imex_rk4(rtol=1e-6)")
    assert caught.value.code == "E741"


def test_what_cannot_be_stepped_is_refused_with_its_place():
    text = ROD.replace(
        "∂n u + 2 u = ∂n exact(u) + 2 exact(u)", "∂n u + ∂t u = ∂n exact(u) + ∂t exact(u)"
    )
    with pytest.raises(CapabilityError, match="a time derivative") as caught:
        lines(text, "finite_difference(31)", "imex_rk3(dt=0.05)")
    assert caught.value.diagnostics[0].code == "E632"
    with pytest.raises(ProblemError) as wrong:
        lines(ROD, "finite_difference(31)", "sbdf2")
    assert wrong.value.diagnostics[0].code == "E520"


def test_a_field_that_starts_from_zero_is_stepped_with_a_relative_tolerance():
    text = """
domain:
    x ∈ [0, 20]
    t ∈ [0, 5]
fields:
    v(t, x), w(t, x) : scalar
equations:
    ∂t v = ∂x²v
    ∂t w = 0.1 (v - w)
boundary:
    ∂n v = 0    on ∂Ω
initial:
    v = exp(-x²)
    w = 0
"""
    found = lines(text, "finite_difference(201)", "imex_rk4(rtol=1e-6)")
    assert len(found.result.history["time"]) < 200
    total = np.trapezoid(found(5.0, np.linspace(0, 20, 400))["w"], dx=20 / 399)
    # The integral of v is kept, so that of w is (1 − exp(−t/10)) of it.
    assert total == pytest.approx((1 - np.exp(-0.5)) * np.sqrt(np.pi) / 2, rel=1e-3)
