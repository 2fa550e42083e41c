"""What a user sees as JSON: every key of the design, whatever there is to say."""

from __future__ import annotations

from dataclasses import replace

import orjson
from json_keys import DELIVERY_KEYS, EVENT_KEYS
from records import NOW, make_delivery, make_event

from bridge.core.model import Attempt, RunState, Status
from bridge.core.units import iso
from bridge.services.records.delivery_records import DELIVERY, DELIVERY_DETAILS
from bridge.services.records.event_records import EVENT, EVENT_DETAILS


def test_every_key_is_there_in_the_order_of_the_design() -> None:
    event = make_event(None, type=None)
    shape = EVENT.write(event, deliveries=[make_delivery(event)])
    assert list(shape) == EVENT_KEYS.split()
    assert list(shape["deliveries"][0]) == DELIVERY_KEYS.split()
    assert (shape["type"], shape["provider_id"], shape["problem"]) == (None, None, None)
    assert orjson.loads(orjson.dumps(shape)) == shape


def test_times_are_iso_8601_in_utc_with_microseconds() -> None:
    assert iso(NOW) == "2025-11-24T16:00:00.000000Z"
    assert iso(1.5) == "1970-01-01T00:00:01.500000Z"
    assert iso(None) is None


def test_states_are_their_words() -> None:
    changes = {
        "status": Status.DELIVERED,
        "run_state": RunState.DONE,
        "outputs": {"a": 1},
        "delivered_at": NOW,
    }
    shape = DELIVERY.write(replace(make_delivery(make_event()), **changes))  # type: ignore[arg-type]
    words = {"status": "delivered", "run_state": "done", "delivered_at": iso(NOW)}
    assert {name: shape[name] for name in changes} == changes | words


def test_a_whole_event_has_its_request_and_each_delivery_its_attempts() -> None:
    event = make_event("1", body="ünï".encode(), headers={"x-a": "b"}, query_string="q=1")
    delivery = make_delivery(event)
    attempt = Attempt(
        delivery_id=delivery.id,
        number=1,
        started_at=NOW,
        outcome="started",
        status_code=200,
        run_id="r",
    )
    deliveries = [DELIVERY_DETAILS.write(delivery, attempt_list=[attempt], waits_for=None)]
    shape = EVENT_DETAILS.write(event, deliveries=deliveries, operations=[])
    assert list(shape)[: len(EVENT_KEYS.split())] == EVENT_KEYS.split()
    assert (shape["headers"], shape["query_string"], shape["body"], shape["body_base64"]) == (
        {"x-a": "b"},
        "q=1",
        "ünï",
        None,
    )
    one = shape["deliveries"][0]
    assert (one["attempts"], one["inputs"], one["log"]) == (0, {"title": "Found a bug"}, [])
    keys = (
        "number started_at finished_at outcome status_code detail run_id run_state run_finished_at"
        " outputs log late_at"
    )
    assert list(one["attempt_list"][0]) == keys.split()
    assert (one["evidence"], one["waits_for"], shape["operations"]) == (None, None, [])


def test_the_times_of_evidence_are_iso_8601_too() -> None:
    event = make_event()
    run = {"run_id": "r1", "state": "done", "created_at": NOW, "echo": None}
    kept = {
        "attempt": 1,
        "looked_at": NOW,
        "since": NOW - 60,
        "until": NOW + 90,
        "empty_at": None,
        "candidates": [run],
        "why": "so",
    }
    one = [
        DELIVERY_DETAILS.write(
            make_delivery(event, evidence=evidence), attempt_list=[], waits_for=None
        )
        for evidence in (kept, None)
    ]
    times = {
        "looked_at": iso(NOW),
        "since": iso(NOW - 60),
        "until": iso(NOW + 90),
        "empty_at": None,
    }
    assert one[0]["evidence"] == kept | times | {"candidates": [run | {"created_at": iso(NOW)}]}
    assert one[1]["evidence"] is None


def test_a_body_that_is_no_text_is_base64() -> None:
    shape = EVENT_DETAILS.write(make_event(body=b"\xff\x00"), deliveries=[], operations=[])
    assert (shape["body"], shape["body_base64"]) == (None, "/wA=")
