"""The misfit of a model and its data, differentiable in everything that is learned.

    L(p) = (1/N) Σ ρ((model − data)/σ) + (1/N) Σ (jump/s)² + (1/N) Σ ((θ − m)/σ_θ)² + penalty |W|²
           + Σ λ_r (1/W) Σ_w R_r(w)

over N measurements, with ρ the square or the absolute value, jumps between the windows of one
course (multiple shooting, H. G. Bock, 1981), what is known of unknowns beforehand, and integrals
R_r along the courses of the W windows (`fit_speed`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.lowering.devices import make_mesh, over_rows
from pdesl.lowering.learned import Learned
from pdesl.lowering.learned_system import LearnedSystem, Observation
from pdesl.solvers.fit_speed import BesideIntegrals, integrands, probes_of
from pdesl.solvers.fit_windows import Steps, WindowSet
from pdesl.solvers.implicit_operators import ImplicitOperator
from pdesl.solvers.rollout import Trajectory, rollout

__all__ = ["Batch", "FitModel", "Priors", "in_precision", "make_batch"]

# The axis of windows that each start at a time of their own.
WINDOWS = "windows"


class Batch(eqx.Module):
    """Windows as arrays; see `WindowSet`.

    Attributes:
        starts: times (W,).
        states: measured states (W, n), or None.
        ends, end_share: the step at or before the end of each window, and the part of the next
            one, (W, 1).
        offsets: (W, K) for each data set; `index` the step at or before, `share` of the next one.
        values: (W, K, P) for each term of the fit, zero where nothing was measured.
        masks: the same, 1 where something was.
    """

    starts: Array
    states: Array | None
    ends: Array
    end_share: Array
    offsets: tuple[Array, ...]
    index: tuple[Array, ...]
    share: tuple[Array, ...]
    values: tuple[Array, ...]
    masks: tuple[Array, ...]

    def rows(self, chosen: Array) -> Batch:
        """Some of the windows."""
        return jax.tree.map(lambda leaf: leaf[chosen], self)


def make_batch(
    windows: WindowSet, steps: Steps, terms: tuple[tuple[str, str], ...], sets: tuple[str, ...]
) -> Batch:
    """Windows as arrays on steps."""

    def place(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = offsets / steps.dt
        if steps.exact:
            return np.round(share).astype(np.int32), np.zeros(share.shape)
        index = np.clip(np.floor(share + 1e-9).astype(np.int32), 0, steps.count - 1)
        return index, share - index

    placed = [place(windows.targets[name].offsets) for name in sets]
    values = [windows.targets[d].values[c] for d, c in terms]
    ends, end_share = place((windows.ends - windows.starts)[:, None])
    return Batch(
        jnp.asarray(windows.starts),
        None if windows.states is None else jnp.asarray(windows.states),
        jnp.asarray(ends),
        jnp.asarray(end_share),
        tuple(jnp.asarray(windows.targets[name].offsets) for name in sets),
        tuple(jnp.asarray(i) for i, _ in placed),
        tuple(jnp.asarray(s) for _, s in placed),
        tuple(jnp.asarray(np.nan_to_num(v)) for v in values),
        tuple(jnp.asarray(np.isfinite(v).astype(float)) for v in values),
    )


def in_precision(tree: Any, precision: str) -> Any:
    """A pytree with its numbers in a precision, `float32` or `float64`.

    The operator of a `FitModel` stays in float64: its factors are rounded where they are used,
    since rounding the large numbers of a stencil itself would spoil small wave numbers.
    """
    if isinstance(tree, FitModel):
        operator = tree.operator
        rest = eqx.tree_at(lambda m: m.operator, tree, None, is_leaf=lambda x: x is None)
        moved = in_precision((rest,), precision)[0]
        return eqx.tree_at(lambda m: m.operator, moved, operator, is_leaf=lambda x: x is None)
    real = jnp.dtype(precision)

    def cast(leaf: Any) -> Any:
        if not eqx.is_inexact_array(leaf):
            return leaf
        return jnp.asarray(leaf).astype(
            jnp.result_type(real, jnp.complex64) if jnp.iscomplexobj(leaf) else real
        )

    return jax.tree.map(cast, tree)


class Priors(eqx.Module):
    """What is known of unknowns beforehand: θ_i = mean ± deviation."""

    index: tuple[int, ...] = eqx.field(static=True)
    means: tuple[float, ...] = eqx.field(static=True)
    deviations: tuple[float, ...] = eqx.field(static=True)

    def residuals(self, values: Array) -> Array:
        own = values[jnp.asarray(self.index, jnp.int32)]
        return (own - np.asarray(self.means)) / np.asarray(self.deviations)


class FitModel(eqx.Module):
    """A learned system with the steps, models and measures of a fit; a pytree of its arrays.

    Attributes:
        sets: the data set of each term of the fit, as a position in `Batch.offsets`.
        deviations: σ of each term, 1 where none is given.
        jump: size of a jump between windows that counts as one, (n,).
        devices: those that windows with measured states are divided among.
        checkpoints: as those of `rollout`.
        regularisers: bound options of the terms of `regularise`.
        adaptive: whether a Runge-Kutta pair chooses its steps, dt and halvings of it.
        most_steps: of a window, where steps are chosen; None: as `rollout` has it.
    """

    system: LearnedSystem
    operator: ImplicitOperator | None
    observations: tuple[Observation, ...]
    jump: Array
    priors: Priors
    sets: tuple[int, ...] = eqx.field(static=True)
    deviations: tuple[float, ...] = eqx.field(static=True)
    scheme: str = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    count: int = eqx.field(static=True)
    exact: bool = eqx.field(static=True)
    gradient: str = eqx.field(static=True)
    absolute: bool = eqx.field(static=True)
    penalty: float = eqx.field(static=True)
    tolerances: tuple[float, float] = eqx.field(static=True)
    devices: int = eqx.field(static=True, default=1)
    checkpoints: str | None = eqx.field(static=True, default=None)
    regularisers: tuple[Any, ...] = eqx.field(static=True, default=())
    seed: int = eqx.field(static=True, default=0)
    adaptive: bool = eqx.field(static=True, default=False)
    most_steps: int | None = eqx.field(static=True, default=None)

    # -- courses ---------------------------------------------------------------------------

    def course(
        self, learned: Learned, states: Array, starts: Array, gradient: str | None = None
    ) -> Array:
        """States (steps + 1, W, n) of every window."""
        # What is not differentiated needs no checkpoints.
        kept = self.checkpoints if gradient is None else None

        def run(rows: Array, start: Any, axis: str | None) -> Array:
            return self._roll(learned, rows, start, axis, gradient, kept).states

        return self._by_window(run, (states,), starts)

    def steps_taken(self, learned: Learned, states: Array, starts: Array) -> Array:
        """Adaptive steps as `Trajectory.taken` has them, (3,), for all windows at once."""

        def run(rows: Array, start: Any, axis: str | None) -> Array:
            taken = self._roll(learned, rows, start, axis, None, None).taken
            assert taken is not None
            return taken[None, None]

        return self._by_window(run, (states,), starts)[0, 0]

    def _roll(
        self, learned: Learned, rows: Array, start: Any, axis: str | None, gradient: str | None,
        kept: str | None,
    ) -> Trajectory:  # fmt: skip
        return rollout(
            self.system.explicit, self.operator, rows, learned, self.count, self.dt, self.scheme,
            forcing=self.system.forcing if self.system.has_forcing else None, start=start,
            gradient=gradient or self.gradient, checkpoints=kept, **self._control(0, axis),
        )  # fmt: skip

    def _control(self, integrals: int, axis: str | None) -> dict[str, Any]:
        """How `rollout` chooses steps, of a state with integrals behind its values."""
        found: dict[str, Any] = {"tolerances": self.tolerances, "most_steps": self.most_steps}
        if not self.adaptive:
            return found
        fields = len(self.system.fields)
        members = jnp.eye(fields + integrals)
        own = jnp.repeat(jnp.arange(fields), self.system.places)
        own = own if self.system.keep is None else own[self.system.keep]
        own = jnp.concatenate([own, fields + jnp.arange(integrals)])
        return found | {"adaptive": True, "groups": members[own], "axis": axis}

    def course_and_integrals(
        self, learned: Learned, states: Array, starts: Array
    ) -> tuple[Array, Array]:
        """The course, and the regularisers' integrals (W, terms), which are steps' values too."""
        n, count = states.shape[1], len(self.regularisers)
        if not count:
            return self.course(learned, states, starts), jnp.zeros((len(states), 0), states.dtype)
        probes = probes_of(self.regularisers, len(states), n, self.seed)
        operator = None
        if self.operator is not None:
            operator = BesideIntegrals.of(self.operator, count)

        def run(rows: Array, own: Array, start: Any, axis: str | None) -> Array:
            def explicit(time: Any, both: Array, parameters: Learned) -> Array:
                state = both[:, :n]
                rates = integrands(
                    self.regularisers, lambda t, u: self.slopes(parameters, u, t), time, state,
                    own, len(self.system.fields),
                )  # fmt: skip
                return jnp.concatenate([self.system.explicit(time, state, parameters), rates], 1)

            def forcing(time: Any, parameters: Learned) -> Array:
                return jnp.pad(self.system.forcing(time, parameters), ((0, 0), (0, count)))

            return rollout(
                explicit, operator, jnp.pad(rows, ((0, 0), (0, count))), learned, self.count,
                self.dt, self.scheme, forcing=forcing if self.system.has_forcing else None,
                start=start, gradient=self.gradient, checkpoints=self.checkpoints,
                **self._control(count, axis),
            ).states  # fmt: skip

        found = self._by_window(run, (states, probes), starts)
        return found[..., :n], found[-1, :, n:]

    def _by_window(self, run: Callable[..., Array], rows: tuple[Array, ...], starts: Array) -> Any:
        """run(rows, start) of all windows at once, or of each where time matters."""
        if self.system.autonomous or len(starts) == 1:
            return run(*rows, starts[0], None)

        def one(start: Array, *own: Array) -> Array:
            return run(*(row[None] for row in own), start, WINDOWS)[:, 0]

        found = jax.vmap(one, axis_name=WINDOWS)(starts, *rows)
        return jnp.swapaxes(found, 0, 1)

    def first_states(self, learned: Learned, batch: Batch) -> Array:
        """The states (W, n) at the starts of windows."""
        if batch.states is not None:
            return batch.states
        first = self.system.initial(learned)
        return first if learned.states is None else jnp.concatenate([first, learned.states])

    def slopes(self, learned: Learned, states: Array, times: Array) -> Array:
        """∂t u at states (k, n) and times (k, 1), or at one time ()."""
        found = self.system.explicit(times, states, learned)
        if self.operator is not None:
            found = found + self.operator.apply(learned, states)
        if self.system.has_forcing:
            if jnp.ndim(times) == 0:
                return found + self.system.forcing(times, learned)
            found = found + jax.vmap(lambda t: self.system.forcing(t, learned)[0])(times[:, 0])
        return found

    def states_at(
        self, learned: Learned, course: Array, starts: Array, index: Array, share: Array
    ) -> Array:
        """States (W, K, n) at a share of the step behind the step `index`, both (W, K).

        Between steps by the cubic with the values and slopes of both ends, an error of Δt⁴.
        """
        window = jnp.arange(index.shape[0])[:, None]
        left = course[index, window]
        if self.exact:
            return left
        share = share[..., None]
        right = course[index + 1, window]
        clock = starts[:, None] + index * self.dt
        shape, flat = left.shape, (-1, left.shape[-1])
        slope_left = self.slopes(learned, left.reshape(flat), clock.reshape(-1, 1)).reshape(shape)
        slope_right = self.slopes(
            learned, right.reshape(flat), (clock + self.dt).reshape(-1, 1)
        ).reshape(shape)
        s, h = share, self.dt
        return (
            (1 + 2 * s) * (1 - s) ** 2 * left
            + s**2 * (3 - 2 * s) * right
            + h * s * (1 - s) ** 2 * slope_left
            + h * s**2 * (s - 1) * slope_right
        )

    def models(self, learned: Learned, course: Array, batch: Batch) -> list[Array]:
        """What the model says of the measurements of each term, (W, K, P)."""
        known: dict[int, Array] = {}
        found = []
        for observation, number in zip(self.observations, self.sets, strict=True):
            if number not in known:
                known[number] = self.states_at(
                    learned, course, batch.starts, batch.index[number], batch.share[number]
                )
            states = known[number]
            times = batch.starts[:, None] + batch.offsets[number]
            flat = states.reshape(-1, states.shape[-1])
            values = self.system.observe(observation, times.ravel(), flat, learned)
            found.append(values.reshape(*states.shape[:2], -1))
        return found

    # -- misfits ---------------------------------------------------------------------------

    def parts(
        self, learned: Learned, batch: Batch, gradient: str | None = None
    ) -> tuple[list[Array], Array, Array]:
        """Residuals of the measurements (zero where there is none), of jumps, and of priors."""
        residuals, jumps, _ = self._split(learned, batch, gradient, regularised=False)
        return residuals, jumps, self.priors.residuals(self.system.values_of_unknowns(learned))

    def _split(
        self, learned: Learned, batch: Batch, gradient: str | None, *, regularised: bool
    ) -> tuple[list[Array], Array, Array]:
        """`window_parts` of windows that may be divided among devices."""
        mesh = make_mesh(self.devices)
        if mesh is None or batch.states is None:
            return self.window_parts(learned, batch, gradient, regularised=regularised)

        def own(known: tuple[FitModel, Learned], part: Batch) -> tuple[list[Array], Array]:
            found = known[0].window_parts(known[1], part, gradient, regularised=regularised)
            return found[0], found[2]

        residuals, integrals = over_rows(own, mesh, (self, learned), batch)
        return residuals, jnp.zeros((0, batch.states.shape[1])), integrals

    def window_parts(
        self, learned: Learned, batch: Batch, gradient: str | None = None, *, regularised: bool
    ) -> tuple[list[Array], Array, Array]:
        """Residuals of the measurements, of jumps, and integrals, of windows on one device."""
        first = self.first_states(learned, batch)
        integrals = jnp.zeros((len(first), 0), first.dtype)
        if regularised:
            course, integrals = self.course_and_integrals(learned, first, batch.starts)
        else:
            course = self.course(learned, first, batch.starts, gradient)
        models = self.models(learned, course, batch)
        residuals = [
            (model - value) * mask / sigma
            for model, value, mask, sigma in zip(
                models, batch.values, batch.masks, self.deviations, strict=True
            )
        ]
        jumps = jnp.zeros((0, course.shape[-1]))
        if learned.states is not None and batch.states is None:
            ends = self.states_at(
                learned, course[:, :-1], batch.starts[:-1], batch.ends[:-1], batch.end_share[:-1]
            )
            jumps = (ends[:, 0] - learned.states) / self.jump
        return residuals, jumps, integrals

    def loss(self, learned: Learned, batch: Batch) -> Array:
        residuals, jumps, integrals = self._split(learned, batch, None, regularised=True)
        priors = self.priors.residuals(self.system.values_of_unknowns(learned))
        count = sum(jnp.sum(mask) for mask in batch.masks)
        measure = jnp.abs if self.absolute else jnp.square
        total = sum(jnp.sum(measure(r)) for r in residuals)
        total = total + jnp.sum(jumps**2) + jnp.sum(priors**2)
        weights = jnp.asarray([term.weight for term in self.regularisers], integrals.dtype)
        extra = self.weights_penalty(learned) + jnp.mean(integrals, axis=0) @ weights
        return total / count + extra

    def weights_penalty(self, learned: Learned) -> Any:
        if not self.penalty:
            return 0.0
        weights = [w for network in learned.networks for w in network.weights]
        size = sum(w.size for w in weights)
        return self.penalty * sum(jnp.sum(w**2) for w in weights) / max(size, 1)

    def misfit(self, learned: Learned, batch: Batch) -> Array:
        """The mean over the measurements alone, for the validation."""
        residuals, _, _ = self.parts(learned, batch)
        count = sum(jnp.sum(mask) for mask in batch.masks)
        measure = jnp.abs if self.absolute else jnp.square
        return jnp.asarray(sum(jnp.sum(measure(r)) for r in residuals)) / count

    def residual_vector(self, learned: Learned, batch: Batch) -> Array:
        """All residuals as one vector, of which the loss is the mean square."""
        residuals, jumps, priors = self.parts(learned, batch, "backpropagation")
        parts = [r.ravel() for r in residuals]
        found = jnp.concatenate([*parts, jumps.ravel(), priors])
        if not self.penalty:
            return found
        weights = [w.ravel() for network in learned.networks for w in network.weights]
        count = sum(jnp.sum(mask) for mask in batch.masks)
        size = sum(w.size for w in weights)
        return jnp.concatenate([found, *(w * jnp.sqrt(self.penalty * count / size)
                                         for w in weights)])  # fmt: skip
