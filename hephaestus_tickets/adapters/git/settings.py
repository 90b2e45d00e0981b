"""Which repositories the operator lets be read."""

from __future__ import annotations

import os

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class GitSettings(BaseSettings):
    """`GIT_…`: where repositories may lie; without the first two, no workflow has one."""

    model_config = SettingsConfigDict(
        env_prefix="GIT_", env_ignore_empty=True, hide_input_in_errors=True
    )

    roots: str = Field(
        default="",
        description=(
            "Directories below which boards may name git repositories, separated as in PATH; "
            "empty: none may"
        ),
    )
    repository: str = Field(
        default="",
        description=(
            "The git repository of the workflows whose board names none; it need not lie below "
            "GIT_ROOTS"
        ),
    )
    deadline_seconds: float = Field(
        default=20,
        gt=0,
        le=300,
        description="How long git may take for one answer",
    )

    @field_validator("roots")
    @classmethod
    def _are_absolute(cls, roots: str) -> str:
        return os.pathsep.join(_absolute(each) for each in roots.split(os.pathsep) if each.strip())

    @field_validator("repository")
    @classmethod
    def _is_absolute(cls, repository: str) -> str:
        return _absolute(repository) if repository.strip() else ""

    def directories(self) -> tuple[str, ...]:
        return tuple(filter(None, self.roots.split(os.pathsep)))


def _absolute(path: str) -> str:
    """Raises ValueError: what is relative to some directory of a process is another path soon."""
    whole = os.path.expanduser(path.strip())
    if not os.path.isabs(whole) or "\x00" in whole:
        raise ValueError("it must be an absolute path")
    return whole
