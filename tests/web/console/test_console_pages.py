"""Every page of the console with every scope, and payloads that are hostile."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from admin_client import NO_CONFIG
from console_client import ConsoleClient
from records import NOW, make_delivery, make_event

from bridge.core.model import DeadKind, FormFile, Status
from bridge.core.scopes import Scope
from bridge.routing.model import Platform
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.console.pages import PAGES

READ = (Scope.READ,)
READER = (Scope.READ, Scope.BODIES)
LOCAL = Platform(name="local", type="local", base_url="http://127.0.0.1:1/api/v1", timeout=1.0)
SECRET = "s3cret-c0ntent"
#: Texts that are code in HTML, hide or turn text around, or are no text at all.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\x00\x1b[31m\x7f",
    "\u2028\ufeff",
)


@dataclass
class Stored:
    """The ids of an event with two deliveries, for the variable parts of paths."""

    ids: dict[str, str] = field(default_factory=dict)

    def path(self, page: Any) -> str:
        kind = page.path.split("/")[1]
        return re.sub(r"<\w+>", lambda _: self.ids.get(kind, self.ids["events"]), page.path)


def store(database: Database, text: str, **changes: Any) -> Stored:
    """Store an event with a text in every place that has contents."""
    event = make_event(
        body=b'{"note": "%s"}' % text.encode(),
        headers={"content-type": "application/json", "x-note": text},
        query_string=f"a={text}",
        problem=f"the body is not valid: '{text}'",
        spam=f"blocked word: {text}",
        client=text,
        files=(
            FormFile(field=text, name=f"{text}.pdf", type="text/plain", size=7, sha256="0" * 64),
        ),
        **changes,
    )
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
    return Stored(
        {
            "events": event.id,
            "deliveries": dead.id,
            "sources": event.source,
            "routes": other.route,
            "platforms": other.platform,
            "configs": event.config_hash,
        }
    )


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    return ConsoleClient(database, tmp_path, replace(NO_CONFIG, platforms={"local": LOCAL}))


def test_pages_open_with_their_scope_and_show_contents_with_bodies_only(
    console: ConsoleClient,
) -> None:
    stored = store(console.database, SECRET)
    for scopes in (READ, (Scope.READ, Scope.ACT), READER, (Scope.ADMIN,)):
        console.log_in(scopes)
        held = {*scopes, Scope.READ} if Scope.ADMIN not in scopes else set(Scope)
        for page in (one for one in PAGES if one.method == "GET"):
            answer = console.get(stored.path(page))
            where = (page.path, scopes)
            assert (answer.status_code == 403) == (page.scope not in held), where
            assert answer.status_code in (200, 303, 403), where
            assert Scope.BODIES in held or SECRET not in answer.text, where


def test_no_form_works_without_its_scope(console: ConsoleClient) -> None:
    stored = store(console.database, SECRET)
    console.log_in(READ)
    for page in (one for one in PAGES if one.method != "GET"):
        assert page.scope in (Scope.ACT, Scope.ADMIN), page.path
        assert console.post(stored.path(page)).status_code == 403, page.path


def test_the_rows_are_a_table_of_pages() -> None:
    assert len({(one.path, one.method) for one in PAGES}) == len(PAGES)
    labels = [one.label for one in PAGES if one.label is not None]
    assert len(set(labels)) == len(labels)
    assert [one.path for one in PAGES if one.label is not None and "<" in one.path] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(console: ConsoleClient, text: str) -> None:
    text = text.replace("\x00", "") if console.database.engine.dialect.name != "sqlite" else text
    stored = store(console.database, text, type=text, source="github")
    console.log_in()
    for page in (one for one in PAGES if one.method == "GET"):
        answer = console.get(stored.path(page))
        assert answer.status_code in (200, 303), page.path
        if answer.mimetype == "application/octet-stream":
            assert answer.headers["Content-Disposition"].startswith("attachment; ")
            assert answer.headers["Content-Security-Policy"].startswith("sandbox; ")
            continue
        html = answer.text
        assert "<script>alert" not in html and "<img src=x" not in html, page.path
        assert "49" not in re.findall(r"note: (\d+)", html), page.path
        for char in "\u202e\x00\x1b\x7f\u2028\ufeff":
            assert char not in html, page.path
        assert 'href="javascript:' not in html, page.path
