"""Place values in a request, as a signing sender does. Pure."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, unquote_plus, urlencode

import orjson

from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED, Locator
from bridge.core.model import JSON


def place_value(request: Request, locator: Locator, text: str) -> Request:
    """Return `request` with `text` at `locator`. A numbered header (`name-*`) gets the number 1."""
    return PLACERS[locator.kind](request, locator, text)


def remove_value(request: Request, locator: Locator) -> Request:
    """Return `request` without the header or query parameter at `locator`."""
    if locator.kind == "header" and locator.name in request.headers:
        return replace(request, headers={**request.headers, locator.name: ""})
    if locator.kind != "query":
        return request
    pairs = (
        pair
        for pair in request.query_string.split("&")
        if unquote_plus(pair.partition("=")[0]) != locator.name
    )
    query = "&".join(pairs)
    url, mark, _ = request.url.partition("?")
    return replace(request, query_string=query, url=f"{url}{mark}{query}")


def _header(request: Request, locator: Locator, text: str) -> Request:
    name = locator.name.removesuffix("*") + "1" if locator.name.endswith("*") else locator.name
    return replace(request, headers={**request.headers, name: text})


def _query(request: Request, locator: Locator, text: str) -> Request:
    added = urlencode({locator.name: text}, quote_via=quote)
    query = f"{request.query_string}&{added}" if request.query_string else added
    url = request.url.partition("?")[0]
    return replace(request, query_string=query, url=f"{url}?{query}" if url else "")


def _form(request: Request, locator: Locator, text: str) -> Request:
    added = urlencode({locator.name: text}).encode()
    headers = {**request.headers, "content-type": URLENCODED}
    return replace(
        request, headers=headers, body=request.body + b"&" + added if request.body else added
    )


def _body(request: Request, locator: Locator, text: str) -> Request:
    document: JSON = orjson.loads(request.body or b"{}")
    inner = document
    for step, after in zip(locator.path, (*locator.path[1:], ""), strict=True):
        if isinstance(inner, list):
            inner = inner[int(step)]
        elif after:
            inner = inner.setdefault(step, {})
        else:
            # a time that was a number stays one
            is_number = isinstance(inner.get(step), int) and text.isdigit()
            inner[step] = int(text) if is_number else text
    return replace(request, body=orjson.dumps(document))


PLACERS = {"header": _header, "query": _query, "form": _form, "body": _body}
