"""Random texts of the language: from its grammar, and by changes of texts that are right.

    python -m tests.fuzz --inputs 100000 [--seed 0] [--elaborated 0.02] [--atheris]

Every text is read, its diagnostics are rendered, and what can be read is printed in both spellings
and read again to the same tree; a share of them is checked as a whole. Nothing but diagnostics may
come of it, within `SECONDS` of the processor and `BYTES` of memory. The report names the slowest
texts. With --atheris the changes of texts are found by coverage (package `atheris`, Python up to
3.13, Clang): it runs until it is stopped, or with libFuzzer's options behind `--`.
"""

from __future__ import annotations

import argparse
import heapq
import random
import re
import resource
import signal
import sys
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from lark.grammar import Rule, Symbol

from pdesl.codes import CODES
from pdesl.diagnostics import Diagnostic, ProblemError, Source, render_all
from pdesl.language.grammar import line_parser
from pdesl.language.parser import parse
from pdesl.language.printer import format_module
from pdesl.resources import problems_folder

__all__ = ["SECONDS", "derived", "examine", "mutated", "texts"]

SECONDS, BYTES = 2.0, 1_000_000_000

#: What terminals of the grammar are written as; others are written as the grammar says.
SAMPLES: dict[str, tuple[str, ...]] = {
    "NAME": ("u", "v", "x", "y", "t", "κ", "f", "sin", "exp", "norm", "exact", "disk", "α_1", "g",
             "load", "unknown", "n", "scalar", "vector", "at", "on", "runs.u", "__class__", "ψ̂"),
    "NUMBER": ("0", "1", "2", "0.5", "3e8", "1e-300", "1e300", ".5", "17", "007", "9" * 30),
    "STRING": ('"u.h5"', '"x"', '""', '"../a.csv"'),
    "NABLA": ("∇", "∇_μ", "∇^{μ}", "∇_{x}"),
    "DERIVATIVE": ("∂x", "∂t", "∂x²", "∂_μ", "∂^{ν}", "∂n", "∂y⁴", "∂q"),
    "INDICES": ("^{μν}", "_{μν}", "^{μ}_{ν}", "_{ij}", "^{0}_{1}", "_{}"),
    "SUPERSCRIPT": ("²", "³", "⁻¹", "⁰", "⁹⁹"),
    "FUNCTION_POWER": ("²", "³"), "ON": ("on",), "IN": ("in",), "EVERY": ("every",), "AT": ("at",),
    "WHEN": ("when",), "CALL": ("(",), "SUBSCRIPT": ("[",), "UNIT": ("[",), "BOUNDARY": ("∂Ω",),
    "TIMES": ("*",), "DOT": ("·", "∙"), "CROSS": ("×",), "SLASH": ("/",), "POWER": ("^", "**"),
    "ORDER": ("<", "<=", "≥"), "APPROXIMATELY": ("≈",), "MEMBER": ("∈",), "ARROW": ("->",),
    "TOLERANCE": ("±",), "MINUS": ("-", "−"), "COLON": (":",), "EQUALS": ("=",), "PLUS": ("+",),
}  # fmt: skip
#: Terminals that stand right behind what is before them.
CLOSE = {"CALL", "SUBSCRIPT", "FUNCTION_POWER", "INDICES", "SUPERSCRIPT"}
SIGNS = "(){}[]^*/+-=<>≈≤≥∈±·×∂∇□∫²⁻³_.,:;#\"'\\\t\n\r\x00\ufeff∆µ√%°∞~!?|\u202e\U0001d465\u0301"
BLOCKS = ("domain", "parameters", "fields", "let", "equations", "boundary", "initial", "solver",
          "output", "metric", "manufactured", "verify", "sweep", "data", "fit", "closure",
          "wrong")  # fmt: skip
TOKEN = re.compile(r"[^\W\d]\w*|\d+\.?\d*(?:[eE][+-]?\d+)?|\s+|.", re.DOTALL)
NUMBERS = ("0", "1", "-1", "1e300", "1e-300", "0.5", "10000000000", "(1/3)", "π", "64", "nan")


@cache
def texts() -> tuple[str, ...]:
    """Every problem that comes with pdesl, and the examples of the tests."""
    here = Path(__file__).parent
    folders = (problems_folder(), here / "language" / "examples", here / "symbolic" / "examples")
    return tuple(
        path.read_text(encoding="utf-8") for f in folders for path in sorted(f.glob("*.pde"))
    )


# -- from the grammar ----------------------------------------------------------------------


@cache
def _rules() -> tuple[dict[str, list[Rule]], dict[str, list[Rule]], dict[str, str]]:
    """Rules by what they make, those of them that end soonest, and literal terminals."""
    parser = line_parser()
    rules: dict[str, list[Rule]] = {}
    for rule in parser.rules:
        rules.setdefault(str(rule.origin.name), []).append(rule)
    depth = dict.fromkeys(rules, 10**6)
    changed = True
    while changed:
        changed = False
        for name, own in rules.items():
            least = min(_height(rule, depth) for rule in own)
            changed |= least < depth[name]
            depth[name] = min(least, depth[name])
    literals = {t.name: str(t.pattern.value) for t in parser.terminals}
    short = {n: [r for r in own if _height(r, depth) == depth[n]] for n, own in rules.items()}
    return rules, short, literals


def _height(rule: Rule, depth: dict[str, int]) -> int:
    return 1 + max((depth[str(s.name)] for s in rule.expansion if not s.is_term), default=0)


def derived(chance: random.Random, start: str = "statement", deepest: int = 14) -> str:
    """A text that the grammar derives from `start`, by random choices down to some depth."""
    rules, short, literals = _rules()
    pieces: list[str] = []

    def write(symbol: Symbol, left: int) -> None:
        name = str(symbol.name)
        if symbol.is_term:
            text = chance.choice(SAMPLES.get(name, (literals.get(name, ""),)))
            pieces.append(text if name in CLOSE else f" {text}")
            return
        own = rules[name] if left > 0 else short[name]
        for inner in chance.choice(own).expansion:
            write(inner, left - 1)

    for symbol in chance.choice(rules[start]).expansion:
        write(symbol, deepest)
    return "".join(pieces).strip()


def _with_statement(chance: random.Random, text: str) -> str:
    """A text with a derived statement in place of a line of it, or behind one."""
    lines = text.split("\n")
    inner = [k for k, line in enumerate(lines) if line.startswith("    ")] or [0]
    k = chance.choice(inner)
    new = f"    {derived(chance, deepest=chance.randint(4, 14))}"
    lines[k : k + chance.randint(0, 1)] = [new]
    return "\n".join(lines)


# -- from texts ----------------------------------------------------------------------------


def mutated(chance: random.Random, text: str) -> str:
    """A text with some of its tokens deleted, doubled, swapped or replaced."""
    tokens = TOKEN.findall(text)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if len(tokens) < 2:
            break
        k = chance.randrange(len(tokens))
        match chance.randrange(10):
            case 0 | 1:
                del tokens[k : k + chance.choice((1, 1, 2, 5, 20))]
            case 2:
                tokens[k:k] = tokens[k : k + chance.randint(1, 4)] * chance.choice((1, 1, 2, 50))
            case 3 | 4:
                other = chance.randrange(len(tokens))
                tokens[k], tokens[other] = tokens[other], tokens[k]
            case 5 | 6:
                numbers = [i for i, token in enumerate(tokens) if token[0].isdigit()]
                tokens[chance.choice(numbers or [k])] = chance.choice(NUMBERS)
            case 7:
                tokens[k] = chance.choice(SIGNS)
            case 8:
                tokens[k] = "".join(
                    chr(chance.choice((chance.randrange(32, 0x3000), chance.randrange(0xD800))))
                    for _ in range(chance.randint(1, 4))
                )
            case _:
                names = [i for i, token in enumerate(tokens) if token[0].isalpha()]
                if names:
                    tokens[chance.choice(names)] = tokens[chance.choice(names)]
    return "".join(tokens)


def random_text(chance: random.Random) -> str:
    """A statement of the grammar in some block, or a changed problem, evenly by their number."""
    kind = chance.random()
    if kind < 0.7:
        return f"{chance.choice(BLOCKS)}:\n    {derived(chance, deepest=chance.randint(2, 12))}\n"
    text = chance.choice(texts())
    return mutated(chance, text) if kind < 0.9 else _with_statement(chance, text)


def random_problem(chance: random.Random) -> str:
    """A changed problem, which is more often one that can be checked to its end."""
    text = chance.choice(texts())
    return mutated(chance, text) if chance.random() < 0.5 else _with_statement(chance, text)


# -- what comes of it ----------------------------------------------------------------------


def examine(text: str, *, printed: bool = True, elaborated: bool = False) -> float:
    """Read a text, print it if it is to be, and check it if it is to be; the seconds that took.

    Raises:
        AssertionError: a diagnostic without its place, another tree of what was printed, too long.
        Exception: whatever else should not have come of it.
    """
    begin = time.process_time()
    result = parse(Source("fuzz.pde", text))
    _judge(result.diagnostics, text)
    if result.module is not None and printed:
        for style in ("unicode", "ascii"):
            form = format_module(result.module, style)
            again = parse(Source("printed.pde", form))
            assert again.module == result.module, form
    if elaborated:
        from pdesl.run.pipeline import check

        try:
            found = check(Source("fuzz.pde", text)).diagnostics
        except ProblemError as error:
            found = error.diagnostics
        _judge(found, None)
    seconds = time.process_time() - begin
    assert seconds < SECONDS, f"{seconds:.1f} s"
    return seconds


def _judge(diagnostics: tuple[Diagnostic, ...], text: str | None) -> None:
    for diagnostic in diagnostics:
        assert diagnostic.code in CODES
        assert diagnostic.message
        if text is not None:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
    render_all(diagnostics[:3])


# -- the script ----------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elaborated", type=float, default=0.02, help="share that is checked")
    parser.add_argument("--atheris", action="store_true")
    given, rest = parser.parse_known_args()
    if given.atheris:
        _by_coverage(rest)
        return
    signal.signal(signal.SIGALRM, _hang)
    slowest: list[tuple[float, int]] = []
    wrong = 0
    begin = time.process_time()
    for number in range(given.inputs):
        chance = random.Random(f"{given.seed} {number}")
        elaborated = chance.random() < given.elaborated
        text = random_problem(chance) if elaborated else random_text(chance)
        signal.alarm(60)
        try:
            seconds = examine(text, elaborated=elaborated)
        except Exception as error:
            wrong += 1
            sys.stdout.write(f"--- input {number}: {type(error).__name__}: {error}\n{text}\n")
            continue
        finally:
            signal.alarm(0)
        (heapq.heappush if len(slowest) < 5 else heapq.heappushpop)(slowest, (seconds, number))
    spent = time.process_time() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    longest = ", ".join(f"{s:.2f} s (input {n})" for s, n in sorted(slowest, reverse=True))
    sys.stdout.write(
        f"{given.inputs:,} inputs of seed {given.seed}: {wrong} defects, {spent:.0f} s, "
        f"{memory / 1e6:.0f} MB at most; slowest {longest}\n"
    )
    sys.exit(bool(wrong) or memory > BYTES)


def _hang(number: int, frame: Any) -> None:
    raise TimeoutError("a minute has passed")


def _by_coverage(arguments: list[str]) -> None:
    atheris: Any = import_module("atheris")

    atheris.instrument_all()

    def one(data: bytes) -> None:
        examine(data.decode("utf-8", "ignore"))

    atheris.Setup([sys.argv[0], *(a for a in arguments if a != "--")], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
