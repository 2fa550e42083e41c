"""Sources as the receivers have them, and URLs as senders call them: for the commands that verify
and sign.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.cli.options import settings_of
from bridge.providers.signatures.pairs import chosen
from bridge.services.samples.secrets import ASIDE
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.http_messages import Request
    from bridge.routing.model import Source


def knowing(config: str | None, sources: Mapping[str, Source]) -> dict[str, Source]:
    """Return the sources, those that learned their secret (Asana, Notion) with it; where it cannot
    be opened here, without.
    """
    learning = [name for name, one in sources.items() if one.provider.learn is not None]
    if not learning:
        return dict(sources)
    from bridge.store.encryption import of_secrets
    from bridge.web.learned_secrets import Learning

    with open_store(settings_of(config)) as database:
        if database is None:
            return dict(sources)
        settings = settings_of(config, secrets=True)
        knows = Learning(
            database,
            lambda: of_secrets(settings.encryption_keys, settings.secret_key),
            teaches=False,
        )
        return {
            **sources,
            **{name: knows.knowing(sources[name], knows.known(sources[name])) for name in learning},
        }


def live_secrets(source: Source, now: float | None = None) -> list[str]:
    """Return the secrets of a source that verify now: none that ended, that is empty, or that only
    answers a test of the URL.
    """
    now = time.time() if now is None else now
    lasting = [
        one.value
        for one in source.secrets
        if one.value and (one.not_after is None or one.not_after > now)
    ]
    return [value for value in lasting if chosen(source.scheme, value)[0] != ASIDE]


def called_as(settings: Settings, url: str) -> str:
    """Return what the sender calls, which some sign: `url`, or FLOWBRIDGE_PUBLIC_URL in its place
    where it leads to this machine only.
    """
    from bridge.config.addresses import is_loopback

    parts = urlsplit(url)
    if not settings.public_url or not is_loopback(parts.hostname or ""):
        return url
    return settings.public_url + parts._replace(scheme="", netloc="").geturl()


def aimed(request: Request, called: str, url: str) -> Request:
    """Return a request that was signed for the URL `called` as one to `url`, with what signing has
    added to the query.
    """
    return replace(request, url=url + request.url.removeprefix(called))
