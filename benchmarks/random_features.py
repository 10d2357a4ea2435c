"""Accuracy and CPU time of random features on the catalogue and on a long interval of time.

    python benchmarks/random_features.py [PROBLEM ...]

Prints a line a problem: relative l2 error on test points, CPU seconds of the whole solve with the
choice of features (import, compilation of the file and test points apart), what was chosen.
"""

from __future__ import annotations

import sys
import time

from pdesl.diagnostics import Source
from pdesl.run.pipeline import load_source, solve
from pdesl.run.progress import SilentObserver

PROBLEMS = (
    "linear_poisson_disk",
    "linear_poisson_star",
    "nonlinear_poisson_disk",
    "anisotropic_diffusion_square",
    "poisson_ball",
    "heat_disk",
    "standing_waves",
    "boundary_layer",
)
OTHERS = {
    "standing_waves": """
domain:
    x ∈ [0, 1]
    t ∈ [0, 40]
fields:
    u(t, x) : scalar
equations:
    ∂t²u = ∂x²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(π x) + sin(2 π x)/2
    ∂t u = 0
verify:
    u = sin(π x) cos(π t) + sin(2 π x) cos(2 π t)/2
""",
    "boundary_layer": """
parameters:
    ε = 0.02
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∂x u - ε ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = (x - (exp((x - 1)/ε) - exp(-1/ε))/(1 - exp(-1/ε))) sin(π y)
""",
}


class Clock(SilentObserver):
    """CPU seconds of the stage `solve`."""

    def __init__(self) -> None:
        self.begun = self.spent = 0.0

    def begin(self, name: str) -> None:
        self.begun = time.process_time()

    def end(self, name: str, seconds: float, note: str = "") -> None:
        if name == "solve":
            self.spent = time.process_time() - self.begun


def main(names: list[str]) -> None:
    """Solve each problem and print its line."""
    out = sys.stdout.write
    out("| problem | relative l2 | CPU s | features | windows | trials | held-out |\n")
    out("|---|---|---|---|---|---|---|\n")
    for name in names or PROBLEMS:
        source = Source(f"{name}.pde", OTHERS[name]) if name in OTHERS else load_source(name)
        clock = Clock()
        found = solve(source, solver="random_features", observer=clock)
        error = max(e.relative_l2 or 0.0 for e in found.errors.values())
        counts, kind = found.result.counts, found.result.attributes["activation"]
        held_out = found.result.losses["held_out"] ** 0.5
        out(
            f"| {name} | {error:.1e} | {clock.spent:.1f} | {counts['features']:,} {kind} | "
            f"{counts['windows']} | {counts['trials']} | {held_out:.0e} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
