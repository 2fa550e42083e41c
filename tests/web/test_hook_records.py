"""The log line of an event: which of its deliveries are sent, parked, or for a shadow route."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from receiving import hooks_of
from recorded_log import Lines
from werkzeug.test import Client

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.web.receiving import effects

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {open: {provider: hmac, insecure: true}}
routes:
  - {name: log-it, on: open, inputs: {a: 1}, flow: local/echo}
  - {name: trial, on: open, mode: shadow, inputs: {a: 1}, flow: local/echo}
  - name: triage
    on: open
    inputs: {a: 1}
    payload_schema: {properties: {title: {minLength: 20}, kind: {enum: [bug]}}}
    flow: local/echo
"""


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Lines:
    log = Lines()
    monkeypatch.setattr(effects.ReceiverEffects, "log", log)
    return log


@pytest.fixture
def edge(tmp_path: Path, log: Lines) -> Client:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = load(tmp_path / "routes.yaml", {}, strict_secrets=False)
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})
    return Client(hooks_of(settings, lambda: config))


def test_a_parked_delivery_has_its_cause_without_a_value_of_the_payload(
    edge: Client, log: Lines
) -> None:
    body = {"title": "secret words", "kind": "other secret"}
    assert edge.post("/hooks/open", json=body).status_code == 202
    (line,) = log.lines
    assert (line["routes"], line["shadow"]) == (["log-it", "trial", "triage"], ["trial"])
    (parked,) = line["parked"]
    assert (parked["route"], parked["flow"]) == ("triage", "local/echo")
    assert parked["cause"].startswith("the payload does not fit payload_schema: $.")
    assert "secret" not in json.dumps(line, default=str)


def test_without_a_parked_delivery_there_is_no_cause(edge: Client, log: Lines) -> None:
    assert edge.post("/hooks/open", json={"title": "long enough for its schema"}).status_code == 202
    assert log.lines[0]["parked"] == []
