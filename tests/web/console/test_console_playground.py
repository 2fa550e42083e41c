"""The playground: a text tried on stored events, its problems, an expression, and the limits."""

from __future__ import annotations

import os
import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import orjson
import pytest
from console_client import ConsoleClient
from console_config import LITERAL, write_config
from records import make_event
from trials_here import evaluate_here

from bridge.config.loader import load
from bridge.core.model import Event
from bridge.core.scopes import Scope
from bridge.services.trials.expression_trial import find_error_column, try_expression
from bridge.services.trials.messages import MAX_DETAILED_EVENTS
from bridge.services.trials.results import TrialFolder
from bridge.services.trials.trial import MAX_TRIAL_CHARS
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import configs
from bridge.web.console.pages import PAGES

READER = (Scope.READ, Scope.BODIES)
ROUTES = """version: 1
platforms: {local: {type: local}}
# a remark
sources: {github: {provider: github, secret: "${env:S}"}}
routes:
  - name: triage
    on: github issues
    match: {body.action: opened}
    inputs: {title: "${body.title}"}
    flow: local/echo
"""
CHANGED = ROUTES.replace("opened", "closed")
TEXT = re.compile(r"<textarea[^>]*>\n(.*?)</textarea>", re.DOTALL)
VALUE = re.compile(r'<pre class="text" tabindex="0">(.*?)</pre>', re.DOTALL)


@pytest.fixture
def console(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleClient:
    """A bridge that uses ROUTES. Trials are evaluated in this process, which starts faster."""
    path = tmp_path / "used.yaml"
    path.write_text(ROUTES)
    evaluate_here(monkeypatch)
    client = ConsoleClient(database, tmp_path, load(path, {"S": "s" * 40}))
    client.settings.config.write_text(ROUTES)
    client.log_in(READER)
    return client


def store(console: ConsoleClient, action: str = "opened", **changes: Any) -> Event:
    body = orjson.dumps({"action": action, "title": "a title"})
    event = make_event(None, now=time.time(), body=body, **changes)
    events.add(console.database, event, (), lambda *_: [])
    return event


def test_a_filter_by_a_source_that_is_gone_stays_chosen(console: ConsoleClient) -> None:
    event = store(console, source="shop")
    html = console.html("/playground?source=shop")
    assert f'value="{event.id}" checked' in html
    assert "<option selected>shop</option>" in html


def test_the_form_begins_with_the_text_in_use(console: ConsoleClient) -> None:
    event = store(console)
    html = console.html("/playground")
    assert "- name: triage" in html and "${env:S}" in html
    assert "# a remark" not in html  # a reader sees no comments of the file
    assert f'value="{event.id}" checked' in html
    assert "replace(text, old, new)" in html  # a function
    console.log_in()
    assert "# a remark" in console.html("/playground")
    with_secret = ROUTES.replace("${env:S}", LITERAL)  # written since the file was loaded
    for text in (with_secret, f"{ROUTES}: [", "#" * 70_000 + ROUTES):
        console.settings.config.write_text(text)
        html = console.html("/playground")
        assert "- name: triage" in html and "# a remark" not in html and LITERAL not in html


@pytest.mark.usefixtures("new_processes")
def test_secrets_of_the_file_are_not_in_the_text(database: Database, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    client = ConsoleClient(database, tmp_path, config)
    client.settings.config.write_text((tmp_path / "given.yaml").read_text())
    client.log_in()
    html = client.html("/playground")
    assert LITERAL not in html
    assert "put it back before you install" in html
    assert "https://crm.example/${env:MASKED}" in html  # which `check` refuses
    text = unescape(TEXT.findall(html)[0])
    html = client.post("/playground", {"text": text}).text
    assert "put it back before you install" in html and "What would change" in html
    configs.remember_config(database, config.hash, config.canonical, time.time())
    html = client.html(f"/playground?config={config.hash[:16]}")
    assert LITERAL not in html and "- name: triage" in html
    assert client.get("/playground?config=ffff").status_code == 404


def test_a_change_is_shown_by_event_with_its_explanation(console: ConsoleClient) -> None:
    taken = store(console)
    other = store(console, "closed")
    answer = console.post("/playground", {"text": CHANGED, "event": taken.id, "do": "try"})
    assert answer.status_code == 200
    html = answer.text
    assert "1 new, 1 lost, of 2 events" in html
    assert "no: 1 of 2 clauses" in html  # why the chosen event is lost
    assert other.id in html
    assert "match: {body.action: closed}" in html  # the text is in the answer
    same = console.post("/playground", {"text": ROUTES}).text
    assert "Nothing, for 2 events" in same
    assert list(console.settings.data.glob("trials/tri_*")) == []


def test_a_value_of_an_event_begins_a_draft_with_its_clause(console: ConsoleClient) -> None:
    event = store(console, "it's: #1")
    html = console.html(f"/playground?event={event.id}&use=/action&clause=equal")
    text = unescape(TEXT.findall(html)[0])
    assert 'match: {body.action: "it\'s: #1"}' in text and "mode: shadow" in text
    assert text.index("name: draft") < text.index("name: triage")
    tried = console.post("/playground", {"text": text, "event": event.id, "do": "try"}).text
    assert "1 new" in tried and "Problems of the text" not in tried
    html = console.html(f"/playground?event={event.id}&use=/action&clause=exists")
    assert "match: {body.action: {exists: true}}" in unescape(html)
    html = console.html(f"/playground?event={event.id}&header=content-type")
    assert "match: {headers.content-type: application/json}" in unescape(html)
    console.log_in()
    assert "# a remark" in console.html(f"/playground?event={event.id}&use=/action")
    assert console.get(f"/playground?event={event.id}&use=/nope").status_code == 404
    assert console.get("/playground?event=evt_zz&use=/action").status_code == 404
    assert "name: draft" not in console.html("/playground?use=/action")


def test_problems_are_shown_at_their_lines(console: ConsoleClient) -> None:
    store(console)
    wrong = ROUTES.replace("local/echo", "nowhere/echo")
    html = console.post("/playground", {"text": wrong, "expression": "body.title"}).text
    assert "<strong>line 10</strong>" in html and "flow: nowhere/echo" in html
    assert "What would change" not in html
    assert "a title" in html  # the expression has its value all the same
    misspelt = ROUTES.replace("body.action", "body.acton")
    html = console.post("/playground", {"text": misspelt}).text
    assert "<strong>line 8</strong>" in html and "did you mean `body.action`?" in html
    assert "What would change" in html
    assert "<strong>line 1</strong>" in console.post("/playground", {"text": ": ["}).text


def test_an_expression_has_its_value_or_an_error_with_its_place(console: ConsoleClient) -> None:
    event = store(console)

    def evaluate(expression: str) -> str:
        form = {"text": ROUTES, "event": event.id, "expression": expression}
        return console.post("/playground", form).text

    found = VALUE.search(evaluate("upper(body.title)"))
    assert found is not None and found[1] == "&#34;A TITLE&#34;"
    assert "string" in evaluate("a ${body.action}")
    assert "At character 8." in evaluate("body.a b")
    assert "did you mean <code>floor</code>" in evaluate("foo(body.a)")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("body.a b", 8),
        ("  body.a b", 10),
        ("x ${body.a b}", 12),
        ("body.a ==", 10),
        ("foo(body.a)", 1),
        ("1 == length(body.n)", 13),
        ("bdy.a", 1),
    ],
)
def test_the_place_of_an_error(text: str, column: int) -> None:
    event = make_event(None, body=b'{"a": 1, "n": 2}')
    found = try_expression(text, event, None)
    assert (found.error is not None, found.column) == (True, column), found.error
    assert find_error_column("body", "an error without a place") is None


def test_it_opens_at_an_event_and_a_route(console: ConsoleClient) -> None:
    old = store(console, source="other")
    for _ in range(2):
        store(console)
    html = console.html(f"/playground?event={old.id}&route=triage")
    assert f'value="{old.id}" checked' in html and html.count('name="event"') == 1
    assert "<option selected>triage</option>" in html
    html = console.html("/playground?route=triage")
    assert html.count('name="event"') == 2 and old.id not in html
    assert console.get("/playground?event=evt_none").status_code == 404
    assert f"/playground?event={old.id}" in console.html(f"/events/{old.id}")
    assert "/playground?route=triage" in console.html("/routes/triage")


def test_events_are_filtered_with_the_text_kept(console: ConsoleClient) -> None:
    store(console)
    form = {"text": "my text", "do": "list"}
    answer = console.post("/playground", {**form, "type": "push"})
    assert "None match these filters" in answer.text and "my text</textarea>" in answer.text
    answer = console.post("/playground", {**form, "since": "yesterday"})
    assert answer.status_code == 400
    assert "is not a valid time" in answer.text and "my text</textarea>" in answer.text


def test_the_events_that_are_tried_are_those_that_were_listed(console: ConsoleClient) -> None:
    """The explained event is sent with each form, and is no filter."""
    store(console, source="shop")
    newest = store(console)
    listed = "2 events are tried"
    assert listed in console.html("/playground")
    for do in ("list", "try"):
        html = console.post("/playground", {"text": CHANGED, "event": newest.id, "do": do}).text
        assert listed in html
    assert "of 2 events" in html or "for 2 events" in html
    html = console.html(f"/playground?event={newest.id}")  # a link means its source, and says so
    assert "1 event is tried" in html and "<option selected>github</option>" in html
    assert "<option selected>github</option>" in console.html("/playground?route=triage")


def test_an_event_that_the_filters_exclude_is_neither_listed_nor_chosen(
    console: ConsoleClient,
) -> None:
    old = store(console)
    for _ in range(MAX_DETAILED_EVENTS):
        newest = store(console, action="closed")
    form = {"text": CHANGED, "event": old.id, "do": "list"}
    for where, chosen in (("body.action=opened", old), ("body.action=closed", newest)):
        html = console.post("/playground", {**form, "where": where}).text
        assert f'value="{chosen.id}" checked' in html
        assert (f'value="{old.id}"' in html) is (chosen is old)
    html = console.post("/playground", {**form, "source": "github"}).text  # older than the newest
    assert f'value="{old.id}" checked' in html
    html = console.post("/playground", {**form, "type": "push"}).text
    assert "None match these filters" in html and old.id not in html


def test_the_text_is_downloaded_as_it_is(console: ConsoleClient) -> None:
    answer = console.post("/playground", {"text": "a: 1\r\nb: €\r\n", "do": "download"})
    assert answer.data.decode() == "a: 1\nb: €\n"
    name = answer.headers["Content-Disposition"]
    assert name.startswith('attachment; filename="routes.new.yaml"')


def test_filters_are_those_of_the_lists(console: ConsoleClient) -> None:
    store(console, source="other")  # no longer in routes.yaml
    assert console.get("/playground?status=daed").status_code == 400
    html = console.html("/playground?source=other&status=none")
    assert "<option selected>other</option>" in html  # so that the next form has it too
    assert "<option selected>none</option>" in html
    answer = console.post("/playground", {"text": ROUTES, "do": "list", "status": "daed"})
    assert answer.status_code == 400 and "did you mean dead?" in answer.text


def test_one_trial_at_once_with_the_text_kept(console: ConsoleClient) -> None:
    lock = TrialFolder(console.settings.data, console.database.sealer).take()
    try:
        answer = console.post("/playground", {"text": "my text"})
    finally:
        os.close(lock)
    assert answer.status_code == 503
    assert "one at a time" in answer.text and "my text</textarea>" in answer.text


def test_a_text_is_limited(console: ConsoleClient) -> None:
    (row,) = [one for one in PAGES if one.path == "/playground" and one.method == "POST"]
    assert row.max_form_bytes is not None
    answer = console.post("/playground", {"text": "a" * (MAX_TRIAL_CHARS + 1)})
    assert answer.status_code == 413 and "was not tried" in answer.text
    assert console.post("/playground", {"text": "a" * row.max_form_bytes}).status_code == 413
    long = "a" * MAX_TRIAL_CHARS
    assert console.post("/playground", {"text": long, "do": "download"}).status_code == 200


def test_it_needs_the_scope_bodies(console: ConsoleClient) -> None:
    event = store(console)
    console.log_in((Scope.READ, Scope.ACT))
    assert console.get("/playground").status_code == 403
    assert console.post("/playground", {"text": ROUTES}).status_code == 403
    for path in (f"/events/{event.id}", "/routes/triage", "/events"):
        assert "/playground" not in console.html(path), path


def test_a_hostile_text_does_nothing(console: ConsoleClient) -> None:
    store(console)
    for text in ("</textarea><script>alert(1)</script>", "a: '\u202e'\n\x1b", "\x00"):
        html = console.post("/playground", {"text": text, "expression": text}).text
        assert "<script>alert" not in html
        assert "\u202e" not in html and "\x1b" not in html
