"""A problem in a scientist's words: what `pdesl check` prints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from pdesl.diagnostics import ProblemError
from pdesl.ir.evolution import to_evolution
from pdesl.ir.facts import Facts, character_lines, facts
from pdesl.ir.imex import stiff_terms
from pdesl.ir.split import Splitting, split
from pdesl.ir.system import System
from pdesl.ir.text import format_expression
from pdesl.solvers.line_choices import stiff_estimate
from pdesl.solvers.methods import Method
from pdesl.solvers.neural_choices import neural_lines
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions
from pdesl.solvers.options import MethodOfLinesOptions
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.options import show_option
from pdesl.symbolic.problem import Unknown
from pdesl.symbolic.tidy import operations

__all__ = ["describe", "kind_words"]

# Coefficients of more operations (see `operations`) are not spelled out: the first of these with
# which a line has at most so many characters.
LONGEST, LINE = (40, 8, 0), 160


def describe(system: System, method: Method, options: Any) -> tuple[str, ...]:
    """A system in a scientist's words, and what would be done with it."""
    found = facts(system)
    problem = system.problem
    lines = [f"{problem.name}: {kind_words(found)}"]
    for entry in found.fields:
        orders = [f"order {entry.order_in_space} in space"] if found.dimension else []
        orders += [] if found.steady else [f"order {entry.order_in_time} in time"]
        lines.append(f"  {entry.name}: {', '.join(orders)}")
    lines.append(f"  domain: {_domain(system)}")
    lines += [f"  {line}" for line in character_lines(system)]
    if found.nonlinear_terms:
        lines.append(f"  nonlinear: {'; '.join(found.nonlinear_terms)}")
    if problem.learned_closures:
        own = (f"{c.name} = {show_option(c.network)}" for c in problem.learned_closures)
        lines.append(f"  learned: {', '.join(own)}")
    lines += [f"  regularised: {show_option(v)}" for n, v in problem.fit_options
              if n == "regularise"]  # fmt: skip
    unknown = [p.name for p in problem.parameters if isinstance(p.value, Unknown)]
    if unknown:
        lines.append(f"  unknown: {', '.join(unknown)}")
    if system.sources:
        lines.append(f"  derived from the known solution: {', '.join(system.sources)}")
    if system.boundary:
        words = "condition" if len(system.boundary) == 1 else "conditions"
        lines.append(f"  {len(system.boundary)} boundary {words}, the whole boundary is covered")
    if system.exact:
        lines.append("  a known solution is given: a run reports the error against it")
    reference = next((v for n, v in problem.verify_options if n == "reference"), None)
    if reference is not None:
        lines.append(f"  a run reports the error against {show_option(reference)}")
    given = problem.solver.options if problem.solver else ()
    own = [f"{k}={show_option(v)}" for k, v in given]
    lines.append(f"  method: {method.name}({', '.join(own)}), {method.words}")
    if problem.sweep:
        names = ", ".join(name for name, _ in problem.sweep)
        lines.append(f"  `pdesl sweep` solves it for all values of {names}")
    if isinstance(options, MethodOfLinesOptions) and not found.steady:
        lines += _stiffness(system, options)
    if isinstance(options, NeuralIvpOptions) and not found.steady:
        lines += [f"  {line}" for line in neural_lines(system, options)]
    return tuple(lines)


def _stiffness(system: System, options: MethodOfLinesOptions) -> list[str]:
    """What is implicit, and what an explicit method would cost; empty where it cannot be told."""
    values = system.problem.parameter_values()
    try:
        evolved = to_evolution(system, short=False, constraints=True)
        estimate = stiff_estimate(evolved, options, values)
        parts = split(evolved)
    except ProblemError:
        return []  # reported as what the method cannot do
    lines = [
        f"  {part.row.name}: implicit {_stiff_words(part, evolved)}, by {part.chosen_by}"
        for part in parts
        if part.stiff != 0 and part.row.mass
    ]
    for name, part in zip(evolved.fields, parts, strict=True):
        if not part.row.mass:
            way = "from the time derivative of" if name in evolved.multipliers else "from"
            lines.append(f"  {name}: at every moment {way} {part.row.name}")
    if estimate.largest:
        text = f"  stiffness: about {estimate.largest:.0e} per unit of time; an explicit method "
        text += f"would need steps below {estimate.explicit_step:.0e}"
        lines.append(text if estimate.dt is None else f"{text}, and dt is {estimate.dt:g}")
    return lines


def _stiff_words(part: Splitting, system: System) -> str:
    """The stiff part of a right-hand side; coefficients that would fill lines are `…`."""
    long, terms, text = sympy.Symbol("…"), stiff_terms(system, part), ""
    for most in LONGEST:
        short = (
            t if operations(t.coefficient) <= most else replace(t, coefficient=long) for t in terms
        )
        text = format_expression(sympy.Add(*(t.expression(system.space) for t in short)), system)
        if len(text) <= LINE:
            break
    return text


def kind_words(found: Facts) -> str:
    words = ["steady" if found.steady else "time-dependent"]
    words.append("linear" if found.linear else "nonlinear")
    if found.linear:
        words.append(
            "constant coefficients" if found.constant_coefficients else "variable coefficients"
        )
    count = len(found.fields)
    words.append(
        "one equation"
        if count == 1
        else f"{count} equations" + (", coupled" if found.coupled else "")
    )
    words.append(f"{found.dimension}-D" if found.dimension else "in time alone")
    return ", ".join(words)


def _domain(system: System) -> str:
    shape = system.problem.shape
    if shape is None:
        return "time alone"
    region = make_region(shape, system.space_symbols, system.problem.parameter_values())
    lower, upper = region.bounding_box()
    names = [s.name for s in system.space_symbols]
    ranges = [f"{n} in [{a:g}, {b:g}]" for n, a, b in zip(names, lower, upper, strict=True)]
    text = ", ".join(ranges) if len(ranges) <= 4 else f"{len(ranges)} dimensions"
    return f"{shape.kind}, {text}"
