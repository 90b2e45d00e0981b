"""A workflow with a repository of its own."""

from __future__ import annotations

from dataclasses import dataclass

from tests.adapters.git_repositories import Repo
from tests.factories import Desk, Json
from tests.services.actors import Sql
from tests.services.rows import number_of


@dataclass(frozen=True)
class Scene:
    """As one agent sees it."""

    desk: Desk
    repo: Repo

    async def scan(self, **arguments: Json) -> Json:
        return await self.desk.scan_commits(**arguments)

    async def linked(self, ticket: str) -> list[Json]:
        return (await self.desk.get_ticket(ticket_id=ticket)).get("commits", [])

    async def settings(self, **settings: Json) -> None:
        board = await self.desk.get_board_config(workflow_id=self.desk.caller.default_workflow)
        rules = {**board["settings"], **settings}
        await self.desk.configure_board(
            workflow_id=self.desk.caller.default_workflow, settings=rules
        )

    def forget(self, sql: Sql) -> None:
        """Where the last scans ended."""
        sql.run(
            "DELETE FROM commit_scans WHERE workflow_id = :workflow_id",
            workflow_id=self.desk.caller.default_workflow,
        )


def link(ticket: str, sha: str) -> Json:
    """As a reply tells of one that was made of a commit that could be read."""
    return {"ticket_id": ticket, "commit_sha": sha, "verified": True}


def name(sql: Sql, ticket: str, external_ref: str) -> None:
    """Its original id."""
    sql.run(
        "UPDATE tickets SET external_ref = :ref WHERE id = :id",
        ref=external_ref,
        id=number_of(ticket),
    )
