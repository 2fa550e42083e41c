"""Builds what a platform answers."""

from __future__ import annotations

import json

from bridge.core.http_messages import Answer

RUN = "B7uiXDngvzFvUWxHRKQFAD"


def answer(status: int, body: object = b"", **headers: str) -> Answer:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(
        status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=payload
    )
