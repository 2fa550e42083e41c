"""What a platform is asked beside starts and runs: its flows, their inputs, the newest runs, the
end of a run.
"""

from __future__ import annotations

import json

import pytest
from platform_answers import RUN, answer

from bridge.core.http_messages import Answer
from bridge.core.local_runs import Input
from bridge.core.model import RunState
from bridge.delivery.platforms import gumloop, local
from bridge.delivery.platforms.model import InputNode, KillReport, Listing, SavedFlow
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.routing.model import Platform
from bridge.web.flow_api import responses


def test_questions_are_asked_with_the_ids_and_the_key() -> None:
    team = Platform(
        name="g",
        type="gumloop",
        api_key="k",
        user_id="u&1",
        project_id="p",
        base_url="https://h.example/api/v1/",
    )
    flows = PLATFORMS["gumloop"].flows
    inputs = PLATFORMS["gumloop"].inputs
    runs = PLATFORMS["gumloop"].runs
    kill = PLATFORMS["gumloop"].kill
    assert flows and inputs and runs and kill
    asked = [
        flows.build(team),
        inputs.build(team, "f/1"),
        runs.build(team, "f/1"),
        kill.build(team, RUN),
    ]
    assert [
        (call.method, call.url.removeprefix("https://h.example/api/v1/")) for call in asked
    ] == [
        ("GET", "list_saved_items?user_id=u%261&project_id=p"),
        ("GET", "get_inputs?saved_item_id=f%2F1&user_id=u%261&project_id=p"),
        ("GET", "get_plrun_saved_item_map?saved_item_id=f%2F1&user_id=u%261&project_id=p"),
        ("POST", "kill_pipeline"),
    ]
    assert json.loads(asked[3].body) == {"user_id": "u&1", "run_id": RUN, "project_id": "p"}
    assert all(
        call.headers["Authorization"] == "Bearer k" and call.headers["x-auth-key"] == "u&1"
        for call in asked
    )


def test_local_asks_where_it_is_and_http_has_nothing_to_ask() -> None:
    here, there = (
        Platform(name="local", type="local", user_id="u", base_url=url)
        for url in ("", "http://127.0.0.1:9/api/v1")
    )
    local = PLATFORMS["local"]
    hook = PLATFORMS["http"]
    assert local.flows and local.inputs and local.runs and local.kill
    for platform, base in (
        (here, "http://127.0.0.1:8080/api/v1/"),
        (there, "http://127.0.0.1:9/api/v1/"),
    ):
        calls = (
            local.flows.build(platform),
            *(ask.build(platform, "x") for ask in (local.inputs, local.runs, local.kill)),
        )
        assert all(call.url.startswith(base) for call in calls)
    assert (hook.flows, hook.inputs, hook.runs, hook.kill) == (None, None, None, None)


def test_flows_and_inputs_are_read_as_documented() -> None:
    listed = {
        "saved_item_id": "q3",
        "name": "Triage",
        "description": None,
        "created_ts": "2023-11-19T18:06:31.102786+00:00",
    }
    strange = [{"name": "no id"}, {"saved_item_id": "\x1b[0m"}, 7, {"saved_item_id": "b"}]
    found = gumloop.read_list(answer(200, {"saved_items": [listed, *strange]}))
    assert found == Listing(
        items=(SavedFlow(id="q3", name="Triage", created_at=1700417191.102786), SavedFlow(id="b"))
    )
    nodes = [
        {"name": "title", "data_type": "string", "description": "What"},
        {"name": "scan", "data_type": "file"},
        {"name": ""},
    ]
    inputs = gumloop.read_inputs(answer(200, {"inputs": nodes}))
    assert inputs.items == (
        InputNode(name="title", type="string", description="What"),
        InputNode(name="scan", type="file"),
    )


@pytest.mark.parametrize(
    ("kind", "type_", "required", "read"),
    [
        ("text", "str", True, ("str", "required", True)),
        ("text", "dict[str, int]", True, ("dict[str, int]", "required", True)),
        ("text", "list", False, ("list", "default 'a, required'", False)),
        ("text", "", False, ("", "default 'a, required'", False)),
        ("text", "", True, ("", "required", True)),
        ("file", "File", True, (None, "the name of an uploaded file, required", True)),
        ("body", "WebhookInput", True, (None, "the whole body of the start, required", True)),
    ],
)
def test_an_input_of_a_local_flow_has_the_type_of_its_annotation(
    kind: str, type_: str, required: bool, read: tuple[str | None, str, bool]
) -> None:
    listed = responses.input_node(Input("name", type_, required, "a, required", kind))
    (node,) = local.read_inputs(answer(200, {"inputs": [listed]})).items or ()
    assert (node.annotation, node.description, node.required) == read


def test_a_flow_that_takes_any_input_says_so_and_one_without_inputs_may() -> None:
    node = {"name": "title", "data_type": "string"}
    for answered, takes_any in (
        ({"inputs": [node]}, False),
        ({"inputs": [node], "takes_any": True}, True),
        ({"inputs": []}, True),
        ({"inputs": "none"}, False),
    ):
        assert gumloop.read_inputs(answer(200, answered)).takes_any is takes_any


def test_runs_are_read_newest_first_whatever_fields_they_have() -> None:
    old = {
        "run_id": "a",
        "state": "DONE",
        "created_ts": "2023-11-19T18:06:31Z",
        "finished_ts": "2023-11-19T18:06:33Z",
        "outputs": {"x": 1},
    }
    new = {"run_id": "b", "state": "TERMINATING", "created_ts": "2023-11-19T18:07:00Z"}
    found = gumloop.read_runs(
        answer(
            200, {"flow": [old, {"run_id": "c"}, {"state": "DONE"}, None], "sub": [new], "total": 3}
        )
    )
    assert found.items is not None
    assert [
        (run.id, run.saved_item_id, run.report.state, run.report.raw_state) for run in found.items
    ] == [
        ("b", "sub", RunState.RUNNING, "TERMINATING"),
        ("a", "flow", RunState.DONE, "DONE"),
        ("c", "flow", None, None),
    ]
    assert (
        found.items[1].report.outputs == {"x": 1}
        and found.items[1].report.finished_at == 1700417193.0
    )
    assert found.unread == 2, "one without an id, and one that is nothing"
    empty = gumloop.read_runs(answer(200, {}))
    assert (empty.items, empty.unread) == ((), 0)


def test_a_list_of_runs_tells_the_time_there_and_may_be_long() -> None:
    body = json.dumps({"flow": []}).encode()
    dated = Answer(status=200, headers={"date": "Sun, 19 Nov 2023 18:06:31 GMT"}, body=body)
    assert gumloop.read_runs(dated).told_at == 1700417191.0
    for odd in ("", "today", "x" * 100):
        assert (
            gumloop.read_runs(Answer(status=200, headers={"date": odd}, body=body)).told_at is None
        )
    call = gumloop.build_runs(Platform(name="g", type="gumloop", api_key="k", user_id="u"), "f")
    assert call.most == gumloop.MAX_LIST_BYTES


@pytest.mark.parametrize(
    ("given_answer", "detail", "unknown"),
    [
        (
            answer(404, {"error": "unknown_flow", "message": "no"}),
            "HTTP 404 unknown_flow: no",
            True,
        ),
        (answer(401, {"error": "unauthorized"}), "HTTP 401 unauthorized", False),
        (answer(200, b"<html>"), "HTTP 200: the answer is no such list", False),
        (
            answer(200, {"error": "internal", "message": "try later"}),
            "HTTP 200: the answer is no such list",
            False,
        ),
        (answer(200, []), "HTTP 200: the answer is no such list", False),
        (
            Answer(status=200, body=b'{"saved_items":[', truncated=True),
            "HTTP 200: the answer is cut off",
            False,
        ),
    ],
)
def test_an_answer_that_is_no_list_says_why(
    given_answer: Answer, detail: str, unknown: bool
) -> None:
    for read in (gumloop.read_list, gumloop.read_inputs, gumloop.read_runs):
        listing: Listing[object] = read(given_answer)
        assert (listing.items, listing.detail, listing.unknown) == (None, detail, unknown)


@pytest.mark.parametrize(
    ("given_answer", "report"),
    [
        (answer(200, {"success": True, "run_id": RUN}), KillReport(accepted=True)),
        (
            answer(200, {"success": False}),
            KillReport(
                accepted=False, detail="HTTP 200: the answer does not say that the run is ended"
            ),
        ),
        (
            answer(200, b"ok"),
            KillReport(
                accepted=False, detail="HTTP 200: the answer does not say that the run is ended"
            ),
        ),
        (
            answer(404, {"error": "run_not_found"}),
            KillReport(accepted=False, detail="HTTP 404 run_not_found", gone=True),
        ),
        (
            answer(403, {"error": "forbidden"}),
            KillReport(accepted=False, detail="HTTP 403 forbidden"),
        ),
    ],
)
def test_what_a_kill_is_answered(given_answer: Answer, report: KillReport) -> None:
    assert gumloop.read_kill(given_answer) == report


@pytest.mark.parametrize(
    ("given_answer", "detail", "gone"),
    [
        (
            answer(404, {"error": "not_found", "message": "run not found"}),
            "HTTP 404 not_found: run not found",
            True,
        ),
        (answer(401, {"error": "unauthorized"}), "HTTP 401 unauthorized", False),
        (answer(429), "HTTP 429", False),
        (answer(500), "HTTP 500", False),
        (answer(302), "HTTP 302", False),
        (answer(200, b"<html>"), "not JSON", False),
        (answer(200, {"outputs": {}}), "without a state", False),
        (answer(200, {"state": None}), "without a state", False),
        (answer(200, []), "without a state", False),
        (Answer(status=200, body=b'{"sta', truncated=True), "cut off", False),
    ],
)
def test_an_answer_that_does_not_tell_a_state_says_why(
    given_answer: Answer, detail: str, gone: bool
) -> None:
    report = gumloop.read_run(given_answer)
    assert report.state is None and report.gone is gone and detail in report.detail
