"""The token and the proof of work of a form, fetched and solved as a browser does."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from bridge.core.errors import BridgeError
from bridge.core.http_messages import Call, Request
from bridge.ingest.forms.spam.altcha import ALTCHA_FIELD, MAX_NUMBER
from bridge.ingest.forms.spam.layers import TOKEN_FIELD
from bridge.services.bridge_calls import call_bridge

if TYPE_CHECKING:
    from bridge.routing.form import Form
    from bridge.routing.model import Source

ANSWER_SECONDS: Final = 30.0  # until a call to the form's server fails


@dataclass(frozen=True, slots=True)
class ChallengedRequest:
    """A request with the solved challenge of its form.

    `fields`: the names of the fields that were added. `min_fill_seconds`: how long to wait before
    it is sent, since the form marks faster submissions as spam.
    """

    request: Request
    fields: tuple[str, ...]
    min_fill_seconds: float


def needs_challenge(form: Form) -> bool:
    """Tell whether the form marks a submission without its token or proof of work as spam."""
    return "required" in (form.spam.token, form.spam.altcha) or form.spam.captcha is not None


def solve_challenge(request: Request, source: Source, form: Form) -> ChallengedRequest:
    """Fetch the challenge of a form from `/forms/NAME/challenge`, and solve it.

    Raises `BridgeError` where it cannot be fetched or solved.
    """
    parts = urlsplit(request.url)
    challenge = _fetch(f"{parts.scheme}://{parts.netloc}/forms/{source.name}/challenge")
    fields: dict[str, str] = {}
    if "token" in challenge:
        fields[TOKEN_FIELD] = str(challenge["token"])
    if "challenge" in challenge:
        fields[ALTCHA_FIELD] = _solve(challenge)
    answered = replace(request, body=_with_fields(request, fields))
    return ChallengedRequest(answered, tuple(fields), form.spam.min_fill)


def _fetch(url: str) -> dict[str, Any]:
    from bridge.system.http_client import HttpClient

    sender = HttpClient()
    try:
        call = Call(method="GET", url=url, headers={"accept": "application/json"}, body=b"")
        answer = call_bridge(sender, call, ANSWER_SECONDS, f"not sent: {url}: ")
    finally:
        sender.close()
    try:
        challenge = orjson.loads(answer.body) if answer.status == 200 else None
    except orjson.JSONDecodeError:
        challenge = None
    if not isinstance(challenge, dict):
        raise BridgeError(f"not sent: {url} answered {answer.status}, and no challenge")
    return challenge


def _solve(challenge: dict[str, Any]) -> str:
    """Return the solution of an ALTCHA challenge, as its widget sends it."""
    salt = str(challenge["salt"])
    expected = challenge["challenge"]
    max_number = min(int(challenge["maxnumber"]), MAX_NUMBER)
    start = sha256(salt.encode())
    for number in range(max_number + 1):
        tried = start.copy()
        tried.update(str(number).encode())
        if tried.hexdigest() == expected:
            solution = {
                name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")
            } | {"number": number}
            return b64encode(orjson.dumps(solution)).decode()
    raise BridgeError("not sent: the form's proof of work has no solution")


def _with_fields(request: Request, fields: dict[str, str]) -> bytes:
    if request.headers.get("content-type", "").startswith("application/json"):
        return orjson.dumps({**orjson.loads(request.body), **fields})
    return request.body + (b"&" if request.body else b"") + urlencode(fields).encode()
