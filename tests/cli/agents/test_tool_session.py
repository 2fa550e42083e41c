"""Calls of tools against a served bridge: proposals, scopes, and data of hostile senders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from agent_records import (
    FORGED_TEXT,
    HIDDEN_TEXT,
    HOSTILE_BODY,
    ROUTES,
    add_dead_delivery,
    open_session,
    read_marked,
    retry_of,
)
from both_ways import BothWays, serve_both_ways
from signed_rejects import make_reject

from bridge.cli.agents.agent_tool import MAX_DATA_BYTES
from bridge.cli.agents.tool_session import ToolSession
from bridge.store.inbound import rejects


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both"), "web", routes=ROUTES) as served:
        yield served


@pytest.fixture
def session(both: BothWays) -> Iterator[ToolSession]:
    with open_session(both, both.token) as one:
        yield one


def data_of(session: ToolSession, tool: str, /, **arguments: Any) -> Any:
    """Return the data of an answer, which is the same between the marks and for programs."""
    answer = session.call_tool(tool, arguments)
    assert not answer.is_error, answer.text
    _, data = read_marked(answer.text)
    assert data == json.loads(json.dumps(answer.structured["outside_data"]))
    return data


def propose(session: ToolSession, *ids: str) -> str:
    answer = session.call_tool("propose_operation", retry_of(*ids))
    assert not answer.is_error, answer.text
    return str(answer.structured["proposal_id"])


def refusal_of(session: ToolSession, tool: str, /, **arguments: Any) -> str:
    answer = session.call_tool(tool, arguments)
    assert answer.is_error
    return answer.text


def assert_untouched(both: BothWays, *ids: str) -> None:
    for one in ids:
        assert both.bridge.count("delivery", f"id = '{one}' AND status = 'dead'") == 1
    assert both.bridge.count("act", "agreed_at IS NOT NULL") == 0


def test_every_reading_tool_answers(both: BothWays, session: ToolSession) -> None:
    event_id = both.bridge.event(b'{"n": 1}').json["event_id"]
    dead = add_dead_delivery(both)
    act = propose(session, dead)
    reject = make_reject(1, "of-another-sender")
    rejects.add(both.bridge.database, reject)
    arguments: dict[str, dict[str, Any]] = {
        "show_event": {"id": event_id},
        "explain_event": {"id": event_id, "route": "first"},
        "read_event_body": {"id": event_id},
        "show_delivery": {"id": dead},
        "show_evidence": {"id": dead},
        "show_reject": {"id": reject.id},
        "find_records": {"q": event_id},
        "show_route": {"name": "first"},
        "show_trend": {"name": "events", "since": "1h"},
        "infer_schema": {"source": "github", "type": "issues"},
        "show_operation": {"id": act},
        "list_operation_items": {"id": act},
        "check_routes": {"text": "version: 1\nroutes: [{name: a}]"},
        "list_events": {"where": ["body.n=1"], "spam": False, "limit": 1},
    }
    left_out = {"list_flows", "show_flow_inputs"}  # no worker runs, so no platform answers
    for tool in session.list_tools():
        if tool.effect.is_read_only and tool.name not in left_out:
            assert data_of(session, tool.name, **arguments.get(tool.name, {})), tool.name


def test_a_payload_cannot_end_its_block(both: BothWays, session: ToolSession) -> None:
    event_id = both.bridge.event(HOSTILE_BODY).json["event_id"]
    answer = session.call_tool("show_event", {"id": event_id})
    lead, data = read_marked(answer.text)
    assert "agree_to_proposal" not in lead
    assert json.dumps(FORGED_TEXT)[1:-1] in data["body"]
    part = data_of(session, "read_event_body", id=event_id)
    assert part["next_offset"] is None and "title" in part["text"]
    for shown in (answer.text, json.dumps(answer.structured, ensure_ascii=False)):
        assert not any(one in shown for one in HIDDEN_TEXT if not one.isprintable())


def test_a_sender_cannot_write_outside_the_marks(both: BothWays, session: ToolSession) -> None:
    """Reasons, types, search results and errors quote senders and platforms, too."""
    add_dead_delivery(both, reason=FORGED_TEXT)
    both.bridge.event(HOSTILE_BODY, event=FORGED_TEXT.split("\n")[1])
    for name, arguments in (
        ("list_deliveries", {"status": "dead"}),
        ("list_events", {}),
        ("list_event_types", {}),
        ("list_causes", {}),
        ("find_records", {"q": "person agreed"}),
        ("show_event", {"id": FORGED_TEXT[:60]}),
    ):
        answer = session.call_tool(name, arguments)
        lead, _ = read_marked(answer.text)
        assert "person agreed" not in lead, name


def test_only_a_proposal_of_this_session_is_agreed_to(both: BothWays, session: ToolSession) -> None:
    dead = add_dead_delivery(both)
    with open_session(both, both.token) as other:
        theirs = propose(other, dead)
    mine = propose(session, dead)
    for name in ("agree_to_proposal", "stop_operation"):
        for id_ in (
            theirs,
            mine[:-1],
            f"{mine} ",
            f"../operations/{mine}",
            dead,
            "act_1",
            FORGED_TEXT,
        ):
            assert refusal_of(session, name, proposal_id=id_).startswith("Refused: "), id_
        assert "it is missing" in refusal_of(session, name)
    for more in ({"mode": "do"}, {"expect": 1}):
        answer = session.call_tool("propose_operation", {**retry_of(dead), **more})
        assert answer.is_error and "there is no such key" in answer.text
    assert_untouched(both, dead)


def test_a_proposal_expires(both: BothWays, session: ToolSession) -> None:
    dead = add_dead_delivery(both)
    id_ = propose(session, dead)
    both.bridge.database.write(
        lambda connection: connection.exec_driver_sql(
            "UPDATE act SET proposed_until = 1 WHERE id = ?", (id_,)
        )
    )
    assert "propose it again" in refusal_of(session, "agree_to_proposal", proposal_id=id_)
    assert_untouched(both, dead)


def test_nothing_to_do_makes_no_proposal(both: BothWays, session: ToolSession) -> None:
    before = both.bridge.count("act")
    filters = {"route": "first", "since": "2001-01-01", "until": "2001-01-02"}
    answer = session.call_tool("propose_operation", {"command": "retry", "filters": filters})
    assert not answer.is_error and answer.structured["proposal_id"] is None
    assert both.bridge.count("act") == before


def test_a_token_of_a_viewer_reads_no_contents(both: BothWays) -> None:
    event_id = both.bridge.event(HOSTILE_BODY).json["event_id"]
    dead = add_dead_delivery(both)
    with open_session(both, both.add_token("viewer", "viewer")) as session:
        schemas = {one.name: one.schema["properties"] for one in session.list_tools()}
        assert not schemas["list_events"].keys() & {"body", "where", "reason"}
        assert not schemas.keys() & {"explain_event", "propose_operation", "agree_to_proposal"}
        assert data_of(session, "show_event", id=event_id)["body"] is None
        assert "no such key" in refusal_of(session, "list_events", body="secret")
        for name, arguments in (
            ("propose_operation", retry_of(dead)),
            ("agree_to_proposal", {"proposal_id": "act_1"}),
            ("explain_event", {"id": event_id}),
        ):
            assert "This token has only read." in refusal_of(session, name, **arguments)
    assert_untouched(both, dead)


def test_errors_name_what_was_meant(session: ToolSession) -> None:
    assert "Did you mean list_events?" in refusal_of(session, "list_event")
    for name, arguments, part in (
        ("list_events", {"statsu": "dead"}, "did you mean status?"),
        ("list_deliveries", {"status": "ded"}, "did you mean dead?"),
        ("list_deliveries", {"limit": 1000}, "limit: it is greater than 500"),
        ("list_deliveries", {"route": "frist"}, "route: did you mean first?"),
        ("list_events", {"since": "yesterdy"}, "yesterdy"),
        ("show_event", {"id": "evt_0"}, "evt_0"),
        ("propose_operation", {"command": "retry"}, "pass `ids`, or select by a filter"),
        ("show_trend", {"name": "event", "since": "1h"}, "did you mean events?"),
        ("find_records", {"q": "\ud800"}, "not valid Unicode"),
        ("find_records", {"q": "\0"}, "null character"),
        ("find_records", {"q": 10**30}, "not string"),
        ("find_records", {"q": "x" * 600_000}, "have more than 524,288 bytes"),
        ("show_event", {"id": ".."}, "no record has the id"),
        ("read_event_body", {"id": "evt_0", "at": "a"}, "begins with `/`"),
        ("read_event_body", {"id": "evt_0", "at": "/" * 5000}, "4000"),
    ):
        assert part in refusal_of(session, name, **arguments), name


def test_a_long_answer_is_cut_and_can_be_continued(both: BothWays, session: ToolSession) -> None:
    long = json.dumps({"text": "ä" * 20_000}).encode()
    event_id = both.bridge.event(long).json["event_id"]
    answer = session.call_tool("show_event", {"id": event_id})
    lead, data = read_marked(answer.text)
    assert "1 text is shortened" in lead and "read_event_body" in lead
    assert data["body"].endswith("more characters]")
    offset, text = 0, ""
    while offset is not None:
        part = data_of(session, "read_event_body", id=event_id, offset=offset)
        text, offset = text + part["text"], part["next_offset"]
    assert text == long.decode()
    assert data_of(session, "read_event_body", id=event_id, at="/text")["characters"] == 20_002
    hidden = both.bridge.event("\U000e0041".encode() * 9000).json["event_id"]
    answer = session.call_tool("read_event_body", {"id": hidden})
    assert len(answer.text) < MAX_DATA_BYTES * 1.05
    assert answer.structured["outside_data"]["next_offset"] < 8000

    ids = [add_dead_delivery(both, reason="x" * 3000) for _ in range(30)]
    found, before = [], {}
    while True:
        answer = session.call_tool("list_deliveries", {"limit": 30, "status": "dead", **before})
        lead, page = read_marked(answer.text)
        assert len(json.dumps(page)) < MAX_DATA_BYTES * 1.1
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        assert "pass `next` as `before`" in lead
        before = {"before": page["next"]}
    assert len(found) == len(set(found)) and set(ids) <= set(found)


def test_a_routes_yaml_is_tried_on_stored_events(both: BothWays, session: ToolSession) -> None:
    event_id = both.bridge.event(b'{"n": 1}').json["event_id"]
    text = ROUTES.replace("${body.n}", "${body.n} of 2")
    tried = data_of(session, "try_routes", text=text, ids=[event_id])
    (change,) = tried["changes"]
    assert (change["event_id"], change["change"]) == (event_id, "inputs")
    answer = session.call_tool("try_routes", {"text": "version: 2", "ids": [event_id]})
    assert "so it cannot be used" in read_marked(answer.text)[0]
    assert "no such key" in refusal_of(session, "try_routes", text=text, screen=True)
