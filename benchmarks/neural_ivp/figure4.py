"""Waves on a black hole: the residual over time.

    python benchmarks/neural_ivp/figure4.py [--paper]

Figure 4 of M. Finzi et al. (ICLR 2023): Neural-IVP against the dense baseline.
"""

from __future__ import annotations

from runs import EDNN, arguments, compare_residuals


def main() -> None:
    given = arguments(__doc__ or "")
    variants = {"Neural-IVP": (), "EDNN": EDNN}
    compare_residuals("figure4", "wave_maps_schwarzschild", variants, given.paper)


if __name__ == "__main__":
    main()
