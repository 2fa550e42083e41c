"""What every signature scheme is: two functions over a request, secrets and a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.key_source import NO_KEYS, Keys

MAX_SECRETS = 8  # live at once per source; config refuses more
MAX_OFFERED = 16  # signatures looked at per request
MAX_SIGNATURE = 4096  # characters of a signature header, checked before it is parsed


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a source. Not used from `not_after` (seconds since the epoch) on."""

    value: str = field(repr=False)
    not_after: float | None = None


Content = Callable[[Request], bytes]


def body_of(request: Request) -> bytes:
    """Return the body of `request`."""
    return request.body


@dataclass(frozen=True, slots=True)
class Proof:
    """What a signature covers of a verified request: the same bytes for each of the sender's tries.

    `content` returns them for the request, `element` for an element of its batch. The time of the
    signature is not among them, since it changes with each try. Where the whole body is signed,
    they are the body.
    """

    content: Content = body_of
    element: Content = body_of


WHOLE_BODY = Proof()


class Scheme(Protocol):
    """How requests of a provider prove where they come from.

    A kind that reads pins has `pins` and `pinned` too: see `bridge.providers.signatures.pins`.
    """

    @property
    def needs_secret(self) -> bool:
        """True where nothing can be verified without a secret; False where none is used, or the
        keys are fetched.
        """

    @property
    def credentials(self) -> tuple[str, ...]:
        """Locators of the static credentials that a request carries; they are masked before it is
        stored.
        """

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: Keys = NO_KEYS
    ) -> Proof | None:
        """Return what is proven of `request`, signed with a secret live at `now`; raise
        BadSignature, and nothing else, if it is not.

        Null where a proof covers nothing that the request holds: a token, a password. Where the
        scheme's keys are the sender's to publish, they are taken from `keys`, unless a secret holds
        one.
        """

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` signed as the sender would; ValueError if `secret` is no usable one."""

    def secret_problem(self, secret: str) -> str | None:
        """Return what makes `secret` unusable, without quoting it, or None."""


def live(secrets: Sequence[Secret], now: float) -> list[str]:
    """Return the secrets that may be used at `now`; BadSignature where there is none: no secret, no
    entry.
    """
    values = [
        s.value for s in secrets if (s.not_after is None or s.not_after > now) and s.value.strip()
    ]
    if not values:
        raise BadSignature("no_secret")
    return values[:MAX_SECRETS]


def utf8(text: str) -> bytes:
    """Return `text` as UTF-8, with bytes that the environment could not decode as they were;
    ValueError for other surrogates.
    """
    return text.encode("utf-8", "surrogateescape")
