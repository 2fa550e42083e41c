"""What a row of the provider table says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.http_messages import Request
from bridge.core.locators import Place
from bridge.core.masking import locators_within_items
from bridge.core.model import JSON
from bridge.providers.confirmation import Confirmation
from bridge.providers.signatures.scheme import Scheme

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=------------------------3f6a9c0e1b7d"
XML = "text/xml"
MIB = 1024 * 1024
CREDENTIALS = ("header:authorization", "header:cookie", "header:proxy-authorization")
UNKNOWN = "not known"
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
EVIDENCE = ("vector", "sdk", "docs", "unconfirmed")  # what shows that a row is right, best first


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered instead of the usual 202."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a handshake is answered from. `body` is the decoded body (None without one); `secrets`
    are those live now, newest first.
    """

    request: Request
    body: JSON
    secrets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a sender tests a URL. `answer` returns None for what is no test; `signed`: it is answered
    only after verification.

    `methods`: those that are tests; any but POST is never an event.
    """

    answer: Callable[[Probe], Reply | None]
    signed: bool = True
    methods: tuple[str, ...] = ("POST",)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a request teaches: the `secret` that all later ones are signed with, and what is
    answered to it.
    """

    secret: str = field(repr=False)
    reply: Reply


@dataclass(frozen=True, slots=True)
class Learn:
    """How a sender tells its secret: once, in a request that nothing proves.

    `read` returns None for a request that teaches nothing. It is asked only while someone lets the
    source learn, and what it returns is taken once; at any other time such a request is refused
    like every unsigned one. `ask`: what a person does to make the sender send it. `shown`: the
    sender wants the secret typed in, so the person must see it.
    """

    read: Callable[[Probe], Lesson | None]
    ask: str
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One request that holds many events: `at` is the dotted path of their list in the body, empty
    where the body is the list.

    Each element becomes an event whose body it is; the row's `event_type` and `event_id` are looked
    up in it. With `keep`, what stands at these paths beside the list is put into each element under
    the same name where it has none.
    """

    at: str = ""
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypes:
    """The list `event_types/<provider>.txt` of the types that a sender documents at `docs`. It may
    send others that are newer.

    `detail`: the dotted path of the value that documents and libraries append to the type after a
    dot, as in `issues.opened`, and that is no part of the type here.
    """

    docs: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A realistic event: `payload` names a JSON file in `samples/<provider>/`, sent as
    `content_type`.

    `{id}`, `{now}` and `{now_iso}` in headers and payload stand for what is fresh in each copy.
    """

    type: str
    payload: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One sender. `event_type` and `event_id` are places in order of preference, `credentials` what
    is masked when stored.

    `scheme` is null where only a source's `verify:` can tell. `body`: `json`, or
    `form_payload:FIELD`: a form may carry the JSON in that field, or `jwt:CLAIM,NAME…`: a token is
    the whole body and its claim holds the JSON, some of it as text under these names. `ack`
    replaces the 202; `bare_refusal`: a 401 has no body. `generates_secret`: we make the secret and
    the sender is told it, not the reverse.
    `dedup_body`: where it gives no id, the same body is the same event (never where an empty ping
    may come twice).
    `fields`: what people filled in, of the body, as {label: value}, where it is a service for
    forms.
    `test_types`: the types of events by which a sender only tries the URL, so that no route has to
    take them.
    `retry`: where the sender says which of its tries it is, as it counts them. `answer_within`: how
    long it waits for the answer, in words.
    `signs`: what the signature covers, in words. `limits`: what a person should know before relying
    on it, empty if nothing.
    `secret_starts`: a secret starts with one of these; empty where that is not known.
    `api_key_starts`: the sender's API keys start with one of these; they are not the webhook's
    secret. `event_types`: those that the sender documents; null where there is no list.
    `custom_payload`: each customer's payload has a shape of its own, so that a sample says nothing
    of other names. `fixed_objects`: those of `CUSTOM_OBJECTS` whose keys the sender itself chooses.
    `learn`: where the sender makes the secret and tells it by a request. `confirmation`: where it
    wants a URL to be fetched.
    """

    name: str
    title: str
    scheme: Scheme | None
    event_type: tuple[Place, ...] = ()
    event_id: tuple[Place, ...] = ()
    dedup_body: bool = False
    batch: Batch | None = None
    retry: tuple[Place, ...] = ()
    body: str = "json"
    handshakes: tuple[Handshake, ...] = ()
    learn: Learn | None = None
    confirmation: Confirmation | None = None
    credentials: tuple[str, ...] = CREDENTIALS
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
    answer_within: str = UNKNOWN
    signs: str = ""
    limits: str = ""
    secret_starts: tuple[str, ...] = ()
    api_key_starts: tuple[str, ...] = ()
    event_types: EventTypes | None = None
    custom_payload: bool = False
    fixed_objects: frozenset[str] = frozenset()
    samples: tuple[Sample, ...]

    @property
    def custom_objects(self) -> frozenset[str]:
        """The names of objects, without case, `_` and `-`, whose keys the sender's customers
        choose.
        """
        return CUSTOM_OBJECTS - self.fixed_objects

    def doubt_of_secret(self, value: str) -> str | None:
        """Return why a value is most likely not the secret of a webhook, None where nothing speaks
        against it. The value is not shown.
        """
        key = next((start for start in self.api_key_starts if value.startswith(start)), None)
        if key is not None:
            doubt = (
                f"a value that starts with `{key}` is an API key of {self.title}, not the secret of"
                " a webhook"
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


def masked(provider: Provider, scheme: Scheme, batch: Batch | None) -> frozenset[str]:
    """Return the locators (header names lower-case) of the static credentials of a source's
    requests, and of an element of its batch.

    Those of the provider's own scheme are among them also where the source takes another, or is
    insecure.
    """
    credentials = frozenset(provider.credentials).union(
        *(one.credentials for one in (provider.scheme, scheme) if one)
    )
    return credentials.union(locators_within_items(credentials, batch.at)) if batch else credentials
