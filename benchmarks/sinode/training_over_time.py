"""Training loss over time: figures 4 (ks) and 6 (burgers) of Zhang, Liu and Maulik (2024).

    python benchmarks/sinode/training_over_time.py ks [--seconds 60] [--schemes imex_rk2 dopri5]
    python benchmarks/sinode/training_over_time.py burgers

The paper's network and optimiser (profile `paper`) on data of the paper's size, with steps of 0.2
(0.05 for Burgers) for implicit and exponential schemes, and of 0.001 for explicit RK4. Every
scheme trains for the same time, compilation left out. Written to results/: the figure, the losses
and when each scheme first fell below the loss that the slowest of them reached.
"""

from __future__ import annotations

import argparse

import h5py
import matplotlib.pyplot as plt
import numpy as np
from fitting import RESULTS, fitted

#: Problem, data, and the time integrators with their steps.
EXPERIMENTS = {
    "ks": ("ks_sinode", "ks_paper", 0.2, {"rk4": 0.001}),
    "burgers": ("burgers_sinode", "burgers_paper_512", 0.05, {"rk4": 0.001}),
}
SCHEMES = (
    "imex_rk2",
    "imex_rk3",
    "imex_rk4",
    "imex_rk5",
    "etd1",
    "crank_nicolson",
    "dopri5",
    "rk4",
)


def train(experiment: str, scheme: str, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and training losses after every epoch, from the end of the first one on."""
    problem, data, step, own = EXPERIMENTS[experiment]
    time = f"{scheme}(rtol=1e-5)" if scheme == "dopri5" else f"{scheme}(dt={own.get(scheme, step)})"
    settings = [f"solver.time={time}", f"fit.seconds={seconds}", "fit.validation=0"]
    settings += ["domain.t=[0, 1000]"] if experiment == "ks" else ["domain.t=[0, 5]"]
    report = fitted(problem, data, settings, "paper", f"{experiment}_{scheme}")
    with h5py.File(report.folder / "model.h5") as file:
        clock, loss = (np.asarray(file["history"][n]) for n in ("seconds", "loss"))  # type: ignore[index]
    first = clock[1] - clock[0] if len(clock) > 1 else 0.0
    return clock - clock[0] + first, loss  # the first epoch compiles: it counts as the second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--schemes", nargs="+", default=SCHEMES)
    options = parser.parse_args()
    found = {}
    for scheme in options.schemes:
        try:
            found[scheme] = train(options.experiment, scheme, options.seconds)
        except Exception as error:  # a scheme that cannot train is a result of its own
            print(f"{scheme}: {error}")
    bar = max(float(loss.min()) for _, loss in found.values())
    lines = [f"| scheme | epochs | last loss | seconds to {bar:.1e} |", "|---|---|---|---|"]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for scheme, (clock, loss) in found.items():
        axes.loglog(clock, np.minimum.accumulate(loss), label=scheme)
        reached = np.flatnonzero(loss <= bar * (1 + 1e-12))
        when = clock[reached[0]] if len(reached) else np.nan
        lines.append(f"| {scheme} | {len(loss)} | {loss[-1]:.2e} | {when:.2f} |")
    axes.set_xlabel("training time, s")
    axes.set_ylabel("training loss")
    axes.legend()
    name = f"training_over_time_{options.experiment}"
    figure.savefig(RESULTS / f"{name}.png", dpi=150)
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
