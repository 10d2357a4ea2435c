"""What methods that solve discretised equations directly hold, in bytes; without JAX.

Entries of factors by nested dissection are fitted to those of RBF-FD matrices with N unknowns and
s entries a row: 1.1 s log₂(N/s) a row in the plane, 1.2 s (N/s)^½ in space, right within a third
from 1,000 to 12,000 nodes of order 2 to 4 (J. A. George, SIAM J. Numer. Anal. 10 (1973) 345, for
the logarithm; in space the power falls to ⅓ for many more).
"""

from __future__ import annotations

from math import ceil, log2, prod
from typing import Any

from pdesl.ir.system import System
from pdesl.solvers.line_choices import LineChoices
from pdesl.solvers.methods import smallest_stencil
from pdesl.solvers.options import RandomFeaturesOptions, RbfFdOptions, SeriesOptions

__all__ = ["collocation_parts", "feature_count", "feature_parts", "line_parts"]

Parts = list[tuple[str, float]]

# Bytes of an entry of a sparse matrix, and of a factor with what its elimination needs beside it.
ENTRY, FACTOR_ENTRY = 12.0, 15.0
# Factors that time stepping keeps, and states that a step and its output hold.
KEPT_FACTORS, STATES = 4, 24
# Bytes of states and slopes that are kept for interpolation in time, at most.
RECORDED = 256e6
# Entries of a row of a sparse approximate inverse on the devices, for each field.
INVERSE = 20
# Copies of the matrix of random features: itself, its factor, held-out points, derivatives.
FEATURE_COPIES = 3.0


def _theta(system: System) -> int:
    jets = {j for row in system.all_rows for j in row.jets(system.space)}
    return max((system.space_order(j) for j in jets), default=0)


def _stencil(system: System, order: int) -> int:
    dimension = len(system.frame.space_axes)
    return smallest_stencil(order + max(_theta(system), 1) - 1, dimension)


def _couplings(system: System) -> float:
    """Fields that a row reads, on average."""
    rows = system.rows
    fields = [len({j.field for j in row.jets(system.space)}) for row in rows]
    return max(sum(fields) / max(len(rows), 1), 1.0)


def factor_entries(unknowns: float, entries: float, dimension: int) -> float:
    """Entries of the factors of a matrix with so many entries a row."""
    share = max(unknowns / entries, 2.0)
    plane = {1: 3.0, 2: 1.1 * log2(share)}
    fill: float = plane[dimension] if dimension in plane else 1.2 * share**0.5
    return unknowns * min(entries * max(fill, 1.0), unknowns)


def _with_ghosts(nodes: float, dimension: int, ghost: bool) -> float:
    boundary = min(nodes, 2 * dimension * nodes ** ((dimension - 1) / dimension))
    return nodes + boundary * ghost


def collocation_parts(system: System, options: RbfFdOptions, nodes: int) -> Parts:
    """Operators and factors of `rbf_fd`."""
    dimension, fields = len(system.frame.space_axes), len(system.fields)
    points = _with_ghosts(nodes, dimension, options.ghost)
    stencil, couplings = _stencil(system, options.order), _couplings(system)
    jets = {j for row in system.all_rows for j in row.jets(system.space)}
    matrices = len([j for j in jets if system.space_order(j)]) + 2 * fields
    entries = factor_entries(points * fields, stencil * couplings, dimension)
    return [
        ("RBF-FD operators", ENTRY * points * stencil * matrices),
        ("factors of the equations", FACTOR_ENTRY * entries),
    ]


def line_parts(system: System, choices: LineChoices, size: int, devices: int) -> Parts:
    """Operators, factors and states of `method_of_lines`, for so many nodes or points along the
    longest axis.

    With several devices rows are divided and nothing is factored.
    """
    dimension, fields = len(system.frame.space_axes), len(system.fields)
    if not choices.points:
        points = _with_ghosts(size, dimension, getattr(choices.space_options, "ghost", False))
    else:
        longest = max(choices.points)
        points = float(prod(max(1, ceil(n * size / longest)) for n in choices.points))
    unknowns = points * fields
    states = STATES + (getattr(choices.time_options, "order", None) or 20) * isinstance(
        choices.time_options, SeriesOptions
    )
    found: Parts = [
        ("states of a step", 8.0 * unknowns * states),
        ("states kept in time", max(RECORDED, 16 * 16.0 * unknowns)),
    ]
    if choices.spectral:
        # Modes are complex, and products are formed on a grid half as fine again.
        return [*found, ("transforms", 16.0 * unknowns * 1.5**dimension * 4)]
    order = choices.space_options.order
    wide = choices.space != "rbf_fd"
    stencil = dimension * (order + _theta(system)) if wide else _stencil(system, order)
    couplings = _couplings(system)
    jets = {j for row in system.all_rows for j in row.jets(system.space)}
    matrices = len([j for j in jets if system.space_order(j)]) + 2 * couplings * fields
    held = ENTRY * points * stencil * matrices
    if devices > 1:
        inverse = ENTRY * unknowns * INVERSE * fields * KEPT_FACTORS
        return [*found, ("rows", (held + inverse) / devices)]
    found.append(("operators", held))
    if choices.time.startswith(("imex", "dirk", "sbdf", "cnab", "crank", "backward")):
        entries = factor_entries(unknowns, stencil * couplings, dimension)
        found.append(("factors of implicit stages", KEPT_FACTORS * FACTOR_ENTRY * entries))
    return found


def feature_count(system: System, options: RandomFeaturesOptions) -> tuple[str, int]:
    """The option that the matrix of `random_features` grows with."""
    if options.features is not None:
        return "features", options.features
    return "largest", options.largest


def feature_parts(system: System, options: RandomFeaturesOptions, size: int) -> Parts:
    """The matrix of `random_features` and its factor."""
    fields = len(system.fields)
    columns = size * fields if options.features is not None else size
    points = options.points or 3 * columns / fields
    dimension: Any = len(system.frame.space_axes)
    boundary = min(points, 2 * dimension * points ** ((dimension - 1) / max(dimension, 1)))
    rows = points * len(system.rows) + boundary * len(system.boundary)
    rows += boundary * len(system.initial)
    return [("matrix of the features and its factor", FEATURE_COPIES * 8.0 * rows * columns)]
