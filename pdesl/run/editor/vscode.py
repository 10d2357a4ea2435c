"""The parts of the VS Code extension that follow from the tables: its grammar and its snippets.

`python -m pdesl.run.editor.vscode FOLDER` writes them; a test compares the files of the checkout.
With `--pack FILE.vsix` the folder is packed too (see `package`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pdesl.run.editor.package import pack
from pdesl.run.editor.vocabulary import BLOCK_WORDS, signs, vocabulary

__all__ = ["FILES", "main", "textmate_grammar", "unicode_snippets"]


def _words(*kinds: str) -> str:
    names = {word.name for word in vocabulary() if word.kind in kinds}
    return "|".join(re.escape(name) for name in sorted(names, key=lambda n: (-len(n), n)))


def textmate_grammar() -> dict[str, object]:
    """The grammar that colours a text, in TextMate's notation."""

    def rule(scope: str, match: str) -> dict[str, str]:
        return {"name": f"{scope}.pde", "match": match}

    before, after = r"(?<![\p{L}\p{N}_])", r"(?![\p{L}\p{N}_])"

    def word(scope: str, names: str) -> dict[str, str]:
        return rule(scope, f"{before}(?:{names}){after}")

    name = r"[\p{L}_][\p{L}\p{M}_0-9]*"
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "pdesl",
        "scopeName": "source.pde",
        "fileTypes": ["pde"],
        "patterns": [
            rule("comment.line.number-sign", r"#.*$"),
            {"name": "string.quoted.double.pde", "begin": '"', "end": '"|$'},
            rule("keyword.control.version", r"^pdesl(?=\s+\d)"),
            rule("keyword.control.block", rf'^(?:{_words("block")})(?=\s*("[^"]*")?\s*:)'),
            {
                "match": r"(\d+\.?\d*(?:[eE][+-]?\d+)?)\s+(\[[^\]]*[\p{L}%°][^\]]*\])",
                "captures": {
                    "1": {"name": "constant.numeric.pde"},
                    "2": {"name": "support.constant.unit.pde"},
                },
            },
            rule("constant.numeric", rf"{before}(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"),
            rule("keyword.operator.derivative", rf"∂(?:[_^]?{name}|[_^]\{{[^}}]*\}})[⁰¹²³⁴-⁹]*"),
            rule("keyword.operator.nabla", r"∇(?:[_^](?:\{[^}]*\}|\p{L}))?[²⁴·×]?|[∫□]"),
            word("keyword.other", _words("keyword")),
            word("storage.type", _words("type")),
            rule("keyword.operator.word", rf"{before}(?:{_words('operator')})(?=\()"),
            rule("support.function", rf"{before}(?:{_words('function', 'form')})(?=\s*[(²³])"),
            word("entity.name.class", _words("shape", "metric", "method", "choice")),
            rule("variable.parameter.option", rf"{name}(?=\s*=[^=])"),
            rule("keyword.operator", r"->|→|≈|~=|<=|>=|≤|≥|±|\+/-|\*\*|[-+*/^=<>·×∈∊−]"),
            rule("constant.numeric.superscript", r"[⁺⁻⁰¹²³⁴-⁹]+"),
            rule("variable.other", name),
        ],
    }


def unicode_snippets() -> dict[str, object]:
    r"""Snippets for blocks, and `\name` for every sign that a keyboard lacks."""
    found: dict[str, object] = {}
    for name, sign in signs().items():
        found[f"sign {name}"] = {"prefix": f"\\{name}", "body": sign, "description": sign}
    for name, words in BLOCK_WORDS.items():
        head = f'{name} "${{1:name}}":' if name == "profile" else f"{name}:"
        body = [head, "    $0"]
        found[f"block {name}"] = {"prefix": name, "body": body, "description": words}
    return found


FILES = {
    "syntaxes/pde.tmLanguage.json": textmate_grammar,
    "snippets/pde.json": unicode_snippets,
}
"""Files of the extension by path, each with what makes its content."""


def content(path: str) -> str:
    """The text of one of `FILES`."""
    return json.dumps(FILES[path](), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Write the files into the folder of the extension, and pack it where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m pdesl.run.editor.vscode")
    parser.add_argument("folder", type=Path, help="folder of the extension")
    parser.add_argument("--pack", type=Path, metavar="FILE", help="package to write, .vsix")
    given = parser.parse_args(arguments)
    for path in FILES:
        target = given.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content(path), encoding="utf-8")
    if given.pack is not None:
        whole = pack(given.folder, given.pack)
        note = "" if whole else ", without the client: it is not built"
        sys.stdout.write(f"wrote {given.pack}{note}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
