"""The option of every method whose runs may be long."""

from __future__ import annotations

from pdesl.symbolic.options import option

__all__ = ["checkpoint_seconds"]


def checkpoint_seconds() -> float:
    """The option `checkpoint`: how often the state of a run is saved (`solvers.keeping`)."""
    return option(
        30.0, "seconds between two checkpoints; 0: one whenever it is possible", least=0.0
    )
