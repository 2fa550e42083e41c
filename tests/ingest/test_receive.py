"""Receive: what becomes of one request, from its bytes to its answer, with a store that is a
list.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from receiving import StoringEffects, receive, receive_request
from records import NOW
from senders import ALL, CONFIG
from signing import NOW as SIGNED_AT
from tables import for_each

from bridge.config.loader import load
from bridge.core.errors import BadSignature, Refused, StoreError
from bridge.core.http_messages import Request
from bridge.core.locators import query_value
from bridge.core.model import Delivery, Event, Status
from bridge.ingest import event_builder
from bridge.ingest import receive as receive_module
from bridge.ingest.effects import PreparedRequest
from bridge.ingest.event_builder import PLANNING_FAILED
from bridge.ingest.forms.spam.check import CheckedSubmission
from bridge.ingest.forms.spam.dedup import SubmissionMarks
from bridge.ingest.receive import Received, replan
from bridge.ingest.source_bodies import MAX_BATCH_EVENTS
from bridge.providers.model import EventBatch, Handshake, Probe, Reply
from bridge.providers.signatures.scheme import Secret
from bridge.routing.model import Config, Source
from bridge.system.ids import event_id

SECRET = "It's a Secret to Everybody"
TOKEN = "a-long-random-token-of-ours"
ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:SECRET}"}
  shallow: {provider: github, secret: "${env:SECRET}", max_depth: 3}
  slack: {provider: slack, secret: "${env:SECRET}"}
  bodies: {provider: github, secret: "${env:SECRET}", dedup: body}
  open: {provider: hmac, insecure: true, dedup: none, event_type: "body:type", event_id: "body:id", verify: {header: X-Sig}}
  ids: {provider: hmac, insecure: true, event_type: "body:type", event_id: "body:id", verify: {header: X-Sig}}
  token: {provider: token, secret: "${env:TOKEN}", verify: {query: token}}
  bearer: {provider: token, secret: "${env:TOKEN}"}
  figma: {provider: figma, secret: "${env:TOKEN}"}
  figma_open: {provider: figma, insecure: true}
  graph: {provider: msgraph, secret: "${env:TOKEN}"}
  contact:
    provider: form
    schema: {type: object, required: [name], properties: {name: {type: string, minLength: 2}, age: {type: integer, minimum: 0}}}
  bare: {provider: form}
  jobs: {provider: form, files: {types: [pdf]}}
routes:
  - name: triage
    on: github issues
    inputs: {title: "${body.issue.title}", all: "${to_string(headers)} ${to_string(query)}"}
    flow: local/echo
  - {name: shallow, on: shallow, inputs: {a: "1"}, flow: local/echo}
  - {name: slack, on: slack, inputs: {body: "${body}"}, flow: local/echo}
  - {name: token, on: token, inputs: {all: "${to_string(headers)} ${to_string(query)}"}, flow: local/echo}
  - {name: bearer, on: bearer, inputs: {all: "${to_string(headers)}"}, flow: local/echo}
  - {name: figma, on: figma, inputs: {all: "${body}", passcode: "${body.passcode}"}, flow: local/echo}
  - {name: graph, on: graph, inputs: {all: "${body}"}, flow: local/echo}
  - {name: contact, on: contact, flow: local/echo}
  - {name: bare, on: bare, flow: local/echo}
  - {name: jobs, on: jobs, flow: local/echo}
"""


@dataclass
class Kept:
    event_id: str
    deliveries: tuple[Delivery, ...]
    duplicate: bool = False


@dataclass
class Store:
    """Keeps everything once, as the real one does, but in a list."""

    events: list[Event] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def keep(self, arrivals: Any, _replan: Callable[..., Any]) -> list[Kept]:
        return [self._keep(event, deliveries) for event, deliveries in arrivals]

    def _keep(self, event: Event, deliveries: Any) -> Kept:
        for known in self.events:
            if event.provider_id is not None and (known.source, known.provider_id) == (
                event.source,
                event.provider_id,
            ):
                return Kept(known.id, (), duplicate=True)
        self.events.append(event)
        self.deliveries += deliveries
        return Kept(event.id, tuple(deliveries))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("config") / "routes.yaml"
    path.write_text(ROUTES)
    return load(path, {"SECRET": SECRET, "TOKEN": TOKEN})


@dataclass
class Bench:
    config: Config
    store: Store = field(default_factory=Store)

    def post(
        self,
        source: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        query: str = "",
        sign: bool = True,
        secret: str = SECRET,
        method: str = "POST",
        now: float = NOW,
    ) -> Received:
        given = {
            name.lower(): value
            for name, value in (headers or {"content-type": "application/json"}).items()
        }
        request = Request(
            method=method,
            path=f"/hooks/{source}",
            url=f"https://x/hooks/{source}",
            headers=given,
            body=body,
            query_string=query,
        )
        known = self.config.sources[source]
        if sign and known.provider.name in ("github", "slack"):
            request = known.scheme.sign(request, secret, now)
        return receive_request(request, known, self.config, self.store.keep, now)


@pytest.fixture
def bench(config: Config) -> Bench:
    return Bench(config)


def github(
    event_type: str = "issues", delivery: str = "d-1", content_type: str = "application/json"
) -> dict[str, str]:
    return {
        "content-type": content_type,
        "x-github-event": event_type,
        "x-github-delivery": delivery,
    }


ISSUE = json.dumps({"action": "opened", "issue": {"title": "Ünicode & more", "number": 7}}).encode()


def answer(received: Received) -> Any:
    return received.reply.status, json.loads(received.reply.body)


def test_a_verified_request_is_kept_with_its_delivery_and_answered_202(bench: Bench) -> None:
    received = bench.post("github", ISSUE, github())
    (event,) = bench.store.events
    (delivery,) = bench.store.deliveries
    assert answer(received) == (202, {"event_id": event.id, "deliveries": 1})
    assert (event.source, event.provider, event.type, event.provider_id) == (
        "github",
        "github",
        "issues",
        "d-1",
    )
    assert (event.body, event.received_at, event.problem, event.config_hash) == (
        ISSUE,
        NOW,
        None,
        bench.config.hash,
    )
    assert delivery.inputs["title"] == "Ünicode & more"


def test_an_event_that_no_route_wants_is_kept_all_the_same(bench: Bench) -> None:
    assert answer(bench.post("github", b"{}", github("ping")))[1]["deliveries"] == 0
    assert [event.type for event in bench.store.events] == ["ping"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"])
def test_only_post_is_received(bench: Bench, method: str) -> None:
    with pytest.raises(Refused) as refused:
        bench.post("github", ISSUE, github(), method=method)
    assert (refused.value.status, refused.value.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("source", ["github", "slack", "token", "bearer"])
def test_nothing_unverified_is_kept_planned_or_explained(bench: Bench, source: str) -> None:
    for headers in ({"content-type": "application/json"}, github()):
        with pytest.raises(BadSignature):
            bench.post(source, ISSUE, headers, sign=False)
    assert bench.store == Store()


def test_a_body_changed_after_signing_is_refused(bench: Bench) -> None:
    signed = bench.config.sources["github"].scheme.sign(
        Request(method="POST", path="/", headers=github(), body=ISSUE), SECRET, NOW
    )
    with pytest.raises(BadSignature):
        bench.post("github", ISSUE + b" ", signed.headers, sign=False)
    assert bench.store == Store()


@pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        (b'{"a":', "application/json", "not JSON"),
        (b"\xff\xfe", "application/json", "not JSON"),
        (b"", "application/json", "not JSON"),
        (b"\xff", "text/plain", "neither JSON nor UTF-8"),
        (b"payload=%7B", "application/x-www-form-urlencoded", "not JSON"),
        (b"payload=%FF", "application/x-www-form-urlencoded", "URL-encoded"),
        (b"x", "multipart/form-data", "multipart"),
        (b"[" * 100_000, "application/json", "deeper than 100"),
    ],
)
def test_verified_but_unreadable_is_kept_with_its_problem(
    bench: Bench, body: bytes, content_type: str, found: str
) -> None:
    received = bench.post("github", body, github(content_type=content_type))
    assert answer(received)[0] == 202
    (event,) = bench.store.events
    assert found in (event.problem or "")
    assert (event.body, event.type, event.provider_id) == (body, "issues", "d-1")
    assert bench.store.deliveries == []
    assert replan(event, bench.config, NOW, "again") == []


def test_depth_is_the_sources_own(bench: Bench) -> None:
    bench.post("shallow", b"[[[1]]]", github(delivery="1"))
    bench.post("shallow", b"[[[[1]]]]", github(delivery="2"))
    assert [event.problem is None for event in bench.store.events] == [True, False]


def test_githubs_form_mode_plans_the_same_as_its_json_mode(bench: Bench) -> None:
    bench.post("github", ISSUE, github(delivery="1"))
    bench.post(
        "github",
        b"payload=" + quote_plus(ISSUE).encode(),
        github(delivery="2", content_type="application/x-www-form-urlencoded"),
    )
    one, two = bench.store.deliveries
    assert one.inputs["title"] == two.inputs["title"] == "Ünicode & more"


def test_a_fault_of_planning_keeps_the_event(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault with hunter2 in its text")

    monkeypatch.setattr(event_builder, "plan", broken)
    received = bench.post("github", ISSUE, github())
    assert answer(received)[0] == 202
    (event,) = bench.store.events
    assert event.problem == PLANNING_FAILED
    assert isinstance(received.fault, ZeroDivisionError)
    assert b"hunter2" not in received.reply.body


def test_a_fault_of_the_store_is_no_acknowledgement(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Any:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(bench.store, "keep", full)
    with pytest.raises(StoreError):
        bench.post("github", ISSUE, github())


# -- duplicates and ids


def test_a_duplicate_is_answered_200_with_the_first_ones_id(bench: Bench) -> None:
    first = answer(bench.post("github", ISSUE, github()))[1]["event_id"]
    assert answer(bench.post("github", b'{"other": 1}', github())) == (
        200,
        {"event_id": first, "duplicate": True},
    )


def test_dedup_by_body_and_none(bench: Bench) -> None:
    statuses = [
        answer(bench.post("bodies", body, github(delivery=str(n))))[0]
        for n, body in enumerate([b"[1]", b"[1]", b"[2]"])
    ]
    assert statuses == [202, 200, 202]
    assert [answer(bench.post("open", b'{"id": 1}'))[0] for _ in range(2)] == [202, 202]
    assert [event.provider_id for event in bench.store.events][-2:] == [None, None]


def test_numbers_are_ids_too_and_objects_are_none(bench: Bench) -> None:
    for body in (
        b'{"id": 12345678901234567, "type": 3}',
        b'{"id": {"a": 1}, "type": []}',
        b'{"id": null}',
        b'{"id": ""}',
        b"[1]",
    ):
        bench.post("ids", body)
    assert [(event.provider_id, event.type) for event in bench.store.events] == [
        ("12345678901234567", "3"),
        *[(None, None)] * 4,
    ]


@pytest.mark.parametrize("strange", ["x" * 100_000, "a\0b", "a\nb", "\x1b[31m"])
def test_an_id_or_type_that_no_index_or_terminal_could_take_is_tamed(
    bench: Bench, strange: str
) -> None:
    """They come from the body: PostgreSQL takes no NUL and indexes no megabytes, and neither is a
    reason to lose the event.
    """
    for text in (strange, strange, strange + "!"):
        bench.post("ids", json.dumps({"id": text, "type": text}).encode())
    first, second = bench.store.events
    for event in (first, second):
        assert 0 < len(event.provider_id or "") <= 255
        assert 0 < len(event.type or "") <= 255
        assert (event.provider_id or "").isprintable()
        assert (event.type or "").isprintable()
    assert first.provider_id != second.provider_id


@pytest.mark.parametrize(("length", "fits"), [(200, True), (201, False)])
def test_an_id_and_a_type_have_200_characters_at_most(
    bench: Bench, length: int, fits: bool
) -> None:
    said = "x" * length
    bench.post("ids", json.dumps({"id": said, "type": said}).encode())
    event = bench.store.events[0]
    assert event.type == "x" * 200
    assert event.provider_id == (
        said if fits else f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"
    )


# -- batches


def batch_of(config: Config, batch: EventBatch, **row: Any) -> Source:
    known = config.sources["ids"]
    return replace(known, batch=batch, provider=replace(known.provider, **row))


def take(bench: Bench, source: Source, value: Any, **more: Any) -> Received:
    request = Request(
        method="POST",
        path="/hooks/ids",
        headers={"content-type": "application/json", "x-kept": "1"},
        body=json.dumps(value).encode(),
        **more,
    )
    return receive_request(request, source, bench.config, bench.store.keep, NOW)


def test_each_element_of_a_batch_is_an_event_of_its_own(bench: Bench) -> None:
    source = batch_of(bench.config, EventBatch("events", keep=("account",)))
    one = {"id": "1", "type": "a", "n": 1}
    two = {"id": "2", "type": "b", "account": "own"}
    status, said = answer(take(bench, source, {"account": "acme", "events": [one, two]}))
    assert status == 202 and [each["deliveries"] for each in said["events"]] == [0, 0]
    assert said["event_id"] == said["events"][0]["event_id"] != said["events"][1]["event_id"]
    assert [
        (each.type, each.provider_id, json.loads(each.body)) for each in bench.store.events
    ] == [
        ("a", "1", {"account": "acme", **one}),
        ("b", "2", two),
    ]
    assert all(each.headers["x-kept"] == "1" for each in bench.store.events)
    assert replan(bench.store.events[0], bench.config, NOW, "") == []


def test_a_redelivered_batch_with_one_new_element_is_one_event(bench: Bench) -> None:
    source = batch_of(bench.config, EventBatch())
    take(bench, source, [{"id": "1"}, {"id": "2"}])
    status, said = answer(take(bench, source, [{"id": "2"}, {"id": "3"}, {"id": "3"}]))
    assert status == 202 and [each.get("duplicate", False) for each in said["events"]] == [
        True,
        False,
        True,
    ]
    assert [each.provider_id for each in bench.store.events] == ["1", "2", "3"]
    status, said = answer(take(bench, source, [{"id": "2"}, {"id": "3"}]))
    assert status == 200 and len(bench.store.events) == 3


@pytest.mark.parametrize(
    "value", [{"events": []}, {"other": 1}, {"events": {"id": "1"}}, [], "text"]
)
def test_what_holds_no_batch_is_one_event(bench: Bench, value: Any) -> None:
    received = take(bench, batch_of(bench.config, EventBatch("events")), value)
    assert len(received.stored) == 1 and json.loads(bench.store.events[0].body) == value


def test_a_batch_of_a_thousand_is_taken_apart(bench: Bench) -> None:
    status, said = answer(
        take(
            bench,
            batch_of(bench.config, EventBatch()),
            [{"id": str(number)} for number in range(1000)],
        )
    )
    assert status == 202 and len(said["events"]) == len(bench.store.events) == 1000


def test_a_batch_that_is_too_long_is_kept_whole_and_says_so(bench: Bench) -> None:
    take(bench, batch_of(bench.config, EventBatch()), [1] * (MAX_BATCH_EVENTS + 1))
    assert len(bench.store.events) == 1
    assert (
        bench.store.events[0].problem
        == f"a batch of {MAX_BATCH_EVENTS + 1} events; at most {MAX_BATCH_EVENTS} can be split"
    )


def test_elements_of_a_batch_may_be_as_deep_as_the_source_allows(bench: Bench) -> None:
    deep: Any = 1
    for _ in range(450):
        deep = [deep]
    source = replace(batch_of(bench.config, EventBatch("events")), max_depth=500)
    take(bench, source, {"events": [{"id": "1", "deep": deep}, {"id": "2"}]})
    assert [event.provider_id for event in bench.store.events] == ["1", "2"]
    assert b"[" * 450 + b"1" + b"]" * 450 in bench.store.events[0].body


def test_what_is_kept_beside_an_element_is_what_there_is_of_it(bench: Bench) -> None:
    """An element is JSON, whatever the whole was; a batch at the top of the body has nothing beside
    it.
    """
    take(
        bench,
        batch_of(bench.config, EventBatch("events", keep=("account", "absent"))),
        {"account": "acme", "events": [{"id": "1"}, "text"]},
    )
    take(bench, batch_of(bench.config, EventBatch(keep=("account",))), [{"id": "2"}])
    assert [json.loads(event.body) for event in bench.store.events] == [
        {"account": "acme", "id": "1"},
        "text",
        {"id": "2"},
    ]
    form = Request(
        method="POST",
        path="/hooks/ids",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode({"events": '[{"id": "3"}]'}).encode(),
    )
    source = batch_of(bench.config, EventBatch(), body="form_payload:events")
    receive_request(form, source, bench.config, bench.store.keep, NOW)
    assert (
        bench.store.events[-1].headers["content-type"],
        json.loads(bench.store.events[-1].body),
    ) == ("application/json", {"id": "3"})


def test_a_batch_may_be_further_down(bench: Bench) -> None:
    take(
        bench,
        batch_of(bench.config, EventBatch("data.events")),
        {"data": {"events": [{"id": "1"}, {"id": "2"}]}},
    )
    assert [event.provider_id for event in bench.store.events] == ["1", "2"]


def test_a_senders_own_answer_is_given(bench: Bench) -> None:
    thanks = Reply(202, body=b"<Response/>", content_type="text/xml")
    source = batch_of(bench.config, EventBatch(), ack=thanks)
    assert take(bench, source, [{"id": "1"}, {"id": "2"}]).reply is thanks
    assert take(bench, source, {"id": "3"}).reply is thanks


def test_an_answer_counts_deliveries(bench: Bench) -> None:
    status, said = answer(bench.post("github", ISSUE, github()))
    assert (status, said) == (202, {"event_id": bench.store.events[0].id, "deliveries": 1})
    status, said = answer(
        take(bench, batch_of(bench.config, EventBatch()), [{"id": "1"}, {"id": "2"}])
    )
    one, two = bench.store.events[1:]
    each = [{"event_id": one.id, "deliveries": 0}, {"event_id": two.id, "deliveries": 0}]
    assert (status, said) == (202, {"event_id": one.id, "deliveries": 0, "events": each})


def test_ids_and_types_are_kept_up_to_200_characters(bench: Bench) -> None:
    for size in (200, 201):
        bench.post("ids", json.dumps({"id": "i" * size, "type": "t" * size}).encode())
    fits, too_long = bench.store.events
    assert (fits.provider_id, fits.type) == ("i" * 200, "t" * 200)
    assert (too_long.provider_id, too_long.type) == (
        f"sha256:{hashlib.sha256(b'i' * 201).hexdigest()}",
        "t" * 200,
    )
    bench.post("ids", json.dumps({"id": "x", "type": "a\nb\x1b[0m"}).encode())
    assert bench.store.events[2].type == "a\ufffdb\ufffd[0m"


def test_a_body_is_read_as_deep_and_as_long_as_its_source_may(bench: Bench) -> None:
    """Without a signature a body of many small values buys too much work; behind one it may be that
    long.
    """
    many = b"[" + b"1," * 60_000 + b"1]"
    bench.post("open", many)
    bench.post("github", many, github())
    assert [event.problem is None for event in bench.store.events] == [False, True]
    shallow = bench.config.sources["shallow"]
    deep = b'{"a":{"b":{"c":{"d":1}}}}'
    assert receive_module.read_body(shallow, "application/json", deep).problem is not None
    assert (
        receive_module.read_body(bench.config.sources["github"], "application/json", deep).problem
        is None
    )
    form = replace(bench.config.sources["bare"], max_depth=3)
    assert receive_module.read_body(form, "application/json", deep).problem is not None
    assert receive_module.read_body(
        bench.config.sources["bare"], "application/json", b'{"a":"b"}'
    ).value == {"a": "b"}


def test_a_token_as_a_body_is_read_as_its_row_says(bench: Bench) -> None:
    inner = json.dumps({"identity": '{"id": "1"}', "data": '{"deep": {"er": [1]}}'})
    told = base64.urlsafe_b64encode(json.dumps({"data": inner}).encode()).rstrip(b"=")
    raw = b".".join((base64.urlsafe_b64encode(b'{"alg":"RS256"}').rstrip(b"="), told, b"c2ln"))
    known = bench.config.sources["ids"]
    source = replace(known, provider=replace(known.provider, body="jwt:data,data,identity"))
    assert receive_module.read_body(source, "", raw).value == {
        "identity": {"id": "1"},
        "data": {"deep": {"er": [1]}},
    }
    shallow = receive_module.read_body(replace(source, max_depth=2), "", raw)
    assert shallow.value == {"identity": {"id": "1"}, "data": '{"deep": {"er": [1]}}'}


def test_without_an_id_the_body_is_one_only_where_the_row_says_so(bench: Bench) -> None:
    known = batch_of(bench.config, EventBatch(), dedup_body=True)
    assert take(bench, known, {"a": 1}).reply.status == 202
    assert take(bench, known, {"a": 1}).reply.status == 200
    assert take(bench, bench.config.sources["ids"], {"a": 2}).reply.status == 202
    assert take(bench, bench.config.sources["ids"], {"a": 2}).reply.status == 202


# -- handshakes


def test_a_test_of_the_url_may_come_by_another_method_and_sees_the_secrets(bench: Bench) -> None:
    def echo(probe: Probe) -> Reply | None:
        asked = query_value(probe.request.query_string, "challenge")
        return (
            Reply(body=f"{asked} {len(probe.secrets)}".encode(), content_type="text/plain")
            if asked
            else None
        )

    known = bench.config.sources["github"]
    source = replace(
        known,
        provider=replace(
            known.provider, handshakes=(Handshake(echo, signed=False, methods=("GET",)),)
        ),
    )

    def get(query: str, method: str = "GET") -> Received:
        request = Request(
            method=method, path="/hooks/github", headers={}, body=b"", query_string=query
        )
        return receive_request(request, source, bench.config, bench.store.keep, NOW)

    assert get("challenge=abc").reply.body == b"abc 1"
    with pytest.raises(BadSignature):
        get("other=1")
    with pytest.raises(BadSignature):
        get("challenge=abc", "POST")
    with pytest.raises(Refused, match="POST") as refused:
        get("challenge=abc", "PUT")
    assert refused.value.headers == {"Allow": "GET, POST"}
    assert bench.store == Store()


def shaking(
    bench: Bench, answers: Callable[[Probe], Reply | None], name: str = "github", **more: Any
) -> Source:
    """A source with one handshake."""
    known = bench.config.sources[name]
    return replace(
        known, provider=replace(known.provider, handshakes=(Handshake(answers, **more),))
    )


def ask(
    bench: Bench, source: Source, body: bytes = b"{}", method: str = "POST", **headers: str
) -> Received:
    request = Request(
        method=method,
        path="/hooks/x",
        headers={name.replace("_", "-"): text for name, text in headers.items()},
        body=body,
    )
    return receive_request(request, source, bench.config, bench.store.keep, NOW)


def test_an_unsigned_test_of_the_url_is_short(bench: Bench) -> None:
    """What nobody has signed buys no reading of a long body."""
    source = shaking(bench, lambda _: Reply(body=b"yes"), signed=False)
    assert (
        ask(bench, source, b'"' + b"x" * (receive_module.MAX_TEST_BYTES - 2) + b'"').reply.body
        == b"yes"
    )
    with pytest.raises(BadSignature):
        ask(bench, source, b'"' + b"x" * (receive_module.MAX_TEST_BYTES - 1) + b'"')
    long = Request(
        method="POST",
        path="/hooks/x",
        headers={"content-type": "application/json"},
        body=b'"' + b"x" * receive_module.MAX_TEST_BYTES + b'"',
    )
    signed = source.scheme.sign(long, SECRET, NOW)
    received = receive_request(signed, source, bench.config, bench.store.keep, NOW)
    assert (received.reply.status, len(bench.store.events)) == (202, 1), "and signed it is an event"


def test_a_body_is_read_as_its_content_type_says_and_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = receive_module.read_body
    bodies = list[Any]()

    def counted(*given: Any, **more: Any) -> Any:
        bodies.append(read(*given, **more))
        return bodies[-1]

    for reader in (receive_module, event_builder):
        monkeypatch.setattr(reader, "read_body", counted)
    with pytest.raises(BadSignature):
        bench.post("github", ISSUE, github(), sign=False)
    assert bodies == [], "nothing is read of what nobody has signed"
    source = shaking(bench, lambda probe: Reply(body=json.dumps(probe.body).encode()), signed=False)
    assert (
        ask(
            bench, source, b"challenge=abc", content_type="application/x-www-form-urlencoded"
        ).reply.body
        == b'{"challenge": "abc"}'
    )
    bodies.clear()
    silent = shaking(bench, lambda _: None, signed=False)
    signed = silent.scheme.sign(
        Request(method="POST", path="/x", headers={"content-type": "text/plain"}, body=b"[1]"),
        SECRET,
        NOW,
    )
    received = receive_request(signed, silent, bench.config, bench.store.keep, NOW)
    assert (len(bodies), received.body) == (1, bodies[0])


def test_a_signed_get_that_is_no_test_is_405(bench: Bench) -> None:
    source = shaking(bench, lambda _: None, "open", methods=("GET",))
    with pytest.raises(Refused) as refused:
        ask(bench, source, method="GET")
    assert (refused.value.status, refused.value.code, refused.value.headers) == (
        405,
        "method_not_allowed",
        {"Allow": "POST"},
    )
    with pytest.raises(Refused) as refused:
        ask(bench, bench.config.sources["open"], method="GET")
    assert (refused.value.status, refused.value.code, refused.value.headers) == (
        405,
        "method_not_allowed",
        {"Allow": "POST"},
    )
    assert bench.store == Store()


def test_an_expired_secret_answers_no_test_of_the_url(bench: Bench) -> None:
    def tell(probe: Probe) -> Reply:
        return Reply(body=" ".join(probe.secrets).encode())

    known = bench.config.sources["github"]
    held = (
        Secret("expired", NOW - 1),
        Secret("ends-now", NOW),
        Secret("live", NOW + 1),
        Secret("lasting"),
    )
    source = replace(
        known,
        secrets=held,
        provider=replace(known.provider, handshakes=(Handshake(tell, signed=False),)),
    )
    request = Request(method="POST", path="/hooks/github", headers={}, body=b"{}")
    received = receive_request(request, source, bench.config, bench.store.keep, NOW)
    assert received.reply.body == b"live lasting"


def test_slacks_test_of_the_url_is_answered_once_it_is_verified_and_not_kept(bench: Bench) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "x"}).encode()
    received = bench.post("slack", body)
    assert answer(received) == (200, {"challenge": "abc"})
    assert received.stored == ()
    assert bench.store == Store()
    with pytest.raises(BadSignature):
        bench.post("slack", body, sign=False)


def test_slacks_interactions_and_commands_are_read(bench: Bench) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    inside = json.dumps({"type": "block_actions", "trigger_id": "t1", "user": {"id": "U1"}})
    bench.post("slack", urlencode({"payload": inside}).encode(), form)
    bench.post(
        "slack", urlencode({"command": "/deploy", "trigger_id": "t2", "text": "now"}).encode(), form
    )
    bench.post(
        "slack",
        json.dumps(
            {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}}
        ).encode(),
    )
    assert [(event.type, event.provider_id) for event in bench.store.events] == [
        ("block_actions", "t1"),
        ("/deploy", "t2"),
        ("message", "Ev1"),
    ]
    assert bench.store.deliveries[0].inputs["body"]["user"] == {"id": "U1"}


def test_a_challenge_inside_a_form_is_no_handshake(bench: Bench) -> None:
    inside = json.dumps({"type": "url_verification", "challenge": "abc"})
    bench.post(
        "slack",
        urlencode({"payload": inside}).encode(),
        {"content-type": "application/x-www-form-urlencoded"},
    )
    assert len(bench.store.events) == 1


# -- which try of the sender's


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("1", 1),
        ("0", 0),
        ("007", 7),
        ("9" * 9, 999_999_999),
        *((odd, None) for odd in (None, "", "-1", "1.5", "once", "\u0661", "9" * 10)),
    ],
)
def test_which_try_it_is_is_a_small_number_or_nothing(
    bench: Bench, said: str | None, kept: int | None
) -> None:
    headers = {"content-type": "application/json"} | (
        {} if said is None else {"x-slack-retry-num": said}
    )
    bench.post("slack", b'{"type":"event_callback","event_id":"Ev1"}', headers)
    assert bench.store.events[0].sender_retry == kept


# -- credentials


@pytest.mark.parametrize(
    "query", [f"token={TOKEN}", f"a=1&%74oken={TOKEN}", f"token={TOKEN}&t%6fken={TOKEN}"]
)
def test_a_token_in_the_query_is_nowhere_afterwards(bench: Bench, query: str) -> None:
    bench.post("token", b"{}", query=query)
    assert TOKEN not in repr(bench.store)
    assert "***" in bench.store.events[0].query_string


def test_credential_headers_are_nowhere_afterwards(bench: Bench) -> None:
    sent = {
        "content-type": "application/json",
        "authorization": f"Bearer {TOKEN}",
        "cookie": "session=hunter2",
        "proxy-authorization": "Basic hunter2",
    }
    bench.post("bearer", b"{}", sent)
    assert TOKEN not in repr(bench.store)
    assert "hunter2" not in repr(bench.store)


FIGMA = (
    f'{{ "webhook_id": "22", "passcode" :"{TOKEN}", "event_type":"PING","timestamp":"t" }}'.encode()
)


@pytest.mark.parametrize("source", ["figma", "figma_open"])
def test_a_passcode_in_the_body_is_nowhere_afterwards(bench: Bench, source: str) -> None:
    bench.post(source, FIGMA)
    (event,) = bench.store.events
    assert TOKEN not in repr(bench.store)
    assert event.body == FIGMA.replace(TOKEN.encode(), b"***")
    assert (event.type, event.provider_id) == ("PING", "22:PING:t")
    assert event.body_sha256 == hashlib.sha256(FIGMA).hexdigest(), "that of what was sent"
    if source == "figma":
        (first,) = bench.store.deliveries
        assert first.inputs == {"all": json.loads(event.body), "passcode": "***"}
        assert replan(event, bench.config, NOW, "again")[0].inputs == first.inputs


def test_a_passcode_is_found_under_any_content_type(bench: Bench) -> None:
    for number, media in enumerate(
        ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "")
    ):
        bench.post("figma", FIGMA.replace(b'"t"', b'"%d"' % number), {"content-type": media})
    assert len(bench.store.events) == 4
    assert TOKEN not in repr(bench.store)


def test_each_notification_of_a_batch_is_kept_without_its_state(bench: Bench) -> None:
    sent = [
        {"changeType": "created", "clientState": TOKEN, "id": str(number)} for number in range(3)
    ]
    bench.post("graph", json.dumps({"value": sent}).encode())
    assert TOKEN not in repr(bench.store)
    assert [json.loads(event.body) for event in bench.store.events] == [
        {**one, "clientState": "***"} for one in sent
    ]
    assert bench.store.events[0].body_sha256 == hashlib.sha256(orjson.dumps(sent[0])).hexdigest()


def test_slacks_old_token_is_nowhere_afterwards(bench: Bench) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    bench.post(
        "slack",
        json.dumps(
            {"token": TOKEN, "type": "event_callback", "event": {"type": "x", "token": "kept"}}
        ).encode(),
    )
    bench.post(
        "slack", urlencode({"token": TOKEN, "command": "/deploy", "text": "a b"}).encode(), form
    )
    bench.post(
        "slack",
        urlencode({"payload": json.dumps({"token": TOKEN, "type": "block_actions"})}).encode(),
        form,
    )
    assert TOKEN not in repr(bench.store)
    assert [one.inputs["body"]["token"] for one in bench.store.deliveries] == ["***"] * 3
    assert bench.store.events[1].body == b"token=***&command=%2Fdeploy&text=a+b"
    assert "kept" in repr(bench.store.events[0].body)


# -- forms


FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_a_form_is_typed_by_its_schema_and_kept_as_it_came(bench: Bench) -> None:
    received = bench.post("contact", b"name=Ann&age=3", FORM)
    assert received.reply.status == 202
    assert bench.store.deliveries[0].inputs == {"name": "Ann", "age": 3}
    assert bench.store.events[0].body == b"name=Ann&age=3"
    (again,) = replan(bench.store.events[0], bench.config, NOW, "n")
    assert again.inputs == {"name": "Ann", "age": 3}


def test_what_is_wrong_with_a_form_is_said_by_field_and_nothing_is_kept(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        bench.post("contact", b"name=A&age=-1", FORM)
    assert (refused.value.status, set(refused.value.fields)) == (422, {"name", "age"})
    assert bench.store == Store()


def test_a_form_with_a_file_is_415(bench: Bench) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="cv";'
        b' filename="cv.pdf"\r\n\r\n%PDF\r\n--b--\r\n'
    )
    with pytest.raises(Refused) as refused:
        bench.post("bare", body, {"content-type": "multipart/form-data; boundary=b"})
    assert refused.value.status == 415
    assert bench.store == Store()


def test_the_files_of_a_form_are_kept_before_its_event(bench: Bench) -> None:
    steps: list[str] = []

    def keep_file(content: memoryview) -> str:
        steps.append(f"file {bytes(content).decode()}")
        return hashlib.sha256(content).hexdigest()

    def keep(arrivals: Any, replanned: Callable[..., Any]) -> list[Kept]:
        steps.append("event")
        return bench.store.keep(arrivals, replanned)

    parts = (
        f'--b\r\nContent-Disposition: form-data; name="cv"; filename="{n}.pdf"\r\n\r\n%PDF-{n}\r\n'
        for n in range(2)
    )
    request = Request(
        method="POST",
        path="/hooks/jobs",
        headers={"content-type": "multipart/form-data; boundary=b"},
        body="".join([*parts, "--b--\r\n"]).encode(),
    )
    source = bench.config.sources["jobs"]

    class Effects(StoringEffects):
        def store_file(self, content: memoryview) -> str:
            return keep_file(content)

    receive(request, source, bench.config, Effects(keep=keep, new_id=event_id), NOW)
    assert steps == ["file %PDF-0", "file %PDF-1", "event"]
    (event,) = bench.store.events
    assert [file.field for file in event.files] == ["cv", "cv"]
    assert (
        event.body != request.body and event.body_sha256 == hashlib.sha256(request.body).hexdigest()
    ), "of what was sent"


def test_a_compressed_form_is_415(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        bench.post("bare", b"a=1", {**FORM, "Content-Encoding": "gzip"})
    assert (refused.value.status, refused.value.code) == (415, "encoded")
    assert bench.post("bare", b"a=1", {**FORM, "Content-Encoding": " Identity"}).reply.status == 202
    received = bench.post("bare", b"a=2", FORM)
    assert received.body is not None and received.body.value == {"a": "2"}


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("spam", [None, "words"])
def test_the_spam_check_decides_what_is_stored_of_a_form(
    bench: Bench, repeats: bool, spam: str | None
) -> None:
    """What repeats another is stored already; spam starts nothing; and the request is stored as the
    check returns it.
    """
    asked = list[Any]()
    files = list[bytes]()
    known = Kept("evt_known", (), duplicate=True)
    marks = SubmissionMarks(now=NOW, digest="d")

    class Effects(StoringEffects):
        def check_submission(
            self, request: Request, _body: Any, source: Source, form: Any, now: float, _size: int
        ) -> CheckedSubmission:  # type: ignore[override]
            asked.append((source.name, form, now))
            masked = replace(request, headers={**request.headers, "x-masked": "yes"})
            return CheckedSubmission(
                request=masked,
                client="192.0.2.0",
                spam=spam,
                marks=marks,
                known=known if repeats else None,
            )

        def store_file(self, content: memoryview) -> str:
            files.append(bytes(content))
            return hashlib.sha256(content).hexdigest()

    body = (
        b'--b\r\nContent-Disposition: form-data; name="cv";'
        b' filename="a.pdf"\r\n\r\n%PDF-1\r\n--b--\r\n'
    )
    request = Request(
        method="POST",
        path="/hooks/jobs",
        headers={"content-type": "multipart/form-data; boundary=b"},
        body=body,
    )
    source = bench.config.sources["jobs"]
    effects = Effects(keep=bench.store.keep, new_id=event_id)
    prepared = receive_module.prepare(request, source, bench.config, effects, NOW)
    assert asked == [("jobs", source.form, NOW)]
    assert bench.store == Store(), "nothing is stored before its time"
    if repeats:
        assert isinstance(prepared, Received) and files == []
        assert prepared.reply.status == 200 and json.loads(prepared.reply.body) == {
            "event_id": "evt_known",
            "duplicate": True,
        }
        assert prepared.stored[0][1] is known
        return
    assert isinstance(prepared, PreparedRequest) and (prepared.marks, files) == (marks, [b"%PDF-1"])
    receive_module.build_answer(prepared, effects.store(prepared))
    (event,) = bench.store.events
    assert (event.client, event.spam, event.headers["x-masked"]) == ("192.0.2.0", spam, "yes")
    planned = [(one.route, one.status) for one in bench.store.deliveries]
    assert planned == ([] if spam else [("jobs", Status.QUEUED)])
    assert [one.route for one in replan(event, bench.config, NOW, "n")] == (
        [] if spam else ["jobs"]
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"%zz=\x81", "application/x-www-form-urlencoded"),
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b'"x"', ""),
        (b"[" * 5000, "text/plain"),
    ],
)
def test_a_form_that_cannot_be_read_is_400(bench: Bench, body: bytes, content_type: str) -> None:
    with pytest.raises(Refused) as refused:
        bench.post("bare", body, {"content-type": content_type})
    assert refused.value.status == 400
    assert bench.store == Store()


# -- whatever comes


@given(
    source=st.sampled_from(["github", "slack", "open", "ids", "contact", "bare"]),
    body=st.binary(max_size=120)
    | st.sampled_from(
        [
            b'{"type": "url_verification", "challenge": 1}',
            b"payload=[]",
            b'{"id": 1e400}',
            b'{"id":true,"type":1.5}',
        ]
    ),
    content_type=st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=b",
            "\xff",
            "",
        ]
    ),
    query=st.text(alphabet="a&=%+t\xff", max_size=20),
)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)
def test_any_request_that_verifies_is_kept_or_refused_with_a_reason(
    config: Config, source: str, body: bytes, content_type: str, query: str
) -> None:
    bench = Bench(config)
    try:
        received = bench.post(
            source,
            body,
            {"content-type": content_type, "x-github-event": content_type},
            query=query,
        )
    except Refused as refused:
        assert refused.status in (400, 415, 422)
        assert bench.store == Store()
    else:
        assert received.fault is None
        assert len(bench.store.events) == len(received.stored) <= 1
        assert all(each.status in (Status.QUEUED, Status.DEAD) for each in bench.store.deliveries)


@given(
    st.binary(max_size=80),
    st.dictionaries(
        st.sampled_from(
            [
                "x-hub-signature-256",
                "authorization",
                "x-slack-signature",
                "x-slack-request-timestamp",
            ]
        ),
        st.text(max_size=80),
    ),
)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
def test_no_unsigned_request_gets_in(config: Config, body: bytes, headers: dict[str, str]) -> None:
    bench = Bench(config)
    for source in ("github", "slack", "token", "bearer"):
        with pytest.raises(BadSignature):
            bench.post(
                source,
                body,
                headers,
                sign=False,
                query="token=" + quote_plus(headers.get("authorization", "")),
            )
    assert bench.store == Store()


def test_a_source_that_is_gone_plans_nothing(bench: Bench) -> None:
    bench.post("github", ISSUE, github())
    without = replace(bench.config, sources={})
    assert replan(bench.store.events[0], without, NOW, "n") == []


# -- where it waits


class MustWaitError(BaseException):
    """An effect would wait."""


class Impatient(StoringEffects):
    """Effects for an event loop: what would wait gives up instead."""

    def _give_up(self, *_: object, **__: object) -> Any:
        raise MustWaitError

    confirm = check_submission = store_file = store = _give_up
    fetch = roots = _give_up


@for_each("name", sorted(ALL))
def test_most_requests_are_prepared_without_waiting(name: str) -> None:
    one = ALL[name]
    kept = list[Any]()
    impatient = Impatient(keep=lambda *_: kept, new_id=lambda _: "evt_1")
    impatient = replace(impatient, keys=impatient)
    if one.row.name == "form":
        with pytest.raises(MustWaitError):
            receive_module.prepare(one.signed(), one.source(), CONFIG, impatient, SIGNED_AT)
        return
    prepared = receive_module.prepare(one.signed(), one.source(), CONFIG, impatient, SIGNED_AT)
    assert isinstance(prepared, Received | PreparedRequest)
    assert isinstance(prepared, Received) or (
        prepared.arrivals and prepared.source.name == one.row.name
    )
    assert kept == []


def test_a_request_that_would_wait_can_be_prepared_again_elsewhere(bench: Bench) -> None:
    fields = b"name=Ann&age=3"
    request = Request(method="POST", path="/hooks/contact", headers=FORM, body=fields)
    source = bench.config.sources["contact"]
    patient = StoringEffects(keep=bench.store.keep, new_id=lambda _: "evt_1")
    with pytest.raises(MustWaitError):
        receive_module.prepare(
            request,
            source,
            bench.config,
            Impatient(keep=bench.store.keep, new_id=lambda _: "evt_1"),
            NOW,
        )
    assert bench.store == Store()
    again = receive_module.prepare(request, source, bench.config, patient, NOW)
    assert isinstance(again, PreparedRequest)
    said = receive_module.build_answer(again, patient.store(again))
    assert (said.reply.status, [event.id for event in bench.store.events]) == (202, ["evt_1"])
    assert (
        said.reply
        == receive(
            request,
            source,
            bench.config,
            StoringEffects(keep=Store().keep, new_id=lambda _: "evt_1"),
            NOW,
        ).reply
    )
