"""From a `Problem` to a `System`: operators erased into jets, sources derived, rows taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.system import LinearTerm, Row, System
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.jets import JetSpace
from pdesl.symbolic.metric import metric_matrix
from pdesl.symbolic.operators import ErasureError, Frame, erase, marker
from pdesl.symbolic.problem import Condition, Equation, Problem

__all__ = ["exact_jets", "normalise", "parts_agree"]

# A product of sums is multiplied out when that gives at most so many terms.
MAXIMUM_PRODUCT = 64

_STIFF = sympy.Symbol("stiff{}", real=True)


def normalise(problem: Problem) -> System:
    """The rows of a problem on jet space.

    Raises:
        ProblemError: an operator without meaning (E311), an underivable source (E313, E314), a
            known solution that misses a field (E314), with every such mistake of the problem.
    """
    frame = _frame(problem)
    diagnostics: list[Diagnostic] = []
    exact = _exact(problem, frame, diagnostics)
    known = _exact_markers(problem, exact)
    stages: list[tuple[str, str, Equation]] = [
        *((f"equation {i}", "interior", e) for i, e in enumerate(problem.equations, 1)),
        *((f"boundary condition {i}", "boundary", c) for i, c in enumerate(problem.boundary, 1)),
        *((f"initial condition {i}", "initial", c) for i, c in enumerate(problem.initial, 1)),
    ]
    erased: list[tuple[str, str, Equation, sympy.Expr, sympy.Expr | None]] = []
    for name, kind, equation in stages:
        try:
            residual, stiff = _residual(equation, frame, known)
            erased.append((name, kind, equation, residual, stiff))
        except ErasureError as error:
            diagnostics.append(
                Diagnostic(
                    error.code, error.message, equation.span_of(error.part),
                    helps=(error.help,) if error.help else (),
                )
            )  # fmt: skip
    if diagnostics:
        raise ProblemError(diagnostics)
    sources = _sources(problem, frame.space, erased, exact)
    replaced = {frame.space.symbol(frame.space.jet(name)): e for name, e in sources.items()}
    rows: dict[str, list[Row]] = {"interior": [], "boundary": [], "initial": []}
    for name, kind, equation, residual, stiff in erased:
        with_sources = residual.xreplace(replaced)
        rows[kind].append(_row(name, kind, equation, with_sources, stiff, frame))
    return System(
        problem,
        frame,
        tuple(c for f in problem.unknown_fields for c in f.components),
        tuple(rows["interior"]),
        tuple(rows["boundary"]),
        tuple(rows["initial"]),
        exact,
        sources,
        tuple(c.name for c in problem.closures),
    )


def _frame(problem: Problem) -> Frame:
    symbols = tuple(c.symbol for c in problem.coordinates)
    names = {c.name: c.symbol for c in problem.coordinates}
    fields = {
        component: tuple(names[c] for c in f.coordinates)
        for f in problem.fields
        for component in f.components
    }
    fields |= {closure.name: symbols for closure in problem.closures}
    time = next((i for i, c in enumerate(problem.coordinates) if c.kind == "time"), None)
    return Frame(
        JetSpace.over(symbols, fields),
        tuple(i for i, c in enumerate(problem.coordinates) if c.kind == "space"),
        time,
        metric_matrix(problem),
    )


# -- known solutions -----------------------------------------------------------------------


def _exact(
    problem: Problem, frame: Frame, diagnostics: list[Diagnostic]
) -> dict[str, sympy.Expr]:
    givens = {g.field: g for g in problem.known_solution}
    coordinates = set(frame.space.coordinates) | {p.symbol for p in problem.parameters}
    for given in givens.values():
        strange = given.value.atoms(AppliedUndef)
        if strange or not given.value.free_symbols <= coordinates:
            diagnostics.append(
                Diagnostic(
                    "E315", f"the known solution of `{given.field}` may hold coordinates and "
                    "parameters only", given.span,
                )
            )  # fmt: skip
    if givens:
        for field in problem.unknown_fields:
            for component in field.components:
                if component not in givens:
                    first = next(iter(givens.values()))
                    diagnostics.append(
                        Diagnostic(
                            "E314", f"the known solution has no value for `{component}`",
                            first.span, helps=(f"add a line `{component} = …`",),
                        )
                    )  # fmt: skip
    if diagnostics:
        raise ProblemError(diagnostics)
    return {name: given.value for name, given in givens.items()}


def _exact_markers(
    problem: Problem, exact: Mapping[str, sympy.Expr]
) -> dict[sympy.Basic, sympy.Expr]:
    """What every `exact(e)` in the problem stands for: e with known solutions for its fields."""
    fields = {
        f.applied(i): exact[c]
        for f in problem.unknown_fields
        for i, c in enumerate(f.components)
        if c in exact
    }
    known: dict[sympy.Basic, sympy.Expr] = {}
    every: Iterable[Equation] = (*problem.equations, *problem.boundary, *problem.initial)
    function = marker("exact")
    for equation in every:
        for side in (equation.lhs, equation.rhs):
            for node in side.atoms(AppliedUndef):
                if node.func == function:
                    known[node] = node.args[0].xreplace(fields).doit()  # type: ignore[union-attr]
    return known


def exact_jets(
    expression: sympy.Expr, space: JetSpace, exact: Mapping[str, sympy.Expr]
) -> sympy.Expr:
    """An expression in jets with the derivatives of a known solution in their place."""
    values = {}
    for jet in space.jets(expression):
        if jet.field in exact:
            result = exact[jet.field]
            for coordinate, order in zip(space.coordinates, jet.orders, strict=True):
                if order:
                    result = sympy.diff(result, coordinate, order)
            values[space.symbol(jet)] = result
    return expression.xreplace(values)


# -- residuals -----------------------------------------------------------------------------


def _residual(
    equation: Equation, frame: Frame, known: Mapping[sympy.Basic, sympy.Expr]
) -> tuple[sympy.Expr, sympy.Expr | None]:
    """lhs − rhs in jets, and the part of it that is marked stiff."""
    difference = equation.lhs - equation.rhs
    stiff = marker("stiff")
    marks = [n for n in difference.atoms(AppliedUndef) if n.func == stiff]
    if not marks:
        return erase(difference, frame, dict(known)), None
    # A marked part is multiplied by a parameter, so that its share is the slope in it.
    tagged = difference.xreplace({n: _STIFF * n.args[0] for n in marks})
    full = erase(tagged, frame, dict(known))
    share = sympy.diff(full, _STIFF)
    if share.has(_STIFF):
        raise ErasureError(
            marks[0], "`stiff(…)` must stand as a term of the equation, not inside a function",
            code="E316",
        )  # fmt: skip
    return full.xreplace({_STIFF: sympy.S.One}), share


def _sources(
    problem: Problem,
    space: JetSpace,
    erased: Iterable[tuple[str, str, Equation, sympy.Expr, sympy.Expr | None]],
    exact: Mapping[str, sympy.Expr],
) -> dict[str, sympy.Expr]:
    """Each source field as an expression, from the equation that it balances."""
    names = [f.name for f in problem.fields if f.kind == "source"]
    if not names:
        return {}
    diagnostics: list[Diagnostic] = []
    spans = {f.name: f.span for f in problem.fields}
    found: dict[str, sympy.Expr] = {}
    interior = [(e, r) for _, kind, e, r, _ in erased if kind == "interior"]
    for name in names:
        if name in exact:  # the file gives the source itself
            found[name] = exact[name]
            continue
        symbol = space.symbol(space.jet(name))
        holding = [(e, r) for e, r in interior if r.has(symbol)]
        if not exact:
            diagnostics.append(
                Diagnostic(
                    "E313", f"the source `{name}` has no values", spans[name],
                    helps=(
                        "add a `manufactured:` block with the solution it belongs to",
                        f"or define it, `let:` with `{name}(x, …) = …`, and drop its declaration",
                    ),
                )
            )  # fmt: skip
            continue
        if len(holding) != 1:
            words = "no equation" if not holding else f"{len(holding)} equations"
            diagnostics.append(
                Diagnostic("E313", f"the source `{name}` stands in {words}; it must balance one",
                           spans[name])
            )  # fmt: skip
            continue
        equation, residual = holding[0]
        slope = sympy.diff(residual, symbol)
        others = {j.field for j in space.jets(residual)} & (set(names) - {name})
        if slope.has(symbol) or others or space.jets(slope):
            reason = "another source" if others else "it nonlinearly or times a field"
            diagnostics.append(
                Diagnostic("E313", f"the source `{name}` cannot be derived: its equation holds "
                           f"{reason}", equation.span)
            )  # fmt: skip
            continue
        rest = residual.xreplace({symbol: sympy.S.Zero})
        found[name] = -exact_jets(rest, space, exact) / slope
    if diagnostics:
        raise ProblemError(diagnostics)
    return found


# -- taking a residual apart ---------------------------------------------------------------


def _row(
    name: str, kind: str, equation: Equation, residual: sympy.Expr, stiff: sympy.Expr | None,
    frame: Frame,
) -> Row:  # fmt: skip
    space = frame.space
    linear: dict[sympy.Symbol, list[sympy.Expr]] = {}
    nonlinear: list[sympy.Expr] = []
    forcing: list[sympy.Expr] = []
    for term in _terms(residual, space):
        jets = space.jets(term)
        if not jets:
            forcing.append(term)
            continue
        symbol = space.symbol(jets[0])
        slope = sympy.diff(term, symbol) if len(jets) == 1 else None
        if slope is None or space.jets(slope) or term.xreplace({symbol: sympy.S.Zero}) != 0:
            nonlinear.append(term)
        else:
            linear.setdefault(symbol, []).append(slope)
    terms = []
    for symbol, coefficients in linear.items():
        total = sympy.Add(*coefficients)
        jet = space.jet_of(symbol)
        assert jet is not None
        if total != 0:
            terms.append(LinearTerm(total, jet))
    terms.sort(key=lambda t: (t.jet.field, t.jet.orders))
    axis = frame.time_axis
    mass = tuple(t for t in terms if axis is not None and t.jet.orders[axis])
    return Row(
        name,
        kind,
        residual,
        mass,
        tuple(t for t in terms if t not in mass),
        sympy.Add(*nonlinear),
        sympy.Add(*forcing),
        equation,
        equation.regions if isinstance(equation, Condition) else (),
        stiff,
    )


def _terms(expression: sympy.Expr, space: JetSpace) -> list[sympy.Expr]:
    """Summands, with products distributed over sums that hold jets; coefficients stay whole."""
    result: list[sympy.Expr] = []
    waiting = [expression]
    while waiting:
        term = waiting.pop()
        if isinstance(term, sympy.Add):
            waiting.extend(reversed(term.args))
            continue
        if not isinstance(term, sympy.Mul):
            result.append(term)
            continue
        sums = [f for f in term.args if isinstance(f, sympy.Add) and space.jets(f)]
        held = [f for f in term.args if space.jets(f)]
        count = 1
        for factor in sums:
            count *= len(factor.args)
        if not sums or (len(held) > 1 and count > MAXIMUM_PRODUCT):
            result.append(term)
            continue
        first = sums[0]
        rest = sympy.Mul(*(f for f in term.args if f is not first))
        # Summands without jets stay together, as one coefficient.
        plain = sympy.Add(*(a for a in first.args if not space.jets(a)))
        pieces = [a for a in first.args if space.jets(a)]
        if plain != 0:
            pieces.append(plain)
        if len(pieces) == 1 and not space.jets(pieces[0]):
            result.append(term)
            continue
        waiting.extend(reversed([rest * piece for piece in pieces]))
    return result


def parts_agree(system: System, row: Row, seed: int = 0, trials: int = 3) -> bool:
    """Whether a row's parts sum to its residual, and that to the erased equation.

    Random values are put in place of coordinates, parameters, normals and jets; sums that agree
    there to rounding are equal but for a set of measure zero.
    """
    generator = np.random.default_rng(seed)
    known = _exact_markers(system.problem, system.exact)
    space = system.space
    stated = erase(row.equation.lhs - row.equation.rhs, system.frame, known)
    stated = stated.xreplace({space.symbol(space.jet(n)): e for n, e in system.sources.items()})
    parts = [t.expression(space) for t in (*row.mass, *row.linear)]
    parts += [row.nonlinear, row.forcing]
    expressions = [stated, row.residual, *parts]
    symbols = sorted(set().union(*(e.free_symbols for e in expressions)), key=str)
    evaluate = make_function(expressions, symbols, numpy_namespace())  # type: ignore[arg-type]
    for _ in range(trials):
        with np.errstate(all="ignore"):
            values = [float(np.real(v)) for v in evaluate(*generator.uniform(0.2, 0.9, len(symbols)))]
        if not all(np.isfinite(values)):
            continue
        scale = sum(abs(v) for v in values[2:]) + abs(values[0]) + 1e-300
        if abs(sum(values[2:]) - values[0]) > 1e-9 * scale:
            return False
        if abs(values[1] - values[0]) > 1e-9 * scale:
            return False
    return True


