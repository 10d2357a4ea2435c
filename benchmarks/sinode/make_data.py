"""Write the data of the problems that are fitted: reference runs, subsampled, with noise.

    python benchmarks/sinode/make_data.py [lotka_volterra ks burgers advection_diffusion ...]

Files go beside the problems; `ks_paper` and `burgers_paper`, in the sizes of the paper (Zhang, Liu
and Maulik, 2024, section 5), to the folder of this script.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import h5py
import jax
import numpy as np

from pdesl.diagnostics import Source
from pdesl.resources import problems_folder
from pdesl.run.pipeline import run

HERE = Path(__file__).parent


def reference_run(name: str, text: str, field: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (T,), points (M,) and values (T, M) of a run of the method of lines."""
    with tempfile.TemporaryDirectory() as folder:
        run(Source(f"{name}.pde", text), output=Path(folder))
        with h5py.File(Path(folder) / "course.h5") as file:
            return tuple(np.asarray(file[key]) for key in ("t", "x", field))  # type: ignore[return-value]


def write(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", shuffle=True)
    print(f"{path}: {path.stat().st_size:,} bytes, "
          + ", ".join(f"{n} {a.shape}" for n, a in arrays.items()))  # fmt: skip


# -- Kuramoto-Sivashinsky ------------------------------------------------------------------


def kuramoto_sivashinsky(points: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The attractor at L = 22, every 0.2, after 200 units of time.

    The start has no symmetry, which the course would keep.
    """
    text = f"""
domain:
    x ∈ periodic(0, 22)
    t ∈ [0, {200 + 0.2 * rows:g}]
fields:
    u(t, x) : scalar
equations:
    ∂t u = stiff(-∂x²u - ∂x⁴u) + nonstiff(-u ∂x u)
initial:
    u = cos(2 π x / 22 + 0.3) + 0.7 sin(4 π x / 22) - 0.4 cos(6 π x / 22 + 1)
solver:
    method = method_of_lines(space=fourier({points}), time=etdrk4(dt=0.02))
output:
    every 0.2: u -> "course.h5"
"""
    t, x, u = reference_run("ks", text, "u")
    kept = np.flatnonzero(t >= 200 - 1e-9)[:rows]
    return t[kept] - t[kept[0]], x, u[kept]


def ks() -> None:
    t, x, u = kuramoto_sivashinsky(64, 1000)
    write(problems_folder() / "ks_sinode.h5", t=t, x=x, u=u.astype(np.float32))


def ks_paper() -> None:
    t, x, u = kuramoto_sivashinsky(64, 5000)
    write(HERE / "ks_paper.h5", t=t[:4000], x=x, u=u[:4000])
    write(HERE / "ks_paper_test.h5", t=t[4000:] - t[4000], x=x, u=u[4000:])


# -- Lotka-Volterra ------------------------------------------------------------------------

RATES = (0.55, 0.028, 0.84, 0.026)


def lotka_volterra() -> None:
    """Populations every half year with a standard deviation of 5 % of their mean."""
    from scipy.integrate import solve_ivp

    a, b, c, d = RATES
    t = np.arange(1900.0, 1921.0, 0.5)
    found = solve_ivp(
        lambda _, u: [a * u[0] - b * u[0] * u[1], -c * u[1] + d * u[0] * u[1]],
        (t[0], t[-1]), [30.0, 4.0], t_eval=t, rtol=1e-11, atol=1e-11,
    ).y  # fmt: skip
    sigma = 0.05 * found.mean(axis=1, keepdims=True)
    noisy = found + sigma * np.random.default_rng(1).standard_normal(found.shape)
    path = problems_folder() / "lotka_volterra.csv"
    lines = ["year,hare,lynx"]
    lines += [f"{y:g},{h:.3f},{p:.3f}" for y, h, p in zip(t, *noisy, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(t)} rows, standard deviations {sigma.ravel()}")


# -- advection and diffusion ---------------------------------------------------------------

SPEED, DIFFUSION = 0.6, 0.015


def advection_diffusion() -> None:
    """A pulse at 15 places and 40 times, with a standard deviation of 0.02 (5 % of its height)."""
    text = f"""
domain:
    x ∈ [0, 2]
    t ∈ [0, 2]
fields:
    u(t, x) : scalar
equations:
    ∂t u = stiff({DIFFUSION} ∂x²u) - {SPEED} ∂x u
boundary:
    u = 0 on x = 0
    ∂x u = 0 on x = 2
initial:
    u = exp(-60 (x - 0.4)²)
solver:
    method = method_of_lines(space=finite_difference(801, order=6), time=imex_rk4(dt=0.002))
output:
    every 0.05: u -> "course.h5"
"""
    t, x, u = reference_run("pulse", text, "u")
    order = np.argsort(x)
    x, u = x[order], u[:, order]
    places = np.linspace(0.3, 1.7, 15)
    values = np.stack([np.interp(places, x, row) for row in u[1:]])
    noisy = values + 0.02 * np.random.default_rng(2).standard_normal(values.shape)
    path = problems_folder() / "advection_diffusion_inverse.csv"
    lines = ["t,x,u"]
    for time, row in zip(t[1:], noisy, strict=True):
        lines += [f"{time:g},{p:g},{v:.4f}" for p, v in zip(places, row, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size:,} bytes, {values.size} values, top {values.max():.3f}")


# -- Burgers -------------------------------------------------------------------------------

VISCOSITY, PEAK = 8e-4, 10


def burgers_courses(points: int, runs: int, times: int, seed: int) -> np.ndarray:
    """Courses (runs, times, points), every 0.1, of ∂t u = ν ∂x²u - ∂x(u²/2) on [0, 1].

    Decaying turbulence from random phases and the spectrum E(k) = 2/(3 √π) k⁴ k0⁻⁵ exp(-k²/k0²);
    in Fourier space without aliases, the diffusion by its integrating factor and the rest by
    Kutta's method of order 4.
    """
    random = np.random.default_rng(seed)
    wide = max(points, 1024)
    k = np.arange(wide // 2 + 1)
    size = np.sqrt(
        2 * 2 / (3 * np.sqrt(np.pi)) * k**4 * float(PEAK) ** -5 * np.exp(-((k / PEAK) ** 2))
    )
    state = wide / 2 * size * np.exp(2j * np.pi * random.random((runs, len(k))))
    kept = k < wide / 3
    slope = -0.5 * 2j * np.pi * k * kept
    dt = 2.5e-4
    half = np.exp(-VISCOSITY * (2 * np.pi * k) ** 2 * dt / 2)

    def change(v: np.ndarray) -> np.ndarray:
        return slope * np.fft.rfft(np.fft.irfft(v, wide) ** 2)

    found = np.empty((runs, times, points))
    for number in range(times):
        found[:, number] = np.fft.irfft(state, wide)[:, :: wide // points]
        for _ in range(round(0.1 / dt) if number + 1 < times else 0):
            a = change(state)
            b = change(half * (state + dt / 2 * a))
            c = change(half * state + dt / 2 * b)
            d = change(half * (half * state + dt * c))
            state = half * (half * (state + dt / 6 * a) + dt / 3 * (b + c)) + dt / 6 * d
    return found


def burgers() -> None:
    """From 0.5 on, when shocks have formed."""
    u = burgers_courses(512, 6, 21, seed=0)[:, 5:]
    x, t = np.arange(512) / 512, 0.1 * np.arange(5, 21)
    write(problems_folder() / "burgers_sinode.h5", t=t, x=x, u=u.astype(np.float32))


def burgers_paper() -> None:
    for points in (512, 1024):
        u = burgers_courses(points, 100, 50, seed=1)
        x, t = np.arange(points) / points, 0.1 * np.arange(50)
        write(HERE / f"burgers_paper_{points}.h5", t=t, x=x, u=u)


# -- graph diffusion -----------------------------------------------------------------------

CLASSES, NODES, FEATURES = 4, 240, 16


def graph_diffusion() -> None:
    """A stochastic block model: 10 neighbours within the class on average, 3 outside.

    Features of norm one, as the citation graphs have them; the classes of an eighth of the nodes
    are measured, one quantity for each, and all of them kept beside.
    """
    rng = np.random.default_rng(0)
    classes = np.arange(NODES) % CLASSES
    same = classes[:, None] == classes[None, :]
    chance = np.where(same, 10 * CLASSES / NODES, 3 * CLASSES / (NODES * (CLASSES - 1)))
    upper = np.triu(rng.random((NODES, NODES)) < chance, 1)
    means = rng.normal(size=(CLASSES, FEATURES))
    features = means[classes] + 3.0 * rng.normal(size=(NODES, FEATURES))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labelled = rng.permutation(NODES) < NODES // 8
    shares = {
        f"y{k + 1}": np.where(labelled, (classes == k).astype(float), np.nan)[None]
        for k in range(CLASSES)
    }
    path = problems_folder() / "graph_diffusion.h5"
    edges = np.argwhere(upper).astype(np.int32)
    write(
        path, edges=edges, nodes=np.array([NODES]), features=features.astype(np.float32),
        classes=classes.astype(np.int32), t=np.array([4.0]), **shares,
    )  # fmt: skip


MADE = {
    "graph_diffusion": graph_diffusion,
    "advection_diffusion": advection_diffusion,
    "lotka_volterra": lotka_volterra,
    "ks": ks,
    "burgers": burgers,
    "burgers_paper": burgers_paper,
    "ks_paper": ks_paper,
}

if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    for name in sys.argv[1:] or [n for n in MADE if not n.endswith("_paper")]:
        MADE[name]()
