"""What several test modules need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pdesl.resources import malformed_folder

EXAMPLES = Path(__file__).parent / "language" / "examples"

# Periodic in one direction only, with a known solution.
RING = """
domain:
    x ∈ periodic(0, 2π)
    y ∈ [0, 1]
fields:
    u(x, y) : scalar
    f(x, y) : source
equations:
    ∇²u - u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = sin(x) exp(y)
"""

# Without a unique solution: a constant is free, and the right side has to have no mean.
NEUMANN = """
domain:
    x, y ∈ [0, 1]
fields:
    u(x, y) : scalar
equations:
    ∇²u = x - 1/2
boundary:
    ∂n u = 0    on ∂Ω
"""


@dataclass(frozen=True)
class Expectation:
    """What a malformed file says of itself: the stage that finds it wrong, and where.

    `settings` and `profile` are what is asked of the file from outside.
    """

    path: Path
    stage: str
    places: tuple[tuple[str, int, int], ...]
    settings: tuple[str, ...] = ()
    profile: str | None = None


def read_expectation(path: Path) -> Expectation:
    """The header of a malformed file: `# expect CODE at LINE:COLUMN` and `# stage: NAME`.

    `# set: SETTING` and `# profile: NAME` stand for options of the command line.
    """
    text = path.read_bytes().decode("utf-8", "replace").lstrip("\ufeff")
    places = re.findall(r"^# expect ([EW]\d{3}) at (\d+):(\d+)[ \t]*$", text, re.MULTILINE)
    stages = re.findall(r"^# stage: (\w+)[ \t]*$", text, re.MULTILINE)
    assert places, f"{path.name} does not say what is wrong with it"
    assert len(stages) == 1, f"{path.name} does not say which stage finds it wrong"
    profiles = re.findall(r"^# profile: (.*)$", text, re.MULTILINE)
    return Expectation(
        path,
        stages[0],
        tuple((code, int(line), int(column)) for code, line, column in places),
        tuple(re.findall(r"^# set: (.*)$", text, re.MULTILINE)),
        profiles[0] if profiles else None,
    )


def expectations(stage: str) -> list[Expectation]:
    """The expectations of all malformed files whose mistake a stage finds."""
    found = [read_expectation(path) for path in sorted(malformed_folder().glob("*.pde"))]
    return [expectation for expectation in found if expectation.stage == stage]
