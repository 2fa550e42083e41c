"""Reading commands print the same with --server as on the bridge's own machine, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from processes import call_here, environment
from remote_records import ACT, HOSTILE, REJECTS, SECRET, add_records
from serving import ROUTES, Bridge, free_port

from bridge.core.audit import AuditActor
from bridge.services.audit import record_login
from bridge.store.inbound import rejects
from bridge.store.queries import events
from bridge.store.queries.filters import Filters

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


class BothWays:
    """A bridge, read from its store and through its admin API."""

    def __init__(self, bridge: Bridge, private: int, home: Path) -> None:
        self.bridge = bridge
        self.home = home
        self.server = f"http://127.0.0.1:{private}"
        self.token = self.add_token("whole", "read,bodies")

    def add_token(self, name: str, scopes: str) -> str:
        made = self.local("token", "add", name, "--scope", scopes, "--json")
        return str(json.loads(made.stdout)["token"])

    def local(self, *arguments: str) -> CompletedProcess[str]:
        return call_here(
            self.bridge.folder,
            "--config",
            str(self.bridge.config),
            *arguments,
            environ=self.bridge.environ,
        )

    def remote(self, *arguments: str, token: str | None = None) -> CompletedProcess[str]:
        """Run a command where there is no project."""
        environ = environment(
            FLOWBRIDGE_TOKEN=token or self.token, XDG_CONFIG_HOME=str(self.home / "config")
        )
        return call_here(self.home, "--server", self.server, *arguments, environ=environ)

    def ids(self) -> list[str]:
        """Return the ids of all events that are not plain, of their deliveries, and two rejects."""
        store = self.bridge.database
        found = []
        for event, deliveries in events.list_events(store, Filters(), 0):
            if not str(event.provider_id).startswith("plain"):
                found += [event.id, *(one.id for one in deliveries)]
        return found + [one.id for one in rejects.list_rejects(store, limit=2)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothWays]:
    port = free_port()
    environ = {"FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{port}"}
    folder = tmp_path_factory.mktemp("bridge")
    with Bridge(folder, "web", routes=ALL_ROUTES, environ=environ) as bridge:
        add_records(bridge.database)
        yield BothWays(bridge, port, tmp_path_factory.mktemp("elsewhere"))


def assert_same(both: BothWays, *arguments: str) -> str:
    local = both.local(*arguments)
    remote = both.remote(*arguments)
    assert remote.stdout == local.stdout, (arguments, remote.stderr)
    assert (remote.returncode, local.returncode) == (0, 0), (remote.stderr, local.stderr)
    return local.stdout


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
    printed = assert_same(both, *arguments, *(["--json"] if as_json else []))
    if arguments == ["rejects", "--limit", "0"]:
        assert len(printed.splitlines()) >= REJECTS


def test_each_record_is_the_same_both_ways(both: BothWays) -> None:
    ids = both.ids()
    assert len(ids) > 50
    for id_ in ids:
        assert_same(both, "show", id_)
    for id_ in ids[::5]:
        assert_same(both, "show", id_, "--json")
        assert_same(both, "show", id_, "--body")
    assert_same(both, "show", ids[0][-10:])
    assert_same(both, "show", "run-0")


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
    "arguments",
    [
        ["serve"],
        ["init"],
        ["erase", "--text", "a"],
        ["db", "prune"],
        ["token", "list"],
        ["tail"],
        ["show", "evt_1", "--save", "files"],
    ],
    ids=" ".join,
)
def test_other_commands_say_what_works(both: BothWays, arguments: list[str]) -> None:
    done = both.remote(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"`{' '.join(arguments[:1])}" in done.stderr
    assert "These work with it: status, events" in done.stderr
    assert not list(both.home.glob("*.db"))
