"""Whose processes and files these are: the server's account, and PostgreSQL's."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    name: str
    uid: int
    gid: int


def is_root() -> bool:
    return os.geteuid() == 0


def server_account() -> Account:
    """The account this process runs under; PostgreSQL lets in nobody else."""
    uid = os.geteuid()
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError as error:
        raise SetupError(
            f"User id {uid} has no name, which PostgreSQL needs; "
            "add it to /etc/passwd, or start under an account that has one."
        ) from error


def data_account() -> Account:
    """The account PostgreSQL runs under: ours, or as root `nobody`, since it refuses root."""
    if not is_root():
        return server_account()
    try:
        return _account(pwd.getpwnam("nobody"))
    except KeyError as error:
        raise SetupError(
            "PostgreSQL does not run as root, and there is no account 'nobody' to run it under; "
            "add one, or start as an ordinary user."
        ) from error


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def closed_to(account: Account, path: Path) -> Path | None:
    """The first directory on the way to `path` that the account may not pass; None if none."""
    for directory in reversed(path.parents):
        facts = directory.stat()
        if not facts.st_mode & _search_bit(account, facts):
            return directory
    return None


def _search_bit(account: Account, facts: os.stat_result) -> int:
    if facts.st_uid == account.uid:
        return stat.S_IXUSR
    return stat.S_IXGRP if facts.st_gid == account.gid else stat.S_IXOTH


def replaceable_by(account: Account, path: Path) -> Path | None:
    """The first directory above `path` where the account could put something else in its place."""
    for directory in reversed(path.parents):
        facts = directory.stat()
        open_to_all = facts.st_mode & stat.S_IWOTH and not facts.st_mode & stat.S_ISVTX
        if facts.st_uid == account.uid or open_to_all:
            return directory
    return None
