"""Series rules of elementary functions: each from a differential equation that it satisfies.

y = f(x) with f′(x) = e(x) gives y_k = (1/k) Σⱼ j xⱼ eₖ₋ⱼ, where e is a series of x and y; where
w y′ = n, the sum moves to the other side and is divided by w₀. Auxiliary series live in the
memory of a step and are extended only as far as an order needs them.

Source: A. Griewank, A. Walther, Evaluating Derivatives, 2nd edition, 2008, tables 13.1 and 13.2;
J. Kelly et al., Learning differential equations that are easy to solve, 2020, table 1 (whose rule
for division should have y[j] in the place of z[j]).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, pi, sqrt
from typing import Any

import jax.numpy as jnp
from jax import lax

from pdesl.lowering.jets.program import Memory, Rule, Step
from pdesl.lowering.jets.series import (
    Coefficient,
    Series,
    convolution,
    divided,
    inner_square,
    integral,
    negated,
    remainder,
    scaled,
    square,
    total,
)

__all__ = ["ELEMENTARY", "power_rule"]

#: The greatest whole exponent that is taken as repeated multiplication.
_WHOLE = 64


def _auxiliary(memory: Memory, count: int) -> list[Series]:
    while len(memory) < count:
        memory.append([])
    return memory


def _unary(advance: Callable[[Series, Series, Memory, int], Coefficient]) -> Rule:
    """A rule from (x, y, memory, k) → y_k."""

    def rule(
        step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
    ) -> Sequence[Coefficient]:
        return (advance(inputs[0], outputs[0], memory, k),)

    return Rule(rule)


def _from_slope(slope: Callable[[Series, Series, int], Coefficient]) -> Rule:
    """y′ = e x′ with coefficient m of e from (x, y, m), known when x and y are known to m."""

    def advance(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
        (e,) = _auxiliary(memory, 1)
        while len(e) < k:
            e.append(slope(x, y, len(e)))
        return integral(x, e, k)

    return _unary(advance)


def _from_denominator(
    denominator: Callable[[Series, Series, int], Coefficient], sign: float = 1.0
) -> Rule:
    """w y′ = ±x′ with coefficient m of w from (x, w, m)."""

    def advance(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
        (w,) = _auxiliary(memory, 1)
        while len(w) < k:
            w.append(denominator(x, w, len(w)))
        return divided(total((scaled(sign, x[k]), negated(remainder(y, w, k)))), w[0])

    return _unary(advance)


def _pair(partner: Callable[[Any], Any], slope_sign: float, partner_sign: float) -> Rule:
    """y′ = ±p x′ and p′ = ±y x′: sine and cosine, circular and hyperbolic."""

    def advance(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
        (p,) = _auxiliary(memory, 1)
        while len(p) < k:
            m = len(p)
            p.append(scaled(partner_sign, integral(x, y, m)) if m else partner(x[0]))
        return scaled(slope_sign, integral(x, p, k))

    return _unary(advance)


def _root_of(sign: float, start: Callable[[Any], Any]) -> Callable[[Series, Series, int], Any]:
    """Coefficient m of w = √(c ± x²), w₀ = start(x₀)."""

    def coefficient(x: Series, w: Series, m: int) -> Coefficient:
        if m == 0:
            return start(x[0])
        inner = total((scaled(sign, square(x, m)), negated(inner_square(w, m))))
        return divided(inner, 2.0 * w[0])

    return coefficient


def _one_plus(sign: float) -> Callable[[Series, Series, int], Coefficient]:
    """Coefficient m of 1 ± x²."""

    def coefficient(x: Series, _: Series, m: int) -> Coefficient:
        if m:
            return scaled(sign, square(x, m))
        return 1.0 + x[0] * x[0] if sign > 0 else (1.0 - x[0]) * (1.0 + x[0])

    return coefficient


def _gaussian(factor: float, sign: float) -> Rule:
    """y′ = c exp(±z²) x′ with z = x (erf) or z = y (its inverse)."""

    def advance(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
        q, g = _auxiliary(memory, 2)
        z = x if sign < 0 else y
        while len(g) < k:
            m = len(g)
            q.append(scaled(sign, square(z, m)))
            g.append(integral(q, g, m) if m else jnp.exp(q[0]))
        return scaled(factor, integral(x, g, k))

    return _unary(advance)


def _exponential(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
    return integral(x, y, k)


def _exponential_two(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
    return scaled(log(2.0), integral(x, y, k))


def _logarithm(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
    return divided(total((x[k], negated(remainder(y, x, k)))), x[0])


def _square_root(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
    return divided(total((x[k], negated(inner_square(y, k)))), 2.0 * y[0])


def _reciprocal(x: Series, y: Series, k: int) -> Coefficient:
    """Coefficient k of 1/x."""
    return negated(divided(total(_times(x[j], y[k - j]) for j in range(1, k + 1)), x[0]))


def _times(a: Coefficient, b: Coefficient) -> Coefficient:
    return None if a is None or b is None else a * b


def _real_power(x: Series, y: Series, exponent: Any, k: int) -> Coefficient:
    """x y′ = p y x′. At x₀ = 0 the orders below p vanish; above it no derivative exists."""
    terms = [
        (j, _times(x[j], y[k - j]))
        for j in range(1, k + 1)
        if x[j] is not None and y[k - j] is not None
    ]
    if not terms:
        return None
    numerator = (
        sum((exponent * (j / k) - (k - j) / k) * value for j, value in terms[1:])
        + (exponent * (terms[0][0] / k) - (k - terms[0][0]) / k) * (terms[0][1])
    )
    if isinstance(exponent, float) and exponent <= k:
        return numerator / x[0]
    # x₀ may be zero where the power is smooth enough: no division by it there.
    low = (x[0] == 0.0) & (exponent > k)
    return jnp.where(low, 0.0, numerator / jnp.where(low, 1.0, x[0]))


def _fixed_power(exponent: float) -> Rule:
    """x^p with a number p that is not whole."""

    def advance(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
        return _real_power(x, y, exponent, k)

    return _unary(advance)


def _products(exponent: int) -> list[tuple[int, int]]:
    """Multiplications for x^n by repeated squaring; series 0 is x, i + 1 the i-th product."""
    result: int | None = None
    base, rest = 0, exponent
    products: list[tuple[int, int]] = []
    while rest:
        if rest & 1:
            if result is None:
                result = base
            else:
                products.append((result, base))
                result = len(products)
        rest >>= 1
        if rest:
            products.append((base, base))
            base = len(products)
    return products


def _whole_power(exponent: int) -> Rule:
    """x^n by multiplication, exact at x₀ = 0; 1/x^|n| for negative exponents."""
    if exponent == 0:
        return _unary(lambda x, y, memory, k: None)
    products = _products(abs(exponent))

    def advance(x: Series, y: Series, memory: Memory, k: int) -> Coefficient:
        stored = products if exponent < 0 else products[:-1]
        known = [x, *_auxiliary(memory, len(stored))]

        def coefficient(a: int, b: int, m: int) -> Coefficient:
            if a == b:
                return square(known[a], m)
            return convolution(known[a], known[b], m)

        for series, (a, b) in zip(known[1:], stored, strict=True):
            while len(series) <= k:
                series.append(coefficient(a, b, len(series)))
        if exponent < 0:
            return _reciprocal(known[-1], y, k)
        return coefficient(*products[-1], k) if products else x[k]

    return _unary(advance)


def power_rule(step: Step) -> Rule:
    """x^p: by multiplication for a whole p known at compile time, else by its equation."""
    if step.varies[1]:
        return Rule(_general_power)
    literal = step.literals.get(1)
    if literal is not None:
        known = float(literal)
        whole = known.is_integer() and abs(known) <= _WHOLE
        return _whole_power(int(known)) if whole else _fixed_power(known)

    def advance(
        step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
    ) -> Sequence[Coefficient]:
        exponent = inputs[1][0]
        if not jnp.issubdtype(jnp.result_type(exponent), jnp.inexact):
            exponent = jnp.asarray(exponent).astype(step.avals_out[0].dtype)
        return (_real_power(inputs[0], outputs[0], exponent, k),)

    return Rule(advance)


def _general_power(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    """x^p with a moving exponent: y′ = y (p log x)′."""
    (x, p), (y,) = inputs, outputs
    logarithm, product = _auxiliary(memory, 2)
    while len(product) <= k:
        m = len(product)
        logarithm.append(_logarithm(x, logarithm, [], m) if m else jnp.log(x[0]))
        product.append(convolution(p, logarithm, m))
    return (integral(product, y, k),)


def _multiply(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    a, b = inputs
    if step.inputs[0] == step.inputs[1]:
        return (square(a, k),)
    return (convolution(a, b, k),)


def _divide(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    (a, b), (y,) = inputs, outputs
    known = total(_times(y[j], b[k - j]) for j in range(k))
    return (divided(total((a[k], negated(known))), b[0]),)


def _angle(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    """atan2(y, x): (x² + y²) θ′ = x y′ − y x′."""
    (y, x), (theta,) = inputs, outputs
    (radius,) = _auxiliary(memory, 1)
    while len(radius) < k:
        m = len(radius)
        radius.append(total((square(x, m), square(y, m))))
    numerator = total((integral(y, x, k), negated(integral(x, y, k))))
    inner = total((numerator, negated(remainder(theta, radius, k))))
    return (divided(inner, radius[0]),)


def _modulo(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    """rem(x, y) = x − y trunc(x/y), where the quotient is constant."""
    x, y = inputs
    quotient = lax.round((x[0] - outputs[0][0]) / y[0])
    return (total((x[k], negated(_times(quotient, y[k])))),)


def _integer_power(step: Step) -> Rule:
    return _whole_power(int(step.params["y"]))


ELEMENTARY: dict[str, Rule | Callable[[Step], Rule]] = {
    "mul": Rule(_multiply),
    "div": Rule(_divide),
    "rem": Rule(_modulo),
    "square": _unary(lambda x, y, memory, k: square(x, k)),
    "integer_pow": _integer_power,
    "pow": power_rule,
    "sqrt": _unary(_square_root),
    "rsqrt": _fixed_power(-0.5),
    "cbrt": _fixed_power(1.0 / 3.0),
    "exp": _unary(_exponential),
    "exp2": _unary(_exponential_two),
    "expm1": _from_slope(lambda x, y, m: y[m] if m else y[0] + 1.0),
    "log": _unary(_logarithm),
    "log1p": _from_denominator(lambda x, w, m: x[m] if m else 1.0 + x[0]),
    "sin": _pair(jnp.cos, 1.0, -1.0),
    "cos": _pair(jnp.sin, -1.0, 1.0),
    "sinh": _pair(jnp.cosh, 1.0, 1.0),
    "cosh": _pair(jnp.sinh, 1.0, 1.0),
    "tan": _from_slope(lambda x, y, m: square(y, m) if m else 1.0 + y[0] * y[0]),
    "tanh": _from_slope(
        lambda x, y, m: negated(square(y, m)) if m else (1.0 - y[0]) * (1.0 + y[0])
    ),
    "logistic": _from_slope(
        lambda x, y, m: total((y[m], negated(square(y, m)))) if m else y[0] * (1.0 - y[0])
    ),
    "asin": _from_denominator(_root_of(-1.0, lambda x: jnp.sqrt((1.0 - x) * (1.0 + x)))),
    "acos": _from_denominator(_root_of(-1.0, lambda x: jnp.sqrt((1.0 - x) * (1.0 + x))), -1.0),
    "asinh": _from_denominator(_root_of(1.0, lambda x: jnp.sqrt(1.0 + x * x))),
    "acosh": _from_denominator(_root_of(1.0, lambda x: jnp.sqrt((x - 1.0) * (x + 1.0)))),
    "atan": _from_denominator(_one_plus(1.0)),
    "atanh": _from_denominator(_one_plus(-1.0)),
    "atan2": Rule(_angle),
    "erf": _gaussian(2.0 / sqrt(pi), -1.0),
    "erfc": _gaussian(-2.0 / sqrt(pi), -1.0),
    "erf_inv": _gaussian(sqrt(pi) / 2.0, 1.0),
}
