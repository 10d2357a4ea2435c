"""Members of a sweep in processes of their own, each with its share of the machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdesl.diagnostics import PdeslError, Source
from pdesl.run.memory import graphics
from pdesl.run.progress import Observer

__all__ = ["Member", "share_of_machine", "solve_member", "solve_members"]


@dataclass(frozen=True, slots=True)
class Member:
    """One run: the arguments of `pipeline.run` that a process needs."""

    source: Source
    output: Path
    solver: str | None
    overrides: tuple[str, ...]
    profile: str | None
    seed: int | None
    resume: bool = False
    devices: int = 1


def solve_members(
    members: Sequence[Member], processes: int, ended: Callable[[int, Mapping[str, Any]], None]
) -> None:
    """Solve every member.

    Args:
        members: each with a folder of its own.
        processes: how many work at a time. Of the graphics processors that are visible each has
            as many as its members have devices, in turn; of the processor's cores an equal share.
        ended: hears the position and the metrics of a member that has ended.

    Raises:
        PdeslError: that of the first member that failed; results before it stay.
    """
    context = multiprocessing.get_context("spawn")
    numbers = context.Queue()
    for number in range(processes):
        numbers.put(number)
    with ProcessPoolExecutor(
        processes,
        mp_context=context,
        initializer=_settle,
        initargs=(numbers, processes, max((m.devices for m in members), default=1)),
    ) as pool:
        futures = {pool.submit(_solve, member): k for k, member in enumerate(members)}
        try:
            for future in as_completed(futures):
                metrics, error = future.result()
                if error is not None:
                    raise error
                ended(futures[future], metrics)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _settle(numbers: Any, processes: int, devices: int) -> None:
    """Take a share of the machine, before JAX starts."""
    from pdesl.run.accelerator import configure_jax

    number = numbers.get()
    shares = share_of_machine(number, processes, list(graphics()), devices)
    os.environ.update(shares)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= processes:
            os.sched_setaffinity(0, cores[number::processes])
    configure_jax(devices=devices)


def share_of_machine(
    number: int, processes: int, graphics: Sequence[str], devices: int = 1
) -> dict[str, str]:
    """What the environment of process `number` says: its graphics processors, and parts of them."""
    if not graphics:
        return {}
    count = min(devices, len(graphics))
    own = [graphics[(number * count + k) % len(graphics)] for k in range(count)]
    chosen = {"CUDA_VISIBLE_DEVICES": ",".join(own)}
    sharing = -(-processes * count // len(graphics))
    if sharing > 1:
        chosen["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / sharing:.3f}"
    return chosen


def solve_member(member: Member, observer: Observer | None = None) -> Mapping[str, Any]:
    """The metrics of a member, solved here; errors as for `pipeline.run`."""
    from pdesl.run.pipeline import run

    report = run(
        member.source, output=member.output, solver=member.solver, overrides=member.overrides,
        profile=member.profile, seed=member.seed, observer=observer, resume=member.resume,
        devices=member.devices,
    )  # fmt: skip
    if report.interrupted:
        raise KeyboardInterrupt
    return report.metrics


def _solve(member: Member) -> tuple[Mapping[str, Any], PdeslError | None]:
    # An error is a result, so that one process cannot break the pool of the others.
    try:
        return solve_member(member), None
    except PdeslError as error:
        return {}, error
