"""The systemd protocol: named sockets, readiness, and watchdog pings that stop with the service."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from deploying import Activated, NotifySocket, main_of
from servers import Misbehaving, drop, respond, slow_headers
from serving import (
    SECRET,
    SHORT,
    Bridge,
    children_of,
    exchange,
    free_port,
    github,
    head,
    limit_file_size,
    read_answer,
    until,
)

from bridge.core.errors import SettingsError
from bridge.core.timings import Timings
from bridge.runtime import systemd
from bridge.runtime import watchdog as watchdog_module
from bridge.runtime.systemd import ServiceNotifier, take_notifier, take_sockets
from bridge.runtime.watchdog import START_LIMIT_SECONDS, Watchdog

QUICK = {"worker_stuck_seconds": 1.5, "probe_answer_seconds": 0.7, "probe_interval_seconds": 0.2}

# -- sockets


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, str]]]:
    """Hand sockets over as systemd does, at numbers of their own, and return the environment."""
    first = 700
    placed = []
    monkeypatch.setattr(systemd, "FIRST_FD", first)

    def hand(names: str, *sockets: socket.socket, **more: str) -> dict[str, str]:
        for number, sock in enumerate(sockets, first):
            placed.append(os.dup2(sock.fileno(), number))
        given = {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": names,
            "PATH": "/bin",
        }
        return {name: value for name, value in {**given, **more}.items() if value}

    yield hand
    for number in placed:
        try:
            os.close(number)
        except OSError:
            continue  # the socket that was made of it is closed already


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield made
    for one in made:
        one.close()


@pytest.mark.parametrize("order", ["public:private", "private:public"])
def test_sockets_are_told_apart_by_name(
    order: str, handed: Callable[..., dict[str, str]], listening: list[socket.socket]
) -> None:
    environ = handed(order, *listening[:2])
    ports = {
        name: sock.getsockname()[1] for name, sock in zip(order.split(":"), listening, strict=False)
    }
    given = take_sockets(environ)
    assert [sock.getsockname()[1] for sock in given] == [ports["public"], ports["private"]]
    assert not any(sock.get_inheritable() for sock in given)
    assert environ == {"PATH": "/bin"}  # nobody who is started believes them its own
    for sock in given:
        sock.close()


def test_sockets_of_another_process_are_not_ours(
    handed: Callable[..., dict[str, str]], listening: list[socket.socket]
) -> None:
    environ = handed("public", listening[0], LISTEN_PID=str(os.getppid()))
    assert take_sockets(environ) == [] and environ == {"PATH": "/bin"}
    assert take_sockets({"PATH": "/bin"}) == []


@pytest.mark.parametrize(
    ("names", "count", "more"),
    [
        ("", 1, {}),
        ("flowbridge.socket", 1, {}),
        ("private", 1, {}),
        ("public:public", 2, {}),
        ("public:private:admin", 3, {}),
        ("public", 2, {}),
        ("public:private", 1, {}),
        ("public", 1, {"LISTEN_FDS": "-1"}),
        ("public", 1, {"LISTEN_FDS": "many"}),
        ("public", 1, {"LISTEN_PID": "x"}),
        ("public", 1, {"LISTEN_PID": "9" * 30}),
    ],
)
def test_sockets_with_other_names_or_numbers_are_refused(
    names: str,
    count: int,
    more: dict[str, str],
    handed: Callable[..., dict[str, str]],
    listening: list[socket.socket],
) -> None:
    with pytest.raises(SettingsError, match=r"public|number"):
        take_sockets(handed(names, *listening[:count], **more))


def test_what_does_not_listen_for_tcp_is_refused(
    handed: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    with (
        socket.socket() as deaf,
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(tmp_path / "socket"))
        local.listen()
        for sock in (deaf, datagrams, local):
            with pytest.raises(SettingsError, match=r"does not listen for TCP|is unusable"):
                take_sockets(handed("public", sock))


def test_a_number_that_is_no_socket_is_refused(handed: Callable[..., dict[str, str]]) -> None:
    environ = handed("public:private") | {"LISTEN_FDS": "2"}
    with pytest.raises(SettingsError, match="public from systemd is unusable"):
        take_sockets(environ)


# -- telling


@pytest.mark.parametrize("abstract", [True, False])
def test_lines_reach_the_socket(abstract: bool, tmp_path: Path) -> None:
    address = f"@flowbridge-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    environ = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    with NotifySocket(address) as heard:
        notify = take_notifier(environ)
        assert notify and notify.watchdog == 3.0 and environ == {"PATH": "/bin"}
        notify.send("READY=1", "STATUS=läuft")
        assert heard.wait_for("READY=1") == "READY=1"
        assert [line for _, line in heard.heard] == ["READY=1", "STATUS=läuft"]


def test_nobody_who_listens_is_no_error(tmp_path: Path) -> None:
    notify = take_notifier({})
    assert not notify and notify.watchdog == 0.0
    notify.send("READY=1")
    ServiceNotifier(str(tmp_path / "gone")).send("READY=1")


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    assert (
        take_notifier(
            {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
        ).watchdog
        == 0.0
    )


def test_an_address_of_another_kind_is_refused() -> None:
    for environ in (
        {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"},
    ):
        with pytest.raises(SettingsError):
            take_notifier(environ)


# -- watching


@dataclass
class Told:
    """What a watch says, and it says it only if somebody listens."""

    watchdog: float = 0.4
    lines: list[str] = field(default_factory=list)
    succeeds: bool = False

    def __bool__(self) -> bool:
        return True

    def send(self, *lines: str) -> None:
        self.lines += lines


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A clock that goes on with each look and stands still while this machine does; gives what it
    shows.
    """
    clock = [1000.0]
    monkeypatch.setattr(watchdog_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    yield clock


HURRIED = Timings(
    probe_start_seconds=0.01,
    probe_interval_seconds=0.02,
    probe_answer_seconds=0.2,
    worker_stuck_seconds=0.3,
)
STEP = 0.005  # seconds by that clock, and at least as many by any, from one look to the next


def watched(
    seen: Watchdog,
    clock: list[float],
    condition: Callable[[], object] | None = None,
    *,
    seconds: float = 0.0,
    all_alive: bool = True,
) -> None:
    """Look until something holds, or for some time by the clock of the watch."""
    end = clock[0] + seconds
    patience = time.monotonic() + 60.0
    while not condition() if condition else clock[0] < end:
        assert time.monotonic() < patience, "it never came true"
        seen.poll(all_alive=all_alive)
        clock[0] += STEP
        time.sleep(STEP)


def test_ready_is_what_readyz_says_and_later_changes_are_told(quick: list[float]) -> None:
    with Misbehaving() as server:
        server.script("/readyz", drop, respond(503), respond(503), respond(200))
        told = Told()
        seen = Watchdog(told, ("127.0.0.1", server.port), lambda: quick[0], timings=HURRIED)  # type: ignore[arg-type]
        watched(seen, quick, lambda: len(server.received) >= 3)
        assert told.lines == [] or len(server.received) > 3
        watched(seen, quick, lambda: told.lines)
        assert told.lines[:2] == ["READY=1", "STATUS=receiving and delivering"]
        server.script("/readyz", respond(503))
        watched(seen, quick, lambda: "STATUS=not ready: /readyz does not answer 200" in told.lines)
        told.lines.clear()
        watched(seen, quick, lambda: told.lines.count("WATCHDOG=1") > 2)  # it still moves
        server.script("/readyz", respond(200))
        watched(seen, quick, lambda: "STATUS=receiving and delivering" in told.lines)
        seen.notify_stopping()
        assert told.lines[-2] == "STOPPING=1"
        assert "READY=1" not in told.lines
        assert {
            (each.method, each.path, each.headers["connection"]) for each in server.received
        } == {("GET", "/readyz", "close")}


@pytest.mark.parametrize("succeeds", [False, True])
def test_what_moves_has_started_after_a_while_though_it_is_not_ready_unless_another_goes_on(
    succeeds: bool, quick: list[float]
) -> None:
    with Misbehaving() as server:
        server.script("/readyz", respond(503))
        told = Told(succeeds=succeeds)
        seen = Watchdog(told, ("127.0.0.1", server.port), lambda: quick[0], timings=HURRIED)  # type: ignore[arg-type]
        watched(seen, quick, seconds=0.3)
        assert told.lines == []
        quick[0] += START_LIMIT_SECONDS
        watched(seen, quick, seconds=0.3)
        assert told.lines[:2] == (
            [] if succeeds else ["READY=1", "STATUS=not ready: /readyz does not answer 200"]
        )
        server.script("/readyz", respond(200))
        watched(seen, quick, lambda: "STATUS=receiving and delivering" in told.lines)
        assert told.lines.count("READY=1") == 1
        seen.notify_stopping()


@pytest.mark.parametrize(
    "what", ["no answer", "garbage", "a dead process", "a worker that stands still"]
)
def test_signs_of_life_stop_with_life(what: str, quick: list[float]) -> None:
    with Misbehaving() as server:
        server.script("/readyz", respond(200))
        told = Told()
        still = [False]
        at = quick[0]
        seen = Watchdog(
            told, ("127.0.0.1", server.port), lambda: at if still[0] else quick[0], timings=HURRIED
        )  # type: ignore[arg-type]
        watched(seen, quick, lambda: told.lines.count("WATCHDOG=1") > 2)
        if what == "no answer":
            server.script("/readyz", slow_headers(600))
        elif what == "garbage":
            server.script("/readyz", drop)
        still[0] = what == "a worker that stands still"
        alive = what != "a dead process"
        watched(seen, quick, seconds=0.8, all_alive=alive)
        told.lines.clear()
        watched(seen, quick, seconds=0.4, all_alive=alive)
        assert "WATCHDOG=1" not in told.lines
        still[0] = False
        server.script("/readyz", respond(200))
        watched(seen, quick, lambda: "WATCHDOG=1" in told.lines)
        seen.notify_stopping()


def test_where_nobody_listens_nothing_is_asked(quick: list[float]) -> None:
    with Misbehaving() as server:
        watched(
            Watchdog(
                ServiceNotifier(), ("127.0.0.1", server.port), lambda: quick[0], timings=HURRIED
            ),
            quick,
            seconds=0.1,
        )
        assert server.received == []


def test_a_worker_alone_is_ready_when_it_has_come_by(quick: list[float]) -> None:
    told = Told()
    seen_at = [0.0]
    seen = Watchdog(told, worker_seen=lambda: seen_at[0], timings=HURRIED)  # type: ignore[arg-type]
    watched(seen, quick, seconds=0.1)
    assert told.lines == []
    seen_at[0] = quick[0]
    watched(seen, quick, lambda: told.lines)
    assert told.lines[:2] == ["READY=1", "STATUS=delivering"]


# -- with real processes


def telling(heard: NotifySocket) -> dict[str, str]:
    return {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "800000"}


def falls_silent(heard: NotifySocket) -> bool:
    """Whether no sign of life comes for as long as fifteen would take."""
    return "WATCHDOG=1" not in heard.listen(3.0)


@pytest.mark.usefixtures("new_processes")
def test_serve_is_ready_when_it_says_so_and_its_pings_stop_with_the_worker(
    tmp_path: Path, heard: NotifySocket
) -> None:
    bridge = Bridge(tmp_path, environ=telling(heard), timings=QUICK)
    try:
        bridge.start_without_waiting()
        heard.wait_for("READY=1")
        assert bridge.get("/readyz").status == 200
        lines = [line for _, line in heard.heard]
        assert "WATCHDOG=1" not in lines[: lines.index("READY=1")]
        heard.wait_for("WATCHDOG=1")
        pids = children_of(bridge.pid)
        worker = next(pid for pid in pids if pid in _workers(bridge))
        os.kill(worker, signal.SIGSTOP)
        until(lambda: falls_silent(heard), what="silence of who has a worker that stands still")
        os.kill(worker, signal.SIGCONT)
        heard.wait_for("WATCHDOG=1")
        for receiver in children_of(next(pid for pid in pids if pid != worker)):
            os.kill(receiver, signal.SIGSTOP)
        until(lambda: falls_silent(heard), what="silence of who has receivers that stand still")
        for receiver in children_of(next(pid for pid in pids if pid != worker)):
            os.kill(receiver, signal.SIGCONT)
        heard.wait_for("WATCHDOG=1")
        assert bridge.stop() == 0
        heard.wait_for("STOPPING=1")
    finally:
        bridge.__exit__()


def _workers(bridge: Bridge) -> list[int]:
    with bridge.database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT pid FROM worker")]


@pytest.mark.usefixtures("new_processes")
def test_a_store_that_cannot_be_written_is_told_and_is_no_reason_to_be_killed(
    tmp_path: Path, heard: NotifySocket
) -> None:
    with Bridge(
        tmp_path, environ=telling(heard), timings={**SHORT, "probe_interval_seconds": 0.2}
    ) as bridge:
        heard.wait_for("READY=1")
        size = (tmp_path / "data" / "flowbridge.db-wal").stat().st_size
        limit_file_size(bridge, size)  # simulates a full disk
        heard.wait_for("STATUS=not ready")
        assert bridge.event(b'{"text": "%s"}' % (b"x" * 100_000)).status == 503
        heard.wait_for("WATCHDOG=1")
        limit_file_size(bridge, resource.RLIM_INFINITY)
        heard.wait_for("STATUS=receiving and delivering")
        assert bridge.event(b'{"n": 2}').status == 202


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("command", ["web", "work"])
def test_receivers_and_a_worker_by_themselves_tell_too(
    command: str, tmp_path: Path, heard: NotifySocket
) -> None:
    bridge = Bridge(tmp_path, command, environ=telling(heard), timings=QUICK)
    try:
        bridge.start_without_waiting()
        heard.wait_for("READY=1")
        heard.wait_for("WATCHDOG=1")
        assert command == "work" or bridge.get("/healthz").status == 200
        os.kill(children_of(bridge.pid)[0], signal.SIGKILL)  # it is kept alive
        heard.listen(0.3)
        heard.wait_for("WATCHDOG=1")
        assert bridge.stop() == 0
        heard.wait_for("STOPPING=1")
    finally:
        bridge.__exit__()


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("names", ["public private", "private public"])
def test_sockets_of_systemd_are_the_two_faces_by_their_names(names: str, tmp_path: Path) -> None:
    sockets = {name: free_port() for name in names.split()}
    environ = {"FLOWBRIDGE_PRIVATE_BIND": "127.0.0.1:2"}
    with Activated(tmp_path, "serve", sockets=sockets, again=False, environ=environ) as bridge:
        for target, public, private in (
            ("/healthz", 200, 404),
            ("/api/v1/get_pl_run", 404, 401),
            ("/hooks/github", 405, 404),
        ):
            assert (
                bridge.get(target).status,
                bridge.get(target, port=sockets["private"]).status,
            ) == (public, private)
        event_id = bridge.event(b'{"by": "a socket"}').json["event_id"]
        # the worker finds the local platform
        bridge.wait_for(event_id, lambda one: one.run_state == "done")


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("sockets", "environ", "said"),
    [
        ({"flowbridge.socket": 0}, {}, "requires one named public"),
        (
            {"public": 0},
            {"FLOWBRIDGE_PRIVATE_BIND": "127.0.0.1:2"},
            "systemd passed no socket called private",
        ),
    ],
)
def test_sockets_that_do_not_fit_keep_it_from_starting(
    sockets: dict[str, int], environ: dict[str, str], said: str, tmp_path: Path
) -> None:
    bridge = Activated(
        tmp_path, sockets={name: free_port() for name in sockets}, again=False, environ=environ
    )
    try:
        bridge.start_without_waiting()
        until(lambda: _knock(bridge.port), what="somebody who listens")
        assert bridge.process is not None and bridge.process.wait(60) == 2
        assert said in bridge.stderr
    finally:
        bridge.__exit__()


def _knock(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Sender:
    """Posts one event after another, by connections of their own or by one that is kept alive, and
    counts what it is answered.
    """

    bridge: Bridge
    name: str
    keeps: bool
    answered: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with ExitStack() as stack:
            self._send(stack)

    def _send(self, stack: ExitStack) -> None:
        sock: socket.socket | None = None
        while not self.stop.is_set():
            body = b'{"sender": "%s", "n": %d}' % (self.name.encode(), len(self.answered))
            headers = github(
                body,
                Content_Length=str(len(body)),
                Connection="keep-alive" if self.keeps else "close",
            )
            try:
                sock = sock or stack.enter_context(
                    socket.create_connection(("127.0.0.1", self.bridge.port), 60)
                )
                sock.sendall(head("POST", "/hooks/github", headers) + body)
                answer = read_answer(sock)
            except OSError as error:
                self.lost.append(repr(error))
                return
            self.answered.append(answer.status)
            if answer.status != 202:
                self.lost.append(repr(answer))
                return
            if not self.keeps or answer.headers.get("connection", "").lower() == "close":
                sock.close()
                sock = None
            self.stop.wait(0.005)


@pytest.mark.usefixtures("new_processes")
def test_a_restart_refuses_and_loses_nothing(tmp_path: Path) -> None:
    """Three restarts under a stream of events, each as soon as a receiver answers again: every one
    is answered 202 and kept, once.
    """
    # the senders here may be slow; each says something soon, and is told to go then
    patient = {"last_request_seconds": 30.0}
    with Activated(tmp_path, environ={"GITHUB_SECRET": SECRET}, timings=patient) as bridge:
        senders = [
            Sender(bridge, f"{keeps}-{n}", keeps) for keeps in (True, False) for n in range(3)
        ]
        threads = [threading.Thread(target=each.run) for each in senders]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = main_of(bridge)
            os.kill(before, signal.SIGTERM)
            until(lambda before=before: main_of(bridge) not in (0, before), what="another process")  # type: ignore[misc]
            # before it forks it handles the next signal
            until(lambda: any(map(children_of, children_of(main_of(bridge)))), what="receivers")
            count = sum(len(each.answered) for each in senders)
            until(lambda count=count: _go_on(senders, count), what="answers again")  # type: ignore[misc]
        for each in senders:
            each.stop.set()
        for thread in threads:
            thread.join(60)
        assert [each.lost for each in senders if each.lost] == []
        assert bridge.count("event") == sum(len(each.answered) for each in senders)
        assert bridge.stderr.count("ended 0") == 3


def _go_on(senders: list[Sender], count: int) -> bool:
    return sum(len(each.answered) for each in senders) > count or any(each.lost for each in senders)


@pytest.mark.usefixtures("new_processes")
def test_a_connection_that_says_nothing_until_the_end_has_begun_is_answered_and_holds_up_nobody(
    tmp_path: Path,
) -> None:
    body = b'{"late": true}'
    with (
        Activated(tmp_path, timings={"last_request_seconds": 60.0, "stop_seconds": 90.0}) as bridge,
        socket.create_connection(("127.0.0.1", bridge.port), 60) as sock,
    ):
        until(lambda: _accepted(sock), what="a receiver that has accepted")
        before = main_of(bridge)
        os.kill(before, signal.SIGTERM)
        for _ in range(3):  # from the second on it was accepted after the end had begun
            until(lambda: _is_told_to_go(bridge), what="an answer at the end")
        assert main_of(bridge) == before
        sock.sendall(
            head(
                "POST",
                "/hooks/github",
                github(body, Content_Length=str(len(body)), Connection="close"),
            )
            + body
        )
        assert read_answer(sock).status == 202
        assert until(lambda: main_of(bridge) not in (0, before), what="another process")


def _is_told_to_go(bridge: Bridge) -> bool:
    """Whether who would keep a connection is told that it ends: the receivers' end has begun. Each
    answer is 202 in any case.
    """
    headers = github(b"{}", Content_Length="2", Connection="keep-alive")
    answer = exchange(bridge.port, head("POST", "/hooks/github", headers) + b"{}")
    assert answer.status == 202
    return answer.headers.get("connection", "").lower() == "close"


def _accepted(sock: socket.socket) -> bool:
    port = sock.getsockname()[1]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(  # without an inode it is connected, and waits to be accepted
        row[2].endswith(f":{port:04X}") and row[3] == "01" and row[9] != "0" for row in rows
    )


@pytest.mark.usefixtures("new_processes")
def test_flows_see_nothing_of_systemd(tmp_path: Path, heard: NotifySocket) -> None:
    (tmp_path / "flows.py").write_text(
        "import os\nfrom bridge.flows import flow\n\n@flow\ndef looks(**inputs):\n    return"
        " {'names': sorted(n for n in os.environ if n.startswith(('LISTEN', 'NOTIFY',"
        " 'WATCHDOG')))}\n"
    )
    routes = """
version: 1
platforms: {local: {type: local, flows: flows.py}}
sources: {github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes: [{name: all, on: github, inputs: {a: "1"}, flow: local/looks}]
"""
    with Activated(tmp_path, routes=routes, environ=telling(heard)) as bridge:
        event_id = bridge.event(b"{}").json["event_id"]
        assert bridge.wait_for(event_id, lambda one: one.run_state == "done").outputs == {
            "names": []
        }
        assert exchange(bridge.port, head("GET", "/readyz", {"Connection": "close"})).status == 200
