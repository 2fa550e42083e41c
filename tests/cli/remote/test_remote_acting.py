"""Acting commands with --server: the same counts, questions, outcomes and exit codes as here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from processes import call_here, environment
from records import make_delivery, make_event
from serving import Bridge, free_port
from signed_rejects import make_reject

from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_url import parse_server_url
from bridge.core.model import DeadKind, Status
from bridge.store.inbound import events, rejects
from bridge.store.operations import log

ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form}
routes:
  - {name: first, on: github issues, mode: paused, inputs: {n: "${body.n}"}, flow: local/echo}
"""
IDS = re.compile(r"(evt|dlv|act|rej)_[0-9a-z]{10,}")
NUMBERS = count(1)
TIMES = re.compile(r'"\d{4}-\d\d-\d\dT[^"]*"')


class BothWays:
    """A bridge with a worker, and pairs of equal records: one for each way."""

    def __init__(self, bridge: Bridge, private: int, home: Path) -> None:
        self.bridge = bridge
        self.home = home
        self.server = f"http://127.0.0.1:{private}"
        added = self.local("token", "add", "actor", "--scope", "operator", "--json")
        self.token = str(json.loads(added.stdout)["token"])

    def local(self, *arguments: str) -> CompletedProcess[str]:
        return call_here(self.bridge.folder, *arguments, environ=self.bridge.environ)

    def remote(self, *arguments: str, token: str | None = None) -> CompletedProcess[str]:
        environ = environment(
            FLOWBRIDGE_TOKEN=token or self.token, FLOWBRIDGE_ACTOR="é@laptop", XDG_CONFIG_HOME="/no"
        )
        return call_here(self.home, "--server", self.server, *arguments, environ=environ)

    def add_event(self, status: Status | None = None, **changes: Any) -> str:
        """Store an event with a delivery in this status; return the id of the delivery, or, without
        a status, of the event.
        """
        event = make_event(now=time.time(), **changes)
        dead = {"dead_kind": DeadKind.PLATFORM, "reason": "HTTP 403"}
        deliveries = [
            make_delivery(event, "first", status=status, **(dead if status is Status.DEAD else {}))
        ] * (status is not None)
        events.add(self.bridge.database, event, deliveries, lambda *_: [])
        return deliveries[0].id if deliveries else event.id

    def assert_same(self, arguments: list[str], ids: tuple[str, str], code: int = 0) -> str:
        """Act on one record here and on an equal one from elsewhere."""
        local = self.local(*[one.format(id=ids[0]) for one in arguments])
        remote = self.remote(*[one.format(id=ids[1]) for one in arguments])
        assert (remote.returncode, local.returncode) == (code, code), remote.stderr + local.stderr
        assert plain(remote.stdout) == plain(local.stdout)
        return remote.stdout


def plain(text: str) -> str:
    return TIMES.sub('"…"', IDS.sub(r"\1_…", text))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothWays]:
    port = free_port()
    environ = {"FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{port}"}
    with Bridge(tmp_path_factory.mktemp("bridge"), routes=ROUTES, environ=environ) as bridge:
        yield BothWays(bridge, port, tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize(
    "more", [["--dry-run"], ["--dry-run", "--json"], ["--yes", "--json"], ["--yes"]]
)
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["retry"], Status.DEAD),
        (["cancel"], Status.QUEUED),
        (["resolve", "--as", "dead"], Status.UNKNOWN),
        (["resolve", "--as", "delivered", "--force"], Status.UNKNOWN),
        (["replay"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_operation_prints_the_same_both_ways(
    both: BothWays, command: list[str], status: Status | None, more: list[str]
) -> None:
    ids = both.add_event(status), both.add_event(status)
    assert both.assert_same([*command, "{id}", *more], ids)


def test_spam_is_released(both: BothWays) -> None:
    ids = both.add_event(spam="a word"), both.add_event(spam="a word")
    assert "released: dlv_" in both.assert_same(["spam", "release", "{id}", "--yes"], ids)


@pytest.mark.parametrize("more", [["--dry-run"], ["--yes", "--json"], ["--yes"]])
def test_a_reject_is_readmitted(both: BothWays, more: list[str]) -> None:
    secret = both.bridge.environ["GITHUB_SECRET"]
    numbers = next(NUMBERS), next(NUMBERS)
    ids = [add_reject(both, number, secret) for number in numbers]
    assert both.assert_same(["rejects", "readmit", "{id}", *more], (ids[0], ids[1]))
    wrong = [add_reject(both, next(NUMBERS), "of-somebody-else") for _ in range(2)]
    code = 0 if "--dry-run" in more else 1
    assert both.assert_same(["rejects", "readmit", "{id}", *more], (wrong[0], wrong[1]), code)


def add_reject(both: BothWays, number: int, secret: str) -> str:
    one = make_reject(number, secret)
    rejects.add(both.bridge.database, one)
    return one.id


def test_a_refused_item_ends_with_one(both: BothWays) -> None:
    ids = both.add_event(Status.SHADOW), both.add_event(Status.SHADOW)
    assert "not retried" in both.assert_same(["retry", "{id}", "--yes"], ids, code=1)


def test_an_unknown_id_ends_with_one(both: BothWays) -> None:
    ids = ("dlv_zzzzzz", "dlv_zzzzzz")
    assert both.assert_same(["retry", "{id}", "--yes"], ids, code=1)


def test_filters_select_what_was_counted(both: BothWays) -> None:
    some = [both.add_event(Status.DEAD, source="filtered") for _ in range(3)]
    counted = both.remote("retry", "--source", "filtered", "--dry-run")
    assert counted.stdout == "3 deliveries to retry\n"
    asked = both.remote("retry", "--source", "filtered")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "not a terminal, so pass --yes" in asked.stderr
    done = both.remote("retry", "--source", "filtered", "--yes")
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == sorted(some)
    assert "3 retried (act_" in done.stderr
    none = both.remote("retry", "--source", "filtered", "--yes")
    assert (none.returncode, none.stdout) == (0, "")
    assert none.stderr == both.local("retry", "--source", "filtered", "--yes").stderr


def test_the_actor_is_the_token_with_its_user(both: BothWays) -> None:
    id_ = both.add_event(Status.DEAD)
    assert both.remote("retry", id_, "--yes").returncode == 0
    [newest, *_] = log.list_operations(both.bridge.database, limit=1)
    assert newest.actor == "actor (é@laptop)"


def test_a_token_without_the_scope_changes_nothing(both: BothWays) -> None:
    added = both.local("token", "add", "reader", "--scope", "reader", "--json")
    id_ = both.add_event(Status.DEAD)
    done = both.remote("retry", id_, "--yes", token=json.loads(added.stdout)["token"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs the scope `act`" in done.stderr


def test_an_operation_is_stopped_and_resumed(both: BothWays) -> None:
    ids = [both.add_event(Status.DEAD) for _ in range(3)]
    assert both.local("db", "hold", "--reason", "a test").returncode == 0
    client = AdminClient(parse_server_url(both.server), both.token)
    begun = client.post("/operations", {"command": "retry", "mode": "do", "ids": ids}, {})
    client.close()
    act = str(begun["id"])
    stopped = both.remote("operations", "stop", act)
    assert stopped.stdout == f"{act}  stopped: 0 of 3, unfinished\n"
    assert both.local("db", "release", "--yes").returncode == 0
    resumed = both.remote("operations", "resume", act, "--yes")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "".join(f"{one}  dead → queued\n" for one in ids)
    again = both.remote("operations", "resume", act, "--yes")
    assert (again.returncode, again.stdout) == (0, "")
    assert "is finished: no items are left" in again.stderr
    ended = both.remote("operations", "stop", act)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "ended at" in ended.stderr


def test_an_event_is_marked_as_spam(both: BothWays) -> None:
    form = {"source": "contact", "provider": "form"}
    ids = both.add_event(**form), both.add_event(**form)
    assert both.assert_same(["spam", "mark", "{id}", "--yes"], ids)


def test_the_evidence_of_all_unknown_ones_is_not_shown(both: BothWays) -> None:
    done = both.remote("resolve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "with --server pass --as" in done.stderr


def test_a_limit_is_refused(both: BothWays) -> None:
    done = both.remote("retry", "--status", "dead", "--limit", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--limit works on the bridge's own machine only" in done.stderr
