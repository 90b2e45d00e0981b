"""A git process is apart from everything, bounded, and gone when nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from hephaestus_tickets.adapters.git.isolation import OwnDirectories
from hephaestus_tickets.adapters.git.locating import Place, located
from hephaestus_tickets.adapters.git.process import Failure, Git, GitFailed
from hephaestus_tickets.adapters.git.reading import Roots
from hephaestus_tickets.domain.commits import RepositoryUnavailable
from tests.adapters.git_repositories import Repo

ARGUMENTS = ("show", "anything")
# Says who it is and who its child is, and then nothing more.
HANGS = 'sleep 600 & echo "$$ $!"; wait'

Fakes = Callable[..., Git]


@pytest.fixture
def place(repo: Repo, roots: Path) -> Place:
    return located("repo", Roots.of([str(roots)]))


@pytest.fixture
def fakes(tmp_path: Path) -> Generator[Fakes]:
    """Makes a git that does as a line of shell says."""
    own = OwnDirectories()

    def make(script: str, seconds: float = 20.0) -> Git:
        program = tmp_path / "programs" / "git"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return Git(own=own, deadline_seconds=seconds, search_path=str(program.parent))

    yield make
    own.remove()


async def said(git: Git, place: Place) -> str:
    async with git.running(place, ARGUMENTS) as chunks:
        return b"".join([chunk async for chunk in chunks]).decode()


def is_alive(pid: int) -> bool:
    """A dead one that its parent did not ask after yet is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    facts = Path(f"/proc/{pid}/stat")
    with suppress(OSError):
        return not facts.exists() or facts.read_text().rpartition(") ")[2][0] not in "ZX"
    return False


async def gone(pids: list[int]) -> None:
    """A killed child's own children may take a moment longer than it."""
    with anyio.fail_after(5):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 - nobody tells of another's children
            await anyio.sleep(0.005)


async def test_output_comes_in_small_chunks(fakes: Fakes, place: Place) -> None:
    git = fakes("head -c 1000000 /dev/zero")
    async with git.running(place, ARGUMENTS) as chunks:
        sizes = [len(chunk) async for chunk in chunks]
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 65_536


async def test_what_nobody_reads_yet_is_not_kept(fakes: Fakes, place: Place) -> None:
    async with fakes("exec yes").running(place, ARGUMENTS) as chunks:
        await anext(chunks)
        for _ in range(500):
            await anyio.lowlevel.checkpoint()
        stdout: asyncio.StreamReader = vars(chunks)["_stdout"]
        kept: bytearray = vars(stdout)["_buffer"]
        assert len(kept) <= 4 * 65_536


async def test_a_reader_who_leaves_early_leaves_nothing_running(fakes: Fakes, place: Place) -> None:
    async with fakes(HANGS).running(place, ARGUMENTS) as chunks:
        pids = [int(each) for each in (await anext(chunks)).split()]
        assert all(map(is_alive, pids))
    assert not is_alive(pids[0])
    await gone(pids)


async def test_what_does_not_answer_is_killed_with_its_children(
    fakes: Fakes, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    pids: list[int] = []

    async def read(git: Git) -> None:
        async with git.running(place, ARGUMENTS) as chunks:
            async for chunk in chunks:
                pids.extend(int(each) for each in chunk.split())

    with pytest.raises(RepositoryUnavailable, match=r"git did not answer within 0\.3 seconds"):
        await read(fakes(HANGS, 0.3))
    assert len(pids) == 2
    await gone(pids)
    assert "git show did not answer" in caplog.text


async def test_only_so_many_run_at_once(fakes: Fakes, place: Place) -> None:
    git = fakes("echo here; exec sleep 600", 0.5)
    async with AsyncExitStack() as stack:
        for _ in range(8):
            chunks = await stack.enter_async_context(git.running(place, ARGUMENTS))
            assert await anext(chunks) == b"here\n"
        with pytest.raises(RepositoryUnavailable, match="too many ask for repositories at once"):
            await said(git, place)
    with pytest.raises(RepositoryUnavailable, match="did not answer"):
        await said(git, place)


async def test_what_closed_its_output_and_stays_is_killed(fakes: Fakes, place: Place) -> None:
    with pytest.raises(RepositoryUnavailable, match="did not answer"):
        await said(fakes("exec >&- 2>&-; exec sleep 600", 0.3), place)


async def test_a_child_that_outlives_git_is_killed(fakes: Fakes, place: Place) -> None:
    pids: list[int] = []

    async def read(git: Git) -> None:
        async with git.running(place, ARGUMENTS) as chunks:
            pids.append(int(await anext(chunks)))
            await anext(chunks)

    with pytest.raises(RepositoryUnavailable, match="did not answer"):
        await read(fakes("sleep 600 & echo $!", 0.3))
    await gone(pids)


@pytest.mark.parametrize("library", ["asyncio", "anyio"])
async def test_whoever_is_cancelled_leaves_nothing_running(
    fakes: Fakes, place: Place, library: str
) -> None:
    pids: list[int] = []
    started = anyio.Event()

    async def read() -> None:
        async with fakes(HANGS).running(place, ARGUMENTS) as chunks:
            async for chunk in chunks:
                pids.extend(int(each) for each in chunk.split())
                started.set()

    with anyio.fail_after(5):
        if library == "asyncio":
            task = asyncio.create_task(read())
            await started.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await started.wait()
                group.cancel_scope.cancel()
    assert len(pids) == 2
    assert not is_alive(pids[0])
    await gone(pids)


async def test_the_time_that_the_reader_takes_is_not_git_s(fakes: Fakes, place: Place) -> None:
    async with fakes("echo one; echo two", 0.5).running(place, ARGUMENTS) as chunks:
        assert (await anext(chunks)).startswith(b"one")
        await anyio.sleep(0.7)
        async for _ in chunks:
            pass


async def test_without_git_it_is_said_that_there_is_none(repo: Repo, roots: Path) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    (roots / "empty").mkdir()
    settings = GitSettings(roots=str(roots))
    nothing = "git is not installed on the server"
    with (
        open_repositories(settings, search_path=str(roots / "empty")) as repositories,
        pytest.raises(RepositoryUnavailable, match=nothing),
    ):
        await repositories.open("repo").commit(sha)


@pytest.mark.parametrize(
    ("complaint", "failure"),
    [
        ("error: short object ID abcdef0 is ambiguous", Failure.AMBIGUOUS),
        ("fatal: ambiguous argument 'x': unknown revision or path", Failure.NOT_FOUND),
        ("fatal: bad object abcdef0", Failure.NOT_FOUND),
        ("fatal: unable to read abcdef0", Failure.INCOMPLETE),
        ("fatal: /secret/place is strange", Failure.OTHER),
    ],
    ids=["ambiguous", "unknown", "bad", "missing", "other"],
)
async def test_a_complaint_is_understood_and_kept_from_everybody(
    fakes: Fakes,
    place: Place,
    caplog: pytest.LogCaptureFixture,
    complaint: str,
    failure: Failure,
) -> None:
    caplog.set_level(logging.DEBUG, "hephaestus_tickets")
    with pytest.raises(GitFailed) as failed:
        await said(fakes(f'echo "{complaint}" >&2; exit 128'), place)
    assert failed.value.failure is failure
    assert complaint not in f"{failed.value}{caplog.text}"
    assert "/" not in "".join(record.getMessage() for record in caplog.records)


async def test_however_much_git_complains_it_is_not_held_up(fakes: Fakes, place: Place) -> None:
    script = "echo 'it is ambiguous' >&2; head -c 3000000 /dev/zero >&2; exit 128"
    with pytest.raises(GitFailed) as failed:
        await said(fakes(script), place)
    assert failed.value.failure is Failure.AMBIGUOUS


async def test_git_is_told_nothing_of_the_server_s_environment(
    fakes: Fakes, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_CONFIG_PARAMETERS", "GIT_SSH_COMMAND", "LD_PRELOAD", "SECRET"):
        monkeypatch.setenv(name, "")
    told = dict(line.split("=", 1) for line in (await said(fakes("env"), place)).splitlines())
    assert set(told) - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "PATH", "LC_ALL", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM", "GIT_ATTR_NOSYSTEM", "GIT_NO_REPLACE_OBJECTS", "GIT_NO_LAZY_FETCH",
        "GIT_TERMINAL_PROMPT", "GIT_ALLOW_PROTOCOL", "GIT_OPTIONAL_LOCKS", "GIT_PAGER",
        "GIT_LITERAL_PATHSPECS", "GIT_DIR", "GIT_OBJECT_DIRECTORY",
    }  # fmt: skip
    assert told["GIT_OBJECT_DIRECTORY"] == place.objects
    assert told["GIT_DIR"] == told["PWD"]


async def test_git_has_an_empty_input(fakes: Fakes, place: Place) -> None:
    assert await said(fakes("cat; echo end"), place) == "end\n"


async def test_git_may_take_no_more_than_its_share(fakes: Fakes, place: Place) -> None:
    limits = (await said(fakes("ulimit -c; ulimit -f; ulimit -d; ulimit -v"), place)).split()
    assert limits[:2] == ["0", "0"]
    if sys.platform == "linux":  # others bound no memory
        assert limits[2:] == ["1048576", "4194304"]


async def test_a_git_that_cannot_be_run_is_none(fakes: Fakes, place: Place) -> None:
    git = fakes("")
    Path(git.search_path or "", "git").write_text("#!/nowhere/interpreter\n")  # noqa: ASYNC240 - small
    with pytest.raises(RepositoryUnavailable, match="git is not installed on the server"):
        await said(git, place)


def test_git_runs_in_the_loop_of_any_thread(repo: Repo, repositories: Repositories) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    found: list[str] = []

    async def ask() -> None:
        found.append((await repositories.open("repo").commit(sha)).sha)

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    thread.join(10)
    assert found == [sha]


async def test_many_may_ask_at_once(repo: Repo, repositories: Repositories) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    commits = await asyncio.gather(*(repositories.open("repo").commit(sha) for _ in range(20)))
    assert {commit.sha for commit in commits} == {sha}


def test_git_s_own_directory_is_private_and_goes_with_the_process() -> None:
    own = OwnDirectories()
    directory = own.of("sha1")
    assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in directory.iterdir()) == [
        "HEAD",
        "config",
        "objects",
        "refs",
    ]
    assert own.of("sha256").parent == directory.parent
    own.remove()
    assert not directory.parent.exists()


def test_git_s_own_directory_is_made_again_where_it_went_or_was_changed() -> None:
    own = OwnDirectories()
    first = own.of("sha1")
    (first / "config").unlink()
    (first / "refs").rmdir()
    assert own.of("sha1") == first
    assert (first / "refs").is_dir()
    first.parent.chmod(0o777)
    second = own.of("sha1")
    assert second != first
    own.remove()
    assert first.exists()  # it is no longer ours to delete
    shutil.rmtree(first.parent)


async def test_what_ends_the_server_s_group_does_not_reach_git_first(
    fakes: Fakes, place: Place
) -> None:
    async with fakes(HANGS).running(place, ARGUMENTS) as chunks:
        pid = int((await anext(chunks)).split()[0])
        assert os.getsid(pid) == os.getpgid(pid) == pid
