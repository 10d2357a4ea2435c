"""The documentation: its problems are correct, its commands exist, its Python runs."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pdesl.codes import CODES
from pdesl.run.cli import Status, commands
from pdesl.run.folder import OutputFolder
from pdesl.run.io import FieldData, ResultData, writer_for

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "pages").glob("*.md")) + [ROOT / "README.md"]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# These take long, or need the result of a run: their options are read, and other tests run them.
_ONCE = {"run", "predict", "plot", "report", "sweep", "compare", "lsp"}


def blocks(language: str) -> list:
    found = []
    for page in PAGES:
        for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
            if match[1] == language:
                line = page.read_text(encoding="utf-8")[: match.start()].count("\n") + 1
                found.append(pytest.param(match[2], id=f"{page.name}:{line}"))
    return found


def _commands() -> list:
    """Every command once, without the sign that sends it to the background."""
    found = {}
    for block in blocks("console"):
        for line in block.values[0].splitlines():
            assert line.startswith("$ pdesl "), line
            found[line] = line.removeprefix("$ pdesl ").removesuffix(" &")
    return [pytest.param(command, id=line) for line, command in found.items()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the pages, the catalogue, and results to read."""
    for block in blocks("pde"):
        if match := re.search(r"^# (\w+\.pde)$", block.values[0], re.MULTILINE):
            (tmp_path / match[1]).write_text(block.values[0], encoding="utf-8")
    (tmp_path / "problems").symlink_to(ROOT / "problems")
    data = ResultData(
        title="Poisson",
        coordinates={"x": np.zeros(3), "y": np.zeros(3)},
        fields={"u": FieldData(np.ones(3), np.ones(3))},
        kind=np.zeros(3, int),
        attributes={"problem_hash": "sha256:00"},
    )
    error = {"relative_l2": 1e-5, "linf": 1e-5, "measured_on": "3 points", "points": 3}
    with OutputFolder(tmp_path / "results" / "poisson") as output:
        output.write("solution.h5", writer_for("solution.h5", data))
        output.commit({"errors": {"u": error}})
    for name in ("cooling", "ring"):
        (tmp_path / "results" / name).symlink_to("poisson")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", blocks("pde"))
def test_problems_are_correct_and_canonical(text: str, folder: Path):
    path = folder / "shown.pde"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(commands, ["check", str(path)])
    assert result.exit_code == Status.DONE, result.output
    result = CliRunner().invoke(commands, ["fmt", "--check", str(path)])
    assert result.exit_code == Status.DONE, result.output


@pytest.mark.parametrize("line", _commands())
def test_commands(line: str, folder: Path):
    name, *arguments = shlex.split(line)
    if name in _ONCE:
        command = commands.commands[name]
        context = command.make_context(name, arguments)
        assert context.params
        return
    result = CliRunner().invoke(commands, [name, *arguments])
    assert result.exit_code == Status.DONE, result.output
    if "--json" in arguments:
        json.loads(result.stdout)


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    exec(compile(code, "documentation", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.strip()


def test_the_readme_has_the_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert "pip install . && pdesl run problems/nonlinear_poisson_disk.pde" in lines
    assert 'pip install -e ".[test]" && pytest -n 2 --dist worksteal' in lines


def test_every_exit_status_is_documented():
    text = (ROOT / "docs" / "pages" / "command_line.md").read_text(encoding="utf-8")
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == set(Status)


def test_every_command_is_documented():
    text = (ROOT / "docs" / "pages" / "command_line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `pdesl (\w+)", text, re.MULTILINE)) == set(commands.commands)


def test_every_code_has_its_section():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    page = hooks.codes_page()
    for code in CODES.values():
        assert f"### {code.code}: " in page
