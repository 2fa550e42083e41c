"""What of how a bridge is wants somebody's attention. A new condition is a row of `CONDITIONS`.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridge.core.circuit_state import Circuit
from bridge.core.model import Status
from bridge.core.plurals import number
from bridge.core.status import DAY, Overview, PlatformNow, SourceNow
from bridge.core.times import write_time
from bridge.delivery.next_steps import Need, find_common_steps, need_of_dead
from bridge.ingest.ports import signed_reserve
from bridge.ingest.silence import LEAST

SEE: Final = "or look at the log of its service"
# seconds that a delivery waits for a platform that is full by others until that is a problem
FULL: Final = 300.0
# seconds that a delivery which may go waits for its turn until that is a problem
LATE: Final = 3600.0
# seconds in which a process takes on another configuration, or is started again
SETTLING: Final = 15.0
STARTING: Final = 5.0  # seconds in which the processes of a command come up
STEPPED: Final = 3600.0  # seconds for which a step of the clock is told
FUTURE: Final = 60.0  # seconds that an event may lie ahead of now
CLOCK: Final = 2.0  # seconds that two clocks may differ
CLOCK_OF_OTHERS: Final = 30.0  # seconds that the clock of a platform may differ
# seconds before its end in which a certificate should have been renewed
SOON = 14 * DAY
URGENT = 3 * DAY
# the same as parts of the time for which it was issued, where that is short
SOON_PART = 0.25
URGENT_PART = 0.1
# of a disk: less than both, a share and bytes, is too little
LEAST_SHARE = 0.05
LEAST_FREE = 1024**3
# rejects lately that are no alert; so many times as usual are one
FEW_REJECTS = 20
MANY_TIMES = 3.0
NEVER_PASSED = 3  # rejects today of a source without an event that are no accident
FAILING = 0.5  # part of a route's runs that may not fail
MUCH_KEPT = 0.9  # part of what the files of a form may come to


@dataclass(frozen=True, slots=True)
class Condition:
    """How bad it is, and how many seconds it has to last until it is told. docs/runbook.md has a
    section for each.
    """

    severity: str
    holds: float = 0.0


CRITICAL = "critical"
WARNING = "warning"
CONDITIONS: Final = {
    "nothing_runs": Condition(CRITICAL, 120.0),
    "no_worker": Condition(CRITICAL, 120.0),
    "no_receiver": Condition(CRITICAL, 120.0),
    "config_unusable": Condition(WARNING, 60.0),
    "config_not_taken": Condition(WARNING, 120.0),
    "flows_unusable": Condition(WARNING, 60.0),
    "flow_missing": Condition(WARNING, 60.0),
    "no_secret": Condition(CRITICAL, 60.0),
    "no_credentials": Condition(CRITICAL, 60.0),
    "credentials_refused": Condition(CRITICAL, 60.0),
    "disk_full": Condition(CRITICAL, 60.0),
    "backup": Condition(WARNING, 900.0),
    "files_full": Condition(WARNING, 60.0),
    "daily_bytes_full": Condition(WARNING, 60.0),
    "disk_low": Condition(WARNING, 60.0),
    "certificate_urgent": Condition(CRITICAL),
    "certificate": Condition(WARNING),
    "clock_skew": Condition(WARNING, 300.0),
    "circuit_open": Condition(CRITICAL, 120.0),
    "platform_full": Condition(WARNING, 60.0),
    "starts_held": Condition(WARNING),
    "platform_missing": Condition(WARNING, 60.0),
    "queue_late": Condition(WARNING),
    "unknown": Condition(WARNING, 60.0),
    "late_start": Condition(WARNING),
    "dead": Condition(WARNING, 60.0),
    "runs_failing": Condition(WARNING, 60.0),
    "rejects": Condition(WARNING, 60.0),
    "silence": Condition(WARNING, 300.0),
    "flood": Condition(WARNING),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that wants attention, and what to do. `key`: its condition and, after a colon, what
    it is about.
    """

    key: str
    what: str
    do: str

    @property
    def condition(self) -> str:
        """A row of `CONDITIONS`."""
        return self.key.partition(":")[0]

    @property
    def severity(self) -> str:
        """How bad it is: `critical` or `warning`."""
        return CONDITIONS[self.condition].severity


def troubles(now: Overview) -> list[Trouble]:
    """Return what wants attention, the worst first; nothing where all is well."""
    return [
        *_of_processes(now),
        *_of_config(now),
        *_of_flows(now),
        *_of_values(now),
        *_of_machine(now),
        *_of_backups(now),
        *_of_certificate(now),
        *_of_platforms(now),
        *_of_deliveries(now),
        *_of_runs(now),
        *_of_sources(now),
    ]


def _of_processes(now: Overview) -> Iterator[Trouble]:
    roles = {one.role for one in now.processes}
    if not now.processes:
        yield Trouble(
            "nothing_runs",
            "nothing runs: no event is received or delivered",
            f"flowbridge serve, {SEE}",
        )
        return
    if any(one.role == "reload" and now.at - one.since < STARTING for one in now.processes):
        return  # its others may be there in a moment
    if "work" not in roles:
        yield Trouble(
            "no_worker",
            "no worker is running: events are kept, and nothing is delivered",
            f"flowbridge work, {SEE}",
        )
    if "web" not in roles and not now.is_shared:
        yield Trouble(
            "no_receiver", "no receiver is running: senders get no answer", f"flowbridge web, {SEE}"
        )


def _of_config(now: Overview) -> Iterator[Trouble]:
    config = now.config
    if config.error:
        more = f" (and {len(config.error) - 1} more)" if len(config.error) > 1 else ""
        goes_on = "; the last good configuration is used" if config.since is not None else ""
        yield Trouble(
            "config_unusable",
            f"the configuration cannot be used: {config.error[0]}{more}{goes_on}",
            "flowbridge check",
        )
    if config.since is None or now.at - config.since < SETTLING:
        return
    for one in now.processes:
        if one.config_hash not in (None, config.hash) and now.at - one.since > SETTLING:
            what = f"process {one.pid} ({one.role}) has not taken on the newest configuration"
            yield Trouble(
                f"config_not_taken:{one.host}:{one.pid}", what, "look at its log; restart it"
            )


def _of_machine(now: Overview) -> Iterator[Trouble]:
    if (
        now.disk_free is not None
        and now.disk_total
        and now.disk_free < min(LEAST_FREE, LEAST_SHARE * now.disk_total)
    ):
        yield Trouble(
            "disk_full",
            f"the disk of {now.data} is nearly full: {now.disk_free // 1024**2} MB are free",
            "free some, or make it larger",
        )
    if (
        now.disk_free is not None
        and now.disk_total
        and _takes_signed_alone(now, now.disk_free, now.disk_total)
    ):
        what = (
            f"{now.disk_free // 1024**2} MB of the disk of {now.data} are free, and they are for"
            " signed sources: forms are refused (507)"
        )
        yield Trouble("disk_low", what, "free some, or make it larger")
    if now.database_ahead is not None and abs(now.database_ahead) > CLOCK:
        side = "ahead of" if now.database_ahead > 0 else "behind"
        yield Trouble(
            "clock_skew:database",
            f"the database's clock is {abs(now.database_ahead):.1f} s {side} this machine's",
            "set the clocks: timedatectl",
        )
    for host, ahead in now.clocks_ahead.items():
        if abs(ahead) > CLOCK_OF_OTHERS:
            what = (
                f"the clock of {host} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
                " this machine's"
            )
            yield Trouble(f"clock_skew:{host}", what, "set the clocks: timedatectl")
    step = now.clock_step
    if step is not None and abs(now.at - step.at) < STEPPED:
        way = "forward" if step.seconds > 0 else "back"
        yield Trouble(
            "clock_skew:step",
            f"the clock was set {way} by {abs(step.seconds):.0f} s at {_clock(step.at)}",
            "keep NTP running; flowbridge deliveries --status unknown has what was held for it",
        )
    last = max((one.last_at for one in now.sources if one.last_at is not None), default=0.0)
    if last > now.at + FUTURE:
        yield Trouble(
            "clock_skew:events",
            f"the newest event is {last - now.at:.0f} s ahead of this machine's clock",
            "set the clock: timedatectl",
        )


def _takes_signed_alone(now: Overview, free: int, total: int) -> bool:
    """Whether so little of the disk that the database is on is free that sources without a
    signature are refused.
    """
    return (
        not now.is_shared
        and free < signed_reserve(total)
        and any(one.is_public and one.is_configured for one in now.sources)
    )


def _of_flows(now: Overview) -> Iterator[Trouble]:
    if now.flows_error is not None:
        what = (
            f"flows.py cannot be loaded: {now.flows_error}. Flows that were loaded before still"
            " run; a restart would fail"
        )
        yield Trouble("flows_unusable", what, "flowbridge check")
    for route, flow in now.flows_absent.items():
        what = (
            f"route {route} names the flow {flow}, which the local platform does not have:"
            " deliveries for it wait"
        )
        do = (
            f"put {flow} back into flows.py (flowbridge check has the names). Or name another flow"
            f" in routes.yaml: what waits keeps {flow}, so cancel it and replay its events"
        )
        yield Trouble(f"flow_missing:{route}", what, do)


def _of_values(now: Overview) -> Iterator[Trouble]:
    """Secrets and credentials that are not set."""
    for source in now.sources:
        if source.missing is not None:
            what = (
                f"source {source.name} answers 503, since its secret cannot be read:"
                f" {source.missing}"
            )
            yield Trouble(
                f"no_secret:{source.name}", what, "set it in .env, which is read again by itself"
            )
    for platform in now.platforms:
        if platform.missing is not None:
            what = (
                f"deliveries wait for platform {platform.name}, which cannot be called:"
                f" {platform.missing}"
            )
            yield Trouble(
                f"no_credentials:{platform.name}",
                what,
                "set it in .env, which is read again by itself",
            )


def _of_backups(now: Overview) -> Iterator[Trouble]:
    one = now.backups
    if one is None or not one.are_missed(now.at):
        return
    newest = (
        "there is none yet"
        if one.newest_at is None
        else f"the newest backup is {(now.at - one.newest_at) / 3600:.0f} h old"
    )
    what = newest if one.error is None else f"no backup can be made ({newest}): {one.error}"
    yield Trouble("backup", what, f"flowbridge db backup; {SEE}")


def _of_certificate(now: Overview) -> Iterator[Trouble]:
    """Both where it is urgent, so that what was told first is not told to be over."""
    one = now.certificate
    do = "renew it; flowbridge doctor"
    if one is None:
        return
    host = one.host
    if one.refused is not None:
        yield Trouble(
            f"certificate_urgent:{host}",
            f"the certificate of {host} is not trusted, and senders refuse it: {one.refused}",
            do,
        )
    if one.begins_at is None or one.ends_at is None:
        return
    lasts = one.ends_at - one.begins_at
    left = one.ends_at - now.at
    what = (
        f"the certificate of {host} ends in {left / DAY:.1f} days"
        if left > 0
        else f"the certificate of {host} has ended"
    )
    if one.refused is None and left < min(URGENT, URGENT_PART * lasts):
        yield Trouble(f"certificate_urgent:{host}", f"{what}: senders refuse it then", do)
    if left < min(SOON, SOON_PART * lasts):
        yield Trouble(f"certificate:{host}", f"{what}, and was not renewed", do)


def _of_platforms(now: Overview) -> Iterator[Trouble]:
    waiting = {
        lane.platform: lane
        for lane in now.queue
        if lane.state == "live" and now.at - lane.due_at > FULL
    }
    for one in now.platforms:
        if one.fits is not None and one.name in waiting:
            runs = (
                number(one.fits, "run")
                if one.cap is None
                else f"{one.fits} of {number(one.cap, 'run')}"
            )
            what = f"platform {one.name} says that it is full at {runs}, and deliveries wait for it"
            do = f"see who else uses it; flowbridge show {waiting[one.name].oldest_id}"
            yield Trouble(f"platform_full:{one.name}", what, do)
        circuit = one.circuit
        if circuit is not None and circuit.is_unauthorized:
            yield _refused_credentials(one, circuit, now.at)
        elif circuit is not None and circuit.state(now.at) != "closed":
            again = (
                f" until {_clock(circuit.open_until)}"
                if circuit.open_until and circuit.open_until > now.at
                else ", but for a probe"
            )
            why = f": {circuit.reason}" if circuit.reason else ""
            yield Trouble(
                f"circuit_open:{one.name}",
                f"platform {one.name} is not called{again}{why}",
                "see whether it is up; it is tried again by itself",
            )


def _refused_credentials(one: PlatformNow, circuit: Circuit, at: float) -> Trouble:
    why = f" ({circuit.reason})" if circuit.reason else ""
    again = f"at {_clock(circuit.open_until)}" if circuit.state(at) == "open" else "now"
    what = (
        f"platform {one.name} refused its {one.credentials}{why}: its deliveries wait and none is"
        f" lost; one is tried {again}"
    )
    do = "set the right value in .env, which is read again by itself; one is tried at once then"
    return Trouble(f"credentials_refused:{one.name}", what, do)


def _of_deliveries(now: Overview) -> Iterator[Trouble]:
    if now.hold_since is not None:
        yield Trouble(
            "starts_held",
            f"nothing is started, since {_clock(now.hold_since)}: {now.hold_reason}",
            "flowbridge db release --dry-run",
        )
    for lane in now.queue:
        if lane.state == "no platform":
            what = (
                f"{lane.queued} of route {lane.route} wait for platform {lane.platform}, which is"
                " not configured"
            )
            yield Trouble(
                f"platform_missing:{lane.route}",
                what,
                f"add it to routes.yaml, or flowbridge cancel --route {lane.route}",
            )
        elif lane.state == "live" and now.at - lane.due_at > LATE:
            minutes = (now.at - lane.due_at) / 60
            yield Trouble(
                f"queue_late:{lane.route}:{lane.platform}",
                f"deliveries of route {lane.route} are {minutes:.0f} min late",
                f"flowbridge show {lane.oldest_id} says why",
            )
    yield from _of_unknown(now)
    for one in now.late_starts:
        waits = one.status in (Status.QUEUED, Status.BLOCKED)
        what = (
            f"{one.delivery_id} is {one.status}, and attempt {one.attempt} of it has started run"
            f" {one.run_id}, as its late answer says"
        )
        do = (
            f"flowbridge cancel {one.delivery_id}, or it is started again"
            if waits
            else "look at that run there"
        )
        yield Trouble(
            f"late_start:{one.delivery_id}", what, f"{do}; flowbridge show {one.delivery_id}"
        )
    if now.dead_today:
        steps = (
            find_common_steps(map(need_of_dead, now.dead_kinds), "--since 1d")
            if now.dead_kinds
            else []
        )
        do = "; ".join(["flowbridge deliveries --status dead --since 1d", *steps])
        yield Trouble("dead", f"{_number(now.dead_today, now)} died within a day", do)


def _of_unknown(now: Overview) -> Iterator[Trouble]:
    """What waits for a person, and what waits for something that no other condition says."""
    if now.held:
        wait = "waits" if now.held == 1 else "wait"
        why = "".join(f"; {one.problem}" for one in now.stuck if one.needs_decision)
        (do,) = find_common_steps([Need.DECISION], "")
        yield Trouble(
            "unknown",
            f"{_number(now.held, now)} with an unknown outcome {wait} for a person{why}",
            do,
        )
    refusing = {
        one.name for one in now.platforms if one.circuit is not None and one.circuit.is_unauthorized
    }
    for stuck in now.stuck:
        many = (
            f"{_number(stuck.count, now)} with an unknown outcome"
            f" {'waits' if stuck.count == 1 else 'wait'}"
        )
        if stuck.kind == "refused" and stuck.platform not in refusing:
            do = f"{stuck.fix}; the rest goes on by itself"
            yield Trouble(f"credentials_refused:{stuck.platform}", f"{stuck.problem}: {many}", do)
        if stuck.kind == "unreachable" and stuck.since is not None and now.at - stuck.since > FULL:
            what = f"{many} since {_clock(stuck.since)} for a list of runs; {stuck.problem}"
            yield Trouble(
                f"unknown:{stuck.platform}",
                what,
                "see whether it is up; it is asked again by itself",
            )


def _of_runs(now: Overview) -> Iterator[Trouble]:
    """A route of which many runs failed within a day, or of which no run was done since the last
    ones failed.
    """
    for route, one in sorted(now.runs_ended.items()):
        steps = find_common_steps([Need.FAILED], f"--route {route} --since 1d")
        see = (
            f"flowbridge show {one.event_id}"
            if one.event_id
            else f"flowbridge deliveries --route {route} --run failed"
        )
        do = "; ".join([see, *steps])
        if one.failed and one.failed >= FAILING * one.ended:
            what = (
                f"{one.failed} of {number(one.ended, 'run')} of route {route} failed within a day"
            )
            yield Trouble(f"runs_failing:{route}", what, do)
        elif one.in_a_row and one.is_live:
            last = "the last run" if one.in_a_row == 1 else f"the last {one.in_a_row} runs"
            yield Trouble(
                f"runs_failing:{route}",
                f"{last} of route {route} failed, and none was done since",
                do,
            )


def _of_sources(now: Overview) -> Iterator[Trouble]:
    for one in now.sources:
        if one.is_configured and one.last_at is None and one.rejected_today >= NEVER_PASSED:
            what = (
                f"source {one.name} has no event, and {one.rejected_today} requests to it failed"
                " verification today"
            )
            yield Trouble(
                f"rejects:{one.name}",
                what,
                f"flowbridge rejects --source {one.name} says what is wrong, such as the secret",
            )
        elif one.rejected_lately > max(FEW_REJECTS, MANY_TIMES * one.rejected_usually):
            what = (
                f"{one.rejected_lately} requests to source {one.name} failed verification within an"
                " hour, more than usual"
            )
            yield Trouble(f"rejects:{one.name}", what, f"flowbridge rejects --source {one.name}")
        if one.files_keep is not None and one.files > MUCH_KEPT * one.files_keep:
            what = (
                f"form {one.name} has {_size(one.files)} of files of at most"
                f" {_size(one.files_keep)}: what is more is refused (507)"
            )
            yield Trouble(
                f"files_full:{one.name}",
                what,
                "raise `files: {keep}` of the source, or have less kept by its `retention`",
            )
        if one.daily_bytes is not None and one.stored_today > MUCH_KEPT * one.daily_bytes:
            what = (
                f"source {one.name} stored {_size(one.stored_today)} of at most"
                f" {_size(one.daily_bytes)} today: more is refused (507)"
            )
            yield Trouble(
                f"daily_bytes_full:{one.name}",
                what,
                f"flowbridge events --source {one.name}; raise `daily_bytes`",
            )
        if one.is_configured and _is_silent(one, now.at):
            what = f"source {one.name} has sent nothing for {(now.at - _since(one)) / 60:.0f} min"
            what += ", and no event of it is kept" if one.last_at is None else ""
            if one.expect is not None and one.heard:
                what = (
                    f"source {one.name} sent {one.heard} in {one.expect.per / 60:.0f} min, and"
                    f" {one.expect.count} are expected"
                )
            yield Trouble(
                f"silence:{one.name}",
                what,
                "look at the sender's own list of webhooks; set `expect` where this is usual",
            )


def _is_silent(one: SourceNow, at: float) -> bool:
    if one.expect is not None:
        return one.heard < one.expect.count and at - _since(one, first=True) >= one.expect.per
    return (one.speaks_by is not None and at > one.speaks_by) or _was_silent(one)


def _was_silent(one: SourceNow) -> bool:
    """What is called silent is so until it speaks: what told that goes with the old events, which
    is no word of the source.
    """
    return one.silent_since is not None and (
        one.last_at is None or one.last_at + LEAST <= one.silent_since
    )


def _since(one: SourceNow, *, first: bool = False) -> float:
    """Return the time of its last event; of one of which none is kept, since when it is expected or
    silent. `first`: the earliest.
    """
    known = [at for at in (one.last_at, one.expected_since, one.silent_since) if at is not None]
    return math.inf if not known else min(known) if first else known[0]


def _number(count: int, now: Overview) -> str:
    text = f"{count}+" if count >= now.counted_to else str(count)
    return f"{text} {'delivery' if count == 1 else 'deliveries'}"


def notes(now: Overview) -> list[str]:
    """Return what is merely to be known."""
    said = []
    if now.config.restart:
        said.append(
            f"{', '.join(now.config.restart)} in .env changed: the new value is used after a"
            " restart"
        )
    said += [
        f"flowbridge {each} runs, and {now.version} is installed: restart it"
        for each in now.running_versions
        if each != now.version
    ]
    said += [
        f"source {one.name}: {one.secret_doubt}"
        for one in now.sources
        if one.secret_doubt is not None and one.is_configured
    ]
    failed = sum(one.failed for one in now.runs_ended.values())
    if failed:
        said.append(
            f"{number(failed, 'run')} failed within a day: flowbridge events --run failed"
            " --since 1d"
        )
    if not now.tells and troubles(now):
        said.append(
            "nobody is told of what wants attention: no route takes alerts (flowbridge alerts"
            " --help has one)"
        )
    return said


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"


def _clock(at: float | None) -> str:
    return write_time(at or 0.0, "%H:%M:%SZ")
