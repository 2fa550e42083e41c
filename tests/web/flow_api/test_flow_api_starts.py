"""start_pipeline and kill_pipeline of the local platform: every documented form of a start, and
what must start nothing.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from local_platform import AUTH, BEARER, KEY, USER, Local, key
from records import make_local_run

from bridge.core.local_runs import LocalState
from bridge.flows.ids import ALPHABET, workbook_id
from bridge.store.db.database import Database

MIB = 1024 * 1024


@pytest.fixture
def local(sqlite: Database, tmp_path: Path) -> Local:
    return Local(sqlite, tmp_path)


def test_a_start_is_answered_with_all_four_fields_and_is_kept(
    database: Database, tmp_path: Path
) -> None:
    local = Local(database, tmp_path)
    answer = local.start(
        {"saved_item_id": "echo", "user_id": USER, "title": "hi", "n": [1], "null": None}
    )
    assert (
        answer.status_code == 200
        and answer.mimetype == "application/json"
        and answer.headers["Cache-Control"] == "no-store"
    )
    assert set(answer.json) == {"run_id", "saved_item_id", "workbook_id", "url"}
    assert all(isinstance(value, str) and value for value in answer.json.values())
    assert (
        answer.json["saved_item_id"] == "echo"
        and f"run_id={answer.json['run_id']}&flow_id=echo" in answer.json["url"]
    )
    for one in (answer.json["run_id"], answer.json["workbook_id"]):
        assert len(one) == 22 and set(one) <= set(ALPHABET)
    run = local.runs.get(answer.json["run_id"])
    assert run is not None and (run.saved_item_id, run.user_id, run.state) == (
        "echo",
        USER,
        LocalState.QUEUED,
    )
    assert json.loads(run.inputs) == {"title": "hi", "n": [1], "null": None}, "ids are no inputs"
    assert run.body is None and local.rung == 1, "the worker is woken"


def test_the_url_of_a_run_is_empty_where_no_console_answers_it(
    sqlite: Database, tmp_path: Path
) -> None:
    """A proxy reaches the API alone."""
    local = Local(sqlite, tmp_path, expose=frozenset({"api"}))
    answer = local.start({"saved_item_id": "echo"}, headers=AUTH | {"X-Forwarded-For": "192.0.2.7"})
    assert (answer.status_code, answer.json["url"]) == (200, "")
    assert local.start({"saved_item_id": "echo"}).json["url"] != ""


def test_a_workbooks_id_follows_from_its_name() -> None:
    assert workbook_id("flows.py") == workbook_id("flows.py") != workbook_id("ready-made")
    assert workbook_id("ready-made") == "EYJ4udE2K9Yoc2evMiiZMa", "and is the same for ever"


# -- the forms of a start

LISTED = [{"input_name": "a", "value": [1]}, {"input_name": "b"}]
FORMS: list[tuple[Any, dict[str, Any], Any]] = [
    ({"saved_item_id": "echo", "a": 1, "c": {"d": None}}, {}, {"a": 1, "c": {"d": None}}),
    ({"a": 1}, {"saved_item_id": "echo", "user_id": USER}, {"a": 1}),
    ({"a": 1, "saved_item_id": "echo"}, {"saved_item_id": "echo"}, {"a": 1}),
    (
        {"saved_item_id": "echo", "pipeline_inputs": LISTED, "a": 2, "c": 3},
        {},
        {"a": [1], "b": None, "c": 3},
    ),
    ({"saved_item_id": "echo", "pipeline_inputs": json.dumps(LISTED)}, {}, {"a": [1], "b": None}),
    (
        {"c": 1},
        {"saved_item_id": "echo", "pipeline_inputs": json.dumps(LISTED)},
        {"a": [1], "b": None, "c": 1},
    ),
    (
        {"saved_item_id": "echo", "pipeline_inputs": None, "project_id": None, "api_key": "x"},
        {},
        {},
    ),
    ({"saved_item_id": "echo", "pipeline_inputs": []}, {}, {}),
    (
        {"saved_item_id": "echo", "": 1, "ключ": "значение", "\0": "\0"},
        {},
        {"": 1, "ключ": "значение", "\0": "\0"},
    ),
    (b"", {"saved_item_id": "echo"}, {}),
    (b" \n", {"saved_item_id": "echo"}, {}),
    ([1, 2], {"saved_item_id": "echo"}, {"body": [1, 2]}),
    ("t", {"saved_item_id": "echo"}, {"body": "t"}),
    (b"null", {"saved_item_id": "echo"}, {"body": None}),
    ({"saved_item_id": "echo", "project_id": "p"}, {"project_id": "p"}, {}),
    (b'{"saved_item_id":"echo","n":18446744073709551615}', {}, {"n": 18446744073709551615}),
    (b'{"saved_item_id":"echo","a":1,"a":2}', {}, {"a": 2}),
]


@pytest.mark.parametrize(("body", "query", "inputs"), FORMS)
def test_every_form_of_a_start(local: Local, body: Any, query: Any, inputs: Any) -> None:
    assert local.inputs(body, query) == inputs


def test_a_start_by_get_takes_everything_from_the_query(local: Local) -> None:
    query = {
        "saved_item_id": "echo",
        "title": "hi there",
        "pipeline_inputs": json.dumps(LISTED),
        "project_id": "p",
        "api_key": KEY,
    }
    answer = local.get("start_pipeline", query, headers={})
    run = local.runs.get(answer.json["run_id"])
    assert (
        answer.status_code == 200
        and run
        and json.loads(run.inputs) == {"title": "hi there", "a": [1], "b": None}
    )
    for query in (
        {},
        {"saved_item_id": "echo", "a": ["1", "2"]},
        {"saved_item_id": "echo", "pipeline_inputs": "[nope"},
    ):
        assert local.get("start_pipeline", query).status_code == 400
    assert (
        local.client.head(
            f"/api/v1/start_pipeline?saved_item_id=echo&user_id={USER}", headers=BEARER
        ).status_code
        == 405
    )
    assert local.count() == 1, "a HEAD starts nothing"


def test_the_whole_body_is_kept_as_it_came_where_the_flow_wants_it(local: Local) -> None:
    raw = '{"saved_item_id": "hook",  "text": "ü\\u0000", "a": 1,\n "a": 2}'.encode()
    assert local.started(raw).body == raw.decode()
    assert local.started(b'[1,  "x"]', {"saved_item_id": "hook"}).body == '[1,  "x"]'
    assert local.started(b"", {"saved_item_id": "hook"}).body == ""
    answer = local.get("start_pipeline", {"saved_item_id": "hook", "a": "1"})
    run = local.runs.get(answer.json["run_id"])
    assert run and json.loads(run.body or "") == {"a": "1"}
    assert local.started(raw.replace(b"hook", b"echo")).body is None


# -- what starts nothing

WRONG: list[tuple[Any, dict[str, Any], str]] = [
    ({}, {}, "missing_parameter"),
    (b"", {}, "missing_parameter"),
    ([1], {}, "missing_parameter"),
    ({"saved_item_id": None}, {}, "missing_parameter"),
    (b"{", {}, "invalid_json"),
    (b"a=b", {"saved_item_id": "echo"}, "invalid_json"),
    (b'{"saved_item_id":"echo","x":"\xff\xfe"}', {}, "invalid_json"),
    (b'{"saved_item_id":"echo","x":"\\ud800"}', {}, "invalid_json"),
    (b"\xef\xbb\xbf{}", {"saved_item_id": "echo"}, "invalid_json"),
    (b'{"saved_item_id":"echo","x":NaN}', {}, "invalid_json"),
    (b'{"saved_item_id":"echo","x":1e999}', {}, "invalid_json"),
    (b'{"saved_item_id":"echo","x":' + b"1" * 5000 + b"}", {}, "invalid_json"),
    (b'{"saved_item_id":"echo","x":' + b"[" * 300 + b"]" * 300 + b"}", {}, "invalid_json"),
    (
        b'{"saved_item_id":"echo","x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        {},
        "invalid_json",
    ),
    (b'{"a":' * 500_000, {"saved_item_id": "echo"}, "invalid_json"),
    ({"saved_item_id": "no-such"}, {}, "unknown_flow"),
    ({"saved_item_id": "no-such" * 1000}, {}, "invalid_parameter"),
    ({"saved_item_id": 7}, {}, "invalid_parameter"),
    ({"saved_item_id": ["echo"]}, {}, "invalid_parameter"),
    ({"saved_item_id": ""}, {}, "invalid_parameter"),
    ({"saved_item_id": "echo\0"}, {}, "invalid_parameter"),
    ({}, {"saved_item_id": ""}, "invalid_parameter"),
    ({}, {"saved_item_id": ["echo", "fail"]}, "conflicting_parameters"),
    ({"saved_item_id": "echo"}, {"saved_item_id": "fail"}, "conflicting_parameters"),
    ({"saved_item_id": "echo", "project_id": "a"}, {"project_id": "b"}, "conflicting_parameters"),
    ({"saved_item_id": "echo", "project_id": 5}, {}, "invalid_parameter"),
    ({"saved_item_id": "echo", "pipeline_inputs": {"a": 1}}, {}, "invalid_parameter"),
    ({"saved_item_id": "echo", "pipeline_inputs": [{"name": "a"}]}, {}, "invalid_parameter"),
    ({"saved_item_id": "echo", "pipeline_inputs": ["a"]}, {}, "invalid_parameter"),
    ({"saved_item_id": "echo", "pipeline_inputs": "[nope"}, {}, "invalid_parameter"),
    (
        {"saved_item_id": "echo", "pipeline_inputs": []},
        {"pipeline_inputs": "[]"},
        "conflicting_parameters",
    ),
]


@pytest.mark.parametrize(("body", "query", "code"), WRONG)
def test_what_cannot_be_started_is_400_and_leaves_no_run(
    local: Local, body: Any, query: Any, code: str
) -> None:
    answer = local.start(body, query)
    assert (answer.status_code, answer.json["error"]) == (400, code)
    assert set(answer.json) == {"error", "message"} and len(answer.json["message"]) < 300
    assert local.count() == 0


def test_a_body_over_5_mib_is_413(local: Local) -> None:
    fits = {"saved_item_id": "echo", "x": "x" * (5 * MIB - 100)}
    assert local.start(fits).status_code == 200
    answer = local.start({**fits, "y": "y" * 200})
    assert (answer.status_code, answer.json["error"]) == (413, "too_large") and local.count() == 1


def test_a_store_that_fails_is_503_and_says_nothing_of_why(local: Local) -> None:
    with local.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE local_run")
    answer = local.start({"saved_item_id": "echo"})
    assert (answer.status_code, answer.json["error"], answer.headers["Retry-After"]) == (
        503,
        "unavailable",
        "1",
    )
    assert b"local_run" not in answer.data


# -- the same start again


def test_the_same_idempotency_key_is_the_same_run_for_ever(
    database: Database, tmp_path: Path
) -> None:
    local = Local(database, tmp_path)

    def start(key: str, body: Any) -> Any:
        return local.start(body, headers={**AUTH, "Idempotency-Key": key})

    first = start("dlv_1", {"saved_item_id": "echo", "a": 1}).json
    local.end(first["run_id"])
    for flow, a in (("echo", 1), ("echo", 2), ("greet", 1), ("gone", 1)):
        assert start("dlv_1", {"saved_item_id": flow, "a": a}).json == first, (
            "whatever its body, even where the flow is no longer there"
        )
    assert start("dlv_2", {"saved_item_id": "echo"}).json["run_id"] != first["run_id"]
    assert local.count() == 2
    assert start("x" * 255, {"saved_item_id": "echo"}).status_code == 200
    assert start("x" * 256, {"saved_item_id": "echo"}).status_code == 400
    assert start("dlv_3", {"saved_item_id": "gone"}).status_code == 400


def test_many_starts_with_one_key_at_once_are_one_run(database: Database, tmp_path: Path) -> None:
    local = Local(database, tmp_path)
    ids = []
    headers = {**AUTH, "Idempotency-Key": "k"}

    def start() -> None:
        ids.append(
            local.app.test_client().post(
                "/api/v1/start_pipeline", json={"saved_item_id": "echo"}, headers=headers
            )
        )

    threads = [threading.Thread(target=start) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (
        [one.status_code for one in ids] == [200] * 16
        and len({one.json["run_id"] for one in ids}) == 1
        and local.count() == 1
    )


def test_an_idempotency_key_belongs_to_its_user(local: Local) -> None:
    local.set(keys=(key("web", "web-key", "web"), key("other", "other-key", "other")))
    ids = set()
    for secret, user in ((KEY, USER), ("web-key", "web"), ("other-key", "other")):
        headers = {
            "Authorization": f"Bearer {secret}",
            "x-auth-key": user,
            "Idempotency-Key": "same",
        }
        first, again = (
            local.start({"saved_item_id": "echo"}, headers=headers).json["run_id"] for _ in range(2)
        )
        assert first == again
        ids.add(first)
    assert len(ids) == 3
    forged = local.start(
        {"saved_item_id": "echo"}, headers={**AUTH, "Idempotency-Key": "web same"}
    ).json["run_id"]
    assert forged not in ids


def test_idempotency_keys_are_apart_per_api_key(local: Local) -> None:
    local.set(
        keys=(
            key("one", "one-key"),
            key("two", "two-key"),
            key("built-in", "named-so"),
            key("web", "web-key", "web"),
            key("app", "app-key", "web"),
        )
    )
    ids = set()
    for secret, user in (
        (KEY, USER),
        ("one-key", USER),
        ("two-key", USER),
        ("named-so", USER),
        ("web-key", "web"),
        ("app-key", "web"),
    ):
        headers = {
            "Authorization": f"Bearer {secret}",
            "x-auth-key": user,
            "Idempotency-Key": "same",
        }
        first, again = (
            local.start({"saved_item_id": "echo"}, headers=headers).json["run_id"] for _ in range(2)
        )
        assert first == again
        ids.add(first)
    assert len(ids) == 6


DELIVERY = "dlv_01jd2xq4y8c9m3n5p7r9t1v3w5abcdefgh"


@pytest.mark.parametrize(
    ("secret", "user", "stored", "sent", "is_found"),
    [
        (KEY, USER, DELIVERY, DELIVERY, True),
        (KEY, USER, f"{DELIVERY}~2", f"{DELIVERY}~2", True),
        ("one-key", USER, DELIVERY, DELIVERY, True),
        ("one-key", USER, f"{DELIVERY}~2", f"{DELIVERY}~2", True),
        ("web-key", "web", f"web\n{DELIVERY}", DELIVERY, True),
        ("web-key", "web", "web\nany", "any", True),
        # the built-in key uses the bare name space to this day
        ("one-key", USER, "any", "any", False),
        ("web-key", "web", DELIVERY, DELIVERY, False),
    ],
)
def test_a_start_that_an_earlier_version_took_is_the_same_run_after_the_upgrade(
    database: Database,
    tmp_path: Path,
    secret: str,
    user: str,
    stored: str,
    sent: str,
    is_found: bool,
) -> None:
    local = Local(database, tmp_path)
    local.set(keys=(key("one", "one-key"), key("web", "web-key", "web")))
    owner = "web" if stored.startswith("web") else USER
    local.runs.start(
        make_local_run(id="old", user_id=owner, inputs='{"a":1}', idempotency_key=stored)
    )
    headers = {"Authorization": f"Bearer {secret}", "x-auth-key": user, "Idempotency-Key": sent}
    first = local.start({"saved_item_id": "echo", "a": 1}, headers=headers).json["run_id"]
    assert (first == "old") is is_found
    assert local.start({"saved_item_id": "echo", "a": 1}, headers=headers).json["run_id"] == first
    assert local.count() == (1 if is_found else 2)
    if secret != KEY:
        other = local.start({"saved_item_id": "echo", "a": 2}, headers=headers).json["run_id"]
        assert (other == first) is not is_found, (
            "of a shared key the whole start has to be the same"
        )


# -- the cap


def test_overflow_reject_answers_429_at_the_cap_and_queue_never(
    database: Database, tmp_path: Path
) -> None:
    local = Local(database, tmp_path)
    local.set(max_concurrent_runs=2)
    assert [local.start({"saved_item_id": "echo"}).status_code for _ in range(4)] == [200] * 4
    for run_id in local.claim():
        local.end(run_id)
    local.set(overflow="reject")
    known = {**AUTH, "Idempotency-Key": "k"}
    first = local.started({"saved_item_id": "echo"}, headers=known)
    second = local.started({"saved_item_id": "echo"})
    full = local.start({"saved_item_id": "echo"})
    assert (full.status_code, full.json["error"]) == (
        429,
        "rate_limit",
    ) and "at most 2" in full.json["message"]
    assert (
        local.start(
            {"saved_item_id": "echo"}, headers={**AUTH, "Idempotency-Key": "new"}
        ).status_code
        == 429
    )
    assert local.started({"saved_item_id": "echo"}, headers=known).id == first.id, (
        "a known start is no new one"
    )
    local.claim()
    assert local.start({"saved_item_id": "echo"}).status_code == 429, "running counts"
    local.post("kill_pipeline", {"run_id": second.id})
    assert local.start({"saved_item_id": "echo"}).status_code == 429, "and so does terminating"
    local.end(first.id)
    assert local.start({"saved_item_id": "echo"}).status_code == 200


def test_of_many_starts_at_once_no_more_than_the_cap_get_in(
    database: Database, tmp_path: Path
) -> None:
    local = Local(database, tmp_path)
    statuses = []
    local.set(max_concurrent_runs=5, overflow="reject")

    def start() -> None:
        client = local.app.test_client()
        for _ in range(5):
            statuses.append(
                client.post(
                    "/api/v1/start_pipeline", json={"saved_item_id": "echo"}, headers=AUTH
                ).status_code
            )

    threads = [threading.Thread(target=start) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(statuses) == [200] * 5 + [429] * 55 and local.count() == 5


# -- the end


def test_kill_ends_a_queued_run_at_once_and_a_running_one_soon(
    database: Database, tmp_path: Path
) -> None:
    local = Local(database, tmp_path)
    queued = local.started({"saved_item_id": "echo"})
    answer = local.post("kill_pipeline", {"run_id": queued.id, "user_id": USER})
    assert (answer.status_code, answer.json) == (200, {"success": True, "run_id": queued.id})
    ended = local.runs.get(queued.id)
    assert ended and ended.state is LocalState.TERMINATED and ended.finished_at

    running = local.started({"saved_item_id": "echo"})
    local.claim()
    rung = local.rung
    assert (
        local.post("kill_pipeline", {"run_id": running.id}).status_code == 200 and local.rung > rung
    )
    report = local.get("get_pl_run", {"run_id": running.id}).json
    assert (report["state"], report["finished_ts"], report["outputs"]) == ("TERMINATING", None, {})

    done = local.started({"saved_item_id": "echo"})
    local.end(done.id, outputs={"a": 1})
    assert local.post("kill_pipeline", {"run_id": done.id}).status_code == 200
    assert local.get("get_pl_run", {"run_id": done.id}).json["state"] == "DONE", (
        "what is over stays as it is"
    )


@pytest.mark.parametrize(
    ("body", "query", "status", "code"),
    [
        ({}, {}, 400, "missing_parameter"),
        (b"", {}, 400, "missing_parameter"),
        ({"run_id": 5}, {}, 400, "invalid_parameter"),
        ({"run_id": "a"}, {"run_id": "b"}, 400, "conflicting_parameters"),
        ([], {}, 400, "invalid_json"),
        (b"run_id=x", {}, 400, "invalid_json"),
        ({"run_id": "no-such"}, {}, 404, "run_not_found"),
        ({"run_id": "x" * 2_000_000}, {}, 413, "too_large"),
    ],
)
def test_what_cannot_be_killed(local: Local, body: Any, query: Any, status: int, code: str) -> None:
    answer = local.post("kill_pipeline", body, query)
    assert (answer.status_code, answer.json["error"]) == (status, code)


def test_another_users_run_cannot_be_killed(local: Local) -> None:
    run = local.keep(user_id="other")
    assert local.post("kill_pipeline", {"run_id": run.id}).status_code == 404
    kept = local.runs.get(run.id)
    assert kept and kept.state is LocalState.QUEUED
