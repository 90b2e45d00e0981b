from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from tests.adapters.git_repositories import Repo, new_repository


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all other tests are told is not for those that are about it."""
    for name in ("EMBEDDING_PROVIDER", "GIT_ROOTS", "GIT_REPOSITORY", "GIT_DEADLINE_SECONDS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """The one directory below which repositories may be read."""
    directory = tmp_path / "roots"
    directory.mkdir()
    return directory


@pytest.fixture
def repositories(roots: Path) -> Generator[Repositories]:
    with open_repositories(GitSettings(roots=str(roots))) as opened:
        yield opened


@pytest.fixture
def repo(roots: Path) -> Repo:
    return new_repository(roots / "repo")
