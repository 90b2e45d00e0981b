"""The one error that is for an operator; light, since a session's start may need it."""

from __future__ import annotations


class SetupError(Exception):
    """The tracker cannot start or go on: one sentence for an operator, with the mend."""
