"""Refused submissions of forms are counted by hour and code, and `status` shows the next step."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from command_line import run
from processes import call_here
from receiving import hooks_of
from records import NOW, make_event
from serving import Bridge, until
from werkzeug.test import Client

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.errors import StoreError
from bridge.core.rate_limits import hour_of
from bridge.core.timings import TIMINGS
from bridge.core.units import DAY, HOUR
from bridge.ingest.forms.translations.en import TEXTS
from bridge.monitoring.counters import Counts as Metrics
from bridge.monitoring.metrics import FORM_REFUSALS
from bridge.monitoring.refused_submissions import NEXT_STEPS, OTHER_STEP, find_next_step
from bridge.store.db.database import Database
from bridge.store.inbound import events, refused_submissions
from bridge.store.inbound.refused_submissions import Counts
from bridge.store.queries import status
from bridge.web.receiving import effects, process_resources
from bridge.web.receiving.process_resources import RefusalCounter

ROUTES = """
version: 1
sources:
  contact:
    provider: form
    rate: 10000/min and 10000/min per address
    allowed_origins: [https://example.com]
    max_body: 1 KiB
    schema: {required: [email], properties: {email: {type: string}}}
"""
TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
SITE = {"Origin": "https://example.com"}


def within_a_day(database: Database, now: float = NOW) -> dict[str, dict[str, int]]:
    with database.read() as connection:
        return refused_submissions.within_a_day(connection, now)


# -- the store


def test_counts_add_up_by_source_and_code_for_a_day(database: Database) -> None:
    hour = hour_of(NOW)
    refused_submissions.add(
        database,
        {
            ("contact", hour, "invalid"): 2,
            ("contact", hour - 5, "empty"): 1,
            ("jobs", hour, "too_large"): 4,
        },
    )
    refused_submissions.add(
        database,
        {
            ("contact", hour, "invalid"): 1,
            ("contact", hour - 5, "empty"): 9,
            ("contact", hour - 30, "empty"): 7,
        },
    )
    assert within_a_day(database) == {
        "contact": {"empty": 10, "invalid": 3},
        "jobs": {"too_large": 4},
    }
    assert list(within_a_day(database)["contact"]) == [
        "empty",
        "invalid",
    ], "the most frequent first"
    assert within_a_day(database, NOW + 2 * DAY) == {}


# -- the counter


class Stored:
    """A store that fails on request, and records the counts it receives."""

    def __init__(self) -> None:
        self.given: list[dict[tuple[str, int, str], int]] = []
        self.fails = False

    def __call__(self, counts: Counts) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.given.append(dict(counts))


#: The counter writes when a test says so.
WHEN_ASKED = replace(TIMINGS, refusals_write_seconds=3600.0, refusals_retry_seconds=3600.0)


@pytest.fixture
def stored() -> Stored:
    return Stored()


def test_a_flood_is_one_write_and_its_keys_are_bounded(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_resources, "MAX_KEYS", 3)
    counter = RefusalCounter(stored, timings=WHEN_ASKED)
    for number in range(500):
        counter.add("contact", f"code{number % 5}", NOW)
    assert stored.given == []
    counter.write()
    counter.write()
    assert stored.given == [
        {("contact", hour_of(NOW), f"code{number}"): 100 for number in range(3)}
    ]


def test_what_could_not_be_written_is_written_later(stored: Stored) -> None:
    full = [True]
    counter = RefusalCounter(stored, lambda: full[0], WHEN_ASKED)
    counter.add("contact", "invalid", NOW)
    counter.write()
    full[0], stored.fails = False, True
    counter.add("contact", "invalid", NOW)
    counter.write()
    assert stored.given == []
    stored.fails = False
    counter.add("contact", "invalid", NOW + HOUR)
    counter.write()
    assert stored.given == [
        {("contact", hour_of(NOW), "invalid"): 2, ("contact", hour_of(NOW) + 1, "invalid"): 1}
    ]


def test_it_writes_by_itself() -> None:
    stored = Stored()
    counter = RefusalCounter(stored)
    counter.add("contact", "invalid", NOW)
    until(lambda: stored.given, what="the write")
    counter.add("contact", "empty", NOW)
    until(lambda: len(stored.given) == 2, what="the next write")


# -- the receiver


def test_each_refusal_is_counted_also_those_that_are_not_logged(
    tmp_path: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = load(tmp_path / "routes.yaml", {})
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})

    def keep(*_: object) -> Any:
        raise StoreError("the disk is full")

    counter = RefusalCounter(stored, timings=WHEN_ASKED)
    metrics = Metrics()
    monkeypatch.setattr(effects.ReceiverEffects, "counts", metrics)
    form = Client(hooks_of(settings, lambda: config, keep, refusals=counter))

    def send(fields: Mapping[str, str], origin: Mapping[str, str] = SITE) -> int:
        return form.post(
            "/hooks/contact", data=urlencode(fields), headers=TYPE | origin
        ).status_code

    assert [send({"name": "Ann"}) for _ in range(40)] == [422] * 40
    assert send({"email": "a"}, {"Origin": "https://exmaple.com"}) == 403
    assert send({"email": "a" * 2000}) == 413
    assert send({"email": "a"}) == 503
    assert form.get("/hooks/contact").status_code == 405
    counter.write()
    expected = {"invalid": 40, "origin_not_allowed": 1, "too_large": 1, "store_failed": 1}
    found = {code: count for (_, _, code), count in stored.given[0].items()}
    assert found == expected
    assert dict(metrics.numbers(FORM_REFUSALS)) == {
        ("contact", code): n for code, n in expected.items()
    }


def test_a_form_without_a_schema_is_not_told_to_look_at_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routes.yaml").write_text(
        "version: 1\nsources: {jobs: {provider: form, files: {required: [cv]}}}\n"
    )
    config = load(tmp_path / "routes.yaml", {})
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})
    logged: list[Any] = []
    monkeypatch.setattr(
        effects.ReceiverEffects, "log_refusal", lambda *_, **values: logged.append(values)
    )
    form = Client(hooks_of(settings, lambda: config, lambda *_: None))
    answer = form.post("/hooks/jobs", data=urlencode({"name": "Ann"}), headers=TYPE)
    assert answer.status_code == 422
    assert [(line["code"], line["fields"]) for line in logged] == [("invalid", ["cv"])]
    assert "schema" not in NEXT_STEPS["invalid"]


def test_every_refusal_of_a_form_has_a_next_step() -> None:
    codes = {name.removeprefix("refused_") for name in TEXTS if name.startswith("refused_")} - {
        "method_not_allowed",
        "no_form",
    }
    assert codes <= set(NEXT_STEPS)
    assert find_next_step("from_a_later_version").sentence == OTHER_STEP


# -- status


@pytest.mark.usefixtures("new_processes")
def test_status_shows_them_with_the_next_step(tmp_path: Path) -> None:
    with Bridge(tmp_path, routes=ROUTES) as bridge:
        for fields in ({"name": "secret-word"}, {"name": "Ann"}, {"email": "a" * 2000}):
            answer = bridge.post("/hooks/contact", urlencode(fields).encode(), TYPE | SITE)
            assert answer.status in (413, 422)

        def told() -> list[dict[str, Any]]:
            result = call_here(
                bridge.folder,
                "--config",
                str(bridge.config),
                "status",
                "--json",
                environ=bridge.environ,
            )
            (source,) = json.loads(result.stdout)["sources"]
            refused: list[dict[str, Any]] = source["refused"]
            return refused

        until(lambda: sum(one["within_a_day"] for one in told()) == 3, what="the counts")
        assert told() == [
            {"code": "invalid", "within_a_day": 2, "what_to_do": NEXT_STEPS["invalid"]},
            {"code": "too_large", "within_a_day": 1, "what_to_do": NEXT_STEPS["too_large"]},
        ]
        shown = call_here(
            bridge.folder, "--config", str(bridge.config), "status", environ=bridge.environ
        ).stdout
        assert (
            "form contact refused 3 submissions in 24 h:\n  2 invalid\n  -> fields break a rule of"
            " the source" in shown
        )
        assert (
            "secret-word" not in shown
            and max(map(len, shown[shown.index("form contact") :].splitlines())) <= 80
        )


def test_status_says_nothing_where_nothing_was_refused(store: Database, folder: Path) -> None:
    shown = run("--config", str(folder / "routes.yaml"), "status")
    assert "refused" not in shown.stdout


def _add(database: Database, source: str, at: float, spam: str | None) -> None:
    event = make_event(source=source, provider="form", now=at, spam=spam)
    events.add(database, event, [], lambda *_: [])


def test_what_each_form_holds_as_spam_is_counted_for_24_hours(database: Database) -> None:
    _add(database, "contact", NOW - DAY - 60, "token: no token was sent")
    for source, spam in (
        ("contact", "token: no token was sent"),
        ("jobs", None),
        ("contact", None),
    ):
        _add(database, source, NOW - 60, spam)
    _add(database, "contact", NOW - 30, "word: casino")
    found = status.read_status(
        database, ["contact", "jobs", "new"], NOW, midnight=NOW - HOUR, day=DAY
    )
    assert found.spam == {"contact": 2, "jobs": 0}


def test_status_names_the_command_where_a_form_holds_spam(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\nsources:\n  contact: {provider: form}\n")
    assert "as spam" not in run("status").stdout
    _add(store, "contact", time.time() - 60, "token: no token was sent")
    assert (
        "form contact marked 1 submission as spam in 24 h\n"
        "  -> see why, and release the legitimate ones: flowbridge spam --source contact\n"
    ) in run("status").stdout
    (source,) = json.loads(run("status", "--json").stdout)["sources"]
    assert source["spam"] == 1
