"""`token`: what callers over the network show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import anyio
import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import URL

from hephaestus_tickets.app import database_url, open_calls
from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.models import TokenRow
from hephaestus_tickets.schemas.types import AgentId, Name
from hephaestus_tickets.services import tokens
from hephaestus_tickets.services.unit_of_work import UnitOfWork

T = TypeVar("T")

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
_CALLER = Caller(agent_id="operator")


def _as(kind: Any) -> Callable[[str], str]:  # Any: an annotated str
    """What it takes as an argument of a call it takes here, and nothing else."""

    def parsed(value: str) -> str:
        try:
            return TypeAdapter[str](kind).validate_python(value)
        except ValidationError as error:
            raise typer.BadParameter(str(error.errors()[0]["msg"])) from error

    return parsed


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What it is called, to be revoked by.", callback=_as(Name))
    ],
    access: Annotated[Access, typer.Option(help="What it allows.")] = Access.WRITE,
    agent: Annotated[
        str, typer.Option(help="The only agent it speaks as.", callback=_as(AgentId))
    ] = "",
    workflow: Annotated[
        list[str] | None, typer.Option(help="A workflow it sees; give several, or none for all.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3_650, help="After so many it expires.")
    ] = None,
) -> None:
    """Make a token and print it, once: only a digest of it is kept."""
    wanted = tokens.Wanted(
        name=name,
        access=access,
        agent_id=agent or None,
        workflows=workflow or None,
        days=days,
    )
    typer.echo(_run(lambda work: tokens.create(work, wanted)))


@app.command("list")
def list_tokens() -> None:
    """List the tokens, without their secrets."""
    table = Table()
    for heading in ("name", "access", "agent", "workflows", "expires", "last used", "revoked"):
        table.add_column(heading, overflow="fold")
    for row in _run(tokens.every):
        table.add_row(*map(Text, _told(row)))  # as it is: names may look like markup
    Console().print(table)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """Refuse a token from now on."""
    _run(lambda work: tokens.revoke(work, name))
    typer.echo(f"The token '{name}' is revoked.")


def _told(row: TokenRow) -> list[str]:
    return [
        row.name,
        row.access,
        row.agent_id or "any",
        ", ".join(row.workflows) if row.workflows is not None else "all",
        _moment(row.expires_at) or "never",
        _moment(row.last_used_at),
        _moment(row.revoked_at),
    ]


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="minutes")


def _run(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    with database_url() as url:
        return anyio.run(_do, url, work)


async def _do(url: URL, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    async with open_calls(url) as calls:
        return await calls.units.run(_CALLER, work)
