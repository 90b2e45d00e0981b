"""Who calls over HTTP: by the token that is shown, or as anybody where none is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from hephaestus_tickets.domain.access import Grant
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import Invalid, TicketError
from hephaestus_tickets.http.problems import HttpRefusal, TokenRefused, refused
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.schemas.types import AgentId, WorkflowId
from hephaestus_tickets.server.calls import Session, new_turns
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

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        self._app, self._doorkeeper = app, doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        try:
            session, grant = await self._doorkeeper.known(HTTPConnection(scope))
        except (TicketError, HttpRefusal) as refusal:
            await refused(refusal)(scope, receive, send)
            return
        scope[SESSION] = session
        if grant is not None:
            scope["user"] = _holder(grant)
        await self._app(scope, receive, send)


class Doorkeeper:
    """Knows who comes: by the token that is shown, or as anybody where none is needed."""

    def __init__(self, units: Units, terms: Terms) -> None:
        self._units, self._terms = units, terms
        self._needs_token = terms.needs_token
        # For as long as a request of theirs is served; what has no token is one client.
        self._turns: WeakValueDictionary[str, anyio.Semaphore] = WeakValueDictionary()

    async def known(self, request: HTTPConnection) -> tuple[Session, Grant | None]:
        """Raises TokenRefused, or InvalidHeader."""
        grant = await self._grant(request)
        return self._session(request, grant), grant

    async def is_operator(self, request: HTTPConnection) -> bool:
        """Whether nothing is kept from who asks."""
        try:
            session, _ = await self.known(request)
        except (TicketError, HttpRefusal):
            return False
        return session.is_of_operator

    async def _grant(self, request: HTTPConnection) -> Grant | None:
        """None where no token is shown and none is needed. Raises TokenRefused."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if not scheme and await self._is_open():
            return None
        if scheme.lower() != "bearer" or not secret.strip():
            raise TokenRefused
        shown = await self._units.read(_NOBODY, lambda work: tokens.granted(work, secret.strip()))
        if shown is None:
            raise TokenRefused
        if shown.is_stale:
            await self._units.run(_NOBODY, lambda work: tokens.note_use(work, shown.grant))
        return shown.grant

    async def _is_open(self) -> bool:
        """Until there is a token; from then on it stays closed, whatever becomes of that."""
        if not self._needs_token:
            self._needs_token = await self._units.read(_NOBODY, tokens.is_any)
        return not self._needs_token

    def _session(self, request: HTTPConnection, grant: Grant | None) -> Session:
        named = _header(request, "X-Agent-Id", _AGENT)
        workflow = _header(request, "X-Workflow-Id", _WORKFLOW) or self._default_workflow(grant)
        conversation = _conversation(request)
        if grant is None:
            caller = Caller(
                agent_id=named or _NOBODY.agent_id, session=conversation, default_workflow=workflow
            )
            toolsets = self._toolsets(request.query_params)
            return Session(caller, toolsets, turns=self._turns_of(""))
        agent_id = grant.agent_id or named or grant.name
        bound = Caller(
            agent_id=agent_id,
            is_bound=grant.agent_id is not None,
            # A token of one agent is one conversation, also where HTTP keeps none.
            session=conversation or (f"token-{grant.token}" if grant.agent_id else ""),
            default_workflow=workflow,
            workflows=grant.workflows,
            # Agents that share a token do not repeat each other.
            principal=f"token-{grant.token} {agent_id}",
        )
        return Session(
            bound,
            self._toolsets(request.query_params),
            access=grant.access,
            turns=self._turns_of(f"token-{grant.token}"),
        )

    def _turns_of(self, client: str) -> anyio.Semaphore:
        """The same for all that a client asks for at once, however many its requests are."""
        turns = self._turns.get(client)
        if turns is None:
            turns = self._turns[client] = new_turns()
        return turns

    def _default_workflow(self, grant: Grant | None) -> str:
        """A token of one workflow means that one."""
        if grant is not None and grant.workflows is not None and len(grant.workflows) == 1:
            return next(iter(grant.workflows))
        return self._terms.default_workflow

    def _toolsets(self, asked: QueryParams) -> frozenset[Toolset]:
        """As `?toolsets=core,plan` asks, else as the server has it."""
        words = {word.strip() for word in asked.get("toolsets", "").split(",")}
        named = frozenset[Toolset](name for name in _TOOLSETS if name in words)
        return named or self._terms.toolsets


_TOOLSETS: tuple[Toolset, ...] = ("core", "plan", "admin")


_AGENT, _WORKFLOW = TypeAdapter(AgentId), TypeAdapter(WorkflowId)
_SESSION_ID = re.compile(r"[0-9a-f]{32}")  # as the SDK makes them


class InvalidHeader(Invalid):
    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"The header {name} is not valid: {reason}. Pass what the argument of that name takes, "
            "in UTF-8."
        )


def _header(request: HTTPConnection, name: str, kind: TypeAdapter[str]) -> str:
    """Empty where there is none. Raises InvalidHeader for what an argument could not be either."""
    value = request.headers.get(name, "").encode("latin-1").decode("utf-8", "replace")
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        told = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InvalidHeader(name, told[:1].lower() + told[1:]) from error


def _conversation(request: HTTPConnection) -> str:
    """The MCP session that the request belongs to; empty where there is none."""
    named = request.headers.get("mcp-session-id", "") or request.query_params.get("session_id", "")
    return named if _SESSION_ID.fullmatch(named) else ""


def _holder(grant: Grant) -> AuthenticatedUser:
    """By this the SDK keeps a session to the token that it was opened with."""
    return AuthenticatedUser(AccessToken(token="", client_id=f"token-{grant.token}", scopes=[]))
