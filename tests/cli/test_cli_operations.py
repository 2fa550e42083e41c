"""Acts through the command line: kept with who did them, gone on with after whatever ended them,
paced; real processes on both stores.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from forking import Forked
from processes import call_here, environment, eventually, running
from records import NOW, make_delivery, make_event
from sqlalchemy import func, select, update

from bridge.cli.commands import operations
from bridge.config.loader import load
from bridge.core.model import DeadKind, Status
from bridge.core.operations import Operation
from bridge.services.operations import pacing
from bridge.services.operations.execution import do_items
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import log, operation_records
from bridge.store.queries import configs
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.tables import schema

pytestmark = pytest.mark.usefixtures("slow")

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}
"""
MANY = 200


def fill(database: Database, count: int, body: bytes = b'{"n":1}', **changes: Any) -> list[str]:
    """Keep events with a delivery each, and return the ids of the events."""
    made = [make_event(body=body) for _ in range(count)]
    events.add_all(
        database, [(one, [make_delivery(one, **changes)]) for one in made], lambda *_: []
    )
    return [one.id for one in made]


def only_act(database: Database) -> Operation:
    (one,) = operation_records.list_operations(database)
    return one


def done_so_far(database: Database) -> int:
    """How many items are through of the one act; 0 before there is one."""
    return next((one.done for one in operation_records.list_operations(database)), 0)


def planned(database: Database) -> Counter[str]:
    """How many deliveries each event has beside its first."""
    with database.read() as connection:
        rows = connection.execute(
            select(schema.delivery.c.event_id, func.count() - 1).group_by(
                schema.delivery.c.event_id
            )
        ).all()
    return Counter({row[0]: row[1] for row in rows})


@pytest.fixture
def environ(database: Database, tmp_path: Path) -> dict[str, str]:
    """The environment of a command in a folder with routes.yaml, on that store."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return environment(
        FLOWBRIDGE_DATABASE_URL=database.url.render_as_string(hide_password=False),
        FLOWBRIDGE_ACTOR="ana@ops",
    )


@contextmanager
def interrupted(
    database: Database, folder: Path, environ: dict[str, str], *arguments: str
) -> Iterator[Forked]:
    """Run an act until some of its items are through, and more are left: all of them would take
    twenty seconds.
    """
    before = done_so_far(database)
    with running(
        folder, *arguments, "--yes", "--rate", f"{MANY // 20}/s", environ=environ
    ) as process:
        eventually(lambda: done_so_far(database) > before)
        yield process


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("command", ["replay", "cancel"])
def test_a_killed_act_goes_on_where_it_was_and_does_nothing_twice(
    database: Database, tmp_path: Path, environ: dict[str, str], command: str
) -> None:
    ids = fill(database, MANY)
    with interrupted(database, tmp_path, environ, command, "--source", "github") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    one = only_act(database)
    assert (one.command, one.actor, one.count, one.finished_at) == (command, "ana@ops", MANY, None)
    assert 0 < one.done < MANY
    if command == "replay":  # what is marked as done is done, and nothing else
        assert planned(database).total() == one.done
    with interrupted(database, tmp_path, environ, "operations", "resume", one.id) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert one.done < done_so_far(database) < MANY
    finished = call_here(
        tmp_path,
        "operations",
        "resume",
        one.id[:-2],
        "--yes",
        "--rate",
        "1000/s",
        "--json",
        environ=environ,
    )
    assert finished.returncode == 0, finished.stderr
    one = operation_records.find(database, one.id)
    assert (one.done, one.refused, one.left, one.finished_at is not None) == (MANY, 0, 0, True)
    assert [actor for actor, _ in one.resumed] == ["ana@ops"] * 2
    assert all(json.loads(line)["act"] == one.id for line in finished.stdout.splitlines())
    if command == "replay":
        assert planned(database) == Counter(dict.fromkeys(ids, 1))
    else:
        assert {
            found.status for found in event_queries.list_deliveries(database, Filters(), 0)
        } == {Status.CANCELLED}
    assert (
        "no items are left"
        in call_here(tmp_path, "operations", "resume", one.id, environ=environ).stderr
    )


@pytest.mark.usefixtures("new_processes")
def test_ctrl_c_stops_an_act_and_says_how_it_goes_on(
    database: Database, tmp_path: Path, environ: dict[str, str]
) -> None:
    fill(database, MANY)
    with interrupted(database, tmp_path, environ, "cancel", "--source", "github") as process:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    one = only_act(database)
    assert process.returncode == 130, stderr
    assert f"{one.id}: Ctrl-C stops it" in stderr
    gone = (
        f"Stopped. {one.done} of {MANY} deliveries are done; `flowbridge operations resume {one.id}`"
        " continues with the rest"
    )
    assert stderr.splitlines()[-1] == gone
    left = call_here(tmp_path, "operations", "resume", one.id, "--dry-run", environ=environ)
    assert left.stdout == f"{MANY - one.done} deliveries of {MANY} left to cancel\n"


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from bridge.cli.main import main
main(sys.argv[2:])
"""


@pytest.mark.usefixtures("new_processes")
def test_a_full_disk_stops_an_act_which_goes_on_once_there_is_room(
    sqlite: Database, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    ids = fill(sqlite, 300, b'{"n":"' + b"x" * 20_000 + b'"}')
    environ = environment(FLOWBRIDGE_DATABASE_URL=f"sqlite:///{sqlite.path}")
    sqlite.close()
    command = [sys.executable, "-c", LIMITED, "1500000", "replay", "--source", "github", "--yes"]
    full = subprocess.run(
        command, cwd=tmp_path, env=environ, text=True, capture_output=True, timeout=60, check=False
    )
    one = only_act(sqlite)
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1].startswith("Error: OperationalError: ")
    assert full.stderr.splitlines()[-1].endswith(
        f"`flowbridge operations resume {one.id}` continues with the rest"
    )
    assert 0 < one.done < 300 and planned(sqlite).total() == one.done
    assert (
        call_here(tmp_path, "operations", "resume", one.id, "--yes", environ=environ).returncode
        == 0
    )
    assert planned(sqlite) == Counter(dict.fromkeys(ids, 1))


@pytest.mark.usefixtures("new_processes")
def test_a_reader_that_has_seen_enough_does_not_stop_an_act(
    sqlite: Database, tmp_path: Path
) -> None:
    fill(sqlite, MANY)
    environ = environment(FLOWBRIDGE_DATABASE_URL=f"sqlite:///{sqlite.path}")
    with running(tmp_path, "cancel", "--source", "github", "--yes", environ=environ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert "queued → cancelled" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert f"{MANY} cancelled" in process.stderr.read()
        process.stdout = None
    assert only_act(sqlite).done == MANY


# -- in this process


@pytest.fixture
def routes(folder: Path) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    return folder / "routes.yaml"


def test_an_act_on_one_is_kept_too_and_listed(store: Database, folder: Path) -> None:
    (event_id,) = fill(store, 1)
    delivery_id = events.deliveries_of(store, [event_id])[event_id][0].id
    assert run("cancel", delivery_id, "--yes").exit_code == 0
    # it stands for none that could be, so there is no act
    assert run("cancel", event_id[:-1], "dlv_none", "--yes").exit_code == 1
    (told,) = lines(run("operations", "--json"))
    assert (
        " ".join(told)
        == "id command state actor created_at request count done refused left last_progress_at"
        " finished_at resumed proposed_until agreed_at stopped_at by_route by_status left_out refusals"
        " skipped problems notes went_already examples"
    )
    assert told["state"] == "done"
    assert (told["command"], told["count"], told["done"], told["refused"]) == ("cancel", 1, 1, 0)
    assert told["request"] == {"command": "cancel", "ids": [delivery_id], "how": {}}
    assert "@" in told["actor"] and told["finished_at"] is not None
    _, act_id, who, *rest = run("operations").stdout.splitlines()[1].split()
    assert (act_id, who) == (told["id"], told["actor"])
    assert rest == ["done", "1", "cancel", delivery_id]
    first, item = lines(run("operations", "show", told["id"][:-1], "--json"))
    assert first == told
    assert " ".join(item) == "number id outcome problem was became made at"
    assert (item["id"], item["outcome"], item["was"], item["became"]) == (
        delivery_id,
        "done",
        "queued",
        "cancelled",
    )


def test_an_act_says_what_was_asked_and_what_became_of_its_items(
    store: Database, routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_ACTOR", "nightly job")
    fill(store, 30)
    with store.engine.begin() as connection:
        connection.execute(update(schema.event).values(type="issues"))
        connection.execute(update(schema.event).where(schema.event.c.seq <= 3).values(type="push"))
    routes.write_text(
        f"{ROUTES}  - {{name: strict, on: github push, strict: true, inputs: {{n:"
        ' "${body.gone}"}, flow: local/echo}\n'
    )
    result = run(
        "replay",
        "--since",
        "2025-11-24",
        "--source",
        "github",
        "--body",
        '"n":1',
        "--rate",
        "1000/s",
        "--yes",
    )
    assert result.exit_code == 1 and "27 replayed, 3 not" in result.stderr
    one = only_act(store)
    assert (one.actor, one.count, one.done, one.refused) == ("nightly job", 30, 27, 3)
    typed = (
        "replay --since 2025-11-24T00:00:00.000000Z --source github --body '\"n\":1' --rate 1000/s"
    )
    text = run("operations", "show", one.id, "--limit", "4")
    assert f"command       {typed}" in text.stdout and "items         30, 3 refused" in text.stdout
    assert "refused  " in text.stdout
    assert "the first 4 of 30; --limit 0 shows all" in text.stderr
    assert run("operations", "show", one.id, "--only", "refused").stdout.count("  refused  ") == 3
    assert lines(run("operations", "show", one.id, "--only", "open", "--json"))[1:] == []
    assert operations.format_command(one) == typed


def test_no_acts_is_no_error(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    empty = run("operations")
    assert (empty.exit_code, empty.stdout) == (
        0,
        "",
    ) and "no event or delivery was changed by a command" in empty.stderr
    assert lines(run("operations", "--json")) == []
    assert (
        run("operations", "show", "act_1").exit_code
        == run("operations", "resume", "act_1").exit_code
        == 1
    )


def test_an_act_that_never_began_is_told_from_one_that_stopped(store: Database) -> None:
    fill(store, 3)
    never = log.begin(
        store,
        "act_never",
        command="cancel",
        actor="a",
        request={"how": {"to": "cancelled"}},
        ids=["dlv_1"],
        now=NOW,
    )
    log.begin(
        store,
        "act_stopped",
        command="cancel",
        actor="a",
        request={"how": {"to": "cancelled"}},
        ids=["dlv_1"],
        now=NOW,
    )
    with store.engine.begin() as connection:
        connection.execute(
            update(schema.act).where(schema.act.c.seq == never.seq).values(chosen=None)
        )
    listed = run("operations", "--unfinished").stdout
    assert "0 of 1, unfinished" in listed and "never began" in listed
    refused = run("operations", "resume", "act_never", "--yes")
    assert refused.exit_code == 1 and "nothing was done; run the command again" in refused.stderr
    assert run("operations", "resume", "act_stopped").exit_code == 2  # nobody can be asked here


def test_a_dry_run_and_a_refusal_keep_no_act(store: Database, routes: Path) -> None:
    fill(store, 3)
    for command in (["replay", "--dry-run"], ["cancel", "--dry-run"], ["cancel"]):
        run(*command, "--source", "github")
    assert list(operation_records.list_operations(store)) == []


# -- which routes


def test_events_are_replayed_through_the_routes_they_were_planned_with(
    store: Database, routes: Path
) -> None:
    environ = {"NOT_SET": "a-secret-that-is-long-enough-for-all"}
    then = load(routes, environ)
    configs.remember_config(store, then.hash, then.canonical, NOW)
    routes.write_text(ROUTES.replace("triage", "renamed"))
    (event_id,) = fill(store, 1)
    with store.engine.begin() as connection:
        connection.execute(update(schema.event).values(config_hash=then.hash))
    (now,) = lines(run("replay", event_id, "--yes", "--json"))
    (old,) = lines(run("replay", event_id, "--with-routes", "then", "--yes", "--json"))
    assert [one["route"] for one in now["deliveries"]] == ["renamed"]
    assert [one["route"] for one in old["deliveries"]] == ["triage"]
    found = {
        one.route: one.config_hash for one in events.deliveries_of(store, [event_id])[event_id][1:]
    }
    assert found["triage"] == then.hash != found["renamed"] == load(routes, environ).hash
    assert next(iter(operation_records.list_operations(store))).options["routes"] == "then"


@pytest.mark.parametrize(
    ("canonical", "says"),
    [
        (None, "was deleted"),
        ('{"config":{"version":1,"rutes":[]},"schemas":{}}', "cannot be used any more: rutes: "),
    ],
)
def test_a_configuration_of_then_that_cannot_be_had_is_said(
    store: Database, folder: Path, canonical: str | None, says: str
) -> None:
    (event_id,) = fill(store, 1)
    if canonical is not None:
        configs.remember_config(store, "0" * 64, canonical, NOW)
    result = run("replay", event_id, "--with-routes", "then", "--yes")
    assert result.exit_code == 1
    assert (
        "the configuration that it was planned with (000000000000) " in result.stdout
        and says in result.stdout
    )
    assert planned(store).total() == 0


def test_how_many_flows_a_replay_would_start_again_is_said_first(
    store: Database, routes: Path
) -> None:
    fill(store, 2)
    fill(store, 1, status=Status.DEAD, dead_kind=DeadKind.OURS, reason="the payload does not fit")
    result = run("replay", "--source", "github", "--dry-run")
    assert result.stdout == "3 events to replay\n"
    assert "2 of these events were already delivered, or are about to be" in result.stderr
    assert run("replay", "--dead-kind", "ours", "--dry-run").stderr == ""


def test_a_retry_by_filter_says_what_has_to_be_replayed_instead(store: Database) -> None:
    fill(store, 2, status=Status.DEAD, dead_kind=DeadKind.OURS, reason="the payload does not fit")
    fill(store, 1, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="HTTP 401")
    result = run("retry", "--status", "dead", "--yes")
    assert (
        result.exit_code == 0
        and "2 deliveries are left out: routing rejected it: fix routes.yaml, then" in result.stderr
    )
    assert only_act(store).done == 1
    nothing = run("retry", "--dead-kind", "ours", "--yes")
    assert (
        "flowbridge replay --dead-kind config" in nothing.stderr
        and "No matching deliveries to retry." in nothing.stderr
    )


# -- how fast


def paced(
    store: Database, monkeypatch: pytest.MonkeyPatch, rate: str | None, count: int
) -> tuple[list[int], float]:
    """Run an act against a clock that only sleeping moves; return how many went in each commit, and
    how long it took.
    """
    clock = [1000.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(
        pacing.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    )
    one = log.begin(
        store,
        "act_1",
        command="cancel",
        actor="a",
        request={"how": {"to": "cancelled"}},
        ids=["dlv_none"] * count,
        now=NOW,
    )
    from bridge.services.operations.handlers import make_move_handler

    sizes = [len(results) for results in do_items(store, one, make_move_handler(store, one), rate)]
    return sizes, clock[0] - 1000.0


@pytest.mark.parametrize(
    ("rate", "count", "seconds"),
    [("50/s", 200, 4.0), ("10/s", 30, 3.0), ("60/min", 5, 4.0), ("1000/s", 300, 0.3)],
)
def test_a_rate_is_kept_and_not_undercut_by_much(
    store: Database, monkeypatch: pytest.MonkeyPatch, rate: str, count: int, seconds: float
) -> None:
    sizes, took = paced(store, monkeypatch, rate, count)
    assert sum(sizes) == count
    assert seconds * 0.9 - 0.2 <= took <= seconds * 1.05 + 0.2
    assert len(sizes) <= max(10 * seconds + 1, count / 50 + 1)  # not a commit for each


def test_what_a_slow_commit_has_cost_is_made_up_for_but_not_a_long_sleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: clock[0])
    pacer = pacing.Pacer("100/s")
    taken = []
    for now in (0.0, 0.5, 3600.0):
        clock[0] = now
        taken.append(pacer.wait(1000))
        pacer.count_done(taken[-1])
    assert taken == [1, 50, 101]


def test_without_a_rate_nothing_waits(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paced(store, monkeypatch, None, 120) == ([50, 50, 20], 0.0)


@pytest.mark.parametrize("rate", ["5", "0/s", "fast", "5/year"])
def test_a_rate_that_is_none_is_wrong_usage(folder: Path, rate: str) -> None:
    result = run("cancel", "--since", "1h", "--rate", rate)
    assert (
        result.exit_code == 2
        and "is not a rate; allowed: a number above 0 and a period" in result.stderr
    )


def test_the_earlier_names_of_commands_work(folder: Path) -> None:
    assert run("acts", "--help").stdout == run("operations", "--help").stdout.replace(
        "operations [", "acts [", 1
    )
    assert run("receipt", "--help").exit_code == 0
    assert not {"acts", "receipt"} & set(run("--help").stdout.split())


def test_where_selects_by_a_value_in_the_body(store: Database, routes: Path) -> None:
    opened, closed = (
        make_event(body=b'{"action": "%s", "issue": {"number": %d}}' % (action, number))
        for action, number in ((b"opened", 7), (b"closed", 8))
    )
    for event in (opened, closed):
        dead = make_delivery(event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="no")
        events.add(store, event, (dead,), lambda *_: [])
    found = lines(run("events", "--where", "body.action=opened", "--json"))
    assert [one["id"] for one in found] == [opened.id]
    two = ("--where", "body.issue.number>7", "--where", "body.action=closed")
    found = lines(run("deliveries", *two, "--json"))
    assert [one["event_id"] for one in found] == [closed.id]
    assert "No matching events" in run("events", "--where", "body.action=renamed").stderr
    retried = lines(run("retry", "--where", "body.action=opened", "--yes", "--json"))
    assert [one["deliveries"][0]["event_id"] for one in retried] == [opened.id]
    one = only_act(store)
    assert one.request["filters"] == {"where": ["body.action=opened"]}
    assert operations.format_command(one) == "retry --where body.action=opened"
    wrong = run("events", "--where", "bodi.action=opened")
    assert wrong.exit_code == 2
    assert "did you mean `body`?" in wrong.stderr
