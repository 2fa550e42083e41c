"""routes.yaml as it is written: the keys, their types and what each means. The editor's schema is made of these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from bridge.config import amounts


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError("needs a text or a list of texts")


def _text_or(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, (str, kind)) or not value:
        raise ValueError(f"needs {what}")
    return value


Duration = Annotated[float, BeforeValidator(amounts.duration), WithJsonSchema({"type": "string", "pattern": amounts.DURATION})]
FormRate = Annotated[Any, BeforeValidator(amounts.form_rate), WithJsonSchema({"type": "string", "pattern": amounts.FORM_RATE})]
Moment = Annotated[float, BeforeValidator(amounts.moment), WithJsonSchema({"type": "string"})]
Size = Annotated[
    Any,
    BeforeValidator(amounts.size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": amounts.SIZE}]}),
]
Memory = Annotated[
    Any,
    BeforeValidator(amounts.memory),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": amounts.MEMORIES[0]}, {"type": "string", "pattern": amounts.MEMORY}]}),
]
Texts = Annotated[
    Any,
    AfterValidator(_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
SchemaOf = Annotated[
    Any,
    AfterValidator(lambda value: _text_or(value, dict, "the path of a schema file, or a schema")),
    WithJsonSchema({"anyOf": [{"type": "string", "description": "a file under the folder of routes.yaml"}, {"type": "object"}]}),
]


class Written(BaseModel):
    """What all parts share: unknown keys are errors, nothing changes after reading, no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Timestamp(Written):
    """When the request says it was signed."""

    header: str | None = Field(None, description="The header that carries the time.")
    query: str | None = Field(None, description="The query parameter that carries the time.")
    label: str | None = Field(None, description="The label of the time inside the signature's value, as t in t=1,v1=ab.")
    unit: Literal["s", "ms", "iso8601", "rfc3339", "http_date"] = Field("s", description="How the time is written.")
    tolerance: Annotated[int, Field(gt=0, le=86400)] = Field(300, description="Seconds that the time may differ from now.")


class Verify(Written):
    """How requests prove where they come from, for the providers hmac and token."""

    header: str | None = Field(None, description="The header that carries the signature or token.")
    query: str | None = Field(None, description="The query parameter that carries it.")
    prefix: str | None = Field(None, description="Text before it in the header, as sha256= or Bearer and a blank.")
    algorithm: Literal["sha1", "sha256", "sha512"] = Field("sha256", description="The hash of the HMAC.")
    encoding: Literal["hex", "base64", "base64url"] = Field("hex", description="How the signature is written.")
    key: Literal["utf8", "hex", "base64", "whsec"] = Field("utf8", description="How the secret gives the key.")
    label: str | None = Field(None, description="The label of signatures in a value that is a list, as v1 in t=1,v1=ab.")
    separator: str = Field(",", description="What stands between the entries of such a list.", min_length=1)
    signed: Texts = Field(("{body}",), description="What is signed: {body} {timestamp} {method} {url} {path} {h:Header}…")
    timestamp: Timestamp | None = Field(None, description="When it was signed; without it old requests can be sent again.")


class DatedSecret(Written):
    """A secret that ends."""

    value: str = Field(description="The secret: ${env:NAME} or ${file:PATH}.")
    not_after: Moment | None = Field(None, description="From when on it is refused: a date or an ISO 8601 time, UTC.")


def _kind_of_secret(value: Any) -> str:
    return "dated" if isinstance(value, (dict, DatedSecret)) else "plain"


SecretOf = Annotated[Annotated[str, Tag("plain")] | Annotated[DatedSecret, Tag("dated")], Discriminator(_kind_of_secret)]


class Source(Written):
    """A named inbound endpoint, POST /hooks/NAME."""

    provider: str = Field(description="Who sends: a row of the table in docs/providers.md, such as github, stripe or form.")
    secret: SecretOf | None = Field(None, description="The secret: ${env:NAME} or ${file:PATH}.")
    secrets: Annotated[list[SecretOf], Field(min_length=1, max_length=8)] | None = Field(
        None, description="Several secrets that are all accepted, for changing them without a gap."
    )
    verify: Verify | None = Field(None, description="How requests are verified; only for hmac and token.")
    insecure: bool = Field(False, description="Accept requests from anyone. Only where nothing can be verified.")
    max_body: Size | None = Field(None, description="The largest body that is accepted, in bytes or as 5 MiB.")
    max_depth: Annotated[int, Field(ge=1, le=500)] = Field(100, description="How deep JSON may nest.")
    rate: FormRate | None = Field(
        None, description="Requests accepted in a time, as 60/min; for forms also `60/min and 10/min per address`."
    )
    dedup: Literal["id", "body", "none"] = Field(
        "id", description="What makes an event a duplicate: the provider's id, or the body."
    )
    event_type: Texts | None = Field(None, description="Where the type stands: header:NAME, query:NAME, form:NAME or body:PATH.")
    event_id: Texts | None = Field(None, description="Where the provider's id stands, written like event_type.")
    pins: dict[str, Texts] | None = Field(
        None, description="What a signature alone does not tell, such as audience, topic_arn or webhook_id: see the provider."
    )
    split: str | None = Field(
        None, description="Where the list stands in a request that holds several events: body:PATH, or body where it is the list."
    )
    redirect: str | None = Field(None, description="Forms: the page that follows.")
    allowed_origins: list[str] | None = Field(None, description="Forms: the sites that may send it, as https://example.com.")
    schema_: SchemaOf | None = Field(
        None, alias="schema", description="Forms: the JSON Schema of the fields, a file or inline; types them too."
    )


_Cap = Annotated[int, Field(ge=1, le=10_000)]


class _Platform(Written):
    max_concurrent_runs: _Cap | None = Field(
        None, description="Runs at once. Default: gumloop 5, http 16, local 2 for each core."
    )
    timeout: Duration = Field(30.0, description="How long an answer may take.")


class Gumloop(_Platform):
    """Gumloop, or what has the same API."""

    type: Literal["gumloop"]
    base_url: str = Field("https://api.gumloop.com/api/v1", description="The API. Without TLS only on this machine.")
    api_key: str = Field(description="The API key: ${env:NAME} or ${file:PATH}.")
    user_id: str = Field(description="The id of the user who owns the flows.")
    project_id: str | None = Field(None, description="The project of the flows.")


class LocalKey(Written):
    """A key that others call the embedded platform with, beside the built-in one."""

    name: str = Field(description="Whose it is; stands in the log. Letters, digits, - _ .")
    hash: str = Field(description="sha256: and what `printf %s KEY | sha256sum` prints. The key itself is written nowhere.")
    user_id: str | None = Field(None, description="The user that it belongs to, who sees only the runs and files of that user.")
    flows: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="The flows that it may start and see: names under `flows:`, or saved_item_ids."
    )


class Local(_Platform):
    """The embedded platform: ready-made flows and the functions of a Python file. There can be one."""

    type: Literal["local"]
    flows: str | None = Field(None, description="The Python file with the flows.")
    keys: Annotated[list[LocalKey], Field(max_length=100)] | None = Field(None, description="Further keys of its API.")
    overflow: Literal["queue", "reject"] = Field(
        "queue", description="What happens to a start beyond max_concurrent_runs: it waits, or is answered 429."
    )


class Http(_Platform):
    """Any URL that takes JSON."""

    type: Literal["http"]
    url: str = Field(description="Where the inputs are sent.")
    method: Literal["POST", "PUT", "PATCH"] = Field("POST", description="The HTTP method.")
    headers: dict[str, str] | None = Field(None, description="Headers to send along.")


Platform = Annotated[Gumloop | Local | Http, Field(discriminator="type")]


class Flow(Written):
    """A saved flow under a name that routes use."""

    platform: str = Field(description="The platform's name.")
    saved_item_id: str = Field(description="The flow's id on its platform.", min_length=1)
    time_limit: Duration | None = Field(None, description="Local flows: how long a run may take before it is ended.")
    memory: Memory | None = Field(None, description="Local flows: the memory that a run may use, in bytes or as 256MB.")


class Retry(Written):
    """How often and how far apart a delivery is tried."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = Field(12, description="Calls at most.")
    first: Duration = Field(5.0, description="The wait after the first.")
    max: Duration = Field(21600.0, description="The longest wait.")


class Route(Written):
    """Which events go to which flow, in what shape."""

    name: str = Field(description="The route's name: a-z 0-9 _ -")
    on: Texts | None = Field(None, description="SOURCE, or SOURCE TYPE, TYPE…; * in a type is any text.")
    source: str | None = Field(None, description="The source, where match has the types under event (the long form of on).")
    match: dict[str, Any] | None = Field(
        None, description="Dotted paths and what their values should be: a value, a list of them, or operators."
    )
    when: str | None = Field(None, description="A condition, as a JMESPath expression.")
    payload_schema: SchemaOf | None = Field(None, description="JSON Schema of the payload: a file or inline.")
    inputs: Annotated[
        Any,
        AfterValidator(lambda value: _text_or(value, dict, "a mapping of inputs, or one ${…} that gives an object")),
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "pattern": r"^\$\{"}]}),
    ] = Field(None, description="The flow's inputs, with ${…}; or one ${…} that gives them all. Default for forms: ${form}.")
    inputs_schema: SchemaOf | None = Field(None, description="JSON Schema of the inputs: a file or inline.")
    flow: str = Field(description="The name of a flow, or PLATFORM/SAVED_ITEM_ID.")
    mode: Literal["live", "paused", "shadow"] = Field(
        "live", description="paused: planned and kept waiting; shadow: planned and never sent."
    )
    strict: bool = Field(False, description="A null input is an error.")
    reserved: Literal["refuse", "drop"] = Field("refuse", description="What happens to inputs with names the platform reserves.")
    retry: Retry = Field(
        default_factory=lambda: Retry.model_validate({}), description="Calls, and the waits between them."
    )
    run_timeout: Duration = Field(3600.0, description="How long a run may take before its slot is freed.")


class Document(Written):
    """routes.yaml of flowbridge."""

    version: Literal[1] = Field(description="The version of this format.")
    include: Texts | None = Field(None, description="Other files (or patterns for their names) whose parts belong to this one.")
    platforms: dict[str, Platform] | None = Field(None, description="Where flows live, by name.")
    sources: dict[str, Source] | None = Field(None, description="Inbound endpoints, by name.")
    flows: dict[str, Flow] | None = Field(None, description="Names for flows.")
    routes: list[Route] | None = Field(None, description="Which events go to which flow.")


LATER: dict[str, frozenset[str]] = {  # keys of the design that this version does not have
    "routes": frozenset(
        [
            "order_by",
            "order_until",
            "on_dead",
            "delay",
            "debounce",
            "on_unknown",
            "rate",
            "max_runs_per_day",
            "max_concurrent_runs",
            "on_run_failed",
        ]
    ),
    "sources": frozenset(["retention", "expect", "redact"]),
    "flows": frozenset(["exclusive"]),
}
