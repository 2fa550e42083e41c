"""Standard Webhooks under the header names of several senders, and shared texts of rows. Pure."""

from __future__ import annotations

from bridge.providers.model import Reply
from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.timestamps import Timestamp

# for senders that accept a 200, and hardly any other status
PLAIN_200 = Reply(content_type="text/plain")
REPLAY_KNOWN_BY_ID = "No time is signed: a request can be replayed; duplicates are detected by id."
REPLAY_KNOWN_BY_BODY = (
    "Neither time nor id is signed: a request can be replayed; duplicates are detected by body."
)
REPLAY_UNKNOWN = (
    "There is no id, and no time is signed: a copy of a request is a new event. To recognize"
    " copies, set `dedup: body`."
)
NOTHING_SIGNED = (
    "A token is sent, nothing is signed: it does not prove that the body is the sender's. Use"
    " HTTPS."
)
CREDENTIAL_IN_URL = (
    "The token is in the URL, which proxies and logs may store; it does not prove that the body"
    " is the sender's. Use HTTPS."
)
SIGNS_ID_TIME_BODY = "The id, the time and the body, joined by dots."
WHSEC_HINT = "whsec_… and base64, from the sender"
SVIX_RETRIES = "Retried after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h more."


def standard_webhooks(start: str) -> Scheme:
    """Return the scheme of Standard Webhooks with header names that begin with `start`.

    The secret decides which of the two kinds of signature counts.
    """
    public = Ed25519(
        at=f"header:{start}signature",
        parse=_entries("v1a"),
        encoding="base64",
        signed=_signed(start),
        timestamp=_time(start),
    )
    return SchemeBySecret(
        by_secret=(("whpk_", public), ("whsk_", public), ("", standard_webhooks_hmac(start)))
    )


def standard_webhooks_hmac(start: str, key: str = "whsec") -> Hmac:
    """Return the scheme of Standard Webhooks with a shared secret alone.

    `key`: how the secret gives the key; `whsec_…` by default, see `Hmac`.
    """
    return Hmac(
        at=f"header:{start}signature",
        parse=_entries("v1"),
        encoding="base64",
        key=key,
        signed=_signed(start),
        timestamp=_time(start),
    )


def _entries(label: str) -> Pairs:
    return Pairs(label, separator=" ", assign=",")


def _signed(start: str) -> str:
    return f"{{h:{start}id}}.{{timestamp}}.{{body}}"


def _time(start: str) -> Timestamp:
    return Timestamp(f"header:{start}timestamp")


def svix() -> Scheme:
    """Return the scheme of Svix: two sets of header names; the first one present counts."""
    return HeaderSets(
        sets=(("svix-", standard_webhooks("svix-")), ("webhook-", standard_webhooks("webhook-")))
    )


SVIX_ID = ("header:svix-id", "header:webhook-id")  # of the set that was verified, as in `svix`
