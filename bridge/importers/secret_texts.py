"""Recognize names and values of credentials, which never go into routes.yaml. Pure."""

from __future__ import annotations

import itertools
import re
from typing import Final

LONG_VALUE_CHARS: Final = 16
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS: Final = frozenset(
    {
        "token",
        "secret",
        "secrets",
        "password",
        "passwd",
        "passphrase",
        "pass",
        "pwd",
        "apikey",
        "auth",
        "authorization",
        "credential",
        "credentials",
        "signature",
        "sig",
        "hash",
        "hmac",
        "cookie",
    }
)
_KEY_WORDS: Final = frozenset({"api", "access", "secret", "private", "auth", "hook", "webhook"})
#: The beginnings of keys that well-known services make.
_KNOWN_SECRET = re.compile(
    r"(?:gh[pousr]_|github_pat_|glpat-|glptt-|xox[abprs]-|xapp-|sk_|rk_|pk_live|whsec_|whsk_|AKIA|"
    r"ASIA|ya29\.|eyJ|SG\.|dop_v1_|npm_|pypi-|hf_|Bearer |Basic |token )"
)
_SECRET_URL = re.compile(
    r"https?://(?:hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|[^/\s]+\.webhook\.office|"
    r"[^/\s:@]+:[^/\s@]+@)"
)
#: Headers whose values describe the request, such as X-GitHub-Event.
_DESCRIPTIVE = re.compile(
    r"event|type|kind|topic|agent|content|host|origin|referer|accept|action|repo|hook-id|name",
    re.IGNORECASE,
)
#: Names of values that look random without being secret.
_IDENTIFIERS = re.compile(
    r"id$|uuid|sha|commit|ref|branch|tag|version|name|repo|url|mail|event|agent|date|time",
    re.IGNORECASE,
)
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+_=.~!@#%^&*-]{16,}")


def names_secret(name: str) -> bool:
    """Return whether a parameter, header or option of this name usually carries a credential."""
    words = [word.lower() for word in _WORD.findall(name)]
    if words == ["key"] or _SECRET_WORDS.intersection(words):
        return True
    return any(word == "key" and before in _KEY_WORDS for before, word in itertools.pairwise(words))


def compares_secret(at: str, name: str, value: str) -> bool:
    """Return whether a header or query parameter is compared with a value that may be a secret."""
    if names_secret(name) or looks_random(value):
        return True
    is_long = len(value) >= LONG_VALUE_CHARS and not re.search(r"[\s/]", value)
    return at == "header" and is_long and not _DESCRIPTIVE.search(name)


def is_known_secret(text: str) -> bool:
    """Return whether a text begins as a key or secret URL of a well-known service."""
    return bool(_KNOWN_SECRET.match(text) or _SECRET_URL.search(text))


def looks_random(text: str) -> bool:
    """Return whether a text may be a generated secret: long, with letters and digits, no spaces."""
    return bool(_RANDOM.fullmatch(text))


def may_hold_secret(name: str, text: str) -> bool:
    """Return whether a value of this name, compared with this text or pattern, may be a secret.

    Ids and hashes of commits look random, and are none.
    """
    if names_secret(name) or is_known_secret(text):
        return True
    return looks_random(text.strip("^$")) and not _IDENTIFIERS.search(name)
