"""A function as a straight list of operations, and the propagation of series through it.

`trace` turns a function into a `Program` by `jax.make_jaxpr`; calls (jit, checkpoint, custom_vjp)
are written out. A `Frame` holds what is known of every quantity in it, coefficient by
coefficient. `Program.advance` takes the next coefficient of the inputs and returns the next one
of the outputs, by one rule for each primitive (`rules.RULES`). Every operation is applied once
for each order, so K coefficients of a network cost K matrix products for each of its layers, and
the coefficients of a solution of z′ = f(z) can be found while they are consumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core

from pdesl.lowering.jets.series import Coefficient, Series

__all__ = ["Frame", "Program", "Rule", "Step", "build", "evaluate", "propagate", "start", "trace"]

Memory = list[Any]
"""What a rule keeps between orders, a pytree that it extends in place."""


@dataclass(frozen=True)
class Rule:
    """How one primitive propagates series.

    `advance(step, inputs, outputs, memory, k)` returns coefficient k ≥ 1 of each output, where
    `inputs` are known to order k and `outputs` to order k − 1. `start`, where given, does order 0
    (else the primitive itself). `history` is False for rules that are linear in all operands
    that vary and read their coefficient k alone. `reads(step)` are the operands whose
    coefficients above order 0 are read (None: all). `varying(step)` tells which outputs vary.
    """

    advance: Callable[[Step, list[Series], list[Series], Memory, int], Sequence[Coefficient]]
    history: bool = True
    start: Callable[[Step, list[Any], Memory], Sequence[Any]] | None = None
    reads: Callable[[Step], Sequence[int]] | None = None
    varying: Callable[[Step], Sequence[bool]] | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """One operation. `varies` and `varies_out` tell which operands and results are series."""

    primitive: core.Primitive
    params: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    avals: tuple[Any, ...]
    avals_out: tuple[Any, ...]
    literals: dict[int, Any]
    varies: tuple[bool, ...]
    varies_out: tuple[bool, ...] = ()
    rule: Rule | None = None
    prepared: dict[str, Any] = field(default_factory=dict)


Frame = tuple[list[Series], list[Memory]]
"""The series of every slot of a program and the memory of every step: a pytree."""


def is_inexact(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)  # tokens of effects have none
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


def evaluate(step: Step, values: Sequence[Any]) -> list[Any]:
    """The primitive itself, on arrays."""
    found = step.primitive.get_bind_params(step.params)
    # JAX before 0.10 returned functions to be called beside the parameters.
    functions, params = found if isinstance(found, tuple) else ((), found)
    result = step.primitive.bind(*functions, *values, **params)
    return list(result) if step.primitive.multiple_results else [result]


def start(step: Step, values: list[Any], memory: Memory) -> Sequence[Any]:
    """Order 0 of the results of a step."""
    if step.rule is not None and step.rule.start is not None:
        return step.rule.start(step, values, memory)
    return evaluate(step, values)


def _fitted(value: Coefficient, aval: Any) -> Coefficient:
    """A coefficient with the shape and type of its quantity; scalars may meet arrays in rules."""
    if value is None:
        return None
    if np.shape(value) != aval.shape:
        value = jnp.broadcast_to(value, aval.shape)
    return value if value.dtype == aval.dtype else value.astype(aval.dtype)


def _advance(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, order: int
) -> list[Coefficient]:
    if step.rule is None:
        return [None] * len(step.outputs)
    if not step.rule.history and all(
        series[order] is None for series, varies in zip(inputs, step.varies, strict=True) if varies
    ):
        return [None] * len(step.outputs)
    found = step.rule.advance(step, inputs, outputs, memory, order)
    return [
        _fitted(value, aval) if varies else None
        for value, aval, varies in zip(found, step.avals_out, step.varies_out, strict=True)
    ]


def propagate(step: Step, inputs: list[Series], order: int) -> list[Series]:
    """All coefficients of one step's results up to `order`, from known series of its operands."""
    memory: Memory = []
    outputs = [[v] for v in start(step, [series[0] for series in inputs], memory)]
    for k in range(1, order + 1):
        for series, value in zip(outputs, _advance(step, inputs, outputs, memory, k), strict=True):
            series.append(value)
    return outputs


@dataclass(frozen=True, eq=False)
class Program:
    """Steps in order over numbered slots; `trace` and `build` make it."""

    steps: tuple[Step, ...]
    slots: int
    constants: tuple[tuple[int, Any], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    avals_in: tuple[Any, ...]
    avals_out: tuple[Any, ...]
    varies_out: tuple[bool, ...]
    kept: frozenset[int]

    def begin(self) -> Frame:
        """A frame that knows nothing but the constants."""
        series: list[Series] = [[] for _ in range(self.slots)]
        return series, [[] for _ in self.steps]

    def advance(
        self, frame: Frame, order: int, coefficients: Sequence[Coefficient]
    ) -> list[Coefficient]:
        """Coefficient `order` of the outputs from that of the inputs; orders go 0, 1, 2, ….

        The frame is extended in place. None, an input of the order's zero coefficient, is not
        allowed at order 0.
        """
        series, memories = frame
        for slot, value in self.constants:
            series[slot].append(value if order == 0 else None)
        for slot, value in zip(self.inputs, coefficients, strict=True):
            series[slot].append(value)
        for step, memory in zip(self.steps, memories, strict=True):
            inputs = [series[slot] for slot in step.inputs]
            if order == 0:
                values = start(step, [s[0] for s in inputs], memory)
            else:
                outputs = [series[slot] for slot in step.outputs]
                values = _advance(step, inputs, outputs, memory, order)
            for slot, value in zip(step.outputs, values, strict=True):
                series[slot].append(value)
        results = [series[slot][order] for slot in self.outputs]
        for slot, known in enumerate(series):
            if slot not in self.kept:
                known[-1] = None
        return results


class _Flattener:
    """Writes calls out and numbers the quantities."""

    def __init__(self) -> None:
        self.count = 0
        self.constants: list[tuple[int, Any]] = []
        self.literal: dict[int, Any] = {}
        self.equations: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = []

    def slot(self) -> int:
        self.count += 1
        return self.count - 1

    def constant(self, value: Any) -> int:
        slot = self.slot()
        self.constants.append((slot, value))
        if not isinstance(value, Tracer) and np.ndim(value) == 0:
            self.literal[slot] = value
        return slot

    def flatten(self, jaxpr: Any, consts: Sequence[int], inputs: Sequence[int]) -> list[int]:
        place: dict[Any, int] = dict(zip(jaxpr.constvars, consts, strict=True))
        place.update(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> int:
            return self.constant(atom.val) if isinstance(atom, core.Literal) else place[atom]

        for equation in jaxpr.eqns:
            operands = [read(atom) for atom in equation.invars]
            inner = _called(equation)
            if inner is not None:
                body, values = inner
                found = self.flatten(body, [self.constant(v) for v in values], operands)
            else:
                found = [self.slot() for _ in equation.outvars]
                self.equations.append((equation, tuple(operands), tuple(found)))
            place.update(zip(equation.outvars, found, strict=True))
        return [read(atom) for atom in jaxpr.outvars]


#: Primitives that call a jaxpr and nothing else, by the name of the parameter that holds it.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}


def _called(equation: Any) -> tuple[Any, Sequence[Any]] | None:
    """The jaxpr and constants of a call, None for other primitives."""
    parameter = _CALLS.get(equation.primitive.name)
    body = None if parameter is None else equation.params.get(parameter)
    if body is None:
        return None
    closed = isinstance(body, core.ClosedJaxpr)
    jaxpr = body.jaxpr if closed else body
    return jaxpr, (body.consts if closed else ())


def build(closed: Any, varying: Sequence[bool]) -> Program:
    """A program for a closed jaxpr whose inputs are series where `varying` says so."""
    from pdesl.lowering.jets.rules import rule_for

    flat = _Flattener()
    inputs = [flat.slot() for _ in closed.jaxpr.invars]
    consts = [flat.constant(value) for value in closed.consts]
    outputs = flat.flatten(closed.jaxpr, consts, inputs)
    avals = tuple(v.aval for v in closed.jaxpr.invars)
    moving = {
        slot
        for slot, varies, aval in zip(inputs, varying, avals, strict=True)
        if varies and is_inexact(aval)
    }
    steps: list[Step] = []
    for equation, operands, found in flat.equations:
        step = Step(
            equation.primitive,
            equation.params,
            operands,
            found,
            tuple(v.aval for v in equation.invars),
            tuple(v.aval for v in equation.outvars),
            {i: flat.literal[slot] for i, slot in enumerate(operands) if slot in flat.literal},
            tuple(slot in moving for slot in operands),
        )
        rule = rule_for(step) if any(step.varies) else None
        flags = (False,) * len(found)
        if rule is not None:
            known = rule.varying(step) if rule.varying else [True] * len(found)
            flags = tuple(v and is_inexact(a) for v, a in zip(known, step.avals_out, strict=True))
            if not any(flags):
                rule = None
        moving.update(slot for slot, flag in zip(found, flags, strict=True) if flag)
        steps.append(_with(step, rule, flags))
    steps, kept = _demanded(steps, outputs)
    return Program(
        tuple(steps),
        flat.count,
        tuple(flat.constants),
        tuple(inputs),
        tuple(outputs),
        avals,
        tuple(closed.out_avals),
        tuple(slot in moving for slot in outputs),
        frozenset(kept),
    )


def _with(step: Step, rule: Rule | None, flags: tuple[bool, ...]) -> Step:
    return Step(
        step.primitive, step.params, step.inputs, step.outputs, step.avals, step.avals_out,
        step.literals, step.varies, flags, rule, step.prepared,
    )  # fmt: skip


def _demanded(steps: list[Step], outputs: Sequence[int]) -> tuple[list[Step], set[int]]:
    """Steps without rules where nobody reads their series, and the slots with a history."""
    wanted = set(outputs)
    kept: set[int] = set()
    result: list[Step] = []
    for step in reversed(steps):
        if step.rule is not None and not wanted & set(step.outputs):
            step = _with(step, None, (False,) * len(step.outputs))
        if step.rule is not None:
            read = range(len(step.inputs)) if step.rule.reads is None else step.rule.reads(step)
            wanted.update(step.inputs[i] for i in read)
            # Values of operands that do not vary are read at every order.
            kept.update(
                slot
                for slot, varies in zip(step.inputs, step.varies, strict=True)
                if step.rule.history or not varies
            )
            if step.rule.history:
                kept.update(step.outputs)
        result.append(step)
    return result[::-1], kept


def trace(
    function: Callable[..., Any], arguments: Sequence[Any], varying: Sequence[bool]
) -> tuple[Program, Any]:
    """The program of function(*arguments) and the tree of its result.

    Args:
        function: of pytrees of arrays; traced once. What it closes over is constant.
        arguments: one pytree each, for shapes and types.
        varying: for each leaf of the arguments, whether it is a series.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    return build(closed, varying), jax.tree.structure(shape)
