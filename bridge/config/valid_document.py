"""The valid parts of routes.yaml as plain objects.

The library that validates takes some 10 MB in each process that loads it. So one process validates,
and the others build the configuration from what it found.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.config.schema.forms import FilesSchema, SpamSchema
    from bridge.config.schema.platforms import FlowSchema
    from bridge.config.schema.routes import RouteSchema
    from bridge.config.schema.sources import SourceSchema


class DeclaredKeys:
    """The attributes of a model, without its library.

    `model_fields_set`: the names of those that the file has; the others have their defaults.
    """

    def __init__(self, values: Mapping[str, Any], model_fields_set: frozenset[str]) -> None:
        self.__dict__ |= values
        self.model_fields_set = model_fields_set


@dataclass(frozen=True, slots=True)
class ValidDocument:
    """The valid parts of a document; routes with their index in the file.

    All are `DeclaredKeys` with the attributes of these models. `default_spam` and `default_files`
    are for forms without such keys. `complete`: all parts are valid.
    """

    platforms: dict[str, Any]
    sources: dict[str, SourceSchema]
    flows: dict[str, FlowSchema]
    routes: list[tuple[int, RouteSchema]]
    retention: dict[str, float]
    default_spam: SpamSchema
    default_files: FilesSchema
    complete: bool

    def pack(self) -> str:
        """Return the document as text, for another process of this bridge."""
        return base64.b64encode(pickle.dumps(self)).decode()


def unpack_document(packed: str) -> ValidDocument:
    """Return a document that a process of this bridge packed."""
    document: ValidDocument = pickle.loads(base64.b64decode(packed))  # noqa: S301 - our own process wrote it
    return document
