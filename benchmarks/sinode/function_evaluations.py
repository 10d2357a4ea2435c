"""Evaluations of the network in an epoch: tables 1 and 2 of Zhang, Liu and Maulik (2024).

    python benchmarks/sinode/function_evaluations.py

Counted as the paper counts: batches × steps × 2 s for the forward pass and the discrete adjoint of
a scheme of s stages (table 2), and s more for the evaluation at test time (table 1, one batch).
"""

from __future__ import annotations

from pathlib import Path

from pdesl.solvers.fit_descent import batches_of
from pdesl.solvers.rollout import count_evaluations

HERE = Path(__file__).parent
IMEX = tuple(f"imex_rk{order}" for order in (2, 3, 4, 5))
#: Table 1: time of integration, steps of explicit and of IMEX methods.
GRAPHS = {"Cora": (3659, 19), "CoauthorCS": (626, 4), "Photo": (717, 4)}
#: Table 2: windows, windows of a batch, steps of a window for IMEX methods and for RK4.
COURSES = {
    "KS 64, 512": (3999, 256, 1, 200),
    "Burgers 512": (80 * 49, 200, 2, 100),
    "Burgers 1024": (80 * 49, 200, 2, 200),
}


def graph(scheme: str, steps: int) -> int:
    found = count_evaluations(scheme, steps)
    return found.total + found.forward


def course(scheme: str, windows: int, batch: int, steps: int) -> int:
    batches, _ = batches_of(windows, batch)
    return count_evaluations(scheme, steps, batches=batches).total


def tables() -> str:
    lines = ["| | " + " | ".join(GRAPHS) + " |", "|---|" + "---|" * len(GRAPHS)]
    for scheme in ("rk4", *IMEX):
        own = [graph(scheme, e if scheme == "rk4" else i) for e, i in GRAPHS.values()]
        lines.append(f"| {scheme} | " + " | ".join(f"{n:,}" for n in own) + " |")
    lines += ["", "| | " + " | ".join(COURSES) + " |", "|---|" + "---|" * len(COURSES)]
    for scheme in ("rk4", *IMEX):
        found = []
        for windows, batch, implicit, explicit in COURSES.values():
            steps = explicit if scheme == "rk4" else implicit
            found.append(course(scheme, windows, batch, steps))
        lines.append(f"| {scheme} | " + " | ".join(f"{n:,}" for n in found) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    text = tables()
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "function_evaluations.md").write_text(text + "\n", encoding="utf-8")
    print(text)
