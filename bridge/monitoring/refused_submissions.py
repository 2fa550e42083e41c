"""What to do about submissions that a form refused, by the code of the answer. Pure."""

from __future__ import annotations

from typing import Final

_UNREADABLE: Final = (
    "what came is no form and no JSON object: look at what the page, or its script, sends"
)
#: The code of an answer -> the next step of the owner of the form.
STEPS: Final = {
    "bad_request": _UNREADABLE,
    "busy": "more came at once than is read: look at the load of this machine",
    "cut_short": (
        "the body did not arrive whole: where that is frequent, look at the proxy in front"
    ),
    "daily_bytes_full": "raise `daily_bytes` of the source, or wait for the next day (UTC)",
    "disk_full": "free space on the disk of the data folder",
    "empty": "all fields were empty: each field of the page needs a `name`",
    "encoded": "send the form without Content-Encoding",
    "expired": "raise `spam: {expires: …}` of the source where people fill in the form for longer",
    "file_type": "add the type to `files: {types: […]}` of the source where people need it",
    "files_full": "raise `files: {keep: …}` of the source, or have less kept by its `retention`",
    "files_not_supported": (
        "the form sent a file: set `files` of the source where it should take files"
    ),
    "internal_error": "a fault of flowbridge: the log lines `unforeseen` have it",
    "invalid": (
        "fields break the `schema` of the source: the log lines `form_refused` name the fields"
    ),
    "no_secret": "set the secret in .env: `flowbridge check` names it",
    "origin_not_allowed": "add the site to `allowed_origins` of the source where it is yours",
    "store_failed": "the store could not be written: flowbridge doctor",
    "too_large": "raise `max_body`, or the limits of `fields` and `files`, where people need more",
    "too_many": "raise `rate` of the source where people, not bots, send so often",
    "too_many_fields": "raise `fields: {max: …}` of the source where it has so many fields",
    "unknown_charset": "serve the page of the form as UTF-8",
    "unknown_type": "send the form as an HTML form does, or as application/json",
    "unreadable": _UNREADABLE,
    "used_before": "nothing: people who send a page again with other answers load it again",
}
OTHER_STEP: Final = "docs/http.md says what the code means"


def step_of(code: str) -> str:
    """Return the next step for a code."""
    return STEPS.get(code, OTHER_STEP)
