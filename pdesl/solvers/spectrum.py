"""The spectrum of the stiff part: how far it reaches, and what an explicit step could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse.linalg

from pdesl.solvers.nodal_stepping import NodalStepping
from pdesl.solvers.spectral_stepping import SpectralStepping
from pdesl.solvers.stepping import Stepping

__all__ = ["Spectrum", "stiff_spectrum"]

# The stability limit of classical explicit Runge-Kutta methods of order 4 on the negative axis.
REAL_LIMIT = 2.785


@dataclass(frozen=True, slots=True)
class Spectrum:
    """λ of largest modulus, and the largest real part (None where it is not known)."""

    largest: complex
    growth: float | None

    @property
    def explicit_step(self) -> float:
        """The step at which an explicit Runge-Kutta method of order 4 becomes unstable."""
        size = abs(self.largest)
        return REAL_LIMIT / size if size else float("inf")

    def words(self, dt: float | None) -> str:
        """What a person should know of it."""
        if not abs(self.largest):
            return "there is no stiff part"
        value = f"{self.largest.real:.3g}"
        if abs(self.largest.imag) > 1e-6 * abs(self.largest):
            value += f" ± {abs(self.largest.imag):.3g}i"
        text = f"the stiff part has λ = {value}, an explicit method would need steps below "
        text += f"{self.explicit_step:.2g}"
        return text if dt is None else f"{text}, and dt is {dt:.3g}"


def stiff_spectrum(stepping: Stepping) -> Spectrum:
    """The spectrum of the stiff part of a system; of λ of largest modulus by Arnoldi on nodes."""
    if isinstance(stepping, SpectralStepping):
        held = stepping.system.constrained
        free = [f for f in range(len(stepping.system.fields)) if f not in held]
        table = np.moveaxis(stepping.system.stiff[np.ix_(free, free)], (0, 1), (-2, -1))
        values = np.linalg.eigvals(table).ravel()
        return Spectrum(complex(values[np.argmax(np.abs(values))]), float(values.real.max()))
    assert isinstance(stepping, NodalStepping)
    if not stepping.system.stiff.nnz and not stepping.system.has_moving_matrix:
        return Spectrum(0.0, 0.0)
    return Spectrum(_largest(stepping), None)


def _largest(stepping: NodalStepping) -> complex:
    """Arnoldi's method on u → A u with algebraic values by their equations, linear at the start."""
    t, solves = stepping.span[0], stepping.solves
    size = stepping.system.size
    matrix: Any = stepping.system.stiff_at(t)
    tied = solves.tied
    completed = stepping.linearised(t)
    shift = completed(np.zeros(size))

    def apply(state: np.ndarray) -> np.ndarray:
        return matrix @ np.where(tied, 0.0, completed(state.ravel()) - shift)

    make_operator: Any = scipy.sparse.linalg.LinearOperator
    operator = make_operator((size, size), matvec=apply, dtype=float)
    start = np.random.default_rng(0).normal(size=size)
    if size < 16:
        dense = np.stack([apply(column) for column in np.eye(size)], axis=1)
        if not np.all(np.isfinite(dense)):
            return complex(float("nan"))
        values = np.linalg.eigvals(dense)
        return complex(values[np.argmax(np.abs(values))])
    try:
        find: Any = scipy.sparse.linalg.eigs
        (value,) = find(operator, k=1, v0=start, tol=1e-2, return_eigenvectors=False, maxiter=200)
    except scipy.sparse.linalg.ArpackError as error:
        # Without convergence, or with numbers that are infinite.
        found: Any = getattr(error, "eigenvalues", ())
        if not len(found):
            return complex(float("nan"))
        value = found[0]
    return complex(value)
