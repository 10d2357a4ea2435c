"""The options of `neural_ivp`, without JAX."""

from __future__ import annotations

from dataclasses import dataclass

from pdesl.solvers.kept_options import checkpoint_seconds
from pdesl.solvers.tangent_options import TANGENT_SOLVERS
from pdesl.symbolic.options import option
from pdesl.symbolic.problem import Choice

__all__ = [
    "FIT_OPTIONS",
    "INTEGRATOR_OPTIONS",
    "LINEAR_OPTIONS",
    "RESTART_OPTIONS",
    "SAMPLING_OPTIONS",
    "AdaptiveSamplingOptions",
    "AdamFitOptions",
    "LevenbergMarquardtFitOptions",
    "LinearOptions",
    "NeuralIvpOptions",
    "NoOptions",
    "PairOptions",
    "RestartOptions",
]

_ACTIVATIONS = ("swish", "silu", "tanh", "sin", "gelu", "softplus")


@dataclass(frozen=True, slots=True)
class LinearOptions:
    """Options of a solver of the least-squares problem for the velocity of the parameters."""

    regularisation: float | None = option(
        None,
        "μ as a fraction of the largest eigenvalue of JᵀJ/n; none: by the residual on fresh "
        "points, looked at now and then (the paper: 1e-6)",
        least=0.0,
        most=1.0,
    )
    rank: int | None = option(
        None, "rank of the preconditioner; none: chosen by the solver", least=1, most=100_000
    )
    tolerance: float = option(
        1e-6, "residual of the normal equations at which iterations stop", above=0.0, most=1.0
    )
    iterations: int = option(1000, "most iterations of conjugate gradients", least=1)
    memory: float | None = option(
        None,
        "most memory of one solve, in GiB; none: 2, on a graphics processor a quarter of its own",
        above=0.0,
    )


@dataclass(frozen=True, slots=True)
class PairOptions:
    """Options of an explicit pair in time."""

    rtol: float = option(1e-4, "error of a step against the solution", above=0.0, most=0.5)
    atol: float = option(0.0, "error of a step in the unit of the fields", least=0.0)
    control: str = option(
        "function",
        "what the error of a step is measured on: the fields at the samples, or the parameters "
        "(the paper's choice)",
        choices=("function", "parameters"),
    )
    dt: float | None = option(
        None, "size of fixed steps, shortened to meet the times of output; none: by `rtol`",
        above=0.0,
    )  # fmt: skip
    redraw: int = option(
        1, "steps between two draws of samples; beyond 1, last stages serve as first ones", least=1
    )


@dataclass(frozen=True, slots=True)
class NoOptions:
    """No options."""


@dataclass(frozen=True, slots=True)
class AdaptiveSamplingOptions:
    """Options of samples that follow the solution."""

    share: float = option(
        0.5, "share of the samples that follow the solution; the others are uniform",
        above=0.0, most=0.99,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LevenbergMarquardtFitOptions:
    """Options of a fit by damped Gauss-Newton steps."""

    iterations: int = option(40, "most iterations", least=1)
    decrease: float = option(
        0.02, "stop when the error fell by less than this fraction in five iterations",
        least=0.0, most=0.999,
    )  # fmt: skip
    samples: int | None = option(
        None, "points of an iteration, fresh ones each; none: twice `samples`", least=8
    )


@dataclass(frozen=True, slots=True)
class AdamFitOptions:
    """Options of a fit by Adam with a rate that falls to zero along a cosine."""

    iterations: int = option(5000, "iterations (the paper: 50,000)", least=1)
    learning_rate: float = option(1e-3, "size of the first steps", above=0.0)
    samples: int | None = option(
        None, "points of an iteration, fresh ones each; none: twice `samples`", least=8
    )


@dataclass(frozen=True, slots=True)
class RestartOptions:
    """When the network is fitted anew to what it is; any of the reasons does."""

    count: int | None = option(None, "so many, evenly spaced over the time range", least=1)
    condition: float | None = option(
        None, "at this estimate of the condition number of JᵀJ/n + μ", above=1.0
    )
    iterations: int | None = option(None, "at so many iterations of conjugate gradients", least=1)
    head: bool = option(True, "whether the last layer is solved for after a fit")


#: Linear solvers by name, `auto` for the choice by size and memory.
LINEAR_OPTIONS: dict[str, type] = dict.fromkeys(("auto", *TANGENT_SOLVERS), LinearOptions)
#: Explicit pairs in time.
INTEGRATOR_OPTIONS: dict[str, type] = dict.fromkeys(("rk23", "rk45", "rk78"), PairOptions)
#: Where samples are placed.
SAMPLING_OPTIONS: dict[str, type] = {
    "uniform": NoOptions,
    "random": NoOptions,
    "adaptive": AdaptiveSamplingOptions,
    "annealed": AdaptiveSamplingOptions,
}
#: How a network is fitted.
FIT_OPTIONS: dict[str, type] = {
    "levenberg_marquardt": LevenbergMarquardtFitOptions,
    "adam": AdamFitOptions,
}
#: What is done about parameters in which the problem is badly conditioned.
RESTART_OPTIONS: dict[str, type] = {
    "none": NoOptions,
    "refit": RestartOptions,
    "head": RestartOptions,
}


@dataclass(frozen=True, slots=True)
class NeuralIvpOptions:
    """Options of `neural_ivp`."""

    width: int = option(50, "units of a hidden layer (the paper: 100)", least=1, most=10_000)
    depth: int = option(3, "hidden layers of the network of each field", least=1, most=100)
    activation: str = option("swish", "activation of the hidden layers", choices=_ACTIVATIONS)
    frequencies: int = option(
        3, "frequencies L of the sinusoidal embedding, 2ᵏ for k < L (the paper: 5); 0: none",
        least=0, most=20,
    )  # fmt: skip
    alpha: float = option(1.0, "features of frequency ω are as large as ω^-α", least=0.0, most=8.0)
    scale: float = option(4.0, "size of the features of the lowest frequency", above=0.0)
    layers: int = option(
        0, "features exp(−2ᵏ s), k < `layers`, of the distances s to both ends of a coordinate "
        "that is not periodic, for layers at walls", least=0, most=20,
    )  # fmt: skip
    samples: int = option(2000, "points of the least-squares problem", least=8, most=10_000_000)
    sampling: Choice = option(
        Choice("uniform"),
        "where samples are: `uniform`, evenly spread with a random shift, `random`, independent, "
        "`adaptive(share=0.5)`, where the solution changes, `annealed(share=0.5)`, where it is "
        "large or steep, found by particles rather than among uniform points: for many dimensions",
        choices=(),
    )
    ansatz: str = option(
        "linear",
        "a field is `linear` in its network, lift + factor · network, or `exponential`, lift + "
        "factor · exp(network), for densities and other fields that stay above their boundary "
        "values",
        choices=("linear", "exponential"),
    )
    start: str = option(
        "fit",
        "initial values: networks are fitted to them, or they are part of the ansatz, `exact`, "
        "with networks that are zero at first",
        choices=("fit", "exact"),
    )
    boundary: str = option(
        "hard",
        "Dirichlet conditions: `hard`, exactly met where that can be, or by `penalty`",
        choices=("hard", "penalty"),
    )
    boundary_samples: int | None = option(
        None, "points on the boundary for penalties; none: an eighth of `samples`", least=2
    )
    penalty: float = option(
        1.0, "weight of a penalty, in mean squares against the equation's", above=0.0
    )
    relaxation: float | None = option(
        None,
        "rate at which penalties pull errors of conditions back; none: 10 over the time range",
        least=0.0,
    )  # fmt: skip
    fit: Choice = option(
        Choice("levenberg_marquardt"),
        f"how networks are fitted: {', '.join(FIT_OPTIONS)}, each with its own options",
        choices=(),
    )
    fit_budget: float = option(
        0.1, "largest relative error of the initial fit; a worse one ends the run", above=0.0
    )
    linear: Choice = option(
        Choice("auto"),
        f"how the velocity of the parameters is solved for: {', '.join(LINEAR_OPTIONS)}",
        choices=(),
    )
    integrator: Choice = option(
        Choice("rk23"),
        f"explicit pair in time: {', '.join(INTEGRATOR_OPTIONS)}, each with its own options",
        choices=(),
    )
    restarts: Choice = option(
        Choice("none"),
        "against bad conditioning: `none`, `refit(count=10)`, the network fitted anew to its own "
        "values, or `head(…)`, its last layer solved for",
        choices=(),
    )
    residual_samples: int = option(
        2000, "fresh points at which the residual of the equations is measured", least=16
    )
    residual_budget: float | None = option(
        None, "largest residual, against ∂t u; a run that exceeds it stops; none: no limit",
        above=0.0,
    )  # fmt: skip
    checkpoint: float = checkpoint_seconds()
    precision: str = option(
        "float64",
        "numbers of the method; `mixed`: matrices and preconditioners of linear solves in float32, "
        "all else in float64",
        choices=("float64", "float32", "mixed"),
    )
    seed: int = option(0, "seed of networks, samples and test points", least=0, most=2**32 - 1)

    @property
    def numbers(self) -> str:
        """The type of networks and velocities."""
        return "float32" if self.precision == "float32" else "float64"
