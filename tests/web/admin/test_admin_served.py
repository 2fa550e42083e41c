"""The admin API as `flowbridge serve` serves it: real HTTP, a token made by the command line."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse, IncompleteRead

import pytest
from jsonschema import Draft202012Validator
from processes import call_here
from records import make_delivery, make_event
from serving import Answer, Bridge, exchange, free_port, head, until

from bridge.core.model import Status
from bridge.store.inbound import events
from bridge.web.admin.openapi import build_document


class Served:
    """A bridge with a private listener, and a token of the scope `read`."""

    def __init__(self, bridge: Bridge, private: int) -> None:
        self.bridge = bridge
        self.private = private
        self.token = self.add_token("reader", "read")

    def call(self, *arguments: str) -> str:
        """Run a command in the bridge's folder and return its output."""
        done = call_here(self.bridge.folder, *arguments, environ=self.bridge.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_token(self, name: str, scopes: str) -> str:
        """Return the secret of a new token."""
        made = json.loads(self.call("token", "add", name, "--scope", scopes, "--json"))
        return str(made["token"])

    def get(self, path: str, *, token: str | None = None, port: int = 0, host: str = "") -> Answer:
        """GET a path below /admin/v1, on the private listener."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if host:
            headers["Host"] = host
        return exchange(port or self.private, head("GET", f"/admin/v1{path}", headers))

    def post(self, path: str, body: object, token: str) -> Answer:
        """POST a JSON body, or none, to a path below /admin/v1."""
        raw = b"" if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(raw)),
        }
        return exchange(self.private, head("POST", f"/admin/v1{path}", headers) + raw)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Served]:
    port = free_port()
    environ = {"FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{port}"}
    timings = {"answer_stall_seconds": 1.0}
    with Bridge(tmp_path_factory.mktemp("admin"), environ=environ, timings=timings) as bridge:
        yield Served(bridge, port)


def test_an_event_is_seen_from_its_arrival_to_its_delivery(served: Served) -> None:
    sent = served.bridge.event(b'{"action": "opened"}')
    event_id = sent.json["event_id"]
    assert event_id in [one["id"] for one in served.get("/events?source=github").json["items"]]
    served.bridge.wait_for(event_id, lambda one: one.status == "delivered")
    shown = served.get(f"/events/{event_id}").json
    assert shown["body"] is None
    assert shown["deliveries"][0]["status"] == "delivered"
    whole = served.add_token("whole", "read,bodies")
    shown = served.get(f"/events/{event_id}", token=whole).json
    assert json.loads(shown["body"]) == {"action": "opened"}
    command = json.loads(served.call("show", event_id, "--json"))
    assert shown.keys() == command.keys()
    assert served.get("/status").json["processes"]


def test_an_operation_is_proposed_agreed_to_and_carried_out(served: Served) -> None:
    sent = served.bridge.event(b'{"action": "closed"}')
    event_id = sent.json["event_id"]
    served.bridge.wait_for(event_id, lambda one: one.status == "delivered")
    token = served.add_token("operator", "operator")
    proposed = served.post(
        "/operations", {"command": "replay", "mode": "propose", "ids": [event_id]}, token
    )
    assert (proposed.status, proposed.json["count"]) == (201, 1)
    path = f"/operations/{proposed.json['id']}"
    assert served.post(f"{path}/agree", None, token).status == 202
    until(
        lambda: served.get(path, token=token).json["state"] == "done", what="the operation to end"
    )
    (item,) = served.get(f"{path}/items", token=token).json["items"]
    assert (item["outcome"], item["id"], len(item["made"])) == ("done", event_id, 1)
    assert [one["id"] for one in item["deliveries"]] == item["made"]
    listed = json.loads(served.call("operations", "--json").splitlines()[0])
    assert (listed["id"], listed["state"], listed["actor"]) == (
        proposed.json["id"],
        "done",
        "operator",
    )


def test_a_removed_token_ends_at_once_in_every_process(served: Served) -> None:
    token = served.add_token("short-lived", "read")
    assert served.get("/", token=token).status == 200
    served.call("token", "remove", "short-lived", "--yes")
    assert [served.get("/", token=token).status for _ in range(4)] == [401] * 4


def test_the_public_listener_does_not_have_it(served: Served) -> None:
    for path in ("/", "/status", "/openapi.json"):
        assert served.get(path, port=served.bridge.port).status == 404


def test_too_long_a_url_is_answered_as_the_document_says(served: Served) -> None:
    described = build_document()["paths"]["/events"]["get"]["responses"]["414"]
    answer = served.get(f"/events?text={'x' * 9000}")
    assert answer.status == 414
    Draft202012Validator(described["content"]["application/json"]["schema"]).validate(answer.json)
    assert answer.json["message"] == "malformed HTTP request"


def test_a_page_that_rebinds_its_name_is_refused(served: Served) -> None:
    assert served.get("/status", host="evil.example").status == 421
    assert served.get("/openapi.json", host="evil.example").status == 421


def test_the_log_has_the_requests_without_the_token(served: Served) -> None:
    answer = served.get("/events?type=secret-of-the-query")
    found = [
        one
        for one in served.bridge.log
        if one["event"] == "admin_request" and one["id"] == answer.headers["x-request-id"]
    ]
    assert [(one["path"], one["status"], one["token"]) for one in found] == [
        ("/admin/v1/events", 200, "reader")
    ]
    assert served.token not in served.bridge.stderr
    assert "secret-of-the-query" not in served.bridge.stderr


# -- streams

LARGE_COUNT = 250  # more than one chunk, and far more bytes than the kernel takes


@pytest.fixture(scope="module")
def large(served: Served) -> int:
    """Store deliveries with long reasons, and return their number."""
    reason = "x" * 64 * 1024
    for number in range(LARGE_COUNT):
        event = make_event(f"large-{number}", source="large")
        one = make_delivery(event, "large", status=Status.DEAD, reason=reason)
        events.add(served.bridge.database, event, (one,), lambda *_: [])
    return LARGE_COUNT


class StreamClient:
    """A client of a stream that reads when a test says so."""

    def __init__(self, served: Served, token: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(60.0)
        self.socket.connect(("127.0.0.1", served.private))
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}
        self.socket.sendall(head("GET", "/admin/v1/deliveries?route=large", headers))

    def read_rest(self) -> HTTPResponse:
        """Return the answer, whose body is still to be read."""
        answer = HTTPResponse(self.socket)
        answer.begin()
        return answer


def ended_streams(served: Served, name: str) -> list[str]:
    """Return how the streams of a token ended."""
    return [
        one["outcome"]
        for one in served.bridge.log
        if one["event"] == "admin_stream_ended" and one["token"] == name
    ]


def test_a_stream_has_the_whole_list(served: Served, large: int) -> None:
    client = StreamClient(served, served.add_token("streams-all", "read,bodies"))
    answer = client.read_rest()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    lines = answer.read().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == large
    client.socket.close()


def test_a_client_of_http_1_0_gets_no_stream(served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.token}", "Accept": "application/x-ndjson"}
    asked = head("GET", "/admin/v1/events", headers).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert exchange(served.private, asked).status == 406


def test_a_client_that_stops_reading_loses_its_stream(served: Served, large: int) -> None:
    token = served.add_token("stalls", "read,bodies")
    client = StreamClient(served, token)
    until(lambda: client.socket.recv(1, socket.MSG_PEEK))
    with served.bridge.database.read() as connection:
        checkpoint = "PRAGMA wal_checkpoint(PASSIVE)"
        _, pages, done = connection.exec_driver_sql(checkpoint).one()
    assert pages == done  # no reader holds the log back
    assert until(lambda: ended_streams(served, "stalls")) == ["disconnected"]
    assert "answer_stalled" in [one["event"] for one in served.bridge.log]
    with pytest.raises((IncompleteRead, ConnectionError)):
        client.read_rest().read()
    client.socket.close()

    def is_place_free() -> bool:
        again = StreamClient(served, token)
        try:
            return bool(again.read_rest().status == 200)
        finally:
            again.socket.close()

    until(is_place_free, what="a place for another stream of the token")


def test_a_stream_does_not_delay_the_end_of_the_bridge(served: Served, large: int) -> None:
    """The last test: it ends the bridge."""
    client = StreamClient(served, served.add_token("ends", "read,bodies"))
    until(lambda: client.socket.recv(1, socket.MSG_PEEK))
    assert served.bridge.stop() == 0
    with pytest.raises((IncompleteRead, ConnectionError)):
        client.read_rest().read()
    client.socket.close()
