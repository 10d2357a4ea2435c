"""How the command line sets JAX up before it starts work; the library never does this."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

__all__ = ["cache_folder", "configure_jax"]


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's cache folder for pdesl; `PDESL_CACHE_DIR` chooses another one."""
    if chosen := environment.get("PDESL_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pdesl"
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "pdesl"


def configure_jax(environment: MutableMapping[str, str] = os.environ) -> None:
    """Choose float64, and keep compiled programs from one run to the next.

    Works through the environment, so that JAX itself is imported only once a problem has proved
    correct. Where JAX has been imported already its settings are changed in place. A cache
    folder that the user chose with `JAX_COMPILATION_CACHE_DIR` is kept; where none can be made,
    the run goes on without one.
    """
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
