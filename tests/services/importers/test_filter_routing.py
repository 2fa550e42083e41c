"""What Hookdeck and Convoy deliver, the imported routes start: generated filters and payloads.

Hookdeck's verdicts are recorded from its library, with tests/data/hookdeck_verdicts.mjs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filter_cases import (
    DOCUMENTED,
    FILTERS,
    PAYLOADS,
    Cases,
    hash_cases,
    make_convoy_cases,
    make_hookdeck_cases,
)
from filter_models import convoy_passes, hookdeck_passes
from imported_hooks import ImportedHooks, import_texts
from webhook_rules import HookRequest

VERDICTS = json.loads(
    (Path(__file__).parents[2] / "data" / "hookdeck_verdicts.json").read_text("utf-8")
)
CONVOY_SEED = 32
#: Documented cases that differ here, as the report or docs/moving.md says.
DIFFERENT = {
    "null is a value",
    "null is another value",
    "a missing key is not null",
    "a number as text",
    "true as a number",
    "a text in a list",
    "a list in a list",
    "a body that is a list",
}
REFUSED = {
    "and of one key",
    "not of one key",
    "keys beside or",
    "keys beside an operator",
    "an unknown operator",
    "an operator beside keys",
}


def import_hookdeck(filters: list[Any]) -> ImportedHooks:
    connections = [
        {
            "name": f"c{number}",
            "source": {"name": f"c{number}", "type": "WEBHOOK"},
            "rules": [{"type": "filter", "body": one}],
        }
        for number, one in enumerate(filters)
    ]
    return import_texts(("connections.json", json.dumps({"models": connections})), kind="hookdeck")


def import_convoy(filters: list[Any]) -> ImportedHooks:
    subscriptions = [
        {
            "name": f"c{number}",
            "source_metadata": {"name": f"c{number}", "verifier": {"type": "noop"}},
            "filter_config": {"event_types": ["*"], "filter": {"body": one}},
        }
        for number, one in enumerate(filters)
    ]
    return import_texts(("subscriptions.json", json.dumps(subscriptions)), kind="convoy")


def starts(imported: ImportedHooks, number: int, payload: Any) -> bool:
    """Tell whether a payload starts the flow of a connection."""
    planned = imported.deliveries(f"c{number}", HookRequest(payload))
    assert planned is not None
    assert all(one.status != "dead" for one in planned), (payload, imported.text)
    return bool(planned)


def each(cases: Cases) -> Iterator[tuple[int, Any, Any]]:
    for number, (schema, payloads) in enumerate(cases):
        for payload in payloads:
            yield number, schema, payload


@pytest.fixture(scope="module")
def hookdeck_cases() -> Cases:
    cases = make_hookdeck_cases(VERDICTS["seed"])
    assert hash_cases(cases) == VERDICTS["cases"], "record the verdicts again"
    return cases


@pytest.fixture(scope="module")
def verdicts() -> list[bool]:
    return [one == "1" for row in VERDICTS["verdicts"] for one in row]


def test_the_model_agrees_with_hookdecks_library(
    hookdeck_cases: Cases, verdicts: list[bool]
) -> None:
    assert len(verdicts) == FILTERS * PAYLOADS
    for (_, schema, payload), verdict in zip(each(hookdeck_cases), verdicts, strict=True):
        assert hookdeck_passes(payload, schema) is verdict, (schema, payload)


def test_the_model_agrees_on_documented_cases() -> None:
    recorded = VERDICTS["documented"]
    assert [(one[0], one[1]) for one in recorded] == list(DOCUMENTED.values())
    for schema, payload, verdict in recorded:
        assert hookdeck_passes(payload, schema) is verdict, (schema, payload)


def test_documented_cases_are_started_or_refused() -> None:
    imported = import_hookdeck([schema for schema, _ in DOCUMENTED.values()])
    refused = set()
    for number, (name, recorded) in enumerate(zip(DOCUMENTED, VERDICTS["documented"], strict=True)):
        if imported.result.routes[number].get("mode") == "paused":
            refused.add(name)
            continue
        same = starts(imported, number, recorded[1]) is recorded[2]
        assert same is (name not in DIFFERENT), (name, imported.result.routes[number])
    assert refused == REFUSED


def test_imported_routes_start_what_hookdeck_delivers(
    hookdeck_cases: Cases, verdicts: list[bool]
) -> None:
    imported = import_hookdeck([schema for schema, _ in hookdeck_cases])
    assert imported.places("not_carried") == []
    for (number, schema, payload), verdict in zip(each(hookdeck_cases), verdicts, strict=True):
        assert starts(imported, number, payload) is verdict, (
            schema,
            payload,
            imported.result.routes[number].get("match"),
        )
    assert len(verdicts) * 0.1 < sum(verdicts) < len(verdicts) * 0.9


def test_imported_routes_start_what_convoy_delivers() -> None:
    cases = make_convoy_cases(CONVOY_SEED)
    imported = import_convoy([schema for schema, _ in cases])
    assert imported.places("not_carried") == []
    started, ignored = 0, 0
    for number, schema, payload in each(cases):
        wanted = convoy_passes(payload, schema, ignores_missing=False)
        assert starts(imported, number, payload) is wanted, (
            schema,
            payload,
            imported.result.routes[number].get("match"),
        )
        started += wanted
        # a clause that Convoy leaves out, which the report says
        ignored += convoy_passes(payload, schema) is not wanted
    assert FILTERS * PAYLOADS * 0.1 < started < FILTERS * PAYLOADS * 0.9
    assert ignored < FILTERS * PAYLOADS * 0.25
