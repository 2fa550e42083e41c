"""tail prints the same with --server as on the bridge's own machine, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from records import make_delivery, make_event, put
from remote_records import HOSTILE, SECRET, add_records
from servers import Misbehaving, respond

from bridge.cli.bridge.changes import MAX_CURSOR_CHARS, ChangeTail
from bridge.cli.bridge.client import Bridge
from bridge.cli.bridge.local_transport import LocalTransport
from bridge.cli.commands.tail import print_change
from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_url import parse_server_url
from bridge.config.settings import load_settings
from bridge.core.model import Delivery, Status
from bridge.services.records.json_record import UnreadableAnswer
from bridge.store.inbound import events
from bridge.store.queries.events import list_deliveries
from bridge.store.queries.filters import Filters

CLOCK = re.compile(r"^\d{2}:\d{2}:\d{2}\.\d{3}", re.MULTILINE)
NUMBERS = count()
NO_FILTERS = dict.fromkeys(
    ("source", "route", "status", "run", "type_", "reason", "dead_kind", "since")
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both")) as served:
        store = served.bridge.database
        add_records(store)
        for one in list_deliveries(store, Filters(run="running"), 0):
            put(store, one.id, slot=True)
        yield served


@pytest.mark.parametrize(
    "arguments",
    [
        ["tail", "--json"],
        ["tail"],
        ["tail", "--limit", "0"],
        ["tail", "--limit", "600", "--json"],
        ["tail", "--source", "github", "--run", "running", "--limit", "3"],
        ["tail", "--status", "dead", "--reason", "<script>", "--json"],
    ],
    ids=" ".join,
)
def test_the_newest_events_and_those_in_flight_are_the_same_both_ways(
    both: BothWays, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def stop_later(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            looks.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(import_module("bridge.cli.commands.tail"), "pause", stop_later)
    local = both.local(*arguments)
    remote = both.remote(*arguments)
    assert CLOCK.sub("…", remote.stdout) == CLOCK.sub("…", local.stdout)
    assert local.stdout or "dead" in arguments
    assert (remote.returncode, local.returncode) == (0, 0), remote.stderr
    assert "Waiting for events" in remote.stderr


def test_an_unknown_source_is_refused_before_the_wait(both: BothWays) -> None:
    local = both.local("tail", "--source", "githib")
    remote = both.remote("tail", "--source", "githib")
    assert remote.stderr == local.stderr
    assert (remote.returncode, remote.stdout) == (local.returncode, local.stdout) == (2, "")


def readers(both: BothWays) -> tuple[Bridge, Bridge]:
    settings = load_settings(both.bridge.environ, config=str(both.bridge.config), secrets=False)
    client = AdminClient(parse_server_url(both.server), both.token)
    local = LocalTransport(str(both.bridge.config), settings, both.bridge.database)
    return Bridge(local), Bridge(client)


@pytest.mark.parametrize(
    "chosen",
    [{}, {"status": "dead"}, {"route": "second"}, {"source": "crm"}, {"dead_kind": "platform"}],
    ids=str,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["human", "json"])
def test_each_change_is_the_same_both_ways(
    both: BothWays,
    chosen: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool,
) -> None:
    feeds = [one.follow_changes(NO_FILTERS | chosen) for one in readers(both)]
    for printed in follow(feeds, both, capsys, as_json=as_json):
        assert printed[0] == printed[1]
        assert chosen or printed[0]


def follow(
    feeds: list[Any], both: BothWays, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> Iterator[list[str]]:
    """Yield what each feed prints after each step of a delivery, with the same clock."""
    for step in [lambda: None, *steps(both)]:
        step()
        printed = []
        for feed in feeds:
            for change in feed.read_changes():
                print_change(change, as_json=as_json)
            printed.append(CLOCK.sub("…", capsys.readouterr().out))
        yield printed


def steps(both: BothWays) -> list[Callable[[], object]]:
    """Return the steps of an event with two deliveries, one of which dies; and of another one."""
    store = both.bridge.database
    event = make_event(f"tail-{next(NUMBERS)}")
    first, second = make_delivery(event), make_delivery(event, "second")
    other = make_event(f"crm-{event.id}", source="crm", problem=HOSTILE, spam=SECRET)

    def change(one: Delivery, **values: Any) -> Callable[[], object]:
        return lambda: put(store, one.id, **values)

    return [
        lambda: events.add(store, event, [first, second], lambda *_: []),
        change(first, status="sending", slot=True, lease="w", lease_until=0.0),
        change(
            first,
            status=Status.DEAD.value,
            slot=False,
            lease=None,
            dead_kind="platform",
            reason=HOSTILE,
        ),
        lambda: events.add(store, other, [], lambda *_: []),
        change(second, status="cancelled"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        {"items": [], "next": None},
        {"items": [], "next": ""},
        {"items": [], "next": "a" * (MAX_CURSOR_CHARS + 1)},
        {"items": 3, "next": "a"},
        {"items": [3], "next": "a"},
        {"items": [{"at": 3, "event": {}, "delivery": None}], "next": "a"},
        {"items": [{"at": "2026-01-01T00:00:00Z", "event": [], "delivery": None}], "next": "a"},
        {"items": [{"at": "2026-01-01T00:00:00Z", "event": {}, "delivery": {}}], "next": "a"},
        {"items": [{"at": "2026-01-01T00:00:00Z", "event": {"id": 3}, "delivery": None}]},
    ],
    ids=str,
)
def test_a_page_of_another_shape_is_unreadable(page: dict[str, Any]) -> None:
    with Misbehaving() as server:
        server.script("/admin/v1/tail", respond(200, {"next": "a"}), respond(200, page))
        client = AdminClient(parse_server_url(server.url), "fb_0123456789")
        changes = ChangeTail(client, [])
        with pytest.raises(UnreadableAnswer):
            list(changes.read_changes())
