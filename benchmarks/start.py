"""How soon a session is up and what it costs, beside a bare server of the MCP SDK.

    uv run python benchmarks/start.py [--rounds 20] [--cold 5] [--calls 300]

On throw-away homes, fsync on. Memory is the proportional share (PSS) of every process: shared
pages are counted once. That part needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from types import FrameType

from sessions import (
    OURS,
    ROOT,
    Command,
    megabytes,
    new_home,
    serving,
    session,
    sessions,
    stop,
    with_descendants,
)

from hephaestus_tickets.local.home import Home

AGENTS = (1, 10)
WARM_UP = 20  # calls before any counts
FEW_CALLS = 5
INDEXED_S = 5.0  # by then the model is loaded, where there is one
LEAVING = (signal.SIGINT, signal.SIGTERM)

START_AIM = 1 / 20
COLD_AIM_S = 4.0
MEMORY_AIMS = {10: 1 / 2}
SHIM_AIM_MB = 20.0

BARE = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("bare")


@server.tool()
def echo(text: str) -> str:
    return text


server.run("stdio")
"""


def main() -> None:
    options = _options()
    for sign in LEAVING:
        signal.signal(sign, _leave)
    with tempfile.TemporaryDirectory() as directory:
        bare = Path(directory) / "bare.py"
        bare.write_text(BARE)
        _run(options, _commands(bare))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="starts of each command (20)")
    parser.add_argument("--cold", type=int, default=5, help="cold and warm starts (5)")
    parser.add_argument("--calls", type=int, default=300, help="calls of each tool (300)")
    return parser.parse_args()


def _leave(number: int, _frame: FrameType | None) -> None:
    """As if by an exception: what was started is ended on the way out, whoever is impatient."""
    for sign in LEAVING:
        signal.signal(sign, signal.SIG_IGN)
    sys.exit(128 + number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The bare server as it is, and both as `mcp.json` has ours run."""

    bare: Command
    ours_by_uv: Command
    bare_by_uv: Command


def _commands(bare: Path) -> Commands:
    configured = json.loads((ROOT / "mcp.json").read_text())["mcpServers"]["hephaestus-tickets"]
    name: str = configured["command"]
    *arguments, program = configured["args"]
    # uv says where it is; what PATH has may be a wrapper that takes longer than uv itself.
    uv = os.environ.get("UV") or shutil.which(name) or name
    return Commands(
        bare=(sys.executable, str(bare)),
        ours_by_uv=(uv, *arguments, program),
        bare_by_uv=(uv, *arguments, "python", str(bare)),
    )


def _run(options: argparse.Namespace, commands: Commands) -> None:
    with new_home() as home:
        start_time(OURS, home)
        tell_starts(options.rounds, commands, home)
        tell_round_trips(options.calls, commands, home)
    tell_first_starts(options.cold)
    if sys.platform == "linux":
        tell_memory(commands)


def tell_starts(rounds: int, commands: Commands, home: Home) -> None:
    heading(f"start to the `initialize` reply, server running; {rounds} rounds in turn")
    measures: Mapping[str, Callable[[], float]] = {
        "console script": lambda: start_time(OURS, home),
        "bare server": lambda: start_time(commands.bare, home),
        "as in mcp.json, by uv run": lambda: start_time(commands.ours_by_uv, home),
        "bare server by uv run": lambda: start_time(commands.bare_by_uv, home),
    }
    in_turn(1, measures)
    taken = in_turn(rounds, measures)
    rows(taken)
    direct, bare, by_uv, bare_by_uv = (median(each) for each in taken.values())
    compare("console script / bare server", direct / bare, START_AIM)
    compare("by uv run / bare server by uv run", by_uv / bare_by_uv)
    compare("by uv run / bare server", by_uv / bare)


def tell_first_starts(rounds: int) -> None:
    heading(f"start to the `initialize` reply, no server running; {rounds} homes")
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(rounds):
        with new_home() as home:
            cold.append(start_time(OURS, home))
            stop(home)
            warm.append(start_time(OURS, home))
    rows({"cold: the home is empty": cold, "warm: the home is there": warm})
    below("median of cold", median(cold), COLD_AIM_S, "s")


def tell_round_trips(calls: int, commands: Commands, home: Home) -> None:
    heading(f"round trip of a call; {calls} of each in turn")
    with session(OURS, home) as ours, session(commands.bare, home) as bare:
        ours.greet()
        bare.greet()
        ticket_id, another = ours.create_ticket(), count()
        trips: Mapping[str, Callable[[], float]] = {
            "get_ticket": lambda: ours.call("get_ticket", ticket_id=ticket_id).seconds,
            "create_ticket": lambda: ours.call("create_ticket", title=f"A {next(another)}").seconds,
            "bare server's tool": lambda: bare.call("echo", text="A").seconds,
        }
        in_turn(WARM_UP, trips)
        taken = in_turn(calls, trips)
    rows(taken)
    getting, creating, trivial = (median(each) for each in taken.values())
    compare("get_ticket / bare server's tool", getting / trivial)
    compare("create_ticket / bare server's tool", creating / trivial)


def tell_memory(commands: Commands) -> None:
    heading(f"memory (PSS of every process), each agent after {FEW_CALLS} calls")
    for agents in AGENTS:
        ours = our_memory(agents, EMBEDDING_PROVIDER="none")
        embedding = our_memory(agents, EMBEDDING_PROVIDER="local")
        bare = bare_memory(agents, commands.bare)
        figure(f"{agents} of ours", f"{ours.total:.1f} MB in {ours.processes} processes")
        figure("  of which the shims", f"{ours.shims:.1f} MB")
        figure("  with the bundled model loaded", f"{embedding.total:.1f} MB")
        figure(f"{agents} bare", f"{bare:.1f} MB")
        compare(f"{agents} of ours / {agents} bare", ours.total / bare, MEMORY_AIMS.get(agents))
        compare("  the same with the model", embedding.total / bare)
        below("RSS of one shim", ours.shim_rss, SHIM_AIM_MB, "MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """In megabytes."""

    total: float
    shims: float
    shim_rss: float
    processes: int


def our_memory(agents: int, **settings: str) -> Memory:
    with new_home() as home, sessions(agents, OURS, home, **settings) as opened:
        for each in opened:
            ticket_id = each.create_ticket()
            for _ in range(FEW_CALLS - 1):
                each.call("get_ticket", ticket_id=ticket_id)
        time.sleep(INDEXED_S)
        shims = {each.process.pid for each in opened}
        everything = with_descendants(shims | serving(home))
        return Memory(
            total=megabytes("Pss", everything),
            shims=megabytes("Pss", shims),
            shim_rss=megabytes("Rss", [min(shims)]),
            processes=len(everything),
        )


def bare_memory(agents: int, command: Command) -> float:
    with sessions(agents, command) as opened:
        for each in opened:
            for _ in range(FEW_CALLS):
                each.call("echo", text="A")
        return megabytes("Pss", with_descendants({each.process.pid for each in opened}))


def in_turn(rounds: int, measures: Mapping[str, Callable[[], float]]) -> Mapping[str, list[float]]:
    """A B A B: what slows the machine down for a while slows all of them."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


def start_time(command: Command, home: Home) -> float:
    with session(command, home) as started:
        return started.greet()


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def rows(taken: Mapping[str, list[float]]) -> None:
    for label, seconds in taken.items():
        middle, least = median(seconds) * 1000, min(seconds) * 1000
        figure(label, f"median {middle:9.2f} ms   min {least:9.2f} ms")


def compare(label: str, ratio: float, at_most: float | None = None) -> None:
    verdict = "" if at_most is None else _verdict(ratio, at_most, _fraction(at_most))
    figure(label, f"{_fraction(ratio)}{verdict}")


def below(label: str, value: float, limit: float, unit: str) -> None:
    figure(label, f"{value:.2f} {unit}{_verdict(value, limit, f'{limit:g} {unit}')}")


def _fraction(ratio: float) -> str:
    return f"1/{1 / ratio:.3g}" if ratio < 1 else f"{ratio:.3g}"


def _verdict(value: float, limit: float, shown: str) -> str:
    return f"   {'within' if value < limit else 'MISSES'} the aim of {shown}"


def figure(label: str, text: str) -> None:
    print(f"  {label:36} {text}", flush=True)


if __name__ == "__main__":
    main()
