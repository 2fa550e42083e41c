"""Form submissions: parsing, validation, files and control fields. Pure."""

from bridge.ingest.forms.attachments import (
    KeepFile,
    body_of,
    digest,
    keep,
    read_returned_fields,
    take,
)
from bridge.ingest.forms.coercion import file_fields, type_fields
from bridge.ingest.forms.control_fields import split_control_fields
from bridge.ingest.forms.error_messages import field_faults
from bridge.ingest.forms.parser import Sent, Upload, read
from bridge.ingest.forms.validation import check

__all__ = [
    "KeepFile",
    "Sent",
    "Upload",
    "body_of",
    "check",
    "digest",
    "field_faults",
    "file_fields",
    "keep",
    "read",
    "read_returned_fields",
    "split_control_fields",
    "take",
    "type_fields",
]
