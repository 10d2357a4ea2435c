"""The language server, `pdesl lsp`: diagnostics, completion, hover, definition, rename, format.

It speaks the Language Server Protocol over standard input and output, or TCP, by pygls. Every
change is answered with what reading finds, and with what elaborating and the full check find: at
once where they were quick the last time, else when the keys have been still for a moment.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from pdesl import __version__
from pdesl.diagnostics import Diagnostic, Severity, Source, Span
from pdesl.run.editor.document import Document, RenameError
from pdesl.run.editor.help import complete, hover

__all__ = ["make_server"]

# A stage of at most so many CPU seconds runs at every keystroke, others when nothing is typed.
QUICK = 0.03
STILL = 0.25
_STAGES = ("elaborate", "check")

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}
_KINDS = {
    "block": types.CompletionItemKind.Module,
    "operator": types.CompletionItemKind.Operator,
    "function": types.CompletionItemKind.Function,
    "form": types.CompletionItemKind.Function,
    "shape": types.CompletionItemKind.Class,
    "metric": types.CompletionItemKind.Class,
    "method": types.CompletionItemKind.Class,
    "option": types.CompletionItemKind.Property,
    "choice": types.CompletionItemKind.EnumMember,
    "type": types.CompletionItemKind.TypeParameter,
    "keyword": types.CompletionItemKind.Keyword,
    "sign": types.CompletionItemKind.Text,
    "field": types.CompletionItemKind.Field,
    "coordinate": types.CompletionItemKind.Variable,
    "parameter": types.CompletionItemKind.Constant,
}


@dataclass(slots=True)
class _Open:
    """What the server knows of open texts; `stages`: how many stages run at a keystroke."""

    documents: dict[str, Document] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, asyncio.Task[None]] = field(default_factory=dict)


def make_server() -> LanguageServer:
    """A server that has not been started."""
    server = LanguageServer(
        "pdesl", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Incremental
    )
    state = _Open()

    def document_of(uri: str) -> tuple[TextDocument, Document]:
        text = server.workspace.get_text_document(uri)
        known = state.documents.get(uri)
        if known is None or known.source.text != text.source:
            known = Document(Source(_name(uri), text.source, _folder(uri)))
            state.documents[uri] = known
        return text, known

    def publish(uri: str, found: tuple[Diagnostic, ...]) -> None:
        text = server.workspace.get_text_document(uri)
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(
                uri, [_diagnostic(text, d) for d in found], version=text.version
            )
        )

    def judge(uri: str, document: Document) -> None:
        quick = [document.seconds(stage) <= QUICK for stage in _STAGES]
        state.stages[uri] = 2 if all(quick) else int(quick[0])

    async def check_when_still(uri: str, version: int | None) -> None:
        await asyncio.sleep(STILL)
        text, document = document_of(uri)
        if text.version != version:
            return
        found = await asyncio.to_thread(lambda: (document.diagnostics, document.full_check)[1])
        if server.workspace.get_text_document(uri).version == version:
            judge(uri, document)
            publish(uri, found)

    def look(uri: str) -> None:
        text, document = document_of(uri)
        old = state.waiting.pop(uri, None)
        if old is not None:
            old.cancel()
        stages = state.stages.get(uri, 1)
        found = document.parsed.diagnostics if stages == 0 else document.diagnostics
        if stages == 2 and not any(d.severity is Severity.ERROR for d in found):
            found = document.full_check
            judge(uri, document)
            publish(uri, found)
            return
        publish(uri, tuple(found))
        state.waiting[uri] = asyncio.ensure_future(check_when_still(uri, text.version))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        look(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        look(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        task = state.waiting.pop(uri, None)
        if task is not None:
            task.cancel()
        state.documents.pop(uri, None)
        state.stages.pop(uri, None)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=["\\", "(", "=", ":", "∂"]),
    )
    async def completion(params: types.CompletionParams) -> types.CompletionList:
        text, document = document_of(params.text_document.uri)
        offset = text.offset_at_position(params.position)
        items = []
        for number, found in enumerate(complete(document, offset)):
            place = types.Range(_position(text, found.start), params.position)
            items.append(
                types.CompletionItem(
                    found.label,
                    kind=_KINDS.get(found.kind, types.CompletionItemKind.Variable),
                    detail=found.kind,
                    documentation=found.words,
                    text_edit=types.TextEdit(place, found.text),
                    filter_text=found.label,
                    sort_text=f"{number:04d}",
                )
            )
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        text, document = document_of(params.text_document.uri)
        found = hover(document, text.offset_at_position(params.position))
        if found is None:
            return None
        words, start, end = found
        content = types.MarkupContent(types.MarkupKind.Markdown, words)
        return types.Hover(content, types.Range(_position(text, start), _position(text, end)))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> types.Location | None:
        text, document = document_of(params.text_document.uri)
        span = document.definition(text.offset_at_position(params.position))
        return (
            None if span is None else types.Location(params.text_document.uri, _range(text, span))
        )

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def references(params: types.ReferenceParams) -> list[types.Location]:
        uri = params.text_document.uri
        text, document = document_of(uri)
        return [
            types.Location(uri, types.Range(_position(text, o.start), _position(text, o.end)))
            for o in document.references(text.offset_at_position(params.position))
        ]

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def rename(params: types.RenameParams) -> types.WorkspaceEdit:
        uri = params.text_document.uri
        text, document = document_of(uri)
        try:
            edits = document.rename(text.offset_at_position(params.position), params.new_name)
        except RenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        changes = [
            types.TextEdit(types.Range(_position(text, a), _position(text, b)), new)
            for a, b, new in edits
        ]
        return types.WorkspaceEdit(changes={uri: changes})

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare_rename(params: types.PrepareRenameParams) -> types.Range | None:
        text, document = document_of(params.text_document.uri)
        found = document.occurrence_at(text.offset_at_position(params.position))
        if found is None:
            return None
        return types.Range(_position(text, found.start), _position(text, found.end))

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        text, document = document_of(params.text_document.uri)
        new = document.formatted()
        if new is None or new == text.source:
            return []
        whole = types.Range(types.Position(0, 0), _position(text, len(text.source)))
        return [types.TextEdit(whole, new)]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        text, document = document_of(params.text_document.uri)
        return [
            types.DocumentSymbol(
                name=block.name + (f' "{block.argument}"' if block.argument else ""),
                kind=types.SymbolKind.Namespace,
                range=_range(text, span),
                selection_range=_range(text, span),
            )
            for block, span in document.outline()
        ]

    return server


def _name(uri: str) -> str:
    return Path(unquote(urlsplit(uri).path)).name or uri


def _folder(uri: str) -> str:
    parts = urlsplit(uri)
    return str(Path(unquote(parts.path)).parent) if parts.scheme == "file" else ""


def _position(text: TextDocument, offset: int) -> types.Position:
    return text.client_position_at_offset(offset)


def _range(text: TextDocument, span: Span) -> types.Range:
    return types.Range(_position(text, span.start), _position(text, span.end))


def _diagnostic(text: TextDocument, found: Diagnostic) -> types.Diagnostic:
    span = found.span
    place = types.Range(types.Position(0, 0), types.Position(0, 1))
    if span is not None and span.end <= len(text.source):
        end = max(span.end, span.start + 1) if span.start < len(text.source) else span.end
        place = types.Range(_position(text, span.start), _position(text, end))
    related: list[Any] = [
        types.DiagnosticRelatedInformation(types.Location(text.uri, _range(text, other)), words)
        for other, words in found.related
        if other.source.text == text.source
    ]
    helps = "".join(f"\nhelp: {words}" for words in found.helps)
    return types.Diagnostic(
        range=place,
        message=found.message + helps,
        severity=_SEVERITIES[found.severity],
        code=found.code,
        source="pdesl",
        related_information=related or None,
    )
