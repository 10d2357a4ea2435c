"""Vectors and tensors: how operators and reductions act on components.

A value is a scalar, a column matrix (a vector) or a square matrix (a tensor) of SymPy
expressions. An operator on a vector becomes one marker for each component of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy
from sympy.core.function import AppliedUndef

from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic.operators import OPERATORS, Operator, marker
from pdesl.symbolic.scope import Scope, Value, components, mistake, rank_words

__all__ = [
    "apply_operator", "apply_reduction", "check_flat", "cross", "identity", "is_along_family",
    "multiply", "rank_help",
]  # fmt: skip

Matrix = sympy.ImmutableDenseMatrix


def identity(size: int) -> Matrix:
    """δ_ij."""
    return Matrix(sympy.eye(size))


def _is_vector(value: Value) -> bool:
    return isinstance(value, sympy.MatrixBase) and value.cols == 1


def _each(value: Value, function: Callable[[sympy.Expr], sympy.Expr]) -> Value:
    if not isinstance(value, sympy.MatrixBase):
        return function(value)
    return Matrix(value.rows, value.cols, [function(e) for e in components(value)])


# -- operators -----------------------------------------------------------------------------


def apply_operator(
    node: ast.Call, values: Sequence[Value], scope: Scope, inside_divergence: bool
) -> Value:
    """The value of an operator at its arguments' values. Raises `Mistake`."""
    if node.keywords:
        return _along_family(node, values, scope)
    operator = OPERATORS[node.function]
    function = marker(operator.name)
    if operator.name in ("stiff", "nonstiff"):
        return _each(values[0], function)
    scope.refuse_unknown_space()
    dimension = len(scope.space)
    if dimension == 0:
        raise mistake("E311", f"`{operator.name}` needs spatial coordinates", node.span,
                      "add `x ∈ [0, 1]` to `domain:`")  # fmt: skip
    if scope.curved and not (operator.name == "grad" and inside_divergence):
        _check_curved(node, values)
    if operator.name == "curl" and dimension == 2 and not isinstance(values[0], sympy.MatrixBase):
        # The curl of s e_z, whose components lie in the plane.
        slopes = [marker("grad")(values[0], i) for i in (1, 2)]
        return Matrix([slopes[1], -slopes[0]])
    _check_vectors(node, operator, values, dimension)
    match operator.name:
        case "grad":
            (value,) = values
            if not isinstance(value, sympy.MatrixBase):
                return Matrix([function(value, i + 1) for i in range(dimension)])
            return Matrix([[function(e, i + 1) for i in range(dimension)] for e in value])
        case "div":
            (value,) = values
            assert isinstance(value, sympy.MatrixBase)
            if value.cols == 1:
                return function(*value)
            return Matrix([function(*value.row(i)) for i in range(value.rows)])
        case "curl":
            parts = components(values[0])
            if dimension == 3:
                return Matrix([function(*parts, i + 1) for i in range(3)])
            if dimension == 2:
                return function(*parts)
            raise mistake("E311", "a curl needs two or three dimensions", node.span,
                          f"there are {dimension} spatial coordinates")  # fmt: skip
        case "advect":
            velocity = components(values[0])
            return _each(values[1], lambda e: function(*velocity, e))
    return _each(values[0], function)


def _check_vectors(
    node: ast.Call, operator: Operator, values: Sequence[Value], dimension: int
) -> None:
    for kind, value, argument in zip(operator.takes, values, node.arguments, strict=False):
        if kind != "vector":
            continue
        if not isinstance(value, sympy.MatrixBase) or value.rows != dimension:
            raise mistake(
                "E301",
                f"`{operator.symbol or operator.name}` acts on a vector of {dimension} "
                f"component{'s' if dimension != 1 else ''}, and this is {rank_words(value)}",
                argument.span,
                "∇·(∇u) of a scalar u is ∇²u" if operator.name == "div" else "",
                label=f"a vector of {dimension} components is needed",
            )


def is_along_family(node: ast.Call) -> bool:
    """Whether a call is `∇_x·F`, `∇_x×F`, `∇_x²u` or `(v·∇_x)u`."""
    return len(node.keywords) == 1 and node.keywords[0].name == "along"


def _along_family(node: ast.Call, values: Sequence[Value], scope: Scope) -> Value:
    """An operator over the coordinates of one family."""
    place = node.keywords[0].value
    name = place.identifier if isinstance(place, ast.Name) else ""
    members = scope.families.get(name)
    if members is None:
        guess = suggest(name, list(scope.families))
        raise mistake(
            "E201", f"`{name}` is no family of coordinates", place.span or node.span,
            f"did you mean `{guess}`?" if guess else "a family is declared as `x ∈ [-1, 1]^3`",
        )  # fmt: skip
    scope.used.update(members)
    family = [sympy.Symbol(member, real=True) for member in members]

    def slope(e: sympy.Expr, symbol: sympy.Symbol, order: int = 1) -> sympy.Expr:
        return sympy.Derivative(e, (symbol, order), evaluate=False)

    def vector(value: Value) -> list[sympy.Expr]:
        if not (_is_vector(value) and len(components(value)) == len(family)):
            raise mistake(
                "E301", f"`∇_{name}` needs a vector of {len(family)} components here, and this is "
                f"{rank_words(value)}", node.arguments[0].span or node.span,
                "its components go with " + ", ".join(members),
            )  # fmt: skip
        return list(components(value))

    match node.function:
        case "div":
            return sympy.Add(*map(slope, vector(values[0]), family))
        case "lap":
            return _each(values[0], lambda e: sympy.Add(*(slope(e, s, 2) for s in family)))
        case "advect":
            velocity = vector(values[0])
            return _each(
                values[1],
                lambda e: sympy.Add(
                    *(v * slope(e, s) for v, s in zip(velocity, family, strict=True))
                ),
            )
        case "curl" if len(family) in (2, 3):
            e = vector(values[0])
            pairs = ((0, 1),) if len(family) == 2 else ((1, 2), (2, 0), (0, 1))
            parts = [slope(e[k], family[j]) - slope(e[j], family[k]) for j, k in pairs]
            return parts[0] if len(parts) == 1 else Matrix(parts)
    raise mistake("E311", f"`{node.function}` does not act along `{name}`", node.span)


# -- reductions ----------------------------------------------------------------------------


def apply_reduction(node: ast.Call, values: Sequence[Value], scope: Scope) -> Value:
    """`norm`, `sum`, `mean`, `outer`, `transpose`, `trace`. Raises `Mistake`."""
    name = node.function
    value = values[0]
    if name == "outer":
        if not all(_is_vector(v) for v in values):
            raise mistake("E301", "an outer product takes two vectors", node.span)
        check_flat(node, values, scope)
        return Matrix(values[0] * values[1].T)  # type: ignore[union-attr,operator]
    if name in ("transpose", "trace"):
        if not isinstance(value, sympy.MatrixBase) or value.rows != value.cols:
            raise mistake("E301", f"`{name}` needs a rank-two tensor", node.arguments[0].span,
                          "a tensor is ∇v of a vector v, or [[1, 0], [0, 2]]")  # fmt: skip
        check_flat(node, values, scope)
        return value.T if name == "transpose" else sympy.Add(*value.diagonal())
    if isinstance(value, sympy.MatrixBase):
        entries = components(value)
        if name == "norm":
            check_flat(node, values, scope)
            return sympy.sqrt(sympy.Add(*(e**2 for e in entries)))
        total = sympy.Add(*entries)
        return total if name == "sum" else total / len(entries)
    # Of a scalar field over its domain: an observable.
    return marker({"norm": "norm", "sum": "integral", "mean": "average"}[name])(value)


# -- curved coordinates --------------------------------------------------------------------

_CURVED = "with a metric there are ∇²u, □u, ∂n u and ∇·(κ ∇u) of scalars"


def check_flat(node: ast.Expression, values: Sequence[Value], scope: Scope) -> None:
    """Refuse a product of vectors that hold fields where there is a metric (E602)."""
    if scope.curved and any(e.atoms(AppliedUndef) for v in values for e in components(v)):
        raise mistake(
            "E602", "with a metric, the components of a vector could be meant in several ways, so "
            "this has no meaning", node.span, _CURVED,
        )  # fmt: skip


def _check_curved(node: ast.Call, values: Sequence[Value]) -> None:
    """Refuse what depends on how the components of a vector are meant (E602)."""
    name = node.function
    vectors = [v for v in values if isinstance(v, sympy.MatrixBase)]
    if name == "div" and all(v.cols == 1 and _is_sum_of_gradients(v) for v in vectors):
        return
    if vectors or name in ("grad", "curl"):
        raise mistake(
            "E602", f"with a metric, the components of a vector could be meant in several ways, so "
            f"`{OPERATORS[name].symbol or name}` has no meaning here", node.span, _CURVED,
        )  # fmt: skip


def _is_sum_of_gradients(vector: Matrix) -> bool:
    """Whether a vector is Σ κ_k ∇e_k with scalars κ_k.

    Such a vector means the same in every convention for components (covariant, contravariant,
    of unit length), so its divergence has one meaning in curved coordinates.
    """
    gradient = marker("grad")
    names: dict[sympy.Basic, sympy.Dummy] = {}
    rows = []
    for number, component in enumerate(components(vector), 1):
        found = [n for n in component.atoms(AppliedUndef) if n.func == gradient]
        if any(n.args[1] != number for n in found):
            return False
        for node in found:
            names.setdefault(node.args[0], sympy.Dummy(real=True))
        rows.append(component.xreplace({n: names[n.args[0]] for n in found}))
    first = rows[0]
    if any(row != first for row in rows) or first.xreplace(dict.fromkeys(names.values(), 0)) != 0:
        return False
    slopes = [sympy.diff(first, name) for name in names.values()]
    return not any(slope.has(*names.values()) for slope in slopes)


# -- products ------------------------------------------------------------------------------


def multiply(node: ast.Binary, left: Value, right: Value, scope: Scope) -> Value:
    """The product of two values, a scalar one of two vectors (dot). Raises `Mistake`."""
    if not (isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase)):
        return left * right  # type: ignore[operator,return-value]
    check_flat(node, (left, right), scope)
    if _is_vector(left) and _is_vector(right):
        if node.operator == "*":
            raise mistake(
                "E301", "the product of two vectors is not defined", node.span,
                "a scalar product is `a · b` or `dot(a, b)`",
            )  # fmt: skip
        if left.rows == right.rows:
            return sympy.Add(*(a * b for a, b in zip(left, right, strict=True)))  # pyright: ignore[reportArgumentType]
    elif not _is_vector(left) and left.cols == right.rows:
        return sympy.ImmutableDenseMatrix(left * right)
    elif node.operator == "dot" and _is_vector(left) and left.rows == right.rows:
        return sympy.ImmutableDenseMatrix(right.T * left)
    raise mistake(
        "E301", f"{rank_words(left)} and {rank_words(right)} cannot be multiplied", node.span,
        rank_help(left, right),
    )  # fmt: skip


def cross(node: ast.Expression, left: Value, right: Value, scope: Scope) -> Value:
    """The vector product of two vectors in space. Raises `Mistake`."""
    if not (_is_vector(left) and _is_vector(right) and left.rows == right.rows == 3):  # type: ignore[union-attr]
        raise mistake("E301", "a vector product needs two vectors of three components", node.span,
                      "a scalar product is `a · b`")  # fmt: skip
    check_flat(node, (left, right), scope)
    return sympy.ImmutableDenseMatrix(left.cross(right))  # type: ignore[union-attr]


def rank_help(left: Value, right: Value) -> str:
    """What to do about two ranks that do not fit."""
    if isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase):
        return "write out the components, `v[1]`"
    return "use a component, `v[1]`, or the length, `norm(v)`"
