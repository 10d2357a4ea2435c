"""Multistep and exponential steps, whose adjoint is that of one step after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from pdesl.solvers.integrators import MULTISTEP
from pdesl.solvers.rollout_additive import AdditiveMethod, weighted_sum
from pdesl.solvers.rollout_system import Dynamics, System, with_dynamics
from pdesl.solvers.tableaux import ADDITIVE

__all__ = ["ExponentialMethod", "MultistepMethod", "StepwiseMethod"]


@dataclass(frozen=True, slots=True)
class StepwiseMethod(ABC):
    """A method whose adjoint differentiates each step as a whole.

    λ_n = (∂N/∂u)ᵀ λ_{n+1} and μ_n = μ_{n+1} + (∂N/∂p)ᵀ λ_{n+1} for u_{n+1} = N(u_n; p) (H. Zhang,
    Y. Liu and R. Maulik, 2024, equation 8, whose second line has λ_n for λ_{n+1}). A step is
    computed once more to be differentiated; linear solves inside are differentiated as such, by
    one transposed solve, whatever their iterations.
    """

    @property
    def coefficients(self) -> tuple[float, ...]:
        return ()

    @property
    def traced(self) -> bool:
        return True

    def begin(self, state: Array) -> tuple[Array, ...]:
        return (state,)

    @abstractmethod
    def advance(self, n: Any, carried: Any, system: System) -> Any:
        """Step n."""

    def step(self, n: Any, carried: Any, system: System) -> tuple[Any, Any]:
        return self.advance(n, carried, system), carried

    def pull(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any
    ) -> tuple[Any, Dynamics]:
        own = eqx.filter(system.dynamics, wanted)

        def function(own: Dynamics, carried: Any) -> Any:
            whole = eqx.combine(own, system.dynamics)
            return self.advance(n, carried, with_dynamics(system, whole))

        _, back = jax.vjp(function, own, saved)
        through, before = back(cotangent)
        return before, through

    def pull_again(
        self, n: Any, saved: Any, cotangent: Any, system: System, wanted: Any
    ) -> tuple[Any, Dynamics]:
        return self.pull(n, saved, cotangent, system, wanted)


@dataclass(frozen=True, slots=True)
class MultistepMethod(StepwiseMethod):
    """Σ_j α_j u_{n+1−j} = Δt (Σ_j β_j G_{n−j} + Σ_j γ_j H_{n+1−j}), j from 0.

    The first steps are those of the additive Runge-Kutta pair of the same order. Carried are the
    state, then earlier states, then earlier values of G (U. M. Ascher, S. J. Ruuth and
    B. T. R. Wetton, SIAM J. Numer. Anal. 32, 1995).
    """

    name: str

    @property
    def starter(self) -> AdditiveMethod:
        return AdditiveMethod(ADDITIVE[f"imex_rk{MULTISTEP[self.name].order}"])

    @property
    def first_steps(self) -> int:
        """Steps that the starter takes."""
        formula = MULTISTEP[self.name]
        return max(len(formula.past) - 1, len(formula.explicit)) - 1

    @property
    def lead(self) -> float:
        """γ of the implicit solve."""
        formula = MULTISTEP[self.name]
        return formula.implicit[0] / formula.past[0]

    @property
    def coefficients(self) -> tuple[float, ...]:
        return tuple(dict.fromkeys((*self.starter.coefficients, self.lead)))

    def begin(self, state: Array) -> tuple[Array, ...]:
        formula = MULTISTEP[self.name]
        older = max(len(formula.past) - 2, len(formula.implicit) - 2)
        count = older + len(formula.explicit) - 1
        return (state, *(jnp.zeros_like(state) for _ in range(count)))

    def advance(self, n: Any, carried: Any, system: System) -> Any:
        formula = MULTISTEP[self.name]
        older = len(carried) - len(formula.explicit)
        states = carried[: older + 1]
        slopes = (system.explicit(system.time(n), states[0]), *carried[older + 1 :])

        def start(_: None) -> Array:
            return self.starter.step(n, (states[0],), system)[0][0]

        def march(_: None) -> Array:
            change = weighted_sum(None, formula.explicit, slopes)
            for j, weight in enumerate(formula.implicit[1:]):
                if weight:
                    change = change + weight * system.implicit(system.time(n, -j), states[j])
            right = system.dt * change
            right = weighted_sum(right, [-weight for weight in formula.past[1:]], states)
            return system.solve(self.lead, system.time(n, 1.0), right / formula.past[0])

        new = jax.lax.cond(n < self.first_steps, start, march, None)
        return (new, *states[:older], *slopes[: len(formula.explicit) - 1])


@dataclass(frozen=True, slots=True)
class ExponentialMethod(StepwiseMethod):
    """Exponential time differencing of the linear part.

    The table of the dynamics holds φ0 to φ3 of Δt J, then φ0 and φ1 of Δt J/2, so that gradients
    reach J through them (S. M. Cox and P. C. Matthews, J. Comput. Phys. 176, 2002, equations 4,
    22 and 26 to 29).
    """

    name: str

    def advance(self, n: Any, carried: Any, system: System) -> Any:
        (state,) = carried
        operator, dt = system.operator, system.dt
        assert operator is not None
        e, p1, p2, p3, e_half, p1_half = (
            partial(operator.apply_phi, function) for function in system.dynamics.table
        )

        def nonstiff(node: float, value: Array) -> Array:
            clock = system.time(n, node)
            extra = system.forcing(clock, value)
            found = system.explicit(clock, value)
            return found if extra is None else found + extra

        first = nonstiff(0.0, state)
        if self.name != "etdrk4":
            a = e(state) + dt * p1(first)
            return (a,) if self.name == "etd1" else (a + dt * p2(nonstiff(1.0, a) - first),)
        moved = e_half(state)
        a = moved + dt / 2 * p1_half(first)
        at_a = nonstiff(0.5, a)
        b = moved + dt / 2 * p1_half(at_a)
        at_b = nonstiff(0.5, b)
        c = e_half(a) + dt / 2 * p1_half(2 * at_b - first)
        at_c = nonstiff(1.0, c)
        both = at_a + at_b
        change = p1(first) + p2(-3 * first + 2 * both - at_c)
        return (e(state) + dt * (change + p3(4 * first - 4 * both + 4 * at_c)),)
