"""The units of deploy/systemd: what systemd's own tools say of them, and the bridge at work under
what they forbid.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from confined import allowed_calls, directives
from deploying import needs
from folders import DEPLOY, SUPPORT
from processes import environment
from serving import Bridge

from bridge.cli.command_list import COMMANDS
from bridge.runtime.systemd import SOCKET_NAMES

UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
SOCKETS = [path for path in UNITS if path.suffix == ".socket"]
WORST = 1.5  # the exposure that is allowed, of 10
COMMAND = "/opt/flowbridge/bin/flowbridge"


def by_name(path: Path) -> str:
    return path.name


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("path", SERVICES, ids=by_name)
def test_exposure_is_small(path: Path) -> None:
    needs("systemd-analyze")
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={WORST * 10:.0f}",
        "--no-pager",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert said is not None, done.stderr
    assert (done.returncode, float(said[1]) <= WORST) == (0, True), done.stdout


@pytest.mark.usefixtures("new_processes")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """The command is not installed here, so one that does nothing stands for it."""
    needs("systemd-analyze")
    command = tmp_path / "flowbridge"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    for path in UNITS:
        (tmp_path / path.name).write_text(path.read_text().replace(COMMAND, str(command)))
    units = [str(tmp_path / path.name) for path in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "flowbridge" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.usefixtures("new_processes")
def test_a_unit_that_is_wrong_is_found(tmp_path: Path) -> None:
    needs("systemd-analyze")
    broken = tmp_path / "broken.service"
    broken.write_text(
        SERVICES[0]
        .read_text()
        .replace(COMMAND, "/bin/true")
        .replace("ProtectSystem=strict", "ProtectSystem=perhaps")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(broken)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ProtectSystem" in done.stderr


def test_the_services_are_confined_alike_and_run_commands_that_exist() -> None:
    own = {
        "ExecStart",
        "Description",
        "Requires",
        "After",
        "Conflicts",
        "Sockets",
        "MemoryHigh",
        "MemoryMax",
    }
    read = [directives(path) for path in SERVICES]
    shared = [{name: value for name, value in each.items() if name not in own} for each in read]
    assert all(each == shared[0] for each in shared)
    commands = [each["ExecStart"][0].split() for each in read]
    assert all(program == COMMAND and command in COMMANDS for program, command in commands)
    assert {command for _, command in commands} == {"serve", "web", "work"}


@pytest.mark.parametrize("path", SERVICES, ids=by_name)
def test_the_journal_takes_a_limited_number_of_lines(path: Path) -> None:
    found = directives(path)
    assert (found["LogRateLimitIntervalSec"], found["LogRateLimitBurst"]) == (["30s"], ["30000"])


@pytest.mark.parametrize("path", SERVICES, ids=by_name)
def test_a_unit_needs_only_programs_that_each_debian_has(path: Path) -> None:
    """A minimal Debian has no `/bin/kill`: it belongs to procps."""
    said = directives(path)
    lines = [line for name in said if name.startswith("Exec") for line in said[name]]
    assert len(lines) == 2
    assert {line.split()[0] for line in lines} == {COMMAND, "/bin/sh"}


def test_sockets_have_the_names_that_are_looked_for_and_belong_to_a_service() -> None:
    read = {path.name: directives(path) for path in SOCKETS}
    assert {name for each in read.values() for name in each["FileDescriptorName"]} == set(
        SOCKET_NAMES
    )
    for service in SERVICES:
        wanted = directives(service)["Sockets"]
        for name in wanted[0].split() if wanted else ():
            assert read[name]["Service"] == [service.name]
    private = {
        each["ListenStream"][0]
        for each in read.values()
        if each["FileDescriptorName"] == ["private"]
    }
    told = {
        line.partition("=")[2]
        for path in SERVICES
        for line in directives(path)["Environment"]
        if "PRIVATE_BIND" in line
    }
    assert private == told == {"127.0.0.1:8081"}


# -- at work


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that another user reaches, which those of pytest are not."""
    if os.getuid() != 0:
        pytest.skip("to give power up, one must have it: this test runs as root")
    needs("systemd-analyze")
    with TemporaryDirectory(prefix="flowbridge-state-", dir="/tmp") as folder:
        yield Path(folder)


def confined(unit: Path, state: Path, *command: str) -> list[str]:
    return [
        sys.executable,
        str(SUPPORT / "confined.py"),
        str(unit),
        str(state),
        *command,
    ]


TRIES = """
import ctypes, errno, json, mmap, os, socket
def tries(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    def act():
        if getattr(libc, name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), name)
    return act
def is_of_others(entry):
    try:
        return entry.stat().st_uid != os.getuid()
    except FileNotFoundError:  # it has ended
        return False
print(json.dumps({
    "write": tries(lambda: open("/etc/flowbridge-was-here", "w")),
    "own folder": tries(lambda: open("here", "w")),
    "mount": tries(call("mount", b"x", b"/mnt", b"tmpfs", 0, None)),
    "namespace": tries(call("unshare", 0x10000000)),
    "trace": tries(call("ptrace", 0, 0, 0, 0)),
    "become root": tries(lambda: os.setuid(0)),
    "packets": tries(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "inet": tries(lambda: socket.socket(socket.AF_INET)),
    "write and execute": tries(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "realtime": tries(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
    "idle": tries(lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))),
    "processors": os.path.exists("/proc/cpuinfo"),
    "others": len([entry for entry in os.scandir("/proc") if entry.name.isdecimal() and is_of_others(entry)]),
    "disks": os.path.exists("/dev/vda"),
    "secrets": os.path.exists("/root/.ssh"),
}))
"""


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("unit", SERVICES, ids=by_name)
def test_what_is_forbidden_is_forbidden_here_too(unit: Path, state: Path) -> None:
    done = subprocess.run(
        confined(unit, state, sys.executable, "-c", TRIES),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "write": "EROFS",
        "own folder": "done",
        "mount": "EPERM",
        "namespace": "EPERM",
        "trace": "EPERM",
        "become root": "EPERM",
        "packets": "EAFNOSUPPORT",
        "inet": "done",
        "write and execute": "EACCES",
        "realtime": "EPERM",
        "idle": "done",
        "processors": False,
        "others": 0,
        "disks": False,
        "secrets": False,
    }


@pytest.mark.usefixtures("new_processes")
def test_the_demo_works_under_what_the_unit_forbids(state: Path) -> None:
    command = confined(
        DEPLOY / "systemd" / "flowbridge.service",
        state,
        sys.executable,
        "-m",
        "bridge",
        "demo",
        "--once",
        "--json",
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert (done.returncode, done.stderr) == (0, "Starting flowbridge in a temporary folder…\n")
    states = [
        one["run_state"]
        for event in json.loads(done.stdout)["events"]
        for one in event["deliveries"]
    ]
    assert states == ["done"] * 3


FLOWS = """
import os, resource, subprocess, sys, threading
from pathlib import Path
from bridge.flows import flow, save_file

@flow
def looks(**inputs):
    subprocess.run([sys.executable, "-c", "print('a process of a flow')"], check=True)
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    save_file("note.txt", "kept")
    return {"policy": os.sched_getscheduler(0), "nice": os.nice(0), "oom": int(Path("/proc/self/oom_score_adj").read_text()),
            "most": resource.getrlimit(resource.RLIMIT_NPROC)[1], "uid": os.getuid()}

@flow(memory="64 MB")
def eats(**inputs):
    return {"n": len(bytearray(10**9))}

@flow(time_limit=0.5)
def spins(**inputs):
    while True:
        pass
"""
ROUTES = """
version: 1
platforms: {local: {type: local, flows: flows.py}}
sources: {github: {provider: github, secret: "${env:GITHUB_SECRET}"}}
routes:
  - {name: looks, on: github issues, inputs: {a: "1"}, flow: local/looks}
  - {name: writes, on: github issues, inputs: {file: kept.csv, fields: {a: "1"}}, flow: local/append_csv}
  - {name: eats, on: github issues, inputs: {a: "1"}, flow: local/eats}
  - {name: spins, on: github issues, inputs: {a: "1"}, flow: local/spins}
"""


class Confined(Bridge):
    """A bridge under what the unit forbids."""

    def _command(self) -> list[str]:
        return confined(DEPLOY / "systemd" / "flowbridge.service", self.folder, *super()._command())


@pytest.mark.usefixtures("new_processes")
def test_flows_keep_their_limits_under_what_the_unit_forbids(state: Path) -> None:
    (state / "flows.py").write_text(FLOWS)
    with Confined(state, routes=ROUTES) as bridge:
        event_id = bridge.event(b"{}").json["event_id"]
        ended: dict[str, Any] = {}
        for name in ("looks", "writes", "eats", "spins"):
            one = next(each for each in bridge.found(event_id).deliveries if each.route == name)
            ended[name] = bridge_run(bridge, event_id, one.id)
        assert [ended[name].run_state for name in ("looks", "writes", "eats", "spins")] == [
            "done",
            "done",
            "failed",
            "failed",
        ]
        looked = ended["looks"].outputs
        assert (looked["policy"], looked["oom"], looked["uid"], looked["nice"] >= 10) == (
            os.SCHED_IDLE,
            1000,
            65534,
            True,
        )
        assert looked["most"] <= int(
            directives(DEPLOY / "systemd" / "flowbridge.service")["LimitNPROC"][0]
        )
        assert (state / "data" / "files" / "kept.csv").read_text().splitlines()[1].endswith(",1")
        assert bridge.stop() == 0


def bridge_run(bridge: Bridge, event_id: str, delivery_id: str) -> Any:
    """Wait for the end of a delivery's run."""
    from serving import until

    def look() -> Any:
        one = next(each for each in bridge.found(event_id).deliveries if each.id == delivery_id)
        return one if one.run_state in ("done", "failed") else None

    return until(look, what=f"the run of {delivery_id}")


@pytest.mark.usefixtures("new_processes")
def test_the_filter_knows_what_systemd_knows() -> None:
    """The calls that flows and receivers need are let through, those that need power are not."""
    needs("systemd-analyze")
    allowed = allowed_calls(directives(SERVICES[0])["SystemCallFilter"])
    assert {
        "setrlimit",
        "prlimit64",
        "setpriority",
        "sched_setscheduler",
        "sched_setattr",
        "sched_setaffinity",
        "clone",
        "execve",
    } <= allowed
    assert allowed.isdisjoint(
        {"mount", "ptrace", "setuid", "bpf", "mlock", "init_module", "reboot"}
    )
