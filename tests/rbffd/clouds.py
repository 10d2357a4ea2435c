"""Scattered nodes for these tests: a jittered and relaxed lattice in the unit disk, and boxes."""

import math

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import qmc


def make_disk(spacing: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interior, boundary and ghost nodes of the unit disk; the boundary nodes are the normals."""
    count = round(2 * math.pi / spacing)
    angle = 2 * math.pi * np.arange(count) / count
    boundary = np.column_stack([np.cos(angle), np.sin(angle)])
    ghost = (1 + spacing) * boundary
    steps = np.arange(-2 * int(1.2 / spacing) - 4, 2 * int(1.2 / spacing) + 5)
    i, j = (axis.ravel() for axis in np.meshgrid(steps, steps))
    nodes = spacing * np.column_stack([i + 0.5 * j, j * math.sqrt(3) / 2])
    nodes = nodes[np.linalg.norm(nodes, axis=1) < 1 - 0.6 * spacing]
    nodes += np.random.default_rng(seed).uniform(-0.25, 0.25, nodes.shape) * spacing
    for _ in range(15):
        everything = np.concatenate([nodes, boundary, ghost])
        distance, index = map(np.asarray, KDTree(everything).query(nodes, 9))
        distance, index = distance[:, 1:, None], index[:, 1:]
        push = np.exp(-1.5 * (distance / spacing) ** 2) / distance
        nodes = nodes + 0.1 * spacing * np.sum(push * (nodes[:, None] - everything[index]), axis=1)
        length = np.linalg.norm(nodes, axis=1, keepdims=True)
        nodes *= np.minimum(1.0, (1 - 0.5 * spacing) / length)
    return nodes, boundary, ghost


def make_box(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    """`count` nodes in [-1, 1]^d: equally spaced and jittered in 1-D, low discrepancy else."""
    generator = np.random.default_rng(seed)
    if dimension == 1:
        jitter = generator.uniform(-0.3, 0.3, count)
        return ((2 * (np.arange(count) + 0.5 + jitter) / count) - 1)[:, None]
    shift = generator.uniform(size=dimension)
    return 2 * np.mod(qmc.Halton(dimension, scramble=False).random(count) + shift, 1.0) - 1
