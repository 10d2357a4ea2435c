"""One velocity of Neural-IVP in mixed precision beside float64: processor time, error, iterations.

    python benchmarks/mixed_precision.py

n = 1,500 samples, p = 8,651 parameters; the error is ‖θ̇ − θ̇₆₄‖/‖θ̇₆₄‖.
"""

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pdesl.solvers.gram import one_blas_thread
from pdesl.solvers.networks import NetworkOptions, count_parameters, make_network
from pdesl.solvers.tangent_options import TangentOptions
from pdesl.solvers.tangent_solve import solve_tangent

COUNT, INPUTS = 1500, 18
network = make_network(NetworkOptions(50, 4, "swish"), [-1.0] * INPUTS, [1.0] * INPUTS, 1, seed=0)
points = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (COUNT, INPUTS)))
scale, right = jnp.ones((COUNT, 1)), jnp.sin(3.0 * points[:, :1])
solve = jax.jit(solve_tangent, static_argnames="options")
print(f"p = {count_parameters(network):,}, n = {COUNT:,}")
print("solver                μ     float64 s  mixed s  ratio  error    iterations  residual")
with one_blas_thread():
    for name in ("gram", "landmark_nystrom_cg"):
        for mu in (1e-4, 1e-6):
            seconds, directions, reports = [], [], []
            for mixed in (False, True):
                options = TangentOptions(name, mu, tolerance=1e-8, rank=None, mixed=mixed)
                call = lambda o=options: solve(network, points, scale, right, o, jax.random.key(0))  # noqa: E731
                jax.block_until_ready(call())
                begin = time.process_time()
                for _ in range(2):
                    found = jax.block_until_ready(call())
                seconds.append((time.process_time() - begin) / 2)
                directions.append(np.asarray(ravel_pytree(found.direction)[0]))
                reports.append(found.report)
            error = np.linalg.norm(directions[1] - directions[0]) / np.linalg.norm(directions[0])
            print(
                f"{name:<20} {mu:.0e} {seconds[0]:9.3f} {seconds[1]:8.3f}   "
                f"{seconds[0] / seconds[1]:.2f}  {error:.1e}  {int(reports[1].iterations):>4} "
                f"({int(reports[0].iterations)})  {float(reports[1].normal_residual):.0e}"
            )
