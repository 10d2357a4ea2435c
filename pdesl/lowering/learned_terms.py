"""Expressions of a learned system as functions of jets, coordinates, time and unknown numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import sympy
from jax import Array

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.fitting import unknown_symbols
from pdesl.ir.system import System
from pdesl.lowering.emit import jax_namespace
from pdesl.symbolic.functions import UnsupportedExpression, make_function
from pdesl.symbolic.jets import Jet
from pdesl.symbolic.sharing import share

__all__ = ["TermFunction", "make_terms"]


@dataclass(frozen=True, eq=False)
class TermFunction:
    """Expressions at places: `jets` and `columns` are what it takes, by name.

    Calling it with jets (k, batch, places), columns (c, places), time () or (batch, 1) and the
    values of the unknowns (p,) gives (expressions, batch, places).
    """

    jets: tuple[Jet, ...]
    columns: tuple[str, ...]
    function: Callable[..., tuple[Any, ...]]

    def __call__(
        self, jets: Sequence[Array], columns: Sequence[Array], time: Any, unknowns: Array,
        shape: tuple[int, ...],
    ) -> Array:  # fmt: skip
        values = self.function(*jets, *columns, time, *unknowns)
        return jnp.stack([jnp.broadcast_to(jnp.asarray(v), shape) for v in values])


def make_terms(
    expressions: Sequence[sympy.Expr],
    system: System,
    values: Mapping[sympy.Symbol, float],
    span: Span | None = None,
) -> TermFunction:
    """Expressions in jets of a system as a function of arrays.

    Known parameters are numbers in it; unknown ones are arguments, in the order of the problem.

    Raises:
        ProblemError: a part without numerical form (E327), at `span`.
    """
    unknown = unknown_symbols(system.problem)
    constants = {s: sympy.Float(v, 17) for s, v in values.items() if s not in unknown}
    own: list[Any] = [e.xreplace(constants) for e in expressions]
    held: set[Any] = set().union(*(e.free_symbols for e in own)) if own else set()
    space = system.space
    jets = tuple(dict.fromkeys(jet for e in own for jet in space.jets(e)))
    time = system.time_symbol
    places = [s for s in space.coordinates if s in held and s != time]
    normals = sorted((s for s in held if s.name.startswith("n[")), key=str)
    clock = time if time is not None else sympy.Dummy("t", real=True)
    definitions, results = share(own)
    arguments = [*(space.symbol(j) for j in jets), *places, *normals, clock, *unknown]
    try:
        function = make_function(results, arguments, jax_namespace(), definitions)
    except UnsupportedExpression as error:
        message = f"`{error.part}` cannot be evaluated: {error.reason}"
        raise ProblemError([Diagnostic("E327", message, span)]) from None
    return TermFunction(jets, tuple(s.name for s in (*places, *normals)), function)
