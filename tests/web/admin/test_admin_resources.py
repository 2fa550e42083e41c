"""The resources of the admin API beside records: sources, routes, platforms, flows, configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from admin_client import AdminClient
from endpoint_groups import PARTS
from fake_platform import FakePlatform
from records import NOW, make_delivery, make_event, put
from sqlalchemy import update
from tables import check_each

from bridge.api.endpoint import Endpoint
from bridge.api.problems import TYPE_PREFIX
from bridge.config.loader import load
from bridge.core.alert import Alert
from bridge.core.circuit_state import Circuit
from bridge.core.http_messages import Answer
from bridge.core.model import RunState, Status
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services import change_tail
from bridge.services.config_views import mask_config
from bridge.services.overview.cached_overview import CachedValue
from bridge.services.platforms import platform_queries
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import alerts, configs
from bridge.store.queue.throttling import write_circuits
from bridge.store.tables.schema import delivery

READ = (Scope.READ,)
READER = (Scope.READ, Scope.BODIES)
SECRET = "s3cret-c0ntent"
FORM = {"content-type": "application/x-www-form-urlencoded"}
LITERAL = "s3cret-of-the-file-0123456789"
ROUTES = """
version: 1
platforms:
  gumloop: {type: gumloop, api_key: "%(literal)s", user_id: "${env:USER_ID}"}
  crm: {type: http, url: "https://crm.example/%(literal)s"}
sources:
  github: {provider: github, secret: "%(literal)s"}
  stripe: {provider: stripe, secrets: ["${env:STRIPE}", {value: "%(literal)s", not_after: 2099-01-01}]}
  contact: {provider: form}
flows:
  triage: {platform: gumloop, saved_item_id: q3dasHQBidkNeXvAZo6Dby}
routes:
  - {name: triage, on: github issues, inputs: {title: "${body.title}"}, flow: triage}
  - {name: both, on: contact, inputs: {text: "${form.message}"}, flow: [triage, crm/x], mode: paused}
"""


def write_config(folder: Path, text: str) -> Config:
    path = folder / "given.yaml"
    path.write_text(text)
    return load(path, {"USER_ID": "u", "STRIPE": "s"}, strict_secrets=False)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return write_config(tmp_path, ROUTES % {"literal": LITERAL})


@pytest.fixture
def admin(database: Database, tmp_path: Path, config: Config) -> AdminClient:
    configs.remember_config(database, config.hash, config.canonical, NOW)
    return AdminClient(database, tmp_path, config)


@pytest.fixture
def one(admin: AdminClient) -> Any:
    """An event with an unknown delivery, and a submission with a run in flight."""
    event = make_event("gh-1", body=b'{"title": "%s"}' % SECRET.encode())
    unknown = make_delivery(
        event,
        status=Status.UNKNOWN,
        reason=f"payload_schema /title: '{SECRET}' is too long",
    )
    events.add(admin.database, event, (unknown,), lambda *_: [])
    evidence = orjson.dumps(
        {"attempt": 0, "candidates": [{"run_id": "r", "outputs": SECRET}]}
    ).decode()
    update_delivery(admin, unknown.id, evidence=evidence)
    submission = make_event(
        "form-1",
        source="contact",
        provider="form",
        type="form",
        headers=FORM,
        body=f"message={SECRET}".encode(),
    )
    running = make_delivery(
        submission, status=Status.DELIVERED, run_id="run-1", run_state=RunState.RUNNING
    )
    events.add(admin.database, submission, (running,), lambda *_: [])
    update_delivery(admin, running.id, run_id="run-1", run_state="running", slot=True)
    return event


def problem_of(answer: Any) -> str:
    return str(answer.get_json()["type"]).removeprefix(TYPE_PREFIX)


def path_of(path: str, event: Any, config: Config) -> str:
    name = path.split("/")[1]
    names = {"sources": "github", "routes": "triage", "platforms": "gumloop"}
    return (
        path.replace("{name}", names.get(name, ""))
        .replace("{hash}", config.hash)
        .replace("{a}", config.hash)
        .replace("{b}", config.hash[:12])
        .replace("{source}", "contact")
        .replace("/deliveries/{id}", f"/deliveries/{make_delivery(event).id}")
        .replace("{platform}/{id}", "nothing/x")
    )


@pytest.mark.parametrize("scopes", [READ, READER, (Scope.READ, Scope.ACT), (Scope.ADMIN,)], ids=str)
def test_each_resource_wants_its_scope(
    admin: AdminClient,
    config: Config,
    one: Any,
    scopes: tuple[Scope, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(endpoint: Endpoint) -> None:
        query = {"flow": "crm/x"} if endpoint.path == "/flows/inputs" else None
        answer = admin.get(path_of(endpoint.path, one, config), query, scopes=scopes)
        may = endpoint.scope in scopes or endpoint.scope is Scope.READ or Scope.ADMIN in scopes
        found = 404 if query or endpoint.path.startswith("/flows/{") else 200
        assert answer.status_code == (found if may else 403), answer.text
        assert LITERAL not in answer.text
        if Scope.BODIES not in scopes and Scope.ADMIN not in scopes:
            assert SECRET not in answer.text
        if answer.status_code == 200 and endpoint.has_contents and Scope.BODIES in scopes:
            assert answer.headers["Cache-Control"] == "no-store"

    monkeypatch.setattr(
        "bridge.services.platforms.platform_queries.platforms_with_flows", lambda _: []
    )
    check_each(PARTS, check, lambda endpoint: endpoint.path)


def test_a_source_is_described(admin: AdminClient, one: Any) -> None:
    github, stripe, contact = admin.items("/sources")
    assert [each["name"] for each in (github, stripe, contact)] == ["github", "stripe", "contact"]
    assert (github["provider"], github["path"], github["routes"]) == (
        "github",
        "/hooks/github",
        ["triage"],
    )
    assert contact["public"]
    assert github["configured"]
    assert github["secrets"] == [{"not_after": None, "last_used_at": None}]
    assert contact["secrets"] == []
    assert admin.get("/sources/github").get_json() == github
    answer = admin.get("/sources/gihub")
    assert problem_of(answer) == "not_found"
    assert "did you mean `github`?" in answer.get_json()["detail"]


def test_a_source_that_was_removed_is_still_listed(
    admin: AdminClient, database: Database, tmp_path: Path
) -> None:
    events.add(database, make_event("x", source="gone"), (), lambda *_: [])
    gone = admin.get("/sources/gone").get_json()
    assert (gone["configured"], gone["provider"], gone["path"]) == (False, None, None)


def test_a_route_is_described(admin: AdminClient, one: Any) -> None:
    triage, both = admin.items("/routes")
    assert (triage["name"], triage["source"], triage["types"]) == ("triage", "github", ["issues"])
    assert triage["flows"] == [
        {"name": "triage", "platform": "gumloop", "saved_item_id": "q3dasHQBidkNeXvAZo6Dby"}
    ]
    assert [flow["platform"] for flow in both["flows"]] == ["gumloop", "crm"]
    assert both["mode"] == "paused"
    whole = admin.get("/routes/triage").get_json()
    assert whole.pop("definition")["inputs"] == {"title": "${body.title}"}
    assert whole == triage
    assert problem_of(admin.get("/routes/triagge")) == "not_found"


def test_a_platform_is_described_without_its_secrets(admin: AdminClient, one: Any) -> None:
    crm, gumloop, *_ = admin.items("/platforms")
    assert (gumloop["type"], gumloop["routes"]) == ("gumloop", ["triage", "both"])
    assert crm["base_url"] == "https://crm.example/***"
    assert admin.get("/platforms/crm").get_json() == crm
    assert problem_of(admin.get("/platforms/x")) == "not_found"


def test_alerts_are_those_that_are_open(admin: AdminClient) -> None:
    said = {"severity": "warning", "what": "it is silent", "do": "see", "seen_at": NOW}
    silent = Alert(key="silence:gone", since=NOW, raised_at=NOW, told=1, **said)  # type: ignore[arg-type]  # one type of many
    over = Alert(key="silence:stripe", since=NOW, resolved_at=NOW, **said)  # type: ignore[arg-type]  # one type of many
    admin.database.write(lambda connection: alerts.replace(connection, [silent, over]))
    (found,) = admin.items("/alerts")
    assert (found["key"], found["subject"], found["state"]) == (
        "silence:gone",
        "gone",
        "raised",
    )
    assert found["over"]  # the condition is not found any more


@pytest.mark.parametrize("failures", [0, 5], ids=["refused", "open"])
@pytest.mark.parametrize("path", ["/status", "/conditions", "/alerts"])
def test_what_a_platform_answered_is_content(
    admin: AdminClient, one: Any, path: str, failures: int
) -> None:
    text = f"HTTP 500: {SECRET} cannot be used"
    circuit = Circuit(platform="gumloop", failures=failures, open_until=4e9, reason=text)
    evidence = {"attempt": 0, "problem": text, "status_code": 500, "failing_since": NOW}
    what = f"platform gumloop is not called until 07:06:40Z: {text}"
    raised = Alert(
        key="circuit_open:gumloop", severity="critical", what=what, do="", since=NOW, seen_at=NOW
    )
    (unknown,) = admin.items("/deliveries", status="unknown")
    update_delivery(admin, unknown["id"], poll_at=NOW, evidence=orjson.dumps(evidence).decode())
    admin.database.write(lambda one: write_circuits(one, {}, {"gumloop": circuit}, NOW))
    admin.database.write(lambda one: alerts.replace(one, [raised]))
    assert SECRET in admin.get(path, scopes=READER).text
    hidden = admin.get(path, scopes=READ).text
    assert SECRET not in hidden and "gumloop" in hidden


def test_the_overview_is_read_once_in_a_while() -> None:
    now = [0.0]
    reads: list[float] = []

    def read() -> float:
        reads.append(now[0])
        return now[0]

    cached = CachedValue(read, 2.0, lambda: now[0])
    for at, value in ((0.0, 0.0), (1.9, 0.0), (2.0, 2.0), (3.0, 2.0), (1.0, 1.0)):
        now[0] = at
        assert cached.get() == value
    assert reads == [0.0, 2.0, 1.0]


# -- flows and runs


def test_a_platform_that_cannot_be_asked_is_said_to_be_so(admin: AdminClient) -> None:
    assert problem_of(admin.get("/flows", {"platform": "x"})) == "invalid_parameter"
    answer = admin.get("/flows/crm/x/inputs")
    assert problem_of(answer) == "not_found"
    assert "has no list of inputs" in answer.get_json()["detail"]
    page = admin.get("/flows", {"platform": "crm"}).get_json()
    assert page["items"] == []
    assert "has no list of flows" in page["problems"][0]
    assert problem_of(admin.get("/runs", {"flow": "crm/x"})) == "not_found"
    assert problem_of(admin.get("/runs", {"flow": "nothing/x"})) == "invalid_parameter"
    both = admin.get("/runs", {"flow": "crm/x", "platform": "crm"})
    assert problem_of(both) == "invalid_parameter"


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/flows", {"platform": "gumloop"}),
        ("GET", "/flows/inputs", {"flow": "triage"}),
        ("GET", "/flows/gumloop/x/inputs", {}),
        ("GET", "/runs", {"flow": "triage"}),
        ("POST", "/runs/gumloop/r/kill", {}),
        ("POST", "/runs", {"flow": "gumloop/x"}),
        ("GET", "/runs/gumloop/r", {}),
    ],
    ids=str,
)
def test_what_a_platform_answers_now_is_content(
    admin: AdminClient,
    method: str,
    path: str,
    query: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = Answer(status=500, body=b'{"detail": "%s cannot be used"}' % SECRET.encode())
    monkeypatch.setattr(platform_queries, "try_to_send", lambda *_: refusal)

    def read(*scopes: Scope) -> str:
        if method == "POST":
            asked = admin.send(method, path, body=query or None, scopes=(*scopes, Scope.ACT))
            return str(asked.text)
        return str(admin.get(path, query, scopes=scopes).text)

    assert SECRET in read(*READER)
    hidden = read(*READ)
    assert SECRET not in hidden and "gumloop" in hidden and "HTTP 500" in hidden


def test_a_flow_that_its_platform_does_not_have_is_not_found(
    database: Database, tmp_path: Path
) -> None:
    with FakePlatform() as platform:
        key = f"{{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: {platform.base_url}}}"
        config = write_config(tmp_path, f"version: 1\nplatforms: {{gumloop: {key}}}\n")
        admin = AdminClient(database, tmp_path, config)
        platform.list_faults.append(404)
        for answer in (
            admin.get("/flows/gumloop/eco/inputs"),
            admin.get("/flows/inputs", {"flow": "gumloop/eco"}),
            admin.get("/runs", {"flow": "gumloop/eco"}),
        ):
            assert (answer.status_code, problem_of(answer)) == (404, "not_found")
            assert "no flow 'eco'; did you mean `echo`?" in answer.get_json()["detail"]
        platform.list_faults.append(400)  # an id that no flow can have
        assert problem_of(admin.get("/runs", {"flow": "gumloop/\u2028"})) == "not_found"
        platform.list_faults.append(400)
        odd = admin.get("/flows/gumloop/%E2%80%A8/inputs")
        assert (odd.status_code, problem_of(odd)) == (404, "not_found")
        platform.list_faults.append(404)  # of a flow that its platform lists
        assert problem_of(admin.get("/runs", {"flow": "gumloop/echo"})) == "platform_failed"


def test_runs_in_flight_are_listed(admin: AdminClient, one: Any) -> None:
    (run,) = admin.items("/runs")
    assert (run["run_id"], run["run_state"]) == ("run-1", "running")
    assert run["delivery_id"].startswith("dlv_")


def test_runs_of_an_unknown_platform_are_refused_and_of_a_removed_one_are_listed(
    admin: AdminClient, one: Any, config: Config
) -> None:
    refused = admin.get("/runs", {"platform": "gumlop"})
    assert problem_of(refused) == "invalid_parameter"
    (error,) = refused.get_json()["errors"]
    assert (error["param"], error["near"]) == ("platform", "gumloop")
    assert admin.items("/runs", platform="crm") == []
    assert "local" not in config.platforms
    assert [run["run_id"] for run in admin.items("/runs", platform="local")] == ["run-1"]
    update_delivery(admin, admin.items("/runs")[0]["delivery_id"], slot=False)
    assert admin.items("/runs", platform="local") == []


# -- configurations


def test_a_configuration_is_shown_without_its_secrets(admin: AdminClient, config: Config) -> None:
    (listed,) = admin.items("/configs")
    assert (listed["hash"], listed["current"]) == (config.hash, True)
    answer = admin.get(f"/configs/{config.hash[:10]}", scopes=READ)
    assert LITERAL not in answer.text
    shown = answer.get_json()["config"]
    assert shown["sources"]["github"]["secret"] == "***"
    assert shown["sources"]["stripe"]["secrets"] == [
        "${env:STRIPE}",
        {"value": "***", "not_after": "2099-01-01"},
    ]
    assert shown["platforms"]["gumloop"]["user_id"] == "${env:USER_ID}"
    assert shown["routes"][0]["inputs"] == {"title": "${body.title}"}
    for text in ("0", "zz" * 32, config.hash[:3]):
        assert problem_of(admin.get(f"/configs/{text}")) == "not_found"


def test_two_configurations_are_compared(
    admin: AdminClient, config: Config, tmp_path: Path
) -> None:
    text = ROUTES % {"literal": LITERAL + "-other"}
    text = text.replace('title: "${body.title}"', 'title: "${body.name}", more: 1')
    other = write_config(tmp_path, text.replace("mode: paused", "mode: live"))
    configs.remember_config(admin.database, other.hash, other.canonical, NOW + 1)
    answer = admin.get(f"/configs/{config.hash}/diff/{other.hash[:10]}", scopes=READ)
    assert LITERAL not in answer.text
    found = {one["path"]: one for one in answer.get_json()["items"]}
    assert found["/routes/triage/inputs/title"] == {
        "path": "/routes/triage/inputs/title",
        "change": "changed",
        "before": "${body.title}",
        "after": "${body.name}",
    }
    assert found["/routes/triage/inputs/more"]["change"] == "added"
    assert found["/routes/both/mode"]["after"] == "live"
    assert len(found) == 3  # a masked secret is no difference
    back = admin.get(f"/configs/{other.hash}/diff/{config.hash}").get_json()
    assert {one["change"] for one in back["items"]} == {"changed", "removed"}
    assert admin.items("/configs")[0]["hash"] == other.hash
    assert admin.get(f"/configs/{config.hash}/diff/{config.hash}").get_json()["items"] == []


# -- records


def test_evidence_is_what_resolve_prints(admin: AdminClient, one: Any) -> None:
    path = f"/deliveries/{make_delivery(one).id}/evidence"
    whole = admin.get(path).get_json()
    assert whole["evidence"]["candidates"][0]["run_id"] == "r"
    assert any("resolve" in command for command in whole["commands"])
    hidden = admin.get(path, scopes=READ).get_json()
    assert hidden.keys() == whole.keys()
    assert (hidden["evidence"], hidden["commands"]) == (None, [])
    assert problem_of(admin.get(f"/deliveries/{one.id}/evidence")) == "not_found"


def test_submissions_are_listed_with_their_fields(admin: AdminClient, one: Any) -> None:
    (found,) = admin.items("/submissions/contact")
    assert found["fields"] == {"message": SECRET}
    assert problem_of(admin.get("/submissions/github")) == "not_found"
    assert problem_of(admin.get("/submissions/x")) == "not_found"
    assert problem_of(admin.get("/submissions/contact", {"limit": 51})) == "invalid_parameter"


def test_the_submissions_of_all_forms_are_listed_and_streamed(admin: AdminClient, one: Any) -> None:
    spam = make_event("s", source="contact", spam="a robot", body=b"message=buy", headers=FORM)
    events.add(admin.database, spam, (), lambda *_: [])
    (found,) = admin.items("/submissions")
    assert (found["source"], found["fields"]) == ("contact", {"message": SECRET})
    assert admin.stream("/submissions") == [found]
    assert admin.items("/submissions", spam="false") == [found]
    (held,) = admin.stream("/submissions", {"spam": "true"})
    assert (held["id"], held["fields"]) == (spam.id, {"message": "buy"})
    assert admin.stream("/submissions", {"before": held["id"]}) == [found]
    assert admin.stream("/submissions", {"status": "none"}) == []
    assert admin.stream("/submissions", {"source": "github", "limit": 1}) == []
    assert problem_of(admin.get("/submissions", scopes=READ)) == "missing_scope"
    assert problem_of(admin.get("/submissions", {"limit": 51})) == "invalid_parameter"


# -- changes


def changes(admin: AdminClient, cursor: str) -> tuple[list[tuple[str, Any]], str]:
    """Return what changed, as kinds with a state, and the next cursor."""
    page = admin.get("/tail", {"after": cursor}).get_json()
    shown = [
        (one["kind"], (one["event"] or one["delivery"]).get("status")) for one in page["items"]
    ]
    return shown, page["next"]


def test_the_tail_has_each_change_once(admin: AdminClient, one: Any) -> None:
    cursor = admin.get("/tail").get_json()["next"]
    assert changes(admin, cursor)[0] == []
    event = make_event("new")
    planned = make_delivery(event)
    events.add(admin.database, event, (planned,), lambda *_: [])
    found, after = changes(admin, cursor)
    assert found == [("event", None), ("delivery", "queued")]
    assert changes(admin, cursor)[0] == found  # nothing is remembered
    assert changes(admin, after) == ([], after)
    update_delivery(admin, planned.id, status="cancelled")
    found, last = changes(admin, after)
    assert found == [("delivery", "cancelled")]
    assert changes(admin, last)[0] == []


def test_the_tail_follows_deliveries_in_flight(admin: AdminClient, one: Any) -> None:
    cursor = admin.get("/tail").get_json()["next"]
    (run,) = admin.items("/runs")
    update_delivery(admin, run["delivery_id"], run_state="done")
    assert changes(admin, cursor)[0] == [("delivery", "delivered")]


def test_the_tail_begins_with_deliveries_in_flight_if_that_is_asked_for(
    admin: AdminClient, one: Any
) -> None:
    cursor = admin.get("/tail", {"in_flight": "true"}).get_json()["next"]
    found, after = changes(admin, cursor)
    assert found == [("delivery", "delivered")]
    assert changes(admin, after)[0] == []


def test_the_tail_follows_an_old_delivery_that_starts(admin: AdminClient, one: Any) -> None:
    old = make_event("old")
    waiting = make_delivery(old)
    events.add(admin.database, old, (waiting,), lambda *_: [])
    new = make_event("new")
    planned = [make_delivery(new, f"route-{number}", status=Status.DEAD) for number in range(60)]
    events.add(admin.database, new, planned, lambda *_: [])
    cursor = admin.get("/tail").get_json()["next"]
    flight = {"status": "sending", "slot": True, "lease": "w", "lease_until": 0.0}
    put(admin.database, waiting.id, **flight)
    found, after = changes(admin, cursor)
    assert found == [("delivery", "sending")]
    assert changes(admin, after)[0] == []


def test_the_tail_has_what_matches_with_the_deliveries_of_each_event(
    admin: AdminClient, one: Any
) -> None:
    chosen = {"source": "contact", "status": "dead"}
    cursor = admin.get("/tail", chosen).get_json()["next"]
    for source in ("contact", "github"):
        event = make_event(source, source=source)
        events.add(admin.database, event, (make_delivery(event),), lambda *_: [])
    page = admin.get("/tail", {**chosen, "after": cursor}).get_json()
    assert page["items"] == []
    (event, _) = admin.items("/events", source="contact")
    put(admin.database, event["deliveries"][0]["id"], status="dead")
    page = admin.get("/tail", {**chosen, "after": page["next"]}).get_json()
    assert [each["kind"] for each in page["items"]] == ["event", "delivery"]
    assert page["items"][0]["event"] == admin.items("/events", source="contact")[0]
    again = admin.get("/tail", {**chosen, "after": page["next"]}).get_json()
    assert again["items"] == []
    assert problem_of(admin.get("/tail", {"source": "githib"})) == "invalid_parameter"
    assert problem_of(admin.get("/tail", {"reason": "x"}, scopes=READ)) == "missing_scope"


def update_delivery(admin: AdminClient, delivery_id: str, **values: Any) -> None:
    changing = update(delivery).where(delivery.c.id == delivery_id).values(values)
    admin.database.write(lambda connection: connection.execute(changing))


def test_a_tail_cursor_has_a_bounded_size(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = change_tail.MAX_NUMBER - 1
    states = {
        largest - 1_000_000 - number: (1 << 32) - 1 for number in range(change_tail.MAX_FOLLOWED)
    }
    seen = frozenset(range(largest - 50, largest))
    text = change_tail.TailCursor(largest, largest, states, seen).encode()
    assert change_tail.decode_tail_cursor(text).states == states
    monkeypatch.setattr(change_tail, "MAX_FOLLOWED", 5)
    cursor = admin.get("/tail").get_json()["next"]
    for number in range(12):
        event = make_event(f"n{number}")
        events.add(admin.database, event, (make_delivery(event),), lambda *_: [])
    found, after = changes(admin, cursor)
    assert len(found) == 24
    assert len(change_tail.decode_tail_cursor(after).states) == 5


@pytest.mark.parametrize(
    "text",
    ["x", "é", "W10", "WzEsMSxbXSxbXV0x", "A" * 9000, "WzEsLTEsW10sW11d", "WzEsMSxbMV0sW11d"],
)
def test_another_cursor_is_refused(admin: AdminClient, text: str) -> None:
    assert problem_of(admin.get("/tail", {"after": text})) == "cursor_of_another_list"


@pytest.mark.parametrize("text", ["-1", "5.1", "nan", "inf", "x", "1e9"])
def test_a_wait_has_a_limit(admin: AdminClient, text: str) -> None:
    assert problem_of(admin.get("/tail", {"wait": text})) == "invalid_parameter"


def test_a_wait_ends_with_the_first_change(admin: AdminClient, one: Any) -> None:
    cursor = admin.get("/tail").get_json()["next"]
    events.add(admin.database, make_event("waited-for"), (), lambda *_: [])
    page = admin.get("/tail", {"after": cursor, "wait": "5"}).get_json()
    assert [each["kind"] for each in page["items"]] == ["event"]
    assert json.dumps(page["items"])


def test_the_mode_of_a_forms_token_is_no_secret() -> None:
    masked = mask_config(
        {
            "sources": {"contact": {"spam": {"token": "required"}}, "crm": {"token": "s3cret"}},
            "platforms": {"crm": {"token": "optional secret"}},
        }
    )
    assert masked == {
        "sources": {"contact": {"spam": {"token": "required"}}, "crm": {"token": "***"}},
        "platforms": {"crm": {"token": "***"}},
    }
