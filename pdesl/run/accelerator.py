"""How the command line sets JAX up before it starts work; the library never does this."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Processes", "cache_folder", "configure_jax", "join_processes"]


# How the number of virtual devices of a processor is given to XLA.
_VIRTUAL = "--xla_force_host_platform_device_count"
# Seconds that a process waits at its end for the first one, which measures and writes.
_LONGEST_WRITING = 86_400


@dataclass(frozen=True, slots=True)
class Processes:
    """Several processes that work on one problem, as on several machines.

    Attributes:
        coordinator: HOST:PORT at which the first process listens.
        number: of this process, from 0.
        count: how many there are.
    """

    coordinator: str
    number: int
    count: int

    @classmethod
    def parse(cls, coordinator: str, process: str) -> Processes:
        """From HOST:PORT and I/N.

        Raises:
            ValueError: either cannot be read.
        """
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"a coordinator is HOST:PORT, such as 127.0.0.1:9911: {coordinator!r}")
        number, _, count = process.partition("/")
        if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
            raise ValueError(f"a process is I/N with I from 0 to N - 1, such as 0/2: {process!r}")
        return cls(coordinator, int(number), int(count))


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's cache folder for pdesl; `PDESL_CACHE_DIR` chooses another one."""
    if chosen := environment.get("PDESL_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pdesl"
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "pdesl"


def join_processes(own: Processes) -> None:
    """Meet the other processes of a run, before JAX is used for anything else."""
    import jax

    jax.distributed.initialize(
        own.coordinator, own.count, own.number, shutdown_timeout_seconds=_LONGEST_WRITING
    )


def configure_jax(environment: MutableMapping[str, str] = os.environ, *, devices: int = 1) -> None:
    """Choose float64, and keep compiled programs from one run to the next.

    Works through the environment, so that JAX itself is imported only once a problem has proved
    correct. Where JAX has been imported already its settings are changed in place. A cache
    folder that the user chose with `JAX_COMPILATION_CACHE_DIR` is kept; where none can be made,
    the run goes on without one.

    With several `devices` the processor is given as many virtual ones, which JAX takes where there
    is no other platform; a number in `XLA_FLAGS` is left as it is.
    """
    flags = environment.get("XLA_FLAGS", "")
    if devices > 1 and _VIRTUAL not in flags:
        environment["XLA_FLAGS"] = f"{flags} {_VIRTUAL}={devices}".strip()
    environment["JAX_ENABLE_X64"] = "1"
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    if "JAX_COMPILATION_CACHE_DIR" not in environment:
        try:
            folder = cache_folder(environment) / "jax"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (OSError, RuntimeError):  # RuntimeError: the user has no home folder
            folder = None
        if folder is not None and os.access(folder, os.W_OK):
            environment["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    if "jax" in sys.modules:
        import jax

        jax.config.update("jax_enable_x64", True)
        if chosen := environment.get("JAX_COMPILATION_CACHE_DIR"):
            jax.config.update("jax_compilation_cache_dir", chosen)
            jax.config.update(
                "jax_persistent_cache_min_compile_time_secs",
                float(environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]),
            )
            jax.config.update(
                "jax_persistent_cache_min_entry_size_bytes",
                int(environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"]),
            )
