"""The state of a training as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdesl.solvers.quasi_newton import QuasiNewtonState

__all__ = ["best_of", "state_of_arrays", "state_to_arrays"]


def best_of(state: Any) -> tuple[np.ndarray, Any, float]:
    """The best point, what belongs to it, and its loss."""
    aux = jax.tree.map(np.asarray, state.best_aux)
    return np.asarray(state.best_point), aux, float(state.best_value)


def state_to_arrays(state: Any) -> dict[str, np.ndarray]:
    """Every array of an optimiser's state by its place in it, `.memory.open` for example."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def state_of_arrays(state: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The state that `state_to_arrays` told, for a training that begins with `state`."""
    if isinstance(state, QuasiNewtonState):
        # A memory of curvature grows while it is used.
        prefix = ".memory"
        own = {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
        state = eqx.tree_at(lambda s: s.memory, state, state.memory.shaped(own))
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    found = [jnp.array(arrays[jax.tree_util.keystr(path)]) for path, _ in leaves]
    return jax.tree_util.tree_unflatten(structure, found)
