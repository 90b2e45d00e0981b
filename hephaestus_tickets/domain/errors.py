"""Every refusal a caller can meet: a code, a sentence, and what to do next."""

from __future__ import annotations

import re
from typing import ClassVar

from hephaestus_tickets.domain.setup_error import SetupError as SetupError  # noqa: PLC0414 - with the others, for who need not be light


class TicketError(Exception):
    """A refusal the caller can act on; its text is safe to show.

    `code` is the class name in snake case; `status` the HTTP status of its family.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "ticket_error"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class NotFound(TicketError):
    """What was named does not exist, or not for this caller."""

    status = 404


class Invalid(TicketError):
    """The call itself is wrong; the same call cannot succeed later."""

    status = 422


class Conflict(TicketError):
    """The call is well formed, but the tickets stand against it."""

    status = 409


class Forbidden(TicketError):
    """The caller may not do this."""

    status = 403


class Unavailable(TicketError):
    """Something the call needs is away; the same call may succeed later."""

    status = 503
