"""pdesl: a declarative language for partial differential equations that compiles to solvers.

The names of the Python face are loaded when they are first used: `Problem`, `on`, `unknown`,
`periodic`, `load`, `mlp`, `recipe`, every operator (`lap`, `div`, `dn`, `stiff`, `exact`, …),
shape (`disk`, `box`, …) and method (`dt_pinn`, `pinn`, …), `check`, `compile`,
`load_source` and `solve` of the pipeline, `load_solution` for the result of a run, and `Monitor` to
watch a training. `Problem.run` writes a result folder as the command line does.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_API = ("Problem", "Recipe", "Where", "load", "mlp", "on", "periodic", "recipe", "unknown")
_SUBMODULES = (
    "api", "codes", "diagnostics", "ir", "language", "lowering", "rbffd", "resources", "run",
    "solvers", "symbolic", "taylor", "tensors",
)  # fmt: skip
_PIPELINE = ("check", "compile", "load_source", "solve")


def load_ipython_extension(shell: Any) -> None:
    """Register the cell magic `%%pde` in Jupyter; called by `%load_ext pdesl`."""
    from pdesl.run.notebook import load_ipython_extension as load

    load(shell)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    from importlib import import_module

    # Submodules come through the import system, never through here.
    if name == "Monitor":
        return import_module("pdesl.solvers.base").Monitor
    if name == "load_solution":
        return import_module("pdesl.run.solution").load_solution
    if name in _PIPELINE:
        return getattr(import_module("pdesl.run.pipeline"), name)
    if name in _SUBMODULES:
        raise AttributeError(name)
    api = import_module("pdesl.api")
    if name in _API:
        return getattr(api, name)
    known = api.names()
    if name in known:
        return known[name]
    raise AttributeError(f"module 'pdesl' has no attribute {name!r}")
