"""`pdesl.rbffd`: operators by text, name, SymPy and multi-index; nodes, stencils, errors."""

import subprocess
import sys

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl import rbffd
from pdesl.diagnostics import ProblemError, SolverError
from pdesl.symbolic.geometry import Box

CLOUD = rbffd.nodes("disk(radius=1)", 600, seed=2)


def wave(points: np.ndarray) -> np.ndarray:
    return np.sin(1.1 * points[:, 0] + 0.3) * np.exp(0.7 * points[:, 1])


def test_importing_it_needs_no_jax():
    lines = (
        "import sys, numpy as np; from pdesl import rbffd",
        "c = rbffd.nodes('disk(radius=1)', 200)",
        "rbffd.matrix(c.points, c.boundary, 'n·∇u + u', order=2, normals=c.normals)",
        "rbffd.hyperviscosity(c.evaluation, 1.0, order=2)",
        "assert not [m for m in sys.modules if m.split('.')[0] in ('jax', 'equinox')]",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("∇²u", {(2, 0): 1.0, (0, 2): 1.0}),
        ("laplacian", {(2, 0): 1.0, (0, 2): 1.0}),
        ("lap(lap(u))", {(4, 0): 1.0, (2, 2): 2.0, (0, 4): 1.0}),
        ("biharmonic", {(4, 0): 1.0, (2, 2): 2.0, (0, 4): 1.0}),
        ("∂x∂y u - 3 u", {(1, 1): 1.0, (0, 0): -3.0}),
        ("d/dy", {(0, 1): 1.0}),
        ("identity", {(0, 0): 1.0}),
        ("u", {(0, 0): 1.0}),
        ("k² u + dx(u, 3)", {(0, 0): 0.25, (3, 0): 1.0}),
    ],
)
def test_operators_by_name_and_text(text: str, indices: dict):
    found = rbffd.operator(text, CLOUD.evaluation, parameters={"k": 0.5})
    assert found == indices


def test_variable_coefficients_are_those_of_the_compiler():
    x, y = CLOUD.evaluation.T
    found = rbffd.operator("∇·((1 + x² y) ∇u) + sin(y) ∂x u", CLOUD.evaluation)
    np.testing.assert_allclose(found[2, 0], 1 + x**2 * y)
    np.testing.assert_allclose(found[1, 0], 2 * x * y + np.sin(y))
    np.testing.assert_allclose(found[0, 1], x**2)
    a, b = sp.symbols("x y")
    u = sp.Function("u")(a, b)
    stated = sp.diff(u, a, b) * sp.exp(a) + 2 * u
    found = rbffd.operator(stated, CLOUD.evaluation)
    np.testing.assert_allclose(found[1, 1], np.exp(x))
    assert found[0, 0] == 2.0


@settings(max_examples=15, deadline=None)
@given(a=st.floats(-3, 3), b=st.floats(-3, 3), c=st.floats(-3, 3), order=st.integers(2, 4))
def test_a_text_is_its_multi_indices(a: float, b: float, c: float, order: int):
    """The same matrix to the bit, and sums of operators are sums of matrices."""
    points, centres = CLOUD.points, CLOUD.evaluation[:40]
    parameters = {"a": a, "b": b, "c": c}
    text = "a ∂x²u + b ∂x∂y u + c ∂y u"
    mapping: dict = {(2, 0): a, (1, 1): b, (0, 1): c}
    stated = rbffd.matrix(points, centres, text, order=order, parameters=parameters)
    plain = rbffd.matrix(points, centres, mapping, order=order)
    scale = max(abs(plain).max(), 1e-300)
    assert abs(stated - plain).max() <= 1e-12 * scale
    parts = ["∂x²u", "∂x∂y u", "∂y u"]
    made = rbffd.weights(points, centres, parts, order=order)
    total = sum(f * rbffd.to_csr(made, k) for k, f in enumerate((a, b, c)))
    assert abs(plain - total).max() <= 1e-9 * max(scale, abs(rbffd.to_csr(made, 0)).max())


def test_robin_rows_and_interpolation():
    values = wave(CLOUD.points)
    x, y = CLOUD.boundary.T
    n = CLOUD.normals
    rows = rbffd.matrix(CLOUD.points, CLOUD.boundary, "n·∇u + (2 + x) u", order=5, normals=n)
    slope = n[:, 0] * 1.1 * np.cos(1.1 * x + 0.3) * np.exp(0.7 * y)
    slope += (n[:, 1] * 0.7 + 2 + x) * wave(CLOUD.boundary)
    assert np.abs(rows @ values - slope).max() <= 1e-4
    again = rbffd.matrix(CLOUD.points, CLOUD.boundary, "∂n u + 2 u + x u", order=5, normals=n)
    assert abs(rows - again).max() <= 1e-10
    targets = 0.5 * CLOUD.evaluation[::7] + 0.1
    found = rbffd.matrix(CLOUD.points, targets, "u", order=5) @ values
    assert np.abs(found - wave(targets)).max() <= 1e-5


@pytest.mark.parametrize("coordinates", ["x", "x, y", "x, y, z"])
def test_nodes_and_stencils_in_every_dimension(coordinates: str):
    dimension = coordinates.count(",") + 1
    cloud = rbffd.nodes("[-1, 1]", 400, coordinates=coordinates)
    assert cloud.dimension == dimension
    assert abs(len(cloud.evaluation) - 400) <= 8
    indices, radius = rbffd.stencils(cloud.evaluation, cloud.evaluation, 9)
    distance = np.linalg.norm(cloud.evaluation[indices] - cloud.evaluation[:, None], axis=2)
    np.testing.assert_allclose(distance.max(axis=1), radius)
    assert (distance.min(axis=1) == 0).all()


def test_spacing_by_text_function_and_number():
    text = rbffd.nodes("disk(radius=R)", spacing="0.05 + c x²", parameters={"R": 1, "c": 0.1})
    function = rbffd.nodes(
        rbffd.region("disk(radius=1)"), spacing=lambda p: 0.05 + 0.1 * p[:, 0] ** 2
    )
    assert np.array_equal(text.points, function.points)
    np.testing.assert_allclose(text.spacing, 0.05 + 0.1 * text.evaluation[:, 0] ** 2)
    scaled = rbffd.nodes("disk(radius=1)", 300, spacing="1 + x²")
    assert abs(len(scaled.evaluation) - 300) <= 6
    assert rbffd.nodes("disk(radius=1)", spacing=0.1).spacing[0] == 0.1


def test_periodic_nodes():
    cloud = rbffd.nodes("periodic(0, 1)", 900)
    assert cloud.periods == (1.0, 1.0)
    values = np.sin(2 * np.pi * cloud.points[:, 0])
    rows = rbffd.matrix(cloud.points, cloud.points, "∂x²u", order=4, periods=cloud.periods)
    assert np.abs(rows @ values + 4 * np.pi**2 * values).max() <= 0.05
    one_way = Box((0, 0), (1, 1), (True, False))
    cloud = rbffd.nodes(one_way, 300)
    damping = rbffd.hyperviscosity(cloud.evaluation, 1.0, order=2, periods=cloud.periods)
    assert damping.shape == (len(cloud.evaluation),) * 2


def test_weights_report_their_condition_and_refuse_what_is_unusable():
    made = rbffd.weights(CLOUD.points, CLOUD.evaluation, "∇²u", order=4)
    assert made.condition.shape == (len(CLOUD.evaluation),)
    assert 10 < made.condition.max() < 1e12
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), axis=-1).reshape(-1, 2)
    line = np.stack([np.arange(60.0), np.zeros(60)], axis=1)
    with pytest.raises(SolverError, match="is unusable") as raised:
        rbffd.weights(line, line[:1], "∂y u", order=2)
    assert raised.value.code == "E712"
    with pytest.raises(SolverError) as raised:
        rbffd.weights(np.concatenate([grid, grid[:1]]), grid, "∂y u", order=2)
    assert raised.value.code == "E711"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("u²", "not linear"),
        ("u ∂x u", "not linear"),
        ("∂x u + 1", "part without `u`"),
        ("x²", "no term in `u`"),
        ("∇u", "is a vector"),
        ("n·∇u", "needs the normals"),
        ("∇²u\n    v", "one line"),
        ("∇²u # so", "one line"),
    ],
)
def test_what_is_no_operator(text: str, words: str):
    with pytest.raises(SolverError, match=words) as raised:
        rbffd.operator(text, CLOUD.boundary)
    assert raised.value.code == "E713"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("∇²v", "E201"),
        ("∂z u", "E208"),
        ("∂xu", "E143"),
        ("1/x ∂x u", "E140"),
        ("u/(x - x)", "E312"),
    ],
)
def test_texts_with_mistakes(text: str, code: str):
    with pytest.raises(ProblemError) as raised:
        rbffd.operator(text, CLOUD.boundary)
    assert raised.value.diagnostics[0].code == code


def test_arguments_that_do_not_fit():
    points = CLOUD.evaluation
    for call in (
        lambda: rbffd.operator("d/dz", points),
        lambda: rbffd.operator("∇²u", points, coordinates="x"),
        lambda: rbffd.operator("∂n u", points, normals=CLOUD.normals),
        lambda: rbffd.operator("∇²u", points, parameters={"a b": 1.0}),
        lambda: rbffd.stencils(points, points, 0),
        lambda: rbffd.weights(points[:, 0], points, "∇²u", order=2),
        lambda: rbffd.nodes("disk(radius=1)", spacing="u"),
    ):
        with pytest.raises(SolverError) as raised:
            call()
        assert raised.value.code == "E713"
