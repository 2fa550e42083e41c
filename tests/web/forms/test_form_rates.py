"""The rates of forms, over real HTTP: what one address is refused costs other addresses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from conftest import new_postgres_database
from serving import Bridge

from bridge.core.rate_limits import Rate
from bridge.web.receiving.rate_limiter import RateLimiter

ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form, rate: 60/h and 10/h per address}
  watched: {provider: form, rate: 6/h and 2/h per address}
"""
FLOODER = "203.0.113.7"
OTHERS = ("198.51.100.9", "2001:db8::1")
NOW = 1_800_000_000.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def web(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    environ = {"FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1", "FLOWBRIDGE_SECRET_KEY": "x" * 40}
    if request.param == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = new_postgres_database(
            request.getfixturevalue("postgres")
        )
    apart = {"bridge.web.receiving.rate_limiter.CELLS": 2**24}  # no two keys share a cell by chance
    with Bridge(
        tmp_path_factory.mktemp("rates"), "web", routes=ROUTES, environ=environ, timings=apart
    ) as bridge:
        yield bridge


def send(web: Bridge, client: str, number: int = 0) -> int:
    body = urlencode({"name": f"{client} {number}"}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return web.post("/hooks/contact", body, kind | {"X-Forwarded-For": client}).status


def look(path: str) -> Callable[[Bridge, str, int], int]:
    return lambda web, client, _number=0: web.get(path, {"X-Forwarded-For": client}).status


@pytest.mark.parametrize(
    ("ask", "served", "status"),
    [
        (send, 10, 202),
        (look("/forms/watched"), 20, 200),
        (look("/forms/watched/challenge"), 20, 200),
    ],
    ids=["sending", "pages", "challenges"],
)
def test_one_address_cannot_lock_a_form(
    web: Bridge, ask: Callable[[Bridge, str, int], int], served: int, status: int
) -> None:
    assert [ask(web, FLOODER, number) for number in range(70)] == [status] * served + [429] * (
        70 - served
    )
    assert [ask(web, other, 0) for other in OTHERS] == [status, status]


def test_a_request_counts_under_all_its_keys_or_under_none() -> None:
    limiter = RateLimiter()
    narrow = Rate(count=1, per=60.0)
    wide = Rate(count=2, per=60.0)
    assert limiter.wait([("a", narrow), ("all", wide)], NOW) == 0
    assert limiter.wait([("a", narrow), ("all", wide)], NOW) == 60.0
    assert limiter.wait([("b", narrow), ("all", wide)], NOW) == 0, (
        "what the narrow rate refused was not counted in the wide one"
    )
    assert limiter.wait([("c", narrow), ("all", wide)], NOW) == 30.0
    assert limiter.wait([("c", narrow)], NOW) == 0, "nor the other way around"


def test_two_keys_that_share_a_cell_both_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.web.receiving.rate_limiter.CELLS", 1)
    limiter = RateLimiter()
    rate = Rate(count=4, per=60.0)
    assert [limiter.wait([("a", rate), ("b", rate)], NOW) for _ in range(3)] == [0.0, 0.0, 30.0]
