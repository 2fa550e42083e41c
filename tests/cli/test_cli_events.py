"""events, deliveries, show: what is kept, for people and for programs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest
from command_line import lines, run
from records import NOW, attempt_window, make_delivery, make_event, put
from sqlalchemy import insert

import bridge
from bridge.cli.command_choices import COMMAND_CHOICES
from bridge.cli.command_list import COMMAND_HINTS, COMMANDS, SECTIONS
from bridge.cli.option_types import TimeParam
from bridge.cli.ui import output
from bridge.config.loader import load
from bridge.core.model import (
    OWN_SOURCE_NAME,
    DeadKind,
    Debounce,
    Delivery,
    Event,
    FormFile,
    Order,
    Reject,
    RunState,
    Status,
)
from bridge.delivery.reconcile import Candidate, EarlierLooks, Look
from bridge.delivery.reconcile_verdict import judge_look
from bridge.providers.registry import PROVIDERS
from bridge.services.operations.execution import begin_operation, do_items
from bridge.services.operations.handlers import make_move_handler
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.queries import configs
from bridge.store.tables import schema
from bridge.store.tables.rows import to_json


def test_help_teaches_every_command_with_an_example() -> None:
    assert list(COMMANDS) == [name for commands in SECTIONS.values() for name in commands]
    overview = run("--help").stdout
    for name in COMMANDS:
        assert name in overview.split()
        text = run(name, "--help").stdout
        assert f"flowbridge {name}" in text or name in ("serve", "web", "work", "flows", "db"), name
    for name, inner in (
        ("flows", "list"),
        ("flows", "run"),
        ("db", "upgrade"),
        ("db", "check"),
        ("operations", "show"),
        ("operations", "resume"),
    ):
        assert f"flowbridge {name} {inner}" in run(name, inner, "--help").stdout


@pytest.mark.parametrize("command", ["check", "db check", "flows list"])
def test_config_after_the_command_is_told_where_it_goes(command: str) -> None:
    refused = run(*command.split(), "--config", "other.yaml")
    assert (
        refused.exit_code == 2
        and f"--config goes before the command: group --config FILE {command}\n" in refused.stderr
    )


@pytest.mark.parametrize(
    "command, said",
    [
        (
            "import --write",
            "--write needs DIR, as in: flowbridge import hooks.json --write my-hooks",
        ),
        ("test --save", "--save needs DIR, as in: flowbridge test --save cases/ evt_01jd2x"),
        ("serve --bind", "--bind needs HOST:PORT"),
        ("events --json=3", "Option '--json' does not take a value."),
    ],
)
def test_an_option_without_its_value_is_shown_with_an_example(command: str, said: str) -> None:
    refused = run(*command.split())
    assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", f"Error: {said}\n")


def test_a_folder_without_a_project_is_wrong_usage(folder: Path) -> None:
    commands = (
        "events",
        "deliveries",
        "show",
        "status",
        "rejects",
        "tail",
        "spam",
        "retry --status dead",
        "resolve",
        "export",
        "operations",
        "db upgrade",
        "db check",
        "db backup",
        "flows list",
        "learn github",
    )
    for command in commands:
        result = run(*command.split())
        assert (result.exit_code, result.stdout) == (2, ""), command
        assert f"there is no routes.yaml in {folder}, and no database" in result.stderr, command
        assert "--config FILE" in result.stderr and "flowbridge init" in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "doctor",
        "form contact",
        "erase ada@example.com",
        "receipt 1 --source contact",
        "db rekey",
    ],
)
def test_commands_that_read_routes_name_the_way_to_one(folder: Path, command: str) -> None:
    result = run(*command.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        f"there is no routes.yaml in {folder}: create one in an empty folder with" in result.stderr
    )
    assert "(file)" not in result.stderr
    assert list(folder.iterdir()) == []


def test_an_empty_store_is_empty_and_no_error(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    for command in ("events", "deliveries"):
        result = run(command)
        assert (result.exit_code, result.stdout) == (0, "")
        assert f"No {command} yet." in result.stderr and "flowbridge serve" in result.stderr
        assert lines(run(command, "--json")) == []
    assert run("show", "evt_1").exit_code == 1
    assert not (folder / "data" / "flowbridge.db").exists()  # looking makes no database


def test_an_empty_list_names_a_sample_that_would_be_taken(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nsources: {shop: {provider: stripe, secret: '${env:NOT_SET}'}}\n"
    )
    assert "then send one: flowbridge sample shop --to\n" in run("events").stderr


@pytest.mark.parametrize(
    "command",
    [
        "events --source {}",
        "deliveries --route {}",
        "replay --source {} --dry-run",
        "cancel --route {} --dry-run",
        "resolve --source {}",
        "rejects --source {}",
        "rejects readmit --source {}",
        "spam --source {}",
        "export --source {}",
        "db prune --source {} --dry-run",
        "erase ann@example.com --source {} --dry-run",
        "receipt x --source {}",
    ],
)
def test_a_name_that_nothing_is_of_is_wrong_usage(
    folder: Path, store: Database, command: str
) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nsources: {github: {provider: github, secret: '${env:NOT_SET}'}}\nplatforms:"
        " {local: {type: local}}\nroutes: [{name: issues, on: github, flow: local/echo, inputs: {a:"
        " b}}]\n"
    )
    right, wrong, gone = (
        ("issues", "issue", "triage") if "--route" in command else ("github", "gitub", "crm")
    )
    refused = run(*command.format(wrong).split())
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"'{wrong}'; did you mean `{right}`?" in refused.stderr
    event = make_event(None, source="crm")
    events.add(store, event, [make_delivery(event)], lambda *_: [])
    for known in (right, gone):  # nothing is of the one yet, routes.yaml no longer has the other
        assert "did you mean" not in run(*command.format(known).split()).stderr


def test_events_are_lines_of_json_with_full_deliveries(store: Database) -> None:
    for number in range(3):
        event = make_event(str(number), now=NOW + number)
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    found = lines(run("events", "--json"))
    assert [event["provider_id"] for event in found] == ["2", "1", "0"]
    assert found[0]["deliveries"][0]["route"] == "triage"
    assert [event["provider_id"] for event in lines(run("events", "--json", "--limit", "1"))] == [
        "2"
    ]
    assert lines(run("events", "--json", "--source", "crm")) == []
    assert len(lines(run("events", "--json", "--since", "2025-11-24T16:00:01Z"))) == 2
    assert [one["status"] for one in lines(run("deliveries", "--json"))] == ["queued"] * 3


def test_lists_for_people_are_aligned_text_without_colour(store: Database) -> None:
    event = make_event("1", source="a\x1b[31m", type=None)
    events.add(
        store,
        event,
        [make_delivery(event, status=Status.DEAD, reason="no\nway\x07")],
        lambda *_: [],
    )
    result = run("events")
    assert result.stdout.splitlines() == [
        "RECEIVED              ID                              SOURCE     TYPE  DELIVERIES",
        f"2025-11-24T16:00:00Z  {event.id}  a\\x1b[31m  -     dead, config",
    ]
    assert (
        run("deliveries")
        .stdout.splitlines()[1]
        .endswith("triage  dead, config  local/echo  no\\nway\\x07")
    )
    assert run("events", "--status", "none").stderr.startswith("No matching events.")


def test_deliveries_of_a_route_with_several_flows_say_which_flow_each_is(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [
        {"name": "many", "flow": ["local/echo", "local/append_csv"]},
        {"name": "one", "flow": "local/echo"},
    ]
    configs.remember_config(
        store, "c" * 64, json.dumps({"config": {"routes": routes}, "schemas": {}}), NOW
    )
    event = make_event("1")
    flows = [("many", "local/echo"), ("many", "local/append_csv"), ("one", "local/echo")]
    made = [make_delivery(event, route, flow=flow, config_hash="c" * 64) for route, flow in flows]
    events.add(
        store,
        event,
        [replace(one, id=f"dlv_{place}") for place, one in enumerate(made)],
        lambda *_: [],
    )
    assert (
        "ROUTE  STATUS  FLOW" in run("deliveries").stdout and " → " not in run("deliveries").stdout
    )
    monkeypatch.setattr("bridge.cli.ui.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("deliveries").stdout
    assert (
        " many → local/echo " in shown
        and " many → local/append_csv " in shown
        and " one " in shown
        and "one →" not in shown
    )
    put(store, "dlv_1", status="dead", dead_kind="platform")
    put(store, "dlv_2", status="dead", dead_kind="platform")
    assert "--through many, which starts all flows of the route\n" in run("show", "dlv_1").stdout
    assert "--through one\n" in run("show", "dlv_2").stdout
    assert [one["flow"] for one in lines(run("deliveries", "--json"))] == [
        flow for _, flow in flows
    ][::-1]


def test_an_event_says_what_is_odd_about_it(store: Database) -> None:
    event = make_event("1", problem="cannot be read")
    events.add(store, event, [], lambda *_: [])
    events.add(store, make_event("1"), [], lambda *_: [])
    assert run("events").stdout.splitlines()[1].endswith("none · cannot be read · 1 duplicate")
    events.add(store, make_event("1"), [], lambda *_: [])
    assert run("events").stdout.splitlines()[1].endswith("· 2 duplicates")
    events.add(store, make_event("2", body=b"other"), [], lambda *_: [])
    assert run("events", "--limit", "1").stdout.splitlines()[1].endswith("none: no route matched")


def test_which_try_of_the_sender_it_was_is_shown(store: Database) -> None:
    event = make_event("1")
    events.add(store, event, [], lambda *_: [])
    assert "sender's try" not in run("show", event.id).stdout
    events.add(store, make_event("1", sender_retry=2), [], lambda *_: [])
    assert "\nsender's try  2\n" in run("show", event.id).stdout
    for command in (("show", event.id), ("events",)):
        assert lines(run(*command, "--json"))[0]["sender_retry"] == 2


def test_show_tells_all_of_one_event_by_any_id(store: Database) -> None:
    event = make_event(
        "1",
        headers={"x-evil": "a\x1b[2J", "content-type": "text/plain"},
        body=b"first\nsecond\x9b\xe2\x80\xae",
    )
    delivery = make_delivery(event)
    events.add(store, event, [delivery], lambda *_: [])
    put(
        store,
        delivery.id,
        status="delivered",
        run_id="Run1",
        run_state="done",
        outputs='{"a":"\\u001b"}',
    )
    text = run("show", event.id).stdout
    for part in (
        event.id,
        "github",
        "triage → local/echo",
        "delivered, done",
        "Run1",
        "x-evil: a\\x1b[2J",
        "of binary data",
    ):
        assert part in text
    assert not any(char < " " and char != "\n" for char in text)


def test_show_of_a_delivery_is_the_delivery_first_and_the_request_only_on_demand(
    store: Database,
) -> None:
    event = make_event("1", headers={"x-a": "b"}, body=b"x" * 9000)
    one = make_delivery(event)
    two = make_delivery(event, route="other")
    events.add(store, event, [one, two], lambda *_: [])
    put(store, two.id, status="delivered", run_id="Run1", run_state="done")
    text = run("show", two.id).stdout
    assert text.startswith(
        f"{two.id}\nevent         {event.id}  github issues\nroute         other → "
    )
    assert (
        one.id not in text
        and "x-a: b" not in text
        and f"the event     flowbridge show {event.id}\n" in text
    )
    assert (
        run("show", "Run1").stdout
        == text
        == run("show", two.id[:-2]).stdout
        == run("show", two.id[-14:]).stdout
    )
    whole = run("show", two.id, "--body").stdout
    assert "x-a: b" in whole and "x" * 9000 in whole
    assert "(5000 characters more: --body shows all)" in run("show", event.id).stdout
    assert "x" * 9000 in run("show", event.id, "--body").stdout


def test_show_alone_is_the_newest_event(store: Database, folder: Path) -> None:
    empty = run("show")
    assert (empty.exit_code, empty.stdout, empty.stderr) == (
        1,
        "",
        "Error: No events yet.\nStart `flowbridge serve`, then send one: flowbridge sample form --to\n",
    )
    for number in range(2):
        event = make_event(str(number), now=NOW + number)
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    assert run("show").stdout.startswith(event.id)
    assert lines(run("show", "--json"))[0]["provider_id"] == "1"
    alert = make_event(
        "alert", source=OWN_SOURCE_NAME, provider=OWN_SOURCE_NAME, type="alert.raised", now=NOW + 9
    )
    events.add(store, alert, [], lambda *_: [])
    assert lines(run("show", "--json"))[0]["provider_id"] == "1", (
        "an alert of flowbridge itself is not what was sent last"
    )
    shown = run("show")
    assert (
        shown.stdout.startswith(event.id)
        and shown.stderr == f"newer: alert {alert.id} (flowbridge show {alert.id[-8:]})\n"
    )
    assert run("show", event.id).stderr == "" and run("show", alert.id[-8:]).stdout.startswith(
        alert.id
    )
    assert (
        "deliveries    none: no route subscribes to it\n"
        "next          alerts go to routes with `on: flowbridge alert.*`: flowbridge alerts --help\n"
    ) in run("show", alert.id).stdout


def test_events_leave_out_alerts_and_say_how_many(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = " of flowbridge itself; --source flowbridge lists them\n"
    for number in range(3):
        alert = make_event(
            f"alert{number}", source=OWN_SOURCE_NAME, type="alert.raised", now=NOW + number
        )
        events.add(store, alert, [], lambda *_: [])
    empty = run("events", "--status", "none")
    assert empty.stdout == "" and f"left out: 3 events{note}" in empty.stderr
    event = make_event("1", now=NOW + 1.5)
    events.add(store, event, [], lambda *_: [])
    listed = run("events", "--json")
    assert [one["id"] for one in lines(listed)] == [event.id] and listed.stderr == ""
    assert run("events").stderr == ""
    assert len(lines(run("events", "--json", "--type", "*"))) == 4
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    assert run("events", "--status", "none").stderr == f"left out: 3 events{note}"
    cut = run("events", "--limit", "1").stderr
    assert cut.endswith(f"left out: 1 event{note}"), "only those as new as what is listed"
    assert "left out" not in run("events", "--source", OWN_SOURCE_NAME).stderr


def test_show_alone_is_an_alert_where_no_sender_sent_anything(store: Database) -> None:
    alert = make_event(
        "alert", source=OWN_SOURCE_NAME, provider=OWN_SOURCE_NAME, type="alert.raised"
    )
    events.add(store, alert, [], lambda *_: [])
    shown = run("show")
    assert shown.stdout.startswith(alert.id) and shown.stderr == ""


def test_an_ending_that_deliveries_of_a_route_share_lists_the_newest(store: Database) -> None:
    deliveries = []
    for number in range(5):
        event = make_event(str(number), id=f"evt_0000000000000000000000aaa{number}")
        delivery = make_delivery(event, status=Status.DEAD if number else Status.DELIVERED)
        events.add(store, event, [delivery], lambda *_: [])
        deliveries.append(delivery)
    ending = deliveries[0].id[-8:]
    assert run("show", ending).stderr == (
        f"Error: several ids match '{ending}':"
        f" {', '.join(f'{one.id} (triage, dead)' for one in reversed(deliveries[1:]))},"
        " …; their last 9 characters differ\n"
    )
    assert run("show", deliveries[1].id[-9:]).stdout.startswith(deliveries[1].id)


def test_any_beginning_or_ending_that_is_unique_names_an_id(store: Database) -> None:
    ids = (
        "evt_00000000000000000000aaxyz1",
        "evt_00000000000000000000abxyz1",
        "evt_00000000000000000000abwvu2",
    )
    for id_ in ids:
        event = make_event(id_, id=id_)
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    for text, found in (
        ("aaxyz1", 0),
        ("wvu2", 2),
        ("evt_…wvu2", 2),
        ("evt_00000000000000000000aa", 0),
        (ids[1], 1),
    ):
        assert run("show", text).stdout.startswith(ids[found]), text
    several = run("show", "xyz1")
    assert (
        several.exit_code == 1
        and several.stderr
        == f"Error: several ids match 'xyz1': {ids[1]}, {ids[0]}; their last 5 characters differ\n"
    )
    # too short for an ending, or no id's
    for text in ("yz1", "vu2", "evt_…vu2", "…", "", "%", "____", "nothing-like-it"):
        assert run("show", text).exit_code == 1, text


def test_an_ending_names_a_reject_too(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    unread = {
        "headers": {},
        "query_string": "",
        "url": "https://x/hooks/github",
        "body": b"",
        "size": 0,
    }
    rejects.add(
        store,
        Reject(
            id="rej_01abcdwxyz",
            source="github",
            provider="github",
            received_at=NOW,
            reason="mismatch",
            method="POST",
            path="/hooks/github",
            **unread,
        ),
    )  # type: ignore[arg-type]
    for text in ("rej_01abcdwxyz", "rej_01", "abcdwxyz"):
        assert run("show", text).stdout.startswith("rej_01abcdwxyz\n"), text
    assert run("show", "rej_9").exit_code == 1


def test_runs_are_a_filter_wherever_deliveries_are_chosen(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    for number, state in enumerate((None, "running", "done", "failed")):
        event = make_event(str(number), now=NOW + number)
        one = make_delivery(event)
        events.add(store, event, [one], lambda *_: [])
        if state:
            put(
                store,
                one.id,
                status="delivered",
                run_id=f"r{number}",
                run_state=state,
                delivered_at=NOW,
            )
    for state, number in (("running", 1), ("done", 2), ("failed", 3)):
        assert [one["provider_id"] for one in lines(run("events", "--json", "--run", state))] == [
            str(number)
        ]
        assert [one["run_id"] for one in lines(run("deliveries", "--json", "--run", state))] == [
            f"r{number}"
        ]
        assert "1 event to replay" in run("replay", "--run", state, "--dry-run").stdout
    assert "1 delivery to retry" in run("retry", "--run", "failed", "--dry-run").stdout
    assert "0 deliveries to retry" in run("retry", "--run", "done", "--dry-run").stdout
    refused = run("events", "--run", "dead")
    assert refused.exit_code == 2 and "'failed'" in refused.stderr


ISSUES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}, other: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: pushes, on: "github push, workflow_*", inputs: {n: "${body.n}"}, flow: local/echo}
  - name: bugs
    on: github issues
    match: {body.action: [opened, reopened], body.issue.user.type: {ne: Bot}, not: {body.issue.locked: true}}
    when: contains(body.issue.labels[].name, 'bugg')
    inputs: {n: "${body.n}"}
    flow: local/echo
"""


def test_a_ping_that_no_route_matched_asks_for_nothing(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ISSUES)
    event = replace(make_event("1"), type="ping")
    events.add(store, event, [], lambda *_: [])
    text = run("show").stdout
    assert "\ndeliveries    none, as expected: ping is how GitHub tests the URL\n" in text
    assert "next  " not in text and "no route matched" not in text and "bugs:" not in text


def test_the_setup_of_a_provider_names_its_test_event() -> None:
    named = {one.name: one for one in PROVIDERS.values() if one.test_types}
    assert {"github", "circleci", "bitbucket_server", "pagerduty"} == named.keys()
    assert all(type_ in one.setup for one in named.values() for type_ in one.test_types)


def test_show_says_which_clause_of_each_route_failed(store: Database, folder: Path) -> None:
    (folder / "routes.yaml").write_text(ISSUES)
    body = b'{"action":"closed","issue":{"user":{"type":"Bot"},"locked":true,"labels":[{"name":"bug"}]}}'
    event = make_event("1", body=body, headers={"content-type": "application/json"})
    events.add(store, event, [], lambda *_: [])
    text = run("show").stdout
    for line in (
        "deliveries    none: no route matched",
        '              pushes: event.type: expected one of "push", "workflow_*", found "issues"',
        '              bugs: body.action: expected one of "opened", "reopened", found "closed"',
        '              bugs: body.issue.user.type: expected anything but "Bot", found "Bot"',
        "              bugs: body.issue.locked: not (expected true), found true",
        """              bugs: when: contains(body.issue.labels[].name, 'bugg') is false: body.issue.labels[].name is ["bug"]""",
        f"next          fix routes.yaml, then flowbridge replay {event.id}",
    ):
        assert f"\n{line}\n" in text
    assert "every request" not in text
    (folder / "routes.yaml").write_text(
        ISSUES.replace('on: "github push, workflow_*"', "on: github")
    )
    assert f"pushes: it matches now: flowbridge replay {event.id}\n" in run("show", event.id).stdout
    (folder / "routes.yaml").write_text(ISSUES[: ISSUES.index("routes:")])
    assert "routes.yaml has no route for the source github\n" in run("show").stdout
    (folder / "routes.yaml").write_text("version: 2\n")
    assert (
        "routes.yaml cannot be used, so the reason is unknown: run flowbridge check\n"
        in run("show").stdout
    )


SEVERAL = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - name: triage
    on: github issues
    inputs: {title: "${body.issue.titel}", text: "#${body.issue.numbr}", n: "${body.n}", x: 1}
    flow: local/echo
  - {name: whole, on: github issues, inputs: "${body.isue}", flow: local/echo}
  - {name: closed, on: github issues, match: {body.action: closed, body.issue.stat: open}, inputs: {a: 1}, flow: local/echo}
  - {name: pushes, on: github push, inputs: {a: 1}, flow: local/echo}
  - {name: builds, on: github workflow_run, inputs: {a: 1}, flow: local/echo}
"""


def planned(store: Database, **changes: object) -> tuple[Event, Delivery]:
    """An event of an issue with one delivery by `triage`."""
    body = b'{"action":"opened","n":null,"issue":{"title":"Pump","number":3,"state":"open"}}'
    event = make_event("1", body=body, headers={"content-type": "application/json"})
    delivery = make_delivery(event, inputs={"x": 1, "text": "#"}, **changes)
    events.add(store, event, [delivery, make_delivery(event, route="gone")], lambda *_: [])
    return event, delivery


def test_show_lists_the_routes_that_did_not_match_beside_those_that_did(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(SEVERAL)
    event, delivery = planned(store)
    for line in (
        f"not matched   whole: it matches now: flowbridge replay {event.id} --through whole",
        '              closed: body.action: expected "closed", found "opened" (and 1 more)',
        "              for other event types: pushes, builds",
    ):
        assert f"\n{line}\n" in run("show").stdout
    assert "not matched" not in run("show", delivery.id).stdout
    (folder / "routes.yaml").write_text("version: 2\n")
    assert "not matched" not in run("show").stdout and run("show").exit_code == 0


@pytest.mark.parametrize("state", ["failed", "terminated"])
def test_show_of_a_failed_run_says_which_input_lacked_which_path(
    store: Database, folder: Path, state: str
) -> None:
    (folder / "routes.yaml").write_text(SEVERAL)
    event, delivery = planned(store)
    put(store, delivery.id, status="delivered", run_id="Run1", run_state=state)
    text = run("show", delivery.id).stdout
    assert (
        "\nmissing       input title: body.issue.titel is not in this event (did you mean"
        " `body.issue.title`?)\nmissing       input text: body.issue.numbr is not in this event"
        " (did you mean `body.issue.number`?)\nmissing       input n: body.n is null in this"
        f" event\nnext          fix routes.yaml, then flowbridge replay {event.id} --through"
        " triage\n" in text
    )
    (folder / "routes.yaml").write_text(
        SEVERAL.replace("titel", "title").replace("numbr", "number")
    )
    text = run("show", delivery.id).stdout
    assert "missing       input n:" in text and "input title" not in text
    assert f"\nnext          fix the flow, then flowbridge retry {delivery.id}\n" in text


def test_show_of_a_run_that_is_done_says_only_what_looks_misspelt(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(SEVERAL)
    _, delivery = planned(store)
    put(store, delivery.id, status="delivered", run_id="Run1", run_state="done")
    text = run("show", delivery.id).stdout
    assert (
        "input title: " in text
        and "input text: " in text
        and "input n: " not in text
        and "\nnext " not in text
    )


@pytest.mark.parametrize("state", ["done", None])
def test_show_of_a_run_that_is_done_says_which_input_was_left_out(
    store: Database, folder: Path, state: str | None
) -> None:
    """An explicit null, and a text that has a gap, are as the sender and the route have them."""
    routes = SEVERAL.replace("${body.issue.titel}", "${body.milestone.name}").replace(
        "#${body.issue.numbr}", "#${body.comment.id}"
    )
    (folder / "routes.yaml").write_text(routes)
    _, delivery = planned(store)
    put(store, delivery.id, status="delivered", run_id="Run1", run_state=state)
    text = run("show", delivery.id).stdout
    assert "\nleft out      input title: body.milestone.name is not in this event\n" in text
    assert (
        "missing" not in text
        and "input n: " not in text
        and "input text: " not in text
        and "\nnext " not in text
    )


def test_show_of_a_parked_delivery_says_which_path_was_missing(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(SEVERAL)
    event = planned(store)[0]
    for route, reason, said in (
        (
            "triage",
            "input `title` is null, and the route is strict",
            "input title: body.issue.titel is not in this event",
        ),
        (
            "whole",
            "inputs must be an object, but the expression gave null",
            "inputs: body.isue is not in this event",
        ),
    ):
        other = make_event(route, body=event.body, headers=event.headers)
        events.add(
            store,
            other,
            [
                make_delivery(
                    other, route=route, status=Status.DEAD, dead_kind=DeadKind.OURS, reason=reason
                )
            ],
            lambda *_: [],
        )
        assert (
            f"reason        {reason}\nmissing       {said} (did you mean `body.issue"
            in run("show", other.id).stdout
        )


def test_show_quotes_hostile_values_shortly_and_says_what_fails(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(
        ISSUES.replace("contains(body.issue.labels[].name, 'bugg')", "body.action > 3").replace(
            "[opened, reopened]", "{regex: '^a'}"
        )
    )
    event = make_event(
        "1",
        body=orjson.dumps({"action": "\x1b[2J" + "x" * 5000}),
        headers={"content-type": "application/json"},
    )
    events.add(store, event, [], lambda *_: [])
    text = run("show").stdout
    assert (
        'bugs: body.action: expected a text that fits the pattern "^a", found "\\u001b[2J' in text
    )
    assert "bugs: when: `body.action` is string, needs number (in `body.action > 3`)\n" in text
    assert not any(char < " " and char != "\n" for char in text)
    assert max(len(line) for line in text.splitlines() if "expected" in line) < 300


def test_show_tells_what_was_found_of_a_start_without_an_answer(store: Database) -> None:
    event = make_event("1")
    delivery = make_delivery(event, status=Status.UNKNOWN)
    events.add(store, event, [delivery], lambda *_: [])
    seen = Candidate(run_id="Run\x1b1", created_at=NOW, state=RunState.DONE)
    look = Look(at=NOW + 90, window=attempt_window(NOW, 30.0), listed=4, candidates=(seen,))
    found = judge_look(delivery, 1, NOW, look, EarlierLooks(looks=1), exclusive=False)
    put(store, delivery.id, attempts=1, evidence=to_json(found.as_json()))
    text = run("show", event.id).stdout
    assert (
        "looked for    the run of attempt 1, created from 2025-11-24T15:59:00.000000Z to"
        " 2025-11-24T16:01:30.000000Z" in text
    )
    assert (
        "looked        2 times, last at 2025-11-24T16:01:30.000000Z: the list held 4 runs and is"
        " complete for that period" in text
    )
    assert "found         Run\\x1b1 (done), created 2025-11-24T16:00:00.000000Z\n" in text
    assert (
        "decided       hold: Run\\x1b1 (done) may be its run, but its outputs do not identify it: "
        in text
    )
    (shape,) = lines(run("show", event.id, "--json"))
    assert shape["deliveries"][0]["evidence"]["candidates"][0]["run_id"] == "Run\x1b1"


def test_show_lists_the_files_of_a_form(store: Database) -> None:
    file = FormFile(
        field="cv", name="Zoë's CV.pdf", type="application/pdf", size=1234, sha256="f" * 64
    )
    event = make_event("1", files=(file,))
    events.add(store, event, [], lambda *_: [])
    assert "Zoë's CV.pdf in cv: application/pdf, 1234 bytes" in run("show", event.id).stdout
    assert lines(run("show", event.id, "--json"))[0]["files"] == [asdict(file)]


def test_show_gives_headers_body_and_attempts_as_json(store: Database) -> None:
    event = make_event("1", headers={"x-a": "b"})
    events.add(store, event, [make_delivery(event)], lambda *_: [])
    (shape,) = lines(run("show", event.id, "--json"))
    assert (shape["headers"], shape["body"], shape["body_base64"]) == (
        {"x-a": "b"},
        '{"n":1}',
        None,
    )
    assert shape["deliveries"][0]["attempt_list"] == []


def shown(store: Database, changes: dict[str, object], **planned: object) -> tuple[str, str]:
    """Keep an event with one delivery, change it, and return its id with what `show` prints."""
    event = make_event()
    one = make_delivery(event, **planned)
    events.add(store, event, [one], lambda *_: [])
    if changes:
        put(store, one.id, **changes)
    return one.id, run("show", one.id).stdout


def test_show_says_whose_it_is_to_mend_and_how(store: Database) -> None:
    id_, text = shown(store, {"status": "dead", "dead_kind": "ours", "reason": "bad expression"})
    assert "status        dead, config\n" in text
    replay = f"fix routes.yaml, then flowbridge replay evt_{id_[4:30]} --through triage\n"
    assert f"next          {replay}" in text
    id_, text = shown(store, {"status": "dead", "dead_kind": "platform", "reason": "HTTP 403"})
    replay = f"fix routes.yaml, then flowbridge replay evt_{id_[4:30]} --through triage\n"
    assert "status        dead, platform\n" in text
    assert (
        f"next          fix the cause, then flowbridge retry {id_}\n              or {replay}"
        in text
    )
    for state in ("failed", "terminated"):
        id_, text = shown(store, {"status": "delivered", "run_state": state, "run_id": "r1"})
        replay = f"fix routes.yaml, then flowbridge replay evt_{id_[4:30]} --through triage\n"
        assert (
            f"next          fix the flow, then flowbridge retry {id_}\n              or {replay}"
            in text
        ), state
    assert (
        "next " not in shown(store, {"status": "delivered", "run_state": "done", "run_id": "r1"})[1]
    )
    id_, text = shown(store, {"status": "dead", "dead_kind": "person", "reason": "given up"})
    assert f"next          flowbridge retry {id_}\n" in text
    id_, text = shown(store, {"status": "unknown", "attempts": 1})
    assert f"next          flowbridge resolve {id_}\n" in text


@pytest.mark.parametrize(("throttled", "text"), [(1, "1 time"), (2, "2 times")])
def test_how_often_it_was_throttled_is_in_words(store: Database, throttled: int, text: str) -> None:
    assert (
        f"throttled     {text}, without using up an attempt\n"
        in shown(store, {"throttled": throttled})[1]
    )


def test_show_names_replay_where_the_route_has_changed_since(store: Database, folder: Path) -> None:
    before, after = (
        ROUTES.replace("${body.n}", expression) for expression in ("${body.m}", "${body.n}")
    )
    (folder / "routes.yaml").write_text(before)
    was = load(folder / "routes.yaml", {}, strict_secrets=False)
    configs.remember_config(store, was.hash, was.canonical, NOW)
    failed = {"status": "delivered", "run_state": "failed", "run_id": "r1"}
    id_, text = shown(store, failed, config_hash=was.hash)
    assert f"then flowbridge retry {id_}\n" in text
    (folder / "routes.yaml").write_text(after.replace("mode: paused, ", ""))
    text = run("show", id_).stdout
    assert (
        f"next          flowbridge replay evt_{id_[4:30]} --through triage\n" in text
        and "retry sends the old inputs again" in text
    )
    # the same inputs, no such route, not to be read
    for other in (before.replace("mode: paused, ", ""), "version: 1\n", "version: 2\n"):
        (folder / "routes.yaml").write_text(other)
        assert f"then flowbridge retry {id_}\n" in run("show", id_).stdout, other


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"status": "dead", "dead_kind": "ours"}, ""),
        ({"status": "dead", "dead_kind": "platform"}, "or "),
        ({"status": "delivered", "run_state": "failed", "run_id": "r1"}, "or "),
    ],
)
def test_show_says_to_add_the_route_that_routes_yaml_no_longer_has(
    store: Database, folder: Path, changes: dict[str, object], first: str
) -> None:
    replay = "then flowbridge replay evt_{} --through triage\n"
    (folder / "routes.yaml").write_text(ROUTES)
    id_, text = shown(store, changes)
    assert f" {first}fix routes.yaml, {replay.format(id_[4:30])}" in text
    (folder / "routes.yaml").write_text("version: 1\n")
    text = run("show", id_).stdout
    again = "add the route triage to routes.yaml again"
    assert f" {first}{again}, {replay.format(id_[4:30])}" in text
    assert "fix routes.yaml" not in text


def test_show_reads_each_older_configuration_once(
    store: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    was = load(folder / "routes.yaml", {}, strict_secrets=False)
    configs.remember_config(store, was.hash, was.canonical, NOW)
    id_, _ = shown(
        store, {"status": "delivered", "run_state": "failed", "run_id": "r1"}, config_hash=was.hash
    )
    (folder / "routes.yaml").write_text(ROUTES.replace("${body.n}", "${body.m}"))
    asked: list[str] = []
    kept_config = configs.find_config

    def read_config(database: Database, config_hash: str) -> str | None:
        asked.append(config_hash)
        return kept_config(database, config_hash)

    monkeypatch.setattr(configs, "find_config", read_config)
    assert "because its route has changed" in run("show", id_).stdout and asked == [was.hash]


def test_a_list_of_deliveries_names_the_command_that_says_what_to_do_next(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, _ = shown(store, {"status": "delivered", "run_state": "failed", "run_id": "r1"})
    assert run("deliveries").stderr == ""
    monkeypatch.setattr("bridge.cli.ui.output.on_terminal", lambda: True)
    assert (
        run("deliveries").stderr
        == f"see the reason and the next step: flowbridge show dlv_…{id_[-14:]}\n"
    )
    put(store, id_, run_state="done")
    assert run("deliveries").stderr == ""


def test_on_a_terminal_show_fits_a_screen_and_says_how_to_see_the_rest(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = orjson.dumps({"issue": {f"key{number}": "x" * 200 for number in range(50)}})
    event = make_event("1", body=body, headers={f"x-header-{number}": "v" for number in range(20)})
    one = make_delivery(event, inputs={f"input{number}": "y" * 100 for number in range(9)})
    events.add(store, event, [one], lambda *_: [])
    log = to_json([f"line {number}" for number in range(50)])
    ran = {
        "status": "delivered",
        "run_state": "done",
        "run_id": "r1",
        "finished_at": NOW + 2,
        "delivered_at": NOW + 1,
    }
    put(store, one.id, **ran, outputs=to_json({"a": 1, "b": "short"}), log=log)
    with store.engine.begin() as connection:
        for number in range(1, 7):
            values = {
                "number": number,
                "started_at": NOW,
                "finished_at": NOW + 1,
                "outcome": "refused",
                "detail": "refused",
            }
            connection.execute(insert(schema.attempt).values(delivery_id=one.id, **values))
    whole = run("show", event.id).stdout
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    folded = re.sub(r"\x1b\[[0-9;]*m", "", run("show", event.id).stdout)
    rows = sum(-(-max(len(line), 1) // 80) for line in folded.splitlines())
    assert rows <= 32 and len(folded.splitlines()) <= 30, folded
    for part in (
        "inputs  (3 of 11 lines: --all shows all)",
        'outputs       {"a":1,"b":"short"}\n',
        "log  (3 of 50 lines: --all shows all)\n",
        "  line 49\n",
        f"request  (20 headers, a body of {len(body)} bytes: --all shows all)\n",
        "attempts      4 earlier ones: --all shows all\n",
    ):
        assert part in folded, part
    assert "key0" not in folded and not re.search(r":\d\d\.\d", folded)
    assert "line 46" not in folded and "attempt 4" not in folded and "x-header-1" not in folded
    for arguments in (["--all"], ["--all", "--body"]):
        shown = re.sub(r"\x1b\[[0-9;]*m", "", run("show", event.id, *arguments).stdout)
        for part in ("x-header-19: v\n", "  line 0\n", "attempt 1 ", "input8"):
            assert part in shown and part in whole
    assert "key49" in run("show", event.id, "--body").stdout


def test_show_says_where_a_delivery_stands_in_its_line(store: Database) -> None:
    line = Order(key="acme/repo", blocks=True)
    head, _ = shown(
        store, {"status": "dead", "dead_kind": "platform", "holds_key": False}, order=line
    )
    behind, text = shown(store, {}, order=line)
    assert "status        blocked\n" in text and "order key     acme/repo\n" in text
    assert (
        f"waits         behind {head}, which is dead and blocks its ordering key (on_dead: block)"
        in text
    )
    text = run("show", head).stdout
    assert "order key     acme/repo; first of its key, with 1 waiting behind it\n" in text
    assert f"next          fix the cause, then flowbridge retry {head}\n" in text
    assert (
        f"              or flowbridge cancel {head}, which releases the deliveries behind it\n"
        in text
    )
    (shape,) = lines(run("show", behind, "--json"))
    (one,) = shape["deliveries"]
    assert (one["order_key"], one["waits_for"]["kind"], one["waits_for"]["behind"]) == (
        "acme/repo",
        "line",
        head,
    )
    assert "in line: order key acme/repo" in run("deliveries", "--status", "blocked").stdout


def test_show_says_what_is_merged_and_what_waits_to_be(store: Database) -> None:
    debounce = Debounce(key="k", until=4e9)
    first, _ = shown(store, {}, debounce=debounce, due_at=3e9)
    later, text = shown(store, {}, debounce=debounce, due_at=3e9)
    assert (
        "waits         a later event of its key replaces it" in text
        and "until         2065-01-24" in text
    )
    text = run("show", first).stdout
    assert f"merged into   {later}\n" in text and "status        cancelled\n" in text
    listed = run("deliveries").stdout
    assert (
        "waits for later ones until 2065-01-24" in listed
        and f"merged into a later one: {later}" in listed
    )


def test_show_tells_how_the_runs_ended_that_others_followed(store: Database) -> None:
    id_, _ = shown(store, {"reruns": 1, "attempts": 1})
    with store.engine.begin() as connection:
        ended = {
            "outcome": "started",
            "run_id": "R1",
            "run_state": "failed",
            "log": '["it broke","badly"]',
            "run_finished_at": NOW + 3.5,
            "outputs": '{"left":2}',
        }
        connection.execute(
            insert(schema.attempt).values(
                delivery_id=id_, number=1, started_at=NOW, finished_at=NOW + 1, **ended
            )
        )
    text = run("show", id_).stdout
    assert "earlier runs  1, each failed" in text
    ran = (
        'started after 1000 ms; its run R1 failed, after 2.50 s\n  its outputs\n  {\n    "left":'
        " 2\n  }\n  its log\n  it broke\n  badly\n"
    )
    assert ran in text
    (shape,) = lines(run("show", id_, "--json"))
    (attempt,) = shape["deliveries"][0]["attempt_list"]
    assert (shape["deliveries"][0]["reruns"], attempt["run_state"], attempt["log"]) == (
        1,
        "failed",
        ["it broke", "badly"],
    )
    assert (attempt["run_finished_at"], attempt["outputs"]) == (
        "2025-11-24T16:00:03.500000Z",
        {"left": 2},
    )


def test_show_says_who_did_what_to_an_event_and_its_deliveries(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_ACTOR", "ana@ops")
    id_, _ = shown(store, {})
    assert run("cancel", id_, "--yes").exit_code == 0
    late = begin_operation(
        store, "resolve", [id_], actor="ana@ops", request={"how": {"to": "dead"}}
    )
    list(do_items(store, late, make_move_handler(store, late), None))
    text = run("show", id_).stdout
    assert (
        "cancel        2" in text
        and " by ana@ops (act_" in text
        and ") queued → cancelled\n" in text
    )
    why = "refused: it is cancelled: only a delivery with an unknown outcome can be resolved"
    assert why in " ".join(text.split())
    (shape,) = lines(run("show", id_, "--json"))
    assert [(one["command"], one["actor"], one["item"]["id"]) for one in shape["operations"]] == [
        ("cancel", "ana@ops", id_),
        ("resolve", "ana@ops", id_),
    ]


ROUTES = """
version: 1
platforms: {local: {type: local, max_concurrent_runs: 1}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, mode: paused, inputs: {n: "${body.n}"}, flow: local/echo}
"""


def test_show_says_why_a_delivery_waits_also_where_routes_yaml_cannot_be_used(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    id_, text = shown(store, {})
    assert "waits         the route 'triage' is paused\n" in text
    (folder / "routes.yaml").write_text("version: 2\n")
    assert "waits         no worker is running" in run("show", id_).stdout
    (shape,) = lines(run("show", id_, "--json"))
    assert shape["deliveries"][0]["waits_for"] == {
        "kind": "worker",
        "detail": "no worker is running; next step: flowbridge serve, or flowbridge work",
        "until": None,
        "behind": None,
    }
    (folder / "routes.yaml").unlink()
    assert run("show", id_).exit_code == 0


def test_an_id_that_names_nothing_or_too_much_is_a_problem(store: Database) -> None:
    for id_ in ("evt_aa", "evt_ab"):
        events.add(store, make_event(id_, id=id_), [], lambda *_: [])
    assert (run("show", "evt_a").exit_code, run("show", "evt_x").exit_code) == (1, 1)
    assert "several ids match 'evt_a'" in run("show", "evt_a").stderr


@pytest.mark.parametrize("text", ["1", "yesterday", "1y", "2026-13-01", ""])
def test_a_time_that_is_none_is_wrong_usage(folder: Path, text: str) -> None:
    result = run("events", "--since", text)
    assert result.exit_code == 2 and "is not a valid time" in result.stderr


def test_times_are_spans_dates_and_iso_8601(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cli.option_types.time.time", lambda: NOW)
    convert = lambda text: TimeParam().convert(text, None, None)  # noqa: E731
    assert [NOW - convert(text) for text in ("90s", "15m", "1h", "1.5h", "2d", "1w")] == [
        90,
        900,
        3600,
        5400,
        172800,
        604800,
    ]
    assert convert("2025-11-24") == NOW - 16 * 3600
    assert (
        convert("2025-11-24T16:00")
        == convert("2025-11-24T16:00:00Z")
        == convert("2025-11-24T17:00:00+01:00")
        == NOW
    )


@pytest.mark.parametrize("command", ["events", "deliveries", "retry", "replay"])
def test_a_state_of_runs_as_a_status_names_the_option_for_it(store: Database, command: str) -> None:
    refused = run(command, "--status", "failed")
    assert refused.exit_code == 2
    assert "failed is a state of runs: --run failed" in refused.stderr
    assert "is not one of" in run(command, "--status", "nope").stderr


def test_a_database_of_another_schema_is_said(store: Database) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    result = run("events")
    described = (
        f"the database has schema 9999, which is newer than {schema.HEAD} of flowbridge"
        f" {bridge.__version__}: upgrade flowbridge"
    )
    assert result.exit_code == 1 and described in result.stderr
    assert described in run("db", "check").stdout
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0026'")
    assert (
        f"the database has schema 0026 of flowbridge 0.2.0, and flowbridge {bridge.__version__}"
        f" needs {schema.HEAD}: flowbridge db upgrade"
    ) in run("events").stderr


def test_db_check_and_upgrade(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    assert run("db", "check").exit_code == 1
    assert "the schema is" in run("db", "upgrade").stdout
    assert "already" in run("db", "upgrade").stdout
    (found,) = lines(run("db", "check", "--json"))
    assert (found["problems"], found["counts"]["event"]) == ([], 0)
    database = Database(f"sqlite:///{folder / 'data' / 'flowbridge.db'}")
    event = make_event("1")
    events.add(database, event, [make_delivery(event)], lambda *_: [])
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM event")
    database.close()
    result = run("db", "check")
    assert (result.exit_code, "1 deliveries without an event" in result.stdout) == (1, True)


def test_the_usual_commands_fit_a_terminal() -> None:
    overview = run("--help").stdout.splitlines()
    usual = overview[: next(row for row, line in enumerate(overview) if line.startswith("Rare:"))]
    assert len(usual) <= 25  # the last one is empty
    assert max(map(len, overview)) <= 80
    rows = [line.split()[0] for line in usual if line.startswith("  ") and "." in line]
    assert {"demo", "init", "serve", "status", "show", "retry"} <= set(rows)


@pytest.mark.parametrize("command", [name for row in COMMAND_CHOICES.values() for name in row])
def test_help_says_which_of_similar_commands_to_use(command: str) -> None:
    text = run(*command.split(), "--help").stdout
    (choices,) = (row for row in COMMAND_CHOICES.values() if command in row)
    for purpose in choices.values():
        (line,) = (line for line in text.splitlines() if line.endswith(purpose))
        assert len(line) <= 80


@pytest.mark.parametrize(
    "guess", ["routes", "sources", "logs", "start", "open", "trigger", "list", "docs", "runs"]
)
def test_a_word_of_other_programs_names_the_command(guess: str) -> None:
    result = run(guess)
    assert result.exit_code == 2
    assert f"no such command {guess!r}; use `flowbridge {COMMAND_HINTS[guess]}`" in result.stderr


@pytest.mark.parametrize("hint", COMMAND_HINTS.items(), ids=lambda hint: hint[0])
def test_a_hint_names_a_command_that_exists(hint: tuple[str, str]) -> None:
    guess, instead = hint
    assert guess not in COMMANDS
    command = [word for word in instead.split() if not word.startswith("-")]
    assert run(*command, "--help").exit_code == 0


def test_a_command_that_is_none_names_the_nearest(folder: Path) -> None:
    refused = run("event")
    assert (
        refused.exit_code == 2
        and "no such command 'event'; did you mean `events`?" in refused.stderr
    )
    assert "no such command 'xyzzy'; `flowbridge --help` lists all" in run("xyzzy").stderr
    assert run("help").stdout == run("--help").stdout
    assert run("help", "flows", "run").stdout == run("flows", "run", "--help").stdout
    assert run("help", "flows", "walk").exit_code == 2
    assert run("version").stdout == run("--version").stdout


@pytest.mark.parametrize(
    "command", ["events", "deliveries", "tail", "export", "retry", "cancel", "resolve", "replay"]
)
def test_help_has_a_commands_own_options_before_its_filters(command: str) -> None:
    own, _, filters = run(command, "--help").stdout.partition("Filters:\n")
    assert "Options:\n" in own and "--help" in own and "  --limit N" in own
    assert "Options:\n  [" not in own, "an argument is no option"
    for name in (
        "--source",
        "--route",
        "--status",
        "--run",
        "--type",
        "--reason",
        "--dead-kind",
        "--since",
    ):
        assert f"\n  {name} " in f"\n{filters}"
        assert f"\n  {name} " not in own.partition("Options:\n")[2]
