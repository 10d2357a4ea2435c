"""Initial values of many frequencies, fitted by several architectures.

    python benchmarks/neural_ivp/figure2.py [--paper]

Figure 2 (middle) of M. Finzi et al. (ICLR 2023): the relative error of the fit of
`wave_packets_fit` over the frequency f, for the baseline and with one improvement after the other.
"""

from __future__ import annotations

from runs import EDNN, arguments, figure, run, table

ADAM = "solver.fit=adam(iterations=2000)"
VARIANTS = {
    "EDNN, Adam": (*EDNN, ADAM),
    "with features, Adam": ("solver.frequencies=4", ADAM),
    "with features, Levenberg-Marquardt": ("solver.frequencies=4",),
}


def main() -> None:
    given = arguments(__doc__ or "")
    frequencies = (1, 2, 4, 8) if given.paper else (1, 2)
    rows, curves = [], {}
    for label, overrides in VARIANTS.items():
        errors = []
        for f in frequencies:
            found = run("wave_packets_fit", (*overrides, f"parameters.f={f}"), given.paper)
            error = found["quality"]["initial_error"] if "quality" in found else float("nan")
            errors.append(error)
            rows.append((label, f, error, found["seconds"]))
        curves[label] = (frequencies, errors)
    table("figure2", ("variant", "f", "relative error", "CPU s"), rows)
    figure("figure2", curves, "frequency f", "relative error of the fit")


if __name__ == "__main__":
    main()
