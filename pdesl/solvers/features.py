"""Random features: a hidden layer whose weights are drawn once and then stay as they are.

A feature is a ridge function of the coordinates,

    φ_j(x) = σ(w_j · (x − c) + b_j),     ∂^α φ_j = Π_i w_ji^{α_i} σ^{(|α|)}(w_j · (x − c) + b_j),

so that derivatives of every order need one table of σ's derivatives and products of powers. The
weights along coordinate i have the size s_i/h_i, with h_i half the extent of the coordinate and
s_i its *scale*; a feature of scale s bends s times as fast as the box is wide.

`sin` features have normal weights, so that they span what random Fourier features span
(A. Rahimi and B. Recht, NeurIPS 2007); a periodic coordinate takes whole wave numbers. `tanh`
features have directions and sizes uniform in a ball, and their inflections uniform in the box, so
that none is flat there, whatever the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial

__all__ = ["FEATURE_KINDS", "Features", "activation_derivatives", "draw_features"]

FEATURE_KINDS = ("tanh", "sin")


def activation_derivatives(kind: str, z: np.ndarray, order: int) -> list[np.ndarray]:
    """σ(z), σ′(z), …, σ⁽ᵒʳᵈᵉʳ⁾(z), each of the shape of z.

    For t = tanh z, σ′ = 1 − t² and σ⁽ᵏ⁾ = (1 − t²) Q_k(t), with Q_1 = 1 and
    Q_{k+1} = (1 − t²) Q_k′ − 2 t Q_k.

    Raises:
        ValueError: another kind than `FEATURE_KINDS`.
    """
    if kind == "sin":
        found = [np.sin(z)]
        if order:
            found.append(np.cos(z))
        for k in range(2, order + 1):
            found.append(-found[k - 2])
        return found
    if kind != "tanh":
        raise ValueError(f"unknown features `{kind}`; there are {', '.join(FEATURE_KINDS)}")
    t = np.tanh(z)
    if order == 0:
        return [t]
    slope = 1.0 - t * t
    found = [t, slope]
    factor = np.array([1.0])
    for _ in range(2, order + 1):
        factor = polynomial.polyadd(
            polynomial.polymul([1.0, 0.0, -1.0], polynomial.polyder(factor)),
            polynomial.polymul([0.0, -2.0], factor),
        )
        found.append(slope * polynomial.polyval(t, factor))
    return found


@dataclass(frozen=True, slots=True)
class Features:
    """M features of d coordinates: σ((x − centre) · weights[:, j] + biases[j]).

    `weights` (d, M) in 1/unit of each coordinate, `biases` (M,), `centre` (d,), `kind` the name
    of σ.
    """

    weights: np.ndarray
    biases: np.ndarray
    centre: np.ndarray
    kind: str

    def __len__(self) -> int:
        return self.weights.shape[1]

    def derivatives(self, inputs: np.ndarray, order: int) -> list[np.ndarray]:
        """σ, σ′, …, σ⁽ᵒʳᵈᵉʳ⁾ at inputs (n, d), each (n, M)."""
        z = (inputs - self.centre) @ self.weights + self.biases
        return activation_derivatives(self.kind, z, order)

    def powers(self, orders: Sequence[int]) -> np.ndarray:
        """Π_i w_ji^{α_i}, (M,), the factor from σ^{(|α|)} to ∂^α φ."""
        found = np.ones(len(self))
        for row, exponent in zip(self.weights, orders, strict=True):
            if exponent:
                found = found * row**exponent
        return found

    def values(self, inputs: np.ndarray) -> np.ndarray:
        """φ at inputs (n, d), (n, M)."""
        return self.derivatives(inputs, 0)[0]


def draw_features(
    count: int,
    scales: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
    *,
    kind: str,
    periodic: Sequence[bool],
    seed: int,
) -> Features:
    """Random features of a box; the same arguments give the same bits.

    Args:
        count: how many, the constant included, M.
        scales: the scale of every coordinate, (d,), without unit.
        lower, upper: the box, (d,).
        kind: `tanh` or `sin`.
        periodic: which coordinates are periodic; only `sin` features can be.
        seed: of the draw. More features of one seed begin with those of fewer.

    Raises:
        ValueError: `tanh` features along a periodic coordinate.
    """
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    dimension, half = len(low), (high - low) / 2.0
    random = np.random.default_rng([seed, 0xFEA7])
    # One row a feature, so that a longer draw continues a shorter one.
    table = np.array([_draw_one(random, dimension) for _ in range(count)])
    direction, size, place = table[:, :dimension], table[:, dimension], table[:, dimension + 1 :]
    unit = np.asarray(scales, dtype=float)[:, None] / half[:, None]
    if kind == "sin":
        # Standard deviation of a uniform weight of the same scale.
        weights = unit * direction.T / np.sqrt(3.0)
        biases = np.pi * (2.0 * size - 1.0)
    else:
        if any(periodic):
            raise ValueError("tanh features cannot be periodic")
        length = size ** (1.0 / dimension) / np.linalg.norm(direction, axis=1)
        weights = unit * (direction * length[:, None]).T
        biases = -np.einsum("dm,md->m", weights * half[:, None], place)
    for axis, wraps in enumerate(periodic):
        if wraps:
            wave = np.pi / half[axis]
            # Uniform: a periodic solution needs every wave up to its highest, and needs none twice.
            weights[axis] = wave * np.round(place[:, axis] * unit[axis] / wave)
    # A constant is in every space of solutions, and costs one feature.
    weights[:, 0], biases[0] = 0.0, 1.0
    return Features(weights, biases, (low + high) / 2.0, kind)


def _draw_one(random: np.random.Generator, dimension: int) -> np.ndarray:
    return np.concatenate(
        [
            random.normal(size=dimension),
            random.uniform(size=1),
            random.uniform(-1.0, 1.0, dimension),
        ]
    )
