"""Records of the provider catalog. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.http_messages import Request
from bridge.core.locators import AnyLocator
from bridge.core.masking import locators_within_items
from bridge.core.model import JSON
from bridge.core.units import MIB
from bridge.providers.confirmation import Confirmation
from bridge.providers.signatures.scheme import Scheme

MULTIPART_MEDIA_TYPE = "multipart/form-data; boundary=------------------------3f6a9c0e1b7d"
XML_MEDIA_TYPE = "text/xml"
CREDENTIAL_HEADERS = ("header:authorization", "header:cookie", "header:proxy-authorization")
UNKNOWN_TEXT = "not known"
#: Objects whose keys a sender's customers choose, at nearly every sender: without case, `_` and
#: `-`.
CUSTOM_OBJECTS = frozenset(
    {
        "additionaldata",
        "annotations",
        "answers",
        "appmetadata",
        "args",
        "commonannotations",
        "commonlabels",
        "context",
        "customattributes",
        "customdata",
        "customfields",
        "eventdata",
        "fields",
        "grouplabels",
        "hidden",
        "input",
        "inputs",
        "labels",
        "merges",
        "meta",
        "metadata",
        "output",
        "outputs",
        "params",
        "parameters",
        "properties",
        "tags",
        "traits",
        "urlparams",
        "usermetadata",
        "values",
        "variables",
        "vars",
    }
)
EVIDENCE_LEVELS = ("vector", "sdk", "docs", "unconfirmed")  # of a row's correctness, best first


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a sender instead of the default 202."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """The input of a handshake. `body` is the decoded body, or None; `secrets` are active, newest
    first.
    """

    request: Request
    body: JSON
    secrets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Handshake:
    """A sender's test of the URL. `answer` returns None if the request is not a test.

    `signed`: it is answered only after verification. `methods`: the methods of tests; requests
    other than POST are never events.
    """

    answer: Callable[[Probe], Reply | None]
    signed: bool = True
    methods: tuple[str, ...] = ("POST",)


@dataclass(frozen=True, slots=True)
class DeliveredSecret:
    """A secret that a request delivers, and the response to that request."""

    secret: str = field(repr=False)
    reply: Reply


@dataclass(frozen=True, slots=True)
class SecretDelivery:
    """Secret enrolment: the sender delivers its secret once, in an unverified request.

    `read` returns None for a request without a secret. It is called only while a person runs the
    enrolment, and its result is used once; at any other time such a request is refused like every
    unsigned one. `ask`: what a person does to make the sender send it. `shown`: the person must
    enter the secret at the sender, and so must see it.
    """

    read: Callable[[Probe], DeliveredSecret | None]
    ask: str
    shown: bool = False


@dataclass(frozen=True, slots=True)
class EventBatch:
    """A request with many events. `at` is the dotted path of their list, empty if the body is the
    list.

    Each element becomes the body of an event, and `event_type` and `event_id` are read from it.
    `keep`: values beside the list at these paths are copied into each element that lacks them.
    """

    at: str = ""
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypes:
    """The documented event types of a sender: `event_types/<provider>.txt`, from the page `docs`.

    The sender may send newer ones. `detail`: the dotted path of a value that documents and
    libraries append to the type after a dot, as in `issues.opened`, and that is not part of the
    type here.
    """

    docs: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A realistic event. `payload` names a file in `samples/<provider>/`, sent as `content_type`.

    `{id}`, `{now}` and `{now_iso}` in headers and payload are replaced in each copy. A payload's
    `"{now}"` becomes a number of seconds, `"{now}000"` one of milliseconds.
    """

    type: str
    payload: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One sender. `event_type` and `event_id` are locators in order of preference.

    `credentials` are masked in stored requests. `scheme` is null if only a source's `verify:` can
    say. `body`: `json`; `form_payload:FIELD`: a form may carry the JSON in that field;
    `jwt:CLAIM,NAME…`: a token is the whole body and its claim holds the JSON, some of it as text
    under these names. `ack` replaces the 202; `bare_refusal`: a 401 has no body.
    `generates_secret`: we generate the secret, not the sender. `dedup_body`: without an id, an
    identical body is a duplicate (never set where an empty ping may repeat). `fields`: for form
    services, the answers in the body as {label: value}. `test_types`: types of events by which a
    sender only tests the URL, so that no route has to match them. `retry`: the locators of the
    sender's retry number. `answer_within`: how long the sender waits for the response, in words.
    `signs`: what the signature covers, in words. `limits`: what a person should know before relying
    on it, or empty. `secret_starts`: prefixes of secrets; empty if unknown. `api_key_starts`:
    prefixes of the sender's API keys, which are not webhook secrets. `event_types`: the documented
    types, or null. `custom_payload`: each customer defines the payload, so that a sample does not
    show its names. `fixed_objects`: those of `CUSTOM_OBJECTS` whose keys the sender itself defines.
    `learn`: the sender generates the secret and delivers it in a request. `confirmation`: the
    sender requires us to fetch a URL. Take the words of `signs`, `retries` and `secret_hint` from a
    neighbouring row: docs/generate.py reads them.
    """

    name: str
    title: str
    scheme: Scheme | None
    event_type: tuple[AnyLocator, ...] = ()
    event_id: tuple[AnyLocator, ...] = ()
    dedup_body: bool = False
    batch: EventBatch | None = None
    retry: tuple[AnyLocator, ...] = ()
    body: str = "json"
    handshakes: tuple[Handshake, ...] = ()
    learn: SecretDelivery | None = None
    confirmation: Confirmation | None = None
    credentials: tuple[str, ...] = CREDENTIAL_HEADERS
    max_body: int = 5 * MIB
    fields: Callable[[JSON], dict[str, JSON]] | None = None
    ack: Reply | None = None
    bare_refusal: bool = False
    secret_hint: str
    generates_secret: bool
    setup: str
    docs: str
    evidence: str
    retries: str
    test_types: tuple[str, ...] = ()
    answer_within: str = UNKNOWN_TEXT
    signs: str = ""
    limits: str = ""
    secret_starts: tuple[str, ...] = ()
    api_key_starts: tuple[str, ...] = ()
    event_types: EventTypes | None = None
    custom_payload: bool = False
    fixed_objects: frozenset[str] = frozenset()
    samples: tuple[Sample, ...]

    def explain_setup(self, source: str | None = None) -> str:
        """Return how to set up a source at the sender. None: the name that `flowbridge add` gives
        without another.
        """
        return self.setup.replace("SOURCE", source or self.name)

    @property
    def custom_objects(self) -> frozenset[str]:
        """Objects (without case, `_` and `-`) whose keys the sender's customers define."""
        return CUSTOM_OBJECTS - self.fixed_objects

    def doubt_of_secret(self, value: str) -> str | None:
        """Return why a value is probably not a webhook secret, or None. The value is not shown."""
        key = next((start for start in self.api_key_starts if value.startswith(start)), None)
        if key is not None:
            doubt = (
                f"a value that starts with `{key}` is an API key of {self.title}, not a webhook"
                " secret"
            )
        elif self.secret_starts and not value.startswith(self.secret_starts):
            doubt = (
                f"a secret of {self.title} starts with `{'` or `'.join(self.secret_starts)}`, and"
                " this value does not"
            )
        else:
            return None
        return f"{doubt}. Needed: {self.secret_hint} (see `flowbridge providers {self.name}`)"

    @property
    def wrapped_in(self) -> str | None:
        """The form field that may hold the JSON."""
        kind, _, name = self.body.partition(":")
        return name or None if kind == "form_payload" else None


def masked_locators(provider: Provider, scheme: Scheme, batch: EventBatch | None) -> frozenset[str]:
    """Return the locators of static credentials in a source's requests and batch items.

    Those of the provider's own scheme are included if the source uses another scheme, or none.
    """
    credentials = frozenset(provider.credentials).union(
        *(candidate.credentials for candidate in (provider.scheme, scheme) if candidate)
    )
    return credentials.union(locators_within_items(credentials, batch.at)) if batch else credentials
