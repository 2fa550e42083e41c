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
from bridge.core.retention import DEDUP_FOR


class TimestampSchema(StrictModel):
    """When the request says it was signed."""

    header: str | None = Field(None, description="The header that carries the time.")
    query: str | None = Field(None, description="The query parameter that carries the time.")
    label: str | None = Field(
        None, description="The label of the time inside the signature's value, as t in t=1,v1=ab."
    )
    unit: Literal["s", "ms", "iso8601", "rfc3339", "http_date"] = Field(
        "s", description="How the time is written."
    )
    tolerance: Annotated[int, Field(gt=0, le=86400)] = Field(
        300, description="Seconds that the time may differ from now."
    )


class VerifySchema(StrictModel):
    """How requests prove where they come from, for the providers hmac and token."""

    header: str | None = Field(None, description="The header that carries the signature or token.")
    query: str | None = Field(None, description="The query parameter that carries it.")
    prefix: str | None = Field(
        None, description="Text before it in the header, as sha256= or Bearer and a blank."
    )
    algorithm: Literal["sha1", "sha256", "sha512"] = Field(
        "sha256", description="The hash of the HMAC."
    )
    encoding: Literal["hex", "base64", "base64url"] = Field(
        "hex", description="How the signature is written."
    )
    key: Literal["utf8", "hex", "base64", "whsec"] = Field(
        "utf8", description="How the secret gives the key."
    )
    label: str | None = Field(
        None, description="The label of signatures in a value that is a list, as v1 in t=1,v1=ab."
    )
    separator: str = Field(
        ",", description="What stands between the entries of such a list.", min_length=1
    )
    signed: Texts = Field(
        ("{body}",),
        description="What is signed: {body} {timestamp} {method} {url} {path} {h:Header}…",
    )
    timestamp: TimestampSchema | None = Field(
        None, description="When it was signed; without it old requests can be sent again."
    )


class DatedSecretSchema(StrictModel):
    """A secret that ends."""

    value: str = Field(description="The secret: ${env:NAME} or ${file:PATH}.")
    not_after: Moment | None = Field(
        None, description="From when on it is refused: a date or an ISO 8601 time, UTC."
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
        description="Who sends: github, stripe, form…; `flowbridge providers` lists all."
    )
    secret: SecretOf | None = Field(None, description="The secret: ${env:NAME} or ${file:PATH}.")
    secrets: Annotated[list[SecretOf], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Several secrets that are all accepted, for changing them without a gap."
    )
    verify: VerifySchema | None = Field(
        None, description="How requests are verified; only for hmac and token."
    )
    insecure: bool = Field(
        False, description="Accept requests from anyone. Only where nothing can be verified."
    )
    max_body: Size | None = Field(
        None, description="The largest body that is accepted, in bytes or as 5 MiB."
    )
    daily_bytes: Memory | None = Field(
        None,
        description=(
            "What is stored of its bodies in a day (UTC), without files, as 64 MiB. What is more is"
            " answered 507."
        ),
    )
    max_depth: Annotated[int, Field(ge=1, le=500)] = Field(
        100, description="How deep JSON may nest."
    )
    rate: FormRate | None = Field(
        None,
        description=(
            "Requests accepted in a time, as 60/min; for forms also `60/min and 10/min per"
            " address`."
        ),
    )
    dedup: Literal["id", "body", "none"] = Field(
        "id", description="What makes an event a duplicate: the provider's id, or the body."
    )
    dedup_for: Age = Field(
        DEDUP_FOR,
        description=(
            "How long ids are stored, longer than their events: what comes again until then is a"
            " duplicate."
        ),
    )
    event_type: Texts | None = Field(
        None, description="Where the type stands: header:NAME, query:NAME, form:NAME or body:PATH."
    )
    event_id: Texts | None = Field(
        None, description="Where the provider's id stands, written like event_type."
    )
    pins: dict[str, Texts] | None = Field(
        None,
        description=(
            "What a signature alone does not tell, such as audience, topic_arn or webhook_id: see"
            " the provider."
        ),
    )
    split: str | None = Field(
        None,
        description=(
            "Where the list stands in a request that holds several events: body:PATH, or body where"
            " it is the list."
        ),
    )
    retention: RetentionOf | None = Field(
        None,
        description=(
            "How long what it brings is kept: 30d, or {events: 90d, bodies: 30d, rejects: 14d,"
            " runs: 30d}; or forever."
        ),
    )
    redact: Texts | None = Field(
        None,
        description=(
            "What is not kept: body.PATH, body.LIST[].NAME, form.NAME, headers.NAME, query.NAME. A"
            " receipt takes its place."
        ),
    )
    expect: Expected | None = Field(
        None,
        description=(
            "How many events come at least in a time, as 1 per 6h; or none. Fewer is an alert."
            " Default: what it usually does."
        ),
    )
    redirect: str | None = Field(None, description="Forms: the page that follows.")
    on_error: str = Field(
        "page",
        description=(
            "Forms: what follows where one is not taken: `page`, a page of ours with what was"
            " typed; `back`, to the page that sent it; or the URL of a page. The last two with"
            " `form_error` in the query."
        ),
    )
    allowed_origins: list[str] | None = Field(
        None, description="Forms: the sites that may send it, as https://example.com."
    )
    addresses: Literal["full", "truncated", "hashed", "none"] = Field(
        "truncated",
        description=(
            "Forms: what is kept of the address that one was sent from: all of it, its network, a"
            " hash that differs every day, or nothing."
        ),
    )
    spam: SpamSchema | None = Field(
        None, description="Forms: by what a submission is held to be spam."
    )
    page: PageSchema | None = Field(None, description="Forms: the pages that people see.")
    fields: FieldsSchema | None = Field(
        None, description="Forms: how many fields, how long, and whether they nest."
    )
    files: FilesOf | None = Field(
        None,
        description=(
            "Forms: true to take files, or which ones. Default: none, unless the schema has a field"
            " of `format: binary`."
        ),
    )
    schema_: SchemaOf | None = Field(
        None,
        alias="schema",
        description="Forms: the JSON Schema of the fields, a file or inline; types them too.",
    )
