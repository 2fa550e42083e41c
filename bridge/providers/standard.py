"""Standard Webhooks, which many senders use under header names of their own. Pure."""

from __future__ import annotations

from bridge.signatures import AnyOf, Ed25519, Hmac, Pairs, Scheme, Timestamp


def standard(start: str) -> Scheme:
    """Standard Webhooks, whose header names begin with `start`. The secret says which of the two kinds of entry counts."""
    at, signed = f"header:{start}signature", f"{{h:{start}id}}.{{timestamp}}.{{body}}"
    time = Timestamp(f"header:{start}timestamp")
    entries = {label: Pairs(label, separator=" ", assign=",") for label in ("v1", "v1a")}
    public = Ed25519(at=at, parse=entries["v1a"], encoding="base64", signed=signed, timestamp=time)
    shared = Hmac(at=at, parse=entries["v1"], encoding="base64", key="whsec", signed=signed, timestamp=time)
    return AnyOf(by_secret=(("whpk_", public), ("whsk_", public), ("", shared)))
