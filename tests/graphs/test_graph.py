"""Graphs as a space: files, operators, the method of lines, and learning with attention."""

from __future__ import annotations

from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pdesl.diagnostics import ProblemError, SolverError, Source
from pdesl.lowering.attention import Edges, make_attention
from pdesl.lowering.space import make_graph
from pdesl.run.pipeline import check, run, solve
from pdesl.run.predict import predict
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.geometry import Graph, read_graph

NODES = 12


def weights(seed: int = 0) -> np.ndarray:
    """A connected graph with weights, as a full matrix."""
    random = np.random.default_rng(seed)
    table = np.triu(
        random.uniform(0.5, 2.0, (NODES, NODES)) * (random.random((NODES, NODES)) < 0.2), 1
    )
    ring = np.arange(NODES - 1)
    table[ring, ring + 1] = 1.0
    return table + table.T


def saved(folder: Path, table: np.ndarray) -> Graph:
    first, second = np.nonzero(np.triu(table))
    np.savez(folder / "g.npz", edges=np.stack([second, first]), weights=table[first, second],
             nodes=NODES)  # fmt: skip
    return read_graph("g.npz", str(folder))


def text(rest: str, fields: str = "u(t, i)", end: float = 1.0) -> str:
    return f"""
domain:
    i ∈ graph("g.npz")
    t ∈ [0, {end}]
fields:
    {fields} : scalar
{rest}"""


def test_operators_are_those_of_the_matrix(tmp_path: Path):
    table = weights()
    space = make_graph(saved(tmp_path, table))
    laplacian = table - np.diag(table.sum(axis=1))
    u = np.random.default_rng(1).normal(size=NODES)
    own = np.arange(NODES)
    terms = [{(1,): 1.0}, {(2,): 2.0, (0,): u}, {(4,): 1.0}]
    for found, wanted in zip(
        space.operators(own, terms),
        (table, 2 * laplacian + np.diag(u), laplacian @ laplacian), strict=True,
    ):  # fmt: skip
        assert found.toarray() == pytest.approx(wanted, abs=1e-13)
    places = np.array([[3.0], [0.0]])
    assert space.interpolation(places) @ u == pytest.approx(u[[3, 0]])


def test_tables_and_arrays_give_the_same_graph(tmp_path: Path):
    lines = "source,target,weight\n0,1,2\n1,0,2\n2,1,0.5\n2,2,7\n"
    (tmp_path / "g.csv").write_text(lines, encoding="utf-8")
    np.savez(tmp_path / "g.npz", edges=[[0, 1], [1, 2]], weights=[2.0, 0.5])
    a, b = read_graph("g.csv", str(tmp_path)), read_graph("g.npz", str(tmp_path))
    wanted = [[0, 2, 0], [2, 0, 0.5], [0, 0.5, 0]]
    assert a.weights.toarray() == pytest.approx(np.array(wanted, float))
    assert np.array_equal(a.weights.toarray(), b.weights.toarray())
    assert a.degrees == pytest.approx([2.0, 2.5, 0.5])


@pytest.mark.parametrize(
    ("arrays", "code", "words"),
    [
        ({"u": [1.0]}, "E541", "no edges"),
        ({"edges": [[0, 1, 2]]}, "E541", "shape"),
        ({"edges": np.zeros((0, 2))}, "E541", "no edges"),
        ({"edges": [[0, -1]]}, "E542", "names the node -1"),
        ({"edges": [[0, np.nan]]}, "E542", "names the node nan"),
        ({"edges": [[0, 1e9]]}, "E542", "names the node 1e+09"),
        ({"edges": [[0, 1]], "weights": [0.0]}, "E542", "weight 0"),
        ({"edges": [[0, 1]], "weights": [1.0, 2.0]}, "E542", "2 weights for 1 edges"),
        ({"edges": [[0, 1], [1, 0]], "weights": [1.0, 2.0]}, "E542", "two weights"),
        ({"edges": [[0, 5]], "nodes": 3}, "E542", "6 at least"),
    ],
)
def test_files_that_hold_no_graph(tmp_path: Path, arrays: dict, code: str, words: str):
    np.savez(tmp_path / "g.npz", **arrays)
    with pytest.raises(ProblemError) as caught:
        read_graph("g.npz", str(tmp_path))
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert words in found.message


def test_oscillators_with_frequencies_of_their_own(tmp_path: Path):
    """Kuramoto's model in (cos θ, sin θ), against SciPy's steps of the phases."""
    table = weights(2)
    saved(tmp_path, table)
    random = np.random.default_rng(3)
    frequency, phase = random.normal(size=NODES), random.uniform(0, 6, NODES)
    order = random.permutation(NODES)
    rows = "\n".join(f"{k},{frequency[k]!r},{phase[k]!r}" for k in order.tolist())
    rows = rows.replace("np.float64(", "").replace(")", "")
    (tmp_path / "o.csv").write_text("i,ω,θ\n" + rows + "\n", encoding="utf-8")
    problem = text(
        """
closure:
    ω = load("o.csv")
    θ = load("o.csv")
equations:
    ∂t c = -s (ω + c neighbours(s) - s neighbours(c))
    ∂t s = c (ω + c neighbours(s) - s neighbours(c))
initial:
    c = cos(θ)
    s = sin(θ)
solver:
    method = method_of_lines(time=imex_rk4(rtol=1e-9))
""",
        "c(t, i), s(t, i)",
    )
    source = Source("k.pde", problem, str(tmp_path))
    again = elaborate_source(source).to_pde()
    assert elaborate_source(Source("k.pde", again, str(tmp_path))) == elaborate_source(source)
    assert not check(source).diagnostics
    solution = solve(source)

    def rate(_: float, theta: np.ndarray) -> np.ndarray:
        return frequency + np.sum(table * np.sin(theta[None] - theta[:, None]), axis=1)

    theta = solve_ivp(rate, (0, 1), phase, rtol=1e-11, atol=1e-12).y[:, -1]
    found = solution(t=1.0, i=np.arange(NODES))
    assert found["c"] == pytest.approx(np.cos(theta), abs=1e-7)
    assert found["s"] == pytest.approx(np.sin(theta), abs=1e-7)


def test_diffusion_is_implicit_and_keeps_its_sum(tmp_path: Path):
    table = weights(4)
    saved(tmp_path, table)
    problem = text(
        """
equations:
    ∂t u = 50 ∇²u
initial:
    u = i
solver:
    method = method_of_lines(time=imex_rk3(dt=0.1))
output:
    at end: ∫(u), u, ∇²u -> "d.h5"
"""
    )
    report = run(Source("d.pde", problem, str(tmp_path)), output=tmp_path / "out")
    total = report.metrics["numbers"]["∫(u)"]  # type: ignore[index]
    assert total == pytest.approx(np.arange(NODES).sum(), rel=1e-10)
    with h5py.File(tmp_path / "out" / "d.h5") as file:
        u, change = (np.asarray(file[name]).ravel() for name in ("u", "lap_u"))
    assert change == pytest.approx((table - np.diag(table.sum(axis=1))) @ u, abs=1e-10)
    solution = solve(Source("d.pde", problem, str(tmp_path)))
    found = solution(t=1.0, i=np.arange(NODES))
    with pytest.raises(SolverError, match="along `i`, line") as error:
        solution.derivative({"i": 1}, t=1.0, i=np.arange(NODES))
    assert error.value.code == "E713"
    assert found.sum() == pytest.approx(np.arange(NODES).sum(), rel=1e-12)
    # The slowest mode has decayed by exp(−50 λ₂): what is left is the mean.
    assert found == pytest.approx(np.full(NODES, (NODES - 1) / 2), abs=0.02)


def test_attention_is_that_of_the_formula(tmp_path: Path):
    table = weights(5)
    edges = Edges.of(saved(tmp_path, table))
    network = make_attention(3, size=4, heads=2, deviation=None, scale=(1.0, 2.0, 1.0, 9.0), seed=0)
    inputs = np.random.default_rng(0).normal(size=(2, NODES, 3))
    found = np.asarray(network(jnp.asarray(inputs), edges))
    own = inputs / np.array([1.0, 2.0, 1.0])
    for batch in range(2):
        total = np.zeros(NODES)
        for head in range(2):
            q, k = (own[batch] @ np.asarray(w)[:, 4 * head : 4 * head + 4] for w in network.weights)
            share = (table + np.eye(NODES)) * np.exp(q @ k.T / 2.0)
            total += (share / share.sum(axis=1, keepdims=True)) @ inputs[batch, :, 0] / 2
        assert found[batch] == pytest.approx(total, rel=1e-12)
    gradient = jax.grad(lambda x: jnp.sum(network(x, edges) ** 2))(jnp.asarray(inputs))
    direction = np.random.default_rng(1).normal(size=inputs.shape)
    ends = [
        jnp.sum(network(jnp.asarray(inputs + s * direction), edges) ** 2) for s in (1e-5, -1e-5)
    ]
    assert np.sum(np.asarray(gradient) * direction) == pytest.approx(
        float(ends[0] - ends[1]) / 2e-5, rel=1e-7
    )


def test_a_rate_is_learned_from_a_course_on_a_graph(tmp_path: Path):
    """∂t u = κ ∇²u + a w: both unknowns found again, the diffusion implicit."""
    table = weights(6)
    saved(tmp_path, table)
    random = np.random.default_rng(0)
    w = random.normal(size=NODES)
    laplacian = table - np.diag(table.sum(axis=1))
    times = np.linspace(0, 1, 6)
    course = solve_ivp(
        lambda _, u: 0.3 * laplacian @ u + 0.7 * w, (0, 1), np.cos(np.arange(NODES)),
        t_eval=times, rtol=1e-10, atol=1e-12,
    ).y.T  # fmt: skip
    np.savez(tmp_path / "d.npz", t=times[1:], u=course[1:], w=w)
    problem = text(
        """
parameters:
    κ = unknown(start=1, bounds=(0, 5))
    a = unknown(start=0)
closure:
    w = load("d.npz")
equations:
    ∂t u = stiff(κ ∇²u) + nonstiff(a w)
initial:
    u = cos(i)
data:
    seen = load("d.npz")
fit:
    seen.u ≈ u
solver:
    method = sinode(time=imex_rk3(dt=0.02))
"""
    )
    source = Source("f.pde", problem, str(tmp_path))
    assert not check(source).diagnostics
    report = run(source, output=tmp_path / "out")
    found = {n: v["value"] for n, v in report.metrics["unknowns"].items()}  # type: ignore[index]
    assert found == pytest.approx({"κ": 0.3, "a": 0.7}, rel=1e-3)
    course = predict(tmp_path / "out", until=1.0, every=0.5).prediction
    assert course.values["u"].shape == (3, NODES)
