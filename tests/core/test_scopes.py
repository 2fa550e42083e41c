"""Scopes are parsed with helpful errors, and expanded to those that they include."""

from __future__ import annotations

import pytest

from bridge.core.scopes import (
    MAX_SCOPES_CHARACTERS,
    SCOPE_PRESETS,
    SCOPE_SUMMARIES,
    SCOPE_WORDS,
    AccessToken,
    Scope,
    expand_scopes,
    explain_missing_scope,
    list_scopes,
    parse_scopes,
    read_scopes,
)

ALL = ["read", "bodies", "act", "admin"]


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("read", ["read"]),
        ("bodies", ["read", "bodies"]),
        ("act", ["read", "act"]),
        ("act, bodies", ["read", "bodies", "act"]),
        ("admin", ALL),
        ("viewer", ["read"]),
        ("reader", ["read", "bodies"]),
        ("operator", ["read", "bodies", "act"]),
        ("viewer,act", ["read", "act"]),
        ("read,read", ["read"]),
    ],
)
def test_scopes_are_parsed_and_expanded(text: str, scopes: list[str]) -> None:
    assert list_scopes(parse_scopes(text)) == scopes
    assert list_scopes(read_scopes(text.split(","))) == scopes


@pytest.mark.parametrize(
    ("text", "found", "near"),
    [
        ("boddies", "'boddies' is not a scope", "`bodies`"),
        ("read,amdin", "'amdin' is not a scope", "`admin`"),
        ("Read", "'Read' is not a scope", "`read`"),
        ("veiwer", "'veiwer' is not a scope", "`viewer`"),
        ("write", "'write' is not a scope", None),
        ("read,", "'' is not a scope", None),
        ("", "there is no scope", None),
        (" , ", "there is no scope", None),
        ("read;act", "'read;act' is not a scope", None),
        ("\x1b[2J", "'\\x1b[2J' is not a scope", None),
    ],
)
def test_an_unknown_scope_is_refused_with_the_allowed_ones(
    text: str, found: str, near: str | None
) -> None:
    with pytest.raises(ValueError, match="scope") as refused:
        parse_scopes(text)
    message = str(refused.value)
    assert message.startswith(found)
    assert all(word in message for word in SCOPE_WORDS)
    assert (f"did you mean {near}?" in message) == (near is not None)
    assert near is not None or "did you mean" not in message


def test_a_long_list_is_refused_without_its_text() -> None:
    at_limit = "read".ljust(MAX_SCOPES_CHARACTERS)
    assert parse_scopes(at_limit) == {Scope.READ}
    with pytest.raises(ValueError, match=f"at most {MAX_SCOPES_CHARACTERS} characters") as refused:
        parse_scopes(at_limit + " ")
    assert at_limit not in str(refused.value)
    with pytest.raises(ValueError, match=f"at most {MAX_SCOPES_CHARACTERS} characters"):
        read_scopes(["read"] * MAX_SCOPES_CHARACTERS)


def test_every_set_has_read_and_only_admin_includes_all() -> None:
    assert expand_scopes([]) == {Scope.READ}
    assert expand_scopes([Scope.BODIES, Scope.ACT]) == frozenset(Scope) - {Scope.ADMIN}
    assert expand_scopes([Scope.ADMIN]) == frozenset(Scope)


def test_each_scope_has_a_summary_and_each_preset_is_expanded() -> None:
    assert list(SCOPE_SUMMARIES) == list(Scope)
    assert all(expand_scopes(scopes) == scopes for scopes in SCOPE_PRESETS.values())
    assert not set(SCOPE_PRESETS) & set(Scope)


def test_a_token_is_valid_until_it_ends() -> None:
    token = AccessToken(id="tok_1", name="ci", scopes=frozenset({Scope.READ}), created_at=1.0)
    assert token.is_valid(1e12)
    ending = AccessToken(
        id="tok_1", name="ci", scopes=frozenset({Scope.READ}), created_at=1.0, ends_at=10.0
    )
    assert ending.is_valid(9.9)
    assert not ending.is_valid(10.0)
    assert not ending.is_valid(11.0)


@pytest.mark.parametrize(
    ("held", "scope", "word"),
    [
        ("read", Scope.BODIES, "reader"),
        ("read", Scope.ACT, "operator"),
        ("read,act", Scope.BODIES, "operator"),  # the new token can do no less
        ("operator", Scope.ADMIN, "admin"),
    ],
)
def test_a_refusal_names_the_command_that_creates_a_token(
    held: str, scope: Scope, word: str
) -> None:
    assert explain_missing_scope("this", scope, parse_scopes(held)) == (
        f"this needs the scope `{scope}`; for a token with it, run"
        f" `flowbridge token add new-{word} --scope {word}` on the bridge's machine"
    )
