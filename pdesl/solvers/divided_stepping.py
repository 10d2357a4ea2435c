"""Stepping of a semi-discrete system whose rows are divided among devices.

Right-hand sides are products on the devices, and implicit stages are solved there without
factors: by GMRES (Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856),
preconditioned from the left by local inverses, so that its residual is in the unit of the
fields. States between stages are the host's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.sparse.linalg import gmres
from jax.sharding import Mesh

from pdesl.diagnostics import SolverError
from pdesl.lowering.devices import divided, make_mesh, rows_of, whole
from pdesl.lowering.divided_lines import DividedLines, LineParts, divide_lines
from pdesl.lowering.sparse import Ellpack
from pdesl.solvers.nodal_stepping import NodalStepping
from pdesl.solvers.stepping import NEWTON_ITERATIONS, NEWTON_TOLERANCE

__all__ = ["DividedStepping"]

# Share of the right-hand side at which a linear solve ends, and that it must reach.
TOLERANCE, ENOUGH = 1e-13, 1e-10
# Vectors kept before a restart, and the most restarts.
RESTART, MOST_RESTARTS = 60, 40
# Local inverses serve for another γ within this factor.
NEAR = 1.5

Tables = tuple[Array, ...]


def _spread(function: Any, mesh: Mesh, common: Any, own: Any, shape: tuple[int, ...]) -> Array:
    """(devices, m, fields) from function(common, own) (m, fields) on every device."""
    return rows_of(function, mesh)(common, own).reshape(shape)


def _explicit(lines: DividedLines, mesh: Mesh, t: Array, values: Array, changing: Tables) -> Array:
    return _spread(
        lambda t, own: own[0].explicit(t, own[1], own[2]),
        mesh, t, (lines, values, changing), values.shape,
    )  # fmt: skip


@eqx.filter_jit
def explicit_on(
    lines: DividedLines, mesh: Mesh, t: Array, values: Array, changing: Tables
) -> Array:
    """E(t, u) (devices, m, fields), the whole on every device."""
    return whole(_explicit(lines, mesh, t, values, changing), mesh)


@eqx.filter_jit
def implicit_on(lines: DividedLines, mesh: Mesh, values: Array, scales: Tables) -> Array:
    """A(t) u."""
    return whole(
        _spread(
            lambda _, own: own[0].implicit(own[1], own[2]),
            mesh, (), (lines, values, scales), values.shape,
        ),
        mesh,
    )  # fmt: skip


class _Stage(eqx.Module):
    """The equations U − γ (A U + E'(about) U) of a stage; no `about`: without E."""

    lines: DividedLines
    inverse: Ellpack
    gamma: Array
    scales: Tables
    t: Array
    about: Array | None
    changing: Tables
    mesh: Mesh = eqx.field(static=True)

    def product(self, values: Array) -> Array:
        found = _spread(
            lambda gamma, own: own[0].stage(gamma, own[1], own[2]),
            self.mesh, self.gamma, (self.lines, values, self.scales), values.shape,
        )  # fmt: skip
        if self.about is None:
            return found

        def explicit(values: Array) -> Array:
            return _explicit(self.lines, self.mesh, self.t, values, self.changing)

        return found - self.gamma * jax.jvp(explicit, (self.about,), (values,))[1]

    def precondition(self, values: Array) -> Array:
        return _spread(
            lambda _, own: own[0].precondition(own[1], own[2]),
            self.mesh, (), (self.lines, self.inverse, values), values.shape,
        )  # fmt: skip


@eqx.filter_jit
def solved_on(stage: _Stage, right: Array, guess: Array) -> tuple[Array, Array]:
    """The solution on every device, and its residual against the right-hand side."""
    found, _ = gmres(
        stage.product, right, guess, tol=TOLERANCE, atol=0.0, restart=RESTART,
        maxiter=MOST_RESTARTS, M=stage.precondition, solve_method="incremental",
    )  # fmt: skip
    left = stage.precondition(right - stage.product(found))
    size = jnp.linalg.norm(stage.precondition(right))
    residual = jnp.linalg.norm(left) / jnp.where(size > 0.0, size, 1.0)
    return whole(found, stage.mesh), whole(residual, stage.mesh)


@dataclass(slots=True)
class DividedStepping(NodalStepping):
    """A system on nodes, its rows on the devices of a mesh of `devices`."""

    devices: int = 2
    solves: Any = field(init=False)
    count: int = 0
    _mesh: Mesh = field(init=False)
    _parts: LineParts = field(init=False)
    _lines: DividedLines = field(init=False)
    _inverses: dict[float, Ellpack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        NodalStepping.__post_init__(self)
        mesh = make_mesh(self.devices)
        assert mesh is not None
        self._mesh = mesh
        self._parts, lines = divide_lines(self.system, self.devices, self.span[0])
        self._lines = divided(lines, mesh)

    @property
    def words(self) -> str:
        halo = max(sum(map(len, own.values())) for own in self._parts.cuts.halo)
        return (
            f"{self.system.size:,} unknowns on {self.devices} devices, at most {halo:,} nodes of "
            f"others each, {self.count:,} solves by GMRES with local inverses"
        )

    def _there(self, tree: Any) -> Any:
        return divided(tree, self._mesh)

    def _here(self, values: Array) -> np.ndarray:
        return self._parts.state(np.asarray(values))

    def _clock(self, t: float) -> Array:
        return jnp.asarray(t, float)

    def explicit(self, t: float, state: np.ndarray) -> np.ndarray:
        self.explicit_evaluations += 1
        values, changing = self._there((self._parts.parts(state), self._parts.changing(t)))
        found = explicit_on(self._lines, self._mesh, self._clock(t), values, changing)
        return self._here(found)

    def implicit(self, t: float, state: np.ndarray) -> np.ndarray:
        values, scales = self._there((self._parts.parts(state), self._parts.scales(t)))
        return self._here(implicit_on(self._lines, self._mesh, values, scales)) + self.forcing(t)

    def solve(self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray) -> np.ndarray:
        del guess  # `division_mistakes` lets only linear conditions by
        return self._linear(gamma, t, right + gamma * self.forcing(t))

    def complete(self, t: float, state: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
        del near
        if np.all(self.system.differential):
            return state
        return self._linear(0.0, t, state)

    def solve_fully(
        self, gamma: float, t: float, right: np.ndarray, guess: np.ndarray
    ) -> np.ndarray:
        system, parts = self.system, self._parts
        known = right + gamma * self.forcing(t)
        whole_right = np.where(system.differential, known, system.constraint_data(t))
        state = self.complete(t, guess)
        size = np.linalg.norm(state) + 1e-300
        for _ in range(NEWTON_ITERATIONS):
            about = self._there(parts.parts(state))
            stage = self._stage(gamma, t, about)
            linear = self._here(whole(stage_at(stage, about), self._mesh))
            residual = linear - gamma * self.explicit(t, state) - whole_right
            step = self._step(stage, -residual, np.zeros_like(residual), t)
            self.newton_iterations += 1
            norm = float(np.linalg.norm(step))
            if not np.isfinite(norm):
                return np.full_like(state, np.nan)
            state = state + step
            if norm <= NEWTON_TOLERANCE * size:
                return state
        return np.full_like(state, np.nan)

    def _stage(self, gamma: float, t: float, about: Array | None) -> _Stage:
        parts = self._parts
        scales = self._there(parts.scales(t))
        changing = () if about is None else self._there(parts.changing(t))
        return _Stage(
            self._lines, self._inverse(gamma), self._clock(gamma), scales, self._clock(t), about,
            changing, self._mesh,
        )  # fmt: skip

    def _inverse(self, gamma: float) -> Ellpack:
        """Local inverses for a γ near this one, of the matrix at the first time."""
        for known, inverse in self._inverses.items():
            if known == gamma or (known and gamma and 1 / NEAR <= gamma / known <= NEAR):
                return inverse
        if len(self._inverses) > 3:
            self._inverses.clear()
        self._inverses[gamma] = self._there(self._parts.inverses(gamma, self.span[0]))
        return self._inverses[gamma]

    def _linear(self, gamma: float, t: float, right: np.ndarray) -> np.ndarray:
        known = np.where(self.system.differential, right, self.system.constraint_data(t))
        return self._step(self._stage(gamma, t, None), known, known, t)

    def _step(self, stage: _Stage, right: np.ndarray, guess: np.ndarray, t: float) -> np.ndarray:
        self.count += 1
        if not np.all(np.isfinite(right)):
            return np.full_like(right, np.nan)
        tables = self._there((self._parts.parts(right), self._parts.parts(guess)))
        found, residual = solved_on(stage, *tables)
        if not float(residual) <= ENOUGH:
            raise _not_converged(t, float(residual))
        return self._here(found)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {
            **NodalStepping.to_arrays(self),
            "divided": np.array([self.count, *self._inverses]),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        # Factors of a run on one device are not needed.
        self.explicit_evaluations, self.newton_iterations = map(int, arrays["evaluations"])
        count, *gammas = arrays.get("divided", np.zeros(1)).tolist()
        self.count = int(count)
        for gamma in gammas:
            self._inverse(gamma)


@eqx.filter_jit
def stage_at(stage: _Stage, values: Array) -> Array:
    """The linear equations of a stage at values, without E."""
    plain = eqx.tree_at(lambda s: s.about, stage, None, is_leaf=lambda leaf: leaf is stage.about)
    return whole(plain.product(values), stage.mesh)


def _not_converged(t: float, residual: float) -> SolverError:
    return SolverError(
        f"the equations of an implicit stage at t = {t:g} are solved to {residual:.1e} after "
        f"{RESTART * MOST_RESTARTS:,} iterations on the devices",
        code="E740",
        advice="take a smaller step `dt` or `rtol`, or one device, where they are factored",
    )
