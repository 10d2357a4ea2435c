"""The LALR(1) parser of one line, built from `grammars/pde.lark` when it is first needed."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, __version__

from pdesl.resources import grammar_path

__all__ = ["STARTS", "cache_folder", "line_parser", "make_line_parser"]

STARTS = ("version", "header", "statement", "expression")


def cache_folder() -> Path | None:
    """The folder of the user's cache, made if need be; None where none can be written."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(root) if os.path.isabs(root) else Path.home() / ".cache") / "pdesl"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) else None


def make_line_parser(text: str, *, strict: bool = False, cache_file: Path | None = None) -> Lark:
    """A parser of lines for the text of a grammar.

    Arguments:
        text: the grammar in Lark's notation.
        strict: refuse every conflict and every pair of terminals that collide (needs the
            package `interegular`).
        cache_file: where the tables are kept; an unreadable file is made anew.
    """
    options: dict[str, Any] = {
        "parser": "lalr",
        "lexer": "basic",
        "start": list(STARTS),
        "propagate_positions": True,
    }
    if strict:
        options["strict"] = True
    if cache_file is not None:
        options["cache"] = str(cache_file)
    return Lark(text, **options)


def _cache_file(text: str) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    version = f"{__version__} {sys.version_info[:2]}"
    digest = hashlib.sha256(f"{version}\n{text}".encode()).hexdigest()[:16]
    return folder / f"grammar-{digest}.pickle"


@cache
def line_parser() -> Lark:
    """The parser of lines: about 10 ms from the cache, a few hundred without it."""
    text = grammar_path().read_text(encoding="utf-8")
    file = _cache_file(text)
    if file is not None:
        with suppress(OSError):
            return make_line_parser(text, cache_file=file)
    return make_line_parser(text)
