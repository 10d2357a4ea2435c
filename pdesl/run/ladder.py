"""The ladder of a convergence study: which option is refined, over which values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.solvers.methods import Method, choose_method, method_named, smallest_stencil
from pdesl.solvers.options import NESTED
from pdesl.symbolic.options import describe_options, plain, show_option
from pdesl.symbolic.problem import Choice, Problem

__all__ = ["NODAL", "Ladder", "make_ladder"]

#: Options that refine nodes; the spacing that they stand for is N^(-1/d), of the nodes made.
NODAL = ("nodes", "spacing")


@dataclass(frozen=True, slots=True)
class Ladder:
    """The refined option, its values, and settings that hold for every rung.

    `owner` is the choice inside the solver's options that has the option: its name and value.
    """

    option: str
    values: list[Any]
    fixed: list[str]
    owner: tuple[str, Choice] | None = None

    def setting(self, value: Any) -> str:
        """The setting of one rung."""
        if self.owner is None:
            return f"solver.{self.option}={show_option(value)}"
        name, inner = self.owner
        other = {"nodes": "spacing", "spacing": "nodes"}.get(self.option)
        options = {n: v for n, v in inner.options if n != other} | {self.option: value}
        chosen = Choice(inner.name, tuple(options.items()), inner.positional)
        return f"solver.{name}={show_option(chosen)}"


def _owners(method: Method, choice: Choice) -> dict[str, tuple[str, Choice]]:
    """Options of choices inside the solver's options, by name: `points` of `space`."""
    found: dict[str, tuple[str, Choice]] = {}
    for entry in dataclasses.fields(method.options):
        if entry.name in NESTED:
            inner = choice.get(entry.name) or entry.default
            inner = Choice(inner) if isinstance(inner, str) else inner
            if isinstance(inner, Choice):
                kind = NESTED[entry.name][1].get(inner.name)
                order = [n for n, _, _ in describe_options(kind)] if kind else []
                named = (*zip(order, inner.positional, strict=False), *inner.options)
                for name in order:
                    found[name] = entry.name, Choice(inner.name, named)
    return found


def make_ladder(problem: Problem, solver: str | None, dimension: int) -> Ladder:
    method, choice = choose_method(problem)
    if solver is not None:
        method = method_named(solver)
    known = {name: default for name, default, _ in describe_options(method.options)}
    owners = _owners(method, choice)
    ladders, fixed = [], []
    for name, value in problem.verify_options:
        if name == "reference":
            continue
        if name not in known and not (name in owners and isinstance(value, tuple)):
            message = f"`{name}` is no option of `{method.name}`, so it makes no ladder"
            there = ", ".join((*known, *owners))
            raise ProblemError([Diagnostic("E517", message, helps=(f"it has: {there}",))])
        if isinstance(value, tuple):
            ladders.append((name, list(value)))
        else:
            fixed.append(f"solver.{name}={show_option(value)}")
    if set(NODAL) <= {name for name, _ in problem.verify_options}:
        message = "nodes are refined by their number or by their spacing, and both are given"
        raise ProblemError([Diagnostic("E517", message, helps=("keep one of the two",))])
    if len(ladders) > 1 or (ladders and len(ladders[0][1]) < 2):
        message = "a ladder is one option with two or more values"
        raise ProblemError([Diagnostic("E517", message, helps=("nodes = [400, 800, 1600]",))])
    if ladders:
        name, values = ladders[0]
        return Ladder(name, values, fixed, None if name in known else owners[name])
    if "features" in known:
        return Ladder("features", [100, 200, 400, 800], fixed)
    spread = _spacing_ladder(choice, owners, dimension, fixed)
    if spread is not None:
        return spread
    for name in ("nodes", "points", "dt"):
        if name in known:
            given = choice.get(name)
            most = int(given) if isinstance(given, int) else int(known[name])
            if name == "nodes" and method.stencils:
                # The coarsest rung has stencils that are a part of it.
                order = choice.get("order")
                order = order if isinstance(order, int) else int(known["order"])
                most = max(most, 12 * smallest_stencil(order + 1, dimension))
            return Ladder(name, [max(most // 4, 4), max(most // 2, 5), most], fixed)
        own = dict(owners[name][1].options).get(name) if name in owners else None
        if isinstance(own, int) and name != "dt":
            rungs = [max(own // 4, 8), max(own // 2, 12), own]
            return Ladder(name, rungs, fixed, owners[name])
        if isinstance(own, int | float):
            return Ladder(name, [4.0 * own, 2.0 * own, float(own)], fixed, owners[name])
    message = f"`{method.name}` is given no option that could make a ladder"
    fix = "state one under `verify:`, `dt = [0.04, 0.02, 0.01]`, with the choice that has it"
    raise ProblemError([Diagnostic("E517", message, helps=(fix,))])


def _spacing_ladder(
    choice: Choice,
    owners: Mapping[str, tuple[str, Choice]],
    dimension: int,
    fixed: list[str],
) -> Ladder | None:
    """A quarter, half and all of the nodes that a spacing gives; None where none is stated.

    Raises:
        ProblemError: E517, the nodes come from one file.
    """
    for owner in (None, owners.get("spacing")):
        own = choice if owner is None else owner[1]
        given, spacing = own.get("nodes"), own.get("spacing")
        if isinstance(given, Choice):
            message = "a ladder needs several numbers of nodes, and these come from one file"
            fix = "list files or numbers, `nodes = [400, 800, 1600]`"
            raise ProblemError([Diagnostic("E517", message, given.span, helps=(fix,))])
        if isinstance(spacing, int | float | sympy.Expr):
            coarser = [sympy.Rational(round(100 * k ** (1 / dimension)), 100) for k in (4, 2, 1)]
            rungs = [_times(factor, spacing) for factor in coarser]
            return Ladder("spacing", rungs, fixed, owner)
    return None


def _times(factor: Any, spacing: float | sympy.Expr) -> Any:
    if isinstance(spacing, sympy.Expr):
        return plain(factor * spacing)
    return float(factor) * spacing
