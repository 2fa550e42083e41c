"""The comparison of two events: only what differs, within bounds."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest
from console_client import ConsoleClient
from records import make_event

from bridge.config.loader import load
from bridge.core.json_values import MAX_POINTER_CHARS
from bridge.core.model import JSON, Event
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.console.views.event_comparison import MAX_SHOWN

ROUTES = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:S}", max_depth: 500}}
routes:
  - {name: all, on: github, inputs: {a: "${body.a}"}, flow: local/echo}
"""


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path)
    client.log_in((Scope.READ, Scope.BODIES))
    return client


def store(console: ConsoleClient, body: JSON, **changes: object) -> Event:
    event = make_event(None, now=time.time(), body=orjson.dumps(body), **changes)
    events.add(console.database, event, (), lambda *_: [])
    return event


def test_only_paths_that_differ_are_shown(console: ConsoleClient) -> None:
    one = store(console, {"a": {"b": 1, "c/d": "x"}, "same": "unchanged", "gone": [1]})
    other = store(console, {"a": {"b": "1", "c/d": "y"}, "same": "unchanged", "new": None})
    html = console.html(f"/events/{other.id}/compare?with={one.id}")
    for path in ("body.a.b", "body.a.c/d", "body.gone", "body.new"):
        assert f"<code>{path}</code>" in html, path
    assert "unchanged" not in html
    assert "<pre>1</pre>" in html and "<pre>&#34;1&#34;</pre>" in html
    before = console.html(f"/events/{other.id}/compare")
    assert html.partition("<main")[2] == before.partition("<main")[2] != ""
    assert "body.a.b" in console.html(f"/events/{one.id}/compare?with={other.id[:-2]}")


def test_the_headers_and_the_type_are_compared(console: ConsoleClient) -> None:
    one = store(console, {}, headers={"x-a": "1", "content-type": "application/json"})
    other = store(
        console, {}, type="push", headers={"x-b": "1", "content-type": "application/json"}
    )
    html = console.html(f"/events/{other.id}/compare?with={one.id}")
    for path in ("headers.x-a", "headers.x-b", "event.type"):
        assert f"<code>{path}</code>" in html, path
    assert "content-type" not in html
    assert "Nothing to compare with" in console.html(f"/events/{one.id}/compare")
    assert "Nothing to compare with" in console.html(f"/events/{other.id}/compare")


def test_many_differences_are_cut(console: ConsoleClient) -> None:
    one = store(console, [0] * (MAX_SHOWN + 1))
    store(console, [1] * (MAX_SHOWN + 1))
    other = store(console, ["x" * 5000, *[0] * MAX_SHOWN])
    html = console.html(f"/events/{other.id}/compare")
    assert "There are more differences than are shown." in html
    html = console.html(f"/events/{other.id}/compare?with={one.id}")
    assert "x" * 900 in html and "x" * 1100 not in html


def test_deep_values_and_long_keys_are_shown_in_part(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(ROUTES)
    console = ConsoleClient(database, tmp_path, load(path, {}, strict_secrets=False))
    console.log_in()
    deep = "[" * 400 + "]" * 400
    name = "k" * (3 * MAX_POINTER_CHARS)
    one = store(console, {"a": 1, name: 1})
    other = make_event(None, now=time.time(), body=f'{{"a": {deep}, "{name}": 2}}'.encode())
    events.add(console.database, other, (), lambda *_: [])
    html = console.html(f"/events/{other.id}/compare?with={one.id}")
    assert "<code>body.a</code>" in html
    assert name[: MAX_POINTER_CHARS - 1] in html and name[:MAX_POINTER_CHARS] not in html


def test_a_body_that_is_not_readable_is_named(console: ConsoleClient) -> None:
    store(console, {})
    broken = make_event(None, now=time.time(), body=b"{")
    events.add(console.database, broken, (), lambda *_: [])
    assert 'class="error"' in console.html(f"/events/{broken.id}/compare")


def test_wrong_ids_and_scopes_are_refused(console: ConsoleClient) -> None:
    event = store(console, {})
    assert console.get(f"/events/{event.id}/compare?with=evt_none").status_code == 404
    assert console.get(f"/events/{event.id}/compare?with={'x' * 300}").status_code == 400
    assert f"/events/{event.id}/compare" in console.html(f"/events/{event.id}")
    console.log_in((Scope.READ, Scope.ACT))
    assert console.get(f"/events/{event.id}/compare").status_code == 403
    assert "/compare" not in console.html(f"/events/{event.id}")
