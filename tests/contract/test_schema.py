"""The tables that the models say are those that the revisions make."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Generator

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine

from hephaestus_tickets import migrations
from hephaestus_tickets.db import REVISION, REVISIONS
from hephaestus_tickets.local.binaries import find_binaries
from hephaestus_tickets.models import Base
from tests.factories import Desk

# A fresh database has these of its own, and what pg_dump says of its own run differs each time.
_NOISE = re.compile(r"^(?:--.*|\\(?:un)?restrict .*|)$")


@pytest.fixture
def empty_url(template_url: URL) -> Generator[URL]:
    name = f"empty_{uuid.uuid4().hex}"
    admin = create_engine(template_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield template_url.set(database=name)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


def test_the_models_and_the_revisions_make_the_same_schema(
    template_url: URL, empty_url: URL
) -> None:
    engine = create_engine(empty_url)
    Base.metadata.create_all(engine)
    engine.dispose()
    assert _schema(empty_url) == _schema(template_url)


def _schema(url: URL) -> list[str]:
    dumped = subprocess.run(
        [
            find_binaries().path("pg_dump"),
            *("--schema-only", "--exclude-table=alembic_version", "--no-owner"),
            *(f"--host={url.host}", f"--port={url.port}"),
            *(f"--username={url.username}", str(url.database)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in dumped.stdout.splitlines() if not _NOISE.match(line)]


def test_the_comparison_sees_what_is_missing(template_url: URL, empty_url: URL) -> None:
    engine = create_engine(empty_url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tickets ALTER priority DROP DEFAULT")
        connection.exec_driver_sql("ALTER TABLE tickets DROP CONSTRAINT ck_tickets_title")
    engine.dispose()
    made, wanted = _schema(empty_url), _schema(template_url)
    assert any("ck_tickets_title" in line for line in set(wanted) - set(made))


def test_the_program_knows_every_revision_and_the_newest() -> None:
    assert migrations.head() == REVISION
    scripts = ScriptDirectory(str(migrations.__path__[0]))
    assert [each.revision for each in scripts.walk_revisions()] == list(reversed(REVISIONS))


async def test_the_first_revision_seeds_the_board_that_new_workflows_get(desk: Desk) -> None:
    await desk.configure_board(workflow_id="new")
    seeded = await desk.get_board_config(workflow_id="default")
    made = await desk.get_board_config(workflow_id="new")
    names = ("workflow_id", "name")
    assert {key: value for key, value in seeded.items() if key not in names} == {
        key: value for key, value in made.items() if key not in names
    }
