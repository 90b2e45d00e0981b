"""Commits are looked up in the repository of the ticket's workflow, and kept as it has them."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import URL, QueuePool

from hephaestus_tickets.adapters.git import GitSettings, open_repositories
from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.commits import (
    AmbiguousCommit,
    CommitNotFound,
    RepositoryUnavailable,
)
from hephaestus_tickets.upkeep import Upkeep
from tests.adapters.git_repositories import colliding, new_repository
from tests.factories import Json
from tests.services.actors import Sql
from tests.services.rows import number_of
from tests.services.scenes import Scene

NOWHERE = "f" * 40


async def test_a_short_sha_is_stored_whole_with_the_commits_facts(scene: Scene, sql: Sql) -> None:
    ticket = await scene.desk.make_ticket()
    sha = scene.repo.commit({"src/auth.py": "1\n2\n3\n"}, "Mend the login\n\nFor all.")
    linked = await scene.desk.link_commit(
        ticket_id=ticket, commit_sha=sha[:9].upper(), commit_message="something else"
    )
    assert linked == {"ticket_id": ticket, "version": 1, "commit_sha": sha, "verified": True}
    [link] = await scene.linked(ticket)
    assert link.pop("linked_at")
    assert link == {
        "commit_sha": sha,
        "message": "Mend the login\n\nFor all.",
        "agent_id": "tester",
        "verified": True,
        "link_method": "manual",
        "author": "Ada Lovelace <ada@example.org>",
        "committed_at": "2026-01-02T03:05:05Z",
        "files_changed": 1,
        "insertions": 3,
        "deletions": 0,
    }
    kept = sql.rows(
        "SELECT files_list, jsonb_array_length(parents) FROM ticket_commits WHERE ticket_id = :id",
        id=number_of(ticket),
    )
    assert kept == [
        ([{"path": "src/auth.py", "status": "added", "insertions": 3, "deletions": 0}], 1)
    ]


async def test_the_timeline_shows_a_commits_counts(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    sha = scene.repo.commit({"a": "1\n"}, "One line")
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha)
    timeline = await scene.desk.get_ticket_history(ticket_id=ticket)
    [entry] = [each for each in timeline["entries"] if each["entry_id"].startswith("commit-")]
    assert (entry["files_changed"], entry["insertions"], entry["deletions"]) == (1, 1, 0)
    assert (entry["author"], entry["verified"]) == ("Ada Lovelace <ada@example.org>", True)
    assert {"parents", "files_list", "checked_at"}.isdisjoint(entry)


@pytest.mark.parametrize("operation", ["link_commit", "change_status", "resolve_ticket"])
async def test_a_commit_that_is_not_there_is_refused_and_nothing_is_done(
    scene: Scene, operation: str
) -> None:
    ticket = await scene.desk.make_ticket()
    more = {"new_status": "done"} if operation == "change_status" else {}
    with pytest.raises(CommitNotFound):
        await scene.desk.call(operation, ticket_id=ticket, commit_sha=NOWHERE, **more)
    assert await scene.desk.status_of(ticket) == "backlog"
    assert await scene.linked(ticket) == []
    reply = await scene.desk.call(
        operation, ticket_id=ticket, commit_sha=NOWHERE, allow_unverified=True, **more
    )
    assert reply["commit_sha"] == NOWHERE
    assert reply["unverified_because"] == "its repository has no such commit"
    assert "verified" not in reply


async def test_a_plans_commit_is_looked_up_too(scene: Scene) -> None:
    tickets = [await scene.desk.make_ticket(), await scene.desk.make_ticket()]
    with pytest.raises(CommitNotFound):
        await scene.desk.resolve_tickets(ticket_ids=tickets, commit_sha=NOWHERE)
    sha = scene.repo.commit({"a": "1\n"}, "Both")
    await scene.desk.resolve_tickets(ticket_ids=tickets, commit_sha=sha[:7])
    assert [link["commit_sha"] for ticket in tickets for link in await scene.linked(ticket)] == [
        sha,
        sha,
    ]


async def test_an_ambiguous_sha_is_refused_whatever_is_allowed(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    with pytest.raises(AmbiguousCommit):
        await scene.desk.link_commit(
            ticket_id=ticket, commit_sha=colliding(scene.repo), allow_unverified=True
        )


async def test_without_a_repository_a_commit_is_stored_unverified(scene: Scene) -> None:
    await scene.settings(repository=None)
    ticket = await scene.desk.make_ticket()
    linked = await scene.desk.link_commit(
        ticket_id=ticket, commit_sha="abcdef1", commit_message="Mend it"
    )
    assert linked["unverified_because"] == "its workflow has no repository"
    [link] = await scene.linked(ticket)
    assert (link["commit_sha"], link["message"]) == ("abcdef1", "Mend it")
    assert "verified" not in link


async def test_a_repository_that_cannot_be_read_keeps_nobody_from_work(scene: Scene) -> None:
    await scene.settings(repository="/etc")
    ticket = await scene.desk.make_ticket()
    reply = await scene.desk.resolve_ticket(ticket_id=ticket, commit_sha="abcdef1")
    assert "GIT_ROOTS" in reply["unverified_because"]
    assert reply["status"] == "done"


async def test_what_was_unverified_is_verified_when_its_repository_appears(scene: Scene) -> None:
    sha = scene.repo.commit({"late.py": "1\n"}, "Comes later")
    await scene.settings(repository=None)
    ticket = await scene.desk.make_ticket()
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha[:8], commit_message="mine")
    upkeep = Upkeep(scene.desk.calls.units)
    await upkeep.verify()
    assert "verified" not in (await scene.linked(ticket))[0]
    await scene.settings(repository=str(scene.repo.path))
    assert await upkeep.verify() >= 1
    [link] = await scene.linked(ticket)
    assert (link["commit_sha"], link["verified"]) == (sha, True)
    assert link["message"] == "Comes later"
    assert await _found(scene, "late.py") == [ticket]
    assert await _found(scene, "mine") == []


async def test_a_server_verifies_by_itself(scene: Scene) -> None:
    sha = scene.repo.commit({"late.py": "1\n"}, "Comes later")
    await scene.settings(repository=None)
    ticket = await scene.desk.make_ticket()
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha)
    await scene.settings(repository=str(scene.repo.path))
    upkeep = asyncio.ensure_future(Upkeep(scene.desk.calls.units).run())
    try:
        async with asyncio.timeout(15):
            while "verified" not in (await scene.linked(ticket))[0]:
                pass  # each look is a call of its own
    finally:
        upkeep.cancel()
        await asyncio.wait([upkeep])


async def test_what_is_not_there_is_looked_up_again_later(scene: Scene, sql: Sql) -> None:
    ticket = await scene.desk.make_ticket()
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=NOWHERE, allow_unverified=True)
    upkeep = Upkeep(scene.desk.calls.units)
    await upkeep.verify()
    checked = "SELECT checked_at FROM ticket_commits WHERE ticket_id = :id"
    [(first,)] = sql.rows(checked, id=number_of(ticket))
    assert first is not None
    await upkeep.verify()
    assert sql.rows(checked, id=number_of(ticket)) == [(first,)]
    sql.run(
        "UPDATE ticket_commits SET checked_at = checked_at - interval '2 minutes' "
        "WHERE ticket_id = :id",
        id=number_of(ticket),
    )
    await upkeep.verify()
    [(second,)] = sql.rows(checked, id=number_of(ticket))
    assert second >= first


async def test_a_part_of_a_sha_that_was_linked_becomes_the_whole_one(scene: Scene) -> None:
    sha = scene.repo.commit({"a": "1\n"}, "Once")
    await scene.settings(repository=None)
    ticket = await scene.desk.make_ticket()
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha[:7])
    await scene.settings(repository=str(scene.repo.path))
    again = await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha)
    assert (again["already_linked"], again["verified"]) == (True, True)
    assert [link["commit_sha"] for link in await scene.linked(ticket)] == [sha]


async def test_two_links_to_what_proves_to_be_one_commit_become_one(scene: Scene) -> None:
    sha = scene.repo.commit({"a": "1\n"}, "Once")
    await scene.settings(repository=None)
    ticket = await scene.desk.make_ticket()
    for given in (sha[:7], sha[:12], sha):
        await scene.desk.link_commit(ticket_id=ticket, commit_sha=given)
    await scene.settings(repository=str(scene.repo.path))
    await Upkeep(scene.desk.calls.units).verify()
    assert [link["commit_sha"] for link in await scene.linked(ticket)] == [sha]


@pytest.mark.parametrize(
    "words", ["flux capacitor", "src/deep/engine_room.py", "engine_room", "SHA", "is SHORT in?"]
)
async def test_a_ticket_is_found_by_its_commits(scene: Scene, words: str) -> None:
    ticket = await scene.desk.make_ticket(title="Nothing alike")
    await scene.desk.make_ticket(title="Another matter")
    sha = scene.repo.commit({"src/deep/engine_room.py": "1\n"}, "Charge the flux capacitor")
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha)
    query = words.replace("SHA", sha).replace("SHORT", sha[:7])
    assert await _found(scene, query) == [ticket]
    assert await _found(scene, query, include_comments=False) == [ticket]


async def test_a_hit_says_that_its_commit_matched(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket(title="Nothing alike")
    sha = scene.repo.commit({"a": "1\n"}, "Charge the flux capacitor")
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha)
    [hit] = (await scene.desk.search_by_keywords(keywords="capacitor"))["results"]
    assert hit["matched_in"] == ["commit"]
    assert hit["snippet"] == "Charge the flux capacitor"


async def _found(scene: Scene, keywords: str, **more: Json) -> list[str]:
    reply = await scene.desk.search_by_keywords(keywords=keywords, **more)
    return [hit["ticket_id"] for hit in reply.get("results", [])]


async def test_no_connection_is_held_while_git_runs(
    scene: Scene, shared_url: URL, tmp_path: Path
) -> None:
    """A git that begins to work when it is told to."""
    started, go = tmp_path / "started", tmp_path / "go"
    os.mkfifo(started)
    os.mkfifo(go)
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f'#!/bin/sh\n: > {started}\n: < {go}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    ticket = await scene.desk.make_ticket()
    settings = GitSettings(roots=str(tmp_path))
    with open_repositories(settings, search_path=str(git.parent)) as repositories:
        async with open_calls(shared_url, repositories=repositories) as calls:
            pool = cast("QueuePool", calls.units.database.engine.pool)  # as every server has
            desk = replace(scene.desk, calls=calls)
            call = desk.resolve_ticket(ticket_id=ticket, commit_sha=scene.repo.sha())
            async with asyncio.timeout(15):
                resolving = asyncio.ensure_future(call)
                await asyncio.to_thread(started.read_bytes)
                assert pool.checkedout() == 0
                await asyncio.to_thread(go.write_bytes, b"")
                assert (await resolving)["verified"]


async def test_repetitions_with_a_key_look_a_commit_up_and_link_it_once(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    call = {"ticket_id": ticket, "commit_sha": scene.repo.sha(), "idempotency_key": ticket}
    first = await scene.desk.resolve_ticket(**call)
    again = await scene.desk.resolve_ticket(**call)
    assert again == {**first, "replayed": True}


async def test_a_board_cannot_lead_out_of_the_roots(scene: Scene) -> None:
    outside = new_repository(scene.repo.path.parents[1] / f"outside-{scene.repo.path.parent.name}")
    sha = outside.commit({"secret": "1\n"}, "Secret")
    ticket = await scene.desk.make_ticket()
    for named in (str(outside.path), f"../{outside.path.name}", f"repo/../../{outside.path.name}"):
        await scene.settings(repository=named)
        reply = await scene.desk.link_commit(ticket_id=ticket, commit_sha=sha)
        assert "verified" not in reply
        assert "outside" not in reply["unverified_because"]
        with pytest.raises(RepositoryUnavailable):
            await scene.desk.get_commit_diff(commit_sha=sha)
