"""Access tokens are created with checked names, scopes and lifetimes, and authenticated."""

from __future__ import annotations

import re
from typing import Any

import pytest
from records import NOW

from bridge.core.errors import InvalidRequest, NotFound, StoreError
from bridge.core.scopes import SCOPE_WORDS, SECRET_PREFIX, AccessToken, Scope
from bridge.core.units import DAY, iso
from bridge.services.access_tokens import authenticate_token, create_token, remove_token
from bridge.services.records.bridge_records import TOKEN
from bridge.store.db.database import Database
from bridge.store.operations import tokens

SECRET = re.compile(r"fbt_[A-Za-z0-9_-]{43}")


def test_a_new_token_is_stored_with_a_random_secret(database: Database) -> None:
    token, secret = create_token(database, "ci", "read,act", "90d", now=NOW)
    assert SECRET.fullmatch(secret)
    assert token == AccessToken(
        id=token.id,
        name="ci",
        scopes=frozenset({Scope.READ, Scope.ACT}),
        created_at=NOW,
        ends_at=NOW + 90 * DAY,
    )
    assert tokens.list_tokens(database) == [token]
    made = {create_token(database, f"n{number}", "read", None, now=NOW)[1] for number in range(20)}
    assert len(made | {secret}) == 21
    assert TOKEN.write(token) == {
        "id": token.id,
        "name": "ci",
        "scopes": ["read", "act"],
        "created_at": iso(NOW),
        "last_used_at": None,
        "ends_at": iso(NOW + 90 * DAY),
    }


@pytest.mark.parametrize(
    ("scopes", "expanded"),
    [
        ("bodies", {Scope.READ, Scope.BODIES}),
        ("operator", {Scope.READ, Scope.BODIES, Scope.ACT}),
        (["act", "viewer"], {Scope.READ, Scope.ACT}),
        ([Scope.ADMIN], set(Scope)),
    ],
)
def test_scopes_are_a_text_or_words(database: Database, scopes: Any, expanded: set[Scope]) -> None:
    token, _ = create_token(database, "ci", scopes, None, now=NOW)
    assert token.scopes == expanded
    assert token.ends_at is None


@pytest.mark.parametrize("name", ["a", "é" * 100, "CI of main (2026)", "-", "token"])
def test_a_name_is_printable(database: Database, name: str) -> None:
    create_token(database, name, "read", None, now=NOW)
    assert remove_token(database, name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "a" * 101, " ci", "ci ", " ", "a\nb", "a\0b", "\x1b[2J", "a\u202eb", "a\udcff", "\t"],
)
def test_any_other_name_is_refused(database: Database, name: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 100 printable characters"):
        create_token(database, name, "read", None, now=NOW)
    assert tokens.list_tokens(database) == []


@pytest.mark.parametrize("name", ["tok_01jd2x", "fbt_" + "s" * 43])
def test_a_name_that_could_be_an_id_or_a_secret_is_refused_and_not_repeated(
    database: Database, name: str
) -> None:
    with pytest.raises(InvalidRequest, match="does not begin with tok_ or fbt_") as refused:
        create_token(database, name, "read", None, now=NOW)
    assert name not in str(refused.value)


def test_a_name_is_given_once_also_after_its_token_ended(database: Database) -> None:
    token, secret = create_token(database, "ci", "read", "1s", now=NOW)
    with pytest.raises(InvalidRequest, match="a token named 'ci' already exists"):
        create_token(database, "ci", "admin", None, now=NOW + 60)
    assert tokens.list_tokens(database) == [token]
    remove_token(database, "ci")
    _, other = create_token(database, "ci", "read", None, now=NOW + 60)
    assert authenticate_token(database, secret, NOW) is None
    assert authenticate_token(database, other, NOW) is not None


@pytest.mark.parametrize("scopes", ["raed", "", [], ["read", "write"], ["read,act"]])
def test_an_unknown_scope_is_refused_with_the_allowed_ones(database: Database, scopes: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        create_token(database, "ci", scopes, None, now=NOW)
    assert all(word in str(refused.value) for word in SCOPE_WORDS)
    assert tokens.list_tokens(database) == []


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [("1s", 1), ("12h", DAY / 2), ("90d", 90 * DAY), ("52w", 364 * DAY), ("3650d", 3650 * DAY)],
)
def test_a_lifetime_is_at_most_ten_years(database: Database, expires: str, seconds: float) -> None:
    assert create_token(database, "ci", "read", expires, now=NOW)[0].ends_at == NOW + seconds


@pytest.mark.parametrize("expires", ["", "0d", "90", "-1d", "3651d", "1y", "never", "9" * 500])
def test_any_other_lifetime_is_refused(database: Database, expires: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a valid lifetime: use 12h, 90d") as refused:
        create_token(database, "ci", "read", expires, now=NOW)
    assert len(str(refused.value)) < 200
    assert tokens.list_tokens(database) == []


def test_a_store_has_a_limited_number_of_tokens(sqlite: Database) -> None:
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
            " INSERT INTO token (id, name, hash, scopes, created_at)"
            " SELECT 'tok_' || i, 'n' || i, 'h' || i, 'read', 0.0 FROM n"
        )
    create_token(sqlite, "last", "read", None, now=NOW)
    with pytest.raises(InvalidRequest, match="at most 1000 tokens"):
        create_token(sqlite, "more", "read", None, now=NOW)
    remove_token(sqlite, "n1")
    create_token(sqlite, "more", "read", None, now=NOW)


def test_a_use_is_recorded(database: Database) -> None:
    token, secret = create_token(database, "ci", "read", "1h", now=NOW)
    assert authenticate_token(database, SECRET_PREFIX + "A" * 43, NOW + 1) is None
    assert tokens.find(database, "ci").used_at is None
    assert authenticate_token(database, secret, NOW + 1) == token
    assert tokens.find(database, "ci").used_at == NOW + 1
    authenticate_token(database, secret, NOW + 30)
    assert tokens.find(database, "ci").used_at == NOW + 1
    authenticate_token(database, secret, NOW + 61)
    assert tokens.find(database, "ci").used_at == NOW + 61
    assert authenticate_token(database, secret, NOW + 3600) is None
    assert tokens.find(database, "ci").used_at == NOW + 61


def test_a_recent_use_writes_nothing(database: Database) -> None:
    _, secret = create_token(database, "ci", "read", None, now=NOW)
    authenticate_token(database, secret, NOW)
    writes = []

    class Watched(Database):
        def write(self, work: Any) -> Any:
            writes.append(work)
            return super().write(work)

    watched = Watched(database.url.render_as_string(hide_password=False))
    try:
        for second in range(60):
            assert authenticate_token(watched, secret, NOW + second) is not None
        assert writes == []
        authenticate_token(watched, secret, NOW + 60)
        assert len(writes) == 1
    finally:
        watched.close()


def test_a_store_that_cannot_be_written_still_authenticates(database: Database) -> None:
    """A full disk: an operator has to look at the bridge then."""
    token, secret = create_token(database, "ci", "read", None, now=NOW)

    class Full(Database):
        def write(self, work: Any) -> Any:
            raise StoreError("database or disk is full")

    full = Full(database.url.render_as_string(hide_password=False))
    try:
        assert authenticate_token(full, secret, NOW) == token
        assert authenticate_token(full, secret[:-1] + "!", NOW) is None
    finally:
        full.close()


def test_a_removed_token_is_returned_and_refused(database: Database) -> None:
    token, secret = create_token(database, "ci", "read", None, now=NOW)
    create_token(database, "other", "read", None, now=NOW)
    with pytest.raises(NotFound, match="there is no token 'cj'"):
        remove_token(database, "cj")
    assert remove_token(database, token.id[:-1]) == token
    assert authenticate_token(database, secret, NOW) is None
    with pytest.raises(NotFound, match="there is no token 'ci'"):
        remove_token(database, "ci")
    assert [one.name for one in tokens.list_tokens(database)] == ["other"]
