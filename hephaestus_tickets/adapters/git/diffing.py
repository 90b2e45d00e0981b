"""What `git show` says of a commit and a part of its patch, read while it arrives."""

from __future__ import annotations

from hephaestus_tickets.adapters.git.pages import Page
from hephaestus_tickets.adapters.git.parsing import (
    SUMMARY_ARGUMENTS,
    CommitReader,
    UnreadableOutput,
)
from hephaestus_tickets.adapters.git.patches import PatchReader
from hephaestus_tickets.domain.commits import CommitDiff, DiffPlace, DiffWindow

# After `show`, before `--end-of-options <sha>^{commit}`; SUMMARY_ARGUMENTS do for a list of files.
# Full shas are no longer than they have to be: a short one is looked for in the whole repository.
DIFF_ARGUMENTS = (
    *SUMMARY_ARGUMENTS,
    "--patch",
    "--unified=3",
    "--inter-hunk-context=0",
    "--indent-heuristic",
    "--full-index",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


class DiffReader:
    """Reads one page: the part of the patch before it is passed over, what follows is not needed.

    Raises UnreadableOutput where git's output is none or ends too early.
    """

    def __init__(self, window: DiffWindow) -> None:
        self._window = window
        self._commit = CommitReader(window.start.file, max(1, window.files), window.path)
        self._page = Page(window.budget)
        self._patch: PatchReader | None = None

    def feed(self, chunk: bytes) -> bool:
        """True: it has all it needs, git may be ended."""
        patch = self._commit.feed(chunk)
        if not self._commit.is_listed:
            return False
        if not self._window.has_hunks:
            return True
        if self._patch is None:
            files = list(self._commit.kept.values())
            self._patch = PatchReader(files, self._window.start.line, self._page)
        return self._patch.feed(patch)

    def close(self) -> None:
        """The end of git's output."""
        if self._patch:
            self._patch.close()
        elif self._window.has_hunks and self._commit.kept:
            raise UnreadableOutput("git's output ends before the patch")

    def result(self) -> CommitDiff:
        commit = self._commit.result()
        cut_at = self._patch.cut_at if self._patch else self._list()
        return CommitDiff(
            commit=commit,
            files=tuple(self._page.files),
            goes_on=cut_at or self._following(commit.files_changed),
            cut_lines=self._page.cut_lines,
        )

    def _list(self) -> DiffPlace | None:
        """The files without their lines, as many as fit."""
        self._page = Page(self._window.budget)
        for file in self._commit.kept.values():
            if not self._page.begin(file.change):
                return DiffPlace(file=file.index)
            self._page.end()
        return None

    def _following(self, files: int) -> DiffPlace | None:
        if self._window.path:
            return None
        end = max(self._commit.kept, default=files) + 1
        return DiffPlace(file=end) if end < files else None
