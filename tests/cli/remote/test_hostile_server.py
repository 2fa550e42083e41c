"""A server that answers with anything: no traceback, no control characters, no token elsewhere."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from admin_client import AdminClient as Api
from admin_client import lift_rates
from click.testing import CliRunner, Result
from fake_platform import FakePlatform
from remote_records import ACT, add_records
from servers import Misbehaving, Reply, chunked, garbage, redirect, refusing, respond
from trials_here import evaluate_here

from bridge.cli.main import group
from bridge.cli.remote import client as remote_client
from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_problems import ServerError
from bridge.cli.remote.server_url import parse_server_url
from bridge.cli.remote.stored_logins import StoredLogins
from bridge.config.loader import load
from bridge.core.errors import SettingsError
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.scopes import Scope
from bridge.core.timings import TIMINGS
from bridge.core.units import MIB
from bridge.store.db.database import Database
from bridge.store.queries import events
from bridge.store.queries.filters import Filters
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import BrokenAnswer, HttpClient, OpenAnswer

TOKEN = "fbt_" + "t" * 43
URL = "http://127.0.0.1:9"
CASES = int(os.environ.get("HOSTILE_ANSWERS", "4"))  # for each command
MAX_CALLS = 12  # of one command, after which the server is gone
MAX_PATH = 40  # of a value that is spoilt
CANARY = "\x1b]0;owned\x07\x1b[2J\u202e\u2066\u2028\x9b31m\x00\r\n"
#: What no terminal may get. Colours of ours are `ESC [ … m`.
HARMFUL = ("\x1b]", "\x1b[2J", "\x07", "\u202e", "\u2066", "\u2028", "\x9b", "\x00", "\r")


def nested(depth: int) -> Any:
    value: Any = CANARY
    for number in range(depth):
        value = [value] if number % 2 else {CANARY: value}
    return value


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, -(2**63), 10**30, 1e308, 0.1),
    *("", CANARY, CANARY * 3000, "../../../../tmp/owned", "/tmp/owned", "~/.ssh/id_rsa", "NaN"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "99999-01-01", "2026-13-01T00:00:00+99:99"),
    *([], {}, [[]], [None], [CANARY], {CANARY: CANARY}, nested(100), nested(700), [{}] * 300),
)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list) and len(path) < MAX_PATH:
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from list_places(one, (*path, key))


def spoil(value: Any, chance: random.Random) -> Any:
    """Return JSON with one to three of its values replaced, left out, or added."""
    spoilt = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 3)):
        *path, last = chance.choice([one for one in list_places(spoilt) if one] or [(None,)])
        if last is None:
            return json.loads(json.dumps(chance.choice(VALUES)))
        inner = spoilt
        for step in path:
            inner = inner[step]
        if isinstance(inner, dict) and chance.random() < 0.2:
            del inner[last]
        else:
            inner[last] = json.loads(json.dumps(chance.choice(VALUES)))
    return spoilt


class HostileWire:
    """Answers calls of commands from a store, with JSON that is spoilt on the way."""

    def __init__(self, api: Api) -> None:
        self.database = api.database
        self._api = api
        self._token = api.token(tuple(Scope))
        self._known: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.chance: random.Random | None = None
        self.calls = 0

    def answer(self, call: Call) -> Answer | NoAnswer:
        self.calls += 1
        if self.calls > MAX_CALLS:
            return NoAnswer("the server is gone", sent=True)
        assert call.headers["Authorization"] == f"Bearer {TOKEN}"
        parts = urlsplit(call.url)
        assert f"{parts.scheme}://{parts.netloc}" == URL
        key = f"{call.method} {call.url} {call.body!r}"
        if key not in self._known:
            found = self._api.client.open(
                f"{parts.path}?{parts.query}",
                method=call.method,
                data=call.body,
                headers={**call.headers, "Authorization": f"Bearer {self._token}"},
            )
            headers = {name.lower(): text for name, text in found.headers.items()}
            self._known[key] = found.status_code, headers, found.get_data()
        status, headers, body = self._known[key]
        return Answer(status=status, headers=headers, body=self._spoil(body))

    def _spoil(self, body: bytes) -> bytes:
        if self.chance is None:
            return body
        lines = body.splitlines() or [b"null"]
        return b"\n".join(
            json.dumps(spoil(json.loads(one), self.chance)).encode() for one in lines
        ) + (b"\n" if len(lines) > 1 else b"")


class Streamed(OpenAnswer):
    def __init__(self, answer: Answer) -> None:
        self.headers = dict(answer.headers)
        self._body = answer.body

    def read_pieces(self) -> Iterator[bytes]:
        if not self._body:
            raise BrokenAnswer("it was broken off")
        yield self._body


def interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[HostileWire]:
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copy(migrated_file, folder / "flowbridge.db")
    database = Database(f"sqlite:///{folder / 'flowbridge.db'}")
    add_records(database)
    with refusing() as port, FakePlatform() as platform, pytest.MonkeyPatch.context() as patch:
        platform.run_seconds = 0.0
        routes = ROUTES.replace("platforms: {", PLATFORMS.format(url=platform.base_url))
        (folder / "used.yaml").write_text(routes)
        config = load(folder / "used.yaml", {}, strict_secrets=False)
        local = replace(config.platforms["local"], base_url=f"http://127.0.0.1:{port}/api/v1")
        config = replace(config, platforms={**config.platforms, "local": local})
        lift_rates(patch)
        evaluate_here(patch)
        yield HostileWire(Api(database, folder, config))
    database.close()


@pytest.fixture
def home(wire: HostileWire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which commands reach the wire, and wait for nothing."""
    send = HttpClient.send

    def send_call(client: HttpClient, call: Call, deadline: Deadline) -> Any:
        is_ours = call.url.startswith(f"{URL}/")
        return wire.answer(call) if is_ours else send(client, call, deadline)

    @contextmanager
    def open_call(_: HttpClient, call: Call, __: float) -> Iterator[Any]:
        answer = wire.answer(call)
        yield Streamed(answer) if isinstance(answer, Answer) and answer.status == 200 else answer

    monkeypatch.setattr(HttpClient, "send", send_call)
    monkeypatch.setattr(HttpClient, "open", open_call)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setitem(AdminClient.__init__.__kwdefaults__, "sleep", lambda _: None)
    monkeypatch.setattr(import_module("bridge.cli.commands.tail"), "pause", interrupt)
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("FLOWBRIDGE_SERVER", raising=False)
    made = tmp_path / "home"
    made.mkdir()
    (made / "new.yaml").write_text(ROUTES)
    monkeypatch.chdir(made)
    return made


ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:S}"}
  contact: {provider: form}
  asana: {provider: asana}
routes:
  - {name: live, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}
  - {name: new, on: github issues, mode: shadow, inputs: {n: "${body.m}"}, flow: local/echo}
"""
PLATFORMS = (
    "platforms: {{gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user,"
    ' base_url: "{url}"}}, '
)
COMMANDS = (
    "status",
    "events --limit 5",
    "events --status dead --limit 5",
    "deliveries --limit 5",
    "deliveries --status dead --limit 5",
    "show {event}",
    "show {dead}",
    "show {reject}",
    "show {files} --save saved",
    "causes",
    "trends events",
    "trends ack",
    "rejects --limit 3",
    "spam --limit 3",
    "operations",
    f"operations show {ACT}",
    "alerts",
    "flows list",
    "flows inputs gumloop/echo",
    "flows runs gumloop/echo",
    "flows runs gumloop/echo --json",
    "flows run gumloop/echo --input title=x --wait",
    "flows run gumloop/echo --json",
    "flows kill gumloop/x --wait",
    "flows kill x",
    "learn asana --for 1m",
    "explain {event}",
    "explain {reject}",
    "types",
    "types github --schema issues",
    "shadow new live",
    "audit",
    "export",
    "export --as csv",
    f"operations resume {ACT} --yes",
    "tail --limit 5",
    "tail --json",
    "retry --status dead --dry-run",
    "retry {dead} --yes",
    "replay {event} --dry-run",
    "cancel --status queued --dry-run",
    "resolve --dry-run",
    "test --routes new.yaml --limit 3",
    "login " + URL,
)


def call(*arguments: str, url: str = URL) -> Result:
    """Run a command against a server as on a terminal with colours."""
    server = () if arguments[0] == "login" else ("--server", url)
    return CliRunner().invoke(
        group, [*server, *arguments], input=f"{TOKEN}\n", obj=TIMINGS, color=True
    )


def check(done: Result, what: object) -> None:
    """It ended with an exit code and a sentence, and nothing reached the terminal."""
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise AssertionError(what) from done.exception
    assert done.exit_code in (0, 1, 2), what
    printed = done.stdout + done.stderr
    assert [one for one in HARMFUL if one in printed] == [], what
    assert "Traceback" not in printed and TOKEN not in printed, what


@pytest.mark.parametrize("command", COMMANDS)
def test_no_json_ends_a_command_with_a_traceback_or_reaches_the_terminal(
    wire: HostileWire, home: Path, command: str
) -> None:
    found = list(events.list_events(wire.database, Filters(), 0))
    dead = next(one.id for _, many in found for one in many if one.status == "dead")
    names = {
        "event": next(event.id for event, many in found if len(many) > 1),
        "dead": dead,
        "files": next(event.id for event, _ in found if event.files),
        "reject": "rej_01kav9f0000000000000000001",
    }
    arguments = command.format(**names).split()
    for seed in range(CASES + 1):
        wire.chance = random.Random(f"{command} {seed}") if seed else None  # the first is sound
        wire.calls = 0
        done = call(*arguments)
        check(done, (command, seed))
    outside = [one for one in home.parent.rglob("owned*") if home not in one.parents]
    assert outside == [] and not Path("/tmp/owned").exists()


# -- on the wire


@contextmanager
def serving(path: str, *replies: Reply, context: Any = None) -> Iterator[Misbehaving]:
    with Misbehaving(context=context) as server:
        server.script(path, *replies)
        yield server


def make_client(port: int, host: str = "127.0.0.1") -> AdminClient:
    return AdminClient(parse_server_url(f"http://{host}:{port}"), TOKEN, sleep=lambda _: None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:{port}/admin/v1/status",
        "//127.0.0.1:{port}/",
        "http://user:pass@127.0.0.1:{port}/",
        "/admin/v1/other",
        "file:///etc/passwd",
    ],
)
def test_no_redirect_is_followed(status: int, to: str) -> None:
    with Misbehaving() as other:
        moved = redirect(to.format(port=other.port), status)
        with serving("/admin/v1/status", moved) as server:
            with pytest.raises(ServerError, match="redirect, which is not followed"):
                make_client(server.port).get("/status")
            assert len(server.received) == 1
        assert other.connections == 0


def test_no_cookie_is_sent_back() -> None:
    cookie = {"Set-Cookie": "a=b; Path=/", "WWW-Authenticate": "Basic realm=x"}
    with serving("/admin/v1/status", respond(200, {"a": 1}, cookie)) as server:
        client = make_client(server.port)
        client.get("/status")
        client.get("/status")
        assert [("cookie" in one.headers) for one in server.received] == [False, False]


def test_netrc_and_the_environment_name_no_other_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with serving("/admin/v1/status", respond(200, {"a": 1})) as server:
        make_client(server.port).get("/status")
        assert server.received[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost.evil.example:8081",
        "http://localhost.localdomain:8081",
        "http://127.0.0.1.nip.io:8081",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1:8081@evil.example",
        "http://evil.example#127.0.0.1",
        "http://evil.example?127.0.0.1",
        "http://evil.example\\@127.0.0.1",
        "http://evil.example\\.127.0.0.1",
        "http://[::1]@evil.example",
        "http://[::1].evil.example",
        "http://[::2]:8081",
        "http://[::ffff:203.0.113.1]:8081",
        "http://[fe80::1%25lo]:8081",
        "http://[::1%25eth0]:8081",
        "http://[v1.127.0.0.1]",
        "http://0x7f.0.0.1",
        "http://0177.0.0.1",
        "http://127.1",
        "http://127.0.0.256",
        "http://0",
        "http://[::]",
        "http://①②⑦.0.0.1",
        "http://ⓛocalhost",
        "http://localhost\u3002evil.example",
        "http://loca\u00adlhost",
        "http://\u202etsohlacol",
        "http://127.0.0.1:80:80",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:８０",
        "http:127.0.0.1",
        "http:///127.0.0.1",
        "HTTP://evil.example",
        " http://evil.example",
        "http\t://127.0.0.1.evil.example",
        "https://evil.example/admin/v1/../..",
        "https://evil.example/%2e%2e",
        "https://u@evil.example",
        "unix:///run/x",
        "javascript:alert(1)",
        "https://" + "a." * 300,
        "https://a..b",
    ],
    ids=ascii,
)
def test_no_token_leaves_for_a_url_that_is_not_plainly_a_server(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL is refused, or, where it is https, its name is not found; no plain byte is sent."""
    reached = []

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        reached.append((host, port))
        raise UnicodeError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    try:
        server = parse_server_url(text)
    except SettingsError:
        return
    assert not server.is_plain, server
    with pytest.raises(ServerError):
        AdminClient(server, TOKEN).get("/status")


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "127.255.0.1"])
def test_what_a_loopback_name_leads_to_is_looked_at(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS may answer anything; one address of several is enough to be refused."""
    there = [(2, 1, 6, "", ("203.0.113.1", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: there)
    with pytest.raises(ServerError, match="cannot be reached"):
        make_client(80, host).get("/status")


BOMB_BYTES = 3 * MIB
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ANSWERS: dict[str, Reply] = {
    "a bomb": chunked(
        gzip.compress(b" " * BOMB_BYTES + b"{}"), headers={"Content-Encoding": "gzip"}
    ),
    "a bomb in a bomb": chunked(
        gzip.compress(gzip.compress(b" " * BOMB_BYTES)),
        headers={"Content-Encoding": "gzip, gzip"},
    ),
    "many encodings": chunked(b"{}", headers={"Content-Encoding": ", ".join(["gzip"] * 1000)}),
    "an unknown encoding": chunked(b"{}", headers={"Content-Encoding": "zstd, br, x"}),
    "a long line": garbage(HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n{}"),
    "many headers": garbage(HEAD + b"X: a\r\n" * 5000 + b"\r\n{}"),
    "a negative length": garbage(HEAD + b"Content-Length: -1\r\n\r\n{}"),
    "a length of many digits": garbage(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "a large length": garbage(HEAD + b"Content-Length: 99999999999999\r\n\r\n{}"),
    "two lengths": garbage(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "a chunk of many digits": garbage(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 70_000 + b"\r\n{}"
    ),
    "a negative chunk": garbage(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"),
    "no HTTP": garbage(b"\x1b]0;owned\x07\x00\r\n\r\n"),
    "a reason": garbage(b"HTTP/1.1 500 \x1b]0;owned\x07\r\n\r\n"),
    "a status of many digits": garbage(b"HTTP/1.1 200000000000 OK\r\n\r\n{}"),
    "many interim answers": garbage(b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000),
    "deep JSON": respond(200, b"[" * 100_000),
    "deep JSON that ends": respond(200, b"[" * 5000 + b"]" * 5000),
    "no UTF-8": respond(200, b'{"\xff": "\xed\xa0\x80"}'),
    "surrogates": respond(200, b'{"a": "\\ud800", "version": "\\udfff"}'),
    "NaN": respond(200, b'{"a": NaN}'),
    "a long number": respond(200, b'{"a": ' + b"9" * 50_000 + b"}"),
    "a key often": respond(200, b"{" + b'"a": 1, ' * 20_000 + b'"a": 2}'),
    "a problem of any shape": respond(
        400, {"type": ["x"] * 9, "detail": nested(500), "errors": [{"detail": nested(300)}]}
    ),
    "a problem with controls": respond(
        401,
        {
            "type": f"urn:x:{CANARY}unauthorized",
            "detail": CANARY * 2000,
            "errors": [{"param": CANARY, "detail": CANARY, "near": CANARY, "allowed": [CANARY]}],
        },
    ),
    "hints of any type": respond(
        400,
        {
            "type": "urn:flowbridge:problem:invalid_parameter",
            "detail": "x",
            "errors": [{"param": "a", "detail": "x", "near": {"a": 1}, "allowed": 7}],
        },
    ),
    "a wait of any kind": respond(503, b"{}", {"Retry-After": "Sun, 00 Foo -1 99:99:99 +999999"}),
    "a wait before all time": respond(
        503, b"{}", {"Retry-After": "Mon, 01 Jan 0001 00:00:00 -0000"}
    ),
    "a long wait": respond(429, b"{}", {"Retry-After": "9" * 400}),
}


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS)
def test_no_answer_ends_a_command_with_a_traceback(
    reply: Reply, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(remote_client, "MAX_ANSWER_BYTES", MIB)
    monkeypatch.setitem(AdminClient.__init__.__kwdefaults__, "sleep", lambda _: None)
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with serving("/admin/v1/status", reply) as server:
        for path in ("events", "submissions", ""):
            server.script(f"/admin/v1/{path}", reply)
        for arguments in (("status",), ("events",), ("export",), ("login", server.url)):
            done = call(*arguments, url=server.url)
            check(done, arguments)
            assert done.exit_code != 0 and done.stdout == "", (arguments, done.stdout[:500])


def test_a_stored_token_goes_to_no_other_port_or_scheme(tmp_path: Path) -> None:
    logins = StoredLogins(tmp_path)
    logins.add(parse_server_url("https://bridge.example").origin, TOKEN)
    for other in (
        "https://bridge.example:444",
        "https://bridge.example.evil.example",
        "https://xbridge.example",
        "https://sub.bridge.example",
    ):
        assert logins.find_token(parse_server_url(other).origin) is None
    same = parse_server_url("https://BRIDGE.example.:443/admin/v1/")
    assert logins.find_token(same.origin) == TOKEN
