"""Systems of ordinary differential equations: problems with time and without space."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pdesl import load_solution
from pdesl.diagnostics import CapabilityError, Diagnostic, Source
from pdesl.run.estimate import estimate_errors
from pdesl.run.outputs import output_targets
from pdesl.run.pipeline import Solution, check, run, solve
from pdesl.run.plots import make_movie, pictures, read_result, render_picture
from pdesl.run.studies import verify
from pdesl.solvers.methods import METHODS
from pdesl.solvers.options import SERIES, TIME_OPTIONS
from tests.runs import solved

OSCILLATOR = """
domain:
    t ∈ [0, 5]
fields:
    x(t), v(t) : scalar
equations:
    ∂t x = v
    ∂t v = -x
initial:
    x = 1
    v = 0
verify:
    x = cos(t)
    v = -sin(t)
    order(x) >= 2.8
    dt = [0.2, 0.1, 0.05]
"""

# Nonlinear, second order, coefficients and terms that depend on time.
DRIVEN = """
parameters:
    c = 0.3
domain:
    t ∈ [1, 3]
fields:
    x(t), y(t) : scalar
    f(t), g(t) : source
equations:
    ∂t²x + c t ∂t x + x³ - y = f
    (1 + t²) ∂t y = -y² + x ∂t x + g
initial:
    x = exact(x)
    ∂t x = ∂t exact(x)
    y = exact(y)
manufactured:
    x = 2 + sin(2 t)
    y = exp(-t) + t
"""

VAN_DER_POL = """
parameters:
    μ = 1000
domain:
    t ∈ [0, 2000]
fields:
    x(t) : scalar
equations:
    ∂t²x = μ (1 - x²) ∂t x - x
initial:
    x = 2
    ∂t x = 0
"""

PREY = """
domain:
    t ∈ [0, 10]
parameters:
    α = 1.1
fields:
    x(t), y(t) : scalar
equations:
    ∂t x = α x - 0.4 x y
    ∂t y = 0.1 x y - 0.4 y
initial:
    x = 10
    y = 5
output:
    every 0.5: x, y, ∂t x, x + y -> "course.csv"
    every 0.5: x -> "course.npz"
    every 0.5: x -> "course.h5"
    at 2.5: y -> "then.csv"
    at end: x, y, x(t=1), ∫(x) -> "end.csv"
"""


def worst(solution: Solution) -> float:
    return max(error.relative_l2 or error.linf for error in solution.errors.values())


def notes(text: str, *settings: str) -> list[Diagnostic]:
    return list(check(Source("course", text), settings).diagnostics)


ORDERS = {
    "imex_rk2": 2, "imex_rk3": 3, "imex_rk4": 4, "imex_rk5": 5, "dirk2": 2, "dirk3": 3, "dirk4": 4,
    "dirk5": 5, "crank_nicolson": 2, "backward_euler": 1, "sbdf2": 2, "sbdf3": 3, "sbdf4": 4,
    "cnab2": 2, "rk23": 3, "rk45": 5, "rk78": 8,
}  # fmt: skip


def test_every_integrator_that_applies_has_an_order_here():
    applies = {n for n in TIME_OPTIONS if not n.startswith("etd")} - {SERIES, "automatic"}
    assert set(ORDERS) == applies


@pytest.mark.parametrize("name", ORDERS)
def test_order_in_time(name: str):
    steps = (0.1, 0.05) if ORDERS[name] > 2 else (0.02, 0.01)
    steps = (0.25, 0.125) if ORDERS[name] > 5 else steps
    coarse, fine = (worst(solved(DRIVEN, f"{name}(dt={dt})")) for dt in steps)
    assert ORDERS[name] - 0.25 < np.log2(coarse / fine) < ORDERS[name] + 0.75


@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_steps_that_are_controlled_follow_the_tolerance(rtol: float):
    solution = solved(DRIVEN, f"imex_rk4(rtol={rtol})")
    assert worst(solution) < 20 * rtol
    assert worst(solved(OSCILLATOR, f"dirk4(rtol={rtol})")) < 20 * rtol


@pytest.mark.parametrize("name", ["rk23", "rk45", "rk78"])
def test_steps_follow_a_force_that_depends_on_time_alone(name: str):
    """Error estimates that vanish for quadratures, such as Fehlberg's of order 7, miss it."""
    text = """
domain:
    t ∈ [0, 2]
fields:
    u(t) : scalar
equations:
    ∂t u = 20 cos(20 t)
initial:
    u = 1
"""
    found = solved(text, f"{name}(rtol=1e-5)").result.evaluate(np.array([[2.0]]))["u"]
    assert abs(found[0] - 1.0 - np.sin(40.0)) < 1e-4


def test_second_order_is_the_system_of_first_order():
    second = """
domain:
    t ∈ [0, 5]
fields:
    x(t) : scalar
equations:
    ∂t²x = -x
initial:
    x = 1
    ∂t x = 0
verify:
    x = cos(t)
"""
    one, two = solved(OSCILLATOR, "imex_rk4(dt=0.05)"), solved(second, "imex_rk4(dt=0.05)")
    times = np.linspace(0, 5, 37)
    assert np.allclose(one(times)["x"], two(times), rtol=0, atol=1e-13)
    assert two.derivative({"t": 1}, 2.0) == pytest.approx(-np.sin(2.0), abs=1e-5)


def test_a_matrix_of_linear_equations():
    matrix = np.array([[-3.0, 1.0, 0.0], [0.5, -50.0, 2.0], [0.0, 1.0, -0.5]])
    terms = [" + ".join(f"({a}) {n}" for a, n in zip(row, "abc", strict=True)) for row in matrix]
    rows = [f"    ∂t {name} = stiff({own})" for name, own in zip("abc", terms, strict=True)]
    head = ["domain:", "    t ∈ [0, 2]", "fields:", "    a(t), b(t), c(t) : scalar", "equations:"]
    text = "\n".join([*head, *rows, "initial:", "    a = 1", "    b = -1", "    c = 2", ""])
    values, vectors = np.linalg.eig(matrix)
    exact = vectors @ (np.exp(values * 2.0) * np.linalg.solve(vectors, [1.0, -1.0, 2.0]))
    solution = solved(text, "imex_rk4(rtol=1e-8)")
    assert np.allclose(list(solution(2.0).values()), exact, rtol=1e-7)
    words = check(Source("course", text)).summary
    assert any("stiffness: about 5e+01" in line for line in words)


def test_a_stiff_oscillator_by_implicit_stages():
    solution = solved(VAN_DER_POL, "dirk4(rtol=1e-5)")
    reference = solve_ivp(
        lambda t, u: [u[1], 1000 * (1 - u[0] ** 2) * u[1] - u[0]], (0, 2000), [2.0, 0.0], "Radau",
        rtol=1e-9, atol=1e-9, dense_output=True,
        jac=lambda t, u: [[0, 1], [-2000 * u[0] * u[1] - 1, 1000 * (1 - u[0] ** 2)]],
    )  # fmt: skip
    times = np.array([100.0, 700.0, 900.0, 1500.0, 2000.0])
    assert np.allclose(solution(times), reference.sol(times)[0], rtol=1e-3)
    assert solution.result.counts["iterations"] < 2000


def test_algebraic_fields_are_given_all_the_same():
    text = """
domain:
    t ∈ [0, 2]
fields:
    x(t), y(t) : scalar
equations:
    ∂t x = -y
    y = x²
initial:
    x = 1
verify:
    x = 1/(1 + t)
    y = 1/(1 + t)²
"""
    assert worst(solved(text)) < 1e-5


# -- what a run writes ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a run that no method is named for."""
    path = tmp_path_factory.mktemp("prey")
    run(Source("prey", PREY), output=path / "out")
    return path / "out"


def test_the_method_is_chosen_and_its_error_estimated(folder: Path):
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["solver"] == "method_of_lines"
    own = solved(PREY, "imex_rk5(rtol=1e-11)")
    times = np.linspace(0, 10, 501)
    run_of_file, fine = load_solution(folder)(times), own(times)
    for name, estimate in metrics["estimated_errors"]["relative_l2"].items():
        error = np.linalg.norm(run_of_file[name] - fine[name]) / np.linalg.norm(fine[name])
        assert error < estimate < 300 * error
    assert "rtol=1e-05" in metrics["estimated_errors"]["how"]


def test_tables_over_time(folder: Path):
    head = (folder / "course.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head == "t,x,y,dt_x,x_plus_y"
    table = np.loadtxt(folder / "course.csv", delimiter=",", skiprows=1)
    t, x, y, slope, total = table.T
    assert np.allclose(t, np.arange(21) * 0.5)
    assert np.allclose(slope, 1.1 * x - 0.4 * x * y, atol=2e-3)
    assert np.array_equal(total, x + y)
    with np.load(folder / "course.npz") as archive:
        assert np.array_equal(archive["x"].ravel(), x)
        assert np.array_equal(archive["t"], t)
    (then,) = np.loadtxt(folder / "then.csv", delimiter=",", skiprows=1, ndmin=2)
    assert tuple(then) == (2.5, y[5])
    names, values = (folder / "end.csv").read_text(encoding="utf-8").splitlines()
    end = dict(zip(names.split(","), values.split(","), strict=True))
    assert float(end["x"]) == x[-1] == float(end["integral_x"])
    assert float(end["x_t_1"]) == x[2]


def test_the_solution_is_a_function_of_time(folder: Path):
    saved = load_solution(folder)
    assert [axis.name for axis in saved.axes] == ["t"]
    assert max(saved.errors.values()) < 1e-5
    own = solve(Source("prey", PREY))
    for name, values in own(np.linspace(0, 10, 77)).items():
        assert np.allclose(saved(t=np.linspace(0, 10, 77))[name], values, rtol=1e-5)
    _, fields = saved.on_grid(times=[0.0, 1.0])
    assert fields["x"][0] == pytest.approx(10.0)


def test_pictures(folder: Path):
    assert (folder / "prey.png").stat().st_size > 10_000
    result = read_result(folder)
    found = pictures(result)
    assert set(found) == {"x", "y", "steps"}
    assert all(render_picture(draw)[:4] == b"\x89PNG" for draw in found.values())
    with pytest.raises(Exception, match="has time alone"):
        make_movie(folder / "x.gif", result, "x", 3)


def test_errors_over_time_and_a_ladder_of_steps(tmp_path: Path):
    source = Source("osc", OSCILLATOR)
    report = run(source, output=tmp_path / "run")
    course = report.metrics["errors_over_time"]
    assert isinstance(course, dict)
    assert course["times"][-1] == 5.0
    assert max(course["x"]) < 1e-5
    assert any("20,000 random times" in line for line in report.lines)
    settings = ["solver.method=method_of_lines", "solver.time=imex_rk3(dt=0.1)"]
    study = verify(source, output=tmp_path / "study", overrides=settings)
    assert study.met
    orders = study.metrics["orders"]
    assert isinstance(orders, dict)
    assert orders["x"] == pytest.approx(3.0, abs=0.1)


def test_a_reference_is_another_integrator(tmp_path: Path):
    text = (
        PREY.split("output:")[0]
        + """
verify:
    reference = method_of_lines(time=dirk5(rtol=1e-9))
    relative_l2(x) <= 1e-4
"""
    )
    report = run(Source("prey", text), output=tmp_path / "out")
    assert any("relative_l2(x) <= 0.0001: met" in line for line in report.lines)


def test_an_estimate_of_fixed_steps_doubles_them():
    solution = solved(DRIVEN, "imex_rk2(dt=0.02)")
    method = METHODS["method_of_lines"]
    estimate = estimate_errors(solution.task, method, solution.result.evaluate)
    assert "dt=0.04" in estimate.words
    error = solution.errors["x"].relative_l2
    assert error is not None
    assert error < estimate.errors["x"] < 6 * error


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"method_of_lines", "sinode"}))
def test_other_methods_need_space(method: str):
    (found,) = notes(OSCILLATOR, f"solver.method={method}")
    assert found.code == "E614"
    assert any("method_of_lines" in text for text in found.helps)


@pytest.mark.parametrize("space", ["fourier", "rbf_fd(nodes=100)", "finite_difference(points=9)"])
def test_a_discretisation_in_space_is_refused(space: str):
    found = notes(OSCILLATOR, "solver.method=method_of_lines", f"solver.space={space}")
    assert [d.code for d in found] == ["E633"]
    with pytest.raises(CapabilityError, match="time alone"):
        solved(OSCILLATOR, "imex_rk4", f"solver.space={space}")


def test_exponential_integrators_have_no_diagonal():
    found = notes(OSCILLATOR, "solver.method=method_of_lines", "solver.time=etdrk4(dt=0.1)")
    assert [d.code for d in found] == ["E636"]


def test_equations_without_a_time_derivative_are_refused():
    text = "domain:\n    t ∈ [0, 1]\nfields:\n    x(t) : scalar\nequations:\n    x = sin(t)\n"
    assert [d.code for d in notes(text)] == ["E626"]


def test_files_of_places_are_refused():
    text = PREY.replace("course.npz", "course.xdmf").replace("end.csv", "end.vtu")
    task = solve(Source("prey", PREY)).task
    assert not output_targets(task.system.problem, task.system, task.values, steps=True)[1]
    assert [d.code for d in notes(text)] == ["E622", "E622"]
