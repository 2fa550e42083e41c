"""Requests that wait for others leave a place to those that take a moment."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from admin_client import AdminClient

from bridge.api.resources import tail
from bridge.config.loader import load
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.web.admin import limits
from bridge.web.admin.streams import NDJSON
from bridge.web.reader_seats import ReaderSeats

ROUTES = """
version: 1
platforms: {gumloop: {type: gumloop, api_key: k, user_id: u}}
"""


@pytest.fixture
def admin(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdminClient:
    """A client of an API in which no other request may wait."""
    monkeypatch.setattr(limits, "MAX_SLOW_REQUESTS", 0)
    path = tmp_path / "given.yaml"
    path.write_text(ROUTES)
    return AdminClient(sqlite, tmp_path, load(path, {}, strict_secrets=False))


def test_a_place_is_left_for_requests_that_do_not_wait() -> None:
    seats = ReaderSeats()
    with ExitStack() as others:
        for _ in range(limits.MAX_SLOW_REQUESTS):
            assert others.enter_context(seats.take())
            assert others.enter_context(seats.wait_in_place())
        with seats.take() as is_free, seats.wait_in_place() as may_wait:
            assert (is_free, may_wait) == (True, False)
    with seats.take() as is_free, seats.wait_in_place() as may_wait:
        assert (is_free, may_wait) == (True, True)


def test_a_request_that_leaves_its_place_gives_it_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MAX_REQUESTS", 1)
    seats = ReaderSeats()
    with seats.take():
        with seats.leave(), seats.take() as is_free:
            assert is_free
        with seats.take() as is_free:
            assert not is_free


def test_a_tail_that_may_not_wait_is_answered_at_once(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_to_sleep(_: float) -> None:
        raise AssertionError("it waits")

    after = admin.get("/tail").get_json()["next"]
    clock = SimpleNamespace(
        time=tail.time.time,
        monotonic=tail.time.monotonic,
        sleep=refuse_to_sleep,
    )
    monkeypatch.setattr(tail, "time", clock)
    answer = admin.get("/tail", {"after": after, "wait": "5"})
    assert (answer.status_code, answer.get_json()["items"]) == (200, [])


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/flows", {}),
        ("GET", "/flows/gumloop/x/inputs", {}),
        ("GET", "/runs?flow=gumloop/x", {}),
        ("POST", "/runs/gumloop/r1/kill", {}),
        ("GET", "/runs/gumloop/r1", {}),
        ("GET", "/events", {"Accept": NDJSON}),
    ],
)
def test_too_many_that_wait_are_refused(
    admin: AdminClient, method: str, path: str, headers: dict[str, str]
) -> None:
    bearer = {"Authorization": f"Bearer {admin.token(tuple(Scope))}"}
    answer = admin.client.open(f"/admin/v1{path}", method=method, headers={**bearer, **headers})
    assert answer.status_code == 503, answer.text
    assert "Retry-After" in answer.headers
    assert "too many requests wait" in answer.get_json()["detail"]
