"""Pictures: every dimension gives a PNG of the right size, and it shows what it should."""

import warnings
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import scipy.ndimage

from pdesl.run.planes import evaluate_in_chunks, make_plane
from pdesl.run.report import PictureData, plot_solution


def _sphere(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points, axis=1) - 1


def _exact(points: np.ndarray) -> dict[str, np.ndarray]:
    return {"u": np.sin(3 * points[:, 0]), "φ": points[:, 0] ** 2}


def _solution(points: np.ndarray) -> dict[str, np.ndarray]:
    return {name: v + 1e-5 * np.cos(5 * points[:, 0]) for name, v in _exact(points).items()}


def _picture(dimension: int, **changes) -> PictureData:
    generator = np.random.default_rng(0)
    interior = generator.uniform(-1, 1, (300, dimension))
    boundary = generator.normal(size=(40, dimension))
    boundary /= np.linalg.norm(boundary, axis=1)[:, None]
    data = {
        "title": "test",
        "coordinates": ("x", "y", "z", "w")[:dimension],
        "level": _sphere,
        "lower": -np.ones(dimension),
        "upper": np.ones(dimension),
        "evaluate": _solution,
        "exact": _exact,
        "interior": interior[_sphere(interior) < 0],
        "boundary": boundary,
        "ghost": 1.1 * boundary,
        "history": {"iteration": np.arange(9), "total": 0.1 ** np.arange(9)},
    }
    return PictureData(**{**data, **changes})


def _read(path: Path, data: PictureData) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_solution(path, data, resolution=60, dots_per_inch=100)
    return matplotlib.image.imread(path)[..., :3]


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_every_dimension(tmp_path: Path, dimension: int):
    image = _read(tmp_path / "u.png", _picture(dimension))
    assert image.shape[1] == 720
    assert image.std() > 0.1


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_without_exact_solution_ghosts_and_history(tmp_path: Path, dimension: int):
    data = _picture(dimension, exact=None, history={}, ghost=np.zeros((0, dimension)))
    assert _read(tmp_path / "u.png", data).std() > 0.05


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_values_that_are_hard_to_draw(tmp_path: Path, dimension: int):
    def constant(points: np.ndarray) -> dict[str, np.ndarray]:
        return {"u": np.full(len(points), 2.0)}

    def broken(points: np.ndarray) -> dict[str, np.ndarray]:
        return {"u": np.where(points[:, 0] > 0, np.nan, 1.0)}

    _read(tmp_path / "constant.png", _picture(dimension, evaluate=constant, exact=constant))
    _read(tmp_path / "broken.png", _picture(dimension, evaluate=broken, exact=constant))


def test_a_slice_through_nothing(tmp_path: Path):
    """The centre of a box may lie outside the region, as in a shell cut off to one side."""

    def corner(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points - 0.6, axis=1) - 0.3

    assert _read(tmp_path / "u.png", _picture(3, level=corner)).std() > 0.05


def test_the_map_is_cut_at_the_boundary(tmp_path: Path):
    """Colour fills a disk: as many pixels as its area, none in the corners of its box."""

    def wave(points: np.ndarray) -> dict[str, np.ndarray]:
        return {"u": np.sin(points[:, 0])}

    data = _picture(2, evaluate=wave, exact=None, history={})
    image = _read(tmp_path / "u.png", data)
    coloured = image.max(axis=2) - image.min(axis=2) > 0.15
    labels = np.empty(coloured.shape, np.int32)
    scipy.ndimage.label(scipy.ndimage.binary_closing(coloured, iterations=2), output=labels)
    largest = np.argmax(np.bincount(labels.ravel())[1:]) + 1
    coloured = labels == largest
    rows, columns = np.nonzero(coloured)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert abs(height / width - 1) < 0.03
    assert coloured.sum() / (height * width) == pytest.approx(np.pi / 4, abs=0.03)


def test_planes_stay_near_the_region():
    plane = make_plane(_sphere, -np.ones(3), np.ones(3), (0, 2), 50)
    assert np.all(plane.points[:, 1] == 0)
    assert np.all(_sphere(plane.points) < 0.13)
    assert plane.fill(np.ones(len(plane.points)))[plane.level <= 0].min() == 1
    assert make_plane(lambda p: np.ones(len(p)), -np.ones(2), np.ones(2), (0, 1), 9).empty


def test_chunks_have_one_shape():
    shapes = set()

    def function(points: np.ndarray) -> dict[str, np.ndarray]:
        shapes.add(points.shape)
        return {"u": points[:, 0]}

    points = np.random.default_rng(0).random((40_000, 2))
    np.testing.assert_array_equal(evaluate_in_chunks(function, points)["u"], points[:, 0])
    assert len(shapes) == 1
    assert evaluate_in_chunks(function, np.zeros((0, 2)))["u"].shape == (0,)
