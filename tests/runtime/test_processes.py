"""The process tree of `serve`: restarts, a complete stop, and no loss of acknowledged events."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from serving import (
    ROUTES,
    SHORT,
    Bridge,
    children_of,
    exchange,
    free_port,
    github,
    head,
    is_alive,
    read_answer,
    tree_of,
    until,
)

from bridge.system.cpu_affinity import count_processors

pytestmark = pytest.mark.usefixtures("new_processes")


@pytest.fixture
def bridge(tmp_path: Path, new_processes: None) -> Iterator[Bridge]:
    """A `serve` whose dead workers are noticed within seconds."""
    with Bridge(tmp_path, timings=SHORT) as bridge:
        yield bridge


def web_and_work(bridge: Bridge) -> tuple[int, int]:
    """The gunicorn parent and the worker: the worker is the one whose beats are in the store."""

    def found() -> tuple[int, int] | None:
        pids = children_of(bridge.pid)
        with bridge.database.read() as connection:
            workers = [
                row[0]
                for row in connection.exec_driver_sql(
                    "SELECT pid FROM worker ORDER BY started_at DESC"
                )
            ]
        worker = next((one for one in workers if one in pids), None)
        parent = next((one for one in pids if one != worker and children_of(one)), None)
        return (parent, worker) if parent and worker else None

    return until(found, what="receivers and a worker") or (0, 0)


def flows(bridge: Bridge) -> None:
    """An event comes in and its run ends."""

    def post() -> str | None:
        try:
            answer = bridge.event(b'{"after": 1}')
        except OSError:
            return None
        return answer.json["event_id"] if answer.status == 202 else None

    event_id = until(post, what="a 202")
    bridge.wait_for(event_id, lambda one: one.run_state == "done")


def test_it_gets_ready_and_ends_with_0(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        flows(bridge)
        tree = tree_of(bridge.pid)
        assert len(tree) >= 4
        assert bridge.stop() == 0
        until(lambda: not any(map(is_alive, tree)), what="the end of all")
        assert f"http://127.0.0.1:{bridge.port}" in bridge.stderr
        assert bridge.count("worker") == 0


def test_ctrl_c_ends_it_too(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        tree = tree_of(bridge.pid)
        os.killpg(bridge.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        assert bridge.process is not None
        assert bridge.process.wait(60) == 0
        until(lambda: not any(map(is_alive, tree)), what="the end of all")
        assert "Traceback" not in bridge.stderr


@pytest.mark.parametrize("whom", ["the first", "all"])
def test_a_stop_finishes_the_runs_under_way(tmp_path: Path, whom: str) -> None:
    routes = ROUTES.replace(
        'inputs: {body: "${body}"}, flow: local/echo', "inputs: {seconds: 4.0}, flow: local/sleep"
    )
    patient = {
        "drain_seconds": 60.0,
        "worker_stop_lead_seconds": 60.0,
        "stop_seconds": 90.0,
    }  # flows come last
    with Bridge(tmp_path, routes=routes, timings=patient) as bridge:
        event_id = bridge.event().json["event_id"]
        until(lambda: bridge.count("local_run", "state = 'RUNNING'"), what="a run")
        if whom == "all":
            os.killpg(bridge.pid, signal.SIGINT)  # as a terminal does
        assert bridge.stop() == 0
        assert bridge.count("local_run", "state = 'DONE'") == 1
        bridge.start()
        bridge.wait_for(event_id, lambda one: one.run_state == "done")
        assert bridge.count("local_run") == 1


def test_a_killed_worker_comes_back(bridge: Bridge) -> None:
    flows(bridge)
    _, worker = web_and_work(bridge)
    os.kill(worker, signal.SIGKILL)
    flows(bridge)
    assert web_and_work(bridge)[1] != worker
    assert [line["process"] for line in bridge.log if line["event"] == "process_ended"] == ["work"]


def test_a_killed_receiver_comes_back(bridge: Bridge) -> None:
    parent, _ = web_and_work(bridge)
    before = (
        until(
            lambda: len(found := children_of(parent)) == min(2, count_processors()) and found,
            what="all receivers",
        )
        or []
    )
    os.kill(before[0], signal.SIGKILL)
    flows(bridge)
    until(
        lambda: len(children_of(parent)) == len(before) and before[0] not in children_of(parent),
        what="another receiver",
    )
    assert web_and_work(bridge)[0] == parent


def test_killed_receivers_parent_comes_back_and_leaves_no_orphans(bridge: Bridge) -> None:
    parent, _ = web_and_work(bridge)
    orphans = children_of(parent)
    os.kill(parent, signal.SIGKILL)
    until(lambda: not any(map(is_alive, orphans)), what="the end of the orphans")
    flows(bridge)
    assert web_and_work(bridge)[0] != parent


def test_a_killed_supervisor_takes_everything_with_it(bridge: Bridge) -> None:
    """No process is left that holds the port, or works on beside the next one."""
    web_and_work(bridge)
    tree = tree_of(bridge.pid)
    assert len(tree) >= 4
    os.kill(bridge.pid, signal.SIGKILL)
    until(lambda: not any(map(is_alive, tree)), what="the end of all")
    bridge.start()
    flows(bridge)


def test_a_worker_that_dies_at_once_is_not_started_all_the_time(tmp_path: Path) -> None:
    with Bridge(tmp_path, timings=SHORT) as bridge:
        killed = set()
        for _ in range(3):
            worker = until(
                lambda: (found := web_and_work(bridge)[1]) not in killed and found, what="a worker"
            )
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        until(
            lambda: len([line for line in bridge.log if line["event"] == "process_ended"]) >= 3,
            what="three ends",
        )
        waits = [
            line["restart_in"]
            for line in bridge.log
            if line["event"] == "process_ended" and line["process"] == "work"
        ]
        assert waits == sorted(waits)
        assert waits[-1] > waits[0]


# -- what cannot start


def test_a_port_that_is_taken_is_said_and_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("serve", "web"):
            code, said = Bridge(tmp_path, command, port=port).run()
            assert code == 2
            assert (
                f"cannot listen on 127.0.0.1:{port}: Address already in use. Next: stop the"
                " process that listens there, or choose another address with --bind or" in said
            )
            assert "Traceback" not in said


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"FLOWBRIDGE_BIND": "192.0.2.1:1", "FLOWBRIDGE_PRIVATE_BIND": "127.0.0.1:0"},
            "cannot listen on 192.0.2.1:1",
        ),
        ({"FLOWBRIDGE_BIND": "nonsense"}, "FLOWBRIDGE_BIND"),
        (
            {"FLOWBRIDGE_DATABASE_URL": "mysql://localhost/x", "FLOWBRIDGE_SECRET_KEY": "k" * 32},
            "FLOWBRIDGE_DATABASE_URL",
        ),
        (
            {"FLOWBRIDGE_DATABASE_URL": "not a url:hunter2", "FLOWBRIDGE_SECRET_KEY": "k" * 32},
            "FLOWBRIDGE_DATABASE_URL",
        ),
        ({"FLOWBRIDGE_DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "/proc/nowhere"),
    ],
)
def test_what_cannot_be_used_is_said_and_not_served(
    tmp_path: Path, environ: dict[str, str], said: str
) -> None:
    code, stderr = Bridge(tmp_path, environ=environ).run()
    assert code in (1, 2)
    assert said in stderr
    assert "Traceback" not in stderr
    assert "hunter2" not in stderr


def test_a_routes_yaml_that_is_wrong_is_2_with_every_place(tmp_path: Path) -> None:
    routes = ROUTES.replace("flow: local/echo", "flow: locl/echo").replace(
        "provider: github", "provider: githup"
    )
    for command in ("serve", "web", "work"):
        code, said = Bridge(tmp_path, command, routes=routes).run()
        assert code == 2
        assert f"{tmp_path / 'routes.yaml'}:6:" in said
        assert f"{tmp_path / 'routes.yaml'}:8:" in said
        assert "github" in said


def test_no_routes_yaml_at_all(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)
    bridge.config.unlink()
    code, said = bridge.run()
    assert (code, "Traceback" in said) == (2, False)
    assert "routes.yaml" in said


# -- nothing is lost


def test_acknowledged_events_survive_the_death_of_everything(tmp_path: Path) -> None:
    """Senders post as fast as they can while the whole tree is killed; each event that got its 202
    ends in one run.
    """
    acknowledged: list[str] = []
    stop = threading.Event()
    bridge = Bridge(tmp_path, timings=SHORT)

    def send() -> None:
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as sock:
            while not stop.is_set():
                body = json.dumps({"at": time.time()}).encode()
                try:
                    sock.sendall(
                        head(
                            "POST",
                            "/hooks/github",
                            {"Content-Length": str(len(body)), **github(body)},
                        )
                        + body
                    )
                    answer = read_answer(sock)
                except OSError:
                    return
                if answer.status != 202 or len(answer.body) < int(answer.headers["content-length"]):
                    return
                acknowledged.append(answer.json["event_id"])

    with bridge:
        for _ in range(2):
            threads = [threading.Thread(target=send) for _ in range(4)]
            enough = len(acknowledged) + 100
            for thread in threads:
                thread.start()
            until(lambda enough=enough: len(acknowledged) >= enough, what="a hundred events")
            bridge.kill()
            for thread in threads:
                thread.join()
            bridge.start()
        total = bridge.count()
        assert total >= len(acknowledged) >= 200
        with bridge.database.read() as connection:
            kept = {row[0] for row in connection.exec_driver_sql("SELECT id FROM event")}
        assert set(acknowledged) <= kept
        assert len(set(acknowledged)) == len(acknowledged)
        until(
            lambda: (
                bridge.count("delivery", "run_state = 'done'")
                + bridge.count("delivery", "run_state = 'failed'")
                == total
            ),
            what="every run",
        )
        # A run that the killed worker was executing has failed, since half of it may have happened;
        # none was executed twice.
        failed = bridge.count("delivery", "run_state = 'failed'")
        assert failed <= 2 * 8
        assert bridge.count("local_run", "state = 'FAILED' AND log NOT LIKE '%interrupted%'") == 0
        assert bridge.count("local_run") == total
        assert bridge.count("delivery", "status <> 'delivered'") == 0
        with bridge.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_only_receivers_and_their_parent_keep_the_address(tmp_path: Path) -> None:
    """The process that reads routes.yaml may end a moment after them, and then their successor
    could not listen.
    """
    with Bridge(tmp_path, "web") as bridge:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        [inode] = [
            row[9] for row in rows if row[1].endswith(f":{bridge.port:04X}") and row[3] == "0A"
        ]

        def others() -> list[int]:
            found = []
            for pid in tree_of(bridge.pid):
                with suppress(OSError):  # one that reads the files ends meanwhile
                    files = [*map(os.readlink, Path(f"/proc/{pid}/fd").iterdir())]
                    if f"socket:[{inode}]" not in files:
                        found.append(pid)
            return found

        until(lambda: len(others()) == 2, what="a process that reads, and its own that watches")
        assert len(tree_of(bridge.pid)) > 3


def test_what_watches_the_files_holds_neither_the_store_nor_a_listening_socket(
    bridge: Bridge,
) -> None:
    listening = {
        f"socket:[{fields[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if (fields := line.split())[3] == "0A"
    }

    def watching() -> list[set[str]]:
        found = []
        for pid in set(children_of(bridge.pid)) - set(web_and_work(bridge)):
            with suppress(OSError):  # one that reads the files ends meanwhile
                found.append({*map(os.readlink, Path(f"/proc/{pid}/fd").iterdir())})
        return found

    # one that has just been forked still holds them
    until(
        lambda: [
            files
            for files in watching()
            if not files & listening and not re.search(r"\.db", str(files))
        ],
        what="a process that holds none",
    )


def test_what_was_acknowledged_by_web_alone_is_delivered_by_a_later_worker(tmp_path: Path) -> None:
    with Bridge(tmp_path, "web") as web:
        ids = [
            web.event(json.dumps({"n": number}).encode()).json["event_id"] for number in range(20)
        ]
        web.kill()
        web.arguments = ("serve",)
        web.start()
        for number, event_id in enumerate(ids):
            assert web.wait_for(event_id, lambda one: one.run_state == "done").outputs == {
                "body": {"n": number}
            }
        assert web.count("local_run") == 20
        assert web.count("delivery", "attempts <> 1") == 0


def test_a_worker_of_its_own_works_for_web_and_ends_in_time(tmp_path: Path) -> None:
    with Bridge(tmp_path, "web") as web:
        worker = Bridge(tmp_path, "work", port=web.port)
        try:
            worker.start()
            event_id = web.event(b'{"n": 1}').json["event_id"]
            web.wait_for(event_id, lambda one: one.run_state == "done")
            until(lambda: web.get("/readyz").json == {"ready": True}, what="ready")
            assert worker.stop() == 0
            # a receiver remembers its answer for a second
            until(lambda: web.get("/readyz").json == {"ready": False}, what="not ready")
        finally:
            worker.__exit__()
        assert web.stop() == 0


def test_serve_on_any_free_port(tmp_path: Path) -> None:
    """Port 0: the kernel chooses, the first line says which, and the local platform is reached
    there.
    """
    bridge = Bridge(tmp_path, environ={"FLOWBRIDGE_BIND": "127.0.0.1:0"})
    try:
        bridge.start_without_waiting()
        found = until(
            lambda: re.search(r"http://127\.0\.0\.1:(\d+)\n", bridge.stderr), what="the address"
        )
        bridge.port = int(found[1])
        until(bridge.is_up, what="/readyz")
        flows(bridge)
    finally:
        bridge.__exit__()


def test_readiness_ends_with_the_worker(bridge: Bridge) -> None:
    _, worker = web_and_work(bridge)

    def not_ready_and_yet_receiving() -> bool:
        """Stopped where it holds the store's lock it holds up receivers as well: then once more."""
        os.kill(worker, signal.SIGSTOP)
        try:
            until(
                lambda: (
                    exchange(
                        bridge.port, head("GET", "/readyz", {"Connection": "close"}), timeout=5
                    ).status
                    == 503
                ),
                what="503",
            )
            return bridge.event().status == 202
        except TimeoutError:
            return False
        finally:
            os.kill(worker, signal.SIGCONT)

    until(not_ready_and_yet_receiving, 600, "a worker that stands still by itself")
    until(bridge.is_up, what="readiness")


def test_an_unused_port_is_needed_only_once(tmp_path: Path) -> None:
    """Restarted at once on the same port, though connections of the one before are still known to
    the kernel.
    """
    port = free_port()
    for _ in range(2):
        with Bridge(tmp_path, "web", port=port) as web:
            assert web.event().status == 202
            assert web.stop() == 0


@pytest.mark.parametrize(
    ("command", "edge"), [("serve", "async"), ("web", "async"), ("web", "flask")]
)
def test_told_to_end_while_it_begins_it_ends_at_once(
    command: str, edge: str, tmp_path: Path
) -> None:
    """A receiver that was just forked and has no handler of its own yet is told too; else it would
    be killed at its work later.
    """
    for _ in range(3):
        bridge = Bridge(tmp_path, command, environ={"FLOWBRIDGE_EDGE": edge})
        try:
            bridge.start_without_waiting()
            deep = 2 if command == "serve" else 1
            until(lambda bridge=bridge, deep=deep: _depth(bridge.pid) >= deep, what="a receiver")  # type: ignore[misc]
            bridge.stop()
            assert "SIGKILL" not in bridge.stderr, (
                "each receiver was told, and none was killed after its time to end"
            )
        finally:
            bridge.kill()


def _depth(pid: int) -> int:
    return max((1 + _depth(child) for child in children_of(pid)), default=0)
