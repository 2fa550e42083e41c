"""Who goes first among routes that wait for the same slots."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bridge.delivery.fair_share import FairShares

ROUTES = ["a", "b", "c", "d"]


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 4))
def test_routes_that_always_wait_get_the_same(freed: list[int], routes: int) -> None:
    """However many slots come free at a time, none among them."""
    shares = FairShares()
    got = Counter(dict.fromkeys(ROUTES[:routes], 0))
    for slots in freed:
        order = shares.order("p", ROUTES[:routes])
        taken = [order[number % routes] for number in range(slots)]
        shares.count(("p", route) for route in taken)
        got.update(taken)
        assert max(got.values()) - min(got.values()) <= 1


def test_who_comes_back_has_no_claim_on_what_it_missed() -> None:
    shares = FairShares()
    for _ in range(100):
        shares.order("p", ["a", "b"])
        shares.count([("p", "a"), ("p", "b")])
    assert shares.order("p", ["a", "b", "c"]) == ["a", "b", "c"]
    shares.count([("p", "c")])
    assert shares.order("p", ["a", "b", "c"]) == ["a", "b", "c"], "one is one"


def test_platforms_have_nothing_to_do_with_each_other() -> None:
    shares = FairShares()
    shares.order("p", ["a", "b"])
    shares.count([("p", "a")])
    assert (shares.order("p", ["a", "b"]), shares.order("q", ["a", "b"])) == (
        ["b", "a"],
        ["a", "b"],
    )
