"""The local platform's reading calls, exact paths, and the form of errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from local_platform import AUTH, BEARER, CREATED, NOW, USER, Local

from bridge.core.local_runs import LocalState
from bridge.flows.ids import workbook_id
from bridge.store.db.database import Database
from bridge.web.flow_api.routes import ENDPOINTS

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
READY = workbook_id("ready-made")
FILE = workbook_id("flows.py")


@pytest.fixture
def local(sqlite: Database, tmp_path: Path) -> Local:
    return Local(sqlite, tmp_path)


# -- one run


def test_a_run_is_told_in_the_platforms_words(database: Database, tmp_path: Path) -> None:
    local = Local(database, tmp_path)
    local.keep(id="done")
    local.keep(id="failed", saved_item_id="fail")
    queued = {
        "run_id": "done",
        "user_id": USER,
        "saved_item_id": "echo",
        "state": "QUEUED",
        "outputs": {},
        "log": [],
        "created_ts": CREATED,
        "finished_ts": None,
    }
    assert local.get("get_pl_run", {"run_id": "done"}).json == queued
    local.claim()
    assert local.get("get_pl_run", {"run_id": "done"}).json == {**queued, "state": "RUNNING"}
    local.end("done", outputs={"a": "ü", "n": [1, None]}, log=("one", "\x1b[34mtwo\x1b[0m"))
    ended = {
        "state": "DONE",
        "outputs": {"a": "ü", "n": [1, None]},
        "log": ["one", "\x1b[34mtwo\x1b[0m"],
    }
    assert local.get("get_pl_run", {"run_id": "done"}).json == {
        **queued,
        **ended,
        "finished_ts": "2023-11-19T18:06:32.102786+00:00",
    }
    local.end("failed", LocalState.FAILED, log=("no",))
    report = local.get("get_pl_run", {"run_id": "failed", "project_id": "p"}).json
    assert (report["state"], report["outputs"], report["log"]) == ("FAILED", {}, ["no"])


def test_outputs_may_nest_as_deep_as_the_store_keeps_them(local: Local) -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    local.keep(id="deep")
    local.end("deep", outputs={"deep": deep, "int": 2**53 + 1})
    report = local.get("get_pl_run", {"run_id": "deep"})
    assert report.status_code == 200 and report.json["outputs"] == {"deep": deep, "int": 2**53 + 1}


def test_a_time_has_microseconds_even_where_they_are_none(local: Local) -> None:
    local.keep(id="whole", created_at=1700000000.0)
    assert (
        local.get("get_pl_run", {"run_id": "whole"}).json["created_ts"]
        == "2023-11-14T22:13:20.000000+00:00"
    )
    assert TIMESTAMP.fullmatch(
        local.get("get_pl_run", {"run_id": local.started({"saved_item_id": "echo"}).id}).json[
            "created_ts"
        ]
    )


# -- flows


def test_flows_and_their_inputs_are_listed(database: Database, tmp_path: Path) -> None:
    local = Local(database, tmp_path)
    items = local.get("list_saved_items").json["saved_items"]
    assert [one["saved_item_id"] for one in items] == ["echo", "fail", "greet", "hook", "parse"]
    greet = {
        "saved_item_id": "greet",
        "name": "greet",
        "description": "Greets someone.",
        "created_ts": CREATED,
    }
    assert items[2] == greet
    books = local.get("list_workbooks").json["workbooks"]
    assert [
        (one["workbook_id"], one["name"], one["created_ts"], len(one["saved_items"]))
        for one in books
    ] == [
        (FILE, "flows.py", CREATED, 3),
        (READY, "ready-made", CREATED, 2),
    ]
    assert books[0]["saved_items"][0] == greet and all(one["description"] for one in books)
    assert set(books[0]) == {"workbook_id", "name", "description", "created_ts", "saved_items"}
    assert local.get("get_inputs", {"saved_item_id": "greet"}).json == {
        "inputs": [
            {"name": "name", "data_type": "string", "description": "str, required"},
            {"name": "greeting", "data_type": "string", "description": "str, default 'Hello'"},
        ]
    }
    kinds = {"hook": "string", "parse": "file"}
    for flow, data_type in kinds.items():
        assert [
            one["data_type"]
            for one in local.get("get_inputs", {"saved_item_id": flow}).json["inputs"]
        ] == [data_type]
    echo = local.get("get_inputs", {"saved_item_id": "echo"}).json
    assert echo == {"inputs": [], "takes_any": True}


def test_the_start_names_the_workbook_that_is_listed(local: Local) -> None:
    assert local.start({"saved_item_id": "greet"}).json["workbook_id"] == FILE
    assert local.start({"saved_item_id": "echo"}).json["workbook_id"] == READY


def test_the_ten_newest_runs_of_each_flow(database: Database, tmp_path: Path) -> None:
    local = Local(database, tmp_path)
    for number in range(12):
        local.keep(id=f"echo-{number}", created_at=NOW + number)
    local.keep(id="greet-0", saved_item_id="greet")
    local.keep(id="other-0", user_id="other")
    local.end("echo-11", outputs={"a": 1}, log=("x",))
    listed = local.get("get_plrun_saved_item_map", {"saved_item_id": "echo"}).json
    assert list(listed) == ["echo"] and [one["run_id"] for one in listed["echo"]] == [
        f"echo-{number}" for number in range(11, 1, -1)
    ]
    newest = listed["echo"][0]
    assert newest == {
        "run_id": "echo-11",
        "saved_item_id": "echo",
        "state": "DONE",
        "outputs": {"a": 1},
        "created_ts": "2023-11-19T18:06:42.102786+00:00",
        "finished_ts": "2023-11-19T18:06:32.102786+00:00",
    }
    book = local.get("get_plrun_saved_item_map", {"workbook_id": FILE}).json
    assert {flow: [one["run_id"] for one in runs] for flow, runs in book.items()} == {
        "greet": ["greet-0"],
        "hook": [],
        "parse": [],
    }
    both = local.get(
        "get_plrun_saved_item_map", {"workbook_id": FILE, "saved_item_id": "greet"}
    ).json
    assert [one["run_id"] for one in both["greet"]] == ["greet-0"]


# -- what is asked wrongly

WRONG: list[tuple[str, dict[str, Any], int, str]] = [
    ("get_pl_run", {}, 400, "missing_parameter"),
    ("get_pl_run", {"run_id": ""}, 400, "invalid_parameter"),
    ("get_pl_run", {"run_id": ["a", "b"]}, 400, "conflicting_parameters"),
    ("get_pl_run", {"run_id": "x\0y"}, 400, "invalid_parameter"),
    ("get_pl_run", {"run_id": "x" * 1001}, 400, "invalid_parameter"),
    ("get_pl_run", {"run_id": "no-such"}, 404, "run_not_found"),
    ("get_pl_run", {"run_id": "' OR 1=1 --"}, 404, "run_not_found"),
    ("get_inputs", {}, 400, "missing_parameter"),
    ("get_inputs", {"saved_item_id": "no-such"}, 404, "unknown_flow"),
    ("get_plrun_saved_item_map", {}, 400, "missing_parameter"),
    ("get_plrun_saved_item_map", {"saved_item_id": "no-such"}, 404, "unknown_flow"),
    ("get_plrun_saved_item_map", {"workbook_id": "no-such"}, 404, "workbook_not_found"),
    (
        "get_plrun_saved_item_map",
        {"workbook_id": READY, "saved_item_id": "greet"},
        404,
        "workbook_not_found",
    ),
]


@pytest.mark.parametrize(("path", "query", "status", "code"), WRONG)
def test_errors_of_the_reading_calls(
    local: Local, path: str, query: Any, status: int, code: str
) -> None:
    answer = local.get(path, query)
    assert (answer.status_code, answer.json["error"]) == (status, code) and set(answer.json) == {
        "error",
        "message",
    }


def test_another_users_run_is_none(local: Local) -> None:
    run = local.keep(user_id="other")
    answer = local.get("get_pl_run", {"run_id": run.id})
    assert (answer.status_code, answer.json["error"]) == (404, "run_not_found")


# -- paths and methods


@pytest.mark.parametrize("path", [one.path for one in ENDPOINTS])
def test_paths_are_exact_and_nothing_is_redirected(local: Local, path: str) -> None:
    allowed = next(one.methods for one in ENDPOINTS if one.path == path)
    for other in (
        f"{path}/",
        f"{path}//",
        f"/{path}",
        path.upper(),
        f"{path}.json",
        f"{path}/x",
        f"x/../{path}",
    ):
        for method in ("GET", "POST"):
            answer = local.client.open(f"/api/v1/{other}", method=method, headers=AUTH)
            assert (answer.status_code, answer.json) == (
                404,
                {"error": "not_found", "message": "no such resource"},
            ), other
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        answer = local.client.open(f"/api/v1/{path}", method=method, headers=AUTH)
        assert (answer.status_code == 405) == (method not in allowed), method
        if answer.status_code == 405:
            assert {one.strip() for one in answer.headers["Allow"].split(",")} == set(allowed)
            assert method == "HEAD" or answer.json["error"] == "method_not_allowed"


def test_head_is_answered_as_get_is_without_a_body(local: Local) -> None:
    for path, status in (("list_saved_items", 200), ("get_pl_run", 400), ("no-such", 404)):
        answer = local.client.head(
            f"/api/v1/{path}", query_string={"user_id": USER}, headers=BEARER
        )
        assert (answer.status_code, answer.data, answer.mimetype) == (
            status,
            b"",
            "application/json",
        )


def test_a_content_type_without_a_body_is_no_matter(local: Local) -> None:
    headers = {**BEARER, "Content-Type": "application/json"}
    assert local.get("list_saved_items", headers=headers).status_code == 200


def test_without_a_local_platform_there_is_nothing(local: Local) -> None:
    local.set(type="gumloop")
    for path in (*(one.path for one in ENDPOINTS), "openapi.json"):
        method = (
            "GET"
            if path == "openapi.json"
            else next(one.methods[0] for one in ENDPOINTS if one.path == path)
        )
        answer = local.client.open(f"/api/v1/{path}", method=method, headers=AUTH)
        assert (answer.status_code, answer.json["error"]) == (404, "not_found")
