"""Readmission of rejects over the admin API: count, propose, agree, and the outcome of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient
from records import NOW
from signed_rejects import SECRET, make_reject
from sqlalchemy import select, update

from bridge.api.problems import TYPE_PREFIX
from bridge.config.loader import load
from bridge.core.errors import BadSignature
from bridge.core.scopes import Scope
from bridge.ingest import receive
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.operations import readmission
from bridge.store.operations.erase import EraseHandler
from bridge.store.queries import configs
from bridge.store.tables import schema
from bridge.worker.maintenance.operations import OperationRunner

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes: [{name: all, on: github, inputs: {title: "${body.title}"}, flow: local/echo}]
"""
OPERATOR = (Scope.READ, Scope.BODIES, Scope.ACT)


class Readmitter:
    """Readmits rejects over the admin API, and carries operations out as a worker does."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        path = folder / "some.yaml"
        path.write_text(ROUTES)
        self.config = load(path, {"GITHUB_SECRET": SECRET})
        self.admin = AdminClient(database, folder, self.config)
        self.runner = OperationRunner(
            self.admin.settings, lambda: self.config, database, DatabaseClock(database)
        )

    def post(self, path: str = "", scopes: Any = OPERATOR, **body: Any) -> Any:
        return self.admin.send("POST", f"/operations{path}", body=body or None, scopes=scopes)

    def do(self, **body: Any) -> list[dict[str, Any]]:
        """Readmit at once, and return the items with their outcomes."""
        answer = self.post(command="readmit", mode="do", **body)
        assert answer.status_code == 202, answer.text
        self.runner.run_once()
        return self.admin.items(f"/operations/{answer.get_json()['id']}/items")


@pytest.fixture
def readmitter(database: Database, tmp_path: Path) -> Readmitter:
    return Readmitter(database, tmp_path)


def add(database: Database, *found: Any) -> list[str]:
    for one in found:
        rejects.add(database, one)
    return [one.id for one in found]


def test_a_proposal_counts_those_that_verify_and_readmits_just_these(
    readmitter: Readmitter,
) -> None:
    ids = add(readmitter.database, make_reject(1), make_reject(2))
    add(readmitter.database, make_reject(3, "of-somebody-else"))
    asked = {"command": "readmit", "filters": {"source": "github"}}
    counted = readmitter.post(**asked, mode="dry_run").get_json()
    assert (counted["count"], counted["left_out"]) == (2, {"it does not verify with the current"
        " routes.yaml": 1})  # fmt: skip
    one = readmitter.post(**asked, mode="propose").get_json()
    add(readmitter.database, make_reject(4))  # arrives between the count and the agreement
    assert readmitter.runner.run_once() == 0
    assert readmitter.post(f"/{one['id']}/agree").status_code == 202
    assert readmitter.runner.run_once() == 2
    items = readmitter.admin.items(f"/operations/{one['id']}/items")
    assert [(item["id"], item["outcome"]) for item in items] == [(id_, "done") for id_ in ids]
    for item in items:
        (event_id,) = item["events"]
        (delivery,) = item["deliveries"]
        assert item["made"] == [event_id, delivery["id"]]
        assert (delivery["event_id"], delivery["status"]) == (event_id, "queued")
        reject = rejects.get(readmitter.database, item["id"])
        assert reject.event_ids == (event_id,)
        event = events.get(readmitter.database, event_id)
        assert (event.received_at, event.body) == (reject.received_at, reject.body)
        assert configs.find_config(readmitter.database, event.config_hash) is not None
    assert rejects.get(readmitter.database, make_reject(4).id).readmitted_at is None


def test_each_reject_is_readmitted_once(readmitter: Readmitter) -> None:
    ids = add(readmitter.database, make_reject(1))
    (first,) = readmitter.do(ids=ids)
    (again,) = readmitter.do(ids=ids)
    assert (first["outcome"], again["outcome"]) == ("done", "refused")
    assert again["problem"] == "it was readmitted already"
    assert (again["events"], again["deliveries"]) == ([], [])
    assert len(readmitter.admin.items("/events")) == 1


def test_a_repeat_of_an_event_is_its_duplicate(readmitter: Readmitter) -> None:
    """Two rejects with the same provider id, in one batch and in another one."""
    same = make_reject(2, headers=make_reject(1).headers)
    later = make_reject(3, headers=make_reject(1).headers)
    ids = add(readmitter.database, make_reject(1), same)
    first, second = readmitter.do(ids=ids)
    (third,) = readmitter.do(ids=add(readmitter.database, later))
    assert first["events"] == second["events"] == third["events"]
    assert (len(first["deliveries"]), second["deliveries"], third["deliveries"]) == (1, [], [])
    (event,) = readmitter.admin.items("/events")
    assert event["duplicates"] == 2


def test_those_that_fail_are_refused_one_by_one_with_the_reason(readmitter: Readmitter) -> None:
    wrong = make_reject(2, "of-somebody-else")
    gone = make_reject(3)
    moved = make_reject(4, source="gone")
    cut = make_reject(5, cut=True, size=70_000)
    ids = add(readmitter.database, make_reject(1), wrong, gone, moved, cut)
    answer = readmitter.post(command="readmit", mode="propose", ids=ids)
    one = answer.get_json()
    delete = schema.reject.delete().where(schema.reject.c.id == gone.id)
    readmitter.database.write(lambda connection: connection.execute(delete))
    readmitter.post(f"/{one['id']}/agree")
    readmitter.runner.run_once()
    items = readmitter.admin.items(f"/operations/{one['id']}/items")
    problems = [item["problem"] for item in items]
    assert problems[0] is None
    assert "the sender uses another secret" in problems[1]
    assert problems[2] == "no such reject"
    assert "no longer has the source 'gone'" in problems[3]
    assert "only the first" in problems[4].lower()
    assert SECRET not in str(items)
    done = readmitter.admin.get(f"/operations/{one['id']}").get_json()
    assert (done["state"], done["done"], done["refused"]) == ("done", 1, 4)


def test_a_bug_with_one_reject_refuses_it_and_the_others_go_on(
    readmitter: Readmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add(readmitter.database, make_reject(1), make_reject(2, body=b'{"title":"bad"}'))

    def fail(reject: Any, *rest: Any, **more: Any) -> Any:
        if b"bad" in reject.body:
            raise RuntimeError("bad")
        return prepare(reject, *rest, **more)

    prepare = readmission.prepare_readmission
    monkeypatch.setattr(readmission, "prepare_readmission", fail)
    items = readmitter.do(ids=ids)
    assert [item["outcome"] for item in items] == ["done", "refused"]
    assert items[1]["problem"] == f"{readmission.VERIFICATION_FAILED} (RuntimeError)"


def test_erased_records_leave_no_item(readmitter: Readmitter) -> None:
    """Its problem may quote the request."""
    right, wrong = add(readmitter.database, make_reject(1), make_reject(2, "of-somebody-else"))
    first, _ = readmitter.do(ids=[right, wrong])
    begun = readmitter.post(command="cancel", mode="do", ids=[first["deliveries"][0]["id"]])
    assert begun.status_code == 202
    readmitter.runner.run_once()
    handler = EraseHandler()
    erase = handler.prepare(readmitter.database, [wrong, first["events"][0]], NOW)
    readmitter.database.write(lambda connection: handler.carry_out(connection, erase, NOW))
    with readmitter.database.read() as connection:
        assert connection.execute(select(schema.act_item)).all() == []
        assert connection.execute(select(schema.reject)).all() == []


def test_a_test_of_the_url_is_readmitted_as_no_event(
    readmitter: Readmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readmission, "prepare_readmission", lambda *_, **__: None)
    ids = add(readmitter.database, make_reject(1))
    (item,) = readmitter.do(ids=ids)
    assert (item["outcome"], item["events"], item["made"]) == ("done", [], [])
    assert rejects.get(readmitter.database, ids[0]).readmitted_at is not None
    assert readmitter.do(ids=ids)[0]["problem"] == readmission.ALREADY_READMITTED


def test_a_claim_of_a_command_is_respected(readmitter: Readmitter) -> None:
    """`flowbridge rejects readmit` of an earlier version claims a reject before it stores events."""
    (id_,) = add(readmitter.database, make_reject(1))
    now = DatabaseClock(readmitter.database)()

    def claim(at: float) -> None:
        claiming = update(schema.reject).values(readmitted_at=at)
        readmitter.database.write(lambda connection: connection.execute(claiming))

    claim(now)
    assert readmitter.do(ids=[id_])[0]["problem"] == readmission.BEING_READMITTED
    claim(now - readmission.STALE_CLAIM_SECONDS - 1)
    assert readmitter.do(ids=[id_])[0]["outcome"] == "done"


def test_the_routes_in_force_decide_when_it_is_carried_out(readmitter: Readmitter) -> None:
    ids = add(readmitter.database, make_reject(1))
    one = readmitter.post(command="readmit", mode="propose", ids=ids).get_json()
    readmitter.post(f"/{one['id']}/agree")
    github = readmitter.config.sources["github"]
    readmitter.config = replace(
        readmitter.config, sources={"github": replace(github, secrets=())}, hash="other"
    )
    readmitter.runner.run_once()
    (item,) = readmitter.admin.items(f"/operations/{one['id']}/items")
    assert item["outcome"] == "refused"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"filters": {"source": "github", "route": "all"}}, "/filters/route"),
        ({"filters": {"source": "gone"}}, "/filters/source"),
        ({"filters": {}}, "/filters"),
        ({"ids": ["x"]}, "/filters"),
        ({"how": {"reason": "x"}}, "/how/reason"),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused(
    readmitter: Readmitter, change: dict[str, Any], pointer: str
) -> None:
    body = {"command": "readmit", "mode": "dry_run", "filters": {"source": "github"}, **change}
    answer = readmitter.post(**body)
    assert answer.status_code == 400, answer.text
    assert answer.get_json()["errors"][0]["pointer"] == pointer


def test_ids_may_be_parts_and_an_unknown_one_is_a_problem(readmitter: Readmitter) -> None:
    (id_,) = add(readmitter.database, make_reject(1))
    body = {"command": "readmit", "mode": "dry_run", "ids": [id_[:-1], "rej_9"]}
    counted = readmitter.post(**body).get_json()
    assert (counted["count"], counted["examples"]) == (1, [id_])
    assert [one["id"] for one in counted["problems"]] == ["rej_9"]


def test_without_the_scope_bodies_no_reason_is_shown(
    readmitter: Readmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise BadSignature("s3cret")

    monkeypatch.setattr(receive, "_verify", fail)
    monkeypatch.setattr(readmission, "explain_failure", lambda *_: "schema /x: 's3cret' is wrong")
    ids = add(readmitter.database, make_reject(1))
    readmitter.do(ids=ids)
    path = f"/operations/{readmitter.admin.items('/operations')[0]['id']}/items"
    assert "s3cret" in readmitter.admin.get(path).text
    assert "s3cret" not in readmitter.admin.get(path, scopes=(Scope.READ,)).text


def test_read_alone_may_not_readmit(readmitter: Readmitter) -> None:
    body = {"command": "readmit", "mode": "dry_run", "filters": {"source": "github"}}
    answer = readmitter.post(scopes=(Scope.READ, Scope.BODIES), **body)
    assert answer.get_json()["type"] == f"{TYPE_PREFIX}missing_scope"
