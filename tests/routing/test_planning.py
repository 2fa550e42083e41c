"""Planning: what one event becomes by the routes; nothing is dropped, and no credential is in reach
of an expression.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from records import NOW, make_event

from bridge.config.loader import check
from bridge.core.errors import ExpressionError
from bridge.core.model import JSON, Body, FormFile, Retry, Status
from bridge.routing.model import Debouncing, Flow, Mode, Ordering, Route
from bridge.routing.planner import build_context, delivery_id, find_omitted_inputs, plan
from bridge.routing.schemas.validator import compile_schema
from bridge.routing.templates import RESERVED_INPUTS, compile_inputs

LARGE_PAYMENTS = """
version: 1
platforms: {local: {type: local}}
sources:
  stripe: {provider: stripe, secret: "${env:S}"}
routes:
  - name: large
    on: stripe invoice.paid
    match:
      when: money(body.data.object.amount_paid, body.data.object.currency) > 100
    inputs: {total: "${money(body.data.object.amount_paid, body.data.object.currency)}"}
    flow: local/echo
"""
FLOW = Flow(name="triage", platform="gumloop", saved_item_id="q3dasHQBidkNeXvAZo6Dby")
BODY = {"action": "opened", "issue": {"title": "Bug", "number": 7}}


def route(name: str = "r", inputs: JSON = None, **changes: Any) -> Route:
    made = Route(
        name=name,
        source="github",
        flow=FLOW,
        reshape=compile_inputs(inputs or {"title": "${body.issue.title}"}),
    )
    return replace(made, **changes)


def planned(*routes: Route, body: JSON = None, nonce: str = "", **event: Any):
    return plan(
        make_event("1", **event), Body(value=BODY if body is None else body), routes, NOW, nonce
    )


def test_a_delivery_is_frozen_from_its_route() -> None:
    event = make_event("1", config_hash="c" * 64)
    made = route(retry=Retry(3, 1.0, 9.0), on_unknown="retry", run_timeout=60.0)
    (one,) = plan(event, Body(value=BODY), [made], NOW)
    assert (one.event_id, one.route, one.flow, one.platform, one.saved_item_id) == (
        event.id,
        "r",
        "triage",
        "gumloop",
        FLOW.saved_item_id,
    )
    assert (one.inputs, one.status, one.reason, one.config_hash) == (
        {"title": "Bug"},
        Status.QUEUED,
        None,
        "c" * 64,
    )
    assert (one.retry, one.on_unknown, one.run_timeout, one.due_at, one.created_at) == (
        made.retry,
        "retry",
        60.0,
        NOW,
        NOW,
    )


def test_inputs_without_a_value_are_named_once() -> None:
    twins = [
        route(
            "a",
            {"title": "${body.issue.titel}", "n": "${body.issue.number}", "who": "${body.user}"},
            flow=flow,
        )
        for flow in (FLOW, replace(FLOW, name="other"))
    ]
    whole = route("whole", "${body.issue}")
    full = route("full", {"n": "#${body.nothing}"})
    assert find_omitted_inputs(planned(*twins, whole, full), [*twins, whole, full]) == [
        "title",
        "who",
    ]
    parked = route(
        "parked",
        {"title": "${body.issue.titel}"},
        reshape=compile_inputs({"title": "${body.titel}"}, strict=True),
    )
    assert find_omitted_inputs(planned(parked), [parked]) == [], "its reason says so"
    assert find_omitted_inputs(planned(*twins), []) == [], "the route is gone"


def test_files_are_objects_and_in_what_was_filled_in_their_names() -> None:
    cv = FormFile(field="cv", name="cv.pdf", type="application/pdf", size=3, sha256="f" * 64)
    form = {
        "name": "Ann",
        "cv": asdict(cv),
        "all": [asdict(cv), "x"],
        "forged": asdict(replace(cv, size=4)),
    }
    roots = build_context(make_event("1"), Body(value=form, form=form, files=(cv,)), NOW)
    assert (roots["files"], roots["form"]["cv"]) == ([asdict(cv)], asdict(cv))
    assert roots["fields"] == {
        "name": "Ann",
        "cv": "cv.pdf",
        "all": ["cv.pdf", "x"],
        "forged": form["forged"],
    }


def test_every_route_that_matches_makes_one_and_no_other() -> None:
    found = planned(
        route("a"),
        route("other type", types=("push",)),
        route("pattern", types=("iss*",)),
        route("no", match=lambda roots: False),
        route("yes", match=lambda roots: roots["body"]["action"] == "opened"),
    )
    assert [one.route for one in found] == ["a", "pattern", "yes"]
    assert len({one.id for one in found}) == 3


@pytest.mark.parametrize(
    ("amount", "currency", "is_large"),
    [
        (25_000, "eur", True),
        (10_000, "eur", False),
        (4_900, "eur", False),
        (250, "jpy", True),
        (99, "jpy", False),
        (250_000, "kwd", True),
        (25_000, "kwd", False),
    ],
)
def test_a_route_by_amount_counts_in_units_of_the_currency(
    tmp_path: Path, amount: int, currency: str, is_large: bool
) -> None:
    (tmp_path / "routes.yaml").write_text(LARGE_PAYMENTS)
    config, problems = check(tmp_path / "routes.yaml", {"S": "whsec_x"})
    assert config is not None, problems
    body = {"data": {"object": {"amount_paid": amount, "currency": currency}}}
    event = make_event("1", source="stripe", provider="stripe", type="invoice.paid")
    assert bool(plan(event, Body(value=body), config.routes, NOW, "")) is is_large


def test_no_route_is_no_delivery() -> None:
    assert planned() == []
    assert planned(route(types=("push",)), type=None) == []


def fails(_roots: object) -> Any:
    raise ExpressionError("`body.a + 1`: a string and a number")


@pytest.mark.parametrize("broken", [{"match": fails}, {"reshape": fails}])
def test_an_expression_that_fails_parks_its_own_delivery_only(broken: dict[str, Any]) -> None:
    bad, good = planned(route("bad", **broken), route("good"))
    assert (bad.status, bad.inputs, bad.reason, bad.finished_at) == (
        Status.DEAD,
        None,
        "`body.a + 1`: a string and a number",
        NOW,
    )
    assert good.status is Status.QUEUED


def test_a_null_input_of_a_strict_route_parks() -> None:
    (one,) = planned(route(reshape=compile_inputs({"x": "${body.nothing}"}, strict=True)))
    assert one.status is Status.DEAD
    assert "`x` is null" in (one.reason or "")
    (one,) = planned(route(inputs={"x": "${body.nothing}", "y": "1"}))
    assert (one.status, one.inputs) == (Status.QUEUED, {"y": "1"})


def test_a_payload_that_does_not_fit_parks_with_the_reason() -> None:
    (one,) = planned(route(payload_schema=compile_schema({"required": ["sender"]})))
    assert (one.status, one.inputs) == (Status.DEAD, None)
    assert (one.reason or "").startswith("the payload does not fit payload_schema: $: ")
    assert "'sender'" in (one.reason or "")


def test_inputs_that_do_not_fit_park_and_are_kept() -> None:
    (one,) = planned(
        route(inputs_schema=compile_schema({"properties": {"title": {"maxLength": 1}}}))
    )
    assert (one.status, one.inputs) == (Status.DEAD, {"title": "Bug"})
    assert (one.reason or "").startswith("the inputs do not fit inputs_schema: $.title: ")


@pytest.mark.parametrize(
    ("value", "kind"),
    [([1], "a list"), ("x", "a string"), (3, "a number"), (True, "true or false"), (None, "null")],
)
def test_inputs_that_are_no_object_park(value: JSON, kind: str) -> None:
    (one,) = planned(route(reshape=compile_inputs("${body.v}"), whole_body=True), body={"v": value})
    assert (one.status, one.inputs) == (Status.DEAD, None)
    assert kind in (one.reason or "")


@pytest.mark.parametrize("name", [*sorted(RESERVED_INPUTS), "Api_Key", "USER_ID"])
def test_a_reserved_name_from_a_payload_parks_or_is_dropped(name: str) -> None:
    body = {"title": "Bug", name: "stolen"}
    whole = route(reshape=compile_inputs("${body}"), whole_body=True)
    (parked,) = planned(whole, body=body)
    assert parked.status is Status.DEAD
    assert name in (parked.reason or "")
    assert "stolen" not in (parked.reason or "")
    (dropped,) = planned(replace(whole, drop_reserved=True), body=body)
    assert (dropped.status, dropped.inputs) == (Status.QUEUED, {"title": "Bug"})


def test_shadow_is_kept_as_shadow_and_paused_waits() -> None:
    shadow, paused, broken = planned(
        route("s", mode=Mode.SHADOW),
        route("p", mode=Mode.PAUSED),
        route("b", mode=Mode.SHADOW, reshape=fails),
    )
    assert [one.status for one in (shadow, paused, broken)] == [
        Status.SHADOW,
        Status.QUEUED,
        Status.DEAD,
    ]
    assert shadow.inputs == {"title": "Bug"}
    assert shadow.finished_at is None


def test_an_id_follows_from_event_route_and_nonce() -> None:
    event = make_event("1")
    (one,) = plan(event, Body(value=BODY), [route()], NOW)
    (again,) = plan(event, Body(value=BODY), [route()], NOW + 9)
    (replayed,) = plan(event, Body(value=BODY), [route()], NOW, "n")
    assert one.id == again.id == delivery_id(event.id, "r")
    assert replayed.id != one.id
    assert one.id.startswith("dlv_" + event.id[4:])


def test_expressions_see_the_event_and_not_the_store() -> None:
    event = make_event("1", query_string="ref=main&ref=dev&empty=", headers={"x-event": "push"})
    roots = build_context(event, Body(value={"a": "1"}, form={"a": "1"}), NOW)
    assert set(roots) == {"body", "form", "fields", "files", "headers", "query", "event", "now"}
    assert set(roots["event"]) == {"id", "type", "source", "provider", "provider_id", "received_at"}
    assert roots["query"]["empty"] == ""
    assert roots["form"] == {"a": "1"}


def test_a_route_of_several_flows_makes_a_delivery_for_each() -> None:
    other = Flow(name="local/append_csv", platform="local", saved_item_id="append_csv")
    ordering = Ordering(key=lambda roots: str(roots["body"]["issue"]["number"]))
    shared = {"has_siblings": True, "ordering": ordering}
    both = [
        route("both", flow=flow, on_unknown=how, **shared)
        for flow, how in ((FLOW, "hold"), (other, "retry"))
    ]
    one, two = planned(*both)
    assert [
        (each.route, each.flow, each.saved_item_id, each.on_unknown) for each in (one, two)
    ] == [
        ("both", "triage", FLOW.saved_item_id, "hold"),
        ("both", "local/append_csv", "append_csv", "retry"),
    ]
    assert one.inputs == two.inputs == {"title": "Bug"} and one.id != two.id
    assert (one.order and one.order.key, two.order and two.order.key) == (
        "triage: 7",
        "local/append_csv: 7",
    )
    again = planned(*both)
    # the last letters follow from route and flow
    assert [each.id[30:] for each in again] == [one.id[30:], two.id[30:]]
    (alone,) = planned(route("both", ordering=ordering))
    assert (
        alone.order is not None
        and alone.order.key == "7"
        and alone.id[30:] not in (one.id[30:], two.id[30:])
    )


def test_events_are_merged_for_each_flow_of_a_route_by_itself() -> None:
    other = Flow(name="local/echo", platform="local", saved_item_id="echo")
    found = planned(
        *(
            route("both", flow=flow, has_siblings=True, debounce=Debouncing(wait=1.0, max=9.0))
            for flow in (FLOW, other)
        )
    )
    assert [each.debounce and each.debounce.key for each in found] == ["triage: ", "local/echo: "]
