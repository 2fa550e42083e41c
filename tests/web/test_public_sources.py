"""What anyone may send cannot take the room of signed requests: bytes a day, and the rest of the
disk. Through the store, and over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import new_postgres_database
from days import within_a_day
from forms import MULTIPART, PDF, multipart, part
from processes import call
from records import NOW, make_event
from serving import Answer, Bridge, github, until
from small_disk import SIZE

from bridge.config.loader import load
from bridge.core.errors import Refused
from bridge.core.units import DAY
from bridge.ingest.forms.spam.dedup import SubmissionMarks, UniqueMark
from bridge.ingest.ports import signed_reserve
from bridge.store.db.database import Database
from bridge.store.inbound import daily_bytes, submissions
from bridge.torture.disk import SmallDisk

MIB = 1024 * 1024
FLOOD = 70  # submissions of 15 KiB, which are more than a MiB


# -- through the store


def submit(
    database: Database,
    size: int,
    *,
    now: float = NOW,
    key: str = "",
    source: str = "contact",
    most: int | None = 100,
) -> int:
    one = make_event(provider="form", source=source, body=b"x" * size)
    marks = SubmissionMarks(
        now=now, digest=key, once=(UniqueMark(key, now + 600),) if key else (), daily_bytes=most
    )
    try:
        return 200 if submissions.add(database, one, [], marks, lambda *_: []).duplicate else 202
    except Refused as refused:
        assert (refused.code, int(refused.headers["Retry-After"])) == (
            "daily_bytes_full",
            int(DAY - now % DAY) + 1,
        )
        return refused.status


def stored(database: Database, now: float = NOW) -> dict[str, int]:
    with database.read() as connection:
        return daily_bytes.stored_today(connection, now)


def test_a_form_stores_so_many_bytes_in_a_day(database: Database) -> None:
    assert [submit(database, size) for size in (60, 41, 40, 1)] == [202, 507, 202, 507]
    assert submit(database, 101, source="other") == 507
    assert [
        submit(database, 100, source="other"),
        submit(database, 500, source="free", most=None),
    ] == [202, 202]
    assert stored(database) == {"contact": 100, "other": 100}, "what was refused was not counted"
    assert (submit(database, 1, now=NOW + DAY), stored(database, NOW + DAY)) == (
        202,
        {"contact": 1},
    ), "the next day begins anew"
    assert submit(database, 100, now=NOW + DAY) == 507


def test_one_that_only_repeats_another_counts_nothing(database: Database) -> None:
    assert [submit(database, 100, key="same"), submit(database, 100, key="same")] == [202, 200]
    assert stored(database) == {"contact": 100}


def test_of_many_at_once_no_more_are_stored_also_after_a_restart(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: submit(database, 30), range(12))) == [202] * 3 + [507] * 9
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        assert [submit(other, 11), submit(other, 10)] == [507, 202]
    finally:
        other.close()


def test_events_of_other_sources_count_too_and_a_batch_is_stored_whole_or_not(
    database: Database,
) -> None:
    def add(*ids: str) -> list[bool]:
        """Whether each event is new."""
        arrivals = [(make_event(one, source="open", body=b"x" * 40), []) for one in ids]
        added = daily_bytes.add_all(database, arrivals, lambda *_: [], 100, NOW)
        return [one.event_id == event.id for one, (event, _) in zip(added, arrivals, strict=True)]

    assert add("a") == [True]
    with pytest.raises(Refused):
        add("b", "c")
    assert add("a", "b") == [
        False,
        True,
    ], "a duplicate counts nothing, and of what was refused nothing is known"
    assert (add("a", "b"), stored(database)) == ([False, False], {"open": 80})


# -- routes.yaml


def test_what_sources_say(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("""
version: 1
sources:
  form: {provider: form}
  files: {provider: form, files: true, daily_bytes: 1 GiB}
  open: {provider: hmac, insecure: true, verify: {header: X-Sig}}
  signed: {provider: github, secret: "${env:SECRET}"}
  bounded: {provider: github, secret: "${env:SECRET}", daily_bytes: 10 MiB}
""")
    sources = load(path, {"SECRET": "a-long-secret-of-the-tests"}).sources
    said = {
        name: (one.is_public, one.daily_bytes and one.daily_bytes // MIB, one.max_body // 1024)
        for name, one in sources.items()
    }
    assert said == {
        "form": (True, 64, 256),
        "files": (True, 1024, 25 * 1024),
        "open": (True, 64, 5 * 1024),
        "signed": (False, None, 25 * 1024),
        "bounded": (False, 10, 25 * 1024),
    }
    assert [signed_reserve(total) for total in (100 * MIB, 10**12)] == [10 * MIB, 256 * MIB]


# -- over HTTP


ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  bounded: {provider: github, secret: "${env:GITHUB_SECRET}", daily_bytes: 1 MiB}
  contact: {provider: form, rate: 10000/min and 10000/min per address, daily_bytes: 1 MiB}
  jobs: {provider: form, rate: 10000/min and 10000/min per address, daily_bytes: 1 MiB, files: true}
  open: {provider: hmac, insecure: true, verify: {header: X-Sig}, daily_bytes: 1 MiB}
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def web(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Bridge]:
    # a proxy that names no client: no network has a share
    environ = {"FLOWBRIDGE_SECRET_KEY": "x" * 40, "FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1"}
    if request.param == "postgresql":
        environ["FLOWBRIDGE_DATABASE_URL"] = new_postgres_database(
            request.getfixturevalue("postgres")
        )
    with Bridge(tmp_path_factory.mktemp("public"), "web", routes=ROUTES, environ=environ) as bridge:
        yield bridge


def send(
    web: Bridge, source: str, number: int, accept: str = "application/json", size: int = 15 * 1024
) -> Answer:
    body = json.dumps({"name": f"{number}", "text": "x" * size}).encode()
    return web.post(
        f"/hooks/{source}", body, {"Content-Type": "application/json", "Accept": accept}
    )


def command(web: Bridge, *arguments: str) -> str:
    """What a command says of this bridge; `status` ends with 1 where something is wrong."""
    return call(web.folder, "--config", str(web.config), *arguments, environ=web.environ).stdout


def send_file(web: Bridge, number: int) -> Answer:
    body = multipart(
        part("name", b"%d" % number + b"x" * 15 * 1024), part("cv", PDF + b"%d" % number, "cv.pdf")
    )
    return web.post("/hooks/jobs", body, {"Content-Type": MULTIPART, "Accept": "application/json"})


@pytest.mark.parametrize("source", ["contact", "open", "jobs"])
def test_a_flood_of_a_public_source_is_refused_and_signed_ones_go_on(
    web: Bridge, source: str
) -> None:
    within_a_day()
    answers = [
        send_file(web, number) if source == "jobs" else send(web, source, number)
        for number in range(FLOOD)
    ]
    statuses = [one.status for one in answers]
    kept = statuses.count(202)
    assert statuses == [202] * kept + [507] * (
        FLOOD - kept
    ) and 15 * 1024 * kept <= MIB < 16 * 1024 * (kept + 1)
    assert (
        answers[-1].json["error"] == "daily_bytes_full"
        and 0 < int(answers[-1].headers["retry-after"]) <= DAY
    )
    if source != "open":
        page = send(web, source, 9999, "text/html")
        assert (
            page.status == 507
            and b"cannot accept more submissions today" in page.body
            and b'value="9999"' in page.body
        ), "with what was typed"
    assert web.event().status == 202
    web.stop()
    web.start()
    assert send(web, source, FLOOD).status == 507, "also after a restart"
    found = {one["name"]: one for one in json.loads(command(web, "status", "--json"))["sources"]}[
        source
    ]
    assert found["daily_bytes"] == MIB and 0.9 * MIB < found["stored_today"] <= MIB
    assert f"source {source} stored 1.0 MiB of at most 1.0 MiB today" in command(web, "status")


def test_files_of_what_is_refused_are_not_kept(web: Bridge) -> None:
    within_a_day()

    def blobs() -> int:
        return sum(1 for one in (web.folder / "data" / "blobs").rglob("*") if one.is_file())

    while send_file(web, 1000 + blobs()).status != 507:
        pass
    before = blobs()
    assert {send_file(web, 2000 + number).status for number in range(5)} == {507}
    assert blobs() == before


def test_a_signed_source_may_have_a_bound_of_its_own(web: Bridge) -> None:
    within_a_day()

    def sent(number: int) -> Answer:
        body = b'{"n":"%s"}' % (b"x" * 200_000)
        return web.post("/hooks/bounded", body, github(body, delivery=f"bounded-{number}"))

    answers = [sent(number) for number in range(7)]
    assert [one.status for one in answers] == [202] * 5 + [507] * 2
    assert sent(0).json["event_id"] == answers[0].json["event_id"], "a copy of one that is stored"


def test_the_rest_of_a_disk_is_for_signed_sources(tmp_path: Path, small: SmallDisk) -> None:
    environ = {
        "FLOWBRIDGE_DATA": str(small.path / "data"),
        "FLOWBRIDGE_DATABASE_URL": f"sqlite:///{small.path}/data/flowbridge.db",
    }
    with Bridge(tmp_path, "web", routes=ROUTES, environ=environ) as bridge:
        assert [
            send(bridge, "contact", 1).status,
            send(bridge, "open", 1).status,
            bridge.event().status,
        ] == [202, 202, 202]
        small.fill()
        ballast = small.path / "ballast"
        # more than a twentieth of the disk, less than a tenth
        left = signed_reserve(SIZE * MIB) * 3 // 4
        with ballast.open("r+b") as file:
            file.truncate(ballast.stat().st_size - left)
        until(
            lambda: send(bridge, "contact", 2, size=10).status == 507, what="a form that is refused"
        )
        answer = send(bridge, "contact", 3, size=10)
        assert answer.json["error"] == "disk_full" and int(answer.headers["retry-after"]) > 0
        assert (
            b"cannot accept submissions at the moment"
            in send(bridge, "contact", 3, "text/html", size=10).body
        )
        assert send(bridge, "open", 3, size=10).status == 507
        assert bridge.event().status == 202, "a signed request is stored"
        shown = " ".join(command(bridge, "status").split())
        assert "are reserved for signed sources" in shown
        small.make_room()
        until(lambda: send(bridge, "contact", 4, size=10).status == 202, what="room for forms")
