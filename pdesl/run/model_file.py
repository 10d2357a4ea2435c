"""A fitted model in a file: the problem's text, what was learned, how it is stepped, the data.

`model.h5` holds all that `pdesl predict` needs; the file of data is not needed any more. Arrays
are laid out in groups: `unknowns` (names, values, standard errors), `closures/NAME/weights/0`, …,
`history`, `terms/NUMBER` (data beside the model), `last_state`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import equinox as eqx
import h5py
import jax
import numpy as np

from pdesl import __version__
from pdesl.diagnostics import OutputError
from pdesl.run.metrics import versions
from pdesl.solvers.fit_result import FitResult

__all__ = ["MODEL", "SavedModel", "load_model", "save_model"]

MODEL = "model.h5"
LAYOUT = 2


class SavedModel:
    """What `model.h5` holds, as plain arrays."""

    __slots__ = (
        "adaptive", "folder", "free", "last_state", "last_time", "names", "networks", "rtol",
        "scales", "scheme", "seed", "step", "text", "title",
    )  # fmt: skip

    def __init__(self, file: h5py.File) -> None:
        def attribute(name: str) -> Any:
            return file.attrs[name]

        self.text = str(attribute("problem"))
        self.title = str(attribute("title"))
        self.folder = str(attribute("folder"))
        self.scheme = str(attribute("scheme"))
        self.step = float(attribute("step"))
        self.rtol = float(attribute("rtol"))
        self.adaptive = bool(file.attrs.get("adaptive", False))
        self.seed = int(attribute("seed"))
        self.last_time = float(attribute("last_time"))
        unknowns: Any = file["unknowns"]
        self.names = tuple(str(n) for n in json.loads(str(attribute("unknowns"))))
        self.free = np.asarray(unknowns["free"])
        last: Any = file["last_state"]
        self.last_state = np.asarray(last)
        self.networks: dict[str, list[np.ndarray]] = {}
        self.scales: dict[str, tuple[float, ...]] = {}
        closures: Any = file["closures"]
        for name in closures:
            own = closures[name]
            self.networks[name] = [np.asarray(own[f"{k:04d}"]) for k in range(int(own.attrs["n"]))]
            self.scales[name] = tuple(map(float, own["scale"]))


def _written(path: Path, fill: Any) -> None:
    """Made in memory and written at once: HDF5 does not survive a disk that is full."""
    with h5py.File(
        path.name, "w", driver="core", backing_store=False, libver=("v108", "v110")
    ) as file:
        fill(file)
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


def save_model(
    path: Path, result: FitResult, text: str, title: str, seed: int, folder: str
) -> None:
    """Write a fit; `text` is the problem with all settings, whose paths start in `folder`."""

    def fill(file: h5py.File) -> None:
        fitted, learned = result.fitted, result.fitted.learned
        unknowns = fitted.lowered.learned.unknowns
        attributes: dict[str, Any] = {
            "title": title,
            "folder": folder,
            "source": f"pdesl {__version__}",
            "pdesl_layout": LAYOUT,
            "versions": json.dumps(versions()),
            "problem": text,
            "method": "sinode",
            "scheme": fitted.model.scheme,
            "step": fitted.model.dt,
            "rtol": fitted.model.tolerances[0],
            "adaptive": fitted.model.adaptive,
            "seed": seed,
            "last_time": result.last_time,
            "unknowns": json.dumps(list(unknowns.names)),
            "optimizer": result.optimiser,
            "stop_reason": result.stop_reason,
        }
        for name, value in attributes.items():
            file.attrs[name] = value
        group = file.create_group("unknowns")
        group["free"] = np.asarray(learned.free)
        group["values"] = np.array([result.values[n] for n in unknowns.names], float)
        group["standard_errors"] = np.array([result.errors[n] for n in unknowns.names], float)
        if result.correlation is not None:
            group["correlation"] = result.correlation
        closures = file.create_group("closures")
        for name, network in zip(fitted.lowered.learned.closures, learned.networks, strict=True):
            own = closures.create_group(name)
            leaves = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
            own.attrs["n"] = len(leaves)
            for k, leaf in enumerate(leaves):
                own[f"{k:04d}"] = np.asarray(leaf)
            own["scale"] = np.asarray(network.scale, float)
        history = file.create_group("history")
        for name, values in result.history.items():
            history[name] = values
        terms = file.create_group("terms")
        for k, term in enumerate(result.terms):
            own = terms.create_group(str(k))
            own.attrs["data"] = term.data
            own["times"], own["measured"], own["modelled"] = (
                term.times, term.measured, term.modelled,
            )  # fmt: skip
            if term.places is not None:
                own["places"] = term.places
        file["last_state"] = result.last_state

    _written(path, fill)


def load_model(folder: Path) -> SavedModel:
    """The model in a folder.

    Raises:
        OutputError: E830, there is none, or it cannot be read.
    """
    path = folder / MODEL if folder.is_dir() else folder
    try:
        with h5py.File(path, "r") as file:
            if int(file.attrs["pdesl_layout"]) != LAYOUT:  # pyright: ignore[reportArgumentType]
                raise _unreadable(path, "it is of another version of pdesl")
            return SavedModel(file)
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file") from None
    except (OSError, KeyError, ValueError):
        raise _unreadable(path, "it is no fitted model") from None


def _unreadable(path: Path, why: str) -> OutputError:
    return OutputError(
        f"`{path}` cannot be read: {why}",
        code="E830",
        advice="name the folder of a result of `pdesl run` with a `fit:`",
    )
