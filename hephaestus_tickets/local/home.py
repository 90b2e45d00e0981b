"""The home of the embedded mode: one directory, and whose its parts are."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.accounts import (
    Account,
    closed_to,
    data_account,
    is_root,
    replaceable_by,
    server_account,
)
from hephaestus_tickets.local.disk import ROOM_TO_START, check_room, explained
from hephaestus_tickets.local.endpoint import SOCKET_NAME

FORMAT = 1  # raised when a home's layout changes; an older version then refuses it
_VOLUME_NAMES = frozenset({"lost+found"})  # what a fresh file system may hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where things are. `account` owns `pg` and runs PostgreSQL; the rest is the server's."""

    root: Path
    account: Account

    @property
    def lasting(self) -> bool:
        """Whether it must outlive the machine's next failure; a throw-away one need not."""
        return not self.throwaway_file.exists()

    @property
    def throwaway_file(self) -> Path:
        return self.root / "throwaway"

    @property
    def format_file(self) -> Path:
        return self.root / "home-format"

    @property
    def pg(self) -> Path:
        """PostgreSQL's side; as root nothing of ours is ever written below it."""
        return self.root / "pg"

    @property
    def data(self) -> Path:
        return self.pg / "data"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def server_lock(self) -> Path:
        return self.run / "server.lock"

    @property
    def postgres_lock(self) -> Path:
        return self.run / "postgres.lock"

    @property
    def log(self) -> Path:
        """PostgreSQL's; the server's own is `server_log`."""
        return self.run / "postgres.log"

    @property
    def server_log(self) -> Path:
        return self.run / "server.log"

    @property
    def vectors(self) -> Path:
        """What can be made anew from the database at any time."""
        return self.root / "vectors"

    @property
    def socket(self) -> Path:
        return self.run / SOCKET_NAME

    @property
    def root_mode(self) -> int:
        """As root the data's account must pass through, and see nothing."""
        return 0o711 if is_root() else 0o700


def prepare_home(path: Path) -> Home:
    """The home, made where it was missing. Raises SetupError where it cannot be one."""
    home = home_at(path)
    with explained(home.root):
        _make_parents(home.root)
        check_way(home)
        check_what_is_there(home)
        _claim_directory(home.root, owner=server_account(), mode=home.root_mode)
        check_room(home.root, ROOM_TO_START)
        if home_format(home) != FORMAT:
            home.format_file.touch(mode=0o600)
            home.format_file.write_text(f"{FORMAT}\n")
        _claim_directory(home.pg, owner=home.account, mode=0o700)
        _claim_directory(home.run, owner=server_account(), mode=0o700)
    return home


def home_at(path: Path) -> Home:
    """The home as it would be; looks at nothing below it."""
    named = path.absolute()
    root = named.parent.resolve() / named.name if named.name != ".." else named.resolve()
    if not str(root).isprintable():
        raise SetupError(
            f"{str(root)!r} is no name for a home; set HEPHAESTUS_HOME to a plain one."
        )
    return Home(root=root, account=data_account())


@contextmanager
def throwaway_home(*, lasting: bool = False) -> Generator[Home]:
    """An empty home that is gone, with everything in it, when the block ends.

    A `lasting` one waits for the disk as a real one does.
    """
    account = data_account()
    places = [Path(tempfile.gettempdir()), Path("/var/tmp")]  # noqa: S108 - mkdtemp is safe there
    # As root the session's own temporary directory may be closed to PostgreSQL's account.
    place = next((place for place in places if closed_to(account, place / "home") is None), None)
    root = Path(tempfile.mkdtemp(prefix="hephaestus-tickets-", dir=place)).resolve()
    try:
        home = prepare_home(root)
        if not lasting:
            home.throwaway_file.touch(mode=0o600)
        yield home
    finally:
        shutil.rmtree(root)


def check_way(home: Home) -> None:
    """Raises SetupError where PostgreSQL's account cannot reach a root's home, or could move it."""
    if not is_root():
        return
    closed = closed_to(home.account, home.root)
    if closed:
        raise SetupError(
            f"PostgreSQL runs as '{home.account.name}', which cannot reach {home.root} through "
            f"{closed}; set HEPHAESTUS_HOME to a directory that every account can reach."
        )
    unsafe = replaceable_by(home.account, home.root)
    if unsafe:
        raise SetupError(
            f"{home.root} is not safe for root, because '{home.account.name}' may write to "
            f"{unsafe}; set HEPHAESTUS_HOME to a directory below root's own."
        )


def check_what_is_there(home: Home) -> None:
    """Raises SetupError for a home of somebody else's, of a newer version, or of other things."""
    if not os.path.lexists(home.root):
        return
    check_owner(home.root, server_account())
    made_with = home_format(home)
    if made_with is None:
        _refuse_strangers(home)
    elif made_with > FORMAT:
        raise SetupError(
            f"{home.root} was made by a newer version of hephaestus-tickets "
            f"(format {made_with}, this one knows {FORMAT}); upgrade hephaestus-tickets."
        )


def check_owner(path: Path, owner: Account) -> None:
    """Raises SetupError unless `path` is a real directory of the owner's, or of ours."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        raise SetupError(
            f"{path} is a symbolic link, which could lead anywhere; "
            f"set HEPHAESTUS_HOME to {path.resolve()} itself if that is what you want."
        )
    if not stat.S_ISDIR(facts.st_mode):
        raise SetupError(f"{path} is not a directory; move it away, or set HEPHAESTUS_HOME.")
    if facts.st_uid not in (owner.uid, os.geteuid()):
        raise SetupError(
            f"{path} belongs to user id {facts.st_uid}; start as that account, "
            "or set HEPHAESTUS_HOME to a directory of your own."
        )


def home_format(home: Home) -> int | None:
    """The layout an existing home was made with; None where there is no home yet."""
    try:
        written = home.format_file.read_text().strip() or "0"  # empty: its writer was killed
    except FileNotFoundError:
        return None
    return int(written) if written.isdecimal() else None


def _make_parents(root: Path) -> None:
    missing = [parent for parent in root.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o755 if is_root() else 0o700)
    if not root.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root.parent))


def _refuse_strangers(home: Home) -> None:
    """Directories that hold other things are not taken over, nor their permissions changed."""
    strangers = {entry.name for entry in home.root.iterdir()} - _VOLUME_NAMES
    if strangers:
        raise SetupError(
            f"{home.root} already holds other things, such as '{min(strangers)}'; "
            "set HEPHAESTUS_HOME to an empty or new directory."
        )


def _claim_directory(path: Path, *, owner: Account, mode: int) -> None:
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    check_owner(path, owner)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != owner.uid:
            _give(descriptor, owner, path)
        if stat.S_IMODE(facts.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _give(descriptor: int, owner: Account, path: Path) -> None:
    try:
        os.fchown(descriptor, owner.uid, owner.gid)
    except OSError as error:
        raise SetupError(
            f"This root may not give {path} to '{owner.name}', as in a container without the "
            "capability CHOWN; start as an ordinary user."
        ) from error
