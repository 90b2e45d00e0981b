"""What calls about commits answer."""

from pydantic import Field

from hephaestus_tickets.domain.commits import FileStatus
from hephaestus_tickets.schemas.replies import Reply
from hephaestus_tickets.schemas.types import Timestamp


class CommitFacts(Reply):
    commit_sha: str
    parents: list[str] = Field(default=[])
    author: str
    authored_at: Timestamp
    committed_at: Timestamp
    message: str = ""
    files_changed: int
    insertions: int
    deletions: int


class HunkView(Reply):
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    section: str = Field(default="", description="What git says it is in, such as a function")
    text: str = Field(description="Its lines, each with its sign: ' ', '-', '+'")


class FileDiffView(Reply):
    path: str
    old_path: str | None = None
    status: FileStatus
    is_binary: bool = False
    is_submodule: bool = False
    insertions: int = 0
    deletions: int = 0
    hunks: list[HunkView] = Field(default=[])
    is_cut: bool = Field(default=False, description="Its hunks go on on the next page")


class CommitDiffView(Reply):
    commit: CommitFacts
    files: list[FileDiffView] = Field(default=[], description="Against the first parent")
    next_cursor: str | None = None
    omitted: list[str] = Field(default=[])
