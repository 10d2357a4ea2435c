"""The commands for editors: the language server."""

from __future__ import annotations

import click

__all__ = ["lsp"]


@click.command(short_help="Serve an editor: messages, completion, hover, rename, format.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Listen on this TCP port of the machine itself."
)
def lsp(port: int | None) -> None:
    """Serve an editor by the Language Server Protocol, on standard input and output.

    Needs the extra `editor`: pip install "pdesl[editor]".

    \b
    pdesl lsp
    pdesl lsp --port 2087
    """
    try:
        from pdesl.run.editor.server import make_server
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] == "pdesl":
            raise
        raise click.UsageError(
            f'the language server needs {error.name}: pip install "pdesl[editor]"'
        ) from None
    server = make_server()
    if port is None:
        server.start_io()
    else:
        server.start_tcp("127.0.0.1", port)
