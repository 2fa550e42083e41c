"""Routes whose events start nothing of use: each place that says so, until it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from console_client import ConsoleClient

from bridge.config.loader import load
from bridge.routing.idle_routes import describe_idle_routes, find_idle_routes
from bridge.store.db.database import Database

ROUTES = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: a-long-enough-secret-of-a-test}}
flows:
  ping-me: {platform: local, saved_item_id: echo, placeholder: true}
  real: {platform: local, saved_item_id: append_jsonl, placeholder: true}
routes:
  - {name: a, on: github ping, inputs: {x: "${event.id}"}, flow: [ping-me, real]}
  - {name: b, on: github issues, inputs: {x: "${event.id}"}, flow: ping-me, mode: paused}
  - {name: c, on: github push, inputs: {file: "f", value: "${event.id}"}, flow: real}
"""
PAUSED = "1 route is paused: b. Deliveries wait until `mode: live`"
PLACEHOLDER = "the flow ping-me is still the placeholder of `flowbridge import`"


@pytest.fixture
def project(store: Database, folder: Path) -> Path:
    file = folder / "routes.yaml"
    file.write_text(ROUTES)
    return file


def test_a_replaced_flow_is_no_placeholder(project: Path) -> None:
    idle = find_idle_routes(load(project, {}))
    assert [(route.kind, route.route, route.flow) for route in idle] == [
        ("paused", "b", ""),
        ("placeholder", "a", "ping-me"),
        ("placeholder", "b", "ping-me"),
    ]
    assert [text.partition(",")[0] for text in describe_idle_routes(idle)] == [PAUSED, PLACEHOLDER]
    replaced = ROUTES.replace("saved_item_id: echo", "saved_item_id: http_request")
    project.write_text(replaced.replace("mode: paused", "mode: live"))
    assert find_idle_routes(load(project, {})) == []


def test_every_command_that_says_how_it_stands_names_them(project: Path) -> None:
    (checked,) = lines(run("check", "--json"))
    assert PAUSED in checked["notes"]
    (problem,) = [one for one in checked["problems"] if "placeholder" in one["path"]]
    assert (problem["level"], problem["path"]) == ("warning", "flows.ping-me.placeholder")
    assert problem["message"].startswith(PLACEHOLDER)
    shown = " ".join(run("status").stdout.split())
    assert "note: 1 route is paused: b." in shown
    assert "note: the flow ping-me is still the placeholder" in shown
    project.write_text(ROUTES.replace("echo", "append_jsonl").replace("mode: paused", "mode: live"))
    assert "placeholder" not in run("status").stdout + run("check").stdout


def test_the_console_names_them(project: Path, store: Database, tmp_path: Path) -> None:
    console = ConsoleClient(store, tmp_path, load(project, {}))
    project.write_text(ROUTES)  # the client has written an empty one
    console.log_in()
    overview = console.html("/")
    assert "1 route is paused: b." in overview
    assert "the flow ping-me is still the placeholder" in overview
    for path in ("/routes/a", "/routes/b"):
        assert "the flow ping-me is still the placeholder" in console.html(path)
    assert "is still the placeholder" not in console.html("/routes/c")
    assert console.html("/routes").count("placeholder</span>") == 2
