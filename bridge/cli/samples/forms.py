"""Send a sample to a form as a browser does: with the form's token and its solved proof of work."""

from __future__ import annotations

import time
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from bridge.cli.ui import output
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Call, Lost, Request
from bridge.ingest.forms.spam.altcha import FIELD, MOST_WORK

if TYPE_CHECKING:
    from bridge.routing.form import Form
    from bridge.routing.model import Source

TOKEN_FIELD: Final = "_token"  # noqa: S105 - the name of a field
SECONDS: Final = 30.0  # that the form's server may take to answer


def needs_challenge(form: Form) -> bool:
    """Tell whether the form marks a submission without its token or proof of work as spam."""
    return "required" in (form.spam.token, form.spam.altcha) or form.spam.captcha is not None


def solve_challenge(request: Request, source: Source, form: Form) -> Request:
    """Return the request with the token and the proof of work that the form gives out at
    `/forms/NAME/challenge`.

    Waits as long as the form asks a person to take. Raises `BridgeError` where the challenge cannot
    be fetched.
    """
    parts = urlsplit(request.url)
    given = _fetch(f"{parts.scheme}://{parts.netloc}/forms/{source.name}/challenge")
    fields: dict[str, str] = {}
    if "token" in given:
        fields[TOKEN_FIELD] = str(given["token"])
    if "challenge" in given:
        fields[FIELD] = _solve(given)
    wait = form.spam.min_fill
    output.say(
        f"The form asks for {' and '.join(fields) or 'nothing'}: fetched and solved. Waiting"
        f" {wait:g} s, as a person would."
    )
    time.sleep(wait)
    return replace(request, body=_with_fields(request, fields))


def _fetch(url: str) -> dict[str, Any]:
    from bridge.system.http_client import Sender

    sender = Sender()
    answer = sender.send(
        Call(method="GET", url=url, headers={"accept": "application/json"}, body=b""), SECONDS
    )
    sender.close()
    if isinstance(answer, Lost):
        raise BridgeError(f"not sent: {url}: {output.unanswered(answer.reason)}")
    try:
        given = orjson.loads(answer.body) if answer.status == 200 else None
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise BridgeError(f"not sent: {url} answered {answer.status}, and no challenge")
    return given


def _solve(given: dict[str, Any]) -> str:
    """Return the solution of an ALTCHA challenge, as its widget sends it."""
    salt = str(given["salt"])
    wanted = given["challenge"]
    most = min(int(given["maxnumber"]), MOST_WORK)
    start = sha256(salt.encode())
    for number in range(most + 1):
        tried = start.copy()
        tried.update(str(number).encode())
        if tried.hexdigest() == wanted:
            solution = {
                name: given[name] for name in ("algorithm", "challenge", "salt", "signature")
            } | {"number": number}
            return b64encode(orjson.dumps(solution)).decode()
    raise BridgeError("not sent: the form's proof of work has no solution")


def _with_fields(request: Request, fields: dict[str, str]) -> bytes:
    if request.headers.get("content-type", "").startswith("application/json"):
        return orjson.dumps({**orjson.loads(request.body), **fields})
    return request.body + (b"&" if request.body else b"") + urlencode(fields).encode()
