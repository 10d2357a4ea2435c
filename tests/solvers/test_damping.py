"""Advection on scattered nodes by the method of lines: what hyperviscosity damps and what not."""

from pathlib import Path

import numpy as np
import pytest

from pdesl.diagnostics import ProblemError, Source
from pdesl.run.pipeline import Solution, check, solve

# A hump carried round the disk: no boundary condition, since nothing flows in.
ROTATION = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 25]
fields:
    u(t, x, y) : scalar
equations:
    ∂t u + y ∂x u - x ∂y u = 0
initial:
    u = exp(-20 ((x - 0.4)² + y²))
verify:
    u = exp(-20 ((x cos(t) - y sin(t) - 0.4)² + (x sin(t) + y cos(t))²))
"""

# Two waves that go round in opposite senses: each field alone has no advection of its own.
WAVES = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 25]
fields:
    a(t, x, y), b(t, x, y) : scalar
equations:
    ∂t a + y ∂x b - x ∂y b = 0
    ∂t b + y ∂x a - x ∂y a = 0
initial:
    a = exp(-20 ((x - 0.4)² + y²))
    b = exp(-20 ((x - 0.4)² + y²))
verify:
    a = exp(-20 ((x cos(t) - y sin(t) - 0.4)² + (x sin(t) + y cos(t))²))
    b = exp(-20 ((x cos(t) - y sin(t) - 0.4)² + (x sin(t) + y cos(t))²))
"""

DIFFUSION = """
domain:
    Ω = disk(radius=1)
    x, y ∈ Ω
    t ∈ [0, 0.1]
fields:
    u(t, x, y) : scalar
equations:
    ∂t u + ∂x u = ∇²u
boundary:
    u = 0    on ∂Ω
initial:
    u = 1 - x² - y²
"""


def lines(text: str, space: str, time: str = "imex_rk4(rtol=1e-4, atol=1e-6)") -> Solution:
    settings = [f"solver.space=rbf_fd({space})", f"solver.time={time}"]
    return solve(Source("test.pde", text), solver="method_of_lines", overrides=settings)


def worst(found: Solution) -> float:
    return max(e.relative_l2 or 0.0 for e in found.errors.values())


def words(found: Solution) -> str:
    return " ".join(found.result.notes)


@pytest.mark.parametrize("text", [ROTATION, WAVES], ids=["rotation", "waves"])
def test_advection_that_grows_without_damping_is_right_with_it(text: str):
    damped = lines(text, "nodes=1500")
    assert "hyperviscosity of strength 1" in words(damped)
    assert worst(damped) < 0.05
    bare = lines(text, "nodes=1500, hyperviscosity=0")
    assert "hyperviscosity" not in words(bare)
    assert worst(bare) > 20 * worst(damped)


def test_the_order_stays_with_damping():
    text = ROTATION.replace("25]", "2]")
    errors = [worst(lines(text, f"nodes={nodes}, order=3")) for nodes in (600, 2400)]
    assert np.log2(errors[0] / errors[1]) > 2.7, errors


def test_what_diffuses_more_than_it_advects_is_left_alone():
    assert "hyperviscosity" not in words(lines(DIFFUSION, "nodes=300"))
    sharp = DIFFUSION.replace("= ∇²u", "= 0.001 ∇²u")
    assert "hyperviscosity of strength 1" in words(lines(sharp, "nodes=300"))


def test_the_speed_of_a_nonlinear_advection_is_its_largest_at_the_start():
    text = DIFFUSION.replace("∂t u + ∂x u = ∇²u", "∂t u + u ∂x u = 0.02 ∇²u")
    assert "hyperviscosity of strength 3" in words(lines(text, "nodes=300, hyperviscosity=3"))
    slow = text.replace("1 - x² - y²", "(1 - x² - y²)/100")
    assert "hyperviscosity" not in words(lines(slow, "nodes=300"))


def test_a_negative_strength_is_refused():
    with pytest.raises(ProblemError, match="at least 0") as caught:
        lines(DIFFUSION, "nodes=300, hyperviscosity=-1")
    assert caught.value.diagnostics[0].code == "E504"


def test_nodes_of_a_varying_spacing_and_of_a_file(tmp_path: Path):
    stated = DIFFUSION + "solver:\n    method = method_of_lines(space=rbf_fd(spacing=0.1))\n"
    assert any("stiffness" in line for line in check(Source("test.pde", stated)).summary)
    fine = lines(DIFFUSION, "spacing=(0.06 + 0.1 sqrt(x² + y²))")
    cloud = fine.result.cloud
    centre = np.linalg.norm(cloud.evaluation, axis=1) < 0.3
    assert cloud.spacing[centre].mean() < 0.7 * cloud.spacing[~centre].mean()
    rows = [f"{x},{y},interior,," for x, y in cloud.interior]
    rows += [
        f"{x},{y},boundary,{n},{m}"
        for (x, y), (n, m) in zip(cloud.boundary, cloud.normals, strict=True)
    ]
    (tmp_path / "nodes.csv").write_text("x,y,kind,nx,ny\n" + "\n".join(rows) + "\n")
    text = (
        DIFFUSION
        + """
solver:
    method = method_of_lines(space=rbf_fd(nodes=load("nodes.csv")), time=imex_rk3(dt=0.02))
"""
    )
    again = solve(Source("test.pde", text, str(tmp_path)))
    assert len(again.result.cloud.evaluation) == len(cloud.evaluation)
    places = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2)).T
    first, second = (s(0.1, *places) for s in (fine, again))
    assert np.abs(first - second).max() < 2e-3
