"""The pages of sources: how to set each up, what it sends, and its secrets."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from console_client import ConsoleClient
from console_config import LITERAL, write_config
from records import beat_at, make_event
from sqlalchemy import insert

from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events, learned_secrets
from bridge.store.tables.schema import trend
from bridge.web.console.hour_chart import CHART_HEIGHT, count_hours, draw_hours

READ = (Scope.READ,)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    client = ConsoleClient(
        database, tmp_path, write_config(tmp_path), public_url="https://hooks.example.com"
    )
    client.log_in()
    return client


def test_the_list_names_each_source_with_its_trouble(console: ConsoleClient) -> None:
    events.add(console.database, make_event("x", source="gone"), (), lambda *_: [])
    html = console.html("/sources")
    for name in ("github", "asana", "stripe", "contact", "gone"):
        assert f'href="/console/sources/{name}"' in html
    assert "no secret" in html
    assert "not configured" in html
    assert LITERAL not in html


def test_a_source_that_was_removed_is_added_again_by_its_command(console: ConsoleClient) -> None:
    events.add(console.database, make_event("x", source="gone"), (), lambda *_: [])
    assert 'data-copy="flowbridge add github gone"' in console.html("/sources/gone")
    assert "PROVIDER" not in console.html("/sources")


def test_the_steps_of_a_source_name_it(console: ConsoleClient) -> None:
    assert "<code>flowbridge learn asana</code>" in console.html("/sources/asana")
    assert "<code>flowbridge form contact</code>" in console.html("/sources/contact")


def test_without_a_source_the_next_command_is_named(database: Database, tmp_path: Path) -> None:
    empty = ConsoleClient(database, tmp_path)
    empty.log_in(READ)
    assert "flowbridge add github" in empty.html("/sources")


def test_a_source_shows_how_to_set_it_up(console: ConsoleClient) -> None:
    html = console.html("/sources/github")
    assert 'data-copy="https://hooks.example.com/hooks/github"' in html
    assert "Settings → Webhooks → Add webhook" in html
    assert "flowbridge sample github issues --to https://hooks.example.com" in html
    assert "ended" in html and "1 <span" in html  # its two secrets, without their values
    assert LITERAL not in html
    assert 'href="/console/routes/triage"' in html
    assert "learn" not in html


def test_the_setup_of_any_sender_reads_as_that_of_a_named_one(
    database: Database, tmp_path: Path
) -> None:
    text = """
version: 1
sources:
  crm: {provider: hmac, secret: "%(literal)s", verify: {header: X-Signature}}
"""
    console = ConsoleClient(database, tmp_path, write_config(tmp_path, text=text))
    console.log_in(READ)
    html = console.html("/sources/crm")
    assert "Set up the sender</h2>" in html and html.count("Any sender that") == 1  # its title


def test_no_sample_is_offered_that_cannot_be_signed(database: Database, tmp_path: Path) -> None:
    text = """
version: 1
sources:
  stripe: {provider: stripe, secret: "${env:NOT_SET}"}
  github: {provider: github, secrets: ["%(literal)s", "${env:NOT_SET}"]}
  ended: {provider: github, secrets: [{value: "%(literal)s", not_after: 2020-01-01}]}
"""
    console = ConsoleClient(database, tmp_path, write_config(tmp_path, text=text))
    console.log_in(READ)
    assert "flowbridge sample github issues --to" in console.html("/sources/github")
    for name in ("stripe", "ended"):
        html = console.html(f"/sources/{name}")
        assert "flowbridge sample" not in html
        assert "A signed sample needs a secret in .env" in html
    without = write_config(tmp_path, text="\n".join(text.splitlines()[:4]))
    (tmp_path / "other").mkdir()
    console = ConsoleClient(database, tmp_path / "other", without)
    console.log_in(READ)
    html = console.html("/events")
    assert "flowbridge sample" not in html and "flowbridge add github" not in html
    assert "Set the secrets of the sources in .env first" in html
    assert 'data-copy="flowbridge check"' in html


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - all addresses
def test_a_local_address_is_said_to_be_one(database: Database, tmp_path: Path, host: str) -> None:
    console = ConsoleClient(
        database, tmp_path, write_config(tmp_path), bind=(host, 8080), expose=("console",)
    )
    console.log_in(READ)
    html = console.html("/sources/stripe")
    assert "http://127.0.0.1:8080/hooks/stripe" in html
    assert "reachable from this machine only" in html
    assert "NOT_SET" in html


def test_what_it_sent_is_counted_by_hour_and_type(console: ConsoleClient) -> None:
    now = time.time()
    at = int(now // 60) * 60 - 120
    rows = {"events": '[["github","stored",7]]', "rejects": '[["github","bad signature",2]]'}
    console.database.write(
        lambda connection: [
            connection.execute(insert(trend).values(at=at, key=key, value=value, node="n"))
            for key, value in rows.items()
        ]
    )
    for number in range(3):
        events.add(console.database, make_event(f"n{number}", now=now), (), lambda *_: [])
    html = console.html("/sources/github")
    assert "7 events in 24 hours, all in an hour" in html
    assert "bad signature × 2" in html
    assert "issues" in html
    assert 'href="/console/events?source=github&amp;type=issues"' in html


def test_a_source_of_a_new_bridge_says_when_its_first_numbers_come(console: ConsoleClient) -> None:
    beat_at(console.database, time.time())
    html = console.html("/sources/github")
    assert "Counted once a minute; the first numbers come at " in html
    assert "No events in 24 hours" not in html and "None in 24 hours" not in html


def test_an_unknown_source_is_an_error_with_the_near_one(console: ConsoleClient) -> None:
    answer = console.get("/sources/gihub")
    assert answer.status_code == 404
    assert "did you mean <code>github</code>?" in answer.text
    assert console.get("/sources/" + "x" * 3000).status_code == 404


def test_learning_is_opened_and_ended_by_an_admin(console: ConsoleClient) -> None:
    path = "/sources/asana/learn"
    answer = console.post(path, {"minutes": "30"})
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/console/sources/asana#learning",
    )
    until = learned_secrets.find(console.database, "asana").until
    assert until is not None and 1700 < until - time.time() <= 1800
    assert "waits for the secret" in console.html("/sources/asana")
    console.post(path, {"minutes": "0"})
    assert learned_secrets.find(console.database, "asana").until is None
    for wrong in ("", "7", "99999", "x"):
        assert console.post(path, {"minutes": wrong}).status_code == 400
    assert console.post("/sources/github/learn", {"minutes": "10"}).status_code == 404
    console.log_in((Scope.READ, Scope.ACT))
    assert console.post(path, {"minutes": "10"}).status_code == 403
    assert '<select name="minutes"' not in console.html("/sources/asana")
    assert learned_secrets.find(console.database, "asana").until is None


def test_bars_are_as_high_as_their_numbers() -> None:
    points = [{"at": f"2026-11-24T0{hour}:00:00Z", "value": hour * 10.0} for hour in range(3)]
    chart = draw_hours(points, "event")
    assert [one.height for one in chart.bars] == [0.0, CHART_HEIGHT / 2, CHART_HEIGHT]
    assert chart.bars[1].y + chart.bars[1].height == CHART_HEIGHT
    assert chart.sentence == "30 events in 24 hours, at most 20 in an hour"
    assert draw_hours([], "event").sentence == "No events in 24 hours"
    [one] = count_hours([time.time()], time.time())[-1:]
    assert draw_hours([one], "event").sentence == "1 event in 24 hours"
    assert draw_hours([one], "run ended", "runs ended").sentence.startswith("1 run ended in")
