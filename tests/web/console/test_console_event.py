"""The page of an event: timeline, payload, deliveries, request and explanation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console_client import ConsoleClient
from ledger_steps import BROKE, STARTED, claim, look_at, record
from records import NOW, make_delivery, make_event

from bridge.config.loader import load
from bridge.core.masking import MASK
from bridge.core.model import Attempt, DeadKind, Delivery, Event, RunState, Status
from bridge.core.operations import OperationStep, StepOutcome
from bridge.core.scopes import Scope
from bridge.services.events.event_screen import EventScreen, ShownDelivery, ShownOperation
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import transitions
from bridge.web.console.timeline import build_timeline

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: a-long-enough-secret-of-a-test}
routes:
  - name: triage
    on: github issues
    match: {body.action: opened, any: [{body.n: 1}, {body.n: 2}]}
    when: body.n > `5` && body.action == 'opened'
    inputs: {title: "${body.title}"}
    flow: local/echo
  - {name: paused, on: github issues, mode: paused, inputs: {a: "${body.n}"}, flow: local/echo}
"""


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = load(tmp_path / "routes.yaml", {}, strict_secrets=False)
    console = ConsoleClient(database, tmp_path, config)
    console.log_in()
    return console


def add(console: ConsoleClient, event: Event, *deliveries: Delivery) -> Event:
    events.add(console.database, event, deliveries, lambda *_: [])
    return event


def test_an_event_shows_its_payload_and_its_deliveries(console: ConsoleClient) -> None:
    event = make_event(body=b'{"action": "opened", "n": 1, "labels": [{"name": "bug"}]}')
    dead = make_delivery(event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="HTTP 500")
    add(console, event, dead, make_delivery(event, "other"))
    html = console.html(f"/events/{event.id}")
    for text in (
        "Received and verified as github",
        "Planned for local/echo",
        "HTTP 500",
        f"flowbridge retry {dead.id}",
        'title="body.labels.0.name"',
        "Found a bug",
    ):
        assert text in html, text
    assert html.count("<h1>") == 1
    opened = console.get(f"/deliveries/{dead.id}")
    assert opened.headers["Location"] == f"/console/events/{event.id}#{dead.id}"
    assert console.get("/events/evt_zz").status_code == 404


def test_a_part_of_a_payload_has_a_page(console: ConsoleClient) -> None:
    body = json.dumps({"items": list(range(3000)), "a/b": {"c": "deep"}}).encode()
    event = add(console, make_event(body=body))
    whole = console.html(f"/events/{event.id}")
    assert "?at=/items&amp;from=1998#payload" in whole
    part = console.html(f"/events/{event.id}?at=/items&from=2998")
    assert 'title="body.items.2998"' in part and 'title="body.items.0"' not in part
    assert "deep" in console.html(f"/events/{event.id}?at=/a~1b")
    for wrong in ("/nope", "items", "/items/9999"):
        assert console.get(f"/events/{event.id}?at={wrong}").status_code == 404


def test_a_value_has_its_paths_and_clauses(console: ConsoleClient) -> None:
    headers = {"content-type": "application/json", "x-team": "ops", "authorization": MASK}
    body = b'{"action": "opened", "labels": [{"name": "<b>"}], "a/b": {"c": null}}'
    event = add(console, make_event(body=body, headers=headers))
    path = f"/events/{event.id}"
    assert "?use=/labels/0/name#value" in console.html(path)
    whole = console.html(f"{path}?use=/labels/0/name")
    part = console.html(f"{path}?use=/labels/0/name", headers={"HX-Request": "true"})
    assert "<h1>" in whole and "<h1>" not in part
    for text in (
        "<code>body.labels.0.name</code>",
        "<code>${body.labels[0].name}</code>",
        'data-copy="body.labels.0.name: &lt;b&gt;"',
        "body.labels[?name == &#39;&lt;b&gt;&#39;]",
        f"/console/playground?event={event.id}&amp;use=%2Flabels%2F0%2Fname&amp;clause=equal",
    ):
        assert text in whole and text in part, text
    assert "body.a/b.c: {exists: false}" in console.html(f"{path}?use=/a~1b/c")
    request = console.html(f"{path}/request?header=x-team")
    assert "headers.x-team: ops" in request and "?header=x-team#value" in request
    assert "?header=authorization" not in request
    for wrong in ("?use=/nope", "?use=x", "/request?header=nope", "/request?header=authorization"):
        assert console.get(path + wrong).status_code == 404, wrong
    console.log_in((Scope.READ,))
    assert "body.action" not in console.html(f"{path}?use=/action")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "Body"),
        (b"\xff\xfe\x00", "download the body"),
        (b'{"a": "' + b"x" * 100_000 + b'"}', "The first 64 KiB of 98 KiB"),
        (b"[" * 5000 + b"]" * 5000, "[[[["),
        (b"not json <b>", "not json &lt;b&gt;"),
    ],
    ids=["empty", "binary", "long", "deep", "text"],
)
def test_any_body_has_a_page(console: ConsoleClient, body: bytes, shown: str) -> None:
    event = add(console, make_event(body=body))
    assert console.get(f"/events/{event.id}").status_code == 200
    assert shown in console.html(f"/events/{event.id}/request")
    answer = console.get(f"/events/{event.id}/body")
    assert answer.data == body
    name = answer.headers["Content-Disposition"]
    assert name.startswith(f'attachment; filename="{event.id}.bin"')


def test_a_body_that_cannot_be_read_leads_to_its_bytes(console: ConsoleClient) -> None:
    event = add(console, make_event(body=b"not json"))
    html = console.html(f"/events/{event.id}")
    assert f'<a href="/console/events/{event.id}/request">Show the body as it arrived</a>' in html
    assert 'class="tree"' not in html and "Search the payload" not in html
    assert 'class="tree"' in console.html(f"/events/{add(console, make_event(body=b'null')).id}")


def test_a_deleted_body_says_so(console: ConsoleClient) -> None:
    event = add(console, make_event(body=b"", body_sha256="0" * 64))
    for path in ("", "/request"):
        assert "has deleted its body" in console.html(f"/events/{event.id}{path}")
    assert console.get(f"/events/{event.id}/explain").status_code == 404


def test_an_event_without_deliveries_says_why(console: ConsoleClient) -> None:
    event = add(console, make_event(body=b'{"action": "closed", "n": 1}'))
    html = console.html(f"/events/{event.id}")
    assert "No route matched" in html
    assert f"flowbridge replay {event.id}" in html


def test_an_explanation_shows_every_clause(console: ConsoleClient) -> None:
    event = add(console, make_event(body=b'{"action": "openned", "n": 1, "title": "<i>"}'))
    html = console.html(f"/events/{event.id}/explain")
    for text in ("body.action", "eq &#34;opened&#34;", "&#34;openned&#34;", "matches", "any"):
        assert text in html, text
    assert console.get(f"/events/{event.id}/explain?route=nope").status_code == 400
    then = console.get(f"/events/{event.id}/explain?routes=then")
    assert then.status_code in (200, 404)  # its configuration is not stored here


# -- timeline


def shown(delivery: Delivery, *attempts: Attempt, **changes: Any) -> ShownDelivery:
    values: dict[str, Any] = {
        "delivery": delivery,
        "attempts": attempts,
        "wait": None,
        "holds_key": False,
        "behind": 0,
        "next_steps": (),
        "missing": (),
    }
    return ShownDelivery(**values | changes)


def screen_of(event: Event, *deliveries: ShownDelivery, **changes: Any) -> EventScreen:
    values: dict[str, Any] = {
        "event": event,
        "deliveries": deliveries,
        "operations": (),
        "unmatched": (),
        "asked_for": None,
        "config_error": None,
    }
    return EventScreen(**values | changes)


def test_a_timeline_is_in_order_and_names_its_gaps() -> None:
    event = make_event("gh-1")
    delivery = make_delivery(
        event,
        now=NOW + 0.1,
        status=Status.DELIVERED,
        run_id="run_1",
        run_state=RunState.DONE,
        delivered_at=NOW + 61,
        finished_at=NOW + 70,
    )
    attempts = [
        Attempt(
            delivery_id=delivery.id,
            number=number,
            started_at=at,
            finished_at=at + 0.5,
            outcome=outcome,
            status_code=code,
        )
        for number, at, outcome, code in (
            (1, NOW + 0.2, "retry", 500),
            (2, NOW + 60.5, "started", 200),
        )
    ]
    found = build_timeline(screen_of(event, shown(delivery, *attempts)), 7)
    assert [(one.title, one.gap and round(one.gap)) for one in found] == [
        ("Received and verified as github", None),
        ("Planned for local/echo", None),
        ("Attempt 1: retry (HTTP 500)", None),
        ("Attempt 2: started (HTTP 200)", 60),
        ("Run done", 10),
    ]
    assert found[0].detail == "7 bytes · sender's id gh-1"


def test_a_timeline_has_the_failed_runs_that_others_followed() -> None:
    event = make_event("gh-1")
    delivery = make_delivery(
        event,
        status=Status.DELIVERED,
        run_id="run_2",
        run_state=RunState.DONE,
        delivered_at=NOW + 30,
        finished_at=NOW + 40,
    )
    ran = {"outcome": "started", "run_id": "run_1", "run_state": RunState.FAILED}
    log = ("begun", "KeyError: 'no such customer'")
    failed, again = (
        Attempt(
            delivery_id=delivery.id,
            number=1,
            started_at=NOW,
            run_finished_at=NOW + 5,
            log=log,
            **ran,
        ),
        Attempt(delivery_id=delivery.id, number=2, started_at=NOW + 30, outcome="started"),
    )
    step = OperationStep(
        act=1,
        number=1,
        item_id=delivery.id,
        outcome=StepOutcome.DONE,
        was="delivered",
        became="queued",
        at=NOW + 20,
    )
    retry = ShownOperation(id="act_1", command="retry", actor="ana", item=step)
    entries = build_timeline(
        screen_of(event, shown(delivery, failed, again), operations=[retry]), 7
    )
    assert [one.title for one in entries[2:]] == [
        "Attempt 1: started",
        "Run failed: KeyError: 'no such customer'",
        "Retry by ana",
        "Attempt 2: started",
        "Run done",
    ]
    assert (entries[3].detail, entries[3].log) == ("run_1", log)
    hidden = replace(failed, log=())
    entries = build_timeline(screen_of(event, shown(delivery, hidden)), None)
    assert (entries[3].title, entries[3].log) == ("Run failed", ())


def test_the_page_has_the_log_of_a_run_that_another_followed(console: ConsoleClient) -> None:
    event = make_event()
    delivery = make_delivery(event, on_run_failed="dead")
    add(console, event, delivery)
    record(console.database, claim(console.database)[0], STARTED)
    look_at(console.database, delivery.id, BROKE, NOW + 2)
    console.database.write(
        lambda c: transitions.move(c, delivery.id, Status.QUEUED, NOW + 3, reason="mended")
    )
    html = console.html(f"/events/{event.id}")
    assert "Run failed: it broke" in html and "begun\nit broke" in html
    console.log_in((Scope.READ,))
    html = console.html(f"/events/{event.id}")
    assert "Run failed" in html and "it broke" not in html and "begun" not in html


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"problem": "the body is not valid"}, "Cannot be planned"),
        ({"spam": "a word"}, "Marked as spam"),
        ({}, "No route matched"),
    ],
)
def test_a_timeline_ends_with_what_became_of_the_event(changes: Any, title: str) -> None:
    assert build_timeline(screen_of(make_event(**changes)), None)[-1].title == title


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING, Status.UNKNOWN, Status.BLOCKED])
def test_what_is_not_over_is_the_last_entry(status: Status) -> None:
    event = make_event()
    found = build_timeline(screen_of(event, shown(make_delivery(event, status=status))), None)
    assert found[-1].at is None
    assert found[-1].title.lower().startswith(status)


def test_the_payload_is_searched(console: ConsoleClient) -> None:
    body = {"labels": [{"name": "<b>bug</b>"}, {"name": "feature"}], "title": "a bug", "n": 1}
    event = add(console, make_event(body=json.dumps(body).encode()))
    html = console.html(f"/events/{event.id}?search=bug")
    assert '?at=/labels/0/name#payload">body.labels.0.name</a>' in html
    assert "<b>bug" not in html
    assert 'value="bug"' in html
    assert '?at=/title#payload">body.title</a>' in html
    part = console.html(f"/events/{event.id}?at=/labels&search=bug")
    assert "body.labels.0.name</a>" in part
    assert "body.title</a>" not in part
    assert 'type="hidden" name="at" value="/labels"' in part
    none = console.html(f"/events/{event.id}?search=%3Cq%3Enothing")
    assert "contains <q>&lt;q&gt;nothing</q>" in none
    assert "Search the payload" in console.html(f"/events/{event.id}?search=")
    assert "Only the first" not in none


def test_a_token_without_bodies_searches_nothing(console: ConsoleClient) -> None:
    event = add(console, make_event(body=b'{"secret": "needle"}'))
    console.log_in([Scope.READ])
    html = console.html(f"/events/{event.id}?search=needle")
    assert "body.secret" not in html
    assert "Search the payload" not in html
