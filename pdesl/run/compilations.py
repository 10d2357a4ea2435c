"""What JAX traced and compiled during a run, by the events that it announces (`jax.monitoring`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["compilations"]

# Event of JAX → what it is called in the metrics.
_SECONDS = {
    "/jax/core/compile/jaxpr_trace_duration": "trace_seconds",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower_seconds",
    "/jax/core/compile/backend_compile_duration": "compile_seconds",
}
_COUNTS = {"/jax/compilation_cache/cache_hits": "from_cache"}


@contextmanager
def compilations() -> Iterator[Callable[[], dict[str, float]]]:
    """A function that says what was traced and compiled within the context.

    `start_seconds` are CPU seconds of this process before the context: imports, and the compiler
    of the problem; `trace_seconds`, `lower_seconds` and `compile_seconds` go over all programs,
    where loading one from the cache counts as compiling it; `programs`, and how many of them came
    `from_cache`.
    """
    import jax.monitoring

    found: dict[str, float] = {
        "start_seconds": time.process_time(),
        **dict.fromkeys(_SECONDS.values(), 0.0), "programs": 0, "from_cache": 0,
    }  # fmt: skip

    def lasted(event: str, duration_secs: float, **kwargs: Any) -> None:
        del kwargs
        if name := _SECONDS.get(event):
            found[name] += duration_secs
            found["programs"] += name == "compile_seconds"

    def happened(event: str, **kwargs: Any) -> None:
        del kwargs
        if name := _COUNTS.get(event):
            found[name] += 1

    jax.monitoring.register_event_duration_secs_listener(lasted)
    jax.monitoring.register_event_listener(happened)
    try:
        yield lambda: dict(found)
    finally:
        jax.monitoring.unregister_event_duration_listener(lasted)
        jax.monitoring.unregister_event_listener(happened)
