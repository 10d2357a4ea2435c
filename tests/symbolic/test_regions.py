"""Regions and fields as they are declared: products, intervals with names, vectors of sources."""

import numpy as np
import pytest

from pdesl.diagnostics import ProblemError, Source
from pdesl.run.pipeline import check, solve
from pdesl.symbolic.domain import make_region
from pdesl.symbolic.geometry import Region
from tests.strategies_symbolic import from_text

CYLINDER = """
domain:
    Ω = {region}
    x, y, z ∈ Ω
fields:
    u(x, y, z) : scalar
    f(x, y, z) : source
equations:
    ∇²u = f
boundary:
    u = exact(u)    on ∂Ω
manufactured:
    u = exp(x) sin(y) z²
"""

ELASTIC = """
domain:
    x, y ∈ [0, 1]
fields:
    w(x, y) : vector
    f(x, y) : source(vector)
equations:
    ∇²w + 2 ∇(∇·w) + f = 0
boundary:
    w = exact(w)    on ∂Ω
manufactured:
    w = (x y², sin(x + y))
solver:
    method = rbf_fd(nodes=300, order=3)
"""


def region_of(text: str) -> Region:
    problem = from_text(text)
    assert problem.shape is not None
    return make_region(
        problem.shape, tuple(c.symbol for c in problem.space), problem.parameter_values()
    )


@pytest.mark.parametrize(
    "region",
    ["disk(radius=1) × [0, 2]", "disk(radius=1) × interval(0, 2)",
     "product(disk(radius=1), interval(0, 2))"],
)  # fmt: skip
def test_a_product_of_shapes_is_a_cylinder(region: str):
    found = region_of(CYLINDER.format(region=region))
    points = np.array([[0.5, 0.5, 1.9], [0.9, 0.9, 1.0], [0.0, 0.0, 2.1], [-0.9, 0.0, 0.1]])
    assert list(found.level(points) < 0) == [True, False, False, True]


@pytest.mark.parametrize("region", ["[0, 1] × [0, 2] × [-1, 1]", "([0, 1] × [0, 2]) × [-1, 1]"])
def test_a_product_of_intervals_is_a_box_with_its_faces(region: str):
    found = region_of(CYLINDER.format(region=region))
    text = CYLINDER.format(region="").replace("    Ω = \n", "")
    plain = region_of(text.replace("x, y, z ∈ Ω", "x ∈ [0, 1]\n    y ∈ [0, 2]\n    z ∈ [-1, 1]"))
    assert np.array_equal(np.array(found.bounding_box()), np.array(plain.bounding_box()))
    assert found.part_names == plain.part_names


def test_a_product_of_too_few_dimensions_is_refused():
    with pytest.raises(ProblemError) as caught:
        from_text(CYLINDER.format(region="[0, 1] × [0, 2]"))
    assert caught.value.diagnostics[0].code == "E415"


def test_a_source_of_a_vector_equation_is_derived_by_components():
    solution = solve(Source("test.pde", ELASTIC))
    assert max(e.relative_l2 or 1.0 for e in solution.errors.values()) < 1e-4


def test_a_vector_source_is_printed_and_read_again():
    problem = from_text(ELASTIC)
    assert "source(vector)" in problem.to_pde()
    assert from_text(problem.to_pde()) == problem


@pytest.mark.parametrize("kind", ["vector(2)", "source(scalar)", "source(vector, vector)"])
def test_a_type_with_wrong_arguments_says_what_to_write(kind: str):
    with pytest.raises(ProblemError, match="E318") as caught:
        check(Source("test.pde", ELASTIC.replace("source(vector)", kind)))
    assert "write `" in " ".join(caught.value.diagnostics[0].helps)
