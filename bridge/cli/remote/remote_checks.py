"""The checks of the bridge of another machine, which need none of its secrets.

See `cli.bridge_checks`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from bridge.cli.bridge.transport import Shape
from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_url import API_PATH
from bridge.config.addresses import parse_public_url
from bridge.core.errors import BridgeError, SettingsError
from bridge.services.bridge_checks.findings import CheckFinding, find_untried
from bridge.services.bridge_checks.reachability import (
    check_public_url,
    check_reachability,
    describe_answer,
)
from bridge.services.bridge_checks.secret_use import SecretUse, describe_secret_use
from bridge.services.records.json_record import (
    UNREADABLE,
    UnreadableAnswer,
    expect_shape,
    parse_time,
)
from bridge.system.http_client import HttpClient

#: The bridge's own machine tries these.
UNTRIED: Final = (
    "signed requests need the secrets: `flowbridge doctor` on the bridge's machine tries them"
)
LEAST_SECRETS: Final = 2  # of a source, whose use is then told


class RemoteChecks:
    """The checks of a bridge from this machine and through its admin API. See `BridgeChecks`."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self.target = str(client.server)

    def run(self) -> Iterator[CheckFinding]:
        """See `BridgeChecks`."""
        before = time.time()
        answer, shape = self._client.get_answer("/")
        reached = [*describe_answer(self.target, API_PATH, answer, before)]
        public_url = _read_public_url(shape)
        reply = self._client.get("/sources")
        with expect_shape():
            sources = [_find_secrets(source, time.time()) for source in reply["items"]]
        yield from reached
        yield from check_public_url(public_url)
        if public_url and public_url != self.target:
            yield from _reach(public_url)
        for findings in sources:
            yield from findings
        yield CheckFinding("requests", "-", "-", UNTRIED)


def _reach(public_url: str) -> Iterator[CheckFinding]:
    """Check the public URL, which may be unreachable from this machine only."""
    # not the client of the admin API: its token goes to the server only
    with closing(HttpClient()) as sender:
        try:
            yield from check_reachability(sender, public_url)
        except BridgeError as error:
            yield CheckFinding("reached", public_url, "error", f"not from this machine: {error}")


def _read_public_url(shape: Shape) -> str:
    try:
        with expect_shape():
            return parse_public_url("FLOWBRIDGE_PUBLIC_URL", shape["public_url"] or "")
    except SettingsError:
        raise UnreadableAnswer(UNREADABLE) from None


def _find_secrets(shape: Shape, now: float) -> list[CheckFinding]:
    """Return the findings of a source that come from the admin API."""
    name = str(shape["name"])
    if not shape["configured"]:
        return []
    untried = find_untried(name, shape["provider"], shape["missing"], is_public=shape["public"])
    secrets = shape["secrets"] if len(shape["secrets"]) >= LEAST_SECRETS else []
    used = [
        SecretUse(
            source=name,
            place=place,
            count=len(secrets),
            not_after=parse_time(secret["not_after"]),
            used_at=parse_time(secret["last_used_at"]),
        )
        for place, secret in enumerate(secrets, 1)
    ]
    findings = describe_secret_use(used, now, "the bridge's machine")
    return [*([] if untried is None else [untried]), *findings]
