"""A bridge with every option of routes.yaml, and a record of every kind in its store.

`combination/` is its project. What can be sent is sent to a running bridge; the store gets the rest.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from admin_client import LIFTED_RATES
from combination_contents import act, add_rare_records, propose, send_all
from fake_platform import FakePlatform
from folders import SUPPORT
from forms import URLENCODED
from processes import call, call_here
from servers import Misbehaving, drop, respond
from serving import Bridge, free_port

from bridge.config.loader import load
from bridge.core.http_messages import Request
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services.access_tokens import create_token
from bridge.services.console_tickets import create_ticket
from bridge.services.samples.requests import make_sample
from bridge.services.samples.signers import choose_signer
from bridge.store.db.database import Database

PROJECT = SUPPORT / "combination"
ADMIN_TOKEN = "an-admin-token-of-the-combination-0123456789"
ENVIRON = {
    "GITHUB_SECRET": "a-secret-of-github-0123456789abcdef",
    "OLD_SECRET": "an-old-secret-of-github-0123456789",
    "STRIPE_SECRET": "whsec_0123456789abcdef0123456789abcdef",
    "HMAC_SECRET": "a-secret-of-senders-0123456789abcdef",
    "HEX_SECRET": "0123456789abcdef" * 4,
    "BASE64_SECRET": base64.b64encode(b"x" * 33).decode(),
    "WHSEC_SECRET": "whsec_" + base64.b64encode(b"x" * 33).decode(),
    "CAPTCHA_SECRET": "a-secret-of-captchas-0123456789",
    "GUMLOOP_KEY": "fake-key",
    "HTTP_TOKEN": "a-token-of-the-crm",
    "FLOWBRIDGE_ADMIN_TOKEN": ADMIN_TOKEN,
    "FLOWBRIDGE_SECRET_KEY": "a-secret-key-of-the-combination-0123456789",
    "FLOWBRIDGE_LOCAL_API_KEY": "a-key-of-the-local-platform-0123456789",
    "FLOWBRIDGE_LOCAL_USER_ID": "us",
    "FLOWBRIDGE_PUBLIC_URL": "https://hooks.example.com",
    "FLOWBRIDGE_ACTOR": "ann@laptop",
}
#: A run is polled soon.
PLATFORM: dict[str, Any] = {"run_seconds": 0.05, "cap": 100}


@dataclass
class Combination:
    """A served bridge, and its folder, store and configuration."""

    bridge: Bridge
    private: int  #: the port of the private listener
    config: Config
    gumloop: FakePlatform
    reader_token: str = ""  #: one that may not read contents
    proposal: str = ""  #: the id of a proposed operation
    trial: str = ""  #: the id of a trial
    readers: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        return self.bridge.folder

    @property
    def database(self) -> Database:
        return self.bridge.database

    def copy_to(self, folder: Path) -> Path:
        """Copy the project, as it was before the bridge was served."""
        return shutil.copytree(self.folder.with_name("copy"), folder)

    def call(self, *arguments: str) -> CompletedProcess[str]:
        """Run a command in the folder of the project, in a process of its own."""
        return call(self.folder, *arguments, environ=self.bridge.environ)

    def call_in(self, folder: Path, *arguments: str) -> CompletedProcess[str]:
        """Run a command in a copy of the project, in this process."""
        environ = {**self.bridge.environ, "FLOWBRIDGE_DATA": str(folder / "data")}
        return call_here(folder, *arguments, environ=environ)

    def read(self, *arguments: str) -> list[Any]:
        """Return what a command prints as JSON."""
        done = self.call(*arguments, "--json")
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def tracebacks(self) -> list[Any]:
        """Return what the bridge has logged with a traceback, but for flows that fail."""
        return [
            line
            for line in self.bridge.log
            if "traceback" in line and line["event"] != "flow_failed"
        ] + ([] if "\nTraceback" not in self.bridge.stderr else [self.bridge.stderr[-3000:]])

    def send(self, source: str, type_: str | None = None, **changes: Any) -> Request:
        """Post a sample of a source, changed and then signed; return it."""

        def change(request: Request) -> Request:
            headers = {**request.headers, **changes.pop("headers", {})}
            return replace(request, headers=headers, **changes)

        chosen = choose_signer(self.config.sources, self.bridge.config, source, None, made_up=False)
        url = f"{self.config_url}/hooks/{source}"
        request = make_sample(chosen.signer, type_, url, None, time.time(), change)
        self.post(request)
        return request

    def post(self, request: Request, status: int = 0) -> None:
        """Post a request, which must be answered with a status, or well."""
        query = f"?{request.query_string}" if request.query_string else ""
        headers = {**request.headers, "Host": "hooks.example.com"}
        answer = self.bridge.post(request.path + query, request.body, headers)
        assert answer.status == status or (not status and answer.status < 400), (
            request.path,
            answer.status,
            answer.body[-300:],
        )

    @property
    def config_url(self) -> str:
        return self.bridge.environ["FLOWBRIDGE_PUBLIC_URL"]

    def open_api(self, token: str = ADMIN_TOKEN) -> Reader:
        """Return a client of the admin API."""
        return self._open({"Authorization": f"Bearer {token}"})

    def call_far(self, *arguments: str) -> CompletedProcess[str]:
        """Run a command of another machine, in this process."""
        environ = {
            "FLOWBRIDGE_SERVER": f"http://127.0.0.1:{self.private}",
            "FLOWBRIDGE_TOKEN": ADMIN_TOKEN,
            "FLOWBRIDGE_ACTOR": ENVIRON["FLOWBRIDGE_ACTOR"],
        }
        return call_here(self.folder.parent, *arguments, environ=environ)

    def make_reader_token(self) -> str:
        """Create a token that may not read contents; return its secret."""
        now = time.time()
        return create_token(self.database, "reader-only", (Scope.READ,), "90d", now=now)[1]

    def open_console(self) -> Reader:
        """Return a client that has logged in to the console."""
        ticket = create_ticket(self.database, (Scope.ADMIN,), "ann@laptop", time.time())
        connection = HTTPConnection("127.0.0.1", self.private, timeout=60)
        headers = {"Content-Type": URLENCODED, "Sec-Fetch-Site": "same-origin"}
        connection.request("POST", "/console/login", f"token={ticket}", headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 303, answer.status
        cookies = [value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", [])]
        connection.close()
        return self._open({"Cookie": "; ".join(cookies)})

    def _open(self, headers: Mapping[str, str]) -> Reader:
        connection = HTTPConnection("127.0.0.1", self.private, timeout=60)
        self.readers.callback(connection.close)
        return Reader(connection, headers)


class Reader:
    """Sends requests to the private listener on one connection."""

    def __init__(self, connection: HTTPConnection, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._headers = headers

    def get(
        self, target: str, method: str = "GET", body: Any = None, accept: str = "*/*"
    ) -> tuple[int, str, bytes]:
        """Return the status, the media type or location, and the body of an answer."""
        sent = None if body is None else json.dumps(body)
        more = {"Accept": accept} | ({} if body is None else {"Content-Type": "application/json"})
        self._connection.request(method, target, sent, {**self._headers, **more})
        answer = self._connection.getresponse()
        text = answer.headers.get("Location") or answer.headers.get_content_type()
        return answer.status, text, answer.read()


@contextmanager
def serve_combination(folder: Path) -> Iterator[Combination]:
    """Serve the bridge: first with a worker, until all is settled, then without one, so that
    nothing changes any more.
    """
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
    private = free_port()
    with FakePlatform(**PLATFORM) as gumloop, Misbehaving() as http:
        http.script("/patch", respond(422, {"error": "no such contact"}))
        http.script("/lost", drop)
        environ = {
            **ENVIRON,
            "GUMLOOP_URL": gumloop.base_url,
            "HTTP_URL": http.url,
            "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{private}",
        }
        routes = (PROJECT / "routes.yaml").read_text()
        bridge = Bridge(project, routes=routes, environ=environ, timings=LIFTED_RATES)
        config = load(bridge.config, environ, strict_secrets=False)
        combination = Combination(bridge, private, config, gumloop)
        last = routes.rstrip().rpartition("\n")[0] + "\n"
        bridge.config.write_text(last)
        try:
            bridge.start()
            send_all(combination)
            act(combination)
            bridge.stop()
            bridge.config.write_text(routes)
            add_rare_records(combination)
            combination.reader_token = combination.make_reader_token()
            # in a process of its own: to close a file of SQLite ends all locks of this one
            subprocess.run(["cp", "-r", project, folder / "copy"], check=True)
            bridge.arguments = ("web",)
            bridge.start()
            combination.proposal, combination.trial = propose(combination)
            yield combination
        finally:
            combination.readers.close()
            bridge.__exit__()


@contextmanager
def serve_copy(combination: Combination, folder: Path) -> Iterator[Combination]:
    """Serve a copy of the project and of its flow platform, which a test may change."""
    private = free_port()
    environ = {
        name: value
        for name, value in combination.bridge.environ.items()
        if name not in ("FLOWBRIDGE_DATA", "FLOWBRIDGE_BIND")
    }
    routes = combination.bridge.config.read_text()
    with FakePlatform(**PLATFORM) as gumloop:
        gumloop.runs.update(combination.gumloop.runs)
        environ["GUMLOOP_URL"] = gumloop.base_url
        environ["FLOWBRIDGE_PRIVATE_BIND"] = f"127.0.0.1:{private}"
        project = combination.copy_to(folder)
        bridge = Bridge(project, "web", routes=routes, environ=environ, timings=LIFTED_RATES)
        copy = replace(
            combination, bridge=bridge, private=private, gumloop=gumloop, readers=ExitStack()
        )
        with copy.readers, bridge:
            copy.proposal, copy.trial = propose(copy)
            yield copy
            assert copy.tracebacks() == []
