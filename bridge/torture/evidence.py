"""The evidence folder: the sent events, the records of the executed starts, and the run's facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.core.errors import SettingsError
from bridge.torture.records import SentEvent, Start

FACTS_FILE: Final = "torture.json"


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """The folder of one run, with its files."""

    path: Path

    @property
    def data(self) -> Path:
        """The data folder of flowbridge."""
        return self.path / "data"

    @property
    def starts_file(self) -> Path:
        """The record of the platform."""
        return self.path / "starts.jsonl"

    @property
    def local_file(self) -> Path:
        """The record of the local flows."""
        return self.path / "local.jsonl"

    @property
    def sqlite_url(self) -> str:
        """The URL of the SQLite database."""
        return f"sqlite:///{self.data / 'flowbridge.db'}"

    def save(self, sent: Iterable[SentEvent], facts: dict[str, Any]) -> None:
        """Write the sent events and the facts, so that the run can be counted again."""
        with (self.path / "sent.jsonl").open("wb") as file:
            for event in sent:
                file.write(orjson.dumps(asdict(event)) + b"\n")
        (self.path / FACTS_FILE).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))

    def read_sent(self) -> list[SentEvent]:
        """Return the sent events."""
        return [SentEvent(**line) for line in _read_lines(self.path / "sent.jsonl")]

    def read_facts(self) -> dict[str, Any]:
        """Return the facts of the run, or raise `SettingsError` for any other folder."""
        try:
            facts: dict[str, Any] = orjson.loads((self.path / FACTS_FILE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise SettingsError(
                f"{self.path} is not the folder of a crash test: it has no {FACTS_FILE}"
            ) from None
        return facts

    def read_starts(self) -> tuple[list[Start], Counter[str], int]:
        """Return the starts in order, the count of each fault, and the count of invalid calls."""
        starts = []
        faults = Counter[str]()
        invalid = 0
        for line in _read_lines(self.starts_file):
            if line["what"] == "start":
                starts.append(_parse_start(line))
            invalid += line["what"] == "odd"
            if line.get("fault", "ok") != "ok":
                faults[line["fault"]] += 1
        starts += [
            Start(line["at"], "local", line["route"], line["event"], line["id"])
            for line in _read_lines(self.local_file)
        ]
        return sorted(starts, key=lambda start: start.at), faults, invalid


def _parse_start(line: dict[str, Any]) -> Start:
    ends = line["at"] + line["seconds"] if line["run"] and line["ends"] != "ENDLESS" else None
    identity = (line["route"], line["event"], line["id"], line["key"])
    failed = bool(line["run"]) and line["ends"] == "FAILED"
    return Start(
        line["at"], line["on"], *identity, line["run"], line["idem"], ends, line["fault"], failed
    )


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def count_bytes(paths: Sequence[Path]) -> int:
    """Return the total size of the files below these folders."""
    return sum(file.stat().st_size for path in paths for file in path.rglob("*") if file.is_file())
