"""The pages of platforms, their flows, and runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import pytest
from console_client import ConsoleClient
from console_config import LITERAL, write_config
from fake_platform import FakePlatform, FakeRun
from records import make_delivery, make_event, make_local_run, put
from sqlalchemy import Connection

from bridge.core.circuit_state import Circuit
from bridge.core.local_runs import LocalState, RunResult
from bridge.core.model import Delivery, RunState, Status
from bridge.core.scopes import Scope
from bridge.delivery.platforms.model import InputNode
from bridge.services.platforms import platform_queries
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs as local_runs
from bridge.store.queue.throttling import write_circuits
from bridge.web.console.record_links import link_run

READ = (Scope.READ,)
SECRET = "s3cret-c0ntent"
RUN = "kRunOfTheLocalPlatform"


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with FakePlatform(api_key=LITERAL) as running:
        yield running


@pytest.fixture
def console(database: Database, tmp_path: Path, platform: FakePlatform) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path, write_config(tmp_path, url=platform.base_url))
    client.log_in()
    return client


def start_run(console: ConsoleClient, platform: FakePlatform) -> Delivery:
    """Store a delivery whose run is in flight on the platform."""
    now = time.time()
    platform.runs["run-1"] = FakeRun("run-1", "echo", now, now + 60, outputs={"said": SECRET})
    event = make_event(None, now=now)
    delivery = make_delivery(event, "triage", platform="gumloop", inputs={"title": SECRET})
    events.add(console.database, event, (delivery,), lambda *_: [])
    put(
        console.database,
        delivery.id,
        status=Status.DELIVERED,
        run_id="run-1",
        run_state=RunState.RUNNING.value,
        slot=True,
        delivered_at=now,
    )
    return delivery


def start_local(console: ConsoleClient) -> None:
    run = make_local_run(
        id=RUN, user_id="local", inputs=json.dumps({"title": SECRET}), created_at=time.time()
    )
    console.database.write(lambda connection: local_runs.start(connection, run))


# -- platforms


def test_the_list_has_slots_and_circuit(console: ConsoleClient) -> None:
    html = console.html("/platforms")
    for name in ("gumloop", "local", "crm"):
        assert f'href="/console/platforms/{name}"' in html
    assert "circuit closed" in html and "0 of 5" in html
    assert LITERAL not in html


@pytest.mark.parametrize("path", ["/", "/platforms", "/platforms/gumloop"])
def test_what_a_platform_answered_needs_the_scope_bodies(console: ConsoleClient, path: str) -> None:
    text = f"HTTP 500: {SECRET} cannot be used"
    circuit = Circuit(platform="gumloop", failures=5, open_until=4e9, reason=text)
    console.database.write(lambda one: write_circuits(one, {}, {"gumloop": circuit}, time.time()))
    assert SECRET in console.html(path)
    console.log_in(READ)
    html = console.html(path)
    assert SECRET not in html and "HTTP 500" in html


def test_without_a_platform_the_next_command_is_named(database: Database, tmp_path: Path) -> None:
    empty = ConsoleClient(database, tmp_path)
    empty.log_in(READ)
    assert "flowbridge init" in empty.html("/platforms")
    assert "No runs" in empty.html("/runs")
    assert "flows runs FLOW" not in empty.html("/runs")


def test_a_platform_shows_its_flows_and_runs_without_being_asked(
    console: ConsoleClient, platform: FakePlatform
) -> None:
    start_run(console, platform)
    html = console.html("/platforms/gumloop")
    assert 'href="/console/platforms/gumloop/flows?flow=echo"' in html
    assert "1 of 5 in use" in html
    assert "run_id=run-1" in html
    assert platform.looks == platform.lists == 0
    assert LITERAL not in console.html("/platforms/crm")
    assert console.get("/platforms/gumlop").status_code == 404


def test_the_inputs_of_a_flow_are_compared_with_its_routes(console: ConsoleClient) -> None:
    assert "flow=echo" in console.html("/platforms/gumloop/flows")
    html = console.html("/platforms/gumloop/flows?flow=echo")
    assert "<strong>labels</strong>" in html and "no route" in html
    assert "gives text, which the flow does not have" in html  # the route `both`
    assert "gives url, which the flow does not have" in html


def test_a_command_for_a_shell_quotes_the_flow_of_a_link(console: ConsoleClient) -> None:
    html = console.html("/platforms/gumloop/flows?flow=x%3Bid")
    assert "flowbridge flows run &#39;gumloop/x;id&#39;" in html
    assert "flows run gumloop/x;id" not in html


@pytest.mark.parametrize(
    ("nodes", "options"),
    [
        ((InputNode(name="note"),), ""),
        ((InputNode(name="title", annotation="str", required=True), InputNode(name="note")),
         " --input title=TEXT"),
        ((InputNode(name="a", required=True), InputNode(name="b", annotation="", required=True)),
         " --input a=TEXT --input b=TEXT"),
        ((InputNode(name="title", annotation="str | None", required=True),
          InputNode(name="number", annotation="int", required=True),
          InputNode(name="labels", annotation="list[str]", required=True)),
         """ --json-input '{"title":"TEXT","number":1,"labels":[]}'"""),
    ],
)  # fmt: skip
def test_the_command_that_starts_a_flow_gives_each_required_input(
    console: ConsoleClient,
    monkeypatch: pytest.MonkeyPatch,
    nodes: Sequence[InputNode],
    options: str,
) -> None:
    monkeypatch.setattr(platform_queries, "list_inputs", lambda *_: nodes)
    html = unescape(console.html("/platforms/local/flows?flow=greet"))
    assert f'data-copy="flowbridge flows run local/greet{options}"' in html


def test_no_link_leads_to_runs_of_a_platform_without_runs(console: ConsoleClient) -> None:
    assert "Newest runs" in console.html("/platforms/gumloop/flows?flow=echo")
    assert "Newest runs" not in console.html("/platforms/crm/flows?flow=x")
    assert console.get("/runs?flow=crm/x").status_code == 404


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/platforms/crm/flows", "has no list of flows"),
        ("/platforms/crm/flows?flow=x", ">The platform &#39;crm&#39; (http) has no list of inputs"),
        (
            "/platforms/gumloop/flows?flow=ecko",
            ">The platform &#39;gumloop&#39; has no flow &#39;ecko&#39;; did",
        ),
    ],
)
def test_a_platform_without_an_answer_is_named_on_the_page(
    console: ConsoleClient, path: str, text: str
) -> None:
    assert text in console.html(path)


# -- runs


def test_the_url_that_the_local_platform_hands_out_shows_the_run(console: ConsoleClient) -> None:
    start_local(console)
    html = console.html(f"/runs?run_id={RUN}&flow_id=echo")
    assert SECRET in html and "queued" in html and "End this run" in html
    console.log_in(READ)
    html = console.html(f"/runs?run_id={RUN}&flow_id=echo")
    assert SECRET not in html and "End this run" not in html
    console.database.write(lambda connection: local_runs.kill(connection, RUN, time.time()))
    console.log_in()
    html = console.html(f"/runs?run_id={RUN}")
    assert "terminated" in html and "End this run" not in html


def test_a_run_of_a_delivery_is_asked_for(console: ConsoleClient, platform: FakePlatform) -> None:
    delivery = start_run(console, platform)
    html = console.html("/runs?run_id=run-1")
    assert "running" in html and SECRET in html
    assert f'href="/console/deliveries/{delivery.id}"' in html
    platform.runs.clear()
    assert "no longer has this run" in console.html("/runs?run_id=run-1")
    console.log_in(READ)
    assert SECRET not in console.html("/runs?run_id=run-1")


def test_runs_are_listed(console: ConsoleClient, platform: FakePlatform) -> None:
    start_run(console, platform)
    for path in ("/runs", "/runs?platform=gumloop", "/runs?flow=triage"):
        assert "run_id=run-1" in console.html(path), path
    assert "No runs" in console.html("/runs?platform=local")
    assert "flows runs FLOW" not in console.html("/runs?platform=local")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runs?run_id=nothing", 404),
        ("/runs?run_id=nothing&platform=nowhere", 404),
        ("/runs?run_id=nothing&platform=crm", 404),
        (f"/runs?run_id={'x' * 300}", 400),
        ("/runs?run_id=a%00b", 400),
        ("/runs?flow=nowhere/x", 400),
        ("/runs?flow=triage&platform=gumloop", 400),
        ("/runs?platform=gumlop", 400),
    ],
)
def test_runs_that_cannot_be_shown_are_errors(
    console: ConsoleClient, path: str, status: int
) -> None:
    answer = console.get(path)
    assert answer.status_code == status, answer.text
    assert 'class="side"' in answer.text


def test_an_unknown_platform_is_refused_once_with_the_nearest(console: ConsoleClient) -> None:
    assert (
        console.get("/runs?platform=gumlop").text.count("did you mean <code>gumloop</code>?") == 1
    )


def test_a_run_is_ended(console: ConsoleClient, platform: FakePlatform) -> None:
    start_run(console, platform)
    form = {"platform": "gumloop", "run_id": "run-1"}
    console.log_in((Scope.READ, Scope.BODIES))
    assert console.post("/runs/end", form).status_code == 403
    console.log_in((Scope.ACT,))
    answer = console.post("/runs/end", form)
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"] == "/console/runs?run_id=run-1&platform=gumloop"
    assert platform.runs["run-1"].now() == "TERMINATED"
    assert "terminated" in console.html("/runs?run_id=run-1")
    assert console.post("/runs/end", {"platform": "nowhere", "run_id": "x"}).status_code == 404
    assert console.post("/runs/end", {"platform": "gumloop"}).status_code == 400
    assert console.post("/runs/end", {"platform": "gumloop", "run_id": "x"}).status_code == 409


def test_a_finished_local_run_shows_its_outputs(console: ConsoleClient) -> None:
    start_local(console)
    result = RunResult(state=LocalState.DONE, outputs={"said": "hello"}, log=("a line",))

    def finish(connection: Connection) -> None:
        (claimed,) = local_runs.claim(connection, 1, time.time(), "lease-1")
        local_runs.finish(connection, claimed.id, result, time.time(), "lease-1")

    console.database.write(finish)
    html = console.html(f"/runs?run_id={RUN}")
    assert "hello" in html and "a line" in html and "done" in html


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "http://10.0.0.1:8081/console/runs?run_id=r&flow_id=f",
            "/console/runs?run_id=r&flow_id=f",
        ),
        ("https://www.gumloop.com/pipeline?run_id=r", "https://www.gumloop.com/pipeline?run_id=r"),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_a_local_run_is_linked_on_this_host(url: str, shown: str | None) -> None:
    assert link_run(url) == shown
