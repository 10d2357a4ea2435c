"""How far the dimension can go, and what each improvement gives on the waves around a black hole.

    python benchmarks/neural_ivp/figure5.py [--paper]

Figure 5 of M. Finzi et al. (ICLR 2023). Left: the residual of the Fokker-Planck equation over time
in more and more dimensions. Right: the baseline, with sinusoidal features, and with a wider network
and more samples.
"""

from __future__ import annotations

import numpy as np
from runs import EDNN, EDNN_QUICK, arguments, compare_residuals, figure, run, table

from pdesl.diagnostics import Source


def fokker_planck(dimension: int, paper: bool) -> Source:
    """The equation of `fokker_planck_8d` in any dimension, smooth up to the walls."""
    ones = ", ".join(["1"] * dimension)
    bump = " ".join(f"(1 - x[{k}]²)" for k in range(1, dimension + 1))
    size = (
        "width=100, frequencies=5, samples=10000, integrator=rk45(rtol=1e-4)"
        if paper
        else "width=12, frequencies=0, samples=500, integrator=rk23(rtol=1e-3), "
        "fit=levenberg_marquardt(iterations=15)"
    )
    return Source(
        f"fokker_planck_{dimension}d",
        f"""
domain:
    x ∈ [-1, 1]^{dimension}
    t ∈ [0, {1 if paper else 0.05}]

fields:
    u(t, x) : scalar

let:
    h = (0.2 + mean(x)/4) ({ones}) - (5/4) x

equations:
    ∂t u = 0.01 ∇²u - ∇·(u h)

boundary:
    u = 0    on ∂Ω

initial:
    u = (3/4)^{dimension} {bump}

solver:
    method = neural_ivp({size})
""",
    )


def dimensions(paper: bool) -> None:
    rows, curves = [], {}
    for dimension in (2, 5, 10, 20):
        found = run(fokker_planck(dimension, paper), (), None)
        label = f"d = {dimension}"
        print(label, f"{found['seconds']:.0f} CPU s: {found['reason']}", flush=True)
        if "history" not in found:
            rows.append((dimension, "-", "-", "-", "-", found["reason"]))
            continue
        history, counts, own = found["history"], found["counts"], found["quality"]
        curves[label] = (history["time"], history["residual"])
        rows.append(
            (dimension, counts["parameters"], own["initial_error"],
             float(np.mean(history["residual"])), counts["evaluations"], found["seconds"])
        )  # fmt: skip
    columns = ("d", "parameters", "initial error", "mean residual", "solves", "CPU s")
    table("figure5_dimension", columns, rows)
    figure("figure5_dimension", curves, "time", "residual, sqrt(Σ r²/Σ (∂t u)²)")


def main() -> None:
    given = arguments(__doc__ or "")
    dimensions(given.paper)
    small, wide = ("solver.width=12", "solver.samples=500"), ()
    base = EDNN if given.paper else (*EDNN_QUICK, *small)
    variants = {
        "EDNN": base,
        "with features": (*base, "solver.frequencies=3"),
        "wider, more samples": (
            *base, "solver.frequencies=3", "solver.width=16", "solver.samples=1500",
        ),
        "Neural-IVP": wide,
    }  # fmt: skip
    if given.paper:
        del variants["wider, more samples"]
    compare_residuals("figure5_ablation", "wave_maps_schwarzschild", variants, given.paper)


if __name__ == "__main__":
    main()
