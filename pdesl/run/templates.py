"""Problems to start from, for `pdesl new`: whole files that run as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["TEMPLATES", "Template"]


@dataclass(frozen=True, slots=True)
class Template:
    """A name, what it is for, and the text of a problem."""

    name: str
    words: str
    text: str


_POISSON = """pdesl 1
# Poisson's equation on a disk, with a known solution to measure the error
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω

fields:
    u(x, y) : scalar
    f(x, y) : source    # derived from the known solution

equations:
    ∇²u = f

boundary:
    u = exact(u)    on ∂Ω

manufactured:
    u = sin(π x) cos(π y)

solver:
    method = rbf_fd(nodes=2000, order=4)

verify:
    relative_l2(u) ≤ 1e-4

output:
    at end: u -> "u.h5"
"""

_HEAT = """pdesl 1
# Heat spreads in a rectangle whose walls are cold
parameters:
    κ = 0.1

domain:
    x ∈ [0, 2]
    y ∈ [0, 1]
    t ∈ [0, 1]

fields:
    u(t, x, y) : scalar

equations:
    ∂t u = κ ∇²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(π x/2) sin(π y)

solver:
    method = method_of_lines(space=finite_difference(33))

verify:
    u = exp(-1.25 π² κ t) sin(π x/2) sin(π y)
    relative_l2(u) ≤ 1e-3

output:
    at end: u, ∫(u) -> "u.h5"
"""

_WAVE = """pdesl 1
# A wave on a string that is held at both ends
parameters:
    c = 1

domain:
    x ∈ [0, 1]
    t ∈ [0, 2]

fields:
    u(t, x) : scalar

equations:
    ∂t²u = c² ∂x²u

boundary:
    u = 0    on ∂Ω

initial:
    u = sin(π x)
    ∂t u = 0

solver:
    method = method_of_lines(space=finite_difference(65))

verify:
    u = cos(π c t) sin(π x)
    relative_l2(u) ≤ 1e-3

output:
    every 0.1: u -> "u.h5"
"""

_NONLINEAR = """pdesl 1
# A nonlinear equation with a flux through the boundary, solved by a network
domain:
    Ω = ellipse(center=(0, 0), semi_axes=(1.5, 1))
    x, y ∈ Ω

fields:
    u(x, y) : scalar
    f(x, y) : source    # derived from the known solution

equations:
    ∇²u = exp(u) + f

boundary:
    ∂n u + u = ∂n exact(u) + exact(u)    on ∂Ω

manufactured:
    u = 1 + sin(π x/2) cos(π y/2)

solver:
    method = dt_pinn(nodes=600, order=4)

verify:
    relative_l2(u) ≤ 1e-3

output:
    at end: u -> "u.h5"
"""

_REACTION = """pdesl 1
# Two substances that react and diffuse; a finer run of the method is the reference
parameters:
    D = 0.05

domain:
    x ∈ periodic(0, 4)
    t ∈ [0, 2]

fields:
    u(t, x), v(t, x) : scalar

equations:
    ∂t u = D ∂x²u + u - u³ - v
    ∂t v = D ∂x²v + (u - v)/2

initial:
    u = cos(π x/2)
    v = 0

solver:
    method = method_of_lines(space=fourier(64), time=imex_rk4(dt=0.02))

verify:
    reference = method_of_lines(space=fourier(128), time=imex_rk4(dt=0.005))
    relative_l2(u) ≤ 1e-4

output:
    at end: u, v -> "end.h5"
    every 0.1: u(x=0), norm(u) -> "history.csv"
"""

_SWEEP = """pdesl 1
# A boundary layer that grows thinner with ε: solved for several ε by `pdesl sweep`
parameters:
    ε = 0.1

domain:
    x ∈ [0, 1]

fields:
    u(x) : scalar

equations:
    -ε ∂x²u + ∂x u = 0

boundary:
    u = 0    on x = 0
    u = 1    on x = 1

solver:
    method = rbf_fd(nodes=200, order=4)

verify:
    u = (exp((x - 1)/ε) - exp(-1/ε))/(1 - exp(-1/ε))

output:
    at end: u -> "u.h5"

sweep:
    ε ∈ [0.4, 0.2, 0.1, 0.05]
"""

_BLACK_HOLE = """pdesl 1
# A scalar wave around a Schwarzschild black hole, outside of its horizon
parameters:
    M = 0.5

domain:
    x, y, z ∈ [-1, 1]
    t ∈ [0, 0.5]

metric:
    g = schwarzschild(mass=M, center=(-3, 0, 0), chart="kerr_schild")

fields:
    φ(t, x, y, z) : scalar

equations:
    □φ = 0

boundary:
    φ = 0    on ∂Ω

initial:
    φ = (1 - x²)² (1 - y²)² (1 - z²)²
    ∂t φ = 0

solver:
    method = method_of_lines(space=finite_difference(13))

output:
    at end: φ -> "phi.h5"
"""

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        template.name: template
        for template in (
            Template("poisson", "a steady linear equation on a disk, solved directly", _POISSON),
            Template("heat", "diffusion in time in a rectangle", _HEAT),
            Template("wave", "an equation of second order in time", _WAVE),
            Template("nonlinear", "a nonlinear equation, solved by a trained network", _NONLINEAR),
            Template("reaction", "two coupled equations, periodic, with a reference", _REACTION),
            Template("sweep", "an equation for several values of a parameter", _SWEEP),
            Template("black_hole", "a wave in a curved space-time", _BLACK_HOLE),
        )
    }
)
"""Templates by name."""
