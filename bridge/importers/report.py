"""The report of an import: what was carried, what to check, and what was not carried. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bridge.core.model import JSON
from bridge.core.text import pluralize
from bridge.importers.model import Carried, ImportFinding, ImportResult

HEADINGS: Final = {
    Carried.YES: "Carried",
    Carried.DOUBT: "Carried, to be checked",
    Carried.NO: "Not carried",
}


def list_lines(result: ImportResult, missing: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the report for people. `missing`: variables of .env without a value."""
    for carried, heading in HEADINGS.items():
        findings = [finding for finding in result.findings if finding.carried is carried]
        if findings:
            yield f"{heading}:"
            yield from (
                f"  {finding.file}: {finding.place}: {finding.message}" for finding in findings
            )
            yield ""
    if missing:
        yield f"Set in .env: {', '.join(missing)}"
        yield ""
    yield summarize(result)


def summarize(result: ImportResult) -> str:
    """Return the counts in one line."""
    made = ", ".join(
        pluralize(count, noun)
        for count, noun in (
            (len(result.sources), "source"),
            (len(result.routes), "route"),
            (len(result.secrets), "secret"),
        )
    )
    counts = ", ".join(
        f"{result.count(carried)} {text}"
        for carried, text in (
            (Carried.YES, "carried"),
            (Carried.DOUBT, "to be checked"),
            (Carried.NO, "not carried"),
        )
    )
    return f"{made}; {counts}."


def finding_json(finding: ImportFinding) -> dict[str, JSON]:
    """Return a finding as `import --json` prints it."""
    return {
        "file": finding.file,
        "place": finding.place,
        "carried": finding.carried.value,
        "message": finding.message,
    }


def summary_json(
    result: ImportResult, missing: Sequence[str], routes: str | None, written: Sequence[str]
) -> dict[str, JSON]:
    """Return the last object of `import --json`.

    `routes` is the text of routes.yaml where it was not written.
    """
    return {
        "summary": {
            **{carried.value: result.count(carried) for carried in Carried},
            "sources": list(result.sources),
            "routes": [str(route["name"]) for route in result.routes],
            "secrets": list(result.secrets),
            "missing": list(missing),
            "written": list(written),
            "routes_yaml": routes,
        }
    }
