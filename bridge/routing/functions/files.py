"""Links to the files of a form in expressions. Pure.

Inputs are stored, but a link is signed and expires. So the inputs have a mark that names the file,
and `bridge.delivery.file_transfer` replaces it by a link in each call. A mark contains the id of
its event, which the sender does not know, so a sender cannot write one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.functions.signature import Function
from bridge.routing.functions.values import equal

MARK_PREFIX: Final = "flowbridge-file:"
#: the event's id, and the index of the file in the event
MARK_PATTERN: Final = re.compile(rf"{MARK_PREFIX}(evt_[0-9a-z]{{26}})/(\d\d)")
MAX_LINKED_FILES: Final = 100  # files of one event


def _file_url(roots: Mapping[str, JSON], file: JSON) -> JSON:
    event = roots.get("event") or {}
    files = roots.get("files")
    if file is None:
        return None
    if event.get("provider") != "form" or not isinstance(files, list):
        raise ExpressionError("only files of forms have links")
    number = next(
        (
            number
            for number, candidate in enumerate(files[:MAX_LINKED_FILES])
            if equal(candidate, file)
        ),
        None,
    )
    if number is None:
        raise ExpressionError("the object is not one of the event's files")
    return f"{MARK_PREFIX}{event['id']}/{number:02}"


FUNCTIONS = (
    Function(
        "file_url",
        ("file: object|null",),
        "A link to download a file of a form. The stored inputs contain a placeholder, which is"
        " replaced with a fresh link in each call.",
        "file_url(files[0])",
        f"{MARK_PREFIX}evt_01kbc3vmg00000000000000000/00",
        _file_url,
        needs_roots=True,
    ),
)
