"""Send signed webhooks to flowbridge while it is replaced, and compare the answers with the store.

    python3 .ci/send_load.py send FILE --env /etc/flowbridge/.env
    python3 .ci/send_load.py check FILE COMMAND [ARGUMENT …]

`send` notes each answer in FILE, one JSON object a line, until SIGTERM. `check` fails unless each
request was answered 202 and COMMAND (`flowbridge`) lists each event once, with its runs done. It
uses no library, so that the bare Python of a system can run it.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import IO, Any

HOST, PORT = "127.0.0.1", 8080
ACCEPTED = 202
REQUEST_SECONDS = 120.0  # a request waits while systemd restarts the service
RUNS_SECONDS = 240.0  # for the last runs to end
EVENTS_PER_RUN = 5  # every fifth event matches the route of a new project


def secret_in(path: Path) -> bytes:
    """Return the secret of the source `github` of a new project."""
    rows = [line.partition("=") for line in path.read_text("utf-8").splitlines()]
    return {name: value for name, _, value in rows}["GITHUB_WEBHOOK_SECRET"].encode()


def make_request(number: int, secret: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a GitHub event that has not been sent before."""
    action = "opened" if number % EVENTS_PER_RUN == 0 else "labeled"
    issue = {"number": number, "title": f"Load {number}", "body": "…", "user": {"login": "load"}}
    body = json.dumps({"action": action, "issue": issue, "filler": "x" * 2000}).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}",
    }
    return body, headers


def send_one(number: int, secret: bytes) -> dict[str, Any]:
    """Send an event on a connection of its own, as the proxy does, and return what came of it."""
    body, headers = make_request(number, secret)
    began = time.monotonic()
    noted: dict[str, Any] = {"number": number, "at": round(time.time(), 3)}
    connection = http.client.HTTPConnection(HOST, PORT, timeout=REQUEST_SECONDS)
    try:
        connection.request("POST", "/hooks/github", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        noted["status"] = answer.status
        noted["event_id"] = json.loads(text).get("event_id") if answer.status < 300 else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        noted |= {"status": 0, "error": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()
    return noted | {"seconds": round(time.monotonic() - began, 3)}


def send_load(path: Path, secret: bytes, senders: int, pause: float) -> None:
    """Send from several threads until SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())

    def send(first: int, file: IO[str]) -> None:
        number = first
        while not ended.is_set():
            file.write(f"{json.dumps(send_one(number, secret))}\n")
            number += senders
            ended.wait(pause)

    with path.open("w", encoding="utf-8", buffering=1) as file:
        threads = [threading.Thread(target=send, args=(first, file)) for first in range(senders)]
        for thread in threads:
            thread.start()
        while not ended.wait(0.2):  # a signal ends no wait without a limit in every Python
            pass
        for thread in threads:
            thread.join()


def read_events(command: list[str]) -> list[Any]:
    """Return each stored event."""
    listed = [*command, "events", "--limit", "0", "--json"]
    done = subprocess.run(listed, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def count_unfinished(events: list[Any]) -> int:
    """Return how many deliveries have no run that is done."""
    return sum(each["run_state"] != "done" for event in events for each in event["deliveries"])


def check_load(path: Path, command: list[str]) -> str:
    """Compare the answers with the store; return a summary, or raise SystemExit."""
    answers = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    refused = [each for each in answers if each["status"] != ACCEPTED]
    if refused or not answers:
        raise SystemExit(f"{len(refused)} of {len(answers)} were not accepted: {refused[:5]}")
    until = time.monotonic() + RUNS_SECONDS
    while count_unfinished(events := read_events(command)) and time.monotonic() < until:
        time.sleep(1.0)
    stored = Counter(event["id"] for event in events)
    missing = [each for each in answers if stored[each["event_id"]] != 1]
    sent = {each["event_id"] for each in answers}
    runs = sum(len(event["deliveries"]) for event in events if event["id"] in sent)
    expected = sum(each["number"] % EVENTS_PER_RUN == 0 for each in answers)
    if missing or len(sent) != len(answers):
        raise SystemExit(f"{len(missing)} of {len(answers)} are not stored once: {missing[:5]}")
    unfinished = count_unfinished(events)
    if runs != expected or unfinished:
        raise SystemExit(f"{runs} of {expected} deliveries, {unfinished} unfinished")
    slowest = max(each["seconds"] for each in answers)
    return f"{len(answers)} requests, each 202 and stored; {runs} runs done; longest {slowest} s"


def main() -> None:
    """Send, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sending = commands.add_parser("send")
    sending.add_argument("file", type=Path)
    sending.add_argument("--env", type=Path, required=True)
    sending.add_argument("--senders", type=int, default=3)
    sending.add_argument("--pause", type=float, default=0.05, metavar="SECONDS")
    checking = commands.add_parser("check")
    checking.add_argument("file", type=Path)
    checking.add_argument("program", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if given.command == "send":
        send_load(given.file, secret_in(given.env), given.senders, given.pause)
    else:
        print(f"   {check_load(given.file, given.program)}")


if __name__ == "__main__":
    main()
