"""A record of each kind that a page of the console shows, with a text in every place that has
contents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from records import NOW, make_delivery, make_event

from bridge.core.model import DeadKind, FormFile, Status
from bridge.store.db.database import Database
from bridge.store.inbound import events

#: By the first part of a path, such as `events` of `/events/<id>`, the id of its record.
Ids = Mapping[str, str]


def store_records(database: Database, text: str, **changes: Any) -> Ids:
    """Store an event with two deliveries; `changes` are those of the event. Return the ids."""
    values: dict[str, Any] = {
        "body": b'{"action": "opened", "note": "%s"}' % text.encode(),
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
    events.add(database, event, (dead, other), lambda *_: [])
    events.remember_config(database, event.config_hash, '{"config":{},"schemas":{}}', NOW)
    return {
        "events": event.id,
        "deliveries": dead.id,
        "sources": event.source,
        "routes": "other",
        "platforms": "local",
        "configs": event.config_hash,
        "settings": "tok_none",
    }


def fill_path(path: str, ids: Ids) -> str:
    """Return the path of a page with the id of its record in the place of `<id>`."""
    if "<" not in path:
        return path
    kind = path.split("/")[1]
    assert kind in ids, f"store a record for {path} in tests/support/console_records.py"
    return re.sub(r"<\w+>", ids[kind], path)
