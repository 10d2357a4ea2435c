"""The table of operators: how each is spelled, what it takes, and what it means on jets.

An operator stands in a `Problem` as a marker, a plain applied function of SymPy (`lap(u(x, y))`,
`div(a, b)`), so that a problem can be printed as it was written. `erase` turns an expression with
markers, `Derivative`s and applied fields into one in jets; it is the only place where an operator
gets its meaning, so conditions, metrics and lowerings never see one.

A vector stands as its components. An operator with a vector result takes the number of the
component as its last argument (`grad(u, 1)`, `curl(a, b, c, 3)`), counted from 1. With a metric,
an operator on a vector needs all of its components, `lap(v_r, v_θ, 1)`; they are contravariant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.core.function import AppliedUndef, UndefinedFunction

from pdesl.diagnostics import PdeslError
from pdesl.symbolic.jets import Jet, JetSpace, NotDifferentiable, TooLarge
from pdesl.symbolic.metric import Metric
from pdesl.symbolic.tensor_components import christoffel_of, component_value
from pdesl.symbolic.tensors import UP, Symbols, Tensor, curl, lowered, volume_factor
from pdesl.symbolic.vector_calculus import (
    along_vector,
    tensor_divergence,
    unit_normal,
    vector_gradient,
    vector_laplacian,
)  # fmt: skip

__all__ = [
    "NORMAL", "OPERATORS", "ErasureError", "Frame", "Operator", "erase", "marker",
    "scaled_gradient", "split_arguments",
]  # fmt: skip

Scalar = sympy.Expr
# Components of the outward unit normal: data of a boundary point, as its coordinates are.
NORMAL = "n"


class ErasureError(PdeslError):
    """An operator that has no meaning where it stands; `part` is the offending expression."""

    def __init__(self, part: sympy.Basic, message: str, code: str = "E311", help: str = ""):
        self.part = part
        self.message = message
        self.code = code
        self.help = help
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Frame:
    """What operators are relative to: the jet space, which axes are space, which is time.

    `metric` gives g_{μν} over all coordinates when the file has a metric (rows in the order of
    `space.coordinates`), None in flat space with Cartesian coordinates; `spatial` is the metric
    that it induces on space. On a graph (`is_graph`) the one axis of space numbers nodes: a jet
    whose order along it is 2k stands for the k-th power of the graph's Laplacian, one of order 1
    for the sum over neighbours, and there are no derivatives.
    """

    space: JetSpace
    space_axes: tuple[int, ...]
    time_axis: int | None = None
    metric: Metric | None = None
    spatial: Metric | None = None
    is_graph: bool = False

    @staticmethod
    def over(
        space: JetSpace, space_axes: tuple[int, ...], time_axis: int | None, metric: Metric | None,
        *, is_graph: bool = False,
    ) -> Frame:  # fmt: skip
        spatial = None if metric is None else metric.restricted(space_axes)
        return Frame(space, space_axes, time_axis, metric, spatial, is_graph)

    @property
    def dimension(self) -> int:
        return len(self.space_axes)

    def normal(self, position: int) -> sympy.Symbol:
        coordinate = self.space.coordinates[self.space_axes[position]]
        return sympy.Symbol(f"{NORMAL}[{coordinate.name}]", real=True)

    def along(self, expression: Scalar, position: int) -> Scalar:
        """The derivative along the spatial axis at a position among the spatial axes."""
        if self.is_graph:
            raise _no_direction(expression)
        return self.space.total_derivative(expression, self.space_axes[position])


Meaning = Callable[[Frame, sympy.Basic, tuple[Scalar, ...]], Scalar]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    `takes` and `gives` are `scalar` or `vector` (what a file sees: a vector argument becomes as
    many components as there are spatial axes); `symbol` is its prefix spelling, if it has one;
    `latex` its typeset form.
    """

    name: str
    takes: tuple[str, ...]
    gives: str
    meaning: Meaning
    symbol: str = ""
    latex: str = ""
    words: str = ""


def _no_direction(part: sympy.Basic) -> ErasureError:
    return ErasureError(
        part, "a graph has no directions to differentiate along",
        help="`∇²u` is the graph's Laplacian, `neighbours(u)` the sum over neighbours",
    )  # fmt: skip


def marker(name: str) -> UndefinedFunction:
    """The SymPy function that stands for an operator."""
    return sympy.Function(name)  # type: ignore[return-value]


def _space(frame: Frame) -> tuple[Metric, Symbols]:
    """The metric of space and its Christoffel symbols."""
    metric = frame.spatial
    assert metric is not None, "an operator on a vector has a metric"
    axes = frame.space_axes
    coordinates = tuple(frame.space.coordinates[axis] for axis in axes)
    return metric, christoffel_of(metric, coordinates)


def _volume_divergence(frame: Frame, metric: Metric, flux: tuple[Scalar, ...]) -> Scalar:
    """∂_μ(√|g| F^μ)/√|g| = ∂_μ F^μ + F^μ ∂_μ(det g)/(2 det g) over the axes of a metric."""
    axes = frame.space_axes if metric is frame.spatial else range(len(frame.space.coordinates))
    determinant = metric.determinant
    terms = []
    for component, axis in zip(flux, axes, strict=True):
        slope = frame.space.total_derivative(determinant, axis)
        terms.append(frame.space.total_derivative(component, axis))
        terms.append(component * (slope / (2 * determinant)))
    return sympy.Add(*terms)


def _raised(frame: Frame, metric: Metric, e: Scalar) -> tuple[Scalar, ...]:
    """g^{μν} ∂_ν e over the axes of a metric."""
    axes = frame.space_axes if metric is frame.spatial else range(len(frame.space.coordinates))
    slopes = [frame.space.total_derivative(e, axis) for axis in axes]
    return tuple(
        sympy.Add(*(metric.inverse[row, column] * s for column, s in enumerate(slopes)))
        for row in range(len(slopes))
    )


def _grad(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    count = len(arguments)
    if count > 2:  # (∇v)^{ij} = g^{jk} ∇_k v^i
        *vector, first, second = arguments
        metric, symbols = _space(frame)
        slopes = vector_gradient(metric, symbols, vector, frame.along)
        return slopes[_component(node, first, frame.dimension),
                      _component(node, second, frame.dimension)]  # fmt: skip
    e, component = arguments[0], arguments[1]
    position = _component(node, component, frame.dimension)
    if frame.spatial is not None:  # contravariant components, as a divergence takes them
        return _raised(frame, frame.spatial, e)[position]
    return frame.along(e, position)


def _div(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    size = frame.dimension
    if len(arguments) == size**2 + 1 and frame.spatial is not None:  # ∇_j T^{ij}
        rows = [arguments[size * i : size * (i + 1)] for i in range(size)]
        parts = tensor_divergence(_space(frame)[1], rows, frame.along)
        return parts[_component(node, arguments[-1], size)]
    if len(arguments) != size:
        raise ErasureError(
            node, f"a divergence here needs {frame.dimension} components, not {len(arguments)}"
        )
    if frame.spatial is not None:
        return _volume_divergence(frame, frame.spatial, arguments)
    return sympy.Add(*(frame.along(e, i) for i, e in enumerate(arguments)))


def _curl(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    if frame.dimension == 2 and len(arguments) == 2:
        if frame.spatial is not None:  # ε^{ij} ∂_i v_j
            lower = lowered(Tensor.of((UP,), arguments, 2), 0, frame.spatial)
            turned = frame.along(lower[1], 0) - frame.along(lower[0], 1)
            return turned / volume_factor(frame.spatial)
        a, b = arguments
        return frame.along(b, 0) - frame.along(a, 1)
    if frame.dimension == 3 and len(arguments) == 4:
        i = _component(node, arguments[3], 3)
        if frame.spatial is not None:
            return curl(frame.spatial, arguments[:3], frame.along)[i]
        j, k = (i + 1) % 3, (i + 2) % 3
        return frame.along(arguments[k], j) - frame.along(arguments[j], k)
    raise ErasureError(node, "a curl needs a vector in two or three dimensions")


def _on_graph(frame: Frame, node: sympy.Basic, e: Scalar, order: int) -> Scalar:
    """A linear operator of a graph on Σ c_k u_k, whose c_k are the same at all nodes.

    There is no rule of products: what multiplies fields must stand outside.
    """
    (axis,) = frame.space_axes
    jets = frame.space.jets(e)
    symbols = [frame.space.symbol(jet) for jet in jets]
    moving = {*symbols, frame.space.coordinates[axis]}
    parts = [(jet, sympy.diff(e, symbol)) for jet, symbol in zip(jets, symbols, strict=True)]
    rest = sympy.expand(e - sympy.Add(*(c * s for (_, c), s in zip(parts, symbols, strict=True))))
    if any(c.free_symbols & moving for _, c in parts) or rest.free_symbols & moving:
        raise ErasureError(
            node, "on a graph this acts on sums of fields alone, since it has no rule of products",
            help="give the product a field of its own, with its rate of change as equation",
        )  # fmt: skip
    if order == 1 and (rest != 0 or any(jet.orders[axis] for jet in jets)):
        raise ErasureError(node, "neighbours are summed over for fields themselves",
                           help="write `neighbours(u)`")  # fmt: skip
    total: Scalar = sympy.S.Zero
    for jet, coefficient in parts:
        if jet.orders[axis] == 1:
            raise ErasureError(node, "`∇²` of a sum over neighbours is not at hand",
                               help="write `neighbours` and `∇²` of fields")  # fmt: skip
        orders = list(jet.orders)
        orders[axis] += order
        total += coefficient * frame.space.symbol(Jet(jet.field, tuple(orders)))
    return total


def _neighbours(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    if not frame.is_graph:
        raise ErasureError(node, "`neighbours` sums over the neighbours of a node, and this domain "
                           "is no graph", help='declare `i ∈ graph("edges.csv")`')  # fmt: skip
    return _on_graph(frame, node, arguments[0], 1)


def _lap(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    count = len(arguments)
    if frame.is_graph and count == 1:
        return _on_graph(frame, node, arguments[0], 2)
    if count > 1:
        *vector, component = arguments
        metric, symbols = _space(frame)
        parts = vector_laplacian(metric, symbols, vector, frame.along)
        return parts[_component(node, component, frame.dimension)]
    e = arguments[0]
    if frame.spatial is not None:
        return _volume_divergence(frame, frame.spatial, _raised(frame, frame.spatial, e))
    return sympy.Add(*(frame.along(frame.along(e, i), i) for i in range(frame.dimension)))


def _box(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    (e,) = arguments
    if frame.metric is not None:
        return _volume_divergence(frame, frame.metric, _raised(frame, frame.metric, e))
    if frame.time_axis is None:
        raise ErasureError(
            node, "`□` needs a time coordinate, and none is declared",
            help="add `t ∈ [0, 1]` to `domain:`",
        )  # fmt: skip
    second = frame.space.total_derivative(
        frame.space.total_derivative(e, frame.time_axis), frame.time_axis
    )
    return _lap(frame, node, arguments) - second


def _dn(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    normal = [frame.normal(i) for i in range(frame.dimension)]
    count = len(arguments)
    if count > 1:
        *vector, component = arguments
        metric, symbols = _space(frame)
        parts = along_vector(symbols, unit_normal(metric, normal), vector, frame.along)
        return parts[_component(node, component, frame.dimension)]
    e = arguments[0]
    if frame.spatial is not None:
        # n is the unit normal of the chart; as a covector it has length √(g^{ij} n_i n_j).
        inverse = frame.spatial.inverse
        square = sympy.Add(
            *(inverse[i, j] * a * b for i, a in enumerate(normal) for j, b in enumerate(normal))
        )
        flux = _raised(frame, frame.spatial, e)
        return sympy.Add(*(a * f for a, f in zip(normal, flux, strict=True))) / sympy.sqrt(square)
    return sympy.Add(*(n * frame.along(e, i) for i, n in enumerate(normal)))


def _advect(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    size = frame.dimension
    if len(arguments) == 2 * size + 1 and frame.spatial is not None:
        direction, vector = arguments[:size], arguments[size:-1]
        parts = along_vector(_space(frame)[1], direction, vector, frame.along)
        return parts[_component(node, arguments[-1], size)]
    *velocity, e = arguments
    if len(velocity) != frame.dimension:
        raise ErasureError(
            node, f"the velocity needs {frame.dimension} components, not {len(velocity)}"
        )
    return sympy.Add(*(v * frame.along(e, i) for i, v in enumerate(velocity)))


def _same(frame: Frame, node: sympy.Basic, arguments: tuple[Scalar, ...]) -> Scalar:
    return arguments[0]


def _component(node: sympy.Basic, number: Scalar, dimension: int) -> int:
    if not (number.is_Integer and 1 <= int(number) <= dimension):
        raise ErasureError(node, f"there is no component {number} in {dimension} dimensions")
    return int(number) - 1


OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("grad", ("scalar",), "vector", _grad, "∇", r"\nabla", "gradient"),
        Operator("div", ("vector",), "scalar", _div, "∇·", r"\nabla\cdot", "divergence"),
        Operator("curl", ("vector",), "vector", _curl, "∇×", r"\nabla\times", "curl"),
        Operator("lap", ("scalar",), "scalar", _lap, "∇²", r"\nabla^2", "Laplacian"),
        Operator("box", ("scalar",), "scalar", _box, "□", r"\Box", "d'Alembertian, -∂t² + ∇²"),
        Operator("dn", ("scalar",), "scalar", _dn, "∂n", r"\partial_n", "derivative along n"),
        Operator(
            "advect", ("vector", "scalar"), "scalar", _advect, "(v·∇)", r"(\mathbf{v}\cdot\nabla)",
            "derivative along a velocity",
        ),
        Operator(
            "neighbours", ("scalar",), "scalar", _neighbours, words="weighted sum over the "
            "neighbours of a graph's node",
        ),
        Operator("stiff", ("scalar",), "scalar", _same, words="a part to be treated implicitly"),
        Operator("nonstiff", ("scalar",), "scalar", _same, words="a part treated explicitly"),
    )
}  # fmt: skip


def split_arguments(
    name: str, arguments: Sequence[Any], dimension: int
) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """The operands of a marker, each by its components, and the numbers of a component.

    A scalar has one component, a vector one for each coordinate of space, a tensor their square.
    """
    given = tuple(arguments)
    size, count = dimension, len(given)
    if name == "advect" and count == 2:  # in Python one value may stand for a whole vector
        return [given[:1], given[1:]], []
    if name == "advect":
        vectors = 2 if count == 2 * size + 1 else 1
        rest = given[vectors * size :]
        operands = [given[:size], given[size : 2 * size]] if vectors == 2 else [given[:size], rest]
        return operands, list(rest) if vectors == 2 else []
    numbers = 0
    if name == "grad":
        numbers = 2 if count == size + 2 and count > 2 else 1 if count == 2 else 0
    elif name == "div":
        numbers = int(count == size**2 + 1)
    elif name == "curl":
        numbers = int(count == 4)
    elif name in ("lap", "dn"):
        numbers = int(count == size + 1 and count > 1)
    return [given[: count - numbers]], list(given[count - numbers :])


def scaled_gradient(parts: Sequence[Any]) -> tuple[sympy.Expr, sympy.Expr] | None:
    """κ and e where the parts are the components κ grad(e, i) of κ ∇e, else None."""
    found: tuple[sympy.Expr, sympy.Expr] | None = None
    gradient = marker("grad")
    for number, part in enumerate(parts, 1):
        factors = sympy.Mul.make_args(part)
        slopes: list[Any] = [
            f for f in factors
            if isinstance(f, AppliedUndef) and f.func == gradient and f.args[1:] == (number,)
        ]  # fmt: skip
        if len(slopes) != 1:
            return None
        pair = sympy.Mul(*(f for f in factors if f is not slopes[0])), slopes[0].args[0]
        if found is not None and pair != found:
            return None
        found = pair
    return found


def erase(
    expression: sympy.Expr, frame: Frame, known: dict[sympy.Basic, sympy.Expr] | None = None
) -> sympy.Expr:
    """An expression with every operator, derivative and applied field replaced by jets.

    Args:
        expression: SymPy expression of coordinates, parameters, applied fields and markers.
        frame: what the operators are relative to.
        known: results for subexpressions, such as `exact(u)`; used first, extended on the way.

    Raises:
        ErasureError: an operator without meaning here, or a field at another point than (t, x…).
    """
    memo: dict[sympy.Basic, sympy.Expr] = {} if known is None else known

    def visit(node: sympy.Basic) -> sympy.Expr:
        found = memo.get(node)
        if found is None:
            found = memo[node] = compute(node)
        return found

    def compute(node: sympy.Basic) -> sympy.Expr:
        try:
            return meaning(node)
        except NotDifferentiable as error:
            raise ErasureError(
                node, "this differentiates a jump: " + _jump_words(error.part), code="E606",
                help="smooth it, `(1 + tanh(u/δ))/2` for a step, `sqrt(u² + δ²)` for |u|",
            ) from None  # fmt: skip
        except TooLarge:
            raise ErasureError(
                node,
                "with its derivatives worked out, this has too many terms",
                code="E306",
                help="introduce a field for a part of it, with an equation of its own",
            ) from None

    def meaning(node: sympy.Basic) -> sympy.Expr:
        if not node.args:
            return node  # type: ignore[return-value]
        if isinstance(node, sympy.Derivative):
            result = visit(node.expr)
            for variable, count in node.variable_count:  # type: ignore[misc]
                axis = _axis(node, variable, frame.space)
                if frame.is_graph and axis in frame.space_axes:
                    raise _no_direction(node)
                for _ in range(int(count)):
                    result = frame.space.total_derivative(result, axis)
            return result
        if isinstance(node, AppliedUndef):
            name = node.func.__name__
            operator = OPERATORS.get(name)
            if operator is not None:
                return operator.meaning(frame, node, tuple(visit(a) for a in node.args))
            normals = tuple(frame.normal(i) for i in range(frame.dimension))
            component = component_value(
                node, frame.metric, frame.space.coordinates, frame.spatial, normals
            )
            if component is not None:
                return component
            return _field(node, frame.space)
        return node.func(*(visit(argument) for argument in node.args))  # type: ignore[return-value]

    return visit(expression)


def _jump_words(part: sympy.Basic) -> str:
    if isinstance(part, sympy.floor | sympy.ceiling):
        return "`floor` and `ceil` have no derivative"
    return "a step, or the slope of |·|, `min` or `max`, which has no derivative where it jumps"


def _axis(node: sympy.Basic, variable: sympy.Basic, space: JetSpace) -> int:
    if variable not in space.coordinates:
        raise ErasureError(node, f"`{variable}` is no coordinate of this problem")
    return space.coordinates.index(variable)  # type: ignore[arg-type]


def _field(node: AppliedUndef, space: JetSpace) -> sympy.Expr:
    name = node.func.__name__
    own = dict(space.fields).get(name)
    if own is None:
        raise ErasureError(
            node,
            f"`{name}` of a field over its domain is an observable; equations are local",
            code="E603",
            help="let it stand in `output:`",
        )
    if node.args != tuple(space.coordinates[i] for i in own):
        raise ErasureError(
            node,
            f"`{node}` is the value of `{name}` at another point; "
            "equations are local, so fields stand at (t, x, …) only",
            code="E603",
        )
    return space.symbol(space.jet(name))
