"""A roofline for one H200 from counted operations and bytes, and the curve to 1,000 of them.

    python benchmarks/gpu/predict.py

Nothing here is measured. A time is max(operations/speed, bytes/bandwidth) at half of the peak of
each, plus what travels: an all-reduce of s bytes over D devices as a ring inside a machine of 8 and
a tree between machines, latency + 2 s/bandwidth for each, and halos to 6 neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

# NVIDIA's data sheet of the H200 (SXM): float64 by tensor cores, HBM3e, NVLink; InfiniBand NDR.
FLOPS, BANDWIDTH, NVLINK, NETWORK = 67e12, 4.8e12, 450e9, 50e9
# Share of each peak that is counted on, and seconds until a message arrives.
SHARE, NVLINK_LATENCY, NETWORK_LATENCY = 0.5, 10e-6, 5e-6
# What starting a compiled program costs.
LAUNCH = 20e-6
DEVICES = (1, 8, 64, 1000)


@dataclass(frozen=True, slots=True)
class Work:
    """Operations and bytes of all devices together, and what each sends."""

    name: str
    flops: float
    moved: float
    reduced: float
    reductions: int
    halo: float = 0.0

    def seconds(self, devices: int) -> float:
        speed, bandwidth = SHARE * FLOPS, SHARE * BANDWIDTH
        own = max(self.flops / speed, self.moved / bandwidth) / devices + LAUNCH
        if devices == 1:
            return own
        each = NVLINK_LATENCY + 2 * self.reduced / NVLINK
        if devices > 8:
            each += 2 * ceil(log2(devices / 8)) * (NETWORK_LATENCY + self.reduced / NETWORK)
        # A halo shrinks as the circumference of a part.
        sent = 6 * NETWORK_LATENCY + self.halo / devices**0.5 / NETWORK if self.halo else 0.0
        return own + self.reductions * each + sent


def dt_pinn(nodes: int, width: int = 50, depth: int = 4, stencil: int = 43) -> Work:
    parameters = 3 * width + (depth - 1) * width * (width + 1) + width + 1
    activations = 8.0 * nodes * width * depth
    operators = 2 * 12.0 * nodes * stencil
    return Work(
        f"DT-PINN, loss and gradient, {nodes:,} nodes", 6.0 * parameters * nodes,
        4 * activations + operators, 8.0 * parameters, 1, 8.0 * 20 * nodes**0.5,
    )  # fmt: skip


def neural_ivp(
    samples: int, parameters: int = 47_000, units: int = 660, rank: int = 1024, iterations: int = 30
) -> Work:
    products = 8.0 * samples * parameters * iterations
    factor = 2.0 * samples * rank * units + 4.0 * samples * rank**2
    moved = iterations * (2 * 8.0 * samples * (units + rank))
    return Work(
        f"Neural-IVP, velocity by landmarks, {samples:,} samples", products + factor, moved,
        8.0 * parameters, 2 * iterations,
    )  # fmt: skip


def main() -> None:
    fixed = [dt_pinn(20_000), dt_pinn(1_000_000), neural_ivp(20_000), neural_ivp(2_000_000)]
    print("strong: ms (efficiency)", *(f"{d:>16,}" for d in DEVICES))
    for work in fixed:
        one = work.seconds(1)
        cells = [f"{1e3 * work.seconds(d):.3g} ({one / d / work.seconds(d):.0%})" for d in DEVICES]
        print(f"{work.name:<55}", *(f"{c:>14}" for c in cells))
    print("weak, per device: ms (efficiency)")
    for name, make, size in (("DT-PINN", dt_pinn, 1_000_000), ("Neural-IVP", neural_ivp, 20_000)):
        one = make(size).seconds(1)
        cells = [
            f"{1e3 * make(size * d).seconds(d):.3g} ({one / make(size * d).seconds(d):.0%})"
            for d in DEVICES
        ]
        print(f"{name} with {size:,} a device".ljust(55), *(f"{c:>14}" for c in cells))
    gram = 20_000**2 * 2.0 * 660
    print(f"Gram matrix of 20,000 samples: {gram / SHARE / FLOPS * 1e3:.0f} ms, "
          f"its factor {20_000**3 / 3 / SHARE / FLOPS * 1e3:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
