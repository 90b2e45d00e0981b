"""What a page of a commit's diff costs, beside git alone, which shows all of it to nobody.

    uv run python benchmarks/git_diff.py [--runs 20] [--megabytes 50] [--files 10000]

A repository in a temporary directory has commits of 1, 100 and 10,000 files, one of 50 MB of
changed lines in 1,000 files, and two that add a single file: of 15 MB, and of 50 MB, which counts
as binary for the server's git but not for the plain one. Of each are asked the commit, the list of
files, the first page and the last one, as the server asks: one git process each, of which no more
is read than is needed. `git show` and `git show --numstat` run between them, their output
to /dev/null; the ratios are to those, at the median. Memory is taken in a run of its own: how much
this process grew at most, and what git's process held at most. Needs Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles

from hephaestus_tickets.adapters.git import GitSettings, Repository, open_repositories
from hephaestus_tickets.domain.commits import DiffPlace, DiffWindow

PAGE_FILES, PAGE_BYTES = 50, 58_000
LONGEST = 15 << 20  # of what the server has git compare, about
LINE = b"%08d the quick brown fox jumps over %08x lazy dogs\n"
LINE_BYTES = len(LINE % (0, 0))
SAMPLED_EVERY_S = 0.001
GIT = "git"
PLAIN, NUMSTAT = "git show", "git show --numstat"

Ask = Callable[[], Awaitable[object]]
Files = dict[bytes, bytes]


def main() -> None:
    options = _options()
    settled = {"PATH": os.environ["PATH"], "HOME": "/", "GIT_CONFIG_NOSYSTEM": "1"}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        # In a process of its own: what it holds and frees again would hide what is measured.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as maker:
            size = options.megabytes << 20
            cases = maker.submit(made, path, settled, options.files, size).result()
        with open_repositories(GitSettings(roots=directory, repository=directory)) as known:
            repository = known.open("")
            for case in cases:
                ways = list(_ways(repository, path, settled, case))
                tell(case, asyncio.run(measured(ways, options.runs)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20, help="of each, at least two (20)")
    parser.add_argument("--megabytes", type=int, default=50, help="of the large diffs (50)")
    parser.add_argument("--files", type=int, default=10_000, help="of the widest commit (10,000)")
    return parser.parse_args()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    label: str
    sha: str
    last: DiffPlace


def made(path: Path, variables: dict[str, str], widest: int, size: int) -> list[Case]:
    """One commit after another, as `git fast-import` makes them: each by itself is one change."""
    lines = size // LINE_BYTES
    nothing: Files = {}
    changes = [
        ("1 file", *changed(1, 200, 10)),
        ("100 files", *changed(100, 100, 5)),
        (f"{widest:,} files", *changed(widest, 30, 2)),
        (f"{size >> 20} MB in 1,000 files", *changed(1_000, lines // 2_000, lines // 2_000)),
        ("15 MB in 1 file", nothing, {b"one": text(LONGEST // LINE_BYTES)}),
        (f"{size >> 20} MB in 1 file", nothing, {b"one": text(lines)}),
    ]
    stream = bytearray()
    for _, before, after in changes:
        stream += commit(before) + commit(after)
    subprocess.run([GIT, "init", "-q", "-b", "main"], cwd=path, env=variables, check=True)
    import_ = [GIT, "fast-import", "--quiet", "--force"]
    subprocess.run(import_, cwd=path, env=variables, input=bytes(stream), check=True)
    listed = [GIT, "rev-list", "--reverse", "main"]
    shas = subprocess.check_output(listed, cwd=path, env=variables, text=True).split()
    return [
        Case(
            label=label,
            sha=sha,
            last=DiffPlace(
                file=len(after) - 1,
                line=0 if before else after[b"one"].count(b"\n") - 100,
            ),
        )
        for (label, before, after), sha in zip(changes, shas[1::2], strict=True)
    ]


def changed(files: int, lines: int, of_them: int) -> tuple[Files, Files]:
    """Files before and after so many of their lines were changed, evenly spread."""
    before = {b"src/%02d/%05d.py" % (at % 50, at): text(lines) for at in range(files)}
    return before, {name: edited(content, of_them) for name, content in before.items()}


def text(lines: int) -> bytes:
    dice = random.SystemRandom().getrandbits(32)
    return b"".join(LINE % (at, (at * 2_654_435_761 + dice) & 0xFFFFFFFF) for at in range(lines))


def edited(content: bytes, lines: int) -> bytes:
    every = content.splitlines(keepends=True)
    for at in range(0, len(every), max(1, len(every) // lines)):
        every[at] = every[at].replace(b"quick", b"swift")
    return b"".join(every)


def commit(files: Files) -> bytes:
    head = b"commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\ndata 6\nChange\n"
    entries = (
        b"M 100644 inline %b\ndata %d\n%b\n" % (name, len(content), content)
        for name, content in files.items()
    )
    return head + b"deleteall\n" + b"".join(entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    label: str
    ask: Ask


def _ways(
    repository: Repository, path: Path, variables: dict[str, str], case: Case
) -> Iterator[Way]:
    def diff(start: DiffPlace, *, has_hunks: bool = True) -> Ask:
        window = DiffWindow(start=start, files=PAGE_FILES, budget=PAGE_BYTES, has_hunks=has_hunks)
        return lambda: repository.diff(case.sha, window)

    async def plainly(*options: str) -> None:
        null = asyncio.subprocess.DEVNULL
        command = (GIT, "show", *options, case.sha)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=path, env=variables, stdout=null
        )
        await process.wait()

    yield Way(label=PLAIN, ask=plainly)
    yield Way(label=NUMSTAT, ask=lambda: plainly("--numstat"))
    yield Way(label="commit", ask=lambda: repository.commit(case.sha))
    yield Way(label="list without hunks", ask=diff(DiffPlace(), has_hunks=False))
    yield Way(label="first page", ask=diff(DiffPlace()))
    yield Way(label="last page", ask=diff(case.last))


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    label: str
    seconds: Sequence[float]
    grown: int
    gits: int

    @property
    def middle(self) -> float:
        return median(self.seconds)


async def measured(ways: Sequence[Way], runs: int) -> list[Taken]:
    """In turn: what slows the machine down for a while slows all of them."""
    seconds: dict[str, list[float]] = {way.label: [] for way in ways}
    memory = {way.label: await held(way.ask) for way in ways}
    for _ in range(max(2, runs)):
        for way in ways:
            began = time.perf_counter()
            await way.ask()
            seconds[way.label].append(time.perf_counter() - began)
    return [
        Taken(
            label=way.label,
            seconds=seconds[way.label],
            grown=memory[way.label][0],
            gits=memory[way.label][1],
        )
        for way in ways
    ]


async def held(ask: Ask) -> tuple[int, int]:
    """In kB: what this process grew by at most meanwhile, and the most that a child held."""
    watch = Watch()
    before = forget_peak()
    watch.start()
    await ask()
    watch.is_over.set()
    watch.join()
    return max(0, in_status("self", "VmHWM") - before), watch.peak


def forget_peak() -> int:
    """What this process holds now, in kB; its peak begins there."""
    Path("/proc/self/clear_refs").write_text("5")
    return in_status("self", "VmRSS")


class Watch(threading.Thread):
    """Looks at the children of this process, one of which is git, until it is over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.is_over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self.is_over.wait(SAMPLED_EVERY_S):
            for pid in children():
                self.peak = max(self.peak, in_status(pid, "VmHWM"))


def children() -> list[str]:
    """Those that run git already, not this program still."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [pid for task in tasks for pid in task.read_text().split()]
    return [pid for pid in pids if named(pid) == GIT]


def named(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def in_status(pid: str, field: str) -> int:
    """In kB; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(next(found, "0"))


def tell(case: Case, taken: Sequence[Taken]) -> None:
    middles = {each.label: each.middle for each in taken}
    print(f"\n{case.label}")
    print(f"  {'':20} {'p50 ms':>9} {'p95 ms':>9} {'x show':>7} {'x numstat':>9} "
          f"{'grown MB':>9} {'git MB':>7}")  # fmt: skip
    for each in taken:
        middle, slow = each.middle, quantiles(each.seconds, n=20)[18]
        print(
            f"  {each.label:20} {middle * 1e3:9.1f} {slow * 1e3:9.1f}"
            f" {middle / middles[PLAIN]:7.2f} {middle / middles[NUMSTAT]:9.2f}"
            f" {each.grown / 1024:9.1f} {each.gits / 1024:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
