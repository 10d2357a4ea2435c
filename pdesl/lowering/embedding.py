"""Sinusoidal features of coordinates, with their derivatives.

γ(x) = [sin(2ᵏ π x/2) 2^(−αk)]_k + [cos(2ᵏ π x/2) 2^(−αk)]_k for k < L, equation (6) of M. Finzi
et al., "A stable and scalable method for solving initial value PDEs with neural networks", 2023,
for every coordinate x brought to [−1, 1], and times a scale. A periodic coordinate has the phase
2π x/period in place of π x/2, so that every function of its features is periodic.

Frequencies that double leave gaps between them, and no more of them resolve a layer at a wall.
Features exp(−2ᵏ (x + 1)) and exp(−2ᵏ (1 − x)), k < M, of the distances to both ends do.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

__all__ = ["Embedding", "make_embedding"]


class Embedding(eqx.Module):
    """Features of points (n, d), those of one coordinate side by side: L sines, then L cosines.

    With no frequencies the features are the coordinates, brought to [−1, 1]. The last ones of a
    coordinate that is not periodic are M exponentials from its lower end and M from its upper.
    """

    center: tuple[float, ...] = eqx.field(static=True)
    half_width: tuple[float, ...] = eqx.field(static=True)
    periodic: tuple[bool, ...] = eqx.field(static=True)
    frequencies: int = eqx.field(static=True)
    alpha: float = eqx.field(static=True)
    scale: float = eqx.field(static=True)
    layers: int = eqx.field(static=True, default=0)

    @property
    def dimension(self) -> int:
        return len(self.center)

    @property
    def outputs(self) -> int:
        return self.own(self.dimension - 1).stop

    def own(self, axis: int) -> slice:
        """The places of the features of one coordinate."""
        sizes = [feature_count(p, self.frequencies, self.layers) for p in self.periodic]
        return slice(sum(sizes[:axis]), sum(sizes[: axis + 1]))

    def features(self, points: Array) -> Array:
        parts = [self.derivative(points, axis, 0) for axis in range(self.dimension)]
        return jnp.concatenate(parts, axis=1)

    def derivative(self, points: Array, axis: int, order: int) -> Array:
        """∂_axis^order of the features of one coordinate, (n, each)."""
        waves = self._waves(points, axis, order)
        if not self.layers or self.periodic[axis]:
            return waves
        rates = 2.0 ** np.arange(self.layers) / self.half_width[axis]
        ends = points[:, axis, None] - self.center[axis] + self.half_width[axis] * np.array([1, -1])
        parts = [
            (self.scale * (sign * rates) ** order).astype(points.dtype)
            * jnp.exp(ends[:, k, None] * (sign * rates).astype(points.dtype))
            for k, sign in enumerate((-1.0, 1.0))
        ]
        return jnp.concatenate([waves, *parts], axis=1)

    def _waves(self, points: Array, axis: int, order: int) -> Array:
        shifted = points[:, axis, None] - self.center[axis]
        half = self.half_width[axis]
        if not self.frequencies:
            if order == 0:
                return shifted / half
            return jnp.full_like(shifted, 1.0 / half if order == 1 else 0.0)
        powers = 2.0 ** np.arange(self.frequencies)
        waves = powers * (np.pi if self.periodic[axis] else 0.5 * np.pi) / half
        sizes = self.scale * powers**-self.alpha * waves**order
        phases = shifted * waves.astype(points.dtype)
        sine, cosine = jnp.sin(phases), jnp.cos(phases)
        # The derivatives of sin are cos, −sin, −cos, sin; those of cos follow one step behind.
        cycle = (sine, cosine, -sine, -cosine)
        both = (cycle[order % 4], cycle[(order + 1) % 4])
        return jnp.concatenate([sizes.astype(points.dtype) * part for part in both], axis=1)


def feature_count(periodic: bool, frequencies: int, layers: int) -> int:
    """Features of one coordinate."""
    return (2 * frequencies or 1) + (0 if periodic else 2 * layers)


def make_embedding(
    lower: Sequence[float],
    upper: Sequence[float],
    periodic: Sequence[bool],
    *,
    frequencies: int,
    alpha: float = 1.0,
    scale: float = 1.5,
    layers: int = 0,
) -> Embedding:
    """The embedding of a box; a periodic coordinate runs through its period from one end on.

    Raises:
        ValueError: a periodic coordinate without frequencies.
    """
    if any(periodic) and not frequencies:
        raise ValueError("features of a periodic coordinate need at least one frequency")
    return Embedding(
        center=tuple((float(a) + float(b)) / 2 for a, b in zip(lower, upper, strict=True)),
        half_width=tuple((float(b) - float(a)) / 2 for a, b in zip(lower, upper, strict=True)),
        periodic=tuple(bool(p) for p in periodic),
        frequencies=frequencies,
        alpha=float(alpha),
        scale=float(scale),
        layers=layers,
    )
