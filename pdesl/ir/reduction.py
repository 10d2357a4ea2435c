"""`reduce:`: a separation ansatz is substituted, and an equation for the new fields is left.

With ψ = u(t, x) Y(ℓ, m, θ, φ)/r an equation for ψ becomes Σ_j c_j(t, x, θ, φ) J_j = 0 with J_j
products of jets of u. It separates where all ratios c_j/c_k are free of θ and φ: then it is an
equation for u. With several new fields, ψ = a(t, r) cos(m φ) + b(t, r) sin(m φ), the coefficient of
every independent function of the separated coordinates has to vanish, which gives one equation
each. Derivatives of eigenfunctions are replaced by their differential equations (see `modes`).

The result is a problem over the coordinates that are left, without a metric, which nothing
downstream tells from one that was stated so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy
from sympy.core.function import AppliedUndef
from sympy.polys.polyerrors import BasePolynomialError

from pdesl.diagnostics import Diagnostic, ProblemError, Span
from pdesl.ir.frame import frame_of, summands
from pdesl.symbolic.domain import Shape, shape_dimension
from pdesl.symbolic.functions import vanishes
from pdesl.symbolic.jets import Jet, JetSpace, NotDifferentiable, TooLarge, format_jet
from pdesl.symbolic.modes import MODES, Mode, lowered
from pdesl.symbolic.operators import OPERATORS, ErasureError, Frame, erase, marker
from pdesl.symbolic.problem import Equation, Field, Given, Problem
from pdesl.symbolic.rational import Rational
from pdesl.symbolic.tidy import tidy

__all__ = ["reduce_problem"]

Expr = sympy.Expr


def reduce_problem(problem: Problem) -> Problem:
    """The problem that a separation ansatz leaves; the problem itself without one.

    Raises:
        ProblemError: an ansatz that holds no new field (E341), an eigenfunction of other than
            separated coordinates (E342), an equation that does not separate, at the term that
            remains (E343), a condition or solution for a field that is replaced, or one that
            would need the metric (E344), a domain that is no product (E345); what operators may
            be wrong in (see `normalise`).
    """
    if not problem.reduction:
        return problem
    return _Reduction(problem).result()


@dataclass(frozen=True, slots=True)
class _Sum:
    """Σ coefficient · (product of jets of the new fields) = 0."""

    products: tuple[Expr, ...]
    coefficients: tuple[Expr, ...]


class _Inside(Exception):
    """A separated coordinate stands in a product of new fields, inside a function."""

    def __init__(self, product: Expr):
        self.product = product
        super().__init__()


class _Reduction:
    def __init__(self, problem: Problem):
        self.problem = problem
        self.replaced = {g.field: g for g in problem.reduction}
        unknown = problem.unknown_fields
        held = {
            node.func.__name__ for g in problem.reduction for node in g.value.atoms(AppliedUndef)
        }
        self.new = [f for f in unknown if set(f.components) & held]
        self._check_fields(unknown)
        kept = {c for f in self.new for c in f.coordinates}
        kept |= {
            c for f in problem.fields if not set(f.components) & set(self.replaced)
            for c in f.coordinates
        }  # fmt: skip
        self.separated = [c for c in problem.coordinates if c.name not in kept]
        self.coordinates = [c for c in problem.coordinates if c.name in kept]
        self.modes: dict[str, tuple[Mode, tuple[Expr, ...], tuple[int, ...]]] = {}
        self.ansatz = {name: self._with_modes(g) for name, g in self.replaced.items()}
        self.frame = self._frame()

    # -- the ansatz ------------------------------------------------------------------------

    def _check_fields(self, unknown: Iterable[Field]) -> None:
        for given in self.problem.reduction:
            names = {n.func.__name__ for n in given.value.atoms(AppliedUndef)}
            old = next(f for f in unknown if given.field in f.components)
            if names & set(self.replaced):
                raise _wrong(
                    "E341", f"the ansatz for `{given.field}` holds a field that is itself "
                    "replaced", given.span, "build it of new fields alone",
                )  # fmt: skip
            own = [f for f in self.new if set(f.components) & names]
            if not own:
                raise _wrong(
                    "E341", f"the ansatz for `{given.field}` holds no new field", given.span,
                    "declare one under `fields:`, `u(t, x) : scalar`, and write "
                    f"`{given.field} = u(t, x) …`",
                )  # fmt: skip
            for field in own:
                extra = [c for c in field.coordinates if c not in old.coordinates]
                if extra:
                    raise _wrong(
                        "E341", f"`{given.field}` does not depend on `{extra[0]}`, and "
                        f"`{field.name}` in its ansatz does", given.span,
                        f"declare `{given.field}` over `{extra[0]}` too",
                    )  # fmt: skip
        for field in unknown:
            given = [c for c in field.components if c in self.replaced]
            if given and len(given) < len(field.components):
                rest = next(c for c in field.components if c not in self.replaced)
                raise _wrong("E341", f"the ansatz leaves out the component `{rest}`", field.span,
                             f"add a line `{rest} = …` to `reduce:`")  # fmt: skip

    def _with_modes(self, given: Given) -> Expr:
        """The ansatz with a field of the separated angles in place of each eigenfunction."""
        values: dict[sympy.Basic, sympy.Basic] = {}
        names = [c.name for c in self.problem.coordinates]
        separated = {c.symbol for c in self.separated}
        symbols = {c.symbol for c in self.problem.coordinates}
        for node in sorted(given.value.atoms(AppliedUndef), key=str):
            mode = MODES.get(node.func.__name__)
            if mode is None or any(node.func.__name__ in f.components for f in self.new):
                continue
            degrees = node.args[: len(mode.degrees)]
            angles = node.args[len(mode.degrees) :]
            distinct = len(set(angles)) == len(angles)
            if not distinct or any(a not in separated for a in angles):
                raise _wrong(
                    "E342", f"the angles of `{mode.name}` are coordinates that the ansatz "
                    "separates", given.span,
                    f"write `{mode.call}` with two coordinates of `{given.field}` that no new "
                    "field depends on" if len(angles) > 1 else
                    f"write `{mode.call}` with a coordinate that no new field depends on",
                )  # fmt: skip
            if any(d.free_symbols & symbols or d.atoms(AppliedUndef) for d in degrees):
                raise _wrong("E342", f"the degrees of `{mode.name}` are numbers or parameters",
                             given.span, f"write `{mode.call}`")  # fmt: skip
            own: tuple[Mode, Any, tuple[int, ...]] = (
                mode, degrees, tuple(names.index(str(a)) for a in angles)
            )  # fmt: skip
            known = [n for n, other in self.modes.items() if other == own]
            name = known[0] if known else f"{mode.name}[{len(self.modes)}]"
            self.modes[name] = own
            values[node] = sympy.Function(name)(*angles)  # type: ignore[assignment]
        return given.value.xreplace(values)  # pyright: ignore[reportReturnType]

    def _frame(self) -> Frame:
        frame = frame_of(self.problem)
        fields = [*frame.space.fields, *((n, axes) for n, (_, _, axes) in self.modes.items())]
        return replace(frame, space=JetSpace(frame.space.coordinates, tuple(fields)))

    # -- substitution ----------------------------------------------------------------------

    @property
    def held(self) -> set[sympy.Symbol]:
        return {c.symbol for c in self.separated}

    def _depends(self, expression: sympy.Basic) -> set[sympy.Symbol]:
        """The separated coordinates, and jets of eigenfunctions, in an expression."""
        found = expression.free_symbols & self.held
        for jet in self.frame.space.jets(expression):
            if jet.field in self.modes:
                found.add(self.frame.space.symbol(jet))
        return found  # type: ignore[return-value]

    def substituted(self, expression: Expr) -> Expr:
        """An expression in jets with the ansatz in place of the fields that it replaces."""
        space = self.frame.space
        known: dict[Jet, Expr] = {}

        def value(jet: Jet) -> Expr:
            if jet not in known:
                axis = next((i for i, n in enumerate(jet.orders) if n), None)
                if axis is None:
                    known[jet] = erase(self.ansatz[jet.field], self.frame)
                else:
                    lower = value(jet.raised(axis, -1))
                    result = space.total_derivative(lower, axis)
                    known[jet] = lowered(result, space, self.modes)
            return known[jet]

        values = {
            space.symbol(j): value(j) for j in space.jets(expression) if j.field in self.replaced
        }
        return expression.xreplace(values)  # pyright: ignore[reportReturnType]

    def _terms(self, expression: Expr) -> dict[Expr, Expr]:
        """The coefficients of the products of jets of new fields.

        Raises:
            _Inside: a separated coordinate inside a nonlinear function of a new field.
        """
        space = self.frame.space
        found: dict[Expr, list[Expr]] = {}
        for term in summands(expression, space):
            factors = sympy.Mul.make_args(term)
            inside = [
                f for f in factors if any(j.field not in self.modes for j in space.jets(f))
            ]  # fmt: skip
            product = sympy.Mul(*inside)
            if self._depends(product):
                raise _Inside(product)
            rest = sympy.Mul(*(f for f in factors if f not in inside))
            found.setdefault(product, []).append(rest)
        totals = {p: sympy.Add(*c) for p, c in found.items()}
        return {p: c for p, c in totals.items() if c != 0}

    # -- separation ------------------------------------------------------------------------

    def _separated(self, equation: Equation, terms: Mapping[Expr, Expr]) -> list[_Sum]:
        products = tuple(sorted(terms, key=self._rank))
        coefficients = [terms[p] for p in products]
        if not coefficients:
            raise _wrong("E343", "with the ansatz this says nothing: every term cancels",
                         equation.span, "the ansatz solves it for any new field")  # fmt: skip
        ratios = [self._free(c / coefficients[0]) for c in coefficients]
        kept = [(p, r) for p, r in zip(products, ratios, strict=True) if r != 0]
        if all(r is not None for _, r in kept):
            return [_Sum(*zip(*kept, strict=True))]  # type: ignore[arg-type]
        several = self._by_functions(products, coefficients)
        if several is not None:
            return several
        place = next(i for i, r in enumerate(ratios) if r is None)
        ratio = tidy(coefficients[place] / coefficients[0])[0]
        raise self._remains(
            equation, products[place], self._depends(ratio) or self.held, coefficients[0]
        )

    def _rank(self, product: Expr) -> tuple[int, int, str]:
        """The highest time derivative comes first, then the highest in space."""
        axis = self.frame.time_axis
        jets = self.frame.space.jets(product)
        time = max((j.orders[axis] for j in jets), default=-1) if axis is not None else 0
        whole = max((j.order for j in jets), default=-1)
        return -time, -whole, str(product)

    def _free(self, ratio: Expr) -> Expr | None:
        """A ratio without separated coordinates, None where it depends on one."""
        (short,) = tidy(ratio)
        held = self._depends(short)
        if not held:
            return short
        if any(not vanishes(sympy.diff(short, s)) for s in held):
            return None
        # It is constant along them, so that any of its values is the value.
        for value in (sympy.pi / 2, sympy.pi / 3, sympy.S.One, sympy.Rational(1, 2)):
            found: Any = short.xreplace({s: value if s in self.held else sympy.S.One for s in held})
            if not found.has(sympy.nan, sympy.zoo, sympy.oo) and vanishes(short - found):
                return tidy(found)[0]
        return None

    def _by_functions(
        self, products: tuple[Expr, ...], coefficients: list[Expr]
    ) -> list[_Sum] | None:
        """One equation for each independent function of the separated coordinates.

        None where there are not as many as the products hold new fields.
        """
        space = self.frame.space
        fields = {
            j.field for p in products for j in space.jets(p) if j.field not in self.modes
        } & {c for f in self.new for c in f.components}  # fmt: skip
        if len(fields) < 2:
            return None
        tags = [sympy.Dummy() for _ in products]
        rational = Rational(sympy.Add(*(t * c for t, c in zip(tags, coefficients, strict=True))))
        try:
            above = rational.lowest_numerator()
            inner = [s for s in rational.generators_of(self._depends) if above.has(s)]
            polynomials = [sympy.Poly(above.coeff(t), *inner) for t in tags] if inner else []
        except (BasePolynomialError, NotImplementedError):
            return None  # SymPy takes them for no polynomials: as where there are too few
        if not inner:
            return None
        common = sympy.gcd_list([p.as_expr() for p in polynomials])
        found: dict[tuple[int, ...], dict[int, Expr]] = {}
        for number, polynomial in enumerate(polynomials):
            own = sympy.Poly(sympy.cancel(polynomial.as_expr() / common), *inner)
            for powers, coefficient in own.terms():
                found.setdefault(powers, {})[number] = rational.back(coefficient)
        if len(found) != len(fields):
            return None
        sums = []
        for own in found.values():
            first = min(own)
            kept = [(products[n], tidy(c / own[first])[0]) for n, c in sorted(own.items())]
            sums.append(_Sum(*zip(*kept, strict=True)))  # type: ignore[arg-type]
        return sums

    def _remains(
        self, equation: Equation, product: Expr, held: Iterable[sympy.Symbol],
        pivot: Expr | None = None,
    ) -> ProblemError:  # fmt: skip
        space = self.frame.space
        names: list[str] = []
        for symbol in held:
            jet = space.jet_of(symbol)
            axes = () if jet is None else self.modes[jet.field][2]
            names += [str(symbol)] if jet is None else [space.coordinates[a].name for a in axes]
        words = " and ".join(f"`{n}`" for n in dict.fromkeys(sorted(names)))
        jets = [format_jet(j, space.coordinates) for j in space.jets(product)]
        what = f"the term with `{' '.join(jets)}`" if jets else "the term without fields"
        return _wrong(
            "E343", f"this does not separate: {what} keeps a factor that depends on {words}",
            self._place(equation, product, pivot),
            "take an ansatz in which every term has the same factor, or drop the coordinate from "
            "the coefficients",
        )  # fmt: skip

    def _place(self, equation: Equation, product: Expr, pivot: Expr | None) -> Span | None:
        """The summand of an equation that brings in the term that does not separate."""
        parts = [*sympy.Add.make_args(equation.lhs), *sympy.Add.make_args(equation.rhs)]
        for part in parts:
            try:
                terms = self._terms(self.substituted(erase(part, self.frame)))
            except (_Inside, ErasureError):
                return equation.span_of(part)
            own = terms.get(product)
            if own is not None and (pivot is None or self._free(own / pivot) is None):
                return equation.span_of(part)
        return equation.span

    # -- the problem that is left ----------------------------------------------------------

    def result(self) -> Problem:
        found: list[Diagnostic] = []
        equations: list[Equation] = []
        for equation in self.problem.equations:
            try:
                equations += self._equations(equation)
            except ProblemError as error:
                found += error.diagnostics
            except ErasureError as error:
                found.append(
                    Diagnostic(error.code, error.message, equation.span_of(error.part),
                               helps=(error.help or "write it in another way",))
                )  # fmt: skip
            except (NotDifferentiable, TooLarge) as error:
                code = "E306" if isinstance(error, TooLarge) else "E606"
                words = (
                    "with the ansatz worked out, this has too many terms"
                    if isinstance(error, TooLarge)
                    else "this differentiates a jump of the ansatz"
                )
                found.append(
                    Diagnostic(code, words, equation.span, helps=("choose a simpler ansatz",))
                )
        found += self._leftovers()
        if found:
            raise ProblemError(dict.fromkeys(found))
        names = set(self.replaced)
        changed: dict[str, Any] = {
            "coordinates": tuple(self.coordinates),
            "fields": tuple(f for f in self.problem.fields if not set(f.components) & names),
            "equations": tuple(equations),
            "shape": self._shape(),
            "metric": None,
            "reduction": (),
        }
        # A problem of the Python face is made from other arguments, so `replace` does not do.
        own = {f.name: getattr(self.problem, f.name) for f in dataclasses.fields(Problem)}
        return Problem(**(own | changed))

    def _equations(self, equation: Equation) -> list[Equation]:
        marked = [n for n in (equation.lhs - equation.rhs).atoms(AppliedUndef)
                  if n.func == marker("stiff")]  # fmt: skip
        if marked:
            raise _wrong("E316", "`stiff(…)` has no meaning in an equation that is reduced",
                         equation.span_of(marked[0]), "leave the mark out")  # fmt: skip
        residual = self.substituted(erase(equation.lhs - equation.rhs, self.frame))
        space = self.frame.space
        try:
            sums = self._separated(equation, self._terms(residual))
        except _Inside as error:
            held = self._depends(error.product)
            raise self._remains(equation, error.product, held) from None
        stated = []
        for own in sums:
            whole = sympy.Add(*(c * p for c, p in zip(own.coefficients, own.products, strict=True)))
            stated.append(
                Equation(space.applied(whole), sympy.S.Zero, equation.terms, span=equation.span)
            )
        return stated

    def _leftovers(self) -> Iterable[Diagnostic]:
        """Statements that the reduced problem has no meaning for."""
        problem = self.problem
        names = set(self.replaced)
        new = ", ".join(f"`{f.name}`" for f in self.new)
        curved = {n for n in OPERATORS if n not in ("stiff", "nonstiff")}
        for condition in (*problem.boundary, *problem.integrals, *problem.initial):
            difference = condition.lhs - condition.rhs
            nodes = difference.atoms(AppliedUndef)
            old = [n for n in nodes if n.func.__name__ in names]
            if old:
                yield Diagnostic(
                    "E344", f"`{old[0].func.__name__}` is replaced by its ansatz, so a condition "
                    "speaks of the new field", condition.span_of(old[0]),
                    helps=(f"state it for {new}",),
                )  # fmt: skip
                continue
            marks = [n for n in nodes if n.func.__name__ in curved]
            if marks and problem.metric is not None:
                yield Diagnostic(
                    "E344", "the metric is used up by the reduction, and this operator needs one",
                    condition.span_of(marks[0]), helps=("write derivatives along coordinates, "
                                                        "`∂x u`",),
                )  # fmt: skip
            strange = difference.free_symbols & self.held
            if strange:
                yield Diagnostic(
                    "E344", f"the new fields do not depend on `{min(map(str, strange))}`",
                    condition.span, helps=("state the condition for what is left",),
                )  # fmt: skip
        for given in problem.known_solution:
            if given.field in names:
                yield Diagnostic(
                    "E344", f"`{given.field}` is replaced by its ansatz, so a known solution is "
                    "one of the new field", given.span, helps=(f"give that of {new}",),
                )  # fmt: skip

    def _shape(self) -> Shape | None:
        """The shape over the spatial coordinates that are left."""
        shape = self.problem.shape
        ranged = [c for c in self.problem.space if not c.separated]
        keep = [i for i, c in enumerate(ranged) if c in self.coordinates]
        if shape is None or len(keep) == len(ranged):
            return shape
        if not keep:
            return None
        found = _restricted(shape, keep)
        if found is None:
            lost = next(c for c in ranged if c not in self.coordinates)
            raise _wrong(
                "E345", f"`{lost.name}` cannot be separated: its range depends on the other "
                "coordinates of the domain", lost.span or shape.span,
                f"give it an interval of its own, or leave out `{lost.name} ∈ …`",
            )  # fmt: skip
        return found


def _restricted(shape: Shape, keep: list[int]) -> Shape | None:
    """The factor of a product over some of its dimensions, None for what is no product."""
    if shape.kind == "product":
        parts: list[Shape] = []
        start = 0
        for part in shape.shapes:
            size = shape_dimension(part, len(shape.shapes))
            own = [i - start for i in keep if start <= i < start + size]
            start += size
            left = part if len(own) == size else _restricted(part, own) if own else None
            if own and left is None:
                return None
            parts += [left] if left is not None else []
        return parts[0] if len(parts) == 1 else Shape("product", (), tuple(parts), span=shape.span)
    if shape.kind != "box":
        return None
    arguments: list[tuple[str, Any]] = [
        (name, tuple(values[i] for i in keep))  # type: ignore[index]
        for name, values in shape.arguments
    ]
    return Shape("box", tuple(arguments), span=shape.span)


def _wrong(code: str, message: str, span: Span | None, *helps: str) -> ProblemError:
    return ProblemError([Diagnostic(code, message, span, helps=helps)])
