"""Given values at the nodes of a graph: read from files and checked against the graph."""

from __future__ import annotations

import numpy as np

from pdesl.diagnostics import Diagnostic, ProblemError
from pdesl.symbolic.data_file import DataFile, data_mistake, read_data_file
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.problem import Closure, Problem

__all__ = ["read_tables", "table_mistakes", "without_graph"]


def read_tables(problem: Problem, nodes: int) -> dict[str, np.ndarray]:
    """The values (nodes,) of every closure `load(…)`, by its name.

    Args:
        problem: the folder of its file is where paths start.
        nodes: of the graph.

    Raises:
        ProblemError: E540, a file that cannot be read; E541, one without the quantity; E542,
            numbers that are missing or do not fit the graph.
    """
    folder = problem.source.folder if problem.source is not None else ""
    files: dict[str, DataFile] = {}
    found: dict[str, np.ndarray] = {}
    wrong: list[Diagnostic] = []
    for closure in problem.closures:
        if not closure.is_table:
            continue
        try:
            path = str(closure.network.get("file"))
            if path not in files:
                files[path] = read_data_file(path, folder, closure.network.span)
            found[closure.name] = _column(files[path], closure, problem.space[0].name, nodes)
        except ProblemError as error:
            wrong += error.diagnostics
    if wrong:
        # The columns of one table are wrong together.
        raise ProblemError(dict.fromkeys(wrong))
    return found


def table_mistakes(problem: Problem) -> tuple[Diagnostic, ...]:
    """What is wrong with the files of the closures `load(…)` of a graph (E540 to E542)."""
    if problem.shape is None or not any(c.is_table for c in problem.closures):
        return ()
    try:
        symbols = tuple(c.symbol for c in problem.space)
        region = make_region(problem.shape, symbols, problem.parameter_values())
        if problem.shape.kind == "graph":
            read_tables(problem, round(region.measure))
    except ProblemError as error:
        return error.diagnostics
    return ()


def without_graph(problem: Problem) -> tuple[Diagnostic, ...]:
    """The closures `load(…)` of a domain that is no graph (E645)."""
    if problem.shape is not None and problem.shape.kind == "graph":
        return ()
    helps = ("write it as a formula", 'or declare `i ∈ graph("edges.csv")`')
    return tuple(
        Diagnostic(
            "E645", f"`{c.name}` is given at the nodes of a graph, and there is no graph", c.span,
            helps=helps,
        )
        for c in problem.closures if c.is_table
    )  # fmt: skip


def _column(file: DataFile, closure: Closure, coordinate: str, nodes: int) -> np.ndarray:
    span, name = closure.network.span, str(closure.network.get("name"))
    column = int(closure.network.get("column") or 1)  # type: ignore[arg-type]
    if name not in file.arrays:
        known = ", ".join(f"`{n}`" for n in list(file.arrays)[:12]) or "none"
        raise data_mistake("E541", file.path, f"it has no `{name}`", span, f"it has {known}")
    table = file.arrays[name]
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != nodes:
        shape = " × ".join(map(str, file.arrays[name].shape))
        raise data_mistake("E542", file.path, f"`{name}` has the shape {shape}, and the graph has "
                           f"{nodes:,} nodes", span, "give one row for each node")  # fmt: skip
    if column > table.shape[1]:
        raise data_mistake("E542", file.path, f"`{name}` has {table.shape[1]} columns, and column "
                           f"{column} is asked for", span, "ask for fewer")  # fmt: skip
    values = table[:, column - 1]
    if file.is_table and coordinate in file.arrays:
        order = file.arrays[coordinate]
        if not np.array_equal(np.sort(order), np.arange(nodes)):
            raise data_mistake("E542", file.path, f"`{coordinate}` does not name every node once",
                               span, f"number the nodes from 0 to {nodes - 1:,}")  # fmt: skip
        values = values[np.argsort(order)]
    if not np.all(np.isfinite(values)):
        node = int(np.argmin(np.isfinite(values)))
        raise data_mistake("E542", file.path, f"`{name}` has no value at node {node}", span,
                           "give every node a number")  # fmt: skip
    return values
