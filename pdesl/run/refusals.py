"""What a command says where a method cannot do what was asked of it."""

from __future__ import annotations

from collections.abc import Sequence

from pdesl.diagnostics import CapabilityError, Diagnostic

__all__ = ["one_device", "only_fits"]


def only_fits(method: str) -> CapabilityError:
    """There is no solution to return."""
    message = f"`{method}` fits a model to data, and what it finds is a folder"
    helps = ("use `pdesl run`, then `pdesl predict`",)
    return CapabilityError([Diagnostic("E646", message, helps=helps)])


def one_device(method: str, dividing: Sequence[str]) -> CapabilityError:
    """There is nothing to divide among devices."""
    message = f"`{method}` works on one processor, and has nothing to divide among devices"
    names = ", ".join(f"`{name}`" for name in dividing)
    helps = (f"run it without `--devices`; {names} divide their work",)
    return CapabilityError([Diagnostic("E646", message, helps=helps)])
