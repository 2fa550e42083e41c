"""export prints the same with --server as on the bridge's own machine, or says that it did not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from records import make_event
from remote_records import HOSTILE
from servers import Misbehaving, Reply, chunked, cut_off, respond
from serving import ROUTES

from bridge.cli.remote.client import NDJSON, AdminClient
from bridge.cli.remote.server_problems import ServerError
from bridge.cli.remote.server_url import parse_server_url
from bridge.cli.remote.submissions import open_submissions
from bridge.core.errors import BridgeError, InvalidRequest
from bridge.services.exports import ExportedSubmission
from bridge.services.records.json_record import UnreadableAnswer
from bridge.store.db.database import Database
from bridge.store.inbound import events

FORMS = ROUTES.replace(
    "sources:\n",
    "sources:\n  contact: {provider: form}\n  survey: {provider: tally, insecure: true}\n",
)
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
COUNT = 120  # more than the bodies of two chunks


def add_submissions(store: Database) -> None:
    bodies: list[tuple[str, str, dict[str, str], bytes]] = [
        ("contact", "form", FORM, b"name=Ada&n=%d&note=%%1b%%5b31m%%0d%%0a,%%22" % number)
        for number in range(COUNT)
    ]
    tally = {"data": {"fields": [{"label": HOSTILE, "value": [1.5, -0.0, 1e300, None, HOSTILE]}]}}
    bodies += [
        ("contact", "form", FORM, b"name=%3DSUM(A1)&tag=x&tag=y"),
        ("survey", "tally", JSON, json.dumps(tally).encode()),
        ("survey", "tally", JSON, b"{"),
        ("github", "github", JSON, b'{"action": "opened"}'),
    ]
    for number, (source, provider, headers, body) in enumerate(bodies):
        event = make_event(f"s{number}", body=body, headers=headers, source=source)
        spam = "a robot" if number % 10 == 3 else None
        events.add(store, replace(event, provider=provider, spam=spam), [], lambda *_: [])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both"), routes=FORMS) as served:
        add_submissions(served.bridge.database)
        yield served


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "filters",
    [
        [],
        ["--spam"],
        ["--source", "contact", "--limit", "7"],
        ["--source", "survey", "--status", "none"],
        ["--where", "body.n=17"],
        ["--body", "SUM", "--since", "2020-01-01"],
        ["--until", "2020-01-01"],
    ],
    ids=" ".join,
)
def test_submissions_are_the_same_both_ways(both: BothWays, filters: list[str], kind: str) -> None:
    printed = both.assert_same("export", "--as", kind, *filters)
    assert printed or "2020-01-01" in filters
    if not filters and kind == "jsonl":
        assert len(printed.splitlines()) == COUNT + 2 - 12


def test_errors_leave_stdout_empty(both: BothWays) -> None:
    local = both.local("export", "--source", "contcat")
    remote = both.remote("export", "--source", "contcat")
    assert (remote.stderr, remote.returncode, remote.stdout) == (local.stderr, 2, "")
    refused = both.remote("export", token=both.add_token("reader", "read"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs the scope `bodies`" in refused.stderr


LINE = json.dumps(
    {"received_at": None, "id": "evt_1", "source": "a", "type": None, "fields": {"a": 1}}
).encode()
GOOD = LINE + b"\n"


def stream(*pieces: bytes, end: bool = True) -> Reply:
    return chunked(*pieces, end=end, headers={"Content-Type": NDJSON})


def read(server: Misbehaving, *replies: Reply, **more: Any) -> list[list[ExportedSubmission]]:
    """Return what is read twice."""
    server.script("/admin/v1/submissions", *replies)
    url = parse_server_url(server.url)
    client = AdminClient(url, "fb_0123456789", sleep=lambda _: None)
    with open_submissions(client, [("limit", "0")], **more) as found:
        return [list(found), list(found)]


def read_once(server: Misbehaving, reply: Reply) -> Iterator[ExportedSubmission]:
    """Yield what is read as it arrives."""
    server.script("/admin/v1/submissions", reply)
    client = AdminClient(parse_server_url(server.url), "fb_0123456789", sleep=lambda _: None)
    with open_submissions(client, [("limit", "0")]) as found:
        yield from found.read_once()


def test_a_stream_may_come_in_any_pieces() -> None:
    with Misbehaving() as server:
        pieces = [(GOOD * 3)[at : at + 7] for at in range(0, len(GOOD) * 3, 7)]
        busy = respond(503, b"{}", {"Retry-After": "1"})
        first, second = read(server, busy, stream(*pieces))
        assert [(one.id, one.fields) for one in first] == [("evt_1", {"a": 1})] * 3
        assert first == second
        assert read(server, stream()) == [[], []]
        assert server.received[0].headers["accept"] == NDJSON


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (stream(GOOD, GOOD, end=False), ServerError, "incomplete after 2 records.*broken off"),
        (stream(GOOD, LINE), ServerError, "incomplete after 1 records"),
        (stream(GOOD, LINE[:20], end=False), ServerError, "Run the command again"),
        (
            respond(200, GOOD, {"Content-Type": NDJSON, "Connection": "close"}),
            ServerError,
            "a break would look like its end",
        ),
        (cut_off(200, GOOD), UnreadableAnswer, "as expected"),
        (respond(200, GOOD, {"Content-Type": "text/html"}), UnreadableAnswer, "as expected"),
        (stream(b"[]\n"), UnreadableAnswer, "as expected"),
        (stream(b"3\n"), UnreadableAnswer, "as expected"),
        (stream(b"{}\n"), UnreadableAnswer, "as expected"),
        (stream(b"\n"), UnreadableAnswer, "as expected"),
        (stream(GOOD.replace(b'{"a": 1}', b"[1]")), UnreadableAnswer, "as expected"),
        (stream(GOOD.replace(b'"evt_1"', b"1")), UnreadableAnswer, "as expected"),
        (respond(204), UnreadableAnswer, "as expected"),
        (respond(500, b"<html>"), ServerError, "answered 500"),
    ],
)
def test_an_incomplete_or_strange_stream_is_an_error(
    reply: Reply, error: type[Exception], words: str
) -> None:
    with Misbehaving() as server, pytest.raises(error, match=words):
        read(server, reply)


def test_records_are_read_as_they_arrive_and_a_break_is_an_error() -> None:
    with Misbehaving() as server:
        found = read_once(server, stream(GOOD, GOOD, LINE, end=False))
        assert [next(found).id, next(found).id] == ["evt_1"] * 2
        with pytest.raises(ServerError, match="after 2 records, so only the first 2 were printed"):
            next(found)
        assert server.received[0].query == "limit=0&order=oldest"
        with pytest.raises(UnreadableAnswer, match="as expected"):
            list(read_once(server, stream(b"{}\n")))


def test_a_break_leaves_what_was_printed_and_exit_code_1(both: BothWays) -> None:
    with Misbehaving() as server:
        server.script("/admin/v1/submissions", *[stream(GOOD, GOOD, end=False)] * 2)
        lines = both.remote("export", "--as", "jsonl", server=server.url)
        table = both.remote("export", server=server.url)
    assert (lines.returncode, lines.stdout.count("evt_1")) == (1, 2)
    assert "incomplete after 2 records, so only the first 2 were printed" in lines.stderr
    assert (table.returncode, table.stdout) == (1, "")
    assert "incomplete after 2 records, so nothing is printed" in table.stderr


def test_a_page_of_the_api_cannot_begin_with_the_oldest(both: BothWays) -> None:
    client = AdminClient(parse_server_url(both.server), both.token)
    with pytest.raises(InvalidRequest, match="only an NDJSON stream can begin with the oldest"):
        client.get("/submissions", [("order", "oldest")])
    client.close()


def test_the_submissions_of_a_stream_have_a_limit() -> None:
    with Misbehaving() as server, pytest.raises(BridgeError, match="select fewer"):
        read(server, stream(GOOD, GOOD, GOOD), max_bytes=len(GOOD) * 2)
