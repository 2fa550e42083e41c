"""The audit log: who changed, exported or downloaded what, and who logged in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.core.text import replace_unprintable

MAX_TEXT_CHARS: Final = 300  # of an actor and of a subject


class AuditAction(StrEnum):
    """Actions that the audit log records. Operations have a log of their own."""

    LOGIN = "login"
    LOGIN_REFUSED = "login_refused"
    TOKEN_ADDED = "token_added"  # noqa: S105 - the name of an action
    TOKEN_REMOVED = "token_removed"  # noqa: S105 - the name of an action
    HOLD_BEGUN = "hold_begun"
    HOLD_RELEASED = "hold_released"
    STORE_RESTORED = "store_restored"
    LEARNING_ALLOWED = "learning_allowed"
    LEARNING_ENDED = "learning_ended"
    RUN_STARTED = "run_started"
    RUN_KILLED = "run_killed"
    EXPORTED = "exported"
    DOWNLOADED = "downloaded"


#: Actions that change nothing, and that a client can repeat without end.
ACCESS_ACTIONS: Final = (AuditAction.LOGIN_REFUSED, AuditAction.EXPORTED, AuditAction.DOWNLOADED)


@dataclass(frozen=True, slots=True)
class AuditActor:
    """The actor of a change: a name, and the address of the client.

    The address is null for a command on the machine.
    """

    name: str
    client: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of the audit log.

    `action` is a word of `AuditAction`, or one of a later version. `subject` is the record that it
    is about, such as the id of a token.
    """

    id: str
    at: float
    actor: str
    action: str
    subject: str | None = None
    client: str | None = None


def clean_text(text: str) -> str:
    """Return a text for the log: on one line, bounded, without control characters."""
    cleaned = replace_unprintable(text[: MAX_TEXT_CHARS + 1])
    return cleaned if len(cleaned) <= MAX_TEXT_CHARS else cleaned[: MAX_TEXT_CHARS - 1] + "…"
