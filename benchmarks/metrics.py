"""Processor seconds for what the compiler makes of metrics by name, each in a fresh process.

For every chart: the metric with inverse and determinant, its Christoffel symbols, the wave operator
erased into jets, and the whole check of a problem □u = 0.

    python benchmarks/metrics.py [NAME ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OPTIONS = {
    "mass": "0.5", "spin": "0.3", "charge": "0.2", "radius": "2", "major": "3", "minor": "1",
    "scale": "exp(t/3)", "curvature": "0.01",
}  # fmt: skip
RANGE = {"r": "[3, 4]", "θ": "[0.5, 2]", "φ": "periodic(0, 2 π)", "z": "[1, 2]"}


def problem(name: str, chart: str) -> str:
    """□u = 0 in a metric by name."""
    from pdesl.symbolic.metric import METRICS

    entry = METRICS[name]
    own = entry.charts[chart]
    roles = [r.name for r in own.roles] or ["x", "y", "z"][: min(own.count[1], 3)]
    options = [f"{o}={OPTIONS[o]}" for o in entry.options if o in OPTIONS]
    call = ", ".join([*options, f'chart="{chart}"'])
    lines = [
        "domain:", *(f"    {r} ∈ {RANGE.get(r, '[2, 3]')}" for r in roles), "    t ∈ [0, 1]",
        "metric:", f"    g = {name}({call})", "fields:",
        f"    u(t, {', '.join(roles)}) : scalar", "equations:", "    □u = 0", "boundary:",
        "    u = 0 on ∂Ω", "initial:", "    u = 0", "    ∂t u = 0", "",
    ]  # fmt: skip
    return "\n".join(lines)


def measure(name: str, chart: str) -> dict[str, float]:
    """Seconds of each step, from a cold cache."""
    from time import process_time

    from pdesl.diagnostics import Source
    from pdesl.ir.normalise import normalise
    from pdesl.run.pipeline import check
    from pdesl.symbolic.elaborate import elaborate_source
    from pdesl.symbolic.metric import metric_of
    from pdesl.symbolic.tensors import christoffel

    source = Source("metric.pde", problem(name, chart))
    stated = elaborate_source(source)
    times = [process_time()]
    metric = metric_of(stated)
    times.append(process_time())
    assert metric is not None
    christoffel(metric, [c.symbol for c in stated.coordinates])
    times.append(process_time())
    normalise(stated)
    times.append(process_time())
    check(source)
    times.append(process_time())
    steps = ("metric", "christoffel", "wave", "check")
    return {s: b - a for s, a, b in zip(steps, times, times[1:], strict=False)}


def main() -> None:
    from pdesl.symbolic.metric import METRICS

    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(*sys.argv[2:4])))
        return
    print("| metric | metric | Christoffel | wave operator | check |\n|---|---|---|---|---|")
    for name in sys.argv[1:] or METRICS:
        for chart in METRICS[name].charts:
            command = [sys.executable, str(Path(__file__)), "--one", name, chart]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            row = " | ".join(f"{seconds:.3f}" for seconds in json.loads(output).values())
            print(f"| {name}, {chart} | {row} |", flush=True)


if __name__ == "__main__":
    main()
