"""Order, debounce, further runs and limits as routes.yaml says them, through a whole bridge: real
requests, real runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from serving import Bridge, until
from sqlalchemy import select

from bridge.store.tables import schema

FLOWS = '''
import time
from pathlib import Path
from bridge.flows import flow

@flow
def meet(key: str, number: int) -> dict:
    """The first of each key ends when all of them have begun."""
    begun, folder = time.time(), Path(__file__).parent
    (folder / f"begun-{key}").touch()
    while number == 0 and len(list(folder.glob("begun-*"))) < 3 and time.time() < begun + 60:
        time.sleep(0.01)
    time.sleep(0.15)
    return {"key": key, "number": number, "begun": begun, "ended": time.time()}

@flow
def step(key: str, number: int) -> dict:
    begun = time.time()
    time.sleep(0.15)
    return {"key": key, "number": number, "begun": begun, "ended": time.time()}
'''
ROUTES = """
version: 1
platforms: {local: {type: local, flows: flows.py, max_concurrent_runs: 8}}
sources: {github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes:
  - {name: line, on: github push, order_by: body.key, inputs: {key: "${body.key}", number: "${body.number}"}, flow: local/meet}
  - name: last
    on: github page_build
    debounce: {wait: 6s, max: 60s, key: body.key}
    inputs: {number: "${body.number}"}
    flow: local/echo
  - {name: again, on: github check_run, on_run_failed: "retry: 2", retry: {first: 50ms, max: 100ms}, inputs: {}, flow: local/fail}
  - {name: one, on: github status, max_concurrent_runs: 1, inputs: {key: x, number: "${body.number}"}, flow: local/step}
"""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("waits")
    (folder / "flows.py").write_text(FLOWS)
    with Bridge(Path(folder), routes=ROUTES) as bridge:
        yield bridge


def send(bridge: Bridge, kind: str, **body: object) -> str:
    answer = bridge.event(json.dumps(body).encode(), X_GitHub_Event=kind)
    assert answer.status == 202, answer
    return answer.json["event_id"]


def deliveries(bridge: Bridge, route: str) -> list[dict[str, object]]:
    with bridge.database.read() as connection:
        rows = connection.execute(
            select(schema.delivery)
            .where(schema.delivery.c.route == route)
            .order_by(schema.delivery.c.seq)
        ).all()
    return [dict(row._mapping) | {"outputs": json.loads(row.outputs or "{}")} for row in rows]


def ended(bridge: Bridge, route: str, count: int) -> list[dict[str, object]]:
    def look() -> list[dict[str, object]] | None:
        found = deliveries(bridge, route)
        over = [
            one
            for one in found
            if one["status"] in ("cancelled", "dead") or one["run_state"] in ("done", "failed")
        ]
        return found if len(found) == len(over) == count else None

    return until(look, what=f"the deliveries of {route}") or []


def spans(found: list[dict[str, object]]) -> list[tuple[float, float]]:
    return [(one["outputs"]["begun"], one["outputs"]["ended"]) for one in found]  # type: ignore[index]


def test_runs_of_a_key_follow_each_other_and_keys_go_side_by_side(bridge: Bridge) -> None:
    for number in range(4):
        for key in "abc":
            send(bridge, "push", key=key, number=number)
    found = ended(bridge, "line", 12)
    by_key = {key: [one for one in found if one["outputs"]["key"] == key] for key in "abc"}  # type: ignore[index]
    for mine in by_key.values():
        assert [one["outputs"]["number"] for one in mine] == [0, 1, 2, 3]  # type: ignore[index]
        assert all(first[1] <= second[0] for first, second in pairwise(spans(mine)))
    (begin, end), (other_begin, other_end) = (
        (spans(by_key[key])[0][0], spans(by_key[key])[-1][1]) for key in "ab"
    )
    assert begin < other_end and other_begin < end


def test_the_last_of_what_follows_each_other_is_sent(bridge: Bridge) -> None:
    for number in range(4):
        send(bridge, "page_build", key="x", number=number)
    send(bridge, "page_build", key="y", number=9)
    found = ended(bridge, "last", 5)
    assert [one["status"] for one in found] == [
        "cancelled",
        "cancelled",
        "cancelled",
        "delivered",
        "delivered",
    ]
    assert [one["outputs"] for one in found[3:]] == [{"number": 3}, {"number": 9}]
    assert [one["merged_into"] for one in found[:3]] == [one["id"] for one in found[1:4]]


def test_a_flow_that_fails_is_run_so_often_and_then_a_dead_letter(bridge: Bridge) -> None:
    send(bridge, "check_run")
    [one] = ended(bridge, "again", 1)
    assert (one["status"], one["dead_kind"], one["reruns"], one["attempts"]) == (
        "dead",
        "platform",
        2,
        3,
    )
    assert str(one["reason"]).startswith("gave up after 3 runs that failed")
    with bridge.database.read() as connection:
        runs = (
            connection.execute(
                select(schema.local_run.c.state).where(schema.local_run.c.saved_item_id == "fail")
            )
            .scalars()
            .all()
        )
    assert runs == ["FAILED"] * 3


def test_a_route_with_a_cap_of_one_runs_one_at_a_time(bridge: Bridge) -> None:
    for number in range(4):
        send(bridge, "status", number=number)
    found = sorted(spans(ended(bridge, "one", 4)))
    assert all(first[1] <= second[0] for first, second in pairwise(found))
