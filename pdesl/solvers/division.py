"""What cannot be divided among devices, and why; without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, Span
from pdesl.ir.evolution import to_evolution
from pdesl.ir.imex import is_bent
from pdesl.ir.system import System
from pdesl.solvers.line_choices import GRAPH, NO_SPACE, line_choices
from pdesl.solvers.methods import METHODS, Method
from pdesl.solvers.options import SERIES, MethodOfLinesOptions

__all__ = ["division_mistakes"]


def division_mistakes(
    method: Method, system: System, options: Any, values: Mapping[sympy.Symbol, float]
) -> list[Diagnostic]:
    """Why the work of a method on a problem has to stay on one device (E646); empty where not.

    Raises:
        ProblemError: options of `method_of_lines` that are wrong, or no evolution form.
    """
    if method.undivided:
        names = ", ".join(f"`{m.name}`" for m in METHODS.values() if not m.undivided)
        return [
            Diagnostic(
                "E646",
                f"`{method.name}` has nothing to divide among devices: {method.undivided}",
                system.problem.solver.span if system.problem.solver else None,
                helps=(f"run it without `--devices`; {names} divide their work",),
            )
        ]
    if not isinstance(options, MethodOfLinesOptions):
        return []
    evolved = to_evolution(system, constraints=True)
    choices = line_choices(options, evolved, values)

    def refuse(message: str, span: Span | None, remedy: str) -> list[Diagnostic]:
        return [Diagnostic("E646", f"`method_of_lines` {message}", span, helps=(remedy,))]

    alone = "run it without `--devices`"
    held = [row for row in evolved.rows if not row.mass]
    held += [row for row in evolved.boundary if is_bent(evolved, row)]
    if held:
        return refuse(
            "does not divide equations that hold at every moment, or conditions that are not "
            "linear",
            held[0].equation.span, alone,
        )  # fmt: skip
    if choices.space == NO_SPACE:
        span = system.problem.time.span if system.problem.time else None
        return refuse("has nothing to divide among devices in time alone", span, alone)
    if choices.space == GRAPH:
        span = system.problem.space[0].span
        return refuse("does not divide a graph among devices", span, alone)
    if choices.spectral:
        return refuse(
            f"does not divide `{choices.space}` among devices here: implicit stages are transforms "
            "of the whole periodic grid",
            options.space.span, f"choose `space = rbf_fd(…)`, whose nodes are divided, or {alone}",
        )  # fmt: skip
    if choices.time == SERIES:
        return refuse(
            f"does not divide `{SERIES}` among devices: conditions are eliminated by one factor",
            options.time.span, f"choose `time = imex_rk4` or `rk45`, or {alone}",
        )  # fmt: skip
    return []
