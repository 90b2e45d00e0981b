"""What `doctor` says of a home: each check looks, and changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.accounts import server_account
from hephaestus_tickets.local.binaries import find_binaries
from hephaestus_tickets.local.cluster import check_major, data_major
from hephaestus_tickets.local.disk import (
    MEGABYTE,
    ROOM_TO_BEGIN,
    ROOM_TO_START,
    check_room,
    explained,
    free_bytes,
)
from hephaestus_tickets.local.home import (
    Home,
    check_owner,
    check_way,
    check_what_is_there,
    home_at,
)
from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.local.visiting import status_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `mend` is what to do where it is not `ok`."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def check_home(path: Path) -> list[Finding]:
    """The state of the home, of the programs it needs and of who uses it."""
    try:
        home = home_at(path)
    except SetupError as error:
        return [_refusal("home", error)]
    checks: dict[str, Callable[[Home], Finding]] = {
        "binaries": _binaries,
        "home": _home,
        "permissions": _permissions,
        "disk": _disk,
        "data": _data,
        "locks": _locks,
        "server": _server,
    }
    return [_looked(name, check, home) for name, check in checks.items()]


def _looked(name: str, check: Callable[[Home], Finding], home: Home) -> Finding:
    try:
        with explained(home.root):
            return check(home)
    except SetupError as error:
        return _refusal(name, error)


def _refusal(name: str, error: SetupError) -> Finding:
    """The sentences of this package read `what is so; what to do`."""
    detail, _, mend = str(error).rpartition("; ")
    return Finding(name=name, ok=False, detail=detail or mend, mend=mend if detail else "")


def _binaries(home: Home) -> Finding:
    found = find_binaries(data_major(home))
    number = ".".join(map(str, found.version))
    return Finding(name="binaries", ok=True, detail=f"PostgreSQL {number} in {found.directory}")


def _home(home: Home) -> Finding:
    if not home.root.exists():
        return Finding(name="home", ok=True, detail=f"{home.root} will be made by the first start")
    check_what_is_there(home)
    return Finding(name="home", ok=True, detail=str(home.root))


def _permissions(home: Home) -> Finding:
    check_way(home)
    ours = server_account()
    expected = (
        (home.root, ours, home.root_mode),
        (home.pg, home.account, 0o700),
        (home.run, ours, 0o700),
    )
    for directory, owner, mode in expected:
        if directory.exists():
            check_owner(directory, owner)
            found = stat.S_IMODE(directory.lstat().st_mode)
            if found != mode:
                return Finding(
                    name="permissions",
                    ok=False,
                    detail=f"{directory} has the mode {found:o} and not {mode:o}",
                    mend="the next start sets it",
                )
    return Finding(name="permissions", ok=True, detail=f"PostgreSQL runs as {home.account.name}")


def _disk(home: Home) -> Finding:
    place = next(place for place in (home.root, *home.root.parents) if place.exists())
    check_room(place, ROOM_TO_START if home.data.exists() else ROOM_TO_BEGIN)
    return Finding(name="disk", ok=True, detail=f"{free_bytes(place) // MEGABYTE} MB free")


def _data(home: Home) -> Finding:
    major = data_major(home)
    if major is None:
        return Finding(name="data", ok=True, detail="none yet")
    check_major(home, find_binaries(major))
    return Finding(name="data", ok=True, detail=f"made by PostgreSQL {major}")


def _locks(home: Home) -> Finding:
    server, postgres = holders(home.server_lock), holders(home.postgres_lock)
    if server:
        return Finding(name="locks", ok=True, detail=f"in use by process {server[0]}")
    if postgres:
        return Finding(
            name="locks",
            ok=False,
            detail=f"PostgreSQL process {min(postgres)} lost its server",
            mend="the next start ends it",
        )
    return Finding(name="locks", ok=True, detail="not in use")


def _server(home: Home) -> Finding:
    found = status_of(home)
    if found is None:
        return Finding(name="server", ok=True, detail="none runs; the next session starts one")
    fault = found["postgres"]["fault"]
    if fault:
        return Finding(
            name="server",
            ok=False,
            detail=f"process {found['pid']} tries to bring PostgreSQL back ({fault})",
            mend=f"read {home.log}, make room or restore what is missing; it tries again by itself",
        )
    detail = (
        f"process {found['pid']} answers, version {found['version']}, "
        f"{len(found['connections'])} connections"
    )
    return Finding(name="server", ok=True, detail=detail)
