"""Runs the problems that come with pdesl and keeps what the page `gallery` shows of each.

    python docs/gallery.py                       every problem, into docs/gallery
    python docs/gallery.py heat_disk wave_flrw   these two
    python docs/gallery.py --within 60 -o DIR    those that fit into 60 seconds; the rest is copied

Of a problem are kept NAME.json (the command, errors, seconds) and NAME.png, the picture of its run
in few colours. They are part of the repository, so that the documentation builds without running
anything; `PDESL_GALLERY=DIR mkdocs build` takes another folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from pdesl.resources import problems_folder

HERE = Path(__file__).resolve().parent / "gallery"
WIDTH = 960  # pixels of a picture at the most
COLOURS = 256
#: Settings of problems whose default run is long, and of those that name no discretisation.
QUICK = {
    "wave_kerr_schild": ("solver.space=finite_difference(21)",),
    "wave_maps_schwarzschild": ("solver.samples=400", "solver.width=16"),
}


def names() -> list[str]:
    """The problems of the catalogue."""
    return sorted(path.stem for path in problems_folder().glob("*.pde"))


def command_of(name: str) -> list[str]:
    """The command that makes the result of a problem."""
    settings = [part for setting in QUICK.get(name, ()) for part in ("--set", setting)]
    return ["pdesl", "run", name, *settings]


def make(name: str, folder: Path) -> float:
    """Run a problem and keep its picture and its numbers; returns the CPU seconds that it took."""
    with TemporaryDirectory() as place:
        _, *rest = command_of(name)
        before = spent()
        done = subprocess.run(
            [sys.executable, "-m", "pdesl", *rest, "-o", place, "--quiet"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr}")
        metrics = json.loads((Path(place) / "metrics.json").read_text(encoding="utf-8"))
        seconds = spent() - before
        shrink(Path(place) / f"{name}.png", folder / f"{name}.png")
    kept = {**digest(name, metrics), "seconds": round(seconds, 1)}
    text = json.dumps(kept, ensure_ascii=False, indent=2)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return float(kept["seconds"])


def spent() -> float:
    """Seconds that processors worked for the processes started here, whatever else they did."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def digest(name: str, metrics: dict[str, Any]) -> dict[str, Any]:
    """What the page says of a run."""
    errors = metrics.get("errors") or {}
    return {
        "command": shlex.join(command_of(name)),
        "solver": metrics["solver"],
        "errors": {
            field: {key: error[key] for key in ("relative_l2", "linf", "against")}
            for field, error in errors.items()
        },
        "stop_reason": metrics.get("stop_reason", ""),
        "quality": metrics.get("quality", {}),
    }


def shrink(source: Path, target: Path) -> None:
    """A picture of at most `WIDTH` pixels in few colours: some 100 kB."""
    with Image.open(source) as picture:
        plain = picture.convert("RGB")
        if plain.width > WIDTH:
            plain = plain.resize(
                (WIDTH, round(plain.height * WIDTH / plain.width)), Image.Resampling.LANCZOS
            )
        # By coverage and not by frequency, so that the rare ends of a colour map stay; mixed, so
        # that no steps are seen where the solution has none.
        few = plain.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        mixed = plain.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
        mixed.save(target, optimize=True)


def chosen(wanted: list[str], within: float | None, known: Path) -> list[str]:
    """The problems to run: those wanted, else the quickest ones that fit into the seconds."""
    if wanted or within is None:
        return wanted or names()
    seconds: dict[str, float] = {}
    for name in names():
        record = known / f"{name}.json"
        if record.exists():
            seconds[name] = json.loads(record.read_text(encoding="utf-8"))["seconds"]
    found: list[str] = []
    for name in sorted(seconds, key=lambda n: seconds[n]):
        within -= seconds[name] + 2.0  # to start, and to draw
        if within < 0:
            break
        found.append(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-o", "--output", type=Path, default=HERE, metavar="DIR")
    parser.add_argument("--within", type=float, metavar="SECONDS")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names())
    if unknown:
        parser.error(f"there is no problem {', '.join(sorted(unknown))}")
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    if folder.resolve() != HERE:
        for path in HERE.glob("*.*"):
            shutil.copy(path, folder / path.name)
    for name in chosen(arguments.names, arguments.within, HERE):
        print(f"{name}: {make(name, folder):.1f} s", flush=True)


if __name__ == "__main__":
    main()
