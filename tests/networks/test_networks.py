"""Networks: values, initial weights, options."""

from __future__ import annotations

import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from pdesl.solvers.networks import NetworkOptions, count_parameters, make_network


def test_values_are_those_of_the_formula():
    network = make_network(NetworkOptions(4, 2, "sin"), [0.0, -1.0], [2.0, 3.0], 3, seed=2)
    points = np.random.default_rng(0).uniform(-1, 3, (5, 2))
    h = (points - [1.0, 1.0]) * [1.0, 0.5]
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        h = np.sin(h @ np.asarray(weight) + np.asarray(bias))
    expected = h @ np.asarray(network.weights[-1]) + np.asarray(network.biases[-1])
    np.testing.assert_allclose(network(jnp.asarray(points)), expected, rtol=1e-13)
    assert (network.inputs, network.fields) == (2, 3)


def test_the_box_is_mapped_to_the_unit_box():
    network = make_network(NetworkOptions(3, 1), [-1.0, 2.0], [1.0, 6.0], seed=0)
    assert network.center == (0.0, 4.0)
    assert network.scale == (1.0, 0.5)


def test_glorot_weights_from_the_seed():
    network = make_network(NetworkOptions(200, 2), [-1.0], [1.0], seed=4)
    assert abs(float(jnp.std(network.weights[1])) / np.sqrt(2.0 / 400.0) - 1.0) < 0.02
    assert all(not np.any(bias) for bias in network.biases)
    again = make_network(NetworkOptions(200, 2), [-1.0], [1.0], seed=4)
    other = make_network(NetworkOptions(200, 2), [-1.0], [1.0], seed=5)
    single = make_network(NetworkOptions(200, 2), [-1.0], [1.0], seed=4, dtype=np.float32)
    for a, b, c, d in zip(
        network.weights, again.weights, other.weights, single.weights, strict=True
    ):
        np.testing.assert_array_equal(a, b)
        assert np.any(a != c)
        np.testing.assert_array_equal(d, np.asarray(a, np.float32))


def test_number_of_parameters():
    network = make_network(NetworkOptions(), [-1.0, -1.0], [1.0, 1.0], seed=0)
    assert count_parameters(network) == 2 * 50 + 3 * 50 * 50 + 50 + 4 * 50 + 1


@pytest.mark.parametrize(
    "arguments",
    [{"width": 0}, {"depth": 0}, {"width": 2.5}, {"depth": True}, {"activation": "relu"}],
)
def test_wrong_options(arguments):
    with pytest.raises(ValueError, match=r"width|depth|relu"):
        NetworkOptions(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lower": [0.0], "upper": [0.0]}, "must not be empty"),
        ({"lower": [0.0], "upper": [np.inf]}, "must not be empty"),
        ({"lower": [0.0], "upper": [1.0, 2.0]}, "equally long"),
        ({"lower": [0.0], "upper": [1.0], "fields": 0}, "at least one field"),
        ({"lower": [0.0], "upper": [1.0], "dtype": np.float16}, "float32 or float64"),
    ],
)
def test_wrong_networks(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_network(NetworkOptions(2, 1), seed=0, **arguments)


def test_float64_without_its_switch_is_refused():
    program = (
        "from pdesl.solvers.networks import *\n"
        "from pdesl.diagnostics import SolverError\n"
        "try: make_network(NetworkOptions(2, 1), [0.0], [1.0], seed=0)\n"
        "except SolverError as error: print(error)\n"
    )
    environment = {**os.environ, "JAX_ENABLE_X64": "0", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "JAX_ENABLE_X64=1" in done.stdout
