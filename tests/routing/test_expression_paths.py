"""The paths that an expression reads, followed through events: what is missing, and what was
meant.
"""

from __future__ import annotations

from typing import Any

import pytest

from bridge.routing.expressions.compile import compile_expression
from bridge.routing.expressions.paths import Steps, follow_path, write_path

EVENT: dict[str, Any] = {
    "body": {
        "issue": {
            "title": "Pump",
            "labels": [{"name": "wet"}],
            "milestone": None,
            "metadata": {"bed_id": 1},
            "first-seen": 3,
        },
        "items": [[{"number": 1}], [{"number": 2}]],
    }
}
READ = {
    "body.issue.title": [("body.issue.title", None)],
    "body.issue.titel": [("body.issue.titel", "body.issue.title")],
    "body.isue.titel": [("body.isue.titel", "body.issue.title")],
    "body.isue.body": [("body.isue.body", "body.issue")],
    "body.issue.label[].nmae": [("body.issue.label[].nmae", "body.issue.labels[].name")],
    "body.issue.labels[0].Name": [("body.issue.labels[0].Name", "body.issue.labels[0].name")],
    "body.items[].numbr": [("body.items[].numbr", "body.items[].number")],
    "body.issue.first_seen": [("body.issue.first_seen", 'body.issue."first-seen"')],
    "body.issue.*.nmae": [("body.issue.*.nmae", None)],
    "join(', ', body.issue.labels[?nmae == 'wet'].name)": [
        ("body.issue.labels[].nmae", "body.issue.labels[].name"),
        ("body.issue.labels[].name", None),
    ],
    "sort_by(body.issue.labels, &nmae)[0].name": [
        ("body.issue.labels", None),
        ("body.issue.labels[].nmae", "body.issue.labels[].name"),
    ],
    "body.issue.labels[].name | [0]": [("body.issue.labels[].name[0]", None)],
    "{a: body.issue.titel, b: 'x'}": [("body.issue.titel", "body.issue.title")],
    "body.issue.titel || body.issue.title": [("body.issue.title", None)],
    "body.issue.titel || 'none'": [("body.issue.titel", "body.issue.title")],
    "default(body.issue.titel, 'none')": [("body.issue.titel", "body.issue.title")],
    "body.issue.milestone.titel": [("body.issue.milestone.titel", None)],
    "body": [],
    "'body.issue.titel'": [],
}


@pytest.mark.parametrize(("text", "said"), READ.items(), ids=READ)
def test_an_expression_names_what_it_reads_and_what_was_meant(
    text: str, said: list[tuple[str, str | None]]
) -> None:
    found = compile_expression(text).read([EVENT])
    assert [(write_path(one.path), one.meant and write_path(one.meant)) for one in found] == said


def test_what_stands_in_one_event_is_known() -> None:
    (found,) = compile_expression("body.issue.titel").read(
        [EVENT, {"body": {"issue": {"titel": "Pump"}}}]
    )
    assert found.meant is None and not found.is_missing and found.values == ("Pump",)


@pytest.mark.parametrize(
    "text", ["body.issue.milestone", "body.issue.milestone.title", "body.other", "body.other.more"]
)
def test_null_and_nothing_are_missing(text: str) -> None:
    (found,) = compile_expression(text).read([EVENT])
    assert found.is_missing


def test_names_that_are_free_are_not_checked() -> None:
    def is_free(path: Steps) -> bool:
        return path[-1] in ("metadata", "labels")

    assert compile_expression("body.issue.metadata.bedId").read([EVENT])[0].meant == (
        "body",
        "issue",
        "metadata",
        "bed_id",
    )
    assert compile_expression("body.issue.metadata.bedId").read([EVENT], is_free)[0].meant is None
    # a list has no names
    assert (
        compile_expression("body.issue.labels[].nmae").read([EVENT], is_free)[0].meant is not None
    )


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("body.issue.titel", "body.issue.title"),
        ("body.issue.labels.0.nmae", "body.issue.labels.0.name"),
        ("body.issue.first_seen", "body.issue.first-seen"),
        ("body.issue.title", None),
        ("body.issue.labels.x", None),
    ],
)
def test_a_dotted_path_of_match_is_followed_too(path: str, meant: str | None) -> None:
    found = follow_path(path.split("."), [EVENT])
    assert write_path(found.path, dotted=True) == path
    assert (found.meant and write_path(found.meant, dotted=True)) == meant
