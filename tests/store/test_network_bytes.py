"""Tests of the bytes that networks have stored: counted with the events, on all nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from records import NOW, make_event

from bridge.core.errors import Refused
from bridge.core.model import FormFile
from bridge.core.units import DAY
from bridge.ingest.forms.room import StoredBytes
from bridge.ingest.forms.spam.dedup import SubmissionMarks, UniqueMark
from bridge.store.db.database import Database
from bridge.store.inbound import form_files, network_bytes, removal, submissions
from bridge.store.tables import schema

NETWORK = 7
OTHER = 8
KEEP = 100
TODAY = 100


def submit(
    database: Database,
    file: int = 0,
    body: int = 0,
    *,
    network: int | None = NETWORK,
    now: float = NOW,
    key: str = "",
    provider_id: str | None = None,
    spam: str | None = None,
) -> str:
    """Store a submission, and return its event's id, or the code of its refusal."""
    files = [FormFile(field="cv", name="cv.pdf", type="", size=file, sha256="0" * 64)][: file > 0]
    event = make_event(
        provider_id=provider_id,
        provider="form",
        source="jobs",
        files=tuple(files),
        body=b"x" * body,
        spam=spam,
    )
    once = (UniqueMark(key, now + 600),) if key else ()
    marks = SubmissionMarks(
        now=now, digest=key, once=once, room=KEEP, daily_bytes=TODAY, network=network
    )
    try:
        return submissions.add(database, event, [], marks, lambda *_: []).event_id
    except Refused as refused:
        return refused.code


def stored(database: Database, network: int = NETWORK, now: float = NOW) -> StoredBytes:
    return network_bytes.stored_bytes(database, "jobs", network, now)


def remove(database: Database, *ids: str) -> None:
    database.write(lambda connection: removal.remove(connection, ids))


def test_a_network_that_has_stored_a_quarter_stores_no_more_files(database: Database) -> None:
    submit(database, 24)
    submit(database, 2)
    assert submit(database, 1) == "files_full"
    assert stored(database) == StoredBytes(files=26, files_of_network=26), "it counts nothing"
    assert submit(database) != "files_full", "a submission without files needs no room for them"
    assert submit(database, 25, network=OTHER) != "files_full"
    assert submit(database, 25, network=None) != "files_full", "an unknown network has no share"
    assert stored(database) == StoredBytes(files=76, files_of_network=26)


def test_a_network_that_has_stored_a_quarter_today_stores_no_more_until_tomorrow(
    database: Database,
) -> None:
    submit(database, body=25)
    assert submit(database, body=1) == "daily_bytes_full"
    assert submit(database, body=50, network=OTHER) != "daily_bytes_full"
    assert stored(database) == StoredBytes(today=75, today_of_network=25)
    submit(database, body=5, now=NOW + DAY)
    assert stored(database, now=NOW + DAY) == StoredBytes(today=5, today_of_network=5)


def test_the_first_submission_of_a_network_may_need_more_than_a_quarter(database: Database) -> None:
    submit(database, 90)
    assert stored(database).files_of_network == 90


def test_spam_leaves_a_quarter(database: Database) -> None:
    submit(database, 75, 75, network=None, spam="word: it contains it")
    assert submit(database, 1, network=None, spam="word: it contains it") == "files_full"
    assert submit(database, body=1, network=None, spam="word: it contains it") == "daily_bytes_full"
    submit(database, 25, 25, network=None)
    assert stored(database) == StoredBytes(files=100, today=100)


def test_a_network_has_room_again_when_events_or_their_contents_are_deleted(
    database: Database,
) -> None:
    first = submit(database, 10)
    second = submit(database, 20)
    other = submit(database, 5, network=OTHER)
    assert submit(database, 1) == "files_full"
    database.write(lambda connection: removal.delete_contents(connection, [first]))
    database.write(lambda connection: removal.delete_contents(connection, [first]))
    assert stored(database).files_of_network == 20
    remove(database, first, second, other)
    assert [stored(database, network) for network in (NETWORK, OTHER)] == [StoredBytes()] * 2


def test_a_repeat_counts_nothing(database: Database) -> None:
    first = submit(database, 30, 30, key="same")
    assert submit(database, 30, 30, key="same", network=OTHER) == first
    assert stored(database, OTHER) == StoredBytes(files=30, today=30)


def test_a_repeat_that_restores_files_counts_them_for_their_network_again(
    database: Database,
) -> None:
    first = submit(database, 30, 1, provider_id="1")
    database.write(lambda connection: removal.delete_contents(connection, [first]))
    assert submit(database, 30, 1, provider_id="1", network=OTHER) == first
    assert stored(database) == StoredBytes(30, 1, 30, 1)
    remove(database, first)
    assert stored(database) == StoredBytes(0, 1, 0, 1)


def test_of_many_submissions_of_a_network_at_once_a_quarter_is_stored(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: submit(database, 10), range(12)))
    assert codes.count("files_full") == 9
    assert stored(database) == StoredBytes(files=30, files_of_network=30)


def test_submissions_and_deletions_at_once_do_not_deadlock(database: Database) -> None:
    ids = [submit(database, 1, 1) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        removals = [pool.submit(remove, database, id_) for id_ in ids]
        added = [pool.submit(submit, database, 1, network=number) for number in range(20)]
        assert not any(future.exception() for future in [*removals, *added])
    assert stored(database, 0).files == 20


def test_a_recount_corrects_what_another_version_counted(database: Database) -> None:
    """A process of the version before deletes events without their network's count."""
    submit(database, 20)
    submit(database, 5, network=OTHER)
    with database.engine.begin() as connection:
        counts = schema.network_bytes
        connection.execute(counts.update().where(counts.c.network == NETWORK).values(files=50))
        connection.execute(counts.delete().where(counts.c.network == OTHER))
    assert form_files.recount(database) == {"jobs": 35}
    assert [stored(database, network) for network in (NETWORK, OTHER)] == [
        StoredBytes(files=25, files_of_network=20),
        StoredBytes(files=25, files_of_network=5),
    ]
    assert not form_files.recount(database), "a second time there is nothing to correct"


@pytest.mark.parametrize("spam", [None, "word: it contains it"])
def test_an_event_of_another_version_has_no_network(database: Database, spam: str | None) -> None:
    id_ = submit(database, 20, network=None, spam=spam)
    remove(database, id_)
    assert stored(database) == StoredBytes()
