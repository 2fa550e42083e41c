"""A record of each kind that a page of the console shows, with a text in every place that has
contents.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from records import NOW, make_delivery, make_event, make_local_run, put
from signed_rejects import make_reject
from sqlalchemy import Connection

from bridge.core.local_runs import LocalState, RunResult
from bridge.core.model import DeadKind, FormFile, Status
from bridge.core.operations import ClientRequest
from bridge.services.operations.execution import begin_operation
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.local import runs as local_runs
from bridge.store.queries import configs
from bridge.store.tables import schema
from bridge.system.ids import reject_id
from bridge.web.console.pages import PAGES

#: The pages that a browser opens by their address, and those of them that are no downloads.
OPENED_PAGES = tuple(one for one in PAGES if one.method == "GET")
DOWNLOADS = ("/body", "/export", "/file")  # ends of their paths
SHOWN_PAGES = tuple(one for one in OPENED_PAGES if not one.path.endswith(DOWNLOADS))
#: Addresses of pages that show other templates for some parameters, of the records of
#: `store_shown_records`.
SHOWN_WITH_PARAMETERS = (
    "/configs/diff?a=<configs>&b=<later_configs>",
    "/events/evt_00000000000000000000000000",  # a page of an error
    "/events/<events>?use=/action",
    "/find?q=opened",
    "/operations/<agreed_operations>",
    "/platforms/gumloop/flows?flow=echo",
    "/runs?run_id=<runs>",
)
SHOWN_PATHS = (*(page.path for page in SHOWN_PAGES), *SHOWN_WITH_PARAMETERS)

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


def store_shown_records(database: Database, text: str) -> Ids:
    """Store a record for each path of `SHOWN_PATHS`; return the ids."""
    ids = store_records(database, text, problem=None, spam=None, files=())
    submission = make_event(
        source="contact",
        provider="form",
        type=None,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode({"name": "Ann", "message": f"opened {text}"}).encode(),
    )
    events.add(database, submission, [], lambda *_: [])
    configs.remember_config(database, "1" * 64, _make_changed_config(text), NOW)
    agreed = begin_operation(
        database,
        "retry",
        [ids["deliveries"]],
        actor="someone",
        request={"filters": {"where": [text]}},
    )
    _store_result(database, agreed.seq, [ids["deliveries"], ids["deliveries"]])
    return {
        **ids,
        "forms": submission.source,
        "later_configs": "1" * 64,
        "agreed_operations": agreed.id,
        "runs": _store_ended_run(database, text),
    }


def _make_changed_config(text: str) -> str:
    changed = {"config": {"routes": {"triage": {"description": text}}}, "schemas": {}}
    return orjson.dumps(changed).decode()


def _store_ended_run(database: Database, text: str) -> str:
    inputs = orjson.dumps({"note": text}).decode()
    run = make_local_run(inputs=inputs, created_at=time.time())
    result = RunResult(state=LocalState.FAILED, outputs={"said": text}, log=(text,))

    def store(connection: Connection) -> None:
        local_runs.start(connection, run)
        local_runs.claim(connection, 1, time.time(), "lease-1")
        local_runs.finish(connection, run.id, result, time.time(), "lease-1")

    database.write(store)
    return run.id


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


def _store_result(database: Database, operation: int, made: list[str]) -> None:
    """Store that the items of an operation are done, and made these deliveries."""
    result = {"outcome": "done", "at": NOW, "made": json.dumps(made)}
    with database.engine.begin() as connection:
        connection.execute(
            schema.act_item.update().where(schema.act_item.c.act == operation).values(result)
        )


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
        request={"filters": {"where": [text], "reason": text}},
        client=ClientRequest(token="another", proposed_until=time.time() + 600, counted=counted),
    ).id


def fill_path(path: str, ids: Ids) -> str:
    """Return the path of a page with the ids of its records: for `<runs>` that of a run, for `<id>`
    that of the first part of the path.
    """
    first = path.split("/")[1]

    def find_id(match: re.Match[str]) -> str:
        kind = match[1] if match[1] in ids else first
        assert kind in ids, f"store a record for {path} in tests/support/console_records.py"
        return ids[kind]

    return re.sub(r"<(\w+)>", find_id, path)
