"""A solution as a function: called, differentiated, put on a grid, saved, and loaded again.

    from pdesl import load_solution

    u = load_solution("results/heat/solution.h5")
    u(0.5, 0.1, 0.2)                    # coordinates in the order of the problem, or by name
    u.derivative({"x": 2}, 0.5, 0.1, 0.2)
    u.to_xarray(grid=200)               # on a grid, where xarray is installed

Called with arrays of JAX, or inside `jax.grad`, `jax.vmap` and `jax.jit`, it is a function of JAX.
"""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdesl.diagnostics import OutputError, SolverError, Source
from pdesl.run.result_data import ResultData

if TYPE_CHECKING:
    from pdesl.ir.system import System
    from pdesl.run.known import Known
    from pdesl.run.metrics import FieldError
    from pdesl.run.representation import Representation
    from pdesl.solvers.base import SolverResult, Task
    from pdesl.symbolic.geometry import Region
    from pdesl.symbolic.problem import Problem

__all__ = ["Axis", "FieldFunction", "SavedSolution", "Solution", "axes_of", "load_solution"]


_METHOD = "solver.method="


@dataclass(frozen=True, slots=True)
class Axis:
    """A coordinate of a solution and the range it was solved on."""

    name: str
    lower: float
    upper: float
    periodic: bool = False
    is_time: bool = False
    unit: str = "1"


def axes_of(task: Task) -> tuple[Axis, ...]:
    """The coordinates of a task, in the order of its problem."""
    lower, upper = task.region.bounding_box()
    units = {c.name: c.unit or "1" for c in task.system.problem.coordinates}
    periods = task.periods or [None] * len(task.system.space_symbols)
    found = [
        Axis(s.name, float(a), float(b), p is not None, unit=units.get(s.name, "1"))
        for s, a, b, p in zip(task.system.space_symbols, lower, upper, periods, strict=True)
    ]
    time, axis, span = task.system.time_symbol, task.system.frame.time_axis, task.time_span
    if time is not None and axis is not None and span is not None:
        found.insert(axis, Axis(time.name, *span, is_time=True, unit=units.get(time.name, "1")))
    return tuple(found)


class FieldFunction(ABC):
    """The fields of a solution as a function of its coordinates.

    Called with arrays that broadcast, in the order of the problem's coordinates (time first) or by
    name, it gives an array for a problem of one field, else a dictionary of arrays by field.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def axes(self) -> tuple[Axis, ...]:
        """The coordinates, in the order of the problem."""

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The names of the fields."""

    @property
    @abstractmethod
    def region(self) -> Region:
        """The region in space."""

    @property
    @abstractmethod
    def function(self) -> Representation:
        """What is kept of the solution, with its derivatives."""

    @property
    @abstractmethod
    def problem(self) -> Problem:
        """The problem that it solves."""

    @abstractmethod
    def data(self, times: NDArray | None = None) -> ResultData:
        """The solution at its nodes, at `times` (T,), else at the end."""

    def _values(self, inputs: NDArray) -> dict[str, NDArray]:
        found = self.function.values(inputs)
        return dict(zip(self.fields, found, strict=True))

    def __call__(self, *coordinates: Any, **named: Any) -> Any:
        columns = self._columns(coordinates, named)
        if _of_jax(columns):
            import jax.numpy as jnp

            table = jnp.stack(jnp.broadcast_arrays(*(jnp.asarray(c) for c in columns)), axis=-1)
            traced = self.function.traced(table.astype(jnp.result_type(table, float)))
            found = {name: traced[..., k] for k, name in enumerate(self.fields)}
            return next(iter(found.values())) if len(found) == 1 else found
        arrays = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in columns))
        inputs = np.stack([a.ravel() for a in arrays], axis=1)
        found = {k: v.reshape(arrays[0].shape) for k, v in self._values(inputs).items()}
        return next(iter(found.values())) if len(found) == 1 else found

    def derivative(self, orders: Mapping[str, int], *coordinates: Any, **named: Any) -> Any:
        """A partial derivative, `{"x": 2}` for ∂²/∂x², at coordinates as in a call.

        Raises:
            SolverError: E713 a derivative beyond the smoothness of an interpolant, or along the
                numbers of the nodes of a graph.
        """
        names = [axis.name for axis in self.axes]
        wrong = [name for name in orders if name not in names]
        if wrong:
            raise TypeError(f"`{wrong[0]}` is no coordinate; there are {', '.join(names)}")
        self._refuse_nodes(orders)
        columns = self._columns(coordinates, named)
        arrays = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in columns))
        inputs = np.stack([a.ravel() for a in arrays], axis=1)
        table = self.function.derivative(inputs, tuple(int(orders.get(n, 0)) for n in names))
        found = {
            name: values.reshape(arrays[0].shape)
            for name, values in zip(self.fields, table, strict=True)
        }
        return next(iter(found.values())) if len(found) == 1 else found

    def _refuse_nodes(self, orders: Mapping[str, int]) -> None:
        """Nodes of a graph are numbered in any order: there is no derivative along them."""
        if self.problem.shape is None or self.problem.shape.kind != "graph":
            return
        for axis in self.axes:
            if not axis.is_time and orders.get(axis.name, 0):
                span = next(
                    (c.span for c in self.problem.coordinates if c.name == axis.name), None
                )  # fmt: skip
                place = "" if span is None else f", line {span.line}"
                raise SolverError(
                    f"there is no derivative along `{axis.name}`{place}, which numbers the nodes "
                    "of a graph",
                    code="E713",
                    advice="differentiate in time, or write `∇²u` to a file, "
                    '`at end: ∇²u -> "change.h5"`',
                )

    def _columns(self, given: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        names = [axis.name for axis in self.axes]
        rest = [name for name in names[len(given) :] if name in named]
        if (
            len(given) > len(names)
            or len(given) + len(rest) != len(names)
            or len(rest) < len(named)
        ):
            raise TypeError(f"a solution is a function of {', '.join(names)}")
        return [*given, *(named[name] for name in rest)]

    def on_grid(
        self, points: int | Sequence[int] = 101, times: Sequence[float] | None = None
    ) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Values on a grid over the box around the region, NaN outside of the region.

        Args:
            points: of each spatial coordinate, or one number for all.
            times: for a problem with time; by default the last one.

        Returns:
            Coordinates by name, each (n,), and fields by name, of the shape of all of them, in the
            order of the problem's coordinates.
        """
        space = [axis for axis in self.axes if not axis.is_time]
        counts = [points] * len(space) if isinstance(points, int) else list(points)
        if len(counts) != len(space):
            raise TypeError(f"{len(counts)} numbers of points for {len(space)} spatial coordinates")
        lines = {
            a.name: np.linspace(a.lower, a.upper, n) for a, n in zip(space, counts, strict=True)
        }
        ordered: dict[str, NDArray] = {}
        for axis in self.axes:
            if axis.is_time:
                ordered[axis.name] = np.array([axis.upper] if times is None else times, float)
            else:
                ordered[axis.name] = lines[axis.name]
        grid = np.meshgrid(*ordered.values(), indexing="ij")
        inputs = np.stack([g.ravel() for g in grid], axis=1)
        moments = [k for k, axis in enumerate(self.axes) if axis.is_time]
        places = np.delete(inputs, moments, axis=1)
        size = max((axis.upper - axis.lower for axis in space), default=0.0)
        inside = np.asarray(self.region.level(places), float) <= 1e-9 * size
        fields = {}
        if inside.any():
            fields = self._values(inputs[inside])
        found = {}
        for name in self.fields:
            whole = np.full(len(inputs), np.nan)
            if inside.any():
                whole[inside] = fields[name]
            found[name] = whole.reshape(grid[0].shape)
        return ordered, found

    def to_xarray(
        self, grid: int | Sequence[int] | None = None, times: Sequence[float] | None = None
    ) -> Any:
        """An `xarray.Dataset` at the nodes, or on a grid as of `on_grid`.

        Raises:
            ImportError: xarray is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError("to_xarray needs xarray: pip install xarray") from error
        if grid is not None:
            coordinates, fields = self.on_grid(grid, times)
            units = {
                a.name: {"units": a.unit, "long_name": f"coordinate {a.name}"} for a in self.axes
            }
            return xarray.Dataset(
                {
                    n: (tuple(coordinates), v, {"long_name": n})
                    for n, v in fields.items()
                },
                {n: (n, v, units[n]) for n, v in coordinates.items()},
                {"Conventions": "CF-1.11", "title": self.data().title},
            )  # fmt: skip
        data = self.data(None if times is None else np.array(times, float))
        variables, places = {}, {}
        clock = {} if data.times is None else {data.time_name: (data.time_name, data.times)}
        for name, column in data.columns().items():
            described = {k: v for k, v in data.describe(name).items() if k != "coordinates"}
            axes = ("node",) if column.ndim == 1 else (data.time_name, "node")
            target = places if name in data.coordinates else variables
            target[name] = (axes, column, described)
        for name, number in data.numbers.items():
            axes = () if data.times is None else (data.time_name,)
            variables[name] = (axes, number.values, {"long_name": number.long_name or name})
        attributes = {"Conventions": "CF-1.11", "title": data.title, **data.attributes}
        return xarray.Dataset(variables, places | clock, attributes)

    def save(self, path: str | Path) -> Path:
        """Write the solution as a file that `load_solution` reads, or in another format.

        The suffix chooses, as in `output:`; the file appears whole or not at all.

        Raises:
            OutputError: E814 an unknown suffix, E815 a file that cannot be written.
        """
        from pdesl.run.folder import replace_file
        from pdesl.run.io import writer_for

        target = Path(path)
        replace_file(target, writer_for(target.name, self.data()))
        return target

    def _repr_html_(self) -> str:
        from pdesl.run.notebook import solution_html

        return solution_html(self)

    def _repr_latex_(self) -> str:
        return self.problem._repr_latex_()


def _of_jax(columns: Sequence[Any]) -> bool:
    if "jax" not in sys.modules:
        return False
    import jax

    return any(isinstance(column, jax.Array) for column in columns)


@dataclass(frozen=True, eq=False)
class Solution(FieldFunction):
    """A solution in memory.

    `errors` are those against the known solution `known`, by field; `result` has nodes, losses and
    history.
    """

    task: Task
    result: SolverResult
    errors: Mapping[str, FieldError]
    timings: Mapping[str, float]
    source: Source
    settings: tuple[str, ...] = ()
    profile: str | None = None
    known: Known | None = None

    @property
    def system(self) -> System:
        return self.task.system

    @property
    def problem(self) -> Problem:
        return self.task.system.problem

    @property
    def axes(self) -> tuple[Axis, ...]:
        return axes_of(self.task)

    @property
    def fields(self) -> tuple[str, ...]:
        return self.task.system.fields

    @property
    def region(self) -> Region:
        return self.task.region

    @cached_property
    def function(self) -> Representation:  # pyright: ignore[reportIncompatibleMethodOverride]
        from pdesl.run.representation import represent

        return represent(self.task, self.result)[0]

    def data(self, times: NDArray | None = None) -> ResultData:
        from pdesl.run.results import result_data

        return result_data(
            self.task, self.result, self.source, None, times,
            settings=self.settings, profile=self.profile,
        )  # fmt: skip

    def _values(self, inputs: NDArray) -> dict[str, NDArray]:
        return self.result.evaluate(inputs)


@dataclass(frozen=True, eq=False)
class SavedSolution(FieldFunction):
    """A solution from a file: the same function, without its problem's file."""

    path: Path
    nodal: ResultData

    @cached_property
    def axes(self) -> tuple[Axis, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            return tuple(Axis(**entry) for entry in json.loads(str(self._own("axes"))))
        except (TypeError, ValueError) as error:
            raise _no_function(self.path, str(error)) from None

    @cached_property
    def fields(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return tuple(json.loads(str(self._own("fields"))))

    @cached_property
    def function(self) -> Representation:  # pyright: ignore[reportIncompatibleMethodOverride]
        from pdesl.run.representation import rebuild

        axis = next((k for k, a in enumerate(self.axes) if a.is_time), -1)
        own = self.nodal.network_attributes
        try:
            return rebuild(str(self._own("kind")), self.nodal.network, own, axis)
        except KeyError as error:
            raise _no_function(self.path, f"{error.args[0]} is missing") from None
        except (ValueError, TypeError, IndexError, SolverError) as error:
            raise _no_function(self.path, str(error)) from None

    @cached_property
    def region(self) -> Region:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.task.region

    @cached_property
    def task(self) -> Task:
        """The task as it was, from the text of the problem that the file holds."""
        from pdesl.run.preparing import prepare

        own = self.nodal.attributes
        settings = json.loads(str(own.get("overrides", "[]")))
        profile = str(own.get("profile", "")) or None
        source = Source(self.nodal.title, str(own["problem"]))
        # Another method than the file's was given the options that it has, and is again.
        chosen = [s for s in settings if s.startswith(_METHOD)]
        solver = chosen[-1].removeprefix(_METHOD) if chosen else None
        rest = [s for s in settings if not s.startswith(_METHOD)]
        return prepare(source, solver=solver, overrides=rest, profile=profile)

    @property
    def problem(self) -> Problem:
        return self.task.system.problem

    @property
    def errors(self) -> dict[str, float]:
        """How far this function may be from the method's own values, over the largest, by field."""
        return {n: float(v) for n, v in json.loads(str(self._own("distance"))).items()}

    def data(self, times: NDArray | None = None) -> ResultData:
        """The solution at its nodes.

        Raises:
            ValueError: other times than those of the file.
        """
        if times is not None:
            raise ValueError("a saved solution has the times of its file; use `grid=` for others")
        return self.nodal

    def _own(self, name: str) -> Any:
        try:
            return self.nodal.network_attributes[name]
        except KeyError:
            raise _no_function(self.path, f"it has no `{name}`") from None


def _no_function(path: Path, reason: str) -> OutputError:
    return OutputError(
        f"`{path}` holds no function: {reason}",
        code="E816",
        advice="give `solution.h5` or an `.h5` file that `at end` wrote",
    )


def load_solution(path: str | Path) -> SavedSolution:
    """The solution that a file or the folder of a run holds.

    Raises:
        OutputError: E816 where there is none.
    """
    from pdesl.run.io_hdf5 import read_hdf5

    place = Path(path)
    if place.is_dir():
        place = solution_file(place)
    found = SavedSolution(place, read_hdf5(place))
    found._own("kind")
    return found


def solution_file(folder: Path) -> Path:
    """The file of a result folder that holds the whole solution at the end.

    Raises:
        OutputError: E816 where there is none.
    """
    from pdesl.run.io_hdf5 import holds_function

    found = sorted(folder.glob("*.h5"), key=lambda p: (p.name != "solution.h5", p.name))
    for path in found:
        if holds_function(path):
            return path
    raise OutputError(
        f"`{folder}` holds no solution of pdesl",
        code="E816",
        advice="give the folder that `pdesl run` wrote",
    )
