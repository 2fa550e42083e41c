"""Hooks of another program, imported, and asked what a request starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from receiving import receive_request
from webhook_rules import HookRequest

from bridge.config.given_files import GivenFiles
from bridge.config.loader import check_files
from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.model import Delivery
from bridge.importers.kinds import import_files
from bridge.importers.model import ImportResult
from bridge.importers.routes_text import write_routes
from bridge.routing.model import Config
from bridge.store.inbound.arrivals import AddedEvent

NOW = 1_764_000_000.0


@dataclass(frozen=True)
class ImportedHooks:
    """An import and the configuration that its routes.yaml gives."""

    result: ImportResult
    text: str
    config: Config

    def deliveries(self, hook: str, request: HookRequest) -> list[Delivery] | None:
        """Return the deliveries that a request plans; None where it is refused."""
        source = self.config.sources[hook]
        query = urlencode(request.query)
        planned: list[Delivery] = []

        def keep(arrivals: Any, _replan: object) -> list[AddedEvent]:
            for _, deliveries in arrivals:
                planned.extend(deliveries)
            return [AddedEvent(event.id, tuple(each)) for event, each in arrivals]

        sent = Request(
            method="POST",
            path=f"/hooks/{hook}",
            headers={"content-type": "application/json"}
            | {key.lower(): value for key, value in request.headers.items()},
            body=request.body,
            query_string=query,
            url=f"https://bridge.example/hooks/{hook}?{query}",
        )
        try:
            receive_request(sent, source, self.config, keep, NOW)
        except BadSignature:
            return None
        return planned

    def places(self, carried: str) -> list[str]:
        """Return the places of the findings of one kind."""
        return [one.place for one in self.result.findings if one.carried == carried]


def import_texts(*texts: tuple[str, str], kind: str | None = None) -> ImportedHooks:
    """Import files, and load what was made of them as `check` does."""
    result = import_files(list(texts), kind)
    text = write_routes(result)
    environ = {name: value for name, value in result.secrets.items() if value}
    given = GivenFiles({"routes.yaml": text, **result.files})
    checked = check_files(Path("routes.yaml"), environ, given, strict_secrets=False)
    errors = [str(one) for one in checked.problems if one.level == "error"]
    assert checked.config is not None and not errors, (errors, text)
    return ImportedHooks(result, text, checked.config)


def import_hooks(*hooks: dict[str, Any]) -> ImportedHooks:
    """Import hooks that are given as values."""
    return import_texts(("hooks.json", json.dumps(list(hooks))), kind="webhook")
