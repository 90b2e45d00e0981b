"""The socket that an HTTP server of ours listens on."""

from __future__ import annotations

import socket

from hephaestus_tickets.domain.errors import SetupError

_BACKLOG = 512


def listening(host: str, port: int, chosen_by: str) -> socket.socket:
    """Raises SetupError, which names what the port is `chosen_by`."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another {chosen_by}, "
            "or end what uses it."
        ) from error
    # For what it accepts; asyncio does so only where a socket names its protocol. Without it each
    # answer on a connection that is kept waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def shown_address(host: str, listener: socket.socket) -> str:
    """`host:port`, as it stands in a URL."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{listener.getsockname()[1]}"
