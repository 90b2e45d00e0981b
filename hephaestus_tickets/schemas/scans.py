"""A look through a branch's commits: what it is told, and what it answers."""

from typing import Annotated

from pydantic import Field

from hephaestus_tickets.schemas.replies import Reply, WriteReply
from hephaestus_tickets.schemas.types import Word

Branch = Annotated[
    Word, Field(description="Default: the board's, else what the repository has checked out")
]
Resolves = Annotated[bool, Field(description="false: only link")]
Since = Annotated[
    Word | None,
    Field(description="A sha to begin after; default: where the last scan of the branch ended"),
]


class LinkFound(Reply):
    ticket_id: str
    commit_sha: str
    verified: bool = False


class NotResolved(Reply):
    ticket_id: str
    reason: str


class CommitsScanned(WriteReply):
    commits: int = Field(description="How many were looked at")
    linked: list[LinkFound] = Field(default=[], description="New links, the oldest first")
    unverified_because: str | None = Field(
        default=None, description="Linked without their facts, which are looked up again later"
    )
    resolved: list[str] = Field(default=[])
    unblocked_tickets: list[str] = Field(default=[])
    not_resolved: list[NotResolved] = Field(
        default=[], description="Linked and still open, each with its reason"
    )
    head: str = Field(description="The branch's last commit")
    complete: bool = Field(default=False, description="Absent: there is more, call again")
    dry_run: bool = False
    omitted: list[str] = Field(default=[])
