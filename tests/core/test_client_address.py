"""Anonymized client addresses of forms, and the headers that contain them."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import NOW

from bridge.core.client_address import (
    CLIENT_ADDRESS_HEADERS,
    anonymize_address,
    counted_network,
    mask_addresses,
)

KEY = b"k" * 32
DAY = 86400.0


def show(
    address: str,
    how: str = "truncated",
    now: float = NOW,
    source: str = "contact",
    key: bytes = KEY,
) -> str | None:
    return anonymize_address(address, how, key, source, now)


@pytest.mark.parametrize(
    ("address", "full", "truncated"),
    [
        ("203.0.113.77", "203.0.113.77", "203.0.113.0/24"),
        ("2001:DB8:1:2::7", "2001:db8:1:2::7", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::1", "fe80::/48"),
        ("", None, None),
        ("unknown", None, None),
        ("203.0.113.77:80", None, None),
    ],
)
def test_an_address_is_stored_as_the_form_configures(
    address: str, full: str | None, truncated: str | None
) -> None:
    assert (show(address, "full"), show(address, "truncated"), show(address, "none")) == (
        full,
        truncated,
        None,
    )


def test_a_hash_is_the_same_for_a_day_and_a_form_and_a_key() -> None:
    midnight = NOW - NOW % DAY
    one = show("203.0.113.77", "hashed", midnight)
    assert one is not None and one.startswith("hmac:") and "203" not in one.partition(":")[2]
    assert (
        show("203.0.113.77", "hashed", midnight + DAY - 1)
        == one
        == show("::ffff:203.0.113.77", "hashed", midnight)
    )
    others = [
        show("203.0.113.78", "hashed", midnight),
        show("203.0.113.77", "hashed", midnight + DAY),
        show("203.0.113.77", "hashed", midnight, source="other"),
        show("203.0.113.77", "hashed", midnight, key=b"x" * 32),
    ]
    assert len({one, *others}) == 5


HEADERS = {
    "user-agent": "Mozilla/5.0 Chrome/120.0.0.0",
    "x-forwarded-for": (
        "198.51.100.7, 203.0.113.77, [2001:db8:1:2::3]:443, unknown, 203.0.113.77:8080"
    ),
    "x-real-ip": "203.0.113.77",
    "cf-connecting-ip": "2001:db8:1:2::3",
    "true-client-ip": "203.0.113.77",
    "forwarded": 'for=203.0.113.77;proto=https;by="[2001:db8::1]:99", For="_hidden"',
    "x-odd-proxy": "client 203.0.113.77 via us",
    "cf-ipcountry": "DE",
    "via": "1.1 proxy",
    "empty": "",
}


def test_headers_hold_no_more_of_it() -> None:
    kept = mask_addresses(HEADERS, "203.0.113.77", show)
    assert (
        kept["x-forwarded-for"]
        == "198.51.100.0/24, 203.0.113.0/24, 2001:db8:1::/48, ***, 203.0.113.0/24"
    )
    assert (kept["x-real-ip"], kept["cf-connecting-ip"], kept["true-client-ip"]) == (
        "203.0.113.0/24",
        "2001:db8:1::/48",
        "203.0.113.0/24",
    )
    assert kept["forwarded"] == 'for="203.0.113.0/24";proto=https;by="2001:db8::/48", For="***"'
    assert kept["x-odd-proxy"] == "client 203.0.113.0/24 via us"
    same = ("user-agent", "cf-ipcountry", "via", "empty")
    assert {name: kept[name] for name in same} == {name: HEADERS[name] for name in same}


@pytest.mark.parametrize("how", ["none", "hashed"])
def test_headers_hold_nothing_of_it(how: str) -> None:
    kept = mask_addresses(HEADERS, "203.0.113.77", partial(show, how=how))
    assert not any(
        part in value
        for value in kept.values()
        for part in ("203.0.113", "198.51.100", "2001:db8", "_hidden")
    )
    assert ("x-real-ip" in kept) is (how == "hashed")
    assert kept["user-agent"] == HEADERS["user-agent"]


@given(
    st.sampled_from(sorted(CLIENT_ADDRESS_HEADERS)),
    st.text(max_size=60) | st.lists(st.ip_addresses().map(str), max_size=4).map(", ".join),
)
def test_no_address_remains_in_a_proxys_header(name: str, value: str) -> None:
    kept = mask_addresses({name: value}, "203.0.113.77", partial(show, how="none"))
    assert set(kept.get(name, "").replace(",", " ").split()) <= {"***"}


@given(st.text(max_size=40))
def test_no_text_makes_it_fail(text: str) -> None:
    for how in ("full", "truncated", "hashed", "none"):
        show(text, how)
    counted_network(text)
    mask_addresses({"forwarded": text, "x-real-ip": text}, text, show)


def test_the_host_that_was_called_is_no_sender() -> None:
    headers = {"host": "127.0.0.1:9910", "x-mine": "127.0.0.1"}
    assert mask_addresses(headers, "127.0.0.1", lambda _: "127.0.0.0/24") == {
        "host": "127.0.0.1:9910",
        "x-mine": "127.0.0.0/24",
    }
