"""What the experiments share: a problem of the catalogue on data of the paper's size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from pdesl.diagnostics import Source
from pdesl.resources import problems_folder
from pdesl.run.pipeline import RunReport, run
from pdesl.run.progress import PlainObserver

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def data_file(name: str) -> Path:
    """A file of data beside this script, made when it is not there."""
    path = HERE / f"{name}.h5"
    if not path.exists():
        maker = {"ks_paper": "ks_paper", "ks_paper_test": "ks_paper"}.get(name, "burgers_paper")
        subprocess.run([sys.executable, HERE / "make_data.py", maker], check=True)
    return path


def fitted(
    problem: str, data: str | None, settings: Sequence[str], profile: str | None, folder: str
) -> RunReport:
    """Fit a problem of the catalogue, on other data where they are named."""
    jax.config.update("jax_enable_x64", True)
    path = problems_folder() / f"{problem}.pde"
    own = problems_folder()
    changed = list(settings)
    if data is not None:
        own = data_file(data).parent
        changed.append(f'data.runs=load("{data}.h5")')
    source = Source(f"{problem}.pde", path.read_text(encoding="utf-8"), str(own))
    RESULTS.mkdir(exist_ok=True)
    observer = PlainObserver(sys.stderr)
    return run(
        source, output=HERE / "runs" / folder, overrides=changed, profile=profile,
        observer=observer,
    )  # fmt: skip
