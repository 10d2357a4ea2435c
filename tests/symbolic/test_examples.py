"""Problems of many fields: they elaborate, normalise, verify, print, and give textbook rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from pdesl.diagnostics import Severity
from pdesl.ir.facts import facts, verify
from pdesl.ir.normalise import normalise, parts_agree
from pdesl.ir.split import split
from pdesl.ir.text import format_system, latex_system
from tests.strategies_symbolic import (
    ALL_FILES,
    EXAMPLES,
    concrete_fields,
    number,
    read,
    row_value,
    system_of,
    values_of,
)  # fmt: skip


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: f"{p.parent.parent.name}-{p.stem}")
def test_every_file_reaches_every_stage(path: Path) -> None:
    problem = read(path)
    system = normalise(problem)
    wrong = [d for d in verify(system) if d.severity is Severity.ERROR]
    assert not wrong, wrong[0].message
    assert all(parts_agree(system, row) for row in system.all_rows)
    assert facts(system).dimension == len(system.problem.space)
    assert len(system.rows) == len(system.fields)
    for text in (format_system(system), latex_system(system), problem._repr_latex_()):
        assert "{0," not in text
        assert "Derivative" not in text
    if problem.time is not None:
        assert len(split(system)) == len(system.rows)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_no_example_has_warnings(path: Path) -> None:
    assert read(path).warnings == ()


# -- rows against residuals derived by hand ------------------------------------------------

Hand = Callable[[Any], list[sp.Expr]]
d = sp.diff


def _laplacian(u: sp.Expr, *symbols: sp.Symbol) -> sp.Expr:
    return sp.Add(*(d(u, s, 2) for s in symbols))


class Names:
    """The symbols and concrete fields of a system by name."""

    def __init__(self, table: dict[str, sp.Expr]):
        self.table = table

    def __getattr__(self, name: str) -> Any:
        return self.table[name]

    def normal(self, name: str) -> sp.Symbol:
        return sp.Symbol(f"n[{name}]", real=True)


def _elastic(e: Names) -> list[sp.Expr]:
    ux, uy, lam, mu = e.u_x, e.u_y, e.λ, e.μ
    trace = d(ux, e.x) + d(uy, e.y)
    sxx, syy = lam * trace + 2 * mu * d(ux, e.x), lam * trace + 2 * mu * d(uy, e.y)
    sxy = mu * (d(ux, e.y) + d(uy, e.x))
    n, m = e.normal("x"), e.normal("y")
    return [
        d(sxx, e.x) + d(sxy, e.y), d(sxy, e.x) + d(syy, e.y) - 1,
        ux, uy, sxx * n + sxy * m, sxy * n + syy * m,
    ]  # fmt: skip


def _navier_stokes(e: Names) -> list[sp.Expr]:
    a, b, p = e.v_x, e.v_y, e.p
    return [
        d(a, e.t) + a * d(a, e.x) + b * d(a, e.y) + d(p, e.x) - _laplacian(a, e.x, e.y) / e.Re,
        d(b, e.t) + a * d(b, e.x) + b * d(b, e.y) + d(p, e.y) - _laplacian(b, e.x, e.y) / e.Re,
        d(a, e.x) + d(b, e.y),
    ]


def _maxwell(e: Names) -> list[sp.Expr]:
    def curl(field: str) -> list[sp.Expr]:
        a, b, c = (getattr(e, f"{field}_{s}") for s in "xyz")
        return [d(c, e.y) - d(b, e.z), d(a, e.z) - d(c, e.x), d(b, e.x) - d(a, e.y)]

    first = [d(getattr(e, f"E_{s}"), e.t) - r for s, r in zip("xyz", curl("B"), strict=True)]
    return first + [d(getattr(e, f"B_{s}"), e.t) + r for s, r in zip("xyz", curl("E"), strict=True)]


def _p_laplacian(e: Names) -> list[sp.Expr]:
    gradient = [d(e.u, s) for s in (e.x, e.y, e.z)]
    factor = sp.sqrt(sum(g**2 for g in gradient)) ** (e.p - 2)
    flux = zip(gradient, (e.x, e.y, e.z), strict=True)
    return [-sp.Add(*(d(factor * g, s) for g, s in flux)) - 1, e.u]


def _minimal_surface(e: Names) -> list[sp.Expr]:
    gradient = [d(e.u, s) for s in (e.x, e.y)]
    root = sp.sqrt(1 + sum(g**2 for g in gradient))
    return [d(gradient[0] / root, e.x) + d(gradient[1] / root, e.y), e.u - e.x**2 + e.y]


def _fokker_planck(e: Names) -> list[sp.Expr]:
    xs = [getattr(e, f"x{i}") for i in range(1, 9)]
    mean = sum(xs) / 8
    return [
        d(e.p, e.t) + sum(d(-e.a * s * e.p, s) for s in xs) - e.D * _laplacian(e.p, *xs)
        + (sum(xs) - 8 * mean + mean) * e.p
    ]  # fmt: skip


def _vlasov(e: Names) -> list[sp.Expr]:
    return [
        d(e.f, e.t) + e.v1 * d(e.f, e.x1) + e.v2 * d(e.f, e.x2) + e.v3 * d(e.f, e.x3)
        - sp.sin(sp.pi * e.x1) * d(e.f, e.v1) - e.x3 * d(e.f, e.v3)
    ]  # fmt: skip


def _spherical(e: Names) -> list[sp.Expr]:
    r, a = e.r, e.θ
    return [
        -d(e.ψ, e.t, 2) + d(r**2 * d(e.ψ, r), r) / r**2
        + d(sp.sin(a) * d(e.ψ, a), a) / (r**2 * sp.sin(a))
        + d(e.ψ, e.φ, 2) / (r * sp.sin(a)) ** 2
    ]  # fmt: skip


def _boussinesq(e: Names) -> list[sp.Expr]:
    a, b = e.v_x, e.v_z

    def moved(q: sp.Expr) -> sp.Expr:
        return d(q, e.t) + a * d(q, e.x) + b * d(q, e.z)

    return [
        moved(a) + d(e.p, e.x) - e.Pr * _laplacian(a, e.x, e.z),
        moved(b) + d(e.p, e.z) - e.Pr * _laplacian(b, e.x, e.z) - e.Pr * e.Ra * e.Θ,
        moved(e.Θ) - _laplacian(e.Θ, e.x, e.z),
        d(a, e.x) + d(b, e.z),
    ]


HAND: dict[str, Hand] = {
    "advection_diffusion": lambda e: [
        d(e.c, e.t)
        + d(d((sp.sin(sp.pi * e.x) * sp.sin(sp.pi * e.y)) ** 2, e.y) * e.c, e.x)
        - d(d((sp.sin(sp.pi * e.x) * sp.sin(sp.pi * e.y)) ** 2, e.x) * e.c, e.y)
        - e.D * _laplacian(e.c, e.x, e.y),
        e.normal("x") * d(e.c, e.x) + e.normal("y") * d(e.c, e.y),
    ],
    "allen_cahn": lambda e: [
        d(e.u, e.t) - e.ε**2 * _laplacian(e.u, e.x, e.y) - e.u + e.u**3,
    ],
    "beam": lambda e: [
        d(e.B * (1 + e.x / (2 * e.L)) * d(e.w, e.x, 2), e.x, 2) - e.q,
        e.w,
        e.normal("x") * d(e.w, e.x),
        d(e.w, e.x, 2),
        d(e.B * (1 + e.x / (2 * e.L)) * d(e.w, e.x, 2), e.x),
    ],
    "boussinesq": _boussinesq,
    "burgers": lambda e: [d(e.u, e.t) + e.u * d(e.u, e.x) - e.ν * d(e.u, e.x, 2)],
    "burgers_conservative": lambda e: [
        d(e.u, e.t) + d(e.u**2 / 2, e.x) - e.ν * d(e.u, e.x, 2)
    ],
    "cahn_hilliard": lambda e: [
        d(e.c, e.t) - e.M * _laplacian(e.c**3 - e.c, e.x, e.y)
        + e.M * e.γ * _laplacian(_laplacian(e.c, e.x, e.y), e.x, e.y)
    ],
    "disk_with_hole": lambda e: [
        d(e.u, e.t) - _laplacian(e.u, e.x, e.y) - e.r * e.u * (1 - e.u), e.u,
    ],
    "eikonal": lambda e: [
        d(e.τ, e.x) ** 2 + d(e.τ, e.y) ** 2 - 1 / (1 + (e.x + e.y) ** 2 / 2) ** 2
        - _laplacian(e.τ, e.x, e.y) / 50
    ],
    "elasticity": _elastic,
    "fokker_planck": _fokker_planck,
    "gray_scott": lambda e: [
        d(e.u, e.t) - e.D_u * _laplacian(e.u, e.x, e.y) + e.u * e.v**2 - e.F * (1 - e.u),
        d(e.v, e.t) - e.D_v * _laplacian(e.v, e.x, e.y) - e.u * e.v**2 + (e.F + e.k) * e.v,
    ],
    "heat": lambda e: [
        d(e.T, e.t) - e.κ * d(e.T, e.x, 2),
        e.T - e.T0,
        -e.κ * e.normal("x") * d(e.T, e.x) - e.h * (e.T - e.T0),
        e.T - e.T0 - sp.sin(sp.pi * e.x),
    ],
    "kdv": lambda e: [d(e.η, e.t) + 6 * e.η * d(e.η, e.x) + d(e.η, e.x, 3)],
    "learned_kuramoto_sivashinsky": lambda e: [
        d(e.u, e.t) + d(e.u, e.x, 2) + d(e.u, e.x, 4) - e.N
    ],
    "level_set": _minimal_surface,
    "lotka_volterra": lambda e: [
        d(e.hare, e.t) - e.α * e.hare + e.β * e.hare * e.lynx,
        d(e.lynx, e.t) + e.γ * e.lynx - e.δ * e.hare * e.lynx,
    ],
    "maxwell_2d": lambda e: [
        d(e.B_x, e.t) + d(e.E, e.y),
        d(e.B_y, e.t) - d(e.E, e.x),
        d(e.E, e.t) - d(e.B_y, e.x) + d(e.B_x, e.y),
        e.E,
    ],
    "maxwell_3d": _maxwell,
    "names": lambda e: [
        _laplacian(e.u_1, e.x1, e.x_2) - d(e.u2x, e.x1),
        _laplacian(e.u2x, e.x1, e.x_2) - d(e.φ_out, e.x_2),
        _laplacian(e.φ_out, e.x1, e.x_2) - d(e.u_1, e.x1, e.x_2),
    ],
    "navier_stokes": _navier_stokes,
    "p_laplacian": _p_laplacian,
    "plate_simply_supported": lambda e: [
        _laplacian(_laplacian(e.w, e.x, e.y), e.x, e.y) - 1, e.w, _laplacian(e.w, e.x, e.y),
    ],
    "polar_line_element": lambda e: [
        d(e.r * d(e.u, e.r), e.r) / e.r + d(e.u, e.θ, 2) / e.r**2,
        e.u - sp.cos(2 * e.θ), d(e.u, e.r),
    ],
    "porous_medium": lambda e: [
        d(e.u, e.t) - d(e.u**e.m * d(e.u, e.x), e.x) - d(e.u**e.m * d(e.u, e.y), e.y)
    ],
    "schroedinger": lambda e: [
        d(e.a, e.t) + d(e.b, e.x, 2) / 2 - e.x**2 / 2 * e.b,
        -d(e.b, e.t) + d(e.a, e.x, 2) / 2 - e.x**2 / 2 * e.a,
    ],
    "spherical_wave": _spherical,
    "stokes_channel": lambda e: [
        -e.μ * _laplacian(e.v_x, e.x, e.y) + d(e.p, e.x),
        -e.μ * _laplacian(e.v_y, e.x, e.y) + d(e.p, e.y),
        d(e.v_x, e.x) + d(e.v_y, e.y),
        e.v_x - 4 * e.y * (e.H - e.y) / e.H**2,
        e.v_y,
    ],
    "vlasov": _vlasov,
    "wave": lambda e: [d(e.w, e.t, 2) - e.c**2 * _laplacian(e.w, e.x, e.y), e.w],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HAND))
def test_rows_equal_the_textbook(name: str) -> None:
    (path,) = [p for p in EXAMPLES if p.stem == name]
    system = normalise(read(path))
    fields = concrete_fields(system)
    symbols = {s.name: s for s in system.space.coordinates}
    symbols |= {p.name: p.symbol for p in system.problem.parameters}
    hand = HAND[name](Names({**symbols, **fields}))
    assert len(hand) >= len(system.rows)
    for expected, row in zip(hand, system.all_rows, strict=False):
        found = row_value(system, row, fields)
        values = values_of(found.free_symbols | expected.free_symbols)
        assert number(found - expected, values) == pytest.approx(0, abs=1e-12), row.name


def test_the_normal_derivative_with_a_metric_has_unit_length() -> None:
    """On r = 1, θ = const of polar coordinates ∂n is ∂r, and ∂θ / r on θ = const."""
    system = system_of(
        "domain:\n    r ∈ [1, 2]\n    θ ∈ [0, 1]\n\nmetric:\n    ds² = dr² + r² dθ²\n\n"
        "fields:\n    u(r, θ) : scalar\n\nequations:\n    ∇·((1 + r) ∇u) = 0\n\n"
        "boundary:\n    ∂n u = 0 on ∂Ω\n"
    )
    r, a = system.space.coordinates
    u = concrete_fields(system)["u"]
    flux = row_value(system, system.boundary[0], {"u": u})
    n, m = sp.symbols("n[r] n[θ]", real=True)
    at = {r: sp.Rational(3, 2), a: sp.Rational(1, 3)}
    assert number(flux.xreplace({n: sp.S.One, m: sp.S.Zero}) - d(u, r), at) == pytest.approx(0)
    assert number(flux.xreplace({n: sp.S.Zero, m: sp.S.One}) - d(u, a) / r, at) == pytest.approx(0)
    inner = row_value(system, system.rows[0], {"u": u})
    textbook = d(r * (1 + r) * d(u, r), r) / r + d((1 + r) * d(u, a), a) / r**2
    assert number(inner - textbook, at) == pytest.approx(0, abs=1e-12)


def test_schwarzschild_in_two_charts_is_one_equation() -> None:
    """□ of one function in the Cartesian-like chart and in the spherical one."""
    head = "parameters:\n    M = 0.5\n\ndomain:\n"
    tail = "\n\ninitial:\n    φ = 0\n    ∂t φ = 0\n"
    flat = system_of(
        head + "    x, y, z ∈ [2, 3]\n    t ∈ [0, 1]\n\nmetric:\n    g = schwarzschild(mass=M)\n\n"
        "fields:\n    φ(t, x, y, z) : scalar\n\nequations:\n    □φ = 0" + tail
    )
    round_ = system_of(
        head + "    r ∈ [2, 3]\n    θ ∈ [1, 2]\n    α ∈ [0, 1]\n    t ∈ [0, 1]\n\n"
        'metric:\n    g = schwarzschild(mass=M, chart="spherical")\n\n'
        "fields:\n    φ(t, r, θ, α) : scalar\n\nequations:\n    □φ = 0" + tail
    )
    t, x, y, z = flat.space.coordinates
    s, r, a, b = round_.space.coordinates
    field = sp.sin(x + 2 * y - z / 3) * sp.exp(-t / 2) + x * z
    arms = {x: r * sp.sin(a) * sp.cos(b), y: r * sp.sin(a) * sp.sin(b), z: r * sp.cos(a), t: s}
    at = {r: 2.5, a: 1.2, b: 0.4, s: 0.3, sp.Symbol("M", real=True): 0.5}
    there = {k: v.xreplace(at) for k, v in arms.items()}
    there[sp.Symbol("M", real=True)] = 0.5
    first = number(row_value(flat, flat.rows[0], {"φ": field}), there)
    second = number(row_value(round_, round_.rows[0], {"φ": sp.expand(field.xreplace(arms))}), at)
    assert first == pytest.approx(second, rel=1e-10)
