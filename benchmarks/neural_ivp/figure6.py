"""The wave in three dimensions: errors against the solution over time, and other methods.

    python benchmarks/neural_ivp/figure6.py [--paper]

Figure 6 of M. Finzi et al. (ICLR 2023): Neural-IVP, the dense baseline, and finite differences,
here of second order as in the paper, and of fourth order. Errors are relative, over the box at
one time each.
"""

from __future__ import annotations

import numpy as np
from runs import EDNN, EDNN_QUICK, arguments, errors_over_time, figure, run, table

from pdesl.run.pipeline import known as trusted
from pdesl.run.pipeline import load_source

TIMES = 9


def main() -> None:
    given = arguments(__doc__ or "")
    profile, points, own = ("paper", 100, ()) if given.paper else (None, 30, ("parameters.T=0.3",))
    networks = {"Neural-IVP": (), "EDNN": EDNN if given.paper else EDNN_QUICK}
    grids = {
        f"differences of order {order}, {points}³": (
            f"solver.space=finite_difference({points}, order={order})",
            "solver.time=rk45(rtol=1e-5)",
        )
        for order in (2, 4)
    }
    known = trusted(load_source("wave_3d"), overrides=own, profile=profile)
    assert known is not None
    rows, curves = [], {}
    for label, overrides in (networks | grids).items():
        solver = "method_of_lines" if label in grids else None
        settings = (*own, *overrides)
        found = run("wave_3d", settings, None if solver else profile, known, solver)
        print(label, f"{found['seconds']:.0f} CPU s: {found['reason']}", flush=True)
        if "solution" not in found:
            rows.append((label, "-", "-", "-", found["seconds"], found["reason"]))
            continue
        result, counts = found["solution"].result, found["counts"]
        reached = result.times[-1]
        times = np.linspace(0.0, reached, TIMES)
        errors = errors_over_time(result.evaluate, known, "u", times)
        unknowns = counts.get("parameters", counts.get("unknowns"))
        curves[label] = (times, errors)
        rows.append(
            (label, unknowns, errors[0], errors[-1], found["seconds"], f"t = {reached:.3g}")
        )
    columns = ("method", "unknowns", "error at first", "error at last", "CPU s", "reached")
    table("figure6", columns, rows)
    figure("figure6", curves, "time", "relative l2 error of u")


if __name__ == "__main__":
    main()
