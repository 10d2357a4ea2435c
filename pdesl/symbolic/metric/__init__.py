"""Metrics: the matrix g_{μν} of a problem over all its coordinates, its inverse, its determinant.

A file spells a metric out (`ds² = …`, `g = [[…]]`) or names one of `METRICS`; `metric_of` reads
it. A metric of space alone stands beside time, −dt² + g.
"""

from pdesl.symbolic.metric.matrix import Landmark, Matrix, Metric
from pdesl.symbolic.metric.named import METRICS, NamedMetric, describe_metrics
from pdesl.symbolic.metric.ranges import Ranges, bounds, refine, sign_of
from pdesl.symbolic.metric.statement import metric_of, ranges_of

__all__ = [
    "METRICS", "Landmark", "Matrix", "Metric", "NamedMetric", "Ranges", "bounds",
    "describe_metrics", "metric_of", "ranges_of", "refine", "sign_of",
]  # fmt: skip
