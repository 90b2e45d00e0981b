"""`hephaestus-tickets` in processes of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import Process
from sqlalchemy import URL

COMMAND = [sys.executable, "-m", "hephaestus_tickets"]
SECONDS = 30
_SERVES = re.compile(r" serves (https?://\S+)")


def database_settings(url: URL) -> dict[str, str]:
    return {
        "DB_HOST": str(url.host),
        "DB_PORT": str(url.port),
        "DB_USER": str(url.username),
        "DB_NAME": str(url.database),
    }


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass(slots=True)
class Replica:
    """A `serve` that serves."""

    process: Process
    address: str = ""
    log: list[str] = field(default_factory=list[str])

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@asynccontextmanager
async def replica(url: URL, **settings: str) -> AsyncGenerator[Replica]:
    """`serve` on that database; ended by a signal, if nobody did before."""
    environment = _environment(
        {**database_settings(url), "HTTP_PORT": str(free_port()), **settings}
    )
    process = await anyio.open_process([*COMMAND, "serve"], env=environment, stdin=None)
    serving = Replica(process)
    async with anyio.create_task_group() as tasks:
        serves = anyio.Event()
        tasks.start_soon(_read, serving, serves)
        with anyio.fail_after(SECONDS):
            await serves.wait()
        assert serving.address, "".join(serving.log)
        try:
            yield serving
        finally:
            if process.returncode is None:
                process.terminate()
            with anyio.CancelScope(shield=True):
                await process.wait()
    await process.aclose()


async def _read(serving: Replica, serves: anyio.Event) -> None:
    assert serving.process.stderr is not None
    async for part in serving.process.stderr:
        serving.log.append(part.decode())
        found = _SERVES.search("".join(serving.log))
        if found and not serving.address:
            serving.address = found[1]
            serves.set()
    serves.set()


def _environment(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "EMBEDDING_PROVIDER": "none", **settings}
