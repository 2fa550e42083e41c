"""Captcha services: their widgets, verification requests and responses. Pure.

An unclear response of the service counts neither as passed nor as failed: the captcha is unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlencode

import orjson

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import JSON
from bridge.routing.form import Captcha

MAX_RESPONSE_CHARS = 8192  # of the value that the page's script sends
MAX_VERIFICATION_BYTES = 64 * 1024
UNCHECKED = "could not be checked"
#: Errors of our configuration or of the service, not of the sender.
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
    """A captcha service: its name, the fields of its response, and its verification URL.

    `script`: the URL that a page loads, with `{key}` for the site key. `widget`: the class of the
    element that the script fills, empty if there is none. `again`: JavaScript that resets it.
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
    """Return the captcha response of a submission; None if it has none or it is malformed."""
    response = next(
        (controls[name] for name in CAPTCHA_SERVICES[captcha.kind].fields if controls.get(name)),
        None,
    )
    return response if isinstance(response, str) and len(response) <= MAX_RESPONSE_CHARS else None


def find_responses(captcha: Captcha | None, controls: Mapping[str, JSON]) -> dict[str, str]:
    """Return the captcha responses by field, for a form that is returned without verification."""
    fields = CAPTCHA_SERVICES[captcha.kind].fields if captcha is not None else ()
    return {
        name: value
        for name in fields
        if isinstance(value := controls.get(name), str) and 0 < len(value) <= MAX_RESPONSE_CHARS
    }


def build_verification(captcha: Captcha, response: str, address: str | None) -> Call:
    """Return the verification call; it has the sender's address only if the form allows that."""
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


def read_verification(captcha: Captcha, answer: Answer | NoAnswer) -> str | None:
    """Return why the captcha failed, or None if it passed.

    The reason begins with `UNCHECKED` if the service gave no clear answer.
    """
    if isinstance(answer, NoAnswer):
        return f"{UNCHECKED}: {answer.reason}"
    said = _said(answer)
    if said is None:
        return f"{UNCHECKED}: the service answered HTTP {answer.status} with an unexpected body"
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
    return "it was used before, or has expired" if codes & USED_ERROR_CODES else "it was not solved"


def _said(answer: Answer) -> dict[str, JSON] | None:
    if answer.truncated:
        return None
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    fits = isinstance(said, dict) and isinstance(said.get("success"), bool)
    # A service may report errors with other statuses, but success only with 200.
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
        else f"its score is {score:.2f}; the minimum is {captcha.score:g}"
    )
