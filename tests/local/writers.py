"""Clients that write without a pause, each through a shim of its own, whatever is killed."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from acknowledged import TOOLS, Acknowledgements, Outcome, Write
from lines import Ending, Lines, call_of, opening, started
from servers import until

from hephaestus_tickets.local.home import Home

# JSON of a message.
Json = Any

IDLE_SECONDS = 1.0
_LONGEST_S = 40.0  # a client still there is hung, and its shim is killed
_CLIENTS = 3
# What a writer does with each ticket it made, and what with the one that all share.
_OWN: list[tuple[str, Json]] = [
    ("change_status", {"new_status": "in_progress"}),
    ("add_comment", {}),
    ("update_ticket", {}),
    ("change_status", {"new_status": "review"}),
]
_SHARED = ["add_comment", "update_ticket"]


class SessionEnded(Exception):
    """Its server or its shim did, in the middle of a call or before it."""


@dataclass(frozen=True)
class Client:
    lines: Lines
    log: Acknowledgements
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2))

    def greet(self) -> None:
        self._answer_to(1, opening())

    def write(self, tool: str, **arguments: Json) -> Write:
        """Recorded before it is sent, and again when it is answered."""
        write = self.log.begin(tool)
        result = self.call(tool, **arguments, **TOOLS[tool].arguments(write.text))
        self.log.answered(write, result)
        return write

    def call(self, tool: str, **arguments: Json) -> Json:
        number = next(self._numbers)
        return self._answer_to(number, call_of(number, tool, **arguments))

    def _answer_to(self, number: int, raw: bytes) -> Json:
        assert self.lines.process.stdout
        try:
            self.lines.send(raw)
        except BrokenPipeError as error:
            raise SessionEnded from error
        line = self.lines.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise SessionEnded
        message = json.loads(line)
        assert message["id"] == number
        return message["result"]


@contextmanager
def client(home: Home, log: Acknowledgements) -> Generator[Client]:
    """A session that is not greeted yet; it never outlives the block, nor a minute."""
    with started(home.root, HEPHAESTUS_IDLE_SECONDS=f"{IDLE_SECONDS:g}") as lines:
        limit = threading.Timer(_LONGEST_S, lines.process.kill)
        limit.daemon = True
        limit.start()
        try:
            yield Client(lines, log)
        finally:
            limit.cancel()
            lines.process.kill()
            lines.end()


@dataclass
class Writer:
    """Makes tickets and works on them until it is told to stop or its session ends."""

    client: Client
    shared: str
    writes: list[Write] = field(default_factory=list[Write])
    over: threading.Event = field(default_factory=threading.Event)
    thread: Future[None] = field(default_factory=Future[None])

    @property
    def pid(self) -> int:
        return self.client.lines.process.pid

    @property
    def refused(self) -> list[Write]:
        return [write for write in self.writes if write.refusal]

    def write_on(self) -> None:
        try:
            while self._works_on_a_ticket():
                pass
        except SessionEnded:
            return

    def _works_on_a_ticket(self) -> bool:
        """False when it is over; whatever is refused is left, and another ticket begun."""
        made = self._writes("create_ticket")
        steps = [(tool, {"ticket_id": made.ticket_id, **more}) for tool, more in _OWN]
        steps += [(tool, {"ticket_id": self.shared}) for tool in _SHARED]
        last = made
        for tool, arguments in steps:
            if self.over.is_set() or last.outcome is not Outcome.ACKNOWLEDGED:
                break
            last = self._writes(tool, **arguments)
        return not self.over.is_set()

    def _writes(self, tool: str, **arguments: Json) -> Write:
        write = self.client.write(tool, **arguments)
        self.writes.append(write)
        return write

    def goes_on(self, since: float = 0.0) -> None:
        """Returns when a write that began after that moment was acknowledged."""
        until(lambda: self.thread.done() or self._has_written(since), _LONGEST_S)
        assert self._has_written(since), (self.end(), self.refused)

    def _has_written(self, since: float) -> bool:
        """Looked for from the newest on, of which there may be more meanwhile."""
        for write in reversed(self.writes):
            if write.began <= since:
                return False
            if write.outcome is Outcome.ACKNOWLEDGED:
                return True
        return False

    def end(self) -> Ending:
        """Lets it finish its call; raises what went wrong in its thread."""
        self.over.set()
        self.thread.result(_LONGEST_S)
        return self.client.lines.end()


@contextmanager
def writing(home: Home, log: Acknowledgements, shared: str) -> Generator[list[Writer]]:
    """Several writers, all of them in the middle of it when the block begins."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(_CLIENTS))
        writers = [Writer(stack.enter_context(client(home, log)), shared) for _ in range(_CLIENTS)]
        for writer in writers:
            stack.callback(writer.over.set)
            writer.client.greet()
        for writer in writers:
            writer.thread = threads.submit(writer.write_on)
        for writer in writers:
            writer.goes_on()
        yield writers
