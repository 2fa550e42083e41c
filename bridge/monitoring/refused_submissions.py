"""The next step for submissions that a form refused, by the code of the answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.core.advice import Advice, advise, name_command

_UNREADABLE: Final = (
    "the body is neither a form nor a JSON object: check what the page, or its script, sends"
)
#: The code of an answer -> the next step of the owner of the form.
NEXT_STEPS: Final[Mapping[str, str | Advice]] = {
    "bad_request": _UNREADABLE,
    "busy": "too many submissions arrive at once: check the load of this machine",
    "cut_short": (
        "the body did not arrive completely: if that is frequent, check the proxy in front"
    ),
    "daily_bytes_full": (
        "raise `daily_bytes` of the source, or wait for the next day (UTC); one network may use a"
        " quarter of it"
    ),
    "disk_full": "free space on the disk of the data folder",
    "empty": "all fields were empty: each field of the page needs a `name`",
    "encoded": "send the form without Content-Encoding",
    "expired": "raise `spam: {expires: …}` of the source if people need longer to fill in the form",
    "file_type": "add the type to `files: {types: […]}` of the source if the form needs it",
    "files_full": (
        "raise `files: {keep: …}` of the source, or shorten its `retention`; one network may use a"
        " quarter of it"
    ),
    "files_not_supported": (
        "the form sent a file: set `files` of the source if it should accept files"
    ),
    "internal_error": "a bug in flowbridge: see the log lines `internal_error`",
    "invalid": (
        "fields break a rule of the source, or have names that are too long or nest too deep: the"
        " log lines `form_refused` name those that routes.yaml names"
    ),
    "no_secret": advise("set the secret in .env: `", name_command("check"), "` names it"),
    "origin_not_allowed": "add the site to `allowed_origins` of the source if it is your site",
    "store_failed": advise("the store could not be written to: ", name_command("doctor")),
    "too_large": "raise `max_body`, or the limits of `fields` and `files`, if people need more",
    "too_many": "raise `rate` of the source, also the one per address, if people, not bots, send"
    " that often",
    "too_many_fields": "raise `fields: {max: …}` of the source if the form has more fields",
    "unknown_charset": "serve the page of the form as UTF-8",
    "unknown_type": "send the form as an HTML form does, or as application/json",
    "unreadable": _UNREADABLE,
    "used_before": "nothing: to send other answers, people load the page again",
}
OTHER_STEP: Final = "the log lines `form_refused` say more"


def find_spam_step(source: str) -> Advice:
    """Return the next step for submissions of a form that are marked as spam."""
    spam = name_command("spam", source=source)
    return advise("see why, and release the legitimate ones: ", spam)


def find_next_step(code: str) -> Advice:
    """Return the next step for a code."""
    return advise(NEXT_STEPS.get(code, OTHER_STEP))
