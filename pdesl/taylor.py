"""Taylor series as a tool of their own: of functions, along flows, in space, as an integrator.

    from pdesl import taylor

    taylor.taylor_coefficients(f, [[x, v]], 6)         series of f along x + t v
    taylor.flow_derivatives(dynamics, t, z, 5)         dᵏz/dtᵏ of z′ = f(t, z), k ≤ 5
    taylor.speed_regulariser(dynamics, 3)              ‖d³z/dt³‖² as an integrand
    taylor.laplacian(u, x)                             u(x), Δu(x)
    taylor.taylor_series(dynamics, z, times)           adaptive integration

Functions are those of JAX, on arrays; see docs/pages/taylor.md.
"""

from __future__ import annotations

from pdesl.lowering.jets.coefficients import directional_derivatives, taylor_coefficients
from pdesl.lowering.jets.collapsed import directional_sum, estimate_laplacian, laplacian
from pdesl.lowering.jets.derivative import UnsupportedPrimitive
from pdesl.lowering.jets.directions import DirectionPlan, directions_for
from pdesl.lowering.jets.flow import (
    flow_coefficients,
    flow_derivatives,
    jacobian_penalty,
    kinetic_penalty,
    speed_regulariser,
    with_integrals,
)
from pdesl.solvers.taylor_series import TaylorSolution, taylor_series, taylor_steps

__all__ = [
    "DirectionPlan",
    "TaylorSolution",
    "UnsupportedPrimitive",
    "directional_derivatives",
    "directional_sum",
    "directions_for",
    "estimate_laplacian",
    "flow_coefficients",
    "flow_derivatives",
    "jacobian_penalty",
    "kinetic_penalty",
    "laplacian",
    "speed_regulariser",
    "taylor_coefficients",
    "taylor_series",
    "taylor_steps",
    "with_integrals",
]
