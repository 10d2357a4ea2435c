"""The functions that the language knows, and the evaluation of symbolic expressions on arrays.

`FUNCTIONS` is the one table: its name in a file, its SymPy constructor, the name under which an
array namespace (NumPy or `jax.numpy`) has it. `make_function` turns expressions into a tape of
array operations; the same tape runs on NumPy when a problem is checked and on JAX when it is
solved, so both see the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from pdesl.diagnostics import PdeslError

__all__ = [
    "FUNCTIONS",
    "Function",
    "Namespace",
    "UnsupportedExpression",
    "constant_value",
    "make_function",
    "numpy_namespace",
    "vanishes",
]


class UnsupportedExpression(PdeslError):
    """An expression with a part that has no numerical form; `part` is that part."""

    def __init__(self, part: sympy.Basic, reason: str):
        self.part = part
        self.reason = reason
        super().__init__(f"{reason}: {part}")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the language.

    `array` is its name in an array namespace, `special` in a special-function namespace
    (`scipy.special`, `jax.scipy.special`); `arity` is the least and the greatest number of
    arguments (None: no upper limit).
    """

    name: str
    symbolic: Callable[..., sympy.Expr]
    array: str = ""
    special: str = ""
    arity: tuple[int, int | None] = (1, 1)
    words: str = ""


def _log_base_ten(x: sympy.Expr) -> sympy.Expr:
    return sympy.log(x) / sympy.log(10)


def _log_base_two(x: sympy.Expr) -> sympy.Expr:
    return sympy.log(x) / sympy.log(2)


def _cot(x: sympy.Expr) -> sympy.Expr:
    return 1 / sympy.tan(x)


def _sec(x: sympy.Expr) -> sympy.Expr:
    return 1 / sympy.cos(x)


def _csc(x: sympy.Expr) -> sympy.Expr:
    return 1 / sympy.sin(x)


def _step(x: sympy.Expr) -> sympy.Expr:
    return sympy.Heaviside(x, sympy.Rational(1, 2))  # pyright: ignore[reportArgumentType]


def _sech(x: sympy.Expr) -> sympy.Expr:
    return 1 / sympy.cosh(x)


def _root(x: sympy.Expr) -> sympy.Expr:
    return sympy.sign(x) * sympy.Abs(x) ** sympy.Rational(1, 3)


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("sin", sympy.sin, "sin", words="sine"),
        Function("cos", sympy.cos, "cos", words="cosine"),
        Function("tan", sympy.tan, "tan", words="tangent"),
        Function("cot", _cot, words="1/tan"),
        Function("sec", _sec, words="1/cos"),
        Function("csc", _csc, words="1/sin"),
        Function("asin", sympy.asin, "arcsin", words="inverse sine"),
        Function("acos", sympy.acos, "arccos", words="inverse cosine"),
        Function("atan", sympy.atan, "arctan", words="inverse tangent"),
        Function("atan2", sympy.atan2, "arctan2", arity=(2, 2), words="angle of (x, y)"),
        Function("sinh", sympy.sinh, "sinh", words="hyperbolic sine"),
        Function("cosh", sympy.cosh, "cosh", words="hyperbolic cosine"),
        Function("tanh", sympy.tanh, "tanh", words="hyperbolic tangent"),
        Function("asinh", sympy.asinh, "arcsinh", words="inverse hyperbolic sine"),
        Function("acosh", sympy.acosh, "arccosh", words="inverse hyperbolic cosine"),
        Function("atanh", sympy.atanh, "arctanh", words="inverse hyperbolic tangent"),
        Function("sech", _sech, words="1/cosh"),
        Function("exp", sympy.exp, "exp", words="exponential"),
        Function("log", sympy.log, "log", words="natural logarithm"),
        Function("ln", sympy.log, words="natural logarithm"),
        Function("log10", _log_base_ten, words="logarithm to base 10"),
        Function("log2", _log_base_two, words="logarithm to base 2"),
        Function("sqrt", sympy.sqrt, "sqrt", words="square root"),
        Function("cbrt", _root, words="real cube root"),
        Function("abs", sympy.Abs, "abs", words="absolute value"),
        Function("sign", sympy.sign, "sign", words="-1, 0 or 1"),
        Function("step", _step, words="0, 1/2 or 1 for negative, zero or positive arguments"),
        Function("floor", sympy.floor, "floor", words="largest integer below"),
        Function("ceil", sympy.ceiling, "ceil", words="smallest integer above"),
        Function("min", sympy.Min, arity=(1, None), words="least of its arguments"),
        Function("max", sympy.Max, arity=(1, None), words="greatest of its arguments"),
        Function("erf", sympy.erf, special="erf", words="error function"),
        Function("erfc", sympy.erfc, special="erfc", words="1 - erf"),
        Function("gamma", sympy.gamma, special="gamma", words="gamma function"),
        Function("loggamma", sympy.loggamma, special="gammaln", words="logarithm of gamma"),
        Function("besselj", sympy.besselj, arity=(2, 2), words="Bessel function J, integer order"),
        Function("lambertw", sympy.LambertW, words="principal branch of w exp(w) = x"),
    )
}


#: Functions that NumPy and SciPy have and JAX has not.
WITHOUT_JAX: tuple[type, ...] = (sympy.besselj,)


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where a tape finds its array operations."""

    name: str
    array: ModuleType
    special: ModuleType
    extra: Mapping[str, Callable[..., Any]]


class _SpecialFunctions(ModuleType):
    """`scipy.special`, imported when one of its functions is asked for; few problems need it."""

    def __getattr__(self, name: str) -> Any:
        import scipy.special

        return getattr(scipy.special, name)


def wright_omega(s: Any) -> Any:
    """ω(s) = W(exp(s)), the solution of ω + log ω = s, for real s (NumPy, any shape).

    Three steps of the iteration of F. N. Fritsch, R. E. Shafer and W. P. Crowley (Algorithm 443,
    Communications of the ACM 16, 1973), of fourth order. Not from `scipy.special`, whose import
    takes longer than all the rest of what decides whether a metric's terms cancel.
    """
    s = np.asarray(s)
    s = s if np.issubdtype(s.dtype, np.floating) else s.astype(float)
    with np.errstate(all="ignore"):
        wide = s.astype(float)
        power = np.exp(np.minimum(wide, 1.0))
        w = np.where(wide > 1.0, wide - np.log(np.maximum(wide, 1.0)), power / (1.0 + power))
        for _ in range(3):
            r = wide - w - np.log(w)
            z = (1.0 + w) * (1.0 + w + 2.0 * r / 3.0)
            w = w * (1.0 + r / (1.0 + w) * (z - 0.5 * r) / (z - r))
        w = np.where(wide < -40.0, power, np.where(wide == np.inf, wide, w))
    return w.astype(s.dtype)[()]


def numpy_namespace() -> Namespace:
    """The operations of NumPy and SciPy."""
    special: Any = _SpecialFunctions("scipy.special")

    def lambertw(x: Any) -> Any:
        x = np.asarray(x)
        x = x if np.issubdtype(x.dtype, np.floating) else x.astype(float)
        wide = x.astype(float)
        # SciPy loses the branch point at -1/e, and goes on with complex values left of it.
        p = np.sqrt(np.maximum(2 * (np.e * np.minimum(wide, 1.0) + 1), 0))
        near = -1 + p * (1 - p / 3 + 11 * p * p / 72)
        values = np.where(p < 1e-4, near, np.real(special.lambertw(wide)))
        outside = wide < -1 / np.e - 4 * np.finfo(x.dtype).eps
        return np.where(outside, np.nan, values).astype(x.dtype)[()]

    def besselj(order: Any, x: Any) -> Any:
        return special.jv(order, x)

    extra = {"lambertw": lambertw, "besselj": besselj, "wrightomega": wright_omega}
    return Namespace("numpy", np, special, extra)


# SymPy classes whose array form is not that of a table entry with the same constructor.
_BY_CLASS: dict[type, tuple[str, str]] = {
    **{
        f.symbolic: ("array", f.array)
        for f in FUNCTIONS.values()
        if f.array and isinstance(f.symbolic, type)
    },
    **{
        f.symbolic: ("special", f.special)
        for f in FUNCTIONS.values()
        if f.special and isinstance(f.symbolic, type)
    },
    # Derivatives lead out of the table of functions.
    sympy.polygamma: ("special", "polygamma"),
    sympy.besselj: ("extra", "besselj"),
    sympy.LambertW: ("extra", "lambertw"),
}
# The greatest whole exponent that is taken as repeated multiplication when it is a float.
_WHOLE = 64
_BY_PRODUCTS = 32  # whole powers up to this one are products of NumPy arrays

Instruction = tuple[str, Any, tuple[int, ...]]


class _Tape:
    """Instructions in order; equal subexpressions take one slot."""

    def __init__(self, arguments: Sequence[sympy.Symbol]):
        self.instructions: list[Instruction] = []
        self.slots: dict[sympy.Basic, int] = {}
        for position, symbol in enumerate(arguments):
            self.slots[symbol] = self._push("argument", position)

    def _push(self, operation: str, payload: Any = None, operands: tuple[int, ...] = ()) -> int:
        self.instructions.append((operation, payload, operands))
        return len(self.instructions) - 1

    def record(self, expression: sympy.Basic) -> int:
        """Slot of an expression; iterative, since a tree may be deeper than Python's stack."""
        stack = [expression]
        while stack:
            node = stack[-1]
            if node in self.slots:
                stack.pop()
                continue
            missing = [child for child in self._children(node) if child not in self.slots]
            if missing:
                stack.extend(missing)
                continue
            self.slots[node] = self._emit(node)
            stack.pop()
        return self.slots[expression]

    def _children(self, node: sympy.Basic) -> tuple[sympy.Basic, ...]:
        if node.is_Atom:
            return ()
        if isinstance(node, sympy.Pow) and _exponent(node) is not None:
            return (node.base,)
        if isinstance(node, sympy.Mul):
            return tuple(_denominator(factor) or factor for factor in node.args)
        if isinstance(node, sympy.Heaviside):
            return (node.args[0],)
        if isinstance(node, sympy.LambertW) and isinstance(node.args[0], sympy.exp):
            return node.args[0].args
        return node.args

    def _emit(self, node: sympy.Basic) -> int:
        if node.is_Symbol or isinstance(node, AppliedUndef):
            raise UnsupportedExpression(node, "no value is known for this name")
        if node.is_Number or node.is_NumberSymbol:
            if not node.is_finite or not node.is_real:
                raise UnsupportedExpression(node, "not a finite real number")
            try:
                number = float(node)  # pyright: ignore[reportArgumentType]
            except OverflowError:
                number = np.inf
            if not np.isfinite(number):
                digits = int(node.p).bit_length() * 3 // 10  # type: ignore[attr-defined]
                raise UnsupportedExpression(sympy.Symbol(f"10^{digits}"), "a number is too large")
            return self._push("constant", number)
        slots = tuple(self.slots[child] for child in self._children(node))
        if isinstance(node, sympy.Add):
            return self._push("add", None, slots)
        if isinstance(node, sympy.Mul):
            inverse = tuple(_denominator(factor) is not None for factor in node.args)
            return self._push("multiply", inverse, slots)
        if isinstance(node, sympy.Pow):
            exponent = _exponent(node)
            if exponent is not None:
                return self._push("power", (int(exponent.p), int(exponent.q)), slots)
            return self._push("general_power", None, slots)
        if isinstance(node, sympy.Min | sympy.Max):
            name = "minimum" if isinstance(node, sympy.Min) else "maximum"
            return self._push("fold", name, slots)
        if isinstance(node, sympy.Heaviside):
            return self._push("step", None, slots)
        if isinstance(node, sympy.LambertW) and isinstance(node.args[0], sympy.exp):
            # W(exp(s)) without exp(s), which overflows long before W does.
            return self._push("call", ("extra", "wrightomega"), slots)
        entry = _BY_CLASS.get(type(node))
        if entry is None:
            raise UnsupportedExpression(node, "this has no numerical form")
        return self._push("call", entry, slots)


def _exponent(node: sympy.Pow) -> sympy.Rational | None:
    """The exponent where it is a fraction; a float with a half-whole value counts as one."""
    exponent = node.exp
    if isinstance(exponent, sympy.Float) and abs(exponent) <= _WHOLE and 2 * exponent % 1 == 0:
        return sympy.Rational(int(2 * exponent), 2)  # pyright: ignore[reportReturnType]
    return exponent if isinstance(exponent, sympy.Rational) else None


def _denominator(factor: sympy.Basic) -> sympy.Expr | None:
    """The expression that a factor divides by, None when it is not of the form 1/e."""
    if isinstance(factor, sympy.Pow) and factor.exp.is_negative and _exponent(factor) is not None:
        return sympy.Pow(factor.base, -factor.exp)
    return None


def _power(space: ModuleType, base: Any, exponent: tuple[int, int]) -> Any:
    # Integral exponents stay integers: a float exponent makes derivatives NaN for base <= 0.
    numerator, denominator = exponent
    if denominator == 1:
        if space.__name__ == "numpy" and 2 < numerator <= _BY_PRODUCTS:
            return _whole_power(base, numerator)  # a tenth of the time of NumPy's own power
        return base**numerator
    if denominator == 2:
        root = space.sqrt(base)
        return root if numerator == 1 else 1 / root if numerator == -1 else root**numerator
    return base ** (numerator / denominator)


def _whole_power(base: Any, exponent: int) -> Any:
    half = base if exponent < 4 else _whole_power(base, exponent // 2)
    square = half * half
    return square * base if exponent % 2 else square


def _lookup(namespace: Namespace, entry: tuple[str, str]) -> Any:
    where, name = entry
    if where == "extra":
        return namespace.extra.get(name)
    return getattr(getattr(namespace, where), name, None)


def _run(instructions: Sequence[Instruction], namespace: Namespace, values: Sequence[Any]) -> list:
    space = namespace.array
    slots: list[Any] = []
    for operation, payload, operands in instructions:
        inputs = [slots[i] for i in operands]
        match operation:
            case "argument":
                result = values[payload]
            case "constant":
                result = payload
            case "add":
                result = inputs[0]
                for value in inputs[1:]:
                    result = result + value
            case "multiply":
                above = [v for v, inverse in zip(inputs, payload, strict=True) if not inverse]
                below = [v for v, inverse in zip(inputs, payload, strict=True) if inverse]
                result = above[0] if above else 1.0
                for value in above[1:]:
                    result = result * value
                for value in below:
                    result = result / value
            case "power":
                result = _power(space, inputs[0], payload)
            case "general_power":
                result = inputs[0] ** inputs[1]
            case "fold":
                result = inputs[0]
                for value in inputs[1:]:
                    result = getattr(space, payload)(result, value)
            case "step":
                result = space.heaviside(inputs[0], 0.5)
            case _:
                result = _lookup(namespace, payload)(*inputs)
        slots.append(result)
    return slots


def _folded(instructions: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """The tape with operations on constants done, so that a result keeps its arguments' precision.

    A NumPy scalar such as `np.sqrt(2.0)` would turn float32 arrays into float64 ones; a Python
    float does not.
    """
    folded: list[Instruction] = []
    namespace: Namespace | None = None
    for operation, payload, operands in instructions:
        values = [folded[i][1] for i in operands if folded[i][0] == "constant"]
        if operands and len(values) == len(operands):
            namespace = namespace or numpy_namespace()
            inner = [("constant", value, ()) for value in values]
            try:
                with np.errstate(all="ignore"):
                    slots = (*inner, (operation, payload, tuple(range(len(values)))))
                    value = float(_run(slots, namespace, ())[-1])
            except (ArithmeticError, TypeError):  # 1/0, a complex root
                value = float("nan")
            folded.append(("constant", value, ()))
            continue
        folded.append((operation, payload, operands))
    return tuple(folded)


def make_function(
    expressions: Sequence[sympy.Expr],
    arguments: Sequence[sympy.Symbol],
    namespace: Namespace,
    definitions: Sequence[tuple[sympy.Symbol, sympy.Expr]] = (),
) -> Callable[..., tuple[Any, ...]]:
    """A function of arrays that evaluates expressions, common subexpressions once.

    Args:
        expressions: what to evaluate, in the symbols `arguments` alone.
        arguments: the symbols that become positional arrays, in order; arrays broadcast.
        namespace: NumPy's or JAX's operations.
        definitions: further symbols of the expressions with what they stand for, each in the
            arguments and in those defined before it (see `sharing.share`).

    Returns:
        A function `(*arrays) -> tuple of arrays`, one per expression. An expression without
        symbols gives a Python float.

    Raises:
        UnsupportedExpression: a symbol or function without a numerical form.
    """
    tape = _Tape(arguments)
    for symbol, value in definitions:
        tape.slots[symbol] = tape.record(value)
    results = tuple(tape.record(e) for e in expressions)
    instructions = _folded(tape.instructions)
    for operation, payload, _ in instructions:
        if operation == "call" and _lookup(namespace, payload) is None:
            raise UnsupportedExpression(
                sympy.Symbol(payload[1]), f"{namespace.name} has no such function"
            )

    def function(*arrays: Any) -> tuple[Any, ...]:
        slots = _run(instructions, namespace, arrays)
        return tuple(slots[i] for i in results)

    return function


def constant_value(
    expression: sympy.Expr, values: Mapping[sympy.Symbol, float] | None = None
) -> float | None:
    """The value of an expression in floating point, None where it is no finite real number.

    Unlike SymPy's own numerics, which work to as many digits as it takes, this ends at once
    whatever the expression. `values` are the values of its symbols.
    """
    if expression.is_Rational:
        # A rational of ordinary size is quick; float() of a huge one may be infinite or fail.
        try:
            number = float(expression)
        except OverflowError:
            return None
        return number if np.isfinite(number) else None
    symbols = sorted(expression.free_symbols, key=str)
    arguments = [np.float64((values or {}).get(s, np.nan)) for s in symbols]  # type: ignore[call-overload]
    try:
        function = make_function([expression], symbols, numpy_namespace())  # type: ignore[arg-type]
        with np.errstate(all="ignore"):
            (result,) = function(*arguments)
        number = float(result)
    except (UnsupportedExpression, ArithmeticError, TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def vanishes(expression: sympy.Expr, trials: int = 3) -> bool:
    """Whether an expression is zero at random points, to rounding.

    Symbolic simplification would decide it too, at a cost without bound.
    """
    symbols = sorted(expression.free_symbols, key=str)
    generator = np.random.default_rng(0)
    tried = False
    for _ in range(trials):
        point = dict(zip(symbols, generator.uniform(0.2, 0.9, len(symbols)), strict=True))
        parts = [constant_value(e, point) for e in sympy.Add.make_args(expression)]  # type: ignore[arg-type]
        known = [p for p in parts if p is not None]
        if len(known) < len(parts):
            continue
        tried = True
        if abs(sum(known)) > 1e-9 * sum(abs(p) for p in known):
            return False
    return tried
