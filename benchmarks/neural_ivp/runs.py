"""Runs of one problem with several settings: a table, and a figure of curves over time."""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import pdesl
from pdesl.diagnostics import PdeslError, Source
from pdesl.run.known import Known
from pdesl.run.pipeline import known as trusted
from pdesl.solvers.base import Evaluate

RESULTS = Path(__file__).resolve().parent / "results"

#: Evolutional deep neural networks (Y. Du and T. A. Zaki, 2021): tanh, no features, dense solves.
EDNN = (
    'solver.ansatz="linear"',
    'solver.start="fit"',
    'solver.boundary="hard"',
    "solver.activation=tanh",
    "solver.depth=4",
    "solver.width=30",
    "solver.frequencies=0",
    "solver.layers=0",
    "solver.sampling=random",
    "solver.linear=dense(regularisation=1e-6)",
    # However badly it fits the start, it runs.
    "solver.fit_budget=10",
)


#: The same at the size of the networks of the quick settings, with a fit as short.
EDNN_QUICK = (
    *EDNN,
    "solver.depth=3",
    "solver.width=16",
    "solver.fit=levenberg_marquardt(iterations=15)",
    # A bump in six dimensions is more than so small a network fits; its residual tells the rest.
    "solver.fit_budget=1",
)


def arguments(words: str, parts: Sequence[str] = ()) -> argparse.Namespace:
    """The command line that every figure has; some have parts that can be made alone."""
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--paper", action="store_true", help="the sizes of the paper, for a GPU")
    parser.add_argument("parts", nargs="*", help="parts to make; none: all")
    given = parser.parse_args()
    wrong = set(given.parts) - set(parts)
    if wrong:
        parser.error(f"no part {', '.join(sorted(wrong))}; there are: {', '.join(parts) or 'none'}")
    given.parts = given.parts or list(parts)
    return given


def run(
    problem: str | Source,
    overrides: Sequence[str],
    profile: str | None,
    known: Known | None = None,
    solver: str | None = None,
) -> dict[str, Any]:
    """One run: its history, errors, counts and CPU seconds; `reason` where it failed."""
    source = pdesl.load_source(problem) if isinstance(problem, str) else problem
    begin = time.process_time()
    try:
        solution = pdesl.solve(
            source, solver=solver, overrides=overrides, profile=profile, known=known
        )
    except PdeslError as error:
        return {"reason": getattr(error, "message", str(error)), "seconds": float("nan")}
    errors = {name: e.relative_l2 for name, e in solution.errors.items()}
    return {
        "solution": solution,
        "history": solution.result.history,
        "quality": solution.result.quality,
        "counts": solution.result.counts,
        "errors": errors,
        "reason": solution.result.stop_reason,
        "seconds": time.process_time() - begin,
    }


def errors_over_time(
    evaluate: Evaluate, known: Known, field: str, times: Sequence[float], count: int = 3000
) -> list[float]:
    """Relative l2 differences of one field of a problem on [-1, 1]³ at given times."""
    places = np.random.default_rng(7).uniform(-1.0, 1.0, (count, 3))
    found = []
    for t in times:
        inputs = np.column_stack([np.full(count, t), places])
        own, true = evaluate(inputs)[field], known.evaluate(inputs)[field]
        found.append(float(np.linalg.norm(own - true) / np.linalg.norm(true)))
    return found


def table(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table, and keep it, as comma-separated values too."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row]
        lines.append("| " + " | ".join(cells) + " |")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (RESULTS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    print("\n".join(lines))


def figure(
    name: str, curves: Mapping[str, tuple[Any, Any]], x: str, y: str, logarithmic: bool = True
) -> None:
    """Curves over one axis, kept as a picture."""
    drawing, axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")
    for label, (places, values) in curves.items():
        axes.plot(places, np.asarray(values, dtype=float), marker=".", label=label)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend()
    RESULTS.mkdir(exist_ok=True)
    drawing.savefig(RESULTS / f"{name}.png", dpi=150)
    plt.close(drawing)


def compare_residuals(
    name: str,
    problem: str,
    variants: Mapping[str, Sequence[str]],
    paper: bool,
    common: Sequence[str] = (),
) -> None:
    """The residual of the equations over time for every variant; `common` holds for them all."""
    rows, curves = [], {}
    profile = "paper" if paper else None
    known = trusted(pdesl.load_source(problem), profile=profile)
    for label, overrides in variants.items():
        found = run(problem, [*common, *overrides], profile, known)
        print(label, f"{found['seconds']:.0f} CPU s: {found['reason']}", flush=True)
        if "history" not in found:
            rows.append((label, *("-",) * 7, found["reason"]))
            continue
        history, counts = found["history"], found["counts"]
        curves[label] = (history["time"], history["residual"])
        own, errors = found["quality"], found["errors"]
        rows.append(
            (label, own["initial_error"], own["largest_residual"], own["mean_residual"],
             own["last_residual"], own["largest_residual_published_measure"],
             max(errors.values()) if errors else "-", counts["evaluations"], found["seconds"])
        )  # fmt: skip
    columns = (
        "variant", "initial error", "largest residual", "mean over time", "last",
        "largest, published measure", "error", "solves", "CPU s",
    )  # fmt: skip
    table(name, columns, rows)
    if curves:
        figure(name, curves, "time", "residual, sqrt(Σ r²/Σ (∂t u)²)")
