"""Spacing as a formula and nodes from a file, through the language, the command line, Python."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import sympy
from click.testing import CliRunner

import pdesl
from pdesl.diagnostics import ProblemError, Source
from pdesl.lowering.cloud import make_cloud
from pdesl.run.cli import Status, commands
from pdesl.run.pipeline import check, solve
from pdesl.symbolic.geometry import Disk

LAYER = """
parameters:
    ε = 0.02

domain:
    x, y ∈ [0, 1]

fields:
    u(x, y) : scalar
    f(x, y) : source

equations:
    ∇²u = f

boundary:
    u = exact(u)    on ∂Ω

manufactured:
    u = exp(-x/ε) + sin(y)

solver:
    method = rbf_fd({options})
"""


def layer(options: str) -> Source:
    return Source("layer.pde", LAYER.format(options=options))


def codes(source: Source, *overrides: str) -> list[str]:
    try:
        return [d.code for d in check(source, overrides).diagnostics]
    except ProblemError as error:
        return [d.code for d in error.diagnostics]


def test_refinement_near_a_layer_helps():
    """A layer of width 1/50: spacing that follows it is worth 50 times more even nodes' error."""
    graded = solve(layer("order=4, spacing = 0.008 + 0.1 x"))
    count = len(graded.result.cloud.evaluation)
    even = solve(layer(f"order=4, nodes={count}"))
    assert 500 < count < 3000
    assert graded.errors["u"].linf < 0.1 * even.errors["u"].linf
    assert graded.errors["u"].linf < 1e-3


def test_a_constant_spacing_and_the_condition_of_its_stencils():
    found = solve(layer("order=3, spacing=0.05"), overrides=["parameters.ε=1"]).result
    assert 400 < found.counts["interior_nodes"] < 600
    assert 1e3 < found.quality["stencil_condition"] < 1e12
    np.testing.assert_array_equal(found.cloud.spacing, 0.05)


def test_set_takes_the_place_of_the_other_kind():
    source = layer("order=4, nodes=900")
    assert codes(source) == []
    assert codes(source, "solver.spacing=0.05 + 0.1 x") == []
    assert codes(layer("order=4, spacing=0.05"), "solver.nodes=900") == []
    line = Source("layer.pde", LAYER.format(options="order=4") + "    nodes = 900\n")
    assert codes(line, "solver.spacing=0.05") == []
    assert codes(layer("order=4, nodes=900, spacing=0.05")) == ["E530"]
    assert codes(source, "solver.spacing=0.7") == ["E514"]
    assert codes(source, "solver.spacing=x - 0.5") == ["E532"]
    assert codes(source, 'solver.spacing="wide"') == ["E503"]
    assert codes(source, "solver.spacing=[x, y]") == ["E503"]
    assert codes(source, "solver.spacing=-0.1") == ["E504"]
    assert codes(source, "solver.spacing=ε") == []
    assert codes(layer("nodes=900"), "solver.method=pinn", "solver.spacing=0.05 + f") == ["E531"]


@pytest.mark.parametrize("method", ["dt_pinn", "pinn"])
def test_networks_take_a_spacing(method: str):
    options = "order=3, " if method == "dt_pinn" else ""
    found = solve(
        layer(f"spacing = 0.03 + 0.1 x, {options}iterations=5, width=4, depth=1"),
        solver=method,
        overrides=["parameters.ε=1"],
    )
    nodes = found.result.cloud.evaluation
    assert found.result.method == method
    assert np.mean(nodes[:, 0] < 0.25) > 0.45


def test_units_of_a_spacing_are_those_of_the_domain():
    text = LAYER.format(options="order=4, spacing={}")
    text = text.replace("[0, 1]", "[0 [m], 1 [m]]").replace("ε = 0.02", "ε = 0.02 [m]")
    text = text.replace("+ sin(y)", "+ sin(y/ε)").replace("source", "source [1/m²]")
    assert codes(Source("units.pde", text.format("50 [mm]"))) == []
    assert codes(Source("units.pde", text.format("2 ε"))) == []
    assert codes(Source("units.pde", text.format("0.05 [s]"))) == ["E307"]


def test_ladders_of_spacings(tmp_path: Path):
    path = tmp_path / "layer.pde"
    ladder = "\nverify:\n    spacing = [0.12 + 0.1 x, 0.06 + 0.05 x]\n    order(u) ≥ 2.5\n"
    path.write_text(LAYER.format(options="order=3") + ladder, encoding="utf-8")
    line = ["verify", str(path), "-o", str(tmp_path / "out"), "--set", "parameters.ε=1", "-q"]
    result = CliRunner().invoke(commands, line)
    assert result.exit_code == Status.DONE, result.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["option"] == "spacing"
    first, second = metrics["rungs"]
    assert "x" in first["value"]
    assert 3 < second["nodes"] / first["nodes"] < 5
    # Without a ladder in the file: a quarter, half and all of the nodes that its spacing gives.
    line[1:2] = [str(path), "--set", "solver.spacing=0.06"]
    path.write_text(LAYER.format(options="order=3"), encoding="utf-8")
    result = CliRunner().invoke(commands, line)
    assert result.exit_code == Status.DONE, result.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert [rung["value"] for rung in metrics["rungs"]] == pytest.approx([0.12, 0.0846, 0.06])


DISK = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar

equations:
    ∇²u = 0

boundary:
    ∂n u + u = exact(∂n u + u)    on ∂Ω

verify:
    u = exp(x) cos(y)

solver:
    method = rbf_fd(nodes=load("mesh/nodes.csv"), order=4)
"""


@pytest.fixture
def meshed(tmp_path: Path) -> Path:
    cloud = make_cloud(Disk((0, 0), 1), nodes=500, seed=5, ghost=False)
    lines = [f"{x:.17g},{y:.17g},interior,," for x, y in cloud.interior]
    for (x, y), (a, b) in zip(cloud.boundary, cloud.normals, strict=True):
        lines.append(f"{x:.17g},{y:.17g},boundary,{a:.17g},{b:.17g}")
    (tmp_path / "mesh").mkdir()
    text = "\n".join(["# from a mesh", "x,y,kind,nx,ny", *lines]) + "\n"
    (tmp_path / "mesh" / "nodes.csv").write_text(text)
    (tmp_path / "disk.pde").write_text(DISK, encoding="utf-8")
    return tmp_path


def test_nodes_of_a_file_relative_to_the_problem(meshed: Path):
    result = CliRunner().invoke(
        commands, ["run", str(meshed / "disk.pde"), "-o", str(meshed / "out"), "-q"]
    )
    assert result.exit_code == Status.DONE, result.output
    metrics = json.loads((meshed / "out" / "metrics.json").read_text(encoding="utf-8"))
    data = (meshed / "mesh" / "nodes.csv").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert metrics["inputs"] == {"mesh/nodes.csv": {"bytes": len(data), "sha256": digest}}
    assert metrics["settings"]["nodes"] == 'load("mesh/nodes.csv")'
    assert metrics["settings"]["spacing"] is None
    assert 1e3 < metrics["quality"]["stencil_condition"] < 1e12
    assert metrics["errors"]["u"]["relative_l2"] < 1e-4
    # What a run wrote can be read as nodes as well, and a problem from Python knows its folder.
    problem = pdesl.Problem.from_file(meshed / "disk.pde", ['solver.nodes=load("out/solution.h5")'])
    again = problem.solve()
    assert again.errors["u"].relative_l2 == pytest.approx(
        metrics["errors"]["u"]["relative_l2"], rel=1e-3
    )


def test_from_python(meshed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(meshed)
    x, y = sympy.symbols("x y")
    u = sympy.Function("u")(x, y)

    def error(**options) -> float:
        problem = pdesl.Problem(
            domain={(x, y): pdesl.disk(radius=1)},
            fields={u: "scalar"},
            equations=[sympy.Eq(pdesl.lap(u), 0)],
            boundary=[pdesl.on("∂Ω", sympy.Eq(u, pdesl.exact(u)))],
            verify={u: sympy.exp(x) * sympy.cos(y)},
            solver=pdesl.rbf_fd(order=4, **options),
        )
        return problem.solve().errors["u"].linf

    assert error(nodes=pdesl.load("mesh/nodes.csv")) < 1e-4
    assert error(spacing=0.05 + 0.1 * x**2) < 1e-4
