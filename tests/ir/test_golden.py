"""Golden texts of systems: what `pdesl show --stage system` prints for six problems.

Set PDESL_UPDATE_GOLDEN=1 to write them anew, and read the difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pdesl.ir.normalise import normalise
from pdesl.ir.text import format_system, latex_system
from tests.strategies_symbolic import ALL_FILES, read

FOLDER = Path(__file__).parent / "golden"
NAMES = (
    "anisotropic_diffusion_square", "cahn_hilliard", "elasticity",
    "learned_kuramoto_sivashinsky", "nonlinear_poisson_disk", "spherical_wave",
)  # fmt: skip
FILES = {path.stem: path for path in ALL_FILES}


@pytest.mark.parametrize("form", ["text", "latex"])
@pytest.mark.parametrize("name", NAMES)
def test_the_system_prints_as_it_did(name: str, form: str) -> None:
    system = normalise(read(FILES[name]))
    text = (format_system(system) if form == "text" else latex_system(system)) + "\n"
    golden = FOLDER / f"{name}.{'txt' if form == 'text' else 'tex'}"
    if os.environ.get("PDESL_UPDATE_GOLDEN") == "1":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_no_golden_text_is_left_over() -> None:
    assert {p.stem for p in FOLDER.iterdir()} == set(NAMES)
