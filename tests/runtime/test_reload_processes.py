"""Reload with whole bridges: every process follows a change, and no request fails."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import call_here
from reloading_bridge import OTHER, QUICK, TOKEN, Reloading, routes
from servers import Misbehaving
from serving import Answer, Bridge, children_of, github, is_alive, signature, until

from bridge.core.timings import TIMINGS
from bridge.system.cpu_affinity import count_processors

pytestmark = pytest.mark.usefixtures("new_processes")

BY_HAND = QUICK | {"config_poll_seconds": 3600.0}


@pytest.fixture
def bridge(tmp_path: Path, new_processes: None) -> Iterator[Reloading]:
    with Reloading(tmp_path) as bridge:
        yield bridge


def every_process(bridge: Reloading) -> set[int]:
    """All that have a place on the board, once all are there, and the parent of the receivers."""
    roles = ["reload", *["web"] * min(2, count_processors()), "work"]
    until(
        lambda: sorted(one["role"] for one in bridge.detail["processes"]) == roles,
        what="all processes",
    )
    parents = {pid for pid in children_of(bridge.pid) if children_of(pid)}
    return {*parents, *(one["pid"] for one in bridge.detail["processes"])}


def test_valid_invalid_valid_in_every_process(bridge: Reloading) -> None:
    before = bridge.planned()
    processes = every_process(bridge)
    second = bridge.swap(routes("second"))
    found = bridge.planned()
    assert ([one.route for one in found.deliveries], found.event.config_hash) == (
        ["second"],
        second,
    )
    bridge.write(routes("third").replace("local/echo", "locl/echo"))
    error = until(lambda: bridge.detail["config"]["error"], what="an error")
    assert "locl" in error[0]
    assert bridge.detail["ready"] is True
    assert bridge.planned().event.config_hash == second
    third = bridge.swap(routes("third"))
    found = bridge.planned()
    assert ([one.route for one in found.deliveries], found.event.config_hash) == (["third"], third)
    assert bridge.detail["config"]["error"] == []
    assert (
        bridge.count("config", f"hash IN ('{before.event.config_hash}', '{second}', '{third}')")
        == 3
    )
    assert every_process(bridge) >= processes, "nobody had to begin anew"
    # which is said after it was taken
    until(lambda: len(bridge.said("config_reloaded")) >= 2, what="a line of each")
    assert [line["hash"] for line in bridge.said("config_reloaded")] == [second, third]
    assert len(bridge.said("config_invalid")) == 1
    bridge.wait_for(found.event.id, lambda one: one.run_state == "done")
    assert "Traceback" not in bridge.stderr


def test_detail_is_for_who_has_the_token(bridge: Reloading) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
    ):
        assert bridge.get("/readyz", headers).json == {"ready": True}
    assert set(bridge.detail) == {
        "ready",
        "version",
        "store",
        "workers",
        "config",
        "flows",
        "processes",
        "overdue",
    }


INCOMPLETE = """
version: 1
platforms:
  local: {type: local}
  crm: {type: http, url: "http://127.0.0.1:PORT/in", headers: {Authorization: "Bearer ${env:CRM_TOKEN}"}}
sources:
  github: {provider: github, secret: "${env:HOOK_SECRET}"}
  later: {provider: github, secret: "${env:LATER_SECRET}"}
  both: {provider: github, secrets: ["${env:HOOK_SECRET}", "${env:LATER_SECRET}"]}
routes:
  - {name: first, on: github, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: away, on: github, inputs: {n: "${body.n}"}, flow: crm/in}
  - {name: later, on: later, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: both, on: both, inputs: {n: "${body.n}"}, flow: local/echo}
"""
LATER = "the secret that comes later on"


def test_what_lacks_a_value_waits_for_it_while_all_else_works(tmp_path: Path) -> None:
    def send(source: str, secret: str) -> Answer:
        return bridge.post(
            f"/hooks/{source}",
            b"{}",
            github(b"{}") | {"X-Hub-Signature-256": signature(b"{}", secret)},
        )

    def problems() -> dict[str, str]:
        found = call_here(
            tmp_path, "--config", str(bridge.config), "status", "--json", environ=bridge.environ
        )
        return {
            one["key"]: one["summary"]
            for one in json.loads(found.stdout)["problems"]
            if one["key"].startswith("no_")
        }

    with (
        Misbehaving() as server,
        Reloading(tmp_path, text=INCOMPLETE.replace("PORT", str(server.port))) as bridge,
    ):
        # also what is forged: there is nothing to tell it by
        for secret in (OTHER, LATER, "wrong"):
            refused = send("later", secret)
            assert (refused.status, refused.json["error"], refused.headers["retry-after"]) == (
                503,
                "no_secret",
                "60",
            )
        assert bridge.get("/hooks/later").status == 503
        assert (send("both", OTHER).status, send("both", LATER).status) == (202, 503)
        assert bridge.count("reject") == 0
        planned = bridge.planned()
        done = bridge.wait_for(planned.event.id, lambda one: one.run_state == "done")
        assert done.route == "first"
        (waiting,) = [
            one for one in bridge.found(planned.event.id).deliveries if one.route == "away"
        ]
        shown = call_here(
            tmp_path, "--config", str(bridge.config), "show", waiting.id, environ=bridge.environ
        ).stdout
        assert (
            "the platform 'crm' cannot be called: environment variable CRM_TOKEN is not set; next"
            " step: set it in .env (no restart needed)" in " ".join(shown.split())
        )
        assert set(found := until(problems, what="problems")) == {
            "no_secret:later",
            "no_secret:both",
            "no_credentials:crm",
        }
        assert (
            "LATER_SECRET is not set" in found["no_secret:later"]
            and "CRM_TOKEN is not set" in found["no_credentials:crm"]
        )
        checked = call_here(
            tmp_path, "--config", str(bridge.config), "check", environ=bridge.environ
        )
        assert (
            checked.returncode == 2
            and "LATER_SECRET is not set" in checked.stdout
            and "CRM_TOKEN is not set" in checked.stdout
        )
        assert server.received == []
        (tmp_path / ".env").write_text(
            f"HOOK_SECRET={OTHER}\nLATER_SECRET={LATER}\nCRM_TOKEN=token-of-the-crm\n"
        )
        until(
            lambda: (
                {(send("later", LATER).status, send("later", "wrong").status) for _ in range(8)}
                == {(202, 401)}
            ),
            what="the secret in every process",
        )
        until(lambda: send("both", LATER).status == 202, what="the secret of both")
        until(lambda: server.received, what="the delivery that waited")
        assert server.received[0].headers["authorization"] == "Bearer token-of-the-crm"
        until(lambda: not problems(), what="the end of the problems")
        missing = {"platforms.crm": "environment variable CRM_TOKEN is not set"}
        missing |= dict.fromkeys(
            ("sources.later", "sources.both"), "environment variable LATER_SECRET is not set"
        )
        assert [line["missing"] for line in bridge.said("values_missing")] == [missing], (
            "once, at the start"
        )


def test_a_running_bridge_takes_a_configuration_without_a_secret(tmp_path: Path) -> None:
    """As at a start: that source answers 503, whatever it is sent; the others serve."""
    bridge = Reloading(
        tmp_path, text=INCOMPLETE.replace("PORT", "9"), environ={"FLOWBRIDGE_LOG": "debug"}
    )
    (tmp_path / ".env").write_text(
        f"HOOK_SECRET={OTHER}\nLATER_SECRET={LATER}\nCRM_TOKEN=token-of-the-crm\n"
    )

    def send(source: str, secret: str) -> int:
        return bridge.post(
            f"/hooks/{source}",
            b"{}",
            github(b"{}") | {"X-Hub-Signature-256": signature(b"{}", secret)},
        ).status

    with bridge:
        assert (send("github", OTHER), send("later", LATER), send("both", LATER)) == (202, 202, 202)
        (tmp_path / ".env").write_text(f"HOOK_SECRET={OTHER}\nCRM_TOKEN=token-of-the-crm\n")
        until(
            lambda: len(bridge.said("config_loaded")) > min(2, count_processors()),
            what="it in every receiver and the worker",
        )
        assert {send("later", secret) for secret in (LATER, OTHER, "", "wrong")} == {503}
        kept = bridge.count("event"), bridge.count("reject")
        assert (send("both", LATER), send("both", "")) == (503, 503)
        assert (bridge.count("event"), bridge.count("reject")) == kept, "nothing of it"
        assert (send("github", OTHER), send("both", OTHER)) == (202, 202)
        why = "environment variable LATER_SECRET is not set"
        (warned,) = until(lambda: bridge.said("values_missing"), what="the warning")
        assert (warned["level"], warned["missing"]) == (
            "warning",
            {"sources.later": why, "sources.both": why},
        )
        assert bridge.said("config_invalid") == []
        shown = call_here(
            tmp_path, "--config", str(bridge.config), "status", environ=bridge.environ
        ).stdout
        assert (
            "source later answers 503 because its secret cannot be read" in shown
            and "cannot be used" not in shown
        )


def test_a_source_cannot_start_without_what_says_how_it_is_verified(tmp_path: Path) -> None:
    text = """
version: 1
sources: {crm: {provider: token, secret: "${env:HOOK_SECRET}", verify: {header: "${env:HEADER_NAME}"}}}
routes: []
"""
    code, said = Reloading(tmp_path, text=text).run()
    assert (
        code == 2
        and "sources.crm.verify.header: environment variable HEADER_NAME is not set" in said
    )


def test_without_a_token_nobody_has_it(tmp_path: Path) -> None:
    with Reloading(tmp_path, environ={"FLOWBRIDGE_ADMIN_TOKEN": ""}) as bridge:
        for given in ("", "Bearer", "Bearer ", "Bearer None"):
            assert bridge.get("/readyz", {"Authorization": given}).json == {"ready": True}


def test_a_changed_secret_counts_at_once_and_the_one_before_no_more(bridge: Reloading) -> None:
    new = "a new secret that is long enough"
    assert (bridge.status_of(OTHER), bridge.status_of(new)) == (202, 401)
    (bridge.folder / ".env").write_text(f"HOOK_SECRET={new}\n")
    until(lambda: {bridge.status_of(new) for _ in range(8)} == {202}, what="the new secret")
    until(
        lambda: {bridge.status_of(OTHER) for _ in range(8)} == {401},
        what="the end of the one before",
    )
    assert new not in bridge.stderr


def test_a_removed_schema_keeps_what_was(tmp_path: Path) -> None:
    text = routes("first").replace("inputs:", "payload_schema: issue.json, inputs:")
    (tmp_path / "issue.json").write_text('{"type": "object"}')
    with Reloading(tmp_path, text=text) as bridge:
        (tmp_path / "issue.json").unlink()
        error = until(lambda: bridge.detail["config"]["error"], what="an error")
        assert "issue.json" in error[0]
        (tmp_path / "issue.json").write_text('{"type": "object"}')
        until(lambda: not bridge.detail["config"]["error"], what="the end of the error")
        planned = bridge.planned()
        assert planned.deliveries[0].status != "dead"
        before = planned.event.config_hash
        (tmp_path / "issue.json").write_text('{"type": "array"}')
        bridge.taken(before)
        assert bridge.planned().deliveries[0].status == "dead", "by the schema that came back"


def wait_for_turn(bridge: Reloading) -> None:
    """Wait until the worker has begun and ended a turn: each heartbeat is one."""

    def heartbeat() -> float:
        with bridge.database.read() as connection:
            return connection.exec_driver_sql("SELECT max(seen_at) FROM worker").scalar() or 0.0

    for _ in range(2):
        before = heartbeat()
        until(lambda before=before: heartbeat() > before, what="a heartbeat")  # type: ignore[misc]


def test_what_waits_goes_on_by_what_the_worker_has_now(bridge: Reloading) -> None:
    """Paused, live, and gone: a paused route holds its deliveries, and so does one whose platform
    is gone; those of a removed route go.
    """
    paused = routes("first").replace("flow: local", "mode: paused, flow: local")
    bridge.swap(paused)
    first = bridge.planned().event.id
    second = bridge.planned().event.id
    wait_for_turn(bridge)
    assert bridge.found(first).deliveries[0].status == "queued"
    bridge.swap(routes("other"))
    for each in (first, second):
        bridge.wait_for(each, lambda one: one.run_state == "done")
    bridge.swap(paused)
    third = bridge.planned().event.id
    bridge.swap(
        routes().replace(
            "  local: {type: local}", "  hook: {type: http, url: 'http://127.0.0.1:9/'}"
        )
    )
    wait_for_turn(bridge)
    assert bridge.found(third).deliveries[0].status == "queued"
    bridge.swap(routes("first"))
    bridge.wait_for(third, lambda one: one.run_state == "done")
    assert "Traceback" not in bridge.stderr


def test_the_local_platform_comes_with_a_reload_and_its_flows_with_it(tmp_path: Path) -> None:
    none = routes().replace(
        "  local: {type: local}", "  hook: {type: http, url: 'http://127.0.0.1:9/'}"
    )
    (tmp_path / "one.py").write_text(
        "from bridge.flows import flow\n@flow\ndef mine(): return {'from': 'one'}\n"
    )
    (tmp_path / "two.py").write_text(
        "from bridge.flows import flow\n@flow\ndef mine(): return {'from': 'two'}\n"
    )
    with Reloading(tmp_path, text=none) as bridge:
        assert bridge.get("/api/v1/openapi.json").status == 404
        (worker,) = until(
            lambda: [one["pid"] for one in bridge.detail["processes"] if one["role"] == "work"],
            what="a worker",
        )
        for name in ("one", "two"):
            text = (
                routes("first")
                .replace("local/echo", "local/mine")
                .replace('inputs: {by: first, body: "${body}"}', "inputs: {}")
            )
            bridge.swap(text.replace("{type: local}", f"{{type: local, flows: {name}.py}}"))

            def is_from(name: str = name) -> bool:
                event = bridge.planned().event.id
                return bridge.wait_for(
                    event, lambda one: one.run_state in ("done", "failed")
                ).outputs == {"from": name}

            until(is_from, what=f"a run of {name}.py")
        assert bridge.get("/api/v1/openapi.json").status == 200
        assert [one["pid"] for one in bridge.detail["processes"] if one["role"] == "work"] == [
            worker
        ]


# -- signals, and processes that die


@pytest.mark.parametrize("whom", ["the first", "all"])
def test_sighup_has_the_files_read(tmp_path: Path, whom: str) -> None:
    with Reloading(tmp_path, timings=BY_HAND) as bridge:
        processes = every_process(bridge)
        before = bridge.detail["config"]["hash"]
        bridge.write(routes("second"))
        if whom == "all":
            os.killpg(bridge.pid, signal.SIGHUP)
        else:
            os.kill(bridge.pid, signal.SIGHUP)
        bridge.taken(before)
        assert [one.route for one in bridge.planned().deliveries] == ["second"]
        os.kill(bridge.pid, signal.SIGHUP)
        until(lambda: bridge.said("config_unchanged"), what="a word that nothing has changed")
        assert every_process(bridge) >= processes
        assert bridge.stop() == 0


def test_who_is_started_again_has_what_is_newest(bridge: Reloading) -> None:
    every_process(bridge)
    second = bridge.swap(routes("second"))
    for role in ("web", "work"):
        died = {one["pid"] for one in bridge.detail["processes"] if one["role"] == role}
        for pid in died:
            os.kill(pid, signal.SIGKILL)

        def again(role: str = role, died: set[int] = died) -> bool:
            try:
                alive = [one for one in bridge.detail["processes"] if one["role"] == role]
            except (OSError, ValueError):  # one that dies takes what it was asked along
                return False
            are_new = len(alive) == len(died) and not {one["pid"] for one in alive} & died
            return are_new and {one["config_hash"] for one in alive} == {second}

        until(again, what=f"another {role}")
    assert [one.route for one in bridge.planned().deliveries] == ["second"]
    parent = next(pid for pid in children_of(bridge.pid) if len(children_of(pid)) > 1)
    receivers = children_of(parent)
    os.kill(parent, signal.SIGKILL)
    until(
        lambda: not any(map(is_alive, receivers)) and bridge.is_up("/healthz"),
        what="other receivers",
    )
    assert [one.route for one in bridge.planned().deliveries] == ["second"]


def test_what_changes_while_the_first_process_is_stopped_is_taken_when_it_goes_on(
    bridge: Reloading,
) -> None:
    before = bridge.detail["config"]["hash"]
    os.kill(bridge.pid, signal.SIGSTOP)
    bridge.write(routes("second"))
    assert [one.route for one in bridge.planned().deliveries] == ["first"], "the others go on"
    os.kill(bridge.pid, signal.SIGCONT)
    bridge.taken(before)
    assert [one.route for one in bridge.planned().deliveries] == ["second"]


# -- alone, and on several machines


def test_web_and_work_alone_follow_too(tmp_path: Path) -> None:
    with Reloading(tmp_path, "web", timings=BY_HAND) as web:
        work = Reloading(tmp_path, "work", timings=BY_HAND, port=web.port)
        try:
            work.start()
            until(lambda: web.is_up("/readyz"), what="the worker")
            before = web.detail["config"]["hash"]
            web.write(routes("second"))
            for one in (web, work):
                os.kill(one.pid, signal.SIGHUP)
            web.taken(before, ("reload", "web"))
            found = web.planned()
            assert [one.route for one in found.deliveries] == ["second"]
            web.wait_for(found.event.id, lambda one: one.run_state == "done")
            # they share a file
            until(lambda: len(web.said("config_reloaded")) == 2, what="a line of each")
            assert work.stop() == 0
        finally:
            work.__exit__()
        assert web.stop() == 0


def test_two_machines_on_postgresql_each_take_their_own_file(
    tmp_path: Path, postgres_database: str
) -> None:
    environ = {"FLOWBRIDGE_DATABASE_URL": postgres_database, "FLOWBRIDGE_SECRET_KEY": "k" * 32}
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    nodes = [Reloading(folder, environ=environ) for folder in folders]
    try:
        for node in nodes:
            node.start()
        before = {node.detail["config"]["hash"] for node in nodes}
        for node in nodes:  # at the same moment: both keep the same configuration
            node.write(routes("second"))
        hashes = {node.taken(next(iter(before))) for node in nodes}
        assert len(before) == len(hashes) == 1
        for node in nodes:
            found = node.planned()
            assert [one.route for one in found.deliveries] == ["second"]
            node.wait_for(found.event.id, lambda one: one.run_state == "done")
        third = nodes[0].swap(routes("third"))
        assert {nodes[0].planned().event.config_hash, nodes[1].planned().event.config_hash} == {
            third,
            *hashes,
        }
        assert nodes[0].count("config") == 3
        assert not any("Traceback" in node.stderr for node in nodes)
    finally:
        for node in nodes:
            node.__exit__()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_terminal_that_hangs_up_ends_it(tmp_path: Path) -> None:
    """As a command in the foreground of a terminal it has no business to stay behind."""
    with Reloading(tmp_path) as bridge:
        assert bridge.stop() == 0
    primary, secondary = os.openpty()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(secondary, termios.TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(secondary, number)
        os.close(primary)
        os.chdir(tmp_path)
        os.execvpe(bridge._command()[0], bridge._command(), bridge.environ)  # noqa: S606
    os.close(secondary)
    try:
        until(lambda: _answers(bridge), what="readiness")
        os.close(primary)
        until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, what="its end")
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _answers(bridge: Bridge) -> bool:
    try:
        return bridge.get("/readyz").status == 200
    except OSError:
        return False


def test_the_times_of_the_product() -> None:
    """What the pages say: taken within two seconds."""
    assert (TIMINGS.config_poll_seconds, TIMINGS.config_quiet_seconds) == (1.0, 0.5)
