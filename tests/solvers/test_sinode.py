"""Learned systems: their right-hand sides, gradients, windows, steps, standard errors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from pdesl.diagnostics import OutputError, ProblemError, Source
from pdesl.ir.evolution import to_evolution
from pdesl.ir.imex import to_imex
from pdesl.lowering.closures import make_closure_network
from pdesl.lowering.imex_spectral import to_spectral_imex
from pdesl.lowering.learned import Learned, Unknowns
from pdesl.lowering.periodic_grid import make_periodic_grid
from pdesl.lowering.products import product
from pdesl.lowering.to_learned import trigonometric_interpolation
from pdesl.run import pipeline
from pdesl.run.checkpoint import CheckpointFile
from pdesl.run.reporting import silent_reporter
from pdesl.solvers.base import Reporter, TrainingReport
from pdesl.solvers.fit_choices import read_data
from pdesl.solvers.fit_descent import batches_of
from pdesl.solvers.fit_model import in_precision, make_batch
from pdesl.solvers.fit_steps import Prepared
from pdesl.solvers.fit_windows import make_steps
from pdesl.solvers.rollout import count_evaluations
from pdesl.solvers.sinode import fit
from tests.solvers.fits import prepared_of, source_of, task_of

HEAD = "domain:\n    x ∈ periodic(0, 2)\n    t ∈ [0, 1]\nfields:\n    u(t, x) : scalar\n"
FIT = 'data:\n    d = load("data.npz")\nfit:\n    d.u ≈ u\n'


def waves(points: int, times: int = 3, seed: int = 0) -> dict[str, Any]:
    """Smooth periodic states on a grid."""
    random = np.random.default_rng(seed)
    x = 2.0 * np.arange(points) / points
    k = np.pi * np.arange(1, 4)
    rows = [
        sum(
            a * np.cos(w * x + p)
            for w, a, p in zip(k, random.normal(size=3), random.normal(size=3), strict=True)
        )
        for _ in range(times)
    ]
    return {"t": 0.05 * np.arange(times), "x": x, "u": np.array(rows)}


def perturbed(prepared: Prepared, seed: int = 1) -> Learned:
    """What is learned, moved away from its start."""
    arrays, static = eqx.partition(prepared.learned, eqx.is_inexact_array)
    flat, restore = ravel_pytree(arrays)
    moved = flat + 0.1 * np.random.default_rng(seed).normal(size=flat.shape)
    return eqx.combine(restore(moved), static)


# -- unknown numbers -----------------------------------------------------------------------


@given(
    low=st.floats(-1e3, 1e3),
    width=st.floats(1e-2, 1e3),
    share=st.floats(0.01, 0.99),
    kind=st.sampled_from(["both", "lower", "upper", "none"]),
)
@settings(max_examples=40, deadline=None)
def test_an_unknown_comes_back_from_its_free_number(low, width, share, kind):
    start = low + share * width
    lower = low if kind in ("both", "lower") else -np.inf
    upper = low + width if kind in ("both", "upper") else np.inf
    unknowns = Unknowns(("a",), (start,), (lower,), (upper,))
    free = unknowns.to_free([start])
    assert np.asarray(unknowns.to_values(jnp.asarray(free))) == pytest.approx([start], rel=1e-9)
    for z in (-40.0, -1.0, 3.0, 40.0):
        (value,) = np.asarray(unknowns.to_values(jnp.array([z])))
        assert lower <= value <= upper


# -- right-hand sides ----------------------------------------------------------------------


@pytest.mark.parametrize("space", ["fourier(16)", "finite_difference(16, order=4)"])
def test_on_a_grid_the_right_hand_side_is_that_of_the_method_of_lines(tmp_path: Path, space: str):
    text = HEAD + "parameters:\n    a = unknown(start=0.7)\n    b = 2\nequations:\n"
    text += "    ∂t u = stiff(a ∂x²u) - b u ∂x u + sin(π x) cos(t) u - u³\n" + FIT
    text += f"solver:\n    method = sinode(space={space}, time=imex_rk2(dt=0.05))\n"
    data = waves(16)
    prepared = prepared_of(source_of(text, tmp_path, **data))
    task = prepared.task
    system = to_evolution(task.system)
    order = None if space.startswith("fourier") else 4
    grid = make_periodic_grid(task.region, (16,), degree=3, difference_order=order)
    spectral = to_spectral_imex(
        dataclasses.replace(system, initial=()), to_imex(system), grid, task.values, 0.0
    )
    model, learned = prepared.model, prepared.learned
    for state, t in zip(data["u"], (0.0, 0.3, 0.9), strict=True):
        modes = grid.to_modes(state[None])
        modes[..., -1] = 0.0
        whole = grid.to_values(spectral.explicit(t, modes) + spectral.implicit(t, modes))[0]
        own = model.system.explicit(t, jnp.asarray(state[None]), learned)
        assert model.operator is not None
        own = own + model.operator.apply(learned, jnp.asarray(state[None]))
        found = np.asarray(own[0])
        assert found == pytest.approx(whole, abs=1e-9 * np.abs(whole).max() + 1e-9)


@pytest.mark.parametrize("space", ["finite_difference(41)", "rbf_fd(nodes=40)"])
def test_on_nodes_a_fit_finds_what_made_the_data(tmp_path: Path, space: str):
    """A known solution, sin(π x) exp(−k t) + x t, with boundary data that change in time."""
    text = (
        """
domain:
    x ∈ [0, 1]
    t ∈ [0, 1]
parameters:
    k = unknown(start=2)
    g = unknown(start=0.3)
fields:
    u(t, x) : scalar
equations:
    ∂t u = stiff((k/10) ∂x²u) + x
boundary:
    u = 0       on x = 0
    ∂x u = g t - π exp(-π² t/10)    on x = 1
initial:
    u = sin(π x)
"""
        + FIT
        + f"solver:\n    method = sinode(space={space}, time=imex_rk3(dt=0.02))\n"
    )
    x, t = np.linspace(0.05, 0.95, 7), np.array([0.1, 0.33, 0.7, 1.0])
    u = np.sin(np.pi * x) * np.exp(-(np.pi**2) / 10 * t[:, None]) + x * t[:, None]
    task = task_of(source_of(text, tmp_path, t=t, x=x, u=u))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    assert found.values["k"] == pytest.approx(1.0, abs=2e-3)
    assert found.values["g"] == pytest.approx(1.0, abs=5e-3)


def test_values_between_the_points_of_a_grid_are_those_of_the_polynomial():
    class Grid:
        counts, lower, periods = (7, 5), np.array([0.5, -1.0]), np.array([2.0, 3.0])

    axes = [low + p * np.arange(n) / n
            for low, p, n in zip(Grid.lower, Grid.periods, Grid.counts, strict=True)]  # fmt: skip

    def wave(x: Any, y: Any) -> Any:
        return np.cos(2 * np.pi * (x - 0.1)) * np.sin(4 * np.pi / 3 * y) + np.sin(np.pi * x)

    places = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    matrix = trigonometric_interpolation(Grid, places)  # type: ignore[arg-type]
    values = wave(*np.meshgrid(*axes, indexing="ij")).ravel()
    assert matrix @ values == pytest.approx(wave(*places.T), abs=1e-12)


# -- closures ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12,), (4, 5)])
def test_a_convolution_moves_with_its_input(shape: tuple[int, ...]):
    network = make_closure_network("convolution", 2, (3,), "tanh", shape=shape, width=3, seed=0)
    places = int(np.prod(shape))
    inputs = np.random.default_rng(0).normal(size=(2, *shape, 2))
    first = np.asarray(network(jnp.asarray(inputs.reshape(2, places, 2)))).reshape(2, *shape)
    moved = np.roll(inputs, 2, axis=1).reshape(2, places, 2)
    second = np.asarray(network(jnp.asarray(moved))).reshape(2, *shape)
    assert second == pytest.approx(np.roll(first, 2, axis=1), abs=1e-13)


@pytest.mark.parametrize(("shape", "width"), [((24,), 5), ((6, 8), 3), ((24,), 21), ((6, 8), 5)])
def test_a_convolution_is_the_sum_over_its_window(shape: tuple[int, ...], width: int):
    """Narrow windows are summed, wide ones are products of transforms."""
    network = make_closure_network("convolution", 2, (), "tanh", shape=shape, width=width, seed=1)
    inputs = np.random.default_rng(0).normal(size=(3, *shape, 2))
    (weight,) = (np.asarray(w).reshape(*(width,) * len(shape), 2) for w in network.weights)
    wanted = np.zeros((3, *shape))
    for offset in np.ndindex(*(width,) * len(shape)):
        moved = np.roll(inputs, [width // 2 - o for o in offset], tuple(range(1, 1 + len(shape))))
        wanted += moved @ weight[offset]
    found = network(jnp.asarray(inputs.reshape(3, -1, 2)))
    assert np.asarray(found).reshape(wanted.shape) == pytest.approx(wanted, abs=1e-11)


CLOSURES = {
    "point": "mlp(u, ∂x u, x, hidden=(5,))",
    "grid": 'mlp(u, scope="grid", hidden=(6,), activation="gelu")',
    "convolution": "convolution(u, hidden=(4,), width=3)",
}


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [*((kind, "imex_rk3(dt=0.05)") for kind in CLOSURES), ("point", "rk4(dt=0.02)")],
)
def test_the_gradient_is_that_of_backpropagation_and_of_differences(
    tmp_path: Path, kind: str, scheme: str
):
    text = HEAD + "parameters:\n    a = unknown(start=0.02, bounds=(0, 1))\n"
    text += f"closure:\n    N = {CLOSURES[kind]}\nequations:\n"
    text += (
        "    ∂t u = stiff(a ∂x²u) + ∂x N - u N + a u\n"
        + FIT
        + "    window = 2\n    penalty = 0.1\n"
    )
    text += f"solver:\n    method = sinode(space=fourier(12), time={scheme})\n"
    prepared = prepared_of(source_of(text, tmp_path, **waves(12, 5)))
    model, learned = prepared.model, perturbed(prepared)
    batch = make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)
    arrays, static = eqx.partition(learned, eqx.is_inexact_array)
    flat, restore = ravel_pytree(arrays)

    @eqx.filter_jit
    def gradient_of(vector: Any, gradient: str, model: Any, batch: Any) -> Any:
        def loss(v: Any) -> Any:
            own = dataclasses.replace(model, gradient=gradient)
            return own.loss(eqx.combine(restore(v), static), batch)

        return jax.value_and_grad(loss)(vector)

    _, exact = gradient_of(flat, "backpropagation", model, batch)
    _, adjoint = gradient_of(flat, "discrete_adjoint", model, batch)
    size = float(np.linalg.norm(exact))
    assert float(np.linalg.norm(adjoint - exact)) < 1e-11 * size
    direction = np.random.default_rng(3).normal(size=flat.shape)
    h = 1e-6
    above, _ = gradient_of(flat + h * direction, "discrete_adjoint", model, batch)
    below, _ = gradient_of(flat - h * direction, "discrete_adjoint", model, batch)
    assert float(above - below) / (2 * h) == pytest.approx(float(exact @ direction), rel=1e-6)


# -- ordinary differential equations -------------------------------------------------------

LINE = """
domain:
    t ∈ [0, 4]
fields:
    u(t) : scalar
parameters:
    b = unknown(start=0.1)
equations:
    ∂t u = b
initial:
    u = unknown(start=0)
data:
    d = load("data.npz")
fit:
    d.u ≈ u{sigma}
solver:
    method = sinode(time=rk4(dt=0.5))
"""


@pytest.mark.parametrize("sigma", [None, 0.2])
def test_standard_errors_are_those_of_a_straight_line(tmp_path: Path, sigma: float | None):
    """u = a + b t: the covariance of linear regression, s² (XᵀX)⁻¹."""
    t = np.array([0.0, 0.5, 1.0, 2.0, 2.5, 4.0])
    u = 1 + 2 * t + np.array([0.1, -0.2, 0.15, 0.05, -0.1, 0.02])
    text = LINE.format(sigma="" if sigma is None else f" ± {sigma}")
    task = task_of(source_of(text, tmp_path, t=t, u=u))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    X = np.stack([t, np.ones_like(t)], axis=1)
    best, squares, _, _ = np.linalg.lstsq(X, u, rcond=None)
    variance = float(squares[0]) / (len(t) - 2) if sigma is None else sigma**2
    errors = np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X)))
    assert list(found.values.values()) == pytest.approx(list(best), rel=1e-8)
    assert list(found.errors.values()) == pytest.approx(list(errors), rel=1e-6)
    assert found.correlation is not None
    inverse = np.linalg.inv(X.T @ X)
    wanted = inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert found.correlation[0, 1] == pytest.approx(wanted, rel=1e-6)


def test_what_is_known_beforehand_counts_as_a_measurement(tmp_path: Path):
    t = np.array([0.0, 1.0, 2.0])
    text = LINE.format(sigma=" ± 1").replace("solver:", "    b ≈ 5 ± 0.5\nsolver:")
    task = task_of(source_of(text, tmp_path, t=t, u=1 + 2 * t))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    X = np.array([[0, 1], [1, 1], [2, 1], [2, 0]], float)
    best = np.linalg.lstsq(X, np.array([1, 3, 5, 10.0]), rcond=None)[0]
    assert list(found.values.values()) == pytest.approx(list(best), rel=1e-7)


OSCILLATOR = """
domain:
    t ∈ [0, 12]
fields:
    u(t) : scalar
parameters:
    w = unknown(start=1.6, bounds=(0.5, 3))
equations:
    ∂t∂t u = -w² u
initial:
    u = 1
    ∂t u = 0
data:
    d = load("data.npz")
fit:
    d.u ≈ u
    d.v ≈ ∂t u
    windows = {windows}
solver:
    method = sinode(time=rk4(dt=0.05), gradient="{gradient}")
"""


def oscillator(tmp_path: Path, windows: int, missing: bool = False) -> Source:
    t = np.linspace(0.17, 12, 60)
    u, v = np.cos(2.1 * t), -2.1 * np.sin(2.1 * t)
    if missing:
        u, v = u.copy(), v.copy()
        u[::3], v[1::4] = np.nan, np.nan
    text = OSCILLATOR.format(windows=windows, gradient="discrete_adjoint")
    return source_of(text, tmp_path, t=t, u=u, v=v)


@pytest.mark.parametrize("missing", [False, True])
def test_several_windows_find_a_frequency_that_one_course_does_not(tmp_path: Path, missing: bool):
    """From a start out of phase, the misfit of one long course has a minimum in between."""
    found = {}
    for windows in (1, 8):
        task = task_of(oscillator(tmp_path, windows, missing))
        own = fit(task, read_data(task.system.problem, task.values), silent_reporter())
        found[windows] = own.values["w"]
    assert found[8] == pytest.approx(2.1, abs=1e-4)
    assert abs(found[1] - 2.1) > 0.05


def test_measured_times_between_steps_are_interpolated_to_fourth_order(tmp_path: Path):
    errors = []
    for dt in (0.1, 0.05):
        source = oscillator(tmp_path, 1)
        prepared = prepared_of(source, (f"solver.time.dt={dt}", "parameters.w=unknown(start=2.1)"))
        assert not prepared.steps.exact
        batch = make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)
        residuals, _, _ = prepared.model.parts(prepared.learned, batch)
        errors.append(max(float(jnp.abs(r).max()) for r in residuals))
    assert 3.5 < np.log2(errors[0] / errors[1]) < 4.6


@given(
    gaps=st.lists(st.integers(1, 6), min_size=1, max_size=5), dt=st.floats(0.01, 1.0),
    unit=st.floats(0.05, 0.5),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_steps_meet_measured_times_that_are_multiples(gaps: list[int], dt: float, unit: float):
    from pdesl.solvers.fit_windows import Targets, WindowSet

    offsets = unit * np.cumsum(gaps)[None]
    windows = WindowSet(
        np.zeros(1), offsets[:, -1], None, {"d": Targets(offsets, {})}, np.zeros(1, bool)
    )
    steps = make_steps(windows, dt)
    assert steps.dt <= dt * (1 + 1e-9)
    assert steps.dt * steps.count == pytest.approx(float(offsets[0, -1]))
    share = offsets / steps.dt
    if steps.exact:
        assert share == pytest.approx(np.round(share), abs=1e-5)


# -- running it ----------------------------------------------------------------------------

DECAY = """
domain:
    t ∈ [0, 3]
fields:
    u(t) : scalar
closure:
    f = mlp(u, hidden=(8,))
equations:
    ∂t u = f
data:
    d = load("data.npz")
fit:
    d.u ≈ u
    optimizer = adam(rate=0.02, epochs=6, batch=5)
solver:
    method = sinode(time=rk4(dt=0.1))
"""


def decay(tmp_path: Path) -> Source:
    t = np.arange(0.0, 3.01, 0.1)
    return source_of(DECAY, tmp_path, t=t, u=np.stack([np.exp(-t), 2 * np.exp(-t)]))


def test_a_fit_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(tmp_path: Path):
    source = decay(tmp_path)
    whole = pipeline.run(source, output=tmp_path / "a")
    half = ("fit.optimizer.epochs=3",)
    pipeline.run(source, overrides=half, output=tmp_path / "b")
    resumed = pipeline.run(source, output=tmp_path / "b", resume=True)
    first, second = whole.metrics["losses"], resumed.metrics["losses"]
    assert first == second
    with pytest.raises(Exception, match="of another run"):
        pipeline.run(source, overrides=("solver.seed=3",), output=tmp_path / "b", resume=True)


@pytest.mark.parametrize(
    ("optimiser", "saves"), [("levenberg_marquardt", 3), ("lbfgs(iterations=8)", 1)]
)
def test_every_optimiser_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str, saves: int
):
    source = oscillator(tmp_path, 8)
    settings = (f"fit.optimizer={optimiser}", "solver.checkpoint=0")
    whole = pipeline.run(source, output=tmp_path / "a", overrides=settings)
    save = CheckpointFile.save
    saved = 0

    def last(self: CheckpointFile, arrays: dict) -> None:
        nonlocal saved
        save(self, arrays)
        saved += 1
        if saved == saves:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFile, "save", last)
        assert pipeline.run(source, output=tmp_path / "b", overrides=settings).interrupted
    again = pipeline.run(source, output=tmp_path / "b", overrides=settings, resume=True)
    assert str(again.metrics["unknowns"]) == str(whole.metrics["unknowns"])  # NaN among them
    assert again.metrics["counts"] == whole.metrics["counts"]
    other = ("fit.optimizer=adam(rate=0.1)", "solver.checkpoint=0")
    with pytest.raises(OutputError, match="of another run") as caught:
        pipeline.run(source, output=tmp_path / "b", overrides=other, resume=True)
    assert caught.value.code == "E831"


def test_a_gradient_that_an_optimiser_does_not_take_is_told(tmp_path: Path):
    text = OSCILLATOR.format(windows=8, gradient="continuous_adjoint")
    t = np.linspace(0.17, 3, 15)
    task = task_of(source_of(text, tmp_path, t=t, u=np.cos(2.1 * t), v=-2.1 * np.sin(2.1 * t)))
    said: list[str] = []
    reporter = dataclasses.replace(silent_reporter(), say=said.append)
    fit(task, read_data(task.system.problem, task.values), reporter)
    assert any("continuous_adjoint" in words for words in said)


def test_an_interrupted_fit_is_a_result(tmp_path: Path):
    source = decay(tmp_path)
    task = task_of(source)
    plain = silent_reporter()

    def train(report: TrainingReport) -> None:
        if report.iteration == 2:
            raise KeyboardInterrupt

    reporter = Reporter(plain.stage, train, plain.say)
    found = fit(task, read_data(task.system.problem, task.values), reporter)
    assert found.interrupted
    assert found.counts["iterations"] == 2
    assert np.isfinite(found.losses["training"])


def test_a_misfit_that_is_not_finite_says_where(tmp_path: Path):
    source = decay(tmp_path)
    with pytest.raises(Exception, match=r"epoch \d+, step \d+ of \d+ is not finite"):
        pipeline.run(source, overrides=("fit.optimizer.rate=1e200",), output=tmp_path / "out")


@pytest.mark.parametrize(
    ("windows", "batch", "steps", "wanted"),
    [(3999, 256, 1, (60, 120, 180, 240)), (80 * 49, 200, 2, (152, 304, 456, 608))],
)
def test_evaluations_are_those_of_the_paper(windows: int, batch: int, steps: int, wanted: tuple):
    """Table 2 of Zhang, Liu and Maulik: KS, and Burgers."""
    batches, _ = batches_of(windows, batch)
    schemes = [f"imex_rk{order}" for order in (2, 3, 4, 5)]
    found = [count_evaluations(s, steps, batches=batches).total for s in schemes]
    assert tuple(found) == wanted


def test_windows_are_held_out_by_runs(tmp_path: Path):
    prepared = prepared_of(decay(tmp_path))
    held = prepared.windows.held_out
    assert held.sum() == 30
    assert prepared.windows.states is not None
    assert prepared.windows.states[held].max() > 1.5
    assert prepared.windows.states[~held].max() <= 1.0


def test_data_without_places_are_at_the_points_of_the_grid(tmp_path: Path):
    text = HEAD + "parameters:\n    a = unknown(start=1)\nequations:\n    ∂t u = a ∂x²u\n" + FIT
    text += "solver:\n    method = sinode(space=fourier(12), time=imex_rk2(dt=0.05))\n"
    data = waves(12)
    del data["x"]
    prepared = prepared_of(source_of(text, tmp_path, **data))
    assert prepared.windows.states is not None
    assert np.asarray(prepared.windows.states[0]) == pytest.approx(data["u"][0])
    with pytest.raises(ProblemError, match="12 places, and the grid has 16 points"):
        prepared_of(source_of(text.replace("12", "16"), tmp_path, **data))


def test_states_on_more_points_are_those_of_the_measured_waves(tmp_path: Path):
    text = HEAD + "parameters:\n    a = unknown(start=1)\nequations:\n    ∂t u = a ∂x²u\n" + FIT
    text += "solver:\n    method = sinode(space=fourier(30), time=imex_rk2(dt=0.05))\n"
    data = waves(12)
    order = np.random.default_rng(0).permutation(12)
    mixed = {"t": data["t"], "x": data["x"][order], "u": data["u"][:, order]}
    prepared = prepared_of(source_of(text, tmp_path, **mixed))
    assert prepared.windows.states is not None
    fine = waves(30)["u"]
    assert np.asarray(prepared.windows.states) == pytest.approx(fine[:2], abs=1e-12)
    with pytest.raises(ProblemError, match="not measured at all 30 points"):
        short = {"t": data["t"], "x": data["x"][:11], "u": data["u"][:, :11]}
        prepared_of(source_of(text, tmp_path, **short))


def test_gradients_with_checkpoints_and_in_float32(tmp_path: Path):
    text = HEAD + 'closure:\n    N = mlp(u, scope="grid", hidden=(20,))\nequations:\n'
    text += "    ∂t u = stiff(-∂x⁴u) + N\n" + FIT + "    window = 4\n"
    text += "solver:\n    method = sinode(space=finite_difference(32), time=imex_rk3(dt=0.01))\n"
    prepared = prepared_of(source_of(text, tmp_path, **waves(32, 6)))
    batch = make_batch(prepared.windows, prepared.steps, prepared.pairs, prepared.sets)

    def gradient(precision: str, checkpoints: str | None) -> np.ndarray:
        learned, own = in_precision((prepared.learned, batch), precision)
        model = in_precision(
            dataclasses.replace(prepared.model, checkpoints=checkpoints), precision
        )
        arrays, static = eqx.partition(learned, eqx.is_inexact_array)
        slope = eqx.filter_jit(
            jax.grad(lambda a, m, b: m.loss(eqx.combine(a, static), b))
        )(arrays, model, own)  # fmt: skip
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(slope)} == {precision}
        return np.asarray(ravel_pytree(slope)[0], float)

    exact = gradient("float64", None)
    size = float(np.linalg.norm(exact))
    assert np.linalg.norm(gradient("float64", "sqrt") - exact) < 1e-12 * size
    # A stencil rounded to float32 would spoil small waves; states are rounded in every step.
    assert np.linalg.norm(gradient("float32", None) - exact) < 1e-4 * size


def test_a_fit_in_float32_with_checkpoints_is_that_in_float64(tmp_path: Path):
    source = decay(tmp_path)
    exact = pipeline.run(source, output=tmp_path / "a")
    own = ("solver.precision=float32", "solver.checkpoints=sqrt")
    found = pipeline.run(source, overrides=own, output=tmp_path / "b")
    assert found.metrics["precision"] == "float32"
    first, second = (
        r.metrics["losses"]["training"]  # type: ignore[index]
        for r in (exact, found)
    )
    assert second == pytest.approx(first, rel=1e-3)
    damped = ("solver.precision=float32", "fit.optimizer=levenberg_marquardt(iterations=2)")
    with pytest.raises(ProblemError, match="works in float64"):
        pipeline.run(source, overrides=damped, output=tmp_path / "c")


def test_the_product_with_weights_is_differentiated_both_ways():
    random = np.random.default_rng(0)
    h, w, dh, dw = (jnp.asarray(random.normal(size=s)) for s in ((5, 3), (3, 4), (5, 3), (3, 4)))
    value, tangent = jax.jvp(product, (h, w), (dh, dw))
    assert np.asarray(value) == pytest.approx(np.asarray(h @ w), rel=1e-14)
    assert np.asarray(tangent) == pytest.approx(np.asarray(dh @ w + h @ dw), rel=1e-14)
    back = jax.grad(lambda a, b: jnp.sum(product(a, b) ** 2), argnums=(0, 1))(h, w)
    wanted = jax.grad(lambda a, b: jnp.sum((a @ b) ** 2), argnums=(0, 1))(h, w)
    for own, other in zip(back, wanted, strict=True):
        assert np.asarray(own) == pytest.approx(np.asarray(other), rel=1e-13)


def test_two_numbers_of_a_chaotic_system_are_found_from_one_of_its_fields(tmp_path: Path):
    """E. N. Lorenz's equations, of which x alone is measured: jumps are driven out in stages."""
    text = """
domain:
    t ∈ [0, 2]
parameters:
    r = unknown(start=25, bounds=(10, 50))
    b = unknown(start=2)
fields:
    x(t), y(t), z(t) : scalar
equations:
    ∂t x = 10 (y - x)
    ∂t y = x (r - z) - y
    ∂t z = x y - b z
initial:
    x = 1
    y = 1
    z = 20
data:
    d = load("data.npz")
fit:
    d.x ≈ x
    windows = 3
solver:
    method = sinode(time=rk4(dt=0.0125))
"""
    t = np.linspace(0, 2, 41)

    def rate(_: float, u: np.ndarray) -> list[float]:
        x, y, z = u
        return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]

    x = solve_ivp(rate, (0, 2), [1.0, 1, 20], t_eval=t, rtol=1e-10, atol=1e-10).y[0]
    task = task_of(source_of(text, tmp_path, t=t, x=x))
    found = fit(task, read_data(task.system.problem, task.values), silent_reporter())
    assert found.values == pytest.approx({"r": 28, "b": 8 / 3}, rel=1e-3)
