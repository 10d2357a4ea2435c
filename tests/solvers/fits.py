"""A fit from a text and arrays, as far as a test needs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
from jax.flatten_util import ravel_pytree

from pdesl.diagnostics import Source
from pdesl.ir.normalise import normalise
from pdesl.lowering.learned import Learned
from pdesl.run.reporting import silent_reporter
from pdesl.solvers.base import Task
from pdesl.solvers.binding import bind_options
from pdesl.solvers.fit_choices import read_data
from pdesl.solvers.fit_prepare import prepare
from pdesl.solvers.fit_steps import Prepared
from pdesl.solvers.methods import choose_method, requirements, size_mistakes
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.elaborate import elaborate_source


def source_of(text: str, folder: Path, name: str = "fit.pde", **arrays: Any) -> Source:
    """A problem beside the file `data.npz` with these arrays."""
    np.savez(folder / "data.npz", **arrays)
    return Source(name, text, str(folder))


def task_of(source: Source, settings: Sequence[str] = ()) -> Task:
    problem = elaborate_source(source, tuple(settings))
    system = normalise(problem)
    values = problem.parameter_values()
    method, choice = choose_method(problem)
    options = bind_options(method, choice, values)
    found = [
        *size_mistakes(method, system, choice, options),
        *requirements(method, system, options),
    ]
    assert not found, [str(d) for d in found]
    region: Any = None
    if problem.shape is not None:
        region = make_region(problem.shape, system.space_symbols, values)
    return Task(system, region, values, options)


def prepared_of(source: Source, settings: Sequence[str] = ()) -> Prepared:
    task = task_of(source, settings)
    return prepare(task, read_data(task.system.problem, task.values), silent_reporter())


# -- problems that several tests fit -------------------------------------------------------

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
