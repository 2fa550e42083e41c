"""The values of filters, read from texts."""

from __future__ import annotations

import pytest
from records import NOW

from bridge.services.filter_values import (
    MAX_EXCERPT_BYTES,
    parse_dead_kind,
    parse_excerpt,
    parse_moment,
    parse_raw_excerpt,
    parse_span,
)


def test_a_span_is_at_most_a_week_and_a_moment_may_be_longer_ago() -> None:
    assert (parse_span("90s"), parse_span(" 1.5 h "), parse_span("1w")) == (90, 5400, 604800)
    for text in ("0s", "8d", "1y", ""):
        with pytest.raises(ValueError, match="is not a valid duration"):
            parse_span(text)
    assert NOW - parse_moment("30d", NOW) == 30 * 86400


def test_a_moment_without_a_zone_is_utc() -> None:
    assert parse_moment("2025-11-24T16:00", NOW) == parse_moment("2025-11-24T17:00+01:00", NOW)
    for text in ("yesterday", "2026-13-01", "1y"):
        with pytest.raises(ValueError, match="is not a valid time"):
            parse_moment(text, NOW)


def test_excerpts_are_bounded_and_reasons_are_text() -> None:
    assert parse_raw_excerpt("\udcff") == b"\xff"
    with pytest.raises(ValueError, match="UTF-8"):
        parse_excerpt("\udcff")
    for text in ("", "x" * (MAX_EXCERPT_BYTES + 1)):
        with pytest.raises(ValueError, match="allowed are 1 to"):
            parse_excerpt(text)


def test_a_kind_of_dead_deliveries_has_earlier_words() -> None:
    assert parse_dead_kind("ours") == parse_dead_kind("config") == "config"
    with pytest.raises(ValueError, match="is not one of config"):
        parse_dead_kind("other")
