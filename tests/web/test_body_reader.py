"""The budget of bodies that are read at once: what one network, and large bodies, may take of it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest

from bridge.core.errors import Refused
from bridge.core.units import MIB
from bridge.web.receiving.body_reader import SMALL_BODY_BYTES, BodyReader

LIMIT = 12 * MIB
A, B, C = "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"


def refused() -> AbstractContextManager[object]:
    return pytest.raises(Refused, match="too much data at once")


def fill(reader: BodyReader, network: str | None, *sizes: int) -> None:
    for size in sizes:
        reader.share(network).add(size)


def test_a_network_may_hold_a_quarter_or_one_body() -> None:
    reader = BodyReader(LIMIT, is_shared=True)
    fill(reader, A, 2 * MIB, MIB)
    with refused():
        fill(reader, A, 1)
    fill(reader, B, 5 * MIB)
    with refused():
        fill(reader, B, 1)
    fill(reader, C, 10_000)


def test_a_share_grows_with_its_body_and_comes_back() -> None:
    reader = BodyReader(LIMIT, is_shared=True)
    first, second = reader.share(A), reader.share(A)
    first.add(2 * MIB)
    first.add(MIB)
    with refused():
        second.add(1)
    first.release()
    first.release()
    second.add(2 * MIB)
    second.add(2 * MIB)
    second.release()
    assert reader.held == 0


def test_large_bodies_leave_a_third_to_small_ones() -> None:
    reader = BodyReader(LIMIT, is_shared=True)
    large = [reader.share(None) for _ in range(9)]
    for share in large[:8]:
        share.add(MIB)
        share.add(SMALL_BODY_BYTES)
    with refused():
        large[8].add(MIB)
    fill(reader, None, *([SMALL_BODY_BYTES] * 7))
    large[0].release()
    large[8].add(MIB)


@pytest.mark.parametrize("is_shared", [True, False])
def test_without_shares_only_the_whole_is_limited(is_shared: bool) -> None:
    reader = BodyReader(LIMIT, is_shared=is_shared)
    fill(reader, A, 3 * MIB)
    with refused() if is_shared else nullcontext():
        fill(reader, A, 9 * MIB)
    with refused():
        fill(reader, A, LIMIT)
