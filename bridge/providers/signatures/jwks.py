"""Published keys of senders, and how to read them. Pure: `Keys` fetches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

import orjson

from bridge.core.locators import URLENCODED
from bridge.core.model import JSON
from bridge.providers.signatures.encodings import to_base64
from bridge.providers.signatures.key_material import jwk_key, public_der, public_key
from bridge.providers.signatures.key_source import DocumentRequest, KeySource
from bridge.providers.signatures.scheme import utf8

MAX_SET_KEYS = 100  # of one document
KID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,100}")  # what a request may put into a URL
ACCESS_TOKEN_PATTERN = re.compile(r"[!-~]{1,4096}")  # what a service may put into a header


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JWK Set at a fixed `url`, with keys by `kid`. Spec: RFC 7517.

    `{NAME}` in `url` is replaced by a pinned value. With `login` the URL is a service that returns
    one key: the secret is `a:b`, sent as JSON under these two names, with the `kid` under
    `kid_name`; the answer has the JWK under `at` (Plaid).
    """

    url: str
    login: tuple[str, str] | None = None
    kid_name: str = "kid"
    at: str = "key"

    def find(
        self, kid: str, kind: str, logins: Sequence[str], pinned: Mapping[str, str], keys: KeySource
    ) -> bytes | None:
        """Return the key `kid` in DER form, fetched if necessary; None if there is none."""
        if not kid:
            return None
        for request in self._requests(kid, logins, pinned):
            for again in (False, True):
                document = keys.fetch(request, again=again)
                key = (
                    _read(document, self.at if self.login else "").get((kid, kind))
                    if document
                    else None
                )
                if key:
                    return key
        return None

    def login_of(self, secret: str) -> tuple[str, str] | None:
        """Return the two parts of a secret that is a login for keys, or None."""
        return login_of(secret) if self.login else None

    @property
    def hint(self) -> str:
        """Describe the other forms of a secret."""
        return f", or {':'.join(self.login)} to fetch it with" if self.login else ""

    def _requests(
        self, kid: str, logins: Sequence[str], pinned: Mapping[str, str]
    ) -> list[DocumentRequest]:
        url = self.url.format_map(pinned)
        if self.login is None:
            return [DocumentRequest(url, url)]
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
        return [DocumentRequest(url, f"{url} {name}", body) for name, body in bodies]


@dataclass(frozen=True, slots=True)
class KeyService:
    """A service that returns one key to a logged-in application (eBay). Spec: RFC 6749, section
    4.4.

    The secret is `a:b`: at `login` it is exchanged for a token of `scope`, and with that the key is
    fetched from `url`, in which `{kid}` is the id of the key. The answer has the key under `at`, as
    PEM.
    """

    url: str
    login: str
    scope: str
    at: str = "key"

    def find(self, kid: str, kind: str, logins: Sequence[str], keys: KeySource) -> bytes | None:
        """Return the key `kid` in DER form, fetched if necessary; None if there is none."""
        if not KID_PATTERN.fullmatch(kid):
            return None
        for parts in filter(None, map(login_of, logins)):
            for again in (False, True):
                token = _text(keys.fetch(self._login(*parts), again=again), "access_token")
                if not ACCESS_TOKEN_PATTERN.fullmatch(token):
                    continue
                request = DocumentRequest(
                    self.url.format(kid=kid),
                    self.url,
                    headers=(("Authorization", f"Bearer {token}"),),
                )
                try:
                    return public_key(_text(keys.fetch(request, again=again), self.at), kind)
                except ValueError:
                    continue
        return None

    def _login(self, name: str, word: str) -> DocumentRequest:
        body = urlencode({"grant_type": "client_credentials", "scope": self.scope}).encode()
        credentials = to_base64(utf8(f"{name}:{word}"))
        return DocumentRequest(
            self.login,
            f"{self.login} {name}",
            body,
            headers=(("Authorization", f"Basic {credentials}"), ("Content-Type", URLENCODED)),
        )


def login_of(secret: str) -> tuple[str, str] | None:
    """Return the two parts of `a:b`, a secret that is a login for keys, or None."""
    name, _, word = secret.strip().partition(":")
    return (name, word) if name and word and secret.isprintable() and "{" not in secret else None


def _text(document: bytes | None, at: str) -> str:
    """Return a text member of a JSON document; empty if missing."""
    try:
        member = orjson.loads(document or b"")[at]
    except (ValueError, KeyError, TypeError):
        return ""
    return member if isinstance(member, str) else ""


@lru_cache(maxsize=64)
def _read(document: bytes, at: str) -> Mapping[tuple[str, str], bytes]:
    """Return the usable keys of a document by (kid, kind). `at`: where its one JWK is."""
    try:
        content: JSON = orjson.loads(document)
    except ValueError:
        return {}
    listed = content.get(at or "keys") if isinstance(content, dict) else None
    usable_keys: dict[tuple[str, str], bytes] = {}
    for jwk in ([listed] if at else listed if isinstance(listed, list) else [])[:MAX_SET_KEYS]:
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("expired_at"):
            continue
        kind = "ec" if jwk.get("kty") == "EC" else "rsa"
        try:
            usable_keys[jwk["kid"], kind] = public_der(jwk_key(jwk), kind)
        except ValueError:
            continue
    return usable_keys
