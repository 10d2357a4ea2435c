"""The table of metrics by name: their charts, the coordinates of each, their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy

from pdesl.symbolic.metric import charts
from pdesl.symbolic.metric.matrix import Metric

__all__ = ["METRICS", "Chart", "MetricOption", "NamedMetric", "Role", "describe_metrics"]


@dataclass(frozen=True, slots=True)
class Role:
    """A coordinate of a chart: the name that books give it, and the range that it covers.

    An angle that closes after `period` may run over that much at the most.
    """

    name: str
    lower: sympy.Expr | None = None
    upper: sympy.Expr | None = None
    period: sympy.Expr | None = None


RADIUS = Role("r", lower=sympy.S.Zero)
POLAR = Role("θ", sympy.S.Zero, sympy.pi)
AZIMUTH = Role("φ", period=2 * sympy.pi)
HEIGHT = Role("z")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its coordinates of space by role, or how many Cartesian ones it may have.

    `build` takes the symbol of time (None without one), those of space, and the options; `last`
    is the role of the last of the Cartesian coordinates, if it has one.
    """

    build: Callable[..., Metric]
    roles: tuple[Role, ...] = ()
    dimensions: tuple[int, int] = (1, 64)
    words: str = ""
    last: Role | None = None

    def role(self, position: int, count: int) -> Role | None:
        """The role of one of `count` coordinates, None where it may be any."""
        if self.roles:
            return self.roles[position]
        return self.last if position == count - 1 else None

    @property
    def count(self) -> tuple[int, int]:
        """The least and the greatest number of coordinates of space."""
        return (len(self.roles), len(self.roles)) if self.roles else self.dimensions


@dataclass(frozen=True, slots=True)
class MetricOption:
    """An option: its default (None: must be given) and what it may be.

    `sort` is `number` (parameters allowed), `function` (of time and parameters), `point` or
    `word`; `positive` numbers are greater than zero, and less than the option `below`.
    """

    sort: str
    default: Any = None
    words: str = ""
    choices: tuple[str, ...] = ()
    positive: bool = False
    below: str = ""


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """One entry of `METRICS`.

    `time` tells whether the metric is one of space-time; one of space may stand beside a time,
    which is then apart, −dt² + the metric.
    """

    name: str
    charts: Mapping[str, Chart]
    options: Mapping[str, MetricOption] = field(default_factory=dict)
    time: bool = True
    words: str = ""


_ROUND = (RADIUS, POLAR, AZIMUTH)
_THREE = (3, 3)
_MASS = MetricOption("number", words="mass M")
_CENTER = MetricOption(
    "point", (sympy.S.Zero,) * 3, "where r = 0, in a chart with Cartesian coordinates"
)
_RADIUS = MetricOption("number", sympy.S.One, "radius", positive=True)

_FLAT = {
    "cartesian": Chart(charts.cartesian),
    "polar": Chart(charts.polar, (RADIUS, AZIMUTH)),
    "cylindrical": Chart(charts.cylindrical, (RADIUS, AZIMUTH, HEIGHT)),
    "spherical": Chart(charts.spherical, _ROUND),
}


def _minkowski(chart: Chart) -> Chart:
    def build(time: sympy.Symbol, space: Any) -> Metric:
        return chart.build(time, space).with_time()

    return Chart(build, chart.roles, chart.dimensions, chart.words)


def _static(name: str, words: str) -> Chart:
    roles = _ROUND if name.endswith("spherical") else ()
    return Chart(charts.named_chart(charts.static, name), roles, _THREE, words)


def _uncharged(name: str, words: str) -> Chart:
    build = charts.named_chart(charts.static, name)

    def make(time: sympy.Symbol, space: Any, **options: Any) -> Metric:
        return build(time, space, charge=sympy.S.Zero, **options)

    roles = _ROUND if name.endswith("spherical") else ()
    return Chart(make, roles, _THREE, words)


_STATIC_WORDS = {
    "cartesian": "x = r n, with the time and radius of `spherical`",
    "spherical": "Schwarzschild's coordinates",
    "isotropic": "space is conformally flat",
    "isotropic_spherical": "the radius of `isotropic`",
    "painleve_gullstrand": "the time of an observer who falls from rest; space is flat",
    "painleve_gullstrand_spherical": "the time of `painleve_gullstrand`",
    "kerr_schild": "ingoing, regular at the horizon",
    "kerr_schild_spherical": "the time of `kerr_schild`",
}

METRICS: dict[str, NamedMetric] = {
    m.name: m
    for m in (
        NamedMetric("flat", _FLAT, time=False, words="flat space"),
        NamedMetric(
            "minkowski", {n: _minkowski(c) for n, c in _FLAT.items()}, words="flat space-time",
        ),
        NamedMetric(
            "schwarzschild", {n: _uncharged(n, w) for n, w in _STATIC_WORDS.items()},
            {"mass": _MASS, "center": _CENTER}, words="a black hole, horizon at r = 2 M",
        ),
        NamedMetric(
            "reissner_nordstrom", {n: _static(n, w) for n, w in _STATIC_WORDS.items()},
            {"mass": _MASS, "charge": MetricOption("number", words="charge Q"),
             "center": _CENTER},
            words="a charged black hole, horizon at r = M + √(M² − Q²)",
        ),
        NamedMetric(
            "kerr",
            {
                "kerr_schild": Chart(charts.kerr_schild, (), _THREE,
                                     "regular at the horizon"),
                "kerr_schild_spherical": Chart(charts.kerr_schild_spherical, _ROUND, _THREE,
                                               "spheroidal coordinates, regular at the horizon"),
                "boyer_lindquist": Chart(charts.boyer_lindquist, _ROUND, _THREE,
                                         "Boyer and Lindquist's coordinates"),
            },
            {"mass": _MASS, "spin": MetricOption("number", words="angular momentum per mass, a"),
             "center": _CENTER},
            words="a rotating black hole, horizon at r = M + √(M² − a²)",
        ),
        NamedMetric(
            "flrw",
            {
                "cartesian": Chart(charts.flrw_cartesian, (), (1, 64),
                                   "isotropic coordinates"),
                "spherical": Chart(charts.flrw_spherical, _ROUND),
            },
            {
                "scale": MetricOption("function", words="scale factor a, an expression in time"),
                "curvature": MetricOption("number", sympy.S.Zero, "curvature k of space"),
                "time": MetricOption("word", "cosmic", "what the time coordinate is",
                                     ("cosmic", "conformal")),
            },
            words="an expanding universe",
        ),
        NamedMetric(
            "anti_de_sitter",
            {
                "global": Chart(charts.anti_de_sitter_global, _ROUND, words="static"),
                "poincare": Chart(charts.anti_de_sitter_poincare, (), (1, 64),
                                  "half space, the last coordinate z > 0",
                                  Role("z", lower=sympy.S.Zero)),
            },
            {"radius": MetricOption("number", sympy.S.One, "radius of curvature L",
                                    positive=True)},
            words="space-time of constant negative curvature",
        ),
        NamedMetric(
            "sphere",
            {
                "spherical": Chart(charts.sphere, (POLAR, AZIMUTH)),
                "stereographic": Chart(charts.stereographic, (), (2, 2),
                                       "from one pole onto the plane of the equator"),
            },
            {"radius": _RADIUS}, time=False, words="the surface of a ball",
        ),
        NamedMetric(
            "torus",
            {"angles": Chart(charts.torus, (Role("θ", period=2 * sympy.pi), AZIMUTH),
                             words="θ around the tube, φ around the axis")},
            {
                "major": MetricOption("number", words="from the axis to the centre of the tube",
                                      positive=True),
                "minor": MetricOption("number", words="radius of the tube", positive=True,
                                      below="major"),
            },
            time=False, words="the surface of a ring",
        ),
    )
}  # fmt: skip


def describe_metrics() -> tuple[tuple[str, str], ...]:
    """(name, words) of every metric, of its options and of its charts, for help and documents."""
    found: list[tuple[str, str]] = []
    for entry in METRICS.values():
        found.append((entry.name, entry.words + ("" if entry.time else "; a metric of space")))
        for name, own in entry.options.items():
            default = own.default
            if isinstance(default, tuple):
                default = f"({', '.join(map(str, default))})"
            end = "must be given" if default is None else f"{default} by default"
            found.append((f"{entry.name}.{name}", f"{own.words}; {end}"))
        for name, chart in entry.charts.items():
            least, most = chart.count
            roles = ", ".join(r.name for r in chart.roles)
            number = (
                "any number of coordinates" if most > least else f"{least} Cartesian coordinates"
            )
            words = "; ".join(w for w in (roles or number, chart.words) if w)
            found.append((f'"{name}"', f"chart of {entry.name}: {words}"))
    return tuple(found)
