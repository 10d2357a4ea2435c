"""One axis of devices, along which points, samples and windows are divided.

A mesh is a line of devices, perhaps of several processes. Three layouts are enough:

- *divided*: arrays (devices, n/devices, …), one block a device, made by `parts` and placed by
  `divided`. A loss that is a sum over points is then the sum of what every device finds with its
  own block (`summed`), by the same function that one device would use.
- *replicated*: the same array on every device, as parameters are.
- arrays (n, …) inside a compiled function, divided for one call (`over_points`).

With one device there is no mesh (None), and every function here gives back what it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pdesl.diagnostics import SolverError

__all__ = [
    "AXIS",
    "agreed",
    "at_hand",
    "device_memory",
    "divided",
    "everywhere",
    "filled",
    "kept",
    "make_mesh",
    "mapped",
    "over_points",
    "over_rows",
    "parts",
    "replicated",
    "rows_of",
    "summed",
    "whole",
]

#: The name of the axis.
AXIS = "devices"
_REPLICATED, _DIVIDED = PartitionSpec(), PartitionSpec(AXIS)


def make_mesh(count: int) -> Mesh | None:
    """A line of `count` devices, equally many of every process; None for one.

    Raises:
        SolverError: E780, there are fewer devices, or the processes cannot share them equally.
    """
    if count == 1:
        return None
    processes, devices = jax.process_count(), jax.devices()
    each = count // processes
    chosen = [
        device
        for process in range(processes)
        for device in [d for d in devices if d.process_index == process][:each]
    ]
    if len(chosen) != count:
        raise _too_many(count, len(devices), processes, devices[0].platform)
    return Mesh(np.asarray(chosen), (AXIS,))


def device_memory() -> float | None:
    """Bytes that programs can have on a device of this process; None where JAX cannot say."""
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")


def _too_many(count: int, there: int, processes: int, platform: str) -> SolverError:
    among = f" of {processes} processes" if processes > 1 else ""
    message = f"{count} devices are asked for, and there {'is' if there == 1 else 'are'} {there}"
    if count <= there:
        return SolverError(
            f"{count} devices{among} cannot be equally many of each process",
            code="E780",
            advice=f"ask for a multiple of {processes}",
        )
    virtual = (
        "virtual devices of the processor are made before JAX starts, by `pdesl run --devices` or "
        f"XLA_FLAGS=--xla_force_host_platform_device_count={count}"
    )
    if platform != "cpu":
        virtual = f"take {there}, or `JAX_PLATFORMS=cpu` for virtual devices of the processor"
    return SolverError(f"{message} ({platform}{among})", code="E780", advice=virtual)


# -- layouts -------------------------------------------------------------------------------


def parts(array: Any, count: int) -> np.ndarray:
    """(count, ⌈n/count⌉, …) from (n, …) in its order; the last row fills up the last blocks."""
    table = np.asarray(array)
    size = -(-len(table) // count)
    index = np.minimum(np.arange(count * size), len(table) - 1)
    return table[index].reshape(count, size, *table.shape[1:])


def kept(rows: int, count: int) -> np.ndarray:
    """Which rows of `parts` are there once: flags (count, ⌈n/count⌉)."""
    size = -(-rows // count)
    return (np.arange(count * size) < rows).reshape(count, size)


def divided(tree: Any, mesh: Mesh) -> Any:
    """Arrays (devices, …) of a pytree on the mesh, one block a device."""
    return _placed(tree, NamedSharding(mesh, _DIVIDED))


def replicated(tree: Any, mesh: Mesh | None) -> Any:
    """Arrays of a pytree on every device of a mesh; without one the tree as it is."""
    return tree if mesh is None else _placed(tree, everywhere(mesh))


def everywhere(mesh: Mesh) -> NamedSharding:
    """The layout of arrays of which every device has all."""
    return NamedSharding(mesh, _REPLICATED)


def _placed(tree: Any, sharding: NamedSharding) -> Any:
    def place(leaf: Any) -> Any:
        if not eqx.is_array_like(leaf) or isinstance(leaf, bool | int | float | complex):
            return leaf
        if isinstance(leaf, Array) and leaf.sharding == sharding:
            return leaf
        table = np.asarray(leaf)
        return jax.make_array_from_callback(table.shape, sharding, lambda index: table[index])

    return jax.tree.map(place, tree)


def whole(tree: Any, mesh: Mesh | None) -> Any:
    """Within a compiled function: arrays of which every device is to have all."""
    if mesh is None:
        return tree
    sharding = everywhere(mesh)
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, sharding), tree)


# -- functions of divided arrays -----------------------------------------------------------


def mapped(
    function: Callable[..., Any],
    mesh: Mesh,
    *arguments: tuple[Any, bool],
    gather: bool = False,
) -> Any:
    """`function` on every device, with its own part of the arguments that are divided.

    Args:
        arguments: pytrees, each with whether its arrays are divided along their first axis.
        gather: whether the result is summed over the devices, and then is the same on all; else
            its arrays are the parts of larger ones, one after the other.
    """
    split = [eqx.partition(tree, eqx.is_array) for tree, _ in arguments]
    specs = tuple(_DIVIDED if is_divided else _REPLICATED for _, is_divided in arguments)

    def local(*arrays: Any) -> Any:
        trees = (eqx.combine(a, rest) for a, (_, rest) in zip(arrays, split, strict=True))
        result = function(*trees)
        return jax.lax.psum(result, AXIS) if gather else result

    out = _REPLICATED if gather else _DIVIDED
    # Loops start from constants, which the check would take for the same on all devices.
    run = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)
    return run(*(arrays for arrays, _ in split))


def _own(tree: Any) -> Any:
    """The block (1, …) of a device without its first axis."""
    return jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, tree)


def summed(function: Callable[[Any, Any], Any], mesh: Mesh | None) -> Callable[[Any, Any], Any]:
    """(parameters, data) → the sum over devices of `function`, with data (devices, …) divided."""
    if mesh is None:
        return function
    return lambda parameters, data: mapped(
        lambda p, d: function(p, _own(d)), mesh, (parameters, False), (data, True), gather=True
    )


def rows_of(function: Callable[[Any, Any], Any], mesh: Mesh | None) -> Callable[[Any, Any], Any]:
    """(parameters, data) → the rows of every device one after the other."""
    if mesh is None:
        return function
    return lambda parameters, data: mapped(
        lambda p, d: function(p, _own(d)), mesh, (parameters, False), (data, True)
    )


def over_points(
    function: Callable[[Any, Any], Any], mesh: Mesh | None, parameters: Any, points: Any
) -> Any:
    """function(parameters, points), whose arrays have the points last, by parts of the points.

    Args:
        parameters: any pytree.
        points: arrays (n, …), which need not be a multiple of the devices.

    Returns:
        Arrays (…, n), the same on every device.
    """
    if mesh is None:
        return function(parameters, points)

    def local(parameters: Any, points: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), function(parameters, points))

    found = whole(over_rows(local, mesh, parameters, points), mesh)
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), found)


def over_rows(function: Callable[[Any, Any], Any], mesh: Mesh, parameters: Any, rows: Any) -> Any:
    """function(parameters, rows) of arrays (n, …), by parts of the rows, on which it stays."""
    count = jax.tree.leaves(rows)[0].shape[0]
    padded = jax.tree.map(lambda leaf: filled(leaf, mesh.size), rows)
    found = mapped(function, mesh, (parameters, False), (padded, True))
    return jax.tree.map(lambda leaf: leaf[:count], found)


def filled(array: Array, multiple: int) -> Array:
    """(m, …) with m the next multiple: the last row is repeated."""
    missing = -array.shape[0] % multiple
    if not missing:
        return array
    filler = jnp.broadcast_to(array[-1:], (missing, *array.shape[1:]))
    return jnp.concatenate([array, filler])


# -- processes -----------------------------------------------------------------------------


def at_hand(tree: Any, mesh: Mesh | None) -> Any:
    """Replicated arrays of a mesh as arrays of this process alone."""
    if mesh is None:
        return tree
    return jax.tree.map(lambda a: jnp.asarray(np.asarray(a)) if eqx.is_array(a) else a, tree)


def agreed(value: float, mesh: Mesh | None) -> float:
    """What the first process of a mesh says: clocks differ, and decisions must not."""
    if mesh is None or jax.process_count() == 1:
        return value
    sharding = NamedSharding(mesh, _DIVIDED)
    said = jax.make_array_from_callback((mesh.size,), sharding, lambda _: np.array([value]))
    first = jax.jit(lambda a: a[0], out_shardings=everywhere(mesh))
    return float(first(said))
