"""routes.yaml as it is written: the keys, their types and what each means. The editor's schema is
made of these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from bridge.config.schema.field_types import (
    Age,
    Duration,
    Expected,
    FormRate,
    Kept,
    Memory,
    Moment,
    RateOf,
    RunFailed,
    SchemaOf,
    Size,
    Texts,
    Written,
    text_or,
)
from bridge.config.schema.form_keys import (
    Fields,
    Files,  # noqa: F401 - all models are found here
    FilesOf,
)
from bridge.config.schema.page_keys import Page
from bridge.config.schema.spam_keys import Captcha, Spam  # noqa: F401 - all models are found here
from bridge.core.retention import DEDUP_FOR


class Timestamp(Written):
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


class Verify(Written):
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
    timestamp: Timestamp | None = Field(
        None, description="When it was signed; without it old requests can be sent again."
    )


class DatedSecret(Written):
    """A secret that ends."""

    value: str = Field(description="The secret: ${env:NAME} or ${file:PATH}.")
    not_after: Moment | None = Field(
        None, description="From when on it is refused: a date or an ISO 8601 time, UTC."
    )


def _kind_of_secret(value: Any) -> str:
    return "dated" if isinstance(value, (dict, DatedSecret)) else "plain"


SecretOf = Annotated[
    Annotated[str, Tag("plain")] | Annotated[DatedSecret, Tag("dated")],
    Discriminator(_kind_of_secret),
]


class Source(Written):
    """A named inbound endpoint, POST /hooks/NAME."""

    provider: str = Field(
        description="Who sends: github, stripe, form…; `flowbridge providers` lists all."
    )
    secret: SecretOf | None = Field(None, description="The secret: ${env:NAME} or ${file:PATH}.")
    secrets: Annotated[list[SecretOf], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Several secrets that are all accepted, for changing them without a gap."
    )
    verify: Verify | None = Field(
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
    retention: Kept | None = Field(
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
    spam: Spam | None = Field(None, description="Forms: by what a submission is held to be spam.")
    page: Page | None = Field(None, description="Forms: the pages that people see.")
    fields: Fields | None = Field(
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


_Cap = Annotated[int, Field(ge=1, le=10_000)]


class _Platform(Written):
    max_concurrent_runs: _Cap | None = Field(
        None, description="Runs at once. Default: gumloop 5, http 16, local 2 for each core."
    )
    timeout: Duration = Field(30.0, description="How long an answer may take.")
    file_links: Duration = Field(
        7 * 86400.0,
        description="How long a link to a form's file works, or up to half as long again.",
    )


class Gumloop(_Platform):
    """Gumloop, or what has the same API."""

    type: Literal["gumloop"]
    base_url: str = Field(
        "https://api.gumloop.com/api/v1", description="The API. Without TLS only on this machine."
    )
    api_key: str = Field(description="The API key: ${env:NAME} or ${file:PATH}.")
    user_id: str = Field(description="The id of the user who owns the flows.")
    project_id: str | None = Field(None, description="The project of the flows.")


class LocalKey(Written):
    """A key that others call the embedded platform with, beside the built-in one."""

    name: str = Field(description="Whose it is; stands in the log. Letters, digits, - _ .")
    hash: str = Field(
        description=(
            "sha256: and what `printf %s KEY | sha256sum` prints. The key itself is written"
            " nowhere."
        )
    )
    user_id: str | None = Field(
        None,
        description=(
            "The user that it belongs to, who sees only the runs and files of that user. A key with"
            " `flows` has one of its own."
        ),
    )
    flows: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = Field(
        None,
        description="The flows that it may start and see: names under `flows:`, or saved_item_ids.",
    )


class Local(_Platform):
    """The embedded platform: ready-made flows and the functions of a Python file. There can be
    one.
    """

    type: Literal["local"]
    flows: str | None = Field(None, description="The Python file with the flows.")
    keys: Annotated[list[LocalKey], Field(max_length=100)] | None = Field(
        None, description="Further keys of its API."
    )
    overflow: Literal["queue", "reject"] = Field(
        "queue",
        description=(
            "What happens to a start beyond max_concurrent_runs: it waits, or is answered 429."
        ),
    )


class Http(_Platform):
    """Any URL that takes JSON."""

    type: Literal["http"]
    url: str = Field(description="Where the inputs are sent.")
    method: Literal["POST", "PUT", "PATCH"] = Field("POST", description="The HTTP method.")
    headers: dict[str, str] | None = Field(None, description="Headers to send along.")
    files: Literal["base64", "link"] = Field(
        "base64",
        description=(
            "How a form's file in an input is sent: its bytes in Base64, or a link to download"
            " it by."
        ),
    )


Platform = Annotated[Gumloop | Local | Http, Field(discriminator="type")]


class Flow(Written):
    """A saved flow under a name that routes use."""

    platform: str = Field(description="The platform's name.")
    saved_item_id: str = Field(description="The flow's id on its platform.", min_length=1)
    exclusive: bool = Field(
        False,
        description=(
            "Nobody but flowbridge starts it: then a run that could be that of a start without an"
            " answer is that run."
        ),
    )
    time_limit: Duration | None = Field(
        None, description="Local flows: how long a run may take before it is ended."
    )
    memory: Memory | None = Field(
        None, description="Local flows: the memory that a run may use, in bytes or as 256MB."
    )


class Retry(Written):
    """How often and how far apart a delivery is tried."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = Field(12, description="Calls at most.")
    first: Duration = Field(5.0, description="The wait after the first.")
    max: Duration = Field(21600.0, description="The longest wait.")


class Debounce(Written):
    """Events that follow each other shortly become one: the last."""

    wait: Duration = Field(description="How long it is waited for the next.")
    max: Duration | None = Field(
        None, description="How long the first waits at most. Default: ten times `wait`."
    )
    key: str | None = Field(
        None,
        description=(
            "An expression: only events with the same value are merged. Default: all of the route."
        ),
    )


class Route(Written):
    """Which events go to which flow, in what shape."""

    name: str = Field(description="The route's name: a-z 0-9 _ -")
    on: Texts | None = Field(
        None, description="SOURCE, or SOURCE TYPE, TYPE…; * in a type is any text."
    )
    source: str | None = Field(
        None, description="The source, where match has the types under event (the long form of on)."
    )
    match: dict[str, Any] | None = Field(
        None,
        description=(
            "Dotted paths and what their values should be: a value, a list of them, or operators."
        ),
    )
    when: str | None = Field(None, description="A condition, as a JMESPath expression.")
    payload_schema: SchemaOf | None = Field(
        None, description="JSON Schema of the payload: a file or inline."
    )
    inputs: Annotated[
        Any,
        AfterValidator(
            lambda value: text_or(
                value, dict, "a mapping of inputs, or one ${…} that gives an object"
            )
        ),
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "pattern": r"^\$\{"}]}),
    ] = Field(
        None,
        description=(
            "The flow's inputs, with ${…}; or one ${…} that gives them all. Default for forms:"
            " ${form}."
        ),
    )
    inputs_schema: SchemaOf | None = Field(
        None, description="JSON Schema of the inputs: a file or inline."
    )
    flow: Texts = Field(
        description=(
            "The name of a flow, or PLATFORM/SAVED_ITEM_ID; or a list of them, each with its own"
            " delivery."
        )
    )
    mode: Literal["live", "paused", "shadow"] = Field(
        "live", description="paused: planned and kept waiting; shadow: planned and never sent."
    )
    strict: bool = Field(False, description="A null input is an error.")
    reserved: Literal["refuse", "drop"] = Field(
        "refuse", description="What happens to inputs with names the platform reserves."
    )
    delay: Duration | None = Field(None, description="How long a delivery waits before it is sent.")
    debounce: Debounce | None = Field(
        None, description="Merge events that follow each other shortly: the last one goes."
    )
    order_by: str | None = Field(
        None,
        description=(
            "An expression: deliveries of one value go one at a time, in the order of their events."
        ),
    )
    order_until: Literal["run_end", "delivered"] = Field(
        "run_end",
        description=(
            "When the next in line goes: once the run has ended, or already once it is started."
        ),
    )
    on_dead: Literal["pass", "block"] = Field(
        "pass",
        description=(
            "What a dead delivery does to those behind it in line: lets them pass, or holds"
            " them up."
        ),
    )
    rate: RateOf | None = Field(None, description="Starts in a time, spread evenly, as 30/min.")
    max_runs_per_day: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="Starts in a day (UTC); what is over waits for the next."
    )
    max_concurrent_runs: _Cap | None = Field(
        None, description="Runs of this route at once, within the cap of its platform."
    )
    retry: Retry = Field(
        default_factory=lambda: Retry.model_validate({}),
        description="Calls, and the waits between them.",
    )
    on_unknown: Literal["reconcile", "hold", "retry"] | None = Field(
        None,
        description=(
            "What follows a start without an answer: look for its run, wait for a person, or start"
            " again though it may be twice."
        ),
    )
    on_run_failed: RunFailed = Field(
        ("ignore", 0),
        description=(
            "What follows a run that failed: nothing, a dead letter, or so many further runs"
            " (retry: 3)."
        ),
    )
    run_timeout: Duration = Field(
        3600.0, description="How long a run may take before its slot is freed."
    )


class Document(Written):
    """routes.yaml of flowbridge."""

    version: Literal[1] = Field(description="The version of this format.")
    include: Texts | None = Field(
        None,
        description="Other files (or patterns for their names) whose parts belong to this one.",
    )
    platforms: dict[str, Platform] | None = Field(None, description="Where flows live, by name.")
    sources: dict[str, Source] | None = Field(None, description="Inbound endpoints, by name.")
    flows: dict[str, Flow] | None = Field(None, description="Names for flows.")
    routes: list[Route] | None = Field(None, description="Which events go to which flow.")
    retention: Kept | None = Field(
        None, description="How long what comes in is kept, where its source does not say."
    )


# keys of the design that this version does not have, by section
LATER: dict[str, frozenset[str]] = {}
