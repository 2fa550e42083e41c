"""deploy/nginx.conf and deploy/Caddyfile: read by the real programs, and the bridge driven through
them, over TLS.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory

import pytest
from authorities import Authority, certificate, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from deploying import Activated, needs
from folders import DEPLOY
from serving import (
    SECRET,
    Answer,
    Bridge,
    children_of,
    free_port,
    github,
    head,
    is_alive,
    read_answer,
    until,
)

from bridge.config.loader import load
from bridge.core.http_messages import Request
from bridge.core.timings import TIMINGS
from bridge.services.samples.forgeries import Signer
from bridge.services.samples.requests import make_sample
from bridge.web.listeners import NOT_FOUND_BODY, PRIVATE_PATHS

pytestmark = pytest.mark.usefixtures("new_processes")

MIB = 1024 * 1024
Edit = Callable[[str], str]
Pems = tuple[Path, Path]  # a certificate, and its key
HOST = "hooks.example.com"
ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  twilio: {provider: twilio, secret: "${env:GITHUB_SECRET}"}
  hubspot: {provider: hubspot, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form, rate: 600/min and 10/h per address}
routes:
  - {name: everything, on: github, inputs: {body: "${body}"}, flow: local/echo}
"""


@pytest.fixture(scope="session")
def pems(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Pems:
    """The certificate of the host that the files name, and its key."""
    folder = tmp_path_factory.mktemp("pems")
    key = ec.generate_private_key(ec.SECP256R1())
    now = time.time()
    (folder / "fullchain.pem").write_bytes(
        certificate(HOST, by=authority, begins=now - 86400, ends=now + 86400, key=key)
    )
    (folder / "privkey.pem").write_bytes(private_pem(key))
    return folder / "fullchain.pem", folder / "privkey.pem"


# -- the files, with this machine's ports and paths


def nginx_site(https: int, http: int, upstream: int, pems: Pems, logs: Path) -> str:
    """deploy/nginx.conf as it is, but for addresses and the places of the certificate and the
    logs.
    """
    text = (DEPLOY / "nginx.conf").read_text().replace("/var/log/nginx/", f"{logs}/")
    for old, new in (
        ("listen [::]:80;", ""),
        ("listen [::]:443 ssl;", ""),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{https} ssl;"),
        ("127.0.0.1:8080", f"127.0.0.1:{upstream}"),
        (f"/etc/letsencrypt/live/{HOST}/fullchain.pem", str(pems[0])),
        (f"/etc/letsencrypt/live/{HOST}/privkey.pem", str(pems[1])),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def nginx_config(folder: Path, site: str) -> Path:
    """What Debian's nginx.conf is around a site, in a folder of its own."""
    (folder / "site.conf").write_text(site)
    user = "user root;" if os.getuid() == 0 else ""  # it reads files of the test's own
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} pid {folder}/pid; error_log {folder}/error.log; worker_processes"
        f" 1;\nevents {{ worker_connections 512; }}\nhttp {{ access_log off;\n{temporary}include"
        f" {folder}/site.conf; }}\n"
    )
    return folder / "nginx.conf"


def deployed_caddyfile() -> str:
    """deploy/Caddyfile as it is, or as it says that it is for a newer Caddy."""
    text = (DEPLOY / "Caddyfile").read_text()
    said = subprocess.run(
        [which("caddy"), "version"], capture_output=True, text=True, check=True
    ).stdout
    if tuple(map(int, re.findall(r"\d+", said)[:3])) >= (2, 6, 4):
        newer = re.search(r"replace the two lines by one: (.*)", text)
        assert newer is not None
        text = re.sub(r"buffer_requests\n\t+max_buffer_size .*", newer[1], text)
    return text


def caddyfile(https: int, upstream: int, pems: Pems) -> str:
    """The Caddyfile, but for addresses, and a certificate that is there instead of one that it
    fetches.
    """
    text = deployed_caddyfile()
    for old, new in (
        ("{\n\tservers {", "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {"),
        (
            f"\n{HOST} {{",
            f"\nhttps://{HOST}:{https} {{\n\tbind 127.0.0.1\n\ttls {pems[0]} {pems[1]}",
        ),
        ("reverse_proxy 127.0.0.1:8080", f"reverse_proxy 127.0.0.1:{upstream}"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(
    https: int, http: int, upstream: int, pems: Pems, edit: Edit = lambda text: text
) -> Iterator[Path]:
    needs("nginx")
    with TemporaryDirectory(prefix="flowbridge-nginx-") as folder:
        config = nginx_config(
            Path(folder), edit(nginx_site(https, http, upstream, pems, Path(folder)))
        )
        with program(
            [which("nginx"), "-p", folder, "-c", str(config), "-e", f"{folder}/error.log"],
            folder,
            https,
        ):
            yield Path(folder)


@contextmanager
def caddy(https: int, upstream: int, pems: Pems, edit: Edit = lambda text: text) -> Iterator[Path]:
    needs("caddy")
    with TemporaryDirectory(prefix="flowbridge-caddy-") as folder:
        (Path(folder) / "Caddyfile").write_text(edit(caddyfile(https, upstream, pems)))
        with program(
            [which("caddy"), "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"],
            folder,
            https,
        ):
            yield Path(folder)


def which(name: str) -> str:
    return next(
        path
        for path in (f"/usr/sbin/{name}", f"/usr/bin/{name}", f"/usr/local/bin/{name}", name)
        if Path(path).exists()
    )


def proxy(name: str, port: int, upstream: int, pems: Pems) -> AbstractContextManager[Path]:
    """Run nginx, or caddy, with its logs in the folder that this gives."""
    if name == "nginx":
        return nginx(port, free_port(), upstream, pems)
    return caddy(
        port, upstream, pems, lambda text: text.replace("\theader Strict", "\tlog\n\theader Strict")
    )


@contextmanager
def program(command: list[str], folder: str, port: int) -> Iterator[None]:
    environ = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    with (Path(folder) / "output").open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environ, start_new_session=True
        )
    try:

        def listens() -> bool:
            assert process.poll() is None, (Path(folder) / "output").read_text()
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        until(listens, what=command[0])
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


# -- as the programs read them


def test_nginx_takes_the_site(tmp_path: Path, pems: Pems) -> None:
    needs("nginx")
    config = nginx_config(tmp_path, nginx_site(free_port(), free_port(), 8080, pems, tmp_path))
    command = [
        which("nginx"),
        "-t",
        "-p",
        str(tmp_path),
        "-c",
        str(config),
        "-e",
        str(tmp_path / "error.log"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_caddy_takes_the_file_and_finds_it_well_formed(tmp_path: Path) -> None:
    needs("caddy")
    environ = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    options = {"capture_output": True, "text": True, "check": False, "env": environ}
    (tmp_path / "Caddyfile").write_text(deployed_caddyfile())
    command = [
        which("caddy"),
        "validate",
        "--config",
        str(tmp_path / "Caddyfile"),
        "--adapter",
        "caddyfile",
    ]
    done = subprocess.run(command, **options)  # type: ignore[call-overload]  # noqa: PLW1510
    assert done.returncode == 0, done.stderr
    formed = subprocess.run([which("caddy"), "fmt", str(DEPLOY / "Caddyfile")], **options)  # type: ignore[call-overload]  # noqa: PLW1510
    assert formed.stdout == (DEPLOY / "Caddyfile").read_text()


def test_both_pass_on_the_same_paths_and_no_private_one() -> None:
    listed = re.search(r"@public path (.*)", (DEPLOY / "Caddyfile").read_text())
    located = re.search(r"location ~ (\S+) \{", (DEPLOY / "nginx.conf").read_text())
    assert listed is not None and located is not None
    assert listed[1].split() == ["/hooks/*", "/forms/*", "/files/*", "/healthz", "/readyz"]
    for path in ("/hooks/github", "/forms/contact", "/files/token", "/healthz", "/readyz"):
        assert re.search(located[1], path)
    private = [*PRIVATE_PATHS.values(), *(f"{each}/x" for each in PRIVATE_PATHS.values())]
    for path in [
        *private,
        "/",
        "/hooks",
        "/healthz/",
        "/readyzz",
        "/x/hooks/github",
        "/api/v1/hooks/",
    ]:
        assert not re.search(located[1], path)


# -- the bridge behind them


class Front:
    """The bridge behind a proxy, as senders see it: over TLS, by the host's name."""

    def __init__(
        self, bridge: Bridge, port: int, ca_file: str, http: int = 0, name: str = ""
    ) -> None:
        self.bridge = bridge
        self.port = port
        self.http = http
        self.name = name
        self.context = ssl.create_default_context(cafile=ca_file)

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 60, source_address=(source, 0))
        return self.context.wrap_socket(plain, server_hostname=HOST)

    def exchange(self, *pieces: bytes, source: str = "127.0.0.1") -> Answer:
        with self.connect(source) as sock:
            with suppress(OSError):  # it may have answered before it was sent everything
                for piece in pieces:
                    sock.sendall(piece)
            return read_answer(sock)

    def get(self, target: str) -> Answer:
        return self.exchange(head("GET", target, {"Host": HOST, "Connection": "close"}))

    def post(
        self, target: str, body: bytes, headers: dict[str, str], source: str = "127.0.0.1"
    ) -> Answer:
        given = {"Host": HOST, "Content-Length": str(len(body)), "Connection": "close", **headers}
        return self.exchange(head("POST", target, given) + body, source=source)

    def send(self, request: Request) -> Answer:
        target = request.path + (f"?{request.query_string}" if request.query_string else "")
        return self.post(target, request.body, dict(request.headers))


ENVIRON = {
    "FLOWBRIDGE_PUBLIC_URL": f"https://{HOST}",
    "FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1",
    "FLOWBRIDGE_LOG_ADDRESSES": "full",
}


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest,
    pems: Pems,
    ca_file: str,
    tmp_path_factory: pytest.TempPathFactory,
    new_processes: None,
) -> Iterator[Front]:
    needs(request.param)
    port = free_port()
    environ = {**ENVIRON, "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{free_port()}"}
    with (
        Bridge(tmp_path_factory.mktemp(request.param), routes=ROUTES, environ=environ) as bridge,
        proxy(request.param, port, bridge.port, pems),
    ):
        yield Front(bridge, port, ca_file, name=request.param)


def test_an_event_comes_through_and_its_run_ends(front: Front) -> None:
    body = b'{"through": "a proxy"}'
    answer = front.post("/hooks/github", body, github(body))
    assert answer.status == 202
    front.bridge.wait_for(answer.json["event_id"], lambda one: one.run_state == "done")
    assert front.get("/healthz").json == {"alive": True}
    assert front.get("/readyz").json == {"ready": True}


@pytest.mark.parametrize("source", ["twilio", "hubspot"])
@pytest.mark.parametrize("query", ["", "a=%41b&c=x%2Fy+z&&d=&e=%7E~%C3%BC", "q=../..//x"])
def test_signatures_over_url_and_body_still_verify(source: str, query: str, front: Front) -> None:
    config = load(front.bridge.config, front.bridge.environ)
    known = config.sources[source]
    signer = Signer(known.name, known.provider, known.scheme, known.secrets[0].value)
    url = f"https://{HOST}/hooks/{source}" + (f"?{query}" if query else "")
    request = make_sample(signer, None, url, None, time.time())
    answer = front.send(request)
    assert answer.status in (200, 202), answer
    event_id = max(_event_ids(front.bridge, source))
    event = front.bridge.found(event_id).event
    # hubspot's is a list, of which each event has its part
    assert event.query_string == query and event.body in request.body
    moved = make_sample(signer, None, f"{url}{'&' if query else '?'}more=1", None, time.time())
    refused = front.post(f"/hooks/{source}?another=1", moved.body, dict(moved.headers))
    assert refused.status in (401, 403)


def _event_ids(bridge: Bridge, source: str) -> list[str]:
    with bridge.database.read() as connection:
        return [
            row[0]
            for row in connection.exec_driver_sql(f"SELECT id FROM event WHERE source = '{source}'")  # noqa: S608
        ]


def test_a_body_arrives_byte_for_byte(front: Front) -> None:
    body = bytes(range(256)) * 300 + b"\r\n\r\n0\r\n\r\n"
    answer = front.post("/hooks/github", body, github(body))
    assert front.bridge.found(answer.json["event_id"]).event.body == body
    pieces = [
        b"%x\r\n%s\r\n" % (len(body[at : at + 5000]), body[at : at + 5000])
        for at in range(0, len(body), 5000)
    ]
    start = head(
        "POST",
        "/hooks/github",
        {"Host": HOST, "Transfer-Encoding": "chunked", "Connection": "close", **github(body)},
    )
    chunked = front.exchange(start, *pieces, b"0\r\n\r\n")
    assert chunked.status == 202
    assert front.bridge.found(chunked.json["event_id"]).event.body == body


def test_no_caller_writes_his_own_address(front: Front) -> None:
    """127.0.0.2 calls, and is known, since the proxy says so; what it says of itself counts for
    nothing.
    """
    forged = {
        "X-Forwarded-For": "203.0.113.66",
        "Forwarded": "for=203.0.113.66",
        "X-Real-IP": "203.0.113.66",
        "Client-IP": "203.0.113.66",
    }
    for headers in ({}, forged, {"X-Forwarded-For": "127.0.0.1, 203.0.113.66"}):
        before = len(_rejected(front.bridge))
        assert (
            front.post(
                "/hooks/github", b"{}", {**github(b"other"), **headers}, source="127.0.0.2"
            ).status
            == 401
        )
        lines = until(lambda before=before: _rejected(front.bridge)[before:], what="a line")  # type: ignore[misc]
        assert [line["client"] for line in lines] == ["127.0.0.2"]


def _rejected(bridge: Bridge) -> list[dict[str, object]]:
    return [line for line in bridge.log if line["event"] == "rejected"]


def test_limits_by_address_are_of_the_caller_not_of_the_proxy(front: Front) -> None:
    """A form takes so many from one address, whatever that claims to be."""
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    claims = [{**form, "X-Forwarded-For": f"203.0.113.{n}"} for n in range(12)]
    answers = [
        front.post("/hooks/contact", b"name=Ada", each, source="127.0.0.3").status
        for each in claims
    ]
    assert answers == [202] * 10 + [429] * 2
    assert front.post("/hooks/contact", b"name=Ada", form, source="127.0.0.4").status == 202


OUTSIDE = [
    "/",
    "/api/v1/get_pl_run",
    "/api/v1/start_pipeline",
    "/metrics",
    "/console/",
    "/admin/v1/events",
    "/hooks",
    "/healthz/",
    "/hooks/../api/v1/get_pl_run",
    "/hooks/%2e%2e/api/v1/get_pl_run",
    "/hooks/..%2fapi/v1/get_pl_run",
    "//api/v1/get_pl_run",
    "/%61pi/v1/get_pl_run",
    "/api/v1/../../hooks/github",
    "/hooks/github/../../api/v1/get_pl_run",
    f"https://{HOST}/api/v1/get_pl_run",
    "/api/v1/get_pl_run?x=/hooks/github",
    "/hooks//../api/v1/get_pl_run",
]


@pytest.mark.parametrize("target", OUTSIDE)
def test_what_is_outside_the_list_is_not_there(target: str, front: Front) -> None:
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Original-URL": "/api/v1/get_pl_run"}):
        answer = front.exchange(
            head("GET", target, {"Host": HOST, "Connection": "close", **headers})
        )
        assert answer.status in (400, 404), answer
        # it came to the bridge, whose public face has no such path
        if answer.body.startswith(b"{"):
            assert answer.body == NOT_FOUND_BODY or answer.json["error"] in (
                "unknown_source",
                "not_found",
            )


def test_a_body_over_the_limit_is_refused_before_it_is_sent(front: Front) -> None:
    start = {"Host": HOST, "Connection": "close", **github(b"")}
    # Caddy passes the answer on as long as it is sent more
    sent = [b"x" * MIB] * 26 if front.name == "caddy" else [b"x" * 1000]
    declared = front.exchange(
        head("POST", "/hooks/github", {**start, "Content-Length": str(26 * MIB + 1)}), *sent
    )
    assert declared.status in ((0, 413) if front.name == "caddy" else (413,))
    piece = b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20))
    chunked = front.exchange(
        head("POST", "/hooks/github", {**start, "Transfer-Encoding": "chunked"}),
        *([piece] * 27),
        b"0\r\n\r\n",
    )
    assert chunked.status in (0, 413)  # 0: it had closed before everything was sent
    large = b'"' + b"x" * (24 * 1024 * 1024) + b'"'
    assert front.post("/hooks/github", large, github(large)).status == 202


def test_a_connection_is_kept_for_many_requests(front: Front) -> None:
    with front.connect() as sock:
        for n in range(20):
            body = b'{"n": %d}' % n
            sock.sendall(
                head(
                    "POST",
                    "/hooks/github",
                    {"Host": HOST, "Content-Length": str(len(body)), **github(body)},
                )
                + body
            )
            answer = read_answer(sock)
            assert (answer.status, answer.headers.get("connection", "keep-alive").lower()) == (
                202,
                "keep-alive",
            )


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_is_not_whole_never_reaches_the_bridge(chunked: bool, front: Front) -> None:
    """A sender that takes its time holds nothing of the bridge."""
    body = b'{"slowly": "%s"}' % (b"x" * 200_000)
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    pieces = [body[at : at + 20_000] for at in range(0, len(body), 20_000)]
    if chunked:
        pieces = [*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
    with front.connect() as slow:
        slow.sendall(
            head(
                "POST",
                "/hooks/github",
                {"Host": HOST, "Connection": "close", **framing, **github(body)},
            )
        )
        for piece in pieces:
            time.sleep(0.05)
            assert connections_to(front.bridge.port) == 0
            slow.sendall(piece)
        answer = read_answer(slow)
    assert answer.status == 202
    assert front.bridge.found(answer.json["event_id"]).event.body == body


@pytest.mark.parametrize("name", ["nginx", "caddy"])
@pytest.mark.parametrize("sent", [100, 3 * MIB], ids=["a little", "much"])
def test_a_body_that_does_not_come_in_time_is_no_success(
    name: str, sent: int, tmp_path: Path, pems: Pems, ca_file: str
) -> None:
    """Whoever is answered first, the proxy or the bridge: no sender may take for received what is
    not.
    """
    needs(name)
    edit = lambda text: text.replace("client_body_timeout 30s", "client_body_timeout 5s")  # noqa: E731
    port = free_port()
    timings = {"request_body_seconds": 1.0, "request_bytes_per_second": 1e9}
    with (
        Bridge(tmp_path, "web", routes=ROUTES, environ=ENVIRON, timings=timings) as bridge,
        (
            nginx(port, free_port(), bridge.port, pems, edit)
            if name == "nginx"
            else caddy(port, bridge.port, pems)
        ),
        Front(bridge, port, ca_file).connect() as sock,
    ):
        body = b'{"slowly": "%s' % (b"x" * sent)
        sock.sendall(
            head(
                "POST",
                "/hooks/github",
                {"Host": HOST, "Content-Length": str(len(body) + MIB), **github(body)},
            )
            + body
        )
        if name == "caddy":  # it waits for the rest, and answers nothing until more of it comes
            sock.settimeout(3)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        else:
            assert read_answer(sock).status in (0, 400, 408)
        assert bridge.count() == 0


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_bodies_of_one_network_leave_room_for_others(
    name: str, tmp_path: Path, pems: Pems, ca_file: str
) -> None:
    """nginx passes none of them on, Caddy all; flowbridge knows their network by its header."""
    needs(name)
    port = free_port()
    timings = {"bridge.web.receiving.body_reader.IN_FLIGHT": 8 * MIB, "request_body_seconds": 600.0}
    given = {"Host": HOST, "Content-Length": str(5 * MIB), **github(b"")}
    held = head("POST", "/hooks/github", given) + b"x" * (2 * MIB - 1024)
    good = b'"' + b"x" * 10_000 + b'"'
    with (
        Bridge(tmp_path, "web", routes=ROUTES, environ=ENVIRON, timings=timings) as bridge,
        proxy(name, port, bridge.port, pems),
        ExitStack() as stack,
    ):
        front = Front(bridge, port, ca_file)
        senders = [stack.enter_context(front.connect(f"127.0.9.{n}")) for n in range(1, 13)]
        for sender in senders:
            with suppress(OSError):
                sender.sendall(held)
        if name == "caddy":  # two receivers have room for eight
            until(lambda: len(select(senders, [], [], 0)[0]) >= 4, what="refusals")
        statuses = [front.post("/hooks/github", good, github(good)).status for _ in range(10)]
        assert statuses == [202] * 10


def test_caddy_waits_for_longer_than_the_bridge() -> None:
    waits = re.search(r"read_body (\d+)h", (DEPLOY / "Caddyfile").read_text())
    assert waits is not None
    given = TIMINGS.request_head_seconds + TIMINGS.request_body_seconds
    assert int(waits[1]) * 3600 > given + 25 * MIB / TIMINGS.request_bytes_per_second


def test_browsers_are_told_to_keep_to_https(front: Front) -> None:
    for target in ("/healthz", "/nothing"):
        assert front.get(target).headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("name", ["nginx", "caddy"])
@pytest.mark.parametrize("is_up", [True, False])
def test_tokens_are_not_logged(
    name: str, is_up: bool, tmp_path: Path, pems: Pems, ca_file: str
) -> None:
    """Neither of a request that is answered, nor where the bridge cannot be reached."""
    needs(name)
    https = free_port()
    environ = {**ENVIRON, "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{free_port()}"}
    bridge = Bridge(tmp_path, "web", routes=ROUTES, environ=environ)
    with bridge if is_up else nullcontext(), proxy(name, https, bridge.port, pems) as folder:
        front = Front(bridge, https, ca_file)
        answer = front.post(
            "/hooks/github?token=Kept-Secret-1",
            b"{}",
            {"X-Gitlab-Token": "Kept-Secret-2", "Cookie": "Kept-Secret-3"},
        )
        assert answer.status == (401 if is_up else 502)
        logged = lambda: "".join(  # noqa: E731
            path.read_text() for path in (folder / "output", *folder.glob("*.log")) if path.exists()
        )
        until(lambda: "/hooks/github" in logged(), what="a line")
        assert "Kept-Secret" not in logged()


# -- what only nginx does


@pytest.fixture(scope="module")
def strict(
    pems: Pems, ca_file: str, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Front]:
    """nginx with little patience, and few requests at once."""
    https = free_port()
    http = free_port()

    def edit(text: str) -> str:
        for old, new in (
            ("client_header_timeout 10s", "client_header_timeout 5s"),
            ("client_body_timeout 30s", "client_body_timeout 5s"),
            ("burst=500", "burst=20"),
            ("rate=50r/s", "rate=1r/s"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        return text

    needs("nginx")
    with (
        Bridge(tmp_path_factory.mktemp("strict"), routes=ROUTES, environ=ENVIRON) as bridge,
        nginx(https, http, bridge.port, pems, edit),
    ):
        yield Front(bridge, https, ca_file, http)


def test_a_slow_sender_never_reaches_the_bridge(strict: Front) -> None:
    body = b'{"slowly": "%s"}' % (b"x" * 5000)
    given = {"Host": HOST, "Content-Length": str(len(body)), "Connection": "close", **github(body)}
    before = strict.bridge.count()
    with strict.connect() as slow, strict.connect() as stuck, strict.connect() as silent:
        silent.sendall(b"POST /hooks/github HTTP/1.1\r\nHost: ")
        stuck.sendall(head("POST", "/hooks/github", given) + body[:1000])
        for at in range(0, len(body), 1000):
            slow.sendall(
                (b"" if at else head("POST", "/hooks/github", given)) + body[at : at + 1000]
            )
            assert connections_to(strict.bridge.port) == 0 or at + 1000 >= len(body)
            time.sleep(0.1)
        assert read_answer(slow).status == 202
        assert read_answer(stuck).status in (0, 408)  # after its seconds
        assert read_answer(silent).status in (0, 408)
    assert strict.bridge.count() == before + 1


def connections_to(port: int) -> int:
    """How many connections to a port of this machine are open."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for line in lines if line[2].endswith(f":{port:04X}") and line[3] == "01")


def test_a_flood_from_one_address_is_turned_away(strict: Front) -> None:
    statuses = []
    with strict.connect("127.0.0.5") as sock:
        for _ in range(60):
            sock.sendall(head("GET", "/healthz", {"Host": HOST}))
            statuses.append(read_answer(sock).status)
    assert set(statuses) == {200, 429} and statuses[:20] == [200] * 20
    with strict.connect("127.0.0.6") as other:
        other.sendall(head("GET", "/healthz", {"Host": HOST}))
        assert read_answer(other).status == 200


def test_plain_http_is_sent_to_https(strict: Front) -> None:
    with socket.create_connection(("127.0.0.1", strict.http), 60) as sock:
        sock.sendall(head("GET", "/hooks/github?a=%41", {"Host": HOST, "Connection": "close"}))
        answer = read_answer(sock)
    assert (answer.status, answer.headers["location"]) == (
        308,
        f"https://{HOST}/hooks/github?a=%41",
    )


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_a_restart_behind_the_proxy_loses_nothing(
    name: str, tmp_path: Path, pems: Pems, ca_file: str
) -> None:
    """Senders keep their connections to the proxy; the bridge behind it is restarted, its sockets
    stay open.
    """
    needs(name)
    https = free_port()
    environ = {**ENVIRON, "GITHUB_SECRET": SECRET}
    with (
        Activated(tmp_path, routes=ROUTES, environ=environ) as bridge,
        proxy(name, https, bridge.port, pems),
    ):
        front = Front(bridge, https, ca_file)
        answers = []
        stop = threading.Event()

        def send() -> None:
            with front.connect() as sock:
                while not stop.is_set():
                    sock.sendall(
                        head(
                            "POST",
                            "/hooks/github",
                            {"Host": HOST, "Content-Length": "2", **github(b"{}")},
                        )
                        + b"{}"
                    )
                    answers.append(read_answer(sock).status)
                    stop.wait(0.01)

        senders = [threading.Thread(target=send) for _ in range(4)]
        for each in senders:
            each.start()
        (before,) = children_of(bridge.pid)
        os.kill(before, signal.SIGTERM)
        try:
            until(lambda: not is_alive(before) and children_of(bridge.pid), what="another process")
            count = len(answers)
            until(lambda: len(answers) > count + 20 or set(answers) != {202}, what="answers again")
        finally:
            stop.set()
            for each in senders:
                each.join(60)
        assert set(answers) == {202}
        assert bridge.count() == len(answers)
