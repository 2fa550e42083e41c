"""Records of an import: sections of routes.yaml, secrets, and a finding for each key. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.routing.model import PLACEHOLDER_ID

MAX_NAME_CHARS: Final = 60  # of a source, a flow or a route; routes.yaml allows 63
MAX_FINDINGS: Final = 20_000
MAX_STEP_CHARS: Final = 80  # of a place
RECENT_FINDINGS: Final = 50  # among which a finding is there once
#: Stands for a flow until its platform and id are filled in.
PLACEHOLDER_FLOW: Final = {
    "platform": "local",
    "saved_item_id": PLACEHOLDER_ID,
    "placeholder": True,
}


class Carried(StrEnum):
    """The way in which an import handled a part of the input."""

    YES = "carried"
    DOUBT = "doubt"
    NO = "not_carried"


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """One part of the input: its place in the file, and what the import did with it.

    `message` never holds a value that may be a secret.
    """

    file: str
    place: str
    carried: Carried
    message: str


@dataclass(slots=True)
class ImportResult:
    """Everything that was read: the sections of routes.yaml, secrets by variable, and findings.

    A secret is null where the person who imports has to set it. `files` has further files by their
    path under the folder of routes.yaml. `comments` has a line for a route, by its name.
    """

    platforms: dict[str, dict[str, Any]] = field(default_factory=dict)  # beside `local`
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    flows: dict[str, dict[str, Any]] = field(default_factory=dict)
    routes: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, str | None] = field(default_factory=dict, repr=False)
    files: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    findings: list[ImportFinding] = field(default_factory=list)

    def count(self, carried: Carried) -> int:
        """Return how many findings there are of one kind."""
        return sum(finding.carried is carried for finding in self.findings)

    def add_placeholder(self, flow: str) -> None:
        """Add a flow whose platform and id have to be filled in; see `FindingLog.fill_in`."""
        self.flows[flow] = dict(PLACEHOLDER_FLOW)

    def add_secret(self, variable: str, value: str | None) -> str:
        """Add a secret under a free variable, and return its `${env:…}`."""
        name = choose_name(variable, self.secrets, separator="_")
        self.secrets[name] = value
        return "${env:" + name + "}"


@dataclass(frozen=True, slots=True)
class FindingLog:
    """Adds findings at one place of a file."""

    result: ImportResult
    file: str
    place: str

    def at(self, *steps: str | int) -> FindingLog:
        """Return the log of a place below this one."""
        names = [str(step)[:MAX_STEP_CHARS] for step in steps]
        return FindingLog(self.result, self.file, ".".join([self.place, *names]))

    def carry(self, message: str) -> None:
        """Add that this part is carried."""
        self._add(Carried.YES, message)

    def doubt(self, message: str) -> None:
        """Add that this part is carried, and why it may differ."""
        self._add(Carried.DOUBT, message)

    def fill_in(self, flow: str, advice: str) -> None:
        """Add that a flow is a placeholder, and what is known of its work."""
        self.doubt(f"to fill in: flows.{flow} is a placeholder that runs local/echo; {advice}")

    def refuse(self, message: str) -> None:
        """Add that this part is not carried, and why."""
        self._add(Carried.NO, message)

    def _add(self, carried: Carried, message: str) -> None:
        finding = ImportFinding(self.file, self.place, carried, message)
        if finding in self.result.findings[-RECENT_FINDINGS:]:
            return
        if len(self.result.findings) >= MAX_FINDINGS:
            raise InvalidRequest(f"{self.file}: more than {MAX_FINDINGS} findings")
        self.result.findings.append(finding)


def make_name(text: str, default: str) -> str:
    """Return a text as a name: letters, digits, - and _."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:MAX_NAME_CHARS]
    return name or default


def choose_name(name: str, taken: Collection[str], *, separator: str = "-") -> str:
    """Return `name`, or with a number the first one that is not taken."""
    if name not in taken:
        return name
    number = 2
    while f"{name}{separator}{number}" in taken:
        number += 1
    return f"{name}{separator}{number}"
