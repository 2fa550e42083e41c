"""Tests of stored submissions: each once, within the rate limits, on all nodes, with bounded rows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from records import NOW, make_delivery, make_event
from sqlalchemy import func, select, update

from bridge.core.errors import Refused
from bridge.core.model import Delivery, Event
from bridge.core.rate_limits import Rate
from bridge.core.timings import TIMINGS
from bridge.ingest.forms.spam.dedup import RateMark, SubmissionMarks, UniqueMark
from bridge.ingest.forms.spam.layers import MARKED_BY_PERSON
from bridge.store.db.database import Database
from bridge.store.inbound import events, submissions
from bridge.store.inbound.arrivals import AddedEvent
from bridge.store.tables import schema
from bridge.worker.maintenance.scheduler import short_jobs

FORM = Rate(count=60, per=60.0)
EACH = Rate(count=3, per=60.0)


def marks(
    *once: str,
    digest: str = "d",
    now: float = NOW,
    until: float = 600.0,
    limits: Sequence[RateMark] = (),
) -> SubmissionMarks:
    return SubmissionMarks(
        now=now,
        digest=digest,
        once=tuple(UniqueMark(key, now + until) for key in sorted(once)),
        limits=tuple(limits),
    )


def add(
    database: Database,
    given: SubmissionMarks,
    *,
    spam: str | None = None,
    plans: bool = True,
    **changes: Any,
) -> AddedEvent:
    one = make_event(now=given.now, provider="form", source="contact", spam=spam, **changes)
    return submissions.add(
        database, one, [make_delivery(one)] if spam is None and plans else [], given, replan
    )


def replan(event: Event, nonce: str) -> list[Delivery]:
    return (
        []
        if event.spam is not None
        else [replace(make_delivery(event), id=f"dlv_{event.id[4:]}{nonce.replace(' ', '')}")]
    )


def rows(database: Database, table: str = "event") -> int:
    with database.read() as connection:
        return connection.execute(
            select(func.count()).select_from(schema.metadata.tables[table])
        ).scalar_one()


# -- once


def test_the_same_again_is_the_first_one_and_counted(database: Database) -> None:
    first = add(database, marks("token:1"))
    again = add(database, marks("token:1", now=NOW + 5))
    assert (again.event_id, again.duplicate, again.deliveries) == (first.event_id, True, ())
    assert (
        rows(database),
        rows(database, "delivery"),
        events.get(database, first.event_id).duplicates,
    ) == (1, 1, 1)


def test_with_other_fields_it_is_refused_and_nothing_is_kept(database: Database) -> None:
    first = add(database, marks("token:1"))
    with pytest.raises(Refused) as refused:
        add(database, marks("token:1", "altcha:9", digest="other"))
    assert (refused.value.status, refused.value.code, rows(database)) == (409, "used_before", 1)
    assert events.get(database, first.event_id).duplicates == 0
    assert not add(database, marks("altcha:9", digest="third")).duplicate, (
        "what was refused has used up nothing"
    )


def test_it_is_another_once_its_time_is_over_and_not_a_moment_before(database: Database) -> None:
    first = add(database, marks("same:1"))
    assert add(database, marks("same:1", now=NOW + 599.9)).event_id == first.event_id
    later = add(database, marks("same:1", now=NOW + 600.0))
    assert not later.duplicate and later.event_id != first.event_id
    assert add(database, marks("same:1", now=NOW + 700.0)).event_id == later.event_id


def test_a_token_and_a_proof_of_work_each_tell_that_it_came_before(database: Database) -> None:
    first = add(database, marks("token:1", "altcha:1"))
    assert add(database, marks("token:2", "altcha:1")).event_id == first.event_id
    assert add(database, marks("token:2")).event_id == first.event_id, (
        "what a copy showed belongs to the first, too"
    )


def test_of_many_who_send_the_same_at_once_one_is_kept(database: Database) -> None:
    with ThreadPoolExecutor(12) as pool:
        kept = list(pool.map(lambda _: add(database, marks("token:1", "altcha:1")), range(24)))
    assert len({one.event_id for one in kept}) == 1 == sum(not one.duplicate for one in kept)
    assert (rows(database), rows(database, "delivery")) == (1, 1)
    assert events.get(database, kept[0].event_id).duplicates == 23


def test_of_many_who_send_one_token_with_other_fields_one_is_kept(database: Database) -> None:
    def send(number: int) -> int:
        try:
            add(database, marks("token:1", digest=str(number)))
        except Refused as refused:
            return refused.status
        return 202

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(send, range(24))) == [202] + [409] * 23
    assert rows(database) == 1


def test_one_whose_event_is_gone_is_kept_anew(database: Database) -> None:
    first = add(database, marks("token:1"))
    with database.engine.begin() as connection:
        connection.execute(schema.event.delete())
    again = add(database, marks("token:1", now=NOW + 1))
    assert (again.duplicate, rows(database)) == (False, 1) and again.event_id != first.event_id
    assert add(database, marks("token:1", now=NOW + 2)).event_id == again.event_id


def test_a_senders_own_id_counts_as_well(database: Database) -> None:
    first = add(database, marks("same:1"), provider_id="own")
    again = add(database, marks("same:2", digest="e"), provider_id="own")
    assert (again.event_id, again.duplicate) == (first.event_id, True)
    assert add(database, marks("same:2", digest="e")).event_id == first.event_id


# -- spam


def test_a_copy_of_spam_is_planned_only_where_it_is_none_itself(database: Database) -> None:
    first = add(database, marks("token:1"), spam="captcha: it was not solved")
    copy = add(database, marks("token:1"), spam="captcha: it was not solved")
    assert (copy.event_id, copy.deliveries, rows(database, "delivery")) == (first.event_id, (), 0)
    good = add(database, marks("token:1"))
    assert (good.event_id, good.duplicate, len(good.deliveries)) == (first.event_id, True, 1)
    kept = events.get(database, first.event_id)
    assert (kept.spam, kept.duplicates, rows(database, "delivery"), rows(database)) == (
        None,
        2,
        1,
        1,
    )
    assert add(database, marks("token:1")).deliveries == (), "once is enough"


def test_what_a_person_has_marked_stays_spam(database: Database) -> None:
    first = add(database, marks("token:1"))
    with database.engine.begin() as connection:
        connection.execute(update(schema.event).values(spam=MARKED_BY_PERSON))
    assert add(database, marks("token:1")).deliveries == ()
    assert events.get(database, first.event_id).spam == MARKED_BY_PERSON


def test_a_duplicate_by_its_id_of_what_is_spam_is_not_planned(database: Database) -> None:
    first = add(database, marks(), spam="word: it contains “casino”", provider_id="own")
    again = add(database, marks(), provider_id="own")
    assert (again.event_id, again.duplicate, again.deliveries, rows(database, "delivery")) == (
        first.event_id,
        True,
        (),
        0,
    )


def test_only_what_was_let_through_is_known_before_it_is_judged(database: Database) -> None:
    assert submissions.count_repeat(database, marks("token:1")) is None
    first = add(database, marks("token:1"))
    held = add(database, marks("token:2"), spam="captcha: it was not solved")
    known = submissions.count_repeat(database, marks("token:1"))
    assert known is not None and (known.event_id, known.duplicate) == (first.event_id, True)
    assert events.get(database, first.event_id).duplicates == 1
    for other in (
        marks("token:1", digest="other"),
        marks("token:2"),
        marks("token:3"),
        marks("token:1", now=NOW + 601),
    ):
        assert submissions.count_repeat(database, other) is None
    assert events.get(database, held.event_id).duplicates == 0


# -- rates


def limits(address: str = "address:a") -> list[RateMark]:
    return [RateMark("form:f", FORM), RateMark(address, EACH)]


def statuses(database: Database, *moments: float, address: str = "address:a") -> list[int]:
    found = []
    for moment in moments:
        try:
            add(database, marks(now=moment, limits=limits(address)))
            found.append(202)
        except Refused as refused:
            found.append(refused.status)
    return found


def test_an_address_sends_so_many_in_a_time(database: Database) -> None:
    assert statuses(database, NOW, NOW, NOW, NOW, NOW + 19.9, NOW + 20.1, NOW + 20.2) == [
        202,
        202,
        202,
        429,
        429,
        202,
        429,
    ]
    assert statuses(database, NOW, address="address:b") == [202]
    with pytest.raises(Refused) as refused:
        add(database, marks(now=NOW + 21, limits=limits()))
    assert refused.value.headers == {"Retry-After": "20"}


def test_all_addresses_together_send_what_the_form_takes(database: Database) -> None:
    found = [statuses(database, NOW, address=f"address:{n}")[0] for n in range(70)]
    assert found == [202] * 60 + [429] * 10
    assert rows(database, "recent") == 61, "an address that is refused is not remembered"


def test_who_is_refused_has_spent_nothing(database: Database) -> None:
    assert statuses(database, *[NOW] * 100) == [202] * 3 + [429] * 97
    assert statuses(database, *[NOW] * 3, address="address:b") == [202] * 3


@pytest.mark.parametrize("ahead", [480.0, 86400.0])
def test_a_clock_that_was_ahead_for_a_moment_refuses_nothing_afterwards(
    database: Database, ahead: float
) -> None:
    assert statuses(database, NOW + ahead, NOW) == [202, 202]
    assert statuses(database, *[NOW] * 3) == [202, 202, 429]


def test_a_clock_that_is_set_back_a_little_forgets_nothing(database: Database) -> None:
    assert statuses(database, *[NOW] * 3, NOW - 1.0) == [202, 202, 202, 429]


def test_of_many_at_once_no_more_get_through(database: Database) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: statuses(database, NOW)[0], range(40)))
    assert sorted(found) == [202] * 3 + [429] * 37


def test_what_is_remembered_outlives_the_process(database: Database) -> None:
    first = add(database, marks("token:1", limits=limits()))
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        assert add(other, marks("token:1", limits=limits())).event_id == first.event_id
        assert statuses(other, NOW, NOW) == [202, 429]
    finally:
        other.close()


# -- bounds


def test_ten_thousand_addresses_leave_few_rows(sqlite: Database) -> None:
    """At a hundred a second, more than forms accept: expired rows are deleted as new ones arrive."""
    rate = Rate(count=10**6, per=10.0)

    def one_second(connection: Any, second: int) -> None:
        for number in range(100):
            now = NOW + second + number / 100
            submissions.delete_expired(connection, now, submissions.SWEEP_ROWS)
            submissions._apply_limits(
                connection, marks(now=now, limits=[RateMark(f"address:{second}-{number}", rate)])
            )

    for second in range(100):
        sqlite.write(lambda connection, second=second: one_second(connection, second))
    assert rows(sqlite, "recent") < 100


def test_the_chore_lets_go_of_what_means_nothing(database: Database) -> None:
    chore = next(one for one in short_jobs(TIMINGS) if one.name == "form_submissions")
    with database.read() as connection:
        assert chore.needed is not None and not chore.needed(connection)
    add(database, marks("token:1", "altcha:1", limits=limits()))
    with database.read() as connection:
        assert chore.needed(connection)
    assert database.write(lambda connection: chore.work(connection, NOW + 30)) == 2
    assert database.write(lambda connection: chore.work(connection, NOW + 601)) == 2
    assert rows(database, "recent") == 0


def test_rows_that_go_and_come_again_at_once_lead_to_no_deadlock(database: Database) -> None:
    """Each of two transactions may delete a row that the other one inserts."""
    # a row means nothing after ten milliseconds; nobody is refused who comes late by all of the
    # time
    rate = Rate(count=1000, per=10.0)

    def send(number: int) -> str:
        limits = [RateMark(f"form:{number % 2}", rate), RateMark(f"address:{number % 3}", rate)]
        return add(
            database,
            marks(f"same:{number % 7}", now=NOW + number / 100, until=0.001, limits=limits),
            plans=False,
        ).event_id

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(send, range(200)))) > 100
