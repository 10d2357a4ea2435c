"""CPU seconds of `pdesl check` in a fresh process, for every problem of the catalogue.

    python benchmarks/check.py [--repeats N] [NAME…]

Bytecode is compiled before, as an installed package has it. The first lines are what Python and
the packages that pdesl is built on take alone. Everything is measured in turns, so that a busy
machine slows all of it alike, and the least of the turns is shown.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from tempfile import TemporaryDirectory

from pdesl.resources import problems_folder

FLOORS = {
    "python": "pass",
    "import sympy": "import sympy",
    "imports": "import sympy, numpy, click, lark",
}


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    names = arguments.names or sorted(path.stem for path in problems_folder().glob("*.pde"))
    with TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(
            [sys.executable, "-m", "pdesl", "check", names[0]], env=environment,
            capture_output=True, check=True,
        )  # fmt: skip
        tasks = {name: ["-c", code] for name, code in FLOORS.items()}
        tasks |= {name: ["-m", "pdesl", "check", name] for name in names}
        best = dict.fromkeys(tasks, float("inf"))
        for _ in range(arguments.repeats):
            for name, command in tasks.items():
                best[name] = min(best[name], seconds(command, environment))
    for name, value in best.items():
        print(f"{name:30} {value:5.2f}")


if __name__ == "__main__":
    main()
