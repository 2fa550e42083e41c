"""The flow API as `flowbridge serve` serves it: real flows in processes of their own, real HTTP,
files through and through.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from serving import Bridge, exchange, head, until

FLOWS = '''
import csv
from bridge.flows import File, WebhookInput, flow, save_file

@flow
def count(table: File, column: str = "a") -> dict:
    """Sums a column."""
    rows = list(csv.DictReader(table.read_text().splitlines()))
    total = sum(int(row[column]) for row in rows)
    return {"total": total, "report": save_file("report.txt", f"{column}: {total}"), "copy": save_file("copy.bin", table.read_bytes())}

@flow
def whole(payload: WebhookInput) -> dict:
    return {"payload": payload}
'''
SECRET = "a-key-of-the-website"
ROUTES = f"""
version: 1
platforms:
  local:
    type: local
    flows: flows.py
    max_concurrent_runs: 2
    keys:
      - {{name: website, hash: "sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}", user_id: web, flows: [counting, echo]}}
flows:
  counting: {{platform: local, saved_item_id: count, time_limit: 30s}}
"""
KEY = "served-key"
USER = "served-user"
HEADERS = {"Authorization": f"Bearer {KEY}", "x-auth-key": USER}
WEB = {"Authorization": f"Bearer {SECRET}", "x-auth-key": "web"}


@pytest.fixture(scope="module")
def bridge(
    edge: dict[str, str], tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "flows.py").write_text(FLOWS)
    environ = {"FLOWBRIDGE_LOCAL_API_KEY": KEY, "FLOWBRIDGE_LOCAL_USER_ID": USER, **edge}
    with Bridge(folder, routes=ROUTES, environ=environ) as bridge:
        yield bridge
        assert [one for one in bridge.log if one["event"] == "internal_error"] == []


def call(
    bridge: Bridge, path: str, body: Any, headers: dict[str, str] = HEADERS
) -> tuple[int, dict[str, str], bytes]:
    """POST as an ordinary client does, chunked answers too."""
    connection = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=60)
    try:
        connection.request("POST", f"/api/v1/{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(),
        )
    finally:
        connection.close()


def start(bridge: Bridge, body: Any, headers: dict[str, str] = HEADERS) -> str:
    status, _, answer = call(bridge, "start_pipeline", body, headers)
    assert status == 200, answer
    run_id: str = json.loads(answer)["run_id"]
    return run_id


def ended(bridge: Bridge, run_id: str, headers: dict[str, str] = HEADERS) -> Any:
    def look() -> Any:
        report = bridge.get(f"/api/v1/get_pl_run?run_id={run_id}", headers).json
        return report if report["state"] in ("DONE", "FAILED", "TERMINATED") else None

    return until(look, what="the end of the run")


def test_a_file_goes_into_a_flow_and_files_come_out(bridge: Bridge) -> None:
    table = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(100))
    upload = {"file_name": "Tabelle ü.csv", "file_content": base64.b64encode(table).decode()}
    assert call(bridge, "upload_file", upload, WEB)[0] == 200
    report = ended(
        bridge,
        run_id := start(bridge, {"saved_item_id": "count", "table": "Tabelle ü.csv"}, WEB),
        WEB,
    )
    assert (report["state"], report["outputs"]["total"]) == ("DONE", 4950), report
    status, headers, data = call(
        bridge,
        "download_file",
        {"file_name": "report.txt", "run_id": run_id, "saved_item_id": "count"},
        WEB,
    )
    assert (status, data, headers["content-type"], headers["content-length"]) == (
        200,
        b"a: 4950",
        "application/octet-stream",
        "7",
    )
    names = ["copy.bin", "report.txt", "Tabelle ü.csv"]
    status, headers, data = call(
        bridge, "download_files", {"file_names": names, "run_id": run_id}, WEB
    )
    assert status == 200 and headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None and archive.namelist() == names
        assert archive.read("copy.bin") == archive.read("Tabelle ü.csv") == table
    assert call(bridge, "download_file", {"file_name": "report.txt", "run_id": run_id})[0] == 404, (
        "another user's"
    )


def test_a_file_that_is_not_there_fails_the_run_with_that_reason(bridge: Bridge) -> None:
    report = ended(bridge, start(bridge, {"saved_item_id": "count", "table": "no-such.csv"}))
    assert report["state"] == "FAILED" and "no-such.csv" in report["log"][-1]


def test_the_whole_body_goes_into_a_flow_byte_for_byte(bridge: Bridge) -> None:
    raw = b'{"b":  1, "a": "\xc3\xbc \\u00fc",\n "b": 2}'
    answer = bridge.post("/api/v1/start_pipeline?saved_item_id=whole", raw, HEADERS)
    assert ended(bridge, answer.json["run_id"])["outputs"] == {"payload": raw.decode()}


def test_inputs_are_as_the_functions_say(bridge: Bridge) -> None:
    inputs = bridge.get("/api/v1/get_inputs?saved_item_id=count", HEADERS).json["inputs"]
    assert [(one["name"], one["data_type"]) for one in inputs] == [
        ("table", "file"),
        ("column", "string"),
    ]
    books = bridge.get("/api/v1/list_workbooks", HEADERS).json["workbooks"]
    assert sorted(one["name"] for one in books) == ["flows.py", "ready-made"]


def test_a_start_is_answered_while_runs_go_on(bridge: Bridge) -> None:
    busy = [start(bridge, {"saved_item_id": "sleep", "seconds": 3600}) for _ in range(2)]
    until(
        lambda: (
            bridge.get(f"/api/v1/get_pl_run?run_id={busy[1]}", HEADERS).json["state"] == "RUNNING"
        ),
        what="the second run",
    )
    waiting = start(bridge, {"saved_item_id": "echo"})
    states = [
        bridge.get(f"/api/v1/get_pl_run?run_id={one}", HEADERS).json["state"]
        for one in (*busy, waiting)
    ]
    assert states == [
        "RUNNING",
        "RUNNING",
        "QUEUED",
    ], "it was answered while they go on, and over the cap it waits"
    for one in busy:
        assert call(bridge, "kill_pipeline", {"run_id": one})[0] == 200
    assert [ended(bridge, one)["state"] for one in (*busy, waiting)] == [
        "TERMINATED",
        "TERMINATED",
        "DONE",
    ]


def test_a_key_of_routes_yaml_works_and_is_limited(bridge: Bridge) -> None:
    assert ended(bridge, start(bridge, {"saved_item_id": "echo", "a": 1}, WEB), WEB)["outputs"] == {
        "a": 1
    }
    assert call(bridge, "start_pipeline", {"saved_item_id": "whole"}, WEB)[0] == 403
    assert (
        call(bridge, "start_pipeline", {"saved_item_id": "echo"}, {**WEB, "x-auth-key": USER})[0]
        == 403
    )
    assert SECRET not in bridge.stderr and KEY not in bridge.stderr


def test_a_large_file_goes_there_and_back(bridge: Bridge) -> None:
    data = os.urandom(25 * 1024 * 1024)
    upload = {"file_name": "large.bin", "file_content": base64.b64encode(data).decode()}
    assert call(bridge, "upload_file", upload)[0] == 200
    run_id = start(bridge, {"saved_item_id": "echo"})
    assert call(bridge, "download_file", {"file_name": "large.bin", "run_id": run_id})[2] == data


@pytest.mark.parametrize(
    ("path", "most"), [("start_pipeline", 5), ("kill_pipeline", 1), ("upload_file", 35)]
)
def test_what_is_too_large_is_refused_unread_or_where_it_gets_too_large(
    bridge: Bridge, path: str, most: int
) -> None:
    size = most * 1024 * 1024 + 1
    declared = head("POST", f"/api/v1/{path}", {**HEADERS, "Content-Length": str(size)})
    assert exchange(bridge.port, declared).status == 413, "before a byte of it has come"
    chunked = head("POST", f"/api/v1/{path}", {**HEADERS, "Transfer-Encoding": "chunked"})
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    assert exchange(bridge.port, chunked, *[chunk] * (most + 2), b"0\r\n\r\n").status == 413


def test_a_chunked_start_is_a_start(bridge: Bridge) -> None:
    body = b'{"saved_item_id": "echo", "a": 1}'
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (20, body[:20], len(body) - 20, body[20:])
    answer = exchange(
        bridge.port,
        head("POST", "/api/v1/start_pipeline", {**HEADERS, "Transfer-Encoding": "chunked"}),
        chunks,
    )
    assert answer.status == 200 and ended(bridge, answer.json["run_id"])["outputs"] == {"a": 1}


def test_uploads_do_not_eat_the_memory(bridge: Bridge) -> None:
    """Of many large uploads at once some are told to come again, and none is lost without a
    word.
    """
    body = json.dumps(
        {"file_name": "a", "file_content": base64.b64encode(bytes(20 * 1024 * 1024)).decode()}
    ).encode()
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: bridge.post("/api/v1/upload_file", body, HEADERS), range(6))
        )
    assert {one.status for one in answers} <= {200, 503} and any(
        one.status == 200 for one in answers
    )
    assert all(one.headers.get("retry-after") for one in answers if one.status == 503)
