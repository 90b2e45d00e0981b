"""The hooks of a git repository by which its commits are looked through as they are made."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hephaestus_tickets.cli.own_repository import hooks_directory, shares_hooks
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.settings import HomeSettings, environment

HOOKS = ("post-commit", "post-merge")
_MARK = "# hephaestus-tickets: links commits to the tickets they mention."
# The commit is long made when this runs, and whatever happens here is nothing to it. Of a rebase's
# many commits not each starts a scan: one that is about to begin finds the others too.
_HOOK = """\
#!/bin/sh
{mark}
# `hephaestus-tickets scan --uninstall-hook` removes this file.
(
    trap '' HUP
    turn=$(git rev-parse --git-path hephaestus-tickets-scan)
    test -n "$(find "$turn" -prune -mmin +1)" && rmdir "$turn"
    mkdir "$turn" || exit
    sleep 1
    rmdir "$turn"
    {scan}
) </dev/null >/dev/null 2>&1 &
exit 0
"""
_SCAN = 'unset $(git rev-parse --local-env-vars); {home}exec $(command -v setsid) {command} "$PWD"'


class ForeignHook(SetupError):
    def __init__(self, hook: Path, scan: str) -> None:
        super().__init__(
            f"There is a hook already, and it is left as it is: {hook}. Add this line to it by "
            f"hand: `{_in_background(scan)}`."
        )


class SharedHooks(SetupError):
    def __init__(self, directory: Path, scan: str) -> None:
        super().__init__(
            f"Other repositories have the hooks in {directory} too (core.hooksPath), so none is "
            f"written there. Add this line to them by hand: `{_in_background(scan)}`."
        )


def _in_background(scan: str) -> str:
    return f"( {scan} ) </dev/null >/dev/null 2>&1 &"


def install(repository: Path, options: Sequence[str]) -> list[Path]:
    """Write our hooks, which scan with these options; ours are written anew.

    Raises SetupError, before anything is written, where a hook of another's is in the way.
    """
    scan = _scan(options)
    directory = hooks_directory(repository)
    if shares_hooks(repository):
        raise SharedHooks(directory, scan)
    hooks = [directory / name for name in HOOKS]
    for hook in hooks:
        if os.path.lexists(hook) and not _is_ours(hook):
            raise ForeignHook(hook, scan)
    for hook in hooks:
        _write(hook, _HOOK.format(mark=_MARK, scan=scan))
    return hooks


def uninstall(repository: Path) -> list[Path]:
    """Removes our hooks, and says which there were."""
    directory = hooks_directory(repository)
    ours = [hook for name in HOOKS if _is_ours(hook := directory / name)]
    for hook in ours:
        hook.unlink()
    return ours


def _scan(options: Sequence[str]) -> str:
    """As a hook runs it: where the commit was made, whatever that directory holds."""
    # Without -P a directory of the repository's could be taken for our package.
    command = shlex.join([sys.executable, "-P", "-m", "hephaestus_tickets", "scan", *options])
    is_chosen = bool(environment().get("HEPHAESTUS_HOME"))
    home = f"export HEPHAESTUS_HOME={shlex.quote(str(HomeSettings().home))}; " if is_chosen else ""
    return _SCAN.format(home=home, command=command)


def _is_ours(hook: Path) -> bool:
    try:
        return _MARK.encode() in hook.read_bytes().splitlines()[1:2]
    except OSError:
        return False


def _write(hook: Path, text: str) -> None:
    """Git may run it at any moment: it appears whole."""
    try:
        hook.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=hook.parent, delete=False) as partial:
            partial.write(text)
        Path(partial.name).chmod(0o755)
        Path(partial.name).replace(hook)
    except OSError as error:
        raise SetupError(f"Cannot write the hook {hook}: {error.strerror}.") from error
