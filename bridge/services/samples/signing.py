"""The secrets that sign samples for a source, and the URLs they are signed for."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.providers.signatures.pairs import choose_scheme
from bridge.services.samples.secrets import CHALLENGE_PREFIX

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.http_messages import Request
    from bridge.routing.model import Source


def live_secrets(source: Source, now: float | None = None) -> list[str]:
    """Return the secrets of a source that verify now.

    Left out are those that have ended, empty ones, and those that only answer a test of the URL.
    """
    now = time.time() if now is None else now
    lasting = [
        secret.value
        for secret in source.secrets
        if secret.value and (secret.not_after is None or secret.not_after > now)
    ]
    return [
        value for value in lasting if choose_scheme(source.scheme, value)[0] != CHALLENGE_PREFIX
    ]


def signed_url(settings: Settings, url: str) -> str:
    """Return the URL that a sender calls, which some sign.

    It is `url`, with FLOWBRIDGE_PUBLIC_URL in place of an address that only this machine reaches.
    """
    from bridge.config.addresses import is_loopback

    parts = urlsplit(url)
    if not settings.public_url or not is_loopback(parts.hostname or ""):
        return url
    return settings.public_url + parts._replace(scheme="", netloc="").geturl()


def redirect_request(request: Request, signed: str, url: str) -> Request:
    """Return a request that was signed for the URL `signed` as one to `url`; a query that signing
    added stays.
    """
    return replace(request, url=url + request.url.removeprefix(signed))
