"""`metrics.json`: what a run reached, how that was measured, and what it took. Strict JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from platform import python_version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdesl import __version__

__all__ = [
    "SCHEMA",
    "FieldError",
    "error_of_plain",
    "field_error",
    "make_metrics",
    "to_json",
    "to_plain",
    "versions",
]

SCHEMA = 1
"""Version of the layout of `metrics.json`: raised when a key changes its meaning or goes."""

_PACKAGES = ("equinox", "h5py", "jax", "jaxlib", "lark", "numpy", "scipy", "sympy")


@dataclasses.dataclass(frozen=True, slots=True)
class FieldError:
    """How far a field is from its exact values.

    `relative_l2` is ‖u − u*‖₂ / ‖u*‖₂ over the test points (null where u* = 0 everywhere),
    `linf` is max |u − u*| in the unit of the field; `measured_on` says in words which points,
    `against` what u* is; `reference_error` estimates the relative l2 error of u* where that is
    itself computed.
    """

    relative_l2: float | None
    linf: float
    measured_on: str
    points: int
    against: str = "the known solution"
    reference_error: float | None = None


def error_of_plain(plain: Mapping[str, Any]) -> FieldError:
    """The error that `to_plain` told, which has no NaN."""
    linf = math.nan if plain["linf"] is None else plain["linf"]
    return FieldError(**{**plain, "linf": linf})


def field_error(
    computed: NDArray,
    exact: NDArray,
    measured_on: str,
    against: str = "the known solution",
    reference_error: float | None = None,
) -> FieldError:
    """The error of a field at test points, both arrays of shape (n,)."""
    difference = np.asarray(computed, float) - np.asarray(exact, float)
    size = float(np.linalg.norm(exact))
    return FieldError(
        relative_l2=float(np.linalg.norm(difference)) / size if size > 0 else None,
        linf=float(np.max(np.abs(difference))),
        measured_on=measured_on,
        points=len(difference),
        against=against,
        reference_error=reference_error,
    )


def versions() -> dict[str, str]:
    """Versions of pdesl, Python and the packages that a result depends on."""
    found = {"pdesl": __version__, "python": python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def make_metrics(
    *,
    problem: str,
    problem_hash: str,
    solver: str,
    settings: Mapping[str, object],
    overrides: Sequence[str],
    seed: int,
    device: str,
    precision: str,
    errors: Mapping[str, FieldError],
    losses: Mapping[str, float],
    counts: Mapping[str, int],
    timings: Mapping[str, float],
    stop_reason: str,
    notes: Sequence[str] = (),
) -> dict[str, object]:
    """The content of `metrics.json`; `docs/pages/results.md` describes every key.

    `timings` are seconds by stage; their sum is added as `total`.
    """
    return {
        "schema": SCHEMA,
        "problem": problem,
        "problem_hash": problem_hash,
        "solver": solver,
        "settings": dict(settings),
        "overrides": list(overrides),
        "seed": seed,
        "device": device,
        "precision": precision,
        "versions": versions(),
        "errors": dict(errors),
        "losses": dict(losses),
        "counts": dict(counts),
        "timings": {**timings, "total": math.fsum(timings.values())},
        "stop_reason": stop_reason,
        "notes": list(notes),
    }


def to_plain(value: object) -> object:
    """A value of strings, numbers, lists and dictionaries that JSON can hold; NaN becomes None.

    Raises:
        TypeError: for a type that has no such form.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, int | np.integer | np.bool_):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [to_plain(item) for item in value.tolist()]
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [to_plain(item) for item in items]
    raise TypeError(f"a {type(value).__name__} cannot be written to JSON")


def to_json(value: object) -> str:
    """Strict JSON text (no NaN), indented, in Unicode, with a final line break."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
