"""A provider's requests are refused at another's source, even with the same secret.

Exceptions are pairs whose schemes are the same by design.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from senders import ALL, PROVEN, Sender, chosen
from signing import NOW
from tables import for_each

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.shared_token import SharedToken


def signs(scheme: Scheme, secret: str) -> Scheme:
    """The scheme that signs, where there is a choice."""
    if isinstance(scheme, HeaderSets):
        return signs(scheme.sets[scheme.usual][1], secret)
    if isinstance(scheme, SchemeBySecret):
        return signs(
            next(one for start, one in scheme.by_secret if secret.startswith(start)), secret
        )
    return scheme


def kin(one: Sender, other: Sender) -> bool:
    """Whether the scheme that signs for `other` is by design one that is looked at for `one`: an
    equal one, or a token there too.
    """
    signing = signs(other.scheme, other.private)
    return any(
        each == signing or tokens(each)[:1] == tokens(signing)[:1] != [] for each in chosen(one)
    )


def tokens(scheme: Scheme) -> list[tuple[str, str]]:
    return (
        [(str(place), scheme.prefix) for place in scheme.compiled]
        if isinstance(scheme, SharedToken)
        else []
    )


@cache
def signed_by(key: str, secret: str) -> tuple[Sender, Request] | None:
    """A request of the sender with this secret; None where it can be no secret of its own."""
    one = replace(ALL[key], private=secret)
    try:
        return one, one.signed()
    except ValueError:
        return None


@for_each("name", PROVEN)
def test_requests_of_another_provider_are_let_in_just_where_the_two_share_a_scheme(
    name: str,
) -> None:
    one = PROVEN[name]
    for key, usual in ALL.items():
        # a public key is no secret to anyone, and may be taken for a shared one
        for secret in {one.private, one.secret}:
            found = signed_by(key, secret) or signed_by(key, usual.private)
            assert found is not None
            other, request = found
            by_design = other.is_proven and other.private == one.private and kin(one, other)
            assert is_let_in(one, request) is by_design, key


def is_let_in(one: Sender, request: Request) -> bool:
    try:
        one.verify(request)
    except BadSignature:
        return False
    return True


def test_most_pairs_of_providers_share_no_scheme_but_can_share_a_secret() -> None:
    pairs = [(one, key) for one in PROVEN.values() for key in PROVEN]
    kindred = sum(kin(one, PROVEN[key]) for one, key in pairs)
    shared = sum(signed_by(key, one.private) is not None for one, key in pairs)
    assert kindred < len(pairs) * 0.05
    assert shared > len(pairs) * 0.9


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(PROVEN)),
    st.sampled_from(sorted(PROVEN)),
    st.binary(max_size=200),
    st.integers(-400, 400),
)
def test_no_two_rows_accept_each_others_requests_unless_by_design(
    a: str, b: str, body: bytes, late: int
) -> None:
    """With one secret between them, any body, and any time: the worst that a person can set up by
    mistake.
    """
    one = PROVEN[a]
    other = replace(PROVEN[b], private=PROVEN[a].private)
    try:
        request = other.sign(replace(other.request(), body=body), NOW + late)
    except (ValueError, TypeError, AttributeError, KeyError, BadSignature):
        return  # no secret of the other's, or no body that it could have signed
    if not kin(one, other):
        assert not is_let_in(one, request)
