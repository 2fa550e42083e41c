"""Tests of the limit on bytes of form files: counted with the events, on all nodes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from records import NOW, make_event

from bridge.core.errors import Refused
from bridge.core.model import FormFile
from bridge.ingest.forms.spam.dedup import SubmissionMarks, UniqueMark
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import form_files, removal, submissions
from bridge.store.inbound.arrivals import AddedEvent
from bridge.store.tables import schema
from bridge.worker.maintenance.jobs import LONG_JOBS


def file(size: int) -> FormFile:
    return FormFile(field="cv", name="cv.pdf", type="application/pdf", size=size, sha256="0" * 64)


def add(
    database: Database, *sizes: int, key: str = "", room: int | None = 100, source: str = "jobs"
) -> AddedEvent:
    one = make_event(provider="form", source=source, files=tuple(map(file, sizes)))
    marks = SubmissionMarks(
        now=NOW, digest=key, once=(UniqueMark(key, NOW + 600),) if key else (), room=room
    )
    return submissions.add(database, one, [], marks, lambda *_: [])


def held(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return form_files.stored_bytes(connection)


def gone(database: Database, *ids: str) -> None:
    database.write(lambda connection: removal.remove(connection, ids))


def test_there_are_never_more_than_the_source_says(database: Database) -> None:
    add(database, 60, 30)
    with pytest.raises(Refused) as refused:
        add(database, 11)
    assert (refused.value.status, refused.value.code) == (507, "files_full")
    with pytest.raises(Refused):
        add(database, 101, source="other")
    with database.read() as connection:
        assert len(connection.execute(schema.event.select()).all()) == 1, (
            "what was refused was not kept"
        )
    (
        add(database, 10),
        add(database),
        add(database, 100, source="other"),
        add(database, 500, room=None, source="third"),
    )
    assert held(database) == {"jobs": 100, "other": 100, "third": 500}


def test_one_that_only_repeats_another_takes_no_room(database: Database) -> None:
    first = add(database, 100, key="same")
    assert (add(database, 100, key="same").event_id, held(database)) == (
        first.event_id,
        {"jobs": 100},
    )


def test_there_is_room_again_when_events_or_their_bodies_go(database: Database) -> None:
    one = add(database, 40)
    two = add(database, 60)
    other = add(database, 7, source="other")
    gone(database, one.event_id, other.event_id)
    assert held(database) == {"jobs": 60, "other": 0}
    database.write(lambda connection: removal.delete_contents(connection, [two.event_id]))
    database.write(lambda connection: removal.delete_contents(connection, [two.event_id]))
    gone(database, two.event_id)
    assert held(database) == {"jobs": 0, "other": 0}
    add(database, 100)


def test_of_many_at_once_as_many_are_kept_as_there_is_room_for(database: Database) -> None:
    def send(_: int) -> int:
        try:
            add(database, 30)
        except Refused as refused:
            return refused.status
        return 202

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(send, range(12))) == [202] * 3 + [507] * 9
    assert held(database) == {"jobs": 90}


@pytest.mark.parametrize("keys", [(), (Fernet.generate_key().decode(),)], ids=["clear", "sealed"])
def test_what_was_missed_is_found_when_all_are_counted(
    database: Database, keys: Sequence[str]
) -> None:
    database.sealer = Sealer(keys)
    database.engine.update_execution_options(sealer=database.sealer)
    add(database, 40, 2), add(database, 9, source="gone"), add(database)
    with database.engine.begin() as connection:
        connection.execute(schema.form_files.delete().where(schema.form_files.c.source == "jobs"))
        connection.execute(schema.form_files.update().values(bytes=1000))
        connection.execute(schema.form_files.insert().values(source="nobody", bytes=5))
    assert form_files.recount(database) == {"jobs": 42, "gone": 991, "nobody": 5}
    assert held(database) == {"jobs": 42, "gone": 9, "nobody": 0}
    assert not form_files.recount(database), "a second time there is nothing to be put right"
    assert "count_files" in {errand.name for errand in LONG_JOBS}
