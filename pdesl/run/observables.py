"""Quantities of a solution beside its fields: at nodes, at places, and over the whole domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy
from numpy.typing import NDArray

from pdesl.diagnostics import SolverError
from pdesl.lowering.places import join_time
from pdesl.lowering.space import make_graph
from pdesl.run.io import Number
from pdesl.run.outputs import Measure, Quantity
from pdesl.run.representation import Representation
from pdesl.solvers.base import Evaluate, Task
from pdesl.symbolic.functions import UnsupportedExpression, make_function, numpy_namespace
from pdesl.symbolic.geometry import Graph
from pdesl.symbolic.geometry.quadrature import Quadrature, make_quadrature
from pdesl.symbolic.jets import Jet

__all__ = ["Observer", "observe"]

TOGETHER = 200_000  # points evaluated at once


@dataclass(slots=True)
class Observer:
    """Evaluates quantities of one solution; rules of integration are made when first needed.

    `evaluate` gives fields, `function` their derivatives; without it no quantity may hold any.
    """

    task: Task
    evaluate: Evaluate
    function: Representation | None
    _quadrature: Quadrature | None = field(default=None)

    def at_nodes(self, quantity: Quantity, points: NDArray, times: NDArray | None) -> NDArray:
        """A quantity at points (n, d), as (n,), or at times too, (T, n)."""
        measured, _ = self._measures(quantity.measures, times)
        table = self._values(quantity.expression, points, self._moments(times), measured)
        return table[0] if times is None else table

    def number(self, quantity: Quantity, times: NDArray | None, judged: bool = True) -> Number:
        """A quantity that is one number at each time; `judged` by a coarser quadrature too."""
        moments = self._moments(times)
        place = dict(quantity.place)
        point = np.array([[place.get(s.name, 0.0) for s in self.task.system.space_symbols]])
        time = self.task.system.time_symbol
        if time is not None and time.name in place:
            moments = [place[time.name]] * len(moments)
        fine, coarse = self._measures(quantity.measures, times, judged)
        found = self._values(quantity.expression, point, moments, fine)[:, 0]
        error = None
        if coarse:
            other = self._values(quantity.expression, point, moments, coarse)[:, 0]
            error = float(np.max(np.abs(found - other)))
        return Number(
            found if times is not None else found[0], quantity.unit, quantity.label, error
        )

    def _moments(self, times: NDArray | None) -> Sequence[float | None]:
        span = self.task.time_span
        if times is not None:
            return [float(t) for t in times]
        return [None if span is None else span[1]]

    def _measures(
        self, measures: Sequence[Measure], times: NDArray | None, judged: bool = True
    ) -> tuple[dict[sympy.Symbol, NDArray], dict[sympy.Symbol, NDArray]]:
        """The values (T,) of measures by symbol, on the fine and on the coarse rule."""
        if not measures:
            return {}, {}
        if self._quadrature is None:
            self._quadrature = make_quadrature(self.task.region)
        rule = self._quadrature
        fine = self._integrated(measures, times, rule.points, rule.weights)
        if not judged:
            return fine, {}
        return fine, self._integrated(measures, times, rule.coarse_points, rule.coarse_weights)

    def _integrated(
        self,
        measures: Sequence[Measure],
        times: NDArray | None,
        points: NDArray,
        weights: NDArray,
    ) -> dict[sympy.Symbol, NDArray]:
        moments = self._moments(times)
        spatial = self.task.system.frame.spatial
        volume = np.broadcast_to(weights, (len(moments), len(weights)))
        if spatial is not None:
            volume = volume * self._values(spatial.density, points, moments, {})
        return {
            m.symbol: _measured(m.kind, self._values(m.expression, points, moments, {}), volume)
            for m in measures
        }

    def _values(
        self,
        expression: sympy.Expr,
        points: NDArray,
        moments: Sequence[float | None],
        known: Mapping[sympy.Symbol, NDArray],
    ) -> NDArray:
        """An expression at points (n, d) and T moments, (T, n).

        It is in coordinates, parameters, jets and `known` symbols, each with values (T,).
        """
        together = max(1, TOGETHER // len(points))
        parts = []
        for start in range(0, len(moments), together):
            part = slice(start, start + together)
            own = {symbol: values[part] for symbol, values in known.items()}
            parts.append(self._some_values(expression, points, moments[part], own))
        return np.concatenate(parts)

    def _some_values(
        self,
        expression: sympy.Expr,
        points: NDArray,
        moments: Sequence[float | None],
        known: Mapping[sympy.Symbol, NDArray],
    ) -> NDArray:
        system, count = self.task.system, len(points)
        times = None if moments[0] is None else np.repeat(np.array(moments, float), count)
        inputs = join_time(system, np.tile(points, (len(moments), 1)), times)
        jets = system.space.jets(expression)
        if isinstance(self.task.region, Graph):
            values = [self._on_graph(self.task.region, jet, points, moments) for jet in jets]
        else:
            values = _jet_values(self.evaluate, self.function, system.fields, jets, inputs)
        symbols = [
            *system.space.coordinates,
            *self.task.values,
            *(system.space.symbol(j) for j in jets),
            *known,
        ]
        try:
            function = make_function([expression], symbols, numpy_namespace())
        except UnsupportedExpression as error:
            raise SolverError(
                f"`{error.part}` in `output:` has no numerical form: {error.reason}", code="E703"
            ) from None
        repeated = (np.repeat(v, count) for v in known.values())
        with np.errstate(all="ignore"):
            (result,) = function(*inputs.T, *self.task.values.values(), *values, *repeated)
        whole = np.broadcast_to(np.asarray(result, float), (len(inputs),))
        return whole.reshape(len(moments), count).copy()

    def _on_graph(
        self, graph: Graph, jet: Jet, points: NDArray, moments: Sequence[float | None]
    ) -> NDArray:
        """A jet at nodes (n, 1) and T moments, (T n,): an operator on the values at all nodes."""
        system = self.task.system
        index = system.space_orders(jet)
        orders = tuple(
            n if axis == system.frame.time_axis else 0 for axis, n in enumerate(jet.orders)
        )
        everywhere = np.arange(float(graph.nodes))[:, None]
        times = None
        if moments[0] is not None:
            times = np.repeat(np.array(moments, float), graph.nodes)
        inputs = join_time(system, np.tile(everywhere, (len(moments), 1)), times)
        plain = [Jet(jet.field, orders)]
        (values,) = _jet_values(self.evaluate, self.function, system.fields, plain, inputs)
        own = np.round(points[:, 0]).astype(int)
        (matrix,) = make_graph(graph).operators(own, [{index: 1.0}])
        return (matrix @ values.reshape(len(moments), -1).T).T.ravel()


def _measured(kind: str, values: NDArray, volume: NDArray) -> NDArray:
    """A measure at each time from values and volumes (T, n)."""
    match kind:
        case "integral":
            return np.sum(volume * values, axis=1)
        case "average":
            return np.sum(volume * values, axis=1) / np.sum(volume, axis=1)
        case "norm":
            return np.sqrt(np.sum(volume * values**2, axis=1))
        case "minimum":
            return np.min(values, axis=1)
    return np.max(values, axis=1)


def _jet_values(
    evaluate: Evaluate,
    function: Representation | None,
    fields: Sequence[str],
    jets: Sequence[Jet],
    inputs: NDArray,
) -> list[NDArray]:
    plain: Mapping[str, NDArray] = {}
    if any(not any(j.orders) for j in jets):
        plain = evaluate(inputs)
    tables: dict[tuple[int, ...], NDArray] = {}
    for jet in jets:
        if any(jet.orders) and jet.orders not in tables:
            assert function is not None, "a quantity with derivatives has a function"
            tables[jet.orders] = function.derivative(inputs, tuple(jet.orders))
    return [
        tables[j.orders][list(fields).index(j.field)] if any(j.orders) else plain[j.field]
        for j in jets
    ]


def observe(
    observer: Observer, quantities: Sequence[Quantity], points: NDArray, times: NDArray | None
) -> tuple[dict[str, NDArray], dict[str, Number]]:
    """Quantities by name: those at nodes as (n,) or (T, n), and the numbers."""
    columns: dict[str, NDArray] = {}
    numbers: dict[str, Number] = {}
    for quantity in quantities:
        if quantity.is_number:
            numbers[quantity.name] = observer.number(quantity, times)
        else:
            columns[quantity.name] = observer.at_nodes(quantity, points, times)
    return columns, numbers
