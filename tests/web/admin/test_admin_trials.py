"""Trials over the admin API: a routes.yaml tried on stored events, in a process of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient
from records import make_event
from trials_here import evaluate_here

from bridge.config.loader import load
from bridge.core.scopes import Scope
from bridge.services.trials import background, runner
from bridge.services.trials.messages import MAX_EXPLAINED_EVENTS
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import configs

READER = (Scope.READ, Scope.BODIES)
ROUTES = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:S}"}}
routes:
  - name: triage
    on: github issues
    match: {body.action: opened}
    inputs: {title: "${body.title}"}
    flow: local/echo
"""
CHANGED = ROUTES.replace('"${body.title}"', '"a ${body.title}"')


in_process = pytest.mark.usefixtures("here")


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> AdminClient:
    """A bridge that uses ROUTES, with three events."""
    path = tmp_path / "used" / "routes.yaml"
    path.parent.mkdir()
    path.write_text(ROUTES)
    config = load(path, {"S": "s" * 40})
    configs.remember_config(database, config.hash, config.canonical, time.time())
    for number in range(3):
        body = f'{{"action": "{"opened" if number else "closed"}", "title": "t{number}"}}'.encode()
        add_event(database, number, config.hash, body)
    return AdminClient(database, tmp_path, config)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate_here(monkeypatch)


def add_event(
    database: Database, number: int, config_hash: str, body: bytes, **changes: Any
) -> None:
    event = make_event(
        f"p{number}",
        id=id_of(number),
        now=time.time() - 60 + number,
        body=body,
        **{"config_hash": config_hash, **changes},
    )
    events.add(database, event, [], lambda *_: [])


def id_of(number: int) -> str:
    return f"evt_{number:026d}"


def begin(admin: AdminClient, **body: Any) -> Any:
    return admin.send("POST", "/trials", body={"text": CHANGED, **body}, scopes=READER)


def wait_for(admin: AdminClient, trial_id: str) -> dict[str, Any]:
    for thread in threading.enumerate():
        if thread.name == "trial":  # it frees its place after it has written the result
            thread.join(150)
    shape: dict[str, Any] = admin.get(f"/trials/{trial_id}", scopes=READER).get_json()
    assert shape["state"] != "running"
    return shape


def try_text(admin: AdminClient, **body: Any) -> dict[str, Any]:
    answer = begin(admin, **body)
    assert answer.status_code == 202, answer.text
    shape = answer.get_json()
    assert shape["state"] == "running" and shape["result"] is None
    assert answer.headers["Location"] == f"/admin/v1/trials/{shape['id']}"
    return wait_for(admin, shape["id"])


@pytest.mark.usefixtures("new_processes")
def test_a_trial(admin: AdminClient) -> None:
    shape = try_text(admin)
    assert (shape["state"], shape["error"]) == ("done", None)
    result = shape["result"]
    assert (result["events"], result["complete"], result["problems"]) == (3, True, [])
    assert result["summary"]["changed"] == 2
    assert [one["event_id"] for one in result["changes"]] == [id_of(2), id_of(1)]
    assert result["changes"][0]["diff"] == [
        {"op": "replace", "path": "/inputs/title", "before": "t2", "after": "a t2"}
    ]


@in_process
def test_events_are_selected_by_ids_or_filters(admin: AdminClient) -> None:
    assert try_text(admin, ids=[id_of(1)])["result"]["events"] == 1
    assert try_text(admin, ids=[])["result"]["events"] == 0
    found = try_text(admin, filters={"where": "body.title=t2"})["result"]
    assert (found["events"], found["summary"]["changed"]) == (1, 1)
    assert try_text(admin, limit=2)["result"]["events"] == 2
    assert try_text(admin, filters={"status": "none", "until": "1h"})["result"]["events"] == 0


@pytest.mark.usefixtures("new_processes")
def test_a_trial_explains_events_if_it_is_asked_to(admin: AdminClient, database: Database) -> None:
    result = try_text(admin, text=CHANGED.replace("opened}", "openned}"), explain=True)["result"]
    assert result["explanations_complete"] is True
    assert [one["event_id"] for one in result["explanations"]] == [id_of(2), id_of(1), id_of(0)]
    [route] = result["explanations"][0]["routes"]
    assert (route["route"], route["matches"]) == ("triage", False)
    action = next(one for one in route["clauses"] if one["path"] == "body.action")
    assert (action["found"], action["ok"], action["near"]) == ("opened", False, ["openned"])


@in_process
def test_only_events_that_changed_are_explained_if_wanted(admin: AdminClient) -> None:
    result = try_text(admin, explain_changed=True)["result"]
    changed = [one["event_id"] for one in result["changes"]]
    assert [one["event_id"] for one in result["explanations"]] == changed == [id_of(2), id_of(1)]
    assert result["explanations_complete"] is True
    assert "screen" not in result["explanations"][0]
    shown = try_text(admin, explain_changed=True, screen=True)["result"]["explanations"]
    assert "lines" in shown[0]["screen"]["routes"][0]


@in_process
def test_explanations_are_of_few_events_and_only_where_asked(
    admin: AdminClient, database: Database
) -> None:
    for body in ({}, {"explain": False}):
        assert "explanations" not in try_text(admin, **body)["result"]
    for number in range(3, MAX_EXPLAINED_EVENTS + 1):
        add_event(database, number, "f" * 64, b'{"action": "opened"}')
    add_event(database, 90, "f" * 64, b"", body_sha256="0" * 64)
    add_event(database, 91, "f" * 64, b"{}", spam="honeypot")
    result = try_text(admin, explain=True)["result"]
    found = result["explanations"]
    assert (len(found), result["explanations_complete"]) == (MAX_EXPLAINED_EVENTS, False)
    assert found[0]["event_id"] == id_of(91) and "marked as spam" in found[0]["problem"]
    assert id_of(90) not in [one["event_id"] for one in found]
    few = try_text(admin, explain=True, ids=[id_of(1)])["result"]
    assert (len(few["explanations"]), few["explanations_complete"]) == (1, True)
    wrong = try_text(admin, explain=True, text=ROUTES + "routs: []\n")["result"]
    assert (wrong["explanations"], wrong["explanations_complete"]) == ([], True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ids": ["x"], "filters": {}}, "/filters"),
        ({"ids": ["x"], "limit": 1}, "/limit"),
        ({"ids": ["evt_none"]}, "/ids"),
        ({"filters": {"sourc": "x"}}, "/filters/sourc"),
        ({"filters": {"source": "githup"}}, "/filters/source"),
        ({"limit": 10_001}, "/limit"),
        ({"against": "later"}, "/against"),
        ({"against": "now", "against_text": "x"}, "/against_text"),
        ({"against_files": {"a.json": "{}"}}, "/against_files"),
        ({"text": None}, "/text"),
        ({"explain": "yes"}, "/explain"),
    ],
    ids=str,
)
def test_a_wrong_body_is_refused(admin: AdminClient, body: dict[str, Any], pointer: str) -> None:
    answer = begin(admin, **body)
    assert answer.status_code == 400
    assert pointer in [one["pointer"] for one in answer.get_json()["errors"]]


def test_each_endpoint_wants_the_scope_bodies(admin: AdminClient) -> None:
    for method, path in (("POST", "/trials"), ("GET", "/trials/trl_x")):
        for scopes in ((Scope.READ,), (Scope.READ, Scope.ACT)):
            body = {"text": ""} if method == "POST" else None
            answer = admin.send(method, path, body=body, scopes=scopes)
            assert answer.status_code == 403
    assert admin.get("/trials/trl_x", scopes=READER).status_code == 404
    assert admin.get("/trials/..%2Froutes.yaml", scopes=READER).status_code == 404


@in_process
def test_another_configuration_to_compare_with(admin: AdminClient, database: Database) -> None:
    assert try_text(admin, text=ROUTES)["result"]["summary"]["changed"] == 0
    same = try_text(admin, against_text=CHANGED)["result"]
    assert (same["summary"]["same"], same["summary"]["changed"]) == (2, 0)
    add_event(database, 3, "f" * 64, b'{"action": "opened", "title": "t3"}')
    then = try_text(admin, against="then")["result"]
    assert then["skipped"] == {"no_config": 1} and then["summary"]["changed"] == 2


@in_process
def test_a_text_that_cannot_be_used_has_its_problems(admin: AdminClient) -> None:
    for body, file in (
        ({"text": ROUTES + "routs: []\n"}, "routes.yaml"),
        ({"against_text": ROUTES + "routs: []\n"}, "against.yaml"),
    ):
        shape = try_text(admin, **body)
        assert shape["state"] == "done" and shape["result"]["events"] == 0
        [problem] = shape["result"]["problems"]
        assert (problem["file"], problem["line"]) == (file, 10)


@pytest.fixture
def with_files(database: Database, tmp_path: Path) -> AdminClient:
    """A bridge whose routes.yaml names a schema and includes a file, with other files beside."""
    texts = {
        "routes.yaml": f"{ROUTES}    payload_schema: schemas/used.json\ninclude: more.yaml\n",
        "more.yaml": "sources: {more: {provider: github, secret: written-here}}\n",
        "schemas/used.json": "{}",
        "schemas/other.json": '{"required": ["confidential"], "enum": ["confidential"]}',
        "other.yaml": "confidential: 1\n",
        ".hidden.json": '{"required": ["confidential"]}',
    }
    for name, text in texts.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    (tmp_path / "linked.json").symlink_to(tmp_path / "schemas" / "used.json")
    config = load(tmp_path / "routes.yaml", {"S": "s" * 40})
    configs.remember_config(database, config.hash, config.canonical, time.time())
    add_event(database, 1, config.hash, b'{"action": "opened", "title": "t"}')
    return AdminClient(database, tmp_path, config)


@in_process
def test_files_are_those_of_the_request_and_of_the_configuration_in_use(
    with_files: AdminClient,
) -> None:
    text = CHANGED.replace("    flow:", "    payload_schema: FILE\n    flow:")
    used = text.replace("FILE", "schemas/used.json") + "include: more.yaml\n"
    assert try_text(with_files, text=used)["result"]["problems"] == []
    assert try_text(with_files, text=used)["result"]["summary"]["dead"] == 0
    sent = {"schemas/used.json": '{"required": ["nothing"]}'}
    assert try_text(with_files, text=used, files=sent)["result"]["summary"]["dead"] == 1
    names = ("schemas/other.json", ".hidden.json", "linked.json", "../x.json", "data/x.json")
    for other in (
        *(text.replace("FILE", name) for name in names),
        f"{CHANGED}include: other.yaml\n",
    ):
        answer = try_text(with_files, text=other)
        [problem] = answer["result"]["problems"]
        assert "confidential" not in str(answer), other
        if "../" not in other:
            assert "those of the configuration in use" in problem["message"], other


@in_process
def test_no_value_of_the_environment_is_missing(
    admin: AdminClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S", "the secret of this process")
    (tmp_path / "key").write_text("the secret of a file")
    verify = 'verify: {header: "${env:H}"}, secret: "${file:key}"'
    text = CHANGED.replace("sources: {", f"sources: {{crm: {{provider: token, {verify}}}, ")
    shape = try_text(admin, text=text)
    assert shape["result"]["summary"]["changed"] == 2, shape
    assert "secret of" not in str(shape)


@in_process
def test_spam_and_deleted_events_are_counted_apart(admin: AdminClient, database: Database) -> None:
    add_event(database, 4, "f" * 64, b"{}", spam="honeypot")
    assert try_text(admin)["result"]["skipped"] == {"spam": 1}


@in_process
def test_one_trial_at_once(
    admin: AdminClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    whole = background.evaluate_request

    def wait(*arguments: Any) -> Any:
        goes_on.wait(60)
        return whole(*arguments)

    monkeypatch.setattr(background, "evaluate_request", wait)
    first = begin(admin).get_json()
    second = begin(admin)
    assert second.status_code == 503 and int(second.headers["Retry-After"]) > 0
    assert admin.get(f"/trials/{first['id']}", scopes=READER).get_json()["state"] == "running"
    goes_on.set()
    assert wait_for(admin, first["id"])["state"] == "done"
    until = time.monotonic() + 60
    while begin(admin).status_code == 503:
        assert time.monotonic() < until


@pytest.mark.usefixtures("new_processes")
def test_a_failure_is_told(admin: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRAM", "raise SystemExit(9)")
    shape = try_text(admin)
    assert (shape["state"], shape["result"]) == ("failed", None)
    assert shape["error"] == "the process ended without a result"
