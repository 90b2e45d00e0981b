"""`embeddings-server`: the bundled model for other programs, as OpenAI serves its own."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from hephaestus_tickets.adapters.embeddings.local import LocalEmbedder
from hephaestus_tickets.adapters.embeddings.served import embeddings_app
from hephaestus_tickets.app.listening import listening, shown_address

_ENDING_S = 5


def embeddings_server(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8400,
) -> None:
    """Serve the bundled model all-MiniLM-L6-v2 as an OpenAI-compatible `/v1/embeddings`.

    Any number of trackers can share one: EMBEDDING_PROVIDER=openai,
    EMBEDDING_BASE_URL=http://127.0.0.1:8400/v1, EMBEDDING_MODEL=all-MiniLM-L6-v2,
    EMBEDDING_DIM=384. It asks for no key: keep it on an address that only they reach.
    """
    with listening(host, port, "--port") as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                embeddings_app(LocalEmbedder()),
                http="h11",  # httptools lets malformed headers through
                ws="none",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=_ENDING_S,
            )
        )
        _end_by_signal(server)
        typer.echo(f"Serving http://{shown_address(host, listener)}/v1/embeddings")
        server.run(sockets=[listener])


def _end_by_signal(server: uvicorn.Server) -> None:
    """Once it has ended, uvicorn sends the signal to whoever had it before: to us."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, end)
