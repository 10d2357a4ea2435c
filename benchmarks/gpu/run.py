"""Figures of a graphics processor (or of a processor, with --tiny), piece by piece.

    python benchmarks/gpu/run.py --output benchmarks/gpu/results/h200.json
    python benchmarks/gpu/run.py --tiny --only kernels,overhead

Every piece is a process of its own that ends within --seconds (540), and none begins that would
end after --total (all pieces, 1,700), so that the whole can be done in parts: pieces that the
output file has are not run again, unless --again. The file holds the machine, the versions and,
with every piece, its command beside the figures; times are medians.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Figures = dict[str, Any]
# A piece that has less time is not begun.
LEAST_SECONDS = 90.0
# Seconds of a piece for its start and its end.
MARGIN = 30.0

# -- measuring -----------------------------------------------------------------------------


def seconds_of(function: Callable[[], Any], repetitions: int) -> float:
    """The median of a call whose result is waited for, after one that compiles."""
    import jax

    jax.block_until_ready(function())
    found = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        jax.block_until_ready(function())
        found.append(time.perf_counter() - begin)
    return statistics.median(found)


def machine() -> Figures:
    import jax

    from pdesl.run.metrics import versions

    device = jax.devices()[0]
    return {
        "device": f"{jax.device_count()} × {device.platform}: {device.device_kind}",
        "cores": len(os.sched_getaffinity(0)),
        "versions": versions(),
    }


# -- kernels -------------------------------------------------------------------------------


def kernels(tiny: bool) -> Figures:
    """Copy bandwidth, float64 peak, and how near sparse products and the Gram kernel come."""
    import jax
    import jax.numpy as jnp

    from pdesl.lowering.sparse import SparseOperator
    from pdesl.solvers.networks import NetworkOptions, make_network
    from pdesl.solvers.tangent import layered_rows

    repetitions = 5 if tiny else 30
    size = 1_000_000 if tiny else 100_000_000
    copy = jax.jit(lambda x: x + 1.0)
    array = jnp.ones(size)
    bandwidth = 16.0 * size / seconds_of(lambda: copy(array), repetitions)
    side = 300 if tiny else 8192
    square = jnp.ones((side, side))
    peak = 2.0 * side**3 / seconds_of(lambda: jax.jit(jnp.matmul)(square, square), repetitions)
    found: Figures = {"copy_bytes_per_second": bandwidth, "matmul_flops": peak}
    product = jax.jit(lambda a, u: a @ u)
    rng = np.random.default_rng(0)
    for count in (20_000,) if tiny else (100_000, 1_000_000):
        width = 43
        near = np.arange(count)[:, None] + rng.integers(-60, 60, (count, width))
        operator = SparseOperator.from_stencils(
            rng.standard_normal((count, width)), np.clip(near, 0, count - 1), count
        )
        vector = jnp.ones(count)
        used = seconds_of(lambda a=operator, u=vector: product(a, u), repetitions)
        moved = count * (width * 12.0 + 16.0)
        found[f"sparse_{count}_of_copy"] = moved / used / bandwidth
    count, width = (500, 20) if tiny else (20_000, 100)
    network = make_network(NetworkOptions(width, 3, "swish"), [-1.0] * 30, [1.0] * 30, 1, seed=0)
    rows = layered_rows(network, jnp.asarray(rng.uniform(-1, 1, (count, 30))), jnp.ones((count, 1)))
    block = min(512, count)
    panel = jax.jit(lambda r: r.panel(count - block, count))
    inner = sum(a.shape[1] + d.shape[2] for a, d in zip(rows.activations, rows.deltas, strict=True))
    flops = 2.0 * block * count * inner
    found["gram_of_matmul"] = flops / seconds_of(lambda: panel(rows), repetitions) / peak
    return found


def velocity(tiny: bool) -> Figures:
    """One velocity of Neural-IVP: p ≈ 47,000 parameters, n = 20,000 samples (tiny: small)."""
    import jax
    import jax.numpy as jnp

    from pdesl.solvers.gram import one_blas_thread
    from pdesl.solvers.networks import NetworkOptions, count_parameters, make_network
    from pdesl.solvers.tangent_options import TangentOptions
    from pdesl.solvers.tangent_solve import solve_tangent

    count, width, inputs = (300, 10, 6) if tiny else (20_000, 120, 60)
    network = make_network(
        NetworkOptions(width, 3, "swish"), [-1.0] * inputs, [1.0] * inputs, 1, seed=0
    )
    rng = np.random.default_rng(0)
    points = jnp.asarray(rng.uniform(-1, 1, (count, inputs)))
    right = jnp.sin(points[:, :1])
    solve = jax.jit(solve_tangent, static_argnames="options")
    found: Figures = {"parameters": count_parameters(network), "samples": count}
    with one_blas_thread():
        for name, solver, mixed in (
            ("gram", "gram", False),
            ("gram_mixed", "gram", True),
            ("landmark_nystrom_cg", "landmark_nystrom_cg", False),
            ("gaussian_nystrom_cg", "gaussian_nystrom_cg", False),
        ):
            options = TangentOptions(solver=solver, regularisation=1e-6, memory=64.0, mixed=mixed)

            def call(options: TangentOptions = options) -> Any:
                return solve(network, points, jnp.ones_like(right), right, options,
                             jax.random.key(0))  # fmt: skip

            found[f"{name}_seconds"] = seconds_of(call, 2 if tiny else 5)
            report = call().report
            found[f"{name}_residual"] = float(report.normal_residual)
            found[f"{name}_iterations"] = int(report.iterations)
    return found


# -- losses of trained methods -------------------------------------------------------------

POISSON = """pdesl 1
domain:
    x, y ∈ disk(center=(0, 0), radius=1)
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇²u = exp(u) + f
boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω
manufactured:
    u = 1 + sin(π x) cos(π y)
solver:
    method = dt_pinn(nodes=2000, order=4)
"""


class _Seen(Exception):
    """The loss is at hand; nothing is trained."""


def loss_of(method: str, nodes: int, devices: int, width: int = 50) -> tuple[Any, Any, Any, float]:
    """(loss, network, data) as a training has them, and the seconds until then."""
    from pdesl.diagnostics import Source
    from pdesl.run.preparing import make_ready
    from pdesl.run.progress import SilentObserver
    from pdesl.run.reporting import silent_reporter
    from pdesl.solvers import dt_pinn, pinn

    settings = [f"solver.nodes={nodes}", f"solver.width={width}", "solver.optimiser=adam"]
    ready = make_ready(
        Source("poisson", POISSON), method, settings, None, None, SilentObserver(), {}, devices
    )
    module: Any = {"dt_pinn": dt_pinn, "pinn": pinn}[method]
    own, found = module.train, []

    def stop(task: Any, network: Any, loss: Any, data: Any, *rest: Any, **_: Any) -> None:
        found.append((loss, network, data))
        raise _Seen

    module.train = stop
    begin = time.perf_counter()
    try:
        ready.method.solve(ready.task, silent_reporter())
    except _Seen:
        pass
    finally:
        module.train = own
    loss, network, data = found[0]
    return loss, network, data, time.perf_counter() - begin


def compiled_gradient(loss: Any, network: Any, data: Any) -> tuple[Any, Callable[[], Any]]:
    """The compiled loss with its gradient, and a call of it."""
    import equinox as eqx
    import jax

    arrays, static = eqx.partition(data, eqx.is_array)
    value = jax.value_and_grad(lambda net, a: loss(net, eqx.combine(a, static))[0])
    program = jax.jit(value).lower(network, arrays).compile()
    return program, lambda: program(network, arrays)


def training_at(nodes: int) -> Callable[[bool], Figures]:
    def piece(tiny: bool) -> Figures:
        """Loss and gradient of DT-PINN and of the vanilla PINN on the same nodes."""
        count = 300 if tiny else nodes
        found: Figures = {"nodes": count}
        for method in ("dt_pinn", "pinn"):
            loss, network, data, begun = loss_of(method, count, 1, 10 if tiny else 50)
            _, call = compiled_gradient(loss, network, data)
            found[f"{method}_seconds"] = seconds_of(call, 3 if tiny else 10)
            found[f"{method}_prepared_seconds"] = begun
        found["pinn_over_dt_pinn"] = found["pinn_seconds"] / found["dt_pinn_seconds"]
        return found

    return piece


def overhead(tiny: bool) -> Figures:
    """A mesh of one device beside none, and flops and bytes of each device on more of them."""
    import jax
    from jax.sharding import Mesh

    from pdesl.lowering.devices import divided, replicated, summed
    from pdesl.solvers import pinn

    nodes, width = (2000, 30) if tiny else (20_000, 50)
    loss, network, data, _ = loss_of("pinn", nodes, 1, width)
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("devices",))
    line = divided(
        pinn.Data(tuple(pinn.row_parts(row, 1) for row in data.rows), data.terms, data.chunk), mesh
    )
    calls = [compiled_gradient(loss, network, data)[1]]
    there = replicated(network, mesh)
    calls.append(compiled_gradient(summed(pinn.loss, mesh), there, line)[1])
    times: list[list[float]] = [[], []]
    for _ in range(40 if tiny else 60):
        for call, taken in zip(calls, times, strict=True):
            taken.append(seconds_of(call, 1))
    ratios = [b / a for a, b in zip(*times, strict=True)]
    found: Figures = {"one_device_over_none": statistics.median(ratios), "devices": {}}
    count = 1
    while count <= jax.device_count():
        own: Figures = {}
        for method in ("dt_pinn", "pinn"):
            loss, network, data, _ = loss_of(method, nodes, count, width)
            program, call = compiled_gradient(loss, network, data)
            memory, cost = program.memory_analysis(), program.cost_analysis()
            own[method] = {
                "data_bytes": memory.argument_size_in_bytes,
                "temporary_bytes": memory.temp_size_in_bytes,
                "flops": cost.get("flops"),
                "bytes_accessed": cost.get("bytes accessed"),
                "seconds": seconds_of(call, 5),
            }
        found["devices"][str(count)] = own
        count *= 2
    return found


# -- whole problems ------------------------------------------------------------------------


def problem(name: str, *settings: str, profile: str | None = "paper") -> Callable[[bool], Figures]:
    def piece(tiny: bool) -> Figures:
        """`pdesl run`, interrupted where it takes longer than a piece may."""
        command = [sys.executable, "-m", "pdesl", "run", name, "--quiet", "--json"]
        if profile is not None and not tiny:
            command += ["--profile", profile]
        for setting in settings if not tiny else ():
            command += ["--set", setting]
        limit = float(os.environ["PDESL_PIECE_SECONDS"]) - 30.0
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [*command, "-o", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            try:
                answer, said = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                try:
                    answer, said = process.communicate(timeout=25)
                except subprocess.TimeoutExpired:
                    process.kill()
                    answer, said = process.communicate()
        try:
            metrics = json.loads(answer)
        except ValueError:
            return {"failed": said[-500:], "status": process.returncode}
        keep = ("errors", "counts", "timings", "compilation", "reached", "stop_reason", "losses")
        found = {key: metrics[key] for key in keep if key in metrics}
        evaluations = metrics.get("counts", {}).get("evaluations")
        steps = metrics.get("timings", {}).get("steps")
        if evaluations and steps:
            found["seconds_per_evaluation"] = steps / evaluations
        return {"command": " ".join(command[1:]), "status": process.returncode, **found}

    return piece


PIECES: dict[str, Callable[[bool], Figures]] = {
    "kernels": kernels,
    "velocity": velocity,
    "overhead": overhead,
    **{f"training_{n}": training_at(n) for n in (20_000, 100_000, 300_000, 1_000_000)},
    **{
        name: problem(name)
        for name in ("wave_3d", "wave_maps_schwarzschild", "fokker_planck_8d", "vlasov_6d")
    },
    "fokker_planck_20d": problem("fokker_planck_8d", profile="20d"),
    "burgers_sinode": problem(
        "burgers_sinode", "fit.optimizer=adamw(rate=1e-3, decay=0.01, epochs=5, batch=200)"
    ),
    "ks_sinode": problem("ks_sinode", profile=None),
}


def run_piece(name: str, tiny: bool, seconds: float) -> Figures:
    command = [sys.executable, __file__, "--piece", name, *(["--tiny"] if tiny else [])]
    environment = {**os.environ, "PDESL_PIECE_SECONDS": str(seconds - MARGIN)}
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"longer than {seconds:g} s"}
    if done.returncode:
        return {"failed": done.stderr[-500:]}
    found = json.loads(done.stdout.splitlines()[-1])
    return {**found, "wall_seconds": time.perf_counter() - begin}


def show(name: str, figures: Figures, indent: str = "") -> None:
    print(f"{indent}{name}")
    for key, value in figures.items():
        if isinstance(value, dict):
            show(key, value, indent + "  ")
        else:
            print(f"{indent}  {key:<34} {f'{value:.4g}' if isinstance(value, float) else value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", default=",".join(PIECES), help="names of pieces")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--again", action="store_true", help="measure what the file has as well")
    parser.add_argument("--seconds", type=float, default=540.0, help="most seconds of a piece")
    parser.add_argument("--total", type=float, default=1700.0, help="most seconds of all pieces")
    parser.add_argument("--piece", choices=[*PIECES, "machine"], help=argparse.SUPPRESS)
    own = parser.parse_args()
    if own.piece:
        print(json.dumps(machine() if own.piece == "machine" else PIECES[own.piece](own.tiny)))
        return
    found: Figures = {}
    if own.output and own.output.exists():
        found = json.loads(own.output.read_text())
    end = time.monotonic() + own.total
    here = run_piece("machine", own.tiny, own.seconds)
    known = found.setdefault("machine", here)
    if known.get("device") != here.get("device"):
        parser.error(f"{own.output} has figures of {known.get('device')}, and this is another")
    for name in own.only.split(","):
        if name in found and "failed" not in found[name] and not own.again:
            continue
        left = end - time.monotonic()
        if left < LEAST_SECONDS:
            print(f"{name}: no time is left")
            continue
        found[name] = {
            **run_piece(name, own.tiny, min(own.seconds, left)),
            "script": " ".join(sys.argv),
        }
        show(name, found[name])
        if own.output:
            own.output.parent.mkdir(parents=True, exist_ok=True)
            own.output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
