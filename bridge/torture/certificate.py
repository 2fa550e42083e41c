"""The certificate, as JSON and as rows of text. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from bridge.torture.records import FINDING_KINDS, Account, Finding

SCHEMA_VERSION: Final = 1
MAX_LISTED_FINDINGS: Final = 100  # all are counted
MAX_DEAD_REASONS: Final = 20  # the others are counted together
FAULT_LABELS: Final = {
    "disk": "full disks",
    "disk_refusals": "of them seen by senders",
    "clock": "clock faults",
    "blip": "clock steps taken back at once",
    "clock_minutes": "clock steps by minutes",
    "clock_days": "by a day",
    "database": "times all connections terminated",
    "lapse": "stops both before a call and before its write",
    "overtaken": "calls taken over by other processes",
    "broker_emptied": "times the broker emptied",
    "messages_lost": "messages lost with it",
}
COUNT_NAMES: Final = (
    "posted",
    "events",
    "acknowledged",
    "refused",
    "unanswered",
    "duplicates",
    "forged",
    "given_up",
    "kept_unacknowledged",
    "started",
    "repeated_as_declared",
    "rerun_as_declared",
    "merged",
    "held",
    "held_started",
    "held_clock",
    "in_order",
    "reconciled_adopted",
    "reconciled_queued_again",
    "reconciled_held",
)
VERDICTS: Final = {
    "kept": (
        "every acknowledged event is accounted for, and no flow was started twice except as"
        " declared"
    ),
    "incomplete": ("no problem was found, but not every possible kind of fault occurred"),
    "unsettled": (
        "nothing was lost or started twice, but work was still in progress when the time was up"
    ),
    "broken": "a guarantee was broken",
}


def make_certificate(
    facts: Mapping[str, Any], account: Account, faults: Mapping[str, int]
) -> dict[str, Any]:
    """Return the certificate. `facts`: see `collect_facts`; `faults`: those of the platform."""
    wrong = {
        kind: sum(finding.kind == kind for finding in account.findings) for kind in FINDING_KINDS
    }
    dead = dict(account.dead.most_common(MAX_DEAD_REASONS))
    if others := account.dead.total() - sum(dead.values()):
        dead["other reasons"] = others
    return {
        "schema": SCHEMA_VERSION,
        "verdict": choose_verdict(account.findings, facts["missed"]),
        **facts,
        "faults": {**facts["faults"], "platform": dict(sorted(faults.items()))},
        **{name: account.counts[name] for name in COUNT_NAMES},
        "deliveries": dict(sorted(account.statuses.items())),
        "dead": dead,
        "lost": wrong["lost"],
        "started_twice": wrong["started_twice"],
        "wrong": wrong,
        "findings": [
            {"kind": finding.kind, "id": finding.id, "text": finding.text}
            for finding in account.findings[:MAX_LISTED_FINDINGS]
        ],
    }


def choose_verdict(findings: Iterable[Finding], missed: Collection[str] = ()) -> str:
    """Return the verdict (of `VERDICTS`). `missed`: possible kinds of faults that did not occur."""
    kinds = {finding.kind for finding in findings}
    return (
        ("incomplete" if missed else "kept")
        if not kinds
        else "unsettled"
        if kinds == {"unsettled"}
        else "broken"
    )


def format_rows(made: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the titles and texts of the rows that the command prints."""
    machine = made["machine"]
    database = made["database"]
    code = made["code"]
    engine = f"engine {made['engine']}"
    yield (
        "flowbridge",
        (
            f"{made['flowbridge']}, {database['version']}, {_count_noun(made['nodes'], 'node')},"
            f" {engine}, seed {made['seed']}"
        ),
    )
    commit = (
        f"commit {code['commit']}{' with changes' if code['changed'] else ''}, "
        if code["commit"]
        else ""
    )
    yield "code", f"{commit}sha256 {code['sha256']}"
    yield (
        "machine",
        (
            f"{machine['cores']} x {machine['cpu']}, {machine['memory_bytes'] / 2**30:.1f} GiB,"
            f" {machine['filesystem']}"
        ),
    )
    yield "", f"{machine['system']}, {machine['kernel']}, Python {machine['python']}"
    spent = made["seconds"]
    yield (
        "time",
        f"{spent['load']:.0f} s of load, {spent['drain']:.0f} s of drain",
    )
    for signal, victims in made["kills"].items():
        yield f"{signal}", ", ".join(f"{victim} {count}" for victim, count in victims.items())
    yield (
        "faults",
        ", ".join(
            f"{made['faults'][name]} {words}"
            for name, words in FAULT_LABELS.items()
            if made["faults"].get(name)
        )
        or "none",
    )
    yield (
        "platform",
        (
            f"misbehaved {sum(made['faults']['platform'].values())} times, in"
            f" {len(made['faults']['platform'])} ways"
        ),
    )
    back = made["acknowledges_again_after"]
    if back["count"]:
        yield (
            "recovery",
            (
                f"first acknowledgement after {back['median']:.1f} s (median),"
                f" {back['longest']:.1f} s (max)"
            ),
        )
    yield (
        "events",
        (
            f"{made['events']} sent in {_count_noun(made['posted'], 'request')},"
            f" {made['acknowledged']} acknowledged"
        ),
    )
    yield (
        "",
        (
            f"{made['refused']} refusals, {made['unanswered']} without an answer,"
            f" {made['duplicates']} acknowledged again"
        ),
    )
    yield (
        "forged",
        (f"{made['forged']}, all rejected" if not made["wrong"]["forged"] else f"{made['forged']}"),
    )
    yield (
        "deliveries",
        ", ".join(f"{count} {status}" for status, count in made["deliveries"].items()),
    )
    again = (
        f"{made['repeated_as_declared']} of them repeated as declared, {made['rerun_as_declared']}"
        " after a failed run"
    )
    yield "started", f"{made['started']}, {again}"
    yield (
        "held",
        (
            f"{made['held']} starts are unknown and wait for a decision; {made['held_started']} of"
            " them did start"
        ),
    )
    if made.get("held_clock"):
        yield "", f"{made['held_clock']} of them because a clock was stepped"
    if looked := sum(
        made[name] for name in ("reconciled_adopted", "reconciled_queued_again", "reconciled_held")
    ):
        outcomes = (
            f"{made['reconciled_adopted']} adopted, {made['reconciled_queued_again']} queued again,"
            f" {made['reconciled_held']} held"
        )
        yield "reconciled", f"{looked} unanswered starts: {outcomes}"
    for kind, count in made["wrong"].items():
        if count or kind in ("lost", "started_twice"):
            yield kind.replace("_", " "), f"{count}{'  ' + FINDING_KINDS[kind] if count else ''}"
    for kind, why in made["not_run"].items():
        yield "missed" if kind in made["missed"] else "not run", f"{kind}: {why}"


def _count_noun(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
