"""What can go wrong by the sender's or the operator's doing. Pure.

What a *platform* does is never an exception: it is an `Outcome` (see `model`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class BridgeError(Exception):
    """Anything flowbridge refuses, with a text fit to be shown."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with routes.yaml: where it stands and what would be right."""

    file: str
    line: int
    column: int
    path: str
    message: str
    level: str = "error"  # error | warning
    shown: str = ""  # the path as people read it, where that is another: `routes[triage].flow`

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.shown or self.path}: {self.message}"


class ConfigError(BridgeError):
    """routes.yaml (or a file it names) cannot be used; carries every problem found, not the
    first.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class CompileError(BridgeError):
    """A part of routes.yaml (an expression, a template, a match, a schema) that cannot be compiled.

    `problems` are (path, message): where inside that part, as keys and list indexes, and what is
    wrong.
    """

    def __init__(self, problems: str | list[tuple[tuple[str | int, ...], str]]) -> None:
        self.problems = [((), problems)] if isinstance(problems, str) else problems
        super().__init__("; ".join(message for _, message in self.problems))


class SettingsError(BridgeError):
    """The environment asks for something that cannot be done."""


class BadSignature(BridgeError):
    """The request is not proven to come from the source's provider.

    `reason` is one word for our own log (`missing`, `malformed`, `mismatch`, `stale`, `future`,
    `no_secret`; `not_pinned`: not whom or what the source pins; `no_key`: the sender's key could
    not be fetched); the sender is told none of it, and it never holds a signature or a secret.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with a field of a form, to be said in the sender's language: `key` names the
    sentence in `forms.texts`.

    `limit` and `names` are what stands in it: what the schema asks for, and names of fields, which
    may be the sender's own.
    """

    key: str
    limit: Any = None
    names: tuple[str, ...] = ()


class Refused(BridgeError):
    """A request that is answered with an HTTP error of its own: `status`, a `code` word, and a
    sentence.

    `fields` says of a form what is wrong with each field, by its name; what belongs to none is
    under `""`.
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
    """An expression of routes.yaml could not be evaluated on this event; the text names the
    expression and the value's type.
    """


class StoreError(BridgeError):
    """The store could not keep what it was given: nothing of it was kept, and the sender must be
    told so.
    """


class KeyMissing(StoreError):
    """A value is sealed with a key that is not here; the text has the key's id and the setting,
    never a key.
    """


class Unsealable(StoreError):
    """A sealed value was changed, or stands where it was not sealed for."""


class Full(BridgeError):
    """A run is not kept: as many as the local platform's cap are not over yet."""


class NotFound(BridgeError):
    """No such event, delivery, route, flow or run."""


class InvalidRequest(BridgeError):
    """A request that names what routes.yaml does not have, or that contradicts itself.

    The CLI reports it as wrong usage.
    """


class IllegalTransition(BridgeError):
    """A delivery cannot go from the status it has to the one that was asked for."""
