"""The VS Code extension as a `.vsix` without npm: a ZIP archive with a manifest, as vsce makes it.

Where the client of the language server was not built (`npm run compile`), the package is one of
colours, snippets and brackets alone, which needs no Node.js.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

__all__ = ["pack"]

_TYPES = {
    ".json": "application/json",
    ".js": "application/javascript",
    ".map": "application/json",
    ".md": "text/markdown",
    ".vsixmanifest": "text/xml",
}
_FILES = ("language-configuration.json", "README.md", "syntaxes/*.json", "snippets/*.json")
_CLIENT = "out/extension.js"
#: Entries of package.json that belong to the client or to building it.
_OF_CLIENT = ("main", "dependencies")
_OF_BUILDING = ("scripts", "devDependencies")
# A time for every entry, so that the same files give the same bytes.
_TIME = (2024, 1, 1, 0, 0, 0)


def pack(folder: Path, target: Path) -> bool:
    """Write the extension in a folder as a `.vsix`.

    Args:
        folder: the extension, `docs/editor/vscode`.
        target: the file to write.

    Returns:
        Whether the client of the language server is in it.
    """
    described: dict[str, Any] = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    whole = (folder / _CLIENT).exists() and (folder / "node_modules").exists()
    for name in (*_OF_BUILDING, *(() if whole else _OF_CLIENT)):
        described.pop(name, None)
    if not whole:
        for name in ("commands", "configuration"):
            described["contributes"].pop(name, None)
    entries = {
        "extension.vsixmanifest": _manifest(described).encode(),
        "[Content_Types].xml": _content_types().encode(),
        "extension/package.json": json.dumps(described, indent=2, ensure_ascii=False).encode(),
    }
    for path in _files(folder, whole):
        entries[f"extension/{path.as_posix()}"] = (folder / path).read_bytes()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    return whole


def _files(folder: Path, whole: bool) -> Iterator[Path]:
    for pattern in _FILES:
        yield from (path.relative_to(folder) for path in sorted(folder.glob(pattern)))
    if not whole:
        return
    yield from (path.relative_to(folder) for path in sorted(folder.glob("out/*.js")))
    for module in sorted(_needed(folder)):
        for path in sorted((folder / "node_modules" / module).rglob("*")):
            if path.is_file() and path.suffix in (".js", ".json") and ".bin" not in path.parts:
                yield path.relative_to(folder)


def _needed(folder: Path) -> set[str]:
    """The modules that the client needs, and those that they need."""
    found: set[str] = set()
    waiting = [folder / "package.json"]
    while waiting:
        described = json.loads(waiting.pop().read_text(encoding="utf-8"))
        for name in described.get("dependencies", {}):
            own = folder / "node_modules" / name / "package.json"
            if name not in found and own.exists():
                found.add(name)
                waiting.append(own)
    return found


def _content_types() -> str:
    lines = "".join(
        f'<Default Extension="{suffix}" ContentType="{kind}"/>' for suffix, kind in _TYPES.items()
    )
    space = "http://schemas.openxmlformats.org/package/2006/content-types"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Types xmlns="{space}">{lines}</Types>\n'


def _manifest(described: dict[str, Any]) -> str:
    """What the installer reads, from package.json."""
    identity = " ".join(
        f"{name}={quoteattr(value)}"
        for name, value in (
            ("Language", "en-US"),
            ("Id", described["name"]),
            ("Version", described["version"]),
            ("Publisher", described["publisher"]),
        )
    )
    engine = quoteattr(described["engines"]["vscode"])
    space = "http://schemas.microsoft.com/developer/vsx-schema/2011"
    return f"""<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="{space}">
  <Metadata>
    <Identity {identity}/>
    <DisplayName>{escape(described["displayName"])}</DisplayName>
    <Description xml:space="preserve">{escape(described["description"])}</Description>
    <Categories>{escape(",".join(described["categories"]))}</Categories>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value={engine}/>
    </Properties>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true"/>
  </Assets>
</PackageManifest>
"""  # noqa: E501
