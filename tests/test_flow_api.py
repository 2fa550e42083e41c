"""The local platform's HTTP by the rules of the public flow API, and the store of its runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from bridge.errors import StoreError
from bridge.flows import flow, run_flow
from bridge.flows.ready import READY
from bridge.model import LocalRun, LocalState, RunResult, RunState
from bridge.web.flow_api import flow_api

USER = "local-user"
AUTH = {"Authorization": "Bearer local-key", "x-auth-key": USER}
NOW = 1700417191.102786


class Memory:
    """Runs in memory; `execute` stands for the worker."""

    def __init__(self) -> None:
        self.runs: dict[str, LocalRun] = {}
        self.broken = False

    def start(self, run: LocalRun) -> LocalRun:
        if self.broken:
            raise StoreError("disk full: secret detail")
        known = self.find(run.idempotency_key) if run.idempotency_key else None
        return known or self.runs.setdefault(run.id, run)

    def get(self, run_id: str) -> LocalRun | None:
        return self.runs.get(run_id)

    def find(self, idempotency_key: str) -> LocalRun | None:
        return next((one for one in self.runs.values() if one.idempotency_key == idempotency_key), None)

    def execute(self, tmp_path: Path) -> None:
        from dataclasses import replace

        for one in list(self.runs.values()):
            if one.state is LocalState.QUEUED:
                ended = run_flow(READY[one.saved_item_id], json.loads(one.inputs), data_dir=tmp_path)
                self.runs[one.id] = replace(one, state=ended.state, outputs=ended.outputs, log=ended.log, finished_at=NOW + 1)


@flow
def greet(name: str, greeting: str = "Hello") -> dict[str, str]:
    """Greets someone."""
    return {"text": f"{greeting}, {name}"}


@pytest.fixture
def runs() -> Memory:
    return Memory()


@pytest.fixture
def app(runs: Memory) -> Flask:
    app = Flask("test")
    app.register_blueprint(flow_api(runs, {**READY, "greet": greet}, ("local-key", USER), max_body=2000, clock=lambda: NOW))
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def start(
    client: FlaskClient,
    body: Any = None,
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Any:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return client.post(
        "/api/v1/start_pipeline", data=data, query_string=query, headers=AUTH if headers is None else headers, **options
    )


def test_a_start_is_answered_with_all_four_fields(client: FlaskClient, runs: Memory) -> None:
    answer = start(client, {"saved_item_id": "echo", "user_id": USER, "title": "hi", "n": [1], "null": None})
    assert answer.status_code == 200 and answer.mimetype == "application/json"
    assert set(answer.json) == {"run_id", "saved_item_id", "workbook_id", "url"} and all(
        isinstance(v, str) and v for v in answer.json.values()
    )
    run = runs.runs[answer.json["run_id"]]
    assert (run.saved_item_id, run.user_id, run.state, run.created_at) == ("echo", USER, LocalState.QUEUED, NOW)
    assert json.loads(run.inputs) == {"title": "hi", "n": [1], "null": None}, "ids are no inputs"


@pytest.mark.parametrize(
    ("headers", "query", "body", "status", "code"),
    [
        ({"Authorization": "Bearer local-key"}, {}, {"user_id": USER}, 200, None),
        ({"Authorization": "bearer  local-key", "x-auth-key": USER}, {}, {}, 200, None),
        ({}, {"api_key": "local-key", "user_id": USER}, {}, 200, None),
        ({}, {}, {"user_id": USER}, 401, "unauthorized"),
        ({"Authorization": "Bearer wrong", "x-auth-key": USER}, {}, {}, 401, "unauthorized"),
        ({"Authorization": "Bearer wrong", "x-auth-key": USER}, {"api_key": "local-key"}, {}, 401, "unauthorized"),
        ({"Authorization": "Bearer", "x-auth-key": USER}, {}, {}, 401, "unauthorized"),
        ({"Authorization": "Basic local-key", "x-auth-key": USER}, {}, {}, 401, "unauthorized"),
        ({"x-auth-key": USER}, {"api_key": "löcal"}, {}, 401, "unauthorized"),
        ({"Authorization": "Bearer local-key"}, {}, {}, 403, "forbidden"),
        ({"Authorization": "Bearer local-key", "x-auth-key": "other"}, {}, {}, 403, "forbidden"),
        ({"Authorization": "Bearer local-key", "x-auth-key": USER}, {}, {"user_id": "other"}, 403, "forbidden"),
        ({"Authorization": "Bearer local-key", "x-auth-key": USER}, {}, {"user_id": 7}, 403, "forbidden"),
        ({"Authorization": "Bearer local-key", "x-auth-key": USER}, {"user_id": "other"}, {}, 403, "forbidden"),
    ],
)
def test_who_may_start(client: FlaskClient, headers: Any, query: Any, body: Any, status: int, code: str | None) -> None:
    answer = start(client, {"saved_item_id": "echo", **body}, query, headers)
    assert (answer.status_code, answer.json.get("error")) == (status, code)
    assert b"local-key" not in answer.data and b"wrong" not in answer.data
    if status != 200:
        assert set(answer.json) == {"error", "message"}


@pytest.mark.parametrize(
    ("body", "query", "code"),
    [
        ({}, {}, "missing_parameter"),
        (b"", {}, "missing_parameter"),
        (b"{", {}, "invalid_json"),
        (b"a=b", {"saved_item_id": "echo"}, "invalid_json"),
        ({"saved_item_id": "no-such"}, {}, "unknown_flow"),
        ({"saved_item_id": 7}, {}, "invalid_parameter"),
        ({"saved_item_id": ""}, {}, "invalid_parameter"),
        ({"saved_item_id": "echo"}, {"saved_item_id": "fail"}, "conflicting_parameters"),
        ({"saved_item_id": "echo", "project_id": "a"}, {"project_id": "b"}, "conflicting_parameters"),
        ({"saved_item_id": "echo", "pipeline_inputs": {"a": 1}}, {}, "invalid_parameter"),
        ({"saved_item_id": "echo", "pipeline_inputs": [{"name": "a"}]}, {}, "invalid_parameter"),
        ({"saved_item_id": "echo", "pipeline_inputs": "[nope"}, {}, "invalid_parameter"),
        (b'{"saved_item_id":"echo","x":' + b"[" * 300 + b"]" * 300 + b"}", {}, "invalid_json"),
    ],
)
def test_what_cannot_be_started_is_400_and_leaves_no_run(
    client: FlaskClient, runs: Memory, body: Any, query: Any, code: str
) -> None:
    answer = start(client, body, query)
    assert (answer.status_code, answer.json["error"]) == (400, code) and runs.runs == {}


@pytest.mark.parametrize(
    ("body", "query", "inputs"),
    [
        (
            {
                "saved_item_id": "echo",
                "pipeline_inputs": [{"input_name": "a", "value": [1]}, {"input_name": "b"}],
                "a": 2,
                "c": 3,
            },
            {},
            {"a": [1], "b": None, "c": 3},
        ),
        ({"saved_item_id": "echo", "pipeline_inputs": '[{"input_name":"a","value":1}]'}, {}, {"a": 1}),
        ({"saved_item_id": "echo", "pipeline_inputs": None, "project_id": None, "api_key": "x"}, {}, {}),
        ({"a": 1}, {"saved_item_id": "echo", "pipeline_inputs": '[{"input_name":"b","value":2}]'}, {"a": 1, "b": 2}),
        ({"a": 1, "saved_item_id": "echo"}, {"saved_item_id": "echo"}, {"a": 1}),
        (b"", {"saved_item_id": "echo"}, {}),
        ([1, 2], {"saved_item_id": "echo"}, {"body": [1, 2]}),
        ("t", {"saved_item_id": "echo"}, {"body": "t"}),
    ],
)
def test_inputs_are_the_bodys_own_keys_or_a_list_and_ids_may_be_in_the_query(
    client: FlaskClient, runs: Memory, body: Any, query: Any, inputs: Any
) -> None:
    answer = start(client, body, query)
    assert answer.status_code == 200
    assert json.loads(runs.runs[answer.json["run_id"]].inputs) == inputs


def test_the_same_idempotency_key_is_the_same_run_for_ever(client: FlaskClient, runs: Memory) -> None:
    body = {"saved_item_id": "echo"}
    one, two = (start(client, body, headers={**AUTH, "Idempotency-Key": "dlv_1"}).json["run_id"] for _ in range(2))
    other, none = (
        start(client, body, headers={**AUTH, "Idempotency-Key": "dlv_2"}).json["run_id"],
        start(client, body).json["run_id"],
    )
    assert one == two and len({one, other, none}) == 3 and len(runs.runs) == 3
    gone = start(client, {"saved_item_id": "gone"}, headers={**AUTH, "Idempotency-Key": "dlv_1"})
    assert gone.json["run_id"] == one, "even where the flow is no longer there"
    assert start(client, body, headers={**AUTH, "Idempotency-Key": "x" * 256}).status_code == 400


def test_a_body_too_large_is_413_and_a_store_that_fails_is_503(client: FlaskClient, runs: Memory) -> None:
    answer = start(client, {"saved_item_id": "echo", "x": "x" * 3000})
    assert (answer.status_code, answer.json["error"]) == (413, "too_large")
    runs.broken = True
    answer = start(client, {"saved_item_id": "echo"})
    assert (answer.status_code, answer.json["error"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert b"secret detail" not in answer.data


def get(client: FlaskClient, path: str, **query: str) -> Any:
    return client.get(
        f"/api/v1/{path}", query_string=query, headers={"Authorization": "Bearer local-key", "Content-Type": "application/json"}
    )


def test_a_run_is_told_in_the_platforms_words(client: FlaskClient, runs: Memory, tmp_path: Path) -> None:
    done, failed = (start(client, {"saved_item_id": name, "message": "no"}).json["run_id"] for name in ("echo", "fail"))
    assert get(client, "get_pl_run", run_id=done, user_id=USER).json == {
        "run_id": done,
        "user_id": USER,
        "saved_item_id": "echo",
        "state": "QUEUED",
        "outputs": {},
        "log": [],
        "created_ts": "2023-11-19T18:06:31.102786+00:00",
        "finished_ts": None,
    }
    runs.execute(tmp_path)
    report = get(client, "get_pl_run", run_id=done, user_id=USER).json
    assert (report["state"], report["outputs"], report["finished_ts"]) == (
        "DONE",
        {"message": "no"},
        "2023-11-19T18:06:32.102786+00:00",
    )
    report = get(client, "get_pl_run", run_id=failed, user_id=USER, project_id="p").json
    assert (report["state"], report["outputs"], report["log"]) == ("FAILED", {}, ["no"])


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("get_pl_run", {"user_id": USER}, 400),
        ("get_pl_run", {"user_id": USER, "run_id": "no-such"}, 404),
        ("get_pl_run", {"run_id": "x"}, 403),
        ("get_pl_run", {"run_id": "x", "user_id": "other"}, 403),
        ("get_inputs", {"user_id": USER}, 400),
        ("get_inputs", {"user_id": USER, "saved_item_id": "x"}, 404),
        ("list_saved_items", {}, 403),
        ("list_saved_items/", {"user_id": USER}, 404),
        ("start_pipeline", {"user_id": USER}, 405),
    ],
)
def test_errors_of_the_reading_calls(client: FlaskClient, path: str, query: Any, status: int) -> None:
    assert get(client, path, **query).status_code == status
    assert client.get(f"/api/v1/{path}", query_string=query).status_code == (
        status if status == 405 or path.endswith("/") else 401
    )


def test_another_users_run_is_none(client: FlaskClient, runs: Memory) -> None:
    runs.runs["x"] = LocalRun(id="x", saved_item_id="echo", user_id="other", inputs="{}", state=LocalState.QUEUED, created_at=NOW)
    assert get(client, "get_pl_run", run_id="x", user_id=USER).status_code == 404


def test_flows_and_their_inputs_are_listed(client: FlaskClient) -> None:
    items = get(client, "list_saved_items", user_id=USER).json["saved_items"]
    assert [one["saved_item_id"] for one in items] == ["append_jsonl", "echo", "fail", "greet", "sleep"]
    assert items[3] == {
        "saved_item_id": "greet",
        "name": "greet",
        "description": "Greets someone.",
        "created_ts": "2023-11-19T18:06:31.102786+00:00",
    }
    assert get(client, "get_inputs", user_id=USER, saved_item_id="greet").json == {
        "inputs": [
            {"name": "name", "data_type": "string", "description": "str, required"},
            {"name": "greeting", "data_type": "string", "description": "str, default 'Hello'"},
        ]
    }


# -- the official client, and the store --------------------------------------------------------------------------------


@pytest.fixture
def served(app: Flask, runs: Memory, tmp_path: Path) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    ending = threading.Event()

    def work() -> None:
        while not ending.wait(0.01):
            runs.execute(tmp_path)

    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}), threading.Thread(target=work)]
    for one in threads:
        one.start()
    yield f"http://127.0.0.1:{server.port}/api/v1"
    ending.set()
    server.shutdown()
    for one in threads:
        one.join()
    server.server_close()


def test_our_own_local_platform_speaks_it(served: str) -> None:
    from test_platforms import delivery

    from bridge.model import Answer, Kind
    from bridge.platforms import PLATFORMS
    from bridge.routes import Platform
    from bridge.send import Sender

    row, sender = PLATFORMS["local"], Sender()
    platform = Platform(name="local", type="local", base_url=served, api_key="local-key", user_id=USER)
    starts = [sender.send(row.build_start(platform, delivery({"a": "ü"}, saved_item_id="echo")), 5) for _ in range(2)]
    outcomes = [row.read_start(one, NOW) for one in starts if isinstance(one, Answer)]
    assert [one.kind for one in outcomes] == [Kind.STARTED] * 2 and outcomes[0].run_id == outcomes[1].run_id
    assert row.build_run and row.read_run
    for _ in range(500):
        answer = sender.send(row.build_run(platform, outcomes[0].run_id or ""), 5)
        assert isinstance(answer, Answer)
        report = row.read_run(answer)
        if report.state is RunState.DONE:
            break
    assert report.outputs == {"a": "ü"} and report.created_at == NOW and report.finished_at == NOW + 1
    whole = sender.send(row.build_start(platform, delivery([1], saved_item_id="echo", whole_body=True, id="other")), 5)
    assert isinstance(whole, Answer) and row.read_start(whole, NOW).kind is Kind.STARTED
    sender.close()


def test_the_official_client_runs_flows_here(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gumloop = pytest.importorskip("gumloop")
    import httpx

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.warns(DeprecationWarning):
        client, stranger = gumloop.GumloopClient("local-key", USER), gumloop.GumloopClient("wrong", USER)
    client.base_url = stranger.base_url = served
    assert client.run_flow("echo", {"title": "hi", "n": 1}, poll_interval=0.05, timeout=5) == {"title": "hi", "n": 1}
    with pytest.raises(RuntimeError, match="failed"):
        client.run_flow("fail", {}, poll_interval=0.05, timeout=5)
    with pytest.raises(httpx.HTTPStatusError) as refused:
        stranger.run_flow("echo", {}, poll_interval=0.05, timeout=5)
    assert refused.value.response.status_code == 401


def test_runs_in_the_store_are_claimed_once_finished_under_their_lease_and_abandoned(tmp_path: Path) -> None:
    from bridge.store import runs as stored
    from bridge.store.database import Database
    from bridge.store.migrate import upgrade

    database = Database(f"sqlite:///{tmp_path}/f.db")
    upgrade(database)
    rung: list[int] = []
    kept = stored.Runs(database, lambda: rung.append(1))
    run = LocalRun(
        id="a", saved_item_id="echo", user_id=USER, inputs='{"a":1}', state=LocalState.QUEUED, created_at=NOW, idempotency_key="k"
    )
    assert kept.start(run) == run
    other = LocalRun(
        id="b", saved_item_id="echo", user_id=USER, inputs="{}", state=LocalState.QUEUED, created_at=NOW, idempotency_key="k"
    )
    assert kept.start(other) == run and kept.get("b") is None and kept.find("k") == run and kept.find("x") is None
    free = LocalRun(id="c", saved_item_id="echo", user_id=USER, inputs="{}", state=LocalState.QUEUED, created_at=NOW)
    assert kept.start(free) == free and rung
    claimed = database.write(lambda connection: stored.claim(connection, 5, NOW + 1, "lease-1"))
    assert [(one.id, one.state, one.started_at) for one in claimed] == [
        ("a", LocalState.RUNNING, NOW + 1),
        ("c", LocalState.RUNNING, NOW + 1),
    ]
    assert database.write(lambda connection: stored.claim(connection, 5, NOW + 1, "lease-2")) == []
    result = RunResult(state=LocalState.DONE, outputs={"a": 1}, log=("x",))
    assert not database.write(lambda connection: stored.finish(connection, "a", result, NOW + 2, "lease-2"))
    assert database.write(lambda connection: stored.finish(connection, "a", result, NOW + 2, "lease-1"))
    ended = kept.get("a")
    assert ended and (ended.state, ended.outputs, ended.log, ended.finished_at) == (LocalState.DONE, {"a": 1}, ("x",), NOW + 2)
    database.write(lambda connection: stored.extend(connection, ["lease-1"], NOW + 5))
    assert database.write(lambda connection: stored.abandon_running(connection, NOW + 12)) == []
    assert database.write(lambda connection: stored.abandon_running(connection, NOW + 99)) == ["c"]
    lost = kept.get("c")
    assert lost and (lost.state, lost.outputs, lost.log) == (LocalState.FAILED, {}, (stored.INTERRUPTED,))
    database.close()
