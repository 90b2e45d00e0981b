"""The repository of whoever types a command, as their own git sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.local.settings import environment

# What would lead git to another repository than that of the directory.
_LEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_PREFIX")


def directories(directory: Path) -> tuple[Path, Path]:
    """Its git directory, which may be a linked worktree's own, and the one that all share."""
    own, shared = _git(directory, "rev-parse", "--absolute-git-dir", "--git-common-dir").split("\n")
    return Path(own), Path(directory, shared).resolve()


def hooks_directory(directory: Path) -> Path:
    return Path(directory, _git(directory, "rev-parse", "--git-path", "hooks")).resolve()


def shares_hooks(directory: Path) -> bool:
    """Whether other repositories have the same hooks."""
    asked = ("--show-scope", "--default", "", "--get", "core.hooksPath")
    return _git(directory, "config", *asked).split("\t")[0] in ("system", "global")


def _git(directory: Path, *arguments: str) -> str:
    """What it prints, without the end of the last line. Raises SetupError."""
    ours = {name: value for name, value in environment().items() if name not in _LEADING}
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the one that made the repository
            cwd=directory,
            env=ours,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except OSError as error:
        raise SetupError(f"Cannot run git in {directory}: {error.strerror}.") from error
    if done.returncode:
        told = one_line(done.stderr, 300).removeprefix("fatal: ").removesuffix(".")
        raise SetupError(f"Git finds no repository at {directory.absolute()}: {told}.")
    return done.stdout.removesuffix("\n")
