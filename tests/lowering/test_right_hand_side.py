"""Emitted right-hand sides: the values of the rows, at any precision, for any parameters."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from pdesl.diagnostics import ProblemError
from pdesl.ir.evolution import to_evolution
from pdesl.ir.normalise import normalise
from pdesl.ir.system import System
from pdesl.lowering.right_hand_side import RightHandSide, to_right_hand_side
from pdesl.symbolic.functions import make_function, numpy_namespace
from tests.strategies_symbolic import ALL_FILES, read, system_of

FILES = {path.stem: path for path in ALL_FILES}
NAMES = ("wave_maps_schwarzschild", "spherical_wave", "gray_scott", "porous_medium", "maxwell_3d")
COUNT = 40


def _arguments(right: RightHandSide) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    return (
        generator.uniform(0.5, 1.5, (len(right.jets), COUNT)),
        generator.uniform(0.3, 0.9, (len(right.columns), COUNT)),
    )


def _expected(system: System, right: RightHandSide, jets: Any, columns: Any) -> np.ndarray:
    """∂t of every field from the residuals of the rows, with zero for ∂t in them."""
    space = system.space
    values = system.problem.parameter_values()
    symbols = [space.symbol(j) for j in right.jets]
    symbols += [sympy.Symbol(c, real=True) for c in right.columns]
    tops = {space.symbol(space.jet(f).raised(system.frame.time_axis or 0)): sympy.S.Zero
            for f in system.fields}  # fmt: skip
    rows: list[Any] = [row.residual.xreplace(tops) for row in system.rows]
    found = make_function(rows, [*symbols, *values], numpy_namespace())(
        *jets, *columns, *values.values()
    )
    return np.stack([np.broadcast_to(-v, (COUNT,)) for v in found])


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_values_of_the_rows(name: str) -> None:
    system = to_evolution(normalise(read(FILES[name])))
    right = to_right_hand_side(system, system.problem.parameter_values())
    jets, columns = _arguments(right)
    found = eqx.filter_jit(lambda r, j, c: r(j, c))(right, jnp.asarray(jets), jnp.asarray(columns))
    assert found.shape == (len(system.fields), COUNT)
    expected = _expected(system, right, jets, columns)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    assert not any(system.time_order(jet) for jet in right.jets)


def test_single_precision_stays_single() -> None:
    system = to_evolution(normalise(read(FILES["wave_maps_schwarzschild"])))
    right = to_right_hand_side(system, system.problem.parameter_values())
    jets, columns = (a.astype(np.float32) for a in _arguments(right))
    found = right(jnp.asarray(jets), jnp.asarray(columns))
    assert found.dtype == jnp.float32
    exact = _expected(system, right, jets.astype(float), columns.astype(float))
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4)


def test_parameters_are_arguments() -> None:
    system = to_evolution(
        system_of(
            "parameters:\n    c = 2\n\ndomain:\n    x ∈ [0, 1]\n    t ∈ [0, 1]\n\n"
            "fields:\n    u(t, x) : scalar\n\nequations:\n    ∂t²u = c² ∂x²u - sin(u)\n"
        )
    )
    right = to_right_hand_side(system, system.problem.parameter_values())
    assert right.parameter_names == ("c",)
    assert right.columns == ()
    jets, columns = _arguments(right)
    place = {(j.field, j.orders): i for i, j in enumerate(right.jets)}
    expected = -np.sin(jets[place["u", (0, 0)]])

    def last(parameters: Any) -> Any:
        changed = eqx.tree_at(lambda r: r.parameters, right, parameters)
        return changed(jnp.asarray(jets), jnp.asarray(columns))[1]

    for c in (2.0, 3.0):
        second = c**2 * jets[place["u", (0, 2)]]
        np.testing.assert_allclose(last(jnp.asarray([c])), second + expected, rtol=1e-13)
    slope = jax.jacfwd(last)(jnp.asarray([2.0]))[:, 0]
    np.testing.assert_allclose(slope, 4 * jets[place["u", (0, 2)]], rtol=1e-13)


def test_a_known_solution_gives_its_time_derivative() -> None:
    """A standing wave in polar coordinates of flat space: jets in, time derivatives out."""
    system = to_evolution(
        system_of(
            "domain:\n    r ∈ [1, 2]\n    θ ∈ [0, 1]\n    t ∈ [0, 1]\n\n"
            "metric:\n    ds² = -dt² + dr² + r² dθ²\n\nfields:\n    u(t, r, θ) : scalar\n\n"
            "equations:\n    □u = 0\n\nverify:\n    u = besselj(2, 3 r) cos(2 θ) sin(3 t)\n"
        )
    )
    right = to_right_hand_side(system, {})
    generator = np.random.default_rng(2)
    place = dict(zip("trθ", generator.uniform(1.1, 1.9, (3, COUNT)), strict=True))
    symbols = [sympy.Symbol(n, real=True) for n in "trθ"]

    def value(expression: sympy.Expr, orders: tuple[int, ...]) -> np.ndarray:
        for symbol, order in zip(symbols, orders, strict=True):
            expression = sympy.diff(expression, symbol, order)
        (found,) = make_function([expression], symbols, numpy_namespace())(*place.values())
        return found

    jets = [value(system.exact[j.field], j.orders) for j in right.jets]
    columns = [place[name] for name in right.columns]
    found = right(jnp.asarray(jets), jnp.asarray(columns))
    for row, name in zip(found, right.fields, strict=True):
        expected = value(system.exact[name], (1, 0, 0))
        np.testing.assert_allclose(row, expected, atol=1e-12 * 30)


def test_other_systems_are_refused() -> None:
    stated = normalise(read(FILES["spherical_wave"]))
    with pytest.raises(ValueError, match="evolution form"):
        to_right_hand_side(stated, {})


def test_a_function_without_numerical_form_is_told() -> None:
    system = to_evolution(
        system_of(
            "domain:\n    x ∈ [1, 2]\n    t ∈ [0, 1]\n\nfields:\n    u(t, x) : scalar\n\n"
            "equations:\n    ∂t u = besselj(2, x) u\n"
        )
    )
    with pytest.raises(ProblemError) as caught:
        to_right_hand_side(system, {})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E327"
