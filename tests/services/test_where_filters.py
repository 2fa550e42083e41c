"""Filters on values inside events: their syntax, and what they match."""

from __future__ import annotations

import re

import pytest
from records import make_event

from bridge.services.where_filters import make_event_test, parse_where


@pytest.mark.parametrize(
    ("text", "body", "matches"),
    [
        ("body.action=opened", b'{"action": "opened"}', True),
        ("body.action=opened", b'{"action": "closed"}', False),
        ("body.action = opened", b'{"action": "opened"}', True),
        ("body.action!=opened", b'{"action": "closed"}', True),
        ("body.action!=opened", b"{}", True),
        ("body.total=100", b'{"total": 100}', True),
        ("body.total=100", b'{"total": "100"}', True),
        ("body.total!=100", b'{"total": "100"}', False),
        ('body.total="100"', b'{"total": 100}', False),
        ('body.total="100"', b'{"total": "100"}', True),
        ("body.total>=100", b'{"total": 100}', True),
        ("body.total>100", b'{"total": 100}', False),
        ("body.total<100", b'{"total": 99.5}', True),
        ("body.total<=100", b'{"total": "99"}', False),
        ("body.live=true", b'{"live": true}', True),
        ("body.items.1.name=b", b'{"items": [{"name": "a"}, {"name": "b"}]}', True),
        ("body.note=a=b", b'{"note": "a=b"}', True),
        ("body.note=", b'{"note": ""}', True),
        ("headers.Content-Type=application/json", b"{}", True),
        ("event.source=github", b"{}", True),
        ("body.action=opened", b"not JSON", False),
    ],
)
def test_a_condition_reads_the_event(text: str, body: bytes, matches: bool) -> None:
    test = make_event_test([parse_where(text)], {})
    assert test(make_event(body=body)) is matches


def test_all_conditions_must_match() -> None:
    clauses = [parse_where("body.a=1"), parse_where("body.b=2")]
    test = make_event_test(clauses, {})
    assert test(make_event(body=b'{"a": 1, "b": 2}'))
    assert not test(make_event(body=b'{"a": 1, "b": 3}'))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("body.action", "use PATH=VALUE, such as body.action=opened"),
        ("=opened", "use PATH=VALUE"),
        ("bodi.action=opened", "did you mean `body`?"),
        ("bodi.action=1", "no part of an event is called `bodi`; did you mean `body`? allowed:"),
        ("when=body.a", "no part of an event is called `when`; allowed: body, "),
        ("body..action=opened", "`body..action` is not a path such as body.items.0.name"),
        ("body..total=100", "`body..total` is not a path such as body.items.0.name"),
        ("event=ping", "`event` is not a path such as body.items.0.name"),
        ("body.live>true", "`gt` needs number or string, found boolean"),
        ("body.a=" + "x" * 1000, "at most 1000 characters"),
    ],
)
def test_a_wrong_filter_says_what_is_right(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as raised:
        parse_where(text)
    assert str(raised.value).count(problem) == 1
