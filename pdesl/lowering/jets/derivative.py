"""The fallback: the series of a primitive without a rule, from JAX's derivative of it.

y = f(x) has y′ = ∂f(x) x′. The right-hand side is a program of its own in (x, x′), traced once;
its coefficient k − 1, divided by k, is coefficient k of y, and it needs no coefficient of x above
k. Where the derivative contains f at the same point again (a logarithm of a sum of exponentials,
a Cholesky factor), that is y itself, which is known: the cost stays of the order of the rules of
the table. Where it contains another function (digamma in the derivative of log-gamma), the
fallback is applied again, once for each order. It serves every primitive that JAX
can differentiate once, and every `custom_jvp` function by its own derivative rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from pdesl.diagnostics import PdeslError
from pdesl.lowering.jets.program import Memory, Program, Rule, Step, evaluate, trace
from pdesl.lowering.jets.series import Coefficient, Series, divided, scaled

__all__ = ["UnsupportedPrimitive", "derivative_rule"]


class UnsupportedPrimitive(PdeslError):
    """A primitive that has neither a series rule nor a derivative in JAX; `name` is its name."""

    def __init__(self, name: str, reason: str):
        self.name = name
        super().__init__(f"no Taylor series goes through `{name}`: {reason}")


def derivative_rule(step: Step) -> Rule:
    """The rule of the fallback; the derivative is traced when an order above 0 is first asked."""
    return Rule(_advance)


def _tangent_program(step: Step) -> tuple[Program, bool]:
    """∂f(v) v′ as a program in (v, v′, the other operands), then perhaps y; and whether y is."""
    moving = [i for i, varies in enumerate(step.varies) if varies]
    still = [i for i, varies in enumerate(step.varies) if not varies]

    def tangent(values: list[Any], slopes: list[Any], others: list[Any]) -> list[Any]:
        def primal(*values: Any) -> list[Any]:
            operands: list[Any] = [None] * len(step.inputs)
            for i, value in zip(moving, values, strict=True):
                operands[i] = value
            for i, value in zip(still, others, strict=True):
                operands[i] = value
            found = evaluate(step, operands)
            return [value for value, varies in zip(found, step.varies_out, strict=True) if varies]

        return jax.jvp(primal, tuple(values), tuple(slopes))[1]

    def shapes(which: list[int]) -> list[Any]:
        avals = [step.avals[i] for i in which]
        return [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in avals]

    arguments = (shapes(moving), shapes(moving), shapes(still))
    flags = [True] * (2 * len(moving)) + [False] * len(still)
    try:
        program, _ = trace(tangent, arguments, flags)
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnsupportedPrimitive(step.primitive.name, reason) from error
    slots: list[int] = [0] * len(step.inputs)
    for position, i in enumerate(moving):
        slots[i] = program.inputs[position]
    for position, i in enumerate(still):
        slots[i] = program.inputs[2 * len(moving) + position]
    for number, inner in enumerate(program.steps):
        if inner.inputs == tuple(slots) and _same_function(inner, step):
            steps = program.steps[:number] + program.steps[number + 1 :]
            return replace(program, steps=steps, inputs=program.inputs + inner.outputs), True
    return program, False


def _same_function(a: Step, b: Step) -> bool:
    if a.primitive is not b.primitive:
        return False
    body_a, body_b = a.params.get("call_jaxpr"), b.params.get("call_jaxpr")
    if body_a is not None and body_b is not None:  # custom_jvp, traced anew each time
        return not body_a.consts and not body_b.consts and str(body_a) == str(body_b)
    try:
        return bool(a.params == b.params)
    except (TypeError, ValueError):  # arrays among them have no truth value: taken for different
        return False


def _advance(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    if "tangent" not in step.prepared:
        step.prepared["tangent"] = _tangent_program(step)
    program, contains_itself = step.prepared["tangent"]
    if not memory:
        memory.extend(program.begin())
    moving = [(s, a) for s, v, a in zip(inputs, step.varies, step.avals, strict=True) if v]
    still = [s for s, v in zip(inputs, step.varies, strict=True) if not v]
    slopes = [scaled(float(k), series[k]) for series, _ in moving]
    if k == 1:
        slopes = [
            jnp.zeros(aval.shape, aval.dtype) if slope is None else slope
            for slope, (_, aval) in zip(slopes, moving, strict=True)
        ]
    arguments = [
        *(series[k - 1] for series, _ in moving),
        *slopes,
        *(series[0] if k == 1 else None for series in still),
        *(series[k - 1] for series in outputs if contains_itself),
    ]
    found = iter(program.advance((memory[0], memory[1]), k - 1, arguments))
    return [divided(next(found), float(k)) if varies else None for varies in step.varies_out]
