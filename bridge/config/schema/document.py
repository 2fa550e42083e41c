"""The whole of routes.yaml: every key, its type and its meaning.

The JSON Schema for editors and the reference in docs/ are generated from these models.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.config.schema.field_types import RetentionOf, StrictModel, Texts
from bridge.config.schema.forms import (
    CaptchaSchema,
    FieldsSchema,
    FilesSchema,
    PageSchema,
    SpamSchema,
)
from bridge.config.schema.platforms import (
    FlowSchema,
    GumloopSchema,
    HttpSchema,
    LocalKeySchema,
    LocalSchema,
    PlatformSchema,
)
from bridge.config.schema.routes import DebounceSchema, RetrySchema, RouteSchema
from bridge.config.schema.sources import (
    DatedSecretSchema,
    SourceSchema,
    TimestampSchema,
    VerifySchema,
)

# all models are found here
__all__ = [
    "UNAVAILABLE_KEYS",
    "CaptchaSchema",
    "DatedSecretSchema",
    "DebounceSchema",
    "DocumentSchema",
    "FieldsSchema",
    "FilesSchema",
    "FlowSchema",
    "GumloopSchema",
    "HttpSchema",
    "LocalKeySchema",
    "LocalSchema",
    "PageSchema",
    "PlatformSchema",
    "RetrySchema",
    "RouteSchema",
    "SourceSchema",
    "SpamSchema",
    "StrictModel",
    "TimestampSchema",
    "VerifySchema",
]


class DocumentSchema(StrictModel):
    """routes.yaml of flowbridge."""

    version: Literal[1] = Field(description="The version of this format.")
    include: Texts | None = Field(
        None,
        description="Further files (or patterns for their names) to include in this one.",
    )
    platforms: dict[str, PlatformSchema] | None = Field(
        None, description="Where flows live, by name."
    )
    sources: dict[str, SourceSchema] | None = Field(None, description="Inbound endpoints, by name.")
    flows: dict[str, FlowSchema] | None = Field(None, description="Names for flows.")
    routes: list[RouteSchema] | None = Field(None, description="Which events go to which flow.")
    retention: RetentionOf | None = Field(
        None, description="How long data is stored, for sources without a `retention` of their own."
    )


# keys of the design that this version does not have, by section
UNAVAILABLE_KEYS: dict[str, frozenset[str]] = {}
