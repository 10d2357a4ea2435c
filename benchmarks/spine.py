"""The numbers of the whole path: accuracy and time of the catalogue, costs of its parts.

    python benchmarks/spine.py [--quick] [--json FILE]

Runs the command line as a user does, in processes of its own, once with an empty compilation
cache and once with a filled one, and compares costs as ratios inside one process: a loss and
gradient of `dt_pinn` against `pinn` and against a PINN by `jax.hessian`, all in float64 on the
same nodes and the same network. `--quick` leaves out all problems but the first.
The parts have benchmarks of their own: `rbffd_weights.py`, `sparse_products.py`,
`derivatives.py`, `nodes.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["JAX_ENABLE_X64"] = "1"
PROBLEMS = (
    "nonlinear_poisson_disk",
    "linear_poisson_disk",
    "linear_poisson_star",
    "anisotropic_diffusion_square",
    "poisson_ball",
)


def command(*arguments: str, cache: Path) -> tuple[float, str]:
    """Wall seconds and standard error of `pdesl ARGUMENTS` in a process of its own."""
    environment = {**os.environ, "PDESL_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pdesl", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"pdesl {' '.join(arguments)} failed:\n{done.stderr}")
    return time.perf_counter() - begin, done.stderr


def run_problem(name: str, cache: Path, folder: Path, *settings: str) -> dict[str, Any]:
    seconds, _ = command("run", name, "-o", str(folder), *settings, cache=cache)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    timings = metrics["timings"]
    before = sum(timings[k] for k in ("compile", "nodes", "operators", "rows") if k in timings)
    return {
        "problem": name,
        "wall_s": seconds,
        "relative_l2": metrics["errors"]["u"]["relative_l2"],
        "linf": metrics["errors"]["u"]["linf"],
        "iterations": metrics["counts"]["iterations"],
        "training_s": timings.get("training"),
        "compile_s": metrics["compile_seconds"],
        "before_training_s": seconds - timings["total"] + before + metrics["compile_seconds"],
        "stop": metrics["stop_reason"],
    }


def catalogue(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every problem with an empty cache, and the first one again with a filled one."""
    found = []
    print(
        f"{'problem':<30} {'rel. l2':>9} {'largest':>9} {'iter.':>6} {'wall s':>7} {'compile s':>9}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for position, name in enumerate(names):
            cache = Path(scratch) / f"cache{position}"
            cache.mkdir()
            rounds = [("cold", ())] + ([("warm", ())] if position == 0 else [])
            for label, settings in rounds:
                row = run_problem(name, cache, Path(scratch) / f"{name}_{label}", *settings)
                row["cache"] = label
                found.append(row)
                print(
                    f"{name + ' ' + label:<30} {row['relative_l2']:9.1e} {row['linf']:9.1e} "
                    f"{row['iterations']:6d} {row['wall_s']:7.1f} {row['compile_s']:9.2f}"
                )
    warm = found[1]
    print(
        f"second run of {warm['problem']}: {warm['before_training_s']:.1f} s until training starts"
    )
    return found


def checks(names: tuple[str, ...], repetitions: int = 5) -> dict[str, Any]:
    """Cold starts of `pdesl check`, and the parser alone."""
    from pdesl.language.parser import parse
    from pdesl.run.pipeline import load_source

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        command("check", names[0], cache=Path(scratch))  # fills the grammar's cache
        for name in names:
            times = [command("check", name, cache=Path(scratch))[0] for _ in range(repetitions)]
            found[name] = statistics.median(times)
            print(f"pdesl check {name:<30} {found[name]:.2f} s (median of {repetitions})")
    source = load_source(names[0])
    parse(source)
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        parse(source)
        times.append(time.perf_counter() - begin)
    found["parse_s"] = statistics.median(times)
    print(f"parse {1000 * found['parse_s']:.1f} ms (median of 10, grammar cached)")
    return found


def losses(repetitions: int = 15) -> dict[str, float]:
    """Milliseconds of a loss with its gradient, interleaved, on the same nodes and network."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import numpy as np

    from pdesl.ir.normalise import normalise
    from pdesl.lowering.batch import batch_jet
    from pdesl.lowering.cloud import make_cloud
    from pdesl.lowering.discrete import to_discrete
    from pdesl.lowering.emit import jax_namespace
    from pdesl.lowering.nodal import to_nodal
    from pdesl.lowering.places import on_slices
    from pdesl.lowering.pointwise import to_pointwise
    from pdesl.lowering.rows import sum_of_squares
    from pdesl.run.pipeline import load_source
    from pdesl.solvers.networks import NetworkOptions, make_network
    from pdesl.symbolic.domain import make_region
    from pdesl.symbolic.elaborate import elaborate_source

    problem = elaborate_source(load_source("linear_poisson_disk"))
    system, values = normalise(problem), problem.parameter_values()
    assert problem.shape is not None
    region = make_region(problem.shape, system.space_symbols, values)
    cloud = make_cloud(region, nodes=1663, spacing=None, seed=0, ghost=True)
    nodal = to_nodal(system, cloud, region, values, order=4, namespace=jax_namespace())
    rows = to_discrete(nodal)
    network = make_network(NetworkOptions(), [-1, -1], [1, 1], seed=0)
    inside = to_pointwise(system.rows[0], system, on_slices(cloud.interior, None, None), values)
    border = on_slices(cloud.boundary, cloud.normals, None)
    edge = to_pointwise(system.boundary[0], system, border, values)
    points = jnp.asarray(cloud.points)

    def stencils(net: Any, data: Any) -> Any:
        nodal_values = [list(batch_jet(net, data[0])[0])]
        own = data[1]
        return sum(jnp.mean(r(nodal_values) ** 2) for r in (*own.interior, *own.boundary))

    def collapsed(net: Any, data: Any) -> Any:
        return sum(sum_of_squares(r.residual, net, r.data)[0] / len(r.data.forcing) for r in data)

    def hessian(net: Any, data: Any) -> Any:
        def scalar(x: Any) -> Any:
            return net(x[None])[0, 0]

        first, second, normal = data
        trace = jax.vmap(lambda x: jnp.trace(jax.hessian(scalar)(x)))(first.data.inputs)
        slope = jax.vmap(jax.grad(scalar))(second.data.inputs)
        edge_value = jnp.sum(slope * normal, axis=1) + net(second.data.inputs)[:, 0]
        return jnp.mean((trace + first.data.forcing) ** 2) + jnp.mean(
            (edge_value + second.data.forcing) ** 2
        )

    candidates: dict[str, tuple[Callable[..., Any], Any]] = {
        "dt_pinn": (stencils, (points, rows)),
        "pinn": (collapsed, (inside, edge)),
        "hessian": (hessian, (inside, edge, jnp.asarray(cloud.normals))),
    }
    compiled, values_found = {}, {}
    for name, (loss, data) in candidates.items():
        # Compiled ahead, as in training: what is timed is the program and not its dispatch.
        arrays, static = eqx.partition(data, eqx.is_array)

        def evaluate(net: Any, own: Any, loss: Any = loss, static: Any = static) -> Any:
            return jax.value_and_grad(loss)(net, eqx.combine(own, static))

        program = jax.jit(evaluate).lower(network, arrays).compile()
        values_found[name] = float(program(network, arrays)[0])
        compiled[name] = lambda f=program, d=arrays: jax.block_until_ready(f(network, d))
    assert np.isclose(values_found["pinn"], values_found["hessian"], rtol=1e-9), values_found
    times: dict[str, list[float]] = {name: [] for name in compiled}
    for _ in range(repetitions):
        for name, function in compiled.items():
            begin = time.perf_counter()
            function()
            times[name].append(1000 * (time.perf_counter() - begin))
    found = {name: statistics.median(t) for name, t in times.items()}
    found |= {f"{name} (least)": min(t) for name, t in times.items()}
    found["pinn / dt_pinn"] = found["pinn"] / found["dt_pinn"]
    found["hessian / pinn"] = found["hessian"] / found["pinn"]
    for name, value in found.items():
        print(f"loss and gradient, {name:<16} {value:8.2f}{' ms' if '/' not in name else ' x'}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the first problem")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    names = PROBLEMS[:1] if options.quick else PROBLEMS
    found = {"losses": losses(), "checks": checks(names), "runs": catalogue(names)}
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
