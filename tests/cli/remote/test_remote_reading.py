"""Reading commands print the same with --server as on the bridge's own machine, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from both_ways import BothWays, serve_both_ways
from remote_records import ACT, HOSTILE, REJECTS, SECRET, add_records
from serving import ROUTES

from bridge.core.audit import AuditActor
from bridge.services.audit import record_login

ALL_ROUTES = ROUTES + "".join(
    f'  - {{name: "route-{status}", on: github nothing, inputs: {{title: "${{body.title}}"}},'
    " flow: local/echo}\n"
    for status in ("dead", "queued")
)
#: Parts of the status that change while it is read.
CHANGING = re.compile(
    r'"(at|since|used_at|size|free|clock_ahead)":("[^"]*"|[\d.-]+|null)'
    r"|\d+ (s|min|h)\b( \d+ min)?|\d{2}:\d{2}:\d{2}Z|[\d.]+ [kMGT]B"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both"), routes=ALL_ROUTES) as served:
        add_records(served.bridge.database)
        yield served


@pytest.mark.parametrize("as_json", [False, True], ids=["human", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["events"],
        ["events", "--limit", "0"],
        ["events", "--limit", "3"],
        ["events", "--status", "dead", "--limit", "4"],
        ["events", "--status", "none"],
        ["events", "--not-spam", "--since", "2h", "--until", "1m"],
        ["events", "--spam", "--reason", "<script>"],
        ["events", "--body", HOSTILE.partition("\r")[0]],
        ["events", "--where", "body.action=opened"],
        ["events", "--type", "iss*", "--source", "github"],
        ["deliveries", "--limit", "0"],
        ["deliveries", "--status", "blocked"],
        ["deliveries", "--dead-kind", "platform"],
        ["deliveries", "--run", "failed"],
        ["causes"],
        ["causes", "--route", "route-dead", "--since", "1d"],
        ["rejects"],
        ["rejects", "--limit", "0"],
        ["rejects", "--source", "github", "--limit", "30"],
        ["spam"],
        ["operations"],
        ["operations", "--unfinished"],
        ["operations", "show", ACT],
        ["operations", "show", ACT, "--only", "refused"],
        ["trends"],
        ["trends", "events"],
        ["trends", "events", "--since", "2d", "--source", "github", "--step", "1h"],
        ["trends", "ack"],
        ["trends", "queued", "--route", "triage"],
        ["show"],
    ],
    ids=" ".join,
)
def test_lists_are_the_same_both_ways(
    both: BothWays, arguments: list[str], *, as_json: bool
) -> None:
    printed = both.assert_same(*arguments, *(["--json"] if as_json else []))
    if arguments == ["rejects", "--limit", "0"]:
        assert len(printed.splitlines()) >= REJECTS


def test_a_trial_is_the_same_both_ways(both: BothWays, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    changed = ALL_ROUTES.replace('"${body.title}"', '"a title: ${body.title}"')
    assert changed != ALL_ROUTES
    new.write_text(changed.replace("routes:", "include: more/*.yaml\nroutes:", 1))
    (tmp_path / "more").mkdir()
    more = (
        "{name: more, on: github, payload_schema: more/any.json, inputs: {a: b}, flow: local/echo}"
    )
    (tmp_path / "more" / "one.yaml").write_text(f"routes:\n  - {more}\n")
    (tmp_path / "more" / "any.json").write_text('{"type": "object", "required": ["action"]}')
    command = ["test", "--routes", str(new), "--since", "2000-01-01"]
    never = [*command, "--fail-on", "never"]
    lines = both.assert_same(*never, "--json", "--explain").splitlines()
    assert '{"explanation":' in lines[-2] and "screen" not in lines[-2]
    assert "summary" in json.loads(lines[-1]) and len(lines) > 20
    for more in (
        ["--against", str(both.bridge.config), "--source", "github", "--limit", "7"],
        ["--explain", "--where", "body.action=opened"],
        ["--against", "then", "--until", "1m", "--where", "body.action=opened", "--type", "iss*"],
    ):
        both.assert_same(*never, *more)
    failing = [run(*command, "--fail-on", "changed") for run in (both.local, both.remote)]
    assert [one.returncode for one in failing] == [1, 1]
    assert failing[0].stdout == failing[1].stdout and "more" in failing[0].stdout


def test_a_trial_of_a_file_that_cannot_be_used(both: BothWays, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    command = ["test", "--routes", str(new)]
    for text, said in (
        (None, "cannot read"),
        ("version: 1\nrouts: []\n", f"{new}:2:1: routs:"),
        ("version: 1\ninclude: no.yaml\n", "no.yaml"),
    ):
        if text is not None:
            new.write_text(text)
        local = both.local(*command)
        remote = both.remote(*command)
        assert (local.returncode, remote.returncode, remote.stdout) == (2, 2, "")
        assert said in remote.stderr and said in local.stderr
    for wrong in (["test"], ["test", "--save", str(tmp_path), "x"], ["test", str(tmp_path)]):
        assert both.remote(*wrong).returncode == 2
    viewer = both.remote(*command, token=both.add_token("no-bodies", "read"))
    assert viewer.returncode == 1 and "scope `bodies`" in viewer.stderr


def test_each_record_is_the_same_both_ways(both: BothWays) -> None:
    ids = both.ids()
    assert len(ids) > 50
    for id_ in ids:
        both.assert_same("show", id_)
    for id_ in ids[::5]:
        both.assert_same("show", id_, "--json")
        both.assert_same("show", id_, "--body")
    both.assert_same("show", ids[0][-10:])
    both.assert_same("show", "run-0")


@pytest.mark.parametrize("as_json", [False, True], ids=["human", "json"])
def test_the_status_is_the_same_both_ways(both: BothWays, *, as_json: bool) -> None:
    arguments = ["status", *(["--json"] if as_json else [])]
    local = both.local(*arguments)
    remote = both.remote(*arguments)
    assert CHANGING.sub("…", remote.stdout) == CHANGING.sub("…", local.stdout)
    assert remote.returncode == local.returncode == 1
    assert str(both.bridge.config) in local.stdout


@pytest.mark.parametrize("more", [[], ["--json"], ["--action", "login", "--limit", "0"]], ids=str)
def test_the_audit_log_is_the_same_both_ways(both: BothWays, more: list[str]) -> None:
    admin = both.add_token(f"admin-{len(more)}", "admin")
    record_login(both.bridge.database, AuditActor(HOSTILE, "203.0.113.9"), accepted=True)
    local = both.local("audit", *more)
    remote = both.remote("audit", *more, token=admin)
    assert (remote.returncode, local.returncode) == (0, 0), remote.stderr
    assert remote.stdout == local.stdout
    assert "login" in local.stdout
    refused = both.remote("audit", *more)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs the scope `admin`" in refused.stderr


def test_an_unknown_record_fails_with_the_same_words(both: BothWays) -> None:
    for arguments in (
        ("show", "evt_zzzzzz"),
        ("show", "zzzzzz"),
        ("show", "rej_zzz"),
        ("show", "dlv_"),
        ("operations", "show", "act_zzz"),
    ):
        local = both.local(*arguments)
        remote = both.remote(*arguments)
        assert (remote.stdout, remote.returncode) == (local.stdout, local.returncode) == ("", 1)
        assert remote.stderr == local.stderr


def test_a_token_without_bodies_sees_no_contents(both: BothWays) -> None:
    token = both.add_token("reader", "read")
    for arguments in (
        ["events", "--limit", "0"],
        ["deliveries", "--limit", "0"],
        ["rejects"],
        ["operations"],
        ["operations", "show", ACT],
        *(["show", id_] for id_ in both.ids()[::3]),
    ):
        for more in ([], ["--json"]):
            done = both.remote(*arguments, *more, token=token)
            assert done.returncode == 0, done.stderr
            assert SECRET not in done.stdout
    assert SECRET in both.remote("deliveries", "--limit", "0").stdout
    event_id = both.ids()[0]
    shown = both.remote("show", event_id, token=token).stdout
    assert "not shown: the token lacks the scope `bodies`" in shown
    refused = both.remote("events", "--body", "x", token=token)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs the scope `bodies`" in refused.stderr


def test_a_wrong_value_is_wrong_usage(both: BothWays) -> None:
    for arguments in (["trends", "evnts"], ["trends", "ack", "--source", "github"]):
        local = both.local(*arguments)
        remote = both.remote(*arguments)
        assert (remote.returncode, remote.stdout) == (local.returncode, local.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["events", "--source", "githib"], "there is no source 'githib'; did you mean `github`?"),
        (["events", "--route", "evrything"], "did you mean `everything`? there are: everything"),
        (["deliveries", "--source", "x"], "there is no source 'x'; there are: github"),
        (["causes", "--route", "x"], "there is no route 'x'"),
        (["rejects", "--source", "x"], "there is no source 'x'"),
        (["trends", "events", "--source", "githib"], "did you mean `github`?"),
        (["trends", "queued", "--route", "x"], "there is no route 'x'"),
        (["trends", "attempts", "--platform", "x"], "there is no platform 'x'"),
        (["spam", "--source", HOSTILE], "there is no source"),
        (["retry", "--source", "githib"], "did you mean `github`?"),
        (["replay", "--source", "githib"], "did you mean `github`?"),
        (["replay", "--source", "github", "--through", "x"], "routes.yaml has no route 'x'"),
    ],
    ids=str,
)
def test_an_unknown_name_is_an_error_with_the_nearest(
    both: BothWays, arguments: list[str], words: str
) -> None:
    local = both.local(*arguments)
    remote = both.remote(*arguments)
    assert (remote.stdout, remote.returncode) == (local.stdout, local.returncode) == ("", 2)
    assert remote.stderr == local.stderr
    assert words in remote.stderr


def test_a_name_in_the_store_only_is_no_error(both: BothWays) -> None:
    both.assert_same("deliveries", "--route", "lost")


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["init"],
        ["erase", "--text", "a"],
        ["db", "prune"],
        ["add", "github"],
        ["platform"],
    ],
    ids=" ".join,
)
def test_other_commands_say_what_works(both: BothWays, arguments: list[str]) -> None:
    done = both.remote(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"`{' '.join(arguments[:1])}" in done.stderr
    assert "These work with it: status, events" in done.stderr
    assert not list(both.home.glob("*.db"))
