"""What git is given instead of a repository: a directory of our own, and its objects alone.

Whatever a repository can make git do (hooks, filters, pagers, fetches, includes, aliases …) is
said in its configuration, its attributes or its refs. Git never sees those: GIT_DIR is ours.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock

from hephaestus_tickets.adapters.git.locating import Place
from hephaestus_tickets.adapters.git.reading import DAMAGED, Roots, small_file
from hephaestus_tickets.domain.commits import RepositoryUnavailable

_NOWHERE = os.devnull + "/nowhere"  # below a file there is nothing, and nothing can be made
_CONFIGS = {
    "sha1": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    "sha256": (
        "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
        "[extensions]\n\tobjectFormat = sha256\n"
    ),
}
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",  # its errors are told apart by their words
    "HOME": _NOWHERE,
    "XDG_CONFIG_HOME": _NOWHERE,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_LITERAL_PATHSPECS": "1",
}
# Most of it cannot come about without a configuration; it is said all the same.
_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.bigFileThreshold=128m",  # what is larger is not compared
    "core.packedGitLimit=512m",
    "core.packedGitWindowSize=32m",
    "diff.renameLimit=1000",
    "gc.auto=0",
    "i18n.logOutputEncoding=UTF-8",
    "log.mailmap=false",
    "log.showSignature=false",
    "protocol.allow=never",
    # The operator's roots are the decision to trust; of what is there only objects are read.
    "safe.directory=*",
    "submodule.recurse=false",
)
OPTIONS = ("--no-pager", *(word for each in _SETTINGS for word in ("-c", each)))

_SHALLOW_BYTES = 16_777_216
_SHALLOW = re.compile(rb"(?:[0-9a-f]{40}(?:[0-9a-f]{24})?\n)+")


class OwnDirectories:
    """Git directories without refs, made on first use below a private temporary one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._top: Path | None = None

    def of(self, object_format: str) -> Path:
        """Made anew where it went: what is temporary is tidied away while a server runs on."""
        with self._lock:
            if self._top is None or not _is_ours(self._top):
                self._top = Path(tempfile.mkdtemp(prefix="hephaestus-git-"))
            return _git_dir(self._top / object_format, _CONFIGS[object_format])

    def remove(self) -> None:
        with self._lock:
            if self._top and _is_ours(self._top):
                shutil.rmtree(self._top, ignore_errors=True)
            self._top = None


def environment(own: Path, place: Place) -> dict[str, str]:
    """All that git is told, built from nothing. Blocks; raises RepositoryUnavailable."""
    shallow = _shallow_file(place)
    return {
        **_ENVIRONMENT,
        "GIT_DIR": str(own),
        "GIT_OBJECT_DIRECTORY": place.objects,
        **({"GIT_SHALLOW_FILE": shallow} if shallow else {}),
    }


def _shallow_file(place: Place) -> str:
    path = os.path.join(place.common_dir, "shallow")
    content = small_file(path, Roots((place.common_dir,)), _SHALLOW_BYTES)
    if not content:
        return ""
    if not _SHALLOW.fullmatch(content):
        raise RepositoryUnavailable(DAMAGED)
    return path


def _is_ours(directory: Path) -> bool:
    """Whether nobody else made it meanwhile, in a place where everybody may."""
    try:
        facts = directory.lstat()
    except OSError:
        return False
    is_private = stat.S_IMODE(facts.st_mode) == stat.S_IRWXU
    return stat.S_ISDIR(facts.st_mode) and is_private and facts.st_uid == os.geteuid()


def _git_dir(directory: Path, config: str) -> Path:
    for name in ("objects", "refs"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name, content in {"HEAD": "ref: refs/heads/none\n", "config": config}.items():
        with suppress(FileExistsError), (directory / name).open("x", encoding="ascii") as file:
            file.write(content)
    return directory
