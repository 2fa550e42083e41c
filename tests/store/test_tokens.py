"""Access tokens in the store: found by the hash of their secret, and gone at once, on both
databases.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from records import NOW
from sqlalchemy import inspect, select, update

from bridge.core.errors import NotFound
from bridge.core.scopes import SECRET_PREFIX, AccessToken, Scope
from bridge.store.db.database import Database
from bridge.store.operations import tokens
from bridge.store.tables import schema

READ = frozenset({Scope.READ})


def new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def put_token(database: Database, name: str, secret: str | None = None, **more: Any) -> AccessToken:
    values = {"id": f"tok_{name}0000", "scopes": READ, "created_at": NOW} | more
    token = AccessToken(name=name, **values)
    assert tokens.add(database, token, secret or new_secret())
    return token


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """Return the same store as another process has it open."""
    found = Database(database.url.render_as_string(hide_password=False))
    yield found
    found.close()


def test_a_token_is_found_by_its_secret_alone(database: Database) -> None:
    secret = new_secret()
    token = put_token(database, "ci", secret, scopes=frozenset({Scope.READ, Scope.ACT}))
    put_token(database, "other")
    assert tokens.find_by_secret(database, secret, NOW) == token
    wrong = [
        new_secret(),
        secret[:-1],
        secret + "A",
        secret + "\n",
        secret.removeprefix(SECRET_PREFIX),
        secret.swapcase(),
        "",
        SECRET_PREFIX,
        "\0" * 47,
        "\ud800",
        tokens.hash_secret(secret),
        token.id,
        token.name,
        f"{SECRET_PREFIX}{'é' * 43}",
    ]
    for text in wrong:
        assert tokens.find_by_secret(database, text, NOW) is None, ascii(text)


def test_only_the_hash_of_a_secret_is_stored(database: Database) -> None:
    secret = new_secret()
    put_token(database, "ci", secret)
    with database.read() as connection:
        row = connection.execute(select(schema.token)).one()
    assert row.hash == hashlib.sha256(secret.encode()).hexdigest()
    assert not any(secret.removeprefix(SECRET_PREFIX) in str(value) for value in row)
    assert secret not in repr(tokens.find_by_secret(database, secret, NOW))


def test_a_token_ends_at_its_time(database: Database) -> None:
    secret = new_secret()
    put_token(database, "ci", secret, ends_at=NOW + 10)
    assert tokens.find_by_secret(database, secret, NOW + 9.9) is not None
    assert tokens.find_by_secret(database, secret, NOW + 10) is None
    assert [one.name for one in tokens.list_tokens(database)] == ["ci"]


def test_a_token_begins_and_ends_at_once_in_every_process(
    database: Database, other: Database
) -> None:
    secret = new_secret()
    assert tokens.find_by_secret(other, secret, NOW) is None
    token = put_token(database, "ci", secret)
    assert tokens.find_by_secret(other, secret, NOW) == token
    assert tokens.remove(database, token.id)
    assert tokens.find_by_secret(other, secret, NOW) is None
    assert not tokens.remove(other, token.id)


def test_a_name_and_a_secret_belong_to_one_token(database: Database) -> None:
    secret = new_secret()
    token = put_token(database, "ci", secret)
    same_name = AccessToken(id="tok_2", name="ci", scopes=READ, created_at=NOW)
    assert not tokens.add(database, same_name, new_secret())
    same_secret = AccessToken(id="tok_3", name="third", scopes=READ, created_at=NOW)
    assert not tokens.add(database, same_secret, secret)
    assert tokens.list_tokens(database) == [token]
    assert put_token(database, "CI").name == "CI"


def test_tokens_are_listed_by_age(database: Database) -> None:
    for name, at in (("b", NOW + 2), ("c", NOW + 3), ("a", NOW + 1)):
        put_token(database, name, created_at=at)
    assert [one.name for one in tokens.list_tokens(database)] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["ci", "tok_01jdq", "tok_01jdqk2m9abcd", "tok_…9abcd", "9abcd"])
def test_a_token_is_found_by_name_or_by_a_part_of_its_id(database: Database, text: str) -> None:
    token = put_token(database, "ci", id="tok_01jdqk2m9abcd")
    put_token(database, "deploy", id="tok_01jczzzzzzzzz")
    assert tokens.find(database, text) == token


def test_a_name_goes_before_a_part_of_an_id(database: Database) -> None:
    put_token(database, "ci", id="tok_01jdq000k2m9")
    named = put_token(database, "k2m9", id="tok_01jdq0000000")
    assert tokens.find(database, "k2m9") == named


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depoly", "there is no token 'depoly'; did you mean 'deploy'?"),
        ("CI", "there is no token 'CI'; did you mean 'ci'?"),
        ("unlike", "there is no token 'unlike'"),
        ("", "there is no token ''"),
        ("t", "there is no token 't'"),
        ("tok_", "there is no token 'tok_'"),
        ("tok_%", "there is no token 'tok_%'"),
        ("tok_01j", "several ids match 'tok_01j'"),
        ("\0", r"there is no token '\x00'"),
        ("\udcff", r"there is no token '\udcff'"),
    ],
)
def test_any_other_text_finds_no_token(database: Database, text: str, message: str) -> None:
    put_token(database, "ci", id="tok_01jdqk2m9abcd")
    put_token(database, "deploy", id="tok_01jczzzzzzzzz")
    with pytest.raises(NotFound) as refused:
        tokens.find(database, text)
    assert str(refused.value).startswith(message)


def test_the_beginning_of_every_id_finds_not_even_the_only_token(database: Database) -> None:
    token = put_token(database, "ci", id="tok_01jdqk2m9abcd")
    for text in ("t", "tok", "tok_"):
        with pytest.raises(NotFound):
            tokens.find(database, text)
    assert tokens.find(database, "tok_0") == token


def test_a_secret_instead_of_a_name_is_not_repeated(database: Database) -> None:
    secret = new_secret()
    put_token(database, "ci", secret)
    with pytest.raises(NotFound) as refused:
        tokens.find(database, secret)
    assert "secret" in str(refused.value)
    assert secret.removeprefix(SECRET_PREFIX) not in str(refused.value)


def test_a_use_is_recorded_at_most_once_a_minute(database: Database, other: Database) -> None:
    token = put_token(database, "ci")
    idle = put_token(database, "idle")

    def used_at() -> float | None:
        return tokens.find(database, "ci").used_at

    assert used_at() is None
    assert tokens.record_use(database, token.id, NOW)
    assert used_at() == NOW
    for process in (database, other):
        assert not tokens.record_use(process, token.id, NOW + 59.9)
    assert used_at() == NOW
    assert tokens.record_use(other, token.id, NOW + 60)
    assert used_at() == NOW + 60
    assert not tokens.record_use(database, token.id, NOW + 1), "the clock was set back a little"
    assert tokens.record_use(database, token.id, NOW - 3600), "the clock was set back an hour"
    assert used_at() == NOW - 3600
    assert not tokens.record_use(database, "tok_none", NOW)
    assert tokens.find(database, "idle") == idle


def test_a_scope_of_a_later_version_permits_nothing(database: Database) -> None:
    put_token(database, "ci", scopes=frozenset({Scope.READ, Scope.BODIES}))
    for stored, scopes in (
        ("read,bodies,future", {Scope.READ, Scope.BODIES}),
        ("future", {Scope.READ}),
        ("admin", set(Scope)),
    ):
        with database.engine.begin() as connection:
            connection.execute(update(schema.token).values(scopes=stored))
        assert tokens.find(database, "ci").scopes == scopes


def test_names_and_hashes_have_unique_indexes(database: Database) -> None:
    """A lookup by secret reads one row, however many tokens there are."""
    with database.read() as connection:
        found = inspect(connection).get_unique_constraints("token")
    assert sorted(one["column_names"] for one in found) == [["hash"], ["name"]]
