"""What each platform is sent, and what its answers mean."""

from __future__ import annotations

import json
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from platform_answers import RUN, answer

import bridge
from bridge.core.http_messages import Answer
from bridge.core.model import Delivery, RunState, Status
from bridge.core.status import OutcomeKind
from bridge.delivery.platforms import gumloop
from bridge.delivery.platforms.model import Listing
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.platforms.responses import (
    MAX_DETAIL_CHARS,
    error_text,
    load_truncated,
    parse_time,
    printable,
    retry_after,
)
from bridge.delivery.polling import Polling
from bridge.routing.model import Platform

NOW = 1_700_000_000.0
GUMLOOP = Platform(
    name="gumloop", type="gumloop", api_key="k" * 32, user_id="user+1&x", base_url=""
)


def delivery(inputs: object, **changed: object) -> Delivery:
    values: dict = {
        "id": "dlv_1",
        "event_id": "evt_1",
        "route": "r",
        "flow": "f",
        "platform": "gumloop",
        "saved_item_id": "q3dasHQBidkNeXvAZo6Dby",
        "inputs": inputs,
        "status": Status.SENDING,
        "created_at": NOW,
        "due_at": NOW,
        "config_hash": "h",
    }
    return Delivery(**(values | changed))


# -- building
# --------------------------------------------------------------------------------------------------


def test_gumloop_inputs_are_top_level_keys_and_our_ids_come_last() -> None:
    call = gumloop.build_start(GUMLOOP, delivery({"title": "Grüße", "labels": ["a"], "n": None}))
    assert call.method == "POST"
    assert call.url == "https://api.gumloop.com/api/v1/start_pipeline"
    assert (
        call.body.decode()
        == '{"title":"Grüße","labels":["a"],"n":null,"user_id":"user+1&x","saved_item_id":"q3dasHQBidkNeXvAZo6Dby"}'
    )
    assert call.headers == {
        "Authorization": "Bearer " + "k" * 32,
        "x-auth-key": "user+1&x",
        "Content-Type": "application/json",
        "User-Agent": f"flowbridge/{bridge.__version__}",
    }


def test_gumloop_hostile_inputs_cannot_replace_the_ids_nor_add_a_credential() -> None:
    hostile = {
        "user_id": "evil",
        "USER_ID": "evil",
        "project_id": "evil",
        "api_key": "evil",
        "pipeline_inputs": [1],
        "saved_item_id": 2,
        "x": 1,
    }
    body = json.loads(gumloop.build_start(GUMLOOP, delivery(hostile)).body)
    assert body == {"x": 1, "user_id": "user+1&x", "saved_item_id": "q3dasHQBidkNeXvAZo6Dby"}


def test_gumloop_project_id_is_sent_where_there_is_one() -> None:
    team = Platform(
        name="g",
        type="gumloop",
        api_key="k",
        user_id="u",
        project_id="team",
        base_url="https://h.example/api/v1/",
    )
    call = gumloop.build_start(team, delivery({}))
    assert json.loads(call.body) == {
        "user_id": "u",
        "saved_item_id": "q3dasHQBidkNeXvAZo6Dby",
        "project_id": "team",
    }
    assert call.url == "https://h.example/api/v1/start_pipeline"
    assert (
        gumloop.build_run(team, RUN).url
        == f"https://h.example/api/v1/get_pl_run?run_id={RUN}&user_id=u&project_id=team"
    )


@pytest.mark.parametrize("payload", [{"user_id": 7, "deep": {"a": [1]}}, [1, 2], "text", None, 1.5])
def test_gumloop_a_whole_payload_is_the_body_and_the_ids_travel_in_the_query(
    payload: object,
) -> None:
    call = gumloop.build_start(GUMLOOP, delivery(payload, whole_body=True))
    assert json.loads(call.body) == payload
    assert parse_qs(urlsplit(call.url).query) == {
        "user_id": ["user+1&x"],
        "saved_item_id": ["q3dasHQBidkNeXvAZo6Dby"],
    }
    assert "user%2B1%26x" in call.url


@pytest.mark.parametrize("value", [2**70, -(2**64), "\ud800", {"a": ["\udfff"]}])
def test_values_that_the_fast_writer_refuses_are_sent_all_the_same(value: object) -> None:
    assert json.loads(gumloop.build_start(GUMLOOP, delivery({"v": value})).body)["v"] == value


def test_the_run_id_is_encoded() -> None:
    assert "run_id=a%26b%2F%3F%23" in gumloop.build_run(GUMLOOP, "a&b/?#").url


def test_local_speaks_the_same_api_and_sends_its_idempotency_key() -> None:
    local = Platform(name="local", type="local", api_key="k", user_id="u")
    call = PLATFORMS["local"].build_start(local, delivery({"a": 1}, id="evt_1/route ü\n"))
    assert call.url == "http://127.0.0.1:8080/api/v1/start_pipeline"
    assert call.headers["Idempotency-Key"] == "evt_1/route %C3%BC%0A"
    assert json.loads(call.body) == {
        "a": 1,
        "user_id": "u",
        "saved_item_id": "q3dasHQBidkNeXvAZo6Dby",
    }
    assert PLATFORMS["local"].build_run is not None
    assert (
        PLATFORMS["local"]
        .build_run(local, RUN)
        .url.startswith("http://127.0.0.1:8080/api/v1/get_pl_run?run_id=")
    )


def test_http_sends_the_inputs_to_the_fixed_url() -> None:
    target = Platform(
        name="crm",
        type="http",
        base_url="https://crm.example/in?x=1",
        method="PUT",
        headers={
            "authorization": "Basic abc",
            "content-type": "application/vnd.crm+json",
            "idempotency-key": "mine",
        },
    )
    call = PLATFORMS["http"].build_start(target, delivery({"user_id": 7}))
    assert (call.method, call.url, call.body) == (
        "PUT",
        "https://crm.example/in?x=1",
        b'{"user_id":7}',
    )
    assert call.headers == {
        "authorization": "Basic abc",
        "content-type": "application/vnd.crm+json",
        "Idempotency-Key": "dlv_1",
        "User-Agent": f"flowbridge/{bridge.__version__}",
    }


def test_the_table_says_which_platforms_have_runs_and_may_be_repeated() -> None:
    assert {
        name: (row.has_runs, row.idempotent, row.on_unknown) for name, row in PLATFORMS.items()
    } == {
        "gumloop": (True, False, "reconcile"),
        "local": (True, True, "retry"),
        "http": (False, True, "retry"),
    }
    assert PLATFORMS["http"].polling is None


def test_polling_grows_to_its_ceiling() -> None:
    polling = Polling(first=1.0, growth=1.5, max=30.0)
    assert [polling.delay(n) for n in (0, 1, 2, 1000)] == [1.0, 1.5, 2.25, 30.0]


# -- reading a start
# --------------------------------------------------------------------------------------------------

STARTED = {
    "run_id": RUN,
    "saved_item_id": "s",
    "workbook_id": "w",
    "url": f"https://www.gumloop.com/pipeline?run_id={RUN}&flow_id=s",
}
STARTS = {
    "all four fields": (answer(200, STARTED), OutcomeKind.STARTED, ""),
    "only a run id": (answer(200, {"run_id": RUN}), OutcomeKind.STARTED, ""),
    "another 2xx with a run id": (answer(202, {"run_id": RUN}), OutcomeKind.STARTED, ""),
    "200 empty": (answer(200), OutcomeKind.UNKNOWN, "not JSON"),
    "200 html": (answer(200, b"<html><title>Welcome</title>"), OutcomeKind.UNKNOWN, "not JSON"),
    "200 cut off": (
        Answer(status=200, body=b'{"run_id": "B7ui', truncated=True),
        OutcomeKind.UNKNOWN,
        "cut off",
    ),
    "200 without run_id": (
        answer(200, {"ok": True}),
        OutcomeKind.UNKNOWN,
        "without a usable run_id",
    ),
    "200 with null": (
        answer(200, {"run_id": None}),
        OutcomeKind.UNKNOWN,
        "without a usable run_id",
    ),
    "200 with a number": (
        answer(200, {"run_id": 12}),
        OutcomeKind.UNKNOWN,
        "without a usable run_id",
    ),
    "200 with an empty id": (
        answer(200, {"run_id": ""}),
        OutcomeKind.UNKNOWN,
        "without a usable run_id",
    ),
    "200 with a hostile id": (
        answer(200, {"run_id": "a\r\nb"}),
        OutcomeKind.UNKNOWN,
        "without a usable run_id",
    ),
    "200 with a list": (answer(200, [STARTED]), OutcomeKind.UNKNOWN, "without a usable run_id"),
    "204": (answer(204), OutcomeKind.UNKNOWN, "not JSON"),
    "301": (answer(301, b"", location="/x"), OutcomeKind.REJECTED, "base_url"),
    "307": (answer(307), OutcomeKind.REJECTED, "base_url"),
    "303": (answer(303), OutcomeKind.REJECTED, "base_url"),
    "400 flat": (
        answer(400, {"error": "bad_request", "message": "no flow"}),
        OutcomeKind.REJECTED,
        "HTTP 400 bad_request: no flow",
    ),
    "401 nested": (
        answer(
            401,
            {
                "error": {
                    "code": "invalid_key",
                    "message": "no such key",
                    "type": "auth",
                    "param": None,
                    "details": {},
                }
            },
        ),
        OutcomeKind.UNAUTHORIZED,
        "HTTP 401 invalid_key: no such key",
    ),
    "402": (
        answer(402, {"error": "insufficient_credits"}),
        OutcomeKind.REJECTED,
        "HTTP 402 insufficient_credits",
    ),
    "403 bare": (
        answer(403, {"error": "tier_required_pro", "metadata": {}}),
        OutcomeKind.REJECTED,
        "HTTP 403 tier_required_pro",
    ),
    "403 oauth": (
        answer(403, {"error": "bad_token", "error_description": "old"}),
        OutcomeKind.REJECTED,
        "HTTP 403 bad_token: old",
    ),
    "404 detail": (
        answer(404, {"detail": "Not Found"}),
        OutcomeKind.REJECTED,
        "HTTP 404: Not Found",
    ),
    "409": (answer(409), OutcomeKind.REJECTED, "HTTP 409"),
    "422 detail list": (
        answer(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}),
        OutcomeKind.REJECTED,
        "field required",
    ),
    "408": (answer(408), OutcomeKind.UNKNOWN, "HTTP 408"),
    "425": (answer(425), OutcomeKind.REFUSED, "HTTP 425"),
    "429": (
        answer(429, {"error": "gummie_rate_limit"}),
        OutcomeKind.THROTTLED,
        "HTTP 429 gummie_rate_limit",
    ),
    "500 text": (
        answer(500, b"Internal Server Error"),
        OutcomeKind.UNKNOWN,
        "HTTP 500: Internal Server Error",
    ),
    "502 page": (
        answer(502, b"<html><head><title>502 Bad\n Gateway</title></head>"),
        OutcomeKind.UNKNOWN,
        "a page titled '502 Bad",
    ),
    "503": (answer(503, b"", retry_after="7"), OutcomeKind.UNKNOWN, "HTTP 503"),
    "no known status": (answer(999), OutcomeKind.UNKNOWN, "HTTP 999"),
    "101": (answer(101), OutcomeKind.UNKNOWN, "HTTP 101"),
}


@pytest.mark.parametrize("name", STARTS)
def test_every_answer_to_a_start_is_read_for_what_it_means(name: str) -> None:
    given_answer, kind, detail = STARTS[name]
    outcome = gumloop.read_start(given_answer, NOW)
    assert (outcome.kind, outcome.status_code) == (kind, given_answer.status)
    assert detail in outcome.detail
    assert outcome.run_id == (RUN if kind is OutcomeKind.STARTED else None)


def test_a_run_page_is_kept_only_where_it_is_a_link() -> None:
    assert gumloop.read_start(answer(200, STARTED), NOW).run_url == STARTED["url"]
    for url in ("javascript:alert(1)", 7, None, "https://x/\n", "https://x/" + "a" * 3000):
        assert gumloop.read_start(answer(200, STARTED | {"url": url}), NOW).run_url is None


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (200, {}, OutcomeKind.STARTED),
        (201, {}, OutcomeKind.STARTED),
        (204, {}, OutcomeKind.STARTED),
        (302, {}, OutcomeKind.REJECTED),
        (400, {}, OutcomeKind.REJECTED),
        (401, {}, OutcomeKind.UNAUTHORIZED),
        (403, {}, OutcomeKind.REJECTED),
        (410, {}, OutcomeKind.REJECTED),
        (408, {}, OutcomeKind.UNKNOWN),
        (425, {}, OutcomeKind.REFUSED),
        (429, {}, OutcomeKind.THROTTLED),
        (500, {}, OutcomeKind.UNKNOWN),
        (503, {}, OutcomeKind.UNKNOWN),
        (503, {"retry_after": "3"}, OutcomeKind.THROTTLED),
        (503, {"retry_after": "soon"}, OutcomeKind.UNKNOWN),
    ],
)
def test_http_takes_any_2xx_for_a_start(
    status: int, headers: dict[str, str], kind: OutcomeKind
) -> None:
    outcome = PLATFORMS["http"].read_start(answer(status, b"whatever", **headers), NOW)
    assert (outcome.kind, outcome.run_id, outcome.run_url) == (kind, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 12 ", 12.0),
        ("999999", 3600.0),
        ("9" * 400, None),
        ("-3", None),
        ("soon", None),
        ("", None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        (formatdate(NOW + 9e6, usegmt=True), 3600.0),
        ("Wed, 99 Nov 2026 99:99:99 GMT", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(
    text: str, seconds: float | None
) -> None:
    assert retry_after(answer(429, b"", retry_after=text), NOW) == seconds
    assert gumloop.read_start(answer(429, b"", retry_after=text), NOW).retry_after == seconds


def test_error_texts_are_short_printable_and_hold_no_echoed_credential() -> None:
    long = error_text(answer(400, {"error": "e", "message": "x" * 5000}))
    assert len(long) == MAX_DETAIL_CHARS and long.endswith("…")
    assert (
        error_text(answer(400, b"\x1b[31mred\x00\x07\r\nnext\xe2\x80\xae\xff"))
        == "HTTP 400: [31mred next \ufffd"
    )
    assert all(char.isprintable() for char in error_text(answer(400, bytes(range(256)))))
    echoed = error_text(
        answer(401, {"message": "got Authorization: Bearer abcdef123 and ?api_key=zzz999&x=1"})
    )
    assert "abcdef123" not in echoed and "zzz999" not in echoed and "x=1" in echoed
    assert printable("a\u2028b\u200bc") == "a b c"


# -- reading a run
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("QUEUED", RunState.QUEUED),
        ("STARTED", RunState.RUNNING),
        ("RUNNING", RunState.RUNNING),
        ("TERMINATING", RunState.RUNNING),
        ("DONE", RunState.DONE),
        ("FAILED", RunState.FAILED),
        ("TERMINATED", RunState.TERMINATED),
        ("done", RunState.DONE),
        ("PAUSED_FOR_TEA", RunState.RUNNING),
    ],
)
def test_every_run_state_is_known_and_an_unknown_one_is_no_end(raw: str, state: RunState) -> None:
    report = gumloop.read_run(answer(200, {"state": raw}))
    assert (report.state, report.raw_state, report.outputs, report.log, report.gone) == (
        state,
        raw,
        {},
        (),
        False,
    )


def test_a_run_is_read_with_outputs_times_and_a_clean_log() -> None:
    report = gumloop.read_run(
        answer(
            200,
            {
                "run_id": RUN,
                "user_id": "u",
                "state": "DONE",
                "outputs": {"text": "hi"},
                "log": [
                    "\x1b[34m__system__: __STARTING__:Read files\x1b[0m",
                    7,
                    None,
                    "two\nlines",
                    {"a": 1},
                    "\x1b]8;;http://x\x07link\x1b]8;;\x07",
                ],
                "created_ts": "2023-11-19T18:06:31.102786+00:00",
                "finished_ts": "2023-11-19T18:06:32Z",
            },
        )
    )
    assert report.outputs == {"text": "hi"}
    assert report.log == (
        "__system__: __STARTING__:Read files",
        "7",
        "two",
        "lines",
        '{"a":1}',
        "link",
    )
    assert (report.created_at, report.finished_at) == (1700417191.102786, 1700417192.0)


def test_the_log_keeps_its_last_lines_each_cut() -> None:
    lines = [f"{n} " + "x" * 900 for n in range(300)]
    log = gumloop.read_run(answer(200, {"state": "RUNNING", "outputs": None, "log": lines})).log
    assert (
        len(log) == 50
        and log[0].startswith("250 ")
        and log[-1].startswith("299 ")
        and {len(line) for line in log} == {500}
    )
    assert gumloop.read_run(answer(200, {"state": "FAILED", "log": "one text"})).log == (
        "one text",
    )


@pytest.mark.parametrize("cut", [30, 45, 60, 200, 5000])
def test_a_run_whose_outputs_or_log_are_too_long_is_seen_to_end_all_the_same(cut: int) -> None:
    record = {
        "run_id": RUN,
        "state": "DONE",
        "outputs": {"a": "ü" * 20},
        "log": ["x" * 1000] * 9,
        "finished_ts": None,
    }
    body = json.dumps(record, ensure_ascii=False, indent=cut % 2 or None).encode()
    report = gumloop.read_run(Answer(status=200, body=body[:cut], truncated=True))
    if b'"DONE",' not in body[:cut]:
        assert report.state is None and "cut off" in report.detail
    else:
        assert (report.state, report.raw_state) == (RunState.DONE, "DONE")
        assert report.log == (gumloop.CUT_OFF_LINE,) and report.outputs in ({}, {"a": "ü" * 20})


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", {}),
        (b"[1,", {}),
        (b'{"a":1', {}),  # it may be the beginning of 12
        (b' {"a" : 1 , "b":"x"', {"a": 1}),
        (b'{"a":{"b":[1]},"c":{"d"', {"a": {"b": [1]}}),
        (b'{"a":"\xc3\xa4","b":"\xc3', {"a": "ä"}),
        (b'{"a":1,"b":' + b"[" * 100_000, {"a": 1}),
        (b'{"a":1}', {}),
    ],
)
def test_the_beginning_of_an_object_gives_the_members_that_are_whole(
    body: bytes, found: object
) -> None:
    assert load_truncated(body) == found


@pytest.mark.parametrize("text", ["", "yesterday", "2023-99-01", 5, None, [], {}, True, "x" * 99])
def test_times_that_are_none_are_null(text: object) -> None:
    assert parse_time(text) is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
SHAPED = st.dictionaries(
    st.sampled_from(
        [
            "run_id",
            "url",
            "state",
            "outputs",
            "log",
            "created_ts",
            "finished_ts",
            "error",
            "message",
            "detail",
            "code",
            "success",
            "saved_items",
            "inputs",
        ]
    ),
    JSON_VALUES
    | st.lists(
        st.dictionaries(
            st.sampled_from(["run_id", "saved_item_id", "name", "created_ts"]), JSON_VALUES
        )
    ),
).map(lambda value: json.dumps(value).encode())
ANSWERS = st.builds(
    Answer,
    status=st.integers(-1, 1000) | st.sampled_from([200, 404, 429, 503]),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "content-type", "location"]), st.text()
    ),
    body=st.binary()
    | SHAPED
    | st.integers(1, 1500).map(lambda n: b'{"error":' + b"[" * n + b"]" * n + b"}"),
    truncated=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_no_answer_makes_reading_fail(some: Answer) -> None:
    for row in PLATFORMS.values():
        outcome = row.read_start(some, NOW)
        assert len(outcome.detail) <= MAX_DETAIL_CHARS and outcome.detail.isprintable()
        if row.read_run is not None:
            report = row.read_run(some)
            assert report.state is not None or report.detail
        for question in (row.flows, row.inputs, row.runs):
            if question is not None:
                listing: Listing[object] = question.read(some)
                assert listing.items is not None or listing.detail
        assert row.kill is None or row.kill.read(some).accepted or row.kill.read(some).detail


def test_a_deeply_nested_log_entry_is_not_written_out() -> None:
    report = gumloop.read_run(
        Answer(status=200, body=b'{"state":"DONE","log":[' + b"[" * 1020 + b"]" * 1020 + b"]}")
    )
    assert report.state is RunState.DONE and len(report.log) == 1
