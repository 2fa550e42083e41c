"""Files of an event, read one by one from the API of its bridge."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.bridge.transport import Transport
from bridge.core.errors import BridgeError, NotFound
from bridge.core.model import Event, FormFile
from bridge.core.units import MIB
from bridge.services.records.json_record import UNREADABLE, UnreadableAnswer
from bridge.services.saved_files import EventFiles

MAX_FILES: Final = 1000
MAX_FILE_BYTES: Final = 256 * MIB
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def describe_files(transport: Transport, event: Event, alert_id: str | None) -> EventFiles:
    """Return the files of an event. `BridgeError` where the token does not see them."""
    for form_file in event.files:
        if not form_file.sha256 and not form_file.name:
            raise BridgeError("refused: files need the scope `bodies`")
        is_sound = (
            isinstance(form_file.name, str)
            and isinstance(form_file.sha256, str)
            and _DIGEST.fullmatch(form_file.sha256) is not None
            and type(form_file.size) is int
            and 0 <= form_file.size < MAX_FILE_BYTES
        )
        if not is_sound:
            raise UnreadableAnswer(UNREADABLE)
    if len(event.files) > MAX_FILES:
        raise UnreadableAnswer(UNREADABLE)

    def read(file: FormFile) -> bytes | None:
        try:
            path = f"/events/{quote_id(str(event.id))}/files/{file.sha256}"
            content = transport.get_bytes(path, file.size)
        except NotFound:
            return None
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise BridgeError("the bridge sent other bytes than those of the file")
        return content

    return EventFiles(event.id, event.files, read, alert_id)
