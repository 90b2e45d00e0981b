"""Where a home's local server listens, and what is said first; both sides speak by this file.

The client's side is loaded at every start of a session: the standard library alone, and of that
only what is quick to import (`_socket` without the 15 ms of `socket`, no `json`,
`typing`, `collections` or `pathlib`).
"""

from __future__ import annotations

import os
import stat
import sys
from _json import encode_basestring_ascii as quoted
from _socket import AF_UNIX, SOCK_STREAM, SOL_SOCKET
from _socket import socket as Socket  # noqa: N812 - a class, whatever its module calls it
from time import monotonic, sleep

from hephaestus_tickets import __version__
from hephaestus_tickets.domain.setup_error import SetupError

PROTOCOL = 1
SOCKET_NAME = "server.sock"
LONGEST_HELLO = 65_536  # bytes
ANSWER_S = 15.0  # a server that is alive says something in this time
# What a server reads once, when it starts; a client that has others is told so.
SERVER_SETTINGS = (
    "HEPHAESTUS_IDLE_SECONDS",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "EMBEDDING_PROVIDER",
    "EMBEDDING_MODEL",
    "EMBEDDING_DIM",
    "EMBEDDING_BASE_URL",
    "OPENAI_API_KEY",
    "SEARCH_RANKING",
    "GIT_ROOTS",
    "GIT_REPOSITORY",
    "GIT_DEADLINE_SECONDS",
    "CLAIM_LEASE_SECONDS",
    "CLAIM_SHORTEST_SECONDS",
    "CLAIM_LONGEST_SECONDS",
)
_BUSY_PAUSE_S = 0.01
_LOOK = "`hephaestus-tickets doctor` says more"
# From <sys/un.h>: the socket module does not name them.
_APPLE_LOCAL, _APPLE_PEER_CRED, _APPLE_PEER_PID = 0, 1, 2


def default_home(environment: dict[str, str]) -> str:
    """The platform's directory for user data, as root `/var/lib/hephaestus-tickets`."""
    if os.geteuid() == 0:
        return "/var/lib/hephaestus-tickets"
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/hephaestus-tickets")
    data = environment.get("XDG_DATA_HOME", "")
    # A relative one is to be ignored: XDG Base Directory Specification.
    place = data if os.path.isabs(data) else os.path.expanduser("~/.local/share")
    return os.path.join(place, "hephaestus-tickets")


def home_path(environment: dict[str, str]) -> str:
    """The home that HEPHAESTUS_HOME names, absolute, else the default one."""
    named = environment.get("HEPHAESTUS_HOME") or default_home(environment)
    return absolute(named)


def absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def cwd() -> str:
    """Empty where it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def edition() -> dict[str, int | str]:
    """Which code this is: a change to any file of the package makes it another one."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    changed = _changed(package)
    return {
        "version": __version__,
        "newest": max(changed),
        "total": sum(changed),
        "directory": package,
    }


def _changed(directory: str) -> list[int]:
    """When each file of the package was changed, in nanoseconds."""
    found: list[int] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir() and entry.name != "__pycache__":
                found += _changed(entry.path)
            elif entry.name.endswith(".py") and entry.is_file():  # an editor's lock is a stray link
                found.append(entry.stat().st_mtime_ns)
    return found


def digest(environment: dict[str, str]) -> dict[str, str]:
    """The server-level settings that are set, without their values."""
    given = [name for name in SERVER_SETTINGS if environment.get(name)]
    if not given:
        return {}
    from zlib import crc32  # noqa: PLC0415 - hardly anybody sets one

    return {name: f"{crc32(os.fsencode(environment[name])):08x}" for name in given}


def hello_line(
    purpose: str,
    environment: dict[str, str],
    *,
    takes_over: bool = False,
    session: dict[str, str] | None = None,
) -> bytes:
    """The first line of a connection, JSON: who asks for what, and with which code.

    `takes_over` asks a server of older code that nobody else uses to give way.
    """
    values = {
        "protocol": str(PROTOCOL),
        "purpose": _json(purpose),
        "pid": str(os.getpid()),
        "cwd": _json(cwd()),
        "edition": _json_object(edition()),
        "settings": _json_object({**digest(environment)}),
        "session": _json_object({**(session or {})}),
        "takes_over": "true" if takes_over else "false",
    }
    return ("{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}\n").encode()


def _json_object(values: dict[str, int | str]) -> str:
    return "{" + ",".join(f"{_json(name)}:{_json(each)}" for name, each in values.items()) + "}"


def _json(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    return quoted(os.fsencode(value).decode("utf-8", "replace"))


def connected(home: str) -> Socket | None:
    """A connection to the home's server; None where none listens, or where there is no home.

    Raises SetupError for a socket or a server of somebody else's.
    """
    run = os.path.join(home, "run")
    if not (_is_our_directory(home) and _is_our_directory(run)):
        return None
    try:
        _check_socket(os.path.join(run, SOCKET_NAME))
        connection = _connected_in(run)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise SetupError(
            f"The local server of {home} cannot be reached "
            f"({(error.strerror or str(error)).lower()}); {_LOOK}."
        ) from error
    if peer(connection)[1] != os.geteuid():
        connection.close()
        raise SetupError(f"Another account's process listens in {run}; end it and start again.")
    return connection


def _is_our_directory(path: str) -> bool:
    try:
        facts = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()


def _check_socket(path: str) -> None:
    facts = os.lstat(path)
    if facts.st_uid != os.geteuid():
        raise SetupError(f"{path} belongs to user id {facts.st_uid}; remove it and start again.")
    if not stat.S_ISSOCK(facts.st_mode):
        raise SetupError(f"{path} is not a socket; remove it and start again.")


def _connected_in(directory: str) -> Socket:
    connection = Socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(ANSWER_S)
    deadline = monotonic() + ANSWER_S
    while True:
        try:
            with Inside(directory):
                connection.connect(SOCKET_NAME)
        except OSError as error:
            if not isinstance(error, BlockingIOError) or monotonic() > deadline:
                connection.close()
                raise
            sleep(_BUSY_PAUSE_S)  # its backlog is full
        else:
            return connection


class Inside:
    """The working directory while the block lasts: a socket's path fits only 103 bytes."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._before = -1

    def __enter__(self) -> None:
        self._before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
        os.chdir(self._directory)

    def __exit__(self, *_: object) -> None:
        os.fchdir(self._before)
        os.close(self._before)


def peer(connection: Socket) -> tuple[int, int]:
    """The process id and the user id at the other end, as the kernel knows them."""
    if sys.platform == "linux":
        from _socket import SO_PEERCRED  # noqa: PLC0415 - only Linux has it

        facts = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
        return _number(facts[:4]), _number(facts[4:8])
    pid = connection.getsockopt(_APPLE_LOCAL, _APPLE_PEER_PID, 4)
    facts = connection.getsockopt(_APPLE_LOCAL, _APPLE_PEER_CRED, 76)
    return _number(pid), _number(facts[4:8])


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)


def answer_to(connection: Socket, hello: bytes) -> tuple[str, str, bytes]:
    """The server's word, what it says with it, and what came after that line.

    The word is empty where the server ended the connection instead of answering.
    Raises TimeoutError where it does neither.
    """
    deadline = monotonic() + ANSWER_S
    received = b""
    try:
        connection.sendall(hello)
        while b"\n" not in received:
            connection.settimeout(max(deadline - monotonic(), 0.001))
            chunk = connection.recv(LONGEST_HELLO)
            if not chunk:
                return "", "", b""
            received += chunk
    except (BrokenPipeError, ConnectionResetError):
        return "", "", b""
    line, _, rest = received.partition(b"\n")
    word, _, text = line.decode("utf-8", "replace").partition(" ")
    return word, text, rest


def entered(
    home: str, purpose: str, environment: dict[str, str], session: dict[str, str] | None = None
) -> tuple[Socket, str, bytes]:
    """A connection that the home's server welcomed, started if there was none.

    With it come what the server said beside its welcome, and the bytes that followed.
    Raises SetupError, one sentence, where that cannot be had.
    """
    was_cut_off, takes_over = False, True
    while True:
        connection = connected(home)
        if connection is None:
            from hephaestus_tickets.local.starting import started  # noqa: PLC0415 - seldom, heavy

            connection = started(home)
        hello = hello_line(purpose, environment, takes_over=takes_over, session=session)
        word, text, rest = _answer(connection, hello, home)
        if word == "welcome":
            return connection, text, rest
        connection.close()
        if word == "error" or was_cut_off:
            raise SetupError(text or f"The local server of {home} ends every connection; {_LOOK}.")
        # "leaving" gives way to our newer code; no word at all: it was just ending by itself.
        was_cut_off, takes_over = not word, takes_over and word != "leaving"


def _answer(connection: Socket, hello: bytes, home: str) -> tuple[str, str, bytes]:
    try:
        return answer_to(connection, hello)
    except TimeoutError:
        pid, _ = peer(connection)
        connection.close()
        raise SetupError(
            f"The local server of {home} (process {pid}) does not answer; "
            "`hephaestus-tickets stop` ends it."
        ) from None
