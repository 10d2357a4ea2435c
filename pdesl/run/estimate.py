"""How right a direct solution is where nothing is known to compare it with.

The same method is run once more with half the nodes, or steps twice as long, and compared with
the solution on random points. The coarser run has the larger error, so the difference of the two is
about its error, and bounds that of the solution from above where the method converges.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pdesl.diagnostics import PdeslError
from pdesl.run.known import changes, coarser, differences, solve_again
from pdesl.symbolic.problem import Choice

if TYPE_CHECKING:
    from pdesl.solvers.base import Evaluate, Task
    from pdesl.solvers.methods import Method

__all__ = ["Estimate", "estimate_errors"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Relative l2 differences by field to a coarser run; none where that failed, as `words` say."""

    errors: Mapping[str, float] = field(default_factory=dict)
    words: str = ""

    def lines(self) -> tuple[str, ...]:
        found = [f"{n}: estimated relative l2 error {e:.1e}" for n, e in self.errors.items()]
        return (*found, self.words)


def estimate_errors(task: Task, method: Method, evaluate: Evaluate) -> Estimate:
    """The differences of a solution to a coarser run of its own (direct) method.

    Args:
        task: what was solved.
        evaluate: its solution.
    """
    options = task.options
    given = {entry.name: getattr(options, entry.name) for entry in dataclasses.fields(options)}
    own = Choice(method.name, tuple((n, v) for n, v in given.items() if v is not None))
    coarse = coarser(method, own, task)
    words = changes(own, coarse)
    if words is None:
        return Estimate(words="no estimate of the error: no option makes this run coarser")
    try:
        other = solve_again(method, coarse, task)
    except KeyboardInterrupt:  # the solution stands, and is not to be lost for its estimate
        return Estimate(words="no estimate of the error: interrupted")
    except PdeslError as error:
        reason = str(error).splitlines()[0]
        return Estimate(words=f"no estimate of the error: a run with {words} failed, {reason}")
    found = differences(task, evaluate, other)
    return Estimate(found, f"estimated by the difference to a run with {words}")
