"""Graph diffusion with attention (GRAND): classes of nodes, semi-implicit against explicit steps.

    python benchmarks/sinode/graph_diffusion.py [--epochs 40]

Equation 19 of H. Zhang, Y. Liu and R. Maulik, 2024, with a trained diffusivity α:

    x' = α (A(x) x − x),   A_ij = softmax over the neighbours j of i of q_i·k_j/√d,

the attention explicit and −α x implicit. The graph is a stochastic block model of four classes, a
stand-in for the public citation graphs: noisy features, few labels. Printed are the test accuracy,
the evaluations of the network (training, adjoint and testing, as table 1 counts them), and how far
the diffused features of the trained model are from those of fine steps.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from pdesl.solvers.implicit_operators import DiagonalOperator
from pdesl.solvers.rollout import count_evaluations, rollout

jax.config.update("jax_enable_x64", True)

CLASSES, NODES, FEATURES, HIDDEN = 4, 240, 16, 8
END = 4.0
RUNS = (  # scheme, step
    ("imex_rk2", 1.0),
    ("imex_rk3", 1.0),
    ("etdrk2", 1.0),
    ("explicit_rk2", 1.0),
    ("rk4", 0.005),
)


class Graph(eqx.Module):
    """Edges from senders to receivers, both ways and with loops; features and classes of nodes."""

    senders: Array
    receivers: Array
    features: Array
    classes: Array
    training: Array


def block_model(seed: int = 0) -> Graph:
    """A stochastic block model: 10 neighbours within the class on average, 3 outside."""
    rng = np.random.default_rng(seed)
    classes = np.arange(NODES) % CLASSES
    same = classes[:, None] == classes[None, :]
    chance = np.where(same, 10 * CLASSES / NODES, 3 * CLASSES / (NODES * (CLASSES - 1)))
    upper = np.triu(rng.random((NODES, NODES)) < chance, 1)
    senders, receivers = np.nonzero(upper | upper.T | np.eye(NODES, dtype=bool))
    means = rng.normal(size=(CLASSES, FEATURES))
    features = means[classes] + 3.0 * rng.normal(size=(NODES, FEATURES))
    # Rows of norm one, as the citation graphs have them.
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    training = rng.permutation(NODES) < NODES // 8
    return Graph(*map(jnp.asarray, (senders, receivers, features, classes, training)))


def start_parameters(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes = {
        "encode": (FEATURES, HIDDEN),
        "query": (HIDDEN, HIDDEN),
        "key": (HIDDEN, HIDDEN),
        "decode": (HIDDEN, CLASSES),
    }
    found = {k: jnp.asarray(rng.normal(size=s) / np.sqrt(s[0])) for k, s in shapes.items()}
    return {**found, "log_diffusivity": jnp.asarray(0.0)}


def attention(t: Array, state: Array, given: tuple[dict[str, Array], Graph]) -> Array:
    """α A(x) x of the whole graph, which is one row of the batch."""
    del t
    parameters, graph = given
    x = state.reshape(NODES, HIDDEN)
    queries, keys = x @ parameters["query"], x @ parameters["key"]
    scores = jnp.sum(queries[graph.receivers] * keys[graph.senders], axis=1) / np.sqrt(HIDDEN)
    top = jax.ops.segment_max(jax.lax.stop_gradient(scores), graph.receivers, NODES)
    weights = jnp.exp(scores - top[graph.receivers])
    total = jax.ops.segment_sum(weights, graph.receivers, NODES)
    mixed = jax.ops.segment_sum(weights[:, None] * x[graph.senders], graph.receivers, NODES)
    return (jnp.exp(parameters["log_diffusivity"]) * mixed / total[:, None]).reshape(1, -1)


def diffused(parameters: dict[str, Array], graph: Graph, scheme: str, step: float) -> Array:
    steps = round(END / step)
    decay = DiagonalOperator(lambda given: -jnp.exp(given[0]["log_diffusivity"]))
    start = (graph.features @ parameters["encode"]).reshape(1, -1)
    run = rollout(
        attention, decay, start, (parameters, graph), steps, step, scheme, keep_every=steps
    )
    return run.states[-1].reshape(NODES, HIDDEN)


def loss(parameters: Any, graph: Graph, scheme: str, step: float) -> tuple[Array, Array]:
    """Cross entropy of the labelled nodes, and which nodes are classified rightly."""
    scores = diffused(parameters, graph, scheme, step) @ parameters["decode"]
    entropy = optax.softmax_cross_entropy_with_integer_labels(scores, graph.classes)
    mean = jnp.sum(jnp.where(graph.training, entropy, 0)) / jnp.sum(graph.training)
    return mean, jnp.argmax(scores, axis=1) == graph.classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    epochs = parser.parse_args().epochs
    graph = block_model()
    optimiser = optax.adamw(0.02, weight_decay=0.01)
    known: dict[str, float] = {}
    for scheme, step in RUNS:

        @eqx.filter_jit
        def train(
            parameters: Any, state: Any, graph: Graph, name: str = scheme, dt: float = step
        ) -> Any:
            slope, _ = jax.grad(lambda p: loss(p, graph, name, dt), has_aux=True)(parameters)
            change, state = optimiser.update(slope, state, parameters)
            return optax.apply_updates(parameters, change), state

        parameters = start_parameters()
        state = optimiser.init(parameters)
        parameters, state = train(parameters, state, graph)
        begin = time.process_time()
        for _ in range(epochs - 1):
            parameters, state = train(parameters, state, graph)
        jax.block_until_ready(parameters)
        seconds = (time.process_time() - begin) / (epochs - 1)
        _, right = eqx.filter_jit(loss)(parameters, graph, scheme, step)
        accuracy = float(jnp.mean(right[~graph.training]))
        own = diffused(parameters, graph, scheme, step)
        fine = diffused(parameters, graph, "rk4", 0.005)
        error = float(jnp.linalg.norm(own - fine) / jnp.linalg.norm(fine))
        steps = round(END / step)
        count = count_evaluations(scheme, steps)
        evaluations = count.total + count.forward
        known[scheme] = evaluations
        print(
            f"{scheme} at {step:g}: test accuracy {100 * accuracy:.1f} %, {evaluations} "
            f"evaluations an epoch, {1e3 * seconds:.0f} ms an epoch, features within {error:.1e} "
            f"of fine steps, α = {float(jnp.exp(parameters['log_diffusivity'])):.2f}",
            flush=True,
        )
    print(
        f"rk4 at 0.005 evaluates {known['rk4'] / known['imex_rk2']:.0f} times as often as imex_rk2"
    )


if __name__ == "__main__":
    main()
