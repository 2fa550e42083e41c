"""Verification returns the place of the secret that fits, in the list that it was given."""

from __future__ import annotations

from typing import Any

import pytest
from kinds import KINDS, kind_request
from signing import CASES, NOW, WHPK, WHSEC, case_request, post

from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.scheme import Secret
from bridge.providers.signatures.shared_token import Unsigned

#: (scheme, request, the secret that fits, another of the same form)
ALL: dict[str, tuple[Any, Any, str, str]] = {
    **{name: (one.scheme, case_request(name), one.secret, "") for name, one in CASES.items()},
    **{
        f"kind {name}": (one.scheme, kind_request(name), one.secret, one.wrong)
        for name, one in KINDS.items()
    },
}
OTHERS = {
    "standard_webhooks": "whsec_" + "A" * 32,
    "standard_webhooks_v1a": "whsec_" + "A" * 32,
    "svix": "whsec_" + "A" * 32,
    "basic": "hook:another",
    "ed25519_hex": "0" * 64,
}


@pytest.mark.parametrize("name", ALL)
def test_the_place_is_that_of_the_secret_that_fits(name: str) -> None:
    scheme, request, fitting, wrong = ALL[name]
    wrong = wrong or OTHERS.get(name, "another-secret")
    assert scheme.verify(request, [Secret(fitting)], NOW).place == 0
    for place in range(3):
        some = [Secret(wrong), Secret(wrong)]
        some.insert(place, Secret(fitting))
        assert scheme.verify(request, some, NOW).place == place, place


@pytest.mark.parametrize("name", ALL)
def test_secrets_that_are_not_used_count_in_the_place(name: str) -> None:
    scheme, request, fitting, wrong = ALL[name]
    wrong = wrong or OTHERS.get(name, "another-secret")
    some = [Secret(" "), Secret(fitting, NOW - 1), Secret(wrong), Secret(fitting), Secret(fitting)]
    assert scheme.verify(request, some, NOW).place == 3, "the first that is active and fits"


def test_secrets_of_several_schemes_keep_their_places() -> None:
    scheme = CASES["standard_webhooks"].scheme
    some = [Secret(WHPK), Secret("whsec_" + "A" * 32), Secret("unlike"), Secret(WHSEC)]
    assert scheme.verify(case_request("standard_webhooks"), some, NOW).place == 3
    assert scheme.verify(case_request("standard_webhooks_v1a"), some, NOW).place == 0


def test_of_a_batch_it_is_the_place_of_the_first_element() -> None:
    from bridge.providers.samples.loader import sample

    scheme = PROVIDERS["adyen"].scheme
    assert scheme is not None
    key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
    request = sample("adyen", None, now=NOW, new_id="a" * 16, path="/hooks/x", url="https://x/y")
    signed = scheme.sign(request, key, NOW)
    assert scheme.verify(signed, [Secret("00" * 32), Secret(key)], NOW).place == 1


def test_without_a_secret_there_is_no_place() -> None:
    proof = Unsigned().verify(post(), [Secret("a")], NOW)
    assert (proof.place, proof.content, proof.element) == (None, None, None)
