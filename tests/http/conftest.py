"""The real application, served on a free port of the loopback, on a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
from sqlalchemy import URL

from tests.http.web import Web, serving


@pytest.fixture
async def web(database_url: URL) -> AsyncGenerator[Web]:
    """Without tokens: whoever reaches it may do everything."""
    serves: asyncio.Future[Web] = asyncio.get_running_loop().create_future()
    is_over = asyncio.Event()

    async def serve() -> None:
        """In a task of its own: a fixture is begun and ended in different ones."""
        async with serving(database_url) as web:
            serves.set_result(web)
            await is_over.wait()

    task = asyncio.create_task(serve())
    await asyncio.wait([task, serves], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task  # raises what went wrong
    yield serves.result()
    is_over.set()
    await task


@pytest.fixture
async def rest(web: Web) -> AsyncGenerator[httpx.AsyncClient]:
    async with web.rest(X_Agent_Id="builder") as client:
        yield client
