"""The one table of series rules by primitive, and the fallback for those that it lacks."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from pdesl.lowering.jets.control import CONTROL
from pdesl.lowering.jets.derivative import derivative_rule
from pdesl.lowering.jets.elementary import ELEMENTARY
from pdesl.lowering.jets.multilinear import linear_rule
from pdesl.lowering.jets.piecewise import CONSTANT, PIECEWISE
from pdesl.lowering.jets.program import Rule, Step

__all__ = ["has_own_rule", "is_elementwise", "rule_for"]

_ELEMENTWISE = (
    frozenset(ELEMENTARY)
    | (frozenset(PIECEWISE) - {"reduce_max", "reduce_min"})
    | {"add", "add_any", "sub", "neg", "select_n", "convert_element_type", "copy"}
    | CONSTANT - {"argmax", "argmin", "reduce_and", "reduce_or", "reduce_xor", "iota"}
)
# Further functions whose derivative is taken by the fallback.
_BY_DERIVATIVE = frozenset({"lgamma", "digamma", "bessel_i0e", "bessel_i1e"})


def rule_for(step: Step) -> Rule | None:
    """The rule of a step with varying operands; None where no result varies.

    In this order: linear operations, elementary functions, kinks, control flow; and for every
    other primitive the equation y′ = ∂f(x) x′ that JAX's own derivative of it gives (see
    `derivative`).
    """
    return _own_rule(step) if has_own_rule(step) else derivative_rule(step)


def has_own_rule(step: Step) -> bool:
    """Whether the table covers a step without the fallback."""
    name = step.primitive.name
    if name in PIECEWISE:  # |z| of a complex z is no kink
        return not any(jnp.issubdtype(aval.dtype, jnp.complexfloating) for aval in step.avals)
    if name in CONSTANT or name in ELEMENTARY or name in CONTROL:
        return True
    return linear_rule(step) is not None


def _own_rule(step: Step) -> Rule | None:
    name = step.primitive.name
    if name in CONSTANT:
        return None
    linear = linear_rule(step)
    if linear is not None:
        return linear
    entry = ELEMENTARY.get(name)
    if entry is not None:
        return entry if isinstance(entry, Rule) else entry(step)
    if name in PIECEWISE:
        return PIECEWISE[name]
    return CONTROL[name]


def is_elementwise(step: Step) -> bool:
    """Whether every element of the result depends on the same element of the operands alone."""
    name = step.primitive.name
    if name == "custom_jvp_call":
        return _all_elementwise(step.params["call_jaxpr"].jaxpr)
    return name in _ELEMENTWISE or name in _BY_DERIVATIVE


def _all_elementwise(jaxpr: Any) -> bool:
    shapes = {v.aval.shape for v in (*jaxpr.invars, *jaxpr.outvars)} - {()}
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inner = equation.params.get("jaxpr") or equation.params.get("call_jaxpr")
        if inner is not None:
            if not _all_elementwise(getattr(inner, "jaxpr", inner)):
                return False
        elif name == "broadcast_in_dim":
            if equation.invars[0].aval.shape:  # a number may be spread, an array not
                return False
        elif name not in _ELEMENTWISE and name not in _BY_DERIVATIVE:
            return False
    return len(shapes) <= 1
