"""The keys of a source, and of how its requests are verified."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from bridge.config.schema.field_types import (
    Age,
    Expected,
    FormRate,
    Memory,
    Moment,
    RetentionOf,
    SchemaOf,
    Size,
    StrictModel,
    Texts,
)
from bridge.config.schema.forms import FieldsSchema, FilesOf, PageSchema, SpamSchema
from bridge.core.retention import DEDUP_SECONDS


class TimestampSchema(StrictModel):
    """The time at which the sender signed the request."""

    header: str | None = Field(None, description="The header that carries the time.")
    query: str | None = Field(None, description="The query parameter that carries the time.")
    label: str | None = Field(
        None,
        description="The label of the time inside the signature's value, such as t in t=1,v1=ab.",
    )
    unit: Literal["s", "ms", "iso8601", "rfc3339", "http_date"] = Field(
        "s", description="How the time is written."
    )
    tolerance: Annotated[int, Field(gt=0, le=86400)] = Field(
        300, description="How many seconds the time may differ from now."
    )


class VerifySchema(StrictModel):
    """How requests are verified, for the providers hmac and token."""

    header: str | None = Field(None, description="The header that carries the signature or token.")
    query: str | None = Field(None, description="The query parameter that carries it.")
    prefix: str | None = Field(
        None,
        description=(
            'Text before it in the header, such as `sha256=` or `"Bearer "` (with the space).'
        ),
    )
    algorithm: Literal["sha1", "sha256", "sha512"] = Field(
        "sha256", description="The hash of the HMAC."
    )
    encoding: Literal["hex", "base64", "base64url"] = Field(
        "hex", description="How the signature is written."
    )
    key: Literal["utf8", "hex", "base64", "whsec"] = Field(
        "utf8", description="How the key is derived from the secret."
    )
    label: str | None = Field(
        None,
        description="The label of signatures in a value that is a list, such as v1 in t=1,v1=ab.",
    )
    separator: str = Field(
        ",", description="The separator between the entries of such a list.", min_length=1
    )
    signed: Texts = Field(
        ("{body}",),
        description="What is signed: {body} {timestamp} {method} {url} {path} {h:Header}…",
    )
    timestamp: TimestampSchema | None = Field(
        None, description="When it was signed; without it, old requests can be replayed."
    )


class DatedSecretSchema(StrictModel):
    """A secret with an expiry date."""

    value: str = Field(description="The secret: ${env:NAME} or ${file:PATH}.")
    not_after: Moment | None = Field(
        None, description="The time from which it is refused: a date or an ISO 8601 time, UTC."
    )


def _kind_of_secret(value: Any) -> str:
    return "dated" if isinstance(value, (dict, DatedSecretSchema)) else "plain"


SecretOf = Annotated[
    Annotated[str, Tag("plain")] | Annotated[DatedSecretSchema, Tag("dated")],
    Discriminator(_kind_of_secret),
]


class SourceSchema(StrictModel):
    """A named inbound endpoint, POST /hooks/NAME."""

    provider: str = Field(
        description="The sender: github, stripe, form…; `flowbridge providers` lists all."
    )
    secret: SecretOf | None = Field(None, description="The secret: ${env:NAME} or ${file:PATH}.")
    secrets: Annotated[list[SecretOf], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Several secrets, all accepted, to rotate them without downtime."
    )
    verify: VerifySchema | None = Field(
        None, description="How requests are verified; only for hmac and token."
    )
    insecure: bool = Field(
        False, description="Accept requests from anyone. Only where nothing can be verified."
    )
    max_body: Size | None = Field(
        None, description="The largest accepted body, in bytes or as 5 MiB."
    )
    daily_bytes: Memory | None = Field(
        None,
        description=(
            "The total size of the bodies stored in a day (UTC), without files, such as 64 MiB."
            " Further requests get 507."
        ),
    )
    max_depth: Annotated[int, Field(ge=1, le=500)] = Field(
        100, description="The deepest nesting of JSON that is accepted."
    )
    rate: FormRate | None = Field(
        None,
        description=(
            "The rate of accepted requests, such as 60/min; for forms also `60/min and 10/min per"
            " address`."
        ),
    )
    dedup: Literal["id", "body", "none"] = Field(
        "id", description="What makes an event a duplicate: the provider's id, or the body."
    )
    dedup_for: Age = Field(
        DEDUP_SECONDS,
        description=(
            "How long ids are remembered, even after their events were deleted. A request with a"
            " remembered id is a duplicate."
        ),
    )
    event_type: Texts | None = Field(
        None, description="Where the type is: header:NAME, query:NAME, form:NAME or body:PATH."
    )
    event_id: Texts | None = Field(
        None, description="Where the provider's id is, written like event_type."
    )
    pins: dict[str, Texts] | None = Field(
        None,
        description=(
            "Values that a valid signature alone does not prove, such as audience, topic_arn or"
            " webhook_id: see the provider."
        ),
    )
    split: str | None = Field(
        None,
        description=(
            "Where the list is in a request with several events: body:PATH, or body if the body is"
            " the list."
        ),
    )
    retention: RetentionOf | None = Field(
        None,
        description=(
            "How long its data is stored: 30d, or {events: 90d, bodies: 30d, rejects: 14d,"
            " runs: 30d}; or forever."
        ),
    )
    redact: Texts | None = Field(
        None,
        description=(
            "Values that are not stored: body.PATH, body.LIST[].NAME, form.NAME, headers.NAME,"
            " query.NAME. Each is replaced by a fingerprint."
        ),
    )
    expect: Expected | None = Field(
        None,
        description=(
            "The expected number of events, such as 1 per 6h; or none. Fewer events raise an alert."
            " Default: its usual rate."
        ),
    )
    redirect: str | None = Field(None, description="Forms: the page shown after a submission.")
    on_error: str = Field(
        "page",
        description=(
            "Forms: the response to an invalid submission: `page`, flowbridge's own page with the"
            " entered values; `back`, a redirect to the page that sent it; or the URL of a page."
            " The last two get `form_error` in the query."
        ),
    )
    allowed_origins: list[str] | None = Field(
        None, description="Forms: the sites that may send it, such as https://example.com."
    )
    addresses: Literal["full", "truncated", "hashed", "none"] = Field(
        "truncated",
        description=(
            "Forms: how the sender's IP address is stored: in full, only its network, as a hash"
            " that differs every day, or not at all."
        ),
    )
    spam: SpamSchema | None = Field(None, description="Forms: how spam is detected.")
    page: PageSchema | None = Field(None, description="Forms: the pages that people see.")
    fields: FieldsSchema | None = Field(
        None,
        description="Forms: the limits on number and length of fields, and whether names may nest.",
    )
    files: FilesOf | None = Field(
        None,
        description=(
            "Forms: `true` to accept files, or limits for them. Default: no files, unless the"
            " schema has a field of `format: binary`."
        ),
    )
    schema_: SchemaOf | None = Field(
        None,
        alias="schema",
        description="Forms: the JSON Schema of the fields, a file or inline; sets their types too.",
    )
