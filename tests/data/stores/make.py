"""Make the store of a release, with rows that wait, and print it as SQL.

    .venv/bin/python tests/data/stores/make.py RELEASE/.venv/bin/flowbridge sqlite

The second argument is `sqlite` or `postgresql`. The release is installed with its extra `postgres`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "support"))

from postgres_databases import new_postgres_database  # noqa: E402
from postgres_server import postgres_server  # noqa: E402
from released_stores import ADMIN_TOKEN, ENCRYPTION_KEY, FILE, SHOP_TOKEN, settings  # noqa: E402

HOOKS, ADMIN = 18480, 18481
FORM = (
    '--x\r\nContent-Disposition: form-data; name="message"\r\n\r\n{message}\r\n'
    '--x\r\nContent-Disposition: form-data; name="photo"; filename="photo.txt"\r\n'
    "Content-Type: text/plain\r\n\r\n{file}\r\n--x--\r\n"
)


class Platform(BaseHTTPRequestHandler):
    """Answers a start as the last part of its path says."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        kind = self.path.rpartition("/")[2]
        if kind == "slow":
            threading.Event().wait(600)
        if kind != "silent":
            self.send_response({"busy": 425, "refusing": 400}[kind])
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def wait_for(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.2)


def request(port: int, path: str, body: str, **headers: str) -> dict[str, object]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), named)) as answer:
        text = answer.read()
    return json.loads(text) if text.startswith(b"{") else {}


def send(kind: str, number: int, order: str = "A-1") -> None:
    body = json.dumps({"kind": kind, "id": f"{kind}-{number}", "order": order})
    request(HOOKS, "/hooks/shop", body, X_Token=SHOP_TOKEN, content_type="application/json")


def submit(message: str) -> None:
    request(
        HOOKS, "/hooks/contact", FORM.format(message=message, file=FILE.decode()),
        content_type="multipart/form-data; boundary=x", accept="application/json",
    )  # fmt: skip


class Release:
    """The command line of a release, with a store of its own."""

    def __init__(self, program: str, folder: Path, url: str, platform: str) -> None:
        self._program, self._folder = program, folder
        self.environment = {
            "PATH": os.environ["PATH"],
            **settings(folder, url, platform, HOOKS, ADMIN),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with (self._folder / "log").open("a") as log:
            return subprocess.Popen(
                [self._program, *arguments],
                env=self.environment, cwd=self._folder, stdout=log, stderr=log, text=True,
                start_new_session=True,
            )  # fmt: skip

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, *arguments],
            env=self.environment, cwd=self._folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def list(self, *arguments: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]

    @contextmanager
    def serving(self, command: str) -> Iterator[None]:
        """Run it, and kill it at the end, so that what is under way stays so."""
        process = self.start(command)
        wait_for(lambda: answers(HOOKS), "receiver")
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            wait_for(lambda: not answers(HOOKS), "end of the receivers")


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def make(release: Release) -> None:
    """Fill the store: first with a worker, then by receivers alone."""
    kinds = {
        "retried": "queued", "refused": "dead", "unknown": "unknown", "begun": "sending",
        "debounced": "queued", "delayed": "queued", "echo": "delivered",
    }  # fmt: skip
    with release.serving("serve"):
        for kind in kinds:
            send(kind, 1)
        for number in range(2, 6):
            send("refused", number)
        send("ordered", 1)
        send("ordered", 2)
        submit("delivered")

        def is_settled() -> bool:
            rows = release.list("deliveries", "--limit", "0")
            status = {(row["route"], row["status"]) for row in rows}
            return (
                {*kinds.items(), ("ordered", "dead"), ("ordered", "blocked")} <= status
                and sum(row["status"] == "dead" for row in rows) == 6
                and any(row["route"] == "retried" and row["attempts"] for row in rows)
                and any(row["route"] == "messages" and row["run_state"] == "done" for row in rows)
            )

        wait_for(is_settled, "settled deliveries")
        wait_for(lambda: release.list("alerts"), "alert", seconds=300)
    release.run("token", "add", "grafana", "--scope", "operator")
    replay = release.start("replay", "--route", "refused", "--rate", "1/s", "--yes")
    wait_for(lambda: release.list("operations", "--unfinished"), "operation")
    wait_for(lambda: release.list("operations")[0]["done"], "first item")
    os.killpg(replay.pid, signal.SIGKILL)
    replay.wait()
    with release.serving("web"):
        send("echo", 2)
        submit("waits")
        if "stop" in release.run(
            "operations", "--help"
        ):  # since 0.2.0 workers carry out operations
            act(release)
    release.environment["FLOWBRIDGE_ENCRYPTION_KEYS"] = ENCRYPTION_KEY
    with release.serving("web"):
        send("echo", 3, order="sealed")
    assert len(release.list("operations", "--unfinished")) == len(release.list("operations"))


def act(release: Release) -> None:
    """Begin an operation that a worker is to carry out."""
    body = json.dumps(
        {"command": "retry", "filters": {"route": "ordered"}, "mode": "do", "expect": 1}
    )
    request(
        ADMIN, "/admin/v1/operations", body,
        authorization=f"Bearer {ADMIN_TOKEN}", content_type="application/json",
        idempotency_key="retry-what-is-dead",
    )  # fmt: skip


def dump(url: str, pg_dump: Path) -> str:
    """Return a store as SQL, without comments and settings of the session."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            return "\n".join(connection.iterdump()) + "\n"
    options = ("--inserts", "--no-owner", "--no-privileges", "--no-comments")
    text = subprocess.run(
        [pg_dump, *options, url], capture_output=True, text=True, check=True
    ).stdout
    text = re.sub(r"(?m)^(--|SET |\\).*\n", "", text)
    return re.sub(r"\n\n+", "\n", text).lstrip()


def main(program: str, kind: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, postgres_server() as postgres:
        url = f"sqlite:///{folder}/flowbridge.db"
        if kind == "postgresql":
            url = new_postgres_database(postgres.get_uri())
        release = Release(program, Path(folder), url, f"http://127.0.0.1:{server.server_port}")
        try:
            make(release)
        except BaseException:
            sys.stderr.write(Path(folder, "log").read_text())
            raise
        sys.stdout.write(dump(url, postgres.bin_path / "pg_dump"))


if __name__ == "__main__":
    main(*sys.argv[1:])
