"""The application on a real socket, and clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.app.http import serving_http
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services import tokens
from hephaestus_tickets.services.tokens import Wanted

LATEST = "2026-07-28"
T = TypeVar("T")

OPERATOR = Caller(agent_id="operator")
# An answer's body, or a part of one.
Json = Any


@dataclass(frozen=True, slots=True)
class Web:
    """A server that runs, and the calls that it serves."""

    address: str
    calls: Calls

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def token(
        self,
        name: str,
        access: Access = Access.WRITE,
        *,
        agent_id: str | None = None,
        workflows: list[str] | None = None,
        days: int | None = None,
    ) -> str:
        """The secret of a new token."""
        wanted = Wanted(name=name, access=access, agent_id=agent_id, workflows=workflows, days=days)
        return await self.calls.units.run(OPERATOR, lambda work: tokens.create(work, wanted))

    async def revoke(self, name: str) -> None:
        await self.calls.units.run(OPERATOR, lambda work: tokens.revoke(work, name))

    def rest(self, secret: str = "", **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.address, headers=_headers(secret, headers), timeout=30
        )

    @asynccontextmanager
    async def mcp(
        self, secret: str = "", *, mode: str = LATEST, query: str = "", **headers: str
    ) -> AsyncGenerator[Client]:
        """A client of /mcp."""
        async with httpx2.AsyncClient(headers=_headers(secret, headers), timeout=30) as http:
            transport = streamable_http_client(f"{self.address}/mcp{query}", http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client

    @asynccontextmanager
    async def sse(
        self, secret: str = "", *, query: str = "", **headers: str
    ) -> AsyncGenerator[Client]:
        """A client of /sse."""
        transport = sse_client(f"{self.address}/sse{query}", headers=_headers(secret, headers))
        async with Client(transport, mode="legacy") as client:
            yield client


def _headers(secret: str, others: dict[str, str]) -> dict[str, str]:
    shown = {"Authorization": f"Bearer {secret}"} if secret else {}
    return {**shown, **{name.replace("_", "-"): value for name, value in others.items()}}


def header(name: str, value: str) -> httpx.Headers:
    """A header in UTF-8; httpx would take a str for ASCII."""
    return httpx.Headers([(name.encode(), value.encode())])


@asynccontextmanager
async def serving(url: URL, **settings: Json) -> AsyncGenerator[Web]:
    """As `serve` does it, on a free port of the loopback."""
    async with (
        open_calls(url) as calls,
        serving_http(calls, HttpSettings(**settings)) as address,
    ):
        yield Web(address, calls)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an answer that is problem details and nothing else."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert set(told) == {"type", "title", "status", "code", "detail"}
    assert told["status"] == answer.status_code
    assert told["detail"]
    assert answer.headers["x-request-id"]
    return answer.status_code, told["code"]


def reply(answer: httpx.Response) -> Json:
    """The body of an answer that is no refusal."""
    assert answer.is_success, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


@asynccontextmanager
async def in_a_task(opened: AbstractAsyncContextManager[T]) -> AsyncGenerator[T]:
    """Opens and closes it in one task: a fixture is begun and ended in different ones."""
    is_open: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    is_over = asyncio.Event()

    async def hold() -> None:
        async with opened as held:
            is_open.set_result(held)
            await is_over.wait()

    task = asyncio.create_task(hold())
    await asyncio.wait([task, is_open], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task  # raises what went wrong
    yield is_open.result()
    is_over.set()
    await task
