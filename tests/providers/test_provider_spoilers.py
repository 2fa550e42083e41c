"""Any change of a provider's request raises BadSignature, at no more cost than a valid one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import joserfc.jws
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from itsdangerous.signer import HMACAlgorithm
from senders import PROVEN, Sender, chosen, covers_body, sender, stranger, templates, tolerances
from signing import NOW
from spoiled_requests import spoiled
from tables import for_each

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures import key_material
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken

TIMED = [key for key, one in PROVEN.items() if tolerances(one)]
LISTED = [
    key
    for key, one in PROVEN.items()
    if any(getattr(getattr(each, "parse", None), "separator", "") for each in chosen(one))
]
COVERED = [key for key, one in PROVEN.items() if covers_body(one)]
each = for_each("name", PROVEN)


@pytest.fixture
def digests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of digests with a secret, and of signatures checked with a public key, so far: its
    only element.
    """
    counted = [0]

    def count(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def counting(*given: Any, **named: Any) -> Any:
            counted[0] += 1
            return real(*given, **named)

        monkeypatch.setattr(owner, name, counting)

    count(HMACAlgorithm, "get_signature")
    count(
        type(Hmac(at="header:x", plain=True, signed="{secret}").compiled_algorithm), "get_signature"
    )
    count(key_material, "is_signature_valid")
    count(joserfc.jws, "validate_compact")
    count(Ed25519PublicKey, "from_public_bytes")
    return counted


def most(digests: list[int], one: Sender) -> int:
    """How many digests a good request takes at most: one, or one for each text that may have been
    signed; a token takes none.
    """
    signed = one.signed()
    before = digests[0]
    one.verify(signed)
    taken = digests[0] - before
    allowed = (
        0
        if all(isinstance(each, SharedToken | BasicAuth) for each in chosen(one))
        else templates(one)
    )
    assert min(allowed, 1) <= taken <= allowed
    return allowed


def spent(digests: list[int], one: Sender, request: Request, now: float = NOW) -> int:
    """How many digests the refusal of a request took; fails where it is let in, or raises anything
    else.
    """
    before = digests[0]
    with pytest.raises(BadSignature):
        one.verify(request, now)
    return digests[0] - before


@each
def test_a_good_request_is_accepted_beside_other_secrets(name: str) -> None:
    one = PROVEN[name]
    one.verify(one.signed())
    if not isinstance(one.scheme, BasicAuth):
        one.verify(one.signed(), NOW, stranger(one).secret)


@each
def test_what_is_spoiled_is_refused_and_costs_no_more_digests_than_a_good_request(
    name: str, digests: list[int]
) -> None:
    one = PROVEN[name]
    allowed = most(digests, one)
    for what, request in spoiled(one):
        assert spent(digests, one, request) <= allowed, what


@pytest.mark.parametrize("name", LISTED)
def test_many_wrong_signatures_cost_no_more_digests_than_one(name: str, digests: list[int]) -> None:
    one = PROVEN[name]
    allowed = most(digests, one)
    wrong = stranger(one).signed()
    for leaf in chosen(one):
        if isinstance(leaf, Hmac) and (separator := getattr(leaf.parse, "separator", "")):
            header = leaf.compiled.at[0].name
            many = replace(
                wrong,
                headers={
                    **wrong.headers,
                    header: separator.join([wrong.headers.get(header, "")] * 9),
                },
            )
            assert spent(digests, one, many) <= allowed


@pytest.mark.parametrize("name", TIMED)
def test_too_old_and_too_new_is_refused_before_anything_is_hashed(
    name: str, digests: list[int]
) -> None:
    one = PROVEN[name]
    late = max(tolerances(one)) + 2
    for when in (NOW + late, NOW - late, NOW + 10 * 86400, NOW - 10 * 86400):
        signed = one.signed(now=NOW)
        before = digests[0]
        with pytest.raises(BadSignature) as refused:
            one.verify(signed, when)
        assert refused.value.reason == ("stale" if when > NOW else "future")
        assert digests[0] == before
    one.verify(one.signed(), NOW + max(tolerances(one)) - 1)


@each
def test_without_a_secret_every_request_is_refused(name: str) -> None:
    one = PROVEN[name]
    for secrets in ([], [Secret("")], [Secret(" ")], [Secret(one.secret, not_after=NOW)]):
        with pytest.raises(BadSignature, match=r"no_secret|no_key"):
            one.scheme.verify(one.signed(), secrets, NOW)


def weaker(one: Sender) -> Iterator[Scheme]:
    """The same scheme as a weaker one: a short digest, or one without a key, or under the label of
    an older version.
    """
    for leaf in chosen(one):
        if isinstance(leaf, Hmac):
            if leaf.algorithm != "sha1":
                yield replace(leaf, algorithm="sha1")
            if isinstance(leaf.parse, Pairs) and leaf.parse.label != "*":
                yield replace(leaf, parse=replace(leaf.parse, label="v0"))
            if not leaf.plain:
                signed = (leaf.signed,) if isinstance(leaf.signed, str) else leaf.signed
                yield replace(leaf, plain=True, signed=tuple("{secret}" + text for text in signed))


@each
def test_weaker_signature_by_the_right_secret_is_refused(name: str, digests: list[int]) -> None:
    one = PROVEN[name]
    for scheme in weaker(one):
        request = scheme.sign(one.request(), one.private, NOW)
        if request != one.signed():
            spent(digests, one, request)


#: (provider, header): what it also sends, by a weaker digest or none, and what must never be
#: enough.
OFFERED = (
    ("github", "x-hub-signature", "sha1"),
    ("meta", "x-hub-signature", "sha1"),
    ("gitea", "x-hub-signature", "sha1"),
    ("square", "x-square-signature", "sha1"),
)


@pytest.mark.parametrize(
    ("name", "header", "algorithm"), [row for row in OFFERED if row[0] in PROVEN]
)
def test_older_header_beside_the_new_one_is_not_looked_at(
    name: str, header: str, algorithm: str, digests: list[int]
) -> None:
    one = PROVEN[name]
    old = Hmac(at=f"header:{header}", prefix=f"{algorithm}=", algorithm=algorithm)
    offered = old.sign(one.request(), one.private, NOW)
    spent(digests, one, offered)
    wrong = stranger(one).signed()
    spent(digests, one, old.sign(wrong, one.private, NOW))


def test_unproven_rows_are_forms_or_name_their_limits() -> None:
    open_to_all = [name for name in PROVIDERS if not sender(name).is_proven]
    assert all(name == "form" or PROVIDERS[name].limits for name in open_to_all)


@pytest.mark.parametrize("name", [name for name in PROVEN if name not in COVERED])
def test_row_whose_signature_leaves_the_body_open_says_so(name: str) -> None:
    assert PROVEN[name].row.limits, "say under limits that the body is not signed"
