"""The schemes of `rollout` by name, and how often each evaluates the explicit part. No JAX here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pdesl.solvers.tableaux import ADDITIVE, IMPLICIT, AdditiveTableau

__all__ = ["GRADIENTS", "SCHEMES", "Evaluations", "RolloutScheme", "scheme_named"]

GRADIENTS = ("discrete_adjoint", "backpropagation", "continuous_adjoint")


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Evaluations of the explicit part, as often as its network is run forwards on a batch.

    The reverse pass runs it again to differentiate it, so that a step of a Runge-Kutta method of
    s stages counts 2 s with the discrete adjoint (H. Zhang, Y. Liu and R. Maulik, 2024, tables 1
    and 2). -1 stands for a number that only the run knows.
    """

    forward: int
    reverse: int

    @property
    def total(self) -> int:
        return self.forward + self.reverse if min(self.forward, self.reverse) >= 0 else -1


@dataclass(frozen=True, slots=True, eq=False)
class RolloutScheme:
    """One scheme.

    Attributes:
        kind: "additive" (explicit and implicit parts by one tableau; explicit methods are those
            with no implicit stage), "implicit" (every term implicit), "multistep",
            "exponential", "rosenbrock" (exponential, of the whole Jacobian), "adaptive".
        order: of consistency.
        stages: evaluations of the explicit part in a step; 0 where it varies.
        tableau: of the Runge-Kutta kinds.
    """

    name: str
    kind: str
    order: int
    stages: int
    tableau: AdditiveTableau | None = None

    @property
    def estimates_error(self) -> bool:
        """Whether a step estimates its error by weights of its own, so that its size may vary."""
        own = self.tableau
        return own is not None and own.order > 1 and not np.array_equal(own.weights, own.error)


def _explicit(name: str, base: AdditiveTableau) -> AdditiveTableau:
    """The explicit part of a pair alone, for both parts of the equation."""
    return replace(base, name=name, implicit=base.explicit)


def _classical() -> AdditiveTableau:
    table = np.zeros((4, 4))
    table[1, 0] = table[2, 1] = 0.5
    table[3, 2] = 1.0
    weights = np.array([1.0, 2.0, 2.0, 1.0]) / 6.0
    return AdditiveTableau("rk4", 4, table, table, weights, weights, "W. Kutta, 1901")


def _euler() -> AdditiveTableau:
    one, zero = np.ones(1), np.zeros((1, 1))
    return AdditiveTableau("forward_euler", 1, zero, zero, one, one, "L. Euler, 1768")


def _schemes() -> dict[str, RolloutScheme]:
    made = [RolloutScheme(n, "additive", t.order, t.stages, t) for n, t in ADDITIVE.items()]
    explicit = [_euler(), _classical()]
    explicit += [_explicit(f"explicit_rk{t.order}", t) for t in ADDITIVE.values()]
    made += [RolloutScheme(t.name, "additive", t.order, t.stages, t) for t in explicit]
    made += [RolloutScheme(n, "implicit", t.order, 0, t) for n, t in IMPLICIT.items()]
    multistep = (("cnab2", 2), ("sbdf2", 2), ("sbdf3", 3), ("sbdf4", 4))
    made += [RolloutScheme(name, "multistep", order, 1) for name, order in multistep]
    exponential = (("etd1", 1, 1), ("etdrk2", 2, 2), ("etdrk4", 4, 4))
    made += [RolloutScheme(name, "exponential", order, s) for name, order, s in exponential]
    made.append(RolloutScheme("epi2", "rosenbrock", 2, 0))
    adaptive = (("dopri5", 5), ("tsit5", 5))
    made += [RolloutScheme(name, "adaptive", order, 0) for name, order in adaptive]
    return {scheme.name: scheme for scheme in made}


#: Every scheme by the name that `rollout` knows it by.
SCHEMES: dict[str, RolloutScheme] = _schemes()


def scheme_named(scheme: str | AdditiveTableau) -> RolloutScheme:
    """The scheme of a name, or of a tableau of one's own.

    Raises:
        ValueError: an unknown name.
    """
    if isinstance(scheme, AdditiveTableau):
        return RolloutScheme(scheme.name, "additive", scheme.order, scheme.stages, scheme)
    if scheme not in SCHEMES:
        raise ValueError(f"no scheme {scheme!r}; there are {', '.join(SCHEMES)}")
    return SCHEMES[scheme]
