"""From a `Problem` to a `System`: operators erased into jets, sources derived, rows taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.ir.frame import MAXIMUM_PRODUCT, frame_of, summands
from pdesl.ir.integrals import integral_condition, integrand
from pdesl.ir.reduction import reduce_problem
from pdesl.ir.system import IntegralCondition, LinearTerm, Row, System
from pdesl.symbolic.functions import make_function, numpy_namespace
from pdesl.symbolic.jets import (
    Jet,
    JetSpace,
    NotDifferentiable,
    TooLarge,
    differentiate,
    format_jet,
    refuse_large,
)  # fmt: skip
from pdesl.symbolic.operators import ErasureError, Frame, erase, marker
from pdesl.symbolic.problem import Condition, Equation, Problem

__all__ = ["exact_jets", "make_row", "normalise", "parts_agree", "solution_diagnostic"]


_STIFF = sympy.Symbol("stiff{}", real=True)
#: Quantities of `verify:` that are measured against a known solution.
ERRORS = frozenset(("error", "relative_l2", "linf", "order"))


def normalise(problem: Problem) -> System:
    """The rows of a problem on jet space, those of its reduction where it has a `reduce:` block.

    Raises:
        ProblemError: a metric that cannot be (E322, E335, E605), an operator without meaning
            (E311, E426, E602, E603, E606), a source without values or one that cannot be derived
            (E313, E333), a known solution that misses a field (E314) or holds one (E334), a stiff
            part inside a function (E316), with every such mistake of the problem; a reduction that
            cannot be (see `reduction`).
    """
    problem = reduce_problem(problem)
    frame = frame_of(problem)
    diagnostics: list[Diagnostic] = []
    exact = _exact(problem, frame, diagnostics)
    stages: list[tuple[str, str, Equation]] = [
        *((_named("equation", i, e), "interior", e) for i, e in enumerate(problem.equations, 1)),
        *((_named("boundary condition", i, c), "boundary", c)
          for i, c in enumerate(problem.boundary, 1)),
        *((_named("initial condition", i, c), "initial", c)
          for i, c in enumerate(problem.initial, 1)),
        *((_named("integral condition", i, c), "integral", c)
          for i, c in enumerate(problem.integrals, 1)),
    ]  # fmt: skip
    constants: dict[str, sympy.Expr] = {}
    erased: list[tuple[str, str, Equation, sympy.Expr, sympy.Expr | None]] = []
    for name, kind, equation in stages:
        try:
            if kind == "integral":
                equation, constants[name] = integrand(equation)
            known = _exact_markers(equation, problem, exact, frame)
            residual, stiff = _residual(equation, frame, known)
            if kind != "boundary":
                _refuse_normals(residual, frame, equation)
            erased.append((name, kind, equation, residual, stiff))
        except ErasureError as error:
            diagnostics.append(_erased(error, equation))
    sources: Mapping[str, sympy.Expr] = {}
    if not diagnostics:  # a source is what the rest of its equation leaves over
        sources = _sources(problem, frame.space, erased, exact, diagnostics)
    if diagnostics:
        raise ProblemError(dict.fromkeys(diagnostics))
    rows: dict[str, list[Row]] = {"interior": [], "boundary": [], "initial": []}
    integrals: list[IntegralCondition] = []
    for name, kind, equation, residual, stiff in erased:
        try:
            residual = exact_jets(residual, frame.space, sources)
            if stiff is not None:
                stiff = exact_jets(stiff, frame.space, sources)
        except ErasureError as error:
            diagnostics.append(solution_diagnostic(problem, error, equation))
        else:
            row = make_row(name, kind, equation, residual, stiff, frame)
            if kind != "integral":
                rows[kind].append(row)
                continue
            try:
                integrals.append(integral_condition(row, constants[name], frame))
            except ErasureError as error:
                diagnostics.append(_erased(error, equation))
    if diagnostics:
        raise ProblemError(dict.fromkeys(diagnostics))
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
        integrals=tuple(integrals),
    )


def _erased(error: ErasureError, equation: Equation) -> Diagnostic:
    return Diagnostic(
        error.code, error.message, equation.span_of(error.part),
        helps=(error.help or "write it in another way",),
    )  # fmt: skip


def _named(word: str, number: int, equation: Equation) -> str:
    """`equation 3`, and which component of one with free indices, `equation 3 (μ = t)`."""
    component = f" ({equation.component})" if equation.component else ""
    return f"{word} {number}{component}"


# -- known solutions -----------------------------------------------------------------------


def _exact(problem: Problem, frame: Frame, diagnostics: list[Diagnostic]) -> dict[str, sympy.Expr]:
    givens = {g.field: g for g in problem.known_solution}
    coordinates = set(frame.space.coordinates) | {p.symbol for p in problem.parameters}
    for given in givens.values():
        strange = given.value.atoms(AppliedUndef)
        if strange or not given.value.free_symbols <= coordinates:
            diagnostics.append(
                Diagnostic(
                    "E334", f"the known solution of `{given.field}` holds more than coordinates "
                    "and parameters", given.span,
                    helps=("write it as a formula in the coordinates",),
                )
            )  # fmt: skip
    # Data are derived from a manufactured solution, so that it is one of every field; a verifying
    # one may know some fields only, and errors are measured for these.
    wanted = {c: None for f in problem.unknown_fields for c in f.components if problem.manufactured}
    for check in problem.verify if givens and not problem.manufactured else ():
        if check.quantity.name in ERRORS:
            parts = check.quantity.positional
            wanted |= {getattr(getattr(p, "func", None), "__name__", ""): check.span for p in parts}
    for component, place in wanted.items():
        if component not in givens:
            first = next(iter(givens.values()))
            diagnostics.append(
                Diagnostic(
                    "E314", f"the known solution has no value for `{component}`",
                    place or first.span, helps=(f"add a line `{component} = …`",),
                )
            )  # fmt: skip
    return {name: given.value for name, given in givens.items()}


def _exact_markers(
    equation: Equation, problem: Problem, exact: Mapping[str, sympy.Expr], frame: Frame
) -> dict[sympy.Basic, sympy.Expr]:
    """What every `exact(e)` in an equation stands for: e with known solutions for its fields.

    Raises:
        ErasureError: an operator without meaning inside; a field without a known solution (E314).
    """
    function = marker("exact")
    nodes = [
        n for side in (equation.lhs, equation.rhs) for n in side.atoms(AppliedUndef)
        if n.func == function
    ]  # fmt: skip
    if not nodes:
        return {}
    every = {f.applied(i): c for f in problem.unknown_fields for i, c in enumerate(f.components)}
    fields = {f: exact[c] for f, c in every.items() if c in exact}
    lacking = {f: c for f, c in every.items() if c not in exact}
    found: dict[sympy.Basic, sympy.Expr] = {}
    for node in nodes:
        value: sympy.Basic = node.args[0].xreplace(fields)
        for left in value.atoms(AppliedUndef) & lacking.keys():
            raise ErasureError(
                node, f"the known solution has no value for `{lacking[left]}`", code="E314",
                help=f"add a line `{lacking[left]} = …`",
            )  # fmt: skip
        found[node] = erase(value, frame)  # type: ignore[arg-type]
    return found


def _refuse_normals(residual: sympy.Expr, frame: Frame, equation: Equation) -> None:
    normals = {frame.normal(i) for i in range(frame.dimension)}
    found: list[sympy.Basic] = sorted(residual.free_symbols & normals, key=str)
    if found:
        written = (equation.lhs - equation.rhs).atoms(AppliedUndef)
        found = [n for n in written if n.func == marker("dn")] or found
        raise ErasureError(
            found[0], "the normal `n` and `∂n` have a meaning on the boundary only",
            code="E426", help="move the line to `boundary:`",
        )  # fmt: skip


def exact_jets(
    expression: sympy.Expr, space: JetSpace, exact: Mapping[str, sympy.Expr]
) -> sympy.Expr:
    """An expression in jets with the derivatives of a known solution in their place.

    Raises:
        ErasureError: a known solution without the derivative (E606), or one that is too large
            (E306).
    """
    values = {}
    for jet in space.jets(expression):
        if jet.field in exact:
            result = exact[jet.field]
            for coordinate, order in zip(space.coordinates, jet.orders, strict=True):
                for _ in range(order):
                    result = _slope(result, coordinate, jet, space)
            values[space.symbol(jet)] = result
    return expression.xreplace(values)  # pyright: ignore[reportReturnType]


def _slope(
    expression: sympy.Expr, coordinate: sympy.Symbol, jet: Jet, space: JetSpace
) -> sympy.Expr:
    field = sympy.Symbol(jet.field)
    try:
        return differentiate(expression, coordinate)
    except TooLarge:
        raise ErasureError(
            field, f"the derivatives of the known solution of `{jet.field}` have too many terms",
            code="E306", help="choose a simpler known solution",
        ) from None  # fmt: skip
    except NotDifferentiable:
        text = format_jet(jet, space.coordinates)
        raise ErasureError(
            field, f"the known solution of `{jet.field}` has no derivative `{text}`: it jumps, or "
            "its slope does", code="E606",
            help="use a known solution that is as smooth as the equations need",
        ) from None  # fmt: skip


def solution_diagnostic(problem: Problem, error: ErasureError, equation: Equation) -> Diagnostic:
    """The message of an error of `exact_jets`, at the known solution that an equation needs."""
    given = next((g.span for g in problem.known_solution if g.field == str(error.part)), None)
    return Diagnostic(
        error.code, error.message, given or equation.span,
        related=((equation.span, "needed here"),) if given and equation.span else (),
        helps=(error.help,),
    )  # fmt: skip


# -- residuals -----------------------------------------------------------------------------


def _residual(
    equation: Equation, frame: Frame, known: Mapping[sympy.Basic, sympy.Expr]
) -> tuple[sympy.Expr, sympy.Expr | None]:
    """lhs − rhs in jets, and the part of it that is marked stiff."""
    difference = equation.lhs - equation.rhs
    stiff = marker("stiff")
    marks = [n for n in difference.atoms(AppliedUndef) if n.func == stiff]
    if not marks:
        return _bounded(erase(difference, frame, dict(known)), equation), None
    # A marked part is multiplied by a parameter, so that its share is the slope in it.
    tagged = difference.xreplace({n: _STIFF * n.args[0] for n in marks})
    full = _bounded(erase(tagged, frame, dict(known)), equation)  # pyright: ignore[reportArgumentType]
    share = sympy.diff(full, _STIFF)
    if share.has(_STIFF):
        raise ErasureError(
            marks[0], "`stiff(…)` must stand as a term of the equation, not inside a function",
            code="E316", help="write `∂t u = stiff(∇²u) + nonstiff(…)`",
        )  # fmt: skip
    return full.xreplace({_STIFF: sympy.S.One}), share  # pyright: ignore[reportReturnType]


def _bounded(residual: sympy.Expr, equation: Equation) -> sympy.Expr:
    try:
        refuse_large(residual, derivative=True, whole=True)
    except TooLarge:
        raise ErasureError(
            equation.lhs, "with its derivatives worked out, this has too many terms", code="E306",
            help="introduce a field for a part of it, with an equation of its own",
        ) from None  # fmt: skip
    return residual


def _sources(
    problem: Problem,
    space: JetSpace,
    erased: Iterable[tuple[str, str, Equation, sympy.Expr, sympy.Expr | None]],
    exact: Mapping[str, sympy.Expr],
    diagnostics: list[Diagnostic],
) -> dict[str, sympy.Expr]:
    """Each source field as an expression, from the equation that it balances."""
    spans = {c: f.span for f in problem.fields if f.kind == "source" for c in f.components}
    names = list(spans)
    if not names:
        return {}
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
                Diagnostic(
                    "E333", f"the source `{name}` stands in {words}, and one can give its values",
                    spans[name], helps=(f"let it stand in one equation, `∇²u = {name}`",),
                )
            )  # fmt: skip
            continue
        equation, residual = holding[0]
        if any(j.field == name and j.order for j in space.jets(residual)):
            diagnostics.append(
                Diagnostic(
                    "E333", f"the source `{name}` cannot be derived: its equation holds "
                    "derivatives of it", equation.span,
                    helps=(f"let it stand as a term of its own, `∇²u = {name}`",),
                )
            )  # fmt: skip
            continue
        slope = sympy.diff(residual, symbol)
        others = {j.field for j in space.jets(residual)} & (set(names) - {name})
        if slope.has(symbol) or others or space.jets(slope):
            reason = "another source" if others else "it nonlinearly or times a field"
            diagnostics.append(
                Diagnostic(
                    "E333", f"the source `{name}` cannot be derived: its equation holds {reason}",
                    equation.span, helps=(f"let it stand as a term of its own, `∇²u = {name}`",),
                )
            )  # fmt: skip
            continue
        rest = residual.xreplace({symbol: sympy.S.Zero})
        try:
            found[name] = -exact_jets(rest, space, exact) / slope  # pyright: ignore[reportArgumentType]
        except ErasureError as error:
            diagnostics.append(solution_diagnostic(problem, error, equation))
    return found


# -- taking a residual apart ---------------------------------------------------------------


def make_row(
    name: str, kind: str, equation: Equation, residual: sympy.Expr, stiff: sympy.Expr | None,
    frame: Frame,
) -> Row:  # fmt: skip
    """A residual in jets taken apart into mass, linear, nonlinear part and forcing.

    Args:
        name: what messages call the row.
        kind: `interior`, `boundary` or `initial`.
        equation: where it comes from; a boundary condition also gives the regions.
        residual: what vanishes.
        stiff: the part of it that is marked as stiff.
        frame: the jet space, and which of its axes is time.
    """
    space = frame.space
    linear: dict[sympy.Symbol, list[sympy.Expr]] = {}
    nonlinear: list[sympy.Expr] = []
    forcing: list[sympy.Expr] = []
    for term in summands(residual, space):
        jets = space.jets(term)
        if not jets:
            forcing.append(term)
            continue
        symbol = space.symbol(jets[0])
        slope = _coefficient(term, symbol, space) if len(jets) == 1 else None
        if slope is None:
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
    if nonlinear:
        nonlinear, terms, forcing = _really_linear(nonlinear, terms, forcing, space)
    terms.sort(key=lambda t: (t.jet.field, t.jet.order, [-n for n in t.jet.orders]))
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


def _coefficient(term: sympy.Expr, symbol: sympy.Symbol, space: JetSpace) -> sympy.Expr | None:
    """c of a term c · u_jet; None where a term that holds one jet is not linear in it."""
    if isinstance(term, sympy.Mul):
        others = [a for a in term.args if a != symbol]
        if len(others) < len(term.args) and not any(space.jets(a) for a in others):
            return sympy.Mul(*others)
    slope: sympy.Expr = sympy.diff(term, symbol)  # pyright: ignore[reportAssignmentType]
    if space.jets(slope) or term.xreplace({symbol: sympy.S.Zero}) != 0:
        return None
    return slope


def _really_linear(
    nonlinear: list[sympy.Expr], terms: list[LinearTerm], forcing: list[sympy.Expr], space: JetSpace
) -> tuple[list[sympy.Expr], list[LinearTerm], list[sympy.Expr]]:
    """Parts in which nonlinear terms that cancel, as in (u + 1)² − u², are linear ones.

    Only polynomials in jets are tried: their slopes are constant when they agree at random jets
    (J. T. Schwartz, Journal of the ACM 27, 1980, lemma 1).
    """
    total = sympy.Add(*nonlinear)
    symbols = [space.symbol(j) for j in space.jets(total)]
    if len(nonlinear) > MAXIMUM_PRODUCT or not total.is_polynomial(*symbols):
        return nonlinear, terms, forcing
    slopes = [sympy.diff(total, s) for s in symbols]
    others = sorted(total.free_symbols - set(symbols), key=str)
    evaluate = make_function(slopes, [*symbols, *others], numpy_namespace())  # type: ignore[list-item]
    generator = np.random.default_rng(0)
    fixed = generator.uniform(0.2, 0.9, len(others))
    with np.errstate(all="ignore"):
        first, second = (
            np.array(evaluate(*generator.uniform(0.7, 1.3, len(symbols)), *fixed), dtype=float)
            for _ in range(2)
        )
    size = np.max(np.abs([first, second]), initial=0.0)
    # High powers may leave the range of numbers, where everything agrees.
    if not 1e-100 < size < 1e100 or not np.allclose(first, second, rtol=1e-9, atol=1e-12 * size):
        return nonlinear, terms, forcing
    zero = dict.fromkeys(symbols, sympy.S.Zero)
    found = {t.jet: t.coefficient for t in terms}
    for symbol, slope in zip(symbols, slopes, strict=True):
        jet = space.jet_of(symbol)
        assert jet is not None
        found[jet] = found.get(jet, sympy.S.Zero) + slope.xreplace(zero)
    linear = [LinearTerm(c, j) for j, c in found.items() if c != 0]
    return [], linear, [*forcing, total.xreplace(zero)]  # pyright: ignore[reportReturnType]


def parts_agree(
    system: System, row: Row, seed: int = 0, trials: int = 3, *, erased: bool = True
) -> bool:
    """Whether a row's parts sum to its residual, and that to the erased equation.

    `erased`: whether the equation is erased once more to compare with, which in a curved metric
    takes most of the time.

    Random values are put in place of coordinates, parameters, normals and jets; sums that agree
    there to rounding are equal but for a set of measure zero.
    """
    generator = np.random.default_rng(seed)
    space = system.space
    stated = row.residual
    if erased:
        known = _exact_markers(row.equation, system.problem, system.exact, system.frame)
        stated = erase(row.equation.lhs - row.equation.rhs, system.frame, known)
        stated = exact_jets(stated, space, system.sources)
    parts = [t.expression(space) for t in (*row.mass, *row.linear)]
    parts += [row.nonlinear, row.forcing]
    expressions = [stated, row.residual, *parts]
    symbols = sorted(set().union(*(e.free_symbols for e in expressions)), key=str)
    evaluate = make_function(expressions, symbols, numpy_namespace())  # type: ignore[arg-type]
    for _ in range(trials):
        with np.errstate(all="ignore"):
            point = generator.uniform(0.2, 0.9, len(symbols))
            values = [float(np.real(v)) for v in evaluate(*point)]
        if not all(np.isfinite(values)):
            continue
        scale = sum(abs(v) for v in values[2:]) + abs(values[0]) + 1e-300
        if abs(sum(values[2:]) - values[0]) > 1e-9 * scale:
            return False
        if abs(values[1] - values[0]) > 1e-9 * scale:
            return False
    return True
