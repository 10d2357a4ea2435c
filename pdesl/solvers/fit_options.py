"""The options of `fit:`, of closures and of `sinode`, without JAX: names, defaults, meanings."""

from __future__ import annotations

from dataclasses import dataclass

from pdesl.symbolic.options import option
from pdesl.symbolic.problem import Choice

__all__ = [
    "CLOSURE_OPTIONS",
    "FIT_OPTIMISERS",
    "REGULARISERS",
    "AdamFitOptions",
    "AttentionOptions",
    "ConvolutionOptions",
    "FitOptions",
    "JacobianOptions",
    "KineticOptions",
    "LbfgsFitOptions",
    "LevenbergMarquardtFitOptions",
    "MlpOptions",
    "SpeedOptions",
]

CLOSURE_ACTIVATIONS = ("tanh", "swish", "silu", "sin", "gelu", "softplus", "relu")
SCHEDULES = ("constant", "cosine", "plateau")


@dataclass(frozen=True, slots=True)
class MlpOptions:
    """Options of a closure `mlp(…)`."""

    hidden: int | tuple[int, ...] = option(
        (32, 32), "units of the hidden layers", least=1, most=100_000
    )
    activation: str = option(
        "tanh", "activation of the hidden layers", choices=CLOSURE_ACTIVATIONS
    )  # fmt: skip
    scope: str = option(
        "point",
        "`point`: the same network at every place; `grid`: one network on all places at once",
        choices=("point", "grid"),
    )
    deviation: float | None = option(
        None, "standard deviation of the first weights; none: by the sizes of the layers", above=0.0
    )
    normalise: bool = option(
        True, "whether inputs are divided by their root mean square over the data"
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConvolutionOptions:
    """Options of a closure `convolution(…)` on a periodic grid."""

    hidden: int | tuple[int, ...] = option(
        (16, 16), "channels of the hidden layers", least=1, most=10_000
    )
    width: int = option(5, "points of the window along each axis, odd", least=1, most=101)
    activation: str = option(
        "gelu", "activation of the hidden layers", choices=CLOSURE_ACTIVATIONS
    )  # fmt: skip
    deviation: float | None = option(
        None, "standard deviation of the first weights; none: by the sizes of the layers", above=0.0
    )
    normalise: bool = option(
        True, "whether inputs are divided by their root mean square over the data"
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AttentionOptions:
    """Options of a closure `attention(…)` on a graph."""

    size: int = option(8, "numbers that a node is compared with its neighbours by", least=1)
    heads: int = option(1, "comparisons whose results are averaged", least=1, most=1_000)
    deviation: float | None = option(
        None, "standard deviation of the first weights; none: by the number of inputs", above=0.0
    )
    normalise: bool = option(
        True, "whether inputs are divided by their root mean square over the data"
    )  # fmt: skip


#: Kinds of networks that a closure may be.
CLOSURE_OPTIONS: dict[str, type] = {
    "mlp": MlpOptions,
    "convolution": ConvolutionOptions,
    "conv": ConvolutionOptions,
    "attention": AttentionOptions,
}


@dataclass(frozen=True, slots=True)
class AdamFitOptions:
    """Options of `optimizer = adam(…)` and `adamw(…)`."""

    rate: float = option(1e-3, "size of the first steps", above=0.0)
    epochs: int = option(200, "most passes through the windows", least=1)
    batch: int | None = option(None, "windows of a step; none: all", least=1)
    decay: float = option(
        0.0, "share of the weights taken off in a step, times the rate", least=0.0
    )
    schedule: str = option(
        "constant",
        "of the rate: `constant`, `cosine` down to a hundredth, or `plateau`: times `factor` when "
        "the training loss has not fallen for `wait` epochs",
        choices=SCHEDULES,
    )
    factor: float = option(0.75, "of the rate on a plateau", above=0.0, most=1.0)
    wait: int = option(50, "epochs that make a plateau", least=1)


@dataclass(frozen=True, slots=True)
class LbfgsFitOptions:
    """Options of `optimizer = lbfgs(…)`."""

    iterations: int = option(500, "most iterations", least=1)
    history: int = option(20, "pairs of steps and gradient differences that are kept", least=1)


@dataclass(frozen=True, slots=True)
class LevenbergMarquardtFitOptions:
    """Options of `optimizer = levenberg_marquardt(…)`."""

    iterations: int = option(100, "most iterations", least=1)
    damping: float = option(1e-3, "first damping, as a share of the diagonal", above=0.0)
    tolerance: float = option(
        1e-9, "relative fall of the loss, and relative step, that end it", above=0.0
    )


#: What minimises the misfit.
FIT_OPTIMISERS: dict[str, type] = {
    "adam": AdamFitOptions,
    "adamw": AdamFitOptions,
    "lbfgs": LbfgsFitOptions,
    "levenberg_marquardt": LevenbergMarquardtFitOptions,
}


@dataclass(frozen=True, slots=True)
class SpeedOptions:
    """Options of `regularise = speed(…)`: R_K = ∫ |dᴷu/dtᴷ|² dt."""

    order: int = option(3, "K: that of a solver, or one more", least=1, most=10)
    weight: float = option(1e-3, "factor in the loss", above=0.0)

    @property
    def label(self) -> str:
        return f"speed_{self.order}"


@dataclass(frozen=True, slots=True)
class KineticOptions:
    """Options of `regularise = kinetic(…)`: K = ∫ |∂t u|² dt."""

    weight: float = option(1e-2, "factor in the loss", above=0.0)
    label = "kinetic"


@dataclass(frozen=True, slots=True)
class JacobianOptions:
    """Options of `regularise = jacobian(…)`: B = ∫ |∂(∂t u)/∂u|² dt."""

    weight: float = option(1e-2, "factor in the loss", above=0.0)
    probes: int = option(
        0,
        "random directions for each window of a batch (Hutchinson's estimate); 0: exact, one "
        "product with the Jacobian for each value of the state",
        least=0,
        most=1_000,
    )
    label = "jacobian"


#: Integrals that make learned dynamics easy to solve.
REGULARISERS: dict[str, type] = {
    "speed": SpeedOptions,
    "kinetic": KineticOptions,
    "jacobian": JacobianOptions,
}


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Settings of the block `fit:`."""

    optimizer: Choice = option(
        Choice("automatic"),
        f"how the misfit is minimised: {', '.join(FIT_OPTIMISERS)}, each with its own options; "
        "automatic: levenberg_marquardt for unknown numbers alone, adam with closures",
        choices=(),
    )
    loss: str = option(
        "squares",
        "the misfit: mean `squares` of the residuals, or their mean `absolute` value",
        choices=("squares", "absolute"),
    )
    window: int | None = option(
        None,
        "intervals between measurements that a window spans, where windows start at measured "
        "states; none: 1",
        least=1,
    )
    windows: int = option(
        1,
        "windows that a course from given initial conditions is cut into, with unknown states at "
        "their starts (multiple shooting)",
        least=1,
        most=10_000,
    )
    continuity: float = option(
        1e-3, "jump between windows that counts as one standard deviation, against the size of the "
        "measured fields", above=0.0,
    )  # fmt: skip
    validation: float = option(
        0.1,
        "share of the data that is held out: the last runs, or the last times of a single run; "
        "with initial conditions given, everything is fitted",
        least=0.0,
        most=0.9,
    )
    patience: int | None = option(
        None, "epochs without a better validation that end the fit; none: all epochs", least=1
    )
    penalty: float = option(
        0.0, "factor of the mean square of the networks' weights in the loss", least=0.0
    )
    regularise: Choice | tuple[Choice, ...] | None = option(
        None,
        "integrals along the courses that are added to the loss, so that learned dynamics take few "
        f"steps: {', '.join(REGULARISERS)}, each with its own options, or a list of them",
    )
    seconds: float | None = option(None, "most seconds of the fit; none: no limit", above=0.0)
