"""The local server's socket: one name in the home, there only while somebody listens."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

import anyio

from hephaestus_tickets.local.endpoint import SOCKET_NAME, Inside
from hephaestus_tickets.local.home import Home

_BACKLOG = 512
_HALF_MADE = Path(f"{SOCKET_NAME}.new")
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ROOM_PAUSE_S = 0.1


class Listener:
    """Listens from the start; for who holds the home's lock."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        with Inside(str(home.run)):
            _HALF_MADE.unlink(missing_ok=True)
            self._socket.bind(str(_HALF_MADE))
            _HALF_MADE.chmod(0o600)
            self._socket.listen(_BACKLOG)
            _HALF_MADE.replace(SOCKET_NAME)
        self._ours = home.socket.lstat()

    def is_found(self) -> bool:
        """Whether the home's name for it still leads here."""
        try:
            return os.path.samestat(self._home.socket.lstat(), self._ours)
        except OSError:
            return False

    async def accept(self) -> socket.socket:
        while True:
            await anyio.wait_readable(self._socket)
            try:
                return self._socket.accept()[0]
            except (BlockingIOError, ConnectionError):  # gone before we looked
                continue
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                await anyio.sleep(_ROOM_PAUSE_S)

    def close(self) -> None:
        """Nobody finds us any more; who had found us already starts over."""
        if self._socket.fileno() < 0:
            return
        if self.is_found():
            self._home.socket.unlink()
        with suppress(OSError):
            while True:
                self._socket.accept()[0].close()
        self._socket.close()
