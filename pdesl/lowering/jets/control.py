"""Series rules of control flow and of linear solves.

A scan propagates coefficient k in its k-th run; what the rules inside its body keep is stacked
over the iterations and handed to the next run. A conditional does the same for the branch taken.
A while loop, whose number of iterations is unknown, runs anew for each order with all lower
orders in its carry. All three run a program of their body (`program.Program`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from pdesl.lowering.jets.program import Frame, Memory, Program, Rule, Step, build, evaluate
from pdesl.lowering.jets.series import Coefficient, Series, negated, total

__all__ = ["CONTROL"]


class _Layout(eqx.Module):
    """Where the leaves of a frame come from: arrays kept between runs, or captured values."""

    tree: Any = eqx.field(static=True)
    sources: tuple[tuple[bool, int], ...] = eqx.field(static=True)


def _unpacked(layout: _Layout, kept: Sequence[Any], captured: Sequence[Any]) -> Frame:
    leaves = [captured[i] if is_captured else kept[i] for is_captured, i in layout.sources]
    return jax.tree.unflatten(layout.tree, leaves)


def _captured(program: Program, operands: list[Series], k: int) -> list[Any]:
    """What a body sees from outside to order k; each order only adds to the list."""
    values = [value for _, value in program.constants]
    for order in range(k + 1):
        values += [series[order] for series in operands if series[order] is not None]
    return values


def _packed(
    frame: Frame, kept: Sequence[Any], captured: Sequence[Any]
) -> tuple[_Layout, list[Any]]:
    """The layout of a frame, and its leaves that are neither kept already nor captured."""
    leaves, tree = jax.tree.flatten(frame)
    known = {id(value): (False, i) for i, value in enumerate(kept)}
    known |= {id(value): (True, i) for i, value in enumerate(captured)}
    fresh: list[Any] = []
    sources = []
    for leaf in leaves:
        if id(leaf) not in known:
            known[id(leaf)] = (False, len(kept) + len(fresh))
            fresh.append(leaf)
        sources.append(known[id(leaf)])
    return _Layout(tree, tuple(sources)), fresh


def _filled(value: Coefficient, aval: Any) -> Any:
    return jnp.zeros(aval.shape, aval.dtype) if value is None else value


def _fixed_point(step: Step, body: Any, flags: list[bool], carry: slice) -> Program:
    """The program of a loop's body when what it carries varies from iteration to iteration."""
    while True:
        program = build(body, flags)
        found = program.varies_out[: carry.stop - carry.start]
        wider = [a or b for a, b in zip(flags[carry], found, strict=True)]
        if wider == flags[carry]:
            return program
        flags[carry] = wider


# Scan


def _scan_program(step: Step) -> tuple[Program, list[bool]]:
    if "scan" not in step.prepared:
        flags = list(step.varies)
        first = step.params["num_consts"]
        carry = slice(first, first + step.params["num_carry"])
        program = _fixed_point(step, step.params["jaxpr"], flags, carry)
        step.prepared["scan"] = (program, flags)
    return step.prepared["scan"]


def _scan_varying(step: Step) -> Sequence[bool]:
    program, flags = _scan_program(step)
    first, count = step.params["num_consts"], step.params["num_carry"]
    return [*flags[first : first + count], *program.varies_out[count:]]


def _scan_run(
    step: Step, consts: list[Series], carry: list[Any], xs: list[Any], memory: Memory, k: int
) -> Sequence[Coefficient]:
    program, flags = _scan_program(step)
    first, count = step.params["num_consts"], step.params["num_carry"]
    captured = _captured(program, consts, k)
    made: list[tuple[_Layout, list[bool]]] = []

    def body(carry: list[Any], x: tuple[list[Any], list[Any]]) -> tuple[list[Any], Any]:
        items, kept = x
        frame = _unpacked(memory[0], kept, captured) if k else program.begin()
        inputs = [*(series[k] for series in consts), *carry, *items]
        found = program.advance(frame, k, inputs)
        layout, fresh = _packed(frame, kept, captured)
        following = [
            _filled(value, aval) if k == 0 or varies else None
            for value, aval, varies in zip(
                found[:count], program.avals_out, flags[first:], strict=False
            )
        ]
        made.append((layout, [value is not None for value in found[count:]]))
        return following, ([v for v in found[count:] if v is not None], fresh)

    kept = memory[1] if k else []
    last, (ys, fresh) = lax.scan(
        body,
        carry,
        (xs, kept),
        length=step.params["length"],
        reverse=step.params["reverse"],
        unroll=step.params["unroll"],
    )
    layout, present = made[-1]
    memory[:] = [layout, [*kept, *fresh]]
    stacked = iter(ys)
    return [*last, *(next(stacked) if there else None for there in present)]


def _scan_start(step: Step, values: list[Any], memory: Memory) -> Sequence[Any]:
    first, count = step.params["num_consts"], step.params["num_carry"]
    consts = [[value] for value in values[:first]]
    carry = [jnp.asarray(v, a.dtype) for v, a in zip(values, step.avals, strict=True)]
    return _scan_run(step, consts, carry[first : first + count], values[first + count :], memory, 0)


def _scan_advance(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    _, flags = _scan_program(step)
    first, count = step.params["num_consts"], step.params["num_carry"]
    carry = [
        _filled(series[k], aval) if varies else None
        for series, aval, varies in list(zip(inputs, step.avals, flags, strict=True))[
            first : first + count
        ]
    ]
    xs = [series[k] for series in inputs[first + count :]]
    return _scan_run(step, inputs[:first], carry, xs, memory, k)


# Conditional


def _branches(step: Step) -> list[Program]:
    if "cond" not in step.prepared:
        flags = step.varies[1:]
        step.prepared["cond"] = [build(body, flags) for body in step.params["branches"]]
    return step.prepared["cond"]


def _cond_varying(step: Step) -> Sequence[bool]:
    programs = _branches(step)
    return [any(flags) for flags in zip(*(p.varies_out for p in programs), strict=True)]


def _cond_run(
    step: Step, index: Any, operands: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    programs = _branches(step)
    layouts: list[Any] = [None] * len(programs)
    kept: list[list[Any]] = memory[1] if k else [[] for _ in programs]
    wanted = [k == 0 or flag for flag in step.varies_out]

    def branch(number: int) -> tuple[list[Any], list[Any]]:
        program = programs[number]
        captured = _captured(program, operands, k)
        frame = _unpacked(memory[0][number], kept[number], captured) if k else program.begin()
        found = program.advance(frame, k, [series[k] for series in operands])
        layouts[number], fresh = _packed(frame, kept[number], captured)
        results = [
            jnp.asarray(_filled(value, aval), aval.dtype)
            for value, aval, needed in zip(found, step.avals_out, wanted, strict=True)
            if needed
        ]
        return results, [jnp.asarray(leaf) for leaf in fresh]

    shapes = [
        jax.eval_shape(lambda number=number: branch(number)[1]) for number in range(len(programs))
    ]

    def choice(number: int) -> Any:
        def run() -> Any:
            results, fresh = branch(number)
            every = [
                fresh if other == number else [jnp.zeros(s.shape, s.dtype) for s in shape]
                for other, shape in enumerate(shapes)
            ]
            return results, every

        return run

    results, every = lax.switch(index, [choice(number) for number in range(len(programs))])
    memory[:] = [list(layouts), [[*old, *new] for old, new in zip(kept, every, strict=True)]]
    found = iter(results)
    return [next(found) if needed else None for needed in wanted]


def _cond_start(step: Step, values: list[Any], memory: Memory) -> Sequence[Any]:
    index = jnp.asarray(values[0], jnp.int32)
    return _cond_run(step, index, [[value] for value in values[1:]], memory, 0)


def _cond_advance(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    index = jnp.asarray(inputs[0][0], jnp.int32)
    return _cond_run(step, index, inputs[1:], memory, k)


# While


def _while_program(step: Step) -> tuple[Program, list[bool]]:
    if "while" not in step.prepared:
        first, consts = step.params["cond_nconsts"], step.params["body_nconsts"]
        flags = list(step.varies[first:])
        program = _fixed_point(step, step.params["body_jaxpr"], flags, slice(consts, len(flags)))
        step.prepared["while"] = (program, flags[consts:])
    return step.prepared["while"]


def _while_varying(step: Step) -> Sequence[bool]:
    return _while_program(step)[1]


def _while_advance(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    program, flags = _while_program(step)
    conditions, consts = step.params["cond_nconsts"], step.params["body_nconsts"]
    condition = core.jaxpr_as_fun(step.params["cond_jaxpr"])
    tested = [series[0] for series in inputs[:conditions]]
    fixed = inputs[conditions : conditions + consts]
    avals = step.avals[conditions + consts :]
    initial = []
    for m in range(k + 1):
        initial.append(
            [
                _filled(series[m], aval) if m == 0 or varies else None
                for series, aval, varies in zip(
                    inputs[conditions + consts :], avals, flags, strict=True
                )
            ]
        )
    initial[0] = [jnp.asarray(v, a.dtype) for v, a in zip(initial[0], avals, strict=True)]

    def goes_on(carry: list[list[Any]]) -> Any:
        return condition(*tested, *carry[0])[0]

    def body(carry: list[list[Any]]) -> list[list[Any]]:
        frame = program.begin()
        following = []
        for m, items in enumerate(carry):
            found = program.advance(frame, m, [*(series[m] for series in fixed), *items])
            following.append(
                [
                    _filled(value, aval) if m == 0 or varies else None
                    for value, aval, varies in zip(found, avals, flags, strict=True)
                ]
            )
        return following

    return lax.while_loop(goes_on, body, initial)[k]


# Linear solves


def _solve_parts(step: Step) -> tuple[int, int]:
    """How many operands the product has, and the number of the first right-hand side."""
    lengths = step.params["const_lengths"]
    return lengths.matvec, sum(lengths)


def _solve_reads(step: Step) -> Sequence[int]:
    consts, first = _solve_parts(step)
    return [*range(consts), *range(first, len(step.inputs))]


def _solve_advance(
    step: Step, inputs: list[Series], outputs: list[Series], memory: Memory, k: int
) -> Sequence[Coefficient]:
    """A x = b: A₀ xₖ = bₖ − Σⱼ Aⱼ xₖ₋ⱼ over 1 ≤ j ≤ k."""
    consts, first = _solve_parts(step)
    matrix, right = inputs[:consts], [series[k] for series in inputs[first:]]
    if any(step.varies[:consts]):
        if "product" not in step.prepared:
            flags = [*step.varies[:consts], *([True] * len(outputs))]
            step.prepared["product"] = build(step.params["jaxprs"].matvec, flags)
        program: Program = step.prepared["product"]
        if not memory:
            memory.extend(program.begin())
        program.advance(
            (memory[0], memory[1]),
            k - 1,
            [*(series[k - 1] for series in matrix), *(series[k - 1] for series in outputs)],
        )
        # With xₖ still unknown the product gives the known part of its coefficient k.
        frame = jax.tree.map(lambda leaf: leaf, (memory[0], memory[1]))
        known = program.advance(
            frame, k, [*(series[k] for series in matrix), *([None] * len(outputs))]
        )
        right = [total((b, negated(part))) for b, part in zip(right, known, strict=True)]
    avals = step.avals[first:]
    operands = [series[0] for series in inputs[:first]]
    return evaluate(step, [*operands, *map(_filled, right, avals)])


CONTROL: dict[str, Rule] = {
    "scan": Rule(_scan_advance, start=_scan_start, varying=_scan_varying),
    "cond": Rule(_cond_advance, start=_cond_start, varying=_cond_varying),
    "while": Rule(_while_advance, varying=_while_varying),
    "custom_linear_solve": Rule(_solve_advance, reads=_solve_reads),
}
