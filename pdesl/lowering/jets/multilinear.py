"""Series rules of operations that are linear in each of their operands."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp

from pdesl.lowering.jets.program import Memory, Rule, Step, evaluate
from pdesl.lowering.jets.series import Coefficient, Series, negated, scaled, total

__all__ = ["BILINEAR", "LINEAR", "linear_rule"]

#: Jointly linear in all floating-point operands: coefficient k comes from the coefficients k.
LINEAR = frozenset(
    {
        "neg",
        "reshape",
        "transpose",
        "squeeze",
        "expand_dims",
        "broadcast_in_dim",
        "reduce_sum",
        "slice",
        "concatenate",
        "pad",
        "convert_element_type",
        "copy",
        "copy_p",
        "rev",
        "cumsum",
        "gather",
        "dynamic_slice",
        "dynamic_update_slice",
        "scatter",
        "scatter_add",
        "scatter-add",
        "scatter_sub",
        "scatter-sub",
        "select_n",
        "real",
        "imag",
        "complex",
        "conj",
        "reduce_window_sum",
        "fft",
        "reduce_precision",
        "optimization_barrier",
        "psum",
        "split",
        "name",
        "device_put",
        "sharding_constraint",
        "tile",
        "stack",
        "unstack",
        "pvary",
        "add_any",
    }
)
#: Linear in either operand of two.
BILINEAR = frozenset(["dot_general", "conv_general_dilated"])


def _filled(step: Step, inputs: list[Series], k: int) -> list:
    """Operands with the varying ones replaced by their coefficient k."""
    return [
        series[0]
        if not varies
        else jnp.zeros(aval.shape, aval.dtype)
        if series[k] is None
        else series[k]
        for series, varies, aval in zip(inputs, step.varies, step.avals, strict=True)
    ]


def _linear(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    operands = _filled(step, inputs, k)
    # A constant operand beside a varying one is a constant term: only selections and indices
    # stay, everything that would be added is zero above order 0.
    for number, aval in enumerate(step.avals):
        if not step.varies[number] and jnp.issubdtype(aval.dtype, jnp.inexact):
            operands[number] = jnp.zeros(aval.shape, aval.dtype)
    return evaluate(step, operands)


def _add(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    return (total((inputs[0][k], inputs[1][k])),)


def _subtract(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    return (total((inputs[0][k], negated(inputs[1][k]))),)


def _negate(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    return (scaled(-1.0, inputs[0][k]),)


def _bilinear(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    a, b = inputs
    terms = []
    for j in range(k + 1):
        if a[j] is not None and b[k - j] is not None:
            terms.append(evaluate(step, [a[j], b[k - j]])[0])
    return (total(terms),)


def _one_factor(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    return evaluate(step, _filled(step, inputs, k))


def linear_rule(step: Step) -> Rule | None:
    """The rule of a linear or bilinear primitive, None for others."""
    name = step.primitive.name
    if name in ("add", "add_any"):
        return Rule(_add, history=False)
    if name == "sub":
        return Rule(_subtract, history=False)
    if name == "neg":
        return Rule(_negate, history=False)
    if name in LINEAR:
        return Rule(_linear, history=False)
    if name in BILINEAR:
        return Rule(_bilinear) if all(step.varies) else Rule(_one_factor, history=False)
    if name == "triangular_solve" and not step.varies[0]:
        return Rule(_one_factor, history=False)
    if name == "div" and not step.varies[1]:
        return Rule(_one_factor, history=False)
    if name == "mul" and not all(step.varies):
        return Rule(_scale, history=False)
    return None


def _scale(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    a, b = inputs
    return (a[k] * b[0] if step.varies[0] else a[0] * b[k],)
