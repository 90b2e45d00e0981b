"""A stand-in for an OpenAI-compatible server on loopback, which misbehaves as it is told."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

# Any: what a client sends as JSON.


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered; as it stands, with vectors."""

    status: int = 200
    message: str = ""
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0  # before the answer
    dimension: int | None = None  # in place of the right one
    count: int = 0  # vectors too many, or too few
    index: int | None = None  # of each vector
    number: float | None = None  # in each vector, such as NaN
    content: bytes | None = None  # in place of any JSON
    is_cut: bool = False  # the connection ends amid the body
    is_reset: bool = False  # the connection ends without an answer
    is_shuffled: bool = False  # the last vector first


FINE = Behaviour()
RESET = Behaviour(is_reset=True)
CUT = Behaviour(is_cut=True)
GARBAGE = Behaviour(content=b'{"data": [')
NAN = Behaviour(number=math.nan)
SHUFFLED = Behaviour(is_shuffled=True)


def failing(status: int, message: str = "", code: str | None = None) -> Behaviour:
    return Behaviour(status=status, message=message, code=code)


def limited(retry_after: str | None = None) -> Behaviour:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Behaviour(status=429, message="Slow down.", headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came."""

    path: str
    key: str  # of the Authorization header
    model: str
    input: list[str]
    dimensions: int | None
    encoding_format: str | None


def words_vector(text: str, dimension: int) -> list[float]:
    """Near to each other for texts that share words; not of unit length."""
    vector = [0.0] * dimension
    vector[0] = 0.01  # no text is without direction
    for word in text.lower().split():
        digest = sha256(word.encode()).digest()
        for place, sign in zip(digest[::2], digest[1::2], strict=True):
            vector[place % dimension] += 1.0 if sign % 2 else -1.0
    return vector


class Stub:
    """What the server was asked, and what it does next."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.requests: list[Asked] = []
        self.closing = threading.Event()
        self._always = FINE
        self._next: deque[Behaviour] = deque()
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def next(self, *behaviours: Behaviour) -> None:
        """For one request each, before what it does always."""
        self._next.extend(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        self._always = behaviour

    @contextmanager
    def away(self) -> Generator[None]:
        """Nobody listens meanwhile: connections are refused."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def took(self, asked: Asked) -> Behaviour:
        with self._lock:
            self.requests.append(asked)
            return self._next.popleft() if self._next else self._always

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
def openai_stub(*, dimension: int = 8) -> Generator[Stub]:
    stub = Stub(dimension)
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
    # HTTP/1.0, as the base class has it: each answer ends its connection.

    @property
    def stub(self) -> Stub:
        assert isinstance(self.server, _Server)
        return self.server.stub

    def do_POST(self) -> None:
        body = self._json()
        asked = Asked(
            path=self.path,
            key=self.headers["Authorization"].removeprefix("Bearer "),
            model=body["model"],
            input=[body["input"]] if isinstance(body["input"], str) else body["input"],
            dimensions=body.get("dimensions"),
            encoding_format=body.get("encoding_format"),
        )
        behaviour = self.stub.took(asked)
        self.stub.closing.wait(behaviour.seconds)
        if behaviour.is_reset:
            self._reset()
        elif behaviour.status == 200:
            self._answer(behaviour, behaviour.content or self._vectors(asked, behaviour))
        else:
            self._answer(behaviour, self._error(behaviour))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing on the terminal."""

    def _json(self) -> dict[str, Any]:
        sent: object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(sent, dict)
        return cast("dict[str, Any]", sent)  # keys of JSON objects are strings

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _answer(self, behaviour: Behaviour, content: bytes) -> None:
        self.send_response(behaviour.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in behaviour.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if behaviour.is_cut else content)

    def _vectors(self, asked: Asked, behaviour: Behaviour) -> bytes:
        dimension = behaviour.dimension or asked.dimensions or self.stub.dimension
        texts = (asked.input + ["one more"] * behaviour.count)[: len(asked.input) + behaviour.count]
        data = [
            {
                "object": "embedding",
                "index": place if behaviour.index is None else behaviour.index,
                "embedding": words_vector(text, dimension),
            }
            for place, text in enumerate(texts)
        ]
        if behaviour.number is not None:
            for item in data:
                item["embedding"] = [behaviour.number, *[0.5] * (dimension - 1)]
        tokens = sum(len(text.split()) for text in texts)
        reply = {
            "object": "list",
            "data": data[::-1] if behaviour.is_shuffled else data,
            "model": asked.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return json.dumps(reply).encode()

    def _error(self, behaviour: Behaviour) -> bytes:
        error = {"message": behaviour.message, "type": "x", "param": None, "code": behaviour.code}
        return json.dumps({"error": error}).encode()
