"""Sample requests: signed or tampered with, and as a curl command."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.core.errors import InvalidRequest
from bridge.services.samples.forgeries import Signer, forge

if TYPE_CHECKING:
    from bridge.core.http_messages import Request


def make_sample(
    signer: Signer,
    type_: str | None,
    url: str,
    tamper: str | None,
    now: float,
    change: Callable[[Request], Request] = lambda made: made,
) -> Request:
    """Return a sample of the signer's provider: changed by `change`, then signed.

    `tamper`: the kind of forgery to make of it. Raises `InvalidRequest` where the provider has no
    such sample, or the forgery proves nothing.
    """
    from bridge.providers.samples.loader import sample as unsigned

    parts = urlsplit(url)
    try:
        request = unsigned(
            signer.provider.name,
            type_,
            now=now,
            new_id=secrets.token_hex(8),
            path=parts.path,
            url=url,
        )
        request = change(replace(request, query_string=parts.query))
        if tamper is not None:
            return forge(signer, request, tamper, now)
        return signer.scheme.sign(request, signer.secret, now)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def curl_command(request: Request) -> str:
    """Return a shell command that sends exactly these bytes."""
    lines = [f"curl -sS -i {shlex.quote(request.url)}"]
    lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    try:
        lines.append(f"  --data-binary {shlex.quote(request.body.decode())}")
    except UnicodeDecodeError:
        raise InvalidRequest(
            "this body is no text, so no shell command holds it; send it with --to"
        ) from None
    return " \\\n".join(lines)
