"""The stdio server as a process: JSON-RPC lines in and out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# JSON of a message.
Json = Any

COMMAND = (sys.executable, "-m", "hephaestus_tickets")
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def environment(home: Path, **settings: str) -> Mapping[str, str]:
    """Ours, without what would lead to another database."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
    return ours | {"HEPHAESTUS_HOME": str(home)} | settings


@dataclass(frozen=True)
class Lines:
    """Both ends of the process, line by line."""

    process: subprocess.Popen[bytes]

    def send(self, raw: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(raw)
        self.process.stdin.flush()

    def receive(self) -> Json:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def greet(self) -> Json:
        """The server's own description, once it serves."""
        self.send(opening())
        return self.receive()["result"]

    def call(self, tool: str, **arguments: Json) -> Json:
        self.send(call_of(2, tool, **arguments))
        return self.receive()["result"]

    def end(self) -> Ending:
        """What it said until the end of its input ended it."""
        started = time.monotonic()
        out, err = self.process.communicate(timeout=60)
        return Ending(self.process.returncode, out, err.decode(), time.monotonic() - started)


@dataclass(frozen=True)
class Ending:
    status: int
    out: bytes
    err: str
    seconds: float

    @property
    def answers(self) -> list[Json]:
        return [json.loads(line) for line in self.out.splitlines()]


@contextmanager
def started(home: Path, *command: str, **settings: str) -> Generator[Lines]:
    """The server, or another command; killed at the latest when the block ends."""
    with subprocess.Popen(
        command or COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home, **settings),
    ) as process:
        try:
            yield Lines(process)
        finally:
            process.kill()


def opening() -> bytes:
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    return request(1, "initialize", HELLO) + json.dumps(initialized).encode() + b"\n"


def request(number: int, method: str, params: Json) -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


def call_of(number: int, tool: str, **arguments: Json) -> bytes:
    return request(number, "tools/call", {"name": tool, "arguments": arguments})
