"""Scans at once, and scans repeated: everything is done once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from sqlalchemy import URL

from hephaestus_tickets.adapters.git import Repositories
from hephaestus_tickets.adapters.git.repository import Repository
from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.commits import Commit, CommitDiff, DiffWindow, LoggedCommit
from hephaestus_tickets.operations import KEY
from tests.factories import Json
from tests.services.actors import Sql, changes, meeting, together
from tests.services.invariants import violations
from tests.services.rows import number_of
from tests.services.scenes import Scene


@dataclass(frozen=True)
class Interrupted:
    """A repository before whose first answer others have their turn."""

    repository: Repository
    meanwhile: list[Callable[[], Awaitable[Json]]]

    @property
    def key(self) -> str:
        return self.repository.key

    async def tip(self, branch: str) -> str:
        while self.meanwhile:
            await self.meanwhile.pop()()
        return await self.repository.tip(branch)

    async def commit(self, sha: str) -> Commit:
        return await self.repository.commit(sha)

    async def diff(self, sha: str, window: DiffWindow) -> CommitDiff:
        return await self.repository.diff(sha, window)

    async def reachable(self, shas: Iterable[str], tip: str) -> set[str]:
        return await self.repository.reachable(shas, tip)

    def log(self, tip: str, since: str) -> AsyncGenerator[LoggedCommit]:
        return self.repository.log(tip, since)


@dataclass(frozen=True)
class TheOne:
    """A process's only repository, whatever is named."""

    repository: Repository
    is_open: bool = True
    has_default: bool = True

    def open(self, named: str) -> Repository:
        _ = named
        return self.repository


async def test_a_scan_repeated_with_its_key_is_answered_with_the_first_reply(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    first = await scene.scan(**{KEY: ticket})
    scene.repo.commit(message=f"More of {ticket}")
    assert await scene.scan(**{KEY: ticket}) == {**first, "replayed": True}


async def test_two_scans_at_once_do_it_once(
    scene: Scene, shared_url: URL, repositories: Repositories, sql: Sql
) -> None:
    tickets = [await scene.desk.make_ticket() for _ in range(6)]
    for ticket in tickets:
        scene.repo.commit(message=f"Fixes {ticket}")
    async with AsyncExitStack() as stack:
        desks = [
            replace(
                scene.desk,
                calls=await stack.enter_async_context(
                    open_calls(shared_url, repositories=repositories)
                ),
            )
            for _ in range(4)
        ]
        replies = await together(*[desk.scan_commits() for desk in desks])
    assert sorted(name for reply in replies for name in reply.get("resolved", [])) == sorted(
        tickets
    )
    assert sum(len(reply.get("linked", [])) for reply in replies) == 6
    for ticket in tickets:
        assert await changes(scene.desk, ticket) == ["created", "resolved"]
    assert violations(sql, scene.desk.caller.default_workflow) == []


async def test_a_scan_that_waited_for_another_adds_nothing(
    scene: Scene, shared_url: URL, repositories: Repositories, sql: Sql
) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    async with open_calls(shared_url, repositories=repositories) as calls:
        second = replace(scene.desk, calls=calls)
        first_reply, second_reply = await meeting(
            sql, (scene.desk, "scan_commits", {}), second.scan_commits()
        )
    assert first_reply["resolved"] == [ticket]
    assert "linked" not in second_reply
    assert "resolved" not in second_reply
    assert await changes(scene.desk, ticket) == ["created", "resolved"]


async def test_a_board_changed_meanwhile_is_read_again(
    scene: Scene, shared_url: URL, repositories: Repositories
) -> None:
    await scene.settings(commit_patterns=["bug {id}"])
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes bug {number_of(ticket)}")
    repository = Interrupted(
        repositories.open("repo"), [lambda: scene.settings(commit_patterns=[])]
    )
    async with open_calls(shared_url, repositories=TheOne(repository)) as calls:
        reply = await replace(scene.desk, calls=calls).scan_commits()
    assert repository.meanwhile == []
    assert reply["commits"] == 2
    assert "linked" not in reply
