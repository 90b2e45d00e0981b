"""What an operator watches: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hephaestus_tickets.adapters.vectors import VectorsUnavailable
from hephaestus_tickets.db import schema_state
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import Forbidden, TicketError
from hephaestus_tickets.http.identity import SESSION, Doorkeeper
from hephaestus_tickets.http.problems import refused
from hephaestus_tickets.indexing.jobs import Jobs, Queue
from hephaestus_tickets.indexing.steps import Steps
from hephaestus_tickets.server.calls import Calls, Session
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

_CALLER = Caller(agent_id="health")
_SECONDS = 3.0
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
_OK = "ok"


class Health:
    def __init__(self, units: Units, doorkeeper: Doorkeeper) -> None:
        self._units, self._doorkeeper = units, doorkeeper
        self._jobs = Jobs(Steps(units))
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "hephaestus_calls", "Calls by operation and outcome (ok, or the code of the error).",
            ("operation", "outcome"), registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "hephaestus_call_seconds", "How long calls took.", ("operation",),
            buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._gauges = {
            name: Gauge(f"hephaestus_{name}", told, registry=self._registry)
            for name, told in (
                ("index_queue_length", "Tickets that wait to be indexed."),
                ("index_queue_age_seconds", "How long the oldest of them has waited."),
                ("database_connections", "Connections of the pool in use."),
                ("database_connections_limit", "Connections that the pool may have."),
            )
        }

    def observing(self, calls: Calls) -> Calls:
        """The same calls, each of them counted."""

        def note(operation: str, outcome: str, seconds: float) -> None:
            self._calls.labels(operation, outcome).inc()
            self._seconds.labels(operation).observe(seconds)

        return replace(calls, observe=note)

    def routes(self) -> Sequence[Route]:
        return [
            Route("/healthz", self._alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]

    async def _alive(self, _: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _ready(self, request: Request) -> Response:
        """Without its database nothing is answered; without the rest searches say less.

        Anybody is told what fails, and an administrator why.
        """
        needed = {"database": self._database, "migrations": self._migrations}
        besides = {
            "index_queue": self._queue,
            "vector_store": self._store,
            "embedder": self._embedder,
        }
        probes = {**needed, **besides}
        is_told, outcomes = await asyncio.gather(
            self._is_told(request), asyncio.gather(*map(_outcome, probes.values()))
        )
        found = dict(zip(probes, outcomes, strict=True))
        is_ready = all(found[name] == _OK for name in needed)
        shown = found if is_told else {name: _kind(told) for name, told in found.items()}
        body = {"status": "ready" if is_ready else "not ready", "checks": shown}
        return JSONResponse(body, 200 if is_ready else 503)

    async def _is_told(self, request: Request) -> bool:
        with suppress(TimeoutError, SQLAlchemyError):
            return await asyncio.wait_for(self._doorkeeper.is_operator(request), _SECONDS)
        return False

    async def _metrics(self, request: Request) -> Response:
        """Of all workflows alike, and so for who may see all of them."""
        session: Session = request.scope[SESSION]
        if not session.sees_all:
            return refused(MetricsDenied())
        try:
            queue = await asyncio.wait_for(self._jobs.queue(), _SECONDS)
            self._gauges["index_queue_length"].set(queue.waiting)
            self._gauges["index_queue_age_seconds"].set(queue.oldest_seconds or 0)
        except (TicketError, SQLAlchemyError, TimeoutError):
            self._gauges["index_queue_length"].set(float("nan"))
            self._gauges["index_queue_age_seconds"].set(float("nan"))
        in_use, limit = self._units.database.pool_use()
        self._gauges["database_connections"].set(in_use)
        self._gauges["database_connections_limit"].set(limit)
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def _database(self) -> str:
        await self._jobs.queue()
        return _OK

    async def _migrations(self) -> str:
        async def state(work: UnitOfWork) -> str:
            connection = await work.session.connection()
            found = await connection.run_sync(schema_state)
            return _OK if found.is_current else f"at revision {found.revision}: run init-db"

        return await self._units.run(_CALLER, state)

    async def _queue(self) -> str:
        queue: Queue = await self._jobs.queue()
        return _OK if not queue.last_error else str(queue)

    async def _store(self) -> str:
        semantic = self._units.semantic
        if not semantic.is_on or semantic.space is None:
            return f"off: {semantic.absent}"
        await semantic.store.count(semantic.space)
        return _OK

    async def _embedder(self) -> str:
        """Whether there is one; its last fault is told with the queue."""
        semantic = self._units.semantic
        if semantic.space is None:
            return f"off: {semantic.absent}"
        return _OK if semantic.can_embed(semantic.space) else "none for the model that is set"


class MetricsDenied(Forbidden):
    def __init__(self) -> None:
        super().__init__(
            "Metrics tell of all workflows, to who may see all. Use a token without a limit "
            "to some (`hephaestus-tickets token create NAME --access read`, without --workflow)."
        )


def _kind(told: str) -> str:
    """Without what an error says."""
    return told if told == _OK else "off" if told.startswith("off:") else "failed"


async def _outcome(probe: Callable[[], Awaitable[str]]) -> str:
    try:
        return await asyncio.wait_for(probe(), _SECONDS)
    except TimeoutError:
        return f"no answer within {_SECONDS:g} seconds"
    except VectorsUnavailable as refusal:
        return refusal.reason
    except TicketError as refusal:
        return str(refusal)
    except SQLAlchemyError as error:
        return f"failed ({type(error).__name__})"
