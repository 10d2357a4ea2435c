"""What each improvement gives on the waves around a black hole.

    python benchmarks/neural_ivp/figure5.py [--paper]

Figure 5 (right) of M. Finzi et al. (ICLR 2023): the baseline, with sinusoidal features, and with a
wider network and more samples.
"""

from __future__ import annotations

from runs import EDNN, arguments, compare_residuals


def main() -> None:
    given = arguments(__doc__ or "")
    wide = () if given.paper else ("solver.width=24", "solver.samples=2000")
    variants = {
        "EDNN": EDNN,
        "with features": (*EDNN, "solver.frequencies=3"),
        "Neural-IVP": wide,
    }
    compare_residuals("figure5", "wave_maps_schwarzschild", variants, given.paper)


if __name__ == "__main__":
    main()
