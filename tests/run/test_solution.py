"""Solutions as functions: saved, loaded in another process, differentiated, put on a grid."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl import load_solution
from pdesl.diagnostics import OutputError, Source
from pdesl.run.pipeline import check, run, solve
from pdesl.run.time_samples import time_weights
from pdesl.symbolic.geometry import Annulus, Ball, Box, Disk, Interval
from pdesl.symbolic.geometry.quadrature import make_quadrature

STEADY = """
domain:
    x, y ∈ [0, 1]
let:
    E = u² + ∇u·∇u
fields:
    u(x, y) : scalar [K]
    f(x, y) : source
equations:
    ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = x³ y²
solver:
    method = rbf_fd(nodes=300, order=4)
output:
    at end: u, E, ∂x u, ∇u, f, u(x=0.5, y=0.25), ∫(u²), sqrt(∫(E)), max(u), mean(u) -> "u.csv"
    at end: u, E -> "u.vtu"
"""
STEADY = STEADY.replace(" [K]", "")

IN_TIME = """
parameters:
    κ = 0.1
domain:
    x ∈ [0, π]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = κ ∂x²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(x)
verify:
    u = exp(-κ t) sin(x)
solver:
    method = method_of_lines(space=finite_difference(41, order=4), time=imex_rk4(dt=0.02))
output:
    every 0.25: u, ∂t u, norm(u), u(x=1) -> "u.h5"
    every 0.5: u, ∂x u -> "u.xdmf"
    every 0.5: norm(u), u(x=1, t=0.3) -> "norm.csv"
"""


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steady")
    run(Source("steady.pde", STEADY), output=folder)
    return folder


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("time")
    run(Source("heat.pde", IN_TIME), output=folder)
    return folder


def _rows(path: Path) -> tuple[list[str], np.ndarray]:
    lines = path.read_text(encoding="utf-8").splitlines()
    heading = lines[0].split(",")
    numbers = [name for name in heading if name not in ("node_kind", "boundary_part")]
    keep = [heading.index(name) for name in numbers]
    table = [[float(line.split(",")[k] or "nan") for k in keep] for line in lines[1:]]
    return numbers, np.array(table)


def test_observables_at_nodes_have_their_values(steady: Path):
    names, table = _rows(steady / "u.csv")
    column = dict(zip(names, table.T, strict=True))
    x, y = column["x"], column["y"]
    exact = {
        "E": (x**3 * y**2) ** 2 + (3 * x**2 * y**2) ** 2 + (2 * x**3 * y) ** 2,
        "dx_u": 3 * x**2 * y**2,
        "grad_u_y": 2 * x**3 * y,
        "f": 6 * x * y**2 + 2 * x**3,
    }
    for name, values in exact.items():
        np.testing.assert_allclose(column[name], values, atol=3e-5)


def test_numbers_are_integrals_probes_and_extremes(steady: Path):
    numbers = json.loads((steady / "metrics.json").read_text(encoding="utf-8"))["numbers"]
    integral = 1 / 35 + 9 / 25 + 4 / 21
    assert numbers["u(x=0.5, y=0.25)"] == pytest.approx(0.5**3 * 0.25**2, abs=1e-8)
    assert numbers["∫(u²)"] == pytest.approx(1 / 35, abs=1e-8)
    assert numbers["sqrt(∫(E))"] == pytest.approx(np.sqrt(integral), abs=1e-6)
    assert numbers["mean(u)"] == pytest.approx(1 / 12, abs=1e-8)
    assert 0.9 < numbers["max(u)"] <= 1 + 1e-6


def test_numbers_over_time(in_time: Path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(in_time / "u.h5") as file:
        times = file["t"][:]
        assert file["norm_u"].shape == times.shape == (5,)
        exact = np.sqrt(np.pi / 2) * np.exp(-0.1 * times)
        np.testing.assert_allclose(file["norm_u"][:], exact, atol=1e-6)
        assert file["norm_u"].attrs["quadrature_error"] < 1e-9
        np.testing.assert_allclose(file["u_x_1"][:], np.sin(1) * np.exp(-0.1 * times), atol=1e-6)
        slope = -0.1 * np.exp(-0.1 * times)[:, None] * np.sin(file["x"][:])
        np.testing.assert_allclose(file["dt_u"][:], slope, atol=1e-5)
    names, table = _rows(in_time / "norm.csv")
    assert names == ["t", "norm_u", "u_x_1_t_0_3"]
    assert len(table) == 3
    np.testing.assert_allclose(table[:, 2], np.sin(1) * np.exp(-0.03), atol=1e-6)


def test_a_solution_is_loaded_in_another_process(steady: Path, tmp_path: Path):
    code = (
        "import sys; from pdesl import load_solution; u = load_solution(sys.argv[1]);"
        "print(repr(float(u(0.3, 0.6))), repr(float(u.derivative({'x': 2}, x=0.3, y=0.6))))"
    )
    command = [sys.executable, "-c", code, str(steady)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    value, second = map(float, result.stdout.split())
    here = load_solution(steady)
    assert value == here(0.3, 0.6)
    assert value == pytest.approx(0.3**3 * 0.6**2, abs=1e-6)
    assert second == pytest.approx(6 * 0.3 * 0.6**2, abs=1e-3)


def test_a_network_keeps_every_bit(tmp_path: Path):
    source = Source("steady.pde", STEADY)
    settings = ["solver.iterations=3", "solver.width=8", "solver.depth=2", "solver.nodes=200"]
    solution = solve(source, solver="dt_pinn", overrides=settings)
    saved = load_solution(solution.save(tmp_path / "u.h5"))
    x, y = np.random.default_rng(0).uniform(size=(2, 50))
    np.testing.assert_array_equal(saved(x, y), solution(x, y))
    assert saved.function.kind == "layers"
    assert saved.errors == {"u": 0.0}
    step = 1e-5
    central = (saved(x + step, y) - saved(x - step, y)) / (2 * step)
    np.testing.assert_allclose(saved.derivative({"x": 1}, x, y), central, atol=1e-8)


def test_random_features_keep_every_bit(tmp_path: Path):
    overrides = ["solver.features=40"]
    solution = solve(Source("heat.pde", IN_TIME), solver="random_features", overrides=overrides)
    saved = load_solution(solution.save(tmp_path / "u.h5"))
    t, x = np.random.default_rng(0).uniform(size=(2, 50))
    np.testing.assert_allclose(saved(t, x), solution(t, x), rtol=0, atol=1e-13)
    traced = jax.jit(lambda a, b: saved(a, b))(jnp.asarray(t), jnp.asarray(x))
    np.testing.assert_allclose(traced, saved(t, x), atol=1e-12)
    slope = jax.vmap(jax.grad(lambda a, b: saved(a, b), argnums=1))(jnp.asarray(t), jnp.asarray(x))
    np.testing.assert_allclose(slope, saved.derivative({"x": 1}, t, x), atol=1e-10)


@pytest.mark.parametrize("folder", ["steady", "in_time"])
def test_derivatives_agree_with_jax_and_differences(folder: str, request: pytest.FixtureRequest):
    u = load_solution(request.getfixturevalue(folder))
    names = [axis.name for axis in u.axes]
    point = np.array([0.4, 0.7])
    gradient = jax.grad(lambda p: u(p[0], p[1]))(jnp.asarray(point))
    own = [u.derivative({name: 1}, *point) for name in names]
    np.testing.assert_allclose(gradient, own, rtol=1e-12)
    step = 1e-6
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        central = (u(*(point + shift)) - u(*(point - shift))) / (2 * step)
        assert own[axis] == pytest.approx(central, abs=1e-6)
    hessian = jax.vmap(jax.hessian(lambda p: u(p[0], p[1])))(jnp.asarray([point, point]))
    mixed = u.derivative(dict.fromkeys(names, 1), *point)
    np.testing.assert_allclose(hessian[:, 0, 1], mixed, rtol=1e-10)


def test_samples_are_near_the_method_and_say_so(in_time: Path):
    u = load_solution(in_time)
    assert u.function.kind == "samples"
    assert 0 < u.errors["u"] < 1e-6
    t, x = np.random.default_rng(1).uniform(size=(2, 200))
    np.testing.assert_allclose(u(t, x), np.exp(-0.1 * t) * np.sin(x), atol=2e-6)


def test_a_grid_is_empty_outside_of_the_region():
    text = STEADY.replace("x, y ∈ [0, 1]", "Ω = disk(center=(0, 0), radius=1)\n    x, y ∈ Ω")
    solution = solve(Source("disk.pde", text))
    coordinates, fields = solution.on_grid((21, 31))
    x, y = np.meshgrid(*coordinates.values(), indexing="ij")
    assert fields["u"].shape == (21, 31)
    np.testing.assert_array_equal(np.isnan(fields["u"]), np.hypot(x, y) > 1 + 1e-9)
    xarray = pytest.importorskip("xarray")
    found = solution.to_xarray(grid=11)
    assert isinstance(found, xarray.Dataset)
    assert found["u"].dims == ("x", "y")
    assert solution.to_xarray()["u"].dims == ("node",)


def test_times_of_a_grid(in_time: Path):
    _, fields = load_solution(in_time).on_grid(11, times=[0.0, 0.5])
    np.testing.assert_allclose(fields["u"][0], np.sin(np.linspace(0, np.pi, 11)), atol=1e-7)
    assert fields["u"].shape == (2, 11)


def test_a_wrong_call_names_the_coordinates(steady: Path):
    u = load_solution(steady)
    for call in (lambda: u(1.0), lambda: u(1.0, z=2.0), lambda: u(1.0, 2.0, 3.0)):
        with pytest.raises(TypeError, match="a function of x, y"):
            call()
    with pytest.raises(TypeError, match="there are x, y"):
        u.derivative({"t": 1}, 0.5, 0.5)


def test_a_file_without_a_function_is_refused(in_time: Path, tmp_path: Path):
    with pytest.raises(OutputError) as caught:
        load_solution(in_time / "u.h5")
    assert caught.value.code == "E816"
    with pytest.raises(OutputError):
        load_solution(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "nothing"), ("axes", "[1]"), ("axes", "{"), ("degree", 10**6), ("centres", -5)],
)
def test_a_damaged_file_is_refused(steady: Path, tmp_path: Path, name: str, value: object):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "u.h5"
    path.write_bytes((steady / "solution.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file["network"].attrs[name] = value
    with pytest.raises(OutputError) as caught:
        load_solution(path)(0.5, 0.5)
    assert caught.value.code == "E816"


def _vtk(element: ElementTree.Element) -> np.ndarray:
    types = {"Float64": "<f8", "Int64": "<i8", "UInt8": "u1"}
    assert element.text is not None
    head = np.frombuffer(b64decode(element.text[:12])[:8], "<u8")[0]
    values = np.frombuffer(b64decode(element.text[12:]), types[element.attrib["type"]])
    assert values.nbytes == head
    return values.reshape(-1, int(element.attrib.get("NumberOfComponents", 1))).squeeze()


def test_vtu_has_the_nodes_and_cells_that_fill_the_region(steady: Path):
    root = ElementTree.parse(steady / "u.vtu").getroot()
    arrays = {a.attrib["Name"]: _vtk(a) for a in root.iter("DataArray")}
    piece = next(root.iter("Piece")).attrib
    points, cells = arrays["Points"], arrays["connectivity"].reshape(-1, 3)
    assert len(points) == int(piece["NumberOfPoints"]) == len(arrays["u"])
    assert len(cells) == int(piece["NumberOfCells"])
    assert set(arrays["types"]) == {5}
    np.testing.assert_array_equal(arrays["offsets"], 3 * np.arange(1, len(cells) + 1))
    corners = points[cells][..., :2]
    sides = corners[:, 1:] - corners[:, :1]
    area = np.abs(np.linalg.det(sides)).sum() / 2
    assert area == pytest.approx(1.0, abs=0.06)  # corners have no node
    np.testing.assert_allclose(arrays["u"], points[:, 0] ** 3 * points[:, 1] ** 2, atol=1e-5)


def test_xdmf_is_a_series(in_time: Path):
    root = ElementTree.parse(in_time / "u.xdmf").getroot()
    times = [float(t.attrib["Value"]) for t in root.iter("Time")]
    assert times == [0.0, 0.5, 1.0]
    grids = [g for g in root.iter("Grid") if g.attrib["GridType"] == "Uniform"]
    for t, grid in zip(times, grids, strict=True):
        topology = next(grid.iter("Topology"))
        assert topology.attrib["TopologyType"] == "Polyline"
        attributes = {a.attrib["Name"]: a for a in grid.iter("Attribute")}
        assert set(attributes) >= {"u", "dx_u"}
        item = next(attributes["u"].iter("DataItem"))
        u = np.array((item.text or "").split(), float)
        geometry = np.array((grid.find("Geometry/DataItem").text or "").split(), float)  # type: ignore[union-attr]
        x = geometry.reshape(-1, 3)[:, 0]
        np.testing.assert_allclose(u, np.exp(-0.1 * t) * np.sin(x), atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('at end: u(x=0.5) -> "u.csv"', "E621"),
        ('at end: u(x=0.5, q=1) -> "u.csv"', "E621"),
        ('at end: ∫(u + ∫(u)) -> "u.csv"', "E621"),
        ('at end: ∂n u -> "u.csv"', "E621"),
    ],
)
def test_outputs_that_cannot_be_are_refused_with_a_place(rule: str, code: str):
    text = STEADY.partition("output:")[0] + f"output:\n    {rule}\n"
    found = [d for d in check(Source("steady.pde", text)).diagnostics if d.code == code]
    assert found, rule
    assert found[0].span is not None
    assert found[0].helps


@pytest.mark.parametrize(
    ("region", "volume", "second_moment"),
    [
        (Interval(0.0, 2.0), 2.0, 8 / 3),
        (Box((0, 0), (1, 2)), 2.0, 2 / 3),
        (Disk((0, 0), 1.0), np.pi, np.pi / 4),
        (Annulus((0, 0), 0.5, 1.0), np.pi * 0.75, np.pi / 4 * (1 - 0.5**4)),
    ],
)
def test_quadrature_is_accurate(region, volume: float, second_moment: float):
    rule = make_quadrature(region)
    assert rule.weights.sum() == pytest.approx(volume, rel=1e-10)
    assert rule.weights @ rule.points[:, 0] ** 2 == pytest.approx(second_moment, rel=1e-10)


def test_quadrature_in_space_knows_its_error():
    rule = make_quadrature(Ball((0, 0, 0), 1.0))
    fine = rule.weights @ rule.points[:, 0] ** 2
    coarse = rule.coarse_weights @ rule.coarse_points[:, 0] ** 2
    exact = 4 * np.pi / 15
    assert abs(fine - exact) < 1e-6
    assert abs(fine - exact) < 10 * abs(fine - coarse) + 1e-12


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.1, 1.0), min_size=8, max_size=12),
    st.floats(0.0, 1.0),
    st.integers(0, 3),
)
def test_time_weights_differentiate_polynomials(gaps: list[float], place: float, order: int):
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    t = np.array([place * times[-1]])
    polynomial = np.polynomial.Polynomial([1.0, -2.0, 0.5, 0.3, -0.1, 0.02])
    first, weights = time_weights(times, t, order)
    value = weights[0] @ polynomial(times[first[0] : first[0] + weights.shape[1]])
    exact = polynomial.deriv(order)(t[0]) if order else polynomial(t[0])
    assert value == pytest.approx(exact, abs=1e-5 * (1 + abs(exact)))
