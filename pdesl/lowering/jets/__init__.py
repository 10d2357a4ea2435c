"""Taylor series of any JAX function, one coefficient at a time.

    series of arguments ──trace──► Program ──advance(order 0, 1, 2, …)──► series of results

- `coefficients`: Taylor coefficients along a curve, derivatives along a direction;
- `flow`: dᴷz/dtᴷ along the flow of z′ = f(t, z), and penalties on it;
- `collapsed`: sums of derivatives along many directions, such as the Laplacian;
- `directions`: which directions a set of partial derivatives needs (no JAX);
- `program` is the interpreter, `rules` the one table of rules, in `elementary`, `piecewise`,
  `multilinear`, `control`; `derivative` is the fallback for what the table lacks.
"""
