"""The folder of a torture: what the senders know, what the platform and the local flows wrote down,
and the facts of the run itself.
"""

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
    """Where everything of one torture is."""

    path: Path

    @property
    def data(self) -> Path:
        """The bridge's data folder."""
        return self.path / "data"

    @property
    def starts_file(self) -> Path:
        """The platform's record."""
        return self.path / "starts.jsonl"

    @property
    def local_file(self) -> Path:
        """The local flows' record."""
        return self.path / "local.jsonl"

    @property
    def sqlite_url(self) -> str:
        """The URL of the database where it is SQLite."""
        return f"sqlite:///{self.data / 'flowbridge.db'}"

    def save(self, sent: Iterable[SentEvent], facts: dict[str, Any]) -> None:
        """Write down what is only in memory, so that it can be counted again."""
        with (self.path / "sent.jsonl").open("wb") as file:
            for one in sent:
                file.write(orjson.dumps(asdict(one)) + b"\n")
        (self.path / FACTS_FILE).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))

    def read_sent(self) -> list[SentEvent]:
        """Return what was sent."""
        return [SentEvent(**line) for line in _read_lines(self.path / "sent.jsonl")]

    def read_facts(self) -> dict[str, Any]:
        """Return the facts of the run; `SettingsError` where the folder is not one of a torture."""
        try:
            found: dict[str, Any] = orjson.loads((self.path / FACTS_FILE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            raise SettingsError(
                f"{self.path} is no folder that a torture has kept: it has no {FACTS_FILE}"
            ) from None
        return found

    def read_starts(self) -> tuple[list[Start], Counter[str], int]:
        """Return the starts in their order, how often each fault happened, and how many calls made
        no sense.
        """
        starts = []
        faults = Counter[str]()
        odd = 0
        for line in _read_lines(self.starts_file):
            if line["what"] == "start":
                starts.append(_parse_start(line))
            odd += line["what"] == "odd"
            if line.get("fault", "ok") != "ok":
                faults[line["fault"]] += 1
        starts += [
            Start(line["at"], "local", line["route"], line["event"], line["id"])
            for line in _read_lines(self.local_file)
        ]
        return sorted(starts, key=lambda start: start.at), faults, odd


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
    """Return how many bytes the files below these folders have."""
    return sum(file.stat().st_size for path in paths for file in path.rglob("*") if file.is_file())
