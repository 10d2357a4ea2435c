"""CPU seconds of `pdesl check` in a fresh process, for every problem of the catalogue.

    python benchmarks/check.py [--repeats N] [NAME…]

Bytecode is compiled before, as an installed package has it. The first line is what the packages
that pdesl is built on take to import.
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

IMPORTS = "import sympy, sympy.tensor.tensor, numpy, click, lark"


def seconds(command: Sequence[str], environment: dict[str, str], repeats: int) -> float:
    """The least of user and system time over some runs."""
    best = float("inf")
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], env=environment, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, spent)
    return best


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
        imports = seconds(["-c", IMPORTS], environment, arguments.repeats)
        print(f"{'imports':30} {imports:5.2f}", flush=True)
        for name in names:
            command = ["-m", "pdesl", "check", name]
            print(f"{name:30} {seconds(command, environment, arguments.repeats):5.2f}", flush=True)


if __name__ == "__main__":
    main()
