"""explain prints the same with --server as on the bridge's own machine, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from records import make_event
from remote_records import HOSTILE
from signed_rejects import make_reject

from bridge.services.explain.explanation_screen import parse_explanation
from bridge.services.records.json_record import UnreadableAnswer
from bridge.store.inbound import events, rejects

ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  gone: {provider: form}
routes:
  - name: triage
    on: github issues
    match:
      body.action: [opened, reopened, "%(long)s"]
      any: [{body.n: {gt: 100}}, {not: {body.issue.titel: {exists: true}}}]
      body.long: {eq: "%(long)s"}
    when: lower(body.action) == 'closed' && (body.n >= 5 || body.missing)
    inputs: {title: "${body.issue.titel}"}
    flow: [local/echo, local/sleep]
  - {name: one-away, on: github issues, match: {body.action: Opened}, inputs: {a: 1}, flow: local/echo}
  - name: matches
    on: github
    inputs: {all: "${body}", "a name that is longer than a third of a line of the screen is": 1,
             title: "${body.issue.titel}"}
    flow: local/echo
    mode: paused
  - {name: whole, on: github, inputs: "${body}", flow: local/echo}
  - {name: strict, on: github, strict: true, inputs: {a: "${body.none}"}, flow: local/echo}
  - {name: broken, on: github, when: "body.n > 'a' || abs(body.action) > 1", inputs: {a: 1}, flow: local/echo}
  - {name: pushes, on: github push, inputs: {a: 1}, flow: local/echo}
  - {name: forms, on: gone, inputs: {a: 1}, flow: local/echo}
"""
BODY = {
    "action": "opened",
    "n": "7",
    "long": "x" * 400,
    "issue": {"title": HOSTILE, "labels": [{"name": f"label-{number}"} for number in range(300)]},
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    routes = ROUTES % {"long": "x" * 350}
    with serve_both_ways(tmp_path_factory.mktemp("both"), routes=routes) as served:
        store = served.bridge.database
        shown = {"content-type": "application/json", "x-github-event": "issues"}
        for number, body in enumerate((json.dumps(BODY), "[" * 90, json.dumps({HOSTILE: HOSTILE}))):
            event = make_event(f"e{number}", body=body.encode(), headers=shown, type="issues")
            events.add(store, replace(event, id=f"evt_{number}"), [], lambda *_: [])
        for number, cut in enumerate((False, True)):
            reject = make_reject(
                id=f"rej_000000000{number}",
                received_at=1_790_000_000.0,
                headers=shown,
                body=json.dumps(BODY).encode(),
                size=5000,
                cut=cut,
            )
            rejects.add(store, reject)
        yield served


@pytest.mark.parametrize("as_json", [False, True], ids=["human", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["evt_0"],
        ["evt_0", "--route", "triage"],
        ["evt_1"],
        ["evt_2"],
        ["rej_0000000000"],
        ["0000000000"],
    ],
    ids=str,
)
def test_explanations_are_the_same_both_ways(
    both: BothWays, arguments: list[str], *, as_json: bool
) -> None:
    printed = both.assert_same("explain", *arguments, *(["--json"] if as_json else []))
    assert '"screen"' not in printed
    if arguments == ["evt_0"]:
        assert "near" in printed and "matches" in printed


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["evt_zzz"], 1),
        (["rej_0000000001"], 1),
        (["rej_00"], 1),
        (["rej_zz"], 1),
        (["zzz"], 1),
        (["evt_0", "--route", "triagge"], 2),
        (["rej_0000000000", "--with-routes", "then"], 2),
        (["evt_0", "--with-routes", "then"], 1),
    ],
    ids=str,
)
def test_errors_are_the_same_both_ways(both: BothWays, arguments: list[str], code: int) -> None:
    local = both.local("explain", *arguments)
    remote = both.remote("explain", *arguments)
    assert (remote.stdout, remote.returncode) == (local.stdout, local.returncode) == ("", code)
    assert remote.stderr == local.stderr


def test_what_the_bridge_cannot_explain_is_refused(both: BothWays) -> None:
    draft = both.bridge.config
    for arguments in (
        ["evt_0", "--routes", str(draft)],
        ["--source", "github", "--body", str(draft)],
        ["--sample", "github", "issues"],
    ):
        done = both.remote("explain", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "works on the bridge's own machine only, not with --server" in done.stderr
    refused = both.remote("explain", "evt_0", token=both.add_token("r", "read"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs the scope `bodies`" in refused.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"screen": None},
        {"screen": {"routes": [{}]}},
        {"routes": [{}]},
        {"routes": 3},
        {"screen": {"routes": "x"}, "routes": [{"route": "a"}]},
    ],
    ids=str,
)
def test_an_explanation_of_another_shape_is_unreadable(changes: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "event_id": "evt_1",
        "reject_id": None,
        "source": "a",
        "type": None,
        "received_at": None,
        "problem": None,
        "routes": [],
        "screen": {"routes": []},
    }
    assert parse_explanation(whole).name == "evt_1"
    with pytest.raises(UnreadableAnswer):
        parse_explanation(whole | changes)
