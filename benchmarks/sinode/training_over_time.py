"""Training loss over time: figures 4 (ks) and 6 (burgers) of Zhang, Liu and Maulik (2024).

    python benchmarks/sinode/training_over_time.py ks [--rows 4000] [--seconds 60]
    python benchmarks/sinode/training_over_time.py burgers [--rows 80] [--schemes imex_rk2 dopri5]

The paper's network and optimiser (profile `paper`) with steps of 0.2 (0.05 for Burgers) for
implicit and exponential schemes, and of 0.001 for explicit RK4. By default on a part of the paper's
data, 512 snapshots or 2 courses, since some schemes take a minute for an epoch on all of them: the
loss over time compares schemes on the same data. Schemes that are explicit in the stiff part, or
implicit in the network, train three times as long as the others. Seconds are the processor's, the
first epoch, which compiles, counted as the second. Written to results/: the figure, the losses,
when each scheme first fell to the loss that all of them reached, and how much later than IMEX-RK2.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
from fitting import HERE, RESULTS, data_file, fitted

#: Problem, data, the rows of them that are used, time, and the step of semi-implicit schemes.
EXPERIMENTS = {
    "ks": ("ks_sinode", "ks_paper", 512, "domain.t=[0, 1000]", 0.2),
    "burgers": ("burgers_sinode", "burgers_paper_512", 2, "domain.t=[0, 5]", 0.05),
}
FAST = ("imex_rk2", "imex_rk3", "imex_rk4", "imex_rk5", "etd1")
SLOW = ("crank_nicolson", "dopri5", "rk4")
EXPLICIT_STEP = 0.001


def first_rows(name: str, rows: int) -> str:
    """The name of a file beside this script with the first rows of another."""
    path = data_file(name)
    own = Path(HERE / f"{name}_{rows}_rows.h5")
    with h5py.File(path) as whole, h5py.File(own, "w") as part:
        courses = whole["u"].ndim == 3  # type: ignore[union-attr]
        for key in ("t", "x", "u"):
            keep = slice(rows) if key == "u" or (key == "t" and not courses) else slice(None)
            part[key] = np.asarray(whole[key])[keep]
    return own.stem


def train(experiment: str, scheme: str, data: str, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Processor seconds and training losses after every epoch, from the end of the first one on."""
    problem, _, _, span, step = EXPERIMENTS[experiment]
    text = f"dt={EXPLICIT_STEP if scheme == 'rk4' else step}"
    text = "rtol=1e-5" if scheme == "dopri5" else text
    settings = [f"solver.time={scheme}({text})", f"fit.seconds={seconds}", "fit.validation=0", span]
    begin = time.perf_counter(), time.process_time()
    report = fitted(problem, data, settings, "paper", f"{experiment}_{scheme}")
    share = (time.process_time() - begin[1]) / (time.perf_counter() - begin[0])
    with h5py.File(report.folder / "model.h5") as file:
        clock, loss = (np.asarray(file["history"][n]) for n in ("seconds", "loss"))  # type: ignore[index]
    if len(clock) < 2:
        raise RuntimeError("one epoch alone, whose time is mostly compilation: allow more seconds")
    return share * (clock - 2 * clock[0] + clock[1]), loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--schemes", nargs="+", default=FAST + SLOW)
    options = parser.parse_args()
    _, name, rows, _, _ = EXPERIMENTS[options.experiment]
    data = first_rows(name, options.rows or rows)
    found = {}
    for scheme in options.schemes:
        allowed = options.seconds * (3 if scheme in SLOW else 1)
        try:
            found[scheme] = train(options.experiment, scheme, data, allowed)
        except Exception as error:  # a scheme that cannot train is a result of its own
            print(f"{scheme}: {error}")
    bar = max(float(loss.min()) for _, loss in found.values())
    when = {s: clock[np.flatnonzero(loss <= bar)[0]] for s, (clock, loss) in found.items()}
    lines = [f"| scheme | epochs | s an epoch | last loss | s to {bar:.2e} | over imex_rk2 |"]
    lines.append("|---|---|---|---|---|---|")
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for scheme, (clock, loss) in found.items():
        axes.loglog(clock, np.minimum.accumulate(loss), ".-", label=scheme)
        each = (clock[-1] - clock[0]) / (len(clock) - 1)
        ratio = when[scheme] / when.get("imex_rk2", np.nan)
        lines.append(
            f"| {scheme} | {len(loss)} | {each:.3g} | {loss[-1]:.2e} | {when[scheme]:.3g} | "
            f"{ratio:.3g} |"
        )
    axes.set_xlabel("training time, processor s")
    axes.set_ylabel("training loss")
    axes.legend(fontsize="small")
    stem = f"training_over_time_{options.experiment}"
    figure.savefig(RESULTS / f"{stem}.png", dpi=120)
    (RESULTS / f"{stem}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
