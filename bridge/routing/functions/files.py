"""A link to a form's file, as an expression names it. Pure.

Inputs are kept, and a link is signed and expires: so what stands in them is a mark that names the
file, and `handing` puts a link in its place in each call. A mark names its event, whose id nobody
knows who sends it: what a sender writes is never one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.functions.signature import Function
from bridge.routing.functions.values import equal

BEGINS: Final = "flowbridge-file:"
#: event id, and the file's number among the event's
MARK: Final = re.compile(rf"{BEGINS}(evt_[0-9a-z]{{26}})/(\d\d)")
MAX_LINKED_FILES: Final = 100  # files that can be named


def _file_url(roots: Mapping[str, JSON], file: JSON) -> JSON:
    event = roots.get("event") or {}
    files = roots.get("files")
    if file is None:
        return None
    if event.get("provider") != "form" or not isinstance(files, list):
        raise ExpressionError("only files of forms have links")
    number = next(
        (number for number, one in enumerate(files[:MAX_LINKED_FILES]) if equal(one, file)), None
    )
    if number is None:
        raise ExpressionError("the object is not one of the event's files")
    return f"{BEGINS}{event['id']}/{number:02}"


FUNCTIONS = (
    Function(
        "file_url",
        ("file: object|null",),
        "A link to download a form's file by. In the inputs stands a mark; each call has the link"
        " in its place.",
        "file_url(files[0])",
        f"{BEGINS}evt_01kbc3vmg00000000000000000/00",
        _file_url,
        knows=True,
    ),
)
