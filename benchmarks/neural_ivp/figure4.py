"""Waves on a black hole: the residual over time, and a slice beside finite differences.

    python benchmarks/neural_ivp/figure4.py [--paper]

Figure 4 of M. Finzi et al. (ICLR 2023): Neural-IVP against the dense baseline, residuals of the
equations over time, and at t = 0.36 the slice x = 0 of Neural-IVP, of the finite differences that
are the reference of the file, and their difference.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from runs import EDNN, EDNN_QUICK, RESULTS, arguments, errors_over_time, run, table

from pdesl.run.pipeline import known as trusted
from pdesl.run.pipeline import load_source

PROBLEM, TIME, LINE = "wave_maps_schwarzschild", 0.36, 81


def main() -> None:
    given = arguments(__doc__ or "")
    profile = "paper" if given.paper else "quick"
    variants = {"Neural-IVP": (), "EDNN": EDNN if given.paper else EDNN_QUICK}
    known = trusted(load_source(PROBLEM), profile=profile)
    assert known is not None
    print(*known.words, sep="\n", flush=True)
    rows, curves, slices = [], {}, {}
    line = np.linspace(-1.0, 1.0, LINE)
    y, z = (m.ravel() for m in np.meshgrid(line, line, indexing="ij"))
    inputs = np.column_stack([np.full(y.size, TIME), np.zeros(y.size), y, z])
    for label, overrides in variants.items():
        found = run(PROBLEM, overrides, profile, known)
        print(label, f"{found['seconds']:.0f} CPU s: {found['reason']}", flush=True)
        if "solution" not in found:
            rows.append((label, "-", "-", "-", "-", "-", found["reason"]))
            continue
        result, own = found["solution"].result, found["quality"]
        reached = result.times[-1] >= TIME - 1e-9
        last = errors_over_time(result.evaluate, known, "φ", [TIME])[0] if reached else float("nan")
        curves[label] = (found["history"]["time"], found["history"]["residual"])
        if reached:
            slices[label] = result.evaluate(inputs)["φ"]
        rows.append(
            (label, own["initial_error"], own["largest_residual"], found["errors"]["φ"], last,
             found["counts"]["evaluations"], found["seconds"])
        )  # fmt: skip
    columns = (
        "variant", "initial error", "largest residual", "difference over time",
        f"difference at t = {TIME}", "solves", "CPU s",
    )  # fmt: skip
    table("figure4", columns, rows)
    draw(curves, slices.get("Neural-IVP"), known.evaluate(inputs)["φ"])


def draw(
    curves: dict[str, tuple[np.ndarray, np.ndarray]], own: np.ndarray | None, true: np.ndarray
) -> None:
    drawing, axes = plt.subplots(1, 4, figsize=(14.5, 3.3), layout="constrained")
    for label, (times, residuals) in curves.items():
        axes[0].semilogy(times, residuals, marker=".", label=label)
    axes[0].set(xlabel="t", ylabel="residual, sqrt(Σ r²/Σ (∂t u)²)")
    axes[0].legend()
    size = float(np.abs(true).max())
    pictures = {"finite differences": true}
    if own is not None:
        pictures = {"Neural-IVP": own, **pictures, "difference": own - true}
    for axis, (label, values) in zip(axes[1:], pictures.items(), strict=False):
        bound = size if label != "difference" else float(np.abs(values).max())
        image = axis.imshow(
            values.reshape(LINE, LINE).T, origin="lower", extent=(-1, 1, -1, 1), cmap="RdBu_r",
            vmin=-bound, vmax=bound,
        )  # fmt: skip
        axis.set(title=label, xlabel="y", ylabel="z")
        drawing.colorbar(image, ax=axis)
    axes[0].set_title(f"at the right: t = {TIME}, x = 0")
    RESULTS.mkdir(exist_ok=True)
    drawing.savefig(RESULTS / "figure4.png", dpi=130)
    plt.close(drawing)


if __name__ == "__main__":
    main()
