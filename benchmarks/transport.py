"""What a call costs over each way in, beside an empty tool of a bare server of the MCP SDK.

    uv run python benchmarks/transport.py [--calls 300] [--clients 1 16] [--without-token]

One local server on a throw-away home, fsync on, embeddings off: the shims' sessions, streamable
HTTP and REST all reach that process. The bare server is one process for each session over standard
input and output, and one in all over streamable HTTP, stateless and with JSON replies as ours is.
CPU is what those server processes used for a call, without PostgreSQL's and the shims'. Each client
is a thread here and waits for each answer. Needs Linux.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from types import FrameType

from doors import Door, LinesDoor, McpDoor, RestDoor, Work
from sessions import OURS, Command, environment, new_home, session
from synthetic import SYLLABLES

from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders

WARM_UP = 20  # calls of each client before any counts
STARTING_S, ENDING_S = 60.0, 30.0
TICKS = os.sysconf("SC_CLK_TCK")
READ, WRITE, EMPTY = "get_ticket", "create_ticket", "echo"
AIMS = {READ: 4.0, WRITE: 12.0}

BARE = """
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("bare", log_level="WARNING")


@server.tool()
def echo(text: str) -> str:
    return text


if len(sys.argv) == 1:
    server.run("stdio")
server.run("streamable-http", port=int(sys.argv[1]), stateless_http=True, json_response=True)
"""


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, _leave)
    with new_home() as home, ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        bare = Path(directory) / "bare.py"
        bare.write_text(BARE)
        with_token = not options.without_token
        place = stack.enter_context(served(home, (sys.executable, str(bare)), with_token))
        for clients in options.clients:
            tell(clients, measured(place, clients, options.calls))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=300, help="of each tool, by all clients (300)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16], help="at once (1 16)")
    parser.add_argument("--without-token", action="store_true", help="HTTP as anybody may use it")
    return parser.parse_args()


def _leave(number: int, _frame: FrameType | None) -> None:
    """As if by an exception: what was started is ended on the way out."""
    sys.exit(128 + number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The servers that run, and how to reach each."""

    home: Home
    bare: Command
    token: str
    our_port: int
    bare_port: int
    our_pid: int
    bare_pid: int


@contextmanager
def served(home: Home, bare: Command, with_token: bool) -> Generator[Place]:
    """The token is made first: a server asks for one only if there was one when it started."""
    ours = environment(home) | {"EMBEDDING_PROVIDER": "none"}
    token = made_token(ours) if with_token else ""
    our_port, bare_port = free_port(), free_port()
    with (
        started((*OURS, "serve"), our_port, ours | {"HTTP_PORT": str(our_port)}),
        started((*bare, str(bare_port)), bare_port, ours) as bare_pid,
    ):
        [our_pid] = holders(home.server_lock)
        yield Place(
            home=home,
            bare=bare,
            token=token,
            our_port=our_port,
            bare_port=bare_port,
            our_pid=our_pid,
            bare_pid=bare_pid,
        )


def made_token(variables: Mapping[str, str]) -> str:
    command = (*OURS, "token", "create", "benchmark")
    token = subprocess.check_output(command, env=variables, text=True)
    subprocess.run([*OURS, "stop"], env=variables, check=True, capture_output=True)
    return token.strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def started(command: Command, port: int, variables: Mapping[str, str]) -> Generator[int]:
    """A server that listens by now; stopped when the block ends."""
    process = subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + STARTING_S
        while not listens(port):
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < deadline, f"{command} does not listen"
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(ENDING_S)


def listens(port: int) -> bool:
    with closing(socket.socket()) as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One tool over one way in, by so many clients; `beside` is the empty tool it compares to."""

    label: str
    tool: str
    doors: Sequence[Door]
    pids: frozenset[int]
    beside: str = ""


@dataclass(slots=True, kw_only=True)
class Taken:
    way: Way
    seconds: list[float]
    errors: int
    elapsed: float
    cpu: float

    def cut(self, percent: int) -> float:
        """In milliseconds."""
        return quantiles(self.seconds, n=100)[percent - 1] * 1_000


def measured(place: Place, clients: int, calls: int) -> list[Taken]:
    """In four rounds, in turn: what slows the machine down for a while slows all of them."""
    rounds = 4
    with ExitStack() as stack:
        ways = opened(place, clients, stack)
        for way in ways:
            run(way, WARM_UP)
        each = max(1, calls // clients // rounds)
        taken = [run(way, each) for way in ways]
        for _ in range(rounds - 1):
            for before, way in zip(taken, ways, strict=True):
                add(before, run(way, each))
    return taken


def add(before: Taken, more: Taken) -> None:
    before.seconds += more.seconds
    before.errors += more.errors
    before.elapsed += more.elapsed
    before.cpu += more.cpu


def opened(place: Place, clients: int, stack: ExitStack) -> list[Way]:
    """The doors of every way, open as long as the stack is."""

    def lines(command: Command, home: Home | None) -> list[LinesDoor]:
        return [
            LinesDoor(stack.enter_context(session(command, home, EMBEDDING_PROVIDER="none")))
            for _ in range(clients)
        ]

    def many(door: Callable[[], Door]) -> list[Door]:
        return [door() for _ in range(clients)]

    shims, bare_lines = lines(OURS, place.home), lines(place.bare, None)
    mcp = many(partial(McpDoor, place.our_port, place.token))
    rest = many(partial(RestDoor, place.our_port, place.token))
    bare_mcp = many(partial(McpDoor, place.bare_port))
    ours = frozenset({place.our_pid})
    processes = frozenset(door.lines.process.pid for door in bare_lines)
    ways = [
        Way(label="bare, stdio", tool=EMPTY, doors=bare_lines, pids=processes),
        Way(label="bare, HTTP", tool=EMPTY, doors=bare_mcp, pids=frozenset({place.bare_pid})),
    ]
    for tool in (READ, WRITE):
        ways += [
            Way(label="shim", tool=tool, doors=shims, pids=ours, beside="bare, stdio"),
            Way(label="streamable HTTP", tool=tool, doors=mcp, pids=ours, beside="bare, HTTP"),
            Way(label="REST", tool=tool, doors=rest, pids=ours, beside="bare, HTTP"),
        ]
    return ways


def run(way: Way, calls: int) -> Taken:
    """So many calls by each client, all at once."""
    before, began = cpu_seconds(way.pids), time.perf_counter()
    with ThreadPoolExecutor(len(way.doors)) as threads:
        done = [threads.submit(trips, door, way.tool, calls) for door in way.doors]
        results = [each.result() for each in done]
    elapsed = time.perf_counter() - began
    return Taken(
        way=way,
        seconds=[seconds for taken, _ in results for seconds in taken],
        errors=sum(errors for _, errors in results),
        elapsed=elapsed,
        cpu=cpu_seconds(way.pids) - before,
    )


def trips(door: Door, tool: str, calls: int) -> tuple[list[float], int]:
    taken: list[float] = []
    errors = 0
    door.ready()
    for work in [work_of(tool) for _ in range(calls)]:
        began = time.perf_counter()
        is_well = door.call(work)
        taken.append(time.perf_counter() - began)
        errors += not is_well
    return taken, errors


def work_of(tool: str) -> Work:
    """A ticket's title is its own: a second one of a title is a repetition, and made by nobody."""
    if tool == READ:
        return Work(tool, {"ticket_id": "ticket-1"}, "GET", "/tickets/ticket-1")
    if tool == WRITE:
        dice = random.SystemRandom()
        words = ("".join(dice.choices(SYLLABLES, k=4)) for _ in range(8))
        return Work(tool, {"title": " ".join(words)}, "POST", "/tickets/create")
    return Work(tool, {"text": "A"})


def cpu_seconds(pids: frozenset[int]) -> float:
    """Of the user and of the system, as the kernel counts them."""
    ticks = 0
    for pid in pids:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / TICKS


def tell(clients: int, taken: Sequence[Taken]) -> None:
    print(f"\n{clients} at once: round trip, and the server's CPU for a call", flush=True)
    middles = {each.way.label: each.cut(50) for each in taken if each.way.tool == EMPTY}
    for each in taken:
        way, count = each.way, len(each.seconds)
        print(
            f"  {way.tool:13} {way.label:16} p50 {each.cut(50):7.2f} ms  p95 {each.cut(95):7.2f} ms"
            f"  cpu {each.cpu / count * 1_000:6.2f} ms  {count / each.elapsed:6.0f}/s"
            f"  errors {each.errors}{_beside(each, middles, clients)}",
            flush=True,
        )
    errors = sum(each.errors for each in taken)
    print(f"  errors of all: {errors}   {_verdict(errors == 0, '0')}", flush=True)


def _beside(taken: Taken, middles: Mapping[str, float], clients: int) -> str:
    """Of one client the aims speak; more only share what there is."""
    way = taken.way
    if not way.beside:
        return ""
    ratio = taken.cut(50) / middles[way.beside]
    shown = f"  {ratio:5.2f}x {way.beside}"
    if clients > 1:
        return shown
    return f"{shown}   {_verdict(ratio <= AIMS[way.tool], f'{AIMS[way.tool]:g}x')}"


def _verdict(is_within: bool, aim: str) -> str:
    return f"{'within' if is_within else 'MISSES'} the aim of {aim}"


if __name__ == "__main__":
    main()
