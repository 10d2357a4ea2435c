"""What one code of a message stands for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Code"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of mistake: a stable number, a title, the reason, and the remedy."""

    code: str
    title: str
    why: str
    fix: str
