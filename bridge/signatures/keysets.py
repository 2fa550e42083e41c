"""Where senders publish the keys of their tokens and signatures, and how those are read. Pure: `Keys` does the fetching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson

from bridge.model import JSON
from bridge.signatures.asymmetric import jwk_key, public_der
from bridge.signatures.keys import Ask, Keys

MAX_KEYS = 100  # of one document


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JWK Set at a fixed `url`, in which a key is known by its `kid`. Spec: RFC 7517.

    `{NAME}` in `url` stands for a pinned value. With `login` there is no set but a service that is asked for one key: the secret
    is `a:b`, sent as JSON under these two names, beside the `kid` under `kid_name`; the answer has the JWK under `at` (Plaid).
    """

    url: str
    login: tuple[str, str] | None = None
    kid_name: str = "kid"
    at: str = "key"

    def find(self, kid: str, kind: str, logins: Sequence[str], pinned: Mapping[str, str], keys: Keys) -> bytes | None:
        """Return the key `kid` in DER form, fetched if it must be; None where there is none."""
        if not kid:
            return None
        for ask in self._asks(kid, logins, pinned):
            for again in (False, True):
                document = keys.fetch(ask, again=again)
                found = _read(document, self.at if self.login else "").get((kid, kind)) if document else None
                if found:
                    return found
        return None

    def login_of(self, secret: str) -> tuple[str, str] | None:
        """Return the two parts of a secret that serves to ask for keys, or None."""
        name, _, word = secret.strip().partition(":")
        return (name, word) if self.login and name and word and secret.isprintable() and "{" not in secret else None

    @property
    def hint(self) -> str:
        """What else a secret may be."""
        return f", or {':'.join(self.login)} to fetch it with" if self.login else ""

    def _asks(self, kid: str, logins: Sequence[str], pinned: Mapping[str, str]) -> list[Ask]:
        url = self.url.format_map(pinned)
        if self.login is None:
            return [Ask(url, url)]
        parts = [pair for secret in logins if (pair := self.login_of(secret))]
        bodies = [(name, orjson.dumps({**dict(zip(self.login, (name, word), strict=True)), self.kid_name: kid})) for name, word in parts]
        return [Ask(url, f"{url} {name}", body) for name, body in bodies]


@lru_cache(maxsize=64)
def _read(document: bytes, at: str) -> Mapping[tuple[str, str], bytes]:
    """Return the keys of a document by (kid, kind); those that cannot be used are left out. `at`: where its one JWK stands."""
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
