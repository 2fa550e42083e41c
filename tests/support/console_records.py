"""A record of each kind that a page of the console shows, with a text in every place that has
contents.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import orjson
from records import NOW, make_delivery, make_event, put
from signed_rejects import make_reject

from bridge.core.model import DeadKind, FormFile, Status
from bridge.core.operations import OperationRequest
from bridge.services.operations import begin_operation
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.queries import configs
from bridge.system.ids import reject_id
from bridge.web.console.pages import PAGES

#: The pages that a browser opens by their address, and those of them that are no downloads.
OPENED_PAGES = tuple(one for one in PAGES if one.method == "GET")
DOWNLOADS = ("/body", "/export", "/file")  # ends of their paths
SHOWN_PAGES = tuple(one for one in OPENED_PAGES if not one.path.endswith(DOWNLOADS))

#: By the first part of a path, such as `events` of `/events/<id>`, the id of its record.
Ids = Mapping[str, str]


def store_records(database: Database, text: str, **changes: Any) -> Ids:
    """Store an event with deliveries, its configuration, a reject and a proposed operation.

    `changes` are those of the event. Return the ids.
    """
    values: dict[str, Any] = {
        "body": b'{"action": "opened", "note": "%s", "issue": {"labels": [{"name": "bug"}], "user":'
        b' {"login": "ann"}}}' % text.encode(),
        "headers": {"content-type": "application/json", "x-note": text},
        "query_string": f"a={text}",
        "problem": f"the body is not valid: '{text}'",
        "spam": f"blocked word: {text}",
        "client": text,
        "files": (
            FormFile(field=text, name=f"{text}.pdf", type="text/plain", size=7, sha256="0" * 64),
        ),
    }
    event = make_event(**values | changes)
    dead = make_delivery(
        event,
        status=Status.DEAD,
        dead_kind=DeadKind.OURS,
        reason=f"payload_schema /title: '{text}' is too long",
        inputs={"note": text},
    )
    other = make_delivery(event, "other", inputs=[text], outputs={"said": text}, log=(text,))
    lost = make_delivery(event, "lost", status=Status.UNKNOWN, reason=text)
    lost_too = make_delivery(event, "lost too", status=Status.UNKNOWN, reason=text)
    events.add(database, event, (dead, other, lost, lost_too), lambda *_: [])
    for delivery in (lost, lost_too):
        put(database, delivery.id, evidence=orjson.dumps(_make_evidence(text)).decode())
    reject = make_reject(
        id=reject_id(time.time()),
        body=text.encode(),
        path=f"/hooks/{text}",
        query_string=text,
        headers={"x-note": text},
    )
    rejects.add(database, reject)
    configs.remember_config(database, event.config_hash, '{"config":{},"schemas":{}}', NOW)
    return {
        "events": event.id,
        "deliveries": dead.id,
        "sources": event.source,
        "routes": other.route,
        "platforms": other.platform,
        "configs": event.config_hash,
        "settings": "tok_none",
        "rejects": reject.id,
        "forms": event.source,
        "operations": _propose(database, dead.id, text),
    }


def _make_evidence(text: str) -> dict[str, Any]:
    return {
        "attempt": 0,
        "looks": 1,
        "looked_at": NOW,
        "since": NOW,
        "until": NOW,
        "listed": 1,
        "covers": True,
        "candidates": [{"run_id": text, "state": text, "created_at": NOW, "echo": text}],
        "decided": "hold",
        "why": text,
    }


def _propose(database: Database, delivery_id: str, text: str) -> str:
    counted: dict[str, Any] = {
        "count": 1,
        "by_route": {"triage": 1},
        "by_status": {"dead": 1},
        "left_out": {f"it was not valid: '{text}'": 1},
        "problems": [{"id": delivery_id, "problem": f"HTTP 400: {text}"}],
        "notes": [f"the run was not looked up: HTTP 500: {text}"],
        "went_already": 1,
        "examples": [delivery_id],
    }
    return begin_operation(
        database,
        "retry",
        [delivery_id],
        actor="someone",
        asked={"filters": {"where": [text], "reason": text}},
        request=OperationRequest(
            token="another", proposed_until=time.time() + 600, counted=counted
        ),
    ).id


def fill_path(path: str, ids: Ids) -> str:
    """Return the path of a page with the id of its record in the place of `<id>`."""
    if "<" not in path:
        return path
    kind = path.split("/")[1]
    assert kind in ids, f"store a record for {path} in tests/support/console_records.py"
    return re.sub(r"<\w+>", ids[kind], path)
