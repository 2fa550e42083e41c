"""All performance targets of the project in one table: each figure as a ratio against a yardstick of
the same run.

    python bench/all.py [--only NAME ...] [--quick] [--node-red FOLDER] [--n8n FOLDER [--node FILE]]
    [--database-url URL]

It takes about ten minutes; --quick takes two, and only shows that everything works. A row that could
not be measured says why. PostgreSQL is started for this, or is the server at --database-url. The
table is Markdown. Progress goes to stderr, and the exit code is 0 whatever was measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import deliver
import ingest
import memory
import peers
import rig
import scale
import slow
import start
import targets
import wrk_load
from targets import Row, Target

PEERS = {
    peers.NODE_RED: targets.NODE_RED,
    peers.WEBHOOK: targets.WEBHOOK,
    peers.N8N: targets.N8N,
}


@dataclass(frozen=True)
class Effort:
    """How long and how often each measurement runs, and with what."""

    given: argparse.Namespace
    ingest: wrk_load.LoadPlan = field(default_factory=wrk_load.LoadPlan)
    deliver: wrk_load.LoadPlan = field(
        default_factory=lambda: wrk_load.LoadPlan(seconds=10, runs=3)
    )
    peers: wrk_load.LoadPlan = field(default_factory=lambda: wrk_load.LoadPlan(seconds=5, runs=3))
    slow: slow.SlowPlan = field(default_factory=slow.SlowPlan)
    scale: wrk_load.LoadPlan = field(
        default_factory=lambda: wrk_load.LoadPlan(5, 3, connections=scale.CONNECTIONS)
    )
    start_runs: int = start.RUNS
    resting: float = memory.RESTING


def make_quick(given: argparse.Namespace) -> Effort:
    """Return the least effort that runs everything once."""
    once = wrk_load.LoadPlan(seconds=1, runs=1)
    return Effort(
        given,
        ingest=once,
        deliver=once,
        peers=once,
        slow=slow.SlowPlan(rounds=1, seconds=3, rate=50),
        scale=wrk_load.LoadPlan(1, 1, connections=scale.CONNECTIONS),
        start_runs=2,
        resting=1,
    )


def measure_ingest(effort: Effort) -> list[Row]:
    found = ingest.measure(effort.ingest, (ingest.BASE, ingest.OURS))
    return [
        compare_runs(targets.INGEST, found[ingest.OURS], found[ingest.BASE], "rate"),
        compare_runs(targets.ACKNOWLEDGEMENT, found[ingest.OURS], found[ingest.BASE], "p99"),
    ]


def measure_peers(effort: Effort) -> list[Row]:
    there, missing = peers.find(effort.given)
    rates, failures = peers.measure_in_turn(there, effort.peers.seconds, effort.peers.runs)
    if peers.OURS in failures:
        return [Row(target, note=f"flowbridge {failures[peers.OURS]}") for target in PEERS.values()]
    return [
        compare_rates(target, rates[peers.OURS], rates[name])
        if name in rates
        else Row(target, note={**missing, **failures}[name])
        for name, target in PEERS.items()
    ]


def measure_slow(effort: Effort) -> list[Row]:
    found = slow.measure(effort.slow)
    beside = found.middle("beside", 0.99)
    without = found.middle("without", 0.99)
    notes = [f"{found.refused} good requests refused"] if found.refused else []
    if found.fewest < effort.slow.connections:
        notes.append(f"at least {found.fewest} open at the end of a round")
    return [
        Row(
            targets.SLOW,
            beside / without,
            f"{beside:.1f} ms",
            f"{without:.1f} ms",
            "; ".join(notes),
        )
    ]


def measure_memory(effort: Effort) -> list[Row]:
    *_, last = memory.measure(effort.resting, load_seconds=1.0)
    return [
        Row(
            targets.MEMORY,
            last.rest,
            f"{last.rest:.0f} MB",
            note=f"{last.processes} processes; {last.busy:.1%} of a processor at rest",
        )
    ]


def measure_start(effort: Effort) -> list[Row]:
    found = start.measure(effort.start_runs)
    base = start.find_median(found, start.BASE)
    rows = []
    for target, name in ((targets.READY, start.SERVE), (targets.COMMAND, start.COMMAND)):
        middle = start.find_median(found, name)
        fastest = start.find_fastest(found, name) / start.find_fastest(found, start.BASE)
        rows.append(
            Row(
                target,
                middle / base,
                f"{middle * 1000:.0f} ms",
                f"{base * 1000:.0f} ms",
                f"between the fastest of {effort.start_runs} each: {fastest:.2f}",
            )
        )
    return rows


def measure_postgresql_ingest(effort: Effort) -> list[Row]:
    names = (ingest.OURS, ingest.POSTGRESQL)
    sqlite, postgresql = ingest.measure(effort.ingest, names, effort.given.database_url).values()
    return [compare_runs(targets.POSTGRESQL_INGEST, postgresql, sqlite, "rate")]


def measure_postgresql_deliver(effort: Effort) -> list[Row]:
    sqlite, postgresql = deliver.compare(effort.deliver, effort.given.database_url).values()
    return [
        compare_rates(
            targets.POSTGRESQL_DELIVER,
            [run.rate for run in postgresql],
            [run.rate for run in sqlite],
            compare_cpu([run.cpu for run in postgresql], [run.cpu for run in sqlite]),
        )
    ]


def measure_scale(effort: Effort) -> list[Row]:
    curve = scale.measure(effort.scale, (1, *targets.SCALE), effort.given.database_url)
    one = curve[1]
    rows = [
        compare_rates(
            target,
            [point.started for point in curve[count]],
            [point.started for point in one],
            compare_cpu([point.cpu for point in curve[count]], [point.cpu for point in one]),
        )
        for count, target in targets.SCALE.items()
    ]
    return [*rows, Row(targets.BEND, note=scale.describe_bend(curve))]


def compare_runs(
    target: Target, ours: list[dict[str, float]], base: list[dict[str, float]], key: str
) -> Row:
    """Return the row of one figure of loads: a rate or a time."""
    if key == "rate":
        cpu = compare_cpu([run["cpu"] for run in ours], [run["cpu"] for run in base])
        row = compare_rates(target, [run[key] for run in ours], [run[key] for run in base], cpu)
    else:
        ours_time, base_time = (rig.middle(runs, key) for runs in (ours, base))
        row = Row(target, ours_time / base_time, f"{ours_time:.1f} ms", f"{base_time:.1f} ms")
    errors = sum(run["errors"] for run in (*ours, *base))
    return replace(row, note=f"{errors:.0f} errors; {row.note}") if errors else row


def compare_rates(target: Target, ours: list[float], base: list[float], note: str = "") -> Row:
    """Return the row of a rate: the ratio of the medians."""
    our_rate = rig.median(ours)
    base_rate = rig.median(base)
    return Row(target, our_rate / base_rate, f"{our_rate:.0f}/s", f"{base_rate:.0f}/s", note)


def compare_cpu(ours: list[float], base: list[float]) -> str:
    """Return what is left to say where other work slows both: µs of processor time for each."""
    return f"{rig.median(ours):.0f} of {rig.median(base):.0f} µs CPU each"


@dataclass(frozen=True)
class Measurement:
    """What makes rows of the table, and the targets of these."""

    measure: Callable[[Effort], list[Row]]
    targets: Sequence[Target]


MEASUREMENTS = {
    "ingest": Measurement(measure_ingest, (targets.INGEST, targets.ACKNOWLEDGEMENT)),
    "peers": Measurement(measure_peers, tuple(PEERS.values())),
    "slow": Measurement(measure_slow, (targets.SLOW,)),
    "memory": Measurement(measure_memory, (targets.MEMORY,)),
    "start": Measurement(measure_start, (targets.READY, targets.COMMAND)),
    "postgresql-ingest": Measurement(measure_postgresql_ingest, (targets.POSTGRESQL_INGEST,)),
    "postgresql-deliver": Measurement(measure_postgresql_deliver, (targets.POSTGRESQL_DELIVER,)),
    "scale": Measurement(measure_scale, (*targets.SCALE.values(), targets.BEND)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=MEASUREMENTS,
        metavar="NAME",
        default=[],
        help=f"of {', '.join(MEASUREMENTS)}",
    )
    parser.add_argument("--quick", action="store_true", help="too short for figures to be quoted")
    parser.add_argument("--database-url", default="")
    peers.add_options(parser)
    given = parser.parse_args()
    effort = make_quick(given) if given.quick else Effort(given)
    load = os.getloadavg()[0]
    rows = measure(effort, given.only or list(MEASUREMENTS))
    print(rig.machine())
    print(f"load average before: {load:.1f}{'; quick, not to be quoted' if given.quick else ''}\n")
    print(targets.write_table(rows))


def measure(effort: Effort, names: Sequence[str]) -> list[Row]:
    """Return the rows of these measurements. What fails has rows that say so."""
    rows: list[Row] = []
    note = ""  # once it is interrupted
    for name in names:
        part = MEASUREMENTS[name]
        began = time.monotonic()
        if not note:
            try:
                rows += part.measure(effort)
                print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
                continue
            except KeyboardInterrupt:
                note = "not measured: interrupted"
            except (Exception, SystemExit) as error:
                rows += [Row(target, note=describe(error)) for target in part.targets]
                print(f"{name}: {describe(error)}", file=sys.stderr)
                continue
        rows += [Row(target, note=note) for target in part.targets]
    return rows


def describe(error: BaseException) -> str:
    """Say why a measurement failed."""
    kind = "" if isinstance(error, SystemExit) else f"{type(error).__name__}: "
    return f"not measured: {kind}{error}"


if __name__ == "__main__":
    main()
