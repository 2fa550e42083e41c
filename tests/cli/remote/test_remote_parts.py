"""alerts, flows and show --save print the same with --server as on the bridge's own machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from fake_platform import FakePlatform
from records import make_event
from remote_records import HOSTILE
from servers import Misbehaving, respond
from serving import ROUTES, until

from bridge.cli.bridge.event_files import describe_files
from bridge.cli.remote.client import AdminClient
from bridge.cli.remote.server_url import parse_server_url
from bridge.core.alert import Alert
from bridge.core.errors import BridgeError
from bridge.core.model import Event, FormFile
from bridge.services.records.json_record import UnreadableAnswer
from bridge.store.blobs import BlobStore
from bridge.store.inbound import events
from bridge.store.queries import alerts

PLATFORMS = """platforms:
  gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "{url}"}}
  hook: {{type: http, url: "https://example.com/x"}}
  lost: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "http://127.0.0.1:9"}}
"""
FLOWS = "version: 1\nflows:\n  repeat: {platform: gumloop, saved_item_id: echo}"
NOW = 1_790_000_000.0


@pytest.fixture(scope="module")
def platform() -> Iterator[FakePlatform]:
    with FakePlatform() as one:
        yield one


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, platform: FakePlatform, new_processes: None
) -> Iterator[BothWays]:
    routes = FLOWS + ROUTES.replace(
        "version: 1\nplatforms:\n", PLATFORMS.format(url=platform.base_url)
    )
    with serve_both_ways(tmp_path_factory.mktemp("both"), routes=routes) as served:
        yield served


def add_alerts(both: BothWays) -> None:
    known = [
        Alert(
            key=key,
            severity="warning",
            what=f"{key} {HOSTILE}",
            do=HOSTILE,
            since=NOW + number,
            seen_at=NOW + number,
            raised_at=raised_at,
            told=number,
        )
        for number, (key, raised_at) in enumerate(
            [("no_worker", NOW), ("gone:a", None), ("gone:b", NOW), (f"gone:{HOSTILE}", NOW)]
        )
    ]
    both.bridge.database.write(lambda connection: alerts.replace(connection, known))


def print_same(both: BothWays, *arguments: str) -> str | None:
    """Return what is printed if it is the same both ways: the API's overview is cached."""
    local = both.local(*arguments).stdout
    return local if both.remote(*arguments).stdout == local else None


def test_alerts_are_the_same_both_ways(both: BothWays) -> None:
    assert both.assert_same("alerts") == "No alert is raised.\n"
    assert both.assert_same("alerts", "--json") == ""
    add_alerts(both)
    printed = until(lambda: print_same(both, "alerts"))
    assert printed is not None and " over " in printed
    assert "no route" in printed
    assert len(until(lambda: print_same(both, "alerts", "--json")).splitlines()) == 4
    assert "no route subscribes" in both.remote("alerts").stderr


def test_flows_are_the_same_both_ways(both: BothWays) -> None:
    for more in ([], ["--json"]):
        assert "echo" in both.assert_same("flows", "list", "gumloop", *more)
        for flow in ("repeat", "gumloop/echo"):
            assert both.assert_same("flows", "inputs", flow, *more)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["flows", "list", "lost"], 1),
        (["flows", "list", "hook"], 1),
        (["flows", "list", "gumlop"], 2),
        (["flows", "inputs", "repaet"], 2),
        (["flows", "inputs", "gumloop/eco"], 1),
        (["flows", "inputs", "hook/x"], 1),
        (["flows", "inputs", "lost/x"], 1),
    ],
    ids=str,
)
def test_errors_of_flows_are_the_same_both_ways(
    both: BothWays, arguments: list[str], code: int
) -> None:
    local = both.local(*arguments)
    remote = both.remote(*arguments)
    assert (remote.stdout, remote.returncode) == (local.stdout, local.returncode) == ("", code)
    assert remote.stderr == local.stderr


def test_runs_are_started_listed_and_ended_the_same_both_ways(
    both: BothWays, platform: FakePlatform
) -> None:
    platform.run_seconds = 600.0
    for more in ([], ["--json"]):
        started = [
            done.stdout
            for done in (
                way("flows", "run", "repeat", "--input", "title=hi", *more)
                for way in (both.local, both.remote)
            )
        ]
        ids = list(platform.runs)[-2:]
        assert started[0] and started[0] == started[1].replace(ids[1], ids[0])
        ended = [
            way("flows", "kill", f"gumloop/{id_}", "--wait", *more)
            for way, id_ in zip((both.local, both.remote), ids, strict=True)
        ]
        assert ended[0].stdout == ended[1].stdout.replace(ids[1], ids[0]) != ""
        assert [one.returncode for one in ended] == [0, 0]
        assert ids[0] in both.assert_same("flows", "runs", "repeat", *more)
    assert platform.active == 0


def test_a_run_is_waited_for_both_ways(both: BothWays, platform: FakePlatform) -> None:
    platform.run_seconds = 0.0
    for flow, code in (("repeat", 0), ("gumloop/always-fails", 1)):
        found = [way("flows", "run", flow, "--wait") for way in (both.local, both.remote)]
        assert [one.returncode for one in found] == [code, code]
        ids = list(platform.runs)[-2:]
        assert found[0].stdout == found[1].stdout.replace(ids[1], ids[0])
        lines = [
            [re.sub(r"^[\d:.]+  ", "", line) for line in one.stderr.splitlines()[1:]]
            for one in found
        ]
        assert lines[0] == lines[1] != []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["runs", "hook/x"], 1),
        (["runs", "nothing"], 2),
        (["run", "repaet"], 2),
        (["run", "lost/x"], 1),
        (["kill", "hook/x"], 1),
        (["kill", "gumlop/x"], 2),
        (["kill", "gumloop/x"], 1),
        (["kill", "x"], 2),
    ],
    ids=str,
)
def test_errors_of_runs_are_the_same_both_ways(
    both: BothWays, arguments: list[str], code: int
) -> None:
    local, remote = both.local("flows", *arguments), both.remote("flows", *arguments)
    assert (remote.stdout, remote.returncode) == (local.stdout, local.returncode) == ("", code)
    assert remote.stderr == local.stderr


def test_a_platform_without_runs_is_not_started_and_waited_for(both: BothWays) -> None:
    for way in (both.local, both.remote):
        done = way("flows", "run", "hook/x", "--wait")
        assert (done.returncode, done.stdout) == (1, "")
        assert "the platform 'hook' (http) has no runs" in done.stderr


def test_a_token_that_reads_starts_and_ends_nothing(both: BothWays, platform: FakePlatform) -> None:
    token = both.add_token("reading", "read")
    for arguments in (["run", "repeat"], ["kill", "gumloop/x"]):
        done = both.remote("flows", *arguments, token=token)
        assert (done.returncode, done.stdout) == (1, "")
        assert "this needs the scope `act`" in done.stderr
        assert "flowbridge token add new-operator --scope operator" in done.stderr
    known = len(platform.runs)
    shown = both.remote("flows", "runs", "repeat", "--json", token=token)
    assert shown.returncode == 0
    assert len(platform.runs) == known


def test_other_commands_of_the_groups_are_refused(both: BothWays) -> None:
    for arguments in (["alerts", "test"],):
        done = both.remote(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        named = f"`{' '.join(arguments[:2])}`"
        assert f"{named} works on the bridge's own machine only" in done.stderr
        assert "These work with it" not in done.stderr, "their groups are among these"


# -- files


def add_event(both: BothWays) -> Event:
    """An event with two files and one whose bytes are gone."""
    blobs = BlobStore(both.bridge.folder / "data" / "blobs")
    contents = [b"one", b"two", b"gone"]
    files = tuple(
        FormFile(
            field="cv", name=f"../{HOSTILE}", type="text/plain", size=3, sha256=blobs.store(one)
        )
        for one in contents
    )
    blobs.path(files[-1].sha256).unlink()
    event = make_event("files", files=files)
    events.add(both.bridge.database, event, [], lambda *_: [])
    return event


def read_folder(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def test_files_are_saved_both_ways(both: BothWays) -> None:
    event = add_event(both)
    for more in ([], ["--json"]):
        folder = f"saved{len(more)}"
        printed = both.assert_same("show", event.id, "--save", folder, *more, code=1)
        assert len(printed.splitlines()) == 2
        saved = read_folder(both.home / folder)
        assert saved == read_folder(both.bridge.folder / folder)
        assert sorted(saved.values()) == [b"one", b"two"]
    assert (
        "are not in the data folder of the bridge's machine"
        in both.remote("show", "--save", "newest").stderr
    )
    refused = both.remote("show", event.id, "--save", "x", token=both.add_token("r", "read"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "scope `bodies`" in refused.stderr
    assert not (both.home / "x").exists()
    plain = make_event("plain")
    events.add(both.bridge.database, plain, [], lambda *_: [])
    for id_ in (plain.id, "evt_zzz", "rej_zzz"):
        local = both.local("show", id_, "--save", "x")
        remote = both.remote("show", id_, "--save", "x")
        assert (remote.stderr, remote.returncode) == (local.stderr, local.returncode)


def file_of(**values: Any) -> FormFile:
    one = {"field": "f", "name": "n", "type": "t", "size": 3, "sha256": "0" * 64}
    return FormFile(**{**one, **values})


@pytest.mark.parametrize(
    "values",
    [{"sha256": "../../status"}, {"sha256": 3}, {"size": -1}, {"size": 1 << 40}, {"name": ["a"]}],
    ids=str,
)
def test_files_of_another_shape_are_not_asked_for(values: dict[str, Any]) -> None:
    with Misbehaving() as server:
        client = AdminClient(parse_server_url(server.url), "fb_0123456789")
        with pytest.raises(UnreadableAnswer):
            describe_files(client, make_event("x", files=(file_of(**values),)), None)
        assert server.received == []


@pytest.mark.parametrize("sent", [b"other", b"", b"o" * 100])
def test_other_bytes_than_those_of_the_file_are_refused(sent: bytes) -> None:
    event = make_event("x", files=(file_of(sha256=hashlib.sha256(b"one").hexdigest()),))
    with Misbehaving() as server:
        path = f"/admin/v1/events/{event.id}/files/{event.files[0].sha256}"
        server.script(path, respond(200, sent), respond(200, b"one"))
        client = AdminClient(parse_server_url(server.url), "fb_0123456789")
        found = describe_files(client, event, None)
        with pytest.raises(BridgeError):
            found.read(event.files[0])
        assert found.read(event.files[0]) == b"one"
