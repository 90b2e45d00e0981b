"""A second database, as a second home would have it."""

from __future__ import annotations

import uuid
from collections.abc import Generator

import pytest
from sqlalchemy import URL, create_engine

from tests.services.actors import Sql


@pytest.fixture
def other_url(template_url: URL) -> Generator[URL]:
    name = f"other_{uuid.uuid4().hex}"
    admin = create_engine(template_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE {name} TEMPLATE "{template_url.database}"')
    yield template_url.set(database=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def sql(database_url: URL) -> Generator[Sql]:
    with Sql.on(database_url) as opened:
        yield opened
