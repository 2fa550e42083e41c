"""Handover to a replacement process: no downtime, and calls under way finish."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from deploy_load import PATIENT, ROUTES, Gated, sending, settle
from deploying import NotifySocket
from folders import DEPLOY
from serving import Bridge, children_of, is_alive, tree_of, until

from bridge.core.errors import SettingsError
from bridge.runtime import systemd
from bridge.worker import cycle

pytestmark = pytest.mark.usefixtures("new_processes")


def bridges(
    folder: Path, fake: Gated, heard: NotifySocket | None, command: str = "serve", **environ: str
) -> Bridge:
    told = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": "4000000"} if heard else {}
    given = {"FLOWBRIDGE_SECRET_KEY": "k" * 32, **told, **environ}
    routes = ROUTES.format(url=fake.base_url).replace("runs: 50", "runs: 500")
    return Bridge(folder, command, routes=routes, environ=given, timings=PATIENT)


def successor_of(bridge: Bridge) -> int:
    """The process that was begun to take over, 0 where there is none."""
    return next((line["pid"] for line in bridge.log if line["event"] == "replacement_started"), 0)


@pytest.mark.parametrize("manager", ["systemd", "nobody"])
def test_serve_gives_way_to_another_while_its_calls_go_on(
    manager: str, tmp_path: Path, heard: NotifySocket
) -> None:
    with (
        Gated(cap=1000, run_seconds=0.05) as fake,
        bridges(tmp_path, fake, heard if manager == "systemd" else None) as bridge,
    ):
        with sending(bridge) as accepted:
            until(lambda: len(fake.accepted) > 5, what="the first starts")
            fake.gate.clear()
            until(lambda: fake.waiting > 2, what="calls under way")
            os.kill(bridge.pid, signal.SIGUSR2)
            pid = until(lambda: successor_of(bridge), what="a successor")
            assert pid not in tree_of(bridge.pid), (
                "systemd would not wait for its end if it were not its own child"
            )
            if manager == "systemd":
                heard.wait_for("MAINPID=")
            until(
                lambda: any(line["event"] == "handover_completed" for line in bridge.log),
                what="the successor to be ready",
            )
            until(lambda: len(children_of(bridge.pid)) == 1, what="the end of all but the worker")
            count = len(accepted)
            until(lambda: len(accepted) > count + 10, what="acknowledgements by the successor")
            until(
                lambda: fake.waiting > cycle.MAX_CALLS,
                what="starts by the successor: one worker has not so many calls under way",
            )
            assert bridge.process is not None and bridge.process.poll() is None, (
                "its calls are under way"
            )
            fake.gate.set()
            assert bridge.process.wait(60) == 0
            count = len(accepted)
            until(
                lambda: len(accepted) > count + 10,
                what="acknowledgements after the end of the first",
            )
        settle(bridge, fake, accepted)
        if manager == "systemd":
            heard.wait_for("WATCHDOG=1")  # of the successor: there is nobody else
            lines = [line for _, line in heard.heard]
            assert [line for line in lines if line.startswith("MAINPID=")] == [f"MAINPID={pid}"]
            assert "STOPPING=1" not in lines, "the service goes on"
        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_alive(pid), what="the end of the successor")


@pytest.mark.parametrize("command", ["web", "work"])
def test_receivers_and_a_worker_by_themselves_give_way_too(
    command: str, tmp_path: Path, heard: NotifySocket
) -> None:
    other = {"web": "work", "work": "web"}[command]
    with Gated(cap=1000, run_seconds=0.05) as fake, bridges(tmp_path, fake, None, other) as beside:
        environ = {"FLOWBRIDGE_BIND": f"127.0.0.1:{beside.port}"}
        bridge = bridges(tmp_path, fake, heard, command, **environ)
        web = bridge if command == "web" else beside
        web.port = beside.port
        try:
            bridge.start_without_waiting()
            heard.wait_for("READY=1")
            with sending(web) as accepted:
                until(lambda: len(fake.accepted) > 5, what="the first starts")
                os.kill(bridge.pid, signal.SIGUSR2)
                told = heard.wait_for("MAINPID=")
                assert bridge.process is not None and bridge.process.wait(60) == 0
                count = len(fake.accepted)
                until(
                    lambda: len(fake.accepted) > count + 5, what="starts after the end of the first"
                )
            settle(web, fake, accepted)
            pid = int(told.removeprefix("MAINPID="))
            os.kill(pid, signal.SIGTERM)
            until(lambda: not is_alive(pid), what="the end of the successor")
        finally:
            bridge.__exit__()


def test_a_successor_that_cannot_start_changes_nothing(tmp_path: Path, heard: NotifySocket) -> None:
    with Gated(cap=1000, run_seconds=0.05) as fake, bridges(tmp_path, fake, heard) as bridge:
        heard.wait_for("READY=1")
        good = bridge.config.read_text()
        for number in (1, 2):
            bridge.config.write_text("version: 1\nplatforms: [\n")
            os.kill(bridge.pid, signal.SIGUSR2)
            until(
                lambda number=number: (
                    sum(one["event"] == "replacement_failed" for one in bridge.log) == number
                ),
                what="the failure",
            )  # type: ignore[misc]
        bridge.config.write_text(good)
        with sending(bridge) as accepted:
            until(lambda: len(accepted) > 3, what="acknowledgements")
        settle(bridge, fake, accepted)
        heard.wait_for("WATCHDOG=1")
        assert not [line for _, line in heard.heard if line.startswith("MAINPID=")]
        os.kill(bridge.pid, signal.SIGUSR2)
        told = heard.wait_for("MAINPID=")
        assert bridge.process is not None and bridge.process.wait(60) == 0
        assert bridge.get("/readyz").status == 200
        assert told.removeprefix("MAINPID=") in {str(each) for each in _pids(bridge)}


def _pids(bridge: Bridge) -> list[int]:
    return [one["pid"] for one in bridge.log if one["event"] == "replacement_started"]


# -- deploy/flowbridge-replace


class Systemd:
    """Stands for systemd as `systemctl show` tells of it: what a service has said of itself
    last.
    """

    def __init__(self, folder: Path, heard: NotifySocket) -> None:
        self._folder = folder
        self._heard = heard
        self._over = threading.Event()
        (folder / "bin").mkdir()
        program = folder / "bin" / "systemctl"
        program.write_text(f'#!/bin/sh\ncat "{folder}/${{2#--property=}}"\n')
        program.chmod(0o755)
        self.tell(MainPID="0", StatusText="")

    def tell(self, **said: str) -> None:
        for name, value in said.items():
            (self._folder / f"{name}.new").write_text(f"{value}\n")
            (self._folder / f"{name}.new").rename(self._folder / name)

    def replace(self, *units: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}"}
        command = [str(DEPLOY / "flowbridge-replace"), *units]
        return subprocess.run(
            command, capture_output=True, text=True, env=environ, timeout=120, check=False
        )

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self._listen)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(60)

    def _listen(self) -> None:
        while not self._over.is_set():
            for line in self._heard.listen(0.05):
                name, _, value = line.partition("=")
                if name in ("MAINPID", "STATUS"):
                    self.tell(**{{"MAINPID": "MainPID", "STATUS": "StatusText"}[name]: value})


def test_the_command_waits_until_another_has_taken_over_and_says_where_none_could(
    tmp_path: Path, heard: NotifySocket
) -> None:
    with Gated(cap=1000, run_seconds=0.05) as fake, bridges(tmp_path, fake, heard) as bridge:
        heard.wait_for("READY=1")
        systemd = Systemd(tmp_path, heard)
        with systemd.listening():
            systemd.tell(MainPID=str(bridge.pid))
            good = bridge.config.read_text()
            for _ in range(2):  # what was said the first time is no answer the second
                bridge.config.write_text("version: 1\nplatforms: [\n")
                failed = systemd.replace("flowbridge.service")
                assert (
                    failed.returncode == 1
                    and "flowbridge.service was not replaced: process" in failed.stderr
                )
                assert "journalctl -u flowbridge.service" in failed.stderr
            bridge.config.write_text(good)
            done = systemd.replace("flowbridge.service")
            pid = _pids(bridge)[-1]
            assert (done.returncode, done.stdout, done.stderr) == (
                0,
                f"flowbridge.service is now process {pid}\n",
                "",
            )
            assert bridge.process is not None and bridge.process.wait(60) == 0
            assert bridge.get("/readyz").status == 200


def test_the_command_says_how_it_is_used_and_what_does_not_run(
    tmp_path: Path, heard: NotifySocket
) -> None:
    systemd = Systemd(tmp_path, heard)
    systemd.tell(MainPID="1")  # which nobody may tell
    for units in ((), ("--help",), ("flowbridge.service", "caddy.service")):
        asked = systemd.replace(*units)
        assert (
            asked.returncode == 2
            and "sudo flowbridge-replace flowbridge.service" in asked.stdout
            and not asked.stderr
        )
    systemd.tell(MainPID="0")
    gone = systemd.replace("flowbridge.service")
    assert (gone.returncode, gone.stderr) == (
        1,
        "flowbridge.service is not running: sudo systemctl start flowbridge.service\n",
    )


# -- what is told


def test_whom_a_successor_tells_is_taken_out_of_the_environment() -> None:
    reads, writes = os.pipe()
    environ = {"TAKES_OVER_FD": str(writes), "NOTIFY_SOCKET": ""}
    notify = systemd.take_notifier(environ)
    assert not environ and notify and not os.get_inheritable(writes)
    notify.send("STATUS=not yet")
    notify.send("READY=1", "STATUS=receiving")
    assert os.read(reads, 10) == b"\n" and os.read(reads, 10) == b"", "it is told once, and closed"
    assert not notify
    os.close(reads)


@pytest.mark.parametrize("given", ["x", "-1", "1e3"])
def test_no_number_is_no_pipe(given: str) -> None:
    environ: dict[str, Any] = {"TAKES_OVER_FD": given}
    with pytest.raises(SettingsError, match="TAKES_OVER_FD is not a number"):
        systemd.take_notifier(environ)


def test_a_pipe_that_nobody_reads_is_no_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    notify = systemd.take_notifier({"TAKES_OVER_FD": str(writes)})
    notify.send("READY=1")
    assert not notify
