"""Where the grammar, the wrong examples and the problems lie: in a checkout or in a wheel.

A wheel carries them inside the package, under `_data`; a checkout has them beside it.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["grammar_path", "malformed_folder", "problems_folder"]

_PACKAGE = Path(__file__).resolve().parent


def _find(*parts: str) -> Path:
    """The first of the installed and the checked-out place that exists.

    Raises:
        FileNotFoundError: neither exists, so the installation is broken.
    """
    places = (_PACKAGE / "_data" / Path(*parts), _PACKAGE.parent / Path(*parts))
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"pdesl is not installed completely: {places[0]} is missing")


def grammar_path() -> Path:
    """The file of the grammar, `pde.lark`."""
    return _find("grammars", "pde.lark")


def malformed_folder() -> Path:
    """The folder with one wrong file for each code."""
    return _find("grammars", "malformed")


def problems_folder() -> Path:
    """The folder of the problems that come with pdesl."""
    return _find("problems")
