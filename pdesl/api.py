"""The Python face: a problem from SymPy expressions, its blocks as keywords.

    import sympy as sp
    from pdesl import Problem, disk, dn, dt_pinn, exact, lap, on

    x, y = sp.symbols("x y")
    u, f = sp.Function("u")(x, y), sp.Function("f")(x, y)
    poisson = Problem(
        domain={(x, y): disk(radius=1)},
        fields={u: "scalar", f: "source"},
        equations=[sp.Eq(lap(u), sp.exp(u) + f)],
        boundary=[on("∂Ω", sp.Eq(dn(u) + u, dn(exact(u)) + exact(u)))],
        manufactured={u: 1 + sp.sin(sp.pi * x) * sp.cos(sp.pi * y)},
        solver=dt_pinn(nodes=1663, order=4),
    )

A problem made here is written as text and read again, so that it meets every check that a file
meets, and a message shows the line of the text it is about (`problem.to_pde()`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import Source
from pdesl.language import ast
from pdesl.language.names import is_name
from pdesl.language.parser import read_source
from pdesl.language.printer import format_module
from pdesl.symbolic import problem as symbolic
from pdesl.symbolic.domain import SHAPES
from pdesl.symbolic.elaborate import elaborate_source
from pdesl.symbolic.expression_text import expression_to_syntax, indexed_syntax
from pdesl.symbolic.operators import OPERATORS, marker

__all__ = ["Problem", "Recipe", "Where", "load", "mlp", "on", "periodic", "recipe", "unknown"]


# Functions of vectors and known solutions, written in a file under the same names.
_MARKERS = ("exact", "integral", "dot", "cross", "norm", "outer", "trace", "transpose")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named choice with options: a shape, a method, a network, `unknown(start=1)`."""

    name: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """An equation with the parts of the boundary where it holds."""

    equation: sympy.Eq
    regions: tuple[Any, ...]


def recipe(name: str) -> Any:
    """A function that makes the `Recipe` of a name, `disk = recipe("disk")`."""

    def make(*arguments: Any, **options: Any) -> Recipe:
        return Recipe(name, arguments, tuple(options.items()))

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"`{name}(…)` as a file has it; see `pdesl list` for its arguments."
    return make


unknown = recipe("unknown")
periodic = recipe("periodic")
load = recipe("load")
mlp = recipe("mlp")


def on(region: Any, equation: sympy.Eq, *more: Any) -> Where:
    """A boundary condition: `on("∂Ω", Eq(u, 0))`, `on(Eq(x, 0), Eq(u, 0))`, `on("outer", …)`.

    Args:
        region: `"∂Ω"`, the name of a part, or a SymPy relation of the spatial coordinates.
        equation: a `sympy.Eq`.
        more: further regions where it holds too.
    """
    return Where(equation, (region, *more))


class Problem(symbolic.Problem):
    """A problem from SymPy expressions; keywords are the blocks of a file.

    Args:
        domain: coordinate, or tuple of coordinates → `(lower, upper)`, `periodic(a, b)`, a shape.
        fields: applied function → `"scalar"`, `"vector"` or `"source"`. The components of a
            vector field v over x, y are the functions `v_x` and `v_y`. A field with indices,
            `A[-mu]` of `pdesl.tensors`, is a `"tensor"`, `"symmetric tensor"` or
            `"antisymmetric tensor"`.
        equations: `sympy.Eq`s; the operators are those of `pdesl`: `lap`, `div`, `stiff`, ….
        boundary: conditions made by `on`, and `sympy.Eq`s of integrals, `Eq(integral(u), 0)`.
        initial: `sympy.Eq`s that hold at the start.
        parameters: symbol or name → number, expression or `unknown(start=…)`.
        let, manufactured, reduce: symbol or applied function → expression.
        metric: a matrix over all coordinates, a recipe such as `schwarzschild(mass=1)`, or the
            line element ds² as an expression in symbols dr, dθ, ….
        closure: applied function or name → network, `mlp(u, hidden=(64, 64))`.
        data: name → `load("runs.h5")`.
        fit: column `"runs.u"` → model, or `(model, standard deviation)`; name → setting.
        verify: applied function → exact solution, or name → setting.
        sweep: name → values.
        solver: a recipe, such as `dt_pinn(order=4)`.
        output: file name → fields written at the end.
        name: for messages and files.

    Raises:
        ProblemError: the problem is wrong; every mistake found is in it.
        TypeError: an equation that is no `sympy.Eq` (SymPy's `==` compares, it does not equate).
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        domain: Mapping[Any, Any],
        fields: Mapping[Any, str],
        equations: Sequence[sympy.Eq],
        boundary: Sequence[Where] = (),
        initial: Sequence[sympy.Eq] = (),
        parameters: Mapping[Any, Any] | None = None,
        let: Mapping[Any, Any] | None = None,
        manufactured: Mapping[Any, Any] | None = None,
        reduce: Mapping[Any, Any] | None = None,
        metric: Any = None,
        closure: Mapping[Any, Recipe] | None = None,
        data: Mapping[str, Recipe] | None = None,
        fit: Mapping[str, Any] | None = None,
        verify: Mapping[Any, Any] | None = None,
        sweep: Mapping[str, Any] | None = None,
        solver: Recipe | None = None,
        output: Mapping[str, Iterable[Any]] | None = None,
        name: str = "problem",
    ):
        writer = _Writer(_space(domain), [*fields, *(let or {}), *(closure or {})])
        blocks = (
            ("parameters", [writer.setting(k, v) for k, v in (parameters or {}).items()]),
            ("domain", [writer.membership(k, v) for k, v in domain.items()]),
            ("let", [writer.setting(k, v) for k, v in (let or {}).items()]),
            ("metric", [] if metric is None else [writer.metric(metric)]),
            ("fields", [writer.field(k, v) for k, v in fields.items()]),
            ("closure", [writer.setting(k, v) for k, v in (closure or {}).items()]),
            ("equations", [writer.equation(e) for e in equations]),
            ("reduce", [writer.setting(k, v) for k, v in (reduce or {}).items()]),
            ("manufactured", [writer.setting(k, v) for k, v in (manufactured or {}).items()]),
            ("boundary", [writer.condition(c) for c in boundary]),
            ("initial", [writer.equation(e) for e in initial]),
            ("data", [writer.setting(k, v) for k, v in (data or {}).items()]),
            ("fit", [writer.fit(k, v) for k, v in (fit or {}).items()]),
            ("solver", [] if solver is None else [writer.setting("method", solver)]),
            ("verify", [writer.setting(k, v) for k, v in (verify or {}).items()]),
            ("sweep", [writer.setting(k, v) for k, v in (sweep or {}).items()]),
            ("output", [writer.output(k, v) for k, v in (output or {}).items()]),
        )
        module = ast.Module(
            tuple(ast.Block(n, tuple(lines)) for n, lines in blocks if lines), version=1
        )
        self._adopt(elaborate_source(Source(name, format_module(module))))

    def _adopt(self, other: symbolic.Problem) -> None:
        for entry in dataclasses.fields(symbolic.Problem):
            object.__setattr__(self, entry.name, getattr(other, entry.name))

    @staticmethod
    def from_source(
        source: Source, overrides: Sequence[str] = (), profile: str | None = None
    ) -> Problem:
        """The problem of a text, a profile of it and overrides applied."""
        problem = object.__new__(Problem)
        problem._adopt(elaborate_source(source, overrides, profile))
        return problem

    @staticmethod
    def from_file(path: str | Path, overrides: Sequence[str] = ()) -> Problem:
        """The problem that a `.pde` file states, overrides `block.name=value` applied.

        Raises:
            ProblemError: the file is wrong; every mistake found is in it.
        """
        return Problem.from_source(read_source(path), overrides)

    @staticmethod
    def from_text(text: str, name: str = "<text>", overrides: Sequence[str] = ()) -> Problem:
        """The problem that a text in the language states. Raises as `from_file` does."""
        return Problem.from_source(Source(name, text), overrides)

    def compile(self, target: str = "system") -> Any:
        """The problem as far as `target`: `module`, `problem`, `system` or `split`."""
        from pdesl.run import pipeline

        return pipeline.compile(self, target)

    def solve(self, **options: Any) -> Any:
        """The `Solution` in memory; options as for `pdesl.run.pipeline.solve`."""
        from pdesl.run.pipeline import solve

        return solve(self, **options)

    def run(self, **options: Any) -> Any:
        """Solve and write a result folder; options as for `pdesl.run.pipeline.run`."""
        from pdesl.run.pipeline import run

        return run(self, **options)

    def _repr_html_(self) -> str:
        from pdesl.run.notebook import problem_html

        return problem_html(self)

    def explain(self) -> str:
        """What kind of problem it is, in words, with everything that is wrong or odd."""
        from pdesl.diagnostics import render_all
        from pdesl.run.pipeline import check

        folder = self.source.folder if self.source is not None else ""
        report = check(Source(self.name, self.to_pde(), folder))
        return "\n".join(filter(None, (render_all(report.diagnostics), *report.summary)))


def _space(domain: Mapping[Any, Any]) -> list[str]:
    names = [str(c) for key in domain for c in (key if isinstance(key, tuple) else (key,))]
    return [n for n in names if n not in ("t", "time", "τ")]


class _Writer:
    """Python values as statements of the language."""

    def __init__(self, space: list[str], functions: Iterable[Any]):
        self.space = space
        self.known: dict[str, tuple[sympy.Basic, ...]] = {}
        for function in functions:
            if isinstance(function, AppliedUndef):
                name = function.func.__name__
                self.known |= dict.fromkeys((name, *(f"{name}_{c}" for c in space)), function.args)

    def syntax(self, value: Any) -> ast.Expression:
        match value:
            case bool() | np.bool_():
                return ast.Name(str(bool(value)).lower())
            case str():
                return ast.String(value)
            case Integral() | Real() if not isinstance(value, sympy.Basic):
                plain = int(value) if isinstance(value, Integral) else float(value)
                if not np.isfinite(plain):
                    raise TypeError(f"{value!r} is no finite number")
                number = ast.Number(repr(abs(plain)))
                return ast.Negate(number) if plain < 0 else number
            case np.ndarray():
                return self.syntax(value.tolist())
            case Recipe(name, arguments, options):
                keywords = tuple(ast.Keyword(n, self.syntax(v)) for n, v in options)
                return ast.Call(name, tuple(self.syntax(a) for a in arguments), keywords)
            case tuple() | list():
                return ast.ListLiteral(tuple(self.syntax(v) for v in value))
            case sympy.MatrixBase() if value.cols == 1:
                return ast.ListLiteral(tuple(self.syntax(v) for v in value))
            case sympy.MatrixBase():
                rows = (tuple(value.row(i)) for i in range(value.rows))
                return ast.ListLiteral(tuple(self.syntax(row) for row in rows))
            case sympy.Basic():
                return expression_to_syntax(value, self.space, self.known)
        raise TypeError(f"{value!r} cannot be stated in a problem")

    def name(self, key: Any) -> ast.Expression:
        name = key.func.__name__ if isinstance(key, AppliedUndef) else str(key)
        indexed = indexed_syntax(name)
        if indexed is not None:
            return indexed
        if not all(is_name(part) for part in name.split(".")):
            raise TypeError(f"`{name}` cannot be a name: letters, digits and _, a letter first")
        return ast.Name(name)

    def setting(self, key: Any, value: Any) -> ast.Statement:
        if isinstance(value, AppliedUndef) and value.func.__name__ not in OPERATORS:
            return ast.Relation(self.name(key), "=", self.name(value))
        return ast.Relation(self.name(key), "=", self.syntax(value))

    def membership(self, key: Any, value: Any) -> ast.Statement:
        members = key if isinstance(key, tuple) else (key,)
        return ast.Membership(tuple(self.name(m) for m in members), self.syntax(value))

    def metric(self, value: Any) -> ast.Statement:
        if isinstance(value, sympy.Expr) and not isinstance(value, sympy.MatrixBase):
            left: ast.Expression = ast.Binary("^", ast.Name("ds"), ast.Number("2"))
            return ast.Relation(left, "=", self.syntax(value))
        return ast.Relation(ast.Name("g"), "=", self.syntax(value))

    def fit(self, key: str, value: Any) -> ast.Statement:
        if "." not in key:
            return self.setting(key, value)
        if isinstance(value, tuple):
            model, deviation = value
            right: ast.Expression = ast.Binary("±", self.syntax(model), self.syntax(deviation))
        else:
            right = self.syntax(value)
        return ast.Relation(self.name(key), "~=", right)

    def field(self, key: Any, kind: str) -> ast.Statement:
        if not isinstance(key, AppliedUndef):
            raise TypeError(f"a field is an applied function, u(x, y), not {key!r}")
        name, arguments = self.name(key), tuple(self.name(a) for a in key.args)
        if isinstance(name, ast.Indexed):
            field: ast.Expression = ast.IndexedField(name.name, name.indices, arguments)
        else:
            field = ast.Call(key.func.__name__, arguments)
        symmetry, _, word = kind.rpartition(" ")
        sort = ast.Call(word, (ast.Name(symmetry),)) if symmetry else ast.Name(kind)
        return ast.Declaration((field,), sort)

    def equation(self, value: Any, regions: tuple[ast.Expression, ...] = ()) -> ast.Statement:
        if not isinstance(value, sympy.Equality):
            raise TypeError(
                f"an equation is sympy.Eq(left, right), not {value!r}; "
                "in Python `left == right` compares the two and gives True or False"
            )
        return ast.Relation(self.syntax(value.lhs), "=", self.syntax(value.rhs), regions)

    def condition(self, value: Any) -> ast.Statement:
        if isinstance(value, sympy.Equality) and value.has(marker("integral")):
            return self.equation(value)
        if not isinstance(value, Where):
            raise TypeError('a boundary condition says where it holds: on("∂Ω", Eq(u, 0))')
        return self.equation(value.equation, tuple(self.region(r) for r in value.regions))

    def region(self, value: Any) -> ast.Expression:
        if isinstance(value, str):
            return ast.BoundaryOf(value[1:]) if value.startswith("∂") else ast.Name(value)
        if isinstance(value, sympy.core.relational.Relational):
            relation = str(getattr(value, "rel_op", ""))
            operator = {"==": "="}.get(relation, relation)
            return ast.Comparison(operator, self.syntax(value.lhs), self.syntax(value.rhs))
        raise TypeError(f"{value!r} is no part of a boundary")

    def output(self, target: str, fields: Iterable[Any]) -> ast.Statement:
        names = tuple(self.name(f) for f in fields)
        return ast.Schedule("at", ast.Name("end"), names, target)


def names() -> dict[str, Any]:
    """Every operator, shape and method as a Python name."""
    from pdesl.solvers.methods import METHODS
    from pdesl.symbolic.metric import METRICS

    found: dict[str, Any] = {name: marker(name) for name in (*OPERATORS, *_MARKERS)}
    found |= {name: recipe(name) for name in (*SHAPES, *METRICS, *METHODS)}
    return found
