"""A route names a local flow that flows.py does not have (any more): its deliveries wait, and
somebody hears of it.
"""

from __future__ import annotations

import json
from pathlib import Path

from processes import call
from serving import Bridge, until

from bridge.core.model import Delivery

ROUTES = """
version: 1
platforms: {local: {type: local, flows: flows.py}}
sources: {github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes:
- {name: mine, on: github, inputs: {n: 1}, flow: local/mine}
- {name: other, on: github, inputs: {n: 1}, flow: local/echo}
- {name: shadowed, on: github, inputs: {n: 1}, flow: local/nothing, mode: shadow}
"""
TOKEN = "admin-token-of-thirty-two-characters"
FLOWS = "from bridge.flows import flow\n@flow\ndef NAME(n: int = 0) -> dict: return {'n': n}\n"


def test_deliveries_wait_while_their_flow_is_not_there(tmp_path: Path) -> None:
    def write(name: str) -> None:
        (tmp_path / "flows.draft").write_text(FLOWS.replace("NAME", name))
        (tmp_path / "flows.draft").replace(tmp_path / "flows.py")

    def asked(*command: str) -> str:
        return call(
            tmp_path, "--config", str(bridge.config), *command, environ=bridge.environ
        ).stdout

    def problems() -> list[dict[str, str]]:
        return [
            one
            for one in json.loads(asked("status", "--json"))["problems"]
            if one["key"].startswith("flow")
        ]

    def states(event_id: str) -> dict[str, str | None]:
        return {
            one.route: one.run_state
            for one in bridge.found(event_id).deliveries
            if one.route != "shadowed"
        }

    def said(event: str) -> list[dict[str, str]]:
        return [line["flows"] for line in bridge.log if line["event"] == event]

    write("mine")
    with Bridge(
        tmp_path, routes=ROUTES, environ={"FLOWBRIDGE_ADMIN_TOKEN": TOKEN}, fresh=True
    ) as bridge:
        first = bridge.event().json["event_id"]
        until(lambda: states(first) == {"mine": "done", "other": "done"}, what="both runs")
        assert not said("flows_missing")
        write("renamed")
        (problem,) = until(problems, what="a problem")
        assert (problem["key"], problem["severity"]) == ("flow_missing:mine", "warning")
        assert (
            problem["what"]
            == "route mine names the flow mine, which the local platform does not have: its"
            " deliveries wait"
        )
        assert problem["do"].startswith(
            "put mine back into flows.py (flowbridge check has the names). Or name another flow in"
            " routes.yaml"
        )
        second = bridge.event(b'{"n": 2}').json["event_id"]
        until(lambda: states(second)["other"] == "done", what="the other route's run")
        (waiting,) = [one for one in bridge.found(second).deliveries if one.route == "mine"]
        assert (waiting.status, waiting.attempts) == ("queued", 0)
        assert (
            "waits         the route 'mine' names the flow 'mine', which the local platform does"
            " not have" in asked("show", waiting.id)
        )
        assert "no flow" in asked("status")
        assert bridge.get("/readyz", {"Authorization": f"Bearer {TOKEN}"}).json["flows"][
            "absent"
        ] == {"mine": "mine"}
        write("mine")
        until(lambda: states(second)["mine"] == "done", what="the run of the one that waited")
        assert [one.attempts for one in bridge.found(second).deliveries if one.route == "mine"] == [
            1
        ]
        until(lambda: not problems(), what="the end of the problem")
        assert said("flows_missing") == said("flows_found") == [{"mine": "mine"}], (
            "each change once"
        )


def test_what_waits_for_a_flow_that_no_route_names_any_more_goes_on_waiting(tmp_path: Path) -> None:
    def write(*names: str) -> None:
        (tmp_path / "flows.draft").write_text(
            "".join(FLOWS.replace("NAME", name) for name in names)
        )
        (tmp_path / "flows.draft").replace(tmp_path / "flows.py")

    def one_of(event_id: str) -> Delivery:
        (one,) = [one for one in bridge.found(event_id).deliveries if one.route == "mine"]
        return one

    def planned_anew() -> str | None:
        event_id = bridge.event(b'{"n": 2}').json["event_id"]
        return event_id if one_of(event_id).saved_item_id == "renamed" else None

    write("renamed")
    with Bridge(tmp_path, routes=ROUTES, fresh=True) as bridge:
        old = bridge.event().json["event_id"]
        until(
            lambda: [line for line in bridge.log if line["event"] == "flows_missing"],
            what="a warning",
        )
        bridge.config.write_text(ROUTES.replace("local/mine", "local/renamed"))
        until(
            lambda: [line for line in bridge.log if line["event"] == "flows_found"],
            what="the new configuration in the worker",
        )
        new = until(planned_anew, what="the new configuration in the receivers, too")
        until(lambda: one_of(new).run_state == "done", what="the run by the new name")
        waiting = one_of(old)
        assert (waiting.status, waiting.attempts, waiting.saved_item_id) == ("queued", 0, "mine")
        shown = call(
            tmp_path, "--config", str(bridge.config), "show", waiting.id, environ=bridge.environ
        ).stdout
        assert (
            "waits         it was planned for the flow 'mine', which the local platform does not"
            " have: put it back" in shown
        )
        assert f"flowbridge cancel {waiting.id}, then flowbridge replay {old}" in shown
        write("renamed", "mine")
        until(lambda: one_of(old).run_state == "done", what="the run of the one that waited")
