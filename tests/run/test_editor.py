"""Editors: names and where they stand, completion, hover, the server itself, the lexer."""

import json
import os
import shutil
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdesl.diagnostics import Source
from pdesl.language.parser import parse_or_raise, read_source
from pdesl.resources import malformed_folder, problems_folder
from pdesl.run.editor import vscode
from pdesl.run.editor.document import Document, RenameError
from pdesl.run.editor.help import complete, hover
from pdesl.run.editor.package import pack
from pdesl.run.editor.vocabulary import BLOCK_WORDS, signs, vocabulary

ROOT = Path(__file__).parents[2]
PROBLEMS = sorted(problems_folder().glob("*.pde"))

TEXT = """# A field with a unit
parameters:
    κ = 0.5 [m²/s]

domain:
    x, y ∈ [0, 1]
    t ∈ [0, 1]

fields:
    T(t, x, y) : scalar [K]
    v(t, x, y) : vector

equations:
    ∂t T = κ ∇²T + dx(T) + v_x T
    ∂t v = ∇²v

boundary:
    T = 0    on ∂Ω
    v = 0    on x = 0

output:
    at end: T(x=0.5, y=0.5) -> "T.csv"
"""


def document(text: str = TEXT) -> Document:
    return Document(Source("t.pde", text))


def labels(text: str) -> dict[str, str]:
    """What may stand at `|`, with the text that is put in."""
    offset = text.index("|")
    found = complete(document(text.replace("|", "", 1)), offset)
    return {entry.label: entry.text for entry in found}


def test_names_stand_where_they_are_written():
    found = document()
    places = {(o.name, TEXT[o.start : o.end]) for o in found.occurrences}
    assert places == {(n, n) for n in ("κ", "x", "y", "t", "T", "v")}
    count = {name: sum(o.name == name for o in found.occurrences) for name in "κxT"}
    # dx(T), v_x and T(x=0.5) name the coordinate x as well.
    assert count == {"κ": 2, "x": 7, "T": 7}


def test_definition_is_the_declaration():
    span = document().definition(TEXT.index("κ ∇²"))
    assert span is not None
    assert (span.line, span.text) == (3, "κ")
    assert document().definition(TEXT.index("output")) is None


def test_renaming_a_coordinate_reaches_derivatives_and_components():
    new = document().rename(TEXT.index("x, y"), "xi")
    text = TEXT
    for start, end, name in sorted(new, reverse=True):
        text = text[:start] + name + text[end:]
    assert "∂t T = κ ∇²T + dxi(T) + v_xi T" in text
    assert "T(xi=0.5, y=0.5)" in text
    before, after = (_codes(document(t)) for t in (TEXT, text))
    assert before == after


def _codes(found: Document) -> list[str]:
    return sorted(d.code for d in found.diagnostics)


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda p: p.stem)
def test_renaming_and_back_is_the_same_text(path: Path):
    source = read_source(path)
    first = Document(source)
    for name in list(first.declared.kinds)[:6]:
        places = [o for o in first.occurrences if o.name == name]
        if not places or len(name) > 6:
            continue
        if name == "t" and ("graph(" in source.text or ": vector" in source.text):
            continue  # beside a graph or vectors, its name alone tells that it is the time
        text = source.text
        for start, end, new in sorted(first.rename(places[0].start, "renamed_9"), reverse=True):
            text = text[:start] + new + text[end:]
        second = Document(Source(source.name, text, source.folder))
        back = second.rename(text.index("renamed_9"), source.text[places[0].start : places[0].end])
        for start, end, new in sorted(back, reverse=True):
            text = text[:start] + new + text[end:]
        assert parse_or_raise(Source("a", text)) == parse_or_raise(source)


@pytest.mark.parametrize(
    ("new", "words"), [("T", "already"), ("2x", "cannot be a name"), ("t", "already")]
)
def test_names_that_cannot_be_given(new: str, words: str):
    with pytest.raises(RenameError, match=words):
        document().rename(TEXT.index("κ"), new)
    with pytest.raises(RenameError, match="no name"):
        document().rename(0, "q")


def test_formatting_is_that_of_the_command_line():
    source = read_source(problems_folder() / "nonlinear_poisson_disk.pde")
    loose = source.text.replace(" = ", "  =  ")
    assert Document(Source("a.pde", loose)).formatted() == source.text
    assert document("equations:\n    u = = 1\n").formatted() is None
    plain = document("domain:\n    x in [0,1]\nfields:\n    u(x) : scalar\n").formatted()
    assert plain is not None
    assert plain.isascii()


def test_completion_knows_its_place():
    assert set(labels("|")) == set(BLOCK_WORDS)
    assert labels("eq|")["equations"].startswith("equations:\n")
    methods = labels("solver:\n    method = |")
    assert set(methods) >= {"dt_pinn", "rbf_fd"}
    assert methods["pinn"] == "pinn("
    assert labels("solver:\n    method = dt_pinn(nod|")["nodes"] == "nodes="
    assert "disk" in labels("domain:\n    Ω = |")
    assert labels("domain:\n    Ω = disk(|")["center"] == "center="
    assert "schwarzschild" in labels("metric:\n    g = |")
    assert "scalar" in labels(TEXT.replace("scalar [K]", "|"))
    names = labels(TEXT.replace("dx(T)", "|"))
    assert {"T", "κ", "lap", "exp"} <= set(names)
    assert not labels("equations:\n    # here |")


def test_signs_are_written_by_their_latex_names():
    found = labels("equations:\n    u = \\alp|")
    assert found == {"\\alpha": "α"}
    assert labels("equations:\n    u = x\\^2|") == {"\\^2": "²"}
    assert signs()["nabla"] == "∇"


def test_hover_tells_units_values_and_the_formula():
    found = document()
    words = hover(found, TEXT.index("κ ∇²"))
    assert words is not None
    assert "κ = 0.5 [m²/s]" in words[0]
    assert r"\partial_{t} T" in words[0]
    words = hover(found, TEXT.index("T(t, x"))
    assert words is not None
    assert "scalar over t, x, y" in words[0]
    assert "in K" in words[0]
    words = hover(found, TEXT.index("∇²T"))
    assert words is not None
    assert "lap(u)" in words[0]


def test_every_word_says_what_it_means():
    for word in vocabulary():
        assert word.words, word


@pytest.mark.parametrize("path", PROBLEMS[:3] + sorted(malformed_folder().glob("E1*.pde"))[:6])
def test_a_document_finds_what_the_compiler_finds(path: Path):
    source = read_source(path)
    found = Document(source)
    quick = {(d.code, d.span.start if d.span else -1) for d in found.diagnostics}
    assert quick <= {(d.code, d.span.start if d.span else -1) for d in found.full_check}
    assert found.seconds("elaborate") > 0


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet='uxt κ∂∇²=+-()[]":,#\n    ', max_size=80), st.integers(0, 80))
def test_no_text_hurts(text: str, place: int):
    found = document(TEXT + text)
    offset = min(place + len(TEXT) - 20, len(TEXT + text))
    complete(found, offset)
    hover(found, offset)
    for occurrence in found.occurrences:
        assert (TEXT + text)[occurrence.start : occurrence.end]


# -- the server ----------------------------------------------------------------------------


class Client:
    """A client of the language server over pipes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pdesl", "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.number = 0
        self.diagnostics: list[dict[str, Any]] = []

    def send(self, method: str, params: Any, number: int | None = None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        body = json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server ended"
        return json.loads(self.process.stdout.read(length))

    def ask(self, method: str, params: Any) -> dict[str, Any]:
        self.number += 1
        self.send(method, params, self.number)
        while True:
            message = self.receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics.append(message["params"])
            if message.get("id") == self.number and "method" not in message:
                return message

    def next_diagnostics(self) -> dict[str, Any]:
        while not self.diagnostics:
            message = self.receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics.append(message["params"])
        return self.diagnostics.pop(0)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    pytest.importorskip("pygls")
    found = Client()
    watch = threading.Timer(100, found.process.kill)  # a server that hangs fails its test
    watch.start()
    answer = found.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    capabilities = answer["result"]["capabilities"]
    for name in ("hover", "definition", "rename", "documentFormatting", "completion"):
        assert capabilities[f"{name}Provider"]
    found.send("initialized", {})
    yield found
    found.ask("shutdown", None)
    found.send("exit", None)
    assert found.process.wait(20) == 0
    watch.cancel()


def _open(client: Client, uri: str, text: str) -> None:
    client.diagnostics.clear()
    item = {"uri": uri, "languageId": "pde", "version": 1, "text": text}
    client.send("textDocument/didOpen", {"textDocument": item})


def _place(text: str, part: str) -> dict[str, int]:
    """A position in UTF-16 units, as clients count."""
    offset = text.index(part)
    line = text.count("\n", 0, offset)
    begin = text.rfind("\n", 0, offset) + 1
    return {"line": line, "character": len(text[begin:offset].encode("utf-16-le")) // 2}


def test_messages_come_as_one_types(client: Client):
    text = PROBLEMS[0].read_text(encoding="utf-8")
    uri = "file:///tmp/a.pde"
    _open(client, uri, text)
    assert client.next_diagnostics()["diagnostics"] == []
    place = _place(text, "equations:")
    change = {"range": {"start": place, "end": place}, "text": "qq = 1\n"}
    identity = {"uri": uri, "version": 2}
    client.send("textDocument/didChange", {"textDocument": identity, "contentChanges": [change]})
    while (found := client.next_diagnostics()).get("version") != 2:
        pass
    codes = {d["code"]: d for d in found["diagnostics"]}
    assert codes
    first = next(iter(codes.values()))
    assert first["source"] == "pdesl"
    assert first["severity"] == 1
    assert "help:" in first["message"]


def test_places_count_as_clients_count(client: Client):
    # A sign beyond the first plane takes two units in the positions of the protocol.
    text = TEXT.replace("# A field", "# 𝛼 A field").replace("κ = 0.5 [m²/s]", "κ = 0.5    # 𝛼𝛼")
    uri = "file:///tmp/b.pde"
    _open(client, uri, text)
    target = {"textDocument": {"uri": uri}, "position": _place(text, "κ ∇²")}
    answer = client.ask("textDocument/definition", target)["result"]
    assert answer["range"]["start"] == {"line": 2, "character": 4}
    answer = client.ask("textDocument/rename", {**target, "newName": "λ"})["result"]
    starts = {(e["range"]["start"]["line"], e["newText"]) for e in answer["changes"][uri]}
    assert starts == {(2, "λ"), (13, "λ")}
    answer = client.ask("textDocument/rename", {**target, "newName": "T"})
    assert "already" in answer["error"]["message"]
    answer = client.ask("textDocument/hover", target)["result"]
    assert "κ" in answer["contents"]["value"]
    options = {"tabSize": 4, "insertSpaces": True}
    answer = client.ask("textDocument/formatting", {**target, "options": options})["result"]
    assert answer == [] or answer[0]["newText"].startswith("# 𝛼 A field")
    symbols = client.ask("textDocument/documentSymbol", target)["result"]
    assert [s["name"] for s in symbols][:3] == ["parameters", "domain", "fields"]
    answer = client.ask("textDocument/completion", target)["result"]
    assert any(item["label"] == "T" for item in answer["items"])


# -- colours -------------------------------------------------------------------------------


def test_the_files_of_the_extension_follow_from_the_tables():
    for path in vscode.FILES:
        written = (ROOT / "docs" / "editor" / "vscode" / path).read_text(encoding="utf-8")
        assert written == vscode.content(path), (
            "python -m pdesl.run.editor.vscode docs/editor/vscode"
        )


def test_a_package_without_npm_holds_what_needs_no_client(tmp_path: Path):
    folder = ROOT / "docs" / "editor" / "vscode"
    targets = [tmp_path / "one.vsix", tmp_path / "two.vsix"]
    assert [pack(folder, target) for target in targets] == [False, False]
    assert targets[0].read_bytes() == targets[1].read_bytes()
    with zipfile.ZipFile(targets[0]) as archive:
        names = set(archive.namelist())
        described = json.loads(archive.read("extension/package.json"))
        manifest = ElementTree.fromstring(archive.read("extension.vsixmanifest"))
        types = ElementTree.fromstring(archive.read("[Content_Types].xml"))
    assert "main" not in described
    assert "dependencies" not in described
    contributed = described["contributes"]
    parts = [*contributed["grammars"], *contributed["snippets"]]
    parts += [{"path": entry["configuration"]} for entry in contributed["languages"]]
    assert {f"extension/{part['path'].removeprefix('./')}" for part in parts} <= names
    space = "{http://schemas.microsoft.com/developer/vsx-schema/2011}"
    identity = manifest.find(f"{space}Metadata/{space}Identity")
    assert identity is not None
    assert identity.attrib["Version"] == described["version"]
    assets = [asset.attrib["Path"] for asset in manifest.iter(f"{space}Asset")]
    assert assets
    assert set(assets) <= names
    known = {entry.attrib["Extension"] for entry in types}
    assert {Path(name).suffix for name in names} - {".xml"} <= known


def test_a_package_with_a_client_holds_the_modules_it_needs(tmp_path: Path):
    folder = tmp_path / "extension"
    shutil.copytree(ROOT / "docs" / "editor" / "vscode", folder)
    needed = {"vscode-languageclient": {"inner": "1"}, "inner": {}, "typescript": {}}
    for name, dependencies in needed.items():
        place = folder / "node_modules" / name
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"dependencies": dependencies}))
        (place / "main.js").write_text("")
    (folder / "out").mkdir()
    (folder / "out" / "extension.js").write_text("")
    vscode.main([str(folder), "--pack", str(tmp_path / "whole.vsix")])
    with zipfile.ZipFile(tmp_path / "whole.vsix") as archive:
        names = set(archive.namelist())
        assert json.loads(archive.read("extension/package.json"))["main"] == "./out/extension.js"
    assert "extension/out/extension.js" in names
    assert "extension/node_modules/inner/main.js" in names
    assert "extension/node_modules/typescript/main.js" not in names


def test_every_block_and_sign_has_a_snippet():
    found = vscode.unicode_snippets()
    prefixes = {entry["prefix"] for entry in found.values()}  # type: ignore[index]
    assert prefixes == {f"\\{name}" for name in signs()} | set(BLOCK_WORDS)


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda p: p.stem)
def test_the_lexer_loses_nothing_and_knows_every_sign(path: Path):
    pytest.importorskip("pygments")
    from pygments.token import Error

    from pdesl.run.editor.lexer import PdeLexer

    lexer = PdeLexer()
    text = path.read_text(encoding="utf-8")
    found = list(lexer.get_tokens(text))
    assert "".join(part for _, part in found) == text
    assert not [part for kind, part in found if kind in Error]
