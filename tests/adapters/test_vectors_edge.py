from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from hephaestus_tickets.adapters.vectors import (
    CollectionGone,
    Narrowed,
    VectorsUnavailable,
    open_edge,
)
from hephaestus_tickets.adapters.vectors.edge import EdgeStore
from tests.adapters.vector_stores import SPACE, found, make_point, towards

TWENTY = [make_point(number) for number in range(1, 21)]
Damages = Callable[[Path], object]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "home" / "vectors"


@pytest.fixture
async def store(directory: Path) -> AsyncGenerator[EdgeStore]:
    """With twenty tickets. Every call of it is over in 10 seconds."""
    opened = EdgeStore(directory, seconds=10)
    await opened.ensure(SPACE)
    await opened.upsert(SPACE, TWENTY)
    yield opened
    await opened.aclose()


def files(directory: Path, pattern: str = "*") -> list[Path]:
    return [path for path in sorted((directory / SPACE.key).rglob(pattern)) if path.is_file()]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def spoil(path: Path) -> None:
    path.write_bytes(b"\xde\xad\xbe\xef" * (path.stat().st_size // 4 + 1))


def empty(path: Path) -> None:
    os.truncate(path, 0)


async def start_anew(store: EdgeStore) -> None:
    """What the Indexer does when it hears that a collection is gone."""
    assert await store.ensure(SPACE) is True
    await store.upsert(SPACE, TWENTY)
    assert await found(store, limit=3) == [1, 2, 3]
    assert await store.count(SPACE) == 20


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def folders(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("*/")]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_nothing_is_started_or_made_before_the_first_call(directory: Path) -> None:
    store = open_edge(directory)
    await store.aclose()
    assert folders(directory.parent) == []


async def test_the_directory_is_for_its_owner_alone(store: EdgeStore, directory: Path) -> None:
    assert mode(directory) == 0o700
    assert mode(directory / SPACE.key) == 0o700


async def test_points_are_there_after_the_store_was_closed(
    store: EdgeStore, directory: Path
) -> None:
    await store.aclose()
    again = EdgeStore(directory)
    assert await again.ensure(SPACE) is False
    assert await again.count(SPACE) == 20
    assert await found(again, Narrowed(status=("backlog",)), limit=3) == [1, 2, 3]
    await again.aclose()


async def test_a_closed_store_leaves_no_process(store: EdgeStore) -> None:
    pid = store.pid
    assert pid is not None
    assert is_running(pid)
    await store.aclose()
    assert not is_running(pid)
    assert store.pid is None


async def test_an_engine_that_is_killed_costs_nobody_a_call(store: EdgeStore) -> None:
    for number in range(21, 26):
        assert store.pid is not None
        os.kill(store.pid, signal.SIGKILL)
        await store.upsert(SPACE, [make_point(number)])
    assert await store.count(SPACE) == 25


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 3, 5, 8, 13, 21])
async def test_what_was_acknowledged_outlives_a_kill_of_the_engine_at_any_moment(
    store: EdgeStore, milliseconds: int
) -> None:
    changed = [make_point(point.ticket, vector=towards(90 - point.ticket)) for point in TWENTY]
    await store.upsert(SPACE, changed)
    writing = asyncio.create_task(store.upsert(SPACE, TWENTY))
    await asyncio.sleep(milliseconds / 1000)
    assert store.pid is not None
    os.kill(store.pid, signal.SIGKILL)
    await writing
    assert await found(store, limit=20) == list(range(1, 21))
    [near] = await store.nearest(
        SPACE, towards(20), workflow_id="w", narrowed=Narrowed(only=(20,)), limit=1
    )
    assert near.cosine == pytest.approx(1)


WRITES = """
    import asyncio, sys
    from pathlib import Path
    from hephaestus_tickets.adapters.vectors.edge import EdgeStore
    from tests.adapters.vector_stores import SPACE, make_point

    async def main():
        store = EdgeStore(Path(sys.argv[1]))
        await store.ensure(SPACE)
        for number in range(1, 10_000):
            await store.upsert(SPACE, [make_point(number)])
            print(number, store.pid, flush=True)

    asyncio.run(main())
"""


def writes_until_killed(directory: Path) -> tuple[int, int]:
    """A server's last acknowledged ticket, and its engine's process."""
    command = [sys.executable, "-c", textwrap.dedent(WRITES), str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        said = [server.stdout.readline() for _ in range(20)]
        server.kill()
        last, engine = (said + server.stdout.readlines())[-1].split()
    return int(last), int(engine)


async def test_the_next_server_takes_over_from_one_that_was_killed_amid_writing(
    directory: Path,
) -> None:
    last, engine = await asyncio.to_thread(writes_until_killed, directory)
    store = EdgeStore(directory, seconds=20)
    assert await store.ensure(SPACE) is False
    assert await store.count(SPACE) in {last, last + 1}
    assert await found(store, Narrowed(only=(1, last))) == [1, last]
    assert not is_running(engine)
    await store.aclose()


async def test_a_second_store_on_a_directory_is_refused(store: EdgeStore, directory: Path) -> None:
    second = EdgeStore(directory, patience=0.2)
    with pytest.raises(VectorsUnavailable, match="another process has") as refused:
        await second.count(SPACE)
    assert not isinstance(refused.value, CollectionGone)
    await second.aclose()
    assert await store.count(SPACE) == 20


@pytest.mark.parametrize("damage", [cut, spoil, empty, Path.unlink], ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    "pattern",
    ["edge_config.json", "segment.json", "chunk_0.mmap", "*.mappings", "tracker.dat", "*"],
)
async def test_damaged_files_never_wedge(
    store: EdgeStore, directory: Path, pattern: str, damage: Damages
) -> None:
    await store.aclose()
    for path in files(directory, pattern):
        damage(path)
    try:
        await store.count(SPACE)
        await found(store)
        await store.upsert(SPACE, TWENTY)
    except CollectionGone:
        await start_anew(store)
    else:  # it is not needed, or could be made up for
        assert await found(store, limit=3) == [1, 2, 3]


async def test_files_that_are_cut_while_they_are_read_end_the_engine_alone(
    store: EdgeStore, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in files(directory, "chunk_0.mmap"):
        empty(path)
    with pytest.raises(CollectionGone):
        await found(store)
    assert "are spoiled and removed" in caplog.text
    await start_anew(store)


async def test_a_directory_that_vanishes_is_a_collection_that_is_gone(
    store: EdgeStore, directory: Path
) -> None:
    (directory / SPACE.key).rename(directory.parent / "elsewhere")
    with pytest.raises(CollectionGone):
        await store.upsert(SPACE, TWENTY)
    await start_anew(store)


async def test_what_was_half_made_is_swept(store: EdgeStore, directory: Path) -> None:
    await store.aclose()
    (directory / SPACE.key).rename(directory / f"{SPACE.key}.half")
    with pytest.raises(CollectionGone):
        await store.count(SPACE)
    await start_anew(store)
    assert folders(directory) == [SPACE.key]


async def test_a_full_disk_refuses_writes_and_lets_read(directory: Path, store: EdgeStore) -> None:
    await store.aclose()
    full = EdgeStore(directory, reserve=2**62)
    with pytest.raises(VectorsUnavailable, match="disk that holds the vectors is full") as refused:
        await full.upsert(SPACE, [make_point(21)])
    assert not isinstance(refused.value, CollectionGone)
    with pytest.raises(VectorsUnavailable, match="disk that holds the vectors is full"):
        await full.ensure(replace(SPACE, model="another"))
    assert await found(full, limit=2) == [1, 2]
    assert await full.count(SPACE) == 20
    await full.aclose()


async def test_a_place_that_cannot_be_used_is_said_in_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    store = EdgeStore(tmp_path / "file" / "vectors")
    with anyio.fail_after(10), pytest.raises(VectorsUnavailable, match="its engine ends at once"):
        await store.ensure(SPACE)
    await store.aclose()


async def test_overwriting_points_takes_no_more_of_the_disk(
    store: EdgeStore, directory: Path
) -> None:
    def taken() -> int:
        return sum(path.stat().st_blocks for path in files(directory)) * 512

    async def rewrite(times: int) -> None:
        for each in range(times):
            points = [make_point(number, status=f"s{each}") for number in range(1, 65)]
            await store.upsert(SPACE, points)

    await rewrite(10)
    before = taken()
    await rewrite(100)
    assert taken() < 1.5 * before
    assert await store.count(SPACE) == 64


async def test_it_is_read_and_written_by_many_at_once(store: EdgeStore) -> None:
    with anyio.fail_after(30):
        async with asyncio.TaskGroup() as group:
            for number in range(21, 61):
                group.create_task(store.upsert(SPACE, [make_point(number)]))
            reads = [group.create_task(found(store, limit=2)) for _ in range(200)]
    assert {tuple(read.result()) for read in reads} == {(1, 2)}
    assert await store.count(SPACE) == 60


async def test_a_question_that_nobody_waits_for_disturbs_no_other(store: EdgeStore) -> None:
    async with asyncio.TaskGroup() as group:
        left = [group.create_task(store.count(SPACE)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in left[::2]:
            task.cancel()
    assert [task.result() for task in left[1::2]] == [20] * 10
    assert await found(store, limit=1) == [1]


async def test_an_engine_that_does_not_answer_is_ended(store: EdgeStore, directory: Path) -> None:
    await store.aclose()
    hasty = EdgeStore(directory, seconds=0.5)
    assert await hasty.count(SPACE) == 20
    assert hasty.pid is not None
    os.kill(hasty.pid, signal.SIGSTOP)
    with anyio.fail_after(10), pytest.raises(VectorsUnavailable, match=r"within 0\.5 seconds"):
        await hasty.count(SPACE)
    with anyio.fail_after(10):
        assert await hasty.count(SPACE) == 20
    await hasty.aclose()
