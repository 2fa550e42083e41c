"""The search of a payload finds names, values and paths, and is bounded whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.json_values import find_value
from bridge.web.console.payload_search import EXCERPT_CHARS, search_payload
from bridge.web.console.payload_tree import MAX_PATH_CHARS

PAYLOAD = {
    "action": "opened",
    "number": 17,
    "pull_request": {"draft": False, "title": "Reopen the door", "labels": [{"name": "bug"}, "17"]},
    "sender": {"a/b": None, "empty": {}},
}


def found(value: Any, text: str, **more: Any) -> list[str]:
    return [f"{one.path}: {one.text}" for one in search_payload(value, text, **more).places]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open", ['body.action: "opened"', 'body.pull_request.title: "Reopen the door"']),
        ("OPENED", ['body.action: "opened"']),
        ("17", ["body.number: 17", 'body.pull_request.labels.1: "17"']),
        ("false", ["body.pull_request.draft: false"]),
        ("null", ["body.sender.a/b: null"]),
        ("labels", ["body.pull_request.labels: [2]"]),
        ("empty", ["body.sender.empty: {0}"]),
        ("pull_request", ["body.pull_request: {3}"]),
        ("pull_request.draft", ["body.pull_request.draft: false"]),
        ("body.action", ['body.action: "opened"']),
        ("labels.0.name", ['body.pull_request.labels.0.name: "bug"']),
        ("action.opened", []),
        ("nowhere", []),
    ],
)
def test_names_values_and_paths_are_found(text: str, expected: list[str]) -> None:
    assert found(PAYLOAD, text) == expected


def test_each_place_can_be_opened() -> None:
    for text in ("a/b", "17", "labels", "door"):
        for one in search_payload(PAYLOAD, text).places:
            assert one.pointer is not None
            find_value(PAYLOAD, one.pointer)


def test_a_part_is_searched_alone() -> None:
    part = PAYLOAD["pull_request"]
    search = search_payload(part, "17", path="body.pull_request", pointer="/pull_request")
    (one,) = search.places
    assert (one.path, one.pointer) == ("body.pull_request.labels.1", "/pull_request/labels/1")


@pytest.mark.parametrize("value", ["opened", 17, None, [], {}])
def test_a_payload_without_members_has_no_places(value: Any) -> None:
    assert found(value, "17") == []


def test_a_long_value_is_cut_around_the_text() -> None:
    value = {"a": "x" * 5000 + " needle " + "y" * 5000, "b": "needle" + "z" * 500}
    first, second = search_payload(value, "needle").places
    assert first.text.startswith('"…x')
    assert "needle" in first.text
    assert first.text.endswith('y…"')
    assert second.text.startswith('"needle')
    assert max(len(first.text), len(second.text)) <= EXCERPT_CHARS + 4


def test_the_search_is_bounded() -> None:
    search = search_payload([{"name": "x"}] * 1000, "x", max_places=7)
    assert len(search.places) == 7
    assert search.limit == "The first 7 places are shown."
    assert search_payload(["x"] * 7, "x", max_places=7).limit is None
    search = search_payload(["y"] * 1000 + ["x"], "x", values=1000)
    assert (search.places, search.limit) == ([], "Only the first 1,000 values were searched.")
    assert search_payload(["y"] * 999 + ["x"], "x", values=1000).limit is None


def test_hostile_payloads_are_searched() -> None:
    deep: Any = "needle"
    for _ in range(5000):
        deep = [deep]
    (one,) = search_payload(deep, "needle").places
    assert one.pointer is None, "too long for a link"
    assert len(one.path) <= MAX_PATH_CHARS + 1
    assert found({"n" * 10_000: 10**400}, "1000")[0].startswith("…nnn")
    assert found({"": {"~": "needle"}}, "needle") == ['body..~: "needle"']
