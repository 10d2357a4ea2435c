"""A fit from a text and arrays, as far as a test needs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdesl.diagnostics import Source
from pdesl.ir.normalise import normalise
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
