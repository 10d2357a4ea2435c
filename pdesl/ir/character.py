"""The character of a problem: its metric on the domain, and the types of its equations there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy

from pdesl.diagnostics import Diagnostic
from pdesl.ir.chart import Box, ChartFacts, chart_diagnostics, chart_facts, chart_lines
from pdesl.ir.principal import row_types, type_diagnostics, type_lines
from pdesl.ir.samples import Sample
from pdesl.ir.system import System

if TYPE_CHECKING:
    from pdesl.symbolic.geometry import Region

__all__ = ["Character", "character"]

# Points about each place where a chart degenerates, at up to this share of the domain's size.
NEARBY = 16
REACH = 2e-2


@dataclass(frozen=True, slots=True)
class Character:
    """What is wrong or odd, and what `pdesl check` says in lines of text."""

    diagnostics: tuple[Diagnostic, ...]
    lines: tuple[str, ...]


def character(
    system: System, region: Region, inside: Sample, values: Mapping[sympy.Symbol, float],
    span: tuple[float, float] | None,
) -> Character:  # fmt: skip
    """The character of a system, from points of its domain.

    Args:
        system: its rows.
        region: its domain.
        inside: points of the domain.
        values: a value for each parameter.
        span: the range of time, if there is one.
    """
    box = Box(system, region, span)
    chart = chart_facts(system, region, inside, values, span)
    found: list[Diagnostic] = []
    lines: list[str] = []
    if chart is not None:
        found += chart_diagnostics(system, chart)
        lines += chart_lines(system, chart)
    types = row_types(system, box, _with_neighbours(box, chart, box.points(inside)), values)
    found += type_diagnostics(system, types)
    lines += type_lines(types)
    return Character(tuple(found), tuple(lines))


def _with_neighbours(box: Box, chart: ChartFacts | None, table: np.ndarray) -> np.ndarray:
    """Points, and more of them about the places where a chart degenerates."""
    if chart is None or not chart.places:
        return table
    generator = np.random.default_rng(0)
    near = [
        place.point + REACH * box.extent * generator.uniform(-1, 1, (NEARBY, table.shape[1]))
        for place in chart.places
    ]
    points = np.concatenate(near)
    return np.concatenate([table, points[box.holds(points, -1e-9)]])
