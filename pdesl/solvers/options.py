"""The options of every method, without JAX: what a file may say, its default, its meaning."""

from __future__ import annotations

from dataclasses import dataclass

from pdesl.solvers.fit_options import CLOSURE_OPTIONS, FIT_OPTIMISERS, REGULARISERS
from pdesl.solvers.kept_options import checkpoint_seconds
from pdesl.solvers.neural_ivp_options import (
    FIT_OPTIONS,
    INTEGRATOR_OPTIONS,
    LINEAR_OPTIONS,
    RESTART_OPTIONS,
    SAMPLING_OPTIONS,
)
from pdesl.solvers.node_options import MOST_NODES, NODES, NodeOptions
from pdesl.solvers.rollout_names import GRADIENTS, SCHEMES
from pdesl.symbolic.options import Loaded, option
from pdesl.symbolic.problem import Choice

__all__ = [
    "NESTED",
    "OPTIMISER_NAMES",
    "OPTIMISER_OPTIONS",
    "SPACE_OPTIONS",
    "TIME_OPTIONS",
    "AdaptiveOptions",
    "DtPinnOptions",
    "FixedOptions",
    "FourierOptions",
    "GridOptions",
    "MethodOfLinesOptions",
    "PinnOptions",
    "RandomFeaturesOptions",
    "RbfFdOptions",
    "ScatteredOptions",
    "SinodeOptions",
    "TrainedOptions",
]


@dataclass(frozen=True, slots=True)
class LbfgsOptions:
    """Options of the optimiser `lbfgs`, as a file may give them."""

    history: int = option(50, "pairs of steps and gradient differences that are kept", least=1)


@dataclass(frozen=True, slots=True)
class SsbroydenOptions:
    """Options of the optimiser `ssbroyden`."""

    largest: int = option(12_000, "most parameters of the network", least=1)


@dataclass(frozen=True, slots=True)
class AdamOptions:
    """Options of the optimiser `adam`."""

    learning_rate: float = option(1e-3, "size of the first steps", above=0.0)
    decay: float = option(1.0, "factor of the rate every 1,000 iterations", above=0.0, most=1.0)
    beta1: float = option(0.9, "memory of the mean gradient", least=0.0, most=1 - 1e-9)
    beta2: float = option(0.999, "memory of the mean square", least=0.0, most=1 - 1e-9)
    epsilon: float = option(1e-8, "added to the root of the mean square", above=0.0)


@dataclass(frozen=True, slots=True)
class LevenbergMarquardtOptions:
    """Options of the optimiser `levenberg_marquardt`."""

    damping: float = option(
        1e-2, "first damping, as a fraction of the largest diagonal entry", above=0.0
    )
    acceleration: bool = option(True, "whether steps bend with the second derivative")
    largest: int = option(
        5_000, "most rows of a matrix that is factored; beyond, conjugate gradients", least=0
    )
    inner: int = option(200, "most iterations of conjugate gradients a step", least=1)


#: What the options of each optimiser may be. The optimisers themselves are in JAX (`training`).
OPTIMISER_OPTIONS: dict[str, type] = {
    "lbfgs": LbfgsOptions,
    "ssbroyden": SsbroydenOptions,
    "adam": AdamOptions,
    "levenberg_marquardt": LevenbergMarquardtOptions,
}
OPTIMISER_NAMES = tuple(OPTIMISER_OPTIONS)
ACTIVATION_NAMES = ("tanh", "swish", "silu", "sin", "gelu", "softplus")


@dataclass(frozen=True, slots=True)
class TrainedOptions(NodeOptions):
    """What every method that trains a network on nodes has."""

    slices: int = option(
        25, "time slices, the start included (with time only)", least=2, most=100_000
    )
    width: int = option(50, "units of a hidden layer", least=1, most=10_000)
    depth: int = option(4, "hidden layers", least=1, most=100)
    activation: str = option("tanh", "activation of the hidden layers", choices=ACTIVATION_NAMES)
    optimiser: Choice = option(
        Choice("ssbroyden"),
        f"how the loss is minimised: {', '.join(OPTIMISER_NAMES)}, each with its own options",
        choices=(),
    )
    iterations: int = option(3000, "most iterations of the optimiser", least=1)
    seconds: float | None = option(None, "most seconds of training; none: no limit", above=0.0)
    decrease: float = option(
        0.1,
        "stop when the loss fell by less than this fraction in `window` iterations",
        least=0.0,
        most=0.999,
    )
    window: int = option(500, "iterations over which `decrease` is measured", least=1)
    boundary_weight: float | None = option(
        None,
        "weight of every boundary term in the loss; none: by the sizes of the operators",
        above=0.0,
    )
    initial_weight: float | None = option(
        None,
        "weight of every initial term in the loss; none: by the sizes of the operators",
        above=0.0,
    )
    precision: str = option("float64", "numbers of the training", choices=("float64", "float32"))
    checkpoint: float = checkpoint_seconds()
    seed: int = option(0, "seed of nodes, network and test points", least=0, most=2**32 - 1)


@dataclass(frozen=True, slots=True)
class DtPinnOptions(TrainedOptions):
    """Options of `dt_pinn`."""

    order: int = option(4, "order of accuracy of the RBF-FD operators", least=1, most=10)
    ghost: bool = option(True, "nodes outside the boundary, one for each boundary node")
    time_derivative: str = option(
        "exact",
        "derivatives in time: `exact`, of the network, or `stencils`, differences of its values "
        "on the slices, at half the cost",
        choices=("exact", "stencils"),
    )
    floor: float = option(
        1.0,
        "stop when the loss falls to so many times the share that the error of the operators "
        "has in it, measured with exact derivatives of the network; 0: never",
        least=0.0,
    )


@dataclass(frozen=True, slots=True)
class PinnOptions(TrainedOptions):
    """Options of `pinn`."""

    chunk: int = option(256, "points differentiated at a time", least=1)


@dataclass(frozen=True, slots=True)
class RbfFdOptions(NodeOptions):
    """Options of `rbf_fd`."""

    nodes: int | Loaded | None = option(2000, NODES, least=4, most=MOST_NODES)
    order: int = option(4, "order of accuracy of the RBF-FD operators", least=1, most=10)
    ghost: bool = option(True, "nodes outside the boundary, one for each boundary node")
    iterations: int = option(50, "most steps of Newton's method", least=1)
    tolerance: float = option(
        1e-10, "Newton stops at steps so small against the solution", above=0.0
    )
    seed: int = option(0, "seed of nodes and test points", least=0, most=2**32 - 1)


@dataclass(frozen=True, slots=True)
class RandomFeaturesOptions:
    """Options of `random_features`."""

    features: int | None = option(
        None, "features of the hidden layer; none: doubled until `tolerance` is met", least=4,
        most=100_000,
    )  # fmt: skip
    largest: int = option(
        2400, "most features times fields that are chosen without `features`", least=16
    )
    points: int | None = option(
        None, "collocation points inside; none: three for each feature", least=8, most=10_000_000
    )
    kind: str = option(
        "best", "the features, best: what does better", choices=("best", "tanh", "sin")
    )
    scale: float | None = option(
        None,
        "size of the weights for coordinates from -1 to 1; none: chosen for every coordinate by "
        "the residual on held-out points",
        above=0.0,
    )
    tolerance: float = option(
        1e-12, "residual on held-out points to aim at, against the terms of its row", above=0.0
    )
    windows: int | None = option(
        None,
        "windows of time, one after the other; none: as many as it takes, one for given `features`",
        least=1,
    )
    iterations: int = option(50, "most steps of Gauss-Newton's method", least=1)
    seed: int = option(0, "seed of nodes, features and test points", least=0, most=2**32 - 1)


@dataclass(frozen=True, slots=True)
class ScatteredOptions(NodeOptions):
    """Options of `space = rbf_fd(…)`."""

    nodes: int | Loaded | None = option(2000, NODES, least=4, most=MOST_NODES)
    order: int = option(4, "order of accuracy of the RBF-FD operators", least=1, most=10)
    ghost: bool = option(True, "nodes outside, where conditions on derivatives hold")
    hyperviscosity: float | None = option(
        None,
        "strength of the damping of what the nodes do not resolve, against growing modes of "
        "advection; none: 1 where advection outweighs diffusion between neighbours; 0: never",
        least=0.0,
        most=1e3,
    )


@dataclass(frozen=True, slots=True)
class GridOptions:
    """Options of `space = finite_difference(…)`."""

    points: int | tuple[int, ...] = option(
        64, "points along every coordinate, one number or one for each", least=4, most=1_000_000
    )
    order: int = option(4, "order of accuracy, even inside", least=1, most=12)


@dataclass(frozen=True, slots=True)
class FourierOptions:
    """Options of `space = fourier(…)`."""

    points: int | tuple[int, ...] = option(
        64, "points along every coordinate, one number or one for each", least=4, most=1_000_000
    )


@dataclass(frozen=True, slots=True)
class AutomaticOptions:
    """Options of `space = automatic`: none."""


@dataclass(frozen=True, slots=True)
class AdaptiveOptions:
    """Options of a time integrator that estimates its error."""

    dt: float | None = option(
        None, "size of fixed steps, shortened to meet the times of output; none: by `rtol`",
        above=0.0,
    )  # fmt: skip
    rtol: float = option(1e-6, "error of a step against the solution", above=0.0, most=0.5)
    atol: float = option(0.0, "error of a step in the unit of the fields", least=0.0)


@dataclass(frozen=True, slots=True)
class SeriesOptions(AdaptiveOptions):
    """Options of `time = taylor_series(…)`."""

    order: int | None = option(
        None, "of the series; none: 1 - log(rtol)/2, which costs the least", least=3, most=40
    )


@dataclass(frozen=True, slots=True)
class FixedOptions:
    """Options of a time integrator of fixed steps."""

    dt: float | None = option(
        None, "size of the steps, shortened to meet the times of output; none: refused", above=0.0
    )


@dataclass(frozen=True, slots=True)
class LearnedStepOptions:
    """Options of a time integrator of `sinode`."""

    dt: float | None = option(
        None,
        "size of the steps, shortened to meet measured times; none: halved until the course at "
        "the start values is right to `rtol`, from the smallest distance of measured times on",
        above=0.0,
    )
    rtol: float = option(
        1e-6,
        "error of the course against the size of the fields, where `dt` is not given; of every "
        "step, where steps are `adaptive`",
        above=0.0, most=0.5,
    )  # fmt: skip
    steps: str = option(
        "automatic",
        "`equal`, of `dt`; or `adaptive`: dt, dt/2, dt/4, … as the error that a Runge-Kutta pair "
        "estimates of every step asks for, within `rtol`, dt being by default the smallest "
        "distance of measured times; automatic: adaptive for dopri5 and tsit5, else equal",
        choices=("automatic", "equal", "adaptive"),
    )
    most_steps: int | None = option(
        None,
        "steps of a window, beyond which it cannot be stepped through; none: of adaptive steps "
        "256 and 16 for each `dt`, 100,000 of dopri5 and tsit5, else no bound",
        least=1, most=10_000_000,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AutomaticTimeOptions(LearnedStepOptions):
    """Options of `time = automatic`."""


#: Discretisations in space of `method_of_lines`.
SPACE_OPTIONS: dict[str, type] = {
    "automatic": AutomaticOptions,
    "rbf_fd": ScatteredOptions,
    "finite_difference": GridOptions,
    "fourier": FourierOptions,
}
#: The explicit integrator by Taylor series.
SERIES = "taylor_series"
_ADAPTIVE = (
    *(f"imex_rk{order}" for order in (2, 3, 4, 5)),
    *(f"dirk{order}" for order in (2, 3, 4, 5)),
    "crank_nicolson",
    *INTEGRATOR_OPTIONS,
)
_FIXED = ("sbdf2", "sbdf3", "sbdf4", "cnab2", "etd1", "etdrk2", "etdrk4", "backward_euler")
#: Integrators in time of `method_of_lines`.
TIME_OPTIONS: dict[str, type] = {
    "automatic": AdaptiveOptions,
    **dict.fromkeys(_ADAPTIVE, AdaptiveOptions),
    **dict.fromkeys(_FIXED, FixedOptions),
    SERIES: SeriesOptions,
}
#: Integrators in time of `sinode`: those of rollouts.
LEARNED_TIME_OPTIONS: dict[str, type] = {
    "automatic": AutomaticTimeOptions,
    **dict.fromkeys(SCHEMES, LearnedStepOptions),
}
#: Options that are a choice with options of its own: what it is called, and what there is.
NESTED: dict[str, tuple[str, dict[str, type]]] = {
    "optimiser": ("optimiser", OPTIMISER_OPTIONS),
    "space": ("discretisation in space", SPACE_OPTIONS),
    "time": ("time integrator", TIME_OPTIONS),
    "sinode.time": ("time integrator", LEARNED_TIME_OPTIONS),
    "optimizer": ("optimiser", FIT_OPTIMISERS),
    "closure": ("kind of network", CLOSURE_OPTIONS),
    "regularise": ("regulariser", REGULARISERS),
    "sampling": ("way of sampling", SAMPLING_OPTIONS),
    "fit": ("way of fitting", FIT_OPTIONS),
    "linear": ("linear solver", LINEAR_OPTIONS),
    "integrator": ("time integrator", INTEGRATOR_OPTIONS),
    "restarts": ("kind of restart", RESTART_OPTIONS),
}


@dataclass(frozen=True, slots=True)
class MethodOfLinesOptions:
    """Options of `method_of_lines`."""

    space: Choice = option(
        Choice("automatic"),
        f"discretisation in space: {', '.join(SPACE_OPTIONS)}, each with its own options; "
        "automatic: fourier on periodic boxes, finite_difference on boxes, rbf_fd else",
        choices=(),
    )
    time: Choice = option(
        Choice("automatic"),
        f"integrator in time: {', '.join(TIME_OPTIONS)}, each with its own options; automatic: "
        "dirk4 in time alone and where the highest derivatives of a field stand nonlinearly in its "
        "equation, imex_rk4 else",
        choices=(),
    )
    checkpoint: float = checkpoint_seconds()
    seed: int = option(0, "seed of nodes and test points", least=0, most=2**32 - 1)


@dataclass(frozen=True, slots=True)
class SinodeOptions:
    """Options of `sinode`."""

    space: Choice = option(
        Choice("automatic"),
        f"discretisation in space: {', '.join(SPACE_OPTIONS)}, as for `method_of_lines`",
        choices=(),
    )
    time: Choice = option(
        Choice("automatic"),
        f"integrator in time: {', '.join(LEARNED_TIME_OPTIONS)}; automatic: imex_rk3 with a stiff "
        "part, rk4 without",
        choices=(),
    )
    gradient: str = option(
        "discrete_adjoint",
        "of the misfit: of the steps themselves by their adjoint formula, by backpropagation, or "
        "the continuous adjoint",
        choices=GRADIENTS,
    )
    checkpoints: str = option(
        "automatic",
        "what is kept of a batch's steps for their gradient: the stages of all (`none`), or a "
        "state in √steps, from which the others are computed again (`sqrt`); automatic: `sqrt` "
        "where the stages take more than 256 MB",
        choices=("automatic", "none", "sqrt"),
    )
    precision: str = option(
        "float64",
        "numbers of a fit by `adam` or `lbfgs`; the stiff part is factored in float64 either way",
        choices=("float64", "float32"),
    )
    checkpoint: float = checkpoint_seconds()
    seed: int = option(
        0, "seed of nodes, networks and the order of windows", least=0, most=2**32 - 1
    )  # fmt: skip
