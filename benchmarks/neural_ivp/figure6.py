"""The wave in three dimensions: errors against the solution over time, and other methods.

    python benchmarks/neural_ivp/figure6.py [--paper]

Figure 6 of M. Finzi et al. (ICLR 2023): Neural-IVP, the dense baseline, and finite differences,
here of second order as in the paper.
"""

from __future__ import annotations

from runs import EDNN, arguments, run, table


def main() -> None:
    given = arguments(__doc__ or "")
    points = 100 if given.paper else 30
    grid = f"solver.space=finite_difference({points}, order=2)"
    variants = {
        "Neural-IVP": (),
        "EDNN": EDNN,
        "finite differences": ("solver.method=method_of_lines", grid),
    }
    rows = []
    for label, overrides in variants.items():
        found = run("wave_3d", overrides, given.paper)
        error = found["errors"]["u"] if "errors" in found else float("nan")
        rows.append((label, error, found["seconds"], found["reason"]))
    table("figure6", ("method", "relative l2 error", "CPU s", "ended"), rows)


if __name__ == "__main__":
    main()
