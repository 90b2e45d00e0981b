"""A stand-in for a Qdrant server on loopback, which misbehaves as it is told.

Told nothing, it answers as Qdrant's REST interface does: see `qdrant_replies`.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.adapters.qdrant_replies import Held, Json, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered; as it stands, as Qdrant does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0  # before the answer
    content: bytes | None = None  # in place of the answer
    is_cut: bool = False  # the connection ends amid the body
    is_reset: bool = False  # the connection ends without an answer
    trickle: float = 0.0  # seconds between one byte of the body and the next
    wipes: bool = False  # everything is lost before it is asked


FINE = Behaviour()
RESET = Behaviour(is_reset=True)
CUT = Behaviour(is_cut=True)
GARBAGE = Behaviour(content=b'{"result": [')
STRANGE = Behaviour(content=b'{"result": null, "status": "ok", "time": 0}')
WIPED = Behaviour(wipes=True)


def failing(status: int, **headers: str) -> Behaviour:
    return Behaviour(
        status=status, headers={name.replace("_", "-"): told for name, told in headers.items()}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: str
    key: str  # of the api-key header
    body: Json

    @property
    def what(self) -> str:
        return f"{self.method} {self.path}"


class Stub:
    """What the server was asked, what it holds, and what it does next."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.held = Held()
        self.closing = threading.Event()
        self._always = FINE
        self._next: deque[Behaviour] = deque()
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def next(self, *behaviours: Behaviour) -> None:
        """For one request each, before what it does always."""
        self._next.extend(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        self._always = behaviour

    def wipe(self) -> None:
        with self._lock:
            self.held = Held()

    @contextmanager
    def away(self) -> Generator[None]:
        """Nobody listens meanwhile: connections are refused."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def asked(self, what: str) -> list[Asked]:
        """The requests of that kind, such as `PUT /collections/.*/points`."""
        return [each for each in self.requests if re.fullmatch(what, each.what)]

    def took(self, asked: Asked) -> Behaviour:
        with self._lock:
            self.requests.append(asked)
            return self._next.popleft() if self._next else self._always

    def answer(self, asked: Asked) -> object:
        """Raises Refused."""
        with self._lock:
            return self.held.answer(asked.what, asked.body)

    def start(self) -> None:
        self._server = _Server(self, self._port)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def qdrant_stub() -> Generator[Stub]:
    stub = Stub()
    stub.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        stub.stop()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False  # the end waits for each request, so that none outlives its test

    def __init__(self, stub: Stub, port: int) -> None:
        self.stub = stub
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    @property
    def stub(self) -> Stub:
        assert isinstance(self.server, _Server)
        return self.server.stub

    def _do(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"] or 0))
        asked = Asked(
            method=self.command,
            path=urlsplit(self.path).path,
            query=urlsplit(self.path).query,
            key=self.headers["api-key"] or "",
            body=json.loads(sent or b"{}"),
        )
        behaviour = self.stub.took(asked)
        self.stub.closing.wait(behaviour.seconds)
        if behaviour.is_reset:
            self._reset()
        else:
            self._answer(behaviour, *self._content(asked, behaviour))

    do_GET = do_PUT = do_POST = do_DELETE = _do  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing on the terminal."""

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _content(self, asked: Asked, behaviour: Behaviour) -> tuple[int, bytes]:
        if behaviour.wipes:
            self.stub.wipe()
        if behaviour.content is not None:
            return behaviour.status, behaviour.content
        status = behaviour.status
        said: Json = {"status": {"error": "as it was told"}}
        if status == 200:
            status, said = self._reply(asked)
        return status, json.dumps({**said, "time": 0.0}).encode()

    def _reply(self, asked: Asked) -> tuple[int, Json]:
        try:
            return 200, {"result": self.stub.answer(asked), "status": "ok"}
        except Refused as refused:
            return refused.status, {"status": {"error": str(refused)}}

    def _answer(self, behaviour: Behaviour, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not behaviour.trickle:
            self.wfile.write(content[: len(content) // 2] if behaviour.is_cut else content)
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.stub.closing.wait(behaviour.trickle):
                return
