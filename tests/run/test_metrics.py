"""`metrics.json`: strict JSON with every key that the documentation lists."""

import json
import math
import re
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from pdesl.run.metrics import field_error, make_metrics, to_json, to_plain, versions

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "pages" / "results.md"


def _metrics() -> dict[str, object]:
    exact = np.array([3.0, 4.0])
    return make_metrics(
        problem="p",
        problem_hash="sha256:00",
        solver="dt_pinn",
        settings={"order": 4},
        overrides=("solver.order=4",),
        seed=0,
        device="cpu",
        precision="float64",
        errors={"u": field_error(exact + [0.0, 0.5], exact, "2 test points")},
        losses={"total": 1e-9},
        counts={"nodes": 2},
        timings={"nodes": 0.5, "training": 1.25},
        stop_reason="the loss stopped falling",
    )


def test_field_error():
    error = field_error(np.array([3.0, 4.5]), np.array([3.0, 4.0]), "words")
    assert error.relative_l2 == pytest.approx(0.1)
    assert (error.linf, error.points, error.measured_on) == (0.5, 2, "words")
    assert field_error(np.ones(2), np.zeros(2), "words").relative_l2 is None


def test_strict_json():
    metrics = json.loads(to_json(_metrics()))
    assert metrics["errors"]["u"]["relative_l2"] == pytest.approx(0.1)
    assert metrics["timings"]["total"] == pytest.approx(1.75)
    assert metrics["versions"]["pdesl"] == versions()["pdesl"]


def test_every_key_is_documented():
    text = DOCUMENTATION.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z_0-9]+)", text, re.MULTILINE))
    assert set(_metrics()) | {"files"} <= documented


def test_plain_values():
    class Colour(Enum):
        RED = "red"

    value = {
        "nan": math.nan,
        "inf": np.float32(np.inf),
        "int": np.int64(3),
        "flag": np.bool_(True),
        "array": np.array([[1.0, np.nan]]),
        "set": {"b", "a"},
        "enum": Colour.RED,
        "path": Path("a/b"),
        3: None,
    }
    assert to_plain(value) == {
        "nan": None,
        "inf": None,
        "int": 3,
        "flag": True,
        "array": [[1.0, None]],
        "set": ["a", "b"],
        "enum": "red",
        "path": "a/b",
        "3": None,
    }
    with pytest.raises(TypeError, match="object"):
        to_json({"a": object()})
