"""True and predicted courses: figures 3 (ks) and 5 (burgers) of Zhang, Liu and Maulik (2024).

    python benchmarks/sinode/trajectories.py ks [--paper]
    python benchmarks/sinode/trajectories.py burgers [--paper]

About a minute of processor time each as they stand; `--paper` takes a minute for ks, and far longer
for burgers.

A fit of the problem as it stands, or with the paper's network and data, is run from a state that it
has not seen: 100 units of time for KS, where spectrum and histogram are compared too, and the rest
of a held-out course for Burgers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
from fitting import HERE, RESULTS, data_file, fitted

from pdesl.resources import problems_folder
from pdesl.run.predict import predict


def course_of(experiment: str, paper: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, places and values of a course that the fit has not seen."""
    if experiment == "ks":
        with h5py.File(data_file("ks_paper_test")) as file:
            return tuple(np.asarray(file[n])[: 501 if n != "x" else None] for n in ("t", "x", "u"))  # type: ignore[return-value]
    path = data_file("burgers_paper_512") if paper else problems_folder() / "burgers_sinode.h5"
    with h5py.File(path) as file:
        t, x, u = (np.asarray(file[n], float) for n in ("t", "x", "u"))
    return t, x, u[-1]


def model_of(experiment: str, paper: bool) -> Path:
    problem = f"{experiment}_sinode"
    if not paper:
        return fitted(problem, None, [], None, experiment).folder
    data = "ks_paper" if experiment == "ks" else "burgers_paper_512"
    span = "domain.t=[0, 1000]" if experiment == "ks" else "domain.t=[0, 5]"
    return fitted(problem, data, [span], "paper", f"{experiment}_paper").folder


def spectrum(u: np.ndarray) -> np.ndarray:
    return np.mean(np.abs(np.fft.rfft(u, axis=1) / u.shape[1]) ** 2, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=("ks", "burgers"))
    parser.add_argument("--paper", action="store_true")
    options = parser.parse_args()
    model = model_of(options.experiment, options.paper)
    t, x, u = course_of(options.experiment, options.paper)
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.npz"
        np.savez(start, x=x, u=u[0])
        first = 0.0 if options.experiment == "ks" or options.paper else 0.5
        found = predict(
            model, initial=start, until=first + float(t[-1] - t[0]), every=float(t[1] - t[0]),
            output=HERE / "runs" / f"{options.experiment}_prediction",
        ).prediction  # fmt: skip
    count = min(len(found.times), len(t))
    own, truth = found.values["u"][:count], u[:count]
    apart = np.linalg.norm(own - truth, axis=1) / np.sqrt(np.mean(np.sum(truth**2, axis=1)))
    far = np.flatnonzero(apart > 0.3)
    whole = t[-1] - t[0]
    followed = t[far[0]] - t[0] if len(far) else whole
    lines = [
        f"follows the truth within 30 % for {followed:.1f} of {whole:.1f} units of time",
        f"mean square {np.mean(own**2):.4f}, true {np.mean(truth**2):.4f}",
    ]
    a, b = spectrum(own), spectrum(truth)
    kept = b > 1e-6 * b.max()
    gap = np.abs(np.log10(a[kept] / b[kept]))
    lines.append(f"spectrum: mean distance {gap.mean():.3f} decades over {kept.sum()} modes")
    edges = np.linspace(truth.min(), truth.max(), 41)
    shares = [np.histogram(v, edges, density=True)[0] * np.diff(edges) for v in (own, truth)]
    lines.append(f"histogram: total variation {0.5 * np.abs(shares[0] - shares[1]).sum():.3f}")
    figure, grid = plt.subplots(2, 2, figsize=(8, 5), layout="constrained")
    limits = {"vmin": truth.min(), "vmax": truth.max()}
    for axes, values, title in ((grid[0, 0], truth, "truth"), (grid[0, 1], own, "prediction")):
        axes.pcolormesh(t[:count], x, values.T, shading="nearest", rasterized=True, **limits)
        axes.set_title(title)
    grid[1, 0].semilogy(b, label="truth")
    grid[1, 0].semilogy(a, "--", label="prediction")
    grid[1, 0].set_title("spectrum")
    grid[1, 0].legend()
    middle = 0.5 * (edges[1:] + edges[:-1])
    grid[1, 1].plot(middle, shares[1])
    grid[1, 1].plot(middle, shares[0], "--")
    grid[1, 1].set_title("histogram")
    name = f"trajectories_{options.experiment}{'_paper' if options.paper else ''}"
    figure.savefig(RESULTS / f"{name}.png", dpi=150)
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
