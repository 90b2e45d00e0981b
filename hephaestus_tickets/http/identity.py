"""Who calls over HTTP: by the token that is shown, or as anybody where none is needed."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from hephaestus_tickets.domain.access import Access, Grant
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.http.problems import HttpRefusal, TokenRefused, refused
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server.calls import Session
from hephaestus_tickets.services import tokens
from hephaestus_tickets.services.unit_of_work import Units

SESSION = "hephaestus_tickets.session"
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_NOBODY = Caller(agent_id="http")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`needs_token`: without one nothing is answered. The rest is for calls that say nothing."""

    needs_token: bool
    default_workflow: str = "default"
    toolsets: frozenset[Toolset] = field(default_factory=lambda: frozenset[Toolset]({"core"}))


class Identity:
    """Finds the session of each request, or refuses it."""

    def __init__(self, app: ASGIApp, units: Units, terms: Terms) -> None:
        self._app, self._units, self._terms = app, units, terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            scope[SESSION] = self._session(request, await self._grant(request))
        except (TicketError, HttpRefusal) as refusal:
            await refused(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _grant(self, request: HTTPConnection) -> Grant | None:
        """None where no token is shown and none is needed. Raises TokenRefused."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if not scheme and not self._terms.needs_token:
            return None
        if scheme.lower() != "bearer" or not secret.strip():
            raise TokenRefused
        grant = await self._units.run(_NOBODY, lambda work: tokens.granted(work, secret.strip()))
        if grant is None:
            raise TokenRefused
        return grant

    def _session(self, request: HTTPConnection, grant: Grant | None) -> Session:
        named = request.headers.get("x-agent-id", "")
        workflow = request.headers.get("x-workflow-id", "") or self._default_workflow(grant)
        conversation = _conversation(request)
        if grant is None:
            caller = Caller(
                agent_id=named or _NOBODY.agent_id, session=conversation, default_workflow=workflow
            )
            return Session(caller, self._toolsets(request.query_params, Access.ADMIN))
        bound = Caller(
            agent_id=grant.agent_id or named or grant.name,
            is_bound=grant.agent_id is not None,
            # A token of one agent is one conversation, also where HTTP keeps none.
            session=conversation or (f"token-{grant.token}" if grant.agent_id else ""),
            default_workflow=workflow,
            workflows=grant.workflows,
            principal=f"token-{grant.token}",
        )
        toolsets = self._toolsets(request.query_params, grant.access)
        return Session(bound, toolsets, access=grant.access)

    def _default_workflow(self, grant: Grant | None) -> str:
        """A token of one workflow means that one."""
        if grant is not None and grant.workflows is not None and len(grant.workflows) == 1:
            return next(iter(grant.workflows))
        return self._terms.default_workflow

    def _toolsets(self, asked: QueryParams, access: Access) -> frozenset[Toolset]:
        """As `?toolsets=core,plan` asks, else as the server has it."""
        words = {word.strip() for word in asked.get("toolsets", "").split(",")}
        named = frozenset[Toolset](name for name in _TOOLSETS if name in words)
        hidden = frozenset[Toolset]() if access is Access.ADMIN else _FOR_ADMINISTRATORS
        return (named or self._terms.toolsets).difference(hidden)


_TOOLSETS: tuple[Toolset, ...] = ("core", "plan", "admin")
_FOR_ADMINISTRATORS = frozenset[Toolset]({"admin"})


def _conversation(request: HTTPConnection) -> str:
    """The MCP session that the request belongs to; empty where there is none."""
    stateful = request.headers.get("mcp-session-id", "")
    return stateful or request.query_params.get("session_id", "")
