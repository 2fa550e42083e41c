"""Clauses suggested for a value of an event: each is true for the event, also after YAML."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.core.model import JSON
from bridge.routing.matching.matcher import compile_match
from bridge.routing.matching.suggestions import suggest_clauses, write_dotted
from bridge.services.project.config_text import write_yaml_line

BODY: dict[str, Any] = {
    "action": "opened",
    "n": 3,
    "big": 2**64 - 1,
    "huge": 2**70,
    "rate": 1e16,
    "small": 1e-7,
    "yes": True,
    "nothing": None,
    "texts": {
        "number": "42",
        "date": "2026-11-29",
        "boolean": "true",
        "null": "null",
        "empty": "",
        "comment": "a # b",
        "colon": "a: b",
        "dash": "- a",
        "braces": "{a}, [b]",
        "quotes": 'it\'s "so" `here`',
        "backslash": "a\\`\\",
        "expression": "${body.n}",
        "secret": "${env:HOME}",
        "lines": "a\nb",
        "hidden": "a\u202eb",
        "long": "x" * 300,
        "star": "*",
        "space": " a ",
        "percent": "%a",
        "at": "@a",
        "tilde": "~",
        "umlaut": "größer",
    },
    "labels": ["bug", "ui"],
    "people": [{"name": "ann", "a b": {"c.d": "it's"}}, {"name": "bob"}],
    "nested": [[1, 2], [3]],
    "names": {"a-b": 1, "a.b": 2, "a b": 3, "": 4, "[0]": 5, "0": 6, 'q"': 7, "x\u202e": 8, "é": 9},
    "object": {"a": 1},
    "list": [],
}
HEADERS = {"x-github-event": "issues", "x.y": "1", "x'y": "odd"}
CONTEXT: dict[str, JSON] = {"body": BODY, "headers": dict(HEADERS)}


def list_paths(
    value: JSON, path: tuple[str | int, ...]
) -> list[tuple[tuple[str | int, ...], JSON]]:
    members: list[tuple[str | int, JSON]] = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    inner = [each for name, one in members for each in list_paths(one, (*path, name))]
    return [(path, value), *inner]


ALL_PATHS = list_paths(BODY, ("body",)) + [(("headers", n), v) for n, v in HEADERS.items()]


def test_every_clause_is_true_for_its_event_as_it_is_written() -> None:
    other: dict[str, JSON] = {"body": {}, "headers": {}}
    for path, value in ALL_PATHS:
        found = suggest_clauses(path, value)
        assert found, path
        for one in found:
            text = write_yaml_line(one.clause)
            assert text.isprintable(), text
            report = Report("routes.yaml")
            read = read_yaml(YamlFile("routes.yaml", f"- match:\n    {text}\n"), report)
            assert read == [{"match": dict(one.clause)}], text
            clause = compile_match(read[0]["match"])
            assert clause(CONTEXT), text
            if len(path) > 1:
                assert clause(other) is (value is None), text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("body", "action"), ["body.action: opened", "body.action: {exists: true}"]),
        (("body", "n"), ["body.n: 3", "body.n: {exists: true}"]),
        (("body", "yes"), ["body.yes: true", "body.yes: {exists: true}"]),
        (("body", "nothing"), ["body.nothing: {exists: false}"]),
        (
            ("body", "texts", "number"),
            ["body.texts.number: '42'", "body.texts.number: {exists: true}"],
        ),
        (("body", "texts", "lines"), ["body.texts.lines: {exists: true}"]),
        (("body", "object"), ["body.object: {exists: true}"]),
        (("body", "labels"), ["body.labels: {contains: bug}", "body.labels: {exists: true}"]),
        (
            ("body", "labels", 1),
            ["body.labels: {contains: ui}", "body.labels.1: ui", "body.labels.1: {exists: true}"],
        ),
        (
            ("body", "people", 0, "name"),
            [
                "when: \"body.people[?name == 'ann']\"",
                "body.people.0.name: ann",
                "body.people.0.name: {exists: true}",
            ],
        ),
        (
            ("body", "names", "a.b"),
            ['when: body.names."a.b" == 2', 'when: body.names."a.b" != `null`'],
        ),
        (
            ("headers", "x-github-event"),
            ["headers.x-github-event: issues", "headers.x-github-event: {exists: true}"],
        ),
    ],
)
def test_clauses_are_written_as_people_write_them(
    path: tuple[str | int, ...], expected: list[str]
) -> None:
    value = dict(ALL_PATHS)[path]
    assert [write_yaml_line(one.clause) for one in suggest_clauses(path, value)] == expected


def test_a_path_that_is_too_long_has_no_clause() -> None:
    assert suggest_clauses(("body", *["name"] * 300), 1) == []
    assert write_dotted(("body", "a", 0)) == "body.a.0"
    assert write_dotted(("body", "a b c", 'd"')) is None
