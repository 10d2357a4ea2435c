"""Every example runs as a user runs it, and prints what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
# What several of them share is no script.
SCRIPTS = [p for p in sorted(EXAMPLES.glob("*.py")) if "__main__" in p.read_text("utf-8")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs(script: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    numbers = [float(n) for n in re.findall(r"\b\d\.\de[+-]\d\d\b", done.stdout)]
    assert numbers, "an example prints how accurate it is"
    assert min(numbers) < 1e-3
    assert max(numbers) < 1.0
