"""Tests of the shares of a form's room."""

from __future__ import annotations

import pytest

from bridge.ingest.forms import room


@pytest.mark.parametrize(
    ("limit", "stored", "is_used"),
    [(100, 0, False), (100, 24, False), (100, 25, True), (1, 0, False), (None, 99, False)],
)
def test_a_share_is_a_quarter(limit: int | None, stored: int, *, is_used: bool) -> None:
    assert room.is_share_used(limit, stored) is is_used


def test_spam_leaves_a_share() -> None:
    assert [room.limit_of(100, is_spam=is_spam) for is_spam in (False, True)] == [100, 75]


def test_groups_differ_by_form_and_key_and_are_bounded() -> None:
    key = b"k" * 32
    networks = [f"203.0.{number}.0/24" for number in range(256)]
    groups = {room.network_group(key, "jobs", network) for network in networks}
    assert len(groups) > 230
    assert groups <= set(range(room.NETWORK_GROUPS))
    group = room.network_group(key, "jobs", networks[0])
    assert group == room.network_group(key, "jobs", networks[0])
    assert group != room.network_group(key, "contact", networks[0])
    assert group != room.network_group(b"l" * 32, "jobs", networks[0])
