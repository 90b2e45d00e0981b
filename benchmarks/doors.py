"""The ways in, as a client has them: a session's lines, MCP over HTTP, REST."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Protocol

from sessions import HELLO, Lines

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """A call, in the words of MCP and, where it has any, in those of REST."""

    tool: str
    arguments: Mapping[str, str]
    verb: str = ""
    path: str = ""


class Door(Protocol):
    def ready(self) -> None:
        """What precedes a row of calls."""
        ...

    def call(self, work: Work) -> bool:
        """Whether it was answered, and well."""
        ...


class LinesDoor:
    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        lines.greet()

    def ready(self) -> None:
        pass

    def call(self, work: Work) -> bool:
        try:
            self.lines.call(work.tool, **work.arguments)
        except AssertionError:  # so it says that the answer is a refusal
            return False
        return True


class _Connection:
    """One that is kept, as clients keep theirs."""

    def __init__(self, port: int, token: str) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def renew(self) -> None:
        """A server closes those that were idle for a while."""
        self._http.close()
        self._http.connect()

    def ask(
        self, verb: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:  # Any: JSON
        content = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {"Content-Type": "application/json"} if content else {}
        self._http.request(verb, path, content, {**self._headers, **kind, **named})
        reply = self._http.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if text else {}


class McpDoor:
    def __init__(self, port: int, token: str = "") -> None:
        self._connection = _Connection(port, token)
        self._calls = 0
        status, _ = self._post("initialize", HELLO)
        assert status == 200

    def ready(self) -> None:
        self._connection.renew()

    def call(self, work: Work) -> bool:
        status, reply = self._post("tools/call", {"name": work.tool, "arguments": work.arguments})
        return status == 200 and "result" in reply and not reply["result"].get("isError")

    def _post(self, method: str, params: object) -> tuple[int, Any]:  # Any: JSON
        self._calls += 1
        message = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params}
        return self._connection.ask(
            "POST",
            "/mcp",
            message,
            Accept="application/json, text/event-stream",
            MCP_Protocol_Version=str(HELLO["protocolVersion"]),
        )


class RestDoor:
    def __init__(self, port: int, token: str) -> None:
        self._connection = _Connection(port, token)

    def ready(self) -> None:
        self._connection.renew()

    def call(self, work: Work) -> bool:
        body = work.arguments if work.verb == "POST" else None
        status, _ = self._connection.ask(work.verb, work.path, body)
        return status in {200, 201}
