"""The accounting of the crash test: it finds each planted problem, and none without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from bridge.store.queries.census import AttemptRow, DeliveryRow, EventRow, RunRow, StoreRows
from bridge.store.queue.reconcile import RUN_FOUND, RUN_NOT_FOUND
from bridge.torture import certificate
from bridge.torture.accounting import account_for_events
from bridge.torture.records import FINDING_KINDS, Account, Finding, SentEvent, Start
from bridge.torture.scenarios import EVENT_TYPE_SHARES, SCENARIOS, SOURCE_NAME, Scenario, routes_of

HELD = "t-held"
POSTED = "t-posted"
AGAIN = "t-again"
ONCE = "t-once"


@dataclass
class World:
    """The records of a run without a problem; tests change them."""

    sent: list[SentEvent]
    events: list[EventRow]
    deliveries: list[DeliveryRow]
    attempts: list[AttemptRow]
    starts: list[Start]
    runs: list[RunRow]

    def account(
        self, *, ended: bool = True, scenarios: tuple[Scenario, ...] = SCENARIOS
    ) -> Account:
        rows = StoreRows(
            tuple(self.events), tuple(self.deliveries), tuple(self.attempts), tuple(self.runs)
        )
        return account_for_events(
            self.sent,
            rows,
            sorted(self.starts, key=lambda start: start.at),
            ended=ended,
            scenarios=scenarios,
        )

    def kinds(self) -> list[str]:
        return sorted(finding.kind for finding in self.account().findings)

    def delivery(self, id_: str, **changes: object) -> None:
        """Change the delivery of a sender's id."""
        at = next(at for at, one in enumerate(self.deliveries) if one.event_id == f"evt-{id_}")
        self.deliveries[at] = replace(self.deliveries[at], **changes)  # type: ignore[arg-type]

    def attempt(self, id_: str, number: int, outcome: str | None) -> None:
        """Add an attempt to the delivery of a sender's id, or change one."""
        self.attempts = [
            one for one in self.attempts if (one.delivery_id, one.number) != (f"dlv-{id_}", number)
        ]
        self.attempts.append(AttemptRow(f"dlv-{id_}", number, outcome, None))

    def start_again(self, id_: str, **changes: object) -> None:
        """Start the delivery of a sender's id once more."""
        first = next(start for start in self.starts if start.id == id_)
        self.starts.append(
            replace(first, **{"at": first.at + 100.0, "run_id": f"{first.run_id}-again", **changes})
        )  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    made = World([], [], [], [], [], [])
    for seq, id_ in enumerate((HELD, POSTED, AGAIN, ONCE), 1):
        route = id_.removeprefix("t-")
        platform = next(scenario.platform for scenario in SCENARIOS if scenario.route == route)
        run = f"run-{id_}" if platform == "gumloop" else None
        made.sent.append(
            SentEvent(
                id_, route, f"sha-{id_}", tries=1, acknowledged=[f"evt-{id_}"], last_status=202
            )
        )
        made.events.append(EventRow(seq, f"evt-{id_}", SOURCE_NAME, id_, f"sha-{id_}", 0))
        made.deliveries.append(
            DeliveryRow(
                seq,
                f"dlv-{id_}",
                f"evt-{id_}",
                route,
                platform,
                "delivered",
                None,
                None,
                False,
                None,
                run,
                None if platform == "http" else "done",
            )
        )
        made.attempts.append(AttemptRow(f"dlv-{id_}", 1, "started", run))
        key = f"dlv-{id_}" if platform != "gumloop" else None
        made.starts.append(
            Start(100.0 + seq, platform, route, f"evt-{id_}", id_, "k1", run, key, 100.5 + seq)
        )
    return made


def test_a_run_without_a_problem_has_no_findings_and_all_counts(world: World) -> None:
    world.sent[0].acknowledged.append(f"evt-{HELD}")  # sent twice
    world.sent[0].tries = 3
    world.sent[0].unanswered = 1
    world.sent.append(
        SentEvent("t-forged", "held", "x", forged=True, tries=1, refused=1, last_status=401)
    )
    world.sent.append(SentEvent("t-given-up", "held", "x", tries=2, refused=2, last_status=503))
    result = world.account()
    assert result.findings == []
    assert result.statuses == {"delivered": 4}
    counted = {
        "posted": 9,
        "events": 5,
        "acknowledged": 4,
        "duplicates": 1,
        "unanswered": 1,
        "refused": 3,
        "forged": 1,
        "given_up": 1,
        "kept_unacknowledged": 0,
        "started": 4,
    }
    assert {name: result.counts[name] for name in counted} == counted


def lose_event(world: World) -> None:
    del world.events[0]


def lose_delivery(world: World) -> None:
    del world.deliveries[0]
    del world.starts[0]


def another_event(world: World) -> None:
    world.sent[0].acknowledged = ["evt-other"]


def never_started(world: World) -> None:
    world.starts = world.starts[1:]


def never_posted(world: World) -> None:
    world.starts = [start for start in world.starts if start.id != POSTED]


def done_and_never_run(world: World) -> None:
    world.starts = [start for start in world.starts if start.id != ONCE]


def dead_without_a_reason(world: World) -> None:
    world.delivery(POSTED, status="dead")


def cancelled(world: World) -> None:
    world.delivery(POSTED, status="cancelled")


def started_twice(world: World) -> None:
    world.start_again(HELD)


def started_again_though_unknown(world: World) -> None:
    world.delivery(HELD, status="unknown", run_id=None)
    world.attempt(HELD, 1, "unknown")
    world.start_again(HELD)


def posted_again_after_a_clear_answer(world: World) -> None:
    world.attempt(POSTED, 2, "refused")
    world.start_again(POSTED)


def posted_again_under_another_key(world: World) -> None:
    world.attempt(POSTED, 2, "unknown")
    world.start_again(POSTED, idempotency_key="another")


def run_once_twice(world: World) -> None:
    world.start_again(ONCE)


def local_runs_with_one_key(world: World) -> None:
    world.runs += [RunRow("r1", "dlv", "DONE", None), RunRow("r2", "dlv", "DONE", None)]


def shadow_started(world: World) -> None:
    world.deliveries.append(
        replace(
            world.deliveries[0],
            id="dlv-s",
            route="shadowed",
            status="shadow",
            run_id=None,
            run_state=None,
        )
    )
    world.starts.append(replace(world.starts[0], route="shadowed", run_id="run-s"))


def started_and_not_stored(world: World) -> None:
    world.starts.append(replace(world.starts[0], event_id="evt-nowhere"))


def started_for_another(world: World) -> None:
    world.starts[0] = replace(world.starts[0], id=POSTED)


def another_run(world: World) -> None:
    world.delivery(HELD, run_id="run-other")


def another_body(world: World) -> None:
    world.events[0] = replace(world.events[0], body_sha256="other")


def parked_is_delivered(world: World) -> None:
    world.deliveries.append(
        replace(world.deliveries[1], id="dlv-p", route="parked", status="shadow")
    )


def unknown_route(world: World) -> None:
    world.deliveries.append(replace(world.deliveries[1], id="dlv-n", route="missing"))


def kept_twice(world: World) -> None:
    world.events.append(replace(world.events[0], id="evt-again", seq=9))
    world.deliveries.append(
        replace(
            world.deliveries[0],
            id="dlv-again",
            event_id="evt-again",
            status="dead",
            reason="HTTP 400",
        )
    )


def forged(world: World) -> None:
    world.sent[0].forged = True


def still_queued(world: World) -> None:
    world.delivery(POSTED, status="queued")


def still_sending(world: World) -> None:
    world.delivery(POSTED, status="sending")


def still_blocked(world: World) -> None:
    world.delivery(POSTED, status="blocked")


def stuck_lease(world: World) -> None:
    world.delivery(HELD, lease="w:1")


def leaked_slot(world: World) -> None:
    world.delivery(HELD, slot=True)


def poll_left(world: World) -> None:
    world.delivery(HELD, poll_at=5.0)


def attempt_without_outcome(world: World) -> None:
    world.attempt(POSTED, 1, None)


def local_run_left(world: World) -> None:
    world.runs.append(RunRow("r1", None, "RUNNING", "w:1"))


PLANTED = {
    "lost": [
        lose_delivery,
        another_event,
        never_started,
        never_posted,
        done_and_never_run,
        dead_without_a_reason,
        cancelled,
    ],
    "started_twice": [
        started_twice,
        started_again_though_unknown,
        posted_again_after_a_clear_answer,
        posted_again_under_another_key,
        run_once_twice,
        local_runs_with_one_key,
        shadow_started,
    ],
    "ghost": [started_and_not_stored],
    "altered": [started_for_another, another_run, another_body, parked_is_delivered, unknown_route],
    "kept_twice": [kept_twice],
    "forged": [forged],
    "unsettled": [still_queued, still_sending, still_blocked],
    "stuck": [stuck_lease, leaked_slot, poll_left, attempt_without_outcome, local_run_left],
}


@pytest.mark.parametrize(
    ("kind", "plant"),
    [pytest.param(kind, one, id=one.__name__) for kind, all_ in PLANTED.items() for one in all_],
)
def test_a_planted_problem_is_the_only_kind_of_finding(
    world: World, kind: str, plant: Callable[[World], None]
) -> None:
    plant(world)
    assert set(world.kinds()) == {kind}
    assert certificate.choose_verdict(world.account().findings) == (
        "unsettled" if kind == "unsettled" else "broken"
    )


def test_an_event_that_is_gone_is_lost_with_its_delivery_and_its_start_a_ghost(
    world: World,
) -> None:
    lose_event(world)
    found = world.account().findings
    assert [(one.kind, one.id) for one in found] == [
        ("lost", HELD),
        ("lost", f"dlv-{HELD}"),
        ("ghost", f"evt-{HELD}"),
    ]
    assert f"evt-{HELD}" in found[0].text


def test_a_2xx_that_was_cut_off_is_an_acknowledgement(world: World) -> None:
    world.sent[0].acknowledged = [""]
    assert world.kinds() == []
    del world.events[0], world.deliveries[0], world.starts[0]
    assert world.kinds() == ["lost"]


def test_a_repeat_is_declared_where_an_attempt_was_unknown_on_a_route_that_retries(
    world: World,
) -> None:
    world.attempt(POSTED, 2, "unknown")
    world.start_again(POSTED)
    result = world.account()
    assert result.findings == [] and result.counts["repeated_as_declared"] == 1
    world.start_again(POSTED)  # one more than there were doubts
    assert world.kinds() == ["started_twice"]


def test_an_idempotent_local_run_may_be_run_again(world: World) -> None:
    world.start_again(AGAIN)
    result = world.account()
    assert result.findings == [] and result.counts["repeated_as_declared"] == 1


def test_a_failed_run_may_be_repeated_on_a_route_with_on_run_failed(world: World) -> None:
    scenarios = tuple(
        replace(scenario, reruns=1) if scenario.route == "held" else scenario
        for scenario in SCENARIOS
    )
    world.starts[0] = replace(world.starts[0], failed=True)
    world.start_again(HELD, failed=True)
    assert world.kinds() == ["started_twice"]
    result = world.account(scenarios=scenarios)
    assert result.findings == [] and (
        result.counts["rerun_as_declared"],
        result.counts["repeated_as_declared"],
    ) == (1, 0)
    world.start_again(HELD)  # one more than the route allows
    assert [one.kind for one in world.account(scenarios=scenarios).findings] == ["started_twice"]


def test_a_merged_delivery_is_accounted_for_by_a_later_one(world: World) -> None:
    first = world.deliveries[1]
    world.deliveries[1] = replace(first, status="cancelled", merged_into="dlv-later")
    world.starts = [start for start in world.starts if start.id != POSTED]
    assert world.kinds() == ["lost"]  # there is no such delivery
    world.events.append(replace(world.events[1], id="evt-later", provider_id="t-later", seq=9))
    world.deliveries.append(
        replace(
            first, seq=9, id="dlv-later", event_id="evt-later", status="dead", reason="HTTP 400"
        )
    )
    result = world.account()
    assert result.findings == [] and result.counts["merged"] == 1
    # an earlier delivery does not account for it
    world.deliveries[-1] = replace(world.deliveries[-1], seq=1)
    assert world.kinds() == ["lost"]


def test_held_deliveries_are_counted_and_whether_they_started(world: World) -> None:
    world.delivery(HELD, status="unknown", run_id=None, run_state=None)
    result = world.account()
    assert result.findings == [] and (result.counts["held"], result.counts["held_started"]) == (
        1,
        1,
    )


@pytest.mark.parametrize(
    ("reason", "counted"),
    [
        ("clock_stepped: the clock was set back by 86400 s", 1),
        ("clock_not_comparable: an earlier version", 1),
        ("no answer", 0),
        (None, 0),
    ],
)
def test_a_delivery_held_because_of_a_clock_is_not_lost(
    world: World, reason: str | None, counted: int
) -> None:
    world.delivery(HELD, status="unknown", run_id=None, run_state=None, reason=reason)
    result = world.account()
    assert result.findings == [] and (result.counts["held"], result.counts["held_clock"]) == (
        1,
        counted,
    )
    assert (
        "1 of them because a clock was stepped"
        in rows(certificate.make_certificate(FACTS, result, {}))
    ) is bool(counted)


def test_searches_for_runs_are_counted_on_routes_that_reconcile(world: World) -> None:
    found = f"connection reset; {RUN_FOUND}"
    nothing = f"connection reset; {RUN_NOT_FOUND}"
    world.attempts += [
        AttemptRow(f"dlv-{HELD}", 2, "refused", None, nothing),
        AttemptRow(f"dlv-{HELD}", 3, "started", "run-t-held", found),
    ]
    world.attempts.append(AttemptRow(f"dlv-{POSTED}", 2, "refused", None, nothing))
    scenarios = tuple(
        replace(scenario, on_unknown="reconcile") if scenario.route == "held" else scenario
        for scenario in SCENARIOS
    )
    result = world.account(scenarios=scenarios)
    names = ("reconciled_adopted", "reconciled_queued_again", "reconciled_held")
    assert result.findings == [] and [result.counts[name] for name in names] == [1, 1, 0]
    assert "reconciled: 2 unanswered starts: 1 adopted, 1 queued again, 0 held" in rows(
        certificate.make_certificate(FACTS, result, {})
    )
    world.delivery(HELD, status="unknown", run_id=None, run_state=None)
    assert world.account(scenarios=scenarios).counts["reconciled_held"] == 1
    world.start_again(HELD)  # queued again, though the first had started
    assert "started_twice" in {one.kind for one in world.account(scenarios=scenarios).findings}


def test_dead_deliveries_are_counted_by_reason(world: World) -> None:
    world.delivery(POSTED, status="dead", reason="HTTP 400")
    result = world.account()
    assert result.findings == [] and result.dead == {"HTTP 400": 1}


def test_after_a_failed_drain_deliveries_are_unsettled_and_not_stuck(world: World) -> None:
    world.delivery(POSTED, status="sending", lease="w:1", slot=True)
    world.attempt(POSTED, 1, None)
    world.delivery(HELD, slot=True, poll_at=5.0)
    assert [(one.kind, one.id) for one in world.account(ended=False).findings] == [
        ("unsettled", f"dlv-{id_}") for id_ in (POSTED, HELD)
    ]
    assert set(world.kinds()) == {"unsettled", "stuck"}


ORDERED = tuple(
    replace(scenario, ordered=scenario.route == "held", cap=None) for scenario in SCENARIOS
)
CAPPED = tuple(
    replace(scenario, ordered=False, cap=2 if scenario.route == "held" else None)
    for scenario in SCENARIOS
)


def wrong_with(
    world: World, scenarios: tuple[Scenario, ...], *starts: tuple[float, float | None]
) -> list[str]:
    """Add deliveries of one key, started and ended at these times; return the findings."""
    event = world.events[0]
    delivery = world.deliveries[0]
    start = world.starts[0]
    for number, (at, ended) in enumerate(starts):
        name = f"evt-{number}"
        world.events.append(replace(event, seq=10 + number, id=name, provider_id=name))
        world.deliveries.append(
            replace(delivery, seq=10 + number, id=f"dlv-{number}", event_id=name, run_id=name)
        )
        world.starts.append(
            replace(start, at=at, event_id=name, id=name, run_id=name, ended_at=ended, key="k7")
        )
    return [f"{one.kind} {one.id}" for one in world.account(scenarios=scenarios).findings]


@pytest.mark.parametrize(
    ("starts", "wrong"),
    [
        ([(1.0, 2.0), (2.0, 3.0), (3.5, 4.0)], []),
        ([(1.0, None), (2.0, 3.0)], []),  # flowbridge gives up a run that never ends
        ([(2.0, 3.0), (1.0, 1.5)], ["out_of_order dlv-1"]),
        ([(1.0, 3.0), (2.0, 4.0)], ["out_of_order dlv-1"]),  # while the previous run was active
    ],
)
def test_starts_of_a_key_come_in_order_and_one_at_a_time(
    world: World, starts: list[tuple[float, float | None]], wrong: list[str]
) -> None:
    assert wrong_with(world, ORDERED, *starts) == wrong


def test_a_run_whose_answer_was_lost_does_not_delay_the_next_one(world: World) -> None:
    """The delivery has another run, and flowbridge cannot know how long the lost one takes."""
    assert wrong_with(world, ORDERED, (1.0, 2.0), (2.5, 3.0)) == []
    world.starts.append(
        replace(
            world.starts[-2], at=0.5, run_id="in vain", ended_at=9.0, fault="reset though started"
        )
    )
    found = world.account(scenarios=ORDERED).findings
    # and no finding about the order
    assert [one.kind for one in found] == ["started_twice"]


@pytest.mark.parametrize(
    ("starts", "wrong"),
    [
        ([(1.0, 2.0), (1.5, 3.0), (2.0, 4.0)], []),
        ([(1.0, 9.0), (1.5, 9.0), (2.0, 4.0)], ["over_cap dlv-2"]),
        # flowbridge gives up runs that never end
        ([(1.0, None), (1.5, None), (2.0, 4.0)], []),
    ],
)
def test_a_route_has_no_more_concurrent_runs_than_it_allows(
    world: World, starts: list[tuple[float, float | None]], wrong: list[str]
) -> None:
    assert wrong_with(world, CAPPED, *starts) == wrong


def test_every_kind_of_finding_is_planted_somewhere() -> None:
    # planted in test_torture.py and test_torture_clock_faults.py
    from_outside = {"database", "process", "put_off"}
    assert set(PLANTED) | {"out_of_order", "over_cap"} | from_outside == set(FINDING_KINDS)
    with pytest.raises(ValueError, match="nonsense"):
        Account().add_finding("nonsense", "x", "y")


def test_every_share_of_the_load_is_for_a_route_except_one() -> None:
    assert [type_ for type_ in EVENT_TYPE_SHARES if not routes_of(type_)] == ["nowhere"]
    assert {type_ for scenario in SCENARIOS for type_ in scenario.types} <= set(EVENT_TYPE_SHARES)


# -- the certificate

FACTS = {
    "flowbridge": "1.0",
    "made_at": "2026-11-24T17:03:05Z",
    "engine": "worker",
    "nodes": 1,
    "seed": 7,
    "machine": {
        "cpu": "One",
        "cores": 2,
        "memory_bytes": 2**31,
        "kernel": "Linux 6",
        "system": "Debian",
        "filesystem": "ext4",
        "python": "3.11",
    },
    "database": {"kind": "sqlite", "version": "SQLite 3"},
    "seconds": {"load": 70.0, "drain": 20.0, "total": 92.0},
    "kills": {"SIGKILL": {"worker": 3}},
    "faults": {"disk": 1, "disk_refusals": 1, "clock": 0},
    "acknowledges_again_after": {"count": 1, "median": 0.1, "longest": 2.5},
    "code": {"commit": "0123abc", "changed": True, "sha256": "9f" * 32},
    "missed": [],
    "not_run": {"clock": "libfaketime is not installed"},
}


def rows(made: dict[str, object]) -> str:
    return "\n".join(f"{title}: {text}" for title, text in certificate.format_rows(made))


def test_a_certificate_without_findings_is_kept(world: World) -> None:
    made = certificate.make_certificate(FACTS, world.account(), {"429": 3, "reset": 1})
    assert (made["verdict"], made["lost"], made["started_twice"], made["findings"]) == (
        "kept",
        0,
        0,
        [],
    )
    assert made["faults"] == {
        "disk": 1,
        "disk_refusals": 1,
        "clock": 0,
        "platform": {"429": 3, "reset": 1},
    }
    assert made["schema"] == certificate.SCHEMA_VERSION and made["acknowledged"] == 4
    text = rows(made)
    assert (
        "lost: 0" in text
        and "SIGKILL: worker 3" in text
        and "not run: clock: libfaketime is not installed" in text
    )
    assert "unsettled" not in text and "reconciled" not in text
    assert (
        "engine worker" in text and f"code: commit 0123abc with changes, sha256 {'9f' * 32}" in text
    )
    assert "faults: 1 full disks, 1 of them seen by senders\n" in text


def test_a_certificate_counts_steps_of_a_clock_by_their_size(world: World) -> None:
    facts = FACTS | {"faults": {"clock": 5, "clock_minutes": 2, "clock_days": 1}}
    assert "faults: 5 clock faults, 2 clock steps by minutes, 1 by a day\n" in rows(
        certificate.make_certificate(facts, world.account(), {})
    )


def test_a_possible_kind_that_did_not_occur_is_incomplete_unless_there_are_findings(
    world: World,
) -> None:
    facts = FACTS | {
        "missed": ["broker"],
        "not_run": {"broker": "it did not occur before the time was up"},
    }
    made = certificate.make_certificate(facts, world.account(), {})
    assert made["verdict"] == "incomplete" and "missed: broker: it did not occur" in rows(made)
    world.delivery(POSTED, status="queued")
    assert certificate.make_certificate(facts, world.account(), {})["verdict"] == "unsettled"
    lose_event(world)
    assert certificate.make_certificate(facts, world.account(), {})["verdict"] == "broken"


def test_a_certificate_counts_everything_and_lists_a_bounded_number(world: World) -> None:
    result = world.account()
    result.findings = [Finding("lost", f"t-{number}", "gone") for number in range(1000)]
    made = certificate.make_certificate(FACTS, result, {})
    assert made["verdict"] == "broken" and made["lost"] == made["wrong"]["lost"] == 1000
    assert len(made["findings"]) == certificate.MAX_LISTED_FINDINGS and made["findings"][0] == {
        "kind": "lost",
        "id": "t-0",
        "text": "gone",
    }
    assert "lost: 1000  acknowledged, but not in the store" in rows(made)


def test_the_number_of_dead_reasons_is_bounded(world: World) -> None:
    result = world.account()
    result.dead.update({f"reason {number}": 1 for number in range(100)})
    dead = certificate.make_certificate(FACTS, result, {})["dead"]
    assert len(dead) == certificate.MAX_DEAD_REASONS + 1 and sum(dead.values()) == 100
