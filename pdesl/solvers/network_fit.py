"""Fitting the network of every field to given values: the start of an evolution, and restarts.

Levenberg-Marquardt on fresh points at every iteration, its damping judged on points kept apart,
or Adam; then the regularised least-squares problem for the last layer, equation (7) of M. Finzi
et al., 2023. A step that fits its own points and not the others is refused, which keeps networks
of more parameters than points from being fitted to noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from pdesl.lowering.activations import activation_named
from pdesl.lowering.neural_system import NeuralSystem
from pdesl.lowering.rows import sum_of_squares
from pdesl.solvers.networks import Network
from pdesl.solvers.neural_ivp_options import AdamFitOptions, LevenbergMarquardtFitOptions
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_solve import solve_tangent

__all__ = ["FieldTarget", "FitReport", "fit_field"]

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-5, 1e-14, 1e3
RAISE, LOWER = 5.0, 0.2
MOST_TRIALS = 4
# Iterations, each on points of its own, that may find no step in a row.
MOST_REFUSED = 3
WINDOW = 5
# Ridge parameters of the last layer that are tried, against the mean square of its features.
RIDGES = (1e-13, 1e-11, 1e-9, 1e-7)
ADAM_BLOCK = 100


@dataclass(frozen=True, slots=True, eq=False)
class FieldTarget:
    """What one field is fitted to.

    Attributes:
        field: its number.
        values: points (n, d) to (n,) or NumPy values.
        size: the root mean square that errors are measured against.
    """

    field: int
    values: Callable[[np.ndarray], np.ndarray]
    size: float


@dataclass(frozen=True, slots=True)
class FitReport:
    """The relative error on points kept apart, and the iterations it took."""

    error: float
    iterations: int


class _Rows(eqx.Module):
    """Points as rows of a fit: features (n, k), factors (n,), what factor · N should be (n,).

    An exponential factor · exp(N) = g is fitted by g N = g log(g/factor), which differs from it in
    the second order of the misfit: linear in N, and errors count as they do in the field.
    """

    features: Array
    factor: Array
    target: Array


def _misfit(network: Network, rows: _Rows) -> Array:
    return rows.target - rows.factor * network(rows.features)[:, 0]


@eqx.filter_jit
def _sides(
    system: NeuralSystem, field: int, points: Array, target: Array, t: Array
) -> tuple[Array, Array, Array]:
    factor, features = system.factors(points)[field], system.features(points)
    rest = target - system.lifts(points, t)[field]
    if system.parts[field].exponential:
        # Where nothing is left of the field, nothing is asked for.
        some = (rest > 0.0) & (factor > 0.0)
        ratio = jnp.where(some, rest, 1.0) / jnp.where(some, factor, 1.0)
        factor = jnp.where(some, rest, 0.0)
        rest = factor * jnp.log(ratio)
    return features, factor, rest + factor * system.reference_values(field, features)


@eqx.filter_jit
def _mean_square(network: Network, rows: _Rows) -> Array:
    r = _misfit(network, rows)
    return jnp.mean(r * r)


@eqx.filter_jit
def _step(
    network: Network, rows: _Rows, damping: Array, options: TangentOptions, key: Array
) -> Network:
    """The network after a damped Gauss-Newton step on the rows."""
    own = dataclasses.replace(options, regularisation=damping)  # pyright: ignore[reportArgumentType]
    r = _misfit(network, rows)
    found = solve_tangent(network, rows.features, rows.factor[:, None], r[:, None], own, key)
    return jax.tree.map(jnp.add, network, found.direction)


def fit_field(
    system: NeuralSystem,
    network: Network,
    target: FieldTarget,
    t: float,
    draw: Callable[[str, int, int], tuple[np.ndarray, np.ndarray | None]],
    options: LevenbergMarquardtFitOptions | AdamFitOptions,
    tangent: TangentOptions,
    key: Array,
    *,
    count: int,
    head: bool = True,
    nonlinear: bool = True,
    progress: Callable[[int, float], None] = lambda iteration, error: None,
) -> tuple[Network, FitReport]:
    """Fit the network of one field.

    Args:
        system: gives features, factors and lifts.
        network: where the fit starts.
        target: what it is fitted to.
        t: the time, for lifts that depend on it.
        draw: points (n, d) and their weights (n,), None for ones, for a purpose ("fit" or
            "check"), a number, and a count.
        options: of the fit.
        tangent: of the linear solves; their regularisation is the damping, which varies.
        key: of the random choices of the linear solves.
        count: points of an iteration, unless the options say.
        head: whether the last layer is solved for at the end.
        nonlinear: whether the other layers are fitted at all.
        progress: hears of (iteration, relative error).
    """
    dtype = network.weights[0].dtype
    clock = jnp.asarray(t, dtype)

    unit = 1.0

    def rows_at(purpose: str, number: int, size: int) -> _Rows:
        points, weights = draw(purpose, number, size)
        values = np.asarray(target.values(points), dtype=float)
        features, factor, rest = _sides(
            system, target.field, jnp.asarray(points, dtype), jnp.asarray(values, dtype), clock
        )
        rest = rest / unit
        if weights is not None:
            root = jnp.sqrt(jnp.asarray(weights, dtype))
            factor, rest = factor * root, rest * root
        return _Rows(features, factor, rest)

    count = options.samples or 2 * count
    check = rows_at("check", 0, 4 * count)
    if not system.parts[target.field].exponential:
        # Steps to outputs of another size than one change all layers, and are refused. A power of
        # two rounds nothing, and leaves alone what is of about that size.
        most = float(jnp.max(jnp.abs(check.target)))
        unit = float(2.0 ** round(np.log2(most))) if most > 0.0 else 1.0
        check = eqx.tree_at(lambda rows: rows.target, check, check.target / unit)
        network = _times(network, 1.0 / unit)
    whole = max(target.size, 1e-300) / unit

    def error_of(candidate: Network) -> float:
        return float(np.sqrt(float(_mean_square(candidate, check)))) / whole

    done = 0
    if not nonlinear:
        pass
    elif isinstance(options, AdamFitOptions):
        network, done = _adam(network, rows_at, options, count, error_of, progress)
    else:
        network, done = _levenberg_marquardt(
            network, rows_at, options, tangent, key, count, error_of, progress
        )
    error = error_of(network)
    if head:
        rows = rows_at("fit", done, min(8 * count, 65_536))
        for ridge in RIDGES:
            candidate = _with_solved_head(network, rows, ridge)
            own = error_of(candidate)
            if own < error:
                network, error = candidate, own
    return _times(network, unit), FitReport(error, done)


def _times(network: Network, size: float) -> Network:
    """size · N."""
    return eqx.tree_at(
        lambda n: (n.weights[-1], n.biases[-1]), network,
        (network.weights[-1] * size, network.biases[-1] * size),
    )  # fmt: skip


def _levenberg_marquardt(
    network: Network,
    rows_at: Callable[[str, int, int], _Rows],
    options: LevenbergMarquardtFitOptions,
    tangent: TangentOptions,
    key: Array,
    count: int,
    error_of: Callable[[Network], float],
    progress: Callable[[int, float], None],
) -> tuple[Network, int]:
    damping = FIRST_DAMPING
    error = error_of(network)
    errors = [error]
    done = refused = 0
    for iteration in range(options.iterations):
        rows = rows_at("fit", iteration, count)
        own = jax.random.fold_in(key, iteration)
        accepted = False
        for _ in range(MOST_TRIALS):
            candidate = _step(network, rows, jnp.asarray(damping), tangent, own)
            reached = error_of(candidate)
            if reached < error:
                network, error, accepted = candidate, reached, True
                damping = max(damping * LOWER, LEAST_DAMPING)
                break
            damping = min(damping * RAISE, MOST_DAMPING)
        done = iteration + 1
        errors.append(error)
        progress(done, error)
        refused = 0 if accepted else refused + 1
        recent = errors[-1 - WINDOW] if len(errors) > WINDOW else np.inf
        if refused == MOST_REFUSED or error > (1.0 - options.decrease) * recent:
            break
    return network, done


# -- Adam ----------------------------------------------------------------------------------


@eqx.filter_jit
def _adam_block(
    network: Any, state: Any, rows: _Rows, rate: float, total: int, size: int
) -> tuple[Any, Any]:
    """Iterations on consecutive parts, `size` rows each, of the rows."""
    optimiser = _optimiser(rate, total)
    blocks = jax.tree.map(lambda a: a.reshape(-1, size, *a.shape[1:]), rows)

    def loss(network: Any, part: _Rows) -> Array:
        return sum_of_squares(_misfit, network, part)[0] / size

    def body(carry: tuple[Any, Any], part: _Rows) -> tuple[tuple[Any, Any], None]:
        network, state = carry
        updates, state = optimiser.update(jax.grad(loss)(network, part), state, network)
        return (optax.apply_updates(network, updates), state), None

    return jax.lax.scan(body, (network, state), blocks)[0]


def _optimiser(rate: float, total: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(rate, total))


def _adam(
    network: Network,
    rows_at: Callable[[str, int, int], _Rows],
    options: AdamFitOptions,
    count: int,
    error_of: Callable[[Network], float],
    progress: Callable[[int, float], None],
) -> tuple[Network, int]:
    state = _optimiser(options.learning_rate, options.iterations).init(
        network  # pyright: ignore[reportArgumentType]
    )
    done = 0
    while done < options.iterations:
        block = min(ADAM_BLOCK, options.iterations - done)
        rows = rows_at("fit", done, block * count)
        network, state = _adam_block(
            network, state, rows, options.learning_rate, options.iterations,
            count,
        )  # fmt: skip
        done += block
        progress(done, error_of(network))
    return network, done


# -- the last layer ------------------------------------------------------------------------


@eqx.filter_jit
def _with_solved_head(network: Network, rows: _Rows, ridge: float) -> Network:
    """W ← W + argmin ‖Φ ΔW − r‖² + λ‖ΔW‖²: equation (7), its penalty on the change."""
    sigma = activation_named(network.activation)
    h = rows.features
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        h = sigma(h @ weight + bias)
    phi = rows.factor[:, None] * jnp.concatenate([h, jnp.ones_like(h[:, :1])], axis=1)
    r = _misfit(network, rows)
    square = phi.T @ phi
    mean = jnp.trace(square) / square.shape[0]
    change = jax.scipy.linalg.solve(
        square + ridge * mean * jnp.eye(square.shape[0], dtype=h.dtype), phi.T @ r, assume_a="pos"
    )
    change = jnp.where(jnp.all(jnp.isfinite(change)), change, 0.0)
    weights = (*network.weights[:-1], network.weights[-1] + change[:-1, None])
    biases = (*network.biases[:-1], network.biases[-1] + change[-1:])
    return eqx.tree_at(lambda n: (n.weights, n.biases), network, (weights, biases))
