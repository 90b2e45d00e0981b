"""Sessions as a client has them, on throw-away homes, and the processes behind them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hephaestus_tickets.local.home import Home, throwaway_home
from hephaestus_tickets.local.locks import holders

ROOT = Path(__file__).parents[1]
LONGEST_S = 120.0  # a session that takes longer is ended
ENDING_S = 20.0
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}

Command = tuple[str, ...]
OURS: Command = (str(Path(sysconfig.get_path("scripts")) / "hephaestus-tickets"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    seconds: float
    result: Any  # Any: JSON


@dataclass(slots=True, kw_only=True)
class Lines:
    process: subprocess.Popen[bytes]
    began: float
    calls: int = 0

    def greet(self) -> float:
        """Seconds from the start of the process to its reply."""
        self._ask("initialize", HELLO)
        taken = time.perf_counter() - self.began
        self._send({"method": "notifications/initialized"})
        return taken

    def create_ticket(self) -> str:
        """Another one each time: the same again would be taken for a repetition."""
        made = self.call("create_ticket", title=f"A {time.monotonic_ns()}")
        return made.result["structuredContent"]["ticket_id"]

    def call(self, tool: str, **arguments: str) -> Reply:
        reply = self.ask(tool, **arguments)
        assert not reply.result.get("isError"), reply.result
        return reply

    def ask(self, tool: str, **arguments: str) -> Reply:
        """Which may be a refusal."""
        began = time.perf_counter()
        line = self._ask("tools/call", {"name": tool, "arguments": arguments})
        seconds = time.perf_counter() - began
        answer = json.loads(line)
        assert answer["id"] == self.calls
        return Reply(seconds=seconds, result=answer["result"])

    def _ask(self, method: str, params: Mapping[str, object]) -> bytes:
        self.calls += 1
        self._send({"id": self.calls, "method": method, "params": params})
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} ended without a reply"
        return line

    def _send(self, message: Mapping[str, object]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()


@contextmanager
def session(command: Command, home: Home | None = None, **settings: str) -> Generator[Lines]:
    """A session just started; its end is waited for."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(home) | settings,
    )
    too_long = threading.Timer(LONGEST_S, process.kill)
    too_long.start()
    try:
        yield Lines(process=process, began=began)
        process.communicate(timeout=ENDING_S)
    finally:
        too_long.cancel()
        process.kill()
        process.communicate()


@contextmanager
def sessions(
    count: int, command: Command, home: Home | None = None, **settings: str
) -> Generator[list[Lines]]:
    """One after another, as agents come: the first finds no server, the others do."""
    with ExitStack() as stack:
        started: list[Lines] = []
        for _ in range(count):
            started.append(stack.enter_context(session(command, home, **settings)))
            started[-1].greet()
        yield started


def environment(home: Home | None) -> dict[str, str]:
    """Ours, without what would lead to another database or another session."""
    others = ("DB_", "HEPHAESTUS_", "AGENT_ID", "WORKFLOW_ID", "TOOLSETS")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**ours, "HEPHAESTUS_HOME": str(home.root)} if home else ours


@contextmanager
def new_home() -> Generator[Home]:
    """An empty home; whatever serves it is stopped, and then it is removed."""
    with throwaway_home(lasting=True) as home:
        try:
            yield home
        finally:
            stop(home)


def stop(home: Home) -> None:
    """Stops what serves the home; ends what does not stop."""
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [*OURS, "stop"],
            env=environment(home),
            capture_output=True,
            check=False,  # there may be nothing to stop, which is well
            timeout=ENDING_S,
        )
    deadline = time.monotonic() + ENDING_S
    while left := serving(home):
        if time.monotonic() > deadline:
            end(left)
        assert time.monotonic() < deadline + ENDING_S, f"{left} cannot be ended"
        time.sleep(0.01)


def end(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def serving(home: Home) -> set[int]:
    """The local server and every process of its PostgreSQL."""
    return {*holders(home.server_lock), *holders(home.postgres_lock)}


def with_descendants(pids: set[int]) -> set[int]:
    parents = dict(_parents())
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _parents() -> Generator[tuple[int, int]]:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # processes come and go
                after_name = (process / "stat").read_text().rpartition(")")[2]
                yield int(process.name), int(after_name.split()[1])


def megabytes(name: str, pids: Iterable[int]) -> float:
    """What the kernel counts under this name for all of them."""
    return sum(_kilobytes(name, pid) for pid in pids) / 1024


def _kilobytes(name: str, pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):  # a worker that has just left
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
