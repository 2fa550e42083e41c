"""The security headers of the console: its pages show what strangers sent."""

from __future__ import annotations

from typing import Final

from werkzeug.wrappers import Response

#: No style and no script is inline, so a payload that is shown can start neither.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
#: Of a file that strangers may have written: a browser that opens it all the same runs nothing.
SANDBOX: Final = "sandbox; default-src 'none'"
EVERY_ANSWER: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # No other site learns a URL. With `no-referrer` browsers send `Origin: null` with our own
    # forms, and over plain http that header is all that shows where a form comes from.
    "Referrer-Policy": "same-origin",
}


def secure_page(response: Response) -> None:
    """Set the headers of an answer that is for one session."""
    response.headers.update(EVERY_ANSWER)
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers["X-Frame-Options"] = "DENY"  # for browsers without frame-ancestors
    response.headers["Cache-Control"] = "no-store"


def secure_asset(response: Response) -> None:
    """Set the headers of a file that never changes: its URL has its hash."""
    response.headers.update(EVERY_ANSWER)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
