"""A refused submission of a form is a line of the log: which source, which status and code, and
nothing that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from receiving import hooks_of
from recorded_log import Lines
from werkzeug.test import Client

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.errors import StoreError
from bridge.system.logs import LINE_RATE
from bridge.web.receiving import effects
from bridge.web.receiving.rate_limiter import RateLimiter

ROUTES = """
version: 1
sources:
  contact:
    provider: form
    allowed_origins: [https://example.com]
    max_body: 1 KiB
    schema: {required: [email], additionalProperties: false, properties: {email: {type: string}, name: {type: string, maxLength: 5}}}
"""
GOOD = {"Origin": "https://example.com"}
BAD = {"Origin": "https://exmaple.com"}
SENT = "what-was-sent"


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def form(tmp_path: Path, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Client:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = load(tmp_path / "routes.yaml", {})
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})

    def keep(*_: object) -> Any:
        raise StoreError("the disk is full")

    monkeypatch.setattr(effects.ReceiverEffects, "log", log)
    hooks = hooks_of(settings, lambda: config, keep, limiter=RateLimiter())
    return Client(hooks)


def send(form: Client, fields: Mapping[str, str], origin: Mapping[str, str] = GOOD) -> int:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return form.post("/hooks/contact", data=urlencode(fields), headers=kind | origin).status_code


@pytest.mark.parametrize(
    ("fields", "origin", "status", "code", "named"),
    [
        ({"email": SENT}, BAD, 403, "origin_not_allowed", []),
        ({"name": "Ann"}, GOOD, 422, "invalid", ["email"]),
        ({"email": "a", "name": SENT}, GOOD, 422, "invalid", ["name"]),
        ({"email": "a", SENT: SENT}, GOOD, 422, "invalid", []),
        ({"email": SENT * 200}, GOOD, 413, "too_large", []),
    ],
)
def test_it_says_source_status_and_code_and_the_fields_of_the_schema(
    form: Client,
    log: Lines,
    fields: dict[str, str],
    origin: dict[str, str],
    status: int,
    code: str,
    named: list[str],
) -> None:
    assert send(form, fields, origin) == status
    assert log.refusals() == [
        {"source": "contact", "status": status, "code": code, "fields": named}
    ]
    assert SENT not in str(log.lines) and BAD["Origin"] not in str(log.lines)


def test_what_is_logged_otherwise_is_logged_once(form: Client, log: Lines) -> None:
    assert send(form, {"email": "a"}) == 503
    assert [line["event"] for line in log.lines] == ["event_not_stored"]


def test_what_asks_whether_it_may_send_is_no_submission(form: Client, log: Lines) -> None:
    assert form.options("/hooks/contact", headers=BAD).status_code == 403 and log.lines == []


def test_a_flood_is_cut_off_and_hides_no_other_refusal(form: Client, log: Lines) -> None:
    assert {send(form, {"email": "a"}, BAD) for _ in range(3 * LINE_RATE.count)} == {403}
    assert len(log.refusals()) == LINE_RATE.count
    send(form, {"name": "Ann"})
    assert log.refusals()[-1]["code"] == "invalid"
