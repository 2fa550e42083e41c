"""The receiving logic without a server and without WSGI: from head and body to the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from receiving import hooks_of
from serving import SECRET, github

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.errors import StoreError
from bridge.core.model import Event
from bridge.store.inbound.arrivals import AddedEvent
from bridge.web.receiving.hook_messages import HookAnswer, RequestHead
from bridge.web.receiving.hook_receiver import HookReceiver, HookRequest, PreparedHook, ReceivedHook

ROUTES = f"""
version: 1
platforms: {{local: {{type: local}}}}
sources:
  github: {{provider: github, secret: "{SECRET}", max_body: 10 KiB}}
  dropbox: {{provider: dropbox, secret: "{SECRET}"}}
  form: {{provider: form}}
routes:
  - {{name: all, on: github, inputs: {{a: "${{body.a}}"}}, flow: local/echo}}
"""


class Edge:
    """An edge that reads no network: its stored events are in `kept`."""

    def __init__(self, folder: Path) -> None:
        path = folder / "routes.yaml"
        path.write_text(ROUTES)
        config = load(path, {})
        self.kept: list[Event] = []
        settings = load_settings({"FLOWBRIDGE_DATA": str(folder / "data")})
        self.receiver: HookReceiver = hooks_of(settings, lambda: config, self.keep)

    def keep(self, arrivals: Any, _replan: object) -> list[AddedEvent]:
        self.kept += [event for event, _ in arrivals]
        return [AddedEvent(event.id, tuple(planned)) for event, planned in arrivals]

    def begin(
        self, target: str, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> HookAnswer | HookRequest:
        path, _, query = target.partition("?")
        head = RequestHead(
            method=method,
            path=path,
            target=target,
            query_string=query,
            headers={name.lower(): value for name, value in (headers or {}).items()},
            scheme="http",
            address="203.0.113.9",
        )
        return self.receiver.begin(head)

    def admit(self, target: str, headers: dict[str, str], method: str = "POST") -> HookRequest:
        request = self.begin(target, headers, method)
        assert isinstance(request, HookRequest)
        return request


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path)


def said(answer: HookAnswer) -> Any:
    return orjson.loads(answer.body)


def test_the_events_of_several_requests_can_be_gathered_before_any_is_stored(edge: Edge) -> None:
    waiting: list[PreparedHook] = []
    for body in (b'{"a": 1}', b'{"a": 2}'):
        request = edge.admit("/hooks/github?x=1", github(body))
        prepared = request.prepare(body)
        assert isinstance(prepared, PreparedHook)
        waiting.append(prepared)
    assert edge.kept == [], "nothing is stored yet"
    gathered = [arrival for prepared in waiting for arrival in prepared.events.arrivals]
    stored = edge.keep(gathered, None)
    answers = [
        prepared.complete([event]).answer() for prepared, event in zip(waiting, stored, strict=True)
    ]
    assert [answer.status for answer in answers] == [202, 202]
    assert [said(answer)["event_id"] for answer in answers] == [event.id for event in edge.kept]
    assert {event.query_string for event in edge.kept} == {"x=1"}


def test_a_request_is_stored_at_once_by_an_edge_that_has_a_thread_for_it(edge: Edge) -> None:
    request = edge.admit("/hooks/github", github(b"{}"))
    assert request.max_body == 10 * 1024
    answer = request.receive(b"{}").answer()
    assert (answer.status, answer.reason, len(edge.kept)) == (202, "Accepted", 1)
    assert dict(answer.headers)["Content-Length"] == str(len(answer.body))


def test_a_ready_answer_needs_no_store(edge: Edge) -> None:
    request = edge.admit("/hooks/dropbox?challenge=abc", {}, "GET")
    ready = request.prepare(b"")
    assert isinstance(ready, ReceivedHook)
    assert ready.answer().body == b"abc" and edge.kept == []


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [("/hooks/gihub", "POST", 404), ("/hooks/", "POST", 404), ("/hooks/form", "OPTIONS", 204)],
)
def test_some_requests_are_answered_without_their_body(
    edge: Edge, target: str, method: str, status: int
) -> None:
    answer = edge.begin(target, {}, method)
    assert isinstance(answer, HookAnswer)
    assert answer.status == status


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("database is locked"), 503, "store_failed"),
        (ValueError("an inside"), 500, "internal_error"),
    ],
)
def test_an_error_while_storing_is_answered_and_says_nothing_of_the_inside(
    edge: Edge, error: Exception, status: int, code: str
) -> None:
    request = edge.admit("/hooks/github", github(b"{}"))
    assert isinstance(request.prepare(b"{}"), PreparedHook)
    answer = request.refuse(error)
    assert (answer.status, said(answer)["error"]) == (status, code)
    assert str(error) not in answer.body.decode()


def test_a_request_that_is_not_verified_is_refused_before_anything_is_stored(edge: Edge) -> None:
    request = edge.admit("/hooks/github", github(b"{}"))
    with pytest.raises(Exception) as caught:
        request.prepare(b"[]")
    answer = request.refuse(caught.value)
    assert (answer.status, said(answer), edge.kept) == (401, {"error": "unauthorized"}, [])
