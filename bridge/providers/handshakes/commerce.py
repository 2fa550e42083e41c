"""URL tests of payment services, shops and bookkeeping. Pure."""

from __future__ import annotations

import hmac
import re
from hashlib import sha1, sha256

from bridge.core.locators import URLENCODED, query_value
from bridge.core.model import JSON
from bridge.providers.handshakes.general import WORD, json_reply, text_reply
from bridge.providers.model import Probe, Reply

BRAINTREE_CHALLENGE = re.compile(r"[a-f0-9]{20,32}")


def safe_word(value: JSON) -> str | None:
    """Return a short text of letters, digits, `_` and `-` that is safe to echo; None for others."""
    return value if isinstance(value, str) and WORD.fullmatch(value) else None


def braintree_challenge(probe: Probe) -> Reply | None:
    """Sign Braintree's `bt_challenge`.

    `?bt_challenge=X` is answered with the public key, a bar, and the SHA-1 HMAC of X; the secret is
    `PUBLIC|PRIVATE`. The same HMAC signs notifications, so X must have the form of a challenge (20
    to 32 hexadecimal digits), which is not accepted as a notification (`given_away` of the row).
    Spec: https://developer.paypal.com/braintree/docs/guides/webhooks/create
    """
    challenge = query_value(probe.request.query_string, "bt_challenge")
    public, bar, private = next(
        (secret for secret in probe.secrets if "|" in secret), ""
    ).partition("|")
    if (
        challenge is None
        or not BRAINTREE_CHALLENGE.fullmatch(challenge)
        or not bar
        or safe_word(public) is None
    ):
        return None
    key = sha1(private.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return text_reply(f"{public}|{hmac.digest(key, challenge.encode(), 'sha1').hex()}")


def woocommerce_ping(probe: Probe) -> Reply | None:
    """Confirm WooCommerce's ping: an unsigned form with `webhook_id=N` alone.

    Spec: WC_Webhook::deliver_ping of https://github.com/woocommerce/woocommerce
    """
    request = probe.request
    if (
        request.content_type != URLENCODED
        or "x-wc-webhook-topic" in request.headers
        or not isinstance(probe.body, dict)
    ):
        return None
    number = probe.body.get("webhook_id")
    is_ping = (
        len(probe.body) == 1
        and isinstance(number, str)
        and number.isascii()
        and number.isdigit()
        and len(number) < 20
    )
    return text_reply("OK") if is_ping else None


def ebay_challenge(probe: Probe) -> Reply | None:
    """Hash eBay's `challenge_code` with the verification token and the URL.

    `?challenge_code=X` is answered with the SHA-256 of X, the verification token (the secret after
    `token:`) and the URL of this source.
    Spec: https://developer.ebay.com/marketplace-account-deletion
    """
    code = safe_word(query_value(probe.request.query_string, "challenge_code"))
    token = next(
        (secret.removeprefix("token:") for secret in probe.secrets if secret.startswith("token:")),
        "",
    )
    if code is None or not token:
        return None
    url = probe.request.url.partition("?")[0]
    return json_reply(
        {
            "challengeResponse": (
                sha256(f"{code}{token}{url}".encode("utf-8", "surrogateescape")).hexdigest()
            )
        }
    )


def xero_intent(probe: Probe) -> Reply | None:
    """Confirm Xero's “intent to receive”: a signed batch without events.

    The answer is an empty 200; a request with a wrong signature was refused with 401 before.
    Spec: https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/
    """
    is_intent = isinstance(probe.body, dict) and probe.body.get("events") == []
    return Reply(200, "text/plain") if is_intent else None


def tebex_validation(probe: Probe) -> Reply | None:
    """Echo the id of Tebex's `validation.webhook`.

    Spec: https://docs.tebex.io/developers/webhooks/overview
    """
    if not isinstance(probe.body, dict) or probe.body.get("type") != "validation.webhook":
        return None
    id_ = safe_word(probe.body.get("id"))
    return json_reply({"id": id_}) if id_ else None
