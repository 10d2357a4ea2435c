"""Residuals of the Fokker-Planck and Vlasov equations against the dense baseline, and restarts.

    python benchmarks/neural_ivp/figure3.py [--paper] [fokker_planck vlasov restarts]

Figure 3 of M. Finzi et al. (ICLR 2023). The residual is a share of ∂t u; the paper's is divided by
the root of its number of samples once more, and has a column of its own.
"""

from __future__ import annotations

from runs import EDNN, EDNN_QUICK, arguments, compare_residuals


def main() -> None:
    parts = ("fokker_planck", "vlasov", "restarts")
    given = arguments(__doc__ or "", parts)
    pair = {"Neural-IVP": (), "EDNN": EDNN if given.paper else EDNN_QUICK}
    if "fokker_planck" in given.parts:
        compare_residuals(
            "figure3_fokker_planck", "fokker_planck_8d", pair, given.paper, ["parameters.T=1"]
        )
    if "vlasov" in given.parts:
        compare_residuals("figure3_vlasov", "vlasov_6d", pair, given.paper)
    if "restarts" in given.parts:
        restarts = {"without": (), "refit": ("solver.restarts=refit(count=3)",)}
        compare_residuals("figure3_restarts", "advection_nd", restarts, given.paper)


if __name__ == "__main__":
    main()
