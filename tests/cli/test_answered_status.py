"""The log line of an event has the status that its sender got: from a webhook, a form, or a page
that fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from receiving import hooks_of
from recorded_log import Lines
from senders import ALL
from werkzeug.test import Client

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.store.inbound.arrivals import AddedEvent
from bridge.system.logs import LINE_RATE
from bridge.web.forms import pages
from bridge.web.receiving import effects
from bridge.web.receiving.rate_limiter import RateLimiter

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  page: {provider: form}
  market: {provider: ebay, secret: "client:password"}
  site: {provider: form, redirect: https://example.com/thanks}
  open: {provider: hmac, insecure: true}
  later: {provider: github, secret: "${env:NOT_SET}"}
routes:
  - {name: page, on: page, flow: local/echo}
  - {name: open, on: open, inputs: {a: 1}, flow: local/echo}
"""
JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def edge(tmp_path: Path, log: Lines, woken: list[str], monkeypatch: pytest.MonkeyPatch) -> Client:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = load(tmp_path / "routes.yaml", {}, strict_secrets=False)
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})
    stored: set[str] = set()

    def keep(arrivals: Any, _replan: object) -> list[AddedEvent]:
        added = [
            AddedEvent(one.id, tuple(them), duplicate=one.body_sha256 in stored)
            for one, them in arrivals
        ]
        stored.update(one.body_sha256 for one, _ in arrivals)
        return added

    def ring() -> None:
        woken.append(log.lines[-1]["event"])

    monkeypatch.setattr(effects.ReceiverEffects, "log", log)
    return Client(
        hooks_of(settings, lambda: config, keep, limiter=RateLimiter(), wake_workers=ring)
    )


def logged(log: Lines) -> list[tuple[str, int]]:
    return [(line["event"], line["status"]) for line in log.lines]


@pytest.mark.parametrize(
    ("source", "headers", "status"),
    [
        ("page", HTML, 200),
        ("page", JSON, 202),
        ("site", HTML, 303),
        ("site", JSON, 202),
        ("open", JSON, 202),
    ],
)
def test_it_is_the_status_of_the_answer(
    edge: Client, log: Lines, source: str, headers: dict[str, str], status: int
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = edge.post(f"/hooks/{source}", data=urlencode({"name": "Ada"}), headers=kind | headers)
    assert (answer.status_code, logged(log)) == (status, [("event", status)])


def test_a_duplicate_is_logged_as_it_is_answered(edge: Client, log: Lines) -> None:
    answers = [edge.post("/hooks/open", json={"a": 1}).status_code for _ in range(2)]
    assert answers == [202, 200] and logged(log) == [("event", 202), ("event", 200)]


def test_the_worker_is_woken_after_the_line_of_the_event(edge: Client, woken: list[str]) -> None:
    edge.post("/hooks/page", data={"name": "Ada"})
    edge.post("/hooks/open", json={})
    assert woken == ["event", "event"]


def test_an_event_whose_page_cannot_be_made_is_logged_and_delivered(
    edge: Client, log: Lines, woken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the page cannot be made")

    monkeypatch.setattr(pages, "respond", fail)
    with pytest.raises(RuntimeError):
        edge.post("/hooks/page", data={"name": "Ada"}, headers=HTML)
    assert logged(log) == [("event", 500)] and woken == ["event"]


@pytest.mark.parametrize(("source", "code"), [("later", "no_secret"), ("market", "no_key")])
def test_requests_that_a_source_cannot_verify_fill_no_log(
    edge: Client, log: Lines, source: str, code: str
) -> None:
    signed = ALL["ebay"].signed()
    for _ in range(3 * LINE_RATE.count):
        assert (
            edge.post(
                f"/hooks/{source}", data=signed.body, headers=dict(signed.headers)
            ).status_code
            == 503
        )
    assert [line["event"] for line in log.lines].count(code) == LINE_RATE.count
    assert (
        edge.post("/hooks/open", json={}).status_code == 202 and log.lines[-1]["event"] == "event"
    )


def test_the_line_of_a_missing_secret_names_its_variable(edge: Client, log: Lines) -> None:
    assert edge.post("/hooks/later", json={}).status_code == 503
    assert "NOT_SET" in log.lines[0]["missing"]
