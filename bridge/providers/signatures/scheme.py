"""The interface of signature schemes: functions of a request, secrets and a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.key_source import NO_KEYS, KeySource

MAX_SECRETS = 8  # active at once per source; the configuration refuses more
MAX_SIGNATURES = 16  # signatures that are checked per request
MAX_SIGNATURE_CHARACTERS = 4096  # characters of a signature header, checked before it is parsed


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a source. It is not used from `not_after` (seconds since the epoch) on."""

    value: str = field(repr=False)
    not_after: float | None = None


Content = Callable[[Request], bytes]


def body_of(request: Request) -> bytes:
    """Return the body of `request`."""
    return request.body


@dataclass(frozen=True, slots=True)
class Proof:
    """The content that a signature covers: the same bytes for each retry of the sender.

    `content` returns them for the request, `element` for an element of its batch. The signature's
    time is excluded, since it changes with each retry. If the whole body is signed, they are the
    body. They are None if nothing is signed: a token, a password. `joins_fields`: no field is
    signed by itself, only the text of all. `place`: the index of the secret that fits in the list
    of secrets; None if the key was fetched, or no secret is needed.
    """

    content: Content | None = body_of
    element: Content | None = body_of
    joins_fields: bool = False
    place: int | None = None


WHOLE_BODY = Proof()
NO_CONTENT = Proof(None, None)


class Scheme(Protocol):
    """A way in which a provider's requests prove their origin.

    A kind that reads pins has `pins` and `pinned` too: see `bridge.providers.signatures.pins`.
    """

    @property
    def needs_secret(self) -> bool:
        """True if verification needs a secret; False without secrets, or if keys are fetched."""

    @property
    def credentials(self) -> tuple[str, ...]:
        """Locators of static credentials in a request, which are masked before it is stored."""

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Verify `request` with a secret that is active at `now` and return the proof.

        Raise BadSignature, and nothing else, if it is invalid. Keys that the sender publishes come
        from `keys`, unless a secret holds one.
        """

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` signed as the sender would. Raise ValueError for an unusable secret."""

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""


def is_active(secret: Secret, now: float) -> bool:
    """Return whether a secret is usable at `now`: not ended, not blank."""
    return (secret.not_after is None or secret.not_after > now) and bool(secret.value.strip())


def find_place(secrets: Sequence[Secret], now: float, fits: Callable[[str], bool]) -> int | None:
    """Return the index of the first active secret that fits; `fits` may raise ValueError."""
    for place, secret in enumerate(secrets):
        with suppress(ValueError):
            if is_active(secret, now) and fits(secret.value):
                return place
    return None


def active_secrets(secrets: Sequence[Secret], now: float) -> list[str]:
    """Return the secrets that are active at `now`. Raise BadSignature if there are none."""
    values = [secret.value for secret in secrets if is_active(secret, now)]
    if not values:
        raise BadSignature("no_secret")
    return values[:MAX_SECRETS]


def utf8(text: str) -> bytes:
    """Return `text` as UTF-8, with undecodable bytes of the environment unchanged.

    Raise ValueError for other surrogates.
    """
    return text.encode("utf-8", "surrogateescape")
