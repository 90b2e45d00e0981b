"""The real application, served on a free port of the loopback, on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest
from sqlalchemy import URL

from tests.http.web import Web, in_a_task, serving


@pytest.fixture
async def web(database_url: URL) -> AsyncGenerator[Web]:
    """Without tokens: whoever reaches it may do everything."""
    async with in_a_task(serving(database_url)) as served:
        yield served


@pytest.fixture
async def rest(web: Web) -> AsyncGenerator[httpx.AsyncClient]:
    async with web.rest(X_Agent_Id="builder") as client:
        yield client
