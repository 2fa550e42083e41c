"""Typos of a name are found; similar names that senders use side by side are not typos."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from bridge.core.typos import find_close_name, find_typo
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample, sample_types

TYPOS = [
    ("titel", "title"),
    ("isue", "issue"),
    ("Title", "title"),
    ("createdAt", "created_at"),
    ("created_at", "createdAt"),
    ("label", "labels"),
    ("repository", "repositories"),
    ("address", "addresses"),
    ("custmer_email", "customer_email"),
    ("amount_payed", "amount_paid"),
    ("invoice.payed", "invoice.paid"),
    ("isssues", "issues"),
    ("pull_requests", "pull_request"),
    ("URL", "url"),
    ("pullrequest", "pull_request"),
    ("custumer_emial", "customer_email"),
    ("recieved", "received"),
]
OTHER = [
    ("state", "status"),
    ("line1", "line2"),
    ("address1", "address2"),
    ("created", "creator"),
    ("subscribe", "unsubscribe"),
    ("issue.opened", "issue.reopened"),
    ("push", "ping"),
    ("id", "ip"),
    ("_id", "id"),
    ("first_name", "last_name"),
    ("workflow_run", "workflow_job"),
    ("invoice.voided", "invoice.paid"),
    ("checkout.session.expired", "checkout.session.completed"),
    ("amount_due", "amount_paid"),
    ("start_at", "start_by"),
    ("project", "project_id"),
    ("event_time", "event_type"),
    ("date", "data"),
    ("reviewer", "reviewed"),
    ("called", "caller"),
    ("comments_url", "commits_url"),
    ("merged", "merged_at"),
    ("from", "to"),
    ("", "title"),
    ("数", "数量"),
]


@pytest.mark.parametrize(("written", "meant"), TYPOS)
def test_a_typo_is_found(written: str, meant: str) -> None:
    assert find_typo(written, ["zebra", meant]) == meant


@pytest.mark.parametrize(("written", "known"), OTHER)
def test_names_that_senders_use_side_by_side_are_no_typos(written: str, known: str) -> None:
    assert find_typo(written, [known]) is None


def test_the_nearest_name_wins_and_a_known_name_is_no_typo() -> None:
    assert find_typo("custmer", ["customs", "customer", "Custmer"]) == "Custmer"
    assert find_typo("title", ["title", "titles"]) is None
    assert find_typo("title", []) is None


def test_the_length_of_a_name_that_a_sender_chose_costs_nothing() -> None:
    names = ["t" * 5_000_000, *(f"t{number}" for number in range(10_000))]
    assert find_typo("titel", names) is None
    assert find_typo("titel", [*names, "title"]) == "title"


def test_in_no_sample_two_names_side_by_side_look_like_typos() -> None:
    """Only the plural of a name stands beside it in some, and the same name in two spellings."""
    found = {
        pair
        for provider in PROVIDERS
        for type_ in sample_types(provider)
        for pair in _look_alikes(_payload(provider, type_))
    }
    assert found == {
        ("assignee", "assignees"),
        ("fork", "forks"),
        ("image", "images"),
        ("review_comment", "review_comments"),
        ("review_comment_url", "review_comments_url"),
        ("provider", "providers"),
        ("messageId", "message_id"),
        ("publishTime", "publish_time"),
    }


def _payload(provider: str, type_: str) -> Any:
    body = sample(provider, type_, now=1.0, new_id="x").body
    return orjson.loads(body) if body.startswith((b"{", b"[")) else None


def _look_alikes(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name in value:
            near = find_typo(name, [other for other in value if other != name])
            if near is not None:
                yield min(name, near), max(name, near)
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _look_alikes(inner)


def test_a_typo_goes_before_a_name_that_is_longer_and_alike() -> None:
    assert find_close_name("fiel", ["file", "bom", "fields"]) == "file"
    # alike, and no typo
    assert find_close_name("creation_date", ["created_at", "date_of_creation"]) is not None
    assert find_close_name("file", ["file"]) is None
