"""Memory counted before a run, beside what the compiled programs hold."""

import re
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from pdesl.diagnostics import CapabilityError, Severity, Source
from pdesl.run import pipeline
from pdesl.run.preparing import make_ready
from pdesl.run.progress import SilentObserver
from pdesl.run.reporting import silent_reporter
from pdesl.solvers import dt_pinn, method_of_lines
from pdesl.solvers.implicit_solves import NodalSolves
from pdesl.solvers.memory_direct import FACTOR_ENTRY, KEPT_FACTORS
from pdesl.solvers.memory_estimate import estimate_memory, largest_fitting, size_of
from pdesl.solvers.networks import NetworkOptions, make_network
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_solve import solve_tangent, tangent_choice

HEAT = Source(
    "heat.pde",
    """pdesl 1
domain:
    x, y ∈ disk(center=(0, 0), radius=1)
    t ∈ [0, 1]
fields:
    u(t, x, y) : scalar
equations:
    ∂t u = ∇²u
boundary:
    u = 0    on ∂Ω
initial:
    u = 1 - x² - y²
solver:
    method = dt_pinn(nodes=300, slices=20, width=40, depth=3, optimiser=adam)
""",
)


def held(compiled: Any) -> float:
    """Bytes of the temporary arrays of a compiled program."""
    return float(compiled.memory_analysis().temp_size_in_bytes)


class _Seen(Exception):
    pass


def test_the_network_at_all_nodes_of_dt_pinn(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = make_ready(HEAT, None, (), None, None, SilentObserver(), {})
    found: list[float] = []

    def stop(task: Any, network: Any, loss: Any, data: Any, *rest: Any, **_: Any) -> None:
        arrays, static = eqx.partition(data, eqx.is_array)
        gradient = jax.grad(lambda net, a: loss(net, eqx.combine(a, static))[0])
        found.append(held(jax.jit(gradient).lower(network, arrays).compile()))
        raise _Seen

    monkeypatch.setattr(dt_pinn, "train", stop)
    with pytest.raises(_Seen):
        ready.method.solve(ready.task, silent_reporter())
    task = ready.task
    choice = task.system.problem.solver
    assert choice is not None
    parts = estimate_memory(ready.method, task.system, choice, task.options, task.values)
    (network,) = (part.size for part in parts if part.name == "network at all nodes")
    assert network / 2 <= found[0] <= 2 * network


def test_the_gram_matrix_of_neural_ivp() -> None:
    network = make_network(NetworkOptions(10, 1, "tanh"), [-1.0] * 2, [1.0] * 2, 1, seed=1)
    options, count = TangentOptions(solver="gram"), 1100
    points, rates = (jax.ShapeDtypeStruct((count, n), jnp.float64) for n in (2, 1))
    program = jax.jit(solve_tangent, static_argnames="options").lower(
        network, points, rates, rates, options, jax.random.key(0)
    )
    estimate = tangent_choice(network, count, options).memory
    assert estimate / 2 <= held(program.compile()) <= 2 * estimate


@pytest.mark.parametrize(("order", "nodes"), [(2, 700), (4, 2000)])
def test_the_factors_of_the_method_of_lines(
    monkeypatch: pytest.MonkeyPatch, order: int, nodes: int
) -> None:
    text = HEAT.text[: HEAT.text.index("    method")]
    space = f"rbf_fd(nodes={nodes}, order={order})"
    source = Source("heat.pde", f"{text}    method = method_of_lines(space={space})\n")
    ready = make_ready(source, None, (), None, None, SilentObserver(), {})
    found: list[int] = []

    def stop(nodal: Any, *rest: Any) -> None:
        found.append(NodalSolves(nodal).factor(1e-3, 0.0).nonzeros)
        raise _Seen

    monkeypatch.setattr(method_of_lines, "_stepping", stop)
    with pytest.raises(_Seen):
        ready.method.solve(ready.task, silent_reporter())
    task = ready.task
    choice = task.system.problem.solver
    assert choice is not None
    own = ready.method, task.system, choice, task.options, task.values
    (factors,) = (p.size for p in estimate_memory(*own) if p.name.startswith("factors"))
    held = KEPT_FACTORS * FACTOR_ENTRY * found[0]
    assert held / 2 <= factors <= 2 * held
    # Rows, and no factors, are what several devices hold.
    (first, last) = (
        next(p.size for p in estimate_memory(*own, devices) if p.name == "rows")
        for devices in (2, 8)
    )
    assert first == pytest.approx(4 * last)


@pytest.mark.parametrize(
    ("solver", "option"),
    [
        ("method_of_lines(space=rbf_fd(nodes=300000))", "nodes"),
        ("method_of_lines(space=rbf_fd(nodes=200000), time=rk45)", "nodes"),
        ("dt_pinn(nodes=100000, optimiser=adam)", "nodes"),
        ("random_features(features=20000)", "features"),
        ("neural_ivp(samples=900000)", "samples"),
    ],
)
def test_a_run_that_does_not_fit_is_refused_before_it_starts(solver: str, option: str) -> None:
    text = HEAT.text[: HEAT.text.index("    method")]
    source = Source("heat.pde", f"{text}    method = {solver}\n")
    limit = 900e6
    with pytest.raises(CapabilityError) as caught:
        pipeline.run(source, memory=limit)
    (refusal,) = caught.value.diagnostics
    assert refusal.code == "E647"
    assert refusal.span is not None
    fitting = re.match(rf"`{option}=([0-9]+)`", refusal.helps[0])
    assert fitting is not None
    stated = re.search(rf"{option}=[0-9]+", solver)
    assert stated is not None
    smaller = source.text.replace(stated[0], f"{option}={fitting[1]}")
    report = pipeline.check(Source("heat.pde", smaller), memory=limit)
    assert not any(d.code == "E647" for d in report.diagnostics)


def test_what_scales_with_points_is_divided() -> None:
    ready = make_ready(HEAT, None, (), None, None, SilentObserver(), {})
    task = ready.task
    options = replace(task.options, nodes=100_000)
    choice = task.system.problem.solver
    assert choice is not None
    own = ready.method, task.system, choice, options, task.values
    for name in ("network at all nodes", "data of the rows"):
        sizes = [
            next(p.size for p in estimate_memory(*own, devices) if p.name == name)
            for devices in (1, 8)
        ]
        assert sizes[0] == pytest.approx(8 * sizes[1], rel=1e-3)
    limit = 3e9
    fitting = largest_fitting(*own, limit)
    sizes = []
    for nodes in (fitting, int(1.1 * fitting)):
        changed = replace(options, nodes=nodes)
        parts = estimate_memory(ready.method, task.system, choice, changed, task.values)
        sizes.append(sum(p.size for p in parts))
    assert sizes[0] <= limit < sizes[1]


def test_check_refuses_what_does_not_fit() -> None:
    report = pipeline.check(HEAT, memory=1e9)
    assert any("memory: about" in line for line in report.summary)
    assert not any(d.severity is Severity.ERROR for d in report.diagnostics)
    report = pipeline.check(HEAT, ["solver.nodes=90000"], memory=1e9)
    (mistake,) = (d for d in report.diagnostics if d.severity is Severity.ERROR)
    assert mistake.code == "E647"
    assert "nodes=" in mistake.helps[0]
    assert not pipeline.check(HEAT, ["solver.nodes=90000"], memory=1e11).diagnostics


@pytest.mark.parametrize(
    ("text", "size"),
    [("16GB", 16e9), ("512 MB", 512e6), ("2GiB", 2.0 * 1024**3), ("1e9", 1e9), ("3k", 3e3)],
)
def test_sizes(text: str, size: float) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "GB", "16 apples", "-3GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="16GB"):
        size_of(text)
