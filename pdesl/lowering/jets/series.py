"""Arithmetic of truncated Taylor series, one coefficient at a time.

A series x(t) = Σₖ xₖ tᵏ is the list [x₀, x₁, …] of its normalised coefficients, xₖ = x⁽ᵏ⁾(0)/k!,
as far as they are known. A coefficient that is zero by structure is None: it costs nothing. The
functions return coefficient number k of their result and read no coefficient above k.

Source: A. Griewank, A. Walther, Evaluating Derivatives, 2nd edition, 2008, section 13.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "Coefficient",
    "Series",
    "convolution",
    "divided",
    "integral",
    "inner_square",
    "negated",
    "remainder",
    "scaled",
    "square",
    "total",
]

Coefficient = Any
"""An array, or None for a coefficient that is zero by structure."""

Series = list[Coefficient]


def total(terms: Iterable[Coefficient]) -> Coefficient:
    """The sum of those terms that are not zero by structure."""
    result = None
    for term in terms:
        if term is not None:
            result = term if result is None else result + term
    return result


def scaled(factor: float, value: Coefficient) -> Coefficient:
    if value is None:
        return None
    return value if factor == 1.0 else -value if factor == -1.0 else factor * value


def negated(value: Coefficient) -> Coefficient:
    return None if value is None else -value


def divided(value: Coefficient, divisor: Any) -> Coefficient:
    return None if value is None else value / divisor


def _product(a: Coefficient, b: Coefficient) -> Coefficient:
    return None if a is None or b is None else a * b


def convolution(a: Series, b: Series, k: int) -> Coefficient:
    """Σⱼ aⱼ bₖ₋ⱼ over 0 ≤ j ≤ k: coefficient k of a b."""
    return total(_product(a[j], b[k - j]) for j in range(k + 1))


def square(a: Series, k: int) -> Coefficient:
    """Coefficient k of a², each pair of factors once."""
    pairs = total(_product(a[j], a[k - j]) for j in range((k + 1) // 2))
    middle = _product(a[k // 2], a[k // 2]) if k % 2 == 0 else None
    return total((scaled(2.0, pairs), middle))


def inner_square(a: Series, k: int) -> Coefficient:
    """Σⱼ aⱼ aₖ₋ⱼ over 0 < j < k: what a² has at k besides 2 a₀ aₖ."""
    pairs = total(_product(a[j], a[k - j]) for j in range(1, (k + 1) // 2))
    middle = _product(a[k // 2], a[k // 2]) if k % 2 == 0 and k else None
    return total((scaled(2.0, pairs), middle))


def integral(x: Series, e: Series, k: int) -> Coefficient:
    """Coefficient k ≥ 1 of ∫ e x′ dt, (1/k) Σⱼ j xⱼ eₖ₋ⱼ over 1 ≤ j ≤ k."""
    return total(scaled(j / k, _product(x[j], e[k - j])) for j in range(1, k + 1))


def remainder(y: Series, w: Series, k: int) -> Coefficient:
    """(1/k) Σⱼ j yⱼ wₖ₋ⱼ over 1 ≤ j < k: what ∫ w y′ dt has at k besides w₀ yₖ."""
    return total(scaled(j / k, _product(y[j], w[k - j])) for j in range(1, k))
