"""The two faces: what a socket serves is decided by the socket, and by no header that a caller can
write.
"""

# ruff: noqa: S104 - to all interfaces is what is being tested

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from edges import EDGES
from serving import Bridge, exchange, free_port, head, until

from bridge.config.settings import Settings, load_settings
from bridge.core.errors import SettingsError
from bridge.web.client_ip import client_address, find_network
from bridge.web.listeners import ListenerPaths

PRIVATE = [
    "/api/v1/start_pipeline",
    "/api/v1",
    "/metrics",
    "/console/",
    "/console",
    "/admin/v1/events",
]
PUBLIC = [
    "/hooks/github",
    "/healthz",
    "/readyz",
    "/forms/x",
    "/files/t",
    "/",
    "/apixv1",
    "/consoles",
    "/api/v12/x",
]
PROXIED = [
    {"Forwarded": "for=203.0.113.1"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-For": ""},
    {"X-Forwarded-Host": "127.0.0.1"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Port": "443"},
    {"X-Forwarded-Server": "a"},
    {"Host": "bridge.example.com"},
    {"Host": "203.0.113.1:8080"},
    {"Host": "127.0.0.1.example.com"},
    {"Host": "localhost.example.com"},
    {"Host": "[::2]"},
    {"Host": ""},
    {"Host": "0.0.0.0"},
    {"Host": "evil@127.0.0.1"},
    {"Host": "127.0.0.1:80@evil.example.com"},
    {"Host": "127.0.0.1:x"},
    {"Host": "localhost:80:80"},
    {"Host": "[::1]:80@evil.example.com"},
]
OWN = [
    {},
    {"Host": "localhost"},
    {"Host": "localhost:1234"},
    {"Host": "127.0.0.1:80"},
    {"Host": "127.9.9.9"},
    {"Host": "[::1]:80"},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(**environ: str) -> Settings:
    return load_settings({f"FLOWBRIDGE_{name.upper()}": value for name, value in environ.items()})


def asked(
    headers: Mapping[str, str] = {}, server: tuple[str, int] = ("127.0.0.1", 8080), **more: Any
) -> dict[str, Any]:
    sent = {"Host": "127.0.0.1", **headers}
    return (
        {"SERVER_NAME": server[0], "SERVER_PORT": str(server[1])}
        | {"HTTP_" + n.upper().replace("-", "_"): v for n, v in sent.items()}
        | more
    )


@pytest.mark.parametrize("path", PRIVATE)
def test_one_loopback_socket_serves_both_faces_to_this_machine_only(path: str) -> None:
    faces = ListenerPaths(made(bind="127.0.0.1:8080"))
    assert all(faces.serves(path, asked(headers)) for headers in OWN)
    assert not any(faces.serves(path, asked(headers)) for headers in PROXIED)


@pytest.mark.parametrize("path", PUBLIC)
def test_the_public_face_is_served_to_everyone(path: str) -> None:
    for bind in ("127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080"):
        faces = ListenerPaths(made(bind=bind))
        assert all(faces.serves(path, asked(headers)) for headers in OWN + PROXIED)


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:8080", ":8080", "[::]:8080", "192.0.2.7:8080", "bridge.example.com:8080"]
)
def test_a_socket_that_others_reach_serves_no_private_path(bind: str) -> None:
    faces = ListenerPaths(made(bind=bind))
    assert not any(
        faces.serves(path, asked(headers)) for path in PRIVATE for headers in OWN + PROXIED
    )


def test_with_a_private_socket_each_serves_its_face() -> None:
    faces = ListenerPaths(made(bind="0.0.0.0:8080", private_bind="127.0.0.1:8081"))
    for headers in OWN + PROXIED:
        for path in PRIVATE:
            assert not faces.serves(path, asked(headers, ("192.0.2.7", 8080)))
            assert not faces.serves(path, asked(headers, ("0.0.0.0", 8080)))
            request = asked(headers, ("127.0.0.1", 8081))
            assert faces.serves(path, request)
            assert faces.knows_host(path, request) == (
                headers.get("Host") in [None, *(own.get("Host") for own in OWN)]
            )
        for path in PUBLIC:
            request = asked(headers, ("0.0.0.0", 8080))
            assert faces.serves(path, request) and faces.knows_host(path, request)
            assert not faces.serves(path, asked(headers, ("127.0.0.1", 8081)))


def test_expose_puts_parts_of_the_private_face_on_the_public_one() -> None:
    for more in ({}, {"private_bind": "127.0.0.1:8081"}):
        faces = ListenerPaths(made(bind="0.0.0.0:8080", expose="api, metrics", **more))
        served = [
            path
            for path in PRIVATE
            if faces.serves(path, asked({"Host": "x.example"}, ("0.0.0.0", 8080)))
        ]
        assert served == ["/api/v1/start_pipeline", "/api/v1", "/metrics"]


def hosts(settings: Settings, server: tuple[str, int], *names: str) -> list[str]:
    """Return those of the names by which the private face is served at an address."""
    faces = ListenerPaths(settings)
    requests = [asked({"Host": name}, server) for name in names]
    return [
        name
        for name, one in zip(names, requests, strict=True)
        if faces.serves("/metrics", one) and faces.knows_host("/metrics", one)
    ]


def test_a_private_socket_is_called_by_its_address_and_by_the_names_that_are_set() -> None:
    mine = (
        "10.0.0.5:8081",
        "bridge.internal",
        "Bridge.Internal:8081",
        "hooks.example.com",
        "[fd00::5]:8081",
    )
    names = (*mine, "10.0.0.6", "[::1]x", "0.0.0.0", "")
    bound = made(
        private_bind="10.0.0.5:8081", public_url="https://hooks.example.com", bind="0.0.0.0:8080"
    )
    assert hosts(bound, ("10.0.0.5", 8081), *names) == ["10.0.0.5:8081"]
    more = made(private_bind="0.0.0.0:8081", console_hosts="bridge.internal, FD00::5,[fd00::6]")
    assert hosts(more, ("0.0.0.0", 8081), *names) == [
        "bridge.internal",
        "Bridge.Internal:8081",
        "[fd00::5]:8081",
    ]
    exposed = made(
        private_bind="127.0.0.1:8081",
        public_url="https://hooks.example.com",
        bind="0.0.0.0:8080",
        expose="metrics",
    )
    for server in (("127.0.0.1", 8081), ("0.0.0.0", 8080)):
        assert hosts(exposed, server, *names) == ["hooks.example.com"]
    alone = made(bind="127.0.0.1:8080", console_hosts="bridge.internal")
    assert hosts(alone, ("127.0.0.1", 8080), *names) == ["bridge.internal", "Bridge.Internal:8081"]


@pytest.mark.parametrize(
    "text",
    ["*", "bridge.internal:8081", "https://bridge.internal", "a b", "-a", "evil@host", "[::1]x"],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="FLOWBRIDGE_CONSOLE_HOSTS"):
        made(console_hosts=text)


# -- who called


@pytest.mark.parametrize(
    ("trusted", "address", "forwarded", "client"),
    [
        ("", "203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("", "127.0.0.1", "1.2.3.4", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "6.6.6.6, 1.2.3.4, 10.1.2.3", "1.2.3.4"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("127.0.0.1", "127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "1.2.3.4, <script>", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "1.2.3.4:5678", "127.0.0.1"),
        ("::1,fd00::/8", "::1", "2001:db8::1, fd00::2", "2001:db8::1"),
    ],
)
def test_a_caller_cannot_write_his_own_address(
    trusted: str, address: str, forwarded: str | None, client: str
) -> None:
    environ = {"REMOTE_ADDR": address} | (
        {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    )
    assert client_address(environ, made(trusted_proxies=trusted)) == client


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2ff::9", "2001:db8:1:200::/56"),
        ("10.1.2.3", None),  # a proxy that names no client
        (None, None),
    ],
)
def test_neighbors_share_limits(client: str | None, network: str | None) -> None:
    trusted = made(trusted_proxies="127.0.0.1,10.0.0.0/8").trusted_proxies
    assert find_network(client, trusted) == network


# -- with sockets


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[tuple[Bridge, int]]:
    port = free_port()
    with Bridge(
        tmp_path_factory.mktemp("two"), environ={"FLOWBRIDGE_PRIVATE_BIND": f"localhost:{port}"}
    ) as bridge:
        yield bridge, port


@pytest.mark.parametrize(
    "target",
    [
        *PRIVATE,
        "//api/v1/start_pipeline",
        "///console/",
        "/%2fapi/v1/get_pl_run",
        "/%61pi/v1/get_pl_run",
        "/hooks/../api/v1/get_pl_run",
        "http://localhost/api/v1/get_pl_run",
        "/api/v1/get_pl_run?x=/hooks/github",
    ],
)
def test_the_public_socket_has_no_private_path_whatever_is_sent(
    two: tuple[Bridge, int], target: str
) -> None:
    bridge, private = two
    for more in (
        {},
        {"Host": f"localhost:{private}"},
        {"X-Forwarded-Port": str(private)},
        {"X-Original-URL": "/api/v1/x"},
        {"SCRIPT_NAME": "/api"},
        {"Script-Name": "/hooks"},
        {"Path-Info": "/api/v1"},
    ):
        answer = exchange(bridge.port, head("GET", target, {"Connection": "close", **more}))
        assert answer.status == 404
        assert answer.json["error"] in ("not_found", "unknown_source")


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.example.com", "203.0.113.1", ""])
def test_a_page_that_points_its_name_at_this_machine_reads_nothing(
    two: tuple[Bridge, int], host: str
) -> None:
    bridge, private = two
    for target in ("/metrics", "/api/v1/openapi.json", "/api/v1/get_pl_run", "//metrics"):
        answer = bridge.get(target, {"Host": host}, port=private)
        assert (answer.status, answer.json["error"]) == (421, "misdirected")
        assert bridge.get(target, port=private).status in (200, 401)
        assert bridge.get(target, {"Host": f"localhost:{private}"}, port=private).status in (
            200,
            401,
        )


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://evil.example.com/metrics", 421),
        ("http://127.0.0.1:80@evil.example.com/metrics", 400),
        ("http://localhost/metrics", 200),
        ("HTTPS://localhost:1/metrics?a=b", 200),
        ("TTP://localhost/metrics", 400),
        ("localhost/metrics", 400),
        ("localhost:80", 400),
        ("http:///metrics", 400),
        ("*", 400),
    ],
)
@pytest.mark.parametrize("kind", EDGES)
def test_a_target_names_the_host(
    targets: dict[str, int], kind: str, target: str, status: int
) -> None:
    headers = {"Host": "localhost", "Connection": "close"}
    assert exchange(targets[kind], head("GET", target, headers)).status == status


@pytest.fixture(scope="module")
def targets(
    tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[dict[str, int]]:
    """The private port of each edge."""
    with ExitStack() as stack:
        ports = {}
        for kind, environ in EDGES.items():
            ports[kind] = free_port()
            bind = {"FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{ports[kind]}"}
            folder = tmp_path_factory.mktemp(kind)
            stack.enter_context(Bridge(folder, "web", environ={**environ, **bind}))
        yield ports


def test_the_private_socket_serves_the_private_face_only(two: tuple[Bridge, int]) -> None:
    bridge, private = two
    assert bridge.get("/api/v1/get_pl_run", port=private).status == 401
    for target in ("/hooks/github", "/healthz", "/readyz", "/forms/x"):
        assert bridge.get(target, port=private).status == 404
        assert bridge.post(target, b"{}", port=private).status == 404


def test_deliveries_reach_the_local_platform_by_the_private_socket(two: tuple[Bridge, int]) -> None:
    bridge, _ = two
    answer = bridge.event(b'{"n": 1}')
    assert answer.status == 202
    assert bridge.wait_for(
        answer.json["event_id"], lambda one: one.run_state == "done"
    ).outputs == {"body": {"n": 1}}


@pytest.mark.usefixtures("new_processes")
def test_one_loopback_socket_is_no_way_in_for_a_proxy(tmp_path: Path) -> None:
    with Bridge(tmp_path, "web") as bridge:
        assert bridge.get("/api/v1/get_pl_run").status == 401
        for headers in PROXIED:
            assert bridge.get("/api/v1/get_pl_run", headers).status in (400, 404)
        assert exchange(bridge.port, b"GET /api/v1/get_pl_run HTTP/1.0\r\n\r\n").status == 404


@pytest.mark.usefixtures("new_processes")
def test_a_public_socket_alone_is_refused_for_a_local_platform(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path, environ={"FLOWBRIDGE_BIND": f"0.0.0.0:{free_port()}"})
    code, said = bridge.run()
    assert code == 2
    assert "FLOWBRIDGE_PRIVATE_BIND" in said


@pytest.mark.usefixtures("new_processes")
def test_ipv6_has_faces_too(tmp_path: Path) -> None:
    port = free_port()
    private = free_port()
    bridge = Bridge(
        tmp_path,
        "web",
        environ={"FLOWBRIDGE_BIND": f"[::1]:{port}", "FLOWBRIDGE_PRIVATE_BIND": f"[::1]:{private}"},
    )
    try:
        bridge.start_without_waiting()
        until(lambda: _answers(port), what="/healthz")
        for at, target, status in (
            (port, "/api/v1/get_pl_run", 404),
            (private, "/api/v1/get_pl_run", 401),
            (private, "/healthz", 404),
        ):
            assert (
                exchange(at, head("GET", target, {"Connection": "close"}), host="::1").status
                == status
            )
    finally:
        bridge.__exit__()


def _answers(port: int) -> bool:
    try:
        return (
            exchange(port, head("GET", "/healthz", {"Connection": "close"}), host="::1").status
            == 200
        )
    except OSError:
        return False
