"""The self-scaled Broyden method with an unlimited memory, stored as a low-rank sum.

One update of the inverse Hessian H with a step s, a gradient difference y and w = H y is

    H₊ = (1/τ) [H − w wᵀ/(y·w) + φ v vᵀ] + s sᵀ/(y·s),   v = √(y·w) (s/(y·s) − w/(y·w)),

that is H₊ = H/τ + a s sᵀ + b (s wᵀ + w sᵀ) + c w wᵀ with a = φ y·w/(τ (y·s)²) + 1/(y·s),
b = −φ/(τ y·s), c = (φ − 1)/(τ y·w). No matrix is needed to start: the pairs (s, w) and the three
numbers of each are kept, and H g = γ g + Σ (…) costs two passes over the pairs. As long as there
are fewer steps than a fourth of the parameters, that is cheaper than one pass over a dense H.
When the pairs would fill more memory than H, they are summed into a dense H once, and from then
on in batches, as one product of matrices.

Source: M. Al-Baali, E. Spedicato, F. Maggioni, "Broyden's quasi-Newton methods for a nonlinear
system of equations and unconstrained optimization", Optim. Methods Softw. 29 (2014); for networks
J. Urbán, P. Stefanou, J. Pons, "Unveiling the optimization process of physics informed neural
networks", J. Comput. Phys. 523 (2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.diagnostics import SolverError

__all__ = ["BroydenMemory", "SSBroyden"]

#: Pairs of the open segment, and the unit in which closed ones grow.
SEGMENT = 128
#: Units of the closed segments: each is skipped while it is empty. The first FIRST_SEGMENTS exist
#: from the start, the others are added when these are full (and the program compiled again).
UNITS = (1, 1, 2, 4, 8, 16, 32, 64)
FIRST_SEGMENTS = 4
#: Rows of the dense H that are updated at a time.
BAND = 512


@dataclass(frozen=True, slots=True)
class SSBroyden:
    """Self-scaled Broyden (SSBroyden2) with a strong-Wolfe line search.

    Attributes:
        largest: most parameters; H takes 8 bytes × parameters² at the end of a long run.
    """

    largest: int = 12_000

    def make_memory(self, size: int, dtype: jnp.dtype) -> BroydenMemory:
        if size > self.largest:
            raise SolverError(
                f"SSBroyden keeps a matrix of {size} × {size} numbers",
                code="E721",
                advice=f"choose the optimiser lbfgs, a network with less than {self.largest}"
                " parameters, or raise the option `largest` of ssbroyden",
            )
        closed = [_empty(n, size, dtype) for n in _units(size)[:FIRST_SEGMENTS]]
        return BroydenMemory(
            closed=tuple(closed),
            closed_weights=tuple(jnp.zeros((3, segment.shape[1]), dtype) for segment in closed),
            used=jnp.zeros((), jnp.int32),
            open=_empty(1, size, dtype),
            open_weights=jnp.zeros((3, SEGMENT), dtype),
            count=jnp.zeros((), jnp.int32),
            unscaled=jnp.ones((), bool),
            identity=jnp.ones((), dtype),
            dense=None,
            scale=jnp.zeros((), dtype),
        )


def _units(size: int) -> list[int]:
    """Units of all closed segments: together the memory of the dense matrix, 2 rows a pair."""
    left = max(1, -(-size // (2 * SEGMENT)))
    units = []
    for unit in UNITS:
        units.append(min(unit, left))
        left -= units[-1]
        if not left:
            break
    return units


def _empty(units: int, size: int, dtype: jnp.dtype) -> Array:
    # From NumPy: every call has to give a buffer of its own, since states are donated.
    return jnp.asarray(np.zeros((2, units * SEGMENT, size), dtype))


class BroydenMemory(eqx.Module):
    """H = identity·I + scale·dense + Σ_k [s w]_k [[a b] [b c]]_k [s w]_kᵀ.

    A segment has the shape (2, pairs, size): the rows s and the rows w; its weights are the rows
    a, b, c. Only the open segment is written to inside a compiled loop (`count` of its pairs are
    in use), so the closed ones are never copied; their first `used` units are filled.
    """

    closed: tuple[Array, ...]
    closed_weights: tuple[Array, ...]
    used: Array
    open: Array
    open_weights: Array
    count: Array
    unscaled: Array
    identity: Array
    dense: Array | None
    scale: Array

    @property
    def is_full(self) -> Array:
        return self.count >= SEGMENT

    def reset(self) -> BroydenMemory:
        """H = I; a dense matrix is dropped."""
        return eqx.tree_at(
            lambda m: (m.used, m.open, m.open_weights, m.count, m.unscaled, m.identity, m.dense,
                       m.scale),
            self,
            (
                jnp.zeros_like(self.used), jnp.zeros_like(self.open),
                jnp.zeros_like(self.open_weights), jnp.zeros_like(self.count),
                jnp.ones_like(self.unscaled), jnp.ones_like(self.identity), None,
                jnp.zeros_like(self.scale),
            ),
            is_leaf=lambda leaf: leaf is None,
        )  # fmt: skip

    def enlarged(self) -> BroydenMemory:
        """The open segment closed, or added to the dense matrix once no segment is left."""
        size, dtype = self.open.shape[2], self.open.dtype
        used = int(self.used)
        closed, weights = list(self.closed), list(self.closed_weights)
        room = sum(segment.shape[1] for segment in closed) // SEGMENT
        if self.dense is None and used == room:
            for units in _units(size)[len(closed) :]:
                closed.append(_empty(units, size, dtype))
                weights.append(jnp.zeros((3, units * SEGMENT), dtype))
                room += units
        identity, dense, scale = self.identity, self.dense, self.scale
        if dense is None and used < room:
            k, place = 0, used * SEGMENT
            while place >= closed[k].shape[1]:
                place -= closed[k].shape[1]
                k += 1
            closed[k] = _placed(closed[k], self.open, place)
            weights[k] = _placed(weights[k], self.open_weights, place)
            used += 1
        else:
            dense = jnp.zeros((size, size), dtype) if dense is None else dense
            dense = _with_identity(dense, scale, identity)
            for segment, weight in zip(
                [*closed, self.open], [*weights, self.open_weights], strict=True
            ):
                dense = _with_pairs(dense, segment, weight)
            closed, weights, used = [], [], 0
            identity, scale = jnp.zeros((), dtype), jnp.ones((), dtype)
        return BroydenMemory(
            closed=tuple(closed),
            closed_weights=tuple(weights),
            used=jnp.asarray(np.int32(used)),
            open=_empty(1, size, dtype),
            open_weights=jnp.zeros((3, SEGMENT), dtype),
            count=jnp.asarray(np.int32(0)),
            unscaled=self.unscaled,
            identity=identity,
            dense=dense,
            scale=scale,
        )

    def shaped(self, arrays: Mapping[str, Any]) -> BroydenMemory:
        """A memory with as many arrays as these, by their names `.closed[0]`, `.dense`, …"""
        count = sum(name.startswith(".closed[") for name in arrays)
        return BroydenMemory(
            closed=(self.open,) * count,
            closed_weights=(self.open_weights,) * count,
            used=self.used,
            open=self.open,
            open_weights=self.open_weights,
            count=self.count,
            unscaled=self.unscaled,
            identity=self.identity,
            dense=self.open if ".dense" in arrays else None,
            scale=self.scale,
        )

    def product(self, vector: Array) -> Array:
        """H·vector."""
        result = self.identity * vector + _segment_product(self.open, self.open_weights, vector)
        if self.dense is not None:
            result = result + self.scale * (self.dense @ vector)
        before = 0
        for segment, weights in zip(self.closed, self.closed_weights, strict=True):
            result = result + jax.lax.cond(
                self.used > before,
                _segment_product,
                lambda segment, weights, vector: jnp.zeros_like(vector),
                segment,
                weights,
                vector,
            )
            before += segment.shape[1] // SEGMENT
        return result

    def update(
        self,
        step: Array,
        difference: Array,
        gradient: Array,
        valid: Array,
        *,
        product: Array,
        length: Array,
        previous: Array,
    ) -> tuple[BroydenMemory, Array]:
        """H updated with one pair, and its product with the new gradient.

        Args:
            step, difference: s and y.
            gradient: the new gradient.
            valid: whether the pair may be used (y·s > 0).
            product: H·(previous gradient), so that s = −length·product.
            length: the step length of the line search.
            previous: the previous gradient.
        """
        one = jnp.ones_like(length)
        applied = self.product(gradient)
        table = jnp.stack([step, difference, gradient, previous])
        gram = table @ table.T
        ys = jnp.where(valid, gram[0, 1], one)
        # A first step tells the scale of H: H = (y·s / y·y) I before it is updated.
        first = valid & self.unscaled
        initial = jnp.where(first, ys / jnp.where(valid, gram[1, 1], one), one)
        applied, product = initial * applied, initial * product

        w = applied - product
        yhy = jnp.where(valid, difference @ w, one)
        valid = valid & (yhy > 0.0)
        yhy = jnp.where(valid, yhy, one)
        # s·B s with B = H⁻¹ and s = −length H g
        sbs = jnp.where(valid, -(length / initial) * gram[0, 3], one)
        tau, phi = _scaling(step.shape[0], sbs, ys, yhy)
        inverse = jnp.where(valid, 1.0 / tau, one)
        a = jnp.where(valid, inverse * phi * yhy / ys**2 + 1.0 / ys, 0.0)
        b = jnp.where(valid, -inverse * phi / ys, 0.0)
        c = jnp.where(valid, inverse * (phi - 1.0) / yhy, 0.0)

        sg, wg = gram[0, 2], w @ gradient
        result = inverse * applied + (a * sg + b * wg) * step + (b * sg + c * wg) * w
        factor = initial * inverse
        # A pair that is not valid leaves zeros in a place that stays free.
        place = self.count
        pairs = self.open.at[:, place].set(jnp.where(valid, jnp.stack([step, w]), 0.0))
        memory = BroydenMemory(
            closed=self.closed,
            closed_weights=tuple(factor * weights for weights in self.closed_weights),
            used=self.used,
            open=pairs,
            open_weights=(factor * self.open_weights).at[:, place].set(jnp.stack([a, b, c])),
            count=place + valid.astype(jnp.int32),
            unscaled=self.unscaled & ~valid,
            identity=factor * self.identity,
            dense=self.dense,
            scale=factor * self.scale,
        )
        return memory, result


def _segment_product(segment: Array, weights: Array, vector: Array) -> Array:
    rows = segment.reshape(-1, segment.shape[2])
    s, w = jnp.split(rows @ vector, 2)
    a, b, c = weights
    return jnp.concatenate([a * s + b * w, b * s + c * w]) @ rows


def _scaling(size: int, sbs: Array, ys: Array, yhy: Array) -> tuple[Array, Array]:
    """The self-scaling τ ≤ 1 and the Broyden parameter φ, from s·B s, y·s and y·H y.

    With b = s·B s/y·s, h = y·H y/y·s and a = b h − 1, the number θ = max(θ⁻, min(θ⁺, (1 − b)/b))
    lies where the update stays positive definite, φ = (1 − θ)/(1 + a θ), and 1/τ enlarges the
    old matrix where that brings its determinant closer to the new information.
    """
    tiny = jnp.finfo(ys.dtype).tiny
    b = jnp.maximum(sbs / ys, tiny)
    h = yhy / ys
    a = jnp.maximum(h * b - 1.0, 10.0 * jnp.finfo(ys.dtype).eps)
    c = jnp.sqrt(a / (a + 1.0))
    rho = jnp.minimum(1.0, h * (1.0 - c))
    theta = jnp.maximum((rho - 1.0) / a, jnp.minimum(1.0 / rho, (1.0 - b) / b))
    sigma = 1.0 + a * theta
    root = jnp.abs(sigma) ** (-1.0 / max(size - 1, 1))
    limit = jnp.minimum(1.0, 1.0 / b)
    positive = limit * jnp.minimum(root, 1.0 / jnp.where(theta > 0.0, theta, 1.0))
    tau = jnp.where(theta > 0.0, positive, jnp.minimum(limit * root, sigma))
    return tau, (1.0 - theta) / (1.0 + a * theta)


@partial(jax.jit, donate_argnums=0)
def _with_identity(dense: Array, scale: Array, identity: Array) -> Array:
    diagonal = jnp.arange(dense.shape[0])
    return (scale * dense).at[diagonal, diagonal].add(identity)


@partial(jax.jit, donate_argnums=0)
def _with_pairs(dense: Array, segment: Array, weights: Array) -> Array:
    """dense + Σ_k [s w]_k [[a b] [b c]]_k [s w]_kᵀ, in bands of rows."""
    a, b, c = weights[:, :, None]
    s, w = segment
    left = segment.reshape(-1, segment.shape[2])
    right = jnp.concatenate([a * s + b * w, b * s + c * w])
    for start in range(0, dense.shape[0], BAND):
        rows = slice(start, min(start + BAND, dense.shape[0]))
        dense = dense.at[rows].add(left[:, rows].T @ right)
    return dense


@partial(jax.jit, donate_argnums=0)
def _placed(target: Array, part: Array, place: Array | int) -> Array:
    """`target` with `part` from index `place` of axis 1 on."""
    return jax.lax.dynamic_update_slice_in_dim(target, part, place, axis=1)
