"""Real repositories for tests: made by git, always the same, apart from the machine's settings."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

AUTHOR = "Ada Lovelace <ada@example.org>"
FIRST = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # each commit is a minute later

_NAME, _ADDRESS = "Ada Lovelace", "ada@example.org"
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": _NAME,
    "GIT_AUTHOR_EMAIL": _ADDRESS,
    "GIT_COMMITTER_NAME": _NAME,
    "GIT_COMMITTER_EMAIL": _ADDRESS,
}
# Submodules and clones of tests are files of this machine, whoever owns them.
_OPTIONS = ("-c", "protocol.file.allow=always", "-c", "safe.directory=*", "-c", "gc.auto=0")


class Repo:
    """A repository at `path`, on the branch `main`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits = 0

    def git(self, *arguments: str | bytes | Path, stdin: bytes = b"") -> str:
        """What the command prints, without the last line's end. Fails where it does."""
        return self.git_bytes(*arguments, stdin=stdin).decode().rstrip("\n")

    def git_bytes(self, *arguments: str | bytes | Path, stdin: bytes = b"") -> bytes:
        at = self._when().isoformat()
        done = subprocess.run(
            ["git", *_OPTIONS, *arguments],  # noqa: S607 - any git will do
            cwd=self.path,
            env={**_ENVIRONMENT, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def runs(self, *arguments: str | bytes | Path) -> None:
        """As git(), whatever comes of it."""
        with suppress(AssertionError):
            self.git(*arguments)

    def commit(
        self,
        files: Mapping[str | bytes, str | bytes | None] | None = None,
        message: str | bytes = "Change something",
    ) -> str:
        """The sha of a commit of everything in the work tree, with these files written before.

        None as content deletes a file.
        """
        for name, content in (files or {}).items():
            self.write(name, content)
        self.git("add", "--all")
        return self.commit_index(message)

    def commit_index(self, message: str | bytes = "Change something") -> str:
        """The sha of a commit of what the index holds."""
        words = message.encode() if isinstance(message, str) else message
        self.git("commit", "--quiet", "--allow-empty", "--no-verify", "-F", "-", stdin=words)
        self._commits += 1
        return self.sha()

    def merge(self, branch: str, message: str = "Merge") -> str:
        self.git("merge", "--quiet", "--no-ff", "-m", message, branch)
        self._commits += 1
        return self.sha()

    def write(self, name: str | bytes, content: str | bytes | None) -> None:
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.path), os.fsencode(name))))  # noqa: PTH118 - of bytes
        if content is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def sha(self, name: str = "HEAD") -> str:
        return self.git("rev-parse", "--verify", "--end-of-options", name)

    def config(self, name: str, value: str) -> None:
        self.git("config", name, value)

    @property
    def directory(self) -> Path:
        """Its git directory."""
        return self.path / ".git" if (self.path / ".git").is_dir() else self.path

    def _when(self) -> datetime:
        return FIRST + timedelta(minutes=self._commits)


def new_repository(path: Path, *, object_format: str = "sha1") -> Repo:
    """An empty one with a work tree; the directory is made."""
    path.mkdir(parents=True, exist_ok=True)
    repo = Repo(path)
    repo.git("init", "--quiet", "--initial-branch=main", f"--object-format={object_format}")
    return repo


def cloned(source: Repo, path: Path, *options: str) -> Repo:
    """As `git clone` makes it, by the same transport as from another machine."""
    source.git("clone", "--quiet", *options, source.path.as_uri(), path)
    return Repo(path)


def tree_digest(directory: Path) -> str:
    """Of every name below it, with its kind, content and the time it was changed."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(os.fsencode(directory)):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)  # noqa: PTH118 - of bytes
            facts = os.lstat(path)
            digest.update(b"%s %o %d " % (path, facts.st_mode, facts.st_mtime_ns))
            digest.update(_content(path))
    return digest.hexdigest()


def _content(path: bytes) -> bytes:
    if os.path.islink(path):  # noqa: PTH114 - of bytes
        return os.readlink(path)  # noqa: PTH115 - of bytes
    if not os.path.isfile(path):  # noqa: PTH113 - of bytes
        return b""
    with open(path, "rb") as file:  # noqa: PTH123 - of bytes
        return file.read()


def colliding(repo: Repo) -> str:
    """Seven digits with which the shas of two commits begin, found by trying messages."""
    head = repo.git_bytes("cat-file", "commit", "HEAD").partition(b"\n\n")[0]
    seen: dict[str, bytes] = {}
    for number in range(1_000_000):
        body = b"%s\n\n%d\n" % (head, number)
        sha = hashlib.sha1(b"commit %d\0%s" % (len(body), body)).hexdigest()  # noqa: S324 - git's
        if other := seen.get(sha[:7]):
            for each in (body, other):
                repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=each)
            return sha[:7]
        seen[sha[:7]] = body
    raise AssertionError("no two were found")
