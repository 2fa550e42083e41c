"""Realistic, unsigned events of every provider, made from the payloads beside this file.

Each copy has its own ids and times.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import urlencode

import orjson

from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED
from bridge.core.model import JSON
from bridge.providers.model import MULTIPART_MEDIA_TYPE, XML_MEDIA_TYPE, Sample
from bridge.providers.registry import PROVIDERS

PLACEHOLDER = re.compile(r"\{(id|now|now_iso)\}")
TIME_PLACEHOLDER = re.compile(r"\{now\}0*")
#: The payloads that `load_samples` has read, by provider and file name.
_loaded: dict[tuple[str, str], str] = {}


def sample(
    provider: str,
    type: str | None = None,
    *,
    now: float,
    new_id: str,
    path: str = "",
    url: str = "",
) -> Request:
    """Return an unsigned request as `provider` sends it: its first sample, or the one of `type`.

    `now` and `new_id` replace every time and id in it. `path` is `/hooks/<provider>` by default.
    Raise ValueError for an unknown provider or type.
    """
    row = _row(provider, type)
    text = _loaded.get((provider, row.payload)) or _read(provider, row.payload)
    iso = datetime.fromtimestamp(int(now), UTC).isoformat().replace("+00:00", "Z")
    fills = {"id": new_id, "now": str(int(now)), "now_iso": iso}
    payload = _filled(orjson.loads(text), fills)
    headers = {name: _fill(value, fills) for name, value in row.headers.items()}
    return Request(
        method="POST",
        path=path or f"/hooks/{provider}",
        headers={"content-type": row.content_type, **headers},
        body=BODY_ENCODERS.get(row.content_type.partition(";")[0], orjson.dumps)(payload),
        url=url,
    )


def load_samples() -> None:
    """Read every payload now, for a process that cannot read files later."""
    for provider, row in PROVIDERS.items():
        for listed in row.samples:
            _loaded[provider, listed.payload] = _read(provider, listed.payload)


def _read(provider: str, payload: str) -> str:
    return files(__package__).joinpath(provider, payload).read_text("utf-8")


def sample_types(provider: str) -> tuple[str, ...]:
    """Return the types of the samples that the provider's row names."""
    return tuple(row.type for row in PROVIDERS[provider].samples)


def _row(provider: str, type: str | None) -> Sample:
    if provider not in PROVIDERS:
        raise ValueError(f"unknown provider {provider!r}; there are {', '.join(PROVIDERS)}")
    for row in PROVIDERS[provider].samples:
        if type is None or row.type == type:
            return row
    raise ValueError(
        f"{provider} has no sample of type {type!r}; there are {', '.join(sample_types(provider))}"
    )


def _filled(value: JSON, fills: dict[str, str]) -> JSON:
    """Replace the placeholders in all strings.

    A string that is `{now}` alone, or with zeros for milliseconds, becomes a number, as senders
    write it.
    """
    if isinstance(value, dict):
        return {key: _filled(inner, fills) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, fills) for inner in value]
    if not isinstance(value, str):
        return value
    return int(_fill(value, fills)) if TIME_PLACEHOLDER.fullmatch(value) else _fill(value, fills)


def _fill(text: str, fills: dict[str, str]) -> str:
    return PLACEHOLDER.sub(lambda hole: fills[hole[1]], text)


def _multipart(payload: JSON) -> bytes:
    boundary = MULTIPART_MEDIA_TYPE.partition("boundary=")[2]
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in payload.items()
    )
    return "".join([*parts, f"--{boundary}--\r\n"]).encode()


#: By media type; JSON where there is none.
BODY_ENCODERS: dict[str, Callable[[JSON], bytes]] = {
    URLENCODED: lambda payload: urlencode(payload).encode(),
    MULTIPART_MEDIA_TYPE.partition(";")[0]: _multipart,
    XML_MEDIA_TYPE: lambda payload: str(payload).encode(),  # the payload's file holds one text
}
