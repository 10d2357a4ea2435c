"""Functions of the language that JAX has no primitive for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["lambertw", "wrightomega"]


@jax.custom_jvp
def lambertw(x: Array) -> Array:
    """The principal branch W of W exp(W) = x, for x ≥ −1/e; NaN below.

    Halley's iteration (R. M. Corless et al., On the Lambert W function, Advances in
    Computational Mathematics 5, 1996, equation 5.9) from the branch-point series near −1/e and
    from log(1 + x) otherwise; for x > 3 Newton's iteration on W + log W = log x, which cannot
    overflow; 8 steps reach rounding everywhere. For small x the result keeps its relative
    accuracy.
    """
    x = jnp.asarray(x)
    x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)
    e = jnp.e
    p = jnp.sqrt(jnp.maximum(2.0 * (e * x + 1.0), 0.0))
    near = -1.0 + p * (1.0 - p / 3.0 + 11.0 * p * p / 72.0)
    logarithm = jnp.log(jnp.maximum(x, e))
    far = logarithm - jnp.log(logarithm)
    inner = jnp.minimum(x, 3.0)
    w = jnp.where(x < -0.25, near, jnp.log1p(jnp.maximum(inner, -0.3)))
    for _ in range(8):
        far = far * (1.0 + logarithm - jnp.log(far)) / (1.0 + far)
        exponential = jnp.exp(w)
        f = w * exponential - inner
        shifted = w + 1.0
        safe = jnp.where(shifted == 0.0, 1.0, shifted)
        step = f / (exponential * safe - (w + 2.0) * f / (2.0 * safe))
        w = jnp.where(shifted == 0.0, w, w - step)
    w = jnp.where(x > 3.0, far, w)
    # W' is infinite at -1/e, so Halley's steps are noise there and the series is exact.
    w = jnp.where(p < 1e-4, near, w)
    return jnp.where(x < -1.0 / e - 4.0 * jnp.finfo(x.dtype).eps, jnp.nan, w)


@lambertw.defjvp
def _lambertw_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """W′(x) = exp(−W)/(1 + W), which has no division by x."""
    (x,), (dx,) = primals, tangents
    w = lambertw(x)
    return w, dx * jnp.exp(-w) / (1.0 + w)


@jax.custom_jvp
def wrightomega(s: Array) -> Array:
    """ω(s) = W(exp(s)), the solution of ω + log ω = s, for any real s.

    For s > 1 Newton's iteration on the equation as it stands, which needs no exp(s); else
    Halley's on ω exp(ω) = exp(s) (R. M. Corless, D. J. Jeffrey, The Wright ω function, 2002,
    section 2). The result keeps its relative accuracy, also where it underflows gradually.
    """
    s = jnp.asarray(s)
    s = s if jnp.issubdtype(s.dtype, jnp.floating) else s.astype(float)
    above = jnp.maximum(s, 1.0)
    far = above - jnp.log(above) * above / (1.0 + above)
    for _ in range(6):
        far = far * (1.0 + above - jnp.log(far)) / (1.0 + far)
    return jnp.where(s > 1.0, far, lambertw(jnp.exp(jnp.minimum(s, 1.0))))


@wrightomega.defjvp
def _wrightomega_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """ω′ = ω/(1 + ω)."""
    (s,), (ds,) = primals, tangents
    w = wrightomega(s)
    return w, ds * w / (1.0 + w)
