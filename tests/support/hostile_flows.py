"""A flows.py full of flows that do what flows should not: what `test_flow_processes` has served."""

# ruff: noqa: T201, S605, PTH115, PTH123, PTH208 - they are what they are
from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress

from bridge.flows import File, WebhookInput, current, flow, log, save_file


@flow
def ends_process(code: int = 3) -> None:
    os._exit(code)


@flow
def leaves() -> None:
    sys.exit("gone")


@flow
def segfault() -> None:
    ctypes.string_at(0)


@flow
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def breaks() -> None:
    print("so far", end="")
    raise KeyError("nope")


@flow
def unspeakable() -> None:
    raise ValueError("\udcff is no character")


@flow
def verbose() -> None:
    raise ValueError("at length: " + "x" * 20_000_000)


@flow
def forges() -> dict:
    """Writes reports of its own into every pipe."""
    for number in map(int, os.listdir("/proc/self/fd")):
        for report in (
            {"file": 1},
            {"file": ["a", "b", "c"]},
            {"file": ["a", "0" * 64, -1]},
            {"file": [1, "0" * 64, 1]},
            {"state": "DONE", "outputs": 1},
            {"state": ["DONE"]},
            {"state": "FAILED", "reason": 1},
            {"state": "FAILED", "traceback": 1},
        ):
            with suppress(OSError):
                if number > 2:
                    os.write(number, json.dumps(report).encode() + b"\n")
    return {"forged": True}


def report(*lines: bytes) -> None:
    """Write reports of its own into every pipe, and end."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if number > 2 and stat.S_ISFIFO(os.fstat(number).st_mode):
                with open(number, "wb") as pipe:
                    pipe.writelines(line + b"\n" for line in lines)
    os._exit(0)


@flow
def reports_much() -> None:
    print("\0" * 2000 * 1000)
    report(b'{"state":"DONE","outputs":{"x":[' + b"1e15," * 3_300_000 + b"0]}}")


@flow
def reports_depth() -> None:
    report(b'{"state":"DONE","outputs":{"x":' + b"[" * 1000 + b"]" * 1000 + b"}}")


@flow
def reports_names() -> None:
    digest = "0" * 64
    wrong = ("", "..", "a/b", "a\0b", "x" * 256)
    names = [json.dumps({"file": [name, digest, 1]}).encode() for name in (*wrong, "right")]
    report(*names, b'{"state":"DONE","outputs":{}}')


@flow
def saves_many() -> None:
    from bridge.store.blobs import BlobStore

    BlobStore.store = lambda *_: "0" * 64  # quick, in this process
    for number in range(1_001):
        save_file(str(number), b"")


@flow(time_limit=0.5)
def endless() -> None:
    while True:
        pass


@flow(time_limit=0.5)
def stops_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@flow(memory="64MB")
def greedy() -> dict:
    return {"size": len(bytearray(10 * 1000**3))}


@flow(memory="64MB")
def leaky() -> None:
    kept = []
    while True:
        kept.append("x" * 10**5 + str(len(kept)))


@flow(memory="64MB")
def careful() -> dict:
    return {"size": len(bytearray(20 * 1000**2))}


@flow
def flood(megabytes: int) -> dict:
    piece = (b"x" * 99 + b"\n") * 10_000
    for _ in range(megabytes):
        sys.stdout.buffer.write(piece)  # all of it, also where the process is stopped in the middle
    print("the end")
    return {"megabytes": megabytes}


@flow
def endless_line(megabytes: int) -> None:
    for _ in range(megabytes):
        os.write(2, b"y" * 1000**2)


@flow
def threads(daemon: bool) -> dict:
    threading.Thread(target=lambda: time.sleep(3600), daemon=daemon).start()
    return {"threads": threading.active_count()}


@flow
def leaves_children() -> dict:
    own = subprocess.Popen(["sleep", "3600"])
    away = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    orphan = subprocess.run(
        ["sh", "-c", "setsid sleep 3600 >/dev/null & echo $!"], stdout=subprocess.PIPE, check=True
    )
    return {"pids": [own.pid, away.pid, int(orphan.stdout)]}


@flow
def looks() -> dict:
    def target(name: str) -> str:
        try:
            return os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            return ""

    files = {name: target(name) for name in os.listdir("/proc/self/fd")}
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "files": files,
        "stdin": sys.stdin.read(),
        "environ": dict(os.environ),
        "passed_on": subprocess.run(["env"], capture_output=True, text=True, check=True).stdout,
        "nice": os.nice(0),
        "processors": len(os.sched_getaffinity(0)),
        "oom": int(open("/proc/self/oom_score_adj").read()),
        "core": list(resource.getrlimit(resource.RLIMIT_CORE)),
        "run_id": current().run_id,
        "signals": [
            str(signal.getsignal(one))
            for one in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
        ],
    }


@flow
def talks() -> None:
    print("printed")
    sys.stderr.write("to stderr\n")
    log("logged", 1)
    logging.getLogger("mine").warning("warned")
    os.system("echo a program; echo its complaint >&2")
    print("not \udcff UTF-8")
    sys.stdout.write("no end")


@flow
def mutters(seconds: float) -> None:
    print("begun", flush=True)
    time.sleep(seconds)


@flow
def limited() -> None:
    time.sleep(60)


@flow
def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("cannot hear", flush=True)
    time.sleep(3600)


@flow
def tidies_up(file: str) -> None:
    def end(*_: object) -> None:
        with open(file, "w") as written:
            written.write("tidied up")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    time.sleep(3600)


def _stamp(file: str, what: str, number: int) -> None:
    with open(file, "a") as written:
        written.write(f"{what} {number} {os.getpid()} {time.time()}\n")


@flow
def stamps(file: str, number: int, seconds: float = 0.02) -> dict:
    _stamp(file, "begins", number)
    time.sleep(seconds)
    _stamp(file, "ends", number)
    return {"number": number}


@flow(idempotent=True)
def stamps_again(file: str, number: int, seconds: float = 0.02) -> dict:
    return stamps(file, number, seconds)


@flow
def storm() -> None:
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.001)


@flow
def measures(documents: File | list[File], more: list[File] | None = None) -> dict:
    listed = documents if isinstance(documents, list) else [documents]
    return {
        "sizes": [one.size for one in listed],
        "is_list": isinstance(documents, list),
        "more": [one.name for one in more or []],
    }


@flow
def copies(document: File, other: File | None = None) -> dict:
    name = save_file(f"copy of {document.name}", document.read_bytes())
    save_file("note.txt", "ü")
    return {
        "name": name,
        "text": document.read_text(),
        "size": document.size,
        "other": None if other is None else other.name,
    }


@flow
def saves_and_dies() -> None:
    save_file("saved.txt", b"in time")
    os._exit(1)


@flow
def whole(payload: WebhookInput) -> dict:
    return {"payload": payload, "type": type(payload).__mro__[1].__name__}
