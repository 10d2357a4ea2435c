"""A task of `neural_ivp` made ready: samples, velocities, residuals, fits, restarts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pdesl.ir.ansatz import Ansatz
from pdesl.ir.system import System
from pdesl.lowering.neural_system import NeuralSystem
from pdesl.solvers.base import Task
from pdesl.solvers.network_fit import FieldTarget, FitReport, fit_field
from pdesl.solvers.networks import Network, NetworkOptions, make_network
from pdesl.solvers.neural_culprit import culprit
from pdesl.solvers.neural_ivp_options import NeuralIvpOptions, RestartOptions
from pdesl.solvers.neural_march import Solve
from pdesl.solvers.penalties import places_of
from pdesl.solvers.samples_adaptive import adaptive_samples
from pdesl.solvers.samples_annealed import annealed_samples
from pdesl.solvers.sampling import Purpose, draw_boundary, draw_inside
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_report import NOT_FINITE
from pdesl.solvers.velocity import (
    Sample,
    Velocity,
    heights_at,
    lifts_at,
    pack,
    residual_of,
    right_at,
    values_at,
)

__all__ = ["ZERO", "NeuralMethod", "new_networks", "root_mean_square"]

# Streams of random keys of one seed.
_SOLVES, _FITS = 11, 12
# Uniform points for each one that is kept, where samples follow the solution.
CANDIDATES = 10
# What μ is chosen from.
REGULARISATIONS = (1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
# What is nearly as good as the best, in squares of residuals.
NEARLY = 1.2
# A field below this share of the largest one is zero.
ZERO = 1e-9
_DRAWS = {"fit": Purpose.FIT, "check": Purpose.CHECK}


@dataclass(slots=True, eq=False)
class NeuralMethod:
    """A task made ready; what `neural_march.Evolution` asks of it."""

    task: Task
    system: System
    ansatz: Ansatz
    neural: NeuralSystem
    velocity_of: Velocity
    restarts: RestartOptions | None
    restart_kind: str
    fit: Any
    tangent: TangentOptions
    span: tuple[float, float]
    given_regularisation: bool
    share: float | None
    annealed: bool
    statuses: set[int] = field(default_factory=set)

    @property
    def options(self) -> NeuralIvpOptions:
        return self.task.options

    @property
    def dtype(self) -> np.dtype:
        return self.velocity_of.dtype

    @property
    def regularisation(self) -> np.ndarray:
        """μ (fields,) of the solves, as a fraction of each largest eigenvalue."""
        return self.velocity_of.regularisation

    @regularisation.setter
    def regularisation(self, value: np.ndarray) -> None:
        self.velocity_of.regularisation = value

    def key(self, stream: int, number: int) -> jax.Array:
        base = jax.random.fold_in(jax.random.key(self.options.seed), stream)
        return jax.random.fold_in(base, number)

    def draw(self, purpose: Purpose, number: int, count: int) -> np.ndarray:
        even = self.options.sampling.name != "random"
        return draw_inside(
            self.task.region, count, seed=self.options.seed, purpose=purpose, number=number,
            even=even,
        )  # fmt: skip

    # -- the course ------------------------------------------------------------------------

    def sample(self, number: int, flat: np.ndarray, t: float) -> Sample:
        """Points inside, denser where the present solution is large or changes, if so chosen."""
        count, boundary = self.options.samples, self._boundary(number)
        if self.annealed:
            points, weights = self._followed(self._density(flat, t), Purpose.STEP, number, count)
            return Sample(
                jnp.asarray(points, self.dtype), jnp.asarray(weights, self.dtype), boundary
            )
        if self.share is None:
            points = self.draw(Purpose.STEP, number, count)
            return Sample(jnp.asarray(points, self.dtype), None, boundary)
        candidates = self.draw(Purpose.STEP, number, CANDIDATES * count)
        places = jnp.asarray(candidates, self.dtype)
        networks, clock = self.velocity_of.networks(flat), self.velocity_of.clock(t)
        density = np.zeros(len(candidates))
        for table in (
            values_at(self.neural, networks, places, clock),
            right_at(self.neural, networks, places, clock),
        ):
            for row in np.abs(np.asarray(table, dtype=float)):
                density += row / (row.mean() or 1.0)
        points, weights = adaptive_samples(
            density, candidates, count, self.share, [self.options.seed, int(Purpose.STEP), number]
        )
        return Sample(jnp.asarray(points, self.dtype), jnp.asarray(weights, self.dtype), boundary)

    def _density(self, flat: np.ndarray, t: float) -> Callable[[np.ndarray], np.ndarray]:
        """What the annealed samples follow: Σ u²/⟨u²⟩ + |∇u|²/⟨|∇u|²⟩ over the fields.

        Right-hand sides are large where u is steep as well, at walls where u vanishes above all.
        """
        networks, clock = self.velocity_of.networks(flat), self.velocity_of.clock(t)

        def heights(points: np.ndarray) -> np.ndarray:
            places = jnp.asarray(points, self.dtype)
            return np.asarray(heights_at(self.neural, networks, places, clock), dtype=float)

        some = self.draw(Purpose.CHECK, 0, self.options.samples)
        sizes = np.mean(heights(some), axis=2, keepdims=True)
        scale = np.where(sizes > 0.0, sizes, 1.0)
        return lambda points: np.sum(heights(points) / scale, axis=(0, 1))

    def _followed(
        self,
        density: Callable[[np.ndarray], np.ndarray],
        purpose: Purpose,
        number: int,
        count: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Annealed samples and their weights."""
        region = self.task.region
        assert self.share is not None
        return annealed_samples(
            density, self.draw(purpose, number, count), region.contains, self.share,
            [self.options.seed, int(purpose), number],
            periods=self.task.periods or (), lower=region.bounding_box()[0].tolist(),
        )  # fmt: skip

    def _boundary(self, number: int) -> tuple[Any, ...]:
        if not self.ansatz.penalties:
            return ()
        count = self.options.boundary_samples or max(self.options.samples // 8, 2)
        draw = draw_boundary(self.task.region, count, seed=self.options.seed, number=number)
        return tuple(
            places_of(
                penalty, self.system, self.task.region, draw, self.task.values, count, self.dtype
            )
            for penalty in self.ansatz.penalties
        )

    def velocity(
        self, flat: np.ndarray, t: float, sample: Sample, number: int
    ) -> tuple[np.ndarray, Solve]:
        found, report = self.velocity_of(flat, t, sample, self.key(_SOLVES, number))
        self.statuses.add(report.status)
        finite = report.status != NOT_FINITE
        return found, Solve(report.iterations, report.condition, finite)

    def culprit(self, flat: np.ndarray, t: float, sample: Sample) -> str:
        return culprit(
            self.system, self.task.values, self.neural, self.velocity_of.networks(flat),
            np.asarray(sample.points), t,
        )  # fmt: skip

    def values(self, flat: np.ndarray, t: float, sample: Sample) -> np.ndarray:
        networks, clock = self.velocity_of.networks(flat), self.velocity_of.clock(t)
        found = values_at(self.neural, networks, sample.points, clock)
        if sample.weights is not None:
            found = found * jnp.sqrt(sample.weights)
        return np.asarray(found, dtype=float)

    def fresh(self, flat: np.ndarray, t: float, step: int) -> Sample:
        """Points for the residual of a step, apart from those of its least-squares problem."""
        count, weights = self.options.residual_samples, None
        if self.annealed:
            density = self._density(flat, t)
            points, found = self._followed(density, Purpose.RESIDUAL, step, count)
            weights = jnp.asarray(found, self.dtype)
        else:
            points = self.draw(Purpose.RESIDUAL, step, count)
        return Sample(jnp.asarray(points, self.dtype), weights)

    def residuals(
        self, flat: np.ndarray, slope: np.ndarray, t: float, fresh: Sample
    ) -> tuple[np.ndarray, np.ndarray]:
        """Σ r² and Σ (∂t u)² of every field on fresh points, (fields,) each."""
        own = self.velocity_of
        squares, rates = residual_of(
            self.neural, own.networks(flat), own.networks(slope), fresh.points, own.clock(t),
            fresh.weights,
        )  # fmt: skip
        return np.asarray(squares, dtype=float), np.asarray(rates, dtype=float)

    def residual(self, flat: np.ndarray, slope: np.ndarray, t: float, step: int) -> float:
        squares, rates = self.residuals(flat, slope, t, self.fresh(flat, t, step))
        part, whole = float(np.sum(squares)), float(np.sum(rates))
        return float(np.sqrt(part / whole)) if whole > 0.0 else float(np.sqrt(part))

    def first_sizes(self, flat: np.ndarray, t: float) -> np.ndarray:
        """What errors of steps are measured against, (fields,), at least.

        A field that is zero at the start is as large as its rate of change makes it.
        """
        points = self.draw(Purpose.RESIDUAL, 0, self.options.residual_samples)
        networks, clock = self.velocity_of.networks(flat), self.velocity_of.clock(t)
        rates = right_at(self.neural, networks, jnp.asarray(points, self.dtype), clock)
        sizes = np.sqrt(np.mean(np.asarray(rates, dtype=float) ** 2, axis=1))
        zero = np.array([r is not None for r in self.neural.references])
        return np.where(zero, sizes * (self.span[1] - self.span[0]), 0.0)

    def tune(self, flat: np.ndarray, t: float, number: int, *, near: bool = False) -> None:
        """Choose μ of every field, unless the options say, by residuals on fresh points.

        Among all of `REGULARISATIONS`, or, with `near`, from the present one up or down for as
        long as that is better. What is best changes as networks move: one that moves along its
        own last layer, as at the start, needs no small μ.
        """
        if self.given_regularisation:
            return
        sample, fresh = self.sample(number, flat, t), self.fresh(flat, t, number)
        residuals: dict[int, np.ndarray] = {}
        own = self.velocity_of

        def measure(places: np.ndarray) -> np.ndarray:
            """Residuals (fields,) with μ of every field at its place in the table."""
            for place in np.unique(places):
                if place not in residuals:
                    own.regularisation = np.full(len(places), REGULARISATIONS[place])
                    slope, _ = self.velocity(flat, t, sample, number)
                    residuals[place] = self.residuals(flat, slope, t, fresh)[0]
            return np.array([residuals[k][f] for f, k in enumerate(places)])

        last, every = len(REGULARISATIONS) - 1, np.arange(len(own.regularisation))
        if not near:
            for place in range(last + 1):
                measure(np.full(len(every), place))
            table = np.stack([residuals[place] for place in range(last + 1)])
            # A larger μ that does nearly as well makes better conditioned systems.
            fine = table <= NEARLY * table.min(axis=0)
            chosen = last - np.argmax(fine[::-1], axis=0)
            # Of a field that does not move nothing can be told: it takes what others need.
            told = table.max(axis=0) > ZERO**2 * table.max()
            usual = np.searchsorted(REGULARISATIONS, 0.99 * self.tangent.regularisation)
            chosen[~told] = min(chosen[told], default=usual)
        else:
            chosen = np.searchsorted(REGULARISATIONS, 0.99 * own.regularisation)
            known = measure(chosen)
            up = np.minimum(chosen + 1, last)
            rising = (measure(up) <= NEARLY * known) & (up > chosen)
            chosen = np.where(rising, up, chosen)
            falling = ~rising
            while np.any(falling):
                known = measure(chosen)
                down = np.maximum(chosen - 1, 0)
                falling &= measure(np.where(falling, down, chosen)) * NEARLY < known
                falling &= down < chosen
                chosen = np.where(falling, down, chosen)
        own.regularisation = np.array(REGULARISATIONS)[chosen]

    def wants_restart(self, last: float, t: float, solve: Solve | None) -> str:
        own = self.restarts
        if own is None:
            return ""
        first, end = self.span
        if own.count is not None:
            gap = (end - first) / (own.count + 1)
            if np.floor((t - first) / gap + 1e-9) > np.floor((last - first) / gap + 1e-9):
                return "at set times"
        if solve is not None and t > last:
            if own.condition is not None and solve.condition > own.condition:
                return "conditioning"
            if own.iterations is not None and solve.iterations >= own.iterations:
                return "iterations"
        return ""

    def restarted(self, flat: np.ndarray, t: float, number: int) -> tuple[np.ndarray, float]:
        """Networks fitted anew to the present ones, or their last layers solved for.

        The fit starts from new networks: the directions in which the old ones degenerated are
        gone with them.
        """
        assert self.restarts is not None
        old = self.velocity_of.networks(flat)
        clock = self.velocity_of.clock(t)
        targets = []
        for index in range(len(self.system.fields)):

            def values(points: np.ndarray, index: int = index) -> np.ndarray:
                own = values_at(self.neural, old, jnp.asarray(points, self.dtype), clock)
                return np.asarray(own[index], dtype=float)

            targets.append(values)
        fresh = old
        if self.restart_kind == "refit":
            fresh = tuple(new_networks(self.task, self.neural, number + 1))
        networks, reports = self.fitted(fresh, targets, t, number + 1, head=self.restarts.head,
                                        nonlinear=self.restart_kind == "refit")  # fmt: skip
        state = pack(networks)[0].astype(np.float64)
        self.tune(state, t, number)
        return state, max(r.error for r in reports)

    # -- fields that are zero at the start -------------------------------------------------

    def set_references(self, networks: Sequence[Network]) -> None:
        """Measure every field that is zero at the start from its network among these."""
        known = self.neural.references
        own = [None if r is None else n for r, n in zip(known, networks, strict=True)]
        self.neural = self.velocity_of.system = self.neural.with_references(own)

    def at_rest(
        self, networks: tuple[Network, ...], progress: Callable[[int, float], None]
    ) -> tuple[tuple[Network, ...], list[FitReport]]:
        """First networks of fields that are zero at the start, fitted to how they set out.

        With N₀ a multiple of ∂t u there, N − N₀ sets out by its last layer alone, and the other
        layers have the features that the field needs. A random N₀ has them not: then θ̇ is large
        and the field bends away from J θ̇ after a short while.

        Returns:
            The networks, those of other fields as they were, and the reports of these fits.
        """
        known = zip(self.neural.references, self.neural.parts, strict=True)
        if all(r is None or part.exponential for r, part in known):
            return networks, []
        t, length = self.span[0], self.span[1] - self.span[0]
        clock, system = self.velocity_of.clock(t), self.neural

        def rates(points: Array) -> np.ndarray:
            whole = right_at(system, networks, points, clock) - lifts_at(system, points, clock, 1)
            return np.asarray(length * whole, dtype=float)

        targets = []
        for index in range(len(networks)):

            def values(points: np.ndarray, index: int = index) -> np.ndarray:
                places = jnp.asarray(points, self.dtype)
                lift = np.asarray(lifts_at(system, places, clock), dtype=float)
                return (lift + rates(places))[index]

            targets.append(values)
        check = jnp.asarray(self.draw(Purpose.CHECK, 0, 4 * self.options.samples), self.dtype)
        sizes = [root_mean_square(own) for own in rates(check)]
        if not np.all(np.isfinite(sizes)):
            # The first step says which term it is.
            return networks, []
        # A field that stays at rest keeps its random network, as does the exponential of one,
        # which starts from its base and not from zero.
        first = [
            i for i, r in enumerate(system.references)
            if r is not None and sizes[i] > ZERO * max(sizes) and not system.parts[i].exponential
        ]  # fmt: skip
        none = system.with_references((None,) * len(networks))
        starts = [self._with_features(i, networks) if i in first else n
                  for i, n in enumerate(networks)]  # fmt: skip
        found, reports = self.fitted(
            starts, targets, t, 0, head=True, fields=first, system=none, progress=progress
        )
        self.set_references(found)
        return found, [reports[i] for i in first]

    def _with_features(self, index: int, networks: Sequence[Network]) -> Network:
        """Where the first rate of a field is fitted from: the network of a field it depends on.

        That one has features where they are needed. From a random network the fit of a narrow
        rate may not set out at all.
        """
        for jet in self.system.rows[index].jets(self.system.space):
            other = self.system.fields.index(jet.field)
            if self.neural.references[other] is None:
                return networks[other]
        return networks[index]

    # -- fits ------------------------------------------------------------------------------

    def fitted(
        self,
        networks: Any,
        targets: list[Callable[[np.ndarray], np.ndarray]],
        t: float,
        number: int,
        *,
        head: bool,
        nonlinear: bool = True,
        fields: Sequence[int] | None = None,
        system: NeuralSystem | None = None,
        progress: Callable[[int, float], None] = lambda iteration, error: None,
    ) -> tuple[tuple[Network, ...], list[FitReport]]:
        """The networks of some fields, or all, fitted to targets; others stay as they are.

        Fits of different numbers draw points apart. `system` stands in place of the present one.
        """
        if fields is not None and not fields:
            return tuple(networks), [FitReport(0.0, 0) for _ in networks]
        sizes = [self._size_of(target) for target in targets]
        found, reports = [], []
        for index, (network, target) in enumerate(zip(networks, targets, strict=True)):
            if fields is not None and index not in fields:
                found.append(network)
                reports.append(FitReport(0.0, 0))
                continue
            goal = FieldTarget(index, target, sizes[index] or max(sizes) or 1.0)

            def draw(
                purpose: str, k: int, count: int, index: int = index, target: Any = target
            ) -> tuple[np.ndarray, np.ndarray | None]:
                own = (number * 64 + index) * 100_000 + k
                if self.annealed:
                    return self._followed(
                        lambda points: target(points) ** 2, _DRAWS[purpose], own, count
                    )
                if self.share is None or purpose == "check":
                    return self.draw(_DRAWS[purpose], own, count), None
                many = self.draw(_DRAWS[purpose], own, CANDIDATES * count)
                key = [self.options.seed, int(_DRAWS[purpose]), own]
                return adaptive_samples(np.abs(target(many)), many, count, self.share, key)

            own, report = fit_field(
                system or self.neural, network, goal, t, draw, self.fit, self.tangent,
                self.key(_FITS, number * 64 + index), count=self.options.samples, head=head,
                nonlinear=nonlinear, progress=progress,
            )  # fmt: skip
            found.append(own)
            reports.append(report)
        return tuple(found), reports

    def _size_of(self, target: Callable[[np.ndarray], np.ndarray]) -> float:
        """The root mean square of a target over the domain."""
        count = 4 * self.options.samples
        if not self.annealed:
            return root_mean_square(np.asarray(target(self.draw(Purpose.CHECK, 0, count))))
        points, weights = self._followed(
            lambda points: target(points) ** 2, Purpose.CHECK, 0, count
        )
        return root_mean_square(np.asarray(target(points)) * np.sqrt(weights))


def new_networks(task: Task, neural: NeuralSystem, number: int) -> list[Network]:
    options: NeuralIvpOptions = task.options
    shape = NetworkOptions(options.width, options.depth, options.activation)
    size = neural.embedding.outputs
    return [
        make_network(
            shape, [-1.0] * size, [1.0] * size, 1,
            seed=int(np.random.default_rng([options.seed, number, index]).integers(2**31)),
            dtype=np.dtype(options.numbers),
        )
        for index in range(len(neural.fields))
    ]  # fmt: skip


def root_mean_square(values: np.ndarray) -> float:
    """√⟨v²⟩."""
    return float(np.sqrt(np.mean(values**2)))
