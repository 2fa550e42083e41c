"""Exceptions for errors of senders, operators and the configuration. Pure.

Failures of a *platform* are never exceptions: they are an `Outcome` (see `outcomes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class BridgeError(Exception):
    """Base of all errors whose text may be shown to users."""


@dataclass(frozen=True, slots=True, order=True)
class ConfigProblem:
    """One problem in routes.yaml: its position, and how to fix it."""

    file: str
    line: int
    column: int
    path: str
    message: str
    level: str = "error"  # error | warning
    shown: str = ""  # the path for people, if it differs: `routes[triage].flow`

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.shown or self.path}: {self.message}"


class ConfigError(BridgeError):
    """routes.yaml, or a file it names, is invalid. `problems` has all problems."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class CompileError(BridgeError):
    """A part of routes.yaml (expression, template, match or schema) cannot be compiled.

    `problems` are (path, message): the keys and list indexes inside that part, and the problem
    there.
    """

    def __init__(self, problems: str | list[tuple[tuple[str | int, ...], str]]) -> None:
        self.problems = [((), problems)] if isinstance(problems, str) else problems
        super().__init__("; ".join(message for _, message in self.problems))


class SettingsError(BridgeError):
    """The environment variables are invalid, or contradict each other."""


class BadSignature(BridgeError):
    """The request is not proven to come from the source's provider.

    `reason` is one word for our own log: `missing`, `malformed`, `mismatch`, `stale`, `future`,
    `no_secret`, `not_pinned` (a value differs from the source's pins) or `no_key` (the sender's key
    could not be fetched). The response never contains it, and it never holds a signature or a
    secret.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """An error of one form field, to be shown in the submitter's language.

    `key` names the sentence in `ingest.forms.translations`; `limit` and `names` are its values: the
    limit of the schema, and names of fields, which may be the submitter's own.
    """

    key: str
    limit: Any = None
    names: tuple[str, ...] = ()


class Refused(BridgeError):
    """A request that gets an HTTP error response: `status`, a `code` for programs, and a message.

    `fields` has the errors of a form by field name; errors of no field are under `""`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Mapping[str, FieldFault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields or {}
        self.headers = headers or {}
        super().__init__(f"{status} {code}: {message}")


class ExpressionError(BridgeError):
    """An expression of routes.yaml cannot be evaluated on this event.

    The text names the expression and the type of the value.
    """


class StoreError(BridgeError):
    """The store could not write; nothing was stored, and the sender must get an error."""


class CommitWaits(BridgeError):
    """A commit was not made because it would wait. Nothing was stored; a thread may wait."""


class CommitBusy(CommitWaits):
    """A commit was not made because another one is under way, which is seldom a long one."""


class KeyMissing(StoreError):
    """A value is encrypted with a key that is not configured.

    The text names the key's id and the setting, never a key.
    """


class DecryptionError(StoreError):
    """An encrypted value was changed, or moved to another row or column."""


class RunLimitReached(BridgeError):
    """A run was not accepted: the local platform's cap of unfinished runs is reached."""


class NotFound(BridgeError):
    """No such event, delivery, route, flow or run."""


class AmbiguousId(NotFound):
    """Several ids match a shortened one; `ids` are some of them."""

    def __init__(self, message: str, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(message)


class InvalidRequest(BridgeError):
    """A request names something that routes.yaml does not have, has a value that is not allowed, or
    contradicts itself.

    The CLI reports it as wrong usage.
    """


class UnknownName(InvalidRequest):
    """A source, route or platform (`what`) that does not exist.

    `near` may be meant, and `allowed` exist.
    """

    def __init__(self, what: str, message: str, near: str | None, allowed: Sequence[str]) -> None:
        self.what = what
        self.near = near
        self.allowed = tuple(allowed)
        super().__init__(message)


class PlatformRefused(BridgeError):
    """A platform gave no usable answer. `answer` describes it, and may quote a run's inputs."""

    def __init__(self, platform: str, answer: str) -> None:
        self.platform = platform
        self.answer = answer
        super().__init__(f"{platform}: {answer}")


class StartUnanswered(BridgeError):
    """A platform was asked to start a flow, and did not answer: a run may exist."""


class IllegalTransition(BridgeError):
    """A delivery cannot move from its status to the requested one."""
