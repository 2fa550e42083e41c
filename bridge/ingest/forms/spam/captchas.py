"""Captcha services: their widgets, verification requests and responses. Pure.

What the service does not say plainly is not taken for a yes, nor for a no: then it could not be
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlencode

import orjson

from bridge.core.http_messages import Answer, Call, Lost
from bridge.core.model import JSON
from bridge.routing.form import Captcha

MAX_RESPONSE_CHARS = 8192  # characters of what the page's script gives
MAX_VERIFICATION_BYTES = 64 * 1024
UNCHECKED = "could not be checked"
#: What the services call a fault of ours rather than of who sent the form.
OWN_ERROR_CODES = frozenset(
    {
        "missing-input-secret",
        "invalid-input-secret",
        "bad-request",
        "internal-error",
        "sitekey-secret-mismatch",
        "invalid-keys",
    }
)
USED_ERROR_CODES = frozenset(
    {
        "timeout-or-duplicate",
        "already-seen-response",
        "invalid-or-already-seen-response",
        "expired-input-response",
    }
)


@dataclass(frozen=True, slots=True)
class CaptchaService:
    """A kind of captcha: its name, the fields in which its script puts the answer, and who says
    whether that is right.

    `script` is what a page loads, with `{key}` where the site key goes; `widget` the class of the
    element that it fills, empty where a page shows none and asks as it is sent; `again` what has it
    ask once more.
    """

    title: str
    fields: tuple[str, ...]
    url: str
    script: str
    widget: str
    again: str
    has_score: bool = False


#: A new one is a row.
#: https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
#: https://docs.hcaptcha.com/#verify-the-user-response-server-side
#: https://developers.google.com/recaptcha/docs/verify
#: https://developers.cloudflare.com/turnstile/get-started/client-side-rendering/
#: https://docs.hcaptcha.com/configuration https://developers.google.com/recaptcha/docs/v3
CAPTCHA_SERVICES: Mapping[str, CaptchaService] = {
    "turnstile": CaptchaService(
        "Turnstile",
        ("cf-turnstile-response",),
        "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        script="https://challenges.cloudflare.com/turnstile/v0/api.js",
        widget="cf-turnstile",
        again="globalThis.turnstile?.reset();",
    ),
    "hcaptcha": CaptchaService(
        "hCaptcha",
        ("h-captcha-response", "g-recaptcha-response"),
        "https://api.hcaptcha.com/siteverify",
        script="https://js.hcaptcha.com/1/api.js",
        widget="h-captcha",
        again="globalThis.hcaptcha?.reset();",
    ),
    "recaptcha_v2": CaptchaService(
        "reCAPTCHA v2",
        ("g-recaptcha-response",),
        "https://www.google.com/recaptcha/api/siteverify",
        script="https://www.google.com/recaptcha/api.js",
        widget="g-recaptcha",
        again="globalThis.grecaptcha?.reset();",
    ),
    "recaptcha_v3": CaptchaService(
        "reCAPTCHA v3",
        ("g-recaptcha-response", "recaptcha_response"),
        "https://www.google.com/recaptcha/api/siteverify",
        script="https://www.google.com/recaptcha/api.js?render={key}",
        widget="",
        again="",
        has_score=True,
    ),
}
CAPTCHA_FIELDS = frozenset(name for kind in CAPTCHA_SERVICES.values() for name in kind.fields)


def find_response(captcha: Captcha, controls: Mapping[str, JSON]) -> str | None:
    """Return what the page's script gave, null where that is nothing it can have given."""
    found = next(
        (controls[name] for name in CAPTCHA_SERVICES[captcha.kind].fields if controls.get(name)),
        None,
    )
    return found if isinstance(found, str) and len(found) <= MAX_RESPONSE_CHARS else None


def find_responses(captcha: Captcha | None, controls: Mapping[str, JSON]) -> dict[str, str]:
    """Return what the page's script gave, by its fields: for a form that is sent back, where nobody
    was asked about it yet.
    """
    fields = CAPTCHA_SERVICES[captcha.kind].fields if captcha is not None else ()
    return {
        name: value
        for name in fields
        if isinstance(value := controls.get(name), str) and 0 < len(value) <= MAX_RESPONSE_CHARS
    }


def build_verification(captcha: Captcha, response: str, address: str | None) -> Call:
    """Return the question to the service; it is told the sender's address only where the form says
    so.
    """
    said = {"secret": captcha.secret, "response": response}
    if captcha.tells_address and address:
        said["remoteip"] = address
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": "flowbridge",
    }
    return Call(
        method="POST",
        url=captcha.url,
        headers=headers,
        body=urlencode(said).encode(),
        most=MAX_VERIFICATION_BYTES,
    )


def read_verification(captcha: Captcha, answer: Answer | Lost) -> str | None:
    """Return why the captcha does not speak for the submission, null where it does; with
    `UNCHECKED` in it where nobody knows.
    """
    if isinstance(answer, Lost):
        return f"{UNCHECKED}: {answer.reason}"
    said = _said(answer)
    if said is None:
        return (
            f"{UNCHECKED}: the service answered HTTP {answer.status}, with nothing that it could"
            " mean"
        )
    if said["success"]:
        return _unfit(captcha, said)
    listed = said.get("error-codes")
    codes = (
        {code for code in listed if isinstance(code, str)} if isinstance(listed, list) else set()
    )
    if codes & OWN_ERROR_CODES:
        return (
            f"{UNCHECKED}: the service reported {', '.join(sorted(codes & OWN_ERROR_CODES))}; check"
            " `secret`"
        )
    return "it was used before, or too late" if codes & USED_ERROR_CODES else "it was not solved"


def _said(answer: Answer) -> dict[str, JSON] | None:
    if answer.truncated:
        return None
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    fits = isinstance(said, dict) and isinstance(said.get("success"), bool)
    # A service may say what is wrong with a status of its own, but its yes has only one.
    return said if fits and (answer.status == 200 or not said["success"]) else None


def _unfit(captcha: Captcha, said: Mapping[str, JSON]) -> str | None:
    if captcha.hostnames and str(said.get("hostname")).lower() not in captcha.hostnames:
        return "it was solved on another site"
    if captcha.action is not None and said.get("action") != captcha.action:
        return "it was solved for another action"
    if captcha.score is None:
        return None
    score = said.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not isfinite(score):
        return f"{UNCHECKED}: the service gave no score"
    return (
        None
        if score >= captcha.score
        else f"its score is {score:.2f}, and {captcha.score:g} is the least"
    )
