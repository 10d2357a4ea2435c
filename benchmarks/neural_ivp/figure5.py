"""How far the dimension can go, and what each improvement gives on the waves around a black hole.

    python benchmarks/neural_ivp/figure5.py [--paper] [dimension ablation]

Figure 5 of M. Finzi et al. (ICLR 2023). Left: the residual of the Fokker-Planck equation over time
in more and more dimensions. Right: the baseline, with sinusoidal features, and with a wider network
and more samples.
"""

from __future__ import annotations

from runs import EDNN, EDNN_QUICK, arguments, compare_residuals


def main() -> None:
    given = arguments(__doc__ or "", ("dimension", "ablation"))
    if "dimension" in given.parts:
        more = ("parameters.T=1", *(() if given.paper else ("solver.samples=2000",)))
        sizes = {f"d = {d}": (f"parameters.d={d}", *more) for d in (5, 10, 20)}
        compare_residuals("figure5_dimension", "fokker_planck_8d", sizes, given.paper)
    if "ablation" in given.parts:
        ablation(given.paper)


def ablation(paper: bool) -> None:
    """The baseline, and what is added to it."""
    small, wide = ("solver.width=12", "solver.samples=500"), ()
    base = EDNN if paper else (*EDNN_QUICK, *small)
    variants = {
        "EDNN": base,
        "with features": (*base, "solver.frequencies=3"),
        "wider, more samples": (
            *base, "solver.frequencies=3", "solver.width=16", "solver.samples=1500",
        ),
        "Neural-IVP": wide,
    }  # fmt: skip
    if paper:
        del variants["wider, more samples"]
    compare_residuals("figure5_ablation", "wave_maps_schwarzschild", variants, paper)


if __name__ == "__main__":
    main()
