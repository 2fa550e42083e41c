"""The anti-spam fields of form pages, `/forms/<source>/challenge`, and the script.

Nothing is stored: tokens and challenges are signed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from math import inf

import orjson
from flask import Blueprint, Response, request
from markupsafe import Markup

from bridge.config.settings import Settings
from bridge.core.model import JSON
from bridge.ingest.forms.spam import altcha, captchas, tokens
from bridge.ingest.forms.spam.dedup import derive_key
from bridge.ingest.forms.spam.layers import TOKEN_FIELD
from bridge.routing.form import Form
from bridge.routing.model import Config, Source
from bridge.web.client_ip import client_address
from bridge.web.forms.captcha_widgets import scripts, widget
from bridge.web.forms.hidden_fields import AntiSpamFields
from bridge.web.receiving.rate_limiter import RateLimiter, wait_for_rate

SCRIPT_URL = "/forms/altcha.js"


def make_page_fields(
    source: Source, secret_key: str, now: float, came: Mapping[str, JSON] | None = None
) -> AntiSpamFields:
    """Return the anti-spam fields of a form on one of our pages. A token is valid once.

    `came`: the control fields of a form that is shown again, None for a new form.
    """
    form = source.form
    if form is None:
        return AntiSpamFields()
    parts = _parts(source, form, "..", works=form.trades_captcha or has_proof_of_work(source))
    inputs = captchas.find_responses(form.spam.captcha, came or {})
    if form.spam.token != "off" or form.trades_captcha:  # noqa: S105 - the word for how a form uses its token
        token = (came or {}).get(TOKEN_FIELD)
        inputs[TOKEN_FIELD] = _token(
            source.name, form, secret_key, now, token, is_page=True, is_back=came is not None
        )
    return replace(
        parts, inputs=inputs, needs_script=form.trades_captcha or form.spam.altcha == "required"
    )


def make_embedded_fields(source: Source, base: str) -> AntiSpamFields:
    """Return the anti-spam fields of an embedded form, whose script fetches a token.

    `base`: the URL of this server.
    """
    if source.form is None:
        return AntiSpamFields()
    works = has_proof_of_work(source)
    spam = source.form.spam
    parts = _parts(source, source.form, base, works=works)
    captcha = spam.captcha
    needs_script = works and "required" in (spam.altcha, spam.token)
    if captcha is None:
        return replace(parts, needs_script=needs_script)
    widgets = Markup("\n  ").join(filter(None, (parts.widget, widget(captcha))))
    needs_script = needs_script or captcha.site_key is not None
    return replace(
        parts, widget=widgets, scripts=parts.scripts + scripts(captcha), needs_script=needs_script
    )


def _parts(source: Source, form: Form, base: str, *, works: bool) -> AntiSpamFields:
    honeypot = next(iter(form.spam.honeypots), "")
    if not works:
        return AntiSpamFields(honeypot=honeypot)
    return AntiSpamFields(
        honeypot=honeypot,
        widget=Markup('<div data-altcha="{}/forms/{}/challenge" hidden></div>').format(
            base, source.name
        ),
        scripts=(base + SCRIPT_URL,),
        policy=dict.fromkeys(("script-src", "worker-src", "connect-src"), "'self'"),
    )


def has_proof_of_work(source: Source) -> bool:
    """Return whether the embedded form has a proof of work: not if it is off, or has a captcha."""
    spam = source.form.spam if source.form is not None else None
    return spam is not None and (
        spam.altcha == "required" or (spam.altcha == "optional" and spam.captcha is None)
    )


def make_challenge(
    source: Source, secret_key: str, now: float, came: JSON = None
) -> dict[str, JSON]:
    """Return the answer of `/forms/<source>/challenge`: ALTCHA's challenge and a new token."""
    if source.form is None:
        return {}
    form = source.form
    spam = source.form.spam
    said: dict[str, JSON] = {"lasts": int(spam.expires - spam.min_fill)}
    if spam.token != "off" or form.trades_captcha:  # noqa: S105 - the word for how a form uses its token
        said["token"] = _token(source.name, form, secret_key, now, came)
    if spam.altcha != "off" or form.trades_captcha:
        number = secrets.randbelow(spam.work + 1)
        key = derive_key(secret_key, "altcha")
        said |= altcha.make_challenge(
            key,
            source.name,
            now + spam.expires,
            salt=secrets.token_hex(12),
            number=number,
            max_number=spam.work,
        )
    return said


def challenge_pages(
    settings: Settings, config: Callable[[], Config], limiter: RateLimiter, secret_key: str
) -> Blueprint:
    """Return the endpoints of the challenge and the script."""
    views = Blueprint("challenges", __name__)

    @views.get("/forms/<name>/challenge")
    def give(name: str) -> Response:
        source = config().sources.get(name)
        if source is None or source.form is None:
            return _answer(b'{"error":"unknown_source","message":"no such form"}', 404)
        now = time.time()
        if wait := wait_for_rate(
            limiter, source, client_address(request.environ, settings), now, look="challenge"
        ):
            response = _answer(b'{"error":"too_many","message":"too many requests"}', 429)
            response.headers["Retry-After"] = str(int(wait) + 1)
        else:
            response = _answer(
                orjson.dumps(make_challenge(source, secret_key, now, request.args.get("token")))
            )
        response.headers["Cache-Control"] = "no-store"
        return _for_sites(response, source.form.allowed_origins, request.headers.get("Origin"))

    @views.get(SCRIPT_URL)
    def script() -> Response:
        response = Response(_script(), content_type="text/javascript; charset=utf-8")
        response.headers |= {
            "Cache-Control": "public, max-age=3600",
            "X-Content-Type-Options": "nosniff",
        }
        return response

    return views


def _token(
    source: str,
    form: Form,
    secret_key: str,
    now: float,
    came: JSON,
    *,
    is_page: bool = False,
    is_back: bool = False,
) -> str:
    """Return a new token.

    If it replaces one, however old, the time to fill in the form counts from that one, as far as it
    is required. `is_page`: it is for one of our pages. `is_back`: the form is shown again; where no
    token is required and there was none, the time counts as over.
    """
    key = derive_key(secret_key, "tokens")
    read = tokens.read_token(key, came, source, now, inf)
    before = read if isinstance(read, tokens.FormToken) else None
    filled = now - form.spam.min_fill
    is_plain = is_back and not came and form.spam.token != "required"  # noqa: S105 - the word for how a form uses its token
    since = max(before.issued_at, filled) if before else filled if is_plain else now
    is_ours = form.trades_captcha and (is_page or (before is not None and before.is_ours))
    return tokens.issue_token(key, source, min(since, now), secrets.token_hex(16), is_ours=is_ours)


def _for_sites(response: Response, origins: tuple[str, ...], origin: str | None) -> Response:
    """Let the scripts of the sites that may send the form read the answer; it is not personal."""
    if not origins:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response
    response.headers["Vary"] = "Origin"
    if origin in origins:
        response.headers["Access-Control-Allow-Origin"] = origin or ""
    return response


def _answer(body: bytes, status: int = 200) -> Response:
    return Response(
        body,
        status=status,
        content_type="application/json",
        headers={"X-Content-Type-Options": "nosniff"},
    )


@cache
def _script() -> bytes:
    return files("bridge.web.forms").joinpath("assets", "altcha.js").read_bytes()
