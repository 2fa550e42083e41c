"""Where senders publish the keys of their tokens and signatures, and how those are read. Pure:
`Keys` does the fetching.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

import orjson

from bridge.core.model import JSON
from bridge.providers.signatures.encodings import to_base64
from bridge.providers.signatures.key_material import jwk_key, public_der, public_key
from bridge.providers.signatures.key_source import Ask, Keys
from bridge.providers.signatures.scheme import utf8

MAX_KEYS = 100  # of one document
KID = re.compile(r"[A-Za-z0-9_-]{1,100}")  # what a request may put into a URL
TOKEN = re.compile(r"[!-~]{1,4096}")  # what a service may put into a header
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JWK Set at a fixed `url`, in which a key is known by its `kid`. Spec: RFC 7517.

    `{NAME}` in `url` stands for a pinned value. With `login` there is no set but a service that is
    asked for one key: the secret is `a:b`, sent as JSON under these two names, beside the `kid`
    under `kid_name`; the answer has the JWK under `at` (Plaid).
    """

    url: str
    login: tuple[str, str] | None = None
    kid_name: str = "kid"
    at: str = "key"

    def find(
        self, kid: str, kind: str, logins: Sequence[str], pinned: Mapping[str, str], keys: Keys
    ) -> bytes | None:
        """Return the key `kid` in DER form, fetched if it must be; None where there is none."""
        if not kid:
            return None
        for ask in self._asks(kid, logins, pinned):
            for again in (False, True):
                document = keys.fetch(ask, again=again)
                found = (
                    _read(document, self.at if self.login else "").get((kid, kind))
                    if document
                    else None
                )
                if found:
                    return found
        return None

    def login_of(self, secret: str) -> tuple[str, str] | None:
        """Return the two parts of a secret that serves to ask for keys, or None."""
        return login_of(secret) if self.login else None

    @property
    def hint(self) -> str:
        """What else a secret may be."""
        return f", or {':'.join(self.login)} to fetch it with" if self.login else ""

    def _asks(self, kid: str, logins: Sequence[str], pinned: Mapping[str, str]) -> list[Ask]:
        url = self.url.format_map(pinned)
        if self.login is None:
            return [Ask(url, url)]
        parts = [pair for secret in logins if (pair := self.login_of(secret))]
        bodies = [
            (
                name,
                orjson.dumps(
                    {**dict(zip(self.login, (name, word), strict=True)), self.kid_name: kid}
                ),
            )
            for name, word in parts
        ]
        return [Ask(url, f"{url} {name}", body) for name, body in bodies]


@dataclass(frozen=True, slots=True)
class KeyService:
    """A service that shows one key to an application that is logged in (eBay). Spec: RFC 6749,
    section 4.4.

    The secret is `a:b`: at `login` they are given for a token of `scope`, and that is shown at
    `url`, in which `{kid}` stands for the id of the key. The answer has the key under `at`, as PEM.
    """

    url: str
    login: str
    scope: str
    at: str = "key"

    def find(self, kid: str, kind: str, logins: Sequence[str], keys: Keys) -> bytes | None:
        """Return the key `kid` in DER form, fetched if it must be; None where there is none."""
        if not KID.fullmatch(kid):
            return None
        for parts in filter(None, map(login_of, logins)):
            for again in (False, True):
                token = _text(keys.fetch(self._login(*parts), again=again), "access_token")
                if not TOKEN.fullmatch(token):
                    continue
                ask = Ask(
                    self.url.format(kid=kid),
                    self.url,
                    headers=(("Authorization", f"Bearer {token}"),),
                )
                try:
                    return public_key(_text(keys.fetch(ask, again=again), self.at), kind)
                except ValueError:
                    continue
        return None

    def _login(self, name: str, word: str) -> Ask:
        body = urlencode({"grant_type": "client_credentials", "scope": self.scope}).encode()
        shown = to_base64(utf8(f"{name}:{word}"))
        return Ask(
            self.login,
            f"{self.login} {name}",
            body,
            headers=(("Authorization", f"Basic {shown}"), ("Content-Type", FORM)),
        )


def login_of(secret: str) -> tuple[str, str] | None:
    """Return the two parts of `a:b`, a secret that is no key and serves to ask for one, or None."""
    name, _, word = secret.strip().partition(":")
    return (name, word) if name and word and secret.isprintable() and "{" not in secret else None


def _text(document: bytes | None, at: str) -> str:
    """Return the text at this name of a JSON document, empty where there is none."""
    try:
        found = orjson.loads(document or b"")[at]
    except (ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


@lru_cache(maxsize=64)
def _read(document: bytes, at: str) -> Mapping[tuple[str, str], bytes]:
    """Return the keys of a document by (kid, kind); those that cannot be used are left out. `at`:
    where its one JWK stands.
    """
    try:
        content: JSON = orjson.loads(document)
    except ValueError:
        return {}
    listed = content.get(at or "keys") if isinstance(content, dict) else None
    found: dict[tuple[str, str], bytes] = {}
    for jwk in ([listed] if at else listed if isinstance(listed, list) else [])[:MAX_KEYS]:
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("expired_at"):
            continue
        kind = "ec" if jwk.get("kty") == "EC" else "rsa"
        try:
            found[jwk["kid"], kind] = public_der(jwk_key(jwk), kind)
        except ValueError:
            continue
    return found
