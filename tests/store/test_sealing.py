"""Tests of `Sealer`: a value decrypts only in its own place, with any key; plaintext stays as it
is.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecryptionError, KeyMissing, SettingsError
from bridge.core.fingerprints import EMPTY_SHA256, keyed_sha256
from bridge.store import encryption
from bridge.store.encryption import NO_ENCRYPTION, Sealer, key_id, key_id_of, mark_plaintext

OLD = Fernet.generate_key().decode()
NEW = Fernet.generate_key().decode()
PLACE = ("event", "body", "evt_1")
BOTH = Sealer([NEW, OLD])
BEGINNINGS = ["", "$", "$fb", "$fb0$", "$fb1$", "$fb1$0123abcd$", "$fb9$"]
# half characters, too
TEXTS = st.builds(
    str.__add__, st.sampled_from(BEGINNINGS), st.text(st.characters(exclude_categories=()))
)
RAWS = st.builds(
    bytes.__add__, st.sampled_from([each.encode() for each in BEGINNINGS]), st.binary()
)


@given(value=TEXTS | RAWS)
def test_any_value_comes_back_sealed_or_in_clear(value: str | bytes) -> None:
    for sealer in (BOTH, Sealer([OLD])):
        kept = sealer.seal(value, *PLACE)
        assert type(kept) is type(value) and BOTH.open(kept, *PLACE) == value
        assert (key_id_of(kept) == sealer.first) is bool(value), "what is empty stays so"
    kept = NO_ENCRYPTION.seal(value, *PLACE)
    assert key_id_of(kept) is None and kept == mark_plaintext(value)
    assert NO_ENCRYPTION.open(kept, *PLACE) == BOTH.open(kept, *PLACE) == value


def test_nothing_stays_nothing() -> None:
    assert BOTH.seal(None, *PLACE) is BOTH.open(None, *PLACE) is None


def test_what_was_kept_before_there_were_keys_is_read_as_it_is() -> None:
    for value in ('{"n": 1}', b"\x00\xff", "$fbar=1", b"$fb"):
        assert BOTH.open(value, *PLACE) == NO_ENCRYPTION.open(value, *PLACE) == value


def test_a_sealed_text_is_text_that_any_column_takes() -> None:
    kept = BOTH.seal("nul \0 and \ud800", *PLACE)
    assert kept.isascii() and kept.isprintable()


@pytest.mark.parametrize(
    "place",
    [("event", "body", "evt_2"), ("event", "headers", "evt_1"), ("reject", "body", "evt_1")],
)
@pytest.mark.parametrize("value", ["geheim", b"geheim"])
def test_it_opens_at_no_other_place(value: str | bytes, place: tuple[str, str, str]) -> None:
    kept = BOTH.seal(value, *PLACE)
    with pytest.raises(
        DecryptionError, match=r"cannot be decrypted: it was changed, or moved from another row"
    ) as error:
        BOTH.open(kept, *place)
    assert place[2] in str(error.value) and "geheim" not in str(error.value)


def test_what_was_changed_does_not_open() -> None:
    kept = BOTH.seal(b"geheim", *PLACE)
    head = encryption.HEADER_LENGTH
    for at in range(head, len(kept)):
        with pytest.raises(DecryptionError):
            BOTH.open(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :], *PLACE)
    for length in (head, head + 10, len(kept) - 1):
        with pytest.raises(DecryptionError):
            BOTH.open(kept[:length], *PLACE)
    text = BOTH.seal("geheim", *PLACE)
    other = text.replace(key_id_of(text) or "", key_id(urlsafe_b64decode(OLD)))
    for changed in (text[:-1], text[:head] + "é" + text[head:], text + "AAAA", other):
        with pytest.raises(DecryptionError):
            BOTH.open(changed, *PLACE)


def test_a_missing_key_is_named_by_its_id_and_the_setting() -> None:
    kept = Sealer([OLD]).seal("geheim", *PLACE)
    for sealer in (Sealer([NEW]), NO_ENCRYPTION):
        with pytest.raises(KeyMissing) as error:
            sealer.open(kept, *PLACE)
        assert key_id(urlsafe_b64decode(OLD)) in str(
            error.value
        ) and "FLOWBRIDGE_ENCRYPTION_KEYS" in str(error.value)
        assert OLD not in str(error.value) and "geheim" not in str(error.value)


def test_no_two_are_alike_and_a_key_is_derived_anew_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert BOTH.seal("x", *PLACE) != BOTH.seal("x", *PLACE)
    monkeypatch.setattr(encryption, "VALUES_PER_SALT", 3)
    sealer = Sealer([NEW])
    kept = [sealer.seal(b"x", *PLACE) for _ in range(9)]
    assert len({one[encryption.HEADER_LENGTH :][: encryption.SALT_BYTES] for one in kept}) == 4
    assert {sealer.open(one, *PLACE) for one in kept} == {b"x"}


def test_a_key_that_is_none_is_refused_without_a_word_of_it() -> None:
    for key in ("short", "é" * 44, OLD[:-4]):
        with pytest.raises(SettingsError, match="32 bytes in URL-safe base64") as error:
            Sealer([NEW, key])
        assert key not in str(error.value)


def test_names_of_blobs_tell_nothing_without_the_key() -> None:
    digest = "a" * 64
    assert Sealer([NEW, OLD]).names(digest) == Sealer([NEW]).names(digest) + Sealer([OLD]).names(
        digest
    )
    assert not NO_ENCRYPTION.names(digest)
    assert all(len(name) == 64 and name != digest for name in BOTH.names(digest))


def test_a_keyed_digest_is_the_same_for_the_same_body_of_a_source() -> None:
    keyed = keyed_sha256("k" * 32, "github", "a" * 64)
    assert (
        keyed == keyed_sha256("k" * 32, "github", "a" * 64)
        and keyed.startswith("hmac:")
        and "a" * 64 not in keyed
    )
    assert (
        len(
            {
                keyed,
                keyed_sha256("j" * 32, "github", "a" * 64),
                keyed_sha256("k" * 32, "stripe", "a" * 64),
            }
        )
        == 3
    )
    assert keyed_sha256("k" * 32, "github", EMPTY_SHA256) == EMPTY_SHA256
