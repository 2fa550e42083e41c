"""A route names a local flow that flows.py does not have (any more): its deliveries wait, and
somebody hears of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import call
from serving import Bridge, until

from bridge.core.model import Delivery
from bridge.routing.model import AbsentFlows, Config, Flow, Mode, Platform, Route
from bridge.worker.local.loaded_flows import MissingFlows

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


@pytest.mark.usefixtures("new_processes")
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
    with Bridge(tmp_path, routes=ROUTES, environ={"FLOWBRIDGE_ADMIN_TOKEN": TOKEN}) as bridge:
        first = bridge.event().json["event_id"]
        until(lambda: states(first) == {"mine": "done", "other": "done"}, what="both runs")
        assert not said("flows_missing")
        write("renamed")
        (problem,) = until(problems, what="a problem")
        assert (problem["key"], problem["severity"]) == ("flow_missing:mine", "warning")
        assert (
            problem["summary"]
            == "route mine names the flow mine, which the local platform does not have: its"
            " deliveries wait"
        )
        assert problem["what_to_do"].startswith(
            "put mine back into flows.py (flowbridge check lists the flows). Or name another flow"
            " in routes.yaml"
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


@pytest.mark.usefixtures("new_processes")
def test_of_a_route_with_several_flows_only_those_that_are_missing_hold_deliveries(
    tmp_path: Path,
) -> None:
    def states() -> dict[str, str | None]:
        return {one.saved_item_id: one.run_state for one in bridge.found(event_id).deliveries}

    def asked(*command: str) -> str:
        return call(
            tmp_path, "--config", str(bridge.config), *command, environ=bridge.environ
        ).stdout

    (tmp_path / "flows.py").write_text(FLOWS.replace("NAME", "other"))
    route = (
        "- {name: both, on: github, inputs: {n: 1}, flow: [local/echo, local/mine, local/gone]}\n"
    )
    routes = ROUTES.partition("- {name: mine")[0] + route
    with Bridge(tmp_path, routes=routes) as bridge:
        until(
            lambda: [line for line in bridge.log if line["event"] == "flows_missing"],
            what="a warning",
        )
        event_id = bridge.event().json["event_id"]
        until(
            lambda: states() == {"echo": "done", "mine": None, "gone": None},
            what="the run of the flow that is there",
        )
        (waiting,) = [
            one for one in bridge.found(event_id).deliveries if one.saved_item_id == "mine"
        ]
        assert (waiting.status, waiting.attempts) == ("queued", 0)
        assert (
            "waits         it was planned for the flow 'mine', which the local platform does not"
            " have" in asked("show", waiting.id)
        )
        what = (
            "route both names the flow mine, gone, which the local platform does not have:"
            " its deliveries wait"
        )
        assert what in [one["summary"] for one in json.loads(asked("status", "--json"))["problems"]]
        (tmp_path / "flows.py").write_text(FLOWS.replace("NAME", "mine"))
        until(lambda: states()["mine"] == "done", what="the run of the one that waited")
        assert states()["gone"] is None


def test_absent_flows_are_those_of_live_routes_and_hold_a_route_that_has_none_of_its_flows() -> (
    None
):
    config = configured(
        {"one": ["a", "gone"], "two": ["gone", "lost"], "three": ["a"], "hook": ["gone"]},
        elsewhere="hook",
        shadow="two",
    )
    assert config.absent_flows({"a"}) == AbsentFlows(by_route={"one": "gone"}, held=frozenset())
    config = configured({"one": ["a", "gone"], "two": ["gone", "lost"]})
    assert config.absent_flows({"a"}) == AbsentFlows(
        by_route={"one": "gone", "two": "gone, lost"}, held=frozenset({"two"})
    )
    assert config.absent_flows({"a", "gone", "lost"}) == AbsentFlows()


def configured(routes: dict[str, list[str]], elsewhere: str = "", shadow: str = "") -> Config:
    """Return a configuration with these routes and the local flows of each; those of `elsewhere`
    are on another platform.
    """
    made = [
        Route(
            name=name,
            source="x",
            flow=Flow(
                name=flow, platform="http" if name == elsewhere else "local", saved_item_id=flow
            ),
            reshape=lambda _: {},
            mode=Mode.SHADOW if name == shadow else Mode.LIVE,
        )
        for name, flows in routes.items()
        for flow in flows
    ]
    platforms = {name: Platform(name=name, type=name, base_url="") for name in ("local", "http")}
    return Config(
        sources={}, routes=tuple(made), flows={}, platforms=platforms, hash="", canonical=""
    )


def test_absent_flows_are_worked_out_once_for_each_configuration_and_set_of_flows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worked_out: list[Config] = []
    absent_flows = Config.absent_flows
    monkeypatch.setattr(
        Config,
        "absent_flows",
        lambda config, known: worked_out.append(config) or absent_flows(config, known),
    )
    missing = MissingFlows()
    config = configured({"one": ["gone"]})
    flows = ["a"]
    found = [missing.find(config, flows), missing.find(config, flows)]
    missing.log_changes(config, flows)
    assert found[0] is found[1] and len(worked_out) == 1
    missing.find(config, ["a"])
    missing.find(configured({"one": ["gone"]}), flows)
    assert len(worked_out) == 3


@pytest.mark.usefixtures("new_processes")
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
    with Bridge(tmp_path, routes=ROUTES) as bridge:
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
            " have; next step: restore it" in shown
        )
        assert f"flowbridge cancel {waiting.id}, then flowbridge replay {old}" in shown
        write("renamed", "mine")
        until(lambda: one_of(old).run_state == "done", what="the run of the one that waited")
