"""`pdesl plot` and `pdesl report`: every picture is drawn and has content, pages stand alone."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import pytest
from click.testing import CliRunner
from PIL import Image

from pdesl.diagnostics import OutputError, Source
from pdesl.run import plots
from pdesl.run.cli import Status, commands
from pdesl.run.html_report import formula_html
from pdesl.run.mathml import UnknownLatexError, to_mathml
from pdesl.run.pipeline import load_source, run, show

IN_TIME = """
# Heat flows out of a rod.
domain:
    x ∈ [0, π]
    t ∈ [0, 1]
fields:
    u(t, x) : scalar
equations:
    ∂t u = 0.1 ∂x²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(x)
verify:
    u = exp(-0.1 t) sin(x)
    relative_l2(u) ≤ 1e-3
solver:
    method = method_of_lines(space=finite_difference(31, order=4), time=imex_rk4(dt=0.05))
output:
    at end: ∫(u) -> "heat.csv"
"""
VECTOR = """
domain:
    Ω = disk(center=(0, 0), radius=1)
    x, y ∈ Ω
fields:
    v(x, y) : vector
    f(x, y) : source
    h(x, y) : source
equations:
    ∇²v = [f, h]
boundary:
    v = exact(v)    on ∂Ω
manufactured:
    v = [-y, x]
solver:
    method = rbf_fd(nodes=250, order=2)
"""


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heat")
    run(Source("heat.pde", IN_TIME), output=folder)
    return folder


@pytest.fixture(scope="module")
def vector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vector")
    run(Source("vector.pde", VECTOR), output=folder)
    return folder


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plots, "RESOLUTION", 40)


def test_every_picture_of_a_plane_has_content(vector: Path, tmp_path: Path):
    command = ["plot", str(vector), "-o", str(tmp_path / "p"), "--dpi", "60", "--json"]
    result = CliRunner().invoke(commands, command)
    assert result.exit_code == Status.DONE, result.output
    names = {Path(file).stem for file in json.loads(result.stdout)["files"]}
    expected = {"v_x", "v_x_error", "v_y", "v_y_error", "v_streamlines", "nodes", "training"}
    assert names == expected
    for name in names:
        image = matplotlib.image.imread(tmp_path / "p" / f"{name}.png")
        assert image[..., :3].std() > 0.03, name


def test_a_line_over_time_has_maps_and_a_movie(in_time: Path, tmp_path: Path):
    command = ["plot", str(in_time), "-o", str(tmp_path), "--movie", "--frames", "3", "--dpi", "50"]
    result = CliRunner().invoke(commands, command)
    assert result.exit_code == Status.DONE, result.output
    assert {p.name for p in tmp_path.iterdir()} == {"u.png", "errors_over_time.png", "u.gif"}
    with Image.open(tmp_path / "u.gif") as movie:
        assert getattr(movie, "n_frames", 1) == 3


@pytest.mark.parametrize(("kind", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_formats_are_the_same_each_time(vector: Path, kind: str, head: bytes):
    draw = plots.pictures(plots.read_result(vector))["nodes"]
    first, second = (plots.render_picture(draw, kind) for _ in range(2))
    assert first.startswith(head)
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--field", "w"], "there are v_x, v_y"),
        (["--only", "speed"], "v_streamlines"),
        (["--times", "0.5"], "no time"),
        (["--times", "a"], "no list of numbers"),
    ],
)
def test_wrong_requests_say_what_there_is(vector: Path, arguments: list[str], words: str):
    result = CliRunner().invoke(commands, ["plot", str(vector), *arguments])
    assert result.exit_code == Status.WRONG_COMMAND
    assert words in result.output


def test_no_movie_without_time(vector: Path, tmp_path: Path):
    result = plots.read_result(vector)
    with pytest.raises(OutputError) as caught:
        plots.make_movie(tmp_path / "v.gif", result, "v_x", 3)
    assert caught.value.code == "E818"


IN_SPACE = """
domain:
    x, y, z ∈ [0, 1]
    t ∈ [0, 0.1]
fields:
    u(t, x, y, z) : scalar
equations:
    ∂t u = 0.1 ∇²u
boundary:
    u = 0    on ∂Ω
initial:
    u = sin(π x) sin(π y) sin(π z)
solver:
    method = method_of_lines(space=finite_difference(7), time=imex_rk2(dt=0.02))
"""


def test_a_movie_of_slices(tmp_path: Path):
    run(Source("cube.pde", IN_SPACE), output=tmp_path)
    plots.make_movie(tmp_path / "u.gif", plots.read_result(tmp_path), "u", 2)
    with Image.open(tmp_path / "u.gif") as movie:
        assert getattr(movie, "n_frames", 1) == 2
        assert movie.width > 2 * movie.height


def _rung(value: int, error: float) -> dict:
    return {
        "value": value, "nodes": value, "seconds": 0.1 * value,
        "errors": {"u": {"relative_l2": error, "linf": 2 * error}},
    }  # fmt: skip


STUDIES = {
    "ladder": (
        {"problem": "p", "option": "nodes", "orders": {"u": 4.0},
         "rungs": [_rung(10, 1e-2), _rung(20, 1e-3)]},
        {"convergence", "cost"},
    ),
    "methods": (
        {"problem": "p", "runs": [
            {"solver": name, "errors": {"u": {"relative_l2": 1e-3, "linf": 1e-2}}, "solve_s": 1.0,
             "peak_memory_mb": 300.0, "wall_s": 1.5, "iterations": 7, "stop_reason": "done"}
            for name in ("rbf_fd", "pinn")
        ]},
        {"comparison", "cost"},
    ),
    "sweep": (
        {"problem": "p", "runs": [
            {"values": {"κ": str(k), "solver.kind": "sin"}, "places": {"κ": k, "solver.kind": None},
             "errors": {"u": {"relative_l2": 1e-3 * k, "linf": None}}, "numbers": {"max(u)": k},
             "seconds": 1.0} for k in (1.0, 10.0, 100.0)
        ]},
        {"sweep", "table"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(STUDIES))
def test_studies_are_drawn_from_their_metrics(kind: str, tmp_path: Path):
    metrics, names = STUDIES[kind]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    result = CliRunner().invoke(commands, ["plot", str(tmp_path), "--dpi", "60", "--json"])
    assert result.exit_code == Status.DONE, result.output
    files = [Path(name) for name in json.loads(result.stdout)["files"]]
    assert {file.stem for file in files} == names
    for file in files:
        shown = matplotlib.image.imread(file)[..., :3]
        assert shown.std() > 0.02, f"{file.name} is empty"
    page = CliRunner().invoke(commands, ["report", str(tmp_path)])
    assert "written without the text" in page.output
    text = "domain:\n    x ∈ [0, 1]\nfields:\n    u(x) : scalar\nequations:\n    ∂x²u = 1\n"
    text += "boundary:\n    u = 0    on ∂Ω\n"
    (tmp_path / "metrics.json").write_text(json.dumps({**metrics, "text": text}))
    page = CliRunner().invoke(commands, ["report", str(tmp_path)])
    assert page.exit_code == Status.DONE, page.output
    found = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert found.count("<figure>") == len(names)
    assert {"ladder": '<td class="number">0.001</td>', "methods": "rbf_fd", "sweep": "0.1"}[
        kind
    ] in found
    refused = CliRunner().invoke(commands, ["plot", str(tmp_path), "--field", "u"])
    assert refused.exit_code == Status.WRONG_COMMAND
    assert "its runs have" in refused.output


def test_a_folder_without_a_result_is_refused(tmp_path: Path):
    result = CliRunner().invoke(commands, ["report", str(tmp_path)])
    assert result.exit_code == Status.OUTPUT
    assert "E816" in result.output


class _Page(HTMLParser):
    """Tags that are open, and everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.pictures += (value or "").startswith("data:image/png;base64,")
                if not (value or "").startswith("data:"):
                    self.fetched.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_report_stands_alone(in_time: Path):
    result = CliRunner().invoke(commands, ["report", str(in_time)])
    assert result.exit_code == Status.DONE, result.output
    text = (in_time / "report.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert not page.open
    assert not page.fetched
    assert page.pictures == 2
    assert "url(" not in text
    for words in (
        "Heat flows out of a rod.", "<math", "relative l2 error", "against the known solution",
        "relative_l2(u)", "∫(u)", "SHA-256", "imex_rk4", "∂t u = 0.1 ∂x²u",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("name", ["heat_disk", "wave_kerr_schild", "wave_maps_schwarzschild"])
@pytest.mark.parametrize("stage", ["problem", "system"])
def test_formulas_of_problems_become_mathml(name: str, stage: str):
    text = to_mathml(show(load_source(name), stage, "latex"))
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("math")
    assert len(list(root.iter())) > 10


def test_mathml_of_known_formulas():
    assert to_mathml("$x^{2}$", display=False).endswith("<msup><mi>x</mi><mn>2</mn></msup></math>")
    found = to_mathml(r"\frac{\partial_{x} u}{\sqrt[3]{\varphi_1}}")
    assert "<mfrac>" in found
    assert "<mroot><msub><mi>φ</mi><mn>1</mn></msub><mn>3</mn></mroot>" in found
    aligned = to_mathml(r"\begin{aligned} a &= b && \text{on } S \\ c &= 1 \end{aligned}")
    assert len(re.findall("<mtr>", aligned)) == 2
    assert "<mtext>on\u00a0</mtext>" in aligned


@pytest.mark.parametrize("latex", [r"\foo{x}", r"\begin{picture}x\end{picture}", r"\frac{a"])
def test_unknown_latex_is_shown_as_it_is(latex: str):
    with pytest.raises(UnknownLatexError):
        to_mathml(latex)
    assert formula_html(latex).startswith("<pre>")
    assert "<script" not in formula_html(latex + "<script>")


def test_a_picture_is_a_png(vector: Path):
    draw = plots.pictures(plots.read_result(vector))["v_streamlines"]
    content = plots.render_picture(draw, "png", 60)
    assert matplotlib.image.imread(io.BytesIO(content)).ndim == 3
