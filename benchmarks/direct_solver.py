"""Error, time and memory of the direct solver over the number of nodes and the order.

    python benchmarks/direct_solver.py [--large] [--json FILE]

Each case is solved in a process of its own, on the catalogue's linear and nonlinear Poisson
problems and the Poisson problem in the ball. Seconds are CPU seconds of all threads, by phase:
nodes, operators, start (the solution on fewer nodes that Newton's method starts from), solve,
and the evaluation at 20,000 points; memory is the largest resident set of the process less what
it was before. `--large` adds 100,000 nodes in the plane.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PLANE = [(1663, p) for p in (2, 3, 4, 5)] + [(5000, 4), (20_000, 2), (20_000, 4), (20_000, 5)]
SPACE = [(5000, 3), (20_000, 3), (5000, 4)]
LARGE = [(100_000, 4)]
PHASES = ("nodes", "operators", "start", "solve", "evaluate")


def solve_case(problem: str, nodes: int, order: int) -> dict[str, Any]:
    """One case, in this process."""
    import numpy as np

    from pdesl.ir.normalise import normalise
    from pdesl.run.known import known_solution
    from pdesl.run.pipeline import load_source
    from pdesl.run.results import measure
    from pdesl.solvers.base import Reporter, Task
    from pdesl.solvers.options import RbfFdOptions
    from pdesl.solvers.rbf_fd import solve
    from pdesl.symbolic.domain import make_region
    from pdesl.symbolic.elaborate import elaborate_source

    found = elaborate_source(load_source(problem), [])
    system, values = normalise(found), found.parameter_values()
    assert found.shape is not None
    region = make_region(found.shape, system.space_symbols, values)
    task = Task(system, region, values, RbfFdOptions(nodes=nodes, order=order))
    seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def stage(name: str) -> Iterator[Any]:
        begin = time.process_time()
        yield SimpleNamespace(text="")
        seconds[name] += time.process_time() - begin

    # What is imported or set up on first use belongs to no phase.
    silent = Reporter(stage, lambda report: None, lambda line: None)
    warm = solve(Task(system, region, values, RbfFdOptions(nodes=400, order=2)), silent)
    warm.evaluate(region.bounding_box()[0][None])
    seconds = dict.fromkeys(PHASES, 0.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = solve(task, silent)
    inner = np.asarray(result.cloud.interior)
    lower, upper = inner.min(axis=0), inner.max(axis=0)
    places = np.random.default_rng(0).uniform(lower / 2, upper / 2, (20_000, len(lower)))
    with stage("evaluate"):
        result.evaluate(places)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    errors = measure(task, result, known_solution(task))[0]
    return {
        "problem": problem,
        "nodes": nodes,
        "order": order,
        "error": max(e.relative_l2 or 0.0 for e in errors.values()),
        "seconds": seconds,
        "memory_mb": memory / 1024,
        "factor_entries": result.counts["factor_entries"],
        "chosen": result.stop_reason,
    }


def in_process(problem: str, nodes: int, order: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--case", problem, str(nodes), str(order)],
        env={**os.environ, "JAX_ENABLE_X64": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{problem}, {nodes} nodes, order {order} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def line(case: dict[str, Any]) -> str:
    seconds = " | ".join(f"{case['seconds'][p]:.2f}" for p in PHASES)
    total = sum(case["seconds"].values())
    return (
        f"| {case['problem']} | {case['nodes']:,} | {case['order']} | {case['error']:.1e} | "
        f"{seconds} | {total:.2f} | {case['memory_mb']:.0f} | {case['factor_entries'] / 1e6:.1f} | "
        f"{case['chosen']} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--large", action="store_true", help="100,000 nodes too")
    parser.add_argument("--json", type=Path, help="write the cases to a file")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        problem, nodes, order = given.case
        print(json.dumps(solve_case(problem, int(nodes), int(order))))
        return
    cases = []
    plane = PLANE + (LARGE if given.large else [])
    print(
        f"| problem | nodes | p | relative l2 | {' s | '.join(PHASES)} s | total s | MB | "
        "factors, 10⁶ | chosen |"
    )
    print("|---" * (len(PHASES) + 8) + "|")
    for problem, sizes in (
        ("linear_poisson_disk", plane),
        ("nonlinear_poisson_disk", plane),
        ("poisson_ball", SPACE),
    ):
        for nodes, order in sizes:
            cases.append(in_process(problem, nodes, order))
            print(line(cases[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
