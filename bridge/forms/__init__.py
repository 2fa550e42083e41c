"""What a form source does with a submission, beyond what every source does. Pure."""

from bridge.forms.checking import check
from bridge.forms.faults import field_faults
from bridge.forms.fields import file_fields, type_fields
from bridge.forms.keeping import KeepFile, body_of, digest, keep, sent_again, take
from bridge.forms.names import parted
from bridge.forms.reading import Sent, Upload, read

__all__ = ["KeepFile", "Sent", "Upload", "body_of", "check", "digest", "field_faults", "file_fields", "keep", "parted", "read",
           "sent_again", "take", "type_fields"]  # fmt: skip
