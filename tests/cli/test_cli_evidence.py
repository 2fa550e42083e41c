"""`resolve` without --as, and `show`: what is known of a delivery whose outcome is unknown, and how
it is settled.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import command_line
import pytest
from command_line import lines
from records import NOW, make_delivery, make_event, put
from sqlalchemy import delete, insert

from bridge.core.model import JSON, Status
from bridge.core.timings import TIMINGS
from bridge.core.units import write_time
from bridge.services.records.delivery_records import evidence_json
from bridge.services.unknown.run_evidence import describe_evidence
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import event_lookup
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.queue import heartbeats
from bridge.store.tables import schema
from bridge.store.tables.rows import to_json

SEEN = {
    "attempt": 1,
    "looks": 3,
    "looked_at": NOW + 95,
    "since": NOW - 60,
    "until": NOW + 90,
    "listed": 10,
    "covers": True,
    "covered": True,
    "empty_at": None,
    "candidates": [{"run_id": "R7", "state": "running", "created_at": NOW + 2, "echo": "event"}],
    "others": ["dlv_other"],
    "decided": "hold",
    "why": "R7 (running) may be its run, or that of dlv_other",
    "run_id": None,
}


def unknown(
    store: Database, route: str = "paid", evidence: JSON = None, on_unknown: str = "reconcile"
) -> str:
    """Keep a delivery whose start was not answered, and return its id."""
    event = make_event(type="invoice.paid")
    one = make_delivery(
        event,
        route,
        flow="gumloop/abc",
        platform="gumloop",
        saved_item_id="abc",
        on_unknown=on_unknown,
    )
    events.add(store, event, [one], lambda *_: [])
    put(
        store,
        one.id,
        status="unknown",
        attempts=1,
        reason="no answer within 30 s",
        evidence=to_json(evidence),
    )
    lost = {
        "number": 1,
        "started_at": NOW,
        "finished_at": NOW + 30,
        "outcome": "unknown",
        "detail": "no answer within 30 s",
    }
    with store.engine.begin() as connection:
        connection.execute(insert(schema.attempt).values(delivery_id=one.id, **lost))
    return one.id


def test_a_platform_that_is_never_asked_is_not_said_to_be_asked_later(store: Database) -> None:
    unknown(store, on_unknown="hold")
    assert "looked        no: its route says on_unknown: hold" in run("resolve").stdout


def test_show_says_of_an_unknown_start_what_resolve_says(store: Database) -> None:
    looked_for = unknown(store)
    assert "looked        attempt 1: not looked yet" in run("show", looked_for).stdout
    held = unknown(store, on_unknown="hold")
    assert "looked        no: its route says on_unknown: hold" in run("show", held).stdout


def test_all_that_is_unknown_is_shown_with_the_call_and_the_commands(store: Database) -> None:
    first = unknown(store)
    second = unknown(store, evidence=SEEN)
    result = run("resolve")
    assert result.exit_code == 0
    newest, oldest = result.stdout.split("\n\n")
    assert newest.startswith(second) and oldest.startswith(first)
    for part in (
        "the call      attempt 1, from 2025-11-24T16:00:00Z to 2025-11-24T16:00:30Z",
        "how it ended  unknown: no answer within 30 s",
        "looked        attempt 1: not looked yet\n",
        "look at       flowbridge flows runs gumloop/abc",
        f"if it ran     flowbridge resolve {first} --as delivered --run-id RUN",
        f"if it did not flowbridge resolve {first} --as queued",
        f"to give up    flowbridge resolve {first} --as dead",
    ):
        assert part in oldest
    for part in (
        (
            "looked for    the run of attempt 1, created from 2025-11-24T15:59:00.000000Z to"
            " 2025-11-24T16:01:30.000000Z"
        ),
        (
            "looked        3 times, last at 2025-11-24T16:01:35.000000Z: the list held 10 runs and is"
            " complete for that period"
        ),
        (
            "found         R7 (running), created 2025-11-24T16:00:02.000000Z, its outputs have the"
            " id of the event"
        ),
        "or of         dlv_other",
        "decided       hold: R7 (running) may be its run, or that of dlv_other",
        f"if it ran     flowbridge resolve {second} --as delivered --run-id R7",
    ):
        assert part in newest
    assert "covered" not in newest and "empty at" not in newest  # what only later looks need


def test_a_platform_without_runs_is_not_asked_for_a_run_id(store: Database, folder: Path) -> None:
    url = "https://crm.example/import"
    (folder / "routes.yaml").write_text(
        f"version: 1\nplatforms: {{gumloop: {{type: http, url: '{url}'}}}}\n"
    )
    id_ = unknown(store, on_unknown="hold")
    shown = run("resolve").stdout
    assert "look at       the service behind gumloop, which has no list of runs" in shown
    assert f"if it ran     flowbridge resolve {id_} --as delivered\n" in shown
    assert "--run-id" not in shown and "flows runs" not in shown


def settling(store: Database, evidence: JSON = None) -> str:
    """Keep one whose run is still looked for."""
    id_ = unknown(store, evidence=evidence)
    put(store, id_, poll_at=NOW + 90)
    return id_


#: A worker that has one heartbeat is alive for the whole of a test.
PATIENT = replace(TIMINGS, worker_missing_seconds=3600.0)
run = partial(command_line.run, timings=PATIENT)

LOOKS = (
    "flowbridge is searching for its run: flowbridge resolve {} shows when it polls next"
    " and what prevents a result"
)
GUMLOOP = """\
version: 1
platforms: {gumloop: {type: gumloop, api_key: "${env:GUMLOOP_API_KEY}", user_id: me}}
"""


@pytest.fixture
def asked(store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Configure the platform with its key, and have a worker run."""
    (folder / "routes.yaml").write_text(GUMLOOP)
    monkeypatch.setenv("GUMLOOP_API_KEY", "k")
    store.write(lambda connection: heartbeats.beat(connection, "w", "here", 1, time.time()))
    return store


def failed_look(status_code: int | None, problem: str, **more: JSON) -> dict[str, JSON]:
    """Return the evidence of a look that got no list."""
    failed = {
        "listed": 0,
        "covers": False,
        "covered": False,
        "candidates": [],
        "others": [],
        "decided": "again",
        "why": problem,
    }
    return (
        SEEN
        | failed
        | {"problem": problem, "status_code": status_code, "failing_since": NOW + 90}
        | more
    )


def test_what_settles_itself_says_when_and_offers_no_command(asked: Database) -> None:
    at = float(int(time.time()) + 3000)
    clock = write_time(at, "%Y-%m-%dT%H:%M:%SZ")
    id_ = settling(asked)
    # never at a time that is past
    for due, when in ((at, f"at {clock}"), (NOW + 90, "in a moment")):
        put(asked, id_, poll_at=due)
        for command in (["resolve"], ["show", id_]):
            text = run(*command).stdout
            look = "nothing: flowbridge settles it from the platform's list of runs"
            assert (
                f"next          {look} ({when}, and again 30 s later if no run is found)\n" in text
            ), command
            assert "--as" not in text, command
        assert ("until " in run("show", id_).stdout) is (due == at)
    assert "flowbridge resolve is for deliveries that stay unknown\n" in run("resolve").stdout
    (told_of,) = lines(run("resolve", "--json"))
    assert (told_of["commands"], told_of["next_poll_at"]) == ([], "2025-11-24T16:01:30.000000Z")
    again = settling(asked, SEEN | {"empty_at": NOW + 60})
    assert "list of runs (in a moment)\n" in run("show", again).stdout


@pytest.mark.parametrize("evidence", [None, failed_look(401, "HTTP 401 unauthorized: bad key")])
def test_a_key_that_is_not_set_is_named_before_all_else(
    asked: Database, monkeypatch: pytest.MonkeyPatch, evidence: JSON
) -> None:
    monkeypatch.delenv("GUMLOOP_API_KEY")
    id_ = settling(asked, evidence)
    problem = (
        "the platform 'gumloop' cannot be called: environment variable GUMLOOP_API_KEY is not set"
    )
    for command in (["resolve"], ["show", id_]):
        text = run(*command).stdout
        assert (
            f"next          {problem}:\n              set it in .env (no restart needed);"
            " flowbridge then" in text
        ), command
        assert "asks again" not in text and "until " not in text and "--as" not in text, command
    if evidence is None:
        assert (
            "looked        attempt 1: not looked yet, next look 2025-11-24T16:01:30.000000Z:"
            f" {problem}\n" in run("resolve").stdout
        )
    shown = run("status")
    assert (
        "unknown       1 (0 need a decision)\n              1 waits: the platform 'gumloop' cannot"
        " be called:" in shown.stdout
    )
    assert "set it in .env" in shown.stdout and shown.exit_code == 1


def test_without_a_worker_it_says_that_none_runs(asked: Database) -> None:
    with asked.engine.begin() as connection:
        connection.execute(delete(schema.worker))
    id_ = settling(asked)
    for command in (["resolve"], ["show", id_]):
        text = run(*command).stdout
        assert (
            "next          no worker is running:\n              flowbridge serve, or flowbridge"
            " work; flowbridge then settles" in text
        )
        assert (
            "from the platform's list" not in text
            and "asks again" not in text
            and "until " not in text
        )
    assert "              1 waits: no worker is running\n" in run("status").stdout


def test_a_key_that_is_refused_is_to_be_corrected_and_says_when_it_is_tried(
    asked: Database,
) -> None:
    at = float(int(time.time()) + 3000)
    id_ = settling(asked, failed_look(401, "HTTP 401 unauthorized: bad key"))
    put(asked, id_, poll_at=at)
    clock = write_time(at, "%Y-%m-%dT%H:%M:%SZ")
    for command in (["resolve"], ["show", id_]):
        text = run(*command).stdout
        assert "the list held" not in text
        assert (
            "looked        3 times, last at 2025-11-24T16:01:35.000000Z: no list of runs arrived; none"
            " since 2025-" in text
        ), command
        assert "answer        HTTP 401 unauthorized: bad key\n" in text, command
        assert f"(no restart needed); flowbridge then settles it; it asks again at {clock}" in text
    found = json.loads(run("status", "--json").stdout)
    (problem,) = [one for one in found["problems"] if one["key"] == "credentials_refused:gumloop"]
    assert (
        "gumloop refused the credentials when asked for its list of runs (HTTP 401"
        in problem["summary"]
    )
    assert (
        "1 delivery with an unknown outcome waits" in problem["summary"]
        and ".env" in problem["what_to_do"]
    )
    assert found["unknown"] == {"total": 1, "for_a_person": 0}


def test_a_list_that_the_platform_does_not_have_needs_a_decision(asked: Database) -> None:
    id_ = settling(asked, failed_look(404, "HTTP 404: a page titled 'Not Found'"))
    problem = "platform gumloop gave no list of runs: HTTP 404: a page titled 'Not Found'"
    shown = run("show", id_).stdout
    assert (
        f"next          {problem}:\n              check its base_url, user_id and project_id in"
        " routes.yaml; flowbridge then" in shown
    )
    assert f"              or decide: flowbridge resolve {id_}\n" in shown
    assert f"if it did not flowbridge resolve {id_} --as queued --force\n" in run("resolve").stdout
    found = json.loads(run("status", "--json").stdout)
    assert found["unknown"] == {"total": 1, "for_a_person": 1}
    (trouble,) = [one for one in found["problems"] if one["key"] == "unknown"]
    assert trouble["summary"] == f"1 delivery with an unknown outcome waits for a person; {problem}"
    (told_of,) = lines(run("resolve", "--json"))
    for command in told_of["commands"]:
        assert run(*command.split()[1:], "--dry-run").stdout == "1 delivery to resolve\n"
    assert run(*told_of["commands"][1].split()[1:], "--yes").stdout == f"{id_}  unknown → queued\n"


def test_a_platform_that_is_gone_needs_a_decision(asked: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    id_ = settling(asked)
    assert "routes.yaml no longer has the platform 'gumloop':\n" in run("show", id_).stdout
    assert json.loads(run("status", "--json").stdout)["unknown"] == {"total": 1, "for_a_person": 1}


@pytest.mark.parametrize(
    ("status_code", "problem"),
    [(503, "HTTP 503"), (None, "the connection was refused"), (429, "HTTP 429")],
)
def test_what_passes_by_itself_asks_for_nothing(
    asked: Database, status_code: int | None, problem: str
) -> None:
    id_ = settling(asked, failed_look(status_code, problem))
    text = run("show", id_).stdout
    assert (
        "next          nothing: flowbridge settles it automatically; it asks again in a moment\n"
        in text
    )
    assert f"answer        {problem}\n" in text and "the list held" not in text
    (trouble,) = [
        one
        for one in json.loads(run("status", "--json").stdout)["problems"]
        if one["key"] == "unknown:gumloop"
    ]
    assert problem in trouble["summary"], "it has failed for long"


def test_a_look_of_an_earlier_version_that_got_no_list_is_told_as_such(asked: Database) -> None:
    old = {
        name: value
        for name, value in failed_look(403, "HTTP 403 forbidden").items()
        if name not in ("problem", "status_code", "failing_since")
    }
    assert "no list of runs arrived\n" in run("show", settling(asked, old)).stdout
    assert json.loads(run("status", "--json").stdout)["unknown"]["for_a_person"] == 1


def test_what_settles_itself_is_resolved_by_force_only(store: Database) -> None:
    ids = [settling(store) for _ in range(3)]
    refused = run("resolve", ids[0], "--as", "queued", "--yes")
    assert (
        refused.exit_code == 1
        and f"{ids[0]}  not resolved: {LOOKS.format(ids[0])}; --force" in refused.stdout
    )
    held = unknown(store)
    many = run("resolve", "--route", "paid", "--as", "dead", "--yes")
    assert (many.exit_code, many.stdout) == (0, f"{held}  unknown → dead\n")
    assert (
        "3 deliveries are left out: flowbridge is searching for the run: flowbridge resolve shows"
        " when" in many.stderr
    )
    assert (
        run("resolve", ids[0], "--as", "queued", "--yes", "--force").stdout
        == f"{ids[0]}  unknown → queued\n"
    )
    assert (
        run("resolve", "--route", "paid", "--as", "dead", "--yes", "--force").stdout.count(
            "unknown → dead"
        )
        == 2
    )
    assert "resolve --route paid --as dead --force\n" in run("operations").stdout
    again = settling(store)
    assert LOOKS.format(again) in run("retry", again, "--yes").stdout


def test_it_is_json_for_programs_with_the_same_commands(store: Database) -> None:
    id_ = unknown(store, evidence=SEEN)
    (told_of,) = lines(run("resolve", "--json"))
    assert (told_of["id"], told_of["status"]) == (id_, "unknown")
    assert told_of["evidence"]["looked_at"] == "2025-11-24T16:01:35.000000Z"
    assert told_of["evidence"]["candidates"][0]["created_at"] == "2025-11-24T16:00:02.000000Z"
    assert (told_of["evidence"]["looks"], told_of["evidence"]["covers"]) == (3, True)
    assert (told_of["attempt"]["number"], told_of["attempt"]["detail"]) == (
        1,
        "no answer within 30 s",
    )
    assert told_of["commands"][0] == f"flowbridge resolve {id_} --as delivered --run-id R7"
    for command in told_of["commands"]:  # each is one that can be typed
        assert run(*command.split()[1:], "--dry-run").stdout == "1 delivery to resolve\n"


def test_some_are_chosen_by_name_or_by_filters(store: Database) -> None:
    first = unknown(store)
    second = unknown(store, "other")
    event_id = event_lookup.find(store, first)[0]
    ids = lambda *arguments: [one["id"] for one in lines(run("resolve", *arguments, "--json"))]  # noqa: E731
    assert (ids(), ids("--limit", "1"), ids("--route", "paid")) == (
        [second, first],
        [second],
        [first],
    )
    assert ids(first[:-2], event_id) == [first]
    assert ids("--reason", "NO ANSWER", "--since", "2025-11-24") == [second, first]
    nothing = run("resolve", "--route", "nobody")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (
        0,
        "",
        "No matching delivery is unknown.\n",
    )


def test_what_is_not_unknown_says_how_it_stands(store: Database) -> None:
    event = make_event()
    one = make_delivery(event, status=Status.SHADOW)
    events.add(store, event, [one], lambda *_: [])
    for name in (one.id, event.id):
        result = run("resolve", name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert (
            result.stderr
            == f"{name}: it is shadow: only one whose outcome is unknown is resolved\n"
        )
    assert run("resolve", "dlv_none").exit_code == 1
    assert run("resolve").stderr == "No delivery is unknown.\n"


@pytest.mark.parametrize(
    "more",
    [["--yes"], ["--dry-run"], ["--rate", "5/s"], ["--run-id", "R"], ["dlv_1", "--since", "1h"]],
)
def test_what_goes_with_as_alone_is_wrong_usage_without_it(
    store: Database, more: list[str]
) -> None:
    assert run("resolve", *more).exit_code == 2


def test_an_empty_store_has_none(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    assert (run("resolve").exit_code, run("resolve").stderr) == (0, "No delivery is unknown.\n")
    assert run("resolve", "dlv_1").exit_code == 1
    assert not (folder / "data" / "flowbridge.db").exists()


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ("free text", [("evidence", '"free text"')]),
        ({}, []),
        (
            {"looked_up_at": 0.0, "odd": {"a": [1]}},
            [("looked up at", "1970-01-01T00:00:00.000000Z"), ("odd", '{"a":[1]}')],
        ),
        ({"candidates": ["R1"], "why": "x"}, [("found", "R1"), ("decided", "nothing: x")]),
        (
            {"looks": 1, "looked_at": 0.0, "covers": False},
            [
                (
                    "looked",
                    (
                        "1 time, last at 1970-01-01T00:00:00.000000Z: the list held no runs and"
                        " is not complete for that period"
                    ),
                )
            ],
        ),
        ({"candidates": [{"run_id": "R", "state": None}]}, [("found", "R (state unknown)")]),
    ],
)
def test_evidence_of_any_form_is_told(evidence: JSON, expected: list[tuple[str, str]]) -> None:
    assert describe_evidence(evidence) == expected


def test_times_in_evidence_are_as_all_others_and_nothing_else_changes() -> None:
    assert evidence_json(None) is None
    assert evidence_json(
        {"at": 1.0, "looked_at": None, "covers_at": True, "since": "x", "n": [{"until": 0}]}
    ) == {
        "at": 1.0,
        "looked_at": None,
        "covers_at": True,
        "since": "x",
        "n": [{"until": "1970-01-01T00:00:00.000000Z"}],
    }


def test_one_or_many_are_settled_after_a_count(store: Database) -> None:
    ids = [unknown(store) for _ in range(3)]
    assert (
        run("resolve", "--route", "paid", "--as", "queued", "--dry-run").stdout
        == "3 deliveries to resolve\n"
    )
    assert run("resolve", ids[0], "--as", "delivered", "--run-id", "R9", "--yes").exit_code == 0
    assert run("resolve", "--route", "paid", "--as", "queued", "--yes").exit_code == 0
    found = {
        one.id: (str(one.status), one.run_id)
        for one in event_queries.list_deliveries(store, Filters())
    }
    assert found == {
        ids[0]: ("delivered", "R9"),
        ids[1]: ("queued", None),
        ids[2]: ("queued", None),
    }
    assert run("resolve").stderr == "No delivery is unknown.\n"
