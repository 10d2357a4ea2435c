"""Vectors and tensors: how operators and reductions act on components.

A value is a scalar, a column matrix (a vector) or a square matrix (a tensor) of SymPy
expressions. An operator on a vector becomes one marker for each component of its result. With a
metric the components are the contravariant ones of the coordinates, and products lower them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy

from pdesl.diagnostics import Span
from pdesl.language import ast
from pdesl.language.names import suggest
from pdesl.symbolic.index_values import along
from pdesl.symbolic.operators import NORMAL, OPERATORS, Operator, marker
from pdesl.symbolic.scope import Scope, Value, components, mistake, rank_words
from pdesl.symbolic.tensors import DOWN, UP

__all__ = [
    "apply_operator", "apply_reduction", "cross", "identity", "is_along_family", "multiply",
    "normal", "rank_help",
]  # fmt: skip

Matrix = sympy.ImmutableDenseMatrix


def identity(scope: Scope, span: Span | None) -> Matrix:
    """δ_ij; with a metric g^{ij}, which A·v takes to A. Raises `Mistake`."""
    size = len(scope.space)
    if not scope.curved:
        return Matrix(sympy.eye(size))
    geometry = scope.geometry()
    if geometry.is_shifted():
        raise mistake("E602", "in this metric, which mixes time and space, `identity` has no form",
                      span, "write it with indices")  # fmt: skip
    return Matrix(
        size, size,
        [geometry.component("g", (UP, UP), (i, j)) for i in geometry.space for j in geometry.space],
    )  # fmt: skip


def normal(scope: Scope) -> Matrix:
    """The outward normal, of unit length; with a metric by its contravariant components."""
    if not scope.curved:
        return Matrix([sympy.Symbol(f"{NORMAL}[{c}]", real=True) for c in scope.space])
    geometry = scope.geometry()
    return Matrix([geometry.component(NORMAL, (UP,), (p,)) for p in geometry.space])


def _lower(scope: Scope) -> Matrix:
    """g_{ij} of space."""
    geometry = scope.geometry()
    size = len(geometry.space)
    return Matrix(
        size, size,
        [geometry.component("g", (DOWN, DOWN), (i, j)) for i in geometry.space
         for j in geometry.space],
    )  # fmt: skip


def _trace(value: sympy.MatrixBase) -> sympy.Expr:
    return sympy.Add(*value.diagonal())


def _square(value: sympy.MatrixBase, scope: Scope) -> sympy.Expr:
    """v·v of a vector, the sum of all T_{ij} T^{ij} of a tensor."""
    if not scope.curved or value.rows != len(scope.space):
        return sympy.Add(*(e**2 for e in components(value)))  # type: ignore[arg-type]
    metric = _lower(scope)
    lower = metric * value if value.cols == 1 else metric * value * metric
    pairs = zip(components(value), components(lower), strict=True)  # type: ignore[arg-type]
    return sympy.Add(*(a * b for a, b in pairs))


def _is_vector(value: Value) -> bool:
    return isinstance(value, sympy.MatrixBase) and value.cols == 1


def _each(value: Value, function: Callable[[sympy.Expr], sympy.Expr]) -> Value:
    if not isinstance(value, sympy.MatrixBase):
        return function(value)
    return Matrix(value.rows, value.cols, [function(e) for e in components(value)])


# -- operators -----------------------------------------------------------------------------


def apply_operator(node: ast.Call, values: Sequence[Value], scope: Scope) -> Value:
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
    if operator.name == "curl" and dimension == 2 and not isinstance(values[0], sympy.MatrixBase):
        return _turned_gradient(values[0], scope)
    _check_vectors(node, operator, values, dimension)
    if scope.curved and isinstance(values[-1], sympy.MatrixBase):
        return _curved(node, operator, values, dimension)
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


def _turned_gradient(value: sympy.Expr, scope: Scope) -> Matrix:
    """The curl of s e_z, whose components ε^{ij} ∂_j s lie in the plane."""
    if not scope.curved:
        slopes = [marker("grad")(value, i) for i in (1, 2)]
        return Matrix([slopes[1], -slopes[0]])
    geometry = scope.geometry()
    one, other = geometry.space
    slopes = [along(value, geometry.coordinates[p], geometry.coordinates) for p in geometry.space]
    factor = geometry.component("ε", (UP, UP), (one, other))
    return Matrix([factor * slopes[1], -factor * slopes[0]])


def _curved(node: ast.Call, operator: Operator, values: Sequence[Value], dimension: int) -> Value:
    """An operator on vectors where there is a metric: markers of all components."""
    function = marker(operator.name)
    value = values[-1]
    assert isinstance(value, sympy.MatrixBase)
    numbers = range(1, dimension + 1)
    name = operator.name
    parts = components(value)
    if name == "div" and value.cols == 1:
        return function(*parts)
    if name == "div":
        return Matrix([function(*parts, i) for i in numbers])
    if value.cols == 1 and value.rows == dimension:
        if name == "grad":
            return Matrix([[function(*parts, i, j) for j in numbers] for i in numbers])
        if name == "curl" and dimension == 2:
            return function(*parts)
        if name == "advect":
            parts = (*components(values[0]), *parts)
        if name != "box" and not (name == "curl" and dimension != 3):
            return Matrix([function(*parts, i) for i in numbers])
    raise mistake(
        "E602", f"`{operator.symbol or name}` of {rank_words(value)} has no meaning with a metric",
        node.span, "write it with indices, ∇^{μ} ∇_{μ} A^{ν}",
    )  # fmt: skip


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
    if scope.curved:
        raise mistake("E602", f"along the family `{name}` alone there is no metric", node.span,
                      "write it with indices, ∇_{i} v^{i}")  # fmt: skip
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
    """`norm`, `sum`, `prod`, `mean`, `outer`, `transpose`, `trace`. Raises `Mistake`."""
    name = node.function
    value = values[0]
    if name == "outer":
        if not all(_is_vector(v) for v in values):
            raise mistake("E301", "an outer product takes two vectors", node.span)
        return Matrix(values[0] * values[1].T)  # type: ignore[union-attr,operator]
    if name in ("transpose", "trace"):
        if not isinstance(value, sympy.MatrixBase) or value.rows != value.cols:
            raise mistake("E301", f"`{name}` needs a rank-two tensor", node.arguments[0].span,
                          "a tensor is ∇v of a vector v, or [[1, 0], [0, 2]]")  # fmt: skip
        if name == "transpose":
            return value.T
        if scope.curved:
            return _trace(value * _lower(scope))
        return _trace(value)
    if isinstance(value, sympy.MatrixBase):
        entries = components(value)
        if name == "norm":
            return sympy.sqrt(_square(value, scope))
        if name == "prod":
            return sympy.Mul(*entries)
        total = sympy.Add(*entries)
        return total if name == "sum" else total / len(entries)
    if name == "prod":
        raise mistake("E301", "`prod` multiplies the components of a vector", node.span,
                      "of a function of one argument at every component, prod(f(x))")  # fmt: skip
    # Of a scalar field over its domain: an observable.
    return marker({"norm": "norm", "sum": "integral", "mean": "average"}[name])(value)


# -- products ------------------------------------------------------------------------------


def multiply(node: ast.Binary, left: Value, right: Value, scope: Scope) -> Value:
    """The product of two values, a scalar one of two vectors (dot). Raises `Mistake`."""
    if not (isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase)):
        return left * right  # type: ignore[operator,return-value]
    metric = _lower(scope) if scope.curved and left.cols in (1, right.rows) else None
    if _is_vector(left) and _is_vector(right):
        if node.operator == "*":
            raise mistake(
                "E301", "the product of two vectors is not defined", node.span,
                "a scalar product is `a · b` or `dot(a, b)`",
            )  # fmt: skip
        if left.rows == right.rows:
            own = right if metric is None else metric * right
            return sympy.Add(*(a * b for a, b in zip(left, own, strict=True)))  # pyright: ignore[reportArgumentType]
    elif not _is_vector(left) and left.cols == right.rows:
        return Matrix(left * (right if metric is None else metric * right))
    elif node.operator == "dot" and _is_vector(left) and left.rows == right.rows:
        return Matrix(right.T * (left if metric is None else metric * left))
    raise mistake(
        "E301", f"{rank_words(left)} and {rank_words(right)} cannot be multiplied", node.span,
        rank_help(left, right),
    )  # fmt: skip


def cross(node: ast.Expression, left: Value, right: Value, scope: Scope) -> Value:
    """The vector product of two vectors in space. Raises `Mistake`."""
    if not (_is_vector(left) and _is_vector(right) and left.rows == right.rows == 3):  # type: ignore[union-attr]
        raise mistake("E301", "a vector product needs two vectors of three components", node.span,
                      "a scalar product is `a · b`")  # fmt: skip
    if scope.curved:  # ε^{ijk} a_j b_k
        metric, geometry = _lower(scope), scope.geometry()
        turned = sympy.Matrix(metric * left).cross(sympy.Matrix(metric * right))
        factor = geometry.component("ε", (UP,) * 3, geometry.space)
        return Matrix(turned * factor)
    return sympy.ImmutableDenseMatrix(left.cross(right))  # type: ignore[union-attr]


def rank_help(left: Value, right: Value) -> str:
    """What to do about two ranks that do not fit."""
    if isinstance(left, sympy.MatrixBase) and isinstance(right, sympy.MatrixBase):
        return "write out the components, `v[1]`"
    return "use a component, `v[1]`, or the length, `norm(v)`"
