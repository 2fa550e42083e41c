"""Causes of dead deliveries: each reason that the code writes has one, and no label quotes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
from dead_reasons import SECRET, details_of, texts_in, texts_of_errors, writers_of_dead_kind
from hypothesis import given
from hypothesis import strategies as st
from records import NOW, make_delivery, make_event

from bridge.core.http_messages import Answer
from bridge.core.model import JSON, Body, DeadKind, Retry, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.causes import Cause, find_cause
from bridge.delivery.platforms import gumloop
from bridge.delivery.retry import decide_after_attempt, decide_after_run
from bridge.delivery.unknown_outcomes import read_failure
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.model import Flow, Ordering, Route
from bridge.routing.planner import plan
from bridge.routing.schemas.messages import _MESSAGES
from bridge.routing.schemas.validator import compile_schema
from bridge.routing.templates import compile_inputs, parse_template
from bridge.system.http_client import FAILURE_TEXTS

FLOW = Flow(name="triage", platform="local", saved_item_id="echo")
#: Sources of details that are no texts in the code; each has a test of its own below.
VARIABLE_DETAILS = {
    "source: detail",  # read_failure, _refused, and the flow of another run
    "source: answer.reason",  # FAILURE_TEXTS and the texts of NoAnswer
    "source: delivery.unsealable",  # KeyMissing, DecryptionError
    "source: outcome.detail",
}


def is_listed(reason: str | None, dead_kind: DeadKind) -> Cause:
    """Return the cause of a reason that has a rule, and check that nothing of `SECRET` is in it."""
    cause = find_cause(reason, dead_kind)
    assert not cause.key.startswith("other:"), f"no rule for {reason!r}"
    shown = f"{cause.key} {cause.label}".lower()
    assert "zebra" not in shown and "example.com" not in shown, f"{cause} quotes {reason!r}"
    assert cause.advice, cause
    return cause


def dead_reason(detail: str, attempts: int = 0) -> str | None:
    """Return the reason after an attempt that cannot be retried, or, of some attempts, the last."""
    one = make_delivery(
        make_event("1"), attempts=attempts, retry=Retry(attempts + 1), on_unknown="retry"
    )
    kind = OutcomeKind.UNKNOWN if attempts else OutcomeKind.REJECTED
    decision = decide_after_attempt(one, Outcome(kind=kind, detail=detail), NOW, 0.5)
    assert decision.status is Status.DEAD
    return decision.reason


def details() -> Iterator[tuple[str, str]]:
    """Yield (place, detail) of each failed attempt that is a text in the code."""
    folders = ("delivery", "worker", "store", "system")
    for place, text in (
        *details_of("Outcome", folders=folders, argument="detail"),
        *details_of("_refused", folders=folders, argument=0),
        *details_of("NoAnswer", folders=folders, argument=0),
    ):
        if text is not None and text:
            yield place, text
    for kind, text in FAILURE_TEXTS:
        yield f"FAILURE_TEXTS {kind.__name__}", text or "no answer within 30 s"
    yield from texts_of_errors("KeyMissing")
    yield from texts_of_errors("DecryptionError")


@pytest.mark.usefixtures("slow")
def test_every_failed_attempt_has_a_cause() -> None:
    found = list(details())
    assert len(found) > 25 and len({place for place, _ in found}) > 25
    for place, detail in found:
        bare = find_cause(detail, DeadKind.PLATFORM)
        for reason in (
            dead_reason(detail),
            dead_reason(detail, 2),
            dead_reason(f"api.example.com: {detail}") if place.startswith("FAILURE") else detail,
            dead_reason(f"{SECRET} was not uploaded: {detail}", 2),
            f"gave up after 1 attempt: {detail}; no run found afterwards",
        ):
            assert is_listed(reason, DeadKind.PLATFORM) == bare, (place, reason)


def test_details_that_are_not_texts_of_the_code_are_known() -> None:
    found = {
        place
        for place, text in details_of("Outcome", folders=("delivery", "worker"), argument="detail")
        if text is None
    }
    assert found <= VARIABLE_DETAILS, f"give {found - VARIABLE_DETAILS} a test"


def test_the_modules_that_end_a_delivery_are_known() -> None:
    """A new one writes reasons that the tests of this file do not collect."""
    assert writers_of_dead_kind() == {
        "cli/commands/causes.py",
        "delivery/next_steps.py",
        "routing/planner.py",
        "store/queue/ledger.py",
        "store/queue/reconcile.py",
        "store/queue/run_tracking.py",
        "store/queue/transitions.py",
        "store/tables/rows.py",
        "web/console/lists.py",
        "web/console/views/causes.py",
    }


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 430), 451, 500, 502, 503, 504])
def test_every_http_answer_has_the_cause_of_its_status(status: int) -> None:
    bodies: list[JSON] = [
        {"error": {"code": "zebra_code", "message": SECRET}},
        {"error": "Zebra", "message": SECRET},
        {"detail": SECRET},
        SECRET,
        {},
    ]
    for body in bodies:
        answer = Answer(status=status, headers={}, body=orjson.dumps(body))
        detail = read_failure(answer, NOW).detail
        cause = is_listed(dead_reason(detail), DeadKind.PLATFORM)
        assert cause == is_listed(dead_reason(detail, 4), DeadKind.PLATFORM)
        assert cause.key == ("redirect" if status < 400 else f"http:{status}")


@pytest.mark.parametrize(
    ("body", "truncated", "what"),
    [
        (b'{"run_id": "r', True, "cut off"),
        (b"Zebra", False, "not JSON"),
        (b'{"Zebra": 1}', False, "without a usable run_id"),
    ],
)
def test_an_unusable_answer_has_a_cause(body: bytes, truncated: bool, what: str) -> None:
    answer = Answer(status=200, headers={}, body=body, truncated=truncated)
    cause = is_listed(dead_reason(gumloop.read_start(answer, NOW).detail, 3), DeadKind.PLATFORM)
    assert cause.key == f"answer:{what}"


def test_codes_of_the_flow_api_are_in_the_label_and_others_are_not() -> None:
    def find(code: str, status: int = 400) -> Cause:
        body = orjson.dumps({"error": code, "message": SECRET})
        detail = gumloop.read_start(Answer(status=status, headers={}, body=body), NOW).detail
        return is_listed(dead_reason(detail), DeadKind.PLATFORM)

    assert find("missing_parameter").label == "HTTP 400 missing_parameter"
    assert find("customer_4711").label == "HTTP 400"
    assert find("unknown_flow") == find("unknown_flow", 404)
    assert find("unknown_flow").label == "the platform does not know the flow"
    assert find("forbidden", 403).key != find("forbidden_too", 403).key


def expression_errors() -> Iterator[tuple[str, str]]:
    yield from texts_of_errors("ExpressionError")


def test_every_expression_error_has_a_cause() -> None:
    found = list(expression_errors())
    assert len(found) > 30
    for place, raised in found:
        text = raised.replace(f"`{SECRET}`", "`f(body.x, 'a: `1`')`")
        if text.startswith(("input `", "the value of ")):
            is_listed(text, DeadKind.OURS)
            continue
        bare = is_listed(text, DeadKind.OURS)
        wrapped = is_listed(f"`f(body.x > `5`)`: {text}", DeadKind.OURS)
        of_input = is_listed(f"input `total`: `f(body.x)`: {text}", DeadKind.OURS)
        assert wrapped == bare, place
        assert (of_input.key, of_input.advice) != (bare.key, ""), place
        assert "total" in of_input.label, place


def test_wrong_types_of_every_argument_have_a_cause() -> None:
    """The errors that the functions really raise, for each type of each argument."""
    values = ["null", "`1`", "'t'", "`true`", "`[]`", '`[1,"a",null]`', "`{}`"]
    raised = 0
    for function in FUNCTIONS.values():
        for number in range(max(function.min_arguments, 1)):
            for value in values:
                arguments = ["body.n"] * function.min_arguments or ["body.n"]
                arguments[number] = value.replace("null", "body.missing", value == "null")
                try:
                    [step] = parse_template(f"${{{function.name}({', '.join(arguments)})}}")
                except Exception:  # noqa: S112 - a type that is refused at load
                    continue
                made = route(reshape=compile_inputs({"a": f"${{{step.text}}}"}))  # type: ignore[union-attr]  # an expression
                for one in planned(made):
                    raised += one.reason is not None
                    if one.reason is not None:
                        assert is_listed(one.reason, DeadKind.OURS).key.startswith("expression:a:")
    assert raised > 50


def route(**changes: object) -> Route:
    made = Route(
        name="r", source="github", flow=FLOW, reshape=compile_inputs({"title": "${body.title}"})
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def planned(made: Route, body: JSON = None):  # type: ignore[no-untyped-def]
    return plan(make_event("1"), Body(value={"n": 1} if body is None else body), [made], NOW)


def reason_of(made: Route, body: JSON = None) -> str:
    (one,) = planned(made, body)
    assert one.status is Status.DEAD and one.dead_kind is DeadKind.OURS
    assert one.reason is not None
    return one.reason


#: A schema that a value with `SECRET` in it fails, by keyword.
FAILED_SCHEMAS: dict[str, tuple[JSON, JSON]] = {
    "type": ({"type": "number"}, SECRET),
    "required": ({"required": ["title"]}, {"Zebra": SECRET}),
    "enum": ({"enum": ["a"]}, SECRET),
    "const": ({"const": 1}, SECRET),
    "format": ({"format": "date"}, SECRET),
    "minimum": ({"minimum": 7}, 4),
    "maximum": ({"maximum": 7}, 40),
    "exclusiveMinimum": ({"exclusiveMinimum": 7}, 4),
    "exclusiveMaximum": ({"exclusiveMaximum": 7}, 40),
    "multipleOf": ({"multipleOf": 7}, 4),
    "minLength": ({"minLength": 700}, SECRET),
    "maxLength": ({"maxLength": 1}, SECRET),
    "minItems": ({"minItems": 3}, [SECRET]),
    "maxItems": ({"maxItems": 0}, [SECRET]),
    "minProperties": ({"minProperties": 3}, {"Zebra": 1}),
    "maxProperties": ({"maxProperties": 0}, {"Zebra": 1}),
    "contains": ({"contains": {"type": "number"}}, [SECRET]),
    "dependentRequired": ({"dependentRequired": {"Zebra": ["b"]}}, {"Zebra": 1}),
    "unevaluatedProperties": ({"unevaluatedProperties": False}, {SECRET: 1}),
    "unevaluatedItems": ({"unevaluatedItems": False}, [SECRET]),
    "items": ({"prefixItems": [{}], "items": False}, [1, SECRET]),
    "additionalItems": ({"not": {}}, SECRET),  # of an older draft
    "propertyNames": ({"propertyNames": {"maxLength": 3}}, {SECRET: 1}),
    "anyOf": ({"anyOf": [{"type": "number"}, {"required": ["b"]}]}, {"Zebra": SECRET}),
    "oneOf": ({"oneOf": [{}, {}]}, SECRET),
    "not": ({"not": {}}, SECRET),
    "pattern": ({"pattern": "^[0-9]$"}, SECRET),
    "additionalProperties": ({"additionalProperties": False}, {SECRET: 1}),
    "uniqueItems": ({"uniqueItems": True}, [SECRET, SECRET]),
}


@pytest.mark.parametrize("keyword", sorted({*_MESSAGES, *FAILED_SCHEMAS}))
@pytest.mark.parametrize("place", [(), ("x",), ("a", 0, SECRET, "b"), ("order_20261124", "x")])
def test_every_schema_error_has_a_cause(keyword: str, place: tuple[str | int, ...]) -> None:
    schema, value = FAILED_SCHEMAS[keyword]
    for step in reversed(place):
        if isinstance(step, int):
            schema, value = {"items": schema}, [value]
        else:
            schema, value = {"properties": {step: schema}}, {step: value}
    failing = compile_schema(schema, fast=False)
    causes = [
        is_listed(reason_of(route(payload_schema=failing), value), DeadKind.OURS),
        is_listed(
            reason_of(
                route(
                    reshape=compile_inputs({"v": "${body}"}), inputs_schema=failing_input(schema)
                ),
                value,
            ),
            DeadKind.OURS,
        ),
    ]
    assert [each.key.split(":")[0] for each in causes] == ["payload_schema", "inputs_schema"]
    assert "20261124" not in causes[0].key + causes[0].label


def failing_input(schema: JSON):  # type: ignore[no-untyped-def]
    return compile_schema({"properties": {"v": schema}}, fast=False)


def test_schema_errors_are_apart_by_path_and_missing_property() -> None:
    schema = compile_schema(
        {
            "required": ["title", "body"],
            "properties": {"n": {"type": "string"}, "items": {"items": {"type": "string"}}},
        }
    )

    def find(body: JSON) -> Cause:
        return find_cause(reason_of(route(payload_schema=schema), body), DeadKind.OURS)

    title = find({"body": "b"})
    assert (title.key, title.label) == (
        "payload_schema:$.title",
        "the payload does not fit payload_schema: $ lacks title",
    )
    assert find({"title": "t"}).key == "payload_schema:$.body"
    several = [find({"title": "", "body": "", "n": n}) for n in (1, 2)]
    assert several[0] == several[1] and several[0].key == "payload_schema:$.n"
    items = [find({"title": "", "body": "", "items": ["a"] * n + [1]}) for n in (0, 3, 12)]
    assert len(set(items)) == 1 and items[0].key == "payload_schema:$.items[]"


def test_every_sentence_of_planning_has_a_cause() -> None:
    for text in texts_in("routing/planner.py", "_inputs"):
        is_prefix = "does not fit" in text or "do not fit" in text
        is_listed(f"{text}: $.a: {SECRET} is too short" if is_prefix else text, DeadKind.OURS)
    strict = route(reshape=compile_inputs({"title": "${body.titel}"}, strict=True))
    assert is_listed(reason_of(strict), DeadKind.OURS).key == "strict:title"
    reserved = route(reshape=compile_inputs("${body}"))
    assert is_listed(reason_of(reserved, {"API_KEY": SECRET}), DeadKind.OURS).key == "reserved"
    assert is_listed(reason_of(reserved, [SECRET]), DeadKind.OURS).key == "inputs_not_an_object"
    deep: JSON = SECRET
    for _ in range(300):
        deep = [deep]
    [key] = parse_template("${body.deep}")
    ordered = route(ordering=Ordering(key=key, until="run_end", blocks=False))  # type: ignore[arg-type]
    assert is_listed(reason_of(ordered, {"deep": deep}), DeadKind.OURS).key == "key:order_by"


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.TERMINATED])
@pytest.mark.parametrize(
    ("line", "key"),
    [
        (None, "run_failed"),
        (SECRET, "run_failed"),
        ("The run was over its time limit of 30 s.", "run_time"),
        ("MemoryError: over its memory limit of 512 MiB", "run_memory"),
        ("The flow's process died: SIGKILL (not sent by flowbridge)", "run_process"),
        ("The flow's process ended with code 3 and no result", "run_process"),
        ("flowbridge was stopped", "run_interrupted"),
        ("its supervisor process died", "run_interrupted"),
        (f"ValueError: {SECRET}", "run_error:ValueError"),
        (f"ZebraError: {SECRET}", "run_failed"),
    ],
)
def test_every_failed_run_has_a_cause(state: RunState, line: str | None, key: str) -> None:
    report = RunReport(state=state, log=(SECRET, line) if line else ())
    for policy, retries in (("dead", 0), ("retry", 0)):
        one = make_delivery(make_event("1"), on_run_failed=policy, run_retries=retries)
        decision = decide_after_run(one, report, NOW, 0.5)
        assert decision.status is Status.DEAD
        cause = is_listed(decision.reason, DeadKind.PLATFORM)
        assert cause.key == (key if state is RunState.FAILED else "run_terminated")


def test_the_sentences_of_retry_and_reconcile_have_causes() -> None:
    for module, function in (
        ("delivery/retry.py", "decide_after_attempt"),
        ("store/queue/reconcile.py", "_queue"),
    ):
        ended = [one for one in texts_in(module, function) if one.startswith("gave up")]
        assert ended
        for text in ended:
            reason = text.replace(SECRET * 2, f"{SECRET}; {SECRET}")
            reason = reason.replace(f"; {SECRET}", "; no run found afterwards")
            reason = reason.replace(SECRET, "HTTP 500: Zebra")
            assert is_listed(reason, DeadKind.PLATFORM).key == "http:500"
    alone = "gave up after 3 attempts: no run found afterwards"
    assert is_listed(alone, DeadKind.PLATFORM).key == "no_run"
    assert is_listed(
        f"gave up after 3 attempts: {SECRET}; no run found afterwards", DeadKind.PLATFORM
    )


def test_a_reason_that_no_rule_matches_is_a_cause_of_its_own() -> None:
    reasons = [
        "the frobnicator of evt_01jd2xab failed with 'Ann': it said Zebra",
        "the frobnicator of evt_01jd9999 failed with 'Bob': it said other",
        "the other thing at https://example.com/zebra failed",
    ]
    found = [find_cause(each, DeadKind.PLATFORM) for each in reasons]
    assert found[0] == found[1] != found[2]
    assert found[0].label == "the frobnicator of … failed with …"
    assert found[2].label == "the other thing at … failed"
    assert found[0].advice == "retry once the platform accepts it"
    assert find_cause("zebra", DeadKind.OURS).advice == "fix routes.yaml, then replay"
    again = find_cause(f"gave up after 12 attempts: {reasons[0]}", DeadKind.PLATFORM)
    assert again == found[0], "the number of attempts makes no other cause"
    assert find_cause(None, None).key == find_cause("", DeadKind.OURS).key == "no_reason"


def test_keys_of_routes_yaml_are_words_of_a_label() -> None:
    found = find_cause("payload_schema /user_name: 'Ann' is too long", DeadKind.OURS)
    assert found.label == "payload_schema …"


@pytest.mark.parametrize("kind", [None, *DeadKind])
def test_a_reason_without_words_has_a_label_that_can_be_read(kind: DeadKind | None) -> None:
    labels = {
        find_cause(text, kind).label
        for text in ("'Ann' 42", "evt_01jd2xab: it said Zebra", "`a`\nb", "…", "42", '"', " : a")
        for text in (text, f"gave up after 12 attempts: {text}")
    }
    assert len(labels) == 1
    assert "…" not in labels.pop()


def test_rules_apply_to_their_own_kind_only() -> None:
    reason = "input `zebra`: division by zero"
    assert find_cause(reason, DeadKind.OURS).label == "expression of input zebra: division by zero"
    assert find_cause(reason, DeadKind.PLATFORM).key.startswith("other:")
    assert find_cause(reason, None) == find_cause(reason, DeadKind.OURS)
    assert find_cause("resolved as dead by a person", DeadKind.PERSON).key == "given_up"


@given(st.text(max_size=300), st.sampled_from([None, *DeadKind]))
def test_any_text_has_a_cause_of_bounded_length(text: str, kind: DeadKind | None) -> None:
    cause = find_cause(text, kind)
    assert 0 < len(cause.label) <= 200 and len(cause.key) <= 210 and cause.advice


@pytest.mark.parametrize(
    "text",
    ["`" * 5000, "(in `" * 900, "': " * 1500, "; no run found afterwards" * 200, "$['" * 1500],
)
@pytest.mark.parametrize("kind", list(DeadKind))
def test_a_hostile_reason_is_read_in_bounded_time(text: str, kind: DeadKind) -> None:
    for head in (
        "",
        "gave up after 3 attempts: ",
        "input `a`: ",
        "the inputs do not fit inputs_schema: ",
    ):
        assert find_cause(f"{head}{text}", kind).label
