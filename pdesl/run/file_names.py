"""The names of output files: what a problem may call them, and which formats there are."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from pdesl.diagnostics import Diagnostic, OutputError
from pdesl.symbolic.problem import Problem

__all__ = ["FORMATS", "METRICS", "check_suffix", "name_mistakes", "safe_name"]

METRICS = "metrics.json"
FORMATS = (".csv", ".h5", ".npz", ".vtu", ".xdmf")
"""The suffixes of result files."""


def safe_name(name: str) -> PurePosixPath:
    """A file name from a problem as a path below the output folder.

    Raises:
        OutputError: E813 where it is absolute, climbs with `..`, is hidden, too long, or holds a
            backslash, colon or control character.
    """
    path = PurePosixPath(name)
    reason = ""
    if not name.strip() or name.endswith("/") or path.name in ("", "."):
        reason = "it names no file"
    elif path.is_absolute() or name.startswith("~"):
        reason = "it is an absolute path"
    elif ".." in path.parts:
        reason = "`..` leaves the output folder"
    elif any(character in "\\:" or not character.isprintable() for character in name):
        reason = "it holds a backslash, a colon or a control character"
    elif any(part.startswith(".") for part in path.parts):
        reason = "it is hidden: a part of it starts with a dot"
    elif len(os.fsencode(name)) > 200:
        reason = "it is longer than 200 bytes"
    elif str(path) == METRICS:
        reason = f"`{METRICS}` is written by every run"
    if reason:
        raise OutputError(
            f"`{name}` cannot be an output file: {reason}",
            code="E813",
            advice='give a plain name such as "solution.h5"; -o chooses the folder',
        )
    return path


def check_suffix(name: str) -> str:
    """The suffix of an output file, lower case, where a writer knows it.

    Raises:
        OutputError: E814 for any other suffix.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(
            f"no format is known for the output file `{name}`",
            code="E814",
            advice="end its name in one of " + ", ".join(FORMATS),
        )
    return suffix


def name_mistakes(problem: Problem) -> list[Diagnostic]:
    """Names behind `->` that no output file can have (E813, E814)."""
    found = []
    for rule in problem.output:
        try:
            if rule.target is not None:
                safe_name(rule.target)
                check_suffix(rule.target)
        except OutputError as error:
            found.append(Diagnostic(error.code, error.message, rule.span, helps=(error.advice,)))
    return found
