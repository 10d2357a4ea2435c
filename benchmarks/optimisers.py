"""CPU seconds of training to a given error: optimisers, weights, derivatives in time.

    python benchmarks/optimisers.py [GROUP …] [--limit SECONDS] [--json FILE]

Groups: `poisson` (optimisers on the linear Poisson disk, p = 5), `small` (a network of 500
parameters), `weights` (weights by the sizes of the operators against weights of one), `catalogue`
(other problems), `heat` (time slices); all of them by default. Every case runs in this process
under a monitor whose own time counts nowhere; compilation and the making of the operators are
left out. Seconds are of the CPU, all threads together: on a shared machine trust their ratios.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["JAX_ENABLE_X64"] = "1"
# Threads of LAPACK that wait would count as CPU time of Levenberg-Marquardt.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

LEVELS = (1e-3, 1e-4, 1e-5, 1e-6)
DEEP = ("width=50", "depth=4")
SLIM = ("width=30", "depth=3")
SMALL = ("width=20", "depth=2", "nodes=600")
FIFTH = ("order=5", "floor=0")
LM = "optimiser=levenberg_marquardt"
ONES = ("boundary_weight=1", "initial_weight=1")


@dataclass(frozen=True, slots=True)
class Case:
    """One training: a problem, a method, options, and what a reader should call it."""

    group: str
    words: str
    problem: str
    method: str
    options: tuple[str, ...] = ()
    every: int = 25


CASES = (
    Case("poisson", "dt_pinn 4×50, ssbroyden", "robin", "dt_pinn", (*DEEP, *FIFTH)),
    Case("poisson", "dt_pinn 4×50, lbfgs", "robin", "dt_pinn", (*DEEP, *FIFTH, "optimiser=lbfgs")),
    Case("poisson", "dt_pinn 4×50, LM", "robin", "dt_pinn", (*DEEP, *FIFTH, LM), 1),
    Case("poisson", "dt_pinn 3×30, ssbroyden", "robin", "dt_pinn", (*SLIM, *FIFTH)),
    Case("poisson", "dt_pinn 3×30, lbfgs", "robin", "dt_pinn", (*SLIM, *FIFTH, "optimiser=lbfgs")),
    Case("poisson", "dt_pinn 3×30, LM", "robin", "dt_pinn", (*SLIM, *FIFTH, LM), 1),
    Case("poisson", "dt_pinn 3×30, LM straight", "robin", "dt_pinn",
         (*SLIM, *FIFTH, f"{LM}(acceleration=false)"), 1),
    Case("poisson", "dt_pinn 4×50, Dirichlet", "dirichlet", "dt_pinn", (*DEEP, *FIFTH)),
    Case("poisson", "dt_pinn 3×30, Dirichlet", "dirichlet", "dt_pinn", (*SLIM, *FIFTH)),
    Case("poisson", "pinn 4×50, ssbroyden", "robin", "pinn", DEEP),
    Case("poisson", "pinn 4×50, lbfgs", "robin", "pinn", (*DEEP, "optimiser=lbfgs")),
    Case("poisson", "pinn 4×50, lbfgs, weights 1", "robin", "pinn",
         (*DEEP, "optimiser=lbfgs", *ONES)),
    Case("small", "pinn 2×20 Robin, ssbroyden", "robin", "pinn", SMALL),
    Case("small", "pinn 2×20 Robin, LM", "robin", "pinn", (*SMALL, LM), 5),
    Case("small", "pinn 2×20 Dirichlet, ssbroyden", "dirichlet", "pinn", SMALL),
    Case("small", "pinn 2×20 Dirichlet, LM", "dirichlet", "pinn", (*SMALL, LM), 5),
    Case("weights", "disk, Robin", "robin", "dt_pinn", (*SLIM, *FIFTH)),
    Case("weights", "disk, Robin, weights 1", "robin", "dt_pinn", (*SLIM, *FIFTH, *ONES)),
    Case("weights", "disk, Dirichlet", "dirichlet", "dt_pinn", (*SLIM, *FIFTH)),
    Case("weights", "disk, Dirichlet, weights 1", "dirichlet", "dt_pinn",
         (*SLIM, *FIFTH, *ONES)),
    Case("weights", "square, mixed", "anisotropic_diffusion_square", "dt_pinn", (*SLIM,)),
    Case("weights", "square, mixed, weights 1", "anisotropic_diffusion_square", "dt_pinn",
         (*SLIM, *ONES)),
    Case("weights", "ball, Dirichlet", "poisson_ball", "dt_pinn", (*SLIM,)),
    Case("weights", "ball, Dirichlet, weights 1", "poisson_ball", "dt_pinn", (*SLIM, *ONES)),
    Case("catalogue", "nonlinear disk, ssbroyden", "nonlinear_poisson_disk", "dt_pinn"),
    Case("catalogue", "nonlinear disk, LM", "nonlinear_poisson_disk", "dt_pinn", (LM,), 1),
    Case("catalogue", "star, ssbroyden", "linear_poisson_star", "dt_pinn"),
    Case("catalogue", "star, LM", "linear_poisson_star", "dt_pinn", (LM,), 1),
    Case("heat", "dt_pinn, differences in time", "heat_disk", "dt_pinn",
         ("time_derivative=stencils",)),
    Case("heat", "dt_pinn", "heat_disk", "dt_pinn"),
    Case("heat", "pinn", "heat_disk", "pinn"),
    Case("heat", "dt_pinn, LM without matrix", "heat_disk", "dt_pinn", (LM,), 1),
)  # fmt: skip


def source_of(problem: str) -> Any:
    """A problem of the catalogue; `robin` and `dirichlet` are the linear Poisson disk."""
    from pdesl.diagnostics import Source
    from pdesl.run.pipeline import load_source

    if problem not in ("robin", "dirichlet"):
        return load_source(problem)
    source = load_source("linear_poisson_disk")
    condition = "∂n u + u = ∂n exact(u) + exact(u)"
    if condition not in source.text:
        raise SystemExit(f"linear_poisson_disk has no condition `{condition}` any more")
    if problem == "robin":
        return source
    return Source("dirichlet", source.text.replace(condition, "u = exact(u)"))


def measure(case: Case, limit: float) -> dict[str, Any]:
    """CPU seconds to each level, and the lowest error."""
    import pdesl

    rows: list[tuple[int, float, float]] = []

    def look(snapshot: Any) -> bool:
        (error,) = snapshot.errors().values()
        rows.append((snapshot.iteration, snapshot.cpu_seconds, error.relative_l2))
        return snapshot.cpu_seconds > limit

    settings = [f"solver.{option}" for option in ("iterations=20000", "decrease=0", *case.options)]
    solution = pdesl.solve(
        source_of(case.problem),
        solver=case.method,
        overrides=settings,
        monitor=pdesl.Monitor(look, every=case.every),
    )
    found: dict[str, Any] = {"group": case.group, "case": case.words}
    for level in LEVELS:
        found[f"{level:.0e}"] = next((t for _, t, e in rows if e <= level), None)
    return found | {
        "best": min(e for _, _, e in rows),
        "last": rows[-1][2],
        "iterations": rows[-1][0],
        "seconds": rows[-1][1],
        "stop": solution.result.stop_reason,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    groups = list(dict.fromkeys(case.group for case in CASES))
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(groups))
    parser.add_argument("--limit", type=float, default=40.0, help="CPU seconds of one training")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    wanted = options.groups or groups
    if unknown := [g for g in wanted if g not in groups]:
        parser.error(f"there is no group {', '.join(unknown)}; there are {', '.join(groups)}")
    levels = [f"{level:.0e}" for level in LEVELS]
    print(f"| {'CPU seconds to':<34} | {' | '.join(levels)} | best | iterations | CPU s |")
    print("|---|" + "---|" * (len(levels) + 3))
    found = []
    for case in CASES:
        if case.group not in wanted:
            continue
        limit = options.limit * (4.0 if case.group == "heat" else 1.0)
        row = measure(case, limit)
        found.append(row)
        cells = ["–" if row[level] is None else f"{row[level]:.1f}" for level in levels]
        print(
            f"| {case.words:<34} | {' | '.join(cells)} | {row['best']:.1e} | "
            f"{row['iterations']} | {row['seconds']:.1f} |",
            flush=True,
        )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
