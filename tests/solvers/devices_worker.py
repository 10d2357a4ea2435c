"""Every method that divides its work, solved on given numbers of devices.

    python devices_worker.py FOLDER virtual 1,8
    python devices_worker.py FOLDER HOST:PORT,I/N N

The first process writes FOLDER/NAME-DEVICES.npy, numbers of the solution, for each. Counts of
points, windows and nodes are no multiples of eight; the first epoch of a fit on several virtual
devices, and the first step of the method of lines, are made on one.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pdesl.run.accelerator import Processes, configure_jax, join_processes

FOLDER, HOW, COUNTS = Path(sys.argv[1]), sys.argv[2], [int(n) for n in sys.argv[3].split(",")]
OWN = None if HOW == "virtual" else Processes.parse(*HOW.split(","))
configure_jax(devices=max(COUNTS) if OWN is None else 1)
if OWN is not None:
    join_processes(OWN)

from jax.flatten_util import ravel_pytree  # noqa: E402

from pdesl.diagnostics import Source  # noqa: E402
from pdesl.run.preparing import make_ready  # noqa: E402
from pdesl.run.progress import SilentObserver  # noqa: E402
from pdesl.run.reporting import silent_reporter  # noqa: E402
from pdesl.solvers.base import Task  # noqa: E402
from pdesl.solvers.fit_choices import read_data  # noqa: E402
from pdesl.solvers.fit_damped import minimise_damped  # noqa: E402
from pdesl.solvers.fit_descent import DescentState, descend, first_state  # noqa: E402
from pdesl.solvers.fit_model import FitModel, make_batch  # noqa: E402
from pdesl.solvers.fit_prepare import prepare as prepare_fit  # noqa: E402
from pdesl.solvers.gram import one_blas_thread  # noqa: E402
from pdesl.solvers.neural_method import new_networks  # noqa: E402
from pdesl.solvers.neural_prepare import prepare  # noqa: E402
from pdesl.solvers.velocity import pack  # noqa: E402

PLACES = np.random.default_rng(1).uniform(-0.6, 0.6, (40, 2))

STEADY = """pdesl 1
domain:
    x, y ∈ disk(center=(0, 0), radius=1)
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    (1 + x²) ∂x²u + ∂y²u = exp(u) + x u + f
boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω
manufactured:
    u = 1 + sin(x) cos(y)
solver:
    method = METHOD(nodes=93, width=5, depth=1, iterations=5, OPTIMISER)
"""

EVOLVING = """pdesl 1
domain:
    x, y ∈ disk(center=(0, 0), radius=1)
    t ∈ [0, 1]
fields:
    u(t, x, y) : scalar
equations:
    ∂t u = ∇²u - u³ + t x
boundary:
    u = t y    on ∂Ω
initial:
    u = 1 - x² - y²
solver:
    method = dt_pinn(nodes=73, order=3, slices=4, width=5, depth=1, iterations=4, optimiser=lbfgs)
"""

ADVECTION = """pdesl 1
domain:
    x ∈ periodic(-1, 1)
    y ∈ [-1, 1]
    t ∈ [0, 0.02]
fields:
    u(t, x, y) : scalar
equations:
    ∂t u = ∂x u + 0.1 ∂y²u
boundary:
    ∂n u = 0    on ∂Ω
initial:
    u = exp(sin(π x)) + y²/4
solver:
    method = neural_ivp(width=5, depth=1, frequencies=1, samples=45, residual_samples=45, boundary=penalty, boundary_samples=11, fit=levenberg_marquardt(iterations=2), fit_budget=10, residual_budget=10, integrator=rk23(dt=0.01), linear=LINEAR)
"""  # noqa: E501

LINES = """pdesl 1
domain:
    x, y ∈ disk(center=(0, 0), radius=1)
    t ∈ [0, 0.01]
fields:
    u(t, x, y), v(t, x, y) : scalar
equations:
    ∂t u = (1 + t) ∇²u + v - u³ + t x + u ∂x u
    ∂t v = 0.1 ∇²v + u v exp(-x) + cos(t) ∂y v
boundary:
    ∂n u + u = t y    on ∂Ω
    v = x    on ∂Ω
initial:
    u = 1 - x² - y²
    v = x
solver:
    method = method_of_lines(space=rbf_fd(nodes=90, order=2), time=TIME, checkpoint=0)
"""

LEARNED = """pdesl 1
domain:
    t ∈ [0, 4]
fields:
    hare(t), lynx(t) : scalar
parameters:
    α = unknown(start=0.5, bounds=(0, 3))
    β = unknown(start=0.4, bounds=(0, 3))
closure:
    N = mlp(hare, lynx, hidden=(4,))
equations:
    ∂t hare = α hare - hare lynx
    ∂t lynx = -β lynx + N
data:
    obs = load("courses.csv", t="t")
fit:
    obs.hare ≈ hare
    obs.lynx ≈ lynx
    window = 2
    validation = 0.2
    optimizer = OPTIMISER
solver:
    method = sinode(time=rk4(dt=0.1))
"""

OPTIMISED = "optimiser=levenberg_marquardt"
# What two processes solve.
EVERYWHERE = ("dt_pinn", "pinn", "neural_ivp", "sinode", "lines")
SOLVED = {
    "dt_pinn": STEADY.replace("METHOD", "dt_pinn").replace("OPTIMISER", "optimiser=adam"),
    "pinn": STEADY.replace("METHOD", "pinn").replace("OPTIMISER", OPTIMISED),
    "dt_pinn_slices": EVOLVING,
    "lines": LINES.replace("TIME", "imex_rk2(dt=0.005)"),
    "lines_implicit": LINES.replace("TIME", "dirk2(dt=0.005)"),
}
MOVING = {
    "neural_ivp": ADVECTION.replace(
        "LINEAR", "landmark_nystrom_cg(regularisation=1e-3, rank=20, tolerance=1e-14)"
    ),
}
FITTED = {
    "sinode": LEARNED.replace("OPTIMISER", "adam(epochs=2, batch=7)"),
    "sinode_damped": LEARNED.replace("OPTIMISER", "levenberg_marquardt(iterations=1)"),
}


def task_of(text: str, devices: int, name: str = "case") -> tuple[Any, Task]:
    source = Source(name, text, str(FOLDER))
    ready = make_ready(source, None, (), None, None, SilentObserver(), {}, devices)
    return ready.method, ready.task


class Kept:
    """The checkpoints of a run."""

    def __init__(self, held: dict[str, np.ndarray] | None = None) -> None:
        self.held, self.saved = held, list[dict[str, np.ndarray]]()

    def load(self) -> dict[str, np.ndarray] | None:
        return self.held

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        self.saved.append({name: np.array(array) for name, array in arrays.items()})


def solved(text: str, devices: int) -> np.ndarray:
    method, task = task_of(text, devices)
    if task.options.checkpoint == 0 and OWN is None and devices > 1:
        begun = Kept()  # the first step on one device
        method.solve(replace(task_of(text, 1)[1], memory=begun), silent_reporter())
        task = replace(task, memory=Kept(begun.saved[0]))
    inputs = PLACES
    if task.time_span is not None:
        inputs = np.column_stack([np.full(len(PLACES), task.time_span[1]), PLACES])
    return method.solve(task, silent_reporter()).evaluate(inputs)["u"]


def moved(text: str, devices: int) -> np.ndarray:
    """The first velocity, the values and the residual of networks that were not fitted."""
    _, task = task_of(text, devices)
    method = prepare(task)
    flat = pack(new_networks(task, method.neural, 0))[0]
    sample = method.sample(0, flat, 0.0)
    with one_blas_thread():
        velocity, _ = method.velocity(flat, 0.0, sample, 0)
    values = method.values(flat, 0.0, sample).ravel()
    return np.array([*velocity, *values, method.residual(flat, velocity, 0.0, 0)])


def fitted(text: str, devices: int) -> np.ndarray:
    _, task = task_of(text, devices)
    fit = prepare_fit(task, read_data(task.system.problem, task.values), silent_reporter())
    windows, own = fit.windows, fit.choices.optimiser_options
    batch, held = (
        make_batch(windows.subset(chosen), fit.steps, fit.pairs, fit.sets)
        for chosen in (~windows.held_out, windows.held_out)
    )
    if "adam" not in text:
        found = minimise_damped(
            fit.model, fit.learned, batch, iterations=1, damping=1e-3, tolerance=0.0, seconds=None,
            report=lambda *_: None,
        )  # fmt: skip
        return np.array([*ravel_pytree(found.learned)[0], *found.losses])

    def go_on(state: DescentState, model: FitModel, epochs: int) -> DescentState:
        return descend(
            model, state, batch, held, replace(own, epochs=epochs), decay=0.0, patience=None,
            seconds=None, seed=1, report=lambda _: None, keep=lambda _: None,
        )[0]  # fmt: skip

    if OWN is None and devices > 1:  # begun on one device, and gone on with on several
        first = go_on(first_state(fit.learned), replace(fit.model, devices=1), 1)
    else:
        first = first_state(fit.learned)
    state = go_on(first, fit.model, 2)
    return np.array([*ravel_pytree(state.learned)[0], state.best_value])


def write(name: str, numbers: np.ndarray) -> None:
    if OWN is None or OWN.number == 0:
        np.save(FOLDER / f"{name}.npy", numbers)


for count in COUNTS:
    for cases, function in ((SOLVED, solved), (MOVING, moved), (FITTED, fitted)):
        for name, text in cases.items():
            if OWN is None or name in EVERYWHERE:
                write(f"{name}-{count}", function(text, count))
