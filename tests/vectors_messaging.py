"""Published signature vectors of chat, mail and telephone, each with its source."""

from __future__ import annotations

from vectors import Vector

LINE = "https://github.com/line/line-bot-sdk-python/blob/e1fa9338a3230ef4912aa387778641a505cf7372/tests/v3/test_webhook.py"
TWILIO = "https://github.com/twilio/twilio-python/blob/306691e793f417b6974640d1ef88785e9de03b2a/tests/unit/test_request_validator.py"
SENDGRID = "https://github.com/sendgrid/sendgrid-python/blob/main/test/unit/test_eventwebhook.py"

VECTORS: tuple[Vector, ...] = (
    Vector(
        id="line-valid", provider="line", source=LINE,
        secret="channel_secret",
        headers={"X-Line-Signature": "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="},
        body="bodybodybodybody",
    ),
    Vector(
        id="line-invalid", provider="line", source=LINE, valid=False,
        secret="channel_secret",
        headers={"X-Line-Signature": "invalid_signature"},
        body="bodybodybodybody",
    ),
)
