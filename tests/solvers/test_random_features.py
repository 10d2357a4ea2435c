"""Random features: derivatives, least squares, known answers, windows of time, and refusals."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import ProblemError, SolverError, Source
from pdesl.run.pipeline import Solution, load_source, run, solve
from pdesl.run.studies import compare, verify
from pdesl.solvers.feature_fit import fit, relative_residual
from pdesl.solvers.feature_points import Slab
from pdesl.solvers.feature_rows import as_state
from pdesl.solvers.features import FEATURE_KINDS, activation_derivatives, draw_features
from pdesl.solvers.least_squares import factorise
from tests.helpers import NEUMANN, RING

PLATE = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
fields:
    w(x, y) : scalar
    q(x, y) : source
equations:
    ∇⁴w = q
boundary:
    w = exact(w)    on ∂Ω
    ∂n w = ∂n exact(w)    on ∂Ω
manufactured:
    w = sin(x) cos(y) + x²
"""

BEAM = """
domain:
    x ∈ [0, 1]
fields:
    w(x) : scalar
equations:
    dx(w, 4) = 24
boundary:
    w = 0    on ∂Ω
    ∂n w = 0    on ∂Ω
verify:
    w = x² (1 - x)²
"""

SYSTEM = """
domain:
    x, y ∈ [0, 1]
fields:
    a(x, y), b(x, y) : scalar
    f(x, y), g(x, y) : source
equations:
    ∇²a - a b = f
    ∇²b + a² ∂x ∂y b = g
boundary:
    a = exact(a)    on ∂Ω
    b = exact(b)    on x = 0, x = 1
    ∂n b = ∂n exact(b)    on y = 0, y = 1
manufactured:
    a = 1 + sin(x + y)
    b = cos(x - y)
"""

LAYER = """
parameters:
    ε = 0.05
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∂x u - ε ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = (x - (exp((x - 1)/ε) - exp(-1/ε))/(1 - exp(-1/ε))) sin(π y)
"""

HELMHOLTZ = """
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇²u + 400 u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = sin(12 x + 16 y) + x exp(y) cos(5 x y)
"""

WAVE = """
domain:
    x ∈ [0, 1]
    t ∈ [0, 20]
fields:
    u(t, x) : scalar
equations:
    ∂t²u = ∂x²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(π x)
    ∂t u = 0
verify:
    u = sin(π x) cos(π t)
"""

ALLEN_CAHN = """
domain:
    x ∈ [-1, 1]
    t ∈ [0, 0.5]
fields:
    u(t, x) : scalar
    f(t, x) : source
equations:
    ∂t u = 0.01 ∂x²u + u - u³ + f
boundary:
    u = exact(u)    on ∂Ω
initial:
    u = exact(u)
manufactured:
    u = tanh((x - 0.3 t + 0.3)/0.3)
"""

FIVE = """
domain:
    x ∈ [0, 1]^5
fields:
    u(x) : scalar
    f(x) : source
equations:
    ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = x₁ x₂ + exp((x₃ + x₄ + x₅)/3)
"""


def solved(text: str, **options: object) -> Solution:
    overrides = [f"solver.{name}={value}" for name, value in options.items()]
    return solve(Source("test.pde", text), solver="random_features", overrides=overrides)


def size(solution: Solution) -> float:
    """The largest relative error of a field."""
    return max(e.relative_l2 or 0.0 for e in solution.errors.values())


# -- features ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_derivatives_of_activations_are_those_of_jax(kind: str):
    import jax
    import jax.numpy as jnp

    z = np.linspace(-3.0, 3.0, 13)
    function = {"tanh": jnp.tanh, "sin": jnp.sin}[kind]
    for found in activation_derivatives(kind, z, 6):
        assert found == pytest.approx(np.asarray(jax.vmap(function)(z)), abs=1e-10)
        function = jax.grad(function)


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(FEATURE_KINDS),
    orders=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    seed=st.integers(0, 1000),
)
def test_derivatives_of_features_are_differences(kind: str, orders: tuple[int, int], seed: int):
    """Each further derivative is the central difference of the one before."""
    features = draw_features(
        5, (2.0, 1.0), [0.0, -1.0], [2.0, 3.0], kind=kind, periodic=[False, False], seed=seed
    )
    coefficients = np.random.default_rng(seed).normal(size=(1, 5))
    state = as_state(features, coefficients)
    points = np.random.default_rng(seed + 1).uniform(0.0, 1.0, (7, 2))
    step = 1e-5
    for axis in range(2):
        more = tuple(o + (i == axis) for i, o in enumerate(orders))
        shift = step * np.eye(2)[axis]
        (exact,) = state(points, [(0, more)])
        (after,), (before,) = (state(points + s * shift, [(0, orders)]) for s in (1, -1))
        assert (after - before) / (2 * step) == pytest.approx(exact, rel=1e-6, abs=1e-6)


def test_longer_draws_continue_shorter_ones():
    box = ([0.0], [1.0])
    few, many = (
        draw_features(n, (3.0,), *box, kind="tanh", periodic=[False], seed=4) for n in (8, 16)
    )
    assert np.array_equal(few.weights, many.weights[:, :8])
    assert np.array_equal(few.biases, many.biases[:8])


def test_periodic_features_repeat():
    features = draw_features(
        30, (9.0, 2.0), [1.0, 0.0], [3.0, 1.0], kind="sin", periodic=[True, False], seed=0
    )
    points = np.random.default_rng(0).uniform(0.0, 1.0, (20, 2))
    assert features.values(points + [2.0, 0.0]) == pytest.approx(features.values(points), abs=1e-12)
    with pytest.raises(ValueError, match="periodic"):
        draw_features(4, (1.0,), [0.0], [1.0], kind="tanh", periodic=[True], seed=0)


# -- least squares -------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(3, 40), columns=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_least_squares_agree_with_the_augmented_problem(rows: int, columns: int, seed: int):
    random = np.random.default_rng(seed)
    matrix, right = random.normal(size=(rows, columns)), random.normal(size=rows)
    factorisation = factorise(np.array(matrix, order="F"))
    whole = np.concatenate([matrix, factorisation.damping * np.eye(columns)])
    expected = np.linalg.lstsq(whole, np.concatenate([right, np.zeros(columns)]), rcond=None)[0]
    if rows >= columns and np.linalg.cond(matrix) < 1e6:
        assert factorisation.solve(right) == pytest.approx(expected, rel=1e-6, abs=1e-8)
        assert factorisation.rank() == pytest.approx(columns, abs=1e-3)
    if rows >= columns:
        residual = matrix @ factorisation.solve(right) - right
        assert matrix.T @ residual == pytest.approx(np.zeros(columns), abs=1e-7)


def test_rank_and_sensitivity_of_a_deficient_matrix():
    random = np.random.default_rng(0)
    matrix = random.normal(size=(60, 7)) @ random.normal(size=(7, 12))
    factorisation = factorise(np.asfortranarray(matrix))
    assert factorisation.rank() == pytest.approx(7, abs=0.1)
    # A direction that the matrix does not see is limited by Tikhonov's term alone.
    assert factorisation.sensitivity(np.eye(12)) == pytest.approx(
        1 / factorisation.damping, rel=0.05
    )


# -- known answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("linear_poisson_disk", 1e-10),
        ("linear_poisson_star", 1e-10),
        ("nonlinear_poisson_disk", 1e-8),
        ("anisotropic_diffusion_square", 1e-9),
    ],
)
def test_catalogue(name: str, bound: float):
    solution = solve(load_source(name), solver="random_features")
    assert size(solution) < bound
    assert "not a trained deep network" in str(solution.result.attributes["network"])


def test_three_coordinates_with_few_features():
    for name, bound in (("heat_disk", 1e-2), ("poisson_ball", 1e-5)):
        settings = ["solver.features=250"]
        found = solve(load_source(name), solver="random_features", overrides=settings)
        assert size(found) < bound


@pytest.mark.parametrize(
    ("text", "bound"),
    [(PLATE, 1e-10), (BEAM, 1e-10), (SYSTEM, 1e-9), (RING, 1e-9), (HELMHOLTZ, 1e-5)],
    ids=["plate", "beam", "system", "periodic", "helmholtz"],
)
def test_other_problems(text: str, bound: float):
    assert size(solved(text, largest=400)) < bound


def test_scales_follow_a_boundary_layer():
    solution = solved(LAYER, largest=400)
    assert size(solution) < 1e-3
    _, chosen, *_ = solution.result.notes
    along, across = json.loads(chosen.split("scales (")[1].split(")")[0].join("[]"))
    assert along > 2 * across


def test_five_dimensions():
    assert size(solved(FIVE, features=300)) < 1e-3


def test_more_features_are_more_accurate():
    source = load_source("poisson_ball")
    sizes = []
    for count in (50, 100, 200):
        settings = [f"solver.features={count}"]
        sizes.append(size(solve(source, solver="random_features", overrides=settings)))
    assert all(after < before / 3 for before, after in pairwise(sizes)), sizes


def test_the_same_seed_gives_the_same_bits():
    first, second = (solved(SYSTEM, features=60) for _ in range(2))
    for name, array in first.result.arrays.items():
        assert np.array_equal(array, second.result.arrays[name])
    other = solved(SYSTEM, features=60, seed=1)
    assert not np.array_equal(first.result.arrays["weights"], other.result.arrays["weights"])


def test_the_held_out_residual_measures_the_error():
    """From coarse to fine the residual on held-out points falls with the error."""
    pairs = []
    for count in (30, 60, 120, 240):
        solution = solved(HELMHOLTZ.replace("400", "4"), features=count)
        pairs.append((np.sqrt(solution.result.losses["held_out"]), size(solution)))
    logs = np.log(np.array(pairs))
    assert np.corrcoef(logs.T)[0, 1] > 0.95, pairs


# -- time ----------------------------------------------------------------------------------


def test_a_long_interval_keeps_its_accuracy():
    solution = solved(WAVE)
    assert solution.result.counts["windows"] > 1
    assert size(solution) < 1e-6


def test_windows_join_smoothly():
    solution = solved(WAVE.replace("20", "4"), windows=4, features=200)
    assert solution.result.counts["windows"] == 4
    x = np.linspace(0.0, 1.0, 11)
    before, after = solution(1.0, x), solution(1.0 + 1e-9, x)
    assert np.abs(before - after).max() < 1e-6


def test_windows_of_one_length_share_a_factorisation(monkeypatch: pytest.MonkeyPatch):
    from pdesl.solvers import feature_windows

    fits: list[int] = []
    plain = feature_windows.fit
    monkeypatch.setattr(feature_windows, "fit", lambda *a, **k: fits.append(1) or plain(*a, **k))
    text = WAVE.replace("20", "4").split("verify")[0]
    autonomous = solved(text, windows=8, features=120)
    assert len(fits) == 1
    varying = solved(text.replace("= ∂x²u", "= (1 + 0 t) ∂x²u + 0.1 sin(t) u"), windows=4,
                     features=120)  # fmt: skip
    assert len(fits) == 1 + 3
    assert autonomous.result.losses["held_out"] < 1e-8
    assert varying.result.losses["held_out"] < 1e-8


def test_allen_cahn_by_gauss_newton_in_time():
    solution = solved(ALLEN_CAHN)
    assert size(solution) < 1e-5
    assert solution.result.counts["iterations"] > solution.result.counts["windows"]


# -- what it says, what it refuses ---------------------------------------------------------


def test_a_singular_problem_says_so():
    with pytest.raises(SolverError, match="singular") as caught:
        solved(NEUMANN)
    assert caught.value.code == "E704"
    assert "Neumann" in caught.value.advice


def test_an_unresolved_solution_is_called_so():
    solution = solved(HELMHOLTZ, features=40)
    assert size(solution) > 1e-3
    assert "not converged" in solution.result.stop_reason
    assert any(note.startswith("warning: not converged") for note in solution.result.notes)


def test_gauss_newton_that_fails_is_an_error():
    text = SYSTEM.replace("a b = f", "exp(a²) = f").replace("1 + sin(x + y)", "2 + sin(x + y)")
    with pytest.raises(SolverError, match="Gauss-Newton") as caught:
        solved(text, iterations=1, features=60, scale=1, kind="sin")
    assert caught.value.code == "E705"


def test_an_equation_that_is_undefined_at_zero_is_named():
    text = SYSTEM.replace("a b = f", "b/a = f")
    with pytest.raises(SolverError, match="equation 1 is not finite") as caught:
        solved(text, features=60)
    assert caught.value.code == "E701"


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (RING, {"kind": "tanh"}, "E616"),
        (PLATE, {"features": 100, "points": 50}, "E514"),
        (PLATE, {"kind": "relu"}, "E504"),
    ],
)
def test_options_that_cannot_be(text: str, options: dict[str, object], code: str):
    with pytest.raises(ProblemError) as caught:
        solved(text, **options)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_run_states_its_network_and_compares(tmp_path: Path):
    report = run(Source("beam.pde", BEAM), solver="random_features", output=tmp_path / "run")
    assert any("not a trained deep network" in line for line in report.lines)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["counts"]["hidden_layers"] == 1
    assert metrics["counts"]["features"] == metrics["counts"]["parameters"]
    file = tmp_path / "beam.pde"
    file.write_text(BEAM, encoding="utf-8")
    found = compare(str(file), ["rbf_fd", "random_features"], output=tmp_path / "both")
    assert any(line.startswith("random_features: network: one hidden") for line in found.lines)


def test_a_ladder_over_features(tmp_path: Path):
    text = PLATE + "verify:\n    features = [20, 40, 80]\n    relative_l2(w) ≤ 1e-3\n"
    source = Source("plate.pde", text)
    report = verify(source, solver="random_features", output=tmp_path / "ladder")
    assert report.met
    assert (tmp_path / "ladder" / "convergence.png").exists()


def test_a_fit_of_given_features_has_the_least_residual():
    """No other coefficients have a smaller weighted residual."""
    solution = solved(SYSTEM, features=40)
    slab = Slab(_task(SYSTEM))
    rows = slab.rows(120, 0)
    features = draw_features(40, (2.0, 2.0), *slab.box, kind="sin", periodic=[False, False], seed=0)
    found = fit(rows, features, 2, guess=None, iterations=30)
    assert found.converged
    random = np.random.default_rng(0)

    def norm(coefficients: np.ndarray) -> float:
        state = as_state(features, coefficients)
        residuals = [
            row.residual(dict(zip(row.terms, state(row.inputs, row.terms), strict=True)))
            for row in rows
        ]
        return float(np.linalg.norm(found.weights * np.concatenate(residuals)))

    least = norm(found.coefficients)
    for _ in range(10):
        moved = found.coefficients + 1e-4 * random.normal(size=found.coefficients.shape)
        assert norm(moved) >= least * (1 - 1e-9)
    assert relative_residual(found.state, rows) < 1e-3
    assert size(solution) < 1e-3


def _task(text: str):
    from pdesl.run.pipeline import compile
    from pdesl.solvers.base import Task
    from pdesl.solvers.options import RandomFeaturesOptions
    from pdesl.symbolic.domain import make_region

    system = compile(Source("test.pde", text))
    assert system.problem.shape is not None
    region = make_region(system.problem.shape, system.space_symbols, {})
    return Task(system, region, {}, RandomFeaturesOptions())
