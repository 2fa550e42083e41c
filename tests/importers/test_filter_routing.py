"""What Hookdeck and Convoy deliver, the imported routes start: generated filters and payloads.

Verdicts are recorded from Hookdeck's library and from Convoy, by the scripts in tests/data beside
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filter_cases import DOCUMENTED, FILTERS, MAKERS, PAYLOADS, Cases, hash_cases
from filter_models import convoy_passes, hookdeck_passes
from imported_hooks import ImportedHooks, import_texts
from webhook_rules import HookRequest

DATA = Path(__file__).parents[1] / "data"
PROGRAMS = ("hookdeck", "convoy")
#: Documented cases that differ here, as the report or docs/moving.md says.
DIFFERENT = {
    "hookdeck": {
        "null is a value",
        "null is another value",
        "a missing key is not null",
        "a number as text",
        "true as a number",
        "a text in a list",
        "a list in a list",
        "a body that is a list",
    },
    "convoy": {
        "a missing key beside another",
        "exists is missing beside another",
        "null is another value",
        "a number as text",
        "a text is less",
        "a later index of an inner list",
    },
}
REFUSED = {
    "hookdeck": {
        "and of one key",
        "not of one key",
        "keys beside or",
        "keys beside an operator",
        "an unknown operator",
        "an operator beside keys",
    },
    "convoy": {
        "no key, alone",
        "or under a key",
        "a plain null",
        "a plain list",
        "a sign at the end",
        "too many lists",
        "an unknown operator",
        "an empty object",
        "order of a text",
    },
}


@dataclass(frozen=True)
class RecordedVerdicts:
    """The generated cases of a program, its verdicts on them, and on documented cases."""

    cases: Cases
    verdicts: list[bool]
    documented: list[tuple[Any, Any, bool]]

    def each(self) -> Iterator[tuple[int, Any, Any, bool]]:
        """Yield the number of the filter, the filter, a payload and the verdict."""
        verdicts = iter(self.verdicts)
        for number, (schema, payloads) in enumerate(self.cases):
            for payload in payloads:
                yield number, schema, payload, next(verdicts)


def read_verdicts(program: str) -> RecordedVerdicts:
    found = json.loads((DATA / f"{program}_verdicts.json").read_text("utf-8"))
    cases = MAKERS[program](found["seed"])
    assert hash_cases(cases) == found["cases"], "record the verdicts again"
    verdicts = [one == "1" for row in found["verdicts"] for one in row]
    assert len(verdicts) == FILTERS * PAYLOADS
    documented = [(one[0], one[1], one[2]) for one in found["documented"]]
    assert [one[:2] for one in documented] == list(DOCUMENTED[program].values())
    return RecordedVerdicts(cases, verdicts, documented)


@pytest.fixture(scope="module")
def recorded() -> dict[str, RecordedVerdicts]:
    return {program: read_verdicts(program) for program in PROGRAMS}


def import_filters(program: str, filters: list[Any]) -> ImportedHooks:
    """Import filters of bodies; the one of number N has the source cN."""
    if program == "hookdeck":
        listed = [
            {
                "source": {"name": f"c{number}", "type": "WEBHOOK"},
                "rules": [{"type": "filter", "body": one}],
            }
            for number, one in enumerate(filters)
        ]
    else:
        listed = [
            {
                "source_metadata": {"name": f"c{number}", "verifier": {"type": "noop"}},
                "filter_config": {"event_types": ["*"], "filter": {"body": one}},
            }
            for number, one in enumerate(filters)
        ]
    return import_texts(("filters.json", json.dumps(listed)), kind=program)


def starts(imported: ImportedHooks, number: int, payload: Any) -> bool:
    """Tell whether a payload starts the flow of a filter's route."""
    planned = imported.deliveries(f"c{number}", HookRequest(payload))
    assert planned is not None
    assert all(one.status != "dead" for one in planned), (payload, imported.result.routes[number])
    return bool(planned)


def test_the_model_of_hookdeck_agrees_with_its_library(
    recorded: dict[str, RecordedVerdicts],
) -> None:
    for _, schema, payload, verdict in recorded["hookdeck"].each():
        assert hookdeck_passes(payload, schema) is verdict, (schema, payload)
    for schema, payload, verdict in recorded["hookdeck"].documented:
        assert hookdeck_passes(payload, schema) is verdict, (schema, payload)


def test_the_model_of_convoy_agrees_with_it(recorded: dict[str, RecordedVerdicts]) -> None:
    for _, schema, payload, verdict in recorded["convoy"].each():
        assert convoy_passes(payload, schema) is verdict, (schema, payload)


@pytest.mark.parametrize("program", PROGRAMS)
def test_imported_routes_start_what_was_delivered(
    recorded: dict[str, RecordedVerdicts], program: str
) -> None:
    found = recorded[program]
    imported = import_filters(program, [schema for schema, _ in found.cases])
    assert imported.places("not_carried") == []
    total = len(found.verdicts)
    left_out = 0
    for number, schema, payload, verdict in found.each():
        wanted = verdict
        if program == "convoy":  # a clause without its key is left out there, and false here
            wanted = convoy_passes(payload, schema, ignores_missing=False)
            left_out += wanted is not verdict
        assert starts(imported, number, payload) is wanted, (
            schema,
            payload,
            imported.result.routes[number].get("match"),
        )
    assert total * 0.1 < sum(found.verdicts) < total * 0.9
    assert left_out < total * 0.25


@pytest.mark.parametrize("program", PROGRAMS)
def test_documented_cases_are_carried_or_refused(
    recorded: dict[str, RecordedVerdicts], program: str
) -> None:
    found = recorded[program].documented
    imported = import_filters(program, [schema for schema, _, _ in found])
    refused = set()
    for number, (name, (_, payload, verdict)) in enumerate(
        zip(DOCUMENTED[program], found, strict=True)
    ):
        route = imported.result.routes[number]
        if route.get("mode") == "paused":
            refused.add(name)
            continue
        is_same = starts(imported, number, payload) is verdict
        assert is_same is (name not in DIFFERENT[program]), (name, route)
    assert refused == REFUSED[program]
