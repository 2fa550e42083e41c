"""Scopes of the admin API, and the record of a named access token. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.core.advice import Command, name_command
from bridge.core.typos import find_typo

ID_PREFIX: Final = "tok_"
SECRET_PREFIX: Final = "fbt_"  # noqa: S105 - not a secret: how one begins
SECRET_BYTES: Final = 32  # random, in 43 characters of URL-safe base64
_SECRET: Final = re.compile(re.escape(SECRET_PREFIX) + "[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A named access token without its secret.

    `scopes` are expanded. `ends_at`: null for a token that does not expire. `used_at`: its latest
    use, up to a minute late; null before the first.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    ends_at: float | None = None
    used_at: float | None = None

    def is_valid(self, now: float) -> bool:
        """Return whether the token has not expired."""
        return self.ends_at is None or now < self.ends_at


def is_token_secret(text: str) -> bool:
    """Return whether a text has the form of a token's secret."""
    return _SECRET.fullmatch(text) is not None


MAX_SCOPES_CHARACTERS: Final = 200  # of a list of scopes


class Scope(StrEnum):
    """Scopes of an access token."""

    READ = "read"  #: everything but contents; every token has it
    BODIES = "bodies"  #: contents
    ACT = "act"  #: operations
    ADMIN = "admin"  #: upkeep; it includes the other scopes


#: What each scope permits, for the help and the docs.
SCOPE_SUMMARIES: Final[Mapping[Scope, str]] = {
    Scope.READ: "read everything but contents; every token has this scope",
    Scope.BODIES: "read contents: payloads, headers, inputs, outputs, logs and names of files",
    Scope.ACT: "run operations such as retry, replay, readmit and spam mark, and end runs",
    Scope.ADMIN: "manage tokens, learn secrets and hold starts; includes every other scope",
}
#: Names for sets of scopes that are often given together, each of which includes the one before.
SCOPE_PRESETS: Final[Mapping[str, frozenset[Scope]]] = {
    "viewer": frozenset({Scope.READ}),
    "reader": frozenset({Scope.READ, Scope.BODIES}),
    "operator": frozenset({Scope.READ, Scope.BODIES, Scope.ACT}),
}
SCOPE_WORDS: Final = (*Scope, *SCOPE_PRESETS)


def expand_scopes(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return the scopes with those that they include: `read`, and all scopes for `admin`."""
    direct_scopes = frozenset(scopes)
    return frozenset(Scope) if Scope.ADMIN in direct_scopes else direct_scopes | {Scope.READ}


def explain_missing_scope(subject: str, scope: Scope, held_scopes: Iterable[Scope]) -> str:
    """Return what needs a scope, and the command for a token with it and the `held_scopes`."""
    needed = {scope, *held_scopes}
    word = next((name for name, scopes in SCOPE_PRESETS.items() if needed <= scopes), Scope.ADMIN)
    return (
        f"{subject} needs the scope `{scope}`; for a token with it, run"
        f" `{suggest_token(word)}` on the bridge's machine"
    )


def suggest_token(word: str) -> Command:
    """Return a command that creates a token with a scope, or a preset, under an example's name."""
    return name_command("token add", f"new-{word}", scope=word)


def list_scopes(scopes: Iterable[Scope]) -> list[str]:
    """Return the words of scopes in the order of `Scope`, for JSON and for the store."""
    present_scopes = frozenset(scopes)
    return [scope.value for scope in Scope if scope in present_scopes]


def parse_scopes(text: str) -> frozenset[Scope]:
    """Return the expanded scopes of a list such as `read,act`; a preset stands for its scopes.

    Raises `ValueError` with a message for the user.
    """
    return read_scopes(text.split(","))


def read_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Return the expanded scopes of several words; a preset stands for its scopes.

    Raises `ValueError` with a message for the user.
    """
    texts = list(words)
    if (length := len(",".join(texts))) > MAX_SCOPES_CHARACTERS:
        raise ValueError(
            f"a list of scopes has at most {MAX_SCOPES_CHARACTERS} characters, not {length};"
            f" {describe_allowed()}"
        )
    texts = [word.strip() for word in texts]
    if not any(texts):
        raise ValueError(f"there is no scope; {describe_allowed()}")
    return expand_scopes(scope for word in texts for scope in _read_word(word))


def _read_word(word: str) -> frozenset[Scope]:
    if word in SCOPE_PRESETS:
        return SCOPE_PRESETS[word]
    try:
        return frozenset({Scope(word)})
    except ValueError:
        near = find_typo(word, SCOPE_WORDS)
        hint = f"did you mean `{near}`? " if near is not None else ""
        raise ValueError(f"{word!r} is not a scope; {hint}{describe_allowed()}") from None


def describe_allowed() -> str:
    """Return the words that a list of scopes may have."""
    return f"allowed are {', '.join(Scope)} and the presets {', '.join(SCOPE_PRESETS)}"
