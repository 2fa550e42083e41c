"""Files of Hookdeck and Convoy, written after public ones and their documentation: each part is
carried, or the report says why not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import ImportedHooks, import_texts

from bridge.importers.kinds import import_files
from bridge.importers.report import list_lines

DATA = Path(__file__).parents[1] / "data"
FILES = {
    f"{kind}/{file.name}": file
    for kind in ("hookdeck", "convoy")
    for file in sorted((DATA / kind).iterdir())
}
#: File -> the providers of its sources, the modes of its routes, the parts that are not carried.
EXPECTED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "convoy/event-types.json": (
        "token",
        "live",
        (),
    ),
    "convoy/filter-bare.json": (
        "token",
        "live",
        (),
    ),
    "convoy/flattened.json": (
        "hmac",
        "live",
        (),
    ),
    "convoy/function.json": (
        "hmac",
        "paused",
        ("content[0].function",),
    ),
    "convoy/never-matched.json": (
        "hmac",
        "paused",
        (
            "content[0].filter_config.filter.headers",
            "content[0].filter_config.filter.body",
            "content[0].filter_config.filter.path",
        ),
    ),
    "convoy/operators.json": (
        "hmac",
        "live",
        (),
    ),
    "convoy/outgoing.json": (
        "token",
        "paused",
        ("content[0].filter_config.event_types", "content[0].rate_limit_config"),
    ),
    "convoy/shopify.json": (
        "shopify",
        "paused",
        ("content[0].source_metadata.header_function",),
    ),
    "convoy/source-api-key.json": (
        "token",
        "",
        ("content[0].custom_response",),
    ),
    "convoy/source-basic.json": (
        "basic",
        "",
        (),
    ),
    "convoy/sources-and-subscriptions.json": (
        "x hmac",
        "live",
        ("content[2].pub_sub",),
    ),
    "convoy/subscription-hmac.json": (
        "hmac",
        "live",
        (),
    ),
    "convoy/subscriptions-list.json": (
        "github",
        "live live",
        (),
    ),
    "convoy/wildcards.json": (
        "hmac",
        "live",
        (),
    ),
    "hookdeck/all-rules.json": (
        "hmac",
        "paused",
        (
            "connections[0].rules.0",
            "connections[0].rules.1",
            "connections[0].rules.2",
            "connections[0].rules.4.response_status_codes",
        ),
    ),
    "hookdeck/api-key.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/connections-list.json": (
        "stripe shopify",
        "live live",
        (),
    ),
    "hookdeck/deduplicated.json": (
        "basic",
        "paused",
        ("connections[0].rules.0",),
    ),
    "hookdeck/fan-out.json": (
        "hmac",
        "live live",
        (),
    ),
    "hookdeck/filter-of-docs.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/filter-parts.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/github-issues.json": (
        "github",
        "live",
        (),
    ),
    "hookdeck/hmac-http.json": (
        "hmac",
        "live",
        (
            "connections[0].source.config.allowed_http_methods",
            "connections[0].source.config.custom_response",
        ),
    ),
    "hookdeck/never-matched.json": (
        "token",
        "paused",
        (
            "filter.rules.0.body.amount",
            "filter.rules.1.body.status",
            "filter.rules.2.body.kind",
            "filter.rules.3.body.name",
        ),
    ),
    "hookdeck/older-api.json": (
        "basic",
        "live",
        (),
    ),
    "hookdeck/paused.json": (
        "hubspot",
        "paused",
        (),
    ),
    "hookdeck/references.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/rules-of-cli.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/secret-in-filter.json": (
        "hmac",
        "paused",
        ("connections[0].rules.0.headers.x-auth-token",),
    ),
    "hookdeck/shopify-orders.json": (
        "shopify",
        "live",
        (),
    ),
    "hookdeck/slack-messages.json": (
        "slack",
        "live",
        (),
    ),
    "hookdeck/stripe-invoices.json": (
        "stripe",
        "live",
        ("connections[0].destination.auth",),
    ),
    "hookdeck/text-filter.json": (
        "token",
        "live",
        (),
    ),
    "hookdeck/transform-then-filter.json": (
        "typeform",
        "paused",
        ("connections[0].rules.0", "connections[0].rules.1"),
    ),
    "hookdeck/unknown-type.json": (
        "token",
        "paused",
        ("connections[0].source",),
    ),
}


def import_file(name: str) -> ImportedHooks:
    kind = name.partition("/")[0]
    return import_texts((FILES[name].name, FILES[name].read_text()), kind=kind)


@pytest.fixture(scope="module")
def imports() -> dict[str, ImportedHooks]:
    return {name: import_file(name) for name in FILES}


def test_each_file_has_an_expectation() -> None:
    assert sorted(FILES) == sorted(EXPECTED)
    assert sum(name.startswith("hookdeck/") for name in FILES) >= 15
    assert sum(name.startswith("convoy/") for name in FILES) >= 10


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_file_becomes_a_valid_configuration(imports: dict[str, ImportedHooks], name: str) -> None:
    found = imports[name]
    providers, modes, refused = EXPECTED[name]
    assert " ".join(one["provider"] for one in found.result.sources.values()) == providers
    assert " ".join(route.get("mode", "live") for route in found.result.routes) == modes
    assert found.places("not_carried") == list(refused)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each value that has nothing inside."""
    listed = value if isinstance(value, list) else []
    inside = list(value.items() if isinstance(value, dict) else enumerate(listed))
    if not inside:
        yield path
    for key, one in inside:
        yield from leaves(one, (*path, str(key)))


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_leaf_of_a_filter_has_a_finding(imports: dict[str, ImportedHooks], name: str) -> None:
    document = json.loads(FILES[name].read_text())
    places = [one.place for one in imports[name].result.findings]
    for path in leaves(document):
        parts = ("headers", "body", "query", "path")
        inside = [number for number, step in enumerate(path) if step in parts]
        if not inside or "custom_response" in path or "code" in path:
            continue
        # a finding stands at the leaf, at a place around it, or at its rule
        steps = path[inside[0] :]
        around = [".".join(steps[:end]) for end in range(len(steps), 0, -1)]
        around += [f"rules.{path[path.index('rules') + 1]}"] if "rules" in path else []
        assert any(place.endswith(f".{one}") for one in around for place in places), path


@pytest.mark.parametrize("name", sorted(FILES))
def test_secrets_are_only_in_the_environment(imports: dict[str, ImportedHooks], name: str) -> None:
    found = imports[name]
    shown = found.text + repr(found.result) + "\n".join(list_lines(found.result, []))
    assert "corpus-secret" not in shown
    assert "my_super_secret_key" not in shown
    text = FILES[name].read_text()
    stored = {value for value in found.result.secrets.values() if value}
    assert all(value.partition(":")[2] or value in text for value in stored)


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_kind_of_an_answer_of_the_api_is_found(name: str) -> None:
    text = FILES[name].read_text()
    is_bare = "filter" in name.partition("/")[2] or name.endswith(("of-cli.json", "matched.json"))
    if is_bare or name.endswith("references.json"):
        return
    found = import_files([(FILES[name].name, text)], None)
    assert len(found.sources) >= 1
