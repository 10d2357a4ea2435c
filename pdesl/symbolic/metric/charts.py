"""The metrics that have names, one function a chart, each with inverse, det g and √|det g|.

Units have G = c = 1. Every function takes the time coordinate (None in space alone), the
coordinates of space in the order of the chart, and the metric's options. That each inverse and
determinant belongs to its matrix is tested at random points in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sympy

from pdesl.symbolic.metric.matrix import Landmark, Metric

__all__ = [
    "anti_de_sitter_global", "anti_de_sitter_poincare", "boyer_lindquist", "cartesian",
    "cylindrical", "flrw_cartesian", "flrw_spherical", "kerr_schild", "kerr_schild_spherical",
    "polar", "sphere", "spherical", "static", "stereographic", "torus",
]  # fmt: skip

Matrix = sympy.ImmutableDenseMatrix
Symbols = Sequence[sympy.Symbol]
Expr = sympy.Expr
ORIGIN = "the centre, r = 0"
AXIS = "the axis, sin({}) = 0"


def _with_volume(
    metric: Metric, volume: Expr, *landmarks: Landmark, radius: Expr | None = None
) -> Metric:
    """A metric with its √|det g| and landmarks; `radius` is named r where it is a square root."""
    roots: tuple[tuple[str | Expr, Expr], ...] = metric.roots
    if isinstance(radius, sympy.Pow) and radius.exp == sympy.Rational(1, 2):
        roots = (("r", radius.base),)
    return Metric(metric.matrix, metric.inverse, metric.determinant, volume, metric.space,
                  landmarks, roots)  # fmt: skip


def _arms(space: Symbols, center: Sequence[Expr]) -> list[Expr]:
    return [x - c for x, c in zip(space, center, strict=True)]


def _length(arms: Sequence[Expr]) -> Expr:
    return sympy.sqrt(sympy.Add(*(a**2 for a in arms)))


def _axis(angle: sympy.Symbol) -> Landmark:
    return Landmark(AXIS.format(angle.name), sympy.sin(angle))


# -- flat space and surfaces ---------------------------------------------------------------


def cartesian(time: sympy.Symbol | None, space: Symbols) -> Metric:
    """Σ dx_i²."""
    return _with_volume(Metric.diagonal(*(sympy.S.One for _ in space)), sympy.S.One)


def polar(time: sympy.Symbol | None, space: Symbols) -> Metric:
    """dr² + r² dφ²."""
    r, _ = space
    return _with_volume(Metric.diagonal(sympy.S.One, r**2), r, Landmark(ORIGIN, r))


def cylindrical(time: sympy.Symbol | None, space: Symbols) -> Metric:
    """dr² + r² dφ² + dz²."""
    r = space[0]
    flat = Metric.diagonal(sympy.S.One, r**2, sympy.S.One)
    return _with_volume(flat, r, Landmark("the axis, r = 0", r))


def spherical(time: sympy.Symbol | None, space: Symbols) -> Metric:
    """dr² + r² (dθ² + sin²θ dφ²)."""
    r, polar_angle, _ = space
    sine = sympy.sin(polar_angle)
    flat = Metric.diagonal(sympy.S.One, r**2, r**2 * sine**2)
    return _with_volume(flat, r**2 * sine, Landmark(ORIGIN, r), _axis(polar_angle))


def sphere(time: sympy.Symbol | None, space: Symbols, radius: Expr) -> Metric:
    """R² (dθ² + sin²θ dφ²)."""
    sine = sympy.sin(space[0])
    surface = Metric.diagonal(radius**2, radius**2 * sine**2)
    return _with_volume(surface, radius**2 * sine, _axis(space[0]))


def stereographic(time: sympy.Symbol | None, space: Symbols, radius: Expr) -> Metric:
    """4 R⁴ (dx² + dy²)/(R² + x² + y²)²: the sphere from one pole onto the plane of its equator."""
    x, y = space
    factor = (2 * radius**2 / (radius**2 + x**2 + y**2)) ** 2
    return _with_volume(Metric.diagonal(factor, factor), factor)


def torus(time: sympy.Symbol | None, space: Symbols, major: Expr, minor: Expr) -> Metric:
    """r² dθ² + (R + r cos θ)² dφ², with R to the centre of the tube and r its radius."""
    arm = major + minor * sympy.cos(space[0])
    return _with_volume(Metric.diagonal(minor**2, arm**2), minor * arm)


# -- static black holes --------------------------------------------------------------------


def _from_shift(lapse: Expr, shift: Sequence[Expr], space: Metric) -> Metric:
    """ds² = −N² dt² + γ_ij (dx^i + β^i dt)(dx^j + β^j dt).

    E. Gourgoulhon, 3+1 Formalism in General Relativity, equations 5.14, 5.16 and 5.18.
    """
    size = len(shift)
    low = [sympy.Add(*(space.matrix[i, j] * shift[j] for j in range(size))) for i in range(size)]
    square = sympy.Add(*(a * b for a, b in zip(low, shift, strict=True)))
    matrix = sympy.zeros(size + 1, size + 1).as_mutable()
    inverse = matrix.copy()
    matrix[0, 0], inverse[0, 0] = square - lapse**2, -1 / lapse**2
    for i in range(size):
        matrix[0, i + 1] = matrix[i + 1, 0] = low[i]
        inverse[0, i + 1] = inverse[i + 1, 0] = shift[i] / lapse**2
        for j in range(size):
            matrix[i + 1, j + 1] = space.matrix[i, j]
            inverse[i + 1, j + 1] = space.inverse[i, j] - shift[i] * shift[j] / lapse**2
    volume = lapse * space.volume if space.volume is not None else None
    determinant = -(lapse**2) * space.determinant
    return Metric(Matrix(matrix), Matrix(inverse), determinant, volume, space)


def static(
    chart: str, time: sympy.Symbol | None, space: Symbols, mass: Expr, charge: Expr,
    center: Sequence[Expr],
) -> Metric:  # fmt: skip
    """ds² = −f dt² + dr²/f + r² dΩ² with f = 1 − 2M/r + Q²/r², in the chart of a name.

    Reissner and Nordström's black hole; Schwarzschild's for Q = 0 (C. W. Misner, K. S. Thorne,
    J. A. Wheeler, Gravitation, equations 31.1 and 33.2 to 33.5). The charts, n = x/r:

    - `spherical` as above; `cartesian` with x = r n: dx² + (1/f − 1) (n·dx)², det g = −1.
    - `isotropic`: R = r + M + (M² − Q²)/(4r) for the radius above in terms of that of the chart,
      −((r − (M² − Q²)/(4r))/R)² dt² + (R/r)² dx² (ibid., exercise 31.7 for Q = 0).
    - `painleve_gullstrand`: −dt² + (dx + √(1 − f) n dt)².
    - `kerr_schild`: −dt² + dx² + (1 − f) (dt + n·dx)², ingoing and regular at the horizon.

    With `_spherical` behind it, a chart has the coordinates r, θ, φ in place of x, y, z.
    """
    form = chart.removesuffix("_spherical")
    round_chart = form != chart or chart == "spherical"
    if round_chart:
        r = space[0]
        normal: list[Expr] = [sympy.S.One, sympy.S.Zero, sympy.S.Zero]
        flat = spherical(time, space)
        corners: tuple[Landmark, ...] = (_axis(space[1]),)
    else:
        arms = _arms(space, center)
        r = _length(arms)
        normal = [a / r for a in arms]
        flat = cartesian(time, space)
        corners = ()
    assert flat.volume is not None
    fall = 2 * mass / r - charge**2 / r**2
    f = 1 - fall
    whole = sympy.sqrt(mass**2 - charge**2) if charge != 0 else mass
    outer = mass + whole
    horizon = "the horizon, r = M + √(M² − Q²)" if charge != 0 else "the horizon, r = 2 M"
    landmarks = (
        Landmark(f"{horizon} =", r - outer, outer), Landmark(ORIGIN, r), *corners,
    )  # fmt: skip
    if charge != 0:
        inner = mass - whole
        words = "the inner horizon, r = M − √(M² − Q²) ="
        landmarks = (*landmarks, Landmark(words, r - inner, inner))
    if form == "isotropic":
        part = (mass**2 - charge**2) / (4 * r)
        radius = r + mass + part
        lapse, stretch = (r - part) / radius, (radius / r) ** 2
        volume = flat.volume * (radius / r) ** 3
        place = Landmark("the horizon, r = √(M² − Q²)/2 =", 2 * r - whole, whole / 2)
        if charge == 0:
            place = Landmark("the horizon, r = M/2 =", 2 * r - mass, mass / 2)
        here = _scaled(flat, stretch, volume)
        result = _joined(lapse**2, here)
        # √|g| = |N| √γ, and N changes its sign at the horizon
        return _with_volume(result, sympy.Abs(lapse) * volume, place, *landmarks[1:],
                            radius=r)  # fmt: skip
    if form == "painleve_gullstrand":
        speed = sympy.sqrt(fall)
        result = _from_shift(sympy.S.One, [speed * n for n in normal], flat)
        if charge != 0:
            ends = Landmark("the end of the chart, r = Q²/(2 M) =", 2 * mass * r - charge**2,
                            charge**2 / (2 * mass))  # fmt: skip
            landmarks = (*landmarks, ends)
        return _with_volume(result, flat.volume, *landmarks[1:], radius=r)
    if form == "kerr_schild":
        inner_space = flat.plus_dyad(fall, normal, raised=normal, square=sympy.S.One)
        result = flat.with_time().plus_dyad(
            fall, [sympy.S.One, *normal], raised=[-sympy.S.One, *normal], square=sympy.S.Zero,
            space=_with_volume(inner_space, flat.volume * sympy.sqrt(1 + fall)),
        )  # fmt: skip
        return _with_volume(result, flat.volume, *landmarks[1:], radius=r)
    # (1/f − 1) with one subtraction, that of the horizon
    rise = (2 * mass * r - charge**2) / (r**2 - 2 * mass * r + charge**2)
    if charge == 0:
        rise = 2 * mass / (r - 2 * mass)
    inner_space = flat.plus_dyad(rise, normal, raised=normal, square=sympy.S.One)
    if round_chart:
        around: list[Any] = [flat.matrix[1, 1], flat.matrix[2, 2]]
        inner_space = Metric.diagonal(1 / f, *around)
    else:
        inverse = Matrix(3, 3, lambda i, j: flat.inverse[i, j] - fall * (normal[i] * normal[j]))
        inner_space = Metric(inner_space.matrix, inverse, 1 / f)
    result = _joined(f, inner_space)
    return _with_volume(result, flat.volume, *landmarks, radius=r)


def _scaled(metric: Metric, factor: Expr, volume: Expr) -> Metric:
    """factor · g, with its √|det g|."""
    size = metric.matrix.rows
    return Metric(
        Matrix(metric.matrix.applyfunc(lambda e: factor * e)),
        Matrix(metric.inverse.applyfunc(lambda e: e / factor)),
        factor**size * metric.determinant, volume,
    )  # fmt: skip


def _joined(square: Expr, space: Metric) -> Metric:
    """−square dt² + the metric of space."""
    return Metric(
        Matrix(sympy.diag(-square, space.matrix)), Matrix(sympy.diag(-1 / square, space.inverse)),
        -(square * space.determinant), None, space,
    )  # fmt: skip


# -- rotating black holes ------------------------------------------------------------------


def kerr_schild(
    time: sympy.Symbol | None, space: Symbols, mass: Expr, spin: Expr, center: Sequence[Expr]
) -> Metric:
    """Kerr: η + 2H l l with H = M r³/(r⁴ + a²z²), r⁴ − (x² + y² + z² − a²) r² − a²z² = 0 and
    l = dt + (rx + ay)/(r² + a²) dx + (ry − ax)/(r² + a²) dy + z/r dz, det g = −1.

    R. P. Kerr, Physical Review Letters 11, 237 (1963); M. Visser, arXiv:0706.0622, equations 32
    to 35.
    """
    x, y, z = _arms(space, center)
    # With R² = x² + y² + z²: r² = ((R² − a²) + √((R² − a²)² + 4a²z²))/2.
    part = x**2 + y**2 + z**2 - spin**2
    square = (part + sympy.sqrt(part**2 + 4 * spin**2 * z**2)) / 2
    r = sympy.sqrt(square)
    normal: list[Expr] = [
        (r * x + spin * y) / (r**2 + spin**2), (r * y - spin * x) / (r**2 + spin**2), z / r,
    ]  # fmt: skip
    fall = 2 * mass * r**3 / (r**4 + spin**2 * z**2)
    flat = cartesian(time, space)
    inner = flat.plus_dyad(fall, normal, raised=normal, square=sympy.S.One)
    result = flat.with_time().plus_dyad(
        fall, [sympy.S.One, *normal], raised=[-sympy.S.One, *normal], square=sympy.S.Zero,
        space=_with_volume(inner, sympy.sqrt(1 + fall)),
    )  # fmt: skip
    ring = Landmark("the disk of the ring singularity, r = 0", r)
    named = sympy.Symbol("r", positive=True)
    roots = (
        ("w", part**2 + 4 * spin**2 * z**2),
        ("r", square),
        (named**2 + spin**2, r**2 + spin**2),
    )
    return replace(result, volume=sympy.S.One, landmarks=(ring,), roots=roots)


def kerr_schild_spherical(
    time: sympy.Symbol | None, space: Symbols, mass: Expr, spin: Expr, center: Sequence[Expr]
) -> Metric:
    """Kerr in the spheroidal coordinates of Kerr-Schild, regular at the horizon:

        −dt² + dr² + Σ dθ² + (r² + a²) sin²θ dφ² − 2a sin²θ dr dφ + (2Mr/Σ) (dt + dr − a sin²θ dφ)²

    with Σ = r² + a² cos²θ (M. Visser, arXiv:0706.0622, section 1.4; t is that of Kerr-Schild).
    """
    r, polar_angle, _ = space
    sine = sympy.sin(polar_angle) ** 2
    sigma = r**2 + spin**2 * sympy.cos(polar_angle) ** 2
    zero, one = sympy.S.Zero, sympy.S.One
    flat = Metric(
        Matrix([[one, zero, -spin * sine], [zero, sigma, zero],
                [-spin * sine, zero, (r**2 + spin**2) * sine]]),
        Matrix([[(r**2 + spin**2) / sigma, zero, spin / sigma], [zero, 1 / sigma, zero],
                [spin / sigma, zero, 1 / (sigma * sine)]]),
        sigma**2 * sine, sigma * sympy.sin(polar_angle),
    )  # fmt: skip
    low, high = [one, zero, -spin * sine], [one, zero, zero]
    fall = 2 * mass * r / sigma
    inner = flat.plus_dyad(fall, low, raised=high, square=one)
    volume = sigma * sympy.sin(polar_angle)
    result = flat.with_time().plus_dyad(
        fall, [one, *low], raised=[-one, *high], square=zero,
        space=_with_volume(inner, volume * sympy.sqrt(1 + fall)),
    )  # fmt: skip
    return _with_volume(result, volume, _ring(r, polar_angle, spin), _axis(polar_angle))


def _ring(r: Expr, polar_angle: sympy.Symbol, spin: Expr) -> Landmark:
    return Landmark("the ring singularity, r = 0 in the plane of the equator",
                    r**2 + spin**2 * sympy.cos(polar_angle) ** 2)  # fmt: skip


def boyer_lindquist(
    time: sympy.Symbol | None, space: Symbols, mass: Expr, spin: Expr, center: Sequence[Expr]
) -> Metric:
    """Kerr: −(1 − 2Mr/Σ) dt² − (4Mar sin²θ/Σ) dt dφ + (Σ/Δ) dr² + Σ dθ² + (A/Σ) sin²θ dφ²

    with Σ = r² + a² cos²θ, Δ = r² − 2Mr + a², A = (r² + a²)² − Δ a² sin²θ
    (R. H. Boyer, R. W. Lindquist, Journal of Mathematical Physics 8, 265 (1967)).
    """
    r, polar_angle, _ = space
    sine = sympy.sin(polar_angle) ** 2
    sigma = r**2 + spin**2 * sympy.cos(polar_angle) ** 2
    delta = r**2 - 2 * mass * r + spin**2
    big = (r**2 + spin**2) ** 2 - delta * spin**2 * sine
    drag = 2 * mass * spin * r / sigma
    matrix = sympy.diag(-1 + 2 * mass * r / sigma, sigma / delta, sigma, big * sine / sigma)
    inverse = sympy.diag(
        -big / (sigma * delta), delta / sigma, 1 / sigma,
        (delta - spin**2 * sine) / (sigma * delta * sine),
    )  # fmt: skip
    matrix, inverse = matrix.as_mutable(), inverse.as_mutable()
    matrix[0, 3] = matrix[3, 0] = -drag * sine
    inverse[0, 3] = inverse[3, 0] = -drag / delta
    outer = mass + sympy.sqrt(mass**2 - spin**2)
    inner = mass - sympy.sqrt(mass**2 - spin**2)
    return Metric(
        Matrix(matrix), Matrix(inverse), -(sigma**2) * sine, sigma * sympy.sin(polar_angle), None,
        (
            Landmark("the horizon, r = M + √(M² − a²) =", r - outer, outer),
            Landmark("the inner horizon, r = M − √(M² − a²) =", r - inner, inner),
            _ring(r, polar_angle, spin), _axis(polar_angle),
        ),
    )  # fmt: skip


# -- cosmology -----------------------------------------------------------------------------


def _lapse(scale: Expr, time: str) -> Expr:
    return scale if time == "conformal" else sympy.S.One


def flrw_cartesian(
    moment: sympy.Symbol | None, space: Symbols, scale: Expr, curvature: Expr, time: str
) -> Metric:
    """−dt² + a² dx²/(1 + kρ²/4)² with ρ = |x|; conformal time has −a² dt²."""
    square = sympy.Add(*(x**2 for x in space))
    stretch = scale / (1 + curvature * square / 4)
    volume = sympy.Abs(stretch) ** len(space)
    here = _scaled(cartesian(moment, space), stretch**2, volume)
    lapse = _lapse(scale, time)
    result = _joined(lapse**2, here)
    end = Landmark("the point opposite, 1 + k r²/4 = 0", 1 + curvature * square / 4)
    return _with_volume(result, sympy.Abs(lapse) * volume, _bang(scale), end)


def _bang(scale: Expr) -> Landmark:
    return Landmark("the singularity where the scale factor vanishes", scale)


def flrw_spherical(
    moment: sympy.Symbol | None, space: Symbols, scale: Expr, curvature: Expr, time: str
) -> Metric:
    """−dt² + a² (dr²/(1 − k r²) + r² dΩ²); conformal time has −a² dt².

    S. Weinberg, Cosmology, equation 1.1.11.
    """
    r, polar_angle, _ = space
    sine = sympy.sin(polar_angle)
    bend = 1 - curvature * r**2
    lapse = _lapse(scale, time)
    result = Metric.diagonal(
        -(lapse**2), scale**2 / bend, scale**2 * r**2, scale**2 * r**2 * sine**2
    )  # fmt: skip
    volume = sympy.Abs(lapse) * sympy.Abs(scale) ** 3 * r**2 * sine / sympy.sqrt(bend)
    return _with_volume(
        result, volume, _bang(scale), Landmark("the equator, k r² = 1", bend), Landmark(ORIGIN, r),
        _axis(polar_angle),
    )  # fmt: skip


def anti_de_sitter_global(time: sympy.Symbol | None, space: Symbols, radius: Expr) -> Metric:
    """−f dt² + dr²/f + r² dΩ² with f = 1 + r²/L²."""
    r, polar_angle, _ = space
    f = 1 + r**2 / radius**2
    sine = sympy.sin(polar_angle)
    result = Metric.diagonal(-f, 1 / f, r**2, r**2 * sine**2)
    return _with_volume(result, r**2 * sine, Landmark(ORIGIN, r), _axis(polar_angle))


def anti_de_sitter_poincare(time: sympy.Symbol | None, space: Symbols, radius: Expr) -> Metric:
    """(L/z)² (−dt² + Σ dx_i² + dz²), z the last coordinate."""
    z = space[-1]
    factor = (radius / z) ** 2
    result = Metric.diagonal(-factor, *(factor for _ in space))
    boundary = Landmark("the boundary of anti-de Sitter space, z = 0", z)
    return _with_volume(result, (radius / z) ** (len(space) + 1), boundary)


def named_chart(build: Callable[..., Metric], chart: str) -> Callable[..., Metric]:
    """A function of several charts for one of them."""

    def make(time: sympy.Symbol | None, space: Symbols, **options: Any) -> Metric:
        return build(chart, time, space, **options)

    return make
