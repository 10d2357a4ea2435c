"""Residuals of the Fokker-Planck and Vlasov equations against the dense baseline, and restarts.

    python benchmarks/neural_ivp/figure3.py [--paper] [fokker_planck vlasov dimensions restarts]

Figure 3 of M. Finzi et al. (ICLR 2023), with a residual that is not divided by the root of the
number of points once more.
"""

from __future__ import annotations

from runs import EDNN, EDNN_QUICK, arguments, compare_residuals


def main() -> None:
    parts = ("fokker_planck", "vlasov", "dimensions", "restarts")
    given = arguments(__doc__ or "", parts)
    pair = {"Neural-IVP": (), "EDNN": EDNN if given.paper else EDNN_QUICK}
    if "fokker_planck" in given.parts:
        compare_residuals(
            "figure3_fokker_planck", "fokker_planck_8d", pair, given.paper, ["parameters.T=1"]
        )
    if "vlasov" in given.parts:
        compare_residuals("figure3_vlasov", "vlasov_6d", pair, given.paper)
    if "dimensions" in given.parts:
        more = ("parameters.T=1", "solver.samples=2000")
        sizes = {f"d = {d}": (f"parameters.d={d}", *more) for d in (5, 10, 20)}
        compare_residuals("figure5_dimensions", "fokker_planck_8d", sizes, given.paper)
    if "restarts" in given.parts:
        restarts = {"without": (), "refit": ("solver.restarts=refit(count=3)",)}
        compare_residuals("figure3_restarts", "advection_nd", restarts, given.paper)


if __name__ == "__main__":
    main()
