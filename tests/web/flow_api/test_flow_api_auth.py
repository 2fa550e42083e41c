"""Who may call the local platform: keys, users, and keys that are limited to some flows."""

from __future__ import annotations

import hmac
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from local_platform import BEARER, KEY, USER, Local, key

from bridge.store.db.database import Database
from bridge.web.flow_api import auth
from bridge.web.flow_api.routes import ENDPOINTS

WEB = {"Authorization": "Bearer web-key", "x-auth-key": "web"}
LIMITED = {"Authorization": "Bearer limited-key", "x-auth-key": "web"}
KEYS = (
    key("web", "web-key", "web"),
    key("limited", "limited-key", "web", {"greet", "gone"}),
    key("mine", "my-key"),
)


@pytest.fixture
def local(sqlite: Database, tmp_path: Path) -> Local:
    local = Local(sqlite, tmp_path)
    local.set(keys=KEYS)
    return local


WHO: list[tuple[dict[str, str], dict[str, Any], dict[str, Any], int]] = [
    # headers, query, body, status
    (BEARER, {}, {"user_id": USER}, 200),
    (BEARER, {"user_id": USER}, {}, 200),
    ({"Authorization": f"bearer  {KEY}", "x-auth-key": USER}, {}, {}, 200),
    ({**BEARER, "x-auth-key": USER}, {"user_id": USER}, {"user_id": USER}, 200),
    ({}, {"api_key": KEY, "user_id": USER}, {}, 200),
    ({"x-auth-key": USER}, {"api_key": KEY}, {}, 200),
    ({"Authorization": "Bearer my-key", "x-auth-key": USER}, {}, {}, 200),
    (WEB, {}, {}, 200),
    # no key, or none that is known
    ({}, {}, {"user_id": USER}, 401),
    ({}, {}, {"user_id": USER, "api_key": KEY}, 401),
    ({"Authorization": "", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": "Bearer", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": "Bearer ", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": "Bearer wrong", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": f"Bearer {KEY}x", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": f"Bearer {KEY[:-1]}", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": "Bearer wrong", "x-auth-key": USER}, {"api_key": KEY}, {}, 401),
    ({"Authorization": f"Basic {KEY}", "x-auth-key": USER}, {}, {}, 401),
    ({"Authorization": f"Basic {KEY}", "x-auth-key": USER}, {"api_key": KEY}, {}, 401),
    ({"Authorization": KEY, "x-auth-key": USER}, {}, {}, 401),
    ({"x-auth-key": USER}, {"api_key": "löcal"}, {}, 401),
    ({"x-auth-key": USER}, {"api_key": ""}, {}, 401),
    ({"x-auth-key": USER}, {"api_key": [KEY, "wrong"]}, {}, 401),
    ({"x-auth-key": USER}, {"api_key": KEYS[0].hash}, {}, 401),  # a hash is no key
    ({"x-auth-key": USER}, {"api_key": f"sha256:{KEYS[0].hash}"}, {}, 401),
    # no user, or another's
    (BEARER, {}, {}, 403),
    (BEARER, {}, {"user_id": "other"}, 403),
    (BEARER, {}, {"user_id": 7}, 403),
    (BEARER, {}, {"user_id": None}, 403),
    (BEARER, {}, {"user_id": [USER]}, 403),
    (BEARER, {}, {"user_id": ""}, 403),
    (BEARER, {"user_id": "other"}, {}, 403),
    (BEARER, {"user_id": [USER, "other"]}, {}, 403),
    ({**BEARER, "x-auth-key": "other"}, {}, {}, 403),
    ({**BEARER, "x-auth-key": ""}, {}, {}, 403),
    ({**BEARER, "x-auth-key": USER}, {}, {"user_id": "other"}, 403),
    ({**BEARER, "x-auth-key": "other"}, {}, {"user_id": USER}, 403),
    ({**BEARER, "x-auth-key": USER}, {"user_id": "other"}, {}, 403),
    ({**BEARER, "x-auth-key": "web"}, {}, {}, 403),
    ({**WEB, "x-auth-key": USER}, {}, {}, 403),
    # a project stands for the user where there is none, and then it has to be the user
    (BEARER, {}, {"project_id": USER}, 200),
    (BEARER, {"project_id": USER}, {}, 200),
    (BEARER, {}, {"project_id": "other"}, 403),
    (BEARER, {"project_id": "other"}, {}, 403),
    (BEARER, {}, {"project_id": None}, 403),
    ({**BEARER, "x-auth-key": USER}, {}, {"project_id": "any"}, 200),
    (BEARER, {}, {"user_id": "other", "project_id": USER}, 403),
]


@pytest.mark.parametrize(("headers", "query", "body", "status"), WHO)
def test_who_may_start(local: Local, headers: Any, query: Any, body: Any, status: int) -> None:
    answer = local.start({"saved_item_id": "echo", **body}, query, headers)
    assert answer.status_code == status and local.count() == (status == 200)
    assert KEY.encode() not in answer.data and b"wrong" not in answer.data
    if status != 200:
        assert answer.json["error"] == {401: "unauthorized", 403: "forbidden"}[status] and set(
            answer.json
        ) == {"error", "message"}
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)


@pytest.mark.parametrize(
    ("path", "method"),
    [(one.path, method) for one in ENDPOINTS for method in one.methods if method != "HEAD"],
)
def test_every_endpoint_wants_a_key_and_its_user(local: Local, path: str, method: str) -> None:
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer no"}, 401),
        (BEARER, 403),
        ({**BEARER, "x-auth-key": "other"}, 403),
    ):
        answer = local.client.open(f"/api/v1/{path}", method=method, headers=headers)
        assert answer.status_code == status
        known = local.client.open(f"/api/v1/{path}", method=method, headers=WEB)
        assert known.status_code not in (401, 403)


def test_without_a_key_no_body_is_read(local: Local) -> None:
    class Watched(BytesIO):
        read_from = False

        def read(self, *size: Any) -> bytes:
            self.read_from = True
            return super().read(*size)

    for headers, status in (({"x-auth-key": USER}, 401), ({**BEARER, "x-auth-key": USER}, 400)):
        stream = Watched(b"{" * 1000)
        answer = local.client.post(
            "/api/v1/start_pipeline", input_stream=stream, content_length=1000, headers=headers
        )
        assert (answer.status_code, stream.read_from) == (status, status == 400)


def test_every_key_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        auth.hmac,
        "compare_digest",
        lambda one, other: compared.append((one, other)) or real(one, other),
    )
    seen = []
    for given in (KEY, "web-key", "my-key", "wrong"):
        compared.clear()
        try:
            auth.caller_of(given, (KEY, USER), KEYS)
        except auth.Refused:
            assert given == "wrong"
        seen.append(len(compared))
        assert all(len(one) == len(other) == 64 for one, other in compared), (
            "of hashes, so that no length shows"
        )
    assert seen == [1 + len(KEYS)] * 4


def test_without_a_built_in_key_nobody_has_it() -> None:
    for credentials in (("", USER), ("", ""), (KEY, "")):
        with pytest.raises(auth.Refused):
            auth.caller_of(credentials[0], credentials, ())
    assert auth.caller_of("web-key", ("", USER), KEYS).user_id == "web"
    with pytest.raises(auth.Refused):
        auth.caller_of("my-key", (KEY, ""), KEYS)  # a key of the built-in user, and there is none


def test_a_new_routes_yaml_changes_the_keys(local: Local) -> None:
    assert local.start({"saved_item_id": "echo"}, headers=WEB).status_code == 200
    local.set(keys=())
    assert local.start({"saved_item_id": "echo"}, headers=WEB).status_code == 401


# -- two users


def test_users_see_nothing_of_each_other(local: Local) -> None:
    mine = local.started({"saved_item_id": "echo"})
    theirs = local.started({"saved_item_id": "echo"}, headers=WEB)
    assert (mine.user_id, theirs.user_id) == (USER, "web")
    for run, headers, status in (
        (mine, BEARER, 200),
        (theirs, BEARER, 404),
        (mine, WEB, 404),
        (theirs, WEB, 200),
    ):
        user = "web" if headers is WEB else USER
        query = {"run_id": run.id, "user_id": user}
        assert local.get("get_pl_run", query, headers).status_code == status
        assert local.post(
            "download_file", {"run_id": run.id, "file_name": "x", "user_id": user}, headers=headers
        ).json["error"] == ("file_not_found" if status == 200 else "run_not_found")
        listed = local.get(
            "get_plrun_saved_item_map", {"saved_item_id": "echo", "user_id": user}, headers
        ).json["echo"]
        assert (run.id in [one["run_id"] for one in listed]) == (status == 200)
        assert (
            local.post(
                "kill_pipeline", {"run_id": run.id, "user_id": user}, headers=headers
            ).status_code
            == status
        )


def test_files_belong_to_their_user(local: Local) -> None:
    run = local.started({"saved_item_id": "echo"}, headers=WEB)
    content = "QQ=="
    local.post("upload_file", {"file_name": "a.txt", "file_content": content})
    wanted = {"file_name": "a.txt", "run_id": run.id}
    assert local.post("download_file", wanted, headers=WEB).status_code == 404
    local.post("upload_file", {"file_name": "a.txt", "file_content": "Qg=="}, headers=WEB)
    assert local.download("download_file", wanted, WEB).data == b"B"


# -- a key for some flows


def test_a_limited_key_may_start_and_see_only_its_flows(local: Local) -> None:
    other = local.started({"saved_item_id": "echo"}, headers=WEB)
    mine = local.started({"saved_item_id": "greet", "name": "Ada"}, headers=LIMITED)
    for flow in ("echo", "fail", "no-such"):  # it is not told which flows there are
        answer = local.start({"saved_item_id": flow}, headers=LIMITED)
        assert (answer.status_code, answer.json["error"]) == (403, "forbidden")
    assert local.start({"saved_item_id": "gone"}, headers=LIMITED).status_code == 400
    user = {"user_id": "web"}
    assert local.get("get_pl_run", {**user, "run_id": mine.id}, LIMITED).status_code == 200
    assert local.get("get_pl_run", {**user, "run_id": other.id}, LIMITED).status_code == 404
    assert local.post("kill_pipeline", {"run_id": other.id}, headers=LIMITED).status_code == 404
    assert [
        one["saved_item_id"]
        for one in local.get("list_saved_items", user, LIMITED).json["saved_items"]
    ] == ["greet"]
    books = local.get("list_workbooks", user, LIMITED).json["workbooks"]
    assert [(book["name"], [one["name"] for one in book["saved_items"]]) for book in books] == [
        ("flows.py", ["greet"])
    ]
    assert local.get("get_inputs", {**user, "saved_item_id": "echo"}, LIMITED).status_code == 403
    assert local.get("get_inputs", {**user, "saved_item_id": "greet"}, LIMITED).status_code == 200
    assert (
        local.get(
            "get_plrun_saved_item_map", {**user, "saved_item_id": "echo"}, LIMITED
        ).status_code
        == 403
    )
    assert set(
        local.get(
            "get_plrun_saved_item_map", {**user, "workbook_id": books[0]["workbook_id"]}, LIMITED
        ).json
    ) == {"greet"}


def test_a_limited_key_learns_no_run_of_another_flow_by_its_idempotency_key(local: Local) -> None:
    first = local.started({"saved_item_id": "echo"}, headers={**WEB, "Idempotency-Key": "k"})
    assert (
        local.start(
            {"saved_item_id": "gone"}, headers={**LIMITED, "Idempotency-Key": "k"}
        ).status_code
        == 400
    )
    own = local.started({"saved_item_id": "greet"}, headers={**LIMITED, "Idempotency-Key": "k"})
    assert (own.saved_item_id, local.count()) == ("greet", 2) and own.id != first.id


def test_a_key_that_was_limited_since_learns_no_run_of_a_flow_that_it_may_not_use(
    local: Local,
) -> None:
    local.started({"saved_item_id": "echo"}, headers={**WEB, "Idempotency-Key": "k"})
    local.set(keys=(key("web", "web-key", "web", {"greet", "gone"}),))
    for flow in ("greet", "gone"):
        answer = local.start({"saved_item_id": flow}, headers={**WEB, "Idempotency-Key": "k"})
        assert (answer.status_code, answer.json["error"]) == (
            403,
            "forbidden",
        ) and b"run_id" not in answer.data
    assert local.count() == 1
