"""A disk that fills up under a whole bridge: new events are refused, nothing that was taken on is
lost, none is started twice, and it recovers by itself. On a small file system in memory, with real
processes.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import Misbehaving, respond
from serving import Bridge, until
from small_disk import SIZE

from bridge.store.operations import checkup
from bridge.store.queries import census
from bridge.torture.disk import SmallDisk

ROUTES = """
version: 1
platforms:
  local: {{type: local}}
  crm: {{type: http, url: "{url}", timeout: 60s}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: here, on: github issues, inputs: {{n: "${{body.n}}"}}, flow: local/echo}}
  - {{name: there, on: github push, inputs: {{n: "${{body.n}}"}}, flow: crm/import, on_unknown: hold}}
"""


class Platform:
    """Starts what it is asked to, and answers once it may."""

    def __init__(self, server: Misbehaving) -> None:
        self.may_answer = threading.Event()
        self.server = server
        self.url = server.script("/import", self._answer)

    def _answer(self, sock: socket.socket, server: Misbehaving) -> None:
        while not self.may_answer.is_set() and not server.stopping.is_set():
            self.may_answer.wait(0.05)
        respond(200, {"ok": True})(sock, server)

    @property
    def starts(self) -> Counter[str]:
        """How often each delivery was started."""
        return Counter(one.headers["idempotency-key"] for one in self.server.received)


class Senders:
    """Posts events, and remembers what was acknowledged."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.acked = dict[str, str]()
        self.sent = 0

    def post(self, kind: str = "issues", size: int = 10) -> int:
        self.sent += 1
        id_ = f"event-{self.sent}"
        body = b'{"n":%d,"pad":"%s"}' % (self.sent, b"x" * size)
        answer = self.bridge.event(body, event=kind, delivery=id_)
        if answer.status == 202:
            self.acked[id_] = answer.json["event_id"]
        elif answer.status == 503:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json["error"] == "store_failed"
        return answer.status


def statuses(bridge: Bridge) -> Counter[str]:
    return Counter(one.status for one in census.read_rows(bridge.database).deliveries)


def account(bridge: Bridge, senders: Senders, platform: Platform) -> None:
    """Every acknowledged event is there with its delivery, nothing was started twice, and the
    database is whole.
    """
    books = census.read_rows(bridge.database)
    assert {one.provider_id: one.id for one in books.events} == senders.acked
    assert {one.event_id for one in books.deliveries} == set(senders.acked.values())
    assert max(platform.starts.values(), default=0) <= 1
    assert len({one.idempotency_key for one in books.runs}) == len(books.runs)
    found = checkup.check_database(bridge.database)
    assert found["problems"] == []


@contextmanager
def on_a_small_disk(folder: Path, small: SmallDisk) -> Iterator[tuple[Bridge, Senders, Platform]]:
    """A bridge whose data are on the small disk, who sends to it, and whom it asks."""
    with Misbehaving() as server:
        platform = Platform(server)
        environ = {"FLOWBRIDGE_DATA": str(small.path / "data")}
        with Bridge(folder, routes=ROUTES.format(url=platform.url), environ=environ) as bridge:
            bridge.environ["FLOWBRIDGE_DATABASE_URL"] = (
                f"sqlite:///{small.path / 'data' / 'flowbridge.db'}"
            )
            yield bridge, Senders(bridge), platform


def test_a_full_disk_refuses_what_is_new_and_loses_nothing(
    tmp_path: Path, small: SmallDisk
) -> None:
    with on_a_small_disk(tmp_path, small) as (bridge, senders, platform):
        assert [senders.post() for _ in range(10)] == [202] * 10
        until(lambda: statuses(bridge) == {"delivered": 10}, what="the first ten")
        assert [senders.post("push") for _ in range(5)] == [202] * 5
        until(lambda: len(platform.starts) == 5, what="five calls under way")

        small.fill()
        until(lambda: senders.post(size=20_000) == 503, what="a refusal")
        assert {senders.post(size=20_000) for _ in range(5)} == {503}
        until(
            lambda: bridge.get("/readyz").status == 503,
            what="a bridge that says that it is not ready",
        )
        assert bridge.get("/healthz").status == 200
        platform.may_answer.set()

        small.make_room()
        until(lambda: bridge.get("/readyz").status == 200, what="recovery")
        assert {senders.post() for _ in range(3)} == {202}
        until(
            lambda: statuses(bridge) == {"delivered": len(senders.acked)},
            what="everything delivered",
        )
        account(bridge, senders, platform)
        assert platform.starts and set(platform.starts.values()) == {1}


@pytest.mark.parametrize(
    "killed", [False, True], ids=["a worker that lives on", "a worker that is killed"]
)
def test_an_outcome_that_cannot_be_written_starts_nothing_twice(
    tmp_path: Path, small: SmallDisk, killed: bool
) -> None:
    """The worker keeps it until it can. With the process it is lost: unknown then, and a person's
    to settle.
    """
    with on_a_small_disk(tmp_path, small) as (bridge, senders, platform):
        assert [senders.post("push") for _ in range(3)] == [202] * 3
        until(lambda: len(platform.starts) == 3, what="three calls under way")
        small.fill()
        platform.may_answer.set()
        until(lambda: "store_failed" in bridge.stderr, what="a worker that cannot write")
        assert statuses(bridge) == {"sending": 3}
        if killed:
            bridge.kill()
        small.make_room()
        if killed:
            bridge.start()
        after = "unknown" if killed else "delivered"
        until(lambda: statuses(bridge) == {after: 3}, what="the outcomes")
        assert senders.post() == 202
        until(
            lambda: statuses(bridge) == Counter({after: 3}) + Counter(delivered=1),
            what="the next one",
        )
        account(bridge, senders, platform)


def test_new_events_leave_room_for_the_end_of_what_was_begun(
    tmp_path: Path, small: SmallDisk
) -> None:
    """Events come in until they are refused, with nobody else on the disk: what was taken on is
    delivered all the same.
    """
    with on_a_small_disk(tmp_path, small) as (bridge, senders, platform):
        until(lambda: senders.post(size=200_000) == 503, what="a full disk")
        until(
            lambda: statuses(bridge) == {"delivered": len(senders.acked)},
            what="everything delivered",
        )
        subprocess.run(["mount", "-o", f"remount,size={2 * SIZE}m", small.path], check=True)
        until(lambda: senders.post() == 202, what="a larger disk that takes events again")
        until(
            lambda: statuses(bridge) == {"delivered": len(senders.acked)},
            what="everything delivered",
        )
        account(bridge, senders, platform)
