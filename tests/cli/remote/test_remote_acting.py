"""Acting commands with --server: the same counts, questions, outcomes and exit codes as here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from records import make_delivery, make_event
from signed_rejects import make_reject

from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_url import parse_server_url
from bridge.core.model import DeadKind, Status
from bridge.store.inbound import events, rejects
from bridge.store.operations import operation_records

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


def add_event(both: BothWays, status: Status | None = None, **changes: Any) -> str:
    """Store an event with a delivery in this status; return the id of the delivery, or, without a
    status, of the event.
    """
    event = make_event(now=time.time(), **changes)
    dead = {"dead_kind": DeadKind.PLATFORM, "reason": "HTTP 403"}
    deliveries = [
        make_delivery(event, "first", status=status, **(dead if status is Status.DEAD else {}))
    ] * (status is not None)
    events.add(both.bridge.database, event, deliveries, lambda *_: [])
    return deliveries[0].id if deliveries else event.id


def assert_same(both: BothWays, arguments: list[str], ids: tuple[str, str], code: int = 0) -> str:
    """Act on one record here and on an equal one from elsewhere."""
    local = both.local(*[one.format(id=ids[0]) for one in arguments])
    remote = both.remote(*[one.format(id=ids[1]) for one in arguments])
    assert (remote.returncode, local.returncode) == (code, code), remote.stderr + local.stderr
    assert plain(remote.stdout) == plain(local.stdout)
    return remote.stdout


def plain(text: str) -> str:
    return TIMES.sub('"…"', IDS.sub(r"\1_…", text))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    """A bridge whose worker looks for operations at each heartbeat."""
    folder = tmp_path_factory.mktemp("both")
    soon = {"heartbeat_seconds": 0.1}
    with serve_both_ways(folder, "serve", routes=ROUTES, timings=soon) as served:
        served.token = served.add_token("actor", "operator")
        yield served


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
    ids = add_event(both, status), add_event(both, status)
    assert assert_same(both, [*command, "{id}", *more], ids)


def test_spam_is_released(both: BothWays) -> None:
    ids = add_event(both, spam="a word"), add_event(both, spam="a word")
    assert "released: dlv_" in assert_same(both, ["spam", "release", "{id}", "--yes"], ids)


@pytest.mark.parametrize("more", [["--dry-run"], ["--yes", "--json"], ["--yes"]])
def test_a_reject_is_readmitted(both: BothWays, more: list[str]) -> None:
    secret = both.bridge.environ["GITHUB_SECRET"]
    numbers = next(NUMBERS), next(NUMBERS)
    ids = [add_reject(both, number, secret) for number in numbers]
    assert assert_same(both, ["rejects", "readmit", "{id}", *more], (ids[0], ids[1]))
    wrong = [add_reject(both, next(NUMBERS), "of-somebody-else") for _ in range(2)]
    code = 0 if "--dry-run" in more else 1
    assert assert_same(both, ["rejects", "readmit", "{id}", *more], (wrong[0], wrong[1]), code)


def add_reject(both: BothWays, number: int, secret: str) -> str:
    one = make_reject(number, secret)
    rejects.add(both.bridge.database, one)
    return one.id


def test_a_refused_item_ends_with_one(both: BothWays) -> None:
    ids = add_event(both, Status.SHADOW), add_event(both, Status.SHADOW)
    assert "not retried" in assert_same(both, ["retry", "{id}", "--yes"], ids, code=1)


def test_an_unknown_id_ends_with_one(both: BothWays) -> None:
    ids = ("dlv_zzzzzz", "dlv_zzzzzz")
    assert assert_same(both, ["retry", "{id}", "--yes"], ids, code=1)


def test_how_many_flows_a_replay_would_start_again_is_said_first(both: BothWays) -> None:
    id_ = add_event(both, Status.DELIVERED)
    local, remote = (run("replay", id_, "--dry-run") for run in (both.local, both.remote))
    assert remote.stdout == local.stdout == "1 delivery to replay\n"
    assert remote.stderr == local.stderr
    assert "1 of these deliveries was already delivered" in remote.stderr


@pytest.mark.parametrize(
    "command", [["retry"], ["replay"], ["spam", "mark"], ["rejects", "readmit"]]
)
def test_a_dry_run_says_why_an_id_selects_nothing(both: BothWays, command: list[str]) -> None:
    local, remote = (run(*command, "zzzzzz", "--dry-run") for run in (both.local, both.remote))
    assert (remote.stdout, remote.stderr) == (local.stdout, local.stderr)
    assert remote.stdout.startswith("0 ")
    assert remote.stderr.startswith("zzzzzz: no ")


def test_rejects_that_still_fail_are_counted(both: BothWays) -> None:
    add_reject(both, next(NUMBERS), "of-somebody-else")
    command = ["rejects", "readmit", "--source", "github", "--dry-run"]
    local, remote = (run(*command) for run in (both.local, both.remote))
    assert (remote.stdout, remote.stderr) == (local.stdout, local.stderr)
    assert re.fullmatch(
        r"[1-9]\d* rejects? still fails? verification: flowbridge rejects shows why\n",
        remote.stderr,
    )


def test_filters_select_what_was_counted(both: BothWays) -> None:
    some = [add_event(both, Status.DEAD, source="filtered") for _ in range(3)]
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
    id_ = add_event(both, Status.DEAD)
    assert both.remote("retry", id_, "--yes").returncode == 0
    [newest, *_] = operation_records.list_operations(both.bridge.database, limit=1)
    assert newest.actor == "actor (é@laptop)"


def test_a_token_without_the_scope_changes_nothing(both: BothWays) -> None:
    added = both.local("token", "add", "reader", "--scope", "reader", "--json")
    id_ = add_event(both, Status.DEAD)
    done = both.remote("retry", id_, "--yes", token=json.loads(added.stdout)["token"])
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs the scope `act`" in done.stderr


def test_an_operation_is_stopped_and_resumed(both: BothWays) -> None:
    ids = [add_event(both, Status.DEAD) for _ in range(3)]
    assert both.local("db", "hold", "--reason", "a test").returncode == 0
    client = AdminClient(parse_server_url(both.server), both.token)
    begun = client.post("/operations", {"command": "retry", "mode": "do", "ids": ids})
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
    ids = add_event(both, **form), add_event(both, **form)
    assert assert_same(both, ["spam", "mark", "{id}", "--yes"], ids)


def test_the_evidence_of_all_unknown_ones_is_not_shown(both: BothWays) -> None:
    done = both.remote("resolve")
    assert (done.returncode, done.stdout) == (2, "")
    assert "with --server pass --as" in done.stderr


def test_a_command_on_the_own_machine_withdraws_the_proposal_of_any_token(both: BothWays) -> None:
    client = AdminClient(parse_server_url(both.server), both.token)
    ids = [add_event(both, Status.DEAD)]
    begun = client.post("/operations", {"command": "retry", "mode": "propose", "ids": ids})
    client.close()
    stopped = both.local("operations", "stop", str(begun["id"]))
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert stopped.stdout.startswith(f"{begun['id']}  ")


def test_a_limit_is_the_same_both_ways(both: BothWays) -> None:
    arguments = ("retry", "--status", "dead", "--limit", "1", "--dry-run")
    local, remote = both.local(*arguments), both.remote(*arguments)
    assert (remote.returncode, remote.stdout) == (local.returncode, local.stdout)
    assert remote.stdout == "1 delivery to retry\n"
