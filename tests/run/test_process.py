"""The installed command in a process of its own: what it imports, how it starts and ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pdesl.run.accelerator import cache_folder, configure_jax
from pdesl.run.checkpoint import CHECKPOINT

HEAVY = ("jax", "jaxlib", "matplotlib", "equinox", "optax", "diffrax", "h5py")


def command(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pdesl", *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "light"),
    [
        (["--help"], True),
        (["run", "--help"], True),
        (["explain", "E101"], True),
        (["list", "codes"], True),
        (["list", "solvers"], False),
        (["check", "nonlinear_poisson_disk"], False),
        (["fmt", "nonlinear_poisson_disk"], False),
        (["show", "--stage", "system", "nonlinear_poisson_disk"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_command_imports(arguments: list[str], light: bool):
    """Help and explanations load nothing heavy; nothing but `run` loads JAX."""
    script = (
        "import sys\nfrom pdesl.run.cli import commands\n"
        f"status = commands({arguments!r}, standalone_mode=False) or 0\n"
        "print(status, ' '.join(sorted(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    status, *modules = result.stderr.splitlines()[-1].split()
    assert status == "0", result.stderr
    assert not set(HEAVY) & set(modules)
    if light:
        assert not {"sympy", "numpy", "scipy", "lark", "rich"} & set(modules)


def test_version():
    import pdesl

    assert command("--version").stdout.split()[-1] == pdesl.__version__


def test_a_closed_pipe_is_no_error():
    result = subprocess.run(
        f"{sys.executable} -m pdesl list codes | head -n 1",
        shell=True, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "Traceback" not in result.stderr
    assert "defect" not in result.stderr


def test_a_terminal_without_greek_letters():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = command("fmt", "nonlinear_poisson_disk", env=environment)
    assert result.returncode == 0, result.stderr


def test_an_unknown_problem_is_no_traceback(tmp_path: Path):
    for verb in ("check", "run", "show", "fmt"):
        result = command(verb, "nonlinear_poison_disk", cwd=tmp_path)
        assert result.returncode == 1, result.stderr
        assert "nonlinear_poisson_disk" in result.stderr  # did you mean
        assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_cache_folder():
    assert cache_folder({"PDESL_CACHE_DIR": "/a"}) == Path("/a")
    if sys.platform != "darwin":
        assert cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/pdesl")
        assert cache_folder({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache" / "pdesl"


def test_configure_jax_without_jax(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    environment = {"PDESL_CACHE_DIR": str(tmp_path)}
    configure_jax(environment)
    assert environment["JAX_ENABLE_X64"] == "1"
    assert environment["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "jax")
    assert (tmp_path / "jax").is_dir()
    environment = {"JAX_COMPILATION_CACHE_DIR": "/mine"}
    configure_jax(environment)
    assert environment["JAX_COMPILATION_CACHE_DIR"] == "/mine"


def test_configure_jax_without_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    (tmp_path / "file").write_text("")
    environment = {"PDESL_CACHE_DIR": str(tmp_path / "file")}
    configure_jax(environment)
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


@pytest.mark.parametrize("imported_first", [False, True])
def test_configure_jax_reaches_jax(tmp_path: Path, imported_first: bool):
    script = (
        ("import jax\n" if imported_first else "")
        + "from pdesl.run.accelerator import configure_jax\nconfigure_jax()\nimport jax\n"
        "print(jax.numpy.ones(1).dtype, jax.config.jax_compilation_cache_dir)\n"
        "jax.jit(lambda x: x + 1)(1.0)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True,
        env=environment | {"PDESL_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert result.stdout.split() == ["float64", str(tmp_path / "jax")]
    assert list((tmp_path / "jax").iterdir())  # even a small program is kept


def test_control_c_in_mid_training(tmp_path: Path):
    """An interrupted training ends with status 130, its best network, and a way to go on."""
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-m", "pdesl", "run", "linear_poisson_disk", "--solver", "pinn",
         "--set", "solver.nodes=100", "--set", "solver.width=10", "--set", "solver.decrease=0",
         "--set", "solver.iterations=1000000", "-o", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=os.environ | {"PDESL_CACHE_DIR": str(tmp_path / "cache")},
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            assert process.stdout is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line.startswith("  iteration"):
                    break
            assert (out / ".pdesl-staging").is_dir(), lines
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            assert process.wait(timeout=30) == 130, rest
            assert "Traceback" not in rest
            said = process.stdout.read()
            assert "interrupted" in said
            assert f"pdesl run --resume {out}" in said
            assert {"poisson.h5", "metrics.json", CHECKPOINT} <= {p.name for p in out.iterdir()}
        finally:
            process.kill()
