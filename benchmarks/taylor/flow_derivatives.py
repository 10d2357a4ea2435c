"""Total derivatives dᴷz/dtᴷ of a network's dynamics, and the gradient of R_K, three ways.

    python benchmarks/taylor/flow_derivatives.py [--orders 2 3 4 5 6] [--repetitions 7]

Dynamics of J. Kelly et al., 2020, at their size: a 64-200-200-64 tanh network, batch 256,
float32. Milliseconds of processor time on one core (least of interleaved repetitions), ratios to
the propagation of one coefficient at a time, seconds of processor time to trace and compile, the
megabytes of temporaries, and in float64 the difference to nested `jvp`, relative to the largest
entry.

- online: `pdesl.lowering.jets.flow`, one coefficient at a time;
- jet: `jax.experimental.jet` on a growing series, as in the paper's code;
- nested: `jax.jvp` of `jax.jvp` of ….
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet

from pdesl.lowering.jets.flow import flow_derivatives

SIZES = (64, 200, 200, 64)
BATCH = 256


def parameters_of(dtype: Any) -> list[tuple[Any, Any]]:
    generator = np.random.default_rng(0)
    return [
        (
            jnp.asarray(generator.normal(0.0, 1.0 / np.sqrt(m), (m, n)), dtype),
            jnp.asarray(generator.normal(0.0, 0.1, n), dtype),
        )
        for m, n in itertools.pairwise(SIZES)
    ]


def dynamics(parameters: Any, z: Any) -> Any:
    for weight, bias in parameters[:-1]:
        z = jnp.tanh(z @ weight + bias)
    weight, bias = parameters[-1]
    return z @ weight + bias


def online(parameters: Any, z: Any, order: int) -> Any:
    return flow_derivatives(lambda _, state: dynamics(parameters, state), 0.0, z, order)[order]


def by_jet(parameters: Any, z: Any, order: int) -> Any:
    function = lambda state: dynamics(parameters, state)  # noqa: E731
    series = [function(z)]
    for _ in range(1, order):
        first, rest = jet(function, (z,), (tuple(series),), factorial_scaled=True)
        series = [first, *rest]
    return series[order - 1]


def nested(parameters: Any, z: Any, order: int) -> Any:
    function = lambda state: dynamics(parameters, state)  # noqa: E731

    def along(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda state: jax.jvp(inner, (state,), (function(state),))[1]

    current = function
    for _ in range(order - 1):
        current = along(current)
    return current(z)


METHODS = {"online": online, "jet": by_jet, "nested": nested}


def compiled(method: Callable[..., Any], order: int, gradient: bool, data: Any) -> Any:
    def value(parameters: Any, z: Any) -> Any:
        return method(parameters, z, order)

    def loss(parameters: Any, z: Any) -> Any:
        return jnp.mean(jnp.square(method(parameters, z, order)))

    begun = time.process_time()
    function = jax.jit(jax.grad(loss) if gradient else value).lower(*data).compile()
    return function, time.process_time() - begun


def measure(order: int, repetitions: int, nested_to: int) -> None:
    exact = (
        parameters_of(np.float64),
        jnp.asarray(np.random.default_rng(1).normal(size=(BATCH, SIZES[0]))),
    )
    data = jax.tree.map(lambda leaf: leaf.astype(np.float32), exact)
    names = [name for name in METHODS if name != "nested" or order <= nested_to]
    values = {n: np.asarray(compiled(METHODS[n], order, False, exact)[0](*exact)) for n in names}
    for gradient in (False, True):
        functions, seconds, best = {}, {}, dict.fromkeys(names, np.inf)
        for name in names:
            functions[name], seconds[name] = compiled(METHODS[name], order, gradient, data)
        for _ in range(repetitions):
            for name, function in functions.items():
                begun = time.process_time()
                for _ in range(3):
                    jax.block_until_ready(function(*data))
                best[name] = min(best[name], (time.process_time() - begun) / 3)
        for name in names:
            memory = functions[name].memory_analysis().temp_size_in_bytes / 1e6
            difference = ""
            if "nested" in values:
                error = np.abs(values[name] - values["nested"]).max()
                difference = f"  error {error / np.abs(values['nested']).max():.0e}"
            print(
                f"K = {order} {'gradient' if gradient else 'value   '} {name:7s}"
                f" {1e3 * best[name]:8.2f} ms  x{best[name] / best['online']:5.2f}"
                f"  compile {seconds[name]:6.2f} s  {memory:6.1f} MB{difference}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[2, 3, 4, 5, 6])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--nested-to", type=int, default=6, help="highest order of nested jvp")
    options = parser.parse_args()
    for order in options.orders:
        measure(order, options.repetitions, options.nested_to)


if __name__ == "__main__":
    main()
