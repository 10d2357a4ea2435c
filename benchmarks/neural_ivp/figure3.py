"""Residuals of the Fokker-Planck and Vlasov equations against the dense baseline, and restarts.

    python benchmarks/neural_ivp/figure3.py [--paper]

Figure 3 of M. Finzi et al. (ICLR 2023), with a residual that is not divided by the root of the
number of points once more.
"""

from __future__ import annotations

from runs import EDNN, EDNN_QUICK, arguments, compare_residuals


def main() -> None:
    given = arguments(__doc__ or "")
    quick = () if given.paper else ("solver.fit=levenberg_marquardt(iterations=15)",)
    pair = {"Neural-IVP": quick, "EDNN": EDNN if given.paper else EDNN_QUICK}
    compare_residuals("figure3_fokker_planck", "fokker_planck_8d", pair, given.paper)
    compare_residuals("figure3_vlasov", "vlasov_6d", pair, given.paper)
    restarts = {"without": (), "refit": ("solver.restarts=refit(count=3)",)}
    compare_residuals("figure3_restarts", "advection_nd", restarts, given.paper)


if __name__ == "__main__":
    main()
