"""What a command says where a method cannot do what was asked of it."""

from __future__ import annotations

from pdesl.diagnostics import CapabilityError, Diagnostic

__all__ = ["only_fits"]


def only_fits(method: str) -> CapabilityError:
    """There is no solution to return."""
    message = f"`{method}` fits a model to data, and what it finds is a folder"
    helps = ("use `pdesl run`, then `pdesl predict`",)
    return CapabilityError([Diagnostic("E646", message, helps=helps)])
