"""The output folder: whole or not at all, one run at a time, nothing outside it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdesl.diagnostics import OutputError
from pdesl.run.folder import METRICS, OutputFolder, default_folder, replace_text, safe_name


def _text(words: str):
    return lambda path: path.write_text(words, encoding="utf-8")


def test_default_folder_is_named_after_the_problem():
    assert default_folder("problems/heat.pde") == Path("results/heat")
    assert default_folder("heat") == Path("results/heat")


def test_commit_puts_everything_in_place(tmp_path: Path):
    with OutputFolder(tmp_path / "a" / "b") as folder:
        folder.write("u.csv", _text("1"))
        folder.write("sub/v.csv", _text("22"))
        assert not (folder.path / "u.csv").exists()
        files = folder.commit({"seed": 3})
    assert [f.relative_to(tmp_path / "a" / "b").as_posix() for f in files] == [
        "u.csv",
        "sub/v.csv",
        METRICS,
    ]
    metrics = json.loads(files[-1].read_text())
    assert metrics["seed"] == 3
    assert metrics["files"]["sub/v.csv"]["bytes"] == 2
    assert {p.name for p in (tmp_path / "a" / "b").iterdir()} == {"u.csv", "sub", METRICS}


def test_without_commit_nothing_changes(tmp_path: Path):
    (tmp_path / "u.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt), OutputFolder(tmp_path) as folder:
        folder.write("u.csv", _text("new"))
        raise KeyboardInterrupt
    assert (tmp_path / "u.csv").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["u.csv"]


def test_a_folder_made_in_vain_is_removed(tmp_path: Path):
    with OutputFolder(tmp_path / "a" / "b") as folder:
        folder.write("u.csv", _text("new"))
    assert not (tmp_path / "a").exists()


def test_two_runs_into_one_folder_are_refused(tmp_path: Path):
    with OutputFolder(tmp_path):
        with pytest.raises(OutputError) as caught, OutputFolder(tmp_path):
            pass
        assert caught.value.code == "E812"
    with OutputFolder(tmp_path) as folder:
        folder.commit({})


def test_the_refused_run_leaves_the_first_one_alone(tmp_path: Path):
    with OutputFolder(tmp_path) as folder:
        folder.write("u.csv", _text("first"))
        with pytest.raises(OutputError), OutputFolder(tmp_path):
            pass
        folder.commit({})
    assert (tmp_path / "u.csv").read_text() == "first"


@pytest.mark.parametrize("below_a_file", [True, False])
def test_unusable_folder(tmp_path: Path, below_a_file: bool):
    if below_a_file:
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "out"
    else:
        path = tmp_path / "file"
        path.write_text("")
    with pytest.raises(OutputError) as caught, OutputFolder(path):
        pass
    assert caught.value.code in ("E810", "E811")
    assert "file" in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a read-only file system")
def test_unwritable_folder():
    with pytest.raises(OutputError) as caught, OutputFolder(Path("/proc/pdesl-out")):
        pass
    assert caught.value.code in ("E810", "E811")


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "/etc/passwd", "../u.h5", "a/../../u.h5", "~/u.h5", "C:u.h5", "a\\u.h5",
     "u\0.h5", "u\n.h5", ".hidden", "a/.b/u.h5", "sub/", "x" * 300, METRICS],
)  # fmt: skip
def test_names_that_leave_the_folder_are_refused(name: str):
    with pytest.raises(OutputError) as caught:
        safe_name(name)
    assert caught.value.code == "E813"


def test_links_that_leave_the_folder_are_refused(tmp_path: Path):
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (out / "link").symlink_to(outside)
    (out / "u.h5").symlink_to(outside / "u.h5")
    (out / "folder.h5").mkdir()
    with OutputFolder(out) as folder:
        for name in ("link/u.h5", "u.h5", "folder.h5"):
            with pytest.raises(OutputError) as caught:
                folder.write(name, _text("x"))
            assert caught.value.code == "E813"
    assert not list(outside.iterdir())


def test_a_failing_writer_loses_nothing(tmp_path: Path):
    (tmp_path / "u.csv").write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with OutputFolder(tmp_path) as folder, pytest.raises(OutputError) as caught:
        folder.write("u.csv", fail)
    assert caught.value.code == "E815"
    assert "No space left" in caught.value.message
    assert (tmp_path / "u.csv").read_text() == "old"


_WRITER = """
import sys, time
from pathlib import Path
from pdesl.run.folder import OutputFolder
number = int(sys.argv[2])
while True:
    number += 1
    with OutputFolder(Path(sys.argv[1])) as folder:
        for name in "abcdef":
            folder.write(name + ".csv", lambda path: path.write_text(str(number)))
        folder.commit({"number": number})
    print(number, flush=True)
"""


def test_a_killed_run_leaves_one_whole_result(tmp_path: Path):
    """Whatever moment a run is killed at, opening the folder next finds old or new, never both."""
    out, number, seen = tmp_path / "out", 0, []
    generator = random.Random(5)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(out), str(number)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(generator.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with OutputFolder(out):
            pass
        number = json.loads((out / METRICS).read_text())["number"]
        assert {(out / f"{name}.csv").read_text() for name in "abcdef"} == {str(number)}
        assert sorted(p.name for p in out.iterdir()) == [f"{n}.csv" for n in "abcdef"] + [METRICS]
        seen.append(number)
    assert seen == sorted(seen)
    assert seen[-1] > 8


def test_a_hostile_commit_note_cannot_write_outside(tmp_path: Path):
    staging = tmp_path / "out" / ".pdesl-staging"
    (staging / "files").mkdir(parents=True)
    (staging / "commit.json").write_text(json.dumps(["../stolen.csv"]))
    (staging / "stolen.csv").write_text("x")
    with pytest.raises(OutputError), OutputFolder(tmp_path / "out"):
        pass
    assert not (tmp_path / "stolen.csv").exists()


def test_replace_text_keeps_permissions(tmp_path: Path):
    path = tmp_path / "a.pde"
    path.write_text("old")
    path.chmod(0o640)
    replace_text(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.pde"]
    with pytest.raises(OutputError):
        replace_text(tmp_path / "missing" / "a.pde", "new")
