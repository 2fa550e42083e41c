"""A person who acts on records in the console, and the worker that carries operations out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from console_client import ConsoleClient
from records import NOW, make_delivery, make_event
from signed_rejects import SECRET

from bridge.config.loader import load
from bridge.core.model import DeadKind, Delivery, Status
from bridge.core.operations import Operation
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import operation_records
from bridge.store.queries import event_lookup
from bridge.worker.maintenance.operations import OperationRunner

ROUTES = f"""\
version: 1
sources:
  github: {{provider: github, secret: {SECRET}}}
platforms: {{local: {{type: local}}}}
routes:
  - {{name: triage, on: github issues, inputs: {{title: x}}, flow: local/echo}}
  - {{name: paid, on: github paid, inputs: {{title: x}}, flow: local/echo}}
"""
_FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class ConsoleOperator:
    """Opens pages, sends their forms, and lets the worker do its batches."""

    def __init__(self, database: Database, folder: Path, routes: str = ROUTES) -> None:
        path = folder / "some.yaml"
        path.write_text(routes)
        self.database = database
        self.config = load(path, {}, strict_secrets=False)
        self.console = ConsoleClient(database, folder, self.config)
        self.console.log_in()
        self.runner = OperationRunner(
            self.console.settings, lambda: self.config, database, DatabaseClock(database)
        )

    def add_dead(
        self,
        count: int,
        reason: str = "HTTP 401: no",
        event: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> list[Delivery]:
        """Store events, each with a dead delivery; `event`: the changes of the events."""
        values: dict[str, Any] = {
            "route": "triage",
            "status": Status.DEAD,
            "dead_kind": DeadKind.PLATFORM,
            "reason": reason,
            "attempts": 3,
            "finished_at": NOW + 60,
        }
        made = []
        for _ in range(count):
            stored = make_event(config_hash=self.config.hash, **(event or {}))
            one = make_delivery(stored, **values | changes)
            events.add(self.database, stored, (one,), lambda *_: [])
            made.append(one)
        return made

    def propose(self, path: str = "/operations", **form: Any) -> str:
        """Send a form that proposes an operation, and return the path of its page."""
        given = {name.replace("__", "."): one for name, one in form.items()}
        answer = self.console.post(path, given)
        assert answer.status_code == 303, answer.text[:3000]
        return answer.headers["Location"].removeprefix("/console")

    def agree(self, page: str, **form: Any) -> Any:
        """Agree to a proposal, and return the answer."""
        return self.console.post(f"{urlsplit(page).path}/agree", form)

    def carry_out(self, page: str, **form: Any) -> str:
        """Agree, let a worker do it, and return the HTML of the operation."""
        answer = self.agree(page, **form)
        assert answer.status_code == 303, answer.text[:3000]
        self.runner.run_once()
        return self.console.html(urlsplit(page).path)

    def form_of(self, html: str, text: str) -> dict[str, Any]:
        """Return the hidden fields of the form of a page that has a text."""
        found = next(one for one in _FORM.findall(html) if text in one)
        fields: dict[str, Any] = {}
        for name, value in _HIDDEN.findall(found):
            fields.setdefault(name, []).append(unescape(value))
        return fields

    def status_of(self, one: Delivery) -> str:
        """Return the status of a delivery."""
        found = event_lookup.show(self.database, one.id)
        return next(each.status.value for each in found.deliveries if each.id == one.id)

    def operations(self) -> list[Operation]:
        """Return all operations, newest first."""
        return list(operation_records.list_operations(self.database))
