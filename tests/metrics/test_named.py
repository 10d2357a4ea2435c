"""Metrics by name: inverse and determinant, vacuum and flatness, limits, changes of chart."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import sympy

from pdesl.symbolic.metric import Metric
from tests.metrics.exact import (
    CARTESIAN,
    CHARGE,
    CHARTS,
    MASS,
    ROUND,
    SPHEROIDAL,
    SPIN,
    F,
    Table,
    Values,
    build,
    determinant,
    evaluate,
    point,
    product,
    t,
    table,
    transposed,
    x,
    y,
    z,
)  # fmt: skip

STATIC = ("isotropic", "painleve_gullstrand", "kerr_schild")


def _is_one(a: Table) -> bool:
    return all(e == (i == j) for i, row in enumerate(a) for j, e in enumerate(row))


@pytest.mark.parametrize(("name", "chart"), CHARTS)
def test_inverse_determinant_and_volume(name: str, chart: str) -> None:
    metric, _ = build(name, chart)
    values = point(name, chart)
    matrix = table(metric.matrix, values)
    assert matrix == transposed(matrix)
    assert _is_one(product(matrix, table(metric.inverse, values)))
    assert evaluate(metric.determinant, values) == determinant(matrix)
    assert evaluate(metric.density, values) ** 2 == abs(determinant(matrix))
    assert evaluate(metric.density, values) > 0


@pytest.mark.parametrize(("name", "chart"), CHARTS)
def test_the_metric_that_it_induces_on_space(name: str, chart: str) -> None:
    metric, coordinates = build(name, chart)
    values = point(name, chart)
    inner = metric.restricted(range(1, len(coordinates)))
    matrix = [row[1:] for row in table(metric.matrix, values)[1:]]
    assert table(inner.matrix, values) == matrix
    assert _is_one(product(matrix, table(inner.inverse, values)))
    assert evaluate(inner.determinant, values) == determinant(matrix)
    if inner.volume is not None and not inner.volume.has(sympy.sqrt(inner.determinant)):
        ratio = inner.volume**2 / inner.determinant
        assert evaluate(ratio, values) == 1


# -- curvature -----------------------------------------------------------------------------


def _riemann(metric: Metric, coordinates: tuple[Any, ...], values: Values) -> Any:
    """R_{ijkl} at a point from the entries and their first and second derivatives there.

    R_{ijkl} = ½ (∂_j∂_k g_il + ∂_i∂_l g_jk − ∂_i∂_k g_jl − ∂_j∂_l g_ik)
             + g^{mn} (Γ_{mjk} Γ_{nil} − Γ_{mjl} Γ_{nik})
    (L. D. Landau, E. M. Lifshitz, The Classical Theory of Fields, equation 92.1).
    """
    size = range(len(coordinates))
    memo: dict[Any, Fraction] = {}
    first: dict[tuple[int, ...], Any] = {}
    second: dict[tuple[int, ...], Fraction] = {}
    matrix: Any = metric.matrix
    for i in size:
        for j in size:
            for k in size:
                slope = sympy.diff(matrix[i, j], coordinates[k]) if j >= i else None
                if slope is None:
                    first[i, j, k] = first[j, i, k]
                else:
                    first[i, j, k] = evaluate(slope, values, memo)
                for m in size:
                    if slope is None:
                        second[i, j, k, m] = second[j, i, k, m]
                    elif m < k:
                        second[i, j, k, m] = second[i, j, m, k]
                    else:
                        bend = sympy.diff(slope, coordinates[m])
                        second[i, j, k, m] = evaluate(bend, values, memo)
    low = {(m, i, j): (first[m, i, j] + first[m, j, i] - first[i, j, m]) / 2
           for m in size for i in size for j in size}  # fmt: skip
    inverse = table(metric.inverse, values)
    high = {(n, i, j): sum((inverse[m][n] * low[m, i, j] for m in size), F(0))
            for n in size for i in size for j in size}  # fmt: skip
    return {
        (i, j, k, m): (second[i, m, j, k] + second[j, k, i, m]
                       - second[j, m, i, k] - second[i, k, j, m]) / 2
        + sum((low[n, j, k] * high[n, i, m] - low[n, j, m] * high[n, i, k] for n in size), F(0))
        for i in size for j in size for k in size for m in size
    }  # fmt: skip


def _ricci(
    metric: Metric, coordinates: tuple[Any, ...], values: Values, riemann: Any = None
) -> Table:
    riemann = riemann or _riemann(metric, coordinates, values)
    inverse = table(metric.inverse, values)
    size = range(len(coordinates))
    return [
        [sum((inverse[i][k] * riemann[i, j, k, m] for i in size for k in size), F(0))
         for m in size] for j in size
    ]  # fmt: skip


VACUUM = [(n, c) for n, c in CHARTS if n in ("schwarzschild", "kerr")]


@pytest.mark.parametrize(("name", "chart"), VACUUM)
def test_black_holes_in_vacuum_are_ricci_flat(name: str, chart: str) -> None:
    metric, coordinates = build(name, chart)
    values = point(name, chart)
    riemann = _riemann(metric, coordinates, values)
    assert any(e != 0 for e in riemann.values())
    assert all(e == 0 for row in _ricci(metric, coordinates, values, riemann) for e in row)


@pytest.mark.parametrize(("name", "chart"), [(n, c) for n, c in CHARTS
                                             if n in ("flat", "minkowski")])  # fmt: skip
def test_flat_charts_have_no_curvature(name: str, chart: str) -> None:
    metric, coordinates = build(name, chart)
    assert all(e == 0 for e in _riemann(metric, coordinates, point(name, chart)).values())


@pytest.mark.parametrize("chart", ["spherical", "isotropic", "kerr_schild"])
def test_a_charge_curves_space_by_its_field(chart: str) -> None:
    """R_μν = 2 T_μν of an electric field Q/r²: no trace, and R_μν R^μν = 4 Q⁴/R⁸."""
    metric, coordinates = build("reissner_nordstrom", chart)
    values = point("reissner_nordstrom", chart)
    mixed = product(table(metric.inverse, values), _ricci(metric, coordinates, values))
    assert sum(mixed[i][i] for i in range(4)) == 0
    radius = F(3)
    if chart == "isotropic":
        radius += values[MASS] + (values[MASS] ** 2 - values[CHARGE] ** 2) / 12
    square = product(mixed, mixed)
    assert sum(square[i][i] for i in range(4)) == 4 * values[CHARGE] ** 4 / radius**8


@pytest.mark.parametrize("chart", ["global", "poincare"])
def test_anti_de_sitter_space_has_constant_curvature(chart: str) -> None:
    """R_{ijkl} = −(g_ik g_jl − g_il g_jk)/L²."""
    metric, coordinates = build("anti_de_sitter", chart)
    values = point("anti_de_sitter", chart)
    g = table(metric.matrix, values)
    share = -1 / F(7, 3) ** 2
    for (i, j, k, m), e in _riemann(metric, coordinates, values).items():
        assert e == share * (g[i][k] * g[j][m] - g[i][m] * g[j][k])


@pytest.mark.parametrize(("name", "chart"), [("sphere", "spherical"), ("sphere", "stereographic"),
                                             ("torus", "angles")])  # fmt: skip
def test_the_curvature_of_surfaces(name: str, chart: str) -> None:
    """Gauss's curvature is R_{θφθφ}/det γ: 1/R², and cos θ/(r (R + r cos θ))."""
    metric, coordinates = build(name, chart)
    values = point(name, chart)
    inner = metric.restricted((1, 2))
    riemann = _riemann(inner, coordinates[1:], values)
    curvature = riemann[0, 1, 0, 1] / evaluate(inner.determinant, values)
    cosine = F(12, 13)
    torus = cosine / (F(3, 2) * (3 + F(3, 2) * cosine))
    assert curvature == (1 / F(7, 3) ** 2 if name == "sphere" else torus)


@pytest.mark.parametrize("time", ["cosmic", "conformal"])
@pytest.mark.parametrize("chart", ["cartesian", "spherical"])
def test_friedmann_s_equation(chart: str, time: str) -> None:
    """G_00 = 3 (ȧ² + k)/a² in cosmic time; in conformal time a² times that with ȧ → a′/a."""
    metric, coordinates = build("flrw", chart, time=time)
    values = point("flrw", chart)
    ricci = _ricci(metric, coordinates, values)
    g = table(metric.matrix, values)
    scalar = sum(product(table(metric.inverse, values), ricci)[i][i] for i in range(4))
    moment, k = values[t], F(1, 12)
    a, slope = 1 + moment**2, 2 * moment
    speed = slope if time == "cosmic" else slope / a
    wanted = 3 * (speed**2 + k) / a**2 * (1 if time == "cosmic" else a**2)
    assert ricci[0][0] - scalar * g[0][0] / 2 == wanted


# -- limits and changes of chart -----------------------------------------------------------


def _pulled_back(metric: Table, jacobian: Table) -> Table:
    return product(transposed(jacobian), product(metric, jacobian))


def _round_map(radius: Any, spin: Any, values: Values) -> tuple[dict[Any, Fraction], Table]:
    """x + iy = (r + ia) sin θ exp(iφ), z = r cos θ at an angle φ: the point and ∂(x, y, z)/∂(…)."""
    r, theta, phi = sympy.symbols("r theta phi", real=True)
    circle = {sympy.sin(phi): F(8, 17), sympy.cos(phi): F(15, 17)}
    own: Any = {r: radius, sympy.sin(theta): values[sympy.sin(y)],
                sympy.cos(theta): values[sympy.cos(y)], **circle}  # fmt: skip
    a = sympy.Rational(spin.numerator, spin.denominator)
    sine, cosine = sympy.sin(phi), sympy.cos(phi)
    images = [
        (r * cosine - a * sine) * sympy.sin(theta), (r * sine + a * cosine) * sympy.sin(theta),
        r * sympy.cos(theta),
    ]  # fmt: skip
    place = {s: evaluate(e, own) for s, e in zip((x, y, z), images, strict=True)}
    inner = [[evaluate(sympy.diff(e, s), own) for s in (r, theta, phi)] for e in images]
    zero = F(0)
    return place, [[F(1), zero, zero, zero], *([zero, *row] for row in inner)]


@pytest.mark.parametrize("name", ["schwarzschild", "reissner_nordstrom"])
@pytest.mark.parametrize("chart", ["cartesian", *STATIC])
def test_cartesian_and_spherical_charts_agree(name: str, chart: str) -> None:
    partner = "spherical" if chart == "cartesian" else f"{chart}_spherical"
    values = point(name, partner)
    place, jacobian = _round_map(values[x], F(0), values)
    here = table(build(name, chart)[0].matrix, {**values, **place})
    assert _pulled_back(here, jacobian) == table(build(name, partner)[0].matrix, values)


def test_the_two_kerr_schild_charts_agree() -> None:
    values = ROUND
    place, jacobian = _round_map(values[x], values[SPIN], values)
    here = table(build("kerr", "kerr_schild")[0].matrix, {**values, **place})
    there = table(build("kerr", "kerr_schild_spherical")[0].matrix, values)
    assert _pulled_back(here, jacobian) == there


def test_boyer_lindquist_is_kerr_schild() -> None:
    """dt = dt' + 2Mr/Δ dr, dφ = dφ' + a/Δ dr (M. Visser, arXiv:0706.0622, equations 57, 58)."""
    values = {**ROUND, MASS: F(1, 3), SPIN: F(4)}
    r, mass, spin = values[x], values[MASS], values[SPIN]
    delta = r**2 - 2 * mass * r + spin**2
    jacobian = [[F(int(i == j)) for j in range(4)] for i in range(4)]
    jacobian[0][1], jacobian[3][1] = 2 * mass * r / delta, spin / delta
    there = table(build("kerr", "kerr_schild_spherical")[0].matrix, values)
    here = table(build("kerr", "boyer_lindquist")[0].matrix, values)
    assert _pulled_back(there, jacobian) == here


@pytest.mark.parametrize("name", ["schwarzschild", "reissner_nordstrom"])
def test_charts_of_static_holes_agree(name: str) -> None:
    """By t' = t + h(r) and, for the isotropic chart, R = r + M + (M² − Q²)/(4r)."""
    charge = F(0) if name == "schwarzschild" else F(1)
    values = {**ROUND, MASS: F(3, 8), CHARGE: charge}
    if charge:
        values[MASS] = F(1, 3)
    r, mass = values[x], values[MASS]
    spherical = table(build(name, "spherical")[0].matrix, values)
    fall = 2 * mass / r - charge**2 / r**2
    root = F(1, 2) if name == "schwarzschild" else F(1, 3)
    assert root**2 == fall
    for chart, slope in (("kerr_schild_spherical", fall / (1 - fall)),
                         ("painleve_gullstrand_spherical", root / (1 - fall))):  # fmt: skip
        jacobian = [[F(int(i == j)) for j in range(4)] for i in range(4)]
        jacobian[0][1] = slope
        there = table(build(name, chart)[0].matrix, values)
        assert _pulled_back(there, jacobian) == spherical
    part = (mass**2 - charge**2) / (4 * r)
    jacobian = [[F(int(i == j)) for j in range(4)] for i in range(4)]
    jacobian[1][1] = 1 - part / r
    there = table(build(name, "spherical")[0].matrix, {**values, x: r + mass + part})
    here = table(build(name, "isotropic_spherical")[0].matrix, values)
    assert _pulled_back(there, jacobian) == here


@pytest.mark.parametrize(
    ("chart", "partner"),
    [("kerr_schild", "kerr_schild"), ("kerr_schild_spherical", "kerr_schild_spherical"),
     ("boyer_lindquist", "spherical")],
)  # fmt: skip
def test_kerr_without_spin_is_schwarzschild(chart: str, partner: str) -> None:
    values = CARTESIAN if chart == "kerr_schild" else {**ROUND, SPIN: F(0)}
    kerr, _ = build("kerr", chart, spin=sympy.S.Zero)
    other, _ = build("schwarzschild", partner)
    assert table(kerr.matrix, values) == table(other.matrix, values)
    assert table(kerr.inverse, values) == table(other.inverse, values)


def test_a_black_hole_without_mass_is_flat() -> None:
    values = {**SPHEROIDAL, MASS: F(0)}
    kerr, _ = build("kerr", "kerr_schild")
    flat, _ = build("minkowski", "cartesian")
    assert table(kerr.matrix, values) == table(flat.matrix, values)


@pytest.mark.parametrize("chart", [c for n, c in CHARTS if n == "schwarzschild"])
def test_a_hole_without_charge_is_schwarzschild(chart: str) -> None:
    values = {**point("schwarzschild", chart), CHARGE: F(0)}
    charged, _ = build("reissner_nordstrom", chart)
    plain, _ = build("schwarzschild", chart)
    assert table(charged.matrix, values) == table(plain.matrix, values)
    assert table(charged.inverse, values) == table(plain.inverse, values)


@pytest.mark.parametrize(("name", "chart"), CHARTS)
def test_landmarks_are_where_they_say(name: str, chart: str) -> None:
    """A horizon's level vanishes at its value of r: there g or its inverse is unbounded."""
    metric, coordinates = build(name, chart, charge=sympy.Rational(1, 5), mass=sympy.S.Half,
                                spin=sympy.Rational(3, 10))  # fmt: skip
    for landmark in metric.landmarks:
        assert landmark.level.free_symbols <= set(coordinates)
        if landmark.value is not None and x in landmark.level.free_symbols:
            line: Any = {y: sympy.S.Half if not landmark.level.has(z) else 0, z: 0}
            level: Any = landmark.level.xreplace({**line, x: landmark.value})
            assert abs(complex(level)) < 1e-12
