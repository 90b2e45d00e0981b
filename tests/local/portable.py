"""A Python with this package that another account can run.

Root's own is often out of its reach: an interpreter below root's home directory, mode 0700.
"""

from __future__ import annotations

import compileall
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

import hephaestus_tickets

_PACKAGE = Path(hephaestus_tickets.__file__).parent
# Ours, another's, and a library of it; all that the application imports would take seconds.
_PROBE = "import hephaestus_tickets, pydantic_core"
# What no program imports, and what would be compiled for other optimisations or by pytest.
_UNUSED = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data",
    "site-packages", "dist-packages", "config-*", "*.a", "*.opt-*.pyc", "*-pytest-*.pyc",
)  # fmt: skip
# Of other packages every directory may be wanted, whatever its name.
_UNUSED_OF_A_PACKAGE = shutil.ignore_patterns("*.a", "*.opt-*.pyc", "*-pytest-*.pyc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portable:
    """`environment` goes on top of ours, also for what the Python itself starts."""

    executable: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def popen(
        self, *arguments: str, account: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Started as the account and nothing else; its three streams are pipes."""
        entry = pwd.getpwnam(account) if account else None
        return subprocess.Popen(
            [self.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environment, **(settings or {})},
            cwd="/",
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
        )

    def run(
        self, *arguments: str, account: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Its status and all it said; it is killed when a minute is not enough."""
        with self.popen(*arguments, account=account, settings=settings) as process:
            try:
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def portable_python(directory: Path, account: str) -> Portable:
    """Ours where the account can run it (an empty one is us), else a copy below `directory`.

    The account must be able to reach the directory; the caller removes it.
    """
    ours = Portable(executable=Path(sys.executable))
    if _works(ours, account):
        return ours
    copied = _copied_interpreter(directory / "python")
    with_our_packages = _beside(copied, [_PACKAGE.parent, *_site_packages()])
    if _works(with_our_packages, account):
        return with_our_packages
    return with_copied_packages(copied, directory / "packages")


def with_copied_packages(python: Portable, target: Path) -> Portable:
    """The same Python with the package and what it needs at run time below `target`."""
    target.mkdir()
    shutil.copytree(_PACKAGE, target / _PACKAGE.name, ignore=_UNUSED_OF_A_PACKAGE)
    for entry in {entry for needed in _run_time() for entry in _entries(needed)}:
        if entry.is_dir():
            shutil.copytree(entry, target / entry.name, ignore=_UNUSED_OF_A_PACKAGE)
        elif entry.is_file():
            shutil.copy2(entry, target)
    _compile(target)
    _open_to_all(target)
    return _beside(python, [target])


def _works(python: Portable, account: str) -> bool:
    try:
        return python.run("-c", _PROBE, account=account).returncode == 0
    except PermissionError:
        return False


def _site_packages() -> list[Path]:
    paths = (Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return list(dict.fromkeys(paths))


def _beside(python: Portable, packages: list[Path]) -> Portable:
    path = os.pathsep.join(str(each) for each in packages)
    return Portable(
        executable=python.executable, environment={**python.environment, "PYTHONPATH": path}
    )


def _copied_interpreter(target: Path) -> Portable:
    """The program, its library and the standard library, each where the program looks for it."""
    prefix, program = Path(sys.base_prefix).resolve(), Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib")).resolve().relative_to(prefix)
    shutil.copytree(prefix / standard, target / standard, ignore=_UNUSED)
    (target / "bin").mkdir()
    shutil.copy2(program, target / "bin")
    for shared in (prefix / "lib").glob("libpython*.so*"):
        if not shared.is_symlink():
            shutil.copy2(shared, target / "lib")
    _compile(target)
    _open_to_all(target)
    return Portable(
        executable=target / "bin" / program.name,
        environment={"LD_LIBRARY_PATH": str(target / "lib")},
    )


def _compile(directory: Path) -> None:
    """Whatever is not compiled yet: the account may not keep it, and would at each start."""
    compileall.compile_dir(directory, quiet=2)


def _open_to_all(directory: Path) -> None:
    directory.chmod(0o755)
    for copied in directory.rglob("*"):
        if not copied.is_symlink():
            copied.chmod(0o755 if copied.is_dir() or os.access(copied, os.X_OK) else 0o644)


def _run_time() -> list[Distribution]:
    """What the package requires, and what that requires; not what its developers use."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement("hephaestus-tickets")]
    while waiting:
        wanted = waiting.pop()
        if str(wanted) not in found:
            found[str(wanted)] = distribution(wanted.name)
            waiting += _requirements(found[str(wanted)], wanted.extras)
    return list(found.values())


def _requirements(of: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in of.requires or []:
        wanted = Requirement(line)
        marker = wanted.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield wanted


def _entries(of: Distribution) -> Iterator[Path]:
    """Its files and directories right below where packages are."""
    for top in {file.parts[0] for file in of.files or []} - {"..", "__pycache__"}:
        yield Path(str(of.locate_file(top)))
